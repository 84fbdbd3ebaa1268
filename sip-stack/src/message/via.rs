//! Via: the way a request came and its response goes (RFC 3261 §18.2, §20.42, RFC 3581).

use super::params::Params;
use super::scan::{is_token, number, trim};
use super::uri::{Host, host_of, host_port, v6_of};
use bytes::Bytes;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// What starts the branch of a transaction by RFC 3261 (§8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// A transport we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// The token of the Via header, `UDP`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The transport of this token, in any case.
    pub fn from_token(token: &[u8]) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss]
            .into_iter()
            .find(|transport| token.eq_ignore_ascii_case(transport.as_str().as_bytes()))
    }

    /// Whether messages may be lost and are sent again (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// The port when none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One Via value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    version: Bytes,
    transport: Bytes,
    host: Bytes,
    port: Option<u16>,
    /// All parameters.
    pub params: Params,
}

impl Via {
    /// Reads one value: `SIP/2.0/UDP host:port;params`, blanks allowed around every separator.
    pub fn parse(bytes: &Bytes) -> Option<Self> {
        let value = trim(bytes);
        let share = |part: &[u8]| bytes.slice_ref(part);
        let (protocol, rest) = split_at(value, b'/')?;
        let (version, rest) = split_at(rest, b'/')?;
        let rest = trim(rest);
        let end = rest.iter().position(u8::is_ascii_whitespace)?;
        let (transport, rest) = (&rest[..end], trim(&rest[end..]));
        if !trim(protocol).eq_ignore_ascii_case(b"SIP") || !is_token(trim(version)) || !is_token(transport) {
            return None;
        }
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let (host, port) = sent_by(trim(&rest[..end]))?;
        Some(Self {
            version: share(trim(version)),
            transport: share(transport),
            host: share(host),
            port,
            params: Params::parse(&share(&rest[end..]))?,
        })
    }

    /// The version of the protocol, `2.0`.
    pub fn version(&self) -> &[u8] {
        &self.version
    }

    /// The transport, if it is one of ours.
    pub fn transport(&self) -> Option<Transport> {
        Transport::from_token(&self.transport)
    }

    /// The transport as written: any token will do (RFC 4475 §3.1.1.10).
    pub fn transport_name(&self) -> &[u8] {
        &self.transport
    }

    /// The host of sent-by.
    pub fn host(&self) -> Host<'_> {
        host_of(&self.host)
    }

    /// The host of sent-by as written, IPv6 with its brackets: part of a transaction's key (RFC 3261 §17.2.3).
    pub fn host_bytes(&self) -> &Bytes {
        &self.host
    }

    /// The port of sent-by, if written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The branch, whatever it is; empty ones are none.
    pub fn branch(&self) -> Option<&[u8]> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch if it identifies the transaction by RFC 3261: magic cookie and something behind it. Otherwise the rules of RFC 2543
    /// tell transactions apart (RFC 3261 §17.2.3).
    pub fn transaction_branch(&self) -> Option<&[u8]> {
        let cookie = MAGIC_COOKIE.len();
        self.branch()
            .filter(|branch| branch.len() > cookie && branch[..cookie].eq_ignore_ascii_case(MAGIC_COOKIE.as_bytes()))
    }

    /// `rport`: none if absent, `Some(None)` if asked for, `Some(Some(port))` if filled in (RFC 3581).
    pub fn rport(&self) -> Option<Option<u16>> {
        let rport = self.params.get("rport")?;
        Some(number(rport).and_then(|port| u16::try_from(port).ok()))
    }

    /// `received`, IPv6 with or without brackets (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let received = self.params.get("received")?;
        let bare = received.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(received);
        v6_of(bare).map(IpAddr::V6).or_else(|| {
            std::str::from_utf8(received).ok().and_then(|text| text.parse::<Ipv4Addr>().ok()).map(IpAddr::V4)
        })
    }

    /// `maddr` as written.
    pub fn maddr(&self) -> Option<&[u8]> {
        self.params.get("maddr").filter(|maddr| !maddr.is_empty())
    }

    /// `ttl`; none if it is no number up to 255.
    pub fn ttl(&self) -> Option<u8> {
        self.params.get("ttl").and_then(number).and_then(|ttl| u8::try_from(ttl).ok())
    }
}

fn split_at(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(separator, bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// Host and port, blanks allowed around the colon.
fn sent_by(bytes: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let (host_len, port, len) = match host_port(bytes) {
        Some(whole) if whole.2 == bytes.len() => whole,
        _ => {
            let host_end = match bytes.first()? {
                b'[' => memchr::memchr(b']', bytes)? + 1,
                _ => bytes.iter().position(|&b| b == b':' || b.is_ascii_whitespace())?,
            };
            let (host_len, _, len) = host_port(&bytes[..host_end])?;
            let port = trim(trim(&bytes[host_end..]).strip_prefix(b":")?);
            let port = number(port).and_then(|port| u16::try_from(port).ok())?;
            return (host_len == host_end && len == host_end).then_some((&bytes[..host_len], Some(port)));
        }
    };
    (len == bytes.len()).then_some((&bytes[..host_len], port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &'static str) -> Option<Via> {
        Via::parse(&Bytes::from_static(value.as_bytes()))
    }

    #[test]
    fn blanks_are_allowed_around_separators() {
        let via = parse("SIP  /  2.0 / TCP     spindle.example.com : 5062  ; branch  =   z9hG4bK9ikj8 ;rport").unwrap();
        assert_eq!((via.transport(), via.port()), (Some(Transport::Tcp), Some(5062)));
        assert_eq!(via.host(), Host::Name(b"spindle.example.com"));
        assert_eq!(via.transaction_branch(), Some(&b"z9hG4bK9ikj8"[..]));
        assert_eq!(via.rport(), Some(None));
    }

    #[test]
    fn ipv6_needs_brackets_in_sent_by_and_none_in_received() {
        let via = parse("SIP/2.0/UDP [2001:db8::9:1]:5070;received=2001:db8::9:255;branch=z9hG4bK").unwrap();
        assert_eq!(via.host(), Host::Ip("2001:db8::9:1".parse().unwrap()));
        assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
        assert_eq!((via.port(), via.transaction_branch()), (Some(5070), None));
        assert_eq!(parse("SIP/2.0/UDP h;received=[2001:db8::9:255]").unwrap().received(), via.received());
        assert!(parse("SIP/2.0/UDP 2001:db8::9:1;branch=z9hG4bKx").is_none());
    }

    #[test]
    fn malformed_values_are_refused() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0 h",
            "HTTP/2.0/UDP h",
            "SIP/2.0/UDP h:",
            "SIP/2.0/UDP h:99999",
            "SIP/2.0/UDP h x",
            "SIP/2.0/UDP 192.0.2.15;;",
            "SIP/2.0/UDP [::1",
            "SIP/2.0/UDP ;branch=x",
            "SIP/2.0/UDP h:5060 x",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
