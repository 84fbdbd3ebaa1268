//! Printing: RFC 8866 §9, CRLF at every line's end.

use super::{Address, Attribute, Format, Media, Origin, Session};
use std::fmt::{Display, Formatter, Result};

impl Display for Session {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("v=0\r\n")?;
        if let Some(origin) = &self.origin {
            write!(f, "{origin}\r\n")?;
        }
        let name = if self.name.is_empty() { "-" } else { &self.name };
        write!(f, "s={name}\r\n")?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        f.write_str("t=0 0\r\n")?;
        for attribute in &self.attributes {
            write!(f, "{attribute}\r\n")?;
        }
        if let Some(direction) = self.direction {
            write!(f, "a={}\r\n", direction.as_str())?;
        }
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl Display for Origin {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "o={} {} {} {}", self.username, self.session_id, self.version, self.address)
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Address::Ip(ip) if ip.is_ipv6() => write!(f, "IN IP6 {ip}"),
            Address::Ip(ip) => write!(f, "IN IP4 {ip}"),
            Address::Host(name) => write!(f, "IN IP4 {name}"),
        }
    }
}

impl Display for Attribute {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.value {
            Some(value) => write!(f, "a={}:{value}", self.name),
            None => write!(f, "a={}", self.name),
        }
    }
}

impl Display for Media {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "m={} {} {}", self.kind, self.port, self.proto)?;
        self.formats.iter().try_for_each(|format| write!(f, " {}", format.pt))?;
        self.tokens.iter().try_for_each(|token| write!(f, " {token}"))?;
        f.write_str("\r\n")?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        self.formats.iter().try_for_each(|format| format.fmt(f))?;
        if let Some(ptime) = self.ptime {
            write!(f, "a=ptime:{ptime}\r\n")?;
        }
        if let Some(maxptime) = self.maxptime {
            write!(f, "a=maxptime:{maxptime}\r\n")?;
        }
        match &self.rtcp {
            Some((port, Some(address))) => write!(f, "a=rtcp:{port} {address}\r\n")?,
            Some((port, None)) => write!(f, "a=rtcp:{port}\r\n")?,
            None => {}
        }
        if self.rtcp_mux {
            f.write_str("a=rtcp-mux\r\n")?;
        }
        for attribute in &self.attributes {
            write!(f, "{attribute}\r\n")?;
        }
        match self.direction {
            Some(direction) => write!(f, "a={}\r\n", direction.as_str()),
            None => Ok(()),
        }
    }
}

impl Display for Format {
    /// Its attribute lines.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.is_known() {
            write!(f, "a=rtpmap:{} {}/{}", self.pt, self.encoding, self.clock)?;
            if self.channels != 1 {
                write!(f, "/{}", self.channels)?;
            }
            f.write_str("\r\n")?;
        }
        match &self.fmtp {
            Some(parameters) => write!(f, "a=fmtp:{} {parameters}\r\n", self.pt),
            None => Ok(()),
        }
    }
}
