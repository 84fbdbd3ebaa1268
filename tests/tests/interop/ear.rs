//! Who hears whom, while they still talk.

use crate::patience::{look_for, millis, pass, secs};
use media::testing::hears;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A phone that writes what it hears into files, as it hears it.
pub(crate) trait Ear {
    /// Whose it is.
    fn name(&self) -> &str;

    /// The tone it speaks with.
    fn voice(&self) -> f32;

    /// The files, those of calls that are over too.
    fn files(&self) -> Vec<PathBuf>;

    /// Channels and samples per second of files that get their header at the end.
    fn raw(&self) -> Option<(usize, usize)> {
        None
    }

    /// How much there is of each.
    fn lengths(&self) -> BTreeMap<PathBuf, usize> {
        let length = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len() as usize);
        self.files().into_iter().map(|path| (path.clone(), length(&path))).collect()
    }

    /// What was heard since then, 8 kHz.
    fn since(&self, before: &BTreeMap<PathBuf, usize>) -> Vec<i16> {
        let new = |path: &PathBuf| samples_after(path, self.raw(), before.get(path).copied().unwrap_or_default());
        self.files().iter().flat_map(new).collect()
    }
}

/// What a file that is still being written holds after this many octets.
fn samples_after(path: &Path, raw: Option<(usize, usize)>, octets: usize) -> Vec<i16> {
    const HEADER: usize = 44;
    let file = std::fs::read(path).unwrap_or_default();
    let (header, (channels, rate)) = match raw {
        Some(format) => (0, format),
        None if file.len() < HEADER => return Vec::new(),
        None => {
            let channels = u16::from_le_bytes([file[22], file[23]]);
            let rate = u32::from_le_bytes([file[24], file[25], file[26], file[27]]);
            (HEADER, (usize::from(channels), rate as usize))
        }
    };
    assert!(channels > 0 && rate >= 8_000 && rate % 8_000 == 0, "{}: {channels} × {rate} Hz", path.display());
    // Whole frames after the header.
    let frame = 2 * channels;
    let from = header + octets.saturating_sub(header).next_multiple_of(frame);
    let frames = file.get(from..).unwrap_or_default().chunks_exact(frame);
    frames.step_by(rate / 8_000).map(|frame| i16::from_le_bytes([frame[0], frame[1]])).collect()
}

/// Waits until everybody hears exactly those that he shall, for a second; all voices of the list are listened for.
pub(crate) fn expect_hearing(what: &str, ears: &[(&dyn Ear, &[&dyn Ear])]) {
    let voices: Vec<f32> = ears.iter().map(|(ear, _)| ear.voice()).collect();
    expect_among(&voices, what, ears);
}

/// Waits until one of them hears neither himself nor the other. (Who is put on hold may hear what the other plays meanwhile.)
pub(crate) fn expect_silence(what: &str, one: &dyn Ear, other: &dyn Ear) {
    expect_among(&[one.voice(), other.voice()], what, &[(one, &[])]);
}

fn expect_among(voices: &[f32], what: &str, ears: &[(&dyn Ear, &[&dyn Ear])]) {
    let mut seen = String::new();
    let right = look_for(secs(15), || {
        let before: Vec<_> = ears.iter().map(|(ear, _)| ear.lengths()).collect();
        pass(millis(1_200));
        let mut right = true;
        seen.clear();
        for ((ear, wanted), before) in ears.iter().zip(&before) {
            let pcm = ear.since(before);
            let heard: Vec<f32> = voices.iter().copied().filter(|voice| is_there(&pcm, *voice)).collect();
            let traces: Vec<f32> = voices.iter().copied().filter(|voice| hears(&pcm, *voice).is_some()).collect();
            let wanted: Vec<f32> =
                voices.iter().copied().filter(|v| wanted.iter().any(|w| w.voice().total_cmp(v).is_eq())).collect();
            // Whoever shall not be heard is not heard at all.
            right &= heard == wanted && traces == wanted;
            let (name, samples) = (ear.name(), pcm.len());
            seen += &format!("{name} hears {heard:?}, traces of {traces:?}, wanted {wanted:?} in {samples} samples\n");
        }
        right.then_some(())
    });
    assert!(right.is_some(), "{what}:\n{seen}");
}

/// Two hear each other.
pub(crate) fn expect_each_other(what: &str, one: &dyn Ear, other: &dyn Ear) {
    expect_hearing(what, &[(one, &[other]), (other, &[one])]);
}

/// Most of the time.
fn is_there(pcm: &[i16], voice: f32) -> bool {
    hears(pcm, voice).is_some_and(|heard| heard.until - heard.from >= Duration::from_millis(700) && heard.share > 0.8)
}
