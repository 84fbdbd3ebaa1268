//! Calls by click: the agent's phone first, then the number (sections 3 and 4.5).

use super::acd::Acd;
use super::names::Refused;
use crate::state::App;
use model::{CallId, Command, LegState, Originate, Reply};

/// Places a call for an extension; the answer comes as soon as there is a call.
pub(super) async fn place(app: &App, extension: &str, to: &str) -> Result<CallId, Refused> {
    if app.switch.registrations(Some(extension.to_owned())).await.map_err(|_| Refused::Internal)?.is_empty() {
        return Err(Refused::ExtOffline);
    }
    if is_busy(app, extension).await? {
        return Err(Refused::ExtBusy);
    }
    let wish = Originate { only_routed: true, ..Originate::new(extension, to) };
    match app.switch.ask(Command::Originate(Box::new(wish))).await.map_err(Refused::of)? {
        Reply::Call { id } => Ok(id),
        Reply::Done | Reply::Message { .. } | Reply::Conference { .. } | Reply::Audio { .. } => Err(Refused::Internal),
    }
}

/// Whether an extension can take a call now, and why not.
pub(super) async fn check_target(app: &App, extension: &str) -> Result<(), Refused> {
    let known = app.store.extension(extension).await.map_err(|_| Refused::Internal)?;
    if known.is_none_or(|known| !known.enabled) {
        return Err(Refused::NoTarget);
    }
    if app.switch.registrations(Some(extension.to_owned())).await.map_err(|_| Refused::Internal)?.is_empty() {
        return Err(Refused::TargetOffline);
    }
    if is_busy(app, extension).await? { Err(Refused::TargetBusy) } else { Ok(()) }
}

/// The number of the queue that this wire calls by a number; its name will do too.
pub(super) async fn queue_number(app: &App, id: &str) -> Result<String, Refused> {
    let queues = app.store.queues().await.map_err(|_| Refused::Internal)?;
    let fits = |queue: &&model::Queue| Acd::of_queue(queue).id.to_string() == id || queue.name == id;
    // A queue without a number is reached by routes alone.
    let found = queues.iter().find(fits).filter(|queue| !queue.number.is_empty());
    found.map(|queue| queue.number.clone()).ok_or(Refused::NoTarget)
}

async fn is_busy(app: &App, extension: &str) -> Result<bool, Refused> {
    let calls = app.switch.calls().await.map_err(|_| Refused::Internal)?;
    let mut legs = calls.iter().flat_map(|call| &call.legs);
    Ok(legs.any(|leg| leg.number == extension && leg.state != LegState::Ending))
}
