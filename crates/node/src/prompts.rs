//! Speech that is built into the program.

use crate::config::Language;
use media::clip::{Clip, Kind};
use media::codec::Codec;
use media::g711::Law;
use model::Outcome;
use std::collections::BTreeMap;
use std::sync::Arc;

macro_rules! prompt {
    ($path:literal) => {
        include_bytes!(concat!("../prompts/", $path, ".wav")) as &[u8]
    };
}

const ZH: &[(Outcome, &[u8])] = &[
    (Outcome::Unallocated, prompt!("zh/unallocated")),
    (Outcome::Unreachable, prompt!("zh/unreachable")),
    (Outcome::NoAnswer, prompt!("zh/no_answer")),
    (Outcome::Busy, prompt!("zh/busy")),
    (Outcome::Congestion, prompt!("zh/congestion")),
    (Outcome::Forbidden, prompt!("zh/forbidden")),
];

const EN: &[(Outcome, &[u8])] = &[
    (Outcome::Unallocated, prompt!("en/unallocated")),
    (Outcome::Unreachable, prompt!("en/unreachable")),
    (Outcome::NoAnswer, prompt!("en/no_answer")),
    (Outcome::Busy, prompt!("en/busy")),
    (Outcome::Congestion, prompt!("en/congestion")),
    (Outcome::Forbidden, prompt!("en/forbidden")),
];

/// What the two phones of the demo say: the caller Mandarin, the other one English.
pub const DEMO: [&[u8]; 2] = [prompt!("zh/demo"), prompt!("en/demo")];

/// The spoken reasons of a language.
pub fn reasons(language: Language) -> BTreeMap<Outcome, cell::Clips> {
    let list = match language {
        Language::Zh => ZH,
        Language::En => EN,
    };
    let clip = |wav| {
        let clip = Clip::decode(Kind::Wav, wav).ok()?;
        [Law::Mu, Law::A].into_iter().for_each(|law| clip.prepare(Codec::G711(law)));
        Some(Arc::from([Arc::new(clip)]))
    };
    list.iter().filter_map(|(outcome, wav)| Some((*outcome, clip(wav)?))).collect()
}

/// The samples of a WAV of ours: 8 kHz, mono, 16 bit. Empty for anything else.
pub fn samples(wav: &[u8]) -> Vec<i16> {
    let Ok(reader) = hound::WavReader::new(wav) else { return Vec::new() };
    let spec = reader.spec();
    if (spec.channels, spec.sample_rate, spec.bits_per_sample) != (1, 8000, 16) {
        return Vec::new();
    }
    reader.into_samples::<i16>().map_while(Result::ok).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prompt_is_speech_of_a_few_seconds_that_does_not_clip() {
        for list in [ZH, EN] {
            assert_eq!(list.len(), 6);
            for (outcome, wav) in list {
                let sound = samples(wav);
                let peak = sound.iter().map(|s| s.unsigned_abs()).max().unwrap();
                assert!((8_000..64_000).contains(&sound.len()), "{outcome:?}: {} samples", sound.len());
                assert!((8_000..32_000).contains(&peak), "{outcome:?}: peak {peak}");
            }
        }
        assert!(DEMO.iter().all(|wav| samples(wav).len() > 20_000));
        assert_eq!(reasons(Language::Zh).len(), 6);
    }
}
