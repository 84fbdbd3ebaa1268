//! Phones behind NAT boxes that name only their private addresses.

use expect_test::expect_file;
use patchbay_tests::{assert_recorded, connect, converse, everywhere, heard_if_told, part, roughly};
use sim::{Conduct, End, Sound, World, secs};

#[test]
fn both_behind_nat_hear_each_other() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/nat.txt"],
        |world| {
            let (phone, other) = (world.phone_behind_nat("100"), world.phone_behind_nat("101"));
            phone.dial("101");
            assert!(world.run_until(secs(40), || other.is_ringing()));
            world.run_for(secs(11));
            heard_if_told(world, &phone, Sound::Ringback);
            other.answer();
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            other.hang_up();
            part(world, &phone, &other);
            assert_eq!(phone.end(), Some(End::LeftByThem));
            assert_recorded(world, &world.record(), &phone, &other);
        },
    );
}

#[test]
fn two_phones_behind_one_nat_hear_each_other() {
    roughly(
        |setup| setup,
        |world| {
            let nat = world.nat();
            let (phone, other) = (world.phone_in(&nat, "100"), world.phone_in(&nat, "101"));
            other.set_conduct(Conduct::Answer(secs(1)));
            phone.dial("101");
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            phone.hang_up();
            part(world, &phone, &other);
            assert_recorded(world, &world.record(), &phone, &other);
        },
    );
}

#[test]
fn a_call_reaches_a_nat_phone_an_hour_later() {
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.phone_behind_nat("101"));
    other.set_conduct(Conduct::AnswerAtOnce);
    world.run_for(secs(3600));
    phone.dial("101");
    connect(&world, &phone, &other);
    converse(&world, &phone, &other);
    phone.hang_up();
    part(&world, &phone, &other);
    world.assert_settled();
}

#[test]
fn a_nat_box_that_reboots_in_a_call_costs_only_seconds_of_sound() {
    let world = World::seeded(7);
    let nat = world.nat();
    let (phone, other) = (world.phone_in(&nat, "100"), world.phone("101"));
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    connect(&world, &phone, &other);
    converse(&world, &phone, &other);
    world.reboot(&nat);
    world.run_for(secs(10));
    converse(&world, &phone, &other);
    phone.hang_up();
    part(&world, &phone, &other);
    world.assert_settled();
    assert_recorded(&world, &world.record(), &phone, &other);
}
