//! A plain second opinion: for every offer, was it the right agent and the right caller, by each strategy's own words? And after
//! every step: does nobody wait beside a free agent, has no agent two calls, has every caller exactly one end?
#![allow(clippy::unwrap_used)]

use model::CallId;
use patchbay_acd::{
    AfterNoAnswer, AgentSettings, AgentState, Desk, Duty, Event, Failure, How, Input, Membership, OfferId, Output,
    QueueSettings, Strategy, Widening, Wish, WrapUp,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use stdx::Entropy;

const QUEUES: [&str; 3] = ["sales", "service", "night"];
const SKILLS: [&str; 2] = ["english", "printers"];

struct Agent {
    settings: AgentSettings,
    state: AgentState,
    idle_since: Instant,
    /// Of each queue: turn, calls, talking.
    counts: BTreeMap<String, (u64, u64, Duration)>,
    talks: Option<(String, Instant)>,
}

struct Caller {
    queue: String,
    wish: Wish,
    order: u64,
    entered: Instant,
    offers: BTreeSet<OfferId>,
}

struct Oracle {
    desk: Desk,
    now: Instant,
    entropy: Entropy,
    queues: BTreeMap<String, QueueSettings>,
    agents: BTreeMap<String, Agent>,
    callers: BTreeMap<CallId, Caller>,
    offers: BTreeMap<OfferId, (CallId, String)>,
    ended: BTreeMap<CallId, u32>,
    calls: u64,
    turns: u64,
    served: u64,
}

impl Oracle {
    fn new(strategy: Strategy, seed: u64) -> Self {
        let now = stdx::testing::start();
        let mut entropy = Entropy::seeded(seed);
        let mut desk = Desk::new(entropy.fork(), now);
        let mut queues = BTreeMap::new();
        for (i, name) in QUEUES.iter().enumerate() {
            let skilled = strategy == Strategy::Skills || entropy.chance(0.3);
            let needs = if skilled { BTreeMap::from([(SKILLS[i % 2].to_owned(), 2)]) } else { BTreeMap::new() };
            let widening = match i {
                0 => vec![],
                1 => vec![
                    Widening { after: Duration::ZERO, max_penalty: Some(0), less_level: 0 },
                    Widening { after: Duration::from_secs(15), max_penalty: Some(1), less_level: 1 },
                    Widening { after: Duration::from_secs(40), max_penalty: None, less_level: 5 },
                ],
                _ => vec![Widening { after: Duration::from_secs(20), max_penalty: None, less_level: 9 }],
            };
            let settings = QueueSettings {
                strategy,
                weight: (i % 2) as u8,
                max_length: 40,
                max_wait: (i == 2).then_some(Duration::from_secs(90)),
                wrap_up: [WrapUp::None, WrapUp::For(Duration::from_secs(7)), WrapUp::UntilReady][i],
                after_no_answer: AfterNoAnswer { rest: Duration::from_secs(3 * i as u64), away_after: [0, 3, 2][i] },
                widening,
                needs,
                ..QueueSettings::default()
            };
            desk.set_queue(name, settings.clone(), now);
            queues.insert((*name).to_owned(), settings);
        }
        let mut agents = BTreeMap::new();
        for i in 0..12 {
            let mut settings = AgentSettings::default();
            for queue in QUEUES {
                if entropy.chance(0.6) {
                    settings.queues.push(Membership { queue: queue.to_owned(), penalty: entropy.below(3) as u8 });
                }
            }
            for skill in SKILLS {
                settings.skills.insert(skill.to_owned(), entropy.below(5) as u8);
            }
            let name = format!("agent{i:02}");
            desk.set_agent(&name, settings.clone(), now);
            let (state, counts, talks) = (AgentState::LoggedOut, BTreeMap::new(), None);
            agents.insert(name, Agent { settings, state, idle_since: now, counts, talks });
        }
        let (callers, offers, ended) = Default::default();
        Self { desk, now, entropy, queues, agents, callers, offers, ended, calls: 0, turns: 0, served: 0 }
    }

    fn penalty(&self, agent: &str, queue: &str) -> Option<u8> {
        self.agents[agent].settings.queues.iter().find(|m| m.queue == queue).map(|m| m.penalty)
    }

    /// By the words of the settings: is it free, and may it take this caller?
    fn may_take(&self, agent: &str, caller: &Caller) -> bool {
        let settings = &self.queues[&caller.queue];
        let Some(penalty) = self.penalty(agent, &caller.queue) else { return false };
        let waited = self.now - caller.entered;
        let step = settings.widening.iter().rfind(|step| step.after <= waited);
        let most = step.and_then(|step| step.max_penalty).unwrap_or(u8::MAX);
        let less = step.map_or(0, |step| step.less_level);
        let skills = &self.agents[agent].settings.skills;
        let knows =
            |(skill, level): (&String, &u8)| skills.get(skill).copied().unwrap_or(0) >= level.saturating_sub(less);
        penalty <= most && settings.needs.iter().all(knows) && caller.wish.needs.iter().all(knows)
    }

    fn free(&self, caller: &Caller) -> Vec<&String> {
        let free =
            self.agents.iter().filter(|(name, agent)| agent.state == AgentState::Ready && self.may_take(name, caller));
        free.map(|(name, _)| name).collect()
    }

    fn order(&self, id: CallId, caller: &Caller) -> (Reverse<u8>, Reverse<u8>, u64, CallId) {
        (Reverse(self.queues[&caller.queue].weight), Reverse(caller.wish.priority), caller.order, id)
    }

    /// Was it right to ask this agent for this caller?
    fn judge(&self, id: CallId, agent: &str) {
        let caller = &self.callers[&id];
        let strategy = self.queues[&caller.queue].strategy;
        assert_eq!(self.agents[agent].state, AgentState::Ready, "{agent} is asked though it is not free");
        assert!(self.may_take(agent, caller), "{agent} may not take {id}");
        assert!(caller.offers.is_empty() || strategy == Strategy::RingAll, "two are asked for {id}");
        // No caller without an agent that comes before.
        for (other_id, other) in &self.callers {
            let before = other.offers.is_empty() && self.may_take(agent, other);
            let earlier = self.order(*other_id, other) < self.order(id, caller);
            // Of one queue the order counts; of several queues weight, priority and order for this agent.
            assert!(!(before && earlier && caller.offers.is_empty()), "{other_id} comes before {id} for {agent}");
        }
        let free = self.free(caller);
        let least = free.iter().filter_map(|name| self.penalty(name, &caller.queue)).min().unwrap();
        let mine = self.penalty(agent, &caller.queue).unwrap();
        if strategy != Strategy::Skills && caller.offers.is_empty() {
            assert_eq!(mine, least, "{agent} has a higher penalty than one of {free:?}");
        }
        let equal = || free.iter().filter(|name| self.penalty(name, &caller.queue) == Some(mine));
        let counts = |name: &str| self.agents[name].counts.get(&caller.queue).copied().unwrap_or_default();
        match strategy {
            Strategy::RingAll | Strategy::Random => {}
            Strategy::LongestIdle => {
                assert!(
                    equal().all(|name| self.agents[*name].idle_since >= self.agents[agent].idle_since),
                    "{agent} was not idle longest"
                );
            }
            Strategy::RoundRobin => {
                assert!(equal().all(|name| counts(name).0 >= counts(agent).0), "not {agent}'s turn");
            }
            Strategy::FewestCalls => {
                assert!(equal().all(|name| counts(name).1 >= counts(agent).1), "{agent} took more calls");
            }
            Strategy::LeastTalk => {
                assert!(equal().all(|name| counts(name).2 >= counts(agent).2), "{agent} talked more");
            }
            Strategy::Linear => assert!(equal().all(|name| name.as_str() >= agent), "{agent} is not the first"),
            Strategy::Skills => {
                let wanted: BTreeSet<&String> =
                    self.queues[&caller.queue].needs.keys().chain(caller.wish.needs.keys()).collect();
                let knows = |name: &str| -> u32 {
                    wanted
                        .iter()
                        .map(|s| u32::from(self.agents[name].settings.skills.get(*s).copied().unwrap_or(0)))
                        .sum()
                };
                assert!(free.iter().all(|name| knows(name) <= knows(agent)), "another knows more than {agent}");
            }
        }
    }

    /// Follows what the desk says.
    fn follow(&mut self) {
        while let Some(output) = self.desk.poll_output() {
            match output {
                Output::Offer { offer, caller, queue, agent, .. } => {
                    self.judge(caller, &agent);
                    assert_eq!(self.callers[&caller].queue, queue);
                    assert!(!self.offers.values().any(|(_, other)| *other == agent), "{agent} has two offers");
                    self.turns += 1;
                    let turns = self.turns;
                    self.agents.get_mut(&agent).unwrap().counts.entry(queue).or_default().0 = turns;
                    self.callers.get_mut(&caller).unwrap().offers.insert(offer);
                    self.agents.get_mut(&agent).unwrap().state = AgentState::Offered;
                    self.offers.insert(offer, (caller, agent));
                }
                Output::Withdraw { offer } => self.over(offer),
                Output::Leave { caller, why, .. } => {
                    // Those who never came in are not known.
                    assert!(self.callers.contains_key(&caller) || why == patchbay_acd::Reason::Full, "{why:?}");
                    self.ended.entry(caller).or_insert(1);
                }
                Output::Announce { .. } | Output::Refused { .. } => {}
                Output::Event(Event::Entered { .. } | Event::Missed { .. }) => {}
                Output::Event(Event::Left { caller, how, .. }) => {
                    let was = self.callers.remove(&caller).expect("who leaves was there");
                    *self.ended.entry(caller).or_default() = 1;
                    self.served += u64::from(matches!(how, How::Served(_)));
                    drop(was);
                }
                Output::Event(Event::Agent { agent, state, .. }) => {
                    let now = self.now;
                    let agent = self.agents.get_mut(&agent).unwrap();
                    let rested = matches!(
                        agent.state,
                        AgentState::LoggedOut
                            | AgentState::Talking
                            | AgentState::WrapUp
                            | AgentState::Busy(_)
                            | AgentState::Rest(_)
                    );
                    if rested && matches!(state, AgentState::Ready | AgentState::Unavailable) {
                        agent.idle_since = now;
                    }
                    agent.state = state;
                }
            }
        }
        let anybody = self.agents.values().any(|agent| agent.state == AgentState::Ready);
        for (id, caller) in self.callers.iter().filter(|(_, caller)| anybody && caller.offers.is_empty()) {
            let free = self.free(caller);
            assert!(free.is_empty(), "{id} waits beside {free:?}");
        }
        for agent in self.agents.iter().filter(|(_, agent)| agent.state == AgentState::Offered) {
            assert_eq!(self.offers.values().filter(|(_, name)| name == agent.0).count(), 1, "{} is stuck", agent.0);
        }
    }

    fn over(&mut self, offer: OfferId) {
        if let Some((caller, _)) = self.offers.remove(&offer)
            && let Some(caller) = self.callers.get_mut(&caller)
        {
            caller.offers.remove(&offer);
        }
    }

    fn input(&mut self, input: Input) {
        self.desk.handle_input(input, self.now);
        self.follow();
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { of.get(self.entropy.below(of.len() as u64) as usize).cloned() }
    }

    fn step(&mut self) {
        let agents: Vec<String> = self.agents.keys().cloned().collect();
        match self.entropy.below(100) {
            0..30 => {
                self.calls += 1;
                let id = CallId::from_bytes(u128::from(self.calls).to_be_bytes());
                let queue = self.pick(&QUEUES).unwrap().to_owned();
                let mut needs = BTreeMap::new();
                if self.entropy.chance(0.2) {
                    needs.insert(self.pick(&SKILLS).unwrap().to_owned(), self.entropy.below(4) as u8);
                }
                let priority = self.entropy.below(3) as u8;
                let wish = Wish { number: String::new(), priority, needs, callback: false };
                let caller = Caller {
                    queue: queue.clone(),
                    wish: wish.clone(),
                    order: self.calls,
                    entered: self.now,
                    offers: BTreeSet::new(),
                };
                let waits = self.callers.values().filter(|c| c.queue == queue).count();
                if waits < 40 {
                    self.callers.insert(id, caller);
                } else {
                    self.ended.insert(id, 1);
                }
                self.input(Input::Enter { caller: id, queue, wish });
            }
            30..36 => {
                let waiting: Vec<CallId> = self.callers.keys().copied().collect();
                if let Some(caller) = self.pick(&waiting) {
                    self.input(Input::Gone { caller, on_purpose: false });
                }
            }
            36..58 => {
                let offers: Vec<OfferId> = self.offers.keys().copied().collect();
                if let Some(offer) = self.pick(&offers) {
                    let (caller, agent) = self.offers.remove(&offer).unwrap();
                    let queue = self.callers[&caller].queue.clone();
                    let now = self.now;
                    let talks = self.agents.get_mut(&agent).unwrap();
                    talks.counts.entry(queue.clone()).or_default().1 += 1;
                    talks.talks = Some((queue, now));
                    self.input(Input::Answered { offer });
                    assert!(!self.callers.contains_key(&caller));
                }
            }
            58..64 => {
                let offers: Vec<OfferId> = self.offers.keys().copied().collect();
                if let Some(offer) = self.pick(&offers) {
                    self.over(offer);
                    let why = self.pick(&[Failure::Busy, Failure::Rejected, Failure::Unreachable]).unwrap();
                    self.input(Input::Failed { offer, why });
                }
            }
            64..84 => {
                let talking: Vec<String> =
                    self.agents.iter().filter(|(_, a)| a.talks.is_some()).map(|(name, _)| name.clone()).collect();
                if let Some(name) = self.pick(&talking) {
                    let now = self.now;
                    let agent = self.agents.get_mut(&name).unwrap();
                    let (queue, since) = agent.talks.take().unwrap();
                    agent.counts.entry(queue).or_default().2 += now - since;
                    self.input(Input::Ended { agent: name });
                }
            }
            84..90 => {
                let agent = self.pick(&agents).unwrap();
                let ready = [Duty::Ready, Duty::Ready, Duty::Busy("lunch".into()), Duty::Rest(String::new())];
                let duty = self.pick(&ready).unwrap();
                let input = if self.agents[&agent].state == AgentState::LoggedOut || self.entropy.chance(0.1) {
                    Input::LogIn { extension: format!("x{agent}"), agent, queues: Vec::new(), duty }
                } else {
                    Input::Set { agent, duty }
                };
                self.input(input);
            }
            90..91 => {
                let agent = self.pick(&agents).unwrap();
                self.input(Input::LogOut { agent });
            }
            91..93 => {
                let agent = self.pick(&agents).unwrap();
                let (reachable, occupied) = (self.entropy.chance(0.9), self.entropy.chance(0.2));
                self.input(Input::Phone { extension: format!("x{agent}"), reachable, occupied });
            }
            _ => {
                let until = self.now + Duration::from_millis(self.entropy.below(9_000));
                while let Some(at) = self.desk.poll_timeout().filter(|at| *at <= until) {
                    self.now = self.now.max(at);
                    self.desk.handle_timeout(self.now);
                    self.follow();
                }
                self.now = until;
            }
        }
    }
}

/// A hundred thousand calls.
fn run(strategy: Strategy) {
    let mut calls = 0;
    for seed in 0..10 {
        let mut oracle = Oracle::new(strategy, seed);
        while oracle.calls < 10_000 {
            oracle.step();
        }
        // In the end everybody hangs up.
        for caller in oracle.callers.keys().copied().collect::<Vec<_>>() {
            oracle.input(Input::Gone { caller, on_purpose: false });
        }
        assert_eq!(oracle.ended.len() as u64, oracle.calls, "every caller has an end");
        assert!(oracle.offers.is_empty() && oracle.callers.is_empty());
        assert!(oracle.served > 1_000, "{} served: the test must do something", oracle.served);
        calls += oracle.calls;
    }
    assert!(calls >= 100_000);
}

macro_rules! every_offer_is_right {
    ($($name:ident: $strategy:ident),*) => {
        $(
            #[test]
            fn $name() {
                run(Strategy::$strategy);
            }
        )*
    };
}

every_offer_is_right! {
    ring_all: RingAll, longest_idle: LongestIdle, round_robin: RoundRobin, fewest_calls: FewestCalls,
    least_talk: LeastTalk, random: Random, linear: Linear, skills: Skills
}
