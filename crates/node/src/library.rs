//! The prompts on the disk, and those that were played of late in memory.
//!
//! Workers ask by [`Library::load`]; files are read and decoded on the threads for blocking work, never on a worker.

use crate::music;
use crate::speech::Engine;
use crate::worker::Inbox;
use cell::{Clips, LoadFailure};
use media::clip::{Clip, Kind, PREPARED, SUFFIXES};
use model::{Item, is_prompt_name};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tracing::{info, warn};

/// Octets of sound that are kept in memory; what was played longest ago goes first.
const MEMORY: usize = 256 << 20;

/// Lists that are loaded at one time, of all workers; more wait.
const UNDER_WAY: usize = 8;

/// Prompts that a folder may hold; one more is refused.
const MAX_PROMPTS: usize = 10_000;

/// Loads prompts for the workers. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Library {
    handle: Handle,
    inboxes: Arc<[Inbox]>,
    shelf: Shelf,
    speech: Engine,
    room: Arc<Semaphore>,
}

/// Speaks a text with a voice, so fast in percent.
type Speak = dyn Fn(&str, &str, u16) -> io::Result<Clip>;

/// The folder, and what is in memory of it.
#[derive(Clone, Debug)]
pub struct Shelf(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    clips: BTreeMap<Item, Kept>,
    octets: usize,
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    clip: Arc<Clip>,
    /// Of the file when it was read.
    changed: Option<SystemTime>,
    octets: usize,
    used: u64,
}

impl Library {
    /// Over a folder, which need not exist.
    pub fn new(handle: Handle, folder: PathBuf, speech: Engine, inboxes: Arc<[Inbox]>) -> Self {
        Self { handle, inboxes, shelf: Shelf::new(folder), speech, room: Arc::new(Semaphore::new(UNDER_WAY)) }
    }

    /// What the API sees of it.
    pub fn shelf(&self) -> Shelf {
        self.shelf.clone()
    }

    /// Fetches what a worker wants to play; the answer goes into its inbox.
    pub fn load(&self, worker: u16, ticket: u64, items: Vec<Item>) {
        let (library, room) = (self.clone(), Arc::clone(&self.room));
        self.handle.spawn(async move {
            let permit = room.acquire_owned().await;
            let (shelf, speech, handle) = (library.shelf.clone(), library.speech.clone(), library.handle.clone());
            let speak = move |text: &str, voice: &str, speed| speech.speak(text, voice, speed, &handle);
            let loaded = tokio::task::spawn_blocking(move || shelf.get(&items, &speak)).await;
            let clips = loaded.unwrap_or(Err(LoadFailure::Busy));
            if let Some(inbox) = library.inboxes.get(usize::from(worker)) {
                inbox.put_loaded(ticket, clips.clone());
            }
            drop(permit);
            // Who plays it next costs no encoding.
            if let Ok(clips) = clips {
                let prepare = move || clips.iter().for_each(|clip| PREPARED.iter().for_each(|c| clip.prepare(*c)));
                drop(tokio::task::spawn_blocking(prepare).await);
            }
        });
    }
}

impl Shelf {
    /// Over a folder, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self(Arc::new(Inner { folder, memory: Mutex::new(Memory::default()) }))
    }

    /// All of these, or none.
    fn get(&self, items: &[Item], speak: &Speak) -> Result<Clips, LoadFailure> {
        let one = |item: &Item| match item {
            Item::Prompt(name) => self.prompt(item, name),
            Item::Text { text, voice, speed } => self.text(item, || speak(text, voice, *speed)),
            // The cell has made prompts of them.
            Item::Spoken { .. } => Err(LoadFailure::NoSuchPrompt),
        };
        items.iter().map(one).collect()
    }

    /// A text, spoken once for all who hear it with the same voice and speed.
    fn text(&self, item: &Item, speak: impl FnOnce() -> io::Result<Clip>) -> Result<Arc<Clip>, LoadFailure> {
        if let Some(clip) = self.memory(|memory| memory.get(item, None)) {
            return Ok(clip);
        }
        let clip = Arc::new(speak().map_err(|e| {
            warn!("a text cannot be spoken: {e}");
            if e.kind() == io::ErrorKind::InvalidInput { LoadFailure::NoSuchPrompt } else { LoadFailure::Busy }
        })?);
        info!(length = ?clip.duration(), "a text was spoken");
        self.memory(|memory| memory.put(item.clone(), Arc::clone(&clip), None));
        Ok(clip)
    }

    fn prompt(&self, item: &Item, name: &str) -> Result<Arc<Clip>, LoadFailure> {
        let path = self.find(name).ok_or(LoadFailure::NoSuchPrompt)?;
        let changed = std::fs::metadata(&path).and_then(|file| file.modified()).ok();
        if let Some(clip) = self.memory(|memory| memory.get(item, changed)) {
            return Ok(clip);
        }
        let clip = music::read(&path).map_err(|e| {
            warn!(file = %path.display(), "a prompt cannot be played: {e}");
            LoadFailure::NoSuchPrompt
        })?;
        let clip = Arc::new(clip);
        self.memory(|memory| memory.put(item.clone(), Arc::clone(&clip), changed));
        Ok(clip)
    }

    /// The file of a name, whatever its suffix.
    fn find(&self, name: &str) -> Option<PathBuf> {
        if !is_prompt_name(name) {
            return None;
        }
        SUFFIXES.iter().map(|suffix| self.path(name, suffix)).find(|path| path.is_file())
    }

    fn path(&self, name: &str, suffix: &str) -> PathBuf {
        self.0.folder.join(format!("{name}.{suffix}"))
    }

    fn memory<T>(&self, what: impl FnOnce(&mut Memory) -> T) -> T {
        what(&mut self.0.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Memory {
    fn get(&mut self, item: &Item, changed: Option<SystemTime>) -> Option<Arc<Clip>> {
        self.clock += 1;
        let kept = self.clips.get_mut(item).filter(|kept| kept.changed == changed)?;
        kept.used = self.clock;
        Some(Arc::clone(&kept.clip))
    }

    fn put(&mut self, item: Item, clip: Arc<Clip>, changed: Option<SystemTime>) {
        // In all codecs it takes about twice its samples.
        let octets = clip.octets() * 2;
        self.clock += 1;
        let kept = Kept { clip, changed, octets, used: self.clock };
        self.octets += octets;
        self.octets -= self.clips.insert(item, kept).map_or(0, |old| old.octets);
        while self.octets > MEMORY && self.clips.len() > 1 {
            let oldest = self.clips.iter().min_by_key(|(_, kept)| kept.used).map(|(item, _)| item.clone());
            let Some(gone) = oldest.and_then(|item| self.clips.remove(&item)) else { return };
            self.octets -= gone.octets;
        }
    }
}

impl api::Prompts for Shelf {
    fn list(&self) -> io::Result<Vec<api::PromptInfo>> {
        let mut found = Vec::new();
        walk(&self.0.folder, "", &mut found)?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn put(&self, name: &str, data: &[u8]) -> Result<api::PromptInfo, api::PromptRefusal> {
        if !is_prompt_name(name) {
            return Err(api::PromptRefusal::Name);
        }
        let kind = Kind::sniff(data).ok_or(api::PromptRefusal::Sound("WAV or MP3 is expected".to_owned()))?;
        let clip = Clip::decode(kind, data).map_err(|e| api::PromptRefusal::Sound(e.to_string()))?;
        let old = self.find(name);
        if old.is_none() && api::Prompts::list(self)?.len() >= MAX_PROMPTS {
            return Err(api::PromptRefusal::Full);
        }
        let path = self.path(name, kind.suffix());
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        // Whoever reads it meanwhile has the old one or the new one.
        let fresh = path.with_extension("part");
        std::fs::write(&fresh, data)?;
        std::fs::rename(&fresh, &path)?;
        if let Some(old) = old.filter(|old| *old != path) {
            std::fs::remove_file(old)?;
        }
        Ok(api::PromptInfo {
            name: name.to_owned(),
            format: kind.suffix().to_owned(),
            octets: data.len() as u64,
            length_ms: Some(clip.duration().as_millis() as u64),
        })
    }

    fn remove(&self, name: &str) -> io::Result<bool> {
        let Some(path) = self.find(name) else { return Ok(false) };
        std::fs::remove_file(path)?;
        Ok(true)
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        self.find(name)
    }
}

/// The sound files below a folder, by their names.
fn walk(folder: &Path, prefix: &str, found: &mut Vec<api::PromptInfo>) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        let Some(file) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let kind = entry.file_type()?;
        let name = format!("{prefix}{file}");
        if kind.is_dir() && is_prompt_name(&name) {
            walk(&entry.path(), &format!("{name}/"), found)?;
        } else if let Some((name, suffix)) = name.rsplit_once('.')
            && kind.is_file()
            && SUFFIXES.contains(&suffix)
            && is_prompt_name(name)
        {
            let octets = entry.metadata()?.len();
            let (name, format) = (name.to_owned(), suffix.to_owned());
            found.push(api::PromptInfo { name, format, octets, length_ms: None });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Prompts as _;

    fn wav(samples: usize) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
        (0..samples).for_each(|i| writer.write_sample((i % 100) as i16).unwrap());
        writer.finalize().unwrap();
        file.into_inner()
    }

    fn mute(_: &str, _: &str, _: u16) -> io::Result<Clip> {
        Err(io::Error::other("there is no engine"))
    }

    #[test]
    fn a_text_is_spoken_once_for_all_who_hear_it_alike() {
        let shelf = Shelf::new("/nowhere".into());
        let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let speak = move |text: &str, _: &str, _: u16| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(Clip::from(vec![1i16; text.len() * 800]))
        };
        let text = |text: &str, speed| Item::Text { text: text.to_owned(), voice: String::new(), speed };
        for _ in 0..3 {
            assert_eq!(shelf.get(&[text("abc", 100), text("abcd", 100)], &speak).unwrap().len(), 2);
        }
        assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 2);
        shelf.get(&[text("abc", 80)], &speak).unwrap();
        assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 3);
        assert_eq!(shelf.get(&[text("other", 100)], &mute).unwrap_err(), LoadFailure::Busy);
    }

    fn prompt(name: &str) -> Item {
        Item::Prompt(name.to_owned())
    }

    #[test]
    fn prompts_are_put_listed_played_replaced_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(dir.path().join("prompts"));
        assert_eq!(shelf.list().unwrap(), []);
        assert_eq!(shelf.get(&[prompt("a")], &mute).unwrap_err(), LoadFailure::NoSuchPrompt);
        shelf.put("zh/a", &wav(8_000)).unwrap();
        shelf.put("b", &wav(16_000)).unwrap();
        let names: Vec<String> = shelf.list().unwrap().into_iter().map(|p| p.name).collect();
        assert_eq!(names, ["b", "zh/a"]);
        let clips = shelf.get(&[prompt("b"), prompt("zh/a"), prompt("b")], &mute).unwrap();
        assert!(Arc::ptr_eq(&clips[0], &clips[2]), "read once");
        assert_eq!(clips.iter().map(|c| c.duration().as_secs()).collect::<Vec<_>>(), [2, 1, 2]);
        shelf.put("b", &wav(24_000)).unwrap();
        assert_eq!(shelf.get(&[prompt("b")], &mute).unwrap()[0].duration().as_secs(), 3);
        assert!(shelf.remove("b").unwrap() && !shelf.remove("b").unwrap());
        assert!(shelf.get(&[prompt("zh/a"), prompt("b")], &mute).is_err());
        assert!(shelf.file("zh/a").unwrap().ends_with("zh/a.wav"));
    }

    #[test]
    fn what_is_no_sound_and_what_leads_elsewhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(dir.path().to_owned());
        assert!(matches!(shelf.put("../a", &wav(8)), Err(api::PromptRefusal::Name)));
        assert!(matches!(shelf.put("a", b"hello"), Err(api::PromptRefusal::Sound(_))));
        assert!(matches!(shelf.put("a", &wav(0)), Err(api::PromptRefusal::Sound(why)) if why.contains("no sound")));
        std::fs::write(dir.path().join("bad.wav"), "RIFF").unwrap();
        assert_eq!(shelf.get(&[prompt("bad")], &mute).unwrap_err(), LoadFailure::NoSuchPrompt);
        assert!(shelf.file("../bad").is_none());
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_was_used_last() {
        let mut memory = Memory::default();
        let clip = || Arc::new(Clip::from(vec![0i16; 4 << 20]));
        for n in 0..40 {
            memory.put(prompt(&n.to_string()), clip(), None);
            assert!(memory.get(&prompt("0"), None).is_some() && memory.octets <= MEMORY);
        }
        assert!(memory.get(&prompt("1"), None).is_none() && memory.get(&prompt("39"), None).is_some());
    }
}
