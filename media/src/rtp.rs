//! RTP packets: RFC 3550 §5.1.

/// Octets of a header without contributing sources and extension: what the engine sends.
pub const HEADER: usize = 12;

/// A packet's header, and where its payload lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Often the first packet after silence, or of a digit.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Counts packets.
    pub sequence: u16,
    /// Counts samples.
    pub timestamp: u32,
    /// Names the source.
    pub ssrc: u32,
    /// Where the payload begins in the packet.
    pub payload_at: usize,
    /// Octets of payload, padding not counted.
    pub payload_len: usize,
}

impl Header {
    /// Reads a packet. `None` if it is not RTP: too short, another version, or parts that reach beyond its end.
    #[inline]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; HEADER] = packet.first_chunk()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut payload_at = HEADER + usize::from(fixed[0] & 0x0f) * 4;
        if fixed[0] & 0x10 != 0 {
            let words = packet.get(payload_at + 2..payload_at + 4)?;
            payload_at += 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
        }
        let mut end = packet.len();
        if fixed[0] & 0x20 != 0 {
            let padding = usize::from(packet[end - 1]);
            if padding == 0 {
                return None;
            }
            end = end.checked_sub(padding)?;
        }
        Some(Self {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            payload_at,
            payload_len: end.checked_sub(payload_at)?,
        })
    }

    /// Writes the twelve octets of this header: no padding, extension or contributing sources.
    #[inline]
    pub fn write(&self, to: &mut [u8; HEADER]) {
        to[0] = 0x80;
        to[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7f);
        to[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        to[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        to[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }
}

/// True if a datagram on a shared port is RTCP rather than RTP: RFC 5761 §4.
#[inline]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.len() >= 8 && datagram[0] >> 6 == 2 && (192..=223).contains(&datagram[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csrc_extension_and_padding_are_stepped_over() {
        let mut packet = vec![0xb1, 0x88, 0, 7, 0, 0, 0, 160, 1, 2, 3, 4];
        packet.extend([9; 4]); // CSRC
        packet.extend([0xbe, 0xde, 0, 1, 5, 5, 5, 5]);
        packet.extend(b"payload");
        packet.extend([0, 0, 3]);
        let header = Header::parse(&packet).unwrap();
        assert_eq!(&packet[header.payload_at..][..header.payload_len], b"payload");
        assert!(header.marker && header.payload_type == 8 && header.sequence == 7 && header.timestamp == 160);
        assert_eq!(header.ssrc, 0x0102_0304);
    }

    #[test]
    fn what_reaches_beyond_the_end_is_no_rtp() {
        let plain = [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(Header::parse(&plain).unwrap().payload_len, 0);
        assert_eq!(Header::parse(&plain[..11]), None);
        for (first, last) in [(0x40, 1), (0x8f, 1), (0x90, 1), (0xa0, 13), (0xa0, 0), (0xa0, 1)] {
            let mut packet = plain;
            packet[0] = first;
            packet[11] = last;
            assert_eq!(Header::parse(&packet), None, "{first:#x} {last}");
        }
    }

    #[test]
    fn a_written_header_reads_back() {
        let header = Header {
            marker: true,
            payload_type: 101,
            sequence: 65_535,
            timestamp: u32::MAX,
            ssrc: 5,
            payload_at: 12,
            payload_len: 0,
        };
        let mut octets = [0; HEADER];
        header.write(&mut octets);
        assert_eq!(Header::parse(&octets), Some(header));
    }
}
