//! Finished calls on their way into SQL.
use crate::{Batch, Hot, Store, StoreError};
use model::{CallId, CallRecord};
use std::time::Duration;

/// A finished call: its record, and its trace as JSON bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedCall {
    /// The record.
    pub record: CallRecord,
    /// The SIP ladder: a JSON array of entries, as the caller serialised it; empty if none was kept.
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
    /// Calls that are in SQL now.
    pub stored: u64,
    /// Transactions that failed and were tried again.
    pub retries: u64,
    /// Calls waiting in memory.
    pub waiting: u64,
    /// Calls found nowhere to stay.
    pub lost: u64,
    /// True while more waits in hot state than in memory.
    pub behind: bool,
}

/// Writes finished calls. Clones feed the same writer.
#[derive(Clone)]
pub struct RecordWriter;

impl RecordWriter {
    /// Starts the writer's task on the current tokio runtime, and first stores what an earlier run left in hot state.
    pub async fn start(store: Store, hot: Hot, on_stored: impl FnMut(&[CallId]) + Send + 'static) -> Result<Self, StoreError> { let _ = (store, hot, on_stored); todo!() }
    /// Takes a finished call, from any thread, without waiting; `also` are changes of hot state that belong to the same step.
    pub fn write(&self, finished: FinishedCall, also: Batch) -> Kept { let _ = (finished, also); todo!() }
    /// Waits until everything given so far is in SQL, at most this long; false if it is not.
    pub async fn flush(&self, within: Duration) -> bool { let _ = within; todo!() }
    /// What was done so far.
    pub fn figures(&self) -> WriterFigures { todo!() }
}
