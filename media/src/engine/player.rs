//! Players: a sound, and how far it has been played.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// Samples in a frame: 20 ms at 8 kHz, what every phone takes.
pub(super) const FRAME: usize = 160;
/// A frame's time.
pub(super) const FRAME_TIME: Duration = Duration::from_millis(20);
/// A late tick makes up for so many frames at once; what is older was missed.
pub(super) const MAX_BURST: u32 = 5;

/// Plays a sound on an absolute clock.
#[derive(Debug)]
pub(super) struct Player {
    pcm: Arc<[i16]>,
    at: usize,
    repeat: bool,
    /// When the next frame is due.
    pub(super) next: Instant,
}

impl Player {
    pub(super) fn new(pcm: Arc<[i16]>, repeat: bool, next: Instant) -> Self {
        Self { pcm, at: 0, repeat, next }
    }

    /// The next frame, filled up with silence at the end; `None` after the end.
    pub(super) fn frame(&mut self) -> Option<[i16; FRAME]> {
        if self.is_over() {
            return None;
        }
        self.next += FRAME_TIME;
        let mut frame = [0; FRAME];
        let mut filled = 0;
        while filled < FRAME && !self.is_over() {
            let len = (self.pcm.len() - self.at).min(FRAME - filled);
            frame[filled..filled + len].copy_from_slice(&self.pcm[self.at..self.at + len]);
            self.at += len;
            filled += len;
            if self.repeat && self.at == self.pcm.len() {
                self.at = 0;
            }
        }
        Some(frame)
    }

    /// How many of the frames that are due at `now` are too old to be made up for; they are stepped over.
    pub(super) fn skip(&mut self, now: Instant) -> u32 {
        let due = now.saturating_duration_since(self.next).as_millis() / FRAME_TIME.as_millis();
        let missed = (due as u32).saturating_sub(MAX_BURST - 1);
        for _ in 0..missed {
            self.frame();
        }
        missed
    }

    fn is_over(&self) -> bool {
        self.at >= self.pcm.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_ends_with_silence_and_a_repeated_one_joins_its_beginning() {
        let now = stdx::testing::start();
        let pcm: Arc<[i16]> = (1..=200).collect();
        let mut once = Player::new(pcm.clone(), false, now);
        assert_eq!(once.frame().unwrap()[159], 160);
        let last = once.frame().unwrap();
        assert_eq!((last[0], last[39], last[40]), (161, 200, 0));
        assert_eq!(once.frame(), None);
        let mut again = Player::new(pcm, true, now);
        again.frame();
        let joined = again.frame().unwrap();
        assert_eq!((joined[39], joined[40]), (200, 1));
        assert_eq!(again.next, now + 2 * FRAME_TIME);
        assert_eq!(Player::new([].into(), true, now).frame(), None);
    }

    #[test]
    fn a_long_stall_is_stepped_over() {
        let now = stdx::testing::start();
        let mut player = Player::new(vec![1; 80_000].into(), false, now);
        assert_eq!(player.skip(now + 2 * FRAME_TIME), 0);
        assert_eq!(player.skip(now + 50 * FRAME_TIME), 46);
        assert_eq!(player.next, now + 46 * FRAME_TIME);
    }
}
