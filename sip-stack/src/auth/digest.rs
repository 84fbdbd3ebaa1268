//! The arithmetic of digest access authentication: RFC 7616 and, for old phones, RFC 2617 and RFC 2069.

use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};

/// The hash behind a digest (RFC 8760), the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// What every phone can do.
    Md5,
    /// What newer phones prefer.
    Sha256,
    /// The third of RFC 8760, rare.
    Sha512_256,
}

impl Algorithm {
    /// The algorithm of this token; none given means MD5 (RFC 7616 §3.4).
    pub(crate) fn from_token(token: Option<&[u8]>) -> Option<Self> {
        match token {
            None => Some(Self::Md5),
            Some(token) if token.eq_ignore_ascii_case(b"MD5") => Some(Self::Md5),
            Some(token) if token.eq_ignore_ascii_case(b"SHA-256") => Some(Self::Sha256),
            Some(token) if token.eq_ignore_ascii_case(b"SHA-512-256") => Some(Self::Sha512_256),
            Some(_) => None,
        }
    }

    /// The token as it goes on the wire.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    /// Lower-case hexadecimal hash of the parts joined by colons.
    fn hash(self, parts: &[&[u8]]) -> String {
        #[cfg(test)]
        WORK.with_borrow_mut(|work| work.push((self, parts.iter().map(|part| part.len()).sum())));
        fn run<D: Digest>(parts: &[&[u8]]) -> String {
            let mut hash = D::new();
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    hash.update(b":");
                }
                hash.update(part);
            }
            hex(&hash.finalize())
        }
        match self {
            Self::Md5 => run::<Md5>(parts),
            Self::Sha256 => run::<Sha256>(parts),
            Self::Sha512_256 => run::<Sha512_256>(parts),
        }
    }
}

#[cfg(test)]
thread_local! {
    /// Each hash of this thread and how many bytes went into it: the work that a test compares instead of the clock.
    pub(super) static WORK: std::cell::RefCell<Vec<(Algorithm, usize)>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// `H(user:realm:password)` for each algorithm: what is kept instead of a password, and as good as it within its realm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1 {
    /// With MD5.
    pub md5: [u8; 16],
    /// With SHA-256.
    pub sha256: [u8; 32],
    /// With SHA-512/256.
    pub sha512_256: [u8; 32],
}

impl Ha1 {
    /// From the parts, as bytes of UTF-8.
    pub fn new(user: &str, realm: &str, password: &str) -> Self {
        fn run<D: Digest>(parts: [&str; 3]) -> D {
            let [user, realm, password] = parts;
            D::new().chain_update(user).chain_update(":").chain_update(realm).chain_update(":").chain_update(password)
        }
        let parts = [user, realm, password];
        Self {
            md5: run::<Md5>(parts).finalize().into(),
            sha256: run::<Sha256>(parts).finalize().into(),
            sha512_256: run::<Sha512_256>(parts).finalize().into(),
        }
    }

    /// Stands in for the missing one of an unknown user, so that he costs what a known one costs.
    pub(crate) const NOBODY: Self = Self { md5: [0; 16], sha256: [0; 32], sha512_256: [0; 32] };

    fn hex(&self, algorithm: Algorithm) -> String {
        match algorithm {
            Algorithm::Md5 => hex(&self.md5),
            Algorithm::Sha256 => hex(&self.sha256),
            Algorithm::Sha512_256 => hex(&self.sha512_256),
        }
    }
}

// A password's equal must not reach a log by way of a `{:?}`.
impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ha1(…)")
    }
}

/// The client's share of a digest with `qop=auth`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Qop<'a> {
    /// Eight hexadecimal digits, as written.
    pub(crate) nc: &'a [u8],
    pub(crate) cnonce: &'a [u8],
    /// The token as written: it is hashed.
    pub(crate) qop: &'a [u8],
}

/// The `response` that whoever knows `ha1` gives: with `qop` RFC 7616 §3.4.1, without it RFC 2069.
pub(crate) fn response(
    algorithm: Algorithm,
    ha1: &Ha1,
    method: &[u8],
    uri: &[u8],
    nonce: &[u8],
    qop: Option<Qop<'_>>,
) -> String {
    let ha1 = ha1.hex(algorithm);
    let ha2 = algorithm.hash(&[method, uri]);
    match qop {
        Some(Qop { nc, cnonce, qop }) => algorithm.hash(&[ha1.as_bytes(), nonce, nc, cnonce, qop, ha2.as_bytes()]),
        None => algorithm.hash(&[ha1.as_bytes(), nonce, ha2.as_bytes()]),
    }
}

/// Compares without telling by its duration where the difference is.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1: the same request with both algorithms.
    #[test]
    fn vectors_of_rfc_7616() {
        let ha1 = Ha1::new("Mufasa", "http-auth@example.org", "Circle of Life");
        let qop = Some(Qop { nc: b"00000001", cnonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop: b"auth" });
        let nonce = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let given = |algorithm| response(algorithm, &ha1, b"GET", b"/dir/index.html", nonce, qop);
        assert_eq!(given(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(given(Algorithm::Sha256), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    }

    /// RFC 2617 §3.5.
    #[test]
    fn vector_of_rfc_2617() {
        let ha1 = Ha1::new("Mufasa", "testrealm@host.com", "Circle Of Life");
        let qop = Some(Qop { nc: b"00000001", cnonce: b"0a4f113b", qop: b"auth" });
        let nonce = b"dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let given = response(Algorithm::Md5, &ha1, b"GET", b"/dir/index.html", nonce, qop);
        assert_eq!(given, "6629fae49393a05397450978507c4ef1");
    }

    /// RFC 2069 §2.4 as corrected by its erratum 749.
    #[test]
    fn vector_of_rfc_2069() {
        let ha1 = Ha1::new("Mufasa", "testrealm@host.com", "CircleOfLife");
        let nonce = b"dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let given = response(Algorithm::Md5, &ha1, b"GET", b"/dir/index.html", nonce, None);
        assert_eq!(given, "1949323746fe6a43ef61f9606e7febea");
    }

    #[test]
    fn comparison_and_spelling() {
        assert!(same(b"abc", b"abc") && !same(b"abc", b"abd") && !same(b"abc", b"abcd") && same(b"", b""));
        assert_eq!(Algorithm::from_token(None), Some(Algorithm::Md5));
        assert_eq!(Algorithm::from_token(Some(b"sha-256")), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::from_token(Some(b"MD5-sess")), None);
        assert_eq!(format!("{:?}", Ha1::NOBODY), "Ha1(…)");
    }
}
