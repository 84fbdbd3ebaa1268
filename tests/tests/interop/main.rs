//! The real program against real clients over loopback: SIPp for what the wire must look like, baresip and linphone
//! for what people do and hear, Kamailio for carriers.
//!
//! `make interop` builds the program, installs the clients and runs these one at a time. Each case has a server of its own on free
//! ports with a data folder of its own. Every wait has a limit, and an ERROR in the server's log fails the case.

mod api;
mod chromium;
mod ear;
mod kamailio;
mod linphone;
mod patience;
mod phone;
mod ports;
mod queueing;
mod server;
mod sipp;
mod sound;

mod acme;
mod agent;
mod browser;
mod carrier;
mod client;
mod dying;
mod extending;
mod failing;
mod floods;
mod holding;
mod keys;
mod linphones;
mod malformed;
mod registering;
mod relaying;
mod repeating;
mod sipjs;
mod sounding;
mod speaking;
mod streams;
mod surviving;
mod talking;
mod texting;
mod tls;
mod torture;
mod transferring;
mod watching;
mod websocket;
