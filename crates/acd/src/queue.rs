//! A queue and who waits in it.

use crate::agent::AgentKey;
use crate::figures::QueueFigures;
use crate::settings::QueueSettings;
use crate::words::{OfferId, Wish};
use model::CallId;
use slotmap::new_key_type;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

new_key_type! {
    /// A queue.
    pub(crate) struct QueueKey;
}

/// Who is before whom: priority, then arrival.
pub(crate) type Place = (Reverse<u8>, u64, CallId);

/// How much the newest call counts in the average handling time: one eighth, as in TCP's round-trip estimate.
const SHARE: u32 = 8;

#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) settings: QueueSettings,
    /// In the order of the settings of agents; what [`crate::Strategy::Linear`] goes by.
    pub(crate) members: Vec<AgentKey>,
    pub(crate) line: BTreeSet<Place>,
    pub(crate) figures: QueueFigures,
    /// What a call takes an agent, wrap-up included; `None` before the first.
    pub(crate) handling: Option<Duration>,
}

impl Queue {
    pub(crate) fn new(name: String, settings: QueueSettings) -> Self {
        Self {
            name,
            settings,
            members: Vec::new(),
            line: BTreeSet::new(),
            figures: QueueFigures::default(),
            handling: None,
        }
    }

    /// A call has taken an agent so long.
    pub(crate) fn handled(&mut self, took: Duration) {
        self.handling = Some(match self.handling {
            Some(before) => (before * (SHARE - 1) + took) / SHARE,
            None => took,
        });
    }

    /// How long who stands at this place (1 is next) probably waits, with so many agents at work.
    pub(crate) fn expected_wait(&self, position: usize, agents: usize) -> Option<Duration> {
        let agents = u32::try_from(agents).ok().filter(|agents| *agents > 0)?;
        Some(self.handling? * u32::try_from(position).ok()? / agents)
    }
}

/// A caller who waits.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) queue: QueueKey,
    pub(crate) wish: Wish,
    /// Its number in the order of arrival.
    pub(crate) order: u64,
    pub(crate) entered: Instant,
    /// Only this agent, until the caller's patience for it ends.
    pub(crate) only: Option<AgentKey>,
    pub(crate) offers: Vec<OfferId>,
}

impl Caller {
    pub(crate) fn place(&self, id: CallId) -> Place {
        (Reverse(self.wish.priority), self.order, id)
    }
}
