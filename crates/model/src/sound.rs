//! What is set of a party's sound.

use serde::{Deserialize, Serialize};

/// Whether sound is encrypted, with keys in session descriptions (RFC 4568).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Srtp {
    /// Never.
    #[default]
    Off,
    /// If the party wants it.
    Offered,
    /// Always: who has it not is refused with 488.
    Required,
}

impl Srtp {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Off, Self::Offered, Self::Required];

    /// Its stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Offered => "offered",
            Self::Required => "required",
        }
    }

    /// The one of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|srtp| srtp.name() == name)
    }
}

/// Whether keys are listened for in the sound of a party.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InbandDtmf {
    /// If the party has no RTP events (RFC 4733).
    #[default]
    Auto,
    /// In any case.
    Always,
    /// Not at all.
    Never,
}

impl InbandDtmf {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Always, Self::Never];

    /// Its stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }

    /// The one of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|when| when.name() == name)
    }
}

/// Whether what a trunk's network and parties say with tones and voices is listened to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallProgress {
    /// No.
    #[default]
    Off,
    /// It is told by events, and in the record.
    Events,
    /// And believed: a busy tone or the like before the answer ends the attempt, and an announcement says more than the cause
    /// that follows it.
    Causes,
}

/// What was heard of how a call proceeds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgressSignal {
    /// It rings.
    Ringback,
    /// The party is busy.
    Busy,
    /// The network is.
    Congestion,
    /// The number does not exist, or cannot be reached.
    Unobtainable,
    /// A fax machine calls (CNG).
    FaxCalling,
    /// A fax machine or modem answers (CED).
    FaxAnswering,
    /// A person answered.
    Human,
    /// A machine answered.
    Machine,
    /// The network says something before the answer.
    Announcement,
}

impl ProgressSignal {
    /// Its stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ringback => "ringback",
            Self::Busy => "busy",
            Self::Congestion => "congestion",
            Self::Unobtainable => "unobtainable",
            Self::FaxCalling => "fax_calling",
            Self::FaxAnswering => "fax_answering",
            Self::Human => "human",
            Self::Machine => "machine",
            Self::Announcement => "announcement",
        }
    }
}

/// One such thing, in the record of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProgressHeard {
    /// What.
    pub signal: ProgressSignal,
    /// How sure it is, percent.
    pub confidence: u8,
    /// When, milliseconds after the leg was called.
    pub at_ms: u32,
}

/// By what kind of media an extension speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// What it offers; called, a contact that registered by WebSocket is offered WebRTC, and any other plain RTP or SRTP.
    #[default]
    Auto,
    /// RTP, or SRTP with keys in session descriptions, also by WebSocket; an offer of WebRTC is refused with 488.
    Rtp,
    /// WebRTC (ICE and DTLS-SRTP), however it registered; another offer is refused with 488.
    Webrtc,
}

impl MediaKind {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Rtp, Self::Webrtc];

    /// Its stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Rtp => "rtp",
            Self::Webrtc => "webrtc",
        }
    }

    /// The one of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The most codecs in a list.
pub const MAX_CODECS: usize = 16;

/// Could this be a codec's name in a session description: `PCMA`, `G722`, `L16/16000`?
pub fn is_codec_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/".contains(&b))
}
