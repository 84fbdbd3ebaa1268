//! Where a message came from and where an answer goes.

use std::net::{IpAddr, SocketAddr};

use crate::message::Transport;

/// Two addresses and a transport: enough for the shell to find the socket or stream, and for us to write Via and Contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// How.
    pub transport: Transport,
    /// Our address as the peer reaches it: goes into Via and Contact.
    pub local: SocketAddr,
    /// The peer's address as we see it (behind NAT: the NAT's).
    pub remote: SocketAddr,
}

impl Flow {
    /// A flow over UDP.
    pub fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, remote }
    }
}

/// The parameter which a SIP URI needs to lead back over this transport; nothing for UDP, the default.
pub(crate) fn uri_param(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
        Transport::Ws | Transport::Wss => ";transport=ws",
    }
}

/// True if a host at `to` can be expected to be reachable from where `known` is: a private address named by somebody
/// whom we know by a public one lies behind his NAT.
pub(crate) fn reachable(to: IpAddr, known: IpAddr) -> bool {
    to.is_ipv4() == known.is_ipv4() && !to.is_unspecified() && (!is_local(to) || is_local(known))
}

fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_address_behind_a_public_one_is_not_reachable() {
        let ip = |s: &str| s.parse::<IpAddr>().unwrap();
        assert!(!reachable(ip("192.168.1.5"), ip("203.0.113.9")));
        assert!(!reachable(ip("100.64.0.1"), ip("203.0.113.9")));
        assert!(reachable(ip("192.168.1.5"), ip("10.0.0.1")));
        assert!(reachable(ip("198.51.100.1"), ip("203.0.113.9")));
        assert!(!reachable(ip("::1"), ip("203.0.113.9")));
        assert!(!reachable(ip("0.0.0.0"), ip("10.0.0.1")));
    }
}
