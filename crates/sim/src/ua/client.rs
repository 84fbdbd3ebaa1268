//! Client transactions of a phone (RFC 3261 §17.1) and what their responses mean.

use super::digest::Challenge;
use super::line::LineId;
use super::message::{self, Facts};
use super::{GIVE_UP, T1, T2, Timer, Ua};
use rsip::headers::UntypedHeader;
use rsip::{Header, Method, Request, Response};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Why a request was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    Register,
    Options,
    Subscribe(usize),
    Publish,
    Message(usize),
    /// Any request outside calls.
    Asked(usize),
    /// A NOTIFY to a subscriber of its own.
    Tell,
    Invite(LineId),
    Reinvite(LineId),
    Cancel,
    Bye(LineId),
    Refer(LineId),
    Info(LineId),
    /// How a REFER goes that it was sent.
    Notify,
    Prack(LineId),
}

/// One request on its way.
pub(super) struct Client {
    request: Request,
    to: SocketAddr,
    purpose: Purpose,
    interval: Duration,
    state: State,
    /// It answers a challenge already.
    authorized: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Calling,
    Proceeding,
    /// Final response seen; an INVITE's is acknowledged again when it comes again.
    Completed,
}

impl Ua {
    pub(super) fn start_client(&mut self, request: Request, to: SocketAddr, purpose: Purpose, now: Instant) {
        let request = self.authorize_ahead(request, purpose);
        self.start_client_as(request, to, purpose, false, now);
    }

    /// A phone that remembers its nonce answers the challenge before it is asked again (RFC 7616 §3.3).
    fn authorize_ahead(&mut self, mut request: Request, purpose: Purpose) -> Request {
        let cnonce = self.entropy.token(8);
        if let (Some((challenge, nc)), Some(password), Purpose::Register | Purpose::Invite(_)) =
            (&mut self.nonce, &self.password, purpose)
            && *nc < 9
        {
            *nc += 1;
            let header = challenge.answer(&self.number, password, request.method, &request.uri, &cnonce, *nc);
            request.headers.push(header);
        }
        request
    }

    fn start_client_as(&mut self, request: Request, to: SocketAddr, purpose: Purpose, authorized: bool, now: Instant) {
        let Ok((_, facts)) = message::read(request.to_string().as_bytes()) else {
            return self.complain(format!("wrote an unreadable request: {request}"));
        };
        self.send(to, request.to_string().into_bytes());
        let branch = facts.branch;
        self.timers.set(Timer::Repeat(branch.clone()), now + T1);
        self.timers.set(Timer::Lapse(branch.clone()), now + GIVE_UP);
        let client = Client { request, to, purpose, interval: T1, state: State::Calling, authorized };
        self.clients.insert(branch, client);
    }

    pub(super) fn repeat_request(&mut self, branch: String, now: Instant) {
        // A stream loses nothing (RFC 3261 §17.1.1.2).
        if self.stream.is_some() {
            return;
        }
        let Some(client) = self.clients.get_mut(&branch) else { return };
        let invite = client.request.method == Method::Invite;
        if client.state == State::Completed || (invite && client.state == State::Proceeding) {
            return;
        }
        client.interval = if invite { client.interval * 2 } else { (client.interval * 2).min(T2) };
        if client.state == State::Proceeding {
            client.interval = T2;
        }
        let (at, to, data) = (now + client.interval, client.to, client.request.to_string().into_bytes());
        self.timers.set(Timer::Repeat(branch), at);
        self.send(to, data);
    }

    /// Timer B, D, F or K.
    pub(super) fn lapse(&mut self, branch: &str, now: Instant) {
        self.timers.cancel(&Timer::Repeat(branch.to_owned()));
        let Some(client) = self.clients.remove(branch) else { return };
        if client.state != State::Completed {
            self.on_final(client.purpose, 408, None, now);
        }
    }

    /// An INVITE rings for as long as the caller's patience: timer B stops with the first provisional response.
    pub(super) fn on_response(&mut self, response: &Response, facts: &Facts, now: Instant) {
        let status = response.status_code.code();
        let key = Self::client_key(facts);
        let Some(client) = self.clients.get_mut(&key) else {
            // A 2xx that comes again after its transaction: the ACK was lost (RFC 3261 §13.2.2.4).
            if facts.method == "INVITE" && (200..300).contains(&status) {
                self.acknowledge_again(facts);
            }
            return;
        };
        if client.request.method.to_string() != facts.method {
            return;
        }
        let (purpose, invite) = (client.purpose, client.request.method == Method::Invite);
        if client.state == State::Completed {
            if invite && status >= 300 {
                self.acknowledge_refusal(&key, response);
            }
            return;
        }
        if status < 200 {
            client.state = State::Proceeding;
            if invite {
                self.timers.cancel(&Timer::Repeat(key.clone()));
                self.timers.cancel(&Timer::Lapse(key.clone()));
            }
            return self.on_provisional(purpose, status, response, facts, now);
        }
        client.state = State::Completed;
        let authorized = client.authorized;
        self.timers.cancel(&Timer::Repeat(key.clone()));
        self.timers.set(Timer::Lapse(key.clone()), now + if invite { GIVE_UP } else { Duration::from_secs(5) });
        if status > 100 && facts.to_tag.is_none() {
            self.complain(format!("{status} without To tag"));
        }
        if invite && status >= 300 {
            self.acknowledge_refusal(&key, response);
        }
        if matches!(status, 401 | 407) && self.retry_with_password(&key, authorized, response, now) {
            return;
        }
        if invite && status < 300 {
            self.clients.remove(&key);
            self.timers.cancel(&Timer::Lapse(key.clone()));
        }
        self.on_final(purpose, status, Some((response, facts)), now);
    }

    fn on_provisional(&mut self, purpose: Purpose, status: u16, response: &Response, facts: &Facts, now: Instant) {
        if let Purpose::Invite(line) = purpose {
            self.on_invite_provisional(line, status, response, facts, now);
        }
    }

    fn on_final(&mut self, purpose: Purpose, status: u16, response: Option<(&Response, &Facts)>, now: Instant) {
        match purpose {
            Purpose::Register => self.on_registered(status, response.map(|(response, _)| response), now),
            Purpose::Options => self.registration.options_status = Some(status),
            Purpose::Subscribe(index) => self.on_subscribed(index, status, response, now),
            Purpose::Publish => self.on_published(status, response.map(|(response, _)| response)),
            Purpose::Message(index) => self.events.sent[index] = Some(status),
            Purpose::Asked(index) => self.serving.asked[index].1 = Some(status),
            Purpose::Tell => self.serving.told.push(status),
            Purpose::Invite(line) => self.on_invite_final(line, status, response, now),
            Purpose::Reinvite(line) => self.on_reinvite_final(line, status, response, now),
            Purpose::Cancel => {}
            Purpose::Bye(line) => self.lines[line].bye_status = Some(status),
            Purpose::Refer(line) => self.lines[line].refer_status = Some(status),
            Purpose::Info(_) if status != 200 => self.complain(format!("{status} to an INFO")),
            Purpose::Info(_) => {}
            Purpose::Notify => self.notify_statuses.push(status),
            // A call that ends meanwhile needs none.
            Purpose::Prack(line) if status >= 300 && !self.lines[line].is_over() => {
                self.complain(format!("{status} to PRACK"));
            }
            Purpose::Prack(_) => {}
        }
    }

    /// ACK for a final response that is no 2xx: it belongs to the transaction (RFC 3261 §17.1.1.3).
    fn acknowledge_refusal(&mut self, branch: &str, response: &Response) {
        let Some(client) = self.clients.get(branch) else { return };
        let to = client.to;
        let mut ack = rsip::Request {
            method: Method::Ack,
            uri: client.request.uri.clone(),
            version: rsip::Version::V2,
            headers: rsip::Headers::default(),
            body: Vec::new(),
        };
        for header in client.request.headers.iter() {
            match header {
                Header::Via(_) | Header::From(_) | Header::CallId(_) | Header::MaxForwards(_) => {
                    ack.headers.push(header.clone());
                }
                Header::To(_) => {
                    ack.headers
                        .extend(response.headers.iter().filter(|h| matches!(h, Header::To(_))).cloned().collect());
                }
                Header::CSeq(cseq) => {
                    let value = cseq.value().replace("INVITE", "ACK");
                    ack.headers.push(Header::CSeq(rsip::headers::CSeq::new(value)));
                }
                _ => {}
            }
        }
        ack.headers.push(Header::ContentLength(rsip::headers::ContentLength::new("0")));
        self.send(to, ack.to_string().into_bytes());
    }

    /// Answers a challenge once, and again only if the nonce was stale. False: the response stands.
    fn retry_with_password(&mut self, branch: &str, authorized: bool, response: &Response, now: Instant) -> bool {
        let (Some(password), Some(client)) = (self.password.clone(), self.clients.get(branch)) else { return false };
        let Some(challenge) = Challenge::choose(&response.headers, self.hash) else { return false };
        if authorized && !challenge.stale {
            return false;
        }
        if let Purpose::Invite(line) = client.purpose {
            // Who has put the receiver down meanwhile does not call again.
            if self.lines[line].media.hung_up {
                return false;
            }
            self.lines[line].statuses.push(response.status_code.code());
        }
        let (mut request, to, purpose) = (client.request.clone(), client.to, client.purpose);
        let (new_branch, cnonce) = (self.branch(), self.entropy.token(8));
        let authorization = challenge.answer(&self.number, &password, request.method, &request.uri, &cnonce, 1);
        if self.remembers_nonce {
            self.nonce = Some((challenge, 1));
        }
        let cseq = self.next_cseq(purpose);
        let mut headers = rsip::Headers::default();
        for header in request.headers.into_iter() {
            headers.push(match header {
                Header::Via(via) => Header::Via(rsip::headers::Via::new(via.value().replace(branch, &new_branch))),
                Header::CSeq(_) => Header::CSeq(rsip::headers::CSeq::new(format!("{cseq} {}", request.method))),
                Header::Authorization(_) => continue,
                other => other,
            });
        }
        headers.push(authorization);
        request.headers = headers;
        self.start_client_as(request, to, purpose, true, now);
        if let Purpose::Invite(line) = purpose {
            self.lines[line].invite_branch = new_branch;
            self.lines[line].invite_cseq = cseq;
        }
        true
    }

    fn next_cseq(&mut self, purpose: Purpose) -> u32 {
        let cseq = match purpose {
            Purpose::Register => &mut self.registration.cseq,
            Purpose::Invite(line)
            | Purpose::Reinvite(line)
            | Purpose::Bye(line)
            | Purpose::Refer(line)
            | Purpose::Info(line)
            | Purpose::Prack(line) => &mut self.lines[line].local_cseq,
            Purpose::Subscribe(index) => &mut self.events.subscriptions[index].cseq,
            Purpose::Options | Purpose::Publish | Purpose::Message(_) | Purpose::Cancel => return 2,
            Purpose::Asked(_) | Purpose::Tell | Purpose::Notify => return 2,
        };
        *cseq += 1;
        *cseq
    }

    /// CANCEL for an INVITE that got a provisional response (RFC 3261 §9.1). False: there is none to cancel yet.
    pub(super) fn cancel_invite(&mut self, line: LineId, now: Instant) -> bool {
        let branch = self.lines[line].invite_branch.clone();
        let Some(client) = self.clients.get(&branch).filter(|client| client.state == State::Proceeding) else {
            return false;
        };
        let mut cancel = client.request.clone();
        let to = client.to;
        cancel.method = Method::Cancel;
        cancel.body = Vec::new();
        let mut headers = rsip::Headers::default();
        for header in cancel.headers.into_iter() {
            match header {
                Header::Via(_) | Header::From(_) | Header::To(_) | Header::CallId(_) | Header::MaxForwards(_) => {
                    headers.push(header);
                }
                Header::CSeq(cseq) => {
                    headers.push(Header::CSeq(rsip::headers::CSeq::new(cseq.value().replace("INVITE", "CANCEL"))));
                }
                _ => {}
            }
        }
        headers.push(Header::ContentLength(rsip::headers::ContentLength::new("0")));
        cancel.headers = headers;
        self.start_cancel(cancel, to, &branch, now);
        // Nothing may come of it: then the caller gives up alone (RFC 3261 §9.1).
        self.timers.set(Timer::Lapse(branch), now + GIVE_UP);
        true
    }

    /// A CANCEL shares its INVITE's branch, so it is kept under a key of its own.
    fn start_cancel(&mut self, cancel: Request, to: SocketAddr, branch: &str, now: Instant) {
        self.send(to, cancel.to_string().into_bytes());
        let key = format!("{branch} CANCEL");
        self.timers.set(Timer::Repeat(key.clone()), now + T1);
        self.timers.set(Timer::Lapse(key.clone()), now + GIVE_UP);
        let client = Client {
            request: cancel,
            to,
            purpose: Purpose::Cancel,
            interval: T1,
            state: State::Calling,
            authorized: false,
        };
        self.clients.insert(key, client);
    }

    /// The key under which a response's transaction is kept.
    pub(super) fn client_key(facts: &Facts) -> String {
        if facts.method == "CANCEL" { format!("{} CANCEL", facts.branch) } else { facts.branch.clone() }
    }

    /// Is a re-INVITE of ours on its way?
    pub(super) fn reinviting(&self, line: LineId) -> bool {
        self.clients.values().any(|c| c.purpose == Purpose::Reinvite(line) && c.state != State::Completed)
    }
}
