//! Conferences, and supervisors who take part in conversations.

use super::calls::must_see;
use crate::caller::Caller;
use crate::extract::{Body, Call, Path};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{CallId, Command, Conference, RecordingWish, Reply, Supervision};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A conference that somebody is in.
#[derive(Serialize, ToSchema)]
pub(super) struct ConferenceOut {
    /// Its name: that of its route, or the id of the call it was made of.
    name: String,
    /// Since when, Unix milliseconds.
    since: u64,
    /// In the order in which they came.
    members: Vec<MemberOut>,
    /// What is said in it is being recorded.
    recording: bool,
}

/// Somebody in a conference.
#[derive(Serialize, ToSchema)]
pub(super) struct MemberOut {
    /// The id of its call.
    call: String,
    /// Its number within that call.
    leg: u16,
    /// Its number.
    number: String,
    /// Nobody hears it.
    muted: bool,
}

impl From<Conference> for ConferenceOut {
    fn from(conference: Conference) -> Self {
        let members = conference.members.iter().map(|member| MemberOut {
            call: member.call.to_string(),
            leg: member.leg,
            number: member.number.clone(),
            muted: member.muted,
        });
        let members = members.collect();
        let Conference { name, since, recording, .. } = conference;
        Self { name, since, members, recording }
    }
}

/// The name of a conference.
#[derive(Serialize, ToSchema)]
pub(super) struct ConferenceName {
    /// For `/conferences/{name}`.
    name: String,
}

/// Who shall come.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InviteIn {
    /// The extension whose phones are called.
    extension: String,
}

/// The call by which somebody comes.
#[derive(Serialize, ToSchema)]
pub(super) struct CallIdOut {
    /// Its id.
    id: String,
}

/// A member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberIn {
    /// The id of its call.
    call: String,
    /// Its number within that call.
    leg: u16,
}

/// A member that is muted, or no longer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MuteIn {
    /// The id of its call.
    call: String,
    /// Its number within that call.
    leg: u16,
    /// Nobody hears it.
    muted: bool,
}

/// What is wished of a conference's recording.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordConferenceIn {
    /// `start` (a file of its own if there has been one before), `pause` (silence is recorded), `resume`, `stop`.
    #[schema(value_type = String)]
    wish: RecordingWish,
}

/// How a supervisor takes part.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum How {
    /// It hears both, and nobody hears it.
    Listen,
    /// The party of the leg hears it, the other one does not.
    Whisper,
    /// Both hear it.
    Barge,
}

/// A supervisor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SuperviseIn {
    /// The extension whose phone is called, unless it takes part already.
    extension: String,
    /// The party that whispering is for, by its number within the call.
    leg: u16,
    /// How it takes part.
    mode: How,
}

/// List conferences
///
/// Those that somebody is in now. Not for agents.
#[utoipa::path(get, path = "/conferences", tag = "live",
    responses(
        (status = 200, body = Vec<ConferenceOut>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<Vec<ConferenceOut>>, Problem> {
    caller.must_see_all()?;
    Ok(Json(app.switch.conferences().await?.into_iter().map(ConferenceOut::from).collect()))
}

/// Make a conference of a call
///
/// The two who speak with each other go on in a conference that bears the call's id; others can be called into it. An agent can
/// do it in calls of its own extension.
#[utoipa::path(post, path = "/calls/{id}/conference", tag = "live",
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 201, body = ConferenceName),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn make(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
) -> Result<(StatusCode, Json<ConferenceName>), Problem> {
    must_see(&app, &caller, id).await?;
    match app.switch.do_command(Command::Confer { call: id }).await? {
        Reply::Conference { name } => Ok((StatusCode::CREATED, Json(ConferenceName { name }))),
        other => Err(Problem::ours(&format!("a conference wished, answered {other:?}"))),
    }
}

/// Call somebody into a conference
///
/// The phones of an extension are called; whoever answers is in it. Not for agents.
#[utoipa::path(post, path = "/conferences/{name}/members", tag = "live", request_body = InviteIn,
    params(("name" = String, Path, description = "The conference's name")),
    responses(
        (status = 202, body = CallIdOut),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn invite(
    caller: Caller,
    State(app): State<App>,
    Path(conference): Path<String>,
    Body(InviteIn { extension }): Body<InviteIn>,
) -> Result<(StatusCode, Json<CallIdOut>), Problem> {
    caller.must_see_all()?;
    called(&app, Command::Invite { conference, extension }).await
}

/// Send a member away
///
/// Its leg is hung up. Not for agents.
#[utoipa::path(post, path = "/conferences/{name}/dismiss", tag = "live", request_body = MemberIn,
    params(("name" = String, Path, description = "The conference's name")),
    responses(
        (status = 204, description = "It is being hung up"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn dismiss(
    caller: Caller,
    State(app): State<App>,
    Path(conference): Path<String>,
    Body(MemberIn { call, leg }): Body<MemberIn>,
) -> Result<StatusCode, Problem> {
    caller.must_see_all()?;
    app.switch.command(Command::Dismiss { conference, call: call_id(&call)?, leg }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Mute a member
///
/// Nobody in the conference hears it, or all do again. Not for agents.
#[utoipa::path(post, path = "/conferences/{name}/mute", tag = "live", request_body = MuteIn,
    params(("name" = String, Path, description = "The conference's name")),
    responses(
        (status = 204, description = "Done"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn mute(
    caller: Caller,
    State(app): State<App>,
    Path(conference): Path<String>,
    Body(MuteIn { call, leg, muted }): Body<MuteIn>,
) -> Result<StatusCode, Problem> {
    caller.must_see_all()?;
    app.switch.command(Command::Mute { conference, call: call_id(&call)?, leg, muted }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Record a conference
///
/// One file of all that is said, in one channel; the record of each member names it. 409 if it is not in a state for that. Not for
/// agents.
#[utoipa::path(post, path = "/conferences/{name}/recording", tag = "live", request_body = RecordConferenceIn,
    params(("name" = String, Path, description = "The conference's name")),
    responses(
        (status = 204, description = "Done"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn record(
    caller: Caller,
    State(app): State<App>,
    Path(conference): Path<String>,
    Body(RecordConferenceIn { wish }): Body<RecordConferenceIn>,
) -> Result<StatusCode, Problem> {
    caller.must_see_all()?;
    app.switch.command(Command::RecordConference { conference, wish }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End a conference
///
/// All members are hung up. Not for agents.
#[utoipa::path(delete, path = "/conferences/{name}", tag = "live",
    params(("name" = String, Path, description = "The conference's name")),
    responses(
        (status = 204, description = "They are being hung up"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn end(
    caller: Caller,
    State(app): State<App>,
    Path(conference): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.must_see_all()?;
    app.switch.command(Command::EndConference { conference }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Supervise
///
/// The supervisor's phone is called; once it has answered it listens to the conversation, whispers to the party of a leg, or joins
/// in. Asked again for the same extension, it changes how that takes part. For supervisors and administrators.
#[utoipa::path(post, path = "/calls/{id}/supervise", tag = "live", request_body = SuperviseIn,
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 202, description = "The phone is being called", body = CallIdOut),
        (status = 204, description = "It takes part in another way now"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn supervise(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
    Body(SuperviseIn { extension, leg, mode }): Body<SuperviseIn>,
) -> Result<axum::response::Response, Problem> {
    use axum::response::IntoResponse as _;
    caller.must_supervise()?;
    let how = match mode {
        How::Listen => Supervision::Listen,
        How::Whisper => Supervision::Whisper,
        How::Barge => Supervision::Barge,
    };
    tracing::info!(call = %id, leg, ?how, by = caller.0.id, "a call is supervised by command");
    match app.switch.do_command(Command::Supervise { call: id, leg, extension, how }).await? {
        Reply::Call { id } => Ok((StatusCode::ACCEPTED, Json(CallIdOut { id: id.to_string() })).into_response()),
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

async fn called(app: &App, command: Command) -> Result<(StatusCode, Json<CallIdOut>), Problem> {
    match app.switch.do_command(command).await? {
        Reply::Call { id } => Ok((StatusCode::ACCEPTED, Json(CallIdOut { id: id.to_string() }))),
        other => Err(Problem::ours(&format!("a call wished, answered {other:?}"))),
    }
}

fn call_id(text: &str) -> Result<CallId, Problem> {
    text.parse().map_err(|_| Problem::because(Kind::BadBody, "a call id is a UUID"))
}
