//! What anyone may ask of the switch, and its answers.

use crate::{
    Agent, AgentStatus, AudioWish, CallId, Conference, Direction, Duty, Extension, Ha1, LegNo, Mailbox, NewMessage,
    Originate, Playback, Queue, QueueStatus, RecordingChoice, RecordingWish, RingGroup, Routing, Seen, SeenFilter,
    Spending, Supervision, TextMessage, TrunkStatus,
};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use stdx::UnixMillis;

/// A wish. Each dialect decodes its own requests into these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// End a call, whatever state it is in.
    Hangup {
        /// Which.
        call: CallId,
    },
    /// End a leg alone: one that rings refuses its call, one that speaks leaves as if its phone had hung up.
    Release {
        /// Which call.
        call: CallId,
        /// Which leg.
        leg: LegNo,
    },
    /// Place a call on behalf of an extension; [`Reply::Call`] names it.
    Originate(Box<Originate>),
    /// The phone of a leg shall answer its call, or take it back from hold: `Event: talk`, for phones that take it. What the switch
    /// itself holds it gives back.
    Answer {
        /// Which call.
        call: CallId,
        /// Which leg.
        leg: LegNo,
    },
    /// A leg's call is put on hold: by its phone (`Event: hold`) if that takes it, else by the switch.
    Hold {
        /// Which call.
        call: CallId,
        /// Which leg.
        leg: LegNo,
    },
    /// The party that a leg speaks with shall go to another number, as if the leg's phone had transferred it.
    Transfer {
        /// Which call.
        call: CallId,
        /// The leg on whose behalf.
        leg: LegNo,
        /// Where to.
        to: String,
    },
    /// A leg asks another number while the party that it speaks with hears music.
    Consult {
        /// Which call.
        call: CallId,
        /// The leg that asks.
        leg: LegNo,
        /// Whom.
        to: String,
    },
    /// The leg that asks leaves, and the other two speak.
    CompleteConsult {
        /// Which call.
        call: CallId,
        /// The leg that asks.
        leg: LegNo,
    },
    /// Who was asked is let go, and the first two speak again.
    CancelConsult {
        /// Which call.
        call: CallId,
        /// The leg that asks.
        leg: LegNo,
    },
    /// Play prompts to a party of a call, or to both that speak; what they were played before ends.
    Play {
        /// Which call.
        call: CallId,
        /// Which leg; `None`: both that speak with each other.
        leg: Option<LegNo>,
        /// What and how.
        play: Box<Playback>,
    },
    /// Begin, interrupt or end the recording of a call.
    Record {
        /// Which call.
        call: CallId,
        /// What of it.
        wish: RecordingWish,
        /// How it is recorded, if it begins.
        choice: RecordingChoice,
    },
    /// What is played to a party of a call by command ends.
    StopPlay {
        /// Which call.
        call: CallId,
        /// Which leg; `None`: all.
        leg: Option<LegNo>,
    },
    /// The parties of a call, who speak with each other, go on in a conference; [`Reply::Conference`] names it.
    Confer {
        /// Which call.
        call: CallId,
    },
    /// Call an extension into a conference; [`Reply::Call`] names its call.
    Invite {
        /// Which conference: one that somebody is in, or that of a route.
        conference: String,
        /// Whose phones.
        extension: String,
    },
    /// Send a member of a conference away.
    Dismiss {
        /// Which conference.
        conference: String,
        /// The member's call.
        call: CallId,
        /// The member's leg.
        leg: LegNo,
    },
    /// Nobody in the conference hears this member from now on, or all do again.
    Mute {
        /// Which conference.
        conference: String,
        /// The member's call.
        call: CallId,
        /// The member's leg.
        leg: LegNo,
        /// Nobody hears it.
        muted: bool,
    },
    /// Do something with the recording of a conference: one file of all that is said in it, which the record of each member names.
    RecordConference {
        /// Which.
        conference: String,
        /// What.
        wish: RecordingWish,
    },
    /// Send all members of a conference away.
    EndConference {
        /// Which.
        conference: String,
    },
    /// Call an extension, whose phone then takes part in a conversation; or change how it does.
    Supervise {
        /// Which call.
        call: CallId,
        /// By which leg: whisper is heard by that one.
        leg: LegNo,
        /// Whose phone.
        extension: String,
        /// How it takes part.
        how: Supervision,
    },
    /// Connect a program with the sound of a leg; [`Reply::Audio`] says where it is sent to. It ends with the leg: the program's
    /// port is told RTCP BYE.
    OpenAudio {
        /// Which call.
        call: CallId,
        /// Which leg.
        leg: LegNo,
        /// How.
        wish: AudioWish,
    },
    /// A program is done with the sound of a leg.
    CloseAudio {
        /// Which call.
        call: CallId,
        /// As [`Reply::Audio`] said.
        id: u64,
    },
    /// These are the routes and blocked numbers beside those of the configuration from now on, for new calls. [`Refusal::BadRouting`]
    /// leaves everything as it was.
    SetRouting(Box<Routing>),
    /// An extension was added or changed: every cell takes the new facts. A disabled extension loses its registrations.
    PutExtension(Box<Extension>),
    /// Send a text; [`Reply::Message`] names it.
    SendMessage(Box<NewMessage>),
    /// So many voice messages wait for an extension: its message lamp shows it.
    SetMessages {
        /// Its number.
        extension: String,
        /// Not heard yet.
        new: u32,
        /// Heard and kept.
        old: u32,
    },
    /// An extension is gone, and its registrations with it.
    RemoveExtension {
        /// Its number.
        number: String,
    },
    /// A user of an extension was given a token, which is good as its SIP password until then, beside its own: a page needs to know no other.
    KnowToken {
        /// The extension.
        extension: String,
        /// The user's number.
        user: i64,
        /// Digest secrets with the token for a password.
        ha1: Ha1,
        /// When it lapses.
        until: UnixMillis,
    },
    /// The tokens of a user count no more.
    ForgetTokens {
        /// The extension that they were good for.
        extension: String,
        /// The user's number.
        user: i64,
    },
    /// A queue was added or changed: every cell takes the new facts. Who waits in it stays.
    PutQueue(Box<Queue>),
    /// A queue is gone; who waits in it goes where it sends those.
    RemoveQueue {
        /// Its name.
        name: String,
    },
    /// A ring group was added or changed: every cell takes the new facts. Calls that it rings for go on as they were.
    PutRingGroup(Box<RingGroup>),
    /// A ring group is gone; calls that it rings for go on.
    RemoveRingGroup {
        /// Its name.
        name: String,
    },
    /// A mailbox was added or changed: every cell takes the new facts.
    PutMailbox(Box<Mailbox>),
    /// A mailbox is gone.
    RemoveMailbox {
        /// Its name.
        name: String,
    },
    /// An agent was added or changed; an offer or a call that it has goes on.
    PutAgent(Box<Agent>),
    /// An agent is gone; a call that it has goes on.
    RemoveAgent {
        /// Its name.
        name: String,
    },
    /// An agent comes to work at a phone; one that is there already sits elsewhere from now on.
    LogInAgent {
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
    LogOutAgent {
        /// Who.
        agent: String,
    },
    /// An agent is ready or away; in a call, after the call.
    SetAgent {
        /// Who.
        agent: String,
        /// What.
        duty: Duty,
    },
    /// Nothing that comes from this address is listened to for a while.
    Ban {
        /// The address.
        source: IpAddr,
    },
    /// This address is listened to again, and that it was banned is forgotten.
    Unban {
        /// The address.
        source: IpAddr,
    },
}

/// A question. It changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// The calls that exist now; answered by [`Answer::Calls`].
    Calls,
    /// Texts that wait, and those of late that are over, of one extension or of all; answered by [`Answer::Messages`].
    Messages {
        /// Only those from or to this extension.
        extension: Option<String>,
    },
    /// The registered contacts, of one extension or of all; answered by [`Answer::Registrations`].
    Registrations {
        /// Only of this extension.
        extension: Option<String>,
    },
    /// The conferences that somebody is in; answered by [`Answer::Conferences`].
    Conferences,
    /// The trunks; answered by [`Answer::Trunks`].
    Trunks,
    /// The sources that are banned now; answered by [`Answer::Bans`].
    Bans,
    /// The newest SIP messages that are kept and fit; answered by [`Answer::Seen`].
    Seen(SeenFilter),
    /// What was spent today by those who have a cap; answered by [`Answer::Spending`].
    Spending,
    /// The queues; answered by [`Answer::Queues`].
    Queues,
    /// The agents; answered by [`Answer::Agents`].
    Agents,
}

/// That a command was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done.
    Done,
    /// A message is taken in.
    Message {
        /// Its name.
        id: String,
    },
    /// A call is being placed.
    Call {
        /// Which.
        id: CallId,
    },
    /// A program's sound goes to this address, from the port that it named.
    Audio {
        /// For [`Command::CloseAudio`].
        id: u64,
        /// Of ours.
        address: SocketAddr,
    },
    /// The conference.
    Conference {
        /// Its name.
        name: String,
    },
}

/// What a query found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The calls that exist now, oldest first.
    Calls(Vec<LiveCall>),
    /// The conferences that somebody is in, by name.
    Conferences(Vec<Conference>),
    /// Texts, oldest first.
    Messages(Vec<TextMessage>),
    /// Registered contacts.
    Registrations(Vec<Registration>),
    /// The trunks, by name.
    Trunks(Vec<TrunkStatus>),
    /// Banned sources.
    Bans(Vec<Ban>),
    /// SIP messages, oldest first.
    Seen(Vec<Seen>),
    /// All calls together first, then extensions.
    Spending(Vec<Spending>),
    /// The queues, by name.
    Queues(Vec<QueueStatus>),
    /// The agents, by name.
    Agents(Vec<AgentStatus>),
}

/// Why a command was not done. Small and closed: each dialect puts it into its own words in one `match`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No such call (any more).
    NoSuchCall,
    /// No such leg in the call.
    NoSuchLeg,
    /// No such extension (any more).
    NoSuchExtension,
    /// No such conference (any more).
    NoSuchConference,
    /// No such trunk.
    NoSuchTrunk,
    /// No number that could be called.
    BadNumber,
    /// A number that leads nowhere for who wants to call it: no route, no trunk, or no right.
    NoRoute,
    /// Routes that make no sense.
    BadRouting,
    /// No phone of the extension is registered.
    NotRegistered,
    /// No such prompt, or it is no sound.
    NoSuchPrompt,
    /// No such queue, or the agent serves none of those named.
    NoSuchQueue,
    /// No such agent.
    NoSuchAgent,
    /// The agent is not logged in.
    NotLoggedIn,
    /// Another agent sits at that phone.
    PhoneTaken,
    /// Not possible in the state the call is in.
    WrongState,
    /// The switch has no room for more work now; try again.
    Overloaded,
    /// The switch is shutting down.
    ShuttingDown,
}

impl Command {
    /// The call it is about.
    pub fn call(&self) -> Option<CallId> {
        match self {
            Self::Hangup { call }
            | Self::Answer { call, .. }
            | Self::Release { call, .. }
            | Self::Hold { call, .. }
            | Self::Consult { call, .. }
            | Self::CompleteConsult { call, .. }
            | Self::CancelConsult { call, .. }
            | Self::Play { call, .. }
            | Self::StopPlay { call, .. }
            | Self::Record { call, .. }
            | Self::Confer { call }
            | Self::Supervise { call, .. }
            | Self::OpenAudio { call, .. }
            | Self::CloseAudio { call, .. }
            | Self::Transfer { call, .. } => Some(*call),
            _ => None,
        }
    }

    /// True if it is about somebody's work as an agent, so the desk's.
    pub fn is_for_desk(&self) -> bool {
        matches!(self, Self::LogInAgent { .. } | Self::LogOutAgent { .. } | Self::SetAgent { .. })
    }
}

impl Refusal {
    /// The refusal's stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSuchCall => "no_such_call",
            Self::NoSuchLeg => "no_such_leg",
            Self::NoSuchExtension => "no_such_extension",
            Self::NoSuchConference => "no_such_conference",
            Self::NoSuchTrunk => "no_such_trunk",
            Self::BadNumber => "bad_number",
            Self::NoRoute => "no_route",
            Self::BadRouting => "bad_routing",
            Self::NotRegistered => "not_registered",
            Self::NoSuchPrompt => "no_such_prompt",
            Self::NoSuchQueue => "no_such_queue",
            Self::NoSuchAgent => "no_such_agent",
            Self::NotLoggedIn => "not_logged_in",
            Self::PhoneTaken => "phone_taken",
            Self::WrongState => "wrong_state",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

/// What a leg is doing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegState {
    /// Being called, no sign of life yet; for a caller: waiting.
    Dialing,
    /// It rings.
    Ringing,
    /// It waits in a queue.
    Queued,
    /// In conversation.
    Talking,
    /// In conversation, which it has put on hold.
    Held,
    /// It hears the conversation of others, who do not hear it.
    Listening,
    /// Hearing why there will be no conversation.
    Announcement,
    /// On its way out.
    Ending,
}

/// A call that exists now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveCall {
    /// Which.
    pub id: CallId,
    /// Who called.
    pub caller: String,
    /// What was dialled.
    pub callee: String,
    /// Where from and to.
    pub direction: Direction,
    /// The INVITE reached us.
    pub started_at: UnixMillis,
    /// The called party answered.
    pub answered_at: Option<UnixMillis>,
    /// Is it being recorded now?
    pub recording: bool,
    /// Its parties, the caller first.
    pub legs: Vec<LiveLeg>,
}

/// A party of a call that exists now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveLeg {
    /// 0 is the caller.
    pub no: LegNo,
    /// The party's number.
    pub number: String,
    /// What it is doing.
    pub state: LegState,
}

/// One registered contact of an extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The extension.
    pub extension: String,
    /// The contact's URI as the phone gave it.
    pub contact: String,
    /// Where it registered from, `address:port`.
    pub remote: String,
    /// The transport, `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: String,
    /// The phone's User-Agent; empty if it told none.
    pub user_agent: String,
    /// When the binding lapses.
    pub expires_at: UnixMillis,
}

/// Why a source is banned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BanReason {
    /// Very many wrong credentials.
    Failures,
    /// Wrong credentials for many users.
    ManyUsers,
    /// It calls itself by the name of a scanner.
    Scanner,
    /// By hand.
    Operator,
}

/// A source that nobody listens to for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// An IPv4 address, or the first address of an IPv6 /64.
    pub source: IpAddr,
    /// Why.
    pub reason: BanReason,
    /// Since when.
    pub since: UnixMillis,
    /// Until when.
    pub until: UnixMillis,
    /// How often it has been banned lately; each time is longer.
    pub times: u32,
    /// Messages dropped unread meanwhile.
    pub dropped: u64,
}
