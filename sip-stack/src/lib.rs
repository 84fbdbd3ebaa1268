//! SIP messages, transactions, dialogs, digest and registrations, without any I/O.

pub mod auth;
mod dialog;
pub mod endpoint;
pub mod locate;
pub mod message;
pub mod packages;
pub mod placement;
pub mod qualify;
pub mod registrar;
pub mod registration;
pub mod seal;
mod transaction;
