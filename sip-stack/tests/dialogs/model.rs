//! What RFC 3261 and its kin allow an endpoint to say, to its owner and to the network. Small enough to be believed.

#![allow(clippy::type_complexity, clippy::needless_pass_by_value)] // a model is read once, from the top

use bytes::Bytes;
use patchbay_sip_stack::endpoint::{Event, RequestId, SessionId};
use patchbay_sip_stack::message::{Message, Method, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How far a session is, as its owner knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// The peer called.
    Incoming,
    /// We call.
    Calling,
    /// It is answered.
    Open,
}

/// What is known of one side.
#[derive(Default)]
pub(crate) struct Side {
    pub(crate) sessions: BTreeMap<SessionId, Life>,
    /// How many answers to offers of its own it may be told of.
    asked: BTreeMap<SessionId, usize>,
    pub(crate) requests: BTreeSet<RequestId>,
    /// Branches of requests that reached it.
    received: BTreeSet<Vec<u8>>,
    /// Its requests by branch and method, as first sent.
    sent: BTreeMap<(Vec<u8>, Method), Bytes>,
    /// The last number in each dialog (Call-ID, its tag, the peer's), and whether that was a BYE.
    numbers: BTreeMap<[Vec<u8>; 3], (u32, bool)>,
    /// Its INVITEs by Call-ID and number: their branches.
    invites: BTreeMap<(Vec<u8>, u32), Vec<Vec<u8>>>,
    /// Branches of its INVITEs with a final response that reached it.
    answered: BTreeSet<Vec<u8>>,
    /// Reliable provisional responses that reached it: Call-ID, To tag, RSeq; and the branch of the PRACK.
    rang: BTreeMap<(Vec<u8>, Vec<u8>, u32), Option<Vec<u8>>>,
    /// Its final responses to INVITEs, by branch.
    finals: BTreeMap<Vec<u8>, (u16, Instant)>,
    /// Its reliable provisional responses: branch, Call-ID, RSeq, and whether a PRACK for it reached it.
    reliable: Vec<(Vec<u8>, Vec<u8>, u32, bool)>,
}

impl Side {
    /// Our owner calls.
    pub(crate) fn calls(&mut self, session: SessionId) {
        assert_eq!(self.sessions.insert(session, Life::Calling), None, "a session is named twice");
    }

    /// Our owner offers something.
    pub(crate) fn offers(&mut self, session: SessionId) {
        *self.asked.entry(session).or_default() += 1;
    }

    /// Our owner leaves: nothing more may be told of it.
    pub(crate) fn leaves(&mut self, session: SessionId) {
        self.sessions.remove(&session);
        self.asked.remove(&session);
    }

    /// The network goes silent and everything is over: the next calls begin on clean paper.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn told(&mut self, event: &Event) {
        match event {
            Event::Incoming { session, .. } => {
                assert_eq!(self.sessions.insert(*session, Life::Incoming), None, "a session is named twice");
            }
            Event::Provisional { session, status, .. } => {
                assert_eq!(self.life(*session), Life::Calling);
                assert!((101..200).contains(&status.code()));
            }
            Event::Accepted { session, message } => {
                assert_eq!(self.life(*session), Life::Calling, "answered twice");
                assert!(message.status().unwrap().is_success());
                self.sessions.insert(*session, Life::Open);
            }
            Event::Rejected { session, status, .. } => {
                assert_eq!(self.life(*session), Life::Calling, "refused after the answer");
                assert!(status.is_failure());
                self.leaves(*session);
            }
            Event::Confirmed { session, message } => match message.method() {
                Some(Method::Ack) => assert_ne!(self.life(*session), Life::Calling),
                // The answer may have waited for it.
                Some(Method::Prack) => assert_ne!(self.life(*session), Life::Calling),
                other => panic!("{other:?} confirms nothing"),
            },
            Event::Reoffered { session, request } => {
                let life = self.life(*session);
                match request.method() {
                    Some(Method::Invite) => assert_eq!(life, Life::Open, "a re-INVITE before the answer"),
                    Some(Method::Prack) => assert_ne!(life, Life::Calling),
                    Some(Method::Update) => assert!(!request.body().is_empty()),
                    other => panic!("{other:?} offers nothing"),
                }
            }
            Event::Reanswered { session, status, .. } => {
                self.life(*session);
                assert!(status.is_final());
                let asked = self.asked.get_mut(session).expect("nobody offered anything");
                *asked = asked.checked_sub(1).expect("an answer without an offer");
            }
            Event::Ended { session, .. } => {
                self.life(*session);
                self.leaves(*session);
            }
            Event::Request { session, request, .. } => {
                if let Some(session) = session {
                    self.life(*session);
                }
                let method = request.method().unwrap();
                assert!(!matches!(method, Method::Invite | Method::Ack | Method::Bye | Method::Cancel | Method::Prack));
            }
            Event::Subscription { .. } => panic!("nobody was granted a subscription"),
            Event::Responded { id, .. } => assert!(self.requests.remove(id), "an answer to nothing, or a second one"),
        }
    }

    #[track_caller]
    fn life(&self, session: SessionId) -> Life {
        *self.sessions.get(&session).expect("something is told of a session that is gone")
    }

    /// Our owner answers the call; the 2xx may wait for a PRACK.
    pub(crate) fn accepts(&mut self, session: SessionId) {
        if let Some(life @ Life::Incoming) = self.sessions.get_mut(&session) {
            *life = Life::Open;
        }
    }

    /// A message reaches this side.
    pub(crate) fn hears(&mut self, message: &Message) {
        let Some(branch) = branch(message) else { return };
        let (Ok(call_id), Ok((_, method))) = (message.call_id(), message.cseq()) else { return };
        let call_id = call_id.to_vec();
        if message.is_request() {
            self.received.insert(branch);
            if let Ok(rack) = message.rack() {
                for known in &mut self.reliable {
                    known.3 |= known.1 == call_id && known.2 == rack.rseq;
                }
            }
            return;
        }
        if method != Method::Invite {
            return;
        }
        match message.rseq() {
            _ if message.status().is_some_and(|status| status.is_final()) => {
                self.answered.insert(branch);
            }
            Ok(Some(rseq)) => {
                self.rang.entry((call_id, tag(message, Name::To), rseq)).or_default();
            }
            _ => {}
        }
    }

    /// This side says something.
    pub(crate) fn says(&mut self, message: &Message, now: Instant) {
        let branch = branch(message).expect("a branch in all that we send");
        let (seq, method) = message.cseq().unwrap();
        if message.is_request() {
            self.requests_rightly(message, branch, seq, method);
        } else {
            self.responds_rightly(message, branch, &method, now);
        }
    }

    fn requests_rightly(&mut self, message: &Message, branch: Vec<u8>, seq: u32, method: Method) {
        if let Some(known) = self.sent.get(&(branch.clone(), method.clone())) {
            assert_eq!(known, message.as_bytes(), "a repetition is the same bytes");
            return;
        }
        self.sent.insert((branch.clone(), method.clone()), message.as_bytes().clone());
        let call_id = message.call_id().unwrap().to_vec();
        let (ours, theirs) = (tag(message, Name::From), tag(message, Name::To));
        match method {
            Method::Ack => {
                let invites = self.invites.get(&(call_id, seq)).map(Vec::as_slice).unwrap_or_default();
                return assert!(invites.iter().any(|invite| self.answered.contains(invite)), "an ACK of nothing");
            }
            Method::Invite => self.invites.entry((call_id.clone(), seq)).or_default().push(branch),
            Method::Cancel => {
                let invite = self.sent.get(&(branch, Method::Invite)).expect("a CANCEL of nothing");
                assert_eq!(Message::parse_datagram(invite.clone()).unwrap().cseq().unwrap().0, seq);
                return;
            }
            Method::Prack => {
                let rack = message.rack().unwrap();
                let rang =
                    self.rang.get_mut(&(call_id.clone(), theirs.clone(), rack.rseq)).expect("a PRACK of nothing");
                assert_eq!(*rang, None, "a second PRACK of one response");
                *rang = Some(branch);
            }
            _ => {}
        }
        let dialog = [call_id, ours, theirs];
        let in_dialog = !dialog[2].is_empty();
        let before = self.numbers.insert(dialog, (seq, method == Method::Bye));
        if let Some((last, ended)) = before {
            // To the next hop a request goes under its old number.
            assert!(if in_dialog { seq > last } else { seq >= last }, "numbers only grow: {last}, then {seq} {method}");
            assert!(!ended || method == Method::Bye, "{method} after BYE");
        }
    }

    fn responds_rightly(&mut self, message: &Message, branch: Vec<u8>, method: &Method, now: Instant) {
        assert!(self.received.contains(&branch), "a response to nothing");
        if *method != Method::Invite {
            return;
        }
        let status = message.status().unwrap();
        let before = self.finals.get(&branch).copied();
        if status.code() == 100 {
            // Long after its end a transaction is forgotten, and may be begun again; so is one that was only refused.
            self.finals.remove(&branch);
            self.reliable.retain(|(other, ..)| *other != branch);
            return;
        }
        if status.is_provisional() {
            assert_eq!(
                before.map(|(status, _)| status).filter(|status| *status < 300),
                None,
                "ringing after the answer"
            );
            if let Ok(Some(rseq)) = message.rseq() {
                let known = |(other, _, number, _): &(Vec<u8>, Vec<u8>, u32, bool)| *other == branch && *number == rseq;
                if !self.reliable.iter().any(known) {
                    let open = self.reliable.iter().any(|(other, .., heard)| *other == branch && !heard);
                    assert!(!open, "two reliable responses at one time");
                    self.reliable.push((branch, message.call_id().unwrap().to_vec(), rseq, false));
                }
            }
            return;
        }
        if status.is_success() {
            let open = self.reliable.iter().any(|(other, .., heard)| *other == branch && !heard);
            assert!(!open, "a 2xx before the PRACK");
        }
        if let Some((last, since)) = before.filter(|(_, since)| now.duration_since(*since) < Duration::from_secs(5))
            && (last < 300 || status.is_success())
        {
            assert_eq!(last, status.code(), "another final response, {:?} later", now.duration_since(since));
        }
        self.finals.entry(branch).or_insert((status.code(), now));
    }
}

fn branch(message: &Message) -> Option<Vec<u8>> {
    Some(message.via().ok()?.branch()?.to_vec())
}

fn tag(message: &Message, name: Name) -> Vec<u8> {
    let addr = if name == Name::To { message.to() } else { message.from() };
    addr.ok().and_then(|addr| addr.tag().map(<[u8]>::to_vec)).unwrap_or_default()
}
