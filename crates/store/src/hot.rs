//! Hot state: what must outlive `kill -9` and cannot wait for SQL.
//!
//! Changes gather in memory ([`Hot::keep`], [`Hot::forget`]) and go to the kernel with [`Hot::commit`], as one atomic
//! batch of a log-structured store. A thread brings them to the disk itself at an interval. When the disk is full or
//! fails, changes stay in memory, the latest per key, up to a limit; the thread reopens the store and writes them as
//! soon as it can. Nobody who commits ever waits for that.
//!
//! ```no_run
//! # fn main() -> Result<(), patchbay_store::HotError> {
//! use patchbay_store::{Hot, HotSync};
//! let hot = Hot::open("data/hot".as_ref(), HotSync::default())?;
//! hot.keep(b"call/1", b"snapshot")?;
//! hot.commit()?; // from here on it survives `kill -9`
//! # Ok(()) }
//! ```

mod engine;

use crate::HotError;
use engine::{Engine, NewestLog};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The longest key, bytes.
const MAX_KEY: usize = 1024;
/// The longest value, bytes.
const MAX_VALUE: usize = 4 << 20;
/// How much may wait in memory while the disk takes nothing, bytes of keys and values.
const MAX_PENDING: usize = 64 << 20;
/// What an entry costs in memory besides its bytes.
const ENTRY: usize = 128;
/// How often the thread looks whether something failed and can be tried again.
const TICK: Duration = Duration::from_millis(100);
/// A broken store is reopened this often, and warned about not more often than [`WARN_EVERY`].
const REOPEN_EVERY: Duration = Duration::from_secs(1);
/// A store that is behind for so long is opened anew.
const CATCH_UP: Duration = Duration::from_secs(30);
const WARN_EVERY: Duration = Duration::from_secs(60);

/// How soon hot state is on the disk itself, safe from a power cut. It is safe from `kill -9` with every commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HotSync {
    /// Every commit waits for the disk; commits of several threads wait for each other.
    EveryCommit,
    /// A thread does it for all at this interval, if something changed.
    Every(Duration),
}

impl Default for HotSync {
    fn default() -> Self {
        Self::Every(Duration::from_millis(100))
    }
}

/// A key and its value.
pub type HotEntry = (Vec<u8>, Vec<u8>);

/// Changes that are kept together or not at all, in the order given.
#[derive(Clone, Debug, Default)]
pub struct Batch(Vec<Change>);

/// A key, and its new value or that it is gone.
type Change = (Vec<u8>, Option<Vec<u8>>);

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

    /// True if it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// State that survives `kill -9`. Clones share it; all methods may be called from any thread.
#[derive(Clone)]
pub struct Hot(Arc<Owner>);

impl Hot {
    /// Opens or makes the hot state in a folder of its own. One process at a time.
    pub fn open(dir: &Path, sync: HotSync) -> Result<Self, HotError> {
        let engine = Engine::open(dir).map_err(HotError::Open)?;
        let shared = Arc::new(Shared { dir: dir.to_path_buf(), sync, state: Mutex::new(State::new(engine)) });
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("hot-sync".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || keep_synced(&shared, &stopped)
            })
            .map_err(|e| HotError::Open(format!("starting its thread: {e}")))?;
        Ok(Self(Arc::new(Owner { shared, stop: Some(stop), thread: Some(thread) })))
    }

    /// Keeps `value` under `key`. It is safe after the next successful [`Hot::commit`], of whichever thread.
    ///
    /// Errors mean that the change was *not* taken: [`HotError::TooLarge`], [`HotError::Full`].
    pub fn keep(&self, key: &[u8], value: &[u8]) -> Result<(), HotError> {
        self.0.shared.lock().take(vec![(key.to_vec(), Some(value.to_vec()))])
    }

    /// Forgets `key`; no error if it is not there. See [`Hot::keep`].
    pub fn forget(&self, key: &[u8]) -> Result<(), HotError> {
        self.0.shared.lock().take(vec![(key.to_vec(), None)])
    }

    /// All changes of a batch, or on an error none. They also reach the disk together or not at all.
    pub fn apply(&self, batch: Batch) -> Result<(), HotError> {
        self.0.shared.lock().take(batch.0)
    }

    /// Gives everything kept or forgotten so far, by any thread, to the kernel; costs next to nothing if that is nothing.
    ///
    /// [`HotError::Waiting`]: the disk does not take it now. It stays in memory and a thread goes on trying.
    pub fn commit(&self) -> Result<(), HotError> {
        self.0.shared.lock().commit(self.0.shared.sync)
    }

    /// The value under `key`, committed or not.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, HotError> {
        let state = self.0.shared.lock();
        if let Some(value) = state.pending.get(key) {
            return Ok(value.clone());
        }
        state.engine()?.get(key).map_err(HotError::Read)
    }

    /// All keys with this prefix and their values, committed or not, in order of the keys.
    pub fn scan(&self, prefix: &[u8]) -> Result<Vec<HotEntry>, HotError> {
        self.scan_some(prefix, usize::MAX)
    }

    /// As [`Hot::scan`], at most `limit` of them.
    pub(crate) fn scan_some(&self, prefix: &[u8], limit: usize) -> Result<Vec<HotEntry>, HotError> {
        let state = self.0.shared.lock();
        let pending: BTreeMap<_, _> = state
            .pending
            .range(prefix.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        // The snapshot is taken under the lock, so it fits `pending`; reading it must not hold up anybody.
        let snapshot = state.engine()?.prefix(prefix);
        drop(state);

        let mut found = BTreeMap::new();
        for entry in snapshot {
            // Some of these may be forgotten by `pending`.
            if found.len() >= limit.saturating_add(pending.len()) {
                break;
            }
            let (key, value) = entry.map_err(HotError::Read)?;
            found.insert(key, value);
        }
        for (key, value) in pending {
            match value {
                Some(value) => found.insert(key, value),
                None => found.remove(&key),
            };
        }
        Ok(found.into_iter().take(limit).collect())
    }

    /// Makes the disk below fail, as a full one does.
    #[cfg(test)]
    fn break_disk(&self) {
        let mut state = self.0.shared.lock();
        state.reopen_after = Instant::now() + Duration::from_secs(3600);
        state.fail("no space left on device".into());
    }

    /// Lets the disk work again.
    #[cfg(test)]
    fn mend_disk(&self) {
        self.0.shared.lock().reopen_after = Instant::now();
    }
}

/// What the last clone's end ends: the thread, after it wrote and synced everything.
struct Owner {
    shared: Arc<Shared>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Shared {
    dir: PathBuf,
    sync: HotSync,
    state: Mutex<State>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of `State` is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct State {
    /// `None` while it is broken.
    engine: Option<Engine>,
    /// What the thread has to drop before it opens anew.
    broken: Option<Engine>,
    /// Why.
    trouble: String,
    reopen_after: Instant,
    /// Not yet written, the latest per key.
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pending_bytes: usize,
    /// Written, but perhaps not on the disk itself.
    unsynced: bool,
    /// Since when the disk does not keep up.
    behind_since: Option<Instant>,
}

impl State {
    fn new(engine: Engine) -> Self {
        Self {
            engine: Some(engine),
            broken: None,
            trouble: String::new(),
            reopen_after: Instant::now(),
            pending: BTreeMap::new(),
            pending_bytes: 0,
            unsynced: false,
            behind_since: None,
        }
    }

    fn engine(&self) -> Result<&Engine, HotError> {
        self.engine.as_ref().ok_or_else(|| HotError::Read(self.trouble.clone()))
    }

    fn take(&mut self, changes: Vec<Change>) -> Result<(), HotError> {
        let mut more = 0;
        for (key, value) in &changes {
            let value = value.as_ref().map_or(0, Vec::len);
            if key.is_empty() || key.len() > MAX_KEY || value > MAX_VALUE {
                return Err(HotError::TooLarge);
            }
            more += key.len() + value + ENTRY;
        }
        if self.pending_bytes + more > MAX_PENDING {
            return Err(HotError::Full);
        }
        for (key, value) in changes {
            let length = key.len();
            self.pending_bytes += length + value.as_ref().map_or(0, Vec::len) + ENTRY;
            if let Some(old) = self.pending.insert(key, value) {
                self.pending_bytes -= length + old.map_or(0, |old| old.len()) + ENTRY;
            }
        }
        Ok(())
    }

    fn commit(&mut self, sync: HotSync) -> Result<(), HotError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let Some(engine) = &self.engine else { return Err(HotError::Waiting(self.trouble.clone())) };
        let written = engine.is_behind().and_then(|behind| match behind {
            true => Ok(false),
            false => engine.write(&self.pending, sync == HotSync::EveryCommit).map(|()| true),
        });
        match written {
            Ok(true) => {
                self.behind_since = None;
                self.pending.clear();
                self.pending_bytes = 0;
                self.unsynced = sync != HotSync::EveryCommit;
                Ok(())
            }
            Ok(false) => {
                let since = *self.behind_since.get_or_insert_with(Instant::now);
                if since.elapsed() > CATCH_UP {
                    self.fail("the disk does not catch up".into());
                }
                Err(HotError::Waiting("the disk is too slow".into()))
            }
            Err(trouble) => {
                self.fail(trouble.clone());
                Err(HotError::Waiting(trouble))
            }
        }
    }

    fn fail(&mut self, trouble: String) {
        self.behind_since = None;
        self.trouble = trouble;
        self.broken = self.engine.take();
    }
}

/// The thread: syncs what was written, retries what was not, reopens what broke.
fn keep_synced(shared: &Shared, stopped: &mpsc::Receiver<()>) {
    let every = match shared.sync {
        HotSync::Every(interval) => interval.max(Duration::from_millis(1)),
        HotSync::EveryCommit => TICK,
    };
    let mut log = NewestLog::default();
    let mut warned: Option<Instant> = None;
    let mut warn = |trouble: &str| {
        if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            warned = Some(Instant::now());
            tracing::warn!(trouble, "hot state waits in memory: check the disk of the data directory");
        }
    };
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(every) {
        reopen(shared);
        let result = shared.lock().commit(shared.sync);
        if let Err(HotError::Waiting(trouble)) = result {
            warn(&trouble);
        }
        if let Err(trouble) = sync(shared, &mut log) {
            warn(&trouble);
        }
    }
    reopen(shared);
    if let Err(error) = shared.lock().commit(HotSync::EveryCommit) {
        tracing::warn!(%error, "hot state could not be written at the end");
    }
    let _ = sync(shared, &mut log);
}

/// Opens the store again after it broke. All slow steps run outside the lock.
fn reopen(shared: &Shared) {
    let broken = {
        let mut state = shared.lock();
        if state.engine.is_some() || Instant::now() < state.reopen_after {
            return;
        }
        state.reopen_after = Instant::now() + REOPEN_EVERY;
        state.broken.take()
    };
    drop(broken);
    let opened = Engine::open(&shared.dir);
    let mut state = shared.lock();
    match opened {
        Ok(engine) => state.engine = Some(engine),
        Err(trouble) => state.trouble = trouble,
    }
}

/// Brings what was written to the disk, without holding up who writes.
fn sync(shared: &Shared, log: &mut NewestLog) -> Result<(), String> {
    let mut state = shared.lock();
    if !std::mem::take(&mut state.unsynced) {
        return Ok(());
    }
    drop(state);
    log.sync(&shared.dir).inspect_err(|_| shared.lock().unsynced = true)
}

#[cfg(test)]
mod tests;
