//! Calls from and to a trunk that is known by its address.

use expect_test::expect_file;
use model::{Direction, Outcome};
use patchbay_tests::{assert_recorded, connect, converse, everywhere, once, part, refusal};
use sim::{Conduct, Setup, Sound, secs};

#[test]
fn an_extension_calls_out() {
    everywhere(
        |setup| setup.trunk("pstn", "0*"),
        &expect_file!["../../ladders/trunk_out.txt"],
        |world| {
            let (trunk, phone) = (world.trunk("pstn"), world.phone("100"));
            trunk.set_conduct(Conduct::Answer(secs(2)));
            phone.dial("057112345678");
            connect(world, &phone, &trunk);
            converse(world, &phone, &trunk);
            trunk.hang_up();
            part(world, &phone, &trunk);
            let record = world.record();
            assert_recorded(world, &record, &phone, &trunk);
            assert_eq!((record.direction, record.trunk.as_deref()), (Direction::Outbound, Some("pstn")));
            assert_eq!(record.callee, "057112345678");
        },
    );
}

#[test]
fn the_trunk_calls_an_extension() {
    everywhere(
        |setup| setup.trunk("pstn", "0*"),
        &expect_file!["../../ladders/trunk_in.txt"],
        |world| {
            let (trunk, phone) = (world.trunk("pstn"), world.phone("100"));
            phone.set_conduct(Conduct::Answer(secs(2)));
            trunk.dial("100");
            connect(world, &trunk, &phone);
            converse(world, &trunk, &phone);
            phone.hang_up();
            part(world, &trunk, &phone);
            let record = world.record();
            assert_recorded(world, &record, &trunk, &phone);
            assert_eq!((record.direction, record.trunk.as_deref()), (Direction::Inbound, Some("pstn")));
        },
    );
}

#[test]
fn a_trunk_is_told_by_status_and_not_by_a_tone() {
    once(Setup::new(7).trunk("pstn", "0*"), &expect_file!["../../ladders/trunk_refused.txt"], |world| {
        let (trunk, phone) = (world.trunk("pstn"), world.phone("100"));
        phone.set_conduct(Conduct::Busy);
        trunk.dial("100");
        assert_eq!(refusal(world, &trunk), 486);
        assert!(!trunk.has_heard(Sound::Busy));
        trunk.dial("999");
        assert_eq!(refusal(world, &trunk), 404);
        // A trunk's number is routed to extensions only unless a route says otherwise: no relay from trunk to trunk.
        trunk.dial("0571");
        assert_eq!(refusal(world, &trunk), 404);
        let outcomes: Vec<Outcome> = world.records().iter().map(|record| record.outcome).collect();
        assert_eq!(outcomes, [Outcome::Busy, Outcome::Unallocated, Outcome::Unallocated]);
    });
}

#[test]
fn the_far_end_of_a_trunk_plays_its_own_ringing() {
    everywhere(
        |setup| setup.trunk("pstn", "0*"),
        &expect_file!["../../ladders/trunk_early_media.txt"],
        |world| {
            let (trunk, phone) = (world.trunk("pstn"), world.phone("100"));
            trunk.set_conduct(Conduct::EarlyMedia(Some(secs(4))));
            phone.dial("0571");
            let early = world.run_until(secs(4), || phone.hears(trunk.voice()));
            assert!(early || !world.setup().is_clean());
            connect(world, &phone, &trunk);
            converse(world, &phone, &trunk);
            phone.hang_up();
            part(world, &phone, &trunk);
            assert_recorded(world, &world.record(), &phone, &trunk);
        },
    );
}

#[test]
fn a_far_end_that_refuses_after_its_own_announcement() {
    everywhere(
        |setup| setup.trunk("pstn", "0*"),
        &expect_file!["../../ladders/trunk_announces.txt"],
        |world| {
            let (trunk, phone) = (world.trunk("pstn"), world.phone("100"));
            trunk.set_conduct(Conduct::EarlyMedia(None));
            phone.dial("0571");
            assert!(world.run_until(secs(40), || trunk.is_ringing()));
            world.run_for(secs(3));
            if world.setup().is_clean() {
                assert!(phone.has_heard(trunk.voice()));
            }
            trunk.refuse(404);
            assert_eq!(refusal(world, &phone), 404);
            assert_eq!(world.record().outcome, Outcome::Unallocated);
        },
    );
}
