//! The files of ladders: a few, each only appended to, the oldest deleted as a whole.
//!
//! A file is named by its number, `0000000001.ladders`, and begins with [`FORMAT`]. Each ladder is its call's id (16 bytes),
//! its length (4 bytes, little-endian, never 0) and its bytes. A file whose end was cut off is good up to there; every run
//! begins a new one, so that nothing ever follows such an end.

use super::Ladder;
use model::CallId;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

/// The first bytes of every file.
const FORMAT: &[u8; 8] = b"PBLADR1\n";
/// A file that is so long is followed by the next one, bytes.
const FULL: u64 = 8 << 20;
/// So is one with this part of the ladders that are to be kept: about as much more than those is kept.
const PART: u64 = 8;
/// How much room ladders may take on average, bytes; if they are longer, fewer are kept.
const AVERAGE: u64 = 16 << 10;
const HEAD: usize = 20;
const SUFFIX: &str = ".ladders";

/// All files, and what lies where in them: 24 bytes in memory per ladder.
pub(super) struct Segments {
    dir: PathBuf,
    keep: u64,
    /// Whether the folder was read.
    known: bool,
    /// The oldest first.
    list: VecDeque<Segment>,
    /// The last of the list, if it may be appended to.
    current: Option<File>,
    next: u64,
    ladders: u64,
    bytes: u64,
}

struct Segment {
    path: PathBuf,
    length: u64,
    entries: Vec<Entry>,
}

struct Entry {
    call: [u8; 16],
    /// Of the head.
    offset: u32,
    length: u32,
}

/// Where a ladder is.
pub(super) struct Place {
    path: PathBuf,
    offset: u32,
    head: [u8; HEAD],
    length: u32,
}

impl Segments {
    pub(super) fn new(dir: PathBuf, keep: u64) -> Self {
        Self { dir, keep, known: false, list: VecDeque::new(), current: None, next: 1, ladders: 0, bytes: 0 }
    }

    /// Where the ladder of a call is.
    pub(super) fn find(&mut self, call: CallId) -> io::Result<Option<Place>> {
        self.load()?;
        // People ask for few of them; a table by id would cost each call.
        Ok(self.list.iter().find_map(|segment| {
            let entry = segment.entries.iter().find(|entry| entry.call == *call.as_bytes())?;
            let head = head(call, entry.length);
            Some(Place { path: segment.path.clone(), offset: entry.offset, head, length: entry.length })
        }))
    }

    /// Appends all of them with one write, or none.
    pub(super) fn append(&mut self, batch: &[Ladder]) -> io::Result<()> {
        self.load()?;
        let mut bytes = Vec::with_capacity(batch.iter().map(|(_, ladder)| HEAD + ladder.len()).sum());
        let mut entries = Vec::with_capacity(batch.len());
        let mut file = match self.current.take() {
            Some(file) if self.list.back().is_some_and(|last| !self.is_full(last)) => file,
            _ => self.begin()?,
        };
        let Some(segment) = self.list.back_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        for (call, ladder) in batch {
            let place = u32::try_from(segment.length + bytes.len() as u64).ok().zip(u32::try_from(ladder.len()).ok());
            let Some((offset, length)) = place else { return Err(io::ErrorKind::FileTooLarge.into()) };
            entries.push(Entry { call: *call.as_bytes(), offset, length });
            bytes.extend_from_slice(&head(*call, length));
            bytes.extend_from_slice(ladder);
        }
        if let Err(e) = file.write_all(&bytes) {
            // What was written of it goes; if it does not go, nothing may follow it.
            if file.set_len(segment.length).is_ok() {
                self.current = Some(file);
            }
            return Err(e);
        }
        segment.length += bytes.len() as u64;
        segment.entries.append(&mut entries);
        self.bytes += bytes.len() as u64;
        self.ladders += batch.len() as u64;
        self.current = Some(file);
        self.delete_old();
        Ok(())
    }

    fn is_full(&self, segment: &Segment) -> bool {
        segment.length >= FULL || segment.entries.len() as u64 >= (self.keep / PART).max(1)
    }

    /// Begins the next file.
    fn begin(&mut self) -> io::Result<File> {
        fs::create_dir_all(&self.dir)?;
        let path = self.dir.join(format!("{:010}{SUFFIX}", self.next));
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        if let Err(e) = file.write_all(FORMAT) {
            let _ = fs::remove_file(&path);
            return Err(e);
        }
        self.next += 1;
        self.list.push_back(Segment { path, length: FORMAT.len() as u64, entries: Vec::new() });
        self.bytes += FORMAT.len() as u64;
        Ok(file)
    }

    /// Deletes the oldest files while the others have enough.
    fn delete_old(&mut self) {
        while let Some(oldest) = self.list.front() {
            let enough = self.ladders - oldest.entries.len() as u64 >= self.keep;
            let too_long = self.bytes > self.keep * AVERAGE + FULL && self.list.len() > 1;
            if !enough && !too_long {
                break;
            }
            if let Err(error) = fs::remove_file(&oldest.path) {
                // It is found again by the next run.
                tracing::debug!(%error, path = %oldest.path.display(), "deleting old ladders");
            }
            self.bytes -= oldest.length;
            self.ladders -= oldest.entries.len() as u64;
            self.list.pop_front();
            if self.list.is_empty() {
                self.current = None;
            }
        }
    }

    /// Reads what earlier runs left, the first time.
    fn load(&mut self) -> io::Result<()> {
        if self.known {
            return Ok(());
        }
        let mut found = Vec::new();
        match fs::read_dir(&self.dir) {
            Ok(entries) => {
                for entry in entries {
                    let path = entry?.path();
                    let name = path.file_name().and_then(|name| name.to_str());
                    let number = name.and_then(|name| name.strip_suffix(SUFFIX)?.parse::<u64>().ok());
                    found.extend(number.map(|number| (number, path)));
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        found.sort_unstable();
        for (number, path) in found {
            self.next = self.next.max(number.saturating_add(1));
            match Segment::read(path.clone()) {
                Ok(segment) => {
                    self.bytes += segment.length;
                    self.ladders += segment.entries.len() as u64;
                    self.list.push_back(segment);
                }
                Err(error) => tracing::warn!(%error, path = %path.display(), "these ladders cannot be read"),
            }
        }
        self.known = true;
        self.delete_old();
        Ok(())
    }
}

impl Segment {
    /// Reads the heads in a file.
    fn read(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let end = file.metadata()?.len();
        let mut format = [0; FORMAT.len()];
        file.read_exact_at(&mut format, 0)?;
        if format != *FORMAT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a file of ladders"));
        }
        let mut at = FORMAT.len() as u64;
        let mut entries = Vec::new();
        while at + (HEAD as u64) < end {
            let mut head = [0; HEAD];
            file.read_exact_at(&mut head, at)?;
            let (call, length) = head.split_first_chunk::<16>().ok_or(io::ErrorKind::InvalidData)?;
            let length = u32::from_le_bytes(length.try_into().map_err(|_| io::ErrorKind::InvalidData)?);
            let next = at + HEAD as u64 + u64::from(length);
            let Some(offset) = u32::try_from(at).ok().filter(|_| length > 0 && next <= end) else { break };
            entries.push(Entry { call: *call, offset, length });
            at = next;
        }
        entries.shrink_to_fit();
        Ok(Self { path, length: end, entries })
    }
}

impl Place {
    /// The ladder; `None` if it was deleted meanwhile, or something else lies there.
    pub(super) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut bytes = vec![0; HEAD + self.length as usize];
        file.read_exact_at(&mut bytes, self.offset.into())?;
        if !bytes.starts_with(&self.head) {
            return Ok(None);
        }
        bytes.drain(..HEAD);
        Ok(Some(bytes))
    }
}

fn head(call: CallId, length: u32) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..16].copy_from_slice(call.as_bytes());
    head[16..].copy_from_slice(&length.to_le_bytes());
    head
}
