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
    /// A call is at a mailbox.
    Messages(CallId),
    /// A call at a mailbox wants to hear a message, in this turn.
    Sound(CallId, u32),
    /// A message that stands in the hot store under this key until the database has it.
    Voicemail {
        /// The key.
        key: Vec<u8>,
    },
    /// Nobody waits for it.
    Nothing,
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
            (Some(Purpose::DialString(call)), result) => self.obeyed(call, result.is_some(), now),
            (Some(Purpose::Messages(call)), Some(Brought::Messages(messages))) => {
                self.on_messages(call, Some(messages));
            }
            (Some(Purpose::Messages(call)), _) => self.on_messages(call, None),
            (Some(Purpose::Sound(call, turn)), Some(Brought::Sound(clips))) => {
                self.mailbox_speaks(call, turn, Some(clips), now);
            }
            (Some(Purpose::Sound(call, turn)), _) => self.message_missing(call, turn, now),
            (Some(Purpose::Voicemail { key }), Some(_)) => self.out.push_back(Output::Forget { key }),
            (Some(Purpose::Voicemail { .. }), None) => {
                tracing::error!("a message is not in its mailbox yet; it comes there after the next start");
            }
            (Some(Purpose::Program(asked)), Some(Brought::Said(answer))) => self.program_said(asked, &answer, now),
            (Some(Purpose::Program(asked)), _) => self.program_silent(asked, now),
            (Some(Purpose::Nothing) | None, _) => {}
        }
    }
}
