//! Mailboxes and messages on the wire. A PIN can be set and never read.

use model::{Mailbox, Voicemail};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a mailbox is set up. What is left out is as usual.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes what travels")]
pub(crate) struct MailboxSettings {
    /// Its name; that of the path goes before.
    #[schema(required = false)]
    name: String,
    /// The extensions that it belongs to: their message lamps show it, and their phones hear it without a PIN. At most 50.
    #[schema(required = false, max_items = 50)]
    extensions: Vec<String>,
    /// With these 4 to 12 digits any extension may hear it; empty: its owners alone.
    #[schema(required = false)]
    pin: String,
    /// The prompt that callers hear; empty: a spoken sentence.
    #[schema(required = false)]
    greeting: String,
    /// `zh` (as usual) or `en`.
    #[schema(required = false)]
    language: String,
    /// The longest message, 10 to 600 seconds (120).
    #[schema(required = false, minimum = 10, maximum = 600)]
    max_seconds: u16,
    /// So many messages find room, 1 to 1000 (100); one more caller finds it busy.
    #[schema(required = false, minimum = 1, maximum = 1000)]
    max_messages: u16,
}

/// A mailbox.
#[derive(Serialize, ToSchema)]
pub(crate) struct MailboxOut {
    /// Its name.
    name: String,
    /// The extensions that it belongs to.
    extensions: Vec<String>,
    /// It has a PIN.
    has_pin: bool,
    /// The prompt that callers hear; empty: a spoken sentence.
    greeting: String,
    /// `zh` or `en`.
    language: String,
    /// The longest message, seconds.
    max_seconds: u16,
    /// So many messages find room.
    max_messages: u16,
}

impl From<Mailbox> for MailboxOut {
    fn from(mailbox: Mailbox) -> Self {
        let Mailbox { name, extensions, pin, greeting, language, max_seconds, max_messages } = mailbox;
        Self { name, extensions, has_pin: !pin.is_empty(), greeting, language, max_seconds, max_messages }
    }
}

/// A message in a mailbox.
#[derive(Serialize, ToSchema)]
pub(crate) struct VoicemailOut {
    /// Its number.
    id: i64,
    /// The UUID of the call by which it was left.
    call: String,
    /// Who left it; empty if that is not known.
    from: String,
    /// When it was begun.
    at: u64,
    /// How long it is.
    length_ms: u64,
    /// Somebody has heard it.
    heard: bool,
}

impl From<Voicemail> for VoicemailOut {
    fn from(message: Voicemail) -> Self {
        let Voicemail { id, mailbox: _, call, from, at, length_ms, path: _, heard } = message;
        Self { id, call: call.to_string(), from, at, length_ms, heard }
    }
}

/// What becomes of a message.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VoicemailChange {
    /// Somebody has heard it; false: it counts as new again.
    pub(crate) heard: bool,
}
