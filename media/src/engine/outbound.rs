//! What goes out: one stream with one SSRC, whatever it is fed from.

use crate::rtp::Header;

/// The sending half of a port. Sequence numbers and timestamps run on when the feed changes.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) ssrc: u32,
    next_sequence: u16,
    last: Option<Last>,
    first_timestamp: u32,
    feed: Feed,
    pub(super) packets: u64,
    pub(super) octets: u64,
}

/// The newest packet sent.
#[derive(Clone, Copy, Debug)]
struct Last {
    timestamp: u32,
    micros: u64,
    clock: u16,
}

#[derive(Debug)]
enum Feed {
    Nothing,
    /// The stream `epoch` of `ssrc`, moved by these offsets; what came before `first` in it is not ours to send.
    Relay {
        ssrc: u32,
        epoch: u32,
        sequence: u16,
        timestamp: u32,
        first: u16,
    },
    /// What the switch plays or mixes; its next packet has this timestamp.
    Own {
        next: u32,
    },
}

impl Outbound {
    pub(super) fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            ssrc,
            // Room before the first wrap, for receivers that mind one among the first packets.
            next_sequence: sequence & 0x7fff,
            last: None,
            first_timestamp: timestamp,
            feed: Feed::Nothing,
            packets: 0,
            octets: 0,
        }
    }

    /// What comes next is of another feed: it continues the stream with a marker.
    pub(super) fn switch(&mut self) {
        self.feed = Feed::Nothing;
    }

    /// The header under which a relayed packet leaves; `None` if it is older than the relay.
    /// `clock` is its ticks in 10 ms, `micros` now.
    #[inline]
    pub(super) fn relay(
        &mut self,
        header: &Header,
        epoch: u32,
        payload_type: u8,
        clock: u16,
        micros: u64,
    ) -> Option<Header> {
        let fresh = match &self.feed {
            Feed::Relay { ssrc, epoch: of, .. } => *ssrc != header.ssrc || *of != epoch,
            Feed::Nothing | Feed::Own { .. } => true,
        };
        if fresh {
            self.feed = Feed::Relay {
                ssrc: header.ssrc,
                epoch,
                sequence: self.next_sequence.wrapping_sub(header.sequence),
                timestamp: self.continued(clock, micros).wrapping_sub(header.timestamp),
                first: header.sequence,
            };
        }
        let Feed::Relay { sequence, timestamp, first, .. } = &mut self.feed else { return None };
        let age = header.sequence.wrapping_sub(*first);
        if age >= 0x8000 {
            return None;
        }
        if age >= 0x4000 {
            // `first` follows, so that a long call does not wrap around to it.
            *first = first.wrapping_add(0x2000);
        }
        let (sequence, timestamp) =
            (header.sequence.wrapping_add(*sequence), header.timestamp.wrapping_add(*timestamp));
        self.sent(sequence, Last { timestamp, micros, clock }, header.payload_len);
        Some(Header {
            marker: header.marker || fresh,
            payload_type,
            sequence,
            timestamp,
            ssrc: self.ssrc,
            payload_at: 12,
            payload_len: header.payload_len,
        })
    }

    /// The header of a packet of our own that lasts `ticks`, after `skipped` ticks not sent. `clock` is its ticks in 10 ms.
    pub(super) fn play(
        &mut self,
        payload_type: u8,
        (ticks, skipped): (u32, u32),
        clock: u16,
        payload_len: usize,
        micros: u64,
    ) -> Header {
        let (timestamp, marker) = match self.feed {
            Feed::Own { next } => (next.wrapping_add(skipped), skipped > 0),
            Feed::Nothing | Feed::Relay { .. } => (self.continued(clock, micros), true),
        };
        self.feed = Feed::Own { next: timestamp.wrapping_add(ticks) };
        let sequence = self.next_sequence;
        self.sent(sequence, Last { timestamp, micros, clock }, payload_len);
        let ssrc = self.ssrc;
        Header { marker, payload_type, sequence, timestamp, ssrc, payload_at: 12, payload_len }
    }

    /// The header of a packet of an event that has begun at `began`, or begins now. `clock` is its ticks in 10 ms.
    pub(super) fn event(&mut self, payload_type: u8, began: Option<u32>, clock: u16, micros: u64) -> Header {
        let timestamp = began.unwrap_or_else(|| self.continued(clock, micros));
        // The time of the event's beginning stays that of its timestamp.
        let micros = match (began, self.last) {
            (Some(_), Some(last)) => last.micros,
            (_, _) => micros,
        };
        self.feed = Feed::Nothing;
        let sequence = self.next_sequence;
        self.sent(sequence, Last { timestamp, micros, clock }, 4);
        let ssrc = self.ssrc;
        Header { marker: began.is_none(), payload_type, sequence, timestamp, ssrc, payload_at: 12, payload_len: 4 }
    }

    /// The timestamp of now: at least a packet's 20 ms after the last one.
    pub(super) fn continued(&self, clock: u16, micros: u64) -> u32 {
        match self.last {
            Some(last) => {
                let elapsed = micros.saturating_sub(last.micros) * u64::from(clock) / 10_000;
                last.timestamp.wrapping_add((elapsed as u32).max(u32::from(clock) * 2))
            }
            None => self.first_timestamp,
        }
    }

    /// The timestamp of now for a sender report; `None` if nothing was sent.
    pub(super) fn timestamp_at(&self, micros: u64) -> Option<u32> {
        let last = self.last?;
        let elapsed = micros.saturating_sub(last.micros) * u64::from(last.clock) / 10_000;
        Some(last.timestamp.wrapping_add(elapsed as u32))
    }

    /// Ticks in 10 ms of what was sent last.
    pub(super) fn clock(&self) -> u16 {
        self.last.map_or(80, |last| last.clock)
    }

    #[inline]
    fn sent(&mut self, sequence: u16, last: Last, payload: usize) {
        if sequence.wrapping_sub(self.next_sequence) < 0x8000 {
            self.next_sequence = sequence.wrapping_add(1);
            self.last = Some(last);
        }
        self.packets += 1;
        self.octets += payload as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 8, sequence, timestamp, ssrc, payload_at: 12, payload_len: 160 }
    }

    #[test]
    fn a_tone_and_two_talkers_are_one_stream() {
        let mut outbound = Outbound::new(77, 100, 5_000);
        let tone = outbound.play(0, (160, 0), 80, 160, 0);
        let tone2 = outbound.play(0, (160, 0), 80, 160, 20_000);
        assert!(tone.marker && !tone2.marker);
        assert_eq!((tone2.sequence, tone2.timestamp), (101, 5_160));
        let a = outbound.relay(&header(1, 65_535, 0xffff_ff00), 1, 0, 80, 50_000).unwrap();
        let b = outbound.relay(&header(1, 0, 0xffff_ffa0), 1, 0, 80, 70_000).unwrap();
        assert_eq!((a.sequence, a.timestamp, a.marker, a.ssrc), (102, 5_160 + 240, true, 77));
        assert_eq!((b.sequence, b.timestamp, b.marker), (103, 5_560, false));
        let other = outbound.relay(&header(2, 9, 4), 2, 0, 80, 90_000).unwrap();
        assert_eq!((other.sequence, other.timestamp, other.marker), (104, 5_720, true));
        assert_eq!(outbound.relay(&header(2, 8, 0), 2, 0, 80, 90_000), None);
        assert_eq!(outbound.packets, 5);
    }

    #[test]
    fn loss_and_reordering_are_passed_on_and_long_calls_do_not_wrap() {
        let mut outbound = Outbound::new(1, 0, 0);
        for i in 0..200_000u32 {
            let at = u64::from(i) * 20_000;
            let out = outbound.relay(&header(1, (i + 7) as u16, i.wrapping_mul(160)), 1, 0, 80, at).unwrap();
            assert_eq!(out.sequence, i as u16);
        }
        let late = outbound.relay(&header(1, (199_998u32 + 7) as u16, 0), 1, 0, 80, 0).unwrap();
        assert_eq!(late.sequence, 199_998u32 as u16);
        let ahead = outbound.relay(&header(1, (200_004u32 + 7) as u16, 0), 1, 0, 80, 0).unwrap();
        assert_eq!(ahead.sequence, 200_004u32 as u16);
    }
}
