//! The servers by which pages find a way to us where UDP does not pass: STUN and TURN, as `RTCPeerConnection` wants them.

use serde::Serialize;
use utoipa::ToSchema;

/// Who they are. The program knows, and makes credentials that lapse.
pub trait IceServers: Send + Sync + 'static {
    /// Those for the page of an extension; `now` in Unix seconds.
    fn for_user(&self, user: &str, now: u64) -> Vec<IceServer>;
}

/// None.
#[derive(Clone, Copy, Debug)]
pub struct NoIceServers;

impl IceServers for NoIceServers {
    fn for_user(&self, _user: &str, _now: u64) -> Vec<IceServer> {
        Vec::new()
    }
}

/// One, in the spelling of `RTCIceServer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct IceServer {
    /// `stun:…`, `turn:…`, `turns:…`
    pub urls: Vec<String>,
    /// For `turn:` and `turns:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}
