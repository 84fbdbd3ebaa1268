//! What the loop needs from below: the core it drives, and where things go that must survive. Traits, so that tests can watch the loop.

use bytes::Bytes;
use cell::{Counts, Input, Output, RecordingKey, Stats};
use media::engine::{Channel, Forward, Packet, Page};
use model::{CallId, CallRecord};
use sip_stack::endpoint::Flow;
use std::net::SocketAddr;
use std::time::Instant;

/// The core: [`cell::Worker`].
#[expect(missing_docs, reason = "the same names as cell::Worker's, documented there")]
pub trait Core {
    fn handle_input(&mut self, input: Input, now: Instant);
    fn offer(&mut self, flow: Flow, data: Bytes, since: Instant, now: Instant);
    fn work(&mut self, limit: usize, now: Instant);
    fn waiting(&self) -> usize;
    fn handle_packet(
        &mut self,
        number: u16,
        channel: Channel,
        from: SocketAddr,
        packet: &mut Packet,
        now: Instant,
    ) -> Option<Forward>;
    fn handle_timeout(&mut self, now: Instant);
    fn poll_timeout(&self) -> Option<Instant>;
    fn poll_output(&mut self) -> Option<Output>;
    fn give_back(&mut self, recording: RecordingKey, page: Page);
    fn open_ports(&self) -> usize;
    fn ports_before(&self) -> Vec<u16>;
    fn shared_port(&self) -> Option<u16>;
    fn counts(&self) -> Counts;
    fn stats(&self) -> Stats;
}

impl Core for cell::Worker {
    fn handle_input(&mut self, input: Input, now: Instant) {
        self.handle_input(input, now);
    }

    #[inline]
    fn offer(&mut self, flow: Flow, data: Bytes, since: Instant, now: Instant) {
        self.offer(flow, data, since, now);
    }

    fn work(&mut self, limit: usize, now: Instant) {
        self.work(limit, now);
    }

    #[inline]
    fn waiting(&self) -> usize {
        self.waiting()
    }

    #[inline]
    fn handle_packet(
        &mut self,
        number: u16,
        channel: Channel,
        from: SocketAddr,
        packet: &mut Packet,
        now: Instant,
    ) -> Option<Forward> {
        self.handle_packet(number, channel, from, packet, now)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }

    #[inline]
    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }

    #[inline]
    fn poll_output(&mut self) -> Option<Output> {
        self.poll_output()
    }

    fn give_back(&mut self, recording: RecordingKey, page: Page) {
        self.give_back(recording, page);
    }

    #[inline]
    fn open_ports(&self) -> usize {
        self.open_ports()
    }

    fn ports_before(&self) -> Vec<u16> {
        self.ports_before()
    }

    #[inline]
    fn shared_port(&self) -> Option<u16> {
        self.shared_port()
    }

    fn counts(&self) -> Counts {
        self.counts()
    }

    fn stats(&self) -> Stats {
        self.stats()
    }
}

/// Why something was not kept; logged, counted, and the call goes on.
pub type KeepError = store::HotError;

/// Where things go that must survive.
pub trait Keeper {
    /// Keeps a value; safe after [`Keeper::commit`].
    fn keep(&mut self, key: &[u8], value: &[u8]) -> Result<(), KeepError>;
    /// Forgets a key.
    fn forget(&mut self, key: &[u8]) -> Result<(), KeepError>;
    /// Makes safe what was kept so far.
    fn commit(&mut self) -> Result<(), KeepError>;
    /// Hands over a finished call's record.
    fn record(&mut self, record: CallRecord);
    /// Hands over a finished call's ladder.
    fn ladder(&mut self, call: CallId, trace: Vec<u8>);
}
