//! Secure RTP and RTCP: RFC 3711, and AES-GCM by RFC 7714. Keys come from a session description ([`sdes`], RFC 4568).
//!
//! A [`Sender`] seals the one stream a port sends; a [`Receiver`] opens what comes, whatever its SSRC. Both work in the
//! buffer the packet lies in and allocate nothing per packet.

mod keys;
pub mod sdes;
#[cfg(test)]
mod tests;
mod window;

pub use keys::{MasterKey, Suite};

use keys::{Direction, SessionKeys};
use window::Window;

/// The most a packet grows by being sealed: a 16-octet tag and the index of SRTCP.
pub const OVERHEAD: usize = 20;
/// The most sources of which a receiver knows what it has heard; of one more, the longest silent is forgotten.
const MAX_SOURCES: usize = 4;
/// How often the numbers of a stream may have begun anew before somebody came to it late: two days of 20 ms packets.
const LATE: u64 = 128;
/// What of an RTCP packet is never encrypted.
const RTCP_CLEAR: usize = 8;
/// The bit that says that an SRTCP packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// Why a packet is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Too short, or no RTP.
    Malformed,
    /// It has been heard before, or is too old to tell.
    Replayed,
    /// Its tag does not fit.
    Forged,
}

/// Seals what a port sends.
#[derive(Debug)]
pub struct Sender {
    rtp: SessionKeys,
    rtcp: SessionKeys,
    rollover: u32,
    highest: Option<u16>,
    rtcp_index: u32,
}

impl Sender {
    /// With our own master key; `None` if it cannot be used.
    pub fn new(key: &MasterKey) -> Option<Self> {
        let (rtp, rtcp) = (SessionKeys::rtp(key)?, SessionKeys::rtcp(key)?);
        Some(Self { rtp, rtcp, rollover: 0, highest: None, rtcp_index: 0 })
    }

    /// Seals an RTP packet of `len` octets in a buffer that has [`OVERHEAD`] more; returns its new length. `None` if there
    /// is no room, or it is no RTP.
    pub fn seal_rtp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let (header, sequence, ssrc) = rtp_parts(buffer.get(..len)?)?;
        let index = match self.highest {
            Some(highest) => guess(self.rollover, highest, sequence)?,
            None => u64::from(sequence),
        };
        if self.highest.is_none_or(|highest| index > (u64::from(self.rollover) << 16 | u64::from(highest))) {
            self.rollover = (index >> 16) as u32;
            self.highest = Some(sequence);
        }
        self.rtp.seal_rtp(buffer, header, len, ssrc, index)
    }

    /// The same for RTCP.
    pub fn seal_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let ssrc = word(buffer.get(..len)?, 4)?;
        let index = self.rtcp_index;
        self.rtcp_index = (index + 1) & !ENCRYPTED;
        self.rtcp.seal_rtcp(buffer, len, ssrc, index | ENCRYPTED)
    }
}

/// Opens what a peer sends.
#[derive(Debug)]
pub struct Receiver {
    rtp: SessionKeys,
    rtcp: SessionKeys,
    /// Octets of a master key identifier that the peer puts before each tag.
    identifier: usize,
    sources: [Option<Source>; MAX_SOURCES],
    /// Counts packets, for who was heard last.
    heard: u64,
    /// Streams may have gone on for long: how often their numbers may have begun anew, to be tried next.
    late: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    heard: u64,
    rtp: Option<Window>,
    rtcp: Option<Window>,
}

impl Receiver {
    /// With the peer's master key; `None` if it cannot be used. `identifier` is the length of its MKI, 0 if there is none.
    pub fn new(key: &MasterKey, identifier: usize) -> Option<Self> {
        let (rtp, rtcp) = (SessionKeys::rtp(key)?, SessionKeys::rtcp(key)?);
        Some(Self { rtp, rtcp, identifier, sources: [None; MAX_SOURCES], heard: 0, late: None })
    }

    /// Nobody here knows how often the numbers of the peer's streams have begun anew (RFC 3711 §3.3.1: the rollover counter is told by nobody):
    /// each packet of a stream that is not known tries one more possibility, at most 128.
    pub fn comes_late(&mut self) {
        self.late = Some(0);
    }

    /// Opens an RTP packet in place; returns its new length. A packet that is not let in changes nothing but its buffer.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Fault> {
        let (header, sequence, ssrc) = rtp_parts(packet).ok_or(Fault::Malformed)?;
        let known = self.source(ssrc).and_then(|source| source.rtp);
        let index = match known {
            Some(window) => {
                let highest = window.highest();
                let index = guess((highest >> 16) as u32, highest as u16, sequence).ok_or(Fault::Replayed)?;
                window.admits(index).then_some(index).ok_or(Fault::Replayed)?
            }
            None => self.late.unwrap_or(0) << 16 | u64::from(sequence),
        };
        let opened = self.rtp.open_rtp(packet, header, self.identifier, ssrc, index);
        if let (Err(_), None, Some(late)) = (&opened, known, &mut self.late) {
            *late = (*late + 1) % LATE;
        }
        let len = opened?;
        let window = known.unwrap_or(Window::new(index)).with(index);
        self.keep(ssrc, |source| source.rtp = Some(window));
        Ok(len)
    }

    /// The same for RTCP.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Fault> {
        let ssrc = word(packet, 4).ok_or(Fault::Malformed)?;
        let known = self.source(ssrc).and_then(|source| source.rtcp);
        let index = self.rtcp.rtcp_index(packet, self.identifier).ok_or(Fault::Malformed)?;
        let count = u64::from(index & !ENCRYPTED);
        if known.is_some_and(|window| !window.admits(count)) {
            return Err(Fault::Replayed);
        }
        let len = self.rtcp.open_rtcp(packet, self.identifier, ssrc, index)?;
        let window = known.unwrap_or(Window::new(count)).with(count);
        self.keep(ssrc, |source| source.rtcp = Some(window));
        Ok(len)
    }

    fn source(&self, ssrc: u32) -> Option<&Source> {
        self.sources.iter().flatten().find(|source| source.ssrc == ssrc)
    }

    /// Remembers something of a source that has proved itself.
    fn keep(&mut self, ssrc: u32, change: impl FnOnce(&mut Source)) {
        self.heard += 1;
        let known = self.sources.iter().position(|s| s.is_some_and(|s| s.ssrc == ssrc));
        let oldest = || (0..MAX_SOURCES).min_by_key(|i| self.sources[*i].map_or(0, |s| s.heard)).unwrap_or(0);
        let at = known.unwrap_or_else(oldest);
        let mut source = match known {
            Some(at) => self.sources[at],
            None => None,
        }
        .unwrap_or(Source { ssrc, heard: 0, rtp: None, rtcp: None });
        source.heard = self.heard;
        change(&mut source);
        self.sources[at] = Some(source);
    }
}

/// Where the payload begins, the sequence number and the SSRC.
fn rtp_parts(packet: &[u8]) -> Option<(usize, u16, u32)> {
    let fixed: &[u8; 12] = packet.first_chunk()?;
    if fixed[0] >> 6 != 2 {
        return None;
    }
    let mut header = 12 + usize::from(fixed[0] & 0x0f) * 4;
    if fixed[0] & 0x10 != 0 {
        let words = packet.get(header + 2..header + 4)?;
        header += 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
    }
    (header <= packet.len()).then_some((header, u16::from_be_bytes([fixed[2], fixed[3]]), word(packet, 8)?))
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|o| u32::from_be_bytes(*o))
}

/// The index of a packet, given the highest so far: RFC 3711 §3.3.1. `None` if it would lie before the beginning.
fn guess(rollover: u32, highest: u16, sequence: u16) -> Option<u64> {
    let ahead = sequence.wrapping_sub(highest).cast_signed();
    let from = u64::from(rollover) << 16 | u64::from(highest);
    from.checked_add_signed(i64::from(ahead)).filter(|index| index >> 48 == 0)
}

impl Direction {
    /// Labels of key derivation: RFC 3711 §4.3.2.
    const fn labels(self) -> [u8; 3] {
        match self {
            Direction::Rtp => [0, 1, 2],
            Direction::Rtcp => [3, 4, 5],
        }
    }
}
