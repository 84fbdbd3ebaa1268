//! The audit log on the wire.

use serde::Serialize;
use serde_json::Value;
use store::AuditEntry;
use utoipa::ToSchema;

/// Something that somebody did, or was not allowed to do.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditOut {
    /// Its number; they rise.
    id: i64,
    /// When.
    at: u64,
    /// The user's number.
    user: i64,
    /// The user's name at that time.
    username: String,
    /// The address it came from.
    peer: String,
    /// Method and path.
    operation: String,
    /// What kind of thing it was done to.
    object: String,
    /// Which one; empty where it has no name.
    object_id: String,
    /// The HTTP status of the answer: 403 if it was not allowed.
    status: u16,
    /// What was asked for; `null` if nothing, or nothing that is kept.
    #[schema(value_type = Option<Object>)]
    asked: Option<Value>,
    /// What changed, as it was; `null` if it was not there, or is no setting.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// What changed, as it is; `null` if it is not there, or is no setting.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
}

impl From<AuditEntry> for AuditOut {
    fn from(entry: AuditEntry) -> Self {
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        let AuditEntry { id, at, user, username, peer, operation, object, object_id, status, asked, before, after } =
            entry;
        let (asked, before, after) = (json(asked), json(before), json(after));
        Self { id, at, user, username, peer, operation, object, object_id, status, asked, before, after }
    }
}
