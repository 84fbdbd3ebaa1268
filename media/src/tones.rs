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
    /// What was asked for is done (ITU-T E.182 §3.3, positive indication tone).
    Confirmation,
}

/// Whose tones to play: ITU-T E.180 supplement 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Country {
    /// China: 450 Hz.
    #[default]
    Cn,
    /// North America: pairs of frequencies.
    Us,
    /// Most of Europe: 425 Hz.
    Eu,
    /// United Kingdom.
    Uk,
    /// Germany.
    De,
    /// France: 440 Hz.
    Fr,
    /// Japan: 400 Hz.
    Jp,
    /// Hong Kong.
    Hk,
    /// Taiwan.
    Tw,
    /// Singapore.
    Sg,
    /// Australia.
    Au,
    /// India.
    In,
    /// Russia.
    Ru,
    /// Brazil.
    Br,
    /// Spain.
    Es,
    /// Italy.
    It,
}

/// One stretch of a cadence: up to two frequencies in Hz (0 for none) for so many milliseconds. A tone of 400 Hz that is
/// modulated by 25 Hz is a pair 25 Hz to either side of it.
pub(crate) type Stretch = (u16, u16, u16);

/// Special information tone: E.180 §6, with the gaps that many networks leave out.
const SIT: &[Stretch] = &[(950, 0, 330), (1400, 0, 330), (1800, 0, 330), (0, 0, 1000)];

/// Networks have it in many forms. Ours rises twice, so that nobody takes it for one of the tones of failure.
const CONFIRMATION: &[Stretch] =
    &[(950, 0, 150), (1350, 0, 250), (0, 0, 200), (950, 0, 150), (1350, 0, 250), (0, 0, 200)];

/// A country's tones.
struct Plan {
    dial: &'static [Stretch],
    ringback: &'static [Stretch],
    busy: &'static [Stretch],
    congestion: &'static [Stretch],
    unobtainable: &'static [Stretch],
    waiting: &'static [Stretch],
}

impl Country {
    /// Every country, with its code of two letters (ISO 3166; `eu` and `uk` by custom).
    pub const ALL: [(&'static str, Self); 16] = [
        ("cn", Self::Cn),
        ("us", Self::Us),
        ("eu", Self::Eu),
        ("uk", Self::Uk),
        ("de", Self::De),
        ("fr", Self::Fr),
        ("jp", Self::Jp),
        ("hk", Self::Hk),
        ("tw", Self::Tw),
        ("sg", Self::Sg),
        ("au", Self::Au),
        ("in", Self::In),
        ("ru", Self::Ru),
        ("br", Self::Br),
        ("es", Self::Es),
        ("it", Self::It),
    ];

    /// The country of a code.
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(name, _)| *name == code).map(|(_, country)| country)
    }

    fn plan(self) -> Plan {
        match self {
            Self::Cn => Plan {
                dial: &[(450, 0, 1000)],
                ringback: &[(450, 0, 1000), (0, 0, 4000)],
                busy: &[(450, 0, 350), (0, 0, 350)],
                congestion: &[(450, 0, 700), (0, 0, 700)],
                unobtainable: &[
                    (450, 0, 100),
                    (0, 0, 100),
                    (450, 0, 100),
                    (0, 0, 100),
                    (450, 0, 100),
                    (0, 0, 100),
                    (450, 0, 400),
                    (0, 0, 400),
                ],
                waiting: &[(450, 0, 400), (0, 0, 4000)],
            },
            Self::Us => Plan {
                dial: &[(350, 440, 1000)],
                ringback: &[(440, 480, 2000), (0, 0, 4000)],
                busy: &[(480, 620, 500), (0, 0, 500)],
                congestion: &[(480, 620, 250), (0, 0, 250)],
                unobtainable: SIT,
                waiting: &[(440, 0, 300), (0, 0, 9700)],
            },
            Self::Eu => Plan {
                dial: &[(425, 0, 1000)],
                ringback: &[(425, 0, 1000), (0, 0, 4000)],
                busy: &[(425, 0, 500), (0, 0, 500)],
                congestion: &[(425, 0, 250), (0, 0, 250)],
                unobtainable: SIT,
                waiting: &[(425, 0, 200), (0, 0, 600), (425, 0, 200), (0, 0, 3000)],
            },
            Self::Uk => Plan {
                dial: &[(350, 440, 1000)],
                ringback: &[(400, 450, 400), (0, 0, 200), (400, 450, 400), (0, 0, 2000)],
                busy: &[(400, 0, 375), (0, 0, 375)],
                congestion: &[(400, 0, 400), (0, 0, 350), (400, 0, 225), (0, 0, 525)],
                unobtainable: &[(400, 0, 1000)],
                waiting: &[(400, 0, 100), (0, 0, 4000)],
            },
            Self::De => Plan {
                dial: &[(425, 0, 1000)],
                ringback: &[(425, 0, 1000), (0, 0, 4000)],
                busy: &[(425, 0, 480), (0, 0, 480)],
                congestion: &[(425, 0, 240), (0, 0, 240)],
                unobtainable: SIT,
                waiting: &[(425, 0, 200), (0, 0, 200), (425, 0, 200), (0, 0, 5000)],
            },
            Self::Fr => Plan {
                dial: &[(440, 0, 1000)],
                ringback: &[(440, 0, 1500), (0, 0, 3500)],
                busy: &[(440, 0, 500), (0, 0, 500)],
                congestion: &[(440, 0, 250), (0, 0, 250)],
                unobtainable: SIT,
                waiting: &[(440, 0, 300), (0, 0, 10_000)],
            },
            Self::Jp => Plan {
                dial: &[(400, 0, 1000)],
                ringback: &[(385, 415, 1000), (0, 0, 2000)],
                busy: &[(400, 0, 500), (0, 0, 500)],
                congestion: &[(400, 0, 500), (0, 0, 500)],
                unobtainable: SIT,
                waiting: &[(384, 416, 500), (0, 0, 4000), (384, 416, 50), (0, 0, 450), (384, 416, 50), (0, 0, 3450)],
            },
            Self::Hk => Plan {
                dial: &[(350, 440, 1000)],
                ringback: &[(440, 480, 400), (0, 0, 200), (440, 480, 400), (0, 0, 3000)],
                busy: &[(480, 620, 500), (0, 0, 500)],
                congestion: &[(480, 620, 250), (0, 0, 250)],
                unobtainable: &[(480, 620, 1000)],
                waiting: &[(440, 0, 500), (0, 0, 10_000)],
            },
            Self::Tw => Plan {
                dial: &[(350, 440, 1000)],
                ringback: &[(440, 480, 1000), (0, 0, 2000)],
                busy: &[(480, 620, 500), (0, 0, 500)],
                congestion: &[(480, 620, 250), (0, 0, 250)],
                unobtainable: SIT,
                waiting: &[(350, 440, 250), (0, 0, 250), (350, 440, 250), (0, 0, 3250)],
            },
            Self::Sg => Plan {
                dial: &[(425, 0, 1000)],
                ringback: &[(401, 449, 400), (0, 0, 200), (401, 449, 400), (0, 0, 2000)],
                busy: &[(425, 0, 750), (0, 0, 750)],
                congestion: &[(425, 0, 250), (0, 0, 250)],
                unobtainable: &[(425, 0, 2500), (0, 0, 500)],
                waiting: &[(401, 449, 300), (0, 0, 200), (401, 449, 300), (0, 0, 3200)],
            },
            Self::Au => Plan {
                dial: &[(413, 438, 1000)],
                ringback: &[(413, 438, 400), (0, 0, 200), (413, 438, 400), (0, 0, 2000)],
                busy: &[(425, 0, 375), (0, 0, 375)],
                congestion: &[(425, 0, 375), (0, 0, 375), (420, 0, 375), (0, 0, 375)],
                unobtainable: &[(425, 0, 2500), (0, 0, 500)],
                waiting: &[(425, 0, 200), (0, 0, 200), (425, 0, 200), (0, 0, 4400)],
            },
            Self::In => Plan {
                dial: &[(375, 425, 1000)],
                ringback: &[(375, 425, 400), (0, 0, 200), (375, 425, 400), (0, 0, 2000)],
                busy: &[(400, 0, 750), (0, 0, 750)],
                congestion: &[(400, 0, 250), (0, 0, 250)],
                unobtainable: &[(400, 0, 2500), (0, 0, 500)],
                waiting: &[(400, 0, 200), (0, 0, 100), (400, 0, 200), (0, 0, 7500)],
            },
            Self::Ru => Plan {
                dial: &[(425, 0, 1000)],
                ringback: &[(425, 0, 1000), (0, 0, 4000)],
                busy: &[(425, 0, 350), (0, 0, 350)],
                congestion: &[(425, 0, 175), (0, 0, 175)],
                unobtainable: SIT,
                waiting: &[(425, 0, 200), (0, 0, 5000)],
            },
            Self::Br => Plan {
                dial: &[(425, 0, 1000)],
                ringback: &[(425, 0, 1000), (0, 0, 4000)],
                busy: &[(425, 0, 250), (0, 0, 250)],
                congestion: &[(425, 0, 250), (0, 0, 250), (425, 0, 750), (0, 0, 250)],
                unobtainable: SIT,
                waiting: &[(425, 0, 50), (0, 0, 1000)],
            },
            Self::Es => Plan {
                dial: &[(425, 0, 1000)],
                ringback: &[(425, 0, 1500), (0, 0, 3000)],
                busy: &[(425, 0, 200), (0, 0, 200)],
                congestion: &[(425, 0, 200), (0, 0, 200), (425, 0, 200), (0, 0, 200), (425, 0, 200), (0, 0, 600)],
                unobtainable: SIT,
                waiting: &[(425, 0, 175), (0, 0, 175), (425, 0, 175), (0, 0, 3500)],
            },
            Self::It => Plan {
                dial: &[(425, 0, 200), (0, 0, 200), (425, 0, 600), (0, 0, 1000)],
                ringback: &[(425, 0, 1000), (0, 0, 4000)],
                busy: &[(425, 0, 500), (0, 0, 500)],
                congestion: &[(425, 0, 200), (0, 0, 200)],
                unobtainable: SIT,
                waiting: &[(425, 0, 400), (0, 0, 100), (425, 0, 250), (0, 0, 100), (425, 0, 150), (0, 0, 14_000)],
            },
        }
    }
}

impl Tone {
    /// Every tone.
    pub const ALL: [Self; 7] = [
        Tone::Dial,
        Tone::Ringback,
        Tone::Busy,
        Tone::Congestion,
        Tone::Unobtainable,
        Tone::CallWaiting,
        Tone::Confirmation,
    ];

    /// Periods of the tone's cadence, 8 kHz linear PCM at about −13 dBm0 in total: as many as it takes to be whole frames
    /// of 20 ms. Repeats without a click.
    pub fn samples(self, country: Country) -> Arc<[i16]> {
        const LEVEL: f64 = 5_200.0;
        let cadence = self.cadence(country);
        let mut pcm = Vec::new();
        while pcm.is_empty() || pcm.len() % FRAME != 0 {
            for &(low, high, ms) in cadence {
                let voices = if high == 0 { 1.0 } else { 2.0 };
                for _ in 0..usize::from(ms) * 8 {
                    // The phase runs on through the period, so a continuous tone of several stretches has no seam.
                    let t = pcm.len() as f64 / 8_000.0 * std::f64::consts::TAU;
                    let wave = (t * f64::from(low)).sin() + (t * f64::from(high)).sin();
                    pcm.push((wave * LEVEL / voices) as i16);
                }
            }
        }
        pcm.into()
    }

    pub(crate) fn cadence(self, country: Country) -> &'static [Stretch] {
        let plan = country.plan();
        match self {
            Tone::Dial => plan.dial,
            Tone::Ringback => plan.ringback,
            Tone::Busy => plan.busy,
            Tone::Congestion => plan.congestion,
            Tone::Unobtainable => plan.unobtainable,
            Tone::CallWaiting => plan.waiting,
            Tone::Confirmation => CONFIRMATION,
        }
    }
}

/// Samples in 20 ms.
const FRAME: usize = 160;

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
        for (code, country) in Country::ALL {
            assert_eq!(Country::named(code), Some(country));
            for tone in Tone::ALL {
                let pcm = tone.samples(country);
                assert!(pcm.iter().any(|s| s.unsigned_abs() > 4_000), "{tone:?} {country:?}");
                assert!(pcm.len() % FRAME == 0 && pcm.len() <= 30 * 8_000, "{tone:?} {country:?}: {}", pcm.len());
            }
        }
        assert_eq!(Country::named("xx"), None);
    }

    #[test]
    fn each_country_has_its_own_pitch_and_pace() {
        let on = |country, tone: Tone, hz| {
            let bursts = crate::testing::bursts(&tone.samples(country), hz);
            bursts.first().map(|b| (b.end.saturating_sub(b.start)).as_millis().next_multiple_of(25))
        };
        for (country, tone, hz, ms) in [
            (Country::Fr, Tone::Ringback, 440.0, 1500),
            (Country::De, Tone::Busy, 425.0, 500),
            (Country::Es, Tone::Busy, 425.0, 200),
            (Country::Ru, Tone::Congestion, 425.0, 175),
            (Country::Br, Tone::Busy, 425.0, 250),
            (Country::Sg, Tone::Busy, 425.0, 750),
            (Country::Uk, Tone::Busy, 400.0, 375),
            (Country::Hk, Tone::Ringback, 480.0, 400),
        ] {
            let heard = on(country, tone, hz).unwrap_or_default();
            assert!(heard.abs_diff(ms) <= 25, "{country:?} {tone:?}: {heard} ms");
        }
    }
}
