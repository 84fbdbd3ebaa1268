//! A NAT box with a mapping per flow: the kind that forces a switch to answer where a packet came from.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Mappings unused for this long are forgotten (RFC 4787 asks for two minutes, many boxes do not listen).
const IDLE: Duration = Duration::from_secs(60);

/// Rewrites addresses of the hosts of one /24 to its own public address, with a port per inner address and peer
/// (RFC 4787: address- and port-dependent mapping and filtering).
#[derive(Debug)]
pub(crate) struct Nat {
    public: IpAddr,
    lan: IpAddr,
    by_flow: BTreeMap<(SocketAddr, SocketAddr), u16>,
    by_port: BTreeMap<u16, Mapping>,
    next: u16,
}

#[derive(Debug)]
struct Mapping {
    inner: SocketAddr,
    peer: SocketAddr,
    used: Instant,
}

impl Nat {
    /// A box with the given public address before the /24 network of `lan`.
    pub(crate) fn new(public: IpAddr, lan: IpAddr) -> Self {
        Self { public, lan, by_flow: BTreeMap::new(), by_port: BTreeMap::new(), next: 30_001 }
    }

    pub(crate) fn public(&self) -> IpAddr {
        self.public
    }

    /// Is this host behind the box?
    pub(crate) fn covers(&self, host: IpAddr) -> bool {
        match (self.lan, host) {
            (IpAddr::V4(lan), IpAddr::V4(host)) => lan.octets()[..3] == host.octets()[..3],
            _ => false,
        }
    }

    /// The inner address that a public port stands for.
    pub(crate) fn inner_of(&self, port: u16) -> Option<SocketAddr> {
        self.by_port.get(&port).map(|mapping| mapping.inner)
    }

    /// A packet leaves: the address the peer will see.
    pub(crate) fn outbound(&mut self, inner: SocketAddr, peer: SocketAddr, now: Instant) -> SocketAddr {
        if let Some(port) = self.by_flow.get(&(inner, peer)).copied()
            && let Some(mapping) = self.by_port.get_mut(&port)
            && now < mapping.used + IDLE
        {
            mapping.used = now;
            return SocketAddr::new(self.public, port);
        }
        let port = self.next;
        self.next += 1;
        self.by_flow.insert((inner, peer), port);
        self.by_port.insert(port, Mapping { inner, peer, used: now });
        SocketAddr::new(self.public, port)
    }

    /// A packet wants in: the inner address if its sender was spoken to.
    pub(crate) fn inbound(&mut self, peer: SocketAddr, port: u16, now: Instant) -> Option<SocketAddr> {
        let mapping = self.by_port.get_mut(&port)?;
        if mapping.peer != peer || now >= mapping.used + IDLE {
            return None;
        }
        mapping.used = now;
        Some(mapping.inner)
    }

    /// The box is switched off and on: every mapping is gone.
    pub(crate) fn reboot(&mut self) {
        self.by_flow.clear();
        self.by_port.clear();
    }
}
