//! The calling party of all calls: dials, acknowledges, hangs up, retransmits. No sockets, no clock.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;

use crate::deadlines::Deadlines;
use crate::net::{MS, Nanos};
use crate::samples::Samples;
use crate::sip::sdp::{self, Codec};
use crate::sip::text::{Message, Reply, reply};

/// First retransmission interval: T1 of RFC 3261.
const T1: Nanos = 500 * MS;
/// A call that is not answered by then is given up.
const PATIENCE: Nanos = 30_000 * MS;
const MOST_INVITES: u32 = 7;
const MOST_BYES: u32 = 5;

/// What the calling party knows from the start.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where all requests go.
    pub target: SocketAddrV4,
    /// Our own signalling address.
    pub local: SocketAddrV4,
    /// Number to dial.
    pub dial: String,
    /// Host part of what we dial.
    pub domain: String,
    /// Hang up so long after the answer; without it, only when told.
    pub hold: Option<Nanos>,
    /// Offered codec.
    pub codec: Codec,
    /// Distinguishes this run's calls from those of earlier runs.
    pub run: String,
}

/// What happened to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The call was answered, or its description changed; sound goes there.
    Sound(usize, Option<SocketAddrV4>),
    /// The call is over, whatever the reason.
    Ended(usize),
}

/// What the calls of a run amounted to.
#[derive(Default)]
pub struct Figures {
    /// Final answers to INVITE by code; 408 where none came.
    pub codes: BTreeMap<u16, u64>,
    /// INVITE to 200.
    pub answer: Samples,
    /// INVITE to the first 18x.
    pub ringing: Samples,
    /// INVITE to the INVITE that reached the callee.
    pub through: Samples,
    /// BYE to its 200.
    pub bye: Samples,
    /// Retransmitted INVITEs.
    pub invites_again: u64,
    /// Retransmitted BYEs.
    pub byes_again: u64,
    /// BYEs that nobody answered.
    pub byes_lost: u64,
    /// Calls that the target ended.
    pub ended_by_target: u64,
    /// Messages that concerned a call of this run.
    pub heard: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Inviting { sent: u32, provisional: bool },
    Up,
    Leaving { sent: u32, since: Nanos },
    Done,
    Failed,
}

struct Call {
    state: State,
    port: u16,
    since: Nanos,
    rang: bool,
    reached: bool,
    to_tag: String,
    remote: String,
    routes: String,
}

/// The calling party.
pub struct Caller {
    plan: Plan,
    calls: Vec<Call>,
    deadlines: Deadlines,
    /// What was counted so far.
    pub figures: Figures,
    out: VecDeque<String>,
    events: VecDeque<Event>,
}

impl Caller {
    /// A party that has dialled nobody yet.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            calls: Vec::new(),
            deadlines: Deadlines::default(),
            figures: Figures::default(),
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Starts the next call, whose sound we want at `port`.
    pub fn dial(&mut self, port: u16, now: Nanos) {
        self.calls.push(Call {
            state: State::Inviting { sent: 1, provisional: false },
            port,
            since: now,
            rang: false,
            reached: false,
            to_tag: String::new(),
            remote: String::new(),
            routes: String::new(),
        });
        let i = self.calls.len() - 1;
        self.send_invite(i);
        self.deadlines.set(i, now + T1);
    }

    /// How many calls were started.
    #[must_use]
    pub fn started(&self) -> usize {
        self.calls.len()
    }

    /// How many calls are neither over nor simply up.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.count(|s| matches!(s, State::Inviting { .. } | State::Leaving { .. }))
    }

    /// How many calls are up.
    #[must_use]
    pub fn up(&self) -> usize {
        self.count(|s| s == State::Up)
    }

    fn count(&self, of: impl Fn(State) -> bool) -> usize {
        self.calls.iter().filter(|c| of(c.state)).count()
    }

    /// The call arrived at the callee.
    pub fn reached_callee(&mut self, i: usize, at: Nanos) {
        if let Some(call) = self.calls.get_mut(i).filter(|c| !c.reached) {
            call.reached = true;
            self.figures.through.record(at.saturating_sub(call.since));
        }
    }

    /// Ends a call that is up.
    pub fn hang_up(&mut self, i: usize, now: Nanos) {
        if !self.calls.get(i).is_some_and(|c| c.state == State::Up) {
            return;
        }
        self.calls[i].state = State::Leaving { sent: 1, since: now };
        self.deadlines.set(i, now + T1);
        self.send_in_dialog(i, "BYE", 2);
        self.events.push_back(Event::Ended(i));
    }

    /// Takes a message from the target.
    pub fn handle_message(&mut self, message: &Message<'_>, at: Nanos) {
        let Some(i) = self.call_of(message) else {
            return self.refuse_stale(message);
        };
        self.figures.heard += 1;
        match (message.code(), message.cseq()) {
            (None, _) => self.on_request(i, message),
            (Some(code), Some((_, "INVITE"))) => self.on_invite_response(i, code, message, at),
            (Some(code), Some((_, "BYE"))) if code >= 200 => self.on_bye_response(i, at),
            (Some(_), _) => {}
        }
    }

    /// Retransmits, gives up and hangs up what is due.
    pub fn handle_timeout(&mut self, now: Nanos) {
        while let Some(i) = self.deadlines.take_due(now) {
            match self.calls[i].state {
                State::Inviting { sent, provisional } => {
                    if sent >= MOST_INVITES || provisional || now > self.calls[i].since + PATIENCE {
                        self.give_up(i);
                        continue;
                    }
                    self.calls[i].state = State::Inviting { sent: sent + 1, provisional };
                    self.figures.invites_again += 1;
                    self.send_invite(i);
                    self.deadlines.set(i, now + (T1 << sent.min(6)));
                }
                State::Up => self.hang_up(i, now),
                State::Leaving { sent, .. } if sent >= MOST_BYES => {
                    self.figures.byes_lost += 1;
                    self.calls[i].state = State::Done;
                }
                State::Leaving { sent, since } => {
                    self.calls[i].state = State::Leaving { sent: sent + 1, since };
                    self.figures.byes_again += 1;
                    self.send_in_dialog(i, "BYE", 2);
                    self.deadlines.set(i, now + (T1 << sent.min(3)));
                }
                State::Done | State::Failed => {}
            }
        }
    }

    /// The next datagram for the target.
    pub fn poll_send(&mut self) -> Option<String> {
        self.out.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn call_of(&self, message: &Message<'_>) -> Option<usize> {
        let (run, i) = message.header("Call-ID")?.rsplit_once('-')?;
        let i = i.parse().ok()?;
        (run == self.plan.run && i < self.calls.len()).then_some(i)
    }

    /// A call of an earlier run: its server may stop asking.
    fn refuse_stale(&mut self, message: &Message<'_>) {
        if message.method().is_some_and(|m| m != "ACK") {
            self.out.push_back(reply(message, &Reply { status: "481 No such call", tag: "gone", ..Reply::default() }));
        }
    }

    fn on_request(&mut self, i: usize, request: &Message<'_>) {
        match request.method() {
            Some("ACK") => {}
            Some("BYE") => {
                self.out.push_back(reply(request, &Reply { status: "200 OK", ..Reply::default() }));
                if self.calls[i].state == State::Up {
                    self.figures.ended_by_target += 1;
                    self.deadlines.clear(i);
                    self.calls[i].state = State::Done;
                    self.events.push_back(Event::Ended(i));
                }
            }
            Some("INVITE") => {
                let headers = format!("Contact: {}\r\nContent-Type: application/sdp\r\n", self.contact(i));
                let body = self.description(i);
                self.out
                    .push_back(reply(request, &Reply { status: "200 OK", headers: &headers, body: &body, tag: "" }));
                if let Some(remote) = sdp::audio_address(request.body) {
                    self.events.push_back(Event::Sound(i, Some(remote)));
                }
            }
            Some(_) | None => self.out.push_back(reply(request, &Reply { status: "200 OK", ..Reply::default() })),
        }
    }

    fn on_invite_response(&mut self, i: usize, code: u16, response: &Message<'_>, at: Nanos) {
        let call = &mut self.calls[i];
        if let Some(tag) = response.tag("To") {
            tag.clone_into(&mut call.to_tag);
        }
        let inviting = matches!(call.state, State::Inviting { .. });
        match code {
            100..200 if inviting => {
                call.state = State::Inviting { sent: 1, provisional: true };
                self.deadlines.set(i, call.since + PATIENCE);
                if code > 100 && !call.rang {
                    call.rang = true;
                    self.figures.ringing.record(at.saturating_sub(call.since));
                }
            }
            100..200 => {}
            200..300 => {
                if inviting {
                    response.contact().unwrap_or_default().clone_into(&mut call.remote);
                    call.routes = response.route_set();
                    call.state = State::Up;
                    self.figures.answer.record(at.saturating_sub(call.since));
                    *self.figures.codes.entry(code).or_default() += 1;
                    match self.plan.hold {
                        Some(hold) => self.deadlines.set(i, at + hold),
                        None => self.deadlines.clear(i),
                    }
                    self.events.push_back(Event::Sound(i, sdp::audio_address(response.body)));
                }
                // Also for a repeated 200: our first ACK was lost.
                self.send_in_dialog(i, "ACK", 1);
            }
            _ => {
                self.send_ack_of_refusal(i);
                if inviting {
                    self.fail(i, code);
                }
            }
        }
    }

    fn on_bye_response(&mut self, i: usize, at: Nanos) {
        if let State::Leaving { since, .. } = self.calls[i].state {
            self.figures.bye.record(at.saturating_sub(since));
            self.deadlines.clear(i);
            self.calls[i].state = State::Done;
        }
    }

    fn give_up(&mut self, i: usize) {
        self.send_for_invite(i, "CANCEL", "");
        self.fail(i, 408);
    }

    fn fail(&mut self, i: usize, code: u16) {
        *self.figures.codes.entry(code).or_default() += 1;
        self.deadlines.clear(i);
        self.calls[i].state = State::Failed;
        self.events.push_back(Event::Ended(i));
    }

    fn send_invite(&mut self, i: usize) {
        let body = self.description(i);
        let headers = format!(
            "Contact: {}\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO\r\nContent-Type: application/sdp\r\n",
            self.contact(i)
        );
        self.send(i, "INVITE", 1, "inv", &self.dialled(), "", &headers, &body);
    }

    /// CANCEL, and ACK of a refusal, belong to the INVITE's transaction.
    fn send_for_invite(&mut self, i: usize, method: &str, to_tag: &str) {
        self.send(i, method, 1, "inv", &self.dialled(), to_tag, "", "");
    }

    fn send_ack_of_refusal(&mut self, i: usize) {
        let tag = self.calls[i].to_tag.clone();
        self.send_for_invite(i, "ACK", &tag);
    }

    fn send_in_dialog(&mut self, i: usize, method: &str, cseq: u32) {
        let call = &self.calls[i];
        let uri = if call.remote.is_empty() { self.dialled() } else { call.remote.clone() };
        let (tag, routes) = (call.to_tag.clone(), call.routes.clone());
        self.send(i, method, cseq, method, &uri, &tag, &routes, "");
    }

    #[allow(clippy::too_many_arguments, reason = "the eight places where our requests differ")]
    fn send(
        &mut self,
        i: usize,
        method: &str,
        cseq: u32,
        branch: &str,
        uri: &str,
        to_tag: &str,
        headers: &str,
        body: &str,
    ) {
        let Plan { local, run, .. } = &self.plan;
        let (user, dialled) = (user(i), self.dialled());
        let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        self.out.push_back(format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bK{run}-{i}-{branch};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{user}@{local}>;tag=a{run}{i}\r\n\
             To: <{dialled}>{tag}\r\n\
             Call-ID: {run}-{i}\r\n\
             CSeq: {cseq} {method}\r\n\
             User-Agent: patchbay-bench\r\n\
             {headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    fn dialled(&self) -> String {
        format!("sip:{}@{}", self.plan.dial, self.plan.domain)
    }

    fn contact(&self, i: usize) -> String {
        format!("<sip:{}@{}>", user(i), self.plan.local)
    }

    fn description(&self, i: usize) -> String {
        sdp::describe(*self.plan.local.ip(), self.calls[i].port, self.plan.codec)
    }
}

/// Prefix of the numbers our callers have, by which the callee knows them again.
const PREFIX: &str = "555";

fn user(i: usize) -> String {
    format!("{PREFIX}{i:07}")
}

/// The call that a message at the callee belongs to, if its caller's number came through.
#[must_use]
pub fn caller_of(message: &Message<'_>) -> Option<usize> {
    ["From", "P-Asserted-Identity"].into_iter().filter_map(|name| message.header(name)).find_map(|value| {
        let (_, rest) = value.split_once("sip:")?;
        rest.strip_prefix(PREFIX)?.get(..7)?.parse().ok()
    })
}
