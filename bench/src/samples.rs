//! Distributions of durations in bounded memory: percentiles to three digits.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::net::Nanos;

/// Longest duration told apart; what lasts longer counts as this.
const LONGEST: Nanos = 120_000_000_000;

/// Durations of one kind, collected during a run.
pub struct Samples(Histogram<u64>);

/// What a reader wants of a distribution, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// How many samples there were.
    pub n: u64,
    /// Half of the samples took at most this long.
    pub p50: f64,
    /// 95 of 100 took at most this long.
    pub p95: f64,
    /// 99 of 100 took at most this long.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Default for Samples {
    fn default() -> Self {
        // The bounds are constants that the histogram accepts; a small automatic one is the fallback.
        let fixed = Histogram::new_with_bounds(1, LONGEST, 3).or_else(|_| Histogram::new(3));
        Self(fixed.unwrap_or_else(|e| unreachable!("three digits are within bounds: {e}")))
    }
}

impl Samples {
    /// Adds one duration.
    pub fn record(&mut self, nanos: Nanos) {
        self.0.saturating_record(nanos.min(LONGEST));
    }

    /// The distribution in milliseconds, or nothing when there were no samples.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        if self.0.is_empty() {
            return None;
        }
        Some(Spread {
            n: self.0.len(),
            p50: self.millis(0.50),
            p95: self.millis(0.95),
            p99: self.millis(0.99),
            max: round(self.0.max() as f64 / 1e6),
        })
    }

    fn millis(&self, quantile: f64) -> f64 {
        round(self.0.value_at_quantile(quantile) as f64 / 1e6)
    }
}

/// Rounds to four decimals, so that a line of JSON stays readable.
#[must_use]
pub fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_one_to_a_thousand_milliseconds() {
        let mut samples = Samples::default();
        for ms in 1..=1000 {
            samples.record(ms * 1_000_000);
        }
        let spread = samples.spread().unwrap();
        assert_eq!(spread.n, 1000);
        for (got, want) in [(spread.p50, 500.0), (spread.p95, 950.0), (spread.p99, 990.0), (spread.max, 1000.0)] {
            assert!((got - want).abs() <= want / 500.0, "{got} is not {want}");
        }
    }

    #[test]
    fn nothing_recorded_is_nothing_said() {
        assert_eq!(Samples::default().spread(), None);
    }

    #[test]
    fn a_sample_beyond_the_range_counts_as_the_longest() {
        let mut samples = Samples::default();
        samples.record(u64::MAX);
        samples.record(0);
        let spread = samples.spread().unwrap();
        assert!((spread.max - 120_000.0).abs() < 120.0 && spread.n == 2);
    }
}
