//! What keeps a NAT open and is no SIP: line ends, NULs, and STUN binding requests (RFC 5626 §3.5, RFC 8489).

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];

/// What a datagram is, if it is no SIP message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeepAlive {
    /// Line ends and other short nothings, which many phones send: swallowed.
    Silent,
    /// A STUN binding request, with its answer.
    Stun(Bytes),
    /// Other STUN: dropped.
    OtherStun,
}

impl KeepAlive {
    pub(super) fn of(data: &[u8], source: SocketAddr) -> Option<Self> {
        if data.len() <= 4 || data.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return Some(Self::Silent);
        }
        // A STUN message begins with two zero bits, which no SIP message does.
        if data[0] & 0xc0 != 0 || data.len() < 20 || data[4..8] != COOKIE {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([data[2], data[3]]));
        if data[..2] != BINDING_REQUEST || length % 4 != 0 || data.len() != 20 + length {
            return Some(Self::OtherStun);
        }
        Some(Self::Stun(binding_success(&data[8..20], source)))
    }
}

/// Tells the source its address as we see it (RFC 8489 §14.2).
fn binding_success(transaction: &[u8], source: SocketAddr) -> Bytes {
    let mask: Vec<u8> = COOKIE.iter().chain(transaction).copied().collect();
    let (family, address) = match source.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => (1, ip.octets().to_vec()),
            None => (2, ip.octets().to_vec()),
        },
    };
    let mut out = Vec::with_capacity(44);
    out.extend(BINDING_SUCCESS);
    out.extend((8 + address.len() as u16).to_be_bytes());
    out.extend(&mask);
    out.extend(XOR_MAPPED_ADDRESS);
    out.extend((4 + address.len() as u16).to_be_bytes());
    out.extend([0, family]);
    out.extend(source.port().to_be_bytes().iter().zip(&mask).map(|(a, b)| a ^ b));
    out.extend(address.iter().zip(&mask).map(|(a, b)| a ^ b));
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transaction and addresses of the vectors of RFC 5769 §2.2 and §2.3, without their integrity attributes.
    const TRANSACTION: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    fn request(length: u16) -> Vec<u8> {
        [&BINDING_REQUEST[..], &length.to_be_bytes(), &COOKIE, &TRANSACTION].concat()
    }

    #[test]
    fn a_binding_request_is_answered_with_the_address_it_came_from() {
        let Some(KeepAlive::Stun(out)) = KeepAlive::of(&request(0), "192.0.2.1:32853".parse().unwrap()) else {
            panic!("no answer")
        };
        assert_eq!(out[..4], [1, 1, 0, 12]);
        assert_eq!(out[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let source = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        let Some(KeepAlive::Stun(out)) = KeepAlive::of(&request(0), source) else { panic!("no answer") };
        assert_eq!(out[..4], [1, 1, 0, 24]);
        assert_eq!(out[24..32], [0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa]);
        assert_eq!(out[32..], [0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9]);
    }

    #[test]
    fn line_ends_are_swallowed_and_sip_is_none_of_this() {
        let source = "192.0.2.1:32853".parse().unwrap();
        for idle in [&b""[..], b"\r\n", b"\r\n\r\n\r\n", b"\0", b"jaK", b"\0\0\0\0\0\0"] {
            assert_eq!(KeepAlive::of(idle, source), Some(KeepAlive::Silent));
        }
        assert_eq!(KeepAlive::of(&request(4), source), Some(KeepAlive::OtherStun));
        assert_eq!(KeepAlive::of(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n", source), None);
        assert_eq!(KeepAlive::of(b"\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\n\r\n", source), None);
    }
}
