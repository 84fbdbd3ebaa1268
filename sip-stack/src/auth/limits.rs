//! How often somebody may ask: token buckets in tables that never grow beyond their bound.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// So many at once, and so many a second after that. A rate of 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens a second.
    pub per_second: u32,
    /// Tokens of a full bucket.
    pub burst: u32,
}

impl Rate {
    /// So many a second, so many at once.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// Thousandths of a token, and when they were counted.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    thousandths: u64,
    at: Instant,
}

/// A bucket for everybody who asked lately.
///
/// When half of the room is taken by those who asked since the last change of generations, whoever has not asked since the
/// one before is forgotten, and begins with a full bucket when he comes again.
#[derive(Debug)]
pub struct Buckets<K> {
    young: BTreeMap<K, Bucket>,
    old: BTreeMap<K, Bucket>,
    room: usize,
}

impl<K: Ord + Copy> Buckets<K> {
    /// Empty, with room for so many.
    pub fn new(room: usize) -> Self {
        Self { young: BTreeMap::new(), old: BTreeMap::new(), room: room.max(2) }
    }

    /// Takes a token; false if there is none.
    pub fn take(&mut self, key: K, rate: Rate, now: Instant) -> bool {
        if rate.per_second == 0 {
            return true;
        }
        let full = u64::from(rate.burst.max(1)) * 1000;
        let bucket = match self.young.get_mut(&key) {
            Some(bucket) => bucket,
            None => {
                if self.young.len() >= self.room / 2 {
                    self.old = std::mem::take(&mut self.young);
                }
                let known = self.old.remove(&key).unwrap_or(Bucket { thousandths: full, at: now });
                self.young.entry(key).or_insert(known)
            }
        };
        let passed = now.saturating_duration_since(bucket.at).min(Duration::from_secs(3600));
        // Tokens per second are thousandths per millisecond. What is less than one is not lost: the time stands still for it.
        let gained = (passed.as_micros() as u64).saturating_mul(rate.per_second.into()) / 1000;
        if gained > 0 {
            bucket.thousandths = (bucket.thousandths + gained).min(full);
            bucket.at = now;
        }
        match bucket.thousandths.checked_sub(1000) {
            Some(left) => {
                bucket.thousandths = left;
                true
            }
            None => false,
        }
    }

    /// Gives tokens back, up to a full bucket.
    pub fn forgive(&mut self, key: K, tokens: u32, rate: Rate) {
        let bucket = self.young.get_mut(&key).or_else(|| self.old.get_mut(&key));
        if let Some(bucket) = bucket {
            let full = u64::from(rate.burst.max(1)) * 1000;
            bucket.thousandths = (bucket.thousandths + u64::from(tokens) * 1000).min(full);
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// True if nobody asked lately.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_and_others_are_not_concerned() {
        let mut buckets = Buckets::new(100);
        let (rate, t0) = (Rate::new(10, 5), stdx::testing::start());
        let passed = |buckets: &mut Buckets<u32>, who, now| (0..50).filter(|_| buckets.take(who, rate, now)).count();
        assert_eq!(passed(&mut buckets, 1, t0), 5);
        assert_eq!(passed(&mut buckets, 2, t0), 5);
        assert_eq!(passed(&mut buckets, 1, t0 + Duration::from_millis(99)), 0);
        assert_eq!(passed(&mut buckets, 1, t0 + Duration::from_millis(100)), 1);
        assert_eq!(passed(&mut buckets, 1, t0 + Duration::from_secs(10)), 5);
        assert!(buckets.take(1, Rate::new(0, 0), t0), "no limit");
    }

    #[test]
    fn asking_often_does_not_keep_the_bucket_empty() {
        let mut buckets = Buckets::new(10);
        let (rate, t0) = (Rate::new(1, 1), stdx::testing::start());
        let passed = (0..100_000u64).filter(|n| buckets.take(1, rate, t0 + Duration::from_micros(n * 100))).count();
        assert_eq!(passed, 10, "ten seconds");
    }

    #[test]
    fn the_table_is_bounded() {
        let mut buckets = Buckets::new(100);
        let now = stdx::testing::start();
        for who in 0..10_000 {
            buckets.take(who, Rate::new(1, 1), now);
            assert!(buckets.len() <= 100);
        }
        assert!(!buckets.take(9_999, Rate::new(1, 1), now), "the latest are remembered");
    }
}
