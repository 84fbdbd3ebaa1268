//! The thread that writes recordings: stereo or one channel, 16 bit, 8000 Hz, playable at any moment up to a second ago.
//!
//! Workers put pages into one bounded ring and go on. When the disk is too slow and the ring is full, the page is lost, the
//! recording is given up and its record says so; no call waits for a disk.

pub mod archive;
pub mod convert;
mod file;
pub mod objects;
pub mod retain;
pub mod seal;
pub mod upload;

use crate::worker::Inbox;
use api::EventBus;
use cell::RecordingKey;
use crossbeam_queue::ArrayQueue;
use file::WavFile;
use media::engine::Page;
use model::{Event, EventBody};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::{info, warn};

/// Pages that may wait: half a second of 2 000 recordings.
pub const RING: usize = 2048;

/// How often the free space is looked at while something is recorded.
const SPACE_EVERY: Duration = Duration::from_secs(5);

/// A file that is to be begun.
#[derive(Debug)]
pub struct Opened {
    /// Below the folder.
    pub path: String,
    /// One channel, not two.
    pub mixed: bool,
    /// The frame of the recording with which it begins; an earlier file of the recording is complete then.
    pub from: u64,
}

#[derive(Debug)]
enum Job {
    Open(RecordingKey, Opened),
    Page(RecordingKey, Page),
    Close(RecordingKey),
}

/// What the thread has done, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderFigures {
    /// Recordings open now.
    pub open: u64,
    /// Pages that wait.
    pub backlog: u64,
    /// Octets of sound written.
    pub octets: u64,
    /// Recordings that failed.
    pub failed: u64,
    /// The disk has too little room: nothing is recorded.
    pub low: bool,
}

#[derive(Debug, Default)]
struct Shared {
    open: AtomicU64,
    octets: AtomicU64,
    failed: AtomicU64,
    low: AtomicBool,
    stop: AtomicBool,
}

/// The workers' end of the thread. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Recorder {
    ring: Arc<ArrayQueue<Job>>,
    shared: Arc<Shared>,
    thread: Thread,
}

/// Where recordings go.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder.
    pub dir: PathBuf,
    /// Free space below which nothing is recorded, octets.
    pub min_free: u64,
    /// With what files are encrypted; `None`: they are not.
    pub masters: Option<Arc<seal::MasterKeys>>,
    /// Who is told that the disk is full, or no longer.
    pub events: EventBus,
}

/// Starts the thread. It ends after [`Recorder::stop`].
pub fn start(settings: Settings, inboxes: Arc<[Inbox]>) -> std::io::Result<(Recorder, JoinHandle<()>)> {
    let ring = Arc::new(ArrayQueue::new(RING));
    let shared = Arc::new(Shared::default());
    let mut writer = Writer {
        settings,
        inboxes,
        ring: Arc::clone(&ring),
        shared: Arc::clone(&shared),
        files: BTreeMap::new(),
        space: Space::default(),
        told: None,
    };
    let handle = std::thread::Builder::new().name("recordings".to_owned()).spawn(move || writer.run())?;
    let thread = handle.thread().clone();
    Ok((Recorder { ring, shared, thread }, handle))
}

impl Recorder {
    /// Begins a recording, or another file of it. False: the ring is full, and the recording has failed.
    pub fn open(&self, recording: RecordingKey, file: Opened) -> bool {
        self.put(Job::Open(recording, file)).is_ok()
    }

    /// More sound. False: the ring is full, the page is lost, and the recording has failed.
    pub fn page(&self, recording: RecordingKey, page: Page) -> bool {
        self.put(Job::Page(recording, page)).is_ok()
    }

    /// The recording is complete. False: the ring is full; try again.
    pub fn close(&self, recording: RecordingKey) -> bool {
        self.put(Job::Close(recording)).is_ok()
    }

    /// Write everything that waits, complete all headers, end.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// What was done so far.
    pub fn figures(&self) -> RecorderFigures {
        RecorderFigures {
            open: self.shared.open.load(Ordering::Relaxed),
            backlog: self.ring.len() as u64,
            octets: self.shared.octets.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            low: self.shared.low.load(Ordering::Relaxed),
        }
    }

    fn put(&self, job: Job) -> Result<(), Job> {
        self.ring.push(job)?;
        self.thread.unpark();
        Ok(())
    }
}

struct Writer {
    settings: Settings,
    inboxes: Arc<[Inbox]>,
    ring: Arc<ArrayQueue<Job>>,
    shared: Arc<Shared>,
    /// `None`: failed; what still comes for it is thrown away.
    files: BTreeMap<RecordingKey, Option<WavFile>>,
    space: Space,
    /// When trouble with the disk was last logged.
    told: Option<Instant>,
}

impl Writer {
    fn run(&mut self) {
        loop {
            while let Some(job) = self.ring.pop() {
                self.handle(job, Instant::now());
            }
            if self.shared.stop.load(Ordering::Acquire) && self.ring.is_empty() {
                break;
            }
            if self.space.short {
                // Nobody may come while nothing is recorded: when there is room again is found out here.
                std::thread::park_timeout(SPACE_EVERY);
                let _ = self.space.enough(&self.settings, Instant::now());
                self.shared.low.store(self.space.short, Ordering::Relaxed);
            } else {
                std::thread::park();
            }
        }
        for (_, file) in std::mem::take(&mut self.files) {
            if let Some(Err(e)) = file.map(WavFile::finish) {
                warn!("completing a recording at the end: {e}");
            }
        }
    }

    fn handle(&mut self, job: Job, now: Instant) {
        match job {
            Job::Open(recording, file) => {
                // One that failed is over, whatever comes after.
                if matches!(self.files.get(&recording), Some(None)) {
                    return;
                }
                let before = self.files.remove(&recording).flatten().map_or(Ok(()), WavFile::finish);
                let room = before.and_then(|()| self.space.enough(&self.settings, now));
                match room.and_then(|()| WavFile::create(&self.settings, &file, now)) {
                    Ok(file) => {
                        self.files.insert(recording, Some(file));
                    }
                    Err(e) => {
                        self.files.insert(recording, None);
                        self.fail(recording, &e, now);
                    }
                }
            }
            Job::Page(recording, page) => {
                if let Err(e) = self.space.enough(&self.settings, now) {
                    self.fail_all(&e, now);
                }
                if let Some(Some(file)) = self.files.get_mut(&recording) {
                    match file.write(page.at(), page.samples(), now) {
                        Ok(octets) => {
                            self.shared.octets.fetch_add(octets, Ordering::Relaxed);
                        }
                        Err(e) => {
                            self.files.insert(recording, None);
                            self.fail(recording, &e, now);
                        }
                    }
                }
                if let Some(inbox) = self.inboxes.get(usize::from(recording.cell)) {
                    inbox.put_page(recording, page);
                }
            }
            Job::Close(recording) => {
                if let Some(Some(file)) = self.files.remove(&recording)
                    && let Err(e) = file.finish()
                {
                    self.fail(recording, &e, now);
                }
            }
        }
        self.shared.open.store(self.files.len() as u64, Ordering::Relaxed);
        self.shared.low.store(self.space.short, Ordering::Relaxed);
    }

    fn fail_all(&mut self, why: &std::io::Error, now: Instant) {
        let running: Vec<RecordingKey> = self.files.iter().filter(|(_, f)| f.is_some()).map(|(k, _)| *k).collect();
        for recording in running {
            if let Some(Some(file)) = self.files.insert(recording, None) {
                // What was written stays playable.
                drop(file.finish());
            }
            self.fail(recording, why, now);
        }
    }

    fn fail(&mut self, recording: RecordingKey, why: &std::io::Error, now: Instant) {
        self.shared.failed.fetch_add(1, Ordering::Relaxed);
        if self.told.is_none_or(|at| now.duration_since(at) >= Duration::from_secs(60)) {
            self.told = Some(now);
            let dir = self.settings.dir.display();
            warn!(%dir, "recording stopped, the call goes on: {why}; make room or correct the folder");
        }
        if let Some(inbox) = self.inboxes.get(usize::from(recording.cell)) {
            inbox.put_failure(recording, why.to_string());
        }
    }
}

/// How much room the disk has, looked at now and then.
#[derive(Default)]
struct Space {
    looked: Option<Instant>,
    short: bool,
}

impl Space {
    fn enough(&mut self, settings: &Settings, now: Instant) -> std::io::Result<()> {
        if self.looked.is_none_or(|at| now.duration_since(at) >= SPACE_EVERY) {
            self.looked = Some(now);
            let free = free_space(&settings.dir);
            let short = free.is_some_and(|free| free < settings.min_free);
            if self.short && !short {
                info!("the disk has room again: new calls are recorded");
            }
            if std::mem::replace(&mut self.short, short) != short {
                let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
                let body = EventBody::DiskLow { low: short, free_mb: free.unwrap_or_default() >> 20 };
                settings.events.put(Event { at, body });
            }
        }
        if self.short {
            let text = format!("the disk has less than {} MB of room", settings.min_free >> 20);
            return Err(std::io::Error::new(std::io::ErrorKind::StorageFull, text));
        }
        Ok(())
    }
}

/// Room for unprivileged programs on the disk of a folder (or of the nearest one above it that exists).
pub fn free_space(dir: &Path) -> Option<u64> {
    dir.ancestors().find_map(|dir| {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        let stat = rustix::fs::statvfs(dir).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    })
}

#[cfg(test)]
mod tests;
