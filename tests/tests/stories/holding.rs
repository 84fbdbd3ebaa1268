//! Re-INVITEs within a call: hold and back.

use expect_test::expect_file;
use model::Outcome;
use patchbay_tests::{assert_recorded, connect, converse, everywhere, part};
use sim::{Conduct, Phone, Setup, World, secs};

fn talking(world: &World) -> (Phone, Phone) {
    let (phone, other) = (world.phone("100"), world.phone("101"));
    other.set_conduct(Conduct::Answer(secs(1)));
    phone.dial("101");
    connect(world, &phone, &other);
    converse(world, &phone, &other);
    (phone, other)
}

#[test]
fn a_call_is_held_and_taken_back() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/held.txt"],
        |world| {
            let (phone, other) = talking(world);
            phone.hold();
            assert!(world.run_until(secs(40), || phone.reinvite_status() == Some(200)));
            world.run_for(secs(3));
            assert!(!other.hears(phone.voice()) && !phone.hears(other.voice()), "seed {}", world.seed());
            assert!(other.is_talking());
            phone.unhold();
            assert!(world.run_until(secs(40), || phone.reinvite_status() == Some(200)));
            converse(world, &phone, &other);
            other.hang_up();
            part(world, &phone, &other);
            assert_recorded(world, &world.record(), &phone, &other);
        },
    );
}

#[test]
fn the_called_party_holds() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/held_by_callee.txt"],
        |world| {
            let (phone, other) = talking(world);
            other.hold();
            assert!(world.run_until(secs(40), || other.reinvite_status() == Some(200)));
            world.run_for(secs(3));
            assert!(!other.hears(phone.voice()) && !phone.hears(other.voice()), "seed {}", world.seed());
            other.unhold();
            assert!(world.run_until(secs(40), || other.reinvite_status() == Some(200)));
            converse(world, &phone, &other);
            phone.hang_up();
            part(world, &phone, &other);
            assert_recorded(world, &world.record(), &phone, &other);
        },
    );
}

#[test]
fn a_held_call_is_silent_longer_than_a_lost_one_may_be() {
    let world = World::new(Setup::new(7).media_timeout(secs(10)));
    let (phone, other) = talking(&world);
    phone.hold();
    world.run_for(secs(60));
    assert!(phone.is_talking() && other.is_talking());
    phone.unhold();
    world.run_for(secs(1));
    converse(&world, &phone, &other);
    phone.hang_up();
    part(&world, &phone, &other);
    world.assert_settled();
    assert_eq!(world.record().outcome, Outcome::Answered);
}

#[test]
fn both_hold_at_the_same_time() {
    let world = World::seeded(7);
    let (phone, other) = talking(&world);
    phone.hold();
    other.hold();
    world.run_for(secs(3));
    assert_eq!([phone.reinvite_status(), other.reinvite_status()], [Some(200); 2]);
    phone.unhold();
    other.unhold();
    world.run_for(secs(1));
    converse(&world, &phone, &other);
    phone.hang_up();
    part(&world, &phone, &other);
    world.assert_settled();
}

#[test]
fn a_party_asks_for_an_offer_in_an_established_call() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/late_reinvite.txt"],
        |world| {
            let (ana, ben) = (world.phone("100"), world.phone("101"));
            ben.set_conduct(Conduct::Answer(secs(1)));
            ana.dial("101");
            connect(world, &ana, &ben);
            converse(world, &ana, &ben);
            for phone in [&ana, &ben] {
                phone.ask_for_offer();
                assert!(world.run_until(secs(40), || phone.reinvite_status() == Some(200)), "seed {}", world.seed());
                world.run_for(secs(5));
                assert!(ana.hears(ben.voice()) && ben.hears(ana.voice()), "seed {}", world.seed());
            }
            ben.hang_up();
            part(world, &ana, &ben);
        },
    );
}
