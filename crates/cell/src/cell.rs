//! The shard itself: its parts, and the order in which they hear of each other.

use crate::astray::Astray;
use crate::conference::Room;
use crate::config::Config;
use crate::conversation::Conversation;
use crate::directory::Directory;
use crate::hot;
use crate::io::{Body, Counts, Envelope, Input, Output, RecordingKey, Stats};
use crate::messages::Messages;
use crate::playback::Playbacks;
use crate::remote::Wish;
use crate::resuming::Returning;
use crate::screen::Screen;
use crate::sleepers::Sleepers;
use crate::spending::Spending;
use crate::tap::Ring;
use crate::trace::Ladder;
use crate::trunks::Trunks;
use crate::watch::Watchers;
use bytes::Bytes;
use media::engine::{Channel, Engine, Forward, Packet, Page, PortId, RecordingId};
use model::{Answer, CallId, Command, EventBody, LegNo, Query, Refusal, Registration, Reply};
use sip_stack::auth::Authenticator;
use sip_stack::endpoint::{CellTag, Endpoint, Flow, RequestId, SessionId};
use sip_stack::message::Method;
use sip_stack::packages::Summary;
use sip_stack::registrar::Registrar;
use sip_stack::seal::Seal;
use slotmap::SecondaryMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::{Entropy, Timers};

/// How long a finished call is remembered for the last messages of its ladder.
const LINGER: Duration = Duration::from_secs(4);

/// Ladders are finished at multiples of this, in milliseconds.
const LINGER_GRID: u64 = 250;

/// How often a worker with calls says that it lives.
const ALIVE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// A deadline of a call.
    Call(CallId),
    /// A tone that tells why a call failed has been heard long enough.
    Announced(CallId),
    /// The check of a caller's number takes too long.
    Check(CallId),
    /// A finished call's ladder is complete.
    Linger(CallId),
    /// A trunk has not said in time what became of a party that it was to transfer.
    HandOver(CallId),
    /// Those who are recorded are told so again.
    Beep(CallId),
    /// A customer that is asked how it was served has thought long enough.
    Survey(CallId),
    /// A call at a mailbox has thought, or spoken, long enough.
    Mailbox(CallId),
    /// A page that a call rang at has not come back.
    Missed(CallId, LegNo),
    /// Time to say that we live.
    Alive,
    /// Subscribers of the last process are told how things stand.
    Greeting,
    /// Phones in calls of the last process are asked whether they are still there.
    Asking,
}

#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) config: Config,
    pub(crate) directory: Directory,
    pub(crate) entropy: Entropy,
    pub(crate) sip: Endpoint,
    pub(crate) auth: Authenticator,
    pub(crate) screen: Screen,
    pub(crate) registrar: Registrar,
    pub(crate) media: Engine,
    pub(crate) conversations: BTreeMap<CallId, Conversation>,
    pub(crate) sessions: SecondaryMap<SessionId, (CallId, LegNo)>,
    pub(crate) ports: SecondaryMap<PortId, (CallId, LegNo)>,
    pub(crate) recordings: BTreeMap<RecordingId, CallId>,
    /// Recordings of conferences, by whose names.
    pub(crate) tapes: BTreeMap<RecordingId, String>,
    /// What those hear who are recorded, made when it is first wanted.
    pub(crate) beep: Option<crate::playback::Clips>,
    /// Ladders of calls that are over, and whose sessions they follow.
    pub(crate) lingering: BTreeMap<CallId, (Ladder, Vec<SessionId>)>,
    pub(crate) traced: BTreeMap<SessionId, CallId>,
    pub(crate) timers: Timers<Timer>,
    /// As home of extensions: in which calls they are.
    pub(crate) occupied: BTreeMap<String, BTreeSet<CallId>>,
    /// Calls that are being joined with a call of another cell: on whose wish, and by which port.
    pub(crate) linking: BTreeMap<CallId, (LegNo, PortId, Flow)>,
    /// Requests that are to be passed on.
    pub(crate) asking: crate::proxy::Asking,
    pub(crate) seal: Seal,
    /// Texts: those that wait, and those under way.
    pub(crate) messages: Messages,
    /// As home of extensions: who watches them.
    pub(crate) watchers: Watchers,
    /// REFERs to trunks that wait for their answer: at most one per call.
    pub(crate) handing: BTreeMap<RequestId, CallId>,
    /// Where INVITEs went whose Call-ID falls to this cell.
    pub(crate) astray: Astray,
    /// Facts for calls, in order; a wish of a call may lead to the next fact at once.
    pub(crate) facts: VecDeque<(CallId, call::Input)>,
    /// As home of those who pay for calls.
    pub(crate) spending: Spending,
    /// The latest messages, whatever they are about.
    pub(crate) ring: Ring,
    /// Every message goes out as [`Output::Passed`] too.
    pub(crate) watched: bool,
    /// Calls that wait until a phone is awake.
    pub(crate) sleepers: Sleepers,
    /// Trunks whose home is here.
    pub(crate) trunks: Trunks,
    /// The conferences that somebody is in.
    pub(crate) conferences: BTreeMap<String, Room>,
    /// What is to be played when it is there.
    pub(crate) playbacks: Playbacks,
    /// Messages that are being spoken.
    pub(crate) takings: BTreeMap<RecordingId, crate::leaving_message::Taking>,
    /// How many calls began at each ring group that takes turns, in this cell.
    pub(crate) ring_turns: BTreeMap<String, usize>,
    /// What the shell does for us, and why.
    pub(crate) errands: crate::errands::Errands,
    /// News for the desk, if it is beside this cell.
    pub(crate) to_desk: VecDeque<crate::io::ToDesk>,
    /// Calls that call somebody back, while the agent's phone has not answered.
    pub(crate) callbacks: BTreeMap<u64, CallId>,
    /// As home of extensions: those at which agents sit.
    pub(crate) seats: BTreeSet<String>,
    /// Certificates and signatures of callers' numbers.
    pub(crate) attest: crate::attest::Memory,
    /// Streams that showed a token, and whose. As many as the shell has streams.
    pub(crate) shown: BTreeMap<Flow, String>,
    /// Tokens that are good as passwords.
    pub(crate) tokens: crate::tokens::Tokens,
    pub(crate) draining: bool,
    pub(crate) stats: Stats,
    /// Calls of the last process that go on.
    pub(crate) returning: Returning,
    /// When the last process was last known to live.
    pub(crate) died_at: stdx::UnixMillis,
    pub(crate) out: VecDeque<Output>,
}

impl Cell {
    pub(crate) fn new(config: Config, mut entropy: Entropy, now: Instant) -> Self {
        let seal = config.seal.clone().unwrap_or_else(|| Seal::random(&mut entropy));
        let sip = sip_stack::endpoint::Config {
            passed_on: config.policy.proxy.clone(),
            realm: config.realm.clone(),
            seal: Some(seal.clone()),
            cell: CellTag(config.cell),
            server: config.server.clone(),
            max_sessions: config.policy.max_sessions,
            session_expires: config.policy.session_expires,
            reliable_provisionals: config.policy.reliable_ringing,
            tcp: config.locals.tcp(),
            methods: vec![
                Method::Options,
                Method::Register,
                Method::Refer,
                Method::Notify,
                Method::Info,
                Method::Subscribe,
                Method::Publish,
                Method::Message,
            ],
            supported: vec!["100rel", "timer", "replaces", "join", "norefersub"],
            understood: vec!["path", "outbound", "gruu"],
            ..Default::default()
        };
        let auth = sip_stack::auth::Config {
            algorithms: config.digest.clone(),
            algorithms_for: config.digest_for.clone(),
            guard: config.security.guard,
            ..Default::default()
        };
        let directory = Directory::new(&config);
        let leads = |number: &&String| directory.router().is_emergency(number);
        let emergency = config.numbers.emergency.iter().filter(leads).cloned().collect();
        let trunks = config.trunks.iter().flat_map(|trunk| trunk.addresses.iter().copied()).collect();
        let mut sound = media::engine::Config::new(config.wall);
        sound.media_timeout = config.policy.media_timeout;
        sound.tell_speech = config.policy.tell_speech;
        sound.country = config.sounds.country;
        sound.browsers.clone_from(&config.browsers);
        let registrar = sip_stack::registrar::Config {
            min_expires: config.policy.min_registration,
            max_expires: config.policy.max_registration,
            max_contacts: config.policy.max_contacts,
            replace_oldest: config.policy.replace_oldest,
            grace: config.policy.grace,
            push_providers: config.policy.push_providers.clone(),
            service_route: config.policy.service_route.clone(),
            temporary: Some(seal.clone()),
            ..Default::default()
        };
        Self {
            directory,
            sip: Endpoint::new(sip, entropy.fork()),
            auth: Authenticator::with_config(auth, CellTag(config.cell), entropy.fork(), now),
            screen: Screen::new(config.security.clone(), trunks, emergency),
            registrar: Registrar::new(registrar),
            media: Engine::new(sound, entropy.fork()),
            conversations: BTreeMap::new(),
            sessions: SecondaryMap::new(),
            ports: SecondaryMap::new(),
            recordings: BTreeMap::new(),
            tapes: BTreeMap::new(),
            beep: None,
            lingering: BTreeMap::new(),
            traced: BTreeMap::new(),
            timers: Timers::default(),
            occupied: BTreeMap::new(),
            linking: BTreeMap::new(),
            asking: crate::proxy::Asking::default(),
            seal,
            messages: Messages::default(),
            watchers: Watchers::default(),
            handing: BTreeMap::new(),
            astray: Astray::default(),
            facts: VecDeque::new(),
            spending: Spending::default(),
            ring: Ring::new(config.policy.kept_messages),
            watched: false,
            trunks: Trunks::new(&config, now),
            sleepers: Sleepers::default(),
            conferences: BTreeMap::new(),
            playbacks: Playbacks::default(),
            takings: BTreeMap::new(),
            ring_turns: BTreeMap::new(),
            errands: crate::errands::Errands::default(),
            to_desk: VecDeque::new(),
            callbacks: BTreeMap::new(),
            seats: BTreeSet::new(),
            attest: crate::attest::Memory::default(),
            shown: BTreeMap::new(),
            tokens: crate::tokens::Tokens::default(),
            draining: false,
            stats: Stats::default(),
            returning: Returning::default(),
            died_at: 0,
            out: VecDeque::new(),
            config,
            entropy,
        }
    }

    pub(crate) fn handle_datagram(&mut self, flow: Flow, data: Bytes, now: Instant) {
        if !self.send_after_invite(flow, &data, now) {
            self.take_datagram(flow, data, now);
        }
    }

    pub(crate) fn take_datagram(&mut self, flow: Flow, data: Bytes, now: Instant) {
        self.tap(false, flow, &data, now);
        let input = match self.screen.is_urgent(flow, &data) {
            true => sip_stack::endpoint::Input::Urgent { flow, data },
            false => sip_stack::endpoint::Input::Datagram { flow, data },
        };
        self.sip.handle_input(input, now);
        self.settle(now);
    }

    pub(crate) fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Datagram { flow, data } => return self.handle_datagram(flow, data, now),
            Input::SendFailed { flow } => {
                let me = self.config.cell;
                for other in (0..self.config.cells).filter(|cell| *cell != me) {
                    self.send(other, crate::io::Body::SendFailed { flow });
                }
                self.sip.handle_input(sip_stack::endpoint::Input::SendFailed { flow }, now);
            }
            Input::StreamClosed { flow } => self.stream_closed(flow, now),
            Input::Envelope(envelope) => self.on_envelope(envelope, now),
            Input::Command { ticket, command } => self.on_command(ticket, command, now),
            Input::Query { ticket, query } => self.on_query(ticket, &query, now),
            Input::Ports(numbers) => self.media.stock(numbers),
            Input::RecordingFailed { recording, note } => self.on_recording_failed(recording, note, now),
            Input::Watch(on) => self.watched = on,
            Input::Resolved { ticket, answers } => self.resolved(ticket, answers, now),
            Input::Loaded { ticket, clips } => self.on_loaded(ticket, clips, now),
            Input::Fetched { ticket, result } => self.fetched(ticket, result, now),
            Input::ErrandDone { ticket, result } => self.errand_done(ticket, result, now),
            Input::Drain => {
                self.draining = true;
                self.leave_trunks(now);
            }
            Input::HangUpAll => {
                let all = self.conversations.keys().map(|id| (*id, call::Input::HangUp));
                self.facts.extend(all);
            }
        }
        self.settle(now);
    }

    pub(crate) fn handle_packet(
        &mut self,
        number: u16,
        channel: Channel,
        from: SocketAddr,
        packet: &mut Packet,
        now: Instant,
    ) -> Option<Forward> {
        let forward = if self.media.shared_port() == Some(number) {
            self.media.handle_shared(from, packet, now)
        } else {
            let port = self.media.port_by_number(number)?;
            self.media.handle_packet(port, channel, from, packet, now)
        };
        self.hear_media(now);
        if !self.facts.is_empty() {
            self.settle(now);
        }
        forward
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.sip.handle_timeout(now);
        self.media.handle_timeout(now);
        self.expire_registrations(now);
        self.settle_spending(now);
        self.trunk_timeouts(now);
        self.sleepers_timeout(now);
        self.expire_publications(now);
        self.message_timeouts(now);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Call(id) => {
                    if let Some(conversation) = self.conversations.get_mut(&id) {
                        conversation.call.handle_timeout(now);
                        self.carry_out(id, now);
                    }
                }
                Timer::Announced(id) => self.facts.push_back((id, call::Input::Announced)),
                Timer::HandOver(id) => self.hand_over_failed(id, now),
                Timer::Survey(id) => self.survey_timeout(id, now),
                Timer::Mailbox(id) => self.mailbox_timeout(id, now),
                Timer::Missed(id, leg) => self.page_stayed_away(id, leg),
                Timer::Check(id) => self.check_late(id, now),
                Timer::Beep(id) => self.announce_recording(id, now),
                Timer::Linger(id) => self.forget_ladder(id),
                Timer::Alive => self.say_alive(now),
                Timer::Greeting => self.greet_watchers(now),
                Timer::Asking => self.ask_phones(now),
            }
        }
        self.settle(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [
            self.sip.poll_timeout(),
            self.media.poll_timeout(),
            self.registrar.poll_timeout(),
            self.timers.next(),
            self.spending.next(),
            self.trunks.poll_timeout(),
            self.sleepers.poll_timeout(),
            self.watchers.poll_timeout(),
            self.messages.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub(crate) fn give_back(&mut self, recording: RecordingKey, page: Page) {
        self.media.give_back(recording.id, page);
    }

    pub(crate) fn counts(&self) -> Counts {
        let sip = self.sip.counts();
        Counts {
            calls: self.conversations.len(),
            legs: self.sessions.len(),
            ports: self.media.open_ports(),
            recordings: self.recordings.len() + self.tapes.len() + self.takings.len(),
            sessions: sip.sessions,
            transactions: sip.transactions,
            lingering: self.lingering.len(),
            occupied: self.occupied.len(),
            bindings: self.registrar.len(),
            extensions: self.directory.len(),
            leaving: self.trunks.leaving(),
            subscriptions: self.watchers.len(),
            messages: self.messages.len(),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let (sip, screen, browsers) = (*self.sip.stats(), self.screen.stats, self.media.strangers());
        Stats { sip, screen, browsers, ..self.stats.clone() }
    }

    pub(crate) fn send(&mut self, to: u16, body: Body) {
        self.out.push_back(Output::Envelope(Envelope { from: self.config.cell, to, body }));
    }

    /// A letter to the home of an extension; the home may be this cell.
    pub(crate) fn send_home(&mut self, number: &str, body: Body, now: Instant) {
        let to = self.home_of(number);
        if to == self.config.cell {
            self.on_envelope(Envelope { from: to, to, body }, now);
        } else {
            self.send(to, body);
        }
    }

    pub(crate) fn tell(&mut self, body: EventBody, now: Instant) {
        self.out.push_back(Output::Event(model::Event { at: self.config.wall.at(now), body }));
    }

    /// Lets signalling, sound and calls hear of each other until nobody has anything left to say.
    pub(crate) fn settle(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.sip.poll_output() {
                self.on_signalling(output, now);
            } else if self.hear_media(now) {
            } else if let Some((id, fact)) = self.facts.pop_front() {
                self.release_if_over(id, &fact, now);
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    conversation.call.handle_input(fact, now);
                    self.carry_out(id, now);
                }
            } else {
                return;
            }
        }
    }

    fn on_command(&mut self, ticket: u64, command: Command, now: Instant) {
        let result = match command {
            Command::Hangup { call } if self.conversations.contains_key(&call) => {
                self.facts.push_back((call, call::Input::HangUp));
                Ok(Reply::Done)
            }
            Command::Hangup { .. } => Err(Refusal::NoSuchCall),
            Command::Originate(wish) => self.originate(*wish, now),
            Command::Answer { call, leg } => self.tell_phone(call, leg, Wish::Talk, now),
            Command::Hold { call, leg } => self.tell_phone(call, leg, Wish::Hold, now),
            Command::Consult { call, leg, to } => self.consult_by_command((call, leg), &to, now),
            Command::Release { call, leg } => self.on_leg((call, leg), now, |held| held.release(leg, now)),
            Command::CompleteConsult { call, leg } => {
                self.on_leg((call, leg), now, |held| held.complete_consultation(leg, now))
            }
            Command::CancelConsult { call, leg } => {
                self.on_leg((call, leg), now, |held| held.cancel_consultation(leg, now))
            }
            Command::Play { call, leg, play } => match self.play_by_command(ticket, call, leg, *play) {
                // The answer follows when the prompts are there.
                Ok(()) => return,
                Err(refusal) => Err(refusal),
            },
            Command::Record { call, wish, choice } => self.record_by_command(call, wish, choice, now),
            Command::StopPlay { call, leg } => self.stop_by_command(call, leg, now),
            Command::Confer { call } => self.confer(call, now),
            Command::Invite { conference, extension } => self.invite_to_conference(conference, &extension, now),
            Command::Dismiss { conference, call, leg } => self.dismiss_member(&conference, (call, leg)),
            Command::Mute { conference, call, leg, muted } => self.mute_member(&conference, (call, leg), muted, now),
            Command::RecordConference { conference, wish } => self.record_conference(&conference, wish, now),
            Command::EndConference { conference } => self.end_conference(&conference),
            Command::Supervise { call, leg, extension, how } => self.supervise((call, leg), extension, how, now),
            Command::OpenAudio { call, leg, wish } => self.open_audio((call, leg), wish, now),
            Command::CloseAudio { call, id } => self.close_audio(call, id, now),
            Command::Transfer { call, leg, to } => self.transfer_by_command(call, leg, &to, now),
            Command::SetRouting(routing) => match self.directory.set_routing(*routing) {
                Ok(()) => Ok(Reply::Done),
                Err(problem) => {
                    tracing::warn!(problem, "routes were not taken");
                    Err(Refusal::BadRouting)
                }
            },
            Command::PutExtension(extension) => {
                if !extension.enabled {
                    self.unregister(&extension.number, now);
                    self.unwatch(&extension.number, now);
                }
                let number = extension.number.clone();
                self.directory.put(*extension);
                self.look_at_watchers(&number, now);
                // Whether an agent there may be asked to take a caller.
                self.tell_phone_facts(&number, now);
                Ok(Reply::Done)
            }
            Command::SetMessages { extension, .. } if self.directory.extension(&extension).is_none() => {
                Err(Refusal::NoSuchExtension)
            }
            Command::SetMessages { extension, new, old } => {
                self.set_messages(&extension, Summary { new, old }, now);
                Ok(Reply::Done)
            }
            Command::SendMessage(message) => self.send_message(*message, now),
            Command::RemoveExtension { number } => {
                self.forget_messages(&number, now);
                self.unregister(&number, now);
                self.unwatch(&number, now);
                self.forget_tokens(&number, None);
                self.directory.remove(&number);
                Ok(Reply::Done)
            }
            Command::KnowToken { extension, user, ha1, until } => self.know_token(&extension, (user, ha1), until, now),
            Command::ForgetTokens { extension, user } => {
                self.forget_tokens(&extension, Some(user));
                Ok(Reply::Done)
            }
            Command::PutQueue(queue) => {
                self.directory.put_queue(*queue);
                Ok(Reply::Done)
            }
            Command::RemoveQueue { name } => {
                self.directory.remove_queue(&name);
                Ok(Reply::Done)
            }
            Command::PutRingGroup(group) => {
                self.directory.put_ring_group(*group);
                Ok(Reply::Done)
            }
            Command::RemoveRingGroup { name } => {
                self.directory.remove_ring_group(&name);
                self.ring_turns.remove(&name);
                Ok(Reply::Done)
            }
            Command::PutMailbox(mailbox) => {
                self.directory.put_mailbox(*mailbox);
                Ok(Reply::Done)
            }
            Command::RemoveMailbox { name } => {
                self.directory.remove_mailbox(&name);
                Ok(Reply::Done)
            }
            // The desk knows agents, and no cell does.
            Command::PutAgent(_) | Command::RemoveAgent { .. } => Ok(Reply::Done),
            Command::LogInAgent { .. } | Command::LogOutAgent { .. } | Command::SetAgent { .. } => {
                Err(Refusal::NoSuchAgent)
            }
            Command::Ban { source } => {
                self.ban(source, sip_stack::auth::BanReason::Operator, now);
                Ok(Reply::Done)
            }
            Command::Unban { source } => {
                self.unban(source, now);
                Ok(Reply::Done)
            }
        };
        self.out.push_back(Output::Reply { ticket, result });
    }

    fn on_query(&mut self, ticket: u64, query: &Query, now: Instant) {
        let answer = match query {
            Query::Calls => {
                let mut calls: Vec<_> = self.conversations.values().map(|c| c.call.live()).collect();
                calls.sort_by_key(|call| (call.started_at, call.id));
                Answer::Calls(calls)
            }
            Query::Conferences => Answer::Conferences(self.conferences_now()),
            Query::Queues => Answer::Queues(Vec::new()),
            Query::Agents => Answer::Agents(Vec::new()),
            Query::Trunks => Answer::Trunks(self.trunk_statuses(now)),
            Query::Spending => Answer::Spending(self.spending_now(now)),
            Query::Messages { extension } => Answer::Messages(self.messages.list(extension.as_deref())),
            Query::Registrations { extension } => Answer::Registrations(self.registrations(extension.as_deref(), now)),
            Query::Bans => Answer::Bans(self.bans(now)),
            Query::Seen(filter) => Answer::Seen(self.seen(filter)),
        };
        self.out.push_back(Output::Answer { ticket, answer });
    }

    fn registrations(&self, only: Option<&str>, now: Instant) -> Vec<Registration> {
        let wall = self.config.wall;
        let shown = |binding: &sip_stack::registrar::Binding| Registration {
            extension: binding.aor.clone(),
            contact: String::from_utf8_lossy(&binding.contact).into_owned(),
            remote: binding.flow.remote.to_string(),
            transport: binding.flow.transport.as_str().to_ascii_lowercase(),
            user_agent: binding.user_agent.clone(),
            expires_at: wall.at(binding.expires_at),
        };
        match only {
            Some(number) => self.registrar.valid(number, now).map(shown).collect(),
            None => self.registrar.bindings().filter(|binding| binding.expires_at > now).map(shown).collect(),
        }
    }

    fn forget_ladder(&mut self, id: CallId) {
        let Some((ladder, sessions)) = self.lingering.remove(&id) else { return };
        for session in sessions {
            self.traced.remove(&session);
        }
        self.out.push_back(Output::Ladder { call: id, trace: ladder.to_json() });
    }

    /// A finished call's ladder goes on for a moment: the answers to our BYE belong to it.
    pub(crate) fn linger(&mut self, id: CallId, ladder: Ladder, sessions: Vec<SessionId>, now: Instant) {
        self.lingering.insert(id, (ladder, sessions));
        // On whole quarters of a second, so that the ladders of many calls are finished in one waking.
        let at = self.config.wall.at(now + LINGER).next_multiple_of(LINGER_GRID);
        self.timers.set(Timer::Linger(id), self.config.wall.instant(at));
    }

    /// Starts the sign of life, if it is not running.
    pub(crate) fn live(&mut self, now: Instant) {
        if self.timers.get(&Timer::Alive).is_none() {
            self.say_alive(now);
        }
    }

    fn say_alive(&mut self, now: Instant) {
        let key = hot::alive(self.config.cell);
        if self.conversations.is_empty() {
            self.out.push_back(Output::Forget { key });
        } else {
            let value = hot::alive_value(self.config.wall.at(now));
            self.out.push_back(Output::Keep { key, value });
            self.timers.set(Timer::Alive, now + ALIVE);
        }
    }
}
