//! Transfers: to a number, into another call, with and without an answer; parties that take the place of others.

#![allow(clippy::unwrap_used)] // helpers of tests

use expect_test::expect_file;
use model::{CallRecord, LegOrigin, Outcome};
use patchbay_tests::{connect, converse, everywhere, heard_if_told, part, roughly};
use sim::{Conduct, End, Phone, Setup, Sound, World, secs};

/// 100 speaks with 101; 102 is there.
fn three(world: &World) -> (Phone, Phone, Phone) {
    let phones = (world.phone("100"), world.phone("101"), world.phone("102"));
    world.restart_ladder();
    phones.0.dial("101");
    assert!(world.run_until(secs(19), || phones.1.is_ringing()));
    phones.1.answer();
    connect(world, &phones.0, &phones.1);
    converse(world, &phones.0, &phones.1);
    phones
}

fn hold(world: &World, phone: &Phone) {
    phone.hold();
    assert!(world.run_until(secs(40), || phone.reinvite_status() == Some(200)), "seed {}", world.seed());
}

/// The two hear each other, whatever they heard before.
fn hear_each_other(world: &World, one: &Phone, other: &Phone) {
    let seed = world.seed();
    world.run_for(secs(3));
    assert!(one.hears(other.voice()), "seed {seed}: {one:?} does not hear {other:?}");
    assert!(other.hears(one.voice()), "seed {seed}: {other:?} does not hear {one:?}");
}

/// The caller knows that it rings. Over a rough line nobody may ever tell it: a 180 is not repeated.
fn rings(world: &World, caller: &Phone) -> bool {
    let told = world.run_until(secs(8), || caller.statuses().contains(&180));
    assert!(told || !world.setup().is_clean());
    told
}

fn origins(record: &CallRecord) -> Vec<LegOrigin> {
    record.legs.iter().map(|leg| leg.origin).collect()
}

#[test]
fn the_caller_sends_the_called_party_on() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/transfer_blind.txt"],
        |world| {
            let (ana, ben, eva) = three(world);
            hold(world, &ana);
            ana.transfer("102");
            assert!(world.run_until(secs(19), || eva.is_ringing()), "seed {}", world.seed());
            world.run_for(secs(4));
            if world.setup().is_clean() {
                heard_if_told(world, &ben, Sound::Ringback);
            }
            eva.answer();
            assert!(world.run_until(secs(60), || eva.is_confirmed() && ana.end().is_some()));
            assert_eq!((ana.end(), ana.refer_status()), (Some(End::LeftByThem), Some(202)));
            hear_each_other(world, &ben, &eva);
            assert!(!eva.has_heard(ana.voice()));
            ben.hang_up();
            part(world, &ben, &eva);
            if world.setup().is_clean() {
                assert_eq!(ana.progress(), ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"]);
            }
            let record = world.record();
            assert_eq!(origins(&record), [LegOrigin::Caller, LegOrigin::Dialled, LegOrigin::Transferred { by: 0 }]);
            assert_eq!((record.outcome, &record.callee[..]), (Outcome::Answered, "101"));
            assert!(record.legs[0].ended_at < record.legs[1].ended_at);
            let recording = world.recording(&record).unwrap();
            assert!(recording.left.has(ana.voice()) && recording.left.has(eva.voice()), "seed {}", world.seed());
            assert!(recording.right.has(ben.voice()) && !recording.right.has(eva.voice()), "seed {}", world.seed());
        },
    );
}

#[test]
fn the_called_party_sends_the_caller_to_somebody_busy_and_has_it_back() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/transfer_busy.txt"],
        |world| {
            let (ana, ben, eva) = three(world);
            eva.set_conduct(Conduct::Busy);
            ben.transfer("102");
            assert!(world.run_until(secs(40), || ben.progress().iter().any(|line| line.contains("486"))));
            hear_each_other(world, &ana, &ben);
            ana.hang_up();
            part(world, &ana, &ben);
            assert_eq!(world.record().outcome, Outcome::Answered);
        },
    );
}

#[test]
fn who_left_after_a_transfer_is_called_back_when_nobody_answers() {
    everywhere(
        |setup| setup.ring_seconds(10),
        &expect_file!["../../ladders/transfer_recall.txt"],
        |world| {
            let (ana, ben, eva) = three(world);
            eva.set_conduct(Conduct::Refuse(480));
            ben.set_conduct(Conduct::Answer(secs(2)));
            ben.transfer("102");
            assert!(world.run_until(secs(40), || ben.refer_status() == Some(202)));
            if ben.is_talking() {
                ben.hang_up();
            }
            assert!(world.run_until(secs(60), || ben.calls_received() >= 2 || ben.progress().len() > 1));
            if ben.calls_received() >= 2 {
                connect(world, &ana, &ben);
                hear_each_other(world, &ana, &ben);
            }
            ana.hang_up();
            part(world, &ana, &ben);
            assert_eq!(world.record().outcome, Outcome::Answered);
        },
    );
}

#[test]
fn transfers_that_make_no_sense_are_refused_and_the_call_goes_on() {
    let world = World::new(Setup::new(7));
    let (ana, ben, _) = three(&world);
    for to in ["100", "101"] {
        ana.transfer(to);
        assert!(world.run_until(secs(5), || ana.refer_status() == Some(603)), "{to}");
    }
    ana.transfer("999");
    assert!(world.run_until(secs(5), || ana.progress().iter().any(|line| line.contains("404"))));
    hear_each_other(&world, &ana, &ben);
    ben.hang_up();
    part(&world, &ana, &ben);
    world.assert_settled();
}

/// 100 holds 101, asks 102, and joins the two.
fn consult(world: &World) {
    let (ana, ben, eva) = three(world);
    hold(world, &ana);
    eva.set_conduct(Conduct::Answer(secs(2)));
    ana.dial("102");
    assert!(world.run_until(secs(60), || ana.is_talking() && eva.is_talking() && eva.is_confirmed()));
    hear_each_other(world, &ana, &eva);
    ana.join_calls();
    assert!(world.run_until(secs(60), || ana.is_idle()), "seed {}: {:?}", world.seed(), ana.progress());
    hear_each_other(world, &ben, &eva);
    world.run_for(secs(90));
    hear_each_other(world, &ben, &eva);
    eva.hang_up();
    part(world, &ben, &eva);
    let records = world.records();
    assert_eq!(records.len(), 2, "seed {}", world.seed());
    assert!(records.iter().all(|record| record.outcome == Outcome::Answered));
    let into = records.iter().find(|record| record.callee == "102").unwrap();
    let from = records.iter().find(|record| record.callee == "101").unwrap();
    assert_eq!(origins(into)[2], LegOrigin::FromCall { call: from.id, of: 0 });
    assert_eq!(into.legs[2].number, "101");
}

#[test]
fn a_transfer_with_consultation_joins_the_other_two() {
    everywhere(|setup| setup, &expect_file!["../../ladders/transfer_attended.txt"], consult);
}

#[test]
fn the_same_where_the_two_calls_live_in_different_workers() {
    roughly(|setup| setup.workers(4), consult);
}

#[test]
fn a_transfer_with_consultation_while_it_still_rings() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/transfer_attended_ringing.txt"],
        |world| {
            let (ana, ben, eva) = three(world);
            hold(world, &ana);
            ana.dial("102");
            assert!(world.run_until(secs(19), || eva.is_ringing()));
            if !rings(world, &ana) {
                ana.hang_up();
                ben.hang_up();
                return part(world, &ben, &eva);
            }
            ana.join_calls();
            assert!(world.run_until(secs(15), || ana.is_idle()), "seed {}: {:?}", world.seed(), ana.progress());
            eva.answer();
            assert!(world.run_until(secs(40), || eva.is_confirmed()));
            hear_each_other(world, &ben, &eva);
            ben.hang_up();
            part(world, &ben, &eva);
        },
    );
}

#[test]
fn a_colleague_picks_up_what_rings_elsewhere() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/picked_up.txt"],
        |world| {
            let (ana, ben, eva) = (world.phone("100"), world.phone("101"), world.phone("102"));
            world.restart_ladder();
            ana.dial("101");
            assert!(world.run_until(secs(19), || ben.is_ringing()));
            if !rings(world, &ana) {
                ana.hang_up();
                return part(world, &ana, &ben);
            }
            eva.take_over(&ben);
            connect(world, &ana, &eva);
            converse(world, &ana, &eva);
            assert!(world.run_until(secs(40), || ben.end().is_some()));
            assert_eq!(ben.end(), Some(End::NotTaken(487)));
            eva.hang_up();
            part(world, &ana, &eva);
            let record = world.record();
            assert_eq!(origins(&record)[2], LegOrigin::PickedUp { of: 1 });
            assert_eq!(record.outcome, Outcome::Answered);
        },
    );
}

#[test]
fn a_call_goes_on_at_the_other_phone_of_the_same_extension_and_nobody_else_may_take_it() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/replaced.txt"],
        |world| {
            let (ana, ben, eva) = three(world);
            let cell = world.phone("101");
            world.restart_ladder();
            eva.take_over(&ben);
            assert!(world.run_until(secs(40), || eva.end() == Some(End::Refused(403))), "{:?}", eva.end());
            cell.take_over(&ben);
            assert!(world.run_until(secs(60), || cell.is_talking() && ben.end().is_some()));
            hear_each_other(world, &ana, &cell);
            ana.hang_up();
            part(world, &ana, &cell);
            assert_eq!(origins(&world.record())[2], LegOrigin::Replaced { of: 1 });
        },
    );
}

#[test]
fn a_phone_sends_its_calls_on() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/redirected.txt"],
        |world| {
            let (ana, ben, eva) = (world.phone("100"), world.phone("101"), world.phone("102"));
            world.restart_ladder();
            ben.forward_to("102");
            eva.set_conduct(Conduct::Answer(secs(2)));
            ana.dial("101");
            connect(world, &ana, &eva);
            converse(world, &ana, &eva);
            ana.hang_up();
            part(world, &ana, &eva);
            let record = world.record();
            assert_eq!(origins(&record)[2], LegOrigin::Diverted { from: 1 });
            assert_eq!((&record.callee[..], &record.legs[2].number[..]), ("101", "102"));
        },
    );
}

#[test]
fn phones_that_send_calls_to_each_other_end_as_unreachable() {
    let world = World::new(Setup::new(7));
    let (ana, ben, eva) = (world.phone("100"), world.phone("101"), world.phone("102"));
    ben.forward_to("102");
    eva.forward_to("101");
    ana.dial("101");
    assert_eq!(patchbay_tests::refusal(&world, &ana), 480);
    assert_eq!((ben.calls_received(), eva.calls_received()), (1, 1));
    world.assert_settled();
}

#[test]
fn a_caller_without_an_offer_answers_ours() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/late_offer.txt"],
        |world| {
            let (ana, ben) = (world.phone("100"), world.phone("101"));
            ben.set_conduct(Conduct::Answer(secs(2)));
            ana.dial_describing("101", "");
            connect(world, &ana, &ben);
            converse(world, &ana, &ben);
            ben.hang_up();
            part(world, &ana, &ben);
            assert_eq!(world.record().outcome, Outcome::Answered);
        },
    );
}
