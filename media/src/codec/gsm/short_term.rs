//! The short-term filter: log area ratios found and coded (GSM 06.10 §5.2.4 to §5.2.7), decoded and interpolated (§5.2.8,
//! §5.2.9), and the lattice in both directions (§5.2.10, §5.3.4).

use super::arith::{abs, add, div, mult, mult_r, norm, peak, sub};

/// Quantisation of the log area ratios: A, B, MIC, MAC, and the inverse of A.
const LAR: [(i16, i16, i16, i16, i16); 8] = [
    (20_480, 0, -32, 31, 13_107),
    (20_480, 0, -32, 31, 13_107),
    (20_480, 2_048, -16, 15, 13_107),
    (20_480, -2_560, -16, 15, 13_107),
    (13_964, 94, -8, 7, 19_223),
    (15_360, -1_792, -8, 7, 17_476),
    (8_534, -341, -4, 3, 31_454),
    (9_036, -1_144, -4, 3, 29_708),
];

/// The coded log area ratios of a frame. Its samples lose the bits that the computation takes, as the standard has it.
pub(super) fn analyse(s: &mut [i16; 160]) -> [i16; 8] {
    let mut r = reflections(&autocorrelation(s));
    for (r, (a, b, mic, mac, _)) in r.iter_mut().zip(LAR) {
        let lar = to_lar(*r);
        let step = add(add(mult(a, lar), b), 256) >> 9;
        *r = step.clamp(mic, mac) - mic;
    }
    r
}

fn autocorrelation(s: &mut [i16; 160]) -> [i32; 9] {
    let loudest = peak(s);
    let shift = if loudest == 0 { 0 } else { 4 - norm(i32::from(loudest) << 16).cast_signed() };
    if shift > 0 {
        s.iter_mut().for_each(|s| *s = mult_r(*s, 16_384 >> (shift - 1)));
    }
    let mut sums = [0; 9];
    for (k, sum) in sums.iter_mut().enumerate() {
        *sum = s[k..].iter().zip(&s[..]).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>() << 1;
    }
    if shift > 0 {
        s.iter_mut().for_each(|s| *s <<= shift);
    }
    sums
}

/// Schur's recursion.
fn reflections(sums: &[i32; 9]) -> [i16; 8] {
    let mut r = [0; 8];
    if sums[0] == 0 {
        return r;
    }
    let shift = norm(sums[0]);
    let mut p = sums.map(|sum| ((sum << shift) >> 16) as i16);
    let mut k = p;
    for n in 0..8 {
        let size = abs(p[1]);
        if p[0] < size {
            return r;
        }
        let quotient = div(size, p[0]);
        r[n] = if p[1] > 0 { -quotient } else { quotient };
        if n == 7 {
            break;
        }
        p[0] = add(p[0], mult_r(p[1], r[n]));
        for m in 1..=7 - n {
            let next = p[m + 1];
            p[m] = add(next, mult_r(k[m], r[n]));
            k[m] = add(k[m], mult_r(next, r[n]));
        }
    }
    r
}

fn to_lar(r: i16) -> i16 {
    let size = abs(r);
    let lar = match size {
        ..22_118 => size >> 1,
        22_118..31_130 => size - 11_059,
        _ => (size - 26_112) << 2,
    };
    if r < 0 { -lar } else { lar }
}

fn to_reflection(lar: i16) -> i16 {
    let size = abs(lar);
    let r = match size {
        ..11_059 => size << 1,
        11_059..20_070 => size + 11_059,
        _ => add(size >> 2, 26_112),
    };
    if lar < 0 { -r } else { r }
}

fn decode(coded: &[i16; 8]) -> [i16; 8] {
    let mut lars = [0; 8];
    for ((lar, coded), (_, b, mic, _, inverse)) in lars.iter_mut().zip(coded).zip(LAR) {
        let step = mult_r(inverse, sub((coded + mic) << 10, b << 1));
        *lar = add(step, step);
    }
    lars
}

/// The lattice, and the log area ratios of the last frame, from which those of the present one grow.
#[derive(Clone, Debug)]
pub(super) struct Lattice {
    before: [i16; 8],
    /// The encoder's `u`, the decoder's `v`.
    state: [i16; 9],
}

impl Lattice {
    pub(super) fn new() -> Self {
        Self { before: [0; 8], state: [0; 9] }
    }

    /// Takes out of a frame what the filter explains.
    pub(super) fn residual(&mut self, coded: &[i16; 8], s: &mut [i16; 160]) {
        for (r, from, to) in self.stretches(coded) {
            for sample in &mut s[from..to] {
                let (mut through, mut d) = (*sample, *sample);
                for (u, r) in self.state.iter_mut().zip(&r) {
                    let old = std::mem::replace(u, through);
                    through = add(old, mult_r(*r, d));
                    d = add(d, mult_r(*r, old));
                }
                *sample = d;
            }
        }
    }

    /// Puts into a frame what the filter explains.
    pub(super) fn synthesise(&mut self, coded: &[i16; 8], s: &mut [i16; 160]) {
        for (r, from, to) in self.stretches(coded) {
            for sample in &mut s[from..to] {
                for i in (0..8).rev() {
                    *sample = sub(*sample, mult_r(r[i], self.state[i]));
                    self.state[i + 1] = add(self.state[i], mult_r(r[i], *sample));
                }
                self.state[0] = *sample;
            }
        }
    }

    /// The four stretches of a frame with their reflection coefficients.
    fn stretches(&mut self, coded: &[i16; 8]) -> [([i16; 8], usize, usize); 4] {
        let now = decode(coded);
        let before = std::mem::replace(&mut self.before, now);
        let blend = |mix: fn(i16, i16) -> i16| {
            let mut r = [0; 8];
            r.iter_mut().zip(before.iter().zip(&now)).for_each(|(r, (a, b))| *r = to_reflection(mix(*a, *b)));
            r
        };
        [
            (blend(|a, b| add(add(a >> 2, b >> 2), a >> 1)), 0, 13),
            (blend(|a, b| add(a >> 1, b >> 1)), 13, 27),
            (blend(|a, b| add(add(a >> 2, b >> 2), b >> 1)), 27, 40),
            (blend(|_, b| b), 40, 160),
        ]
    }
}
