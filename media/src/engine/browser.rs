//! Browser legs: the socket they share, and who a datagram on it is from.

use super::packet::Packet;
use super::port::Port;
use super::secure::Security;
use super::types::{Channel, Event, Forward, NoPorts, Output, PortId};
use super::{Engine, Timer};
use crate::browser::{Handshake, Link, Lite, MAX_ANSWER, News, Request, Strangers};
use crate::srtp::MasterKey;
use crate::srtp::sdes::Crypto;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// What the browser legs of an engine share.
#[derive(Debug, Default)]
pub(super) struct Browsers {
    /// The number of their socket: the first in stock when the first of them came; it is never released.
    number: Option<u16>,
    /// Who is asked by a check. Two names a leg at the most.
    names: BTreeMap<String, PortId>,
    /// Addresses that have proved themselves. Eight a leg at the most.
    addresses: BTreeMap<SocketAddr, PortId>,
    strangers: Strangers,
}

impl Browsers {
    /// A leg is gone.
    pub(super) fn forget(&mut self, id: PortId, browser: &Browser) {
        for name in browser.ice.ufrags() {
            self.names.remove(name);
        }
        for address in browser.ice.addresses() {
            // Its next leg may have it already.
            if self.addresses.get(&address) == Some(&id) {
                self.addresses.remove(&address);
            }
        }
    }
}

/// The way to one browser.
#[derive(Debug)]
pub(super) struct Browser {
    ice: Lite,
    handshake: Option<Handshake>,
    /// Where something is to be sent before the browser has chosen.
    heard_from: Option<SocketAddr>,
}

impl Browser {
    /// Where sound goes.
    #[inline]
    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.ice.selected()
    }

    fn deadline(&self) -> Option<Instant> {
        let handshake = self.handshake.as_ref().and_then(Handshake::poll_timeout);
        [handshake, self.ice.deadline()].into_iter().flatten().min()
    }
}

impl Engine {
    /// Opens a port to a browser, whose descriptions name `local` and the configured candidates. Refused if browsers are
    /// not configured, or no number is left for the socket that all of them share.
    pub fn open_browser(&mut self, local: IpAddr, now: Instant) -> Result<PortId, NoPorts> {
        self.clock.begin(now);
        let settings = self.config.browsers.as_ref().ok_or(NoPorts)?;
        if self.browsers.number.is_none() {
            self.browsers.number = self.stock.pop_front();
        }
        let number = self.browsers.number.ok_or(NoPorts)?;
        let mut port = Port::new(number, local, &mut self.entropy, now);
        let ours = (port.reports.cname.clone(), port.outbound.ssrc);
        let link = Link::new(settings, (local, number), ours, &mut self.entropy);
        let ice = Lite::new(link.own().clone());
        port.browser = Some(Box::new(Browser { ice, handshake: None, heard_from: None }));
        port.terms.link = Some(Box::new(link));
        Ok(self.ports.insert(port))
    }

    /// The number of the socket that browser legs share, once there has been one: a single socket with the packets of
    /// many, best read many at a time.
    pub fn shared_port(&self) -> Option<u16> {
        self.browsers.number
    }

    /// What became of datagrams on it that belong to no leg.
    pub fn strangers(&self) -> Strangers {
        self.browsers.strangers
    }

    /// Takes a datagram that arrived on the shared socket. `Some` says where to send the packet on, or back, as it now is.
    ///
    /// Its first octet says what it is (RFC 7983). From an address that has not proved itself only checks are read, and
    /// nothing is remembered of it.
    pub fn handle_shared(&mut self, from: SocketAddr, packet: &mut Packet, now: Instant) -> Option<Forward> {
        let known = self.browsers.addresses.get(&from).copied();
        match (packet.as_slice().first(), known) {
            (Some(0..=3), _) => self.check(from, packet, now),
            (Some(20..=63), Some(id)) => {
                self.shake_hands(id, Some((from, packet.as_slice())), now);
                None
            }
            (Some(128..=191), Some(id)) => self.handle_packet(id, Channel::Rtp, from, packet, now),
            (_, _) => {
                self.browsers.strangers.unknown += 1;
                None
            }
        }
    }

    /// A check: answered if it proves that its sender knows the leg's password, else dropped without a word.
    fn check(&mut self, from: SocketAddr, packet: &mut Packet, now: Instant) -> Option<Forward> {
        let request = Request::parse(packet.as_slice());
        let found = request.and_then(|request| Some((self.browsers.names.get(request.addressee()).copied()?, request)));
        let Some((id, request)) = found else {
            self.browsers.strangers.unknown += 1;
            return None;
        };
        let port = self.ports.get_mut(id)?;
        let browser = port.browser.as_mut()?;
        let mut answer = [0; MAX_ANSWER];
        let Some(checked) = browser.ice.check(&request, from, &mut answer, now) else {
            self.browsers.strangers.forged += 1;
            return None;
        };
        browser.heard_from = Some(from);
        // A browser on hold sends nothing but checks.
        port.heard = now;
        let number = port.number;
        self.browsers.addresses.extend(checked.new.map(|address| (address, id)));
        if let Some(address) = checked.forgotten {
            self.browsers.addresses.remove(&address);
        }
        if checked.moved {
            tracing::debug!(%from, "a browser chose its address");
        }
        packet.copy_from(&answer[..checked.len]);
        self.shake_hands(id, None, now);
        Some(Forward { port: number, channel: Channel::Rtp, to: from })
    }

    /// Goes on with the handshake: a datagram came, somebody can be sent to, or time passed.
    fn shake_hands(&mut self, id: PortId, came: Option<(SocketAddr, &[u8])>, now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let Some(browser) = &mut port.browser else { return };
        let mut out = Vec::new();
        let to = came.map(|(from, _)| from).or(browser.ice.selected()).or(browser.heard_from);
        if let (Some(handshake), Some(to)) = (&mut browser.handshake, to) {
            let news = match came {
                Some((_, datagram)) => handshake.receive(datagram, &mut out, now),
                None => handshake.begin(&mut out, now).or_else(|| handshake.handle_timeout(&mut out, now)),
            };
            for data in out {
                let (port, data) = (port.number, data.into());
                self.output.push_back(Output::Transmit { port, channel: Channel::Rtp, to, data });
            }
            match news {
                Some(News::Keys { theirs, ours }) => {
                    let line = |key: MasterKey| Crypto { tag: 1, key, identifier: 0 };
                    port.security = Security::new(&(line(theirs), line(ours))).map(Box::new);
                    tracing::debug!("the handshake with a browser is done");
                }
                Some(News::Failed) => {
                    self.browsers.strangers.refused += 1;
                    self.output.push_back(Output::Event(Event::Insecure { port: id }));
                }
                None => {}
            }
        }
        self.plan_browser(id);
    }

    /// A deadline of a browser has come.
    pub(super) fn mind_browser(&mut self, id: PortId, now: Instant) {
        if let Some(browser) = self.ports.get_mut(id).and_then(|port| port.browser.as_mut())
            && browser.ice.lapse(now)
        {
            tracing::debug!("a browser no longer says that it is there");
        }
        self.shake_hands(id, None, now);
    }

    fn plan_browser(&mut self, id: PortId) {
        let Some(browser) = self.ports.get(id).and_then(|port| port.browser.as_ref()) else { return };
        match browser.deadline() {
            Some(at) => self.timers.set(Timer::Browser(id), at),
            None => self.timers.cancel(&Timer::Browser(id)),
        }
    }

    /// Descriptions have been exchanged, or an offer goes out: who may ask for this leg, and with whom it shakes hands.
    pub(super) fn follow_link(&mut self, id: PortId, now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let (Some(browser), Some(link)) = (&mut port.browser, &port.terms.link) else { return };
        if let Some(name) = browser.ice.restart(link.own().clone()) {
            self.browsers.names.remove(&name);
        }
        for name in browser.ice.ufrags() {
            if !self.browsers.names.contains_key(name) {
                self.browsers.names.insert(name.to_owned(), id);
            }
        }
        let (Some(peer), Some(role)) = (&link.peer, link.role()) else { return };
        if browser.handshake.as_ref().is_some_and(|handshake| handshake.is_with(&peer.fingerprints)) {
            return;
        }
        // Another certificate is another association (RFC 8842 §5.1): until its keys come nothing is sent.
        port.security = None;
        browser.handshake = Handshake::new(&link.certificate, role, peer.fingerprints.clone(), now);
        if browser.handshake.is_none() {
            self.output.push_back(Output::Event(Event::Insecure { port: id }));
        }
        if browser.heard_from.is_some() {
            self.shake_hands(id, None, now);
        }
    }
}
