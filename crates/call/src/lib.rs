//! What happens in one call: who is called, what the caller hears meanwhile, who is joined with whom, why it ended.
//!
//! A [`Call`] knows no SIP, no SDP, no RTP. It hears facts ([`Input`]) and says wishes ([`Effect`]); the cell carries
//! them out. Times are arguments, so a test reads like the story of a call:
//!
//! ```text
//! Incoming → Locate → Located → Dial → Ringing → Ring → Answered → Join, Record → HungUp → HangUp, Finished
//! ```

mod call;
mod effect;

pub use call::{Call, Image, Policy, Replacing, Setup};
pub use effect::{Effect, GoOn, Input, Party, PartyKind, Progress, Stage, Target};
