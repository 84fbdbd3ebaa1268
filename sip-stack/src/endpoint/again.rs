//! Sending a request once more: with credentials after a challenge (RFC 3261 §22.2), to the next hop after a failure
//! (RFC 3263 §4.3), and over TCP because it is long (RFC 3261 §18.1.1). Our owner hears of the end only.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::debug;

use super::event::{SessionId, TxId};
use super::session::{Offer, State};
use super::table::{Deadline, Kind, Purpose};
use super::{Endpoint, Flow};
use crate::auth::{Credentials, Login};
use crate::dialog::via;
use crate::message::{Message, MessageBuilder, Method, Name, Status, Transport};
use crate::transaction::Timer;

/// How many challenges one request answers: that of a proxy and that of who is behind it, or one and a stale nonce.
const MAX_ROUNDS: u8 = 2;
/// The longest request that goes over UDP if there is another way: 200 bytes below the usual MTU (RFC 3261 §18.1.1).
const MAX_DATAGRAM: usize = 1300;
/// For how long a peer that takes no TCP gets long requests over UDP at once, and how many such peers are remembered; beyond
/// that the oldest are asked again.
const NO_TCP: Duration = Duration::from_secs(3600);
const MAX_NO_TCP: usize = 1024;

/// What a request needs to be sent again.
#[derive(Debug)]
pub(super) struct Again {
    /// The transaction by whose id our owner knows it.
    pub(super) first: Option<TxId>,
    /// As sent last.
    pub(super) request: Bytes,
    /// Of a request outside dialogs; a session keeps its own.
    pub(super) login: Option<Login>,
    /// Where it may go if it fails here, the next first.
    pub(super) alternatives: VecDeque<Flow>,
    /// Challenges answered so far.
    pub(super) rounds: u8,
    /// How often a shorter time between refreshes was refused.
    pub(super) intervals: u8,
}

impl Again {
    /// Of a request that may be challenged or has other hops; none for all others, which need no memory.
    pub(super) fn of(
        request: &Bytes,
        credentials: Option<Arc<Credentials>>,
        challenged: bool,
        alternatives: Vec<Flow>,
    ) -> Option<Box<Self>> {
        let needed = credentials.is_some() || challenged || !alternatives.is_empty();
        needed.then(|| {
            Box::new(Self {
                first: None,
                request: request.clone(),
                login: credentials.map(Login::new),
                alternatives: alternatives.into(),
                rounds: 0,
                intervals: 0,
            })
        })
    }
}

/// A request that failed, with what its transaction knew.
pub(super) struct Attempt {
    pub(super) tx: TxId,
    pub(super) flow: Flow,
    pub(super) session: Option<SessionId>,
    /// None of an INVITE.
    pub(super) purpose: Option<Purpose>,
    pub(super) again: Box<Again>,
}

/// Why a request is sent again.
enum Cause {
    Challenge,
    Hop(Flow),
    /// The session is to be refreshed less often: a time in seconds (RFC 4028 §7.3).
    Interval(u32),
}

/// Peers that take no TCP, with when that was found out.
#[derive(Debug, Default)]
pub(super) struct NoTcp(VecDeque<(SocketAddr, Instant)>);

impl NoTcp {
    fn note(&mut self, peer: SocketAddr, now: Instant) {
        self.0.retain(|(known, _)| *known != peer);
        if self.0.len() >= MAX_NO_TCP {
            self.0.pop_front();
        }
        self.0.push_back((peer, now));
    }

    fn has(&self, peer: SocketAddr, now: Instant) -> bool {
        self.0.iter().any(|(known, since)| *known == peer && now.saturating_duration_since(*since) < NO_TCP)
    }
}

impl Endpoint {
    /// Says who we are to the peer of a session, if it asks: for a call that the peer began, or one of a former process. A call of ours
    /// has its credentials from [`super::Invite`].
    pub fn set_credentials(&mut self, id: SessionId, credentials: Arc<Credentials>) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.login = Some(Box::new(Login::new(credentials)));
        }
    }

    /// Takes what a transaction knows for sending its request again.
    pub(super) fn attempt_of(&mut self, id: TxId) -> Option<Attempt> {
        let tx = self.txs.get_mut(id)?;
        let (purpose, again) = match &mut tx.kind {
            Kind::InviteClient { again, invite, .. } => {
                (None, again.take().or_else(|| Again::of(invite, None, true, Vec::new()))?)
            }
            Kind::Client { purpose, again, .. } => (Some(*purpose), again.take()?),
            Kind::InviteServer { .. } | Kind::Server { .. } | Kind::Ignored => return None,
        };
        Some(Attempt { tx: id, flow: tx.flow, session: tx.session, purpose, again })
    }

    /// A request failed: true if it is under way again. `response` is none for a timeout or a failure of the transport.
    pub(super) fn try_again(
        &mut self,
        mut attempt: Attempt,
        status: Status,
        response: Option<&Message>,
        now: Instant,
    ) -> Result<(), Box<Again>> {
        if attempt.flow.transport == Transport::Tcp
            && response.is_none()
            && attempt.again.alternatives.front().is_some_and(|flow| flow.remote == attempt.flow.remote)
        {
            self.no_tcp.note(attempt.flow.remote, now);
        }
        if !self.may_go_on(&attempt) {
            return Err(attempt.again);
        }
        let challenge = response.filter(|_| {
            matches!(status, Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED)
                && attempt.again.rounds < MAX_ROUNDS
        });
        let cause = if let Some(response) = challenge {
            let again = attempt.again.rounds > 0;
            let answered = self.login_of(&mut attempt).is_some_and(|login| login.challenged(response, again));
            answered.then_some(Cause::Challenge)
        } else if let Some(least) =
            response.filter(|_| status == Status::SESSION_INTERVAL_TOO_SMALL).and_then(Message::min_se)
        {
            (attempt.again.intervals < MAX_ROUNDS).then_some(Cause::Interval(least))
        } else if response.is_none() || status == Status::SERVICE_UNAVAILABLE {
            attempt.again.alternatives.pop_front().map(Cause::Hop)
        } else {
            None
        };
        match cause {
            Some(cause) => self.send_again(attempt, &cause, now),
            None => Err(attempt.again),
        }
    }

    /// Whether anybody still wants this request to succeed.
    fn may_go_on(&self, attempt: &Attempt) -> bool {
        let Some(id) = attempt.session else { return true };
        match (self.sessions.get(id).map(|session| &session.state), attempt.purpose) {
            (Some(State::Calling { tx, cancel: None, .. }), None) => *tx == attempt.tx,
            (Some(State::Open { offer: Offer::Ours { tx, .. } }), None) => *tx == attempt.tx,
            (Some(State::Closing), Some(purpose)) => matches!(purpose, Purpose::Bye(_)),
            (Some(_), Some(_)) => true,
            (_, None) | (None, _) => false,
        }
    }

    fn login_of<'a>(&'a mut self, attempt: &'a mut Attempt) -> Option<&'a mut Login> {
        match attempt.session {
            Some(id) => self.sessions.get_mut(id)?.login.as_deref_mut(),
            None => attempt.again.login.as_mut(),
        }
    }

    fn send_again(&mut self, mut attempt: Attempt, cause: &Cause, now: Instant) -> Result<(), Box<Again>> {
        let Ok(old) = Message::parse_datagram(attempt.again.request.clone()) else { return Err(attempt.again) };
        let (Some(method), Ok((seq, _))) = (old.method(), old.cseq()) else { return Err(attempt.again) };
        let mut change = Change::default();
        let (flow, seq) = match cause {
            Cause::Hop(flow) => {
                debug!(from = ?attempt.flow, to = ?flow, "next hop");
                self.stats.failovers += 1;
                self.move_to(attempt.session, &old, *flow, attempt.purpose.is_none(), &mut change);
                (*flow, seq)
            }
            Cause::Challenge => {
                attempt.again.rounds += 1;
                self.stats.challenges_answered += 1;
                (attempt.flow, self.number_after(attempt.session, &old, seq))
            }
            Cause::Interval(least) => {
                attempt.again.intervals += 1;
                change.drop(&[Name::SessionExpires, Name::MinSe]);
                change.add.push((Name::SessionExpires, least.to_string().into_bytes()));
                change.add.push((Name::MinSe, least.to_string().into_bytes()));
                (attempt.flow, self.number_after(attempt.session, &old, seq))
            }
        };
        if let Cause::Challenge = cause {
            let mut entropy = self.entropy.fork();
            let uri = old.request_uri().to_vec();
            let headers = self.login_of(&mut attempt).map(|login| login.headers(method.as_bytes(), &uri, &mut entropy));
            change.drop(&[Name::Authorization, Name::ProxyAuthorization]);
            change.add.extend(headers.unwrap_or_default());
        }
        let branch = self.marked_branch(super::proxy::mark_of_branch(&old));
        let Some(data) = rewritten(&old, &flow, &branch, seq, &change) else { return Err(attempt.again) };
        let Attempt { tx, session, purpose, mut again, .. } = attempt;
        again.request = data.clone();
        let key = self.hasher.client(branch.as_bytes(), &method);
        match (purpose, session) {
            (None, Some(id)) => {
                if matches!(self.sessions.get(id).map(|session| &session.state), Some(State::Calling { .. })) {
                    self.end_exchanges(id, now);
                }
                let new = self.send_invite(data, flow, &branch, id, Some(again), now);
                self.replace_tx(id, tx, new);
            }
            (purpose, _) => {
                again.first.get_or_insert(tx);
                let purpose = purpose.unwrap_or(Purpose::Errand);
                self.send_request(data, flow, key, purpose, session, Some(again), now);
            }
        }
        Ok(())
    }

    /// A call that goes on by another hop has another address of ours, perhaps, and new ways for what follows.
    fn move_to(&mut self, id: Option<SessionId>, old: &Message, flow: Flow, invite: bool, change: &mut Change) {
        let Ok(known) = old.contact() else { return };
        let user = known.uri.user_text().unwrap_or_default();
        let contact = super::uac::contact(&String::from_utf8_lossy(&user), &flow).into_bytes();
        change.drop(&[Name::Contact]);
        change.add.push((Name::Contact, contact.clone()));
        if let Some(session) = id.filter(|_| invite).and_then(|id| self.sessions.get_mut(id))
            && matches!(session.state, State::Calling { .. })
        {
            session.flow = flow;
            session.dialog.contact = contact.into();
        }
    }

    /// The number of the next try: that of its dialog, if it is in one.
    fn number_after(&mut self, id: Option<SessionId>, old: &Message, seq: u32) -> u32 {
        match id.and_then(|id| self.sessions.get_mut(id)) {
            Some(session) => session.dialog_to(&crate::dialog::tag_of(old)).next_seq(),
            None => seq.wrapping_add(1) & 0x7fff_ffff,
        }
    }

    fn replace_tx(&mut self, id: SessionId, old: TxId, new: TxId) {
        match self.sessions.get_mut(id).map(|session| &mut session.state) {
            Some(State::Open { offer: Offer::Ours { tx, .. } }) if *tx == old => *tx = new,
            Some(State::Calling { tx, early, .. }) if *tx == old => {
                *tx = new;
                early.clear();
            }
            _ => {}
        }
    }

    /// Adds to a request in a dialog the answers to challenges that the peer has made before.
    pub(super) fn authorized(&mut self, id: SessionId, data: Bytes) -> Bytes {
        let Some(login) = self.sessions.get_mut(id).and_then(|session| session.login.as_deref_mut()) else {
            return data;
        };
        let (true, Ok(message)) = (login.is_known(), Message::parse_datagram(data.clone())) else { return data };
        let Some(method) = message.method() else { return data };
        let add = login.headers(method.as_bytes(), message.request_uri(), &mut self.entropy);
        with_headers(&message, add).unwrap_or(data)
    }

    /// Sends a long request over TCP, and over UDP after all if that fails. The Contact stays: what follows need not be long.
    pub(super) fn by_size(
        &mut self,
        data: Bytes,
        flow: Flow,
        session: Option<SessionId>,
        again: Option<Box<Again>>,
        now: Instant,
    ) -> (Bytes, Flow, Option<Box<Again>>) {
        let stays = session.and_then(|id| self.sessions.get(id)).is_some_and(|session| session.by_flow);
        let long =
            !stays && flow.transport == Transport::Udp && data.len() > MAX_DATAGRAM && !self.config.tcp.is_empty();
        if !long || self.no_tcp.has(flow.remote, now) {
            return (data, flow, again);
        }
        let listeners = &self.config.tcp;
        let same = listeners.iter().find(|local| local.ip() == flow.local.ip());
        let local = same.or_else(|| listeners.iter().find(|local| local.is_ipv4() == flow.local.is_ipv4()));
        let Some(local) = local else { return (data, flow, again) };
        let tcp = Flow { transport: Transport::Tcp, local: *local, remote: flow.remote };
        let rewritten = Message::parse_datagram(data.clone()).ok().and_then(|message| {
            let branch = String::from_utf8(message.via().ok()?.branch()?.to_vec()).ok()?;
            rewritten(&message, &tcp, &branch, message.cseq().ok()?.0, &Change::default())
        });
        let Some(long) = rewritten else { return (data, flow, again) };
        let mut again = again.or_else(|| Again::of(&data, None, true, Vec::new()));
        if let Some(again) = &mut again {
            again.alternatives.push_front(flow);
        }
        (long, tcp, again)
    }

    /// Who has other hops waits less long for the first word of one.
    pub(super) fn hurry(&mut self, id: TxId, now: Instant) {
        let (again, timer) = match self.txs.get(id).map(|tx| &tx.kind) {
            Some(Kind::InviteClient { again, .. }) => (again, Timer::B),
            Some(Kind::Client { again, .. }) => (again, Timer::F),
            _ => return,
        };
        if again.as_ref().is_some_and(|again| !again.alternatives.is_empty()) {
            self.arm(Deadline::Tx(id, timer), now + self.config.hop_patience.min(self.config.t1 * 64));
        }
    }
}

/// How a request differs from the last time.
#[derive(Default)]
struct Change {
    drop: Vec<Name>,
    add: Vec<(Name, Vec<u8>)>,
}

impl Change {
    fn drop(&mut self, names: &[Name]) {
        self.drop.extend_from_slice(names);
    }
}

/// A request of ours with another way, branch and number.
fn rewritten(old: &Message, flow: &Flow, branch: &str, seq: u32, change: &Change) -> Option<Bytes> {
    let method = old.method()?;
    let mut out = MessageBuilder::request(&method, &old.uri().ok()?);
    out.header(Name::Via, via(flow, branch));
    copy_but(old, &mut out, &method, seq, &change.drop);
    for (name, value) in &change.add {
        out.header(*name, value);
    }
    Some(finish(old, out))
}

/// The same request with more headers.
fn with_headers(old: &Message, add: Vec<(Name, Vec<u8>)>) -> Option<Bytes> {
    let method = old.method()?;
    let mut out = MessageBuilder::request(&method, &old.uri().ok()?);
    out.copy(old, Name::Via);
    copy_but(old, &mut out, &method, old.cseq().ok()?.0, &[]);
    for (name, value) in add {
        out.header(name, value);
    }
    Some(finish(old, out))
}

fn copy_but(old: &Message, out: &mut MessageBuilder, method: &Method, seq: u32, drop: &[Name]) {
    for (name, spelling, value) in old.lines() {
        match name {
            Name::Via | Name::ContentLength | Name::ContentType => {}
            Name::CSeq => {
                out.cseq(seq, method);
            }
            name if drop.contains(&name) => {}
            _ => {
                out.named(spelling, value);
            }
        }
    }
}

/// Ends a message with the body of another.
pub(super) fn finish(old: &Message, out: MessageBuilder) -> Bytes {
    let content_type = old.header(Name::ContentType).map(String::from_utf8_lossy).unwrap_or_default();
    out.finish_with_body(&content_type, old.body())
}
