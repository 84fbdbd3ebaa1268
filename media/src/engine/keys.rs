//! Keys pressed by the switch: RFC 4733 events, or the tones of a keypad (ITU-T Q.23) where the peer takes no events.
//!
//! While a key is down it has the floor: neither a sound of the switch nor a voice is sent.

use super::Engine;
use super::player::{FRAME, FRAME_TIME, MAX_BURST};
use super::types::PortId;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most keys that wait to be pressed on a port; one more is refused.
pub const MAX_KEYS: usize = 64;
/// No key is shorter (ITU-T Q.24), and none is longer.
const SHORTEST: Duration = Duration::from_millis(40);
const LONGEST: Duration = Duration::from_secs(6);
/// Packets that tell the end of an event: RFC 4733 §2.5.1.4.
const END_PACKETS: u16 = 3;
/// Frames between two keys: 60 ms.
const PAUSE: u16 = 3;

/// The keys of one port.
#[derive(Debug, Default)]
pub(super) struct Keys {
    waiting: VecDeque<(char, Duration)>,
    press: Option<Press>,
    pause: u16,
    next: Option<Instant>,
    /// When a tone was sent last.
    pub(super) toned: Option<Instant>,
}

#[derive(Debug)]
struct Press {
    event: u8,
    /// Frames it is held.
    held: u16,
    /// Frames of it that have been sent.
    sent: u16,
    ends: u16,
    way: Way,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    /// Not begun.
    Unknown,
    /// As events, with this timestamp.
    Events {
        began: u32,
    },
    Tone,
}

/// What is sent for a frame's time.
#[derive(Clone, Debug, PartialEq)]
// It lives for a moment on the stack.
#[expect(clippy::large_enum_variant)]
pub(super) enum Stroke {
    /// A packet of an event; `began` is its timestamp, `None` in the first.
    Event { payload: Event, began: Option<u32> },
    /// 20 ms of the key's tone.
    Tone([i16; FRAME]),
    /// The silence between two keys.
    Pause,
}

/// The payload of an event packet: RFC 4733 §2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    event: u8,
    end: bool,
    frames: u16,
}

impl Event {
    /// Its octets; `clock` is the ticks in 10 ms.
    pub(super) fn octets(self, clock: u16) -> [u8; 4] {
        let ticks = (u32::from(self.frames) * 2 * u32::from(clock)).min(0xffff) as u16;
        let [high, low] = ticks.to_be_bytes();
        [self.event, (u8::from(self.end) << 7) | 10, high, low]
    }
}

impl Keys {
    /// Adds a key; false if there is no room, or no such key.
    fn press(&mut self, key: char, duration: Duration, first: Instant) -> bool {
        let room = self.waiting.len() < MAX_KEYS && event_of(key).is_some();
        if room {
            self.waiting.push_back((key, duration.clamp(SHORTEST, LONGEST)));
            self.next.get_or_insert(first);
        }
        room
    }

    /// When the next packet is due; `None` if no key waits or is down.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// What the frame that is due sends; `events` says that the peer takes events.
    pub(super) fn frame(&mut self, now: Instant, events: bool) -> Option<Stroke> {
        let due = self.next?;
        // After a stall the rest goes on from now, or a key would become many at once.
        let late = now.saturating_duration_since(due) >= FRAME_TIME * MAX_BURST;
        self.next = Some(if late { now + FRAME_TIME } else { due + FRAME_TIME });
        if self.pause > 0 {
            self.pause -= 1;
            if self.pause == 0 && self.waiting.is_empty() {
                self.next = None;
            }
            return Some(Stroke::Pause);
        }
        if self.press.is_none() {
            let Some((key, duration)) = self.waiting.pop_front() else {
                self.next = None;
                return None;
            };
            let held = duration.as_millis().div_ceil(FRAME_TIME.as_millis()) as u16;
            self.press = Some(Press { event: event_of(key)?, held, sent: 0, ends: 0, way: Way::Unknown });
        }
        let press = self.press.as_mut()?;
        if let Way::Unknown = press.way {
            press.way = if events { Way::Events { began: 0 } } else { Way::Tone };
        }
        let stroke = press.stroke();
        if let Stroke::Tone(_) = stroke {
            self.toned = Some(now);
        }
        let over = match press.way {
            Way::Events { .. } => press.ends == END_PACKETS,
            Way::Tone | Way::Unknown => press.sent >= press.held,
        };
        if over {
            self.press = None;
            self.pause = PAUSE;
        }
        Some(stroke)
    }

    /// The event that was begun has this timestamp.
    pub(super) fn began(&mut self, timestamp: u32) {
        if let Some(Press { way: Way::Events { began }, .. }) = &mut self.press {
            *began = timestamp;
        }
    }
}

impl Press {
    fn stroke(&mut self) -> Stroke {
        let first = self.sent == 0;
        match self.way {
            Way::Events { began } => {
                if self.sent < self.held {
                    self.sent += 1;
                }
                let end = self.sent == self.held && !first;
                self.ends += u16::from(end);
                let payload = Event { event: self.event, end, frames: self.sent };
                Stroke::Event { payload, began: (!first).then_some(began) }
            }
            Way::Tone | Way::Unknown => {
                let at = usize::from(self.sent) * FRAME;
                self.sent += 1;
                Stroke::Tone(std::array::from_fn(|i| tone_sample(self.event, at + i)))
            }
        }
    }
}

impl Engine {
    /// Presses a key towards a port's peer: RFC 4733 events, or the key's tone if the peer takes none. Keys are pressed
    /// one after the other. False, and nothing pressed, if there is no such key (`0`–`9`, `*`, `#`, `A`–`D`, `!` for a
    /// hook flash), nothing has been agreed that could carry it, or [`MAX_KEYS`] are waiting.
    pub fn digit(&mut self, id: PortId, digit: char, duration: Duration, now: Instant) -> bool {
        self.clock.begin(now);
        let first = self.clock.next(FRAME_TIME, now);
        let Some(port) = self.ports.get_mut(id) else { return false };
        let digit = digit.to_ascii_uppercase();
        let idle = port.next_frame().is_none();
        let possible = port.event_type().is_some() || (port.has_voice() && digit != '!');
        let pressed = possible && port.keys.press(digit, duration, first);
        if pressed && port.player.is_none() {
            let next = port.keys.next().unwrap_or(first);
            if idle {
                port.begin_to_speak();
            }
            self.speak_from(id, next);
        }
        pressed
    }
}

/// RFC 4733 §3.2.
fn event_of(key: char) -> Option<u8> {
    super::digits::KEYS.iter().position(|k| char::from(*k) == key).map(|at| at as u8)
}

/// A sample of a key's two tones, at −9 dBm0 the low one and −7 dBm0 the high one (Q.24), from and to silence in 2 ms.
fn tone_sample(event: u8, at: usize) -> i16 {
    const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
    const HIGH: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
    const KEYPAD: &[u8; 16] = b"123A456B789C*0#D";
    let key = super::digits::KEYS.get(usize::from(event)).copied().unwrap_or(b'0');
    let place = KEYPAD.iter().position(|k| *k == key).unwrap_or(0);
    let t = at as f32 / 8_000.0 * std::f32::consts::TAU;
    let wave = 8_000.0 * (t * LOW[place / 4]).sin() + 10_000.0 * (t * HIGH[place % 4]).sin();
    (wave * (at as f32 / 16.0).min(1.0)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strokes(keys: &mut Keys, now: Instant, events: bool) -> Vec<Stroke> {
        let mut all = Vec::new();
        while let Some(due) = keys.next() {
            all.extend(keys.frame(due.max(now), events));
            assert!(all.len() < 1_000);
        }
        all
    }

    #[test]
    fn a_press_is_told_while_it_lasts_and_its_end_three_times() {
        let now = stdx::testing::start();
        let mut keys = Keys::default();
        assert!(keys.press('5', Duration::from_millis(100), now) && !keys.press('x', SHORTEST, now));
        let mut octets = Vec::new();
        for stroke in strokes(&mut keys, now, true) {
            if let Stroke::Event { payload, .. } = stroke {
                octets.push(payload.octets(80));
            }
        }
        let durations: Vec<u16> = octets.iter().map(|o| u16::from_be_bytes([o[2], o[3]])).collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
        assert_eq!(octets.iter().map(|o| o[1] >> 7).collect::<Vec<_>>(), [0, 0, 0, 0, 1, 1, 1]);
        assert!(octets.iter().all(|o| o[0] == 5));
    }

    #[test]
    fn keys_wait_for_each_other_and_there_is_a_limit() {
        let now = stdx::testing::start();
        let mut keys = Keys::default();
        for _ in 0..MAX_KEYS {
            assert!(keys.press('1', SHORTEST, now));
        }
        assert!(!keys.press('1', SHORTEST, now));
        let tones = strokes(&mut keys, now, false);
        assert_eq!(tones.len(), MAX_KEYS * 5);
        assert!(matches!(tones[1], Stroke::Tone(_)) && tones[2..5].iter().all(|s| *s == Stroke::Pause));
    }
}
