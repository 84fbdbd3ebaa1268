//! Pages, desk phones and the engine between them, on a network in virtual time.

use super::{MS, rtp, sdp, text};
use media::browser::{Certificate, Settings, is_over_tcp, over_tcp};
use media::engine::{Answer, Channel, Config, Engine, Event, Output, Packet, PortId};
use media::g711::Law;
use media::rtp::Header;
use media::testing::{Page, Talents, level_of, tone_from};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use stdx::{Entropy, Wall};

pub(crate) static CERTIFICATE: LazyLock<Arc<Certificate>> =
    LazyLock::new(|| Arc::new(Certificate::generate().unwrap()));

pub(crate) const SWITCH: &str = "192.0.2.1";
pub(crate) const PHONE: &str = "192.0.2.7:5004";
pub(crate) const G711: Talents = Talents { opus: true, g722: true, g711: true };

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A desk phone that speaks A-law.
pub(crate) struct Phone {
    pub(crate) port: PortId,
    pub(crate) hz: f32,
    pub(crate) sequence: u16,
    pub(crate) sent: u64,
    pub(crate) digit: Option<u8>,
    pub(crate) heard: Vec<i16>,
    pub(crate) digits: Vec<u8>,
}

pub(crate) struct Leg {
    pub(crate) port: PortId,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) page: Page,
    pub(crate) hz: f32,
    pub(crate) sent: u64,
    pub(crate) key: Option<u8>,
    pub(crate) heard: Vec<i16>,
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) entropy: Entropy,
    pub(crate) now: Instant,
    pub(crate) phones: Vec<Phone>,
    pub(crate) legs: Vec<Leg>,
    pub(crate) wire: BTreeMap<(Instant, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    pub(crate) count: u64,
    /// Of a hundred.
    pub(crate) loss: u64,
    pub(crate) jitter: Duration,
    pub(crate) events: Vec<Event>,
    pub(crate) spoken: Instant,
    /// What comes from pages comes by TCP.
    pub(crate) tcp: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let now = stdx::testing::start();
        let mut config = Config::new(Wall::new(now, 0));
        let candidates = vec!["203.0.113.5".parse().unwrap()];
        config.browsers = Some(Settings { certificate: Arc::clone(&CERTIFICATE), candidates, tcp: true });
        let mut engine = Engine::new(config, Entropy::seeded(seed));
        engine.stock([40_000, 40_002, 40_004]);
        Self {
            engine,
            entropy: Entropy::seeded(seed ^ 77),
            now,
            phones: Vec::new(),
            legs: Vec::new(),
            wire: BTreeMap::new(),
            count: 0,
            loss: 0,
            jitter: Duration::ZERO,
            events: Vec::new(),
            spoken: now,
            tcp: false,
        }
    }

    /// A page that calls: its port has its offer.
    pub(crate) fn calling_page(&mut self, talents: Talents, hz: f32) -> usize {
        let port = self.engine.open_browser(SWITCH.parse().unwrap(), self.now).unwrap();
        let address = SocketAddr::from(([198, 51, 100, 10 + self.legs.len() as u8], 50_000));
        let mut page = Page::new(address, talents, self.now);
        let offer = page.offer("sendrecv", false);
        assert!(media::browser::is_offer(&offer), "{}", text(&offer));
        self.engine.set_remote_offer(port, &offer, self.now).unwrap();
        self.legs.push(Leg { port, addresses: vec![address], page, hz, sent: 0, key: None, heard: Vec::new() });
        self.legs.len() - 1
    }

    /// A page that is called from another port, and answers.
    pub(crate) fn called_page(&mut self, by: PortId, talents: Talents, hz: f32) -> usize {
        let port = self.engine.open_browser(SWITCH.parse().unwrap(), self.now).unwrap();
        let address = SocketAddr::from(([198, 51, 100, 10 + self.legs.len() as u8], 50_000));
        let mut page = Page::new(address, talents, self.now);
        let offer = self.engine.make_offer(port, Some(by), self.now);
        let answer = page.answer(&offer, self.now).unwrap();
        self.engine.set_remote_answer(port, &answer, self.now).unwrap();
        self.legs.push(Leg { port, addresses: vec![address], page, hz, sent: 0, key: None, heard: Vec::new() });
        self.legs.len() - 1
    }

    pub(crate) fn phone(&mut self, by: PortId) -> usize {
        let port = self.engine.open(SWITCH.parse().unwrap(), self.now).unwrap();
        let offer = text(&self.engine.make_offer(port, Some(by), self.now));
        assert!(offer.contains("RTP/AVP ") && !offer.contains("ice-"), "{offer}");
        let answer = sdp(at(PHONE), "8 126\na=rtpmap:126 telephone-event/8000");
        self.engine.set_remote_answer(port, &answer, self.now).unwrap();
        let phone = Phone { port, hz: 700.0, sequence: 0, sent: 0, digit: None, heard: Vec::new(), digits: Vec::new() };
        self.phones.push(phone);
        self.phones.len() - 1
    }

    pub(crate) fn answer_page(&mut self, leg: usize, other: PortId) {
        let port = self.legs[leg].port;
        let answer = self.engine.make_answer(port, Answer::Joined(other), self.now).unwrap();
        self.legs[leg].page.take_answer(&answer, self.now).unwrap_or_else(|e| panic!("{e}: {}", text(&answer)));
        self.engine.bridge(port, other, self.now);
    }

    pub(crate) fn reoffer(&mut self, leg: usize, direction: &str, restart: bool) -> String {
        let offer = self.legs[leg].page.offer(direction, restart);
        let answer = self.engine.reanswer(self.legs[leg].port, &offer, self.now).unwrap();
        self.legs[leg].page.take_answer(&answer, self.now).unwrap();
        text(&answer)
    }

    pub(crate) fn send(&mut self, from: SocketAddr, to: SocketAddr, data: Vec<u8>) {
        if self.entropy.below(100) < self.loss {
            return;
        }
        let by_tcp = is_over_tcp(to);
        assert!(by_tcp == self.tcp || self.legs.iter().all(|leg| !leg.addresses.contains(&to)), "{to} by another way");
        let to = if by_tcp { SocketAddr::new(to.ip().to_canonical(), to.port()) } else { to };
        let late = self.entropy.below(self.jitter.as_micros() as u64 + 1);
        self.count += 1;
        self.wire.insert((self.now + MS + Duration::from_micros(late), self.count), (from, to, data));
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += MS;
            while let Some(entry) = self.wire.first_entry().filter(|e| e.key().0 <= self.now) {
                let (from, to, data) = entry.remove();
                self.deliver(from, to, &data);
            }
            if self.now >= self.spoken + 20 * MS {
                self.spoken += 20 * MS;
                self.speak();
            }
            if self.engine.poll_timeout().is_some_and(|t| t <= self.now) {
                self.engine.handle_timeout(self.now);
            }
            for leg in &mut self.legs {
                leg.page.handle_timeout(self.now);
            }
            self.flush();
        }
    }

    pub(crate) fn flush(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { port, to, data, .. } => {
                    self.send(SocketAddr::new(SWITCH.parse().unwrap(), port), to, data.to_vec());
                }
                Output::Event(event) => self.events.push(event),
                _ => {}
            }
        }
        let sent: Vec<_> = self.legs.iter_mut().flat_map(|leg| std::mem::take(&mut leg.page.sent)).collect();
        sent.into_iter().for_each(|s| self.send(s.from, s.to, s.data));
    }

    pub(crate) fn deliver(&mut self, from: SocketAddr, to: SocketAddr, data: &[u8]) {
        if to.ip() == SWITCH.parse::<std::net::IpAddr>().unwrap() {
            let mut packet = Packet::new();
            packet.copy_from(data);
            let forward = if self.engine.shared_port() == Some(to.port()) {
                let from = if self.tcp { over_tcp(from) } else { from };
                self.engine.handle_shared(from, &mut packet, self.now)
            } else {
                let Some(port) = self.engine.port_by_number(to.port()) else { return };
                self.engine.handle_packet(port, Channel::Rtp, from, &mut packet, self.now)
            };
            if let Some(forward) = forward {
                self.send(SocketAddr::new(to.ip(), forward.port), forward.to, packet.as_slice().to_vec());
            }
        } else if to == at(PHONE) {
            let header = Header::parse(data).unwrap();
            let payload = &data[header.payload_at..];
            let phone = &mut self.phones[0];
            match header.payload_type {
                8 => phone.heard.extend(payload.iter().map(|o| Law::A.decode(*o))),
                _ => phone.digits.push(payload[0]),
            }
        } else if let Some(leg) = self.legs.iter_mut().find(|leg| leg.addresses.contains(&to)) {
            leg.page.handle_datagram(from, to, data, self.now);
            for frame in std::mem::take(&mut leg.page.heard) {
                if frame.payload_type == 8 {
                    leg.heard.extend(frame.payload.iter().map(|o| Law::A.decode(*o)));
                }
            }
        }
    }

    pub(crate) fn speak(&mut self) {
        for i in 0..self.phones.len() {
            let phone = &mut self.phones[i];
            let number = self.engine.local_port(phone.port);
            let voice: Vec<u8> = tone_from(phone.hz, phone.sent, 160).into_iter().map(|s| Law::A.encode(s)).collect();
            let packet = match phone.digit.take() {
                Some(digit) => rtp(126, phone.sequence, phone.sent as u32, 5, &[digit, 0x8a, 3, 32]),
                None => rtp(8, phone.sequence, phone.sent as u32, 5, &voice),
            };
            phone.sequence = phone.sequence.wrapping_add(1);
            phone.sent += 160;
            self.send(at(PHONE), SocketAddr::new(SWITCH.parse().unwrap(), number), packet);
        }
        for leg in &mut self.legs {
            let voice: Vec<u8> = tone_from(leg.hz, leg.sent, 160).into_iter().map(|s| Law::A.encode(s)).collect();
            leg.page.speak(8, leg.sent, &voice, leg.key.take(), self.now);
            leg.sent += 160;
        }
    }
}

/// The tone is what was heard last, for half a second.
pub(crate) fn hears(heard: &[i16], hz: f32) -> bool {
    heard.len() >= 4_000 && {
        let (level, snr) = level_of(&heard[heard.len() - 4_000..], f64::from(hz), 8_000);
        level > 2_000.0 && snr > 10.0
    }
}

pub(crate) fn forget(world: &mut World) {
    world.legs.iter_mut().for_each(|leg| leg.heard.clear());
    world.phones.iter_mut().for_each(|phone| phone.heard.clear());
}

pub(crate) fn assert_both_hear(world: &World) {
    let (leg, phone) = (&world.legs[0], &world.phones[0]);
    assert!(hears(&leg.heard, phone.hz), "the page hears {} samples", leg.heard.len());
    assert!(hears(&phone.heard, leg.hz), "the phone hears {} samples", phone.heard.len());
}

pub(crate) fn call(world: &mut World) -> (usize, usize) {
    let leg = world.calling_page(G711, 1_000.0);
    let phone = world.phone(world.legs[leg].port);
    world.answer_page(leg, world.phones[phone].port);
    (leg, phone)
}
