//! Ticks of one millisecond on an absolute clock, with signalling answered in between.

use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::net::{Nanos, Udp};
use crate::samples::Samples;

/// Length of a tick.
pub const TICK: Duration = Duration::from_millis(1);
/// Ticks made up for in one go after the driver was held up.
const MOST_AT_ONCE: u32 = 40;
/// Held up longer than this, the driver drops ticks and says so: it was starved.
const STARVED: Duration = Duration::from_millis(300);

/// What to do after a wait.
pub enum Wake {
    /// Signalling arrived before the next tick.
    Signalling,
    /// This many ticks are due.
    Ticks(u32),
}

/// The driver's metronome.
pub struct Pace {
    next: Instant,
    /// How late ticks were, while `measuring`.
    pub late: Samples,
    /// Milliseconds dropped because the driver was starved, while `measuring`.
    pub skipped_ms: u64,
    /// Whether a measuring window is open.
    pub measuring: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self { next: Instant::now() + TICK, late: Samples::default(), skipped_ms: 0, measuring: false }
    }
}

impl Pace {
    /// Waits for the next tick, or for signalling on one of the sockets.
    pub fn wait(&mut self, sockets: &[&Udp]) -> Wake {
        let left = self.next.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            let mut fds: Vec<PollFd<'_>> =
                sockets.iter().map(|s| PollFd::new(std::os::fd::AsFd::as_fd(*s), PollFlags::POLLIN)).collect();
            // An interrupted wait is a short wait: the caller comes back here.
            let ready = ppoll(&mut fds, Some(TimeSpec::from_duration(left)), None).unwrap_or(0);
            if ready > 0 {
                return Wake::Signalling;
            }
        }
        Wake::Ticks(self.due())
    }

    fn due(&mut self) -> u32 {
        let late = Instant::now().saturating_duration_since(self.next);
        if self.measuring {
            self.late.record(late.as_nanos() as Nanos);
        }
        if late > STARVED {
            let skipped = late.as_millis() as u64;
            self.next += Duration::from_millis(skipped);
            if self.measuring {
                self.skipped_ms += skipped;
            }
        }
        let mut ticks = 0;
        let now = Instant::now();
        while self.next <= now && ticks < MOST_AT_ONCE {
            self.next += TICK;
            ticks += 1;
        }
        ticks
    }
}
