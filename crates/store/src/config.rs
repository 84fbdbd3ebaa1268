//! What the store wants to know before it opens.

use std::path::PathBuf;
use std::time::Duration;

/// Where the data lies and how much of it is kept.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the database, the ladders, the hot state and the secret key; made if it is missing.
    pub data_dir: PathBuf,
    /// The digest realm that a *new* store fixes for its whole life; an existing store keeps its own.
    pub realm: String,
    /// Of how many calls, the newest, the SIP ladder is kept (files go as a whole, so of up to an eighth more); they take
    /// up to 16 kB each on average, longer ones at the cost of older ones.
    pub keep_ladders: u32,
    /// How long a statement waits for a database that another process has locked, before it fails.
    pub busy_timeout: Duration,
}

impl Config {
    /// The usual settings for a folder: realm `patchbay`, ladders of 20 000 calls, five seconds for a lock.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            realm: "patchbay".into(),
            keep_ladders: 20_000,
            busy_timeout: Duration::from_secs(5),
        }
    }
}
