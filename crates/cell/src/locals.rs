//! Our own addresses: from which of them a peer is reached that has not spoken to us yet.

use sip_stack::endpoint::{Flow, Transport};
use std::net::{IpAddr, SocketAddr};

/// One address that signalling is received on. A listener on a wildcard address is as many of these as the host has addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// For what.
    pub transport: Transport,
    /// The address itself, never a wildcard.
    pub address: SocketAddr,
    /// How many bits of it name its network.
    pub prefix: u8,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locals {
    /// Of one transport and family the first is that of the default route.
    pub all: Vec<Local>,
    /// The address that peers outside private networks are told, where the host itself has only a private one.
    pub advertised: Option<IpAddr>,
}

impl Locals {
    /// By which flow a peer is reached: from our address in its network, else from that of the default route. `None` if nothing of
    /// ours listens for that transport and family, and for WebSocket: browsers come to us.
    pub fn flow_to(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        if matches!(transport, Transport::Ws | Transport::Wss) {
            return None;
        }
        let fits = |local: &&Local| local.transport == transport && local.address.is_ipv4() == remote.is_ipv4();
        let near =
            self.all.iter().filter(fits).filter(|local| local.covers(remote.ip())).max_by_key(|local| local.prefix);
        let local = near.or_else(|| self.all.iter().find(fits))?;
        Some(Flow { transport, local: self.told(local.address, remote.ip()), remote })
    }

    /// Where TCP is listened for, also as peers outside know it.
    pub fn tcp(&self) -> Vec<SocketAddr> {
        let own = || self.all.iter().filter(|local| local.transport == Transport::Tcp).map(|local| local.address);
        let told = self.advertised.iter().flat_map(|ip| {
            own()
                .filter(|address| address.is_ipv4() == ip.is_ipv4())
                .map(|address| SocketAddr::new(*ip, address.port()))
        });
        own().chain(told).collect()
    }

    /// Whether an address is one of ours.
    pub fn is_ours(&self, ip: IpAddr) -> bool {
        self.advertised == Some(ip) || self.all.iter().any(|local| local.address.ip() == ip)
    }

    /// The address that a peer knows us by.
    pub fn told(&self, local: SocketAddr, remote: IpAddr) -> SocketAddr {
        match self.advertised {
            Some(ip) if ip.is_ipv4() == local.is_ipv4() && !is_private(remote) => SocketAddr::new(ip, local.port()),
            Some(_) | None => local,
        }
    }
}

impl Local {
    fn covers(&self, remote: IpAddr) -> bool {
        let differs = |ours: u128, theirs: u128, bits: u32| {
            let prefix = u32::from(self.prefix).min(bits);
            (ours ^ theirs).checked_shr(bits - prefix).unwrap_or(0) != 0
        };
        match (self.address.ip(), remote) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => !differs(ours.to_bits().into(), theirs.to_bits().into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => !differs(ours.to_bits(), theirs.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locals(advertised: Option<&str>) -> Locals {
        let local = |transport, address: &str, prefix| Local { transport, address: address.parse().unwrap(), prefix };
        Locals {
            all: vec![
                local(Transport::Udp, "192.0.2.1:5060", 24),
                local(Transport::Udp, "10.1.0.1:5060", 16),
                local(Transport::Udp, "127.0.0.1:5060", 8),
                local(Transport::Udp, "[2001:db8::1]:5060", 64),
                local(Transport::Udp, "[::1]:5060", 128),
                local(Transport::Tls, "192.0.2.1:5061", 24),
            ],
            advertised: advertised.map(|ip| ip.parse().unwrap()),
        }
    }

    #[test]
    fn a_peer_is_reached_from_our_address_in_its_network_or_that_of_the_default_route() {
        let from = |transport, remote: &str| {
            locals(None).flow_to(transport, remote.parse().unwrap()).map(|flow| flow.local.to_string())
        };
        let udp = |remote| from(Transport::Udp, remote).unwrap();
        assert_eq!(udp("10.1.7.7:5060"), "10.1.0.1:5060");
        assert_eq!(udp("127.0.0.9:5060"), "127.0.0.1:5060");
        assert_eq!(udp("198.51.100.1:5060"), "192.0.2.1:5060");
        assert_eq!(udp("[::1]:5060"), "[::1]:5060");
        assert_eq!(udp("[2001:db9::1]:5060"), "[2001:db8::1]:5060");
        assert_eq!(from(Transport::Tls, "198.51.100.1:5061").unwrap(), "192.0.2.1:5061");
        assert_eq!(from(Transport::Tls, "[::1]:5061"), None);
        assert_eq!(from(Transport::Tcp, "198.51.100.1:5060"), None);
    }

    #[test]
    fn only_peers_outside_know_us_by_the_advertised_address() {
        let locals = locals(Some("203.0.113.5"));
        let from = |remote: &str| locals.flow_to(Transport::Udp, remote.parse().unwrap()).unwrap().local.to_string();
        assert_eq!(from("198.51.100.7:5060"), "203.0.113.5:5060");
        assert_eq!(from("10.1.0.9:5060"), "10.1.0.1:5060");
        assert_eq!(from("[2001:db9::1]:5060"), "[2001:db8::1]:5060");
    }
}
