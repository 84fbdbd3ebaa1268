//! Sources that nobody listens to for a while.

use crate::caller::Caller;
use crate::extract::Path;
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::BanOut;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::Command;
use std::net::IpAddr;

/// List banned sources
///
/// Addresses that nothing is listened to from: they guessed passwords, called themselves by the name of a scanner, or were
/// banned by hand.
#[utoipa::path(get, path = "/bans", tag = "security",
    responses(
        (status = 200, body = Vec<BanOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<BanOut>>, Problem> {
    caller.must_administer()?;
    Ok(Json(app.switch.bans().await?.into_iter().map(BanOut::from).collect()))
}

/// Ban a source
///
/// For five minutes the first time, twice as long each time within a day of the last. Registered phones at the same address
/// are still listened to.
#[utoipa::path(put, path = "/bans/{source}", tag = "security",
    params(("source" = String, Path, description = "An IP address")),
    responses(
        (status = 204, description = "It is banned"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn ban(
    caller: Caller,
    State(app): State<App>,
    Path(source): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.must_administer()?;
    let source = address(&source)?;
    app.switch.command(Command::Ban { source }).await?;
    tracing::info!(by = caller.0.id, "a source was banned by command");
    Ok(StatusCode::NO_CONTENT)
}

/// Lift a ban
///
/// And forget that there was one.
#[utoipa::path(delete, path = "/bans/{source}", tag = "security",
    params(("source" = String, Path, description = "An IP address")),
    responses(
        (status = 204, description = "It is listened to again"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn unban(
    caller: Caller,
    State(app): State<App>,
    Path(source): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.must_administer()?;
    let source = address(&source)?;
    app.switch.bans().await?.iter().find(|ban| ban.source == source).ok_or(Kind::NoSuchBan)?;
    app.switch.command(Command::Unban { source }).await?;
    tracing::info!(by = caller.0.id, "a ban was lifted by command");
    Ok(StatusCode::NO_CONTENT)
}

fn address(text: &str) -> Result<IpAddr, Problem> {
    let ip = text.parse::<IpAddr>().map_err(|_| Problem::because(Kind::BadParameter, "a source is an IP address"))?;
    Ok(ip.to_canonical())
}
