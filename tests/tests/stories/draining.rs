//! A graceful end: no new calls, those that are may finish, the rest is hung up.

use expect_test::expect_file;
use model::{Outcome, Side};
use patchbay_tests::{assert_recorded, connect, converse, everywhere, part, refusal};
use sim::{Conduct, End, Setup, World, secs};

#[test]
fn a_draining_switch_takes_no_new_call_and_keeps_the_old_ones() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/draining.txt"],
        |world| {
            let (phone, other, third) = (world.phone("100"), world.phone("101"), world.phone("102"));
            other.set_conduct(Conduct::AnswerAtOnce);
            phone.dial("101");
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            world.drain();
            third.dial("101");
            assert_eq!(refusal(world, &third), 503);
            converse(world, &phone, &other);

            let refused = world.record();
            assert_eq!(
                (refused.outcome, refused.caller.as_str(), refused.cause.sip),
                (Outcome::Congestion, "102", 503)
            );

            world.hang_up_all();
            part(world, &phone, &other);
            assert_eq!([phone.end(), other.end()], [Some(End::LeftByThem); 2]);
            let record =
                world.records().into_iter().find(|record| record.caller == "100").expect("the first call has a record");
            assert_eq!((record.outcome, record.ended_by), (Outcome::Answered, Side::System));
            assert_recorded(world, &record, &phone, &other);
        },
    );
}

#[test]
fn calls_that_ring_are_ended_too() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/hung_up_ringing.txt"],
        |world| {
            let (phone, other) = (world.phone("100"), world.phone("101"));
            phone.dial("101");
            assert!(world.run_until(secs(19), || other.is_ringing()));
            world.hang_up_all();
            part(world, &phone, &other);
            assert_eq!(other.end(), Some(End::NotTaken(487)));
            assert_eq!(world.record().ended_by, Side::System);
        },
    );
}

#[test]
fn a_trunk_that_calls_a_draining_switch_is_refused_and_on_record() {
    let world = World::new(Setup::new(7).trunk("pstn", "0*"));
    let (trunk, phone) = (world.trunk("pstn"), world.phone("100"));
    world.drain();
    trunk.dial("100");
    assert_eq!((refusal(&world, &trunk), phone.calls_received()), (503, 0));
    world.assert_settled();
    assert_eq!(world.record().outcome, Outcome::Congestion);
}
