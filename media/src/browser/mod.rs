//! Legs to browsers: ICE (RFC 8445), DTLS-SRTP (RFC 5764), and what session descriptions say of both (RFC 8839, RFC 8842).
//!
//! The switch is an ICE-lite agent: it has addresses that everybody reaches, answers the browser's checks, and lets it
//! choose. All browser legs of an [`Engine`](crate::engine::Engine) share one socket; who a datagram is from is known by its address, and
//! an address becomes known only by a check that proves the password of a leg (RFC 8489 §9.1). From strangers nothing
//! is remembered. What passes the handshake is a port like any other: its packets are opened and sealed in place.
//!
//! The handshake itself is str0m's. It draws its own random numbers, so what browser legs send differs from run to run.

mod dtls;
mod ice;
mod link;
mod stun;
mod tcp;
mod turn;

pub use dtls::Certificate;
pub(crate) use dtls::{Handshake, News};
pub(crate) use ice::Lite;
pub(crate) use link::{Link, Peer, mid_of};
pub(crate) use stun::{MAX_ANSWER, Request};
pub use tcp::{is_over_tcp, over_tcp};
pub use turn::turn_credentials;

use std::net::IpAddr;
use std::sync::Arc;

/// What the browser legs of an engine share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// With what the switch proves itself in the handshake.
    pub certificate: Arc<Certificate>,
    /// Addresses at which browsers reach the engine's sockets, beside the one that their signalling reached.
    pub candidates: Vec<IpAddr>,
    /// They are reached by TCP too, at the same number (RFC 6544): whoever moves the packets listens there, and names who connects by
    /// [`over_tcp`].
    pub tcp: bool,
}

/// What became of datagrams on the shared socket that belong to no leg, or pretended to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strangers {
    /// From an address that proved nothing, or neither STUN, DTLS nor RTP.
    pub unknown: u64,
    /// Checks that name a leg and do not know its password.
    pub forged: u64,
    /// Handshakes that failed, or whose certificate is not the one described.
    pub refused: u64,
}

/// True if an offer is one of a browser: sound over DTLS-SRTP.
pub fn is_offer(sdp: &[u8]) -> bool {
    const PROFILE: &[u8] = b"UDP/TLS/RTP/SAVP";
    sdp.len() <= crate::sdp::MAX_LEN
        && sdp.split(|b| *b == b'\n').any(|line| {
            line.starts_with(b"m=audio") && line.windows(PROFILE.len()).any(|part| part.eq_ignore_ascii_case(PROFILE))
        })
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_offer_of_a_browser_is_known_by_its_profile() {
        assert!(super::is_offer(b"v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"));
        assert!(!super::is_offer(b"v=0\r\nm=audio 9 RTP/SAVP 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"));
    }
}
