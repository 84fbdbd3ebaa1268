//! Prompts played into calls.

use super::calls::find;
use crate::caller::{Caller, Scope};
use crate::extract::{Body, Call};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use axum::extract::State;
use axum::http::StatusCode;
use model::{CallId, Command, Item, MAX_ITEMS, Playback, RecordingChoice, RecordingWish, is_prompt_name};
use serde::Deserialize;
use utoipa::ToSchema;

/// What is to be played.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlayIn {
    /// To whom: a party's number within the call; left out: to both that speak with each other.
    leg: Option<u16>,
    /// Names of prompts, played one after the other.
    #[schema(max_items = 64)]
    prompts: Vec<String>,
    /// How often; 0: until it is stopped.
    #[serde(default = "once")]
    times: u32,
    /// How much louder, in decibels from -40 to 20.
    #[serde(default)]
    volume_db: f32,
    /// A key that the party presses ends it.
    #[serde(default)]
    barge_in: bool,
}

fn once() -> u32 {
    1
}

/// What is to be stopped.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StopIn {
    /// For whom; left out: for all.
    leg: Option<u16>,
}

/// Play prompts
///
/// To one party of a call or to both, instead of what they hear; what was played to them before ends. Answered when playing
/// begins. An agent can do it in calls of its own extension.
#[utoipa::path(post, path = "/calls/{id}/play", tag = "live", request_body = PlayIn,
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 204, description = "It is being played"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`no_such_call`, `no_such_prompt`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn play(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
    Body(PlayIn { leg, prompts, times, volume_db, barge_in }): Body<PlayIn>,
) -> Result<StatusCode, Problem> {
    let bad = |cause: &str| Err(Problem::because(Kind::BadBody, cause));
    if prompts.is_empty() || prompts.len() > MAX_ITEMS {
        return bad("prompts must name 1 to 64");
    }
    if !(-40.0..=20.0).contains(&volume_db) {
        return bad("volume_db must be from -40 to 20");
    }
    if !prompts.iter().all(|name| is_prompt_name(name)) {
        return Err(Kind::NoSuchPrompt.into());
    }
    let items = prompts.into_iter().map(Item::Prompt).collect();
    let play = Box::new(Playback { items, times, volume_db, barge_in });
    command(&app, &caller, id, Command::Play { call: id, leg, play }).await
}

/// Stop playing
///
/// Ends what was begun by `play`; 409 if nothing is being played. An agent can do it in calls of its own extension.
#[utoipa::path(post, path = "/calls/{id}/stop", tag = "live", request_body = StopIn,
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 204, description = "It is over"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn stop(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
    Body(StopIn { leg }): Body<StopIn>,
) -> Result<StatusCode, Problem> {
    command(&app, &caller, id, Command::StopPlay { call: id, leg }).await
}

/// What is wished of a recording.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordIn {
    /// `start` (a file of its own if there has been a recording before), `pause` (silence is recorded), `resume`, `stop`.
    #[schema(value_type = String)]
    wish: RecordingWish,
    /// With `start`: only as long as this party is in the conversation; left out: until the call ends.
    leg: Option<u16>,
    /// With `start`: both voices in one channel, or one channel for each; left out: as the configuration says.
    mixed: Option<bool>,
}

/// Control the recording
///
/// Begins, interrupts, continues or ends the recording of a call in conversation; 409 if it is not in a state for that. Agents can
/// do it in the calls of their own extension.
#[utoipa::path(post, path = "/calls/{id}/recording", tag = "live", request_body = RecordIn,
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 204, description = "Done"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn record(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
    Body(RecordIn { wish, leg, mixed }): Body<RecordIn>,
) -> Result<StatusCode, Problem> {
    if wish != RecordingWish::Start && (leg.is_some() || mixed.is_some()) {
        return Err(Problem::because(Kind::BadBody, "leg and mixed go with start"));
    }
    let choice = RecordingChoice { leg, mixed };
    command(&app, &caller, id, Command::Record { call: id, wish, choice }).await
}

/// A command about a call as a whole: an agent's own calls are those of its extension.
pub(super) async fn command(app: &App, caller: &Caller, id: CallId, command: Command) -> Result<StatusCode, Problem> {
    if !matches!(caller.scope(), Scope::All) {
        find(app, caller, id).await?;
    }
    app.switch.command(command).await?;
    Ok(StatusCode::NO_CONTENT)
}
