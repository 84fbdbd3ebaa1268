//! What a worker tells about itself when asked: nothing is published on a clock, so an idle worker sleeps.

use cell::{Counts, Stats};

/// What the shell of one worker has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShellFigures {
    /// Times the worker woke up.
    pub rounds: u64,
    /// RTP and RTCP packets received.
    pub sound_in: u64,
    /// Of those, passed on.
    pub sound_forwarded: u64,
    /// Packets of our own: tones, prompts, reports.
    pub sound_made: u64,
    /// Packets that the system did not take.
    pub sound_unsent: u64,
    /// Signalling datagrams received.
    pub datagrams_in: u64,
    /// Signalling datagrams sent.
    pub datagrams_out: u64,
    /// Signalling datagrams that the system did not take, and ICMP errors.
    pub unsent: u64,
    /// Datagrams for another worker whose inbox was full.
    pub dropped_full_inbox: u64,
    /// Messages for other workers that wait for room there.
    pub envelopes_waiting: u64,
    /// Steps that panicked.
    pub panics: u64,
    /// Changes that the hot store did not take.
    pub hot_errors: u64,
    /// RTP ports with sockets: in use, spare, resting.
    pub ports_bound: u64,
    /// Recordings given up because the ring of pages was full.
    pub recordings_overrun: u64,
}

/// All there is to know about one worker.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// The shell.
    pub shell: ShellFigures,
    /// What is alive in the cell.
    pub counts: Counts,
    /// What happened in the cell.
    pub stats: Stats,
}
