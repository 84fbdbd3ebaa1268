//! Login and click to dial by HTTP: sections 2 and 3 of the contract. Texts, codes and spelling are the contract's.

use super::decode::number;
use super::dial;
use super::names::{Refused, done};
use crate::extract::Peer;
use crate::state::App;
use crate::token::{self, Invalid};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
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

/// The login, a call that is placed, why not, or nothing.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Data {
    LoggedIn(LoggedIn),
    Placed(Placed),
    Refused(Why),
    Reload(Reload),
    Nothing(Nothing),
}

/// A call that is being placed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Placed {
    /// The call's UUID, also in its record.
    call_id: String,
}

/// Why something was not done.
#[derive(Serialize, ToSchema)]
pub(crate) struct Why {
    /// A stable name, for programs.
    reason: String,
}

/// The page has to log in again.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reload {
    /// Always true.
    reload: bool,
}

/// Whom to call.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Click {
    /// An extension or outside number; blanks and `-` are left out.
    #[schema(example = "13606254580")]
    callee: String,
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

/// Click to dial: the phone of the token's account rings, and once it has answered, the number is called. The HTTP status is 200 for
/// failures too; `code` tells, and `data.reason` says why for programs.
#[utoipa::path(post, path = "/api/v1/thirdparty/makecall", tag = "ctibar", request_body = Click,
    params(("x-token" = String, Header, description = "The token of the login")), security(("x-token" = [])),
    responses((status = 200, body = Envelope), (status = 413, description = "Body over 64 KiB")))]
pub(crate) async fn makecall(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Json<Envelope> {
    let token = headers.get("x-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let language = app.ctibar.language;
    let reload = |refused: Refused| {
        let data = Data::Reload(Reload { reload: true });
        Json(Envelope { code: FAILED, data, msg: refused.msg(language).into() })
    };
    let no = |refused: Refused| {
        let data = Data::Refused(Why { reason: refused.reason().into() });
        Json(Envelope { code: FAILED, data, msg: refused.msg(language).into() })
    };
    let user = match token::check(&app, token).await {
        Ok(user) => user,
        Err(Invalid::Expired) => return reload(Refused::TokenExpired),
        Err(Invalid::Refused) => return reload(Refused::TokenInvalid),
        Err(Invalid::Unknown(_)) => return no(Refused::Internal),
    };
    let callee = match serde_json::from_slice(&body) {
        Ok(Click { callee }) => number(&callee),
        Err(_) => Err(Refused::BadParam),
    };
    let callee = match callee {
        Ok(callee) => callee,
        Err(refused) => return no(refused),
    };
    let Some(extension) = user.extension else { return no(Refused::NoExtension) };
    match dial::place(&app, &extension, &callee).await {
        Ok(call) => {
            tracing::info!(%call, by = user.id, "call placed by click");
            let data = Data::Placed(Placed { call_id: call.to_string() });
            Json(Envelope { code: OK, data, msg: done(language).into() })
        }
        Err(refused) => no(refused),
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
