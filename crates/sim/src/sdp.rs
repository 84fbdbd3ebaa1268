//! Session descriptions as the phones write and read them: one audio stream, line by line (RFC 8866).

use crate::g711::Law;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// What a phone read in the other side's description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Remote {
    /// Where to send; `None`: nowhere (`c=0.0.0.0` or port 0).
    pub(crate) rtp: Option<SocketAddr>,
    /// The first law both can speak.
    pub(crate) law: Option<Law>,
    /// Payload type of telephone-event.
    pub(crate) event: Option<u8>,
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub(crate) direction: String,
    /// Every payload type of the audio line, in order.
    pub(crate) payload_types: Vec<u8>,
}

impl Remote {
    /// Reads a description; `None` if it has no audio line.
    pub(crate) fn parse(body: &[u8], ours: &[Law]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (mut ip, mut port, mut payload_types) = (None, None, Vec::new());
        let mut event = None;
        let mut direction = "sendrecv".to_owned();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("c=IN IP4 ").or_else(|| line.strip_prefix("c=IN IP6 ")) {
                ip = rest.trim().parse::<IpAddr>().ok();
            } else if let Some(rest) = line.strip_prefix("m=audio ") {
                let mut words = rest.split_whitespace();
                port = words.next()?.parse::<u16>().ok();
                payload_types = words.skip(1).filter_map(|pt| pt.parse().ok()).collect();
            } else if let Some(rest) = line.strip_prefix("a=rtpmap:") {
                let (pt, name) = rest.split_once(' ')?;
                if name.to_ascii_lowercase().starts_with("telephone-event/8000") {
                    event = pt.parse().ok();
                }
            } else if let Some(name @ ("sendrecv" | "sendonly" | "recvonly" | "inactive")) = line.strip_prefix("a=") {
                direction = name.to_owned();
            }
        }
        let (ip, port) = (ip?, port?);
        let rtp = (!ip.is_unspecified() && port != 0).then(|| SocketAddr::new(ip, port));
        let law = payload_types.iter().filter_map(|pt| Law::of_payload_type(*pt)).find(|law| ours.contains(law));
        Some(Self { rtp, law, event, direction, payload_types })
    }
}

/// Writes a description: an offer, or an answer that names one law.
pub(crate) fn write(rtp: SocketAddr, laws: &[Law], event: Option<u8>, direction: &str, version: u32) -> Vec<u8> {
    let family = if rtp.is_ipv4() { "IP4" } else { "IP6" };
    let ip = rtp.ip();
    let mut text = format!(
        "v=0\r\no=- 20518 {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP",
        rtp.port()
    );
    for law in laws {
        let _ = write!(text, " {}", law.payload_type());
    }
    if let Some(pt) = event {
        let _ = write!(text, " {pt}");
    }
    text.push_str("\r\n");
    for law in laws {
        let _ = write!(text, "a=rtpmap:{} {}/8000\r\n", law.payload_type(), law.name());
    }
    if let Some(pt) = event {
        let _ = write!(text, "a=rtpmap:{pt} telephone-event/8000\r\na=fmtp:{pt} 0-15\r\n");
    }
    let _ = write!(text, "a=ptime:20\r\na={direction}\r\n");
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_phone_writes_the_other_reads() {
        let rtp: SocketAddr = "192.0.2.1:20000".parse().unwrap();
        let sdp = write(rtp, &[Law::A, Law::Mu], Some(101), "sendonly", 1);
        let remote = Remote::parse(&sdp, &[Law::Mu, Law::A]).unwrap();
        assert_eq!(remote.rtp, Some(rtp));
        assert_eq!((remote.law, remote.event), (Some(Law::A), Some(101)));
        assert_eq!(remote.direction, "sendonly");
        assert_eq!(remote.payload_types, [8, 0, 101]);
        let held = write("0.0.0.0:9".parse().unwrap(), &[Law::A], None, "inactive", 2);
        assert_eq!(Remote::parse(&held, &[Law::A]).unwrap().rtp, None);
    }
}
