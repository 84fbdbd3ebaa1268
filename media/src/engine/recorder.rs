//! Recordings: two voices on one clock.

/// Up to half a second of a recording: interleaved 16-bit stereo at 8 kHz, left first.
#[derive(Debug, Default)]
pub struct Page {
    at: u64,
    samples: Vec<i16>,
}

impl Page {
    /// The frame of the recording at which the page begins. If it lies beyond what has been written, what is between
    /// was lost (see [`Output::RecordingEnded`](super::Output::RecordingEnded)) and is to be written as silence.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Left, right, left, right …
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Frames in it.
    pub fn frames(&self) -> usize {
        self.samples.len() / 2
    }
}
