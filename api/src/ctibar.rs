//! Contract A, section 2: the login of the phone bar. Its texts, codes and spelling are the contract's.

use crate::extract::Peer;
use crate::state::App;
use crate::token;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use store::LoginRefusal;
use utoipa::ToSchema;

/// `code` of success and of every failure.
const OK: i32 = 0;
const FAILED: i32 = 7;

/// Account name and MD5 of the clear password.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Login {
    /// Account name.
    #[schema(example = "admin")]
    username: String,
    /// MD5 of the clear password, 32 hex digits of any case.
    #[schema(example = "c33367701511b4f6020ec61ded352059")]
    password: String,
}

/// What every answer of this contract looks like.
#[derive(Serialize, ToSchema)]
pub(crate) struct Envelope {
    /// 0: success, 7: failure.
    code: i32,
    /// `{}` where there is nothing.
    data: Data,
    /// What happened, in Chinese.
    msg: String,
}

/// The login, or nothing.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Data {
    LoggedIn(LoggedIn),
    Nothing(Nothing),
}

/// An empty object.
#[derive(Serialize, ToSchema)]
pub(crate) struct Nothing {}

/// A successful login.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggedIn {
    /// Account name.
    user: String,
    /// Display name.
    nickname: String,
    /// The account's extension, `""` if none is bound.
    ext_no: String,
    /// JWT, to be sent as `x-token`.
    token: String,
    /// When the token lapses, Unix seconds.
    expires_at: u64,
}

/// Logs in for the phone bar. The HTTP status is 200 for failures too; `code` tells.
#[utoipa::path(post, path = "/api/v1/base/auth", tag = "ctibar", request_body = Login,
    responses((status = 200, body = Envelope), (status = 413, description = "Body over 64 KiB")))]
pub(crate) async fn auth(State(app): State<App>, Peer(peer): Peer, body: Bytes) -> Json<Envelope> {
    let Ok(Login { username, password }) = serde_json::from_slice(&body) else { return failed("参数错误") };
    if username.is_empty() || password.is_empty() {
        return failed("参数错误");
    }
    match app.store.authenticate(&username, &password, peer).await {
        Ok(user) => match token::give(&app, &user).await {
            Ok(token) => Json(Envelope {
                code: OK,
                data: Data::LoggedIn(LoggedIn {
                    user: user.username,
                    nickname: user.nickname,
                    ext_no: user.extension.unwrap_or_default(),
                    token: token.text,
                    expires_at: token.expires_at,
                }),
                msg: "登录成功".into(),
            }),
            Err(_) => failed("系统错误"),
        },
        Err(LoginRefusal::Wrong) => failed("用户名不存在或者密码错误"),
        Err(LoginRefusal::Disabled) => failed("用户被禁止登录"),
        Err(LoginRefusal::TooMany { .. }) => failed("登录失败次数过多，请稍后再试"),
        Err(LoginRefusal::Store(error)) => {
            tracing::warn!(%error, "a login could not be checked");
            failed("系统错误")
        }
    }
}

fn failed(msg: &str) -> Json<Envelope> {
    Json(Envelope { code: FAILED, data: Data::Nothing(Nothing {}), msg: msg.into() })
}

/// Pages of any origin may call, also from a file: the token is in a header, never in a cookie.
pub(crate) async fn cors(request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,POST,OPTIONS"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type,x-token"));
    }
    response
}
