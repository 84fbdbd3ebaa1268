//! The wall clock, for what a human reads: records, logs, file names.

use std::time::{Duration, Instant};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type UnixMillis = u64;

/// Translates between the monotonic clock of the cores and the wall clock of people.
///
/// Made once by the shell (or a test) from one reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Wall {
    at: Instant,
    unix: UnixMillis,
}

impl Wall {
    /// `at` and `unix` are the same moment.
    pub fn new(at: Instant, unix: UnixMillis) -> Self {
        Self { at, unix }
    }

    /// The wall clock at a moment of the monotonic clock.
    pub fn at(&self, now: Instant) -> UnixMillis {
        match now.checked_duration_since(self.at) {
            Some(later) => self.unix.saturating_add(later.as_millis() as u64),
            None => self.unix.saturating_sub((self.at - now).as_millis() as u64),
        }
    }

    /// The moment of the monotonic clock at a wall-clock time; clamped where the monotonic clock cannot express it.
    pub fn instant(&self, unix: UnixMillis) -> Instant {
        match unix.checked_sub(self.unix) {
            Some(later) => self.at.checked_add(Duration::from_millis(later)).unwrap_or(self.at),
            None => self.at.checked_sub(Duration::from_millis(self.unix - unix)).unwrap_or(self.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_agree_before_and_after_the_origin() {
        let t0 = crate::testing::start() + Duration::from_secs(100);
        let wall = Wall::new(t0, 1_000_000);
        assert_eq!(wall.at(t0 + Duration::from_millis(1500)), 1_001_500);
        assert_eq!(wall.at(t0 - Duration::from_millis(500)), 999_500);
        assert_eq!(wall.instant(1_001_500), t0 + Duration::from_millis(1500));
        assert_eq!(wall.instant(999_500), t0 - Duration::from_millis(500));
    }
}
