//! Our own addresses, as the system tells them.

use super::Resolved;
use cell::{Local, Locals};
use nix::ifaddrs::getifaddrs;
use sip_stack::endpoint::Transport;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An address of this host and how many bits of it name its network.
type Own = (IpAddr, u8);

/// What listens where.
pub type Listening<'a> = [(Transport, &'a [SocketAddr])];

/// Every concrete address that something of ours listens on.
pub fn locals(listening: &Listening<'_>, advertised: Option<IpAddr>) -> Locals {
    let hosts = own();
    let all = listening
        .iter()
        .flat_map(|(transport, addresses)| addresses.iter().map(move |address| (*transport, *address)))
        .flat_map(|(transport, address)| {
            expand(address, &hosts).map(move |(address, prefix)| Local { transport, address, prefix })
        })
        .collect();
    Locals { all, advertised }
}

/// The addresses a listener stands for.
fn expand(address: SocketAddr, hosts: &[Own]) -> impl Iterator<Item = (SocketAddr, u8)> {
    let wildcard = address.ip().is_unspecified();
    let host_bits = if address.is_ipv4() { 32 } else { 128 };
    let meant = hosts.iter().copied().filter(move |(ip, _)| wildcard && ip.is_ipv4() == address.is_ipv4());
    let itself = hosts.iter().find(|(ip, _)| *ip == address.ip()).map_or(host_bits, |(_, prefix)| *prefix);
    let itself = (!wildcard).then_some((address.ip(), itself));
    meant.chain(itself).map(move |(ip, prefix)| (SocketAddr::new(ip, address.port()), prefix))
}

/// All addresses of this host, those of the default routes first.
fn own() -> Vec<Own> {
    let mut found: Vec<Own> = getifaddrs()
        .into_iter()
        .flatten()
        .filter_map(|interface| {
            let address = interface.address?;
            let mask = interface.netmask?;
            match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
                (Some(v4), _) => Some((v4.ip().into(), mask.as_sockaddr_in()?.ip().to_bits().count_ones() as u8)),
                // A link-local address means nothing without its interface.
                (None, Some(v6)) if !v6.ip().is_unicast_link_local() => {
                    Some((v6.ip().into(), mask.as_sockaddr_in6()?.ip().to_bits().count_ones() as u8))
                }
                (None, _) => None,
            }
        })
        .collect();
    let defaults = [default_of(Ipv4Addr::UNSPECIFIED.into()), default_of(Ipv6Addr::UNSPECIFIED.into())];
    found.sort_by_key(|(ip, _)| (!defaults.contains(&Some(*ip)), ip.is_loopback()));
    found.dedup();
    found
}

/// The address that the system would use to speak to the world. Nothing is sent.
fn default_of(any: IpAddr) -> Option<IpAddr> {
    let world: IpAddr = if any.is_ipv4() {
        Ipv4Addr::new(198, 51, 100, 1).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()
    };
    let probe = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    probe.connect((world, 9)).ok()?;
    Some(probe.local_addr().ok()?.ip())
}

/// The UDP addresses, in the form that all listeners have.
pub fn udp(addresses: &Resolved) -> (Transport, &[SocketAddr]) {
    (Transport::Udp, &addresses.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_wildcard_stands_for_every_address_of_its_family() {
        let hosts: [Own; 3] =
            [("192.0.2.1".parse().unwrap(), 24), ("127.0.0.1".parse().unwrap(), 8), ("::1".parse().unwrap(), 128)];
        let all = |text| expand(at(text), &hosts).map(|(a, p)| format!("{a}/{p}")).collect::<Vec<_>>();
        assert_eq!(all("0.0.0.0:5060"), ["192.0.2.1:5060/24", "127.0.0.1:5060/8"]);
        assert_eq!(all("[::]:5060"), ["[::1]:5060/128"]);
        assert_eq!(all("192.0.2.1:5070"), ["192.0.2.1:5070/24"]);
        assert_eq!(all("192.0.2.9:5070"), ["192.0.2.9:5070/32"]);
    }

    #[test]
    fn this_host_reaches_itself_by_loopback() {
        let locals = locals(&[(Transport::Tcp, &[at("0.0.0.0:5060")])], None);
        let flow = locals.flow_to(Transport::Tcp, at("127.0.0.3:5090")).unwrap();
        assert!(flow.local.ip().is_loopback() && flow.local.port() == 5060);
    }
}
