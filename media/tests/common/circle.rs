//! Any number of phones with codecs of their own, an engine between them, in virtual time.

use super::{MS, SECOND, sdp};
use media::codec::resample::Resampler;
use media::codec::{Codec, Decoder, Encoder, MAX_PAYLOAD, MAX_SAMPLES};
use media::engine::{Answer, Channel, Config, Engine, Event, Output, Packet, PortId};
use media::rtp::Header;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::{Entropy, Wall};

/// A phone with one codec, a tone for a voice, and an ear.
pub(crate) struct Member {
    pub(crate) port: PortId,
    pub(crate) address: SocketAddr,
    pub(crate) codec: Codec,
    pub(crate) pt: u8,
    pub(crate) hz: f64,
    pub(crate) amplitude: f64,
    pub(crate) speaking: bool,
    pub(crate) packet_ms: u64,
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
    pub(crate) loss: f64,
    encoder: Encoder,
    decoder: Decoder,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    said: u64,
    /// So many milliseconds after the engine's frames begin its packets leave.
    pub(crate) phase: u64,
    /// What it heard, at its codec's rate, and where its first packet lies.
    pub(crate) heard: Vec<i16>,
    pub(crate) headers: Vec<Header>,
    pub(crate) arrivals: Vec<Instant>,
    pub(crate) digits: Vec<Vec<u8>>,
    /// The last packet's payload.
    pub(crate) last_payload: Vec<u8>,
    first: Option<u32>,
    sealer: Option<media::srtp::Sender>,
}

impl Member {
    pub(crate) fn new(engine: &mut Engine, codec: Codec, hz: f64, number: u64, now: Instant) -> Self {
        let port = engine.open("192.0.2.1".parse().unwrap(), now).unwrap();
        Self {
            port,
            address: SocketAddr::new([198, 51, 100, 10 + number as u8].into(), 5_000 + number as u16 * 2),
            codec,
            pt: codec.static_type().unwrap_or(98),
            hz,
            amplitude: 6_000.0,
            speaking: true,
            packet_ms: codec.packet_time(20).into(),
            delay: MS,
            jitter: Duration::ZERO,
            loss: 0.0,
            encoder: Encoder::new(codec),
            decoder: Decoder::new(codec),
            sequence: 65_500u16.wrapping_add(number as u16),
            timestamp: u32::MAX - 5_000,
            said: 0,
            phase: number * 7 % 20,
            heard: Vec::new(),
            headers: Vec::new(),
            arrivals: Vec::new(),
            digits: Vec::new(),
            last_payload: Vec::new(),
            first: None,
            sealer: None,
        }
    }

    /// Its packets are SRTP from now on; what it hears is not opened.
    pub(crate) fn seal_with(&mut self, key: &media::srtp::MasterKey) {
        self.sealer = media::srtp::Sender::new(key);
    }

    /// What its description says: its codec under its number, and events under 101.
    pub(crate) fn describe(&self) -> Vec<u8> {
        let (name, clock, channels) = self.codec.mapping();
        let channels = if channels == 1 { String::new() } else { format!("/{channels}") };
        let ptime = self.packet_ms;
        sdp(
            self.address,
            &format!(
                "{0} 101\na=rtpmap:{0} {name}/{clock}{channels}\na=rtpmap:101 telephone-event/8000\na=ptime:{ptime}",
                self.pt
            ),
        )
    }

    /// From now on it speaks another codec.
    pub(crate) fn turn_to(&mut self, codec: Codec) {
        self.codec = codec;
        self.packet_ms = codec.packet_time(20).into();
        self.pt = codec.static_type().unwrap_or(98);
        self.encoder = Encoder::new(codec);
        self.decoder = Decoder::new(codec);
        self.heard.clear();
        self.first = None;
    }

    pub(crate) fn packet(&mut self) -> Vec<u8> {
        let rate = self.codec.rate();
        let samples = rate as usize / 1_000 * self.packet_ms as usize;
        let step = self.hz / f64::from(rate) * std::f64::consts::TAU;
        let pcm: Vec<i16> =
            (0..samples as u64).map(|i| (((self.said + i) as f64 * step).sin() * self.amplitude) as i16).collect();
        self.said += samples as u64;
        let mut octets = [0; MAX_PAYLOAD];
        let len = self.encoder.encode(&pcm, &mut octets);
        let mut packet = super::rtp(self.pt, self.sequence, self.timestamp, self.port_ssrc(), &octets[..len]);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.codec.clock() / 1_000 * self.packet_ms as u32);
        if let Some(sealer) = &mut self.sealer {
            let len = packet.len();
            packet.resize(len + media::srtp::OVERHEAD, 0);
            let sealed = sealer.seal_rtp(&mut packet, len).unwrap();
            packet.truncate(sealed);
        }
        packet
    }

    fn port_ssrc(&self) -> u32 {
        u32::from(self.address.port())
    }

    fn hear(&mut self, datagram: &[u8], now: Instant) {
        let header = Header::parse(datagram).unwrap();
        let payload = &datagram[header.payload_at..][..header.payload_len];
        if header.payload_type == 101 {
            self.digits.push(payload.to_vec());
            return;
        }
        self.headers.push(header);
        self.arrivals.push(now);
        if header.payload_type != self.pt {
            return;
        }
        self.last_payload = payload.to_vec();
        let first = *self.first.get_or_insert(header.timestamp);
        let ticks = header.timestamp.wrapping_sub(first) as usize;
        let at = ticks * self.codec.rate() as usize / self.codec.clock() as usize;
        assert!(at < 48_000 * 600, "a timestamp far from the first: {at}");
        let mut samples = [0; MAX_SAMPLES];
        let len = self.decoder.decode(payload, &mut samples);
        if self.heard.len() < at + len {
            self.heard.resize(at + len, 0);
        }
        self.heard[at..at + len].copy_from_slice(&samples[..len]);
    }

    /// What it heard, at 8 kHz.
    pub(crate) fn ear(&self) -> Vec<i16> {
        let rate = self.codec.rate();
        let Some(mut fall) = Resampler::new(rate, 8_000) else { return self.heard.clone() };
        let mut out = Vec::new();
        for run in self.heard.chunks_exact(rate as usize / 50) {
            let mut frame = [0; 160];
            fall.run(run, &mut frame);
            out.extend(frame);
        }
        out
    }
}

pub(crate) struct Circle {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    pub(crate) members: Vec<Member>,
    pub(crate) events: Vec<Event>,
    pub(crate) recorded: Vec<i16>,
    pub(crate) ended: Option<media::engine::EndReason>,
    entropy: Entropy,
    in_flight: BTreeMap<(Instant, u64), (usize, bool, Vec<u8>)>,
    flights: u64,
    ticks: u64,
    packet: Box<Packet>,
    held_back: Option<(usize, Instant)>,
    frozen: Option<Instant>,
}

impl Circle {
    /// Phones with these codecs and voices; each has offered what it speaks and been answered.
    pub(crate) fn of(phones: &[(Codec, f64)]) -> Self {
        let now = stdx::testing::start();
        let mut engine = Engine::new(Config::new(Wall::new(now, 1_700_000_000_000)), Entropy::seeded(3));
        engine.stock((0..phones.len() as u16 + 2).map(|i| 40_000 + i * 2));
        let mut members = Vec::new();
        for (number, (codec, hz)) in phones.iter().enumerate() {
            let member = Member::new(&mut engine, *codec, *hz, number as u64, now);
            engine.set_remote_offer(member.port, &member.describe(), now).unwrap();
            engine.make_answer(member.port, Answer::Early, now).expect("a codec of ours");
            members.push(member);
        }
        Self {
            engine,
            now,
            members,
            events: Vec::new(),
            recorded: Vec::new(),
            ended: None,
            entropy: Entropy::seeded(11),
            in_flight: BTreeMap::new(),
            flights: 0,
            ticks: 0,
            packet: Box::default(),
            held_back: None,
            frozen: None,
        }
    }

    pub(crate) fn ports(&self) -> Vec<PortId> {
        self.members.iter().map(|m| m.port).collect()
    }

    /// Everybody hears everybody else.
    pub(crate) fn join_all(&mut self) {
        let ports = self.ports();
        for port in &ports {
            self.engine.hear(*port, &ports, self.now);
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        for _ in 0..time.as_millis() {
            self.step();
        }
    }

    /// What a member says in this time arrives at its end, all at once.
    pub(crate) fn hold_back(&mut self, member: usize, time: Duration) {
        self.held_back = Some((member, self.now + time));
    }

    /// So long the switch stands still: what is sent to it waits.
    pub(crate) fn freeze(&mut self, time: Duration) {
        let until = self.now + time;
        self.frozen = Some(until);
        self.run(time);
        self.frozen = None;
    }

    /// Something arrives as from a member.
    pub(crate) fn arrive(&mut self, member: usize, channel: Channel, datagram: &[u8]) {
        let (port, from) = (self.members[member].port, self.members[member].address);
        self.packet.copy_from(datagram);
        self.engine.handle_packet(port, channel, from, &mut self.packet, self.now);
    }

    fn step(&mut self) {
        for i in 0..self.members.len() {
            let member = &mut self.members[i];
            if member.speaking && self.ticks % member.packet_ms == member.phase % member.packet_ms {
                let packet = member.packet();
                self.travel(i, true, packet);
            }
        }
        while let Some(entry) = self.in_flight.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (i, to_switch, datagram) = entry.remove();
            if to_switch {
                let (port, from) = (self.members[i].port, self.members[i].address);
                self.packet.copy_from(&datagram);
                let forward = self.engine.handle_packet(port, Channel::Rtp, from, &mut self.packet, self.now);
                if let Some(forward) = forward {
                    let datagram = self.packet.as_slice().to_vec();
                    self.send(forward.to, datagram);
                }
            } else {
                self.members[i].hear(&datagram, self.now);
            }
        }
        if self.frozen.is_none() && self.engine.poll_timeout().is_some_and(|at| at <= self.now) {
            self.engine.handle_timeout(self.now);
        }
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { channel: Channel::Rtp, to, data, .. } => self.send(to, data.to_vec()),
                Output::Event(event) => self.events.push(event),
                Output::Page { recording, page } => {
                    self.recorded.resize(page.at() as usize * 2, 0);
                    self.recorded.extend_from_slice(page.samples());
                    self.engine.give_back(recording, page);
                }
                Output::RecordingEnded { reason, .. } => self.ended = Some(reason),
                Output::Transmit { .. } | Output::Released(_) => {}
            }
        }
        self.ticks += 1;
        self.now += MS;
    }

    fn send(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        let Some(i) = self.members.iter().position(|m| m.address == to) else { return };
        self.travel(i, false, datagram);
    }

    fn travel(&mut self, i: usize, to_switch: bool, datagram: Vec<u8>) {
        let member = &self.members[i];
        if to_switch && self.entropy.chance(member.loss) {
            return;
        }
        let jitter = if to_switch { member.jitter } else { Duration::ZERO };
        let jitter = jitter.mul_f64(self.entropy.below(1_000) as f64 / 1_000.0);
        self.flights += 1;
        let mut at = self.now + member.delay + jitter;
        if to_switch {
            let held = self.held_back.filter(|(held, _)| *held == i).map(|(_, until)| until);
            at = [Some(at), held, self.frozen].into_iter().flatten().max().unwrap_or(at);
        }
        self.in_flight.insert((at, self.flights), (i, to_switch, datagram));
    }

    /// The last `time` of what a member heard, at its codec's rate.
    pub(crate) fn last(&self, member: usize, time: Duration) -> &[i16] {
        let member = &self.members[member];
        let samples = (u64::from(member.codec.rate()) * time.as_millis() as u64 / 1_000) as usize;
        &member.heard[member.heard.len().saturating_sub(samples)..]
    }

    pub(crate) fn settle(&mut self) {
        self.run(SECOND);
    }
}
