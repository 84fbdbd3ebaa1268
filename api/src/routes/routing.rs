//! Routes and blocked numbers: those of the configuration to be read, others beside them to be set, applied at once.

use crate::caller::Caller;
use crate::extract::{Body, Path};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::{BlockedIn, BlockedOut, BlockedSide, RouteIn, RouteOut};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Command, Route};
use std::ops::RangeInclusive;
use store::StoredRouting;

/// How many may be set beside those of the configuration.
const MAX_ROUTES: usize = 1_000;
const MAX_BLOCKED: usize = 10_000;

const MAX_NUMBER: usize = 32;
const MAX_NAME: usize = 64;
const MAX_HOURS: usize = 32;
const RING_SECONDS: RangeInclusive<u16> = 5..=600;

/// List routes
///
/// Those that are set here, then those of the configuration; where two fit a number alike, the first counts. Trunks are set in the
/// configuration only: their passwords and certificates lie there, and each has connections that a restart builds up in order. Not for
/// agents.
#[utoipa::path(get, path = "/routes", tag = "routing",
    responses(
        (status = 200, body = Vec<RouteOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<RouteOut>>, Problem> {
    caller.must_see_all()?;
    let set = app.store.routing().await?.routes.into_iter().map(|(id, route)| RouteOut::new(Some(id), route));
    let configured = app.configured.routes.iter().map(|route| RouteOut::new(None, route.clone()));
    Ok(Json(set.chain(configured).collect()))
}

/// Add a route
///
/// It counts for new calls at once.
#[utoipa::path(post, path = "/routes", tag = "routing", request_body = RouteIn,
    responses(
        (status = 201, body = RouteOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`no_such_trunk`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`full`: there are 1000", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`bad_route`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn add(
    caller: Caller,
    State(app): State<App>,
    Body(new): Body<RouteIn>,
) -> Result<(StatusCode, Json<RouteOut>), Problem> {
    caller.must_administer()?;
    let route = checked(&app, new).await?;
    let id = change(&app, |routing| {
        if routing.routes.len() >= MAX_ROUTES {
            return Err(Kind::Full.into());
        }
        routing.last += 1;
        routing.routes.insert(routing.last, route.clone());
        Ok(routing.last)
    })
    .await?;
    tracing::info!(route = id, by = caller.0.id, "route added");
    Ok((StatusCode::CREATED, Json(RouteOut::new(Some(id), route))))
}

/// Get a route
#[utoipa::path(get, path = "/routes/{id}", tag = "routing", params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = 200, body = RouteOut),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<Json<RouteOut>, Problem> {
    caller.must_see_all()?;
    let route = app.store.routing().await?.routes.remove(&id).ok_or(Kind::NoSuchRoute)?;
    Ok(Json(RouteOut::new(Some(id), route)))
}

/// Change a route
///
/// It becomes what is sent, for new calls at once.
#[utoipa::path(put, path = "/routes/{id}", tag = "routing", params(("id" = i64, Path, description = "Its number")), request_body = RouteIn,
    responses(
        (status = 200, body = RouteOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`bad_route`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn put(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<i64>,
    Body(new): Body<RouteIn>,
) -> Result<Json<RouteOut>, Problem> {
    caller.must_administer()?;
    let route = checked(&app, new).await?;
    change(&app, |routing| {
        let old = routing.routes.get_mut(&id).ok_or(Kind::NoSuchRoute)?;
        old.clone_from(&route);
        Ok(())
    })
    .await?;
    tracing::info!(route = id, by = caller.0.id, "route changed");
    Ok(Json(RouteOut::new(Some(id), route)))
}

/// Remove a route
#[utoipa::path(delete, path = "/routes/{id}", tag = "routing", params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = 204, description = "Removed"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn remove(caller: Caller, State(app): State<App>, Path(id): Path<i64>) -> Result<StatusCode, Problem> {
    caller.must_administer()?;
    change(&app, |routing| routing.routes.remove(&id).map(drop).ok_or(Kind::NoSuchRoute.into())).await?;
    tracing::info!(route = id, by = caller.0.id, "route removed");
    Ok(StatusCode::NO_CONTENT)
}

/// List blocked numbers
///
/// Those that are set here and those of the configuration. Not for agents.
#[utoipa::path(get, path = "/blacklist", tag = "routing",
    responses(
        (status = 200, body = Vec<BlockedOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn blocked(caller: Caller, State(app): State<App>) -> Result<Json<Vec<BlockedOut>>, Problem> {
    caller.must_see_all()?;
    let set = app.store.routing().await?.black_list;
    let mut all = Vec::new();
    for (list, configured) in [(&set, false), (&app.configured.black_list, true)] {
        for (numbers, side) in [(&list.callers, BlockedSide::Caller), (&list.called, BlockedSide::Called)] {
            all.extend(numbers.iter().map(|number| BlockedOut { number: number.clone(), side, configured }));
        }
    }
    Ok(Json(all))
}

/// Block a number
///
/// For new calls at once; one that is blocked already stays so.
#[utoipa::path(post, path = "/blacklist", tag = "routing", request_body = BlockedIn,
    responses(
        (status = 204, description = "It is blocked"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`full`: there are 10000", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`bad_route`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn block(
    caller: Caller,
    State(app): State<App>,
    Body(BlockedIn { number, side }): Body<BlockedIn>,
) -> Result<StatusCode, Problem> {
    caller.must_administer()?;
    if !is_pattern(&number) {
        return Err(not_a_pattern());
    }
    change(&app, |routing| {
        if routing.black_list.callers.len() + routing.black_list.called.len() >= MAX_BLOCKED {
            return Err(Kind::Full.into());
        }
        let list = side_of(routing, side);
        if !list.contains(&number) {
            list.push(number);
        }
        Ok(())
    })
    .await?;
    tracing::info!(by = caller.0.id, "a number was blocked");
    Ok(StatusCode::NO_CONTENT)
}

/// Unblock a number
///
/// One that is set here, written as it was set.
#[utoipa::path(delete, path = "/blacklist/{side}/{number}", tag = "routing",
    params(("side" = String, Path, description = "`caller` or `called`"), ("number" = String, Path, description = "As it was set")),
    responses(
        (status = 204, description = "It is blocked no longer, unless the configuration blocks it"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn unblock(
    caller: Caller,
    State(app): State<App>,
    Path((side, number)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    caller.must_administer()?;
    let side = match side.as_str() {
        "caller" => BlockedSide::Caller,
        "called" => BlockedSide::Called,
        _ => return Err(Problem::because(Kind::BadParameter, "a side is caller or called")),
    };
    change(&app, |routing| {
        let list = side_of(routing, side);
        let before = list.len();
        list.retain(|known| *known != number);
        if list.len() < before { Ok(()) } else { Err(Kind::NoSuchBlocked.into()) }
    })
    .await?;
    tracing::info!(by = caller.0.id, "a number was unblocked");
    Ok(StatusCode::NO_CONTENT)
}

/// Changes what is set: the switch first, which may refuse, then the store.
async fn change<T>(app: &App, how: impl FnOnce(&mut StoredRouting) -> Result<T, Problem>) -> Result<T, Problem> {
    // One at a time, for it is read, changed and written as a whole.
    let _alone = app.routing.lock().await;
    let old = app.store.routing().await?;
    let mut new = old.clone();
    let result = how(&mut new)?;
    if let Err(problem) = app.switch.command(Command::SetRouting(Box::new(new.to_model()))).await {
        // Some cells may have taken it.
        if app.switch.command(Command::SetRouting(Box::new(old.to_model()))).await.is_err() {
            tracing::warn!("routes could not be taken back everywhere: they count until the next change or start");
        }
        return Err(problem);
    }
    app.store.set_routing(&new).await?;
    Ok(result)
}

/// A route that makes sense as far as can be said here; its hours are for the switch to judge.
async fn checked(app: &App, new: RouteIn) -> Result<Route, Problem> {
    let RouteIn { number, from_trunk, to, record, strip, prefix, hours, ring_seconds } = new;
    if !is_pattern(&number) {
        return Err(not_a_pattern());
    }
    let bad = |cause: &str| Problem::because(Kind::BadRoute, cause);
    let names = [&to.extension, &to.queue, &to.ring_group, &to.mailbox, &to.flow, &to.conference, &to.prompt]
        .into_iter()
        .flatten();
    if names.into_iter().any(|name| name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control)) {
        return Err(bad("a name has 1 to 64 characters"));
    }
    let target = to.to_model().ok_or_else(|| {
        bad("`to` names exactly one of extension, trunks, queue, ring_group, mailbox, flow, conference, prompt, program")
    })?;
    if let model::RouteTarget::Program(program) = &target {
        program.check().map_err(|why: String| bad(&why))?;
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"+*#._-".contains(&b);
    if prefix.len() > MAX_NUMBER || !prefix.bytes().all(fits) || usize::from(strip) > MAX_NUMBER {
        return Err(bad("strip is at most 32, and prefix at most 32 of 0-9 a-z A-Z + * # . _ -"));
    }
    let ring_seconds = ring_seconds.unwrap_or(60);
    if !RING_SECONDS.contains(&ring_seconds) {
        return Err(bad("ring_seconds is from 5 to 600"));
    }
    if hours.len() > MAX_HOURS || hours.iter().any(|text| text.len() > MAX_NAME) {
        return Err(bad("at most 32 hours, of at most 64 characters each"));
    }
    if let Some(extension) = &to.extension {
        app.store.extension(extension).await?.ok_or_else(|| bad("there is no such extension"))?;
    }
    let trunks = app.switch.trunks().await?;
    let mut named = to.trunks.iter().flatten().chain(from_trunk.as_ref());
    if named.any(|name| !trunks.iter().any(|trunk| trunk.name == *name)) {
        return Err(Kind::NoSuchTrunk.into());
    }
    Ok(Route { from_trunk, record, strip, prefix, hours, ring_seconds, ..Route::new(&number, target) })
}

fn side_of(routing: &mut StoredRouting, side: BlockedSide) -> &mut Vec<String> {
    match side {
        BlockedSide::Caller => &mut routing.black_list.callers,
        BlockedSide::Called => &mut routing.black_list.called,
    }
}

fn is_pattern(text: &str) -> bool {
    let digits = text.strip_suffix('*').unwrap_or(text);
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._+#-".contains(&b);
    !text.is_empty() && text.len() <= MAX_NUMBER && digits.bytes().all(fits)
}

fn not_a_pattern() -> Problem {
    Problem::because(
        Kind::BadRoute,
        "a number has 1 to 32 of 0-9 a-z A-Z . _ + # -, and a * at its end for all that begin so",
    )
}
