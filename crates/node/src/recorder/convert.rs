//! After the call: recordings become MP3 by way of `lame`, or Opus in Ogg by our own means.
//!
//! The folder itself is the list of what is still to be done, so nothing is forgotten over a crash: whatever WAV has not been
//! written to for a while is converted, and goes when its successor is whole. A call's record keeps the name it had; who asks
//! for it gets what stands in its place.

use super::seal::{self, Kind, MasterKeys, Opener, Sealer};
use std::collections::BTreeSet;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io};
use tracing::{debug, info, warn};

/// How often the folder is looked through.
const EVERY: Duration = Duration::from_secs(60);

/// A recording is over when nothing has been written to it for so long: its header is renewed each second.
const QUIET: Duration = Duration::from_secs(30);

/// Folders below the folder of recordings that are looked into.
const DEPTH: usize = 8;

/// Octets that are decrypted, or taken from lame, at one time.
const PIECE: usize = 128 << 10;

/// What recordings become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// MPEG layer III, 32 kbit/s and channel.
    Mp3,
    /// Opus (RFC 7845), 24 kbit/s and channel.
    Opus,
}

impl Format {
    /// Of its files.
    pub fn suffix(self) -> &'static str {
        match self {
            Format::Mp3 => "mp3",
            Format::Opus => "opus",
        }
    }
}

/// Converts what is over, as long as the program runs. Without the program that is needed it says so once, and leaves all as it is.
pub async fn run(folder: PathBuf, format: Format, masters: Option<Arc<MasterKeys>>) {
    if format == Format::Mp3 && !has_lame() {
        warn!(
            "recordings stay WAV: there is no program \"lame\" ([recording] format = \"mp3\"); install it and start again"
        );
        return;
    }
    // What failed once fails again.
    let mut failed = BTreeSet::new();
    loop {
        let (list, known) = (folder.clone(), failed.clone());
        let found = tokio::task::spawn_blocking(move || waiting(&list, &known, SystemTime::now())).await;
        for path in found.ok().and_then(Result::ok).unwrap_or_default() {
            let (file, masters) = (path.clone(), masters.clone());
            match tokio::task::spawn_blocking(move || convert(&file, format, masters.as_deref())).await {
                Ok(Ok(())) => debug!(file = %path.display(), "a recording was converted"),
                Ok(Err(e)) => {
                    warn!(file = %path.display(), "a recording stays as it is: {e}");
                    failed.insert(path);
                }
                Err(e) => warn!("converting recordings: {e}"),
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn has_lame() -> bool {
    let mut version = Command::new("lame");
    version.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// The WAV files that are over, encrypted ones among them.
fn waiting(folder: &Path, failed: &BTreeSet<PathBuf>, now: SystemTime) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(folder, DEPTH, &mut |path, written| {
        let over = now.duration_since(written).is_ok_and(|quiet| quiet >= QUIET);
        if over && stem(&path).is_some() && !failed.contains(&path) {
            found.push(path);
        }
    })?;
    found.sort();
    Ok(found)
}

/// A WAV file's path without its suffixes, and whether it is encrypted.
fn stem(path: &Path) -> Option<(PathBuf, bool)> {
    let is = |path: &Path, suffix: &str| path.extension().is_some_and(|found| found == suffix);
    let sealed = is(path, seal::SUFFIX);
    let wav = if sealed { path.with_extension("") } else { path.to_owned() };
    is(&wav, "wav").then(|| (wav.with_extension(""), sealed))
}

pub(super) fn walk(folder: &Path, depth: usize, each: &mut impl FnMut(PathBuf, SystemTime)) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            walk(&entry.path(), depth - 1, each)?;
        } else if kind.is_file() {
            each(entry.path(), entry.metadata()?.modified()?);
        }
    }
    Ok(())
}

/// Makes the successor beside the file, whole or not at all, and removes the file. Of what is encrypted nothing stands on the
/// disk in the clear meanwhile.
fn convert(path: &Path, format: Format, masters: Option<&MasterKeys>) -> io::Result<()> {
    let (stem, sealed) = stem(path).ok_or_else(|| io::Error::other("it is no WAV file"))?;
    let with = |suffix: &str| {
        let mut path = stem.clone();
        path.as_mut_os_string().push(format!(".{suffix}"));
        path
    };
    let (mut to, part) = (with(format.suffix()), with("part"));
    let written = fs::metadata(path)?.modified()?;
    if sealed {
        to = with(&format!("{}.{}", format.suffix(), seal::SUFFIX));
        let masters = masters.ok_or_else(|| io::Error::other("it is encrypted, and there is no key"))?;
        let wav = Sealed::open(path, masters)?;
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        let mut sealer = Sealer::begin(file, masters, Kind::Whole)?;
        match format {
            Format::Mp3 => lame_piped(wav, &mut |octets| sealer.write(octets))?,
            Format::Opus => sealer.write(&opus(io::BufReader::new(wav))?)?,
        }
        sealer.finish()?;
    } else {
        match format {
            Format::Mp3 => lame(path, &part)?,
            Format::Opus => fs::write(&part, opus(io::BufReader::new(fs::File::open(path)?))?)?,
        }
    }
    let file = fs::OpenOptions::new().write(true).open(&part)?;
    // Its age counts from the call, not from now.
    file.set_modified(written)?;
    file.sync_all()?;
    fs::rename(&part, &to)?;
    fs::remove_file(path)?;
    info!(file = %to.display(), "recording converted");
    Ok(())
}

/// An encrypted recording, read from its start to its end.
struct Sealed {
    file: fs::File,
    opener: Opener,
    at: u64,
}

impl Sealed {
    fn open(path: &Path, masters: &MasterKeys) -> io::Result<Self> {
        let file = fs::File::open(path)?;
        let mut head = [0; seal::HEAD];
        file.read_exact_at(&mut head, 0)?;
        let locked = |locked| io::Error::other(format!("it cannot be decrypted ({locked:?})"));
        let opener = Opener::new(&head, file.metadata()?.len(), masters).map_err(locked)?;
        let mut sealed = Self { opener, file, at: 0 };
        let end = sealed.opener.octets();
        if sealed.opener.last().is_some() && sealed.part(end - 1..end).is_err() {
            sealed.opener.forget_last();
        }
        Ok(sealed)
    }

    fn part(&self, part: Range<u64>) -> io::Result<Vec<u8>> {
        let needs = self.opener.needs(&part);
        let mut stored = vec![0; (needs.end - needs.start) as usize];
        self.file.read_exact_at(&mut stored, needs.start)?;
        self.opener.open(&part, stored).map_err(|_| io::Error::other("it is damaged"))
    }
}

impl io::Read for Sealed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let end = self.opener.octets().min(self.at + into.len().min(PIECE) as u64);
        let part = self.part(self.at..end)?;
        into[..part.len()].copy_from_slice(&part);
        self.at = end;
        Ok(part.len())
    }
}

fn lame(path: &Path, to: &Path) -> io::Result<()> {
    let mono = hound::WavReader::open(path).map_err(io::Error::other)?.spec().channels == 1;
    let done = encoder(mono).arg(path).arg(to).stdin(Stdio::null()).stdout(Stdio::null()).output()?;
    if done.status.success() { Ok(()) } else { Err(lames_word(&done.stderr)) }
}

/// From a reader of a WAV file to a writer of MP3, by way of pipes.
fn lame_piped(mut wav: Sealed, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    // Octet 22 of a WAV header: its channels.
    let mono = wav.part(22..23)? == [1];
    let mut command = encoder(mono);
    command.args(["-", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (Some(mut stdin), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("lame has no pipes"));
    };
    std::thread::scope(|scope| {
        let feeding = scope.spawn(move || io::copy(&mut wav, &mut stdin).map(drop));
        let mut piece = vec![0; PIECE];
        loop {
            match io::Read::read(&mut stdout, &mut piece)? {
                0 => break,
                octets => to(&piece[..octets])?,
            }
        }
        drop(stdout);
        let fed = feeding.join().unwrap_or_else(|_| Err(io::Error::other("reading it failed")));
        let done = child.wait_with_output()?;
        if done.status.success() { fed } else { Err(lames_word(&done.stderr)) }
    })
}

fn encoder(mono: bool) -> Command {
    let mut command = Command::new("lame");
    // Both channels apart (-m s): who said what stays audible.
    let (kbit, mode) = if mono { ("32", "m") } else { ("64", "s") };
    command.args(["--quiet", "--cbr", "-b", kbit, "-m", mode]);
    command
}

fn lames_word(stderr: &[u8]) -> io::Error {
    let why = String::from_utf8_lossy(stderr);
    io::Error::other(format!("lame: {}", why.lines().next().unwrap_or("no reason given")))
}

fn opus(wav: impl io::Read) -> io::Result<Vec<u8>> {
    let reader = hound::WavReader::new(wav).map_err(io::Error::other)?;
    let channels = reader.spec().channels;
    let samples = reader.into_samples::<i16>().collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    media::ogg::opus(&samples, channels).ok_or_else(|| io::Error::other("it could not be encoded"))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "interop")]
    use media::testing::hears;
    use media::testing::tone;

    fn wav(path: &Path) {
        let (sample_format, bits_per_sample) = (hound::SampleFormat::Int, 16);
        let spec = hound::WavSpec { channels: 2, sample_rate: 8000, bits_per_sample, sample_format };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for (left, right) in tone(1070.0, 16_000).into_iter().zip(tone(2050.0, 16_000)) {
            writer.write_sample(left).unwrap();
            writer.write_sample(right).unwrap();
        }
        writer.finalize().unwrap();
    }

    #[test]
    fn what_is_over_is_converted_once_and_heard_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("2026/a.wav");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        wav(&path);
        let none = BTreeSet::new();
        let later = SystemTime::now() + Duration::from_secs(60);
        assert!(waiting(dir.path(), &none, SystemTime::now()).unwrap().is_empty(), "it may still grow");
        assert_eq!(waiting(dir.path(), &none, later).unwrap(), std::slice::from_ref(&path));
        convert(&path, Format::Opus, None).unwrap();
        assert!(!path.exists() && path.with_extension("opus").metadata().unwrap().len() > 1_000);
        assert!(waiting(dir.path(), &none, later).unwrap().is_empty());
        fs::write(&path, "RIFF, but no more").unwrap();
        assert!(convert(&path, Format::Opus, None).is_err() && path.exists());
        assert!(waiting(dir.path(), &BTreeSet::from([path]), later).unwrap().is_empty());
    }

    fn masters(dir: &Path) -> MasterKeys {
        fs::write(dir.join("key"), [5; 32]).unwrap();
        MasterKeys::read(&dir.join("key"), &[]).unwrap()
    }

    /// The same recording, encrypted.
    fn sealed_wav(path: &Path, masters: &MasterKeys) {
        let plain = path.with_extension("plain");
        wav(&plain);
        let samples = fs::read(&plain).unwrap()[44..].to_vec();
        fs::remove_file(plain).unwrap();
        let mut sealer = Sealer::begin(fs::File::create(path).unwrap(), masters, Kind::Pcm(2)).unwrap();
        sealer.write(&samples).unwrap();
        sealer.finish().unwrap();
    }

    fn read_sealed(path: &Path, masters: &MasterKeys) -> Vec<u8> {
        let mut all = Vec::new();
        io::Read::read_to_end(&mut Sealed::open(path, masters).unwrap(), &mut all).unwrap();
        all
    }

    #[test]
    fn what_is_encrypted_stays_so_when_it_is_converted() {
        let dir = tempfile::tempdir().unwrap();
        let masters = masters(dir.path());
        let path = dir.path().join("a.2.wav.sealed");
        sealed_wav(&path, &masters);
        let later = SystemTime::now() + Duration::from_secs(60);
        assert_eq!(waiting(dir.path(), &BTreeSet::new(), later).unwrap(), std::slice::from_ref(&path));
        assert!(convert(&path, Format::Opus, None).is_err() && path.exists());
        convert(&path, Format::Opus, Some(&masters)).unwrap();
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        let there = dir.path().join("a.2.opus.sealed");
        assert!(!fs::read(&there).unwrap().windows(4).any(|octets| octets == b"OggS"));
        assert!(read_sealed(&there, &masters).starts_with(b"OggS"));
    }

    /// `deploy/install-test-clients.sh` installs lame.
    #[cfg(feature = "interop")]
    #[test]
    fn lame_makes_mp3_of_plain_and_of_encrypted_recordings() {
        let dir = tempfile::tempdir().unwrap();
        let masters = masters(dir.path());
        let sealed = dir.path().join("b.wav.sealed");
        sealed_wav(&sealed, &masters);
        convert(&sealed, Format::Mp3, Some(&masters)).unwrap();
        let there = dir.path().join("b.mp3.sealed");
        let file = read_sealed(&there, &masters);
        let clip = media::clip::Clip::decode(media::clip::Kind::Mp3, &file).unwrap();
        assert!(hears(clip.pcm(), 1070.0).unwrap().share > 0.9 && hears(clip.pcm(), 2050.0).unwrap().share > 0.9);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        wav(&path);
        convert(&path, Format::Mp3, None).unwrap();
        let file = fs::read(path.with_extension("mp3")).unwrap();
        let clip = media::clip::Clip::decode(media::clip::Kind::Mp3, &file).unwrap();
        assert!(hears(clip.pcm(), 1070.0).unwrap().share > 0.9 && hears(clip.pcm(), 2050.0).unwrap().share > 0.9);
    }
}
