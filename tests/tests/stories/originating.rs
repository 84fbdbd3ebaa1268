//! Calls that an API places: an extension's own phone first, then the number.

use expect_test::expect_file;
use model::{Direction, EventBody, LegOrigin, Originate, Outcome, Refusal, Side};
use patchbay_tests::{connect, converse, everywhere, heard_if_told, part, roughly, seeds};
use sim::{Conduct, End, Phone, Setup, Sound, World, secs};

fn wish(extension: &str, to: &str) -> Originate {
    Originate { extension: extension.to_owned(), to: to.to_owned(), ..Originate::default() }
}

fn kinds(world: &World) -> Vec<&'static str> {
    let kind = |body: &EventBody| match body {
        EventBody::CallStarted { .. } => Some("started"),
        EventBody::LegDialing { .. } => Some("dialing"),
        EventBody::LegRinging { .. } => Some("ringing"),
        EventBody::CallerAnswered { .. } => Some("own phone"),
        EventBody::CallAnswered { .. } => Some("answered"),
        EventBody::LegEnded { .. } => Some("leg ended"),
        EventBody::CallEnded { .. } => Some("ended"),
        _ => None,
    };
    world.events().iter().filter_map(|event| kind(&event.body)).collect()
}

#[test]
fn the_own_phone_answers_by_itself_and_then_the_number_is_called() {
    everywhere(
        |setup| setup.workers(2),
        &expect_file!["../../ladders/originated.txt"],
        |world| {
            let (ana, ben) = (world.phone("100"), world.phone("101"));
            world.restart_ladder();
            ana.honour_auto_answer();
            let variables = [("order".to_owned(), "4711".to_owned())].into();
            let call = world.originate(Originate { auto_answer: true, variables, ..wish("100", "101") }).unwrap();
            assert!(world.run_until(secs(40), || ben.is_ringing()), "seed {}", world.seed());
            assert!(ana.is_talking());
            assert!(ana.invite().contains("From: <sip:101@"), "{}", ana.invite());
            assert_eq!(ben.invited_with("Call-Info"), None);
            world.run_for(secs(6));
            heard_if_told(world, &ana, Sound::Ringback);
            ben.answer();
            connect(world, &ana, &ben);
            converse(world, &ana, &ben);
            ana.hang_up();
            part(world, &ana, &ben);
            let record = world.record();
            assert_eq!((record.id, record.outcome, record.ended_by), (call, Outcome::Answered, Side::Caller));
            assert_eq!((&record.caller[..], &record.callee[..]), ("100", "101"));
            assert_eq!((record.direction, record.legs.len()), (Direction::Internal, 2));
            assert_eq!((record.legs[0].origin, record.legs[1].origin), (LegOrigin::Summoned, LegOrigin::Dialled));
            assert_eq!(record.variables["order"], "4711");
            assert!(record.recording.is_some());
            if world.setup().is_clean() {
                let told = kinds(world);
                assert_eq!(
                    told,
                    [
                        "started",
                        "dialing",
                        "own phone",
                        "dialing",
                        "ringing",
                        "answered",
                        "leg ended",
                        "leg ended",
                        "ended"
                    ]
                );
            }
        },
    );
}

#[test]
fn a_call_goes_out_by_the_trunk_and_under_the_number_that_are_wished() {
    let setup = |setup: Setup| setup.trunk("one", "9*").trunk("two", "9*");
    let more = |config: &mut cell::Config| {
        // Both trunks for the same numbers, the first before the second.
        let ways = ["one", "two"].map(|name| model::WeightedTrunk { trunk: name.to_owned(), weight: 1 });
        config.routes.truncate(1);
        config.routes[0].to = model::RouteTarget::Trunks(model::Ways {
            trunks: ways.to_vec(),
            weighted: false,
            go_on: model::Ways::GO_ON.into(),
        });
    };
    roughly(
        move |base| setup(base).tuned(more),
        |world| {
            let ana = world.phone("100");
            let (one, two) = (world.trunk("one"), world.trunk("two"));
            ana.set_conduct(Conduct::Answer(secs(1)));
            two.set_conduct(Conduct::Answer(secs(1)));
            let shown = Some("057188880000".to_owned());
            world.originate(Originate { trunk: Some("two".to_owned()), shown, ..wish("100", "95551") }).unwrap();
            connect(world, &ana, &two);
            converse(world, &ana, &two);
            assert!(two.invite().contains("From: <sip:057188880000@") || two.invite().contains("sip:057188880000@"));
            assert_eq!(one.calls_received(), 0);
            two.hang_up();
            part(world, &ana, &two);
            let record = world.record();
            assert_eq!((record.direction, record.trunk.as_deref()), (Direction::Outbound, Some("two")));
        },
    );
}

#[test]
fn the_own_phone_does_not_answer_or_refuses() {
    roughly(
        |setup| setup.workers(2),
        |world| {
            let (ana, ben) = (world.phone("100"), world.phone("101"));
            world.originate(Originate { ring_seconds: Some(5), ..wish("100", "101") }).unwrap();
            assert!(world.run_until(secs(60), || !world.records().is_empty()), "seed {}", world.seed());
            assert_eq!(world.record().outcome, Outcome::NoAnswer);
            assert_eq!(world.record().note, "the caller's own phone did not answer");
            ana.set_conduct(Conduct::Refuse(603));
            world.originate(wish("100", "101")).unwrap();
            assert!(world.run_until(secs(60), || world.records().len() == 2), "seed {}", world.seed());
            assert_eq!(world.records()[1].outcome, Outcome::Rejected);
            assert_eq!(ben.calls_received(), 0);
        },
    );
}

#[test]
fn the_number_is_busy_or_does_not_exist() {
    roughly(
        |setup| setup,
        |world| {
            let (ana, ben) = (world.phone("100"), world.phone("101"));
            ana.set_conduct(Conduct::Answer(secs(1)));
            ben.set_conduct(Conduct::Busy);
            world.originate(wish("100", "101")).unwrap();
            assert!(world.run_until(secs(90), || ana.end().is_some()), "seed {}", world.seed());
            assert!(ana.has_heard(Sound::Busy) || !world.setup().is_clean(), "seed {}", world.seed());
            assert_eq!(ana.end(), Some(End::LeftByThem));
            world.run_for(secs(1));
            world.originate(wish("100", "999")).unwrap();
            assert!(world.run_until(secs(90), || world.records().len() == 2), "seed {}", world.seed());
            let outcomes: Vec<Outcome> = world.records().iter().map(|record| record.outcome).collect();
            assert_eq!(outcomes, [Outcome::Busy, Outcome::Unallocated], "seed {}", world.seed());
        },
    );
}

#[test]
fn the_caller_hangs_up_while_the_number_rings() {
    roughly(
        |setup| setup.workers(3),
        |world| {
            let (ana, ben) = (world.phone("100"), world.phone("101"));
            ana.set_conduct(Conduct::AnswerAtOnce);
            world.originate(wish("100", "101")).unwrap();
            assert!(world.run_until(secs(60), || ben.is_ringing()), "seed {}", world.seed());
            assert!(world.run_until(secs(40), || ana.is_confirmed()));
            ana.hang_up();
            part(world, &ana, &ben);
            assert_eq!(world.record().outcome, Outcome::Cancelled);
        },
    );
}

#[test]
fn of_several_own_phones_the_first_to_answer_speaks() {
    roughly(
        |setup| setup.workers(2),
        |world| {
            let (desk, mobile, ben) = (world.phone("100"), world.phone("100"), world.phone("101"));
            mobile.set_conduct(Conduct::Answer(secs(2)));
            ben.set_conduct(Conduct::Answer(secs(1)));
            world.originate(wish("100", "101")).unwrap();
            connect(world, &mobile, &ben);
            converse(world, &mobile, &ben);
            assert!(world.run_until(secs(40), || desk.is_idle()));
            assert_ne!(desk.calls_received(), 0);
            ben.hang_up();
            part(world, &mobile, &ben);
            let record = world.record();
            assert_eq!((&record.caller[..], record.legs.len(), record.ended_by), ("100", 3, Side::Callee));
        },
    );
}

#[test]
fn a_placed_call_is_transferred_like_any_other() {
    roughly(
        |setup| setup,
        |world| {
            let (ana, ben, eva) = (world.phone("100"), world.phone("101"), world.phone("102"));
            for phone in [&ana, &ben, &eva] {
                phone.set_conduct(Conduct::Answer(secs(1)));
            }
            world.originate(wish("100", "101")).unwrap();
            connect(world, &ana, &ben);
            ana.transfer("102");
            assert!(world.run_until(secs(60), || eva.is_confirmed() && ana.end().is_some()), "seed {}", world.seed());
            world.run_for(secs(3));
            assert!(ben.hears(eva.voice()) && eva.hears(ben.voice()), "seed {}", world.seed());
            ben.hang_up();
            part(world, &ben, &eva);
            assert_eq!(world.record().legs.len(), 3);
        },
    );
}

#[test]
fn what_cannot_be_placed_is_refused_at_once() {
    let world = World::new(Setup::new(7));
    let _ana = world.phone("100");
    world.extension("101");
    let refused = |wish: Originate| world.originate(wish).unwrap_err();
    assert_eq!(refused(wish("999", "101")), Refusal::NoSuchExtension);
    assert_eq!(refused(wish("101", "100")), Refusal::NotRegistered);
    for to in ["", "1\r\nX: y", &"1".repeat(100)] {
        assert_eq!(refused(wish("100", to)), Refusal::BadNumber);
    }
    let trunk = Some("nowhere".to_owned());
    assert_eq!(refused(Originate { trunk, ..wish("100", "101") }), Refusal::NoSuchTrunk);
    world.drain();
    assert_eq!(refused(wish("100", "101")), Refusal::ShuttingDown);
    world.assert_settled();
}

#[test]
fn no_placed_call_is_without_a_record_when_the_switch_is_killed() {
    for seed in seeds() {
        let world = World::new(Setup::new(seed).workers(2));
        let (ana, ben) = (world.phone("100"), world.phone("101"));
        ana.set_conduct(Conduct::Answer(secs(1)));
        let call = world.originate(wish("100", "101")).unwrap();
        // In every state: before its own phone has answered, while the number rings, and in conversation.
        match seed % 3 {
            0 => world.run_for(secs(0)),
            1 => assert!(world.run_until(secs(5), || ben.is_ringing())),
            _ => {
                assert!(world.run_until(secs(5), || ben.is_ringing()));
                ben.answer();
                connect(&world, &ana, &ben);
            }
        }
        world.kill();
        world.restart();
        world.run_for(secs(2));
        let record = world.record();
        assert_eq!((record.id, record.outcome), (call, Outcome::SwitchFailure), "seed {seed}");
        assert_eq!(&record.caller[..], "100");
    }
}

/// 100 calls 101 and asks its phone to answer by itself.
fn intercom(world: &World) -> (Phone, Phone) {
    let (ana, ben) = (world.phone("100"), world.phone("101"));
    ben.honour_auto_answer();
    ana.add_header("Alert-Info", "<http://127.0.0.1>;info=alert-autoanswer");
    ana.dial("101");
    (ana, ben)
}

#[test]
fn a_phone_makes_another_answer_only_where_that_is_allowed() {
    let world = World::new(Setup::new(7).workers(2));
    world.extension("100");
    let (ana, ben) = intercom(&world);
    world.run_for(secs(2));
    assert!(ben.is_ringing());
    assert_eq!((ben.invited_with("Alert-Info"), ben.invited_with("Call-Info")), (None, None));
    ana.hang_up();
    part(&world, &ana, &ben);
    world.change_extension("100", |extension| extension.intercom = true);
    for (way, header) in [
        (model::AutoAnswer::Usual, "Call-Info"),
        (model::AutoAnswer::AnswerMode, "Answer-Mode"),
        (model::AutoAnswer::AlertInfo, "Alert-Info"),
    ] {
        world.change_extension("101", |extension| extension.auto_answer = way);
        ana.dial("101");
        connect(&world, &ana, &ben);
        converse(&world, &ana, &ben);
        assert!(ben.invited_with(header).is_some());
        ana.hang_up();
        part(&world, &ana, &ben);
    }
    world.assert_settled();
}
