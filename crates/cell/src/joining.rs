//! INVITE with Join (RFC 3911): a phone listens to a conversation, and nobody hears it.

use crate::cell::Cell;
use call::{Party, PartyKind};
use media::engine::{Answer, PortId};
use model::{CallId, LegNo, Refusal};
use sip_stack::endpoint::{Flow, Headers, SessionId};
use sip_stack::message::{Message, Status};
use std::time::Instant;
use tracing::info;

impl Cell {
    /// Whoever calls has proved who it is.
    pub(crate) fn on_joining(
        &mut self,
        session: SessionId,
        caller: &Party,
        request: &Message,
        flow: Flow,
        now: Instant,
    ) {
        if let Err((status, headers)) = self.join_by(session, caller, request, flow, now) {
            info!(status = status.code(), "an INVITE with Join was refused");
            self.sip.reject(session, status, headers, now);
        }
    }

    fn join_by(
        &mut self,
        session: SessionId,
        caller: &Party,
        request: &Message,
        flow: Flow,
        now: Instant,
    ) -> Result<(), (Status, Headers)> {
        let plainly = |status: u16| (Status(status), Vec::new());
        // Who has no right to it is not told which dialogs there are.
        if !self.may_monitor(caller) {
            return Err(plainly(403));
        }
        let dialog = request.join().ok().flatten().ok_or_else(|| plainly(400))?;
        let found = self.sip.find(&dialog.call_id, &dialog.to_tag, &dialog.from_tag).ok_or_else(|| plainly(481))?;
        let (id, leg) = self.sessions.get(found).copied().ok_or_else(|| plainly(481))?;
        if !self.sip.is_confirmed(found) {
            return Err(plainly(481));
        }
        let port = self.receive_offer(request, flow, caller, now).map_err(|(outcome, warning)| {
            (Status(outcome.cause().sip), vec![("Warning".to_owned(), warning.into_bytes())])
        })?;
        // Whoever listens is mixed for, so it must speak what the switch can make.
        let body = match request.body().is_empty() {
            true => Some(self.media.make_offer(port, None, now)),
            false => self.media.make_answer(port, Answer::Early, now),
        };
        let listening = match (body, self.conversations.get_mut(&id)) {
            (Some(body), Some(known)) => known.call.listen(leg, caller, now).map(|new| (new, body)),
            (None, _) => {
                self.media.close(port, now);
                return Err(plainly(488));
            }
            (Some(_), None) => Err(Refusal::NoSuchCall),
        };
        let (new, body) = listening.map_err(|refusal| {
            self.media.close(port, now);
            plainly(if refusal == Refusal::Overloaded { 486 } else { 481 })
        })?;
        self.add_guest((id, new), session, port, None, request, flow);
        self.sip.accept(session, body, now);
        self.occupy(id, caller, now);
        info!(call = %id, leg = new, "a phone listens to a call");
        self.carry_out(id, now);
        Ok(())
    }

    fn may_monitor(&self, caller: &Party) -> bool {
        let known = self.directory.extension(&caller.number).filter(|_| caller.kind == PartyKind::Extension);
        known.is_some_and(|extension| extension.monitor)
    }

    /// Lets those who listen hear whoever is in the call now.
    pub(crate) fn seat_listeners(&mut self, id: CallId, now: Instant) {
        let Some(known) = self.conversations.get(&id).filter(|c| !c.call.listeners().is_empty()) else { return };
        let speakers: Vec<PortId> = known.call.audible().into_iter().filter_map(|leg| known.port(leg)).collect();
        let listeners: Vec<PortId> = known.call.listeners().iter().filter_map(|leg| known.port(*leg)).collect();
        for listener in listeners {
            self.media.hear(listener, &speakers, now);
        }
    }

    /// A conversation goes on in another call of this cell, at this leg: those who listened to it follow.
    pub(crate) fn listeners_follow(&mut self, from: CallId, (into, to): (CallId, LegNo), now: Instant) {
        let listeners = self.conversations.get(&from).map(|c| c.call.listeners().to_vec()).unwrap_or_default();
        for listener in listeners {
            let party = self.conversations.get(&from).and_then(|c| c.call.party_of(listener));
            let Some((party, other)) = party.zip(self.conversations.get_mut(&into)) else { continue };
            let Ok(new) = other.call.listen(to, &party, now) else { continue };
            self.move_leg((from, listener), (into, new), &party, now);
            if let Some(left) = self.conversations.get_mut(&from) {
                left.call.release_listener(listener, now);
            }
        }
    }
}
