//! Two phones, a network and an engine, in virtual time.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part

pub(crate) mod circle;
pub(crate) mod pages;

use media::engine::{Answer, Channel, Config, Engine, Event, Output, Packet, PortId, RecordingId};
use media::g711::Law;
use media::rtp::{HEADER, Header};
use media::testing::tone_from;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::{Entropy, Wall};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// How packets travel, each way.
#[derive(Clone, Copy)]
pub(crate) struct Network {
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
    pub(crate) loss: f64,
    pub(crate) duplication: f64,
}

impl Network {
    pub(crate) const PERFECT: Self = Self { delay: MS, jitter: Duration::ZERO, loss: 0.0, duplication: 0.0 };
}

/// A phone that speaks a tone and keeps what it hears.
pub(crate) struct Phone {
    pub(crate) address: SocketAddr,
    pub(crate) port: PortId,
    pub(crate) hz: f32,
    pub(crate) law: Law,
    pub(crate) pt: u8,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) speaking: bool,
    pub(crate) sent: u64,
    /// What it says before its tone goes on.
    pub(crate) script: std::collections::VecDeque<i16>,
    /// What it hears by payload type.
    pub(crate) takes: Vec<(u8, Law)>,
    pub(crate) heard: Vec<i16>,
    pub(crate) headers: Vec<Header>,
    pub(crate) payloads: Vec<Vec<u8>>,
    pub(crate) reports: Vec<Vec<u8>>,
    first: Option<u32>,
}

impl Phone {
    /// The next packet of its voice.
    pub(crate) fn packet(&mut self) -> Vec<u8> {
        let voice = tone_from(self.hz, self.sent, 160);
        let said: Vec<i16> = voice.into_iter().map(|s| self.script.pop_front().unwrap_or(s)).collect();
        let payload: Vec<u8> = said.into_iter().map(|s| self.law.encode(s)).collect();
        self.sent += 160;
        let packet = rtp(self.pt, self.sequence, self.timestamp, self.ssrc, &payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        packet
    }

    fn hear(&mut self, datagram: &[u8]) {
        let header = Header::parse(datagram).unwrap();
        let payload = &datagram[header.payload_at..][..header.payload_len];
        self.headers.push(header);
        self.payloads.push(payload.to_vec());
        let Some((_, law)) = self.takes.iter().find(|(pt, _)| *pt == header.payload_type) else { return };
        let first = *self.first.get_or_insert(header.timestamp);
        let at = header.timestamp.wrapping_sub(first) as usize;
        assert!(at < 8_000 * 4_000, "a timestamp far from the first: {at}");
        if self.heard.len() < at + payload.len() {
            self.heard.resize(at + payload.len(), 0);
        }
        for (slot, octet) in self.heard[at..].iter_mut().zip(payload) {
            *slot = law.decode(*octet);
        }
    }
}

pub(crate) fn rtp(pt: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        marker: false,
        payload_type: pt,
        sequence,
        timestamp,
        ssrc,
        payload_at: 12,
        payload_len: payload.len(),
    };
    let mut head = [0; HEADER];
    header.write(&mut head);
    [&head, payload].concat()
}

/// A description a phone would send.
pub(crate) fn sdp(address: SocketAddr, audio: &str) -> Vec<u8> {
    let ip = address.ip();
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let (formats, attributes) = audio.split_once('\n').unwrap_or((audio, ""));
    let attributes: String = attributes.lines().map(|l| format!("{}\r\n", l.trim())).collect();
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP {formats}\r\n{attributes}",
        address.port()
    )
    .into_bytes()
}

pub(crate) fn text(sdp: &[u8]) -> String {
    String::from_utf8(sdp.to_vec()).unwrap()
}

pub(crate) struct Pair {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    pub(crate) phones: [Phone; 2],
    pub(crate) network: Network,
    pub(crate) events: Vec<Event>,
    pub(crate) released: Vec<u16>,
    /// Interleaved, and how it ended.
    pub(crate) recorded: Vec<i16>,
    pub(crate) ended: Option<(u64, u64, media::engine::EndReason)>,
    /// False for a disk that writes nothing.
    pub(crate) disk: bool,
    entropy: Entropy,
    in_flight: BTreeMap<(Instant, u64), Flight>,
    flights: u64,
    packet: Box<Packet>,
    ticks: u64,
}

enum Flight {
    ToSwitch(usize, Channel, Vec<u8>),
    ToPhone(SocketAddr, Channel, Vec<u8>),
}

pub(crate) const CALLER: usize = 0;
pub(crate) const CALLEE: usize = 1;

impl Pair {
    /// Two ports, nothing negotiated.
    pub(crate) fn opened() -> Self {
        let now = stdx::testing::start();
        let mut engine = Engine::new(Config::new(Wall::new(now, 1_700_000_000_000)), Entropy::seeded(9));
        engine.stock([40_000, 40_002]);
        let local = "192.0.2.1".parse().unwrap();
        let ports = [engine.open(local, now).unwrap(), engine.open(local, now).unwrap()];
        let phone = |i: usize, law, pt, hz| Phone {
            address: SocketAddr::new([198, 51, 100, 10 + i as u8].into(), 5_000),
            port: ports[i],
            hz,
            law,
            pt,
            ssrc: 100 + i as u32,
            sequence: if i == 0 { 65_500 } else { 17 },
            timestamp: if i == 0 { u32::MAX - 5_000 } else { 3 },
            speaking: true,
            sent: 0,
            script: std::collections::VecDeque::new(),
            takes: vec![(0, Law::Mu), (8, Law::A)],
            heard: Vec::new(),
            headers: Vec::new(),
            payloads: Vec::new(),
            reports: Vec::new(),
            first: None,
        };
        Self {
            engine,
            now,
            phones: [phone(0, Law::A, 8, 1070.0), phone(1, Law::A, 8, 2050.0)],
            network: Network::PERFECT,
            events: Vec::new(),
            released: Vec::new(),
            recorded: Vec::new(),
            ended: None,
            disk: true,
            entropy: Entropy::seeded(5),
            in_flight: BTreeMap::new(),
            flights: 0,
            packet: Box::default(),
            ticks: 0,
        }
    }

    /// A call that was offered and answered with these formats (see [`sdp`]), and is bridged.
    pub(crate) fn talking(offer: &str, answer: &str) -> Self {
        let mut pair = Self::opened();
        let [a, b] = pair.ports();
        pair.engine.set_remote_offer(a, &sdp(pair.phones[0].address, offer), pair.now).unwrap();
        pair.engine.make_offer(b, Some(a), pair.now);
        pair.engine.set_remote_answer(b, &sdp(pair.phones[1].address, answer), pair.now).unwrap();
        pair.engine.bridge(a, b, pair.now);
        pair.engine.make_answer(a, Answer::Joined(b), pair.now).unwrap();
        pair
    }

    /// The same with PCMA on both sides.
    pub(crate) fn plain() -> Self {
        Self::talking("8 101\na=rtpmap:101 telephone-event/8000", "8 101\na=rtpmap:101 telephone-event/8000")
    }

    pub(crate) fn ports(&self) -> [PortId; 2] {
        [self.phones[0].port, self.phones[1].port]
    }

    pub(crate) fn record(&mut self) -> RecordingId {
        let [a, b] = self.ports();
        self.engine.record(a, b, false, self.now)
    }

    /// The recording's channels.
    pub(crate) fn channels(&self) -> [Vec<i16>; 2] {
        [0, 1].map(|side| self.recorded.iter().skip(side).step_by(2).copied().collect())
    }

    pub(crate) fn run(&mut self, time: Duration) {
        for _ in 0..time.as_millis() {
            self.step();
        }
    }

    /// One millisecond.
    fn step(&mut self) {
        for i in 0..2 {
            // The callee's clock has another phase.
            if self.phones[i].speaking && self.ticks % 20 == i as u64 * 7 {
                let packet = self.phones[i].packet();
                self.send(i, Channel::Rtp, packet);
            }
        }
        while let Some(entry) = self.in_flight.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            match entry.remove() {
                Flight::ToSwitch(i, channel, datagram) => self.arrive(self.phones[i].address, i, channel, &datagram),
                Flight::ToPhone(to, channel, datagram) => self.reach(to, channel, &datagram),
            }
        }
        if self.engine.poll_timeout().is_some_and(|at| at <= self.now) {
            self.engine.handle_timeout(self.now);
        }
        self.drain();
        self.ticks += 1;
        self.now += MS;
    }

    /// A phone sends this into the network.
    pub(crate) fn send(&mut self, phone: usize, channel: Channel, datagram: Vec<u8>) {
        self.travel(Flight::ToSwitch(phone, channel, datagram.clone()));
        if self.entropy.chance(self.network.duplication) {
            self.travel(Flight::ToSwitch(phone, channel, datagram));
        }
    }

    fn travel(&mut self, flight: Flight) {
        if self.entropy.chance(self.network.loss) {
            return;
        }
        let jitter = self.network.jitter.mul_f64(self.entropy.below(1000) as f64 / 1000.0);
        self.flights += 1;
        self.in_flight.insert((self.now + self.network.delay + jitter, self.flights), flight);
    }

    /// A datagram arrives at a port, from wherever.
    pub(crate) fn arrive(&mut self, from: SocketAddr, phone: usize, channel: Channel, datagram: &[u8]) {
        let port = self.phones[phone].port;
        self.packet.copy_from(datagram);
        let forward = self.engine.handle_packet(port, channel, from, &mut self.packet, self.now);
        if let Some(forward) = forward {
            assert_eq!(forward.port, self.engine.local_port(self.phones[1 - phone].port));
            self.travel(Flight::ToPhone(forward.to, forward.channel, self.packet.as_slice().to_vec()));
        }
        self.drain();
    }

    fn reach(&mut self, to: SocketAddr, channel: Channel, datagram: &[u8]) {
        let rtcp = |p: &Phone| SocketAddr::new(p.address.ip(), p.address.port() + 1);
        for phone in &mut self.phones {
            if channel == Channel::Rtp && to == phone.address {
                phone.hear(datagram);
            } else if channel == Channel::Rtcp && to == rtcp(phone) {
                phone.reports.push(datagram.to_vec());
            }
        }
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { channel, to, data, .. } => self.travel(Flight::ToPhone(to, channel, data.to_vec())),
                Output::Event(event) => self.events.push(event),
                Output::Released(number) => self.released.push(number),
                Output::Page { recording, page } => {
                    assert!(page.frames() <= 4_000);
                    if self.disk {
                        let channels = page.samples().len() / page.frames().max(1);
                        let start = page.at() as usize * channels;
                        assert!(start >= self.recorded.len(), "pages in order");
                        self.recorded.resize(start, 0);
                        self.recorded.extend_from_slice(page.samples());
                        self.engine.give_back(recording, page);
                    }
                }
                Output::RecordingEnded { samples, missing, reason, .. } => {
                    self.ended = Some((samples, missing, reason));
                }
            }
        }
    }
}
