//! Finished calls on their way into SQL: each exactly once, whatever breaks meanwhile.
//!
//! A finished call is kept in hot state first and then given to one task over a bounded channel. The task stores many
//! in one transaction and only then has hot state forget them. It is woken for the first of a group and takes the others
//! when the group's time is over: a transaction, its sync and a wake-up cost more than many calls. What finds the channel full, or was left by a run that
//! ended, is taken from hot state by a sweep. A call that is stored a second time changes nothing.

use crate::{Batch, Hot, Store};
use model::{CallId, CallRecord};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};

/// How many finished calls may wait in memory.
const ROOM: usize = 1024;
/// How many go into one transaction.
const MANY: usize = 256;
/// How long the first of a group waits for others: nobody looks for a record sooner, and hot state has it.
const GATHER: Duration = Duration::from_millis(250);
/// As many do not wait any longer.
const ENOUGH: u64 = 100;
/// How often hot state is swept while calls wait only there.
const SWEEP: Duration = Duration::from_secs(1);
/// First and longest wait before a failed transaction is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often an operator is told that calls wait.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// Finished calls in hot state: this, then the id's 16 bytes.
const PREFIX: &[u8] = b"record/";
/// Where a finished call goes that cannot be read back, for whoever wants to look.
const BROKEN: &[u8] = b"broken/";

/// How safe a finished call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Kept {
    /// In hot state: safe from `kill -9` after the next [`Hot::commit`].
    Hot,
    /// Only in memory, because hot state took no more; it is written to SQL as soon as that takes it.
    Memory,
    /// Nowhere: hot state and memory are full. It was counted and logged.
    Lost,
}

/// What the writer did so far, for metrics.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct WriterFigures {
    /// Calls that this writer brought into SQL.
    pub stored: u64,
    /// Transactions that failed and were tried again.
    pub retries: u64,
    /// Calls waiting in memory.
    pub waiting: u64,
    /// Calls that found nowhere to stay.
    pub lost: u64,
    /// True while more may wait in hot state than in memory.
    pub behind: bool,
}

/// Writes finished calls. Clones feed the same writer; after the last one is gone it stores what it has and ends.
#[derive(Clone)]
pub struct RecordWriter {
    shared: Arc<Shared>,
    queue: mpsc::Sender<CallRecord>,
    settled: watch::Receiver<u64>,
}

struct Shared {
    hot: Hot,
    stored: AtomicU64,
    retries: AtomicU64,
    waiting: AtomicU64,
    /// Ends the waiting for more.
    enough: Notify,
    lost: AtomicU64,
    /// How often a call had to stay in hot state alone, and up to which of these times hot state was swept.
    fell_behind: AtomicU64,
    caught_up: AtomicU64,
}

impl RecordWriter {
    /// Starts the writer's task on the current tokio runtime; it begins with what an earlier run left in hot state.
    ///
    /// `on_stored` is told of calls that are in SQL now and were not before, and forgotten by hot state.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(store: Store, hot: Hot, on_stored: impl FnMut(&[CallId]) + Send + 'static) -> Self {
        let (queue, waiting) = mpsc::channel(ROOM);
        let (settle, settled) = watch::channel(0);
        let shared = Arc::new(Shared {
            hot,
            stored: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            enough: Notify::new(),
            lost: AtomicU64::new(0),
            // An earlier run may have left some.
            fell_behind: AtomicU64::new(1),
            caught_up: AtomicU64::new(0),
        });
        let task = Task { shared: Arc::clone(&shared), store, waiting, settle, on_stored, warned: None };
        tokio::spawn(task.run());
        Self { shared, queue, settled }
    }

    /// Takes a finished call, from any thread, without waiting. `also` are changes of hot state that belong to the same
    /// step (the snapshot of the call, which is no more): they happen together with it or not at all.
    ///
    /// It does not commit hot state; that is the caller's, once for all that it did.
    pub fn write(&self, record: CallRecord, mut also: Batch) -> Kept {
        let call = record.id;
        also.keep(&key(call), &encode(&record));
        let hot = self.shared.hot.apply(also);

        let queued = self.queue(record);
        match hot {
            Ok(()) => {
                if !queued {
                    self.shared.fell_behind.fetch_add(1, Ordering::AcqRel);
                }
                Kept::Hot
            }
            Err(_) if queued => Kept::Memory,
            Err(error) => {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%call, %error, "call record lost: disk and memory are full");
                Kept::Lost
            }
        }
    }

    /// Gives it to the task; false if there is no room in memory.
    fn queue(&self, record: CallRecord) -> bool {
        // Counted first, so that the task never counts down what was not counted up.
        let waiting = self.shared.waiting.fetch_add(1, Ordering::AcqRel) + 1;
        let queued = self.queue.try_send(record).is_ok();
        if !queued {
            self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
        } else if waiting == ENOUGH {
            self.shared.enough.notify_one();
        }
        queued
    }

    /// Waits until everything given so far is in SQL, at most this long; false if it is not.
    pub async fn flush(&self, within: Duration) -> bool {
        let mut settled = self.settled.clone();
        let all = async {
            loop {
                settled.mark_unchanged();
                if self.shared.is_settled() {
                    return true;
                }
                self.shared.enough.notify_one();
                if settled.changed().await.is_err() {
                    return self.shared.is_settled();
                }
            }
        };
        tokio::time::timeout(within, all).await.unwrap_or(false)
    }

    /// What was done so far.
    pub fn figures(&self) -> WriterFigures {
        let Shared { stored, retries, waiting, lost, .. } = &*self.shared;
        WriterFigures {
            stored: stored.load(Ordering::Relaxed),
            retries: retries.load(Ordering::Relaxed),
            waiting: waiting.load(Ordering::Relaxed),
            lost: lost.load(Ordering::Relaxed),
            behind: self.shared.is_behind(),
        }
    }
}

impl Shared {
    fn is_behind(&self) -> bool {
        self.fell_behind.load(Ordering::Acquire) != self.caught_up.load(Ordering::Acquire)
    }

    fn is_settled(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0 && !self.is_behind()
    }
}

struct Task<F> {
    shared: Arc<Shared>,
    store: Store,
    waiting: mpsc::Receiver<CallRecord>,
    settle: watch::Sender<u64>,
    on_stored: F,
    warned: Option<Instant>,
}

impl<F: FnMut(&[CallId]) + Send + 'static> Task<F> {
    async fn run(mut self) {
        let mut group = Vec::with_capacity(MANY);
        let mut next_sweep = tokio::time::Instant::now();
        loop {
            let behind = self.shared.is_behind();
            tokio::select! {
                // Those in memory first: each of them is a place for another.
                biased;
                taken = self.waiting.recv_many(&mut group, MANY) => {
                    if taken == 0 {
                        break;
                    }
                    self.gather(&mut group).await;
                    self.store_all(&group).await;
                    self.shared.waiting.fetch_sub(group.len() as u64, Ordering::AcqRel);
                    group.clear();
                }
                () = tokio::time::sleep_until(next_sweep), if behind => {}
            }
            // Not as a branch above: under load there is always a call in memory.
            if behind && tokio::time::Instant::now() >= next_sweep {
                let more = self.sweep().await;
                next_sweep = tokio::time::Instant::now() + if more { Duration::ZERO } else { SWEEP };
            }
            self.settle.send_modify(|n| *n += 1);
        }
        while self.shared.is_behind() && self.sweep().await {}
        self.settle.send_modify(|n| *n += 1);
    }

    /// Waits a little for more, so that they share a transaction.
    async fn gather(&mut self, group: &mut Vec<CallRecord>) {
        if (group.len() as u64) < ENOUGH && !self.waiting.is_closed() {
            // In time or by a word left from the last group, which costs a small group.
            let _ = tokio::time::timeout(GATHER, self.shared.enough.notified()).await;
        }
        while group.len() < MANY
            && let Ok(record) = self.waiting.try_recv()
        {
            group.push(record);
        }
    }

    /// Stores what waits only in hot state; true if there may be more of it right now.
    async fn sweep(&mut self) -> bool {
        // Who falls behind from here on may be missed by this look, and asks for another.
        let up_to = self.shared.fell_behind.load(Ordering::Acquire);
        let found = match self.shared.hot.scan_some(PREFIX, MANY) {
            Ok(found) => found,
            Err(error) => {
                self.warn(&error);
                return false;
            }
        };
        let more = found.len() == MANY;
        let mut calls = Vec::with_capacity(found.len());
        for (key, value) in found {
            match decode(&value) {
                Some(call) => calls.push(call),
                None => self.put_aside(&key, &value),
            }
        }
        if !calls.is_empty() {
            self.store_all(&calls).await;
        }
        if !more {
            self.shared.caught_up.store(up_to, Ordering::Release);
        }
        more
    }

    /// Stores these, however long it takes, and has hot state forget them.
    async fn store_all(&mut self, calls: &[CallRecord]) {
        let mut wait = RETRY.0;
        let new = loop {
            match self.store.insert_records(calls).await {
                Ok(new) => break new,
                Err(error) => {
                    self.shared.retries.fetch_add(1, Ordering::Relaxed);
                    self.warn(&error);
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY.1);
                }
            }
        };
        let mut batch = Batch::default();
        for call in calls {
            batch.forget(&key(call.id));
        }
        let hot = &self.shared.hot;
        if let Err(error) = hot.apply(batch).and_then(|()| hot.commit()) {
            // They are stored; that hot state still has them costs another look after the next start.
            tracing::debug!(%error, "hot state keeps finished calls that are stored");
        }
        self.shared.stored.fetch_add(new.len() as u64, Ordering::Relaxed);
        if !new.is_empty() {
            (self.on_stored)(&new);
        }
    }

    /// Unreadable, which only a fault of ours or of the disk can bring about: out of the way, but not thrown away.
    fn put_aside(&self, key: &[u8], value: &[u8]) {
        tracing::error!(bytes = value.len(), "a finished call in hot state cannot be read; it is put aside");
        let mut batch = Batch::default();
        batch.forget(key).keep(&[BROKEN, key].concat(), value);
        if let Err(error) = self.shared.hot.apply(batch) {
            tracing::error!(%error, "putting it aside");
        }
    }

    fn warn(&mut self, error: &impl std::fmt::Display) {
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            let waiting = self.shared.waiting.load(Ordering::Relaxed);
            tracing::warn!(%error, waiting, "call records wait: the database does not take them");
        }
    }
}

fn key(call: CallId) -> Vec<u8> {
    [PREFIX, call.as_bytes()].concat()
}

fn encode(record: &CallRecord) -> Vec<u8> {
    let bytes = serde_json::to_vec(record);
    stdx::never!(bytes.is_err(), "a call record does not serialise");
    bytes.unwrap_or_default()
}

fn decode(bytes: &[u8]) -> Option<CallRecord> {
    serde_json::from_slice(bytes).ok()
}
