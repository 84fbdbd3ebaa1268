//! SRTP of a port: its policy, its keys, and what its descriptions say of them (RFC 4568).

use super::inbound::Inbound;
use super::packet::Packet;
use super::types::{Datagram, PortId, SdpRefusal};
use super::{Engine, port::Port};
use crate::sdp::Media;
use crate::srtp::sdes::Crypto;
use crate::srtp::{Fault, MasterKey, OVERHEAD, Receiver, Sender, Suite};
use std::time::{Duration, Instant};
use stdx::Entropy;

/// For so long after a new key packets under the old one are let in: the peer changes when our answer reaches it.
const OVERLAP: Duration = Duration::from_secs(3);

/// Whether a port's sound is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Srtp {
    /// Never: an offer that demands it is refused.
    #[default]
    Off,
    /// If the peer wants it. Offers are `RTP/AVP` with `a=crypto`, which phones without SRTP pass over; answers follow
    /// the offer.
    Offered,
    /// Always: offers are `RTP/SAVP`, and a peer without keys is refused.
    Required,
}

/// What has been said of keys on a port.
#[derive(Debug, Default)]
pub(super) struct Keying {
    pub(super) policy: Srtp,
    /// Our keys, one for each suite, the same for as long as the port lives.
    own: Vec<Crypto>,
    /// The peer's line and ours, since both have spoken.
    pub(super) agreed: Option<(Crypto, Crypto)>,
}

impl Keying {
    /// Makes our keys, once.
    pub(super) fn ready(&mut self, entropy: &mut Entropy) {
        if self.policy == Srtp::Off || !self.own.is_empty() {
            return;
        }
        for (suite, tag) in Suite::ALL.into_iter().zip(1..) {
            let (key, salt) = suite.lengths();
            let mut octets = [0; MasterKey::MAX];
            entropy.fill(&mut octets[..key + salt]);
            self.own.extend(MasterKey::new(suite, &octets[..key + salt]).map(|key| Crypto { tag, key, identifier: 0 }));
        }
    }

    /// True if a section can be ours, as far as its protection goes.
    pub(super) fn accepts(&self, media: &Media) -> bool {
        let keyed = media.is_secure_rtp() || media.is_plain_rtp();
        match self.policy {
            Srtp::Off => media.is_plain_rtp(),
            Srtp::Offered => media.is_plain_rtp() || (keyed && line_of(media).is_some()),
            Srtp::Required => keyed && line_of(media).is_some(),
        }
    }

    /// The peer's line that we take from a section.
    pub(super) fn line(&self, media: &Media) -> Option<Crypto> {
        line_of(media).filter(|_| self.policy != Srtp::Off)
    }

    /// Our lines of an offer: of the suite agreed before, if there is one.
    pub(super) fn offer(&self) -> Vec<Crypto> {
        let agreed = self.agreed.as_ref().map(|(_, ours)| ours.key.suite());
        let lines = self.own.iter().filter(|line| agreed.is_none_or(|suite| line.key.suite() == suite));
        lines.filter(|_| self.policy != Srtp::Off).cloned().collect()
    }

    /// Our line of an answer to the peer's.
    pub(super) fn answer(&self, theirs: &Crypto) -> Option<Crypto> {
        let ours = self.own.iter().find(|line| line.key.suite() == theirs.key.suite())?;
        Some(Crypto { tag: theirs.tag, ..ours.clone() })
    }

    /// The peer has answered our offer with this line, or none.
    pub(super) fn answered(&mut self, theirs: Option<&Crypto>) -> Result<(), SdpRefusal> {
        let ours = theirs.and_then(|theirs| {
            let same = |line: &&Crypto| line.tag == theirs.tag && line.key.suite() == theirs.key.suite();
            self.own.iter().find(same).or_else(|| self.own.iter().find(|l| l.key.suite() == theirs.key.suite()))
        });
        match (theirs.cloned(), ours.cloned()) {
            (Some(theirs), Some(ours)) => self.agreed = Some((theirs, ours)),
            (_, _) if self.policy == Srtp::Required => return Err(NO_KEYS),
            (_, _) => self.agreed = None,
        }
        Ok(())
    }
}

const NO_KEYS: SdpRefusal = SdpRefusal::new(302, "Incompatible transport protocol");

fn line_of(media: &Media) -> Option<Crypto> {
    let values = media.attributes.iter().filter(|a| a.name.eq_ignore_ascii_case("crypto"));
    values.filter_map(|a| a.value.as_deref()).find_map(Crypto::parse)
}

/// The keys at work on a port.
#[derive(Debug)]
pub(super) struct Security {
    keys: (Crypto, Crypto),
    receiver: Receiver,
    before: Option<(Receiver, Instant)>,
    sender: Sender,
}

impl Security {
    pub(super) fn new((theirs, ours): &(Crypto, Crypto)) -> Option<Self> {
        Some(Self {
            receiver: Receiver::new(&theirs.key, theirs.identifier)?,
            before: None,
            sender: Sender::new(&ours.key)?,
            keys: (theirs.clone(), ours.clone()),
        })
    }

    /// The peer's stream began long ago, in another process.
    pub(super) fn comes_late(&mut self) {
        self.receiver.comes_late();
    }

    /// Opens a packet in place.
    pub(super) fn open(&mut self, packet: &mut Packet, rtcp: bool, now: Instant) -> Result<(), Fault> {
        let open = |receiver: &mut Receiver, octets: &mut [u8]| {
            if rtcp { receiver.open_rtcp(octets) } else { receiver.open_rtp(octets) }
        };
        if self.before.as_ref().is_some_and(|(_, until)| now >= *until) {
            self.before = None;
        }
        let Some((before, _)) = &mut self.before else {
            let len = open(&mut self.receiver, packet.as_mut_slice())?;
            return packet.narrow(0, len).then_some(()).ok_or(Fault::Malformed);
        };
        // A failed attempt may spoil the buffer.
        let mut copy = packet.clone();
        let len = match open(&mut self.receiver, packet.as_mut_slice()) {
            Ok(len) => len,
            Err(fault) => {
                let len = open(before, copy.as_mut_slice()).map_err(|_| fault)?;
                *packet = copy;
                len
            }
        };
        packet.narrow(0, len).then_some(()).ok_or(Fault::Malformed)
    }

    /// Seals a packet in place; false if there is no room.
    pub(super) fn seal(&mut self, packet: &mut Packet) -> bool {
        let len = packet.len();
        let Some(buffer) = packet.with_room(OVERHEAD) else { return false };
        let sealed = self.sender.seal_rtp(buffer, len);
        sealed.is_some_and(|sealed| packet.lengthen(sealed))
    }

    /// Seals a datagram of ours; false if that cannot be.
    pub(super) fn seal_datagram(&mut self, data: &mut Datagram, rtcp: bool) -> bool {
        let len = data.len();
        data.resize(len + OVERHEAD, 0);
        let sealed = if rtcp { self.sender.seal_rtcp(data, len) } else { self.sender.seal_rtp(data, len) };
        data.truncate(sealed.unwrap_or(0));
        sealed.is_some()
    }
}

impl Engine {
    /// Sets whether a port's sound is encrypted, for the descriptions that follow. That of a browser always is.
    pub fn secure(&mut self, id: PortId, policy: Srtp) {
        if let Some(port) = self.ports.get_mut(id).filter(|port| port.browser.is_none()) {
            port.terms.keying.policy = policy;
        }
    }

    /// True if what a port sends and takes is encrypted now.
    pub fn is_secure(&self, id: PortId) -> bool {
        self.ports.get(id).is_some_and(|port| port.security.is_some())
    }
}

impl Port {
    /// Takes over the keys that have been agreed. A key that stays keeps its counts.
    pub(super) fn take_keys(&mut self, now: Instant) {
        // A browser's keys come from its handshake.
        if self.browser.is_some() {
            return;
        }
        let agreed = self.terms.keying.agreed.as_ref();
        match (agreed, &mut self.security) {
            (None, _) => self.security = None,
            (Some(keys), Some(security)) if security.keys == *keys => {}
            (Some(keys), Some(security))
                if security.keys.0.key == keys.0.key
                    && security.keys.0.identifier == keys.0.identifier
                    && security.keys.1.key == keys.1.key =>
            {
                security.keys = keys.clone();
            }
            (Some(keys), Some(security)) if security.keys.1.key == keys.1.key => {
                let Some(receiver) = Receiver::new(&keys.0.key, keys.0.identifier) else { return };
                let before = std::mem::replace(&mut security.receiver, receiver);
                security.before = Some((before, now + OVERLAP));
                security.keys = keys.clone();
            }
            (Some(keys), _) => self.security = Security::new(keys).map(Box::new),
        }
    }
}

impl Inbound {
    /// A packet that was not let in by SRTP.
    pub(super) fn count(&mut self, fault: Fault) {
        match fault {
            Fault::Replayed => self.duplicates += 1,
            Fault::Forged => self.forged += 1,
            Fault::Malformed => self.discarded += 1,
        }
    }
}
