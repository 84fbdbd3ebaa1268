//! Keys heard in the sound itself: the two tones of ITU-T Q.23, within the limits of Q.24, by Goertzel's filter.
//!
//! Blocks of 12.75 ms; two in a row with the same key begin a press and two without end it. So every tone of 40 ms is
//! found and none under 20 ms, and a pause of 40 ms parts two presses. Speech is told from keys by its energy elsewhere (at
//! least 75 % of a block must lie in the two tones) and by their pitch, which must be that of a keypad to 2.2 %.

/// Samples of a block, at 8 kHz.
const BLOCK: u32 = 102;
/// The row's four frequencies, then the column's.
const TONES: [f32; 8] = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];
const KEYPAD: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// A tone below −32 dBm0 is none: the power of a block that it would have.
const LEAST: f32 = (BLOCK as f32 / 2.0 * 573.0) * (BLOCK as f32 / 2.0 * 573.0);
/// The column may be so much weaker than the row, and so much stronger (Q.24: 8 and 4 dB): 11 and 5.5 dB.
const WEAKER: f32 = 12.6;
const STRONGER: f32 = 3.55;
/// Each of the two stands so far above the others of its group: 6 dB.
const APART: f32 = 4.0;
/// The share of a block's energy that must lie in the two tones to begin a press, and to go on with it. Voices whose
/// formants meet two tones are seldom as loud in both: where the two differ by more than 4 dB, more must lie in them.
const PURE: f32 = 0.75;
const PURE_IF_UNEVEN: f32 = 0.87;
const UNEVEN: f32 = 2.5;
const STILL_PURE: f32 = 0.6;
/// From one block to the next a tone keeps its level, to 2 dB.
const STEADY: f32 = 1.6;
/// A tone may be so far from its pitch, and the two from each other.
const OFF: f32 = 0.022;

/// Listens to one stream.
#[derive(Clone, Debug)]
pub struct Detector {
    coefficients: [f32; 8],
    /// The filters' last two values.
    last: [f32; 8],
    before: [f32; 8],
    energy: f32,
    filled: u32,
    /// What the block before held.
    candidate: Option<Pair>,
    down: Option<char>,
    blocks: u32,
    misses: u32,
}

/// A key's two tones in a block.
#[derive(Clone, Copy, Debug)]
struct Pair {
    key: char,
    power: f32,
    /// Which they are, and their phases at the block's end.
    tones: [(usize, f32); 2],
}

impl Pair {
    /// The block after one with `before` holds the same tones: at the same level, and in tune.
    ///
    /// By how much a tone's phase has moved on tells its pitch within a few hertz, which the filters, 78 Hz wide, do not.
    /// Q.24 wants keys of up to 1.8 % off; where a clock is off, both tones are off together. Voices rarely keep to that.
    fn goes_on(&self, before: &Self) -> bool {
        let steady = self.power < before.power * STEADY && before.power < self.power * STEADY;
        let [row, column] = [0, 1].map(|i| {
            let ((at, is), (_, was)) = (self.tones[i], before.tones[i]);
            let turns = (is - was) / std::f32::consts::TAU - TONES[at] * BLOCK as f32 / 8_000.0;
            (turns - turns.round()) * 8_000.0 / BLOCK as f32 / TONES[at]
        });
        let in_tune = row.abs() < OFF && column.abs() < OFF && (row - column).abs() < OFF;
        self.key == before.key && steady && in_tune
    }
}

/// What a stretch of sound brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A key is down.
    Down(char),
    /// It was released after so many milliseconds.
    Up(char, u32),
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            coefficients: TONES.map(|hz| 2.0 * (std::f32::consts::TAU * hz / 8_000.0).cos()),
            last: [0.0; 8],
            before: [0.0; 8],
            energy: 0.0,
            filled: 0,
            candidate: None,
            down: None,
            blocks: 0,
            misses: 0,
        }
    }
}

impl Detector {
    /// Listens to samples at 8 kHz, at most some 60 ms at a time; of several changes within them the last is told.
    pub fn hear(&mut self, samples: impl IntoIterator<Item = i16>) -> Option<Heard> {
        let mut heard = None;
        for sample in samples {
            let sample = f32::from(sample);
            for i in 0..8 {
                let next = sample + self.coefficients[i] * self.last[i] - self.before[i];
                self.before[i] = self.last[i];
                self.last[i] = next;
            }
            self.energy += sample * sample;
            self.filled += 1;
            if self.filled == BLOCK {
                let key = self.key();
                (self.last, self.before, self.energy, self.filled) = ([0.0; 8], [0.0; 8], 0.0, 0);
                heard = self.block(key).or(heard);
            }
        }
        heard
    }

    /// The last block may have been the beginning of a press.
    pub fn suspects(&self) -> bool {
        self.candidate.is_some()
    }

    /// The key that is down.
    pub fn down(&self) -> Option<char> {
        self.down
    }

    /// Nothing more comes: a key that is down is released.
    pub fn end(&mut self) -> Option<Heard> {
        (self.last, self.before, self.energy, self.filled) = ([0.0; 8], [0.0; 8], 0.0, 0);
        self.candidate = None;
        self.release()
    }

    fn release(&mut self) -> Option<Heard> {
        let key = self.down.take()?;
        Some(Heard::Up(key, (self.blocks * BLOCK).div_ceil(8)))
    }

    /// What the block that is full holds.
    fn key(&self) -> Option<Pair> {
        let power = |i: usize| {
            let (a, b) = (self.last[i], self.before[i]);
            a * a + b * b - self.coefficients[i] * a * b
        };
        let powers: [f32; 8] = std::array::from_fn(power);
        let strongest = |group: &[f32]| (1..4).fold(0, |best, i| if group[i] > group[best] { i } else { best });
        let (row, column) = (strongest(&powers[..4]), strongest(&powers[4..]));
        let (low, high) = (powers[row], powers[4 + column]);
        let alone = |group: &[f32], at: usize| (0..4).all(|i| i == at || group[i] * APART < group[at]);
        let pure = match self.down {
            Some(_) => STILL_PURE,
            None if low > high * UNEVEN || high > low * UNEVEN => PURE_IF_UNEVEN,
            None => PURE,
        };
        let is_key = low > LEAST
            && high > LEAST
            && high < low * STRONGER
            && low < high * WEAKER
            && alone(&powers[..4], row)
            && alone(&powers[4..], column)
            && low + high > pure * self.energy * (BLOCK as f32 / 2.0);
        let phase = |at: usize| {
            let cosine = self.coefficients[at] / 2.0;
            let sine = (1.0 - cosine * cosine).sqrt();
            (at, (self.before[at] * sine).atan2(self.last[at] - self.before[at] * cosine))
        };
        let tones = || [phase(row), phase(4 + column)];
        is_key.then(|| Pair { key: KEYPAD[row][column], power: low + high, tones: tones() })
    }

    fn block(&mut self, pair: Option<Pair>) -> Option<Heard> {
        let before = std::mem::replace(&mut self.candidate, pair);
        match (self.down, pair) {
            (Some(down), Some(Pair { key, .. })) if key == down => {
                self.blocks += 1 + std::mem::take(&mut self.misses);
                None
            }
            (Some(_), _) => {
                self.misses += 1;
                if self.misses < 2 { None } else { self.release() }
            }
            (None, Some(pair)) if before.is_some_and(|before| pair.goes_on(&before)) => {
                (self.down, self.blocks, self.misses) = (Some(pair.key), 2, 0);
                Some(Heard::Down(pair.key))
            }
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Speech;

    /// A key's tones with these levels in dBm0, and this factor on its frequencies.
    fn press(key: char, ms: usize, low_dbm0: f32, high_dbm0: f32, off: f32) -> Vec<i16> {
        let at = KEYPAD.iter().flatten().position(|k| *k == key).unwrap();
        let amplitude = |dbm0: f32| 22_826.0 * 10.0_f32.powf(dbm0 / 20.0);
        let sample = |i: usize| {
            let t = i as f32 / 8_000.0 * std::f32::consts::TAU * off;
            let wave =
                amplitude(low_dbm0) * (t * TONES[at / 4]).sin() + amplitude(high_dbm0) * (t * TONES[4 + at % 4]).sin();
            wave.clamp(-32_768.0, 32_767.0) as i16
        };
        (0..ms * 8).map(sample).collect()
    }

    fn keys(pcm: &[i16]) -> Vec<(char, u32)> {
        let mut detector = Detector::default();
        let heard = pcm.chunks(160).filter_map(|frame| detector.hear(frame.iter().copied())).collect::<Vec<_>>();
        let last = detector.end();
        let up = |heard: &Heard| match heard {
            Heard::Up(key, ms) => Some((*key, *ms)),
            Heard::Down(_) => None,
        };
        heard.iter().chain(&last).filter_map(up).collect()
    }

    /// At any place relative to the blocks.
    fn everywhere(tone: &[i16], mut check: impl FnMut(Vec<(char, u32)>)) {
        for before in (0..110).step_by(13) {
            check(keys(&[&vec![0; 800 + before], tone, &[0; 800]].concat()));
        }
    }

    #[test]
    fn every_key_is_heard_at_every_level_twist_and_length_of_q24() {
        for key in KEYPAD.into_iter().flatten() {
            for (low, high) in
                [(-7.0, -5.0), (-3.0, -3.0), (-29.0, -29.0), (-20.0, -16.0), (-12.0, -20.0), (-29.0, -25.0)]
            {
                for (off, ms) in [(0.993, 40), (1.0, 40), (1.007, 40), (1.0, 165)] {
                    everywhere(&press(key, ms, low, high, off), |heard| {
                        let what = format!("{key} {low} {high} {off} {ms}: {heard:?}");
                        assert!(heard.len() == 1 && heard[0].0 == key, "{what}");
                        assert!(heard[0].1.abs_diff(ms as u32) <= 26, "{what}");
                    });
                }
            }
        }
    }

    #[test]
    fn tones_that_are_off_by_one_and_a_half_percent_are_heard_with_the_usual_twist() {
        for key in KEYPAD.into_iter().flatten() {
            for (low, high) in [(-7.0, -7.0), (-8.0, -10.0)] {
                for off in [0.985, 1.015] {
                    everywhere(&press(key, 40, low, high, off), |heard| {
                        assert!(heard.len() == 1 && heard[0].0 == key, "{key} {low} {high} {off}: {heard:?}");
                    });
                }
            }
        }
    }

    #[test]
    fn what_is_too_short_too_quiet_too_twisted_or_off_is_no_key() {
        for key in ['1', '5', '9', 'D'] {
            let wrong = [
                press(key, 18, -7.0, -5.0, 1.0),
                press(key, 100, -50.0, -50.0, 1.0),
                press(key, 100, -20.0, -12.0, 1.0),
                press(key, 100, -5.0, -18.0, 1.0),
                press(key, 100, -7.0, -5.0, 1.04),
                press(key, 100, -7.0, -5.0, 0.96),
                press(key, 100, -7.0, -90.0, 1.0),
            ];
            for (i, tone) in wrong.iter().enumerate() {
                everywhere(tone, |heard| assert_eq!(heard, [], "{key} {i}"));
            }
        }
    }

    #[test]
    fn a_number_dialled_fast_is_heard_through_noise_and_g711_and_gaps_in_a_press_are_bridged() {
        let mut seed = 1u32;
        let mut pcm = Vec::new();
        for key in "1234567890*#ABCD5566".chars() {
            pcm.extend(press(key, 45, -10.0, -8.0, 1.0));
            pcm.extend([0; 45 * 8]);
        }
        for sample in &mut pcm {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // 20 dB below the tones.
            let noise = ((seed >> 16) as i32 - 32_768) * 1_100 / 32_768;
            let law = crate::g711::Law::A;
            *sample = law.decode(law.encode((i32::from(*sample) + noise).clamp(-32_768, 32_767) as i16));
        }
        let heard: String = keys(&pcm).iter().map(|(key, _)| *key).collect();
        assert_eq!(heard, "1234567890*#ABCD5566");
        let bridged = [press('5', 60, -10.0, -8.0, 1.0), vec![0; 24], press('5', 60, -10.0, -8.0, 1.0)].concat();
        assert_eq!(keys(&bridged).len(), 1);
    }

    #[test]
    fn keys_are_heard_after_gsm_and_after_both_laws() {
        use crate::codec::{Codec, Decoder, Encoder, MAX_PAYLOAD, MAX_SAMPLES};
        use crate::g711::Law;
        for codec in [Codec::G711(Law::Mu), Codec::G711(Law::A), Codec::Gsm] {
            let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
            for key in KEYPAD.into_iter().flatten() {
                let tone = [vec![0; 800], press(key, 100, -10.0, -8.0, 1.0), vec![0; 800]].concat();
                let mut heard = Vec::new();
                for frame in tone.as_chunks::<160>().0 {
                    let (mut octets, mut pcm) = ([0; MAX_PAYLOAD], [0; MAX_SAMPLES]);
                    let len = encoder.encode(frame, &mut octets);
                    let len = decoder.decode(&octets[..len], &mut pcm);
                    heard.extend_from_slice(&pcm[..len]);
                }
                let heard = keys(&heard);
                assert!(heard.len() == 1 && heard[0].0 == key, "{codec:?} {key}: {heard:?}");
            }
        }
    }

    #[test]
    fn speech_music_and_the_tones_of_the_network_press_no_keys() {
        // Half an hour; a hundred thousand seconds were heard when the limits were chosen.
        for (seed, noise) in [(1, 0), (2, 30), (3, 300), (4, 3_000), (5, 10), (6, 100)] {
            assert_eq!(keys(&Speech::new(seed, 8_000, noise).take_samples(8_000 * 300)), [], "{noise}");
        }
        assert_eq!(keys(crate::clip::Clip::melody().pcm()), []);
        // A chord that glides through all rows and columns.
        let mut phases = [0.0f32; 3];
        let glide = (0..8_000 * 60).map(|i| {
            let hz = 600.0 + i as f32 / 480.0;
            let step = |phase: &mut f32, hz: f32| {
                *phase = (*phase + hz / 8_000.0).fract();
                (*phase * std::f32::consts::TAU).sin() * 5_000.0
            };
            let [low, middle, high] = &mut phases;
            (step(low, hz) + step(middle, hz * 1.26) + step(high, hz * 1.498)) as i16
        });
        assert_eq!(keys(&glide.collect::<Vec<_>>()), []);
        for hz in [425.0, 450.0, 950.0, 1_400.0, 1_800.0, 1_100.0, 2_100.0] {
            assert_eq!(keys(&crate::testing::tone(hz, 16_000)), [], "{hz}");
        }
    }
}
