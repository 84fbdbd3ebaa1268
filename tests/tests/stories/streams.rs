//! Phones that speak by TCP, TLS and WebSocket.

use expect_test::expect_file;
use patchbay_tests::{assert_recorded, connect, converse, everywhere, part, refusal, roughly};
use sim::{Conduct, End, Phone, Setup, Stream, World, secs};

/// One calls, the other answers, they speak, and the caller hangs up. It is the world's only call.
fn call(world: &World, phone: &Phone, other: &Phone) {
    talk(world, phone, other);
    assert_recorded(world, &world.record(), phone, other);
}

fn talk(world: &World, phone: &Phone, other: &Phone) {
    other.set_conduct(Conduct::Answer(secs(1)));
    phone.dial(&other.number());
    connect(world, phone, other);
    converse(world, phone, other);
    phone.hang_up();
    part(world, phone, other);
}

#[test]
fn a_phone_by_tcp_calls_one_by_udp() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/tcp_to_udp.txt"],
        |world| call(world, &world.phone_by(Stream::Tcp, "100"), &world.phone("101")),
    );
}

#[test]
fn a_phone_by_udp_calls_one_by_tls_behind_nat() {
    everywhere(
        |setup| setup.workers(2),
        &expect_file!["../../ladders/udp_to_tls.txt"],
        |world| {
            let phone = world.phone("100");
            let nat = world.nat();
            let other = world.phone_in_by(&nat, Stream::Tls, "101");
            world.restart_ladder();
            call(world, &phone, &other);
        },
    );
}

#[test]
fn browsers_signal_by_websocket_under_names_that_lead_nowhere() {
    everywhere(
        |setup| setup.workers(3),
        &expect_file!["../../ladders/websocket.txt"],
        |world| {
            let (phone, other) = (world.phone_by(Stream::Ws, "100"), world.phone_by(Stream::Ws, "101"));
            call(world, &phone, &other);
            assert_eq!(world.streams(), 2);
        },
    );
}

#[test]
fn a_call_outlives_the_stream_it_was_made_by() {
    roughly(
        |setup| setup.workers(2),
        |world| {
            let (phone, other) = (world.phone_by(Stream::Tcp, "100"), world.phone("101"));
            other.set_conduct(Conduct::Answer(secs(1)));
            phone.dial("101");
            connect(world, &phone, &other);
            phone.forget_stream();
            converse(world, &phone, &other);
            // The good-bye for it finds nobody: the switch is done with the call all the same.
            phone.stay_away();
            phone.set_cut_off(true);
            other.hang_up();
            assert!(world.run_until(secs(70), || other.is_idle()));
            phone.set_cut_off(false);
            world.run_for(secs(40));
            phone.hang_up();
            part(world, &phone, &other);
            assert_recorded(world, &world.record(), &phone, &other);
        },
    );
}

#[test]
fn a_phone_whose_stream_broke_comes_back_by_another_and_hangs_up_by_it() {
    roughly(
        |setup| setup,
        |world| {
            let (phone, other) = (world.phone_by(Stream::Tls, "100"), world.phone("101"));
            other.set_conduct(Conduct::Answer(secs(1)));
            phone.dial("101");
            connect(world, &phone, &other);
            phone.break_stream();
            converse(world, &phone, &other);
            assert_eq!(phone.streams_lost(), 1);
            phone.hang_up();
            part(world, &phone, &other);
            assert_eq!(other.end(), Some(End::LeftByThem));
            assert_recorded(world, &world.record(), &phone, &other);
            // And it is called by the new one.
            phone.set_conduct(Conduct::Answer(secs(1)));
            other.dial("100");
            connect(world, &other, &phone);
            other.hang_up();
            part(world, &other, &phone);
            assert_eq!(world.streams(), 1);
        },
    );
}

#[test]
fn a_phone_that_listens_is_connected_to_when_its_stream_is_gone() {
    let world = World::seeded(7);
    let (phone, other) = (world.phone_by(Stream::Tcp, "100"), world.phone("101"));
    phone.stay_away();
    phone.break_stream();
    world.run_for(secs(5));
    assert_eq!(world.streams(), 0);
    call(&world, &other, &phone);
    assert_eq!(world.streams(), 1);
    world.assert_settled();
}

#[test]
fn a_phone_behind_nat_whose_stream_is_gone_is_not_to_be_reached() {
    let world = World::new(Setup::new(7).unannounced());
    let nat = world.nat();
    let (phone, other) = (world.phone_in_by(&nat, Stream::Tcp, "100"), world.phone("101"));
    phone.stay_away();
    phone.break_stream();
    world.run_for(secs(5));
    other.dial("100");
    assert_eq!(refusal(&world, &other), 480);
    assert_eq!(phone.calls_received(), 0);
    world.assert_settled();
}

#[test]
fn a_browser_is_gone_with_its_stream_and_back_with_the_next() {
    let world = World::new(Setup::new(7).workers(3).unannounced());
    let (page, other) = (world.phone_by(Stream::Ws, "100"), world.phone("101"));
    page.stay_away();
    page.break_stream();
    world.run_for(secs(2));
    other.dial("100");
    assert_eq!(refusal(&world, &other), 480);
    page.register();
    world.run_for(secs(2));
    talk(&world, &other, &page);
    world.assert_settled();
}

#[test]
fn keep_alives_are_answered_and_keep_nothing_else_awake() {
    let world = World::seeded(7);
    let phone = world.phone_by(Stream::Tcp, "100");
    phone.keep_alive();
    world.run_for(secs(130));
    assert_eq!(phone.pongs(), 5);
    assert!(phone.is_registered());
    world.assert_settled();
}

#[test]
fn an_offer_too_large_for_a_datagram_arrives_in_pieces() {
    roughly(
        |setup| setup.workers(2),
        |world| {
            let (phone, other) = (world.phone_by(Stream::Tcp, "100"), world.phone_by(Stream::Tls, "101"));
            other.set_conduct(Conduct::Answer(secs(1)));
            let more: String = (0..100).map(|n| format!("a=x-long-{n}:{}\r\n", "y".repeat(60))).collect();
            let ip = phone.address().ip();
            let offer = format!(
                "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8\r\n\
                 a=rtpmap:8 PCMA/8000\r\n{more}"
            );
            assert!(offer.len() > 7_000);
            phone.dial_describing("101", &offer);
            connect(world, &phone, &other);
            converse(world, &phone, &other);
            phone.hang_up();
            part(world, &phone, &other);
        },
    );
}

#[test]
fn after_a_crash_phones_come_back_by_new_streams_and_browsers_are_forgotten_until_they_do() {
    let world = World::new(Setup::new(7).unannounced());
    let (phone, page, other) =
        (world.phone_by(Stream::Tcp, "100"), world.phone_by(Stream::Ws, "101"), world.phone("102"));
    page.stay_away();
    world.run_for(secs(1));
    world.kill();
    world.run_for(secs(1));
    world.restart();
    world.run_for(secs(5));
    assert_eq!((phone.streams_lost(), page.streams_lost()), (1, 1));
    other.dial("101");
    assert_eq!(refusal(&world, &other), 480);
    talk(&world, &other, &phone);
    world.assert_settled();
}

#[test]
fn what_the_switch_says_in_a_call_follows_a_phone_that_came_back_by_another_stream() {
    for seed in patchbay_tests::seeds() {
        let world = World::new(Setup::new(seed).workers(1 + (seed % 3) as u16));
        let nat = world.nat();
        let other = world.phone("101");
        let stream = if seed % 2 == 0 { Stream::Tcp } else { Stream::Ws };
        let phone = world.phone_in_by(&nat, stream, "100");
        if seed % 4 < 2 {
            other.set_conduct(Conduct::Answer(secs(1)));
            phone.dial("101");
        } else {
            phone.set_conduct(Conduct::Answer(secs(1)));
            other.dial("100");
        }
        connect(&world, &phone, &other);
        phone.break_stream();
        world.run_for(secs(5));
        assert_eq!((phone.streams_lost(), phone.is_talking()), (1, true), "seed {seed}");
        // The phone has said nothing in the call since.
        other.hang_up();
        part(&world, &phone, &other);
        assert_eq!(phone.end(), Some(End::LeftByThem), "seed {seed}");
        world.assert_settled();
    }
}
