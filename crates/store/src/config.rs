//! What the store wants to know before it opens.

use std::path::PathBuf;

/// Where the data lies and how much of it is kept.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the database, the hot state and the secret key; made if it is missing.
    pub data_dir: PathBuf,
    /// The digest realm that a *new* store fixes for its whole life; an existing store keeps its own.
    pub realm: String,
    /// Of how many calls, the newest, the SIP trace is kept.
    pub keep_traces: u32,
}

impl Config {
    /// The usual settings for a folder: realm `patchbay`, traces of 20 000 calls.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), realm: "patchbay".into(), keep_traces: 20_000 }
    }
}
