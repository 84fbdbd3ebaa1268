//! Opus in Ogg (RFC 7845), for recordings when the call is over.

use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use opus_pure::{Application, OpusEncoder};

/// Bits per second and channel.
const BITRATE: i32 = 24_000;
/// Samples of a packet of 20 ms at 8 kHz; an Ogg position counts at 48 kHz.
const FRAME: usize = 160;
const TICKS: u64 = 960;
/// Packets on a page: a second.
const PAGE: usize = 50;
/// What the encoder looks ahead, which players leave out, at 48 kHz.
const PRE_SKIP: u16 = 312;
/// One stream alone; any number will do.
const SERIAL: u32 = 0x5042_5831;
/// The longest packet (RFC 6716 §3.2.1).
const MAX_PACKET: usize = 1_275 * 3;

/// A file of these samples, 8 kHz, interleaved if there are two channels. `None` for other numbers of channels, or if it
/// cannot be encoded.
pub fn opus(samples: &[i16], channels: u16) -> Option<Vec<u8>> {
    let stride = usize::from(channels);
    let mut encoder = OpusEncoder::new(8_000, stride, Application::Voip).ok()?;
    encoder.bitrate_bps = BITRATE * i32::from(channels);
    let mut writer = PacketWriter::new(Vec::new());
    writer.write_packet(head(channels), SERIAL, PacketWriteEndInfo::EndPage, 0).ok()?;
    writer.write_packet(tags(), SERIAL, PacketWriteEndInfo::EndPage, 0).ok()?;
    let frames = samples.len() / stride;
    // Enough packets that the last sample comes out of the decoder, which is late by the pre-skip.
    let packets = (frames * 6 + usize::from(PRE_SKIP)).div_ceil(TICKS as usize).max(1);
    let mut pcm = vec![0; FRAME * stride];
    let mut packet = [0; MAX_PACKET];
    for at in 0..packets {
        let rest = samples.get(at * pcm.len()..).unwrap_or_default();
        let len = rest.len().min(pcm.len());
        pcm[..len].copy_from_slice(&rest[..len]);
        pcm[len..].fill(0);
        let len = encoder.encode_s16(&pcm, FRAME, &mut packet).ok()?;
        let last = at + 1 == packets;
        let end = match (last, (at + 1) % PAGE == 0) {
            (true, _) => PacketWriteEndInfo::EndStream,
            (false, true) => PacketWriteEndInfo::EndPage,
            (false, false) => PacketWriteEndInfo::NormalPacket,
        };
        // The last position tells how much of the last packet counts (§4.4).
        let whole = (at as u64 + 1) * TICKS;
        let position = if last { whole.min(frames as u64 * 6 + u64::from(PRE_SKIP)) } else { whole };
        writer.write_packet(packet[..len].to_vec(), SERIAL, end, position).ok()?;
    }
    Some(writer.into_inner())
}

/// The identification header: §5.1.
fn head(channels: u16) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels as u8);
    head.extend_from_slice(&PRE_SKIP.to_le_bytes());
    head.extend_from_slice(&8_000u32.to_le_bytes());
    // No gain, and the usual mapping of one or two channels.
    head.extend_from_slice(&[0, 0, 0]);
    head
}

/// The comment header: §5.2.
fn tags() -> Vec<u8> {
    let mut tags = b"OpusTags".to_vec();
    let vendor = b"Patchbay";
    tags.extend_from_slice(&(vendor.len() as u32).to_le_bytes());
    tags.extend_from_slice(vendor);
    tags.extend_from_slice(&0u32.to_le_bytes());
    tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{hears, tone};
    use ogg::PacketReader;
    use opus_pure::OpusDecoder;
    use std::io::Cursor;

    #[test]
    fn both_channels_come_back_in_their_length_and_apart() {
        let (left, right) = (tone(1070.0, 20_100), tone(2050.0, 20_100));
        let samples: Vec<i16> = left.iter().zip(&right).flat_map(|(l, r)| [*l, *r]).collect();
        let file = opus(&samples, 2).unwrap();
        assert!(file.len() < samples.len() * 2 / 4, "{}", file.len());
        let mut reader = PacketReader::new(Cursor::new(file));
        let first = reader.read_packet_expected().unwrap();
        assert_eq!((&first.data[..10], first.data[9]), (&b"OpusHead\x01\x02"[..], 2));
        assert!(reader.read_packet_expected().unwrap().data.starts_with(b"OpusTags"));
        let mut decoder = OpusDecoder::new(8_000, 2).unwrap();
        let (mut heard, mut end) = (Vec::new(), 0);
        while let Some(packet) = reader.read_packet().unwrap() {
            let mut pcm = [0; FRAME * 2];
            assert_eq!(decoder.decode_s16(&packet.data, FRAME, &mut pcm).unwrap(), FRAME);
            heard.extend_from_slice(&pcm);
            end = packet.absgp_page();
        }
        assert_eq!(end, 20_100 * 6 + u64::from(PRE_SKIP));
        let channel = |n: usize| heard.iter().skip(n).step_by(2).copied().collect::<Vec<i16>>();
        for (n, own, other) in [(0, 1070.0, 2050.0), (1, 2050.0, 1070.0)] {
            let found = hears(&channel(n), own).unwrap();
            assert!(found.share > 0.97 && found.until.as_millis() > 2_480, "{found:?}");
            assert_eq!(hears(&channel(n), other), None);
        }
    }

    #[test]
    fn nothing_is_a_file_too_and_three_channels_are_none() {
        assert!(opus(&[], 1).unwrap().starts_with(b"OggS"));
        assert!(opus(&[0; 300], 3).is_none());
    }
}
