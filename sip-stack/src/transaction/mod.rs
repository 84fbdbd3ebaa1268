//! The four transaction machines of RFC 3261 §17 with RFC 6026: one file, one table of the RFC.
//!
//! A machine knows neither sockets nor clocks nor headers. It takes a fact (a message's kind, a timer) and pushes what
//! must be done into the caller's [`Effects`].

mod client;
mod invite_client;
mod invite_server;
mod server;

use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

pub(crate) use client::Client;
pub(crate) use invite_client::InviteClient;
pub(crate) use invite_server::InviteServer;
pub(crate) use server::Server;

/// The timers of RFC 3261 table 4 and RFC 6026, by their letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    A,
    B,
    D,
    E,
    F,
    G,
    H,
    I,
    J,
    K,
    L,
    M,
}

impl Timer {
    /// All of them.
    pub(crate) const ALL: [Self; 12] =
        [Self::A, Self::B, Self::D, Self::E, Self::F, Self::G, Self::H, Self::I, Self::J, Self::K, Self::L, Self::M];

    /// True of the timers whose only effect is that a finished transaction is forgotten. Their times are the least ones.
    pub(crate) fn only_forgets(self) -> bool {
        matches!(self, Self::D | Self::I | Self::J | Self::K | Self::L | Self::M)
    }
}

/// How long the timers run, and whether the transport repeats lost data by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) t1: Duration,
    pub(crate) t2: Duration,
    pub(crate) t4: Duration,
    pub(crate) reliable: bool,
}

impl Timing {
    /// How long a side waits for the other before it gives up: timers B, F, H, J, L, M.
    pub(crate) fn patience(&self) -> Duration {
        self.t1 * 64
    }

    /// Timer D: at least 32 s, for the other side's timer H runs with a T1 that we do not know (§17.1.1.2).
    fn d(&self) -> Duration {
        if self.reliable { Duration::ZERO } else { self.patience().max(Duration::from_secs(32)) }
    }

    /// Timers I and K: until stragglers have died.
    fn linger(&self) -> Duration {
        if self.reliable { Duration::ZERO } else { self.t4 }
    }
}

/// The three ranges of responses that a machine tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// 100–199
    Provisional,
    /// 200–299
    Success,
    /// 300–699
    Failure,
}

impl Class {
    pub(crate) fn of(status: u16) -> Self {
        match status {
            0..=199 => Self::Provisional,
            200..=299 => Self::Success,
            _ => Self::Failure,
        }
    }
}

/// What a machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Send this for the first time.
    Send(Bytes),
    /// Send this once more.
    Resend(Bytes),
    /// Start or move a timer.
    Set(Timer, Duration),
    /// Stop a timer.
    Cancel(Timer),
    /// Hand the message that was just given to the machine to the transaction's user.
    Deliver,
    /// The transaction is over: forget it.
    Finish(Outcome),
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As it should: its user knows already.
    Done,
    /// Nobody answered our request (timers B, F).
    Timeout,
    /// Nobody acknowledged our failure response (timer H).
    NoAck,
    /// The transport could not deliver our request or ACK.
    TransportFailed,
}

/// Where machines push their effects.
#[derive(Debug, Default)]
pub(crate) struct Effects(SmallVec<[Effect; 4]>);

impl Effects {
    fn send(&mut self, data: Bytes) {
        self.0.push(Effect::Send(data));
    }

    fn resend(&mut self, data: &Bytes) {
        self.0.push(Effect::Resend(data.clone()));
    }

    fn set(&mut self, timer: Timer, after: Duration) {
        self.0.push(Effect::Set(timer, after));
    }

    fn cancel(&mut self, timer: Timer) {
        self.0.push(Effect::Cancel(timer));
    }

    fn deliver(&mut self) {
        self.0.push(Effect::Deliver);
    }

    fn finish(&mut self, outcome: Outcome) {
        self.0.push(Effect::Finish(outcome));
    }
}

impl IntoIterator for Effects {
    type Item = Effect;
    type IntoIter = smallvec::IntoIter<[Effect; 4]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod testing {
    use super::*;

    pub(super) const UDP: Timing = Timing {
        t1: Duration::from_millis(500),
        t2: Duration::from_secs(4),
        t4: Duration::from_secs(5),
        reliable: false,
    };
    pub(super) const TCP: Timing = Timing { reliable: true, ..UDP };
    pub(super) const EVERY_TIMER: [Timer; 12] = [
        Timer::A,
        Timer::B,
        Timer::D,
        Timer::E,
        Timer::F,
        Timer::G,
        Timer::H,
        Timer::I,
        Timer::J,
        Timer::K,
        Timer::L,
        Timer::M,
    ];

    pub(super) fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    pub(super) fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    /// What one step pushes.
    pub(super) fn effects(step: impl FnOnce(&mut Effects)) -> Vec<Effect> {
        let mut out = Effects::default();
        step(&mut out);
        out.into_iter().collect()
    }
}
