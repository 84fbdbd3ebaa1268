//! SIP messages, transactions, dialogs, digest and registrations, without any I/O.

pub mod message;
