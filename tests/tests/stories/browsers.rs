//! Pages in browsers: ICE, DTLS-SRTP and WebSocket, in virtual time.

use expect_test::expect_file;
use model::MediaKind;
use patchbay_tests::{assert_recorded, connect, converse, everywhere, once, part, refusal};
use sim::{Conduct, Link, Phone, Setup, Stream, World, secs};

/// One calls, the other answers; they are connected.
fn dial(world: &World, phone: &Phone, other: &Phone) {
    other.set_conduct(Conduct::Answer(secs(1)));
    phone.dial(&other.number());
    connect(world, phone, other);
    // The handshake has its own patience: RFC 6347 §4.2.4 repeats after a second, then after two.
    world.run_for(if world.setup().is_clean() { secs(1) } else { secs(8) });
}

fn over(world: &World, phone: &Phone, other: &Phone) {
    phone.hang_up();
    part(world, phone, other);
}

/// Over rough lines a handshake may be repeated for some seconds, each time after twice as long (RFC 6347 §4.2.4.1). How often is not for the
/// seed to say, for the handshake draws its own random numbers, and the page gives up after four times: one that has no luck gets clean lines.
fn shake_hands(world: &World, page: &Phone, phone: &Phone) {
    let done = || page.hears(phone.voice()) && phone.hears(page.voice());
    if !world.setup().is_clean() && !world.run_until(secs(6), done) {
        world.set_links(Link::clean());
        assert!(world.run_until(secs(40), done), "seed {}: the handshake never ends", world.seed());
    }
}

#[test]
fn a_page_calls_a_desk_phone_and_both_are_recorded() {
    everywhere(
        |setup| setup.browsers().workers(2),
        &expect_file!["../../ladders/page_to_phone.txt"],
        |world| {
            let (page, phone) = (world.page("100"), world.phone("101"));
            dial(world, &page, &phone);
            shake_hands(world, &page, &phone);
            converse(world, &page, &phone);
            over(world, &page, &phone);
            if world.setup().is_clean() {
                assert_recorded(world, &world.record(), &page, &phone);
            }
        },
    );
}

#[test]
fn a_desk_phone_calls_a_page_and_keys_reach_both() {
    once(Setup::new(7).browsers(), &expect_file!["../../ladders/phone_to_page.txt"], |world| {
        let (phone, page) = (world.phone("100"), world.page("101"));
        world.restart_ladder();
        dial(world, &phone, &page);
        converse(world, &phone, &page);
        phone.press("19#");
        page.press("40");
        world.run_for(secs(4));
        assert_eq!((page.digits().as_str(), phone.digits().as_str()), ("19#", "40"), "seed {}", world.seed());
        over(world, &phone, &page);
    });
}

#[test]
fn two_pages_speak_through_one_socket() {
    once(Setup::new(7).browsers(), &expect_file!["../../ladders/page_to_page.txt"], |world| {
        let (page, other) = (world.page("100"), world.page("101"));
        dial(world, &page, &other);
        converse(world, &page, &other);
        over(world, &page, &other);
    });
}

#[test]
fn a_page_holds_a_call_and_takes_it_back() {
    everywhere(
        |setup| setup.browsers(),
        &expect_file!["../../ladders/page_holds.txt"],
        |world| {
            let (page, phone) = (world.page("100"), world.phone("101"));
            dial(world, &page, &phone);
            shake_hands(world, &page, &phone);
            converse(world, &page, &phone);
            page.hold();
            world.run_for(secs(8));
            assert!(!page.hears(phone.voice()), "seed {}: who holds is sent nothing", world.seed());
            page.unhold();
            world.run_for(secs(8));
            converse(world, &page, &phone);
            over(world, &page, &phone);
        },
    );
}

#[test]
fn a_page_behind_nat_is_heard_and_hears() {
    let world = World::new(Setup::new(3).browsers());
    let nat = world.nat();
    let (page, phone) = (world.page_in(&nat, "100"), world.phone("101"));
    dial(&world, &page, &phone);
    converse(&world, &page, &phone);
    over(&world, &page, &phone);
    world.assert_settled();
}

#[test]
fn a_websocket_that_is_no_page_and_a_page_without_one_speak_by_their_setting() {
    let world = World::new(Setup::new(5).browsers());
    let (plain, page) = (world.phone_by(Stream::Ws, "100"), world.page_by(Stream::Tcp, "101"));
    world.change_extension("100", |e| e.media = MediaKind::Rtp);
    world.change_extension("101", |e| e.media = MediaKind::Webrtc);
    for (caller, called) in [(&plain, &page), (&page, &plain)] {
        dial(&world, caller, called);
        converse(&world, caller, called);
        over(&world, caller, called);
    }
    world.assert_settled();
}

#[test]
fn another_kind_of_media_than_set_is_refused_and_calls_nobody() {
    let world = World::new(Setup::new(5).browsers());
    let (page, phone, other) = (world.page("100"), world.phone("101"), world.phone("102"));
    world.change_extension("100", |e| e.media = MediaKind::Rtp);
    world.change_extension("101", |e| e.media = MediaKind::Webrtc);
    for caller in [&page, &phone] {
        caller.dial("102");
        assert_eq!((refusal(&world, caller), other.calls_received()), (488, 0));
    }
    // Whoever is left to its own is what it offers.
    world.change_extension("101", |e| e.media = MediaKind::Auto);
    dial(&world, &phone, &other);
    converse(&world, &phone, &other);
    over(&world, &phone, &other);
    world.assert_settled();
}
