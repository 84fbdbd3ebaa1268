//! Voices that are tones, and an ear that finds them: for tests, simulations and the demonstration.
//!
//! All sound is 16-bit linear PCM at 8 kHz, unless a rate is asked for.

mod ear;
mod page;
mod peer;
mod speech;
mod voice;

pub use ear::{Heard, bursts, hears};
pub use page::{Heard as Frame, Page, Sent, Talents};
pub use peer::Peer;
pub use speech::Speech;
pub use voice::{level_of, speaker_hz, tone, tone_from};
