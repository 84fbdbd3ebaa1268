//! What went wrong, as RFC 9457 tells it: a stable code for programs, a text that says what to do for people.

mod kind;

pub(crate) use kind::Kind;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::StoreError;
use utoipa::ToSchema;

/// Something that went wrong. It becomes a response at once, and gets its words in [`tell`], where the reader's
/// language is known.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    kind: Kind,
    /// What exactly, in the words of whoever found it.
    cause: Option<String>,
    retry_after: Option<Duration>,
}

/// A problem, as `application/problem+json` (RFC 9457).
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// `urn:patchbay:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// What happened, in the language asked for by Accept-Language: Chinese or English.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What to do about it, in the same language.
    detail: String,
    /// Stable name of the problem, for programs.
    code: String,
    /// What exactly was found wrong, in English, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

impl Problem {
    pub(crate) fn because(kind: Kind, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..kind.into() }
    }

    pub(crate) fn with_cause(self, cause: String) -> Self {
        Self { cause: Some(cause), ..self }
    }

    pub(crate) fn later(kind: Kind, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..kind.into() }
    }

    /// A fault of ours: logged here, and not told outside.
    pub(crate) fn ours(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed by our own fault");
        Kind::Internal.into()
    }
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        let retry_after = matches!(kind, Kind::Overloaded | Kind::StoreUnavailable).then_some(Duration::from_secs(1));
        Self { kind, cause: None, retry_after }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::BadNumber => Kind::BadNumber.into(),
            StoreError::BadName => Kind::BadName.into(),
            StoreError::BadUser => Kind::BadUser.into(),
            StoreError::BadCursor => Kind::BadCursor.into(),
            StoreError::UserExists => Kind::UserExists.into(),
            StoreError::NoSuchExtension => Kind::UnknownExtension.into(),
            StoreError::LastAdmin => Kind::LastAdmin.into(),
            StoreError::Full(_) => Kind::Full.into(),
            StoreError::Interrupted => Kind::ShuttingDown.into(),
            StoreError::Sql(error) => {
                tracing::warn!(%error, "the database did not answer a request");
                Kind::StoreUnavailable.into()
            }
            other @ (StoreError::File { .. }
            | StoreError::Migrate(_)
            | StoreError::Hot(_)
            | StoreError::Ladders(_)
            | StoreError::Damaged(_)
            | StoreError::NoRandomness(_)) => Self::ours(&other),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.facts().status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Puts problems into words, ours and those of the layers below (wrong method, no such path, timeout, panic).
pub(crate) async fn tell(request: Request, next: Next) -> Response {
    let chinese = prefers_chinese(request.headers());
    let mut response = next.run(request).await;
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None => match Kind::of_status(response.status()) {
            Some(kind) => kind.into(),
            None => return with_safety(response),
        },
    };
    let facts = problem.kind.facts();
    let (title, detail) = if chinese { facts.zh } else { facts.en };
    let body = ProblemBody {
        kind: format!("urn:patchbay:problem:{}", facts.code),
        title: title.into(),
        status: facts.status.as_u16(),
        detail: detail.into(),
        code: facts.code.into(),
        cause: problem.cause,
    };
    // Allow, Content-Range and the like stay; what described the old body goes.
    let mut headers = std::mem::take(response.headers_mut());
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(if chinese { "zh-CN" } else { "en" }));
    headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
    if facts.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(wait) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    let mut response = (facts.status, Json(body)).into_response();
    response.headers_mut().extend(headers);
    with_safety(response)
}

/// Answers are for the asker alone, and are what they say they are.
fn with_safety(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Does the reader rather read Chinese than English (RFC 9110 §12.5.4)?
fn prefers_chinese(headers: &HeaderMap) -> bool {
    let mut best = (0.0, false);
    let languages = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    for item in languages.flat_map(|value| value.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
        let chinese = match tag.split('-').next() {
            Some("zh") => true,
            Some("en") => false,
            _ => continue,
        };
        let weight = match parts.find_map(|part| part.strip_prefix("q=")) {
            Some(q) => q.parse().unwrap_or(0.0),
            None => 1.0,
        };
        if weight > best.0 {
            best = (weight, chinese);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_with_the_greater_weight_wins_and_english_is_the_default() {
        let prefers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(value).unwrap());
            prefers_chinese(&headers)
        };
        assert!(prefers("zh-CN,zh;q=0.9,en;q=0.8"));
        assert!(prefers("en;q=0.5, zh;q=0.6"));
        assert!(prefers("de, zh-Hant;q=0.1"));
        assert!(!prefers("en-US,zh;q=0.9"));
        assert!(!prefers("zh;q=0"));
        assert!(!prefers("zh;q=x;;,,=;"));
        assert!(!prefers("fr"));
        assert!(!prefers_chinese(&HeaderMap::new()));
    }
}
