//! What happens, in order: one bus that remembers a while, and those who read it.
//!
//! Every event gets a sequence number, which never repeats, also not after a restart. The bus keeps the newest; a reader that
//! comes back within that reach misses nothing, and one that does not is told what it missed. Readers have no queues of their
//! own: whoever reads slowly costs nobody else anything.

mod bus;
mod filter;
mod ring;
mod schema;
mod stream;

pub use bus::{EventBus, EventReader, Next};
pub use ring::{Gap, Told};

pub(crate) use filter::{Filter, kinds};
pub(crate) use schema::{EventOut, body as body_of};
pub(crate) use stream::{Pace, serve};
