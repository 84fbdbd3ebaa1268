//! Logging in.

use crate::caller::Caller;
use crate::extract::{Body, Peer};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::token;
use crate::wire::{LoginIn, PhoneOut, SessionOut, UserOut};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
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
    let token = token::give(&app, &user).await?;
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

/// What does a softphone need?
///
/// The token is the SIP password of the extension too, as long as it counts: for digest, or as `?token=…` when the WebSocket is opened, which
/// then asks for no password at all. A token of a program that did not log in counts only in the second way.
#[utoipa::path(get, path = "/session/phone", tag = "session",
    responses(
        (status = 200, body = PhoneOut),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`no_such_extension`: the user has none", body = ProblemBody,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn phone(Caller(user): Caller, State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let number = user.extension.ok_or(Kind::NoSuchExtension)?;
    let extension = app.store.extension(&number).await?.ok_or(Kind::NoSuchExtension)?;
    let phone = PhoneOut {
        ice_servers: app.ice.for_user(&number, token::unix_seconds()),
        extension: number,
        name: extension.name,
        realm: app.store.realm().to_owned(),
        websocket: "/sip",
        media: extension.media,
    };
    // There are credentials in it.
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(phone)))
}
