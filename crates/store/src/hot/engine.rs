//! The log-structured store below hot state, with bounds on its memory.

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// One memtable. Each is written out when it reaches this.
const MEMTABLE: u64 = 4 << 20;
/// With as many full memtables unwritten, or so many small files not merged, the engine is about to put writers to
/// sleep (at 4 and 30); we answer "waiting" instead.
const UNWRITTEN: usize = 3;
const UNMERGED: usize = 25;
/// Blocks of files that were read.
const CACHE: u64 = 1 << 20;
/// Logs that may lie on the disk. Each is allocated with 64 MB.
const LOGS: u64 = 128 << 20;
/// A folder that was not changed for so long and is then changed has another time.
const SETTLED: Duration = Duration::from_secs(1);

/// An open store. Errors are texts: nobody can do anything about them but say so.
pub(super) struct Engine {
    database: Database,
    keys: Keyspace,
}

impl Engine {
    pub(super) fn open(dir: &Path) -> Result<Self, String> {
        let text = |e: fjall::Error| describe(&e);
        let database = Database::builder(dir)
            .cache_size(CACHE)
            .max_cached_files(Some(32))
            .max_journaling_size(LOGS)
            .worker_threads(1)
            .manual_journal_persist(true)
            .open()
            .map_err(text)?;
        let keys =
            database.keyspace("hot", || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE)).map_err(text)?;
        Ok(Self { database, keys })
    }

    /// True while the disk does not keep up with what is written; an error if it never will.
    pub(super) fn is_behind(&self) -> Result<bool, String> {
        // Not `write_buffer_size()`: it counts values that were overwritten, and never forgets them.
        let behind = self.database.outstanding_flushes() >= UNWRITTEN || self.keys.l0_table_count() >= UNMERGED;
        if behind {
            // It catches up in threads of its own. If one of them failed, this says so.
            self.database.persist(PersistMode::Buffer).map_err(|e| describe(&e))?;
        }
        Ok(behind)
    }

    /// Writes all changes or none, to the kernel or to the disk itself.
    pub(super) fn write(&self, changes: &BTreeMap<Vec<u8>, Option<Vec<u8>>>, to_disk: bool) -> Result<(), String> {
        let mode = if to_disk { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.database.batch().durability(Some(mode));
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(&self.keys, key.as_slice(), value.as_slice()),
                None => batch.remove(&self.keys, key.as_slice()),
            }
        }
        batch.commit().map_err(|e| describe(&e))
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        Ok(self.keys.get(key).map_err(|e| describe(&e))?.map(|value| value.to_vec()))
    }

    /// A snapshot of all keys with this prefix, in order; it outlives the engine.
    pub(super) fn prefix(&self, prefix: &[u8]) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), String>> + use<> {
        self.keys.prefix(prefix).map(|entry| {
            let (key, value) = entry.into_inner().map_err(|e| describe(&e))?;
            Ok((key.to_vec(), value.to_vec()))
        })
    }
}

/// The newest log, for bringing it to the disk by a handle of our own: the engine's own way would make all writers wait
/// for it. Older logs were synced by the engine when it began a new one.
#[derive(Default)]
pub(super) struct NewestLog(Option<(SystemTime, File)>);

impl NewestLog {
    pub(super) fn sync(&mut self, dir: &Path) -> Result<(), String> {
        let synced = self.find(dir).and_then(|file| file.sync_data());
        if synced.is_err() {
            self.0 = None;
        }
        synced.map_err(|e| format!("syncing the log: {e}"))
    }

    /// The one found before, unless the folder changed since.
    pub(super) fn find(&mut self, dir: &Path) -> io::Result<&File> {
        let changed = fs::metadata(dir)?.modified()?;
        let known = self.0.take().filter(|(then, _)| {
            // The time of a folder is only as fine as the kernel's ticks: another change may share that of the last one.
            *then == changed && then.elapsed().is_ok_and(|since| since > SETTLED)
        });
        let file = match known {
            Some((_, file)) => file,
            None => File::open(newest_log(dir)?)?,
        };
        Ok(&self.0.insert((changed, file)).1)
    }
}

fn newest_log(dir: &Path) -> io::Result<PathBuf> {
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(".jnl")?.parse().ok());
        newest = newest.max(number.map(|number| (number, path)));
    }
    newest.map(|(_, path)| path).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is none"))
}

fn describe(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(e) => e.to_string(),
        fjall::Error::Locked => "another process has it open".into(),
        fjall::Error::Poisoned => "an earlier write failed".into(),
        other => other.to_string(),
    }
}
