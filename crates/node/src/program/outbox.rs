//! What waits for a program that reads slowly: so much and no more, the oldest goes first.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Messages that wait: a second of sound.
const ROOM: usize = 50;

/// A bounded queue. Full, it drops its oldest message and counts that.
#[derive(Debug)]
pub(super) struct Outbox<T> {
    inner: Mutex<Inner<T>>,
    news: Notify,
}

#[derive(Debug)]
struct Inner<T> {
    waiting: VecDeque<T>,
    dropped: u64,
    closed: bool,
}

impl<T> Outbox<T> {
    pub(super) fn new() -> Self {
        let inner = Inner { waiting: VecDeque::with_capacity(ROOM), dropped: 0, closed: false };
        Self { inner: Mutex::new(inner), news: Notify::new() }
    }

    pub(super) fn put(&self, message: T) {
        self.with(|inner| {
            if inner.waiting.len() >= ROOM {
                inner.waiting.pop_front();
                inner.dropped += 1;
            }
            inner.waiting.push_back(message);
        });
        self.news.notify_one();
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.with(|inner| inner.closed = true);
        self.news.notify_one();
    }

    /// The oldest message; `None` after the last one.
    pub(super) async fn next(&self) -> Option<T> {
        loop {
            let (message, closed) = self.with(|inner| (inner.waiting.pop_front(), inner.closed));
            if message.is_some() || closed {
                return message;
            }
            self.news.notified().await;
        }
    }

    /// Nothing more comes: what waits is not waited for.
    pub(super) async fn closed(&self) {
        while !self.with(|inner| inner.closed) {
            self.news.notified().await;
        }
        // Whoever else waits shall see it too.
        self.news.notify_one();
    }

    /// How many were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.with(|inner| inner.dropped)
    }

    fn with<R>(&self, what: impl FnOnce(&mut Inner<T>) -> R) -> R {
        what(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_read_misses_the_oldest() {
        let outbox = Outbox::new();
        (0..ROOM + 7).for_each(|n| outbox.put(n));
        outbox.close();
        assert_eq!((outbox.dropped(), outbox.next().await), (7, Some(7)));
        let mut left = 0;
        while outbox.next().await.is_some() {
            left += 1;
        }
        assert_eq!(left, ROOM - 1);
    }
}
