//! Phones that share no codec, and phones that encrypt.

use expect_test::expect_file;
use model::Srtp;
use patchbay_tests::{assert_recorded, connect, converse, everywhere, part, refusal, roughly};
use sim::{Conduct, Setup, World, millis, secs};

#[test]
fn a_wide_band_phone_and_a_narrow_one_hear_each_other() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/codecs.txt"],
        |world| {
            let (phone, other) = (world.phone("100"), world.phone("101"));
            phone.speak_only("G722");
            other.speak_only("PCMA");
            other.set_conduct(Conduct::Answer(secs(1)));
            phone.dial("101");
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            phone.press("16");
            world.run_for(secs(1));
            other.press("#");
            world.run_for(secs(2));
            assert_eq!((other.digits().as_str(), phone.digits().as_str()), ("16", "#"), "seed {}", world.seed());
            converse(world, &phone, &other);
            phone.hang_up();
            part(world, &phone, &other);
            assert_recorded(world, &world.records()[0], &phone, &other);
        },
    );
}

#[test]
fn every_codec_meets_the_laws_without_a_gap() {
    for codec in ["G722", "L16", "PCMU"] {
        for law in ["PCMA", "PCMU"] {
            let world = World::seeded(7);
            let (phone, other) = (world.phone("100"), world.phone("101"));
            phone.speak_only(codec);
            other.speak_only(law);
            other.set_conduct(Conduct::AnswerAtOnce);
            phone.dial("101");
            connect(&world, &phone, &other);
            world.run_for(secs(1));
            converse(&world, &phone, &other);
            assert!(other.longest_gap() <= millis(60), "{codec} to {law}: {:?}", other.longest_gap());
            other.hold();
            world.run_for(secs(1));
            other.unhold();
            world.run_for(secs(1));
            converse(&world, &phone, &other);
            other.hang_up();
            part(&world, &phone, &other);
            world.assert_settled();
        }
    }
}

fn offered(setup: Setup) -> Setup {
    setup.tuned(|config| config.policy.srtp = Srtp::Offered)
}

#[test]
fn a_phone_that_encrypts_and_one_that_does_not_hear_each_other() {
    everywhere(offered, &expect_file!["../../ladders/srtp.txt"], |world| {
        let (phone, other) = (world.phone("100"), world.phone("101"));
        phone.set_secure();
        other.set_conduct(Conduct::Answer(secs(1)));
        phone.dial("101");
        connect(world, &phone, &other);
        converse(world, &phone, &other);
        assert!(phone.is_sealed() && !other.is_sealed(), "seed {}", world.seed());
        phone.hang_up();
        part(world, &phone, &other);
        assert_recorded(world, &world.records()[0], &phone, &other);
    });
}

#[test]
fn a_called_phone_takes_the_keys_it_is_offered() {
    roughly(offered, |world| {
        let (phone, other) = (world.phone("100"), world.phone("101"));
        other.set_secure();
        other.set_conduct(Conduct::Answer(secs(1)));
        phone.dial("101");
        connect(world, &phone, &other);
        converse(world, &phone, &other);
        assert!(!phone.is_sealed() && other.is_sealed(), "seed {}", world.seed());
        other.hold();
        world.run_for(secs(2));
        other.unhold();
        world.run_for(secs(3));
        converse(world, &phone, &other);
        other.hang_up();
        part(world, &phone, &other);
    });
}

#[test]
fn policies_refuse_what_they_do_not_allow() {
    let required = Setup::new(7).tuned(|config| config.policy.srtp = Srtp::Required);
    for (setup, secure) in [(Setup::new(7), true), (required, false)] {
        let world = World::new(setup);
        let (phone, other) = (world.phone("100"), world.phone("101"));
        if secure {
            phone.set_secure();
        }
        phone.dial("101");
        assert_eq!(refusal(&world, &phone), 488);
        assert_eq!(other.calls_received(), 0);
        world.assert_settled();
    }
}

#[test]
fn each_extension_has_its_own_encryption_and_codecs() {
    roughly(
        |setup| setup,
        |world| {
            let (phone, other) = (world.phone("100"), world.phone("101"));
            world.change_extension("100", |e| e.srtp = Some(Srtp::Required));
            world.change_extension("101", |e| e.codecs = vec!["G722".to_owned()]);
            phone.set_secure();
            phone.speak_only("PCMA");
            other.speak_only("G722");
            other.set_conduct(Conduct::Answer(secs(1)));
            phone.dial("101");
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            assert!(phone.is_sealed() && !other.is_sealed(), "seed {}", world.seed());
            assert!(!other.offered_payload_types().contains(&8), "{:?}", other.offered_payload_types());
            other.hang_up();
            part(world, &phone, &other);
        },
    );
}

#[test]
fn an_extension_that_must_encrypt_is_refused_without_and_one_that_must_not_with_keys() {
    for (srtp, secure) in [(Srtp::Required, false), (Srtp::Off, true)] {
        let world = World::new(offered(Setup::new(7)));
        let (phone, other) = (world.phone("100"), world.phone("101"));
        world.change_extension("100", |e| e.srtp = Some(srtp));
        if secure {
            phone.set_secure();
        }
        phone.dial("101");
        assert_eq!(refusal(&world, &phone), 488);
        assert_eq!(other.calls_received(), 0);
    }
    // A codec that is not on the list is as good as none.
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.phone("101"));
    world.change_extension("100", |e| e.codecs = vec!["PCMA".to_owned()]);
    phone.speak_only("PCMU");
    phone.dial("101");
    assert_eq!(refusal(&world, &phone), 488);
    assert_eq!(other.calls_received(), 0);
}

fn secure_trunk(setup: Setup) -> Setup {
    setup.trunk("gateway", "9*").tuned(|config| {
        config.trunks[0].srtp = Srtp::Required;
        config.trunks[0].media_timeout = Some(secs(5));
    })
}

#[test]
fn a_trunk_that_must_encrypt_speaks_with_phones_that_do_not() {
    roughly(secure_trunk, |world| {
        let (phone, far) = (world.phone("100"), world.trunk("gateway"));
        far.set_secure();
        far.set_conduct(Conduct::Answer(secs(1)));
        phone.dial("9123");
        connect(world, &phone, &far);
        converse(world, &phone, &far);
        assert!(!phone.is_sealed() && far.is_sealed(), "seed {}", world.seed());
        phone.hang_up();
        part(world, &phone, &far);
    });
}

#[test]
fn a_trunk_has_its_own_patience_with_silence_but_not_while_it_holds() {
    let world = World::new(secure_trunk(Setup::new(7)));
    let (phone, far) = (world.phone("100"), world.trunk("gateway"));
    far.set_secure();
    far.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("9123");
    connect(&world, &phone, &far);
    far.hold();
    world.run_for(secs(8));
    assert!(phone.is_talking(), "held is not gone");
    far.unhold();
    world.run_for(secs(2));
    far.fall_silent();
    world.run_for(secs(4));
    assert!(phone.is_talking());
    world.run_for(secs(8));
    assert!(!phone.is_talking(), "five seconds of nothing are enough there");
    assert_eq!(world.records()[0].outcome, model::Outcome::MediaTimeout);
}

#[test]
fn a_phone_that_has_only_a_wide_band_codec_is_called_from_others() {
    roughly(
        |setup| setup,
        |world| {
            let (phone, other) = (world.phone("100"), world.phone("101"));
            phone.speak_only("PCMA");
            other.speak_only("G722");
            other.set_conduct(Conduct::Answer(secs(1)));
            phone.dial("101");
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            // G.711 first, and the rest only once that was refused.
            let offered = other.offered_payload_types();
            assert!(offered.starts_with(&[8, 0, 9]), "{offered:?}");
            phone.hang_up();
            part(world, &phone, &other);
            assert_recorded(world, &world.records()[0], &phone, &other);
        },
    );
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.phone("101"));
    other.set_conduct(Conduct::Answer(secs(1)));
    phone.dial("101");
    connect(&world, &phone, &other);
    assert!(!other.offered_payload_types().contains(&9), "who needs no more is offered no more");
    phone.hang_up();
    part(&world, &phone, &other);
    // Nothing is left to offer to a phone that has been limited to what it has not.
    world.change_extension("101", |e| e.codecs = vec!["PCMA".to_owned()]);
    other.speak_only("G722");
    phone.dial("101");
    assert_eq!(refusal(&world, &phone), 488);
    assert_eq!(other.calls_received(), 2);
    world.assert_settled();
}

#[test]
fn a_codec_changes_in_a_call_without_a_gap() {
    for (before, after) in [("PCMA", "G722"), ("G722", "PCMA"), ("PCMA", "L16"), ("PCMU", "PCMA")] {
        let world = World::seeded(7);
        let (phone, other) = (world.phone("100"), world.phone("101"));
        phone.speak_only(before);
        other.speak_only("PCMA");
        other.set_conduct(Conduct::Answer(secs(1)));
        phone.dial("101");
        connect(&world, &phone, &other);
        converse(&world, &phone, &other);
        phone.change_codec(after);
        assert!(world.run_until(secs(5), || phone.reinvite_status() == Some(200)), "{before} to {after}");
        converse(&world, &phone, &other);
        for (who, ear) in [("who changed", &phone), ("the other", &other)] {
            assert!(ear.longest_gap() <= millis(60), "{before} to {after}, {who}: {:?}", ear.longest_gap());
        }
        phone.hang_up();
        part(&world, &phone, &other);
        world.assert_settled();
    }
}
