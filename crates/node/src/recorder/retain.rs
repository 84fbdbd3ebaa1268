//! How long recordings are kept: so many days, and so much room for all of them, the oldest going first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};
use tracing::{info, warn};

/// How often the folder is looked through.
const EVERY: Duration = Duration::from_secs(15 * 60);

/// A file that was written to of late may still be growing.
const GROWING: Duration = Duration::from_secs(600);

/// Folders below the folder of recordings that are looked into.
const DEPTH: usize = 8;

/// When a recording goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// After so long; `None`: never for its age.
    pub age: Option<Duration>,
    /// When all together take more octets than this; `None`: they may take the whole disk.
    pub room: Option<u64>,
}

/// A recording on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    path: PathBuf,
    octets: u64,
    written: SystemTime,
}

/// Looks through the folder now and then, as long as the program runs.
pub async fn run(folder: PathBuf, rules: Rules) {
    if rules == Rules::default() {
        return;
    }
    loop {
        let folder = folder.clone();
        let cleaned = tokio::task::spawn_blocking(move || clean(&folder, rules, SystemTime::now())).await;
        match cleaned {
            Ok(Ok(0)) => {}
            Ok(Ok(gone)) => info!(gone, "old recordings were removed"),
            Ok(Err(e)) => warn!("looking for old recordings: {e}"),
            Err(e) => warn!("looking for old recordings: {e}"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Removes what is to go, and folders that are empty then; returns how many files went.
fn clean(folder: &Path, rules: Rules, now: SystemTime) -> io::Result<usize> {
    let mut all = Vec::new();
    walk(folder, DEPTH, &mut all)?;
    let gone = that_go(all, rules, now);
    for path in &gone {
        fs::remove_file(path)?;
        // Days without recordings; a folder that holds something stays.
        let mut parent = path.parent();
        while let Some(empty) = parent.filter(|parent| *parent != folder && fs::remove_dir(parent).is_ok()) {
            parent = empty.parent();
        }
    }
    Ok(gone.len())
}

/// Those that are too old, then the oldest of those that are too much.
fn that_go(all: Vec<Kept>, rules: Rules, now: SystemTime) -> Vec<PathBuf> {
    let age = |kept: &Kept| now.duration_since(kept.written).unwrap_or_default();
    let mut octets: u64 = all.iter().map(|kept| kept.octets).sum();
    let by_age: BTreeMap<(SystemTime, PathBuf), Kept> =
        all.into_iter().map(|kept| ((kept.written, kept.path.clone()), kept)).collect();
    let mut gone = Vec::new();
    for kept in by_age.into_values().filter(|kept| age(kept) >= GROWING) {
        let old = rules.age.is_some_and(|most| age(&kept) > most);
        let much = rules.room.is_some_and(|room| octets > room);
        if old || much {
            octets -= kept.octets;
            gone.push(kept.path);
        }
    }
    gone
}

fn walk(folder: &Path, depth: usize, all: &mut Vec<Kept>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        let path = entry.path();
        let shown = if super::upload::is_mark(&path) { path.with_extension("") } else { path.clone() };
        let shown =
            if shown.extension().is_some_and(|s| s == super::seal::SUFFIX) { shown.with_extension("") } else { shown };
        let suffix = shown.extension().and_then(|s| s.to_str()).map(str::to_ascii_lowercase);
        if kind.is_dir() && depth > 0 {
            walk(&entry.path(), depth - 1, all)?;
        } else if kind.is_file() && matches!(suffix.as_deref(), Some("wav" | "mp3" | "opus")) {
            let about = entry.metadata()?;
            all.push(Kept { path: entry.path(), octets: about.len(), written: about.modified()? });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn kept(name: &str, octets: u64, age: Duration, now: SystemTime) -> Kept {
        Kept { path: name.into(), octets, written: now - age }
    }

    #[test]
    fn the_oldest_go_first_and_what_still_grows_stays() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let all = || {
            vec![
                kept("new", 10, DAY, now),
                kept("old", 20, 40 * DAY, now),
                kept("growing", 500, Duration::from_secs(5), now),
                kept("older", 30, 50 * DAY, now),
                kept("oldest", 40, 60 * DAY, now),
            ]
        };
        let gone = |age: Option<Duration>, room| {
            that_go(all(), Rules { age, room }, now).into_iter().map(|p| p.display().to_string()).collect::<Vec<_>>()
        };
        assert!(gone(None, None).is_empty());
        assert_eq!(gone(Some(45 * DAY), None), ["oldest", "older"]);
        assert_eq!(gone(None, Some(560)), ["oldest"]);
        assert_eq!(gone(None, Some(530)), ["oldest", "older"]);
        assert_eq!(gone(Some(45 * DAY), Some(510)), ["oldest", "older", "old"]);
        assert_eq!(gone(None, Some(0)), ["oldest", "older", "old", "new"]);
    }

    #[test]
    fn files_go_with_their_empty_folders_and_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["2026/01/01/a.wav", "2026/01/02/b.mp3", "2026/01/02/notes.txt"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let rules = Rules { age: Some(DAY), room: None };
        assert_eq!(clean(dir.path(), rules, SystemTime::now()).unwrap(), 0);
        assert_eq!(clean(dir.path(), rules, SystemTime::now() + 2 * DAY).unwrap(), 2);
        assert!(!dir.path().join("2026/01/01").exists() && dir.path().join("2026/01/02/notes.txt").exists());
        assert_eq!(clean(&dir.path().join("nowhere"), rules, SystemTime::now()).unwrap(), 0);
    }
}
