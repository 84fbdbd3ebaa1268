//! What others put before a worker's thread: bounded, without locks, with one wake-up for many things.

use cell::{Envelope, RecordingKey};
use crossbeam_queue::ArrayQueue;
use media::engine::Page;
use model::{Answer, Command, Query, Refusal, Reply};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use sip_stack::locate::{Failure, Record};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::oneshot;

use super::figures::Figures;

/// Room for messages between workers. Beyond it a datagram is dropped (its sender repeats it), anything else waits at the
/// worker that sends it.
pub const ENVELOPES: usize = 4096;

/// Room for wishes of APIs. Beyond it they are answered `Overloaded`.
pub const ASKS: usize = 1024;

/// Room for pages that the recording thread has written. Beyond it their memory is simply freed.
const PAGES: usize = 1024;

/// Room for answers of the domain name system; no more questions are open at one time.
const RESOLVED: usize = cell::MAX_QUESTIONS;

/// Room for prompts that were fetched; no more are wanted at one time.
const LOADED: usize = cell::MAX_LOADS;

/// What came of a question to the domain name system.
pub(crate) type Answers = Result<Vec<Record>, Failure>;

/// What came of fetching prompts.
pub(crate) type Loaded = Result<cell::Clips, cell::LoadFailure>;

/// Room for recordings that failed. Each fails once, and a disk that fails ends them all, so this is a matter of how many run.
const FAILURES: usize = 16_384;

/// What an API, or the program itself, wants of one worker.
#[derive(Debug)]
pub enum Ask {
    /// Do this.
    Command(Box<Command>, oneshot::Sender<Result<Reply, Refusal>>),
    /// Tell this.
    Query(Query, oneshot::Sender<Answer>),
    /// Tell how you are.
    Figures(oneshot::Sender<Box<Figures>>),
}

/// What the program orders at its end. Orders are flags, so they are never lost to a full queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// No new calls.
    Drain,
    /// End all calls.
    HangUpAll,
    /// The thread ends after this round.
    Stop,
}

/// One worker's inbox, shared by all who may put something in.
#[derive(Debug)]
pub struct Inbox {
    envelopes: ArrayQueue<Envelope>,
    asks: ArrayQueue<Ask>,
    pages: ArrayQueue<(RecordingKey, Page)>,
    failures: ArrayQueue<(RecordingKey, String)>,
    resolved: ArrayQueue<(u64, Answers)>,
    loaded: ArrayQueue<(u64, Loaded)>,
    fetched: ArrayQueue<(u64, Option<cell::Fetched>)>,
    errands: ArrayQueue<(u64, Option<cell::Brought>)>,
    orders: [AtomicBool; 3],
    dropped: AtomicU64,
    /// True between the wake-up and the moment the worker looks: more things need no second wake-up.
    woken: AtomicBool,
    wake: OwnedFd,
}

impl Inbox {
    /// An empty inbox.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            envelopes: ArrayQueue::new(ENVELOPES),
            asks: ArrayQueue::new(ASKS),
            pages: ArrayQueue::new(PAGES),
            failures: ArrayQueue::new(FAILURES),
            resolved: ArrayQueue::new(RESOLVED),
            loaded: ArrayQueue::new(LOADED),
            fetched: ArrayQueue::new(cell::MAX_FETCHES),
            errands: ArrayQueue::new(cell::MAX_ERRANDS),
            orders: [const { AtomicBool::new(false) }; 3],
            dropped: AtomicU64::new(0),
            woken: AtomicBool::new(false),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// A message of another worker. If there is no room it comes back.
    #[expect(clippy::result_large_err, reason = "it is the letter itself, which the sender keeps in a queue")]
    pub fn put_envelope(&self, envelope: Envelope) -> Result<(), Envelope> {
        self.envelopes.push(envelope)?;
        self.wake();
        Ok(())
    }

    /// Counts a datagram that was dropped because there was no room.
    pub fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// A wish. If there is no room it comes back.
    pub fn put_ask(&self, ask: Ask) -> Result<(), Ask> {
        self.asks.push(ask)?;
        self.wake();
        Ok(())
    }

    /// A page that has been written, on its way back. Wakes nobody: memory can wait.
    pub fn put_page(&self, recording: RecordingKey, page: Page) {
        drop(self.pages.push((recording, page)));
    }

    /// A recording that cannot be written any more.
    pub fn put_failure(&self, recording: RecordingKey, note: String) {
        if self.failures.push((recording, note)).is_err() {
            tracing::error!("more recordings failed at once than are noted in their records");
        }
        self.wake();
    }

    /// The answer to a question.
    pub fn put_resolved(&self, ticket: u64, answers: Answers) {
        if self.resolved.push((ticket, answers)).is_err() {
            tracing::error!("more answers of the domain name system than there were questions");
        }
        self.wake();
    }

    /// Prompts that were fetched.
    pub fn put_loaded(&self, ticket: u64, loaded: Loaded) {
        if self.loaded.push((ticket, loaded)).is_err() {
            tracing::error!("more prompts were fetched than were wanted");
        }
        self.wake();
    }

    /// What came of a fetch.
    pub fn put_fetched(&self, ticket: u64, result: Option<cell::Fetched>) {
        if self.fetched.push((ticket, result)).is_err() {
            tracing::error!("more was fetched than was asked for");
        }
        self.wake();
    }

    /// What came of an errand.
    pub fn put_errand(&self, ticket: u64, result: Option<cell::Brought>) {
        if self.errands.push((ticket, result)).is_err() {
            tracing::error!("more errands were run than were asked for");
        }
        self.wake();
    }

    /// An order.
    pub fn order(&self, order: Order) {
        self.orders[order as usize].store(true, Ordering::Release);
        self.wake();
    }

    /// Datagrams dropped because there was no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // Can only fail when the counter is at its maximum, and then the worker is awake.
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }

    /// The worker looks: from now on the next thing wakes it again.
    pub(super) fn acknowledge(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
        self.woken.store(false, Ordering::Release);
    }

    pub(crate) fn take_envelope(&self) -> Option<Envelope> {
        self.envelopes.pop()
    }

    pub(crate) fn take_ask(&self) -> Option<Ask> {
        self.asks.pop()
    }

    pub(crate) fn take_page(&self) -> Option<(RecordingKey, Page)> {
        self.pages.pop()
    }

    pub(crate) fn take_failure(&self) -> Option<(RecordingKey, String)> {
        self.failures.pop()
    }

    pub(crate) fn take_resolved(&self) -> Option<(u64, Answers)> {
        self.resolved.pop()
    }

    pub(crate) fn take_loaded(&self) -> Option<(u64, Loaded)> {
        self.loaded.pop()
    }

    pub(crate) fn take_fetched(&self) -> Option<(u64, Option<cell::Fetched>)> {
        self.fetched.pop()
    }

    pub(crate) fn take_errand(&self) -> Option<(u64, Option<cell::Brought>)> {
        self.errands.pop()
    }

    /// True once for each time the order was given.
    pub(super) fn take_order(&self, order: Order) -> bool {
        self.orders[order as usize].swap(false, Ordering::AcqRel)
    }

    /// True if something was left for the next round.
    pub(super) fn has_more(&self) -> bool {
        !self.envelopes.is_empty() || !self.asks.is_empty()
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell::Body;
    use model::CallId;

    fn envelope() -> Envelope {
        let call = CallId::from_bytes([0; 16]);
        Envelope { from: 0, to: 1, body: Body::Vacate { call, number: "1001".to_owned() } }
    }

    fn readable(inbox: &Inbox) -> bool {
        rustix::io::read(inbox, &mut [0u8; 8]).is_ok()
    }

    #[test]
    fn many_things_wake_once_and_the_next_one_after_the_worker_looked_wakes_again() {
        let inbox = Inbox::new().unwrap();
        assert!(!readable(&inbox));
        inbox.put_envelope(envelope()).unwrap();
        inbox.put_envelope(envelope()).unwrap();
        assert!(readable(&inbox) && !readable(&inbox));
        inbox.acknowledge();
        inbox.order(Order::Drain);
        assert!(readable(&inbox));
        assert!(inbox.take_order(Order::Drain) && !inbox.take_order(Order::Drain) && !inbox.take_order(Order::Stop));
    }

    #[test]
    fn a_full_inbox_gives_back_what_it_cannot_hold() {
        let inbox = Inbox::new().unwrap();
        for _ in 0..ENVELOPES {
            inbox.put_envelope(envelope()).unwrap();
        }
        let back = inbox.put_envelope(envelope()).unwrap_err();
        assert!(!back.may_drop());
        let ask = || Ask::Figures(oneshot::channel().0);
        for _ in 0..ASKS {
            inbox.put_ask(ask()).unwrap();
        }
        assert!(inbox.put_ask(ask()).is_err());
        assert!(inbox.has_more());
        inbox.take_envelope().unwrap();
        inbox.put_envelope(back).unwrap();
    }
}
