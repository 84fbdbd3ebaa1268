//! What browsers load: the agent's page at `/`, below `/sdk` the softphone for other pages, its types, and a page to try it, and the
//! toolbar at `/dist/ctibar.js`, where pages that were written for it look, with a page to try it.
//! Public, like any script; what they show comes from the API, to those who log in.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

const SOFTPHONE: &str = include_str!(concat!(env!("OUT_DIR"), "/softphone.js"));
const TYPES: &str = include_str!(concat!(env!("OUT_DIR"), "/softphone.d.ts"));
const DEMO: &str = include_str!(concat!(env!("OUT_DIR"), "/demo.html"));
const TOOLBAR: &str = include_str!(concat!(env!("OUT_DIR"), "/ctibar.js"));
const TOOLBAR_TYPES: &str = include_str!(concat!(env!("OUT_DIR"), "/ctibar.d.ts"));
const TOOLBAR_DEMO: &str = include_str!(concat!(env!("OUT_DIR"), "/ctibar-demo.html"));
const AGENT: &str = include_str!(concat!(env!("OUT_DIR"), "/agent.html"));
const AGENT_SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/agent.js"));
const AGENT_STYLE: &str = include_str!(concat!(env!("OUT_DIR"), "/agent.css"));
const ICON: &str = include_str!(concat!(env!("OUT_DIR"), "/icon.svg"));

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What the agent's page may do: run its own script, ask this switch, play what it was given; nothing of others, and nobody frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      media-src 'self' blob: mediastream:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is served.
pub fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { page(AGENT) }))
        .route("/agent/agent.js", get(|| async { file(SCRIPT, AGENT_SCRIPT) }))
        .route("/agent/agent.css", get(|| async { file("text/css; charset=utf-8", AGENT_STYLE) }))
        .route("/agent/icon.svg", get(|| async { file("image/svg+xml", ICON) }))
        .route("/sdk", get(|| async { Redirect::permanent("/sdk/demo.html") }))
        .route("/sdk/softphone.js", get(|| async { shared(file(SCRIPT, SOFTPHONE)) }))
        .route("/sdk/softphone.d.ts", get(|| async { shared(file("text/plain; charset=utf-8", TYPES)) }))
        .route("/dist/ctibar.js", get(|| async { shared(file(SCRIPT, TOOLBAR)) }))
        .route("/dist/ctibar.d.ts", get(|| async { shared(file("text/plain; charset=utf-8", TOOLBAR_TYPES)) }))
        .route("/ctibar-demo.html", get(|| async { unframed(file(HTML, TOOLBAR_DEMO)) }))
        .route("/sdk/demo.html", get(|| async { unframed(file(HTML, DEMO)) }))
}

fn file(kind: &'static str, content: &'static str) -> Response {
    let response = content.into_response();
    let response = with(response, header::CONTENT_TYPE, kind);
    let response = with(response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // A new version of the program brings a new script.
    with(response, header::CACHE_CONTROL, "no-cache")
}

/// The agent's page, with what it may do.
fn page(content: &'static str) -> Response {
    let response = unframed(file(HTML, content));
    let response = with(response, header::CONTENT_SECURITY_POLICY, POLICY);
    let response = with(response, header::REFERRER_POLICY, "no-referrer");
    with(response, HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()")
}

/// Pages of other hosts may load it and read it.
fn shared(response: Response) -> Response {
    with(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
}

/// Nobody may frame it and have its visitor click there.
fn unframed(response: Response) -> Response {
    with(response, header::X_FRAME_OPTIONS, "DENY")
}

fn with(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_page_runs_nothing_that_is_not_its_own() {
        let answer = page(AGENT);
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(!policy.contains("unsafe") && policy.contains("default-src 'none'"), "{policy}");
        assert_eq!(answer.headers()[header::X_FRAME_OPTIONS], "DENY");
        for inline in [" style=", " onclick", "<style", "<script>"] {
            assert!(!AGENT.contains(inline), "{inline} in the page: its own policy forbids that");
        }
        assert!(AGENT.contains("/agent/agent.js") || AGENT.contains("make web"), "{AGENT}");
        assert!(!AGENT_SCRIPT.is_empty() && !AGENT_STYLE.is_empty() && ICON.contains("<svg"));
    }

    #[test]
    fn the_toolbar_is_one_script_or_says_what_is_missing() {
        for content in [TOOLBAR, TOOLBAR_TYPES, TOOLBAR_DEMO] {
            assert!(content.contains("Ctibar") || content.contains("make web"), "{content:.200}");
        }
    }

    #[test]
    fn the_script_is_the_softphone_or_says_what_is_missing() {
        for content in [SOFTPHONE, TYPES, DEMO] {
            assert!(content.contains("MySoftPhone") || content.contains("make web"), "{content:.200}");
        }
    }
}
