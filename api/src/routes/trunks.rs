//! Trunks as they are now.

use crate::caller::Caller;
use crate::problem::{Problem, ProblemBody};
use crate::state::App;
use crate::wire::TrunkOut;
use axum::Json;
use axum::extract::State;

/// List trunks
///
/// Every trunk of the configuration with its state now. Not for agents.
#[utoipa::path(get, path = "/trunks", tag = "live",
    responses(
        (status = 200, body = Vec<TrunkOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<TrunkOut>>, Problem> {
    caller.must_see_traces()?;
    Ok(Json(app.switch.trunks().await?.into_iter().map(TrunkOut::from).collect()))
}
