//! The modelled recordings: stereo samples with a header that is written once a second.

use crate::sound::{self, Hearing, RATE, Sound};
use std::time::{Duration, Instant};

/// How often the header tells the true length.
const CHECKPOINT: Duration = Duration::from_secs(1);

/// One recording on the modelled disk.
#[derive(Debug)]
pub(crate) struct Tape {
    pcm: Vec<i16>,
    channels: usize,
    /// The frame of the recording with which it begins.
    from: u64,
    playable: usize,
    checked: Instant,
    pub(crate) closed: bool,
    pub(crate) broken: bool,
}

impl Tape {
    pub(crate) fn new(mixed: bool, from: u64, now: Instant) -> Self {
        let channels = if mixed { 1 } else { 2 };
        Self { pcm: Vec::new(), channels, from, playable: 0, checked: now, closed: false, broken: false }
    }

    /// A page belongs at frame `at`; what lies between is silence.
    pub(crate) fn write(&mut self, at: u64, samples: &[i16], now: Instant) {
        let start = self.channels * (at - self.from) as usize;
        if self.pcm.len() < start + samples.len() {
            self.pcm.resize(start + samples.len(), 0);
        }
        self.pcm[start..start + samples.len()].copy_from_slice(samples);
        if now >= self.checked + CHECKPOINT {
            self.checkpoint(now);
        }
    }

    pub(crate) fn checkpoint(&mut self, now: Instant) {
        self.playable = self.pcm.len();
        self.checked = now;
    }

    /// The process dies: the header says how much can be played.
    pub(crate) fn die(&mut self) {
        self.pcm.truncate(self.playable);
    }

    /// The first channel, as it is played to somebody.
    pub(crate) fn mono(&self) -> Vec<i16> {
        self.pcm.iter().step_by(self.channels).copied().collect()
    }

    pub(crate) fn recording(&self) -> Recording {
        let channel = |offset: usize| Track(self.pcm.iter().skip(offset).step_by(self.channels).copied().collect());
        Recording { left: channel(0), right: channel(self.channels - 1), closed: self.closed }
    }
}

/// A recording as it can be played now.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The caller; of a mixed recording, both.
    pub left: Track,
    /// The called party, and what the switch played in its place; of a mixed recording, both.
    pub right: Track,
    /// It was ended properly.
    pub closed: bool,
}

impl Recording {
    /// How long it plays.
    pub fn length(&self) -> Duration {
        self.left.length()
    }
}

/// One channel of a recording.
#[derive(Clone, Debug)]
pub struct Track(Vec<i16>);

impl Track {
    /// Where a sound is.
    pub fn heard(&self, sound: Sound) -> Hearing {
        sound::find(&self.0, sound)
    }

    /// Is the sound there at all?
    pub fn has(&self, sound: Sound) -> bool {
        !self.heard(sound).spells.is_empty()
    }

    /// Where a voice is, perhaps among others that speak at the same time.
    pub fn heard_among_others(&self, voice: Sound) -> Hearing {
        let Sound::Voice(hertz) = voice else { panic!("{voice:?} is no voice") };
        sound::find_among(&self.0, hertz)
    }

    /// How long it plays.
    pub fn length(&self) -> Duration {
        Duration::from_micros(self.0.len() as u64 * 1_000_000 / RATE)
    }

    /// Its samples, 8000 a second.
    pub fn samples(&self) -> &[i16] {
        &self.0
    }
}
