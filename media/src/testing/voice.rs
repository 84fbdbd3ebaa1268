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
