//! Everything that writes leaves a trace of who did what: one layer around all operations, so that none can be forgotten.
//!
//! What a thing was like before is asked by its own GET, with the same rights; what it is like then says the answer. Passwords and
//! other secrets never stand in either. Whoever changed a setting has everybody told, too (`settings_changed`).

use crate::PATIENCE;
use crate::caller::{self, Caller};
use crate::events::EventBus;
use crate::routes::BASE;
use crate::state::App;
use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use model::{Event, EventBody, SettingChange};
use serde_json::{Map, Value};
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};
use store::AuditEntry;
use tokio::time::timeout;

/// The longest body that is looked into; of longer ones (imports, sound files) it is only noted that they came.
const MAX_BODY: usize = 64 << 10;

/// What is not written down: as good as a password, or what people write to each other.
const SECRET: [&str; 7] = ["pin", "password", "password_md5", "secret", "token", "credential", "text"];

/// What an operator sets, by the first part of its path, and what one of it is called.
const SETTINGS: [(&str, &str); 10] = [
    ("extensions", "extension"),
    ("users", "user"),
    ("webhooks", "webhook"),
    ("prompts", "prompt"),
    ("queues", "queue"),
    ("agents", "agent"),
    ("ring-groups", "ring_group"),
    ("voicemail", "mailbox"),
    ("trunks", "trunk"),
    ("routes", "route"),
];

/// What is only done to, never set.
const OTHERS: [(&str, &str); 5] =
    [("calls", "call"), ("conferences", "conference"), ("messages", "message"), ("bans", "ban"), ("records", "record")];

/// What an operation is about.
struct Matter {
    object: String,
    /// Empty: it is about all of them, or makes a new one.
    id: String,
    /// It is a setting, and the path names no more than it.
    is_setting: bool,
}

impl Matter {
    fn of(path: &str) -> Self {
        let mut parts = path.trim_matches('/').split('/');
        let first = parts.next().unwrap_or_default();
        let id = parts.next().unwrap_or_default().to_owned();
        let known = |all: &[(&str, &'static str)]| all.iter().find(|(many, _)| *many == first).map(|(_, one)| *one);
        let setting = known(&SETTINGS);
        let object = setting.or_else(|| known(&OTHERS)).unwrap_or(first).to_owned();
        Self { object, id, is_setting: setting.is_some() && parts.next().is_none() }
    }
}

/// Notes what is done.
pub(crate) async fn note(State(app): State<App>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let token = caller::token_of(request.headers()).map(str::to_owned);
    let path = request.uri().path().strip_prefix(BASE).map(str::to_owned);
    let (false, Some(token), Some(path)) = (reads, token, path) else { return next.run(request).await };
    let Ok(Caller(user)) = Caller::of_token(&app, &token).await else { return next.run(request).await };

    let matter = Matter::of(&path);
    let method = request.method().clone();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string());
    let question = if matter.is_setting && !matter.id.is_empty() { question(&request) } else { None };
    let before = match question {
        Some(question) => look(question, next.clone()).await,
        None => None,
    };
    let (request, asked) = match looked_into(request).await {
        Ok(both) => both,
        Err(status) => return answer(status),
    };
    let (response, after) = opened(next.run(request).await).await;

    let status = response.status();
    if !status.is_success() && status != StatusCode::FORBIDDEN {
        return response;
    }
    let id = if matter.id.is_empty() { after.as_ref().and_then(name_of).unwrap_or_default() } else { matter.id };
    if status.is_success() && matter.is_setting {
        tell(&app.events, &matter.object, &id, &method);
    }
    let (before, after) = difference(before, after);
    let text = |value: Option<Value>| value.map(|value| value.to_string());
    let entry = AuditEntry {
        id: 0,
        at: unix_ms(),
        user: user.id,
        username: user.username,
        peer: peer.unwrap_or_default(),
        operation: format!("{method} {path}"),
        object: matter.object,
        object_id: id,
        status: status.as_u16(),
        asked: text(asked.map(without_secrets)),
        before: text(before),
        after: text(after),
    };
    if let Err(error) = app.store.write_audit(&entry).await {
        // It is done already: the operator has to know that its trace is missing.
        tracing::error!(%error, by = entry.user, operation = entry.operation, "the audit log misses an operation");
    }
    response
}

/// The GET of the thing that a request is about.
fn question(request: &Request) -> Option<Request> {
    let mut get = Request::builder().method(Method::GET).uri(request.uri().path()).body(Body::empty()).ok()?;
    *get.extensions_mut() = request.extensions().clone();
    *get.headers_mut() = request.headers().clone();
    for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::TRANSFER_ENCODING, header::RANGE] {
        get.headers_mut().remove(name);
    }
    Some(get)
}

/// What the thing is like now.
async fn look(question: Request, next: Next) -> Option<Value> {
    let response = next.run(question).await;
    if response.status() != StatusCode::OK || !is_json(response.headers()) {
        return None;
    }
    let body = to_bytes(response.into_body(), MAX_BODY).await.ok()?;
    serde_json::from_slice(&body).ok()
}

/// The request, and its body if it is JSON of reasonable length.
async fn looked_into(request: Request) -> Result<(Request, Option<Value>), StatusCode> {
    if !is_json(request.headers()) || !is_short(request.body()) {
        return Ok((request, None));
    }
    let (parts, body) = request.into_parts();
    let body = timeout(PATIENCE, to_bytes(body, MAX_BODY)).await.map_err(|_| StatusCode::REQUEST_TIMEOUT)?;
    let body = body.map_err(|_| StatusCode::BAD_REQUEST)?;
    let asked = serde_json::from_slice(&body).ok();
    Ok((Request::from_parts(parts, Body::from(body)), asked))
}

/// The response, and its body if it is JSON of reasonable length.
async fn opened(response: Response) -> (Response, Option<Value>) {
    if !response.status().is_success() || !is_json(response.headers()) || !is_short(response.body()) {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    // It is there already, in one piece.
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_else(|_| Bytes::new());
    let value = serde_json::from_slice(&body).ok();
    (Response::from_parts(parts, Body::from(body)), value)
}

fn answer(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// Of a length that is known beforehand, and reasonable.
fn is_short(body: &Body) -> bool {
    body.size_hint().exact().is_some_and(|length| length <= MAX_BODY as u64)
}

/// The name of what was made.
fn name_of(made: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    ["number", "id", "name"].into_iter().find_map(|key| made.get(key).map(text))
}

fn tell(bus: &EventBus, object: &str, id: &str, method: &Method) {
    let change = match *method {
        Method::DELETE => SettingChange::Removed,
        Method::POST if id != "import" => SettingChange::Added,
        _ => SettingChange::Changed,
    };
    let body = EventBody::SettingsChanged { object: object.to_owned(), id: id.to_owned(), change };
    bus.put(Event { at: unix_ms(), body });
}

/// Of two states of a thing what differs; of one alone all of it. Never a secret.
fn difference(before: Option<Value>, after: Option<Value>) -> (Option<Value>, Option<Value>) {
    match (before, after) {
        (Some(Value::Object(mut before)), Some(Value::Object(mut after))) => {
            before.retain(|key, old| match after.get(key) {
                Some(new) if new == old => {
                    after.remove(key);
                    false
                }
                _ => true,
            });
            (Some(without_secrets(Value::Object(before))), Some(without_secrets(Value::Object(after))))
        }
        (before, after) => (before.map(without_secrets), after.map(without_secrets)),
    }
}

fn without_secrets(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let hidden = |(key, value): (String, Value)| {
                let is_secret = SECRET.contains(&key.as_str()) && !value.is_null();
                let value = if is_secret { Value::from("…") } else { without_secrets(value) };
                (key, value)
            };
            Value::Object(fields.into_iter().map(hidden).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_secrets).collect()),
        other => other,
    }
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_kept_and_no_secret_at_any_depth() {
        let before = json!({ "name": "a", "enabled": true, "secret": "x" });
        let after = json!({ "name": "b", "enabled": true, "secret": "y", "more": { "password": "z", "n": 1 } });
        let (before, after) = difference(Some(before), Some(after));
        assert_eq!(before, Some(json!({ "name": "a", "secret": "…" })));
        assert_eq!(after, Some(json!({ "name": "b", "secret": "…", "more": { "password": "…", "n": 1 } })));
    }

    #[test]
    fn a_path_says_what_it_is_about() {
        let of = |path: &str| {
            let Matter { object, id, is_setting } = Matter::of(path);
            (object, id, is_setting)
        };
        assert_eq!(of("/extensions/100"), ("extension".into(), "100".into(), true));
        assert_eq!(of("/users"), ("user".into(), String::new(), true));
        assert_eq!(of("/calls/x/transfer"), ("call".into(), "x".into(), false));
        assert_eq!(of("/extensions/100/voice-messages"), ("extension".into(), "100".into(), false));
        assert_eq!(of("/something"), ("something".into(), String::new(), false));
    }
}
