//! How queues and agents did, by interval.

use crate::caller::Caller;
use crate::extract::Query;
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::{AgentInterval, QueueInterval};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

/// The most intervals one report has.
const MAX_INTERVALS: u64 = 3_000;
/// The longest time one report covers: records are read for it.
const LONGEST_MS: u64 = 92 * 24 * 3600 * 1000;
const MINUTE_MS: u64 = 60_000;

/// Which time.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Span {
    /// Callers who came at or after, Unix milliseconds.
    from: u64,
    /// Callers who came before, Unix milliseconds; at most 92 days later.
    to: u64,
    /// Intervals of so many minutes, 1 to 1440, usually 30. They begin at multiples of it; at most 3000.
    #[param(minimum = 1, maximum = 1440)]
    minutes: Option<u64>,
}

impl Span {
    fn checked(&self) -> Result<(u64, u64, u64), Problem> {
        let bad = |why: &str| Err(Problem::because(Kind::BadParameter, why));
        let minutes = self.minutes.unwrap_or(30);
        let length = self.to.saturating_sub(self.from);
        if !(1..=1440).contains(&minutes) {
            return bad("minutes must be from 1 to 1440");
        }
        if length == 0 || length > LONGEST_MS {
            return bad("to must be after from, by 92 days at most");
        }
        if length / (minutes * MINUTE_MS) > MAX_INTERVALS {
            return bad("there are more than 3000 intervals: make them longer");
        }
        Ok((self.from, self.to, minutes * MINUTE_MS))
    }
}

/// Report on queues
///
/// How queues did by interval: counted from call records, so as far back as those are kept. Not for agents.
#[utoipa::path(get, path = "/reports/queues", tag = "queues", params(Span),
    responses(
        (status = 200, body = Vec<QueueInterval>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn queues(
    caller: Caller,
    State(app): State<App>,
    Query(span): Query<Span>,
) -> Result<Json<Vec<QueueInterval>>, Problem> {
    caller.must_see_all()?;
    let (from, to, every) = span.checked()?;
    let report = app.store.report(from, to, every).await?;
    Ok(Json(report.queues.into_iter().map(|((queue, at), counts)| QueueInterval::new(queue, at, &counts)).collect()))
}

/// Report on agents
///
/// How agents did with callers of queues by interval: counted from call records. Not for agents.
#[utoipa::path(get, path = "/reports/agents", tag = "queues", params(Span),
    responses(
        (status = 200, body = Vec<AgentInterval>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn agents(
    caller: Caller,
    State(app): State<App>,
    Query(span): Query<Span>,
) -> Result<Json<Vec<AgentInterval>>, Problem> {
    caller.must_see_all()?;
    let (from, to, every) = span.checked()?;
    let report = app.store.report(from, to, every).await?;
    Ok(Json(report.agents.into_iter().map(|((agent, at), counts)| AgentInterval::new(agent, at, &counts)).collect()))
}
