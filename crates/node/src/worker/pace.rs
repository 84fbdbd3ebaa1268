//! Whether sound is gathered for a moment before it is looked at.
//!
//! Waking a thread costs as much as relaying a packet. A worker that relays thousands of packets a second therefore waits half a
//! millisecond between its looks at the sockets of sound, so that one waking serves many packets; signalling still wakes it at once.
//! A worker with few calls relays each packet as it comes.

use std::time::{Duration, Instant};

/// How long sound is gathered: a fortieth of a packet's 20 ms.
pub(super) const PAUSE: Duration = Duration::from_micros(500);

/// The rate is measured over so long.
const WINDOW: Duration = Duration::from_millis(10);

/// Packets in a window from which on it pays: 3 000 a second, two in each pause.
const WORTH: u32 = 30;

/// The rate of packets, and what follows from it.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    packets: u32,
    worth: bool,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, packets: 0, worth: false }
    }

    /// So many packets were handled in a round that began at `now`.
    pub(super) fn handled(&mut self, packets: u32, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= WINDOW {
            // A window that a sleep made longer counts for as many windows as it was.
            let windows = (elapsed.as_micros() / WINDOW.as_micros()) as u32;
            self.worth = self.packets / windows.max(1) >= WORTH;
            (self.since, self.packets) = (now, 0);
        }
        self.packets = self.packets.saturating_add(packets);
    }

    /// True if sound should be gathered before the next look.
    pub(super) fn gathers(&self) -> bool {
        self.worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether sound is gathered after a second of packets at this distance.
    fn after_a_second(distance: Duration) -> (Pace, Instant) {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..(1_000_000 / distance.as_micros()) {
            now += distance;
            pace.handled(1, now);
        }
        (pace, now)
    }

    #[test]
    fn many_packets_are_gathered_and_few_are_not() {
        assert!(!after_a_second(Duration::from_millis(10)).0.gathers());
        assert!(!after_a_second(Duration::from_millis(1)).0.gathers());
        let (mut pace, now) = after_a_second(Duration::from_micros(100));
        assert!(pace.gathers());
        // And no longer when they stop.
        pace.handled(0, now + WINDOW);
        pace.handled(0, now + 3 * WINDOW);
        assert!(!pace.gathers());
    }

    #[test]
    fn a_long_sleep_is_no_high_rate() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.handled(40, now + Duration::from_millis(1));
        pace.handled(1, now + Duration::from_secs(1));
        assert!(!pace.gathers());
    }
}
