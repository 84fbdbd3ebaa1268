//! The residual: what the past predicts of it (GSM 06.10 §5.2.11, §5.2.12, §5.3.2) and the pulses that stand for the rest
//! (§5.2.13 to §5.2.18).

use super::arith::{add, mult, mult_r, norm, peak, saturate, sub};
use super::frame::Part;

/// Decision levels and values of the gain.
const DLB: [i16; 3] = [6_554, 16_384, 26_214];
const QLB: [i16; 4] = [3_277, 11_469, 21_299, 32_767];
/// The weighting filter.
const H: [i32; 11] = [-134, -374, 0, 2_054, 5_741, 8_192, 5_741, 2_054, 0, -374, -134];
/// Inverse and value of the amplitude's mantissa.
const NRFAC: [i16; 8] = [29_128, 26_215, 23_832, 21_846, 20_165, 18_725, 17_476, 16_384];
const FAC: [i16; 8] = [18_431, 20_479, 22_527, 24_575, 26_623, 28_671, 30_719, 32_767];
/// As far back as the prediction reaches.
const REACH: usize = 120;

/// The reconstructed residual of the last 15 ms.
#[derive(Clone, Debug)]
pub(super) struct Past {
    d: [i16; REACH],
    /// The last lag that was one.
    lag: usize,
}

impl Past {
    pub(super) fn new() -> Self {
        Self { d: [0; REACH], lag: 40 }
    }

    /// Codes 5 ms of residual.
    pub(super) fn encode(&mut self, d: &[i16; 40]) -> Part {
        let (lag, gain) = self.predictor(d);
        let predicted = self.predicted(usize::from(lag.cast_unsigned()), gain);
        let mut rest = [0; 40];
        rest.iter_mut().zip(d.iter().zip(&predicted)).for_each(|(e, (d, p))| *e = sub(*d, *p));
        let (grid, mut pulses) = choose_grid(&weighted(&rest));
        let amplitude = quantise(&mut pulses);
        let part = Part { lag, gain, grid, amplitude, pulses };
        self.remember(&reconstruct(&part), &predicted);
        part
    }

    /// The residual that a part stands for.
    pub(super) fn decode(&mut self, part: &Part) -> [i16; 40] {
        if (40..=120).contains(&part.lag) {
            self.lag = usize::from(part.lag.cast_unsigned());
        }
        let predicted = self.predicted(self.lag, part.gain);
        self.remember(&reconstruct(part), &predicted)
    }

    /// Lag and gain of the best prediction: §5.2.11.
    fn predictor(&self, d: &[i16; 40]) -> (i16, i16) {
        let loudest = peak(d);
        let shift = if loudest == 0 { 0 } else { 6u32.saturating_sub(norm(i32::from(loudest) << 16)) };
        let weak = d.map(|d| i32::from(d >> shift));
        let (mut lag, mut most) = (40, 0);
        for candidate in 40..=REACH {
            let past = &self.d[REACH - candidate..];
            let sum: i32 = weak.iter().zip(past).map(|(a, b)| a * i32::from(*b)).sum();
            if sum > most {
                (lag, most) = (candidate, sum);
            }
        }
        let most = (most << 1) >> (6 - shift);
        let past = &self.d[REACH - lag..][..40];
        let power = past.iter().map(|p| i32::from(p >> 3).pow(2)).sum::<i32>() << 1;
        let gain = if most <= 0 {
            0
        } else if most >= power {
            3
        } else {
            let shift = norm(power);
            let (most, power) = (((most << shift) >> 16) as i16, ((power << shift) >> 16) as i16);
            DLB.iter().take_while(|level| most > mult(power, **level)).count() as i16
        };
        (lag as i16, gain)
    }

    fn predicted(&self, lag: usize, gain: i16) -> [i16; 40] {
        let gain = QLB[usize::from(gain.cast_unsigned() & 3)];
        let mut predicted = [0; 40];
        predicted.iter_mut().zip(&self.d[REACH - lag..]).for_each(|(p, d)| *p = mult_r(gain, *d));
        predicted
    }

    fn remember(&mut self, rest: &[i16; 40], predicted: &[i16; 40]) -> [i16; 40] {
        let mut d = [0; 40];
        d.iter_mut().zip(rest.iter().zip(predicted)).for_each(|(d, (e, p))| *d = add(*e, *p));
        self.d.copy_within(40.., 0);
        self.d[REACH - 40..].copy_from_slice(&d);
        d
    }
}

/// §5.2.13.
fn weighted(e: &[i16; 40]) -> [i16; 40] {
    let mut padded = [0; 50];
    padded[5..45].copy_from_slice(e);
    let mut x = [0; 40];
    for (x, window) in x.iter_mut().zip(padded.windows(11)) {
        let sum: i32 = window.iter().zip(H).map(|(e, h)| i32::from(*e) * h).sum();
        *x = saturate((sum + 4_096) >> 13);
    }
    x
}

/// The strongest of the four grids: §5.2.14.
fn choose_grid(x: &[i16; 40]) -> (i16, [i16; 13]) {
    let energy = |grid: usize| x[grid..].iter().step_by(3).take(13).map(|x| i32::from(x >> 2).pow(2)).sum::<i32>();
    let mut best = (0, energy(0));
    for grid in 1..4 {
        let energy = energy(grid);
        if energy > best.1 {
            best = (grid, energy);
        }
    }
    let mut pulses = [0; 13];
    pulses.iter_mut().zip(x[best.0..].iter().step_by(3)).for_each(|(p, x)| *p = *x);
    (best.0 as i16, pulses)
}

/// Exponent and mantissa of an amplitude: §5.2.15.
fn split(amplitude: i16) -> (i16, i16) {
    let mut exponent = if amplitude > 15 { (amplitude >> 3) - 1 } else { 0 };
    let mut mantissa = amplitude - (exponent << 3);
    if mantissa == 0 {
        return (-4, 7);
    }
    while mantissa <= 7 {
        mantissa = mantissa << 1 | 1;
        exponent -= 1;
    }
    (exponent, mantissa - 8)
}

/// Turns pulses into their codes; returns the amplitude's.
fn quantise(pulses: &mut [i16; 13]) -> i16 {
    let loudest = peak(pulses);
    let exponent = (0..6).take_while(|i| (loudest >> 9) >> i > 0).count() as i16;
    let amplitude = add(loudest >> (exponent + 5), exponent << 3);
    let (exponent, mantissa) = split(amplitude);
    let inverse = NRFAC[usize::from(mantissa.cast_unsigned() & 7)];
    for pulse in pulses {
        *pulse = (mult((i32::from(*pulse) << (6 - exponent)) as i16, inverse) >> 12) + 4;
    }
    amplitude
}

/// The residual of a part without its prediction: §5.2.16, §5.2.17.
fn reconstruct(part: &Part) -> [i16; 40] {
    let (exponent, mantissa) = split(part.amplitude);
    let factor = FAC[usize::from(mantissa.cast_unsigned() & 7)];
    let shift = 6 - exponent;
    let round = if shift > 0 { 1 << (shift - 1) } else { 0 };
    let mut e = [0; 40];
    let grid = usize::from(part.grid.cast_unsigned() & 3);
    for (e, code) in e[grid..].iter_mut().step_by(3).zip(part.pulses) {
        *e = add(mult_r(factor, ((code << 1) - 7) << 12), round) >> shift;
    }
    e
}
