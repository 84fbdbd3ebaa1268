//! The 33 octets of a frame: RFC 3551 §4.5.8.1. Each parameter's most significant bit comes first, after the mark 0xD.

/// Octets of a frame.
pub const OCTETS: usize = 33;

/// Log area ratios' bits.
const LAR_BITS: [u32; 8] = [6, 6, 5, 5, 4, 4, 3, 3];

/// What one frame of 20 ms says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// Log area ratios of the short-term filter.
    pub(super) lar: [i16; 8],
    pub(super) parts: [Part; 4],
}

/// 5 ms of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Lag and gain of the long-term predictor.
    pub(super) lag: i16,
    pub(super) gain: i16,
    /// Position of the grid, block amplitude and pulses of the residual.
    pub(super) grid: i16,
    pub(super) amplitude: i16,
    pub(super) pulses: [i16; 13],
}

impl Parameters {
    /// Reads a frame; `None` if it does not begin with the mark.
    pub(super) fn read(octets: &[u8; OCTETS]) -> Option<Self> {
        let mut at = 4;
        let mut take = |bits: u32| {
            (0..bits).fold(0, |value, _| {
                let bit = octets[at / 8] >> (7 - at % 8) & 1;
                at += 1;
                value << 1 | i16::from(bit)
            })
        };
        let mut parameters = Self::default();
        parameters.lar.iter_mut().zip(LAR_BITS).for_each(|(lar, bits)| *lar = take(bits));
        for part in &mut parameters.parts {
            part.lag = take(7);
            part.gain = take(2);
            part.grid = take(2);
            part.amplitude = take(6);
            part.pulses.iter_mut().for_each(|pulse| *pulse = take(3));
        }
        (octets[0] >> 4 == 0xd).then_some(parameters)
    }

    pub(super) fn write(&self, octets: &mut [u8; OCTETS]) {
        octets.fill(0);
        octets[0] = 0xd0;
        let mut at = 4;
        let mut put = |value: i16, bits: u32| {
            for bit in (0..bits).rev() {
                octets[at / 8] |= ((value >> bit & 1) as u8) << (7 - at % 8);
                at += 1;
            }
        };
        self.lar.iter().zip(LAR_BITS).for_each(|(lar, bits)| put(*lar, bits));
        for part in &self.parts {
            put(part.lag, 7);
            put(part.gain, 2);
            put(part.grid, 2);
            put(part.amplitude, 6);
            part.pulses.iter().for_each(|pulse| put(*pulse, 3));
        }
    }
}
