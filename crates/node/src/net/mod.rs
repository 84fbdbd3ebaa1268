//! Sockets: signalling by UDP and by streams, sound on ports of its own.

mod carriers;
mod listener;
mod own;
mod stock;
mod udp;

pub mod sound;
pub mod streams;

pub use carriers::Carriers;
pub use listener::{BindError, Listeners, Resolved, resolve};
pub use own::{Listening, locals, udp};
pub use stock::{Action, Stock};
pub use udp::{Received, UdpSocket};
