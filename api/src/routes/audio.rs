//! A leg's sound for programs: over WebSocket, and for a recogniser of speech.

use super::calls::must_see;
use crate::caller::Caller;
use crate::extract::{Body, Call, Path, Query};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use crate::switch::AudioRequest;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::StatusCode;
use axum::response::Response;
use model::{AudioFormat, CallId, Listening};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// The longest message of a program, octets: two seconds of sound at 16 kHz.
const MAX_MESSAGE: usize = 64 << 10;

/// How a program wants to be connected.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wish {
    /// The form of the sound: 16-bit samples, the low octet first, at 8 or 16 kHz, or packets of Opus of 20 ms, one in a message.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// What the program hears: what the party says, what others say to it, or both.
    #[serde(default)]
    #[param(inline)]
    hears: What,
    /// The party hears what the program says, beside whomever it hears.
    #[serde(default)]
    speaks: bool,
    /// What the program said and was not heard yet is dropped when the party begins to speak.
    #[serde(default)]
    barge_in: bool,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    #[default]
    Pcm8,
    Pcm16,
    Opus,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    #[default]
    Says,
    Hears,
    Both,
}

/// Exchange sound with a leg
///
/// A WebSocket: binary messages are sound in both directions, as `format` says. The switch also sends text messages, JSON:
/// `{"event":"interrupted","dropped_ms":…}` when the party began to speak, `{"event":"ended",…}` at the end. A program may send
/// `{"command":"stop"}`: what it said and was not heard yet is dropped. Who reads too slowly misses the oldest sound; who says
/// more than 30 s ahead, too. Not for agents.
#[utoipa::path(get, path = "/calls/{id}/legs/{no}/audio", tag = "live", params(
        ("id" = String, Path, description = "The call's UUID"),
        ("no" = u16, Path, description = "The party's number within the call"),
        Wish,
    ),
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn connect(
    caller: Caller,
    State(app): State<App>,
    Path((id, leg)): Path<(String, u16)>,
    Query(wish): Query<Wish>,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    caller.must_see_all()?;
    let call: CallId = id.parse().map_err(|_| Problem::because(Kind::BadParameter, "a call id is a UUID"))?;
    let socket = socket.map_err(|_| Problem::because(Kind::BadParameter, "this is to be opened as a WebSocket"))?;
    let Wish { format, hears, speaks, barge_in } = wish;
    let format = match format {
        Format::Pcm8 => AudioFormat::Pcm8,
        Format::Pcm16 => AudioFormat::Pcm16,
        Format::Opus => AudioFormat::Opus,
    };
    let listening = match hears {
        What::Says => Listening::Says,
        What::Hears => Listening::Hears,
        What::Both => Listening::Both,
    };
    let connected = app.switch.audio((call, leg), AudioRequest { format, listening, speaks, barge_in }).await?;
    tracing::info!(call = %call, leg, by = caller.0.id, "a program asks for the sound of a leg");
    Ok(socket
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .on_upgrade(async move |socket| connected(socket)))
}

/// A party that shall be listened to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecogniseIn {
    /// Its number within the call.
    leg: u16,
}

/// Recognise speech
///
/// The recogniser of `[asr]` listens to a party until that leaves; what it understands comes as events. 409 where no recogniser is
/// set. An agent can do it in calls of its own extension.
#[utoipa::path(post, path = "/calls/{id}/recognise", tag = "live", request_body = RecogniseIn,
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 204, description = "The party is being listened to"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn recognise(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
    Body(RecogniseIn { leg }): Body<RecogniseIn>,
) -> Result<StatusCode, Problem> {
    must_see(&app, &caller, id).await?;
    app.switch.recognise((id, leg)).await?;
    Ok(StatusCode::NO_CONTENT)
}
