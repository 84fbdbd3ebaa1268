//! The packet path: in, to the sinks, and out on the other side, in the buffer it arrived in.

use super::activity::EVERY;
use super::digits::Digit;
use super::inband::KeyWay;
use super::packet::Packet;
use super::port::Port;
use super::routes::{Class, Onward, Route};
use super::types::{Channel, EndReason, Event, Forward, Output, PortId};
use super::voice::Voice;
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
        let rtcp = channel == Channel::Rtcp || (port.mux && rtp::is_rtcp(packet.as_slice()));
        if port.browser.is_some() && port.security.is_none() {
            // It came before the keys.
            port.inbound.discarded += 1;
            return None;
        }
        if let Some(security) = &mut port.security
            && let Err(fault) = security.open(packet, rtcp, now)
        {
            port.inbound.count(fault);
            return None;
        }
        if rtcp {
            self.hear_report(id, from, packet.as_slice(), now);
            return None;
        }
        let micros = self.clock.micros(now);
        let (header, mut route) = open(port, from, packet.as_slice(), micros, now)?;
        let (listens, follows) = (port.key_ear.is_some(), port.progress.is_some());
        if route.class == Class::Audio && port.heard_as != Some(header.payload_type) {
            port.heard_as = Some(header.payload_type);
            self.plan_around(id, now);
            route = self.ports.get(id)?.routes.of(header.payload_type);
        }
        let sound = header.payload_at..header.payload_at + header.payload_len;
        if let (true, Some(law), Class::Audio) = (follows, route.law, route.class) {
            self.hear_progress(id, &header, law, packet.as_slice().get(sound.clone())?, now);
        }
        if let (true, Some(law), Class::Audio) = (listens, route.law, route.class) {
            self.hear_tones(id, &header, law, packet.as_mut_slice().get_mut(sound.clone())?, now);
        }
        let port = self.ports.get_mut(id)?;
        let epoch = port.inbound.epoch;
        if !port.started {
            port.started = true;
            self.output.push_back(Output::Event(Event::Started { port: id }));
        }
        let payload = packet.as_slice().get(sound)?;
        let (peer, recording) = (port.relay_to, port.recording);
        // What is not G.711 is heard only once it is decoded.
        let hidden = route.law.is_none() && route.class == Class::Audio && port.silences_tones();
        if let (Some(law), true) = (route.law, header.sequence.is_multiple_of(EVERY))
            && let Some(speaking) = port.look_at(law, payload)
        {
            self.output.extend(port.speaks(id, speaking, self.config.tell_speech));
        }
        if port.wanted.is_some() && route.class != Class::Digits {
            port.listen(&header, epoch, &route, payload);
        }
        if route.class == Class::Digits {
            self.hear_digit(id, &header, payload, &route, now);
        } else if let (Class::Audio, Some((recording, side))) = (route.class, recording) {
            match (self.recordings.get_mut(recording), route.law) {
                (Some(recorder), Some(law)) => {
                    recorder.voice(side, &header, (law, payload), epoch, now, &mut self.output);
                }
                (Some(_), None) if route.codec.is_none() => {
                    self.end_recording(recording, EndReason::UnsupportedCodec, now);
                }
                // What is decoded is written by the mixer.
                (Some(_) | None, _) => {}
            }
        }

        let peer = self.ports.get_mut(peer?)?;
        // A sound of our own has the floor.
        if hidden || peer.has_floor() {
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
        if peer.security.as_mut().is_some_and(|security| !security.seal(packet)) {
            return None;
        }
        Some(Forward { port: peer.number, channel: Channel::Rtp, to })
    }

    fn hear_digit(&mut self, id: PortId, header: &Header, payload: &[u8], route: &Route, now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        port.digits_relayed = route.onward != Onward::Drop;
        let told = port.digits.packet(port.inbound.epoch, header.timestamp, payload, route.clock, now);
        if let (false, Some(at)) = (port.listening, port.digits.deadline()) {
            port.listening = true;
            self.timers.set(Timer::Digit(id), at);
        }
        told.into_iter().flatten().for_each(|digit| self.tell_digit(id, digit, KeyWay::Events, now));
    }

    /// Tells of a press if that has not been done, and presses the key towards who hears this port alone and takes events, unless its packets have
    /// passed on already. How a peer without events has it, INFO or tone, its owner decides: see [`Engine::takes_digits`].
    pub(super) fn tell_digit(&mut self, id: PortId, (digit, duration): Digit, way: KeyWay, now: Instant) {
        if !self.note_key(id, (digit, duration), way, now) {
            return;
        }
        self.barge_in(id, digit);
        let Some(port) = self.ports.get(id) else { return };
        for listener in port.heard_by.clone() {
            let Some(other) = self.ports.get(listener) else { continue };
            let passed = other.relayed_from == Some(id)
                && way == KeyWay::Events
                && self.ports.get(id).is_some_and(|p| p.digits_relayed);
            if other.hears == [id] && other.event_type().is_some() && !passed {
                self.digit(listener, digit, duration, now);
            }
        }
    }

    fn hear_report(&mut self, id: PortId, from: SocketAddr, datagram: &[u8], now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let heard = (port.browser.is_some() || port.inbound.source.trusts(from.ip()))
            && port.reports.hear(datagram, port.outbound.ssrc, port.outbound.packets, &self.clock, now);
        if heard {
            port.reports.from = Some(from);
            port.heard = now;
            let loss = port.reports.loss();
            port.mouth.iter_mut().for_each(|mouth| mouth.expect_loss(loss));
        } else {
            port.inbound.discarded += 1;
        }
    }
}

impl Port {
    /// The peer has begun or ceased to speak: what is told of that.
    pub(super) fn speaks(&self, port: PortId, speaking: bool, told: bool) -> Option<Output> {
        let level_dbov = self.activity.level_dbov().unwrap_or(-127.0) as i8;
        told.then_some(Output::Event(Event::Speaking { port, speaking, level_dbov }))
    }

    /// A packet of a voice that is decoded.
    fn listen(&mut self, header: &Header, epoch: u32, route: &Route, payload: &[u8]) {
        let Some(wanted) = self.wanted else { return };
        match (&mut self.voice, route.codec, route.class) {
            (Some(voice), Some(codec), _) => voice.push(header, epoch, Some(codec), payload),
            (Some(voice), None, Class::Noise) => voice.push(header, epoch, None, payload),
            (None, Some(codec), _) => {
                let mut voice = Box::new(Voice::new(codec, wanted));
                voice.push(header, epoch, Some(codec), payload);
                self.voice = Some(voice);
            }
            (_, None, _) => {}
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
        if port.browser.is_some() || port.inbound.source.is_locked_to(from) {
            port.heard = now;
        }
        port.inbound.discarded += 1;
        return None;
    }
    // What a browser sends has proved itself by its keys.
    if port.browser.is_none() && !port.inbound.source.admit(from, &header, now) {
        port.inbound.discarded += 1;
        return None;
    }
    port.heard = now;
    if !port.inbound.take(&header) {
        return None;
    }
    if route.class == Class::Audio {
        port.inbound.measure(header.timestamp, route.clock, micros);
    }
    Some((header, route))
}
