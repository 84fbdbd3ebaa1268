//! The native REST API, and the [`Switch`] trait all dialects speak to.
//!
//! ```no_run
//! # async fn example<S: patchbay_api::Switch>(switch: S, store: store::Store) -> std::io::Result<()> {
//! use patchbay_api::{ApiState, LoginSettings, router};
//! use std::net::SocketAddr;
//!
//! let state = ApiState {
//!     switch,
//!     store,
//!     recordings_dir: "data/recordings".into(),
//!     recordings: std::sync::Arc::new(patchbay_api::NoRecordings),
//!     prompts: std::sync::Arc::new(patchbay_api::NoPrompts),
//!     login: LoginSettings::default(),
//!     ice: std::sync::Arc::new(patchbay_api::NoIceServers),
//!     ctibar: patchbay_api::CtibarSettings::default(),
//!     configured: model::Routing::default(),
//!     version: "0.1.0",
//! };
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9999").await?;
//! axum::serve(listener, router(state).into_make_service_with_connect_info::<SocketAddr>()).await
//! # }
//! ```

mod audit;
mod caller;
mod client;
mod ctibar;
mod description;
mod events;
mod extract;
mod ice;
mod problem;
mod prompts;
mod recordings;
mod routes;
mod state;
mod switch;
mod token;
mod webhooks;
mod wire;

pub use ctibar::{CtibarSettings, Language};
pub use events::{EventBus, EventReader, Gap, Next, Told};
pub use ice::{IceServer, IceServers, NoIceServers};
pub use prompts::{NoPrompts, PromptInfo, PromptRefusal, Prompts};
pub use recordings::{Later, NoRecordings, Recording, RecordingTrouble, Recordings};
pub use state::{ApiState, LoginSettings};
pub use switch::{AudioRequest, Connected, Switch};
pub use token::{MintError, extension_of, mint_token};
pub use webhooks::delivery_body;

use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use routes::BASE;
use state::App;
use std::any::Any;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

/// How long a request may take until its answer begins, sending its body included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything HTTP that is ours: `/api/v1/…` and `/ws` (contract A), `/patchbay/v1/…` with its description at
/// `openapi.json` and the page to try it at `docs`, a client for it at `/sdk/client.ts`.
///
/// Merge `/healthz` and `/metrics` beside it, and serve it with `into_make_service_with_connect_info::<SocketAddr>()`:
/// logins are throttled by peer address.
pub fn router<S: Switch>(state: ApiState<S>) -> Router {
    let version = state.version;
    let app = App::new(state);

    let ctibar = OpenApiRouter::new()
        .routes(routes!(ctibar::auth))
        .routes(routes!(ctibar::makecall))
        .layer(DefaultBodyLimit::max(routes::MAX_BODY))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, PATIENCE))
        .layer(middleware::from_fn(ctibar::cors));
    let native = routes::all()
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, PATIENCE))
        .layer(middleware::from_fn(problem::tell));
    let (router, openapi) =
        OpenApiRouter::with_openapi(description::of(version)).nest(BASE, native).merge(ctibar).split_for_parts();
    let openapi = serde_json::to_value(&openapi).unwrap_or_else(|e| {
        stdx::never!(true, "the API's description does not serialise: {e}");
        serde_json::Value::Null
    });

    let client = client::of(&openapi);
    let router = router
        .with_state(app.clone())
        .route("/ws", get(ctibar::connect).with_state(app.clone()))
        .route(client::PATH, get(move || async move { ([(header::CONTENT_TYPE, "text/typescript")], client.clone()) }))
        .route(description::PATH, get(move || async move { Json(openapi) }))
        .merge(SwaggerUi::new(description::DOCS).config(utoipa_swagger_ui::Config::from(description::PATH)));
    // Around the whole of it, for it asks an operation's neighbour what was there before.
    Router::new().fallback_service(router).layer(middleware::from_fn_with_state(app, audit::note))
}

/// A request that panicked costs only itself.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over by value")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("?"), "a request panicked");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
