//! Hot state.
use crate::HotError;
use std::path::Path;
use std::time::Duration;

/// How soon hot state is on the disk itself, safe from a power cut. It is safe from `kill -9` with every commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HotSync {
    /// Every commit waits for the disk.
    EveryCommit,
    /// A thread does it for all at this interval.
    Every(Duration),
}

impl Default for HotSync {
    fn default() -> Self {
        Self::Every(Duration::from_millis(100))
    }
}

/// Changes that are kept together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Batch {
    /// Keeps `value` under `key`.
    pub fn keep(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        self.0.push((key.to_vec(), Some(value.to_vec())));
        self
    }

    /// Forgets `key`.
    pub fn forget(&mut self, key: &[u8]) -> &mut Self {
        self.0.push((key.to_vec(), None));
        self
    }
}

/// State that survives `kill -9`.
#[derive(Clone)]
pub struct Hot;

impl Hot {
    /// Opens or makes the hot state in a folder of its own.
    pub fn open(dir: &Path, sync: HotSync) -> Result<Self, HotError> { let _ = (dir, sync); todo!() }
    /// Keeps `value` under `key`; safe after the next [`Hot::commit`].
    pub fn keep(&self, key: &[u8], value: &[u8]) -> Result<(), HotError> { let _ = (key, value); todo!() }
    /// Forgets `key`.
    pub fn forget(&self, key: &[u8]) -> Result<(), HotError> { let _ = key; todo!() }
    /// All changes of a batch.
    pub fn apply(&self, batch: Batch) -> Result<(), HotError> { let _ = batch; todo!() }
    /// Gives everything kept or forgotten so far, by any thread, to the kernel.
    pub fn commit(&self) -> Result<(), HotError> { todo!() }
    /// The value under `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, HotError> { let _ = key; todo!() }
    /// All keys with this prefix, in order.
    pub fn scan(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, HotError> { let _ = prefix; todo!() }
}
