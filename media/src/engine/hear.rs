//! The hear-matrix: who hears whom, and by which way.
//!
//! A listener with one speaker that shares a codec with it is relayed to: its packets pass in place. Any other listener is
//! mixed for: its speakers are decoded, and every 20 ms what they said is added up and encoded for it. Which way it is,
//! is decided here, whenever rows, descriptions, levels or the codec a peer uses change.

use super::Engine;
use super::mouth::Mouth;
use super::routes::Onward;
use super::types::PortId;
use super::voice::Rates;
use crate::codec::Codec;
use slotmap::new_key_type;
use std::time::Instant;

new_key_type! {
    /// Members that all hear each other, or are heard together.
    pub(super) struct BusId;
}

/// From so many speakers on, listeners that hear the same circle share its sum.
const SHARED_FROM: usize = 3;

/// How a port listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// It hears nobody, or nothing has been agreed with it.
    #[default]
    None,
    /// The packets of its only speaker pass in place.
    Relayed,
    /// It is mixed for.
    Mixed,
}

/// What a port says and hears is multiplied with these, in 1/4096.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Levels {
    pub(super) says: i32,
    pub(super) hears: i32,
    pub(super) muted: bool,
}

impl Default for Levels {
    fn default() -> Self {
        Self { says: UNITY, hears: UNITY, muted: false }
    }
}

pub(super) const UNITY: i32 = 4_096;

/// A level in decibels, from −40 to 20, in 1/4096.
pub(super) fn factor(db: f32) -> i32 {
    (UNITY as f32 * 10.0_f32.powf(db.clamp(-40.0, 20.0) / 20.0)).round() as i32
}

impl Engine {
    /// Sets whom a port hears: its row of the hear-matrix. Nobody is silence; one speaker with the same codec is relayed
    /// in place; everything else is mixed. A port never hears itself; ports that are closed are left out.
    pub fn hear(&mut self, listener: PortId, speakers: &[PortId], now: Instant) {
        self.clock.begin(now);
        let known = |id: &PortId| *id != listener && self.ports.contains_key(*id);
        let mut row: Vec<PortId> = speakers.iter().copied().filter(known).collect();
        row.sort_unstable();
        row.dedup();
        let Some(port) = self.ports.get_mut(listener) else { return };
        if port.hears == row {
            return;
        }
        let old = std::mem::replace(&mut port.hears, row.clone());
        // What comes next is of another feed.
        port.outbound.switch();
        for id in old.iter().filter(|id| row.binary_search(id).is_err()) {
            if let Some(speaker) = self.ports.get_mut(*id) {
                speaker.heard_by.retain(|l| *l != listener);
            }
        }
        for id in row.iter().filter(|id| old.binary_search(id).is_err()) {
            if let Some(speaker) = self.ports.get_mut(*id) {
                speaker.heard_by.push(listener);
            }
        }
        let before = self.ports.get(listener).map(super::port::Port::listens);
        let relayed = self.ports.get(listener).and_then(|p| p.relayed_from);
        self.plan_listener(listener, now);
        relayed.into_iter().for_each(|speaker| self.release_relay(speaker, now));
        // In a large circle that grows by one, most stay as they are.
        let same = self.ports.get(listener).map(super::port::Port::listens) == before;
        let stays = |id: &PortId| same && old.binary_search(id).is_ok() == row.binary_search(id).is_ok();
        old.iter().chain(&row).filter(|id| !stays(id)).for_each(|id| self.plan_speaker(*id, now));
        self.plan_speaker(listener, now);
    }

    /// Whom a port hears, in order.
    pub fn hearing(&self, listener: PortId) -> &[PortId] {
        self.ports.get(listener).map_or(&[], |port| &port.hears)
    }

    /// Joins two ports: each hears the other and nobody else. Who shared a bridge with either hears it no longer; who
    /// merely listens goes on. The count of silence begins anew.
    pub fn bridge(&mut self, a: PortId, b: PortId, now: Instant) {
        if stdx::never!(a == b, "a port bridged with itself") {
            return;
        }
        for (id, other) in [(a, b), (b, a)] {
            let Some(port) = self.ports.get(id) else { return };
            let before: Vec<PortId> = port.hears.iter().copied().filter(|p| *p != other).collect();
            before.into_iter().for_each(|partner| self.deafen(partner, id, now));
        }
        for (id, other) in [(a, b), (b, a)] {
            self.hear(id, &[other], now);
            if let Some(port) = self.ports.get_mut(id) {
                port.heard = now;
                port.watch.begin(now);
            }
        }
    }

    /// Takes a port out of everything: it hears nobody, and nobody hears it.
    pub fn unbridge(&mut self, id: PortId, now: Instant) {
        self.hear(id, &[], now);
        let listeners = self.ports.get(id).map(|p| p.heard_by.clone()).unwrap_or_default();
        listeners.into_iter().for_each(|listener| self.deafen(listener, id, now));
    }

    /// Sets how loud a port is heard by others and how loud it hears them, in decibels from −40 to 20; 0 leaves things as
    /// they are.
    pub fn set_levels(&mut self, id: PortId, says_db: f32, hears_db: f32, now: Instant) {
        if let Some(port) = self.ports.get_mut(id) {
            port.levels.says = factor(says_db);
            port.levels.hears = factor(hears_db);
        }
        self.plan_around(id, now);
    }

    /// Nobody hears a muted port; it hears as before.
    pub fn mute(&mut self, id: PortId, muted: bool, now: Instant) {
        if let Some(port) = self.ports.get_mut(id) {
            port.levels.muted = muted;
        }
        self.plan_around(id, now);
    }

    /// Takes one speaker out of a listener's row.
    fn deafen(&mut self, listener: PortId, speaker: PortId, now: Instant) {
        let Some(port) = self.ports.get(listener).filter(|p| p.hears.contains(&speaker)) else { return };
        let row: Vec<PortId> = port.hears.iter().copied().filter(|p| *p != speaker).collect();
        self.hear(listener, &row, now);
    }

    /// Something about a port has changed: decides anew for it, for those who hear it and for those it hears.
    pub(super) fn plan_around(&mut self, id: PortId, now: Instant) {
        let Some(port) = self.ports.get(id) else { return };
        let (listeners, speakers) = (port.heard_by.clone(), port.hears.clone());
        self.plan_listener(id, now);
        listeners.iter().for_each(|listener| self.plan_listener(*listener, now));
        listeners.iter().chain(&speakers).for_each(|port| self.plan_speaker(*port, now));
        self.plan_speaker(id, now);
    }

    /// A speaker whose relay has become free may be relayed to another of its listeners.
    fn release_relay(&mut self, speaker: PortId, now: Instant) {
        let Some(port) = self.ports.get(speaker).filter(|p| p.relay_to.is_none()) else { return };
        port.heard_by.clone().into_iter().for_each(|listener| self.plan_listener(listener, now));
    }

    /// Decides by which way a port listens.
    fn plan_listener(&mut self, id: PortId, now: Instant) {
        let Some(port) = self.ports.get(id) else { return };
        let row = port.hears.clone();
        let way = match row[..] {
            [] => Way::None,
            [speaker] if !port.is_tape && self.may_relay(speaker, id) => Way::Relayed,
            _ => Way::Mixed,
        };
        let relayed = if way == Way::Relayed { row.first().copied() } else { None };
        let before = self.ports.get_mut(id).and_then(|p| std::mem::replace(&mut p.relayed_from, relayed));
        if let Some(speaker) = before.and_then(|s| self.ports.get_mut(s)).filter(|s| s.relay_to == Some(id)) {
            speaker.relay_to = None;
        }
        if let Some(speaker) = relayed.and_then(|s| self.ports.get_mut(s)) {
            speaker.relay_to = Some(id);
        }
        self.leave_bus(id);
        let codec = |id: &PortId| self.ports.get(*id).and_then(super::port::Port::spoken);
        let narrow = row.iter().filter_map(codec).all(|codec| codec.rate() == 8_000);
        let Some(port) = self.ports.get_mut(id) else { return };
        if port.way != way {
            port.way = way;
            port.outbound.switch();
        }
        if way == Way::Mixed {
            port.ready_mouth();
            port.mouth.iter_mut().for_each(|mouth| mouth.narrow(narrow));
            self.join_bus(id, row);
            if !self.listeners.contains(&id) {
                self.listeners.push(id);
            }
            self.keep_time(now);
        } else {
            if port.player.is_none() && port.keys.next().is_none() {
                port.mouth = None;
            }
            self.listeners.retain(|l| *l != id);
        }
    }

    /// True if packets of the speaker may pass to the listener as they are, or nothing better can be done.
    fn may_relay(&self, speaker: PortId, listener: PortId) -> bool {
        let (Some(from), Some(to)) = (self.ports.get(speaker), self.ports.get(listener)) else { return true };
        if from.relay_to.is_some_and(|other| other != listener) {
            return false;
        }
        if from.levels.muted || from.levels.says != UNITY || to.levels.hears != UNITY {
            return false;
        }
        let sounds = || from.terms.receive.iter().filter(|f| f.is_sound());
        let spoken = sounds().find(|f| Some(f.pt) == from.heard_as).or_else(|| sounds().next());
        let (Some(spoken), false) = (spoken, to.terms.send.is_empty()) else { return true };
        let convertible = Codec::of(spoken).is_some() && to.terms.send.iter().any(|f| Codec::of(f).is_some());
        super::routes::leaves_as(spoken, &to.terms.send) != Onward::Drop || !convertible
    }

    /// Decides as what a port's packets pass on, and whether and for what they are decoded.
    pub(super) fn plan_speaker(&mut self, id: PortId, now: Instant) {
        let Some(relay_to) = self.ports.get(id).map(|p| p.relay_to) else { return };
        match relay_to.and_then(|to| self.ports.get_disjoint_mut([id, to])) {
            Some([port, to]) => port.routes.set(&port.terms.receive, &to.terms.send),
            None => self.ports.get_mut(id).into_iter().for_each(|p| p.routes.set(&p.terms.receive, &[])),
        }
        let Some(port) = self.ports.get(id) else { return };
        let mut wanted = Rates::default();
        let mut decode = false;
        let listeners = port.heard_by.iter().filter_map(|l| self.ports.get(*l)).filter(|l| l.way == Way::Mixed);
        for listener in listeners {
            decode = true;
            listener.mixed_at().into_iter().for_each(|rate| wanted.add(rate));
        }
        if let (Some(mouth), Way::Mixed) = (&port.mouth, port.way) {
            // Its own voice is taken out of a shared sum at the rate it hears.
            wanted.add(mouth.rate());
        }
        let records_packets = port.spoken().is_none_or(|codec| matches!(codec, Codec::G711(_)));
        if port.recording.is_some() && !records_packets {
            decode = true;
            wanted.add(super::voice::Rate::Narrow);
        }
        if self.plan_key_ear(id, now) | self.decodes_for_progress(id) {
            decode = true;
            wanted.add(super::voice::Rate::Narrow);
        }
        let Some(port) = self.ports.get_mut(id) else { return };
        port.records_packets = records_packets;
        port.wanted = decode.then_some(wanted);
        match (&mut port.voice, decode) {
            (Some(voice), true) => voice.want(wanted),
            (_, false) => port.voice = None,
            (None, true) => {}
        }
        let known = self.speakers.contains(&id);
        if decode && !known {
            self.speakers.push(id);
            self.keep_time(now);
        } else if !decode && known {
            self.speakers.retain(|s| *s != id);
        }
    }

    fn join_bus(&mut self, id: PortId, mut members: Vec<PortId>) {
        if members.len() < SHARED_FROM {
            return;
        }
        members.push(id);
        members.sort_unstable();
        let same = self.buses.iter().find(|(_, bus)| bus.members == members).map(|(id, _)| id);
        let bus = same.unwrap_or_else(|| self.buses.insert(super::mix::Bus::new(members)));
        if let (Some(bus_of), Some(port)) = (self.buses.get_mut(bus), self.ports.get_mut(id)) {
            bus_of.listeners += 1;
            port.bus = Some(bus);
        }
    }

    fn leave_bus(&mut self, id: PortId) {
        let Some(bus) = self.ports.get_mut(id).and_then(|p| p.bus.take()) else { return };
        let Some(of) = self.buses.get_mut(bus) else { return };
        of.listeners -= 1;
        if of.listeners == 0 {
            self.buses.remove(bus);
        }
    }
}

impl super::port::Port {
    /// How it listens, and at which rate.
    fn listens(&self) -> (Way, Option<super::voice::Rate>) {
        (self.way, self.mixed_at())
    }

    /// The rate at which it is mixed for.
    pub(super) fn mixed_at(&self) -> Option<super::voice::Rate> {
        if self.is_tape { Some(super::voice::Rate::Narrow) } else { self.mouth.as_ref().map(|mouth| mouth.rate()) }
    }

    /// What the peer speaks: what it spoke last, or may speak first.
    pub(super) fn spoken(&self) -> Option<Codec> {
        let sounds = || self.terms.receive.iter().filter(|f| f.is_sound());
        let heard = sounds().find(|f| Some(f.pt) == self.heard_as).or_else(|| sounds().next())?;
        Codec::of(heard)
    }

    /// As what the switch's own sounds leave: codec, payload type, and the packet time the peer wishes.
    pub(super) fn speech(&self) -> Option<(Codec, u8, u16)> {
        let wished = self.terms.ptime().unwrap_or(20);
        self.terms.send.iter().find_map(|f| Some((Codec::of(f)?, f.pt, wished)))
    }

    /// Makes what is needed to speak, if it is not there.
    pub(super) fn ready_mouth(&mut self) {
        match (self.speech(), &self.mouth) {
            (Some((codec, pt, wished)), Some(mouth)) if mouth.is(codec, pt, wished) => {}
            (Some((codec, pt, wished)), _) => self.mouth = Some(Box::new(Mouth::new(codec, pt, wished))),
            (None, _) => self.mouth = None,
        }
        let loss = self.reports.loss();
        self.mouth.iter_mut().for_each(|mouth| mouth.expect_loss(loss));
    }
}
