//! How queues and agents are set up.

pub use model::Strategy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSettings {
    /// Who is asked first.
    pub strategy: Strategy,
    /// An agent of several queues serves the one with the higher weight first.
    pub weight: u8,
    /// How long an agent's phone rings.
    pub ring: Duration,
    /// Callers who may wait; one more goes elsewhere.
    pub max_length: usize,
    /// Who has waited so long goes elsewhere.
    pub max_wait: Option<Duration>,
    /// Who would probably wait longer than this goes elsewhere at once.
    pub max_expected_wait: Option<Duration>,
    /// Where no agent is logged in, callers go elsewhere instead of waiting.
    pub leave_when_empty: bool,
    /// What an agent does after a call.
    pub wrap_up: WrapUp,
    /// What becomes of an agent who does not answer.
    pub after_no_answer: AfterNoAnswer,
    /// Whom a caller may get after waiting: steps, each from a time on. Before the first, anybody who knows enough.
    pub widening: Vec<Widening>,
    /// A caller who comes back gets the agent of last time, if that one is logged in and becomes free within this time.
    pub sticky: Option<Duration>,
    /// When callers are told their place.
    pub announce: Option<Announce>,
    /// An answer within this time counts as in time.
    pub service_level: Duration,
    /// Who hangs up within this time is counted apart.
    pub short_abandon: Duration,
    /// What an agent must know to be asked, and how well.
    pub needs: BTreeMap<String, u8>,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            weight: 0,
            ring: Duration::from_secs(20),
            max_length: 100,
            max_wait: None,
            max_expected_wait: None,
            leave_when_empty: false,
            wrap_up: WrapUp::None,
            after_no_answer: AfterNoAnswer::default(),
            widening: Vec::new(),
            sticky: None,
            announce: None,
            service_level: Duration::from_secs(20),
            short_abandon: Duration::from_secs(5),
            needs: BTreeMap::new(),
        }
    }
}

/// Work after a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrapUp {
    /// None: ready at once.
    #[default]
    None,
    /// So long, or until the agent says that it is ready.
    For(Duration),
    /// Until the agent says that it is ready.
    UntilReady,
}

/// An agent's phone rang and nobody came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterNoAnswer {
    /// It is not asked again before this has passed.
    pub rest: Duration,
    /// After so many times in a row it is taken to be away: [`crate::Duty::Busy`], until it says that it is ready. 0: never.
    pub away_after: u8,
}

impl Default for AfterNoAnswer {
    fn default() -> Self {
        Self { rest: Duration::from_secs(5), away_after: 0 }
    }
}

/// From a waiting time on, other agents may be asked too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Widening {
    /// From this waiting time on.
    pub after: Duration,
    /// Agents of at most this penalty; `None`: any.
    pub max_penalty: Option<u8>,
    /// Agents may lack so much of each level.
    pub less_level: u8,
}

/// When callers hear where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    /// First after this time.
    pub first: Duration,
    /// Then again after each of these.
    pub every: Duration,
}

/// A person who serves queues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSettings {
    /// The queues that it serves.
    pub queues: Vec<Membership>,
    /// What it knows, and how well.
    pub skills: BTreeMap<String, u8>,
}

/// An agent in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Which queue.
    pub queue: String,
    /// Who has a lower one is asked first.
    pub penalty: u8,
}

impl From<&model::Queue> for QueueSettings {
    fn from(queue: &model::Queue) -> Self {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let limit = |value: u32| (value > 0).then(|| seconds(value));
        let every =
            if queue.announce_every_seconds > 0 { queue.announce_every_seconds } else { queue.announce_seconds };
        let widening = queue.widening.iter().map(|step| Widening {
            after: seconds(step.after_seconds),
            max_penalty: step.max_penalty,
            less_level: step.less_level,
        });
        Self {
            strategy: queue.strategy,
            weight: queue.weight,
            ring: seconds(queue.ring_seconds.into()),
            max_length: queue.max_length as usize,
            max_wait: limit(queue.max_wait_seconds),
            max_expected_wait: limit(queue.max_expected_wait_seconds),
            leave_when_empty: queue.leave_when_empty,
            wrap_up: match queue.after_call {
                model::AfterCall::None => WrapUp::None,
                model::AfterCall::Seconds(time) => WrapUp::For(seconds(time)),
                model::AfterCall::UntilReady => WrapUp::UntilReady,
            },
            after_no_answer: AfterNoAnswer { rest: seconds(queue.rest_seconds.into()), away_after: queue.away_after },
            widening: widening.collect(),
            sticky: limit(queue.sticky_seconds),
            announce: limit(queue.announce_seconds).map(|first| Announce { first, every: seconds(every) }),
            service_level: seconds(queue.service_level_seconds.into()),
            short_abandon: seconds(queue.short_abandon_seconds.into()),
            needs: queue.needs.clone(),
        }
    }
}

impl From<&model::Agent> for AgentSettings {
    fn from(agent: &model::Agent) -> Self {
        let member = |member: &model::Member| Membership { queue: member.queue.clone(), penalty: member.penalty };
        Self { queues: agent.queues.iter().map(member).collect(), skills: agent.skills.clone() }
    }
}
