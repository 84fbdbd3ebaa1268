//! How loaded this worker is, and which share of new calls it turns away (RFC 6357 §4, RFC 7339 §6).
//!
//! The one thing that is measured is how long messages of those who are known wait before they are read, the time that they
//! may have waited in the system's buffer included. How long strangers wait is their own affair: they are read last. Where nothing waits there is no overload, however busy the processor is.

use std::time::{Duration, Instant};

/// Waits below this are no load.
const CALM: Duration = Duration::from_millis(50);
/// Waits above this are overload. A phone repeats its INVITE after 500 ms.
const LATE: Duration = Duration::from_millis(150);
/// Much above: as much as this at once is turned away.
const VERY_LATE: Duration = Duration::from_millis(400);
/// How often the share is reconsidered.
const STEP: Duration = Duration::from_millis(100);
/// After a time without any message nothing is known to wait.
const QUIET: Duration = Duration::from_millis(500);

/// The estimate of one worker.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// The longest wait since the last step.
    worst: Duration,
    stepped: Option<Instant>,
    /// Of a thousand new calls, so many are turned away.
    share: u16,
}

impl Load {
    /// Something was read that had waited so long.
    pub(crate) fn waited(&mut self, wait: Duration, now: Instant) {
        let stepped = *self.stepped.get_or_insert(now);
        let passed = now.saturating_duration_since(stepped);
        // What waited before a pause says nothing about now.
        self.worst = if passed >= QUIET { wait } else { self.worst.max(wait) };
        if passed < STEP {
            return;
        }
        self.stepped = Some(now);
        let worst = std::mem::take(&mut self.worst);
        if passed >= QUIET && worst < LATE {
            self.share = 0;
            return;
        }
        // Up in large steps and down in small ones: the share settles where waits are short.
        self.share = match worst {
            worst if worst > VERY_LATE => self.share + 250,
            worst if worst > LATE => self.share + 100,
            worst if worst < CALM => self.share.saturating_sub(50),
            _ => self.share,
        }
        .min(990);
    }

    /// Of a thousand new calls, so many are turned away now. Never all: what gets through tells when it is over.
    pub(crate) fn share(&self, now: Instant) -> u16 {
        let stale = self.stepped.is_none_or(|at| now.saturating_duration_since(at) > Duration::from_secs(2));
        if stale { 0 } else { self.share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_share_grows_while_messages_wait_and_falls_when_they_do_not() {
        let (mut load, t0) = (Load::default(), stdx::testing::start());
        let mut feed = |from: u64, to: u64, wait: u64| {
            (from..to).for_each(|n| load.waited(ms(wait), t0 + ms(10 * n)));
            load.share(t0 + ms(10 * to))
        };
        assert_eq!(feed(0, 100, 5), 0, "busy but in time");
        let after_one_second = feed(100, 200, 200);
        assert!((800..=990).contains(&after_one_second), "{after_one_second}");
        assert_eq!(feed(200, 400, 1000), 990, "never all");
        assert_eq!(feed(400, 500, 100), 990, "neither better nor worse");
        assert_eq!(feed(500, 720, 10), 0);
    }

    #[test]
    fn a_pause_ends_it() {
        let (mut load, t0) = (Load::default(), stdx::testing::start());
        for n in 0..100 {
            load.waited(ms(500), t0 + ms(10 * n));
        }
        assert_eq!(load.share(t0 + ms(1000)), 990);
        assert_eq!(load.share(t0 + ms(4000)), 0);
        load.waited(ms(1), t0 + ms(4000));
        assert_eq!(load.share(t0 + ms(4000)), 0);
    }

    /// Whatever the arrivals, a worker that reads `rate` messages a second keeps the waits of what it accepts bounded.
    #[test]
    fn under_any_overload_waits_stay_bounded() {
        for overload in [2u64, 5, 20] {
            let (mut load, t0) = (Load::default(), stdx::testing::start());
            // A call that is accepted costs 1 ms, one that is turned away 0.1 ms; one per millisecond could be served.
            let mut backlog = 0.0f64;
            let mut worst: f64 = 0.0;
            for step in 0..30_000u64 {
                let now = t0 + ms(step);
                let share = f64::from(load.share(now)) / 1000.0;
                backlog += overload as f64 * ((1.0 - share) + share * 0.02);
                backlog = (backlog - 1.0).max(0.0);
                load.waited(Duration::from_micros((backlog * 1000.0) as u64), now);
                if step > 25_000 {
                    worst = worst.max(backlog);
                }
            }
            assert!(worst < 2_000.0, "{overload} times what can be served: {worst} ms");
        }
    }
}
