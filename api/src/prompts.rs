//! The prompts as the API sees them; the program keeps them.

use serde::Serialize;
use std::io;
use std::path::PathBuf;
use utoipa::ToSchema;

/// Where prompts are kept. Its methods may touch the disk: not to be called on threads that must not wait.
pub trait Prompts: Send + Sync + 'static {
    /// All of them, by name.
    fn list(&self) -> io::Result<Vec<PromptInfo>>;
    /// Keeps a sound file (WAV or MP3) under a name, in place of one that was there.
    fn put(&self, name: &str, data: &[u8]) -> Result<PromptInfo, PromptRefusal>;
    /// Removes one; false if there is none.
    fn remove(&self, name: &str) -> io::Result<bool>;
    /// Its file.
    fn file(&self, name: &str) -> Option<PathBuf>;
}

/// A prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PromptInfo {
    /// Its name: parts of letters, digits, `_`, `-` and dots, with `/` between.
    pub name: String,
    /// `wav`, `mp3`, `ulaw`, `alaw` …
    pub format: String,
    /// Length of the file.
    pub octets: u64,
    /// How long it plays, milliseconds; told when it is uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_ms: Option<u64>,
}

/// Why a prompt is not kept.
#[derive(Debug)]
pub enum PromptRefusal {
    /// No name for a prompt.
    Name,
    /// No sound for us; why.
    Sound(String),
    /// There are too many.
    Full,
    /// The disk.
    Disk(io::Error),
}

impl From<io::Error> for PromptRefusal {
    fn from(e: io::Error) -> Self {
        Self::Disk(e)
    }
}

/// No prompts at all, for those who serve the API without a disk.
#[derive(Clone, Copy, Debug)]
pub struct NoPrompts;

impl Prompts for NoPrompts {
    fn list(&self) -> io::Result<Vec<PromptInfo>> {
        Ok(Vec::new())
    }

    fn put(&self, _: &str, _: &[u8]) -> Result<PromptInfo, PromptRefusal> {
        Err(PromptRefusal::Full)
    }

    fn remove(&self, _: &str) -> io::Result<bool> {
        Ok(false)
    }

    fn file(&self, _: &str) -> Option<PathBuf> {
        None
    }
}
