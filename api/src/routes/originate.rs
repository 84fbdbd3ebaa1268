//! Calls that a client wants placed.

use crate::caller::{Caller, Scope};
use crate::extract::Body;
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Command, Originate, Reply};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use utoipa::ToSchema;

const RING_SECONDS: RangeInclusive<u16> = 5..=600;

/// A call to be placed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallIn {
    /// The extension whose phone is called first, and whose rights count.
    #[schema(example = "1001")]
    extension: String,
    /// The number that is called once that phone has answered: 1 to 64 of `0-9 a-z A-Z . _ + * # -`.
    #[schema(example = "13800138000", max_length = 64)]
    to: String,
    /// How long that phone may ring, 5 to 600; else as long as for any call.
    #[schema(minimum = 5, maximum = 600)]
    ring_seconds: Option<u16>,
    /// The number that the called party is shown; else as for a call from the phone. Not for agents.
    #[schema(max_length = 64)]
    shown_number: Option<String>,
    /// Only by this trunk, if the number goes out by trunks. Not for agents.
    trunk: Option<String>,
    /// Ask that phone to answer by itself. Usually false.
    #[serde(default)]
    auto_answer: bool,
    /// Listen to what the called network and party say with tones and voices, and tell it by events and in the record: busy and
    /// the like, fax, a person or a machine. Usually false.
    #[serde(default)]
    call_progress: bool,
    /// Kept with the call's record: at most 32, names and values of at most 256 characters.
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// A call that is being placed.
#[derive(Serialize, ToSchema)]
pub(super) struct CallPlaced {
    /// The call's UUID.
    id: String,
}

/// Place a call
///
/// Calls an extension's own phone and, as soon as it has answered, a number, by the extension's rights and the usual routes. What
/// becomes of it is told by events and the record. An agent can do it for its own extension.
#[utoipa::path(post, path = "/calls", tag = "live", request_body = CallIn,
    responses(
        (status = 201, body = CallPlaced),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`no_such_extension`, `no_such_trunk`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "`not_registered`: no phone of the extension is there", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "`bad_destination`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn place(
    caller: Caller,
    State(app): State<App>,
    Body(wish): Body<CallIn>,
) -> Result<(StatusCode, Json<CallPlaced>), Problem> {
    let plain = wish.shown_number.is_none() && wish.trunk.is_none();
    match caller.scope() {
        Scope::All => {}
        Scope::Own(own) if own == wish.extension && plain => {}
        Scope::Own(_) | Scope::Nothing => return Err(Kind::Forbidden.into()),
    }
    if wish.ring_seconds.is_some_and(|seconds| !RING_SECONDS.contains(&seconds)) {
        return Err(Problem::because(Kind::BadBody, "ring_seconds must be from 5 to 600"));
    }
    let long = |text: &String| text.chars().count() > Originate::MAX_VARIABLE;
    if wish.variables.len() > Originate::MAX_VARIABLES || wish.variables.iter().any(|(k, v)| long(k) || long(v)) {
        let cause = "variables: at most 32, names and values of at most 256 characters";
        return Err(Problem::because(Kind::BadBody, cause));
    }
    let CallIn { extension, to, ring_seconds, shown_number: shown, trunk, auto_answer, call_progress, variables } =
        wish;
    let only_routed = false;
    let wish =
        Originate { extension, to, ring_seconds, shown, trunk, only_routed, auto_answer, call_progress, variables };
    match app.switch.do_command(Command::Originate(Box::new(wish))).await? {
        Reply::Call { id } => {
            tracing::info!(call = %id, by = caller.0.id, "call placed by command");
            Ok((StatusCode::CREATED, Json(CallPlaced { id: id.to_string() })))
        }
        Reply::Done | Reply::Message { .. } | Reply::Conference { .. } | Reply::Audio { .. } => {
            Err(Problem::ours(&"a call was placed and has no id"))
        }
    }
}
