//! Offers inside a dialog: re-INVITE (RFC 3261 §14) and UPDATE (RFC 3311) from either side, late answers, and what happens when
//! both sides offer at once.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::event::{SessionId, TxId};
use super::receive::Received;
use super::session::{Exchange, Offer, State};
use super::table::{Deadline, Kind, Open, Purpose, SessionTimer, Tx};
use super::uas::SDP;
use super::{Ended, Endpoint, Event, RequestId};
use crate::message::{Message, Method, Name, Status};
use crate::transaction::{Class, InviteServer};

/// How often an offer of ours that meets another one is made again.
const MAX_TRIES: u8 = 8;

/// An offer of our owner.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    body: Bytes,
    /// By UPDATE rather than re-INVITE.
    update: bool,
    tries: u8,
}

impl Endpoint {
    /// Offers a new session description inside the dialog by re-INVITE; an empty one asks the peer for an offer.
    /// [`Event::Reanswered`] tells the answer. False if another offer is under way there, or if there is no dialog.
    ///
    /// If both sides offered at once (491), the endpoint makes the offer again after the pause of RFC 3261 §14.1.
    pub fn reinvite(&mut self, id: SessionId, body: Bytes, now: Instant) -> bool {
        let full = self.is_full();
        let Some(session) = self.sessions.get_mut(id) else { return false };
        if full || session.waiting.is_some() {
            return false;
        }
        let waiting = Box::new(Waiting { body, update: false, tries: 0 });
        match &session.state {
            State::Open { offer: Offer::None } => self.send_reinvite(id, Some(waiting), now),
            // We only keep the session alive: the offer follows.
            State::Open { offer: Offer::Ours { asked: None, .. } } => {
                session.waiting = Some(waiting);
                true
            }
            State::Open { .. } | State::Incoming { .. } | State::Calling { .. } | State::Closing => false,
        }
    }

    /// Offers a new session description by UPDATE, which is answered at once: in a dialog, or before the INVITE is answered if its
    /// offer has been answered reliably (RFC 3311 §5.1). [`Event::Reanswered`] tells the answer. False as in
    /// [`reinvite`](Self::reinvite), or if the peer does not take UPDATE.
    pub fn update(&mut self, id: SessionId, body: Bytes, now: Instant) -> bool {
        let full = self.is_full();
        let Some(session) = self.sessions.get_mut(id) else { return false };
        if full || body.is_empty() || session.waiting.is_some() || !session.updates || session.is_silent() {
            return false;
        }
        session.may_offer() && self.send_update(id, Box::new(Waiting { body, update: true, tries: 0 }), now)
    }

    /// Gives the answer to the offer in a 2xx or a reliable provisional response to our INVITE without one: our ACK or PRACK carries
    /// it. Without effect if there is none.
    #[expect(clippy::needless_pass_by_value, reason = "callers give away what they wrote for this message alone")]
    pub fn acknowledge(&mut self, id: SessionId, body: Bytes, now: Instant) {
        if self.answer_in_prack(id, &body, now) {
            return;
        }
        let Some(session) = self.sessions.get_mut(id) else { return };
        let State::Open { offer } = &mut session.state else { return };
        if !matches!(offer, Offer::Answering { .. }) {
            return;
        }
        let Offer::Answering { tx, tag, seq } = std::mem::replace(offer, Offer::None) else { return };
        self.disarm_session(id, SessionTimer::Patience);
        self.note_described(id, &body);
        self.send_ack(id, tx, &tag, seq, Some(&body).filter(|body| !body.is_empty()));
        self.offer_settled(id, now);
    }

    /// Answers a re-INVITE, an UPDATE, or a PRACK with an offer: with a session description, or with a failure that leaves everything
    /// as it was. The answer to a re-INVITE without a description is an offer, whose answer comes with [`Event::Confirmed`].
    pub fn answer_reinvite(&mut self, id: SessionId, answer: Result<Bytes, Status>, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let early = matches!(session.state, State::Incoming { .. } | State::Calling { .. });
        let Some(tx) = session.take_theirs() else { return };
        match answer {
            Ok(body) if self.is_invite(tx) => self.accept_invite(id, tx, &body, now),
            Ok(body) => self.accept_update(id, tx, &body, now),
            Err(status) => self.reject_invite(tx, status, &[], now),
        }
        if early {
            self.go_on_ringing(id, now);
        } else {
            self.offer_settled(id, now);
        }
    }

    fn is_invite(&self, tx: TxId) -> bool {
        matches!(self.txs.get(tx).map(|tx| &tx.kind), Some(Kind::InviteServer { .. }))
    }

    /// 200 to an UPDATE or PRACK with an offer.
    fn accept_update(&mut self, id: SessionId, tx: TxId, body: &Bytes, now: Instant) {
        let mut headers = self.session_headers(id, true);
        let timer = self.timer_for(tx, id);
        headers.extend(timer.as_ref().map(super::refresh::Agreed::headers).unwrap_or_default());
        if let Some(data) = self.response_of(tx, Status::OK, &headers, Some((SDP, body))) {
            self.respond_with(tx, Class::Success, data, now);
        }
        self.keep_alive(id, timer, Some(body), now);
    }

    /// Sends a re-INVITE: our owner's offer, or what we described last, to keep the session alive.
    pub(super) fn send_reinvite(&mut self, id: SessionId, asked: Option<Box<Waiting>>, now: Instant) -> bool {
        let described = match &asked {
            Some(waiting) => waiting.body.clone(),
            None => self.described(id).unwrap_or_default(),
        };
        let branch = self.branch();
        let headers = self.timer_headers(id);
        let abilities = self.session_abilities();
        let Some(session) = self.sessions.get_mut(id) else { return false };
        let seq = session.dialog.next_seq();
        let flow = session.dialog.next_hop(session.flow);
        let Some(mut out) = session.dialog.request(&Method::Invite, seq, &branch, &flow) else { return false };
        out.header(Name::Contact, &session.dialog.contact);
        for (name, value) in abilities.iter().chain(&headers) {
            out.named(name, value);
        }
        out.header(Name::UserAgent, &self.config.server);
        let data = if described.is_empty() { out.finish() } else { out.finish_with_body(SDP, &described) };
        let data = self.authorized(id, data);
        let again = self.again_in(id, &data);
        let tx = self.send_invite(data, flow, &branch, id, again, now);
        if let Some(session) = self.sessions.get_mut(id) {
            session.state = State::Open { offer: Offer::Ours { tx, asked } };
        }
        true
    }

    fn send_update(&mut self, id: SessionId, asked: Box<Waiting>, now: Instant) -> bool {
        let body = asked.body.clone();
        let Some(tx) = self.send_update_with(id, Some(&body), Purpose::Offer(id), now) else { return false };
        let Some(session) = self.sessions.get_mut(id) else { return false };
        if let State::Open { offer } = &mut session.state {
            *offer = Offer::Ours { tx, asked: Some(asked) };
        } else if let Some(exchange) = session.exchange_mut(None) {
            *exchange = Exchange::Ours { tx, asked: Some(asked) };
        }
        true
    }

    /// Sends an UPDATE, with an offer or only to keep the session alive.
    pub(super) fn send_update_with(
        &mut self,
        id: SessionId,
        body: Option<&Bytes>,
        purpose: Purpose,
        now: Instant,
    ) -> Option<TxId> {
        let mut headers = self.session_abilities();
        headers.extend(self.timer_headers(id));
        let draft = self.draft(id, None, &Method::Update, &headers)?;
        Some(self.send_draft(id, draft, body.map(|body| (SDP, &body[..])), purpose, now))
    }

    /// An UPDATE of ours with an offer has its final response.
    pub(super) fn update_ended(
        &mut self,
        id: SessionId,
        tx: TxId,
        status: Status,
        response: Option<&Message>,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.is_silent() {
            return;
        }
        let asked = session.take_ours(tx);
        if let Some(response) = response.filter(|_| status.is_success()) {
            session.dialog_to(&crate::dialog::tag_of(response)).refresh(response);
            let body = asked.as_ref().map(|asked| asked.body.clone());
            self.timer_answered(id, response, body.as_ref(), now);
        }
        self.reoffer_ended(id, asked, status, response, now);
    }

    /// An offer of ours is answered, refused, or met another one.
    pub(super) fn reoffer_ended(
        &mut self,
        id: SessionId,
        asked: Option<Box<Waiting>>,
        status: Status,
        response: Option<&Message>,
        now: Instant,
    ) {
        let again = asked.filter(|asked| status == Status::REQUEST_PENDING && asked.tries < MAX_TRIES);
        if let Some(mut waiting) = again {
            waiting.tries += 1;
            return self.wait_after_glare(id, waiting, now);
        }
        self.event(Event::Reanswered { session: id, status, message: response.cloned() });
        // Before the answer it is the INVITE that decides about the call.
        let open = matches!(self.sessions.get(id).map(|session| &session.state), Some(State::Open { .. }));
        if open && matches!(status, Status::REQUEST_TIMEOUT | Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST) {
            self.lose_dialog(id, now);
        }
    }

    /// The peer knows nothing of the dialog any more, or does not answer in it (RFC 3261 §12.2.1.2).
    pub(super) fn lose_dialog(&mut self, id: SessionId, now: Instant) {
        self.say_bye(id, None, now);
        self.event(Event::Ended { session: id, how: Ended::Gone, reason: None, request: None });
    }

    /// RFC 3261 §14.1: whose Call-ID it is waits longer.
    fn wait_after_glare(&mut self, id: SessionId, waiting: Box<Waiting>, now: Instant) {
        let pause = self.glare_pause(id);
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.waiting = Some(waiting);
        self.stats.glares += 1;
        self.arm_session(id, SessionTimer::Retry, now + pause);
    }

    pub(super) fn glare_pause(&mut self, id: SessionId) -> Duration {
        let caller = self.sessions.get(id).is_some_and(|session| session.caller);
        let tens = if caller { 210 + self.entropy.below(191) } else { self.entropy.below(201) };
        Duration::from_millis(tens * 10)
    }

    /// The time of an offer that waited has come.
    pub(super) fn offer_again(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.waiting.is_none() || session.is_silent() {
            return;
        }
        if !session.may_offer() {
            return self.arm_session(id, SessionTimer::Retry, now + Duration::from_secs(1));
        }
        let Some(waiting) = session.waiting.take() else { return };
        // Once the INVITE is answered, what was to be an UPDATE may be one still.
        if waiting.update {
            self.send_update(id, waiting, now);
        } else if matches!(session.state, State::Open { .. }) {
            self.send_reinvite(id, Some(waiting), now);
        }
    }

    /// An exchange is over: what our owner asked for meanwhile has its turn.
    pub(super) fn offer_settled(&mut self, id: SessionId, now: Instant) {
        let ready = self.sessions.get(id).is_some_and(|session| {
            session.waiting.as_ref().is_some_and(|waiting| waiting.tries == 0)
                && matches!(session.state, State::Open { offer: Offer::None })
        });
        if ready {
            self.offer_again(id, now);
        }
    }

    /// A re-INVITE, if none is under way in either direction (RFC 3261 §14.2).
    pub(super) fn receive_reinvite(&mut self, id: SessionId, received: Received, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        match &session.state {
            State::Open { offer: Offer::None } => {}
            State::Open { offer: Offer::Ours { .. } | Offer::Answering { .. } } | State::Calling { .. } => {
                return self.refuse(&received, Status::REQUEST_PENDING, &[]);
            }
            State::Incoming { .. } | State::Open { .. } => return self.refuse_for_now(&received),
            State::Closing => return self.refuse(&received, Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &[]),
        }
        let Received { request, flow, key, .. } = received;
        session.note_target(&request, flow);
        let tag = String::from_utf8_lossy(&session.dialog.local_tag).into_owned();
        let open = Some(Box::new(Open { request: request.clone(), tag, held: None }));
        let kind = Kind::InviteServer { machine: InviteServer::new(), merged: None, open };
        let tx = self.add_tx(Tx { kind, flow, key, session: Some(id), armed: 0 });
        if let Some(session) = self.sessions.get_mut(id) {
            session.state = State::Open { offer: Offer::Theirs { tx } };
        }
        self.trace(Some(id), flow, request.as_bytes(), false, false);
        if let Some(data) = self.response_of(tx, Status::TRYING, &[], None) {
            self.respond_with(tx, Class::Provisional, data, now);
        }
        self.event(Event::Reoffered { session: id, request });
    }

    /// An UPDATE (RFC 3311 §5.2). Without an offer it moves the target and keeps the session alive, and is answered at once.
    pub(super) fn receive_update(&mut self, id: SessionId, received: Received, now: Instant) {
        let offers = !received.request.body().is_empty();
        let from = received.peer_tag();
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.is_silent() {
            return self.refuse(&received, Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &[]);
        }
        match session.conflict(&from) {
            _ if !offers => {}
            Some(status) if status == Status::REQUEST_PENDING => return self.refuse(&received, status, &[]),
            Some(_) => return self.refuse_for_now(&received),
            None => {}
        }
        let Received { request, flow, key, .. } = received;
        session.note_target(&request, flow);
        self.trace(Some(id), flow, request.as_bytes(), false, false);
        let tx = self.add_server(&request, flow, key, None, Some(id), now);
        if !offers {
            return self.accept_refresh(id, tx, now);
        }
        let Some(session) = self.sessions.get_mut(id) else { return };
        if let State::Open { offer } = &mut session.state {
            *offer = Offer::Theirs { tx };
        } else if let Some(exchange) = session.exchange_mut(Some(&from)) {
            *exchange = Exchange::Theirs(tx);
        }
        self.event(Event::Reoffered { session: id, request });
    }

    /// 200 to an UPDATE without an offer.
    fn accept_refresh(&mut self, id: SessionId, tx: TxId, now: Instant) {
        let mut headers = self.session_headers(id, true);
        let timer = self.timer_for(tx, id);
        headers.extend(timer.as_ref().map(super::refresh::Agreed::headers).unwrap_or_default());
        if let Some(data) = self.response_of(tx, Status::OK, &headers, None) {
            self.respond_with(tx, Class::Success, data, now);
        }
        self.keep_alive(id, timer, None, now);
    }

    /// An exchange that is under way the other way round, or a request that others have overtaken: 500, to be tried again (RFC 3261 §14.2 and
    /// §12.2.2, RFC 3311 §5.2).
    pub(super) fn refuse_for_now(&mut self, received: &Received) {
        let seconds = self.entropy.below(11).to_string().into_bytes();
        self.refuse(received, Status::SERVER_INTERNAL_ERROR, &[("Retry-After".to_owned(), seconds)]);
    }

    /// Whatever the peer asked and waits for has no answer any more but 487 (RFC 3261 §15.1.2); what we asked is forgotten in time.
    pub(super) fn end_exchanges(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let mut theirs: Vec<TxId> = session.take_theirs().into_iter().collect();
        match &mut session.state {
            State::Calling { early, .. } => {
                theirs.extend(early.iter_mut().filter_map(|early| early.exchange.take_theirs()));
            }
            State::Open { offer: Offer::Ours { tx, .. } } => {
                let tx = *tx;
                // A re-INVITE may never get its final response once the dialog is over.
                if matches!(self.txs.get(tx).map(|tx| &tx.kind), Some(Kind::InviteClient { .. })) {
                    self.arm(Deadline::Forget(tx), now + self.config.t1 * 64);
                }
            }
            State::Incoming { .. } | State::Open { .. } | State::Closing => {}
        }
        for tx in theirs {
            self.reject_invite(tx, Status::REQUEST_TERMINATED, &[], now);
        }
    }

    /// A request in a dialog that our owner answers.
    pub(super) fn ask_owner(&mut self, id: SessionId, received: Received, now: Instant) {
        let Received { request, flow, key, .. } = received;
        self.trace(Some(id), flow, request.as_bytes(), false, false);
        let tx = self.add_server(&request, flow, key, None, Some(id), now);
        self.event(Event::Request { id: RequestId(tx), request, flow, session: Some(id) });
    }
}

impl Exchange {
    fn is_ours(&self, tx: TxId) -> bool {
        matches!(self, Self::Ours { tx: ours, .. } if *ours == tx)
    }

    fn take_ours(&mut self, tx: TxId) -> Option<Box<Waiting>> {
        if !self.is_ours(tx) {
            return None;
        }
        match std::mem::take(self) {
            Self::Ours { asked, .. } => asked,
            Self::None | Self::Theirs(_) => None,
        }
    }

    fn take_theirs(&mut self) -> Option<TxId> {
        match *self {
            Self::Theirs(tx) => {
                *self = Self::None;
                Some(tx)
            }
            Self::None | Self::Ours { .. } => None,
        }
    }
}

impl super::session::Session {
    /// Takes the peer's request that waits for an answer.
    fn take_theirs(&mut self) -> Option<TxId> {
        match &mut self.state {
            State::Open { offer } => {
                let Offer::Theirs { tx } = *offer else { return None };
                *offer = Offer::None;
                Some(tx)
            }
            State::Incoming { early, .. } => early.as_deref_mut()?.exchange.take_theirs(),
            State::Calling { early, .. } => early.iter_mut().find_map(|early| early.exchange.take_theirs()),
            State::Closing => None,
        }
    }

    /// Ends an UPDATE of ours, and says what our owner had asked for by it.
    fn take_ours(&mut self, tx: TxId) -> Option<Box<Waiting>> {
        let exchange = match &mut self.state {
            State::Open { offer } => {
                if !matches!(offer, Offer::Ours { tx: ours, .. } if *ours == tx) {
                    return None;
                }
                let Offer::Ours { asked, .. } = std::mem::replace(offer, Offer::None) else { return None };
                return asked;
            }
            State::Incoming { early, .. } => early.as_deref_mut().map(|early| &mut early.exchange),
            State::Calling { early, .. } => {
                early.iter_mut().map(|early| &mut early.exchange).find(|exchange| exchange.is_ours(tx))
            }
            State::Closing => None,
        }?;
        exchange.take_ours(tx)
    }

    /// Why the peer may not offer now.
    fn conflict(&mut self, from: &[u8]) -> Option<Status> {
        use super::early::Described;
        let (pending, later) = (Some(Status::REQUEST_PENDING), Some(Status::SERVER_INTERNAL_ERROR));
        match &mut self.state {
            State::Open { offer } => match offer {
                Offer::None => None,
                Offer::Ours { .. } | Offer::Answering { .. } => pending,
                Offer::Theirs { .. } | Offer::Unacked { .. } => later,
            },
            State::Incoming { early, .. } => match early.as_deref() {
                Some(early) if early.is_settled() => match early.exchange {
                    Exchange::None => None,
                    Exchange::Ours { .. } => pending,
                    Exchange::Theirs(_) => later,
                },
                // His first offer is not answered yet.
                Some(_) | None => later,
            },
            State::Calling { early, .. } => {
                match early.iter().find(|early| *early.dialog.remote_tag == *from) {
                    Some(early) if early.described == Described::Agreed => match early.exchange {
                        Exchange::None => None,
                        Exchange::Ours { .. } => pending,
                        Exchange::Theirs(_) => later,
                    },
                    // Our first offer is not answered yet.
                    Some(_) | None => pending,
                }
            }
            State::Closing => pending,
        }
    }

    /// Whether we may offer now, by UPDATE in an early dialog, by either way in a confirmed one.
    fn may_offer(&mut self) -> bool {
        use super::early::Described;
        match &self.state {
            State::Open { offer } => matches!(offer, Offer::None),
            State::Incoming { early: Some(early), .. } => early.is_settled() && early.exchange.is_none(),
            State::Calling { early, .. } => {
                early.last().is_some_and(|early| early.described == Described::Agreed && early.exchange.is_none())
            }
            State::Incoming { early: None, .. } | State::Closing => false,
        }
    }

    /// What a re-INVITE or UPDATE of the peer says of himself.
    fn note_target(&mut self, request: &Message, flow: super::Flow) {
        let from = request.from().ok();
        let tag = from.as_ref().and_then(|from| from.tag()).unwrap_or_default();
        self.dialog_to(tag).refresh(request);
        self.flow = flow;
        if request.header(Name::Allow).is_some() {
            self.updates = request.lists(Name::Allow, "UPDATE");
        }
    }
}
