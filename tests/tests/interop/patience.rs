//! Waiting with a limit.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Looks every few milliseconds until there is something to see.
pub(crate) fn look_for<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(millis(20));
    }
}

/// The same for what must come.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    look_for(limit, look).unwrap_or_else(|| panic!("{what}: not within {limit:?}"))
}

/// Lets people talk.
pub(crate) fn pass(time: Duration) {
    std::thread::sleep(time);
}

/// How a program ended; `None` if it still runs after `limit`.
pub(crate) fn end_of(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    look_for(limit, || child.try_wait().expect("we may ask for our own child"))
}
