//! Comfort noise: RFC 3389. The level is followed, the spectrum is that of white noise.

/// Makes noise of a told level.
#[derive(Clone, Debug)]
pub struct Noise {
    seed: u32,
    amplitude: i32,
}

impl Noise {
    /// From a packet's payload: its first octet is the level below overload in dB (§3.1). Silence if it is empty.
    pub fn new(payload: &[u8]) -> Self {
        let mut noise = Self { seed: 0x2545_f491, amplitude: 0 };
        noise.told(payload);
        noise
    }

    /// Another packet tells another level.
    pub fn told(&mut self, payload: &[u8]) {
        let below = payload.first().map_or(127, |level| level & 0x7f);
        // A level of 0 is that of a square wave at full scale; white noise between ±a has a/√3 of it.
        self.amplitude = (32_767.0 * 1.732 * 10.0_f64.powf(-f64::from(below) / 20.0)).min(32_767.0) as i32;
    }

    /// The next samples.
    pub fn fill(&mut self, to: &mut [i16]) {
        for slot in to {
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = (self.seed >> 16) as i32 - 32_768;
            *slot = ((white * self.amplitude) >> 15) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_what_was_told() {
        for below in [10u8, 40, 60] {
            let mut pcm = vec![0; 8_000];
            Noise::new(&[below, 1, 2]).fill(&mut pcm);
            let power: f64 = pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 8_000.0;
            let level = 10.0 * (power / 32_767.0_f64.powi(2)).log10();
            assert!((level + f64::from(below)).abs() < 1.0, "{below}: {level:.1}");
        }
        let mut pcm = [5; 100];
        Noise::new(&[]).fill(&mut pcm);
        assert!(pcm.iter().all(|s| s.unsigned_abs() <= 1));
    }
}
