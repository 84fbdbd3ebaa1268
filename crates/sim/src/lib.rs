//! A world in virtual time: phones, voices, bad networks, faults.

mod ear;
mod g711;
mod ladder;
mod nat;
mod network;
mod phone;
mod rtp;
mod sdp;
mod setup;
mod sound;
mod stranger;
mod switch;
mod ua;
mod watch;
mod world;

pub use network::{Link, Packet};
pub use phone::Phone;
pub use setup::Setup;
pub use sound::{Hearing, Sound};
pub use stranger::Stranger;
pub use switch::{Recording, Track};
pub use ua::Conduct;
pub use ua::digest::Hash;
pub use ua::line::{End, LineState};
pub use world::{NatBox, World};

use std::time::Duration;

/// So many seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So many milliseconds.
pub const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
