//! Agents: how they are set up, and what they do. A user of role agent speaks for the agent of its own extension.

use crate::caller::{Caller, Scope};
use crate::extract::{Body, Path};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::{AgentOut, AgentSettings, LogInAgent, SetAgent};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Agent, Command, Duty};

/// The longest reason, bytes.
const MAX_REASON: usize = 64;

/// List agents
///
/// With what they are doing. An agent sees only itself.
#[utoipa::path(get, path = "/agents", tag = "queues",
    responses(
        (status = 200, body = Vec<AgentOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<AgentOut>>, Problem> {
    let scope = caller.scope();
    let mut now = app.switch.agents().await?;
    let agents = app.store.agents().await?.into_iter().filter(|agent| is_own(&scope, agent));
    let with = |agent: Agent| {
        let status = now.iter().position(|status| status.name == agent.name).map(|at| now.swap_remove(at));
        AgentOut::new(agent, status)
    };
    Ok(Json(agents.map(with).collect()))
}

/// Get an agent
#[utoipa::path(get, path = "/agents/{name}", tag = "queues",
    params(("name" = String, Path, description = "The agent's name")),
    responses(
        (status = 200, body = AgentOut),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<AgentOut>, Problem> {
    let agent = known(&caller, &app, &name).await?;
    let now = app.switch.agents().await?.into_iter().find(|status| status.name == name);
    Ok(Json(AgentOut::new(agent, now)))
}

/// Add or change an agent
///
/// All of its settings: what is left out is as usual. A call that it has goes on.
#[utoipa::path(put, path = "/agents/{name}", tag = "queues",
    params(("name" = String, Path, description = "The agent's name")), request_body = AgentSettings,
    responses(
        (status = 200, body = AgentOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Stored, but not told to the switch: send it again", body = ProblemBody,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn put(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
    Body(agent): Body<Agent>,
) -> Result<Json<AgentOut>, Problem> {
    caller.must_administer()?;
    let agent = Agent { name, ..agent };
    agent.check().map_err(|cause| Problem::because(Kind::BadBody, cause))?;
    if !app.store.put_agent(&agent).await? {
        return Err(Kind::TooManyItems.into());
    }
    tracing::info!(by = caller.0.id, agent = agent.name, "agent set");
    app.switch.command(Command::PutAgent(Box::new(agent.clone()))).await?;
    let now = app.switch.agents().await?.into_iter().find(|status| status.name == agent.name);
    Ok(Json(AgentOut::new(agent, now)))
}

/// Remove an agent
///
/// A call that it has goes on.
#[utoipa::path(delete, path = "/agents/{name}", tag = "queues",
    params(("name" = String, Path, description = "The agent's name")),
    responses(
        (status = 204, description = "Removed"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Not removed: send it again", body = ProblemBody,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn remove(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.must_administer()?;
    app.store.agent(&name).await?.ok_or(Kind::NoSuchAgent)?;
    app.switch.command(Command::RemoveAgent { name: name.clone() }).await?;
    app.store.remove_agent(&name).await?;
    tracing::info!(by = caller.0.id, agent = name, "agent removed");
    Ok(StatusCode::NO_CONTENT)
}

/// Log an agent in
///
/// At an extension, in all its queues or in some. One that is logged in already sits elsewhere from now on.
#[utoipa::path(post, path = "/agents/{name}/login", tag = "queues",
    params(("name" = String, Path, description = "The agent's name")), request_body = LogInAgent,
    responses(
        (status = 204, description = "Done"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`no_such_agent`, `no_such_extension`, `no_such_queue`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "`phone_taken`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn log_in(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
    Body(how): Body<LogInAgent>,
) -> Result<StatusCode, Problem> {
    known(&caller, &app, &name).await?;
    if let Scope::Own(own) = caller.scope()
        && !how.extension.is_empty()
        && how.extension != own
    {
        return Err(Kind::Forbidden.into());
    }
    let LogInAgent { extension, queues, duty, reason } = how;
    let duty = duty.map_or(Ok(Duty::Ready), |duty| fitting(duty.with(reason)))?;
    app.switch.command(Command::LogInAgent { agent: name, extension, queues, duty }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Log an agent out
///
/// In a call: after the call.
#[utoipa::path(post, path = "/agents/{name}/logout", tag = "queues",
    params(("name" = String, Path, description = "The agent's name")),
    responses(
        (status = 204, description = "Done"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`agent_not_logged_in`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn log_out(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    known(&caller, &app, &name).await?;
    app.switch.command(Command::LogOutAgent { agent: name }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make an agent ready, busy, or have a rest
///
/// In a call: after the call. Ready ends the work after a call.
#[utoipa::path(post, path = "/agents/{name}/duty", tag = "queues",
    params(("name" = String, Path, description = "The agent's name")), request_body = SetAgent,
    responses(
        (status = 204, description = "Done"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`agent_not_logged_in`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn set(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
    Body(SetAgent { duty, reason }): Body<SetAgent>,
) -> Result<StatusCode, Problem> {
    known(&caller, &app, &name).await?;
    app.switch.command(Command::SetAgent { agent: name, duty: fitting(duty.with(reason))? }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An agent that the caller may know of, and speak for.
async fn known(caller: &Caller, app: &App, name: &str) -> Result<Agent, Problem> {
    let agent = app.store.agent(name).await?.filter(|agent| is_own(&caller.scope(), agent));
    agent.ok_or_else(|| Kind::NoSuchAgent.into())
}

fn is_own(scope: &Scope, agent: &Agent) -> bool {
    scope.includes([agent.extension.as_str()].into_iter())
}

fn fitting(duty: Duty) -> Result<Duty, Problem> {
    match &duty {
        Duty::Busy(reason) | Duty::Rest(reason) if reason.len() > MAX_REASON => {
            Err(Problem::because(Kind::BadBody, format!("reason has at most {MAX_REASON} bytes")))
        }
        Duty::Ready | Duty::Busy(_) | Duty::Rest(_) => Ok(duty),
    }
}
