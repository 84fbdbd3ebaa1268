//! `kill -9`, and what the next process finds.

use model::{Outcome, Side};
use patchbay_tests::{assert_recorded, connect, converse, part, refusal, seeds};
use sim::{Conduct, End, Phone, Setup, World, millis, secs};

fn two(world: &World) -> (Phone, Phone) {
    (world.phone("100"), world.phone("101"))
}

fn call(world: &World, phone: &Phone, other: &Phone) {
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    connect(world, phone, other);
    converse(world, phone, other);
}

/// Hangs up what the switch no longer knows of.
fn give_up(world: &World, phones: [&Phone; 2]) {
    for phone in phones {
        phone.hang_up();
    }
    assert!(world.run_until(secs(60), || phones.iter().all(|phone| phone.is_idle())));
}

#[test]
fn a_call_that_cannot_go_on_leaves_registrations_a_record_and_a_playable_recording() {
    for seed in seeds() {
        let workers = 1 + (seed % 3) as u16;
        let setup = Setup::new(seed).workers(workers);
        let world = World::new(if seed % 2 == 0 { setup } else { setup.rough() });
        let (phone, other) = two(&world);
        call(&world, &phone, &other);
        world.run_for(millis(2000 + 137 * seed));
        let talked = world.live_calls()[0].answered_at.unwrap();
        let killed = world.wall();
        world.kill();
        world.run_for(secs(2));
        assert_eq!(world.records().len(), 0, "seed {seed}");
        // With another number of workers nobody would find its dialogs.
        world.restart_with(workers + 1);
        world.run_for(secs(1));

        let record = world.record();
        assert_eq!((record.outcome, record.ended_by), (Outcome::SwitchFailure, Side::System), "seed {seed}");
        assert_eq!((record.caller.as_str(), record.callee.as_str()), ("100", "101"));
        assert_eq!(record.answered_at, Some(talked), "seed {seed}");
        // The switch said each second that it lives: the record ends when it last did.
        assert!((killed - 1200..=killed).contains(&record.ended_at), "seed {seed}: {} of {killed}", record.ended_at);
        let file = record.recording.as_ref().expect("it was being recorded");
        assert!(!file.complete && !file.note.is_empty(), "seed {seed}: {file:?}");
        let recording = world.recording(&record).expect("the file is there");
        let playable = recording.length().as_millis() as u64;
        assert!((killed - talked - 2000..=killed - talked).contains(&playable), "seed {seed}: {playable} ms");
        assert!(recording.left.has(phone.voice()) && recording.right.has(other.voice()), "seed {seed}");

        assert_eq!([world.registrations("100").len(), world.registrations("101").len()], [1, 1], "seed {seed}");
        give_up(&world, [&phone, &other]);
        call(&world, &phone, &other);
        phone.hang_up();
        part(&world, &phone, &other);
        world.assert_settled();
        assert_recorded(&world, world.records().last().unwrap(), &phone, &other);
    }
}

#[test]
fn a_recording_is_playable_up_to_two_seconds_before_the_kill() {
    for seed in 0..20 {
        let world = World::seeded(seed);
        let (phone, other) = two(&world);
        other.set_conduct(Conduct::AnswerAtOnce);
        phone.dial("101");
        connect(&world, &phone, &other);
        let before = world.time();
        world.run_for(millis(5000 + 111 * seed));
        let spoken = world.time() - before;
        world.kill();
        let recording = world.recordings().remove(0);
        assert!(recording.length() + secs(2) >= spoken, "seed {seed}: {:?} of {spoken:?}", recording.length());
        assert!(recording.length() <= spoken + millis(200), "seed {seed}");
        assert!(recording.left.heard(phone.voice()).total() + secs(2) >= spoken, "seed {seed}");
    }
}

#[test]
fn a_kill_while_it_rings_leaves_a_record() {
    let world = World::seeded(7);
    let (phone, other) = two(&world);
    phone.dial("101");
    world.run_for(secs(2));
    world.kill();
    world.run_for(secs(1));
    world.restart();
    world.run_for(secs(1));
    assert_eq!(world.record().outcome, Outcome::SwitchFailure);
    // Nobody is left to answer for.
    assert_eq!((other.end(), other.is_idle()), (Some(End::NotTaken(487)), true));
    phone.hang_up();
    // Its CANCEL meets nobody.
    assert!(world.run_until(secs(80), || phone.is_idle()));
    assert!(matches!(phone.end(), Some(End::Refused(_))));
    world.assert_settled();
}

#[test]
fn a_kill_right_after_a_call_loses_no_record_and_doubles_none() {
    // From before the BYE reached the switch until long after SQL had the record.
    for after in (0..200).step_by(10) {
        let world = World::seeded(after);
        let (phone, other) = two(&world);
        call(&world, &phone, &other);
        phone.hang_up();
        world.run_for(millis(after));
        world.kill();
        world.restart();
        world.run_for(secs(1));
        let record = world.record();
        assert!(matches!(record.outcome, Outcome::Answered | Outcome::SwitchFailure), "{after} ms: {record:#?}");
        if after >= 120 {
            assert_eq!(record.outcome, Outcome::Answered, "{after} ms");
        }
        give_up(&world, [&phone, &other]);
        world.assert_settled();
        assert_eq!(world.records().len(), 1, "{after} ms");
    }
}

#[test]
fn two_kills_give_one_record() {
    let world = World::seeded(7);
    let (phone, other) = two(&world);
    call(&world, &phone, &other);
    for _ in 0..3 {
        world.kill();
        world.restart();
        world.run_for(millis(20));
    }
    world.run_for(secs(1));
    assert_eq!(world.records(), [], "it goes on");
    give_up(&world, [&phone, &other]);
    world.assert_settled();
    assert_eq!(world.record().outcome, Outcome::Answered);
}

#[test]
fn fewer_or_more_workers_find_everything() {
    for (before, after) in [(3, 1), (1, 3), (4, 2), (2, 4)] {
        let world = World::new(Setup::new(7).workers(before));
        let phones: Vec<Phone> = (100..108).map(|n| world.phone(&n.to_string())).collect();
        call(&world, &phones[0], &phones[1]);
        world.kill();
        world.restart_with(after);
        world.run_for(secs(1));
        assert!(phones.iter().all(|phone| world.registrations(&phone.number()).len() == 1), "{before} → {after}");
        assert_eq!(world.record().outcome, Outcome::SwitchFailure);
        give_up(&world, [&phones[0], &phones[1]]);
        call(&world, &phones[0], &phones[1]);
        phones[1].hang_up();
        part(&world, &phones[0], &phones[1]);
        phones[5].set_conduct(Conduct::Busy);
        phones[4].dial("105");
        assert_eq!(refusal(&world, &phones[4]), 486);
        world.assert_settled();
    }
}

#[test]
fn a_registration_that_lapsed_while_the_switch_was_dead_is_gone() {
    let world = World::seeded(7);
    let phone = world.unregistered("100");
    phone.set_expires(120);
    phone.forget_to_renew();
    phone.register();
    world.run_for(secs(1));
    world.kill();
    world.run_for(secs(200));
    world.restart();
    world.run_for(secs(1));
    assert_eq!((world.registrations("100").len(), world.counts().bindings), (0, 0));
    world.assert_settled();
}
