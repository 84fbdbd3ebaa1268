//! Provisional responses that the caller acknowledges (RFC 3262 §3), and the answer that waits for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::debug;

use super::event::{SessionId, TxId};
use super::receive::Received;
use super::session::{Exchange, State};
use super::table::{Kind, SessionTimer};
use super::uas::SDP;
use super::{Ended, Endpoint, Event};
use crate::message::{Method, Name, Status};
use crate::transaction::Class;

/// How many provisional responses may wait for their turn; more are left out.
const MAX_WAITING: usize = 8;

/// The reliable provisional responses of one incoming session, one at a time.
#[derive(Debug)]
pub(super) struct Reliable {
    /// Of the last.
    rseq: u32,
    pending: Option<Pending>,
    waiting: VecDeque<(Status, Option<Bytes>)>,
    /// The answer to the INVITE, which waits for the PRACK (§3) or for an answer of our owner to an offer in between.
    accept: Option<Bytes>,
    /// One with a session description was acknowledged.
    pub(super) described: bool,
    pub(super) exchange: Exchange,
}

#[derive(Debug)]
struct Pending {
    data: Bytes,
    resend_in: Duration,
    described: bool,
}

impl Endpoint {
    /// Whether a provisional response to this INVITE has to be, or should be, reliable.
    pub(super) fn is_reliable(&self, tx: TxId) -> bool {
        let Some(Kind::InviteServer { open: Some(open), .. }) = self.txs.get(tx).map(|tx| &tx.kind) else {
            return false;
        };
        self.prack
            && (open.request.lists(Name::Require, "100rel")
                || self.config.reliable_provisionals && open.request.lists(Name::Supported, "100rel"))
    }

    /// Sends a provisional response reliably, or after those that are not acknowledged yet.
    pub(super) fn provisional_reliably(&mut self, id: SessionId, status: Status, body: Option<Bytes>, now: Instant) {
        // RFC 3262 §3: the first number is random, low enough never to wrap.
        let first = 1 + self.entropy.below(1 << 30) as u32;
        let Some(State::Incoming { early, .. }) = self.sessions.get_mut(id).map(|session| &mut session.state) else {
            return;
        };
        let early = early.get_or_insert_with(|| {
            Box::new(Reliable {
                rseq: first,
                pending: None,
                waiting: VecDeque::new(),
                accept: None,
                described: false,
                exchange: Exchange::None,
            })
        });
        if early.accept.is_some() {
            return;
        }
        if early.pending.is_none() {
            return self.send_reliably(id, status, body.as_ref(), now);
        }
        if early.waiting.len() < MAX_WAITING {
            early.waiting.push_back((status, body));
        }
    }

    fn send_reliably(&mut self, id: SessionId, status: Status, body: Option<&Bytes>, now: Instant) {
        let t1 = self.config.t1;
        let Some(State::Incoming { tx, early: Some(early) }) = self.sessions.get_mut(id).map(|s| &mut s.state) else {
            return;
        };
        early.rseq = early.rseq.wrapping_add(1);
        let (tx, rseq) = (*tx, early.rseq);
        let mut headers = self.session_headers(id, true);
        headers.extend(self.carried(id));
        headers.push(("Require".to_owned(), b"100rel".to_vec()));
        headers.push(("RSeq".to_owned(), rseq.to_string().into_bytes()));
        let Some(data) = self.response_of(tx, status, &headers, body.map(|body| (SDP, &body[..]))) else { return };
        if let Some(State::Incoming { early: Some(early), .. }) = self.sessions.get_mut(id).map(|s| &mut s.state) {
            early.pending = Some(Pending { data: data.clone(), resend_in: t1, described: body.is_some() });
        }
        self.arm_session(id, SessionTimer::Resend, now + t1);
        self.arm_session(id, SessionTimer::Patience, now + t1 * 64);
        self.respond_with(tx, Class::Provisional, data, now);
    }

    /// Keeps the answer to the INVITE until what has to come before it came; false if nothing has.
    pub(super) fn defer_accept(&mut self, id: SessionId, body: &Bytes) -> bool {
        let Some(State::Incoming { early: Some(early), .. }) = self.sessions.get_mut(id).map(|s| &mut s.state) else {
            return false;
        };
        let waits = early.pending.is_some() || matches!(early.exchange, Exchange::Theirs(_));
        if waits {
            early.waiting.clear();
            early.accept.get_or_insert_with(|| body.clone());
        }
        waits
    }

    /// A PRACK (RFC 3262 §3).
    pub(super) fn receive_prack(&mut self, id: SessionId, received: Received, now: Instant) {
        let Some((tx, late, described)) = self.acknowledged_by(id, &received) else {
            return self.refuse(&received, Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &[]);
        };
        let Received { request, flow, key, .. } = received;
        self.trace(Some(id), flow, request.as_bytes(), false, false);
        let prack = self.add_server(&request, flow, key, None, Some(id), now);
        self.disarm_session(id, SessionTimer::Resend);
        self.disarm_session(id, SessionTimer::Patience);
        let Some(State::Incoming { early: Some(early), .. }) = self.sessions.get_mut(id).map(|s| &mut s.state) else {
            return;
        };
        early.pending = None;
        let first = described && !early.described;
        early.described |= described;
        debug_assert!(tx != prack);
        match (request.body().is_empty(), late && first) {
            // Our offer is answered.
            (false, true) => {
                self.answer_ok(prack, now);
                self.event(Event::Confirmed { session: id, message: request });
            }
            // A new offer: our owner's answer is that of the PRACK.
            (false, false) if early.described && early.exchange.is_none() => {
                early.exchange = Exchange::Theirs(prack);
                return self.event(Event::Reoffered { session: id, request });
            }
            // We have not answered his first one.
            (false, false) => self.reject_invite(prack, Status::NOT_ACCEPTABLE_HERE, &[], now),
            (true, _) => self.answer_ok(prack, now),
        }
        self.go_on_ringing(id, now);
    }

    /// The INVITE whose pending response a PRACK acknowledges, whether that INVITE asked for an offer, and whether the response had
    /// a session description.
    fn acknowledged_by(&self, id: SessionId, received: &Received) -> Option<(TxId, bool, bool)> {
        let rack = received.request.rack().ok()?;
        let State::Incoming { tx, early: Some(early) } = &self.sessions.get(id)?.state else { return None };
        let Kind::InviteServer { open: Some(open), .. } = &self.txs.get(*tx)?.kind else { return None };
        let (seq, _) = open.request.cseq().ok()?;
        let pending = early.pending.as_ref()?;
        let fits = (rack.rseq, rack.seq, &rack.method) == (early.rseq, seq, &Method::Invite);
        fits.then(|| (*tx, open.request.body().is_empty(), pending.described))
    }

    /// Sends what waited for a PRACK, or for our owner's answer to an offer.
    pub(super) fn go_on_ringing(&mut self, id: SessionId, now: Instant) {
        let Some(State::Incoming { tx, early: Some(early) }) = self.sessions.get_mut(id).map(|s| &mut s.state) else {
            return;
        };
        if early.pending.is_some() || matches!(early.exchange, Exchange::Theirs(_)) {
            return;
        }
        let tx = *tx;
        if let Some(body) = early.accept.take() {
            self.accept_invite(id, tx, &body, now);
        } else if let Some((status, body)) = early.waiting.pop_front() {
            self.send_reliably(id, status, body.as_ref(), now);
        }
    }

    /// The pending response goes out again: each time after twice as long (§3).
    pub(super) fn resend_reliable(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let State::Incoming { early: Some(early), tx } = &mut session.state else { return };
        let Some(pending) = &mut early.pending else { return };
        pending.resend_in *= 2;
        let (data, after, tx) = (pending.data.clone(), pending.resend_in, *tx);
        self.arm_session(id, SessionTimer::Resend, now + after);
        self.send_of(tx, data, true);
    }

    /// Nobody acknowledged it for 64·T1: the INVITE is refused (§3).
    pub(super) fn give_up_ringing(&mut self, id: SessionId, now: Instant) {
        let Some(State::Incoming { tx, .. }) = self.sessions.get(id).map(|session| &session.state) else { return };
        let tx = *tx;
        debug!("a reliable provisional response was never acknowledged");
        self.stats.unacknowledged += 1;
        self.end_exchanges(id, now);
        self.remove_session(id);
        self.reject_invite(tx, Status::SERVER_TIMEOUT, &[], now);
        self.event(Event::Ended { session: id, how: Ended::NoAck, reason: None, request: None });
    }

    pub(super) fn answer_ok(&mut self, tx: TxId, now: Instant) {
        if let Some(data) = self.response_of(tx, Status::OK, &[], None) {
            self.respond_with(tx, Class::Success, data, now);
        }
    }
}

impl Reliable {
    /// Whether the INVITE's offer and its answer have passed reliably, so that either side may offer anew.
    pub(super) fn is_settled(&self) -> bool {
        self.described && self.pending.is_none() && self.accept.is_none()
    }
}
