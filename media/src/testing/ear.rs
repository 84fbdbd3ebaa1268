//! The ear: finds a tone in sound that may hold others.
//!
//! The sound is moved down by the tone's frequency and smoothed by a Hann window of 40 ms: what remains is the tone's
//! level over time. Another tone 75 Hz away is weakened by 31 dB or more; quantisation noise and digits fall far below.

use std::ops::Range;
use std::time::Duration;

/// What was heard of a tone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// When it was first heard.
    pub from: Duration,
    /// When it was last heard.
    pub until: Duration,
    /// How much of the time between it was there: 0.0 to 1.0.
    pub share: f32,
    /// The longest time between in which it was not.
    pub longest_gap: Duration,
}

/// Listens for a tone. `None` if it is not there for at least 60 ms in all.
///
/// Times are exact to about 3 ms; a gap shorter than 15 ms may be missed.
pub fn hears(pcm: &[i16], hz: f32) -> Option<Heard> {
    let bursts = bursts(pcm, hz);
    let (first, last) = (bursts.first()?, bursts.last()?);
    let sounding: Duration = bursts.iter().map(|b| b.end - b.start).sum();
    if sounding < Duration::from_millis(60) {
        return None;
    }
    let span = last.end - first.start;
    Some(Heard {
        from: first.start,
        until: last.end,
        share: sounding.as_secs_f32() / span.as_secs_f32(),
        longest_gap: bursts.windows(2).map(|pair| pair[1].start - pair[0].end).max().unwrap_or_default(),
    })
}

/// The stretches of time in which a tone is heard, in order; those shorter than 10 ms are not worth mentioning.
pub fn bursts(pcm: &[i16], hz: f32) -> Vec<Range<Duration>> {
    let levels = levels(pcm, hz);
    let Some(usual) = usual(&levels) else { return Vec::new() };
    // A symmetric window falls to half its level exactly at the edge of the tone.
    let there = |level: &Level| level.tone >= usual / 2.0 && level.is_distinct();
    let mut bursts = Vec::new();
    let mut start = None;
    for (i, level) in levels.iter().enumerate() {
        match (start, there(level)) {
            (None, true) => start = Some(crossing(&levels, i, usual)),
            (Some(began), false) => {
                bursts.push(began..crossing(&levels, i, usual));
                start = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    if let Some(began) = start {
        bursts.push(began..seconds(pcm.len() as f32));
    }
    bursts.retain(|b| b.end.saturating_sub(b.start) >= Duration::from_millis(10));
    bursts
}

const WINDOW: usize = 320;
const HOP: usize = 20;

/// The level around one moment: the tone's amplitude, and the amplitude a single tone of all the power would have.
struct Level {
    tone: f32,
    all: f32,
}

impl Level {
    /// Loud enough to be meant, and no mere leak of something louder (10 dB below all power).
    fn is_distinct(&self) -> bool {
        self.tone >= 300.0 && self.tone >= 0.3 * self.all
    }
}

/// One level per hop; entry `i` is centred on sample `i * HOP`.
fn levels(pcm: &[i16], hz: f32) -> Vec<Level> {
    let window: Vec<f32> =
        (0..WINDOW).map(|i| 0.5 - 0.5 * ((i as f32 + 0.5) / WINDOW as f32 * std::f32::consts::TAU).cos()).collect();
    let weight: f32 = window.iter().sum();
    let shifted: Vec<(f32, f32, f32)> = pcm
        .iter()
        .enumerate()
        .map(|(i, &s)| {
            let phase = (i as f64 * f64::from(hz) / 8_000.0).fract() * std::f64::consts::TAU;
            let s = f32::from(s);
            (s * phase.cos() as f32, s * phase.sin() as f32, s * s)
        })
        .collect();
    (0..=pcm.len() / HOP)
        .map(|i| {
            // Outside of the sound there is silence.
            let begin = (i * HOP).saturating_sub(WINDOW / 2);
            let end = (i * HOP + WINDOW / 2).min(pcm.len());
            let skip = begin + WINDOW / 2 - i * HOP;
            let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
            for ((a, b, p), w) in shifted[begin..end.max(begin)].iter().zip(&window[skip..]) {
                re += a * w;
                im += b * w;
                power += p * w;
            }
            Level { tone: 2.0 * re.hypot(im) / weight, all: (2.0 * power / weight).sqrt() }
        })
        .collect()
}

/// The level of the tone where it is heard at all: the upper quartile.
fn usual(levels: &[Level]) -> Option<f32> {
    let mut heard: Vec<f32> = levels.iter().filter(|l| l.is_distinct()).map(|l| l.tone).collect();
    heard.sort_by(f32::total_cmp);
    heard.get(heard.len() * 3 / 4).copied()
}

/// The moment between level `i - 1` and level `i` at which half the usual level was crossed.
fn crossing(levels: &[Level], i: usize, usual: f32) -> Duration {
    let Some(before) = i.checked_sub(1).and_then(|b| levels.get(b)) else { return Duration::ZERO };
    let (low, high) = (before.tone, levels[i].tone);
    let part = if (high - low).abs() < 1.0 { 0.5 } else { ((usual / 2.0 - low) / (high - low)).clamp(0.0, 1.0) };
    seconds((i as f32 - 1.0 + part) * HOP as f32)
}

fn seconds(samples: f32) -> Duration {
    Duration::from_secs_f32(samples / 8_000.0)
}

#[cfg(test)]
mod tests {
    use super::super::voice::{speaker_hz, tone};
    use super::*;
    use crate::g711::Law;

    fn mix(a: &[i16], b: &[i16]) -> Vec<i16> {
        a.iter().zip(b).map(|(a, b)| a.saturating_add(*b)).collect()
    }

    fn through_g711(pcm: &[i16], law: Law) -> Vec<i16> {
        pcm.iter().map(|&s| law.decode(law.encode(s))).collect()
    }

    #[test]
    fn a_voice_is_heard_through_g711_and_no_other_voice_is() {
        for speaker in 0..10 {
            for law in [Law::A, Law::Mu] {
                let pcm = through_g711(&tone(speaker_hz(speaker), 16_000), law);
                let heard = hears(&pcm, speaker_hz(speaker)).unwrap();
                assert!(heard.share > 0.99 && heard.longest_gap.is_zero(), "{heard:?}");
                assert!(heard.from.as_millis() < 3 && heard.until.as_millis() >= 1997, "{heard:?}");
                for other in (0..10).filter(|o| *o != speaker) {
                    assert_eq!(hears(&pcm, speaker_hz(other)), None, "{speaker} taken for {other}");
                }
            }
        }
    }

    #[test]
    fn two_voices_and_a_digit_at_once_are_all_heard() {
        let mut pcm = mix(&tone(1070.0, 8_000), &tone(2050.0, 8_000));
        let digit = mix(&tone(770.0, 1_600), &tone(1336.0, 1_600));
        for (s, d) in pcm[3_000..].iter_mut().zip(&digit) {
            *s = s.saturating_add(*d);
        }
        let pcm = through_g711(&pcm, Law::Mu);
        for hz in [1070.0, 2050.0] {
            let heard = hears(&pcm, hz).unwrap();
            assert!(heard.share > 0.99 && heard.longest_gap.is_zero(), "{hz} {heard:?}");
        }
        let digit = hears(&pcm, 770.0).unwrap();
        assert!(digit.from.as_millis().abs_diff(375) < 5 && digit.until.as_millis().abs_diff(575) < 5, "{digit:?}");
        assert_eq!(hears(&pcm, 450.0), None);
    }

    #[test]
    fn gaps_are_measured() {
        for gap_ms in [20, 40, 60, 100, 400] {
            let mut pcm = tone(1070.0, 16_000);
            pcm[4_000..4_000 + gap_ms * 8].fill(0);
            let heard = hears(&pcm, 1070.0).unwrap();
            assert!(heard.longest_gap.as_millis().abs_diff(gap_ms as u128) <= 5, "{gap_ms} ms: {heard:?}");
        }
    }

    #[test]
    fn silence_noise_and_a_click_are_no_voice() {
        let mut seed = 1u32;
        let noise: Vec<i16> = (0..16_000)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 16) as i16 / 8
            })
            .collect();
        let mut click = vec![0i16; 8_000];
        click[4_000] = 30_000;
        for pcm in [vec![], vec![0; 16_000], noise, click, tone(1070.0, 200)] {
            assert_eq!(hears(&pcm, 1070.0), None);
        }
    }
}
