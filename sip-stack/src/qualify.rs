//! Whether a server is there: OPTIONS at a distance, and how long their answers take.

use std::time::{Duration, Instant};
use stdx::Entropy;

/// An answer that takes longer is as bad as none. It still counts when it comes: then the server is there again.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server that is gone is asked at least so often.
const WHILE_DOWN: Duration = Duration::from_secs(30);

/// So many questions in a row without an answer, and the server is gone: one alone may have been bad luck on the way.
const FAILURES: u32 = 2;

/// Whether the server is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not found out yet.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

/// What is known of one server.
#[derive(Debug)]
pub struct Qualify {
    every: Duration,
    health: Health,
    next: Instant,
    /// A question that nobody has answered yet, and whether it was given up.
    asked: Option<(Instant, bool)>,
    failures: u32,
    round_trip: Option<Duration>,
}

impl Qualify {
    /// Asks at this distance, for the first time after a chance part of a second.
    pub fn new(every: Duration, entropy: &mut Entropy, now: Instant) -> Self {
        let next = now + Duration::from_millis(entropy.below(1000));
        Self { every, health: Health::Unknown, next, asked: None, failures: 0, round_trip: None }
    }

    /// Whether the server is there.
    pub fn health(&self) -> Health {
        self.health
    }

    /// The round trip, smoothed as RFC 6298 §2 does it: each answer moves it by an eighth.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// When [`Qualify::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Instant {
        match self.asked {
            Some((at, false)) => self.next.min(at + PATIENCE),
            Some((_, true)) | None => self.next,
        }
    }

    /// Something is due; true: send an OPTIONS now.
    pub fn handle_timeout(&mut self, entropy: &mut Entropy, now: Instant) -> bool {
        if let Some((at, given_up @ false)) = &mut self.asked
            && *at + PATIENCE <= now
        {
            *given_up = true;
            self.failed();
        }
        if self.next > now {
            return false;
        }
        let distance =
            if self.health == Health::Up && self.failures == 0 { self.every } else { self.every.min(WHILE_DOWN) };
        // Up to a tenth sooner, so that many servers are not asked all at once for ever.
        self.next = now + distance - distance.mul_f64(entropy.below(100) as f64 / 1000.0);
        self.asked = Some((now, false));
        true
    }

    /// It answered what was asked at that time (anything but that it is out of service).
    pub fn answered(&mut self, at: Instant, now: Instant) {
        if self.health != Health::Up || self.failures > 0 {
            self.next = at + self.every;
        }
        self.asked = None;
        let sample = now.saturating_duration_since(at);
        self.round_trip = Some(self.round_trip.map_or(sample, |smooth| smooth.mul_f64(0.875) + sample.mul_f64(0.125)));
        self.failures = 0;
        self.health = Health::Up;
    }

    /// It cannot be reached, or says that it is out of service (503).
    pub fn refused(&mut self) {
        // That is certain: no second try is needed.
        self.failures = FAILURES;
        self.asked = None;
        self.failed();
    }

    fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.health = Health::Down;
            self.round_trip = None;
        } else {
            // The second question comes at once.
            self.next = self.asked.map_or(self.next, |(at, _)| at + PATIENCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(qualify: &mut Qualify, entropy: &mut Entropy, now: &mut Instant) -> bool {
        *now = qualify.poll_timeout();
        qualify.handle_timeout(entropy, *now)
    }

    #[test]
    fn a_server_goes_down_after_two_questions_and_comes_up_with_an_answer() {
        let (mut entropy, start) = (Entropy::seeded(1), stdx::testing::start());
        let mut now = start;
        let mut server = Qualify::new(Duration::from_secs(60), &mut entropy, now);
        assert!(due(&mut server, &mut entropy, &mut now));
        server.answered(now, now + Duration::from_millis(80));
        assert_eq!((server.health(), server.round_trip()), (Health::Up, Some(Duration::from_millis(80))));
        let before = now;
        assert!(due(&mut server, &mut entropy, &mut now));
        assert!((54..=60).contains(&(now - before).as_secs()));
        // No answer: asked again when patience is over, and gone after that.
        assert!(due(&mut server, &mut entropy, &mut now));
        assert_eq!(server.health(), Health::Up);
        assert!(!due(&mut server, &mut entropy, &mut now));
        assert_eq!((server.health(), server.round_trip()), (Health::Down, None));
        let before = now;
        assert!(due(&mut server, &mut entropy, &mut now));
        assert!((now - before).as_secs() <= 30);
        server.answered(now, now + Duration::from_millis(40));
        assert_eq!(server.health(), Health::Up);
    }

    #[test]
    fn a_refusal_is_certain_and_a_late_answer_still_counts() {
        let (mut entropy, mut now) = (Entropy::seeded(1), stdx::testing::start());
        let mut server = Qualify::new(Duration::from_secs(60), &mut entropy, now);
        assert!(due(&mut server, &mut entropy, &mut now));
        server.refused();
        assert_eq!(server.health(), Health::Down);
        assert!(due(&mut server, &mut entropy, &mut now));
        assert!(!due(&mut server, &mut entropy, &mut now));
        server.answered(now - Duration::from_secs(5), now + Duration::from_secs(3));
        assert_eq!((server.health(), server.round_trip()), (Health::Up, Some(Duration::from_secs(8))));
    }

    #[test]
    fn the_round_trip_is_smoothed() {
        let (mut entropy, mut now) = (Entropy::seeded(1), stdx::testing::start());
        let mut server = Qualify::new(Duration::from_secs(10), &mut entropy, now);
        for millis in [100, 100, 180] {
            assert!(due(&mut server, &mut entropy, &mut now));
            server.answered(now, now + Duration::from_millis(millis));
        }
        assert_eq!(server.round_trip().map(|trip| trip.as_millis()), Some(110));
    }
}
