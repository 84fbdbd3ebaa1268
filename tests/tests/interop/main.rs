//! The real program against real clients over loopback: SIPp for what the wire must look like, baresip for what people hear.
//!
//! `make interop` builds the program, installs the clients and runs these one at a time. Each case has a server of its own on free
//! ports with a data folder of its own. Every wait has a limit, and an ERROR in the server's log fails the case.

mod api;
mod kamailio;
mod patience;
mod phone;
mod ports;
mod server;
mod sipp;
mod sound;

mod acme;
mod carrier;
mod dying;
mod failing;
mod floods;
mod linphone;
mod malformed;
mod registering;
mod repeating;
mod streams;
mod talking;
mod torture;
mod websocket;
