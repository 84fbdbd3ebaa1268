//! Codecs: sound as 16-bit linear PCM in, octets out, and back.
//!
//! A [`Codec`] names one and says at which rate it works here. [`Decoder`] and [`Encoder`] hold the state of one stream.
//! What is no codec of ours (iLBC, G.729 without its library …) is still relayed between two sides that share it.

pub mod conceal;
pub mod g722;
pub mod g729;
pub mod gsm;
pub mod noise;
mod opus;
pub mod resample;

use crate::g711::Law;
use crate::sdp::Format;

/// The longest packet decoded: 120 ms at 48 kHz.
pub const MAX_SAMPLES: usize = 5_760;
/// The longest payload made.
pub const MAX_PAYLOAD: usize = 1_440;

/// A codec the switch can turn into sound and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// G.711, either law.
    G711(Law),
    /// G.722, 64 kbit/s.
    G722,
    /// Linear PCM, one channel, at 8000, 16 000 or 48 000 samples per second (RFC 3551 §4.5.11).
    L16(u32),
    /// Opus (RFC 7587), worked on at 16 kHz: what a voice has, at a third of the cost of the full band.
    Opus,
    /// GSM full rate, 13 kbit/s.
    Gsm,
    /// G.729, 8 kbit/s, where [`g729::install`] has brought a library for it.
    G729,
}

impl Codec {
    /// Every codec that is always there, the most usual first.
    pub const ALL: [Self; 8] = [
        Self::G711(Law::Mu),
        Self::G711(Law::A),
        Self::G722,
        Self::Opus,
        Self::L16(16_000),
        Self::L16(8_000),
        Self::L16(48_000),
        Self::Gsm,
    ];

    /// Every codec that this process can use.
    pub fn usable() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().chain(g729::is_there().then_some(Self::G729))
    }

    /// Which codec a format means; `None` if it is none of ours.
    pub fn of(format: &Format) -> Option<Self> {
        Self::usable().find(|codec| codec.is(format))
    }

    fn is(self, format: &Format) -> bool {
        let (name, clock, channels) = self.mapping();
        format.encoding.eq_ignore_ascii_case(name) && format.clock == clock && format.channels == channels
    }

    /// Its encoding name, clock and channels as `a=rtpmap` has them.
    pub const fn mapping(self) -> (&'static str, u32, u8) {
        match self {
            Codec::G711(Law::Mu) => ("PCMU", 8_000, 1),
            Codec::G711(Law::A) => ("PCMA", 8_000, 1),
            // RFC 3551 §4.5.2: the clock is an old mistake.
            Codec::G722 => ("G722", 8_000, 1),
            Codec::L16(rate) => ("L16", rate, 1),
            Codec::Opus => ("opus", 48_000, 2),
            Codec::Gsm => ("GSM", 8_000, 1),
            Codec::G729 => ("G729", 8_000, 1),
        }
    }

    /// As a format with this payload type.
    pub fn format(self, pt: u8) -> Format {
        let (encoding, clock, channels) = self.mapping();
        let fmtp = match self {
            Codec::Opus => Some("useinbandfec=1"),
            // RFC 4856 §2.1.9: silence is coded like speech.
            Codec::G729 => Some("annexb=no"),
            Codec::G711(_) | Codec::G722 | Codec::L16(_) | Codec::Gsm => None,
        };
        Format { pt, encoding: encoding.to_owned(), clock, channels, fmtp: fmtp.map(str::to_owned) }
    }

    /// Its payload type, if that needs no mapping (RFC 3551 §6).
    pub const fn static_type(self) -> Option<u8> {
        match self {
            Codec::G711(Law::Mu) => Some(0),
            Codec::G711(Law::A) => Some(8),
            Codec::G722 => Some(9),
            Codec::Gsm => Some(3),
            Codec::G729 => Some(18),
            Codec::L16(_) | Codec::Opus => None,
        }
    }

    /// Samples per second of its sound.
    pub const fn rate(self) -> u32 {
        match self {
            Codec::G711(_) | Codec::Gsm | Codec::G729 => 8_000,
            Codec::G722 | Codec::Opus => 16_000,
            Codec::L16(rate) => rate,
        }
    }

    /// It foretells its sound from what it decoded before, so that after a loss its level is wrong for a while.
    pub const fn foretells(self) -> bool {
        matches!(self, Codec::Opus | Codec::Gsm | Codec::G729)
    }

    /// Timestamp ticks per second.
    pub const fn clock(self) -> u32 {
        self.mapping().1
    }

    /// The packet time nearest to the one wished, in milliseconds, that it can have: 10 to 60.
    pub fn packet_time(self, wished: u16) -> u16 {
        let time = (wished / 10 * 10).clamp(10, 60);
        match self {
            // RFC 6716 §2.1.4 knows 10, 20, 40 and 60.
            Codec::Opus if time == 30 || time == 50 => time - 10,
            Codec::L16(rate) => time.min((MAX_PAYLOAD as u32 * 500 / rate / 10 * 10) as u16).max(10),
            // Frames of 20 ms.
            Codec::Gsm => (time / 20 * 20).max(20),
            Codec::G711(_) | Codec::G722 | Codec::Opus | Codec::G729 => time,
        }
    }
}

/// Turns payloads of one stream into sound.
#[derive(Debug)]
pub enum Decoder {
    /// No state.
    G711(Law),
    /// Two bands.
    G722(Box<g722::Decoder>),
    /// No state.
    L16,
    /// Some state.
    Opus(Box<opus::Decoder>),
    /// Two filters.
    Gsm(Box<gsm::Decoder>),
    /// Whatever the library keeps.
    G729(g729::Decoder),
}

impl Decoder {
    /// At the beginning of a stream; it works at [`Codec::rate`].
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::G711(law) => Decoder::G711(law),
            Codec::G722 => Decoder::G722(Box::default()),
            Codec::L16(_) => Decoder::L16,
            Codec::Opus => Decoder::Opus(Box::default()),
            Codec::Gsm => Decoder::Gsm(Box::default()),
            Codec::G729 => Decoder::G729(g729::Decoder::new()),
        }
    }

    /// Decodes a payload into `to`, which should have room for [`MAX_SAMPLES`]; what does not fit is left out. Returns the
    /// number of samples, 0 if it cannot be decoded.
    pub fn decode(&mut self, payload: &[u8], to: &mut [i16]) -> usize {
        match self {
            Decoder::G711(law) => {
                to.iter_mut().zip(payload).for_each(|(sample, octet)| *sample = law.decode(*octet));
                payload.len().min(to.len())
            }
            Decoder::G722(decoder) => decoder.decode(payload, to),
            Decoder::L16 => {
                let (pairs, _) = payload.as_chunks::<2>();
                to.iter_mut().zip(pairs).for_each(|(sample, pair)| *sample = i16::from_be_bytes(*pair));
                pairs.len().min(to.len())
            }
            Decoder::Opus(decoder) => decoder.decode(payload, to),
            Decoder::Gsm(decoder) => decoder.decode(payload, to),
            Decoder::G729(decoder) => decoder.decode(payload, to),
        }
    }

    /// Makes up for a lost packet of `to.len()` samples in the codec's own way, with the help of the packet after it if
    /// that has come; false if what is in `to` is of no use.
    pub fn make_up(&mut self, following: Option<&[u8]>, to: &mut [i16]) -> bool {
        match self {
            Decoder::Opus(decoder) => decoder.make_up(following, to),
            Decoder::G729(decoder) => decoder.make_up(to),
            Decoder::Gsm(decoder) => {
                // Its filters go on; a period repeated sounds better than what they say.
                decoder.make_up(to);
                false
            }
            Decoder::G711(_) | Decoder::G722(_) | Decoder::L16 => false,
        }
    }
}

/// Turns sound into payloads of one stream.
#[derive(Debug)]
pub enum Encoder {
    /// No state.
    G711(Law),
    /// Two bands.
    G722(Box<g722::Encoder>),
    /// No state.
    L16,
    /// Some state.
    Opus(Box<opus::Encoder>),
    /// Two filters.
    Gsm(Box<gsm::Encoder>),
    /// Whatever the library keeps.
    G729(g729::Encoder),
}

impl Encoder {
    /// At the beginning of a stream.
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::G711(law) => Encoder::G711(law),
            Codec::G722 => Encoder::G722(Box::default()),
            Codec::L16(_) => Encoder::L16,
            Codec::Opus => Encoder::Opus(Box::default()),
            Codec::Gsm => Encoder::Gsm(Box::default()),
            Codec::G729 => Encoder::G729(g729::Encoder::new()),
        }
    }

    /// Says whether what is to come may have anything above 4 kHz, for codecs that can make use of it.
    pub fn narrow(&mut self, narrow: bool) {
        if let Encoder::Opus(encoder) = self {
            encoder.narrow(narrow);
        }
    }

    /// Says how many of a hundred packets are lost on their way, for codecs that can do something about it.
    pub fn expect_loss(&mut self, percent: u8) {
        if let Encoder::Opus(encoder) = self {
            encoder.expect_loss(percent);
        }
    }

    /// Encodes one packet's sound, of a length that [`Codec::packet_time`] allows. Returns the number of octets, 0 if it
    /// cannot be encoded.
    pub fn encode(&mut self, pcm: &[i16], to: &mut [u8]) -> usize {
        match self {
            Encoder::G711(law) => {
                to.iter_mut().zip(pcm).for_each(|(octet, sample)| *octet = law.encode(*sample));
                pcm.len().min(to.len())
            }
            Encoder::G722(encoder) => encoder.encode(pcm, to),
            Encoder::L16 => {
                let (pairs, _) = to.as_chunks_mut::<2>();
                pairs.iter_mut().zip(pcm).for_each(|(pair, sample)| *pair = sample.to_be_bytes());
                pcm.len().min(to.len() / 2) * 2
            }
            Encoder::Opus(encoder) => encoder.encode(pcm, to),
            Encoder::Gsm(encoder) => encoder.encode(pcm, to),
            Encoder::G729(encoder) => encoder.encode(pcm, to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::level_of;

    /// A second of a tone at a codec's rate.
    fn tone(hz: f64, rate: u32, seconds: usize) -> Vec<i16> {
        let step = hz / f64::from(rate) * std::f64::consts::TAU;
        (0..rate as usize * seconds).map(|i| ((i as f64 * step).sin() * 8_000.0) as i16).collect()
    }

    #[test]
    fn every_codec_keeps_a_tone_at_its_level_and_far_above_its_noise() {
        for codec in Codec::ALL {
            let least = match codec {
                Codec::G711(_) => 35.0,
                Codec::G722 => 25.0,
                Codec::Opus | Codec::Gsm => 15.0,
                Codec::G729 => 10.0,
                Codec::L16(_) => 70.0,
            };
            for ms in [10, 20, 30, 40, 60] {
                let ms = codec.packet_time(ms);
                let rate = codec.rate();
                let pcm = tone(1_000.0, rate, 2);
                let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
                let (mut octets, mut samples) = ([0; MAX_PAYLOAD], [0; MAX_SAMPLES]);
                let mut back = Vec::new();
                for packet in pcm.chunks_exact(rate as usize / 1_000 * usize::from(ms)) {
                    let len = encoder.encode(packet, &mut octets);
                    assert!(len > 0, "{codec:?} {ms}");
                    let decoded = decoder.decode(&octets[..len], &mut samples);
                    assert_eq!(decoded, packet.len(), "{codec:?} {ms}");
                    back.extend_from_slice(&samples[..decoded]);
                }
                let (level, snr) = level_of(&back[rate as usize / 2..], 1_000.0, rate);
                assert!((level - 8_000.0).abs() < 500.0 && snr > least, "{codec:?} {ms} ms: {level:.0} {snr:.1} dB");
            }
        }
    }

    #[test]
    fn whatever_arrives_decodes_to_something_or_nothing() {
        let mut seed = 7u32;
        for codec in Codec::ALL {
            let mut decoder = Decoder::new(codec);
            let mut samples = [0; MAX_SAMPLES];
            for len in (0..400).chain([1_000, 2_000]) {
                let payload: Vec<u8> = (0..len)
                    .map(|_| {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (seed >> 24) as u8
                    })
                    .collect();
                assert!(decoder.decode(&payload, &mut samples) <= MAX_SAMPLES);
                decoder.make_up(Some(&payload), &mut samples[..320]);
            }
        }
    }

    #[test]
    fn formats_are_recognised_whatever_their_spelling() {
        for codec in Codec::ALL {
            let mut format = codec.format(97);
            assert_eq!(Codec::of(&format), Some(codec));
            format.encoding = format.encoding.to_ascii_lowercase();
            assert_eq!(Codec::of(&format), Some(codec));
            format.clock += 1;
            assert_eq!(Codec::of(&format), None);
        }
        assert_eq!((Codec::L16(48_000).packet_time(60), Codec::Opus.packet_time(30)), (10, 20));
    }
}
