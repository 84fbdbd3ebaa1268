//! What a test does to the switch, and what it asks of it.

use super::{REALM, Recording, Switch};
use crate::web::Web;
use crate::world::{PASSWORD, World};
use crate::zone::Zone;
use cell::{Counts, Input};
use md5::{Digest, Md5};
use model::{
    Answer, CallId, CallRecord, Command, Event, Extension, Ha1, LiveCall, Query, Refusal, Registration, Reply,
    TrunkStatus,
};
use sha2::{Sha256, Sha512_256};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Long enough for every timer of a finished call.
const SETTLE: Duration = Duration::from_secs(180);

impl World {
    fn switch<T>(&self, action: impl FnOnce(&mut Switch, Instant) -> T) -> T {
        let mut inner = self.inner.borrow_mut();
        let now = inner.now;
        let result = action(inner.switch.as_mut().expect("this world was set up with a switch"), now);
        inner.flush_switch();
        result
    }

    // Extensions.

    /// An extension without a phone, as the setup describes them; nothing if it exists.
    pub fn extension(&self, number: &str) {
        if self.switch(|switch, _| switch.extensions.contains_key(number)) {
            return;
        }
        let setup = self.setup();
        self.put_extension(Extension {
            number: number.to_owned(),
            name: format!("Phone {number}"),
            ha1: ha1(number, PASSWORD),
            enabled: true,
            record: setup.record,
            ring_seconds: setup.ring_seconds,
            max_calls: setup.max_calls,
            rights: None,
            outside_number: String::new(),
            allow: Vec::new(),
            monitor: false,
            intercom: false,
            auto_answer: model::AutoAnswer::default(),
            srtp: None,
            inband_dtmf: model::InbandDtmf::default(),
            codecs: Vec::new(),
            media: model::MediaKind::Auto,
            contacts: 0,
            watched_by: model::WatchedBy::default(),
            forward: model::Forwards::default(),
            do_not_disturb: false,
            call_waiting: true,
        });
    }

    /// Adds or changes an extension.
    pub fn put_extension(&self, extension: Extension) {
        self.switch(|switch, now| {
            switch.extensions.insert(extension.number.clone(), extension.clone());
            switch.command_all(&Command::PutExtension(Box::new(extension)), now);
        });
    }

    /// Adds or changes a mailbox.
    pub fn put_mailbox(&self, mailbox: model::Mailbox) {
        self.switch(|switch, now| {
            switch.config.mailboxes.retain(|known| known.name != mailbox.name);
            switch.config.mailboxes.push(mailbox.clone());
            switch.command_all(&Command::PutMailbox(Box::new(mailbox)), now);
        });
    }

    /// What the database has of messages.
    pub fn voicemails(&self) -> Vec<model::Voicemail> {
        self.switch(|switch, _| switch.voicemails.clone())
    }

    /// Adds or changes a ring group.
    pub fn put_ring_group(&self, group: model::RingGroup) {
        self.switch(|switch, now| switch.command_all(&Command::PutRingGroup(Box::new(group)), now));
    }

    /// Sets routes and blocked numbers beside those of the configuration.
    pub fn set_routing(&self, routing: &model::Routing) {
        self.switch(|switch, now| switch.command_all(&Command::SetRouting(Box::new(routing.clone())), now));
    }

    /// Changes an extension that exists.
    pub fn change_extension(&self, number: &str, change: impl FnOnce(&mut Extension)) {
        let known = self.switch(|switch, _| switch.extensions.get(number).cloned());
        let mut extension = known.unwrap_or_else(|| panic!("there is no extension {number}"));
        change(&mut extension);
        self.put_extension(extension);
    }

    /// A user of an extension was given this token.
    pub fn give_token(&self, number: &str, user: i64, token: &str, until: stdx::UnixMillis) {
        self.switch(|switch, now| {
            let command = Command::KnowToken { extension: number.to_owned(), user, ha1: ha1(number, token), until };
            switch.command_all(&command, now);
        });
    }

    /// The tokens of a user count no more.
    pub fn forget_tokens(&self, number: &str, user: i64) {
        self.switch(|switch, now| {
            switch.command_all(&Command::ForgetTokens { extension: number.to_owned(), user }, now);
        });
    }

    /// Removes an extension.
    pub fn remove_extension(&self, number: &str) {
        self.switch(|switch, now| {
            switch.extensions.remove(number);
            switch.command_all(&Command::RemoveExtension { number: number.to_owned() }, now);
        });
    }

    /// The worker that is the home of an extension.
    pub fn home(&self, number: &str) -> u16 {
        let workers = self.switch(|switch, _| switch.wanted);
        (sip_stack::placement::aor_hash(number.as_bytes()) % u64::from(workers)) as u16
    }

    /// The time of call records, Unix milliseconds.
    pub fn wall(&self) -> stdx::UnixMillis {
        self.switch(|switch, now| switch.config.wall.at(now))
    }

    /// How many octets each value had that was ever kept under a key that begins like this, in order.
    pub fn kept(&self, prefix: &str) -> Vec<usize> {
        let like = |kept: &&(Vec<u8>, usize)| kept.0.starts_with(prefix.as_bytes());
        self.switch(|switch, _| switch.hot.kept.iter().filter(like).map(|kept| kept.1).collect())
    }

    // Faults and the end.

    /// `kill -9`.
    pub fn kill(&self) {
        self.switch(|switch, _| switch.die());
        let mut inner = self.inner.borrow_mut();
        let now = inner.now;
        inner.streams.switch_died(now);
    }

    /// The switch begins again with what its stores have.
    pub fn restart(&self) {
        self.switch(Switch::start);
    }

    /// The switch begins again with another number of workers.
    pub fn restart_with(&self, workers: u16) {
        self.switch(|switch, now| {
            switch.wanted = workers;
            switch.start(now);
        });
    }

    /// No new calls from now on.
    pub fn drain(&self) {
        self.tell_all(&Input::Drain);
    }

    /// Every call ends now.
    pub fn hang_up_all(&self) {
        self.tell_all(&Input::HangUpAll);
    }

    /// Changes what the domain name system says from now on.
    pub fn change_zone(&self, change: impl FnOnce(&mut Zone)) {
        self.switch(|switch, _| change(&mut switch.zone));
    }

    /// Changes, or looks at, what is to be had by HTTPS.
    pub fn web<T>(&self, action: impl FnOnce(&mut Web) -> T) -> T {
        self.switch(|switch, _| action(&mut switch.web))
    }

    /// The disk of recordings is full from now on, or no longer.
    pub fn set_disk_full(&self, full: bool) {
        self.switch(|switch, _| switch.disk_full = full);
    }

    fn tell_all(&self, input: &Input) {
        self.switch(|switch, now| {
            for index in 0..switch.workers.len() {
                switch.input(index, input.clone(), now);
            }
        });
    }

    // Commands and queries.

    /// Ends one call, as an API client would.
    pub fn hang_up(&self, call: CallId) -> Result<Reply, Refusal> {
        self.command(call, Command::Hangup { call })
    }

    /// An API client commands something in this call.
    pub fn command(&self, call: CallId, command: Command) -> Result<Reply, Refusal> {
        self.command_at(call.cell(), command)
    }

    /// An API client commands something in a conference.
    pub fn conference_command(&self, command: Command) -> Result<Reply, Refusal> {
        let workers = self.switch(|switch, _| switch.wanted);
        let name = match &command {
            Command::Invite { conference, .. }
            | Command::Dismiss { conference, .. }
            | Command::Mute { conference, .. }
            | Command::RecordConference { conference, .. }
            | Command::EndConference { conference } => conference.clone(),
            other => panic!("{other:?} is about no conference"),
        };
        self.command_at(cell::conference_home(&name, workers), command)
    }

    /// What a program at this port of the switch's machine was sent so far: samples of 16 bits.
    pub fn program_heard(&self, port: u16) -> Vec<i16> {
        self.switch(|switch, _| switch.programs.get(&port).cloned().unwrap_or_default())
    }

    /// A program sends a packet from this port to one of the switch's.
    pub fn program_sends(&self, port: u16, to: u16, packet: &[u8]) {
        let from = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let to = std::net::SocketAddr::new(super::SWITCH.ip(), to);
        let packet = crate::network::Packet { from, to, data: packet.to_vec() };
        self.switch(|switch, now| switch.handle_packet(&packet, now));
    }

    /// The conferences that somebody is in.
    pub fn conferences(&self) -> Vec<model::Conference> {
        let of = |answer| match answer {
            Answer::Conferences(list) => list,
            _ => Vec::new(),
        };
        self.query(&Query::Conferences).into_iter().flat_map(of).collect()
    }

    /// A program sends a text.
    pub fn send_message(&self, from: &str, to: &str, via: Option<&str>, text: &str) -> Result<Reply, Refusal> {
        let message = model::NewMessage {
            from: from.to_owned(),
            to: to.to_owned(),
            via: via.map(str::to_owned),
            content_type: "text/plain".to_owned(),
            body: text.as_bytes().to_vec(),
            expires_seconds: None,
        };
        self.command_at(self.home(via.unwrap_or(to)), Command::SendMessage(Box::new(message)))
    }

    /// The texts from or to an extension, waiting or over.
    pub fn messages(&self, extension: &str) -> Vec<model::TextMessage> {
        self.query(&Query::Messages { extension: Some(extension.to_owned()) })
            .into_iter()
            .flat_map(|answer| match answer {
                Answer::Messages(messages) => messages,
                _ => Vec::new(),
            })
            .collect()
    }

    /// A program wants a call placed.
    pub fn originate(&self, wish: model::Originate) -> Result<CallId, Refusal> {
        match self.command_at(self.home(&wish.extension), Command::Originate(Box::new(wish)))? {
            Reply::Call { id } => Ok(id),
            other => panic!("seed {}: a call was wished, and the reply is {other:?}", self.seed()),
        }
    }

    // Queues and agents.

    /// Adds or changes a queue.
    pub fn put_queue(&self, queue: model::Queue) {
        self.switch(|switch, now| {
            switch.config.queues.retain(|known| known.name != queue.name);
            switch.config.queues.push(queue.clone());
            switch.command_all(&Command::PutQueue(Box::new(queue)), now);
        });
    }

    /// Removes a queue.
    pub fn remove_queue(&self, name: &str) {
        self.switch(|switch, now| {
            switch.config.queues.retain(|known| known.name != name);
            switch.command_all(&Command::RemoveQueue { name: name.to_owned() }, now);
        });
    }

    /// Adds or changes an agent.
    pub fn put_agent(&self, agent: model::Agent) {
        self.switch(|switch, now| {
            switch.config.agents.retain(|known| known.name != agent.name);
            switch.config.agents.push(agent.clone());
            switch.command_all(&Command::PutAgent(Box::new(agent)), now);
        });
    }

    /// Removes an agent.
    pub fn remove_agent(&self, name: &str) {
        self.switch(|switch, now| {
            switch.config.agents.retain(|known| known.name != name);
            switch.command_all(&Command::RemoveAgent { name: name.to_owned() }, now);
        });
    }

    /// An agent's wish.
    pub fn desk_command(&self, command: Command) -> Result<Reply, Refusal> {
        self.command_at(cell::DESK, command)
    }

    /// An agent comes to work at an extension, in all its queues.
    pub fn log_in(&self, agent: &str, extension: &str) -> Result<Reply, Refusal> {
        let (agent, extension) = (agent.to_owned(), extension.to_owned());
        let duty = model::Duty::Ready;
        self.desk_command(Command::LogInAgent { agent, extension, queues: Vec::new(), duty })
    }

    /// An agent goes home.
    pub fn log_out(&self, agent: &str) -> Result<Reply, Refusal> {
        self.desk_command(Command::LogOutAgent { agent: agent.to_owned() })
    }

    /// An agent is ready or away.
    pub fn set_agent(&self, agent: &str, duty: model::Duty) -> Result<Reply, Refusal> {
        self.desk_command(Command::SetAgent { agent: agent.to_owned(), duty })
    }

    /// A queue as it is now.
    pub fn queue_status(&self, name: &str) -> model::QueueStatus {
        let of = |answer| match answer {
            Answer::Queues(list) => list,
            _ => Vec::new(),
        };
        let found = self.query(&Query::Queues).into_iter().flat_map(of).find(|queue| queue.name == name);
        found.unwrap_or_else(|| panic!("there is no queue {name}"))
    }

    /// An agent as it is now.
    pub fn agent_status(&self, name: &str) -> model::AgentStatus {
        let of = |answer| match answer {
            Answer::Agents(list) => list,
            _ => Vec::new(),
        };
        let found = self.query(&Query::Agents).into_iter().flat_map(of).find(|agent| agent.name == name);
        found.unwrap_or_else(|| panic!("there is no agent {name}"))
    }

    /// So many voice messages wait for an extension.
    pub fn set_messages(&self, extension: &str, new: u32, old: u32) -> Result<Reply, Refusal> {
        self.command_at(self.home(extension), Command::SetMessages { extension: extension.to_owned(), new, old })
    }

    /// A command for one worker, as the API gives it.
    pub(crate) fn command_at(&self, worker: u16, command: Command) -> Result<Reply, Refusal> {
        let ticket = self.switch(|switch, now| {
            switch.tickets += 1;
            let ticket = switch.tickets;
            switch.input(usize::from(worker), Input::Command { ticket, command }, now);
            ticket
        });
        // What needs something from the disk is answered when that is there.
        let replied = |switch: &Switch| switch.replies.contains_key(&ticket);
        self.run_until(Duration::from_secs(1), || self.inner.borrow().switch.as_ref().is_some_and(replied));
        let replies = self.switch(|switch, _| switch.replies.remove(&ticket).unwrap_or_default());
        assert_eq!(replies.len(), 1, "seed {}: a command has one reply", self.seed());
        replies[0].clone()
    }

    /// The calls that exist now.
    pub fn live_calls(&self) -> Vec<LiveCall> {
        let mut calls: Vec<LiveCall> = self
            .query(&Query::Calls)
            .into_iter()
            .flat_map(|answer| match answer {
                Answer::Calls(calls) => calls,
                _ => Vec::new(),
            })
            .collect();
        calls.sort_by_key(|call| (call.started_at, call.id));
        calls
    }

    /// The registered contacts of an extension.
    pub fn registrations(&self, number: &str) -> Vec<Registration> {
        self.query(&Query::Registrations { extension: Some(number.to_owned()) })
            .into_iter()
            .flat_map(|answer| match answer {
                Answer::Registrations(registrations) => registrations,
                _ => Vec::new(),
            })
            .collect()
    }

    /// The banned sources, as the first worker knows them.
    pub fn bans(&self) -> Vec<model::Ban> {
        self.query(&Query::Bans)
            .into_iter()
            .map(|answer| match answer {
                Answer::Bans(bans) => bans,
                _ => Vec::new(),
            })
            .next()
            .unwrap_or_default()
    }

    /// The kept SIP messages that fit, of all workers, in order.
    pub fn seen(&self, filter: &model::SeenFilter) -> Vec<model::Seen> {
        let answers = self.query(&Query::Seen(filter.clone())).into_iter();
        let mut seen: Vec<_> = answers
            .flat_map(|answer| match answer {
                Answer::Seen(seen) => seen,
                _ => Vec::new(),
            })
            .collect();
        seen.sort_by_key(|seen: &model::Seen| seen.at);
        seen
    }

    /// Every message that passed while somebody watched.
    pub fn passed(&self) -> Vec<model::Seen> {
        self.switch(|switch, _| switch.passed.clone())
    }

    /// Somebody watches messages, or no longer.
    pub fn watch_messages(&self, on: bool) {
        self.tell_all(&Input::Watch(on));
    }

    /// Bans an address, as an API client would.
    pub fn ban(&self, source: std::net::IpAddr) {
        self.switch(|switch, now| switch.command_all(&Command::Ban { source }, now));
    }

    /// Lifts a ban, as an API client would.
    pub fn unban(&self, source: std::net::IpAddr) {
        self.switch(|switch, now| switch.command_all(&Command::Unban { source }, now));
    }

    /// What was spent today by those who have a cap.
    pub fn spending(&self) -> Vec<model::Spending> {
        let of = |answer| match answer {
            Answer::Spending(spending) => spending,
            _ => Vec::new(),
        };
        self.query(&Query::Spending).into_iter().flat_map(of).collect()
    }

    /// A trunk as its home knows it.
    pub fn trunk_status(&self, name: &str) -> TrunkStatus {
        let answers = self.query(&Query::Trunks).into_iter();
        let all = answers.flat_map(|answer| if let Answer::Trunks(list) = answer { list } else { Vec::new() });
        all.into_iter().find(|status| status.name == name).unwrap_or_else(|| panic!("there is no trunk {name}"))
    }

    fn query(&self, query: &Query) -> Vec<Answer> {
        let (ticket, workers) = self.switch(|switch, now| {
            switch.tickets += 1;
            let ticket = switch.tickets;
            for index in 0..switch.workers.len() {
                switch.input(index, Input::Query { ticket, query: query.clone() }, now);
            }
            (ticket, switch.workers.len())
        });
        let answers = self.switch(|switch, _| switch.answers.remove(&ticket).unwrap_or_default());
        assert_eq!(answers.len(), workers, "seed {}: every worker answers once", self.seed());
        answers
    }

    // What is left of calls.

    /// The call records, in the order in which they were written.
    pub fn records(&self) -> Vec<CallRecord> {
        self.switch(|switch, _| switch.sql.records.clone())
    }

    /// The only record, once it is written; fails the test if there is another number of them.
    pub fn record(&self) -> CallRecord {
        self.run_until(Duration::from_millis(200), || !self.records().is_empty());
        let mut records = self.records();
        assert_eq!(records.len(), 1, "seed {}: one call, one record: {records:#?}", self.seed());
        records.remove(0)
    }

    /// The recording that a record names, as it can be played now.
    pub fn recording(&self, record: &CallRecord) -> Option<Recording> {
        self.recording_at(&record.recording.as_ref()?.path)
    }

    /// The recording of this name, as it can be played now.
    pub fn recording_at(&self, path: &str) -> Option<Recording> {
        self.switch(|switch, _| switch.tapes.get(path).map(super::Tape::recording))
    }

    /// Every recording on the modelled disk, as it can be played now.
    pub fn recordings(&self) -> Vec<Recording> {
        self.switch(|switch, _| switch.tapes.values().map(super::Tape::recording).collect())
    }

    /// The ladder that the switch kept of a call: a JSON array.
    pub fn trace(&self, call: CallId) -> Option<String> {
        self.switch(|switch, _| switch.ladder_of(call).map(|json| String::from_utf8_lossy(json).into_owned()))
    }

    /// Everything the switch said to those who watch.
    pub fn events(&self) -> Vec<Event> {
        self.switch(|switch, _| switch.events.clone())
    }

    /// What is alive in all workers.
    pub fn counts(&self) -> Counts {
        self.switch(|switch, _| {
            switch.workers.iter().map(cell::Worker::counts).fold(Counts::default(), |a, b| Counts {
                calls: a.calls + b.calls,
                legs: a.legs + b.legs,
                ports: a.ports + b.ports,
                recordings: a.recordings + b.recordings,
                sessions: a.sessions + b.sessions,
                transactions: a.transactions + b.transactions,
                lingering: a.lingering + b.lingering,
                occupied: a.occupied + b.occupied,
                bindings: a.bindings + b.bindings,
                extensions: a.extensions.max(b.extensions),
                leaving: a.leaving + b.leaving,
                subscriptions: a.subscriptions + b.subscriptions,
                messages: a.messages + b.messages,
            })
        })
    }

    /// Datagrams that went from one worker to another.
    pub fn forwarded(&self) -> u64 {
        self.switch(|switch, _| switch.workers.iter().map(|worker| worker.stats().forwarded).sum())
    }

    /// SIP messages that were dropped because nothing could be made of them, and all other figures of all workers.
    pub fn stats(&self) -> Vec<cell::Stats> {
        self.switch(|switch, _| switch.workers.iter().map(cell::Worker::stats).collect())
    }

    /// Waits until the last timer of the last call has lapsed, and fails the test unless nothing is left alive and
    /// nothing of a call is left in the hot store.
    pub fn assert_nothing_left(&self) {
        let seed = self.seed();
        let quiet = |counts: Counts| {
            Counts { bindings: 0, extensions: 0, subscriptions: 0, messages: 0, ..counts } == Counts::default()
        };
        self.run_until(SETTLE, || quiet(self.counts()) && self.phones_busy_with() == 0);
        self.run_for(Duration::from_secs(2));
        // A REGISTER that is renewed just now leaves a transaction for a moment; nothing else may.
        self.run_until(SETTLE, || quiet(self.counts()));
        let counts = self.counts();
        assert!(quiet(counts), "seed {seed}: something is left alive: {counts:?}");
        let (hot, twice, waiting) = self.switch(|switch, _| {
            switch.hot.commit();
            let hot: Vec<String> = [switch.hot.keys("call/"), switch.hot.keys("record/")].concat();
            (hot, switch.sql.twice.clone(), switch.sql.next())
        });
        assert!(hot.is_empty(), "seed {seed}: left in the hot store: {hot:?}");
        assert!(twice.is_empty(), "seed {seed}: recorded twice: {twice:?}");
        assert_eq!(waiting, None, "seed {seed}: a record is still on its way");
    }

    /// As [`World::assert_nothing_left`], and every call that reached the switch has exactly one record.
    ///
    /// A call has reached the switch when an INVITE with credentials, or one from a trunk, has.
    pub fn assert_settled(&self) {
        self.assert_nothing_left();
        for (call_id, records) in self.records_of_calls() {
            assert_eq!(records, 1, "seed {}: the call {call_id} has {records} records", self.seed());
        }
    }

    /// How many records each call has that reached the switch, by its SIP Call-ID; fails the test if there is a record
    /// of a call that never came.
    pub fn records_of_calls(&self) -> Vec<(String, usize)> {
        let records = self.records();
        let invited: BTreeSet<String> =
            self.switch(|switch, _| switch.invited.iter().map(|(call_id, _)| call_id.clone()).collect());
        let seen = self.switch(|switch, _| switch.seen.clone());
        for record in &records {
            // What an API client placed came from no phone.
            let placed = record.legs.first().is_some_and(|leg| leg.origin == model::LegOrigin::Summoned);
            let known = placed || sip_call_id(record).is_some_and(|call_id| seen.contains(call_id));
            assert!(known, "seed {}: a record of a call that never came: {record:#?}", self.seed());
        }
        let count = |call_id: &String| records.iter().filter(|record| sip_call_id(record) == Some(call_id)).count();
        invited.iter().map(|call_id| (call_id.clone(), count(call_id))).collect()
    }
}

/// The Call-ID of the caller's leg.
fn sip_call_id(record: &CallRecord) -> Option<&String> {
    record.legs.first().map(|leg| &leg.sip_call_id)
}

/// The secrets of an extension (RFC 7616 §3.4.2).
pub(crate) fn ha1(number: &str, password: &str) -> Ha1 {
    let text = format!("{number}:{REALM}:{password}");
    Ha1 {
        md5: Md5::digest(&text).into(),
        sha256: Sha256::digest(&text).into(),
        sha512_256: Sha512_256::digest(&text).into(),
    }
}
