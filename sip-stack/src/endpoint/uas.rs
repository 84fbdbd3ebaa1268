//! The called side of a session, and what the peer asks inside one.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::debug;

use super::event::TxId;
use super::receive::Received;
use super::session::{Hangup, Offer, Session, State};
use super::table::{Deadline, Kind, Open, SessionTimer, Tx};
use super::{Ended, Endpoint, Event, Headers, ReasonHeader, SessionId};
use crate::dialog::{Dialog, Order};
use crate::message::{Method, Name, Status};
use crate::placement;
use crate::transaction::{Class, Effects, InviteServer};

/// How often a provisional response is repeated (RFC 3261 §13.3.1.1).
const RINGING_AGAIN: Duration = Duration::from_secs(60);

pub(super) const SDP: &str = "application/sdp";

impl Endpoint {
    /// Gives an incoming session a provisional response, 101–199, perhaps with early media. It is repeated each minute.
    pub fn provisional(&mut self, id: SessionId, status: Status, body: Option<Bytes>, now: Instant) {
        let Some(State::Incoming { tx, early }) = self.sessions.get(id).map(|session| &session.state) else { return };
        let (tx, reliable) = (*tx, early.is_some());
        if stdx::never!(!(101..200).contains(&status.code()), "{status} is no provisional response") {
            return;
        }
        if reliable || self.is_reliable(tx) {
            self.arm_session(id, SessionTimer::Ringing, now + RINGING_AGAIN);
            return self.provisional_reliably(id, status, body, now);
        }
        let mut headers = self.session_headers(id, false);
        headers.extend(self.carried(id));
        if let Some(data) = self.response_of(tx, status, &headers, body.as_ref().map(|body| (SDP, &body[..]))) {
            self.arm_session(id, SessionTimer::Ringing, now + RINGING_AGAIN);
            self.respond_with(tx, Class::Provisional, data, now);
        }
    }

    /// Answers an incoming session: 200 with a session description, repeated until the ACK comes. It waits for the PRACK of a reliable
    /// provisional response (RFC 3262 §3). To an INVITE without a description this is an offer, unless a reliable provisional response
    /// carried it; the answer comes with [`Event::Confirmed`].
    #[expect(clippy::needless_pass_by_value, reason = "callers give away what they wrote for this response alone")]
    pub fn accept(&mut self, id: SessionId, body: Bytes, now: Instant) {
        let Some(State::Incoming { tx, .. }) = self.sessions.get(id).map(|session| &session.state) else { return };
        let tx = *tx;
        if !self.defer_accept(id, &body) {
            self.accept_invite(id, tx, &body, now);
        }
    }

    /// Refuses an incoming session, 300–699. The session is gone, no event follows.
    pub fn reject(&mut self, id: SessionId, status: Status, headers: Headers, now: Instant) {
        self.reject_after(id, status, headers, Duration::ZERO, now);
    }

    /// The same after a while, at most 30 s; the session is gone at once.
    #[expect(clippy::needless_pass_by_value, reason = "callers give away what they wrote for this response alone")]
    pub fn reject_after(&mut self, id: SessionId, status: Status, headers: Headers, delay: Duration, now: Instant) {
        let Some(State::Incoming { tx, .. }) = self.sessions.get(id).map(|session| &session.state) else { return };
        let tx = *tx;
        let status = if stdx::never!(!status.is_failure(), "{status} is no refusal") {
            Status::SERVER_INTERNAL_ERROR
        } else {
            status
        };
        self.end_exchanges(id, now);
        self.remove_session(id);
        let Some(data) = self.response_of(tx, status, &headers, None) else { return };
        if delay.is_zero() {
            self.respond_with(tx, Class::Failure, data, now);
        } else {
            self.hold(tx, Class::Failure, data, delay, now);
        }
    }

    /// Never answers an incoming session: repetitions of its INVITE are swallowed for 64·T1. The session is gone.
    pub fn discard(&mut self, id: SessionId) {
        let Some(State::Incoming { tx, .. }) = self.sessions.get(id).map(|session| &session.state) else { return };
        let tx = *tx;
        self.remove_session(id);
        self.ignore(tx);
    }

    /// An INVITE outside any dialog. 100 goes out at once: its sender stops repeating it.
    pub(super) fn receive_invite(&mut self, received: Received, merged: u128, now: Instant) {
        let Received { request, flow, key, .. } = received;
        let tag = placement::tag(self.config.cell, &mut self.entropy);
        let user = request.uri().ok().and_then(|uri| uri.user().map(<[u8]>::to_vec)).unwrap_or_default();
        let contact = super::uac::contact(&String::from_utf8_lossy(&user), &flow);
        let dialog = Dialog::of_invite(&request, &tag, contact.into_bytes());
        let dialog_key = self.hasher.dialog(&dialog.call_id, tag.as_bytes());
        let open = Some(Box::new(Open { request: request.clone(), tag, held: None }));
        let kind = Kind::InviteServer { machine: InviteServer::new(), merged: Some(merged), open };
        let tx = self.add_tx(Tx { kind, flow, key, session: None, armed: 0 });
        self.arm(Deadline::Forget(tx), now + self.timing(flow).patience());
        let mut session = Session::new(dialog, flow, dialog_key, State::Incoming { tx, early: None });
        session.updates = request.lists(Name::Allow, "UPDATE");
        let id = self.sessions.insert(session);
        self.dialogs.insert(dialog_key, id);
        if let Some(tx) = self.txs.get_mut(tx) {
            tx.session = Some(id);
        }
        let data = request.as_bytes().clone();
        self.event(Event::Incoming { session: id, request, flow });
        self.trace(Some(id), flow, &data, false, false);
        if let Some(data) = self.response_of(tx, Status::TRYING, &[], None) {
            self.respond_with(tx, Class::Provisional, data, now);
        }
    }

    /// An ACK: for a failure to its transaction, for a 2xx to its dialog (RFC 3261 §17.1.1.3, RFC 6026).
    pub(super) fn receive_ack(&mut self, received: &Received, now: Instant) {
        let tx = self.by_key.get(&received.key).copied();
        if let Some((id, tx)) = tx.and_then(|id| Some((id, self.txs.get(id)?))) {
            let (session, timing) = (tx.session, self.timing(tx.flow));
            let mut effects = Effects::default();
            let Some(Kind::InviteServer { machine, .. }) = self.txs.get_mut(id).map(|tx| &mut tx.kind) else { return };
            machine.on_ack(&timing, &mut effects);
            if !self.apply(id, effects, now) {
                return self.trace(session, received.flow, received.request.as_bytes(), false, false);
            }
        }
        let session = self.session_of(received);
        self.trace(session, received.flow, received.request.as_bytes(), false, false);
        let Some((id, session)) = session.and_then(|id| Some((id, self.sessions.get_mut(id)?))) else {
            // The ACK for a stateless refusal carries the tag that it got.
            if received.to_tag.as_deref() != Some(self.reply_tag(received.key).as_bytes()) {
                self.stats.stray_acks += 1;
                debug!(flow = ?received.flow, "stray ACK");
            }
            return;
        };
        let State::Open { offer: offer @ Offer::Unacked { .. } } = &mut session.state else { return };
        match offer {
            Offer::Unacked { seq, .. } if *seq != received.seq => {}
            Offer::Unacked { hangup: Some(hangup), .. } => {
                let reason = hangup.reason.take();
                self.say_bye(id, reason, now);
            }
            _ => {
                *offer = Offer::None;
                self.disarm_session(id, SessionTimer::Resend);
                self.disarm_session(id, SessionTimer::Patience);
                self.event(Event::Confirmed { session: id, message: received.request.clone() });
                self.offer_settled(id, now);
            }
        }
    }

    /// A CANCEL (RFC 3261 §9.2). Its answer is stateless: asked again, it is given again.
    pub(super) fn receive_cancel(&mut self, received: &Received, now: Instant) {
        let found = self.by_key.get(&received.key).copied().and_then(|id| Some((id, self.txs.get(id)?)));
        let Some((id, tx)) = found else {
            return self.refuse(received, Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &[]);
        };
        let session = tx.session;
        let cancels = match &tx.kind {
            Kind::InviteServer { machine, .. } => machine.is_open(),
            _ => return,
        };
        self.trace(session, received.flow, received.request.as_bytes(), false, false);
        // The tag of the INVITE's responses is that of its dialog, if there is one yet (§9.2).
        let tag = session.and_then(|id| self.sessions.get(id)).map(|session| session.dialog.local_tag.clone());
        let tag =
            tag.map(|tag| String::from_utf8_lossy(&tag).into_owned()).unwrap_or_else(|| self.reply_tag(received.key));
        let data = crate::message::ResponseBuilder::new(&received.request, Status::OK)
            .source(received.flow.remote)
            .to_tag(&tag)
            .header(crate::message::Name::Server, self.config.server.as_bytes())
            .finish();
        self.transmit(received.flow, data, session, false);
        if !cancels {
            return;
        }
        if let Some(Kind::InviteServer { open: Some(open), .. }) = self.txs.get_mut(id).map(|tx| &mut tx.kind) {
            open.held = None;
        }
        self.reject_invite(id, Status::REQUEST_TERMINATED, &[], now);
        let Some((session_id, session)) = session.and_then(|id| Some((id, self.sessions.get_mut(id)?))) else { return };
        match &session.state {
            State::Incoming { .. } => {
                self.end_exchanges(session_id, now);
                self.remove_session(session_id);
                let reason = ReasonHeader::of(&received.request);
                self.event(Event::Ended {
                    session: session_id,
                    how: Ended::Cancelled,
                    reason,
                    request: Some(received.request.clone()),
                });
            }
            State::Open { offer: Offer::Theirs { tx } } if *tx == id => {
                session.state = State::Open { offer: Offer::None };
            }
            State::Open { .. } | State::Calling { .. } | State::Closing => {}
        }
    }

    /// A request inside a dialog (RFC 3261 §12.2.2).
    pub(super) fn receive_in_dialog(&mut self, received: Received, method: &Method, now: Instant) {
        if *method == Method::Subscribe
            && let Some(id) = self.subscription_of(&received)
        {
            return self.receive_resubscribe(id, received, now);
        }
        let found = self.session_of(&received).and_then(|id| Some((id, self.sessions.get_mut(id)?)));
        let Some((id, session)) = found else {
            return self.receive_outside_sessions(&received);
        };
        let silent = session.is_silent();
        if session.dialog_to(&received.peer_tag()).receive(received.seq) == Order::Late {
            return self.refuse_for_now(&received);
        }
        if self.is_full() && *method != Method::Bye {
            return self.refuse_overloaded(&received, now);
        }
        match method {
            Method::Bye => self.receive_bye(id, received, now),
            Method::Invite => self.receive_reinvite(id, received, now),
            Method::Update => self.receive_update(id, received, now),
            Method::Prack => self.receive_prack(id, received, now),
            // Nobody here has anything to do with it any more.
            _ if silent => self.refuse(&received, Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &[]),
            _ => self.ask_owner(id, received, now),
        }
    }

    /// A request with a To tag that belongs to no session.
    fn receive_outside_sessions(&mut self, received: &Received) {
        self.refuse(received, Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &[]);
    }

    /// A BYE: always 200, whatever we are about to do with the session ourselves.
    fn receive_bye(&mut self, id: SessionId, received: Received, now: Instant) {
        let Received { request, flow, key, .. } = received;
        self.trace(Some(id), flow, request.as_bytes(), false, false);
        let tx = self.add_server(&request, flow, key, None, Some(id), now);
        if let Some(data) = self.response_of(tx, Status::OK, &[], None) {
            self.respond_with(tx, Class::Success, data, now);
        }
        self.end_exchanges(id, now);
        let Some(session) = self.sessions.get_mut(id) else { return };
        let silent = session.is_silent();
        let how = match &mut session.state {
            // The caller may give up by BYE instead of CANCEL (§15).
            State::Incoming { tx, .. } => {
                let tx = *tx;
                self.remove_session(id);
                self.reject_invite(tx, Status::REQUEST_TERMINATED, &[], now);
                Ended::Cancelled
            }
            // Its 2xx is lost or still under way; what it will be repeated for is acknowledged and hung up by the transaction.
            State::Calling { .. } => {
                self.cancel_call(id, None, now);
                Ended::RemoteBye
            }
            State::Open { .. } => {
                self.remove_session(id);
                Ended::RemoteBye
            }
            // Both hung up at once: our own BYE gets its answer or 481, and then the session goes.
            State::Closing => return,
        };
        if !silent {
            self.event(Event::Ended { session: id, how, reason: ReasonHeader::of(&request), request: Some(request) });
        }
    }

    /// 200 to an INVITE, repeated until the ACK comes (RFC 3261 §13.3.1.4).
    pub(super) fn accept_invite(&mut self, id: SessionId, tx: TxId, body: &Bytes, now: Instant) {
        let mut headers = self.session_headers(id, true);
        let timer = self.timer_for(tx, id);
        headers.extend(self.carried(id));
        headers.extend(timer.as_ref().map(super::refresh::Agreed::headers).unwrap_or_default());
        let Some(response) = self.response_of(tx, Status::OK, &headers, Some((SDP, body))) else { return };
        let seq = match self.txs.get(tx).map(|tx| &tx.kind) {
            Some(Kind::InviteServer { open: Some(open), .. }) => open.request.cseq().map_or(0, |(seq, _)| seq),
            _ => return,
        };
        self.respond_with(tx, Class::Success, response.clone(), now);
        let (t1, patience) = (self.config.t1, self.config.t1 * 64);
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.state = State::Open { offer: Offer::Unacked { seq, response, resend_in: t1, hangup: None } };
        self.disarm_session(id, SessionTimer::Ringing);
        self.arm_session(id, SessionTimer::Resend, now + t1);
        self.arm_session(id, SessionTimer::Patience, now + patience);
        self.keep_alive(id, timer, Some(body), now);
    }

    pub(super) fn reject_invite(&mut self, tx: TxId, status: Status, headers: &[(String, Vec<u8>)], now: Instant) {
        if let Some(data) = self.response_of(tx, status, headers, None) {
            self.respond_with(tx, Class::Failure, data, now);
        }
    }

    /// Contact, and in a 2xx what we can do.
    pub(super) fn session_headers(&self, id: SessionId, accepts: bool) -> Headers {
        let Some(session) = self.sessions.get(id) else { return Headers::new() };
        let mut headers = vec![("Contact".to_owned(), session.dialog.contact.to_vec())];
        if accepts {
            headers.extend(self.session_abilities());
        }
        headers
    }

    pub(super) fn session_timer(&mut self, id: SessionId, timer: SessionTimer, now: Instant) {
        let t2 = self.config.t2;
        let Some(session) = self.sessions.get_mut(id) else { return };
        match (&mut session.state, timer) {
            (State::Open { offer: Offer::Unacked { response, resend_in, .. } }, SessionTimer::Resend) => {
                *resend_in = (*resend_in * 2).min(t2);
                let (data, flow, after) = (response.clone(), session.flow, *resend_in);
                self.arm_session(id, timer, now + after);
                self.transmit(flow, data, Some(id), true);
            }
            (State::Open { offer: Offer::Unacked { hangup, .. } }, SessionTimer::Patience) => {
                let hangup = hangup.take();
                self.stats.unacknowledged += 1;
                debug!("our 2xx was never acknowledged");
                let silent = hangup.is_some();
                self.say_bye(id, hangup.and_then(|hangup| hangup.reason), now);
                if !silent {
                    self.event(Event::Ended { session: id, how: Ended::NoAck, reason: None, request: None });
                }
            }
            (State::Incoming { tx, .. }, SessionTimer::Ringing) => {
                let tx = *tx;
                let mut effects = Effects::default();
                if let Some(Kind::InviteServer { machine, .. }) = self.txs.get_mut(tx).map(|tx| &mut tx.kind) {
                    machine.on_repetition(&mut effects);
                }
                self.arm_session(id, timer, now + RINGING_AGAIN);
                self.apply(tx, effects, now);
            }
            (State::Calling { tx, cancel: Some(_), .. }, SessionTimer::Patience) => {
                let tx = *tx;
                self.remove_session(id);
                self.remove_tx(tx);
            }
            (State::Incoming { .. }, SessionTimer::Resend) => self.resend_reliable(id, now),
            (State::Incoming { .. }, SessionTimer::Patience) => self.give_up_ringing(id, now),
            (State::Calling { cancel: None, .. }, SessionTimer::Answer) => self.lose_patience(id, now),
            (State::Open { offer: Offer::Answering { .. } }, SessionTimer::Patience) => self.lose_dialog(id, now),
            (State::Open { .. }, SessionTimer::Refresh) => self.refresh_session(id, now),
            (State::Open { .. }, SessionTimer::Expire) => self.expire_session(id, now),
            (_, SessionTimer::Retry) => self.offer_again(id, now),
            // A timer that lost its race with a message.
            (State::Incoming { .. } | State::Calling { .. } | State::Open { .. } | State::Closing, _) => {}
        }
    }

    pub(super) fn cancel_session_timers(&mut self, id: SessionId) {
        for timer in SessionTimer::ALL {
            self.disarm_session(id, timer);
        }
    }

    /// Notes that BYE has to wait for the ACK; the session is silent from now on.
    pub(super) fn hang_up_when_acknowledged(&mut self, id: SessionId, reason: Option<Vec<u8>>) {
        if let Some(session) = self.sessions.get_mut(id)
            && let State::Open { offer: Offer::Unacked { hangup, .. } } = &mut session.state
        {
            hangup.get_or_insert(Hangup { reason });
        }
    }
}
