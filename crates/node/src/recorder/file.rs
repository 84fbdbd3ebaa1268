//! One WAV file that grows.

use hound::{SampleFormat, WavSpec, WavWriter};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path};
use std::time::{Duration, Instant};

const SPEC: WavSpec = WavSpec { channels: 2, sample_rate: 8000, bits_per_sample: 16, sample_format: SampleFormat::Int };

/// The header is brought up to date at this distance: what a kill takes is this, and the page that is being filled.
const CHECKPOINT: Duration = Duration::from_millis(900);

/// A WAV file's lengths are 32 bits; stop well before.
const MOST_FRAMES: u64 = 4_000_000_000 / 4;

/// A gap is filled with silence in pieces of this many samples.
const SILENCE: usize = 8192;

/// A recording's file. Its name exists from the first moment, its header is true as of the last checkpoint.
pub(super) struct WavFile {
    writer: WavWriter<BufWriter<File>>,
    frames: u64,
    checkpoint: Instant,
}

impl WavFile {
    /// Creates the file, and folders up to it. A file of that name that exists already is kept: names hold a call's id.
    pub(super) fn create(dir: &Path, path: &str, now: Instant) -> io::Result<Self> {
        if Path::new(path).components().any(|c| !matches!(c, Component::Normal(_))) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path leads out of the folder of recordings"));
        }
        let path = dir.join(path);
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut writer = WavWriter::new(BufWriter::new(file), SPEC).map_err(plain)?;
        writer.flush().map_err(plain)?;
        Ok(Self { writer, frames: 0, checkpoint: now })
    }

    /// Appends interleaved samples that belong at frame `at`, silence before them if something between was lost. Gives the octets written.
    pub(super) fn write(&mut self, at: u64, samples: &[i16], now: Instant) -> io::Result<u64> {
        let before = self.frames;
        let end = at.max(before).saturating_add(samples.len() as u64 / 2);
        if end > MOST_FRAMES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a WAV file holds no more than 34 hours"));
        }
        while self.frames < at {
            let missing = ((at - self.frames) * 2).min(SILENCE as u64) as usize;
            self.samples(&[0; SILENCE][..missing])?;
        }
        self.samples(samples)?;
        if now.duration_since(self.checkpoint) >= CHECKPOINT {
            self.checkpoint = now;
            self.writer.flush().map_err(plain)?;
        }
        Ok((self.frames - before) * 4)
    }

    /// Completes the header.
    pub(super) fn finish(self) -> io::Result<()> {
        self.writer.finalize().map_err(plain)
    }

    fn samples(&mut self, samples: &[i16]) -> io::Result<()> {
        let mut bulk = self.writer.get_i16_writer(samples.len() as u32);
        for sample in samples {
            bulk.write_sample(*sample);
        }
        bulk.flush().map_err(plain)?;
        self.frames += samples.len() as u64 / 2;
        Ok(())
    }
}

fn plain(e: hound::Error) -> io::Error {
    match e {
        hound::Error::IoError(e) => e,
        other => io::Error::other(other),
    }
}
