//! What a desk hears and says.

use crate::agent::{AgentState, Duty};
use model::CallId;
pub use model::{LeaveReason as Reason, LeftHow as How, OfferFailure as Failure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One agent asked to take one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OfferId(pub u64);

/// How a caller wants to be served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Who it is; what [`crate::QueueSettings::sticky`] knows it by. Empty if nobody knows.
    pub number: String,
    /// A higher one is served first.
    pub priority: u8,
    /// What the agent must know, besides what the queue wants.
    pub needs: BTreeMap<String, u8>,
    /// It has hung up and is called back in its turn.
    pub callback: bool,
}

/// What a desk is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A caller comes to a queue. Answered by [`Event::Entered`] or [`Output::Leave`].
    Enter {
        /// Who.
        caller: CallId,
        /// Where.
        queue: String,
        /// How.
        wish: Wish,
    },
    /// A caller is gone: hung up, taken elsewhere, or it pressed the key that leaves.
    Gone {
        /// Who.
        caller: CallId,
        /// By its own key or by a command, rather than by hanging up.
        on_purpose: bool,
    },
    /// A caller hangs up and keeps its place: it is to be called back.
    CallBack {
        /// Who.
        caller: CallId,
    },
    /// An agent comes to work, at a phone.
    LogIn {
        /// Who.
        agent: String,
        /// Where.
        extension: String,
        /// In these of its queues only; empty: in all.
        queues: Vec<String>,
        /// What it does first.
        duty: Duty,
    },
    /// An agent goes home; in a call, after the call.
    LogOut {
        /// Who.
        agent: String,
    },
    /// An agent is ready or away; in a call, after the call.
    Set {
        /// Who.
        agent: String,
        /// What.
        duty: Duty,
    },
    /// Whether an extension can be called, and whether it is in a call that no queue gave it.
    Phone {
        /// Which.
        extension: String,
        /// It is registered.
        reachable: bool,
        /// It is in a call of its own.
        occupied: bool,
    },
    /// An agent took the offered caller.
    Answered {
        /// Which offer.
        offer: OfferId,
    },
    /// An offer came to nothing.
    Failed {
        /// Which.
        offer: OfferId,
        /// Why.
        why: Failure,
    },
    /// What an agent and its caller had to say is said.
    Ended {
        /// Who took the call.
        agent: String,
    },
}

/// Why an agent's wish was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No such agent.
    NoSuchAgent,
    /// It is not logged in.
    NotLoggedIn,
    /// Another agent sits at that phone.
    PhoneTaken,
    /// It serves none of these queues.
    NoSuchQueue,
}

/// What a desk wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Call this agent for this caller. Comes to an end by [`Input::Answered`], [`Input::Failed`] or [`Output::Withdraw`].
    Offer {
        /// Its number.
        offer: OfferId,
        /// Who waits.
        caller: CallId,
        /// Of which queue.
        queue: String,
        /// Who is asked.
        agent: String,
        /// Where it sits.
        extension: String,
        /// For how long it rings at most; the desk withdraws it then.
        ring: Duration,
        /// The caller has hung up and must be called as well.
        callback: bool,
    },
    /// This offer is off: hang up, even if it was just answered.
    Withdraw {
        /// Which.
        offer: OfferId,
    },
    /// Tell a caller its place.
    Announce {
        /// Whom.
        caller: CallId,
        /// The first is 1.
        position: usize,
        /// How long it will probably wait, if that is known.
        wait: Option<Duration>,
    },
    /// A caller is to go elsewhere: it is no longer waited for.
    Leave {
        /// Who.
        caller: CallId,
        /// From where.
        queue: String,
        /// Why.
        why: Reason,
    },
    /// An agent's wish was not granted.
    Refused {
        /// Whose.
        agent: String,
        /// Why.
        why: Refusal,
    },
    /// What happened, for those who watch.
    Event(Event),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A caller waits.
    Entered {
        /// Who.
        caller: CallId,
        /// Where.
        queue: String,
        /// At which place; the first is 1.
        position: usize,
    },
    /// A caller waits no longer.
    Left {
        /// Who.
        caller: CallId,
        /// Where it waited.
        queue: String,
        /// How long.
        waited: Duration,
        /// How it came.
        how: How,
    },
    /// An offer came to nothing.
    Missed {
        /// For whom.
        caller: CallId,
        /// Of which queue.
        queue: String,
        /// Who was asked.
        agent: String,
        /// Why; `None`: it was withdrawn.
        why: Option<Failure>,
    },
    /// An agent's state.
    Agent {
        /// Whose.
        agent: String,
        /// Where it sits; empty when logged out.
        extension: String,
        /// Which.
        state: AgentState,
        /// What it will be after the present call, if that is another duty than ready.
        next: Option<Duty>,
    },
}
