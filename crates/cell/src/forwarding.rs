//! Calls that go elsewhere than to the extension they are for: it forwards them, or is not to be disturbed.
//!
//! A forward is looked up by the rights of the extension that forwards, which also pays. What is forwarded at once never rings there;
//! what is busy, or rings in vain, comes back here by [`call::Effect::Elsewhere`].

use crate::cell::Cell;
use crate::ringing::Ringing;
use call::Input;
use model::{CallId, EventBody, ForwardReason, ForwardedFrom, LegNo, MAX_FORWARDS, Outcome, Overflow};
use sip_stack::message::Status;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tracing::info;

/// Forwards that a record tells, of a call that is sent to and fro.
const MAX_TOLD: usize = 32;

/// One way to somebody, with all who sent the call on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detour {
    /// The extension that is tried now.
    at: String,
    /// What led there wants the call recorded.
    record: bool,
    /// Who forwarded it, the first first.
    pub(crate) steps: Vec<ForwardedFrom>,
    /// The ring group that is searched now, and how many it has been through.
    pub(crate) ringing: Option<Ringing>,
    pub(crate) groups: usize,
}

/// Which of an extension's forwards a call follows that came to nothing.
fn reason_of(outcome: Outcome) -> Option<ForwardReason> {
    match outcome {
        Outcome::Busy | Outcome::Rejected => Some(ForwardReason::Busy),
        Outcome::NoAnswer => Some(ForwardReason::NoAnswer),
        Outcome::Unreachable => Some(ForwardReason::Offline),
        Outcome::Answered
        | Outcome::Cancelled
        | Outcome::Unallocated
        | Outcome::Forbidden
        | Outcome::Incompatible
        | Outcome::Congestion
        | Outcome::MediaTimeout
        | Outcome::SwitchFailure => None,
    }
}

impl Cell {
    /// A call has reached an extension by this way: its phones are looked for, unless it sends the call on at once.
    pub(crate) fn locate_extension(&mut self, id: CallId, by: LegNo, number: &str, record: bool, now: Instant) {
        let Some(extension) = self.directory.extension(number) else {
            return self.facts.push_back((id, Input::Nowhere(Outcome::Unallocated)));
        };
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let way = conversation.detours.entry(by).or_default();
        if way.steps.iter().any(|step| step.number == number) {
            return self.goes_round(id, "the call was forwarded in a circle");
        }
        number.clone_into(&mut way.at);
        way.record = record;
        let caller = conversation.call.number_of(by).filter(|_| conversation.call.trunk_of(by).is_none());
        // Whom all calls are forwarded to may still call back.
        let calls_back =
            |to: &Overflow| matches!(to, Overflow::Extension(to) | Overflow::Number(to) if caller == Some(to));
        let always = extension.forward.always.as_ref().is_some_and(|to| !calls_back(to));
        let disturbed_not = extension.do_not_disturb;
        if always {
            return self.forward(id, by, ForwardReason::Always, now);
        }
        if disturbed_not {
            return self.turned_away(id, by, Outcome::Busy, "the extension does not want to be disturbed", now);
        }
        self.look_for_phones(id, by, number, record, now);
    }

    fn look_for_phones(&mut self, id: CallId, by: LegNo, number: &str, record: bool, now: Instant) {
        let by_caller = self.records_caller(id);
        let Some(extension) = self.directory.extension(number) else { return };
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.record = record || extension.record || by_caller;
        let seconds = match (&extension.forward.no_answer, extension.forward.no_answer_seconds) {
            (Some(_), seconds @ 1..) => seconds,
            _ => extension.ring_seconds,
        };
        conversation.ring = Duration::from_secs(seconds.into());
        conversation.destination = Some(number.to_owned());
        conversation.located_by = by;
        self.send_home(number, crate::io::Body::Locate { call: id, number: number.to_owned() }, now);
    }

    /// For which outcomes a call that rings at the extension it was located at goes elsewhere.
    pub(crate) fn elsewhere_for(&self, id: CallId) -> BTreeSet<Outcome> {
        let extension = self.conversations.get(&id).and_then(|conversation| {
            let way = conversation.detours.get(&conversation.located_by)?;
            self.directory.extension(&way.at)
        });
        let forwards = |outcome: &Outcome| {
            let why = reason_of(*outcome);
            why.zip(extension).is_some_and(|(why, extension)| extension.forward.for_reason(why).is_some())
        };
        [Outcome::Busy, Outcome::Rejected, Outcome::NoAnswer, Outcome::Unreachable]
            .into_iter()
            .filter(forwards)
            .collect()
    }

    /// The extension that was tried will not take the call: it goes where that sends it, or has failed.
    pub(crate) fn turned_away(&mut self, id: CallId, by: LegNo, outcome: Outcome, note: &str, now: Instant) {
        if self.ring_next(id, by, outcome, now) {
            return;
        }
        let way = self.conversations.get(&id).and_then(|conversation| conversation.detours.get(&by));
        let extension = way.and_then(|way| self.directory.extension(&way.at));
        let why = reason_of(outcome).filter(|why| extension.is_some_and(|e| e.forward.for_reason(*why).is_some()));
        match why {
            Some(why) => self.forward(id, by, why, now),
            None if note.is_empty() => self.facts.push_back((id, Input::Nowhere(outcome))),
            None => self.serve_not(id, outcome, note),
        }
    }

    /// The call goes where the extension that is tried sends it for this reason.
    fn forward(&mut self, id: CallId, by: LegNo, why: ForwardReason, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Some(way) = conversation.detours.get_mut(&by) else { return };
        let forwards = self.directory.extension(&way.at).and_then(|extension| extension.forward.for_reason(why));
        let Some(to) = forwards.cloned() else {
            return self.facts.push_back((id, Input::Nowhere(Outcome::Unreachable)));
        };
        let (from, record) = (way.at.clone(), way.record);
        if way.steps.len() >= MAX_FORWARDS {
            return self.goes_round(id, "the call was forwarded too often");
        }
        let step = ForwardedFrom { number: from.clone(), why };
        way.steps.push(step.clone());
        if conversation.forwarded.len() < MAX_TOLD {
            conversation.forwarded.push(step);
        }
        info!(call = %id, why = why.name(), "call forwarded");
        self.tell(EventBody::CallForwarded { call: id, from, to: to.whom().to_owned(), why }, now);
        self.send_on(id, by, to, record, now);
    }

    /// The search of this leg goes on there.
    pub(crate) fn send_on(&mut self, id: CallId, by: LegNo, to: Overflow, record: bool, now: Instant) {
        match to {
            Overflow::Extension(number) => self.locate_extension(id, by, &number, record, now),
            Overflow::Number(number) => match self.decide(id, &number, by, now) {
                Some(decision) => self.follow(id, by, decision, now),
                None => self.facts.push_back((id, Input::Nowhere(Outcome::SwitchFailure))),
            },
            Overflow::Queue(name) => self.reach_queue(id, &name, now),
            Overflow::Mailbox(name) => self.reach_mailbox(id, &name),
            Overflow::RingGroup(name) => self.reach_ring_group(id, by, &name, record, now),
            Overflow::Prompt(name) => self.fetch_service(id, name, 1),
            Overflow::HangUp => self.facts.push_back((id, Input::Nowhere(Outcome::Unreachable))),
        }
    }

    /// It would go on for ever.
    pub(crate) fn goes_round(&mut self, id: CallId, note: &str) {
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.refuse_with = Some(Status::LOOP_DETECTED);
        }
        self.serve_not(id, Outcome::Unreachable, note);
    }

    /// On whose behalf this leg's search goes on: the extension that forwarded last.
    pub(crate) fn forwarder(&self, id: CallId, by: LegNo) -> Option<&str> {
        let way = self.conversations.get(&id)?.detours.get(&by)?;
        way.steps.last().map(|step| &step.number[..])
    }

    /// Whose call that extension forwards, as a trunk may be shown it.
    pub(crate) fn forwarded_caller(&self, id: CallId, by: LegNo) -> Option<String> {
        self.forwarder(id, by)?;
        Some(self.conversations.get(&id)?.call.caller().number.clone())
    }
}
