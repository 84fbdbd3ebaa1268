//! One deadline per numbered thing: set, cleared, and taken when it is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::net::Nanos;

const NEVER: Nanos = Nanos::MAX;

/// The deadlines of things numbered from zero.
#[derive(Default)]
pub struct Deadlines {
    at: Vec<Nanos>,
    // Entries that no longer agree with `at` are stale and are skipped.
    queue: BinaryHeap<Reverse<(Nanos, usize)>>,
}

impl Deadlines {
    /// Sets (or moves) the deadline of one thing.
    pub fn set(&mut self, thing: usize, at: Nanos) {
        if thing >= self.at.len() {
            self.at.resize(thing + 1, NEVER);
        }
        self.at[thing] = at;
        self.queue.push(Reverse((at, thing)));
    }

    /// Takes the deadline of one thing away.
    pub fn clear(&mut self, thing: usize) {
        if let Some(at) = self.at.get_mut(thing) {
            *at = NEVER;
        }
    }

    /// A thing whose deadline has passed; its deadline is gone with that.
    pub fn take_due(&mut self, now: Nanos) -> Option<usize> {
        while let Some(&Reverse((at, thing))) = self.queue.peek() {
            if at > now {
                return None;
            }
            self.queue.pop();
            if self.at[thing] == at {
                self.at[thing] = NEVER;
                return Some(thing);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_or_cleared_deadline_does_not_fire_at_its_old_time() {
        let mut deadlines = Deadlines::default();
        deadlines.set(0, 10);
        deadlines.set(1, 20);
        deadlines.set(2, 15);
        deadlines.set(0, 40);
        deadlines.clear(2);
        assert_eq!(deadlines.take_due(30), Some(1));
        assert_eq!(deadlines.take_due(30), None);
        assert_eq!(deadlines.take_due(40), Some(0));
        assert_eq!(deadlines.take_due(99), None);
    }
}
