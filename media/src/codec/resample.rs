//! Resampling between 8, 16 and 48 kHz: a polyphase filter, whose delay is 1.5 ms of the lower rate.
//!
//! The ratio of any two of these rates is 2, 3 or 6. One low-pass filter (a windowed sinc that falls from 0.42 to 0.5
//! of the lower rate) serves both directions.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Samples of the lower rate that the filter spans.
const SPAN: usize = 24;
/// The longest run at once: 20 ms at 48 kHz.
const RUN: usize = 960;
const WORST: usize = 6;

static BY_2: LazyLock<Box<[f32]>> = LazyLock::new(|| prototype(2));
static BY_3: LazyLock<Box<[f32]>> = LazyLock::new(|| prototype(3));
static BY_6: LazyLock<Box<[f32]>> = LazyLock::new(|| prototype(6));

/// A low-pass filter at `ratio` times the lower rate, with a gain of one.
fn prototype(ratio: usize) -> Box<[f32]> {
    let taps = SPAN * ratio;
    let middle = (taps as f64 - 1.0) / 2.0;
    let cutoff = 0.46 / ratio as f64;
    let shape = |i: usize| {
        let t = i as f64 - middle;
        let sinc = if t == 0.0 { 2.0 * cutoff } else { (2.0 * PI * cutoff * t).sin() / (PI * t) };
        sinc * kaiser(t / (taps as f64 / 2.0), 7.0)
    };
    let taps: Vec<f64> = (0..taps).map(shape).collect();
    let gain: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| (tap / gain) as f32).collect()
}

/// A Kaiser window at `x` from −1 to 1.
fn kaiser(x: f64, beta: f64) -> f64 {
    let bessel = |x: f64| {
        let (mut sum, mut term) = (1.0, 1.0);
        for k in 1..30 {
            term *= (x / 2.0 / f64::from(k)).powi(2);
            sum += term;
        }
        sum
    };
    bessel(beta * (1.0 - x * x).max(0.0).sqrt()) / bessel(beta)
}

/// Turns a stream of one rate into a stream of another, a run of samples at a time. Allocates only when it is made.
#[derive(Clone, Debug)]
pub struct Resampler {
    ratio: usize,
    up: bool,
    filter: &'static [f32],
    /// For going up, the filter phase by phase, so that each output is one run of products.
    phases: Box<[f32]>,
    /// What came before, and the present run.
    line: Box<[f32]>,
}

impl Resampler {
    /// Between two of 8000, 16 000 and 48 000; `None` for others and for equal ones.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        let (low, high) = (from.min(to), from.max(to));
        let filter: &'static [f32] = match (low, high) {
            (8_000, 16_000) => &BY_2,
            (16_000, 48_000) => &BY_3,
            (8_000, 48_000) => &BY_6,
            _ => return None,
        };
        let ratio = (high / low) as usize;
        let up = to > from;
        let before = if up { SPAN } else { SPAN * WORST };
        // Newest sample last, so each phase is kept backwards.
        let phases = (0..ratio * SPAN).map(|i| filter[(SPAN - 1 - i % SPAN) * ratio + i / SPAN] * ratio as f32);
        Some(Self {
            ratio,
            up,
            filter,
            phases: if up { phases.collect() } else { Box::default() },
            line: vec![0.0; before + RUN].into(),
        })
    }

    /// Takes a run of at most 20 ms whose length the ratio divides, and writes what it becomes. Returns how many samples.
    pub fn run(&mut self, from: &[i16], to: &mut [i16]) -> usize {
        let before = self.line.len() - RUN;
        let len = from.len().min(RUN);
        for (slot, sample) in self.line[before..].iter_mut().zip(from) {
            *slot = f32::from(*sample);
        }
        let written = if self.up { self.rise(before, len, to) } else { self.fall(before, len, to) };
        self.line.copy_within(len..len + before, 0);
        written
    }

    fn rise(&self, before: usize, len: usize, to: &mut [i16]) -> usize {
        let mut written = 0;
        for (i, out) in to.chunks_exact_mut(self.ratio).take(len).enumerate() {
            let past = &self.line[before + i + 1 - SPAN..=before + i];
            for (slot, phase) in out.iter_mut().zip(self.phases.chunks_exact(SPAN)) {
                *slot = to_sample(product(past, phase));
            }
            written += self.ratio;
        }
        written
    }

    fn fall(&self, before: usize, len: usize, to: &mut [i16]) -> usize {
        // The filter is symmetric, so that it needs no turning round.
        let taps = self.filter.len();
        let mut written = 0;
        for (i, slot) in to.iter_mut().take(len / self.ratio).enumerate() {
            let end = before + (i + 1) * self.ratio;
            *slot = to_sample(product(&self.line[end - taps..end], self.filter));
            written += 1;
        }
        written
    }
}

/// The sum of products, in eight lanes.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum()
}

fn to_sample(value: f32) -> i16 {
    // Saturates, as the cast does.
    (value + 0.5_f32.copysign(value)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, rate: u32, samples: usize) -> Vec<i16> {
        let step = hz / f64::from(rate) * std::f64::consts::TAU;
        (0..samples).map(|i| ((i as f64 * step).sin() * 10_000.0).round() as i16).collect()
    }

    fn through(resampler: &mut Resampler, pcm: &[i16], frame: usize, ratio: f64) -> Vec<i16> {
        let mut all = Vec::new();
        for run in pcm.chunks(frame) {
            let mut out = vec![0; (run.len() as f64 * ratio) as usize];
            assert_eq!(resampler.run(run, &mut out), out.len());
            all.extend(out);
        }
        all
    }

    /// How far a tone stands above everything else, after fitting its level and phase, in dB; and its level.
    fn fit(pcm: &[i16], hz: f64, rate: u32) -> (f64, f64) {
        let step = hz / f64::from(rate) * std::f64::consts::TAU;
        let (mut c, mut s) = (0.0, 0.0);
        for (i, x) in pcm.iter().enumerate() {
            c += f64::from(*x) * (i as f64 * step).cos();
            s += f64::from(*x) * (i as f64 * step).sin();
        }
        let n = pcm.len() as f64 / 2.0;
        let (c, s) = (c / n, s / n);
        let (mut power, mut noise) = (0.0, 0.0);
        for (i, x) in pcm.iter().enumerate() {
            let model = c * (i as f64 * step).cos() + s * (i as f64 * step).sin();
            power += model * model;
            noise += (f64::from(*x) - model).powi(2);
        }
        (10.0 * (power / noise).log10(), 20.0 * ((c * c + s * s).sqrt() / 10_000.0).log10())
    }

    const PAIRS: [(u32, u32); 3] = [(8_000, 16_000), (16_000, 48_000), (8_000, 48_000)];

    #[test]
    fn a_tone_keeps_its_level_and_gains_no_noise_in_either_direction() {
        for (low, high) in PAIRS {
            for (from, to) in [(low, high), (high, low)] {
                for hz in [200.0, 1_000.0, 3_000.0] {
                    let mut resampler = Resampler::new(from, to).unwrap();
                    let frame = from as usize / 50;
                    let pcm = tone(hz, from, frame * 50);
                    let out = through(&mut resampler, &pcm, frame, f64::from(to) / f64::from(from));
                    // Whole periods of every tone, after the filter has filled.
                    let (snr, level) = fit(&out[to as usize / 5..to as usize / 5 * 4], hz, to);
                    assert!(snr > 70.0 && level.abs() < 0.05, "{from} → {to}, {hz} Hz: {snr:.1} dB, level {level:.2}");
                }
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_gone() {
        for (low, high) in PAIRS {
            let hz = f64::from(low) * 0.6;
            let mut resampler = Resampler::new(high, low).unwrap();
            let out = through(
                &mut resampler,
                &tone(hz, high, high as usize),
                high as usize / 50,
                f64::from(low) / f64::from(high),
            );
            let loudest = out[1_000..].iter().map(|s| s.unsigned_abs()).max().unwrap();
            assert!(loudest < 20, "{high} → {low}: {loudest}");
        }
    }

    #[test]
    fn loud_sound_saturates_and_other_rates_are_refused() {
        let mut resampler = Resampler::new(8_000, 16_000).unwrap();
        let square: Vec<i16> = (0..1_600).map(|i| if i / 8 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = through(&mut resampler, &square, 160, 2.0);
        assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
        assert!(Resampler::new(8_000, 8_000).is_none() && Resampler::new(8_000, 44_100).is_none());
    }
}
