//! The HTTP side: the API, and beside it `/healthz` and `/metrics`.

use crate::metrics::{self, Gathered, Process};
use crate::net::streams::Streams;
use crate::recorder::Recorder;
use crate::switch::NodeSwitch;
use api::Switch as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use model::{Answer, Query};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use store::{RecordWriter, Store};

/// A worker that does not answer within this is not alive.
const PATIENCE: Duration = Duration::from_secs(1);

/// What health and metrics look at.
#[derive(Clone)]
pub struct Watch {
    /// The workers.
    pub switch: NodeSwitch,
    /// The database.
    pub store: Store,
    /// The writer of call records.
    pub records: RecordWriter,
    /// The recording thread.
    pub recorder: Recorder,
    /// What goes to the store of objects.
    pub uploads: crate::recorder::upload::Uploads,
    /// SIP streams.
    pub streams: Streams,
    /// The exporter of messages.
    pub hep: Option<crate::hep::Exporter>,
    /// False before everything has started and after shutdown has begun.
    pub ready: Arc<AtomicBool>,
    /// When the program started.
    pub since: Instant,
}

/// The answer of `/healthz`.
#[derive(Debug, Serialize)]
struct Health {
    ready: bool,
    workers: usize,
    workers_alive: usize,
    store: bool,
    version: &'static str,
}

/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `/healthz` and `/metrics`: no login, no secrets.
pub fn watch_routes(watch: Watch) -> Router {
    Router::new().route("/healthz", get(health)).route("/metrics", get(scrape)).with_state(watch)
}

async fn health(State(watch): State<Watch>) -> Response {
    let store = tokio::time::timeout(PATIENCE, watch.store.ping());
    let (figures, store) = tokio::join!(watch.switch.figures(PATIENCE), store);
    let health = Health {
        ready: watch.ready.load(Ordering::Acquire),
        workers: figures.len(),
        workers_alive: figures.iter().flatten().count(),
        store: matches!(store, Ok(Ok(()))),
        version: VERSION,
    };
    let well = health.ready && health.store && health.workers == health.workers_alive;
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(health)).into_response()
}

async fn scrape(State(watch): State<Watch>) -> Response {
    let trunks = match tokio::time::timeout(PATIENCE, watch.switch.query(Query::Trunks)).await {
        Ok(Ok(Answer::Trunks(trunks))) => trunks,
        _ => Vec::new(),
    };
    let gathered = Gathered {
        workers: watch.switch.figures(PATIENCE).await,
        recorder: watch.recorder.figures(),
        uploads: watch.uploads.figures(),
        streams: watch.streams.figures(),
        records: watch.records.figures(),
        ladders_dropped: watch.store.ladders().dropped(),
        hep: watch.hep.as_ref().map_or((0, 0), crate::hep::Exporter::figures),
        process: Process::read(watch.since),
        trunks,
    };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics::render(&gathered)).into_response()
}
