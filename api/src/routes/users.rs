//! Users: the administrator's alone.

use super::passwords;
use crate::caller::Caller;
use crate::extract::{Body, Path};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::token;
use crate::wire::{UserChange, UserIn, UserOut};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::User;
use store::NewUser;

/// List users
#[utoipa::path(get, path = "/users", tag = "users",
    responses(
        (status = 200, body = Vec<UserOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<UserOut>>, Problem> {
    caller.must_administer()?;
    Ok(Json(app.store.users().await?.into_iter().map(UserOut::from).collect()))
}

/// Add a user
#[utoipa::path(post, path = "/users", tag = "users", request_body = UserIn,
    responses(
        (status = 201, body = UserOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`user_exists`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`bad_user`, `bad_password`, `unknown_extension`", body = ProblemBody,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn add(
    caller: Caller,
    State(app): State<App>,
    Body(new): Body<UserIn>,
) -> Result<(StatusCode, Json<UserOut>), Problem> {
    caller.must_administer()?;
    passwords::check(&new.password, &new.username)?;
    let UserIn { username, password, nickname, role, extension, enabled } = new;
    let password_md5 = store::md5_hex(&password);
    let user = app.store.add_user(NewUser { username, nickname, role, extension, enabled, password_md5 }).await?;
    tracing::info!(user = user.id, by = caller.0.id, "user added");
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// Get a user
#[utoipa::path(get, path = "/users/{id}", tag = "users", params(("id" = i64, Path, description = "The user's id")),
    responses(
        (status = 200, body = UserOut),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn get(caller: Caller, State(app): State<App>, Path(id): Path<i64>) -> Result<Json<UserOut>, Problem> {
    caller.must_administer()?;
    let account = app.store.user(id).await?.ok_or(Kind::NoSuchUser)?;
    Ok(Json(account.user.into()))
}

/// Change a user
///
/// A new password, or disabling the user, ends the validity of its tokens.
#[utoipa::path(put, path = "/users/{id}", tag = "users", params(("id" = i64, Path, description = "The user's id")),
    request_body = UserChange,
    responses(
        (status = 200, body = UserOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`user_exists`, `last_admin`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn change(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<i64>,
    Body(change): Body<UserChange>,
) -> Result<Json<UserOut>, Problem> {
    caller.must_administer()?;
    let UserChange { username, password, nickname, role, extension, enabled } = change;
    if let Some(password) = &password {
        passwords::check(password, &username)?;
    }
    let user = User { id, username, nickname, role, extension, enabled };
    let before = app.store.user(id).await?.ok_or(Kind::NoSuchUser)?.user;
    let md5 = password.map(|clear| store::md5_hex(&clear));
    if !app.store.change_user(&user, md5.as_deref()).await? {
        return Err(Kind::NoSuchUser.into());
    }
    let same = before.username == user.username && before.extension == user.extension;
    if !same || !user.enabled || md5.is_some() {
        token::withdraw(&app, &before).await?;
    }
    tracing::info!(user = id, by = caller.0.id, "user changed");
    Ok(Json(user.into()))
}

/// Remove a user
#[utoipa::path(delete, path = "/users/{id}", tag = "users", params(("id" = i64, Path, description = "The user's id")),
    responses(
        (status = 204, description = "Removed"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`last_admin`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn remove(caller: Caller, State(app): State<App>, Path(id): Path<i64>) -> Result<StatusCode, Problem> {
    caller.must_administer()?;
    let before = app.store.user(id).await?.ok_or(Kind::NoSuchUser)?.user;
    if !app.store.remove_user(id).await? {
        return Err(Kind::NoSuchUser.into());
    }
    token::withdraw(&app, &before).await?;
    tracing::info!(user = id, by = caller.0.id, "user removed");
    Ok(StatusCode::NO_CONTENT)
}
