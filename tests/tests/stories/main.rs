//! The stories of calls in virtual time.

mod answering;
mod codecs;
mod commanded;
mod contacts;
mod digits;
mod draining;
mod dying;
mod failing;
mod guarding;
mod holding;
mod identity;
mod leaving;
mod nat;
mod races;
mod random;
mod refreshing;
mod registering;
mod reliable;
mod routing;
mod spending;
mod strangers;
mod streams;
mod transferring;
mod trunks;
mod workers;
