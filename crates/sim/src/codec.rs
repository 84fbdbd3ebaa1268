//! The codecs that phones speak, all of them with 8000 ticks a second: G.711, G.722, and linear PCM.

use crate::g711::Law;
use media::codec::g722;

/// A codec of a phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Codec {
    G711(Law),
    G722,
    /// 16 bits at 8 kHz, under a payload type that needs a mapping.
    L16,
}

impl Codec {
    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::G711(Law::A), Self::G711(Law::Mu), Self::G722, Self::L16].into_iter().find(|codec| codec.name() == name)
    }

    /// The codec of a static payload type (RFC 3551 §6).
    pub(crate) fn of_static_type(pt: u8) -> Option<Self> {
        if pt == 9 { Some(Self::G722) } else { Law::of_payload_type(pt).map(Self::G711) }
    }

    /// The payload type under which a phone offers it.
    pub(crate) fn payload_type(self) -> u8 {
        match self {
            Self::G711(law) => law.payload_type(),
            Self::G722 => 9,
            Self::L16 => 97,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::G711(law) => law.name(),
            Self::G722 => "G722",
            Self::L16 => "L16",
        }
    }
}

/// Both directions of one call's sound.
#[derive(Default)]
pub(crate) struct Coder {
    encoder: g722::Encoder,
    decoder: g722::Decoder,
    opus: Option<media::codec::Decoder>,
}

impl Coder {
    /// From 8 kHz.
    pub(crate) fn encode(&mut self, codec: Codec, pcm: &[i16]) -> Vec<u8> {
        match codec {
            Codec::G711(law) => pcm.iter().map(|s| law.encode(*s)).collect(),
            Codec::L16 => pcm.iter().flat_map(|s| s.to_be_bytes()).collect(),
            Codec::G722 => {
                // Each sample twice: what that adds lies above what a telephone passes.
                let wide: Vec<i16> = pcm.iter().flat_map(|s| [*s, *s]).collect();
                let mut octets = vec![0; pcm.len()];
                self.encoder.encode(&wide, &mut octets);
                octets
            }
        }
    }

    /// Opus to 8 kHz.
    pub(crate) fn decode_opus(&mut self, octets: &[u8]) -> Vec<i16> {
        let decoder = self.opus.get_or_insert_with(|| media::codec::Decoder::new(media::codec::Codec::Opus));
        let mut wide = vec![0; 1_920];
        let len = decoder.decode(octets, &mut wide);
        wide[..len].as_chunks::<2>().0.iter().map(|[a, b]| a.midpoint(*b)).collect()
    }

    /// To 8 kHz.
    pub(crate) fn decode(&mut self, codec: Codec, octets: &[u8]) -> Vec<i16> {
        match codec {
            Codec::G711(law) => octets.iter().map(|o| law.decode(*o)).collect(),
            Codec::L16 => octets.as_chunks::<2>().0.iter().map(|pair| i16::from_be_bytes(*pair)).collect(),
            Codec::G722 => {
                let mut wide = vec![0; octets.len() * 2];
                self.decoder.decode(octets, &mut wide);
                wide.as_chunks::<2>().0.iter().map(|[a, b]| a.midpoint(*b)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::{self, Sound};

    #[test]
    fn a_voice_survives_every_codec() {
        for name in ["PCMA", "PCMU", "G722", "L16"] {
            let codec = Codec::named(name).unwrap();
            let mut coder = Coder::default();
            let mut heard = Vec::new();
            for frame in 0..100 {
                let pcm: Vec<i16> = (0..160).map(|n| sound::voice_sample(700, frame * 160 + n)).collect();
                let octets = coder.encode(codec, &pcm);
                heard.extend(coder.decode(codec, &octets));
            }
            assert!(sound::find(&heard, Sound::Voice(700)).total().as_millis() > 1_900, "{name}");
        }
        assert_eq!(Codec::of_static_type(9), Some(Codec::G722));
        assert_eq!(Codec::named("opus"), None);
    }
}
