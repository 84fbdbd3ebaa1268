//! Call progress by ear: what a called network or party says with tones and voices, told, kept, and believed where a trunk's
//! causes are not.

use crate::cell::Cell;
use call::{Input, Party, PartyKind};
use media::engine::PortId;
use media::progress::{SURE, Signal};
use model::{CallId, CallProgress, EventBody, LegNo, Outcome, ProgressHeard, ProgressSignal};
use std::time::{Duration, Instant};

/// Findings that are kept of a leg: each signal is told once before the answer, and some once more.
const MAX_HEARD: usize = 16;

impl Cell {
    /// Listens on a new port to the party that is called by it, if its trunk or who placed the call wants that.
    pub(crate) fn follow_progress(&mut self, id: CallId, port: PortId, party: &Party, now: Instant) {
        let by_trunk = self.progress_of(&party.kind) != CallProgress::Off;
        let Some(conversation) = self.conversations.get(&id) else { return };
        let wished = conversation.originated.as_ref().is_some_and(|wish| wish.call_progress);
        if by_trunk || (wished && !conversation.call.is_summoning()) {
            self.media.listen_for_progress(port, now);
        }
    }

    fn progress_of(&self, kind: &PartyKind) -> CallProgress {
        match kind {
            PartyKind::Trunk(name) => self.directory.trunk(name).map(|trunk| trunk.call_progress).unwrap_or_default(),
            PartyKind::Extension => CallProgress::Off,
        }
    }

    /// True if what is heard of a leg counts for more than what its trunk says.
    fn believes_ears(&self, id: CallId, leg: LegNo) -> bool {
        let out = self.conversations.get(&id).and_then(|c| c.out.get(&leg));
        out.is_some_and(|out| self.progress_of(&PartyKind::Trunk(out.trunk.clone())) == CallProgress::Causes)
    }

    /// The engine heard something.
    pub(crate) fn on_progress(&mut self, port: PortId, signal: Signal, confidence: f32, at: Duration, now: Instant) {
        let Some((call, leg)) = self.ports.get(port).copied() else { return };
        let percent = (confidence * 100.0).round().clamp(0.0, 100.0) as u8;
        let at_ms = at.as_millis().try_into().unwrap_or(u32::MAX);
        let heard = ProgressHeard { signal: in_model(signal), confidence: percent, at_ms };
        let Some(end) = self.conversations.get_mut(&call).and_then(|c| c.legs.get_mut(&leg)) else { return };
        if end.heard.len() < MAX_HEARD {
            end.heard.push(heard);
        }
        let answered = end.answered;
        self.tell(EventBody::ProgressHeard { call, leg, heard }, now);
        let Some(outcome) = verdict(signal).filter(|_| !answered && confidence >= SURE) else { return };
        if self.believes_ears(call, leg) {
            tracing::info!(%call, leg, heard = heard.signal.name(), "the called network's tone ends the attempt");
            let cause = outcome.cause();
            self.hang_up_leg(call, leg, cause, now);
            self.facts.push_back((call, Input::Failed { leg, outcome, cause }));
        }
    }

    /// A leg is answered: who speaks from now on is a person or a machine.
    pub(crate) fn progress_answered(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let Some(end) = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg)) else { return };
        end.answered = true;
        if let Some(port) = end.port {
            self.media.answered(port, now);
        }
    }

    /// What a refused leg's announcement says, where that counts for more than the refusal.
    pub(crate) fn outcome_by_ear(&self, id: CallId, leg: LegNo) -> Option<Outcome> {
        let end = self.conversations.get(&id)?.legs.get(&leg)?;
        let announced = end.heard.iter().any(|heard| heard.signal == ProgressSignal::Announcement);
        (announced && self.believes_ears(id, leg)).then_some(Outcome::Unreachable)
    }
}

/// What a tone of the network means.
fn verdict(signal: Signal) -> Option<Outcome> {
    match signal {
        Signal::Busy => Some(Outcome::Busy),
        Signal::Congestion => Some(Outcome::Congestion),
        Signal::Unobtainable => Some(Outcome::Unallocated),
        Signal::Ringback
        | Signal::FaxCalling
        | Signal::FaxAnswering
        | Signal::Human
        | Signal::Machine
        | Signal::Announcement => None,
    }
}

fn in_model(signal: Signal) -> ProgressSignal {
    match signal {
        Signal::Ringback => ProgressSignal::Ringback,
        Signal::Busy => ProgressSignal::Busy,
        Signal::Congestion => ProgressSignal::Congestion,
        Signal::Unobtainable => ProgressSignal::Unobtainable,
        Signal::FaxCalling => ProgressSignal::FaxCalling,
        Signal::FaxAnswering => ProgressSignal::FaxAnswering,
        Signal::Human => ProgressSignal::Human,
        Signal::Machine => ProgressSignal::Machine,
        Signal::Announcement => ProgressSignal::Announcement,
    }
}
