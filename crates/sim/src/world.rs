//! The world: virtual time, one switch, its phones and the network between.

use crate::edge::Edge;
use crate::ladder::{self, Ladder};
use crate::nat::Nat;
use crate::network::{Fate, Link, Network, Packet};
use crate::phone::Phone;
use crate::setup::Setup;
use crate::sound;
use crate::stranger::Stranger;
use crate::stream::{Happening, Stream, Streams};
use crate::switch::Switch;
use crate::ua::Ua;
use crate::watch::Watch;
use bytes::Bytes;
use sip_stack::endpoint::{Flow, Transport};
use sip_stack::message::Frame;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};
use stdx::Entropy;

/// Where the switch lives.
pub(crate) const SWITCH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);
/// The password of every extension, unless a test sets a wrong one.
pub(crate) const PASSWORD: &str = "correct horse";

/// Everything that lives in a world.
pub(crate) struct Inner {
    pub(crate) seed: u64,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) entropy: Entropy,
    pub(crate) network: Network,
    pub(crate) streams: Streams,
    pub(crate) uas: Vec<Ua>,
    pub(crate) switch: Option<Switch>,
    pub(crate) ladder: Ladder,
    by_ip: BTreeMap<IpAddr, usize>,
    edges: Vec<Edge>,
    names: BTreeMap<IpAddr, String>,
    /// Packets that strangers will send.
    planned: BTreeMap<(Instant, u64), Packet>,
    plans: u64,
    nats: u8,
}

impl Inner {
    /// Hands what a phone wants sent to the network.
    pub(crate) fn flush_ua(&mut self, index: usize) {
        for packet in self.uas[index].take_output() {
            let ua = &self.uas[index];
            match ua.stream.filter(|_| packet.from == ua.addr && packet.to.ip() == SWITCH.ip()) {
                Some(stream) => {
                    let ends = (packet.from, packet.to);
                    self.ring(&packet, "");
                    self.streams.phone_sends(index, stream, ends, &packet.data, &mut self.network, self.now);
                }
                None => self.transmit(packet),
            }
        }
    }

    pub(crate) fn flush_switch(&mut self) {
        let Some(switch) = &mut self.switch else { return };
        let (packets, sent) = (switch.take_output(), switch.take_streams());
        for packet in packets {
            self.transmit(packet);
        }
        for (flow, data) in sent {
            let packet = Packet { from: flow.local, to: flow.remote, data };
            self.ring(&packet, "");
            let uas = &self.uas;
            let listening = |at: SocketAddr, transport: Transport| {
                let there = |ua: &Ua| ua.on && ua.addr == at && ua.stream.is_some_and(|s| s.transport() == transport);
                uas.iter().position(there)
            };
            self.streams.switch_sends(flow, &packet.data, listening, &mut self.network, self.now);
        }
    }

    /// What happened on streams.
    fn streams(&mut self) {
        while let Some(happening) = self.streams.happened(self.now) {
            match happening {
                Happening::AtSwitch(flow, data) => self.stream_data(flow, &data),
                Happening::AtPhone(index, messages) => {
                    let to = self.uas[index].addr;
                    for data in messages {
                        self.uas[index].handle_datagram(&Packet { from: SWITCH, to, data }, self.now);
                    }
                    self.flush_ua(index);
                }
                Happening::SwitchLost(flow) => {
                    if let Some(switch) = &mut self.switch {
                        switch.stream_closed(flow, self.now);
                    }
                }
                Happening::PhoneLost(index) => self.uas[index].stream_lost(self.now),
                Happening::Unsent(flow) => {
                    if let Some(switch) = &mut self.switch {
                        switch.stream_unsent(flow, self.now);
                    }
                }
                Happening::Nothing => {}
            }
            self.flush_switch();
        }
    }

    /// The switch's shell takes a stream apart.
    fn stream_data(&mut self, flow: Flow, data: &[u8]) {
        let Some(switch) = &mut self.switch else { return };
        if flow.transport == Transport::Ws {
            return switch.handle_message(flow, Bytes::copy_from_slice(data), self.now);
        }
        let Some(framer) = self.streams.framer(flow) else { return };
        framer.push(data);
        while let Some(frame) = framer.pop() {
            match frame {
                Ok(Frame::Message(message)) => switch.handle_message(flow, message.as_bytes().clone(), self.now),
                Ok(Frame::Ping) => switch.send_by_stream(flow, b"\r\n".to_vec()),
                Err(error) => {
                    if let Some(reply) = error.reply_to(flow.remote) {
                        switch.send_by_stream(flow, reply.to_vec());
                    }
                }
            }
        }
        if framer.is_closed() {
            self.flush_switch();
            self.streams.close(flow, self.now);
        }
    }

    fn ring(&mut self, packet: &Packet, fate: &str) {
        if packet.is_sip() {
            let name = |ip: IpAddr| self.names.get(&ip).cloned().unwrap_or_else(|| ip.to_string());
            let (from, to) = (name(packet.from.ip()), name(self.network.host_of(packet.to)));
            let what = format!("{}{fate}", ladder::title(&packet.data));
            self.ladder.push(self.now, &from, &to, what);
        }
    }

    fn transmit(&mut self, packet: Packet) {
        let rung = packet.is_sip().then(|| {
            let name = |ip: IpAddr| self.names.get(&ip).cloned().unwrap_or_else(|| ip.to_string());
            (name(packet.from.ip()), name(self.network.host_of(packet.to)), ladder::title(&packet.data))
        });
        let fate = self.network.send(packet, self.now);
        if let Some((from, to, mut what)) = rung {
            if fate == Fate::Lost {
                what.push_str(" (lost)");
            }
            self.ladder.push(self.now, &from, &to, what);
        }
    }

    pub(crate) fn plan(&mut self, at: Instant, packet: Packet) {
        self.plans += 1;
        self.planned.insert((at, self.plans), packet);
    }

    fn next(&self) -> Option<Instant> {
        let phones = self.uas.iter().filter_map(Ua::poll_timeout).min();
        let switch = self.switch.as_ref().and_then(Switch::poll_timeout);
        let planned = self.planned.first_key_value().map(|((at, _), _)| *at);
        [self.network.next(), self.streams.next(), phones, switch, planned].into_iter().flatten().min()
    }

    /// Lets the next thing happen; false if nothing happens until `until`.
    fn step(&mut self, until: Instant) -> bool {
        let Some(next) = self.next().filter(|next| *next <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        while let Some(entry) = self.planned.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let packet = entry.remove();
            self.transmit(packet);
        }
        while let Some(packet) = self.network.arrived(self.now) {
            self.deliver(&packet);
        }
        self.streams();
        if let Some(switch) = &mut self.switch {
            switch.handle_timeout(self.now);
        }
        self.flush_switch();
        for index in 0..self.uas.len() {
            if self.uas[index].poll_timeout().is_some_and(|at| at <= self.now) {
                self.uas[index].handle_timeout(self.now);
                self.flush_ua(index);
            }
        }
        true
    }

    fn deliver(&mut self, packet: &Packet) {
        if packet.to.ip() == SWITCH.ip() {
            if let Some(switch) = &mut self.switch {
                switch.handle_packet(packet, self.now);
            }
            self.flush_switch();
        } else if let Some(index) = self.by_ip.get(&packet.to.ip()).copied() {
            self.uas[index].handle_datagram(packet, self.now);
            self.flush_ua(index);
        } else if let Some(edge) = self.edges.iter().find(|edge| edge.addr == packet.to)
            && let Some(packet) = edge.pass(packet)
        {
            self.transmit(packet);
        }
    }
}

/// A world in virtual time. See the crate's own page for an example.
///
/// It fails the test that runs it as soon as anything in it logs an ERROR, or a phone finds that the switch broke a rule
/// of SIP; the message names the seed.
pub struct World {
    pub(crate) inner: Rc<RefCell<Inner>>,
    watch: Watch,
    setup: Setup,
}

impl World {
    /// A world with a switch of one worker and a clean network.
    pub fn seeded(seed: u64) -> Self {
        Self::new(Setup::new(seed))
    }

    /// A world as described.
    pub fn new(setup: Setup) -> Self {
        let watch = Watch::start();
        let start = stdx::testing::start();
        let mut entropy = Entropy::seeded(setup.seed);
        let mut network = Network::new(entropy.fork(), setup.link);
        network.add_core(SWITCH.ip());
        let switch = setup.workers.map(|workers| Switch::new(&setup, workers, entropy.fork(), start));
        let inner = Inner {
            seed: setup.seed,
            start,
            now: start,
            entropy,
            network,
            streams: Streams::new(Entropy::seeded(setup.seed ^ 0x5712_ea35)),
            uas: Vec::new(),
            switch,
            ladder: Ladder::new(start),
            by_ip: BTreeMap::new(),
            edges: Vec::new(),
            names: BTreeMap::from([(SWITCH.ip(), "switch".to_owned())]),
            planned: BTreeMap::new(),
            plans: 0,
            nats: 0,
        };
        let world = Self { inner: Rc::new(RefCell::new(inner)), watch, setup };
        let peers: Vec<_> = world.setup.trunks.iter().chain(&world.setup.peers).cloned().collect();
        for (name, ip) in peers {
            world.add_ua(&name, &name, ip);
        }
        world
    }

    // Who is there.

    /// A phone of this extension, registered.
    ///
    /// The ladder starts anew once it is. A second phone of the same number is another contact of the same extension.
    pub fn phone(&self, number: &str) -> Phone {
        let phone = self.unregistered(number);
        self.come_online(phone)
    }

    /// A phone of this extension that is not registered yet.
    pub fn unregistered(&self, number: &str) -> Phone {
        let count = self.inner.borrow().uas.len() as u8;
        self.add_phone(number, IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10 + count)))
    }

    /// A registered phone that speaks by a stream.
    pub fn phone_by(&self, stream: Stream, number: &str) -> Phone {
        let phone = self.unregistered(number);
        self.inner.borrow_mut().uas[phone.index].stream = Some(stream);
        self.come_online(phone)
    }

    /// A page of this extension in a browser, registered by WebSocket: its sound is ICE and DTLS-SRTP. Of a world with
    /// [`Setup::browsers`].
    pub fn page(&self, number: &str) -> Phone {
        self.page_by(Stream::Ws, number)
    }

    /// A page whose WebSocket ends at a proxy, which speaks to the switch by another stream.
    pub fn page_by(&self, stream: Stream, number: &str) -> Phone {
        let phone = self.unregistered_page(stream, number);
        self.come_online(phone)
    }

    /// A page whose sound is made of something else.
    pub fn page_made(&self, make: crate::MakePage, number: &str) -> Phone {
        let phone = self.unregistered_page(Stream::Ws, number);
        self.inner.borrow_mut().uas[phone.index].make_page = make;
        self.come_online(phone)
    }

    /// A page that is not registered yet.
    pub fn unregistered_page(&self, stream: Stream, number: &str) -> Phone {
        let phone = self.unregistered(number);
        let mut inner = self.inner.borrow_mut();
        inner.uas[phone.index].stream = Some(stream);
        inner.uas[phone.index].browser = true;
        drop(inner);
        phone
    }

    /// How many streams the switch knows of.
    pub fn streams(&self) -> usize {
        self.inner.borrow().streams.open()
    }

    /// A registered phone behind a NAT box of its own; it names only its private address.
    pub fn phone_behind_nat(&self, number: &str) -> Phone {
        let nat = self.nat();
        self.phone_in(&nat, number)
    }

    /// A NAT box with nobody behind it yet.
    pub fn nat(&self) -> NatBox {
        let mut inner = self.inner.borrow_mut();
        inner.nats += 1;
        let public = IpAddr::V4(Ipv4Addr::new(203, 0, 113, inner.nats));
        let lan = Ipv4Addr::new(10, 0, inner.nats, 0);
        inner.network.add_nat(Nat::new(public, IpAddr::V4(lan)));
        NatBox { public, lan }
    }

    /// A registered phone behind this NAT box.
    pub fn phone_in(&self, nat: &NatBox, number: &str) -> Phone {
        let phone = self.unregistered_in(nat, number);
        self.come_online(phone)
    }

    /// A phone behind this NAT box that is not registered yet.
    pub fn unregistered_in(&self, nat: &NatBox, number: &str) -> Phone {
        let count = self.inner.borrow().uas.len() as u8;
        let [a, b, c, _] = nat.lan.octets();
        let phone = self.add_phone(number, IpAddr::V4(Ipv4Addr::new(a, b, c, 10 + count)));
        let mut inner = self.inner.borrow_mut();
        let now = inner.now;
        inner.uas[phone.index].keep_alive(now);
        drop(inner);
        phone
    }

    /// The same, by a stream.
    pub fn phone_in_by(&self, nat: &NatBox, stream: Stream, number: &str) -> Phone {
        let count = self.inner.borrow().uas.len() as u8;
        let [a, b, c, _] = nat.lan.octets();
        let phone = self.add_phone(number, IpAddr::V4(Ipv4Addr::new(a, b, c, 10 + count)));
        self.inner.borrow_mut().uas[phone.index].stream = Some(stream);
        self.come_online(phone)
    }

    /// A registered page behind this NAT box.
    pub fn page_in(&self, nat: &NatBox, number: &str) -> Phone {
        let phone = self.unregistered_in(nat, number);
        let mut inner = self.inner.borrow_mut();
        inner.uas[phone.index].stream = Some(Stream::Ws);
        inner.uas[phone.index].browser = true;
        drop(inner);
        self.come_online(phone)
    }

    /// The NAT box forgets its mappings.
    pub fn reboot(&self, nat: &NatBox) {
        if let Some(nat) = self.inner.borrow_mut().network.nat_mut(nat.public) {
            nat.reboot();
        }
    }

    /// A phone without any switch: it only calls and is called directly.
    pub fn lone_phone(&self, number: &str) -> Phone {
        let count = self.inner.borrow().uas.len() as u8;
        self.add_ua(number, number, IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10 + count)))
    }

    /// The far end of a trunk of the setup.
    pub fn trunk(&self, name: &str) -> Phone {
        let index = self.inner.borrow().uas.iter().position(|ua| ua.name == name);
        let index = index.unwrap_or_else(|| panic!("the setup has no trunk {name}"));
        self.inner.borrow_mut().uas[index].proxy = Some(SWITCH);
        self.inner.borrow_mut().uas[index].domain = SWITCH.ip().to_string();
        self.inner.borrow_mut().uas[index].max_lines = usize::MAX;
        Phone { inner: self.inner.clone(), index }
    }

    /// A proxy between phones and the switch; [`Phone::behind`] puts a phone there.
    pub fn edge(&self, name: &str) -> SocketAddr {
        self.add_edge(name, 220, |addr| Edge::at(addr, SWITCH))
    }

    /// A carrier that sends every call back, to the same number or to another. The first is at 198.51.100.230.
    pub fn mirror(&self, name: &str, number: Option<&str>) -> SocketAddr {
        self.add_edge(name, 230, |addr| Edge::mirror(addr, SWITCH, number))
    }

    fn add_edge(&self, name: &str, base: u8, edge: impl FnOnce(SocketAddr) -> Edge) -> SocketAddr {
        let mut inner = self.inner.borrow_mut();
        let ip = IpAddr::V4(Ipv4Addr::new(198, 51, 100, base + inner.edges.len() as u8));
        let addr = SocketAddr::new(ip, 5060);
        inner.edges.push(edge(addr));
        inner.names.insert(ip, name.to_owned());
        addr
    }

    /// A proxy dies: it passes nothing on any more.
    pub fn kill_edge(&self, addr: SocketAddr) {
        for edge in self.inner.borrow_mut().edges.iter_mut().filter(|edge| edge.addr == addr) {
            edge.on = false;
        }
    }

    /// Somebody with an address of his own who belongs to nobody.
    pub fn stranger(&self) -> Stranger {
        let n = self.inner.borrow_mut().entropy.below(50) as u8;
        let ip = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 200 + n));
        self.inner.borrow_mut().names.insert(ip, "stranger".to_owned());
        Stranger { inner: self.inner.clone(), address: SocketAddr::new(ip, 4000) }
    }

    fn add_phone(&self, number: &str, ip: IpAddr) -> Phone {
        self.extension(number);
        let twins = self.inner.borrow().uas.iter().filter(|ua| ua.number == number).count();
        let name = if twins == 0 { number.to_owned() } else { format!("{number}/{}", twins + 1) };
        let phone = self.add_ua(&name, number, ip);
        let mut inner = self.inner.borrow_mut();
        let ua = &mut inner.uas[phone.index];
        ua.proxy = Some(SWITCH);
        ua.domain = SWITCH.ip().to_string();
        ua.password = Some(PASSWORD.to_owned());
        drop(inner);
        phone
    }

    fn add_ua(&self, name: &str, number: &str, ip: IpAddr) -> Phone {
        let mut inner = self.inner.borrow_mut();
        let index = inner.uas.len();
        let entropy = inner.entropy.fork();
        inner.uas.push(Ua::new(name, number, ip, sound::voice(index), entropy));
        inner.by_ip.insert(ip, index);
        inner.names.insert(ip, name.to_owned());
        drop(inner);
        Phone { inner: self.inner.clone(), index }
    }

    fn come_online(&self, phone: Phone) -> Phone {
        phone.register();
        let registered = self.run_until(Duration::from_secs(90), || phone.is_registered());
        assert!(
            registered,
            "seed {}: phone {} could not register: {:?}",
            self.seed(),
            phone.name(),
            phone.register_status()
        );
        self.restart_ladder();
        phone
    }

    // Time.

    /// Lets this much time pass.
    pub fn run_for(&self, time: Duration) {
        let until = self.inner.borrow().now + time;
        while self.inner.borrow_mut().step(until) {
            self.check();
        }
        self.check();
    }

    /// Lets time pass until something holds (looking every 10 ms); false if it never does within `limit`.
    pub fn run_until(&self, limit: Duration, holds: impl Fn() -> bool) -> bool {
        let until = self.inner.borrow().now + limit;
        while self.inner.borrow().now < until {
            if holds() {
                return true;
            }
            self.run_for(Duration::from_millis(10));
        }
        holds()
    }

    /// Time since the world began.
    pub fn time(&self) -> Duration {
        let inner = self.inner.borrow();
        inner.now - inner.start
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.inner.borrow().seed
    }

    /// With what the world was set up.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Fails the test if anything went wrong that no test may allow.
    fn check(&self) {
        if let Some(error) = self.watch.error() {
            panic!("seed {}: at {:?} something logged {error}", self.seed(), self.time());
        }
        let complaint =
            self.inner.borrow().uas.iter().find_map(|ua| {
                ua.complaints.first().map(|complaint| format!("phone {} complains: {complaint}", ua.name))
            });
        if let Some(complaint) = complaint {
            panic!("seed {}: at {:?} {complaint}", self.seed(), self.time());
        }
    }

    /// How many warnings were logged.
    pub fn warnings(&self) -> u64 {
        self.watch.warnings()
    }

    // The network.

    /// Every line that has no setting of its own is like this from now on.
    pub fn set_links(&self, link: Link) {
        self.inner.borrow_mut().network.set_fallback(link);
    }

    /// Loses the next `times` SIP messages of this title that a host of this name sends: `ACK`, `200 INVITE`, `BYE`.
    pub fn lose(&self, times: usize, from: &str, title: &str) {
        let mut inner = self.inner.borrow_mut();
        let ips: Vec<IpAddr> = inner.names.iter().filter(|(_, name)| *name == from).map(|(ip, _)| *ip).collect();
        let title = title.to_owned();
        let filter = move |packet: &Packet| ips.contains(&packet.from.ip()) && packet.sip_title() == title;
        inner.network.lose(times, Box::new(filter));
    }

    // What was seen.

    /// Who said what to whom since the last phone came online.
    pub fn ladder(&self) -> String {
        self.inner.borrow().ladder.text()
    }

    /// The ladder starts anew, and its times count from now.
    pub fn restart_ladder(&self) {
        let mut inner = self.inner.borrow_mut();
        let now = inner.now;
        inner.ladder.restart(now);
    }

    /// Phones' transactions and calls that are not over.
    pub fn phones_busy_with(&self) -> usize {
        self.inner.borrow().uas.iter().filter(|ua| ua.on).map(Ua::busy_with).sum()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(inner) = self.inner.try_borrow()
        {
            let ladder = inner.ladder.text();
            let lines: Vec<&str> = ladder.lines().collect();
            let tail = lines[lines.len().saturating_sub(80)..].join("\n");
            // The one place where a library may print: a failed test must tell its seed.
            #[allow(clippy::print_stderr)]
            {
                eprintln!(
                    "the world of seed {} at {:?}:\n{tail}\n{}",
                    inner.seed,
                    inner.now - inner.start,
                    self.watch.tail()
                );
            }
        }
    }
}

/// A NAT box of a world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NatBox {
    public: IpAddr,
    lan: Ipv4Addr,
}
