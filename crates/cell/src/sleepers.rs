//! Phones that a push has to wake before they can be called (RFC 8599 §5.3), and pages that are about to reconnect: the call waits at the
//! extension's home until one registers again, or for so long.

use crate::cell::Cell;
use crate::io::Body;
use model::{CallId, EventBody, Outcome};
use std::collections::BTreeMap;
use std::time::Instant;
use stdx::Timers;
use tracing::info;

/// Calls that wait for one extension; one more is told that nobody is there.
const MAX_WAITING: usize = 16;

/// Extensions that are waited for at one time; calls to others are told that nobody is there.
const MAX_SLEEPERS: usize = 10_000;

/// Phones of one extension that are woken.
const MAX_WOKEN: usize = 8;

/// Who waits for whom.
#[derive(Debug, Default)]
pub(crate) struct Sleepers {
    waiting: BTreeMap<String, Vec<(u16, CallId)>>,
    timers: Timers<String>,
}

impl Sleepers {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}

impl Cell {
    /// Has an extension's sleeping phones woken for a call; true: the call waits for them, or for a page whose stream is gone.
    pub(crate) fn wake(&mut self, from: u16, call: CallId, number: &str, now: Instant) -> bool {
        let pushes: Vec<_> =
            self.registrar.sleeping(number, now).into_iter().filter_map(|b| b.push()).take(MAX_WOKEN).collect();
        let wakes = !pushes.is_empty() && !self.config.policy.push_wait.is_zero();
        let woken_by = wakes.then(|| now + self.config.policy.push_wait);
        let Some(until) = woken_by.max(self.registrar.missed_until(number, now)) else { return false };
        let known = self.sleepers.waiting.len();
        let waiting = match self.sleepers.waiting.get_mut(number) {
            Some(waiting) => waiting,
            None if known >= MAX_SLEEPERS => return false,
            None => self.sleepers.waiting.entry(number.to_owned()).or_default(),
        };
        if waiting.len() >= MAX_WAITING {
            return false;
        }
        let first = waiting.is_empty();
        waiting.push((from, call));
        if first {
            self.sleepers.timers.set(number.to_owned(), until);
            info!(call = %call, wakes, "a call waits for a phone that sleeps, or for a page that lost its connection");
            for push in pushes.into_iter().filter(|_| wakes) {
                let (provider, prid, param) = (push.provider, push.prid, push.param);
                self.tell(EventBody::PushWanted { extension: number.to_owned(), provider, prid, param }, now);
            }
        }
        true
    }

    /// Whether a phone of this extension can be called, or keeps its place while it reconnects.
    pub(crate) fn is_registered(&self, number: &str, now: Instant) -> bool {
        !self.registrar.contacts(number, now).is_empty() || self.registrar.missed_until(number, now).is_some()
    }

    /// A phone of this extension has registered: whoever waits for it may call it now.
    pub(crate) fn woken(&mut self, number: &str, now: Instant) {
        if self.sleepers.waiting.is_empty() || self.registrar.contacts(number, now).is_empty() {
            return;
        }
        self.sleepers.timers.cancel(&number.to_owned());
        for (from, call) in self.sleepers.waiting.remove(number).unwrap_or_default() {
            let found = self.locate(call, number, now);
            self.located_for(from, call, number, found, now);
        }
    }

    pub(crate) fn sleepers_timeout(&mut self, now: Instant) {
        while let Some(number) = self.sleepers.timers.pop_due(now) {
            for (from, call) in self.sleepers.waiting.remove(&number).unwrap_or_default() {
                self.located_for(from, call, &number, Err(Outcome::Unreachable), now);
            }
        }
    }

    /// Answers a `Locate`.
    pub(crate) fn located_for(
        &mut self,
        to: u16,
        call: CallId,
        number: &str,
        found: Result<Vec<crate::io::Contact>, Outcome>,
        now: Instant,
    ) {
        let (number, rings) = (number.to_owned(), found.is_ok());
        if to == self.config.cell {
            self.on_located(call, &number, found, now);
        } else {
            self.send(to, Body::Located { call, number: number.clone(), found });
        }
        if rings {
            self.watch_call(call, &number, now);
        }
    }
}
