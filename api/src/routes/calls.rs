//! What is going on now: live calls and registrations.

use crate::caller::{Caller, Scope};
use crate::extract::{Call, Query};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::{CallOut, RegistrationOut};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{CallId, Command, LiveCall};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which registrations.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only those of this extension.
    extension: Option<String>,
}

/// List registrations
///
/// The contacts that are registered now. An agent sees those of its own extension.
#[utoipa::path(get, path = "/registrations", tag = "live", params(Which),
    responses(
        (status = 200, body = Vec<RegistrationOut>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn registrations(
    caller: Caller,
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Json<Vec<RegistrationOut>>, Problem> {
    let wanted = match (caller.scope(), which.extension) {
        (Scope::All, wanted) => wanted,
        (Scope::Own(own), wanted) if wanted.as_ref().is_none_or(|wanted| *wanted == own) => Some(own),
        (Scope::Own(_) | Scope::Nothing, _) => return Ok(Json(Vec::new())),
    };
    Ok(Json(app.switch.registrations(wanted).await?.into_iter().map(RegistrationOut::from).collect()))
}

/// List calls
///
/// The calls that exist now, oldest first. An agent sees those of its own extension.
#[utoipa::path(get, path = "/calls", tag = "live",
    responses(
        (status = 200, body = Vec<CallOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<CallOut>>, Problem> {
    Ok(Json(visible(&app, &caller).await?.map(CallOut::from).collect()))
}

/// Get a call
#[utoipa::path(get, path = "/calls/{id}", tag = "live", params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 200, body = CallOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn get(caller: Caller, State(app): State<App>, Call(id): Call) -> Result<Json<CallOut>, Problem> {
    Ok(Json(find(&app, &caller, id).await?.into()))
}

/// Hang up
///
/// Ends a call, whatever state it is in. An agent can end those of its own extension.
#[utoipa::path(delete, path = "/calls/{id}", tag = "live",
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 204, description = "It is being ended"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn hang_up(caller: Caller, State(app): State<App>, Call(id): Call) -> Result<StatusCode, Problem> {
    if !matches!(caller.scope(), Scope::All) {
        find(&app, &caller, id).await?;
    }
    app.switch.command(Command::Hangup { call: id }).await?;
    tracing::info!(call = %id, by = caller.0.id, "call hung up by command");
    Ok(StatusCode::NO_CONTENT)
}

async fn find(app: &App, caller: &Caller, id: CallId) -> Result<LiveCall, Problem> {
    visible(app, caller).await?.find(|call| call.id == id).ok_or_else(|| Kind::NoSuchCall.into())
}

async fn visible(app: &App, caller: &Caller) -> Result<impl Iterator<Item = LiveCall> + use<>, Problem> {
    let scope = caller.scope();
    let calls = app.switch.calls().await?;
    Ok(calls.into_iter().filter(move |call| scope.includes(call.legs.iter().map(|leg| leg.number.as_str()))))
}
