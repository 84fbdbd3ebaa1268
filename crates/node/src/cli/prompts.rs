//! Clips of single words, from which numbers, amounts, dates and times are said.
//!
//! They are made where they are used, by espeak-ng as a tool: what it says is the operator's, under the licence of the words,
//! which are this project's.

use super::{Trouble, say};
use crate::config::Config;
use clap::Subcommand;
use media::clip::{Clip, Kind};
use media::spoken::Language;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(super) enum Prompts {
    /// Make the clips of a language with espeak-ng, in the folder of prompts; clips that are there stay
    Make {
        /// `zh` or `en`
        language: String,
    },
}

pub(super) fn prompts(config: &Config, action: &Prompts) -> Result<(), Trouble> {
    let Prompts::Make { language } = action;
    let language =
        Language::named(language).ok_or_else(|| Trouble(format!("\"{language}\" is no language; choose zh or en")))?;
    let folder = config.prompts_dir().join(language.code()).join("spoken");
    let made = make(&folder, language).map_err(|e| Trouble(format!("making clips in {}: {e}", folder.display())))?;
    say(&format!("{made} clips made in {}", folder.display()));
    Ok(())
}

fn make(folder: &Path, language: Language) -> std::io::Result<usize> {
    std::fs::create_dir_all(folder)?;
    let voice = match language {
        Language::Zh => "cmn",
        Language::En => "en-us",
    };
    let mut made = 0;
    for (name, text) in language.words() {
        let path = folder.join(format!("{name}.wav"));
        if path.exists() {
            continue;
        }
        let wav = crate::speech::espeak(text, voice, 100)?;
        let clip = Clip::decode(Kind::Wav, &wav).map_err(std::io::Error::other)?;
        write(&path, trimmed(clip.pcm()))?;
        made += 1;
    }
    Ok(made)
}

/// Without the silence around it, but for a breath, so that words join.
fn trimmed(pcm: &[i16]) -> &[i16] {
    const BREATH: usize = 240;
    let loud = |s: &i16| s.unsigned_abs() > 250;
    let first = pcm.iter().position(loud).unwrap_or(0).saturating_sub(BREATH);
    let last = pcm.iter().rposition(loud).map_or(pcm.len(), |at| (at + BREATH).min(pcm.len()));
    &pcm[first..last.max(first)]
}

fn write(path: &Path, pcm: &[i16]) -> std::io::Result<()> {
    let (sample_format, bits_per_sample) = (hound::SampleFormat::Int, 16);
    let spec = hound::WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample, sample_format };
    let mut writer = hound::WavWriter::create(path, spec).map_err(std::io::Error::other)?;
    for sample in pcm {
        writer.write_sample(*sample).map_err(std::io::Error::other)?;
    }
    writer.finalize().map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_to_what_is_said() {
        let pcm = [vec![0; 4_000], vec![9_000; 800], vec![3; 4_000]].concat();
        let cut = trimmed(&pcm);
        assert!(cut.len() > 800 && cut.len() < 1_400 && cut.contains(&9_000));
        assert_eq!(trimmed(&[]).len(), 0);
    }

    #[test]
    fn every_word_becomes_a_clip_where_espeak_is_installed() {
        if crate::speech::espeak("one", "en-us", 100).is_err() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let words = Language::Zh.words().len();
        assert_eq!(make(dir.path(), Language::Zh).unwrap(), words);
        assert_eq!(make(dir.path(), Language::Zh).unwrap(), 0, "they stay");
        for (name, _) in Language::Zh.words() {
            let clip = crate::music::read(&dir.path().join(format!("{name}.wav"))).unwrap();
            assert!((80..1_500).contains(&clip.duration().as_millis()), "{name}: {clip:?}");
        }
    }
}
