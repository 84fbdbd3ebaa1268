//! Where a voice's packets belong on a recording's clock.
//!
//! A voice is placed by the arrival of its first packets, taking the least delay among them (what was written of it by
//! then moves along), and from then on by its RTP timestamps, so that jitter, loss and reordering move nothing. The least delay of the last seconds is watched: a
//! sender's clock that runs fast or slow is followed one sample per packet, which nobody hears. What cannot be followed
//! (another source, a timestamp that jumps, [`WINDOW`] of difference) is placed by arrival anew.

use crate::rtp::Header;

/// How late a packet may come and still find its place: 200 ms in frames.
pub(super) const WINDOW: i64 = 1_600;
/// For so long after its start a voice is moved to the least delay at once.
const YOUNG: i64 = 1_600;
/// Each of the two stretches over which the least delay is watched: 2.5 s.
const WATCH: i64 = 20_000;
/// A difference that is left alone: 2 ms.
const SLACK: i64 = 16;
/// When for so long (100 ms) every packet has come too late, the path has become longer. A burst comes at one moment.
const PATIENCE: i64 = 800;

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The frame at which it begins.
    pub(super) at: i64,
    /// What was written from this frame on belongs so many frames earlier.
    pub(super) pulled: Option<(i64, i64)>,
}

/// One voice of a recording.
#[derive(Debug, Default)]
pub(super) struct Track(Option<Anchor>);

#[derive(Debug)]
struct Anchor {
    epoch: u32,
    /// The newest packet: its number, its first sample's timestamp and place, its frames.
    sequence: u16,
    timestamp: u32,
    place: i64,
    frames: i64,
    began: i64,
    /// The place of the first packet.
    first: i64,
    /// The least lateness in the present stretch and in the one before.
    least: [i64; 2],
    stretch_ends: i64,
    /// Since when every packet has come too late.
    late_since: Option<i64>,
}

impl Track {
    /// Where a packet of so many `frames` that arrived at frame `here` belongs.
    pub(super) fn place(&mut self, header: &Header, epoch: u32, frames: i64, here: i64) -> Place {
        let Some(anchor) = self.0.as_mut().filter(|a| a.epoch == epoch) else {
            return self.anchor(header, epoch, frames, here);
        };
        let step = i64::from(header.sequence.wrapping_sub(anchor.sequence).cast_signed());
        let ticks = i64::from(header.timestamp.wrapping_sub(anchor.timestamp).cast_signed());
        let regular = ticks == step * anchor.frames;
        let lateness = here - (anchor.place + ticks);
        if lateness < -WINDOW || (lateness > WINDOW && !regular) {
            return self.anchor(header, epoch, frames, here);
        }
        anchor.late_since = if lateness > WINDOW { anchor.late_since.or(Some(here)) } else { None };
        if anchor.late_since.is_some_and(|since| here - since >= PATIENCE) {
            return self.anchor(header, epoch, frames, here);
        }
        let pulled = anchor.pull(lateness, here);
        let at = anchor.place + ticks + if pulled.is_none() { anchor.follow(lateness, here) } else { 0 };
        if step > 0 {
            anchor.sequence = header.sequence;
            anchor.timestamp = header.timestamp;
            anchor.place = at;
            anchor.frames = frames;
        }
        Place { at, pulled }
    }

    #[cold]
    fn anchor(&mut self, header: &Header, epoch: u32, frames: i64, here: i64) -> Place {
        self.0 = Some(Anchor {
            epoch,
            sequence: header.sequence,
            timestamp: header.timestamp,
            place: here,
            frames,
            began: here,
            first: here,
            least: [0, i64::MAX],
            stretch_ends: here + WATCH,
            late_since: None,
        });
        Place { at: here, pulled: None }
    }
}

impl Anchor {
    /// A young voice moves to a packet that came earlier than its place.
    fn pull(&mut self, lateness: i64, here: i64) -> Option<(i64, i64)> {
        if lateness >= 0 || here - self.began >= YOUNG {
            return None;
        }
        let from = self.first;
        self.first += lateness;
        self.place += lateness;
        self.least = [0, i64::MAX];
        Some((from, -lateness))
    }

    /// By how much the voice moves now to follow its least delay.
    fn follow(&mut self, lateness: i64, here: i64) -> i64 {
        if here >= self.stretch_ends {
            self.least = [lateness, self.least[0]];
            self.stretch_ends = here + WATCH;
        }
        self.least[0] = self.least[0].min(lateness);
        let least = self.least[0].min(self.least[1]);
        let step = if least > SLACK {
            1
        } else if least < -SLACK {
            -1
        } else {
            return 0;
        };
        self.least = self.least.map(|l| l.saturating_sub(step));
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Entropy;

    fn header(sequence: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: 1, payload_at: 12, payload_len: 160 }
    }

    fn place(track: &mut Track, header: &Header, epoch: u32, frames: i64, here: i64) -> i64 {
        track.place(header, epoch, frames, here).at
    }

    #[test]
    fn a_first_packet_that_came_late_is_pulled_to_where_it_belongs() {
        let mut track = Track::default();
        assert_eq!(place(&mut track, &header(1, 0), 1, 160, 1_000), 1_000);
        let second = track.place(&header(2, 160), 1, 160, 1_000);
        assert_eq!(second, Place { at: 1_000, pulled: Some((1_000, 160)) });
        let third = track.place(&header(3, 320), 1, 160, 1_120);
        assert_eq!(third, Place { at: 1_120, pulled: Some((840, 40)) });
        assert_eq!(track.place(&header(4, 480), 1, 160, 1_300), Place { at: 1_280, pulled: None });
    }

    #[test]
    fn jitter_of_sixty_milliseconds_leaves_the_voice_within_a_few_milliseconds_of_its_least_delay() {
        let mut entropy = Entropy::seeded(3);
        let mut track = Track::default();
        for i in 0..15_000i64 {
            let here = 400 + i * 160 + entropy.below(480) as i64;
            let place = place(&mut track, &header(i as u16, (i * 160) as u32), 1, 160, here);
            if i > 10 {
                assert!((place - (400 + i * 160)).abs() < 120, "packet {i}: {}", place - 400 - i * 160);
            }
        }
    }

    #[test]
    fn a_clock_that_runs_fast_or_slow_by_two_hundred_ppm_is_followed() {
        for ppm in [-200.0, 200.0] {
            let mut track = Track::default();
            for i in 0..45_000i64 {
                let here = (i as f64 * 160.0 * (1.0 + ppm / 1e6)) as i64;
                let place = place(&mut track, &header(i as u16, (i * 160) as u32), 1, 160, here);
                assert!((place - here).abs() < 40, "packet {i}, {ppm} ppm: {}", place - here);
            }
        }
    }

    #[test]
    fn a_timestamp_jump_and_another_source_are_placed_by_arrival_at_once() {
        let mut track = Track::default();
        for i in 0..100i64 {
            place(&mut track, &header(i as u16, (i * 160) as u32), 1, 160, i * 160);
        }
        assert_eq!(place(&mut track, &header(100, 0x9000_0000), 1, 160, 16_000), 16_000);
        assert_eq!(place(&mut track, &header(101, 0x9000_00a0), 1, 160, 16_200), 16_160);
        assert_eq!(place(&mut track, &header(5, 7), 2, 160, 16_320), 16_320);
    }

    #[test]
    fn a_path_that_becomes_longer_is_followed() {
        let mut track = Track::default();
        for i in 0..200i64 {
            let here = i * 160 + if i < 100 { 0 } else { 4_000 };
            let place = place(&mut track, &header(i as u16, (i * 160) as u32), 1, 160, here);
            assert!(place == here || (100..105).contains(&i), "packet {i}");
        }
    }

    #[test]
    fn silence_suppression_keeps_the_clock_and_a_late_burst_its_places() {
        let mut track = Track::default();
        place(&mut track, &header(1, 0), 1, 160, 0);
        // Ten seconds without packets; the timestamp says so.
        assert_eq!(place(&mut track, &header(2, 80_000), 1, 160, 80_040), 80_000);
        // A network that held packets back for 300 ms.
        for i in 0..15i64 {
            let place = place(&mut track, &header(3 + i as u16, (80_160 + i * 160) as u32), 1, 160, 82_560);
            assert_eq!(place, 80_160 + i * 160);
        }
    }
}
