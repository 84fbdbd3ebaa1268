//! Networks: an address and how many of its bits count.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
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
