//! Why a call ended, in one truth that every dialect tells in its own words.

use serde::{Deserialize, Serialize};

/// What came of a call (or of one attempt to reach somebody).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Two people spoke.
    Answered,
    /// The called party is in another call.
    Busy,
    /// It rang, nobody answered in time.
    NoAnswer,
    /// The caller hung up before an answer.
    Cancelled,
    /// The called party refused the call.
    Rejected,
    /// The number exists, but no phone of it is registered or reachable.
    Unreachable,
    /// The number does not exist.
    Unallocated,
    /// The caller may not do this.
    Forbidden,
    /// The parties share no codec, or the session description was unusable.
    Incompatible,
    /// The other network, or this switch, has no room now.
    Congestion,
    /// Sound stopped coming and the call was given up.
    MediaTimeout,
    /// The switch itself failed in this call (also: it was killed).
    SwitchFailure,
}

impl Outcome {
    /// The outcome's stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Unreachable => "unreachable",
            Self::Unallocated => "unallocated",
            Self::Forbidden => "forbidden",
            Self::Incompatible => "incompatible",
            Self::Congestion => "congestion",
            Self::MediaTimeout => "media_timeout",
            Self::SwitchFailure => "switch_failure",
        }
    }

    /// The final SIP status and Q.850 cause that the caller is given where the far end gave none (RFC 3398 §8.2.6.1, ITU-T Q.850).
    pub fn cause(self) -> Cause {
        let (sip, q850) = match self {
            Self::Answered => (200, 16),
            Self::Busy => (486, 17),
            Self::NoAnswer => (480, 19),
            Self::Cancelled => (487, 16),
            Self::Rejected => (603, 21),
            Self::Unreachable => (480, 20),
            Self::Unallocated => (404, 1),
            Self::Forbidden => (403, 21),
            Self::Incompatible => (488, 88),
            Self::Congestion => (503, 42),
            Self::MediaTimeout => (408, 102),
            Self::SwitchFailure => (500, 41),
        };
        Cause { sip, q850 }
    }

    /// What a final SIP failure of a called party means (RFC 3261 §21, RFC 3398 §7.2.6).
    pub fn of_status(status: u16) -> Self {
        match status {
            404 | 410 | 484 | 485 | 604 => Self::Unallocated,
            408 | 480 | 430 => Self::NoAnswer,
            486 | 600 => Self::Busy,
            487 => Self::Cancelled,
            401 | 402 | 403 | 407 => Self::Forbidden,
            415 | 488 | 606 => Self::Incompatible,
            603 | 607 | 608 => Self::Rejected,
            500..=599 => Self::Congestion,
            _ => Self::Rejected,
        }
    }
}

/// The same fact in the two languages of signalling.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Cause {
    /// SIP status (RFC 3261 §21).
    pub sip: u16,
    /// ITU-T Q.850 cause, as in a Reason header (RFC 3326).
    pub q850: u8,
}

impl Cause {
    /// The cause of a SIP status that came without a Reason header (RFC 3398 §8.2.6.1).
    pub fn of_status(sip: u16) -> Self {
        let q850 = match sip {
            200..=299 | 487 => 16,
            401 | 402 | 403 | 407 | 603 => 21,
            404 | 485 | 604 => 1,
            405 | 501 => 63,
            406 | 415 | 488 | 606 => 88,
            408 | 504 => 102,
            410 => 22,
            413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => 127,
            480 => 18,
            481 | 500 | 503 => 41,
            482 | 483 => 25,
            484 => 28,
            486 | 600 => 17,
            502 => 38,
            _ => 31,
        };
        Self { sip, q850 }
    }
}

/// Which side did something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The party that placed the call.
    Caller,
    /// The party that was called.
    Callee,
    /// The switch, or somebody who commanded it.
    System,
}

impl Side {
    /// The side's stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::System => "system",
        }
    }
}
