//! Customers who are asked how they were served, when whoever spoke with them last has hung up.

use crate::cell::{Cell, Timer};
use crate::playback::Clips;
use crate::serving::Service;
use call::Input;
use media::engine::Play;
use model::{CallId, EventBody, LegNo, Survey};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::info;

/// How long a customer may think.
const THINK: Duration = Duration::from_secs(5);
/// How often it is asked.
const TIMES: u8 = 2;

/// A customer that is, or will be, asked.
#[derive(Debug)]
pub(crate) struct Asking {
    survey: Survey,
    queue: String,
    agent: String,
    /// Who is asked, once it is.
    leg: Option<LegNo>,
    question: Option<Clips>,
    thanks: Option<Clips>,
    asked: u8,
    /// It has answered, or will not.
    over: bool,
    pub(crate) score: Option<u8>,
}

impl Asking {
    pub(crate) fn new(survey: Survey, queue: &str, agent: &str) -> Self {
        let (queue, agent) = (queue.to_owned(), agent.to_owned());
        Self { survey, queue, agent, leg: None, question: None, thanks: None, asked: 0, over: false, score: None }
    }
}

impl Cell {
    /// Carries out [`call::Effect::Alone`].
    pub(crate) fn ask_alone(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        // What is recorded is the conversation, and that is over.
        let recording =
            conversation.recording.as_ref().filter(|recording| recording.running).map(|recording| recording.id);
        let prompts = conversation.asking.as_mut().map(|asking| {
            asking.leg = Some(leg);
            let Survey { question, thanks, .. } = &asking.survey;
            [question, thanks].into_iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<_>>()
        });
        if let Some(recording) = recording {
            self.media.stop_recording(recording, now);
        }
        if !prompts.is_some_and(|prompts| self.fetch_survey(id, prompts)) {
            self.facts.push_back((id, Input::HangUp));
        }
    }

    /// The prompts are there, or cannot be had.
    pub(crate) fn survey_ready(&mut self, id: CallId, clips: Option<Clips>) {
        let Some(asking) = self.conversations.get_mut(&id).and_then(|c| c.asking.as_mut()) else { return };
        let Some(clips) = clips else {
            tracing::warn!(call = %id, "the prompts of a survey cannot be had");
            return self.facts.push_back((id, Input::HangUp));
        };
        let mut clips = clips.iter().map(|clip| Clips::from([Arc::clone(clip)]));
        (asking.question, asking.thanks) = (clips.next(), clips.next());
        self.serve_with(id, Service::Survey);
    }

    /// The customer hears the question.
    pub(crate) fn ask_customer(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let (port, Some(asking)) = (conversation.port(leg), &mut conversation.asking) else { return };
        asking.asked += 1;
        let question = asking.question.clone();
        if let (Some(port), Some(question)) = (port, question) {
            self.media.unbridge(port, now);
            if self.media.play_list(port, &Play::once(question), now) {
                return;
            }
        }
        self.facts.push_back((id, Input::Announced));
    }

    /// What the customer was played is over; false if it is none.
    pub(crate) fn survey_said(&mut self, id: CallId, now: Instant) -> bool {
        let Some(conversation) = self.conversations.get(&id) else { return false };
        let Some(asking) =
            conversation.asking.as_ref().filter(|_| matches!(conversation.service, Some(Service::Survey)))
        else {
            return false;
        };
        match asking.over {
            true => self.facts.push_back((id, Input::Announced)),
            false => self.timers.set(Timer::Survey(id), now + THINK),
        }
        true
    }

    /// It has thought long enough.
    pub(crate) fn survey_timeout(&mut self, id: CallId, now: Instant) {
        let Some(asking) = self.conversations.get(&id).and_then(|c| c.asking.as_ref()) else { return };
        match asking.leg {
            Some(leg) if asking.asked < TIMES => self.ask_customer(id, leg, now),
            _ => self.facts.push_back((id, Input::Announced)),
        }
    }

    /// A key that may be an answer.
    pub(crate) fn key_in_survey(&mut self, id: CallId, leg: LegNo, digit: char, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let served = matches!(conversation.service, Some(Service::Survey));
        let port = conversation.port(leg);
        let Some(asking) = conversation.asking.as_mut().filter(|asking| served && asking.leg == Some(leg)) else {
            return;
        };
        let score = digit.to_digit(10).map(|score| score as u8);
        let Some(score) = score.filter(|score| !asking.over && (1..=asking.survey.highest).contains(score)) else {
            return;
        };
        (asking.score, asking.over) = (Some(score), true);
        let thanks = asking.thanks.clone();
        info!(call = %id, "a customer has said how it was served");
        self.tell_satisfaction(id, now);
        self.timers.cancel(&Timer::Survey(id));
        let heard = port.zip(thanks).is_some_and(|(port, thanks)| {
            self.media.stop(port);
            self.media.play_list(port, &Play::once(thanks), now)
        });
        if !heard {
            self.facts.push_back((id, Input::Announced));
        }
    }

    /// The customer is gone.
    pub(crate) fn leave_survey(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let asking = self.conversations.get_mut(&id).and_then(|c| c.asking.as_mut());
        let Some(asking) = asking.filter(|asking| asking.leg == Some(leg)) else { return };
        let silent = !std::mem::replace(&mut asking.over, true);
        self.timers.cancel(&Timer::Survey(id));
        if silent {
            self.tell_satisfaction(id, now);
        }
    }

    fn tell_satisfaction(&mut self, call: CallId, now: Instant) {
        let Some(asking) = self.conversations.get(&call).and_then(|c| c.asking.as_ref()) else { return };
        let (queue, agent, score) = (asking.queue.clone(), asking.agent.clone(), asking.score);
        self.tell(EventBody::SatisfactionGiven { call, queue, agent, score }, now);
    }
}
