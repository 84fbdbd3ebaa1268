//! One WAV file that grows.

use super::seal::{self, Kind, Sealer};
use super::{Opened, Settings};
use hound::{SampleFormat, WavSpec, WavWriter};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path};
use std::time::{Duration, Instant};

fn spec(channels: u16) -> WavSpec {
    WavSpec { channels, sample_rate: 8000, bits_per_sample: 16, sample_format: SampleFormat::Int }
}

/// The header is brought up to date at this distance: what a kill takes is this, and the page that is being filled.
const CHECKPOINT: Duration = Duration::from_millis(900);

/// A WAV file's lengths are 32 bits. The cell begins another file before; this is the wall behind it.
const MOST_OCTETS: u64 = 4_200_000_000;

/// A gap is filled with silence in pieces of this many samples.
const SILENCE: usize = 8192;

/// A recording's file. Its name exists from the first moment, its header is true as of the last checkpoint.
pub(super) struct WavFile {
    sink: Sink,
    channels: u64,
    /// The frame of the recording with which it begins, and how many it has.
    from: u64,
    frames: u64,
    checkpoint: Instant,
}

enum Sink {
    Plain(WavWriter<BufWriter<File>>),
    /// Encrypted; and room for the octets of what is written.
    Sealed(Sealer, Vec<u8>),
}

impl WavFile {
    /// Creates the file, and folders up to it. A file of that name that exists already is kept: names hold a call's id.
    pub(super) fn create(settings: &Settings, file: &Opened, now: Instant) -> io::Result<Self> {
        let (path, channels) = (&file.path, if file.mixed { 1u8 } else { 2 });
        if Path::new(path).components().any(|c| !matches!(c, Component::Normal(_))) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path leads out of the folder of recordings"));
        }
        let mut path = settings.dir.join(path);
        if settings.masters.is_some() {
            path.as_mut_os_string().push(format!(".{}", seal::SUFFIX));
        }
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let from = file.from;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let sink = match &settings.masters {
            Some(masters) => Sink::Sealed(Sealer::begin(file, masters, Kind::Pcm(channels))?, Vec::new()),
            None => {
                let mut writer = WavWriter::new(BufWriter::new(file), spec(channels.into())).map_err(plain)?;
                writer.flush().map_err(plain)?;
                Sink::Plain(writer)
            }
        };
        Ok(Self { sink, channels: channels.into(), from, frames: 0, checkpoint: now })
    }

    /// Appends interleaved samples that belong at frame `at`, silence before them if something between was lost. Gives the octets written.
    pub(super) fn write(&mut self, at: u64, samples: &[i16], now: Instant) -> io::Result<u64> {
        let (before, at) = (self.frames, at.saturating_sub(self.from));
        let end = at.max(before).saturating_mul(self.channels).saturating_add(samples.len() as u64);
        if end.saturating_mul(2) > MOST_OCTETS {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a WAV file holds no more than 4 GB"));
        }
        while self.frames < at {
            let missing = ((at - self.frames) * self.channels).min(SILENCE as u64) as usize;
            self.samples(&[0; SILENCE][..missing])?;
        }
        self.samples(samples)?;
        if now.duration_since(self.checkpoint) >= CHECKPOINT {
            self.checkpoint = now;
            if let Sink::Plain(writer) = &mut self.sink {
                writer.flush().map_err(plain)?;
            }
        }
        Ok((self.frames - before) * self.channels * 2)
    }

    /// Completes the header.
    pub(super) fn finish(self) -> io::Result<()> {
        match self.sink {
            Sink::Plain(writer) => writer.finalize().map_err(plain),
            Sink::Sealed(sealer, _) => sealer.finish().map(drop),
        }
    }

    fn samples(&mut self, samples: &[i16]) -> io::Result<()> {
        match &mut self.sink {
            Sink::Plain(writer) => {
                let mut bulk = writer.get_i16_writer(samples.len() as u32);
                for sample in samples {
                    bulk.write_sample(*sample);
                }
                bulk.flush().map_err(plain)?;
            }
            Sink::Sealed(sealer, octets) => {
                octets.clear();
                octets.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
                sealer.write(octets)?;
            }
        }
        self.frames += samples.len() as u64 / self.channels;
        Ok(())
    }
}

fn plain(e: hound::Error) -> io::Error {
    match e {
        hound::Error::IoError(e) => e,
        other => io::Error::other(other),
    }
}
