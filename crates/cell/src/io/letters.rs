//! What workers say to each other. The same road will lead between machines.

use crate::addressee::Phone;
use crate::messages::Stored;
use crate::trunks::TrunkWay;
use bytes::Bytes;
use call::Party;
use model::{CallId, Cause, LeaveReason, LegId, LegNo, LegState, OfferFailure, Outcome, Price};
use sip_stack::endpoint::Flow;
use sip_stack::message::DialogId;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use stdx::UnixMillis;
/// A message between workers.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Who sends it.
    pub from: u16,
    /// Who shall have it.
    pub to: u16,
    /// What it says.
    pub body: Body,
}

impl Envelope {
    /// True if a full inbox may drop it: the network repeats what matters. Others wait at the sender until there is room.
    pub fn may_drop(&self) -> bool {
        matches!(self.body, Body::Datagram { .. } | Body::Cancel { .. } | Body::SendFailed { .. })
    }
}

/// What workers say to each other.
#[derive(Clone, Debug)]
pub enum Body {
    /// A datagram that belongs to you.
    Datagram {
        /// Where it came from.
        flow: Flow,
        /// As it came.
        data: Bytes,
    },
    /// Of this Call-ID (its hash, which falls to you) an INVITE came to me, because it names a dialog of mine.
    InviteIsAt {
        /// The hash.
        call_id: u64,
        /// My number.
        cell: u16,
    },
    /// The CANCEL of such an INVITE that came to you.
    Cancel {
        /// Where it came from.
        flow: Flow,
        /// As it came.
        data: Bytes,
    },
    /// What one of us sent could not be delivered. The kernel tells it to any of the sockets that share an address.
    SendFailed {
        /// Where to.
        flow: Flow,
    },
    /// A stream is gone: what the edge of the shell tells every worker, in order with the messages that came by it.
    StreamClosed {
        /// Which.
        flow: Flow,
    },
    /// You are the home of this extension: where is it, and may it be called? The call counts against its limit from now on.
    Locate {
        /// For this call.
        call: CallId,
        /// The extension.
        number: String,
    },
    /// The answer to `Locate`.
    Located {
        /// For this call.
        call: CallId,
        /// The extension.
        number: String,
        /// Where it is, best first, or why it cannot be called.
        found: Result<Vec<Contact>, Outcome>,
    },
    /// A source is banned, everywhere.
    Banned(sip_stack::auth::Ban),
    /// Somebody has proved by a flow from here who it is.
    Vouched {
        /// Its address.
        remote: SocketAddr,
        /// Until then.
        until: std::time::Instant,
        /// By registering: it is a phone, although a trunk may be at the same address.
        phone: bool,
    },
    /// An extension of yours has placed this call.
    Occupy {
        /// The call.
        call: CallId,
        /// The extension.
        number: String,
    },
    /// Is there money for a call of this price? Whose it is, is an extension of yours or (`None`) the whole switch.
    MaySpend {
        /// For this call.
        call: CallId,
        /// Who pays.
        whose: Option<String>,
        /// What it costs.
        price: Price,
    },
    /// The answer to `MaySpend`.
    Room {
        /// For this call.
        call: CallId,
        /// There is.
        room: bool,
    },
    /// A call that somebody pays for was answered.
    Spend {
        /// The leg that costs.
        leg: LegId,
        /// Who pays.
        whose: Option<String>,
        /// What it costs.
        price: Price,
        /// Since when.
        at: UnixMillis,
    },
    /// A call that somebody pays for is over.
    Spent {
        /// The leg that cost.
        leg: LegId,
        /// Who pays.
        whose: Option<String>,
        /// Until when.
        at: UnixMillis,
    },
    /// A call of yours has to end, for there is no money left for it.
    StopSpending {
        /// The leg that costs.
        leg: LegId,
    },
    /// You own this dialog: its phone sends the party of my call into yours, in its place.
    JoinCall(Box<JoinRequest>),
    /// The answer to `JoinCall`: your call, whom it brings, and a session description; `None` if there is no such dialog.
    CallJoined {
        /// Of `JoinCall`.
        call: CallId,
        /// What came of it.
        result: Option<Box<(CallId, Party, Bytes)>>,
    },
    /// You own this dialog: its phone sends the party of my call to the one it speaks with in yours, and both are the same trunk's.
    FindFarEnd(Box<FarEndQuery>),
    /// The answer to `FindFarEnd`; `None`: that is nothing for the trunk.
    FarEndFound {
        /// Of `FindFarEnd`.
        call: CallId,
        /// The party that was found.
        end: Option<Box<FarEnd>>,
    },
    /// What became of a party that `FarEndFound` named.
    PutTogether {
        /// Your call.
        call: CallId,
        /// Mine.
        with: CallId,
        /// The trunk took both parties. False: it did not, and all is as it was.
        done: bool,
    },
    /// A call that was joined with yours has parted from it.
    LinkEnded {
        /// Your call.
        call: CallId,
        /// Mine.
        from: CallId,
        /// Why.
        cause: Cause,
    },
    /// You are the home of this trunk: may a leg of this call go out by it, and how? It counts from now on.
    Reserve {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegNo,
        /// The trunk.
        trunk: String,
        /// An emergency call: no limit stops it.
        urgent: bool,
    },
    /// The answer to `Reserve`.
    Reserved {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegNo,
        /// The trunk.
        trunk: String,
        /// How it goes out, or why it does not.
        way: Result<Box<TrunkWay>, Outcome>,
    },
    /// A leg, or a call that came in by this trunk of yours, is over.
    Release {
        /// The call.
        call: CallId,
        /// The trunk.
        trunk: String,
    },
    /// A call came in by this trunk of yours. If the trunk has a limit, `TrunkRoom` follows.
    OccupyTrunk {
        /// The call.
        call: CallId,
        /// The trunk.
        trunk: String,
        /// An emergency call: no limit stops it.
        urgent: bool,
    },
    /// The answer to `OccupyTrunk`.
    TrunkRoom {
        /// The call.
        call: CallId,
        /// False: the trunk is full, and the call is not counted.
        room: bool,
    },
    /// What a call learned of the servers of this trunk of yours.
    Tried {
        /// The trunk.
        trunk: String,
        /// These did not take the call.
        dead: Vec<Flow>,
        /// This one did.
        alive: Option<Flow>,
    },
    /// From the home of a trunk to everybody: it may call us from these addresses, for that is where its name leads.
    TrunkSources {
        /// The trunk.
        trunk: String,
        /// All of them; those told earlier count no more.
        addresses: Vec<IpAddr>,
    },
    /// You remember this signature of a caller's number: is it used for the first time, or again for the same call?
    Signed {
        /// For this call.
        call: CallId,
        /// Which signature.
        mark: u128,
        /// The SIP Call-ID that it came with.
        call_id: String,
    },
    /// The answer to `Signed`.
    SignatureNew {
        /// For this call.
        call: CallId,
        /// It is.
        new: bool,
    },
    /// This call no longer counts against the extension's limit.
    Vacate {
        /// The call.
        call: CallId,
        /// The extension.
        number: String,
    },
    /// You own this call: a phone of an extension in it has registered by a way that is new.
    PhoneCame {
        /// The call.
        call: CallId,
        /// The extension.
        number: String,
        /// The phone.
        contact: Box<Contact>,
    },
    /// Whoever speaks by this stream has shown a token of this extension's user, and needs no password for it until the
    /// stream closes. From the shell, to every cell, before the stream's first message.
    TokenShown {
        /// The stream.
        flow: Flow,
        /// The extension.
        extension: String,
    },
    /// You own this call: an extension of mine that is in it is watched. Tell me what its legs do, now and whenever it changes.
    Watch {
        /// The call.
        call: CallId,
        /// The extension.
        number: String,
    },
    /// You are the home of this message's receiver, or of the gateway that it goes by: it is yours from now on.
    Message {
        /// In whose queue.
        number: String,
        /// What there is of it.
        message: Box<Stored>,
    },
    /// You are the home of this trunk: send this message out by it.
    TextOut {
        /// The trunk.
        trunk: String,
        /// The called number and the sender's as the trunk wants them.
        numbers: (String, String),
        /// What there is of it.
        message: Box<Stored>,
    },
    /// What became of a message whose sender waits in your cell.
    MessageFate {
        /// The sender's number there.
        ticket: u64,
        /// The SIP status that it is to hear.
        status: u16,
    },
    /// A leg of an extension of yours that is watched.
    LegState(Box<LegView>),
    /// You are the home of this extension: where are its phones, for a request that is passed on to them?
    FindPhones {
        /// Under which number the request waits in my cell.
        ticket: u64,
        /// The extension.
        number: String,
        /// The one that is meant, if not all.
        phone: Option<Phone>,
    },
    /// The answer to `FindPhones`.
    Phones {
        /// Of `FindPhones`.
        ticket: u64,
        /// Best first; empty if there is none.
        found: Vec<Contact>,
    },
    /// You have the desk, and this is news for it.
    ToDesk(ToDesk),
    /// The desk has decided something about a call of yours.
    FromDesk(FromDesk),
    /// You are the home of this extension, where an agent sits: tell the desk how its phone is, now and whenever that changes.
    WatchPhone {
        /// The extension.
        extension: String,
        /// False: no longer.
        on: bool,
    },
}

/// What a desk is told.
#[derive(Clone, Debug)]
pub enum ToDesk {
    /// A caller is in a queue.
    Enter {
        /// Which call.
        call: CallId,
        /// Which queue.
        queue: String,
        /// Who it is, and what it wants.
        wish: acd::Wish,
    },
    /// A call of the former process waits in a queue still: it keeps its place, if the desk knows of it.
    Stays {
        /// Which call.
        call: CallId,
        /// Which queue.
        queue: String,
        /// Who it is, and what it wants.
        wish: acd::Wish,
    },
    /// A caller waits no longer.
    Gone {
        /// Which call.
        call: CallId,
        /// By its own key or by a command, rather than by hanging up.
        on_purpose: bool,
    },
    /// A caller hangs up and keeps its place: it is to be called back.
    CallBack {
        /// Which call.
        call: CallId,
    },
    /// An agent took the offered caller.
    Answered {
        /// Which offer.
        offer: u64,
    },
    /// An offer came to nothing.
    Failed {
        /// Which.
        offer: u64,
        /// Why.
        why: OfferFailure,
    },
    /// What an agent and its caller had to say is said.
    Ended {
        /// Who took the call.
        agent: String,
    },
    /// A phone has dialled that its agent comes to work, or goes home. Answered by [`FromDesk::Obeyed`].
    Dialled {
        /// By this call.
        call: CallId,
        /// From this extension.
        extension: String,
        /// It comes.
        comes: bool,
    },
    /// How the phone is of an extension at which an agent sits.
    Phone {
        /// Which.
        extension: String,
        /// It is registered.
        reachable: bool,
        /// It is in a call.
        occupied: bool,
    },
}

/// What a desk decides about a caller.
#[derive(Clone, Debug)]
pub enum FromDesk {
    /// Call this agent for this caller.
    Offer {
        /// Which call.
        call: CallId,
        /// Under this number.
        offer: u64,
        /// Of which queue.
        queue: String,
        /// Who is asked.
        agent: String,
        /// Where it sits.
        extension: String,
        /// The desk withdraws it after this time.
        ring: Duration,
    },
    /// You are the home of this agent's extension: call it, and then the number of one who keeps its place.
    CallBack {
        /// Under this number.
        offer: u64,
        /// Who is asked.
        agent: String,
        /// Where it sits.
        extension: String,
        /// Who is called back.
        number: String,
        /// Of which queue.
        queue: String,
        /// How long the agent's phone rings.
        ring: Duration,
    },
    /// The call that `CallBack` began is off.
    WithdrawCallBack {
        /// Which offer.
        offer: u64,
    },
    /// This offer is off, even if it was just answered.
    Withdraw {
        /// Which call.
        call: CallId,
        /// Which offer.
        offer: u64,
    },
    /// What a phone dialled is done, or cannot be done.
    Obeyed {
        /// By this call.
        call: CallId,
        /// It is done.
        done: bool,
    },
    /// Tell a caller its place.
    Announce {
        /// Which call.
        call: CallId,
        /// The first is 1.
        position: usize,
        /// How long it will probably wait, if that is known.
        wait: Option<Duration>,
    },
    /// A caller is to go elsewhere: the desk no longer knows it.
    Leave {
        /// Which call.
        call: CallId,
        /// Why.
        why: LeaveReason,
    },
}

/// A leg, as those are told of it who watch its extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegView {
    /// In which call.
    pub call: CallId,
    /// Which.
    pub leg: LegNo,
    /// Whose: the extension.
    pub number: String,
    /// What it is doing.
    pub state: LegState,
    /// How it ended, once it has.
    pub over: Option<Outcome>,
    /// The extension called, rather than was called.
    pub initiator: bool,
    /// Call-ID of its dialog.
    pub call_id: String,
    /// The phone's tag; empty while it is not known.
    pub local_tag: String,
    /// Our tag.
    pub remote_tag: String,
    /// The other party's number.
    pub remote: String,
    /// Its name; empty if not known.
    pub remote_name: String,
}

/// A call whose party shall go on in a call of another cell.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// The call.
    pub call: CallId,
    /// The dialog in whose place it comes.
    pub dialog: DialogId,
    /// Whose dialog that has to be.
    pub by: Party,
    /// Who comes.
    pub party: Party,
    /// A session description for the sound between the two cells.
    pub offer: Bytes,
}

/// A party beyond a trunk, to be put together there with another one.
#[derive(Clone, Debug)]
pub struct FarEndQuery {
    /// The call of the first.
    pub call: CallId,
    /// Its number.
    pub number: String,
    /// The dialog of who speaks with the other.
    pub dialog: DialogId,
    /// Whose dialog that has to be.
    pub by: Party,
    /// The trunk that the other must be beyond.
    pub trunk: String,
}

/// That other party.
#[derive(Clone, Debug)]
pub struct FarEnd {
    /// Its call.
    pub call: CallId,
    /// Its number.
    pub number: String,
    /// What a Refer-To header says of it.
    pub refer_to: Vec<u8>,
}

/// Where a phone can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its contact URI, which becomes the Request-URI.
    pub uri: Vec<u8>,
    /// By this flow, the one it registered over.
    pub flow: Flow,
    /// Proxies that it registered through, as Route values (RFC 3327).
    pub route: Vec<Vec<u8>>,
    /// Which phone it is (RFC 5626 §4.1), if it told.
    pub instance: Option<String>,
    /// The Call-ID of its registration, if it told which phone it is.
    pub call_id: Vec<u8>,
    /// Another flow of a phone that is there already, for when that fails (RFC 5626 §5.3).
    pub spare: bool,
    /// Its User-Agent.
    pub user_agent: String,
    /// Its preference, per mille (RFC 3261 §20.10).
    pub q: u16,
}
