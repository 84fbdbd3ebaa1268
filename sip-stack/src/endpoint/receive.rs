//! From a datagram to the transaction or dialog that it belongs to.

use std::time::Instant;

use bytes::Bytes;
use tracing::{debug, warn};

use super::again::Attempt;
use super::event::{SessionId, TxId};
use super::keepalive::KeepAlive;
use super::table::{Kind, Open, Purpose, Tx};
use super::{Endpoint, Event, Flow, Output, RequestId};
use crate::message::{
    Message, Method, Name, ParseErrorKind, ResponseBuilder, Status, Via, may_forward, validate, validate_forked,
    validate_response,
};
use crate::transaction::{Class, Effects, Server};

/// A request with what everybody asks about it.
pub(super) struct Received {
    pub(super) request: Message,
    pub(super) flow: Flow,
    /// The key of its server transaction.
    pub(super) key: u128,
    pub(super) seq: u32,
    pub(super) to_tag: Option<Vec<u8>>,
}

impl Received {
    /// The peer's tag.
    pub(super) fn peer_tag(&self) -> Vec<u8> {
        self.request.from().ok().and_then(|from| from.tag().map(<[u8]>::to_vec)).unwrap_or_default()
    }
}

impl Endpoint {
    pub(super) fn receive(&mut self, flow: Flow, data: Bytes, now: Instant) {
        self.stats.received += 1;
        match KeepAlive::of(&data, flow.remote) {
            Some(KeepAlive::Silent) => self.stats.keep_alives += 1,
            Some(KeepAlive::Stun(data)) => {
                self.stats.keep_alives += 1;
                self.transmit(flow, data, None, false);
            }
            Some(KeepAlive::OtherStun) => self.stats.garbage += 1,
            None => match Message::parse_datagram_within(data, &self.config.limits) {
                Ok(message) if message.is_request() => self.receive_request(flow, message, now),
                Ok(message) => self.receive_response(flow, &message, now),
                Err(error) => match (error.kind(), error.partial(), error.status()) {
                    (ParseErrorKind::KeepAlive, ..) => self.stats.keep_alives += 1,
                    (ParseErrorKind::NotSip, ..) => self.stats.garbage += 1,
                    (kind, Some(request), Some(status)) => {
                        self.warn_malformed(flow, kind.phrase(), now);
                        self.answer_malformed(flow, request, status, kind.phrase());
                    }
                    (kind, ..) => {
                        self.stats.malformed_dropped += 1;
                        self.warn_malformed(flow, kind.phrase(), now);
                    }
                },
            },
        }
    }

    fn receive_request(&mut self, flow: Flow, request: Message, now: Instant) {
        let Some(method) = request.method() else { return };
        if let Err((status, phrase)) = validate(&request) {
            self.warn_malformed(flow, phrase, now);
            // A response without any Via tells its receiver nothing (RFC 3261 §18.1.2).
            if method == Method::Ack || request.header(Name::Via).is_none() {
                self.stats.malformed_dropped += 1;
            } else {
                self.answer_malformed(flow, &request, status, phrase);
            }
            return;
        }
        let Ok(via) = request.via() else { return };
        let asked = if matches!(method, Method::Ack | Method::Cancel) { &Method::Invite } else { &method };
        let key = self.hasher.server(&request, &via, asked);
        let to_tag = request.to().ok().and_then(|to| to.tag().map(<[u8]>::to_vec));
        let seq = request.cseq().map_or(0, |(seq, _)| seq);
        let received = Received { request, flow, key, seq, to_tag };
        match method {
            Method::Ack => self.receive_ack(&received, now),
            Method::Cancel => self.receive_cancel(&received, now),
            _ => match self.by_key.get(&key).copied() {
                Some(tx) if self.begins_anew(tx, &received) => {
                    self.remove_tx(tx);
                    self.receive_new(received, &method, now);
                }
                Some(tx) => self.receive_repetition(tx, &received, now),
                None => self.receive_new(received, &method, now),
            },
        }
    }

    /// A request that was challenged comes by another stream. Nothing is repeated on streams (RFC 3261 §17.1.1.2) and with the old one its
    /// transaction has failed (§17.1.4), so nobody waits for that old challenge, whose nonce may have lapsed.
    fn begins_anew(&self, id: TxId, received: &Received) -> bool {
        let Some(tx) = self.txs.get(id) else { return false };
        let challenged = matches!(tx.kind, Kind::InviteServer { merged: None, open: None, .. });
        challenged && received.to_tag.is_none() && tx.flow.transport.is_reliable() && tx.flow != received.flow
    }

    fn receive_repetition(&mut self, id: TxId, received: &Received, now: Instant) {
        self.stats.repeated_requests += 1;
        let Some(tx) = self.txs.get_mut(id) else { return };
        // The NAT may have given its sender another port meanwhile.
        tx.flow = received.flow;
        let session = tx.session;
        let mut effects = Effects::default();
        match &mut tx.kind {
            Kind::InviteServer { machine, .. } => machine.on_repetition(&mut effects),
            Kind::Server { machine, .. } => machine.on_repetition(&mut effects),
            Kind::Ignored | Kind::InviteClient { .. } | Kind::Client { .. } => {}
        }
        self.trace(session, received.flow, received.request.as_bytes(), false, true);
        self.apply(id, effects, now);
    }

    /// A request that begins a transaction: RFC 3261 §8.2, in its order.
    fn receive_new(&mut self, received: Received, method: &Method, now: Instant) {
        let request = &received.request;
        if *method == Method::Invite && received.to_tag.is_none() {
            let call_id = request.call_id().unwrap_or_default();
            if !self.urgent && self.control.turns_away(self.hasher.hash(&[b"shed", call_id])) {
                self.stats.shed += 1;
                return self.refuse_overloaded(&received, now);
            }
        }
        if received.to_tag.is_some()
            && let Some(way) = self.recorded_way(request)
        {
            return self.pass_by_route(received, way, now);
        }
        if let Err(refused) = self.abilities.check(request) {
            let header = refused.header.map(|(name, value)| (name.as_str().to_owned(), value));
            let also = (refused.status == Status::UNSUPPORTED_MEDIA_TYPE)
                .then(|| ("Accept-Encoding".to_owned(), b"identity".to_vec()));
            let headers: Vec<_> = header.into_iter().chain(also).collect();
            return self.refuse(&received, refused.status, &headers);
        }
        if matches!(method, Method::Invite | Method::Update) && self.refuse_brief(&received) {
            return;
        }
        if received.to_tag.is_some() && *method != Method::Register {
            return self.receive_in_dialog(received, method, now);
        }
        match method {
            Method::Bye | Method::Prack | Method::Update => {
                return self.refuse(&received, Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &[]);
            }
            // A switch passes calls on, so for them it is no end of the way: else two switches could ring each other for ever.
            Method::Invite if may_forward(request).is_err() => {
                return self.refuse(&received, Status::TOO_MANY_HOPS, &[]);
            }
            _ => {}
        }
        let merged = self.hasher.merged(request);
        if self.merged.contains_key(&merged) {
            return self.refuse(&received, Status::LOOP_DETECTED, &[]);
        }
        let sessions_full = *method == Method::Invite && self.sessions_full();
        if self.is_full() || sessions_full {
            return self.refuse_overloaded(&received, now);
        }
        if *method == Method::Invite {
            self.receive_invite(received, merged, now);
        } else {
            self.begin_request(received, Some(merged), None, now);
        }
    }

    /// Gives a request other than INVITE its transaction and hands it to our owner.
    pub(super) fn begin_request(
        &mut self,
        received: Received,
        merged: Option<u128>,
        session: Option<SessionId>,
        now: Instant,
    ) {
        let Received { request, flow, key, .. } = received;
        self.trace(session, flow, request.as_bytes(), false, false);
        let id = self.add_server(&request, flow, key, merged, session, now);
        self.event(Event::Request { id: RequestId(id), request, flow, session });
    }

    pub(super) fn add_server(
        &mut self,
        request: &Message,
        flow: Flow,
        key: u128,
        merged: Option<u128>,
        session: Option<SessionId>,
        now: Instant,
    ) -> TxId {
        let open = Some(Box::new(Open { request: request.clone(), tag: self.reply_tag(key), held: None }));
        let kind = Kind::Server { machine: Server::new(), merged, open };
        let id = self.add_tx(Tx { kind, flow, key, session, armed: 0 });
        // Its client gives up at that time too (timer F).
        self.arm(super::Deadline::Forget(id), now + self.timing(flow).patience());
        id
    }

    fn receive_response(&mut self, flow: Flow, response: &Message, now: Instant) {
        if let Err(phrase) = validate_forked(response) {
            self.stats.malformed_dropped += 1;
            return self.warn_malformed(flow, phrase, now);
        }
        let found = response
            .via()
            .ok()
            .as_ref()
            .and_then(Via::branch)
            .zip(response.cseq().ok())
            .and_then(|(branch, (_, method))| self.by_key.get(&self.hasher.client(branch, &method)).copied());
        let (Some(id), Some(status)) = (found, response.status()) else {
            self.stats.stray_responses += 1;
            debug!(?flow, status = ?response.status(), "stray response");
            return;
        };
        let class = Class::of(status.code());
        let Some(tx) = self.txs.get(id) else { return };
        if !tx.is_branch()
            && let Err(phrase) = validate_response(response)
        {
            self.stats.malformed_dropped += 1;
            return self.warn_malformed(flow, phrase, now);
        }
        if let Ok(via) = response.via() {
            self.control.heed(tx.flow.remote, &via, now);
        }
        let (session, timing) = (tx.session, self.timing(tx.flow));
        self.trace(session, flow, response.as_bytes(), false, false);
        let Some(tx) = self.txs.get_mut(id) else { return };
        let mut effects = Effects::default();
        match &mut tx.kind {
            Kind::InviteClient { machine, invite, .. } => {
                let ack = || super::uac::ack_of_failure(invite, response);
                machine.on_response(class, ack, &timing, &mut effects);
                if self.apply(id, effects, now) {
                    self.invite_answered(id, session, status, response, now);
                }
            }
            Kind::Client { machine, purpose, .. } => {
                let purpose = *purpose;
                machine.on_response(class, &timing, &mut effects);
                if self.apply(id, effects, now) && status.is_final() {
                    let attempt = self.attempt_of(id);
                    self.request_ended(id, purpose, attempt, status, Some(response), now);
                }
            }
            Kind::InviteServer { .. } | Kind::Server { .. } | Kind::Ignored => {}
        }
    }

    /// The end of a request of ours other than INVITE, unless it goes on with credentials or by another hop.
    pub(super) fn request_ended(
        &mut self,
        id: TxId,
        purpose: Purpose,
        attempt: Option<Attempt>,
        status: Status,
        response: Option<&Message>,
        now: Instant,
    ) {
        let mut first = id;
        if let Some(attempt) = attempt {
            match self.try_again(attempt, status, response, now) {
                Ok(()) => return,
                Err(again) => first = again.first.unwrap_or(id),
            }
        }
        match purpose {
            Purpose::Bye(session) => drop(self.remove_session(session)),
            Purpose::Notify(id) => self.notify_answered(id, response.and_then(Message::status), now),
            Purpose::Branch(fork) => self.branch_ended(fork, status, response, now),
            Purpose::Asked => self.event(Event::Responded { id: RequestId(first), message: response.cloned() }),
            Purpose::Errand => {}
            Purpose::Offer(session) => self.update_ended(session, first, status, response, now),
            Purpose::Refresh(session) => self.refresh_ended(session, status, response, now),
        }
    }

    /// The session whose dialog a request names, with the peer's half of it right (RFC 3261 §12.2.2).
    pub(super) fn session_of(&self, received: &Received) -> Option<SessionId> {
        let call_id = received.request.call_id().ok()?;
        let id = *self.dialogs.get(&self.hasher.dialog(call_id, received.to_tag.as_deref()?))?;
        let session = self.sessions.get(id)?;
        let from = received.request.from().ok()?;
        let fits = session.has_remote_tag(from.tag().unwrap_or_default());
        // Before the peer's answer we do not know its tag.
        (fits || matches!(session.state, super::session::State::Calling { .. })).then_some(id)
    }

    /// Answers a request that is out of the question, without remembering it.
    pub(super) fn refuse(&mut self, received: &Received, status: Status, headers: &[(String, Vec<u8>)]) {
        self.stats.refused += 1;
        debug!(flow = ?received.flow, %status, "refused");
        self.answer_stateless(received, status, headers, None);
    }

    pub(super) fn answer_stateless(
        &mut self,
        received: &Received,
        status: Status,
        headers: &[(String, Vec<u8>)],
        session: Option<SessionId>,
    ) {
        let tag = self.reply_tag(received.key);
        let builder = ResponseBuilder::new(&received.request, status).source(received.flow.remote).to_tag(&tag);
        let builder = builder.overload(self.control.word());
        let builder = builder.header(Name::Server, self.config.server.as_bytes());
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.named(name, value));
        let data = builder.finish();
        self.transmit(received.flow, data, session, false);
    }

    pub(super) fn refuse_overloaded(&mut self, received: &Received, now: Instant) {
        self.stats.overloaded += 1;
        if self.muffler_passes(now) {
            warn!(
                sessions = self.sessions.len(),
                transactions = self.txs.len(),
                "overloaded: request refused with 503"
            );
        }
        let seconds = 5 + self.entropy.below(11);
        let headers = [("Retry-After".to_owned(), seconds.to_string().into_bytes())];
        self.answer_stateless(received, Status::SERVICE_UNAVAILABLE, &headers, None);
    }

    fn answer_malformed(&mut self, flow: Flow, request: &Message, status: Status, phrase: &str) {
        self.stats.malformed_answered += 1;
        let call_id = request.header(Name::CallId).unwrap_or_default();
        let tag = self.reply_tag(self.hasher.hash(&[b"malformed", call_id]));
        let builder = ResponseBuilder::new(request, status).phrase(phrase).source(flow.remote).to_tag(&tag);
        let data = builder.header(Name::Server, self.config.server.as_bytes()).finish();
        self.out.push_back(Output::Transmit { flow, data });
        self.stats.sent += 1;
    }

    fn warn_malformed(&mut self, flow: Flow, phrase: &str, now: Instant) {
        debug!(?flow, phrase, "malformed message");
        if self.muffler_passes(now) {
            warn!(phrase, "malformed message");
        }
    }

    pub(super) fn muffler_passes(&mut self, now: Instant) -> bool {
        let passes = self.muffler.passes(now);
        self.stats.muted_warnings = self.muffler.muted();
        passes
    }
}
