//! Prompts played into calls.

use super::calls::must_see;
use crate::caller::Caller;
use crate::extract::{Body, Call};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use axum::extract::State;
use axum::http::StatusCode;
use model::{
    CallId, Command, Item, MAX_ITEMS, MAX_SPEED, MAX_TEXT, MIN_SPEED, Playback, RecordingChoice, RecordingWish, Spoken,
    is_prompt_name,
};
use serde::Deserialize;
use utoipa::ToSchema;

/// What is to be played.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlayIn {
    /// To whom: a party's number within the call; left out: to both that speak with each other.
    leg: Option<u16>,
    /// Names of prompts, played one after the other.
    #[serde(default)]
    #[schema(max_items = 64)]
    prompts: Vec<String>,
    /// What is said after them.
    #[serde(default)]
    #[schema(max_items = 64)]
    say: Vec<SayIn>,
    /// How often; 0: until it is stopped.
    #[serde(default = "once")]
    times: u32,
    /// How much louder, in decibels from -40 to 20.
    #[serde(default)]
    volume_db: f32,
    /// A key that the party presses ends it.
    #[serde(default)]
    barge_in: bool,
}

/// A text, or something that is said with the clips of a language (`patchbay prompts make`): exactly one of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SayIn {
    /// A text for the speech engine.
    #[schema(max_length = 4000)]
    text: Option<String>,
    /// The engine's name of a voice.
    #[serde(default)]
    voice: String,
    /// How fast, percent.
    #[serde(default = "usual_speed")]
    #[schema(minimum = 50, maximum = 200)]
    speed: u16,
    /// A whole number.
    number: Option<i64>,
    /// Digits one by one.
    #[schema(max_length = 64)]
    digits: Option<String>,
    /// An amount of yuan, in fen.
    yuan: Option<i64>,
    /// An amount of dollars, in cents.
    dollars: Option<i64>,
    /// A day, `2026-11-21`.
    date: Option<String>,
    /// A time, `14:05`.
    time: Option<String>,
    /// `zh` or `en`.
    #[serde(default = "zh")]
    language: String,
}

fn zh() -> String {
    "zh".to_owned()
}

fn usual_speed() -> u16 {
    100
}

impl SayIn {
    /// `None` if it says nothing, two things at once, or what cannot be read.
    fn item(self) -> Option<Item> {
        let numbers =
            |text: &str, by: char| text.split(by).map(|part| part.parse::<u16>().ok()).collect::<Option<Vec<_>>>();
        let date = |text: String| match numbers(&text, '-')?[..] {
            [year, month, day] => Some(Spoken::Date(year, month.try_into().ok()?, day.try_into().ok()?)),
            _ => None,
        };
        let time = |text: String| match numbers(&text, ':')?[..] {
            [hour, minute] => Some(Spoken::Time(hour.try_into().ok()?, minute.try_into().ok()?)),
            _ => None,
        };
        let spoken = [
            self.number.map(|value| Some(Spoken::Number(value))),
            self.digits.map(|digits| Some(Spoken::Digits(digits))),
            self.yuan.map(|fen| Some(Spoken::Yuan(fen))),
            self.dollars.map(|cents| Some(Spoken::Dollars(cents))),
            self.date.map(date),
            self.time.map(time),
        ];
        let mut spoken = spoken.into_iter().flatten();
        let readable =
            |text: &String| (1..=MAX_TEXT).contains(&text.len()) && text.chars().all(|c| c == '\n' || !c.is_control());
        match (self.text, spoken.next(), spoken.next()) {
            (Some(text), None, None) if readable(&text) && (MIN_SPEED..=MAX_SPEED).contains(&self.speed) => {
                Some(Item::Text { text, voice: self.voice, speed: self.speed })
            }
            (None, Some(what), None) => Some(Item::Spoken { what: what?, language: self.language }),
            _ => None,
        }
    }
}

fn once() -> u32 {
    1
}

/// What is to be stopped.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StopIn {
    /// For whom; left out: for all.
    leg: Option<u16>,
}

/// Play prompts, texts, numbers
///
/// To one party of a call or to both, instead of what they hear; what was played to them before ends. Answered when playing
/// begins. An agent can do it in calls of its own extension.
#[utoipa::path(post, path = "/calls/{id}/play", tag = "live", request_body = PlayIn,
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 204, description = "It is being played"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`no_such_call`, `no_such_prompt`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn play(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
    Body(PlayIn { leg, prompts, say, times, volume_db, barge_in }): Body<PlayIn>,
) -> Result<StatusCode, Problem> {
    let bad = |cause: &str| Err(Problem::because(Kind::BadBody, cause));
    if !(1..=MAX_ITEMS).contains(&(prompts.len() + say.len())) {
        return bad("prompts and say must hold 1 to 64 together");
    }
    if !(-40.0..=20.0).contains(&volume_db) {
        return bad("volume_db must be from -40 to 20");
    }
    if !prompts.iter().all(|name| is_prompt_name(name)) {
        return Err(Kind::NoSuchPrompt.into());
    }
    let Some(said) = say.into_iter().map(SayIn::item).collect::<Option<Vec<_>>>() else {
        return bad("each of say must have exactly one thing that can be said");
    };
    let items = prompts.into_iter().map(Item::Prompt).chain(said).collect();
    let play = Box::new(Playback { items, times, volume_db, barge_in });
    command(&app, &caller, id, Command::Play { call: id, leg, play }).await
}

/// Stop playing
///
/// Ends what was begun by `play`; 409 if nothing is being played. An agent can do it in calls of its own extension.
#[utoipa::path(post, path = "/calls/{id}/stop", tag = "live", request_body = StopIn,
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 204, description = "It is over"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn stop(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
    Body(StopIn { leg }): Body<StopIn>,
) -> Result<StatusCode, Problem> {
    command(&app, &caller, id, Command::StopPlay { call: id, leg }).await
}

/// What is wished of a recording.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordIn {
    /// `start` (a file of its own if there has been a recording before), `pause` (silence is recorded), `resume`, `stop`.
    #[schema(value_type = String)]
    wish: RecordingWish,
    /// With `start`: only as long as this party is in the conversation; left out: until the call ends.
    leg: Option<u16>,
    /// With `start`: both voices in one channel, or one channel for each; left out: as the configuration says.
    mixed: Option<bool>,
}

/// Control the recording
///
/// Begins, interrupts, continues or ends the recording of a call in conversation; 409 if it is not in a state for that. Agents can
/// do it in the calls of their own extension.
#[utoipa::path(post, path = "/calls/{id}/recording", tag = "live", request_body = RecordIn,
    params(("id" = String, Path, description = "The call's UUID")),
    responses(
        (status = 204, description = "Done"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn record(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
    Body(RecordIn { wish, leg, mixed }): Body<RecordIn>,
) -> Result<StatusCode, Problem> {
    if wish != RecordingWish::Start && (leg.is_some() || mixed.is_some()) {
        return Err(Problem::because(Kind::BadBody, "leg and mixed go with start"));
    }
    let choice = RecordingChoice { leg, mixed };
    command(&app, &caller, id, Command::Record { call: id, wish, choice }).await
}

/// A command about a call as a whole: an agent's own calls are those of its extension.
pub(super) async fn command(app: &App, caller: &Caller, id: CallId, command: Command) -> Result<StatusCode, Problem> {
    must_see(app, caller, id).await?;
    app.switch.command(command).await?;
    Ok(StatusCode::NO_CONTENT)
}
