//! Transactions, dialogs and sessions of one cell: datagrams in, events out, and the other way round.
//!
//! After every call drain [`Endpoint::poll_output`] until `None`; then wait for the next input or for
//! [`Endpoint::poll_timeout`]. Calls about a session or request that is gone are without effect: they lost a race.
//!
//! The endpoint itself does what the protocol leaves no choice about: repetitions, 100, ACK, PRACK, the answers to BYE and CANCEL,
//! session timers, answers to challenges, the next hop, the pause after a glare, BYE for a 2xx that crossed our CANCEL or came from a second fork, and refusing what cannot be served (400, 405, 406, 415, 416,
//! 420, 481, 482, 483, 491, 500, 501, 503, 505, 513). Refusals are stateless: the same request gets the same response, and
//! nothing is remembered of it.

mod accepted;
mod again;
mod config;
mod early;
mod event;
mod flow;
mod keepalive;
mod muffler;
mod offer;
mod overload;
mod passing;
mod proxy;
mod receive;
mod refresh;
mod reliable;
mod request;
mod route;
mod session;
mod snapshot;
mod subscription;
mod table;
mod uac;
mod uas;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use slotmap::{KeyData, SlotMap};
use stdx::{Entropy, Timers};
use tracing::debug;

pub use crate::message::Transport;
pub use config::{CellTag, Config, Counts, Stats};
pub use event::{Ended, Event, Headers, Input, Output, Overloaded, ReasonHeader, RequestId, SessionId, Trace};
pub use flow::Flow;
pub(crate) use flow::reachable;
pub use proxy::Hop;
pub use request::Outgoing;
pub use subscription::{Notice, Standing, SubscriptionId, Turn, package_of};
pub use uac::Invite;

use crate::message::{Abilities, Method, Status};
use crate::placement;
use crate::seal::Seal;
use crate::transaction::{Effect, Effects, Outcome, Timer, Timing};
use again::{Attempt, NoTcp};
use event::TxId;
use muffler::Muffler;
use proxy::{Fork, ForkId};
use session::Session;
use subscription::Subscription;
use table::{Deadline, Hasher, Kind, SessionTimer, Tx};

/// The beat of the coarse clock.
const FORGETTING: Duration = Duration::from_millis(250);

/// Sessions and transactions beyond the limits, for emergency calls.
const URGENT_ROOM: usize = 128;

/// The SIP side of one cell.
pub struct Endpoint {
    config: Config,
    abilities: Abilities,
    entropy: Entropy,
    hasher: Hasher,
    txs: SlotMap<TxId, Tx>,
    /// Transactions by what their messages carry.
    by_key: BTreeMap<u128, TxId>,
    /// Server transactions of requests outside dialogs, to know a copy that came by another way.
    merged: BTreeMap<u128, TxId>,
    /// Client transactions by where they send, for failures of the transport.
    by_remote: BTreeSet<(SocketAddr, TxId)>,
    sessions: SlotMap<SessionId, Session>,
    /// Sessions by Call-ID and our tag.
    dialogs: BTreeMap<u128, SessionId>,
    subscriptions: SlotMap<SubscriptionId, Subscription>,
    /// Subscriptions by Call-ID and our tag.
    subscribed: BTreeMap<u128, SubscriptionId>,
    /// Requests that were passed on and wait for their answers.
    forks: SlotMap<ForkId, Fork>,
    seal: Seal,
    timers: Timers<Deadline>,
    /// When the coarse clock began.
    origin: Option<Instant>,
    out: VecDeque<Output>,
    stats: Stats,
    muffler: Muffler,
    no_tcp: NoTcp,
    /// Whether we say 100rel and timer in Supported, and so do them.
    prack: bool,
    timer: bool,
    control: overload::Control,
    /// What is done now is for an emergency call.
    urgent: bool,
}

impl Endpoint {
    /// An endpoint without sessions.
    pub fn new(config: Config, mut entropy: Entropy) -> Self {
        let mut methods = vec![Method::Invite, Method::Ack, Method::Bye, Method::Cancel];
        let says = |tag: &str| config.supported.iter().any(|known| known.eq_ignore_ascii_case(tag));
        let (prack, timer) = (says("100rel"), says("timer"));
        methods.extend(prack.then_some(Method::Prack));
        methods.push(Method::Update);
        for method in &config.methods {
            if !methods.contains(method) {
                methods.push(method.clone());
            }
        }
        let abilities = Abilities {
            methods,
            extensions: config.supported.iter().chain(&config.understood).copied().collect(),
            passed_on: config.passed_on.clone(),
            ..Abilities::default()
        };
        let hasher = Hasher { key: (entropy.u64(), entropy.u64()) };
        let seal = config.seal.clone().unwrap_or_else(|| Seal::random(&mut entropy));
        Self {
            config,
            abilities,
            entropy,
            hasher,
            txs: SlotMap::with_key(),
            by_key: BTreeMap::new(),
            merged: BTreeMap::new(),
            by_remote: BTreeSet::new(),
            sessions: SlotMap::with_key(),
            dialogs: BTreeMap::new(),
            subscriptions: SlotMap::with_key(),
            subscribed: BTreeMap::new(),
            forks: SlotMap::with_key(),
            seal,
            timers: Timers::default(),
            origin: None,
            out: VecDeque::new(),
            stats: Stats::default(),
            muffler: Muffler::default(),
            no_tcp: NoTcp::default(),
            prack,
            timer,
            control: overload::Control::default(),
            urgent: false,
        }
    }

    /// Takes what the network says.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Datagram { flow, data } => self.receive(flow, data, now),
            Input::Urgent { flow, data } => {
                self.urgent = true;
                self.receive(flow, data, now);
                self.urgent = false;
            }
            Input::SendFailed { flow } => self.send_failed(flow, now),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(deadline) = self.timers.pop_due(now) {
            if let Some((id, bit)) = deadline.bit()
                && let Some(tx) = self.txs.get_mut(id)
            {
                tx.armed &= !bit;
            }
            if let Deadline::Session(id, timer) = deadline
                && let Some(session) = self.sessions.get_mut(id)
            {
                session.armed &= !timer.bit();
            }
            match deadline {
                Deadline::Tx(id, timer) => self.tx_timer(id, timer, now),
                Deadline::Held(id) => self.release_held(id, now),
                Deadline::Forget(id) => self.forget(id),
                Deadline::Session(id, timer) => self.session_timer(id, timer, now),
                Deadline::Subscription(id) => self.subscription_lapsed(id, now),
                Deadline::Fork(id) => self.conclude(id, now),
            }
        }
    }

    /// The next thing to do or to know.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Of a thousand new calls so many are turned away from now on, with 503 and Retry-After and without any memory of them.
    /// Neighbours that support RFC 7339 are told.
    pub fn shed(&mut self, share: u16, at: stdx::UnixMillis) {
        self.control.set_share(share, at);
    }

    /// What is alive right now.
    pub fn counts(&self) -> Counts {
        Counts {
            transactions: self.txs.len(),
            sessions: self.sessions.len(),
            subscriptions: self.subscriptions.len(),
            timers: self.timers.len(),
            index_entries: self.by_key.len()
                + self.merged.len()
                + self.by_remote.len()
                + self.dialogs.len()
                + self.subscribed.len()
                + self.forks.len(),
        }
    }

    /// What happened since the start.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The way a session's messages go; none if it is gone.
    pub fn flow(&self, id: SessionId) -> Option<Flow> {
        self.sessions.get(id).map(|session| session.flow)
    }

    /// The Call-ID of a session's dialog; none if it is gone.
    pub fn call_id(&self, id: SessionId) -> Option<String> {
        self.sessions.get(id).map(|session| String::from_utf8_lossy(&session.dialog.call_id).into_owned())
    }

    /// The session whose dialog a Replaces or Join header names (RFC 3891 §3, RFC 3911 §4): as the peer of that dialog sees it, or
    /// as we do. None if there is none, or if it is over.
    pub fn find(&self, call_id: &[u8], to_tag: &[u8], from_tag: &[u8]) -> Option<SessionId> {
        let with = |ours: &[u8], theirs: &[u8]| {
            let id = *self.dialogs.get(&self.hasher.dialog(call_id, ours))?;
            let session = self.sessions.get(id).filter(|session| !session.is_silent())?;
            session.has_remote_tag(theirs).then_some(id)
        };
        with(to_tag, from_tag).or_else(|| with(from_tag, to_tag))
    }

    /// Whether a session is answered: what `early-only` of Replaces asks (RFC 3891 §3).
    pub fn is_confirmed(&self, id: SessionId) -> bool {
        matches!(self.sessions.get(id).map(|session| &session.state), Some(session::State::Open { .. }))
    }

    /// Call-ID, our tag and the peer's tag of a session's dialog; the peer's is empty while it is not known. None if it is gone.
    pub fn dialog_names(&self, id: SessionId) -> Option<[String; 3]> {
        let dialog = &self.sessions.get(id)?.dialog;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some([text(&dialog.call_id), text(&dialog.local_tag), text(&dialog.remote_tag)])
    }

    /// What we can do, for the 200 to an OPTIONS (RFC 3261 §11.2): Allow, Supported if there is any extension, Accept,
    /// Accept-Encoding, Accept-Language.
    pub fn capabilities(&self) -> Headers {
        let mut headers = vec![("Allow".to_owned(), self.abilities.allow().into_bytes())];
        if !self.abilities.extensions.is_empty() {
            headers.push(("Supported".to_owned(), self.abilities.extensions.join(", ").into_bytes()));
        }
        let also = [
            ("Accept", self.abilities.accept()),
            ("Accept-Encoding", "identity".into()),
            ("Accept-Language", "en".into()),
        ];
        headers.extend(also.map(|(name, value)| (name.to_owned(), value.into_bytes())));
        headers
    }

    /// What an INVITE and its 2xx tell of us (RFC 3261 §13.2.1, §13.3.1.4).
    fn session_abilities(&self) -> Headers {
        let mut headers = vec![("Allow".to_owned(), self.abilities.allow().into_bytes())];
        if !self.config.supported.is_empty() {
            headers.push(("Supported".to_owned(), self.config.supported.join(", ").into_bytes()));
        }
        headers
    }

    fn timing(&self, flow: Flow) -> Timing {
        let Config { t1, t2, t4, .. } = self.config;
        Timing { t1, t2, t4, reliable: flow.transport.is_reliable() }
    }

    fn branch(&mut self) -> String {
        placement::branch(self.config.cell, &mut self.entropy)
    }

    /// Our tag for answers that make no dialog: the same for the same request, however often it comes.
    fn reply_tag(&self, key: u128) -> String {
        let hash = self.hasher.hash(&[b"tag", &key.to_be_bytes()]);
        format!("pb{:04x}{:016x}", self.config.cell.0, hash as u64)
    }

    fn is_full(&self) -> bool {
        self.txs.len() >= self.config.max_transactions + self.reserve()
    }

    fn sessions_full(&self) -> bool {
        self.sessions.len() >= self.config.max_sessions + self.reserve()
    }

    /// Room beyond the limits for what is done now.
    fn reserve(&self) -> usize {
        if self.urgent { URGENT_ROOM } else { 0 }
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn transmit(&mut self, flow: Flow, data: Bytes, session: Option<SessionId>, repeated: bool) {
        self.stats.sent += 1;
        self.stats.resent += u64::from(repeated);
        self.trace(session, flow, &data, true, repeated);
        self.out.push_back(Output::Transmit { flow, data });
    }

    fn trace(&mut self, session: Option<SessionId>, flow: Flow, data: &Bytes, sent: bool, repeated: bool) {
        if let Some(session) = session.filter(|_| self.config.trace) {
            self.out.push_back(Output::Trace(Trace { session, sent, repeated, flow, data: data.clone() }));
        }
    }

    /// Enters a transaction into the tables.
    fn add_tx(&mut self, tx: Tx) -> TxId {
        let (key, merged, client, remote) = (tx.key, tx.merged(), tx.is_client(), tx.flow.remote);
        let id = self.txs.insert(tx);
        self.by_key.insert(key, id);
        if let Some(merged) = merged {
            self.merged.insert(merged, id);
        }
        if client {
            self.by_remote.insert((remote, id));
        }
        id
    }

    fn remove_tx(&mut self, id: TxId) -> Option<Tx> {
        let tx = self.txs.remove(id)?;
        self.by_key.remove(&tx.key);
        if let Some(merged) = tx.merged()
            && self.merged.get(&merged) == Some(&id)
        {
            self.merged.remove(&merged);
        }
        if tx.is_client() {
            self.by_remote.remove(&(tx.flow.remote, id));
        }
        for deadline in Deadline::of(id, tx.armed) {
            self.timers.cancel(&deadline);
        }
        Some(tx)
    }

    fn remove_session(&mut self, id: SessionId) -> Option<Session> {
        let session = self.sessions.remove(id)?;
        self.dialogs.remove(&session.key);
        for timer in SessionTimer::ALL.into_iter().filter(|timer| session.armed & timer.bit() != 0) {
            self.timers.cancel(&Deadline::Session(id, timer));
        }
        Some(session)
    }

    /// Sets a deadline of a transaction.
    fn arm(&mut self, deadline: Deadline, at: Instant) {
        if let Some((id, bit)) = deadline.bit()
            && let Some(tx) = self.txs.get_mut(id)
        {
            tx.armed |= bit;
            self.timers.set(deadline, at);
        }
    }

    /// Cancels a deadline of a transaction, if it is set.
    fn disarm(&mut self, deadline: Deadline) {
        if let Some((id, bit)) = deadline.bit()
            && let Some(tx) = self.txs.get_mut(id)
            && tx.armed & bit != 0
        {
            tx.armed &= !bit;
            self.timers.cancel(&deadline);
        }
    }

    /// Sets a deadline of a session.
    fn arm_session(&mut self, id: SessionId, timer: SessionTimer, at: Instant) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.armed |= timer.bit();
            self.timers.set(Deadline::Session(id, timer), at);
        }
    }

    /// Cancels a deadline of a session, if it is set.
    fn disarm_session(&mut self, id: SessionId, timer: SessionTimer) {
        if let Some(session) = self.sessions.get_mut(id)
            && session.armed & timer.bit() != 0
        {
            session.armed &= !timer.bit();
            self.timers.cancel(&Deadline::Session(id, timer));
        }
    }

    /// The next tick of a coarse clock at or after a moment: what only forgets may be late, and many then share one waking.
    fn coarse(&mut self, at: Instant, now: Instant) -> Instant {
        let origin = *self.origin.get_or_insert(now);
        let ticks = at.saturating_duration_since(origin).as_nanos().div_ceil(FORGETTING.as_nanos());
        origin + FORGETTING * u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    /// Does what a machine wants; true if it wants its user to have the message.
    fn apply(&mut self, id: TxId, effects: Effects, now: Instant) -> bool {
        let mut deliver = false;
        for effect in effects {
            match effect {
                Effect::Send(data) => self.send_of(id, data, false),
                Effect::Resend(data) => self.send_of(id, data, true),
                Effect::Set(timer, after) => {
                    let at = if timer.only_forgets() { self.coarse(now + after, now) } else { now + after };
                    self.arm(Deadline::Tx(id, timer), at);
                }
                Effect::Cancel(timer) => self.disarm(Deadline::Tx(id, timer)),
                Effect::Deliver => deliver = true,
                Effect::Finish(outcome) => self.finish(id, outcome, now),
            }
        }
        deliver
    }

    fn send_of(&mut self, id: TxId, data: Bytes, repeated: bool) {
        if let Some(tx) = self.txs.get(id) {
            let (flow, session) = (tx.flow, tx.session);
            self.transmit(flow, data, session, repeated);
        }
    }

    fn tx_timer(&mut self, id: TxId, timer: Timer, now: Instant) {
        let Some(flow) = self.txs.get(id).map(|tx| tx.flow) else { return };
        let timing = self.timing(flow);
        let Some(tx) = self.txs.get_mut(id) else { return };
        let mut effects = Effects::default();
        match &mut tx.kind {
            Kind::InviteServer { machine, .. } => machine.on_timer(timer, &timing, &mut effects),
            Kind::Server { machine, .. } => machine.on_timer(timer, &mut effects),
            Kind::InviteClient { machine, .. } => machine.on_timer(timer, &mut effects),
            Kind::Client { machine, .. } => machine.on_timer(timer, &timing, &mut effects),
            Kind::Ignored => {}
        }
        self.apply(id, effects, now);
    }

    fn send_failed(&mut self, flow: Flow, now: Instant) {
        // The least key there is; the default one is the greatest.
        let range = (flow.remote, TxId::from(KeyData::from_ffi(0)))..;
        let failed = self.by_remote.range(range).take_while(|(remote, _)| *remote == flow.remote).map(|(_, id)| *id);
        let failed: Vec<_> = failed.filter(|id| self.txs.get(*id).is_some_and(|tx| tx.flow == flow)).collect();
        for id in failed {
            let mut effects = Effects::default();
            match self.txs.get_mut(id).map(|tx| &mut tx.kind) {
                Some(Kind::InviteClient { machine, .. }) => machine.on_send_failed(&mut effects),
                Some(Kind::Client { machine, .. }) => machine.on_send_failed(&mut effects),
                _ => {}
            }
            self.apply(id, effects, now);
        }
    }

    /// A transaction is over: tells whoever waits for it.
    fn finish(&mut self, id: TxId, outcome: Outcome, now: Instant) {
        let Some(tx) = self.remove_tx(id) else { return };
        let status = match outcome {
            Outcome::Done => None,
            Outcome::NoAck => {
                self.stats.unacknowledged += 1;
                debug!(flow = ?tx.flow, "a failure response was never acknowledged");
                None
            }
            Outcome::Timeout => {
                self.stats.timeouts += 1;
                Some(Status::REQUEST_TIMEOUT)
            }
            Outcome::TransportFailed => {
                self.stats.transport_failures += 1;
                Some(Status::SERVICE_UNAVAILABLE)
            }
        };
        let (flow, session) = (tx.flow, tx.session);
        match (tx.kind, status) {
            (Kind::InviteClient { again, .. }, Some(status)) => {
                let attempt = again.map(|again| Attempt { tx: id, flow, session, purpose: None, again });
                self.invite_refused(session, id, attempt, status, None, now);
            }
            (Kind::Client { purpose, again, .. }, Some(status)) => {
                let attempt = again.map(|again| Attempt { tx: id, flow, session, purpose: Some(purpose), again });
                self.request_ended(id, purpose, attempt, status, None, now);
            }
            _ => {}
        }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("cell", &self.config.cell)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
