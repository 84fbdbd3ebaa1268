//! Recordings that only the holder of a key can hear: AES-256-GCM in chunks, with a key per file that a master key wraps.
//!
//! ```text
//! head (77 octets): "PBSEAL01" · kind · first 8 octets of SHA-256(master key) · nonce (12) · the file's key, wrapped (32 + 16)
//! chunk 0, 1, 2 …:  8000 octets of sound and their tag (16); the last may be shorter
//! ```
//!
//! The nonce of a chunk is its number: no key but the file's own ever seals it, and nothing is sealed twice. Each chunk also
//! proves the head, so that none can be taken from one file into another. Whole chunks can be opened whatever became of the
//! rest: a crash costs what was not yet a chunk, a quarter of a second of stereo. Where sound was written as it came (PCM), a
//! WAV header that fits is put before what is read.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest;
use std::fs::File;
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What encrypted files end with, after their own suffix.
pub const SUFFIX: &str = "sealed";

const MAGIC: &[u8; 8] = b"PBSEAL01";
const KEY: usize = 32;
const TAG: usize = 16;
const KEY_ID: usize = 8;
/// What the file's key is bound to: magic, kind and master key.
const BOUND: usize = MAGIC.len() + 1 + KEY_ID;
/// Octets of the head.
pub const HEAD: usize = BOUND + NONCE_LEN + KEY + TAG;
/// Octets of sound in a chunk.
pub const CHUNK: usize = 8_000;
const SEALED: usize = CHUNK + TAG;
/// Octets of a WAV header.
const WAV_HEAD: usize = 44;

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file as it is.
    Whole,
    /// Samples of 16 bits at 8000 Hz, of so many channels.
    Pcm(u8),
}

/// The key that new files are sealed for, and those that older ones still need.
#[derive(Debug)]
pub struct MasterKeys(Vec<Master>);

#[derive(Debug)]
struct Master {
    id: [u8; KEY_ID],
    key: LessSafeKey,
}

impl MasterKeys {
    /// Reads key files: 32 octets, or 64 hexadecimal digits. Their owner alone may be able to read them.
    ///
    /// # Errors
    ///
    /// What is wrong with which file, and what to do.
    pub fn read(current: &Path, old: &[PathBuf]) -> Result<Self, String> {
        let all = std::iter::once(current).chain(old.iter().map(PathBuf::as_path));
        all.map(Master::read).collect::<Result<_, _>>().map(Self)
    }

    fn find(&self, id: &[u8]) -> Option<&Master> {
        self.0.iter().find(|master| master.id == id)
    }
}

impl Master {
    fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let help = || format!("make one by: (umask 077; head -c 32 /dev/urandom > {shown})");
        let bytes = std::fs::read(path).map_err(|e| format!("reading the key {shown}: {e}; {}", help()))?;
        let key = octets_of(&bytes).ok_or_else(|| format!("{shown} is no key of 32 octets; {}", help()))?;
        let digest = digest::digest(&digest::SHA256, &key);
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&digest.as_ref()[..KEY_ID]);
        Ok(Self { id, key: aes(&key).ok_or("AES-256-GCM is not to be had")? })
    }
}

fn octets_of(bytes: &[u8]) -> Option<[u8; KEY]> {
    if let Ok(key) = <[u8; KEY]>::try_from(bytes) {
        return Some(key);
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    if text.len() != KEY * 2 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; KEY];
    for (at, octet) in key.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(key)
}

fn aes(key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

fn nonce_of(chunk: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 8..].copy_from_slice(&chunk.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// A file that is being sealed. What is not yet a chunk waits in memory.
#[derive(Debug)]
pub struct Sealer {
    file: File,
    head: [u8; HEAD],
    key: LessSafeKey,
    chunk: u64,
    pending: Vec<u8>,
    out: Vec<u8>,
}

impl Sealer {
    /// Writes the head into an empty file.
    pub fn begin(mut file: File, masters: &MasterKeys, kind: Kind) -> io::Result<Self> {
        let master = masters.0.first().ok_or_else(|| io::Error::other("there is no master key"))?;
        let (mut key, mut nonce) = ([0; KEY], [0; NONCE_LEN]);
        getrandom::fill(&mut key).and_then(|()| getrandom::fill(&mut nonce)).map_err(io::Error::other)?;
        let mut head = [0; HEAD];
        head[..MAGIC.len()].copy_from_slice(MAGIC);
        head[MAGIC.len()] = match kind {
            Kind::Whole => 0,
            Kind::Pcm(channels) => channels,
        };
        head[MAGIC.len() + 1..BOUND].copy_from_slice(&master.id);
        let mut wrapped = key.to_vec();
        let bound = Aad::from(<[u8; BOUND]>::try_from(&head[..BOUND]).map_err(io::Error::other)?);
        let sealed = master.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut wrapped);
        sealed.map_err(|_| io::Error::other("the key of the file cannot be wrapped"))?;
        head[BOUND..BOUND + NONCE_LEN].copy_from_slice(&nonce);
        head[BOUND + NONCE_LEN..].copy_from_slice(&wrapped);
        file.write_all(&head)?;
        let key = aes(&key).ok_or_else(|| io::Error::other("AES-256-GCM is not to be had"))?;
        Ok(Self { file, head, key, chunk: 0, pending: Vec::with_capacity(CHUNK * 3), out: Vec::new() })
    }

    /// Seals the chunks that are full now, and writes them.
    pub fn write(&mut self, plain: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(plain);
        let whole = self.pending.len() / CHUNK * CHUNK;
        self.seal(whole)
    }

    /// The last chunk.
    pub fn finish(mut self) -> io::Result<File> {
        self.seal(self.pending.len())?;
        Ok(self.file)
    }

    fn seal(&mut self, octets: usize) -> io::Result<()> {
        self.out.clear();
        for chunk in self.pending[..octets].chunks(CHUNK) {
            let from = self.out.len();
            self.out.extend_from_slice(chunk);
            let (nonce, head) = (nonce_of(self.chunk), Aad::from(self.head));
            let tag = self.key.seal_in_place_separate_tag(nonce, head, &mut self.out[from..]);
            self.out.extend_from_slice(tag.map_err(|_| io::Error::other("a chunk cannot be sealed"))?.as_ref());
            self.chunk += 1;
        }
        self.pending.drain(..octets);
        self.file.write_all(&self.out)
    }
}

/// How to read a sealed file.
#[derive(Debug)]
pub struct Opener {
    head: [u8; HEAD],
    key: LessSafeKey,
    kind: Kind,
    /// Octets of sound.
    sound: u64,
}

/// Why a file cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Locked {
    /// It is no sealed file, or was damaged.
    Damaged,
    /// It was sealed for a key that is not among ours.
    NoKey,
}

impl Opener {
    /// By the head of a file that has so many octets in all.
    pub fn new(head: &[u8], octets: u64, masters: &MasterKeys) -> Result<Self, Locked> {
        let head: [u8; HEAD] = head.try_into().map_err(|_| Locked::Damaged)?;
        if &head[..MAGIC.len()] != MAGIC {
            return Err(Locked::Damaged);
        }
        let master = masters.find(&head[MAGIC.len() + 1..BOUND]).ok_or(Locked::NoKey)?;
        let nonce = Nonce::try_assume_unique_for_key(&head[BOUND..BOUND + NONCE_LEN]).map_err(|_| Locked::Damaged)?;
        let mut wrapped = head[BOUND + NONCE_LEN..].to_vec();
        let key = master.key.open_in_place(nonce, Aad::from(&head[..BOUND]), &mut wrapped);
        let key = key.ok().and_then(|key| aes(key)).ok_or(Locked::Damaged)?;
        let kind = match head[MAGIC.len()] {
            0 => Kind::Whole,
            channels @ 1..=2 => Kind::Pcm(channels),
            _ => return Err(Locked::Damaged),
        };
        let body = octets.saturating_sub(HEAD as u64);
        let last = (body % SEALED as u64).saturating_sub(TAG as u64);
        Ok(Self { head, key, kind, sound: body / SEALED as u64 * CHUNK as u64 + last })
    }

    /// Where the last chunk is that is not whole, if there is one: it may be torn.
    pub fn last(&self) -> Option<Range<u64>> {
        (!self.sound.is_multiple_of(CHUNK as u64)).then(|| self.stored(self.sound - 1..self.sound))
    }

    /// The last chunk turned out to be torn: what is before it can be read.
    pub fn forget_last(&mut self) {
        self.sound -= self.sound % CHUNK as u64;
    }

    /// Octets of what is read, header and all.
    pub fn octets(&self) -> u64 {
        self.sound + self.before()
    }

    fn before(&self) -> u64 {
        if matches!(self.kind, Kind::Pcm(_)) { WAV_HEAD as u64 } else { 0 }
    }

    /// Which octets of the stored file hold these octets of what is read; empty if they are all in the WAV header.
    pub fn needs(&self, wanted: &Range<u64>) -> Range<u64> {
        let sound =
            wanted.start.saturating_sub(self.before())..wanted.end.saturating_sub(self.before()).min(self.sound);
        if sound.is_empty() { 0..0 } else { self.stored(sound) }
    }

    /// The chunks of a stretch of sound, as they are stored.
    fn stored(&self, sound: Range<u64>) -> Range<u64> {
        let end = sound.end.div_ceil(CHUNK as u64);
        let short = (end * CHUNK as u64).saturating_sub(self.sound);
        let place = |chunk: u64| HEAD as u64 + chunk * SEALED as u64;
        place(sound.start / CHUNK as u64)..place(end) - short
    }

    /// What was wanted, out of the octets that it needs.
    pub fn open(&self, wanted: &Range<u64>, mut stored: Vec<u8>) -> Result<Vec<u8>, Locked> {
        let mut plain = Vec::with_capacity(stored.len() + WAV_HEAD);
        let header = self.wav_header();
        let cut = |at: u64| (at as usize).min(header.len());
        plain.extend_from_slice(&header[cut(wanted.start)..cut(wanted.end)]);
        let start = wanted.start.saturating_sub(header.len() as u64);
        let mut skip = (start % CHUNK as u64) as usize;
        for (chunk, sealed) in (start / CHUNK as u64..).zip(stored.chunks_mut(SEALED)) {
            let opened = self.key.open_in_place(nonce_of(chunk), Aad::from(self.head), sealed);
            let opened = opened.map_err(|_| Locked::Damaged)?;
            plain.extend_from_slice(opened.get(skip..).unwrap_or_default());
            skip = 0;
        }
        plain.truncate((wanted.end - wanted.start) as usize);
        Ok(plain)
    }

    fn wav_header(&self) -> Vec<u8> {
        let Kind::Pcm(channels) = self.kind else { return Vec::new() };
        let octets = u32::try_from(self.sound).unwrap_or(u32::MAX - WAV_HEAD as u32);
        let frame = u16::from(channels) * 2;
        let mut header = Vec::with_capacity(WAV_HEAD);
        header.extend_from_slice(b"RIFF");
        header.extend_from_slice(&(octets + WAV_HEAD as u32 - 8).to_le_bytes());
        header.extend_from_slice(b"WAVEfmt ");
        header.extend_from_slice(&16u32.to_le_bytes());
        header.extend_from_slice(&1u16.to_le_bytes());
        header.extend_from_slice(&u16::from(channels).to_le_bytes());
        header.extend_from_slice(&8_000u32.to_le_bytes());
        header.extend_from_slice(&(8_000 * u32::from(frame)).to_le_bytes());
        header.extend_from_slice(&frame.to_le_bytes());
        header.extend_from_slice(&16u16.to_le_bytes());
        header.extend_from_slice(b"data");
        header.extend_from_slice(&octets.to_le_bytes());
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(dir: &Path, name: &str, octet: u8) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, [octet; 32]).unwrap();
        path
    }

    fn sealed(dir: &Path, masters: &MasterKeys, kind: Kind, plain: &[u8]) -> Vec<u8> {
        let path = dir.join("x");
        let mut sealer = Sealer::begin(File::create(&path).unwrap(), masters, kind).unwrap();
        plain.chunks(777).for_each(|part| sealer.write(part).unwrap());
        sealer.finish().unwrap();
        std::fs::read(path).unwrap()
    }

    fn read(file: &[u8], masters: &MasterKeys, wanted: Range<u64>) -> Result<Vec<u8>, Locked> {
        let opener = Opener::new(&file[..HEAD], file.len() as u64, masters)?;
        let needs = opener.needs(&wanted);
        opener.open(&wanted, file[needs.start as usize..needs.end as usize].to_vec())
    }

    #[test]
    fn every_part_can_be_read_alone_and_nothing_of_it_stands_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let masters = MasterKeys::read(&keys(dir.path(), "key", 1), &[]).unwrap();
        let plain: Vec<u8> = (0..20_500u32).map(|n| (n / 7) as u8).collect();
        let file = sealed(dir.path(), &masters, Kind::Whole, &plain);
        assert_eq!(file.len(), HEAD + 20_500 + 3 * TAG);
        assert!(!file.windows(16).any(|part| part == &plain[4_000..4_016]));
        for wanted in [0..20_500, 0..1, 7_999..8_001, 15_999..16_000, 16_000..20_500, 20_499..20_500, 5_000..19_000] {
            let part = &plain[wanted.start as usize..wanted.end as usize];
            assert_eq!(read(&file, &masters, wanted.clone()).unwrap(), part, "{wanted:?}");
        }
        assert_ne!(file, sealed(dir.path(), &masters, Kind::Whole, &plain), "each file has a key of its own");
    }

    #[test]
    fn sound_is_read_as_a_wav_file() {
        let dir = tempfile::tempdir().unwrap();
        let masters = MasterKeys::read(&keys(dir.path(), "key", 1), &[]).unwrap();
        let samples: Vec<i16> = (0..12_000).map(|n| n as i16).collect();
        let plain: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let file = sealed(dir.path(), &masters, Kind::Pcm(2), &plain);
        let opener = Opener::new(&file[..HEAD], file.len() as u64, &masters).unwrap();
        assert_eq!(opener.octets(), 24_044);
        let wav = read(&file, &masters, 0..opener.octets()).unwrap();
        let reader = hound::WavReader::new(&wav[..]).unwrap();
        assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 8_000));
        assert_eq!(reader.into_samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), samples);
        for wanted in [0..10, 40..50, 43..44, 44..45, 8_043..8_045, 24_043..24_044] {
            let part = &wav[wanted.start as usize..wanted.end as usize];
            assert_eq!(read(&file, &masters, wanted.clone()).unwrap(), part, "{wanted:?}");
        }
    }

    #[test]
    fn a_torn_file_keeps_its_whole_chunks() {
        let dir = tempfile::tempdir().unwrap();
        let masters = MasterKeys::read(&keys(dir.path(), "key", 1), &[]).unwrap();
        let plain = vec![7; CHUNK * 3];
        let file = sealed(dir.path(), &masters, Kind::Pcm(1), &plain);
        for torn in [HEAD, HEAD + 5, HEAD + SEALED - 1, HEAD + SEALED, HEAD + SEALED * 2 + 17, file.len() - 1] {
            let file = &file[..torn];
            let mut opener = Opener::new(&file[..HEAD], torn as u64, &masters).unwrap();
            if let Some(last) = opener.last() {
                assert_eq!(last.end, torn as u64);
                let end = opener.octets();
                let stored = file[last.start as usize..].to_vec();
                assert_eq!(opener.open(&(end - 1..end), stored), Err(Locked::Damaged));
                opener.forget_last();
            }
            let whole = (torn - HEAD) / SEALED * CHUNK;
            assert_eq!(opener.octets(), (whole + WAV_HEAD) as u64, "{torn}");
            let needs = opener.needs(&(0..opener.octets()));
            let read = opener.open(&(0..opener.octets()), file[needs.start as usize..needs.end as usize].to_vec());
            assert_eq!(read.unwrap()[WAV_HEAD..], plain[..whole]);
        }
    }

    #[test]
    fn another_key_or_another_files_chunk_opens_nothing_and_an_old_key_still_does() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (keys(dir.path(), "one", 1), keys(dir.path(), "other", 2));
        let first = MasterKeys::read(&one, &[]).unwrap();
        let plain = vec![3; CHUNK * 2];
        let file = sealed(dir.path(), &first, Kind::Whole, &plain);
        let stranger = MasterKeys::read(&other, &[]).unwrap();
        assert_eq!(read(&file, &stranger, 0..5), Err(Locked::NoKey));
        let rotated = MasterKeys::read(&other, &[one]).unwrap();
        assert_eq!(read(&file, &rotated, 0..5).unwrap(), [3; 5]);
        let newer = sealed(dir.path(), &rotated, Kind::Whole, &plain);
        assert!(read(&newer, &stranger, 0..5).is_ok() && read(&newer, &first, 0..5) == Err(Locked::NoKey));
        let mut mixed = file.clone();
        mixed[HEAD..].copy_from_slice(&newer[HEAD..]);
        assert_eq!(read(&mixed, &rotated, 0..5), Err(Locked::Damaged));
        let mut swapped = file[..HEAD].to_vec();
        swapped.extend_from_slice(&file[HEAD + SEALED..]);
        swapped.extend_from_slice(&file[HEAD..HEAD + SEALED]);
        assert_eq!(read(&swapped, &first, 0..5), Err(Locked::Damaged));
        assert_eq!(Opener::new(&[0; HEAD], 100, &first).unwrap_err(), Locked::Damaged);
    }

    #[test]
    fn a_key_is_32_octets_or_their_digits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(MasterKeys::read(&path, &[]).unwrap_err().contains("head -c 32"));
        for (text, good) in [("ab".repeat(32) + "\n", true), ("ab".repeat(31), false), ("xy".repeat(32), false)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(MasterKeys::read(&path, &[]).is_ok(), good);
        }
    }
}
