//! Ring groups: extensions that are called for one number.

use model::{EventBody, Outcome, Overflow, RingGroup, RingStrategy, Route, RouteTarget};
use patchbay_tests::{connect, converse, part, refusal, roughly};
use sim::{Conduct, Phone, Setup, Sound, World, secs};

/// No voice has this pitch.
const SORRY: Sound = Sound::Voice(1800);

fn group(strategy: RingStrategy) -> RingGroup {
    let members = ["101", "102", "103"].map(str::to_owned).to_vec();
    RingGroup { name: "door".into(), number: "600".into(), members, strategy, ring_seconds: 6, ..RingGroup::default() }
}

fn four(world: &World) -> (Phone, [Phone; 3]) {
    (world.phone("100"), ["101", "102", "103"].map(|number| world.phone(number)))
}

fn talks_with(world: &World, caller: &Phone, called: &Phone) {
    connect(world, caller, called);
    converse(world, caller, called);
    caller.hang_up();
    part(world, caller, called);
}

#[test]
fn all_ring_at_once_and_who_answers_has_the_caller() {
    let story = |world: &World| {
        let seed = world.seed();
        world.put_ring_group(group(RingStrategy::All));
        let (caller, [one, two, three]) = four(world);
        // One person's refusal is not the others'.
        three.set_conduct(Conduct::Refuse(603));
        caller.dial("600");
        assert!(world.run_until(secs(30), || one.is_ringing() && two.is_ringing()), "seed {seed}");
        two.answer();
        connect(world, &caller, &two);
        assert!(world.run_until(secs(40), || one.is_idle()), "seed {seed}: it rings on");
        let reason = one.reason().unwrap_or_default();
        assert!(reason.contains("cause=200"), "seed {seed}: answered elsewhere, not {reason:?}");
        converse(world, &caller, &two);
        caller.hang_up();
        part(world, &caller, &two);
        let told =
            |event: &model::Event| matches!(&event.body, EventBody::RingGroupCalled { group, .. } if group == "door");
        assert!(world.events().iter().any(told), "seed {seed}");
        assert_eq!(world.record().outcome, Outcome::Answered, "seed {seed}");
    };
    for workers in 1..=3 {
        let world = World::new(Setup::new(7).workers(workers));
        story(&world);
        world.assert_settled();
    }
    roughly(|setup| setup.workers(2), story);
}

#[test]
fn in_order_one_rings_after_the_other() {
    let story = |world: &World| {
        let seed = world.seed();
        world.put_ring_group(group(RingStrategy::InOrder));
        let (caller, [one, two, three]) = four(world);
        two.set_conduct(Conduct::Busy);
        three.set_conduct(Conduct::Answer(secs(1)));
        caller.dial("600");
        assert!(world.run_until(secs(30), || one.is_ringing()), "seed {seed}");
        assert_eq!(three.calls_received(), 0, "seed {seed}");
        talks_with(world, &caller, &three);
        assert!(world.run_until(secs(40), || one.is_idle()), "seed {seed}");
        assert_eq!(world.record().legs.len(), 4, "seed {seed}");
    };
    for workers in 1..=3 {
        let world = World::new(Setup::new(7).workers(workers));
        story(&world);
        world.assert_settled();
    }
    roughly(|setup| setup.workers(2), story);
}

#[test]
fn in_turn_each_call_begins_with_another_one() {
    let world = World::new(Setup::new(7));
    world.put_ring_group(group(RingStrategy::RoundRobin));
    let (caller, phones) = four(&world);
    for phone in &phones {
        phone.set_conduct(Conduct::Answer(secs(1)));
    }
    for phone in &phones {
        caller.dial("600");
        talks_with(&world, &caller, phone);
    }
    assert!(phones.iter().all(|phone| phone.calls_received() == 1));
    world.assert_settled();
}

#[test]
fn who_is_away_is_left_out_and_whom_nobody_takes_goes_on() {
    let setup = Setup::new(7).workers(3).prompt("sorry", 1800, secs(2)).trunk("pstn", "0*").tuned(|config| {
        let to = RouteTarget::RingGroup("door".to_owned());
        config.routes.push(Route { from_trunk: Some("pstn".to_owned()), ..Route::new("4008", to) });
    });
    let world = World::new(setup);
    let prompt = || Overflow::Prompt("sorry".to_owned());
    world.put_ring_group(RingGroup { then: prompt(), ..group(RingStrategy::All) });
    let (caller, [one, two, three]) = four(&world);
    let pstn = world.trunk("pstn");
    world.change_extension("101", |extension| extension.do_not_disturb = true);
    // Its own forward is for its own calls.
    world.change_extension("102", |extension| extension.forward.always = Some(Overflow::Extension("100".to_owned())));
    three.unregister();
    world.run_for(secs(2));
    pstn.dial("4008");
    assert!(world.run_until(secs(5), || two.is_ringing()));
    assert!(world.run_until(secs(20), || pstn.is_talking()));
    assert!(world.run_until(secs(20), || pstn.is_idle()));
    assert!(pstn.has_heard(SORRY) && two.is_idle());
    assert_eq!((one.calls_received(), caller.calls_received()), (0, 0));
    // Nobody is there at all.
    world.change_extension("102", |extension| extension.do_not_disturb = true);
    world.put_ring_group(group(RingStrategy::InOrder));
    caller.dial("600");
    assert_eq!(refusal(&world, &caller), 480);
    // From one group to the other and back.
    world.put_ring_group(RingGroup { then: Overflow::RingGroup("back".into()), ..group(RingStrategy::All) });
    let back = RingGroup { name: "back".into(), then: Overflow::RingGroup("door".into()), ..group(RingStrategy::All) };
    world.put_ring_group(RingGroup { number: String::new(), ..back });
    caller.dial("600");
    assert_eq!(refusal(&world, &caller), 482);
    // An extension's forward leads into a group.
    world.change_extension("102", |extension| extension.do_not_disturb = false);
    world.change_extension("101", |extension| {
        extension.do_not_disturb = false;
        extension.forward.always = Some(Overflow::RingGroup("door".to_owned()));
    });
    world.put_ring_group(RingGroup { members: vec!["102".into()], ..group(RingStrategy::All) });
    two.set_conduct(Conduct::Answer(secs(1)));
    caller.dial("101");
    talks_with(&world, &caller, &two);
    caller.dial("600");
    assert!(world.run_until(secs(5), || two.is_ringing()));
    caller.hang_up();
    part(&world, &caller, &two);
    world.assert_settled();
}
