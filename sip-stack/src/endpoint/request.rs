//! Requests other than INVITE: answering them, sending them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::warn;

use super::again::Again;
use super::event::TxId;
use super::table::{Deadline, Kind, Purpose, Tx};
use super::{Endpoint, Flow, Headers, Overloaded, RequestId, SessionId};
use crate::auth::Credentials;
use crate::dialog::via;
use crate::message::{MessageBuilder, Method, Name, NameAddr, ResponseBuilder, Status, Uri};
use crate::placement;
use crate::transaction::{Class, Client, Effects};

/// A request of ours outside any dialog: OPTIONS to see whether a phone is there, REGISTER to a trunk …
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where to.
    pub flow: Flow,
    /// What; not INVITE, ACK or CANCEL.
    pub method: Method,
    /// To whom.
    pub request_uri: Uri,
    /// Route values, first hop first.
    pub route: Vec<NameAddr>,
    /// From; the tag is ours to add.
    pub from: NameAddr,
    /// To, without a tag.
    pub to: NameAddr,
    /// The user of our Contact, if there is to be one.
    pub contact_user: Option<String>,
    /// More headers.
    pub headers: Headers,
    /// Content type and body.
    pub body: Option<(String, Bytes)>,
    /// The Call-ID, to send several in a row; else a new one.
    pub call_id: Option<String>,
    /// The number in CSeq, to count on; else 1. Whoever gives credentials counts on from the CSeq of the response, for each
    /// challenge that was answered took one more.
    pub cseq: Option<u32>,
    /// Who we are, if the peer asks: 401 and 407 are then answered by the endpoint.
    pub credentials: Option<Arc<Credentials>>,
    /// Where to go on when a hop is dead, as in [`super::Invite`].
    pub alternatives: Vec<Flow>,
}

impl Outgoing {
    /// A request without body, route, Contact, credentials, or headers of its own.
    pub fn new(flow: Flow, method: Method, request_uri: Uri, from: NameAddr, to: NameAddr) -> Self {
        Self {
            flow,
            method,
            request_uri,
            route: Vec::new(),
            from,
            to,
            contact_user: None,
            headers: Headers::new(),
            body: None,
            call_id: None,
            cseq: None,
            credentials: None,
            alternatives: Vec::new(),
        }
    }
}

/// A request in a dialog, ready for its body.
pub(super) struct Draft {
    out: MessageBuilder,
    flow: Flow,
    key: u128,
}

impl Endpoint {
    /// Answers a request.
    #[expect(clippy::needless_pass_by_value, reason = "callers give away what they wrote for this response alone")]
    pub fn respond(
        &mut self,
        id: RequestId,
        status: Status,
        headers: Headers,
        body: Option<(&str, Bytes)>,
        now: Instant,
    ) {
        let body = body.as_ref().map(|(content_type, body)| (*content_type, &body[..]));
        if let Some(data) = self.response_of(id.0, status, &headers, body) {
            self.respond_with(id.0, Class::of(status.code()), data, now);
        }
    }

    /// Answers a request after a while, at most 30 s; until then its repetitions are swallowed.
    pub fn respond_after(&mut self, id: RequestId, status: Status, headers: Headers, delay: Duration, now: Instant) {
        if delay.is_zero() {
            return self.respond(id, status, headers, None, now);
        }
        if let Some(data) = self.response_of(id.0, status, &headers, None) {
            self.hold(id.0, Class::of(status.code()), data, delay, now);
        }
    }

    /// Answers an OPTIONS: 200 with what we can do.
    pub fn answer_options(&mut self, id: RequestId, now: Instant) {
        self.respond(id, Status::OK, self.capabilities(), None, now);
    }

    /// Never answers a request: its repetitions are swallowed for 64·T1.
    pub fn discard_request(&mut self, id: RequestId) {
        if matches!(self.txs.get(id.0).map(|tx| &tx.kind), Some(Kind::Server { open: Some(_), .. })) {
            self.ignore(id.0);
        }
    }

    /// Swallows the repetitions of a request until the timer that was set when it came.
    pub(super) fn ignore(&mut self, id: TxId) {
        let Some(tx) = self.txs.get_mut(id) else { return };
        let merged = tx.merged();
        tx.kind = Kind::Ignored;
        let waits = Deadline::Forget(id).bit().is_some_and(|(_, bit)| tx.armed & bit != 0);
        self.disarm(Deadline::Held(id));
        if let Some(merged) = merged {
            self.merged.remove(&merged);
        }
        // Its sender has given up repeating it.
        if !waits {
            self.remove_tx(id);
        }
    }

    /// Sends a request outside any dialog. [`super::Event::Responded`] tells its end.
    pub fn request(&mut self, request: Outgoing, now: Instant) -> Result<RequestId, Overloaded> {
        if self.is_full() {
            return Err(Overloaded);
        }
        let Outgoing { flow, method, .. } = request;
        let branch = self.branch();
        let tag = placement::tag(self.config.cell, &mut self.entropy);
        let call_id = request.call_id.unwrap_or_else(|| self.entropy.token(26));
        let mut out = MessageBuilder::request(&method, &request.request_uri);
        out.header(Name::Via, via(&flow, &branch));
        if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Max-Forwards")) {
            out.header(Name::MaxForwards, "70");
        }
        for route in &request.route {
            out.addr(Name::Route, route);
        }
        out.addr(Name::From, &request.from.with_tag(&tag)).addr(Name::To, &request.to).header(Name::CallId, call_id);
        out.cseq(request.cseq.unwrap_or(1), &method);
        if let Some(user) = &request.contact_user {
            out.header(Name::Contact, super::uac::contact(user, &flow));
        }
        out.header(Name::UserAgent, &self.config.server);
        for (name, value) in &request.headers {
            out.named(name, value);
        }
        let data = match &request.body {
            Some((content_type, body)) => out.finish_with_body(content_type, body),
            None => out.finish(),
        };
        let key = self.hasher.client(branch.as_bytes(), &method);
        let again = Again::of(&data, request.credentials, false, request.alternatives);
        Ok(RequestId(self.send_request(data, flow, key, Purpose::Asked, None, again, now)))
    }

    /// Sends a request inside a session's dialog: INFO, REFER, NOTIFY, MESSAGE, OPTIONS. [`super::Event::Responded`] tells its end.
    /// None if there is no dialog (yet, or any more), or if a limit is reached.
    #[expect(clippy::needless_pass_by_value, reason = "callers give away what they wrote for this request alone")]
    pub fn request_in(
        &mut self,
        id: SessionId,
        method: Method,
        headers: Headers,
        body: Option<(String, Bytes)>,
        now: Instant,
    ) -> Option<RequestId> {
        if self.is_full() {
            return None;
        }
        let draft = self.draft(id, None, &method, &headers)?;
        let body = body.as_ref().map(|(content_type, body)| (&content_type[..], &body[..]));
        Some(RequestId(self.send_draft(id, draft, body, Purpose::Asked, now)))
    }

    /// Begins a request in a session's dialog (the early one with this tag of the peer, or the latest): everything but its body.
    pub(super) fn draft(
        &mut self,
        id: SessionId,
        tag: Option<&[u8]>,
        method: &Method,
        headers: &[(String, Vec<u8>)],
    ) -> Option<Draft> {
        let branch = self.branch();
        let session = self.sessions.get_mut(id)?;
        if session.is_silent() {
            return None;
        }
        let flow = session.flow;
        let dialog = match tag {
            Some(tag) => session.dialog_to(tag),
            None => session.speaking_dialog()?,
        };
        let seq = dialog.next_seq();
        let flow = dialog.next_hop(flow);
        let mut out = dialog.request(method, seq, &branch, &flow)?;
        if method.carries_target() {
            out.header(Name::Contact, &dialog.contact);
        }
        out.header(Name::UserAgent, &self.config.server);
        for (name, value) in headers {
            out.named(name, value);
        }
        Some(Draft { out, flow, key: self.hasher.client(branch.as_bytes(), method) })
    }

    /// Sends what was begun.
    pub(super) fn send_draft(
        &mut self,
        id: SessionId,
        draft: Draft,
        body: Option<(&str, &[u8])>,
        purpose: Purpose,
        now: Instant,
    ) -> TxId {
        let Draft { out, flow, key } = draft;
        let data = match body {
            Some((content_type, body)) => out.finish_with_body(content_type, body),
            None => out.finish(),
        };
        let data = self.authorized(id, data);
        let again = self.again_in(id, &data);
        self.send_request(data, flow, key, purpose, Some(id), again, now)
    }

    /// What a request in a dialog needs to answer a challenge, if we have credentials there.
    pub(super) fn again_in(&self, id: SessionId, data: &Bytes) -> Option<Box<Again>> {
        let challenged = self.sessions.get(id).is_some_and(|session| session.login.is_some());
        Again::of(data, None, challenged, Vec::new())
    }

    /// Begins a client transaction other than INVITE.
    #[expect(clippy::too_many_arguments, reason = "what a transaction is made of, once")]
    pub(super) fn send_request(
        &mut self,
        data: Bytes,
        flow: Flow,
        key: u128,
        purpose: Purpose,
        session: Option<SessionId>,
        again: Option<Box<Again>>,
        now: Instant,
    ) -> TxId {
        let (data, flow, again) = self.by_size(data, flow, session, again, now);
        let mut effects = Effects::default();
        let machine = Client::start(data, &self.timing(flow), &mut effects);
        let id = self.add_tx(Tx { kind: Kind::Client { machine, purpose, again }, flow, key, session, armed: 0 });
        self.apply(id, effects, now);
        self.hurry(id, now);
        id
    }

    /// The response to the request of a server transaction that has no final one yet.
    pub(super) fn response_of(
        &self,
        id: TxId,
        status: Status,
        headers: &[(String, Vec<u8>)],
        body: Option<(&str, &[u8])>,
    ) -> Option<Bytes> {
        let tx = self.txs.get(id)?;
        let (Kind::InviteServer { open: Some(open), .. } | Kind::Server { open: Some(open), .. }) = &tx.kind else {
            return None;
        };
        if open.held.is_some() {
            return None;
        }
        let builder = ResponseBuilder::new(&open.request, status).source(tx.flow.remote).to_tag(&open.tag);
        let builder = builder.overload(self.control.word());
        let builder = builder.header(Name::Server, self.config.server.as_bytes());
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.named(name, value));
        let data = match body {
            Some((content_type, body)) => builder.finish_with_body(content_type, body),
            None => builder.finish(),
        };
        // Kept for half a minute in case the request comes again: without the room that the builder left.
        Some(Bytes::copy_from_slice(&data))
    }

    /// Gives a response to a server transaction.
    pub(super) fn respond_with(&mut self, id: TxId, class: Class, data: Bytes, now: Instant) {
        let Some(flow) = self.txs.get(id).map(|tx| tx.flow) else { return };
        let timing = self.timing(flow);
        let Some(tx) = self.txs.get_mut(id) else { return };
        let mut effects = Effects::default();
        // A client that answers our challenge may, against the RFC, do so under the same number: no merged request.
        let retry = data.starts_with(b"SIP/2.0 401") || data.starts_with(b"SIP/2.0 407");
        let unmerge = match &mut tx.kind {
            Kind::InviteServer { machine, merged, open } => {
                machine.respond(class, data, &timing, &mut effects);
                open.take_if(|_| class != Class::Provisional);
                merged.take_if(|_| retry)
            }
            Kind::Server { machine, merged, open } => {
                machine.respond(class, data, &timing, &mut effects);
                open.take_if(|_| class != Class::Provisional);
                merged.take_if(|_| retry)
            }
            Kind::Ignored | Kind::InviteClient { .. } | Kind::Client { .. } => None,
        };
        if let Some(merged) = unmerge {
            self.merged.remove(&merged);
        }
        if class != Class::Provisional {
            self.disarm(Deadline::Forget(id));
        }
        self.apply(id, effects, now);
    }

    /// Keeps a final response until its time.
    pub(super) fn hold(&mut self, id: TxId, class: Class, data: Bytes, delay: Duration, now: Instant) {
        let Some(tx) = self.txs.get_mut(id) else { return };
        if let Kind::InviteServer { open: Some(open), .. } | Kind::Server { open: Some(open), .. } = &mut tx.kind {
            open.held = Some((class, data));
            self.arm(Deadline::Held(id), now + delay.min(Duration::from_secs(30)));
        }
    }

    pub(super) fn release_held(&mut self, id: TxId, now: Instant) {
        let Some(tx) = self.txs.get_mut(id) else { return };
        let (Kind::InviteServer { open: Some(open), .. } | Kind::Server { open: Some(open), .. }) = &mut tx.kind else {
            return;
        };
        if let Some((class, data)) = open.held.take() {
            self.respond_with(id, class, data, now);
        }
    }

    /// A request that was to be ignored, or that our owner never answered: its client has given up by now. Or a re-INVITE of ours
    /// whose session is gone. An INVITE of the peer may wait.
    pub(super) fn forget(&mut self, id: TxId) {
        match self.txs.get(id).map(|tx| &tx.kind) {
            Some(Kind::Ignored) => {}
            Some(Kind::Server { .. }) => warn!("a request was never answered"),
            Some(Kind::InviteClient { machine, .. }) if machine.is_proceeding() => {}
            Some(Kind::InviteServer { .. } | Kind::InviteClient { .. } | Kind::Client { .. }) | None => return,
        }
        self.remove_tx(id);
    }
}
