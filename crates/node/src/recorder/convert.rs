//! After the call: recordings become MP3 by way of `lame`, or Opus in Ogg by our own means.
//!
//! The folder itself is the list of what is still to be done, so nothing is forgotten over a crash: whatever WAV has not been
//! written to for a while is converted, and goes when its successor is whole. A call's record keeps the name it had; who asks
//! for it gets what stands in its place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use std::{fs, io};
use tracing::{debug, info, warn};

/// How often the folder is looked through.
const EVERY: Duration = Duration::from_secs(60);

/// A recording is over when nothing has been written to it for so long: its header is renewed each second.
const QUIET: Duration = Duration::from_secs(30);

/// Folders below the folder of recordings that are looked into.
const DEPTH: usize = 8;

/// What recordings become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// MPEG layer III, 32 kbit/s and channel.
    Mp3,
    /// Opus (RFC 7845), 24 kbit/s and channel.
    Opus,
}

impl Format {
    fn suffix(self) -> &'static str {
        match self {
            Format::Mp3 => "mp3",
            Format::Opus => "opus",
        }
    }
}

/// Converts what is over, as long as the program runs. Without the program that is needed it says so once, and leaves all as it is.
pub async fn run(folder: PathBuf, format: Format) {
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
            let file = path.clone();
            match tokio::task::spawn_blocking(move || convert(&file, format)).await {
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

/// The WAV files that are over.
fn waiting(folder: &Path, failed: &BTreeSet<PathBuf>, now: SystemTime) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(folder, DEPTH, &mut |path, written| {
        let over = now.duration_since(written).is_ok_and(|quiet| quiet >= QUIET);
        if over && path.extension().is_some_and(|s| s == "wav") && !failed.contains(&path) {
            found.push(path);
        }
    })?;
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, depth: usize, each: &mut impl FnMut(PathBuf, SystemTime)) -> io::Result<()> {
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

/// Makes the successor beside the file, whole or not at all, and removes the file.
fn convert(path: &Path, format: Format) -> io::Result<()> {
    let (to, part) = (path.with_extension(format.suffix()), path.with_extension("part"));
    let written = fs::metadata(path)?.modified()?;
    match format {
        Format::Mp3 => lame(path, &part)?,
        Format::Opus => fs::write(&part, opus(path)?)?,
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

fn lame(path: &Path, to: &Path) -> io::Result<()> {
    let kbit = if hound::WavReader::open(path).map_err(io::Error::other)?.spec().channels == 1 { "32" } else { "64" };
    let mut command = Command::new("lame");
    // Both channels apart (-m s): who said what stays audible.
    command.args(["--quiet", "--cbr", "-b", kbit, "-m", if kbit == "32" { "m" } else { "s" }]).arg(path).arg(to);
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&done.stderr);
    Err(io::Error::other(format!("lame: {}", why.lines().next().unwrap_or("no reason given"))))
}

fn opus(path: &Path) -> io::Result<Vec<u8>> {
    let reader = hound::WavReader::open(path).map_err(io::Error::other)?;
    let channels = reader.spec().channels;
    let samples = reader.into_samples::<i16>().collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    media::ogg::opus(&samples, channels).ok_or_else(|| io::Error::other("it could not be encoded"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::testing::{hears, tone};

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
        convert(&path, Format::Opus).unwrap();
        assert!(!path.exists() && path.with_extension("opus").metadata().unwrap().len() > 1_000);
        assert!(waiting(dir.path(), &none, later).unwrap().is_empty());
        fs::write(&path, "RIFF, but no more").unwrap();
        assert!(convert(&path, Format::Opus).is_err() && path.exists());
        assert!(waiting(dir.path(), &BTreeSet::from([path]), later).unwrap().is_empty());
    }

    #[test]
    fn lame_makes_mp3_where_it_is_installed() {
        if !has_lame() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        wav(&path);
        convert(&path, Format::Mp3).unwrap();
        let file = fs::read(path.with_extension("mp3")).unwrap();
        let clip = media::clip::Clip::decode(media::clip::Kind::Mp3, &file).unwrap();
        assert!(hears(clip.pcm(), 1070.0).unwrap().share > 0.9 && hears(clip.pcm(), 2050.0).unwrap().share > 0.9);
    }
}
