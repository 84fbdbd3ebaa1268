//! `[trace]` and `[hep]`: SIP messages that are kept, and shown elsewhere.

use super::words;
use serde::Deserialize;
use std::net::SocketAddr;

/// `[trace]`: SIP messages that are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trace {
    /// Memory for the latest messages, per worker.
    pub kept_mb: u16,
}

impl Default for Trace {
    fn default() -> Self {
        Self { kept_mb: 4 }
    }
}

/// `[hep]`: the capture server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hep {
    /// Its address; without one nothing is exported.
    #[serde(deserialize_with = "words::optional_address")]
    pub server: Option<SocketAddr>,
    /// Our number there.
    pub id: u32,
    /// Its password.
    pub password: Option<String>,
}

impl Default for Hep {
    fn default() -> Self {
        Self { server: None, id: 1, password: None }
    }
}

impl Hep {
    /// Where to export, if anywhere.
    pub fn settings(&self) -> Option<crate::hep::Settings> {
        let server = self.server?;
        Some(crate::hep::Settings { server, id: self.id, password: self.password.clone() })
    }
}
