//! Holding by command, and consultation: a party asks somebody else while the one it spoke with hears music, then puts the two
//! together or goes back (the service of RFC 5359 §2.5, without a second call of the phone).

use super::dialling::{Transfer, Wait};
use super::{Call, State};
use crate::effect::Effect;
use model::{Cause, ConsultStep, EventBody, LegNo, Outcome, Refusal, Side};
use std::time::Instant;

/// Who asks somebody else, and who hears music meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consulting {
    pub(super) by: LegNo,
    pub(super) held: LegNo,
}

const NORMAL: Cause = Cause { sip: 200, q850: 16 };

impl Call {
    /// The switch holds the call for a leg whose phone cannot, or takes it back.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongState`] if it speaks with nobody, or what is to be taken back was not held so.
    pub fn hold(&mut self, leg: LegNo, held: bool) -> Result<(), Refusal> {
        let partner = self.partner_of(leg).ok_or(Refusal::WrongState)?;
        let known = self.legs.get_mut(usize::from(leg)).ok_or(Refusal::NoSuchLeg)?;
        match (held, known.held, known.held_here) {
            (true, true, _) => {}
            (true, false, _) => {
                known.held_here = true;
                self.out.push_back(Effect::Part { a: leg, b: partner });
                self.note_held(leg, true);
            }
            (false, _, true) => {
                known.held_here = false;
                self.note_held(leg, false);
                let (a, b) = self.in_order(leg, partner);
                self.join(a, b);
            }
            (false, _, false) => return Err(Refusal::WrongState),
        }
        Ok(())
    }

    /// True if the switch holds the call for this leg.
    pub fn is_held_here(&self, leg: LegNo) -> bool {
        self.legs.get(usize::from(leg)).is_some_and(|leg| leg.held_here)
    }

    /// A party asks another number, by its own rights, while the one it speaks with hears music.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongState`] if it speaks with nobody or consults already, would ask itself or the other, or the parties of this
    /// call have changed too often.
    pub fn consult(&mut self, by: LegNo, to: &str, now: Instant) -> Result<(), Refusal> {
        let held = self.partner_of(by).ok_or(Refusal::WrongState)?;
        let named = |leg| self.number_of(leg) == Some(to);
        if self.consulting.is_some() || to.is_empty() || named(by) || named(held) || !self.may_move() {
            return Err(Refusal::WrongState);
        }
        self.moves += 1;
        self.release_holds([by, held]);
        self.consulting = Some(Consulting { by, held });
        self.out.push_back(Effect::Part { a: by, b: held });
        self.out.push_back(Effect::Music { to: held, on: true });
        self.search(Wait::of(by), to.to_owned(), by, now);
        self.tell_consulting(by, None, ConsultStep::Calling);
        // No image of the call is kept any more, but its record.
        self.out.push_back(Effect::Keep);
        Ok(())
    }

    /// The party that consults leaves: the other two speak; if the third does not answer yet, it is as if the party on hold had been
    /// transferred to it.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongState`] if this leg consults nobody.
    pub fn complete_consultation(&mut self, by: LegNo, now: Instant) -> Result<(), Refusal> {
        let consulting = self.consulting.filter(|known| known.by == by).ok_or(Refusal::WrongState)?;
        self.put_through(consulting);
        self.drop_leg(by, Outcome::Answered, NORMAL, now);
        Ok(())
    }

    /// The third party is let go, and the first two speak again.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongState`] if this leg consults nobody.
    pub fn cancel_consultation(&mut self, by: LegNo, now: Instant) -> Result<(), Refusal> {
        let consulting = self.consulting.filter(|known| known.by == by).ok_or(Refusal::WrongState)?;
        let other = self.partner_of(by);
        self.drop_pending(Outcome::Cancelled, Outcome::Cancelled.cause(), now);
        if let Some(other) = other {
            self.drop_leg(other, Outcome::Answered, NORMAL, now);
        }
        self.take_back(consulting, other, ConsultStep::Cancelled);
        Ok(())
    }

    /// The third party speaks with who asks for it.
    pub(super) fn consulted(&mut self, leg: LegNo) {
        if let Some(Consulting { by, .. }) = self.consulting {
            self.tell_consulting(by, Some(leg), ConsultStep::Answered);
        }
    }

    /// The third party rings.
    pub(super) fn consulted_rings(&mut self, leg: LegNo) {
        if let Some(Consulting { by, .. }) = self.consulting {
            self.tell_consulting(by, Some(leg), ConsultStep::Ringing);
        }
    }

    /// Nobody answers who was to be asked: false if nobody was.
    pub(super) fn consultation_failed(&mut self, now: Instant) -> bool {
        let Some(consulting) = self.consulting else { return false };
        self.drop_pending(Outcome::Cancelled, Outcome::Cancelled.cause(), now);
        self.take_back(consulting, None, ConsultStep::Failed);
        true
    }

    /// A leg of a consultation is gone; false if it is of none.
    pub(super) fn consultation_left(&mut self, leg: LegNo, cause: Cause, now: Instant) -> bool {
        let Some(consulting) = self.consulting else { return false };
        let Consulting { by, held } = consulting;
        if leg == held {
            // The two who are left have a call of their own.
            self.consulting = None;
            self.end_leg(leg, Outcome::Answered, cause, now);
            self.tell_consulting(by, None, ConsultStep::Abandoned);
        } else if leg == by {
            self.put_through(consulting);
            self.end_leg(leg, Outcome::Answered, cause, now);
        } else if self.partner_of(by) == Some(leg) {
            self.end_leg(leg, Outcome::Answered, cause, now);
            self.take_back(consulting, Some(leg), ConsultStep::Failed);
        } else {
            return false;
        }
        self.out.push_back(Effect::Keep);
        true
    }

    /// Nothing is heard of the one who hears music any more: it is gone; false if this leg is not that one.
    pub(super) fn held_party_silent(&mut self, leg: LegNo, now: Instant) -> bool {
        let cause = Outcome::MediaTimeout.cause();
        let is_held = self.consulting.is_some_and(|known| known.held == leg);
        if is_held {
            self.out.push_back(Effect::HangUp { leg, cause });
            self.consultation_left(leg, cause, now);
        }
        is_held
    }

    /// Whoever is still on hold when the call ends goes with it.
    pub(super) fn dismiss_held(&mut self, cause: Cause, now: Instant) {
        if let Some(Consulting { held, .. }) = self.consulting.take() {
            self.drop_leg(held, Outcome::Answered, cause, now);
        }
    }

    /// Another leg has taken the place of who consults.
    pub(super) fn consultant_replaced(&mut self, leg: LegNo, new: LegNo) {
        if let Some(consulting) = self.consulting.as_mut().filter(|known| known.by == leg) {
            consulting.by = new;
        }
    }

    fn take_back(&mut self, Consulting { by, held }: Consulting, leg: Option<LegNo>, step: ConsultStep) {
        self.consulting = None;
        let (a, b) = self.in_order(by, held);
        self.state = State::Talking { a, b };
        self.deadline = self.ends_at;
        self.join(a, b);
        self.out.push_back(Effect::Keep);
        self.tell_consulting(by, leg, step);
    }

    /// The one on hold goes on with the third party, who takes the place of who asked for it.
    fn put_through(&mut self, Consulting { by, held }: Consulting) {
        let (other, side) = (self.partner_of(by), self.side_of(by));
        self.consulting = None;
        match &mut self.state {
            State::Talking { .. } => {
                let Some(other) = other else { return };
                self.take_side(other, side);
                let (a, b) = self.in_order(held, other);
                self.state = State::Talking { a, b };
                self.deadline = self.ends_at;
                self.join(a, b);
                self.tell_consulting(by, Some(other), ConsultStep::Completed);
            }
            State::Locating(wait) | State::Dialling(wait, _) => {
                wait.leg = held;
                wait.transfer = Some(Transfer { by, there: false, recall: false });
                for leg in self.pending() {
                    self.take_side(leg, side);
                }
                let to = self.visited.first().cloned().unwrap_or_default();
                self.out.push_back(Effect::Music { to: held, on: false });
                self.tell(EventBody::CallTransferred { call: self.setup.id, by, leg: held, to });
                self.repeat_heard();
            }
            State::Announcing { .. } | State::Served { .. } | State::Queued { .. } | State::Ended => return,
        }
        self.out.push_back(Effect::Keep);
    }

    fn take_side(&mut self, leg: LegNo, side: Side) {
        if let Some(leg) = self.legs.get_mut(usize::from(leg)) {
            leg.side = side;
        }
    }

    /// What a phone says of its own hold no longer counts once the switch holds for it; and a new partner is not held.
    pub(super) fn release_holds(&mut self, legs: [LegNo; 2]) {
        for no in legs {
            if let Some(leg) = self.legs.get_mut(usize::from(no)).filter(|leg| leg.held_here) {
                leg.held_here = false;
                self.note_held(no, false);
            }
        }
    }

    fn note_held(&mut self, leg: LegNo, held: bool) {
        let Some(known) = self.legs.get_mut(usize::from(leg)) else { return };
        if std::mem::replace(&mut known.held, held) != held {
            self.tell(EventBody::LegHeld { call: self.setup.id, leg, held });
            if let Some(to) = self.partner_of(leg) {
                self.out.push_back(Effect::Music { to, on: held });
            }
        }
    }

    /// A leg's own phone holds or takes back.
    pub(super) fn on_held(&mut self, leg: LegNo, held: bool) {
        let there = self.legs.get(usize::from(leg)).is_some_and(|leg| leg.outcome.is_none() && !leg.held_here);
        if there {
            self.note_held(leg, held);
        }
    }

    /// Two legs as [`State::Talking`] has them.
    fn in_order(&self, one: LegNo, other: LegNo) -> (LegNo, LegNo) {
        if self.side_of(one) == Side::Caller { (one, other) } else { (other, one) }
    }

    fn tell_consulting(&mut self, by: LegNo, leg: Option<LegNo>, step: ConsultStep) {
        let number = match leg.and_then(|leg| self.number_of(leg)) {
            Some(number) => number.to_owned(),
            None => self.visited.first().cloned().unwrap_or_default(),
        };
        self.tell(EventBody::Consultation { call: self.setup.id, by, leg, number, step });
    }
}
