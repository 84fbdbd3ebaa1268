//! Networks: an address and how many of its bits count.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A network such as `192.0.2.0/24`, or one address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Net {
    base: IpAddr,
    bits: u8,
}

impl Net {
    /// The network of one address.
    pub fn host(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        Self { base: ip, bits: if ip.is_ipv4() { 32 } else { 128 } }
    }

    /// Whether an address lies in it. An IPv4 address in IPv6's clothes counts as what it is.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.base, ip.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(self.bits);
                (base.to_bits() ^ ip.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(self.bits);
                (base.to_bits() ^ ip.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("\"{text}\" is no network; write it like \"192.0.2.0/24\" or \"2001:db8::/32\", or one address");
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let host = Self::host(base.trim().parse().map_err(|_| wrong())?);
        match bits.map(|bits| bits.trim().parse::<u8>()) {
            None => Ok(host),
            Some(Ok(bits)) if bits <= host.bits => Ok(Self { bits, ..host }),
            Some(_) => Err(wrong()),
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == Self::host(self.base).bits {
            return write!(f, "{}", self.base);
        }
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// From where somebody is called or calls: a network, and perhaps the port that must be spoken from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Source {
    /// The network.
    pub net: Net,
    /// The port; `None`: any.
    pub port: Option<u16>,
}

impl Source {
    /// Whether an address fits, and how closely: more bits of a network, and a port, are closer.
    pub fn fits(&self, address: SocketAddr) -> Option<(u8, bool)> {
        let there = self.net.contains(address.ip()) && self.port.is_none_or(|port| port == address.port());
        there.then_some((self.net.bits, self.port.is_some()))
    }
}

impl From<IpAddr> for Source {
    fn from(ip: IpAddr) -> Self {
        Self { net: Net::host(ip), port: None }
    }
}

/// `192.0.2.0/24`, `192.0.2.1`, `192.0.2.1:5080`, `2001:db8::/32`, `[2001:db8::1]:5080`.
impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(net) = text.parse() {
            return Ok(Self { net, port: None });
        }
        let (net, port) = text.rsplit_once(':').unwrap_or((text, ""));
        let net = net.strip_prefix('[').and_then(|net| net.strip_suffix(']')).unwrap_or(net);
        match (net.parse(), port.parse()) {
            (Ok(net), Ok(port)) if port > 0 && !net_is_bare_v6(text) => Ok(Self { net, port: Some(port) }),
            _ => Err(format!(
                "\"{text}\" is no address; write it like \"192.0.2.10\", \"192.0.2.0/24\" or \"192.0.2.10:5080\", IPv6 with a port in brackets"
            )),
        }
    }
}

/// IPv6 without brackets: its last group is no port.
fn net_is_bare_v6(text: &str) -> bool {
    !text.starts_with('[') && text.matches(':').count() > 1
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => self.net.fmt(f),
            Some(port) if self.net.base.is_ipv6() => write!(f, "[{}]:{port}", self.net),
            Some(port) => write!(f, "{}:{port}", self.net),
        }
    }
}

impl TryFrom<String> for Net {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Net> for String {
    fn from(net: Net) -> Self {
        net.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_fit_by_network_and_port() {
        let source = |text: &str| text.parse::<Source>().unwrap();
        let fits = |text: &str, address: &str| source(text).fits(address.parse().unwrap());
        assert_eq!(fits("192.0.2.0/24", "192.0.2.9:1"), Some((24, false)));
        assert_eq!(fits("192.0.2.9:5080", "192.0.2.9:5080"), Some((32, true)));
        assert_eq!(fits("192.0.2.9:5080", "192.0.2.9:5060"), None);
        assert_eq!(fits("192.0.2.0/24:5060", "192.0.2.9:5060"), Some((24, true)));
        assert_eq!(fits("2001:db8::/32", "[2001:db8::9]:1"), Some((32, false)));
        assert_eq!(fits("[2001:db8::9]:5060", "[2001:db8::9]:5060"), Some((128, true)));
        assert_eq!(fits("2001:db8::9", "[2001:db8::9]:1"), Some((128, false)));
        for text in ["192.0.2.0/24", "192.0.2.9:5080", "192.0.2.0/24:5060", "[2001:db8::9]:5060", "::1"] {
            assert_eq!(source(text).to_string(), text);
        }
        for wrong in ["", "x", "192.0.2.9:0", "192.0.2.9:x", "192.0.2.9:99999", "host.test:5060", "[::1]"] {
            assert!(wrong.parse::<Source>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_lie_in_their_networks() {
        let net = |text: &str| text.parse::<Net>().unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (outer, inner) in [
            ("192.0.2.0/24", "192.0.2.255"),
            ("192.0.2.7/24", "::ffff:192.0.2.1"),
            ("10.1.2.3", "10.1.2.3"),
            ("0.0.0.0/0", "203.0.113.1"),
            ("2001:db8::/32", "2001:db8:ffff::1"),
            ("::/0", "::1"),
        ] {
            assert!(net(outer).contains(ip(inner)), "{outer} {inner}");
        }
        for (outer, inner) in [
            ("192.0.2.0/24", "192.0.3.0"),
            ("10.1.2.3", "10.1.2.4"),
            ("0.0.0.0/0", "::1"),
            ("2001:db8::/32", "2001:db9::"),
        ] {
            assert!(!net(outer).contains(ip(inner)), "{outer} {inner}");
        }
        assert_eq!(net("192.0.2.0/24").to_string(), "192.0.2.0/24");
        assert_eq!(net("::1").to_string(), "::1");
        for wrong in ["", "x", "10.0.0.0/33", "10.0.0.0/x", "::/129", "10.0.0/8"] {
            assert!(wrong.parse::<Net>().is_err(), "{wrong}");
        }
    }
}
