//! Digits that are pressed in a call (RFC 4733).

use expect_test::expect_file;
use patchbay_tests::{connect, converse, everywhere, part};
use sim::{Conduct, Phone, Sound, World, millis, secs};

#[test]
fn digits_reach_the_other_side_once_each() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/digits.txt"],
        |world| {
            let (phone, other) = (world.phone("100"), world.phone("101"));
            other.set_conduct(Conduct::Answer(secs(1)));
            phone.dial("101");
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            phone.press("147*");
            world.run_for(secs(2));
            other.press("0#");
            world.run_for(secs(2));
            // Each digit is told in eight packets: not even two rough lines lose them all.
            assert_eq!((other.digits().as_str(), phone.digits().as_str()), ("147*", "0#"), "seed {}", world.seed());
            converse(world, &phone, &other);
            phone.hang_up();
            part(world, &phone, &other);
        },
    );
}

#[test]
fn digits_pass_between_phones_that_number_them_differently() {
    for (from, to) in [(101, 96), (96, 101), (110, 127)] {
        let world = World::seeded(7);
        let (phone, other) = (world.phone("100"), world.phone("101"));
        phone.set_event_type(from);
        other.set_event_type(to);
        other.set_conduct(Conduct::AnswerAtOnce);
        phone.dial("101");
        connect(&world, &phone, &other);
        converse(&world, &phone, &other);
        phone.press("12");
        other.press("34");
        world.run_for(secs(1));
        assert_eq!((other.digits().as_str(), phone.digits().as_str()), ("12", "34"));
        phone.hang_up();
        part(&world, &phone, &other);
        world.assert_settled();
    }
}

#[test]
fn a_digit_leaves_no_lasting_hole_in_the_voice() {
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.phone("101"));
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    connect(&world, &phone, &other);
    converse(&world, &phone, &other);
    phone.press("5");
    world.run_for(secs(2));
    // Eight packets of the digit take the place of the voice, and nothing more.
    assert!(other.longest_gap() <= millis(160), "{:?}", other.longest_gap());
    assert!(other.hears(phone.voice()));
    phone.hang_up();
    part(&world, &phone, &other);
    world.assert_settled();
}

#[test]
fn a_key_by_info_reaches_the_other_party_once_as_it_takes_keys() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/digits_by_info.txt"],
        |world| {
            let (phone, called) = (world.phone("100"), world.phone("101"));
            world.restart_ladder();
            called.set_conduct(Conduct::Answer(secs(1)));
            phone.dial("101");
            connect(world, &phone, &called);
            converse(world, &phone, &called);
            for key in "1#".chars() {
                phone.press_by_info(key);
                world.run_for(secs(5));
            }
            if world.setup().is_clean() {
                assert_eq!(called.digits(), "1#");
            }
            assert_eq!(called.keys_by_info(), "");
            phone.hang_up();
            part(world, &phone, &called);
        },
    );
}

#[test]
fn a_caller_that_takes_no_keys_by_rtp_has_those_of_the_called_phone_by_info() {
    let world = World::seeded(7);
    let (phone, called) = (world.phone("100"), world.phone("101"));
    phone.without_events();
    phone.add_header("Allow", "INVITE, ACK, BYE, CANCEL, INFO");
    called.set_conduct(Conduct::Answer(secs(1)));
    phone.dial("101");
    connect(&world, &phone, &called);
    converse(&world, &phone, &called);
    called.press("7#");
    world.run_for(secs(8));
    assert_eq!((phone.keys_by_info().as_str(), phone.digits().as_str()), ("7#", ""));
    for key in "5*".chars() {
        phone.press_by_info(key);
        world.run_for(secs(5));
    }
    assert_eq!((called.digits().as_str(), called.keys_by_info().as_str()), ("5*", ""));
    converse(&world, &phone, &called);
    phone.hang_up();
    part(&world, &phone, &called);
    world.assert_settled();
}

/// The spells of both tones of a key that were heard, row and column.
fn tones_heard(phone: &Phone, row: u16, column: u16) -> [usize; 2] {
    [row, column].map(|hertz| phone.heard_among_others(Sound::Voice(hertz)).spells.len())
}

#[test]
fn a_phone_without_events_and_info_hears_a_key_by_rtp_once_as_its_tones() {
    let world = World::seeded(7);
    let (phone, called) = (world.phone("100"), world.phone("101"));
    phone.without_events();
    called.set_conduct(Conduct::Answer(secs(1)));
    phone.dial("101");
    connect(&world, &phone, &called);
    converse(&world, &phone, &called);
    called.press("7");
    world.run_for(secs(3));
    assert_eq!((tones_heard(&phone, 852, 1209), phone.keys_by_info().as_str()), ([1, 1], ""));
    converse(&world, &phone, &called);
    phone.hang_up();
    part(&world, &phone, &called);
    world.assert_settled();
}

#[test]
fn a_phone_that_has_keys_by_info_hears_no_tones_of_them() {
    let world = World::seeded(7);
    let (phone, called) = (world.phone("100"), world.phone("101"));
    phone.without_events();
    phone.add_header("Allow", "INVITE, ACK, BYE, CANCEL, INFO");
    called.set_conduct(Conduct::Answer(secs(1)));
    phone.dial("101");
    connect(&world, &phone, &called);
    converse(&world, &phone, &called);
    called.press("7");
    world.run_for(secs(3));
    assert_eq!((tones_heard(&phone, 852, 1209), phone.keys_by_info().as_str()), ([0, 0], "7"));
    converse(&world, &phone, &called);
    phone.hang_up();
    part(&world, &phone, &called);
    world.assert_settled();
}
