//! Frames that the server says (section 4.2).

use super::names::{Language, Refused, done};
use super::time::stamp;
use serde_json::{Value, json};
use stdx::UnixMillis;

/// What became of a command.
pub(crate) fn reply(id: &str, cmd: &str, result: &Result<Value, Refused>, language: Language) -> Value {
    match result {
        Ok(data) => {
            json!({ "type": "reply", "id": id, "cmd": cmd, "code": 0, "msg": done(language), "data": data })
        }
        Err(refused) => json!({
            "type": "reply", "id": id, "cmd": cmd, "code": 7, "msg": refused.msg(language),
            "reason": refused.reason(), "data": {},
        }),
    }
}

/// Something that happened.
pub(crate) fn event(name: &str, sequence: u64, (at, offset): (UnixMillis, i32), data: &Value) -> Value {
    json!({ "type": "event", "event": name, "seq": sequence, "time": stamp(at, offset), "data": data })
}

/// Something that is no answer to a command.
pub(crate) fn error(refused: Refused, language: Language) -> Value {
    json!({ "type": "error", "code": 7, "msg": refused.msg(language), "reason": refused.reason() })
}

/// The server is there.
pub(crate) fn pong(at: UnixMillis, offset: i32) -> Value {
    json!({ "type": "pong", "time": stamp(at, offset) })
}
