//! How a phone is reached: by an address of its own, through proxies, over one of several flows.

use expect_test::expect_file;
use patchbay_tests::{connect, converse, everywhere, once, part, refusal};
use sim::{Conduct, Phone, Setup, Stream, World, secs};

const ONE: &str = "urn:uuid:00000000-0000-1000-8000-000000000001";
const TWO: &str = "urn:uuid:00000000-0000-1000-8000-000000000002";

/// A phone that says which one it is, registered.
fn identified(world: &World, number: &str, instance: &str) -> Phone {
    let phone = world.unregistered(number);
    phone.identify(instance, None);
    registers(world, &phone);
    phone
}

fn registers(world: &World, phone: &Phone) {
    phone.register();
    let done = world.run_until(secs(60), || phone.register_status() == Some(200));
    assert!(done, "seed {}: {phone:?} {:?}", world.seed(), phone.register_status());
    world.restart_ladder();
}

#[test]
fn the_address_of_one_phone_rings_that_phone_alone() {
    everywhere(
        |setup| setup.workers(2),
        &expect_file!["../../ladders/public_gruu.txt"],
        |world| {
            let (desk, kitchen) = (identified(world, "101", ONE), identified(world, "101", TWO));
            let phone = world.phone("100");
            let address = kitchen.contact_param("pub-gruu").expect("a public address");
            assert_eq!(address, format!("sip:101@192.0.2.1;gr={TWO}"));
            // Its stack cannot write a colon there.
            phone.dial_uri(&address.replace("urn:uuid:", "urn%3Auuid%3A"));
            assert!(world.run_until(secs(19), || kitchen.is_ringing()));
            kitchen.answer();
            connect(world, &phone, &kitchen);
            converse(world, &phone, &kitchen);
            phone.hang_up();
            part(world, &phone, &kitchen);
            assert_eq!(desk.calls_received(), 0);
        },
    );
}

#[test]
fn a_temporary_address_tells_nobody_whose_it_is_and_leads_to_its_phone_while_it_keeps_its_registration() {
    for seed in 0..6 {
        let world = World::new(Setup::new(seed).workers(1 + (seed % 3) as u16));
        let (desk, kitchen) = (identified(&world, "101", ONE), identified(&world, "101", TWO));
        let phone = world.phone("100");
        let first = kitchen.contact_param("temp-gruu").expect("a temporary address");
        assert!(first.ends_with("@192.0.2.1;gr") && !first.contains("101"), "{first}");
        registers(&world, &kitchen);
        let second = kitchen.contact_param("temp-gruu").expect("another one");
        assert_ne!(first, second);
        // Who calls without a name gives it as the way back.
        kitchen.add_header("Privacy", "id");
        kitchen.show_as(&second);
        phone.set_conduct(Conduct::Answer(secs(1)));
        kitchen.dial("100");
        connect(&world, &kitchen, &phone);
        let invite = phone.invite();
        assert!(!invite.contains("101@") && !invite.contains(&second), "{invite}");
        phone.hang_up();
        part(&world, &kitchen, &phone);
        for address in [&first, &second] {
            phone.dial_uri(address);
            assert!(world.run_until(secs(10), || kitchen.is_ringing()), "seed {seed}");
            kitchen.answer();
            connect(&world, &phone, &kitchen);
            phone.hang_up();
            part(&world, &phone, &kitchen);
        }
        phone.request_uri("INFO", &second, &[], "");
        world.run_for(secs(1));
        assert_eq!((kitchen.asked_by().len(), desk.asked_by().len()), (1, 0), "seed {seed}");
        // They also outlive the switch's own death, but not the phone's.
        world.kill();
        world.restart();
        phone.dial_uri(&first);
        assert!(world.run_until(secs(10), || kitchen.is_ringing()), "seed {seed}");
        phone.hang_up();
        part(&world, &phone, &kitchen);
        kitchen.restart();
        registers(&world, &kitchen);
        for address in [&first, &second] {
            phone.dial_uri(address);
            assert_eq!(refusal(&world, &phone), 480, "seed {seed}: {address}");
        }
        phone.dial_uri("sip:tgruu.0123456789abcdef@192.0.2.1;gr");
        assert_eq!(refusal(&world, &phone), 404);
        assert_eq!(desk.calls_received(), 0, "seed {seed}");
        world.assert_settled();
    }
}

#[test]
fn a_phone_behind_a_proxy_calls_and_is_called_through_it() {
    everywhere(
        |setup| setup.workers(2),
        &expect_file!["../../ladders/path.txt"],
        |world| {
            let edge = world.edge("edge");
            let inner = world.unregistered("101");
            inner.behind(edge);
            registers(world, &inner);
            assert!(inner.registered_with("Path").is_some_and(|path| path.ends_with(";lr;ob>")));
            let phone = world.phone("100");
            inner.set_conduct(Conduct::Answer(secs(1)));
            phone.set_conduct(Conduct::Answer(secs(1)));
            for (caller, called) in [(&phone, &inner), (&inner, &phone)] {
                caller.dial(&called.number());
                connect(world, caller, called);
                converse(world, caller, called);
                phone.hang_up();
                part(world, caller, called);
            }
        },
    );
}

#[test]
fn requests_that_are_passed_on_go_through_the_proxy_too() {
    let world = World::new(Setup::new(7).workers(2));
    let edge = world.edge("edge");
    let inner = world.unregistered("101");
    inner.behind(edge);
    registers(&world, &inner);
    let phone = world.phone("100");
    phone.request("OPTIONS", "101", &[], "");
    world.run_for(secs(1));
    assert_eq!(phone.asked().last().unwrap().1, Some(200));
    for (watcher, watched) in [(&phone, &inner), (&inner, &phone)] {
        let number = watched.number();
        watcher.subscribe(&number, "x-weather", 60);
        world.run_for(secs(1));
        watched.tell_subscribers("rain");
        world.run_for(secs(50));
        let notices = watcher.notices(&number, "x-weather");
        assert!(notices.iter().any(|(_, body)| body == "rain") && notices.len() > 2, "{notices:?}");
    }
    world.kill_edge(edge);
    world.run_for(secs(40));
}

/// Two flows of one phone to the switch: each by a proxy of its own.
fn two_flows(world: &World) -> [(Phone, std::net::SocketAddr); 2] {
    [1, 2].map(|flow| {
        let edge = world.edge(&format!("edge{flow}"));
        let phone = world.unregistered("101");
        phone.behind(edge);
        phone.identify(ONE, Some(flow));
        registers(world, &phone);
        (phone, edge)
    })
}

#[test]
fn of_two_flows_of_a_phone_one_is_used_and_the_other_takes_over_when_it_is_dead() {
    let world = World::new(Setup::new(7).workers(2));
    let [(first, _), (second, edge)] = two_flows(&world);
    assert_eq!(second.registered_contacts(), 2);
    assert_eq!(second.registered_with("Require").as_deref(), Some("outbound"));
    let phone = world.phone("100");
    phone.dial("101");
    assert!(world.run_until(secs(5), || second.is_ringing()));
    second.answer();
    connect(&world, &phone, &second);
    phone.hang_up();
    part(&world, &phone, &second);
    assert_eq!(first.calls_received(), 0, "one phone rings once");
    world.kill_edge(edge);
    phone.dial("101");
    assert!(world.run_until(secs(10), || first.is_ringing()), "{:?}", phone.state());
    first.answer();
    connect(&world, &phone, &first);
    converse(&world, &phone, &first);
    phone.hang_up();
    part(&world, &phone, &first);
    // Ringing out is an answer of the phone, and not repeated over its other flow.
    let third = world.unregistered("102");
    third.identify(TWO, Some(1));
    registers(&world, &third);
    phone.dial("102");
    assert_eq!(refusal(&world, &phone), 480);
    assert_eq!(third.calls_received(), 1);
}

#[test]
fn a_stream_among_the_flows_of_a_phone_ends_and_the_other_is_used() {
    once(Setup::new(7), &expect_file!["../../ladders/two_flows.txt"], |world| {
        let flow = |number| {
            let phone = world.phone_by(Stream::Tcp, "101");
            phone.unregister();
            world.run_for(secs(1));
            phone.identify(ONE, Some(number));
            registers(world, &phone);
            phone
        };
        let (first, second) = (flow(1), flow(2));
        assert_eq!(second.registered_with("Flow-Timer").as_deref(), Some("120"));
        let phone = world.phone("100");
        second.stay_away();
        second.break_stream();
        world.run_for(secs(1));
        phone.dial("101");
        assert!(world.run_until(secs(5), || first.is_ringing()));
        first.answer();
        connect(world, &phone, &first);
        assert_eq!(second.calls_received(), 0);
        phone.hang_up();
        part(world, &phone, &first);
    });
}

/// Calls to 9… go to a carrier that sends every call back, and from there too.
fn mirrored(setup: Setup) -> Setup {
    setup.tuned(|config| {
        let mirror = std::net::IpAddr::from([198, 51, 100, 230]);
        let trunk = model::Trunk::new("mirror");
        config.trunks.push(model::Trunk {
            addresses: vec![mirror.into()],
            target: Some("198.51.100.230:5060".to_owned()),
            ..trunk
        });
        let out = model::Route::new("9*", model::RouteTarget::trunk("mirror"));
        config.routes.push(model::Route { from_trunk: Some("mirror".to_owned()), ..out.clone() });
        config.routes.push(out);
    })
}

#[test]
fn a_call_that_a_carrier_sends_back_as_it_was_is_refused() {
    let world = World::new(mirrored(Setup::new(7).workers(2)));
    world.mirror("mirror", None);
    let phone = world.phone("100");
    phone.dial("9555");
    assert_eq!(refusal(&world, &phone), 482);
    let ladder = world.ladder();
    let to_mirror = ladder.lines().filter(|line| line.contains("switch → mirror"));
    let sent: usize = to_mirror.map(|line| line.matches("INVITE 9555").count()).sum();
    // That what the phone dialled comes in by a trunk may be meant so; that what came by the trunk comes again is a loop.
    assert_eq!(sent, 2, "{}", world.ladder());
    assert!(world.run_until(secs(40), || world.counts().calls == 0));
    world.run_for(secs(40));
    world.assert_settled();
}

#[test]
fn a_call_that_a_carrier_sends_back_to_another_number_is_another_call() {
    let world = World::new(mirrored(Setup::new(7)));
    world.mirror("mirror", Some("101"));
    let (phone, other) = (world.phone("100"), world.phone("101"));
    phone.dial("9555");
    assert!(world.run_until(secs(5), || other.is_ringing()), "{}", world.ladder());
    other.answer();
    connect(&world, &phone, &other);
    converse(&world, &phone, &other);
    phone.hang_up();
    part(&world, &phone, &other);
    world.assert_settled();
}
