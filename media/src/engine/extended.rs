//! VoIP metrics of a port: what an extended report says of the peer's sound (RFC 3611 §4.7).

use super::port::{Figures, Port};
use super::quality::mos_of;
use crate::rtcp::{UNKNOWN, Voip};

/// A sine at full scale, 3 dB below a square wave, is 3.14 dBm0 in both laws of G.711.
const DBM0_OF_DBOV: f32 = 6.2;

impl Port {
    /// What we report of the source `ssrc`; `None` if the peer did not say that it understands it.
    pub(super) fn voip(&self, ssrc: u32) -> Option<Voip> {
        let remote = self.terms.remote.as_ref().filter(|remote| remote.extended)?;
        let clusters = self.inbound.bursts.clusters();
        let packet_ms = f32::from(remote.ptime.unwrap_or(20));
        let (received, lost) = (self.inbound.received, self.inbound.lost());
        let figures = self.figures(received, lost);
        let level =
            |dbov: Option<f32>| dbov.map_or(UNKNOWN.cast_signed(), |l| (l + DBM0_OF_DBOV).clamp(-126.0, 3.0) as i8);
        let r = self.rating(figures);
        let score = |r: f32| (mos_of(r) * 10.0).round() as u8;
        Some(Voip {
            ssrc,
            lost: (lost * 256 / (received + lost).max(1)).min(255) as u8,
            discarded: 0,
            burst_density: clusters.burst_density,
            gap_density: clusters.gap_density,
            burst_ms: (clusters.burst * packet_ms) as u16,
            gap_ms: (clusters.gap * packet_ms) as u16,
            round_trip_ms: figures.rtt_ms.map_or(0, |rtt| rtt.round() as u16),
            end_ms: (packet_ms + 2.0 * figures.jitter_ms) as u16,
            signal_dbm0: level(self.activity.level_dbov()),
            noise_dbm0: level(self.activity.level_dbov().map(|_| self.activity.noise_dbov())),
            r_factor: r.round() as u8,
            mos_lq: score(self.rating(Figures { rtt_ms: None, jitter_ms: 0.0, ..figures })),
            mos_cq: score(r),
            jitter_ms: (2.0 * figures.jitter_ms) as u16,
            max_jitter_ms: (2.0 * self.inbound.max_jitter_ms) as u16,
        })
    }
}
