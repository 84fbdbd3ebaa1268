//! Listens to the logs of what runs in a world: an ERROR fails the test, the last lines explain a failure.

use std::collections::VecDeque;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

/// How many lines are kept for the explanation.
const KEPT: usize = 60;

#[derive(Default)]
struct Log {
    lines: VecDeque<String>,
    errors: Vec<String>,
    warnings: u64,
}

/// The watch of one world; it ends with it. Logs of this thread go nowhere else meanwhile.
pub(crate) struct Watch {
    log: Arc<Mutex<Log>>,
    _guard: DefaultGuard,
}

impl Watch {
    pub(crate) fn start() -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        let guard = tracing::subscriber::set_default(Watcher { log: log.clone() });
        Self { log, _guard: guard }
    }

    /// The first ERROR, if there was one.
    pub(crate) fn error(&self) -> Option<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).errors.first().cloned()
    }

    /// How many warnings there were.
    pub(crate) fn warnings(&self) -> u64 {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).warnings
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.lines.iter().fold(String::new(), |text, line| text + line + "\n")
    }
}

struct Watcher {
    log: Arc<Mutex<Log>>,
}

impl Subscriber for Watcher {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= &Level::DEBUG
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        let mut line = Line(format!("{level:5} {}: ", event.metadata().target()));
        event.record(&mut line);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if level == Level::ERROR {
            log.errors.push(line.0.clone());
        }
        log.warnings += u64::from(level == Level::WARN);
        log.lines.push_back(line.0);
        if log.lines.len() > KEPT {
            log.lines.pop_front();
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?} "),
            name => write!(self.0, "{name}={value:?} "),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_noticed_and_a_warning_counted() {
        let watch = Watch::start();
        tracing::warn!(port = 7, "the outside is unkind");
        assert_eq!((watch.error(), watch.warnings()), (None, 1));
        tracing::error!("we were wrong");
        assert!(watch.error().unwrap().contains("we were wrong"));
        assert!(watch.tail().contains("port=7"));
    }
}
