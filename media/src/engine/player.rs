//! Players: a list of clips, and how far it has been played.

use crate::clip::{Clip, NARROW, WIDE};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Samples in a frame: 20 ms at 8 kHz, what every phone takes.
pub(super) const FRAME: usize = NARROW;
/// A frame's time.
pub(super) const FRAME_TIME: Duration = Duration::from_millis(20);
/// A late tick makes up for so many frames at once; what is older was missed.
pub(super) const MAX_BURST: u32 = 5;

/// What is to be played, and how.
#[derive(Clone, Debug)]
pub struct Play {
    /// One after the other, without a seam.
    pub clips: Arc<[Arc<Clip>]>,
    /// How often; `None`: until it is stopped.
    pub times: Option<u32>,
    /// Where it begins; beyond the end it is over at once.
    pub from: Duration,
    /// How much louder, in decibels from −40 to 20.
    pub volume_db: f32,
    /// A key that is pressed at this port ends it.
    pub barge_in: bool,
    /// Comes back in [`Event::Played`](super::Event::Played).
    pub tag: u32,
}

impl Play {
    /// Once, as it is.
    pub fn once(clips: Arc<[Arc<Clip>]>) -> Self {
        Self { clips, times: Some(1), from: Duration::ZERO, volume_db: 0.0, barge_in: false, tag: 0 }
    }

    /// Round and round.
    pub fn forever(clips: Arc<[Arc<Clip>]>) -> Self {
        Self { times: None, ..Self::once(clips) }
    }
}

/// Plays a list on an absolute clock.
#[derive(Debug)]
pub(super) struct Player {
    clips: Arc<[Arc<Clip>]>,
    /// The clip that is being played, and the sample of it that is next.
    clip: usize,
    at: usize,
    /// Rounds that follow the present one.
    rounds: Option<u32>,
    /// In 1/4096.
    gain: i32,
    pub(super) barge_in: bool,
    pub(super) tag: u32,
    paused: bool,
    played: u64,
    /// When the next frame is due.
    pub(super) next: Instant,
}

/// 20 ms of a player.
#[derive(Debug)]
pub(super) struct Frame {
    /// 8 kHz.
    pub(super) narrow: [i16; FRAME],
    /// 16 kHz, if all of it has such.
    pub(super) wide: Option<[i16; WIDE]>,
    /// It is a frame of a clip, whole and as it is.
    pub(super) whole: Option<Whole>,
}

/// A frame of a clip.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) clip: Arc<Clip>,
    /// Which.
    pub(super) at: usize,
    /// Something was played before the clip.
    pub(super) again: bool,
}

impl Frame {
    fn silent() -> Self {
        Self { narrow: [0; FRAME], wide: None, whole: None }
    }

    /// Of a sound that is no clip.
    pub(super) fn of(narrow: [i16; FRAME]) -> Self {
        Self { narrow, wide: None, whole: None }
    }
}

impl Player {
    pub(super) fn new(play: &Play, next: Instant) -> Self {
        let mut player = Self {
            clips: Arc::clone(&play.clips),
            clip: 0,
            at: 0,
            rounds: play.times.map(|times| times.saturating_sub(1)),
            gain: super::hear::factor(play.volume_db),
            barge_in: play.barge_in,
            tag: play.tag,
            paused: false,
            played: 0,
            next,
        };
        let silent = player.clips.iter().all(|clip| clip.pcm().is_empty());
        if silent || play.times == Some(0) {
            player.clip = player.clips.len();
            player.rounds = Some(0);
        }
        player.seek(play.from);
        player
    }

    /// The next frame, filled up with silence at the end; `None` after the end.
    pub(super) fn frame(&mut self) -> Option<Frame> {
        if self.is_over() {
            return None;
        }
        self.next += FRAME_TIME;
        if self.paused {
            return Some(Frame::silent());
        }
        self.played += 1;
        let whole = self.whole();
        let mut frame = Frame { whole, ..Frame::silent() };
        let mut wide = [0; WIDE];
        let (mut filled, mut has_wide) = (0, true);
        while filled < FRAME && !self.is_over() {
            let clip = &self.clips[self.clip];
            let pcm = &clip.pcm()[self.at..];
            let len = pcm.len().min(FRAME - filled);
            frame.narrow[filled..filled + len].copy_from_slice(&pcm[..len]);
            match clip.wide() {
                Some(pcm) => wide[filled * 2..][..len * 2].copy_from_slice(&pcm[self.at * 2..][..len * 2]),
                None => has_wide = false,
            }
            self.at += len;
            filled += len;
            self.turn();
        }
        frame.wide = has_wide.then_some(wide);
        if self.gain != super::hear::UNITY {
            let louder = |s: &mut i16| *s = ((i32::from(*s) * self.gain) >> 12).clamp(-32_768, 32_767) as i16;
            frame.narrow.iter_mut().for_each(louder);
            frame.wide.iter_mut().flatten().for_each(louder);
        }
        Some(frame)
    }

    /// Nobody can hear it yet: silence, after which it is where it was.
    pub(super) fn wait(&mut self) -> Option<Frame> {
        self.next += FRAME_TIME;
        Some(Frame::silent())
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

    /// How long it has been played, pauses left out.
    pub(super) fn played(&self) -> Duration {
        FRAME_TIME * self.played as u32
    }

    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Goes on at this place of the list, in the present round.
    pub(super) fn seek(&mut self, to: Duration) {
        if self.is_over() {
            return;
        }
        let mut samples = usize::try_from(to.as_micros() / 125).unwrap_or(usize::MAX);
        (self.clip, self.at) = (0, 0);
        while let Some(clip) = self.clips.get(self.clip) {
            if samples < clip.pcm().len() {
                self.at = samples;
                return;
            }
            samples -= clip.pcm().len();
            self.clip += 1;
        }
        self.turn();
    }

    /// The frame of a clip that is next, if nothing has to be done to it.
    fn whole(&self) -> Option<Whole> {
        let clip = self.clips.get(self.clip)?;
        let as_it_is =
            self.gain == super::hear::UNITY && self.at.is_multiple_of(FRAME) && self.at + FRAME <= clip.pcm().len();
        let at = self.at / FRAME;
        // This one is counted already.
        let again = self.played > at as u64 + 1;
        as_it_is.then(|| Whole { clip: Arc::clone(clip), at, again })
    }

    /// Goes on to the next clip, or to the next round, where one is at its end.
    fn turn(&mut self) {
        while self.clips.get(self.clip).is_some_and(|clip| self.at >= clip.pcm().len()) {
            self.clip += 1;
            self.at = 0;
        }
        if self.clip < self.clips.len() {
            return;
        }
        match &mut self.rounds {
            Some(0) => return,
            Some(rounds) => *rounds -= 1,
            None => {}
        }
        (self.clip, self.at) = (0, 0);
        // The list holds some sound, or the player would be over.
        while self.clips.get(self.clip).is_some_and(|clip| clip.pcm().is_empty()) {
            self.clip += 1;
        }
    }

    fn is_over(&self) -> bool {
        self.clip >= self.clips.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(clips: &[Vec<i16>]) -> Arc<[Arc<Clip>]> {
        clips.iter().map(|pcm| Arc::new(Clip::from(pcm.clone()))).collect()
    }

    /// All it plays, without the frames' ends.
    fn all(player: &mut Player, most: usize) -> Vec<i16> {
        std::iter::from_fn(|| player.frame()).take(most).flat_map(|frame| frame.narrow).collect()
    }

    #[test]
    fn a_prompt_ends_with_silence_and_a_repeated_one_joins_its_beginning() {
        let now = stdx::testing::start();
        let pcm: Vec<i16> = (1..=200).collect();
        let mut once = Player::new(&Play::once(list(std::slice::from_ref(&pcm))), now);
        assert_eq!(once.frame().unwrap().narrow[159], 160);
        let last = once.frame().unwrap();
        assert_eq!((last.narrow[0], last.narrow[39], last.narrow[40]), (161, 200, 0));
        assert!(last.whole.is_none() && once.frame().is_none());
        let mut again = Player::new(&Play::forever(list(&[pcm])), now);
        again.frame();
        let joined = again.frame().unwrap().narrow;
        assert_eq!((joined[39], joined[40]), (200, 1));
        assert_eq!(again.next, now + 2 * FRAME_TIME);
    }

    #[test]
    fn lists_have_no_seam_and_are_played_so_often() {
        let now = stdx::testing::start();
        let clips = list(&[(0..100).collect(), Vec::new(), (100..250).collect(), Vec::new()]);
        let mut twice = Player::new(&Play { times: Some(2), ..Play::once(clips.clone()) }, now);
        let heard = all(&mut twice, 99);
        let expected: Vec<i16> = (0..250).chain(0..250).chain([0; 140]).collect();
        assert_eq!(heard, expected);
        assert_eq!(twice.played(), 4 * FRAME_TIME);
        let mut forever = Player::new(&Play::forever(clips.clone()), now);
        assert_eq!(all(&mut forever, 1_000).len(), 160_000);
        for nothing in [Play::forever(list(&[Vec::new()])), Play::forever(list(&[]))] {
            assert!(Player::new(&nothing, now).frame().is_none());
        }
        assert!(Player::new(&Play { times: Some(0), ..Play::once(clips) }, now).frame().is_none());
    }

    #[test]
    fn it_begins_elsewhere_goes_elsewhere_pauses_and_is_louder() {
        let now = stdx::testing::start();
        let clips = list(&[(0..1_600).collect(), (1_600..3_200).collect()]);
        let play = Play { from: Duration::from_millis(250), ..Play::once(clips.clone()) };
        let mut player = Player::new(&play, now);
        assert_eq!(player.frame().unwrap().narrow[..2], [2_000, 2_001]);
        player.pause(true);
        assert_eq!(player.frame().unwrap().narrow, [0; FRAME]);
        player.pause(false);
        assert_eq!(player.frame().unwrap().narrow[0], 2_160);
        player.seek(Duration::ZERO);
        let frame = player.frame().unwrap();
        assert_eq!((frame.narrow[1], frame.whole.unwrap().at), (1, 0));
        assert_eq!(player.played(), 3 * FRAME_TIME);
        player.seek(Duration::from_secs(9));
        assert!(player.frame().is_none());
        let mut loud = Player::new(&Play { volume_db: 6.02, ..Play::once(clips) }, now);
        let frame = loud.frame().unwrap();
        assert!(frame.narrow[100].abs_diff(200) <= 1 && frame.whole.is_none());
    }

    #[test]
    fn a_long_stall_is_stepped_over() {
        let now = stdx::testing::start();
        let mut player = Player::new(&Play::once(list(&[vec![1; 80_000]])), now);
        assert_eq!(player.skip(now + 2 * FRAME_TIME), 0);
        assert_eq!(player.skip(now + 50 * FRAME_TIME), 46);
        assert_eq!(player.next, now + 46 * FRAME_TIME);
    }
}
