//! Packet loss concealment: what was said last goes on, period by period, and fades.
//!
//! After the idea of ITU-T G.711 appendix I: the pitch is found where the last sound resembles itself most, its last
//! period is repeated, weakened from 10 ms on and silent after 60 ms. What comes afterwards is blended in.
//!
//! A codec that foretells its sound from what it decoded before (Opus, GSM, G.729) needs some packets after a loss to find
//! its level again. For these the sound made up lasts 120 ms and stands in wherever what is decoded is too weak.

use super::Codec;

/// How many samples of the past are kept: 32 ms at 48 kHz.
const KEPT: usize = 1_536;
/// The longest period repeated, 15 ms.
const LONGEST: usize = 720;

/// The last sound of a stream, and how it goes on when packets are missing.
#[derive(Clone, Debug)]
pub struct Concealer {
    rate: usize,
    past: Box<[i16; KEPT]>,
    period: Box<[i16; LONGEST]>,
    len: usize,
    /// How loud the period is: the mean of its samples' sizes.
    loudness: f32,
    /// For so many milliseconds a period is repeated as it is, and in so many it fades.
    fading: (f32, f32),
    /// Samples since the loss began, which are made up or may have to be.
    made: usize,
    /// Something was lost, and what comes is not yet what it should be.
    mending: bool,
    /// How much of what is heard was decoded, in 1/256; and how many pieces in a row have been loud enough.
    share: i32,
    loud: u8,
}

/// After so many pieces of 5 ms at its level a decoder has found it again.
const FOUND: u8 = 4;

impl Concealer {
    /// For a stream of this rate, up to 48 kHz.
    pub fn new(rate: u32) -> Self {
        let rate = rate.min(48_000) as usize;
        let (past, period) = (Box::new([0; KEPT]), Box::new([0; LONGEST]));
        Self {
            rate,
            past,
            period,
            len: 1,
            loudness: 0.0,
            fading: (10.0, 50.0),
            made: 0,
            mending: false,
            share: 256,
            loud: 0,
        }
    }

    /// For a stream of this codec.
    pub fn of(codec: Codec) -> Self {
        let mut concealer = Self::new(codec.rate());
        concealer.suit(codec);
        concealer
    }

    /// The stream is of this codec from now on; what was heard at another rate is forgotten.
    pub fn suit(&mut self, codec: Codec) {
        let rate = codec.rate().min(48_000) as usize;
        if rate != self.rate {
            *self = Self::new(codec.rate());
        }
        self.fading = if codec.foretells() { (40.0, 80.0) } else { (10.0, 50.0) };
    }

    /// Real sound has come. After a gap its beginning is blended with what had been made up.
    pub fn real(&mut self, pcm: &mut [i16]) {
        if std::mem::take(&mut self.mending) {
            let blend = (self.rate / 250).min(pcm.len());
            self.blend(&mut pcm[..blend], 256);
        }
        self.remember(pcm);
    }

    /// Sound has come that the codec foretold from what it had decoded before. After a loss it is heard where it is 0.6 times as loud as
    /// what came before, or louder than what is made up.
    pub fn foretold(&mut self, pcm: &mut [i16]) {
        for piece in pcm.chunks_mut(self.rate / 200) {
            if !self.mending {
                break;
            }
            let due = self.loudness * self.gain();
            let loud = mean(piece) >= due.min(self.loudness * 0.6);
            self.loud = if loud { self.loud + 1 } else { 0 };
            self.blend(piece, if loud { 256 } else { 0 });
            self.mending = self.loud < FOUND && due > 0.0;
        }
        self.remember(pcm);
    }

    /// A packet was lost; what stands for it was decoded from another one, and comes next.
    pub fn lost(&mut self) {
        // What was decoded last, if it was heard, goes on from here.
        if !std::mem::replace(&mut self.mending, true) || self.share == 256 {
            self.find_period();
            (self.made, self.share) = (0, 256);
        }
        self.loud = 0;
    }

    /// Sound is missing: makes some up.
    pub fn fill(&mut self, to: &mut [i16]) {
        self.lost();
        for slot in to.iter_mut() {
            *slot = self.next();
        }
        self.share = 0;
        self.remember(to);
    }

    /// Passes from the present share of what was decoded to another.
    fn blend(&mut self, piece: &mut [i16], share: i32) {
        let (from, len) = (std::mem::replace(&mut self.share, share), piece.len() as i32 + 1);
        for (i, sample) in (1..).zip(piece) {
            let made = i32::from(self.next());
            let share = from + (share - from) * i / len;
            *sample = ((i32::from(*sample) * share + made * (256 - share)) >> 8) as i16;
        }
    }

    /// The lag between 2.5 and 15 ms at which the present sound resembles what came before.
    pub fn pitch(&self) -> usize {
        lag(&self.past[..], self.rate)
    }

    fn remember(&mut self, pcm: &[i16]) {
        let pcm = &pcm[pcm.len().saturating_sub(KEPT)..];
        self.past.copy_within(pcm.len().., 0);
        self.past[KEPT - pcm.len()..].copy_from_slice(pcm);
    }

    fn find_period(&mut self) {
        let len = self.pitch().clamp(1, LONGEST);
        self.len = len;
        let tail = len / 4;
        for i in 0..len {
            let mut sample = i32::from(self.past[KEPT - len + i]);
            // The period's end leads into its beginning.
            if i >= len - tail {
                let share = (i - (len - tail)) as i32 * 256 / tail.max(1) as i32;
                let before = i32::from(self.past[KEPT - 2 * len + i]);
                sample = (sample * (256 - share) + before * share) >> 8;
            }
            self.period[i] = sample as i16;
        }
        self.loudness = mean(&self.period[..len]);
    }

    /// With how much of its loudness the period is repeated now.
    fn gain(&self) -> f32 {
        let ms = (self.made * 1_000 / self.rate) as f32;
        (1.0 - (ms - self.fading.0) / self.fading.1).clamp(0.0, 1.0)
    }

    fn next(&mut self) -> i16 {
        let sample = f32::from(self.period[self.made % self.len]);
        let gain = self.gain();
        self.made += 1;
        (sample * gain) as i16
    }
}

/// The mean of the samples' sizes.
fn mean(pcm: &[i16]) -> f32 {
    pcm.iter().map(|sample| f32::from(sample.unsigned_abs())).sum::<f32>() / pcm.len().max(1) as f32
}

/// The lag between 2.5 and 15 ms at which the end of `pcm` resembles what came before most.
fn lag(pcm: &[i16], rate: usize) -> usize {
    let (shortest, longest) = (rate / 400, (rate * 15 / 1_000).min(pcm.len() / 2));
    // Half a millisecond decides nothing: at high rates every third or sixth sample is compared.
    let step = (rate / 8_000).max(1);
    let window = longest.min(pcm.len() - longest);
    let resemblance = |lag: usize, step: usize| {
        let (now, then) = (&pcm[pcm.len() - window..], &pcm[pcm.len() - window - lag..]);
        let (mut product, mut energy) = (0i64, 1i64);
        for (a, b) in now.iter().zip(then).step_by(step) {
            product += i64::from(*a) * i64::from(*b);
            energy += i64::from(*b) * i64::from(*b);
        }
        product as f64 / (energy as f64).sqrt()
    };
    let best = |from: usize, to: usize, by: usize, step: usize| {
        let lags = (from..=to).step_by(by);
        lags.map(|lag| (lag, resemblance(lag, step))).fold((from, f64::MIN), |a, b| if b.1 > a.1 { b } else { a }).0
    };
    let rough = best(shortest, longest, step, step);
    if step == 1 { rough } else { best(rough.saturating_sub(step).max(shortest), (rough + step).min(longest), 1, step) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, rate: u32, from: usize, samples: usize) -> Vec<i16> {
        let step = hz / f64::from(rate) * std::f64::consts::TAU;
        (from..from + samples).map(|i| ((i as f64 * step).sin() * 10_000.0) as i16).collect()
    }

    #[test]
    fn a_missing_packet_sounds_as_if_it_had_come_and_a_long_gap_fades_to_silence() {
        for (rate, hz) in [(8_000, 200.0), (8_000, 1_070.0), (16_000, 440.0), (48_000, 300.0)] {
            let frame = rate as usize / 50;
            let mut concealer = Concealer::new(rate);
            for i in 0..10 {
                concealer.real(&mut tone(hz, rate, i * frame, frame));
            }
            let mut made = vec![0; frame];
            concealer.fill(&mut made);
            let real = tone(hz, rate, 10 * frame, frame);
            let half = frame / 2;
            let (mut error, mut power) = (0.0, 0.0);
            for (a, b) in made[..half].iter().zip(&real) {
                error += f64::from(i32::from(*a) - i32::from(*b)).powi(2);
                power += f64::from(*b).powi(2);
            }
            assert!(error < power / 10.0, "{rate} {hz}: {error:.0} of {power:.0}");
            assert!(made[half..].iter().any(|s| s.unsigned_abs() > 7_000));
            for _ in 0..3 {
                concealer.fill(&mut made);
            }
            assert!(made.iter().all(|s| *s == 0), "{rate}");
            let mut back = tone(hz, rate, 0, frame);
            concealer.real(&mut back);
            assert_eq!(back[half..], tone(hz, rate, 0, frame)[half..]);
        }
    }

    #[test]
    fn silence_is_concealed_by_silence() {
        let mut concealer = Concealer::new(8_000);
        let mut made = [1; 160];
        concealer.fill(&mut made);
        assert_eq!(made, [0; 160]);
    }
}
