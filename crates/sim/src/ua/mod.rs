//! A phone's user agent: transactions, registration, calls and sound of one SIP endpoint that is not ours.
//!
//! It follows the RFCs strictly and complains about whatever the other side does that they forbid; a complaint fails the test.

pub(crate) mod carrier;
pub(crate) mod client;
pub(crate) mod digest;
pub(crate) mod events;
mod incoming;
pub(crate) mod line;
mod media;
pub(crate) mod message;
pub(crate) mod page;
mod registration;
mod serve;
pub(crate) mod server;
pub(crate) mod transfer;

use crate::codec::Codec;
use crate::g711::Law;
use crate::network::Packet;
use crate::sound::Sound;
use crate::stream::Stream;
use client::{Client, Purpose};
use digest::Hash;
use line::{End, Line, LineId, LineState};
use registration::Registration;
use server::Server;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use stdx::{Entropy, Timers};

/// RFC 3261 table 4.
pub(crate) const T1: Duration = Duration::from_millis(500);
pub(crate) const T2: Duration = Duration::from_secs(4);
/// 64 × T1: when a transaction gives up.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(32);

/// The SIP port of every phone.
const SIP_PORT: u16 = 5060;
/// RTP ports count up from here, two per call.
const RTP_BASE: u16 = 20_000;

/// What a phone does with a call that comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conduct {
    /// Rings until somebody answers, refuses or gives up.
    Ring,
    /// Rings, and answers after this time.
    Answer(Duration),
    /// Answers at once without ringing.
    AnswerAtOnce,
    /// Sends sound of its own before it is answered (183 with a description): its voice. Answers after the time, if one is given.
    EarlyMedia(Option<Duration>),
    /// 486.
    Busy,
    /// This final status.
    Refuse(u16),
    /// Says nothing at all, not even 100.
    Mute,
    /// Says 100 and nothing more.
    TryingOnly,
}

/// What the far end of a trunk does with a REFER.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Referred {
    /// 202, and NOTIFYs that end with this status.
    Told(u16),
    /// 202, and nothing more is ever heard of it.
    Forgotten,
    /// 202 with `Refer-Sub: false`, and BYE once it is done.
    Silently,
    /// This final status.
    Refused(u16),
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// Repeat a request.
    Repeat(String),
    /// A client transaction ends.
    Lapse(String),
    /// Repeat a final response.
    RepeatResponse(String),
    /// A server transaction is forgotten.
    Forget(String),
    /// Repeat the 200 to an INVITE until its ACK.
    RepeatOk(LineId),
    /// The phone rings: 180.
    Ring(LineId),
    /// Its owner picks up.
    PickUp(LineId),
    /// The next 20 ms of sound.
    Speak(LineId),
    /// Offer a call again.
    Reinvite(LineId),
    /// Tell how it gets on with a REFER: how often it has told already.
    Refer(LineId, usize),
    /// Renew a subscription.
    Resubscribe(usize),
    /// Register again.
    Register,
    /// Keep the NAT box's mapping open.
    KeepAlive,
}

/// One phone (or trunk peer).
pub(crate) struct Ua {
    pub(crate) name: String,
    pub(crate) number: String,
    pub(crate) addr: SocketAddr,
    /// How it speaks to the switch; `None`: by UDP.
    pub(crate) stream: Option<Stream>,
    /// When its stream ends it registers again.
    pub(crate) reconnects: bool,
    /// Keep-alives that were answered, and streams that ended.
    pub(crate) pongs: u64,
    pub(crate) streams_lost: u64,
    /// Where everything is sent; `None`: to the address in the URI.
    pub(crate) proxy: Option<SocketAddr>,
    /// The host part of its address of record.
    pub(crate) domain: String,
    pub(crate) password: Option<String>,
    pub(crate) hash: Hash,
    /// It answers with the last nonce before it is asked.
    pub(crate) remembers_nonce: bool,
    nonce: Option<(digest::Challenge, u8)>,
    /// What it speaks, the preferred first.
    pub(crate) codecs: Vec<Codec>,
    /// It demands SRTP where it offers, and takes it where it is offered.
    pub(crate) secure: bool,
    /// It is a page in a browser.
    pub(crate) browser: bool,
    /// What its sound is made of then.
    pub(crate) make_page: page::MakePage,
    pub(crate) voice: Sound,
    pub(crate) conduct: Conduct,
    /// How many calls it takes at once; more are 486.
    pub(crate) max_lines: usize,
    /// The payload type it offers for digits.
    pub(crate) event: u8,
    /// Whether it offers and takes keys by RTP at all.
    pub(crate) takes_events: bool,
    /// What it says in each call instead of its voice.
    pub(crate) greeting: Option<std::sync::Arc<[i16]>>,
    /// What it gives as Contact in calls, if not its address.
    pub(crate) shown_as: Option<String>,
    /// It sends every call on to this number (302).
    pub(crate) forward: Option<String>,
    /// What its next INVITE carries in Replaces or Join.
    names_dialog: Option<(&'static str, String)>,
    /// It takes NOTIFY with `Event: talk` and `hold`.
    pub(crate) obeys: bool,
    /// What it does with a REFER; none: 501.
    pub(crate) takes_refer: Option<Referred>,
    /// The far end that it speaks with past the switch, since a REFER put them together.
    neighbour: Option<SocketAddr>,
    /// Whom it was asked to call.
    pub(crate) referred_to: Vec<String>,
    /// What the switch said to its NOTIFYs about that.
    pub(crate) notify_statuses: Vec<u16>,
    /// It answers by itself where it is asked to.
    pub(crate) auto_answers: bool,
    /// More headers of its responses to INVITEs and of its BYEs.
    pub(crate) other_headers: Vec<(String, String)>,
    /// More headers of its INVITEs.
    pub(crate) invite_headers: Vec<(String, String)>,
    /// Its microphone and its RTCP are dead.
    pub(crate) silent: bool,
    /// It answers re-INVITEs with this.
    pub(crate) refuses_reinvites: Option<u16>,
    pub(crate) on: bool,
    pub(crate) registration: Registration,
    pub(crate) events: events::Events,
    pub(crate) serving: serve::Serving,
    pub(crate) lines: Vec<Line>,
    pub(crate) invites_received: u64,
    /// The last INVITE of a call that came in.
    pub(crate) last_invite: String,
    pub(crate) strangers_packets: u64,
    pub(crate) complaints: Vec<String>,
    pub(crate) entropy: Entropy,
    /// Per cent of calls that it asks its neighbours to hold back (RFC 7339), and how often it has said so.
    pub(crate) overload: Option<u8>,
    overload_seq: u64,
    /// It is the far end of a trunk that one registers with.
    pub(crate) carrier: Option<carrier::Carrier>,
    clients: BTreeMap<String, Client>,
    servers: BTreeMap<String, Server>,
    timers: Timers<Timer>,
    out: Vec<Packet>,
}

impl Ua {
    pub(crate) fn new(name: &str, number: &str, ip: IpAddr, voice: Sound, mut entropy: Entropy) -> Self {
        let addr = SocketAddr::new(ip, SIP_PORT);
        Self {
            name: name.to_owned(),
            number: number.to_owned(),
            addr,
            stream: None,
            reconnects: true,
            pongs: 0,
            streams_lost: 0,
            proxy: None,
            domain: ip.to_string(),
            password: None,
            hash: Hash::Sha256,
            remembers_nonce: false,
            nonce: None,
            codecs: vec![Codec::G711(Law::A), Codec::G711(Law::Mu)],
            secure: false,
            browser: false,
            make_page: page::usual,
            voice,
            conduct: Conduct::Ring,
            max_lines: 1,
            event: 101,
            takes_events: true,
            greeting: None,
            shown_as: None,
            forward: None,
            names_dialog: None,
            obeys: false,
            takes_refer: None,
            neighbour: None,
            referred_to: Vec::new(),
            notify_statuses: Vec::new(),
            auto_answers: false,
            other_headers: Vec::new(),
            invite_headers: Vec::new(),
            silent: false,
            refuses_reinvites: None,
            on: true,
            registration: Registration::new(&mut entropy),
            events: events::Events::default(),
            serving: serve::Serving::default(),
            lines: Vec::new(),
            invites_received: 0,
            last_invite: String::new(),
            strangers_packets: 0,
            complaints: Vec::new(),
            entropy,
            overload: None,
            overload_seq: 0,
            carrier: None,
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            timers: Timers::default(),
            out: Vec::new(),
        }
    }

    /// A datagram came to one of our ports.
    pub(crate) fn handle_datagram(&mut self, packet: &Packet, now: Instant) {
        if !self.on {
            return;
        }
        if packet.to.port() != SIP_PORT {
            return self.on_sound(packet, now);
        }
        if !packet.is_sip() {
            self.pongs += u64::from(self.stream.is_some() && packet.data == b"\r\n");
            return;
        }
        match message::read(&packet.data) {
            Ok((rsip::SipMessage::Request(request), facts)) => self.on_request(&request, &facts, packet.from, now),
            Ok((rsip::SipMessage::Response(response), facts)) => self.on_response(&response, &facts, now),
            Err(why) => self.complain(format!("{why}: {}", String::from_utf8_lossy(&packet.data))),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.on { [self.timers.next(), self.pages_next()].into_iter().flatten().min() } else { None }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.pages_timeout(now);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Repeat(branch) => self.repeat_request(branch, now),
                Timer::Lapse(branch) => self.lapse(&branch, now),
                Timer::RepeatResponse(key) => self.repeat_response(key, now),
                Timer::Forget(key) => {
                    self.servers.remove(&key);
                    self.timers.cancel(&Timer::RepeatResponse(key));
                }
                Timer::RepeatOk(line) => self.repeat_ok(line, now),
                Timer::Ring(line) => self.ring(line, now),
                Timer::PickUp(line) => self.pick_up(line, now),
                Timer::Speak(line) => self.speak(line, now),
                Timer::Refer(line, told) => self.tell_referrer(line, told, now),
                Timer::Reinvite(line) => self.reoffer(line, now),
                Timer::Resubscribe(index) => self.send_subscribe(index, now),
                Timer::Register => self.register(now),
                Timer::KeepAlive => {
                    if let Some(proxy) = self.proxy {
                        self.send(proxy, b"\r\n\r\n".to_vec());
                        self.timers.set(Timer::KeepAlive, now + Duration::from_secs(25));
                    }
                }
            }
        }
    }

    /// What it wants sent.
    pub(crate) fn take_output(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.out)
    }

    /// Begins to keep NAT mappings open.
    pub(crate) fn keep_alive(&mut self, now: Instant) {
        self.timers.set(Timer::KeepAlive, now + Duration::from_secs(25));
    }

    /// Transactions and calls that are not over.
    pub(crate) fn busy_with(&self) -> usize {
        self.clients.len() + self.servers.len() + self.lines.iter().filter(|line| !line.is_over()).count()
    }

    fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    /// Its stream ended.
    pub(crate) fn stream_lost(&mut self, now: Instant) {
        self.streams_lost += 1;
        if self.browser {
            // What rang cannot be answered any more; the switch calls again.
            let rings = |line: &Line| line.state == LineState::Incoming;
            let ringing: Vec<LineId> = (0..self.lines.len()).filter(|id| rings(&self.lines[*id])).collect();
            for id in ringing {
                self.lines[id].pending = None;
                self.over(id, End::NotTaken(503));
            }
        }
        if self.on && self.reconnects && self.registration.registered {
            self.timers.set(Timer::Register, now + Duration::from_secs(1));
        }
    }

    fn send(&mut self, to: SocketAddr, data: Vec<u8>) {
        let data = self.by_stream(data);
        self.out.push(Packet { from: self.addr, to, data });
    }

    /// Where a request with this URI goes.
    fn next_hop(&mut self, uri: &str) -> SocketAddr {
        let named = message::address_in(uri);
        if let Some(proxy) = self.proxy.filter(|_| named.is_none() || named != self.neighbour) {
            return proxy;
        }
        match named {
            Some(addr) => addr,
            None => {
                self.complain(format!("no address in {uri}"));
                self.addr
            }
        }
    }

    fn contact(&self) -> String {
        match self.stream {
            None => format!("<sip:{}@{}>", self.number, self.addr),
            Some(Stream::Tcp) => format!("<sip:{}@{};transport=tcp>", self.number, self.addr),
            Some(Stream::Tls) => format!("<sip:{}@{};transport=tls>", self.number, self.addr),
            Some(Stream::Ws) => format!("<sip:{}@{};transport=ws>", self.number, self.host()),
        }
    }

    /// Its Contact in calls.
    fn call_contact(&self) -> String {
        self.shown_as.clone().unwrap_or_else(|| self.contact())
    }

    /// What it calls itself: a browser has no address that leads anywhere (RFC 7118 §5).
    pub(crate) fn host(&self) -> String {
        match self.stream {
            Some(Stream::Ws) => format!("page{}.invalid", self.addr.ip().to_string().replace('.', "x")),
            None | Some(Stream::Tcp | Stream::Tls) => self.addr.to_string(),
        }
    }

    /// A request's Via says how it goes.
    fn by_stream(&self, data: Vec<u8>) -> Vec<u8> {
        let (Some(stream), Ok(text)) = (self.stream, std::str::from_utf8(&data)) else { return data };
        if text.starts_with("SIP/2.0") {
            return data;
        }
        let (udp, via) = (format!("SIP/2.0/UDP {}", self.addr), stream.transport().as_str());
        text.replacen(&udp, &format!("SIP/2.0/{via} {}", self.host()), 1).into_bytes()
    }

    fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.entropy.token(16))
    }

    /// Any request that is not part of a call, for what phones do beside calling.
    pub(crate) fn options(&mut self, now: Instant) {
        let Some(proxy) = self.proxy else { return };
        let branch = self.branch();
        let from = format!("<sip:{}@{}>;tag={}", self.number, self.domain, self.entropy.token(8));
        let call_id = self.entropy.token(20);
        let request = message::Draft {
            method: rsip::Method::Options,
            uri: &format!("sip:{}", self.domain),
            via: self.addr,
            branch: &branch,
            from: &from,
            to: &format!("<sip:{}>", self.domain),
            call_id: &call_id,
            cseq: 1,
            contact: Some(self.contact()),
            extra: Vec::new(),
            body: Vec::new(),
        }
        .request();
        self.start_client(request, proxy, Purpose::Options, now);
    }
}
