//! The desk: facts in, decisions out.

use crate::agent::{Agent, AgentKey, AgentState, Duty, Later, Member, Work};
use crate::figures::{AgentFigures, QueueFigures};
use crate::queue::{Caller, Queue, QueueKey};
use crate::settings::{AgentSettings, QueueSettings, WrapUp};
use crate::words::{Event, Failure, How, Input, OfferId, Output, Reason, Refusal, Wish};
use model::CallId;
use slotmap::SlotMap;
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;
use stdx::{Entropy, Timers};

/// Callers remembered for [`QueueSettings::sticky`]; of more, those with the least numbers are forgotten first.
const MAX_REMEMBERED: usize = 20_000;

/// What happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Nobody answered.
    Ring(OfferId),
    /// An agent's work after a call is over.
    WrapUp(AgentKey),
    /// An agent may be asked again.
    Rest(AgentKey),
    /// A caller has waited too long.
    Wait(CallId),
    /// A caller is told its place.
    Announce(CallId),
    /// A caller may get more agents than before.
    Widen(CallId),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) caller: CallId,
    pub(crate) agent: AgentKey,
    pub(crate) queue: QueueKey,
}

/// Queues and agents.
#[derive(Debug)]
pub struct Desk {
    pub(crate) entropy: Entropy,
    pub(crate) queues: SlotMap<QueueKey, Queue>,
    pub(crate) agents: SlotMap<AgentKey, Agent>,
    pub(crate) queue_names: BTreeMap<String, QueueKey>,
    pub(crate) agent_names: BTreeMap<String, AgentKey>,
    /// Who sits where.
    seats: BTreeMap<String, AgentKey>,
    pub(crate) callers: BTreeMap<CallId, Caller>,
    pub(crate) offers: BTreeMap<OfferId, Offer>,
    /// Who took a caller last, by queue and number.
    remembered: BTreeMap<(QueueKey, String), AgentKey>,
    pub(crate) timers: Timers<Timer>,
    pub(crate) output: VecDeque<Output>,
    pub(crate) last_offer: u64,
    pub(crate) turns: u64,
    pub(crate) arrivals: u64,
}

impl Desk {
    /// Nobody waits and nobody works.
    pub fn new(entropy: Entropy) -> Self {
        Self {
            entropy,
            queues: SlotMap::with_key(),
            agents: SlotMap::with_key(),
            queue_names: BTreeMap::new(),
            agent_names: BTreeMap::new(),
            seats: BTreeMap::new(),
            callers: BTreeMap::new(),
            offers: BTreeMap::new(),
            remembered: BTreeMap::new(),
            timers: Timers::default(),
            output: VecDeque::new(),
            last_offer: 0,
            turns: 0,
            arrivals: 0,
        }
    }

    /// Opens a queue, or changes it; who waits in it stays.
    pub fn set_queue(&mut self, name: &str, settings: QueueSettings, now: Instant) {
        match self.queue_names.get(name) {
            Some(key) => self.queues[*key].settings = settings,
            None => {
                let key = self.queues.insert(Queue::new(name.to_owned(), settings));
                self.queue_names.insert(name.to_owned(), key);
                self.enlist();
            }
        }
        self.serve_all(now);
    }

    /// Closes a queue. Who waits in it goes elsewhere; who talks goes on.
    pub fn remove_queue(&mut self, name: &str, now: Instant) {
        let Some(key) = self.queue_names.remove(name) else { return };
        let inside: Vec<CallId> = self.queues[key].line.iter().map(|place| place.2).collect();
        inside.into_iter().for_each(|caller| self.send_away(caller, Reason::Closed, now));
        self.queues.remove(key);
        self.remembered.retain(|(queue, _), _| *queue != key);
        self.enlist();
    }

    /// Makes an agent, or changes what it serves and knows; an offer or a call that it has goes on.
    pub fn set_agent(&mut self, name: &str, settings: AgentSettings, now: Instant) {
        match self.agent_names.get(name) {
            Some(key) => self.agents[*key].settings = settings,
            None => {
                let key = self.agents.insert(Agent::new(name.to_owned(), settings, now));
                self.agent_names.insert(name.to_owned(), key);
            }
        }
        self.enlist();
        self.serve_all(now);
    }

    /// Forgets an agent; whom it was asked to take waits on for another.
    pub fn remove_agent(&mut self, name: &str, now: Instant) {
        let Some(key) = self.agent_names.remove(name) else { return };
        if let Work::Offered(offer) = self.agents[key].work {
            self.withdraw(offer, now);
        }
        if let Some(extension) = self.agents[key].extension.take() {
            self.seats.remove(&extension);
        }
        self.tell(key);
        self.agents.remove(key);
        self.timers.cancel(&Timer::WrapUp(key));
        self.timers.cancel(&Timer::Rest(key));
        self.remembered.retain(|_, agent| *agent != key);
        self.callers.values_mut().filter(|c| c.only == Some(key)).for_each(|c| c.only = None);
        self.enlist();
        self.serve_all(now);
    }

    /// Puts agents and queues together as the agents' settings want it.
    fn enlist(&mut self) {
        for queue in self.queues.values_mut() {
            queue.members.clear();
        }
        for key in self.agent_names.values() {
            let agent = &mut self.agents[*key];
            let before = std::mem::take(&mut agent.members);
            let at_work = agent.extension.is_some();
            for membership in &agent.settings.queues {
                let Some(queue) = self.queue_names.get(&membership.queue).copied() else { continue };
                let old = before.iter().find(|m| m.queue == queue).cloned();
                let fresh = Member {
                    queue,
                    penalty: membership.penalty,
                    active: at_work,
                    turn: 0,
                    calls: 0,
                    talked: std::time::Duration::ZERO,
                };
                let member = Member { penalty: membership.penalty, ..old.unwrap_or(fresh) };
                if agent.members.iter().all(|m| m.queue != queue) {
                    agent.members.push(member);
                    self.queues[queue].members.push(*key);
                }
            }
        }
    }

    /// A fact.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Enter { caller, queue, wish } => self.enter(caller, queue, wish, now),
            Input::Gone { caller, on_purpose } => {
                let how = if on_purpose { How::Went } else { How::Abandoned };
                self.gone(caller, &how, now);
            }
            Input::CallBack { caller } => {
                if let Some(caller) = self.callers.get_mut(&caller) {
                    caller.wish.callback = true;
                }
                for timer in [Timer::Wait(caller), Timer::Announce(caller)] {
                    self.timers.cancel(&timer);
                }
            }
            Input::LogIn { agent, extension, queues, duty } => self.log_in(&agent, extension, &queues, duty, now),
            Input::LogOut { agent } => self.with_agent(&agent, |desk, key| desk.later(key, Later::LogOut, now)),
            Input::Set { agent, duty } => self.with_agent(&agent, |desk, key| desk.set_duty(key, duty, now)),
            Input::Phone { extension, reachable, occupied } => {
                if let Some(key) = self.seats.get(&extension).copied() {
                    let agent = &mut self.agents[key];
                    (agent.reachable, agent.occupied) = (reachable, occupied);
                    self.freed(key, now);
                }
            }
            Input::Answered { offer } => self.answered(offer, now),
            Input::Failed { offer, why } => self.failed(offer, why, now),
            Input::Ended { agent } => {
                if let Some(key) = self.agent_names.get(&agent).copied() {
                    self.ended(key, now);
                }
            }
        }
    }

    /// What is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut due = Vec::new();
        while let Some(timer) = self.timers.pop_due(now) {
            due.push(timer);
        }
        // Those who may get more agents from now on come first, in their order: all of them may, whatever else is due.
        let widened = due.iter().filter_map(|timer| match timer {
            Timer::Widen(caller) => Some(*caller),
            _ => None,
        });
        self.serve_in_order(widened.collect(), now);
        for timer in due {
            match timer {
                Timer::Ring(offer) if self.offers.contains_key(&offer) => {
                    self.output.push_back(Output::Withdraw { offer });
                    self.failed(offer, Failure::NoAnswer, now);
                }
                Timer::WrapUp(key) => self.wrapped_up(key, now),
                Timer::Rest(key) => {
                    if let Some(agent) = self.agents.get_mut(key) {
                        agent.rests_until = None;
                        self.freed(key, now);
                    }
                }
                Timer::Wait(caller) => self.send_away(caller, Reason::TooLong, now),
                Timer::Announce(caller) => self.announce(caller, now),
                Timer::Ring(_) | Timer::Widen(_) => {}
            }
        }
    }

    /// A decision.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When [`Desk::handle_timeout`] wants to be called at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// How a queue does; `None` if there is none of that name.
    pub fn queue_figures(&self, name: &str, now: Instant) -> Option<QueueFigures> {
        let key = *self.queue_names.get(name)?;
        let queue = &self.queues[key];
        let waits = queue.line.iter().filter_map(|place| self.callers.get(&place.2));
        let longest = waits.map(|caller| now.saturating_duration_since(caller.entered)).max().unwrap_or_default();
        let members = || queue.members.iter().filter_map(|m| self.agents.get(*m)).filter(|a| a.member(key).is_some());
        Some(QueueFigures {
            waiting: queue.line.len(),
            longest,
            agents: members().filter(|agent| agent.extension.is_some()).count(),
            free: members().filter(|agent| agent.is_free()).count(),
            ..queue.figures.clone()
        })
    }

    /// How an agent does, and what it is doing; `None` if there is none of that name.
    pub fn agent_figures(&self, name: &str) -> Option<(AgentState, AgentFigures)> {
        let agent = &self.agents[*self.agent_names.get(name)?];
        Some((agent.state(), agent.figures.clone()))
    }

    /// Who waits in a queue, the first in line first: the call, the caller's number, since when.
    pub fn waiting(&self, name: &str) -> Vec<(CallId, &str, Instant)> {
        let queue = self.queue_names.get(name).and_then(|key| self.queues.get(*key));
        let line = queue.into_iter().flat_map(|queue| &queue.line);
        let callers = line.filter_map(|place| Some((place.2, self.callers.get(&place.2)?)));
        callers.map(|(id, caller)| (id, &caller.wish.number[..], caller.entered)).collect()
    }

    /// Where an agent sits, and the caller that it is asked to take or talks with.
    pub fn agent_now(&self, name: &str) -> (Option<&str>, Option<CallId>) {
        let Some(agent) = self.agent_names.get(name).and_then(|key| self.agents.get(*key)) else { return (None, None) };
        let call = match agent.work {
            Work::Offered(offer) => self.offers.get(&offer).map(|offer| offer.caller),
            Work::Talking { caller, .. } => Some(caller),
            Work::Idle | Work::WrapUp { .. } => None,
        };
        (agent.extension.as_deref(), call)
    }

    /// Who sits at an extension.
    pub fn agent_at(&self, extension: &str) -> Option<&str> {
        self.seats.get(extension).and_then(|key| self.agents.get(*key)).map(|agent| &agent.name[..])
    }

    /// In which queue a caller waits.
    pub fn queue_of(&self, caller: CallId) -> Option<&str> {
        self.queues.get(self.callers.get(&caller)?.queue).map(|queue| &queue.name[..])
    }

    /// At which place a caller waits; the first is 1.
    pub fn position(&self, caller: CallId) -> Option<usize> {
        let waits = self.callers.get(&caller)?;
        let place = waits.place(caller);
        Some(self.queues.get(waits.queue)?.line.range(..=place).count())
    }

    fn enter(&mut self, id: CallId, name: String, wish: Wish, now: Instant) {
        if self.callers.contains_key(&id) {
            // From one queue to another.
            self.gone(id, &How::Went, now);
        }
        let refused = |why| Output::Leave { caller: id, queue: name.clone(), why };
        let Some(key) = self.queue_names.get(&name).copied() else {
            return self.output.push_back(refused(Reason::Closed));
        };
        let queue = &self.queues[key];
        let settings = &queue.settings;
        let at_work = queue.members.iter().any(|m| self.agents.get(*m).is_some_and(|a| a.member(key).is_some()));
        let expected = self.expected(key, queue.line.len() + 1);
        let why = match (settings.max_expected_wait, expected) {
            _ if queue.line.len() >= settings.max_length => Some(Reason::Full),
            _ if settings.leave_when_empty && !at_work => Some(Reason::NoAgents),
            (Some(most), Some(expected)) if expected > most => Some(Reason::TooLongExpected),
            _ => None,
        };
        let remembered = (key, wish.number.clone());
        let queue = &mut self.queues[key];
        queue.figures.entered += 1;
        if let Some(why) = why {
            queue.figures.elsewhere += 1;
            return self.output.push_back(refused(why));
        }
        self.arrivals += 1;
        let last = self.remembered.get(&remembered).copied().filter(|_| queue.settings.sticky.is_some());
        let only = last.filter(|agent| self.agents.get(*agent).is_some_and(|a| a.member(key).is_some()));
        let caller = Caller { queue: key, wish, order: self.arrivals, entered: now, only, offers: Vec::new() };
        queue.line.insert(caller.place(id));
        self.callers.insert(id, caller);
        self.expect(id, now);
        let position = self.position(id).unwrap_or(1);
        self.output.push_back(Output::Event(Event::Entered { caller: id, queue: name, position }));
        self.plan_widening(id, now);
        self.serve(id, now);
    }

    /// Sets the times at which a caller is told its place and has waited too long.
    pub(crate) fn expect(&mut self, id: CallId, now: Instant) {
        let Some(caller) = self.callers.get(&id).filter(|caller| !caller.wish.callback) else { return };
        let Some(settings) = self.queues.get(caller.queue).map(|queue| &queue.settings) else { return };
        if let Some(most) = settings.max_wait {
            self.timers.set(Timer::Wait(id), (caller.entered + most).max(now));
        }
        if let Some(announce) = settings.announce {
            self.timers.set(Timer::Announce(id), (caller.entered + announce.first).max(now));
        }
    }

    /// After a restart: who sits where.
    pub(crate) fn seat(&mut self) {
        let seats = self.agents.iter().filter_map(|(key, agent)| Some((agent.extension.clone()?, key)));
        self.seats = seats.collect();
    }

    /// When a caller may next get more agents than now.
    fn plan_widening(&mut self, id: CallId, now: Instant) {
        let Some(caller) = self.callers.get_mut(&id) else { return };
        let Some(queue) = self.queues.get(caller.queue) else { return };
        let patience = queue.settings.sticky.filter(|_| caller.only.is_some()).map(|sticky| caller.entered + sticky);
        if patience.is_some_and(|until| until <= now) {
            caller.only = None;
        }
        let patience = patience.filter(|until| *until > now);
        let steps = queue.settings.widening.iter().map(|step| caller.entered + step.after).filter(|at| *at > now);
        match steps.chain(patience).min() {
            Some(at) => self.timers.set(Timer::Widen(id), at),
            None => self.timers.cancel(&Timer::Widen(id)),
        }
    }

    fn announce(&mut self, id: CallId, now: Instant) {
        let Some(position) = self.position(id) else { return };
        let Some(caller) = self.callers.get(&id) else { return };
        let Some(every) = self.queues.get(caller.queue).and_then(|queue| queue.settings.announce).map(|a| a.every)
        else {
            return;
        };
        let wait = self.expected(caller.queue, position);
        self.output.push_back(Output::Announce { caller: id, position, wait });
        self.timers.set(Timer::Announce(id), now + every.max(std::time::Duration::from_secs(1)));
    }

    fn send_away(&mut self, id: CallId, why: Reason, now: Instant) {
        let Some(queue) = self.callers.get(&id).and_then(|c| self.queues.get(c.queue)).map(|q| q.name.clone()) else {
            return;
        };
        self.output.push_back(Output::Leave { caller: id, queue, why });
        self.gone(id, &How::Sent(why), now);
    }

    /// A caller waits no longer.
    fn gone(&mut self, id: CallId, how: &How, now: Instant) {
        let Some(caller) = self.take_out(id, how.clone(), now) else { return };
        if let Some(queue) = self.queues.get_mut(caller.queue) {
            let waited = now.saturating_duration_since(caller.entered);
            match how {
                How::Abandoned if waited < queue.settings.short_abandon => queue.figures.abandoned_at_once += 1,
                How::Abandoned => queue.figures.abandoned += 1,
                How::Went | How::Sent(_) | How::Served(_) => queue.figures.elsewhere += 1,
            }
        }
        caller.offers.into_iter().for_each(|offer| self.withdraw(offer, now));
    }

    /// Takes a caller out of the line.
    fn take_out(&mut self, id: CallId, how: How, now: Instant) -> Option<Caller> {
        let caller = self.callers.remove(&id)?;
        for timer in [Timer::Wait(id), Timer::Announce(id), Timer::Widen(id)] {
            self.timers.cancel(&timer);
        }
        let waited = now.saturating_duration_since(caller.entered);
        if let Some(queue) = self.queues.get_mut(caller.queue) {
            queue.line.remove(&caller.place(id));
            self.output.push_back(Output::Event(Event::Left { caller: id, queue: queue.name.clone(), waited, how }));
        }
        Some(caller)
    }

    /// An offer is off, by no fault of the agent.
    fn withdraw(&mut self, id: OfferId, now: Instant) {
        let Some(offer) = self.end_offer(id) else { return };
        self.output.push_back(Output::Withdraw { offer: id });
        self.missed(&offer, None);
        self.freed(offer.agent, now);
    }

    fn end_offer(&mut self, id: OfferId) -> Option<Offer> {
        let offer = self.offers.remove(&id)?;
        self.timers.cancel(&Timer::Ring(id));
        if let Some(caller) = self.callers.get_mut(&offer.caller) {
            caller.offers.retain(|o| *o != id);
        }
        if let Some(agent) = self.agents.get_mut(offer.agent) {
            agent.work = Work::Idle;
        }
        Some(offer)
    }

    fn missed(&mut self, offer: &Offer, why: Option<Failure>) {
        let queue = self.queues.get(offer.queue).map(|queue| queue.name.clone()).unwrap_or_default();
        let agent = self.agents.get(offer.agent).map(|agent| agent.name.clone()).unwrap_or_default();
        self.output.push_back(Output::Event(Event::Missed { caller: offer.caller, queue, agent, why }));
    }

    fn answered(&mut self, id: OfferId, now: Instant) {
        let Some(offer) = self.offers.get(&id).copied() else {
            // It came too late: the caller is gone, or another one took it.
            return self.output.push_back(Output::Withdraw { offer: id });
        };
        self.end_offer(id);
        let Some(agent) = self.agents.get_mut(offer.agent) else { return };
        let name = agent.name.clone();
        agent.work = Work::Talking { caller: offer.caller, queue: offer.queue, since: now };
        agent.missed = 0;
        agent.figures.answered += 1;
        if let Some(member) = agent.member_mut(offer.queue) {
            member.calls += 1;
        }
        self.tell(offer.agent);
        let Some(caller) = self.take_out(offer.caller, How::Served(name), now) else { return };
        if let Some(queue) = self.queues.get_mut(caller.queue) {
            let waited = now.saturating_duration_since(caller.entered);
            queue.figures.answered += 1;
            queue.figures.in_time += u64::from(waited <= queue.settings.service_level);
            queue.figures.waited += waited;
            if queue.settings.sticky.is_some() && !caller.wish.number.is_empty() {
                self.remembered.insert((caller.queue, caller.wish.number), offer.agent);
                if self.remembered.len() > MAX_REMEMBERED {
                    self.remembered.pop_first();
                }
            }
        }
        caller.offers.into_iter().for_each(|other| self.withdraw(other, now));
    }

    fn failed(&mut self, id: OfferId, why: Failure, now: Instant) {
        let Some(offer) = self.end_offer(id) else { return };
        self.missed(&offer, Some(why));
        let rule = self.queues.get_mut(offer.queue).map(|queue| {
            queue.figures.missed += 1;
            queue.settings.after_no_answer
        });
        if let (Some(agent), Some(rule)) = (self.agents.get_mut(offer.agent), rule) {
            agent.figures.missed += 1;
            if matches!(why, Failure::NoAnswer | Failure::Rejected) {
                agent.missed = agent.missed.saturating_add(1);
            }
            if rule.away_after > 0 && agent.missed >= rule.away_after {
                agent.missed = 0;
                agent.duty = Duty::Busy("no answer".to_owned());
            } else if !rule.rest.is_zero() {
                agent.rests_until = Some(now + rule.rest);
                self.timers.set(Timer::Rest(offer.agent), now + rule.rest);
            }
        }
        // The agent takes whoever comes first for it, if it needs no rest; then the caller gets another one.
        self.freed(offer.agent, now);
        self.serve(offer.caller, now);
    }

    pub(crate) fn ended(&mut self, key: AgentKey, now: Instant) {
        let agent = &mut self.agents[key];
        let Work::Talking { queue, since, .. } = agent.work else { return };
        let talked = now.saturating_duration_since(since);
        agent.figures.talked += talked;
        if let Some(member) = agent.member_mut(queue) {
            member.talked += talked;
        }
        let wrap_up = match self.queues.get_mut(queue) {
            Some(queue) => {
                queue.figures.talked += talked;
                queue.handled(talked);
                queue.settings.wrap_up
            }
            None => WrapUp::None,
        };
        let until = match wrap_up {
            // Who wanted to be away after the call is away.
            _ if self.agents[key].later.is_some() => None,
            WrapUp::None => None,
            WrapUp::For(time) => Some(Some(now + time)),
            WrapUp::UntilReady => Some(None),
        };
        match until {
            Some(until) => {
                self.agents[key].work = Work::WrapUp { until, since: now };
                if let Some(until) = until {
                    self.timers.set(Timer::WrapUp(key), until);
                }
                self.tell(key);
            }
            None => self.idle(key, now),
        }
    }

    fn wrapped_up(&mut self, key: AgentKey, now: Instant) {
        let Some(agent) = self.agents.get_mut(key) else { return };
        let Work::WrapUp { since, .. } = agent.work else { return };
        agent.figures.wrapped_up += now.saturating_duration_since(since);
        self.timers.cancel(&Timer::WrapUp(key));
        self.idle(key, now);
    }

    /// A call and what came after it are over: what was put off is done, and the agent is free if it is ready.
    fn idle(&mut self, key: AgentKey, now: Instant) {
        let Some(agent) = self.agents.get_mut(key) else { return };
        agent.work = Work::Idle;
        agent.free_since = now;
        self.freed(key, now);
    }

    /// Something that kept an agent from being asked may be gone.
    fn freed(&mut self, key: AgentKey, now: Instant) {
        let Some(agent) = self.agents.get_mut(key) else { return };
        if agent.work == Work::Idle {
            match agent.later.take() {
                Some(Later::Duty(duty)) => agent.duty = duty,
                Some(Later::LogOut) => return self.log_out(key, now),
                None => {}
            }
        }
        self.tell(key);
        self.employ(key, now);
    }

    fn with_agent(&mut self, name: &str, then: impl FnOnce(&mut Self, AgentKey)) {
        let key = self.agent_names.get(name).copied();
        match key.map(|key| (key, self.agents[key].extension.is_some())) {
            Some((key, true)) => then(self, key),
            Some((_, false)) => self.refuse(name, Refusal::NotLoggedIn),
            None => self.refuse(name, Refusal::NoSuchAgent),
        }
    }

    fn refuse(&mut self, agent: &str, why: Refusal) {
        self.output.push_back(Output::Refused { agent: agent.to_owned(), why });
    }

    fn log_in(&mut self, name: &str, extension: String, queues: &[String], duty: Duty, now: Instant) {
        let Some(key) = self.agent_names.get(name).copied() else { return self.refuse(name, Refusal::NoSuchAgent) };
        if self.seats.get(&extension).is_some_and(|other| *other != key) {
            return self.refuse(name, Refusal::PhoneTaken);
        }
        let wanted: Vec<QueueKey> = queues.iter().filter_map(|queue| self.queue_names.get(queue)).copied().collect();
        let agent = &mut self.agents[key];
        let serves = |member: &Member| queues.is_empty() || wanted.contains(&member.queue);
        if !queues.is_empty() && !agent.members.iter().any(serves) {
            return self.refuse(name, Refusal::NoSuchQueue);
        }
        agent.members.iter_mut().for_each(|member| member.active = serves(member));
        let fresh = agent.extension.is_none();
        if let Some(before) = agent.extension.replace(extension.clone()) {
            self.seats.remove(&before);
        }
        self.seats.insert(extension, key);
        let agent = &mut self.agents[key];
        if fresh {
            agent.free_since = now;
            (agent.reachable, agent.occupied, agent.missed) = (true, false, 0);
        }
        self.set_duty(key, duty, now);
    }

    fn set_duty(&mut self, key: AgentKey, duty: Duty, now: Instant) {
        let agent = &mut self.agents[key];
        match (agent.work, &duty) {
            (Work::WrapUp { .. }, _) => {
                agent.duty = duty;
                agent.later = None;
                self.wrapped_up(key, now);
            }
            (Work::Idle, Duty::Ready) => {
                if agent.duty != Duty::Ready {
                    agent.free_since = now;
                }
                agent.duty = duty;
                agent.rests_until = None;
                self.timers.cancel(&Timer::Rest(key));
                self.freed(key, now);
            }
            (Work::Idle, Duty::Busy(_) | Duty::Rest(_)) => {
                agent.duty = duty;
                self.freed(key, now);
            }
            (Work::Offered(_) | Work::Talking { .. }, _) => self.later(key, Later::Duty(duty), now),
        }
    }

    /// At once if the agent has nothing on its hands, else after that.
    fn later(&mut self, key: AgentKey, what: Later, now: Instant) {
        let agent = &mut self.agents[key];
        agent.later = Some(what);
        match agent.work {
            Work::Idle => self.freed(key, now),
            Work::WrapUp { .. } => self.wrapped_up(key, now),
            Work::Offered(_) | Work::Talking { .. } => self.tell(key),
        }
    }

    fn log_out(&mut self, key: AgentKey, now: Instant) {
        let agent = &mut self.agents[key];
        if let Some(extension) = agent.extension.take() {
            self.seats.remove(&extension);
        }
        agent.duty = Duty::Ready;
        agent.rests_until = None;
        agent.members.iter_mut().for_each(|member| member.active = false);
        self.timers.cancel(&Timer::Rest(key));
        self.tell(key);
        // Who waited for this agent only waits for anybody now.
        let waited: Vec<CallId> = self.callers.iter().filter(|(_, c)| c.only == Some(key)).map(|(id, _)| *id).collect();
        for id in waited {
            if let Some(caller) = self.callers.get_mut(&id) {
                caller.only = None;
            }
            self.serve(id, now);
        }
    }

    /// Tells an agent's state, if it has changed.
    pub(crate) fn tell(&mut self, key: AgentKey) {
        let Some(agent) = self.agents.get_mut(key) else { return };
        let state = agent.state();
        let next = match &agent.later {
            Some(Later::Duty(duty)) if *duty != Duty::Ready => Some(duty.clone()),
            Some(Later::Duty(_) | Later::LogOut) | None => None,
        };
        if agent.told == state && next.is_none() {
            return;
        }
        agent.told = state.clone();
        let extension = agent.extension.clone().unwrap_or_default();
        self.output.push_back(Output::Event(Event::Agent { agent: agent.name.clone(), extension, state, next }));
    }

    /// After settings have changed: whoever may be served now is.
    pub(crate) fn serve_all(&mut self, now: Instant) {
        self.serve_in_order(self.callers.keys().copied().collect(), now);
    }

    fn serve_in_order(&mut self, callers: Vec<CallId>, now: Instant) {
        let weight = |caller: &Caller| self.queues.get(caller.queue).map_or(0, |queue| queue.settings.weight);
        let place = |id: CallId| self.callers.get(&id).map(|caller| (Reverse(weight(caller)), caller.place(id), id));
        let mut line: Vec<_> = callers.into_iter().filter_map(place).collect();
        line.sort_unstable();
        for (.., id) in line {
            self.plan_widening(id, now);
            self.serve(id, now);
        }
    }
}
