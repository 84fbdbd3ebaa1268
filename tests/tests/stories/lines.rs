//! Trunks over TCP and TLS, and crowds of calls over one trunk.

use model::{Outcome, TrunkAccount, TrunkRegistration, TrunkState, TrunkTransport};
use patchbay_tests::{connect, converse, part, roughly};
use sim::cell::Config;
use sim::{Conduct, Phone, Setup, Stream, World, Zone, millis, secs};

fn by_stream(config: &mut Config, transport: TrunkTransport) {
    let trunk = &mut config.trunks[0];
    trunk.addresses.clear();
    trunk.transport = Some(transport);
    trunk.register_seconds = Some(600);
    trunk.account = Some(TrunkAccount {
        username: "055510".into(),
        auth_username: None,
        password: "let us in".into(),
        domain: None,
    });
}

fn by_tcp(config: &mut Config) {
    by_stream(config, TrunkTransport::Tcp);
}

fn by_tls(config: &mut Config) {
    by_stream(config, TrunkTransport::Tls);
}

/// A carrier that is spoken to by a stream, and with which the switch is registered.
fn carrier(world: &World, stream: Stream) -> Phone {
    let carrier = world.trunk("pstn");
    carrier.speak_by(stream);
    carrier.be_carrier("055510", "let us in");
    let up = || carrier.customer().is_some() && world.trunk_status("pstn").state == TrunkState::Up;
    assert!(world.run_until(secs(120), up), "seed {}: {:?}", world.seed(), world.trunk_status("pstn"));
    carrier
}

fn both_ways(world: &World, phone: &Phone, carrier: &Phone) {
    for (caller, called, number) in [(phone, carrier, "0571123"), (carrier, phone, "100")] {
        called.set_conduct(Conduct::Answer(millis(300)));
        caller.dial(number);
        connect(world, caller, called);
        converse(world, caller, called);
        caller.hang_up();
        part(world, caller, called);
        let record = world.records().into_iter().max_by_key(|record| record.started_at).expect("a record");
        assert_eq!((record.outcome, record.trunk.as_deref()), (Outcome::Answered, Some("pstn")));
    }
}

#[test]
fn the_switch_registers_and_calls_both_ways_by_tcp_and_tls() {
    for (tuning, stream) in [(by_tcp as fn(&mut Config), Stream::Tcp), (by_tls, Stream::Tls)] {
        roughly(
            |setup| setup.streams().trunk("pstn", "0*").tuned(tuning),
            |world| {
                let carrier = carrier(world, stream);
                let phone = world.phone("100");
                let contact = carrier.customer().expect("registered").to_ascii_lowercase();
                let name = if stream == Stream::Tls { "tls" } else { "tcp" };
                assert!(contact.contains(&format!("transport={name}")), "{contact}");
                both_ways(world, &phone, &carrier);
            },
        );
    }
}

#[test]
fn a_stream_that_dies_in_a_call_ends_neither_the_call_nor_the_trunk() {
    for (tuning, stream) in [(by_tcp as fn(&mut Config), Stream::Tcp), (by_tls, Stream::Tls)] {
        for workers in [1, 2] {
            let world = World::new(Setup::new(7).streams().workers(workers).trunk("pstn", "0*").tuned(tuning));
            let carrier = carrier(&world, stream);
            let phone = world.phone("100");
            carrier.set_conduct(Conduct::Answer(millis(300)));
            phone.dial("0571123");
            connect(&world, &phone, &carrier);
            carrier.break_stream();
            converse(&world, &phone, &carrier);
            // The good-bye goes by a new one.
            phone.hang_up();
            part(&world, &phone, &carrier);
            assert_eq!(carrier.end(), Some(sim::End::LeftByThem));
            carrier.break_stream();
            world.run_for(secs(1));
            both_ways(&world, &phone, &carrier);
            // And where the carrier ends the call.
            phone.set_conduct(Conduct::Answer(millis(300)));
            carrier.dial("100");
            connect(&world, &carrier, &phone);
            carrier.break_stream();
            world.run_for(secs(1));
            carrier.hang_up();
            part(&world, &carrier, &phone);
            assert_eq!(world.trunk_status("pstn").registration, Some(TrunkRegistration::Registered));
            world.assert_settled();
        }
    }
}

#[test]
fn a_carrier_that_cannot_be_connected_to_is_down_and_up_again_when_it_is_back() {
    let world = World::new(Setup::new(7).streams().trunk("pstn", "0*").tuned(by_tcp));
    let carrier = carrier(&world, Stream::Tcp);
    let phone = world.phone("100");
    carrier.vanish();
    carrier.break_stream();
    phone.dial("0571123");
    assert!(world.run_until(secs(60), || phone.is_idle()));
    assert_eq!(world.record().outcome, Outcome::Unreachable);
    carrier.come_back();
    let again = || carrier.customer().is_some() && world.trunk_status("pstn").dead_hops.is_empty();
    assert!(world.run_until(secs(700), again), "{:?}", world.trunk_status("pstn"));
    both_ways(&world, &phone, &carrier);
    world.assert_settled();
}

fn two_servers() -> Zone {
    Zone::default()
        .srv("_sip._udp.carrier.test", 10, 0, "one.carrier.test", 5060)
        .srv("_sip._udp.carrier.test", 20, 0, "two.carrier.test", 5060)
        .host("one.carrier.test", &["198.51.100.100"])
        .host("two.carrier.test", &["198.51.100.150"])
}

#[test]
fn when_a_server_dies_under_a_crowd_of_calls_every_call_goes_by_the_other() {
    for workers in [1, 2] {
        let setup = Setup::new(7).workers(workers).unrecorded().trunk("pstn", "0*").peer("spare").zone(two_servers());
        let world = World::new(setup.tuned(|config| config.trunks[0].target = Some("carrier.test".into())));
        let (one, two) = (world.trunk("pstn"), world.trunk("spare"));
        for server in [&one, &two] {
            server.set_conduct(Conduct::Answer(millis(100)));
        }
        let phones: Vec<Phone> = (0..30).map(|n| world.phone(&format!("2{n:02}"))).collect();
        for (n, phone) in phones.iter().enumerate() {
            if n == 10 {
                // Those that it has begun to serve are its own.
                world.run_for(millis(500));
                one.vanish();
            }
            phone.dial("0571");
            world.run_for(millis(100));
        }
        let all = || phones.iter().all(Phone::is_talking);
        assert!(world.run_until(secs(45), all), "{:?}", phones.iter().map(Phone::state).collect::<Vec<_>>());
        assert!(two.calls_received() >= 20, "{}", two.calls_received());
        assert_eq!(world.trunk_status("pstn").calls, 30);
        one.come_back();
        world.hang_up_all();
        world.run_for(secs(40));
        assert_eq!(world.trunk_status("pstn").calls, 0);
    }
}

#[test]
fn limits_hold_over_all_workers_together() {
    fn rated(config: &mut Config) {
        config.trunks[0].calls_per_second = 3;
    }
    fn full(config: &mut Config) {
        config.trunks[0].max_calls = 4;
    }
    for (tuning, passing) in [(rated as fn(&mut Config), 3), (full, 4)] {
        let world = World::new(Setup::new(7).workers(2).unannounced().trunk("pstn", "0*").tuned(tuning));
        let trunk = world.trunk("pstn");
        trunk.set_conduct(Conduct::Answer(millis(100)));
        let phones: Vec<Phone> = (0..10).map(|n| world.phone(&format!("2{n:02}"))).collect();
        for phone in &phones {
            phone.dial("0571");
        }
        world.run_for(millis(900));
        assert_eq!(phones.iter().filter(|phone| phone.is_talking()).count(), passing);
        let refused = phones.iter().filter(|phone| phone.end() == Some(sim::End::Refused(503))).count();
        assert_eq!((refused, world.trunk_status("pstn").refused), (10 - passing, 10 - passing as u64));
        world.hang_up_all();
        world.assert_settled();
    }
}
