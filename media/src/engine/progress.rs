//! Call progress by ear on a port: its sound in frames of 20 ms, with the silences in which nothing comes.
//!
//! Only ports that are told to are listened to, until some seconds after the answer.

use super::types::{Event, Output, PortId};
use super::voice::Rate;
use super::{Engine, Timer};
use crate::codec::Codec;
use crate::g711::Law;
use crate::progress::{Detector, FRAME, Finding};
use crate::rtp::Header;
use std::time::{Duration, Instant};

/// How often it is looked whether anything came.
const LOOK: Duration = Duration::from_millis(200);
/// Nothing for so long is silence.
const PAUSE: Duration = Duration::from_millis(60);
const FRAME_TIME: Duration = Duration::from_millis(20);
/// How long is listened, before the answer and from it on.
const BEFORE: Duration = Duration::from_secs(120);
const AFTER: Duration = Duration::from_secs(15);

/// Listens to one party.
#[derive(Debug)]
pub(super) struct ProgressEar {
    detector: Detector,
    frame: [i16; FRAME],
    filled: usize,
    /// The newest packet, and until when the sound is known.
    sequence: Option<u16>,
    known: Instant,
    until: Instant,
}

impl ProgressEar {
    /// The next sound; gives what it brought.
    fn hear(&mut self, samples: impl IntoIterator<Item = i16>) -> Option<Finding> {
        let mut found = None;
        for sample in samples {
            self.frame[self.filled] = sample;
            self.filled += 1;
            if self.filled == FRAME {
                self.filled = 0;
                found = found.or(self.detector.push(&self.frame));
            }
        }
        found
    }

    /// Nothing came until now: that was silence.
    fn pause(&mut self, now: Instant) -> Option<Finding> {
        let missing = now.saturating_duration_since(self.known);
        if missing < PAUSE {
            return None;
        }
        let frames = (missing.as_millis() / FRAME_TIME.as_millis()).min(100) as usize;
        self.known = now;
        self.hear(std::iter::repeat_n(0, frames * FRAME))
    }
}

impl Engine {
    /// Listens to what a port's peer, or the network before it, says with tones and voices: [`Event::Progress`].
    pub fn listen_for_progress(&mut self, id: PortId, now: Instant) {
        let country = self.config.country;
        let Some(port) = self.ports.get_mut(id) else { return };
        port.progress = Some(Box::new(ProgressEar {
            detector: Detector::new(country),
            frame: [0; FRAME],
            filled: 0,
            sequence: None,
            known: now,
            until: now + BEFORE,
        }));
        self.timers.set(Timer::Progress(id), self.clock.next(FRAME_TIME, now + LOOK));
        self.plan_speaker(id, now);
    }

    /// A port's peer has answered: who speaks from now on is a person or a machine.
    pub fn answered(&mut self, id: PortId, now: Instant) {
        let Some(ear) = self.ports.get_mut(id).and_then(|port| port.progress.as_mut()) else { return };
        ear.detector.answered();
        ear.until = now + AFTER;
    }

    /// A packet of G.711.
    #[cold]
    pub(super) fn hear_progress(&mut self, id: PortId, header: &Header, law: Law, payload: &[u8], now: Instant) {
        let Some(ear) = self.ports.get_mut(id).and_then(|port| port.progress.as_mut()) else { return };
        if ear.sequence.is_some_and(|newest| header.sequence.wrapping_sub(newest).cast_signed() <= 0) {
            return;
        }
        ear.sequence = Some(header.sequence);
        let paused = ear.pause(now);
        ear.known = now;
        let found = ear.hear(payload.iter().map(|octet| law.decode(*octet)));
        self.tell_progress(id, paused.or(found));
    }

    /// 20 ms of a voice that has been decoded.
    pub(super) fn hear_decoded_progress(&mut self, id: PortId, now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let (Some(ear), Some(voice)) = (&mut port.progress, &port.voice) else { return };
        let Some(frame) = voice.frame(Rate::Narrow).filter(|_| !voice.is_g711()) else { return };
        ear.known = now;
        let found = ear.hear(frame.iter().copied());
        self.tell_progress(id, found);
    }

    /// Looks whether anything came, and whether it has been listened to for long enough.
    pub(super) fn mind_progress(&mut self, id: PortId, now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let Some(ear) = &mut port.progress else { return };
        if now >= ear.until {
            port.progress = None;
            return self.plan_speaker(id, now);
        }
        let found = ear.pause(now);
        self.timers.set(Timer::Progress(id), self.clock.next(FRAME_TIME, now + LOOK));
        self.tell_progress(id, found);
    }

    /// True if a port must be decoded for this.
    pub(super) fn decodes_for_progress(&self, id: PortId) -> bool {
        let port = self.ports.get(id).filter(|port| port.progress.is_some() && !port.terms.send.is_empty());
        port.and_then(super::port::Port::spoken).is_some_and(|codec| !matches!(codec, Codec::G711(_)))
    }

    fn tell_progress(&mut self, id: PortId, found: Option<Finding>) {
        let Some(Finding { signal, confidence, at }) = found else { return };
        self.output.push_back(Output::Event(Event::Progress { port: id, signal, confidence, at }));
    }
}
