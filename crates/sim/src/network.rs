//! The network: packets on their way, links that lose, delay, reorder and double them, and what a test wants lost.

use crate::nat::Nat;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use stdx::Entropy;

/// How the line between a host and the middle of the network behaves, each way.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Link {
    /// One-way delay.
    pub delay: Duration,
    /// Added to the delay, evenly between nothing and this.
    pub jitter: Duration,
    /// Share of packets lost, 0.0 to 1.0.
    pub loss: f64,
    /// Share of packets that are held back by 5 to 45 ms more, so that later ones overtake them.
    pub reorder: f64,
    /// Share of packets that arrive twice.
    pub duplicate: f64,
}

impl Link {
    /// 5 ms, and nothing goes wrong.
    pub fn clean() -> Self {
        Self { delay: Duration::from_millis(5), jitter: Duration::ZERO, loss: 0.0, reorder: 0.0, duplicate: 0.0 }
    }

    /// 20 to 35 ms, every tenth packet lost, every twentieth late, every fiftieth twice.
    pub fn rough() -> Self {
        Self {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(15),
            loss: 0.10,
            reorder: 0.05,
            duplicate: 0.02,
        }
    }
}

/// A datagram as one end sent it.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Who sent it; behind a NAT box: as the receiver sees it.
    pub from: SocketAddr,
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub data: Vec<u8>,
}

impl Packet {
    /// True for a SIP message (and not RTP, RTCP or a keep-alive).
    pub fn is_sip(&self) -> bool {
        self.data.first().is_some_and(u8::is_ascii_uppercase)
    }

    /// `INVITE` for a request; `200 INVITE` for a response; empty if it is not SIP.
    pub fn sip_title(&self) -> String {
        if !self.is_sip() {
            return String::new();
        }
        let text = String::from_utf8_lossy(&self.data);
        let mut words = text.lines().next().unwrap_or_default().split(' ');
        match (words.next(), words.next()) {
            (Some("SIP/2.0"), Some(status)) => {
                let method = text
                    .lines()
                    .find(|line| line.to_ascii_lowercase().starts_with("cseq:"))
                    .and_then(|line| line.split_whitespace().next_back());
                format!("{status} {}", method.unwrap_or_default())
            }
            (Some(method), _) => method.to_owned(),
            _ => String::new(),
        }
    }
}

/// What a test wants lost: a packet for which this is true.
pub(crate) type Filter = Box<dyn FnMut(&Packet) -> bool>;

/// What became of a packet that was handed to the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// It is on its way.
    Sent,
    /// It will never arrive.
    Lost,
}

/// All packets on their way.
pub(crate) struct Network {
    entropy: Entropy,
    fallback: Link,
    links: BTreeMap<IpAddr, Link>,
    /// The latest arrival on each directed path: without reordering nobody overtakes.
    latest: BTreeMap<(IpAddr, IpAddr), Instant>,
    flying: BTreeMap<(Instant, u64), Packet>,
    sent: u64,
    nats: Vec<Nat>,
    /// Hosts whose line is cut: nothing in, nothing out.
    dark: BTreeSet<IpAddr>,
    /// Hosts in the middle of the network, whose own line is perfect and without delay.
    core: BTreeSet<IpAddr>,
    filters: Vec<(Filter, usize)>,
}

impl Network {
    pub(crate) fn new(entropy: Entropy, fallback: Link) -> Self {
        Self {
            entropy,
            fallback,
            links: BTreeMap::new(),
            latest: BTreeMap::new(),
            flying: BTreeMap::new(),
            sent: 0,
            nats: Vec::new(),
            dark: BTreeSet::new(),
            core: BTreeSet::new(),
            filters: Vec::new(),
        }
    }

    pub(crate) fn set_link(&mut self, host: IpAddr, link: Link) {
        self.links.insert(host, link);
    }

    pub(crate) fn set_fallback(&mut self, link: Link) {
        self.fallback = link;
    }

    pub(crate) fn add_core(&mut self, host: IpAddr) {
        self.core.insert(host);
    }

    pub(crate) fn add_nat(&mut self, nat: Nat) {
        self.nats.push(nat);
    }

    pub(crate) fn nat_mut(&mut self, public: IpAddr) -> Option<&mut Nat> {
        self.nats.iter_mut().find(|nat| nat.public() == public)
    }

    pub(crate) fn set_dark(&mut self, host: IpAddr, dark: bool) {
        if dark {
            self.dark.insert(host);
        } else {
            self.dark.remove(&host);
        }
    }

    /// Loses the next `times` packets for which `filter` is true.
    pub(crate) fn lose(&mut self, times: usize, filter: Filter) {
        self.filters.push((filter, times));
    }

    /// The host behind an address: looks through NAT boxes.
    pub(crate) fn host_of(&self, addr: SocketAddr) -> IpAddr {
        let inner = self.nats.iter().find(|nat| nat.public() == addr.ip()).and_then(|nat| nat.inner_of(addr.port()));
        inner.unwrap_or(addr).ip()
    }

    /// Takes a packet on its way.
    pub(crate) fn send(&mut self, mut packet: Packet, now: Instant) -> Fate {
        let (source, target) = (packet.from.ip(), self.host_of(packet.to));
        for (filter, times) in &mut self.filters {
            if *times > 0 && filter(&packet) {
                *times -= 1;
                return Fate::Lost;
            }
        }
        if self.dark.contains(&source) || self.dark.contains(&target) {
            return Fate::Lost;
        }
        let same_lan = self.nats.iter().any(|nat| nat.covers(source) && nat.covers(packet.to.ip()));
        if !same_lan {
            if let Some(nat) = self.nats.iter_mut().find(|nat| nat.covers(source)) {
                packet.from = nat.outbound(packet.from, packet.to, now);
            }
            if is_private(packet.to.ip()) {
                return Fate::Lost;
            }
        }
        let links = [self.link(source), self.link(target)];
        if links.iter().flatten().any(|link| self.entropy.chance(link.loss)) {
            return Fate::Lost;
        }
        let copies = 1 + usize::from(links.iter().flatten().any(|link| self.entropy.chance(link.duplicate)));
        for _ in 0..copies {
            let at = self.arrival(links, (source, target), now);
            self.sent += 1;
            self.flying.insert((at, self.sent), packet.clone());
        }
        Fate::Sent
    }

    fn link(&self, host: IpAddr) -> Option<Link> {
        if self.core.contains(&host) { None } else { Some(*self.links.get(&host).unwrap_or(&self.fallback)) }
    }

    fn arrival(&mut self, links: [Option<Link>; 2], path: (IpAddr, IpAddr), now: Instant) -> Instant {
        let mut at = now;
        let mut late = false;
        for link in links.iter().flatten() {
            at += link.delay + Duration::from_micros(self.entropy.below(link.jitter.as_micros() as u64 + 1));
            if self.entropy.chance(link.reorder) {
                late = true;
                at += Duration::from_micros(5_000 + self.entropy.below(40_000));
            }
        }
        let latest = self.latest.entry(path).or_insert(at);
        if !late {
            *latest = (*latest).max(at);
            at = *latest;
        }
        at
    }

    // What streams ask.

    /// The address that the far end sees behind a NAT box.
    pub(crate) fn seen_as(&mut self, own: SocketAddr, peer: SocketAddr, now: Instant) -> SocketAddr {
        match self.nats.iter_mut().find(|nat| nat.covers(own.ip())) {
            Some(nat) => nat.outbound(own, peer, now),
            None => own,
        }
    }

    /// One way between a host and the middle of the network.
    pub(crate) fn trip(&mut self, host: IpAddr) -> Duration {
        let Some(link) = self.link(host) else { return Duration::ZERO };
        link.delay + Duration::from_micros(self.entropy.below(link.jitter.as_micros() as u64 + 1))
    }

    /// Is the next packet of this host lost?
    pub(crate) fn loses(&mut self, host: IpAddr) -> bool {
        self.link(host).is_some_and(|link| self.entropy.chance(link.loss))
    }

    pub(crate) fn is_dark(&self, host: IpAddr) -> bool {
        self.dark.contains(&host)
    }

    /// When the next packet arrives.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.flying.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next packet that has arrived; NAT boxes have let it in.
    pub(crate) fn arrived(&mut self, now: Instant) -> Option<Packet> {
        loop {
            let entry = self.flying.first_entry()?;
            if entry.key().0 > now {
                return None;
            }
            let mut packet = entry.remove();
            if let Some(nat) = self.nats.iter_mut().find(|nat| nat.public() == packet.to.ip()) {
                let Some(inner) = nat.inbound(packet.from, packet.to.port(), now) else { continue };
                packet.to = inner;
            }
            if !self.dark.contains(&packet.to.ip()) {
                return Some(packet);
            }
        }
    }
}

/// Not reachable from outside its own network (RFC 1918).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(from: &str, to: &str) -> Packet {
        Packet { from: from.parse().unwrap(), to: to.parse().unwrap(), data: b"x".to_vec() }
    }

    fn arrivals(network: &mut Network, until: Instant) -> Vec<Packet> {
        std::iter::from_fn(|| network.arrived(until)).collect()
    }

    #[test]
    fn a_rough_link_loses_a_tenth_doubles_some_and_reorders() {
        let t0 = stdx::testing::start();
        let mut network = Network::new(Entropy::seeded(1), Link::clean());
        network.set_link("192.0.2.1".parse().unwrap(), Link::rough());
        network.add_core("192.0.2.2".parse().unwrap());
        let mut lost = 0;
        for n in 0u16..1000 {
            let mut packet = packet("192.0.2.1:1", "192.0.2.2:2");
            packet.data = n.to_be_bytes().to_vec();
            lost += usize::from(network.send(packet, t0 + Duration::from_millis(20 * u64::from(n))) == Fate::Lost);
        }
        let seen = arrivals(&mut network, t0 + Duration::from_secs(100));
        assert!((60..140).contains(&lost), "{lost} lost");
        assert!(seen.len() > 1000 - lost, "none came twice");
        assert!(seen.windows(2).any(|w| w[0].data > w[1].data), "none came late");
    }

    #[test]
    fn a_clean_link_keeps_order_and_time() {
        let t0 = stdx::testing::start();
        let mut network = Network::new(Entropy::seeded(1), Link::clean());
        assert_eq!(network.send(packet("192.0.2.1:1", "192.0.2.2:2"), t0), Fate::Sent);
        assert!(network.arrived(t0 + Duration::from_millis(9)).is_none());
        assert!(network.arrived(t0 + Duration::from_millis(10)).is_some());
    }

    #[test]
    fn what_a_test_wants_lost_is_lost_as_often_as_it_says() {
        let t0 = stdx::testing::start();
        let mut network = Network::new(Entropy::seeded(1), Link::clean());
        network.lose(1, Box::new(|packet| packet.data == b"x"));
        assert_eq!(network.send(packet("192.0.2.1:1", "192.0.2.2:2"), t0), Fate::Lost);
        assert_eq!(network.send(packet("192.0.2.1:1", "192.0.2.2:2"), t0), Fate::Sent);
    }

    #[test]
    fn a_nat_box_rewrites_out_and_lets_only_answers_in() {
        let t0 = stdx::testing::start();
        let mut network = Network::new(Entropy::seeded(1), Link::clean());
        network.add_nat(Nat::new("203.0.113.9".parse().unwrap(), "10.0.1.0".parse().unwrap()));
        assert_eq!(network.send(packet("10.0.1.5:5060", "192.0.2.2:2"), t0), Fate::Sent);
        let seen = arrivals(&mut network, t0 + Duration::from_secs(1));
        let public = seen[0].from;
        assert_eq!(public.ip().to_string(), "203.0.113.9");
        // The peer it spoke to gets in, another port of the same peer does not, and the private address leads nowhere.
        network.send(Packet { from: "192.0.2.2:2".parse().unwrap(), to: public, data: b"in".to_vec() }, t0);
        network.send(Packet { from: "192.0.2.2:3".parse().unwrap(), to: public, data: b"no".to_vec() }, t0);
        assert_eq!(network.send(packet("192.0.2.2:2", "10.0.1.5:5060"), t0), Fate::Lost);
        let seen = arrivals(&mut network, t0 + Duration::from_secs(1));
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].to.to_string().as_str(), seen[0].data.as_slice()), ("10.0.1.5:5060", b"in".as_slice()));
    }
}
