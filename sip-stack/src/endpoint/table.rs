//! Transactions and how messages find them.

use bytes::Bytes;
use smallvec::SmallVec;

use super::again::Again;
use super::event::{SessionId, TxId};
use super::flow::Flow;
use super::proxy::ForkId;
use super::subscription::SubscriptionId;
use crate::dialog::Dialog;
use crate::message::{Message, Method, Name, Via};
use crate::transaction::{Class, Client, InviteClient, InviteServer, Server, Timer};

/// Hashes what identifies a transaction or dialog into a table key. The key is secret, so a stranger cannot make two collide,
/// and 128 bits do not collide by chance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hasher {
    pub(super) key: (u64, u64),
}

impl Hasher {
    pub(super) fn hash(&self, parts: &[&[u8]]) -> u128 {
        use siphasher::sip128::{Hasher128, SipHasher13};
        use std::hash::Hasher as _;
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        hasher.finish128().as_u128()
    }

    /// The server transaction that a request belongs to (RFC 3261 §17.2.3). An ACK or CANCEL is asked about as an INVITE.
    ///
    /// Pages have no address to be told apart by (RFC 7118 §5): of two that make up the same, or use a branch again, Call-ID and number tell, which
    /// follow from the branch where that is unique, as it has to be.
    pub(super) fn server(&self, request: &Message, via: &Via, method: &Method) -> u128 {
        if let Some(branch) = via.transaction_branch() {
            let host = via.host_bytes().to_ascii_lowercase();
            let port = via.port().map(u16::to_be_bytes).unwrap_or_default();
            if host.ends_with(b".invalid") {
                let call_id = request.call_id().unwrap_or_default();
                let seq = request.cseq().map_or(0, |(seq, _)| seq).to_be_bytes();
                return self.hash(&[b"page", branch, &host, &port, method.as_bytes(), call_id, &seq]);
            }
            return self.hash(&[b"server", branch, &host, &port, method.as_bytes()]);
        }
        // RFC 2543: no unique branch. The To tag is left out, for an ACK has one where its INVITE had none.
        let from = request.from().ok();
        let from_tag = from.as_ref().and_then(|from| from.tag()).unwrap_or_default();
        let seq = request.cseq().map_or(0, |(seq, _)| seq).to_be_bytes();
        let top = request.values(Name::Via).next().unwrap_or_default();
        let call_id = request.call_id().unwrap_or_default();
        self.hash(&[b"2543", request.request_uri(), from_tag, call_id, &seq, top, method.as_bytes()])
    }

    /// The client transaction that a response belongs to (§17.1.3).
    pub(super) fn client(&self, branch: &[u8], method: &Method) -> u128 {
        self.hash(&[b"client", branch, method.as_bytes()])
    }

    /// What two copies of one request that came by different ways have in common (§8.2.2.2).
    pub(super) fn merged(&self, request: &Message) -> u128 {
        let from = request.from().ok();
        let from_tag = from.as_ref().and_then(|from| from.tag()).unwrap_or_default();
        let cseq = request.header(Name::CSeq).unwrap_or_default();
        self.hash(&[b"merged", request.call_id().unwrap_or_default(), from_tag, cseq])
    }

    /// A dialog by our half of its identity; the peer's is compared afterwards.
    pub(super) fn dialog(&self, call_id: &[u8], local_tag: &[u8]) -> u128 {
        self.hash(&[b"dialog", call_id, local_tag])
    }
}

/// A transaction with what its machine does not need to know.
#[derive(Debug)]
pub(super) struct Tx {
    pub(super) kind: Kind,
    pub(super) flow: Flow,
    /// Its key in the table.
    pub(super) key: u128,
    /// The session whose ladder its messages belong to; it may be gone already.
    pub(super) session: Option<SessionId>,
    /// Which of its deadlines are set, a bit each ([`Deadline::bit`]): most never are, and looking for them costs more than all else.
    pub(super) armed: u16,
}

#[derive(Debug)]
pub(super) enum Kind {
    InviteServer {
        machine: InviteServer,
        merged: Option<u128>,
        /// Until the final response.
        open: Option<Box<Open>>,
    },
    Server {
        machine: Server,
        merged: Option<u128>,
        /// Until the final response.
        open: Option<Box<Open>>,
    },
    /// A request that nobody wants to answer: its repetitions are swallowed.
    Ignored,
    InviteClient {
        machine: InviteClient,
        /// As sent: for CANCEL, and for the ACK of whatever comes.
        invite: Bytes,
        /// A re-INVITE.
        inside: bool,
        /// The dialogs that 2xx have made, each with its ACK.
        forks: SmallVec<[Fork; 1]>,
        /// Early dialogs of forks that rang when another one answered: they may answer too.
        others: Vec<Dialog>,
        again: Option<Box<Again>>,
    },
    Client {
        machine: Client,
        purpose: Purpose,
        again: Option<Box<Again>>,
    },
}

/// What a server transaction needs to make its responses.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) request: Message,
    /// Our To tag.
    pub(super) tag: String,
    /// A final response that waits for its time.
    pub(super) held: Option<(Class, Bytes)>,
}

/// One dialog that our INVITE made.
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) tag: Vec<u8>,
    /// None while our owner has not answered the offer in the 2xx.
    pub(super) ack: Option<Bytes>,
    pub(super) flow: Flow,
}

/// Why we sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To end a session; it is gone when this is answered.
    Bye(SessionId),
    /// For the INVITE's sake, or a second fork's: its answer does not matter.
    Errand,
    /// An UPDATE with an offer of our owner.
    Offer(SessionId),
    /// An UPDATE that keeps a session alive.
    Refresh(SessionId),
    /// A notice of a subscription.
    Notify(SubscriptionId),
    /// Somebody else's, passed on.
    Branch(ForkId),
    /// Our owner wants the answer.
    Asked,
}

impl Tx {
    pub(super) fn is_client(&self) -> bool {
        matches!(self.kind, Kind::InviteClient { .. } | Kind::Client { .. })
    }

    /// True for somebody else's request that was passed on.
    pub(super) fn is_branch(&self) -> bool {
        matches!(self.kind, Kind::Client { purpose: Purpose::Branch(_), .. })
    }

    pub(super) fn merged(&self) -> Option<u128> {
        match self.kind {
            Kind::InviteServer { merged, .. } | Kind::Server { merged, .. } => merged,
            Kind::Ignored | Kind::InviteClient { .. } | Kind::Client { .. } => None,
        }
    }
}

/// Deadlines of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deadline {
    /// A timer of a transaction's machine.
    Tx(TxId, Timer),
    /// A response that was to wait may go.
    Held(TxId),
    /// A request that was never answered is forgotten.
    Forget(TxId),
    /// A timer of a session.
    Session(SessionId, SessionTimer),
    /// A subscription's time is over.
    Subscription(SubscriptionId),
    /// Whoever sent what we passed on must have an answer now.
    Fork(ForkId),
}

impl Deadline {
    /// The transaction it belongs to, and its bit there.
    pub(super) fn bit(self) -> Option<(TxId, u16)> {
        match self {
            Self::Tx(id, timer) => Some((id, 1 << timer as u16)),
            Self::Held(id) => Some((id, 1 << 14)),
            Self::Forget(id) => Some((id, 1 << 15)),
            Self::Session(..) | Self::Subscription(_) | Self::Fork(_) => None,
        }
    }

    /// The deadlines of a transaction that these bits say are set.
    pub(super) fn of(id: TxId, armed: u16) -> impl Iterator<Item = Self> {
        let all =
            Timer::ALL.into_iter().map(move |timer| Self::Tx(id, timer)).chain([Self::Held(id), Self::Forget(id)]);
        all.filter(move |deadline| deadline.bit().is_some_and(|(_, bit)| armed & bit != 0))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SessionTimer {
    /// Our 2xx goes out again (RFC 3261 §13.3.1.4), or our reliable provisional response (RFC 3262 §3).
    Resend,
    /// Nobody acknowledged our 2xx or reliable provisional response, or answered the INVITE that we cancelled (§9.1); or our owner
    /// never answered the offer in a 2xx.
    Patience,
    /// A provisional response goes out again, lest a proxy give up (§13.3.1.1).
    Ringing,
    /// Timer C: our INVITE was not answered although somebody works on it (§16.6).
    Answer,
    /// An offer is made again after a glare (§14.1).
    Retry,
    /// It is our turn to keep the session alive (RFC 4028 §7.4).
    Refresh,
    /// Nobody kept the session alive (RFC 4028 §10).
    Expire,
}

impl SessionTimer {
    pub(super) const ALL: [Self; 7] =
        [Self::Resend, Self::Patience, Self::Ringing, Self::Answer, Self::Retry, Self::Refresh, Self::Expire];

    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}
