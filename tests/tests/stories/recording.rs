//! Recordings: begun by rule or on demand, interrupted, ended, announced, named, cut into files.

use model::{CallRecord, Command, EventBody, Outcome, RecordingChoice, RecordingFile, RecordingWish, Refusal, Reply};
use patchbay_tests::{assert_recorded, connect, converse, part, roughly};
use sim::cell::Beep;
use sim::{Conduct, Phone, Setup, Sound, World, cell, millis, secs};

fn talking(world: &World) -> (Phone, Phone) {
    let (ana, ben) = (world.phone("100"), world.phone("101"));
    ben.set_conduct(Conduct::Answer(secs(1)));
    ana.dial("101");
    connect(world, &ana, &ben);
    converse(world, &ana, &ben);
    (ana, ben)
}

fn wish(world: &World, wish: RecordingWish, choice: RecordingChoice) -> Result<Reply, Refusal> {
    let call = world.live_calls()[0].id;
    world.command(call, Command::Record { call, wish, choice })
}

fn usual() -> RecordingChoice {
    RecordingChoice::default()
}

/// All files of a call, in their order.
fn files(record: &CallRecord) -> Vec<&RecordingFile> {
    record.recording.iter().chain(&record.more_recordings).collect()
}

#[test]
fn a_call_is_recorded_on_demand_with_a_hole_where_a_card_number_was_told() {
    let story = |world: &World| {
        let seed = world.seed();
        let (ana, ben) = talking(world);
        let call = world.live_calls()[0].id;
        let wish = |wish| world.command(call, Command::Record { call, wish, choice: usual() });
        assert_eq!(wish(RecordingWish::Pause), Err(Refusal::WrongState));
        assert_eq!(wish(RecordingWish::Start), Ok(Reply::Done));
        assert!(world.live_calls()[0].recording);
        world.run_for(secs(2));
        assert_eq!(wish(RecordingWish::Start), Err(Refusal::WrongState));
        assert_eq!(wish(RecordingWish::Pause), Ok(Reply::Done));
        assert!(!world.live_calls()[0].recording);
        world.run_for(secs(3));
        assert_eq!(wish(RecordingWish::Resume), Ok(Reply::Done));
        world.run_for(secs(2));
        assert_eq!(wish(RecordingWish::Stop), Ok(Reply::Done));
        world.run_for(secs(4));
        assert_eq!(wish(RecordingWish::Resume), Err(Refusal::WrongState));
        converse(world, &ana, &ben);
        ana.hang_up();
        part(world, &ana, &ben);
        assert_eq!(wish(RecordingWish::Start), Err(Refusal::NoSuchCall));
        let record = world.record();
        assert_eq!(record.outcome, Outcome::Answered);
        assert!(record.recording.as_ref().is_some_and(|file| file.complete && file.length_ms.abs_diff(7_000) < 100));
        let recording = world.recording(&record).expect("its file");
        assert!(recording.closed && recording.length().as_millis().abs_diff(7_000) < 100, "seed {seed}");
        for (track, voice) in [(&recording.left, ana.voice()), (&recording.right, ben.voice())] {
            let spells = track.heard(voice).spells;
            // Heard before 2 s, not from then until 5 s, and again.
            let within = |from: u64, to: u64| spells.iter().any(|(a, b)| *a < to * 8_000 && *b > from * 8_000);
            assert!(within(0, 2) && within(5, 7), "seed {seed}: {spells:?}");
            let inside = |(a, b): &&(u64, u64)| *a < 4 * 8_000 + 6_000 && *b > 2 * 8_000 + 2_000;
            assert_eq!(spells.iter().find(inside), None, "seed {seed}: {spells:?}");
        }
    };
    let world = World::new(Setup::new(7).unrecorded());
    story(&world);
    world.assert_settled();
    roughly(Setup::unrecorded, story);
}

#[test]
fn a_recording_that_is_begun_again_has_a_file_of_its_own_in_the_way_that_was_wished() {
    let world = World::new(Setup::new(7).unrecorded());
    let (ana, ben) = talking(&world);
    assert_eq!(
        wish(&world, RecordingWish::Start, RecordingChoice { leg: Some(9), mixed: None }),
        Err(Refusal::NoSuchLeg)
    );
    assert_eq!(wish(&world, RecordingWish::Start, usual()), Ok(Reply::Done));
    world.run_for(secs(2));
    assert_eq!(wish(&world, RecordingWish::Stop, usual()), Ok(Reply::Done));
    world.run_for(secs(1));
    assert_eq!(wish(&world, RecordingWish::Start, RecordingChoice { leg: None, mixed: Some(true) }), Ok(Reply::Done));
    world.run_for(secs(3));
    ana.hang_up();
    part(&world, &ana, &ben);
    let record = world.record();
    let [first, second] = files(&record)[..] else { panic!("{record:#?}") };
    assert!(first.complete && second.complete && second.path == first.path.replace(".wav", ".2.wav"));
    assert!(first.length_ms.abs_diff(2_000) < 50 && second.length_ms.abs_diff(3_000) < 50, "{first:?} {second:?}");
    let stereo = world.recording_at(&first.path).unwrap();
    assert!(stereo.left.has(ana.voice()) && !stereo.left.has(ben.voice()) && !stereo.right.has(ana.voice()));
    let mixed = world.recording_at(&second.path).unwrap();
    assert!(mixed.closed && mixed.length().as_millis().abs_diff(3_000) < 50);
    let both = [ana.voice(), ben.voice()].map(|voice| mixed.left.heard_among_others(voice).total());
    assert!(both.iter().all(|heard| *heard > millis(2_800)), "{both:?}");
    let told = |event: EventBody| match event {
        EventBody::RecordingChanged { wish, .. } => Some(wish),
        _ => None,
    };
    let told: Vec<_> = world.events().into_iter().filter_map(|event| told(event.body)).collect();
    assert_eq!(told, [RecordingWish::Start, RecordingWish::Stop, RecordingWish::Start]);
    world.assert_settled();
}

#[test]
fn a_recording_of_one_party_ends_when_it_leaves_and_one_of_the_call_goes_on() {
    for (leg, whole) in [(None, true), (Some(1), true), (Some(0), false)] {
        let world = World::new(Setup::new(7).unrecorded());
        let (ana, ben) = talking(&world);
        let eva = world.phone("102");
        eva.set_conduct(Conduct::AnswerAtOnce);
        assert_eq!(wish(&world, RecordingWish::Start, RecordingChoice { leg, mixed: None }), Ok(Reply::Done));
        world.run_for(secs(2));
        ana.transfer("102");
        assert!(world.run_until(secs(20), || eva.is_confirmed() && ana.end().is_some()));
        world.run_for(secs(3));
        assert_eq!(world.live_calls()[0].recording, whole, "{leg:?}");
        // What one may begin when the other is over.
        let again = wish(&world, RecordingWish::Start, usual());
        assert_eq!(again, if whole { Err(Refusal::WrongState) } else { Ok(Reply::Done) });
        world.run_for(secs(1));
        ben.hang_up();
        part(&world, &ben, &eva);
        let record = world.record();
        let files = files(&record);
        assert_eq!(files.len(), if whole { 1 } else { 2 });
        let first = world.recording_at(&files[0].path).unwrap();
        assert!(first.left.has(ana.voice()) && first.right.has(ben.voice()), "{leg:?}");
        assert_eq!(first.left.has(eva.voice()), whole, "{leg:?}");
        assert!(files.iter().all(|file| file.complete), "{files:?}");
        world.assert_settled();
    }
}

#[test]
fn a_trunk_or_who_calls_decides_that_a_call_is_recorded() {
    let by_trunk: fn(&mut cell::Config) = |config| config.trunks[0].record = true;
    for (tuning, extension, recorded) in
        [(by_trunk, false, true), (|_: &mut cell::Config| {}, false, false), (|_: &mut cell::Config| {}, true, true)]
    {
        let world = World::new(Setup::new(7).unrecorded().trunk("pstn", "0*").tuned(tuning));
        let (ana, carrier) = (world.phone("100"), world.trunk("pstn"));
        world.change_extension("100", |ana| ana.record = extension);
        for (from, to, number) in [(&ana, &carrier, "02112345678"), (&carrier, &ana, "100")] {
            to.set_conduct(Conduct::AnswerAtOnce);
            from.dial(number);
            connect(&world, from, to);
            converse(&world, from, to);
            assert_eq!(world.live_calls()[0].recording, recorded);
            from.hang_up();
            part(&world, from, to);
            let record = world.records().pop().unwrap();
            assert_eq!(record.recording.is_some(), recorded, "{record:#?}");
            if recorded {
                assert_recorded(&world, &record, from, to);
            }
        }
        world.assert_settled();
    }
}

#[test]
fn a_long_recording_has_several_files_that_fit_together_and_a_kill_forgets_none() {
    let small: fn(&mut cell::Config) = |config| config.policy.record_file_octets = 4 * 8_000 * 5;
    let story = |world: &World, killed: bool| {
        let (ana, ben) = talking(world);
        world.run_for(secs(14));
        if killed {
            world.kill();
            world.run_for(secs(1));
            // With another number of workers the call cannot go on.
            world.restart_with(2);
            world.run_for(secs(1));
        } else {
            ana.hang_up();
            part(world, &ana, &ben);
        }
        let record = world.record();
        let files = files(&record);
        assert_eq!(files.len(), 4, "{record:#?}");
        let stem = files[0].path.strip_suffix(".wav").unwrap();
        for (no, file) in files.iter().enumerate().skip(1) {
            assert_eq!(file.path, format!("{stem}.{}.wav", no + 1));
        }
        for file in &files[..3] {
            let recording = world.recording_at(&file.path).unwrap();
            assert!(file.complete && recording.closed, "{file:?}");
            assert_eq!((file.length_ms, recording.length()), (5_000, secs(5)));
            for (track, own, other) in
                [(&recording.left, ana.voice(), ben.voice()), (&recording.right, ben.voice(), ana.voice())]
            {
                assert!(!track.has(other) && track.heard(own).total() > millis(4_000), "seed {}", world.seed());
            }
        }
        assert_eq!(files[3].complete, !killed, "{:?}", files[3]);
        assert_eq!(killed, files[3].note.contains("stopped"));
        let last = world.recording_at(&files[3].path).unwrap();
        assert!(last.left.has(ana.voice()) && last.right.has(ben.voice()));
    };
    for seed in patchbay_tests::seeds() {
        let setup = Setup::new(seed).tuned(small);
        let world = World::new(if seed % 2 == 0 { setup } else { setup.rough() });
        story(&world, seed % 3 == 0);
    }
}

#[test]
fn a_kill_leaves_what_is_over_over_and_silence_where_it_was_paused() {
    for stopped in [true, false] {
        let world = World::new(Setup::new(7).unrecorded());
        let (ana, ben) = talking(&world);
        assert_eq!(wish(&world, RecordingWish::Start, usual()), Ok(Reply::Done));
        world.run_for(secs(2));
        let next = if stopped { RecordingWish::Stop } else { RecordingWish::Pause };
        assert_eq!(wish(&world, next, usual()), Ok(Reply::Done));
        world.run_for(secs(3));
        world.kill();
        world.run_for(secs(1));
        world.restart();
        // The call goes on, and nothing is recorded of it before somebody wants that again.
        world.run_for(secs(2));
        ana.hang_up();
        part(&world, &ana, &ben);
        let record = world.record();
        assert_eq!(record.more_recordings, []);
        let file = record.recording.as_ref().unwrap();
        assert_eq!(file.complete, stopped, "{file:?}");
        let recording = world.recording(&record).unwrap();
        let spells = recording.left.heard(ana.voice()).spells;
        assert!(spells.iter().all(|(_, until)| *until <= 2 * 8_000 + 2_000), "{spells:?}");
        assert!(stopped || recording.length() > secs(3));
    }
}

#[test]
fn both_hear_that_they_are_recorded_and_the_file_is_called_as_the_operator_wants() {
    let announced = |config: &mut cell::Config| {
        config.policy.record_beep = Beep::Both;
        config.policy.record_name = "monitor/{yyyy}-{MM}-{dd}/{caller}_{callee}_{call}".to_owned();
    };
    let world = World::new(Setup::new(7).tuned(announced));
    let (ana, ben) = talking(&world);
    for phone in [&ana, &ben] {
        let beep = phone.heard(Sound::Voice(1400)).total().as_millis();
        assert!((150..=260).contains(&beep), "{phone:?}: {beep} ms");
    }
    ana.hang_up();
    part(&world, &ana, &ben);
    let record = world.record();
    let file = record.recording.expect("recorded");
    // The clocks of Shanghai: midnight in Greenwich is eight in the morning there.
    assert_eq!(file.path, format!("monitor/2026-11-21/100_101_{}.wav", record.id));
    world.assert_settled();
}

#[test]
fn who_shall_hear_the_tone_hears_it_again_and_again_but_not_while_nothing_is_kept() {
    let announced: fn(&mut cell::Config) = |config| {
        config.policy.record_beep = Beep::Callee;
        config.policy.record_beep_every = Some(secs(2));
    };
    let world = World::new(Setup::new(7).tuned(announced));
    let (ana, ben) = talking(&world);
    world.run_for(secs(4));
    let beeps = |phone: &Phone| phone.heard(Sound::Voice(1400)).spells.len();
    let before = beeps(&ben);
    assert!((3..=5).contains(&before), "{before}");
    assert_eq!(wish(&world, RecordingWish::Pause, usual()), Ok(Reply::Done));
    world.run_for(secs(1));
    let paused = beeps(&ben);
    world.run_for(secs(9));
    assert_eq!(beeps(&ben), paused);
    assert_eq!(wish(&world, RecordingWish::Resume, usual()), Ok(Reply::Done));
    world.run_for(secs(5));
    assert!(beeps(&ben) >= paused + 2);
    assert_eq!(beeps(&ana), 0);
    assert!(ben.hears(ana.voice()) && ana.hears(ben.voice()));
    assert_eq!(wish(&world, RecordingWish::Stop, usual()), Ok(Reply::Done));
    world.run_for(millis(300));
    let stopped = beeps(&ben);
    world.run_for(secs(6));
    assert_eq!(beeps(&ben), stopped);
    ana.hang_up();
    part(&world, &ana, &ben);
    world.assert_settled();
}

#[test]
fn a_disk_that_fills_during_a_call_costs_the_rest_of_the_recording_and_nothing_else() {
    let story = |world: &World| {
        let seed = world.seed();
        let (ana, ben) = talking(world);
        world.set_disk_full(true);
        converse(world, &ana, &ben);
        converse(world, &ana, &ben);
        assert!(!world.live_calls()[0].recording, "seed {seed}");
        // There is room again: what is begun now is kept.
        world.set_disk_full(false);
        assert_eq!(wish(world, RecordingWish::Start, usual()), Ok(Reply::Done));
        converse(world, &ana, &ben);
        ana.hang_up();
        part(world, &ana, &ben);
        let record = world.record();
        let [first, second] = files(&record)[..] else { panic!("{record:#?}") };
        assert!(!first.complete && first.note.contains("no space left"), "{first:?}");
        assert!(second.complete && second.length_ms >= 3_000, "{second:?}");
        let kept = world.recording_at(&first.path).unwrap();
        assert!(kept.left.has(ana.voice()) && kept.right.has(ben.voice()), "seed {seed}");
        // What is told of its length is what is there, but for a page.
        assert!(
            kept.length().as_millis().abs_diff(u128::from(first.length_ms)) <= 500,
            "{first:?} {:?}",
            kept.length()
        );
        let told = |event: &model::Event| matches!(event.body, EventBody::RecordingFailed { .. });
        assert_eq!(world.events().iter().filter(|event| told(event)).count(), 1);
    };
    let world = World::seeded(7);
    story(&world);
    world.assert_settled();
    roughly(|setup| setup, story);
}
