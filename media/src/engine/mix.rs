//! The mixer: every 20 ms, on an absolute clock, what the speakers said is added up and encoded for those who hear them.
//!
//! A circle in which all hear each other is added up once; from the sum each takes its own voice. Of a circle in which more
//! than [`MAX_HEARD`] make sound the loudest are heard. Who says nothing itself hears the sum as it is: that is encoded once
//! for all of them that speak the same codec. Others are added up row by row. Nothing here allocates while nobody joins or
//! leaves and no packet is longer than a [`Datagram`]'s inside; the library of Opus does, a little.

use super::Engine;
use super::activity::power;
use super::hear::{BusId, UNITY};
use super::mouth::Mouth;
use super::player::{FRAME, FRAME_TIME, MAX_BURST};
use super::port::Port;
use super::types::{Datagram, Output, PortId};
use super::voice::{MAX_FRAME, Rate};
use slotmap::SlotMap;
use std::time::Instant;

/// So many voices of a circle are heard at one time: more than that is a noise in which nobody is understood.
const MAX_HEARD: usize = 8;

/// A circle, and what was said in it.
#[derive(Debug)]
pub(super) struct Bus {
    /// In order.
    pub(super) members: Vec<PortId>,
    pub(super) listeners: usize,
    /// Whose voices are in the sum, in order.
    heard: Vec<PortId>,
    ranks: Vec<(u32, PortId)>,
    /// Somebody has spoken at all.
    live: bool,
    sums: [Sum; 3],
    shared: Vec<Shared>,
}

#[derive(Debug)]
struct Sum {
    pcm: Box<[i32]>,
    /// Somebody listens at this rate, seen in the last frame.
    wanted: bool,
}

/// The sum encoded for all who listen alike.
#[derive(Debug)]
struct Shared {
    mouth: Mouth,
    /// Encoded in this frame already, and what came of it: octets and ticks.
    done: bool,
    said: Option<(usize, u32)>,
}

impl Bus {
    pub(super) fn new(members: Vec<PortId>) -> Self {
        let sums = Rate::ALL.map(|rate| Sum { pcm: vec![0; rate.frame()].into(), wanted: false });
        let (heard, ranks) = (Vec::with_capacity(members.len()), Vec::with_capacity(members.len()));
        Self { members, listeners: 0, heard, ranks, live: false, sums, shared: Vec::new() }
    }

    /// Chooses who is heard in this frame: all who make sound, or the loudest of them. Who is heard already stays until
    /// another is clearly louder.
    fn choose(&mut self, ports: &mut SlotMap<PortId, Port>) {
        self.ranks.clear();
        self.live = false;
        for id in &self.members {
            let Some(port) = ports.get(*id) else { continue };
            let Some(voice) = port.voice.as_ref().filter(|voice| voice.is_live()) else { continue };
            self.live = true;
            if !port.levels.muted && voice.loudness() > 0 {
                let stays = self.heard.binary_search(id).is_ok();
                self.ranks.push((voice.loudness() * if stays { 3 } else { 2 }, *id));
            }
        }
        if self.ranks.len() > MAX_HEARD {
            self.ranks.select_nth_unstable_by(MAX_HEARD, |one, other| other.cmp(one));
            self.ranks.truncate(MAX_HEARD);
        }
        self.heard.clear();
        self.heard.extend(self.ranks.iter().map(|(_, id)| *id));
        self.heard.sort_unstable();
        for id in &self.heard {
            ports.get_mut(*id).and_then(|port| port.voice.as_mut()).into_iter().for_each(|voice| voice.raise());
        }
    }

    fn add_up(&mut self, ports: &mut SlotMap<PortId, Port>) {
        self.choose(ports);
        for (sum, rate) in self.sums.iter_mut().zip(Rate::ALL).filter(|(sum, _)| sum.wanted) {
            sum.pcm.fill(0);
            self.heard.iter().for_each(|id| add(&mut sum.pcm, ports.get(*id), rate, 1));
            sum.wanted = false;
        }
        for shared in &mut self.shared {
            if !std::mem::take(&mut shared.done) {
                shared.mouth.hush();
            }
            shared.said = None;
        }
    }

    fn hears(&self, id: PortId) -> bool {
        self.heard.binary_search(&id).is_ok()
    }

    /// The sum as such a peer wants it, which is encoded when the first of them asks; with its ticks.
    fn said_like(&mut self, like: &Mouth) -> Option<(&[u8], u32)> {
        let place = self.shared.iter().position(|shared| shared.mouth.is_like(like));
        let place = place.unwrap_or_else(|| {
            self.shared.push(Shared { mouth: like.twin(), done: false, said: None });
            self.shared.len() - 1
        });
        let Shared { mouth, done, said } = self.shared.get_mut(place)?;
        if !std::mem::replace(done, true) {
            let rate = mouth.rate();
            let mut pcm = [0; MAX_FRAME];
            level(&self.sums[rate as usize].pcm, UNITY, &mut pcm);
            mouth.say(&pcm[..rate.frame()]);
            *said = mouth.next().map(|utterance| (utterance.payload.len(), utterance.ticks));
        }
        let (len, ticks) = said.filter(|(len, _)| *len > 0)?;
        Some((mouth.last(len), ticks))
    }
}

impl Engine {
    /// Sees to it that the mixer runs.
    pub(super) fn keep_time(&mut self, now: Instant) {
        if self.mix_at.is_none() {
            self.mix_at = Some(self.clock.next(FRAME_TIME, now));
        }
    }

    /// The frames that are due at `now`, the first of them at `due`.
    pub(super) fn mix(&mut self, now: Instant) {
        // The timer fired at a frame's time or later; every frame lies on the clock's grid.
        let last = self.clock.floor(FRAME_TIME, now);
        let mut due = self.mixed_until.map_or(last, |until| until + FRAME_TIME);
        if last.saturating_duration_since(due) >= FRAME_TIME * MAX_BURST {
            // What is older was missed.
            due = last - FRAME_TIME * (MAX_BURST - 1);
            for listener in &self.listeners {
                self.ports.get_mut(*listener).into_iter().for_each(|port| port.outbound.switch());
            }
        }
        while due <= last {
            self.mix_frame(due);
            self.mixed_until = Some(due);
            due += FRAME_TIME;
        }
        if self.speakers.is_empty() && self.listeners.is_empty() {
            self.mixed_until = None;
            self.mix_at = None;
        } else {
            self.mix_at = Some(due);
        }
    }

    fn mix_frame(&mut self, due: Instant) {
        for at in 0..self.speakers.len() {
            self.advance_speaker(self.speakers[at], due);
        }
        for at in 0..self.listeners.len() {
            self.prepare_row(self.listeners[at]);
        }
        for bus in self.buses.values_mut() {
            bus.add_up(&mut self.ports);
        }
        for at in 0..self.listeners.len() {
            self.say_to(self.listeners[at], due);
        }
    }

    /// Sees to it that what a listener needs is there at its rate.
    fn prepare_row(&mut self, id: PortId) {
        let Some(port) = self.ports.get(id) else { return };
        if let (Some(bus), Some(rate)) = (port.bus.and_then(|b| self.buses.get_mut(b)), port.mixed_at()) {
            bus.sums[rate as usize].wanted = true;
            return;
        }
        for at in 0..port.hears.len() {
            let speaker = self.ports.get(id).and_then(|port| port.hears.get(at)).copied();
            let voice = speaker.and_then(|id| self.ports.get_mut(id)).and_then(|port| port.voice.as_mut());
            voice.into_iter().for_each(|voice| voice.raise());
        }
    }

    /// Moves a speaker on, and writes its recording where its packets themselves cannot be written.
    fn advance_speaker(&mut self, id: PortId, due: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let Some(voice) = &mut port.voice else { return };
        voice.advance(port.levels.says);
        let follows = port.progress.is_some();
        let writes = port.recording.is_some() && !port.records_packets;
        if follows || writes || port.key_ear.is_some() {
            voice.raise();
        }
        if follows {
            self.hear_decoded_progress(id, due);
        }
        let Some(port) = self.ports.get_mut(id) else { return };
        if port.key_ear.is_some() {
            self.hear_decoded_tones(id, due);
        }
        let Some(port) = self.ports.get_mut(id) else { return };
        let Some(voice) = &mut port.voice else { return };
        // G.711 is looked at as it comes.
        let change = voice.own_frame().and_then(|frame| port.activity.hear(power(frame), 20));
        if let Some(speaking) = change {
            self.output.extend(port.speaks(id, speaking, self.config.tell_speech));
        }
        let Some(voice) = &mut port.voice else { return };
        let Some((recording, side)) = port.recording.filter(|_| !port.records_packets) else { return };
        let frame = voice.frame(Rate::Narrow).and_then(|f| f.first_chunk());
        if let (Some(recorder), Some(frame)) = (self.recordings.get_mut(recording), frame) {
            recorder.decoded(side, frame, due, &mut self.output);
        }
    }

    /// Adds up what a listener hears, and sends it.
    fn say_to(&mut self, id: PortId, due: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        if port.is_tape {
            return self.write_heard(id, due);
        }
        // A sound of our own has the floor.
        if port.has_floor() {
            return;
        }
        let target = port.rtp_target();
        if let Some(to) = target
            && self.say_to_all_alike(id, to, due)
        {
            return;
        }
        let Some(port) = self.ports.get_mut(id) else { return };
        let Some(mut mouth) = port.mouth.take() else { return };
        if mouth.shares(false) {
            port.outbound.switch();
        }
        let rate = mouth.rate();
        let mut mixed = [0; MAX_FRAME];
        let heard = target.is_some() && self.add_up_for(id, rate, &mut mixed);
        let Some(port) = self.ports.get_mut(id) else { return };
        if let (Some(to), true) = (target, heard) {
            let mut pcm = [0; MAX_FRAME];
            level(&mixed[..rate.frame()], port.levels.hears, &mut pcm);
            mouth.say(&pcm[..rate.frame()]);
            let (micros, clock, pt) = (self.clock.micros(due), mouth.clock(), mouth.payload_type);
            while let Some(utterance) = mouth.next() {
                if utterance.payload.is_empty() {
                    continue;
                }
                let header = port.outbound.play(pt, (utterance.ticks, 0), clock, utterance.payload.len(), micros);
                self.output.extend(port.transmit(&header, utterance.payload, to));
            }
        } else {
            // When the peer wants to hear again, its timestamps shall tell how long it did not.
            mouth.hush();
            port.outbound.switch();
        }
        port.mouth = Some(mouth);
    }

    /// Adds up what a port without a peer hears, and writes it.
    fn write_heard(&mut self, id: PortId, due: Instant) {
        let (mut mixed, mut pcm) = ([0; MAX_FRAME], [0; MAX_FRAME]);
        if !self.add_up_for(id, Rate::Narrow, &mut mixed) {
            return;
        }
        level(&mixed[..FRAME], UNITY, &mut pcm);
        let recording = self.ports.get(id).and_then(|port| port.recording);
        let recorder = recording.and_then(|(id, side)| Some((self.recordings.get_mut(id)?, side)));
        if let (Some((recorder, side)), Some(frame)) = (recorder, pcm.first_chunk()) {
            recorder.decoded(side, frame, due, &mut self.output);
        }
    }

    /// A listener of a circle that says nothing itself gets what all of its kind get; false if it is no such listener.
    fn say_to_all_alike(&mut self, id: PortId, to: std::net::SocketAddr, due: Instant) -> bool {
        let Some(port) = self.ports.get_mut(id).filter(|port| port.levels.hears == UNITY) else { return false };
        let Some(bus) = port.bus.and_then(|bus| self.buses.get_mut(bus)) else { return false };
        let Some(mouth) = port.mouth.as_mut().filter(|mouth| mouth.is_shareable()) else { return false };
        if !bus.live || bus.hears(id) {
            return false;
        }
        let changed = mouth.shares(true);
        let (clock, pt) = (mouth.clock(), mouth.payload_type);
        let Some((payload, ticks)) = bus.said_like(mouth) else { return true };
        if changed {
            port.outbound.switch();
        }
        let header = port.outbound.play(pt, (ticks, 0), clock, payload.len(), self.clock.micros(due));
        self.output.extend(port.transmit(&header, payload, to));
        true
    }

    /// False if none of its speakers has spoken yet.
    fn add_up_for(&self, id: PortId, rate: Rate, mixed: &mut [i32; MAX_FRAME]) -> bool {
        let Some(port) = self.ports.get(id) else { return false };
        let mixed = &mut mixed[..rate.frame()];
        match port.bus.and_then(|bus: BusId| self.buses.get(bus)) {
            Some(bus) => {
                mixed.copy_from_slice(&bus.sums[rate as usize].pcm);
                if bus.hears(id) {
                    add(mixed, Some(port), rate, -1);
                }
                return bus.live;
            }
            None => port.hears.iter().for_each(|speaker| add(mixed, self.ports.get(*speaker), rate, 1)),
        }
        let live = |id: &PortId| self.ports.get(*id).and_then(|p| p.voice.as_ref()).is_some_and(|v| v.is_live());
        port.hears.iter().any(live)
    }
}

/// Adds what a port says now, so many times.
fn add(sum: &mut [i32], port: Option<&Port>, rate: Rate, times: i32) {
    let Some(port) = port.filter(|p| !p.levels.muted) else { return };
    let Some(frame) = port.voice.as_ref().and_then(|voice| voice.frame(rate)) else { return };
    sum.iter_mut().zip(frame).for_each(|(sum, sample)| *sum += i32::from(*sample) * times);
}

/// A sum at a level, in 1/4096, within what a sample holds.
fn level(sum: &[i32], level: i32, pcm: &mut [i16; MAX_FRAME]) {
    for (slot, sum) in pcm.iter_mut().zip(sum) {
        let sum = if level == UNITY { *sum } else { ((i64::from(*sum) * i64::from(level)) >> 12) as i32 };
        *slot = sum.clamp(-32_768, 32_767) as i16;
    }
}

impl Port {
    /// A packet of ours, sealed if the peer wants that.
    pub(super) fn transmit(
        &mut self,
        header: &crate::rtp::Header,
        payload: &[u8],
        to: std::net::SocketAddr,
    ) -> Option<Output> {
        let mut head = [0; crate::rtp::HEADER];
        header.write(&mut head);
        let mut data = Datagram::new();
        data.extend_from_slice(&head);
        data.extend_from_slice(payload);
        if self.security.as_mut().is_some_and(|security| !security.seal_datagram(&mut data, false)) {
            return None;
        }
        Some(Output::Transmit { port: self.number, channel: super::types::Channel::Rtp, to, data })
    }
}
