//! MP3 files, by way of `symphonia`.

use super::{ClipError, Sound, is_too_long};
use std::io::Cursor;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::default::codecs::MpaDecoder;
use symphonia::default::formats::MpaReader;

/// Frames that cannot be decoded in a row: more, and the rest is no music either.
const PATIENCE: u32 = 50;

/// Reads a file; frames that are broken are left out.
pub(super) fn read(data: &[u8]) -> Result<Sound, ClipError> {
    let none = ClipError::Malformed("no MP3 frame in it");
    let source = MediaSourceStream::new(Box::new(Cursor::new(data.to_vec())), Default::default());
    let mut format = MpaReader::try_new(source, FormatOptions::default()).map_err(|_| none)?;
    let track = format.default_track(TrackType::Audio).ok_or(none)?;
    let (track_id, parameters) = (track.id, track.codec_params.as_ref().and_then(|p| p.audio()).ok_or(none)?);
    let options = AudioDecoderOptions::default();
    let mut decoder = MpaDecoder::try_new(parameters, &options).map_err(|_| none)?;
    let (mut pcm, mut rate, mut broken) = (Vec::<i16>::new(), 0, 0);
    let mut packet_pcm = Vec::<i16>::new();
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id != track_id {
            continue;
        }
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(Error::DecodeError(_) | Error::IoError(_)) if broken < PATIENCE => {
                broken += 1;
                continue;
            }
            Err(_) => break,
        };
        let (own, channels) = (decoded.spec().rate(), decoded.spec().channels().count().max(1));
        if rate == 0 {
            rate = own;
        } else if own != rate {
            return Err(ClipError::Unsupported("an MP3 whose rate changes"));
        }
        broken = 0;
        decoded.copy_to_vec_interleaved(&mut packet_pcm);
        let mixed = |frame: &[i16]| (frame.iter().map(|s| i32::from(*s)).sum::<i32>() / channels as i32) as i16;
        pcm.extend(packet_pcm.chunks_exact(channels).map(mixed));
        if is_too_long(pcm.len(), rate) {
            return Err(ClipError::TooLong);
        }
    }
    if pcm.is_empty() { Err(none) } else { Ok(Sound { pcm, rate }) }
}
