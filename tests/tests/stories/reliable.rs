//! Callers that want ringing acknowledged (RFC 3262).

use expect_test::expect_file;
use patchbay_tests::{assert_recorded, connect, converse, everywhere, part, refusal};
use sim::{Conduct, World, secs};

#[test]
fn a_caller_that_requires_reliable_ringing_rings_and_talks() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/reliable_ringing.txt"],
        |world| {
            let (phone, other) = (world.phone("100"), world.phone("101"));
            phone.add_header("Require", "100rel");
            phone.dial("101");
            assert!(world.run_until(secs(40), || other.is_ringing() && phone.ringing_acknowledged() > 0));
            world.run_for(secs(5));
            other.answer();
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            phone.hang_up();
            part(world, &phone, &other);
            assert_recorded(world, &world.record(), &phone, &other);
        },
    );
}

#[test]
fn it_hears_early_media_and_refusals_too() {
    let world = World::seeded(5);
    let (phone, other) = (world.phone("100"), world.phone("101"));
    phone.add_header("Require", "100rel");
    other.set_conduct(Conduct::EarlyMedia(Some(secs(6))));
    phone.dial("101");
    connect(&world, &phone, &other);
    converse(&world, &phone, &other);
    assert!(phone.ringing_acknowledged() > 0);
    other.hang_up();
    part(&world, &phone, &other);
    other.set_conduct(Conduct::Busy);
    phone.dial("101");
    assert_eq!(refusal(&world, &phone), 486);
}
