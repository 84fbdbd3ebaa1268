//! Digits out of RFC 4733 packets: one press is told once, however many packets tell of it and whichever are lost.

use std::time::{Duration, Instant};

/// A press whose end never came is over after so long without a packet of it.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);

/// A key and for how long.
pub(super) type Digit = (char, Duration);

/// The key that is or was pressed last.
#[derive(Debug, Default)]
pub(super) struct Digits(Option<Press>);

#[derive(Debug)]
struct Press {
    epoch: u32,
    timestamp: u32,
    digit: char,
    duration: Duration,
    heard: Instant,
    told: bool,
}

impl Digits {
    /// A packet of an event: tells the press it ends, and before that one that was still open.
    /// `clock` is the ticks in 10 ms.
    pub(super) fn packet(
        &mut self,
        epoch: u32,
        timestamp: u32,
        payload: &[u8],
        clock: u16,
        now: Instant,
    ) -> [Option<Digit>; 2] {
        let Some(&[event, flags, high, low]) = payload.first_chunk() else { return [None; 2] };
        let Some(digit) = key(event) else { return [None; 2] };
        let ticks = u64::from(u16::from_be_bytes([high, low]));
        let duration = Duration::from_micros(ticks * 10_000 / u64::from(clock.max(1)));
        let ended = flags & 0x80 != 0;
        let mut before = None;
        match &mut self.0 {
            Some(press) if press.epoch == epoch && press.timestamp == timestamp => {
                press.duration = press.duration.max(duration);
                press.heard = now;
            }
            // A straggler of an earlier press.
            Some(press) if press.epoch == epoch && timestamp.wrapping_sub(press.timestamp) >= 0x8000_0000 => {
                return [None; 2];
            }
            Some(_) | None => {
                before = self.close();
                self.0 = Some(Press { epoch, timestamp, digit, duration, heard: now, told: false });
            }
        }
        [before, if ended { self.close() } else { None }]
    }

    /// Tells a press whose end was lost, when it is due.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Digit> {
        if self.deadline()? <= now { self.close() } else { None }
    }

    /// When [`Digits::overdue`] will have something to tell, if nothing more comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().filter(|p| !p.told).map(|p| p.heard + PATIENCE)
    }

    fn close(&mut self) -> Option<Digit> {
        let press = self.0.as_mut().filter(|p| !p.told)?;
        press.told = true;
        Some((press.digit, press.duration))
    }
}

/// RFC 4733 §3.2: the key of each event, from 0 on.
pub(super) const KEYS: &[u8; 17] = b"0123456789*#ABCD!";

fn key(event: u8) -> Option<char> {
    KEYS.get(usize::from(event)).map(|k| char::from(*k))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_press_of_many_packets_is_told_once_with_its_duration() {
        let now = stdx::testing::start();
        let mut digits = Digits::default();
        for i in 1..=5u8 {
            assert_eq!(digits.packet(1, 800, &[5, 10, 0, i * 40], 80, now), [None; 2]);
        }
        let end = [5, 0x8a, 3, 32];
        assert_eq!(digits.packet(1, 800, &end, 80, now), [None, Some(('5', 100 * MS))]);
        assert_eq!(digits.packet(1, 800, &end, 80, now), [None; 2]);
        assert_eq!(digits.packet(1, 800, &end, 80, now), [None; 2]);
        assert_eq!(digits.deadline(), None);
    }

    #[test]
    fn a_lost_end_is_told_by_the_next_press_or_by_time_and_stragglers_tell_nothing() {
        let now = stdx::testing::start();
        let mut digits = Digits::default();
        digits.packet(1, 800, &[11, 10, 0, 160], 80, now);
        assert_eq!(digits.packet(1, 4000, &[1, 10, 0, 160], 80, now), [Some(('#', 20 * MS)), None]);
        assert_eq!(digits.packet(1, 800, &[11, 0x8a, 3, 32], 80, now), [None; 2]);
        assert_eq!(digits.overdue(now + 199 * MS), None);
        assert_eq!(digits.overdue(now + 200 * MS), Some(('1', 20 * MS)));
        assert_eq!(digits.overdue(now + 400 * MS), None);
        for short in [&[][..], &[1], &[1, 0x80, 0], &[99, 0x80, 0, 1]] {
            assert_eq!(digits.packet(1, 9000, short, 80, now), [None; 2]);
        }
    }
}
