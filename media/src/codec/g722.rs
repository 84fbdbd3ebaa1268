//! G.722 at 64 kbit/s: two bands of ADPCM, 16 kHz in and out, an octet for two samples.
//!
//! After ITU-T G.722 (09/2012), with its names for the blocks; the tables are the Recommendation's.

/// One of the two bands' predictor and step size.
#[derive(Clone, Debug)]
struct Band {
    /// Prediction.
    s: i32,
    sz: i32,
    /// Reconstructed signal and partially reconstructed signal, the newest first.
    r: [i32; 2],
    p: [i32; 2],
    /// Pole coefficients.
    a: [i32; 2],
    /// Differences and zero coefficients.
    d: [i32; 6],
    b: [i32; 6],
    /// Logarithm of the step size, and the step size.
    nb: i32,
    det: i32,
}

const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];
const QM4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576,
    -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040,
    -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
/// Decision levels of the lower band.
const Q6: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
const WL: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const RL42: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const WH: [i32; 3] = [0, -214, 798];
const RH2: [usize; 4] = [2, 1, 2, 1];
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

impl Band {
    fn new(det: i32) -> Self {
        Self { s: 0, sz: 0, r: [0; 2], p: [0; 2], a: [0; 2], d: [0; 6], b: [0; 6], nb: 0, det }
    }

    /// Blocks 2L and 3L: the difference that a code of four bits stands for; the step size follows.
    fn low_difference(&mut self, code: usize) -> i32 {
        let difference = (self.det * QM4[code]) >> 15;
        self.nb = (((self.nb * 127) >> 7) + WL[RL42[code]]).clamp(0, 18_432);
        self.det = self.step(8);
        difference
    }

    /// Blocks 2H and 3H, for a code of two bits.
    fn high_difference(&mut self, code: usize) -> i32 {
        let difference = (self.det * QM2[code]) >> 15;
        self.nb = (((self.nb * 127) >> 7) + WH[RH2[code]]).clamp(0, 22_528);
        self.det = self.step(10);
        difference
    }

    /// SCALEL, SCALEH.
    fn step(&self, base: i32) -> i32 {
        let mantissa = ILB[(self.nb >> 6 & 31) as usize];
        let shift = base - (self.nb >> 11);
        (if shift < 0 { mantissa << -shift } else { mantissa >> shift }) << 2
    }

    /// Block 4: adapts the predictor to a difference and predicts the next sample.
    fn adapt(&mut self, d: i32) {
        let r = saturate(self.s + d);
        let p = saturate(self.sz + d);
        let same = |a: i32, b: i32| (a < 0) == (b < 0);
        // UPPOL2
        let wd1 = saturate(self.a[0] << 2);
        let wd2 = if same(p, self.p[0]) { -wd1 } else { wd1 }.min(32_767);
        let wd3 = (wd2 >> 7) + if same(p, self.p[1]) { 128 } else { -128 } + ((self.a[1] * 32_512) >> 15);
        let a2 = wd3.clamp(-12_288, 12_288);
        // UPPOL1
        let wd1 = if same(p, self.p[0]) { 192 } else { -192 };
        let limit = saturate(15_360 - a2);
        let a1 = saturate(wd1 + ((self.a[0] * 32_640) >> 15)).clamp(-limit, limit);
        // UPZERO
        let step = if d == 0 { 0 } else { 128 };
        for (b, old) in self.b.iter_mut().zip(self.d) {
            *b = saturate(if same(old, d) { step } else { -step } + ((*b * 32_640) >> 15));
        }
        // DELAYA
        self.d.copy_within(0..5, 1);
        self.d[0] = d;
        self.r = [r, self.r[0]];
        self.p = [p, self.p[0]];
        self.a = [a1, a2];
        // FILTEP, FILTEZ, PREDIC
        let pole = |a: i32, r: i32| (a * saturate(r + r)) >> 15;
        let sp = saturate(pole(a1, self.r[0]) + pole(a2, self.r[1]));
        let sz: i32 = self.b.iter().zip(self.d).map(|(b, d)| (b * saturate(d + d)) >> 15).sum();
        self.sz = saturate(sz);
        self.s = saturate(sp + self.sz);
    }
}

/// From octets to 16 kHz sound.
#[derive(Clone, Debug)]
pub struct Decoder {
    low: Band,
    high: Band,
    x: [i32; 24],
}

/// From 16 kHz sound to octets.
#[derive(Clone, Debug)]
pub struct Encoder {
    low: Band,
    high: Band,
    x: [i32; 24],
}

impl Default for Decoder {
    fn default() -> Self {
        Self { low: Band::new(32), high: Band::new(8), x: [0; 24] }
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self { low: Band::new(32), high: Band::new(8), x: [0; 24] }
    }
}

impl Decoder {
    /// Two samples per octet; what does not fit into `to` is left out. Returns how many were written.
    pub fn decode(&mut self, octets: &[u8], to: &mut [i16]) -> usize {
        let (pairs, _) = to.as_chunks_mut::<2>();
        let mut written = 0;
        for (octet, pair) in octets.iter().zip(pairs) {
            *pair = self.octet(*octet);
            written += 2;
        }
        written
    }

    fn octet(&mut self, octet: u8) -> [i16; 2] {
        let (six, two) = (usize::from(octet & 0x3f), usize::from(octet >> 6));
        let low = (self.low.s + ((self.low.det * QM6[six]) >> 15)).clamp(-16_384, 16_383);
        let difference = self.low.low_difference(six >> 2);
        self.low.adapt(difference);
        let difference = self.high.high_difference(two);
        let high = (difference + self.high.s).clamp(-16_384, 16_383);
        self.high.adapt(difference);
        // Receive QMF.
        self.x.copy_within(2.., 0);
        self.x[22] = low + high;
        self.x[23] = low - high;
        let (pairs, _) = self.x.as_chunks::<2>();
        let (mut first, mut second) = (0, 0);
        for (i, [even, odd]) in pairs.iter().enumerate() {
            second += even * QMF[i];
            first += odd * QMF[11 - i];
        }
        [saturate(first >> 11) as i16, saturate(second >> 11) as i16]
    }
}

impl Encoder {
    /// An octet for two samples; what does not fit into `to` is left out. Returns how many were written.
    pub fn encode(&mut self, pcm: &[i16], to: &mut [u8]) -> usize {
        let (pairs, _) = pcm.as_chunks::<2>();
        let mut written = 0;
        for (pair, octet) in pairs.iter().zip(to) {
            *octet = self.pair(*pair);
            written += 1;
        }
        written
    }

    fn pair(&mut self, pair: [i16; 2]) -> u8 {
        // Transmit QMF.
        self.x.copy_within(2.., 0);
        self.x[22] = i32::from(pair[0]);
        self.x[23] = i32::from(pair[1]);
        let (pairs, _) = self.x.as_chunks::<2>();
        let (mut odd, mut even) = (0, 0);
        for (i, [first, second]) in pairs.iter().enumerate() {
            odd += first * QMF[i];
            even += second * QMF[11 - i];
        }
        let low = self.quantise_low((even + odd) >> 14);
        let difference = self.low.low_difference(low >> 2);
        self.low.adapt(difference);
        let high = self.quantise_high((even - odd) >> 14);
        let difference = self.high.high_difference(high);
        self.high.adapt(difference);
        (high << 6 | low) as u8
    }

    /// Blocks 1L: a code of six bits.
    fn quantise_low(&self, x: i32) -> usize {
        let e = saturate(x - self.low.s);
        let magnitude = if e >= 0 { e } else { -(e + 1) };
        let level = |q: i32| (q * self.low.det) >> 12;
        let i = (1..30).find(|i| magnitude < level(Q6[*i])).unwrap_or(30);
        // Tables ILN and ILP.
        match (e < 0, i) {
            (true, 1 | 2) => 64 - i,
            (true, i) => 34 - i,
            (false, i) => 62 - i,
        }
    }

    /// Block 1H: a code of two bits.
    fn quantise_high(&self, x: i32) -> usize {
        let e = saturate(x - self.high.s);
        let magnitude = if e >= 0 { e } else { -(e + 1) };
        let outer = magnitude >= (564 * self.high.det) >> 12;
        match (e < 0, outer) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tones, silence, a sweep and noise at several levels: the same at every run.
    fn material() -> Vec<i16> {
        let mut seed = 1u32;
        (0..64_000u32)
            .map(|i| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (seed >> 16) as i16;
                match i / 8_000 {
                    0 => 0,
                    1 => noise,
                    2 => noise >> 6,
                    3 => {
                        if i / 20 % 2 == 0 {
                            32_767
                        } else {
                            -32_768
                        }
                    }
                    4 => (((i * i / 64) % 4_096) as i16 - 2_048) * 8,
                    5 => (i % 16) as i16 * 500 - 4_000,
                    6 => noise >> 2,
                    _ => ((i % 37) as i16 - 18) * 900,
                }
            })
            .collect()
    }

    fn sum(octets: impl IntoIterator<Item = u8>) -> u32 {
        octets.into_iter().fold(0x811c_9dc5, |h, o| (h ^ u32::from(o)).wrapping_mul(0x0100_0193))
    }

    /// The sums are those of the reference implementation (libg722, SpanDSP's) over the same material.
    #[test]
    fn every_octet_and_every_sample_is_the_reference_implementations() {
        let pcm = material();
        let mut octets = vec![0; pcm.len() / 2];
        assert_eq!(Encoder::default().encode(&pcm, &mut octets), octets.len());
        assert_eq!(sum(octets.iter().copied()), REF_ENC);
        let mut back = vec![0; pcm.len()];
        assert_eq!(Decoder::default().decode(&octets, &mut back), pcm.len());
        assert_eq!(sum(back.iter().flat_map(|s| s.to_le_bytes())), REF_DEC);
        // Octets that no encoder made.
        let wild: Vec<u8> = pcm.iter().map(|s| (*s >> 3) as u8 ^ (*s >> 9) as u8).collect();
        let mut back = vec![0; wild.len() * 2];
        Decoder::default().decode(&wild, &mut back);
        assert_eq!(sum(back.iter().flat_map(|s| s.to_le_bytes())), REF_WILD);
    }

    const REF_ENC: u32 = 0xd503223c;
    const REF_DEC: u32 = 0x88cf7712;
    const REF_WILD: u32 = 0xf6cb191c;
}
