//! One round of a worker: wait, sound first, then signalling in bounded batches, then time, then what came of it.

use super::figures::{Figures, ShellFigures};
use super::inbox::{Ask, Inbox, Order};
use super::outputs::{Told, Waiting};
use super::seams::{Core, Keeper};
use crate::dns::Resolver;
use crate::errands::Errands;
use crate::fetch::Fetcher;
use crate::hep::Exporter;
use crate::library::Library;
use crate::net::sound::{Bound, Sockets};
use crate::net::streams::Streams;
use crate::net::{Action, Carriers, Listeners, Stock};
use crate::recorder::Recorder;
use api::EventBus;
use bytes::Bytes;
use cell::{Input, Passed, RecordingKey};
use media::engine::{Channel, Forward, Packet};
use model::Refusal;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use sip_stack::endpoint::Flow;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast;
use tracing::{error, warn};

/// Readiness of a signalling socket is told with this and the socket's index; that of a port with less, the port's number in its lower 16 bits.
const LISTENER: u64 = 1 << 32;

/// Readiness of the inbox.
const INBOX: u64 = 1 << 33;

/// That somebody wants to speak by TCP, and, with its index, that a connection has something.
const CALLERS: u64 = 1 << 34;
const CARRIER: u64 = 1 << 35;

/// Sockets told of at one waking.
const EVENTS: usize = 512;

/// Datagrams taken from one signalling socket, messages and wishes from the inbox, before sound gets its turn again.
const BATCH: usize = 32;

/// Datagrams taken from one signalling socket and looked at in one round. More than are read, so that the system's buffer, where
/// everybody's stand in one line, is empty while a flood is on.
const LOOKS: usize = 512;

/// How many packets share one reading of the clock.
const PACKETS_PER_TIME: usize = 8;

/// A wait shorter than this was none: the round before left something to do.
const AWAKE: Duration = Duration::from_millis(1);

/// Letters that wait for room in other inboxes, or for ourselves, while new datagrams are still read. Beyond it they are left where
/// their own bounds hold, and those that other workers hand over are dropped: what is read makes more letters.
const BACKLOG: usize = 8192;

/// While messages wait for room in another inbox, the next try comes after this.
const TRY_AGAIN: Duration = Duration::from_millis(1);

/// Room for what one waking tells. Made on the worker's own thread, where it stays.
pub struct Events(Vec<epoll::Event>);

impl Default for Events {
    fn default() -> Self {
        Self(Vec::with_capacity(EVENTS))
    }
}

/// What a worker is made of.
#[derive(Debug)]
pub struct Parts<C, K> {
    /// Its number among the workers.
    pub number: u16,
    /// What decides.
    pub core: C,
    /// Where things go that must survive.
    pub keeper: K,
    /// All workers' inboxes, its own at its number.
    pub inboxes: Arc<[Inbox]>,
    /// Its signalling sockets.
    pub listeners: Listeners,
    /// Streams, which all workers share.
    pub streams: Streams,
    /// Its ports' sockets.
    pub sockets: Sockets,
    /// Its ports' numbers.
    pub stock: Stock,
    /// Pages may speak by TCP.
    pub tcp: bool,
    /// Where recordings go.
    pub recorder: Recorder,
    /// Who watches.
    pub events: EventBus,
    /// Who asks the domain name system.
    pub resolver: Resolver,
    /// Who fetches prompts.
    pub library: Library,
    /// Who fetches certificates.
    pub fetcher: Fetcher,
    /// Who changes what is stored.
    pub errands: Errands,
    /// Who watches messages.
    pub passed: broadcast::Sender<Passed>,
    /// The capture server, if there is one.
    pub hep: Option<Exporter>,
}

/// What a signalling socket has for us.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    data: bool,
    error: bool,
}

/// A worker: a core, its sockets, and the loop that moves bytes and time between them.
#[derive(Debug)]
pub struct Shell<C, K> {
    pub(super) parts: Parts<C, K>,
    poll: OwnedFd,
    packet: Box<Packet>,
    /// Pages that speak by TCP.
    pub(super) carriers: Carriers,
    ready: Vec<Ready>,
    pub(super) figures: ShellFigures,
    /// Filled by one draining of the core's outputs, done after what it keeps is safe.
    pub(super) sends: Vec<(Flow, Bytes)>,
    pub(super) told: Vec<Told>,
    pub(super) waiting: Waiting,
    pub(super) undelivered: VecDeque<cell::Envelope>,
    pub(super) local: VecDeque<cell::Envelope>,
    pub(super) failed_sends: VecDeque<Flow>,
    pub(super) closing: BTreeSet<RecordingKey>,
    pub(super) overrun: BTreeSet<RecordingKey>,
    told_ports: Option<Instant>,
    /// When the last round began to read.
    looked: Instant,
    /// The core shows its messages.
    watching: bool,
}

impl<C: Core, K: Keeper> Shell<C, K> {
    /// Puts the parts together and binds the first ports, so that the first call finds them.
    pub fn new(parts: Parts<C, K>) -> io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (index, socket) in parts.listeners.sockets().iter().enumerate() {
            epoll::add(&poll, socket, epoll::EventData::new_u64(LISTENER | index as u64), epoll::EventFlags::IN)?;
        }
        let inbox = parts.inboxes.get(usize::from(parts.number)).ok_or(io::ErrorKind::InvalidInput)?;
        epoll::add(&poll, inbox, epoll::EventData::new_u64(INBOX), epoll::EventFlags::IN)?;
        let ready = vec![Ready::default(); parts.listeners.sockets().len()];
        let mut shell = Self {
            parts,
            poll,
            packet: Box::new(Packet::new()),
            carriers: Carriers::default(),
            ready,
            figures: ShellFigures::default(),
            sends: Vec::new(),
            told: Vec::new(),
            waiting: Waiting::default(),
            undelivered: VecDeque::new(),
            local: VecDeque::new(),
            failed_sends: VecDeque::new(),
            closing: BTreeSet::new(),
            overrun: BTreeSet::new(),
            told_ports: None,
            looked: Instant::now(),
            watching: false,
        };
        let now = Instant::now();
        shell.watch(now);
        // What the core said while it was restored.
        shell.outputs(now);
        shell.parts.stock.prefer(&shell.parts.core.ports_before());
        shell.ports(now);
        Ok(shell)
    }

    /// Its number among the workers.
    pub fn number(&self) -> u16 {
        self.parts.number
    }

    /// Waits for something to happen, and does it. False: it was ordered to stop.
    pub fn round(&mut self, events: &mut Events) -> io::Result<bool> {
        let before = self.wait(events)?;
        self.figures.rounds += 1;
        let mut now = Instant::now();
        // Who found us awake may have waited since the last round looked.
        let since = if now.saturating_duration_since(before) < AWAKE { self.looked } else { now };
        self.looked = now;
        let mut called = false;
        let mut signalling = !self.failed_sends.is_empty() || !self.local.is_empty() || !self.undelivered.is_empty();
        for (i, event) in events.0.iter().enumerate() {
            let (data, flags) = ({ event.data }.u64(), event.flags);
            if data < LISTENER {
                if i % PACKETS_PER_TIME == PACKETS_PER_TIME - 1 {
                    now = Instant::now();
                }
                self.sound(data, now);
            } else if data == INBOX {
                called = true;
            } else if data == CALLERS {
                self.carriers.accept(CARRIER, self.poll.as_fd(), now);
            } else if data & CARRIER != 0 {
                self.carried((data & u64::from(u32::MAX)) as usize, now);
            } else if let Some(ready) = self.ready.get_mut((data & 0xffff) as usize) {
                *ready = Ready { data: true, error: flags.contains(epoll::EventFlags::ERR) };
                signalling = true;
            }
        }
        signalling |= self.parts.core.waiting() > 0;
        if signalling {
            self.signalling(since, now);
        }
        let own = self.own_inbox();
        if called {
            self.parts.inboxes[own].acknowledge();
        }
        if called || self.parts.inboxes[own].has_more() {
            signalling = true;
            if !self.inbox(now) {
                return Ok(false);
            }
        }
        if self.parts.core.poll_timeout().is_some_and(|at| at <= now) {
            self.guarded(|core| core.handle_timeout(now));
            signalling = true;
        }
        self.carriers.sweep(now);
        self.watch(now);
        self.listen_for_carriers();
        self.outputs(now);
        // Ports are taken and given back by signalling and time only.
        if signalling || self.parts.stock.poll_timeout().is_some_and(|at| at <= now) {
            self.ports(now);
        }
        Ok(true)
    }

    /// Lets the core show its messages as long as somebody wants to see them.
    fn watch(&mut self, now: Instant) {
        let wanted = self.parts.hep.is_some() || self.parts.passed.receiver_count() > 0;
        if wanted != self.watching {
            self.watching = wanted;
            self.input(Input::Watch(wanted), now);
        }
    }

    /// Sleeps until there is something to do. Gathering sound for half a millisecond, so that one waking serves more packets, was
    /// measured: the timer costs what the wakings save, and every packet is later.
    fn wait(&self, Events(events): &mut Events) -> io::Result<Instant> {
        let before = Instant::now();
        let timeout = self.until(before).map(timespec);
        events.clear();
        match epoll::wait(&self.poll, spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(before),
            Err(e) => Err(e.into()),
        }
    }

    fn own_inbox(&self) -> usize {
        usize::from(self.parts.number)
    }

    /// How long nothing needs to happen; `None`: until something arrives.
    fn until(&self, now: Instant) -> Option<Duration> {
        let own = self.own_inbox();
        let busy = self.parts.inboxes[own].has_more()
            || (self.parts.core.waiting() > 0 && !self.is_backed_up())
            || !self.failed_sends.is_empty()
            || !self.local.is_empty();
        let stuck = (!self.undelivered.is_empty() || !self.closing.is_empty()).then(|| now + TRY_AGAIN);
        let deadlines = [busy.then_some(now), stuck, self.parts.core.poll_timeout(), self.parts.stock.poll_timeout()];
        let deadlines = deadlines.into_iter().chain([self.carriers.poll_timeout()]);
        let wait = deadlines.flatten().min()?.saturating_duration_since(now);
        // Longer than any deadline that matters, and short enough for every kernel.
        Some(wait.min(Duration::from_secs(3600)))
    }

    /// What a socket of sound has: a packet of its leg, or a batch where it serves many.
    #[inline]
    fn sound(&mut self, ready: u64, now: Instant) {
        let batch = if self.parts.core.shared_port() == Some(ready as u16) { BATCH } else { 1 };
        for _ in 0..batch {
            if !self.packet(ready, now) {
                return;
            }
        }
    }

    /// One packet: in, through the core in place, out. False: none waits.
    #[inline]
    fn packet(&mut self, ready: u64, now: Instant) -> bool {
        let poll = self.poll.as_fd();
        let Some(from) = self.parts.sockets.receive(ready, &mut self.packet, poll) else { return false };
        let port = ready as u16;
        let channel = if port.is_multiple_of(2) { Channel::Rtp } else { Channel::Rtcp };
        self.pass_on(port, channel, from, now);
        true
    }

    /// What a connection of a page has: packets like those of the socket that pages share.
    fn carried(&mut self, index: usize, now: Instant) {
        if !self.carriers.read(index, now) {
            return;
        }
        while let Some(port) = self.parts.core.shared_port()
            && let Some(from) = self.carriers.next(index, &mut self.packet)
        {
            // Only who has proved itself is answered.
            if self.pass_on(port, Channel::Rtp, from, now) == Some(from) {
                self.carriers.prove(index);
            }
        }
    }

    /// Listens for them as soon as there is a socket that pages share.
    fn listen_for_carriers(&mut self) {
        let Some(port) = self.parts.core.shared_port().filter(|_| self.parts.tcp) else { return };
        let at = SocketAddr::new(self.parts.sockets.address(), port);
        if let Some(Err(e)) = self.carriers.listen(at, CALLERS, self.poll.as_fd()) {
            warn!(port, "listening for the sound of pages by TCP: {e}; they need UDP or a TURN server");
        }
    }

    /// Through the core in place, and out; where it went.
    #[inline]
    fn pass_on(&mut self, port: u16, channel: Channel, from: SocketAddr, now: Instant) -> Option<SocketAddr> {
        self.figures.sound_in += 1;
        let (core, packet) = (&mut self.parts.core, &mut self.packet);
        let step = catch_unwind(AssertUnwindSafe(|| core.handle_packet(port & !1, channel, from, packet, now)));
        match step {
            Ok(Some(forward)) => {
                let Forward { port, channel, to } = forward;
                if self.parts.sockets.send_or(&mut self.carriers, port, channel, to, self.packet.as_slice()) {
                    self.figures.sound_forwarded += 1;
                } else {
                    self.figures.sound_unsent += 1;
                }
                Some(to)
            }
            Ok(None) => None,
            Err(_) => {
                self.panicked();
                None
            }
        }
    }

    /// Datagrams and ICMP errors of the sockets that are ready, and what was left from the last round.
    fn signalling(&mut self, since: Instant, now: Instant) {
        for _ in 0..self.failed_sends.len().min(BATCH) {
            if let Some(flow) = self.failed_sends.pop_front() {
                self.input(Input::SendFailed { flow }, now);
            }
        }
        for index in 0..self.ready.len() {
            let ready = std::mem::take(&mut self.ready[index]);
            if !ready.data {
                continue;
            }
            for _ in 0..LOOKS {
                match self.parts.listeners.receive(index) {
                    Ok(Some((flow, data))) => {
                        self.figures.datagrams_in += 1;
                        self.guarded(|core| core.offer(flow, data, since, now));
                    }
                    Ok(None) => break,
                    Err(e) => {
                        warn!("receiving signalling: {e}");
                        break;
                    }
                }
            }
            // ICMP errors wait in a queue of their own; it is short.
            for _ in 0..if ready.error { BATCH } else { 0 } {
                let Some(flow) = self.parts.listeners.next_error(index) else { break };
                self.figures.unsent += 1;
                self.input(Input::SendFailed { flow }, now);
            }
        }
        for _ in 0..self.parts.core.waiting().min(2 * BATCH) {
            if self.is_backed_up() {
                return;
            }
            self.guarded(|core| core.work(1, now));
        }
    }

    fn is_backed_up(&self) -> bool {
        self.undelivered.len() + self.local.len() >= BACKLOG
    }

    /// What others put before us. False: stop.
    fn inbox(&mut self, now: Instant) -> bool {
        let own = self.own_inbox();
        let inboxes = Arc::clone(&self.parts.inboxes);
        let inbox = &inboxes[own];
        while let Some((recording, page)) = inbox.take_page() {
            self.guarded(|core| core.give_back(recording, page));
        }
        while let Some((recording, note)) = inbox.take_failure() {
            self.input(Input::RecordingFailed { recording, note }, now);
        }
        while let Some((ticket, answers)) = inbox.take_resolved() {
            self.input(Input::Resolved { ticket, answers }, now);
        }
        while let Some((ticket, clips)) = inbox.take_loaded() {
            self.input(Input::Loaded { ticket, clips }, now);
        }
        while let Some((ticket, result)) = inbox.take_fetched() {
            self.input(Input::Fetched { ticket, result }, now);
        }
        while let Some((ticket, result)) = inbox.take_errand() {
            self.input(Input::ErrandDone { ticket, result }, now);
        }
        for _ in 0..BATCH {
            let Some(envelope) = inbox.take_envelope() else { break };
            if envelope.may_drop() && self.is_backed_up() {
                inbox.count_dropped();
                continue;
            }
            self.input(Input::Envelope(envelope), now);
        }
        for _ in 0..BATCH {
            let Some(ask) = inbox.take_ask() else { break };
            self.ask(ask, now);
        }
        if inbox.take_order(Order::Drain) {
            self.input(Input::Drain, now);
        }
        if inbox.take_order(Order::HangUpAll) {
            self.input(Input::HangUpAll, now);
        }
        if inbox.take_order(Order::Stop) {
            self.outputs(now);
            return false;
        }
        true
    }

    fn ask(&mut self, ask: Ask, now: Instant) {
        match ask {
            Ask::Command(command, reply) => {
                if self.waiting.is_full() {
                    drop(reply.send(Err(Refusal::Overloaded)));
                } else {
                    let ticket = self.waiting.command(reply);
                    self.input(Input::Command { ticket, command: *command }, now);
                }
            }
            Ask::Query(query, answer) => {
                // A full table drops the sender: whoever asked hears that nobody answers.
                if !self.waiting.is_full() {
                    let ticket = self.waiting.query(answer);
                    self.input(Input::Query { ticket, query }, now);
                }
            }
            Ask::Figures(answer) => {
                self.figures.envelopes_waiting = self.undelivered.len() as u64;
                self.figures.dropped_full_inbox = self.parts.inboxes[self.own_inbox()].dropped();
                self.figures.ports_bound = self.parts.stock.sockets() as u64;
                let (counts, stats) = (self.parts.core.counts(), self.parts.core.stats());
                drop(answer.send(Box::new(Figures { shell: self.figures, counts, stats })));
            }
        }
    }

    pub(super) fn input(&mut self, input: Input, now: Instant) {
        self.guarded(|core| core.handle_input(input, now));
    }

    /// A step of the core. One that panics costs what it was about, not the thread.
    fn guarded(&mut self, step: impl FnOnce(&mut C)) {
        let core = &mut self.parts.core;
        if catch_unwind(AssertUnwindSafe(|| step(core))).is_err() {
            self.panicked();
        }
    }

    pub(super) fn panicked(&mut self) {
        self.figures.panics += 1;
        error!(worker = self.parts.number, "a step of the cell panicked; the worker goes on");
    }

    /// Binds ports ahead of need, and gives back those whose rest is over.
    fn ports(&mut self, now: Instant) {
        let open = self.parts.core.open_ports();
        let mut fresh = Vec::new();
        while let Some(action) = self.parts.stock.rested(open, now) {
            match action {
                Action::Give(number) => {
                    self.parts.sockets.renew(number);
                    fresh.push(number);
                }
                Action::Close(number) => self.parts.sockets.close(number),
            }
        }
        for _ in 0..self.parts.stock.wanted(open) {
            let Some(number) = self.parts.stock.take() else { break };
            match self.parts.sockets.bind(number, self.poll.as_fd()) {
                Bound::Yes => {
                    self.parts.stock.bound();
                    fresh.push(number);
                }
                Bound::Taken => self.parts.stock.in_use(number, now),
                Bound::NoRoom(e) => {
                    self.parts.stock.put_back(number);
                    if self.told_ports.is_none_or(|at| now.duration_since(at) >= Duration::from_secs(60)) {
                        self.told_ports = Some(now);
                        warn!(
                            "no more ports for sound can be bound, new calls may be refused: {e}; raise the limit of open files"
                        );
                    }
                    break;
                }
            }
        }
        if !fresh.is_empty() {
            self.input(Input::Ports(fresh), now);
            self.outputs(now);
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: duration.subsec_nanos().into() }
}
