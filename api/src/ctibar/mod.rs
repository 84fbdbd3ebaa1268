//! Contract A: the toolbar of a call centre's agent. Login and click to dial by HTTP, the toolbar itself by a WebSocket.
//!
//! A dialect has four parts: `decode` turns the wire into [`model::Command`]s, `session` and `encode` turn [`model::EventBody`]s into
//! the wire, `names` has the vendor's words, and the fixtures in `tests/fixtures/ctibar` are pairs of both. A [`session::Session`] is
//! one agent at work, without sockets and clocks; [`bars`] gives it both.

mod acd;
mod bars;
mod calls;
mod decode;
mod desk;
mod dial;
mod encode;
mod http;
mod login;
mod names;
mod session;
mod socket;
#[cfg(test)]
mod tests;
pub(crate) mod time;

pub(crate) use bars::Bars;
pub(crate) use http::{__path_auth, __path_makecall, auth, cors, makecall};
pub use names::Language;
pub(crate) use socket::connect;

use std::time::Duration;

/// How the toolbar's interface is told.
#[derive(Clone, Debug)]
pub struct CtibarSettings {
    /// Minutes by which times are ahead of UTC.
    pub offset_minutes: i32,
    /// The language of `msg`.
    pub language: Language,
    /// How often a toolbar says that it is there.
    pub heartbeat: Duration,
    /// How long an agent whose connection is lost stays at work.
    pub grace: Duration,
    /// Calls are understood by a recogniser, and what was said is told.
    pub recognition: bool,
}

impl Default for CtibarSettings {
    /// As the contract has it.
    fn default() -> Self {
        Self {
            offset_minutes: 480,
            language: Language::Zh,
            heartbeat: Duration::from_secs(20),
            grace: Duration::from_secs(60),
            recognition: false,
        }
    }
}
