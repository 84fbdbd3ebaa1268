//! `"Display" <uri>;params`, the form of From, To, Contact, Route and others (RFC 3261 §20.10, §25.1 name-addr).

use super::params::Params;
use super::scan::{escape_quoted, is_space, is_token_char, number, quoted_end, trim, unescape_quoted};
use super::uri::Uri;
use bytes::{BufMut, Bytes, BytesMut};
use std::borrow::Cow;
use std::fmt;

/// A name-addr or addr-spec with the parameters of its header. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    display: Option<Display>,
    /// The address.
    pub uri: Uri,
    /// The parameters behind the angle brackets, or behind a bare address: the header's, not the URI's.
    pub params: Params,
}

/// A display name as it was written: inside its quotes and still escaped, or without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Display {
    text: Bytes,
    quoted: bool,
}

impl NameAddr {
    /// Reads one value of a header.
    ///
    /// Strict where RFC 4475 §3.1.2 asks for refusal: open quotes, commas in a bare display name, blanks inside the brackets,
    /// `?` in a bare address, empty parameters. Lenient where it costs nothing: a bare display name may hold any other byte.
    pub fn parse(bytes: &Bytes) -> Option<Self> {
        let value = trim(bytes);
        let share = |part: &[u8]| bytes.slice_ref(part);
        let (display, addr) = match value.first()? {
            b'"' => {
                let end = quoted_end(value)?;
                let text = share(&value[1..end - 1]);
                (Some(Display { text, quoted: true }), trim(&value[end..]))
            }
            _ => match memchr::memchr(b'<', value) {
                Some(0) | None => (None, value),
                Some(at) => {
                    let text = trim(&value[..at]);
                    if text.iter().any(|b| matches!(b, b',' | b';' | b'"' | b'>')) {
                        return None;
                    }
                    (Some(Display { text: share(text), quoted: false }), &value[at..])
                }
            },
        };
        let (uri, params) = match addr.strip_prefix(b"<") {
            Some(inner) => {
                let end = memchr::memchr(b'>', inner)?;
                (&inner[..end], &inner[end + 1..])
            }
            // A quoted name needs its brackets.
            None if display.is_some() => return None,
            // Without brackets every semicolon begins a parameter of the header, and `?` and `,` would be ambiguous (RFC 3261 §20.10).
            None => {
                let end = memchr::memchr(b';', addr).unwrap_or(addr.len());
                let uri = trim(&addr[..end]);
                if uri.iter().any(|b| matches!(b, b'?' | b',')) {
                    return None;
                }
                (uri, &addr[end..])
            }
        };
        Some(Self { display, uri: Uri::parse(share(uri)).ok()?, params: Params::parse(&share(params))? })
    }

    /// `<uri>` alone.
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::default() }
    }

    /// The same with a display name. Any text will do, also in other charsets than UTF-8; it is quoted and escaped as needed.
    #[must_use]
    pub fn with_display(mut self, text: &[u8]) -> Self {
        let mut escaped = Vec::with_capacity(text.len());
        escape_quoted(text, &mut escaped);
        self.display = (!text.is_empty()).then(|| Display { text: escaped.into(), quoted: true });
        self
    }

    /// The same with a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag.as_bytes()));
        self
    }

    /// The same with one parameter more, or with that parameter changed.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value.map(str::as_bytes));
        self
    }

    /// The display name as written, without its quotes, escapes kept. Not necessarily UTF-8.
    pub fn display(&self) -> Option<&[u8]> {
        self.display.as_ref().map(|display| &display.text[..])
    }

    /// The display name for people: escapes undone.
    pub fn display_text(&self) -> Option<Cow<'_, [u8]>> {
        self.display.as_ref().map(|display| match display.quoted {
            true => unescape_quoted(&display.text),
            false => Cow::Borrowed(&display.text[..]),
        })
    }

    /// The tag of From or To.
    pub fn tag(&self) -> Option<&[u8]> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// `expires` of a Contact in seconds; none if missing or out of range (then the default holds, RFC 3261 §20.10).
    pub fn expires(&self) -> Option<u32> {
        self.params.get("expires").and_then(number)
    }

    /// `q` of a Contact in thousandths, 0 to 1000; none if missing or no qvalue.
    pub fn q(&self) -> Option<u16> {
        let q = self.params.get("q")?;
        let (whole, decimals) = match memchr::memchr(b'.', q) {
            Some(at) => (&q[..at], &q[at + 1..]),
            None => (q, &b""[..]),
        };
        if decimals.len() > 3 {
            return None;
        }
        let thousandths = decimals.iter().chain(b"000").take(3).try_fold(0, |n: u16, b| match b {
            b'0'..=b'9' => Some(n * 10 + u16::from(b - b'0')),
            _ => None,
        })?;
        match (whole, thousandths) {
            (b"0" | b"", n) if !q.is_empty() && q != b"." => Some(n),
            (b"1", 0) => Some(1000),
            _ => None,
        }
    }

    /// Writes the value, always with angle brackets; a bare display name that is no run of tokens gets its quotes.
    pub fn write_to(&self, out: &mut BytesMut) {
        if let Some(display) = &self.display {
            let bare = !display.quoted && display.text.iter().all(|&b| is_token_char(b) || is_space(b));
            if bare {
                out.put_slice(&display.text);
            } else {
                out.put_u8(b'"');
                match display.quoted {
                    true => out.put_slice(&display.text),
                    false => {
                        let mut escaped = Vec::new();
                        escape_quoted(&display.text, &mut escaped);
                        out.put_slice(&escaped);
                    }
                }
                out.put_u8(b'"');
            }
            out.put_u8(b' ');
        }
        out.put_u8(b'<');
        out.put_slice(self.uri.as_bytes());
        out.put_u8(b'>');
        out.put_slice(self.params.as_bytes());
    }

    /// The value as it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.uri.as_bytes().len() + self.params.as_bytes().len() + 32);
        self.write_to(&mut out);
        out.freeze()
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &[u8]) -> Option<NameAddr> {
        NameAddr::parse(&Bytes::copy_from_slice(value))
    }

    #[test]
    fn gbk_display_names_pass_untouched() {
        for value in [
            // 张三, quoted and bare; then a character whose second byte is a backslash, at the end and in the middle.
            &b"\"\xd5\xc5\xc8\xfd\" <sip:100@h>;tag=1"[..],
            b"\"\xb5\\\" <sip:100@h>",
            b"\"\xb5\\\xd5\xc5\" <sip:100@h>",
        ] {
            assert_eq!(&parse(value).unwrap().to_bytes()[..], value);
        }
        let bare = parse(b"\xd5\xc5\xc8\xfd <sip:100@h>").unwrap();
        assert_eq!(bare.display().unwrap(), b"\xd5\xc5\xc8\xfd");
        assert_eq!(
            &bare.to_bytes()[..],
            b"\"\xd5\xc5\xc8\xfd\" <sip:100@h>",
            "no error is passed on (RFC 4475 3.1.2.15)"
        );
        let made = bare.with_display(b"\xb5\\\"x");
        assert_eq!(made.display_text().unwrap(), &b"\xb5\\\"x"[..]);
        assert_eq!(parse(&made.to_bytes()).unwrap().display_text().unwrap(), &b"\xb5\\\"x"[..]);
    }

    #[test]
    fn parameters_belong_to_the_header_unless_bracketed() {
        let bare = parse(b"sip:+1972@gw.example.net;unknownparam;tag=x").unwrap();
        assert!(bare.uri.params().is_empty() && bare.params.has("unknownparam"));
        let bracketed = parse(b"<sip:+1972@gw.example.net;unknownparam>;q=0.7").unwrap();
        assert!(bracketed.uri.params().has("unknownparam") && !bracketed.params.has("unknownparam"));
        assert_eq!(bracketed.q(), Some(700));
    }

    #[test]
    fn malformed_values_are_refused() {
        for bad in [
            "",
            "\"",
            "\"x <sip:a@b>",
            "Bell, A <sip:a@b>",
            "\"A\" < sip:a@b >",
            "<sip:a@b",
            "<sip:a@b>x",
            "\"A\" sip:a@b",
            "sip:a@b?Route=x",
            "<sip:a@b>;;",
            "<>",
            "<sip:>",
            "a@b",
            "\"A\" \"B\" <sip:a@b>",
        ] {
            assert!(parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn q_is_counted_in_thousandths() {
        let q = |q: &str| parse(format!("<sip:a@b>;q={q}").as_bytes()).unwrap().q();
        assert_eq!(
            [q("1"), q("0.5"), q("0.123"), q("1.000"), q("0")],
            [Some(1000), Some(500), Some(123), Some(1000), Some(0)]
        );
        assert_eq!([q("1.1"), q("2"), q("0.1234"), q("-1"), q("x"), q(".")], [None; 6]);
    }
}
