//! What is going on now: live calls and registrations.

use crate::caller::{Caller, Scope};
use crate::extract::{Body, Call, Query};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::{CallOut, RegistrationOut};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{CallId, Command, LiveCall};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

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
    must_see(&app, &caller, id).await?;
    app.switch.command(Command::Hangup { call: id }).await?;
    tracing::info!(call = %id, by = caller.0.id, "call hung up by command");
    Ok(StatusCode::NO_CONTENT)
}

/// A party of a call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LegIn {
    /// Its number within the call, as `legs[].no` of the call; 0 is the caller.
    leg: u16,
}

/// A transfer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TransferIn {
    /// The party on whose behalf, by its number within the call; it leaves the call when the new party answers.
    leg: u16,
    /// The number to which the other party goes.
    to: String,
}

/// A command to the phone of a leg, which takes nothing but the leg.
macro_rules! to_phone {
    ($name:ident, $path:literal, $command:ident, $(#[$doc:meta])*) => {
        $(#[$doc])*
        #[utoipa::path(post, path = $path, tag = "live", request_body = LegIn,
            params(("id" = String, Path, description = "The call's UUID")),
            responses(
                (status = 204, description = "The phone has been told"),
                (status = 400, body = ProblemBody, content_type = "application/problem+json"),
                (status = 401, body = ProblemBody, content_type = "application/problem+json"),
                (status = 404, body = ProblemBody, content_type = "application/problem+json"),
                (status = 409, body = ProblemBody, content_type = "application/problem+json"),
                (status = 503, body = ProblemBody, content_type = "application/problem+json"),
            ))]
        pub(super) async fn $name(
            caller: Caller,
            State(app): State<App>,
            Call(id): Call,
            Body(LegIn { leg }): Body<LegIn>,
        ) -> Result<StatusCode, Problem> {
            command_leg(&app, &caller, id, leg, Command::$command { call: id, leg }).await
        }
    };
}

to_phone!(answer, "/calls/{id}/answer", Answer,
    /// Answer
    ///
    /// Makes the phone of a leg answer its call. For desk phones that say `Allow-Events: talk`; 409 for others. An agent can do it
    /// for its own phone.
);

to_phone!(hold, "/calls/{id}/hold", Hold,
    /// Hold
    ///
    /// Puts the call of a leg on hold: by its phone if that says `Allow-Events: hold`, else the switch does. An agent can do it for its
    /// own phone.
);

to_phone!(retrieve, "/calls/{id}/retrieve", Answer,
    /// Retrieve
    ///
    /// Takes the call of a leg back from hold: by its phone, which must say `Allow-Events: talk`, or by the switch where that holds it. An
    /// agent can do it for its own phone.
);

/// Transfer
///
/// Sends the party that a leg speaks with to another number, with that leg's rights. The leg leaves when the new party answers; if
/// nobody does, the two speak on. An agent can do it on behalf of its own phone.
#[utoipa::path(post, path = "/calls/{id}/transfer", tag = "live", request_body = TransferIn,
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 204, description = "The new party is being called"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn transfer(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
    Body(TransferIn { leg, to }): Body<TransferIn>,
) -> Result<StatusCode, Problem> {
    command_leg(&app, &caller, id, leg, Command::Transfer { call: id, leg, to }).await
}

/// An agent commands its own phone; others command any.
async fn command_leg(
    app: &App,
    caller: &Caller,
    id: CallId,
    leg: u16,
    command: Command,
) -> Result<StatusCode, Problem> {
    let scope = caller.scope();
    if !matches!(scope, Scope::All) {
        let call = find(app, caller, id).await?;
        let own = call.legs.iter().filter(|live| live.no == leg).map(|live| live.number.as_str());
        if !scope.includes(own) {
            return Err(Kind::NoSuchCall.into());
        }
    }
    app.switch.command(command).await?;
    tracing::info!(call = %id, leg, by = caller.0.id, "a leg was commanded");
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn find(app: &App, caller: &Caller, id: CallId) -> Result<LiveCall, Problem> {
    visible(app, caller).await?.find(|call| call.id == id).ok_or_else(|| Kind::NoSuchCall.into())
}

/// An agent commands calls of its own extension; to others the call's owner says whether there is one.
pub(super) async fn must_see(app: &App, caller: &Caller, id: CallId) -> Result<(), Problem> {
    match caller.scope() {
        Scope::All => Ok(()),
        Scope::Own(_) | Scope::Nothing => find(app, caller, id).await.map(drop),
    }
}

async fn visible(app: &App, caller: &Caller) -> Result<impl Iterator<Item = LiveCall> + use<>, Problem> {
    let scope = caller.scope();
    let calls = app.switch.calls().await?;
    Ok(calls.into_iter().filter(move |call| scope.includes(call.legs.iter().map(|leg| leg.number.as_str()))))
}
