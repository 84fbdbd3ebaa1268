//! What there is to hear, and how to find it in samples: voices are tones that name their speaker.

use std::time::Duration;

/// Samples per second everywhere in the simulator.
pub(crate) const RATE: u64 = 8000;
/// Detection works on windows of 20 ms: every multiple of 50 Hz is then blind to every other.
const WINDOW: usize = 160;
/// Windows overlap by half.
const STEP: usize = WINDOW / 2;
/// A voice with holes of less than 90 ms (lost packets) is still one spell.
const BRIDGE: usize = 720;

/// Something a listener may hear. The tones are those of China, which the switch plays unless told otherwise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sound {
    /// The voice of a phone: a steady tone of so many hertz.
    Voice(u16),
    /// The far end rings: 450 Hz, 1 s on, 4 s off.
    Ringback,
    /// The far end is busy: 450 Hz, 0.35 s on, 0.35 s off.
    Busy,
    /// No way through: 450 Hz, 0.7 s on, 0.7 s off.
    Congestion,
    /// No such number, or it cannot be reached: 450 Hz, three times 0.1 s and once 0.4 s.
    Unobtainable,
}

impl Sound {
    /// One period in milliseconds, on and off in turn; a voice has none.
    fn cadence(self) -> &'static [usize] {
        match self {
            Self::Voice(_) => &[],
            // The long pause need not be heard to its end to be told from other pauses.
            Self::Ringback => &[1000, 1500],
            Self::Busy => &[350, 350, 350, 350],
            Self::Congestion => &[700, 700, 700],
            Self::Unobtainable => &[100, 100, 100, 100, 100, 100, 400, 400],
        }
    }

    /// What is worth listening to if this is to be heard now.
    pub(crate) fn window(self) -> Duration {
        match self {
            Self::Voice(_) => Duration::from_millis(1000),
            Self::Ringback => Duration::from_millis(6000),
            Self::Busy | Self::Unobtainable => Duration::from_millis(2100),
            Self::Congestion => Duration::from_millis(4200),
        }
    }
}

/// Where a listener heard something, in samples from the start of what was listened to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hearing {
    /// Spells of sound, each `(from, to)`, in order; a voice's holes of less than 90 ms (lost packets) do not end its spell.
    pub spells: Vec<(u64, u64)>,
}

impl Hearing {
    /// How long it was heard in all.
    pub fn total(&self) -> Duration {
        duration(self.spells.iter().map(|(from, to)| to - from).sum())
    }

    /// From the first to the last moment it was heard.
    pub fn span(&self) -> Duration {
        match (self.spells.first(), self.spells.last()) {
            (Some(first), Some(last)) => duration(last.1 - first.0),
            _ => Duration::ZERO,
        }
    }
}

/// The tone of the phone with this number in the order of creation: 600, 700, … without those that a network plays.
pub(crate) fn voice(index: usize) -> Sound {
    const PITCHES: [u16; 22] = [
        600, 700, 800, 1000, 1100, 1200, 1300, 1500, 1600, 1700, 1900, 2000, 2100, 2200, 2300, 2400, 2500, 2600, 2700,
        2800, 2900, 3000,
    ];
    Sound::Voice(PITCHES[index % PITCHES.len()])
}

/// One sample of a voice at its `position` since it began to speak.
pub(crate) fn voice_sample(hertz: u16, position: u64) -> i16 {
    let phase = (position * u64::from(hertz)) % RATE;
    ((phase as f64 / RATE as f64 * std::f64::consts::TAU).sin() * 8000.0) as i16
}

/// A key's two tones (ITU-T Q.23) for 100 ms, and 100 ms of silence.
pub(crate) fn key_tones(key: char) -> Vec<i16> {
    const KEYPAD: &str = "123A456B789C*0#D";
    let place = KEYPAD.find(key).unwrap_or_else(|| panic!("{key} is no key"));
    let (row, column) = ([697.0, 770.0, 852.0, 941.0][place / 4], [1209.0, 1336.0, 1477.0, 1633.0][place % 4]);
    let wave = |hz: f64, n: usize| (n as f64 * hz / RATE as f64 * std::f64::consts::TAU).sin() * 6_000.0;
    (0..1600).map(|n| if n < 800 { (wave(row, n) + wave(column, n)) as i16 } else { 0 }).collect()
}

fn duration(samples: u64) -> Duration {
    Duration::from_micros(samples * 1_000_000 / RATE)
}

/// Energy of one frequency in a window, in the unit of [`energy`]: a pure tone there gives the window's whole energy.
fn goertzel(window: &[i16], hertz: f64) -> f64 {
    let coefficient = 2.0 * (std::f64::consts::TAU * hertz / RATE as f64).cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for sample in window {
        let s0 = f64::from(*sample) + coefficient * s1 - s2;
        s2 = s1;
        s1 = s0;
    }
    2.0 * (s1 * s1 + s2 * s2 - coefficient * s1 * s2) / window.len() as f64
}

fn energy(window: &[i16]) -> f64 {
    window.iter().map(|s| f64::from(*s) * f64::from(*s)).sum()
}

/// Does this one frequency make up what is in the window?
fn is_tone(window: &[i16], hertz: f64) -> bool {
    let all = energy(window);
    // Quieter than -46 dBov is silence to a telephone.
    let audible = all / window.len() as f64 > 165.0 * 165.0 / 2.0;
    audible && goertzel(window, hertz) > 0.8 * all
}

/// In which steps of 10 ms is this frequency there alone?
fn steps(pcm: &[i16], hertz: u16) -> Vec<bool> {
    (0..(pcm.len() + 1).saturating_sub(WINDOW))
        .step_by(STEP)
        .map(|start| is_tone(&pcm[start..start + WINDOW], f64::from(hertz)))
        .collect()
}

/// Where in these samples the sound is, to 10 ms.
///
/// A tone with a cadence is only where the cadence is: 450 Hz in another rhythm is another tone.
pub(crate) fn find(pcm: &[i16], sound: Sound) -> Hearing {
    match sound {
        Sound::Voice(hertz) => spells(&steps(pcm, hertz), WINDOW, BRIDGE),
        Sound::Ringback | Sound::Busy | Sound::Congestion | Sound::Unobtainable => {
            spells(&in_cadence(&steps(pcm, 450), sound.cadence()), STEP, 0)
        }
    }
}

/// Where in these samples a voice is one of several that speak at once, to 10 ms.
pub(crate) fn find_among(pcm: &[i16], hertz: u16) -> Hearing {
    let steps: Vec<bool> = (0..(pcm.len() + 1).saturating_sub(WINDOW))
        .step_by(STEP)
        .map(|start| has_share(&pcm[start..start + WINDOW], f64::from(hertz)))
        .collect();
    spells(&steps, WINDOW, BRIDGE)
}

/// Is this frequency a fair part of what is in the window?
fn has_share(window: &[i16], hertz: f64) -> bool {
    let all = energy(window);
    let audible = all / window.len() as f64 > 165.0 * 165.0 / 2.0;
    audible && goertzel(window, hertz) > 0.2 * all
}

/// Joins steps to spells; each step is `length` samples long, and holes up to `bridge` samples do not count.
fn spells(steps: &[bool], length: usize, bridge: usize) -> Hearing {
    let mut spells: Vec<(u64, u64)> = Vec::new();
    for (index, _) in steps.iter().enumerate().filter(|(_, there)| **there) {
        let (from, to) = ((index * STEP) as u64, (index * STEP + length) as u64);
        match spells.last_mut() {
            Some(last) if from <= last.1 + bridge as u64 => last.1 = to,
            _ => spells.push((from, to)),
        }
    }
    Hearing { spells }
}

/// Which steps belong to a piece that follows the cadence.
///
/// A lost packet makes a hole in a tone, but nothing puts a tone into a pause: the tone may be there to 55 %, the pause must be there to 94 %.
fn in_cadence(steps: &[bool], cadence: &[usize]) -> Vec<bool> {
    let wanted: Vec<bool> =
        cadence.iter().enumerate().flat_map(|(n, ms)| std::iter::repeat_n(n % 2 == 0, ms / 10)).collect();
    let on = wanted.iter().filter(|w| **w).count();
    let mut inside = vec![false; steps.len()];
    for start in 0..(steps.len() + 1).saturating_sub(wanted.len()) {
        let piece = &steps[start..start + wanted.len()];
        let tone = piece.iter().zip(&wanted).filter(|(is, want)| **is && **want).count();
        let pause = piece.iter().zip(&wanted).filter(|(is, want)| !**is && !**want).count();
        if tone * 100 >= on * 55 && pause * 100 >= (wanted.len() - on) * 94 {
            inside[start..start + wanted.len()].fill(true);
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: u16, ms: u64) -> Vec<i16> {
        (0..ms * RATE / 1000).map(|n| voice_sample(hertz, n)).collect()
    }

    fn silence(ms: u64) -> Vec<i16> {
        vec![0; (ms * RATE / 1000) as usize]
    }

    #[test]
    fn every_voice_is_told_from_every_other() {
        for a in 0..22 {
            let Sound::Voice(hertz) = voice(a) else { panic!("a voice is a voice") };
            let pcm = tone(hertz, 200);
            for b in 0..22 {
                assert_eq!(find(&pcm, voice(b)).total() > Duration::ZERO, a == b, "{a} {b}");
            }
        }
    }

    #[test]
    fn two_who_speak_at_once_are_both_heard() {
        let both: Vec<i16> = tone(600, 500).iter().zip(&tone(1300, 500)).map(|(a, b)| a + b).collect();
        for hertz in [600, 700, 800, 1000, 1100, 1200, 1300, 1500] {
            let heard = find_among(&both, hertz).total() > Duration::ZERO;
            assert_eq!(heard, hertz == 600 || hertz == 1300, "{hertz}");
        }
        assert_eq!(find(&both, Sound::Voice(600)), Hearing::default());
    }

    #[test]
    fn tones_are_told_by_their_cadence() {
        let ringback: Vec<i16> = [tone(450, 1000), silence(4000), tone(450, 1000), silence(2000)].concat();
        let repeated = |times: usize, period: &[i16]| period.repeat(times);
        let busy = repeated(5, &[tone(450, 350), silence(350)].concat());
        let congestion = repeated(4, &[tone(450, 700), silence(700)].concat());
        let short = [tone(450, 100), silence(100)].concat().repeat(3);
        let unobtainable = repeated(2, &[short, tone(450, 400), silence(400)].concat());
        let kinds = [
            (Sound::Ringback, &ringback),
            (Sound::Busy, &busy),
            (Sound::Congestion, &congestion),
            (Sound::Unobtainable, &unobtainable),
        ];
        for (sound, _) in &kinds {
            for (other, pcm) in &kinds {
                assert_eq!(find(pcm, *sound).total() > Duration::ZERO, sound == other, "{sound:?} in {other:?}");
            }
        }
        assert_eq!(find(&tone(450, 5000), Sound::Ringback), Hearing::default(), "a steady tone rings nowhere");
    }

    #[test]
    fn a_hole_is_a_hole_and_silence_is_nobody() {
        let pcm: Vec<i16> = [silence(100), tone(600, 1000), silence(200), tone(600, 500)].concat();
        let hearing = find(&pcm, Sound::Voice(600));
        assert_eq!(hearing.spells.len(), 2);
        assert!(hearing.span() > hearing.total());
        assert!(hearing.spells[0].0.abs_diff(800) <= 80);
        assert_eq!(find(&silence(500), Sound::Voice(600)), Hearing::default());
    }
}
