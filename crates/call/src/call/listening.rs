//! Who hears a conversation without being heard in it (RFC 3911).

use super::{Call, Leg, State};
use crate::effect::{Effect, Party};
use model::{Cause, EventBody, LegNo, LegOrigin, Outcome, Refusal, Side};
use std::time::Instant;

/// Listeners that a call has at one time; one more is refused.
const MAX_LISTENERS: usize = 8;

impl Call {
    /// Somebody hears from now on the conversation that a leg is in. The new leg is already there and counts as answered; it hears
    /// [`Call::audible`], and nobody hears it. It ends with the call, and the call not with it.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoSuchLeg`] if the leg is gone, was never in conversation or only listens itself; [`Refusal::Overloaded`] if
    /// too many listen already.
    pub fn listen(&mut self, to: LegNo, party: &Party, now: Instant) -> Result<LegNo, Refusal> {
        let there = self.legs.get(usize::from(to)).is_some_and(|leg| leg.outcome.is_none());
        if !there || !self.has_spoken(to) || self.listeners.contains(&to) || self.is_over() {
            return Err(Refusal::NoSuchLeg);
        }
        if self.listeners.len() >= MAX_LISTENERS {
            return Err(Refusal::Overloaded);
        }
        let new = self.legs.len() as LegNo;
        let at = Some(self.setup.wall.at(now));
        let leg = Leg::new(party, LegOrigin::Listening { to }, Side::System);
        self.legs.push(Leg { answered_at: at, ..leg });
        self.listeners.push(new);
        self.tell(EventBody::LegListening { call: self.setup.id, leg: new, number: party.number.clone(), to });
        self.out.push_back(Effect::Keep);
        Ok(new)
    }

    /// Those who listen.
    pub fn listeners(&self) -> &[LegNo] {
        &self.listeners
    }

    /// Whom a listener hears: everybody who is in conversation, or has been and waits for the next one.
    pub fn audible(&self) -> Vec<LegNo> {
        match &self.state {
            State::Talking { a, b } => vec![*a, *b],
            State::Locating(wait) | State::Dialling(wait, _) if wait.summons => Vec::new(),
            State::Locating(wait) | State::Dialling(wait, _) => {
                [wait.leg].into_iter().chain(self.transferor()).collect()
            }
            State::Announcing { to, .. } => vec![*to],
            State::Served { legs } => legs.clone(),
            State::Queued { leg, .. } => vec![*leg],
            State::Ended => Vec::new(),
        }
    }

    /// A listener goes on in another call. No effect names its leg here any more.
    pub fn release_listener(&mut self, leg: LegNo, now: Instant) {
        self.listener_left(leg, Cause { sip: 200, q850: 16 }, now);
    }

    /// A listener is gone; false if that leg is none.
    pub(super) fn listener_left(&mut self, leg: LegNo, cause: Cause, now: Instant) -> bool {
        let Some(place) = self.listeners.iter().position(|listener| *listener == leg) else { return false };
        self.listeners.remove(place);
        self.end_leg(leg, Outcome::Answered, cause, now);
        self.out.push_back(Effect::Keep);
        true
    }

    /// The call is over for those who listen, too.
    pub(super) fn dismiss_listeners(&mut self, cause: Cause, now: Instant) {
        for leg in std::mem::take(&mut self.listeners) {
            self.drop_leg(leg, Outcome::Answered, cause, now);
        }
    }
}
