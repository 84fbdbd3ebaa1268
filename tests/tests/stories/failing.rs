//! Calls that come to nothing, and what the caller hears of it.

use expect_test::expect_file;
use model::{Outcome, Side};
use patchbay_tests::{everywhere, heard_if_told, once, refusal};
use sim::{Conduct, Phone, Setup, Sound, World, secs};

fn two(world: &World) -> (Phone, Phone) {
    (world.phone("100"), world.phone("101"))
}

/// The only record tells this end, by this side, with these causes.
fn assert_record(world: &World, outcome: Outcome, by: Side, causes: (u16, u8)) {
    let record = world.record();
    let seed = world.seed();
    assert_eq!((record.outcome, record.ended_by), (outcome, by), "seed {seed}: {record:#?}");
    assert_eq!((record.cause.sip, record.cause.q850), causes, "seed {seed}");
    assert_eq!((record.answered_at, record.talk_ms()), (None, 0), "seed {seed}");
    assert!(record.recording.is_none(), "seed {seed}: {record:#?}");
}

#[test]
fn a_busy_phone_is_heard_to_be_busy() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/busy.txt"],
        |world| {
            let (phone, other) = two(world);
            other.set_conduct(Conduct::Busy);
            phone.dial("101");
            assert_eq!(refusal(world, &phone), 486);
            heard_if_told(world, &phone, Sound::Busy);
            assert_record(world, Outcome::Busy, Side::Callee, (486, 17));
        },
    );
}

#[test]
fn an_extension_in_as_many_calls_as_it_may_have_is_busy_without_being_rung() {
    everywhere(
        |setup| setup.max_calls(1),
        &expect_file!["../../ladders/limit_of_calls.txt"],
        |world| {
            let (phone, other) = two(world);
            let third = world.phone("102");
            other.set_conduct(Conduct::AnswerAtOnce);
            phone.dial("101");
            patchbay_tests::connect(world, &phone, &other);
            let rung = other.calls_received();
            third.dial("101");
            assert_eq!(refusal(world, &third), 486);
            heard_if_told(world, &third, Sound::Busy);
            assert_eq!(other.calls_received(), rung);
            phone.hang_up();
            patchbay_tests::part(world, &phone, &other);
            world.run_for(secs(2));
            third.dial("101");
            patchbay_tests::connect(world, &third, &other);
            third.hang_up();
            patchbay_tests::part(world, &third, &other);
            let outcomes: Vec<Outcome> = world.records().iter().map(|record| record.outcome).collect();
            assert_eq!(outcomes, [Outcome::Busy, Outcome::Answered, Outcome::Answered]);
        },
    );
}

#[test]
fn nobody_answers() {
    everywhere(
        |setup| setup.ring_seconds(10),
        &expect_file!["../../ladders/no_answer.txt"],
        |world| {
            let (phone, other) = two(world);
            phone.dial("101");
            assert!(world.run_until(secs(9), || other.is_ringing()) || !world.setup().is_clean());
            let status = refusal(world, &phone);
            let record = world.record();
            // Who lost the only 180 cannot tell a phone that rings from one that is dead.
            let known = record.ringing_at.is_some();
            assert!(known || !world.setup().is_clean());
            let expected = if known { (Outcome::NoAnswer, 480, 19) } else { (Outcome::Unreachable, 480, 20) };
            assert_eq!((record.outcome, status, record.cause.q850), expected);
            if world.setup().is_clean() {
                assert!(phone.has_heard(Sound::Ringback) && phone.has_heard(Sound::Congestion));
                assert_eq!(other.end(), Some(sim::End::NotTaken(487)));
            }
        },
    );
}

#[test]
fn the_called_party_refuses() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/refused.txt"],
        |world| {
            let (phone, other) = two(world);
            phone.dial("101");
            assert!(world.run_until(secs(19), || other.is_ringing()));
            world.run_for(secs(2));
            if other.end().is_none() {
                other.refuse(603);
            }
            assert_eq!(refusal(world, &phone), 603);
            heard_if_told(world, &phone, Sound::Busy);
            assert_record(world, Outcome::Rejected, Side::Callee, (603, 21));
        },
    );
}

#[test]
fn a_number_that_does_not_exist_is_told_with_a_tone_and_404() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/unallocated.txt"],
        |world| {
            let phone = world.phone("100");
            phone.dial("999");
            assert_eq!(refusal(world, &phone), 404);
            heard_if_told(world, &phone, Sound::Congestion);
            assert!(phone.reason().is_some_and(|reason| reason.contains("Q.850;cause=1")), "{:?}", phone.reason());
            assert_record(world, Outcome::Unallocated, Side::System, (404, 1));
        },
    );
}

#[test]
fn without_announcements_a_failure_comes_at_once() {
    once(Setup::new(7).unannounced(), &expect_file!["../../ladders/unannounced.txt"], |world| {
        let phone = world.phone("100");
        phone.dial("999");
        world.run_for(secs(1));
        assert_eq!(refusal(world, &phone), 404);
        assert_eq!(phone.packets_heard(), 0);
    });
}

#[test]
fn an_extension_without_a_phone_cannot_be_reached() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/unreachable.txt"],
        |world| {
            let phone = world.phone("100");
            world.extension("101");
            phone.dial("101");
            assert_eq!(refusal(world, &phone), 480);
            heard_if_told(world, &phone, Sound::Congestion);
            assert_record(world, Outcome::Unreachable, Side::System, (480, 20));
        },
    );
}

#[test]
fn a_registered_phone_that_is_dead_cannot_be_reached() {
    everywhere(
        |setup| setup.ring_seconds(60),
        &expect_file!["../../ladders/dead_phone.txt"],
        |world| {
            let (phone, other) = two(world);
            other.vanish();
            phone.dial("101");
            let status = refusal(world, &phone);
            let record = world.record();
            assert_eq!((record.outcome, record.ended_by), (Outcome::Unreachable, Side::System), "{record:#?}");
            assert!(matches!(status, 408 | 480), "{status}");
        },
    );
}

#[test]
fn a_wrong_password_is_refused_and_on_record() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/wrong_password.txt"],
        |world| {
            let (phone, other) = two(world);
            phone.set_password("wrong");
            phone.dial("101");
            assert_eq!(refusal(world, &phone), 403);
            assert_eq!(other.calls_received(), 0);
            assert_record(world, Outcome::Forbidden, Side::System, (403, 21));
        },
    );
}

#[test]
fn a_disabled_extension_neither_calls_nor_is_called() {
    let world = World::seeded(7);
    let (phone, other) = two(&world);
    world.change_extension("101", |extension| extension.enabled = false);
    phone.dial("101");
    world.run_for(secs(10));
    assert_eq!(refusal(&world, &phone), 404);
    assert_eq!(other.calls_received(), 0);
    assert_eq!(world.registrations("101").len(), 0, "a disabled extension loses its registrations");
    other.dial("100");
    world.run_for(secs(10));
    assert_eq!((refusal(&world, &other), phone.calls_received()), (403, 0));
    world.assert_settled();
}

#[test]
fn no_free_port_is_congestion() {
    let world = World::new(Setup::new(7).ports(2));
    let (phone, other) = two(&world);
    let third = world.phone("102");
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    patchbay_tests::connect(&world, &phone, &other);
    third.dial("101");
    assert_eq!(refusal(&world, &third), 503);
    patchbay_tests::converse(&world, &phone, &other);
    phone.hang_up();
    patchbay_tests::part(&world, &phone, &other);
    world.assert_settled();
    assert_eq!(world.records()[0].outcome, Outcome::Congestion);
}

#[test]
fn a_full_disk_stops_no_call() {
    let world = World::seeded(7);
    let (phone, other) = two(&world);
    world.set_disk_full(true);
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    patchbay_tests::connect(&world, &phone, &other);
    patchbay_tests::converse(&world, &phone, &other);
    phone.hang_up();
    patchbay_tests::part(&world, &phone, &other);
    world.assert_settled();
    let record = world.record();
    let file = record.recording.as_ref().unwrap();
    assert_eq!(record.outcome, Outcome::Answered);
    assert!(!file.complete && file.note.contains("no space left"), "{file:?}");
}

#[test]
fn a_description_that_nobody_can_use_is_refused_with_488() {
    let audio = "v=0\r\no=- 1 1 IN IP4 198.51.100.10\r\ns=-\r\nc=IN IP4 198.51.100.10\r\nt=0 0\r\n";
    let descriptions = [
        "garbage".to_owned(),
        audio.to_owned(),
        format!("{audio}m=video 20000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"),
        format!("{audio}m=audio 20000 RTP/SAVP 8\r\n"),
        format!("{audio}m=audio 99999 RTP/AVP 8\r\n"),
        format!("{audio}{}", "a=x\r\n".repeat(10_000)),
    ];
    for description in descriptions {
        let world = World::seeded(7);
        let (phone, other) = two(&world);
        phone.dial_describing("101", &description);
        assert_eq!(refusal(&world, &phone), 488, "{}", description.chars().take(300).collect::<String>());
        assert_eq!(other.calls_received(), 0);
        world.assert_settled();
        assert_record(&world, Outcome::Incompatible, Side::System, (488, 88));
    }
}

#[test]
fn a_full_worker_refuses_one_more_call_and_harms_none() {
    let world = World::new(Setup::new(7).max_calls_per_worker(1));
    let (phone, other) = two(&world);
    let third = world.phone("102");
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    patchbay_tests::connect(&world, &phone, &other);
    third.dial("101");
    assert_eq!(refusal(&world, &third), 503);
    patchbay_tests::converse(&world, &phone, &other);
    phone.hang_up();
    patchbay_tests::part(&world, &phone, &other);
    third.dial("101");
    patchbay_tests::connect(&world, &third, &other);
    third.hang_up();
    patchbay_tests::part(&world, &third, &other);
    world.assert_settled();
}
