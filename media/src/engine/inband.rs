//! Keys that a peer presses as tones in its sound: found, told like any key, and kept from those who get them otherwise.
//!
//! Listening costs about a microsecond per packet, so it is done only for peers that have no RTP events, unless a port is
//! told otherwise. G.711 is heard as it comes; any other codec is decoded for it. Whoever hears the peer alone and takes
//! the key as an event or by signalling does not hear the tone: from the first 12.75 ms on that may be one the sound is
//! silence, so that at most about 25 ms of the tone pass. In a codec that is relayed undecoded up to 60 ms pass.

use super::port::Port;
use super::types::{Event, InbandDtmf, PortId};
use super::voice::Rate;
use super::{Engine, Timer};
use crate::codec::Codec;
use crate::dtmf::{Detector, Heard};
use crate::g711::Law;
use crate::rtp::Header;
use std::time::{Duration, Instant};

/// A key that came in two ways within this time was pressed once.
const WINDOW: Duration = Duration::from_millis(500);
/// A tone of ours comes back from a line's far end within this time.
const ECHO: Duration = Duration::from_millis(400);
/// Samples that are looked at in one go.
const CHUNK: usize = 160;

/// Listens to one peer.
#[derive(Debug)]
pub(super) struct KeyEar {
    detector: Detector,
    /// The newest packet heard, and when.
    sequence: Option<u16>,
    heard: Instant,
    /// The key that is down is an echo of another's.
    echo: bool,
    /// The last key that was released.
    last: Option<(char, Instant)>,
}

impl KeyEar {
    fn new(now: Instant) -> Self {
        Self { detector: Detector::default(), sequence: None, heard: now, echo: false, last: None }
    }

    /// A key may be down.
    pub(super) fn suspects(&self) -> bool {
        self.detector.suspects() || self.detector.down().is_some()
    }

    /// When a key that is down ends if nothing more comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.detector.down().map(|_| self.heard + super::digits::PATIENCE)
    }

    fn presses(&self, key: char, now: Instant) -> bool {
        let lately = |(last, at): (char, Instant)| last == key && now.saturating_duration_since(at) < ECHO;
        self.detector.down() == Some(key) || self.last.is_some_and(lately)
    }
}

/// By which way a key came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyWay {
    Events,
    Sound,
    Signalling,
}

/// The keys told last, each until it has come by another way too.
#[derive(Debug, Default)]
pub(super) struct LastKeys {
    keys: [Option<(char, KeyWay, Instant)>; 4],
    next: usize,
}

impl LastKeys {
    /// False if the key has been told that came by another way before.
    fn is_new(&mut self, key: char, way: KeyWay, duration: Duration, now: Instant) -> bool {
        let same = |known: &&mut Option<(char, KeyWay, Instant)>| {
            known.is_some_and(|(told, by, at)| {
                told == key && by != way && now.saturating_duration_since(at) <= WINDOW + duration
            })
        };
        if let Some(known) = self.keys.iter_mut().find(same) {
            *known = None;
            return false;
        }
        self.keys[self.next] = Some((key, way, now));
        self.next = (self.next + 1) % self.keys.len();
        true
    }
}

impl Engine {
    /// Sets whether keys are listened for in a port's sound; [`InbandDtmf::Auto`] unless told otherwise.
    pub fn listen_for_keys(&mut self, id: PortId, when: InbandDtmf, now: Instant) {
        if let Some(port) = self.ports.get_mut(id) {
            port.inband = when;
        }
        self.plan_speaker(id, now);
    }

    /// The owner presses keys for this port's peer by signalling (INFO), so that it need not hear them.
    pub fn takes_keys_by_signalling(&mut self, id: PortId, takes: bool, now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        if std::mem::replace(&mut port.signalled, takes) != takes {
            let speakers = port.hears.clone();
            speakers.into_iter().for_each(|speaker| self.plan_speaker(speaker, now));
        }
    }

    /// A key of the peer has come by signalling: false if it has been told of already, having come as an event or a tone too.
    pub fn is_new_key(&mut self, id: PortId, digit: char, duration: Duration, now: Instant) -> bool {
        let Some(port) = self.ports.get_mut(id) else { return true };
        port.last_keys.is_new(digit, KeyWay::Signalling, duration, now)
    }

    /// Listens to a packet of G.711, and silences it if others get the key otherwise.
    #[cold]
    pub(super) fn hear_tones(&mut self, id: PortId, header: &Header, law: Law, payload: &mut [u8], now: Instant) {
        let Some(ear) = self.ports.get_mut(id).and_then(|port| port.key_ear.as_mut()) else { return };
        // One that comes late would tear a tone apart.
        if ear.sequence.is_some_and(|newest| header.sequence.wrapping_sub(newest).cast_signed() <= 0) {
            return;
        }
        ear.sequence = Some(header.sequence);
        ear.heard = now;
        for chunk in payload.chunks(CHUNK) {
            let ear = self.ports.get_mut(id).and_then(|port| port.key_ear.as_mut());
            let heard = ear.and_then(|ear| ear.detector.hear(chunk.iter().map(|octet| law.decode(*octet))));
            heard.into_iter().for_each(|heard| self.heard_tone(id, heard, now));
        }
        if self.ports.get(id).is_some_and(Port::silences_tones) {
            payload.fill(law.silence());
        }
    }

    /// Listens to what has been decoded of a voice, and silences it if others get the key otherwise.
    pub(super) fn hear_decoded_tones(&mut self, id: PortId, now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let (Some(ear), Some(voice)) = (&mut port.key_ear, &mut port.voice) else { return };
        let Some(frame) = voice.frame(Rate::Narrow).filter(|_| !voice.is_g711()) else { return };
        ear.heard = now;
        if let Some(heard) = ear.detector.hear(frame.iter().copied()) {
            self.heard_tone(id, heard, now);
        }
        if let Some(port) = self.ports.get_mut(id).filter(|port| port.silences_tones()) {
            port.voice.iter_mut().for_each(|voice| voice.silence_frame());
        }
    }

    fn heard_tone(&mut self, id: PortId, heard: Heard, now: Instant) {
        match heard {
            Heard::Down(key) => {
                let echo = self.is_echo(id, key, now);
                let Some(port) = self.ports.get_mut(id) else { return };
                let Some(ear) = &mut port.key_ear else { return };
                ear.echo = echo;
                if let (false, Some(at)) = (std::mem::replace(&mut port.listening, true), ear.deadline()) {
                    self.timers.set(Timer::Digit(id), at);
                }
            }
            Heard::Up(key, ms) => {
                let Some(ear) = self.ports.get_mut(id).and_then(|port| port.key_ear.as_mut()) else { return };
                ear.last = Some((key, now));
                if !std::mem::take(&mut ear.echo) {
                    let digit = (key, Duration::from_millis(u64::from(ms)));
                    self.tell_digit(id, digit, KeyWay::Sound, now);
                }
            }
        }
    }

    /// Ends a key whose sound has ceased to come.
    pub(super) fn end_tone(&mut self, id: PortId, now: Instant) {
        let Some(ear) = self.ports.get_mut(id).and_then(|port| port.key_ear.as_mut()) else { return };
        if ear.deadline().is_some_and(|at| at <= now)
            && let Some(heard) = ear.detector.end()
        {
            self.heard_tone(id, heard, now);
        }
    }

    /// The key is one that this peer hears: pressed by the switch, or by another whose tones reach it.
    fn is_echo(&self, id: PortId, key: char, now: Instant) -> bool {
        let Some(port) = self.ports.get(id) else { return false };
        let ours = port.keys.toned.is_some_and(|at| now.saturating_duration_since(at) < ECHO);
        let theirs = |speaker: &PortId| {
            self.ports.get(*speaker).and_then(|port| port.key_ear.as_ref()).is_some_and(|ear| ear.presses(key, now))
        };
        ours || port.hears.iter().any(theirs)
    }

    /// Whether keys are listened for in a port's sound now, and whether it must be decoded for that.
    pub(super) fn plan_key_ear(&mut self, id: PortId, now: Instant) -> bool {
        let Some(port) = self.ports.get(id) else { return false };
        let otherwise = |l: &PortId| {
            let listener = self.ports.get(*l).filter(|l| l.hears == [id]);
            listener.is_some_and(|l| l.signalled || l.event_type().is_some())
        };
        let hides = port.heard_by.iter().any(otherwise);
        let Some(port) = self.ports.get_mut(id) else { return false };
        port.hides_tones = hides;
        let codec = port.spoken().filter(|_| !port.terms.send.is_empty());
        let wanted = match port.inband {
            InbandDtmf::Never => false,
            InbandDtmf::Auto => port.event_type().is_none(),
            InbandDtmf::Always => true,
        };
        match codec.filter(|_| wanted) {
            None => port.key_ear = None,
            Some(_) if port.key_ear.is_none() => port.key_ear = Some(Box::new(KeyEar::new(now))),
            Some(_) => {}
        }
        wanted && codec.is_some_and(|codec| !matches!(codec, Codec::G711(_)))
    }

    /// A key has come: true if it is told of.
    pub(super) fn note_key(
        &mut self,
        id: PortId,
        (digit, duration): (char, Duration),
        way: KeyWay,
        now: Instant,
    ) -> bool {
        let Some(port) = self.ports.get_mut(id) else { return false };
        let new = port.last_keys.is_new(digit, way, duration, now);
        if new {
            let in_band = way == KeyWay::Sound;
            self.output.push_back(super::Output::Event(Event::Dtmf { port: id, digit, duration, in_band }));
        }
        new
    }
}

impl Port {
    /// A tone of the peer shall not be heard now.
    pub(super) fn silences_tones(&self) -> bool {
        self.hides_tones && self.key_ear.as_ref().is_some_and(|ear| ear.suspects())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_counts_once_by_whichever_ways_it_comes_and_twice_if_pressed_twice() {
        let start = stdx::testing::start();
        let at = |ms| start + Duration::from_millis(ms);
        let long = Duration::from_millis(100);
        let mut keys = LastKeys::default();
        let mut told = |key, way, ms| keys.is_new(key, way, long, at(ms));
        assert!(told('5', KeyWay::Events, 0) && !told('5', KeyWay::Sound, 40));
        assert!(told('5', KeyWay::Events, 200) && told('5', KeyWay::Events, 400));
        assert!(!told('5', KeyWay::Sound, 430) && !told('5', KeyWay::Sound, 450));
        assert!(told('5', KeyWay::Sound, 800), "pressed again, and heard only");
        assert!(told('6', KeyWay::Sound, 900) && told('7', KeyWay::Signalling, 950));
        assert!(!told('6', KeyWay::Signalling, 1_000), "signalling may be late");
        assert!(told('7', KeyWay::Events, 1_600), "too long ago");
    }
}
