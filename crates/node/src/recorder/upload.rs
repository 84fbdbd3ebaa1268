//! After the call: recordings go to a store of objects.
//!
//! The folder itself is the list of what is still to be put there, so nothing is forgotten over a crash. What stays here as well
//! is marked by an empty file beside it (`a.wav.stored`). What the store does not take is tried again, at growing distances.

use super::convert::walk;
use super::objects::Objects;
use super::seal;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use tracing::{debug, warn};

/// What marks a file as put into the store.
const MARK: &str = "stored";

/// Folders below the folder of recordings that are looked into.
const DEPTH: usize = 8;

/// What should have been converted is put there as it is after so long.
const UNCONVERTED: Duration = Duration::from_secs(900);

/// A file that the store does not take is tried again after the first, and at last at the distance of the second.
pub const AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// How often the folder is looked through.
pub const EVERY: Duration = Duration::from_secs(15);

/// A recording is over when nothing has been written to it for so long.
pub const QUIET: Duration = Duration::from_secs(45);

/// How it is done.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder.
    pub folder: PathBuf,
    /// Files stay here too.
    pub keep: bool,
    /// What recordings become before they are put there: nothing else than this, if it is not WAV.
    pub suffix: &'static str,
    /// How often the folder is looked through.
    pub every: Duration,
    /// A recording is over when nothing has been written to it for so long.
    pub quiet: Duration,
    /// At what distances a file is tried again: at first, and at last.
    pub again: (Duration, Duration),
}

/// What was done, for metrics. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Uploads(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
    waiting: AtomicU64,
}

impl Uploads {
    /// Files put into the store; times that it did not take one; files that wait.
    pub fn figures(&self) -> [u64; 3] {
        [&self.0.done, &self.0.failed, &self.0.waiting].map(|figure| figure.load(Ordering::Relaxed))
    }
}

/// A file that was refused: how often, and when it is tried again.
#[derive(Clone, Copy, Debug)]
struct Refused {
    times: u32,
    again: Instant,
}

/// Is this the mark of a file that is in the store?
pub(super) fn is_mark(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == MARK)
}

fn mark(path: &Path) -> PathBuf {
    let mut mark = path.to_owned();
    mark.as_mut_os_string().push(format!(".{MARK}"));
    mark
}

/// Puts recordings into the store for as long as the program runs.
pub async fn run(settings: Settings, objects: Objects, uploads: Uploads) {
    let mut refused: BTreeMap<PathBuf, Refused> = BTreeMap::new();
    let mut troubled = false;
    loop {
        let list = settings.clone();
        let found = tokio::task::spawn_blocking(move || waiting(&list, SystemTime::now())).await;
        let found = match found.map_err(io::Error::other).flatten() {
            Ok(found) => found,
            Err(e) => {
                warn!("looking for recordings to be stored: {e}");
                Vec::new()
            }
        };
        refused.retain(|path, _| found.contains(path));
        let mut left = found.len() as u64;
        for path in found {
            uploads.0.waiting.store(left, Ordering::Relaxed);
            let before = refused.get(&path).copied();
            if before.is_some_and(|before| before.again > Instant::now()) {
                continue;
            }
            match put(&settings, &objects, &path).await {
                Ok(()) => {
                    left -= 1;
                    refused.remove(&path);
                    uploads.0.done.fetch_add(1, Ordering::Relaxed);
                    troubled = false;
                    debug!(file = %path.display(), "a recording was stored");
                }
                Err(e) => {
                    uploads.0.failed.fetch_add(1, Ordering::Relaxed);
                    // Once until it works again: it may be the same trouble for thousands of files.
                    if !std::mem::replace(&mut troubled, true) {
                        warn!(file = %path.display(), "a recording was not stored, and is tried again: {e}");
                    }
                    let times = before.map_or(0, |before| before.times + 1);
                    let (first, last) = settings.again;
                    let wait = (first * 2u32.saturating_pow(times.min(10))).min(last);
                    refused.insert(path, Refused { times, again: Instant::now() + wait });
                }
            }
        }
        uploads.0.waiting.store(left, Ordering::Relaxed);
        tokio::time::sleep(settings.every).await;
    }
}

async fn put(
    settings: &Settings,
    objects: &Objects,
    path: &Path,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let name = path.strip_prefix(&settings.folder)?.to_str().ok_or("its name is no text")?;
    objects.put(name, path).await?;
    if settings.keep {
        tokio::fs::write(mark(path), "").await?;
    } else {
        tokio::fs::remove_file(path).await?;
    }
    Ok(())
}

/// What is over and not yet in the store, the oldest first.
fn waiting(settings: &Settings, now: SystemTime) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut marks) = (Vec::new(), BTreeSet::new());
    walk(&settings.folder, DEPTH, &mut |path, written| {
        if is_mark(&path) {
            marks.insert(path.with_extension(""));
            return;
        }
        let quiet = now.duration_since(written).unwrap_or_default();
        let patience = match kind(&path) {
            Some(suffix) if suffix == settings.suffix || suffix != "wav" => settings.quiet,
            Some(_) => UNCONVERTED,
            None => return,
        };
        if quiet >= patience {
            found.push((written, path));
        }
    })?;
    found.retain(|(_, path)| !marks.contains(path));
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// `wav`, `mp3` or `opus`, encrypted or not; `None`: no recording.
fn kind(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(&format!(".{}", seal::SUFFIX)).unwrap_or(name);
    ["wav", "mp3", "opus"].into_iter().find(|suffix| name.strip_suffix(suffix).is_some_and(|stem| stem.ends_with('.')))
}

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
