//! RTP packets of 20 ms G.711 whose payload begins with a stamp that survives a relay.

use crate::net::Nanos;

const HEADER: usize = 12;
const PAYLOAD: usize = 160;
const MAGIC: [u8; 4] = *b"PBLD";
const STAMP: usize = 24;

/// Length of a packet of ours.
pub(super) const PACKET_LEN: usize = HEADER + PAYLOAD;

/// What the payload tells about its packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The stream it belongs to.
    pub(super) stream: u32,
    /// Whether it was sent in the measuring window.
    pub(super) counted: bool,
    /// Its number in its stream.
    pub(super) count: u32,
    /// When it was handed to the kernel.
    pub(super) sent_at: Nanos,
}

/// Writes a whole packet.
pub(super) fn write_packet(packet: &mut [u8; PACKET_LEN], payload_type: u8, stamp: Stamp) {
    let ssrc = stamp.stream.wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995;
    packet[0] = 0x80;
    packet[1] = payload_type;
    packet[2..4].copy_from_slice(&(stamp.count as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&stamp.count.wrapping_mul(PAYLOAD as u32).to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let (head, noise) = packet[HEADER..].split_at_mut(STAMP);
    head[0..4].copy_from_slice(&MAGIC);
    head[4..8].copy_from_slice(&stamp.stream.to_le_bytes());
    head[8..12].copy_from_slice(&stamp.count.to_le_bytes());
    head[12..20].copy_from_slice(&stamp.sent_at.to_le_bytes());
    head[20..24].copy_from_slice(&u32::from(stamp.counted).to_le_bytes());
    // Quiet noise around zero, so that nobody takes the stream for silence.
    for (i, byte) in noise.iter_mut().enumerate() {
        *byte = if (i * 7 + stamp.count as usize).is_multiple_of(3) { 0xfe } else { 0x7d };
    }
}

/// The stamp of a packet, if it is one of ours.
#[must_use]
pub(super) fn read_packet(packet: &[u8]) -> Option<Stamp> {
    if packet.first()? >> 6 != 2 {
        return None;
    }
    let contributors = usize::from(packet[0] & 0x0f) * 4;
    let head: &[u8; STAMP] = packet.get(HEADER + contributors..)?.first_chunk()?;
    let word = |at: usize| head[at..].first_chunk().map(|b| u32::from_le_bytes(*b));
    if head[..4] != MAGIC {
        return None;
    }
    Some(Stamp {
        stream: word(4)?,
        count: word(8)?,
        sent_at: u64::from_le_bytes(*head[12..].first_chunk()?),
        counted: word(20)? != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_its_packet() {
        let stamp = Stamp { stream: 77, counted: true, count: 70_001, sent_at: 1_700_000_000_123_456_789 };
        let mut packet = [0; PACKET_LEN];
        write_packet(&mut packet, 8, stamp);
        assert_eq!(read_packet(&packet), Some(stamp));
        assert_eq!((packet[1], u16::from_be_bytes([packet[2], packet[3]])), (8, 70_001u32 as u16));
    }

    #[test]
    fn what_is_not_ours_has_no_stamp() {
        let mut packet = [0; PACKET_LEN];
        write_packet(&mut packet, 0, Stamp { stream: 1, counted: false, count: 0, sent_at: 0 });
        packet[13] ^= 1;
        assert_eq!(read_packet(&packet), None);
        for short in [&[][..], &[0x80], &[0x80; 20], &[0; 172]] {
            assert_eq!(read_packet(short), None);
        }
    }
}
