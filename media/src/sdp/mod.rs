//! Session descriptions: RFC 8866, read tolerantly and within limits, printed strictly.
//!
//! What offer and answer need is typed; every other attribute is kept as it came. Octets that are not UTF-8 become
//! U+FFFD: nothing the switch passes on depends on them.

mod parse;
mod print;

pub use parse::{Error, MAX_ATTRIBUTES, MAX_FORMATS, MAX_LEN, MAX_MEDIA};

use std::net::IpAddr;

/// A whole description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// `o=`; `None` if it was missing, which we forgive.
    pub origin: Option<Origin>,
    /// `s=`.
    pub name: String,
    /// `c=` for every medium without one of its own.
    pub connection: Option<Address>,
    /// `a=sendrecv` and so on for every medium without one of its own.
    pub direction: Option<Direction>,
    /// The other session attributes, in order.
    pub attributes: Vec<Attribute>,
    /// `m=` sections, in order.
    pub media: Vec<Media>,
}

/// `o=`: who made this description, and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `-` if the host knows no users.
    pub username: String,
    /// A number, kept as text: some are longer than 64 bits.
    pub session_id: String,
    /// A number, kept as text.
    pub version: String,
    /// The host that made it.
    pub address: Address,
}

/// A network address in a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address.
    Ip(IpAddr),
    /// A name, which nothing in this crate resolves.
    Host(String),
}

impl Address {
    /// The address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Ip(ip) => Some(*ip),
            Address::Host(_) => None,
        }
    }
}

/// Who sends, seen from the maker of the description: RFC 8866 §6.7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    #[default]
    SendRecv,
    /// Only the maker.
    SendOnly,
    /// Only the other.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// The same seen from the other side: RFC 3264 §6.1.
    pub const fn reversed(self) -> Self {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            Direction::SendRecv | Direction::Inactive => self,
        }
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
            .into_iter()
            .find(|d| name.eq_ignore_ascii_case(d.as_str()))
    }
}

/// `a=name` or `a=name:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Before the first colon.
    pub name: String,
    /// After it.
    pub value: Option<String>,
}

/// One `m=` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, `image` …
    pub kind: String,
    /// 0 if refused or disabled.
    pub port: u16,
    /// `RTP/AVP` …
    pub proto: String,
    /// Payload types with their meaning, in order of preference; only of an RTP profile.
    pub formats: Vec<Format>,
    /// Format tokens that are no payload types, in order.
    pub tokens: Vec<String>,
    /// `c=` of this section.
    pub connection: Option<Address>,
    /// `a=sendrecv` … of this section.
    pub direction: Option<Direction>,
    /// `a=rtcp` (RFC 3605): port, and address if it is another.
    pub rtcp: Option<(u16, Option<Address>)>,
    /// `a=rtcp-mux` (RFC 5761).
    pub rtcp_mux: bool,
    /// `a=ptime`, in milliseconds.
    pub ptime: Option<u16>,
    /// `a=maxptime`, in milliseconds.
    pub maxptime: Option<u16>,
    /// The other attributes, in order.
    pub attributes: Vec<Attribute>,
}

impl Media {
    /// True if this is sound over RTP.
    pub fn is_audio(&self) -> bool {
        self.kind.eq_ignore_ascii_case("audio")
    }

    /// True if its packets are plain RTP (`RTP/AVP`, `RTP/AVPF`).
    pub fn is_plain_rtp(&self) -> bool {
        self.proto.eq_ignore_ascii_case("RTP/AVP") || self.proto.eq_ignore_ascii_case("RTP/AVPF")
    }
}

impl Media {
    /// True if its packets are SRTP (`RTP/SAVP`, `RTP/SAVPF`), keyed by its description.
    pub fn is_secure_rtp(&self) -> bool {
        self.proto.eq_ignore_ascii_case("RTP/SAVP") || self.proto.eq_ignore_ascii_case("RTP/SAVPF")
    }

    /// True if its packets are SRTP keyed by a DTLS handshake (RFC 5764 §8), as browsers have it.
    pub fn is_dtls_rtp(&self) -> bool {
        self.proto.eq_ignore_ascii_case("UDP/TLS/RTP/SAVPF") || self.proto.eq_ignore_ascii_case("UDP/TLS/RTP/SAVP")
    }
}

/// A payload type and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// 0 to 127.
    pub pt: u8,
    /// The encoding's name as it was spelled; empty for a dynamic payload type without `a=rtpmap`.
    pub encoding: String,
    /// Timestamp ticks per second; 0 if unknown.
    pub clock: u32,
    /// 1 unless the mapping says more.
    pub channels: u8,
    /// `a=fmtp` without the payload type.
    pub fmtp: Option<String>,
}

impl Format {
    /// The meaning a payload type has without `a=rtpmap`: RFC 3551 §6.
    pub fn of_static(pt: u8) -> Option<Self> {
        let (encoding, clock, channels) = match pt {
            0 => ("PCMU", 8_000, 1),
            3 => ("GSM", 8_000, 1),
            4 => ("G723", 8_000, 1),
            5 => ("DVI4", 8_000, 1),
            6 => ("DVI4", 16_000, 1),
            7 => ("LPC", 8_000, 1),
            8 => ("PCMA", 8_000, 1),
            9 => ("G722", 8_000, 1),
            10 => ("L16", 44_100, 2),
            11 => ("L16", 44_100, 1),
            12 => ("QCELP", 8_000, 1),
            13 => ("CN", 8_000, 1),
            14 => ("MPA", 90_000, 1),
            15 => ("G728", 8_000, 1),
            16 => ("DVI4", 11_025, 1),
            17 => ("DVI4", 22_050, 1),
            18 => ("G729", 8_000, 1),
            _ => return None,
        };
        Some(Self { pt, encoding: encoding.into(), clock, channels, fmtp: None })
    }

    /// True if both name the same codec, whatever their payload numbers.
    pub fn same_codec(&self, other: &Self) -> bool {
        self.encoding.eq_ignore_ascii_case(&other.encoding)
            && self.clock == other.clock
            && self.channels == other.channels
    }

    /// True if the meaning of its payload type is known.
    pub fn is_known(&self) -> bool {
        !self.encoding.is_empty() && self.clock > 0
    }

    /// True for telephone-event (RFC 4733).
    pub fn is_telephone_event(&self) -> bool {
        self.encoding.eq_ignore_ascii_case("telephone-event")
    }

    /// True for comfort noise (RFC 3389).
    pub fn is_comfort_noise(&self) -> bool {
        self.encoding.eq_ignore_ascii_case("CN")
    }

    /// Known, and a sound that somebody hears: neither events nor comfort noise.
    pub fn is_sound(&self) -> bool {
        self.is_known() && !self.is_telephone_event() && !self.is_comfort_noise()
    }

    /// Which law it is, if it is G.711.
    pub fn law(&self) -> Option<crate::g711::Law> {
        if self.clock != 8_000 || self.channels != 1 {
            None
        } else if self.encoding.eq_ignore_ascii_case("PCMU") {
            Some(crate::g711::Law::Mu)
        } else if self.encoding.eq_ignore_ascii_case("PCMA") {
            Some(crate::g711::Law::A)
        } else {
            None
        }
    }
}
