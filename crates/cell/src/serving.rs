//! Parties that the switch itself serves: who is answered, and with what it goes on.

use crate::cell::Cell;
use crate::playback::Clips;
use call::Input;
use media::engine::{Answer, Play};
use model::{CallId, LegNo, Outcome, Supervision};
use route::DialString;
use std::time::Instant;
use tracing::info;

/// With what a call is served.
#[derive(Clone, Debug)]
pub(crate) enum Service {
    /// All who are in it hear each other.
    Conference(String),
    /// It hears this, so often; 0: without end. `waits`: once it has acknowledged its answer, which may have got lost on its way.
    Prompt { clips: Clips, times: u32, waits: bool },
    /// An agent told the switch something, and hears that it was understood. `waits`: as above.
    DialString { said: DialString, waits: bool },
    /// It leaves a message, or hears some.
    Mailbox,
    /// It is asked how it was served.
    Survey,
    /// It waits in a queue.
    Queue,
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
        let asks = |c: &crate::conversation::Conversation| c.legs.get(&leg).is_some_and(|end| end.asking.is_some());
        let asked = self.conversations.get(&id).is_some_and(asks);
        if !self.answer_served(id, leg, now) {
            info!(call = %id, "the switch speaks none of the caller's codecs");
            return self.facts.push_back((id, Input::Incompatible));
        }
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.joined_at = Some(now);
        let Some(service) = conversation.service.clone() else { return };
        match service {
            Service::Conference(name) => self.enter_conference(&name, id, leg, now),
            Service::Prompt { clips, times, .. } if asked => {
                conversation.service = Some(Service::Prompt { clips, times, waits: true });
            }
            Service::Prompt { clips, times, .. } => self.play_prompt(id, leg, (clips, times), now),
            Service::DialString { said, .. } if asked => {
                conversation.service = Some(Service::DialString { said, waits: true });
            }
            Service::DialString { said, .. } => self.obey(id, leg, &said, now),
            Service::Queue => {}
            Service::Survey => self.ask_customer(id, leg, now),
            Service::Mailbox => self.at_mailbox(id, leg, asked, now),
            Service::Supervision { call, leg: of, how } => self.begin_supervision((id, leg), (call, of), how, now),
        }
    }

    /// A leg has acknowledged its answer: now it hears what it dialled.
    pub(crate) fn serve_confirmed(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        match &mut conversation.service {
            Some(Service::Prompt { clips, times, waits: waits @ true }) => {
                *waits = false;
                let what = (clips.clone(), *times);
                self.play_prompt(id, leg, what, now);
            }
            Some(Service::DialString { said, waits: waits @ true }) => {
                *waits = false;
                let said = said.clone();
                self.obey(id, leg, &said, now);
            }
            Some(Service::Mailbox) if conversation.mailbox.as_ref().is_some_and(|there| there.waits) => {
                self.mailbox_begins(id, leg, now);
            }
            Some(_) | None => {}
        }
    }

    fn play_prompt(&mut self, id: CallId, leg: LegNo, (clips, times): (Clips, u32), now: Instant) {
        let Some(port) = self.conversations.get(&id).and_then(|c| c.port(leg)) else { return };
        let play = Play { times: (times > 0).then_some(times), ..Play::once(clips) };
        self.media.unbridge(port, now);
        if !self.media.play_list(port, &play, now) {
            self.facts.push_back((id, Input::Announced));
        }
    }

    /// Gives a leg its answer, if it waits for one; false if it cannot be given.
    pub(crate) fn answer_served(&mut self, id: CallId, leg: LegNo, now: Instant) -> bool {
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
            Some(Service::Survey) => self.leave_survey(id, leg, now),
            Some(Service::Mailbox) => self.leave_mailbox(id, leg, now),
            Some(Service::Supervision { call, .. }) => self.end_supervision((id, leg), call, now),
            Some(Service::Prompt { .. } | Service::DialString { .. } | Service::Queue) | None => {}
        }
    }
}
