//! One party's end of one call's sound.

use std::net::SocketAddrV4;

use super::Side;
use super::packet::{PACKET_LEN, Stamp, write_packet};
use super::tally::Tally;
use crate::net::{Nanos, Udp};

/// A leg: its sockets, its outgoing stream, and an account of the incoming one.
pub(super) struct Leg {
    pub(super) side: Side,
    /// RTP and RTCP.
    pub(super) sockets: Option<(Udp, Udp)>,
    /// Where its packets go; silent without.
    pub(super) remote: Option<SocketAddrV4>,
    pub(super) tally: Tally,
    pub(super) last_arrival: Option<Nanos>,
    stream: u32,
    sent: u32,
    payload_type: u8,
}

impl Leg {
    pub(super) fn new(side: Side, stream: u32, payload_type: u8, sockets: (Udp, Udp)) -> Self {
        let tally = Tally::default();
        Self { side, sockets: Some(sockets), remote: None, tally, last_arrival: None, stream, sent: 0, payload_type }
    }

    /// Sends the next packet, if the leg is to speak; says whether the kernel took it.
    pub(super) fn send(&mut self, counted: bool, now: Nanos) -> Option<bool> {
        let (remote, (rtp, _)) = (self.remote?, self.sockets.as_ref()?);
        let mut packet = [0u8; PACKET_LEN];
        let stamp = Stamp { stream: self.stream, counted, count: self.sent, sent_at: now };
        write_packet(&mut packet, self.payload_type, stamp);
        self.sent = self.sent.wrapping_add(1);
        Some(rtp.send(remote, &packet))
    }
}
