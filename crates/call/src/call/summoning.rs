//! Calls that are placed on somebody's behalf: the caller's own phone is called first, then the number.

use super::dialling::Wait;
use super::{Call, Setup, State};
use crate::effect::Effect;
use model::{EventBody, LegId, LegNo, LegOrigin};
use std::time::Instant;

impl Call {
    /// Somebody wants this call placed for the caller, which is an extension. Its phones are called first; as soon as one of them
    /// has answered, the rest is as if that phone had dialled.
    pub fn originate(setup: Setup, now: Instant) -> Self {
        let wait = Wait { summons: true, ..Wait::of(LegId::CALLER) };
        let mut call = Self::new(setup, LegOrigin::Summoned, wait, now);
        call.out.push_back(Effect::Summon { number: call.setup.caller.number.clone() });
        call
    }

    /// The leg of who calls; before one of its own phones has answered, that of the first of them.
    pub fn caller_leg(&self) -> LegNo {
        self.caller_leg
    }

    /// True while the caller's own phones are being called.
    pub fn is_summoning(&self) -> bool {
        matches!(&self.state, State::Locating(wait) | State::Dialling(wait, _) if wait.summons)
    }

    /// One of the caller's phones has answered: the number is called, and this leg waits.
    pub(super) fn caller_answered(&mut self, leg: LegNo, now: Instant) {
        self.caller_leg = leg;
        self.state = State::Locating(Wait::of(leg));
        self.deadline = Some(now + self.setup.policy.locate_limit);
        self.tell(EventBody::CallerAnswered { call: self.setup.id, leg });
        self.out.push_back(Effect::Keep);
        self.out.push_back(Effect::Locate { number: self.setup.dialled.clone(), by: leg });
    }
}
