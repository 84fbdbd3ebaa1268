//! What is looked for: a host, and what a URI says of port and transport.

use crate::message::{Scheme, Transport, Uri};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A host to be found (RFC 3263 §4: the TARGET, with what the URI says of port and transport).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// The name or address; IPv6 without brackets.
    pub host: String,
    /// An explicit port.
    pub port: Option<u16>,
    /// An explicit transport.
    pub wanted: Option<Transport>,
    /// `sips`: nothing but TLS will do.
    pub secure: bool,
}

/// Why a text is no goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoGoal;

impl Goal {
    /// Where a request with this URI goes; `maddr` goes before the host (RFC 3261 §19.1.1). `None` for `tel` and others that name
    /// no host, and for transports that we do not know.
    pub fn of(uri: &Uri) -> Option<Self> {
        let secure = match uri.scheme() {
            Scheme::Sip => false,
            Scheme::Sips => true,
            _ => return None,
        };
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        let host = match uri.param("maddr") {
            Some(maddr) => text(&maddr)?,
            None => text(uri.host_bytes())?,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let wanted = match uri.param("transport").map(|name| name.to_ascii_lowercase()) {
            None => None,
            Some(name) => match name.as_slice() {
                b"udp" => Some(Transport::Udp),
                b"tcp" => Some(Transport::Tcp),
                b"tls" => Some(Transport::Tls),
                _ => return None,
            },
        };
        (!host.is_empty()).then_some(Self { host, port: uri.port(), wanted, secure })
    }

    /// The address, if the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The host with its port if that is explicit, as it stands in a URI.
    pub fn host_port(&self) -> String {
        let host = match self.ip() {
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
            Some(IpAddr::V4(_)) | None => self.host.clone(),
        };
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    /// The transport that leaves no choice: `transport=tcp` with `sips` means TLS (RFC 3261 §26.2.2).
    pub(super) fn transport(&self) -> Option<Transport> {
        match (self.wanted, self.secure) {
            (Some(Transport::Tcp), true) => Some(Transport::Tls),
            (wanted, _) => wanted,
        }
    }

    pub(super) fn allows(&self, transport: Transport) -> bool {
        let known = matches!(transport, Transport::Udp | Transport::Tcp | Transport::Tls);
        known && (!self.secure || transport == Transport::Tls) && self.transport().is_none_or(|only| only == transport)
    }

    pub(super) fn port_of(&self, transport: Transport) -> u16 {
        self.port.unwrap_or(if transport == Transport::Tls { 5061 } else { 5060 })
    }

    /// The name of the SRV records (§4.1, §4.2).
    pub(super) fn service(&self, transport: Transport) -> String {
        let service = match transport {
            Transport::Udp => "_sip._udp",
            Transport::Tls => "_sips._tcp",
            Transport::Tcp | Transport::Ws | Transport::Wss => "_sip._tcp",
        };
        format!("{service}.{}", self.host)
    }
}

impl FromStr for Goal {
    type Err = NoGoal;

    /// `host`, `host:port`, `192.0.2.1`, `[2001:db8::1]:5060`, or a whole `sip:` or `sips:` URI.
    fn from_str(text: &str) -> Result<Self, NoGoal> {
        let text = text.trim();
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self { host: ip.to_string(), port: None, wanted: None, secure: false });
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            let port = Some(address.port()).filter(|port| *port != 0);
            return Ok(Self { host: address.ip().to_string(), port, wanted: None, secure: false });
        }
        let scheme = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        let uri = if scheme("sip:") || scheme("sips:") { text.to_owned() } else { format!("sip:{text}") };
        let uri = Uri::from_slice(uri.as_bytes()).map_err(|_| NoGoal)?;
        Self::of(&uri).ok_or(NoGoal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_read_from_what_people_write() {
        let goal = |text: &str| text.parse::<Goal>().map(|g| (g.host.clone(), g.port, g.transport(), g.secure));
        let is = |host: &str, port, transport, secure| Ok((host.to_owned(), port, transport, secure));
        assert_eq!(goal("carrier.test"), is("carrier.test", None, None, false));
        assert_eq!(goal("carrier.test:5070"), is("carrier.test", Some(5070), None, false));
        assert_eq!(goal("192.0.2.1"), is("192.0.2.1", None, None, false));
        assert_eq!(goal("192.0.2.1:5080"), is("192.0.2.1", Some(5080), None, false));
        assert_eq!(goal("2001:db8::1"), is("2001:db8::1", None, None, false));
        assert_eq!(goal("[2001:db8::1]:5062"), is("2001:db8::1", Some(5062), None, false));
        assert_eq!(goal("sip:a@b.test;transport=TCP"), is("b.test", None, Some(Transport::Tcp), false));
        assert_eq!(goal("sips:b.test;transport=tcp"), is("b.test", None, Some(Transport::Tls), true));
        assert_eq!(goal("sip:b.test;maddr=192.0.2.7"), is("192.0.2.7", None, None, false));
        for wrong in ["", "tel:+123", "sip:b.test;transport=sctp", "a b"] {
            assert_eq!(goal(wrong), Err(NoGoal), "{wrong}");
        }
        assert_eq!("[2001:db8::1]:5062".parse::<Goal>().unwrap().host_port(), "[2001:db8::1]:5062");
    }
}
