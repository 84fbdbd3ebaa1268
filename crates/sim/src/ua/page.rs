//! A page's sound: its descriptions, checks and handshake are str0m's; its voice and its ear are those of every phone.

use super::Ua;
use super::line::LineId;
use crate::network::Packet;
use crate::rtp::{self, Rtp};
use crate::sound;
use media::testing::{Frame, Page, Peer, Talents};
use std::net::SocketAddr;
use std::time::Instant;

/// Frames between two keys: the one before must be over.
const KEY_EVERY: u64 = 10;

/// Makes the sound of a page at an address.
pub type MakePage = fn(SocketAddr, Instant) -> Box<dyn Peer>;

/// What pages are made of unless a test has something else.
pub(crate) fn usual(at: SocketAddr, now: Instant) -> Box<dyn Peer> {
    Box::new(Page::new(at, Talents { opus: true, g722: false, g711: true }, now))
}

impl Ua {
    fn page_of(&mut self, id: LineId, now: Instant) -> &mut dyn Peer {
        let (at, make) = (self.rtp_address(id), self.make_page);
        &mut **self.lines[id].media.page.get_or_insert_with(|| make(at, now))
    }

    pub(super) fn offer_of_page(&mut self, id: LineId, now: Instant) -> Vec<u8> {
        let direction = self.lines[id].media.direction.clone();
        let restart = std::mem::take(&mut self.lines[id].media.restarts);
        self.page_of(id, now).offer(&direction, restart, now)
    }

    pub(super) fn answer_of_page(&mut self, id: LineId, now: Instant) -> Vec<u8> {
        let offered = self.lines[id].media.offered.clone();
        match self.page_of(id, now).answer(&offered, now) {
            Ok(answer) => {
                self.lines[id].media.early_answer = Some(answer.clone());
                answer
            }
            Err(why) => {
                self.complain(format!("{why}: {}", String::from_utf8_lossy(&offered)));
                Vec::new()
            }
        }
    }

    /// An answer to a page; the same one again is none.
    pub(super) fn answered_to_page(&mut self, id: LineId, body: &[u8], now: Instant) {
        let Some(page) = &mut self.lines[id].media.page else { return };
        if !page.is_waiting() {
            return;
        }
        if let Err(why) = page.take_answer(body, now) {
            self.complain(format!("{why}: {}", String::from_utf8_lossy(body)));
        }
        self.flush_page(id, now);
    }

    pub(super) fn speak_by_page(&mut self, id: LineId, hertz: u16, now: Instant) {
        let silent = self.silent;
        let media = &mut self.lines[id].media;
        let frame = media.frames;
        media.frames += 1;
        let codec = media.remote.as_ref().and_then(|remote| remote.codec);
        let (Some((codec, payload_type)), true) = (codec, media.may_send() && !silent) else { return };
        let key = if frame.is_multiple_of(KEY_EVERY) { media.keys.pop_front() } else { None };
        let key = key.map(|key| rtp::event_payload(key, false, 0)[0]);
        let pcm: Vec<i16> = (0..160).map(|n| sound::voice_sample(hertz, frame * 160 + n)).collect();
        let payload = media.coder.encode(codec, &pcm);
        if let Some(page) = &mut media.page {
            page.speak(payload_type, frame * 160, &payload, key, now);
        }
        self.flush_page(id, now);
    }

    pub(super) fn hear_by_page(&mut self, id: LineId, packet: &Packet, now: Instant) {
        if let Some(page) = &mut self.lines[id].media.page {
            page.handle_datagram(packet.from, packet.to, &packet.data, now);
        }
        self.flush_page(id, now);
    }

    /// What a page heard reaches its ear, what it sends the network.
    fn flush_page(&mut self, id: LineId, now: Instant) {
        let line = &mut self.lines[id];
        let Some(page) = &mut line.media.page else { return };
        let sent = page.take_sent();
        let heard = page.take_heard();
        line.media.digits.push_str(&page.take_digits());
        for frame in heard {
            let Frame { payload_type, mut timestamp, payload } = frame;
            let pcm = match line.media.codec_of(payload_type) {
                Some(codec) => line.media.coder.decode(codec, &payload),
                // A page speaks Opus too, though here it says nothing in it. Its clock has 48 kHz (RFC 7587 §4.1).
                None => {
                    timestamp /= 6;
                    line.media.coder.decode_opus(&payload)
                }
            };
            let rtp = Rtp { marker: false, payload_type, sequence: 0, timestamp, ssrc: 1, payload };
            line.ear.hear(&rtp, &pcm, now);
        }
        self.out.extend(sent.into_iter().map(|s| Packet { from: s.from, to: s.to, data: s.data }));
    }

    /// When a page has something to do.
    pub(super) fn pages_next(&self) -> Option<Instant> {
        let lines = self.lines.iter().filter(|line| !line.is_over());
        lines.filter_map(|line| line.media.page.as_ref()?.poll_timeout()).min()
    }

    pub(super) fn pages_timeout(&mut self, now: Instant) {
        for id in 0..self.lines.len() {
            let line = &mut self.lines[id];
            if line.is_over() {
                line.media.page = None;
            } else if let Some(page) = &mut line.media.page {
                page.handle_timeout(now);
                self.flush_page(id, now);
            }
        }
    }
}
