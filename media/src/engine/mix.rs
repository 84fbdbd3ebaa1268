//! The mixer: every 20 ms, on an absolute clock, what the speakers said is added up and encoded for those who hear them.
//!
//! A circle in which all hear each other is added up once; from the sum each takes its own voice. Others are added up row
//! by row. Nothing here allocates while nobody joins or leaves and no packet is longer than a [`Datagram`]'s inside; the
//! library of Opus does, a little.

use super::Engine;
use super::activity::power;
use super::hear::{BusId, UNITY};
use super::player::{FRAME_TIME, MAX_BURST};
use super::port::Port;
use super::types::{Datagram, Output, PortId};
use super::voice::{MAX_FRAME, Rate};
use slotmap::SlotMap;
use std::time::Instant;

/// A circle, and what was said in it.
#[derive(Debug)]
pub(super) struct Bus {
    pub(super) members: Vec<PortId>,
    pub(super) listeners: usize,
    sums: [Sum; 3],
}

#[derive(Debug)]
struct Sum {
    pcm: Box<[i32]>,
    /// Somebody listens at this rate, seen in the last frame.
    wanted: bool,
}

impl Bus {
    pub(super) fn new(members: Vec<PortId>) -> Self {
        let sums = Rate::ALL.map(|rate| Sum { pcm: vec![0; rate.frame()].into(), wanted: false });
        Self { members, listeners: 0, sums }
    }

    fn add_up(&mut self, ports: &SlotMap<PortId, Port>) {
        for (sum, rate) in self.sums.iter_mut().zip(Rate::ALL).filter(|(sum, _)| sum.wanted) {
            sum.pcm.fill(0);
            self.members.iter().for_each(|id| add(&mut sum.pcm, ports.get(*id), rate, 1));
            sum.wanted = false;
        }
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
            let Some(port) = self.ports.get(self.listeners[at]) else { continue };
            if let (Some(bus), Some(mouth)) = (port.bus.and_then(|b| self.buses.get_mut(b)), &port.mouth) {
                bus.sums[mouth.rate() as usize].wanted = true;
            }
        }
        for bus in self.buses.values_mut() {
            bus.add_up(&self.ports);
        }
        for at in 0..self.listeners.len() {
            self.say_to(self.listeners[at], due);
        }
    }

    /// Moves a speaker on, and writes its recording where its packets themselves cannot be written.
    fn advance_speaker(&mut self, id: PortId, due: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let Some(voice) = &mut port.voice else { return };
        voice.advance(port.levels.says);
        let follows = port.progress.is_some();
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
        // A sound of our own has the floor.
        if port.has_floor() {
            return;
        }
        let target = port.rtp_target();
        let Some(mut mouth) = port.mouth.take() else { return };
        let rate = mouth.rate();
        let mut mixed = [0; MAX_FRAME];
        let heard = target.is_some() && self.add_up_for(id, rate, &mut mixed);
        let Some(port) = self.ports.get_mut(id) else { return };
        if let (Some(to), true) = (target, heard) {
            let hears = port.levels.hears;
            let mut pcm = [0; MAX_FRAME];
            for (slot, sum) in pcm.iter_mut().zip(&mixed[..rate.frame()]) {
                let sum = if hears == UNITY { *sum } else { ((i64::from(*sum) * i64::from(hears)) >> 12) as i32 };
                *slot = sum.clamp(-32_768, 32_767) as i16;
            }
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

    /// False if none of its speakers has spoken yet.
    fn add_up_for(&self, id: PortId, rate: Rate, mixed: &mut [i32; MAX_FRAME]) -> bool {
        let Some(port) = self.ports.get(id) else { return false };
        let mixed = &mut mixed[..rate.frame()];
        match port.bus.and_then(|bus: BusId| self.buses.get(bus)) {
            Some(bus) => {
                mixed.copy_from_slice(&bus.sums[rate as usize].pcm);
                add(mixed, Some(port), rate, -1);
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
