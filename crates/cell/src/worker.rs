//! A cell on its thread: which messages are its own, and what travels to others.

use crate::cell::Cell;
use crate::conference::Rooms;
use crate::config::Config;
use crate::front_desk::{DESK, FrontDesk, Said};
use crate::intake::Intake;
use crate::io::{Body, Counts, Envelope, Input, Output, RecordingKey, Stats};
use crate::overload::Load;
use crate::screen::{Class, Look};
use media::engine::{Channel, Forward, Packet, Page};
use model::{Command, Refusal};
use sip_stack::auth::BanReason;
use sip_stack::endpoint::Flow;
use sip_stack::placement::{Hint, owner_hint};
use std::net::SocketAddr;
use std::time::Instant;
use stdx::Entropy;

/// One shard of the switch with the four methods of every core, and the packet path beside them.
///
/// After every call drain [`Worker::poll_output`] until `None`, and do its wishes in order.
#[derive(Debug)]
pub struct Worker {
    cell: Cell,
    me: u16,
    cells: u16,
    forwarded: u64,
    intake: Intake,
    load: Load,
    rooms: Rooms,
    /// Queues and agents, at one worker.
    desk: Option<Box<FrontDesk>>,
}

impl Worker {
    /// An empty shard. Give it [`Input::Ports`] and extensions before the first call.
    pub fn new(config: Config, entropy: Entropy, now: Instant) -> Self {
        let (me, cells) = (config.cell, config.cells.max(1));
        let rooms = Rooms::new(&config.routes, cells);
        let desk = (me == DESK).then(|| Box::new(FrontDesk::new(&config, entropy.clone().fork(), now)));
        Self {
            cell: Cell::new(config, entropy, now),
            me,
            cells,
            forwarded: 0,
            intake: Intake::default(),
            load: Load::default(),
            rooms,
            desk,
        }
    }

    /// A pair found in the hot store at the start. Every worker is given every pair, in the order of the keys, before its
    /// first [`Input::Ports`]; each takes what is its own. With that input calls go on; records of those that cannot follow as outputs.
    pub fn restore(&mut self, key: &[u8], value: &[u8], now: Instant) {
        if let Some(desk) = &mut self.desk {
            if desk.restore(key, value) {
                return;
            }
            if let Some((call, standing)) = crate::resuming::standing(key, value, self.cells) {
                desk.note_call(call, standing);
            }
        }
        self.cell.restore(key, value, now);
    }

    /// A fact from outside. With the first ports for sound everything is known that was kept, and what can go on goes on.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        let ports = matches!(input, Input::Ports(_));
        match input {
            Input::Datagram { flow, data } => {
                self.offer(flow, data, now, now);
                self.work(1, now);
            }
            // A datagram was looked at by the worker that received it; what came by a stream is looked at here.
            Input::Envelope(Envelope { body: Body::Datagram { flow, data }, .. }) if flow.transport.is_reliable() => {
                self.offer(flow, data, now, now);
                self.work(1, now);
            }
            Input::Envelope(Envelope { body: Body::Datagram { flow, data }, .. }) => {
                self.cell.handle_datagram(flow, data, now);
            }
            Input::Command { ticket, command } => self.command(ticket, command, now),
            Input::Query { ticket, query } => match self.desk.as_ref().and_then(|desk| desk.answer(&query, now)) {
                Some(answer) => self.cell.out.push_back(Output::Answer { ticket, answer }),
                None => self.cell.handle_input(Input::Query { ticket, query }, now),
            },
            other => self.cell.handle_input(other, now),
        }
        if ports {
            self.cell.resume_calls(now);
            self.desk.iter_mut().for_each(|desk| desk.resume(now));
        }
        self.attend(now);
    }

    /// What concerns queues and agents is for the desk; settings are for the cell too.
    fn command(&mut self, ticket: u64, mut command: Command, now: Instant) {
        let Some(desk) = &mut self.desk else {
            return self.cell.handle_input(Input::Command { ticket, command }, now);
        };
        if let Command::LogInAgent { agent, extension, .. } = &mut command {
            if extension.is_empty() {
                *extension = desk.usual_extension(agent).unwrap_or_default().to_owned();
            }
            if self.cell.directory.extension(extension).is_none() {
                let result = Err(Refusal::NoSuchExtension);
                return self.cell.out.push_back(Output::Reply { ticket, result });
            }
        }
        match &command {
            command if command.is_for_desk() => {
                let result = desk.command(command, now);
                // What is answered is kept first.
                self.attend(now);
                self.cell.out.push_back(Output::Reply { ticket, result });
            }
            Command::PutQueue(_) | Command::RemoveQueue { .. } | Command::PutAgent(_) | Command::RemoveAgent { .. } => {
                // It never refuses those.
                drop(desk.command(&command, now));
                self.cell.handle_input(Input::Command { ticket, command }, now);
            }
            _ => self.cell.handle_input(Input::Command { ticket, command }, now),
        }
    }

    /// Lets the desk and the cells hear of each other.
    fn attend(&mut self, now: Instant) {
        let Some(desk) = &mut self.desk else { return };
        loop {
            if let Some(letter) = self.cell.to_desk.pop_front() {
                desk.hear(letter, now);
                continue;
            }
            match desk.poll_output() {
                Some(Said::Letter { to, body }) if to == self.me => self.cell.take_letter(body, now),
                Some(Said::Letter { to, body }) => self.cell.send(to, body),
                Some(Said::Event(event)) => self.cell.tell(event, now),
                Some(Said::Wish(wish)) => self.cell.out.push_back(wish),
                None => return,
            }
        }
    }

    /// Looks at a datagram that has just been received, and lets it wait for [`Worker::work`] unless nobody listens to its
    /// sender. `since` is when it may have arrived at the earliest. Costs next to nothing, so that the shell can empty its sockets faster than any flood fills them.
    pub fn offer(&mut self, flow: Flow, data: bytes::Bytes, since: Instant, now: Instant) {
        match self.cell.screen.look(flow, &data, now) {
            Look::Pass(class) => {
                self.intake.push(class, flow, data, since);
            }
            Look::Drop => {}
            Look::Scanner => self.cell.ban(flow.remote.ip(), BanReason::Scanner, now),
        }
    }

    /// Reads up to `limit` of the datagrams that wait: what belongs to calls that exist first, strangers last.
    pub fn work(&mut self, limit: usize, now: Instant) {
        for _ in 0..limit {
            let Some((class, flow, data, since)) = self.intake.pop() else { return };
            if class != Class::Stranger {
                self.load.waited(now.saturating_duration_since(since), now);
            }
            self.cell.shed(self.load.share(now), now);
            self.place(flow, data, now);
            self.attend(now);
        }
    }

    /// How many datagrams wait.
    pub fn waiting(&self) -> usize {
        self.intake.len()
    }

    /// One packet of sound or its reports that arrived on RTP port `number` (its RTCP socket included). If it returns
    /// something, send the packet as it now is. Neither locks nor allocates in an established call.
    pub fn handle_packet(
        &mut self,
        number: u16,
        channel: Channel,
        from: SocketAddr,
        packet: &mut Packet,
        now: Instant,
    ) -> Option<Forward> {
        let forward = self.cell.handle_packet(number, channel, from, packet, now);
        if !self.cell.to_desk.is_empty() {
            self.attend(now);
        }
        forward
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.cell.handle_timeout(now);
        if let Some(desk) = &mut self.desk {
            desk.handle_timeout(now);
            self.attend(now);
        }
    }

    /// When [`Worker::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let desk = self.desk.as_ref().and_then(|desk| desk.poll_timeout());
        self.cell.poll_timeout().into_iter().chain(desk).min()
    }

    /// The next wish.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cell.poll_output()
    }

    /// A page of a recording that has been written.
    pub fn give_back(&mut self, recording: RecordingKey, page: Page) {
        self.cell.give_back(recording, page);
    }

    /// Numbers of RTP ports to which phones of the last process's calls still send: those that are in the first [`Input::Ports`] are
    /// used again, and their sound goes on at once.
    pub fn ports_before(&self) -> Vec<u16> {
        self.cell.ports_before()
    }

    /// Media ports that are open now; cheaper than [`Worker::counts`].
    pub fn open_ports(&self) -> usize {
        self.cell.media.open_ports()
    }

    /// The number of the one socket that all legs to browsers share, once there has been one: it is best read many
    /// packets at a time.
    #[inline]
    pub fn shared_port(&self) -> Option<u16> {
        self.cell.media.shared_port()
    }

    /// What is alive now; looks at everything, so ask it for metrics only.
    pub fn counts(&self) -> Counts {
        self.cell.counts()
    }

    /// What happened since the start.
    pub fn stats(&self) -> Stats {
        Stats { forwarded: self.forwarded, intake_dropped: self.intake.dropped, ..self.cell.stats() }
    }

    /// The same message leads to the same worker on every path, so that a repetition, a CANCEL and an ACK meet their transaction.
    fn place(&mut self, flow: Flow, data: bytes::Bytes, now: Instant) {
        let to = match owner_hint(&data) {
            Hint::CallId(_) => self.rooms.owner(&data).unwrap_or_else(|| owner(&data, self.cells)),
            Hint::Cell(_) | Hint::Aor(_) => owner(&data, self.cells),
        };
        if to == self.me {
            self.cell.handle_datagram(flow, data, now);
        } else {
            self.forwarded += 1;
            self.cell.send(to, Body::Datagram { flow, data });
        }
    }
}

/// Which of so many workers a message belongs to. A shell that knows it before it has a worker at hand may hand the message over
/// directly, as [`Body::Datagram`].
pub fn owner(data: &[u8], cells: u16) -> u16 {
    let cells = cells.max(1);
    match owner_hint(data) {
        Hint::Cell(tag) if tag.0 < cells => tag.0,
        // A tag of a worker that no longer exists: its successor says 481.
        Hint::Cell(tag) => tag.0 % cells,
        Hint::Aor(hash) | Hint::CallId(hash) => (hash % u64::from(cells)) as u16,
    }
}
