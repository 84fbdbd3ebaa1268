//! GSM full rate at 13 kbit/s: GSM 06.10 (ETSI EN 300 961), payload type 3 of RFC 3551 §4.5.8. 8 kHz, 33 octets for 20 ms.
//!
//! Both ways agree bit by bit with libgsm, the reference that telephones have used since 1992.

mod arith;
mod frame;
mod residual;
mod short_term;

pub use frame::OCTETS as FRAME_OCTETS;

use arith::{add, mult_r};
use frame::{OCTETS, Parameters};
use residual::Past;
use short_term::{Lattice, analyse};

/// Samples of a frame.
pub const FRAME: usize = 160;

/// Sound into frames.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// Offset compensation: the last sample, and the filter's state of 31 bits.
    before: i16,
    level: i32,
    /// Preemphasis.
    emphasised: i16,
    lattice: Lattice,
    past: Past,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { before: 0, level: 0, emphasised: 0, lattice: Lattice::new(), past: Past::new() }
    }
}

impl Encoder {
    /// Encodes whole frames; returns the number of octets. What is not a whole frame, or has no room, is left out.
    pub fn encode(&mut self, pcm: &[i16], to: &mut [u8]) -> usize {
        let (frames, _) = pcm.as_chunks::<FRAME>();
        let (slots, _) = to.as_chunks_mut::<OCTETS>();
        frames.iter().zip(slots).map(|(frame, octets)| self.frame(frame).write(octets)).count() * OCTETS
    }

    fn frame(&mut self, pcm: &[i16; FRAME]) -> Parameters {
        let mut s = [0; FRAME];
        s.iter_mut().zip(pcm).for_each(|(s, sample)| *s = self.prepare(*sample));
        let lar = analyse(&mut s);
        self.lattice.residual(&lar, &mut s);
        let mut parameters = Parameters { lar, ..Parameters::default() };
        for (part, d) in parameters.parts.iter_mut().zip(s.as_chunks::<40>().0) {
            *part = self.past.encode(d);
        }
        parameters
    }

    /// Down-scaling, offset compensation and preemphasis: §5.2.1 to §5.2.3.
    fn prepare(&mut self, sample: i16) -> i16 {
        let scaled = (sample >> 3) << 2;
        let step = scaled.wrapping_sub(std::mem::replace(&mut self.before, scaled));
        let high = (self.level >> 15) as i16;
        let low = (self.level - (i32::from(high) << 15)) as i16;
        let fine = (i32::from(step) << 15) + i32::from(mult_r(low, 32_735));
        self.level = (i32::from(high) * 32_735).saturating_add(fine);
        let rounded = self.level.saturating_add(16_384);
        let weakened = mult_r(self.emphasised, -28_180);
        self.emphasised = (rounded >> 15) as i16;
        add(self.emphasised, weakened)
    }
}

/// Frames into sound.
#[derive(Clone, Debug)]
pub struct Decoder {
    lattice: Lattice,
    past: Past,
    /// Deemphasis.
    before: i16,
    /// The last frame that came.
    last: Parameters,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { lattice: Lattice::new(), past: Past::new(), before: 0, last: Parameters::default() }
    }
}

impl Decoder {
    /// Decodes whole frames; returns the number of samples, which ends at a frame without the mark 0xD.
    pub fn decode(&mut self, payload: &[u8], to: &mut [i16]) -> usize {
        let (frames, _) = payload.as_chunks::<OCTETS>();
        let (slots, _) = to.as_chunks_mut::<FRAME>();
        let mut decoded = 0;
        for (octets, slot) in frames.iter().zip(slots) {
            let Some(parameters) = Parameters::read(octets) else { break };
            self.frame(&parameters, slot);
            self.last = parameters;
            decoded += FRAME;
        }
        decoded
    }

    /// Lost frames are decoded as the last one was: GSM 06.11 §5. So the filters are in time when the next one comes.
    pub fn make_up(&mut self, to: &mut [i16]) {
        let last = self.last;
        to.as_chunks_mut::<FRAME>().0.iter_mut().for_each(|slot| self.frame(&last, slot));
    }

    fn frame(&mut self, parameters: &Parameters, s: &mut [i16; FRAME]) {
        for (part, d) in parameters.parts.iter().zip(s.as_chunks_mut::<40>().0) {
            *d = self.past.decode(part);
        }
        self.lattice.synthesise(&parameters.lar, s);
        for sample in s {
            self.before = add(*sample, mult_r(self.before, 28_180));
            // Up-scaling, and 13 bits: §5.3.6, §5.3.7.
            *sample = add(self.before, self.before) & !7;
        }
    }
}

#[cfg(test)]
mod tests;
