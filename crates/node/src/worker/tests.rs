use super::*;
use crate::dns::Resolver;
use crate::errands::Errands;
use crate::fetch::Fetcher;
use crate::library::Library;
use crate::net::sound::Sockets;
use crate::net::streams::Streams;
use crate::net::{Listeners, Resolved, Stock, resolve};
use crate::recorder;
use cell::{Body, Counts, Envelope, Input, Output, Stats};
use media::engine::{Channel, Forward, Packet, Page};
use model::{CallId, CallRecord, Command, Refusal, Reply};
use sip_stack::endpoint::Flow;
use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, oneshot};

type Make = fn(Flow, &[u8]) -> Vec<Output>;

/// A core that does what the test tells it, and remembers what it was told.
#[derive(Default)]
struct Fake {
    outputs: VecDeque<Output>,
    inputs: Vec<Input>,
    on_datagram: Option<Make>,
    forward: Option<Forward>,
    deadline: Option<Instant>,
    timeouts: usize,
    ports: Vec<u16>,
    offered: VecDeque<(Flow, bytes::Bytes)>,
}

impl Core for Fake {
    fn handle_input(&mut self, input: Input, _: Instant) {
        match &input {
            Input::Datagram { data, .. } if &data[..] == b"panic" => panic!("as the test wished"),
            Input::Datagram { flow, data } => {
                self.outputs.extend(self.on_datagram.map(|make| make(*flow, data)).unwrap_or_default());
            }
            Input::Command { ticket, .. } => {
                self.outputs.push_back(Output::Reply { ticket: *ticket, result: Ok(Reply::Done) });
            }
            Input::Ports(ports) => self.ports.extend(ports),
            _ => {}
        }
        self.inputs.push(input);
    }

    fn offer(&mut self, flow: Flow, data: bytes::Bytes, _: Instant, _: Instant) {
        self.offered.push_back((flow, data));
    }

    fn work(&mut self, limit: usize, now: Instant) {
        for (flow, data) in self.offered.drain(..limit.min(self.offered.len())).collect::<Vec<_>>() {
            self.handle_input(Input::Datagram { flow, data }, now);
        }
    }

    fn waiting(&self) -> usize {
        self.offered.len()
    }

    fn handle_packet(&mut self, _: u16, _: Channel, _: SocketAddr, packet: &mut Packet, _: Instant) -> Option<Forward> {
        packet.as_mut_slice().reverse();
        self.forward
    }

    fn handle_timeout(&mut self, _: Instant) {
        self.timeouts += 1;
        self.deadline = None;
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn give_back(&mut self, _: cell::RecordingKey, _: Page) {}

    fn open_ports(&self) -> usize {
        self.counts().ports
    }

    fn ports_before(&self) -> Vec<u16> {
        Vec::new()
    }

    fn shared_port(&self) -> Option<u16> {
        None
    }

    fn counts(&self) -> Counts {
        Counts::default()
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

/// A keeper that looks, at each commit, how many datagrams the peer already has.
#[derive(Default)]
struct Watch {
    peer: Option<UdpSocket>,
    kept: Vec<Vec<u8>>,
    commits: Vec<usize>,
    records: usize,
}

impl Keeper for Watch {
    fn keep(&mut self, key: &[u8], _: &[u8]) -> Result<(), KeepError> {
        self.kept.push(key.to_vec());
        Ok(())
    }

    fn forget(&mut self, _: &[u8]) -> Result<(), KeepError> {
        Err(KeepError::Full)
    }

    fn commit(&mut self) -> Result<(), KeepError> {
        if let Some(peer) = &self.peer {
            peer.set_nonblocking(true).unwrap();
            assert!(peer.recv_from(&mut [0; 64]).is_err(), "something left before what it promises was safe");
        }
        self.commits.push(self.kept.len());
        Ok(())
    }

    fn record(&mut self, _: CallRecord) {
        self.records += 1;
    }

    fn ladder(&mut self, _: CallId, _: Vec<u8>) {}
}

struct Bench {
    shell: Shell<Fake, Watch>,
    inboxes: Arc<[Inbox]>,
    address: SocketAddr,
    events: Events,
    _dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new(core: Fake) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let inboxes: Arc<[Inbox]> = vec![Inbox::new().unwrap(), Inbox::new().unwrap()].into();
        let resolved: Resolved = resolve(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let settings = recorder::Settings {
            dir: dir.path().to_owned(),
            min_free: 0,
            masters: None,
            events: api::EventBus::new(0),
        };
        let (recorder, _thread) = recorder::start(settings, Arc::clone(&inboxes)).unwrap();
        // A range of its own for each test of this process, so that they do not meet; below those that port 0 stands for.
        static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(11_000);
        let first = NEXT.fetch_add(300, std::sync::atomic::Ordering::Relaxed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let resolver = Resolver::new(runtime.handle().clone(), Arc::clone(&inboxes));
        let fetcher = Fetcher::new(runtime.handle().clone(), Arc::clone(&inboxes), None).unwrap();
        let opened = store::Store::open(store::Config::new(dir.path().join("data")));
        let store = runtime.block_on(opened).unwrap();
        let switch =
            crate::switch::NodeSwitch::new(Arc::clone(&inboxes), api::EventBus::new(0), broadcast::channel(16).0);
        let archive = recorder::archive::Archive { folder: dir.path().to_owned(), masters: None, objects: None };
        let errands = Errands::new(runtime.handle().clone(), Arc::clone(&inboxes), store, switch, archive).unwrap();
        let parts = Parts {
            number: 0,
            core,
            keeper: Watch::default(),
            inboxes: Arc::clone(&inboxes),
            listeners: Listeners::bind(&resolved, None).unwrap(),
            streams: Streams::none(Arc::clone(&inboxes)),
            sockets: Sockets::new(first, first + 299, "127.0.0.1".parse().unwrap()),
            stock: Stock::new(first, first + 299),
            tcp: false,
            recorder,
            events: api::EventBus::new(0),
            resolver,
            fetcher,
            errands,
            library: Library::new(
                runtime.handle().clone(),
                "/nowhere".into(),
                crate::speech::Engine::default(),
                Arc::clone(&inboxes),
            ),
            passed: broadcast::channel(16).0,
            hep: None,
        };
        let shell = Shell::new(parts).unwrap();
        Self { shell, inboxes, address: resolved.0[0], events: Events::default(), _dir: dir, _runtime: runtime }
    }

    /// Rounds until the condition holds.
    fn until(&mut self, mut done: impl FnMut(&Shell<Fake, Watch>) -> bool) {
        let limit = Instant::now() + Duration::from_secs(5);
        // A round without news would wait: something must always be on its way.
        while !done(&self.shell) {
            assert!(Instant::now() < limit, "it did not happen");
            self.shell.parts.core.deadline = Some(Instant::now() + Duration::from_millis(5));
            assert!(self.shell.round(&mut self.events).unwrap());
        }
    }

    fn core(&self) -> &Fake {
        &self.shell.parts.core
    }
}

fn peer() -> UdpSocket {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    peer
}

fn keep_and_answer(flow: Flow, data: &[u8]) -> Vec<Output> {
    vec![
        Output::Transmit { flow, data: b"trying".to_vec().into() },
        Output::Keep { key: data.to_vec(), value: Vec::new() },
        Output::Transmit { flow, data: b"ok".to_vec().into() },
    ]
}

#[test]
fn what_is_kept_is_safe_before_anything_leaves_with_one_commit_for_many_datagrams() {
    let mut bench = Bench::new(Fake { on_datagram: Some(keep_and_answer), ..Fake::default() });
    let peer = peer();
    bench.shell.parts.keeper.peer = Some(peer.try_clone().unwrap());
    for i in 0..10u8 {
        peer.send_to(&[i], bench.address).unwrap();
    }
    bench.until(|shell| shell.figures.datagrams_out == 20);
    peer.set_nonblocking(false).unwrap();
    for expected in [&b"trying"[..], b"ok"].iter().cycle().take(20) {
        let mut buf = [0; 16];
        let (len, from) = peer.recv_from(&mut buf).unwrap();
        assert_eq!((&buf[..len], from), (*expected, bench.address));
    }
    assert_eq!(bench.shell.parts.keeper.commits, [10]);
}

#[test]
fn a_packet_is_passed_on_in_place() {
    let mut bench = Bench::new(Fake::default());
    let ports = bench.core().ports.clone();
    assert!(ports.len() >= 64, "ports are bound before the first call");
    let (caller, callee) = (peer(), peer());
    let to = callee.local_addr().unwrap();
    bench.shell.parts.core.forward = Some(Forward { port: ports[1], channel: Channel::Rtp, to });
    caller.send_to(b"abc", ("127.0.0.1", ports[0])).unwrap();
    bench.until(|shell| shell.figures.sound_forwarded == 1);
    let mut buf = [0; 16];
    let (len, from) = callee.recv_from(&mut buf).unwrap();
    assert_eq!((&buf[..len], from.port()), (&b"cba"[..], ports[1]));
}

#[test]
fn a_step_that_panics_costs_only_itself() {
    let mut bench = Bench::new(Fake { on_datagram: Some(keep_and_answer), ..Fake::default() });
    let peer = peer();
    peer.send_to(b"panic", bench.address).unwrap();
    peer.send_to(b"fine", bench.address).unwrap();
    bench.until(|shell| shell.figures.datagrams_out == 2);
    assert_eq!(bench.shell.figures.panics, 1);
}

#[test]
fn a_peer_that_is_not_there_is_told_to_the_core() {
    let mut bench = Bench::new(Fake::default());
    let gone = peer().local_addr().unwrap();
    let flow = Flow::udp(bench.address, gone);
    bench.shell.parts.core.outputs.push_back(Output::Transmit { flow, data: b"anybody?".to_vec().into() });
    bench.until(|shell| shell.parts.core.inputs.iter().any(|i| matches!(i, Input::SendFailed { .. })));
    let failed = bench.core().inputs.iter().find_map(|i| match i {
        Input::SendFailed { flow } => Some(*flow),
        _ => None,
    });
    assert_eq!(failed, Some(flow));
}

fn envelope(to: u16, datagram: bool, n: u8) -> Envelope {
    let flow = Flow::udp("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
    let body = if datagram {
        Body::Datagram { flow, data: vec![n].into() }
    } else {
        Body::Vacate { call: CallId::from_bytes([n; 16]), number: String::new() }
    };
    Envelope { from: 0, to, body }
}

#[test]
fn a_full_inbox_drops_datagrams_and_keeps_everything_else_in_order() {
    let mut bench = Bench::new(Fake::default());
    for _ in 0..ENVELOPES {
        bench.inboxes[1].put_envelope(envelope(1, true, 0)).unwrap();
    }
    for (datagram, n) in [(true, 1), (false, 2), (false, 3), (true, 4)] {
        bench.shell.parts.core.outputs.push_back(Output::Envelope(envelope(1, datagram, n)));
    }
    bench.until(|shell| shell.undelivered.len() == 2);
    assert_eq!(bench.inboxes[1].dropped(), 2);
    for _ in 0..ENVELOPES {
        bench.inboxes[1].take_envelope().unwrap();
    }
    bench.until(|shell| shell.undelivered.is_empty());
    for n in [2, 3] {
        let Some(Envelope { body: Body::Vacate { call, .. }, .. }) = bench.inboxes[1].take_envelope() else {
            panic!("another message")
        };
        assert_eq!(call, CallId::from_bytes([n; 16]));
    }
    assert!(bench.inboxes[1].take_envelope().is_none());
}

#[test]
fn while_letters_wait_for_a_worker_that_does_not_read_no_more_are_made_than_there_is_room_for() {
    let many: Make = |_, _| (0..200).map(|n| Output::Envelope(envelope(1, false, n))).collect();
    let mut bench = Bench::new(Fake { on_datagram: Some(many), ..Fake::default() });
    let (flow, address) = (Flow::udp(bench.address, bench.address), bench.address);
    for n in 0..1000u16 {
        let data = n.to_be_bytes().to_vec().into();
        bench.shell.parts.core.offered.push_back((flow, data));
    }
    // Something at the socket in each round, so that what waits gets its turn.
    let peer = peer();
    for _ in 0..300 {
        peer.send_to(b"x", address).unwrap();
        bench.shell.parts.core.deadline = Some(Instant::now());
        assert!(bench.shell.round(&mut bench.events).unwrap());
    }
    let waiting = bench.shell.undelivered.len();
    assert!(waiting < 8192 + 200 * 64 + 1, "{waiting}");
    assert!(bench.core().waiting() > 800, "what makes letters is left");
    // Datagrams that others hand over are dropped meanwhile; the rest is taken.
    bench.inboxes[0].put_envelope(envelope(0, true, 1)).unwrap();
    bench.inboxes[0].put_envelope(envelope(0, false, 2)).unwrap();
    bench.until(|shell| shell.parts.core.inputs.iter().any(|input| matches!(input, Input::Envelope(_))));
    assert_eq!(bench.inboxes[0].dropped(), 1);
    while bench.inboxes[1].take_envelope().is_some() || !bench.shell.undelivered.is_empty() {
        bench.shell.parts.core.on_datagram = None;
        bench.shell.parts.core.deadline = Some(Instant::now());
        assert!(bench.shell.round(&mut bench.events).unwrap());
    }
    bench.until(|shell| shell.parts.core.waiting() == 0);
}

#[test]
fn messages_to_oneself_commands_and_orders_arrive() {
    let mut bench = Bench::new(Fake::default());
    bench.shell.parts.core.outputs.push_back(Output::Envelope(envelope(0, false, 7)));
    let (reply, mut replied) = oneshot::channel::<Result<Reply, Refusal>>();
    let command = Command::RemoveExtension { number: "1001".to_owned() };
    bench.inboxes[0].put_ask(Ask::Command(Box::new(command), reply)).unwrap();
    bench.inboxes[0].order(Order::Drain);
    bench.until(|shell| shell.parts.core.inputs.iter().any(|i| matches!(i, Input::Drain)));
    assert_eq!(replied.try_recv(), Ok(Ok(Reply::Done)));
    assert!(bench.core().inputs.iter().any(|i| matches!(i, Input::Envelope(_))));
    bench.inboxes[0].order(Order::Stop);
    while bench.shell.round(&mut bench.events).unwrap() {}
}

#[test]
fn a_worker_with_nothing_to_do_sleeps() {
    let mut bench = Bench::new(Fake::default());
    let inboxes = Arc::clone(&bench.inboxes);
    bench.shell.round_until_quiet(&mut bench.events);
    let before = bench.shell.figures.rounds;
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        inboxes[0].order(Order::Stop);
    });
    while bench.shell.round(&mut bench.events).unwrap() {}
    stopper.join().unwrap();
    assert!(bench.shell.figures.rounds - before <= 2, "{} rounds", bench.shell.figures.rounds - before);
}

#[test]
fn a_deadline_wakes_the_worker() {
    let mut bench = Bench::new(Fake::default());
    bench.shell.parts.core.deadline = Some(Instant::now() + Duration::from_millis(20));
    let start = Instant::now();
    while bench.core().timeouts == 0 {
        assert!(bench.shell.round(&mut bench.events).unwrap());
    }
    assert!(start.elapsed() >= Duration::from_millis(19));
}

#[test]
fn a_released_port_comes_back_after_its_rest() {
    let mut bench = Bench::new(Fake::default());
    let port = bench.core().ports[0];
    bench.shell.parts.core.ports.clear();
    bench.shell.parts.core.outputs.push_back(Output::Released(port));
    let start = Instant::now();
    // What the old call's phone still sends is read while the port rests, so that the next call does not find it.
    let late = peer();
    for port in [port, port + 1] {
        late.send_to(b"late", ("127.0.0.1", port)).unwrap();
    }
    bench.until(|shell| shell.figures.sound_in == 2);
    bench.until(|shell| shell.parts.core.ports.contains(&port));
    assert!(start.elapsed() >= Duration::from_secs(1), "it rested");
}

impl Shell<Fake, Watch> {
    /// Deals with everything that is due at once.
    fn round_until_quiet(&mut self, events: &mut Events) {
        self.parts.core.deadline = Some(Instant::now());
        while self.parts.core.timeouts == 0 {
            self.round(events).unwrap();
        }
    }
}
