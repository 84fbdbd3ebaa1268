//! Supervisors whose own phone was called: they listen to a conversation, whisper to one of its parties, or join in.
//!
//! The supervisor has a call of its own in the cell of the one it supervises, and its sound is seated there.

use crate::cell::Cell;
use crate::originate::Wished;
use crate::serving::Service;
use call::Input;
use media::engine::PortId;
use model::{CallId, EventBody, LegNo, Originate, Refusal, Reply, Supervision};
use std::time::Instant;

/// Supervisors that a call has at one time; one more is refused.
const MAX_SUPERVISORS: usize = 8;

/// Somebody who takes part in a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor {
    /// Its own call and leg.
    pub(crate) at: (CallId, LegNo),
    /// Its extension.
    extension: String,
    /// The leg it came by.
    of: LegNo,
    how: Supervision,
}

impl Cell {
    /// Calls a supervisor, or changes how one takes part that is there already.
    pub(crate) fn supervise(
        &mut self,
        (call, of): (CallId, LegNo),
        extension: String,
        how: Supervision,
        now: Instant,
    ) -> Result<Reply, Refusal> {
        let conversation = self.conversations.get_mut(&call).ok_or(Refusal::NoSuchCall)?;
        if !conversation.legs.contains_key(&of) {
            return Err(Refusal::NoSuchLeg);
        }
        if conversation.call.partner_of(of).is_none() {
            return Err(Refusal::WrongState);
        }
        if let Some(known) = conversation.supervisors.iter_mut().find(|known| known.extension == extension) {
            (known.of, known.how) = (of, how);
            self.tell(EventBody::Supervised { call, leg: of, by: extension, how }, now);
            self.seat_supervisors(call, now);
            return Ok(Reply::Done);
        }
        if conversation.supervisors.len() >= MAX_SUPERVISORS {
            return Err(Refusal::Overloaded);
        }
        // What the supervisor's phone shows.
        let shown =
            conversation.call.number_of(of).filter(|number| !number.is_empty()).unwrap_or("anonymous").to_owned();
        let service = Service::Supervision { call, leg: of, how };
        self.originate_for(Originate::new(&extension, &shown), Wished::Elsewhere(service), now)
    }

    /// A supervisor's phone has answered.
    pub(crate) fn begin_supervision(
        &mut self,
        at: (CallId, LegNo),
        (call, of): (CallId, LegNo),
        how: Supervision,
        now: Instant,
    ) {
        let party = self.conversations.get(&at.0).and_then(|c| c.call.party_of(at.1));
        let known = self.conversations.get_mut(&call).filter(|c| !c.call.is_over());
        let (Some(party), Some(conversation)) = (party, known) else {
            return self.facts.push_back((at.0, Input::Announced));
        };
        // Others may have come while it rang.
        if conversation.supervisors.len() >= MAX_SUPERVISORS {
            return self.facts.push_back((at.0, Input::Announced));
        }
        let extension = party.number;
        conversation.supervisors.push(Supervisor { at, extension: extension.clone(), of, how });
        self.tell(EventBody::Supervised { call, leg: of, by: extension, how }, now);
        self.seat_supervisors(call, now);
    }

    /// A supervisor is gone.
    pub(crate) fn end_supervision(&mut self, at: (CallId, LegNo), call: CallId, now: Instant) {
        if let Some(conversation) = self.conversations.get_mut(&call) {
            conversation.supervisors.retain(|known| known.at != at);
            self.seat_parties(call, now);
        }
    }

    /// The conversation is over for those who supervised it.
    pub(crate) fn dismiss_supervisors(&mut self, supervisors: Vec<Supervisor>) {
        self.facts.extend(supervisors.into_iter().map(|known| (known.at.0, Input::Announced)));
    }

    /// Supervisors hear whoever is in the conversation now, and are heard by whom they shall.
    pub(crate) fn seat_supervisors(&mut self, call: CallId, now: Instant) {
        let Some(known) = self.conversations.get(&call).filter(|c| !c.supervisors.is_empty()) else { return };
        let speakers: Vec<PortId> = known.call.audible().into_iter().filter_map(|leg| known.port(leg)).collect();
        let ports: Vec<PortId> = known.supervisors.iter().filter_map(|known| self.port_of_leg(known.at)).collect();
        for port in ports {
            self.media.hear(port, &speakers, now);
        }
        self.seat_parties(call, now);
    }

    /// Parties hear each other, and whoever else speaks to them.
    pub(crate) fn seat_parties(&mut self, call: CallId, now: Instant) {
        let Some(known) = self.conversations.get(&call) else { return };
        let mut rows: Vec<(PortId, Vec<PortId>)> = Vec::new();
        for leg in known.call.audible() {
            let partner = known.call.partner_of(leg).and_then(|partner| known.port(partner));
            let there = partner.is_some() || matches!(known.service, Some(Service::Prompt { .. }));
            let Some(port) = known.port(leg).filter(|_| there) else { continue };
            rows.push((port, partner.into_iter().chain(self.also_heard_by(call, leg)).collect()));
        }
        let conference = match &known.service {
            Some(Service::Conference(name)) => Some(name.clone()),
            _ => None,
        };
        for (port, row) in rows {
            self.media.hear(port, &row, now);
        }
        conference.into_iter().for_each(|name| self.seat_members(&name, now));
    }
}

impl Supervisor {
    /// True if it speaks to the party of a leg.
    pub(crate) fn is_heard_by(&self, leg: LegNo) -> bool {
        match self.how {
            Supervision::Listen => false,
            Supervision::Whisper => self.of == leg,
            Supervision::Barge => true,
        }
    }
}
