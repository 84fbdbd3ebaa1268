//! What comes in: order, loss, jitter (RFC 3550 §6.4.1, A.1, A.3, A.8).

use super::bursts::Bursts;
use super::source::Source;
use crate::rtp::Header;

/// A jump ahead of more packets than this is another stream until a second packet confirms it: RFC 3550 A.1.
const MAX_DROPOUT: i16 = 3000;

/// The receiving half of a port.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    pub(super) source: Source,
    stream: Option<Stream>,
    /// Counts streams: a new SSRC, or a sequence or timestamps that began anew.
    pub(super) epoch: u32,
    lost_before: u64,
    pub(super) received: u64,
    pub(super) late: u64,
    pub(super) duplicates: u64,
    pub(super) discarded: u64,
    pub(super) forged: u64,
    jitter_ms: f32,
    pub(super) max_jitter_ms: f32,
    /// How losses cluster.
    pub(super) bursts: Bursts,
}

/// One sequence of packets.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// Extended sequence numbers; they begin at 65536 so that a packet before the first has one too.
    first: u64,
    highest: u64,
    received: u64,
    /// Which of the 64 packets up to the highest came; the lowest bit is the highest packet.
    seen: u64,
    /// Where a sequence that began anew would continue.
    doubtful: Option<u16>,
    /// Arrival less timestamp, and the timestamp, of the last packet of sound.
    last: Option<(u32, u32)>,
    /// In sixteenths of a timestamp tick.
    jitter: u32,
    /// Timestamp ticks in 10 ms.
    clock: u16,
    prior: Counts,
}

/// Expected and received at the last report.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    expected: u64,
    received: u64,
}

/// What a receiver report says about the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reception {
    pub(super) ssrc: u32,
    pub(super) fraction_lost: u8,
    pub(super) lost: i32,
    pub(super) highest: u32,
    pub(super) jitter: u32,
}

impl Inbound {
    /// Puts a packet in its place. False if it is a duplicate, hopelessly late, or of a jump not yet confirmed.
    #[inline]
    pub(super) fn take(&mut self, header: &Header) -> bool {
        let Some(stream) = self.stream.as_mut().filter(|s| s.ssrc == header.ssrc) else {
            self.begin(header);
            return true;
        };
        match header.sequence.wrapping_sub(stream.highest as u16).cast_signed() {
            ahead @ 1..=MAX_DROPOUT => {
                stream.highest += ahead as u64;
                self.bursts.came(ahead as u64 - 1);
                stream.seen = stream.seen.checked_shl(ahead as u32).unwrap_or(0) | 1;
            }
            behind @ -63..=0 => {
                let bit = 1 << -behind;
                if stream.seen & bit != 0 {
                    self.duplicates += 1;
                    return false;
                }
                stream.seen |= bit;
                stream.first = stream.first.min(stream.highest - u64::from(behind.unsigned_abs()));
                self.late += 1;
            }
            _ if stream.doubtful == Some(header.sequence) => {
                self.begin(header);
                return true;
            }
            _ => {
                stream.doubtful = Some(header.sequence.wrapping_add(1));
                self.discarded += 1;
                return false;
            }
        }
        stream.doubtful = None;
        stream.received += 1;
        self.received += 1;
        true
    }

    #[cold]
    fn begin(&mut self, header: &Header) {
        self.lost_before = self.lost();
        self.received += 1;
        self.epoch = self.epoch.wrapping_add(1);
        let first = 65_536 + u64::from(header.sequence);
        self.stream = Some(Stream {
            ssrc: header.ssrc,
            first,
            highest: first,
            received: 1,
            seen: 1,
            doubtful: None,
            last: None,
            jitter: 0,
            clock: 80,
            prior: Counts::default(),
        });
    }

    /// Measures the jitter by a packet of sound: `micros` is its arrival, `clock` its ticks in 10 ms.
    #[inline]
    pub(super) fn measure(&mut self, timestamp: u32, clock: u16, micros: u64) {
        let Some(stream) = &mut self.stream else { return };
        let arrival = (micros * u64::from(clock) / 10_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        let last = stream.last.replace((transit, timestamp));
        if stream.clock != clock {
            stream.clock = clock;
            stream.jitter = 0;
            return;
        }
        let Some((last_transit, last_timestamp)) = last else { return };
        let second = u32::from(clock) * 100;
        let step = transit.wrapping_sub(last_transit).cast_signed().unsigned_abs();
        if step <= second {
            stream.jitter = (stream.jitter + step).saturating_sub((stream.jitter + 8) >> 4);
            self.jitter_ms = (stream.jitter >> 4) as f32 * 10.0 / f32::from(clock);
            self.max_jitter_ms = self.max_jitter_ms.max(self.jitter_ms);
        } else if timestamp.wrapping_sub(last_timestamp).cast_signed().unsigned_abs() > second {
            // The timestamps began anew (and it is not the network that held packets back): as good as a new stream.
            self.epoch = self.epoch.wrapping_add(1);
        }
    }

    /// Packets that never came, of all streams so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.stream.as_ref().map_or(0, |s| s.expected().saturating_sub(s.received))
    }

    /// Jitter now, in milliseconds.
    pub(super) fn jitter_ms(&self) -> f32 {
        self.jitter_ms
    }

    /// For a report about the present stream; the share lost is counted since the last call.
    pub(super) fn report(&mut self) -> Option<Reception> {
        let stream = self.stream.as_mut()?;
        let now = Counts { expected: stream.expected(), received: stream.received };
        let expected = now.expected.saturating_sub(stream.prior.expected);
        let lost = expected.saturating_sub(now.received.saturating_sub(stream.prior.received));
        stream.prior = now;
        Some(Reception {
            ssrc: stream.ssrc,
            fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
            lost: now.expected.saturating_sub(now.received).min(0x7f_ffff) as i32,
            highest: (stream.highest - 65_536) as u32,
            jitter: stream.jitter >> 4,
        })
    }
}

impl Stream {
    fn expected(&self) -> u64 {
        self.highest - self.first + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ssrc: u32, sequence: u16) -> Header {
        Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc, payload_at: 12, payload_len: 160 }
    }

    fn feed(inbound: &mut Inbound, sequences: impl IntoIterator<Item = u16>) -> Vec<bool> {
        sequences.into_iter().map(|s| inbound.take(&header(1, s))).collect()
    }

    #[test]
    fn loss_is_counted_over_a_wrap_and_reordering_is_no_loss() {
        let mut inbound = Inbound::default();
        assert!(feed(&mut inbound, [65_533, 65_535, 65_534, 1, 0, 3]).iter().all(|taken| *taken));
        assert_eq!((inbound.lost(), inbound.late, inbound.received, inbound.epoch), (1, 2, 6, 1));
        let report = inbound.report().unwrap();
        assert_eq!((report.lost, report.highest, report.fraction_lost), (1, 65_539, 36));
        assert_eq!(inbound.report().unwrap().fraction_lost, 0);
    }

    #[test]
    fn a_packet_before_the_first_moves_the_beginning() {
        let mut inbound = Inbound::default();
        assert_eq!(feed(&mut inbound, [10, 8, 9, 11]), [true; 4]);
        assert_eq!(inbound.lost(), 0);
    }

    #[test]
    fn duplicates_are_refused_and_one_stray_does_not_restart_but_two_do() {
        let mut inbound = Inbound::default();
        assert_eq!(feed(&mut inbound, [1, 2, 2, 1, 3]), [true, true, false, false, true]);
        assert_eq!(feed(&mut inbound, [30_000, 4, 5]), [false, true, true]);
        assert_eq!((inbound.duplicates, inbound.discarded, inbound.epoch, inbound.lost()), (2, 1, 1, 0));
        assert_eq!(feed(&mut inbound, [30_000, 30_001, 30_003]), [false, true, true]);
        assert_eq!((inbound.epoch, inbound.lost()), (2, 1));
        assert!(inbound.take(&header(2, 7)));
        assert_eq!((inbound.epoch, inbound.lost()), (3, 1));
    }

    #[test]
    fn jitter_of_alternating_five_milliseconds_comes_near_ten() {
        let mut inbound = Inbound::default();
        for i in 0..2000u32 {
            inbound.take(&header(1, i as u16));
            inbound.measure(i * 160, 80, u64::from(i) * 20_000 + u64::from(i % 2) * 10_000);
        }
        assert!((inbound.jitter_ms() - 10.0).abs() < 0.6, "{}", inbound.jitter_ms());
        // A timestamp that begins anew is not jitter.
        inbound.measure(0xf000_0000, 80, 40_000_000);
        assert!(inbound.max_jitter_ms < 11.0);
        assert_eq!(inbound.epoch, 2);
        // A network that held a packet back for three seconds is not a new stream.
        inbound.measure(0xf000_00a0, 80, 43_000_000);
        assert_eq!(inbound.epoch, 2);
    }
}
