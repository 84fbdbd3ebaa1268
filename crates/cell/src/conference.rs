//! Conferences: legs of calls of this cell that all hear each other.
//!
//! A conference lives in one cell: that of its name, or of the call it was made of. The messages that begin a call to the
//! number of one are placed there ([`Rooms`]). It is there as long as somebody is in it; who is alone hears music.

use crate::cell::Cell;
use crate::home::home;
use crate::originate::Wished;
use crate::serving::Service;
use crate::tape::Tape;
use call::Input;
use media::engine::PortId;
use model::{
    CallId, Conference, ConferenceMember, EventBody, LegNo, MAX_MEMBERS, Originate, Outcome, Refusal, Reply, Route,
    RouteTarget,
};
use sip_stack::placement::called_hint;
use std::collections::BTreeMap;
use std::time::Instant;
use stdx::UnixMillis;
use tracing::info;

/// The cell in which a conference lives.
pub fn conference_home(name: &str, cells: u16) -> u16 {
    match name.parse::<CallId>() {
        Ok(call) => call.cell() % cells.max(1),
        Err(_) => home(name, cells),
    }
}

/// The numbers of conferences, and the cells that these live in.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    numbers: BTreeMap<Vec<u8>, u16>,
    /// Beginnings of numbers, the longest first.
    beginnings: Vec<(Vec<u8>, u16)>,
}

impl Rooms {
    pub(crate) fn new(routes: &[Route], cells: u16) -> Self {
        let mut rooms = Self::default();
        for route in routes {
            let RouteTarget::Conference(name) = &route.to else { continue };
            let cell = conference_home(name, cells);
            match route.number.strip_suffix('*') {
                Some(begins) => rooms.beginnings.push((begins.as_bytes().to_vec(), cell)),
                None => drop(rooms.numbers.insert(route.number.as_bytes().to_vec(), cell)),
            }
        }
        rooms.beginnings.sort_by_key(|(begins, _)| std::cmp::Reverse(begins.len()));
        rooms
    }

    /// Where a request belongs whose number is that of a conference. All requests before a dialog have the same number
    /// as their INVITE (RFC 3261 §9.1, §17.1.1.3), so its CANCEL and its ACK follow it.
    pub(crate) fn owner(&self, data: &[u8]) -> Option<u16> {
        if self.numbers.is_empty() && self.beginnings.is_empty() {
            return None;
        }
        let number = called_hint(data)?;
        let begins = || self.beginnings.iter().find(|(begins, _)| number.starts_with(begins));
        self.numbers.get(number).copied().or_else(|| begins().map(|(_, cell)| *cell))
    }
}

/// A conference.
#[derive(Debug)]
pub(crate) struct Room {
    since: UnixMillis,
    pub(crate) members: Vec<Member>,
    /// Its recording, while there is one.
    pub(crate) tape: Option<Tape>,
    /// Files that it has been recorded in.
    pub(crate) taped: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) at: (CallId, LegNo),
    muted: bool,
}

impl Cell {
    /// A call has reached a conference's number.
    pub(crate) fn reach_conference(&mut self, id: CallId, name: String) {
        if conference_home(&name, self.config.cells) != self.config.cell {
            return self.serve_not(id, Outcome::Congestion, "the conference lives in another worker; dial its number");
        }
        if self.conferences.get(&name).is_some_and(|room| room.members.len() >= MAX_MEMBERS) {
            return self.serve_not(id, Outcome::Busy, "the conference is full");
        }
        self.serve_with(id, Service::Conference(name));
    }

    pub(crate) fn enter_conference(&mut self, name: &str, call: CallId, leg: LegNo, now: Instant) {
        let since = self.config.wall.at(now);
        let is_new = !self.conferences.contains_key(name);
        let room = self.conferences.entry(name.to_owned());
        let room = room.or_insert_with(|| Room { since, members: Vec::new(), tape: None, taped: 0 });
        if room.members.len() >= MAX_MEMBERS {
            // Others came while this one was being answered.
            return self.facts.push_back((call, Input::Dismissed { leg }));
        }
        room.members.push(Member { at: (call, leg), muted: false });
        let members = room.members.len();
        let number = self.number_of_leg(call, leg);
        info!(call = %call, leg, members, "a party is in a conference");
        let conference = name.to_owned();
        self.tell(EventBody::ConferenceEntered { conference, call, leg, number, members }, now);
        self.seat_members(name, now);
        if !is_new {
            self.tape_member(name, (call, leg), now);
        } else if self.config.policy.record_all {
            self.begin_tape(name, now);
        }
    }

    pub(crate) fn leave_conference(&mut self, name: &str, call: CallId, leg: LegNo, now: Instant) {
        let Some(room) = self.conferences.get_mut(name) else { return };
        let Some(place) = room.members.iter().position(|member| member.at == (call, leg)) else { return };
        if room.members.len() == 1 {
            self.finish_tape(name, "", now);
        } else {
            self.note_tape(name, call, now);
        }
        let Some(room) = self.conferences.get_mut(name) else { return };
        room.members.remove(place);
        let members = room.members.len();
        if members == 0 {
            self.conferences.remove(name);
        }
        if let Some(port) = self.port_of_leg((call, leg)) {
            self.media.unbridge(port, now);
        }
        self.tell(EventBody::ConferenceLeft { conference: name.to_owned(), call, leg, members }, now);
        self.seat_members(name, now);
    }

    /// Everybody hears everybody else, and the programs that speak to it; who is alone hears music.
    pub(crate) fn seat_members(&mut self, name: &str, now: Instant) {
        let Some(room) = self.conferences.get(name) else { return };
        let members: Vec<(CallId, LegNo)> = room.members.iter().map(|member| member.at).collect();
        let tape = room.tape.as_ref().map(|tape| tape.port);
        let ports: Vec<PortId> = members.iter().filter_map(|at| self.port_of_leg(*at)).collect();
        for at in &members {
            let Some(port) = self.port_of_leg(*at) else { continue };
            let others = self.also_heard_by(at.0, at.1);
            match others.is_empty() {
                true => self.media.hear(port, &ports, now),
                false => self.media.hear(port, &[&ports[..], &others].concat(), now),
            }
        }
        if let Some(tape) = tape {
            self.media.hear(tape, &ports, now);
        }
        for (call, leg) in members.iter().take(2) {
            let on = members.len() == 1;
            if self.conversations.get(call).and_then(|c| c.legs.get(leg)).is_some_and(|end| end.music != on) {
                self.hold_music(*call, *leg, on, now);
            }
        }
    }

    pub(crate) fn port_of_leg(&self, (call, leg): (CallId, LegNo)) -> Option<PortId> {
        self.conversations.get(&call)?.port(leg)
    }

    pub(crate) fn number_of_leg(&self, call: CallId, leg: LegNo) -> String {
        let number = self.conversations.get(&call).and_then(|c| c.call.number_of(leg));
        number.unwrap_or_default().to_owned()
    }

    /// The parties of a call go on in a conference of its name.
    pub(crate) fn confer(&mut self, id: CallId, now: Instant) -> Result<Reply, Refusal> {
        let conversation = self.conversations.get_mut(&id).ok_or(Refusal::NoSuchCall)?;
        if conversation.legs.values().any(|end| end.link.is_some()) {
            return Err(Refusal::WrongState);
        }
        conversation.call.confer(now)?;
        let name = id.to_string();
        conversation.service = Some(Service::Conference(name.clone()));
        self.carry_out(id, now);
        Ok(Reply::Conference { name })
    }

    /// An extension is called into a conference.
    pub(crate) fn invite_to_conference(
        &mut self,
        name: String,
        extension: &str,
        now: Instant,
    ) -> Result<Reply, Refusal> {
        let is_routes = self.config.routes.iter().any(|route| route.to == RouteTarget::Conference(name.clone()));
        match self.conferences.get(&name) {
            None if !is_routes => return Err(Refusal::NoSuchConference),
            Some(room) if room.members.len() >= MAX_MEMBERS => return Err(Refusal::Overloaded),
            Some(_) | None => {}
        }
        let wish = Originate::new(extension, &self.shown_for(&name));
        self.originate_for(wish, Wished::Elsewhere(Service::Conference(name)), now)
    }

    /// What a phone shows that is called into a conference: its number if it has one.
    fn shown_for(&self, name: &str) -> String {
        let leads = |route: &&Route| route.to == RouteTarget::Conference(name.to_owned());
        let number = self.config.routes.iter().find(leads).map(|route| &route.number[..]);
        number.filter(|number| !number.ends_with('*')).unwrap_or("conference").to_owned()
    }

    /// Sends a member away.
    pub(crate) fn dismiss_member(&mut self, name: &str, at: (CallId, LegNo)) -> Result<Reply, Refusal> {
        self.member(name, at)?;
        self.facts.push_back((at.0, Input::Dismissed { leg: at.1 }));
        Ok(Reply::Done)
    }

    /// Nobody hears a member from now on, or all do.
    pub(crate) fn mute_member(
        &mut self,
        name: &str,
        at: (CallId, LegNo),
        muted: bool,
        now: Instant,
    ) -> Result<Reply, Refusal> {
        self.member(name, at)?.muted = muted;
        let port = self.port_of_leg(at).ok_or(Refusal::WrongState)?;
        self.media.mute(port, muted, now);
        Ok(Reply::Done)
    }

    fn member(&mut self, name: &str, at: (CallId, LegNo)) -> Result<&mut Member, Refusal> {
        let room = self.conferences.get_mut(name).ok_or(Refusal::NoSuchConference)?;
        room.members.iter_mut().find(|member| member.at == at).ok_or(Refusal::NoSuchLeg)
    }

    /// Sends everybody away.
    pub(crate) fn end_conference(&mut self, name: &str) -> Result<Reply, Refusal> {
        let room = self.conferences.get(name).ok_or(Refusal::NoSuchConference)?;
        let gone = room.members.iter().map(|member| (member.at.0, Input::Dismissed { leg: member.at.1 }));
        self.facts.extend(gone);
        Ok(Reply::Done)
    }

    /// The conferences that somebody is in.
    pub(crate) fn conferences_now(&self) -> Vec<Conference> {
        let shown = |(name, room): (&String, &Room)| Conference {
            name: name.clone(),
            since: room.since,
            members: room.members.iter().map(|member| self.shown_member(*member)).collect(),
            recording: room.tape.as_ref().is_some_and(|tape| !tape.paused),
        };
        self.conferences.iter().map(shown).collect()
    }

    fn shown_member(&self, Member { at: (call, leg), muted }: Member) -> ConferenceMember {
        ConferenceMember { call, leg, number: self.number_of_leg(call, leg), muted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_begins_a_call_to_a_conference_is_placed_in_one_cell() {
        let to = |name: &str| RouteTarget::Conference(name.to_owned());
        let routes = [
            Route::new("7100", to("board")),
            Route::new("71*", to("others")),
            Route::new("72*", RouteTarget::trunk("a")),
        ];
        let rooms = Rooms::new(&routes, 7);
        let placed = |line: &str| rooms.owner(format!("{line} SIP/2.0\r\nCall-ID: x\r\n\r\n").as_bytes());
        let board = Some(conference_home("board", 7));
        for line in ["INVITE sip:7100@a", "CANCEL sip:7100@a", "ACK sip:7100@b;x=y", "INVITE tel:7100;x=1"] {
            assert_eq!(placed(line), board, "{line}");
        }
        assert_eq!(placed("INVITE sip:7105@a"), Some(conference_home("others", 7)));
        assert_eq!(placed("INVITE sip:7200@a"), None);
        assert_eq!(placed("garbage"), None);
        assert_eq!(Rooms::new(&[], 7).owner(b"INVITE sip:7100@a SIP/2.0\r\n\r\n"), None);
        let call = CallId::new(5, &mut stdx::Entropy::seeded(1));
        assert_eq!(conference_home(&call.to_string(), 7), 5);
    }
}
