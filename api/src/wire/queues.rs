//! Queues and agents on the wire. Settings travel as the model has them; the types here that nobody makes describe them.

use model::{Agent, AgentStatus, Queue, QueueStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A queue: how it is set up, and how it is now.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueueOut {
    #[schema(value_type = QueueSettings)]
    settings: Queue,
    now: QueueNow,
}

/// How a queue is now, and its counts since they began.
#[derive(Serialize, ToSchema, Default)]
pub(crate) struct QueueNow {
    /// Callers who wait.
    waiting: usize,
    /// The callers, the first in line first.
    callers: Vec<CallerOut>,
    /// Who has waited longest has waited so long, milliseconds.
    longest_ms: u64,
    /// Agents logged in to it.
    agents: usize,
    /// Of these, those who are free.
    free: usize,
    /// Callers who came.
    entered: u64,
    /// Callers whom an agent took.
    answered: u64,
    /// Of these, within the service level.
    in_time: u64,
    /// Callers who hung up, those apart who did at once.
    abandoned: u64,
    /// Callers who hung up at once.
    abandoned_at_once: u64,
    /// Callers who were sent or went elsewhere.
    elsewhere: u64,
    /// Of a hundred callers who did not hang up at once, so many were answered in time; `null` before the first.
    service_level_percent: Option<u8>,
    /// The average speed of answer, milliseconds; `null` before the first.
    average_wait_ms: Option<u64>,
    /// All talking together, milliseconds.
    talked_ms: u64,
    /// Times that an agent was asked in vain.
    missed: u64,
}

/// Somebody who waits.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallerOut {
    /// Which call.
    call: String,
    /// Its number; empty if nobody knows.
    number: String,
    /// Since when, Unix milliseconds.
    since: u64,
}

impl QueueOut {
    pub(crate) fn new(settings: Queue, now: Option<QueueStatus>) -> Self {
        Self { settings, now: now.map(QueueNow::from).unwrap_or_default() }
    }
}

impl From<QueueStatus> for QueueNow {
    fn from(status: QueueStatus) -> Self {
        let caller = |caller: model::WaitingCaller| CallerOut {
            call: caller.call.to_string(),
            number: caller.number,
            since: caller.since,
        };
        Self {
            waiting: status.callers.len(),
            callers: status.callers.into_iter().map(caller).collect(),
            longest_ms: status.longest_ms,
            agents: status.agents,
            free: status.free,
            entered: status.entered,
            answered: status.answered,
            in_time: status.in_time,
            abandoned: status.abandoned,
            abandoned_at_once: status.abandoned_at_once,
            elsewhere: status.elsewhere,
            service_level_percent: status.service_level_percent,
            average_wait_ms: status.average_wait_ms,
            talked_ms: status.talked_ms,
            missed: status.missed,
        }
    }
}

/// An agent: how it is set up, and what it is doing.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentOut {
    #[schema(value_type = AgentSettings)]
    settings: Agent,
    now: AgentNow,
}

/// What an agent is doing, and its counts since they began.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentNow {
    /// `logged_out`, `ready`, `unavailable` (ready, but its phone is in another call, is not there, or rests), `busy`, `rest`,
    /// `offered`, `talking` or `wrap_up`.
    state: &'static str,
    /// Why it is busy or rests; empty otherwise.
    reason: String,
    /// Where it sits; empty when logged out.
    extension: String,
    /// The call that it is asked to take, or talks in.
    call: Option<String>,
    /// Calls it was asked to take.
    offered: u64,
    /// Calls it took.
    answered: u64,
    /// Calls that rang in vain or were refused.
    missed: u64,
    /// All talking together, milliseconds.
    talked_ms: u64,
    /// All work after calls together, milliseconds.
    wrapped_up_ms: u64,
}

impl AgentOut {
    pub(crate) fn new(settings: Agent, now: Option<AgentStatus>) -> Self {
        Self { settings, now: now.unwrap_or_default().into() }
    }
}

impl From<AgentStatus> for AgentNow {
    fn from(status: AgentStatus) -> Self {
        Self {
            state: status.state.name(),
            reason: status.state.reason().to_owned(),
            extension: status.extension,
            call: status.call.map(|call| call.to_string()),
            offered: status.offered,
            answered: status.answered,
            missed: status.missed,
            talked_ms: status.talked_ms,
            wrapped_up_ms: status.wrapped_up_ms,
        }
    }
}

/// How an agent comes to work.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogInAgent {
    /// Where it sits; empty: at the extension of its settings.
    #[serde(default)]
    pub(crate) extension: String,
    /// In these of its queues only; empty: in all.
    #[serde(default)]
    pub(crate) queues: Vec<String>,
    /// What it does first; left out: it is ready.
    pub(crate) duty: Option<DutyIn>,
    /// Why, if it is not ready.
    #[serde(default)]
    pub(crate) reason: String,
}

/// What an agent does.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetAgent {
    /// What.
    pub(crate) duty: DutyIn,
    /// Why, if it is not ready.
    #[serde(default)]
    pub(crate) reason: String,
}

/// A duty.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DutyIn {
    /// Takes calls; ends the work after a call.
    Ready,
    /// Does not.
    Busy,
    /// Has a rest.
    Rest,
}

impl DutyIn {
    pub(crate) fn with(self, reason: String) -> model::Duty {
        match self {
            Self::Ready => model::Duty::Ready,
            Self::Busy => model::Duty::Busy(reason),
            Self::Rest => model::Duty::Rest(reason),
        }
    }
}

/// How a queue is set up. What is left out is as usual.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes what travels")]
pub(crate) struct QueueSettings {
    /// Its name, as routes know it; that of the path goes before.
    #[schema(required = false)]
    name: String,
    /// Its number, which extensions can dial and send callers to; empty: routes alone lead to it.
    #[schema(required = false)]
    number: String,
    /// Who is asked first: `ring_all`, `longest_idle` (usual), `round_robin`, `fewest_calls`, `least_talk`, `random`, `linear` or
    /// `skills`. Everywhere a lower penalty comes before a higher one.
    #[schema(required = false)]
    strategy: String,
    /// An agent of several queues serves the one with the higher weight first.
    #[schema(required = false)]
    weight: u8,
    /// How long an agent's phone rings, seconds (20).
    #[schema(required = false)]
    ring_seconds: u16,
    /// Callers who may wait (100); one more goes elsewhere.
    #[schema(required = false)]
    max_length: u32,
    /// Who has waited so long goes elsewhere, seconds; 0: never.
    #[schema(required = false)]
    max_wait_seconds: u32,
    /// Who would probably wait longer than this goes elsewhere at once, seconds; 0: never.
    #[schema(required = false)]
    max_expected_wait_seconds: u32,
    /// Where no agent is logged in, callers go elsewhere instead of waiting.
    #[schema(required = false)]
    leave_when_empty: bool,
    /// What an agent does after a call.
    #[schema(required = false)]
    after_call: AfterCall,
    /// An agent who did not answer is not asked again before this has passed, seconds (5).
    #[schema(required = false)]
    rest_seconds: u16,
    /// After so many calls in a row that it did not answer, an agent is taken to be away; 0: never.
    #[schema(required = false)]
    away_after: u8,
    /// Whom a caller may get after waiting.
    #[schema(required = false)]
    widening: Vec<Widen>,
    /// A caller who comes back gets the agent of last time, if that one becomes free within this time, seconds; 0: anybody.
    #[schema(required = false)]
    sticky_seconds: u32,
    /// When a caller is told its place, first after so many seconds; 0: never.
    #[schema(required = false)]
    announce_seconds: u32,
    /// And then after each of these; 0: as the first.
    #[schema(required = false)]
    announce_every_seconds: u32,
    /// What is said of place and time.
    #[schema(required = false)]
    announcement: Announcement,
    /// An answer within this time counts as in time, seconds (20).
    #[schema(required = false)]
    service_level_seconds: u16,
    /// Who hangs up within this time is counted apart, seconds (5).
    #[schema(required = false)]
    short_abandon_seconds: u16,
    /// What an agent must know to be asked, and how well: levels by skill.
    #[schema(required = false)]
    needs: BTreeMap<String, u8>,
    /// Conversations are recorded.
    #[schema(required = false)]
    record: bool,
    /// The prompt that callers hear while they wait; empty: the music of those who are held.
    #[schema(required = false)]
    music: String,
    /// Where those go who wait no longer.
    #[schema(required = false)]
    overflow: Overflow,
    /// Where they go for a certain reason, if not there: by `closed`, `full`, `too_long`, `too_long_expected`, `no_agents`, `key`.
    #[schema(required = false)]
    overflow_for: BTreeMap<String, Overflow>,
    /// Who presses this key waits no longer: one of `0`–`9`, `*`, `#`.
    leave_key: Option<String>,
    /// Who presses this key is let go and called back in its turn: one of `0`–`9`, `*`, `#`.
    callback_key: Option<String>,
    /// What callers are asked when whoever spoke with them has hung up; null: nothing.
    survey: Option<SurveySettings>,
}

/// A question about how a caller was served, answered by a key.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes what travels")]
pub(crate) struct SurveySettings {
    /// The prompt that asks; after five seconds without an answer it asks once more.
    question: String,
    /// The prompt that thanks; empty: none.
    #[schema(required = false)]
    thanks: String,
    /// Answers are the keys from 1 to this, 2 to 9 (5).
    #[schema(required = false, minimum = 2, maximum = 9)]
    highest: u8,
}

/// What an agent does after a call.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it only describes what travels")]
pub(crate) enum AfterCall {
    /// Nothing: it is ready at once.
    None,
    /// For so many seconds, or until it says that it is ready.
    Seconds(u32),
    /// Until it says that it is ready.
    UntilReady,
}

/// From a waiting time on, other agents may be asked too.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes what travels")]
pub(crate) struct Widen {
    /// From this waiting time on, seconds.
    after_seconds: u32,
    /// Agents of at most this penalty; null: any.
    max_penalty: Option<u8>,
    /// Agents may lack so much of each level.
    #[schema(required = false)]
    less_level: u8,
}

/// How callers are told their place: prompts before and after the numbers; empty ones are left out.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes what travels")]
pub(crate) struct Announcement {
    /// `zh` or `en`, in which numbers are said.
    #[schema(required = false)]
    language: String,
    /// Before the place.
    #[schema(required = false)]
    before_place: String,
    /// After the place.
    #[schema(required = false)]
    after_place: String,
    /// Before the probable waiting time in minutes; empty: the time is not told.
    #[schema(required = false)]
    before_wait: String,
    /// After the probable waiting time.
    #[schema(required = false)]
    after_wait: String,
}

/// Where a caller goes who waits no longer.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it only describes what travels")]
pub(crate) enum Overflow {
    /// Good-bye.
    HangUp,
    /// To another queue.
    Queue(String),
    /// To an extension.
    Extension(String),
    /// To a number, by the rights and routes of whoever called.
    Number(String),
    /// It hears a prompt once, then good-bye.
    Prompt(String),
    /// To a ring group.
    RingGroup(String),
    /// To a mailbox, to leave a message.
    Mailbox(String),
}

/// A ring group: extensions that are called for one number. They forward nothing on their own, and who does not want to be disturbed is
/// left out.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes what travels")]
pub(crate) struct RingGroupSettings {
    /// Its name; that of the path goes before.
    #[schema(required = false)]
    name: String,
    /// Its number, which extensions can dial; empty: routes alone lead to it.
    #[schema(required = false)]
    number: String,
    /// The numbers of extensions, 1 to 50.
    #[schema(min_items = 1, max_items = 50)]
    members: Vec<String>,
    /// `all` at once (as usual), `in_order`, or `round_robin`: one after the other, beginning with another one for each call.
    #[schema(required = false)]
    strategy: String,
    /// How long they ring, all together or each, 3 to 600 seconds (20).
    #[schema(required = false, minimum = 3, maximum = 600)]
    ring_seconds: u16,
    /// Where a call goes that nobody took.
    #[schema(required = false)]
    then: Overflow,
}

/// How an agent is set up. What is left out is as usual.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes what travels")]
pub(crate) struct AgentSettings {
    /// Its name; that of the path goes before.
    #[schema(required = false)]
    name: String,
    /// The extension at which it logs in if it names no other; empty: none.
    #[schema(required = false)]
    extension: String,
    /// The queues that it serves.
    #[schema(required = false)]
    queues: Vec<Member>,
    /// What it knows, and how well: levels by skill.
    #[schema(required = false)]
    skills: BTreeMap<String, u8>,
}

/// An agent in a queue.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes what travels")]
pub(crate) struct Member {
    /// Which queue.
    queue: String,
    /// Who has a lower one is asked first.
    #[schema(required = false)]
    penalty: u8,
}
