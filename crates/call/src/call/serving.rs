//! Parties that the switch itself serves: with a conference, a prompt, or whatever else it has for them.
//!
//! What they hear is the owner's business; the call knows who is there, and ends when nobody is left.

use super::{Call, State};
use crate::effect::Effect;
use model::{Cause, EventBody, LegNo, Outcome, Refusal, Side};
use std::time::Instant;

const NORMAL: Cause = Cause { sip: 200, q850: 16 };

impl Call {
    /// What was to be located is the switch itself: who waits is answered, and speaks with it from now on.
    pub(super) fn on_served(&mut self, now: Instant) {
        let State::Locating(wait) = &self.state else {
            // A phone that is called cannot send its call to the switch.
            return self.on_nowhere(Outcome::Unallocated, now);
        };
        if wait.summons || self.consulting.is_some() {
            return self.on_nowhere(Outcome::Unallocated, now);
        }
        let wait = wait.clone();
        self.serve(vec![wait.leg], now);
        match wait.transfer {
            None => self.tell(EventBody::CallAnswered { call: self.setup.id, leg: wait.leg }),
            Some(transfer) => self.transferred(&transfer, wait.leg, now),
        }
    }

    /// When the other hangs up, the owner has something for this party: [`Effect::Alone`]. Once.
    pub fn stay_after(&mut self, leg: Option<LegNo>) {
        self.stays = leg;
    }

    /// The other has hung up, and this party stays.
    pub(super) fn left_alone(&mut self, leg: LegNo, gone: LegNo, cause: Cause, now: Instant) {
        self.out.push_back(Effect::Part { a: leg, b: gone });
        self.end_leg(gone, Outcome::Answered, cause, now);
        self.state = State::Locating(super::Wait::of(leg));
        self.deadline = Some(now + self.setup.policy.locate_limit);
        self.out.push_back(Effect::Keep);
        self.out.push_back(Effect::Alone { leg });
    }

    /// The switch serves both parties from now on, and whoever comes to them.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongState`] unless two parties speak with each other.
    pub fn confer(&mut self, now: Instant) -> Result<[LegNo; 2], Refusal> {
        let State::Talking { a, b } = self.state else { return Err(Refusal::WrongState) };
        for leg in [a, b] {
            self.out.push_back(Effect::Music { to: leg, on: false });
        }
        self.serve(vec![a, b], now);
        Ok([a, b])
    }

    fn serve(&mut self, legs: Vec<LegNo>, now: Instant) {
        let at = self.setup.wall.at(now);
        self.answered_at.get_or_insert(at);
        for no in &legs {
            if let Some(leg) = self.legs.get_mut(usize::from(*no)) {
                leg.answered_at.get_or_insert(at);
            }
        }
        self.deadline = Some(*self.ends_at.get_or_insert(now + self.setup.policy.max_duration));
        self.out.extend(legs.iter().map(|leg| Effect::Serve { leg: *leg }));
        self.out.push_back(Effect::Keep);
        self.state = State::Served { legs };
    }

    /// Who is served.
    pub fn served(&self) -> &[LegNo] {
        match &self.state {
            State::Served { legs } => legs,
            State::Locating(_)
            | State::Dialling(..)
            | State::Announcing { .. }
            | State::Talking { .. }
            | State::Queued { .. }
            | State::Ended => &[],
        }
    }

    /// Somebody with the right to do so sends a party away.
    pub(super) fn on_dismissed(&mut self, leg: LegNo, now: Instant) {
        if self.queued() == Some(leg) {
            return self.queue_over(now);
        }
        if self.served().contains(&leg) {
            self.out.push_back(Effect::HangUp { leg, cause: NORMAL });
            self.served_left(leg, (Outcome::Answered, NORMAL), Side::System, now);
        }
    }

    /// A party is gone, and with the last one the call; false if it was not served.
    pub(super) fn served_left(&mut self, leg: LegNo, verdict: (Outcome, Cause), by: Side, now: Instant) -> bool {
        let State::Served { legs } = &mut self.state else { return false };
        let Some(place) = legs.iter().position(|there| *there == leg) else { return false };
        legs.remove(place);
        let last = legs.is_empty();
        self.end_leg(leg, verdict.0, verdict.1, now);
        if last {
            self.finish(verdict, by, "", now);
        } else {
            self.out.push_back(Effect::Keep);
        }
        true
    }

    /// What the switch had for its parties is over.
    pub(super) fn service_over(&mut self, now: Instant) {
        for leg in self.served().to_vec() {
            self.on_dismissed(leg, now);
        }
    }
}
