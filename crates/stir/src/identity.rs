//! The Identity header: `token;info=<url>;alg=ES256;ppt="shaken"` (RFC 8224 §4).

use crate::passport::decode;
use aws_lc_rs::digest;

/// The longest header that is looked at.
const LONGEST: usize = 8 << 10;

/// One Identity header value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub(crate) token: String,
    pub(crate) info: String,
    pub(crate) alg: String,
    pub(crate) ppt: Option<String>,
}

impl Identity {
    /// Reads a value; none if it has not the form.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= LONGEST)?;
        let mut rest = text.trim();
        let end = rest.find(';')?;
        let token = rest[..end].trim();
        // A full token has three parts, a compact one begins with two dots (RFC 8225 §7).
        if token.bytes().filter(|b| *b == b'.').count() != 2 || !token.bytes().all(is_token) {
            return None;
        }
        rest = &rest[end..];
        let (mut info, mut alg, mut ppt) = (None, None, None);
        while let Some(param) = rest.strip_prefix(';') {
            let param = param.trim_start();
            // A URL in angle brackets may hold semicolons.
            let end = match param.find('<').filter(|open| param[..*open].trim_end().ends_with('=')) {
                Some(open) => {
                    let close = open + param[open..].find('>')?;
                    close + param[close..].find(';').unwrap_or(param.len() - close)
                }
                None => param.find(';').unwrap_or(param.len()),
            };
            let (name, value) = param[..end].split_once('=').map(|(n, v)| (n.trim(), v.trim()))?;
            match name.to_ascii_lowercase().as_str() {
                "info" => info = Some(value.strip_prefix('<')?.strip_suffix('>')?.to_owned()),
                "alg" => alg = Some(value.trim_matches('"').to_owned()),
                "ppt" => ppt = Some(value.trim_matches('"').to_owned()),
                _ => {}
            }
            rest = &param[end..];
        }
        // RFC 8224 §4.1: ES256 where nothing is said.
        Some(Self { token: token.to_owned(), info: info?, alg: alg.unwrap_or_else(|| "ES256".to_owned()), ppt })
    }

    /// A name of this signature, by which it is known again. The second half of an ECDSA signature can be written in two ways by
    /// anybody, so it has no part in the name.
    pub fn mark(&self) -> u128 {
        let (signed, signature) = self.token.rsplit_once('.').unwrap_or((&self.token, ""));
        let signature = decode(signature).unwrap_or_default();
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(signed.as_bytes());
        hash.update(signature.get(..32).unwrap_or(&signature));
        let hash = hash.finish();
        hash.as_ref().iter().take(16).fold(0, |mark, byte| mark << 8 | u128::from(*byte))
    }

    /// Where the certificate is.
    pub fn info(&self) -> &str {
        &self.info
    }

    /// The algorithm, as written.
    pub fn alg(&self) -> &str {
        &self.alg
    }

    /// The extension, `shaken`; none is a plain PASSporT.
    pub fn ppt(&self) -> Option<&str> {
        self.ppt.as_deref()
    }
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_junk_is_not() {
        let identity = Identity::parse(b" a.b.c ;info=<https://x.example/a;b>; alg=\"ES256\" ;ppt=shaken;x=1").unwrap();
        assert_eq!(
            (identity.info(), identity.alg(), identity.ppt()),
            ("https://x.example/a;b", "ES256", Some("shaken"))
        );
        let compact = Identity::parse(b"..c;info=<https://x>").unwrap();
        assert_eq!((compact.alg(), compact.ppt()), ("ES256", None));
        for junk in [
            &b""[..],
            b"a.b.c",
            b"a.b;info=<x>",
            b"a.b.c;info=x",
            b"a.b.c;info=<x",
            b"a.b.c;alg=ES256",
            b"a.b.c;info",
            b"a b.c.d;info=<x>",
            b"a.b.c;info=<x>;",
            b"\xff.b.c;info=<x>",
        ] {
            assert_eq!(Identity::parse(junk), None, "{}", junk.escape_ascii());
        }
    }
}
