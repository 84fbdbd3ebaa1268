//! Pages that lose their WebSocket and come back: their registration keeps its place, and calls to it wait.

use model::{EventBody, Outcome, RegistrationChange};
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

/// It rings at the page; the caller hears so.
fn ring(world: &World, caller: &Phone, page: &Phone) {
    page.set_conduct(Conduct::Ring);
    caller.dial(&page.number());
    assert!(world.run_until(secs(40), || page.is_ringing()), "seed {}", world.seed());
    world.run_for(secs(2));
}

#[test]
fn a_call_that_rings_at_a_page_rings_on_where_the_page_comes_back() {
    roughly(
        |setup| setup.browsers().workers(2),
        |world| {
            let seed = world.seed();
            let (page, caller) = (page(world, "100"), world.phone("101"));
            ring(world, &caller, &page);
            page.break_stream();
            world.run_for(secs(2));
            assert!(!page.is_ringing() && caller.end().is_none(), "seed {seed}: the caller notices nothing");
            page.register();
            assert!(world.run_until(secs(40), || page.is_ringing()), "seed {seed}");
            assert_eq!(page.calls_received(), 2, "seed {seed}");
            world.run_for(secs(1));
            page.answer();
            talk(world, &caller, &page);
            let record = world.record();
            assert_eq!((record.outcome, record.legs.len()), (Outcome::Answered, 2), "seed {seed}");
        },
    );
}

#[test]
fn a_page_whose_old_stream_hangs_is_called_by_its_new_one_and_a_page_loaded_anew_takes_the_call() {
    let world = World::new(Setup::new(7).browsers());
    let (first, caller) = (page(&world, "100"), world.phone("101"));
    ring(&world, &caller, &first);
    // The switch has not heard of the old stream's end.
    first.forget_stream();
    first.register();
    assert!(world.run_until(secs(5), || first.calls_received() == 2 && first.is_ringing()), "{:?}", first.state());
    first.break_stream();
    world.run_for(secs(2));
    let anew = page(&world, "100");
    assert!(world.run_until(secs(5), || anew.calls_received() == 1));
    talk(&world, &caller, &anew);
    assert_eq!(first.calls_received(), 2);
    world.assert_settled();
}

#[test]
fn a_page_that_rang_and_does_not_come_back_was_not_to_be_reached() {
    let world = World::new(Setup::new(7).browsers().unannounced().tuned(|config| config.policy.grace = secs(5)));
    let (page, caller) = (page(&world, "100"), world.phone("101"));
    ring(&world, &caller, &page);
    page.break_stream();
    world.run_for(secs(4));
    assert_eq!(caller.end(), None, "it may still come back");
    assert_eq!(refusal(&world, &caller), 480);
    // Another phone of the extension may answer meanwhile; the page that comes too late does not ring.
    page.register();
    let desk = world.phone("100");
    world.run_for(secs(1));
    ring(&world, &caller, &page);
    page.break_stream();
    world.run_for(secs(1));
    desk.answer();
    connect(&world, &caller, &desk);
    let received = page.calls_received();
    page.register();
    world.run_for(secs(8));
    assert_eq!(page.calls_received(), received);
    converse(&world, &caller, &desk);
    caller.hang_up();
    part(&world, &caller, &desk);
    world.assert_settled();
}

#[test]
fn who_gives_up_while_a_page_is_missed_leaves_nothing_behind() {
    let world = World::new(Setup::new(7).browsers());
    let (page, caller) = (page(&world, "100"), world.phone("101"));
    ring(&world, &caller, &page);
    page.break_stream();
    world.run_for(secs(1));
    caller.hang_up();
    world.run_for(secs(1));
    page.register();
    world.run_for(secs(3));
    assert_eq!(page.calls_received(), 1);
    assert_eq!(world.record().outcome, Outcome::Cancelled);
    world.assert_settled();
}
