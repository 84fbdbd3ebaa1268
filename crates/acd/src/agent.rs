//! What an agent is doing.

use crate::figures::AgentFigures;
use crate::queue::QueueKey;
use crate::settings::AgentSettings;
use crate::words::OfferId;
use model::CallId;
pub use model::{AgentState, Duty};
use slotmap::new_key_type;
use std::time::{Duration, Instant};

new_key_type! {
    /// An agent.
    pub(crate) struct AgentKey;
}

/// What an agent has on its hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Idle,
    Offered(OfferId),
    Talking {
        caller: CallId,
        queue: QueueKey,
        since: Instant,
    },
    /// Until then, or until it says that it is ready.
    WrapUp {
        until: Option<Instant>,
        since: Instant,
    },
}

/// What was decided while the agent had work, for when that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Later {
    Duty(Duty),
    LogOut,
}

/// In a queue.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) queue: QueueKey,
    pub(crate) penalty: u8,
    /// It logged in to this one.
    pub(crate) active: bool,
    /// Its last turn; 0 if it had none.
    pub(crate) turn: u64,
    pub(crate) calls: u64,
    pub(crate) talked: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) settings: AgentSettings,
    pub(crate) members: Vec<Member>,
    /// Where it sits; `None` when it is not at work.
    pub(crate) extension: Option<String>,
    pub(crate) duty: Duty,
    pub(crate) later: Option<Later>,
    pub(crate) work: Work,
    pub(crate) reachable: bool,
    pub(crate) occupied: bool,
    /// After a call that nobody took.
    pub(crate) rests_until: Option<Instant>,
    /// Calls in a row that rang in vain.
    pub(crate) missed: u8,
    pub(crate) free_since: Instant,
    pub(crate) figures: AgentFigures,
    /// What was told last.
    pub(crate) told: AgentState,
}

impl Agent {
    pub(crate) fn new(name: String, settings: AgentSettings, now: Instant) -> Self {
        Self {
            name,
            settings,
            members: Vec::new(),
            extension: None,
            duty: Duty::Ready,
            later: None,
            work: Work::Idle,
            reachable: true,
            occupied: false,
            rests_until: None,
            missed: 0,
            free_since: now,
            figures: AgentFigures::default(),
            told: AgentState::LoggedOut,
        }
    }

    /// It may be asked now.
    pub(crate) fn is_free(&self) -> bool {
        self.state() == AgentState::Ready
    }

    pub(crate) fn state(&self) -> AgentState {
        if self.extension.is_none() {
            return AgentState::LoggedOut;
        }
        match self.work {
            Work::Offered(_) => AgentState::Offered,
            Work::Talking { .. } => AgentState::Talking,
            Work::WrapUp { .. } => AgentState::WrapUp,
            Work::Idle => match &self.duty {
                Duty::Busy(reason) => AgentState::Busy(reason.clone()),
                Duty::Rest(reason) => AgentState::Rest(reason.clone()),
                Duty::Ready if self.occupied || !self.reachable || self.rests_until.is_some() => {
                    AgentState::Unavailable
                }
                Duty::Ready => AgentState::Ready,
            },
        }
    }

    pub(crate) fn member(&self, queue: QueueKey) -> Option<&Member> {
        self.members.iter().find(|m| m.queue == queue && m.active)
    }

    pub(crate) fn member_mut(&mut self, queue: QueueKey) -> Option<&mut Member> {
        self.members.iter_mut().find(|m| m.queue == queue)
    }

    /// It knows enough of everything, each level lowered by `less`.
    pub(crate) fn knows<'a>(&self, mut needs: impl Iterator<Item = (&'a String, &'a u8)>, less: u8) -> bool {
        needs.all(|(skill, level)| match level.saturating_sub(less) {
            0 => true,
            level => self.settings.skills.get(skill).is_some_and(|has| *has >= level),
        })
    }
}
