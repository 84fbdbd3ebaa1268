//! Supervisors who listen to calls (INVITE with Join, RFC 3911): they hear both parties, and nobody hears them.

use expect_test::expect_file;
use model::{EventBody, LegOrigin, LegState, Outcome};
use patchbay_tests::{connect, converse, everywhere, part, roughly, seeds};
use sim::{Conduct, End, Phone, Setup, World, secs};

/// 100 speaks with 101; 190 has the right to listen.
fn supervised(world: &World) -> (Phone, Phone, Phone) {
    let phones = (world.phone("100"), world.phone("101"), world.phone("190"));
    world.change_extension("190", |extension| extension.monitor = true);
    phones.1.set_conduct(Conduct::Answer(secs(1)));
    phones.0.dial("101");
    connect(world, &phones.0, &phones.1);
    converse(world, &phones.0, &phones.1);
    phones
}

/// The supervisor comes in by the dialog of a party, and hears these two.
fn listen(world: &World, supervisor: &Phone, by: &Phone, parties: [&Phone; 2]) {
    supervisor.listen_to(by);
    let there = world.run_until(secs(40), || supervisor.is_talking() && supervisor.is_confirmed());
    assert!(there, "seed {}: {:?}", world.seed(), supervisor.state());
    hears_both(world, supervisor, parties);
}

fn hears_both(world: &World, supervisor: &Phone, parties: [&Phone; 2]) {
    world.run_for(secs(3));
    let seed = world.seed();
    for party in parties {
        assert!(supervisor.hears_among_others(party.voice()), "seed {seed}: the supervisor does not hear {party:?}");
        assert!(!party.has_heard(supervisor.voice()), "seed {seed}: {party:?} heard the supervisor");
    }
    let [one, other] = parties;
    assert!(one.hears(other.voice()) && other.hears(one.voice()), "seed {seed}: the parties hear each other");
}

fn left(world: &World, supervisor: &Phone, end: End) {
    assert!(world.run_until(secs(70), || supervisor.is_idle()), "seed {}: {:?}", world.seed(), supervisor.state());
    assert_eq!(supervisor.end(), Some(end), "seed {}", world.seed());
}

#[test]
fn a_supervisor_hears_both_until_the_call_ends() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/listening.txt"],
        |world| {
            let (ana, ben, eva) = supervised(world);
            world.restart_ladder();
            listen(world, &eva, &ben, [&ana, &ben]);
            let live = &world.live_calls()[0];
            assert_eq!((live.legs[2].state, &live.legs[2].number[..]), (LegState::Listening, "190"));
            ana.hang_up();
            part(world, &ana, &ben);
            left(world, &eva, End::LeftByThem);
            let record = world.record();
            assert_eq!((record.outcome, record.legs.len()), (Outcome::Answered, 3));
            assert_eq!((record.legs[2].origin, &record.legs[2].number[..]), (LegOrigin::Listening { to: 1 }, "190"));
            let tells = |body: &EventBody| matches!(body, EventBody::LegListening { leg: 2, to: 1, .. });
            assert_eq!(world.events().iter().filter(|event| tells(&event.body)).count(), 1);
            let recording = world.recording(&record).expect("it was recorded");
            assert!(!recording.left.has(eva.voice()) && !recording.right.has(eva.voice()));
        },
    );
}

#[test]
fn with_other_codecs_and_in_another_worker() {
    let codecs = [["PCMU", "PCMA", "PCMA"], ["PCMA", "PCMA", "PCMU"], ["G722", "PCMA", "G722"]];
    for (seed, codecs) in seeds().zip(codecs.into_iter().cycle()) {
        let world = World::new(Setup::new(seed).workers(3).rough());
        let (ana, ben, eva) = (world.phone("100"), world.phone("101"), world.phone("190"));
        world.change_extension("190", |extension| extension.monitor = true);
        for (phone, codec) in [&ana, &ben, &eva].into_iter().zip(codecs) {
            phone.speak_only(codec);
        }
        ben.set_conduct(Conduct::Answer(secs(1)));
        ana.dial("101");
        connect(&world, &ana, &ben);
        converse(&world, &ana, &ben);
        listen(&world, &eva, &ana, [&ana, &ben]);
        ben.hang_up();
        part(&world, &ana, &ben);
        left(&world, &eva, End::LeftByThem);
        world.assert_settled();
    }
}

#[test]
fn the_call_goes_on_without_the_supervisor_who_may_come_back() {
    roughly(
        |setup| setup.workers(2),
        |world| {
            let (ana, ben, eva) = supervised(world);
            listen(world, &eva, &ana, [&ana, &ben]);
            eva.hang_up();
            left(world, &eva, End::LeftByUs);
            world.run_for(secs(3));
            assert!(ana.hears(ben.voice()) && ben.hears(ana.voice()), "seed {}", world.seed());
            listen(world, &eva, &ana, [&ana, &ben]);
            ben.hang_up();
            part(world, &ana, &ben);
            left(world, &eva, End::LeftByThem);
            assert_eq!(world.record().legs.len(), 4);
        },
    );
}

#[test]
fn the_call_is_held_retrieved_and_transferred_while_somebody_listens() {
    roughly(
        |setup| setup,
        |world| {
            let (ana, ben, eva) = supervised(world);
            let dan = world.phone("102");
            dan.set_conduct(Conduct::Answer(secs(2)));
            listen(world, &eva, &ben, [&ana, &ben]);
            ana.hold();
            assert!(world.run_until(secs(40), || ana.reinvite_status() == Some(200)), "seed {}", world.seed());
            world.run_for(secs(2));
            ana.unhold();
            assert!(world.run_until(secs(40), || ana.reinvite_status() == Some(200)), "seed {}", world.seed());
            hears_both(world, &eva, [&ana, &ben]);
            ana.transfer("102");
            assert!(world.run_until(secs(60), || dan.is_confirmed() && ana.end().is_some()), "seed {}", world.seed());
            hears_both(world, &eva, [&ben, &dan]);
            ben.hang_up();
            part(world, &ben, &dan);
            left(world, &eva, End::LeftByThem);
        },
    );
}

#[test]
fn listeners_follow_a_transfer_with_consultation() {
    for seed in seeds() {
        // One worker, or a call in each of several.
        let world = World::new(Setup::new(seed).workers(1 + 3 * (seed % 2) as u16).rough());
        let (ana, ben, eva) = supervised(&world);
        let dan = world.phone("102");
        dan.set_conduct(Conduct::Answer(secs(1)));
        listen(&world, &eva, &ben, [&ana, &ben]);
        ana.hold();
        assert!(world.run_until(secs(40), || ana.reinvite_status() == Some(200)), "seed {}", world.seed());
        ana.dial("102");
        assert!(world.run_until(secs(60), || ana.is_talking() && dan.is_talking() && dan.is_confirmed()));
        world.run_for(secs(1));
        ana.join_calls();
        assert!(world.run_until(secs(60), || ana.is_idle()), "seed {}: {:?}", world.seed(), ana.progress());
        hears_both(&world, &eva, [&ben, &dan]);
        dan.hang_up();
        part(&world, &ben, &dan);
        left(&world, &eva, End::LeftByThem);
        world.assert_settled();
    }
}

#[test]
fn who_may_not_listen_and_what_cannot_be_listened_to() {
    let world = World::new(Setup::new(7).workers(2));
    let (ana, ben, eva) = supervised(&world);
    let refused = |phone: &Phone, status| {
        assert!(world.run_until(secs(5), || phone.end() == Some(End::Refused(status))), "{:?}", phone.end());
    };
    let nosy = world.phone("102");
    nosy.listen_to(&ana);
    refused(&nosy, 403);
    listen(&world, &eva, &ana, [&ana, &ben]);
    // Nobody listens to a listener.
    let other = world.phone("191");
    world.change_extension("191", |extension| extension.monitor = true);
    other.listen_to(&eva);
    refused(&other, 481);
    ana.hang_up();
    part(&world, &ana, &ben);
    // A call that is over, and one that still rings.
    other.listen_to(&ana);
    refused(&other, 481);
    ben.set_conduct(Conduct::Ring);
    ana.dial("101");
    assert!(world.run_until(secs(5), || ben.is_ringing()));
    world.run_for(secs(1));
    for phone in [&ana, &ben] {
        other.listen_to(phone);
        refused(&other, 481);
    }
    ana.hang_up();
    part(&world, &ana, &ben);
    world.assert_settled();
}

#[test]
fn more_than_eight_do_not_listen_to_one_call() {
    let world = World::new(Setup::new(7));
    let (ana, ben, _) = supervised(&world);
    let phones: Vec<Phone> = (0..9).map(|n| world.phone(&(200 + n).to_string())).collect();
    for phone in &phones {
        world.change_extension(&phone.number(), |extension| extension.monitor = true);
        phone.listen_to(&ana);
        world.run_for(secs(1));
    }
    assert!(phones[..8].iter().all(Phone::is_talking));
    assert_eq!(phones[8].end(), Some(End::Refused(486)));
    ana.hang_up();
    part(&world, &ana, &ben);
    assert!(world.run_until(secs(5), || phones.iter().all(Phone::is_idle)));
    world.assert_settled();
}
