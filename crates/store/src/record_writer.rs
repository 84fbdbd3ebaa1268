//! Finished calls on their way into SQL: each exactly once, whatever breaks meanwhile.
//!
//! A finished call is kept in hot state first and then given to one task over a bounded channel. The task stores many
//! in one transaction and only then has hot state forget them. What finds the channel full, or was left by a run that
//! ended, is taken from hot state by a sweep. A call that is stored a second time changes nothing.

use crate::{Batch, Hot, Store};
use model::{CallId, CallRecord};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// How many finished calls may wait in memory.
const ROOM: usize = 1024;
/// How many bytes of traces may wait in memory.
const TRACE_ROOM: u64 = 32 << 20;
/// How many go into one transaction.
const MANY: usize = 256;
/// How long the first of a group waits for others.
const GATHER: Duration = Duration::from_millis(25);
/// How often hot state is swept while calls wait only there.
const SWEEP: Duration = Duration::from_secs(1);
/// First and longest wait before a failed transaction is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often an operator is told that calls wait.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// A longer trace is left out, bytes.
const MAX_TRACE: usize = 1 << 20;
/// Finished calls in hot state: this, then the id's 16 bytes.
const PREFIX: &[u8] = b"record/";
/// Where a finished call goes that cannot be read back, for whoever wants to look.
const BROKEN: &[u8] = b"broken/";

/// A finished call: its record, and its trace.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedCall {
    /// The record.
    pub record: CallRecord,
    /// The SIP ladder: a JSON array of entries, as the caller serialised it; empty if none was kept. At most 1 MiB, a
    /// longer one is left out.
    pub trace: Vec<u8>,
}

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
    queue: mpsc::Sender<FinishedCall>,
    settled: watch::Receiver<u64>,
}

struct Shared {
    hot: Hot,
    stored: AtomicU64,
    retries: AtomicU64,
    waiting: AtomicU64,
    waiting_trace_bytes: AtomicU64,
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
            waiting_trace_bytes: AtomicU64::new(0),
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
    pub fn write(&self, mut finished: FinishedCall, mut also: Batch) -> Kept {
        let call = finished.record.id;
        if finished.trace.len() > MAX_TRACE {
            tracing::debug!(%call, bytes = finished.trace.len(), "trace left out: too long");
            finished.trace = Vec::new();
        }
        also.keep(&key(PREFIX, call), &encode(&finished));
        let hot = self.shared.hot.apply(also);

        let queued = self.queue(finished);
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
    fn queue(&self, finished: FinishedCall) -> bool {
        // Counted first, so that the task never counts down what was not counted up.
        let trace = finished.trace.len() as u64;
        let traces = self.shared.waiting_trace_bytes.fetch_add(trace, Ordering::AcqRel) + trace;
        self.shared.waiting.fetch_add(1, Ordering::AcqRel);
        let queued = traces <= TRACE_ROOM && self.queue.try_send(finished).is_ok();
        if !queued {
            self.shared.no_longer_waiting(1, trace);
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

    fn no_longer_waiting(&self, calls: u64, trace_bytes: u64) {
        self.waiting.fetch_sub(calls, Ordering::AcqRel);
        self.waiting_trace_bytes.fetch_sub(trace_bytes, Ordering::AcqRel);
    }
}

struct Task<F> {
    shared: Arc<Shared>,
    store: Store,
    waiting: mpsc::Receiver<FinishedCall>,
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
                    let trace_bytes = group.iter().map(|call| call.trace.len() as u64).sum();
                    self.shared.no_longer_waiting(group.len() as u64, trace_bytes);
                    group.clear();
                }
                () = tokio::time::sleep_until(next_sweep), if behind => {
                    let more = self.sweep().await;
                    next_sweep = tokio::time::Instant::now() + if more { Duration::ZERO } else { SWEEP };
                }
            }
            self.settle.send_modify(|n| *n += 1);
        }
        while self.shared.is_behind() && self.sweep().await {}
        self.settle.send_modify(|n| *n += 1);
    }

    /// Waits a little for more, so that they share a transaction.
    async fn gather(&mut self, group: &mut Vec<FinishedCall>) {
        let until = tokio::time::Instant::now() + GATHER;
        while group.len() < MANY {
            let room = MANY - group.len();
            match tokio::time::timeout_at(until, self.waiting.recv_many(group, room)).await {
                Ok(taken) if taken > 0 => {}
                _ => break,
            }
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
    async fn store_all(&mut self, calls: &[FinishedCall]) {
        let mut wait = RETRY.0;
        let new = loop {
            match self.store.insert_finished(calls).await {
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
            batch.forget(&key(PREFIX, call.record.id));
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

fn key(prefix: &[u8], call: CallId) -> Vec<u8> {
    [prefix, call.as_bytes()].concat()
}

/// Length of the record (four bytes, big-endian), the record as JSON, the trace.
fn encode(call: &FinishedCall) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    if serde_json::to_writer(&mut bytes, &call.record).is_err() {
        stdx::never!(true, "a call record does not serialise");
    }
    let length = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&call.trace);
    bytes
}

fn decode(bytes: &[u8]) -> Option<FinishedCall> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (record, trace) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some(FinishedCall { record: serde_json::from_slice(record).ok()?, trace: trace.to_vec() })
}
