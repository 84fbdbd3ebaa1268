//! The switch's words: what anyone may ask of it, what it says, and what it keeps.
//!
//! Everything here is plain data that serialises with serde: the cores speak it, the store keeps it, every dialect
//! translates it. A vendor's spelling never appears here.
//!
//! Start with [`Command`] and [`Event`]; the record of a finished call is [`CallRecord`].

mod audio;
mod cause;
mod command;
mod conference;
mod event;
mod forwarding;
mod id;
mod mailbox;
mod message;
mod net;
mod originate;
mod playback;
mod quality;
mod queue;
mod record;
mod ring_group;
mod routing;
mod seen;
mod settings;
mod sound;
mod trunk;
mod verification;

pub use audio::{AudioFormat, AudioWish, Listening};
pub use cause::{Cause, Outcome, Side};
pub use command::{Answer, Ban, BanReason, Command, LegState, LiveCall, LiveLeg, Query, Refusal, Registration, Reply};
pub use conference::{Conference, ConferenceMember, MAX_MEMBERS, Supervision};
pub use event::{ConsultStep, Event, EventBody, RegistrationChange, SettingChange};
pub use forwarding::{ExtensionWish, ForwardReason, ForwardedFrom, Forwards, MAX_FORWARDS, StarCodes};
pub use id::{CallId, LegId, LegNo};
pub use mailbox::{MAX_MAILBOX_OWNERS, MAX_MAILBOXES, MIN_VOICEMAIL_MS, Mailbox, Voicemail};
pub use message::{MessageState, NewMessage, TextMessage};
pub use net::{Net, Source};
pub use originate::Originate;
pub use playback::{Item, MAX_ITEMS, MAX_SPEED, MAX_TEXT, MIN_SPEED, Playback, PlaybackEnd, Spoken, is_prompt_name};
pub use quality::{Quality, QualityMoment, SoundAlarm};
pub use queue::{
    AfterCall, Agent, AgentState, AgentStatus, Announcement, Duty, LeaveReason, LeftHow, MAX_AGENTS, MAX_QUEUES,
    Member, OfferFailure, Overflow, Queue, QueueStatus, QueueVisit, Strategy, Survey, WaitingCaller, Widen,
};
pub use record::{
    CallRecord, Direction, LegOrigin, LegRecord, MAX_RECORDINGS, RecordingChoice, RecordingFile, RecordingWish,
};
pub use ring_group::{MAX_RING_GROUPS, MAX_RING_MEMBERS, RingGroup, RingStrategy};
pub use routing::{
    BlackList, CallerChoice, CallerHeader, Charge, Country, Dialling, NumberFormat, Numbers, Price, Program, Rewrite,
    Rights, RightsRules, Route, RouteTarget, Routing, Spending, SpendingCap, Spent, Ways, WeightedTrunk,
};
pub use seen::{Seen, SeenFilter};
pub use settings::{AutoAnswer, Extension, Ha1, Role, User, WatchedBy};
pub use sound::{CallProgress, InbandDtmf, MAX_CODECS, MediaKind, ProgressHeard, ProgressSignal, Srtp, is_codec_name};
pub use trunk::{
    InboundAccount, Transfers, Trunk, TrunkAccount, TrunkRegistration, TrunkState, TrunkStatus, TrunkTransport,
};
pub use verification::{StirPolicy, Verdict, Verification};
