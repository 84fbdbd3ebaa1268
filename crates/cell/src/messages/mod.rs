//! MESSAGE: texts between extensions and with the networks beyond (RFC 3428), stored until they are delivered.
//!
//! Any cell takes a message in; the home of its receiver owns it from then on: it is kept in hot state before its sender hears
//! anything, one message of a receiver is under way at a time, so that they arrive in order, and it is forgotten when a phone has
//! acknowledged it. A sender waits a few seconds for that and hears 200; else 202, and the message waits: for the phone to register, and
//! for the next attempt.

mod deliver;
mod intake;
mod queue;

pub(crate) use queue::Stored;

use crate::cell::Cell;
use crate::hot;
use crate::io::Output;
use model::{EventBody, MessageState, TextMessage};
use queue::Queue;
use sip_stack::endpoint::RequestId;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use stdx::Timers;

/// The longest body, bytes; a longer one gets 413.
const MAX_BODY: usize = 8 << 10;
/// Messages that wait for one receiver; one more gets 480.
const MAX_WAITING: usize = 100;
/// Messages that wait in one cell; one more gets 503.
const MAX_WAITING_HERE: usize = 20_000;
/// Messages that are over and still known, for those who ask.
const MAX_PAST: usize = 500;
/// The usual and longest time that a message waits.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long a sender waits for the receiver's answer before it hears 202.
const PATIENCE: Duration = Duration::from_secs(4);

/// Messages whose receivers have their home here, and senders who wait here for an answer.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    queues: BTreeMap<String, Queue>,
    /// How many wait in all queues.
    waiting: usize,
    /// Requests of ours that wait for their answer.
    attempts: BTreeMap<RequestId, Attempt>,
    /// Senders that have no answer yet, by the tickets that their letters carry.
    senders: BTreeMap<u64, RequestId>,
    tickets: u64,
    past: VecDeque<TextMessage>,
    timers: Timers<Due>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    /// A sender has waited long enough.
    Sender(u64),
    /// A message of this receiver lapses, or is to be tried again.
    Queue(String),
}

/// What a request of ours is for.
#[derive(Debug)]
enum Attempt {
    /// A message of a queue, in its so many-th attempt.
    Delivery { number: String, id: String, attempt: u64 },
    /// A message that goes out by a trunk.
    Relay { message: Box<TextMessage>, sender: Option<Sender> },
}

/// Whoever waits for the fate of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    /// In which cell.
    pub(crate) cell: u16,
    /// Under which number.
    pub(crate) ticket: u64,
}

impl Messages {
    /// How many messages wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// A message is over: those who ask will find it for a while.
    fn remember(&mut self, message: TextMessage) {
        if self.past.len() >= MAX_PAST {
            self.past.pop_front();
        }
        self.past.push_back(message);
    }

    /// What is known of an extension's messages, or of all, oldest first.
    pub(crate) fn list(&self, extension: Option<&str>) -> Vec<TextMessage> {
        let waiting = self.queues.values().flat_map(Queue::messages);
        let concerns = |m: &&TextMessage| extension.is_none_or(|number| m.from == number || m.to == number);
        self.past.iter().chain(waiting).filter(concerns).cloned().collect()
    }
}

impl Cell {
    pub(crate) fn message_timeouts(&mut self, now: Instant) {
        while let Some(due) = self.messages.timers.pop_due(now) {
            match due {
                Due::Sender(ticket) => self.answer_sender(ticket, sip_stack::message::Status::ACCEPTED, now),
                Due::Queue(number) => {
                    self.expire_messages(&number, now);
                    self.deliver_next(&number, now);
                }
            }
        }
    }

    /// A message is over: it is no longer kept, and the world is told.
    fn finish_message(&mut self, number: &str, stored: Stored, state: MessageState, now: Instant) {
        self.messages.waiting = self.messages.waiting.saturating_sub(1);
        self.out.push_back(Output::Forget { key: hot::message(number, &stored.order) });
        let message = TextMessage { state, ..stored.message };
        self.tell_message(&message, now);
        self.messages.remember(message);
    }

    fn tell_message(&mut self, message: &TextMessage, now: Instant) {
        let message = Box::new(message.clone());
        let body = match message.state {
            MessageState::Waiting => EventBody::MessageReceived { message },
            MessageState::Delivered => EventBody::MessageDelivered { message },
            MessageState::Failed | MessageState::Expired => EventBody::MessageFailed { message },
        };
        self.tell(body, now);
    }
}
