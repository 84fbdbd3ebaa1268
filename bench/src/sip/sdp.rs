//! The one session description a load driver offers, and what it needs from the other side's.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::Serialize;

/// A codec whose frames can carry our stamp through a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
pub enum Codec {
    /// G.711 µ-law.
    #[value(name = "PCMU")]
    Pcmu,
    /// G.711 A-law.
    #[value(name = "PCMA")]
    Pcma,
}

impl Codec {
    /// Static payload type of RFC 3551.
    #[must_use]
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }
}

/// Writes our description: one audio stream with telephone events.
#[must_use]
pub fn describe(ip: Ipv4Addr, port: u16, codec: Codec) -> String {
    let (pt, name) = (codec.payload_type(), codec.name());
    format!(
        "v=0\r\no=- {port} 1 IN IP4 {ip}\r\ns=load\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {pt} 101\r\n\
         a=rtpmap:{pt} {name}/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// Where the other side of a description wants its audio; nothing when it wants none.
#[must_use]
pub fn audio_address(body: &str) -> Option<SocketAddrV4> {
    let audio = body.find("m=audio ")?;
    let port = body[audio..].split(' ').nth(1)?.parse().ok().filter(|&port| port != 0)?;
    // The stream's own address wins over that of the session.
    let ip = address(&body[audio..]).or_else(|| address(body))?;
    Some(SocketAddrV4::new(ip, port))
}

fn address(part: &str) -> Option<Ipv4Addr> {
    part.lines().find_map(|line| line.strip_prefix("c=IN IP4 "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_write_we_can_read() {
        let body = describe(Ipv4Addr::new(127, 0, 0, 2), 10_000, Codec::Pcma);
        assert_eq!(audio_address(&body), Some("127.0.0.2:10000".parse().unwrap()));
        assert!(body.contains("m=audio 10000 RTP/AVP 8 101\r\n"));
    }

    #[test]
    fn the_address_of_the_stream_wins_and_port_zero_is_silence() {
        let body = "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 127.0.0.9\r\n";
        assert_eq!(audio_address(body), Some("127.0.0.9:4000".parse().unwrap()));
        assert_eq!(audio_address("c=IN IP4 127.0.0.1\r\nm=audio 0 RTP/AVP 0\r\n"), None);
        assert_eq!(audio_address(""), None);
    }
}
