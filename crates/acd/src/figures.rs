//! How queues and agents do.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A queue: what is now, and counts since the desk began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueFigures {
    /// Callers who wait now.
    pub waiting: usize,
    /// Who has waited longest has waited so long.
    pub longest: Duration,
    /// Agents logged in to it, and how many of them are free.
    pub agents: usize,
    /// Agents who are free.
    pub free: usize,
    /// Callers who came.
    pub entered: u64,
    /// Callers whom an agent took.
    pub answered: u64,
    /// Of these, within the service level.
    pub in_time: u64,
    /// Callers who hung up, those apart who did at once.
    pub abandoned: u64,
    /// Callers who hung up at once.
    pub abandoned_at_once: u64,
    /// Callers who were sent or went elsewhere.
    pub elsewhere: u64,
    /// All answered callers' waiting together.
    pub waited: Duration,
    /// All talking together.
    pub talked: Duration,
    /// Offers that came to nothing.
    pub missed: u64,
}

impl QueueFigures {
    /// Of a hundred callers who did not hang up at once, so many were answered in time; `None` before the first.
    pub fn service_level_percent(&self) -> Option<f64> {
        let counted = self.answered + self.abandoned + self.elsewhere;
        (counted > 0).then(|| self.in_time as f64 * 100.0 / counted as f64)
    }

    /// The average speed of answer; `None` before the first.
    pub fn average_wait(&self) -> Option<Duration> {
        u32::try_from(self.answered).ok().and_then(|answered| self.waited.checked_div(answered))
    }
}

/// An agent: counts since the desk began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentFigures {
    /// Calls it was asked to take.
    pub offered: u64,
    /// Calls it took.
    pub answered: u64,
    /// Calls that rang in vain or were refused.
    pub missed: u64,
    /// All talking together.
    pub talked: Duration,
    /// All work after calls together.
    pub wrapped_up: Duration,
}
