//! Warnings about the outside, as many as a person can read.

use std::time::{Duration, Instant};

/// Lets ten warnings pass in ten seconds and counts the others.
#[derive(Debug, Default)]
pub(super) struct Muffler {
    since: Option<Instant>,
    passed: u32,
    muted: u64,
}

impl Muffler {
    const WINDOW: Duration = Duration::from_secs(10);
    const LIMIT: u32 = 10;

    /// True if one more warning may be logged now.
    pub(super) fn passes(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= Self::WINDOW) {
            self.since = Some(now);
            self.passed = 0;
        }
        if self.passed < Self::LIMIT {
            self.passed += 1;
            return true;
        }
        self.muted += 1;
        false
    }

    pub(super) fn muted(&self) -> u64 {
        self.muted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_ten_lines_in_ten_seconds() {
        let mut muffler = Muffler::default();
        let t0 = stdx::testing::start();
        let passed = (0..2000).filter(|i| muffler.passes(t0 + Duration::from_millis(10 * i))).count();
        assert_eq!((passed, muffler.muted()), (20, 1980));
    }
}
