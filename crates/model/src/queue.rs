//! Queues and agents: how they are set up, and what can be said of them.

use crate::CallId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stdx::UnixMillis;

/// Queues that there may be; more are refused.
pub const MAX_QUEUES: usize = 1000;
/// Agents that there may be.
pub const MAX_AGENTS: usize = 10_000;
/// The longest name of a queue, an agent or a skill, bytes.
pub(crate) const MAX_QUEUE_NAME: usize = 64;
/// Entries of any list in the settings of a queue or an agent.
pub(crate) const MAX_QUEUE_LIST: usize = 100;

/// Which of the free agents is asked first. Everywhere a lower penalty comes before a higher one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Everybody at once; who answers first has the call.
    RingAll,
    /// Who has been free for the longest time.
    #[default]
    LongestIdle,
    /// Whose turn was the longest ago, in this queue; over a restart too.
    RoundRobin,
    /// Who took the fewest calls of this queue.
    FewestCalls,
    /// Who talked least in this queue.
    LeastTalk,
    /// Anybody.
    Random,
    /// In the order of the list of members.
    Linear,
    /// Who knows most of what the caller needs, by the sum of levels.
    Skills,
}

/// Work after a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterCall {
    /// None: ready at once.
    #[default]
    None,
    /// For so many seconds, or until the agent says that it is ready.
    Seconds(u32),
    /// Until the agent says that it is ready.
    UntilReady,
}

/// From a waiting time on, other agents may be asked too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Widen {
    /// From this waiting time on, seconds.
    pub after_seconds: u32,
    /// Agents of at most this penalty; `None`: any.
    #[serde(default)]
    pub max_penalty: Option<u8>,
    /// Agents may lack so much of each level.
    #[serde(default)]
    pub less_level: u8,
}

/// Where a caller goes who waits no longer, or whose call is forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// Nowhere: good-bye.
    #[default]
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

impl Overflow {
    /// What is wrong with it.
    ///
    /// # Errors
    ///
    /// In words for whoever sets it.
    pub fn check(&self) -> Result<(), String> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._+*#-".contains(&b);
        match self {
            Self::Queue(name) | Self::RingGroup(name) | Self::Mailbox(name) => name_fits("overflow", name),
            Self::Extension(to) | Self::Number(to) if to.is_empty() || to.len() > 64 || !to.bytes().all(fits) => {
                Err(format!("\"{to}\" is no number that could be dialled"))
            }
            Self::Prompt(name) if !crate::is_prompt_name(name) => Err(format!("\"{name}\" is no name of a prompt")),
            Self::HangUp | Self::Extension(_) | Self::Number(_) | Self::Prompt(_) => Ok(()),
        }
    }

    /// Its name or number; empty for nobody.
    pub fn whom(&self) -> &str {
        match self {
            Self::HangUp => "",
            Self::Queue(name) | Self::Prompt(name) | Self::RingGroup(name) | Self::Mailbox(name) => name,
            Self::Extension(number) | Self::Number(number) => number,
        }
    }
}

/// Why a caller leaves a queue without having been served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// There is no such queue, or it has been closed.
    Closed,
    /// Too many wait.
    Full,
    /// It has waited too long.
    TooLong,
    /// It would probably wait too long.
    TooLongExpected,
    /// No agent is logged in.
    NoAgents,
    /// It pressed the key that leaves.
    Key,
}

/// A waiting line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Queue {
    /// Its name, as routes know it: 1 to 64 bytes.
    pub name: String,
    /// Its number, which extensions can dial and send callers to; empty: routes alone lead to it. An extension of that number goes before.
    pub number: String,
    /// Who is asked first.
    pub strategy: Strategy,
    /// An agent of several queues serves the one with the higher weight first.
    pub weight: u8,
    /// How long an agent's phone rings.
    pub ring_seconds: u16,
    /// Callers who may wait; one more goes elsewhere.
    pub max_length: u32,
    /// Who has waited so long goes elsewhere; 0: never.
    pub max_wait_seconds: u32,
    /// Who would probably wait longer than this goes elsewhere at once; 0: never.
    pub max_expected_wait_seconds: u32,
    /// Where no agent is logged in, callers go elsewhere instead of waiting.
    pub leave_when_empty: bool,
    /// What an agent does after a call.
    pub after_call: AfterCall,
    /// An agent who did not answer is not asked again before this has passed.
    pub rest_seconds: u16,
    /// After so many calls in a row that it did not answer, an agent is taken to be away; 0: never.
    pub away_after: u8,
    /// Whom a caller may get after waiting.
    pub widening: Vec<Widen>,
    /// A caller who comes back gets the agent of last time, if that one becomes free within this time; 0: anybody.
    pub sticky_seconds: u32,
    /// When a caller is told its place: first after so many seconds; 0: never.
    pub announce_seconds: u32,
    /// And then after each of these; 0: as the first.
    pub announce_every_seconds: u32,
    /// What is said before the place and after it, and before the probable waiting time in minutes and after it, as prompts; empty: left out.
    pub announcement: Announcement,
    /// An answer within this time counts as in time.
    pub service_level_seconds: u16,
    /// Who hangs up within this time is counted apart.
    pub short_abandon_seconds: u16,
    /// What an agent must know to be asked, and how well.
    pub needs: BTreeMap<String, u8>,
    /// Conversations are recorded.
    pub record: bool,
    /// The prompt that callers hear while they wait; empty: the music of those who are held.
    pub music: String,
    /// Where those go who wait no longer.
    pub overflow: Overflow,
    /// Where they go for a certain reason, if not there.
    pub overflow_for: BTreeMap<LeaveReason, Overflow>,
    /// Who presses this key waits no longer.
    pub leave_key: Option<char>,
    /// Who presses this key is let go and called back in its turn.
    pub callback_key: Option<char>,
    /// What callers are asked when whoever spoke with them has hung up.
    pub survey: Option<Survey>,
}

/// A question about how a caller was served, answered by a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survey {
    /// The prompt that asks; after five seconds without an answer it asks once more.
    pub question: String,
    /// The prompt that thanks; empty: none.
    #[serde(default)]
    pub thanks: String,
    /// Answers are the keys from 1 to this: 2 to 9.
    #[serde(default = "usual_highest")]
    pub highest: u8,
}

fn usual_highest() -> u8 {
    5
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            name: String::new(),
            number: String::new(),
            strategy: Strategy::default(),
            weight: 0,
            ring_seconds: 20,
            max_length: 100,
            max_wait_seconds: 0,
            max_expected_wait_seconds: 0,
            leave_when_empty: false,
            after_call: AfterCall::None,
            rest_seconds: 5,
            away_after: 0,
            widening: Vec::new(),
            sticky_seconds: 0,
            announce_seconds: 0,
            announce_every_seconds: 0,
            announcement: Announcement::default(),
            service_level_seconds: 20,
            short_abandon_seconds: 5,
            needs: BTreeMap::new(),
            record: false,
            music: String::new(),
            overflow: Overflow::default(),
            overflow_for: BTreeMap::new(),
            leave_key: None,
            callback_key: None,
            survey: None,
        }
    }
}

/// How callers are told their place. Numbers are said in the language named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Announcement {
    /// `zh` or `en`, whose clips of numbers are used; empty: `zh`.
    pub language: String,
    /// The prompt before the place.
    pub before_place: String,
    /// The prompt after the place.
    pub after_place: String,
    /// The prompt before the probable waiting time in minutes; empty: the time is not told.
    pub before_wait: String,
    /// The prompt after the probable waiting time.
    pub after_wait: String,
}

impl Queue {
    /// A queue of this name, with everything as usual.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Where a caller goes for this reason.
    pub fn overflow_of(&self, why: LeaveReason) -> &Overflow {
        self.overflow_for.get(&why).unwrap_or(&self.overflow)
    }

    /// What is wrong with these settings, if anything is.
    ///
    /// # Errors
    ///
    /// A sentence for the operator.
    pub fn check(&self) -> Result<(), String> {
        name_fits("a queue's name", &self.name)?;
        let number = |b: u8| b.is_ascii_alphanumeric() || b"._+*#-".contains(&b);
        if self.number.len() > 32 || !self.number.bytes().all(number) {
            return Err(format!("\"{}\" is no number that could be dialled", self.number));
        }
        within("ring_seconds", self.ring_seconds.into(), 3, 600)?;
        within("max_length", self.max_length, 1, 10_000)?;
        within("widening", self.widening.len() as u32, 0, MAX_QUEUE_LIST as u32)?;
        skills_fit("needs", &self.needs)?;
        let Announcement { language, before_place, after_place, before_wait, after_wait } = &self.announcement;
        if !["", "zh", "en"].contains(&language.as_str()) {
            return Err("announcement.language is zh or en".to_owned());
        }
        for prompt in [&self.music, before_place, after_place, before_wait, after_wait] {
            if !prompt.is_empty() && !crate::is_prompt_name(prompt) {
                return Err(format!("\"{prompt}\" is no name of a prompt"));
            }
        }
        let elsewhere = [&self.overflow].into_iter().chain(self.overflow_for.values());
        for target in elsewhere {
            target.check()?;
            if matches!(target, Overflow::Queue(name) if *name == self.name) {
                return Err("callers cannot go from a queue to itself".to_owned());
            }
        }
        if let Some(Survey { question, thanks, highest }) = &self.survey {
            let named = crate::is_prompt_name(question) && (thanks.is_empty() || crate::is_prompt_name(thanks));
            if !named || !(2..=9).contains(highest) {
                return Err("survey has the names of prompts, and highest is from 2 to 9".to_owned());
            }
        }
        for (what, key) in [("leave_key", self.leave_key), ("callback_key", self.callback_key)] {
            if key.is_some_and(|key| !key.is_ascii_digit() && !"*#".contains(key)) {
                return Err(format!("{what} is one of 0-9, * and #"));
            }
        }
        Ok(())
    }
}

/// A person who serves queues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// Its name: 1 to 64 bytes.
    pub name: String,
    /// The extension at which it logs in if it names no other; empty: none.
    pub extension: String,
    /// The queues that it serves.
    pub queues: Vec<Member>,
    /// What it knows, and how well.
    pub skills: BTreeMap<String, u8>,
}

/// An agent in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Which queue.
    pub queue: String,
    /// Who has a lower one is asked first.
    #[serde(default)]
    pub penalty: u8,
}

impl Agent {
    /// What is wrong with these settings, if anything is.
    ///
    /// # Errors
    ///
    /// A sentence for the operator.
    pub fn check(&self) -> Result<(), String> {
        name_fits("an agent's name", &self.name)?;
        within("queues", self.queues.len() as u32, 0, MAX_QUEUE_LIST as u32)?;
        for member in &self.queues {
            name_fits("a queue's name", &member.queue)?;
        }
        skills_fit("skills", &self.skills)
    }
}

fn name_fits(what: &str, name: &str) -> Result<(), String> {
    let right = (1..=MAX_QUEUE_NAME).contains(&name.len()) && !name.contains(|c: char| c.is_control() || c == '/');
    if right {
        Ok(())
    } else {
        Err(format!("{what} has 1 to {MAX_QUEUE_NAME} bytes, no slash and no control characters"))
    }
}

fn skills_fit(what: &str, skills: &BTreeMap<String, u8>) -> Result<(), String> {
    within(what, skills.len() as u32, 0, MAX_QUEUE_LIST as u32)?;
    skills.keys().try_for_each(|skill| name_fits("a skill's name", skill))
}

fn within(what: &str, value: u32, least: u32, most: u32) -> Result<(), String> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(format!("{what} must be from {least} to {most}")) }
}

/// What a person at work has chosen to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Takes calls.
    #[default]
    Ready,
    /// Does not; the text says why.
    Busy(String),
    /// Has a rest.
    Rest(String),
}

/// An agent, as others see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Not at work.
    #[default]
    LoggedOut,
    /// Free, and may be asked.
    Ready,
    /// Ready, but its phone is in a call of its own, is not there, or rests after a call that nobody took.
    Unavailable,
    /// Away, with the reason.
    Busy(String),
    /// Has a rest.
    Rest(String),
    /// Asked to take a caller.
    Offered,
    /// Talks with a caller of a queue.
    Talking,
    /// Has work to do after a call.
    WrapUp,
}

impl AgentState {
    /// Its stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Ready => "ready",
            Self::Unavailable => "unavailable",
            Self::Busy(_) => "busy",
            Self::Rest(_) => "rest",
            Self::Offered => "offered",
            Self::Talking => "talking",
            Self::WrapUp => "wrap_up",
        }
    }

    /// The reason that goes with it; empty if none does.
    pub fn reason(&self) -> &str {
        match self {
            Self::Busy(reason) | Self::Rest(reason) => reason,
            _ => "",
        }
    }
}

/// Why an offer came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferFailure {
    /// It rang for the whole time.
    NoAnswer,
    /// The agent said no.
    Rejected,
    /// The phone is in another call.
    Busy,
    /// There is no phone.
    Unreachable,
}

/// How a caller's waiting ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftHow {
    /// An agent took it.
    Served(String),
    /// It hung up.
    Abandoned,
    /// It went elsewhere by its own wish or by a command.
    Went,
    /// It was sent elsewhere.
    Sent(LeaveReason),
}

/// A queue as it is now, and its counts since they began. Times are milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Which.
    pub name: String,
    /// Callers who wait now, the first in line first.
    pub callers: Vec<WaitingCaller>,
    /// Who has waited longest has waited so long.
    pub longest_ms: u64,
    /// Agents logged in to it.
    pub agents: usize,
    /// Of these, those who are free.
    pub free: usize,
    /// Callers who came.
    pub entered: u64,
    /// Callers whom an agent took.
    pub answered: u64,
    /// Of these, within the service level.
    pub in_time: u64,
    /// Callers who hung up, those apart who did at once.
    pub abandoned: u64,
    /// Callers who hung up at once.
    pub abandoned_at_once: u64,
    /// Callers who were sent or went elsewhere.
    pub elsewhere: u64,
    /// Of a hundred callers who did not hang up at once, so many were answered in time; `None` before the first.
    pub service_level_percent: Option<u8>,
    /// The average speed of answer; `None` before the first.
    pub average_wait_ms: Option<u64>,
    /// All talking together.
    pub talked_ms: u64,
    /// Offers that came to nothing.
    pub missed: u64,
}

/// Somebody who waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingCaller {
    /// Which call.
    pub call: CallId,
    /// Its number; empty if nobody knows.
    pub number: String,
    /// Since when.
    pub since: UnixMillis,
}

/// An agent as it is now, and its counts since they began. Times are milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// Which.
    pub name: String,
    /// What it is doing.
    pub state: AgentState,
    /// Where it sits; empty when logged out.
    pub extension: String,
    /// The call that it is asked to take, or talks in.
    pub call: Option<CallId>,
    /// Calls it was asked to take.
    pub offered: u64,
    /// Calls it took.
    pub answered: u64,
    /// Calls that rang in vain or were refused.
    pub missed: u64,
    /// All talking together.
    pub talked_ms: u64,
    /// All work after calls together.
    pub wrapped_up_ms: u64,
}

/// A call's way through a queue, in its record: the last queue it was in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueVisit {
    /// Which queue.
    pub queue: String,
    /// It came.
    pub entered_at: UnixMillis,
    /// The phone of an agent rang for it, the last time.
    pub ringing_at: Option<UnixMillis>,
    /// The agent who was asked last, and who took it if one did.
    pub agent: String,
    /// An agent took it.
    pub answered_at: Option<UnixMillis>,
    /// How often an agent was asked.
    pub attempts: u32,
    /// It waited no longer: it was answered, left, or went elsewhere.
    pub left_at: Option<UnixMillis>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_told() {
        let right = Queue { number: "700".to_owned(), leave_key: Some('#'), ..Queue::new("sales") };
        assert_eq!(right.check(), Ok(()));
        let wrong = [
            Queue::new(""),
            Queue::new("a/b"),
            Queue { number: "7 0".to_owned(), ..right.clone() },
            Queue { ring_seconds: 0, ..right.clone() },
            Queue { music: "../x".to_owned(), ..right.clone() },
            Queue { overflow: Overflow::Queue("sales".to_owned()), ..right.clone() },
            Queue { overflow: Overflow::Number(String::new()), ..right.clone() },
            Queue { overflow_for: [(LeaveReason::Key, Overflow::Prompt("/".to_owned()))].into(), ..right.clone() },
            Queue { leave_key: Some('x'), ..right },
        ];
        for queue in wrong {
            assert!(queue.check().is_err(), "{queue:?}");
        }
        assert!(Agent::default().check().is_err());
        assert_eq!(Agent { name: "ana".to_owned(), ..Agent::default() }.check(), Ok(()));
    }
}
