//! Log lines: text for eyes, JSON for programs.

use crate::config::{Log, LogFormat};
use std::io::IsTerminal as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Reads `info` or `info,patchbay_cell=debug`.
pub fn parse_level(text: &str) -> Result<Targets, String> {
    let wrong = |word: &str| {
        format!("\"{word}\" is no level; write error, warn, info, debug or trace, or like \"info,patchbay_cell=debug\"")
    };
    let mut targets = Targets::new().with_default(LevelFilter::INFO);
    for word in text.split(',').map(str::trim) {
        targets = match word.split_once('=') {
            None => targets.with_default(word.parse::<LevelFilter>().map_err(|_| wrong(word))?),
            Some((module, level)) => {
                targets.with_target(module.trim(), level.trim().parse::<LevelFilter>().map_err(|_| wrong(word))?)
            }
        };
    }
    Ok(targets)
}

/// Begins to log to stderr. A second call changes nothing (tests start several servers in one process).
pub fn start(config: &Log) {
    let targets = parse_level(&config.level).unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let registry = tracing_subscriber::registry().with(targets);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => registry.with(layer.with_ansi(std::io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    drop(started);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn levels_hold_for_all_or_for_a_module() {
        let targets = parse_level("warn,patchbay_cell=debug").unwrap();
        assert!(targets.would_enable("patchbay_cell::worker", &Level::DEBUG));
        assert!(!targets.would_enable("patchbay_media", &Level::INFO));
        assert!(parse_level("loud").unwrap_err().contains("loud"));
        assert!(parse_level("info,x=loud").is_err());
    }
}
