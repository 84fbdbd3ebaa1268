//! Phones that sleep until a push wakes them.

use model::{EventBody, Outcome};
use patchbay_tests::{connect, converse, part, refusal};
use sim::{Conduct, Phone, Setup, World, millis, secs};

fn pushing(config: &mut cell::Config) {
    config.policy.push_providers = vec!["fcm".into()];
    config.policy.push_wait = secs(10);
}

fn pushes(world: &World) -> Vec<String> {
    let of = |event: model::Event| match event.body {
        EventBody::PushWanted { extension, provider, prid, .. } => Some(format!("{extension} {provider} {prid}")),
        _ => None,
    };
    world.events().into_iter().filter_map(of).collect()
}

fn sleeper(world: &World) -> Phone {
    let phone = world.unregistered("200");
    phone.sleeps("fcm", "token");
    phone.set_conduct(Conduct::Answer(millis(500)));
    phone.register();
    world.run_for(secs(1));
    assert!(phone.is_registered());
    phone
}

#[test]
fn a_sleeping_phone_is_woken_and_then_rings() {
    for workers in [1, 3] {
        let world = World::new(Setup::new(7).workers(workers).tuned(pushing));
        let (caller, phone) = (world.phone("100"), sleeper(&world));
        world.run_for(secs(60));
        caller.dial("200");
        assert!(world.run_until(secs(2), || !pushes(&world).is_empty()));
        assert_eq!(pushes(&world), ["200 fcm token"]);
        world.run_for(secs(3));
        assert_eq!(phone.calls_received(), 0);
        phone.register();
        connect(&world, &caller, &phone);
        converse(&world, &caller, &phone);
        caller.hang_up();
        part(&world, &caller, &phone);
        world.assert_settled();
    }
}

#[test]
fn a_phone_that_is_awake_rings_at_once_and_one_that_does_not_wake_is_not_there() {
    let world = World::new(Setup::new(7).tuned(pushing));
    let (caller, phone) = (world.phone("100"), sleeper(&world));
    caller.dial("200");
    connect(&world, &caller, &phone);
    caller.hang_up();
    part(&world, &caller, &phone);
    assert!(pushes(&world).is_empty());
    world.run_for(secs(60));
    caller.dial("200");
    assert_eq!(refusal(&world, &caller), 480);
    assert_eq!(world.records()[1].outcome, Outcome::Unreachable);
    // Who gives up before the phone wakes leaves nothing behind.
    caller.dial("200");
    world.run_for(secs(2));
    caller.hang_up();
    world.run_for(secs(2));
    phone.register();
    world.run_for(secs(5));
    assert_eq!(phone.calls_received(), 1);
    world.assert_settled();
}
