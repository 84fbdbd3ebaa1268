//! Logging in.

use crate::caller::Caller;
use crate::extract::{Body, Peer};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::token;
use crate::wire::{LoginIn, SessionOut, UserOut};
use axum::Json;
use axum::extract::State;
use store::LoginRefusal;

/// Log in
///
/// Gives a token for the other operations. Five failures of one user from one address within ten minutes close it for
/// that pair until the oldest of them is ten minutes old.
#[utoipa::path(post, path = "/session", tag = "session", request_body = LoginIn, security(()),
    responses(
        (status = 200, body = SessionOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`wrong_login`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`account_disabled`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_logins`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn log_in(
    State(app): State<App>,
    Peer(peer): Peer,
    Body(login): Body<LoginIn>,
) -> Result<Json<SessionOut>, Problem> {
    let md5 = store::md5_hex(&login.password);
    let user = app.store.authenticate(&login.username, &md5, peer).await.map_err(|refusal| match refusal {
        LoginRefusal::Wrong => Kind::WrongLogin.into(),
        LoginRefusal::Disabled => Kind::AccountDisabled.into(),
        LoginRefusal::TooMany { retry_after } => Problem::later(Kind::TooManyLogins, retry_after),
        LoginRefusal::Store(error) => error.into(),
    })?;
    let token = token::issue(app.store.jwt_key(), &app.login, &user)?;
    Ok(Json(SessionOut { token: token.text, expires_at: token.expires_at, user: user.into() }))
}

/// Who am I
///
/// The user that the token stands for.
#[utoipa::path(get, path = "/session", tag = "session",
    responses(
        (status = 200, body = UserOut),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn who_am_i(Caller(user): Caller) -> Json<UserOut> {
    Json(user.into())
}
