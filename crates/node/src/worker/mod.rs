//! Worker threads: each drives one cell, owns its sockets, and sleeps when nothing happens.

mod figures;
mod inbox;
mod keeper;
mod outputs;
mod round;
mod seams;

pub use figures::{Figures, ShellFigures};
pub use inbox::{ASKS, Ask, ENVELOPES, Inbox, Order};
pub use keeper::{Kept, StoreKeeper};
pub use round::{Events, Parts, Shell};
pub use seams::{Core, KeepError, Keeper};

use std::io;
use std::thread::JoinHandle;

/// Starts the thread of a worker. It ends when ordered to ([`Order::Stop`]) or when its poll set breaks.
pub fn spawn<C: Core + Send + 'static, K: Keeper + Send + 'static>(shell: Shell<C, K>) -> io::Result<JoinHandle<()>> {
    let name = format!("worker-{}", shell.number());
    std::thread::Builder::new().name(name).spawn(move || {
        let mut shell = shell;
        let mut events = Events::default();
        loop {
            match shell.round(&mut events) {
                Ok(true) => {}
                Ok(false) => break,
                Err(e) => {
                    tracing::error!(worker = shell.number(), "waiting for sockets failed, the worker ends: {e}");
                    break;
                }
            }
        }
    })
}

#[cfg(test)]
mod tests;
