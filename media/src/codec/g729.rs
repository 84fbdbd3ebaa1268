//! G.729 (RFC 3551 §4.5.6) by a library that the shell brings along at run time. Without one it is relayed only.
//!
//! The library is one for the whole process: [`install`] it before the first engine is made. What is here frames the
//! payload: any number of frames of 10 ms in 10 octets each, and perhaps one of comfort noise (annex B) in 2.

use std::fmt::Debug;
use std::sync::OnceLock;

/// Samples of a frame.
pub const FRAME: usize = 80;
/// Octets of a frame.
pub const FRAME_OCTETS: usize = 10;
const NOISE_OCTETS: usize = 2;

/// Makes coders.
pub trait Library: Debug + Send + Sync {
    /// At the beginning of a stream; `None` if it cannot.
    fn encoder(&self) -> Option<Box<dyn FrameEncoder>>;
    /// At the beginning of a stream; `None` if it cannot.
    fn decoder(&self) -> Option<Box<dyn FrameDecoder>>;
}

/// Encodes one stream, always as speech.
pub trait FrameEncoder: Debug + Send {
    /// Encodes 10 ms.
    fn encode(&mut self, pcm: &[i16; FRAME]) -> [u8; FRAME_OCTETS];
}

/// Decodes one stream.
pub trait FrameDecoder: Debug + Send {
    /// Decodes 10 ms.
    fn decode(&mut self, frame: Frame<'_>) -> [i16; FRAME];
}

/// 10 ms of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Speech.
    Speech(&'a [u8; FRAME_OCTETS]),
    /// How the silence sounds from here on.
    Noise(&'a [u8; NOISE_OCTETS]),
    /// It never came.
    Lost,
}

static LIBRARY: OnceLock<Box<dyn Library>> = OnceLock::new();

/// Brings the library for this process; false if it has one already.
pub fn install(library: Box<dyn Library>) -> bool {
    LIBRARY.set(library).is_ok()
}

/// True if there is a library.
pub fn is_there() -> bool {
    LIBRARY.get().is_some()
}

/// Encodes a stream; makes nothing without a library.
#[derive(Debug)]
pub struct Encoder(Option<Box<dyn FrameEncoder>>);

impl Encoder {
    pub(super) fn new() -> Self {
        Self(LIBRARY.get().and_then(|library| library.encoder()))
    }

    pub(super) fn encode(&mut self, pcm: &[i16], to: &mut [u8]) -> usize {
        let Some(encoder) = &mut self.0 else { return 0 };
        let (frames, slots) = (pcm.as_chunks::<FRAME>().0, to.as_chunks_mut::<FRAME_OCTETS>().0);
        frames.iter().zip(slots).map(|(frame, slot)| *slot = encoder.encode(frame)).count() * FRAME_OCTETS
    }
}

/// Decodes a stream; to nothing without a library.
#[derive(Debug)]
pub struct Decoder(Option<Box<dyn FrameDecoder>>);

impl Decoder {
    pub(super) fn new() -> Self {
        Self(LIBRARY.get().and_then(|library| library.decoder()))
    }

    pub(super) fn decode(&mut self, payload: &[u8], to: &mut [i16]) -> usize {
        let Some(decoder) = &mut self.0 else { return 0 };
        let (frames, rest) = payload.as_chunks::<FRAME_OCTETS>();
        let Some(noise) = (if rest.is_empty() { Some(None) } else { rest.try_into().ok().map(Some) }) else { return 0 };
        let frames = frames.iter().map(Frame::Speech).chain(noise.map(Frame::Noise));
        frames.zip(to.as_chunks_mut::<FRAME>().0).map(|(frame, slot)| *slot = decoder.decode(frame)).count() * FRAME
    }

    /// Makes up for what was lost: whole frames only.
    pub(super) fn make_up(&mut self, to: &mut [i16]) -> bool {
        let Some(decoder) = &mut self.0 else { return false };
        let (slots, rest) = to.as_chunks_mut::<FRAME>();
        slots.iter_mut().for_each(|slot| *slot = decoder.decode(Frame::Lost));
        rest.is_empty()
    }
}
