//! Sockets: signalling by UDP, sound on ports of its own.

mod listener;
mod stock;
mod udp;

pub mod sound;

pub use listener::{BindError, Listeners, Resolved, flow_to, resolve};
pub use stock::{Action, Stock};
pub use udp::{Received, UdpSocket};
