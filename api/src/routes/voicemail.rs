//! Mailboxes, and the messages in them. An agent sees those of its own extension.

use super::recording;
use crate::caller::{Caller, Scope};
use crate::extract::{Body, Path};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::wire::{MailboxOut, MailboxSettings, VoicemailChange, VoicemailOut};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{Command, Mailbox, Voicemail};

/// List mailboxes
///
/// An agent sees those that belong to its extension.
#[utoipa::path(get, path = "/voicemail", tag = "voicemail",
    responses(
        (status = 200, body = Vec<MailboxOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<MailboxOut>>, Problem> {
    let mailboxes = app.store.mailboxes().await?.into_iter();
    Ok(Json(mailboxes.filter(|mailbox| may_hear(&caller, mailbox)).map(MailboxOut::from).collect()))
}

/// Get a mailbox
#[utoipa::path(get, path = "/voicemail/{mailbox}", tag = "voicemail",
    params(("mailbox" = String, Path, description = "The mailbox's name")),
    responses(
        (status = 200, body = MailboxOut),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<MailboxOut>, Problem> {
    Ok(Json(find(&app, &caller, &name).await?.into()))
}

/// Add or change a mailbox
///
/// All of its settings, the PIN too: what is left out is as usual. Messages stay.
#[utoipa::path(put, path = "/voicemail/{mailbox}", tag = "voicemail",
    params(("mailbox" = String, Path, description = "The mailbox's name")), request_body = MailboxSettings,
    responses(
        (status = 200, body = MailboxOut),
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
    Body(mailbox): Body<Mailbox>,
) -> Result<Json<MailboxOut>, Problem> {
    caller.must_administer()?;
    let mailbox = Mailbox { name, ..mailbox };
    mailbox.check().map_err(|cause| Problem::because(Kind::BadBody, cause))?;
    if !app.store.put_mailbox(&mailbox).await? {
        return Err(Kind::TooManyItems.into());
    }
    tracing::info!(by = caller.0.id, "mailbox set");
    app.switch.command(Command::PutMailbox(Box::new(mailbox.clone()))).await?;
    Ok(Json(mailbox.into()))
}

/// Remove a mailbox
///
/// And all messages in it.
#[utoipa::path(delete, path = "/voicemail/{mailbox}", tag = "voicemail",
    params(("mailbox" = String, Path, description = "The mailbox's name")),
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
    let mailbox = find(&app, &caller, &name).await?;
    // The switch first: if it refuses, the mailbox is still there for a second try.
    app.switch.command(Command::RemoveMailbox { name: name.clone() }).await?;
    let messages = app.store.voicemails(&name).await?;
    app.store.remove_mailbox(&name).await?;
    for message in messages {
        app.recordings.remove(&message.path).await;
    }
    tell_lamps(&app, &mailbox).await?;
    tracing::info!(by = caller.0.id, "mailbox removed");
    Ok(StatusCode::NO_CONTENT)
}

/// List messages
///
/// Those that nobody has heard first.
#[utoipa::path(get, path = "/voicemail/{mailbox}/messages", tag = "voicemail",
    params(("mailbox" = String, Path, description = "The mailbox's name")),
    responses(
        (status = 200, body = Vec<VoicemailOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn messages(
    caller: Caller,
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Vec<VoicemailOut>>, Problem> {
    find(&app, &caller, &name).await?;
    Ok(Json(app.store.voicemails(&name).await?.into_iter().map(VoicemailOut::from).collect()))
}

/// Mark a message
///
/// As heard, or as new again. The message lamps follow.
#[utoipa::path(put, path = "/voicemail/{mailbox}/messages/{id}", tag = "voicemail",
    params(("mailbox" = String, Path, description = "The mailbox's name"), ("id" = i64, Path, description = "Its number")),
    request_body = VoicemailChange,
    responses(
        (status = 204, description = "Marked"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn mark(
    caller: Caller,
    State(app): State<App>,
    Path((name, id)): Path<(String, i64)>,
    Body(change): Body<VoicemailChange>,
) -> Result<StatusCode, Problem> {
    let mailbox = find(&app, &caller, &name).await?;
    if !app.store.mark_voicemail(&name, id, change.heard).await? {
        return Err(Kind::NoSuchVoicemail.into());
    }
    tell_lamps(&app, &mailbox).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a message
#[utoipa::path(delete, path = "/voicemail/{mailbox}/messages/{id}", tag = "voicemail",
    params(("mailbox" = String, Path, description = "The mailbox's name"), ("id" = i64, Path, description = "Its number")),
    responses(
        (status = 204, description = "Removed"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn discard(
    caller: Caller,
    State(app): State<App>,
    Path((name, id)): Path<(String, i64)>,
) -> Result<StatusCode, Problem> {
    let mailbox = find(&app, &caller, &name).await?;
    let message = find_message(&app, &name, id).await?;
    app.store.remove_voicemail(&name, id).await?;
    app.recordings.remove(&message.path).await;
    tell_lamps(&app, &mailbox).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Download a message
///
/// One channel. One range of bytes may be asked for.
#[utoipa::path(get, path = "/voicemail/{mailbox}/messages/{id}/audio", tag = "voicemail",
    params(
        ("mailbox" = String, Path, description = "The mailbox's name"),
        ("id" = i64, Path, description = "Its number"),
        ("range" = Option<String>, Header, description = "`bytes=0-1023`, `bytes=1024-` or `bytes=-1024`"),
    ),
    responses(
        (status = 200, description = "The file", content_type = "audio/wav", body = Vec<u8>),
        (status = 206, description = "The part asked for", content_type = "audio/wav", body = Vec<u8>),
        (status = 304, description = "Not modified since the If-Modified-Since given"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`no_such_mailbox`, `no_such_voicemail`, `recording_missing`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 416, description = "The file has no such part", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 502, description = "`recording_unreachable`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`recording_locked`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn audio(
    caller: Caller,
    State(app): State<App>,
    Path((name, id)): Path<(String, i64)>,
    request: Request,
) -> Result<Response, Problem> {
    find(&app, &caller, &name).await?;
    let message = find_message(&app, &name, id).await?;
    recording::serve(&app, message.call, &message.path, request).await
}

fn may_hear(caller: &Caller, mailbox: &Mailbox) -> bool {
    match caller.scope() {
        Scope::All => true,
        Scope::Own(extension) => mailbox.is_of(&extension),
        Scope::Nothing => false,
    }
}

async fn find(app: &App, caller: &Caller, name: &str) -> Result<Mailbox, Problem> {
    let mailbox = app.store.mailbox(name).await?.filter(|mailbox| may_hear(caller, mailbox));
    Ok(mailbox.ok_or(Kind::NoSuchMailbox)?)
}

async fn find_message(app: &App, mailbox: &str, id: i64) -> Result<Voicemail, Problem> {
    Ok(app.store.voicemail(mailbox, id).await?.ok_or(Kind::NoSuchVoicemail)?)
}

/// The lamps of those who own a mailbox show what waits for them.
async fn tell_lamps(app: &App, mailbox: &Mailbox) -> Result<(), Problem> {
    for extension in &mailbox.extensions {
        let (new, old) = app.store.voicemail_counts(extension).await?;
        // One that does not exist has no lamp.
        if app.store.extension(extension).await?.is_some() {
            app.switch.command(Command::SetMessages { extension: extension.clone(), new, old }).await?;
        }
    }
    Ok(())
}
