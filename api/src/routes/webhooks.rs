//! Webhooks: who is told of events by HTTP.

use crate::caller::Caller;
use crate::extract::{Body, Path, Query};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::{DeadOut, ResendIn, ResentOut, WebhookChange, WebhookIn, WebhookOut};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use model::EventBody;
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};
use store::{MAX_DEAD_PAGE, Webhook};
use utoipa::IntoParams;

const MAX_URL: usize = 2_000;
const MAX_NAME: usize = 64;
const SECRET: RangeInclusive<usize> = 16..=128;

/// List webhooks
#[utoipa::path(get, path = "/webhooks", tag = "webhooks",
    responses(
        (status = 200, body = Vec<WebhookOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<WebhookOut>>, Problem> {
    caller.must_administer()?;
    let mut all = Vec::new();
    for webhook in app.store.webhooks().await? {
        let counts = app.store.count_deliveries(webhook.id).await?;
        all.push(WebhookOut::new(webhook, counts));
    }
    Ok(Json(all))
}

/// Add a webhook
///
/// From then on its receiver is told events by POST, as JSON: the event as `/events` tells it, and `delivery`. Headers:
/// `Patchbay-Webhook`, `Patchbay-Delivery` (the same number with each try) and `Patchbay-Signature: t=<Unix seconds>,v1=<hex>`, which is
/// HMAC-SHA-256 over `<t>.<body>` with the secret; refuse what is older than five minutes, and what you have seen. Any 2xx takes it; what
/// is not taken within the time of the configuration is tried again after 1, 2, 4 … seconds, at most 10 minutes, for 24 hours, over
/// restarts too; 410 gives it up at once; redirections are failures. At least once: records of calls always, other events but for those
/// of the moment before a crash. Deliveries begin in order, eight at a time; one that failed comes later than others.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", request_body = WebhookIn,
    responses(
        (status = 201, body = WebhookOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`full`: there are 64", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`bad_url`, `bad_name`, `bad_secret`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn add(
    caller: Caller,
    State(app): State<App>,
    Body(new): Body<WebhookIn>,
) -> Result<(StatusCode, Json<WebhookOut>), Problem> {
    caller.must_administer()?;
    let WebhookIn { name, url, kinds, secret, active } = new;
    let secret = match secret {
        Some(secret) => secret,
        None => store::webhook_secret()?,
    };
    let webhook = Webhook { id: 0, name, url, kinds, secret, active };
    check(&webhook)?;
    let added = app.store.add_webhook(webhook).await?;
    tracing::info!(webhook = added.id, by = caller.0.id, "webhook added");
    Ok((StatusCode::CREATED, Json(WebhookOut::added(added))))
}

/// Get a webhook
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks", params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = 200, body = WebhookOut),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<Json<WebhookOut>, Problem> {
    caller.must_administer()?;
    let webhook = app.store.webhook(id).await?.ok_or(Kind::NoSuchWebhook)?;
    Ok(Json(WebhookOut::new(webhook, app.store.count_deliveries(id).await?)))
}

/// Change a webhook
///
/// What waits for it is told as it is from then on: to the new address, signed with the new secret.
#[utoipa::path(put, path = "/webhooks/{id}", tag = "webhooks", params(("id" = i64, Path, description = "Its number")),
    request_body = WebhookChange,
    responses(
        (status = 200, body = WebhookOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn change(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<i64>,
    Body(change): Body<WebhookChange>,
) -> Result<Json<WebhookOut>, Problem> {
    caller.must_administer()?;
    let old = app.store.webhook(id).await?.ok_or(Kind::NoSuchWebhook)?;
    let WebhookChange { name, url, kinds, secret, active } = change;
    let webhook = Webhook {
        id,
        name: name.unwrap_or(old.name),
        url: url.unwrap_or(old.url),
        kinds: kinds.unwrap_or(old.kinds),
        secret: secret.unwrap_or(old.secret),
        active: active.unwrap_or(old.active),
    };
    check(&webhook)?;
    if !app.store.change_webhook(&webhook).await? {
        return Err(Kind::NoSuchWebhook.into());
    }
    tracing::info!(webhook = id, by = caller.0.id, "webhook changed");
    Ok(Json(WebhookOut::new(webhook, app.store.count_deliveries(id).await?)))
}

/// Remove a webhook
///
/// With everything that waits for it.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = 204, description = "Removed"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn remove(caller: Caller, State(app): State<App>, Path(id): Path<i64>) -> Result<StatusCode, Problem> {
    caller.must_administer()?;
    if !app.store.remove_webhook(id).await? {
        return Err(Kind::NoSuchWebhook.into());
    }
    tracing::info!(webhook = id, by = caller.0.id, "webhook removed");
    Ok(StatusCode::NO_CONTENT)
}

/// Which of those that were given up.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Older than the delivery of this number: the last `id` of the page before.
    below: Option<i64>,
    /// How many; 100 if left out, at most 500.
    limit: Option<u32>,
}

/// List what was given up
///
/// The newest first; 10 000 are kept.
#[utoipa::path(get, path = "/webhooks/{id}/dead", tag = "webhooks", params(("id" = i64, Path, description = "Its number"), Which),
    responses(
        (status = 200, body = Vec<DeadOut>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn dead(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<i64>,
    Query(Which { below, limit }): Query<Which>,
) -> Result<Json<Vec<DeadOut>>, Problem> {
    caller.must_administer()?;
    app.store.webhook(id).await?.ok_or(Kind::NoSuchWebhook)?;
    let dead = app.store.dead_deliveries(id, below, limit.unwrap_or(100).min(MAX_DEAD_PAGE)).await?;
    Ok(Json(dead.into_iter().map(DeadOut::from).collect()))
}

/// Send again what was given up
///
/// Under the numbers that they had.
#[utoipa::path(post, path = "/webhooks/{id}/resend", tag = "webhooks", params(("id" = i64, Path, description = "Its number")),
    request_body = ResendIn,
    responses(
        (status = 200, body = ResentOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`no_such_webhook`, `no_such_delivery`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn resend(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<i64>,
    Body(ResendIn { delivery }): Body<ResendIn>,
) -> Result<Json<ResentOut>, Problem> {
    caller.must_administer()?;
    app.store.webhook(id).await?.ok_or(Kind::NoSuchWebhook)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let resent = app.store.resend_deliveries(id, delivery, now).await?;
    if delivery.is_some() && resent == 0 {
        return Err(Kind::NoSuchDelivery.into());
    }
    tracing::info!(webhook = id, resent, by = caller.0.id, "what was given up is sent again");
    Ok(Json(ResentOut { resent }))
}

fn check(webhook: &Webhook) -> Result<(), Problem> {
    let Webhook { name, url, kinds, secret, .. } = webhook;
    if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Kind::BadName.into());
    }
    let parsed = url.parse::<Uri>().ok().filter(|_| url.len() <= MAX_URL);
    let fine = parsed.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|at| !at.as_str().contains('@'))
    });
    if !fine {
        return Err(Kind::BadUrl.into());
    }
    if !SECRET.contains(&secret.len()) || !secret.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err(Kind::BadSecret.into());
    }
    match kinds.iter().find(|kind| !EventBody::KINDS.contains(&kind.as_str())) {
        Some(unknown) => Err(Problem::because(Kind::BadBody, format!("there is no event {unknown:?}"))),
        None => Ok(()),
    }
}
