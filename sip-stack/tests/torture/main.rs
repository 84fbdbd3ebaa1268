//! Every message of RFC 4475 and RFC 5118, and our own for each of their clauses, gets the verdict the RFC names.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files, prints and may stop"
)]

mod clauses;
mod endpoint;
mod ipv6;
mod lies;
mod rfc4475;
mod streams;
mod verdict;
