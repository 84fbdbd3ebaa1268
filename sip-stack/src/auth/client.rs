//! How we prove who we are: answers to 401 and 407 (RFC 3261 §22.2 and §22.3, RFC 7616, RFC 8760).

use std::sync::Arc;

use smallvec::SmallVec;
use stdx::Entropy;

use super::digest::{self, Algorithm, Ha1, Qop};
use crate::message::{Credentials as Line, Message, Name, Status};

/// How many realms one request may have to satisfy; challenges of more are not answered.
const MAX_REALMS: usize = 4;

/// Who we are to somebody who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    username: String,
    secret: Secret,
}

#[derive(Clone, PartialEq, Eq)]
enum Secret {
    Password(String),
    Ha1(Ha1),
}

impl Credentials {
    /// By a password, good for any realm.
    pub fn new(username: &str, password: &str) -> Self {
        Self { username: username.to_owned(), secret: Secret::Password(password.to_owned()) }
    }

    /// By what is kept instead of a password; good for the realm that is in it.
    pub fn with_ha1(username: &str, ha1: Ha1) -> Self {
        Self { username: username.to_owned(), secret: Secret::Ha1(ha1) }
    }

    /// The name that goes over the wire.
    pub fn username(&self) -> &str {
        &self.username
    }

    fn ha1(&self, realm: &[u8]) -> Ha1 {
        match &self.secret {
            Secret::Password(password) => Ha1::new(&self.username, &String::from_utf8_lossy(realm), password),
            Secret::Ha1(ha1) => *ha1,
        }
    }
}

// A password must not reach a log by way of a `{:?}`.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// Credentials with the challenges that they have met: one per peer, so that its next request is not challenged again.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    credentials: Arc<Credentials>,
    challenges: SmallVec<[Challenge; 1]>,
}

#[derive(Clone, Debug)]
struct Challenge {
    /// 407, of a proxy, rather than 401.
    proxy: bool,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    algorithm: Algorithm,
    /// `qop=auth` is offered; else RFC 2069.
    qop: bool,
    stale: bool,
    /// How often the nonce was used.
    count: u32,
}

impl Login {
    pub(crate) fn new(credentials: Arc<Credentials>) -> Self {
        Self { credentials, challenges: SmallVec::new() }
    }

    /// True if requests can be answered for before anybody asks.
    pub(crate) fn is_known(&self) -> bool {
        !self.challenges.is_empty()
    }

    /// Takes the challenges of a 401 or 407; of several in one realm the strongest. False if answering is pointless: none is of a
    /// kind that we know, or they come from whom this request (`again`) has just given an answer to a fresh nonce.
    pub(crate) fn challenged(&mut self, response: &Message, again: bool) -> bool {
        let proxy = response.status() == Some(Status::PROXY_AUTHENTICATION_REQUIRED);
        let name = if proxy { Name::ProxyAuthenticate } else { Name::WwwAuthenticate };
        let mut found: SmallVec<[Challenge; 1]> = SmallVec::new();
        for challenge in response.credentials(name).flatten().filter_map(|line| Challenge::read(&line, proxy)) {
            match found.iter().position(|other| other.realm == challenge.realm) {
                Some(at) if found[at].algorithm < challenge.algorithm => found[at] = challenge,
                None if found.len() < MAX_REALMS => found.push(challenge),
                Some(_) | None => {}
            }
        }
        let mut news = false;
        for challenge in found {
            let known = self.challenges.iter().position(|old| old.proxy == proxy && old.realm == challenge.realm);
            match known {
                Some(_) if again && !challenge.stale => return false,
                Some(at) => self.challenges[at] = challenge,
                None if self.challenges.len() < MAX_REALMS => self.challenges.push(challenge),
                None => return false,
            }
            news = true;
        }
        news
    }

    /// The headers that answer all known challenges for this request.
    pub(crate) fn headers(&mut self, method: &[u8], uri: &[u8], entropy: &mut Entropy) -> Vec<(Name, Vec<u8>)> {
        let credentials = &self.credentials;
        self.challenges.iter_mut().map(|challenge| challenge.answer(credentials, method, uri, entropy)).collect()
    }
}

impl Challenge {
    fn read(line: &Line, proxy: bool) -> Option<Self> {
        if !line.is_digest() {
            return None;
        }
        let get = |name| line.get(name).map(|value| value.into_owned());
        let qop = get("qop");
        let auth = qop.as_deref().is_some_and(|offered| {
            offered.split(|b| *b == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"auth"))
        });
        if qop.is_some_and(|offered| !offered.trim_ascii().is_empty()) && !auth {
            return None;
        }
        Some(Self {
            proxy,
            realm: get("realm")?,
            nonce: get("nonce")?,
            opaque: get("opaque"),
            algorithm: Algorithm::from_token(get("algorithm").as_deref())?,
            qop: auth,
            stale: get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case(b"true")),
            count: 0,
        })
    }

    fn answer(
        &mut self,
        credentials: &Credentials,
        method: &[u8],
        uri: &[u8],
        entropy: &mut Entropy,
    ) -> (Name, Vec<u8>) {
        self.count = self.count.wrapping_add(1);
        let (nc, cnonce) = (format!("{:08x}", self.count), entropy.token(20));
        let qop = self.qop.then_some(Qop { nc: nc.as_bytes(), cnonce: cnonce.as_bytes(), qop: b"auth" });
        let ha1 = credentials.ha1(&self.realm);
        let response = digest::response(self.algorithm, &ha1, method, uri, &self.nonce, qop);
        let mut out = b"Digest username=".to_vec();
        quote(credentials.username.as_bytes(), &mut out);
        for (name, value) in [(&b", realm="[..], &self.realm[..]), (b", nonce=", &self.nonce), (b", uri=", uri)] {
            out.extend_from_slice(name);
            quote(value, &mut out);
        }
        out.extend(format!(", response=\"{response}\", algorithm={}", self.algorithm.token()).into_bytes());
        if self.qop {
            out.extend(format!(", cnonce=\"{cnonce}\", qop=auth, nc={nc}").into_bytes());
        }
        if let Some(opaque) = &self.opaque {
            out.extend_from_slice(b", opaque=");
            quote(opaque, &mut out);
        }
        (if self.proxy { Name::ProxyAuthorization } else { Name::Authorization }, out)
    }
}

fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &b in text {
        if matches!(b, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(b);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn response(status: u16, lines: &str) -> Message {
        let text = format!("SIP/2.0 {status} x\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{lines}\r\n");
        Message::parse_datagram(Bytes::from(text)).unwrap()
    }

    fn login(credentials: Credentials) -> Login {
        Login::new(Arc::new(credentials))
    }

    fn answer(login: &mut Login) -> Vec<(Name, Line)> {
        let headers = login.headers(b"INVITE", b"sip:b@h", &mut Entropy::seeded(1));
        headers.into_iter().map(|(name, value)| (name, Line::parse(&value.into()).unwrap())).collect()
    }

    #[test]
    fn the_strongest_of_a_realm_is_answered_and_the_nonce_counted() {
        let mut login = login(Credentials::new("a\"b", "pw"));
        let offered = "WWW-Authenticate: Digest realm=\"r\", nonce=\"1\", algorithm=MD5\r\n\
                       WWW-Authenticate: Digest realm=\"r\", nonce=\"2\", algorithm=SHA-256, qop=\"auth-int,auth\", opaque=\"o\"\r\n\
                       WWW-Authenticate: Digest realm=\"r\", nonce=\"3\", algorithm=SHA-1024\r\n\
                       WWW-Authenticate: Basic realm=\"r\"\r\n";
        assert!(login.challenged(&response(401, offered), false));
        for nc in ["00000001", "00000002"] {
            let lines = answer(&mut login);
            let [(Name::Authorization, line)] = &lines[..] else { panic!("{lines:?}") };
            let get = |name| String::from_utf8(line.get(name).unwrap().into_owned()).unwrap();
            assert_eq!((get("username"), get("nonce"), get("nc")), ("a\"b".into(), "2".into(), nc.into()));
            assert_eq!((get("algorithm"), get("opaque"), get("qop")), ("SHA-256".into(), "o".into(), "auth".into()));
            let ha1 = Ha1::new("a\"b", "r", "pw");
            let cnonce = get("cnonce");
            let qop = Qop { nc: nc.as_bytes(), cnonce: cnonce.as_bytes(), qop: b"auth" };
            let expected = digest::response(Algorithm::Sha256, &ha1, b"INVITE", b"sip:b@h", b"2", Some(qop));
            assert_eq!(get("response"), expected);
        }
    }

    #[test]
    fn every_algorithm_is_known_with_and_without_qop() {
        for (token, algorithm) in [
            ("", Algorithm::Md5),
            (", algorithm=MD5", Algorithm::Md5),
            (", algorithm=SHA-256", Algorithm::Sha256),
            (", algorithm=sha-512-256", Algorithm::Sha512_256),
        ] {
            let mut login = login(Credentials::with_ha1("u", Ha1::new("u", "r", "pw")));
            let line = format!("Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"{token}\r\n");
            assert!(login.challenged(&response(407, &line), false));
            let lines = answer(&mut login);
            let [(Name::ProxyAuthorization, line)] = &lines[..] else { panic!("{lines:?}") };
            let expected = digest::response(algorithm, &Ha1::new("u", "r", "pw"), b"INVITE", b"sip:b@h", b"n", None);
            assert_eq!(line.get("response").unwrap(), expected.as_bytes());
            assert_eq!((line.get("cnonce"), line.get("nc")), (None, None));
        }
    }

    #[test]
    fn a_second_challenge_is_answered_only_if_stale_or_of_another_realm() {
        let mut login = login(Credentials::new("u", "pw"));
        let of = |realm: &str, more: &str| {
            response(401, &format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"n\"{more}\r\n"))
        };
        assert!(login.challenged(&of("r", ""), false));
        assert!(!login.challenged(&of("r", ""), true));
        assert!(login.challenged(&of("r", ", stale=TRUE"), true));
        assert!(login.challenged(&of("other", ""), true));
        assert_eq!(answer(&mut login).len(), 2);
        // A later request of the same login may be challenged anew.
        assert!(login.challenged(&of("r", ""), false));
        for useless in ["", ", qop=\"auth-int\"", ", algorithm=MD5-sess"] {
            let mut login = Login::new(Arc::new(Credentials::new("u", "pw")));
            let realm = if useless.is_empty() { response(401, "") } else { of("r", useless) };
            assert!(!login.challenged(&realm, false), "{useless}");
        }
        assert_eq!(format!("{:?}", Credentials::new("u", "pw")), "Credentials(…)");
    }
}
