//! What is said in a conference, recorded: one file of all voices, which the record of each member names.
//!
//! A port without a peer hears everybody, and what it hears is written. The file is called after the call of who was there first.

use crate::cell::Cell;
use crate::config::Beep;
use crate::io::Output;
use crate::recording::{BEEP_TAG, beep, recording_name};
use media::engine::{Page, Play, PortId, RecordingId};
use model::{CallId, Direction, EventBody, LegNo, MAX_RECORDINGS, RecordingFile, RecordingWish, Refusal, Reply};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;
use tracing::{info, warn};

/// A conference's recording.
#[derive(Debug)]
pub(crate) struct Tape {
    id: RecordingId,
    pub(crate) port: PortId,
    path: String,
    begun: Instant,
    pub(crate) paused: bool,
}

impl Tape {
    /// The file as it stands.
    fn file(&self, note: &str, now: Instant) -> RecordingFile {
        let length_ms = now.saturating_duration_since(self.begun).as_millis() as u64;
        RecordingFile { path: self.path.clone(), length_ms, complete: note.is_empty(), note: note.to_owned() }
    }
}

impl Cell {
    /// Somebody commands it.
    pub(crate) fn record_conference(
        &mut self,
        name: &str,
        wish: RecordingWish,
        now: Instant,
    ) -> Result<Reply, Refusal> {
        let room = self.conferences.get_mut(name).ok_or(Refusal::NoSuchConference)?;
        match (wish, &mut room.tape) {
            (RecordingWish::Start, None) if room.taped >= MAX_RECORDINGS => return Err(Refusal::Overloaded),
            (RecordingWish::Start, None) => {
                return self.begin_tape(name, now).then_some(Reply::Done).ok_or(Refusal::Overloaded);
            }
            (RecordingWish::Stop, Some(_)) => self.finish_tape(name, "", now),
            (RecordingWish::Pause, Some(tape)) if !tape.paused => {
                tape.paused = true;
                self.media.pause_recording(tape.id, true, now);
            }
            (RecordingWish::Resume, Some(tape)) if tape.paused => {
                tape.paused = false;
                self.media.pause_recording(tape.id, false, now);
            }
            (_, Some(_) | None) => return Err(Refusal::WrongState),
        }
        if wish != RecordingWish::Stop {
            self.tell_tape(name, wish, "", now);
        }
        Ok(Reply::Done)
    }

    /// Begins a file; false if there is no port for it.
    pub(crate) fn begin_tape(&mut self, name: &str, now: Instant) -> bool {
        let Some(first) = self.conferences.get(name).and_then(|room| room.members.first()).map(|member| member.at)
        else {
            return false;
        };
        let end = self.conversations.get(&first.0).and_then(|c| c.legs.get(&first.1));
        let local = end.map(|end| end.flow.local.ip()).filter(IpAddr::is_ipv4);
        let opened = self.media.open(local.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), now).ok();
        let Some((port, id)) = opened.and_then(|port| Some((port, self.media.record_heard(port, now)?))) else {
            warn!("no port is left to record a conference by");
            return false;
        };
        let path = self.tape_path(name, first, now);
        let Some(room) = self.conferences.get_mut(name) else { return false };
        room.taped += 1;
        room.tape = Some(Tape { id, port, path: path.clone(), begun: now, paused: false });
        let members: Vec<_> = room.members.iter().map(|member| member.at).collect();
        info!(call = %first.0, "a conference is recorded");
        self.tapes.insert(id, name.to_owned());
        let recording = self.recording_key(id);
        self.out.push_back(Output::RecordingOpened { recording, path, mixed: true, from: 0 });
        members.into_iter().for_each(|at| self.tape_member(name, at, now));
        self.seat_members(name, now);
        self.tell_tape(name, RecordingWish::Start, "", now);
        true
    }

    fn tape_path(&self, name: &str, (call, leg): (CallId, LegNo), now: Instant) -> String {
        let time = self.directory.router().calendar().date_time(self.config.wall.at(now));
        let caller = self.number_of_leg(call, leg);
        let template = &self.config.policy.record_name;
        let path = recording_name(template, &time, call, [&caller, name], Direction::Internal);
        match self.conferences.get(name).map_or(0, |room| room.taped) {
            0 => format!("{path}.conference.wav"),
            before => format!("{path}.conference.{}.wav", before + 1),
        }
    }

    /// A member's record names the file, and the member is told if those who are recorded are.
    pub(crate) fn tape_member(&mut self, name: &str, at: (CallId, LegNo), now: Instant) {
        let Some(tape) = self.conferences.get(name).and_then(|room| room.tape.as_ref()) else { return };
        let file = tape.file("the switch stopped while recording", now);
        let Some(conversation) = self.conversations.get_mut(&at.0) else { return };
        if conversation.recorded.len() < MAX_RECORDINGS {
            conversation.recorded.push(file);
        }
        let tells = self.config.policy.record_beep != Beep::Nobody;
        let end = conversation.legs.get(&at.1).filter(|end| tells && !end.music && end.playing.is_none());
        if let Some(port) = end.and_then(|end| end.port) {
            let play = Play { tag: BEEP_TAG, ..Play::once(Arc::clone(self.beep.get_or_insert_with(beep))) };
            self.media.play_list(port, &play, now);
        }
        self.keep(at.0, now);
    }

    /// A member goes: so long was the file until then.
    pub(crate) fn note_tape(&mut self, name: &str, call: CallId, now: Instant) {
        let Some(tape) = self.conferences.get(name).and_then(|room| room.tape.as_ref()) else { return };
        let file = tape.file("", now);
        self.set_tape_file(call, &file);
    }

    fn set_tape_file(&mut self, call: CallId, file: &RecordingFile) {
        let files = self.conversations.get_mut(&call).into_iter().flat_map(|c| c.recorded.iter_mut());
        files.filter(|known| known.path == file.path).for_each(|known| known.clone_from(file));
    }

    /// The file is over; `note` says why if nobody wished that.
    pub(crate) fn finish_tape(&mut self, name: &str, note: &str, now: Instant) {
        let Some(room) = self.conferences.get_mut(name) else { return };
        let Some(tape) = room.tape.take() else { return };
        let members: Vec<_> = room.members.iter().map(|member| member.at.0).collect();
        let file = tape.file(note, now);
        for call in members {
            self.set_tape_file(call, &file);
            self.keep(call, now);
        }
        // Its recording ends with it.
        self.media.close(tape.port, now);
        self.tell_tape(name, RecordingWish::Stop, note, now);
    }

    /// A page is about to be written: the next goes into another file if this one is full.
    pub(crate) fn on_tape_page(&mut self, recording: RecordingId, page: &Page, now: Instant) {
        let octets = (page.at() + page.frames() as u64) * 2;
        let Some(name) =
            self.tapes.get(&recording).filter(|_| octets >= self.config.policy.record_file_octets).cloned()
        else {
            return;
        };
        let room = self.conferences.get(&name).filter(|room| room.tape.as_ref().is_some_and(|t| t.id == recording));
        if let Some(taped) = room.map(|room| room.taped) {
            self.finish_tape(&name, "", now);
            if taped < MAX_RECORDINGS {
                self.begin_tape(&name, now);
            }
        }
    }

    /// The shell cannot write it; the conference goes on.
    pub(crate) fn on_tape_failed(&mut self, recording: RecordingId, note: &str, now: Instant) {
        let Some(name) = self.tapes.get(&recording).cloned() else { return };
        warn!(note, "the recording of a conference failed; the conference goes on");
        if self.conferences.get(&name).and_then(|room| room.tape.as_ref()).is_some_and(|tape| tape.id == recording) {
            self.finish_tape(&name, note, now);
        }
    }

    fn tell_tape(&mut self, name: &str, wish: RecordingWish, note: &str, now: Instant) {
        let (conference, note) = (name.to_owned(), note.to_owned());
        self.tell(EventBody::ConferenceRecording { conference, wish, note }, now);
    }
}
