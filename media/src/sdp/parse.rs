//! Reading: RFC 8866 §5, forgiving what real phones do and refusing what cannot be understood.

use super::{Address, Attribute, Direction, Format, Media, Origin, Session};

/// The longest description read, in octets.
pub const MAX_LEN: usize = 16_384;
/// The most `m=` sections read.
pub const MAX_MEDIA: usize = 16;
/// The most formats of one `m=` line.
pub const MAX_FORMATS: usize = 64;
/// The most attributes of one section.
pub const MAX_ATTRIBUTES: usize = 256;

/// Why a description cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Longer than [`MAX_LEN`].
    TooLong,
    /// More than [`MAX_MEDIA`] sections, [`MAX_FORMATS`] formats or [`MAX_ATTRIBUTES`] attributes.
    TooMany,
    /// It does not begin with `v=0`.
    Version,
    /// A line that is not a letter, an equals sign and a value.
    Line,
    /// An `o=` line with other than six fields.
    Origin,
    /// A `c=` line that is not `IN IP4 address` or `IN IP6 address`.
    Connection,
    /// An `m=` line without kind, port, transport or format, or with an impossible port.
    Media,
    /// An `a=` line of the kinds we understand that makes no sense.
    Attribute,
}

impl Error {
    /// For a Warning header.
    pub const fn text(self) -> &'static str {
        match self {
            Error::TooLong => "Session description too long",
            Error::TooMany => "Session description has too many parts",
            Error::Version => "Session description does not begin with v=0",
            Error::Line => "Session description has a malformed line",
            Error::Origin => "Malformed o= line",
            Error::Connection => "Malformed c= line",
            Error::Media => "Malformed m= line",
            Error::Attribute => "Malformed attribute",
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Error {}

impl Session {
    /// Reads a description.
    ///
    /// Forgiven: bare LF, missing `o=`, `s=` and `t=`, unknown line types, blanks at line ends, unknown attributes.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        if text.len() > MAX_LEN {
            return Err(Error::TooLong);
        }
        let text = String::from_utf8_lossy(text);
        let mut lines = text.lines().map(|line| line.trim_matches(['\r', ' ', '\t', '\0'])).filter(|l| !l.is_empty());
        if lines.next() != Some("v=0") {
            return Err(Error::Version);
        }
        let mut session = Self::default();
        for line in lines {
            let (kind, value) = split_line(line)?;
            if kind == b'm' {
                if session.media.len() == MAX_MEDIA {
                    return Err(Error::TooMany);
                }
                session.media.push(media(value)?);
                continue;
            }
            match (kind, session.media.last_mut()) {
                (b'c', Some(media)) => media.connection = Some(connection(value)?),
                (b'a', Some(media)) => media.attribute(value)?,
                (b'c', None) => session.connection = Some(connection(value)?),
                (b'a', None) => session.attribute(value)?,
                (b'o', None) => session.origin = Some(origin(value)?),
                (b's', None) => session.name = value.to_owned(),
                // Times, bandwidths, keys, titles: nothing here depends on them.
                (_, _) => {}
            }
        }
        Ok(session)
    }

    fn attribute(&mut self, value: &str) -> Result<(), Error> {
        let attribute = split_attribute(value);
        if let (Some(direction), None) = (Direction::parse(&attribute.name), &attribute.value) {
            self.direction = Some(direction);
            return Ok(());
        }
        push(&mut self.attributes, attribute)
    }
}

impl Media {
    fn attribute(&mut self, value: &str) -> Result<(), Error> {
        let attribute = split_attribute(value);
        let name = attribute.name.to_ascii_lowercase();
        match (name.as_str(), attribute.value.as_deref()) {
            ("sendrecv" | "sendonly" | "recvonly" | "inactive", None) => self.direction = Direction::parse(&name),
            ("rtcp-mux", None) => self.rtcp_mux = true,
            ("rtpmap", Some(value)) => self.rtpmap(value)?,
            ("fmtp", Some(value)) => self.fmtp(value),
            ("rtcp", Some(value)) => self.rtcp = Some(rtcp(value)?),
            // A broken preference is no reason to refuse a call.
            ("ptime", Some(value)) => self.ptime = milliseconds(value),
            ("maxptime", Some(value)) => self.maxptime = milliseconds(value),
            (_, _) => push(&mut self.attributes, attribute)?,
        }
        Ok(())
    }

    /// `97 opus/48000/2`. A mapping of a payload type that the m-line does not list is of no use and forgotten.
    fn rtpmap(&mut self, value: &str) -> Result<(), Error> {
        let (pt, mapping) = value.split_once([' ', '\t']).ok_or(Error::Attribute)?;
        let pt: u8 = pt.parse().map_err(|_| Error::Attribute)?;
        let mut parts = mapping.trim().split('/');
        let encoding = parts.next().filter(|e| !e.is_empty()).ok_or(Error::Attribute)?;
        let clock: u32 = parts.next().and_then(|c| c.trim().parse().ok()).ok_or(Error::Attribute)?;
        let channels = match parts.next() {
            Some(channels) => channels.trim().parse().ok().filter(|c| *c > 0).ok_or(Error::Attribute)?,
            None => 1,
        };
        if clock == 0 || clock > 1_000_000 {
            return Err(Error::Attribute);
        }
        if let Some(format) = self.formats.iter_mut().find(|f| f.pt == pt) {
            format.encoding = encoding.to_owned();
            format.clock = clock;
            format.channels = channels;
        }
        Ok(())
    }

    fn fmtp(&mut self, value: &str) {
        let Some((pt, parameters)) = value.split_once([' ', '\t']) else { return };
        let Ok(pt) = pt.parse::<u8>() else { return };
        if let Some(format) = self.formats.iter_mut().find(|f| f.pt == pt) {
            format.fmtp = Some(parameters.trim().to_owned());
        }
    }
}

fn split_line(line: &str) -> Result<(u8, &str), Error> {
    match line.as_bytes() {
        [kind, b'=', ..] if kind.is_ascii_lowercase() => Ok((*kind, line[2..].trim_start())),
        _ => Err(Error::Line),
    }
}

fn split_attribute(value: &str) -> Attribute {
    match value.split_once(':') {
        Some((name, value)) => Attribute { name: name.trim().to_owned(), value: Some(value.trim().to_owned()) },
        None => Attribute { name: value.trim().to_owned(), value: None },
    }
}

fn push(attributes: &mut Vec<Attribute>, attribute: Attribute) -> Result<(), Error> {
    if attributes.len() == MAX_ATTRIBUTES {
        return Err(Error::TooMany);
    }
    attributes.push(attribute);
    Ok(())
}

fn origin(value: &str) -> Result<Origin, Error> {
    let fields: Vec<&str> = value.split_ascii_whitespace().collect();
    let [username, session_id, version, net, family, address] = fields[..] else { return Err(Error::Origin) };
    Ok(Origin {
        username: username.to_owned(),
        session_id: session_id.to_owned(),
        version: version.to_owned(),
        address: address_of(net, family, address).ok_or(Error::Origin)?,
    })
}

fn connection(value: &str) -> Result<Address, Error> {
    let mut fields = value.split_ascii_whitespace();
    let (Some(net), Some(family), Some(address), None) = (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Error::Connection);
    };
    address_of(net, family, address).ok_or(Error::Connection)
}

/// An address without the TTL and count that multicast has. A name is believed, a number of the wrong family is not.
fn address_of(net: &str, family: &str, address: &str) -> Option<Address> {
    let address = address.split('/').next().filter(|a| !a.is_empty())?;
    if !net.eq_ignore_ascii_case("IN") {
        return None;
    }
    let v6 = match family {
        family if family.eq_ignore_ascii_case("IP4") => false,
        family if family.eq_ignore_ascii_case("IP6") => true,
        _ => return None,
    };
    match address.parse() {
        Ok(ip) => Some(Address::Ip(ip)).filter(|_| std::net::IpAddr::is_ipv6(&ip) == v6),
        Err(_) => {
            let named = address.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            let letters = address.bytes().any(|b| b.is_ascii_alphabetic());
            (named && letters).then(|| Address::Host(address.to_owned()))
        }
    }
}

/// `audio 49170/2 RTP/AVP 0 8`.
fn media(value: &str) -> Result<Media, Error> {
    let mut fields = value.split_ascii_whitespace();
    let (Some(kind), Some(port), Some(proto)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(Error::Media);
    };
    let (port, count) = port.split_once('/').unwrap_or((port, "1"));
    let port: u16 = port.parse().map_err(|_| Error::Media)?;
    count.parse::<u16>().map_err(|_| Error::Media)?;
    let rtp = proto.to_ascii_uppercase().contains("RTP/");
    let (mut formats, mut tokens) = (Vec::<Format>::new(), Vec::new());
    for (i, field) in fields.enumerate() {
        if i == MAX_FORMATS {
            return Err(Error::TooMany);
        }
        match field.parse::<u8>() {
            Ok(pt) if rtp && pt < 128 => {
                if formats.iter().all(|f| f.pt != pt) {
                    formats.push(Format::of_static(pt).unwrap_or(Format {
                        pt,
                        encoding: String::new(),
                        clock: 0,
                        channels: 1,
                        fmtp: None,
                    }));
                }
            }
            Ok(_) | Err(_) => tokens.push(field.to_owned()),
        }
    }
    if formats.is_empty() && tokens.is_empty() {
        return Err(Error::Media);
    }
    Ok(Media {
        kind: kind.to_owned(),
        port,
        proto: proto.to_owned(),
        formats,
        tokens,
        connection: None,
        direction: None,
        rtcp: None,
        rtcp_mux: false,
        ptime: None,
        maxptime: None,
        attributes: Vec::new(),
    })
}

/// `53020` or `53020 IN IP4 126.16.64.4`.
fn rtcp(value: &str) -> Result<(u16, Option<Address>), Error> {
    let mut fields = value.split_ascii_whitespace();
    let port = fields.next().and_then(|p| p.parse().ok()).ok_or(Error::Attribute)?;
    let address = match (fields.next(), fields.next(), fields.next()) {
        (None, _, _) => None,
        (Some(net), Some(family), Some(address)) => Some(address_of(net, family, address).ok_or(Error::Attribute)?),
        (Some(_), _, _) => return Err(Error::Attribute),
    };
    Ok((port, address))
}

/// Some write `20.0` or `20 `; nothing sensible is above a second.
fn milliseconds(value: &str) -> Option<u16> {
    let whole = value.trim().split('.').next()?;
    whole.parse().ok().filter(|ms| (1..=1000).contains(ms))
}
