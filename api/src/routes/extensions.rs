//! Extensions. What is changed here is stored and then told to every cell.

use super::passwords;
use crate::caller::{Caller, Scope};
use crate::extract::{Body, Path};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::{ExtensionChange, ExtensionIn, ExtensionOut, ExtensionSettings, ImportIn, ImportOut};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Command, Extension};
use std::ops::RangeInclusive;
use store::NewExtension;

/// The most extensions of one import.
const MAX_IMPORT: usize = 10_000;
const RING_SECONDS: RangeInclusive<u16> = 5..=600;
const MAX_CALLS: RangeInclusive<u16> = 1..=1000;
/// The most networks of one extension.
const MAX_NETWORKS: usize = 32;
const CONTACTS: RangeInclusive<u16> = 0..=100;
/// Numbers in `watched_by`.
const MAX_WATCHERS: usize = 100;

/// List extensions
///
/// An agent sees only its own.
#[utoipa::path(get, path = "/extensions", tag = "extensions",
    responses(
        (status = 200, body = Vec<ExtensionOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<ExtensionOut>>, Problem> {
    let extensions = match caller.scope() {
        Scope::All => app.store.extensions().await?,
        Scope::Own(number) => app.store.extension(&number).await?.into_iter().collect(),
        Scope::Nothing => Vec::new(),
    };
    Ok(Json(extensions.into_iter().map(ExtensionOut::from).collect()))
}

/// Add an extension
#[utoipa::path(post, path = "/extensions", tag = "extensions", request_body = ExtensionIn,
    responses(
        (status = 201, body = ExtensionOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`extension_exists`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "`bad_number`, `bad_name`, `bad_password`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, description = "Stored, but not told to the switch: send it again with PUT", body = ProblemBody,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn add(
    caller: Caller,
    State(app): State<App>,
    Body(new): Body<ExtensionIn>,
) -> Result<(StatusCode, Json<ExtensionOut>), Problem> {
    caller.must_administer()?;
    let ExtensionIn { number, password, settings } = new;
    passwords::check(&password, &number)?;
    let usual = NewExtension { number, password, ..NewExtension::default() }.in_realm(app.store.realm());
    let extension = with_settings(usual, settings)?;
    if !app.store.add_extension(&extension).await? {
        return Err(Kind::ExtensionExists.into());
    }
    tracing::info!(by = caller.0.id, "extension added");
    app.switch.command(Command::PutExtension(Box::new(extension.clone()))).await?;
    Ok((StatusCode::CREATED, Json(extension.into())))
}

/// Import extensions
///
/// Adds many, all or none. Those that exist get the new name and password.
#[utoipa::path(post, path = "/extensions/import", tag = "extensions", request_body = ImportIn,
    responses(
        (status = 200, body = ImportOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Over 4 MiB", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Stored, but not all told to the switch: send it again", body = ProblemBody,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn import(
    caller: Caller,
    State(app): State<App>,
    Body(list): Body<ImportIn>,
) -> Result<Json<ImportOut>, Problem> {
    caller.must_administer()?;
    if list.extensions.len() > MAX_IMPORT {
        return Err(Kind::TooManyItems.into());
    }
    let mut all = Vec::with_capacity(list.extensions.len());
    for item in list.extensions {
        let cause = || format!("number {:?}", item.number);
        passwords::check(&item.password, &item.number).map_err(|problem| problem.with_cause(cause()))?;
        all.push(NewExtension {
            number: item.number,
            name: item.name,
            password: item.password,
            rights: item.rights.and_then(|rights| rights.0),
            outside_number: item.outside_number,
        });
    }
    let imported = app.store.import_extensions(all).await?;
    tracing::info!(added = imported.added, changed = imported.changed, by = caller.0.id, "extensions imported");
    for extension in imported.extensions {
        app.switch.command(Command::PutExtension(Box::new(extension))).await?;
    }
    Ok(Json(ImportOut { added: imported.added, changed: imported.changed }))
}

/// Get an extension
#[utoipa::path(get, path = "/extensions/{number}", tag = "extensions",
    params(("number" = String, Path, description = "The extension's number")),
    responses(
        (status = 200, body = ExtensionOut),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(number): Path<String>,
) -> Result<Json<ExtensionOut>, Problem> {
    if !caller.scope().includes([number.as_str()].into_iter()) {
        return Err(Kind::NoSuchExtension.into());
    }
    let extension = app.store.extension(&number).await?.ok_or(Kind::NoSuchExtension)?;
    Ok(Json(extension.into()))
}

/// Change an extension
///
/// What is left out stays as it is. A disabled extension loses its registrations. An agent may set `forward`, `do_not_disturb` and
/// `call_waiting` of its own extension, and nothing else.
#[utoipa::path(put, path = "/extensions/{number}", tag = "extensions",
    params(("number" = String, Path, description = "The extension's number")), request_body = ExtensionChange,
    responses(
        (status = 200, body = ExtensionOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Stored, but not told to the switch: send it again", body = ProblemBody,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn change(
    caller: Caller,
    State(app): State<App>,
    Path(number): Path<String>,
    Body(change): Body<ExtensionChange>,
) -> Result<Json<ExtensionOut>, Problem> {
    let own = matches!(caller.scope(), Scope::Own(own) if own == number);
    if !own || change.password.is_some() || !change.settings.is_own() {
        caller.must_administer()?;
    }
    let old = app.store.extension(&number).await?.ok_or(Kind::NoSuchExtension)?;
    let mut extension = with_settings(old, change.settings)?;
    if let Some(password) = change.password {
        passwords::check(&password, &number)?;
        extension.ha1 = store::ha1(&number, app.store.realm(), &password);
    }
    app.store.put_extension(&extension).await?;
    tracing::info!(by = caller.0.id, "extension changed");
    app.switch.command(Command::PutExtension(Box::new(extension.clone()))).await?;
    Ok(Json(extension.into()))
}

/// Remove an extension
///
/// Its registrations go with it; calls it has go on. Users bound to it lose the binding.
#[utoipa::path(delete, path = "/extensions/{number}", tag = "extensions",
    params(("number" = String, Path, description = "The extension's number")),
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
    Path(number): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.must_administer()?;
    app.store.extension(&number).await?.ok_or(Kind::NoSuchExtension)?;
    // The switch first: if it refuses, the extension is still there for a second try.
    app.switch.command(Command::RemoveExtension { number: number.clone() }).await?;
    app.store.remove_extension(&number).await?;
    tracing::info!(by = caller.0.id, "extension removed");
    Ok(StatusCode::NO_CONTENT)
}

fn networks(list: &[String]) -> Result<Vec<model::Net>, Problem> {
    if list.len() > MAX_NETWORKS {
        return Err(Problem::because(Kind::BadBody, format!("allow holds at most {MAX_NETWORKS} networks")));
    }
    list.iter().map(|text| text.parse().map_err(|cause| Problem::because(Kind::BadBody, cause))).collect()
}

fn are_codecs(list: &[String]) -> Result<(), Problem> {
    let wrong = list.iter().find(|name| !model::is_codec_name(name));
    match (wrong, list.len()) {
        (Some(name), _) => Err(Problem::because(Kind::BadBody, format!("\"{name}\" is no codec's name"))),
        (None, ..=model::MAX_CODECS) => Ok(()),
        (None, _) => Err(Problem::because(Kind::BadBody, format!("codecs holds at most {}", model::MAX_CODECS))),
    }
}

fn watchers(text: &str) -> Result<model::WatchedBy, Problem> {
    let watched_by = text.parse().map_err(|cause| Problem::because(Kind::BadBody, cause))?;
    match &watched_by {
        model::WatchedBy::Only(numbers) if numbers.len() > MAX_WATCHERS => {
            Err(Problem::because(Kind::BadBody, format!("watched_by names at most {MAX_WATCHERS} numbers")))
        }
        _ => Ok(watched_by),
    }
}

fn with_settings(extension: Extension, settings: ExtensionSettings) -> Result<Extension, Problem> {
    let ExtensionSettings {
        allow,
        monitor,
        intercom,
        auto_answer,
        srtp,
        codecs,
        contacts,
        watched_by,
        inband_dtmf,
        media,
        forward,
        do_not_disturb,
        call_waiting,
        ..
    } = settings;
    let ExtensionSettings { name, enabled, record, ring_seconds, max_calls, rights, outside_number, .. } = settings;
    let in_range = |name: &str, value: Option<u16>, range: RangeInclusive<u16>| match value {
        Some(value) if !range.contains(&value) => {
            let cause = format!("{name} must be from {} to {}", range.start(), range.end());
            Err(Problem::because(Kind::BadBody, cause))
        }
        _ => Ok(()),
    };
    in_range("ring_seconds", ring_seconds, RING_SECONDS)?;
    in_range("max_calls", max_calls, MAX_CALLS)?;
    in_range("contacts", contacts, CONTACTS)?;
    let watched_by = watched_by.as_deref().map(watchers).transpose()?;
    let allow = allow.as_deref().map(networks).transpose()?;
    codecs.as_deref().map_or(Ok(()), are_codecs)?;
    if let Some(forward) = &forward {
        forward.check(&extension.number).map_err(|cause| Problem::because(Kind::BadBody, cause))?;
    }
    Ok(Extension {
        allow: allow.unwrap_or(extension.allow),
        srtp: srtp.map_or(extension.srtp, |srtp| srtp.0),
        codecs: codecs.unwrap_or(extension.codecs),
        inband_dtmf: inband_dtmf.unwrap_or(extension.inband_dtmf),
        media: media.unwrap_or(extension.media),
        name: name.unwrap_or(extension.name),
        enabled: enabled.unwrap_or(extension.enabled),
        record: record.unwrap_or(extension.record),
        ring_seconds: ring_seconds.unwrap_or(extension.ring_seconds),
        max_calls: max_calls.unwrap_or(extension.max_calls),
        rights: rights.map_or(extension.rights, |rights| rights.0),
        outside_number: outside_number.unwrap_or(extension.outside_number),
        monitor: monitor.unwrap_or(extension.monitor),
        intercom: intercom.unwrap_or(extension.intercom),
        auto_answer: auto_answer.unwrap_or(extension.auto_answer),
        contacts: contacts.unwrap_or(extension.contacts),
        watched_by: watched_by.unwrap_or(extension.watched_by),
        forward: forward.unwrap_or(extension.forward),
        do_not_disturb: do_not_disturb.unwrap_or(extension.do_not_disturb),
        call_waiting: call_waiting.unwrap_or(extension.call_waiting),
        ..extension
    })
}
