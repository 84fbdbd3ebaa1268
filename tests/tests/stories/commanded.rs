//! Phones that do what an API client wants of them.

use expect_test::expect_file;
use model::{Command, EventBody, Outcome, Refusal, Reply};
use patchbay_tests::{connect, converse, everywhere, part};
use sim::{Conduct, End, Setup, World, secs};

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
