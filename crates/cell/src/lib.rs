//! One shard of the switch: signalling, sound and calls wired together.
//!
//! The shell gives a [`Worker`] datagrams, packets, commands and the time, and does what its [`Output`]s say. A worker
//! holds one cell; messages that belong to another cell leave it as [`Envelope`]s. Only here do `sip-stack`, `media` and
//! `call` meet, and they do not see each other.
//!
//! ```text
//! Datagram → placement → sip-stack ⇄ cell ⇄ call        packet → media → Forward
//! ```

mod addressee;
mod answering;
mod asking;
mod astray;
mod attest;
mod authorize;
mod calling_back;
mod cell;
mod conference;
mod config;
mod conversation;
mod dial_strings;
mod digits;
mod directory;
mod effects;
mod errands;
mod far_end;
mod forwarding;
mod front_desk;
mod handing;
mod home;
mod hot;
mod identity;
mod intake;
mod io;
mod joining;
mod leaving_message;
mod locals;
mod mailboxes;
mod messages;
mod moved;
mod originate;
mod outward;
mod overload;
mod party_sound;
mod playback;
mod program;
mod progress;
mod protect;
mod proxy;
mod quality;
mod queueing;
mod recording;
mod refer;
mod remote;
mod replacing;
mod resuming;
mod ringing;
mod screen;
mod serving;
mod signalling;
mod sleepers;
mod sound;
mod spending;
mod supervising;
mod survey;
mod tap;
mod tape;
mod tokens;
mod trace;
mod trunks;
mod watch;
mod worker;

pub use addressee::Phone;
pub use attest::Stir;
pub use conference::conference_home;
pub use config::{Beep, Config, Forking, Identity, Policy, Redirect, Sounds};
pub use front_desk::DESK;
pub use io::{
    Body, Brought, Contact, Counts, Envelope, Errand, FarEnd, FarEndQuery, Fetched, FromDesk, Input, JoinRequest,
    LegView, LoadFailure, MAX_ERRANDS, MAX_FETCHES, MAX_LOADS, MAX_QUESTIONS, Output, RecordingKey, Stats, ToDesk,
};
pub use locals::{Local, Locals};
pub use playback::Clips;
pub use recording::recording_name;
pub use refer::Joined;
pub use screen::{Class, Rates, ScreenStats, Security};
pub use tap::Passed;
pub use trace::TraceLine;
pub use trunks::TrunkWay;
pub use worker::{Worker, owner};
