//! Sounds and recordings, for the ports of an engine.

use super::hear::Way;
use super::keys::Stroke;
use super::player::{FRAME_TIME, Player};
use super::port::Port;
use super::recorder::{Page, Recorder};
use super::types::{EndReason, Event, Output, PortId, RecordingId, Sound};
use super::{Engine, Timer};
use std::sync::Arc;
use std::time::Instant;

impl Engine {
    /// Plays a sound to a port instead of what it is bridged with; a sound that was playing ends without
    /// [`Event::Played`]. False, and nothing played, if no G.711 has been agreed there.
    ///
    /// While the peer holds us the sound runs on unheard.
    pub fn play(&mut self, id: PortId, sound: Sound, repeat: bool, now: Instant) -> bool {
        self.clock.begin(now);
        let Some(port) = self.ports.get_mut(id) else { return false };
        if !port.has_voice() {
            return false;
        }
        port.begin_to_speak();
        let pcm = match sound {
            Sound::Prompt(pcm) => pcm,
            Sound::Tone(tone) => {
                let country = self.config.country;
                Arc::clone(self.tones.entry(tone).or_insert_with(|| tone.samples(country)))
            }
        };
        // All players of an engine tick together.
        let next = self.clock.next(FRAME_TIME, now);
        port.player = Some(Player::new(pcm, repeat, next));
        self.timers.set(Timer::Frame(id), next);
        self.take_channel(id, true);
        true
    }

    /// Ends what is playing, without [`Event::Played`]. Keys go on.
    pub fn stop(&mut self, id: PortId) {
        let Some(port) = self.ports.get_mut(id) else { return };
        if port.player.take().is_some() {
            if port.keys.next().is_none() {
                port.fall_silent();
                self.timers.cancel(&Timer::Frame(id));
            }
            self.take_channel(id, false);
        }
    }

    /// Records two ports, `left` on the left channel. A recording that either is in already ends first.
    ///
    /// What the switch plays to one of them is heard on the other's channel.
    pub fn record(&mut self, left: PortId, right: PortId, now: Instant) -> RecordingId {
        for port in [left, right] {
            if let Some((recording, _)) = self.ports.get(port).and_then(|p| p.recording) {
                self.end_recording(recording, EndReason::Stopped, now);
            }
        }
        let id = self.recordings.insert_with_key(|id| Recorder::new(id, left, right, now));
        let sides = [(left, super::recorder::Side::Left), (right, super::recorder::Side::Right)];
        for (port, side) in sides {
            if let Some(port) = self.ports.get_mut(port) {
                port.recording = Some((id, side));
            }
        }
        for port in [left, right] {
            let playing = self.ports.get(port).is_some_and(|p| p.player.is_some());
            self.take_channel(port, playing);
        }
        if let Some(recorder) = self.recordings.get(id) {
            self.timers.set(Timer::Page(id), recorder.deadline());
        }
        self.clock.begin(now);
        [left, right].into_iter().for_each(|port| self.plan_around(port, now));
        id
    }

    /// A recording goes on with `to` in the place of `from`; without effect if `from` is in none.
    pub fn pass_recording(&mut self, from: PortId, to: PortId, now: Instant) {
        if !self.ports.contains_key(to) || from == to {
            return;
        }
        self.leave_if_in_another(from, to, now);
        let Some((recording, side)) = self.ports.get_mut(from).and_then(|p| p.recording.take()) else { return };
        let Some(port) = self.ports.get_mut(to) else { return };
        port.recording = Some((recording, side));
        let playing = port.player.is_some();
        if let Some(recorder) = self.recordings.get_mut(recording) {
            recorder.succeed(side, to);
        }
        self.take_channel(to, playing);
    }

    fn leave_if_in_another(&mut self, from: PortId, to: PortId, now: Instant) {
        if self.ports.get(from).is_some_and(|p| p.recording.is_some()) {
            self.leave_recording(to, now);
        }
    }

    /// Ends a recording: its last page and [`Output::RecordingEnded`] follow. Unknown ones are ignored.
    pub fn stop_recording(&mut self, recording: RecordingId, now: Instant) {
        self.end_recording(recording, EndReason::Stopped, now);
    }

    /// Gives a page back when it has been written. One of a recording that has ended is simply dropped.
    pub fn give_back(&mut self, recording: RecordingId, page: Page) {
        if let Some(recorder) = self.recordings.get_mut(recording) {
            recorder.give_back(page);
        }
    }

    pub(super) fn end_recording(&mut self, id: RecordingId, reason: EndReason, now: Instant) {
        let Some(recorder) = self.recordings.remove(id) else { return };
        self.timers.cancel(&Timer::Page(id));
        for id in recorder.ports.into_iter().flatten() {
            if let Some(port) = self.ports.get_mut(id) {
                port.recording = None;
            }
            self.plan_speaker(id, now);
        }
        recorder.end(reason, now, &mut self.output);
    }

    /// A port leaves its recording, which ends when both have left.
    pub(super) fn leave_recording(&mut self, id: PortId, now: Instant) {
        let Some((recording, side)) = self.ports.get_mut(id).and_then(|p| p.recording.take()) else { return };
        let Some(recorder) = self.recordings.get_mut(recording) else { return };
        recorder.ports[side as usize] = None;
        recorder.take(side.other(), false);
        if recorder.ports == [None, None] {
            self.end_recording(recording, EndReason::Stopped, now);
        }
    }

    /// While a sound is played to a port, its far end's channel is ours.
    fn take_channel(&mut self, id: PortId, taken: bool) {
        let Some((recording, side)) = self.ports.get(id).and_then(|p| p.recording) else { return };
        if let Some(recorder) = self.recordings.get_mut(recording) {
            recorder.take(side.other(), taken);
        }
    }

    /// Sends the frames of a port's sound and keys that are due.
    pub(super) fn play_on(&mut self, id: PortId, now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let mut skipped = port.player.as_mut().map_or(0, |p| p.skip(now));
        let mut recorder = match port.recording {
            Some((recording, side)) => self.recordings.get_mut(recording).map(|r| (r, side.other())),
            None => None,
        };
        let mut played = false;
        while let Some(due) = port.next_frame().filter(|due| *due <= now) {
            let micros = self.clock.micros(due);
            let mut frame = None;
            if let Some(player) = port.player.as_mut().filter(|p| p.next <= due) {
                frame = player.frame();
                if frame.is_none() {
                    port.player = None;
                    played = true;
                }
            }
            if port.keys.next().is_some_and(|next| next <= due) {
                let events = port.event_type();
                match port.keys.frame(now, events.is_some()) {
                    Some(Stroke::Event { payload, began }) => {
                        let (Some((pt, clock)), Some(to)) = (events, port.rtp_target()) else { continue };
                        let header = port.outbound.event(pt, began, clock, micros);
                        port.keys.began(header.timestamp);
                        self.output.extend(port.transmit(&header, &payload.octets(clock), to));
                        continue;
                    }
                    Some(Stroke::Pause) => continue,
                    Some(Stroke::Tone(tone)) => frame = Some(tone),
                    None => {}
                }
            }
            let Some(frame) = frame else { continue };
            if let Some((recorder, side)) = &mut recorder {
                recorder.sound(*side, &frame, due, &mut self.output);
            }
            let Some(to) = port.rtp_target() else {
                port.outbound.switch();
                continue;
            };
            let Some(mut mouth) = port.mouth.take() else { continue };
            mouth.say_narrow(&frame);
            let (clock, pt, missed) = (mouth.clock(), mouth.payload_type, mouth.frame_ticks() * skipped);
            while let Some(utterance) = mouth.next() {
                let ticks = (utterance.ticks, if std::mem::take(&mut skipped) > 0 { missed } else { 0 });
                let header = port.outbound.play(pt, ticks, clock, utterance.payload.len(), micros);
                self.output.extend(port.transmit(&header, utterance.payload, to));
            }
            port.mouth = Some(mouth);
        }
        match port.next_frame() {
            Some(next) => self.timers.set(Timer::Frame(id), next),
            None => port.fall_silent(),
        }
        if played {
            self.take_channel(id, false);
            self.output.push_back(Output::Event(Event::Played { port: id }));
        }
    }
}

impl Port {
    /// The switch takes the floor.
    pub(super) fn begin_to_speak(&mut self) {
        self.ready_mouth();
        self.mouth.iter_mut().for_each(|mouth| mouth.hush());
        self.outbound.switch();
    }

    /// The switch gives the floor back.
    fn fall_silent(&mut self) {
        self.outbound.switch();
        if self.way == Way::Mixed {
            self.mouth.iter_mut().for_each(|mouth| mouth.hush());
        } else {
            self.mouth = None;
        }
    }

    /// When the next frame of a sound or a key of ours is due.
    fn next_frame(&self) -> Option<Instant> {
        match (self.player.as_ref().map(|p| p.next), self.keys.next()) {
            (Some(sound), Some(key)) => Some(sound.min(key)),
            (sound, key) => sound.or(key),
        }
    }
}
