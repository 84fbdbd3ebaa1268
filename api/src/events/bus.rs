//! The bus: whoever has something to tell puts it in, whoever wants to know reads at its own pace.

use super::ring::{Gap, Ring, Since, Told};
use model::Event;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How many clients may follow at one time; one more is answered `overloaded`.
const SEATS: usize = 256;

/// Everything that happens, in order. Clones are the same bus.
#[derive(Clone, Debug)]
pub struct EventBus(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Held for a moment, by whoever puts something in or looks for the next: never across I/O.
    ring: Mutex<Ring>,
    changed: Notify,
    closed: std::sync::atomic::AtomicBool,
    seats: Arc<Semaphore>,
}

/// A client's right to follow.
#[derive(Debug)]
pub(crate) struct Seat {
    _permit: OwnedSemaphorePermit,
}

/// Reads a bus from one number on.
#[derive(Debug)]
pub struct EventReader {
    bus: EventBus,
    next: u64,
}

/// What a reader hears.
#[derive(Debug)]
pub enum Next {
    /// An event.
    Event(Arc<Told>),
    /// These are gone: it was away, or too slow, for too long.
    Gap(Gap),
}

impl EventBus {
    /// A bus whose first event gets this number, which must be greater than all of earlier runs
    /// ([`store::Store::first_event`]).
    pub fn new(first: u64) -> Self {
        Self(Arc::new(Shared {
            ring: Mutex::new(Ring::new(first)),
            changed: Notify::new(),
            closed: false.into(),
            seats: Arc::new(Semaphore::new(SEATS)),
        }))
    }

    /// Tells everybody. Never waits for a reader.
    pub fn put(&self, event: Event) {
        self.ring().put(event);
        self.0.changed.notify_waiters();
    }

    /// Reads what happens from now on.
    pub fn reader(&self) -> EventReader {
        let next = self.next_sequence();
        self.reader_from(next)
    }

    /// Reads from this number on.
    pub fn reader_from(&self, next: u64) -> EventReader {
        EventReader { bus: self.clone(), next }
    }

    /// The number that the next event gets.
    pub fn next_sequence(&self) -> u64 {
        self.ring().next()
    }

    /// The number of the oldest event that is kept.
    pub fn oldest_sequence(&self) -> u64 {
        self.ring().oldest()
    }

    /// Nothing more comes: readers end when they have read the rest.
    pub fn close(&self) {
        self.0.closed.store(true, std::sync::atomic::Ordering::Release);
        self.0.changed.notify_waiters();
    }

    /// Room for one more client, if there is any.
    pub(crate) fn seat(&self) -> Option<Seat> {
        Arc::clone(&self.0.seats).try_acquire_owned().ok().map(|permit| Seat { _permit: permit })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.0.closed.load(std::sync::atomic::Ordering::Acquire)
    }
}

impl EventReader {
    /// What comes next; waits for it. `None`: the bus is closed, and everything was read. Nothing is lost if it is dropped before
    /// it is ready.
    pub async fn next(&mut self) -> Option<Next> {
        let bus = self.bus.clone();
        loop {
            let changed = bus.0.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let closed = bus.is_closed();
            if let Some(next) = self.try_next() {
                return Some(next);
            }
            if closed {
                return None;
            }
            changed.await;
        }
    }

    /// What comes next, if it is there already.
    pub fn try_next(&mut self) -> Option<Next> {
        let since = self.bus.ring().since(self.next);
        match since {
            Since::Event(told) => {
                self.next = told.sequence + 1;
                Some(Next::Event(told))
            }
            Since::Gap(gap) => {
                self.next = gap.to + 1;
                Some(Next::Gap(gap))
            }
            Since::Nothing => None,
        }
    }

    /// The number that it reads next.
    pub fn position(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::EventBody;

    fn event(webhook: i64) -> Event {
        Event { at: 0, body: EventBody::WebhookFailed { webhook, delivery: 1 } }
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_and_one_that_comes_back_misses_nothing() {
        let bus = EventBus::new(7);
        let mut waiting = bus.reader();
        let woken = tokio::spawn(async move {
            let Some(Next::Event(told)) = waiting.next().await else { panic!("nothing") };
            told.sequence
        });
        tokio::task::yield_now().await;
        bus.put(event(1));
        assert_eq!(woken.await.unwrap(), 7);
        bus.put(event(2));
        let mut back = bus.reader_from(7);
        for sequence in 7..9 {
            let Some(Next::Event(told)) = back.next().await else { panic!("nothing") };
            assert_eq!(told.sequence, sequence);
        }
        assert!(back.try_next().is_none());
        bus.close();
        assert!(back.next().await.is_none());
    }

    #[tokio::test]
    async fn one_that_never_reads_costs_nobody_anything_and_hears_of_it() {
        let bus = EventBus::new(0);
        let mut asleep = bus.reader();
        for n in 0..70_000 {
            bus.put(event(n));
        }
        let Some(Next::Gap(gap)) = asleep.next().await else { panic!("no gap") };
        assert_eq!((gap.from, gap.to + 1), (0, bus.oldest_sequence()));
        assert!(matches!(asleep.next().await, Some(Next::Event(told)) if told.sequence == gap.to + 1));
        assert!(bus.next_sequence() - bus.oldest_sequence() >= 10_000, "a while is kept");
    }

    #[test]
    fn clients_beyond_the_limit_find_no_seat_until_one_leaves() {
        let bus = EventBus::new(0);
        let mut seats: Vec<_> = (0..SEATS).map(|_| bus.seat().unwrap()).collect();
        assert!(bus.seat().is_none());
        seats.pop();
        assert!(bus.seat().is_some());
    }
}
