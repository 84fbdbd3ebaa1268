//! The sounds of a telephone network, by country: ITU-T E.180 supplement 2.

use std::sync::Arc;

/// What a tone tells the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// The switch waits for digits.
    Dial,
    /// The far end rings.
    Ringback,
    /// The far end is in a call.
    Busy,
    /// No way through: all lines or the network are busy.
    Congestion,
    /// The number does not exist or cannot be reached: special information tones, in China the "vacant number" cadence.
    Unobtainable,
    /// Another call knocks.
    CallWaiting,
}

/// Whose tones to play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Country {
    /// China: 450 Hz.
    #[default]
    Cn,
    /// North America: pairs of frequencies.
    Us,
    /// Most of Europe: 425 Hz.
    Eu,
}

/// One stretch of a cadence: up to two frequencies in Hz (0 for none) for so many milliseconds.
type Stretch = (u16, u16, u16);

impl Tone {
    /// One period of the tone's cadence, 8 kHz linear PCM at about −13 dBm0 in total. Repeats without a click.
    pub fn samples(self, country: Country) -> Arc<[i16]> {
        const LEVEL: f64 = 5_200.0;
        let mut pcm = Vec::new();
        for &(low, high, ms) in self.cadence(country) {
            let voices = if high == 0 { 1.0 } else { 2.0 };
            for _ in 0..usize::from(ms) * 8 {
                // The phase runs on through the period, so a continuous tone of several stretches has no seam.
                let t = pcm.len() as f64 / 8_000.0 * std::f64::consts::TAU;
                let wave = (t * f64::from(low)).sin() + (t * f64::from(high)).sin();
                pcm.push((wave * LEVEL / voices) as i16);
            }
        }
        pcm.into()
    }

    fn cadence(self, country: Country) -> &'static [Stretch] {
        use Country::{Cn, Eu, Us};
        match (self, country) {
            (Tone::Dial, Cn) => &[(450, 0, 1000)],
            (Tone::Dial, Us) => &[(350, 440, 1000)],
            (Tone::Dial, Eu) => &[(425, 0, 1000)],
            (Tone::Ringback, Cn) => &[(450, 0, 1000), (0, 0, 4000)],
            (Tone::Ringback, Us) => &[(440, 480, 2000), (0, 0, 4000)],
            (Tone::Ringback, Eu) => &[(425, 0, 1000), (0, 0, 4000)],
            (Tone::Busy, Cn) => &[(450, 0, 350), (0, 0, 350)],
            (Tone::Busy, Us) => &[(480, 620, 500), (0, 0, 500)],
            (Tone::Busy, Eu) => &[(425, 0, 500), (0, 0, 500)],
            (Tone::Congestion, Cn) => &[(450, 0, 700), (0, 0, 700)],
            (Tone::Congestion, Us) => &[(480, 620, 250), (0, 0, 250)],
            (Tone::Congestion, Eu) => &[(425, 0, 250), (0, 0, 250)],
            (Tone::Unobtainable, Cn) => &[
                (450, 0, 100),
                (0, 0, 100),
                (450, 0, 100),
                (0, 0, 100),
                (450, 0, 100),
                (0, 0, 100),
                (450, 0, 400),
                (0, 0, 400),
            ],
            (Tone::Unobtainable, Us | Eu) => &[(950, 0, 330), (1400, 0, 330), (1800, 0, 330), (0, 0, 1000)],
            (Tone::CallWaiting, Cn) => &[(450, 0, 400), (0, 0, 4000)],
            (Tone::CallWaiting, Us) => &[(440, 0, 300), (0, 0, 9700)],
            (Tone::CallWaiting, Eu) => &[(425, 0, 200), (0, 0, 600), (425, 0, 200), (0, 0, 3000)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hears;

    #[test]
    fn a_chinese_caller_hears_ringback_of_one_second_in_five() {
        let pcm = Tone::Ringback.samples(Country::Cn);
        assert_eq!(pcm.len(), 5 * 8000);
        let heard = hears(&pcm, 450.0).unwrap();
        assert!(heard.from.as_millis() < 10 && heard.until.as_millis().abs_diff(1000) < 10, "{heard:?}");
    }

    #[test]
    fn an_american_busy_has_both_frequencies_and_every_tone_has_a_sound() {
        let pcm = Tone::Busy.samples(Country::Us);
        assert!(hears(&pcm, 480.0).is_some() && hears(&pcm, 620.0).is_some() && hears(&pcm, 700.0).is_none());
        for country in [Country::Cn, Country::Us, Country::Eu] {
            for tone in
                [Tone::Dial, Tone::Ringback, Tone::Busy, Tone::Congestion, Tone::Unobtainable, Tone::CallWaiting]
            {
                assert!(tone.samples(country).iter().any(|s| s.unsigned_abs() > 4_000), "{tone:?} {country:?}");
            }
        }
    }
}
