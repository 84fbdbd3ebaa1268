//! Programs that hear legs and speak to them: over WebSocket, and recognisers of speech.
//!
//! A worker speaks RTP with them over the loopback, as with any peer; here that becomes what the program speaks.

mod line;
mod outbox;
mod recognise;
mod socket;
#[cfg(test)]
mod tests;

pub(crate) use line::{Line, MAX_LINES, codec_of};
pub(crate) use recognise::recognise;
pub(crate) use socket::converse;
