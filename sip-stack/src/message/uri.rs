//! SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966), and any other as an opaque string.

use super::params::Params;
use super::scan::{escape_uri, unescape_uri};
use bytes::{BufMut, Bytes, BytesMut};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What stands before the first colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Anything else; [`Uri::scheme_name`] tells.
    Other,
}

/// A host: an address, or a name as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host<'a> {
    /// An address, IPv6 without its brackets.
    Ip(IpAddr),
    /// A domain name.
    Name(&'a [u8]),
}

impl Host<'_> {
    /// The address, if it is one.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(ip),
            Self::Name(_) => None,
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Name(name) => f.write_str(&String::from_utf8_lossy(name)),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        // Messages are far below 4 GiB; a longer one yields empty spans rather than wrong ones.
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) => Self { start, end },
            _ => Self::default(),
        }
    }

    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A URI, kept as it was written; parts are found once, unescaped on demand. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Uri {
    bytes: Bytes,
    scheme: Scheme,
    /// Length of the scheme's name.
    scheme_len: u32,
    user: Option<Span>,
    password: Option<Span>,
    /// For `tel:` the number, for other schemes all after the colon.
    host: Span,
    port: Option<u16>,
    params: Span,
    headers: Span,
}

/// Bytes that are no URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UriError;

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed URI")
    }
}

impl std::error::Error for UriError {}

impl Uri {
    /// Reads a URI out of shared bytes, without copying.
    ///
    /// Blanks, controls, quotes and angle brackets are refused anywhere; bytes above ASCII are kept.
    pub fn parse(bytes: Bytes) -> Result<Self, UriError> {
        let colon = memchr::memchr(b':', &bytes).ok_or(UriError)?;
        let scheme = scheme_of(&bytes[..colon]).ok_or(UriError)?;
        if bytes.iter().any(|&b| b <= b' ' || matches!(b, b'<' | b'>' | b'"' | 0x7f)) {
            return Err(UriError);
        }
        let mut uri = Self {
            scheme,
            scheme_len: u32::try_from(colon).map_err(|_| UriError)?,
            user: None,
            password: None,
            host: Span::new(colon + 1, bytes.len()),
            port: None,
            params: Span::default(),
            headers: Span::default(),
            bytes,
        };
        match scheme {
            Scheme::Sip | Scheme::Sips => uri.find_sip_parts(colon + 1)?,
            Scheme::Tel => uri.find_tel_parts(colon + 1)?,
            Scheme::Other => {}
        }
        Ok(uri)
    }

    /// Reads a URI from a copy of these bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, UriError> {
        Self::parse(Bytes::copy_from_slice(bytes))
    }

    /// `sip:user@host:port`; the user is escaped as needed, an IPv6 address gets its brackets.
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Result<Self, UriError> {
        let mut out = b"sip:".to_vec();
        if let Some(user) = user {
            escape_uri(user.as_bytes(), b"&=+$,;?/", &mut out);
            out.push(b'@');
        }
        match host.parse::<Ipv6Addr>() {
            Ok(ip) => out.extend(format!("[{ip}]").as_bytes()),
            Err(_) => out.extend(host.as_bytes()),
        }
        if let Some(port) = port {
            out.extend(format!(":{port}").as_bytes());
        }
        Self::parse(out.into())
    }

    fn find_sip_parts(&mut self, start: usize) -> Result<(), UriError> {
        let bytes = &self.bytes[..];
        let mut at = start;
        // The user may hold ; ? : / but no @, and neither may what follows it: the first @ divides.
        if let Some(len) = memchr::memchr(b'@', &bytes[at..]) {
            let (user, end) = (&bytes[at..at + len], at + len);
            let colon = memchr::memchr(b':', user);
            let user_end = colon.map_or(end, |colon| at + colon);
            if user_end == at {
                return Err(UriError);
            }
            self.user = Some(Span::new(at, user_end));
            self.password = colon.map(|colon| Span::new(at + colon + 1, end));
            at = end + 1;
        }
        let (host_len, port, len) = host_port(&bytes[at..]).ok_or(UriError)?;
        self.host = Span::new(at, at + host_len);
        self.port = port;
        at += len;
        if bytes.get(at) == Some(&b';') {
            let end = memchr::memchr(b'?', &bytes[at..]).map_or(bytes.len(), |len| at + len);
            self.params = Span::new(at, end);
            at = end;
        }
        match bytes.get(at) {
            Some(b'?') if at + 1 < bytes.len() => self.headers = Span::new(at + 1, bytes.len()),
            Some(_) => return Err(UriError),
            None => {}
        }
        Ok(())
    }

    fn find_tel_parts(&mut self, start: usize) -> Result<(), UriError> {
        let bytes = &self.bytes[..];
        let end = memchr::memchr(b';', &bytes[start..]).map_or(bytes.len(), |len| start + len);
        let digit = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b'*' | b'#' | b'+') || is_separator(*b);
        if start == end || !bytes[start..end].iter().all(digit) {
            return Err(UriError);
        }
        self.host = Span::new(start, end);
        self.params = Span::new(end, bytes.len());
        Ok(())
    }

    /// Which kind of URI this is.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The scheme as it was written.
    pub fn scheme_name(&self) -> &[u8] {
        &self.bytes[..self.scheme_len as usize]
    }

    /// The user as written, escapes and all, without the password.
    pub fn user(&self) -> Option<&[u8]> {
        self.user.map(|span| span.of(&self.bytes))
    }

    /// The user with escapes undone. May hold any byte, NUL included (RFC 4475 §3.1.1.4).
    pub fn user_text(&self) -> Option<Cow<'_, [u8]>> {
        self.user().map(unescape_uri)
    }

    /// The password as written.
    pub fn password(&self) -> Option<&[u8]> {
        self.password.map(|span| span.of(&self.bytes))
    }

    /// The host of a sip or sips URI; empty for others.
    pub fn host(&self) -> Host<'_> {
        match self.scheme {
            Scheme::Sip | Scheme::Sips => host_of(self.host.of(&self.bytes)),
            Scheme::Tel | Scheme::Other => Host::Name(b""),
        }
    }

    /// The host as written, IPv6 with its brackets; empty for other schemes than sip and sips.
    pub fn host_bytes(&self) -> &[u8] {
        match self.scheme {
            Scheme::Sip | Scheme::Sips => self.host.of(&self.bytes),
            Scheme::Tel | Scheme::Other => b"",
        }
    }

    /// The port, if written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The number of a `tel:` URI as written, with its separators.
    pub fn number(&self) -> Option<&[u8]> {
        (self.scheme == Scheme::Tel).then(|| self.host.of(&self.bytes))
    }

    /// What was dialled: the digits of a tel URI or of a sip URI with `user=phone` (RFC 3261 §19.1.6), otherwise the unescaped user.
    pub fn dialled(&self) -> Option<Cow<'_, [u8]>> {
        let digits = |number: &[u8]| {
            let number = number.split(|&b| b == b';').next().unwrap_or_default();
            Cow::Owned(number.iter().copied().filter(|&b| !is_separator(b)).collect())
        };
        match (self.number(), self.user_text()) {
            (Some(number), _) => Some(digits(number)),
            (None, Some(user)) if self.param("user").is_some_and(|kind| kind.eq_ignore_ascii_case(b"phone")) => {
                Some(digits(&user))
            }
            (None, user) => user,
        }
    }

    /// The parameters of the URI itself.
    pub fn params(&self) -> Params {
        Params::lenient(self.bytes.slice_ref(self.params.of(&self.bytes)))
    }

    /// The value of one URI parameter, escapes undone; empty for one without value.
    pub fn param(&self, name: &str) -> Option<Vec<u8>> {
        let params = self.params();
        params
            .iter()
            .find(|(found, _)| unescape_uri(found).eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| unescape_uri(value.unwrap_or_default()).into_owned())
    }

    /// The headers behind `?`, names and values as written.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> + '_ {
        self.headers.of(&self.bytes).split(|&b| b == b'&').filter(|header| !header.is_empty()).map(|header| {
            match memchr::memchr(b'=', header) {
                Some(at) => (&header[..at], &header[at + 1..]),
                None => (header, &b""[..]),
            }
        })
    }

    /// Whether headers stand behind `?`; not allowed in a Request-URI (RFC 3261 §19.1.1).
    pub fn has_headers(&self) -> bool {
        self.headers().next().is_some()
    }

    /// The URI as it was written.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same URI with one parameter more, or with that parameter changed.
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Self {
        let mut params = self.params();
        let mut escaped = Vec::new();
        escape_uri(value.unwrap_or_default().as_bytes(), b"[]/:&+$", &mut escaped);
        params.set(name, value.map(|_| &escaped[..]));
        self.with_params(&params)
    }

    /// The same URI without that parameter.
    pub fn without_param(&self, name: &str) -> Self {
        let mut params = self.params();
        params.remove(name);
        self.with_params(&params)
    }

    /// The same URI without its headers: what may be sent to as a Request-URI.
    pub fn without_headers(&self) -> Self {
        match self.has_headers() {
            true => self.rebuilt(&self.params(), b""),
            false => self.clone(),
        }
    }

    fn with_params(&self, params: &Params) -> Self {
        self.rebuilt(params, self.headers.of(&self.bytes))
    }

    fn rebuilt(&self, params: &Params, headers: &[u8]) -> Self {
        let base_end = match (self.params.of(&self.bytes), self.headers.of(&self.bytes)) {
            ([], []) => self.bytes.len(),
            ([], headers) => self.bytes.len() - headers.len() - 1,
            _ => self.params.start as usize,
        };
        let mut out = BytesMut::with_capacity(self.bytes.len() + params.as_bytes().len());
        out.put_slice(&self.bytes[..base_end]);
        out.put_slice(params.as_bytes());
        if !headers.is_empty() {
            out.put_u8(b'?');
            out.put_slice(headers);
        }
        Self::parse(out.freeze()).unwrap_or_else(|_| self.clone())
    }
}

/// Byte for byte. Whether two URIs mean the same is [`Uri::equivalent`].
impl PartialEq for Uri {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Uri {}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

impl std::str::FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::from_slice(text.as_bytes())
    }
}

pub(super) fn is_separator(b: u8) -> bool {
    matches!(b, b'-' | b'.' | b'(' | b')')
}

fn scheme_of(name: &[u8]) -> Option<Scheme> {
    let (first, rest) = name.split_first()?;
    let fine = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    if !first.is_ascii_alphabetic() || !rest.iter().all(fine) {
        return None;
    }
    Some(match name {
        _ if name.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        _ if name.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        _ if name.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        _ => Scheme::Other,
    })
}

/// A host as written, brackets and all, as an address or a name.
pub(super) fn host_of(bytes: &[u8]) -> Host<'_> {
    let text = match bytes {
        [b'[', inner @ .., b']'] => v6_of(inner).map(IpAddr::V6),
        [first, ..] if first.is_ascii_digit() => {
            std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Ipv4Addr>().ok()).map(IpAddr::V4)
        }
        _ => None,
    };
    text.map_or(Host::Name(bytes), Host::Ip)
}

/// An IPv6 address without brackets. The ABNF of RFC 3261 allows a third colon before an embedded IPv4 address; RFC 5118 §4.10
/// wants it tolerated.
pub(super) fn v6_of(bytes: &[u8]) -> Option<Ipv6Addr> {
    let text = std::str::from_utf8(bytes).ok()?;
    match text.parse() {
        Ok(ip) => Some(ip),
        Err(_) if text.contains('.') => text.replacen(":::", "::", 1).parse().ok(),
        Err(_) => None,
    }
}

/// Reads `host[:port]` at the start of `bytes`: length of the host, the port, length of both. Stops before what is no part of it.
pub(super) fn host_port(bytes: &[u8]) -> Option<(usize, Option<u16>, usize)> {
    let host_len = match bytes.first()? {
        b'[' => {
            let end = memchr::memchr(b']', bytes)? + 1;
            matches!(host_of(&bytes[..end]), Host::Ip(_)).then_some(end)?
        }
        // The underscore is in no domain name and in many networks.
        _ => bytes
            .iter()
            .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')))
            .unwrap_or(bytes.len()),
    };
    if host_len == 0 {
        return None;
    }
    let Some(rest) = bytes[host_len..].strip_prefix(b":") else { return Some((host_len, None, host_len)) };
    let digits = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    let port = super::scan::number(&rest[..digits]).and_then(|port| u16::try_from(port).ok())?;
    Some((host_len, Some(port), host_len + 1 + digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn all_parts_are_found() {
        let uri = uri("SIPS:al%69ce;x?y:pa:ss@[2001:db8::1]:5071;transport=tcp;lr?Subject=a%20b&Priority=urgent");
        assert_eq!((uri.scheme(), uri.scheme_name()), (Scheme::Sips, &b"SIPS"[..]));
        assert_eq!((uri.user(), uri.password()), (Some(&b"al%69ce;x?y"[..]), Some(&b"pa:ss"[..])));
        assert_eq!((uri.host().ip(), uri.port()), (Some("2001:db8::1".parse().unwrap()), Some(5071)));
        assert_eq!(uri.host_bytes(), b"[2001:db8::1]");
        assert_eq!(
            (uri.param("Transport"), uri.param("lr"), uri.param("x")),
            (Some(b"tcp".to_vec()), Some(vec![]), None)
        );
        assert_eq!(uri.headers().collect::<Vec<_>>(), [(&b"Subject"[..], &b"a%20b"[..]), (b"Priority", b"urgent")]);
        assert_eq!(
            &uri.without_headers().without_param("LR").as_bytes()[..],
            b"SIPS:al%69ce;x?y:pa:ss@[2001:db8::1]:5071;transport=tcp"
        );
    }

    #[test]
    fn what_was_dialled() {
        let dialled = |text| String::from_utf8(uri(text).dialled().unwrap().into_owned()).unwrap();
        assert_eq!(dialled("tel:+49(30)123-45;phone-context=x"), "+493012345");
        assert_eq!(dialled("sip:+49-30.1;isub=1@gw;user=phone"), "+49301");
        assert_eq!(dialled("sip:front.desk@pbx"), "front.desk");
        assert_eq!(dialled("sip:%2A72@pbx"), "*72");
        assert_eq!(uri("sip:pbx").dialled(), None);
    }

    #[test]
    fn made_uris_escape_their_user() {
        assert_eq!(Uri::sip(Some("a@b c"), "::1", Some(5060)).unwrap().to_string(), "sip:a%40b%20c@[::1]:5060");
        assert!(Uri::sip(None, "no host", None).is_err());
    }

    #[test]
    fn malformed_uris_are_refused() {
        for bad in [
            "",
            "sip",
            "sip:",
            "sip:@h",
            "sip:a@",
            "sip:a@b:",
            "sip:a@b:70000",
            "sip:a@b:5060x",
            "sip:a@[::1",
            "sip:a@[::g]",
            "sip:a b@c",
            "sip:a@b?",
            "sip:a@b/c",
            "1sip:a@b",
            "sip:2001:db8::1",
            "tel:",
            "tel:x",
            "tel:;phone-context=a",
            "<sip:a@b>",
            "sip:a@b\r\nX",
            ":x",
            "s p:x",
        ] {
            assert!(bad.parse::<Uri>().is_err(), "{bad}");
        }
    }
}
