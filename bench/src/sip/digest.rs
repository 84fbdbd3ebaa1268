//! Digest authentication, the client's half: RFC 2617, RFC 8760.

use std::fmt::Write;

use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};

/// Hash of a digest, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// RFC 2617.
    Md5,
    /// RFC 8760.
    Sha256,
    /// RFC 8760.
    Sha512_256,
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256, Self::Sha512_256].into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    fn hex(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Sha512_256 => hex(&Sha512_256::digest(text)),
        }
    }
}

/// What a server wants proved: one WWW-Authenticate or Proxy-Authenticate header.
#[derive(Debug, Clone)]
pub struct Challenge {
    algorithm: Algorithm,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    quality: bool,
}

/// Who proves it.
pub struct Credentials<'a> {
    /// User name.
    pub user: &'a str,
    /// Password in clear.
    pub password: &'a str,
}

impl Challenge {
    /// The strongest challenge among header values that is of `only` (any when `None`).
    pub fn choose<'a>(headers: impl Iterator<Item = &'a str>, only: Option<Algorithm>) -> Option<Self> {
        headers.filter_map(Self::parse).filter(|c| only.is_none_or(|a| a == c.algorithm)).max_by_key(|c| c.algorithm)
    }

    fn parse(header: &str) -> Option<Self> {
        let parameters = header.trim().strip_prefix("Digest ").or_else(|| header.trim().strip_prefix("digest "))?;
        let algorithm = parameter(parameters, "algorithm").map_or(Some(Algorithm::Md5), |a| Algorithm::named(&a))?;
        Some(Self {
            algorithm,
            realm: parameter(parameters, "realm")?,
            nonce: parameter(parameters, "nonce")?,
            opaque: parameter(parameters, "opaque"),
            quality: parameter(parameters, "qop").is_some_and(|q| q.split(',').any(|q| q.trim() == "auth")),
        })
    }

    /// The value of the Authorization header that answers this challenge for the first time.
    #[must_use]
    pub fn answer(&self, who: &Credentials<'_>, method: &str, uri: &str, cnonce: &str) -> String {
        let hash = |text: &str| self.algorithm.hex(text);
        let ha1 = hash(&format!("{}:{}:{}", who.user, self.realm, who.password));
        let ha2 = hash(&format!("{method}:{uri}"));
        let mut out = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", algorithm={}",
            who.user,
            self.realm,
            self.nonce,
            self.algorithm.name()
        );
        let response = if self.quality {
            let _ = write!(out, ", qop=auth, nc=00000001, cnonce=\"{cnonce}\"");
            hash(&format!("{ha1}:{}:00000001:{cnonce}:auth:{ha2}", self.nonce))
        } else {
            hash(&format!("{ha1}:{}:{ha2}", self.nonce))
        };
        let _ = write!(out, ", response=\"{response}\"");
        if let Some(opaque) = &self.opaque {
            let _ = write!(out, ", opaque=\"{opaque}\"");
        }
        out
    }
}

fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if key.trim().trim_start_matches(',').trim().eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
        rest = next;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIRCLE: Credentials<'_> = Credentials { user: "Mufasa", password: "Circle Of Life" };

    #[test]
    fn answers_the_example_of_rfc_2617() {
        let header = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let challenge = Challenge::choose([header].into_iter(), None).unwrap();
        let answer = challenge.answer(&CIRCLE, "GET", "/dir/index.html", "0a4f113b");
        assert!(answer.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{answer}");
        assert!(answer.contains("nc=00000001") && answer.ends_with("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""));
    }

    #[test]
    fn answers_the_sha_256_example_of_rfc_7616() {
        let header = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"";
        let challenge = Challenge::choose([header].into_iter(), None).unwrap();
        let answer =
            challenge.answer(&CIRCLE_LIFE, "GET", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
        assert!(
            answer.contains("response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""),
            "{answer}"
        );
    }

    const CIRCLE_LIFE: Credentials<'_> = Credentials { user: "Mufasa", password: "Circle of Life" };

    #[test]
    fn takes_the_strongest_challenge_it_may() {
        let headers =
            ["Digest realm=\"a\", nonce=\"1\"", "Digest realm=\"a\", nonce=\"2\", algorithm=SHA-256", "Basic realm=x"];
        let strongest = Challenge::choose(headers.into_iter(), None).unwrap();
        assert_eq!((strongest.algorithm, strongest.nonce.as_str()), (Algorithm::Sha256, "2"));
        let only = Challenge::choose(headers.into_iter(), Some(Algorithm::Md5)).unwrap();
        assert_eq!(only.nonce, "1");
        assert!(Challenge::choose(headers.into_iter(), Some(Algorithm::Sha512_256)).is_none());
    }

    #[test]
    fn a_challenge_without_qop_gets_the_old_answer() {
        let challenge = Challenge::choose(["Digest realm=\"r\",nonce=\"n\""].into_iter(), None).unwrap();
        let answer = challenge.answer(&Credentials { user: "u", password: "p" }, "REGISTER", "sip:h", "c");
        assert!(!answer.contains("cnonce") && answer.contains("algorithm=MD5"));
    }
}
