//! Ladders of finished calls on their way into the database: some seconds after their record, when no message can follow.
//!
//! They are for people who look into trouble, so they are kept if the database can take them, and dropped (and counted) if it cannot.

use model::CallId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::Store;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

/// Ladders that may wait.
const ROOM: usize = 1024;

/// Ladders in one transaction.
const MANY: usize = 128;

/// How long the first of a group waits for others.
const GATHER: Duration = Duration::from_millis(100);

#[derive(Debug)]
enum Job {
    Keep(CallId, Vec<u8>),
    Flush(oneshot::Sender<()>),
}

/// Takes ladders from any thread without waiting. Clones feed the same task.
#[derive(Clone, Debug)]
pub struct Ladders {
    queue: mpsc::Sender<Job>,
    dropped: Arc<AtomicU64>,
}

impl Ladders {
    /// Starts the task on the current tokio runtime.
    pub fn start(store: Store) -> Self {
        let (queue, waiting) = mpsc::channel(ROOM);
        let dropped = Arc::new(AtomicU64::new(0));
        tokio::spawn(write(store, waiting, Arc::clone(&dropped)));
        Self { queue, dropped }
    }

    /// Keeps a ladder (a JSON array of trace lines), or counts it as dropped.
    pub fn keep(&self, call: CallId, trace: Vec<u8>) {
        if self.queue.try_send(Job::Keep(call, trace)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything given so far is in the database or dropped, at most this long.
    pub async fn flush(&self, within: Duration) {
        let (done, told) = oneshot::channel();
        let all = async {
            if self.queue.send(Job::Flush(done)).await.is_ok() {
                // The task answers, or has ended.
                let _ = told.await;
            }
        };
        if tokio::time::timeout(within, all).await.is_err() {
            warn!("the SIP messages of the last calls were not kept: the database is too slow");
        }
    }

    /// Ladders that were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

async fn write(store: Store, mut waiting: mpsc::Receiver<Job>, dropped: Arc<AtomicU64>) {
    let mut jobs = Vec::with_capacity(MANY);
    while waiting.recv_many(&mut jobs, MANY).await > 0 {
        if jobs.len() < MANY && !jobs.iter().any(|job| matches!(job, Job::Flush(_))) {
            tokio::time::sleep(GATHER).await;
            while jobs.len() < MANY
                && let Ok(job) = waiting.try_recv()
            {
                jobs.push(job);
            }
        }
        let (mut traces, mut flushes) = (Vec::new(), Vec::new());
        for job in jobs.drain(..) {
            match job {
                Job::Keep(call, trace) => traces.push((call, trace)),
                Job::Flush(done) => flushes.push(done),
            }
        }
        if let Err(e) = store.put_traces(&traces).await {
            let before = dropped.fetch_add(traces.len() as u64, Ordering::Relaxed);
            if before == 0 {
                warn!("the SIP messages of calls are not kept: {e}");
            }
        }
        for done in flushes {
            // Whoever waited may have lost patience.
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ladders_are_in_the_database_after_a_flush() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(store::Config::new(dir.path())).await.unwrap();
        let ladders = Ladders::start(store.clone());
        for n in 0..200 {
            ladders.keep(CallId::from_bytes([n; 16]), b"[]".to_vec());
        }
        ladders.flush(Duration::from_secs(10)).await;
        for n in [0, 150, 199] {
            assert_eq!(store.trace(CallId::from_bytes([n; 16])).await.unwrap().as_deref(), Some(&b"[]"[..]));
        }
        assert_eq!(ladders.dropped(), 0);
    }

    #[tokio::test]
    async fn too_many_at_once_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(store::Config::new(dir.path())).await.unwrap();
        let ladders = Ladders::start(store);
        // Without a pause the task has no turn to take any.
        for n in 0..ROOM as u64 + 5 {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&n.to_be_bytes());
            ladders.keep(CallId::from_bytes(id), Vec::new());
        }
        assert_eq!(ladders.dropped(), 5);
    }
}
