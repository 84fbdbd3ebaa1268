//! The switch under test, in a modelled shell: what `node` does with sockets, threads and disks is done here in virtual time.

mod hot;
mod questions;
mod tape;

pub use tape::{Recording, Track};

use crate::network::Packet;
use crate::setup::Setup;
use crate::ua::digest::Hash;
use crate::web::Web;
use crate::world::SWITCH;
use crate::zone::{Answers, Zone};
use bytes::Bytes;
use cell::{Config, Envelope, Input, LoadFailure, Local, Locals, Output, RecordingKey, Worker};
use hot::{Hot, Sql};
use media::clip::Clip;
use media::engine::Channel;
use model::{CallId, Command, Event, Extension, Item, Refusal, Reply, Trunk};
use sip_stack::endpoint::{Flow, Transport};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stdx::{Entropy, Wall};
use tape::Tape;

/// The realm of every password.
pub(crate) const REALM: &str = "sim.test";
/// When the world begins: 2026-11-21 00:00:00 UTC.
const EPOCH: u64 = 1_795_219_200_000;
/// The first RTP port of worker 0; each next worker's begin a thousand above.
const RTP_BASE: u16 = 40_000;
/// A question to the domain name system takes this long.
const RESOLVING: Duration = Duration::from_millis(5);
/// Prompts are read from the disk in this time.
const LOADING: Duration = Duration::from_millis(20);
/// The database has changed a setting in this time.
const ERRAND: Duration = Duration::from_millis(15);
/// A released port rests this long.
const REST: Duration = Duration::from_secs(1);

/// What was found where prompts are kept.
type Loaded = Result<cell::Clips, LoadFailure>;

/// The switch: its workers, and everything a shell keeps for them.
pub(crate) struct Switch {
    config: Config,
    wanted: u16,
    ports: u16,
    workers: Vec<Worker>,
    entropy: Entropy,
    envelopes: BTreeMap<(Instant, u64), Envelope>,
    /// Envelopes from one worker to another never overtake each other.
    latest: BTreeMap<(u16, u16), Instant>,
    carried: u64,
    resting: VecDeque<(Instant, u16)>,
    hot: Hot,
    sql: Sql,
    tapes: BTreeMap<String, Tape>,
    paths: BTreeMap<RecordingKey, String>,
    pub(crate) disk_full: bool,
    extensions: BTreeMap<String, Extension>,
    events: Vec<Event>,
    passed: Vec<model::Seen>,
    /// What was sent to programs on the switch's own machine, by their ports: samples of 16 bits.
    programs: BTreeMap<u16, Vec<i16>>,
    replies: BTreeMap<u64, Vec<Result<Reply, Refusal>>>,
    answers: BTreeMap<u64, Vec<model::Answer>>,
    tickets: u64,
    /// Call-ID and CSeq of INVITEs that reached us with credentials, or from a trunk, and were not challenged.
    invited: BTreeSet<(String, String)>,
    /// Call-IDs of all INVITEs that ever reached us.
    seen: BTreeSet<String>,
    trunks: BTreeSet<IpAddr>,
    /// What the domain name system says.
    pub(crate) zone: Zone,
    /// Prompts by name, and those on their way to a worker.
    prompts: BTreeMap<String, Arc<Clip>>,
    loading: BTreeMap<(Instant, u64), (usize, u64, Loaded)>,
    /// Answers on their way, with their worker and ticket.
    resolving: BTreeMap<(Instant, u64), (usize, u64, Answers)>,
    /// What is to be had by HTTPS.
    pub(crate) web: Web,
    /// Pages on their way, with their worker and ticket.
    fetching: BTreeMap<(Instant, u64), (usize, u64, Option<cell::Fetched>)>,
    /// What the database has of messages.
    voicemails: Vec<model::Voicemail>,
    /// Errands under way, with their worker and ticket.
    errands: BTreeMap<(Instant, u64), (usize, u64, cell::Errand)>,
    said: BTreeMap<(Instant, u64), (usize, u64, Option<cell::Brought>)>,
    out: Vec<Packet>,
    by_streams: Vec<(Flow, Vec<u8>)>,
}

impl Switch {
    pub(crate) fn new(setup: &Setup, workers: u16, entropy: Entropy, now: Instant) -> Self {
        let mut config = Config::new(REALM, Wall::new(now, EPOCH));
        config.cells = workers;
        config.seal = Some(sip_stack::seal::Seal::new(&[setup.seed as u8; 32]));
        let local = Local { transport: Transport::Udp, address: SWITCH, prefix: 24 };
        let also = [Transport::Tcp, Transport::Tls].into_iter().filter(|_| setup.streams);
        let all = [local].into_iter().chain(also.map(|transport| Local { transport, ..local })).collect();
        config.locals = Locals { all, advertised: None };
        config.routes.clone_from(&setup.routes);
        config.policy.announce = setup.announce;
        config.policy.media_timeout = setup.media_timeout;
        config.policy.max_calls = setup.max_calls_per_worker;
        config.digest = setup.digest.iter().map(|hash| algorithm(*hash)).collect();
        for (name, ip) in &setup.trunks {
            let target = SocketAddr::new(*ip, 5060);
            let target_text = Some(target.to_string());
            config.trunks.push(Trunk { addresses: vec![(*ip).into()], target: target_text, ..Trunk::new(name) });
        }
        for tuning in &setup.tunings {
            tuning(&mut config);
        }
        let told = config
            .trunks
            .iter()
            .flat_map(|trunk| trunk.addresses.iter().filter_map(|source| source.to_string().parse().ok()));
        let trunks = setup.trunks.iter().chain(&setup.peers).map(|(_, ip)| *ip).chain(told).collect();
        let mut switch = Self {
            config,
            wanted: workers,
            ports: setup.ports,
            workers: Vec::new(),
            entropy,
            envelopes: BTreeMap::new(),
            latest: BTreeMap::new(),
            carried: 0,
            resting: VecDeque::new(),
            hot: Hot::default(),
            sql: Sql::default(),
            tapes: BTreeMap::new(),
            paths: BTreeMap::new(),
            disk_full: false,
            extensions: BTreeMap::new(),
            events: Vec::new(),
            passed: Vec::new(),
            programs: BTreeMap::new(),
            replies: BTreeMap::new(),
            answers: BTreeMap::new(),
            tickets: 0,
            invited: BTreeSet::new(),
            seen: BTreeSet::new(),
            trunks,
            zone: setup.zone.clone(),
            prompts: setup.prompts.clone(),
            loading: BTreeMap::new(),
            resolving: BTreeMap::new(),
            web: Web::default(),
            fetching: BTreeMap::new(),
            voicemails: Vec::new(),
            errands: BTreeMap::new(),
            said: BTreeMap::new(),
            out: Vec::new(),
            by_streams: Vec::new(),
        };
        switch.start(now);
        switch
    }

    /// The process begins: workers, what the hot store has for them, extensions, ports.
    pub(crate) fn start(&mut self, now: Instant) {
        let pairs = self.hot.scan();
        for cell in 0..self.wanted {
            let config = Config { cell, cells: self.wanted, ..self.config.clone() };
            let mut worker = Worker::new(config, self.entropy.fork(), now);
            for (key, value) in &pairs {
                worker.restore(key, value, now);
            }
            self.workers.push(worker);
        }
        for index in 0..self.workers.len() {
            self.drain(index, now);
        }
        for extension in self.extensions.values().cloned().collect::<Vec<_>>() {
            self.command_all(&Command::PutExtension(Box::new(extension)), now);
        }
        for index in 0..self.workers.len() {
            let first = RTP_BASE + 1000 * index as u16;
            let ports = (0..self.ports).map(|n| first + 2 * n).collect();
            self.input(index, Input::Ports(ports), now);
        }
    }

    /// `kill -9`: nobody says good-bye, and what was not written is gone.
    pub(crate) fn die(&mut self) {
        self.workers.clear();
        self.envelopes.clear();
        self.resolving.clear();
        self.loading.clear();
        self.fetching.clear();
        self.errands.clear();
        self.said.clear();
        self.latest.clear();
        self.resting.clear();
        self.paths.clear();
        self.hot.die();
        self.sql.die();
        for tape in self.tapes.values_mut().filter(|tape| !tape.closed) {
            tape.die();
        }
        self.out.clear();
        self.by_streams.clear();
    }

    pub(crate) fn take_output(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.out)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let workers = self.workers.iter().filter_map(Worker::poll_timeout).min();
        let envelope = self.envelopes.first_key_value().map(|((at, _), _)| *at);
        let resting = self.resting.front().map(|(at, _)| *at);
        let resolving = self.resolving.first_key_value().map(|((at, _), _)| *at);
        let loading = self.loading.first_key_value().map(|((at, _), _)| *at);
        let fetching = self.fetching.first_key_value().map(|((at, _), _)| *at);
        let errands = self.errands.first_key_value().map(|((at, _), _)| *at);
        let said = self.said.first_key_value().map(|((at, _), _)| *at);
        let stores = [self.hot.next(), self.sql.next()];
        [workers, envelope, resting, resolving, loading, fetching, errands, said]
            .into_iter()
            .chain(stores)
            .flatten()
            .min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(entry) = self.envelopes.first_entry().filter(|entry| entry.key().0 <= now) {
            let envelope = entry.remove();
            self.input(usize::from(envelope.to), Input::Envelope(envelope), now);
        }
        while let Some(entry) = self.resolving.first_entry().filter(|entry| entry.key().0 <= now) {
            let (index, ticket, answers) = entry.remove();
            self.input(index, Input::Resolved { ticket, answers }, now);
        }
        while let Some(entry) = self.loading.first_entry().filter(|entry| entry.key().0 <= now) {
            let (index, ticket, clips) = entry.remove();
            self.input(index, Input::Loaded { ticket, clips }, now);
        }
        while let Some(entry) = self.fetching.first_entry().filter(|entry| entry.key().0 <= now) {
            let (index, ticket, result) = entry.remove();
            self.input(index, Input::Fetched { ticket, result }, now);
        }
        while let Some(entry) = self.errands.first_entry().filter(|entry| entry.key().0 <= now) {
            let (index, ticket, errand) = entry.remove();
            let result = self.run_errand(errand, now);
            self.input(index, Input::ErrandDone { ticket, result }, now);
        }
        while let Some(entry) = self.said.first_entry().filter(|entry| entry.key().0 <= now) {
            let (index, ticket, result) = entry.remove();
            self.input(index, Input::ErrandDone { ticket, result }, now);
        }
        while let Some((_, port)) = self.resting.front().copied().filter(|(at, _)| *at <= now) {
            self.resting.pop_front();
            let owner = self.owner(port);
            self.input(owner, Input::Ports(vec![port]), now);
        }
        for index in 0..self.workers.len() {
            if self.workers[index].poll_timeout().is_some_and(|at| at <= now) {
                self.workers[index].handle_timeout(now);
                self.drain(index, now);
            }
        }
        if self.hot.next().is_some_and(|at| at <= now) {
            self.hot.commit();
        }
        if self.sql.next().is_some_and(|at| at <= now) {
            // A record leaves the hot store only when SQL has it.
            for id in self.sql.write(now) {
                self.hot.forget(format!("record/{id}").into_bytes(), now);
            }
        }
    }

    /// A datagram for one of our addresses.
    pub(crate) fn handle_packet(&mut self, packet: &Packet, now: Instant) {
        if self.workers.is_empty() {
            return;
        }
        if packet.to != SWITCH {
            return self.handle_sound(packet, now);
        }
        self.note_invite(packet);
        // The kernel gives each sender to one of the workers' sockets.
        let IpAddr::V4(ip) = packet.from.ip() else { return };
        let spread =
            u32::from_be_bytes(ip.octets()).wrapping_mul(2_654_435_761).wrapping_add(packet.from.port().into());
        let index = (spread >> 8) as usize % self.workers.len();
        let flow = Flow::udp(SWITCH, packet.from);
        self.input(index, Input::Datagram { flow, data: Bytes::copy_from_slice(&packet.data) }, now);
    }

    /// What goes out by streams.
    pub(crate) fn take_streams(&mut self) -> Vec<(Flow, Vec<u8>)> {
        std::mem::take(&mut self.by_streams)
    }

    pub(crate) fn send_by_stream(&mut self, flow: Flow, data: Vec<u8>) {
        self.by_streams.push((flow, data));
    }

    /// A message that came by a stream: the edge gives it to its owner.
    pub(crate) fn handle_message(&mut self, flow: Flow, data: Bytes, now: Instant) {
        if self.workers.is_empty() {
            return;
        }
        self.note_invite(&Packet { from: flow.remote, to: flow.local, data: data.to_vec() });
        let to = cell::owner(&data, self.workers.len() as u16);
        let body = cell::Body::Datagram { flow, data };
        self.input(usize::from(to), Input::Envelope(Envelope { from: to, to, body }), now);
    }

    /// A stream is gone: every worker hears of it.
    pub(crate) fn stream_closed(&mut self, flow: Flow, now: Instant) {
        for index in 0..self.workers.len() {
            self.input(index, Input::StreamClosed { flow }, now);
        }
    }

    /// A stream could not be opened, or takes nothing more.
    pub(crate) fn stream_unsent(&mut self, flow: Flow, now: Instant) {
        self.input(0, Input::SendFailed { flow }, now);
    }

    fn handle_sound(&mut self, packet: &Packet, now: Instant) {
        let number = packet.to.port() & !1;
        let channel = if packet.to.port() == number { Channel::Rtp } else { Channel::Rtcp };
        let index = self.owner(number);
        let Some(worker) = self.workers.get_mut(index) else { return };
        let mut buffer = media::engine::Packet::new();
        buffer.copy_from(&packet.data);
        if let Some(forward) = worker.handle_packet(number, channel, packet.from, &mut buffer, now) {
            self.send_sound(forward.port, forward.channel, forward.to, buffer.as_slice());
        }
        self.drain(index, now);
    }

    fn send_sound(&mut self, port: u16, channel: Channel, to: SocketAddr, data: &[u8]) {
        if to.ip().is_loopback() {
            let heard = self.programs.entry(to.port()).or_default();
            if !media::rtp::is_rtcp(data) {
                let samples = data.get(media::rtp::HEADER..).unwrap_or_default().chunks_exact(2);
                heard.extend(samples.map(|pair| i16::from_be_bytes([pair[0], pair[1]])));
            }
            return;
        }
        let port = match channel {
            Channel::Rtp => port,
            Channel::Rtcp => port + 1,
        };
        self.out.push(Packet { from: SocketAddr::new(SWITCH.ip(), port), to, data: data.to_vec() });
    }

    fn owner(&self, port: u16) -> usize {
        usize::from(port.saturating_sub(RTP_BASE) / 1000)
    }

    fn input(&mut self, index: usize, input: Input, now: Instant) {
        if let Some(worker) = self.workers.get_mut(index) {
            worker.handle_input(input, now);
            self.drain(index, now);
        }
    }

    fn command_all(&mut self, command: &Command, now: Instant) {
        self.tickets += 1;
        let ticket = self.tickets;
        for index in 0..self.workers.len() {
            self.input(index, Input::Command { ticket, command: command.clone() }, now);
        }
    }

    /// Does what a worker wishes, in order.
    fn drain(&mut self, index: usize, now: Instant) {
        while let Some(output) = self.workers[index].poll_output() {
            match output {
                Output::Transmit { flow, data } if flow.transport != Transport::Udp => {
                    self.hot.commit();
                    let packet = Packet { from: flow.local, to: flow.remote, data: data.to_vec() };
                    if packet.sip_title() == "401 INVITE" {
                        self.invited.remove(&name_of(&packet));
                    }
                    self.by_streams.push((flow, packet.data));
                }
                Output::Transmit { flow, data } => {
                    self.hot.commit();
                    let packet = Packet { from: flow.local, to: flow.remote, data: data.to_vec() };
                    if packet.sip_title() == "401 INVITE" {
                        self.invited.remove(&name_of(&packet));
                    }
                    self.out.push(packet);
                }
                Output::Rtp { port, channel, to, data } => self.send_sound(port, channel, to, &data),
                Output::Envelope(envelope) => self.carry(envelope, now),
                Output::Reply { ticket, result } => {
                    self.hot.commit();
                    self.replies.entry(ticket).or_default().push(result);
                }
                Output::Answer { ticket, answer } => self.answers.entry(ticket).or_default().push(answer),
                Output::Keep { key, value } => self.hot.keep(key, value, now),
                Output::Forget { key } => self.hot.forget(key, now),
                Output::Record { record } => self.sql.insert(*record, now),
                Output::Ladder { call, trace } => {
                    self.sql.ladders.insert(call, trace);
                }
                Output::Event(event) => self.events.push(event),
                Output::Resolve { ticket, question } => {
                    self.carried += 1;
                    let answers = self.zone.answer(&question);
                    self.resolving.insert((now + RESOLVING, self.carried), (index, ticket, answers));
                }
                Output::Load { ticket, items } => {
                    self.carried += 1;
                    let clip = |item: &Item| match item {
                        Item::Prompt(name) => self.prompts.get(name).cloned().ok_or(LoadFailure::NoSuchPrompt),
                        // A speech engine that hums for 100 ms per letter.
                        Item::Text { text, .. } => {
                            Ok(Arc::new(Clip::from(media::testing::tone(1_850.0, text.chars().count() * 800))))
                        }
                        // The cell asks for the words' clips.
                        Item::Spoken { .. } => Err(LoadFailure::NoSuchPrompt),
                    };
                    let clips = items.iter().map(clip).collect();
                    self.loading.insert((now + LOADING, self.carried), (index, ticket, clips));
                }
                Output::Fetch { ticket, url } => {
                    self.carried += 1;
                    let (after, page) = self.web.fetch(&url);
                    self.fetching.insert((now + after, self.carried), (index, ticket, page));
                }
                Output::Errand { ticket, errand } => {
                    self.carried += 1;
                    if let cell::Errand::AskProgram { url, wait, question } = errand {
                        let (after, answer) = self.web.ask(&url, wait, &question);
                        let brought = answer.map(cell::Brought::Said);
                        self.said.insert((now + after, self.carried), (index, ticket, brought));
                        continue;
                    }
                    self.errands.insert((now + ERRAND, self.carried), (index, ticket, errand));
                }
                Output::TlsPeer { .. } => {}
                Output::Passed(passed) => self.passed.push(passed.to_seen()),
                Output::RecordingOpened { recording, path, mixed, from } => {
                    self.close_tape(recording, now);
                    self.paths.insert(recording, path.clone());
                    self.tapes.insert(path, Tape::new(mixed, from, now));
                }
                Output::RecordingPage { recording, page } => {
                    self.write_page(index, recording, &page, now);
                    self.workers[index].give_back(recording, page);
                }
                Output::RecordingClosed { recording } => {
                    self.close_tape(recording, now);
                }
                Output::Released(port) => self.resting.push_back((now + REST, port)),
            }
        }
    }

    /// What the shell does with its database.
    fn run_errand(&mut self, errand: cell::Errand, now: Instant) -> Option<cell::Brought> {
        match errand {
            cell::Errand::Messages { mailbox } => {
                let mut all: Vec<_> = self.voicemails.iter().filter(|m| m.mailbox == mailbox).cloned().collect();
                all.sort_by_key(|message| (message.heard, message.at, message.id));
                return Some(cell::Brought::Messages(all));
            }
            cell::Errand::HearVoicemail { path } => {
                let tape = self.tapes.get(&path).filter(|tape| !tape.broken)?;
                return Some(cell::Brought::Sound([Arc::new(Clip::from(tape.mono()))].into()));
            }
            cell::Errand::Discard { path } => drop(self.tapes.remove(&path)),
            cell::Errand::KeepVoicemail(message) => {
                if self.voicemails.iter().all(|known| known.path != message.path) {
                    let id = self.voicemails.iter().map(|known| known.id).max().unwrap_or_default() + 1;
                    self.voicemails.push(model::Voicemail { id, ..*message.clone() });
                }
                self.tell_lamps(&message.mailbox, now);
            }
            cell::Errand::MarkVoicemail { mailbox, id } => {
                self.voicemails.iter_mut().filter(|m| m.id == id).for_each(|m| m.heard = true);
                self.tell_lamps(&mailbox, now);
            }
            cell::Errand::RemoveVoicemail { mailbox, id } => {
                self.voicemails.retain(|message| message.id != id);
                self.tell_lamps(&mailbox, now);
            }
            cell::Errand::ChangeExtension { number, wish } => {
                let mut extension = self.extensions.get(&number)?.clone();
                extension.obey(wish).ok()?;
                self.extensions.insert(number, extension.clone());
                self.command_all(&Command::PutExtension(Box::new(extension)), now);
            }
            // It was asked when it was sent for.
            cell::Errand::AskProgram { .. } => return None,
        }
        Some(cell::Brought::Done)
    }

    fn tell_lamps(&mut self, mailbox: &str, now: Instant) {
        let Some(mailbox) = self.config.mailboxes.iter().find(|known| known.name == mailbox).cloned() else { return };
        for extension in mailbox.extensions {
            let count = |heard| {
                let of = |m: &&model::Voicemail| m.mailbox == mailbox.name && m.heard == heard;
                self.voicemails.iter().filter(of).count() as u32
            };
            let (new, old) = (count(false), count(true));
            self.tickets += 1;
            let command = Command::SetMessages { extension: extension.clone(), new, old };
            let home = sip_stack::placement::aor_hash(extension.as_bytes()) % self.workers.len().max(1) as u64;
            self.input(home as usize, Input::Command { ticket: self.tickets, command }, now);
        }
    }

    fn close_tape(&mut self, recording: RecordingKey, now: Instant) {
        if let Some(tape) = self.paths.remove(&recording).and_then(|path| self.tapes.get_mut(&path)) {
            tape.checkpoint(now);
            tape.closed = true;
        }
    }

    fn write_page(&mut self, index: usize, recording: RecordingKey, page: &media::engine::Page, now: Instant) {
        let Some(tape) = self.paths.get(&recording).and_then(|path| self.tapes.get_mut(path)) else { return };
        if tape.broken {
            return;
        }
        if self.disk_full {
            tape.broken = true;
            let note = "no space left on device".to_owned();
            self.workers[index].handle_input(Input::RecordingFailed { recording, note }, now);
            return;
        }
        tape.write(page.at(), page.samples(), now);
    }

    fn carry(&mut self, envelope: Envelope, now: Instant) {
        let path = (envelope.from, envelope.to);
        let at = now + Duration::from_micros(20 + self.entropy.below(300));
        let latest = self.latest.entry(path).or_insert(at);
        *latest = (*latest).max(at);
        self.carried += 1;
        self.envelopes.insert((*latest, self.carried), envelope);
    }

    /// Remembers a call that must have a record in the end.
    fn note_invite(&mut self, packet: &Packet) {
        if packet.sip_title() != "INVITE" {
            return;
        }
        // Who takes a place in another's call is in that one's record.
        let first = header(packet, "To").is_some_and(|to| !to.contains(";tag="))
            && header(packet, "Replaces").or_else(|| header(packet, "Join")).is_none();
        if first && (header(packet, "Authorization").is_some() || self.trunks.contains(&packet.from.ip())) {
            let name = name_of(packet);
            self.seen.insert(name.0.clone());
            self.invited.insert(name);
        }
    }

    fn ladder_of(&self, id: CallId) -> Option<&[u8]> {
        self.sql.ladders.get(&id).map(Vec::as_slice)
    }
}

fn algorithm(hash: Hash) -> sip_stack::auth::Algorithm {
    match hash {
        Hash::Md5 => sip_stack::auth::Algorithm::Md5,
        Hash::Sha256 => sip_stack::auth::Algorithm::Sha256,
    }
}

/// Call-ID and CSeq number: the same in an INVITE, its repetitions and their responses.
fn name_of(packet: &Packet) -> (String, String) {
    let cseq = header(packet, "CSeq").unwrap_or_default();
    let number = cseq.split_whitespace().next().unwrap_or_default().to_owned();
    (header(packet, "Call-ID").unwrap_or_default(), number)
}

fn header(packet: &Packet, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&packet.data);
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}
