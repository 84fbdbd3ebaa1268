//! How much of a message we are willing to read.

/// Bounds on one message; what breaks one is refused with the status of [`ParseErrorKind`](super::ParseErrorKind).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole message, start line to end of body. Beyond: 513 (a stream is closed too).
    pub max_message: usize,
    /// Header lines, folded lines counted once. Beyond: 513.
    pub max_headers: usize,
    /// Bytes of one header line with its folds, or of the start line. Beyond: 513.
    pub max_header_len: usize,
    /// Via lines. Beyond: 483, for only a loop grows this many.
    pub max_via: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_message: 65535, max_headers: 256, max_header_len: 8192, max_via: 70 }
    }
}
