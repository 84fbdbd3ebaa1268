//! What an endpoint is told at its start, and what it counts.

use std::net::SocketAddr;
use std::time::Duration;

use crate::message::{Limits, Method};
use crate::seal::Seal;

/// The number of the cell, written into our tags and branches, so that [`crate::placement`] finds the owner of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellTag(pub u16);

/// How an endpoint behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which cell this is.
    pub cell: CellTag,
    /// Our name in Server and User-Agent.
    pub server: String,
    /// RFC 3261 T1, the guess of a round trip: 500 ms.
    pub t1: Duration,
    /// RFC 3261 T2, the longest pause between repetitions: 4 s.
    pub t2: Duration,
    /// RFC 3261 T4, how long a message may live in the network: 5 s.
    pub t4: Duration,
    /// Transactions at one time, finished ones that still answer repetitions included. Beyond it new requests get 503 with
    /// Retry-After, without any memory of them. A REGISTER over UDP counts twice (challenge) for 32 s.
    pub max_transactions: usize,
    /// Sessions at one time. Beyond it a new INVITE gets 503 with Retry-After, and `invite` says [`super::Overloaded`].
    pub max_sessions: usize,
    /// Subscriptions at one time. Beyond it a new one gets 503 with Retry-After.
    pub max_subscriptions: usize,
    /// The shortest time that a subscription is granted (423 with Min-Expires for less), and the longest, which is also the default.
    pub subscription_expires: (Duration, Duration),
    /// Sizes of messages.
    pub limits: Limits,
    /// Methods that we answer besides INVITE, ACK, BYE, CANCEL, UPDATE and PRACK (405 for other known ones, 501 for unknown ones);
    /// they reach the owner as [`super::Event::Request`].
    pub methods: Vec<Method>,
    /// Option tags that we understand in Require (420 for others) and say in Supported. What `100rel` and `timer` mean is done by the
    /// endpoint itself, if they are among them.
    pub supported: Vec<&'static str>,
    /// Option tags that we understand in Require besides, and say to OPTIONS: what registrars and proxies do, but no party of a call.
    pub understood: Vec<&'static str>,
    /// Whether provisional responses are sent reliably (RFC 3262) to callers that support it; to those that require it they always are.
    pub reliable_provisionals: bool,
    /// After what time a session has to be refreshed (RFC 4028): 1800 s. None: sessions have no such timer.
    pub session_expires: Option<Duration>,
    /// The shortest such time that a peer may ask for: 90 s, and never less.
    pub min_session_expires: Duration,
    /// RFC 3261 timer C, how long an INVITE of ours may stay without an answer after its last provisional response: 180 s, as proxies
    /// have it.
    pub timer_c: Duration,
    /// Our TCP listeners. A request of more than 1300 bytes to a peer over UDP goes over TCP where there is one (RFC 3261 §18.1.1),
    /// and over UDP after all if that fails.
    pub tcp: Vec<SocketAddr>,
    /// How long the first word of a hop is waited for if there are others (RFC 3263 §4.3): 8 s; not longer than 64·T1.
    pub hop_patience: Duration,
    /// Methods that our owner may pass on by [`super::Endpoint::forward`]: outside dialogs their Require is the owner's to judge, by
    /// [`super::Endpoint::understands`], for what it asks for is asked of whoever serves them in the end (RFC 3261 §16.3).
    pub passed_on: Vec<Method>,
    /// Credentials for this realm end here when a request is passed on (RFC 3261 §22.3).
    pub realm: String,
    /// Seals the routes that we record; cells that serve one address share it. None: one that nobody else has.
    pub seal: Option<Seal>,
    /// Whether messages of sessions are repeated as [`super::Output::Trace`].
    pub trace: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cell: CellTag(0),
            server: "Patchbay".to_owned(),
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            max_transactions: 200_000,
            max_sessions: 10_000,
            max_subscriptions: 50_000,
            subscription_expires: (Duration::from_secs(30), Duration::from_secs(3600)),
            limits: Limits::default(),
            methods: vec![Method::Options, Method::Register],
            supported: vec!["100rel", "timer"],
            understood: Vec::new(),
            reliable_provisionals: false,
            session_expires: Some(Duration::from_secs(1800)),
            min_session_expires: Duration::from_secs(90),
            timer_c: Duration::from_secs(180),
            tcp: Vec::new(),
            hop_patience: Duration::from_secs(8),
            passed_on: Vec::new(),
            realm: String::new(),
            seal: None,
            trace: true,
        }
    }
}

/// What is alive right now: all return to zero when the calls are over and 64·T1 have passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Transactions, finished ones that still answer repetitions included.
    pub transactions: usize,
    /// Sessions, those that are just saying BYE or CANCEL included.
    pub sessions: usize,
    /// Subscriptions; these stay as long as their subscribers renew them.
    pub subscriptions: usize,
    /// Deadlines that are set.
    pub timers: usize,
    /// Entries in the tables by which messages find their transaction and dialog.
    pub index_entries: usize,
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams received, keep-alives included.
    pub received: u64,
    /// Datagrams sent, repetitions included.
    pub sent: u64,
    /// Datagrams that were repetitions by us.
    pub resent: u64,
    /// Requests that repeated one we already have.
    pub repeated_requests: u64,
    /// Keep-alives: CRLF, NUL bytes, and STUN binding requests, which are answered (RFC 5626 §3.5).
    pub keep_alives: u64,
    /// Datagrams that are no SIP and got no answer.
    pub garbage: u64,
    /// Messages that were malformed and got the RFC's response.
    pub malformed_answered: u64,
    /// Malformed messages that could not be answered: responses, ACKs, requests without Via, From, To, Call-ID or CSeq.
    pub malformed_dropped: u64,
    /// Responses without a transaction.
    pub stray_responses: u64,
    /// ACKs without a transaction or dialog.
    pub stray_acks: u64,
    /// Requests refused by rule of the protocol: 405, 415, 416, 420, 481, 482, 483, 491, 500, 501.
    pub refused: u64,
    /// Requests refused with 503 because a limit was reached.
    pub overloaded: u64,
    /// Of those, new calls turned away because the owner asked for it ([`super::Endpoint::shed`]).
    pub shed: u64,
    /// INVITEs of ours that were not sent because their receiver asked for fewer (RFC 7339).
    pub held_back: u64,
    /// Transactions of ours that nobody answered (timers B and F).
    pub timeouts: u64,
    /// Responses of ours that nobody acknowledged (timer H and its 2xx sibling).
    pub unacknowledged: u64,
    /// Transactions of ours that ended because the transport failed.
    pub transport_failures: u64,
    /// Requests of ours that went on by another hop.
    pub failovers: u64,
    /// Requests that were passed on, each once however many got it.
    pub passed_on: u64,
    /// 401 and 407 that our credentials answered.
    pub challenges_answered: u64,
    /// Offers of ours that met one of the peer (491) and waited.
    pub glares: u64,
    /// Sessions hung up because nobody refreshed them.
    pub expired: u64,
    /// 2xx from a second fork, acknowledged and hung up at once.
    pub second_forks: u64,
    /// Warnings that were not logged because there were too many.
    pub muted_warnings: u64,
}
