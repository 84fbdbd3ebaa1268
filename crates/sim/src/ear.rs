//! What one party received, put where it belongs in time: positions are samples since the ear was opened.

use crate::rtp::Rtp;
use crate::sound::{self, Hearing, RATE, Sound};
use std::time::{Duration, Instant};

/// How long a listener holds packets back to put them in order; what comes later than that is not heard.
const PLAYOUT: Duration = Duration::from_millis(60);

/// One listener's timeline.
#[derive(Debug)]
pub(crate) struct Ear {
    opened: Instant,
    pcm: Vec<i16>,
    /// For each 10 ms: did a packet bring it?
    covered: Vec<bool>,
    stream: Option<Stream>,
    pub(crate) packets: u64,
    pub(crate) streams: u64,
}

/// Where a stream's timestamps lie on the timeline.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    timestamp: u32,
    position: u64,
}

impl Ear {
    pub(crate) fn new(now: Instant) -> Self {
        Self { opened: now, pcm: Vec::new(), covered: Vec::new(), stream: None, packets: 0, streams: 0 }
    }

    /// The position that is heard at `now`.
    pub(crate) fn position(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.opened).as_micros() as u64) * RATE / 1_000_000
    }

    /// A voice packet came.
    pub(crate) fn hear(&mut self, packet: &Rtp, pcm: &[i16], now: Instant) {
        self.packets += 1;
        let playing = self.position(now);
        let latest = playing + PLAYOUT.as_millis() as u64 * RATE / 1000;
        let at = match &mut self.stream {
            Some(stream) if stream.ssrc == packet.ssrc => {
                let step = i64::from(packet.timestamp.wrapping_sub(stream.timestamp) as i32);
                let at = stream.position.checked_add_signed(step).unwrap_or(0);
                // A clock that jumps by more than a second is a new beginning.
                if at.abs_diff(latest) > RATE {
                    *stream = Stream { ssrc: packet.ssrc, timestamp: packet.timestamp, position: latest };
                    latest
                } else {
                    at
                }
            }
            _ => {
                self.streams += 1;
                self.stream = Some(Stream { ssrc: packet.ssrc, timestamp: packet.timestamp, position: latest });
                latest
            }
        };
        if at >= playing {
            self.write(at as usize, pcm);
        }
    }

    fn write(&mut self, at: usize, heard: &[i16]) {
        let end = at + heard.len();
        if self.pcm.len() < end {
            self.pcm.resize(end, 0);
            self.covered.resize(end.div_ceil(80), false);
        }
        self.pcm[at..end].copy_from_slice(heard);
        // A packet rarely starts on a multiple of 10 ms: it covers what it fills by half.
        let tenth = |position: usize| (position + 40) / 80;
        for covered in &mut self.covered[tenth(at)..tenth(end).min(end.div_ceil(80))] {
            *covered = true;
        }
    }

    /// What was heard between two positions; silence where nothing came.
    pub(crate) fn slice(&self, from: u64, to: u64) -> Vec<i16> {
        let mut pcm = vec![0; (to.saturating_sub(from)) as usize];
        let have = (self.pcm.len() as u64).min(to);
        if from < have {
            pcm[..(have - from) as usize].copy_from_slice(&self.pcm[from as usize..have as usize]);
        }
        pcm
    }

    /// Where the sound was heard up to `now`.
    pub(crate) fn find(&self, sound: Sound, now: Instant) -> Hearing {
        sound::find(&self.slice(0, self.position(now)), sound)
    }

    /// Where this voice was heard up to `now`, alone or among others.
    pub(crate) fn find_among(&self, hertz: u16, now: Instant) -> Hearing {
        sound::find_among(&self.slice(0, self.position(now)), hertz)
    }

    /// Is the sound there in the last moments before `now`?
    pub(crate) fn hears(&self, sound: Sound, now: Instant) -> bool {
        let end = self.position(now);
        let from = end.saturating_sub(sound.window().as_millis() as u64 * RATE / 1000);
        let hearing = sound::find(&self.slice(from, end), sound);
        match sound {
            // Every fifth packet may be lost on the way through two rough links.
            Sound::Voice(_) => hearing.total() >= samples(end - from).mul_f64(0.5) && end > from,
            Sound::Ringback | Sound::Busy | Sound::Congestion | Sound::Unobtainable => !hearing.spells.is_empty(),
        }
    }

    /// Is the voice there in the last second before `now`, perhaps among others that speak at the same time?
    pub(crate) fn hears_among(&self, hertz: u16, now: Instant) -> bool {
        let end = self.position(now);
        let from = end.saturating_sub(RATE);
        end > from && sound::find_among(&self.slice(from, end), hertz).total() >= samples(end - from).mul_f64(0.5)
    }

    /// The longest time between the first and the last packet that no packet covers, to 10 ms.
    pub(crate) fn longest_gap(&self) -> Duration {
        let Some(first) = self.covered.iter().position(|c| *c) else { return Duration::ZERO };
        let last = self.covered.iter().rposition(|c| *c).unwrap_or(first);
        let (mut longest, mut run) = (0, 0);
        for covered in &self.covered[first..=last] {
            run = if *covered { 0 } else { run + 1 };
            longest = longest.max(run);
        }
        Duration::from_millis(longest * 10)
    }
}

fn samples(count: u64) -> Duration {
    Duration::from_micros(count * 1_000_000 / RATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(n: u64) -> Rtp {
        Rtp {
            marker: n == 0,
            payload_type: 0,
            sequence: n as u16,
            timestamp: 1000 + n as u32 * 160,
            ssrc: 5,
            payload: Vec::new(),
        }
    }

    fn voice(n: u64, hertz: u16) -> Vec<i16> {
        (0..160).map(|k| sound::voice_sample(hertz, n * 160 + k)).collect()
    }

    #[test]
    fn an_ear_puts_packets_in_their_place_and_knows_what_is_missing() {
        let t0 = stdx::testing::start();
        let at = |n: u64| t0 + Duration::from_millis(20 * n);
        let mut ear = Ear::new(t0);
        for n in (0..100).filter(|n| !(50..53).contains(n)) {
            // Every tenth packet is 15 ms late, some come twice.
            let late = if n % 10 == 3 { Duration::from_millis(15) } else { Duration::ZERO };
            ear.hear(&packet(n), &voice(n, 700), at(n) + late);
            if n % 7 == 0 {
                ear.hear(&packet(n), &voice(n, 700), at(n + 1));
            }
        }
        assert_eq!(ear.longest_gap(), Duration::from_millis(60));
        assert!(ear.hears(Sound::Voice(700), at(100)));
        assert!(!ear.hears(Sound::Voice(800), at(100)));
        let spells = ear.find(Sound::Voice(700), at(104)).spells;
        assert_eq!(spells.len(), 1, "a hole of 60 ms does not end a spell: {spells:?}");
        assert!(!ear.hears(Sound::Voice(700), at(160)), "it fell silent a second ago");
    }
}
