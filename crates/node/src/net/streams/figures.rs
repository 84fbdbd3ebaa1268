//! What is counted of streams, and said of them at most once a minute.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::warn;

/// Between two warnings about the same thing.
const PAUSE: Duration = Duration::from_secs(60);

macro_rules! causes {
    ($($variant:ident $name:literal $help:literal)*) => {
        /// Why a stream was not let in, was closed, or did not come about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Cause { $(#[doc = $help] $variant),* }

        impl Cause {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in metrics.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),* }
            }
        }
    };
}

causes! {
    TooMany "too_many" "there are too many streams ([limits] streams)"
    TooManyOfSource "too_many_of_source" "one address has too many streams ([limits] streams_per_source)"
    TooManyUnproven "too_many_silent" "too many streams have not said anything yet"
    Handshake "handshake" "a TLS or WebSocket handshake failed or took too long"
    Silent "silent" "a new stream said nothing in time"
    SlowWriter "slow_writer" "a message did not arrive whole in time"
    SlowReader "slow_reader" "a peer did not read what was sent to it"
    Malformed "malformed" "what came was no SIP, or its end could not be found"
    Idle "idle" "nothing came for a long time"
    Origin "origin" "a page of a foreign origin wanted a WebSocket ([sip] origins)"
    Connect "connect" "a peer could not be connected to"
    NoStream "no_stream" "a message was for a stream that is gone and cannot be opened from here"
    Overrun "overrun" "a worker did not take a message in time"
}

/// Counters that every stream shares.
#[derive(Debug, Default)]
pub struct StreamFigures {
    counts: [AtomicU64; Cause::ALL.len()],
    told: Mutex<[Option<Instant>; Cause::ALL.len()]>,
    pub(super) accepted: AtomicU64,
    pub(super) connected: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) pings: AtomicU64,
}

/// What they stand at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Streams that are open now, by transport in the order of `Transport`, from TCP on.
    pub open: [u64; 4],
    /// Streams that have not said anything yet.
    pub unproven: u64,
    /// Let in since the start.
    pub accepted: u64,
    /// Connected to since the start.
    pub connected: u64,
    /// Messages that came by streams.
    pub received: u64,
    /// Messages sent by streams.
    pub sent: u64,
    /// Keep-alives answered.
    pub pings: u64,
    /// What ended badly, in the order of [`Cause::ALL`].
    pub causes: Vec<u64>,
}

impl StreamFigures {
    /// Counts it, and warns of it unless that was done lately.
    pub fn count(&self, cause: Cause) {
        self.counts[cause as usize].fetch_add(1, Ordering::Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let last = &mut told[cause as usize];
        if last.is_none_or(|at| at.elapsed() >= PAUSE) {
            *last = Some(Instant::now());
            let so_far = self.counts[cause as usize].load(Ordering::Relaxed);
            // What a peer does wrong is nothing the operator has to act on; what the switch had no room for is.
            match cause {
                Cause::TooMany | Cause::TooManyOfSource | Cause::TooManyUnproven | Cause::Overrun => {
                    warn!(so_far, "stream refused: {}", cause.help());
                }
                _ => tracing::info!(cause = cause.name(), so_far, "stream ended: {}", cause.help()),
            }
        }
    }

    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> StreamCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StreamCounts {
            open: [0; 4],
            unproven: 0,
            accepted: of(&self.accepted),
            connected: of(&self.connected),
            received: of(&self.received),
            sent: of(&self.sent),
            pings: of(&self.pings),
            causes: self.counts.iter().map(of).collect(),
        }
    }
}
