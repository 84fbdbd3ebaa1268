//! Is this speech in that sound?

/// The search goes at 2 kHz: speech has most of its power below 1 kHz, and it is sixteen times less work.
const THINNING: usize = 4;

/// The stretch of speech that is looked for: its loudest second.
const STRETCH: usize = 8000;

/// How much a sound contains of a speech, at the best place: 1 is the same wave, 0 nothing of it. Loudness does not matter.
pub(super) fn likeness(sound: &[i16], speech: &[i16]) -> f32 {
    let Some(template) = loudest(speech) else { return 0.0 };
    if sound.len() < template.len() {
        return 0.0;
    }
    let thin_template = thin(template);
    // From two beginnings, because half a thinned sample beside the place a wave may resemble another one more.
    let rough = [0, THINNING / 2].into_iter().flat_map(|phase| {
        let best = places(&thin(&sound[phase..]), &thin_template).max_by(|a, b| a.1.total_cmp(&b.1));
        best.map(|(place, like)| (place * THINNING + phase, like))
    });
    let Some((place, _)) = rough.max_by(|a, b| a.1.total_cmp(&b.1)) else { return 0.0 };
    // Then sample by sample around the best place.
    let from = place.saturating_sub(2 * THINNING);
    let until = (place + 2 * THINNING + STRETCH).min(sound.len());
    let (near, exact): (Vec<f32>, Vec<f32>) = (plain(&sound[from..until]), plain(template));
    places(&near, &exact).map(|(_, like)| like).fold(0.0, f32::max)
}

/// The likeness at every place.
fn places<'a>(sound: &'a [f32], template: &'a [f32]) -> impl Iterator<Item = (usize, f32)> + 'a {
    let power: f32 = template.iter().map(|s| s * s).sum();
    sound.windows(template.len()).enumerate().map(move |(place, window)| {
        let (mut product, mut energy) = (0.0f32, 0.0f32);
        for (a, b) in window.iter().zip(template) {
            product += a * b;
            energy += a * a;
        }
        // Near silence anything resembles anything.
        let like = if energy > power / 1000.0 { product / (energy * power).sqrt() } else { 0.0 };
        (place, like)
    })
}

fn thin(sound: &[i16]) -> Vec<f32> {
    sound.chunks_exact(THINNING).map(|c| c.iter().map(|s| f32::from(*s)).sum::<f32>() / THINNING as f32).collect()
}

fn plain(sound: &[i16]) -> Vec<f32> {
    sound.iter().map(|s| f32::from(*s)).collect()
}

fn loudest(speech: &[i16]) -> Option<&[i16]> {
    let power = |w: &&[i16]| w.iter().map(|s| i64::from(*s) * i64::from(*s)).sum::<i64>();
    // A tenth of a second from place to place is near enough.
    speech.windows(STRETCH).step_by(STRETCH / 10).max_by_key(power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts;

    #[test]
    fn a_speech_is_found_in_noise_at_another_loudness_and_only_there() {
        let [ling, rose] = prompts::DEMO.map(prompts::samples);
        let mut entropy = stdx::Entropy::seeded(3);
        for place in 12_344..12_348 {
            let mut sound: Vec<i16> = (0..52_000).map(|_| entropy.below(200) as i16 - 100).collect();
            for (sample, speech) in sound[place..].iter_mut().zip(&ling) {
                *sample = sample.saturating_add(speech / 3);
            }
            assert!(likeness(&sound, &ling) > 0.9, "{}", likeness(&sound, &ling));
            assert!(likeness(&sound, &rose) < 0.4, "{}", likeness(&sound, &rose));
        }
        assert!(likeness(&[0; 40_000], &ling) < 0.1);
        assert!(likeness(&[], &ling) < 0.1);
    }
}
