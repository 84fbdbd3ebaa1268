//! Ring groups. What is changed here is stored and then told to every cell; calls that ring go on as they were.

use crate::caller::Caller;
use crate::extract::{Body, Path};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::RingGroupSettings;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Command, RingGroup};

/// List ring groups
///
/// Not for agents.
#[utoipa::path(get, path = "/ring-groups", tag = "routing",
    responses(
        (status = 200, body = Vec<RingGroupSettings>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<RingGroup>>, Problem> {
    caller.must_see_all()?;
    Ok(Json(app.store.ring_groups().await?))
}

/// Get a ring group
#[utoipa::path(get, path = "/ring-groups/{name}", tag = "routing",
    params(("name" = String, Path, description = "The group's name")),
    responses(
        (status = 200, body = RingGroupSettings),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<RingGroup>, Problem> {
    caller.must_see_all()?;
    Ok(Json(app.store.ring_group(&name).await?.ok_or(Kind::NoSuchRingGroup)?))
}

/// Add or change a ring group
///
/// All of its settings: what is left out is as usual.
#[utoipa::path(put, path = "/ring-groups/{name}", tag = "routing",
    params(("name" = String, Path, description = "The group's name")), request_body = RingGroupSettings,
    responses(
        (status = 200, body = RingGroupSettings),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Stored, but not told to the switch: send it again", body = ProblemBody,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn put(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
    Body(group): Body<RingGroup>,
) -> Result<Json<RingGroup>, Problem> {
    caller.must_administer()?;
    let group = RingGroup { name, ..group };
    group.check().map_err(|cause| Problem::because(Kind::BadBody, cause))?;
    if !app.store.put_ring_group(&group).await? {
        return Err(Kind::TooManyItems.into());
    }
    tracing::info!(by = caller.0.id, group = group.name, "ring group set");
    app.switch.command(Command::PutRingGroup(Box::new(group.clone()))).await?;
    Ok(Json(group))
}

/// Remove a ring group
///
/// Calls that ring for it go on.
#[utoipa::path(delete, path = "/ring-groups/{name}", tag = "routing",
    params(("name" = String, Path, description = "The group's name")),
    responses(
        (status = 204, description = "Removed"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Not removed: send it again", body = ProblemBody,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn remove(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.must_administer()?;
    app.store.ring_group(&name).await?.ok_or(Kind::NoSuchRingGroup)?;
    // The switch first: if it refuses, the group is still there for a second try.
    app.switch.command(Command::RemoveRingGroup { name: name.clone() }).await?;
    app.store.remove_ring_group(&name).await?;
    tracing::info!(by = caller.0.id, group = name, "ring group removed");
    Ok(StatusCode::NO_CONTENT)
}
