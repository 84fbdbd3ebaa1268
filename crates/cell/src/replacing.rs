//! INVITE with Replaces (RFC 3891): a phone takes the place of another, or a call that rings there.

use crate::cell::Cell;
use crate::conversation::Asking;
use crate::signalling::leg_end;
use call::{Party, PartyKind, Replacing};
use media::engine::PortId;
use model::{CallId, LegNo, Refusal};
use sip_stack::endpoint::{Flow, Headers, SessionId};
use sip_stack::message::{Message, Status};
use std::time::Instant;
use tracing::info;

impl Cell {
    /// Whoever calls has proved who it is.
    pub(crate) fn on_replacing(
        &mut self,
        session: SessionId,
        caller: &Party,
        request: &Message,
        flow: Flow,
        now: Instant,
    ) {
        if let Err((status, headers)) = self.replace_by(session, caller, request, flow, now) {
            info!(status = status.code(), "an INVITE with Replaces was refused");
            self.sip.reject(session, status, headers, now);
        }
    }

    fn replace_by(
        &mut self,
        session: SessionId,
        caller: &Party,
        request: &Message,
        flow: Flow,
        now: Instant,
    ) -> Result<(), (Status, Headers)> {
        let plainly = |status: u16| (Status(status), Vec::new());
        let dialog = request.replaces().ok().flatten().ok_or_else(|| plainly(400))?;
        let found = self.sip.find(&dialog.call_id, &dialog.to_tag, &dialog.from_tag).ok_or_else(|| plainly(481))?;
        let (id, leg) = self.sessions.get(found).copied().ok_or_else(|| plainly(481))?;
        let confirmed = self.sip.is_confirmed(found);
        if dialog.early_only && confirmed {
            return Err(plainly(486));
        }
        if !self.may_replace(id, leg, caller, confirmed) {
            return Err(plainly(403));
        }
        let port = self.receive_offer(request, flow, caller, now).map_err(|(outcome, warning)| {
            (Status(outcome.cause().sip), vec![("Warning".to_owned(), warning.into_bytes())])
        })?;
        let replaced = match self.conversations.get_mut(&id) {
            Some(conversation) => conversation.call.replace(leg, caller, Replacing::Invited, now),
            None => Err(Refusal::NoSuchCall),
        };
        let new = match replaced {
            Ok(new) => new,
            Err(refusal) => {
                self.media.close(port, now);
                // A dialog that is over is declined; one that we did not begin and is not answered does not count (§3).
                return Err(plainly(if refusal == Refusal::NoSuchLeg { 603 } else { 481 }));
            }
        };
        let asking = Asking { late: request.body().is_empty(), ..Asking::default() };
        self.add_guest((id, new), session, port, Some(asking), request, flow);
        self.occupy(id, caller, now);
        info!(call = %id, leg, "a phone takes the place of another");
        self.carry_out(id, now);
        Ok(())
    }

    /// A leg that came into a call that was there already.
    pub(crate) fn add_guest(
        &mut self,
        (id, leg): (CallId, LegNo),
        session: SessionId,
        port: PortId,
        asking: Option<Asking>,
        request: &Message,
        flow: Flow,
    ) {
        let mut end = leg_end(request, flow);
        end.session = Some(session);
        end.port = Some(port);
        end.asking = asking;
        self.ports.insert(port, (id, leg));
        self.sessions.insert(session, (id, leg));
        self.traced.insert(session, id);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.sessions.push(session);
            conversation.legs.insert(leg, end);
        }
    }

    /// An extension may replace its own other phone, and pick up what rings at another extension.
    fn may_replace(&self, id: CallId, leg: LegNo, caller: &Party, confirmed: bool) -> bool {
        let Some(owner) = self.conversations.get(&id).and_then(|c| c.call.party_of(leg)) else { return false };
        let extensions = caller.kind == PartyKind::Extension && owner.kind == PartyKind::Extension;
        extensions && (owner.number == caller.number || (!confirmed && self.config.policy.pick_up))
    }
}
