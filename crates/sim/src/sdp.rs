//! Session descriptions as the phones write and read them: one audio stream, line by line (RFC 8866).

use crate::codec::Codec;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// What a phone read in the other side's description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Remote {
    /// Where to send; `None`: nowhere (`c=0.0.0.0` or port 0).
    pub(crate) rtp: Option<SocketAddr>,
    /// The first codec both can speak, and its payload type there.
    pub(crate) codec: Option<(Codec, u8)>,
    /// Payload type of telephone-event.
    pub(crate) event: Option<u8>,
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub(crate) direction: String,
    /// The audio line is one of `RTP/SAVP`.
    pub(crate) secure_profile: bool,
    /// Every payload type of the audio line, in order.
    pub(crate) payload_types: Vec<u8>,
}

impl Remote {
    /// Reads a description; `None` if it has no audio line.
    pub(crate) fn parse(body: &[u8], ours: &[Codec]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (mut ip, mut port, mut payload_types) = (None, None, Vec::new());
        let (mut event, mut linear) = (None, None);
        let mut secure_profile = false;
        let mut direction = "sendrecv".to_owned();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("c=IN IP4 ").or_else(|| line.strip_prefix("c=IN IP6 ")) {
                ip = rest.trim().parse::<IpAddr>().ok();
            } else if let Some(rest) = line.strip_prefix("m=audio ") {
                let mut words = rest.split_whitespace();
                port = words.next()?.parse::<u16>().ok();
                secure_profile = words.next()?.starts_with("RTP/SAVP");
                payload_types = words.filter_map(|pt| pt.parse().ok()).collect();
            } else if let Some(rest) = line.strip_prefix("a=rtpmap:") {
                let (pt, name) = rest.split_once(' ')?;
                if name.to_ascii_lowercase().starts_with("telephone-event/8000") {
                    event = pt.parse().ok();
                } else if name == "L16/8000" {
                    linear = pt.parse::<u8>().ok();
                }
            } else if let Some(name @ ("sendrecv" | "sendonly" | "recvonly" | "inactive")) = line.strip_prefix("a=") {
                direction = name.to_owned();
            }
        }
        let (ip, port) = (ip?, port?);
        let rtp = (!ip.is_unspecified() && port != 0).then(|| SocketAddr::new(ip, port));
        let meaning = |pt: &u8| match Codec::of_static_type(*pt) {
            None if linear == Some(*pt) => Some((Codec::L16, *pt)),
            codec => codec.map(|codec| (codec, *pt)),
        };
        let codec = payload_types.iter().filter_map(meaning).find(|(codec, _)| ours.contains(codec));
        Some(Self { rtp, codec, event, direction, secure_profile, payload_types })
    }
}

/// Writes a description: an offer, or an answer that names one codec. Codecs come with their payload types.
pub(crate) fn write(
    rtp: SocketAddr,
    codecs: &[(Codec, u8)],
    event: Option<u8>,
    direction: &str,
    version: u32,
) -> Vec<u8> {
    let family = if rtp.is_ipv4() { "IP4" } else { "IP6" };
    let ip = rtp.ip();
    let mut text = format!(
        "v=0\r\no=- 20518 {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP",
        rtp.port()
    );
    for (_, pt) in codecs {
        let _ = write!(text, " {pt}");
    }
    if let Some(pt) = event {
        let _ = write!(text, " {pt}");
    }
    text.push_str("\r\n");
    for (codec, pt) in codecs {
        let _ = write!(text, "a=rtpmap:{pt} {}/8000\r\n", codec.name());
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
    use crate::g711::Law;

    #[test]
    fn what_one_phone_writes_the_other_reads() {
        let rtp: SocketAddr = "192.0.2.1:20000".parse().unwrap();
        let (a, mu) = (Codec::G711(Law::A), Codec::G711(Law::Mu));
        let sdp = write(rtp, &[(a, 8), (mu, 0), (Codec::L16, 97)], Some(101), "sendonly", 1);
        assert_eq!(Remote::parse(&sdp, &[Codec::L16]).unwrap().codec, Some((Codec::L16, 97)));
        let remote = Remote::parse(&sdp, &[mu, a]).unwrap();
        assert_eq!(remote.rtp, Some(rtp));
        assert_eq!((remote.codec, remote.event), (Some((a, 8)), Some(101)));
        assert_eq!(remote.direction, "sendonly");
        assert_eq!(remote.payload_types, [8, 0, 97, 101]);
        let held = write("0.0.0.0:9".parse().unwrap(), &[(a, 8)], None, "inactive", 2);
        assert_eq!(Remote::parse(&held, &[a]).unwrap().rtp, None);
    }
}
