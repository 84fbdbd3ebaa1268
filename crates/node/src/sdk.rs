//! The softphone for pages: `/sdk/softphone.js`, its types, and a page to try it. Public, like any script.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

const SOFTPHONE: &str = include_str!(concat!(env!("OUT_DIR"), "/softphone.js"));
const TYPES: &str = include_str!(concat!(env!("OUT_DIR"), "/softphone.d.ts"));
const DEMO: &str = include_str!(concat!(env!("OUT_DIR"), "/demo.html"));

/// What is served below `/sdk`.
pub fn routes() -> Router {
    let script = "text/javascript; charset=utf-8";
    Router::new()
        .route("/sdk", get(|| async { Redirect::permanent("/sdk/demo.html") }))
        .route("/sdk/softphone.js", get(move || async move { file(script, SOFTPHONE, true) }))
        .route("/sdk/softphone.d.ts", get(|| async { file("text/plain; charset=utf-8", TYPES, true) }))
        .route("/sdk/demo.html", get(|| async { file("text/html; charset=utf-8", DEMO, false) }))
}

/// Pages of other hosts may load the script and read its types; nobody may frame the demo and have its visitor click there.
fn file(kind: &'static str, content: &'static str, shared: bool) -> Response {
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A new version of the program brings a new script.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if shared {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_the_softphone_or_says_what_is_missing() {
        for content in [SOFTPHONE, TYPES, DEMO] {
            assert!(content.contains("MySoftPhone") || content.contains("make web"), "{content:.200}");
        }
    }
}
