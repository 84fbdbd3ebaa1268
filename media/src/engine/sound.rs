//! Sounds and recordings, for the ports of an engine.

use super::hear::Way;
use super::keys::Stroke;
use super::player::{FRAME_TIME, Frame, Play, Player};
use super::port::Port;
use super::recorder::{Page, Recorder};
use super::types::{EndReason, Event, Output, PortId, RecordingId, Sound};
use super::{Engine, Timer};
use crate::clip::{Clip, alone};
use crate::codec::Codec;
use crate::g711::Law;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Engine {
    /// Plays a sound to a port, once or forever; otherwise like [`Engine::play_list`].
    pub fn play(&mut self, id: PortId, sound: Sound, repeat: bool, now: Instant) -> bool {
        let clips = match sound {
            Sound::Clips(clips) => clips,
            Sound::Tone(tone) => self.tone(tone),
        };
        let play = if repeat { Play::forever(clips) } else { Play::once(clips) };
        self.play_list(id, &play, now)
    }

    /// Plays clips to a port instead of what it is bridged with; a sound that was playing ends without
    /// [`Event::Played`]. False, and nothing played, if nothing that the switch can speak has been agreed there.
    ///
    /// While the peer holds us the sound runs on unheard.
    pub fn play_list(&mut self, id: PortId, play: &Play, now: Instant) -> bool {
        self.clock.begin(now);
        let Some(port) = self.ports.get_mut(id) else { return false };
        if !port.has_voice() {
            return false;
        }
        port.begin_to_speak();
        // All players of an engine tick together.
        let next = self.clock.next(FRAME_TIME, now);
        port.player = Some(Player::new(play, next));
        self.speak_from(id, next);
        self.take_channel(id, true);
        true
    }

    /// A tone of the configured country, made when it is first wanted.
    fn tone(&mut self, tone: crate::tones::Tone) -> Arc<[Arc<Clip>]> {
        let country = self.config.country;
        let made = || {
            let clip = Clip::from_pcm(&tone.samples(country)[..]);
            [Law::Mu, Law::A].into_iter().for_each(|law| clip.prepare(Codec::G711(law)));
            alone(clip)
        };
        Arc::clone(self.tones.entry(tone).or_insert_with(made))
    }

    /// Ends what is playing, without [`Event::Played`]; says how long it was played. Keys go on.
    pub fn stop(&mut self, id: PortId) -> Option<Duration> {
        let port = self.ports.get_mut(id)?;
        let played = port.player.take()?.played();
        if port.keys.next().is_none() {
            port.fall_silent();
        }
        self.take_channel(id, false);
        Some(played)
    }

    /// Holds what is playing, or lets it go on: meanwhile the port hears silence. False if nothing is playing.
    pub fn pause(&mut self, id: PortId, paused: bool) -> bool {
        let player = self.ports.get_mut(id).and_then(|port| port.player.as_mut());
        player.map(|player| player.pause(paused)).is_some()
    }

    /// What is playing goes on at another place of its list; beyond the end it is over. False if nothing is playing.
    pub fn seek(&mut self, id: PortId, to: Duration) -> bool {
        let player = self.ports.get_mut(id).and_then(|port| port.player.as_mut());
        player.map(|player| player.seek(to)).is_some()
    }

    /// A key was pressed at a port: what may be interrupted ends.
    pub(super) fn barge_in(&mut self, id: PortId, digit: char) {
        let player = self.ports.get(id).and_then(|port| port.player.as_ref()).filter(|player| player.barge_in);
        let Some(tag) = player.map(|player| player.tag) else { return };
        if let Some(played) = self.stop(id) {
            self.output.push_back(Output::Event(Event::Played { port: id, tag, played, digit: Some(digit) }));
        }
    }

    /// Records two ports, `left` on the left channel. A recording that either is in already ends first.
    ///
    /// What the switch plays to one of them is heard on the other's channel. `mixed`: both voices in one channel.
    pub fn record(&mut self, left: PortId, right: PortId, mixed: bool, now: Instant) -> RecordingId {
        for port in [left, right] {
            if let Some((recording, _)) = self.ports.get(port).and_then(|p| p.recording) {
                self.end_recording(recording, EndReason::Stopped, now);
            }
        }
        let id = self.recordings.insert_with_key(|id| Recorder::new(id, [Some(left), Some(right)], mixed, now));
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
        self.begin_recording(id, now);
        [left, right].into_iter().for_each(|port| self.plan_around(port, now));
        id
    }

    /// Records, in one channel, what a port hears that has no peer: whatever row it has or is given. It ends when the port is closed.
    pub fn record_heard(&mut self, port: PortId, now: Instant) -> Option<RecordingId> {
        if self.ports.get(port)?.recording.is_some() {
            return None;
        }
        let id = self.recordings.insert_with_key(|id| Recorder::new(id, [Some(port), None], true, now));
        let tape = self.ports.get_mut(port)?;
        tape.recording = Some((id, super::recorder::Side::Left));
        tape.is_tape = true;
        self.begin_recording(id, now);
        self.plan_around(port, now);
        Some(id)
    }

    fn begin_recording(&mut self, id: RecordingId, now: Instant) {
        if let Some(recorder) = self.recordings.get(id) {
            self.timers.set(Timer::Page(id), recorder.deadline());
        }
        self.clock.begin(now);
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

    /// A recording holds silence from now on, or goes on. Unknown ones are ignored.
    pub fn pause_recording(&mut self, recording: RecordingId, paused: bool, now: Instant) {
        self.recordings.get_mut(recording).into_iter().for_each(|recorder| recorder.pause(paused, now));
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
            let Some(port) = self.ports.get_mut(id) else { continue };
            port.recording = None;
            match std::mem::take(&mut port.is_tape) {
                true => self.plan_around(id, now),
                false => self.plan_speaker(id, now),
            }
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

    /// The switch speaks to a port from now on, its first frame at that time.
    pub(super) fn speak_from(&mut self, id: PortId, first: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        if !std::mem::replace(&mut port.spoken_to, true) {
            self.spoken_to.push(id);
        }
        self.speak_at = Some(self.speak_at.map_or(first, |at| at.min(first)));
    }

    /// Sends the frames that are due to all ports to which the switch speaks.
    pub(super) fn speak(&mut self, now: Instant) {
        let mut ports = std::mem::take(&mut self.spoken_to);
        ports.iter().for_each(|id| self.play_on(*id, now));
        self.speak_at = None;
        ports.retain(|id| {
            let Some(port) = self.ports.get_mut(*id) else { return false };
            let next = port.next_frame();
            port.spoken_to = next.is_some();
            self.speak_at = [self.speak_at, next].into_iter().flatten().min();
            next.is_some()
        });
        self.spoken_to = ports;
    }

    /// Sends the frames of a port's sound and keys that are due.
    fn play_on(&mut self, id: PortId, now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let mut skipped = port.player.as_mut().map_or(0, |p| p.skip(now));
        let mut recorder = match port.recording {
            Some((recording, side)) => self.recordings.get_mut(recording).map(|r| (r, side.other())),
            None => None,
        };
        // A page's handshake takes its time: what it is told begins when it can hear it.
        let deaf = port.browser.is_some() && port.security.is_none();
        let mut over = None;
        while let Some(due) = port.next_frame().filter(|due| *due <= now) {
            let micros = self.clock.micros(due);
            let mut frame = None;
            if let Some(player) = port.player.as_mut().filter(|p| p.next <= due) {
                frame = if deaf { player.wait() } else { player.frame() };
                if frame.is_none() {
                    over = Some((player.tag, player.played()));
                    port.player = None;
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
                    Some(Stroke::Tone(tone)) => frame = Some(Frame::of(tone)),
                    None => {}
                }
            }
            let Some(frame) = frame else { continue };
            if let Some((recorder, side)) = &mut recorder {
                recorder.sound(*side, &frame.narrow, due, &mut self.output);
            }
            let Some(to) = port.rtp_target() else {
                port.outbound.switch();
                continue;
            };
            let Some(mut mouth) = port.mouth.take() else { continue };
            let (clock, pt, missed) = (mouth.clock(), mouth.payload_type, mouth.frame_ticks() * skipped);
            if let Some((payload, ticks)) = mouth.prepared(&frame) {
                let ticks = (ticks, if std::mem::take(&mut skipped) > 0 { missed } else { 0 });
                let header = port.outbound.play(pt, ticks, clock, payload.len(), micros);
                self.output.extend(port.transmit(&header, payload, to));
                port.mouth = Some(mouth);
                continue;
            }
            mouth.say_frame(&frame);
            while let Some(utterance) = mouth.next() {
                let ticks = (utterance.ticks, if std::mem::take(&mut skipped) > 0 { missed } else { 0 });
                let header = port.outbound.play(pt, ticks, clock, utterance.payload.len(), micros);
                self.output.extend(port.transmit(&header, utterance.payload, to));
            }
            port.mouth = Some(mouth);
        }
        if port.next_frame().is_none() {
            port.fall_silent();
        }
        if let Some((tag, played)) = over {
            self.take_channel(id, false);
            self.output.push_back(Output::Event(Event::Played { port: id, tag, played, digit: None }));
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
    pub(super) fn next_frame(&self) -> Option<Instant> {
        match (self.player.as_ref().map(|p| p.next), self.keys.next()) {
            (Some(sound), Some(key)) => Some(sound.min(key)),
            (sound, key) => sound.or(key),
        }
    }
}
