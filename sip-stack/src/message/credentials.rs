//! Challenges and credentials: a scheme and its parameters (RFC 3261 §20.7, RFC 8760).

use super::scan::{Split, is_token, quoted_end, trim, unquote};
use bytes::Bytes;
use std::borrow::Cow;

/// One line of Authorization, WWW-Authenticate or their Proxy- kin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    scheme: Bytes,
    params: Bytes,
}

impl Credentials {
    /// Reads one line: a scheme, then whatever that scheme has; only Digest is looked into, and strictly.
    pub fn parse(bytes: &Bytes) -> Option<Self> {
        let value = trim(bytes);
        let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
        let (scheme, params) = (&value[..end], trim(&value[end..]));
        if !is_token(scheme) {
            return None;
        }
        let found = Self { scheme: bytes.slice_ref(scheme), params: bytes.slice_ref(params) };
        let fine = |value: &[u8]| match value {
            [b'"', ..] => quoted_end(value) == Some(value.len()),
            _ => !value.is_empty(),
        };
        let strict = || found.pairs().all(|pair| pair.is_some_and(|(name, value)| is_token(name) && fine(value)));
        (!found.is_digest() || strict()).then_some(found)
    }

    /// The scheme as written.
    pub fn scheme(&self) -> &[u8] {
        &self.scheme
    }

    /// Whether the scheme is Digest, in any case.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }

    fn pairs(&self) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
        Split::new(&self.params, b',').map(|pair| {
            let at = memchr::memchr(b'=', pair)?;
            Some((trim(&pair[..at]), trim(&pair[at + 1..])))
        })
    }

    /// A parameter as written, quotes included.
    pub fn raw(&self, name: &str) -> Option<&[u8]> {
        self.pairs().flatten().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// A parameter without quotes and escapes: `username`, `realm`, `nonce`, `uri`, `response`, `qop`, `nc`, `cnonce`, `algorithm`,
    /// `opaque`.
    pub fn get(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.raw(name).map(unquote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &'static [u8]) -> Option<Credentials> {
        Credentials::parse(&Bytes::from_static(value))
    }

    #[test]
    fn digest_parameters_are_found_in_and_out_of_quotes() {
        let found = parse(
            b"Digest username=\"a\\\"b\", realm = \"x, y\",nonce=\"84a4\",uri=\"sip:h\",response=\"00\",qop=auth,NC=00000001,algorithm=MD5",
        )
        .unwrap();
        assert!(found.is_digest());
        assert_eq!(found.get("username").unwrap(), &b"a\"b"[..]);
        assert_eq!(found.get("realm").unwrap(), &b"x, y"[..]);
        assert_eq!(found.get("nc").unwrap(), &b"00000001"[..]);
        assert_eq!(found.raw("nonce").unwrap(), b"\"84a4\"");
        assert_eq!(found.get("opaque"), None);
    }

    #[test]
    fn unknown_schemes_are_kept_and_broken_digests_refused() {
        assert!(!parse(b"NoOneKnowsThisScheme opaque-data=here").unwrap().is_digest());
        assert!(!parse(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").unwrap().is_digest());
        for bad in
            [&b""[..], b"Digest", b"Digest username", b"Digest a=\"x", b"=x", b"Digest a=,b=c", b"Digest realm=\"x\",,"]
        {
            assert_eq!(parse(bad), None);
        }
    }
}
