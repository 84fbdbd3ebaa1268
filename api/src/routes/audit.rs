//! Who changed what.

use crate::caller::Caller;
use crate::extract::Query;
use crate::problem::{Problem, ProblemBody};
use crate::state::App;
use crate::wire::AuditOut;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::AuditFilter;
use utoipa::IntoParams;

/// Which entries; everything that is given must hold.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// By the user of this name.
    username: Option<String>,
    /// To this kind of thing: `extension`, `user`, `webhook`, `call`, …
    object: Option<String>,
    /// To the one of this name.
    id: Option<String>,
    /// At or after.
    from: Option<u64>,
    /// Before.
    to: Option<u64>,
    /// Older than the entry of this number: the last `id` of the page before.
    below: Option<i64>,
    /// How many; 100 if left out, at most 500.
    limit: Option<u32>,
}

/// List who did what
///
/// Every operation that writes and was done, and every one that was not allowed, the newest first; 100 000 are kept. Secrets and texts
/// are left out. For administrators.
#[utoipa::path(get, path = "/audit", tag = "security", params(Which),
    responses(
        (status = 200, body = Vec<AuditOut>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Json<Vec<AuditOut>>, Problem> {
    caller.must_administer()?;
    let Which { username, object, id, from, to, below, limit } = which;
    let filter = AuditFilter { username, object, object_id: id, from, to, below, limit: limit.unwrap_or(100) };
    Ok(Json(app.store.audit(&filter).await?.into_iter().map(AuditOut::from).collect()))
}
