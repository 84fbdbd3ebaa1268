//! Clips: sound that is decoded once and played to any number of listeners.
//!
//! A clip keeps its sound as linear PCM, and beside it the packets of each codec for which it has been prepared: they go to
//! any number of listeners as they are.

mod convert;
mod encoded;
mod melody;
mod mp3;
mod wav;

use crate::codec::Codec;
use crate::g711::Law;
use encoded::Encoded;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The longest sound that is taken in.
pub const MAX_LENGTH: Duration = Duration::from_secs(15 * 60);

/// Samples of a frame of 20 ms at 8 kHz, and at 16 kHz.
pub(crate) const NARROW: usize = 160;
pub(crate) const WIDE: usize = 320;

/// Codecs for which a clip can be prepared, the cheapest first. G.711 takes a thousandth of the clip's time, Opus a hundredth.
pub const PREPARED: [Codec; 4] = [Codec::G711(Law::Mu), Codec::G711(Law::A), Codec::G722, Codec::Opus];

/// A sound.
pub struct Clip {
    /// 8 kHz.
    narrow: Box<[i16]>,
    /// 16 kHz, if there is anything above 4 kHz.
    wide: Option<Box<[i16]>>,
    encoded: [OnceLock<Encoded>; PREPARED.len()],
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clip").field("duration", &self.duration()).field("wide", &self.wide.is_some()).finish()
    }
}

impl Clip {
    /// Linear PCM, 8 kHz, mono.
    pub fn from_pcm(pcm: impl Into<Box<[i16]>>) -> Self {
        Self { narrow: pcm.into(), wide: None, encoded: Default::default() }
    }

    /// What a file holds.
    ///
    /// # Errors
    ///
    /// If it is no sound of that kind, nothing that can be decoded, empty, or longer than [`MAX_LENGTH`].
    pub fn decode(kind: Kind, data: &[u8]) -> Result<Self, ClipError> {
        let sound = match kind {
            Kind::Wav => wav::read(data)?,
            Kind::Mp3 => mp3::read(data)?,
            Kind::Raw { law, rate } => raw(law, rate, data)?,
        };
        if sound.pcm.is_empty() {
            return Err(ClipError::Empty);
        }
        let narrow = convert::to_rate(&sound.pcm, sound.rate, 8_000);
        let wide = (sound.rate >= 16_000).then(|| {
            let mut wide = convert::to_rate(&sound.pcm, sound.rate, 16_000);
            // So that a frame is at the same place in both.
            wide.resize(narrow.len() * 2, 0);
            convert::to_frames(wide, WIDE).into()
        });
        Ok(Self { narrow: convert::to_frames(narrow, NARROW).into(), wide, encoded: Default::default() })
    }

    /// Music that is nobody's: made here, 19 s, for those on hold.
    pub fn melody() -> Self {
        Self::from_pcm(melody::melody())
    }

    /// The same so many decibels louder, or softer: within −40 and 20; what would be too loud is cut off.
    #[must_use]
    pub fn louder(self, db: f32) -> Self {
        if db.abs() < 0.01 {
            return self;
        }
        let factor = 10.0_f32.powf(db.clamp(-40.0, 20.0) / 20.0);
        // A conversion from a float saturates.
        let louder = |pcm: Box<[i16]>| pcm.iter().map(|sample| (f32::from(*sample) * factor) as i16).collect();
        Self { narrow: louder(self.narrow), wide: self.wide.map(louder), encoded: Default::default() }
    }

    /// How long it is.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.narrow.len() as u64 * 125)
    }

    /// Linear PCM, 8 kHz, mono.
    pub fn pcm(&self) -> &[i16] {
        &self.narrow
    }

    /// Linear PCM, 16 kHz, if there is anything to be heard above 4 kHz: twice as many samples as [`Clip::pcm`].
    pub(crate) fn wide(&self) -> Option<&[i16]> {
        self.wide.as_deref()
    }

    /// What it takes of memory.
    pub fn octets(&self) -> usize {
        let encoded = self.encoded.iter().filter_map(OnceLock::get);
        let packets = encoded.flat_map(|encoded| std::iter::once(&encoded.first).chain(&encoded.again));
        let samples = self.narrow.len() + self.wide.as_ref().map_or(0, |wide| wide.len());
        samples * 2 + packets.map(encoded::Packets::len).sum::<usize>()
    }

    /// Encodes it, so that from now on listeners with this codec cost nothing; without effect for other codecs than
    /// [`PREPARED`]. Takes its time: not on a thread that serves calls.
    pub fn prepare(&self, codec: Codec) {
        if let Some(place) = PREPARED.iter().position(|prepared| *prepared == codec) {
            self.encoded[place].get_or_init(|| Encoded::of(self, codec));
        }
    }

    /// A packet of 20 ms, if it has been prepared. `again`: the clip follows itself, or one like it.
    pub(crate) fn packet(&self, codec: Codec, again: bool, at: usize) -> Option<&[u8]> {
        let place = PREPARED.iter().position(|prepared| *prepared == codec)?;
        let encoded = self.encoded[place].get()?;
        let packets = if again { encoded.again.as_ref().unwrap_or(&encoded.first) } else { &encoded.first };
        packets.get(at).filter(|packet| !packet.is_empty())
    }
}

impl From<Vec<i16>> for Clip {
    fn from(pcm: Vec<i16>) -> Self {
        Self::from_pcm(pcm)
    }
}

/// In which form a file holds its sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RIFF/WAVE.
    Wav,
    /// MPEG 1 or 2, layer III.
    Mp3,
    /// Without any head: one law of G.711, or signed 16 bit, low octet first.
    Raw {
        /// `None`: linear.
        law: Option<Law>,
        /// Samples per second.
        rate: u32,
    },
}

/// Suffixes of files that hold sound.
pub const SUFFIXES: [&str; 10] = ["wav", "mp3", "ulaw", "ul", "pcmu", "alaw", "al", "pcma", "sln", "sln16"];

impl Kind {
    /// What a file with this suffix holds, by its first octets if they tell.
    pub fn of(suffix: &str, data: &[u8]) -> Option<Self> {
        let raw = |law, rate| Some(Kind::Raw { law, rate });
        match data {
            [b'R', b'I', b'F', b'F', ..] => return Some(Kind::Wav),
            [b'I', b'D', b'3', ..] => return Some(Kind::Mp3),
            _ => {}
        }
        match suffix.to_ascii_lowercase().as_str() {
            "wav" => Some(Kind::Wav),
            "mp3" => Some(Kind::Mp3),
            "ulaw" | "ul" | "pcmu" => raw(Some(Law::Mu), 8_000),
            "alaw" | "al" | "pcma" => raw(Some(Law::A), 8_000),
            "sln" => raw(None, 8_000),
            "sln16" => raw(None, 16_000),
            _ => None,
        }
    }

    /// By its first octets alone; `None` for what has no head.
    pub fn sniff(data: &[u8]) -> Option<Self> {
        match data {
            [b'R', b'I', b'F', b'F', ..] => Some(Kind::Wav),
            [b'I', b'D', b'3', ..] => Some(Kind::Mp3),
            // A frame's sync word, layer III.
            [0xff, second, ..] if second & 0xe6 == 0xe2 => Some(Kind::Mp3),
            _ => None,
        }
    }

    /// The suffix of such a file.
    pub fn suffix(self) -> &'static str {
        match self {
            Kind::Wav => "wav",
            Kind::Mp3 => "mp3",
            Kind::Raw { law: Some(Law::Mu), .. } => "ulaw",
            Kind::Raw { law: Some(Law::A), .. } => "alaw",
            Kind::Raw { law: None, rate: 16_000 } => "sln16",
            Kind::Raw { law: None, .. } => "sln",
        }
    }
}

/// Why a file is no sound for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClipError {
    /// Not what its name or head says.
    Malformed(&'static str),
    /// A form that is not understood.
    Unsupported(&'static str),
    /// No sound in it.
    Empty,
    /// Longer than [`MAX_LENGTH`].
    TooLong,
}

impl fmt::Display for ClipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "not a sound file: {what}"),
            Self::Unsupported(what) => write!(f, "a form that is not understood: {what}"),
            Self::Empty => f.write_str("there is no sound in it"),
            Self::TooLong => write!(f, "longer than {} minutes", MAX_LENGTH.as_secs() / 60),
        }
    }
}

impl std::error::Error for ClipError {}

/// One channel at some rate.
struct Sound {
    pcm: Vec<i16>,
    rate: u32,
}

fn is_too_long(samples: usize, rate: u32) -> bool {
    samples as u64 > MAX_LENGTH.as_secs() * u64::from(rate)
}

fn raw(law: Option<Law>, rate: u32, data: &[u8]) -> Result<Sound, ClipError> {
    let pcm: Vec<i16> = match law {
        Some(law) => data.iter().map(|octet| law.decode(*octet)).collect(),
        None => data.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect(),
    };
    if is_too_long(pcm.len(), rate) { Err(ClipError::TooLong) } else { Ok(Sound { pcm, rate }) }
}

/// A list of one.
pub(crate) fn alone(clip: Clip) -> Arc<[Arc<Clip>]> {
    Arc::from([Arc::new(clip)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{hears, level_of, tone};

    /// A WAV file of these samples.
    fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        for (value, len) in [(u32::from(tag), 2), (channels.into(), 2), (rate, 4), (0, 4), (0, 2), (bits.into(), 2)] {
            file.extend_from_slice(&value.to_le_bytes()[..len]);
        }
        // A chunk of odd length that nobody knows, with its padding.
        file.extend_from_slice(b"LIST\x03\0\0\0abc\0data");
        file.extend_from_slice(&(data.len() as u32).to_le_bytes());
        file.extend_from_slice(data);
        file
    }

    fn sine(hz: f64, rate: u32, seconds: usize) -> Vec<i16> {
        let step = hz / f64::from(rate) * std::f64::consts::TAU;
        (0..rate as usize * seconds).map(|i| ((i as f64 * step).sin() * 8_000.0) as i16).collect()
    }

    #[test]
    fn wav_files_of_every_form_keep_pitch_level_and_length() {
        for rate in [8_000u32, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000] {
            let pcm = sine(1_000.0, rate, 2);
            let mono: Vec<u8> = pcm.iter().flat_map(|s| s.to_le_bytes()).collect();
            let stereo: Vec<u8> = pcm.iter().flat_map(|s| [s.to_le_bytes(), s.to_le_bytes()].concat()).collect();
            let long: Vec<u8> = pcm.iter().flat_map(|s| (i32::from(*s) << 16).to_le_bytes()).collect();
            let mut forms = vec![(1, 1, 16, mono), (1, 2, 16, stereo), (1, 1, 32, long)];
            forms.push((1, 1, 24, pcm.iter().flat_map(|s| [&[0][..], &s.to_le_bytes()].concat()).collect()));
            forms.push((3, 1, 32, pcm.iter().flat_map(|s| (f32::from(*s) / 32_768.0).to_le_bytes()).collect()));
            forms.push((6, 1, 8, pcm.iter().map(|s| Law::A.encode(*s)).collect()));
            forms.push((7, 1, 8, pcm.iter().map(|s| Law::Mu.encode(*s)).collect()));
            for (tag, channels, bits, data) in forms {
                let file = wav(tag, channels, rate, bits, &data);
                let kind = Kind::of("wav", &file).unwrap();
                let clip = Clip::decode(kind, &file).unwrap();
                let form = format!("{rate} Hz, tag {tag}, {channels} × {bits}");
                assert!(clip.duration().as_millis().abs_diff(2_000) <= 20, "{form}: {:?}", clip.duration());
                let (level, snr) = level_of(&clip.pcm()[800..15_200], 1_000.0, 8_000);
                assert!((level - 8_000.0).abs() < 150.0 && snr > 33.0, "{form}: {level:.0}, {snr:.1} dB");
                if rate >= 16_000 {
                    let (level, snr) = level_of(&clip.wide().unwrap()[1_600..30_400], 1_000.0, 16_000);
                    assert!((level - 8_000.0).abs() < 150.0 && snr > 33.0, "{form} wide: {level:.0}, {snr:.1} dB");
                }
            }
        }
    }

    #[test]
    fn what_a_telephone_cannot_carry_is_no_whistle_afterwards() {
        let pcm: Vec<u8> = sine(6_000.0, 44_100, 1).iter().flat_map(|s| s.to_le_bytes()).collect();
        let clip = Clip::decode(Kind::Wav, &wav(1, 1, 44_100, 16, &pcm)).unwrap();
        assert!(clip.pcm()[400..7_600].iter().all(|s| s.unsigned_abs() < 40));
        assert!(level_of(&clip.wide().unwrap()[800..15_200], 6_000.0, 16_000).0 > 7_500.0);
    }

    #[test]
    fn files_that_are_no_sound_say_why() {
        let whole = wav(1, 1, 8_000, 16, &[0; 64]);
        for cut in 0..whole.len() {
            // Cut anywhere, it is refused or shorter; it never panics.
            let _ = Clip::decode(Kind::Wav, &whole[..cut]);
        }
        let refused = |kind, data: &[u8]| Clip::decode(kind, data).unwrap_err();
        assert!(matches!(refused(Kind::Wav, b"RIFF"), ClipError::Malformed(_)));
        assert!(matches!(refused(Kind::Wav, &wav(1, 3, 8_000, 16, &[0; 12])), ClipError::Unsupported(_)));
        assert!(matches!(refused(Kind::Wav, &wav(1, 1, 4_000, 16, &[0; 12])), ClipError::Unsupported(_)));
        assert!(matches!(refused(Kind::Wav, &wav(85, 1, 8_000, 0, &[0; 12])), ClipError::Unsupported(_)));
        assert_eq!(refused(Kind::Wav, &wav(1, 1, 8_000, 16, &[])), ClipError::Empty);
        assert!(matches!(refused(Kind::Mp3, b"this is a text and no music at all"), ClipError::Malformed(_)));
        assert!(matches!(refused(Kind::Mp3, &[0xff; 5_000]), ClipError::Malformed(_)));
        let long = vec![0; MAX_LENGTH.as_secs() as usize * 8_000 + 1];
        assert_eq!(refused(Kind::Raw { law: Some(Law::A), rate: 8_000 }, &long), ClipError::TooLong);
        assert_eq!(Kind::of("txt", b"hello"), None);
    }

    #[test]
    fn raw_files_and_mp3_are_heard() {
        let pcm = tone(1070.0, 8_000);
        for law in [Law::A, Law::Mu] {
            let file: Vec<u8> = pcm.iter().map(|s| law.encode(*s)).collect();
            let kind = Kind::of(if law == Law::A { "alaw" } else { "ULAW" }, &file).unwrap();
            assert!(hears(Clip::decode(kind, &file).unwrap().pcm(), 1070.0).unwrap().share > 0.99);
        }
        // Made of our own tone of 1070 Hz by LAME: stereo, 44.1 kHz, 2 s.
        let file = include_bytes!("tone.mp3");
        assert_eq!(Kind::sniff(file), Some(Kind::Mp3));
        let clip = Clip::decode(Kind::Mp3, file).unwrap();
        let heard = hears(clip.pcm(), 1070.0).unwrap();
        assert!(heard.share > 0.97 && clip.duration().as_millis().abs_diff(2_000) < 100, "{heard:?} {clip:?}");
        // With holes it is still music, or refused; it never panics.
        for at in (0..file.len()).step_by(61) {
            let mut broken = file.to_vec();
            broken[at] ^= 0x5a;
            let _ = Clip::decode(Kind::Mp3, &broken);
        }
    }

    #[test]
    fn a_prepared_clip_has_a_packet_for_each_frame() {
        let clip = Clip::from_pcm(tone(1070.0, 1_610));
        for codec in PREPARED {
            assert!(clip.packet(codec, false, 0).is_none());
            clip.prepare(codec);
            for again in [false, true] {
                assert!((0..10).all(|at| clip.packet(codec, again, at).is_some()));
                assert!(clip.packet(codec, again, 10).is_none(), "what is no whole frame");
            }
        }
        clip.prepare(Codec::L16(8_000));
        assert!(clip.packet(Codec::L16(8_000), false, 0).is_none());
        let law: Vec<u8> = clip.pcm()[..160].iter().map(|s| Law::A.encode(*s)).collect();
        assert_eq!(clip.packet(Codec::G711(Law::A), true, 0), Some(&law[..]));
        assert!(clip.octets() > 1_610 * 2 + 4 * 1_600 && clip.octets() < 20_000);
    }

    #[test]
    fn the_melody_has_no_seam_and_is_not_too_loud() {
        let clip = Clip::melody();
        let pcm = clip.pcm();
        assert!(pcm.len().is_multiple_of(NARROW) && clip.duration() > Duration::from_secs(10));
        assert!(pcm.iter().all(|s| s.unsigned_abs() < 12_000));
        let step = pcm.windows(2).map(|w| i32::from(w[1]) - i32::from(w[0])).map(i32::abs).max().unwrap();
        assert!((i32::from(pcm[0]) - i32::from(pcm[pcm.len() - 1])).abs() <= step);
        // Never silent for long: a caller shall not think that the line is dead.
        assert!(pcm.chunks(4_000).all(|c| c.iter().any(|s| s.unsigned_abs() > 500)));
    }
}
