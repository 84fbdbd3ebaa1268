//! How queues and agents did, on the wire.

use serde::Serialize;
use store::{AgentCounts, QueueCounts};
use utoipa::ToSchema;

/// How a queue did with the callers who came in an interval. Times are in milliseconds.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueueInterval {
    /// Which queue.
    queue: String,
    /// When the interval begins, Unix milliseconds.
    from: u64,
    /// Callers who came.
    entered: u64,
    /// Callers whom an agent took.
    answered: u64,
    /// Of these, within the service level.
    in_time: u64,
    /// Callers who hung up, those apart who did at once.
    abandoned: u64,
    /// Callers who hung up at once.
    abandoned_at_once: u64,
    /// Callers who were sent or went elsewhere.
    elsewhere: u64,
    /// Of a hundred callers who did not hang up at once, so many were answered in time; `null` without any.
    service_level_percent: Option<u64>,
    /// The average speed of answer; `null` without any.
    average_wait_ms: Option<u64>,
    /// Who waited longest, answered or not.
    longest_ms: u64,
    /// All talking together.
    talked_ms: u64,
}

impl QueueInterval {
    pub(crate) fn new(queue: String, from: u64, counts: &QueueCounts) -> Self {
        let QueueCounts { entered, answered, in_time, abandoned, abandoned_at_once, elsewhere, .. } = *counts;
        let QueueCounts { waited_ms, longest_ms, talked_ms, .. } = *counts;
        Self {
            queue,
            from,
            entered,
            answered,
            in_time,
            abandoned,
            abandoned_at_once,
            elsewhere,
            service_level_percent: (in_time * 100).checked_div(entered - abandoned_at_once),
            average_wait_ms: waited_ms.checked_div(answered),
            longest_ms,
            talked_ms,
        }
    }
}

/// How an agent did with the callers of queues who came in an interval. Times are in milliseconds.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentInterval {
    /// Which agent.
    agent: String,
    /// When the interval begins, Unix milliseconds.
    from: u64,
    /// Callers it took.
    answered: u64,
    /// How long its phone rang for them together.
    rang_ms: u64,
    /// All talking together.
    talked_ms: u64,
}

impl AgentInterval {
    pub(crate) fn new(agent: String, from: u64, counts: &AgentCounts) -> Self {
        let AgentCounts { answered, rang_ms, talked_ms } = *counts;
        Self { agent, from, answered, rang_ms, talked_ms }
    }
}
