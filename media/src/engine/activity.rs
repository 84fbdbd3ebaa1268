//! Who speaks, and how loud: the energy of what comes, against the quietest of late.
//!
//! It is fed where sound is decoded anyway, and with every eighth packet of G.711 that passes, so that it costs a relay
//! next to nothing.

use crate::g711::Law;

/// Of the packets of G.711 every so manieth is looked at.
pub(super) const EVERY: u16 = 8;
/// Speech stands so far above the noise around it: 10 dB, in power.
const ABOVE: f32 = 10.0;
/// What is below −50 dBov is no speech, in the square of samples.
const LEAST: f32 = FULL * 1e-5;
/// Noise is thought to lie between −75 and −38 dBov.
const FLOOR: (f32, f32) = (FULL * 3.2e-8, FULL * 1.6e-4);
const FULL: f32 = 32_768.0 * 32_768.0;
/// Pauses between words are no silence.
const HANGOVER_MS: u32 = 500;

/// What was heard of a voice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activity {
    /// Power of the noise, and of speech.
    floor: f32,
    speech: f32,
    speaking: bool,
    /// Since speech was last heard.
    pub(super) quiet_ms: u32,
    /// Anything was looked at since this was last set to false.
    pub(super) fed: bool,
}

impl Default for Activity {
    fn default() -> Self {
        Self { floor: FLOOR.1, speech: 0.0, speaking: false, quiet_ms: 0, fed: false }
    }
}

impl Activity {
    /// A stretch of sound that stands for so many milliseconds; tells whether speech began or ended with it.
    pub(crate) fn hear(&mut self, power: f32, ms: u32) -> Option<bool> {
        self.fed = true;
        // It falls at once and rises by 3 dB in a second.
        let rise = 1.0 + 0.000_7 * ms as f32;
        self.floor = power.min(self.floor * rise).clamp(FLOOR.0, FLOOR.1);
        let speech = power > LEAST && power > self.floor * ABOVE;
        if speech {
            self.quiet_ms = 0;
            let share = if self.speech == 0.0 { 1.0 } else { (ms as f32 / 2_000.0).min(0.5) };
            self.speech += (power - self.speech) * share;
        } else {
            self.quiet_ms = self.quiet_ms.saturating_add(ms);
        }
        let speaking = speech || (self.speaking && self.quiet_ms < HANGOVER_MS);
        (std::mem::replace(&mut self.speaking, speaking) != speaking).then_some(speaking)
    }

    /// The level of its speech in dB below full scale; `None` if it has not spoken.
    pub(super) fn level_dbov(&self) -> Option<f32> {
        (self.speech > 0.0).then(|| decibels(self.speech))
    }

    /// The level of its pauses.
    pub(super) fn noise_dbov(&self) -> f32 {
        decibels(self.floor)
    }
}

fn decibels(power: f32) -> f32 {
    10.0 * (power / FULL).log10()
}

/// The mean square of sound.
pub(crate) fn power(pcm: &[i16]) -> f32 {
    let sum: f32 = pcm.iter().map(|s| f32::from(*s).powi(2)).sum();
    sum / pcm.len().max(1) as f32
}

/// The same of a payload of G.711, of which every third octet is enough (a step that no telephone tone keeps).
pub(super) fn power_of(law: Law, payload: &[u8]) -> f32 {
    let samples = payload.iter().step_by(3).map(|octet| f32::from(law.decode(*octet)).powi(2));
    samples.sum::<f32>() / payload.len().div_ceil(3).max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Speech;

    #[test]
    fn speech_is_told_from_its_noise_and_its_level_is_known() {
        for noise in [0, 20, 100] {
            let mut activity = Activity::default();
            let pcm = Speech::new(3, 8_000, noise).take_samples(240_000);
            let mut changes = 0;
            for frame in pcm.chunks(160) {
                changes += u32::from(activity.hear(power(frame), 20).is_some());
            }
            assert!(changes > 0, "noise {noise}");
            let level = activity.level_dbov().unwrap();
            assert!((-32.0..-10.0).contains(&level), "noise {noise}: {level:.1} dBov");
            // Then only the noise goes on.
            let mut silence = Speech::new(4, 8_000, 0);
            silence.by_ref().take(1).for_each(drop);
            let mut ended = false;
            let mut seed = 1u32;
            for _ in 0..250 {
                let hum: Vec<i16> = (0..160)
                    .map(|_| {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (((seed >> 16) as i32 - 32_768) * i32::from(noise) / 32_768) as i16
                    })
                    .collect();
                ended |= activity.hear(power(&hum), 20) == Some(false);
            }
            assert!(ended && activity.quiet_ms > 3_000, "noise {noise}");
        }
    }

    #[test]
    fn a_steady_voice_is_a_voice_and_g711_is_as_loud_as_what_it_codes() {
        let mut activity = Activity::default();
        let tone = crate::testing::tone(1_000.0, 160);
        let octets: Vec<u8> = tone.iter().map(|s| Law::A.encode(*s)).collect();
        for _ in 0..3_000 {
            activity.hear(power_of(Law::A, &octets), 160);
        }
        assert!(activity.speaking);
        let level = activity.level_dbov().unwrap();
        assert!((level - decibels(power(&tone))).abs() < 1.0, "{level:.1}");
        assert!(activity.noise_dbov() <= -37.0);
    }
}
