//! A call's leg that goes out by a trunk, in the cell of the call.

use super::TrunkWay;
use crate::cell::Cell;
use crate::conversation::Way;
use crate::io::Body;
use call::Input;
use model::{CallId, LegNo, Outcome};
use sip_stack::endpoint::{Flow, SessionId};
use std::time::Instant;

/// What a leg holds of a trunk until it ends.
#[derive(Debug)]
pub(crate) struct TrunkLeg {
    pub(crate) trunk: String,
    pub(crate) way: Box<TrunkWay>,
    /// The trunk's home knows which of its servers answered.
    told: bool,
}

impl TrunkLeg {
    /// Of a call of a former process: nothing is dialled any more.
    pub(crate) fn restored(trunk: &str, flow: Flow) -> Self {
        let way = TrunkWay {
            flows: vec![flow],
            host: String::new(),
            from_host: None,
            route: Vec::new(),
            credentials: None,
            contact_user: None,
        };
        Self { trunk: trunk.to_owned(), way: Box::new(way), told: true }
    }
}

impl Cell {
    /// Asks the trunk's home for a way; [`Cell::on_reserved`] dials.
    pub(crate) fn ask_trunk(&mut self, id: CallId, leg: LegNo, target: usize, trunk: &str, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.reserving.insert(leg, target);
        let urgent = matches!(conversation.contacts.get(target), Some(Way::Trunk { terms, .. }) if terms.emergency);
        self.send_home(trunk, Body::Reserve { call: id, leg, trunk: trunk.to_owned(), urgent }, now);
    }

    /// The home of a trunk lets a leg out, or not.
    pub(crate) fn on_reserved(
        &mut self,
        id: CallId,
        leg: LegNo,
        trunk: String,
        way: Result<Box<TrunkWay>, Outcome>,
        now: Instant,
    ) {
        let conversation = self.conversations.get_mut(&id);
        let Some((conversation, target)) =
            conversation.and_then(|c| c.reserving.remove(&leg).map(|target| (c, target)))
        else {
            // Nobody wants that leg any more.
            if way.is_ok() {
                self.send_home(&trunk.clone(), Body::Release { call: id, trunk }, now);
            }
            return;
        };
        match way {
            Ok(way) => {
                conversation.trunks.insert(leg, TrunkLeg { trunk, way, told: false });
                self.dial_now(id, leg, target, now);
            }
            Err(outcome) => self.facts.push_back((id, Input::Failed { leg, outcome, cause: outcome.cause() })),
        }
    }

    /// A leg is over, or will not begin: its trunk no longer counts it.
    pub(crate) fn release_leg(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.reserving.remove(&leg);
        if let Some(TrunkLeg { trunk, .. }) = conversation.trunks.remove(&leg) {
            self.send_home(&trunk.clone(), Body::Release { call: id, trunk }, now);
        }
    }

    /// A fact that ends a leg frees its place at the trunk, before the call does anything else for it.
    pub(crate) fn release_if_over(&mut self, id: CallId, fact: &Input, now: Instant) {
        match fact {
            Input::Failed { leg, .. } | Input::HungUp { leg, .. } | Input::Unconfirmed { leg } => {
                self.release_leg(id, *leg, now);
            }
            _ => {}
        }
    }

    /// A call is over: it goes over no trunk any more.
    pub(crate) fn leave_trunks_of(&mut self, id: CallId, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.reserving.clear();
        let legs = std::mem::take(&mut conversation.trunks).into_values().map(|leg| leg.trunk);
        let all: Vec<String> = legs.chain(conversation.came_by.take()).collect();
        for trunk in all {
            self.send_home(&trunk.clone(), Body::Release { call: id, trunk }, now);
        }
    }

    /// One of the trunk's servers answered: those before it did not.
    pub(crate) fn hop_answered(&mut self, id: CallId, leg: LegNo, session: SessionId, now: Instant) {
        let flow = self.sip.flow(session);
        let Some(held) = self.conversations.get_mut(&id).and_then(|c| c.trunks.get_mut(&leg)) else { return };
        if std::mem::replace(&mut held.told, true) {
            return;
        }
        let Some(at) = held.way.flows.iter().position(|way| Some(way.remote) == flow.map(|f| f.remote)) else { return };
        let (trunk, dead, alive) = (held.trunk.clone(), held.way.flows[..at].to_vec(), Some(held.way.flows[at]));
        self.send_home(&trunk.clone(), Body::Tried { trunk, dead, alive }, now);
    }

    /// None of the trunk's servers took the call: they did not answer, or have no time (503).
    pub(crate) fn hops_failed(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let Some(held) = self.conversations.get_mut(&id).and_then(|c| c.trunks.get_mut(&leg)) else { return };
        if std::mem::replace(&mut held.told, true) {
            return;
        }
        let (trunk, dead): (_, Vec<Flow>) = (held.trunk.clone(), held.way.flows.clone());
        self.send_home(&trunk.clone(), Body::Tried { trunk, dead, alive: None }, now);
    }
}
