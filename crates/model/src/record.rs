//! The record of a call: written once for every call that reached us, also for those that failed.

use crate::{
    CallId, Cause, Charge, ForwardedFrom, LegNo, Outcome, ProgressHeard, Quality, QueueVisit, Side, Verification,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stdx::UnixMillis;

/// Where a call came from and went to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Extension to extension.
    Internal,
    /// From a trunk.
    Inbound,
    /// From an extension to a trunk.
    Outbound,
    /// It ended before that was known.
    Unknown,
}

impl Direction {
    /// The direction's stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Unknown => "unknown",
        }
    }
}

/// One finished call. Times are wall clock, Unix milliseconds; a time that never came is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The call, for its whole life.
    pub id: CallId,
    /// Who called: number, and display name if one was given.
    pub caller: String,
    /// The caller's display name; empty if none.
    pub caller_name: String,
    /// What was dialled.
    pub callee: String,
    /// Where from and to.
    pub direction: Direction,
    /// The trunk it came from or went to.
    pub trunk: Option<String>,
    /// The INVITE reached us.
    pub started_at: UnixMillis,
    /// The first called phone rang.
    pub ringing_at: Option<UnixMillis>,
    /// The called party answered.
    pub answered_at: Option<UnixMillis>,
    /// It was over.
    pub ended_at: UnixMillis,
    /// What came of it.
    pub outcome: Outcome,
    /// Which side ended it.
    pub ended_by: Side,
    /// The hang-up cause.
    pub cause: Cause,
    /// Free text for the operator: what exactly went wrong; empty where nothing did.
    pub note: String,
    /// Every leg, the caller's first.
    pub legs: Vec<LegRecord>,
    /// What was recorded.
    pub recording: Option<RecordingFile>,
    /// The files after the first: of a recording that was begun again, or became too long for one file.
    #[serde(default)]
    pub more_recordings: Vec<RecordingFile>,
    /// What it cost; `None` if it was not answered by way of a trunk.
    #[serde(default)]
    pub charge: Option<Charge>,
    /// What the client that placed it wanted kept.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What the signature of the caller's number was worth; `None` if nobody looked at it.
    #[serde(default)]
    pub verification: Option<Verification>,
    /// How it went through a queue; `None` if it was in none.
    #[serde(default)]
    pub queue: Option<QueueVisit>,
    /// The extensions that forwarded it, the first first.
    #[serde(default)]
    pub forwarded_from: Vec<ForwardedFrom>,
    /// How the caller said it was served, if it was asked and answered.
    #[serde(default)]
    pub satisfaction: Option<u8>,
    /// It went on after the switch had died, and nobody could speak for so long, milliseconds.
    #[serde(default)]
    pub outage_ms: Option<u64>,
}

impl CallRecord {
    /// From the INVITE to the first ringing, milliseconds.
    pub fn setup_ms(&self) -> Option<u64> {
        Some(self.ringing_at?.saturating_sub(self.started_at))
    }

    /// Time the parties could speak, milliseconds; 0 if nobody answered.
    pub fn talk_ms(&self) -> u64 {
        self.answered_at.map_or(0, |at| self.ended_at.saturating_sub(at))
    }
}

/// One party in a finished call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegRecord {
    /// 0 is the caller.
    pub no: LegNo,
    /// The number of the party.
    pub number: String,
    /// Where its signalling was, `address:port`; empty if unknown.
    pub remote: String,
    /// The phone's User-Agent; empty if it told none.
    pub user_agent: String,
    /// The SIP Call-ID of its dialog.
    pub sip_call_id: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it ended.
    pub cause: Cause,
    /// The codec spoken, for example `PCMA`; empty if no sound was agreed.
    pub codec: String,
    /// How its sound was; `None` if it never had any.
    pub quality: Option<Quality>,
    /// How it came into the call.
    #[serde(default)]
    pub origin: LegOrigin,
    /// When it began to speak with somebody in this call.
    #[serde(default)]
    pub answered_at: Option<UnixMillis>,
    /// When it was over.
    #[serde(default)]
    pub ended_at: UnixMillis,
    /// What was heard of it by whoever listened for that, in order.
    #[serde(default)]
    pub heard: Vec<ProgressHeard>,
}

/// How a leg came into its call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegOrigin {
    /// It placed the call.
    Caller,
    /// It was called for the number that was dialled.
    #[default]
    Dialled,
    /// It was called because another phone sent the call on to it (3xx).
    Diverted {
        /// That phone's leg.
        from: LegNo,
    },
    /// It was called because a party sent the other to it.
    Transferred {
        /// The leg of who did.
        by: LegNo,
    },
    /// It took the call that rang at another phone.
    PickedUp {
        /// That phone's leg.
        of: LegNo,
    },
    /// It took the place of a party.
    Replaced {
        /// That party's leg.
        of: LegNo,
    },
    /// It came from another call, in place of who transferred it.
    FromCall {
        /// That call.
        call: CallId,
        /// The leg of who transferred it, in this call.
        of: LegNo,
    },
    /// It listens to the others, who do not hear it.
    Listening {
        /// The leg by whose dialog it came in.
        to: LegNo,
    },
    /// It was called first, so that the call could be placed on its behalf; the one that answered is the caller.
    Summoned,
    /// It was called because an agent there was asked to take a caller who waited in a queue.
    Offered,
}

/// What may be wished of a call's recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingWish {
    /// It begins; if something of the call has been recorded before, in a file of its own.
    Start,
    /// It holds silence from now on: a number of a card is being told.
    Pause,
    /// It goes on.
    Resume,
    /// It is over; another may begin.
    Stop,
}

/// How something is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RecordingChoice {
    /// Only as long as this party is in the conversation; `None`: until the call ends, whoever takes a party's place.
    pub leg: Option<LegNo>,
    /// Both voices in one channel; `None`: as the configuration says.
    pub mixed: Option<bool>,
}

/// The most files that the recordings of one call have together.
pub const MAX_RECORDINGS: usize = 100;

/// A recording that belongs to a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingFile {
    /// Path below the recordings' folder, with `/`.
    pub path: String,
    /// Length of the sound, milliseconds.
    pub length_ms: u64,
    /// False if something is missing (the disk was full, the switch was killed, a codec that cannot be recorded).
    pub complete: bool,
    /// What is missing and why; empty if complete.
    pub note: String,
}
