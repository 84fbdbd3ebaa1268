//! What an operator sets: extensions, users.

use crate::{Net, Rights};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// Digest secrets of an extension: H(user:realm:password) per algorithm (RFC 7616 §3.4.2). As good as the password within its realm.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1 {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-256.
    pub sha256: [u8; 32],
    /// SHA-512/256.
    pub sha512_256: [u8; 32],
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(secret)")
    }
}

/// A number with SIP credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// The number, which is also the SIP user: 1 to 32 of `0-9 a-z A-Z . _ + * # -`.
    pub number: String,
    /// Shown to whom it calls; may be empty.
    pub name: String,
    /// Digest secrets.
    pub ha1: Ha1,
    /// A disabled extension can neither register nor call nor be called.
    pub enabled: bool,
    /// Record its calls.
    pub record: bool,
    /// How long it rings before the caller is told that nobody answers, seconds.
    pub ring_seconds: u16,
    /// How many calls it may have at once; one more finds it busy.
    pub max_calls: u16,
    /// How far it may call; `None`: as the configuration says for all.
    pub rights: Option<Rights>,
    /// Its number beyond the trunks, which called parties see; empty: the trunk's.
    pub outside_number: String,
    /// It may register and call only from these networks; empty: from everywhere.
    pub allow: Vec<Net>,
}

impl Extension {
    /// Whether it may register and call from this address.
    pub fn allows(&self, source: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|net| net.contains(source))
    }
}

/// What a person may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Sees all calls and recordings, changes no settings.
    Supervisor,
    /// Sees what belongs to its own extension.
    Agent,
    /// A program: calls and records, no users.
    Integrator,
}

/// A person or program that logs in to an API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Number for those who want one (contract A: `ID`).
    pub id: i64,
    /// Account name.
    pub username: String,
    /// Display name.
    pub nickname: String,
    /// What it may do.
    pub role: Role,
    /// Its extension, if it has one.
    pub extension: Option<String>,
    /// A disabled user cannot log in, and its tokens no longer count.
    pub enabled: bool,
}
