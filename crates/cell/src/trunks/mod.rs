//! Trunks at their home: where they are, whether they are there, our registration with them, and how much goes over them.
//!
//! The home of a trunk is the cell that the hash of its name falls to. It finds the trunk's servers (RFC 3263), registers with it,
//! asks it whether it is there, and counts its calls. A call that wants out asks the home by [`Body::Reserve`] and says
//! [`Body::Release`] when it is over; what every cell must know (from which addresses a trunk calls) the home tells all.

mod enrol;
mod inbound;
mod leg;
mod line;
mod look;
mod probe;
mod reserve;
mod state;

pub use reserve::TrunkWay;

pub(crate) use leg::TrunkLeg;
pub(crate) use line::Line;

use crate::cell::Cell;
use crate::config::Config;
use crate::io::{Body, Output};
use enrol::Sent;
use sip_stack::endpoint::RequestId;
use sip_stack::locate::{Blacklist, Question, Target};
use sip_stack::message::Message;
use std::collections::BTreeMap;
use std::time::Instant;
use stdx::Timers;

/// A trunk whose home is here, by its place among those.
pub(crate) type LineNo = usize;

/// What is due at a trunk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// Find its servers (again).
    Look(LineNo),
    /// Something of our registration.
    Enrol(LineNo),
    /// Ask a server whether it is there.
    Probe(LineNo, Target),
}

/// The trunks whose home is this cell.
#[derive(Debug, Default)]
pub(crate) struct Trunks {
    pub(crate) lines: Vec<Line>,
    /// Questions that the shell carries for us: at most [`crate::MAX_QUESTIONS`].
    questions: BTreeMap<u64, (LineNo, Question)>,
    /// Requests of ours without an answer yet.
    requests: BTreeMap<RequestId, (LineNo, Sent)>,
    dead: Blacklist,
    timers: Timers<Due>,
    tickets: u64,
}

impl Trunks {
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        let mine = |name: &str| crate::home::home(name, config.cells) == config.cell;
        let lines: Vec<Line> = config.trunks.iter().filter(|t| mine(&t.name)).map(|t| Line::new(t.clone())).collect();
        let mut trunks = Self { lines, ..Self::default() };
        for no in 0..trunks.lines.len() {
            trunks.timers.set(Due::Look(no), now);
        }
        trunks
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Goodbyes that are still on their way.
    pub(crate) fn leaving(&self) -> usize {
        self.requests.values().filter(|(_, sent)| matches!(sent, Sent::Leave)).count()
    }

    fn by_name(&self, name: &str) -> Option<LineNo> {
        self.lines.iter().position(|line| line.trunk.name == name)
    }
}

impl Cell {
    pub(crate) fn trunk_timeouts(&mut self, now: Instant) {
        while let Some(due) = self.trunks.timers.pop_due(now) {
            match due {
                Due::Look(no) => self.look(no, now),
                Due::Enrol(no) => self.enrol_due(no, now),
                Due::Probe(no, target) => self.probe_due(no, &target, now),
            }
        }
    }

    /// The end of a request of ours; false: it was not for a trunk.
    pub(crate) fn trunk_responded(&mut self, id: RequestId, message: Option<&Message>, now: Instant) -> bool {
        let Some((no, sent)) = self.trunks.requests.remove(&id) else { return false };
        match sent {
            Sent::Register { target } => self.enrolled(no, &target, message, now),
            Sent::Options { target, at } => self.probed(no, &target, message, at, now),
            Sent::Leave => {}
        }
        true
    }

    /// We take no more calls: whoever we registered with shall send none.
    pub(crate) fn leave_trunks(&mut self, now: Instant) {
        for no in 0..self.trunks.lines.len() {
            self.leave_trunk(no, now);
        }
    }

    /// To every cell, this one included.
    fn tell_all(&mut self, body: &Body, now: Instant) {
        for to in 0..self.config.cells.max(1) {
            if to == self.config.cell {
                let envelope = crate::io::Envelope { from: to, to, body: body.clone() };
                self.on_envelope(envelope, now);
            } else {
                self.send(to, body.clone());
            }
        }
    }

    fn ask_names(&mut self, no: LineNo, question: Question) -> bool {
        if self.trunks.questions.len() >= crate::MAX_QUESTIONS {
            return false;
        }
        self.trunks.tickets += 1;
        let ticket = self.trunks.tickets;
        self.trunks.questions.insert(ticket, (no, question.clone()));
        self.out.push_back(Output::Resolve { ticket, question });
        true
    }
}
