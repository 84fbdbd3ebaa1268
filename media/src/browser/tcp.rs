//! Pages that speak by TCP (RFC 6544): how an engine, which knows datagrams, names them.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The scope that no address of a datagram has: what comes by UDP is named without.
const TCP: u32 = u32::MAX;

/// The far end of a TCP connection. It is another one than who sends datagrams from the same address and port.
pub fn over_tcp(peer: SocketAddr) -> SocketAddr {
    let ip = match peer.ip().to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    SocketAddr::V6(SocketAddrV6::new(ip, peer.port(), 0, TCP))
}

/// True for what [`over_tcp`] names: packets go there by its connection, each behind its length (RFC 4571 §2).
#[inline]
pub fn is_over_tcp(to: SocketAddr) -> bool {
    matches!(to, SocketAddr::V6(to) if to.scope_id() == TCP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_told_from_datagrams_of_the_same_address() {
        for text in ["192.0.2.1:4000", "[2001:db8::1]:4000"] {
            let peer: SocketAddr = text.parse().unwrap();
            let named = over_tcp(peer);
            assert!(is_over_tcp(named) && !is_over_tcp(peer) && named != peer, "{text}");
            assert_eq!((named.ip().to_canonical(), named.port()), (peer.ip(), 4000));
            assert_eq!(over_tcp(named), named);
        }
    }
}
