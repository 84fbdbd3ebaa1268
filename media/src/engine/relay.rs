//! The packet path: in, to the sinks, and out on the other side, in the buffer it arrived in.

use super::digits::Digit;
use super::packet::Packet;
use super::port::Port;
use super::routes::{Class, Onward, Route};
use super::types::{Channel, EndReason, Event, Forward, Output, PortId};
use super::{Engine, Timer};
use crate::rtp::{self, Header};
use std::net::SocketAddr;
use std::time::Instant;

impl Engine {
    /// Takes a datagram that arrived on a port's socket. `Some` says where to send the packet on as it now is.
    ///
    /// Allocates nothing per packet of sound, with a recording under way as without.
    pub fn handle_packet(
        &mut self,
        id: PortId,
        channel: Channel,
        from: SocketAddr,
        packet: &mut Packet,
        now: Instant,
    ) -> Option<Forward> {
        let port = self.ports.get_mut(id)?;
        if channel == Channel::Rtcp || (port.mux && rtp::is_rtcp(packet.as_slice())) {
            self.hear_report(id, from, packet.as_slice(), now);
            return None;
        }
        let micros = self.clock.micros(now);
        let (header, route) = open(port, from, packet.as_slice(), micros, now)?;
        let epoch = port.inbound.epoch;
        if !port.started {
            port.started = true;
            self.output.push_back(Output::Event(Event::Started { port: id }));
        }
        let payload = packet.as_slice().get(header.payload_at..header.payload_at + header.payload_len)?;
        let (peer, recording) = (port.peer, port.recording);
        if route.class == Class::Digits {
            self.hear_digit(id, &header, payload, route.clock, now);
        } else if let (Class::Audio, Some((recording, side))) = (route.class, recording) {
            match (self.recordings.get_mut(recording), route.law) {
                (Some(recorder), Some(law)) => {
                    recorder.voice(side, &header, (law, payload), epoch, now, &mut self.output);
                }
                (Some(_), None) => self.end_recording(recording, EndReason::UnsupportedCodec, now),
                (None, _) => {}
            }
        }

        let peer = self.ports.get_mut(peer?)?;
        // A sound of our own has the floor.
        if peer.has_floor() {
            return None;
        }
        let to = peer.rtp_target()?;
        let payload_type = match route.onward {
            Onward::As(pt) | Onward::Convert(pt) => pt,
            Onward::Drop => return None,
        };
        let out = peer.outbound.relay(&header, epoch, payload_type, route.clock, micros)?;
        // Contributing sources, extensions and padding end here: they were agreed with us alone, if at all.
        if !packet.narrow(header.payload_at - rtp::HEADER, rtp::HEADER + header.payload_len) {
            return None;
        }
        let (head, payload) = packet.as_mut_slice().split_first_chunk_mut()?;
        out.write(head);
        if let (Onward::Convert(_), Some(law)) = (route.onward, route.law) {
            law.convert(payload);
        }
        Some(Forward { port: peer.number, channel: Channel::Rtp, to })
    }

    fn hear_digit(&mut self, id: PortId, header: &Header, payload: &[u8], clock: u16, now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let told = port.digits.packet(port.inbound.epoch, header.timestamp, payload, clock, now);
        if let (false, Some(at)) = (port.listening, port.digits.deadline()) {
            port.listening = true;
            self.timers.set(Timer::Digit(id), at);
        }
        told.into_iter().flatten().for_each(|digit| self.tell_digit(id, digit));
    }

    pub(super) fn tell_digit(&mut self, port: PortId, (digit, duration): Digit) {
        self.output.push_back(Output::Event(Event::Dtmf { port, digit, duration }));
    }

    fn hear_report(&mut self, id: PortId, from: SocketAddr, datagram: &[u8], now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let heard = port.inbound.source.trusts(from.ip())
            && port.reports.hear(datagram, port.outbound.ssrc, port.outbound.packets, &self.clock, now);
        if heard {
            port.reports.from = Some(from);
            port.heard = now;
        } else {
            port.inbound.discarded += 1;
        }
    }
}

/// Lets a packet in: it is RTP of an agreed payload type, from whom we listen to, and not heard before.
#[inline]
fn open(port: &mut Port, from: SocketAddr, datagram: &[u8], micros: u64, now: Instant) -> Option<(Header, Route)> {
    // One that fills the buffer may have been cut.
    let header = Header::parse(datagram).filter(|_| datagram.len() < Packet::ROOM);
    let Some(header) = header else {
        port.inbound.discarded += 1;
        return None;
    };
    let route = port.routes.of(header.payload_type);
    if route.class == Class::Unknown {
        // Some keep a NAT open by packets of a payload type nobody knows (RFC 6263 §4.6): a sign of life.
        if port.inbound.source.is_locked_to(from) {
            port.heard = now;
        }
        port.inbound.discarded += 1;
        return None;
    }
    if !port.inbound.source.admit(from, &header, now) {
        port.inbound.discarded += 1;
        return None;
    }
    port.heard = now;
    if !port.inbound.take(&header) {
        return None;
    }
    if route.class == Class::Audio {
        port.heard_as = Some(header.payload_type);
        port.inbound.measure(header.timestamp, route.clock, micros);
    }
    Some((header, route))
}
