//! Pages that lose their WebSocket and come back: their registration keeps its place, and calls to it wait.

use model::{EventBody, RegistrationChange};
use patchbay_tests::{connect, converse, part, refusal, roughly};
use sim::{Conduct, Phone, Setup, World, millis, secs};

/// A page that does not come back by itself.
fn page(world: &World, number: &str) -> Phone {
    let page = world.page(number);
    page.stay_away();
    page.set_conduct(Conduct::Answer(secs(1)));
    page
}

fn removed(world: &World) -> usize {
    let gone = |event: &model::Event| matches!(&event.body, EventBody::RegistrationChanged { change, .. } if *change == RegistrationChange::Removed);
    world.events().iter().filter(|event| gone(event)).count()
}

fn talk(world: &World, caller: &Phone, page: &Phone) {
    connect(world, caller, page);
    // The handshake has its own patience with lost packets.
    world.run_for(if world.setup().is_clean() { secs(1) } else { secs(8) });
    converse(world, caller, page);
    caller.hang_up();
    part(world, caller, page);
}

#[test]
fn a_call_waits_for_a_page_that_reconnects_and_rings_as_soon_as_it_is_back() {
    roughly(
        |setup| setup.browsers().workers(2),
        |world| {
            let (page, caller) = (page(world, "100"), world.phone("101"));
            page.break_stream();
            world.run_for(secs(5));
            assert_eq!((world.streams(), world.registrations("100").len()), (0, 1), "seed {}", world.seed());
            caller.dial("100");
            world.run_for(secs(3));
            assert_eq!((page.calls_received(), caller.end()), (0, None), "seed {}", world.seed());
            page.register();
            talk(world, &caller, &page);
            assert_eq!(removed(world), 0, "seed {}", world.seed());
        },
    );
}

#[test]
fn a_page_that_does_not_come_back_is_gone_when_its_grace_is_over() {
    let world = World::new(Setup::new(7).browsers().unannounced().tuned(|config| config.policy.grace = secs(10)));
    let (page, caller) = (page(&world, "100"), world.phone("101"));
    page.break_stream();
    world.run_for(secs(4));
    caller.dial("100");
    world.run_for(secs(5));
    assert_eq!((caller.end(), removed(&world)), (None, 0), "it may still come back");
    assert_eq!(refusal(&world, &caller), 480);
    assert_eq!((world.registrations("100").len(), removed(&world)), (0, 1));
    // From now on nobody waits.
    caller.dial("100");
    assert!(world.run_until(secs(1), || caller.end().is_some()));
    // And it is as welcome as ever.
    page.register();
    world.run_for(secs(1));
    caller.dial("100");
    talk(&world, &caller, &page);
    world.assert_settled();
}

#[test]
fn without_grace_a_page_is_gone_with_its_stream() {
    let world = World::new(Setup::new(7).browsers().unannounced().tuned(|config| config.policy.grace = secs(0)));
    let (page, caller) = (page(&world, "100"), world.phone("101"));
    page.break_stream();
    world.run_for(secs(1));
    assert_eq!((world.registrations("100").len(), removed(&world)), (0, 1));
    caller.dial("100");
    assert!(world.run_until(secs(1), || caller.end().is_some()));
    world.assert_settled();
}

#[test]
fn whoever_else_is_there_rings_at_once_and_who_hangs_up_waits_for_nobody() {
    let world = World::new(Setup::new(7).browsers());
    let (page, caller) = (page(&world, "100"), world.phone("101"));
    page.break_stream();
    world.run_for(secs(1));
    caller.dial("100");
    world.run_for(secs(1));
    caller.hang_up();
    world.run_for(secs(1));
    page.register();
    world.run_for(secs(3));
    assert_eq!(page.calls_received(), 0);
    page.break_stream();
    let desk = world.phone("100");
    desk.set_conduct(Conduct::Answer(millis(500)));
    caller.dial("100");
    talk(&world, &caller, &desk);
    world.assert_settled();
}

#[test]
fn pages_keep_their_place_while_the_switch_restarts() {
    let world = World::new(Setup::new(7).browsers().workers(2));
    let (page, caller) = (page(&world, "100"), world.phone("101"));
    world.run_for(secs(1));
    world.kill();
    world.run_for(secs(1));
    world.restart();
    world.run_for(secs(1));
    caller.dial("100");
    world.run_for(secs(5));
    assert_eq!((page.calls_received(), caller.end()), (0, None));
    page.register();
    talk(&world, &caller, &page);
    world.assert_settled();
}
