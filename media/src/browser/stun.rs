//! Binding requests and their answers: RFC 8489, with the attributes of ICE (RFC 8445 §16.1). Nothing here allocates.

use aws_lc_rs::hmac;
use std::net::{IpAddr, SocketAddr};

const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;

const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const MAPPED: u16 = 0x0020;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const CONTROLLED: u16 = 0x8029;

/// Octets of MESSAGE-INTEGRITY and of FINGERPRINT with their headers.
const INTEGRITY_LEN: usize = 24;
const FINGERPRINT_LEN: usize = 8;
/// The longest answer: an IPv6 address, or an error, and what protects it.
pub(crate) const MAX_ANSWER: usize = HEADER + 24 + INTEGRITY_LEN + FINGERPRINT_LEN;

/// A binding request, read but not believed.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    message: &'a [u8],
    transaction: [u8; 12],
    username: &'a str,
    integrity: (usize, &'a [u8; 20]),
    pub(super) use_candidate: bool,
    /// The sender thinks that it is the controlled agent.
    pub(super) controlled: bool,
}

impl<'a> Request<'a> {
    /// Reads a datagram; `None` if it is no binding request with a user name, its integrity and, where it has one, the right fingerprint.
    ///
    /// Attributes that ICE does not use are passed over, whatever they demand: browsers add some of their own.
    pub(crate) fn parse(message: &'a [u8]) -> Option<Self> {
        let header: &[u8; HEADER] = message.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let kind = u16::from_be_bytes([header[0], header[1]]);
        if kind != REQUEST || header[4..8] != COOKIE || length % 4 != 0 || length + HEADER != message.len() {
            return None;
        }
        let (mut username, mut integrity) = (None, None);
        let (mut use_candidate, mut controlled) = (false, false);
        let mut at = HEADER;
        while at < message.len() {
            let head: &[u8; 4] = message.get(at..)?.first_chunk()?;
            let (kind, len) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
            let value = message.get(at + 4..at + 4 + usize::from(len))?;
            match kind {
                FINGERPRINT if value != (crc32(&message[..at]) ^ 0x5354_554e).to_be_bytes() => return None,
                // What follows the integrity is not protected by it: RFC 8489 §14.5.
                _ if integrity.is_some() => {}
                INTEGRITY => integrity = Some((at, value.first_chunk().filter(|_| value.len() == 20)?)),
                USERNAME => username = Some(std::str::from_utf8(value).ok()?),
                USE_CANDIDATE => use_candidate = true,
                CONTROLLED => controlled = true,
                _ => {}
            }
            at += 4 + usize::from(len).next_multiple_of(4);
        }
        let transaction = *header[8..].first_chunk()?;
        Some(Self { message, transaction, username: username?, integrity: integrity?, use_candidate, controlled })
    }

    /// The user name of the one who is asked: what stands before the colon (RFC 8445 §7.2.2).
    pub(crate) fn addressee(&self) -> &'a str {
        self.username.split(':').next().unwrap_or_default()
    }

    /// True if its sender knows the password.
    pub(super) fn proves(&self, password: &hmac::Key) -> bool {
        let (at, tag) = self.integrity;
        let mut context = hmac::Context::with_key(password);
        // The length that was true while the integrity was the last attribute.
        context.update(&self.message[..2]);
        context.update(&((at - HEADER + INTEGRITY_LEN) as u16).to_be_bytes());
        context.update(&self.message[4..at]);
        aws_lc_rs::constant_time::verify_slices_are_equal(context.sign().as_ref(), tag).is_ok()
    }

    /// What is needed to answer it.
    pub(super) fn transaction(&self) -> [u8; 12] {
        self.transaction
    }
}

/// The answer: from where the request came.
pub(super) fn success(
    to: &mut [u8; MAX_ANSWER],
    transaction: [u8; 12],
    from: SocketAddr,
    password: &hmac::Key,
) -> usize {
    let mut value = [0; 20];
    let port = from.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    value[2..4].copy_from_slice(&port.to_be_bytes());
    let mask: [u8; 16] = std::array::from_fn(|i| if i < 4 { COOKIE[i] } else { transaction[i - 4] });
    let len = match from.ip().to_canonical() {
        IpAddr::V4(ip) => {
            value[1] = 1;
            value[4..8].iter_mut().zip(ip.octets()).zip(mask).for_each(|((to, octet), mask)| *to = octet ^ mask);
            8
        }
        IpAddr::V6(ip) => {
            value[1] = 2;
            value[4..20].iter_mut().zip(ip.octets()).zip(mask).for_each(|((to, octet), mask)| *to = octet ^ mask);
            20
        }
    };
    answer(to, SUCCESS, transaction, (MAPPED, &value[..len]), password)
}

/// The answer to one who takes our role: 487 (RFC 8445 §7.3.1.1).
pub(super) fn role_conflict(to: &mut [u8; MAX_ANSWER], transaction: [u8; 12], password: &hmac::Key) -> usize {
    answer(to, ERROR, transaction, (ERROR_CODE, b"\0\0\x04\x57Conflict"), password)
}

fn answer(
    to: &mut [u8; MAX_ANSWER],
    kind: u16,
    transaction: [u8; 12],
    (attribute, value): (u16, &[u8]),
    password: &hmac::Key,
) -> usize {
    let end = HEADER + 4 + value.len();
    to[..2].copy_from_slice(&kind.to_be_bytes());
    to[4..8].copy_from_slice(&COOKIE);
    to[8..HEADER].copy_from_slice(&transaction);
    put(&mut to[HEADER..], attribute, value);
    set_length(to, end + INTEGRITY_LEN);
    let tag = hmac::sign(password, &to[..end]);
    put(&mut to[end..], INTEGRITY, tag.as_ref());
    let end = end + INTEGRITY_LEN;
    set_length(to, end + FINGERPRINT_LEN);
    let crc = crc32(&to[..end]) ^ 0x5354_554e;
    put(&mut to[end..], FINGERPRINT, &crc.to_be_bytes());
    end + FINGERPRINT_LEN
}

fn put(to: &mut [u8], kind: u16, value: &[u8]) {
    to[..2].copy_from_slice(&kind.to_be_bytes());
    to[2..4].copy_from_slice(&(value.len() as u16).to_be_bytes());
    to[4..4 + value.len()].copy_from_slice(value);
}

fn set_length(to: &mut [u8], total: usize) {
    to[2..4].copy_from_slice(&((total - HEADER) as u16).to_be_bytes());
}

/// ITU V.42's, as in Ethernet.
fn crc32(octets: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !octets.iter().fold(!0, |crc, octet| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ octet)])
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::browser) fn key(password: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes())
    }

    /// A check as a browser sends it.
    pub(in crate::browser) fn check(ufrag: &str, password: &str, nominate: bool) -> Vec<u8> {
        let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend([7; 12]);
        let mut add = |kind: u16, value: &[u8], counted: usize| {
            message.extend(kind.to_be_bytes());
            message.extend((value.len() as u16).to_be_bytes());
            message.extend(value);
            message.resize(message.len().next_multiple_of(4), 0);
            let length = (message.len() - HEADER + counted) as u16;
            message[2..4].copy_from_slice(&length.to_be_bytes());
            message.clone()
        };
        let mut so_far = add(USERNAME, format!("{ufrag}:abcd").as_bytes(), INTEGRITY_LEN);
        if nominate {
            so_far = add(USE_CANDIDATE, b"", INTEGRITY_LEN);
        }
        add(INTEGRITY, hmac::sign(&key(password), &so_far).as_ref(), 0)
    }

    /// The sample request of RFC 5769 §2.1.
    pub(in crate::browser) const SAMPLE: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\x80\x22\x00\x10\x53\x54\x55\x4e\x20\x74\x65\x73\x74\x20\x63\x6c\x69\x65\x6e\x74\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

    #[test]
    fn the_sample_of_rfc_5769_is_read_and_its_integrity_believed() {
        let request = Request::parse(SAMPLE).unwrap();
        assert_eq!(request.addressee(), "evtj");
        assert!(request.controlled && !request.use_candidate);
        assert!(request.proves(&key("VOkJxbRl1RmTxUk/WvJxBt")) && !request.proves(&key("VOkJxbRl1RmTxUk/WvJxBu")));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused_or_not_believed() {
        for len in 0..SAMPLE.len() {
            assert!(Request::parse(&SAMPLE[..len]).is_none(), "{len}");
        }
        // The fingerprint is for whoever has to tell checks from sound; a lost one costs nothing.
        for bit in 0..(SAMPLE.len() - FINGERPRINT_LEN) * 8 {
            let mut message = SAMPLE.to_vec();
            message[bit / 8] ^= 1 << (bit % 8);
            let believed = Request::parse(&message).is_some_and(|r| r.proves(&key("VOkJxbRl1RmTxUk/WvJxBt")));
            assert!(!believed, "bit {bit}");
        }
    }

    #[test]
    fn the_answer_of_rfc_5769_has_its_address_and_proves_itself() {
        let transaction = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
        for (from, mapped) in [
            ("192.0.2.1:32853", &b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"[..]),
            (
                "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
                b"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9",
            ),
        ] {
            let mut to = [0; MAX_ANSWER];
            let len = success(&mut to, transaction, from.parse().unwrap(), &key("VOkJxbRl1RmTxUk/WvJxBt"));
            let answer = &to[..len];
            assert_eq!(&answer[HEADER..HEADER + mapped.len()], mapped);
            let mut unprotected = answer[..len - FINGERPRINT_LEN - INTEGRITY_LEN].to_vec();
            unprotected[2..4].copy_from_slice(&((len - FINGERPRINT_LEN - HEADER) as u16).to_be_bytes());
            let tag = hmac::sign(&key("VOkJxbRl1RmTxUk/WvJxBt"), &unprotected);
            assert_eq!(&answer[len - FINGERPRINT_LEN - 20..len - FINGERPRINT_LEN], tag.as_ref());
        }
        let mut to = [0; MAX_ANSWER];
        let len = role_conflict(&mut to, transaction, &key("x"));
        assert_eq!((len % 4, &to[20..24]), (0, &b"\x00\x09\x00\x0c"[..]));
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
