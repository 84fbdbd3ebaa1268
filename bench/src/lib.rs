//! Load driver for any SIP target: registrations, call set-ups, held calls with sound on both sides.
//!
//! The driver plays every party itself and is an independent peer: it shares no code with the switch.
//! What a party does is a machine without input and output ([`caller`], [`callee`], [`registrations`]);
//! [`lab`] gives the machines sockets and time; [`run`] turns one workload into one line of JSON.

pub mod callee;
pub mod caller;
pub mod cli;
pub mod deadlines;
pub mod guard;
pub mod lab;
pub mod media;
pub mod net;
pub mod pace;
pub mod registrations;
pub mod report;
pub mod run;
pub mod samples;
pub mod sip;
pub mod table;
pub mod usage;
