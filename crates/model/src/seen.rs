//! SIP messages as they passed the switch, and which of them somebody wants to see.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use stdx::UnixMillis;

/// One SIP message as it went over the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When it passed.
    pub at: UnixMillis,
    /// True if the switch sent it.
    pub sent: bool,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: String,
    /// Our address.
    pub local: SocketAddr,
    /// The other side's.
    pub remote: SocketAddr,
    /// The whole message; bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// Which messages: those that fit everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenFilter {
    /// From, To or target has this number.
    pub number: Option<String>,
    /// From or to this address of the other side.
    pub address: Option<IpAddr>,
    /// Of this SIP Call-ID.
    pub call_id: Option<String>,
}

impl SeenFilter {
    /// Whether a message fits. It is looked at as it is: what is malformed is what one searches for.
    pub fn fits(&self, remote: IpAddr, message: &[u8]) -> bool {
        if self.address.is_some_and(|address| address != remote.to_canonical()) {
            return false;
        }
        if let Some(call_id) = &self.call_id
            && !headers(message).any(|(name, value)| is(name, "call-id", "i") && value == call_id.as_bytes())
        {
            return false;
        }
        let Some(number) = &self.number else { return true };
        let named = |value: &[u8]| user(value) == Some(number.as_bytes());
        let target = message.split(|b| *b == b'\n').next().unwrap_or_default();
        named(target)
            || headers(message).any(|(name, value)| (is(name, "from", "f") || is(name, "to", "t")) && named(value))
    }
}

/// Header lines, without what is folded.
fn headers(message: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = message.split(|b| *b == b'\n').skip(1).map(<[u8]>::trim_ascii).take_while(|line| !line.is_empty());
    lines.filter_map(|line| {
        let colon = line.iter().position(|b| *b == b':')?;
        Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
    })
}

fn is(name: &[u8], long: &str, compact: &str) -> bool {
    name.eq_ignore_ascii_case(long.as_bytes()) || name.eq_ignore_ascii_case(compact.as_bytes())
}

/// The user part of the first SIP or tel URI in a line.
fn user(line: &[u8]) -> Option<&[u8]> {
    let text = |at: usize| line.get(at..).unwrap_or_default();
    let scheme = |at: &usize| {
        let rest = text(*at);
        [&b"sip:"[..], b"sips:", b"tel:"]
            .iter()
            .any(|scheme| rest.len() >= scheme.len() && rest[..scheme.len()].eq_ignore_ascii_case(scheme))
    };
    let begin = (0..line.len()).find(scheme)?;
    let rest = text(begin);
    let rest = &rest[rest.iter().position(|b| *b == b':')? + 1..];
    let end = rest.iter().position(|b| matches!(b, b'@' | b';' | b'>' | b' ' | b':'))?;
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_by_number_address_and_call() {
        let message = b"INVITE sip:101@pbx SIP/2.0\r\nf: \"A\" <sip:100;x@h>;tag=1\r\nTo: <tel:101>\r\nCall-ID: abc\r\n\r\nFrom: <sip:7@h>";
        let remote: IpAddr = "192.0.2.7".parse().unwrap();
        let fits = |filter: SeenFilter| filter.fits(remote, message);
        let number = |number: &str| SeenFilter { number: Some(number.to_owned()), ..Default::default() };
        assert!(fits(SeenFilter::default()) && fits(number("100")) && fits(number("101")));
        assert!(!fits(number("10")) && !fits(number("7")));
        assert!(fits(SeenFilter { address: Some(remote), call_id: Some("abc".to_owned()), ..number("100") }));
        assert!(!fits(SeenFilter { address: Some("192.0.2.8".parse().unwrap()), ..number("100") }));
        assert!(!fits(SeenFilter { call_id: Some("abcd".to_owned()), ..Default::default() }));
        for junk in [&b""[..], b"sip:", b"\n", b"x\nFrom: sip:", b"x\nFrom sip:100@"] {
            assert!(!number("100").fits(remote, junk));
        }
    }
}
