//! Recordings: two voices on one clock, handed out in pages.
//!
//! Frame 0 is the moment the recording began. Pages are handed out when nothing can reach them any more, so a
//! crash loses less than a second. Only G.711 can be recorded: other audio ends the recording with
//! [`EndReason::UnsupportedCodec`]. While the switch plays a sound to one party, that sound is what the other
//! channel holds: a recording is what was heard.

use super::player::FRAME;
use super::track::{Track, WINDOW};
use super::types::{EndReason, Output, PortId, RecordingId};
use crate::g711::Law;
use crate::rtp::Header;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Frames in a full page: half a second.
const PAGE: usize = 4_000;
/// Pages that may be on their way to the disk; beyond (8 s) they are lost and counted rather than kept.
const MAX_OUT: usize = 16;

/// Up to half a second of a recording, 16 bits at 8 kHz: interleaved stereo, left first, or both voices in one channel.
#[derive(Debug, Default)]
pub struct Page {
    at: u64,
    samples: Vec<i16>,
    mixed: bool,
}

impl Page {
    /// The frame of the recording at which the page begins. If it lies beyond what has been written, what is between
    /// was lost (see [`Output::RecordingEnded`]) and is to be written as silence.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Left, right, left, right …; or one channel.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Frames in it.
    pub fn frames(&self) -> usize {
        self.samples.len() / if self.mixed { 1 } else { 2 }
    }

    /// Both voices in one channel.
    fn mix(&mut self) {
        for at in 0..self.samples.len() / 2 {
            self.samples[at] = self.samples[at * 2].saturating_add(self.samples[at * 2 + 1]);
        }
        self.samples.truncate(self.samples.len() / 2);
        self.mixed = true;
    }

    /// Makes it a silent page at `at`.
    fn clear(&mut self, at: u64) {
        self.at = at;
        self.mixed = false;
        self.samples.clear();
        self.samples.resize(PAGE * 2, 0);
    }
}

/// A channel of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

/// A recording under way.
#[derive(Debug)]
pub(super) struct Recorder {
    id: RecordingId,
    start: Instant,
    /// The page that is handed out next, and the one after.
    front: Page,
    back: Page,
    spare: Vec<Page>,
    out: usize,
    missing: u64,
    tracks: [Track; 2],
    /// True while the switch speaks on that channel.
    taken: [bool; 2],
    mixed: bool,
    /// Silence is written.
    paused: bool,
    /// The frame with which it last went on: what was said before is not written, however late it comes.
    resumed_at: i64,
    pub(super) ports: [Option<PortId>; 2],
}

impl Recorder {
    pub(super) fn new(id: RecordingId, ports: [Option<PortId>; 2], mixed: bool, now: Instant) -> Self {
        let (mut front, mut back) = (Page::default(), Page::default());
        front.clear(0);
        back.clear(PAGE as u64);
        Self {
            id,
            start: now,
            front,
            back,
            // Room for what comes back, so that a page in steady state is no allocation.
            spare: Vec::with_capacity(MAX_OUT),
            out: 0,
            missing: 0,
            tracks: Default::default(),
            taken: [false; 2],
            mixed,
            paused: false,
            resumed_at: i64::MIN,
            ports,
        }
    }

    /// When the next page is due.
    pub(super) fn deadline(&self) -> Instant {
        let frames = self.front.at + PAGE as u64 + WINDOW as u64;
        self.start + Duration::from_micros(frames * 125)
    }

    /// Hands out the pages that are due.
    pub(super) fn advance(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        let here = self.frame_at(now);
        while here >= self.front.at as i64 + PAGE as i64 + WINDOW {
            self.turn(PAGE, out);
        }
    }

    /// A packet of a voice, in place.
    pub(super) fn voice(
        &mut self,
        side: Side,
        header: &Header,
        (law, payload): (Law, &[u8]),
        epoch: u32,
        now: Instant,
        out: &mut VecDeque<Output>,
    ) {
        self.advance(now, out);
        let here = self.frame_at(now);
        let place = self.tracks[side as usize].place(header, epoch, payload.len() as i64, here);
        if self.taken[side as usize] {
            return;
        }
        if let Some((from, by)) = place.pulled {
            self.pull(side, from, by);
        }
        self.write(side, place.at, payload.len(), |i| law.decode(payload[i]));
    }

    /// Silence is written from now on, or what is said.
    pub(super) fn pause(&mut self, paused: bool, now: Instant) {
        if self.paused && !paused {
            self.resumed_at = self.frame_at(now);
        }
        self.paused = paused;
    }

    /// Another port speaks on this channel from now on; its stream begins where it begins.
    pub(super) fn succeed(&mut self, side: Side, port: PortId) {
        self.ports[side as usize] = Some(port);
        self.tracks[side as usize] = Track::default();
    }

    /// The switch begins or ends to speak on this channel.
    pub(super) fn take(&mut self, side: Side, taken: bool) {
        self.taken[side as usize] = taken;
    }

    /// A frame of a sound the switch plays, due at `due`.
    pub(super) fn sound(&mut self, side: Side, pcm: &[i16; FRAME], due: Instant, out: &mut VecDeque<Output>) {
        self.advance(due, out);
        let at = self.frame_at(due);
        self.write(side, at, FRAME, |i| pcm[i]);
    }

    /// A frame of a voice that was decoded, heard at `due`.
    pub(super) fn decoded(&mut self, side: Side, pcm: &[i16; FRAME], due: Instant, out: &mut VecDeque<Output>) {
        if !self.taken[side as usize] {
            self.sound(side, pcm, due, out);
        }
    }

    /// A page that has been written comes back.
    pub(super) fn give_back(&mut self, page: Page) {
        self.out = self.out.saturating_sub(1);
        if self.spare.len() < MAX_OUT {
            self.spare.push(page);
        }
    }

    /// Hands out the rest.
    pub(super) fn end(mut self, reason: EndReason, now: Instant, out: &mut VecDeque<Output>) {
        self.advance(now, out);
        let end = self.frame_at(now).max(0) as u64;
        while self.front.at < end {
            self.turn((end - self.front.at).min(PAGE as u64) as usize, out);
        }
        out.push_back(Output::RecordingEnded { recording: self.id, samples: end, missing: self.missing, reason });
    }

    fn frame_at(&self, now: Instant) -> i64 {
        match now.checked_duration_since(self.start) {
            Some(since) => (since.as_micros() / 125) as i64,
            // A frame that was due before the recording began.
            None => -((self.start - now).as_micros() as i64 / 125),
        }
    }

    /// Hands out the first `frames` of the front page and makes the back page the front.
    fn turn(&mut self, frames: usize, out: &mut VecDeque<Output>) {
        std::mem::swap(&mut self.front, &mut self.back);
        let next = self.front.at + PAGE as u64;
        if self.out >= MAX_OUT {
            self.missing += frames as u64;
        } else {
            let mut page = std::mem::replace(&mut self.back, self.spare.pop().unwrap_or_default());
            page.samples.truncate(frames * 2);
            if self.mixed {
                page.mix();
            }
            self.out += 1;
            out.push_back(Output::Page { recording: self.id, page });
        }
        self.back.clear(next);
    }

    /// Moves what is written on a channel from frame `from` on so many frames earlier; silence follows.
    fn pull(&mut self, side: Side, from: i64, by: i64) {
        let base = self.front.at as i64;
        for frame in (from - base).max(0)..(PAGE as i64 * 2) {
            let sample = self.slot(frame, side).map_or(0, std::mem::take);
            if let Some(slot) = self.slot(frame - by, side) {
                *slot = sample;
            }
        }
    }

    /// The sample of a frame counted from the front page's first.
    fn slot(&mut self, frame: i64, side: Side) -> Option<&mut i16> {
        let frame = usize::try_from(frame).ok()?;
        let (page, frame) = if frame < PAGE { (&mut self.front, frame) } else { (&mut self.back, frame - PAGE) };
        page.samples.get_mut(frame * 2 + side as usize)
    }

    /// Writes what lies within the two pages; what is older has been handed out.
    fn write(&mut self, side: Side, at: i64, len: usize, sample: impl Fn(usize) -> i16) {
        if self.paused {
            return;
        }
        let from = at - self.front.at as i64;
        let unheard = self.resumed_at.saturating_sub(at).clamp(0, len as i64) as usize;
        for i in unheard..len {
            if let Some(slot) = self.slot(from + i as i64, side) {
                *slot = sample(i);
            }
        }
    }
}
