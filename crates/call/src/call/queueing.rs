//! A party that waits in a queue, and those who are asked to take it.
//!
//! Who is asked, and when, is decided elsewhere; what the party hears meanwhile is the owner's business. The call dials whoever it is
//! told to, says what came of it, and joins the party with the first who answers.

use super::{Call, Leg, State};
use crate::effect::{Effect, Target};
use model::{Cause, EventBody, LegNo, LegOrigin, LegState, Outcome, Side};
use std::time::Instant;

/// Somebody answered elsewhere, or nobody waits any more.
const ELSEWHERE: Cause = Cause { sip: 200, q850: 26 };
const NORMAL: Cause = Cause { sip: 200, q850: 16 };

/// Legs that one call may have had before it is offered to nobody any more.
pub(super) const MAX_LEGS: usize = 400;

/// A phone that is called for an offer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) offer: u64,
    pub(super) ringing: bool,
}

impl Asked {
    pub(super) fn state(self) -> LegState {
        if self.ringing { LegState::Ringing } else { LegState::Dialing }
    }
}

impl Call {
    /// True if this call has been offered so often that it is to be offered no more.
    pub fn is_worn_out(&self) -> bool {
        self.legs.len() >= MAX_LEGS
    }

    /// Who waits in a queue.
    pub fn queued(&self) -> Option<LegNo> {
        match &self.state {
            State::Queued { leg, .. } => Some(*leg),
            _ => None,
        }
    }

    /// What was to be located is a queue.
    pub(super) fn on_queued(&mut self, now: Instant) {
        let State::Locating(wait) = &self.state else {
            // A phone that is called cannot send its call to a queue.
            return self.on_nowhere(Outcome::Unallocated, now);
        };
        if wait.summons || self.consulting.is_some() {
            return self.on_nowhere(Outcome::Unallocated, now);
        }
        let wait = wait.clone();
        self.wait_on(wait.leg, now);
        if let Some(transfer) = wait.transfer {
            self.transferred(&transfer, wait.leg, now);
        }
    }

    fn wait_on(&mut self, leg: LegNo, now: Instant) {
        let at = self.setup.wall.at(now);
        self.answered_at.get_or_insert(at);
        if let Some(known) = self.legs.get_mut(usize::from(leg)) {
            known.answered_at.get_or_insert(at);
        }
        self.deadline = Some(*self.ends_at.get_or_insert(now + self.setup.policy.max_duration));
        self.state = State::Queued { leg, asked: std::collections::BTreeMap::new() };
        self.out.push_back(Effect::Wait { leg });
        self.out.push_back(Effect::Keep);
    }

    pub(super) fn on_offered(&mut self, offer: u64, targets: &[Target]) {
        let first = self.targets.len();
        self.targets.extend_from_slice(targets);
        let State::Queued { leg, .. } = self.state else { return };
        if targets.is_empty() {
            return self.out.push_back(Effect::OfferFailed { offer, outcome: Outcome::Unreachable });
        }
        let side = if self.side_of(leg) == Side::Caller { Side::Callee } else { Side::Caller };
        for (place, target) in (first..).zip(targets) {
            let no = self.legs.len() as LegNo;
            self.legs.push(Leg { target: Some(place), ..Leg::new(&target.party, LegOrigin::Offered, side) });
            if let State::Queued { asked, .. } = &mut self.state {
                asked.insert(no, Asked { offer, ringing: false });
            }
            self.tell(EventBody::LegDialing { call: self.setup.id, leg: no, number: target.party.number.clone() });
            self.out.push_back(Effect::Dial { leg: no, target: place });
        }
        // Whoever goes on after a crash must be able to end what rings.
        self.out.push_back(Effect::Keep);
    }

    /// Somebody takes the party; false if that leg was not asked.
    pub(super) fn offer_answered(&mut self, leg: LegNo, now: Instant) -> bool {
        let State::Queued { leg: waits, asked } = &mut self.state else { return false };
        let waits = *waits;
        let Some(Asked { offer, .. }) = asked.remove(&leg) else { return false };
        self.drop_asked(now);
        self.taken = Some((offer, leg));
        self.out.push_back(Effect::OfferTaken { offer, leg });
        self.talk(waits, leg, now);
        self.tell(EventBody::CallAnswered { call: self.setup.id, leg });
        true
    }

    /// Somebody will not take the party; false if that leg was not asked.
    pub(super) fn offer_refused(&mut self, leg: LegNo, verdict: (Outcome, Cause), now: Instant) -> bool {
        let State::Queued { asked, .. } = &mut self.state else { return false };
        let Some(Asked { offer, .. }) = asked.remove(&leg) else { return false };
        let last = asked.values().all(|other| other.offer != offer);
        self.end_leg(leg, verdict.0, verdict.1, now);
        if last {
            self.out.push_back(Effect::OfferFailed { offer, outcome: verdict.0 });
        }
        true
    }

    pub(super) fn on_withdrawn(&mut self, offer: u64, cause: Cause, now: Instant) {
        match &mut self.state {
            State::Queued { asked, .. } => {
                let gone: Vec<LegNo> = asked.iter().filter(|(_, a)| a.offer == offer).map(|(leg, _)| *leg).collect();
                for leg in gone {
                    if let State::Queued { asked, .. } = &mut self.state {
                        asked.remove(&leg);
                    }
                    let outcome = if cause == ELSEWHERE { Outcome::Cancelled } else { Outcome::NoAnswer };
                    self.drop_leg(leg, outcome, cause, now);
                }
            }
            // Its answer and this met on their way.
            State::Talking { a, b }
                if self.taken.is_some_and(|(taken, leg)| taken == offer && (leg == *a || leg == *b)) =>
            {
                let (a, b) = (*a, *b);
                let agent = self.taken.take().map_or(b, |(_, leg)| leg);
                let waits = if agent == a { b } else { a };
                self.out.push_back(Effect::Part { a, b });
                self.drop_leg(agent, Outcome::Answered, ELSEWHERE, now);
                self.wait_on(waits, now);
            }
            State::Locating(_)
            | State::Dialling(..)
            | State::Announcing { .. }
            | State::Talking { .. }
            | State::Served { .. }
            | State::Ended => {}
        }
    }

    /// Who waits goes on to a number; what it hears stays until somebody rings there.
    pub(super) fn on_sent_on(&mut self, number: String, now: Instant) {
        let State::Queued { leg, .. } = self.state else { return };
        self.drop_asked(now);
        self.state = State::Locating(super::Wait::of(leg));
        self.deadline = Some(now + self.setup.policy.locate_limit);
        self.visited.clear();
        self.visited.insert(number.clone());
        self.out.push_back(Effect::Keep);
        self.out.push_back(Effect::Locate { number, by: leg });
    }

    pub(super) fn drop_asked(&mut self, now: Instant) {
        let State::Queued { asked, .. } = &mut self.state else { return };
        for leg in std::mem::take(asked).into_keys() {
            self.drop_leg(leg, Outcome::Cancelled, ELSEWHERE, now);
        }
    }

    /// Who waits in a queue, or one of those who are asked, is gone; false if the leg is none of them.
    pub(super) fn queued_left(
        &mut self,
        leg: LegNo,
        verdict: (Outcome, Cause),
        said: Option<Cause>,
        now: Instant,
    ) -> bool {
        match &self.state {
            State::Queued { leg: waits, .. } if *waits == leg => {
                self.drop_asked(now);
                let side = if verdict.0 == Outcome::Answered { self.side_of(leg) } else { Side::System };
                self.end_leg(leg, verdict.0, verdict.1, now);
                self.finish(verdict, side, "", now);
                true
            }
            // A called phone that says good-bye before it answered refuses.
            State::Queued { .. } => {
                self.offer_refused(leg, (Outcome::Rejected, said.unwrap_or(Outcome::Rejected.cause())), now)
            }
            _ => false,
        }
    }

    /// Who waits in a queue is sent away with a good-bye.
    pub(super) fn queue_over(&mut self, now: Instant) {
        let State::Queued { leg, .. } = self.state else { return };
        self.out.push_back(Effect::HangUp { leg, cause: NORMAL });
        self.drop_asked(now);
        self.end_leg(leg, Outcome::Answered, NORMAL, now);
        self.finish((Outcome::Answered, NORMAL), Side::System, "", now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Input, Party, PartyKind};
    use crate::{Policy, Setup};
    use model::CallId;
    use std::collections::BTreeMap;
    use stdx::{Entropy, Wall};

    fn party(number: &str) -> Party {
        Party { number: number.into(), name: String::new(), kind: PartyKind::Extension }
    }

    fn targets(numbers: &[&str]) -> Vec<Target> {
        numbers.iter().map(|number| Target { party: party(number), record: false }).collect()
    }

    /// What follows from facts, without what is told and kept.
    fn hear(call: &mut Call, input: Input) -> Vec<Effect> {
        call.handle_input(input, stdx::testing::start());
        let told = |effect: &Effect| matches!(effect, Effect::Tell(_) | Effect::Keep);
        std::iter::from_fn(|| call.poll_output()).filter(|effect| !told(effect)).collect()
    }

    fn waiting() -> Call {
        let now = stdx::testing::start();
        let setup = Setup {
            id: CallId::new(3, &mut Entropy::seeded(1)),
            caller: party("100"),
            dialled: "700".into(),
            wall: Wall::new(now, 1_000_000),
            policy: Policy::default(),
            variables: BTreeMap::new(),
        };
        let mut call = Call::start(setup, now);
        while call.poll_output().is_some() {}
        assert_eq!(hear(&mut call, Input::Queued), [Effect::Wait { leg: 0 }]);
        call
    }

    #[test]
    fn two_are_asked_and_the_first_to_answer_has_the_caller() {
        let mut call = waiting();
        let asked = hear(&mut call, Input::Offered { offer: 1, targets: targets(&["101", "101"]) });
        assert_eq!(asked, [Effect::Dial { leg: 1, target: 0 }, Effect::Dial { leg: 2, target: 1 }]);
        let asked = hear(&mut call, Input::Offered { offer: 2, targets: targets(&["102"]) });
        assert_eq!(asked, [Effect::Dial { leg: 3, target: 2 }]);
        // One phone of the first agent is off; the other still rings.
        let cause = Outcome::Unreachable.cause();
        assert_eq!(hear(&mut call, Input::Failed { leg: 1, outcome: Outcome::Unreachable, cause }), []);
        assert_eq!(call.live().legs[0].state, LegState::Queued);
        let taken = hear(&mut call, Input::Answered { leg: 3 });
        let hung_up = Effect::HangUp { leg: 2, cause: ELSEWHERE };
        assert_eq!(taken, [hung_up, Effect::OfferTaken { offer: 2, leg: 3 }, Effect::Join { a: 0, b: 3 }]);
        assert_eq!(hear(&mut call, Input::Withdrawn { offer: 1, cause: ELSEWHERE }), []);
        let ended = hear(&mut call, Input::HungUp { leg: 0, cause: None });
        assert!(matches!(&ended[..], [Effect::HangUp { leg: 3, .. }, Effect::Finished(_)]), "{ended:?}");
    }

    #[test]
    fn an_answer_that_came_too_late_is_undone_and_the_caller_waits_on() {
        let mut call = waiting();
        hear(&mut call, Input::Offered { offer: 1, targets: targets(&["101"]) });
        hear(&mut call, Input::Answered { leg: 1 });
        let undone = hear(&mut call, Input::Withdrawn { offer: 1, cause: Outcome::NoAnswer.cause() });
        let hung_up = Effect::HangUp { leg: 1, cause: ELSEWHERE };
        assert_eq!(undone, [Effect::Part { a: 0, b: 1 }, hung_up, Effect::Wait { leg: 0 }]);
        // Nobody is there, nobody wants it, and it goes elsewhere.
        assert_eq!(
            hear(&mut call, Input::Offered { offer: 2, targets: Vec::new() }),
            [Effect::OfferFailed { offer: 2, outcome: Outcome::Unreachable }]
        );
        hear(&mut call, Input::Offered { offer: 3, targets: targets(&["102"]) });
        assert_eq!(
            hear(&mut call, Input::HungUp { leg: 2, cause: None }),
            [Effect::OfferFailed { offer: 3, outcome: Outcome::Rejected }]
        );
        let sent = hear(&mut call, Input::SentOn { number: "105".into() });
        assert_eq!(sent, [Effect::Locate { number: "105".into(), by: 0 }]);
    }

    #[test]
    fn who_leaves_the_queue_leaves_nobody_ringing() {
        for input in [Input::HungUp { leg: 0, cause: None }, Input::HangUp, Input::Dismissed { leg: 0 }] {
            let mut call = waiting();
            hear(&mut call, Input::Offered { offer: 1, targets: targets(&["101"]) });
            let ended = hear(&mut call, input);
            assert!(ended.contains(&Effect::HangUp { leg: 1, cause: ELSEWHERE }), "{ended:?}");
            assert!(matches!(ended.last(), Some(Effect::Finished(record)) if record.legs.len() == 2), "{ended:?}");
        }
    }
}
