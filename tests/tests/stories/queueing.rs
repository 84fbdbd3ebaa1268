//! Calls to queues: callers wait with music, agents are called for them, and nobody is forgotten.

use model::{
    Agent, AgentState, Duty, EventBody, LeaveReason, Member, OfferFailure, Outcome, Overflow, Queue, Refusal, Reply,
    Route, RouteTarget, Strategy,
};
use patchbay_tests::{connect, converse, part, roughly};
use sim::{Conduct, Phone, Setup, Sound, World, cell, millis, secs};
use std::sync::Arc;

/// No voice has these pitches.
const MUSIC: Sound = Sound::Voice(1400);
const TUNE: Sound = Sound::Voice(900);
const PROMPT: Sound = Sound::Voice(1800);

fn tuned(config: &mut cell::Config) {
    config.sounds.music = Arc::from([Arc::new(sim::tone(1400, secs(1)))]);
    config.routes.push(Route {
        from_trunk: Some("pstn".to_owned()),
        ..Route::new("4008", RouteTarget::Queue("sales".to_owned()))
    });
}

fn setup(setup: Setup) -> Setup {
    setup.tuned(tuned).prompt("waltz", 900, secs(2)).prompt("sorry", 1800, secs(1))
}

fn sales() -> Queue {
    let linear = Strategy::Linear;
    Queue { number: "700".to_owned(), ring_seconds: 10, rest_seconds: 30, strategy: linear, ..Queue::new("sales") }
}

fn agent(world: &World, name: &str, extension: &str, queues: &[&str]) -> Phone {
    let phone = world.phone(extension);
    let member = |queue: &&str| Member { queue: (*queue).to_owned(), penalty: 0 };
    let queues = queues.iter().map(member).collect();
    world.put_agent(Agent { name: name.to_owned(), extension: extension.to_owned(), queues, ..Agent::default() });
    assert_eq!(world.log_in(name, ""), Ok(Reply::Done), "seed {}", world.seed());
    world.run_for(millis(50));
    phone
}

fn waits(world: &World, caller: &Phone, number: &str) {
    caller.dial(number);
    let there = || caller.is_talking() && caller.is_confirmed();
    assert!(world.run_until(secs(30), there), "seed {}: {:?}", world.seed(), caller.state());
}

fn state(world: &World, agent: &str) -> AgentState {
    world.agent_status(agent).state
}

#[test]
fn a_caller_hears_music_until_the_second_agent_answers() {
    let story = |world: &World| {
        let seed = world.seed();
        world.put_queue(sales());
        let (ana, ben) = (agent(world, "ana", "101", &["sales"]), agent(world, "ben", "102", &["sales"]));
        let caller = world.phone("100");
        waits(world, &caller, "700");
        assert!(world.run_until(secs(8), || ana.is_ringing()), "seed {seed}");
        world.run_for(secs(4));
        assert!(caller.hears(MUSIC) && !ben.is_ringing(), "seed {seed}");
        assert_eq!((state(world, "ana"), state(world, "ben")), (AgentState::Offered, AgentState::Ready), "seed {seed}");
        // Ana lets it ring.
        assert!(world.run_until(secs(20), || ben.is_ringing()), "seed {seed}: nobody else is asked");
        assert!(world.run_until(secs(20), || ana.is_idle()), "seed {seed}: the first phone rings on");
        world.run_for(secs(2));
        assert!(caller.hears(MUSIC), "seed {seed}");
        assert_eq!(state(world, "ana"), AgentState::Unavailable, "seed {seed}");
        ben.answer();
        connect(world, &caller, &ben);
        converse(world, &caller, &ben);
        assert!(!caller.hears(MUSIC), "seed {seed}: the music goes on");
        if world.setup().is_clean() {
            assert_eq!(caller.heard(MUSIC).spells.len(), 1, "a gap: {:?}", caller.heard(MUSIC).spells);
        }
        let now = world.agent_status("ben");
        assert_eq!((now.state, now.call.is_some(), &now.extension[..]), (AgentState::Talking, true, "102"));
        ben.hang_up();
        part(world, &caller, &ben);
        assert!(world.run_until(secs(5), || state(world, "ben") == AgentState::Ready), "seed {seed}");

        let record = world.record();
        assert_eq!(record.outcome, Outcome::Answered, "seed {seed}");
        let visit = record.queue.as_ref().expect("it was in a queue");
        assert_eq!((&visit.queue[..], &visit.agent[..], visit.attempts), ("sales", "ben", 2), "seed {seed}");
        assert!(visit.answered_at > visit.ringing_at && visit.ringing_at > Some(visit.entered_at), "seed {seed}");
        assert_eq!(record.legs.len(), 3, "seed {seed}");
        let figures = world.queue_status("sales");
        assert_eq!((figures.entered, figures.answered, figures.missed), (1, 1, 1), "seed {seed}");
        let missed = world.events().iter().any(|event| {
            matches!(&event.body, EventBody::OfferMissed { agent, why: Some(OfferFailure::NoAnswer), .. } if agent == "ana")
        });
        assert!(missed, "seed {seed}");
    };
    for workers in 1..=3 {
        let world = World::new(setup(Setup::new(7)).workers(workers));
        story(&world);
        world.assert_settled();
    }
    roughly(|s| setup(s).workers(2), story);
}

#[test]
fn who_waits_for_nobody_may_leave_and_the_next_is_first() {
    let story = |world: &World| {
        let seed = world.seed();
        world.put_queue(sales());
        let (one, two) = (world.phone("100"), world.phone("110"));
        waits(world, &one, "700");
        waits(world, &two, "700");
        world.run_for(secs(6));
        assert!(one.hears(MUSIC) && two.hears(MUSIC), "seed {seed}");
        assert_eq!(world.queue_status("sales").callers.len(), 2, "seed {seed}");
        one.hang_up();
        assert!(world.run_until(secs(70), || world.queue_status("sales").callers.len() == 1), "seed {seed}");
        let ana = agent(world, "ana", "101", &["sales"]);
        ana.set_conduct(Conduct::Answer(secs(1)));
        world.log_out("ana").unwrap();
        world.log_in("ana", "101").unwrap();
        connect(world, &two, &ana);
        converse(world, &two, &ana);
        // The caller hangs up: the agent is free again.
        two.hang_up();
        part(world, &two, &ana);
        assert!(world.run_until(secs(5), || state(world, "ana") == AgentState::Ready), "seed {seed}");
        let figures = world.queue_status("sales");
        assert_eq!((figures.entered, figures.answered, figures.abandoned), (2, 1, 1), "seed {seed}");
        let records = world.records();
        assert_eq!(records.len(), 2, "seed {seed}");
        let visit = records[0].queue.as_ref().unwrap();
        assert!(
            visit.answered_at.is_none() && visit.left_at >= Some(visit.entered_at + 6000),
            "seed {seed}: {visit:?}"
        );
    };
    let world = World::new(setup(Setup::new(7)).workers(3));
    story(&world);
    world.assert_settled();
    roughly(|s| setup(s).workers(2), story);
}

#[test]
fn a_caller_who_leaves_while_an_agent_rings_frees_it_at_once() {
    let world = World::new(setup(Setup::new(7)).workers(2).trunk("pstn", "0*"));
    world.put_queue(Queue { music: "waltz".to_owned(), ..sales() });
    let ana = agent(&world, "ana", "101", &["sales"]);
    let pstn = world.trunk("pstn");
    waits(&world, &pstn, "4008");
    assert!(world.run_until(secs(5), || ana.is_ringing()));
    world.run_for(secs(3));
    assert!(pstn.hears(TUNE) && !pstn.has_heard(MUSIC));
    pstn.hang_up();
    part(&world, &pstn, &ana);
    assert!(world.run_until(secs(5), || state(&world, "ana") == AgentState::Ready));
    assert_eq!(world.queue_status("sales").callers, []);
    // Refused by hand: the agent rests.
    waits(&world, &pstn, "4008");
    assert!(world.run_until(secs(5), || ana.is_ringing()));
    ana.refuse(603);
    world.run_for(secs(2));
    assert_eq!(state(&world, "ana"), AgentState::Unavailable);
    assert!(pstn.hears(TUNE));
    world.set_agent("ana", Duty::Ready).unwrap();
    ana.set_conduct(Conduct::Answer(secs(1)));
    connect(&world, &pstn, &ana);
    converse(&world, &pstn, &ana);
    pstn.hang_up();
    part(&world, &pstn, &ana);
    world.assert_settled();
}

#[test]
fn an_agent_in_a_call_of_its_own_or_without_a_phone_is_not_asked() {
    let world = World::new(setup(Setup::new(7)).workers(3));
    world.put_queue(sales());
    let (ana, other, caller) = (agent(&world, "ana", "101", &["sales"]), world.phone("105"), world.phone("100"));
    other.set_conduct(Conduct::AnswerAtOnce);
    ana.dial("105");
    connect(&world, &ana, &other);
    assert!(world.run_until(secs(2), || state(&world, "ana") == AgentState::Unavailable));
    waits(&world, &caller, "700");
    world.run_for(secs(4));
    assert_eq!((ana.calls_received(), world.agent_status("ana").offered), (0, 0));
    ana.hang_up();
    part(&world, &ana, &other);
    assert!(world.run_until(secs(3), || ana.is_ringing()));
    ana.answer();
    connect(&world, &caller, &ana);
    converse(&world, &caller, &ana);
    caller.hang_up();
    part(&world, &caller, &ana);
    ana.unregister();
    assert!(world.run_until(secs(3), || state(&world, "ana") == AgentState::Unavailable));
    ana.register();
    assert!(world.run_until(secs(3), || state(&world, "ana") == AgentState::Ready));
    world.assert_settled();
}

#[test]
fn an_agent_sends_a_caller_on_and_is_free_for_the_next() {
    let world = World::new(setup(Setup::new(7)).workers(2));
    world.put_queue(sales());
    world.put_queue(Queue { number: "701".to_owned(), ..Queue::new("service") });
    let (ana, ben) = (agent(&world, "ana", "101", &["sales"]), agent(&world, "ben", "102", &["service"]));
    ben.set_conduct(Conduct::Answer(secs(4)));
    let (one, two) = (world.phone("100"), world.phone("110"));
    ana.set_conduct(Conduct::Answer(secs(1)));
    waits(&world, &one, "700");
    connect(&world, &one, &ana);
    converse(&world, &one, &ana);
    ana.transfer("701");
    assert!(world.run_until(secs(20), || ben.is_talking() && ana.is_idle()));
    assert!(one.has_heard(MUSIC));
    world.run_for(secs(3));
    assert!(one.hears(ben.voice()) && ben.hears(one.voice()));
    // Ana's phone no longer counts the call that goes on without it.
    assert_eq!(state(&world, "ana"), AgentState::Ready);
    waits(&world, &two, "700");
    connect(&world, &two, &ana);
    converse(&world, &two, &ana);
    assert_eq!((state(&world, "ana"), state(&world, "ben")), (AgentState::Talking, AgentState::Talking));
    for caller in [&one, &two] {
        caller.hang_up();
    }
    part(&world, &one, &ben);
    part(&world, &two, &ana);
    world.assert_settled();
    let records = world.records();
    let sent_on = records.iter().find(|record| record.caller == "100").unwrap();
    assert_eq!(sent_on.queue.as_ref().unwrap().queue, "service");
}

#[test]
fn all_phones_ring_and_the_first_to_answer_has_the_call() {
    let story = |world: &World| {
        let seed = world.seed();
        world.put_queue(Queue { strategy: Strategy::RingAll, ..sales() });
        let agents: Vec<Phone> = ["101", "102", "103"]
            .iter()
            .map(|number| agent(world, &format!("a{number}"), number, &["sales"]))
            .collect();
        let caller = world.phone("100");
        waits(world, &caller, "700");
        assert!(world.run_until(secs(9), || agents.iter().all(Phone::is_ringing)), "seed {seed}");
        agents[1].answer();
        connect(world, &caller, &agents[1]);
        assert!(world.run_until(secs(40), || agents[0].is_idle() && agents[2].is_idle()), "seed {seed}");
        converse(world, &caller, &agents[1]);
        assert_eq!(state(world, "a101"), AgentState::Ready, "seed {seed}");
        caller.hang_up();
        part(world, &caller, &agents[1]);
    };
    let world = World::new(setup(Setup::new(7)).workers(3));
    story(&world);
    world.assert_settled();
    roughly(setup, story);
}

#[test]
fn who_waits_too_long_goes_where_the_queue_sends_it() {
    let world = World::new(setup(Setup::new(7)).workers(2));
    let [one, two, three] = ["100", "110", "120"].map(|number| world.phone(number));
    let late = Queue { max_wait_seconds: 5, leave_key: Some('0'), ..sales() };
    let to = |overflow| Queue { overflow, ..late.clone() };
    let service = agent(&world, "ben", "102", &["service"]);
    world.put_queue(Queue { number: "701".to_owned(), ..Queue::new("service") });

    // A prompt, then good-bye.
    world.put_queue(to(Overflow::Prompt("sorry".to_owned())));
    waits(&world, &one, "700");
    assert!(world.run_until(secs(10), || one.is_idle()));
    assert!(one.has_heard(PROMPT) && one.has_heard(MUSIC));
    // Good-bye alone.
    world.put_queue(to(Overflow::HangUp));
    waits(&world, &one, "700");
    assert!(world.run_until(secs(10), || one.is_idle()));
    // An extension.
    world.put_queue(to(Overflow::Extension("120".to_owned())));
    three.set_conduct(Conduct::Answer(secs(1)));
    waits(&world, &one, "700");
    assert!(world.run_until(secs(10), || three.is_talking()));
    converse(&world, &one, &three);
    one.hang_up();
    part(&world, &one, &three);
    // Another queue; by a key at once.
    world.put_queue(to(Overflow::Queue("service".to_owned())));
    service.set_conduct(Conduct::Answer(secs(1)));
    waits(&world, &two, "700");
    world.run_for(secs(1));
    two.press("0");
    assert!(world.run_until(secs(3), || service.is_talking()));
    converse(&world, &two, &service);
    two.hang_up();
    part(&world, &two, &service);
    // Round and round from queue to queue ends.
    world.put_queue(Queue { max_length: 1, leave_when_empty: true, ..to(Overflow::Queue("round".to_owned())) });
    let round = Queue { leave_when_empty: true, overflow: Overflow::Queue("sales".to_owned()), ..Queue::new("round") };
    world.put_queue(round);
    one.dial("700");
    assert!(world.run_until(secs(10), || one.is_idle()));
    world.assert_settled();
    let left = |why| {
        let is = |body: &EventBody| matches!(body, EventBody::QueueLeft { how: model::LeftHow::Sent(reason), .. } if *reason == why);
        world.events().iter().filter(|event| is(&event.body)).count()
    };
    assert_eq!(left(LeaveReason::TooLong), 3);
}

#[test]
fn a_queue_that_is_removed_lets_nobody_wait() {
    let world = World::new(setup(Setup::new(7)).workers(2));
    world.put_queue(Queue { overflow: Overflow::Extension("120".to_owned()), ..sales() });
    let (caller, other) = (world.phone("100"), world.phone("120"));
    other.set_conduct(Conduct::Answer(secs(1)));
    waits(&world, &caller, "700");
    world.run_for(secs(2));
    world.remove_queue("sales");
    assert!(world.run_until(secs(5), || other.is_talking()));
    converse(&world, &caller, &other);
    caller.hang_up();
    part(&world, &caller, &other);
    caller.dial("700");
    assert_eq!(patchbay_tests::refusal(&world, &caller), 404);
    world.assert_settled();
}

#[test]
fn what_agents_cannot_do_is_refused() {
    let world = World::new(setup(Setup::new(7)));
    world.put_queue(sales());
    agent(&world, "ana", "101", &["sales"]);
    world.put_agent(Agent { name: "ben".to_owned(), ..Agent::default() });
    world.extension("102");
    assert_eq!(world.log_in("eva", "102"), Err(Refusal::NoSuchAgent));
    assert_eq!(world.log_in("ben", ""), Err(Refusal::NoSuchExtension));
    assert_eq!(world.log_in("ben", "999"), Err(Refusal::NoSuchExtension));
    assert_eq!(world.log_in("ben", "101"), Err(Refusal::PhoneTaken));
    assert_eq!(world.log_out("ben"), Err(Refusal::NotLoggedIn));
    assert_eq!(world.set_agent("ana", Duty::Busy("tea".to_owned())), Ok(Reply::Done));
    assert_eq!(state(&world, "ana"), AgentState::Busy("tea".to_owned()));
    // She may sit elsewhere.
    assert_eq!(world.log_in("ana", "102"), Ok(Reply::Done));
    assert_eq!(world.agent_status("ana").extension, "102");
    assert_eq!(world.log_in("ben", "101"), Ok(Reply::Done));
    world.assert_settled();
}

#[test]
fn agents_keep_their_states_and_queues_their_figures_when_the_switch_is_killed() {
    for (before, after) in [(1, 1), (3, 2), (2, 4)] {
        let world = World::new(setup(Setup::new(7)).workers(before));
        world.put_queue(Queue { after_call: model::AfterCall::UntilReady, ..sales() });
        let names = [("ana", "101"), ("ben", "102"), ("eva", "103"), ("tom", "104")];
        let phones: Vec<Phone> = names.iter().map(|(name, number)| agent(&world, name, number, &["sales"])).collect();
        let caller = world.phone("100");
        phones[0].set_conduct(Conduct::Answer(secs(1)));
        waits(&world, &caller, "700");
        connect(&world, &caller, &phones[0]);
        converse(&world, &caller, &phones[0]);
        caller.hang_up();
        part(&world, &caller, &phones[0]);
        world.set_agent("ben", Duty::Busy("tea".to_owned())).unwrap();
        world.log_out("eva").unwrap();
        world.run_for(secs(1));
        let states = || names.map(|(name, _)| state(&world, name));
        let known = [AgentState::WrapUp, AgentState::Busy("tea".to_owned()), AgentState::LoggedOut, AgentState::Ready];
        assert_eq!(states(), known);
        world.kill();
        world.run_for(secs(2));
        world.restart_with(after);
        world.run_for(secs(1));
        assert_eq!(states(), known, "{before} → {after}");
        let figures = world.queue_status("sales");
        assert_eq!((figures.entered, figures.answered, figures.average_wait_ms.is_some()), (1, 1, true));
        // Their phones are known again, and the next caller is served.
        phones[3].set_conduct(Conduct::Answer(secs(1)));
        waits(&world, &caller, "700");
        connect(&world, &caller, &phones[3]);
        converse(&world, &caller, &phones[3]);
        // Killed in conversation: with as many workers it goes on; else it is recorded, and the agent is not stuck in it.
        world.run_for(secs(1));
        world.kill();
        world.restart_with(before);
        for phone in [&caller, &phones[3]] {
            phone.hang_up();
        }
        assert!(world.run_until(secs(60), || state(&world, "tom") == AgentState::WrapUp), "{:?}", state(&world, "tom"));
        world.set_agent("tom", Duty::Ready).unwrap();
        assert!(world.run_until(secs(60), || caller.is_idle() && phones[3].is_idle()));
        assert_eq!(state(&world, "tom"), AgentState::Ready);
        world.assert_settled();
        let record = world.records().pop().unwrap();
        let outcome = if before == after { Outcome::Answered } else { Outcome::SwitchFailure };
        assert_eq!((record.outcome, record.queue.unwrap().agent), (outcome, "tom".to_owned()));
    }
}

#[test]
fn what_an_agent_was_answered_survives_a_kill_at_that_moment() {
    let world = World::new(setup(Setup::new(7)).workers(2));
    world.put_queue(sales());
    let numbers = ["101", "102", "103"];
    for (name, number) in [("ana", "101"), ("ben", "102"), ("eva", "103")] {
        agent(&world, name, number, &["sales"]);
    }
    let again = || {
        world.kill();
        world.restart();
        world.run_for(millis(200));
    };
    world.run_for(secs(1));
    world.set_agent("ana", Duty::Rest("lunch".to_owned())).unwrap();
    again();
    assert_eq!(state(&world, "ana"), AgentState::Rest("lunch".to_owned()));
    world.log_out("ben").unwrap();
    again();
    assert_eq!(state(&world, "ben"), AgentState::LoggedOut);
    world.log_in("ben", "102").unwrap();
    world.set_agent("ana", Duty::Ready).unwrap();
    again();
    assert_eq!(["ana", "ben", "eva"].map(|name| state(&world, name)), [(); 3].map(|()| AgentState::Ready));
    assert_eq!(["ana", "ben", "eva"].map(|name| world.agent_status(name).extension), numbers);
    world.assert_settled();
}

#[test]
fn a_caller_is_told_its_place_between_the_music() {
    let world = World::new(setup(Setup::new(7)).workers(2).prompt("zh/spoken/2", 2100, millis(500)).prompt(
        "zh/spoken/1",
        2300,
        millis(500),
    ));
    let announcement = model::Announcement { before_place: "sorry".to_owned(), ..model::Announcement::default() };
    world.put_queue(Queue { announce_seconds: 4, announce_every_seconds: 60, announcement, ..sales() });
    let (one, two) = (world.phone("100"), world.phone("110"));
    waits(&world, &one, "700");
    waits(&world, &two, "700");
    world.run_for(secs(8));
    assert!(one.has_heard(PROMPT) && one.has_heard(Sound::Voice(2300)) && !one.has_heard(Sound::Voice(2100)));
    assert!(two.has_heard(PROMPT) && two.has_heard(Sound::Voice(2100)) && !two.has_heard(Sound::Voice(2300)));
    assert!(one.hears(MUSIC) && two.hears(MUSIC));
    for caller in [&one, &two] {
        caller.hang_up();
    }
    world.assert_settled();
}

#[test]
fn who_knows_most_is_asked_and_who_was_there_before_comes_back() {
    let world = World::new(setup(Setup::new(7)).workers(2));
    world.put_queue(Queue { sticky_seconds: 30, strategy: Strategy::LongestIdle, rest_seconds: 0, ..sales() });
    let (ana, ben) = (agent(&world, "ana", "101", &["sales"]), agent(&world, "ben", "102", &["sales"]));
    let english = |name: &str, extension: &str, level| Agent {
        name: name.to_owned(),
        extension: extension.to_owned(),
        queues: vec![Member { queue: "sales".to_owned(), penalty: 0 }],
        skills: [("english".to_owned(), level)].into(),
    };
    world.put_agent(english("ana", "101", 1));
    world.put_agent(english("ben", "102", 5));
    let caller = world.phone("100");
    for phone in [&ana, &ben] {
        phone.set_conduct(Conduct::Answer(secs(1)));
    }
    // A program places the call and says what its caller needs.
    let mut wish = model::Originate::new("100", "700");
    wish.variables = [("queue_skills".to_owned(), "english:4".to_owned())].into();
    caller.set_conduct(Conduct::AnswerAtOnce);
    world.originate(wish).unwrap();
    assert!(world.run_until(secs(20), || ben.is_talking() && caller.is_talking()));
    converse(&world, &caller, &ben);
    caller.hang_up();
    part(&world, &caller, &ben);
    // Ana has been free for longer, but Ben knows the caller.
    world.run_for(secs(2));
    waits(&world, &caller, "700");
    assert!(world.run_until(secs(20), || ben.is_talking()));
    assert_eq!(ana.calls_received(), 0);
    caller.hang_up();
    part(&world, &caller, &ben);
    world.assert_settled();
}

#[test]
fn who_keeps_its_place_is_called_back_in_its_turn() {
    for workers in 1..=3 {
        let world = World::new(setup(Setup::new(7)).workers(workers));
        world.put_queue(Queue { callback_key: Some('1'), ..sales() });
        let (one, two) = (world.phone("100"), world.phone("110"));
        waits(&world, &one, "700");
        waits(&world, &two, "700");
        world.run_for(secs(2));
        one.press("1");
        assert!(world.run_until(secs(5), || one.is_idle()));
        assert_eq!(world.queue_status("sales").callers.len(), 2);
        one.set_conduct(Conduct::Answer(secs(1)));
        // The agent's phone rings first, then that of who was first in line; the other one waits on.
        let ana = agent(&world, "ana", "101", &["sales"]);
        assert!(world.run_until(secs(5), || ana.is_ringing()));
        ana.answer();
        assert!(world.run_until(secs(10), || one.is_talking() && ana.is_talking()));
        converse(&world, &ana, &one);
        assert_eq!(state(&world, "ana"), AgentState::Talking);
        assert!(two.hears(MUSIC));
        one.hang_up();
        assert!(world.run_until(secs(5), || one.is_idle() && ana.is_ringing()), "{:?}", world.agent_status("ana"));
        ana.answer();
        connect(&world, &two, &ana);
        converse(&world, &two, &ana);
        // Meanwhile another one keeps its place; nobody answers at the agent's phone, and it is asked again later.
        waits(&world, &one, "700");
        one.press("1");
        assert!(world.run_until(secs(5), || one.is_idle()));
        two.hang_up();
        assert!(world.run_until(secs(5), || two.is_idle() && ana.is_ringing()));
        assert!(world.run_until(secs(15), || ana.is_idle()), "withdrawn");
        assert_eq!(state(&world, "ana"), AgentState::Unavailable);
        ana.set_conduct(Conduct::Answer(secs(1)));
        assert!(world.run_until(secs(60), || one.is_talking() && ana.is_talking()));
        converse(&world, &ana, &one);
        ana.hang_up();
        part(&world, &one, &ana);
        world.assert_settled();
        let figures = world.queue_status("sales");
        assert_eq!((figures.entered, figures.answered, figures.callers.len()), (3, 3, 0));
    }
}
