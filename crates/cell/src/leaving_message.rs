//! Callers who leave a message: they hear a greeting and a beep, and what they say then is a file.
//!
//! A message stands in the hot store before its caller is told so, or its BYE is answered, and is forgotten there when the database has
//! it. Its sound is written like that of a recording, so that a `kill -9` takes its last second at most.

use crate::cell::{Cell, Timer};
use crate::errands::Purpose;
use crate::hot;
use crate::io::{Errand, Output};
use crate::mailboxes::Doing;
use media::engine::{Page, PortId, RecordingId};
use model::{CallId, EventBody, LegNo, MIN_VOICEMAIL_MS, Voicemail};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use stdx::Wall;
use tracing::{info, warn};

/// After so many frames without a sound a message is over: five seconds.
const SILENCE: u64 = 40_000;

/// What is softer is no voice: about -45 dB below full scale, as the mean of a page's samples.
const SOFT: u64 = 130;

/// A message that is being spoken.
#[derive(Debug)]
pub(crate) struct Taking {
    call: CallId,
    leg: LegNo,
    mailbox: String,
    from: String,
    path: String,
    /// It hears the caller.
    port: PortId,
    begun: Instant,
    /// The frame of its last sound.
    loud_until: u64,
    /// It is over; what is left of its sound is on its way.
    over: bool,
}

impl Taking {
    /// As it stands.
    fn message(&self, wall: &Wall) -> Voicemail {
        let Self { call, mailbox, from, path, begun, loud_until, .. } = self;
        let (mailbox, from, path) = (mailbox.clone(), from.clone(), path.clone());
        Voicemail {
            id: 0,
            mailbox,
            call: *call,
            from,
            at: wall.at(*begun),
            length_ms: loud_until / 8,
            path,
            heard: false,
        }
    }
}

impl Cell {
    /// The greeting is over: what the caller says from now on is the message.
    pub(crate) fn take_message(&mut self, call: CallId, leg: LegNo, now: Instant) {
        let Some(conversation) = self.conversations.get(&call) else { return };
        let (Some(there), Some(end)) = (&conversation.mailbox, conversation.legs.get(&leg)) else { return };
        let (mailbox, seconds) = (there.mailbox.name.clone(), there.mailbox.max_seconds);
        let Some(speaker) = end.port else { return };
        let from = conversation.call.number_of(leg).unwrap_or_default().to_owned();
        let before = self.conversations.get(&call).map_or(0, |c| c.messages_left);
        let local = Some(end.flow.local.ip()).filter(IpAddr::is_ipv4).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let opened = self.may_take_port(false).then(|| self.media.open(local, now).ok()).flatten();
        let Some((port, id)) = opened.and_then(|port| Some((port, self.media.record_heard(port, now)?))) else {
            warn!(call = %call, "no port is left to take a message by");
            return self.facts.push_back((call, call::Input::Announced));
        };
        self.media.hear(port, &[speaker], now);
        let path = match before {
            0 => format!("voicemail/{mailbox}/{call}.wav"),
            before => format!("voicemail/{mailbox}/{call}.{}.wav", before + 1),
        };
        if let Some(conversation) = self.conversations.get_mut(&call) {
            conversation.messages_left += 1;
            if let Some(there) = &mut conversation.mailbox {
                there.doing = Doing::Taking;
            }
        }
        info!(call = %call, "a message is spoken");
        let recording = self.recording_key(id);
        self.out.push_back(Output::RecordingOpened { recording, path: path.clone(), mixed: true, from: 0 });
        let taking = Taking { call, leg, mailbox, from, path, port, begun: now, loud_until: 0, over: false };
        self.takings.insert(id, taking);
        self.timers.set(Timer::Mailbox(call), now + Duration::from_secs(seconds.into()));
    }

    /// A page of a message; false if it is of something else. Who has said nothing for a while has said all.
    pub(crate) fn on_message_page(&mut self, recording: RecordingId, page: &Page, now: Instant) -> bool {
        let Some(taking) = self.takings.get_mut(&recording) else { return false };
        let end = page.at() + page.frames() as u64;
        let sum: u64 = page.samples().iter().map(|sample| u64::from(sample.unsigned_abs())).sum();
        if sum > SOFT * page.frames().max(1) as u64 {
            taking.loud_until = end;
        }
        let (call, kept) = (taking.call, taking.message(&self.config.wall));
        if kept.length_ms >= MIN_VOICEMAIL_MS {
            // A kill from here on takes what comes after, not the message.
            self.out.push_back(Output::Keep { key: hot::voicemail(&kept), value: hot::voicemail_value(&kept) });
        }
        let Some(taking) = self.takings.get(&recording) else { return true };
        if !taking.over && end >= taking.loud_until + SILENCE {
            self.message_over(call, now);
        }
        true
    }

    /// The message is over: by a key, by silence, by its length, or because its caller went. False: none was being spoken.
    pub(crate) fn message_over(&mut self, call: CallId, now: Instant) -> bool {
        let Some(taking) = self.takings.values_mut().find(|taking| taking.call == call && !taking.over) else {
            return false;
        };
        taking.over = true;
        let port = taking.port;
        self.timers.cancel(&Timer::Mailbox(call));
        // Its recording ends with it, and says so.
        self.media.close(port, now);
        true
    }

    /// All of a message's sound is on its way to the disk; false if that recording was something else.
    pub(crate) fn message_taken(&mut self, recording: RecordingId, now: Instant) -> bool {
        let Some(taking) = self.takings.remove(&recording) else { return false };
        let (call, leg, message) = (taking.call, taking.leg, taking.message(&self.config.wall));
        let length_ms = message.length_ms;
        if length_ms < MIN_VOICEMAIL_MS {
            info!(call = %call, "a message was too short to be kept");
            self.send_for(Errand::Discard { path: message.path }, Purpose::Nothing);
        } else {
            info!(call = %call, length_ms, "a message was left");
            let key = hot::voicemail(&message);
            self.out.push_back(Output::Keep { key, value: hot::voicemail_value(&message) });
            self.tell(
                EventBody::VoicemailLeft {
                    call,
                    mailbox: message.mailbox.clone(),
                    from: message.from.clone(),
                    length_ms,
                },
                now,
            );
            self.store_voicemail(message);
        }
        self.end_message(call, leg, length_ms >= MIN_VOICEMAIL_MS, now);
        true
    }

    /// What the last process did not bring into the database, or this one.
    pub(crate) fn restore_voicemail(&mut self, key: &[u8], value: &[u8]) {
        match hot::voicemail_of(value) {
            Some(message) => self.store_voicemail(message),
            None => self.out.push_back(Output::Forget { key: key.to_vec() }),
        }
    }

    fn store_voicemail(&mut self, message: Voicemail) {
        let key = hot::voicemail(&message);
        if !self.send_for(Errand::KeepVoicemail(Box::new(message)), Purpose::Voicemail { key }) {
            warn!("too much waits for the database: a message comes into its mailbox after the next start only");
        }
    }

    /// The shell cannot write it.
    pub(crate) fn message_failed(&mut self, recording: RecordingId, note: &str, now: Instant) -> bool {
        let Some(call) = self.takings.get(&recording).map(|taking| taking.call) else { return false };
        warn!(call = %call, note, "a message cannot be written");
        self.message_over(call, now);
        true
    }
}
