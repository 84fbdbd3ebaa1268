//! How one direction of a leg's sound was.

use serde::{Deserialize, Serialize};

/// Figures of the sound that one party sent us, as it reached us.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// RTP packets received.
    pub received: u64,
    /// Packets that never came (RFC 3550 A.3), by sequence number.
    pub lost: u64,
    /// Share of packets lost, per cent.
    pub loss_percent: f32,
    /// Interarrival jitter at the end, milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: f32,
    /// The worst jitter seen, milliseconds.
    pub max_jitter_ms: f32,
    /// Round trip by RTCP, milliseconds; `None` where the party sent no reports.
    pub rtt_ms: Option<f32>,
    /// Mean opinion score by the E-model (ITU-T G.107), 1.0 to 4.5; `None` where no sound came.
    pub mos: Option<f32>,
    /// RTP packets we sent to this party.
    pub sent: u64,
    /// What the party reported of the sound we sent it: share lost, per cent, by its RTCP; `None` without reports.
    pub remote_loss_percent: Option<f32>,
    /// How our sound was to the party: by its extended reports (RFC 3611) if it sends any, else by the E-model from what it
    /// reported; `None` without reports.
    #[serde(default)]
    pub remote_mos: Option<f32>,
    /// The level of its speech, dB below full scale; `None` where none was heard, or its codec was only passed on.
    #[serde(default)]
    pub level_dbov: Option<f32>,
    /// How it was over time: at most 64 stretches of equal length, each with its worst.
    #[serde(default)]
    pub over_time: Vec<QualityMoment>,
}

/// How one leg's sound was in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QualityMoment {
    /// When the stretch ended, since the leg's sound was set up, milliseconds.
    pub at_ms: u64,
    /// Share of packets lost on their way to us, per cent.
    pub loss_percent: f32,
    /// Jitter, milliseconds.
    pub jitter_ms: f32,
    /// Round trip by RTCP, milliseconds.
    pub rtt_ms: Option<f32>,
    /// How the party sounded to us, 1.0 to 4.5.
    pub mos: f32,
    /// How we sounded to the party.
    pub remote_mos: Option<f32>,
}

/// What is wrong with the sound of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundAlarm {
    /// Nothing comes from it, while the other side is heard.
    OneWay,
    /// Nothing comes from either side.
    NoSound,
    /// Packets come, but for half a minute no voice was in them.
    Silent,
}
