//! How queues and agents did, by interval: counted from call records, so as far back as those are kept.

use crate::records::millis;
use crate::{Store, StoreError};
use model::{CallRecord, QueueVisit};
use sqlx::Row;
use std::collections::BTreeMap;
use stdx::UnixMillis;

/// A call comes to a queue at most so long after it began.
const LONGEST_BEFORE: UnixMillis = 24 * 3600 * 1000;

/// Records read at one time.
const PAGE: usize = 1_000;

/// A call that ends so soon after it left its queue, unanswered, was hung up there.
const SAME_MOMENT: UnixMillis = 1_000;

/// A queue that was forgotten meanwhile counts with what queues usually have.
const USUAL: (u16, u16) = (20, 5);

/// What is counted of a queue in an interval: callers who came in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Callers who came.
    pub entered: u64,
    /// Callers whom an agent took.
    pub answered: u64,
    /// Of these, within the queue's service level.
    pub in_time: u64,
    /// Callers who hung up, those apart who did at once.
    pub abandoned: u64,
    /// Callers who hung up at once.
    pub abandoned_at_once: u64,
    /// Callers who were sent or went elsewhere.
    pub elsewhere: u64,
    /// The waiting of those who were answered together, milliseconds.
    pub waited_ms: u64,
    /// Who waited longest, answered or not, milliseconds.
    pub longest_ms: u64,
    /// All talking together, milliseconds.
    pub talked_ms: u64,
}

/// What is counted of an agent in an interval: callers from queues who came in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentCounts {
    /// Callers it took.
    pub answered: u64,
    /// How long its phone rang for them together, milliseconds.
    pub rang_ms: u64,
    /// All talking together, milliseconds.
    pub talked_ms: u64,
}

/// Counts by name and by the beginning of the interval, Unix milliseconds.
pub(crate) type Counts<T> = BTreeMap<(String, UnixMillis), T>;

/// How queues and agents did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// By queue.
    pub queues: Counts<QueueCounts>,
    /// By agent.
    pub agents: Counts<AgentCounts>,
}

impl Store {
    /// Callers who came to queues from one moment to another, in intervals of so many milliseconds that begin at multiples of it.
    pub async fn report(&self, from: UnixMillis, to: UnixMillis, every: UnixMillis) -> Result<Report, StoreError> {
        let queues = self.queues().await?;
        let limits: BTreeMap<String, (u16, u16)> = queues
            .into_iter()
            .map(|queue| (queue.name, (queue.service_level_seconds, queue.short_abandon_seconds)))
            .collect();
        let mut report = Report::default();
        let mut after = (millis(from.saturating_sub(LONGEST_BEFORE)), Vec::new());
        loop {
            let sql = "SELECT started_at, id, record FROM calls WHERE (started_at, id) > (?1, ?2) AND started_at < ?3 \
                       AND record ->> '$.queue.queue' IS NOT NULL ORDER BY started_at, id LIMIT ?4";
            let query = sqlx::query(sql).bind(after.0).bind(&after.1).bind(millis(to)).bind(PAGE as i64);
            let rows = query.fetch_all(&self.0.readers).await?;
            for row in &rows {
                let record: CallRecord =
                    serde_json::from_str(row.try_get(2)?).map_err(|_| StoreError::Damaged("call record"))?;
                if let Some(visit) = record.queue.as_ref().filter(|visit| (from..to).contains(&visit.entered_at)) {
                    let limits = limits.get(&visit.queue).copied().unwrap_or(USUAL);
                    report.count(&record, visit, limits, visit.entered_at / every.max(1) * every.max(1));
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => after = (last.try_get(0)?, last.try_get(1)?),
                Some(_) | None => return Ok(report),
            }
        }
    }
}

impl Report {
    fn count(&mut self, record: &CallRecord, visit: &QueueVisit, (level, short): (u16, u16), at: UnixMillis) {
        let queue = self.queues.entry((visit.queue.clone(), at)).or_default();
        let until = visit.answered_at.or(visit.left_at).unwrap_or(record.ended_at);
        let waited = until.saturating_sub(visit.entered_at);
        queue.entered += 1;
        queue.longest_ms = queue.longest_ms.max(waited);
        let Some(answered_at) = visit.answered_at else {
            let counted = if record.ended_at.saturating_sub(until) >= SAME_MOMENT {
                &mut queue.elsewhere
            } else if waited < u64::from(short) * 1_000 {
                &mut queue.abandoned_at_once
            } else {
                &mut queue.abandoned
            };
            *counted += 1;
            return;
        };
        let talked = record.ended_at.saturating_sub(answered_at);
        queue.answered += 1;
        queue.in_time += u64::from(waited <= u64::from(level) * 1_000);
        queue.waited_ms += waited;
        queue.talked_ms += talked;
        let agent = self.agents.entry((visit.agent.clone(), at)).or_default();
        agent.answered += 1;
        agent.rang_ms += visit.ringing_at.map_or(0, |ringing| answered_at.saturating_sub(ringing));
        agent.talked_ms += talked;
    }
}
