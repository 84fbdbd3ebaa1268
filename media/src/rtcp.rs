//! RTCP packets: RFC 3550 §6, as far as a switch that ends RTCP on each leg needs them.

/// The most packets read of one compound packet.
const MAX_PACKETS: usize = 32;

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const XR: u8 = 207;
/// The block of VoIP metrics, and its length in words after the first.
const VOIP: u8 = 7;
const VOIP_WORDS: usize = 8;
/// A value of a VoIP metric that is not known.
pub const UNKNOWN: u8 = 127;

/// One reception report: RFC 3550 §6.4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// About this source.
    pub ssrc: u32,
    /// Share lost since the previous report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start, 24 bits signed.
    pub lost: i32,
    /// Highest sequence number received, with its cycles.
    pub highest: u32,
    /// Interarrival jitter, in timestamp ticks.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time in the last sender report received.
    pub last_sr: u32,
    /// Time since then in 1/65536 s.
    pub delay: u32,
}

/// The sender's part of a sender report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// NTP time: seconds since 1900 in the upper half, fractions in the lower.
    pub ntp: u64,
    /// The same moment in the stream's timestamp ticks.
    pub timestamp: u32,
    /// RTP packets sent.
    pub packets: u32,
    /// Octets of payload sent.
    pub octets: u32,
}

/// The VoIP metrics of an extended report, as far as a switch knows or needs them: RFC 3611 §4.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voip {
    /// About this source.
    pub ssrc: u32,
    /// Share of packets lost since the start, in 1/256.
    pub lost: u8,
    /// Share that came too late to be played, in 1/256.
    pub discarded: u8,
    /// Share lost within bursts, and within the gaps between them, in 1/256.
    pub burst_density: u8,
    /// See `burst_density`.
    pub gap_density: u8,
    /// Mean length of bursts and gaps, milliseconds.
    pub burst_ms: u16,
    /// See `burst_ms`.
    pub gap_ms: u16,
    /// Round trip by RTCP, and what the end itself adds, milliseconds; 0 if unknown.
    pub round_trip_ms: u16,
    /// See `round_trip_ms`.
    pub end_ms: u16,
    /// Level of speech in dBm0, −127 to 0; [`UNKNOWN`].
    pub signal_dbm0: i8,
    /// Level of the pauses; [`UNKNOWN`].
    pub noise_dbm0: i8,
    /// The E-model's R, 0 to 100; [`UNKNOWN`].
    pub r_factor: u8,
    /// Listening and conversational quality: the mean opinion score times ten; [`UNKNOWN`].
    pub mos_lq: u8,
    /// See `mos_lq`.
    pub mos_cq: u8,
    /// Nominal and present largest delay of the jitter buffer, milliseconds.
    pub jitter_ms: u16,
    /// See `jitter_ms`.
    pub max_jitter_ms: u16,
}

/// What one part of a compound packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// From a sender report.
    Sender {
        /// Who.
        ssrc: u32,
        /// What it sent.
        sender: Sender,
    },
    /// From a sender or receiver report.
    Block(Block),
    /// From an extended report.
    Voip(Voip),
    /// A source leaves.
    Bye {
        /// Who.
        ssrc: u32,
    },
}

/// Reads a compound packet and tells what it found. False, with nothing told, if it is not RTCP from first to last
/// octet (RFC 3550 A.2), or does not begin with a report and is not of reduced size (RFC 5506) either.
pub fn read(datagram: &[u8], mut tell: impl FnMut(Item)) -> bool {
    if !is_whole(datagram) {
        return false;
    }
    for packet in packets(datagram) {
        let count = usize::from(packet[0] & 0x1f);
        let body = &packet[4..];
        match packet[1] {
            SR if body.len() >= 24 => {
                let sender = Sender {
                    ntp: u64::from(word(body, 4)) << 32 | u64::from(word(body, 8)),
                    timestamp: word(body, 12),
                    packets: word(body, 16),
                    octets: word(body, 20),
                };
                tell(Item::Sender { ssrc: word(body, 0), sender });
                blocks(&body[24..], count, &mut tell);
            }
            RR if body.len() >= 4 => blocks(&body[4..], count, &mut tell),
            XR if body.len() >= 4 => extended(&body[4..], &mut tell),
            BYE => body.as_chunks::<4>().0.iter().take(count).for_each(|ssrc| {
                tell(Item::Bye { ssrc: u32::from_be_bytes(*ssrc) });
            }),
            _ => {}
        }
    }
    true
}

fn is_whole(datagram: &[u8]) -> bool {
    let mut rest = datagram;
    for i in 0..MAX_PACKETS {
        let Some(&[first, kind, high, low]) = rest.first_chunk() else { return false };
        let len = usize::from(u16::from_be_bytes([high, low])) * 4 + 4;
        // Feedback packets (205, 206) may stand alone.
        let begins = i > 0 || matches!(kind, SR | RR | 205 | 206);
        if first >> 6 != 2 || !(192..=223).contains(&kind) || !begins || len > rest.len() {
            return false;
        }
        rest = &rest[len..];
        if rest.is_empty() {
            return true;
        }
    }
    false
}

/// The parts of a datagram that [`is_whole`].
fn packets(mut datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let &[_, _, high, low] = datagram.first_chunk()?;
        let len = usize::from(u16::from_be_bytes([high, low])) * 4 + 4;
        let (packet, rest) = datagram.split_at_checked(len)?;
        datagram = rest;
        Some(packet)
    })
}

fn blocks(body: &[u8], count: usize, tell: &mut impl FnMut(Item)) {
    for block in body.as_chunks::<24>().0.iter().take(count) {
        tell(Item::Block(Block {
            ssrc: word(block, 0),
            fraction_lost: block[4],
            // Sign-extends 24 bits.
            lost: (word(block, 4) << 8).cast_signed() >> 8,
            highest: word(block, 8),
            jitter: word(block, 12),
            last_sr: word(block, 16),
            delay: word(block, 20),
        }));
    }
}

/// The blocks of an extended report: RFC 3611 §3. Those of other types are stepped over.
fn extended(mut blocks: &[u8], tell: &mut impl FnMut(Item)) {
    while let Some(&[kind, _, high, low]) = blocks.first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low])) * 4;
        let Some((body, rest)) = blocks[4..].split_at_checked(len) else { return };
        if let (VOIP, Some(body)) = (kind, body.first_chunk::<{ VOIP_WORDS * 4 }>()) {
            tell(Item::Voip(voip(body)));
        }
        blocks = rest;
    }
}

fn voip(body: &[u8; VOIP_WORDS * 4]) -> Voip {
    let half = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    Voip {
        ssrc: word(body, 0),
        lost: body[4],
        discarded: body[5],
        burst_density: body[6],
        gap_density: body[7],
        burst_ms: half(8),
        gap_ms: half(10),
        round_trip_ms: half(12),
        end_ms: half(14),
        signal_dbm0: body[16].cast_signed(),
        noise_dbm0: body[17].cast_signed(),
        r_factor: body[20],
        mos_lq: body[22],
        mos_cq: body[23],
        jitter_ms: half(26),
        max_jitter_ms: half(28),
    }
}

impl Voip {
    fn write(&self, us: u32, gmin: u8, to: &mut impl Extend<u8>) {
        head(to, 0, XR, 1 + 1 + VOIP_WORDS);
        to.extend(us.to_be_bytes());
        to.extend([VOIP, 0, 0, VOIP_WORDS as u8]);
        to.extend(self.ssrc.to_be_bytes());
        to.extend([self.lost, self.discarded, self.burst_density, self.gap_density]);
        let halves = [self.burst_ms, self.gap_ms, self.round_trip_ms, self.end_ms];
        halves.into_iter().for_each(|half| to.extend(half.to_be_bytes()));
        to.extend([self.signal_dbm0.cast_unsigned(), self.noise_dbm0.cast_unsigned(), UNKNOWN, gmin]);
        to.extend([self.r_factor, UNKNOWN, self.mos_lq, self.mos_cq]);
        // Enhanced concealment, an adaptive jitter buffer of unknown rate (§4.7.6).
        to.extend([0b1011_0000, 0]);
        [self.jitter_ms, self.max_jitter_ms, self.max_jitter_ms].into_iter().for_each(|h| to.extend(h.to_be_bytes()));
    }
}

/// The big-endian word at `at`; what lies beyond the end reads as zero.
fn word(octets: &[u8], at: usize) -> u32 {
    octets.get(at..).and_then(|o| o.first_chunk()).map_or(0, |o| u32::from_be_bytes(*o))
}

/// Writes a compound packet: a sender report (or a receiver report if nothing was sent), SDES with a CNAME, and BYE.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Us.
    pub ssrc: u32,
    /// What we sent; `None` for a receiver report.
    pub sender: Option<Sender>,
    /// What we received.
    pub block: Option<Block>,
    /// How it sounded here, and from how many packets in a row on a burst of losses is over.
    pub voip: Option<(Voip, u8)>,
    /// Our canonical name; at most 255 octets of it are written.
    pub cname: &'a str,
    /// True if this is the last one.
    pub bye: bool,
}

impl Report<'_> {
    /// Appends its octets.
    pub fn write(&self, to: &mut impl Extend<u8>) {
        let words = 1 + if self.sender.is_some() { 5 } else { 0 } + if self.block.is_some() { 6 } else { 0 };
        let kind = if self.sender.is_some() { SR } else { RR };
        head(to, u8::from(self.block.is_some()), kind, words);
        to.extend(self.ssrc.to_be_bytes());
        if let Some(sender) = &self.sender {
            to.extend(sender.ntp.to_be_bytes());
            [sender.timestamp, sender.packets, sender.octets].into_iter().for_each(|w| to.extend(w.to_be_bytes()));
        }
        if let Some(block) = &self.block {
            let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0x00ff_ffff;
            let lost = u32::from(block.fraction_lost) << 24 | lost;
            [block.ssrc, lost, block.highest, block.jitter, block.last_sr, block.delay]
                .into_iter()
                .for_each(|w| to.extend(w.to_be_bytes()));
        }
        let cname = &self.cname.as_bytes()[..self.cname.len().min(255)];
        // SSRC, type, length, name, and one to four zeros up to a word.
        let zeros = 4 - (cname.len() + 2) % 4;
        head(to, 1, SDES, (4 + 2 + cname.len() + zeros) / 4);
        to.extend(self.ssrc.to_be_bytes());
        to.extend([1, cname.len() as u8]);
        to.extend(cname.iter().copied());
        to.extend(std::iter::repeat_n(0, zeros));
        if let Some((voip, gmin)) = &self.voip {
            voip.write(self.ssrc, *gmin, to);
        }
        if self.bye {
            head(to, 1, BYE, 1);
            to.extend(self.ssrc.to_be_bytes());
        }
    }
}

fn head(to: &mut impl Extend<u8>, count: u8, kind: u8, words: usize) {
    to.extend([0x80 | count, kind]);
    to.extend((words as u16).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(datagram: &[u8]) -> Option<Vec<Item>> {
        let mut items = Vec::new();
        read(datagram, |item| items.push(item)).then_some(items)
    }

    #[test]
    fn what_is_written_is_read() {
        let sender = Sender { ntp: 0x0102_0304_0506_0708, timestamp: 9, packets: 10, octets: 1600 };
        let block =
            Block { ssrc: 7, fraction_lost: 25, lost: -3, highest: 0x1_0005, jitter: 12, last_sr: 13, delay: 14 };
        for len in 0..9 {
            let cname = &"callcentre"[..len];
            let report = Report { ssrc: 5, sender: Some(sender), block: Some(block), voip: None, cname, bye: true };
            let mut datagram = Vec::new();
            report.write(&mut datagram);
            assert_eq!(datagram.len() % 4, 0);
            let expected = vec![Item::Sender { ssrc: 5, sender }, Item::Block(block), Item::Bye { ssrc: 5 }];
            assert_eq!(items(&datagram), Some(expected));
            let mut empty = Vec::new();
            Report { sender: None, block: None, bye: false, ..report }.write(&mut empty);
            assert_eq!(items(&empty), Some(vec![]));
        }
    }

    #[test]
    fn a_compound_that_lies_about_lengths_tells_nothing() {
        let mut datagram = Vec::new();
        let report = Report { ssrc: 5, sender: None, block: Some(Block::default()), voip: None, cname: "x", bye: true };
        report.write(&mut datagram);
        for cut in 0..datagram.len() {
            // A cut between two of its packets leaves a valid, shorter compound.
            if ![32, 32 + 12].contains(&cut) {
                assert_eq!(items(&datagram[..cut]), None, "{cut}");
            }
        }
        datagram[3] = 0xff;
        assert_eq!(items(&datagram), None);
    }

    #[test]
    fn counts_beyond_the_body_are_cut_to_it() {
        // A receiver report that claims 31 blocks and carries none; a BYE that claims 31 sources and carries one.
        let datagram = [0x9f, RR, 0, 1, 0, 0, 0, 1, 0x9f, BYE, 0, 1, 0, 0, 0, 1];
        assert_eq!(items(&datagram), Some(vec![Item::Bye { ssrc: 1 }]));
        assert_eq!(items(&[0x80, BYE, 0, 0]), None);
        assert_eq!(items(&[0x80, RR, 0, 0]), Some(vec![]));
        assert_eq!(items(&[0x80, RR, 0, 0].repeat(33)), None);
    }

    #[test]
    fn voip_metrics_are_read_as_written_and_other_blocks_are_stepped_over() {
        let voip = Voip {
            ssrc: 7,
            lost: 12,
            discarded: 3,
            burst_density: 80,
            gap_density: 1,
            burst_ms: 120,
            gap_ms: 4_000,
            round_trip_ms: 31,
            end_ms: 40,
            signal_dbm0: -19,
            noise_dbm0: -70,
            r_factor: 88,
            mos_lq: 43,
            mos_cq: 42,
            jitter_ms: 20,
            max_jitter_ms: 60,
        };
        let mut datagram = Vec::new();
        Report { ssrc: 5, sender: None, block: None, voip: Some((voip, 16)), cname: "x", bye: false }
            .write(&mut datagram);
        assert_eq!(items(&datagram), Some(vec![Item::Voip(voip)]));
        // Receiver reference time before it, and a block that claims more than there is after it.
        let at = datagram.len() - 36;
        datagram.splice(at..at, [4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
        datagram.extend([7, 0, 0, 8, 0, 0, 0, 0]);
        let head = datagram.len() - 36 - 12 - 8 - 8 + 2;
        let words = (datagram.len() - head + 2) / 4 - 1;
        datagram[head..head + 2].copy_from_slice(&(words as u16).to_be_bytes());
        assert_eq!(items(&datagram), Some(vec![Item::Voip(voip)]));
        for cut in 0..36 {
            items(&datagram[..datagram.len() - cut]);
        }
    }
}
