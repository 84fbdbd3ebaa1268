//! What agents' phones tell the switch by dialling it: it answers, lets them hear that it has understood, and hangs up; who works
//! off-hook stays.

use crate::cell::Cell;
use crate::serving::Service;
use call::{Input, PartyKind};
use media::engine::Sound;
use media::tones::Tone;
use model::{CallId, LegNo, Outcome};
use route::DialString;
use std::time::Instant;
use tracing::info;

impl Cell {
    /// A phone has dialled something that is for the switch.
    pub(crate) fn reach_switch(&mut self, id: CallId, by: LegNo, said: DialString) {
        let own = self.conversations.get(&id).is_some_and(|conversation| {
            let call = &conversation.call;
            call.caller_leg() == by && call.waiting() == by && call.caller().kind == PartyKind::Extension
        });
        if own {
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
            DialString::Login | DialString::Logoff => self.confirm_by_tone(id, leg, now),
            // There for as long as it stays on the line.
            DialString::OffHook { .. } => self.hold_music(id, leg, true, now),
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
