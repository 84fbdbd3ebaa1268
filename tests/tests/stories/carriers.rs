//! Trunks that one registers with, finds by name, and asks whether they are there.

use model::{EventBody, InboundAccount, Outcome, TrunkAccount, TrunkRegistration, TrunkState};
use patchbay_tests::{connect, converse, part, refusal, roughly};
use sim::{Conduct, Phone, Setup, World, Zone, millis, secs};

/// `carrier.test` is two hosts: the trunk's own, and one more behind it.
fn zone() -> Zone {
    Zone::default()
        .srv("_sip._udp.carrier.test", 10, 0, "one.carrier.test", 5060)
        .srv("_sip._udp.carrier.test", 20, 0, "two.carrier.test", 5060)
        .host("one.carrier.test", &["198.51.100.100"])
        .host("two.carrier.test", &["198.51.100.150"])
}

fn registering(config: &mut cell::Config) {
    let trunk = &mut config.trunks[0];
    trunk.addresses.clear();
    trunk.target = Some("carrier.test".into());
    trunk.register_seconds = Some(600);
    trunk.account = Some(TrunkAccount {
        username: "055510".into(),
        auth_username: None,
        password: "let us in".into(),
        domain: None,
    });
}

/// A world whose trunk `pstn` is found by name, on two hosts, and wants a registration.
fn carrier(setup: Setup) -> Setup {
    setup.trunk("pstn", "0*").peer("spare").zone(zone()).tuned(registering)
}

fn both(world: &World) -> (Phone, Phone) {
    let (one, two) = (world.trunk("pstn"), world.trunk("spare"));
    for host in [&one, &two] {
        host.be_carrier("055510", "let us in");
    }
    (one, two)
}

fn registered(world: &World, at: &Phone) {
    let there = || at.customer().is_some() && world.trunk_status("pstn").state == TrunkState::Up;
    assert!(world.run_until(secs(120), there), "seed {}: {:?}", world.seed(), world.trunk_status("pstn"));
}

fn told(world: &World) -> Vec<(TrunkState, Option<TrunkRegistration>)> {
    let of = |event: model::Event| match event.body {
        EventBody::TrunkChanged { state, registration, .. } => Some((state, registration)),
        _ => None,
    };
    world.events().into_iter().filter_map(of).collect()
}

#[test]
fn the_switch_registers_and_calls_both_ways_proving_itself() {
    roughly(carrier, |world| {
        let (one, _two) = both(world);
        let phone = world.phone("100");
        registered(world, &one);
        assert_eq!(one.customer().as_deref(), Some("sip:055510@192.0.2.1:5060"));
        one.set_conduct(Conduct::Answer(secs(1)));
        phone.dial("0571123");
        connect(world, &phone, &one);
        converse(world, &phone, &one);
        phone.hang_up();
        part(world, &phone, &one);
        assert_eq!(world.trunk_status("pstn").calls, 0);

        phone.set_conduct(Conduct::Answer(secs(1)));
        one.dial("100");
        connect(world, &one, &phone);
        converse(world, &one, &phone);
        assert_eq!(world.trunk_status("pstn").calls, 1);
        one.hang_up();
        part(world, &one, &phone);
        for record in world.records() {
            assert_eq!((record.outcome, record.trunk.as_deref()), (Outcome::Answered, Some("pstn")));
        }
    });
}

#[test]
fn it_renews_in_time_asks_for_what_the_carrier_wants_and_leaves_when_it_stops() {
    let world = World::new(carrier(Setup::new(7)));
    let (one, _two) = both(&world);
    one.carrier_wants(900);
    one.carrier_grants(300);
    registered(&world, &one);
    for _ in 0..60 {
        world.run_for(secs(60));
        assert!(one.customer().is_some(), "never lapsed");
    }
    assert!((12..=18).contains(&one.carrier_registers()), "{}", one.carrier_registers());
    world.drain();
    world.run_for(secs(2));
    assert_eq!(one.customer(), None);
    let shown: Vec<TrunkState> = told(&world).into_iter().map(|(state, _)| state).collect();
    assert_eq!(shown, [TrunkState::Unknown, TrunkState::Up, TrunkState::Down]);
}

#[test]
fn a_carrier_that_refuses_is_down_and_tried_again_rarely() {
    let world = World::new(carrier(Setup::new(7)));
    let (one, two) = both(&world);
    one.carrier_refuses(Some(403));
    let phone = world.phone("100");
    world.run_for(secs(5));
    let status = world.trunk_status("pstn");
    assert_eq!((status.state, status.registration), (TrunkState::Down, Some(TrunkRegistration::Refused)));
    assert!(status.note.contains("403"), "{status:?}");
    phone.dial("0571");
    assert_eq!(refusal(&world, &phone), 480);
    assert_eq!(one.calls_received() + two.calls_received(), 0);
    one.carrier_refuses(None);
    world.run_for(secs(120));
    assert_eq!(one.customer(), None, "rarely");
    registered_within(&world, &one, 240);
}

fn registered_within(world: &World, at: &Phone, seconds: u64) {
    let there = || at.customer().is_some() && world.trunk_status("pstn").state == TrunkState::Up;
    assert!(world.run_until(secs(seconds), there), "{:?}", world.trunk_status("pstn"));
}

#[test]
fn when_a_server_dies_registration_and_calls_go_to_the_next_one() {
    let world = World::new(carrier(Setup::new(7)));
    let (one, two) = both(&world);
    let phone = world.phone("100");
    registered(&world, &one);
    one.vanish();
    two.set_conduct(Conduct::Answer(secs(1)));
    phone.dial("0571");
    // The first server is given up when its timer B fires; then the second one takes the call.
    assert!(world.run_until(secs(45), || phone.is_talking() && two.is_confirmed()), "{:?}", phone.state());
    converse(&world, &phone, &two);
    assert_eq!(world.trunk_status("pstn").dead_hops, ["udp 198.51.100.100:5060"]);
    phone.hang_up();
    part(&world, &phone, &two);
    // The next call does not try the dead one.
    phone.dial("0572");
    assert!(world.run_until(secs(5), || phone.is_talking() && two.is_confirmed()), "{:?}", phone.state());
    phone.hang_up();
    part(&world, &phone, &two);
    // The renewal finds the living server.
    assert!(world.run_until(secs(700), || two.customer().is_some()));
    assert_eq!(world.trunk_status("pstn").registration, Some(TrunkRegistration::Registered));
    one.come_back();
    world.assert_settled();
}

fn qualified(config: &mut cell::Config) {
    let trunk = &mut config.trunks[0];
    trunk.target = Some("carrier.test".into());
    trunk.qualify_seconds = 60;
}

#[test]
fn qualify_sees_servers_die_and_come_back() {
    let setup = Setup::new(7).trunk("pstn", "0*").peer("spare").zone(zone()).tuned(qualified);
    let world = World::new(setup);
    let (one, two, phone) = (world.trunk("pstn"), world.trunk("spare"), world.phone("100"));
    world.run_for(secs(5));
    let status = world.trunk_status("pstn");
    assert_eq!((status.state, status.dead_hops.len(), status.hops.len()), (TrunkState::Up, 0, 2));
    let trip = status.round_trip_us.expect("measured");
    assert!((1_000..200_000).contains(&trip), "{trip}");

    one.vanish();
    world.run_for(secs(80));
    assert_eq!(world.trunk_status("pstn").dead_hops, ["udp 198.51.100.100:5060"]);
    two.set_conduct(Conduct::Answer(millis(100)));
    phone.dial("0571");
    assert!(world.run_until(secs(3), || phone.is_talking() && two.is_confirmed()), "at once: {:?}", phone.state());
    phone.hang_up();
    part(&world, &phone, &two);

    two.vanish();
    world.run_for(secs(80));
    assert_eq!(world.trunk_status("pstn").state, TrunkState::Down);
    phone.dial("0571");
    assert_eq!(refusal(&world, &phone), 480);

    one.come_back();
    world.run_for(secs(40));
    let status = world.trunk_status("pstn");
    assert_eq!((status.state, status.dead_hops), (TrunkState::Up, vec!["udp 198.51.100.150:5060".to_owned()]));
    let shown: Vec<TrunkState> = told(&world).into_iter().map(|(state, _)| state).collect();
    assert_eq!(shown, [TrunkState::Up, TrunkState::Down, TrunkState::Up]);
    two.come_back();
    world.assert_settled();
}

#[test]
fn a_trunk_whose_name_cannot_be_found_is_down_until_it_can() {
    let setup = Setup::new(7).trunk("pstn", "0*").peer("spare").zone(zone()).tuned(qualified);
    let world = World::new(setup);
    let (one, phone) = (world.trunk("pstn"), world.phone("100"));
    world.change_zone(|zone| zone.set_broken(true));
    one.set_conduct(Conduct::Answer(millis(100)));
    // What was found before lasts until it is too old to be found again, and longer: nobody says that it is wrong.
    world.run_for(secs(900));
    phone.dial("0571");
    connect(&world, &phone, &one);
    phone.hang_up();
    part(&world, &phone, &one);
    world.kill();
    world.restart();
    world.run_for(secs(2));
    let status = world.trunk_status("pstn");
    assert_eq!((status.state, status.note.as_str()), (TrunkState::Down, "nobody answers for its name"));
    phone.dial("0571");
    assert_eq!(refusal(&world, &phone), 480);
    world.change_zone(|zone| zone.set_broken(false));
    world.run_for(secs(40));
    assert_eq!(world.trunk_status("pstn").state, TrunkState::Up);
}

#[test]
fn calls_beyond_the_trunks_limits_are_refused_both_ways_and_places_come_back() {
    fn limited(config: &mut cell::Config) {
        config.trunks[0].max_calls = 2;
    }
    for workers in [1, 3] {
        let world = World::new(Setup::new(7).workers(workers).trunk("pstn", "0*").tuned(limited));
        let trunk = world.trunk("pstn");
        trunk.set_conduct(Conduct::Answer(millis(200)));
        let phones: Vec<Phone> = ["100", "101", "102"].iter().map(|number| world.phone(number)).collect();
        phones[0].dial("0571");
        phones[1].dial("0572");
        world.run_for(secs(2));
        assert!(phones[0].is_talking() && phones[1].is_talking());
        phones[2].dial("0573");
        assert_eq!(refusal(&world, &phones[2]), 503);
        trunk.dial("102");
        assert_eq!(refusal(&world, &trunk), 503);
        let status = world.trunk_status("pstn");
        assert_eq!((status.calls, status.max_calls, status.refused), (2, 2, 2));
        phones[0].hang_up();
        assert!(world.run_until(secs(5), || phones[0].is_idle()));
        world.run_for(millis(500));
        phones[2].set_conduct(Conduct::Answer(millis(200)));
        trunk.dial("102");
        connect(&world, &trunk, &phones[2]);
        assert_eq!(world.trunk_status("pstn").calls, 2);
        world.hang_up_all();
        world.run_for(secs(2));
        assert_eq!(world.trunk_status("pstn").calls, 0);
        world.assert_settled();
    }
}

#[test]
fn calls_beyond_the_trunks_rate_are_refused() {
    fn limited(config: &mut cell::Config) {
        config.trunks[0].calls_per_second = 2;
    }
    let world = World::new(Setup::new(7).trunk("pstn", "0*").tuned(limited));
    let trunk = world.trunk("pstn");
    trunk.set_conduct(Conduct::Answer(millis(200)));
    let phones: Vec<Phone> = ["100", "101", "102"].iter().map(|number| world.phone(number)).collect();
    for phone in &phones {
        phone.dial("0571");
    }
    assert_eq!(refusal(&world, &phones[2]), 503);
    world.run_for(secs(1));
    phones[2].dial("0571");
    world.run_for(secs(2));
    assert!(phones.iter().all(Phone::is_talking));
    world.hang_up_all();
    world.assert_settled();
}

#[test]
fn a_trunk_from_anywhere_proves_itself_by_a_password() {
    fn proving(config: &mut cell::Config) {
        let trunk = &mut config.trunks[0];
        (trunk.target, trunk.addresses) = (None, Vec::new());
        trunk.inbound_account = Some(InboundAccount { username: "spare".into(), password: "correct horse".into() });
    }
    let world = World::new(Setup::new(7).trunk("pstn", "0*").peer("spare").tuned(proving));
    let (spare, phone) = (world.trunk("spare"), world.phone("100"));
    spare.set_password("correct horse");
    phone.set_conduct(Conduct::Answer(millis(300)));
    spare.dial("100");
    connect(&world, &spare, &phone);
    spare.hang_up();
    part(&world, &spare, &phone);
    assert_eq!(world.record().trunk.as_deref(), Some("pstn"));
    // It may call, and must not register as anybody.
    spare.register();
    world.run_for(secs(2));
    assert!(!spare.is_registered());
    spare.set_password("wrong");
    spare.dial("100");
    assert_eq!(refusal(&world, &spare), 403);
}
