//! A program's side of a port: RTP on the one hand, what the program reads and writes on the other.
//!
//! The switch sends a program what a leg says or hears as RTP, as it does to any peer. [`Wire`] takes that apart for the program,
//! and makes packets of what the program says, in time: 20 ms every 20 ms. Programs may say faster than that; what waits is
//! bounded, and dropped when the party that is heard begins to speak, if the program wants it so.

use crate::codec::{Codec, Decoder, MAX_SAMPLES};
use crate::engine::Activity;
use crate::rtp::{HEADER, Header, is_rtcp};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a program may say ahead, in frames of 20 ms: 30 s. Of more, the oldest is dropped.
pub const MAX_AHEAD: usize = 1_500;
const FRAME: Duration = Duration::from_millis(20);
/// A timer so late has missed its frames: the rest goes on from now.
const LATE: Duration = Duration::from_millis(100);
/// RTCP BYE (RFC 3550 §6.6).
const BYE: u8 = 203;

/// What a datagram of the switch brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing for the program.
    Nothing,
    /// Sound as the program wants it: 16-bit samples, the low octet first, or one packet of Opus.
    Sound(Vec<u8>),
    /// The same, and with it the party has begun to speak: so much of what the program said is not heard any more.
    Interrupted(Vec<u8>, Duration),
    /// The leg is gone.
    Over,
}

/// Between the switch and one program.
#[derive(Debug)]
pub struct Wire {
    codec: Codec,
    barge_in: bool,
    activity: Activity,
    decoder: Decoder,
    /// What the program said: frames of 20 ms; and samples that are no whole frame yet.
    frames: VecDeque<Vec<u8>>,
    rest: Vec<u8>,
    dropped: u64,
    next: Option<Instant>,
    /// When it spoke last, and how its next packet is numbered.
    spoke: Option<Instant>,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

impl Wire {
    /// For a program that exchanges sound in this codec: `L16` of 8 or 16 kHz, or Opus.
    pub fn new(codec: Codec, barge_in: bool, ssrc: u32) -> Self {
        Self {
            codec,
            barge_in,
            activity: Activity::default(),
            decoder: Decoder::new(codec),
            frames: VecDeque::new(),
            rest: Vec::new(),
            dropped: 0,
            next: None,
            spoke: None,
            sequence: 0,
            timestamp: 0,
            ssrc,
        }
    }

    /// A datagram has come from the switch.
    pub fn hear(&mut self, datagram: &[u8]) -> Heard {
        if is_rtcp(datagram) {
            return if says_bye(datagram) { Heard::Over } else { Heard::Nothing };
        }
        let Some(header) = Header::parse(datagram) else { return Heard::Nothing };
        let Some(payload) = datagram.get(header.payload_at..header.payload_at + header.payload_len) else {
            return Heard::Nothing;
        };
        if payload.is_empty() {
            return Heard::Nothing;
        }
        let begun = self.barge_in && self.begins_to_speak(payload);
        let sound = match self.codec {
            // RTP has the high octet first (RFC 3551 §4.5.11).
            Codec::L16(_) => payload.chunks_exact(2).flat_map(|pair| [pair[1], pair[0]]).collect(),
            _ => payload.to_vec(),
        };
        match begun && !self.frames.is_empty() {
            true => Heard::Interrupted(sound, self.hush()),
            false => Heard::Sound(sound),
        }
    }

    fn begins_to_speak(&mut self, payload: &[u8]) -> bool {
        let mut pcm = [0; MAX_SAMPLES];
        let len = self.decoder.decode(payload, &mut pcm);
        let ms = len as u32 * 1_000 / self.codec.rate();
        self.activity.hear(crate::engine::power(&pcm[..len]), ms) == Some(true)
    }

    /// The program says this: samples as it hears them, or one packet of Opus of 20 ms.
    pub fn say(&mut self, sound: &[u8], now: Instant) {
        if matches!(self.codec, Codec::L16(_)) {
            self.rest.extend_from_slice(sound);
            let frame = self.codec.rate() as usize / 50 * 2;
            let whole = self.rest.len() / frame * frame;
            let frames = self.rest[..whole].chunks_exact(frame);
            self.frames.extend(frames.map(|frame| frame.chunks_exact(2).flat_map(|pair| [pair[1], pair[0]]).collect()));
            self.rest.drain(..whole);
        } else if !sound.is_empty() && sound.len() <= crate::codec::MAX_PAYLOAD {
            self.frames.push_back(sound.to_vec());
        }
        let surplus = self.frames.len().saturating_sub(MAX_AHEAD);
        self.frames.drain(..surplus);
        self.dropped += surplus as u64;
        if !self.frames.is_empty() {
            self.next.get_or_insert(now);
        }
    }

    /// What waits to be said is not said; tells how much that was.
    pub fn hush(&mut self) -> Duration {
        let waiting = self.frames.len() as u32;
        self.frames.clear();
        self.rest.clear();
        self.next = None;
        FRAME * waiting
    }

    /// Frames that were dropped because the program said too much ahead.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When the next packet is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// The packet that is due, for the switch.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Vec<u8>> {
        let due = self.next.filter(|due| *due <= now)?;
        let Some(frame) = self.frames.pop_front() else {
            self.next = None;
            return None;
        };
        let due = if now.saturating_duration_since(due) > LATE { now } else { due };
        let ticks = self.codec.clock() / 50;
        let marker = match self.spoke {
            // In one breath.
            Some(before) if due.saturating_duration_since(before) <= FRAME => {
                self.timestamp = self.timestamp.wrapping_add(ticks);
                false
            }
            Some(before) => {
                let pause = due.saturating_duration_since(before).as_millis() as u64;
                self.timestamp = self.timestamp.wrapping_add((pause * u64::from(self.codec.clock()) / 1_000) as u32);
                true
            }
            None => true,
        };
        self.spoke = Some(due);
        // Once more also when nothing is left: who goes on within a frame goes on in the same breath.
        self.next = Some(due + FRAME);
        let header = Header {
            marker,
            payload_type: 96,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload_at: HEADER,
            payload_len: frame.len(),
        };
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0; HEADER];
        if let Some(head) = packet.first_chunk_mut() {
            header.write(head);
        }
        packet.extend(frame);
        Some(packet)
    }
}

/// Whether there is a BYE among the parts of an RTCP packet.
fn says_bye(datagram: &[u8]) -> bool {
    let mut rest = datagram;
    while let Some([_, kind, high, low]) = rest.first_chunk::<4>() {
        if *kind == BYE {
            return true;
        }
        let octets = (usize::from(u16::from_be_bytes([*high, *low])) + 1) * 4;
        rest = rest.get(octets..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tone;

    fn rtp(payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
        packet.extend(payload);
        packet
    }

    fn octets(pcm: &[i16], big: bool) -> Vec<u8> {
        pcm.iter().flat_map(|s| if big { s.to_be_bytes() } else { s.to_le_bytes() }).collect()
    }

    #[test]
    fn sound_is_turned_round_and_said_in_time() {
        let now = stdx::testing::start();
        let mut wire = Wire::new(Codec::L16(8_000), false, 7);
        let pcm = tone(500.0, 800);
        assert_eq!(wire.hear(&rtp(&octets(&pcm[..160], true))), Heard::Sound(octets(&pcm[..160], false)));
        // In pieces of any size.
        octets(&pcm, false).chunks(333).for_each(|piece| wire.say(piece, now));
        let (mut said, mut at) = (Vec::new(), now);
        let mut headers = Vec::new();
        while let Some(due) = wire.poll_timeout() {
            at = due;
            let Some(packet) = wire.handle_timeout(due) else { break };
            headers.push(Header::parse(&packet).unwrap());
            said.extend_from_slice(&packet[HEADER..]);
        }
        assert_eq!(said, octets(&pcm, true));
        assert_eq!(at, now + FRAME * 5, "five frames, and nothing more to say");
        assert!(headers.windows(2).all(|p| p[1].timestamp == p[0].timestamp.wrapping_add(160)));
        assert_eq!(headers.iter().filter(|h| h.marker).count(), 1);
        // A pause is in the timestamps.
        wire.say(&octets(&pcm[..160], false), now + FRAME * 54);
        let packet = wire.handle_timeout(now + FRAME * 54).unwrap();
        let header = Header::parse(&packet).unwrap();
        assert_eq!((header.marker, header.timestamp), (true, headers[4].timestamp.wrapping_add(50 * 160)));
    }

    #[test]
    fn who_begins_to_speak_interrupts_the_program_that_wants_it_so() {
        let now = stdx::testing::start();
        for barge_in in [true, false] {
            let mut wire = Wire::new(Codec::L16(16_000), barge_in, 7);
            wire.say(&vec![1; 64_000], now);
            let quiet = rtp(&octets(&[0; 320], true));
            assert!((0..50).all(|_| matches!(wire.hear(&quiet), Heard::Sound(_))));
            let loud: Vec<i16> = tone(500.0, 320);
            let heard: Vec<Heard> = (0..10).map(|_| wire.hear(&rtp(&octets(&loud, true)))).collect();
            let interrupted = heard.iter().any(|h| matches!(h, Heard::Interrupted(_, much) if much.as_secs() == 2));
            assert_eq!(interrupted, barge_in);
            assert_eq!(wire.poll_timeout().is_none(), barge_in);
        }
    }

    #[test]
    fn what_waits_is_bounded_and_garbage_is_nothing() {
        let now = stdx::testing::start();
        let mut wire = Wire::new(Codec::L16(8_000), false, 7);
        (0..100).for_each(|_| wire.say(&vec![0; 16_000], now));
        assert_eq!((wire.frames.len(), wire.dropped()), (MAX_AHEAD, 5_000 - MAX_AHEAD as u64));
        for garbage in [&[][..], &[0x80; 3], &[0x80, 96, 0, 0], &rtp(&[])] {
            assert_eq!(wire.hear(garbage), Heard::Nothing);
        }
        let report = [0x80, 200, 0, 1, 0, 0, 0, 1];
        assert_eq!(wire.hear(&report), Heard::Nothing);
        let bye = [&report[..], &[0x81, 203, 0, 1, 0, 0, 0, 1]].concat();
        assert_eq!(wire.hear(&bye), Heard::Over);
        let mut opus = Wire::new(Codec::Opus, false, 7);
        opus.say(&[1, 2, 3], now);
        opus.say(&vec![0; 5_000], now);
        assert_eq!(opus.handle_timeout(now).unwrap()[HEADER..], [1, 2, 3]);
    }
}
