//! A driver that presses whatever buttons callers and agents have, against a small model of what queues promise: nobody waits beside a
//! free agent, an agent is asked for one caller at a time, nobody is stuck or forgotten, and every call has one record.

use model::{Agent, AgentState, Duty, EventBody, LeftHow, Member, Overflow, Queue, Strategy};
use patchbay_tests::seeds;
use sim::{Conduct, Link, Phone, Setup, World, millis, secs};
use std::collections::BTreeMap;
use stdx::Entropy;

const AGENTS: [(&str, &str); 3] = [("ana", "201"), ("ben", "202"), ("eva", "203")];
const CALLERS: [&str; 4] = ["100", "101", "102", "103"];

/// What has been seen for too long counts as a fault: letters and messages take their time.
const PATIENCE: usize = 12;

fn queues(world: &World, chance: &mut Entropy) {
    let strategies = [
        Strategy::RingAll,
        Strategy::LongestIdle,
        Strategy::RoundRobin,
        Strategy::FewestCalls,
        Strategy::LeastTalk,
        Strategy::Random,
        Strategy::Linear,
        Strategy::Skills,
    ];
    for (name, number, to) in [("sales", "700", "service"), ("service", "701", "sales")] {
        let strategy = strategies[chance.below(8) as usize];
        let max_wait_seconds = if chance.chance(0.3) { 15 } else { 0 };
        let overflow = if chance.chance(0.5) { Overflow::Queue(to.to_owned()) } else { Overflow::HangUp };
        let queue = Queue { number: number.to_owned(), strategy, ring_seconds: 6, rest_seconds: 2, ..Queue::new(name) };
        world.put_queue(Queue { max_wait_seconds, overflow, leave_key: Some('0'), ..queue });
    }
}

fn agents(world: &World) -> Vec<Phone> {
    let member = |queue: &str| Member { queue: queue.to_owned(), penalty: 0 };
    let queues = vec![member("sales"), member("service")];
    let phone = |(name, number): &(&str, &str)| {
        let phone = world.phone(number);
        let agent = Agent { extension: (*number).to_owned(), queues: queues.clone(), ..Agent::default() };
        world.put_agent(Agent { name: (*name).to_owned(), ..agent });
        world.log_in(name, "").expect("the agent is known");
        phone
    };
    AGENTS.iter().map(phone).collect()
}

fn conduct(chance: &mut Entropy) -> Conduct {
    match chance.below(6) {
        0 => Conduct::Ring,
        1..=3 => Conduct::Answer(millis(chance.below(3000))),
        4 => Conduct::AnswerAtOnce,
        _ => Conduct::Busy,
    }
}

fn caller_acts(phone: &Phone, chance: &mut Entropy) {
    match chance.below(8) {
        0..=3 if phone.is_idle() => phone.dial(["700", "701"][chance.below(2) as usize]),
        4 if phone.state().is_some() => phone.hang_up(),
        5 if phone.is_talking() => phone.press("0"),
        _ => {}
    }
}

fn agent_acts(world: &World, phone: &Phone, name: &str, chance: &mut Entropy) {
    // What is not possible just now is refused, and that is right.
    match chance.below(14) {
        0 => drop(world.log_out(name)),
        1 | 2 => drop(world.log_in(name, "")),
        3 => drop(world.set_agent(name, Duty::Busy("tea".to_owned()))),
        4 | 5 => drop(world.set_agent(name, Duty::Ready)),
        6 => phone.set_conduct(conduct(chance)),
        7 if phone.is_ringing() => phone.refuse(486),
        8 if phone.is_ringing() => phone.answer(),
        9 | 10 if phone.is_talking() => phone.hang_up(),
        11 if phone.is_talking() => phone.transfer(["700", "701", "100"][chance.below(3) as usize]),
        12 if phone.is_idle() => phone.dial(["201", "202", "100"][chance.below(3) as usize]),
        _ => {}
    }
}

/// Somebody waits whom nobody is asked to take, and somebody is free.
fn waits_in_vain(world: &World) -> bool {
    let states: Vec<AgentState> = AGENTS.iter().map(|(name, _)| world.agent_status(name).state).collect();
    let waiting = ["sales", "service"].map(|queue| world.queue_status(queue).callers.len()).iter().sum::<usize>();
    let asked = states.iter().filter(|state| **state == AgentState::Offered).count();
    states.contains(&AgentState::Ready) && waiting > asked
}

/// Who is asked for whom: never for two at a time, and what was asked has one end.
fn check_offers(world: &World) {
    let seed = world.seed();
    let mut asked: BTreeMap<String, model::CallId> = BTreeMap::new();
    for event in world.events() {
        match event.body {
            EventBody::AgentOffered { agent, call, .. } => {
                assert_eq!(asked.insert(agent.clone(), call), None, "seed {seed}: {agent} is asked twice");
            }
            EventBody::OfferMissed { agent, call, .. } => {
                assert_eq!(asked.remove(&agent), Some(call), "seed {seed}: {agent} missed what it was not asked");
            }
            EventBody::QueueLeft { how: LeftHow::Served(agent), call, .. } => {
                assert_eq!(asked.remove(&agent), Some(call), "seed {seed}: {agent} took what it was not asked");
            }
            _ => {}
        }
    }
    assert!(asked.is_empty(), "seed {seed}: still asked: {asked:?}");
}

/// Everybody hangs up, and takes no more calls.
fn go_home(world: &World, callers: &[Phone], agents: &[Phone]) {
    world.set_links(Link::clean());
    for _ in 0..3 {
        for phone in callers.iter().chain(agents) {
            phone.set_conduct(Conduct::Busy);
            if phone.state().is_some() {
                phone.hang_up();
            }
        }
        world.run_for(secs(40));
    }
}

/// Nobody is stuck: every agent can work, and a caller is taken.
fn assert_open(world: &World, seed: u64, callers: &[Phone], agents: &[Phone]) {
    for ((name, _), phone) in AGENTS.iter().zip(agents) {
        assert!(world.log_in(name, "").is_ok(), "seed {seed}: {name} cannot come to work");
        let free = || world.agent_status(name).state == AgentState::Ready;
        assert!(world.run_until(secs(10), free), "seed {seed}: {name} is {:?}", world.agent_status(name));
        phone.set_conduct(Conduct::Answer(secs(1)));
    }
    callers[0].dial("700");
    assert!(world.run_until(secs(20), || agents.iter().any(Phone::is_talking)), "seed {seed}");
    callers[0].hang_up();
}

/// Callers and agents do this and that; now and then something else happens.
fn work(
    world: &World,
    seed: u64,
    callers: &[Phone],
    agents: &[Phone],
    mut meanwhile: impl FnMut(&mut Entropy) -> bool,
) {
    let mut chance = Entropy::seeded(3000 + seed);
    let mut in_vain = 0;
    for _ in 0..120 {
        if chance.chance(0.5) {
            caller_acts(&callers[chance.below(4) as usize], &mut chance);
        } else {
            let which = chance.below(3) as usize;
            agent_acts(world, &agents[which], AGENTS[which].0, &mut chance);
        }
        world.run_for(millis(chance.below(800)));
        let broken = meanwhile(&mut chance);
        in_vain = if !broken && waits_in_vain(world) { in_vain + 1 } else { 0 };
        assert!(in_vain < PATIENCE, "seed {seed}: somebody waits beside a free agent");
    }
}

fn open_for_business(seed: u64) -> (World, Vec<Phone>, Vec<Phone>) {
    let setup = Setup::new(seed).workers(1 + (seed % 4) as u16).media_timeout(secs(15)).unrecorded();
    let world = World::new(if seed.is_multiple_of(2) { setup } else { setup.rough() });
    queues(&world, &mut Entropy::seeded(4000 + seed));
    let agents = agents(&world);
    let callers: Vec<Phone> = CALLERS.iter().map(|number| world.phone(number)).collect();
    (world, callers, agents)
}

#[test]
fn whatever_callers_and_agents_do_the_queues_keep_their_promises() {
    for seed in seeds() {
        let (world, callers, agents) = open_for_business(seed);
        work(&world, seed, &callers, &agents, |_| false);
        go_home(&world, &callers, &agents);
        world.assert_settled();
        check_offers(&world);
        let (mut entered, mut left) = (0, 0);
        for queue in ["sales", "service"] {
            let now = world.queue_status(queue);
            assert_eq!(now.callers, [], "seed {seed}");
            entered += now.entered;
            left += now.answered + now.abandoned + now.abandoned_at_once + now.elsewhere;
        }
        assert_eq!(entered, left, "seed {seed}: callers came and went");
        assert_open(&world, seed, &callers, &agents);
        world.assert_settled();
    }
}

#[test]
fn whatever_they_do_while_the_switch_dies_nobody_is_stuck_or_forgotten() {
    for seed in seeds() {
        let (world, callers, agents) = open_for_business(seed);
        work(&world, seed, &callers, &agents, |chance| {
            let dies = chance.chance(0.04);
            if dies {
                world.kill();
                world.run_for(millis(chance.below(3000)));
                world.restart();
            }
            dies
        });
        go_home(&world, &callers, &agents);
        world.assert_nothing_left();
        for queue in ["sales", "service"] {
            assert_eq!(world.queue_status(queue).callers, [], "seed {seed}");
        }
        for (call_id, records) in world.records_of_calls() {
            assert!(records >= 1, "seed {seed}: the call {call_id} has no record");
        }
        assert_open(&world, seed, &callers, &agents);
    }
}
