//! Voices: each speaker is a steady tone of its own.

/// The tone that is speaker number `speaker`, in Hz: 0 to 9, then from the start.
///
/// The tones keep clear of each other, of DTMF, and of every tone of [`crate::tones`].
pub fn speaker_hz(speaker: usize) -> f32 {
    const VOICES: [f32; 10] = [1070.0, 2050.0, 2450.0, 2250.0, 2850.0, 2650.0, 3050.0, 1910.0, 3250.0, 560.0];
    VOICES[speaker % VOICES.len()]
}

/// `samples` samples of a tone at a comfortable level (−9 dBm0).
pub fn tone(hz: f32, samples: usize) -> Vec<i16> {
    tone_from(hz, 0, samples)
}

/// The same tone from its sample number `first` on, so that consecutive packets join without a click.
pub fn tone_from(hz: f32, first: u64, samples: usize) -> Vec<i16> {
    (0..samples as u64)
        .map(|i| ((first + i) as f64 * f64::from(hz) / 8_000.0).fract() * std::f64::consts::TAU)
        .map(|phase| (phase.sin() * 8_000.0) as i16)
        .collect()
}

/// The level of a tone in sound of any rate (its amplitude), and how far it stands above all the rest, in dB.
///
/// Whole periods of it should fit into the sound.
pub fn level_of(pcm: &[i16], hz: f64, rate: u32) -> (f64, f64) {
    let step = hz / f64::from(rate) * std::f64::consts::TAU;
    let (mut cosine, mut sine) = (0.0, 0.0);
    for (i, sample) in pcm.iter().enumerate() {
        let (s, c) = (i as f64 * step).sin_cos();
        cosine += f64::from(*sample) * c;
        sine += f64::from(*sample) * s;
    }
    let half = pcm.len().max(1) as f64 / 2.0;
    let (cosine, sine) = (cosine / half, sine / half);
    let (mut power, mut rest) = (0.0, f64::MIN_POSITIVE);
    for (i, sample) in pcm.iter().enumerate() {
        let (s, c) = (i as f64 * step).sin_cos();
        let model = cosine * c + sine * s;
        power += model * model;
        rest += (f64::from(*sample) - model).powi(2);
    }
    (cosine.hypot(sine), 10.0 * (power / rest).log10())
}
