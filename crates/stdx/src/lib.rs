//! Tools that every core shares: timers, chance, the wall clock, and a place for what must never happen.

mod entropy;
mod never;
pub mod testing;
mod timers;
mod wall;

pub use entropy::Entropy;
#[doc(hidden)]
pub use never::report;
pub use timers::Timers;
pub use wall::{UnixMillis, Wall};
