//! What was spent today.

use crate::caller::{Caller, Scope};
use crate::problem::{Problem, ProblemBody};
use crate::state::App;
use crate::wire::SpendingOut;
use axum::Json;
use axum::extract::State;

/// List spending
///
/// What was spent today on calls by trunks, running calls included: by all together, and by each extension. Only what has a
/// daily cap in the configuration is counted. An agent sees only its own.
#[utoipa::path(get, path = "/spending", tag = "live",
    responses(
        (status = 200, body = Vec<SpendingOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<SpendingOut>>, Problem> {
    let scope = caller.scope();
    let visible = |extension: Option<&str>| match (&scope, extension) {
        (Scope::All, _) => true,
        (_, Some(extension)) => scope.includes([extension].into_iter()),
        (_, None) => false,
    };
    let all = app.switch.spending().await?.into_iter().filter(|spending| visible(spending.extension.as_deref()));
    Ok(Json(all.map(SpendingOut::from).collect()))
}
