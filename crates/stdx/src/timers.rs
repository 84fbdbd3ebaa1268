//! Deadlines by key: at most one per key, fired in order of time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// A set of deadlines. Setting a key again moves its deadline; equal deadlines fire in order of the key, so a run repeats.
#[derive(Clone, Debug)]
pub struct Timers<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: BTreeMap<K, Instant>,
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Sets or moves the deadline of `key`.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(old) = self.by_key.insert(key.clone(), at) {
            self.by_time.remove(&(old, key.clone()));
        }
        self.by_time.insert((at, key));
    }

    /// Forgets the deadline of `key`, if it has one.
    pub fn cancel(&mut self, key: &K) {
        if let Some(at) = self.by_key.remove(key) {
            self.by_time.remove(&(at, key.clone()));
        }
    }

    /// The deadline of `key`.
    pub fn get(&self, key: &K) -> Option<Instant> {
        self.by_key.get(key).copied()
    }

    /// The next key whose deadline is at or before `now`; it is removed.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.by_time.first()?.0 > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// The earliest deadline of all.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// How many deadlines are set.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// True if none is set.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_key_has_one_deadline_and_the_earliest_fires_first() {
        let t0 = crate::testing::start();
        let s = Duration::from_secs;
        let mut timers = Timers::default();
        timers.set('a', t0 + s(3));
        timers.set('b', t0 + s(2));
        timers.set('a', t0 + s(1));
        timers.set('c', t0 + s(9));
        timers.cancel(&'c');
        assert_eq!(timers.next(), Some(t0 + s(1)));
        assert_eq!(timers.pop_due(t0), None);
        assert_eq!(timers.pop_due(t0 + s(5)), Some('a'));
        assert_eq!(timers.pop_due(t0 + s(5)), Some('b'));
        assert_eq!(timers.pop_due(t0 + s(50)), None);
        assert!(timers.is_empty());
    }
}
