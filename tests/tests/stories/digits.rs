//! Digits that are pressed in a call (RFC 4733).

use expect_test::expect_file;
use model::{EventBody, InbandDtmf};
use patchbay_tests::{connect, converse, everywhere, part, roughly};
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

/// The keys that the switch told of.
fn told(world: &World) -> String {
    let key = |event: model::Event| match event.body {
        EventBody::Dtmf { digit, .. } => Some(digit),
        _ => None,
    };
    world.events().into_iter().filter_map(key).collect()
}

#[test]
fn a_key_in_the_sound_reaches_a_phone_as_it_takes_keys_and_once() {
    // What the called phone takes: events, INFO, or neither.
    for (events, info) in [(true, false), (false, true), (false, false)] {
        let world = World::seeded(7);
        let (phone, called) = (world.phone("100"), world.phone("101"));
        phone.without_events();
        if !events {
            called.without_events();
        }
        if info {
            called.say_with("Allow", "INVITE, ACK, BYE, CANCEL, INFO");
        }
        called.set_conduct(Conduct::Answer(secs(1)));
        phone.dial("101");
        connect(&world, &phone, &called);
        converse(&world, &phone, &called);
        phone.press_as_tones("7");
        world.run_for(secs(3));
        assert_eq!(told(&world), "7");
        assert_eq!(called.digits(), if events { "7" } else { "" });
        assert_eq!(called.keys_by_info(), if info { "7" } else { "" });
        for hertz in [852, 1209] {
            // Of a tone that is taken out of the sound its first moment is left, which no receiver takes for a key.
            let heard = called.heard_among_others(Sound::Voice(hertz)).total();
            assert!(if events || info { heard <= millis(40) } else { heard >= millis(90) }, "{hertz} Hz for {heard:?}");
        }
        converse(&world, &phone, &called);
        phone.hang_up();
        part(&world, &phone, &called);
        world.assert_settled();
    }
}

#[test]
fn keys_in_the_sound_are_heard_both_ways_by_every_codec_and_over_rough_lines() {
    for codec in ["PCMU", "PCMA", "G722", "L16"] {
        let world = World::seeded(7);
        let (phone, called) = (world.phone("100"), world.phone("101"));
        [&phone, &called].into_iter().for_each(Phone::without_events);
        phone.speak_only(codec);
        called.speak_only("PCMA");
        world.change_extension("101", |e| e.codecs = vec!["PCMA".to_owned()]);
        called.set_conduct(Conduct::Answer(secs(1)));
        phone.dial("101");
        connect(&world, &phone, &called);
        converse(&world, &phone, &called);
        phone.press_as_tones("147*");
        world.run_for(secs(3));
        called.press_as_tones("0#");
        world.run_for(secs(3));
        assert_eq!(told(&world), "147*0#", "{codec}");
        converse(&world, &phone, &called);
        phone.hang_up();
        part(&world, &phone, &called);
        world.assert_settled();
    }
    roughly(
        |setup| setup,
        |world| {
            let (phone, called) = (world.phone("100"), world.phone("101"));
            phone.without_events();
            called.set_conduct(Conduct::Answer(secs(1)));
            phone.dial("101");
            connect(world, &phone, &called);
            converse(world, &phone, &called);
            phone.press_as_tones("5");
            world.run_for(secs(3));
            // A lost packet may leave too little of a tone, or tear it in two.
            assert!(told(world).chars().all(|key| key == '5') && told(world).len() <= 2, "seed {}", world.seed());
            converse(world, &phone, &called);
            phone.hang_up();
            part(world, &phone, &called);
        },
    );
}

#[test]
fn a_phone_that_sends_keys_in_two_ways_at_once_has_pressed_them_once() {
    let world = World::seeded(7);
    let (phone, called) = (world.phone("100"), world.phone("101"));
    world.change_extension("100", |e| e.inband_dtmf = InbandDtmf::Always);
    called.set_conduct(Conduct::Answer(secs(1)));
    phone.dial("101");
    connect(&world, &phone, &called);
    converse(&world, &phone, &called);
    for key in ["5", "5", "9"] {
        phone.press(key);
        world.run_for(millis(200));
        phone.press_as_tones(key);
        world.run_for(secs(1));
    }
    assert_eq!((told(&world).as_str(), called.digits().as_str()), ("559", "559"));
    phone.press_by_info('3');
    phone.press_as_tones("3");
    world.run_for(secs(5));
    assert_eq!((told(&world).as_str(), called.digits().as_str()), ("5593", "5593"));
    converse(&world, &phone, &called);
    phone.hang_up();
    part(&world, &phone, &called);
    world.assert_settled();
}
