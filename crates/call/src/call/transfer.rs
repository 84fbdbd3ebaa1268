//! Who takes whose place: transfers, pick-ups, replaced parties.

use super::dialling::{Pending, Transfer, Wait};
use super::{Call, Leg, State};
use crate::effect::{Effect, Party, Progress};
use model::{CallId, Cause, EventBody, LegNo, LegOrigin, Outcome, Refusal, Side};
use std::time::Instant;

/// How often the parties of one call may change; a call sent round in a circle ends here.
const MAX_MOVES: u8 = 32;

impl Call {
    /// A party sends the one it speaks with to another number (RFC 5589 §6). How that goes is told by
    /// [`Effect::Progress`]; until it is done the party may still take the other back by failing to leave.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongState`] if it speaks with nobody, or to itself or the other it would be sent to, or if the parties
    /// of this call have changed too often.
    pub fn transfer(&mut self, by: LegNo, to: &str, now: Instant) -> Result<(), Refusal> {
        let waiting = self.partner_of(by).ok_or(Refusal::WrongState)?;
        let named = |leg| self.number_of(leg) == Some(to);
        if to.is_empty() || named(by) || named(waiting) || self.consulting.is_some() || !self.may_move() {
            return Err(Refusal::WrongState);
        }
        self.moves += 1;
        self.release_holds([by, waiting]);
        self.out.push_back(Effect::Part { a: by, b: waiting });
        self.tell(EventBody::CallTransferred { call: self.setup.id, by, leg: waiting, to: to.to_owned() });
        self.locate_for(waiting, Transfer { by, there: true, recall: false }, to.to_owned(), now);
        Ok(())
    }

    fn locate_for(&mut self, leg: LegNo, transfer: Transfer, number: String, now: Instant) {
        let by = transfer.by;
        self.search(Wait { transfer: Some(transfer), ..Wait::of(leg) }, number, by, now);
    }

    /// The parties of this call may change once more.
    pub(super) fn may_move(&self) -> bool {
        self.moves < MAX_MOVES
    }

    /// A number is looked for, by the rights of a leg, while somebody waits.
    pub(super) fn search(&mut self, wait: Wait, number: String, by: LegNo, now: Instant) {
        self.state = State::Locating(wait);
        self.deadline = Some(now + self.setup.policy.locate_limit);
        self.visited.clear();
        self.visited.insert(number.clone());
        self.out.push_back(Effect::Locate { number, by });
    }

    /// Another party takes the place of a leg that speaks, rings or waits (RFC 3891). The new leg is already there: it is
    /// answered by the [`Effect::Join`] that follows. The old leg is hung up.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoSuchLeg`] if the leg is gone, [`Refusal::WrongState`] if nobody can take its place now.
    pub fn replace(&mut self, leg: LegNo, party: &Party, how: Replacing, now: Instant) -> Result<LegNo, Refusal> {
        if self.moves >= MAX_MOVES {
            return Err(Refusal::WrongState);
        }
        let side = self.legs.get(usize::from(leg)).filter(|leg| leg.outcome.is_none()).ok_or(Refusal::NoSuchLeg)?.side;
        let new = self.legs.len() as LegNo;
        let elsewhere = Cause { sip: 200, q850: 26 };
        let normal = Cause { sip: 200, q850: 16 };
        match &mut self.state {
            State::Talking { a, b } if *a == leg || *b == leg => {
                let (a, b) = if *a == leg { (new, *b) } else { (*a, new) };
                self.state = State::Talking { a, b };
                self.consultant_replaced(leg, new);
                self.add_leg(party, how.origin(leg), side, now);
                self.join(a, b);
                self.drop_leg(leg, Outcome::Answered, normal, now);
            }
            State::Dialling(wait, dialling) if dialling.pending.contains_key(&leg) && !wait.summons => {
                dialling.pending.insert(new, Pending::Quiet);
                let origin = if how == Replacing::Invited { LegOrigin::PickedUp { of: leg } } else { how.origin(leg) };
                self.add_leg(party, origin, side, now);
                if let State::Dialling(_, dialling) = &mut self.state {
                    dialling.pending.remove(&leg);
                }
                self.drop_leg(leg, Outcome::Cancelled, elsewhere, now);
                self.on_answered(new, now);
            }
            State::Locating(wait) | State::Dialling(wait, _)
                if wait.leg == leg && !wait.summons && how != Replacing::Invited =>
            {
                wait.leg = new;
                self.consultant_replaced(leg, new);
                self.add_leg(party, how.origin(leg), side, now);
                self.drop_leg(leg, Outcome::Answered, normal, now);
                self.repeat_heard();
            }
            State::Locating(_)
            | State::Dialling(..)
            | State::Announcing { .. }
            | State::Talking { .. }
            | State::Served { .. }
            | State::Queued { .. }
            | State::Ended => return Err(Refusal::WrongState),
        }
        self.moves += 1;
        self.tell(EventBody::LegReplaced { call: self.setup.id, leg, by: new, number: party.number.clone() });
        self.out.push_back(Effect::Keep);
        Ok(new)
    }

    fn add_leg(&mut self, party: &Party, origin: LegOrigin, side: Side, now: Instant) {
        let answered_at = Some(self.setup.wall.at(now));
        self.legs.push(Leg { answered_at, ..Leg::new(party, origin, side) });
    }

    /// A leg goes on in another call, and with it the conversation: who is left here is hung up. No effect names the leg
    /// that went.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongState`] unless the leg speaks with somebody.
    pub fn take_away(&mut self, leg: LegNo, into: CallId, now: Instant) -> Result<(), Refusal> {
        let other = self.partner_of(leg).ok_or(Refusal::WrongState)?;
        let normal = Cause { sip: 200, q850: 16 };
        let side = self.side_of(other);
        self.end_leg(leg, Outcome::Answered, normal, now);
        self.drop_leg(other, Outcome::Answered, normal, now);
        self.finish((Outcome::Answered, normal), side, &format!("transferred into call {into}"), now);
        Ok(())
    }

    /// The new party has answered: who asked for the transfer is told and let go.
    pub(super) fn transferred(&mut self, transfer: &Transfer, leg: LegNo, now: Instant) {
        self.tell(EventBody::TransferDone { call: self.setup.id, by: transfer.by, leg });
        if transfer.there {
            self.out.push_back(Effect::Progress { leg: transfer.by, how: Progress::Done });
            self.drop_leg(transfer.by, Outcome::Answered, Cause { sip: 200, q850: 16 }, now);
        }
    }

    /// The trunk of the party that waits is asked to take it to its number. Until that is decided, nothing else is tried.
    pub(super) fn on_handing_over(&mut self, now: Instant) {
        if let State::Locating(Wait { transfer: Some(_), .. }) = &self.state {
            self.deadline = Some(now + self.setup.policy.hand_over_limit);
        }
    }

    /// The trunk has taken the party to its number, and nobody here has to stay.
    pub(super) fn on_handed_over(&mut self, now: Instant) {
        let State::Locating(wait) = &self.state else { return };
        let Wait { leg, transfer: Some(transfer), .. } = wait.clone() else { return };
        let to = self.visited.first().cloned().unwrap_or_default();
        self.leave_to_trunk(&transfer, leg, &to, now);
    }

    /// The trunk has put a party that speaks together with another of its own.
    pub(super) fn on_put_together(&mut self, leg: LegNo, with: &str, now: Instant) {
        if let Some(by) = self.partner_of(leg) {
            self.leave_to_trunk(&Transfer { by, there: true, recall: false }, leg, with, now);
        }
    }

    fn leave_to_trunk(&mut self, transfer: &Transfer, leg: LegNo, to: &str, now: Instant) {
        let (by, normal) = (transfer.by, Cause { sip: 200, q850: 16 });
        self.tell(EventBody::HandedOver { call: self.setup.id, by, leg, to: to.to_owned() });
        if transfer.there {
            self.out.push_back(Effect::Progress { leg: by, how: Progress::Done });
            self.drop_leg(by, Outcome::Answered, normal, now);
        }
        self.drop_leg(leg, Outcome::Answered, normal, now);
        let note = format!("transferred: the trunk took the party to {to}");
        self.finish((Outcome::Answered, normal), self.side_of(by), &note, now);
    }

    /// Who asked for a transfer, if it is still there.
    pub fn transferor(&self) -> Option<LegNo> {
        match &self.state {
            State::Locating(wait) | State::Dialling(wait, _) => {
                wait.transfer.as_ref().filter(|transfer| transfer.there).map(|transfer| transfer.by)
            }
            State::Announcing { .. }
            | State::Talking { .. }
            | State::Served { .. }
            | State::Queued { .. }
            | State::Ended => None,
        }
    }

    pub(super) fn on_transferor_left(&mut self, leg: LegNo, cause: Cause, now: Instant) {
        if let State::Locating(wait) | State::Dialling(wait, _) = &mut self.state
            && let Some(transfer) = &mut wait.transfer
        {
            transfer.there = false;
        }
        self.end_leg(leg, Outcome::Answered, cause, now);
        // Those two will not speak again.
        self.out.push_back(Effect::Keep);
    }

    /// Nobody answers who was transferred: it goes back to who sent it, if that one is still there or can be called.
    /// False: there was no transfer, or no way back.
    pub(super) fn bring_back(&mut self, cause: Cause, now: Instant) -> bool {
        let (State::Locating(wait) | State::Dialling(wait, _)) = &self.state else { return false };
        let Wait { leg, transfer: Some(transfer), .. } = wait.clone() else { return false };
        if transfer.there {
            let (a, b) = if self.side_of(leg) == Side::Caller { (leg, transfer.by) } else { (transfer.by, leg) };
            self.state = State::Talking { a, b };
            self.deadline = self.ends_at;
            self.join(a, b);
            self.out.push_back(Effect::Progress { leg: transfer.by, how: Progress::Failed(cause) });
            self.tell(EventBody::TransferFailed { call: self.setup.id, by: transfer.by, cause });
            return true;
        }
        self.tell(EventBody::TransferFailed { call: self.setup.id, by: transfer.by, cause });
        let number = self.number_of(transfer.by).unwrap_or_default().to_owned();
        let home = self.trunk_of(transfer.by).is_none() && !number.is_empty();
        if transfer.recall || !self.setup.policy.recall || !home {
            return false;
        }
        self.locate_for(leg, Transfer { recall: true, ..transfer }, number, now);
        true
    }
}

/// Why a party takes the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// It called for it itself: an INVITE with Replaces.
    Invited,
    /// It was transferred from another call.
    Transferred(CallId),
}

impl Replacing {
    fn origin(self, of: LegNo) -> LegOrigin {
        match self {
            Self::Invited => LegOrigin::Replaced { of },
            Self::Transferred(call) => LegOrigin::FromCall { call, of },
        }
    }
}
