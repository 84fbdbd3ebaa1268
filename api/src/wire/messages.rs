//! Texts, and voice messages that wait.

use model::{MessageState, TextMessage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A text to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageIn {
    /// The sender's number or name; usually `system`, for an agent its own extension.
    pub(crate) from: Option<String>,
    /// An extension, or a number that a route leads to.
    #[schema(example = "1001", max_length = 32)]
    pub(crate) to: String,
    /// The extension with which a gateway is registered: the text goes out by it, whatever routes say.
    pub(crate) via: Option<String>,
    /// At most 8192 bytes.
    pub(crate) text: String,
    /// For how long it may wait; usually, and at most, 7 days.
    pub(crate) expires_seconds: Option<u32>,
}

/// A text that was taken in.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageSent {
    /// Its name in the list of messages and in events.
    pub(crate) id: String,
}

/// A text.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageOut {
    /// Its name.
    id: String,
    /// Who sent it.
    from: String,
    /// To which number.
    to: String,
    /// The trunk or gateway that it came by or went by.
    via: Option<String>,
    /// The content type.
    content_type: String,
    /// What it says.
    text: String,
    /// When it reached the switch.
    at: u64,
    /// After this it is no longer delivered.
    expires_at: u64,
    #[schema(schema_with = super::names::message_states)]
    state: MessageState,
    /// The last SIP status that an attempt to deliver it got; 0 before the first.
    status: u16,
}

impl From<TextMessage> for MessageOut {
    fn from(message: TextMessage) -> Self {
        let text = message.text();
        let TextMessage { id, from, to, via, content_type, body: _, at, expires_at, state, status } = message;
        Self { id, from, to, via, content_type, text, at, expires_at, state, status }
    }
}

/// Voice messages that wait for an extension.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VoiceMessagesIn {
    /// Not heard yet: the lamp burns.
    pub(crate) new: u32,
    /// Heard and kept.
    #[serde(default)]
    pub(crate) old: u32,
}
