//! Who may speak: the source lock.
//!
//! A port number is guessable, so whoever sends to it must not be able to take a stream over or be heard in it.
//!
//! - *Nobody has spoken yet.* The address of the SDP is believed at once. A phone behind NAT comes from another: it is
//!   believed after [`FEW`] consecutive RTP packets of one SSRC with an agreed payload type, if it shares the IP of the
//!   SDP or of the signalling; any other address needs [`MANY`] (about a second) if the signalling's IP is known.
//! - *Locked.* Only the locked address is heard. The address of the SDP outranks one that was merely latched.
//! - *Moved.* When the locked source has been silent for [`SILENCE`], the same IP or the same SSRC may take over with
//!   [`FEW`] consecutive packets. After a new description with another address the rules of the beginning hold again,
//!   and the old source is heard until the new one has arrived. If it goes on for [`MANY`] packets, it did not move:
//!   the description names an address behind NAT.

use crate::rtp::Header;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

const FEW: u8 = 3;
const MANY: u8 = 50;
const SILENCE: Duration = Duration::from_secs(3);
/// Packets that may be missing between two "consecutive" ones: real networks lose some.
const MAX_STEP: u16 = 3;

/// Where a port's packets come from, and go to.
#[derive(Debug, Default)]
pub(super) struct Source {
    expected: Option<SocketAddr>,
    signalling: Option<IpAddr>,
    locked: Option<Lock>,
    rival: Option<Rival>,
    /// The description names another address than before, and nothing has come from there yet.
    moving: bool,
}

#[derive(Debug)]
struct Lock {
    address: SocketAddr,
    ssrc: u32,
    heard: Instant,
    /// Packets since the description changed.
    stayed: u8,
}

#[derive(Debug)]
struct Rival {
    address: SocketAddr,
    ssrc: u32,
    last: u16,
    count: u8,
}

impl Source {
    /// The peer's description names this address; `None` if it names a host or nothing.
    pub(super) fn expect(&mut self, address: Option<SocketAddr>) {
        if self.expected != address {
            // A phone behind NAT may be heard before its first description comes: nothing has moved then.
            self.moving = self.locked.is_some() && self.expected.is_some();
            self.locked.iter_mut().for_each(|lock| lock.stayed = 0);
            self.expected = address;
            self.rival = None;
        }
    }

    /// The signalling comes from there.
    pub(super) fn hint(&mut self, signalling: IpAddr) {
        self.signalling = Some(signalling);
    }

    /// True if a packet with an agreed payload type may come in. Counts towards a lock, so ask once per packet.
    #[inline]
    pub(super) fn admit(&mut self, from: SocketAddr, header: &Header, now: Instant) -> bool {
        if let Some(lock) = &mut self.locked
            && lock.address == from
        {
            lock.ssrc = header.ssrc;
            lock.heard = now;
            if self.moving {
                lock.stayed += 1;
                self.moving = lock.stayed < MANY;
            }
            return true;
        }
        self.consider(from, header, now)
    }

    #[cold]
    fn consider(&mut self, from: SocketAddr, header: &Header, now: Instant) -> bool {
        let Some(needed) = self.needed(from, header.ssrc, now) else { return false };
        let count = match &self.rival {
            Some(rival)
                if rival.address == from
                    && rival.ssrc == header.ssrc
                    && (1..=MAX_STEP).contains(&header.sequence.wrapping_sub(rival.last)) =>
            {
                rival.count + 1
            }
            Some(_) | None => 1,
        };
        if count < needed {
            self.rival = Some(Rival { address: from, ssrc: header.ssrc, last: header.sequence, count });
            return false;
        }
        tracing::debug!(%from, moved = self.locked.is_some(), "media source locked");
        self.locked = Some(Lock { address: from, ssrc: header.ssrc, heard: now, stayed: 0 });
        self.rival = None;
        self.moving = false;
        true
    }

    /// How many consecutive packets this address must show; `None` if no number would do.
    fn needed(&self, from: SocketAddr, ssrc: u32, now: Instant) -> Option<u8> {
        let near = self.expected.is_some_and(|e| e.ip() == from.ip()) || self.signalling == Some(from.ip());
        let latch = if near || self.signalling.is_none() { FEW } else { MANY };
        let expected = self.expected == Some(from);
        match &self.locked {
            None if expected => Some(1),
            None => Some(latch),
            Some(_) if expected => Some(FEW),
            Some(_) if self.moving => Some(latch),
            Some(lock) => {
                let silent = now.saturating_duration_since(lock.heard) >= SILENCE;
                (silent && (from.ip() == lock.address.ip() || ssrc == lock.ssrc)).then_some(FEW)
            }
        }
    }

    /// True if RTCP from there is the peer's.
    pub(super) fn trusts(&self, ip: IpAddr) -> bool {
        match (&self.locked, self.expected) {
            (Some(lock), _) => lock.address.ip() == ip,
            (None, Some(expected)) => expected.ip() == ip || self.signalling == Some(ip),
            (None, None) => false,
        }
    }

    /// True if packets from there come in.
    pub(super) fn is_locked_to(&self, from: SocketAddr) -> bool {
        self.locked.as_ref().is_some_and(|lock| lock.address == from)
    }

    /// Where to send RTP.
    #[inline]
    pub(super) fn target(&self) -> Option<SocketAddr> {
        match &self.locked {
            Some(lock) if !self.moving => Some(lock.address),
            Some(_) | None => self.expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ssrc: u32, sequence: u16) -> Header {
        Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc, payload_at: 12, payload_len: 160 }
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    const PHONE: &str = "192.0.2.7:5004";
    const STRANGER: &str = "198.51.100.66:4000";

    #[test]
    fn the_address_of_the_sdp_is_believed_at_once_and_a_stranger_never_gets_in() {
        let now = stdx::testing::start();
        let mut source = Source::default();
        source.expect(Some(at(PHONE)));
        assert!(source.admit(at(PHONE), &header(1, 1), now));
        // It guesses even the SSRC, and goes on for as long as the phone speaks.
        for i in 0..500 {
            let now = now + Duration::from_millis(20 * i);
            assert!(!source.admit(at(STRANGER), &header(1, i as u16), now));
            assert!(source.admit(at(PHONE), &header(1, i as u16), now));
        }
        assert_eq!(source.target(), Some(at(PHONE)));
        assert!(source.trusts(at(PHONE).ip()) && !source.trusts(at(STRANGER).ip()));
    }

    #[test]
    fn behind_nat_three_consecutive_packets_latch_and_scattered_ones_do_not() {
        let now = stdx::testing::start();
        let mut source = Source::default();
        source.expect(Some(at("10.0.0.5:5004")));
        for (ssrc, sequence) in [(1, 10), (2, 11), (1, 12), (1, 4000), (1, 3999)] {
            assert!(!source.admit(at(PHONE), &header(ssrc, sequence), now));
        }
        assert!(!source.admit(at(PHONE), &header(1, 4001), now));
        assert!(source.admit(at(PHONE), &header(1, 4004), now));
        assert_eq!(source.target(), Some(at(PHONE)));
    }

    #[test]
    fn a_stranger_that_comes_first_needs_a_second_where_the_signalling_is_known_and_yields_to_the_sdp() {
        let now = stdx::testing::start();
        let mut source = Source::default();
        source.expect(Some(at(PHONE)));
        source.hint(at(PHONE).ip());
        for i in 0..MANY - 1 {
            assert!(!source.admit(at(STRANGER), &header(9, u16::from(i)), now));
        }
        assert!(source.admit(at(STRANGER), &header(9, 49), now));
        assert!(!source.admit(at(PHONE), &header(1, 1), now));
        assert!(!source.admit(at(PHONE), &header(1, 2), now));
        assert!(source.admit(at(PHONE), &header(1, 3), now));
        assert!(!source.admit(at(STRANGER), &header(9, 50), now));
    }

    #[test]
    fn after_silence_the_same_host_may_return_from_another_port_but_no_other_host() {
        let now = stdx::testing::start();
        let mut source = Source::default();
        source.expect(Some(at(PHONE)));
        assert!(source.admit(at(PHONE), &header(1, 1), now));
        let later = now + SILENCE;
        for i in 0..100 {
            assert!(!source.admit(at(STRANGER), &header(7, i), later));
        }
        let rebound = at("192.0.2.7:6006");
        assert!(!source.admit(rebound, &header(7, 1), later - Duration::from_millis(1)));
        assert!(!source.admit(rebound, &header(7, 2), later));
        assert!(!source.admit(rebound, &header(7, 3), later));
        assert!(source.admit(rebound, &header(7, 4), later));
        // The same SSRC from another host is a phone that changed its network.
        let roamed = at("203.0.113.9:5004");
        assert!(!source.admit(roamed, &header(7, 5), later + SILENCE));
        assert!(!source.admit(roamed, &header(7, 6), later + SILENCE));
        assert!(source.admit(roamed, &header(7, 7), later + SILENCE));
    }

    #[test]
    fn a_first_description_after_the_latch_moves_nothing() {
        let now = stdx::testing::start();
        let mut source = Source::default();
        source.hint(at(PHONE).ip());
        for sequence in 1..=3 {
            source.admit(at(PHONE), &header(1, sequence), now);
        }
        source.expect(Some(at("10.0.0.5:5004")));
        assert_eq!(source.target(), Some(at(PHONE)));
    }

    #[test]
    fn a_new_description_moves_the_stream_and_the_old_source_is_heard_until_then() {
        let now = stdx::testing::start();
        let mut source = Source::default();
        source.expect(Some(at(PHONE)));
        assert!(source.admit(at(PHONE), &header(1, 1), now));
        let moved = at("192.0.2.200:7000");
        source.expect(Some(moved));
        assert_eq!(source.target(), Some(moved));
        assert!(source.admit(at(PHONE), &header(1, 2), now));
        for sequence in 1..3 {
            assert!(!source.admit(moved, &header(2, sequence), now));
        }
        assert!(source.admit(moved, &header(2, 3), now));
        assert!(!source.admit(at(PHONE), &header(1, 3), now));
        // Another description, but the phone stays where it was.
        source.expect(Some(at("10.0.0.9:1234")));
        for sequence in 4..4 + u16::from(MANY) {
            assert_eq!(source.target(), Some(at("10.0.0.9:1234")));
            assert!(source.admit(moved, &header(2, sequence), now));
        }
        assert_eq!(source.target(), Some(moved));
    }
}
