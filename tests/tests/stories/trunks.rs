//! Calls from and to a trunk that is known by its address.

use expect_test::expect_file;
use model::{Direction, Outcome};
use patchbay_tests::{assert_recorded, connect, converse, everywhere, once, part, refusal};
use sim::{Conduct, Setup, Sound, World, secs};

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

/// A phone and a carrier behind one address: what either sends is told apart.
#[test]
fn a_phone_at_the_address_of_a_trunk_is_a_phone() {
    let setup = Setup::new(7).workers(3).tuned(|config| {
        let office =
            model::Trunk { addresses: vec!["198.51.100.0/24".parse().unwrap()], ..model::Trunk::new("office") };
        config.trunks.push(office);
    });
    let world = World::new(setup.trunk("pstn", "0571*"));
    let (phone, other, far) = (world.phone("100"), world.phone("101"), world.trunk("pstn"));
    other.set_conduct(Conduct::Answer(secs(1)));
    far.set_conduct(Conduct::Answer(secs(1)));
    // A registered phone, though the office's network holds its address.
    phone.dial("101");
    connect(&world, &phone, &other);
    phone.hang_up();
    part(&world, &phone, &other);
    assert_eq!(world.records().last().unwrap().trunk, None);
    assert!(phone.statuses().contains(&401) || phone.statuses().contains(&407), "{:?}", phone.statuses());
    // One that has not registered names its extension, and has to prove it.
    let guest = world.unregistered("102");
    guest.dial("101");
    connect(&world, &guest, &other);
    guest.hang_up();
    part(&world, &guest, &other);
    assert_eq!(world.records().last().unwrap().caller, "102");
    let liar = world.unregistered("103");
    liar.set_password("wrong");
    liar.dial("101");
    assert_eq!(refusal(&world, &liar), 403);
    // The carrier's own address is closer than the office's network, and whom it shows needs no password.
    far.dial("101");
    connect(&world, &far, &other);
    far.hang_up();
    part(&world, &far, &other);
    let record = world.records().pop().unwrap();
    assert_eq!(record.trunk.as_deref(), Some("pstn"));
    world.assert_settled();
}
