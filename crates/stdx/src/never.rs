//! Broken invariants: ours, not the peer's.

/// Says that a condition which must never hold does hold, logs it as an error, and gives the condition back:
/// `if never!(legs > 2, "a two-party bridge grew to {legs}") { return; }`.
///
/// An ERROR in a test run is a failed test; in production it costs only the call it touched.
#[macro_export]
macro_rules! never {
    ($cond:expr, $($msg:tt)+) => {{
        let broken = $cond;
        if broken {
            $crate::report(file!(), line!(), &format!($($msg)+));
        }
        broken
    }};
}

/// Where [`never!`] ends.
pub fn report(file: &str, line: u32, message: &str) {
    tracing::error!(file, line, "never: {message}");
}
