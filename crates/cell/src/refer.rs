//! Transfers that phones ask for by REFER (RFC 3515, RFC 5589): to a number, or into another call (Replaces in Refer-To).
//!
//! Nobody is referred on: the transferred party's dialog stays here and speaks with another one. Who asked is told by NOTIFY.

use crate::cell::Cell;
use crate::conversation::{LegEnd, Link};
use crate::io::{Body, JoinRequest};
use crate::outward::OutLeg;
use crate::signalling::MAX_NUMBER;
use bytes::Bytes;
use call::{Input, Party, PartyKind, Progress, Replacing};
use media::engine::Answer;
use model::{CallId, Cause, LegId, LegNo};
use sip_stack::endpoint::{RequestId, SessionId};
use sip_stack::message::{DialogId, Message, Name, NameAddr, Status};
use sip_stack::placement::cell_of_tag;
use std::time::Instant;
use tracing::{debug, info};

/// Where a phone wants the other party to go.
enum Wanted {
    Number(String),
    Dialog(DialogId),
}

impl Wanted {
    fn of(request: &Message) -> Result<Self, Status> {
        let mut targets = request.addrs(Name::ReferTo);
        let (Some(Ok(target)), None) = (targets.next(), targets.next()) else { return Err(Status(400)) };
        // Only calls can be asked for.
        if target.uri.param("method").is_some_and(|method| !method.eq_ignore_ascii_case(b"INVITE")) {
            return Err(Status(603));
        }
        if let Some(dialog) = request.refer_replaces().map_err(|_| Status(400))? {
            return Ok(Self::Dialog(dialog));
        }
        let number = number_of(&target);
        if number.is_empty() || number.len() > MAX_NUMBER { Err(Status(603)) } else { Ok(Self::Number(number)) }
    }
}

fn number_of(target: &NameAddr) -> String {
    crate::authorize::number_of(&target.uri)
}

impl Cell {
    /// A phone presses "transfer".
    pub(crate) fn on_refer(
        &mut self,
        request_id: RequestId,
        request: &Message,
        session: Option<SessionId>,
        now: Instant,
    ) {
        let Some((id, leg)) = session.and_then(|session| self.sessions.get(session).copied()) else {
            return self.sip.respond(request_id, Status(403), Vec::new(), None, now);
        };
        let wanted = match Wanted::of(request) {
            Ok(wanted) => wanted,
            Err(status) => return self.sip.respond(request_id, status, Vec::new(), None, now),
        };
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let asked = match &wanted {
            // Of two at once the second has to wait.
            _ if conversation.handing.is_some() => false,
            Wanted::Number(number) => conversation.call.transfer(leg, number, now).is_ok(),
            Wanted::Dialog(_) => conversation.call.partner_of(leg).is_some() && !self.linking.contains_key(&id),
        };
        if !asked {
            info!(call = %id, leg, "a transfer was refused");
            return self.sip.respond(request_id, Status(603), Vec::new(), None, now);
        }
        // 202, and the first NOTIFY (RFC 3515 §2.4.4).
        let refer = self.sip.accept_refer(request_id, now);
        if let Some(end) = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg)) {
            end.refer = refer;
        }
        match wanted {
            Wanted::Number(_) => {
                info!(call = %id, leg, "a party transfers the other");
                self.carry_out(id, now);
            }
            Wanted::Dialog(dialog) => self.transfer_into(id, leg, &dialog, now),
        }
    }

    /// Tells who asked for a transfer how it goes.
    pub(crate) fn notify_progress(&mut self, id: CallId, leg: LegNo, how: Progress, now: Instant) {
        let (status, last) = match how {
            Progress::Ringing => (Status(180), false),
            Progress::Done => (Status(200), true),
            Progress::Failed(cause) => (Status(cause.sip.clamp(300, 699)), true),
        };
        let Some(end) = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg)) else { return };
        let refer = if last { end.refer.take() } else { end.refer };
        if let Some(refer) = refer {
            self.sip.notify_refer(refer, status, now);
        }
    }

    /// The party this leg speaks with goes on in the call of another dialog of the same phone, in its place there.
    fn transfer_into(&mut self, id: CallId, leg: LegNo, dialog: &DialogId, now: Instant) {
        let cells = self.config.cells.max(1);
        let owner = cell_of_tag(&dialog.to_tag).or_else(|| cell_of_tag(&dialog.from_tag));
        let Some(owner) = owner.map(|owner| owner.0 % cells) else { return self.transfer_failed(id, leg, now) };
        if !self.ask_for_far_end(id, leg, dialog, owner, now) {
            self.bridge_into(id, leg, dialog, owner, now);
        }
    }

    /// The same, with the sound of all parties here.
    pub(crate) fn bridge_into(&mut self, id: CallId, leg: LegNo, dialog: &DialogId, owner: u16, now: Instant) {
        if owner != self.config.cell {
            self.ask_to_join(id, leg, dialog.clone(), owner, now);
        } else if !self.transfer_here(id, leg, dialog, now) {
            self.transfer_failed(id, leg, now);
        }
    }

    fn transfer_failed(&mut self, id: CallId, leg: LegNo, now: Instant) {
        info!(call = %id, leg, "the call to transfer into is not there");
        self.notify_progress(id, leg, Progress::Failed(Cause { sip: 481, q850: 31 }), now);
    }

    /// The leg of a dialog, if it belongs to this party.
    pub(crate) fn leg_of(&self, dialog: &DialogId, by: &Party) -> Option<(CallId, LegNo)> {
        let session = self.sip.find(&dialog.call_id, &dialog.to_tag, &dialog.from_tag)?;
        let (id, leg) = self.sessions.get(session).copied()?;
        let owner = self.conversations.get(&id)?.call.party_of(leg)?;
        // Who knows the names of a stranger's dialog still has no right to it.
        let same = owner.kind == by.kind && (owner.number == by.number || matches!(by.kind, PartyKind::Trunk(_)));
        same.then_some((id, leg))
    }

    fn transfer_here(&mut self, id: CallId, leg: LegNo, dialog: &DialogId, now: Instant) -> bool {
        let Some(call) = self.conversations.get(&id).map(|c| &c.call) else { return true };
        let (Some(partner), Some(by)) = (call.partner_of(leg), call.party_of(leg)) else { return false };
        let Some(party) = call.party_of(partner) else { return false };
        let Some((into, place)) = self.leg_of(dialog, &by).filter(|(into, _)| *into != id) else { return false };
        let Some(other) = self.conversations.get_mut(&into) else { return false };
        let Ok(new) = other.call.replace(place, &party, Replacing::Transferred(id), now) else { return false };
        self.move_leg((id, partner), (into, new), &party, now);
        self.listeners_follow(id, (into, new), now);
        info!(call = %id, into = %into, "a party goes on in another call");
        self.notify_progress(id, leg, Progress::Done, now);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            let taken = conversation.call.take_away(partner, into, now);
            stdx::never!(taken.is_err(), "a leg of call {id} went and its call did not end");
        }
        self.carry_out(id, now);
        self.carry_out(into, now);
        true
    }

    /// A leg's signalling and sound become those of a leg of another call of this cell.
    pub(crate) fn move_leg(
        &mut self,
        (from, old): (CallId, LegNo),
        (into, new): (CallId, LegNo),
        party: &Party,
        now: Instant,
    ) {
        let Some(conversation) = self.conversations.get_mut(&from) else { return };
        let Some(end) = conversation.legs.get_mut(&old) else { return };
        let mut left = LegEnd::new(end.flow);
        left.user_agent.clone_from(&end.user_agent);
        left.sip_call_id.clone_from(&end.sip_call_id);
        if let Some(port) = end.port {
            let heard = self.media.quality(port, now);
            left.codec.clone_from(&heard.codec);
            left.quality = crate::sound::quality(&heard);
        }
        let end = std::mem::replace(end, left);
        conversation.sessions.retain(|session| Some(*session) != end.session);
        // What it costs goes on there, on the account of who called it.
        let out = conversation.out.get(&old).map(|out| OutLeg { answered_at: None, ended_at: None, ..out.clone() });
        if let Some(port) = end.port {
            self.ports.insert(port, (into, new));
        }
        if let Some(session) = end.session {
            self.sessions.insert(session, (into, new));
            self.traced.insert(session, into);
        }
        let Some(conversation) = self.conversations.get_mut(&into) else { return };
        conversation.sessions.extend(end.session);
        conversation.legs.insert(new, end);
        if let Some(out) = out {
            conversation.out.insert(new, out);
            self.charge_from(LegId { call: into, no: new }, now);
        }
        self.occupy(into, party, now);
    }

    /// The home of an extension counts this call.
    pub(crate) fn occupy(&mut self, id: CallId, party: &Party, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if party.kind == PartyKind::Extension && !conversation.occupied.contains(&party.number) {
            let number = party.number.clone();
            conversation.occupied.push(number.clone());
            self.send_home(&number.clone(), Body::Occupy { call: id, number }, now);
        }
    }

    /// A leg is gone, and the call may go on for hours: its extension is no longer in it.
    pub(crate) fn vacate_after(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let call = &conversation.call;
        // When the call is over, so is all that counts it.
        if call.is_over() || call.trunk_of(leg).is_some() {
            return;
        }
        let Some(number) = call.number_of(leg).map(str::to_owned) else { return };
        let still = call.live().legs.iter().any(|l| l.number == number && l.state != model::LegState::Ending);
        if !still && conversation.occupied.contains(&number) {
            conversation.occupied.retain(|known| *known != number);
            self.send_home(&number.clone(), Body::Vacate { call: id, number }, now);
        }
    }

    /// The other call lives in another cell: a leg in each, and sound between them, join the two.
    fn ask_to_join(&mut self, id: CallId, leg: LegNo, dialog: DialogId, owner: u16, now: Instant) {
        let Some(conversation) = self.conversations.get(&id) else { return };
        let call = &conversation.call;
        let partner = call.partner_of(leg);
        let (Some(by), Some(partner)) = (call.party_of(leg), partner) else {
            return self.transfer_failed(id, leg, now);
        };
        let (Some(party), Some(end)) = (call.party_of(partner), conversation.legs.get(&partner)) else { return };
        let (flow, towards) = (end.flow, end.port);
        let Ok(port) = self.media.open(flow.local.ip(), now) else { return self.transfer_failed(id, leg, now) };
        self.media.hint_source(port, flow.local.ip());
        let offer = self.media.make_offer(port, towards, now);
        self.linking.insert(id, (leg, port, flow));
        self.send(owner, Body::JoinCall(Box::new(JoinRequest { call: id, dialog, by, party, offer })));
    }

    /// A call of another cell wants to take the place of a leg of ours.
    pub(crate) fn on_join_call(&mut self, from: u16, request: &JoinRequest, now: Instant) {
        let call = request.call;
        let result = self.link_in(request, now);
        let joined = result.as_ref().map(|(into, ..)| *into);
        self.send(from, Body::CallJoined { call, result: result.map(Box::new) });
        if let Some(into) = joined {
            self.carry_out(into, now);
        }
    }

    fn link_in(&mut self, request: &JoinRequest, now: Instant) -> Option<Joined> {
        let JoinRequest { call, dialog, by, party, offer } = request;
        let (into, place) = self.leg_of(dialog, by)?;
        let conversation = self.conversations.get_mut(&into)?;
        let flow = conversation.legs.get(&place)?.flow;
        let partner = conversation.call.partner_of(place);
        let towards = partner.and_then(|partner| conversation.port(partner));
        let other = partner.and_then(|partner| conversation.call.party_of(partner));
        let other = other.unwrap_or_else(|| Party { number: conversation.call.dialled().to_owned(), ..by.clone() });
        let port = self.media.open(flow.local.ip(), now).ok()?;
        self.media.hint_source(port, flow.local.ip());
        let answer = self.media.set_remote_offer(port, offer, now).ok().and_then(|()| {
            let joined = towards.and_then(|towards| self.media.make_answer(port, Answer::Joined(towards), now));
            joined.or_else(|| self.media.make_answer(port, Answer::Early, now))
        });
        let replaced = answer.and_then(|answer| {
            let conversation = self.conversations.get_mut(&into)?;
            Some((conversation.call.replace(place, party, Replacing::Transferred(*call), now).ok()?, answer))
        });
        let Some((new, answer)) = replaced else {
            self.media.close(port, now);
            return None;
        };
        self.add_link(into, new, port, flow, *call);
        Some((into, other, answer))
    }

    fn add_link(
        &mut self,
        id: CallId,
        leg: LegNo,
        port: media::engine::PortId,
        flow: sip_stack::endpoint::Flow,
        call: CallId,
    ) {
        self.ports.insert(port, (id, leg));
        let mut end = LegEnd::new(flow);
        end.port = Some(port);
        end.link = Some(Link { call });
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.legs.insert(leg, end);
        }
    }

    /// The other cell's answer.
    pub(crate) fn on_call_joined(&mut self, id: CallId, result: Option<Joined>, now: Instant) {
        let Some((leg, port, flow)) = self.linking.remove(&id) else { return };
        let Some((into, party, answer)) = result else {
            self.media.close(port, now);
            return self.transfer_failed(id, leg, now);
        };
        let heard = self.media.set_remote_answer(port, &answer, now).is_ok();
        let new =
            self.conversations.get_mut(&id).filter(|_| heard).and_then(|conversation| {
                conversation.call.replace(leg, &party, Replacing::Transferred(into), now).ok()
            });
        let Some(new) = new else {
            debug!(call = %id, "a call ended while it was joined with another");
            self.media.close(port, now);
            let cause = Cause { sip: 200, q850: 16 };
            return self.send_to_call(into, Body::LinkEnded { call: into, from: id, cause }, now);
        };
        self.add_link(id, new, port, flow, into);
        self.notify_progress(id, leg, Progress::Done, now);
        self.carry_out(id, now);
    }

    /// The other end of a link leg is gone.
    pub(crate) fn on_link_ended(&mut self, call: CallId, from: CallId, cause: Cause) {
        let Some(conversation) = self.conversations.get_mut(&call) else { return };
        let found = conversation.legs.iter_mut().find(|(_, end)| end.link == Some(Link { call: from }));
        if let Some((leg, end)) = found {
            end.link = None;
            self.facts.push_back((call, Input::HungUp { leg: *leg, cause: Some(cause) }));
        }
    }

    /// A letter to the cell that owns a call.
    pub(crate) fn send_to_call(&mut self, call: CallId, body: Body, now: Instant) {
        self.send_or_take(call.cell() % self.config.cells.max(1), body, now);
    }

    /// A letter to a cell, which may be this one.
    pub(crate) fn send_or_take(&mut self, to: u16, body: Body, now: Instant) {
        if to == self.config.cell {
            self.on_envelope(crate::io::Envelope { from: to, to, body }, now);
        } else {
            self.send(to, body);
        }
    }
}

/// What a joined call answers: the call, whom it brings, and a session description.
pub type Joined = (CallId, Party, Bytes);
