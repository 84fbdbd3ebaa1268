//! `patchbay run`.

use super::Trouble;
use crate::config::Config;
use crate::server::Server;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// Runs the switch until it is told to stop.
pub(super) fn run(config: Config) -> Result<(), Trouble> {
    crate::logging::start(&config.log);
    tell_panics();
    // One thread: the API and the database wait more than they work, and threads that wake each other cost more than both.
    // What computes for long (hashing passwords) or waits for files runs on threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Trouble(format!("starting: {e}")))?;
    let result = runtime.block_on(until_told(config));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}

async fn until_told(config: Config) -> Result<(), Trouble> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| Trouble(e.to_string()))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| Trouble(e.to_string()))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(|e| Trouble(e.to_string()))?;
    let server = Server::start(config).await.map_err(|e| Trouble(e.to_string()))?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => server.reload(),
        }
    }
    info!("told to stop");
    let again = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    server.stop(again).await;
    Ok(())
}

/// A panic is an error in the log, with its place, also where it is caught.
fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("?");
        let thread = std::thread::current().name().unwrap_or("?").to_owned();
        tracing::error!(place, thread, backtrace = %std::backtrace::Backtrace::capture(), "panic: {text}");
    }));
}
