//! Customers who are asked how they were served.

use model::{Agent, AgentState, EventBody, Member, Outcome, Queue, Reply, Survey};
use patchbay_tests::{connect, converse, roughly};
use sim::{Conduct, Phone, Setup, Sound, World, millis, secs};

/// No voice has these pitches.
const QUESTION: Sound = Sound::Voice(900);
const THANKS: Sound = Sound::Voice(1800);

fn setup(setup: Setup) -> Setup {
    setup.prompt("rate us", 900, secs(2)).prompt("thanks", 1800, secs(1))
}

/// Ana, who answers, and a caller who speaks with her.
fn served(world: &World, survey: Option<Survey>) -> (Phone, Phone) {
    world.put_queue(Queue { number: "700".into(), survey, ..Queue::new("sales") });
    let (ana, caller) = (world.phone("101"), world.phone("100"));
    ana.set_conduct(Conduct::Answer(secs(1)));
    let queues = vec![Member { queue: "sales".to_owned(), penalty: 0 }];
    world.put_agent(Agent { name: "ana".into(), extension: "101".into(), queues, ..Agent::default() });
    assert_eq!(world.log_in("ana", ""), Ok(Reply::Done), "seed {}", world.seed());
    world.run_for(millis(50));
    again(world, &ana, &caller);
    (ana, caller)
}

fn again(world: &World, ana: &Phone, caller: &Phone) {
    caller.dial("700");
    connect(world, caller, ana);
    converse(world, caller, ana);
}

fn survey() -> Option<Survey> {
    Some(Survey { question: "rate us".into(), thanks: "thanks".into(), highest: 5 })
}

#[test]
fn the_customer_answers_when_the_agent_has_hung_up() {
    let story = |world: &World| {
        let seed = world.seed();
        let (ana, caller) = served(world, survey());
        ana.hang_up();
        assert!(world.run_until(secs(40), || caller.hears(QUESTION)), "seed {seed}: {:?}", caller.state());
        assert!(world.run_until(secs(40), || ana.is_idle()), "seed {seed}");
        // The agent is free for the next while this one is asked.
        assert!(world.run_until(secs(5), || world.agent_status("ana").state == AgentState::Ready), "seed {seed}");
        caller.press("7");
        world.run_for(secs(1));
        caller.press("4");
        assert!(world.run_until(secs(70), || caller.is_idle()), "seed {seed}: {:?}", caller.state());
        world.run_for(secs(1));
        if world.setup().is_clean() {
            assert!(caller.has_heard(THANKS));
        }
        let record = world.record();
        assert_eq!((record.satisfaction, record.outcome), (Some(4), Outcome::Answered), "seed {seed}");
        let given = |event: &model::Event| match &event.body {
            EventBody::SatisfactionGiven { agent, score, .. } => Some((agent.clone(), *score)),
            _ => None,
        };
        let told: Vec<_> = world.events().iter().filter_map(given).collect();
        assert_eq!(told, [("ana".to_owned(), Some(4))], "seed {seed}");
    };
    for workers in 1..=3 {
        let world = World::new(setup(Setup::new(7)).workers(workers));
        story(&world);
        world.assert_settled();
    }
    roughly(|s| setup(s).workers(2), story);
}

#[test]
fn who_does_not_answer_is_asked_twice_and_who_hangs_up_is_not_asked() {
    let world = World::new(setup(Setup::new(7)).workers(2));
    let (ana, caller) = served(&world, survey());
    ana.hang_up();
    assert!(world.run_until(secs(40), || caller.is_idle()), "{:?}", caller.state());
    assert_eq!(caller.heard(QUESTION).spells.len(), 2);
    assert!(!caller.has_heard(THANKS));
    world.run_for(secs(1));
    let silent = |event: &model::Event| matches!(&event.body, EventBody::SatisfactionGiven { score: None, .. });
    assert_eq!(world.events().iter().filter(|event| silent(event)).count(), 1);
    again(&world, &ana, &caller);
    caller.hang_up();
    assert!(world.run_until(secs(10), || ana.is_idle() && caller.is_idle()));
    // Neither is there a question without its prompt, nor one that nobody set.
    world.put_queue(Queue {
        number: "700".into(),
        survey: survey().map(|s| Survey { question: "none".into(), ..s }),
        ..Queue::new("sales")
    });
    for _ in 0..2 {
        again(&world, &ana, &caller);
        ana.hang_up();
        assert!(world.run_until(secs(10), || ana.is_idle() && caller.is_idle()), "{:?}", caller.state());
        world.put_queue(Queue { number: "700".into(), ..Queue::new("sales") });
    }
    assert!(world.records().iter().all(|record| record.satisfaction.is_none() && record.outcome == Outcome::Answered));
    assert_eq!(world.events().iter().filter(|event| silent(event)).count(), 1);
    world.assert_settled();
}
