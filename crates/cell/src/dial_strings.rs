//! What agents' phones tell the switch by dialling it: it answers, lets them hear that it has understood, and hangs up; who works
//! off-hook stays.

use crate::cell::{Cell, Timer};
use crate::errands::Purpose;
use crate::io::{Errand, ToDesk};
use crate::serving::Service;
use call::{Input, PartyKind};
use media::engine::Sound;
use media::tones::Tone;
use model::{CallId, LegNo, Outcome};
use route::DialString;
use std::time::{Duration, Instant};
use tracing::info;

/// How long a tone says that something cannot be done.
const REFUSAL: Duration = Duration::from_secs(3);

impl Cell {
    /// A phone has dialled something that is for the switch.
    pub(crate) fn reach_switch(&mut self, id: CallId, by: LegNo, said: DialString) {
        let own = self.conversations.get(&id).is_some_and(|conversation| {
            let call = &conversation.call;
            call.caller_leg() == by && call.waiting() == by && call.caller().kind == PartyKind::Extension
        });
        if let (true, DialString::Voicemail { mailbox }) = (own, &said) {
            self.open_mailbox(id, mailbox.as_deref());
        } else if own {
            self.serve_with(id, Service::DialString { said, waits: false });
        } else {
            // Who is sent there by another party has nothing to tell.
            self.serve_not(id, Outcome::Unallocated, "only a phone itself can tell the switch something");
        }
    }

    /// Does what an agent's phone has told, and lets it hear so.
    pub(crate) fn obey(&mut self, id: CallId, leg: LegNo, said: &DialString, now: Instant) {
        info!(call = %id, what = said.meaning(), "told by a phone");
        match said {
            DialString::Login | DialString::Logoff => {
                let caller = self.conversations.get(&id).map(|conversation| conversation.call.caller().number.clone());
                let extension = caller.unwrap_or_default();
                self.write_desk(ToDesk::Dialled { call: id, extension, comes: *said == DialString::Login });
            }
            DialString::Wish(wish) => {
                let caller = self.conversations.get(&id).map(|conversation| conversation.call.caller().number.clone());
                let errand = Errand::ChangeExtension { number: caller.unwrap_or_default(), wish: wish.clone() };
                if !self.send_for(errand, Purpose::DialString(id)) {
                    self.refuse_by_tone(id, leg, now);
                }
            }
            // Served by its mailbox.
            DialString::Voicemail { .. } => {}
            // There for as long as it stays on the line.
            DialString::OffHook { .. } => self.hold_music(id, leg, true, now),
        }
    }

    /// What a phone told is done, or cannot be.
    pub(crate) fn obeyed(&mut self, id: CallId, done: bool, now: Instant) {
        let leg = self.conversations.get(&id).and_then(|conversation| conversation.call.served().first().copied());
        match leg {
            Some(leg) if done => self.confirm_by_tone(id, leg, now),
            Some(leg) => self.refuse_by_tone(id, leg, now),
            None => {}
        }
    }

    /// The leg hears that what it asked for cannot be done: there is no such agent, another one sits there, calls would be forwarded
    /// to the phone itself.
    fn refuse_by_tone(&mut self, id: CallId, leg: LegNo, now: Instant) {
        info!(call = %id, "what a phone told cannot be done");
        let Some(port) = self.conversations.get(&id).and_then(|c| c.port(leg)) else { return };
        self.media.unbridge(port, now);
        if self.media.play(port, Sound::Tone(Tone::Congestion), true, now) {
            self.timers.set(Timer::Announced(id), now + REFUSAL);
        } else {
            self.facts.push_back((id, Input::Announced));
        }
    }

    /// The leg hears that what it asked for is done; then the call is over.
    fn confirm_by_tone(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let Some(port) = self.conversations.get(&id).and_then(|c| c.port(leg)) else { return };
        self.media.unbridge(port, now);
        if !self.media.play(port, Sound::Tone(Tone::Confirmation), false, now) {
            self.facts.push_back((id, Input::Announced));
        }
    }
}
