//! SIP ladders of the newest calls, as bytes that whoever writes them understands.
//!
//! They are for people who look into trouble, not a promise: what comes within a second is written together, by a thread
//! of its own, without a sync. If the disk does not take them they are gone, which is counted and warned about. They are
//! found at once, also while they still wait.

mod segments;

use crate::{Store, StoreError};
use model::CallId;
use segments::Segments;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many may wait, and how many bytes of them.
const ROOM: (usize, usize) = (8192, 8 << 20);
/// A longer ladder is not kept, bytes.
const MAX: usize = 1 << 20;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// How often an operator is told that ladders are lost.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// A call's ladder.
type Ladder = (CallId, Vec<u8>);

/// Keeps ladders. Clones share it; all methods may be called from any thread.
#[derive(Clone)]
pub struct Ladders(Arc<Owner>);

impl std::fmt::Debug for Ladders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ladders").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

impl Ladders {
    /// Nothing is touched before the first ladder comes or is asked for, so that a second program may have this open too.
    pub(crate) fn new(dir: PathBuf, keep: u32) -> Self {
        Self(Arc::new(Owner(Arc::new(Shared {
            keep,
            waiting: Mutex::default(),
            wake: Condvar::new(),
            written: Condvar::new(),
            files: Mutex::new(Segments::new(dir, keep.into())),
            dropped: AtomicU64::new(0),
        }))))
    }

    /// Takes a ladder without waiting for the disk, or counts it as dropped. An empty one is none.
    pub fn keep(&self, call: CallId, ladder: Vec<u8>) {
        let shared = &self.0.0;
        if ladder.is_empty() || shared.keep == 0 {
            return;
        }
        let mut waiting = shared.waiting();
        let bytes = waiting.bytes + ladder.len();
        if ladder.len() > MAX || bytes > ROOM.1 || waiting.list.len() >= ROOM.0 || !waiting.has_thread(shared) {
            drop(waiting);
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let many = waiting.bytes < ROOM.1 / 2 && bytes >= ROOM.1 / 2;
        waiting.bytes = bytes;
        waiting.list.push((call, ladder));
        // Only these two wake the thread; all others find it asleep until its second is over.
        if waiting.list.len() == 1 || many {
            shared.wake.notify_one();
        }
    }

    /// Waits until everything given so far is written or dropped, at most this long; false if it is not.
    pub async fn flush(&self, within: Duration) -> bool {
        let shared = Arc::clone(&self.0.0);
        tokio::task::spawn_blocking(move || shared.flush(within)).await.unwrap_or(false)
    }

    /// How many were lost: the disk took them not, or too many came at once, or they were over 1 MiB.
    pub fn dropped(&self) -> u64 {
        self.0.0.dropped.load(Ordering::Relaxed)
    }
}

impl Store {
    /// Where ladders go.
    pub fn ladders(&self) -> &Ladders {
        &self.0.ladders
    }

    /// The ladder of a call, as it was given; `None` if none was kept, or so many newer ones that it had to go.
    pub async fn trace(&self, call: CallId) -> Result<Option<Vec<u8>>, StoreError> {
        let shared = Arc::clone(&self.0.ladders.0.0);
        let found = tokio::task::spawn_blocking(move || shared.get(call)).await.map_err(|_| StoreError::Interrupted)?;
        found.map_err(StoreError::Ladders)
    }
}

/// What the last clone's end ends: the thread, after it wrote what it had.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        let thread = {
            let mut waiting = self.0.waiting();
            waiting.stop = true;
            waiting.thread.take()
        };
        self.0.wake.notify_one();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

struct Shared {
    keep: u32,
    waiting: Mutex<Waiting>,
    /// Tells the thread that there is something to do.
    wake: Condvar,
    /// Tells others that the thread did it.
    written: Condvar,
    /// Whoever needs both locks takes this one first.
    files: Mutex<Segments>,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    list: Vec<Ladder>,
    bytes: usize,
    /// Batches that were taken from here, and those of them that are done with.
    taken: u64,
    done: u64,
    hurry: bool,
    stop: bool,
    thread: Option<JoinHandle<()>>,
}

impl Waiting {
    /// Starts the thread if there is none yet; false if that cannot be.
    fn has_thread(&mut self, shared: &Arc<Shared>) -> bool {
        if self.thread.is_none() {
            let shared = Arc::clone(shared);
            self.thread = thread::Builder::new().name("ladders".into()).spawn(move || shared.write()).ok();
        }
        self.thread.is_some()
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics between changes that belong together.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, Segments> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, call: CallId) -> io::Result<Option<Vec<u8>>> {
        if let Some((_, ladder)) = self.waiting().list.iter().find(|(id, _)| *id == call) {
            return Ok(Some(ladder.clone()));
        }
        // A batch on its way is taken and written under this lock, so it is in one place or the other.
        let place = self.files().find(call)?;
        place.map_or(Ok(None), |place| place.read())
    }

    fn flush(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        let mut waiting = self.waiting();
        let wanted = waiting.taken + u64::from(!waiting.list.is_empty());
        while waiting.done < wanted {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return false };
            waiting.hurry = true;
            self.wake.notify_one();
            waiting = self.written.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The thread.
    fn write(&self) {
        let mut warned: Option<Instant> = None;
        while self.gather() {
            let mut files = self.files();
            let batch = {
                let mut waiting = self.waiting();
                waiting.hurry = false;
                waiting.taken += 1;
                waiting.bytes = 0;
                std::mem::take(&mut waiting.list)
            };
            let result = files.append(&batch);
            drop(files);
            if let Err(error) = result {
                let lost = self.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed) + batch.len() as u64;
                if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                    warned = Some(Instant::now());
                    tracing::warn!(%error, lost, "the SIP messages of calls are not kept: check the disk of the data directory");
                }
            }
            self.waiting().done += 1;
            self.written.notify_all();
        }
    }

    /// Waits for ladders, and then a little for more; false when there will be none.
    fn gather(&self) -> bool {
        let mut waiting = self.waiting();
        while waiting.list.is_empty() {
            if waiting.stop {
                return false;
            }
            waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + GATHER;
        while !waiting.hurry && !waiting.stop && waiting.bytes < ROOM.1 / 2 {
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            waiting = self.wake.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

#[cfg(test)]
mod tests;
