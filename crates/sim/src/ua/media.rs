//! A phone's sound: its voice, its keys, and what it hears.

use super::Ua;
use super::line::{LineId, LineState};
use crate::codec::{Codec, Coder};
use crate::network::Packet;
use crate::rtp::{self, Rtp};
use crate::sdp::{self, Remote};
use crate::secure::Secure;
use crate::sound::{self, Sound};
use media::testing::Peer;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::Entropy;

const FRAME: Duration = Duration::from_millis(20);
const FRAME_SAMPLES: u32 = 160;
/// A key is held for 100 ms, its end is told three times (RFC 4733 §2.5.1.4), and the next follows 60 ms later.
const KEY_FRAMES: u16 = 5;
const KEY_END_FRAMES: u16 = 3;
const KEY_PAUSE_FRAMES: u16 = 3;
/// A sender report every 5 s.
const REPORT_EVERY: u64 = 250;

/// The sound of one call.
pub(crate) struct Media {
    port: u16,
    pub(super) remote: Option<Remote>,
    pub(super) direction: String,
    version: u32,
    /// The answer to the INVITE that is being answered: it must not change within it (RFC 3261 §13.2.1).
    pub(super) early_answer: Option<Vec<u8>>,
    pub(super) coder: Coder,
    /// The browser's end of it, if it is a page.
    pub(super) page: Option<Box<dyn Peer>>,
    /// Its next offer begins ICE anew.
    pub(crate) restarts: bool,
    /// What a page was offered.
    pub(super) offered: Vec<u8>,
    /// The keys, if the phone speaks SRTP.
    secure: Option<Secure>,
    /// Its sound is sealed: both descriptions have keys.
    sealed: bool,
    /// Payload type under which we expect digits.
    event: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    pub(super) frames: u64,
    packets: u32,
    speaking: bool,
    pub(super) keys: VecDeque<char>,
    key: Option<Key>,
    /// What it says before its voice goes on, if it does.
    script: VecDeque<i16>,
    greets: bool,
    last_event: Option<(u32, u32)>,
    /// Digits that were heard.
    pub(crate) digits: String,
    pub(crate) reports: u64,
    /// Packets whose tag did not fit, or that came twice.
    pub(crate) unopened: u64,
    /// Middle 32 bits of the NTP time of the other side's last report, and when it came (RFC 3550 §6.4.1).
    last_report: Option<(u32, u32, Instant)>,
    /// Its owner put the receiver down, though the call may live a moment longer.
    pub(crate) hung_up: bool,
    opened: Option<Instant>,
}

struct Key {
    digit: char,
    frame: u16,
    began: u32,
}

impl Media {
    pub(super) fn new(port: u16, event: u8, entropy: &mut Entropy) -> Self {
        Self {
            port,
            remote: None,
            direction: "sendrecv".into(),
            version: 0,
            early_answer: None,
            coder: Coder::default(),
            page: None,
            restarts: false,
            offered: Vec::new(),
            secure: Secure::new(&mut entropy.clone()),
            sealed: false,
            event,
            ssrc: entropy.u32(),
            sequence: entropy.u32() as u16,
            timestamp: entropy.u32(),
            frames: 0,
            packets: 0,
            speaking: false,
            keys: VecDeque::new(),
            key: None,
            script: VecDeque::new(),
            greets: false,
            last_event: None,
            digits: String::new(),
            reports: 0,
            unopened: 0,
            last_report: None,
            hung_up: false,
            opened: None,
        }
    }

    /// Another INVITE comes: its answer is another one.
    pub(super) fn forget_answer(&mut self) {
        self.early_answer = None;
    }

    pub(super) fn set_direction(&mut self, direction: &str) {
        direction.clone_into(&mut self.direction);
    }

    /// Where our sound goes: the address that the other side described.
    pub(crate) fn remote_address(&self) -> Option<SocketAddr> {
        self.remote.as_ref()?.rtp
    }

    /// The payload types that the other side described, in its order.
    pub(crate) fn remote_payload_types(&self) -> Vec<u8> {
        self.remote.as_ref().map(|remote| remote.payload_types.clone()).unwrap_or_default()
    }

    pub(crate) fn local_port(&self) -> u16 {
        self.port
    }

    /// Presses keys one after the other.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.extend(keys.chars());
    }

    /// Says this before its voice goes on.
    pub(crate) fn say(&mut self, pcm: &[i16]) {
        self.script.extend(pcm);
    }

    pub(super) fn may_send(&self) -> bool {
        let they_listen = self.remote.as_ref().is_some_and(|r| matches!(r.direction.as_str(), "sendrecv" | "recvonly"));
        // Who holds a call plays nothing to the other side; that is the switch's business.
        self.direction == "sendrecv" && they_listen && !self.hung_up
    }
}

impl Media {
    /// A description with our keys; an offer with keys says that nothing else will do.
    fn with_keys(&self, description: &[u8], offer: bool) -> Vec<u8> {
        let text = String::from_utf8_lossy(description);
        let wants_profile = offer || self.remote.as_ref().is_some_and(|remote| remote.secure_profile);
        let text = if wants_profile { text.replace("RTP/AVP", "RTP/SAVP") } else { text.into_owned() };
        let line = self.secure.as_ref().map(Secure::line).unwrap_or_default();
        [text.as_bytes(), line.as_bytes()].concat()
    }

    fn take_keys(&mut self, wanted: bool, description: &[u8]) {
        self.sealed = wanted && self.secure.as_mut().is_some_and(|secure| secure.take(description));
    }

    fn sealed_or(&mut self, packet: Vec<u8>, seal: fn(&mut Secure, &[u8]) -> Vec<u8>) -> Vec<u8> {
        match &mut self.secure {
            Some(secure) if self.sealed => seal(secure, &packet),
            Some(_) | None => packet,
        }
    }

    fn opened(&mut self, packet: &[u8], open: fn(&mut Secure, &[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        match &mut self.secure {
            Some(secure) if self.sealed => open(secure, packet),
            Some(_) | None => Some(packet.to_vec()),
        }
    }

    /// Its sound is sealed.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// What a payload type means that we are sent: what we agreed on, or a number that needs no agreement.
    pub(super) fn codec_of(&self, payload_type: u8) -> Option<Codec> {
        let agreed = self.remote.as_ref().and_then(|remote| remote.codec);
        let linear = (payload_type == Codec::L16.payload_type()).then_some(Codec::L16);
        let agreed = agreed.filter(|(_, pt)| *pt == payload_type).map(|(codec, _)| codec);
        agreed.or_else(|| Codec::of_static_type(payload_type)).or(linear)
    }
}

impl Ua {
    pub(super) fn rtp_address(&self, id: LineId) -> SocketAddr {
        SocketAddr::new(self.addr.ip(), self.lines[id].media.port)
    }

    /// Our offer: every codec we speak.
    pub(super) fn offer(&mut self, id: LineId, now: Instant) -> Vec<u8> {
        if self.browser {
            return self.offer_of_page(id, now);
        }
        let at = self.rtp_address(id);
        let media = &mut self.lines[id].media;
        media.version += 1;
        let codecs: Vec<(Codec, u8)> = self.codecs.iter().map(|codec| (*codec, codec.payload_type())).collect();
        let event = Some(media.event).filter(|_| self.takes_events);
        let offer = sdp::write(at, &codecs, event, &media.direction, media.version);
        if self.secure { media.with_keys(&offer, true) } else { offer }
    }

    /// Our answer: the one codec that both speak, in the other side's numbers.
    pub(super) fn answer(&mut self, id: LineId, now: Instant) -> Vec<u8> {
        let at = self.rtp_address(id);
        let media = &mut self.lines[id].media;
        if let Some(answer) = &media.early_answer {
            return answer.clone();
        }
        if self.browser {
            return self.answer_of_page(id, now);
        }
        media.version += 1;
        let Some(remote) = &media.remote else {
            let codecs: Vec<(Codec, u8)> = self.codecs.iter().map(|codec| (*codec, codec.payload_type())).collect();
            let event = Some(media.event).filter(|_| self.takes_events);
            return sdp::write(at, &codecs, event, "sendrecv", 1);
        };
        let direction = match remote.direction.as_str() {
            "sendonly" => "recvonly",
            "recvonly" => "sendonly",
            "inactive" => "inactive",
            // Who holds goes on holding, whoever offers (RFC 6337 §5.3).
            _ => media.direction.as_str(),
        };
        let codecs: Vec<(Codec, u8)> = remote.codec.into_iter().collect();
        let answer = sdp::write(at, &codecs, remote.event.filter(|_| self.takes_events), direction, media.version);
        let answer = if media.sealed { media.with_keys(&answer, false) } else { answer };
        media.early_answer = Some(answer.clone());
        answer
    }

    /// The description in an INVITE that came in.
    pub(super) fn take_remote_offer(&mut self, id: LineId, body: &[u8]) {
        match Remote::parse(body, &self.codecs) {
            Some(remote) => {
                if let Some(event) = remote.event {
                    self.lines[id].media.event = event;
                }
                if remote.codec.is_none() {
                    self.complaints.push(format!("no common codec in {}", String::from_utf8_lossy(body)));
                }
                self.lines[id].media.take_keys(self.secure, body);
                self.lines[id].media.offered = body.to_vec();
                self.lines[id].media.remote = Some(remote);
            }
            None => self.complaints.push(format!("unreadable offer: {}", String::from_utf8_lossy(body))),
        }
    }

    /// A description that takes effect at once.
    pub(super) fn take_remote(&mut self, id: LineId, body: &[u8], now: Instant) {
        match Remote::parse(body, &self.codecs) {
            Some(remote) => {
                self.lines[id].media.take_keys(self.secure, body);
                self.lines[id].media.remote = Some(remote);
                self.lines[id].media.offered = body.to_vec();
                self.answered_to_page(id, body, now);
                self.start_sound(id, now);
            }
            None => self.complaints.push(format!("unreadable description: {}", String::from_utf8_lossy(body))),
        }
    }

    pub(super) fn start_sound(&mut self, id: LineId, now: Instant) {
        let media = &mut self.lines[id].media;
        if !media.speaking {
            media.speaking = true;
            media.opened = Some(now);
            self.timers.set(super::Timer::Speak(id), now);
        }
    }

    /// The next 20 ms.
    pub(super) fn speak(&mut self, id: LineId, now: Instant) {
        let at = self.rtp_address(id);
        let (Sound::Voice(hertz), false) = (self.voice, self.lines[id].is_over()) else { return };
        self.timers.set(super::Timer::Speak(id), now + FRAME);
        let may_speak = !matches!(self.lines[id].state, LineState::Incoming)
            || matches!(self.conduct, super::Conduct::EarlyMedia(_));
        if self.browser {
            return self.speak_by_page(id, hertz, now);
        }
        let media = &mut self.lines[id].media;
        if let (Some(greeting), true, false) = (&self.greeting, may_speak, media.greets) {
            media.greets = true;
            media.say(greeting);
        }
        let packet = media.next_packet(hertz);
        if self.silent || !may_speak {
            return;
        }
        let Some(remote) = media.remote_address() else { return };
        let mut out = Vec::new();
        if let Some(packet) = packet.filter(|_| media.may_send()) {
            media.packets += 1;
            let data = media.sealed_or(packet.bytes(), Secure::seal);
            out.push(Packet { from: at, to: remote, data });
        }
        if media.frames.is_multiple_of(REPORT_EVERY) {
            let rtcp = |addr: SocketAddr| SocketAddr::new(addr.ip(), addr.port() + 1);
            let report = media.report(now);
            let data = media.sealed_or(report, Secure::seal_report);
            out.push(Packet { from: rtcp(at), to: rtcp(remote), data });
        }
        self.out.extend(out);
    }

    /// Something came to one of our RTP or RTCP ports.
    pub(super) fn on_sound(&mut self, packet: &Packet, now: Instant) {
        let port = packet.to.port() & !1;
        let Some(id) = self.lines.iter().position(|line| line.media.port == port) else { return };
        let line = &mut self.lines[id];
        if line.is_over() {
            return;
        }
        if line.media.page.is_some() {
            return self.hear_by_page(id, packet, now);
        }
        let Some(remote) = line.media.remote_address() else { return };
        if packet.to.port() != port {
            match line.media.opened(&packet.data, Secure::open_report) {
                Some(report) => line.media.on_report(&report, now),
                // The network doubles reports too; one in the clear would not be opened either, and is not heard.
                None => line.media.unopened += 1,
            }
            return;
        }
        if packet.from != remote {
            self.strangers_packets += 1;
            return;
        }
        // What the network doubled opens once.
        let Some(data) = line.media.opened(&packet.data, Secure::open) else { return line.media.unopened += 1 };
        let Some(rtp) = Rtp::parse(&data) else {
            return self.complaints.push(format!("garbage on RTP port {port}: {data:02x?}"));
        };
        if rtp.payload_type == line.media.event {
            line.media.on_event(&rtp);
        } else if let Some(codec) = line.media.codec_of(rtp.payload_type) {
            let pcm = line.media.coder.decode(codec, &rtp.payload);
            line.ear.hear(&rtp, &pcm, now);
        } else {
            self.complaints.push(format!("payload type {} was never agreed", rtp.payload_type));
        }
    }
}

impl Media {
    /// The packet for the next 20 ms: voice, or a key that is down; `None` while no codec is agreed.
    fn next_packet(&mut self, hertz: u16) -> Option<Rtp> {
        let remote = self.remote.as_ref()?;
        let ((codec, payload_type), event) = (remote.codec?, remote.event);
        let (timestamp, frame) = (self.timestamp, self.frames);
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES);
        self.frames += 1;
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = Rtp {
            marker: frame == 0,
            payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
            payload: Vec::new(),
        };
        if self.key.is_none()
            && event.is_some()
            && let Some(digit) = self.keys.pop_front()
        {
            self.key = Some(Key { digit, frame: 0, began: timestamp });
        }
        if let (Some(key), Some(pt)) = (&mut self.key, event) {
            let down = KEY_FRAMES + KEY_END_FRAMES;
            key.frame += 1;
            if key.frame <= down {
                let held = key.frame.min(KEY_FRAMES) * FRAME_SAMPLES as u16;
                packet.payload = rtp::event_payload(key.digit, key.frame > KEY_FRAMES, held);
                (packet.payload_type, packet.timestamp, packet.marker) = (pt, key.began, key.frame == 1);
                return Some(packet);
            }
            if key.frame >= down + KEY_PAUSE_FRAMES {
                self.key = None;
            }
        }
        let voice = |n| if self.greets { 0 } else { sound::voice_sample(hertz, frame * u64::from(FRAME_SAMPLES) + n) };
        let pcm: Vec<i16> =
            (0..u64::from(FRAME_SAMPLES)).map(|n| self.script.pop_front().unwrap_or_else(|| voice(n))).collect();
        packet.payload = self.coder.encode(codec, &pcm);
        Some(packet)
    }

    /// A digit is told in many packets; its timestamp names it.
    fn on_event(&mut self, packet: &Rtp) {
        let name = (packet.ssrc, packet.timestamp);
        // A late packet of an earlier digit must not make a new one.
        let old =
            self.last_event.is_some_and(|(ssrc, at)| ssrc == name.0 && packet.timestamp.wrapping_sub(at) as i32 <= 0);
        if !old && let Some((digit, _)) = rtp::event_digit(&packet.payload) {
            self.last_event = Some(name);
            self.digits.push(digit);
        }
    }

    /// SR with one report block about what we hear, where there is anything to tell (RFC 3550 §6.4.1).
    fn report(&self, now: Instant) -> Vec<u8> {
        let since = self.opened.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let blocks = u8::from(self.last_report.is_some());
        let mut bytes = vec![0x80 | blocks, 200, 0, 6 + 6 * blocks];
        bytes.extend(self.ssrc.to_be_bytes());
        bytes.extend((3_900_000_000 + since.as_secs() as u32).to_be_bytes());
        bytes.extend((((u64::from(since.subsec_nanos())) << 32) / 1_000_000_000).to_be_bytes()[4..].iter());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.packets.to_be_bytes());
        bytes.extend((self.packets * FRAME_SAMPLES).to_be_bytes());
        if let Some((ssrc, middle, came)) = self.last_report {
            let delay = now.saturating_duration_since(came).as_micros() as u64 * 65_536 / 1_000_000;
            bytes.extend(ssrc.to_be_bytes());
            bytes.extend([0; 12]);
            bytes.extend(middle.to_be_bytes());
            bytes.extend((delay as u32).to_be_bytes());
        }
        bytes
    }

    fn on_report(&mut self, data: &[u8], now: Instant) {
        self.reports += 1;
        if let (Some([_, 200]), Some(body)) = (data.get(..2), data.get(4..16)) {
            let word = |at: usize| u32::from_be_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
            self.last_report = Some((word(0), word(4) << 16 | word(8) >> 16, now));
        }
    }
}
