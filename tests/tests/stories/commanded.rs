//! Phones that do what an API client wants of them.

use expect_test::expect_file;
use model::{Command, EventBody, Outcome, Refusal, Reply};
use patchbay_tests::{connect, converse, everywhere, part};
use sim::{Conduct, End, Setup, Sound, World, secs};

#[test]
fn a_desk_phone_is_made_to_answer_hold_and_retrieve() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/commanded.txt"],
        |world| {
            let (ana, ben) = (world.phone("100"), world.phone("101"));
            world.restart_ladder();
            ben.obey();
            ana.dial("101");
            assert!(world.run_until(secs(19), || ben.is_ringing()));
            world.run_for(secs(2));
            let call = world.live_calls()[0].id;
            let answered = world.command(call, Command::Answer { call, leg: 1 });
            if answered.is_err() {
                // Nobody told the switch what the phone can do: its 180 is lost, and is not repeated.
                assert!(!world.setup().is_clean());
                ben.answer();
            }
            connect(world, &ana, &ben);
            converse(world, &ana, &ben);
            assert_eq!(world.command(call, Command::Hold { call, leg: 1 }), Ok(Reply::Done));
            assert!(world.run_until(secs(40), || ben.reinvite_status() == Some(200)), "seed {}", world.seed());
            world.run_for(secs(2));
            let held = |body: &EventBody| matches!(body, EventBody::LegHeld { leg: 1, held: true, .. });
            assert!(world.events().iter().any(|event| held(&event.body)), "seed {}", world.seed());
            assert_eq!(world.command(call, Command::Answer { call, leg: 1 }), Ok(Reply::Done));
            let back = |body: &EventBody| matches!(body, EventBody::LegHeld { leg: 1, held: false, .. });
            assert!(world.run_until(secs(60), || world.events().iter().any(|event| back(&event.body))));
            world.run_for(secs(3));
            assert!(ana.hears(ben.voice()) && ben.hears(ana.voice()), "seed {}", world.seed());
            ana.hang_up();
            part(world, &ana, &ben);
        },
    );
}

#[test]
fn a_call_is_transferred_by_command() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/commanded_transfer.txt"],
        |world| {
            let (ana, ben, eva) = (world.phone("100"), world.phone("101"), world.phone("102"));
            world.restart_ladder();
            ben.set_conduct(Conduct::Answer(secs(1)));
            eva.set_conduct(Conduct::Answer(secs(2)));
            ana.dial("101");
            connect(world, &ana, &ben);
            converse(world, &ana, &ben);
            let call = world.live_calls()[0].id;
            let to = "102".to_owned();
            assert_eq!(world.command(call, Command::Transfer { call, leg: 1, to }), Ok(Reply::Done));
            assert!(world.run_until(secs(60), || eva.is_talking() && eva.is_confirmed() && ben.end().is_some()));
            assert_eq!(ben.end(), Some(End::LeftByThem));
            world.run_for(secs(3));
            assert!(ana.hears(eva.voice()) && eva.hears(ana.voice()), "seed {}", world.seed());
            ana.hang_up();
            part(world, &ana, &eva);
            assert_eq!(world.record().outcome, Outcome::Answered);
        },
    );
}

#[test]
fn what_cannot_be_done_is_refused() {
    let world = World::new(Setup::new(7));
    let (ana, ben) = (world.phone("100"), world.phone("101"));
    ana.dial("101");
    assert!(world.run_until(secs(5), || ben.is_ringing()));
    world.run_for(secs(1));
    let call = world.live_calls()[0].id;
    let transfer = |leg, to: &str| Command::Transfer { call, leg, to: to.to_owned() };
    assert_eq!(world.command(call, Command::Answer { call, leg: 1 }), Err(Refusal::WrongState));
    assert_eq!(world.command(call, Command::Hold { call, leg: 9 }), Err(Refusal::NoSuchLeg));
    assert_eq!(world.command(call, transfer(0, "102")), Err(Refusal::WrongState));
    ben.answer();
    connect(&world, &ana, &ben);
    for to in ["100", "101", "", &"1".repeat(100)] {
        assert_eq!(world.command(call, transfer(0, to)), Err(Refusal::WrongState));
    }
    ana.hang_up();
    part(&world, &ana, &ben);
    assert_eq!(world.command(call, transfer(0, "102")), Err(Refusal::NoSuchCall));
}

/// What held parties hear, Hz.
const MUSIC: Sound = Sound::Voice(1400);

fn with_music(setup: Setup) -> Setup {
    setup.tuned(|config| config.sounds.music = std::sync::Arc::from([std::sync::Arc::new(sim::tone(1400, secs(1)))]))
}

#[test]
fn the_switch_holds_for_a_phone_that_cannot() {
    everywhere(with_music, &expect_file!["../../ladders/commanded_hold_here.txt"], |world| {
        let (ana, ben) = (world.phone("100"), world.phone("101"));
        world.restart_ladder();
        ben.set_conduct(Conduct::Answer(secs(1)));
        ana.dial("101");
        connect(world, &ana, &ben);
        converse(world, &ana, &ben);
        let call = world.live_calls()[0].id;
        assert_eq!(world.command(call, Command::Hold { call, leg: 1 }), Ok(Reply::Done));
        world.run_for(secs(3));
        assert!(ana.hears(MUSIC) && !ben.hears(ana.voice()), "seed {}", world.seed());
        assert_eq!(world.command(call, Command::Answer { call, leg: 1 }), Ok(Reply::Done));
        world.run_for(secs(3));
        assert!(ana.hears(ben.voice()) && ben.hears(ana.voice()), "seed {}", world.seed());
        ana.hang_up();
        part(world, &ana, &ben);
    });
}

/// Ana has called Ben, and Ben asks Eva, who has answered.
fn consulting(world: &World) -> (sim::Phone, sim::Phone, sim::Phone, model::CallId) {
    let (ana, ben, eva) = (world.phone("100"), world.phone("101"), world.phone("102"));
    world.restart_ladder();
    ben.set_conduct(Conduct::Answer(secs(1)));
    eva.set_conduct(Conduct::Answer(secs(2)));
    ana.dial("101");
    connect(world, &ana, &ben);
    converse(world, &ana, &ben);
    let call = world.live_calls()[0].id;
    let to = "102".to_owned();
    assert_eq!(world.command(call, Command::Consult { call, leg: 1, to }), Ok(Reply::Done));
    assert!(world.run_until(secs(60), || eva.is_talking() && eva.is_confirmed()), "seed {}", world.seed());
    world.run_for(secs(3));
    assert!(ana.hears(MUSIC), "seed {}", world.seed());
    assert!(ben.hears(eva.voice()) && eva.hears(ben.voice()), "seed {}", world.seed());
    (ana, ben, eva, call)
}

#[test]
fn who_was_consulted_takes_the_call() {
    everywhere(with_music, &expect_file!["../../ladders/commanded_consult.txt"], |world| {
        let (ana, ben, eva, call) = consulting(world);
        assert_eq!(world.command(call, Command::CompleteConsult { call, leg: 1 }), Ok(Reply::Done));
        assert!(world.run_until(secs(40), || ben.end() == Some(End::LeftByThem)), "seed {}", world.seed());
        world.run_for(secs(3));
        assert!(ana.hears(eva.voice()) && eva.hears(ana.voice()), "seed {}", world.seed());
        ana.hang_up();
        part(world, &ana, &eva);
        assert_eq!(world.record().outcome, Outcome::Answered);
    });
}

#[test]
fn who_consulted_comes_back() {
    everywhere(with_music, &expect_file!["../../ladders/commanded_consult_back.txt"], |world| {
        let (ana, ben, eva, call) = consulting(world);
        assert_eq!(world.command(call, Command::CancelConsult { call, leg: 1 }), Ok(Reply::Done));
        assert!(world.run_until(secs(40), || eva.end() == Some(End::LeftByThem)), "seed {}", world.seed());
        world.run_for(secs(3));
        assert!(ana.hears(ben.voice()) && ben.hears(ana.voice()), "seed {}", world.seed());
        ana.hang_up();
        part(world, &ana, &ben);
        assert_eq!(world.record().outcome, Outcome::Answered);
    });
}

#[test]
fn a_consultation_ends_with_whoever_leaves_it() {
    // Who consults hangs up: the other two speak. The third: the first two do. Who hears music: the two who are left do.
    for leaves in 0..3 {
        let world = World::new(with_music(Setup::new(11 + leaves)));
        let (ana, ben, eva, call) = consulting(&world);
        let (gone, left) = match leaves {
            0 => (&ben, [&ana, &eva]),
            1 => (&eva, [&ana, &ben]),
            _ => (&ana, [&ben, &eva]),
        };
        assert_eq!(world.command(call, Command::Consult { call, leg: 1, to: "103".into() }), Err(Refusal::WrongState));
        gone.hang_up();
        world.run_for(secs(3));
        assert!(left[0].hears(left[1].voice()) && left[1].hears(left[0].voice()), "{leaves}");
        assert_eq!(world.command(call, Command::CancelConsult { call, leg: 1 }), Err(Refusal::WrongState), "{leaves}");
        left[0].hang_up();
        world.run_for(secs(3));
        assert!(left[1].end().is_some() && world.live_calls().is_empty(), "{leaves}");
    }
}

#[test]
fn a_consultation_that_nobody_answers_is_over_or_becomes_a_transfer() {
    for completes in [false, true] {
        let world = World::new(with_music(Setup::new(21)));
        let (ana, ben, eva) = (world.phone("100"), world.phone("101"), world.phone("102"));
        ben.set_conduct(Conduct::Answer(secs(1)));
        ana.dial("101");
        connect(&world, &ana, &ben);
        let call = world.live_calls()[0].id;
        let consult = Command::Consult { call, leg: 1, to: "102".to_owned() };
        assert_eq!(world.command(call, consult), Ok(Reply::Done));
        assert!(world.run_until(secs(5), || eva.is_ringing()));
        world.run_for(secs(1));
        assert!(ana.hears(MUSIC));
        let left = if completes {
            assert_eq!(world.command(call, Command::CompleteConsult { call, leg: 1 }), Ok(Reply::Done));
            world.run_for(secs(1));
            eva.answer();
            &eva
        } else {
            eva.refuse(486);
            &ben
        };
        world.run_for(secs(4));
        assert!(ana.hears(left.voice()) && left.hears(ana.voice()), "{completes}");
        assert_eq!(ben.end().is_some(), completes);
        ana.hang_up();
        world.run_for(secs(3));
        assert!(world.live_calls().is_empty());
    }
}

#[test]
fn a_leg_is_released_for_its_party() {
    let world = World::new(Setup::new(31));
    let (ana, ben) = (world.phone("100"), world.phone("101"));
    // One that rings refuses.
    ana.dial("101");
    assert!(world.run_until(secs(5), || ben.is_ringing()));
    let call = world.live_calls()[0].id;
    assert_eq!(world.command(call, Command::Release { call, leg: 1 }), Ok(Reply::Done));
    world.run_for(secs(12));
    assert!(ben.end().is_some() && world.live_calls().is_empty());
    assert_eq!(world.record().outcome, Outcome::Rejected);
    // One that waits for an answer gives up.
    ana.dial("101");
    assert!(world.run_until(secs(5), || ben.is_ringing()));
    let call = world.live_calls()[0].id;
    assert_eq!(world.command(call, Command::Release { call, leg: 0 }), Ok(Reply::Done));
    world.run_for(secs(3));
    assert!(!ben.is_ringing() && world.live_calls().is_empty());
    // One that speaks leaves.
    ben.set_conduct(Conduct::Answer(secs(1)));
    ana.dial("101");
    connect(&world, &ana, &ben);
    let call = world.live_calls()[0].id;
    assert_eq!(world.command(call, Command::Release { call, leg: 1 }), Ok(Reply::Done));
    world.run_for(secs(3));
    assert!(ana.end().is_some() && ben.end().is_some() && world.live_calls().is_empty());
    assert_eq!(world.command(call, Command::Release { call, leg: 1 }), Err(Refusal::NoSuchCall));
}
