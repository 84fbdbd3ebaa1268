//! An extension with several phones: all ring, one answers.

use expect_test::expect_file;
use model::{Outcome, Side};
use patchbay_tests::{assert_recorded, connect, converse, everywhere, heard_if_told, once, part, refusal, seeds};
use sim::{Conduct, End, Phone, Setup, Sound, World, millis, secs};

/// A caller, and two phones of 101.
fn three(world: &World) -> (Phone, Phone, Phone) {
    (world.phone("100"), world.phone("101"), world.phone("101"))
}

#[test]
fn all_phones_ring_and_the_one_that_answers_has_the_call() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/forked.txt"],
        |world| {
            let (phone, desk, kitchen) = three(world);
            assert_eq!(world.registrations("101").len(), 2);
            phone.dial("101");
            assert!(world.run_until(secs(19), || desk.is_ringing() && kitchen.is_ringing()));
            world.run_for(millis(500));
            kitchen.answer();
            connect(world, &phone, &kitchen);
            converse(world, &phone, &kitchen);
            assert_eq!(desk.end(), Some(End::NotTaken(487)));
            assert!(!phone.has_heard(desk.voice()));
            phone.hang_up();
            part(world, &phone, &kitchen);
            let record = world.record();
            assert_recorded(world, &record, &phone, &kitchen);
            assert_eq!(record.legs.len(), 3);
            let outcomes: Vec<Outcome> = record.legs.iter().map(|leg| leg.outcome).collect();
            assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Cancelled).count(), 1, "{outcomes:?}");
        },
    );
}

#[test]
fn one_is_busy_and_the_other_answers() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/forked_one_busy.txt"],
        |world| {
            let (phone, desk, kitchen) = three(world);
            desk.set_conduct(Conduct::Busy);
            kitchen.set_conduct(Conduct::Answer(secs(3)));
            phone.dial("101");
            connect(world, &phone, &kitchen);
            converse(world, &phone, &kitchen);
            kitchen.hang_up();
            part(world, &phone, &kitchen);
            assert_recorded(world, &world.record(), &phone, &kitchen);
        },
    );
}

#[test]
fn all_refuse_and_the_caller_hears_the_best_reason() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/forked_all_refuse.txt"],
        |world| {
            let (phone, desk, kitchen) = three(world);
            desk.set_conduct(Conduct::Refuse(480));
            kitchen.set_conduct(Conduct::Busy);
            phone.dial("101");
            let status = refusal(world, &phone);
            heard_if_told(world, &phone, Sound::Busy);
            let record = world.record();
            assert_eq!((record.outcome, record.ended_by, status), (Outcome::Busy, Side::Callee, 486));
        },
    );
}

#[test]
fn both_answer_in_the_same_moment() {
    for seed in seeds() {
        let world = World::new(if seed == 0 { Setup::new(seed) } else { Setup::new(seed).rough() });
        let (phone, desk, kitchen) = three(&world);
        phone.dial("101");
        assert!(world.run_until(secs(19), || desk.is_ringing() && kitchen.is_ringing()), "seed {seed}");
        desk.answer();
        kitchen.answer();
        world.run_for(secs(20));
        let (winner, loser) = if desk.is_talking() { (&desk, &kitchen) } else { (&kitchen, &desk) };
        assert!(winner.is_talking() && loser.end() == Some(End::LeftByThem), "seed {seed}");
        converse(&world, &phone, winner);
        assert!(!phone.has_heard(loser.voice()) && !loser.has_heard(phone.voice()), "seed {seed}");
        phone.hang_up();
        part(&world, &phone, winner);
        world.assert_settled();
        assert_recorded(&world, &world.record(), &phone, winner);
    }
}

#[test]
fn the_caller_cancels_and_all_stop_ringing() {
    once(Setup::new(7), &expect_file!["../../ladders/forked_cancelled.txt"], |world| {
        let (phone, desk, kitchen) = three(world);
        phone.dial("101");
        world.run_for(secs(2));
        phone.hang_up();
        world.run_for(secs(1));
        assert_eq!([desk.end(), kitchen.end()], [Some(End::NotTaken(487)); 2]);
        assert_eq!(world.record().outcome, Outcome::Cancelled);
    });
}

#[test]
fn more_than_two_ring_together_and_one_vanished_harms_nobody() {
    let world = World::seeded(7);
    let (phone, desk, kitchen) = three(&world);
    let cellar = world.phone("101");
    assert_eq!(cellar.registered_contacts(), 3);
    desk.vanish();
    cellar.set_conduct(Conduct::Answer(secs(5)));
    phone.dial("101");
    connect(&world, &phone, &cellar);
    converse(&world, &phone, &cellar);
    assert_eq!(kitchen.end(), Some(End::NotTaken(487)));
    phone.hang_up();
    part(&world, &phone, &cellar);
    world.assert_settled();
    assert_recorded(&world, &world.record(), &phone, &cellar);
}

#[test]
fn by_preference_the_kitchen_rings_when_the_desk_does_not_answer() {
    everywhere(
        |setup| setup.tuned(|config| config.policy.forking = sim::cell::Forking::ByPreference).ring_seconds(15),
        &expect_file!["../../ladders/forked_by_preference.txt"],
        |world| {
            let (phone, desk, kitchen) = (world.phone("100"), world.unregistered("101"), world.unregistered("101"));
            desk.set_preference("0.9");
            kitchen.set_preference("0.5");
            desk.register();
            kitchen.register();
            assert!(world.run_until(secs(60), || desk.is_registered() && kitchen.is_registered()));
            world.restart_ladder();
            phone.dial("101");
            assert!(world.run_until(secs(14), || desk.is_ringing()), "seed {}", world.seed());
            assert_eq!(kitchen.calls_received(), 0);
            assert!(world.run_until(secs(30), || kitchen.is_ringing()));
            world.run_for(secs(1));
            kitchen.answer();
            connect(world, &phone, &kitchen);
            converse(world, &phone, &kitchen);
            assert_eq!(desk.end(), Some(End::NotTaken(487)));
            phone.hang_up();
            part(world, &phone, &kitchen);
            assert_recorded(world, &world.record(), &phone, &kitchen);
        },
    );
}
