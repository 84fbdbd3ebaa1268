//! The messages that wait for one receiver: their order, the attempt that is under way, and when the next is due.

use super::Sender;
use model::TextMessage;
use serde::{Deserialize, Serialize};
use sip_stack::message::Status;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The pauses between attempts while the phone is registered and does not take the message: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LAST_PAUSE: Duration = Duration::from_secs(900);

/// A message as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stored {
    pub(crate) message: TextMessage,
    /// Its place among the messages of its receiver: time and number.
    pub(crate) order: String,
    /// The Call-ID of every attempt, so that a phone knows a copy.
    pub(crate) call_id: String,
    /// Headers that go with the body.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// Who waits for its fate; nobody after a restart.
    #[serde(skip)]
    pub(crate) sender: Option<Sender>,
}

/// The queue of one receiver. It exists while anything waits in it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Stored>,
    /// Counts attempts, so that an answer to an old one is not taken for the newest's.
    attempt: u64,
    /// Phones that have not answered the attempt that is under way.
    pending: usize,
    /// What the others said; the last word that leaves hope, if any does.
    verdict: Option<Status>,
    pause: Option<Duration>,
    retry_at: Option<Instant>,
}

/// What the answer of a phone means for the first message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet: others are still to answer, or it is about something older.
    Open,
    /// It is delivered.
    Delivered,
    /// No phone will ever take it.
    Refused(Status),
    /// Not now.
    Later(Status),
}

impl Queue {
    pub(super) fn push(&mut self, stored: Stored) {
        self.waiting.push_back(stored);
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn first(&mut self) -> Option<&mut Stored> {
        self.waiting.front_mut()
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &TextMessage> {
        self.waiting.iter().map(|stored| &stored.message)
    }

    /// Everybody who waits for an answer, once.
    pub(super) fn take_senders(&mut self) -> Vec<Sender> {
        self.waiting.iter_mut().filter_map(|stored| stored.sender.take()).collect()
    }

    /// True if nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.pending == 0
    }

    /// A new attempt to so many phones; its number.
    pub(super) fn begin(&mut self, phones: usize) -> u64 {
        self.attempt += 1;
        self.pending = phones;
        self.verdict = None;
        self.retry_at = None;
        self.attempt
    }

    /// A phone answered, or did not (408).
    pub(super) fn answered(&mut self, id: &str, attempt: u64, status: Status) -> Verdict {
        let current = attempt == self.attempt && self.pending > 0;
        if current {
            self.pending -= 1;
        }
        // Also a late answer to an older attempt says that the phone has the message.
        let Some(first) = self.waiting.front_mut().filter(|first| first.message.id == id) else { return Verdict::Open };
        first.message.status = status.code();
        if status.is_success() {
            self.pause = None;
            self.pending = 0;
            return Verdict::Delivered;
        }
        if !current {
            return Verdict::Open;
        }
        if self.verdict.is_none_or(is_final_refusal) {
            self.verdict = Some(status);
        }
        match self.verdict {
            _ if self.pending > 0 => Verdict::Open,
            Some(verdict) if is_final_refusal(verdict) => {
                self.pause = None;
                Verdict::Refused(verdict)
            }
            verdict => Verdict::Later(verdict.unwrap_or(status)),
        }
    }

    /// The next attempt is due after a pause.
    pub(super) fn retry(&mut self, now: Instant) {
        let pause = self.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LAST_PAUSE));
        self.pause = Some(pause);
        self.retry_at = Some(now + pause);
    }

    /// The next attempt is due then.
    pub(super) fn retry_at(&mut self, at: Instant) {
        self.retry_at = Some(at);
    }

    /// True once the pause is over.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|at| at <= now)
    }

    /// The phone is back: no reason to pause any longer. What is under way there is given up.
    pub(super) fn hurry(&mut self) {
        self.pause = None;
        self.retry_at = None;
        self.pending = 0;
    }

    pub(super) fn pop(&mut self) -> Option<Stored> {
        self.pending = 0;
        self.waiting.pop_front()
    }

    /// Messages whose time is over.
    pub(super) fn take_expired(&mut self, wall_now: u64) -> Vec<Stored> {
        let first = self.waiting.front().map(|first| first.message.id.clone());
        let (gone, left) =
            std::mem::take(&mut self.waiting).into_iter().partition(|s| s.message.expires_at <= wall_now);
        self.waiting = left;
        if self.waiting.front().map(|first| &first.message.id) != first.as_ref() {
            self.pending = 0;
        }
        Vec::from_iter::<VecDeque<Stored>>(gone)
    }

    /// When something is to be done: the wall clock of the first lapse, and the moment of the next attempt.
    pub(super) fn due(&self) -> (Option<u64>, Option<Instant>) {
        let lapse = self.waiting.iter().map(|stored| stored.message.expires_at).min();
        (lapse, self.retry_at.filter(|_| self.pending == 0))
    }
}

/// Which answers say that this phone will never take this message; after others it may do so later.
fn is_final_refusal(status: Status) -> bool {
    matches!(
        status.code(),
        400 | 403 | 405 | 406 | 413 | 414 | 415 | 416 | 420 | 488 | 493 | 501 | 505 | 513 | 600..=699
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::MessageState;

    fn stored(id: &str, expires_at: u64) -> Stored {
        let message = TextMessage {
            id: id.into(),
            from: "100".into(),
            to: "101".into(),
            via: None,
            content_type: "text/plain".into(),
            body: b"x".to_vec(),
            at: 0,
            expires_at,
            state: MessageState::Waiting,
            status: 0,
        };
        Stored { message, order: id.into(), call_id: id.into(), headers: Vec::new(), sender: None }
    }

    #[test]
    fn one_phone_that_takes_it_is_enough_and_one_that_may_take_it_later_leaves_hope() {
        let mut queue = Queue::default();
        queue.push(stored("a", 10));
        let attempt = queue.begin(2);
        assert_eq!(queue.answered("a", attempt, Status(415)), Verdict::Open);
        assert_eq!(queue.answered("a", attempt, Status(408)), Verdict::Later(Status(408)));
        let attempt = queue.begin(2);
        assert_eq!(queue.answered("a", attempt, Status(415)), Verdict::Open);
        assert_eq!(queue.answered("a", attempt, Status(603)), Verdict::Refused(Status(603)));
        let attempt = queue.begin(2);
        assert_eq!(queue.answered("a", attempt, Status(202)), Verdict::Delivered);
        assert_eq!(queue.answered("b", attempt, Status(200)), Verdict::Open, "of another message");
    }

    #[test]
    fn a_late_yes_to_an_old_attempt_counts_and_a_late_no_does_not() {
        let mut queue = Queue::default();
        queue.push(stored("a", 10));
        let old = queue.begin(1);
        let new = queue.begin(1);
        assert_eq!(queue.answered("a", old, Status(408)), Verdict::Open);
        assert!(!queue.is_idle());
        assert_eq!(queue.answered("a", old, Status(200)), Verdict::Delivered);
        assert_eq!(queue.answered("a", new, Status(500)), Verdict::Open);
    }

    #[test]
    fn pauses_grow_until_the_phone_is_back() {
        let mut queue = Queue::default();
        queue.push(stored("a", 10));
        let t0 = stdx::testing::start();
        let pauses: Vec<u64> = (0..7)
            .map(|_| {
                queue.retry(t0);
                queue.due().1.unwrap().duration_since(t0).as_secs()
            })
            .collect();
        assert_eq!(pauses, [30, 60, 120, 240, 480, 900, 900]);
        queue.hurry();
        assert!(queue.may_try(t0));
        assert_eq!(queue.take_expired(9).len() + queue.take_expired(10).len(), 1);
        assert!(queue.is_empty());
    }
}
