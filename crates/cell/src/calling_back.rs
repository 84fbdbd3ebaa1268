//! Callers who hang up and keep their places in a queue: in their turn the agent's phone is called first, then theirs.
//!
//! The agent's extension places that call, by its rights, in the cell of its home.

use crate::cell::Cell;
use crate::io::ToDesk;
use crate::queueing::failure;
use call::Input;
use model::{CallId, LegNo, OfferFailure, Originate, Outcome, Refusal, Reply};
use std::time::{Duration, Instant};
use tracing::info;

/// For whom a call is placed.
#[derive(Clone, Debug)]
pub(crate) struct CallingBack {
    offer: u64,
    agent: String,
    /// The agent's phone has answered.
    taken: bool,
}

impl Cell {
    /// Who waits wants to be called back: its place is kept, and it is let go.
    pub(crate) fn keep_place(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let at = self.config.wall.at(now);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let known = conversation.call.number_of(leg).is_some_and(|number| !number.is_empty());
        let Some(queuing) = conversation.queue.as_mut().filter(|_| known) else { return };
        queuing.let_go(at);
        info!(call = %id, "a caller keeps its place and is called back");
        self.write_desk(ToDesk::CallBack { call: id });
        self.facts.push_back((id, Input::Dismissed { leg }));
    }

    /// As home of an agent's extension: its phone is called, then the number of who kept its place.
    pub(crate) fn call_back(
        &mut self,
        (offer, agent): (u64, String),
        extension: &str,
        (number, queue): (&str, String),
        ring: Duration,
        now: Instant,
    ) {
        let mut wish = Originate::new(extension, number);
        wish.ring_seconds = u16::try_from(ring.as_secs()).ok();
        wish.variables.insert("callback_queue".to_owned(), queue);
        match self.originate(wish, now) {
            Ok(Reply::Call { id }) => {
                self.callbacks.insert(offer, id);
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    conversation.calling_back = Some(CallingBack { offer, agent, taken: false });
                }
            }
            Ok(_) | Err(Refusal::NotRegistered) => {
                self.write_desk(ToDesk::Failed { offer, why: OfferFailure::Unreachable });
            }
            Err(_) => self.write_desk(ToDesk::Failed { offer, why: OfferFailure::Rejected }),
        }
    }

    /// The desk has thought better of it.
    pub(crate) fn withdraw_call_back(&mut self, offer: u64) {
        let Some(id) = self.callbacks.remove(&offer) else { return };
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.calling_back = None;
            self.facts.push_back((id, Input::HangUp));
        }
    }

    /// The phone that was called first has answered.
    pub(crate) fn call_back_taken(&mut self, id: CallId) {
        let calling = self.conversations.get_mut(&id).and_then(|conversation| conversation.calling_back.as_mut());
        let Some(calling) = calling else { return };
        calling.taken = true;
        let offer = calling.offer;
        self.callbacks.remove(&offer);
        self.write_desk(ToDesk::Answered { offer });
    }

    /// Such a call is over.
    pub(crate) fn call_back_over(&mut self, calling: &CallingBack, outcome: Outcome) {
        self.callbacks.remove(&calling.offer);
        if calling.taken {
            self.write_desk(ToDesk::Ended { agent: calling.agent.clone() });
        } else {
            self.write_desk(ToDesk::Failed { offer: calling.offer, why: failure(outcome) });
        }
    }
}
