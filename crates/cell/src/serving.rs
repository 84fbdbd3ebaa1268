//! Parties that the switch itself serves: who is answered, and with what it goes on.

use crate::cell::Cell;
use crate::playback::Clips;
use call::Input;
use media::engine::{Answer, Play};
use model::{CallId, LegNo, Outcome, Supervision};
use std::time::Instant;
use tracing::info;

/// With what a call is served.
#[derive(Clone, Debug)]
pub(crate) enum Service {
    /// All who are in it hear each other.
    Conference(String),
    /// It hears this, so often; 0: without end.
    Prompt { clips: Clips, times: u32 },
    /// It takes part in the conversation of another call, which it came to by this leg.
    Supervision { call: CallId, leg: LegNo, how: Supervision },
}

impl Cell {
    /// What was dialled is the switch itself.
    pub(crate) fn serve_with(&mut self, id: CallId, service: Service) {
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.service = Some(service);
            self.facts.push_back((id, Input::Served));
        }
    }

    /// It is not to be had, and why.
    pub(crate) fn serve_not(&mut self, id: CallId, outcome: Outcome, note: &str) {
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.note = Some(note.to_owned());
        }
        self.facts.push_back((id, Input::Nowhere(outcome)));
    }

    /// Carries out [`call::Effect::Serve`].
    pub(crate) fn serve(&mut self, id: CallId, leg: LegNo, now: Instant) {
        self.hush(id, leg, now);
        if !self.answer_served(id, leg, now) {
            info!(call = %id, "the switch speaks none of the caller's codecs");
            return self.facts.push_back((id, Input::Incompatible));
        }
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.joined_at = Some(now);
        let Some(service) = conversation.service.clone() else { return };
        let Some(port) = conversation.port(leg) else { return };
        match service {
            Service::Conference(name) => self.enter_conference(&name, id, leg, now),
            Service::Prompt { clips, times } => {
                self.media.unbridge(port, now);
                let play = Play { times: (times > 0).then_some(times), ..Play::once(clips) };
                if !self.media.play_list(port, &play, now) {
                    self.facts.push_back((id, Input::Announced));
                }
            }
            Service::Supervision { call, leg: of, how } => self.begin_supervision((id, leg), (call, of), how, now),
        }
    }

    /// Gives a leg its answer, if it waits for one; false if it cannot be given.
    fn answer_served(&mut self, id: CallId, leg: LegNo, now: Instant) -> bool {
        let Some(end) = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg)) else { return false };
        let (Some(asking), Some(port)) = (end.asking, end.port) else { return end.port.is_some() };
        let body = match asking.late {
            true => Some(self.media.make_offer(port, None, now)),
            false => self.media.make_answer(port, Answer::Own, now),
        };
        let Some(body) = body else { return false };
        end.asking = None;
        if let Some(session) = end.session {
            self.sip.accept(session, body, now);
            info!(call = %id, leg, "call answered by the switch");
        }
        true
    }

    /// A leg of a call is gone: what it was served with goes on without it.
    pub(crate) fn served_no_longer(&mut self, id: CallId, leg: LegNo, now: Instant) {
        match self.conversations.get(&id).and_then(|c| c.service.clone()) {
            Some(Service::Conference(name)) => self.leave_conference(&name, id, leg, now),
            Some(Service::Supervision { call, .. }) => self.end_supervision((id, leg), call, now),
            Some(Service::Prompt { .. }) | None => {}
        }
    }
}
