//! The shell of Patchbay: everything that touches the network, the disk, the clock and the operator.
//!
//! It moves bytes and time between the world and the cells, and decides nothing that a test would want to check.

pub mod cli;
pub mod config;
pub mod demo;
pub mod dns;
pub mod edge;
pub mod errands;
pub mod fetch;
pub mod first_run;
pub mod g729;
pub mod hep;
pub mod http;
pub mod ice;
pub mod library;
pub mod logging;
pub mod metrics;
pub mod music;
pub mod net;
mod program;
pub mod prompts;
pub mod push;
pub mod recorder;
mod routing_programs;
pub mod run_file;
pub mod sdk;
pub mod server;
pub mod speech;
pub mod switch;
pub mod tls;
pub mod web;
pub mod webhooks;
pub mod worker;
