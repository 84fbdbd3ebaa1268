//! Emergency calls: nothing that stops others stops them.

use model::{Outcome, Price, Rights};
use patchbay_tests::{connect, converse, part, refusal, roughly};
use sim::{Conduct, Phone, Setup, World, millis, secs};

fn numbers(config: &mut cell::Config) {
    config.numbers.emergency = vec!["110".into()];
}

/// A world with a trunk that takes emergency calls, and in which something else is set.
fn world(tuning: fn(&mut cell::Config)) -> (World, Phone, Phone) {
    let world = World::new(Setup::new(7).unannounced().trunk("pstn", "0*").tuned(numbers).tuned(tuning));
    let (phone, trunk) = (world.phone("100"), world.trunk("pstn"));
    trunk.set_conduct(Conduct::Answer(millis(100)));
    (world, phone, trunk)
}

/// An ordinary call is refused, and an emergency call of the same phone is not.
fn only_emergencies_pass(world: &World, phone: &Phone, trunk: &Phone, status: u16) {
    phone.dial("0571");
    assert_eq!(refusal(world, phone), status);
    phone.dial("110");
    connect(world, phone, trunk);
    converse(world, phone, trunk);
    phone.hang_up();
    part(world, phone, trunk);
    let record = world.records().into_iter().find(|record| record.callee == "110").expect("a record");
    assert_eq!((record.outcome, record.trunk.as_deref()), (Outcome::Answered, Some("pstn")));
}

#[test]
fn rights_do_not_stop_them() {
    let (world, phone, trunk) = world(|config| config.rights.default = Rights::Internal);
    only_emergencies_pass(&world, &phone, &trunk, 403);
}

#[test]
fn the_black_list_does_not_stop_them() {
    let (world, phone, trunk) = world(|config| config.black_list.called = vec!["*".into()]);
    only_emergencies_pass(&world, &phone, &trunk, 403);
}

#[test]
fn closed_hours_do_not_stop_them() {
    let (world, phone, trunk) = world(|config| {
        config.trunks[0].dialling.hours = vec!["Mon 00:00-00:01".into()];
        config.routes[0].hours = vec!["Mon 00:00-00:01".into()];
    });
    phone.dial("0571");
    assert_ne!(refusal(&world, &phone), 200);
    phone.dial("110");
    connect(&world, &phone, &trunk);
    phone.hang_up();
    part(&world, &phone, &trunk);
}

#[test]
fn a_spending_cap_does_not_stop_them() {
    let (world, phone, trunk) = world(|config| {
        config.trunks[0].dialling.price = Price { per_minute: 100_000, step_seconds: 60 };
        config.extension_cap.cost = Some(100_000);
        config.total_cap.cost = Some(100_000);
    });
    phone.dial("0571");
    connect(&world, &phone, &trunk);
    world.run_for(secs(59));
    part(&world, &phone, &trunk);
    only_emergencies_pass(&world, &phone, &trunk, 403);
}

/// Three workers, so that the trunk's home is another's for most calls.
fn busy_trunk(tuning: fn(&mut cell::Config)) -> (World, Vec<Phone>, Phone) {
    let setup = Setup::new(7).unannounced().workers(3).trunk("pstn", "0*").tuned(numbers).tuned(tuning);
    let world = World::new(setup);
    let trunk = world.trunk("pstn");
    trunk.set_conduct(Conduct::Answer(millis(100)));
    let phones = ["100", "101", "102"].iter().map(|number| world.phone(number)).collect();
    (world, phones, trunk)
}

#[test]
fn a_full_trunk_has_room_for_them() {
    let (world, phones, trunk) = busy_trunk(|config| config.trunks[0].max_calls = 1);
    phones[0].dial("0571");
    connect(&world, &phones[0], &trunk);
    phones[1].dial("0572");
    assert_eq!(refusal(&world, &phones[1]), 503);
    phones[2].dial("110");
    connect(&world, &phones[2], &trunk);
    assert_eq!(world.trunk_status("pstn").calls, 2);
    world.hang_up_all();
    world.assert_settled();
}

#[test]
fn the_trunks_rate_does_not_stop_them() {
    let (world, phones, trunk) = busy_trunk(|config| config.trunks[0].calls_per_second = 1);
    phones[0].dial("0571");
    phones[1].dial("0572");
    phones[2].dial("110");
    assert!(world.run_until(secs(5), || phones[2].is_talking()));
    world.run_for(secs(2));
    assert_eq!(trunk.calls_received(), 2, "one of the others waited too short");
    world.hang_up_all();
    world.assert_settled();
}

#[test]
fn a_full_switch_has_room_and_sound_for_them() {
    roughly(
        |setup| setup.unannounced().max_calls_per_worker(1).ports(18).trunk("pstn", "0*").tuned(numbers),
        |world| {
            let trunk = world.trunk("pstn");
            trunk.set_conduct(Conduct::Answer(millis(100)));
            let (ana, bob, eve) = (world.phone("100"), world.phone("101"), world.phone("102"));
            // The only two ports that are not kept for emergencies.
            ana.dial("0571");
            connect(world, &ana, &trunk);
            bob.dial("0572");
            assert_eq!(refusal(world, &bob), 503);
            eve.dial("110");
            assert!(world.run_until(secs(60), || eve.is_talking() && trunk.is_confirmed()));
            converse(world, &eve, &trunk);
            eve.hang_up();
            assert!(world.run_until(secs(60), || eve.is_idle()));
            ana.hang_up();
            part(world, &ana, &trunk);
        },
    );
}

#[test]
fn who_has_called_too_often_may_still_call_for_help() {
    let (world, phone, trunk) = world(|config| {
        let rate = &mut config.security.user_rates.invite;
        (rate.per_second, rate.burst) = (1, 1);
    });
    phone.dial("0571");
    connect(&world, &phone, &trunk);
    phone.hang_up();
    part(&world, &phone, &trunk);
    phone.dial("0571");
    let first = refusal(&world, &phone);
    assert_eq!(first, 503);
    phone.dial("110");
    connect(&world, &phone, &trunk);
    phone.hang_up();
    part(&world, &phone, &trunk);
}

#[test]
fn an_overloaded_carrier_is_spared_other_calls_but_not_these() {
    let (world, phone, trunk) = world(|_| ());
    trunk.wants_less(Some(100));
    // The first call cannot know.
    phone.dial("0571");
    connect(&world, &phone, &trunk);
    phone.hang_up();
    part(&world, &phone, &trunk);
    only_emergencies_pass(&world, &phone, &trunk, 503);
    // Its word does not hold for ever.
    world.run_for(secs(31));
    trunk.wants_less(None);
    phone.dial("0571");
    connect(&world, &phone, &trunk);
    phone.hang_up();
    part(&world, &phone, &trunk);
}

#[test]
fn a_call_that_a_trunk_says_is_an_emergency_finds_room_where_others_do_not() {
    let (world, phone, trunk) = world(|config| {
        config.trunks[0].max_calls = 1;
        config.policy.max_calls = 1;
    });
    let other = world.phone("101");
    for called in [&phone, &other] {
        called.set_conduct(Conduct::Answer(millis(100)));
    }
    trunk.dial("100");
    connect(&world, &trunk, &phone);
    trunk.dial("101");
    assert_eq!(refusal(&world, &trunk), 503);
    trunk.add_header("Resource-Priority", "esnet.1");
    trunk.dial("101");
    assert!(world.run_until(secs(5), || other.is_talking()));
    world.hang_up_all();
    world.assert_settled();
}
