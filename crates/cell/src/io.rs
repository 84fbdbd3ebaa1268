//! What goes into a worker and what comes out of it.

mod letters;

pub use letters::{Body, Contact, Envelope, FarEnd, FarEndQuery, FromDesk, JoinRequest, LegView, ToDesk};

use bytes::Bytes;
use media::engine::{Channel, Datagram, Page, RecordingId};
use model::{Answer, CallId, CallRecord, Command, Event, ExtensionWish, Outcome, Query, Refusal, Reply, Voicemail};
use sip_stack::endpoint::Flow;
use sip_stack::locate::{Failure, Question, Record};
use std::net::SocketAddr;
use std::time::Duration;

/// Questions to the domain name system that one worker may have open.
pub const MAX_QUESTIONS: usize = 256;

/// Lists of prompts that one worker may be waiting for; one more playback is refused as `Overloaded`.
pub const MAX_LOADS: usize = 256;

/// Why prompts could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadFailure {
    /// There is none of that name, or it holds no sound that can be decoded.
    NoSuchPrompt,
    /// Too much is being loaded already.
    Busy,
}

/// Certificates that one worker may be waiting for.
pub const MAX_FETCHES: usize = 32;

/// Errands that one worker may have its shell run at one time; one more cannot be done.
pub const MAX_ERRANDS: usize = 256;

/// What only the keeper of settings and messages can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Change an extension as its own phone wishes, and tell every worker.
    ChangeExtension {
        /// Which.
        number: String,
        /// How.
        wish: ExtensionWish,
    },
    /// Ask a program where a call leads: POST, JSON both ways, at most 16 kB back.
    AskProgram {
        /// Where.
        url: String,
        /// How long it may take.
        wait: Duration,
        /// What it is told, JSON.
        question: String,
    },
    /// What is in a mailbox? Answered by [`Brought::Messages`].
    Messages {
        /// Its name.
        mailbox: String,
    },
    /// Put a message into its mailbox, unless it is there, and have the lamps of its owners told.
    KeepVoicemail(Box<Voicemail>),
    /// Somebody has heard a message.
    MarkVoicemail {
        /// In which mailbox.
        mailbox: String,
        /// Its number.
        id: i64,
    },
    /// Remove a message, and its file.
    RemoveVoicemail {
        /// In which mailbox.
        mailbox: String,
        /// Its number.
        id: i64,
    },
    /// The sound of a message; answered by [`Brought::Sound`].
    HearVoicemail {
        /// Its file.
        path: String,
    },
    /// Remove a file that has just been written, and is no message.
    Discard {
        /// Below the recordings' folder.
        path: String,
    },
}

/// What an errand brought.
#[derive(Clone, Debug)]
pub enum Brought {
    /// It is done.
    Done,
    /// A program said this, whatever it means.
    Said(String),
    /// What is in a mailbox, in the order in which it is told.
    Messages(Vec<Voicemail>),
    /// Something to be played.
    Sound(crate::Clips),
}

/// A fact from outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// A signalling datagram.
    Datagram {
        /// From where, and to which of our addresses.
        flow: Flow,
        /// As it came.
        data: Bytes,
    },
    /// What we sent could not be delivered (ICMP).
    SendFailed {
        /// Where to.
        flow: Flow,
    },
    /// A stream (TCP, TLS, WebSocket) is gone, whoever ended it. The shell tells it to every worker.
    StreamClosed {
        /// Which.
        flow: Flow,
    },
    /// From another worker, or from this one to itself.
    Envelope(Envelope),
    /// A wish from an API; exactly one [`Output::Reply`] with the same ticket follows.
    Command {
        /// Chosen by the shell.
        ticket: u64,
        /// The wish.
        command: Command,
    },
    /// A question from an API; exactly one [`Output::Answer`] with the same ticket follows.
    Query {
        /// Chosen by the shell.
        ticket: u64,
        /// The question.
        query: Query,
    },
    /// RTP port numbers (even) whose two sockets, `n` and `n + 1`, the shell has bound.
    Ports(Vec<u16>),
    /// A recording could not be written; the call goes on.
    RecordingFailed {
        /// Which.
        recording: RecordingKey,
        /// Why, for the record.
        note: String,
    },
    /// The answer to an [`Output::Resolve`].
    Resolved {
        /// The question's ticket.
        ticket: u64,
        /// What there is; no records: the name exists without any of this kind.
        answers: Result<Vec<Record>, Failure>,
    },
    /// The answer to an [`Output::Load`].
    Loaded {
        /// Its ticket.
        ticket: u64,
        /// The clips, in the order of the items.
        clips: Result<crate::Clips, LoadFailure>,
    },
    /// The answer to an [`Output::Fetch`].
    Fetched {
        /// The question's ticket.
        ticket: u64,
        /// What is there; `None` if it cannot be had.
        result: Option<Fetched>,
    },
    /// The answer to an [`Output::Errand`].
    ErrandDone {
        /// Its ticket.
        ticket: u64,
        /// What came of it; `None`: it cannot be done.
        result: Option<Brought>,
    },
    /// Show every message as [`Output::Passed`] from now on, or no longer.
    Watch(bool),
    /// Take no new calls from now on.
    Drain,
    /// End every call now.
    HangUpAll,
}

/// What the shell has to do, in order.
#[derive(Debug)]
pub enum Output {
    /// Send a signalling datagram. Everything in a `Keep` before it must have reached the hot store.
    Transmit {
        /// From which of our addresses to where.
        flow: Flow,
        /// One datagram.
        data: Bytes,
    },
    /// Send sound or reports of our own.
    Rtp {
        /// From which of our ports (the RTP number, also for RTCP).
        port: u16,
        /// RTP or RTCP.
        channel: Channel,
        /// Where to.
        to: SocketAddr,
        /// The packet.
        data: Datagram,
    },
    /// Carry this to another worker.
    Envelope(Envelope),
    /// The answer to a command.
    Reply {
        /// The command's ticket.
        ticket: u64,
        /// Done, or why not.
        result: Result<Reply, Refusal>,
    },
    /// The answer to a question.
    Answer {
        /// The question's ticket.
        ticket: u64,
        /// What there is.
        answer: Answer,
    },
    /// Put into the hot store.
    Keep {
        /// `reg/…`, `sub/…`, `mwi/…`, `msg/…`, `call/…`, `record/…`, `alive/…`.
        key: Vec<u8>,
        /// To be given to [`crate::Worker::restore`] after a restart.
        value: Vec<u8>,
    },
    /// Remove from the hot store.
    Forget {
        /// A key that was kept.
        key: Vec<u8>,
    },
    /// Write to the call records; the same stands under `record/<call id>` in the hot store until SQL has it.
    Record {
        /// The finished call.
        record: Box<CallRecord>,
    },
    /// The ladder of a call that ended a few seconds ago: a JSON array of [`crate::TraceLine`].
    Ladder {
        /// Which call.
        call: CallId,
        /// JSON.
        trace: Vec<u8>,
    },
    /// Ask the domain name system; exactly one [`Input::Resolved`] with the same ticket follows, within ten seconds. A worker has
    /// at most [`MAX_QUESTIONS`] open at one time.
    Resolve {
        /// To tell the answers apart.
        ticket: u64,
        /// What to ask.
        question: Question,
    },
    /// Fetch what is at an `https:` address that a stranger may have named; exactly one [`Input::Fetched`] with the same ticket
    /// follows, within ten seconds. A worker has at most [`MAX_FETCHES`] open at one time.
    Fetch {
        /// To tell the answers apart.
        ticket: u64,
        /// Where.
        url: String,
    },
    /// TLS streams to this address are to the host of this name: its certificate must say so, unless it need not be verified.
    TlsPeer {
        /// Where a stream will be connected to.
        remote: SocketAddr,
        /// Whom its certificate must name.
        name: String,
        /// Refuse the stream if the certificate does not prove it.
        verify: bool,
    },
    /// Fetch what is to be played; exactly one [`Input::Loaded`] with the same ticket follows. A worker has at most
    /// [`MAX_LOADS`] open at one time.
    Load {
        /// To tell the answers apart.
        ticket: u64,
        /// What.
        items: Vec<model::Item>,
    },
    /// Run an errand; exactly one [`Input::ErrandDone`] with the same ticket follows, within ten seconds. A worker has at most
    /// [`MAX_ERRANDS`] open at one time.
    Errand {
        /// To tell the answers apart.
        ticket: u64,
        /// What.
        errand: Errand,
    },
    /// Tell those who watch.
    Event(Event),
    /// A SIP message passed: for those who watch messages ([`Input::Watch`]).
    Passed(crate::tap::Passed),
    /// Begin a recording: stereo or one channel, 16 bit, 8000 Hz.
    RecordingOpened {
        /// Its key from now on.
        recording: RecordingKey,
        /// Below the recordings' folder.
        path: String,
        /// One channel with both voices.
        mixed: bool,
        /// The frame of the recording with which the file begins. An earlier file of the same recording is complete then.
        from: u64,
    },
    /// More of a recording, in order. Give the page back by [`crate::Worker::give_back`].
    RecordingPage {
        /// Which.
        recording: RecordingKey,
        /// Up to half a second.
        page: Page,
    },
    /// Nothing more follows for this recording.
    RecordingClosed {
        /// Which.
        recording: RecordingKey,
    },
    /// An RTP port number is free again: drain its sockets, rest it, give it back by [`Input::Ports`].
    Released(u16),
}

/// What was at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// All of it.
    pub body: Bytes,
    /// How long it may be used, as its server says.
    pub keep: std::time::Duration,
}

/// Names a recording among all workers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RecordingKey {
    /// The worker.
    pub cell: u16,
    /// Its number there.
    pub id: RecordingId,
}

/// What is alive now. All but `bindings`, `extensions`, `subscriptions` and `messages` return to zero when the calls are over and their timers have lapsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls.
    pub calls: usize,
    /// Legs that have a SIP session.
    pub legs: usize,
    /// Open media ports.
    pub ports: usize,
    /// Running recordings.
    pub recordings: usize,
    /// SIP sessions.
    pub sessions: usize,
    /// SIP transactions, finished ones that still answer repetitions included.
    pub transactions: usize,
    /// Calls that ended moments ago, kept for their last messages.
    pub lingering: usize,
    /// Extensions that are in a call, as their home sees it.
    pub occupied: usize,
    /// Registered contacts whose home is here.
    pub bindings: usize,
    /// Known extensions.
    pub extensions: usize,
    /// Trunks that are told that we go, and have not answered.
    pub leaving: usize,
    /// Subscriptions to extensions whose home is here; they stay as long as their subscribers renew them.
    pub subscriptions: usize,
    /// Texts that wait for receivers whose home is here.
    pub messages: usize,
}

/// What happened since the start.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// SIP messages.
    pub sip: sip_stack::endpoint::Stats,
    /// Calls by outcome, in the order of [`Outcome`].
    pub calls: std::collections::BTreeMap<Outcome, u64>,
    /// Successful registrations and refreshes.
    pub registered: u64,
    /// Requests with wrong credentials.
    pub wrong_credentials: u64,
    /// Requests of sources that are ignored for a while.
    pub ignored: u64,
    /// Alerts that a daily cap of spending was near or reached.
    pub spending_alerts: u64,
    /// Datagrams that belonged to another worker.
    pub forwarded: u64,
    /// What came to the socket of browser legs and belonged to none.
    pub browsers: media::browser::Strangers,
    /// Turned away at a glance.
    pub screen: crate::screen::ScreenStats,
    /// Requests of users who ask more often than they may.
    pub too_often: u64,
    /// Sources that were banned.
    pub bans: u64,
    /// Datagrams dropped because too many of their class waited, in the order of [`crate::Class::ALL`].
    pub intake_dropped: [u64; 4],
    /// Of a thousand new calls, so many are turned away now.
    pub shedding: u16,
}
