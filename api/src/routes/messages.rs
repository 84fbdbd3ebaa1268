//! Texts, and the lamp that says that voice messages wait.

use crate::caller::{Caller, Scope};
use crate::extract::{Body, Query};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::{MessageIn, MessageOut, MessageSent, VoiceMessagesIn};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use model::{Command, NewMessage, Reply};
use serde::Deserialize;
use utoipa::IntoParams;

/// The longest text, bytes.
const MAX_TEXT: usize = 8 << 10;

/// Which messages.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only those from or to this extension.
    extension: Option<String>,
}

/// List messages
///
/// Texts that wait for their receivers, and those of late that are over. An agent sees those of its own extension.
#[utoipa::path(get, path = "/messages", tag = "live", params(Which),
    responses(
        (status = 200, body = Vec<MessageOut>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Json<Vec<MessageOut>>, Problem> {
    let wanted = match (caller.scope(), which.extension) {
        (Scope::All, wanted) => wanted,
        (Scope::Own(own), wanted) if wanted.as_ref().is_none_or(|wanted| *wanted == own) => Some(own),
        (Scope::Own(_) | Scope::Nothing, _) => return Ok(Json(Vec::new())),
    };
    Ok(Json(app.switch.messages(wanted).await?.into_iter().map(MessageOut::from).collect()))
}

/// Send a message
///
/// To an extension it is stored until one of its phones has it; to another number it goes out as a call to that number would. An agent
/// sends from its own extension.
#[utoipa::path(post, path = "/messages", tag = "live", request_body = MessageIn,
    responses(
        (status = 202, body = MessageSent),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn send(
    caller: Caller,
    State(app): State<App>,
    Body(wish): Body<MessageIn>,
) -> Result<(StatusCode, Json<MessageSent>), Problem> {
    let from = match (caller.scope(), wish.from) {
        (Scope::All, from) => from.unwrap_or_else(|| "system".to_owned()),
        (Scope::Own(own), from) if wish.via.is_none() && from.as_ref().is_none_or(|from| *from == own) => own,
        (Scope::Own(_) | Scope::Nothing, _) => return Err(Kind::Forbidden.into()),
    };
    if wish.text.len() > MAX_TEXT {
        return Err(Kind::TooLarge.into());
    }
    for (name, number) in [("from", &from), ("to", &wish.to)] {
        if !is_number(number) {
            return Err(Problem::because(Kind::BadBody, format!("`{name}`: 1 to 32 of 0-9 a-z A-Z . _ + * # -")));
        }
    }
    let message = NewMessage {
        from,
        to: wish.to,
        via: wish.via,
        content_type: "text/plain;charset=UTF-8".to_owned(),
        body: wish.text.into_bytes(),
        expires_seconds: wish.expires_seconds,
    };
    match app.switch.do_command(Command::SendMessage(Box::new(message))).await? {
        Reply::Message { id } => Ok((StatusCode::ACCEPTED, Json(MessageSent { id }))),
        Reply::Done | Reply::Call { .. } | Reply::Conference { .. } | Reply::Audio { .. } => {
            Err(Problem::ours(&"a message was sent and has no name"))
        }
    }
}

/// Set waiting voice messages
///
/// How many voice messages wait for an extension: the message lamps of its phones show it.
#[utoipa::path(put, path = "/extensions/{number}/voice-messages", tag = "extensions", request_body = VoiceMessagesIn,
    params(("number" = String, Path, description = "The extension's number")),
    responses(
        (status = 204, description = "The lamps are told"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn set_voice_messages(
    caller: Caller,
    State(app): State<App>,
    Path(number): Path<String>,
    Body(counts): Body<VoiceMessagesIn>,
) -> Result<StatusCode, Problem> {
    if !matches!(caller.scope(), Scope::All) {
        return Err(Kind::Forbidden.into());
    }
    app.switch.command(Command::SetMessages { extension: number, new: counts.new, old: counts.old }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn is_number(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '*' | '#' | '-');
    (1..=32).contains(&text.len()) && text.chars().all(fits)
}
