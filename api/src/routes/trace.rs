//! SIP messages as they pass.

use crate::caller::Caller;
use crate::extract::Query;
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use model::{Seen, SeenFilter};
use serde::Deserialize;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;
use utoipa::IntoParams;

/// How many may follow at one time; one more is answered `overloaded`.
const FOLLOWERS: usize = 16;

static FOLLOWING: AtomicUsize = AtomicUsize::new(0);

/// Which messages: those that fit everything that is given.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// From, To or target has this number.
    number: Option<String>,
    /// From or to this IP address.
    address: Option<String>,
    /// Of this SIP Call-ID.
    call_id: Option<String>,
    /// Do not end: go on with what passes from now on.
    #[serde(default)]
    follow: bool,
}

/// Get SIP messages
///
/// The newest that are kept in memory, whatever they are about, as JSON lines: `at`, `sent`, `transport`, `local`, `remote`,
/// `text`. With `follow` those that pass from now on, until the client goes; who reads too slowly misses some. Not for agents.
#[utoipa::path(get, path = "/trace", tag = "live", params(Which),
    responses(
        (status = 200, description = "One JSON object per line and message, in order", body = String, content_type = "application/x-ndjson"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn trace(
    caller: Caller,
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    caller.must_see_traces()?;
    let Which { number, address, call_id, follow } = which;
    let ip = |text: String| {
        text.parse::<IpAddr>().map_err(|_| Problem::because(Kind::BadParameter, "address is an IP address"))
    };
    let address = address.map(ip).transpose()?.map(|ip| ip.to_canonical());
    let filter = SeenFilter { number, address, call_id };
    let body = if follow {
        let place = Place::take().ok_or(Kind::Overloaded)?;
        Body::from_stream(Following { messages: app.switch.watch(filter), _place: place })
    } else {
        let lines: String = app.switch.seen(filter).await?.iter().map(line).collect();
        Body::from(lines)
    };
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

fn line(seen: &Seen) -> String {
    serde_json::to_string(seen).map(|line| line + "\n").unwrap_or_default()
}

/// One of the few who may follow at one time.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let before = FOLLOWING.fetch_add(1, Ordering::AcqRel);
        // One too many is given back by its drop.
        let place = Self;
        (before < FOLLOWERS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        FOLLOWING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Lines as they come.
struct Following {
    messages: mpsc::Receiver<Seen>,
    _place: Place,
}

impl futures_core::Stream for Following {
    type Item = Result<String, std::convert::Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.messages.poll_recv(context).map(|seen| seen.map(|seen| Ok(line(&seen))))
    }
}
