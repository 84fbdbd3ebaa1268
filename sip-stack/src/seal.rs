//! What we hand out and know again without having kept it: flows in routes (RFC 5626 §5.2), addresses of single phones (RFC 5627 §3.2),
//! and marks by which a request that comes back is known (RFC 3261 §16.3).

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use stdx::Entropy;

use crate::auth::{hex, same};
use crate::endpoint::{Flow, Transport};

/// Begins the user of a route that names a flow.
const FLOW: &[u8] = b"flow.";
/// Begins the user of a temporary address.
const TEMPORARY: &[u8] = b"tgruu.";
/// Bytes of a seal: forging one takes 2⁸⁰ tries, each a message to us (RFC 5627 appendix A.2 has as many).
const SEAL: usize = 10;
/// Bytes of a temporary address that make it differ from all others.
const NONCE: usize = 8;
/// Numbers are filled up to a multiple of this, so that their length tells less.
const BLOCK: usize = 16;
/// The longest number that gets temporary addresses.
const MAX_NUMBER: usize = 64;

/// A key for all of these. Every cell has the same one, and a process the same as the one before it.
#[derive(Clone)]
pub struct Seal(Hmac<Sha256>);

/// A phone as a temporary address names it: its instance, and the Call-ID of its registration, hashed.
pub type PhoneMark = [u8; 8];

impl Seal {
    /// From a secret that may serve other purposes too.
    pub fn new(secret: &[u8; 32]) -> Self {
        let own = Self(keyed(secret)).hash(b"sip seals", &[]);
        Self(keyed(&own))
    }

    /// One that nobody else has.
    pub fn random(entropy: &mut Entropy) -> Self {
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        Self::new(&secret)
    }

    fn hash(&self, label: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in std::iter::once(&label).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn seal(&self, label: &[u8], parts: &[&[u8]]) -> [u8; SEAL] {
        first(&self.hash(label, parts))
    }

    /// What makes two passes of a request through us the same: a loop if all of it is (RFC 5393 §4.2).
    pub fn mark(&self, parts: &[&[u8]]) -> u64 {
        u64::from_be_bytes(first(&self.hash(b"loop", parts)))
    }

    /// The user of a route by which requests of this dialog, and of no other, reach a flow.
    pub(crate) fn flow_user(&self, flow: &Flow, call_id: &[u8]) -> String {
        let mut bytes = vec![flow.transport as u8];
        for address in [flow.local, flow.remote] {
            match address.ip() {
                IpAddr::V4(ip) => bytes.extend(ip.octets()),
                IpAddr::V6(ip) => bytes.extend(ip.octets()),
            }
            bytes.extend(address.port().to_be_bytes());
        }
        let seal = self.seal(FLOW, &[&bytes, call_id]);
        format!("{}{}{}", String::from_utf8_lossy(FLOW), hex(&bytes), hex(&seal))
    }

    /// The flow that such a user names, if we wrote it for this dialog.
    pub(crate) fn flow_of_user(&self, user: &[u8], call_id: &[u8]) -> Option<Flow> {
        let bytes = unhex(user.strip_prefix(FLOW)?)?;
        let (bytes, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
        if !same(&self.seal(FLOW, &[bytes, call_id]), seal) {
            return None;
        }
        let (transport, addresses) = bytes.split_first()?;
        let transports = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
        let transport = transports.into_iter().find(|known| *known as u8 == *transport)?;
        let (local, remote) = addresses.split_at(addresses.len() / 2);
        Some(Flow { transport, local: address(local)?, remote: address(remote)? })
    }

    /// The name of a phone in temporary addresses: for as long as it renews one registration (RFC 5627 §3.2).
    pub fn phone(&self, instance: &str, call_id: &[u8]) -> PhoneMark {
        first(&self.hash(b"phone", &[instance.as_bytes(), call_id]))
    }

    /// A user part of a temporary address: it tells nobody whose it is, and for another turn it is another one. None for a number that is
    /// too long.
    pub fn temporary(&self, number: &str, phone: PhoneMark, turn: u32) -> Option<String> {
        if number.is_empty() || number.len() > MAX_NUMBER {
            return None;
        }
        let nonce: [u8; NONCE] = first(&self.hash(b"nonce", &[number.as_bytes(), &phone, &turn.to_be_bytes()]));
        let mut text = phone.to_vec();
        text.extend(number.as_bytes());
        text.resize(text.len().next_multiple_of(BLOCK), 0);
        self.cover(nonce, &mut text);
        let seal = self.seal(TEMPORARY, &[&nonce, &text]);
        Some(format!("{}{}{}{}", String::from_utf8_lossy(TEMPORARY), hex(&nonce), hex(&text), hex(&seal)))
    }

    /// Whose a temporary address is, if it is one of ours.
    pub fn owner_of(&self, user: &[u8]) -> Option<(String, PhoneMark)> {
        let bytes = unhex(user.strip_prefix(TEMPORARY)?)?;
        let (bytes, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE>()?;
        if !same(&self.seal(TEMPORARY, &[nonce, text]), seal) {
            return None;
        }
        let mut text = text.to_vec();
        self.cover(*nonce, &mut text);
        let (phone, number) = text.split_first_chunk::<8>()?;
        let number = number.split(|b| *b == 0).next()?;
        Some((String::from_utf8(number.to_vec()).ok()?, *phone))
    }

    /// Hides text, or shows it again.
    fn cover(&self, nonce: [u8; NONCE], text: &mut [u8]) {
        for (at, block) in text.chunks_mut(32).enumerate() {
            let stream = self.hash(b"cover", &[&nonce, &(at as u64).to_be_bytes()]);
            block.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= key);
        }
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(secret)")
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into())
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&hash[..N]);
    out
}

fn address(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_at_checked(bytes.len().checked_sub(2)?)?;
    let ip = match ip.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(ip).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(port.try_into().ok()?)))
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: &u8| (*b as char).to_digit(16).map(|d| d as u8);
    let pair = |pair: &[u8]| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?);
    text.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(&[7; 32])
    }

    #[test]
    fn a_flow_is_known_again_in_its_own_dialog_alone() {
        for (local, remote) in [("192.0.2.1:5060", "203.0.113.9:40000"), ("[2001:db8::1]:5060", "[2001:db8::9]:1")] {
            for transport in [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss] {
                let flow = Flow { transport, local: local.parse().unwrap(), remote: remote.parse().unwrap() };
                let user = seal().flow_user(&flow, b"c1");
                assert_eq!(seal().flow_of_user(user.as_bytes(), b"c1"), Some(flow));
                assert_eq!(seal().flow_of_user(user.as_bytes(), b"c2"), None);
                assert_eq!(Seal::new(&[8; 32]).flow_of_user(user.as_bytes(), b"c1"), None);
                for cut in 0..user.len() {
                    assert_eq!(seal().flow_of_user(&user.as_bytes()[..cut], b"c1"), None);
                }
            }
        }
        assert_eq!(seal().flow_of_user("flow.é0".as_bytes(), b""), None);
    }

    #[test]
    fn a_temporary_address_names_its_phone_and_looks_like_no_other() {
        let phone = seal().phone("<urn:uuid:1>", b"call-1");
        let one = seal().temporary("100", phone, 1).unwrap();
        let other = seal().temporary("100", phone, 2).unwrap();
        assert_eq!(seal().owner_of(one.as_bytes()), Some(("100".to_owned(), phone)));
        assert_eq!(seal().owner_of(other.as_bytes()), Some(("100".to_owned(), phone)));
        assert!(one.len() == other.len() && one[6..22] != other[6..22] && one[22..] != other[22..]);
        assert_ne!(seal().phone("<urn:uuid:1>", b"call-2"), phone, "another registration");
        let long = "9".repeat(MAX_NUMBER);
        let user = seal().temporary(&long, phone, 1).unwrap();
        assert_eq!(seal().owner_of(user.as_bytes()).unwrap().0, long);
        assert_eq!(seal().temporary(&"9".repeat(MAX_NUMBER + 1), phone, 1), None);
        let mut forged = one.clone().into_bytes();
        for at in 6..forged.len() {
            let old = std::mem::replace(&mut forged[at], if one.as_bytes()[at] == b'0' { b'1' } else { b'0' });
            assert_eq!(seal().owner_of(&forged), None, "byte {at}");
            forged[at] = old;
        }
    }

    #[test]
    fn marks_tell_requests_apart_by_their_parts() {
        assert_eq!(seal().mark(&[b"ab", b"c"]), seal().mark(&[b"ab", b"c"]));
        assert_ne!(seal().mark(&[b"ab", b"c"]), seal().mark(&[b"a", b"bc"]));
    }
}
