//! Phones that are made to do something by command: answer, hold, retrieve, transfer, consult. What a phone cannot do itself the
//! switch does for it.

use crate::cell::Cell;
use crate::signalling::MAX_NUMBER;
use call::Call;
use model::{CallId, LegNo, Refusal, Reply};
use sip_stack::message::Method;
use std::time::Instant;
use tracing::info;

/// What a phone is asked to do with a call, by the event packages that desk phones share (`Allow-Events: talk, hold`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Answer it, or take it back from hold.
    Talk,
    /// Put it on hold.
    Hold,
}

impl Cell {
    /// NOTIFY with `Event: talk` or `hold` in the call of a phone that said it takes it; for others the switch holds and retrieves.
    pub(crate) fn tell_phone(&mut self, id: CallId, leg: LegNo, wish: Wish, now: Instant) -> Result<Reply, Refusal> {
        let conversation = self.conversations.get(&id).ok_or(Refusal::NoSuchCall)?;
        let end = conversation.legs.get(&leg).ok_or(Refusal::NoSuchLeg)?;
        let (able, event) = match wish {
            Wish::Talk => (end.talents.talk, "talk"),
            Wish::Hold => (end.talents.hold, "hold"),
        };
        let held_here = conversation.call.is_held_here(leg);
        if (wish == Wish::Hold && !able) || (wish == Wish::Talk && held_here) {
            return self.on_leg((id, leg), now, |call| call.hold(leg, wish == Wish::Hold));
        }
        let session = end.session.filter(|_| able).ok_or(Refusal::WrongState)?;
        let headers = vec![
            ("Event".to_owned(), event.as_bytes().to_vec()),
            ("Subscription-State".to_owned(), b"terminated;reason=noresource".to_vec()),
        ];
        let sent = self.sip.request_in(session, Method::Notify, headers, None, now);
        info!(call = %id, leg, event, "a phone is told what to do");
        sent.map(|_| Reply::Done).ok_or(Refusal::WrongState)
    }

    /// Something that happens within the switch alone, on behalf of a leg.
    pub(crate) fn on_leg(
        &mut self,
        (id, leg): (CallId, LegNo),
        now: Instant,
        what: impl FnOnce(&mut Call) -> Result<(), Refusal>,
    ) -> Result<Reply, Refusal> {
        let conversation = self.conversations.get_mut(&id).ok_or(Refusal::NoSuchCall)?;
        if !conversation.legs.contains_key(&leg) {
            return Err(Refusal::NoSuchLeg);
        }
        what(&mut conversation.call)?;
        info!(call = %id, leg, "a leg was commanded");
        self.carry_out(id, now);
        Ok(Reply::Done)
    }

    /// A leg asks somebody else.
    pub(crate) fn consult_by_command(
        &mut self,
        (id, leg): (CallId, LegNo),
        to: &str,
        now: Instant,
    ) -> Result<Reply, Refusal> {
        if to.len() > MAX_NUMBER || self.conversations.get(&id).is_some_and(|known| known.handing.is_some()) {
            return Err(Refusal::WrongState);
        }
        self.on_leg((id, leg), now, |call| call.consult(leg, to, now))
    }

    /// A transfer on a leg's behalf; the leg's phone is hung up when it is done.
    pub(crate) fn transfer_by_command(
        &mut self,
        id: CallId,
        leg: LegNo,
        to: &str,
        now: Instant,
    ) -> Result<Reply, Refusal> {
        let conversation = self.conversations.get_mut(&id).ok_or(Refusal::NoSuchCall)?;
        if !conversation.legs.contains_key(&leg) {
            return Err(Refusal::NoSuchLeg);
        }
        if to.len() > MAX_NUMBER || conversation.handing.is_some() {
            return Err(Refusal::WrongState);
        }
        conversation.call.transfer(leg, to, now)?;
        info!(call = %id, leg, "a party is transferred by command");
        self.carry_out(id, now);
        Ok(Reply::Done)
    }
}
