//! RIFF/WAVE files: PCM of 8 to 32 bits, floating point, A-law and µ-law, one channel or two.

use super::{ClipError, Sound, is_too_long};
use crate::g711::Law;

/// How samples are written.
#[derive(Clone, Copy)]
enum Form {
    Unsigned8,
    Signed(usize),
    Float,
    Law(Law),
}

struct Format {
    form: Form,
    channels: usize,
    rate: u32,
}

/// Reads a file. One that was cut short, or whose length was never written, holds what there is.
pub(super) fn read(data: &[u8]) -> Result<Sound, ClipError> {
    let (Some(b"RIFF"), Some(b"WAVE")) = (data.get(..4), data.get(8..12)) else {
        return Err(ClipError::Malformed("no RIFF/WAVE head"));
    };
    let mut format = None;
    let mut rest = data.get(12..).unwrap_or_default();
    while let Some((head, body)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, length @ ..] = *head;
        let length = u32::from_le_bytes(length) as usize;
        let chunk = body.get(..length).unwrap_or(body);
        match &[a, b, c, d] {
            b"fmt " => format = Some(read_format(chunk)?),
            b"data" => {
                let format = format.ok_or(ClipError::Malformed("sound before its format"))?;
                // Programs that write into a pipe leave the length open.
                let chunk = if length == 0 && body.len() > 8 { body } else { chunk };
                return samples(&format, chunk);
            }
            _ => {}
        }
        // Chunks lie at even places.
        rest = body.get(length.saturating_add(length & 1)..).unwrap_or_default();
    }
    Err(ClipError::Malformed("no chunk of sound"))
}

fn read_format(chunk: &[u8]) -> Result<Format, ClipError> {
    let short = |at: usize| Some(u16::from_le_bytes(*chunk.get(at..)?.first_chunk()?));
    let head = (|| {
        let rate = u32::from_le_bytes(*chunk.get(4..)?.first_chunk()?);
        Some((short(0)?, short(2)?, rate, short(14)?))
    })();
    let (mut tag, channels, rate, bits) = head.ok_or(ClipError::Malformed("a format cut short"))?;
    if tag == 0xfffe {
        // Extensible: the tag is the first half of the sub-format.
        tag = short(24).ok_or(ClipError::Malformed("a format cut short"))?;
    }
    let form = match (tag, bits) {
        (1, 8) => Form::Unsigned8,
        (1, 16 | 24 | 32) => Form::Signed(usize::from(bits / 8)),
        (3, 32) => Form::Float,
        (6, 8) => Form::Law(Law::A),
        (7, 8) => Form::Law(Law::Mu),
        (1 | 3 | 6 | 7, _) => return Err(ClipError::Unsupported("so many bits in a sample")),
        _ => return Err(ClipError::Unsupported("WAV with a codec other than PCM, A-law and µ-law")),
    };
    if !(1..=2).contains(&channels) {
        return Err(ClipError::Unsupported("more than two channels"));
    }
    if !(8_000..=48_000).contains(&rate) {
        return Err(ClipError::Unsupported("a rate other than 8 to 48 kHz"));
    }
    Ok(Format { form, channels: usize::from(channels), rate })
}

fn samples(format: &Format, data: &[u8]) -> Result<Sound, ClipError> {
    let octets = match format.form {
        Form::Unsigned8 | Form::Law(_) => 1,
        Form::Signed(octets) => octets,
        Form::Float => 4,
    };
    if is_too_long(data.len() / octets / format.channels, format.rate) {
        return Err(ClipError::TooLong);
    }
    let one = |sample: &[u8]| match (format.form, sample) {
        (Form::Unsigned8, [octet]) => (i16::from(*octet) - 128) << 8,
        (Form::Law(law), [octet]) => law.decode(*octet),
        (Form::Float, [a, b, c, d]) => (f32::from_le_bytes([*a, *b, *c, *d]) * 32_768.0) as i16,
        // The two highest octets are what is kept.
        (Form::Signed(_), [.., low, high]) => i16::from_le_bytes([*low, *high]),
        _ => 0,
    };
    let mixed = |frame: &[u8]| {
        let sum: i32 = frame.chunks_exact(octets).map(|sample| i32::from(one(sample))).sum();
        (sum / format.channels as i32) as i16
    };
    Ok(Sound { pcm: data.chunks_exact(octets * format.channels).map(mixed).collect(), rate: format.rate })
}
