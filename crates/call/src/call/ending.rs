//! How a call ends, and its record.

use super::{Call, State};
use crate::effect::Effect;
use model::{CallRecord, Cause, EventBody, LegNo, LegRecord, LegState, Outcome, Refusal, Side};
use std::time::Instant;
use stdx::never;

impl Call {
    /// There will be no conversation: back to who sent a transferred party, or say why, or refuse at once.
    pub(super) fn fail(&mut self, outcome: Outcome, cause: Cause, now: Instant) {
        if self.consultation_failed(now) || self.bring_back(cause, now) {
            return;
        }
        if self.is_summoning() {
            return self.finish((outcome, cause), side_of(outcome), "the caller's own phone did not answer", now);
        }
        let policy = self.setup.policy;
        let to = self.waiting();
        let extension = self.trunk_of(to).is_none();
        let spoken = self.has_spoken(to);
        self.state = State::Announcing { to, outcome, cause };
        // A trunk that was answered long ago has nobody at its end who reads a status.
        if policy.announce && (extension || spoken) {
            self.deadline = Some(now + policy.announce_limit);
            self.out.push_back(Effect::Announce { to, outcome });
        } else {
            self.on_announced(now);
        }
    }

    /// A leg is hung up on its party's behalf: one that rings refuses, one that speaks leaves as if its phone had hung up.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoSuchLeg`] if it is gone.
    pub fn release(&mut self, leg: LegNo, now: Instant) -> Result<(), Refusal> {
        if self.legs.get(usize::from(leg)).is_none_or(|leg| leg.outcome.is_some()) {
            return Err(Refusal::NoSuchLeg);
        }
        if self.is_summoning() {
            // Nobody but the caller itself is in it.
            self.end_all(Outcome::Cancelled, Side::Caller, Outcome::Cancelled.cause(), "", now);
            return Ok(());
        }
        let rings = matches!(self.leg_state(leg), LegState::Dialing | LegState::Ringing) && !self.has_called(leg);
        let cause = if rings { Outcome::Rejected.cause() } else { Cause { sip: 200, q850: 16 } };
        self.out.push_back(Effect::HangUp { leg, cause });
        if rings {
            self.on_failed(leg, Outcome::Rejected, cause, now);
        } else {
            self.on_hung_up(leg, None, now);
        }
        Ok(())
    }

    /// It waits for others to answer.
    fn has_called(&self, leg: LegNo) -> bool {
        matches!(&self.state, State::Locating(wait) | State::Dialling(wait, _) if wait.leg == leg)
    }

    /// Ends everybody who is still there.
    pub(super) fn end_all(&mut self, outcome: Outcome, side: Side, cause: Cause, note: &str, now: Instant) {
        if matches!(self.state, State::Ended) {
            return;
        }
        let spoken = self.answered_at.is_some();
        let verdict = if spoken && outcome == Outcome::Cancelled { Outcome::Answered } else { outcome };
        self.drop_pending(outcome, cause, now);
        self.drop_asked(now);
        let present: Vec<LegNo> = match &self.state {
            State::Talking { a, b } => vec![*a, *b],
            State::Locating(wait) | State::Dialling(wait, _) if wait.summons => Vec::new(),
            State::Locating(wait) | State::Dialling(wait, _) => {
                self.transferor().into_iter().chain([wait.leg]).collect()
            }
            State::Announcing { to, .. } => vec![*to],
            State::Served { legs } => legs.clone(),
            State::Queued { leg, .. } => vec![*leg],
            State::Ended => Vec::new(),
        };
        for leg in present {
            self.drop_leg(leg, verdict, cause, now);
        }
        self.finish((verdict, cause), side, note, now);
    }

    pub(super) fn drop_leg(&mut self, leg: LegNo, outcome: Outcome, cause: Cause, now: Instant) {
        self.out.push_back(Effect::HangUp { leg, cause });
        self.end_leg(leg, outcome, cause, now);
    }

    pub(super) fn end_leg(&mut self, leg: LegNo, outcome: Outcome, cause: Cause, now: Instant) {
        let at = self.setup.wall.at(now);
        let Some(known) = self.legs.get_mut(usize::from(leg)) else { return };
        if known.outcome.is_none() {
            known.outcome = Some((outcome, cause));
            known.ended_at = Some(at);
            self.tell(EventBody::LegEnded { call: self.setup.id, leg, outcome, cause });
        }
    }

    pub(super) fn finish(&mut self, verdict: (Outcome, Cause), side: Side, note: &str, now: Instant) {
        if never!(matches!(self.state, State::Ended), "call {} ended twice", self.setup.id) {
            return;
        }
        self.dismiss_listeners(verdict.1, now);
        self.dismiss_held(verdict.1, now);
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
        let ended_at = self.setup.wall.at(now);
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
                origin: leg.origin,
                answered_at: leg.answered_at,
                ended_at: leg.ended_at.unwrap_or(ended_at),
                heard: Vec::new(),
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
            ended_at,
            outcome,
            ended_by,
            cause,
            note: note.to_owned(),
            legs: legs.collect(),
            recording: None,
            more_recordings: Vec::new(),
            charge: None,
            variables: self.setup.variables.clone(),
            verification: None,
            queue: None,
            forwarded_from: Vec::new(),
            satisfaction: None,
            outage_ms: None,
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
