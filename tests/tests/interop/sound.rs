//! What was recorded, and who is heard in it.

use media::testing::{Heard, hears};
use std::path::Path;
use std::time::Duration;

/// A WAV file, one vector of samples per channel, brought to 8 kHz.
#[derive(Debug)]
pub(crate) struct Sound {
    pub(crate) channels: Vec<Vec<i16>>,
}

impl Sound {
    pub(crate) fn read(path: &Path) -> Self {
        let file = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::parse(&file)
    }

    pub(crate) fn parse(wav: &[u8]) -> Self {
        let mut reader = hound::WavReader::new(std::io::Cursor::new(wav)).expect("a WAV file that plays");
        let spec = reader.spec();
        assert_eq!((spec.sample_rate % 8_000, spec.bits_per_sample), (0, 16), "the format of {spec:?}");
        let samples: Vec<i16> =
            reader.samples().collect::<Result<_, _>>().expect("every sample that the header promises");
        let count = usize::from(spec.channels);
        // All voices are far below 4 kHz.
        let step = count * (spec.sample_rate / 8_000) as usize;
        Self { channels: (0..count).map(|c| samples.iter().skip(c).step_by(step).copied().collect()).collect() }
    }

    pub(crate) fn length(&self) -> Duration {
        Duration::from_millis(self.channels[0].len() as u64 / 8)
    }
}

/// One voice is heard for at least `time` without a gap, and the other is not.
pub(crate) fn assert_hears_only(place: &str, pcm: &[i16], voice: f32, other: f32, time: Duration) -> Heard {
    assert_eq!(hears(pcm, other), None, "{place}: the wrong voice ({other} Hz) in {} samples", pcm.len());
    let Some(heard) = hears(pcm, voice) else {
        panic!("{place}: nothing of {voice} Hz in {} samples", pcm.len());
    };
    assert!(heard.longest_gap <= Duration::from_millis(40), "{place}: {voice} Hz has a gap: {heard:?}");
    assert!(heard.until - heard.from >= time, "{place}: {voice} Hz shorter than {time:?}: {heard:?}");
    heard
}
