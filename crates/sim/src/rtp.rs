//! RTP as the phones speak it (RFC 3550 §5.1) and digits in it (RFC 4733).

/// One RTP packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rtp {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) payload: Vec<u8>,
}

impl Rtp {
    /// Reads a packet; `None` if it is none.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let header = data.get(..12)?;
        if header[0] >> 6 != 2 {
            return None;
        }
        let mut start = 12 + 4 * usize::from(header[0] & 0x0f);
        if header[0] & 0x10 != 0 {
            let words = data.get(start + 2..start + 4)?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        let padding = if header[0] & 0x20 != 0 { usize::from(*data.last()?) } else { 0 };
        Some(Self {
            marker: header[1] & 0x80 != 0,
            payload_type: header[1] & 0x7f,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            payload: data.get(start..data.len().checked_sub(padding)?)?.to_vec(),
        })
    }

    /// The packet's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x80, self.payload_type | if self.marker { 0x80 } else { 0 }];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

const DIGITS: &[u8; 16] = b"0123456789*#ABCD";

/// The payload of a telephone-event packet (RFC 4733 §2.3); `duration` in timestamp units.
pub(crate) fn event_payload(digit: char, end: bool, duration: u16) -> Vec<u8> {
    let event = DIGITS.iter().position(|d| char::from(*d) == digit).unwrap_or(0) as u8;
    let [high, low] = duration.to_be_bytes();
    vec![event, 10 | if end { 0x80 } else { 0 }, high, low]
}

/// The digit of a telephone-event payload, and whether this is its end.
pub(crate) fn event_digit(payload: &[u8]) -> Option<(char, bool)> {
    let digit = DIGITS.get(usize::from(*payload.first()?))?;
    Some((char::from(*digit), payload.get(1)? & 0x80 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_and_a_digit_survive_a_round_trip() {
        let packet = Rtp {
            marker: true,
            payload_type: 101,
            sequence: 65_535,
            timestamp: 7,
            ssrc: 9,
            payload: event_payload('#', true, 800),
        };
        assert_eq!(Rtp::parse(&packet.bytes()), Some(packet.clone()));
        assert_eq!(event_digit(&packet.payload), Some(('#', true)));
        assert_eq!(Rtp::parse(b"\x80short"), None);
    }
}
