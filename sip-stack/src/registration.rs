//! Registering with a registrar that is not ours (RFC 3261 §10.2): when to send the next REGISTER, and what its answer means.
//!
//! The machine knows no addresses. Its owner sends what [`Register::poll_wish`] says to the first server that is left, tries the next
//! one by itself where a server does not answer, and tells the machine when none is left or one has answered.

use std::time::{Duration, Instant};
use stdx::Entropy;

/// After the first failure the next try comes after half of this to all of it (RFC 5626 §4.5), then twice that, and so on.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause after failures of the network.
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);

/// Who refuses us will most likely do so again: the first pause after that.
const REFUSED_PAUSE: Duration = Duration::from_secs(300);

/// The longest time that a registrar can talk us into with 423.
const LONGEST_EXPIRES: u32 = 24 * 3600;

/// What came of a REGISTER, on all servers that were tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: our contact is bound for so many seconds.
    Granted {
        /// What the registrar grants our contact.
        seconds: u32,
    },
    /// 423: it wants to be asked for at least so many.
    TooBrief {
        /// Its Min-Expires.
        seconds: u32,
    },
    /// It does not let us in (4xx, 6xx).
    Refused,
    /// No server answered, or all have no time (408, 5xx).
    Unreachable {
        /// Its Retry-After.
        retry_after: Option<Duration>,
    },
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A REGISTER that asks for so many seconds.
    Register {
        /// For its Expires header.
        seconds: u32,
    },
    /// A REGISTER that takes our contact back (§10.2.2); its answer does not matter.
    Leave,
}

/// Where a registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Never answered yet.
    Registering,
    /// Bound, as far as we know.
    Registered,
    /// Not bound: the network or the registrar fails; it is tried again.
    Unreachable,
    /// Not bound: the registrar refuses us; it is tried again, but rarely.
    Refused,
    /// Taken back.
    Left,
}

/// A registration of ours.
#[derive(Debug)]
pub struct Register {
    wanted: u32,
    standing: Standing,
    state: State,
    /// When our binding lapses, whatever becomes of its renewal.
    bound_until: Option<Instant>,
    failures: u32,
    /// A 423 was answered with more time already, and must not be again.
    stretched: bool,
    wish: Option<Wish>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// A REGISTER is under way.
    Asking,
    /// The next one is due then.
    Waiting { until: Instant },
    /// Nothing more is sent.
    Left,
}

impl Register {
    /// Begins with a REGISTER at once, or after a chance part of `spread`, so that many trunks do not all begin together.
    pub fn new(wanted: u32, spread: Duration, entropy: &mut Entropy, now: Instant) -> Self {
        let until = now + part(spread, 0, entropy);
        Self {
            wanted: wanted.max(1),
            standing: Standing::Registering,
            state: State::Waiting { until },
            bound_until: None,
            failures: 0,
            stretched: false,
            wish: None,
        }
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// What to send now.
    pub fn poll_wish(&mut self) -> Option<Wish> {
        self.wish.take()
    }

    /// When [`Register::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = match self.state {
            State::Waiting { until } => Some(until),
            State::Asking | State::Left => None,
        };
        [next, self.bound_until].into_iter().flatten().min()
    }

    /// Something is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.bound_until.is_some_and(|until| until <= now) {
            self.bound_until = None;
            if self.standing == Standing::Registered {
                self.standing = Standing::Unreachable;
            }
        }
        if let State::Waiting { until } = self.state
            && until <= now
        {
            self.ask();
        }
    }

    /// Something changed (a server is back, the address is another): register now rather than later.
    pub fn hurry(&mut self) {
        if let State::Waiting { .. } = self.state {
            self.ask();
        }
    }

    /// The answer to the REGISTER that is under way.
    pub fn handle_answer(&mut self, answer: Answer, entropy: &mut Entropy, now: Instant) {
        let State::Asking = self.state else { return };
        let pause = match answer {
            Answer::Granted { seconds } => {
                let granted = Duration::from_secs(seconds.into());
                (self.failures, self.stretched) = (0, false);
                self.standing = Standing::Registered;
                self.bound_until = Some(now + granted);
                refresh(granted, entropy)
            }
            // Once: a registrar that is never content would keep us asking.
            Answer::TooBrief { seconds } if !self.stretched && (1..=LONGEST_EXPIRES).contains(&seconds) => {
                self.wanted = self.wanted.max(seconds);
                self.stretched = true;
                return self.ask();
            }
            Answer::TooBrief { .. } | Answer::Refused => {
                self.standing = Standing::Refused;
                self.bound_until = None;
                self.stretched = false;
                self.pause(REFUSED_PAUSE, entropy)
            }
            Answer::Unreachable { retry_after } => {
                // Until it lapses we are bound, though the renewal failed.
                if self.bound_until.is_none() {
                    self.standing = Standing::Unreachable;
                }
                let pause = self.pause(FIRST_PAUSE, entropy);
                retry_after.map_or(pause, |asked| asked.clamp(Duration::from_secs(1), LONGEST_PAUSE))
            }
        };
        self.state = State::Waiting { until: now + pause };
    }

    /// Takes our contact back, for we go.
    pub fn leave(&mut self) {
        let bound = self.bound_until.take().is_some();
        if bound || matches!(self.state, State::Asking) {
            self.wish = Some(Wish::Leave);
        }
        self.standing = Standing::Left;
        self.state = State::Left;
    }

    fn ask(&mut self) {
        self.state = State::Asking;
        self.wish = Some(Wish::Register { seconds: self.wanted });
    }

    /// Grows with each failure in a row, with jitter.
    fn pause(&mut self, first: Duration, entropy: &mut Entropy) -> Duration {
        let grown = first.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        part(grown, 50, entropy)
    }
}

/// Early enough that a renewal which meets a dead server and its timeout still comes in time.
fn refresh(granted: Duration, entropy: &mut Entropy) -> Duration {
    let early = (granted / 10).max(Duration::from_secs(40)).min(granted / 2);
    let jitter = part(granted / 20, 0, entropy);
    (granted - early).saturating_sub(jitter).max(Duration::from_secs(1))
}

/// A chance part of a duration, from so many percent of it to all.
fn part(of: Duration, least: u64, entropy: &mut Entropy) -> Duration {
    let percent = least + entropy.below(101 - least.min(100));
    of.mul_f64(percent as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Story {
        register: Register,
        entropy: Entropy,
        now: Instant,
    }

    impl Story {
        fn new() -> Self {
            let (mut entropy, now) = (Entropy::seeded(1), stdx::testing::start());
            let register = Register::new(3600, Duration::ZERO, &mut entropy, now);
            let mut story = Self { register, entropy, now };
            assert_eq!(story.next(), (Duration::ZERO, Some(Wish::Register { seconds: 3600 })));
            story
        }

        /// Waits for the next deadline; how long that took, and what is to be sent then.
        fn next(&mut self) -> (Duration, Option<Wish>) {
            let at = self.register.poll_timeout().expect("something is due");
            let waited = at - self.now;
            self.now = at;
            self.register.handle_timeout(at);
            (waited, self.register.poll_wish())
        }

        fn answer(&mut self, answer: Answer) {
            self.register.handle_answer(answer, &mut self.entropy, self.now);
        }

        fn waits(&mut self, seconds: std::ops::RangeInclusive<u64>) {
            let (waited, wish) = self.next();
            assert!(seconds.contains(&waited.as_secs()), "{waited:?} is not in {seconds:?}");
            assert!(matches!(wish, Some(Wish::Register { .. })));
        }
    }

    #[test]
    fn it_renews_before_the_binding_lapses() {
        for (granted, early) in [(3600, 3060..=3240), (60, 27..=30), (90, 41..=50), (2, 0..=1), (0, 0..=1)] {
            let mut story = Story::new();
            story.answer(Answer::Granted { seconds: granted });
            assert_eq!(story.register.standing(), Standing::Registered);
            if granted > 0 {
                story.waits(early);
            }
        }
    }

    #[test]
    fn it_asks_for_what_423_names_once() {
        let mut story = Story::new();
        story.answer(Answer::TooBrief { seconds: 7200 });
        assert_eq!(story.register.poll_wish(), Some(Wish::Register { seconds: 7200 }));
        story.answer(Answer::TooBrief { seconds: 9000 });
        assert_eq!((story.register.poll_wish(), story.register.standing()), (None, Standing::Refused));
        story.waits(150..=300);
        story.answer(Answer::Granted { seconds: 7200 });
        let mut other = Story::new();
        other.answer(Answer::TooBrief { seconds: u32::MAX });
        assert_eq!(other.register.poll_wish(), None);
    }

    #[test]
    fn failures_are_met_with_growing_pauses_and_success_forgives_them() {
        let mut story = Story::new();
        for longest in [30, 60, 120, 240, 480, 960, 1800, 1800] {
            story.answer(Answer::Unreachable { retry_after: None });
            assert_eq!(story.register.standing(), Standing::Unreachable);
            story.waits(longest / 2 - 1..=longest);
        }
        story.answer(Answer::Unreachable { retry_after: Some(Duration::from_secs(7)) });
        story.waits(7..=7);
        story.answer(Answer::Granted { seconds: 3600 });
        story.waits(3000..=3300);
        story.answer(Answer::Unreachable { retry_after: None });
        assert_eq!(story.register.standing(), Standing::Registered, "what was granted still holds");
        story.waits(14..=30);
    }

    #[test]
    fn a_binding_that_could_not_be_renewed_is_gone_when_it_lapses() {
        let mut story = Story::new();
        story.answer(Answer::Granted { seconds: 100 });
        story.waits(40..=60);
        assert_eq!(story.next().1, None, "the renewal is under way when the binding lapses");
        assert_eq!(story.register.standing(), Standing::Unreachable);
        story.answer(Answer::Refused);
        assert_eq!(story.register.standing(), Standing::Refused);
    }

    #[test]
    fn it_can_be_hurried_and_it_leaves_only_where_it_is() {
        let mut story = Story::new();
        story.register.hurry();
        assert_eq!(story.register.poll_wish(), None, "one is under way");
        story.answer(Answer::Unreachable { retry_after: None });
        story.register.hurry();
        assert!(story.register.poll_wish().is_some());
        story.answer(Answer::Granted { seconds: 600 });
        story.register.leave();
        assert_eq!((story.register.poll_wish(), story.register.poll_timeout()), (Some(Wish::Leave), None));
        let mut stranger = Story::new();
        stranger.answer(Answer::Refused);
        stranger.register.leave();
        assert_eq!(stranger.register.poll_wish(), None);
    }
}
