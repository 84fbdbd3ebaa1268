//! Browser legs with an independent peer: what our own tests speak with elsewhere is the library that our handshake is made of.
//!
//! The peer is the `rtc` crate's full agent (ICE, DTLS-SRTP, SDP), driven in virtual time like every phone of the simulation.

#![allow(clippy::unwrap_used)]

mod rtc_peer;

use patchbay_tests::{connect, converse, part};
use rtc_peer::{active, passive};
use sim::{Conduct, Link, Phone, Setup, World, secs};

/// One calls, the other answers, both hear.
fn speak(world: &World, caller: &Phone, called: &Phone) {
    called.set_conduct(Conduct::Answer(secs(1)));
    caller.dial(&called.number());
    connect(world, caller, called);
    world.run_for(if world.setup().is_clean() { secs(2) } else { secs(12) });
    converse(world, caller, called);
}

fn over(world: &World, caller: &Phone, called: &Phone) {
    caller.hang_up();
    part(world, caller, called);
    world.assert_settled();
}

#[test]
fn it_calls_is_heard_holds_and_restarts_ice() {
    let world = World::new(Setup::new(7).browsers().workers(2));
    let (page, phone) = (world.page_made(active, "100"), world.phone("101"));
    speak(&world, &page, &phone);
    page.hold();
    world.run_for(secs(2));
    assert!(!page.hears(phone.voice()), "who holds is sent nothing");
    page.unhold();
    world.run_for(secs(2));
    converse(&world, &page, &phone);
    page.restart_ice();
    world.run_for(secs(3));
    converse(&world, &page, &phone);
    over(&world, &page, &phone);
}

#[test]
fn it_is_called_in_either_role_of_the_handshake() {
    for make in [active, passive] {
        let world = World::new(Setup::new(7).browsers());
        let (phone, page) = (world.phone("100"), world.page_made(make, "101"));
        speak(&world, &phone, &page);
        // What it offers itself names no more than its track's codec; here it is offered keys.
        phone.press("5");
        page.press("7");
        world.run_for(secs(3));
        assert_eq!((page.digits().as_str(), phone.digits().as_str()), ("5", "7"));
        over(&world, &phone, &page);
    }
}

#[test]
fn it_speaks_with_a_page_of_the_other_library() {
    let world = World::new(Setup::new(7).browsers());
    let (one, other) = (world.page_made(passive, "100"), world.page("101"));
    speak(&world, &one, &other);
    over(&world, &one, &other);
}

#[test]
fn lost_late_and_doubled_packets_do_not_keep_them_from_each_other() {
    for seed in 0..4 {
        let link = Link { loss: 0.05, reorder: 0.05, ..Link::rough() };
        let world = World::new(Setup::new(seed).browsers().link(link));
        let (page, phone) = (world.page_made(active, "100"), world.phone("101"));
        let (caller, called) = if seed % 2 == 0 { (&page, &phone) } else { (&phone, &page) };
        speak(&world, caller, called);
        over(&world, caller, called);
    }
}
