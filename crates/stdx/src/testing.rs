//! What a core's own tests need from outside a core.

use std::time::Instant;

/// A first instant. Tests add virtual time to it and never ask the clock again.
#[allow(clippy::disallowed_methods)]
pub fn start() -> Instant {
    Instant::now()
}
