//! Conferences: calls whose parties all hear each other.

use crate::{CallId, LegNo};
use serde::{Deserialize, Serialize};
use stdx::UnixMillis;

/// Members that a conference has at most; one more meets busy.
pub const MAX_MEMBERS: usize = 200;

/// A conference that somebody is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conference {
    /// Its name: that of its route, or the id of the call it was made of.
    pub name: String,
    /// Since when.
    pub since: UnixMillis,
    /// In the order in which they came.
    pub members: Vec<ConferenceMember>,
    /// What is said in it is being recorded.
    #[serde(default)]
    pub recording: bool,
}

/// Somebody in a conference: a leg of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConferenceMember {
    /// Of which call.
    pub call: CallId,
    /// Which leg.
    pub leg: LegNo,
    /// Its number.
    pub number: String,
    /// Nobody hears it.
    pub muted: bool,
}

/// How a supervisor takes part in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supervision {
    /// It hears both, and nobody hears it.
    Listen,
    /// The party of the leg it came in by hears it, the other one does not.
    Whisper,
    /// Both hear it.
    Barge,
}
