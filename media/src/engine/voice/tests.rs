//! Voices over lines that lose packets and with clocks that are off.

use super::*;
use crate::codec::{Encoder, MAX_PAYLOAD};
use crate::g711::Law;
use crate::testing::{hears, tone_from};

/// Four minutes of a phone whose clock is off by so many millionths; what was heard, and the most packets that waited.
fn drifting(ppm: f64) -> (Vec<i16>, usize) {
    let codec = Codec::G711(Law::A);
    let mut voice = Voice::new(codec, Rates::default());
    let (mut sent, mut most, mut heard) = (0u32, 0, Vec::new());
    for frame in 1..=12_000u32 {
        let due = (f64::from(frame) * (1.0 + ppm / 1e6)) as u32;
        while sent < due {
            let samples = tone_from(1_070.0, u64::from(sent) * 160, 160);
            let payload: Vec<u8> = samples.into_iter().map(|s| Law::A.encode(s)).collect();
            let header = Header {
                marker: false,
                payload_type: 8,
                sequence: sent as u16,
                timestamp: sent.wrapping_mul(160),
                ssrc: 1,
                payload_at: 12,
                payload_len: 160,
            };
            voice.push(&header, 1, Some(codec), &payload);
            sent += 1;
        }
        voice.advance(4_096);
        most = most.max(voice.waiting);
        heard.extend(voice.frame(Rate::Narrow).unwrap_or(&[0; 160]));
    }
    (heard, most)
}

#[test]
fn a_clock_that_is_off_by_two_hundred_ppm_neither_starves_a_voice_nor_piles_it_up() {
    for ppm in [-200.0, 200.0] {
        let (heard, most) = drifting(ppm);
        assert!(most <= 3, "{ppm} ppm: {most} packets waited");
        let heard = hears(&heard, 1_070.0).unwrap();
        assert!(heard.share > 0.995 && heard.longest_gap.as_millis() <= 40, "{ppm} ppm: {heard:?}");
    }
}

/// A second and a half of a tone of which so many packets in a row are lost, each packet 20 ms late so that the next one can help.
fn losing(codec: Codec, hz: f64, lost: u32) -> Vec<i16> {
    let mut encoder = Encoder::new(codec);
    let mut voice = Voice::new(codec, Rates::default());
    voice.want({
        let mut narrow = Rates::default();
        narrow.add(Rate::Narrow);
        narrow
    });
    let (mut heard, samples) = (Vec::new(), codec.rate() / 50);
    let step = hz / f64::from(codec.rate()) * std::f64::consts::TAU;
    for frame in 0..75u32 {
        let pcm: Vec<i16> =
            (frame * samples..(frame + 1) * samples).map(|i| ((f64::from(i) * step).sin() * 6_000.0) as i16).collect();
        let mut octets = [0; MAX_PAYLOAD];
        let payload_len = encoder.encode(&pcm, &mut octets);
        let header = Header {
            marker: false,
            payload_type: 98,
            sequence: frame as u16,
            timestamp: frame * samples,
            ssrc: 1,
            payload_at: 12,
            payload_len,
        };
        if !(40..40 + lost).contains(&frame) {
            voice.push(&header, 1, Some(codec), &octets[..payload_len]);
        }
        if frame > 0 {
            voice.advance(4_096);
            voice.raise();
            heard.extend(voice.frame(Rate::Narrow).unwrap_or(&[0; 160]));
        }
    }
    heard
}

#[test]
fn two_packets_lost_in_a_row_leave_no_gap_over_forty_milliseconds() {
    for codec in Codec::ALL.into_iter().filter(|codec| *codec != Codec::G729 && *codec != Codec::L16(48_000)) {
        // Opus takes longer to find the level of a higher lone tone again: no voice is one.
        for hz in [200.0, 300.0, 500.0, 800.0, 1_070.0] {
            for lost in [1, 2] {
                let heard = hears(&losing(codec, hz, lost), hz as f32).unwrap();
                assert!(heard.longest_gap.as_millis() <= 40, "{codec:?}, {hz} Hz, {lost} lost: {heard:?}");
            }
        }
    }
}
