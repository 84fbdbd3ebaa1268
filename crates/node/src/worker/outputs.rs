//! Doing what the core wishes: first what must survive, then what leaves the house.

use super::round::Shell;
use super::seams::{Core, KeepError, Keeper};
use crate::net::streams::Unsent;
use bytes::Bytes;
use cell::{Envelope, Input, Output};
use model::{Answer, Event, Refusal, Reply};
use sip_stack::endpoint::{Flow, Transport};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use tokio::sync::oneshot;
use tracing::{debug, warn};

/// Wishes of APIs that a worker has not answered yet.
const ASKED: usize = 1024;

/// Messages to ourselves that are handled in one round before others get their turn.
const OWN_ENVELOPES: usize = 256;

/// Sends that failed and that the core has not heard of yet. Of more it hears by its own timers.
const FAILED_SENDS: usize = 4096;

/// Who waits for an answer, by ticket.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    last: u64,
    commands: BTreeMap<u64, oneshot::Sender<Result<Reply, Refusal>>>,
    queries: BTreeMap<u64, oneshot::Sender<Answer>>,
}

impl Waiting {
    pub(super) fn is_full(&self) -> bool {
        self.commands.len() + self.queries.len() >= ASKED
    }

    pub(super) fn command(&mut self, reply: oneshot::Sender<Result<Reply, Refusal>>) -> u64 {
        self.last += 1;
        self.commands.insert(self.last, reply);
        self.last
    }

    pub(super) fn query(&mut self, answer: oneshot::Sender<Answer>) -> u64 {
        self.last += 1;
        self.queries.insert(self.last, answer);
        self.last
    }
}

/// What the API hears. Like a datagram, it leaves after what it tells of is safe.
#[derive(Debug)]
pub(super) enum Told {
    Reply(oneshot::Sender<Result<Reply, Refusal>>, Result<Reply, Refusal>),
    Answer(oneshot::Sender<Answer>, Answer),
    Event(Event),
}

impl<C: Core, K: Keeper> Shell<C, K> {
    /// Drains the core. What it keeps is safe before anything leaves: one commit for the whole batch.
    pub(super) fn outputs(&mut self, now: Instant) {
        let mut own = 0;
        loop {
            self.drain(now);
            // Room in other inboxes may have come by itself; messages to ourselves are handled at once.
            self.deliver();
            if own >= OWN_ENVELOPES {
                break;
            }
            let Some(envelope) = self.local.pop_front() else { break };
            own += 1;
            self.input(Input::Envelope(envelope), now);
        }
        self.close_recordings();
    }

    fn drain(&mut self, now: Instant) {
        let mut kept = false;
        loop {
            let core = &mut self.parts.core;
            let output = match catch_unwind(AssertUnwindSafe(|| core.poll_output())) {
                Ok(Some(output)) => output,
                Ok(None) => break,
                Err(_) => {
                    self.panicked();
                    break;
                }
            };
            match output {
                Output::Transmit { flow, data } => self.sends.push((flow, data)),
                Output::Rtp { port, channel, to, data } => {
                    if self.parts.sockets.send_or(&mut self.carriers, port, channel, to, &data) {
                        self.figures.sound_made += 1;
                    } else {
                        self.figures.sound_unsent += 1;
                    }
                }
                Output::Envelope(envelope) if envelope.to == self.parts.number => self.local.push_back(envelope),
                Output::Envelope(envelope) => self.post(envelope),
                Output::Reply { ticket, result } => {
                    if let Some(reply) = self.waiting.commands.remove(&ticket) {
                        self.told.push(Told::Reply(reply, result));
                    }
                }
                Output::Answer { ticket, answer } => {
                    if let Some(asked) = self.waiting.queries.remove(&ticket) {
                        self.told.push(Told::Answer(asked, answer));
                    }
                }
                Output::Keep { key, value } => {
                    let result = self.parts.keeper.keep(&key, &value);
                    self.note(result);
                    kept = true;
                }
                Output::Forget { key } => {
                    let result = self.parts.keeper.forget(&key);
                    self.note(result);
                    kept = true;
                }
                Output::Record { record } => {
                    self.parts.keeper.record(*record);
                    kept = true;
                }
                Output::Ladder { call, trace } => self.parts.keeper.ladder(call, trace),
                Output::Resolve { ticket, question } => self.parts.resolver.ask(self.parts.number, ticket, question),
                Output::Load { ticket, items } => self.parts.library.load(self.parts.number, ticket, items),
                Output::Fetch { ticket, url } => self.parts.fetcher.fetch(self.parts.number, ticket, url),
                Output::Errand { ticket, errand } => self.parts.errands.run(self.parts.number, ticket, errand),
                Output::TlsPeer { remote, name, verify } => self.parts.streams.tls_peer(remote, &name, verify),
                Output::Event(event) => self.told.push(Told::Event(event)),
                Output::Passed(passed) => {
                    if let Some(hep) = &self.parts.hep {
                        hep.export(passed.clone());
                    }
                    // Who watched may have gone.
                    drop(self.parts.passed.send(passed));
                }
                Output::RecordingOpened { recording, path, mixed, from } => {
                    let file = crate::recorder::Opened { path, mixed, from };
                    if !self.overrun.contains(&recording) && !self.parts.recorder.open(recording, file) {
                        self.overran(recording);
                    }
                }
                Output::RecordingPage { recording, page } => {
                    if !self.overrun.contains(&recording) && !self.parts.recorder.page(recording, page) {
                        self.overran(recording);
                    }
                }
                Output::RecordingClosed { recording } => {
                    self.overrun.remove(&recording);
                    self.closing.insert(recording);
                }
                Output::Released(number) => self.parts.stock.released(number, now),
            }
        }
        if kept {
            let result = self.parts.keeper.commit();
            self.note(result);
        }
        self.transmit();
        for told in self.told.drain(..) {
            // Who asked, or watched, may have gone.
            match told {
                Told::Reply(reply, result) => drop(reply.send(result)),
                Told::Answer(asked, answer) => drop(asked.send(answer)),
                Told::Event(event) => self.parts.events.put(event),
            }
        }
    }

    fn transmit(&mut self) {
        let mut sends = std::mem::take(&mut self.sends);
        for (flow, data) in sends.drain(..) {
            if flow.transport != Transport::Udp {
                self.send_by_stream(flow, data);
                continue;
            }
            match self.parts.listeners.send(&flow, &data) {
                Ok(()) => self.figures.datagrams_out += 1,
                // The socket's buffer is full: like a loss on the way, and repeated like one.
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.figures.unsent += 1,
                Err(e) => {
                    debug!(remote = %flow.remote, "sending: {e}");
                    self.send_failed(flow);
                }
            }
        }
        // Keeps the room for the next round.
        self.sends = sends;
    }

    fn send_by_stream(&mut self, flow: Flow, data: Bytes) {
        match self.parts.streams.send(&flow, data) {
            Ok(()) => self.figures.datagrams_out += 1,
            Err(Unsent) => self.send_failed(flow),
        }
    }

    fn send_failed(&mut self, flow: Flow) {
        self.figures.unsent += 1;
        if self.failed_sends.len() < FAILED_SENDS {
            self.failed_sends.push_back(flow);
        }
    }

    fn post(&mut self, envelope: Envelope) {
        // What cannot be dropped keeps its order.
        if !self.undelivered.is_empty() && !envelope.may_drop() {
            self.undelivered.push_back(envelope);
            return;
        }
        let inboxes = &self.parts.inboxes;
        let Some(inbox) = inboxes.get(usize::from(envelope.to)) else {
            stdx::never!(true, "an envelope for worker {} of {}", envelope.to, inboxes.len());
            return;
        };
        if let Err(envelope) = inbox.put_envelope(envelope) {
            if envelope.may_drop() {
                inbox.count_dropped();
            } else {
                self.undelivered.push_back(envelope);
            }
        }
    }

    /// Tries again what found an inbox full.
    fn deliver(&mut self) {
        let mut full = BTreeSet::new();
        for _ in 0..self.undelivered.len() {
            let Some(envelope) = self.undelivered.pop_front() else { return };
            let to = envelope.to;
            let Some(inbox) = self.parts.inboxes.get(usize::from(to)) else { continue };
            // Whatever is for one worker keeps its order: after the first that finds no room, none is tried.
            let back = if full.contains(&to) { Err(envelope) } else { inbox.put_envelope(envelope) };
            if let Err(envelope) = back {
                full.insert(to);
                self.undelivered.push_back(envelope);
            }
        }
    }

    fn close_recordings(&mut self) {
        while let Some(recording) = self.closing.first().copied() {
            if !self.parts.recorder.close(recording) {
                return;
            }
            self.closing.remove(&recording);
        }
    }

    fn overran(&mut self, recording: cell::RecordingKey) {
        if self.overrun.insert(recording) {
            self.figures.recordings_overrun += 1;
            warn!("recordings come faster than the disk takes them: one is given up, its call goes on");
            let own = usize::from(self.parts.number);
            self.parts.inboxes[own].put_failure(recording, "the disk was too slow".to_owned());
        }
    }

    fn note(&mut self, result: Result<(), KeepError>) {
        if let Err(e) = result {
            if self.figures.hot_errors.is_power_of_two() || self.figures.hot_errors == 0 {
                warn!("state that should survive a crash is not on the disk now: {e}");
            }
            self.figures.hot_errors += 1;
        }
    }
}
