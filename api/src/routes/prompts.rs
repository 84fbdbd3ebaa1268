//! Prompts: sound files that can be played into calls.

use crate::caller::Caller;
use crate::extract::Path;
use crate::problem::{Kind, Problem, ProblemBody};
use crate::prompts::{PromptInfo, PromptRefusal, Prompts};
use crate::state::App;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::io;

/// The longest file, octets.
pub(super) const MAX_FILE: usize = 16 << 20;

/// List prompts
///
/// All that can be played into calls, by name.
#[utoipa::path(get, path = "/prompts", tag = "prompts",
    responses(
        (status = 200, body = Vec<PromptInfo>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(_: Caller, State(app): State<App>) -> Result<Json<Vec<PromptInfo>>, Problem> {
    Ok(Json(on_disk(&app, |prompts| prompts.list()).await?))
}

/// Upload a prompt
///
/// A WAV file (PCM, A-law or µ-law, 8 to 48 kHz) or an MP3 file of at most 16 MB and 15 minutes as the body, in place of one of
/// that name. Whoever hears the old one hears it to its end.
#[utoipa::path(put, path = "/prompts/{name}", tag = "prompts",
    params(("name" = String, Path, description = "Letters, digits, `_`, `-`, dots, and `/` (written `%2F`) between parts")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = PromptInfo),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`bad_prompt`: no sound that is understood", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn put(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
    data: Bytes,
) -> Result<Json<PromptInfo>, Problem> {
    caller.must_administer()?;
    let by = caller.0.id;
    let kept = on_disk(&app, {
        let name = name.clone();
        move |prompts| match prompts.put(&name, &data) {
            Err(PromptRefusal::Disk(e)) => Err(e),
            other => Ok(other),
        }
    });
    match kept.await? {
        Ok(info) => {
            tracing::info!(by, name, "a prompt was uploaded");
            Ok(Json(info))
        }
        Err(PromptRefusal::Name) => Err(Problem::because(Kind::BadParameter, "not a name for a prompt")),
        Err(PromptRefusal::Sound(why)) => Err(Problem::because(Kind::BadPrompt, why)),
        Err(PromptRefusal::Full) => Err(Problem::because(Kind::BadPrompt, "there are too many prompts")),
        Err(PromptRefusal::Disk(e)) => Err(Problem::ours(&e)),
    }
}

/// Download a prompt
#[utoipa::path(get, path = "/prompts/{name}", tag = "prompts",
    params(("name" = String, Path, description = "Its name, `/` written `%2F`")),
    responses(
        (status = 200, description = "The file as it was uploaded", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn get(_: Caller, State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    let data = on_disk(&app, move |prompts| prompts.file(&name).map(std::fs::read).transpose()).await?;
    let data = data.ok_or(Kind::NoSuchPrompt)?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], data).into_response())
}

/// Delete a prompt
#[utoipa::path(delete, path = "/prompts/{name}", tag = "prompts",
    params(("name" = String, Path, description = "Its name, `/` written `%2F`")),
    responses(
        (status = 204, description = "It is gone; whoever hears it hears it to its end"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn remove(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.must_administer()?;
    let by = caller.0.id;
    let removed = on_disk(&app, {
        let name = name.clone();
        move |prompts| prompts.remove(&name)
    });
    if !removed.await? {
        return Err(Kind::NoSuchPrompt.into());
    }
    tracing::info!(by, name, "a prompt was deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// Does what touches the disk beside the threads that must not wait.
async fn on_disk<T: Send + 'static>(
    app: &App,
    what: impl FnOnce(&dyn Prompts) -> io::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let prompts = std::sync::Arc::clone(&app.prompts);
    let done = tokio::task::spawn_blocking(move || what(&*prompts)).await;
    done.map_err(|e| Problem::ours(&e))?.map_err(|e| Problem::ours(&e))
}
