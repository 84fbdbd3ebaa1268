//! The other side of a browser leg: a page, played by str0m's full agent with its own descriptions, in virtual time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::{Codec, CodecExtra, FormatParams};
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid, TelephoneEvent};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// A datagram of a page, from one of its addresses.
#[derive(Clone, Debug)]
pub struct Sent {
    /// From where.
    pub from: SocketAddr,
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub data: Vec<u8>,
}

/// A frame of sound that a page received.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Its payload type.
    pub payload_type: u8,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// What it says, encoded.
    pub payload: Vec<u8>,
}

/// Which codecs a page offers, each with `true`.
#[derive(Clone, Copy, Debug)]
pub struct Talents {
    /// Opus.
    pub opus: bool,
    /// G.722.
    pub g722: bool,
    /// Both laws of G.711.
    pub g711: bool,
}

/// A page. After each call take what it sends and heard.
#[derive(Debug)]
pub struct Page {
    rtc: Rtc,
    mid: Option<Mid>,
    pending: Option<SdpPendingOffer>,
    timeout: Option<Instant>,
    /// What it wants sent.
    pub sent: Vec<Sent>,
    /// What it heard.
    pub heard: Vec<Heard>,
    /// Keys that came as events.
    pub digits: String,
    /// The handshake is done.
    pub connected: bool,
    last_press: Option<u64>,
}

impl Page {
    /// A page at this address.
    pub fn new(address: SocketAddr, talents: Talents, now: Instant) -> Self {
        let builder = Rtc::builder()
            .clear_codecs()
            .enable_opus(talents.opus, false)
            .enable_g722(talents.g722, false)
            .enable_pcmu(talents.g711, false)
            .enable_pcma(talents.g711, false)
            .set_reordering_size_audio(3);
        let mut builder = builder;
        for (pt, clock) in [(126, Frequency::EIGHT_KHZ), (110, Frequency::FORTY_EIGHT_KHZ)] {
            if pt == 126 || talents.opus {
                let events = FormatParams::parse_line("0-16");
                builder.codec_config().add_config(pt.into(), None, Codec::Tele, clock, None, events);
            }
        }
        let (rtc, timeout) = (builder.build(now), Some(now));
        let (sent, heard, digits) = (Vec::new(), Vec::new(), String::new());
        let mut page =
            Self { rtc, mid: None, pending: None, timeout, sent, heard, digits, connected: false, last_press: None };
        page.stand_at(address);
        page
    }

    /// It can be reached at this address too.
    pub fn stand_at(&mut self, address: SocketAddr) {
        if let Ok(candidate) = Candidate::host(address, "udp") {
            self.rtc.add_local_candidate(candidate);
        }
    }

    /// Its first offer, or one with another direction: `sendrecv`, `sendonly`, `recvonly`, `inactive`. `restart` begins ICE anew.
    pub fn offer(&mut self, direction: &str, restart: bool) -> Vec<u8> {
        let direction = match direction {
            "sendonly" => Direction::SendOnly,
            "recvonly" => Direction::RecvOnly,
            "inactive" => Direction::Inactive,
            _ => Direction::SendRecv,
        };
        let mut changes = self.rtc.sdp_api();
        match self.mid {
            Some(mid) => changes.set_direction(mid, direction),
            None => self.mid = Some(changes.add_media(MediaKind::Audio, direction, None, None, None)),
        }
        if restart {
            changes.ice_restart(true);
        }
        let Some((offer, pending)) = changes.apply() else { return Vec::new() };
        self.pending = Some(pending);
        offer.to_sdp_string().into_bytes()
    }

    /// The answer to its offer; why it cannot use it otherwise.
    pub fn take_answer(&mut self, sdp: &[u8], now: Instant) -> Result<(), String> {
        let answer = SdpAnswer::from_sdp_string(&String::from_utf8_lossy(sdp)).map_err(|e| e.to_string())?;
        let pending = self.pending.take().ok_or("no offer")?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(|e| e.to_string())?;
        self.drain(now);
        Ok(())
    }

    /// True if its offer has not been answered.
    pub fn is_waiting(&self) -> bool {
        self.pending.is_some()
    }

    /// Its answer to an offer; why it cannot use it otherwise.
    pub fn answer(&mut self, sdp: &[u8], now: Instant) -> Result<Vec<u8>, String> {
        let offer = SdpOffer::from_sdp_string(&String::from_utf8_lossy(sdp)).map_err(|e| e.to_string())?;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(|e| e.to_string())?;
        self.drain(now);
        Ok(answer.to_sdp_string().into_bytes())
    }

    /// Speaks a frame, encoded for a payload type; `timestamp` counts in that codec's clock. With it a key is pressed for 100 ms.
    pub fn speak(&mut self, payload_type: u8, timestamp: u64, payload: &[u8], key: Option<u8>, now: Instant) {
        let Some(mut writer) = self.mid.and_then(|mid| self.rtc.writer(mid)) else { return };
        let Some(params) = writer.payload_params().find(|p| *p.pt() == payload_type).copied() else { return };
        if let Some(event) = key {
            let press = TelephoneEvent { event, end: true, volume: 10, duration: Duration::from_millis(100) };
            writer = writer.telephone_event(press);
        }
        let frequency =
            if params.spec().codec == Codec::G722 { Frequency::SIXTEEN_KHZ } else { params.spec().clock_rate };
        // What is not negotiated, or comes too early, is not sent: then nobody hears it either.
        drop(writer.write(params.pt(), now, MediaTime::new(timestamp, frequency), payload.to_vec()));
        self.drain(now);
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, from: SocketAddr, to: SocketAddr, data: &[u8], now: Instant) {
        if let Ok(receive) = Receive::new(Protocol::Udp, from, to, data) {
            drop(self.rtc.handle_input(Input::Receive(now, receive)));
            self.drain(now);
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.timeout.is_some_and(|at| at <= now) {
            drop(self.rtc.handle_input(Input::Timeout(now)));
            self.drain(now);
        }
    }

    /// When time matters next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = Some(at.max(now + Duration::from_millis(1)));
                    return;
                }
                Ok(Output::Transmit(t)) => {
                    self.sent.push(Sent { from: t.source, to: t.destination, data: t.contents.to_vec() });
                }
                Ok(Output::Event(event)) => self.note(event),
                Err(_) => {
                    self.timeout = None;
                    return;
                }
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::MediaAdded(added) => self.mid = Some(added.mid),
            Event::MediaData(data) => {
                if let CodecExtra::Tele(event) = data.codec_extra {
                    // Many packets tell of one press; its timestamp names it.
                    let name = data.time.numer();
                    if self.last_press.replace(name) != Some(name) {
                        self.digits.extend(b"0123456789*#ABCD!".get(usize::from(event.event)).map(|k| char::from(*k)));
                    }
                    return;
                }
                let (payload_type, payload) = (*data.pt, data.data.to_vec());
                self.heard.push(Heard { payload_type, timestamp: data.time.numer() as u32, payload });
            }
            _ => {}
        }
    }
}
