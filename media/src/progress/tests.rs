//! Tones of every country, faxes, people and machines, through A-law and a noisy line.

use super::*;
use crate::g711::Law;
use crate::testing::tone;
use stdx::Entropy;

/// All that is found in a sound, through A-law and with some noise on the line.
fn found(country: Country, pcm: &[i16]) -> Vec<Finding> {
    let mut detector = Detector::new(country);
    let mut noise = Entropy::seeded(3);
    let line = |s: &i16, noise: &mut Entropy| {
        let hiss = noise.below(60) as i16 - 30;
        Law::A.decode(Law::A.encode(s.saturating_add(hiss)))
    };
    let pcm: Vec<i16> = pcm.iter().map(|s| line(s, &mut noise)).collect();
    pcm.as_chunks::<FRAME>().0.iter().filter_map(|frame| detector.push(frame)).collect()
}

/// What is found in what is said after the answer.
fn answered(pcm: &[i16]) -> Vec<Signal> {
    let mut detector = Detector::new(Country::Cn);
    detector.answered();
    pcm.as_chunks::<FRAME>().0.iter().filter_map(|frame| detector.push(frame)).map(|f| f.signal).collect()
}

fn signals(country: Country, pcm: &[i16]) -> Vec<Signal> {
    found(country, pcm).into_iter().map(|finding| finding.signal).collect()
}

fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 8]
}

/// Something like a voice: a buzz whose pitch and loudness move, through a few formants.
fn voice(ms: usize, seed: u64) -> Vec<i16> {
    let mut entropy = Entropy::seeded(seed);
    let (mut phase, mut pitch) = (0.0f64, 120.0f64);
    (0..ms * 8)
        .map(|i| {
            if i % 400 == 0 {
                pitch = 100.0 + entropy.below(60) as f64;
            }
            phase += pitch / 8_000.0;
            let loud = 0.6 + 0.4 * (i as f64 / 900.0).sin();
            let buzz: f64 = (1..20)
                .map(|k| {
                    let hz = pitch * f64::from(k);
                    let formant =
                        1.0 / (1.0 + ((hz - 600.0) / 250.0).powi(2)) + 0.6 / (1.0 + ((hz - 1_700.0) / 300.0).powi(2));
                    (phase * f64::from(k) * std::f64::consts::TAU).sin() * formant
                })
                .sum();
            (buzz * loud * 2_500.0) as i16
        })
        .collect()
}

#[test]
fn the_tones_of_every_country_are_told_apart() {
    for (code, country) in Country::ALL {
        for (tone, signal) in [
            (Tone::Ringback, Signal::Ringback),
            (Tone::Busy, Signal::Busy),
            (Tone::Congestion, Signal::Congestion),
            (Tone::Unobtainable, Signal::Unobtainable),
        ] {
            // Where two tones sound the same, the first of the plan is meant; a steady tone says nothing.
            let cadence = tone.cadence(country);
            let rhythm = |tone: Tone| tone.cadence(country).iter().map(|s| s.2).collect::<Vec<_>>();
            let (busy, own) = (rhythm(Tone::Busy), rhythm(tone));
            let twin = tone == Tone::Congestion && own.chunks(busy.len()).all(|part| part == busy);
            let steady = cadence.len() < 2;
            let slow = cadence.iter().any(|s| s.0 > 0 && s.2 > 2_000);
            if twin || steady || slow {
                continue;
            }
            let period = tone.samples(country);
            let mut pcm = silence(330);
            while pcm.len() < 8_000 * 14 {
                pcm.extend_from_slice(&period);
            }
            let heard = found(country, &pcm);
            assert_eq!(heard.first().map(|f| f.signal), Some(signal), "{code} {tone:?}: {heard:?}");
            assert!(heard.len() == 1 && heard[0].confidence >= 0.6, "{code} {tone:?}: {heard:?}");
            assert!(heard[0].at <= Duration::from_secs(6), "{code} {tone:?}: {heard:?}");
        }
    }
}

#[test]
fn china_says_empty_number_busy_and_congested_within_three_seconds() {
    for (tone, signal) in
        [(Tone::Unobtainable, Signal::Unobtainable), (Tone::Busy, Signal::Busy), (Tone::Congestion, Signal::Congestion)]
    {
        let pcm = [silence(100), tone.samples(Country::Cn).repeat(6)].concat();
        let heard = found(Country::Cn, &pcm);
        assert!(heard[0].signal == signal && heard[0].at <= Duration::from_secs(3), "{heard:?}");
    }
}

#[test]
fn faxes_and_information_tones_are_heard_anywhere() {
    let sit = Tone::Unobtainable.samples(Country::Us);
    assert_eq!(signals(Country::Cn, &[silence(200), sit.to_vec()].concat()), [Signal::Unobtainable]);
    let cng = [tone(1100.0, 4_000), silence(3_000)].concat().repeat(2);
    assert_eq!(signals(Country::Cn, &[silence(500), cng].concat()), [Signal::FaxCalling]);
    let ced = [silence(300), tone(2100.0, 8_000 * 3), silence(500)].concat();
    assert_eq!(signals(Country::Us, &ced), [Signal::FaxAnswering]);
}

#[test]
fn a_person_says_a_word_and_a_machine_goes_on() {
    for seed in 0..10 {
        let person = [silence(600), voice(700, seed), silence(2_000), voice(600, seed + 50), silence(1_500)].concat();
        assert_eq!(answered(&person), [Signal::Human], "{seed}");
        let mut greeting = silence(800);
        for sentence in 0..3 {
            greeting.extend(voice(1_500, seed * 10 + sentence));
            greeting.extend(silence(350));
        }
        assert_eq!(signals(Country::Cn, &greeting), [Signal::Announcement], "{seed}");
        let heard = answered(&greeting);
        assert_eq!(heard.first(), Some(&Signal::Machine), "{seed}: {heard:?}");
        let beep = [silence(500), voice(1_700, seed), silence(300), tone(1000.0, 4_000), silence(1_000)].concat();
        assert_eq!(answered(&beep).first(), Some(&Signal::Machine), "{seed}");
    }
}

#[test]
fn silence_noise_music_and_dialling_are_no_signal() {
    let mut entropy = Entropy::seeded(9);
    let noise: Vec<i16> = (0..8_000 * 5).map(|_| entropy.below(300) as i16 - 150).collect();
    assert_eq!(signals(Country::Cn, &noise), []);
    assert_eq!(signals(Country::Cn, &silence(9_000)), []);
    assert_eq!(signals(Country::Cn, &tone(450.0, 8_000 * 6)), [], "a dial tone");
    let heard = signals(Country::Cn, crate::clip::Clip::melody().pcm());
    let tones = [Signal::Ringback, Signal::Busy, Signal::Congestion, Signal::Unobtainable];
    assert!(!heard.iter().any(|signal| tones.contains(signal)), "{heard:?}");
}
