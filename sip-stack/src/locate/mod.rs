//! Where a SIP URI leads (RFC 3263): from a name to addresses, ports and transports, the best first.
//!
//! A [`Search`] asks, in the order of the RFC, for NAPTR, SRV and address records; its owner carries the questions to a resolver.
//! What it finds are [`Servers`], which give a fresh order for each caller. A [`Blacklist`] knows which of them did not serve lately.

mod blacklist;
mod goal;
mod record;
mod search;
mod servers;

pub use blacklist::Blacklist;
pub use goal::{Goal, NoGoal};
pub use record::{Failure, Question, Record};
pub use search::{Outcome, Search};
pub use servers::{Servers, Target};

#[cfg(test)]
mod tests;
