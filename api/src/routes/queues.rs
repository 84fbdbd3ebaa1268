//! Queues. What is changed here is stored and then told to every cell; who waits stays.

use crate::caller::Caller;
use crate::extract::{Body, Path};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::{QueueOut, QueueSettings};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Command, Queue};

/// List queues
///
/// With who waits and how they do. Not for agents.
#[utoipa::path(get, path = "/queues", tag = "queues",
    responses(
        (status = 200, body = Vec<QueueOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<QueueOut>>, Problem> {
    caller.must_see_all()?;
    let mut now = app.switch.queues().await?;
    let queues = app.store.queues().await?.into_iter();
    let with = |queue: Queue| {
        let status = now.iter().position(|status| status.name == queue.name).map(|at| now.swap_remove(at));
        QueueOut::new(queue, status)
    };
    Ok(Json(queues.map(with).collect()))
}

/// Get a queue
#[utoipa::path(get, path = "/queues/{name}", tag = "queues",
    params(("name" = String, Path, description = "The queue's name")),
    responses(
        (status = 200, body = QueueOut),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<QueueOut>, Problem> {
    caller.must_see_all()?;
    let queue = app.store.queue(&name).await?.ok_or(Kind::NoSuchQueue)?;
    let now = app.switch.queues().await?.into_iter().find(|status| status.name == name);
    Ok(Json(QueueOut::new(queue, now)))
}

/// Add or change a queue
///
/// All of its settings: what is left out is as usual. Who waits in it stays.
#[utoipa::path(put, path = "/queues/{name}", tag = "queues",
    params(("name" = String, Path, description = "The queue's name")), request_body = QueueSettings,
    responses(
        (status = 200, body = QueueOut),
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
    Body(queue): Body<Queue>,
) -> Result<Json<QueueOut>, Problem> {
    caller.must_administer()?;
    let queue = Queue { name, ..queue };
    queue.check().map_err(|cause| Problem::because(Kind::BadBody, cause))?;
    if !app.store.put_queue(&queue).await? {
        return Err(Kind::TooManyItems.into());
    }
    tracing::info!(by = caller.0.id, queue = queue.name, "queue set");
    app.switch.command(Command::PutQueue(Box::new(queue.clone()))).await?;
    Ok(Json(QueueOut::new(queue, None)))
}

/// Remove a queue
///
/// Who waits in it goes where it sends those who find it closed.
#[utoipa::path(delete, path = "/queues/{name}", tag = "queues",
    params(("name" = String, Path, description = "The queue's name")),
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
    app.store.queue(&name).await?.ok_or(Kind::NoSuchQueue)?;
    // The switch first: if it refuses, the queue is still there for a second try.
    app.switch.command(Command::RemoveQueue { name: name.clone() }).await?;
    app.store.remove_queue(&name).await?;
    tracing::info!(by = caller.0.id, queue = name, "queue removed");
    Ok(StatusCode::NO_CONTENT)
}
