//! The stories of calls in virtual time.

mod answering;
mod contacts;
mod digits;
mod draining;
mod dying;
mod failing;
mod guarding;
mod holding;
mod leaving;
mod nat;
mod races;
mod random;
mod registering;
mod routing;
mod spending;
mod strangers;
mod streams;
mod trunks;
mod workers;
