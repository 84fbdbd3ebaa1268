//! Certificates of signers: their path to a root, and for which numbers they may sign (RFC 8226).

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// Certificates of one chain that are looked at.
const LONGEST_CHAIN: usize = 8;

/// `id-pe-TNAuthList`, 1.3.6.1.5.5.7.1.26, as in a certificate.
const TN_AUTH_LIST: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1a];

/// What is before the point in a public key for P-256 (RFC 5480).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Whom we believe.
#[derive(Clone, Debug, Default)]
pub struct Roots(Vec<TrustAnchor<'static>>);

/// A certificate that says nothing to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// It cannot be read.
    Unreadable,
    /// There is no valid path from it to a root at this time.
    Untrusted,
    /// Its key is not for ES256.
    WrongKey,
}

impl Roots {
    /// From a file of certificates in PEM.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let certificates = read.map_err(|_| CertificateError::Unreadable)?;
        let anchor = |der: &CertificateDer<'_>| anchor_from_trusted_cert(der).map(|anchor| anchor.to_owned());
        let anchors: Result<Vec<_>, _> = certificates.iter().map(anchor).collect();
        anchors.map(Self).map_err(|_| CertificateError::Unreadable)
    }

    /// True if nobody is believed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A signer's certificate and those between it and a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain(Vec<CertificateDer<'static>>);

impl Chain {
    /// What a server gave: PEM, or one certificate in DER.
    pub fn read(bytes: &[u8]) -> Result<Self, CertificateError> {
        let pem: Vec<_> = CertificateDer::pem_slice_iter(bytes).take(LONGEST_CHAIN).filter_map(Result::ok).collect();
        let chain = if pem.is_empty() { vec![CertificateDer::from(bytes.to_vec())] } else { pem };
        EndEntityCert::try_from(&chain[0]).map_err(|_| CertificateError::Unreadable)?;
        Ok(Self(chain))
    }

    /// The public key (a point on P-256), if there is a path to a root at this time (Unix seconds).
    pub(crate) fn key(&self, roots: &Roots, now: u64) -> Result<Vec<u8>, CertificateError> {
        let signer = EndEntityCert::try_from(&self.0[0]).map_err(|_| CertificateError::Unreadable)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now));
        // SHAKEN's certificates name no extended usage (ATIS-1000080 §6.4.1); one that names others is for something else.
        let usage = KeyUsage::client_auth();
        let path =
            signer.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &roots.0, &self.0[1..], time, usage, None, None);
        path.map_err(|_| CertificateError::Untrusted)?;
        let spki = signer.subject_public_key_info();
        let point = spki.strip_prefix(P256).filter(|point| point.len() == 65).ok_or(CertificateError::WrongKey)?;
        Ok(point.to_vec())
    }

    /// Whether the signer may sign for this number: where a certificate lists numbers, only for those. A service provider code
    /// stands for whatever that provider was given.
    pub(crate) fn covers(&self, tn: &str) -> bool {
        let Some(list) = tn_auth_list(&self.0[0]) else { return true };
        list.iter().any(|entry| match entry {
            Entry::Provider => true,
            Entry::Range { start, count } => {
                let (Ok(start_number), Ok(number)) = (start.parse::<u64>(), tn.parse::<u64>()) else { return false };
                start.len() == tn.len() && number >= start_number && number - start_number < *count
            }
            Entry::One(number) => number == tn,
        })
    }
}

/// One entry of a TNAuthList (RFC 8226 §9).
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Provider,
    Range { start: String, count: u64 },
    One(String),
}

/// The numbers of a certificate; none if it has no such list. One that cannot be read allows nothing.
fn tn_auth_list(certificate: &[u8]) -> Option<Vec<Entry>> {
    let at = certificate.windows(TN_AUTH_LIST.len()).position(|window| window == TN_AUTH_LIST)?;
    let mut rest = &certificate[at + TN_AUTH_LIST.len()..];
    let (mut tag, mut value) = element(&mut rest).unwrap_or((0, &[]));
    if tag == 0x01 {
        // It may be marked as critical.
        (tag, value) = element(&mut rest).unwrap_or((0, &[]));
    }
    if tag != 0x04 {
        return Some(Vec::new());
    }
    let Some((0x30, mut list)) = element(&mut value) else { return Some(Vec::new()) };
    let mut entries = Vec::new();
    while let Some((tag, mut value)) = element(&mut list) {
        match tag {
            0xa0 => entries.push(Entry::Provider),
            0xa1 => {
                let range = element(&mut value).filter(|(tag, _)| *tag == 0x30).and_then(|(_, mut range)| {
                    let start = text(element(&mut range)?)?;
                    let (tag, count) = element(&mut range)?;
                    let count = count.iter().try_fold(0u64, |sum, b| sum.checked_mul(256)?.checked_add((*b).into()))?;
                    (tag == 0x02).then_some(Entry::Range { start, count })
                });
                entries.extend(range);
            }
            0xa2 => entries.extend(element(&mut value).and_then(text).map(Entry::One)),
            _ => {}
        }
    }
    Some(entries)
}

/// An IA5String of digits.
fn text((tag, value): (u8, &[u8])) -> Option<String> {
    let digits = tag == 0x16 && value.iter().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#'));
    digits.then(|| String::from_utf8_lossy(value).into_owned())
}

/// The next element of DER: tag and value.
fn element<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, after) = rest.split_first()?;
    let (&first, mut after) = after.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let octets = usize::from(first & 0x7f);
        if octets == 0 || octets > 3 {
            return None;
        }
        let (digits, behind) = after.split_at_checked(octets)?;
        length = digits.iter().fold(0, |sum, b| sum << 8 | usize::from(*b));
        after = behind;
    }
    let (value, behind) = after.split_at_checked(length)?;
    *rest = behind;
    Some((tag, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_numbers_are_read_and_broken_ones_allow_nothing() {
        let list = |content: &[u8]| {
            let inner = [&[0x30, content.len() as u8][..], content].concat();
            let octets = [&[0x04, inner.len() as u8][..], &inner].concat();
            tn_auth_list(&[&b"before"[..], TN_AUTH_LIST, &octets, b"after"].concat()).unwrap()
        };
        assert_eq!(tn_auth_list(b"no such thing"), None);
        assert_eq!(list(&[0xa0, 5, 0x16, 3, b'1', b'2', b'3']), [Entry::Provider]);
        assert_eq!(list(&[0xa2, 4, 0x16, 2, b'1', b'2']), [Entry::One("12".into())]);
        let range = [0xa1, 10, 0x30, 8, 0x16, 2, b'1', b'0', 0x02, 2, 0, 200];
        assert_eq!(list(&range), [Entry::Range { start: "10".into(), count: 200 }]);
        for cut in 0..range.len() {
            assert_eq!(list(&range[..cut]), [], "{cut}");
        }
        assert_eq!(tn_auth_list(&[TN_AUTH_LIST, &[0x05, 0]].concat()), Some(Vec::new()));
    }
}
