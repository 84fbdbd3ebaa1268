//! The keeper that the program uses: hot state, and the writer of call records.

use super::seams::{KeepError, Keeper};
use model::{CallId, CallRecord};
use store::{Batch, Hot, Ladders, RecordWriter};

/// Hot state, the writer of records and that of ladders.
#[derive(Clone)]
pub struct StoreKeeper {
    hot: Hot,
    writer: RecordWriter,
    ladders: Ladders,
}

/// Keys and values, in the order of the keys.
pub type Kept = Vec<(Vec<u8>, Vec<u8>)>;

/// Finished calls: the writer keeps them in hot state in its own form until SQL has them.
const RECORDS: &[u8] = b"record/";

impl StoreKeeper {
    /// All are shared with the other workers.
    pub fn new(hot: Hot, writer: RecordWriter, ladders: Ladders) -> Self {
        Self { hot, writer, ladders }
    }

    /// What an earlier run kept for the cells: everything but finished calls, which the writer takes itself.
    pub fn kept(hot: &Hot) -> Result<Kept, KeepError> {
        Ok(hot.scan(b"")?.into_iter().filter(|(key, _)| !key.starts_with(RECORDS)).collect())
    }
}

impl Keeper for StoreKeeper {
    fn keep(&mut self, key: &[u8], value: &[u8]) -> Result<(), KeepError> {
        if key.starts_with(RECORDS) { Ok(()) } else { self.hot.keep(key, value) }
    }

    fn forget(&mut self, key: &[u8]) -> Result<(), KeepError> {
        if key.starts_with(RECORDS) { Ok(()) } else { self.hot.forget(key) }
    }

    fn commit(&mut self) -> Result<(), KeepError> {
        self.hot.commit()
    }

    fn record(&mut self, record: CallRecord) {
        match self.writer.write(record, Batch::default()) {
            // It warns by itself while records wait, and says an error if one is lost.
            store::Kept::Hot | store::Kept::Memory | store::Kept::Lost => {}
        }
    }

    fn ladder(&mut self, call: CallId, trace: Vec<u8>) {
        self.ladders.keep(call, trace);
    }
}
