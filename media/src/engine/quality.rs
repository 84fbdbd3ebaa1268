//! How well it sounded: counts, jitter, and a mean opinion score by the E-model (ITU-T G.107).

use std::time::Duration;

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
    /// SRTP packets dropped because their tag did not fit.
    pub forged: u64,
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
    /// The level of the peer's speech in dB below full scale; `None` if none was heard, or it was not looked at.
    pub level_dbov: Option<f32>,
    /// How it was over time, at most 64 stretches of equal number of reports; each tells its worst.
    pub moments: Vec<Moment>,
}

/// How it was in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moment {
    /// When the stretch ended, since the port was opened.
    pub at: Duration,
    /// Share of the peer's packets that were lost in it, in percent.
    pub loss_percent: f32,
    /// Jitter, in milliseconds.
    pub jitter_ms: f32,
    /// Round trip, in milliseconds.
    pub rtt_ms: Option<f32>,
    /// How the peer sounded to us.
    pub mos: f32,
    /// How we sounded to the peer, in its own words.
    pub remote_mos: Option<f32>,
}

impl Moment {
    /// Takes another one in: the worst of both.
    pub(super) fn worsen(&mut self, other: &Self) {
        let worst = |a: Option<f32>, b: Option<f32>, pick: fn(f32, f32) -> f32| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (a, b) => a.or(b),
        };
        self.at = self.at.max(other.at);
        self.loss_percent = self.loss_percent.max(other.loss_percent);
        self.jitter_ms = self.jitter_ms.max(other.jitter_ms);
        self.rtt_ms = worst(self.rtt_ms, other.rtt_ms, f32::max);
        self.mos = self.mos.min(other.mos);
        self.remote_mos = worst(self.remote_mos, other.remote_mos, f32::min);
    }
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

/// A mean opinion score by the E-model (ITU-T G.107), 1.0 to 4.5, from what was measured.
///
/// `delay_ms` is one way, mouth to ear. The equipment impairments are those of G.113 appendix I for random loss;
/// a codec that is not in its table is taken for one as good as G.711 with concealment.
pub fn mos(codec: &str, loss_percent: f32, delay_ms: f32) -> f32 {
    mos_of(rating(codec, loss_percent, delay_ms))
}

/// Ie and Bpl of codecs: G.113 appendix I.
const EQUIPMENT: [(&str, f32, f32); 5] =
    [("G729", 11.0, 19.0), ("G723", 15.0, 16.1), ("GSM", 26.0, 10.0), ("iLBC", 11.0, 32.0), ("G726-32", 7.0, 15.0)];

/// The transmission rating R of the same, 0 to 100.
pub(super) fn rating(codec: &str, loss_percent: f32, delay_ms: f32) -> f32 {
    let known = EQUIPMENT.iter().find(|(name, _, _)| name.eq_ignore_ascii_case(codec));
    // G.711 with the packet loss concealment of its appendix I, which every phone has by now.
    let (impairment, robustness) = known.map_or((0.0, 25.1), |(_, impairment, robustness)| (*impairment, *robustness));
    let equipment = impairment + (95.0 - impairment) * loss_percent / (loss_percent + robustness);
    let delay = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
    (93.2 - equipment - delay).clamp(0.0, 100.0)
}

/// The opinion score of a rating: annex B.
pub(super) fn mos_of(r: f32) -> f32 {
    // Below R = 6.5 the formula of annex B would fall under 1.
    (1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_of_known_conditions() {
        // G.711 without loss or delay is R = 93.2, which annex B turns into 4.41.
        assert!((mos("PCMA", 0.0, 0.0) - 4.41).abs() < 0.01);
        // G.729: R = 82.2, 4.1.
        assert!((mos("G729", 0.0, 0.0) - 4.11).abs() < 0.03);
        // 5 % loss with concealment: Ie-eff = 95 · 5 / 30.1 = 15.8, R = 77.4, 3.92.
        assert!((mos("PCMU", 5.0, 0.0) - 3.93).abs() < 0.03);
        assert!(mos("PCMU", 1.0, 20.0) > mos("PCMU", 3.0, 20.0));
        assert!(mos("PCMU", 0.0, 100.0) > mos("PCMU", 0.0, 400.0));
        assert!(mos("PCMU", 100.0, 2_000.0) >= 1.0);
    }
}
