//! Calls that go elsewhere: forwards, do not disturb, call waiting, and the codes by which phones set them.

use model::{Agent, AgentState, EventBody, ForwardReason, Forwards, Member, Outcome, Overflow, Queue, Reply, Rights};
use patchbay_tests::{connect, converse, part, refusal, roughly};
use sim::{Conduct, Phone, Setup, Sound, World, secs};

/// No voice has this pitch.
const SORRY: Sound = Sound::Voice(1800);
/// A note of the confirmation tone.
const CONFIRMED: Sound = Sound::Voice(950);

fn forward(world: &World, number: &str, forward: &Forwards) {
    world.change_extension(number, |extension| extension.forward = forward.clone());
}

fn to(number: &str) -> Option<Overflow> {
    Some(Overflow::Extension(number.to_owned()))
}

fn forwarders(world: &World) -> Vec<(String, ForwardReason)> {
    world.record().forwarded_from.into_iter().map(|from| (from.number, from.why)).collect()
}

fn three(world: &World) -> (Phone, Phone, Phone) {
    let (caller, one, two) = (world.phone("100"), world.phone("101"), world.phone("102"));
    two.set_conduct(Conduct::Answer(secs(1)));
    (caller, one, two)
}

fn talks_with(world: &World, caller: &Phone, called: &Phone) {
    connect(world, caller, called);
    converse(world, caller, called);
    caller.hang_up();
    part(world, caller, called);
}

#[test]
fn all_calls_go_elsewhere_and_the_first_phone_never_rings() {
    let story = |world: &World| {
        let seed = world.seed();
        let (caller, one, two) = three(world);
        forward(world, "101", &Forwards { always: to("102"), ..Forwards::default() });
        caller.dial("101");
        talks_with(world, &caller, &two);
        assert_eq!(one.calls_received(), 0, "seed {seed}");
        assert_eq!(forwarders(world), [("101".to_owned(), ForwardReason::Always)], "seed {seed}");
        let diversion = two.invited_with("Diversion").unwrap_or_default();
        assert!(
            diversion.contains("sip:101@") && diversion.contains("reason=unconditional"),
            "seed {seed}: {diversion}"
        );
        let told = world.events().iter().any(|event| {
            matches!(&event.body, EventBody::CallForwarded { from, to, why: ForwardReason::Always, .. }
                if from == "101" && to == "102")
        });
        assert!(told, "seed {seed}");
        // Whom it forwards to may call it.
        two.set_conduct(Conduct::Ring);
        one.set_conduct(Conduct::Answer(secs(1)));
        two.dial("101");
        talks_with(world, &two, &one);
    };
    for workers in 1..=3 {
        let world = World::new(Setup::new(7).workers(workers));
        story(&world);
        world.assert_settled();
    }
    roughly(|setup| setup.workers(2), story);
}

#[test]
fn who_rings_in_vain_is_busy_or_away_has_somebody_else() {
    let story = |world: &World| {
        let seed = world.seed();
        let (caller, one, two) = three(world);
        let forwards = Forwards { no_answer: to("102"), no_answer_seconds: 5, busy: to("102"), ..Forwards::default() };
        forward(world, "101", &Forwards { offline: to("102"), ..forwards });
        caller.dial("101");
        assert!(world.run_until(secs(20), || one.is_ringing()), "seed {seed}");
        talks_with(world, &caller, &two);
        assert!(world.run_until(secs(40), || one.is_idle()), "seed {seed}: it rings on");
        assert_eq!(forwarders(world), [("101".to_owned(), ForwardReason::NoAnswer)], "seed {seed}");
        let history = two.invited_with("History-Info").unwrap_or_default();
        assert!(history.contains("cause=408"), "seed {seed}: {history}");
        one.set_conduct(Conduct::Refuse(486));
        caller.dial("101");
        talks_with(world, &caller, &two);
        one.unregister();
        world.run_for(secs(if world.setup().is_clean() { 2 } else { 40 }));
        caller.dial("101");
        talks_with(world, &caller, &two);
        let reasons: Vec<_> = world.records().into_iter().map(|record| record.forwarded_from[0].why).collect();
        assert_eq!(reasons, [ForwardReason::NoAnswer, ForwardReason::Busy, ForwardReason::Offline], "seed {seed}");
    };
    for workers in 1..=3 {
        let world = World::new(Setup::new(7).workers(workers));
        story(&world);
        world.assert_settled();
    }
    roughly(|setup| setup.workers(2), story);
}

#[test]
fn a_chain_of_forwards_is_told_and_a_circle_ends() {
    let world = World::new(Setup::new(7).workers(3));
    let (caller, one, two) = three(&world);
    for (from, next) in [("101", "110"), ("110", "111"), ("111", "102")] {
        world.extension(from);
        forward(&world, from, &Forwards { always: to(next), ..Forwards::default() });
    }
    caller.dial("101");
    talks_with(&world, &caller, &two);
    let chain: Vec<_> = forwarders(&world).into_iter().map(|(number, _)| number).collect();
    assert_eq!(chain, ["101", "110", "111"]);
    // Back to the first.
    forward(&world, "111", &Forwards { always: to("101"), ..Forwards::default() });
    caller.dial("101");
    assert_eq!(refusal(&world, &caller), 482);
    let last = world.records().pop().unwrap();
    assert_eq!((last.outcome, last.forwarded_from.len()), (Outcome::Unreachable, 3), "{last:?}");
    assert!(last.note.contains("circle"), "{}", last.note);
    // Six are too many.
    for number in 120..126 {
        world.extension(&number.to_string());
        let next = if number == 125 { "102".to_owned() } else { (number + 1).to_string() };
        forward(&world, &number.to_string(), &Forwards { always: to(&next), ..Forwards::default() });
    }
    caller.dial("121");
    talks_with(&world, &caller, &two);
    caller.dial("120");
    assert_eq!(refusal(&world, &caller), 482);
    assert!(world.records().pop().unwrap().note.contains("too often"));
    assert_eq!(one.calls_received(), 0);
    world.assert_settled();
}

#[test]
fn to_the_world_outside_calls_go_by_the_rights_of_who_forwards() {
    let setup = Setup::new(7).workers(2).trunk("pstn", "0*").tuned(|config| {
        let mut inbound = model::Route::new("4008", model::RouteTarget::Extension("101".to_owned()));
        inbound.from_trunk = Some("pstn".to_owned());
        config.routes.push(inbound);
    });
    let world = World::new(setup);
    let (caller, _one, _two) = three(&world);
    let pstn = world.trunk("pstn");
    pstn.set_conduct(Conduct::Answer(secs(1)));
    world.change_extension("100", |extension| extension.rights = Some(Rights::Internal));
    world.change_extension("101", |extension| {
        extension.outside_number = "057188886666".to_owned();
        extension.forward.always = Some(Overflow::Number("01062345678".to_owned()));
    });
    caller.dial("01062345678");
    assert_eq!(refusal(&world, &caller), 403, "its own rights");
    caller.dial("101");
    talks_with(&world, &caller, &pstn);
    let diversion = pstn.invited_with("Diversion").unwrap_or_default();
    assert!(diversion.contains("sip:057188886666@"), "{diversion}");
    let from = pstn.invited_with("From").unwrap_or_default();
    assert!(from.contains("057188886666"), "{from}");
    // The one who forwards may not any more.
    world.change_extension("101", |extension| extension.rights = Some(Rights::Internal));
    caller.dial("101");
    assert_eq!(refusal(&world, &caller), 403);
    world.assert_settled();
}

#[test]
fn who_does_not_want_to_be_disturbed_is_busy_and_not_offered() {
    let story = |world: &World| {
        let seed = world.seed();
        let (caller, one, _two) = three(world);
        world.put_queue(Queue { number: "700".to_owned(), ..Queue::new("sales") });
        let queues = vec![Member { queue: "sales".to_owned(), penalty: 0 }];
        world.put_agent(Agent { name: "ana".to_owned(), extension: "101".to_owned(), queues, ..Agent::default() });
        assert_eq!(world.log_in("ana", ""), Ok(Reply::Done), "seed {seed}");
        one.dial("*78");
        assert!(world.run_until(secs(60), || one.end().is_some()), "seed {seed}: {:?}", one.state());
        assert!(one.has_heard(CONFIRMED), "seed {seed}");
        let off = || world.agent_status("ana").state == AgentState::Unavailable;
        assert!(world.run_until(secs(60), off), "seed {seed}");
        let before = one.calls_received();
        caller.dial("101");
        assert_eq!(refusal(world, &caller), 486, "seed {seed}");
        caller.dial("700");
        assert!(world.run_until(secs(40), || caller.is_talking()), "seed {seed}");
        world.run_for(secs(5));
        assert_eq!(one.calls_received(), before, "seed {seed}");
        // Back again: the caller in the queue is hers.
        one.dial("*79");
        assert!(world.run_until(secs(60), || one.is_ringing()), "seed {seed}");
        one.answer();
        connect(world, &caller, &one);
        converse(world, &caller, &one);
        caller.hang_up();
        part(world, &caller, &one);
    };
    let world = World::new(Setup::new(7).workers(3));
    story(&world);
    world.assert_settled();
}

#[test]
fn a_phone_sets_its_forward_by_a_code() {
    let world = World::new(Setup::new(7).workers(3));
    let (caller, one, two) = three(&world);
    let dial = |code: &str, heard: Sound| {
        one.dial(code);
        assert!(world.run_until(secs(20), || one.end().is_some()), "{code}: {:?}", one.state());
        assert!(one.has_heard(heard), "{code}");
    };
    dial("*72102", CONFIRMED);
    caller.dial("101");
    talks_with(&world, &caller, &two);
    // Not to itself, and the forward stays.
    dial("*72101", Sound::Congestion);
    caller.dial("101");
    talks_with(&world, &caller, &two);
    dial("*73", CONFIRMED);
    one.set_conduct(Conduct::Answer(secs(1)));
    caller.dial("101");
    talks_with(&world, &caller, &one);
    world.assert_settled();
}

#[test]
fn without_call_waiting_a_second_call_finds_the_extension_busy() {
    let world = World::new(Setup::new(7).workers(2));
    let (caller, one, two) = three(&world);
    one.set_conduct(Conduct::Answer(secs(1)));
    world.change_extension("101", |extension| extension.call_waiting = false);
    caller.dial("101");
    connect(&world, &caller, &one);
    two.set_conduct(Conduct::Ring);
    two.dial("101");
    assert_eq!(refusal(&world, &two), 486);
    world.change_extension("101", |extension| extension.forward.busy = Some(Overflow::Prompt("sorry".to_owned())));
    caller.hang_up();
    part(&world, &caller, &one);
    world.assert_settled();
}

#[test]
fn a_forward_leads_to_a_queue_or_a_prompt() {
    let world = World::new(Setup::new(7).workers(2).prompt("sorry", 1800, secs(2)));
    let (caller, _one, two) = three(&world);
    world.put_queue(Queue { number: "700".to_owned(), ..Queue::new("sales") });
    let queues = vec![Member { queue: "sales".to_owned(), penalty: 0 }];
    world.put_agent(Agent { name: "ben".to_owned(), extension: "102".to_owned(), queues, ..Agent::default() });
    world.log_in("ben", "").unwrap();
    forward(&world, "101", &Forwards { always: Some(Overflow::Queue("sales".to_owned())), ..Forwards::default() });
    caller.dial("101");
    talks_with(&world, &caller, &two);
    forward(&world, "101", &Forwards { always: Some(Overflow::Prompt("sorry".to_owned())), ..Forwards::default() });
    caller.dial("101");
    assert!(world.run_until(secs(20), || caller.is_talking()));
    assert!(world.run_until(secs(20), || caller.is_idle()));
    assert!(caller.has_heard(SORRY));
    world.assert_settled();
}
