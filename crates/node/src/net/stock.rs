//! Which RTP port numbers are free, bound, in use or resting. Numbers only: the sockets are elsewhere.
//!
//! Sockets are bound ahead of need, because a call that waits for them would wait for a dozen system calls; a number that a
//! call has given back rests for a while, so that the old call's late packets do not reach the next one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a released number rests.
pub(super) const QUARANTINE: Duration = Duration::from_millis(1500);

/// A worker is woken for numbers that have rested only when this much more has passed: then it takes many at once. Whatever wakes
/// it before takes those that are due.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a number that another program holds is left alone.
const TAKEN: Duration = Duration::from_secs(60);

/// Spare numbers below which more are bound, up to which, and above which they are let go.
const LOW: usize = 64;
const FILL: usize = 128;
const HIGH: usize = 256;

/// What to do with a number whose rest is over. Its sockets are empty: what came meanwhile was read like any packet, and dropped,
/// because no call has the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Give it to the cell again.
    Give(u16),
    /// Close its sockets; there are spare ones enough.
    Close(u16),
}

/// The port numbers of one worker.
#[derive(Debug)]
pub struct Stock {
    /// Even numbers without sockets, the next one to bind first.
    unbound: VecDeque<u16>,
    /// Numbers that another program holds, until when they are left alone.
    taken: VecDeque<(Instant, u16)>,
    /// Numbers that rest, until when.
    resting: VecDeque<(Instant, u16)>,
    /// Numbers that the cell has, in use or spare.
    given: usize,
    /// So many are wanted at once, beside the spare ones.
    awaited: usize,
}

impl Stock {
    /// The even numbers of `first..=last` whose odd neighbour also lies in the range.
    pub fn new(first: u16, last: u16) -> Self {
        let even = first.saturating_add(first % 2);
        let unbound = (even..last).step_by(2).collect();
        Self { unbound, taken: VecDeque::new(), resting: VecDeque::new(), given: 0, awaited: 0 }
    }

    /// These numbers are bound first: calls that outlived their process have them.
    pub fn prefer(&mut self, numbers: &[u16]) {
        let (first, rest): (Vec<u16>, Vec<u16>) = self.unbound.iter().partition(|number| numbers.contains(number));
        self.awaited = first.len();
        self.unbound = first.into_iter().chain(rest).collect();
    }

    /// The share of worker `index` of `workers` in a range: whole pairs, disjoint.
    pub fn share(first: u16, last: u16, index: u16, workers: u16) -> (u16, u16) {
        let even = u32::from(first) + u32::from(first % 2);
        let pairs = (u32::from(last) + 1).saturating_sub(even) / 2;
        let (index, workers) = (u32::from(index), u32::from(workers.max(1)));
        let from = even + 2 * (pairs * index / workers);
        let until = even + 2 * (pairs * (index + 1) / workers);
        (from as u16, until.saturating_sub(1) as u16)
    }

    /// How many numbers should be bound now, if the cell uses `open` of those it has.
    pub fn wanted(&self, open: usize) -> usize {
        let used = open.max(self.awaited);
        if self.given >= used + LOW { 0 } else { (FILL + used).saturating_sub(self.given).min(self.unbound.len()) }
    }

    /// A number to bind. Say next [`Stock::bound`] or [`Stock::in_use`].
    pub fn take(&mut self) -> Option<u16> {
        self.unbound.pop_front()
    }

    /// It is bound, and the cell has it.
    pub fn bound(&mut self) {
        self.given += 1;
        if self.given >= self.awaited {
            self.awaited = 0;
        }
    }

    /// Another program holds it: try it again later.
    pub fn in_use(&mut self, number: u16, now: Instant) {
        self.taken.push_back((now + TAKEN, number));
    }

    /// It could not be bound for want of file descriptors or memory: nothing is wrong with the number.
    pub fn put_back(&mut self, number: u16) {
        self.unbound.push_front(number);
    }

    /// The cell has given it back.
    pub fn released(&mut self, number: u16, now: Instant) {
        self.given = self.given.saturating_sub(1);
        self.resting.push_back((now + QUARANTINE, number));
    }

    /// A number whose rest is over at `now`.
    pub fn rested(&mut self, open: usize, now: Instant) -> Option<Action> {
        while self.taken.front().is_some_and(|(until, _)| *until <= now) {
            self.unbound.extend(self.taken.pop_front().map(|(_, number)| number));
        }
        let (_, number) = self.resting.pop_front_if(|(until, _)| *until <= now)?;
        if self.given.saturating_sub(open) >= HIGH {
            self.unbound.push_back(number);
            Some(Action::Close(number))
        } else {
            self.given += 1;
            Some(Action::Give(number))
        }
    }

    /// When [`Stock::rested`] wants to be asked, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.resting.front().map(|(until, _)| *until + PATIENCE)
    }

    /// Numbers with sockets: in use, spare, resting.
    pub fn sockets(&self) -> usize {
        self.given + self.resting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(stock: &mut Stock, open: usize) -> Vec<u16> {
        (0..stock.wanted(open))
            .map(|_| {
                let number = stock.take().unwrap();
                stock.bound();
                number
            })
            .collect()
    }

    #[test]
    fn ports_of_calls_that_go_on_are_bound_first_and_beside_the_spare_ones() {
        let mut stock = Stock::new(20_000, 20_999);
        let before: Vec<u16> = (0..300).map(|n| 20_100 + 2 * n).collect();
        stock.prefer(&[&before[..], &[7]].concat());
        let numbers = fill(&mut stock, 0);
        assert_eq!((&numbers[..300], numbers.len()), (&before[..], 300 + FILL));
        assert_eq!(stock.wanted(300), 0);
    }

    #[test]
    fn shares_are_disjoint_whole_pairs_and_cover_the_range() {
        for (first, last, workers) in [(20_000, 39_999, 2), (20_001, 20_100, 3), (1024, 65_535, 7), (65_530, 65_535, 1)]
        {
            let mut all = Vec::new();
            for index in 0..workers {
                let (from, until) = Stock::share(first, last, index, workers);
                all.extend(Stock::new(from, until).unbound);
            }
            let expected: Vec<u16> = (first + first % 2..last).step_by(2).collect();
            assert_eq!(all, expected, "{first}-{last} among {workers}");
        }
    }

    #[test]
    fn spare_numbers_are_kept_ahead_of_need_and_the_range_is_a_limit() {
        let mut stock = Stock::new(20_000, 20_399);
        assert_eq!(fill(&mut stock, 0).len(), FILL);
        assert_eq!(stock.wanted(FILL - LOW), 0);
        assert_eq!(stock.wanted(FILL - LOW + 1), LOW + 1);
        assert_eq!(fill(&mut stock, FILL).len(), 200 - FILL);
        assert_eq!((stock.wanted(200), stock.take()), (0, None));
    }

    #[test]
    fn a_released_number_rests_before_it_is_given_again() {
        let now = Instant::now();
        let mut stock = Stock::new(20_000, 20_999);
        let numbers = fill(&mut stock, 0);
        stock.released(numbers[0], now);
        assert_eq!(stock.rested(0, now + QUARANTINE - Duration::from_millis(1)), None);
        assert_eq!(stock.poll_timeout(), Some(now + QUARANTINE + PATIENCE));
        assert_eq!(stock.rested(0, now + QUARANTINE), Some(Action::Give(numbers[0])));
        assert_eq!(stock.poll_timeout(), None);
    }

    #[test]
    fn after_a_rush_surplus_sockets_are_closed_so_that_they_stay_bounded() {
        let now = Instant::now();
        let mut stock = Stock::new(20_000, 29_999);
        let mut numbers = Vec::new();
        for open in 0..2_000 {
            numbers.extend(fill(&mut stock, open));
        }
        let most = stock.sockets();
        assert!(most >= 2_000);
        for number in &numbers[..2_000] {
            stock.released(*number, now);
        }
        let (mut given, mut closed) = (0, 0);
        while let Some(action) = stock.rested(0, now + QUARANTINE) {
            match action {
                Action::Give(_) => given += 1,
                Action::Close(_) => closed += 1,
            }
        }
        assert_eq!(given + closed, 2_000);
        assert_eq!(stock.sockets(), HIGH);
    }

    #[test]
    fn a_number_another_program_holds_is_tried_again_after_a_minute() {
        let now = Instant::now();
        let mut stock = Stock::new(20_000, 20_003);
        let number = stock.take().unwrap();
        stock.in_use(number, now);
        assert_eq!((stock.take(), stock.take()), (Some(20_002), None));
        assert_eq!(stock.rested(0, now + TAKEN), None);
        assert_eq!(stock.take(), Some(20_000));
    }
}
