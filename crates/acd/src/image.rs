//! What of a desk survives: who waits where and since when, who is at work, and the counts.

use crate::agent::{Agent, Duty, Later, Work};
use crate::desk::Desk;
use crate::figures::{AgentFigures, QueueFigures};
use crate::queue::{Caller, QueueKey};
use crate::words::Wish;
use model::CallId;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use stdx::{UnixMillis, Wall};

/// A desk on paper. Offers are not on it: who was being asked is asked anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    callers: Vec<CallerImage>,
    agents: Vec<AgentImage>,
    queues: Vec<(String, QueueFigures, Option<Duration>)>,
    turns: u64,
}

/// What became of a call while nobody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is over.
    Gone,
    /// It waits in a queue.
    Waits,
    /// Its parties speak.
    Talks,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CallerImage {
    caller: CallId,
    queue: String,
    wish: Wish,
    order: u64,
    entered: UnixMillis,
}

/// One agent on paper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentImage {
    agent: String,
    extension: Option<String>,
    duty: Duty,
    /// It goes home after what it has on its hands.
    leaves: bool,
    /// Logged in to these.
    active: Vec<String>,
    /// Its turn, calls and talking in each queue.
    counts: Vec<(String, u64, u64, Duration)>,
    figures: AgentFigures,
    free_since: UnixMillis,
    /// It talks with this caller of this queue, since then.
    talking: Option<(CallId, String, UnixMillis)>,
    /// It wraps up until then, since then.
    wraps_up: Option<(Option<UnixMillis>, UnixMillis)>,
}

impl Image {
    /// What is known of an agent since this was written.
    pub fn put_agent(&mut self, agent: AgentImage) {
        self.agents.retain(|known| known.agent != agent.agent);
        self.agents.push(agent);
    }
}

impl Desk {
    /// What is to survive.
    pub fn snapshot(&self, wall: Wall) -> Image {
        let name = |key: QueueKey| self.queues.get(key).map(|queue| queue.name.clone()).unwrap_or_default();
        let callers = self.callers.iter().map(|(id, caller)| CallerImage {
            caller: *id,
            queue: name(caller.queue),
            wish: caller.wish.clone(),
            order: caller.order,
            entered: wall.at(caller.entered),
        });
        let agents = self.agents.values().map(|agent| self.image_of(agent, wall));
        Image {
            callers: callers.collect(),
            agents: agents.collect(),
            queues: self.queues.values().map(|q| (q.name.clone(), q.figures.clone(), q.handling)).collect(),
            turns: self.turns,
        }
    }

    /// What is to survive of one agent; `None` if there is none of that name.
    pub fn snapshot_agent(&self, name: &str, wall: Wall) -> Option<AgentImage> {
        Some(self.image_of(self.agents.get(*self.agent_names.get(name)?)?, wall))
    }

    fn image_of(&self, agent: &Agent, wall: Wall) -> AgentImage {
        let name = |key: QueueKey| self.queues.get(key).map(|queue| queue.name.clone()).unwrap_or_default();
        AgentImage {
            agent: agent.name.clone(),
            extension: agent.extension.clone(),
            duty: match &agent.later {
                Some(Later::Duty(duty)) => duty.clone(),
                Some(Later::LogOut) | None => agent.duty.clone(),
            },
            leaves: agent.later == Some(Later::LogOut),
            active: agent.members.iter().filter(|m| m.active).map(|m| name(m.queue)).collect(),
            counts: agent.members.iter().map(|m| (name(m.queue), m.turn, m.calls, m.talked)).collect(),
            figures: agent.figures.clone(),
            free_since: wall.at(agent.free_since),
            talking: match agent.work {
                Work::Talking { caller, queue, since } => Some((caller, name(queue), wall.at(since))),
                Work::Idle | Work::Offered(_) | Work::WrapUp { .. } => None,
            },
            wraps_up: match agent.work {
                Work::WrapUp { until, since } => Some((until.map(|at| wall.at(at)), wall.at(since))),
                Work::Idle | Work::Offered(_) | Work::Talking { .. } => None,
            },
        }
    }

    /// Puts back what was; queues and agents must have been set before, and those that are no longer there are left out.
    /// `standing` says what calls are now: who waits keeps its place, and with all but those that talk their agents' calls have ended.
    pub fn restore(&mut self, image: Image, wall: Wall, standing: impl Fn(CallId) -> Standing, now: Instant) {
        self.turns = image.turns;
        for (name, figures, handling) in image.queues {
            if let Some(key) = self.queue_names.get(&name) {
                let queue = &mut self.queues[*key];
                (queue.figures, queue.handling) = (figures, handling);
            }
        }
        let mut over = Vec::new();
        for old in image.agents {
            let names = |key: QueueKey| self.queues.get(key).map(|queue| queue.name.as_str()).unwrap_or_default();
            let Some(key) = self.agent_names.get(&old.agent).copied() else { continue };
            let agent = &mut self.agents[key];
            for member in &mut agent.members {
                member.active = old.active.iter().any(|name| name == names(member.queue));
                if let Some((_, turn, calls, talked)) = old.counts.iter().find(|c| c.0 == names(member.queue)) {
                    (member.turn, member.calls, member.talked) = (*turn, *calls, *talked);
                }
            }
            agent.duty = old.duty;
            agent.figures = old.figures;
            agent.free_since = wall.instant(old.free_since);
            if let Some((until, since)) = old.wraps_up {
                let until = until.map(|at| wall.instant(at));
                agent.work = Work::WrapUp { until, since: wall.instant(since) };
                if let Some(until) = until {
                    self.timers.set(crate::desk::Timer::WrapUp(key), until.max(now));
                }
            }
            if let Some((caller, queue, since)) = old.talking
                && let Some(queue) = self.queue_names.get(&queue).copied()
            {
                agent.work = Work::Talking { caller, queue, since: wall.instant(since) };
                if standing(caller) != Standing::Talks {
                    over.push(key);
                }
            }
            // Who was to go home after an offer is at home: no offer has survived.
            let home = old.leaves && agent.work == Work::Idle;
            agent.extension = old.extension.filter(|_| !home);
            agent.later = (old.leaves && !home).then_some(Later::LogOut);
        }
        self.seat();
        let waits = |old: &CallerImage| standing(old.caller) == Standing::Waits || old.wish.callback;
        for old in image.callers.into_iter().filter(waits) {
            let Some(queue) = self.queue_names.get(&old.queue).copied() else {
                self.output.push_back(crate::Output::Leave {
                    caller: old.caller,
                    queue: old.queue,
                    why: crate::Reason::Closed,
                });
                continue;
            };
            self.arrivals = self.arrivals.max(old.order);
            let entered = wall.instant(old.entered);
            let caller = Caller { queue, wish: old.wish, order: old.order, entered, only: None, offers: Vec::new() };
            self.queues[queue].line.insert(caller.place(old.caller));
            self.callers.insert(old.caller, caller);
            self.expect(old.caller, now);
        }
        over.into_iter().for_each(|key| self.ended(key, now));
        let all: Vec<_> = self.agents.keys().collect();
        all.into_iter().for_each(|key| self.tell(key));
        self.serve_all(now);
    }
}
