//! The calling side of a session, and what we ask inside one.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

use super::again::{Again, Attempt};
use super::event::TxId;
use super::flow::uri_param;
use super::session::{Cancel, Offer, Session, State};
use super::table::{Deadline, Kind, Purpose, SessionTimer, Tx};
use super::uas::SDP;
use super::{Endpoint, Event, Flow, Headers, Overloaded, SessionId};
use crate::auth::{Credentials, Login};
use crate::dialog::{Dialog, via};
use crate::message::{Message, MessageBuilder, Method, Name, NameAddr, Status, Uri};
use crate::placement;
use crate::transaction::{Effects, InviteClient, Timer};

/// A call of ours.
#[derive(Clone, Debug)]
pub struct Invite {
    /// Where to.
    pub flow: Flow,
    /// To whom.
    pub request_uri: Uri,
    /// Route values, first hop first.
    pub route: Vec<NameAddr>,
    /// From; the tag is ours to add.
    pub from: NameAddr,
    /// To, without a tag.
    pub to: NameAddr,
    /// The user of our Contact.
    pub contact_user: String,
    /// More headers. A Max-Forwards among them replaces our 70: for a call that is passed on, the caller's less one.
    pub headers: Headers,
    /// The session description; empty asks the peer for an offer.
    pub body: Bytes,
    /// The Call-ID; else a new one.
    pub call_id: Option<String>,
    /// Who we are, if the peer asks: 401 and 407 are then answered by the endpoint, here and in all requests of the session.
    pub credentials: Option<Arc<Credentials>>,
    /// Where to go on when a hop is dead (503, timer B or [`hop_patience`](super::Config::hop_patience), a failure of the transport;
    /// RFC 3263 §4.3), best first.
    pub alternatives: Vec<Flow>,
    /// There is another way that our owner will try: the first word is waited for no longer than
    /// [`hop_patience`](super::Config::hop_patience).
    pub hurried: bool,
    /// By what it is known if a proxy sends it back to us: [`Endpoint::mark`] of what decided where it goes.
    pub mark: Option<u64>,
    /// Nothing but this flow leads there, as to a phone that registered over it: a long request does not go by TCP instead.
    pub by_flow: bool,
    /// An emergency call: neither a neighbour's overload nor a limit of ours stops it (RFC 7339 §5.10.1, RFC 5390 §5).
    pub urgent: bool,
}

impl Invite {
    /// A call without a session description (asks for an offer), route, credentials, or headers of its own.
    pub fn new(flow: Flow, request_uri: Uri, from: NameAddr, to: NameAddr) -> Self {
        Self {
            flow,
            request_uri,
            route: Vec::new(),
            from,
            to,
            contact_user: String::new(),
            headers: Headers::new(),
            body: Bytes::new(),
            call_id: None,
            credentials: None,
            alternatives: Vec::new(),
            mark: None,
            hurried: false,
            by_flow: false,
            urgent: false,
        }
    }
}

impl Endpoint {
    /// Calls somebody.
    pub fn invite(&mut self, mut invite: Invite, now: Instant) -> Result<SessionId, Overloaded> {
        self.urgent = invite.urgent;
        let full = self.is_full() || self.sessions_full();
        self.urgent = false;
        if full {
            self.stats.overloaded += 1;
            return Err(Overloaded);
        }
        if !invite.urgent && self.control.holds_back(invite.flow.remote, &mut self.entropy, now) {
            self.stats.held_back += 1;
            return Err(Overloaded);
        }
        let flow = invite.flow;
        let branch = self.marked_branch(invite.mark);
        let credentials = invite.credentials.take();
        let alternatives = std::mem::take(&mut invite.alternatives);
        let (by_flow, hurried) = (invite.by_flow, invite.hurried);
        let data = self.write_invite(invite, &branch);
        // What we wrote can be read; were it not so, nobody else could read it either.
        let message = Message::parse_datagram(data.clone()).map_err(|_| Overloaded)?;
        let dialog = Dialog::of_our_invite(&message);
        let key = self.hasher.dialog(&dialog.call_id, &dialog.local_tag);
        let state = State::Calling { tx: TxId::default(), cancel: None, early: Vec::new() };
        let again = Again::of(&data, None, credentials.is_some(), alternatives);
        let login = credentials.map(|credentials| Box::new(Login::new(credentials)));
        let mut session = Session::new(dialog, flow, key, state);
        (session.login, session.caller, session.by_flow) = (login, true, by_flow);
        let id = self.sessions.insert(session);
        self.dialogs.insert(key, id);
        let tx = self.send_invite(data, flow, &branch, id, again, now);
        if hurried {
            self.arm(Deadline::Tx(tx, Timer::B), now + self.config.hop_patience.min(self.config.t1 * 64));
        }
        if let Some(session) = self.sessions.get_mut(id) {
            session.state = State::Calling { tx, cancel: None, early: Vec::new() };
        }
        Ok(id)
    }

    /// Ends a session in whatever state: CANCEL, BYE or 480. `reason` is the value of a Reason header (RFC 3326).
    ///
    /// No event follows, also if a 2xx crosses the CANCEL: it is acknowledged and hung up. Before the ACK for our 2xx came,
    /// BYE waits for it.
    pub fn hangup(&mut self, id: SessionId, reason: Option<Vec<u8>>, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        match &mut session.state {
            State::Incoming { .. } => {
                let headers = reason.map(|reason| ("Reason".to_owned(), reason)).into_iter().collect();
                self.reject(id, Status::TEMPORARILY_UNAVAILABLE, headers, now);
            }
            State::Calling { .. } => self.cancel_call(id, reason, now),
            State::Open { offer: Offer::Unacked { .. } } => self.hang_up_when_acknowledged(id, reason),
            State::Open { .. } => self.say_bye(id, reason, now),
            State::Closing => {}
        }
    }

    fn write_invite(&mut self, invite: Invite, branch: &str) -> Bytes {
        let tag = placement::tag(self.config.cell, &mut self.entropy);
        let call_id = invite.call_id.unwrap_or_else(|| self.entropy.token(26));
        let seq = 1 + self.entropy.below(1 << 16) as u32;
        let mut out = MessageBuilder::request(&Method::Invite, &invite.request_uri);
        out.header(Name::Via, via(&invite.flow, branch) + super::overload::ANNOUNCED);
        if !invite.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Max-Forwards")) {
            out.header(Name::MaxForwards, "70");
        }
        for route in &invite.route {
            out.addr(Name::Route, route);
        }
        out.addr(Name::From, &invite.from.with_tag(&tag)).addr(Name::To, &invite.to).header(Name::CallId, call_id);
        out.cseq(seq, &Method::Invite);
        out.header(Name::Contact, contact(&invite.contact_user, &invite.flow));
        out.header(Name::UserAgent, &self.config.server);
        if let Some(interval) = self.timer_offer() {
            out.header(Name::SessionExpires, interval);
        }
        for (name, value) in self.session_abilities().iter().chain(&invite.headers) {
            out.named(name, value);
        }
        if invite.body.is_empty() { out.finish() } else { out.finish_with_body(SDP, &invite.body) }
    }

    pub(super) fn send_invite(
        &mut self,
        data: Bytes,
        flow: Flow,
        branch: &str,
        session: SessionId,
        again: Option<Box<Again>>,
        now: Instant,
    ) -> TxId {
        let (data, flow, again) = self.by_size(data, flow, Some(session), again, now);
        let mut effects = Effects::default();
        let machine = InviteClient::start(data.clone(), &self.timing(flow), &mut effects);
        let inside = matches!(self.sessions.get(session).map(|session| &session.state), Some(State::Open { .. }));
        let kind =
            Kind::InviteClient { machine, invite: data, inside, forks: SmallVec::new(), others: Vec::new(), again };
        let key = self.hasher.client(branch.as_bytes(), &Method::Invite);
        let tx = self.add_tx(Tx { kind, flow, key, session: Some(session), armed: 0 });
        self.apply(tx, effects, now);
        self.hurry(tx, now);
        tx
    }

    /// A response to an INVITE of ours that its machine lets pass.
    pub(super) fn invite_answered(
        &mut self,
        tx: TxId,
        session: Option<SessionId>,
        status: Status,
        response: &Message,
        now: Instant,
    ) {
        if status.is_success() {
            return self.invite_accepted(tx, session, response, now);
        }
        if status.is_failure() {
            let attempt = self.attempt_of(tx);
            return self.invite_refused(session, tx, attempt, status, Some(response), now);
        }
        let Some((id, session)) = session.and_then(|id| Some((id, self.sessions.get(id)?))) else { return };
        match &session.state {
            State::Calling { cancel: Some(Cancel { sent: false, .. }), .. } => self.send_cancel(id, now),
            State::Calling { cancel: None, .. } => {
                self.wait_for_answer(id, now);
                if status != Status::TRYING {
                    self.provisional_received(id, status, response, now);
                }
            }
            _ => {}
        }
    }

    /// Our INVITE, first or in a dialog, failed here: it goes on with credentials or by another hop, or is over.
    pub(super) fn invite_refused(
        &mut self,
        session: Option<SessionId>,
        tx: TxId,
        attempt: Option<Attempt>,
        status: Status,
        response: Option<&Message>,
        now: Instant,
    ) {
        match attempt.map(|attempt| self.try_again(attempt, status, response, now)) {
            Some(Ok(())) => {}
            Some(Err(_)) | None => self.invite_failed(session, tx, status, response, now),
        }
    }

    /// Our INVITE, first or in a dialog, failed for good.
    fn invite_failed(
        &mut self,
        session: Option<SessionId>,
        tx: TxId,
        status: Status,
        response: Option<&Message>,
        now: Instant,
    ) {
        let Some((id, session)) = session.and_then(|id| Some((id, self.sessions.get_mut(id)?))) else { return };
        match &session.state {
            State::Calling { cancel, .. } => {
                let silent = cancel.is_some();
                self.end_exchanges(id, now);
                self.remove_session(id);
                if !silent {
                    self.event(Event::Rejected { session: id, status, message: response.cloned() });
                }
            }
            State::Open { offer: Offer::Ours { tx: ours, .. } } if *ours == tx => {
                let before = std::mem::replace(&mut session.state, State::Open { offer: Offer::None });
                match before {
                    State::Open { offer: Offer::Ours { asked: asked @ Some(_), .. } } => {
                        self.reoffer_ended(id, asked, status, response, now);
                    }
                    _ => self.refresh_ended(id, status, response, now),
                }
                self.offer_settled(id, now);
            }
            State::Open { .. } | State::Incoming { .. } | State::Closing => {}
        }
    }

    /// Gives up a call: CANCEL as soon as that is allowed (RFC 3261 §9.1).
    pub(super) fn cancel_call(&mut self, id: SessionId, reason: Option<Vec<u8>>, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let State::Calling { tx, cancel: cancel @ None, .. } = &mut session.state else { return };
        *cancel = Some(Cancel { reason, sent: false });
        let tx = *tx;
        self.end_exchanges(id, now);
        self.disarm_session(id, SessionTimer::Answer);
        self.disarm_session(id, SessionTimer::Retry);
        if let Some(Kind::InviteClient { machine, .. }) = self.txs.get(tx).map(|tx| &tx.kind)
            && machine.is_proceeding()
        {
            self.send_cancel(id, now);
        }
    }

    fn send_cancel(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let State::Calling { tx, cancel: Some(cancel), .. } = &mut session.state else { return };
        cancel.sent = true;
        let Some(found) = self.txs.get(*tx) else { return };
        let Kind::InviteClient { invite, .. } = &found.kind else { return };
        let flow = found.flow;
        let Some((data, branch)) = cancel_of(invite, cancel.reason.as_deref()) else { return };
        let key = self.hasher.client(&branch, &Method::Cancel);
        self.send_request(data, flow, key, Purpose::Errand, Some(id), None, now);
        // If even now nothing final comes, the INVITE is forgotten.
        self.arm_session(id, SessionTimer::Patience, now + self.config.t1 * 64);
    }

    /// Ends a dialog by BYE. The session stays, silent, until that is answered or given up.
    pub(super) fn say_bye(&mut self, id: SessionId, reason: Option<Vec<u8>>, now: Instant) {
        self.cancel_session_timers(id);
        self.end_exchanges(id, now);
        // An offer that nobody will answer is acknowledged all the same (RFC 3261 §13.2.2.4).
        if let Some(State::Open { offer: Offer::Answering { tx, tag, seq } }) = self.sessions.get(id).map(|s| &s.state)
        {
            let (tx, tag, seq) = (*tx, tag.clone(), *seq);
            self.send_ack(id, tx, &tag, seq, None);
        }
        let branch = self.branch();
        let carried = self.carried(id);
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.state = State::Closing;
        (session.refresh, session.waiting) = (None, None);
        let seq = session.dialog.next_seq();
        let flow = session.dialog.next_hop(session.flow);
        let Some(mut bye) = session.dialog.request(&Method::Bye, seq, &branch, &flow) else {
            // Its Contact is no address: there is nobody to tell.
            return drop(self.remove_session(id));
        };
        if let Some(reason) = reason {
            bye.header(Name::Reason, reason);
        }
        bye.header(Name::UserAgent, &self.config.server);
        for (name, value) in &carried {
            bye.named(name, value);
        }
        let key = self.hasher.client(branch.as_bytes(), &Method::Bye);
        let data = self.authorized(id, bye.finish());
        let again = self.again_in(id, &data);
        self.send_request(data, flow, key, Purpose::Bye(id), Some(id), again, now);
    }
}

/// Our Contact: this user at our address on this flow.
pub(super) fn contact(user: &str, flow: &Flow) -> String {
    let escaped = Uri::sip((!user.is_empty()).then_some(user), "h", None).ok();
    let user = escaped.as_ref().and_then(|uri| uri.user()).map(|user| format!("{}@", String::from_utf8_lossy(user)));
    format!("<sip:{}{}{}>", user.unwrap_or_default(), flow.local, uri_param(flow.transport))
}

/// The ACK for a failure: RFC 3261 §17.1.1.3.
pub(super) fn ack_of_failure(invite: &Bytes, response: &Message) -> Bytes {
    let Ok(invite) = Message::parse_datagram(invite.clone()) else { return Bytes::new() };
    let Some(mut out) = hop_request(&invite, &Method::Ack) else { return Bytes::new() };
    out.copy(&invite, Name::From).copy(response, Name::To).copy(&invite, Name::CallId);
    out.cseq(invite.cseq().map_or(0, |(seq, _)| seq), &Method::Ack);
    out.finish()
}

/// The CANCEL for an INVITE, and its branch: RFC 3261 §9.1.
fn cancel_of(invite: &Bytes, reason: Option<&[u8]>) -> Option<(Bytes, Vec<u8>)> {
    let invite = Message::parse_datagram(invite.clone()).ok()?;
    let branch = invite.via().ok()?.branch()?.to_vec();
    let mut out = hop_request(&invite, &Method::Cancel)?;
    out.copy(&invite, Name::From).copy(&invite, Name::To).copy(&invite, Name::CallId);
    out.cseq(invite.cseq().ok()?.0, &Method::Cancel);
    if let Some(reason) = reason {
        out.header(Name::Reason, reason);
    }
    Some((out.finish(), branch))
}

/// A request that follows an INVITE hop by hop: same Request-URI, topmost Via and Route.
fn hop_request(invite: &Message, method: &Method) -> Option<MessageBuilder> {
    let mut out = MessageBuilder::request(method, &invite.uri().ok()?);
    out.copy(invite, Name::Via).header(Name::MaxForwards, "70").copy(invite, Name::Route);
    Some(out)
}
