//! What can go wrong below us, and what a caller did wrong.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder of the data directory.
    #[error("{what} {path}: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database could not be brought to this program's version.
    #[error("bringing the database up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database refused: locked, full, damaged.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// Hot state.
    #[error(transparent)]
    Hot(#[from] HotError),
    /// The files of ladders could not be read.
    #[error("reading ladders: {0}")]
    Ladders(io::Error),
    /// Something that was stored cannot be read back: another key, or damage.
    #[error("stored {0} cannot be read: wrong secret.key, or damaged")]
    Damaged(&'static str),
    /// The system gave no randomness.
    #[error("no randomness from the system: {0}")]
    NoRandomness(getrandom::Error),
    /// An extension number with other characters than `0-9 a-z A-Z . _ + * # -`, empty, or longer than 32.
    #[error("not a valid extension number")]
    BadNumber,
    /// A display name longer than 64 characters, or with control characters.
    #[error("not a valid display name")]
    BadName,
    /// A user name that is empty, too long or holds control characters, or a password that is no MD5 in hex.
    #[error("not a valid user name or password")]
    BadUser,
    /// A cursor that no page of ours ever gave out.
    #[error("not a valid page cursor")]
    BadCursor,
    /// The user name is taken.
    #[error("that user name exists already")]
    UserExists,
    /// The user's extension does not exist.
    #[error("that extension does not exist")]
    NoSuchExtension,
    /// The change would leave nobody who can administer the switch.
    #[error("the last enabled administrator cannot be removed, disabled or given another role")]
    LastAdmin,
    /// There are as many of these as there may be.
    #[error("there is no room for more {0}")]
    Full(&'static str),
    /// The program is ending.
    #[error("interrupted by the end of the program")]
    Interrupted,
}

/// Why hot state was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HotError {
    /// The disk failed or is full. What was given stays in memory, in order, and is written as soon as the disk takes it.
    #[error("hot state waits in memory: {0}")]
    Waiting(String),
    /// So much waits in memory already that this change was *not* taken.
    #[error("hot state: no room in memory for more changes while the disk does not take them")]
    Full,
    /// A key over 1 kB or a value over 4 MB: *not* taken.
    #[error("hot state: key or value too large")]
    TooLarge,
    /// Hot state could not be opened.
    #[error("opening hot state: {0}")]
    Open(String),
    /// Hot state could not be read.
    #[error("reading hot state: {0}")]
    Read(String),
}

/// Why a login was refused.
#[derive(Debug, thiserror::Error)]
pub enum LoginRefusal {
    /// Unknown user or wrong password; which of the two is not told.
    #[error("unknown user or wrong password")]
    Wrong,
    /// The account is disabled (told only to who knows the password).
    #[error("the account is disabled")]
    Disabled,
    /// Five failures within ten minutes for this user from this address.
    #[error("too many failures, try again in {} s", retry_after.as_secs())]
    TooMany {
        /// When the oldest of them is forgotten.
        retry_after: Duration,
    },
    /// The store itself failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
