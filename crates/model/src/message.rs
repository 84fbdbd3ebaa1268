//! Text messages: between extensions, and with the networks beyond trunks and gateways.

use serde::{Deserialize, Serialize};
use stdx::UnixMillis;

/// One message, on its way or at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextMessage {
    /// Its name among all messages.
    pub id: String,
    /// Who sent it: a number, or the name of a program.
    pub from: String,
    /// To which number.
    pub to: String,
    /// The account that it came by or goes by, where that is neither sender nor receiver: a trunk, or the extension of a gateway.
    pub via: Option<String>,
    /// Content type of the body, as the sender gave it.
    pub content_type: String,
    /// What it says.
    pub body: Vec<u8>,
    /// When it reached us.
    pub at: UnixMillis,
    /// After this it is no longer delivered.
    pub expires_at: UnixMillis,
    /// How it stands.
    pub state: MessageState,
    /// The last SIP status that an attempt to deliver it got; 0 before the first.
    pub status: u16,
}

impl TextMessage {
    /// The body as text; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// How a message stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// It waits for its receiver.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// The receiver will not have it.
    Failed,
    /// It waited too long.
    Expired,
}

/// A message that an API wants sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
    /// Who sends it: an extension's number, or the name of a program.
    pub from: String,
    /// To which number.
    pub to: String,
    /// By which gateway's extension; `None`: as a call to that number would go.
    pub via: Option<String>,
    /// Content type of the body.
    pub content_type: String,
    /// What it says.
    pub body: Vec<u8>,
    /// For how long it may wait; `None`: the usual time.
    pub expires_seconds: Option<u32>,
}
