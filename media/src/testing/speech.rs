//! Something like speech: voiced sounds of changing pitch and formants, hisses, and pauses, with noise around them.
//!
//! It is no language, but it moves a codec's predictors, a detector's filters and a concealer as speech does, and the same
//! seed says the same.

use std::f64::consts::TAU;

/// One who speaks without end.
#[derive(Clone, Debug)]
pub struct Speech {
    rate: f64,
    seed: u64,
    /// Samples left of this sound, its length, and whether it is voiced, hissed, or a pause.
    left: usize,
    length: usize,
    kind: Kind,
    pitch: f64,
    phase: f64,
    formants: [Resonator; 3],
    loudness: f64,
    noise: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Voiced,
    Hissed,
    Pause,
}

/// A pair of poles.
#[derive(Clone, Copy, Debug, Default)]
struct Resonator {
    a: [f64; 2],
    gain: f64,
    y: [f64; 2],
}

impl Resonator {
    fn tune(&mut self, hz: f64, width: f64, rate: f64) {
        let radius = (-TAU / 2.0 * width / rate).exp();
        self.a = [2.0 * radius * (TAU * hz / rate).cos(), -radius * radius];
        self.gain = (1.0 - radius) * 2.0;
    }

    fn run(&mut self, x: f64) -> f64 {
        let y = self.gain * x + self.a[0] * self.y[0] + self.a[1] * self.y[1];
        self.y = [y, self.y[0]];
        y
    }
}

impl Speech {
    /// At so many samples per second, with white noise of this amplitude around it.
    pub fn new(seed: u64, rate: u32, noise: i16) -> Self {
        let rate = f64::from(rate);
        Self {
            rate,
            seed: seed.wrapping_mul(2).wrapping_add(1),
            left: 0,
            length: 1,
            kind: Kind::Pause,
            pitch: 120.0,
            phase: 0.0,
            formants: [Resonator::default(); 3],
            loudness: 0.0,
            noise: f64::from(noise),
        }
    }

    /// The next samples.
    pub fn take_samples(&mut self, samples: usize) -> Vec<i16> {
        self.by_ref().take(samples).collect()
    }

    /// Between 0 and 1.
    fn draw(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 40) as f64 / f64::from(1 << 24)
    }

    fn next_sound(&mut self) {
        self.kind = match self.draw() {
            ..0.62 => Kind::Voiced,
            ..0.82 => Kind::Hissed,
            _ => Kind::Pause,
        };
        let seconds = 0.05 + 0.2 * self.draw();
        self.length = (seconds * self.rate) as usize;
        self.left = self.length;
        self.pitch = 90.0 + 130.0 * self.draw();
        self.loudness = 2_000.0 + 14_000.0 * self.draw().powi(2);
        let top = (self.rate / 2.0 - 300.0).min(7_000.0);
        let tones = match self.kind {
            Kind::Voiced => [250.0 + 550.0 * self.draw(), 800.0 + 1_400.0 * self.draw(), 2_300.0 + 900.0 * self.draw()],
            Kind::Hissed | Kind::Pause => [1_800.0, 2_900.0, 2_500.0 + (top - 2_500.0) * self.draw()],
        };
        for (formant, hz) in self.formants.iter_mut().zip(tones) {
            formant.tune(hz, 60.0 + hz / 20.0, self.rate);
        }
    }
}

impl Iterator for Speech {
    type Item = i16;

    fn next(&mut self) -> Option<i16> {
        if self.left == 0 {
            self.next_sound();
        }
        self.left -= 1;
        let white = self.draw() * 2.0 - 1.0;
        let source = match self.kind {
            Kind::Voiced => {
                self.pitch *= 1.0 + 0.1 / self.rate;
                self.phase += self.pitch / self.rate;
                let closed = self.phase >= 1.0;
                self.phase = self.phase.fract();
                if closed { 14.0 } else { -0.2 + white * 0.05 }
            }
            Kind::Hissed => white * 0.8,
            Kind::Pause => 0.0,
        };
        let at = 1.0 - self.left as f64 / self.length as f64;
        let swell = (at * 8.0).min((1.0 - at) * 8.0).min(1.0);
        let [first, second, third] = &mut self.formants;
        let said = first.run(source) + 0.7 * second.run(source) + 0.4 * third.run(source);
        let hum = self.draw() * 2.0 - 1.0;
        Some((said * self.loudness * swell + hum * self.noise).clamp(-32_768.0, 32_767.0) as i16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_loud_as_speech_pauses_and_repeats_itself_by_its_seed() {
        let heard = Speech::new(3, 8_000, 20).take_samples(80_000);
        assert_eq!(heard, Speech::new(3, 8_000, 20).take_samples(80_000));
        assert_ne!(heard, Speech::new(4, 8_000, 20).take_samples(80_000));
        let power = |pcm: &[i16]| pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len() as f64;
        let level = 10.0 * (power(&heard) / 32_768.0_f64.powi(2)).log10();
        assert!((-32.0..-14.0).contains(&level), "{level:.1} dBov");
        assert!(heard.chunks(160).any(|frame| power(frame) < 400.0), "no pause");
    }
}
