//! How a call ends, and its record.

use super::{Call, State};
use crate::effect::{Effect, PartyKind};
use model::{CallRecord, Cause, EventBody, LegId, LegNo, LegRecord, Outcome, Side};
use std::time::Instant;
use stdx::never;

impl Call {
    /// There will be no conversation: say why, or refuse at once.
    pub(super) fn fail(&mut self, outcome: Outcome, cause: Cause, now: Instant) {
        let policy = self.setup.policy;
        self.state = State::Announcing { outcome, cause };
        if policy.announce && self.setup.caller.kind == PartyKind::Extension {
            self.deadline = Some(now + policy.announce_limit);
            self.out.push_back(Effect::Announce(outcome));
        } else {
            self.on_announced(now);
        }
    }

    /// Ends everybody who is still there.
    pub(super) fn end_all(&mut self, outcome: Outcome, side: Side, cause: Cause, note: &str, now: Instant) {
        match &self.state {
            State::Talking { with } => {
                let (with, answered) = (*with, if outcome == Outcome::Cancelled { Outcome::Answered } else { outcome });
                self.drop_leg(LegId::CALLER, answered, cause);
                self.drop_leg(with, answered, cause);
                self.finish((answered, cause), side, note, now);
            }
            State::Locating | State::Dialling(_) | State::Announcing { .. } => {
                self.drop_pending(outcome, cause);
                self.end_leg(LegId::CALLER, outcome, cause);
                self.out.push_back(Effect::Reject(cause));
                self.finish((outcome, cause), side, note, now);
            }
            State::Ended => {}
        }
    }

    pub(super) fn drop_leg(&mut self, leg: LegNo, outcome: Outcome, cause: Cause) {
        self.out.push_back(Effect::HangUp { leg, cause });
        self.end_leg(leg, outcome, cause);
    }

    pub(super) fn end_leg(&mut self, leg: LegNo, outcome: Outcome, cause: Cause) {
        let Some(known) = self.legs.get_mut(usize::from(leg)) else { return };
        if known.outcome.is_none() {
            known.outcome = Some((outcome, cause));
            self.tell(EventBody::LegEnded { call: self.setup.id, leg, outcome, cause });
        }
    }

    pub(super) fn finish(&mut self, verdict: (Outcome, Cause), side: Side, note: &str, now: Instant) {
        if never!(matches!(self.state, State::Ended), "call {} ended twice", self.setup.id) {
            return;
        }
        self.state = State::Ended;
        self.deadline = None;
        let record = self.record(verdict, side, note, now);
        self.out.push_back(Effect::Finished(Box::new(record)));
    }

    pub(super) fn record(
        &self,
        (outcome, cause): (Outcome, Cause),
        ended_by: Side,
        note: &str,
        now: Instant,
    ) -> CallRecord {
        let legs = (0..).zip(&self.legs).map(|(no, leg)| {
            let (outcome, cause) = leg.outcome.unwrap_or((outcome, cause));
            LegRecord {
                no,
                number: leg.number.clone(),
                remote: String::new(),
                user_agent: String::new(),
                sip_call_id: String::new(),
                outcome,
                cause,
                codec: String::new(),
                quality: None,
            }
        });
        CallRecord {
            id: self.setup.id,
            caller: self.setup.caller.number.clone(),
            caller_name: self.setup.caller.name.clone(),
            callee: self.setup.dialled.clone(),
            direction: self.direction,
            trunk: self.trunk.clone(),
            started_at: self.started_at,
            ringing_at: self.ringing_at,
            answered_at: self.answered_at,
            ended_at: self.setup.wall.at(now),
            outcome,
            ended_by,
            cause,
            note: note.to_owned(),
            legs: legs.collect(),
            recording: None,
            charge: None,
        }
    }
}

/// Of several phones' refusals the caller hears the one that says most (RFC 3261 §16.7, step 6).
pub(super) fn weight(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Answered => 0,
        Outcome::Cancelled | Outcome::SwitchFailure | Outcome::MediaTimeout => 1,
        Outcome::Congestion => 2,
        Outcome::Unreachable => 3,
        Outcome::Forbidden | Outcome::Incompatible => 4,
        Outcome::Unallocated => 5,
        Outcome::NoAnswer => 6,
        Outcome::Busy => 7,
        Outcome::Rejected => 8,
    }
}

/// Who brought a failed call to its end.
pub(super) fn side_of(outcome: Outcome) -> Side {
    match outcome {
        Outcome::Busy | Outcome::NoAnswer | Outcome::Rejected => Side::Callee,
        Outcome::Cancelled => Side::Caller,
        Outcome::Answered
        | Outcome::Unreachable
        | Outcome::Unallocated
        | Outcome::Forbidden
        | Outcome::Incompatible
        | Outcome::Congestion
        | Outcome::MediaTimeout
        | Outcome::SwitchFailure => Side::System,
    }
}
