//! Recordings as they are read: out of the folder or out of a store of objects, decrypted where they are encrypted.

use super::objects::Objects;
use super::seal::{self, HEAD, Locked, MasterKeys, Opener};
use api::{Later, Recording, RecordingTrouble, Recordings};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// What a recording may have become after the call.
const SUFFIXES: [&str; 3] = ["wav", "mp3", "opus"];

/// Where recordings are found that are no plain files any more.
#[derive(Clone, Debug)]
pub struct Archive {
    /// The folder.
    pub folder: PathBuf,
    /// With what they are decrypted.
    pub masters: Option<Arc<MasterKeys>>,
    /// Where they are put after the call.
    pub objects: Option<Objects>,
}

/// Octets, wherever they are.
#[derive(Debug)]
enum Source {
    File(Arc<File>),
    Object(Box<Objects>, String),
}

impl Source {
    async fn read(&self, part: Range<u64>) -> io::Result<Vec<u8>> {
        if part.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Source::File(file) => {
                let file = Arc::clone(file);
                let read = move || {
                    let mut octets = vec![0; (part.end - part.start) as usize];
                    file.read_exact_at(&mut octets, part.start).map(|()| octets)
                };
                tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
            }
            Source::Object(objects, name) => {
                let expected = part.end - part.start;
                let read = objects.read(name, part).await.map_err(io::Error::other)?;
                let (octets, _) = read.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
                if octets.len() as u64 == expected {
                    return Ok(octets.into());
                }
                Err(io::Error::other("the store sent less than was asked for"))
            }
        }
    }
}

/// A recording that was found.
#[derive(Debug)]
struct Found {
    source: Source,
    octets: u64,
    opener: Option<Opener>,
    suffix: &'static str,
}

impl Recording for Found {
    fn octets(&self) -> u64 {
        self.octets
    }

    fn suffix(&self) -> &str {
        self.suffix
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> Later<'static, io::Result<Vec<u8>>> {
        Box::pin(async move {
            let Some(opener) = &self.opener else { return self.source.read(range).await };
            let stored = self.source.read(opener.needs(&range)).await?;
            opener.open(&range, stored).map_err(|_| io::Error::other("a recording is damaged"))
        })
    }
}

impl Recordings for Archive {
    fn remove<'a>(&'a self, path: &'a str) -> Later<'a, ()> {
        Box::pin(Self::remove(self, path))
    }

    fn find<'a>(&'a self, path: &'a str) -> Later<'a, Result<Arc<dyn Recording>, RecordingTrouble>> {
        Box::pin(async move {
            let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
            let Some(stem) = path.strip_suffix(".wav").filter(|_| plain) else {
                return Err(RecordingTrouble::Missing);
            };
            for suffix in SUFFIXES {
                let name = format!("{stem}.{suffix}.{}", seal::SUFFIX);
                if let Some(file) = self.local(&name).await {
                    let octets = file.metadata().map_err(|e| unreachable(&e))?.len();
                    return self.found(Source::File(Arc::new(file)), octets, suffix, true).await;
                }
            }
            let Some(objects) = &self.objects else { return Err(RecordingTrouble::Missing) };
            for (suffix, sealed) in SUFFIXES.into_iter().flat_map(|suffix| [(suffix, false), (suffix, true)]) {
                let end = if sealed { format!(".{}", seal::SUFFIX) } else { String::new() };
                let name = format!("{stem}.{suffix}{end}");
                let head = objects.read(&name, 0..1).await;
                let head = head.map_err(|e| RecordingTrouble::Unreachable(e.to_string()))?;
                if let Some((_, octets)) = head {
                    return self.found(Source::Object(Box::new(objects.clone()), name), octets, suffix, sealed).await;
                }
            }
            Err(RecordingTrouble::Missing)
        })
    }
}

impl Archive {
    /// Removes a recording from the folder, whatever it has become there. What is in a store of objects already stays until that
    /// lets it go.
    pub async fn remove(&self, path: &str) {
        let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let Some(stem) = path.strip_suffix(".wav").filter(|_| plain) else { return };
        for suffix in SUFFIXES {
            for end in [String::new(), format!(".{}", seal::SUFFIX)] {
                // Of all these there is one at most.
                drop(tokio::fs::remove_file(self.folder.join(format!("{stem}.{suffix}{end}"))).await);
            }
        }
    }

    /// A file below the folder; no link leads out of it.
    async fn local(&self, name: &str) -> Option<File> {
        let (folder, path) = (self.folder.clone(), self.folder.join(name));
        let open = move || {
            let path =
                path.canonicalize().ok().filter(|path| folder.canonicalize().is_ok_and(|at| path.starts_with(at)))?;
            File::open(path).ok()
        };
        tokio::task::spawn_blocking(open).await.ok().flatten()
    }

    async fn found(
        &self,
        source: Source,
        octets: u64,
        suffix: &'static str,
        sealed: bool,
    ) -> Result<Arc<dyn Recording>, RecordingTrouble> {
        if !sealed {
            return Ok(Arc::new(Found { source, octets, opener: None, suffix }));
        }
        let masters = self.masters.as_ref().ok_or(RecordingTrouble::NoKey)?;
        let head = source.read(0..octets.min(HEAD as u64)).await.map_err(|e| unreachable(&e))?;
        let mut opener = Opener::new(&head, octets, masters).map_err(|locked| match locked {
            Locked::NoKey => RecordingTrouble::NoKey,
            Locked::Damaged => RecordingTrouble::Unreachable("the recording is damaged".to_owned()),
        })?;
        if let Some(last) = opener.last() {
            let stored = source.read(last).await.map_err(|e| unreachable(&e))?;
            let end = opener.octets();
            if opener.open(&(end - 1..end), stored).is_err() {
                opener.forget_last();
            }
        }
        Ok(Arc::new(Found { source, octets: opener.octets(), opener: Some(opener), suffix }))
    }
}

fn unreachable(e: &io::Error) -> RecordingTrouble {
    RecordingTrouble::Unreachable(e.to_string())
}
