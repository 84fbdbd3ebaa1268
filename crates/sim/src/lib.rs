//! A world in virtual time: phones, voices, bad networks, faults.
//!
//! A [`World`] holds the whole switch (its workers in a modelled shell), phones that speak SIP through `rsip`, which shares
//! no code with the switch, and the network between. Nothing waits: an hour on hold passes in a blink. Everything that is
//! chance comes from one seed, so a failure is its seed; a failed test prints it with the ladder and the last log lines.
//!
//! ```
//! use patchbay_sim::{Sound, World, secs};
//!
//! let world = World::seeded(7);
//! let (phone, other) = (world.phone("100"), world.phone("101"));
//! phone.dial("101");
//! world.run_for(secs(3));
//! assert!(phone.hears(Sound::Ringback));
//! other.answer();
//! world.run_for(secs(2));
//! assert!(phone.hears(other.voice()) && other.hears(phone.voice()));
//! phone.hang_up();
//! world.assert_settled();
//! assert!(world.recording(&world.record()).unwrap().left.has(phone.voice()));
//! println!("{}", world.ladder());
//! ```
//!
//! # What fails a test by itself
//!
//! - an ERROR in the log of anything that runs in the world;
//! - a phone's complaint: the switch sent what rsip cannot read, or broke a rule (no tag, a CSeq that does not grow, an
//!   answer that changes within one INVITE, a payload type that was never agreed, garbage on an RTP port);
//! - [`World::assert_settled`]: an object that is left alive, a key that is left in the hot store, a call that reached the
//!   switch without a record or with two.
//!
//! # How it hears
//!
//! Each phone's voice is a tone of its own. What a phone receives is decoded and put on its own timeline by timestamp with a
//! playout delay of 60 ms; [`Phone::hears`] asks about the last moments, [`Phone::heard`] about the whole call by sample
//! positions, [`Phone::longest_gap`] about holes. Tones of the network are told by their cadence. A [`Recording`] is heard
//! with the same ears.
//!
//! # What is modelled
//!
//! | Of | Here |
//! |---|---|
//! | lines | [`Link`]: delay, jitter, loss, reordering, duplication, per host and direction; [`World::lose`] for one message |
//! | NAT | [`NatBox`]: a mapping and a filter per flow, forgotten after 60 s without use or by [`World::reboot`] |
//! | streams | order, pieces, round trips of handshakes; breaks, connections that only one end knows of |
//! | sockets | each sender's datagrams reach one worker, as SO_REUSEPORT gives them; envelopes take 20 to 320 µs, in order |
//! | hot store | what no `Transmit` made durable is lost by [`World::kill`] for up to 100 ms |
//! | SQL | 50 ms behind; insert or ignore |
//! | recordings | samples in memory; a kill leaves what the header told at its last checkpoint, each second |
//! | RTP ports | rest a second before they are used again |
//!
//! # What is absent
//!
//! Encryption, IPv6 (`rsip` cannot read it), and codecs other than G.711: they come with what needs them.

mod codec;
mod ear;
mod edge;
mod g711;
mod ladder;
mod nat;
mod network;
mod others;
mod phone;
mod rtp;
mod sdp;
mod secure;
mod setup;
mod sound;
mod stranger;
mod stream;
mod switch;
mod ua;
mod watch;
mod web;
mod world;
mod zone;

pub use cell;
pub use network::{Link, Packet};
pub use phone::Phone;
pub use setup::{Setup, tone};
pub use sound::{Hearing, Sound};
pub use stranger::Stranger;
pub use stream::Stream;
pub use switch::{Recording, Track};
pub use ua::digest::Hash;
pub use ua::line::{End, LineState};
pub use ua::page::MakePage;
pub use ua::{Conduct, Referred};
pub use web::Web;
pub use world::{NatBox, World};
pub use zone::Zone;

use std::time::Duration;

/// So many seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So many milliseconds.
pub const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
