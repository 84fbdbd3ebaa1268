//! Calls to ring groups: whose phones are called, and in which order.
//!
//! A group is searched in turns. In each the homes of some members are asked where their phones are, all of which then ring at once;
//! when nobody takes the call it comes back by [`call::Effect::Elsewhere`] for the next turn, and in the end goes where the group says.

use crate::cell::Cell;
use crate::conversation::Way;
use crate::io::{Body, Contact};
use call::{GoOn, Input, Party, PartyKind, Stage, Target};
use model::{CallId, EventBody, LegNo, MAX_FORWARDS, Outcome, Overflow, RingGroup, RingStrategy};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::info;

/// For which outcomes of one turn the next is tried: all that a called party can have.
const GO_ON: [Outcome; 8] = [
    Outcome::Busy,
    Outcome::NoAnswer,
    Outcome::Rejected,
    Outcome::Unreachable,
    Outcome::Unallocated,
    Outcome::Forbidden,
    Outcome::Incompatible,
    Outcome::Congestion,
];

/// A group that is being searched.
#[derive(Clone, Debug)]
pub(crate) struct Ringing {
    group: Arc<RingGroup>,
    /// Members whose turn has not come.
    left: VecDeque<String>,
    /// Members whose homes have not answered.
    asked: Vec<String>,
    /// Where the phones of this turn are.
    found: Vec<(String, Contact)>,
    /// What led there wants the call recorded.
    record: bool,
}

impl Cell {
    /// A call has reached a ring group.
    pub(crate) fn reach_ring_group(&mut self, id: CallId, by: LegNo, name: &str, record: bool, now: Instant) {
        let Some(group) = self.directory.ring_group(name) else {
            return self.serve_not(id, Outcome::Unallocated, "there is no such ring group");
        };
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let caller = conversation.call.number_of(by).filter(|_| conversation.call.trunk_of(by).is_none());
        let way = conversation.detours.entry(by).or_default();
        way.groups += 1;
        if way.groups > MAX_FORWARDS {
            return self.goes_round(id, "the call went through too many ring groups");
        }
        let free = |number: &&String| {
            let extension = self.directory.extension(number);
            extension.is_some_and(|extension| !extension.do_not_disturb) && caller != Some(number)
        };
        let mut left: VecDeque<String> = group.members.iter().filter(free).cloned().collect();
        if group.strategy == RingStrategy::RoundRobin && !left.is_empty() {
            let turn = self.ring_turns.entry(group.name.clone()).or_default();
            let first = *turn % left.len();
            *turn = turn.wrapping_add(1);
            left.rotate_left(first);
        }
        way.ringing = Some(Ringing { group, left, asked: Vec::new(), found: Vec::new(), record });
        info!(call = %id, group = name, "call to a ring group");
        self.tell(EventBody::RingGroupCalled { call: id, group: name.to_owned() }, now);
        self.ring_next(id, by, Outcome::Unreachable, now);
    }

    /// The next turn of a group, or where it sends those whom nobody took; false if this leg's search is of none.
    pub(crate) fn ring_next(&mut self, id: CallId, by: LegNo, outcome: Outcome, now: Instant) -> bool {
        let Some(conversation) = self.conversations.get_mut(&id) else { return false };
        let Some(way) = conversation.detours.get_mut(&by) else { return false };
        let Some(ringing) = &mut way.ringing else { return false };
        let turn = if ringing.group.strategy == RingStrategy::All { ringing.left.len() } else { 1 };
        let members: Vec<String> = ringing.left.drain(..turn.min(ringing.left.len())).collect();
        if members.is_empty() {
            let (then, record) = (ringing.group.then.clone(), ringing.record);
            way.ringing = None;
            match then {
                Overflow::HangUp => self.facts.push_back((id, Input::Nowhere(outcome))),
                then => self.send_on(id, by, then, record, now),
            }
            return true;
        }
        ringing.asked.clone_from(&members);
        for number in members {
            self.send_home(&number.clone(), Body::Locate { call: id, number }, now);
        }
        true
    }

    /// The home of a member has answered; false if none was asked.
    pub(crate) fn member_located(
        &mut self,
        id: CallId,
        number: &str,
        found: &Result<Vec<Contact>, Outcome>,
        now: Instant,
    ) -> bool {
        let Some(conversation) = self.conversations.get_mut(&id) else { return false };
        let asked = |ringing: &Ringing| ringing.asked.iter().any(|asked| asked == number);
        let mut ways = conversation.detours.iter_mut();
        let Some((by, way)) = ways.find(|(_, way)| way.ringing.as_ref().is_some_and(asked)) else { return false };
        let (by, Some(ringing)) = (*by, &mut way.ringing) else { return false };
        ringing.asked.retain(|asked| asked != number);
        if let Ok(contacts) = found {
            conversation.occupied.push(number.to_owned());
            let first = contacts.iter().filter(|contact| !contact.spare);
            ringing.found.extend(first.map(|contact| (number.to_owned(), contact.clone())));
        }
        if ringing.asked.is_empty() {
            self.ring_members(id, by, now);
        }
        true
    }

    /// All homes of a turn have answered: whoever was found rings.
    fn ring_members(&mut self, id: CallId, by: LegNo, now: Instant) {
        let by_caller = self.records_caller(id);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let ringing = conversation.detours.get_mut(&by).and_then(|way| way.ringing.as_mut());
        let Some(ringing) = ringing else { return };
        let found = std::mem::take(&mut ringing.found);
        let (record, ring) = (ringing.record || by_caller, Duration::from_secs(ringing.group.ring_seconds.into()));
        if found.is_empty() {
            self.ring_next(id, by, Outcome::Unreachable, now);
            return;
        }
        let mut targets = Vec::with_capacity(found.len());
        for (number, contact) in found {
            let record = record || self.directory.extension(&number).is_some_and(|extension| extension.record);
            let party = Party { number, name: String::new(), kind: PartyKind::Extension };
            targets.push(Target { party, record });
            conversation.contacts.push(Way::Contact(contact));
        }
        let stage = Stage { targets, ring, go_on: GoOn::Never };
        self.facts.push_back((id, Input::Elsewhere(GO_ON.into())));
        self.facts.push_back((id, Input::Located(vec![stage])));
    }
}
