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
}
