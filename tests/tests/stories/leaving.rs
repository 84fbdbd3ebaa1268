//! Who leaves before it began, who leaves without a word, and messages that get lost on the way out.

use expect_test::expect_file;
use model::{Outcome, Side};
use patchbay_tests::{assert_recorded, connect, converse, everywhere, once, part};
use sim::{Conduct, End, Phone, Setup, World, millis, secs};

fn two(world: &World) -> (Phone, Phone) {
    (world.phone("100"), world.phone("101"))
}

#[test]
fn the_caller_cancels_while_it_rings() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/cancelled.txt"],
        |world| {
            let (phone, other) = two(world);
            phone.dial("101");
            assert!(world.run_until(secs(40), || other.is_ringing()));
            world.run_for(secs(2));
            phone.hang_up();
            part(world, &phone, &other);
            assert_eq!(phone.end(), Some(End::Refused(487)));
            assert_eq!(other.end(), Some(End::NotTaken(487)));
            let record = world.record();
            assert_eq!((record.outcome, record.ended_by, record.cause.sip), (Outcome::Cancelled, Side::Caller, 487));
            assert!(record.recording.is_none());
        },
    );
}

#[test]
fn the_caller_changes_its_mind_before_it_said_who_it_is() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/cancelled_at_once.txt"],
        |world| {
            let (phone, other) = two(world);
            phone.dial("101");
            phone.hang_up();
            part(world, &phone, &other);
            // The challenge was the answer to its INVITE; nobody was called, and no call reached us.
            assert_eq!(phone.end(), Some(End::Refused(401)));
            assert_eq!((other.calls_received(), world.records().len()), (0, 0));
        },
    );
}

#[test]
fn the_caller_cancels_before_it_rings() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/cancelled_early.txt"],
        |world| {
            let (phone, other) = two(world);
            phone.dial("101");
            assert!(world.run_until(secs(40), || phone.statuses().contains(&401)));
            phone.hang_up();
            part(world, &phone, &other);
            assert_eq!(phone.end(), Some(End::Refused(487)));
            assert_eq!(world.record().outcome, Outcome::Cancelled);
        },
    );
}

#[test]
fn the_caller_says_bye_before_the_answer() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/early_bye.txt"],
        |world| {
            let (phone, other) = two(world);
            phone.dial("101");
            let ringing = || phone.state() == Some(sim::LineState::EarlyMedia);
            if !world.run_until(secs(18), ringing) {
                // Without a provisional response there is no dialog to say good-bye in.
                phone.hang_up();
            } else {
                world.run_for(secs(1));
                phone.bye();
            }
            part(world, &phone, &other);
            assert_eq!(phone.end(), Some(End::Refused(487)));
            assert_eq!(world.record().outcome, Outcome::Cancelled);
        },
    );
}

#[test]
fn the_called_party_hangs_up_in_the_moment_of_its_answer() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/bye_at_once.txt"],
        |world| {
            let (phone, other) = two(world);
            phone.dial("101");
            assert!(world.run_until(secs(19), || other.is_ringing()));
            world.run_for(millis(300));
            other.answer();
            other.hang_up();
            part(world, &phone, &other);
            // A BYE that overtakes its 200 ends an early dialog: then the phone has refused, in a way.
            let record = world.record();
            assert!(matches!(record.outcome, Outcome::Answered | Outcome::Rejected), "{record:#?}");
            assert!(!world.setup().is_clean() || record.outcome == Outcome::Answered);
            assert_eq!(record.ended_by, Side::Callee);
        },
    );
}

#[test]
fn the_callers_ack_is_lost_twice() {
    once(Setup::new(7), &expect_file!["../../ladders/lost_ack.txt"], |world| {
        let (phone, other) = two(world);
        phone.dial("101");
        assert!(world.run_until(secs(5), || other.is_ringing()));
        world.lose(2, "100", "ACK");
        other.answer();
        connect(world, &phone, &other);
        converse(world, &phone, &other);
        phone.hang_up();
        part(world, &phone, &other);
        assert_recorded(world, &world.record(), &phone, &other);
    });
}

#[test]
fn the_switchs_ack_is_lost_twice() {
    once(Setup::new(7), &expect_file!["../../ladders/lost_ack_of_the_switch.txt"], |world| {
        let (phone, other) = two(world);
        world.lose(2, "switch", "ACK");
        other.set_conduct(Conduct::AnswerAtOnce);
        phone.dial("101");
        connect(world, &phone, &other);
        converse(world, &phone, &other);
        phone.hang_up();
        part(world, &phone, &other);
        assert_recorded(world, &world.record(), &phone, &other);
    });
}

#[test]
fn a_caller_that_never_confirms_is_hung_up() {
    once(Setup::new(7), &expect_file!["../../ladders/never_confirmed.txt"], |world| {
        let (phone, other) = two(world);
        other.set_conduct(Conduct::Answer(secs(1)));
        phone.dial("101");
        assert!(world.run_until(secs(5), || other.is_ringing()));
        world.lose(1000, "100", "ACK");
        assert!(world.run_until(secs(50), || phone.end().is_some() && other.is_idle()));
        assert_eq!((phone.end(), other.end()), (Some(End::LeftByThem), Some(End::LeftByThem)));
        let record = world.record();
        assert_eq!((record.ended_by, record.cause.sip), (Side::System, 408), "{record:#?}");
        assert!(!record.note.is_empty());
    });
}

#[test]
fn a_lost_bye_is_repeated() {
    once(Setup::new(7), &expect_file!["../../ladders/lost_bye.txt"], |world| {
        let (phone, other) = two(world);
        other.set_conduct(Conduct::AnswerAtOnce);
        phone.dial("101");
        connect(world, &phone, &other);
        converse(world, &phone, &other);
        world.lose(2, "100", "BYE");
        world.lose(1, "switch", "200 BYE");
        world.lose(1, "switch", "BYE");
        phone.hang_up();
        part(world, &phone, &other);
        assert_recorded(world, &world.record(), &phone, &other);
    });
}

#[test]
fn both_hang_up_in_the_same_moment() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/both_hang_up.txt"],
        |world| {
            let (phone, other) = two(world);
            other.set_conduct(Conduct::AnswerAtOnce);
            phone.dial("101");
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            phone.hang_up();
            other.hang_up();
            part(world, &phone, &other);
            assert_recorded(world, &world.record(), &phone, &other);
        },
    );
}

#[test]
fn a_phone_that_vanishes_is_given_up_when_its_sound_is_missing() {
    let setup = |setup: Setup| setup.media_timeout(secs(20));
    everywhere(setup, &expect_file!["../../ladders/vanished.txt"], |world| {
        let (phone, other) = two(world);
        other.set_conduct(Conduct::AnswerAtOnce);
        phone.dial("101");
        connect(world, &phone, &other);
        converse(world, &phone, &other);
        phone.vanish();
        world.run_for(secs(17));
        assert!(other.is_talking(), "seed {}: given up too early", world.seed());
        assert!(world.run_until(secs(60), || other.is_idle()), "seed {}", world.seed());
        assert_eq!(other.end(), Some(End::LeftByThem));
        let record = world.record();
        assert_eq!((record.outcome, record.ended_by), (Outcome::MediaTimeout, Side::System));
        assert!(record.note.contains("caller"), "{}", record.note);
        let recording = world.recording(&record).unwrap();
        assert!(recording.closed && recording.left.has(phone.voice()) && recording.right.has(other.voice()));
    });
}

#[test]
fn a_broken_microphone_is_a_media_timeout_too() {
    let world = World::new(Setup::new(7).media_timeout(secs(10)));
    let (phone, other) = two(&world);
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    connect(&world, &phone, &other);
    converse(&world, &phone, &other);
    other.fall_silent();
    assert!(world.run_until(secs(15), || phone.is_idle() && other.is_idle()));
    world.assert_settled();
    let record = world.record();
    assert_eq!(record.outcome, Outcome::MediaTimeout);
    assert!(record.note.contains("called"), "{}", record.note);
}

#[test]
fn an_api_client_hangs_up_in_every_state() {
    for after in [millis(200), secs(1), secs(4)] {
        let world = World::seeded(7);
        let (phone, other) = two(&world);
        other.set_conduct(Conduct::Answer(secs(2)));
        phone.dial("101");
        world.run_for(after);
        let call = world.live_calls()[0].clone();
        assert_eq!((call.caller.as_str(), call.callee.as_str()), ("100", "101"));
        world.hang_up(call.id).expect("the call exists");
        part(&world, &phone, &other);
        assert!(world.hang_up(call.id).is_err(), "it is gone");
        world.assert_settled();
        assert_eq!(world.record().ended_by, Side::System);
    }
}
