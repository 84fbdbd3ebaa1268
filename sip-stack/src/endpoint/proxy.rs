//! Requests that are passed on (RFC 3261 §16): what a proxy writes into them, and what it makes of the answers.
//!
//! Our owner decides where a request outside dialogs goes; what follows in its dialog goes by the routes that we recorded
//! ([`super::route`]). INVITE is never passed on: calls have a session of ours on either side.

use std::time::Instant;

use bytes::Bytes;
use tracing::debug;

use super::event::TxId;
use super::table::{Deadline, Kind, Purpose, Tx};
use super::{Endpoint, Flow, Headers, RequestId};
use crate::dialog::via;
use crate::message::{Message, MessageBuilder, Method, Name, Refused, Status, Uri, may_forward};
use crate::transaction::{Class, Client, Effects};

slotmap::new_key_type! {
    /// A request that was passed on and waits for its answers.
    pub(super) struct ForkId;
}

/// Where a request is passed on to.
#[derive(Clone, Debug)]
pub struct Hop {
    /// The way.
    pub flow: Flow,
    /// The new Request-URI.
    pub request_uri: Uri,
    /// Route values, first hop first.
    pub route: Vec<Vec<u8>>,
}

/// One request on its way to one or more places.
#[derive(Debug)]
pub(super) struct Fork {
    upstream: TxId,
    /// How many have not answered for good.
    open: usize,
    /// The best failure so far, by the order of §16.7 step 6.
    best: Option<Message>,
    /// Challenges of all who made one (§16.7 step 7).
    challenges: Vec<(Name, Vec<u8>)>,
    /// What is said if nobody answered because nobody could be reached.
    unreachable: Option<Status>,
    /// It went by a route of ours: if the flow is gone, its sender must know (RFC 5626 §5.3.1).
    routed: bool,
}

impl Endpoint {
    /// Whether we have what a request requires, if it is us who serve it: the other half of [`Config::passed_on`](super::Config::passed_on).
    /// Otherwise the answer to it, 420 with Unsupported.
    pub fn understands(&self, request: &Message) -> Result<(), (Status, Headers)> {
        let header = |(name, value): (Name, Vec<u8>)| (name.as_str().to_owned(), value);
        let told = |refused: Refused| (refused.status, refused.header.map(header).into_iter().collect());
        self.abilities.understands(request).map_err(told)
    }

    /// Whether a request may be passed on: 483, 482 if it has been here before (RFC 3261 §16.3 step 4), 420 for what proxies are asked to have.
    pub fn may_pass(&self, request: &Message) -> Result<(), (Status, Headers)> {
        may_forward(request).map_err(|(status, _)| (status, Headers::new()))?;
        if self.has_mark(request, self.mark_of(request)) {
            return Err((Status::LOOP_DETECTED, Headers::new()));
        }
        let asked: Vec<_> = request.values(Name::ProxyRequire).filter(|tag| !tag.is_empty()).collect();
        if !asked.is_empty() {
            return Err((Status::BAD_EXTENSION, vec![("Unsupported".to_owned(), asked.join(&b", "[..]))]));
        }
        Ok(())
    }

    /// Passes a request that [`may_pass`](Self::may_pass) on to all of these at once. The best answer goes back to its sender; no event follows.
    ///
    /// Nowhere to go is 480, no room is 503. Where nobody answers nothing is said (RFC 4320 §4.2).
    pub fn forward(&mut self, id: RequestId, hops: &[Hop], now: Instant) {
        let Some(request) = self.open_request(id) else { return };
        if hops.is_empty() {
            return self.respond(id, Status::TEMPORARILY_UNAVAILABLE, Headers::new(), None, now);
        }
        if self.txs.len() + hops.len() > self.config.max_transactions {
            self.stats.overloaded += 1;
            let seconds = (5 + self.entropy.below(11)).to_string().into_bytes();
            let headers = vec![("Retry-After".to_owned(), seconds)];
            return self.respond(id, Status::SERVICE_UNAVAILABLE, headers, None, now);
        }
        self.pass(id.0, &request, hops, false, now);
    }

    pub(super) fn pass(&mut self, upstream: TxId, request: &Message, hops: &[Hop], routed: bool, now: Instant) {
        let Some(source) = self.txs.get(upstream).map(|tx| tx.flow) else { return };
        let mark = self.mark_of(request);
        let fork = Fork { upstream, open: hops.len(), best: None, challenges: Vec::new(), unreachable: None, routed };
        let fork = self.forks.insert(fork);
        // Whoever waits for an answer gives up after 64·T1, and the best of what is there must reach it before.
        self.timers.set(Deadline::Fork(fork), now + self.config.t1 * 48);
        self.stats.passed_on += 1;
        for hop in hops {
            self.send_branch(fork, request, source, hop, mark, now);
        }
    }

    fn send_branch(&mut self, fork: ForkId, request: &Message, source: Flow, hop: &Hop, mark: u64, now: Instant) {
        let Some(method) = request.method() else { return };
        let branch = self.marked_branch(Some(mark));
        let data = self.passed_on(request, &method, source, hop, &branch);
        let key = self.hasher.client(branch.as_bytes(), &method);
        let mut effects = Effects::default();
        let machine = Client::start(data, &self.timing(hop.flow), &mut effects);
        let kind = Kind::Client { machine, purpose: Purpose::Branch(fork), again: None };
        let id = self.add_tx(Tx { kind, flow: hop.flow, key, session: None, armed: 0 });
        self.apply(id, effects, now);
    }

    /// The request as the next hop gets it (§16.6).
    fn passed_on(&self, request: &Message, method: &Method, source: Flow, hop: &Hop, branch: &str) -> Bytes {
        let mut out = MessageBuilder::request(method, &hop.request_uri.without_headers());
        out.header(Name::Via, via(&hop.flow, branch)).vias(request, source.remote, None);
        out.number(Name::MaxForwards, request.max_forwards().ok().flatten().map_or(70, |n| n.saturating_sub(1)).into());
        if makes_dialog(method) {
            let call_id = request.call_id().unwrap_or_default();
            out.header(Name::RecordRoute, self.route_to(&hop.flow, call_id));
            out.header(Name::RecordRoute, self.route_to(&source, call_id));
        }
        for route in &hop.route {
            out.header(Name::Route, route);
        }
        for (name, spelling, value) in request.lines() {
            let keep = match name {
                Name::Via | Name::MaxForwards | Name::Route | Name::ContentType | Name::ContentLength => false,
                // What a phone says of itself beside From is nobody's assertion (RFC 3325 §5).
                Name::PAssertedIdentity | Name::PPreferredIdentity | Name::RemotePartyId => false,
                Name::Authorization | Name::ProxyAuthorization => !self.is_for_us(value),
                _ => true,
            };
            if keep {
                out.named(spelling, value);
            }
        }
        super::again::finish(request, out)
    }

    /// Credentials that prove something to us are not told on: from them a weak password could be guessed.
    fn is_for_us(&self, credentials: &[u8]) -> bool {
        let read = crate::message::Credentials::parse(&Bytes::copy_from_slice(credentials));
        read.is_none_or(|read| read.get("realm").is_none_or(|realm| *realm == *self.config.realm.as_bytes()))
    }

    /// One of those who got the request has answered for good, or will not (§16.7).
    pub(super) fn branch_ended(&mut self, id: ForkId, status: Status, response: Option<&Message>, now: Instant) {
        let Some(fork) = self.forks.get_mut(id) else { return };
        fork.open = fork.open.saturating_sub(1);
        match response {
            Some(response) if status.is_success() => {
                let upstream = fork.upstream;
                self.end_fork(id);
                return self.pass_back(upstream, response, &[], now);
            }
            // Too late to be told to anybody (RFC 4320 §4.2).
            Some(_) if status == Status::REQUEST_TIMEOUT => {}
            Some(response) => fork.note(response),
            None if status == Status::REQUEST_TIMEOUT => {}
            None => {
                let status = if fork.routed { Status::FLOW_FAILED } else { Status::TEMPORARILY_UNAVAILABLE };
                fork.unreachable = Some(status);
            }
        }
        if self.forks.get(id).is_some_and(|fork| fork.open == 0) {
            self.conclude(id, now);
        }
    }

    /// Everybody has answered, or there is no more time to wait.
    pub(super) fn conclude(&mut self, id: ForkId, now: Instant) {
        let Some(Fork { upstream, best, challenges, unreachable, .. }) = self.end_fork(id) else { return };
        match (best, unreachable) {
            // That it has no time does not mean that we have none (§16.7 step 6).
            (Some(best), _) if best.status() == Some(Status::SERVICE_UNAVAILABLE) => {
                self.respond(RequestId(upstream), Status::SERVER_INTERNAL_ERROR, Headers::new(), None, now);
            }
            (Some(best), _) => self.pass_back(upstream, &best, &challenges, now),
            (None, Some(status)) => self.respond(RequestId(upstream), status, Headers::new(), None, now),
            (None, None) => {
                debug!("nobody answered what was passed on");
                self.discard_request(RequestId(upstream));
            }
        }
    }

    fn end_fork(&mut self, id: ForkId) -> Option<Fork> {
        self.timers.cancel(&Deadline::Fork(id));
        self.forks.remove(id)
    }

    /// A response goes back by the way its request came (§16.7 steps 3 to 9).
    fn pass_back(&mut self, upstream: TxId, response: &Message, challenges: &[(Name, Vec<u8>)], now: Instant) {
        let Some(Tx { kind: Kind::Server { open: Some(open), .. }, flow, .. }) = self.txs.get(upstream) else { return };
        let Some(status) = response.status() else { return };
        let mut out = MessageBuilder::response(status, &String::from_utf8_lossy(response.reason()));
        out.vias(&open.request, flow.remote, None);
        let challenged = !challenges.is_empty();
        for (name, spelling, value) in response.lines() {
            let keep = match name {
                Name::Via | Name::ContentType | Name::ContentLength => false,
                Name::WwwAuthenticate | Name::ProxyAuthenticate => !challenged,
                _ => true,
            };
            if keep {
                out.named(spelling, value);
            }
        }
        for (name, value) in challenges {
            out.header(*name, value);
        }
        let data = super::again::finish(response, out);
        self.respond_with(upstream, Class::of(status.code()), data, now);
    }

    /// A branch that tells, if the request comes back, that it has been here.
    pub(super) fn marked_branch(&mut self, mark: Option<u64>) -> String {
        let branch = self.branch();
        match mark {
            Some(mark) => format!("{branch}.{mark:016x}"),
            None => branch,
        }
    }

    /// Whether one of our own Vias in a request has this mark: it has been here, and nothing has changed since.
    pub fn has_mark(&self, request: &Message, mark: u64) -> bool {
        request.vias().flatten().any(|via| via.branch().and_then(mark_in) == Some(mark))
    }

    /// A mark for [`super::Invite::mark`] and [`has_mark`](Self::has_mark), of whatever decides where a request goes.
    pub fn mark(&self, parts: &[&[u8]]) -> u64 {
        self.seal.mark(parts)
    }

    /// What makes a request that is passed on the same as one that was (RFC 5393 §4.2.2): all by which its way is found.
    fn mark_of(&self, request: &Message) -> u64 {
        let tag = |name| request.addr(name).ok().and_then(|addr| addr.tag().map(<[u8]>::to_vec)).unwrap_or_default();
        let routes: Vec<_> = request.values(Name::Route).collect();
        let (from, to) = (tag(Name::From), tag(Name::To));
        let cseq = request.header(Name::CSeq).unwrap_or_default();
        let call_id = request.call_id().unwrap_or_default();
        self.mark(&[b"passed", request.request_uri(), &routes.join(&b','), &from, &to, call_id, cseq])
    }

    /// The request of a server transaction that is not answered yet.
    pub(super) fn open_request(&self, id: RequestId) -> Option<Message> {
        match self.txs.get(id.0).map(|tx| &tx.kind) {
            Some(Kind::Server { open: Some(open), .. }) => Some(open.request.clone()),
            _ => None,
        }
    }
}

impl Fork {
    fn note(&mut self, response: &Message) {
        let Some(status) = response.status() else { return };
        if matches!(status, Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED) {
            for name in [Name::WwwAuthenticate, Name::ProxyAuthenticate] {
                self.challenges.extend(response.headers(name).map(|value| (name, value.to_vec())));
            }
        }
        if self.best.as_ref().and_then(Message::status).is_none_or(|best| rank(status) < rank(best)) {
            self.best = Some(response.clone());
        }
    }
}

/// The order in which failures are preferred (§16.7 step 6): 6xx, then the lowest class; in it what the sender can do something about,
/// and last that somebody has no time.
fn rank(status: Status) -> (u16, bool) {
    match status.code() {
        600.. => (0, false),
        code @ 400..500 => (4, !matches!(code, 401 | 407 | 415 | 420 | 484)),
        code => (code / 100, code == 503),
    }
}

/// Requests that make a dialog, or are the first that one side sees of it (RFC 6665 §4.3).
fn makes_dialog(method: &Method) -> bool {
    matches!(method, Method::Subscribe | Method::Notify | Method::Refer)
}

/// The mark of a request of ours.
pub(super) fn mark_of_branch(request: &Message) -> Option<u64> {
    mark_in(request.via().ok()?.branch()?)
}

/// The mark in a branch of ours.
fn mark_in(branch: &[u8]) -> Option<u64> {
    let (_, mark) = branch.strip_prefix(b"z9hG4bKpb")?.split_at_checked(20)?;
    let digits = mark.strip_prefix(b".").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
