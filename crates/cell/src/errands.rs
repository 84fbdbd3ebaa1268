//! What a cell asks of those who keep settings and messages: its shell runs the errand, and says how it went.

use crate::asking::Asked;
use crate::cell::Cell;
use crate::io::{Brought, Errand, MAX_ERRANDS, Output};
use model::CallId;
use std::collections::BTreeMap;
use std::time::Instant;

/// Errands under way.
#[derive(Debug, Default)]
pub(crate) struct Errands {
    last: u64,
    waiting: BTreeMap<u64, Purpose>,
}

/// For what an errand is run.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// A phone told the switch something by dialling it, and waits to hear that it is done.
    DialString(CallId),
    /// A program is asked where this leg's call leads.
    Program(Asked),
}

impl Cell {
    /// Sends the shell on an errand; false if too many are under way.
    pub(crate) fn send_for(&mut self, errand: Errand, purpose: Purpose) -> bool {
        if self.errands.waiting.len() >= MAX_ERRANDS {
            return false;
        }
        self.errands.last += 1;
        let ticket = self.errands.last;
        self.errands.waiting.insert(ticket, purpose);
        self.out.push_back(Output::Errand { ticket, errand });
        true
    }

    /// The shell is back; `None`: it could not be done.
    pub(crate) fn errand_done(&mut self, ticket: u64, result: Option<Brought>, now: Instant) {
        match (self.errands.waiting.remove(&ticket), result) {
            (Some(Purpose::DialString(call)), Some(Brought::Done)) => self.obeyed(call, true, now),
            (Some(Purpose::DialString(call)), Some(Brought::Said(_)) | None) => self.obeyed(call, false, now),
            (Some(Purpose::Program(asked)), Some(Brought::Said(answer))) => self.program_said(asked, &answer, now),
            (Some(Purpose::Program(asked)), Some(Brought::Done) | None) => self.program_silent(asked, now),
            (None, _) => {}
        }
    }
}
