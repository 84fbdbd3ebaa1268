//! The engine's deadlines: one per timer, fired in order of time, without an allocation while no timer is new.
//!
//! A heap in which moved and cancelled deadlines stay until they come to the top, or until there are too many of them.

use super::Timer;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
    /// What counts; `None` for a timer that has fired, which keeps its place until it is cancelled.
    at: BTreeMap<Timer, Option<Instant>>,
}

/// How many entries the heap may have beyond two for each timer before it is cleared of what does not count.
const SPARE: usize = 64;

impl Deadlines {
    /// Sets or moves a deadline.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        let known = self.at.len();
        let before = self.at.entry(timer).or_default().replace(at);
        if self.at.len() > known {
            self.heap.reserve((self.at.len() * 2 + SPARE + 1).saturating_sub(self.heap.len()));
        }
        if before != Some(at) {
            self.heap.push(Reverse((at, timer)));
        }
        self.tidy();
    }

    /// Forgets a timer.
    pub(super) fn cancel(&mut self, timer: &Timer) {
        self.at.remove(timer);
        self.tidy();
    }

    pub(super) fn get(&self, timer: &Timer) -> Option<Instant> {
        self.at.get(timer).copied().flatten()
    }

    /// The next timer whose deadline is at or before `now`; the deadline is removed.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        self.next().filter(|at| *at <= now)?;
        let Reverse((_, timer)) = self.heap.pop()?;
        self.at.get_mut(&timer).and_then(Option::take);
        self.tidy();
        Some(timer)
    }

    /// The earliest deadline of all.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Sees to it that the heap's top counts, and that it is not much larger than it must be.
    fn tidy(&mut self) {
        while let Some(Reverse((at, timer))) = self.heap.peek()
            && self.get(timer) != Some(*at)
        {
            self.heap.pop();
        }
        if self.heap.len() > self.at.len() * 2 + SPARE {
            let mut entries = std::mem::take(&mut self.heap).into_vec();
            entries.retain(|Reverse((at, timer))| self.get(timer) == Some(*at));
            entries.sort_unstable();
            entries.dedup();
            self.heap = entries.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::PortId;
    use super::*;
    use slotmap::SlotMap;
    use std::time::Duration;

    #[test]
    fn each_timer_has_one_deadline_and_the_earliest_fires_first() {
        let (t0, s) = (stdx::testing::start(), Duration::from_secs);
        let mut ports = SlotMap::<PortId, ()>::with_key();
        let [a, b, c] = [(); 3].map(|()| Timer::Report(ports.insert(())));
        let mut deadlines = Deadlines::default();
        for (timer, at) in [(a, 3), (b, 2), (a, 1), (c, 1), (a, 4), (a, 1)] {
            deadlines.set(timer, t0 + s(at));
        }
        deadlines.cancel(&c);
        assert_eq!((deadlines.next(), deadlines.get(&a), deadlines.get(&c)), (Some(t0 + s(1)), Some(t0 + s(1)), None));
        assert_eq!(deadlines.pop_due(t0), None);
        assert_eq!(deadlines.pop_due(t0 + s(9)), Some(a));
        assert_eq!(deadlines.pop_due(t0 + s(9)), Some(b));
        assert_eq!((deadlines.pop_due(t0 + s(9)), deadlines.next()), (None, None));
    }

    #[test]
    fn a_deadline_that_moves_with_every_packet_takes_no_more_room() {
        let t0 = stdx::testing::start();
        let mut ports = SlotMap::<PortId, ()>::with_key();
        let (fixed, moving) = (Timer::Silence(ports.insert(())), Timer::Browser(ports.insert(())));
        let mut deadlines = Deadlines::default();
        deadlines.set(fixed, t0 + Duration::from_secs(5_000));
        for i in 0..10_000u64 {
            deadlines.set(moving, t0 + Duration::from_millis(60_000 + i * 7 % 100));
            assert!(deadlines.heap.len() <= 2 * 2 + SPARE);
        }
        assert_eq!(deadlines.pop_due(t0 + Duration::from_secs(100)), Some(moving));
        assert_eq!(deadlines.next(), Some(t0 + Duration::from_secs(5_000)));
    }
}
