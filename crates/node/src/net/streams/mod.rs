//! SIP over streams: TCP, TLS and WebSocket, on the runtime of the edge.
//!
//! A stream is known by its transport and its peer's address. What comes by it is cut into messages here, and each goes straight to the
//! worker that owns it; what workers send is put into the stream's queue. Nothing here waits for a peer longer than a few seconds, and
//! everything a peer can fill has a bound:
//!
//! | What | Bound | Then |
//! |---|---|---|
//! | streams, of one address, without a message | [`GateLimits`] | not let in |
//! | a handshake, the first message | 10 s | closed |
//! | the rest of a message that has begun | 10 s | closed |
//! | a message | 65535 octets | 513 if it can be answered, closed |
//! | what waits to be sent | 512 messages, 256 KiB, or 10 s in one write | closed |
//! | silence | `[sip] idle_seconds` | closed |
//! | a worker's full inbox | the stream is not read for 2 s | the message is dropped |

mod accept;
mod connect;
mod connection;
mod figures;
mod gate;
mod line;
mod websocket;

pub use accept::{Bound, bind};
pub use figures::{Cause, StreamCounts, StreamFigures};
pub use gate::{Gate, GateLimits, Pass, Refused};
pub use websocket::{Addresses, WebSockets, upgrade};

use crate::tls::Clients;
use crate::worker::Inbox;
use bytes::Bytes;
use cell::{Body, Envelope, Locals};
use line::{Line, Table};
use sip_stack::endpoint::{Flow, Transport};
use sip_stack::message::reopen_at;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

/// A handshake, and a new stream's first message, must be there in this time.
const FIRST: Duration = Duration::from_secs(10);

/// How long a peer may take to send the rest of a message, or to read what is sent to it.
const WHOLE: Duration = Duration::from_secs(10);

/// How long a connection of ours may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// Connections of ours that come about at the same time.
const CONNECTING: usize = 256;

/// A worker that takes nothing out of its inbox for so long loses the message.
const FULL_INBOX: Duration = Duration::from_secs(2);

/// What is set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many there may be.
    pub gate: GateLimits,
    /// Silence after which a stream is closed.
    pub idle: Duration,
    /// Our addresses.
    pub locals: Locals,
}

/// All streams. Clones are the same.
#[derive(Clone, Debug)]
pub struct Streams(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    gate: Gate,
    inboxes: Arc<[Inbox]>,
    table: Mutex<Table>,
    figures: StreamFigures,
    connecting: Arc<Semaphore>,
    /// Where connections of ours are made; `None` in tests of workers, which have no streams.
    runtime: Option<Handle>,
    clients: Clients,
    closing: watch::Sender<bool>,
}

/// Why something was not sent by a stream. The core hears that it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsent;

impl Streams {
    /// None are open yet. Must be called on the runtime of the edge.
    pub fn new(settings: Settings, inboxes: Arc<[Inbox]>, clients: Clients) -> Self {
        Self::with(settings, inboxes, clients, Handle::try_current().ok())
    }

    fn with(settings: Settings, inboxes: Arc<[Inbox]>, clients: Clients, runtime: Option<Handle>) -> Self {
        Self(Arc::new(Shared {
            gate: Gate::new(settings.gate),
            settings,
            inboxes,
            table: Mutex::default(),
            figures: StreamFigures::default(),
            connecting: Arc::new(Semaphore::new(CONNECTING)),
            runtime,
            clients,
            closing: watch::Sender::new(false),
        }))
    }

    /// Sends one message. An open stream to the peer is used, else (TCP, TLS) one is connected; that this failed is told to all workers.
    pub fn send(&self, flow: &Flow, data: Bytes) -> Result<(), Unsent> {
        let shared = &self.0;
        let mut table = shared.table();
        if let Some(line) = table.find(flow.transport, flow.remote) {
            return self.put(&line, data);
        }
        let can_connect = matches!(flow.transport, Transport::Tcp | Transport::Tls) && !*shared.closing.borrow();
        // Where a peer that came to us called from, nobody listens: it may listen at the address that it told.
        let remote = if table.came_from(flow.transport, flow.remote) {
            reopen_at(&data, flow.transport, flow.remote.ip())
        } else {
            Some(flow.remote)
        };
        let (Some(runtime), Some(remote)) = (shared.runtime.as_ref().filter(|_| can_connect), remote) else {
            shared.figures.count(Cause::NoStream);
            return Err(Unsent);
        };
        if let Some(line) = table.find(flow.transport, remote) {
            return self.put(&line, data);
        }
        let reached = Flow { remote, ..*flow };
        let (line, outgoing) = table.open(reached);
        drop(table);
        runtime.spawn(connect::connect(Arc::clone(shared), *flow, reached, line.clone(), outgoing));
        self.put(&line, data)
    }

    fn put(&self, line: &Line, data: Bytes) -> Result<(), Unsent> {
        if line.put(data) {
            StreamFigures::add(&self.0.figures.sent);
            Ok(())
        } else {
            self.0.figures.count(Cause::SlowReader);
            line.stop();
            Err(Unsent)
        }
    }

    /// TLS streams to this address are to the host of this name.
    pub fn tls_peer(&self, remote: SocketAddr, name: &str, verify: bool) {
        self.0.clients.know(remote, name, verify);
    }

    /// Bounds HTTP connections, which are none of these but may become one.
    pub fn web_gate(&self) -> Gate {
        let limits = self.0.settings.gate;
        Gate::new(GateLimits { unproven: limits.total, ..limits })
    }

    /// What happened so far.
    pub fn figures(&self) -> StreamCounts {
        let open = self.0.table().count();
        StreamCounts { open, unproven: self.0.gate.inside().1 as u64, ..self.0.figures.counts() }
    }

    /// Closes all streams, after what waits to be sent is sent or a second has passed.
    pub async fn close(&self) {
        self.0.closing.send_replace(true);
        let until = tokio::time::Instant::now() + Duration::from_secs(2);
        while self.0.table().count() != [0; 4] && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Streams of a worker that has none.
    #[cfg(test)]
    pub(crate) fn none(inboxes: Arc<[Inbox]>) -> Self {
        let gate = GateLimits { total: 0, per_source: 0, unproven: 0 };
        let settings = Settings { gate, idle: WHOLE, locals: Locals::default() };
        Self::with(settings, inboxes, Clients::new(), None)
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a message to its owner. While the owner's inbox is full the stream waits, and so does its peer.
    async fn deliver(&self, flow: Flow, data: Bytes) {
        StreamFigures::add(&self.figures.received);
        let to = cell::owner(&data, self.inboxes.len() as u16);
        let envelope = Envelope { from: to, to, body: Body::Datagram { flow, data } };
        if self.post(envelope).await.is_err() {
            self.figures.count(Cause::Overrun);
        }
    }

    async fn post(&self, mut envelope: Envelope) -> Result<(), ()> {
        let until = tokio::time::Instant::now() + FULL_INBOX;
        loop {
            let Some(inbox) = self.inboxes.get(usize::from(envelope.to)) else { return Err(()) };
            match inbox.put_envelope(envelope) {
                Ok(()) => return Ok(()),
                Err(back) if tokio::time::Instant::now() < until => envelope = back,
                Err(_) => return Err(()),
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Tells every worker.
    async fn tell(&self, body: Body) {
        for to in 0..self.inboxes.len() as u16 {
            // A worker that hears of nothing for two seconds has its own timers for what was under way.
            let _ = self.post(Envelope { from: to, to, body: body.clone() }).await;
        }
    }

    /// A stream is over: nothing finds it any more, and every worker knows.
    async fn ended(&self, flow: Flow, line: &Line) {
        let aliases = self.table().close(flow, line);
        for remote in aliases.into_iter().chain([flow.remote]) {
            self.tell(Body::StreamClosed { flow: Flow { remote, ..flow } }).await;
        }
    }

    fn refused(&self, why: Refused) {
        self.figures.count(match why {
            Refused::Total => Cause::TooMany,
            Refused::Source => Cause::TooManyOfSource,
            Refused::Unproven => Cause::TooManyUnproven,
        });
    }
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
