//! Recordings: when they begin and end, what their files are called, and what parties hear of them.

use crate::cell::{Cell, Timer};
use crate::config::Beep;
use crate::conversation::Recording;
use crate::io::{Output, RecordingKey};
use crate::playback::Clips;
use call::PartyKind;
use media::clip::{Clip, PREPARED};
use media::engine::{Page, Play, RecordingId};
use model::{
    CallId, Direction, EventBody, LegNo, MAX_RECORDINGS, RecordingChoice, RecordingFile, RecordingWish, Refusal, Reply,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::warn;

/// The announcement: 1400 Hz for 200 ms.
const BEEP_HZ: f64 = 1_400.0;
const BEEP_SAMPLES: usize = 1_600;
/// What the engine calls it: no playback of ours, nor the call's own.
pub(crate) const BEEP_TAG: u32 = u32::MAX;
/// Nobody is told more often.
const MIN_BEEP: Duration = Duration::from_secs(1);

impl Cell {
    /// Whether a call is recorded whomever it reaches: all are, or those of who calls.
    pub(crate) fn records_caller(&self, id: CallId) -> bool {
        let caller = self.conversations.get(&id).map(|conversation| conversation.call.caller());
        self.config.policy.record_all
            || caller.is_some_and(|caller| match &caller.kind {
                PartyKind::Extension => self.directory.extension(&caller.number).is_some_and(|found| found.record),
                PartyKind::Trunk(name) => self.directory.trunk(name).is_some_and(|trunk| trunk.record),
            })
    }

    /// Begins a recording of two parties.
    pub(crate) fn record(&mut self, id: CallId, of: [LegNo; 2], choice: RecordingChoice, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let (Some(left), Some(right)) = (conversation.port(of[0]), conversation.port(of[1])) else { return };
        let mixed = choice.mixed.unwrap_or(self.config.policy.record_mixed);
        let recording = self.media.record(left, right, mixed, now);
        if let Some(before) = conversation.recording.take() {
            conversation.recorded.push(before.file());
        }
        let path = self.recording_path(id, now);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.recording = Some(Recording {
            id: recording,
            of,
            path: path.clone(),
            note: String::new(),
            running: true,
            paused: false,
            mixed,
            only: choice.leg,
            from: 0,
            frames: 0,
        });
        self.recordings.insert(recording, id);
        let recording = self.recording_key(recording);
        self.out.push_back(Output::RecordingOpened { recording, path, mixed, from: 0 });
        self.announce_recording(id, now);
        self.keep(id, now);
    }

    /// The name of a call's next file.
    fn recording_path(&self, id: CallId, now: Instant) -> String {
        let time = self.directory.router().calendar().date_time(self.config.wall.at(now));
        let Some(conversation) = self.conversations.get(&id) else { return String::new() };
        let live = conversation.call.live();
        let template = &self.config.policy.record_name;
        let name = recording_name(template, &time, id, [&live.caller, &live.callee], live.direction);
        match conversation.recorded.len() {
            0 => format!("{name}.wav"),
            before => format!("{name}.{}.wav", before + 1),
        }
    }

    pub(crate) fn recording_key(&self, id: RecordingId) -> RecordingKey {
        RecordingKey { cell: self.config.cell, id }
    }

    /// A page is about to be written: in another file, if it has no place in this one.
    pub(crate) fn on_page(&mut self, recording: RecordingId, page: &Page, now: Instant) {
        let Some(id) = self.recordings.get(&recording).copied() else { return self.on_tape_page(recording, page, now) };
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        // Of one that failed nothing more is kept.
        let Some(kept) = conversation.recording.as_mut().filter(|kept| kept.note.is_empty()) else { return };
        let end = page.at() + page.frames() as u64;
        let frame = if kept.mixed { 2 } else { 4 };
        let is_full = (end - kept.from) * frame > self.config.policy.record_file_octets;
        if is_full && page.at() > kept.from && conversation.recorded.len() + 1 < MAX_RECORDINGS {
            let length_ms = kept.frames.saturating_sub(kept.from) / 8;
            let (path, note) = (kept.path.clone(), String::new());
            (kept.from, kept.frames) = (page.at(), end);
            let mixed = kept.mixed;
            conversation.recorded.push(RecordingFile { path, length_ms, complete: true, note });
            let path = self.recording_path(id, now);
            let kept = self.conversations.get_mut(&id).and_then(|c| c.recording.as_mut());
            kept.into_iter().for_each(|kept| kept.path.clone_from(&path));
            let recording = self.recording_key(recording);
            self.out.push_back(Output::RecordingOpened { recording, path, mixed, from: page.at() });
            return self.keep(id, now);
        }
        kept.frames = end;
    }

    /// The call wishes something of its recording.
    pub(crate) fn change_recording(&mut self, id: CallId, wish: RecordingWish, now: Instant) {
        let Some(recording) = self.conversations.get_mut(&id).and_then(|c| c.recording.as_mut()) else { return };
        recording.paused = wish == RecordingWish::Pause;
        let recording = recording.id;
        match wish {
            RecordingWish::Start => {}
            RecordingWish::Pause => self.media.pause_recording(recording, true, now),
            RecordingWish::Resume => self.media.pause_recording(recording, false, now),
            RecordingWish::Stop => self.media.stop_recording(recording, now),
        }
    }

    /// Somebody commands it.
    pub(crate) fn record_by_command(
        &mut self,
        id: CallId,
        wish: RecordingWish,
        choice: RecordingChoice,
        now: Instant,
    ) -> Result<Reply, Refusal> {
        let conversation = self.conversations.get_mut(&id).ok_or(Refusal::NoSuchCall)?;
        let files = conversation.recorded.len() + usize::from(conversation.recording.is_some());
        if wish == RecordingWish::Start && files >= MAX_RECORDINGS {
            return Err(Refusal::Overloaded);
        }
        conversation.call.record_by_command(wish, choice)?;
        tracing::info!(call = %id, ?wish, "recording by command");
        self.carry_out(id, now);
        Ok(Reply::Done)
    }

    /// A recording goes on with whoever took the place of a party.
    pub(crate) fn follow_with_recording(&mut self, id: CallId, legs: [LegNo; 2], now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Some(recording) = conversation.recording.as_mut().filter(|recording| recording.running) else { return };
        if recording.only.is_some_and(|leg| !legs.contains(&leg)) {
            let recording = recording.id;
            return self.media.stop_recording(recording, now);
        }
        let old = std::mem::replace(&mut recording.of, legs);
        if old == legs {
            return;
        }
        let mut gone = Vec::new();
        for (old, new) in old.into_iter().zip(legs).filter(|(old, new)| old != new) {
            let (Some(from), Some(to)) = (conversation.port(old), conversation.port(new)) else { continue };
            self.media.pass_recording(from, to, now);
            if conversation.session(old).is_none() {
                gone.push(old);
            }
        }
        for leg in gone {
            self.close_port(id, leg, now);
        }
        self.announce_recording(id, now);
    }

    /// The engine writes nothing more of a recording.
    pub(crate) fn on_recording_ended(&mut self, recording: RecordingId, frames: u64, note: String, now: Instant) {
        self.out.push_back(Output::RecordingClosed { recording: self.recording_key(recording) });
        if self.message_taken(recording, now) {
            return;
        }
        let Some(id) = self.recordings.remove(&recording) else { return drop(self.tapes.remove(&recording)) };
        self.timers.cancel(&Timer::Beep(id));
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Some(kept) = conversation.recording.as_mut().filter(|kept| kept.id == recording) else { return };
        kept.running = false;
        // Of one that failed, what came after was not kept.
        if kept.note.is_empty() {
            (kept.frames, kept.note) = (frames, note);
        }
        if !conversation.call.is_over() {
            conversation.call.recording_ended();
            self.keep(id, now);
        }
    }

    /// The shell cannot write a recording.
    pub(crate) fn on_recording_failed(&mut self, recording: RecordingKey, note: String, now: Instant) {
        if self.message_failed(recording.id, &note, now) {
            return;
        }
        let Some(id) = self.recordings.get(&recording.id).copied() else {
            return self.on_tape_failed(recording.id, &note, now);
        };
        warn!(call = %id, note, "a recording failed; the call goes on");
        if let Some(kept) = self.conversations.get_mut(&id).and_then(|c| c.recording.as_mut()) {
            kept.note.clone_from(&note);
        }
        self.tell(EventBody::RecordingFailed { call: id, note }, now);
        self.media.stop_recording(recording.id, now);
    }

    /// Those who shall know hear that they are recorded, now and perhaps again. Who hears a prompt or music is left to it.
    pub(crate) fn announce_recording(&mut self, id: CallId, now: Instant) {
        let heard_by = match self.config.policy.record_beep {
            Beep::Nobody => return,
            Beep::Both => [true, true],
            Beep::Caller => [true, false],
            Beep::Callee => [false, true],
        };
        let Some(conversation) = self.conversations.get(&id) else { return };
        let Some(recording) = conversation.recording.as_ref().filter(|recording| recording.running) else { return };
        if !recording.paused {
            let play = Play { tag: BEEP_TAG, ..Play::once(Arc::clone(self.beep.get_or_insert_with(beep))) };
            let meant = recording.of.iter().zip(heard_by).filter(|(_, hears)| *hears);
            for end in meant.filter_map(|(leg, _)| conversation.legs.get(leg)) {
                if let Some(port) = end.port.filter(|_| !end.music && end.playing.is_none()) {
                    self.media.play_list(port, &play, now);
                }
            }
        }
        if let Some(every) = self.config.policy.record_beep_every {
            self.timers.set(Timer::Beep(id), now + every.max(MIN_BEEP));
        }
    }
}

pub(crate) fn beep() -> Clips {
    let sample = |at: usize| ((at as f64 * BEEP_HZ / 8_000.0 * std::f64::consts::TAU).sin() * 5_000.0) as i16;
    let clip = Clip::from((0..BEEP_SAMPLES).map(sample).collect::<Vec<_>>());
    PREPARED.into_iter().for_each(|codec| clip.prepare(codec));
    Arc::from([Arc::new(clip)])
}

/// A recording's name by a template: `{yyyy}` `{MM}` `{dd}` `{HH}` `{mm}` `{ss}` are the time (given as
/// `2026-11-21 13:04:05`), `{call}` the call, `{caller}` and `{callee}` the numbers, `{direction}` is `internal`, `inbound` or
/// `outbound`, `{type}` the same as `internal`, `incoming` or `outgoing`. What of a number could not stand in a file's name
/// becomes `_`.
pub fn recording_name(
    template: &str,
    time: &str,
    call: CallId,
    [caller, callee]: [&str; 2],
    direction: Direction,
) -> String {
    let part = |from: usize, to: usize| time.get(from..to).unwrap_or("00").to_owned();
    let plain = |number: &str| {
        let usual = |c: char| if c.is_ascii_alphanumeric() || c == '+' { c } else { '_' };
        let number: String = number.chars().take(40).map(usual).collect();
        if number.is_empty() { "anonymous".to_owned() } else { number }
    };
    let kind = match direction {
        Direction::Inbound => "incoming",
        Direction::Outbound => "outgoing",
        Direction::Internal | Direction::Unknown => "internal",
    };
    let mut name = template.to_owned();
    for (mark, value) in [
        ("{yyyy}", part(0, 4)),
        ("{MM}", part(5, 7)),
        ("{dd}", part(8, 10)),
        ("{HH}", part(11, 13)),
        ("{mm}", part(14, 16)),
        ("{ss}", part(17, 19)),
        ("{call}", call.to_string()),
        ("{caller}", plain(caller)),
        ("{callee}", plain(callee)),
        ("{direction}", direction.name().to_owned()),
        ("{type}", kind.to_owned()),
    ] {
        name = name.replace(mark, &value);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_by_the_template_and_numbers_lead_nowhere() {
        let call = CallId::from_bytes([7; 16]);
        let name = |template: &str, caller: &str| {
            recording_name(template, "2026-11-21 13:04:05", call, [caller, "1001"], Direction::Inbound)
        };
        assert_eq!(name("{yyyy}/{MM}/{dd}/{call}", "x"), format!("2026/11/21/{call}"));
        assert_eq!(name("{yyyy}{MM}{dd}{HH}{mm}{ss}_{caller}_{callee}", "+86 10/.."), "20261121130405_+86_10____1001");
        assert_eq!(name("recording-{caller}-{direction}-{type}", ""), "recording-anonymous-inbound-incoming");
    }
}
