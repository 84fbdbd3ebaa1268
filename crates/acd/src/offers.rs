//! Who is asked, and for whom.

use crate::agent::Work;
use crate::agent::{Agent, AgentKey};
use crate::desk::{Desk, Offer, Timer};
use crate::queue::{Caller, QueueKey};
use crate::settings::Strategy;
use crate::words::{OfferId, Output};
use model::CallId;
use std::cmp::Reverse;
use std::time::{Duration, Instant};

/// In which order a strategy asks: the least first.
type Rank = (Reverse<u32>, u8, u128, Instant);

impl Desk {
    /// A caller has come, or may get more agents than before: asks whom there is.
    pub(crate) fn serve(&mut self, id: CallId, now: Instant) {
        let Some(caller) = self.callers.get(&id) else { return };
        let all = self.queues.get(caller.queue).is_some_and(|queue| queue.settings.strategy == Strategy::RingAll);
        if !caller.offers.is_empty() && !all {
            return;
        }
        let queue = caller.queue;
        let Some(first) = self.best(id, now) else { return };
        let ring_all = if all { self.also(id, first, now) } else { Vec::new() };
        for agent in std::iter::once(first).chain(ring_all) {
            self.offer(id, queue, agent, now);
        }
    }

    /// An agent has become free: the first of those who wait and whom it may take is served, until it is busy or nobody is left.
    /// (The one served may get a better agent, if that one was free because the caller had been offered to this one.)
    pub(crate) fn employ(&mut self, key: AgentKey, now: Instant) {
        while let Some((caller, queue, rings)) = self.first_for(key, now) {
            if rings {
                self.offer(caller, queue, key, now);
            } else {
                self.serve(caller, now);
            }
        }
    }

    /// Whom a free agent takes first, and whether others are asked for that caller already.
    fn first_for(&self, key: AgentKey, now: Instant) -> Option<(CallId, QueueKey, bool)> {
        let agent = self.agents.get(key).filter(|agent| agent.is_free())?;
        let rings = |caller: &Caller| !caller.offers.is_empty();
        // Who has nobody yet comes before who has somebody ringing; then the weight of the queue, priority, arrival.
        let mut first = None;
        for member in agent.members.iter().filter(|member| member.active) {
            let Some(queue) = self.queues.get(member.queue) else { continue };
            let all = queue.settings.strategy == Strategy::RingAll;
            for place in &queue.line {
                let Some(caller) = self.callers.get(&place.2) else { continue };
                let open = !rings(caller) || (all && self.rings_at(caller) == Some(member.penalty));
                if !open || !self.may_take(key, agent, caller, now) {
                    continue;
                }
                let rank = (rings(caller), Reverse(queue.settings.weight), *place);
                if first.is_none_or(|(before, _)| rank < before) {
                    first = Some((rank, member.queue));
                }
                if !rank.0 {
                    break;
                }
            }
        }
        first.map(|((rings, _, place), queue)| (place.2, queue, rings))
    }

    /// The free agent who is asked first for a caller.
    fn best(&mut self, id: CallId, now: Instant) -> Option<AgentKey> {
        let caller = self.callers.get(&id)?;
        let queue = self.queues.get(caller.queue)?;
        let strategy = queue.settings.strategy;
        let free: Vec<(AgentKey, u8)> = queue
            .members
            .iter()
            .filter_map(|key| {
                let agent =
                    self.agents.get(*key).filter(|agent| agent.is_free() && self.may_take(*key, agent, caller, now))?;
                Some((*key, agent.member(caller.queue)?.penalty))
            })
            .collect();
        if strategy == Strategy::Random {
            let least = free.iter().map(|(_, penalty)| *penalty).min()?;
            let equal: Vec<AgentKey> = free.iter().filter(|(_, p)| *p == least).map(|(key, _)| *key).collect();
            return equal.get(self.entropy.below(equal.len() as u64) as usize).copied();
        }
        let ranked = free.iter().enumerate().filter_map(|(at, (key, _))| Some((self.rank(*key, caller, at)?, *key)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, key)| key)
    }

    /// For ringing everybody: the others who are free and have the same penalty.
    fn also(&self, id: CallId, first: AgentKey, now: Instant) -> Vec<AgentKey> {
        let Some(caller) = self.callers.get(&id) else { return Vec::new() };
        let penalty = |key: AgentKey| self.agents.get(key).and_then(|a| a.member(caller.queue)).map(|m| m.penalty);
        let members = self.queues.get(caller.queue).map(|queue| queue.members.as_slice()).unwrap_or_default();
        let free = |key: &&AgentKey| {
            self.agents.get(**key).is_some_and(|agent| agent.is_free() && self.may_take(**key, agent, caller, now))
        };
        let others = members.iter().filter(free).copied();
        others.filter(|key| *key != first && penalty(*key) == penalty(first)).collect()
    }

    /// The penalty of those who ring for a caller.
    fn rings_at(&self, caller: &Caller) -> Option<u8> {
        let offer = self.offers.get(caller.offers.first()?)?;
        Some(self.agents.get(offer.agent)?.member(caller.queue)?.penalty)
    }

    fn rank(&self, key: AgentKey, caller: &Caller, at: usize) -> Option<Rank> {
        let agent = self.agents.get(key)?;
        let member = agent.member(caller.queue)?;
        let queue = self.queues.get(caller.queue)?;
        let (skill, by) = match queue.settings.strategy {
            Strategy::RingAll | Strategy::LongestIdle | Strategy::Random => (0, 0),
            Strategy::RoundRobin => (0, member.turn.into()),
            Strategy::FewestCalls => (0, member.calls.into()),
            Strategy::LeastTalk => (0, member.talked.as_micros()),
            Strategy::Linear => (0, at as u128),
            Strategy::Skills => {
                let needs = queue
                    .settings
                    .needs
                    .keys()
                    .chain(caller.wish.needs.keys().filter(|s| !queue.settings.needs.contains_key(*s)));
                (needs.filter_map(|skill| agent.settings.skills.get(skill)).map(|level| u32::from(*level)).sum(), 0)
            }
        };
        Some((Reverse(skill), member.penalty, by, agent.free_since))
    }

    /// An agent may take a caller, if both are free.
    pub(crate) fn may_take(&self, key: AgentKey, agent: &Agent, caller: &Caller, now: Instant) -> bool {
        let (Some(queue), Some(member)) = (self.queues.get(caller.queue), agent.member(caller.queue)) else {
            return false;
        };
        if caller.only.is_some_and(|only| only != key) {
            return false;
        }
        let waited = now.saturating_duration_since(caller.entered);
        let step = queue.settings.widening.iter().filter(|step| step.after <= waited).max_by_key(|step| step.after);
        let (max_penalty, less) = match step {
            Some(step) => (step.max_penalty, step.less_level),
            None => (None, 0),
        };
        max_penalty.is_none_or(|most| member.penalty <= most)
            && agent.knows(queue.settings.needs.iter(), less)
            && agent.knows(caller.wish.needs.iter(), less)
    }

    fn offer(&mut self, id: CallId, queue_key: QueueKey, key: AgentKey, now: Instant) {
        let (Some(caller), Some(queue), Some(agent)) =
            (self.callers.get_mut(&id), self.queues.get_mut(queue_key), self.agents.get_mut(key))
        else {
            return;
        };
        let Some(extension) = agent.extension.clone() else { return };
        self.last_offer += 1;
        let offer = OfferId(self.last_offer);
        agent.work = Work::Offered(offer);
        agent.figures.offered += 1;
        self.turns += 1;
        let turn = self.turns;
        if let Some(member) = agent.member_mut(queue_key) {
            member.turn = turn;
        }
        caller.offers.push(offer);
        let ring = queue.settings.ring;
        self.offers.insert(offer, Offer { caller: id, agent: key, queue: queue_key });
        self.timers.set(Timer::Ring(offer), now + ring);
        self.output.push_back(Output::Offer {
            offer,
            caller: id,
            queue: queue.name.clone(),
            agent: agent.name.clone(),
            extension,
            ring,
            callback: caller.wish.callback,
        });
        self.tell(key);
    }

    /// How long who comes now would probably wait.
    pub(crate) fn expected(&self, queue: QueueKey, position: usize) -> Option<Duration> {
        let of = self.queues.get(queue)?;
        let at_work = of.members.iter().filter(|key| {
            self.agents
                .get(**key)
                .is_some_and(|a| a.member(queue).is_some() && (a.is_free() || !matches!(a.work, Work::Idle)))
        });
        of.expected_wait(position, at_work.count())
    }
}
