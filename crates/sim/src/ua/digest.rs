//! The answer to a digest challenge (RFC 7616, RFC 8760), computed by `rsip`.

use rsip::headers::auth::{Algorithm, AuthQop};
use rsip::services::DigestGenerator;
use rsip::{Header, Headers, Method, Uri};

/// Which hash a phone prefers where the challenge leaves the choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hash {
    /// What old phones know.
    Md5,
    /// RFC 8760.
    Sha256,
}

impl Hash {
    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }
}

/// A challenge as the server gave it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    hash: Hash,
    qop: bool,
    pub(crate) stale: bool,
}

impl Challenge {
    /// The challenge of a 401 that suits the phone best.
    pub(crate) fn choose(headers: &Headers, prefer: Hash) -> Option<Self> {
        let offered: Vec<Self> = headers
            .iter()
            .filter_map(|header| match header {
                Header::WwwAuthenticate(value) => Self::parse(&value.to_string()),
                _ => None,
            })
            .collect();
        offered.iter().find(|challenge| challenge.hash == prefer).or(offered.first()).cloned()
    }

    /// By hand: `rsip` spells the algorithm `SHA256` and refuses the registered name.
    fn parse(header: &str) -> Option<Self> {
        let (_, value) = header.split_once(':')?;
        let params = value.trim().strip_prefix("Digest ")?;
        let param = |name: &str| {
            split_quoted(params).into_iter().find_map(|param| {
                let (key, value) = param.split_once('=')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
            })
        };
        let hash = match param("algorithm").as_deref() {
            None | Some("MD5") => Hash::Md5,
            Some("SHA-256") => Hash::Sha256,
            Some(_) => return None,
        };
        Some(Self {
            realm: param("realm")?,
            nonce: param("nonce")?,
            opaque: param("opaque"),
            hash,
            qop: param("qop").is_some_and(|qop| qop.split(',').any(|q| q.trim() == "auth")),
            stale: param("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The Authorization header for one request, the `nc`th with this nonce; 9 at most, because `rsip` counts in decimal.
    pub(crate) fn answer(&self, user: &str, password: &str, method: Method, uri: &Uri, cnonce: &str, nc: u8) -> Header {
        let qop = self.qop.then(|| AuthQop::Auth { cnonce: cnonce.to_owned(), nc });
        let response = DigestGenerator {
            username: user,
            password,
            nonce: &self.nonce,
            uri,
            realm: &self.realm,
            method: &method,
            qop: qop.as_ref(),
            algorithm: match self.hash {
                Hash::Md5 => Algorithm::Md5,
                Hash::Sha256 => Algorithm::Sha256,
            },
        }
        .compute();
        let mut value = format!(
            "Digest username=\"{user}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\", algorithm={}",
            self.realm,
            self.nonce,
            self.hash.name(),
        );
        if self.qop {
            value.push_str(&format!(", qop=auth, nc={nc:08x}, cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        Header::Authorization(value.into())
    }
}

/// Splits at commas that are not inside quotes.
fn split_quoted(text: &str) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsip::headers::UntypedHeader;

    #[test]
    fn the_answer_is_the_one_that_rfc_7616_computes() {
        // Computed by hand with md5sum and sha256sum.
        let known = [
            (Hash::Md5, "0accb55d29ed59603ebd7fd3b76124c2"),
            (Hash::Sha256, "0a1ac9445fb46aea913ca43cc89803e8c48082faf97ca1cd9076398ede613e03"),
        ];
        for (hash, response) in known {
            let challenge = Challenge {
                realm: "sim.test".into(),
                nonce: "abc".into(),
                opaque: None,
                hash,
                qop: true,
                stale: false,
            };
            let uri = Uri::try_from("sip:192.0.2.1").unwrap();
            let header = challenge.answer("100", "secret", Method::Register, &uri, "xyz", 1).to_string();
            assert!(header.contains(&format!("response=\"{response}\"")), "{header}");
            assert!(header.contains("qop=auth, nc=00000001, cnonce=\"xyz\""), "{header}");
        }
    }

    #[test]
    fn a_phone_picks_the_hash_it_prefers() {
        let mut headers = Headers::default();
        for algorithm in ["SHA-256", "MD5"] {
            let value = format!("Digest realm=\"a, b\", nonce=\"n\", algorithm={algorithm}, qop=\"auth\", stale=TRUE");
            headers.push(Header::WwwAuthenticate(rsip::headers::WwwAuthenticate::new(value)));
        }
        let challenge = Challenge::choose(&headers, Hash::Md5).unwrap();
        assert_eq!((challenge.hash, challenge.realm.as_str(), challenge.stale), (Hash::Md5, "a, b", true));
        assert_eq!(Challenge::choose(&headers, Hash::Sha256).unwrap().hash, Hash::Sha256);
    }
}
