//! Reliable streams in the simulated network: connections between phones and the switch that delay, cut into pieces, break and go stale.
//!
//! Encryption and the WebSocket handshake are only the time they take. A lost packet is time too: it is sent again.

use crate::network::Network;
use sip_stack::endpoint::{Flow, Transport};
use sip_stack::message::StreamFramer;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::Entropy;

/// How a phone speaks if not by UDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket: a message each, and nobody can connect to it.
    Ws,
}

impl Stream {
    pub(crate) fn transport(self) -> Transport {
        match self {
            Self::Tcp => Transport::Tcp,
            Self::Tls => Transport::Tls,
            Self::Ws => Transport::Ws,
        }
    }

    /// Round trips before the first message can leave.
    fn round_trips(self) -> u32 {
        match self {
            Self::Tcp => 1,
            Self::Tls | Self::Ws => 2,
        }
    }
}

/// What sends into nothing finds out after this.
const STALE: Duration = Duration::from_secs(20);

/// A packet that was lost is sent again after this.
const RESEND: Duration = Duration::from_millis(200);

/// One connection.
struct Pipe {
    kind: Stream,
    /// The phone's place in the world.
    phone: usize,
    /// The phone as the switch sees it.
    flow: Flow,
    ready: Instant,
    /// The phone uses it.
    phone_up: bool,
    /// The switch uses it.
    switch_up: bool,
    /// The phone opened it.
    came: bool,
    framer: StreamFramer,
    unread: Vec<u8>,
    latest: [Instant; 2],
}

/// What happens at a moment.
pub(crate) enum Happening {
    /// A message, or a keep-alive, reached the switch.
    AtSwitch(Flow, Vec<u8>),
    /// Something reached a phone: whole messages, each by itself.
    AtPhone(usize, Vec<Vec<u8>>),
    /// The switch's end is gone.
    SwitchLost(Flow),
    /// A phone's end is gone.
    PhoneLost(usize),
    /// The switch could not send.
    Unsent(Flow),
    /// Nothing of interest.
    Nothing,
}

enum Event {
    ToSwitch(usize, Vec<u8>),
    ToPhone(usize, Vec<u8>),
    SwitchHearsEnd(usize),
    PhoneHearsEnd(usize),
    Unsent(Flow),
}

/// All connections of a world.
pub(crate) struct Streams {
    entropy: Entropy,
    pipes: Vec<Pipe>,
    events: BTreeMap<(Instant, u64), Event>,
    counted: u64,
    /// From where phones came whose streams are gone.
    gone: BTreeSet<(Transport, SocketAddr)>,
}

impl Streams {
    pub(crate) fn new(entropy: Entropy) -> Self {
        Self { entropy, pipes: Vec::new(), events: BTreeMap::new(), counted: 0, gone: BTreeSet::new() }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many connections the switch knows.
    pub(crate) fn open(&self) -> usize {
        self.pipes.iter().filter(|pipe| pipe.switch_up).count()
    }

    /// A phone sends one message, over its connection or a new one.
    pub(crate) fn phone_sends(
        &mut self,
        phone: usize,
        kind: Stream,
        (own, switch): (SocketAddr, SocketAddr),
        data: &[u8],
        network: &mut Network,
        now: Instant,
    ) {
        let open = self.pipes.iter().position(|pipe| pipe.phone == phone && pipe.phone_up);
        let id = open.unwrap_or_else(|| {
            let port = 40_000 + self.pipes.len() as u16;
            let seen = network.seen_as(SocketAddr::new(own.ip(), port), switch, now);
            let flow = Flow { transport: kind.transport(), local: switch, remote: seen };
            self.open_pipe(kind, phone, flow, true, network, now)
        });
        self.carry(id, true, data, network, now);
    }

    /// The switch sends one message by a flow. A new connection is made to a phone that listens, as the shell would make it.
    pub(crate) fn switch_sends(
        &mut self,
        flow: Flow,
        data: &[u8],
        listening: impl Fn(SocketAddr, Transport) -> Option<usize>,
        network: &mut Network,
        now: Instant,
    ) {
        let of = |pipes: &[Pipe], remote| {
            let same =
                |pipe: &Pipe| pipe.switch_up && pipe.flow.remote == remote && pipe.flow.transport == flow.transport;
            pipes.iter().rposition(same)
        };
        let mut found = of(&self.pipes, flow.remote);
        if found.is_none() && flow.transport != Transport::Ws {
            let came = self.gone.contains(&(flow.transport, flow.remote));
            let message = bytes::Bytes::copy_from_slice(data);
            let told = || sip_stack::message::reopen_at(&message, flow.transport, flow.remote.ip());
            let remote = if came { told() } else { Some(flow.remote) };
            found = remote.and_then(|remote| of(&self.pipes, remote));
            if found.is_none()
                && let Some(remote) = remote
                && let Some(phone) = listening(remote, flow.transport)
                && !network.is_dark(remote.ip())
            {
                let kind = if flow.transport == Transport::Tls { Stream::Tls } else { Stream::Tcp };
                found = Some(self.open_pipe(kind, phone, Flow { remote, ..flow }, false, network, now));
            }
        }
        let Some(id) = found else { return self.plan(now + Duration::from_millis(10), Event::Unsent(flow)) };
        self.carry(id, false, data, network, now);
    }

    fn open_pipe(
        &mut self,
        kind: Stream,
        phone: usize,
        flow: Flow,
        came: bool,
        network: &mut Network,
        now: Instant,
    ) -> usize {
        let trip = network.trip(network.host_of(flow.remote));
        self.pipes.push(Pipe {
            kind,
            phone,
            flow,
            ready: now + trip * 2 * kind.round_trips(),
            phone_up: true,
            switch_up: true,
            came,
            framer: StreamFramer::default(),
            unread: Vec::new(),
            latest: [now; 2],
        });
        self.pipes.len() - 1
    }

    /// Puts data on its way, cut into pieces.
    fn carry(&mut self, id: usize, to_switch: bool, data: &[u8], network: &mut Network, now: Instant) {
        let host = network.host_of(self.pipes[id].flow.remote);
        let gone_for_the_other = if to_switch { !self.pipes[id].switch_up } else { !self.pipes[id].phone_up };
        if network.is_dark(host) || gone_for_the_other {
            let at = now + if gone_for_the_other { network.trip(host) * 2 } else { STALE };
            let event = if to_switch { Event::PhoneHearsEnd(id) } else { Event::SwitchHearsEnd(id) };
            return self.plan(at, event);
        }
        let cut = match self.pipes[id].kind {
            Stream::Ws => data.len(),
            Stream::Tcp | Stream::Tls => self.entropy.below(data.len() as u64 + 1) as usize,
        };
        for piece in [&data[..cut], &data[cut..]].into_iter().filter(|piece| !piece.is_empty()) {
            let mut at = now.max(self.pipes[id].ready) + network.trip(host);
            while network.loses(host) {
                at += RESEND;
            }
            let latest = &mut self.pipes[id].latest[usize::from(to_switch)];
            *latest = (*latest).max(at);
            let (at, piece) = (*latest, piece.to_vec());
            self.plan(at, if to_switch { Event::ToSwitch(id, piece) } else { Event::ToPhone(id, piece) });
        }
    }

    fn plan(&mut self, at: Instant, event: Event) {
        self.counted += 1;
        self.events.insert((at, self.counted), event);
    }

    /// Both ends hear that it is over.
    fn end(&mut self, id: usize, now: Instant) {
        self.plan(now, Event::SwitchHearsEnd(id));
        self.plan(now + Duration::from_millis(5), Event::PhoneHearsEnd(id));
    }

    /// A phone's connection breaks, and both hear of it.
    pub(crate) fn break_of(&mut self, phone: usize, now: Instant) {
        for id in 0..self.pipes.len() {
            if self.pipes[id].phone == phone && self.pipes[id].phone_up {
                self.end(id, now);
            }
        }
    }

    /// A phone forgets its connection without a word: the switch hears of it when it sends.
    pub(crate) fn forget_of(&mut self, phone: usize) {
        for pipe in self.pipes.iter_mut().filter(|pipe| pipe.phone == phone) {
            pipe.phone_up = false;
        }
    }

    /// The switch's process is gone: its kernel says good-bye for it.
    pub(crate) fn switch_died(&mut self, now: Instant) {
        for id in 0..self.pipes.len() {
            if std::mem::take(&mut self.pipes[id].switch_up) {
                self.plan(now + Duration::from_millis(5), Event::PhoneHearsEnd(id));
            }
        }
        self.gone.clear();
    }

    /// The next thing that has happened.
    pub(crate) fn happened(&mut self, now: Instant) -> Option<Happening> {
        let entry = self.events.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(match entry.remove() {
            Event::Unsent(flow) => Happening::Unsent(flow),
            Event::ToSwitch(id, data) => {
                let pipe = &self.pipes[id];
                if pipe.switch_up { Happening::AtSwitch(pipe.flow, data) } else { Happening::Nothing }
            }
            Event::ToPhone(id, data) => {
                let pipe = &mut self.pipes[id];
                if !pipe.phone_up {
                    return Some(Happening::Nothing);
                }
                pipe.unread.extend_from_slice(&data);
                Happening::AtPhone(pipe.phone, messages(&mut pipe.unread))
            }
            Event::SwitchHearsEnd(id) => {
                let pipe = &mut self.pipes[id];
                if !std::mem::take(&mut pipe.switch_up) {
                    return Some(Happening::Nothing);
                }
                if pipe.came {
                    self.gone.insert((pipe.flow.transport, pipe.flow.remote));
                }
                Happening::SwitchLost(pipe.flow)
            }
            Event::PhoneHearsEnd(id) => {
                let pipe = &mut self.pipes[id];
                if std::mem::take(&mut pipe.phone_up) { Happening::PhoneLost(pipe.phone) } else { Happening::Nothing }
            }
        })
    }

    /// The switch's end of a flow, to take what came apart.
    pub(crate) fn framer(&mut self, flow: Flow) -> Option<&mut StreamFramer> {
        self.pipes.iter_mut().rfind(|pipe| pipe.switch_up && pipe.flow == flow).map(|pipe| &mut pipe.framer)
    }

    /// The switch closes a stream.
    pub(crate) fn close(&mut self, flow: Flow, now: Instant) {
        if let Some(id) = self.pipes.iter().rposition(|pipe| pipe.switch_up && pipe.flow == flow) {
            self.end(id, now);
        }
    }
}

/// Takes whole messages off the front, as a phone does that trusts Content-Length.
fn messages(unread: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        if unread.starts_with(b"\r\n") {
            whole.push(unread.drain(..2).collect());
            continue;
        }
        let Some(head) = unread.windows(4).position(|four| four == b"\r\n\r\n") else { return whole };
        let text = String::from_utf8_lossy(&unread[..head]).to_ascii_lowercase();
        let body = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        let length = head + 4 + body.unwrap_or(0);
        if unread.len() < length {
            return whole;
        }
        whole.push(unread.drain(..length).collect());
    }
}
