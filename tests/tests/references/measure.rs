//! How near one sound comes to another.

/// Power of the first over power of the difference, in dB, at the shift (0 to `most` samples later) and the gain at which
/// they are nearest; and that shift.
pub(crate) fn snr(original: &[i16], heard: &[i16], most: usize) -> (f64, usize) {
    let at = |shift: usize| {
        let len = original.len().min(heard.len().saturating_sub(shift));
        let (mut own, mut other, mut both) = (f64::MIN_POSITIVE, f64::MIN_POSITIVE, 0.0);
        for (a, b) in original[..len].iter().zip(&heard[shift..]) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            own += a * a;
            other += b * b;
            both += a * b;
        }
        // With the best gain the remainder is own − both²/other.
        let rest = (own - both * both / other).max(own * 1e-12);
        10.0 * (own / rest).log10()
    };
    let window = original.len().min(80_000);
    let coarse = |shift: usize| {
        let len = window.min(heard.len().saturating_sub(shift));
        original[..len].iter().zip(&heard[shift..]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
    };
    let best = (0..=most).max_by(|a, b| coarse(*a).total_cmp(&coarse(*b))).unwrap_or(0);
    (at(best), best)
}

/// The level in dB under full scale.
pub(crate) fn level(pcm: &[i16]) -> f64 {
    let power: f64 = pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len().max(1) as f64;
    10.0 * (power.max(1e-9) / 32_768.0_f64.powi(2)).log10()
}
