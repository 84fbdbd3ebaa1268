//! Calls that are answered.

use expect_test::expect_file;
use model::{Direction, EventBody, Outcome, Side};
use patchbay_tests::{assert_recorded, connect, converse, everywhere, heard_if_told, part};
use sim::{Conduct, End, LineState, Phone, Setup, Sound, World, millis, secs};

fn two(world: &World) -> (Phone, Phone) {
    (world.phone("100"), world.phone("101"))
}

#[test]
fn the_caller_hears_ringback_then_the_called_party_and_hangs_up() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/caller_hangs_up.txt"],
        |world| {
            let (phone, other) = two(world);
            phone.dial("101");
            assert!(world.run_until(secs(40), || other.is_ringing()));
            world.run_for(secs(11));
            heard_if_told(world, &phone, Sound::Ringback);
            assert!(!phone.has_heard(other.voice()));

            other.answer();
            connect(world, &phone, &other);
            converse(world, &phone, &other);

            phone.hang_up();
            part(world, &phone, &other);
            assert_eq!(phone.end(), Some(End::LeftByUs));
            assert_eq!(other.end(), Some(End::LeftByThem));
            assert!(other.reason().is_some_and(|reason| reason.contains("16")), "{:?}", other.reason());

            let record = world.record();
            assert_recorded(world, &record, &phone, &other);
            assert_eq!((record.caller.as_str(), record.callee.as_str()), ("100", "101"));
            assert_eq!((record.direction, record.ended_by), (Direction::Internal, Side::Caller));
            assert_eq!((record.cause.sip, record.cause.q850), (200, 16));
            assert_eq!(record.legs.len(), 2);
            assert!(record.legs.iter().all(|leg| leg.codec == "PCMA"), "{:?}", record.legs);
            assert_eq!(record.legs[1].user_agent, "SimPhone/1.0");
            let times = [Some(record.started_at), record.ringing_at, record.answered_at, Some(record.ended_at)];
            assert!(times.into_iter().flatten().is_sorted(), "{times:?}");
            assert!(record.talk_ms() >= 3000);
        },
    );
}

#[test]
fn on_a_clean_line_nothing_of_a_conversation_is_missing() {
    let world = World::seeded(7);
    let (phone, other) = two(&world);
    other.set_conduct(Conduct::Answer(secs(6)));
    phone.dial("101");
    connect(&world, &phone, &other);
    world.run_for(secs(60));
    assert!(other.longest_gap() <= millis(40), "{:?}", other.longest_gap());
    for (listener, speaker) in [(&phone, &other), (&other, &phone)] {
        let heard = listener.heard(speaker.voice());
        assert_eq!(heard.spells.len(), 1, "{heard:?}");
        assert!(heard.span() >= millis(59_800), "{heard:?}");
        assert_eq!(listener.streams_heard(), 1, "tone and voice are one stream to the phone");
    }
    phone.hang_up();
    part(&world, &phone, &other);
    world.assert_settled();

    let record = world.record();
    assert_recorded(&world, &record, &phone, &other);
    let recording = world.recording(&record).unwrap();
    let spells = [recording.left.heard(phone.voice()).spells, recording.right.heard(other.voice()).spells];
    assert!(spells.iter().all(|spells| spells.len() == 1), "{spells:?}");
    // Both speak from the answer on: 40 ms apart at most on the recording's clock.
    assert!(spells[0][0].0.abs_diff(spells[1][0].0) <= 320, "{spells:?}");
    for leg in &record.legs {
        let quality = leg.quality.as_ref().expect("there was sound");
        assert_eq!((quality.lost, quality.loss_percent), (0, 0.0));
        assert!(quality.received >= 2950 && quality.sent >= 2950, "{quality:?}");
        assert!(quality.mos.is_some_and(|mos| mos > 4.0), "{quality:?}");
        assert!(quality.rtt_ms.is_some_and(|rtt| (5.0..40.0).contains(&rtt)), "{quality:?}");
    }
    let names: Vec<&str> = world.events().iter().map(|event| kind(&event.body)).collect();
    assert_eq!(
        names,
        [
            "registered",
            "registered",
            "started",
            "dialing",
            "ringing",
            "recorded",
            "answered",
            "leg ended",
            "leg ended",
            "ended"
        ]
    );
    let trace = world.trace(record.id).expect("the ladder is kept");
    assert!(trace.contains("INVITE sip:101") && trace.contains("BYE sip:"), "{trace}");
}

fn kind(body: &EventBody) -> &'static str {
    match body {
        EventBody::RegistrationChanged { .. } => "registered",
        EventBody::MessageReceived { .. } | EventBody::MessageDelivered { .. } | EventBody::MessageFailed { .. } => {
            "text"
        }
        EventBody::CallStarted { .. } => "started",
        EventBody::LegDialing { .. } => "dialing",
        EventBody::LegRinging { .. } => "ringing",
        EventBody::CallAnswered { .. } => "answered",
        EventBody::RecordingChanged { wish: model::RecordingWish::Start, .. } => "recorded",
        EventBody::LegEnded { .. } => "leg ended",
        EventBody::CallEnded { .. } => "ended",
        other => panic!("nobody expected {other:?}"),
    }
}

#[test]
fn the_called_party_hangs_up() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/callee_hangs_up.txt"],
        |world| {
            let (phone, other) = two(world);
            other.set_conduct(Conduct::Answer(secs(2)));
            phone.dial("101");
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            other.hang_up();
            part(world, &phone, &other);
            assert_eq!((phone.end(), other.end()), (Some(End::LeftByThem), Some(End::LeftByUs)));
            let record = world.record();
            assert_recorded(world, &record, &phone, &other);
            assert_eq!(record.ended_by, Side::Callee);
        },
    );
}

#[test]
fn a_phone_answers_without_ringing() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/answered_at_once.txt"],
        |world| {
            let (phone, other) = two(world);
            other.set_conduct(Conduct::AnswerAtOnce);
            phone.dial("101");
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            phone.hang_up();
            part(world, &phone, &other);
            let record = world.record();
            assert_recorded(world, &record, &phone, &other);
            assert_eq!(record.ringing_at, None);
        },
    );
}

#[test]
fn early_media_of_the_called_party_is_heard_before_the_answer() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/early_media.txt"],
        |world| {
            let (phone, other) = two(world);
            other.set_conduct(Conduct::EarlyMedia(Some(secs(4))));
            phone.dial("101");
            let early = || phone.state() == Some(LineState::EarlyMedia) && phone.hears(other.voice());
            let heard = world.run_until(secs(4), early);
            assert!(heard || !world.setup().is_clean());
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            if world.setup().is_clean() {
                assert!(!phone.has_heard(Sound::Ringback), "its own ringback instead of the far end's sound");
                assert_eq!(phone.heard(other.voice()).spells.len(), 1, "the answer interrupts nothing");
            }
            phone.hang_up();
            part(world, &phone, &other);
            assert_recorded(world, &world.record(), &phone, &other);
        },
    );
}

#[test]
fn phones_that_speak_different_laws_understand_each_other() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/different_laws.txt"],
        |world| {
            let (phone, other) = two(world);
            phone.speak_only("PCMU");
            other.speak_only("PCMA");
            other.set_conduct(Conduct::Answer(secs(1)));
            phone.dial("101");
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            phone.hang_up();
            part(world, &phone, &other);
            let record = world.record();
            assert_recorded(world, &record, &phone, &other);
            assert_eq!((record.legs[0].codec.as_str(), record.legs[1].codec.as_str()), ("PCMU", "PCMA"));
        },
    );
}

#[test]
fn two_calls_at_once_do_not_mix() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/two_calls.txt"],
        |world| {
            let (phone, other) = two(world);
            let (third, fourth) = (world.phone("102"), world.phone("103"));
            for called in [&other, &fourth] {
                called.set_conduct(Conduct::Answer(secs(1)));
            }
            phone.dial("101");
            third.dial("103");
            connect(world, &phone, &other);
            connect(world, &third, &fourth);
            converse(world, &phone, &other);
            converse(world, &third, &fourth);
            assert!(!phone.has_heard(third.voice()) && !phone.has_heard(fourth.voice()));
            phone.hang_up();
            part(world, &phone, &other);
            converse(world, &third, &fourth);
            fourth.hang_up();
            part(world, &third, &fourth);
            let records = world.records();
            assert_eq!(records.len(), 2);
            assert_recorded(world, records.iter().find(|r| r.caller == "100").unwrap(), &phone, &other);
            assert_recorded(world, records.iter().find(|r| r.caller == "102").unwrap(), &third, &fourth);
        },
    );
}

#[test]
fn a_phone_that_calls_itself_is_busy() {
    let world = World::seeded(7);
    let phone = world.phone("100");
    phone.dial("100");
    world.run_for(secs(6));
    assert_eq!(phone.end(), Some(End::Refused(486)));
    world.assert_settled();
    assert_eq!(world.record().outcome, Outcome::Busy);
}

#[test]
fn many_calls_one_after_the_other_leave_nothing() {
    let world = World::new(Setup::new(7).ports(4));
    let (phone, other) = two(&world);
    other.set_conduct(Conduct::AnswerAtOnce);
    for _ in 0..20 {
        phone.dial("101");
        connect(&world, &phone, &other);
        world.run_for(millis(1500));
        phone.hang_up();
        part(&world, &phone, &other);
        world.run_for(secs(1));
    }
    world.assert_settled();
    let records = world.records();
    assert_eq!(records.len(), 20);
    assert!(records.iter().all(|record| record.outcome == Outcome::Answered), "ports come back");
}
