//! RTCP of a port: what the peer reports about our stream, and when and what we report about its.

use super::inbound::Reception;
use crate::rtcp::{self, Block, Item, Voip};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::{Entropy, Wall};

/// Seconds from 1900 to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

/// A port's RTCP.
#[derive(Debug)]
pub(super) struct Reports {
    pub(super) cname: String,
    /// Where the peer's RTCP comes from, once any came.
    pub(super) from: Option<SocketAddr>,
    /// The middle of the last sender report's NTP time, and when it came.
    last_sr: Option<(u32, Instant)>,
    pub(super) rtt: Option<Duration>,
    /// What the peer said last about our stream.
    pub(super) view: Option<View>,
    /// How much of our stream is lost, in 1/256: at once what the peer says if it is more than before, and a fourth less with each report that
    /// says less.
    lossy: u8,
    /// What the peer said last of how we sound to it (RFC 3611).
    pub(super) voip: Option<Voip>,
    sent_before: u64,
}

/// A report block about our stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) lost: u64,
    /// In timestamp ticks.
    pub(super) jitter: u32,
    /// How many packets we had sent when it came.
    pub(super) sent: u64,
}

impl Reports {
    pub(super) fn new(entropy: &mut Entropy) -> Self {
        // RFC 7022: a name that says nothing of who we are.
        Self {
            cname: entropy.token(16),
            from: None,
            last_sr: None,
            rtt: None,
            view: None,
            lossy: 0,
            voip: None,
            sent_before: 0,
        }
    }

    /// A datagram from the peer. False if it is no RTCP.
    pub(super) fn hear(&mut self, datagram: &[u8], ssrc: u32, sent: u64, clock: &Clock, now: Instant) -> bool {
        rtcp::read(datagram, |item| match item {
            Item::Sender { sender, .. } => self.last_sr = Some(((sender.ntp >> 16) as u32, now)),
            Item::Block(block) if block.ssrc == ssrc => self.believe(&block, sent, clock, now),
            Item::Voip(voip) if voip.ssrc == ssrc => self.voip = Some(voip),
            Item::Block(_) | Item::Voip(_) | Item::Bye { .. } => {}
        })
    }

    fn believe(&mut self, block: &Block, sent: u64, clock: &Clock, now: Instant) {
        self.lossy = block.fraction_lost.max(self.lossy - self.lossy.div_ceil(4));
        self.view = Some(View { lost: block.lost.max(0) as u64, jitter: block.jitter, sent });
        if block.last_sr == 0 {
            return;
        }
        // RFC 3550 §6.4.1; what is negative or above half a minute is a peer that cannot count.
        let ticks = clock.ntp_middle(now).wrapping_sub(block.last_sr).wrapping_sub(block.delay);
        if ticks < 30 << 16 {
            self.rtt = Some(Duration::from_nanos(u64::from(ticks) * 1_000_000_000 / 65_536));
        }
    }

    /// How many of a hundred of our packets should be taken for lost. In few steps, so that many who hear the same can share what is encoded.
    pub(super) fn loss(&self) -> u8 {
        match self.lossy {
            // One of a hundred is heard by nobody.
            0..=3 => 0,
            4..=17 => 5,
            18..=35 => 10,
            _ => 20,
        }
    }

    /// Our block about the peer's stream.
    pub(super) fn block(&self, reception: &Reception, now: Instant) -> Block {
        let (last_sr, delay) = self.last_sr.map_or((0, 0), |(sr, at)| {
            (sr, (now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000) as u32)
        });
        Block {
            ssrc: reception.ssrc,
            fraction_lost: reception.fraction_lost,
            lost: reception.lost,
            highest: reception.highest,
            jitter: reception.jitter,
            last_sr,
            delay,
        }
    }

    /// True if we have sent since the last report, which makes the next one a sender report.
    pub(super) fn is_sender(&mut self, sent: u64) -> bool {
        std::mem::replace(&mut self.sent_before, sent) != sent
    }
}

/// Reports leave at multiples of this, those of many ports together: a worker that waits for a moment of its own for each sets the
/// processor's timer before every packet.
pub(super) const TOGETHER: Duration = Duration::from_millis(100);

/// The interval to the next report: RFC 3550 §6.3.1, where two members never reach the bandwidth limit.
pub(super) fn interval(mean: Duration, entropy: &mut Entropy) -> Duration {
    // e − 3/2 makes up for the reconsideration that shortens the mean.
    mean.mul_f64((0.5 + entropy.below(1_000_000) as f64 / 1_000_000.0) / 1.218_28)
}

/// The engine's time, in the units packets use. It begins at the first moment the engine was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    wall: Wall,
    epoch: Option<Instant>,
}

impl Clock {
    pub(super) fn new(wall: Wall) -> Self {
        Self { wall, epoch: None }
    }

    /// The moment from which [`Clock::micros`] counts; the first `now` fixes it.
    pub(super) fn begin(&mut self, now: Instant) {
        self.epoch.get_or_insert(now);
    }

    /// Microseconds since the beginning.
    #[inline]
    pub(super) fn micros(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch.unwrap_or(now));
        since.as_secs() * 1_000_000 + u64::from(since.subsec_micros())
    }

    /// The next multiple of `step` after `now`: what happens regularly happens together.
    pub(super) fn next(&self, step: Duration, now: Instant) -> Instant {
        let step = step.as_micros().max(1) as u64;
        let micros = self.micros(now) / step * step + step;
        self.epoch.unwrap_or(now) + Duration::from_micros(micros)
    }

    /// The last multiple of `step` at or before `now`.
    pub(super) fn floor(&self, step: Duration, now: Instant) -> Instant {
        let step = step.as_micros().max(1) as u64;
        self.epoch.unwrap_or(now) + Duration::from_micros(self.micros(now) / step * step)
    }

    /// NTP time: seconds since 1900 and their fraction.
    pub(super) fn ntp(&self, now: Instant) -> u64 {
        let micros = self.wall.at(self.epoch.unwrap_or(now)) * 1_000 + self.micros(now);
        let seconds = micros / 1_000_000 + NTP_EPOCH;
        (seconds << 32) | (((micros % 1_000_000) << 32) / 1_000_000)
    }

    fn ntp_middle(&self, now: Instant) -> u32 {
        (self.ntp(now) >> 16) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_spread_as_the_rfc_wants() {
        let mut entropy = Entropy::seeded(1);
        let mean = Duration::from_secs(5);
        let (low, high) = (mean.mul_f64(0.5 / 1.218_28), mean.mul_f64(1.5 / 1.218_28));
        let all: Vec<Duration> = (0..500).map(|_| interval(mean, &mut entropy)).collect();
        assert!(all.iter().all(|i| (low..=high).contains(i)));
        assert!(all.iter().any(|i| *i < mean / 2) && all.iter().any(|i| *i > mean));
    }

    #[test]
    fn loss_is_believed_at_once_and_forgotten_slowly() {
        let now = stdx::testing::start();
        let clock = Clock::new(Wall::new(now, 0));
        let mut reports = Reports::new(&mut Entropy::seeded(1));
        let mut told = |fraction_lost| {
            let block = Block { ssrc: 1, fraction_lost, lost: 0, highest: 0, jitter: 0, last_sr: 0, delay: 0 };
            reports.believe(&block, 0, &clock, now);
            reports.loss()
        };
        assert_eq!([0, 2, 26].map(&mut told), [0, 0, 10]);
        assert_eq!([0; 8].map(&mut told), [10, 5, 5, 5, 5, 0, 0, 0]);
        assert_eq!([255, 20, 20, 20, 20, 20].map(&mut told), [20, 20, 20, 20, 20, 20]);
    }

    #[test]
    fn ntp_time_counts_from_1900_and_ticks_are_shared() {
        let now = stdx::testing::start();
        let mut clock = Clock::new(Wall::new(now, 1_000_500));
        clock.begin(now);
        assert_eq!(clock.ntp(now), ((NTP_EPOCH + 1_000) << 32) | (1 << 31));
        let step = Duration::from_millis(20);
        assert_eq!(clock.next(step, now), now + step);
        assert_eq!(clock.next(step, now + step / 3), now + step);
        assert_eq!(clock.next(step, now + step), now + 2 * step);
    }
}
