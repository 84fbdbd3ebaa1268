//! The called party of all calls: rings, answers, retransmits its answer. No sockets, no clock.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;

use crate::caller::caller_of;
use crate::deadlines::Deadlines;
use crate::net::{MS, Nanos};
use crate::sip::sdp::{self, Codec};
use crate::sip::text::{Message, Reply, reply};

const T1: Nanos = 500 * MS;
const MOST_ANSWERS: u32 = 7;

/// What happened to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A new call is here and wants [`Callee::ring`].
    Offered {
        /// The call's number here.
        call: usize,
        /// Its number at the calling party, if that came through.
        caller: Option<usize>,
        /// When it came.
        at: Nanos,
    },
    /// Sound for the other side goes there.
    Sound(usize, SocketAddrV4),
    /// The call is over.
    Ended(usize),
}

/// What the calls of a run amounted to.
#[derive(Debug, Default)]
pub struct Figures {
    /// Calls offered.
    pub invites: u64,
    /// Retransmitted 200s.
    pub answers_again: u64,
    /// Answers that nobody acknowledged.
    pub answers_lost: u64,
    /// Calls beyond the limit, refused with 503.
    pub refused: u64,
}

enum State {
    Offered { request: String },
    Ringing { request: String },
    Answered { response: String, sent: u32 },
    Confirmed,
    Done,
}

struct Call {
    state: State,
    from: SocketAddrV4,
    port: u16,
}

/// The called party.
pub struct Callee {
    local: SocketAddrV4,
    codec: Codec,
    ring: Nanos,
    limit: usize,
    calls: Vec<Call>,
    // At most `limit` entries, one per call of this run.
    by_id: BTreeMap<String, usize>,
    deadlines: Deadlines,
    /// What was counted so far.
    pub figures: Figures,
    out: VecDeque<(SocketAddrV4, String)>,
    events: VecDeque<Event>,
}

impl Callee {
    /// A party at `local` that rings for `ring` and takes at most `limit` calls.
    #[must_use]
    pub fn new(local: SocketAddrV4, codec: Codec, ring: Nanos, limit: usize) -> Self {
        Self {
            local,
            codec,
            ring,
            limit,
            calls: Vec::new(),
            by_id: BTreeMap::new(),
            deadlines: Deadlines::default(),
            figures: Figures::default(),
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes a message from the target.
    pub fn handle_message(&mut self, message: &Message<'_>, text: &str, from: SocketAddrV4, at: Nanos) {
        let (Some(method), Some(id)) = (message.method(), message.header("Call-ID")) else { return };
        let known = self.by_id.get(id).copied();
        match (method, known) {
            ("INVITE", None) => self.on_invite(message, text, id, from, at),
            ("INVITE", Some(call)) => self.on_invite_again(call, message, from),
            ("ACK", Some(call)) => self.on_ack(call, message),
            ("ACK", None) => {}
            ("CANCEL", Some(call)) => self.on_cancel(call, message, from),
            (_, None) => self.answer(from, message, "481 No such call", ""),
            ("BYE", Some(call)) => {
                self.answer(from, message, "200 OK", "");
                self.end(call);
            }
            (_, Some(_)) => self.answer(from, message, "200 OK", ""),
        }
    }

    /// Rings, and answers at once or after the ringing time; our sound comes to `port`.
    pub fn ring(&mut self, call: usize, port: u16, now: Nanos) {
        let State::Offered { request } = std::mem::replace(&mut self.calls[call].state, State::Done) else { return };
        self.calls[call].port = port;
        let to = self.calls[call].from;
        if let Some(message) = Message::parse(request.as_bytes()) {
            let (tag, contact) = (tag(call), self.contact());
            let ringing = Reply { status: "180 Ringing", tag: &tag, headers: &contact, body: "" };
            self.out.push_back((to, reply(&message, &ringing)));
        }
        self.calls[call].state = State::Ringing { request };
        if self.ring == 0 {
            self.pick_up(call, now);
        } else {
            self.deadlines.set(call, now + self.ring);
        }
    }

    /// Answers and retransmits what is due.
    pub fn handle_timeout(&mut self, now: Nanos) {
        while let Some(call) = self.deadlines.take_due(now) {
            let from = self.calls[call].from;
            match &mut self.calls[call].state {
                State::Ringing { .. } => self.pick_up(call, now),
                State::Answered { sent, .. } if *sent >= MOST_ANSWERS => {
                    self.figures.answers_lost += 1;
                    self.end(call);
                }
                State::Answered { response, sent } => {
                    *sent += 1;
                    self.figures.answers_again += 1;
                    self.deadlines.set(call, now + (T1 << (*sent - 1).min(3)));
                    self.out.push_back((from, response.clone()));
                }
                State::Offered { .. } | State::Confirmed | State::Done => {}
            }
        }
    }

    /// The next datagram, and where it goes.
    pub fn poll_send(&mut self) -> Option<(SocketAddrV4, String)> {
        self.out.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn on_invite(&mut self, message: &Message<'_>, text: &str, id: &str, from: SocketAddrV4, at: Nanos) {
        if self.calls.len() >= self.limit {
            self.figures.refused += 1;
            return self.answer(from, message, "503 Too many calls", "full");
        }
        self.figures.invites += 1;
        let call = self.calls.len();
        self.by_id.insert(id.to_owned(), call);
        self.calls.push(Call { state: State::Offered { request: text.to_owned() }, from, port: 0 });
        self.events.push_back(Event::Offered { call, caller: caller_of(message), at });
        if let Some(remote) = sdp::audio_address(message.body) {
            self.events.push_back(Event::Sound(call, remote));
        }
    }

    /// A retransmission, or a re-INVITE of an established call.
    fn on_invite_again(&mut self, call: usize, message: &Message<'_>, from: SocketAddrV4) {
        match &self.calls[call].state {
            State::Offered { .. } | State::Ringing { .. } | State::Done => {}
            State::Answered { response, .. } if message.tag("To").is_none() => {
                self.out.push_back((from, response.clone()));
            }
            State::Answered { .. } | State::Confirmed => {
                let response = self.accept(call, message);
                self.out.push_back((from, response));
                if let Some(remote) = sdp::audio_address(message.body) {
                    self.events.push_back(Event::Sound(call, remote));
                }
            }
        }
    }

    fn on_ack(&mut self, call: usize, message: &Message<'_>) {
        if matches!(self.calls[call].state, State::Answered { .. }) {
            self.deadlines.clear(call);
            self.calls[call].state = State::Confirmed;
            // An answer to an offer that our 200 made travels in the ACK.
            if let Some(remote) = sdp::audio_address(message.body) {
                self.events.push_back(Event::Sound(call, remote));
            }
        }
    }

    fn on_cancel(&mut self, call: usize, cancel: &Message<'_>, from: SocketAddrV4) {
        self.answer(from, cancel, "200 OK", &tag(call));
        if let State::Offered { request } | State::Ringing { request } = &self.calls[call].state {
            if let Some(invite) = Message::parse(request.as_bytes()) {
                let tag = tag(call);
                let terminated = Reply { status: "487 Request Terminated", tag: &tag, ..Reply::default() };
                self.out.push_back((from, reply(&invite, &terminated)));
            }
            self.end(call);
        }
    }

    fn pick_up(&mut self, call: usize, now: Nanos) {
        let State::Ringing { request } = std::mem::replace(&mut self.calls[call].state, State::Done) else { return };
        let Some(message) = Message::parse(request.as_bytes()) else { return };
        let response = self.accept(call, &message);
        self.out.push_back((self.calls[call].from, response.clone()));
        self.calls[call].state = State::Answered { response, sent: 1 };
        self.deadlines.set(call, now + T1);
    }

    fn accept(&self, call: usize, invite: &Message<'_>) -> String {
        let headers = format!("{}Content-Type: application/sdp\r\n", self.contact());
        let body = sdp::describe(*self.local.ip(), self.calls[call].port, self.codec);
        reply(invite, &Reply { status: "200 OK", tag: &tag(call), headers: &headers, body: &body })
    }

    fn answer(&mut self, to: SocketAddrV4, request: &Message<'_>, status: &str, tag: &str) {
        self.out.push_back((to, reply(request, &Reply { status, tag, ..Reply::default() })));
    }

    fn end(&mut self, call: usize) {
        if !matches!(self.calls[call].state, State::Done) {
            self.calls[call].state = State::Done;
            self.deadlines.clear(call);
            self.events.push_back(Event::Ended(call));
        }
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:uas@{}>\r\n", self.local)
    }
}

fn tag(call: usize) -> String {
    format!("b{call}")
}

#[cfg(test)]
mod tests;
