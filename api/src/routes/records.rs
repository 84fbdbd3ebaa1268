//! What is over: call records and their traces.

use crate::caller::{Caller, Scope};
use crate::extract::{Call, Query};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::{self, RecordOut, RecordPage};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use model::{CallId, CallRecord, Direction, Outcome};
use serde::Deserialize;
use store::{Filter, MAX_PAGE};
use utoipa::IntoParams;

/// How many records a page has if nothing else is said.
const USUAL_PAGE: u32 = 50;
/// Further pages are reached by `cursor`, which costs the same for every page.
const MAX_OFFSET: u32 = 100_000;

/// Which records; all that are given must hold.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Started at or after, Unix milliseconds.
    from: Option<u64>,
    /// Started before, Unix milliseconds.
    to: Option<u64>,
    /// The caller's number.
    caller: Option<String>,
    /// The number dialled.
    callee: Option<String>,
    /// Any party's number: caller, callee or a leg.
    number: Option<String>,
    /// What came of it.
    #[param(schema_with = wire::outcomes)]
    outcome: Option<Outcome>,
    /// Where from and to.
    #[param(schema_with = wire::directions)]
    direction: Option<Direction>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many to skip, at most 100 000.
    #[param(maximum = 100_000)]
    offset: Option<u32>,
    /// How many at most, 1 to 500, usually 50.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Search call records
///
/// The newest first, a page at a time. An agent sees those that its own extension had a part in.
#[utoipa::path(get, path = "/records", tag = "records", params(Search),
    responses(
        (status = 200, body = RecordPage),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(search): Query<Search>,
) -> Result<Json<RecordPage>, Problem> {
    let Search { from, to, caller: from_number, callee, number, outcome, direction, cursor, offset, limit } = search;
    let (offset, limit) = (offset.unwrap_or(0), limit.unwrap_or(USUAL_PAGE));
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::because(Kind::BadParameter, format!("limit must be from 1 to {MAX_PAGE}")));
    }
    if offset > MAX_OFFSET {
        return Err(Problem::because(Kind::BadParameter, format!("offset must not exceed {MAX_OFFSET}: use cursor")));
    }
    let extension = match caller.scope() {
        Scope::All => None,
        Scope::Own(extension) => Some(extension),
        Scope::Nothing => return Ok(Json(RecordPage { items: Vec::new(), total: 0, next: None })),
    };
    let caller = from_number;
    let filter = Filter { from, to, caller, callee, number, extension, outcome, direction, cursor, offset, limit };
    let page = app.store.records(&filter).await?;
    let items = page.items.into_iter().map(RecordOut::from).collect();
    Ok(Json(RecordPage { items, total: page.total, next: page.next }))
}

/// Get a call record
#[utoipa::path(get, path = "/records/{id}", tag = "records",
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 200, body = RecordOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn get(caller: Caller, State(app): State<App>, Call(id): Call) -> Result<Json<RecordOut>, Problem> {
    Ok(Json(find(&app, &caller, id).await?.into()))
}

/// Get a call's SIP ladder
///
/// The messages of all its legs in order, as long as they are kept. Not for agents.
#[utoipa::path(get, path = "/records/{id}/trace", tag = "records",
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 200, description = "One entry per message, in order", body = Vec<serde_json::Value>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`no_trace`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn trace(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
) -> Result<impl IntoResponse, Problem> {
    caller.must_see_traces()?;
    let entries = app.store.trace(id).await?.ok_or(Kind::NoTrace)?;
    if serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&entries).is_err() {
        return Err(Problem::ours(&format!("the trace of {id} is no JSON array")));
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], entries))
}

/// A record that the caller may see; others do not exist for it.
pub(super) async fn find(app: &App, caller: &Caller, id: CallId) -> Result<CallRecord, Problem> {
    let record = app.store.record(id).await?.ok_or(Kind::NoSuchRecord)?;
    let legs = record.legs.iter().map(|leg| &leg.number);
    let parties = [&record.caller, &record.callee].into_iter().chain(legs).map(String::as_str);
    if caller.scope().includes(parties) { Ok(record) } else { Err(Kind::NoSuchRecord.into()) }
}
