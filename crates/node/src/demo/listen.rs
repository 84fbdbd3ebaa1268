//! Is this speech in that sound?

/// Sound is compared at 2 kHz: speech has most of its power below 1 kHz, and it is sixteen times less work.
const THINNING: usize = 4;

/// The stretch of speech that is looked for: its loudest second.
const STRETCH: usize = 8000 / THINNING;

/// How much a sound contains of a speech, at the best place: 1 is the same wave, 0 nothing of it. Loudness does not matter.
pub(super) fn likeness(sound: &[i16], speech: &[i16]) -> f32 {
    let (sound, speech) = (thin(sound), thin(speech));
    let Some(template) = loudest(&speech) else { return 0.0 };
    if sound.len() < template.len() {
        return 0.0;
    }
    let power: f32 = template.iter().map(|s| s * s).sum();
    let mut best = 0.0f32;
    for window in sound.windows(template.len()) {
        let (mut product, mut energy) = (0.0f32, 0.0f32);
        for (a, b) in window.iter().zip(template) {
            product += a * b;
            energy += a * a;
        }
        // Near silence anything resembles anything.
        if energy > power / 1000.0 {
            best = best.max(product / (energy * power).sqrt());
        }
    }
    best
}

fn thin(sound: &[i16]) -> Vec<f32> {
    sound.chunks_exact(THINNING).map(|c| c.iter().map(|s| f32::from(*s)).sum::<f32>() / THINNING as f32).collect()
}

fn loudest(speech: &[f32]) -> Option<&[f32]> {
    let power = |w: &&[f32]| w.iter().map(|s| s * s).sum::<f32>();
    // A tenth of a second from place to place is near enough.
    speech.windows(STRETCH).step_by(STRETCH / 10).max_by(|a, b| power(a).total_cmp(&power(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts;

    #[test]
    fn a_speech_is_found_in_noise_at_another_loudness_and_only_there() {
        let [ling, rose] = prompts::DEMO.map(prompts::samples);
        let mut entropy = stdx::Entropy::seeded(3);
        let mut sound: Vec<i16> = (0..60_000).map(|_| entropy.below(200) as i16 - 100).collect();
        for (place, sample) in sound[12_345..].iter_mut().zip(&ling) {
            *place = place.saturating_add(sample / 3);
        }
        assert!(likeness(&sound, &ling) > 0.9);
        assert!(likeness(&sound, &rose) < 0.4, "{}", likeness(&sound, &rose));
        assert!(likeness(&[0; 40_000], &ling) < 0.1);
        assert!(likeness(&[], &ling) < 0.1);
    }
}
