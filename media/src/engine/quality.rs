//! How well it sounded: counts, jitter, and a mean opinion score by the E-model (ITU-T G.107).

/// What a port knows of both directions of its stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// The codec received last, or agreed first: `PCMA`, `opus` …; empty if none was agreed.
    pub codec: String,
    /// RTP packets sent to the peer.
    pub sent: u64,
    /// RTP packets received from the peer and used.
    pub received: u64,
    /// Packets the peer sent that never came.
    pub lost: u64,
    /// Packets that came after a later one.
    pub late: u64,
    /// Packets that came twice; the second was dropped.
    pub duplicates: u64,
    /// Datagrams dropped: strangers', malformed, of a payload type that was not agreed.
    pub discarded: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) at the end, in milliseconds.
    pub jitter_ms: f32,
    /// The highest jitter seen, in milliseconds.
    pub max_jitter_ms: f32,
    /// Round trip to the peer by RTCP, in milliseconds; `None` until it answered one of our reports.
    pub rtt_ms: Option<f32>,
    /// How the peer sounded to us: 1.0 to 4.5; `None` if nothing was received.
    pub mos: Option<f32>,
    /// How we sounded to the peer, in its own words; `None` if it sent no report.
    pub remote: Option<RemoteView>,
}

impl Quality {
    /// Share of the peer's packets that were lost, in percent.
    pub fn loss_percent(&self) -> f32 {
        let expected = self.received + self.lost;
        if expected == 0 { 0.0 } else { self.lost as f32 * 100.0 / expected as f32 }
    }
}

/// What the peer reports about our stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RemoteView {
    /// Packets of ours that it missed, since the start.
    pub lost: u64,
    /// The same in percent of what we sent.
    pub loss_percent: f32,
    /// Jitter it measured, in milliseconds.
    pub jitter_ms: f32,
    /// How we sounded to it: 1.0 to 4.5.
    pub mos: f32,
}
