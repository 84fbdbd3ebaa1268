//! Music for those on hold where the operator has none of his own: a slow figure of broken chords. It was made for this
//! program and is as free as it.

use std::f64::consts::TAU;

const RATE: f64 = 8_000.0;
/// Samples of a note: 300 ms.
const NOTE: usize = 2_400;
/// How long a note sounds on into the next ones.
const RING: usize = NOTE * 4;

/// Four bars of broken chords, as semitones from A at 220 Hz: C, A minor, F, G, and the same again an inversion higher.
const FIGURE: [[i32; 8]; 8] = [
    [3, 10, 15, 19, 15, 10, 7, 10],
    [0, 7, 12, 15, 12, 7, 3, 7],
    [-4, 3, 8, 12, 8, 3, 0, 3],
    [-2, 5, 10, 14, 10, 5, 2, 5],
    [7, 10, 15, 22, 19, 15, 10, 7],
    [3, 7, 12, 19, 15, 12, 7, 3],
    [0, 3, 8, 15, 12, 8, 3, 0],
    [-2, 5, 10, 17, 14, 10, 5, 2],
];

/// One round: its end joins its beginning, because notes ring on around it.
pub(super) fn melody() -> Vec<i16> {
    let notes: Vec<i32> = FIGURE.iter().flatten().copied().collect();
    let len = notes.len() * NOTE;
    let mut sum = vec![0.0f64; len];
    for (place, semitone) in notes.iter().enumerate() {
        let hz = 220.0 * 2.0f64.powf(f64::from(*semitone) / 12.0);
        for i in 0..RING {
            let t = i as f64 / RATE;
            let attack = (t / 0.012).min(1.0);
            let fade = (-t * 3.2).exp() * (1.0 - i as f64 / RING as f64);
            // A plucked string, softly: two overtones.
            let wave = (TAU * hz * t).sin() + 0.35 * (TAU * hz * 2.0 * t).sin() + 0.12 * (TAU * hz * 3.0 * t).sin();
            sum[(place * NOTE + i) % len] += wave * attack * fade;
        }
    }
    sum.into_iter().map(|s| (s * 3_300.0) as i16).collect()
}
