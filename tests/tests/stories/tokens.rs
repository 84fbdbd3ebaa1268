//! Tokens for SIP passwords: pages register and call by them, and nobody else does.

use patchbay_tests::{connect, converse, part};
use sim::{Conduct, Phone, Setup, World, secs};

const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJJRCI6N30.c2lnbmF0dXJl";

fn page(world: &World, number: &str, password: &str) -> Phone {
    let page = world.unregistered_page(sim::Stream::Ws, number);
    page.set_password(password);
    page
}

fn register(world: &World, page: &Phone) -> Option<u16> {
    page.register();
    world.run_for(secs(9));
    page.register_status()
}

fn wrong(world: &World) -> u64 {
    world.stats().iter().map(|stats| stats.wrong_credentials).sum()
}

fn hour(world: &World) -> u64 {
    world.wall() + 3_600_000
}

#[test]
fn a_page_registers_and_calls_by_its_token_and_its_extension_by_its_password() {
    let world = World::new(Setup::new(7).browsers().workers(2));
    let phone = world.phone("101");
    phone.set_conduct(Conduct::Answer(secs(1)));
    let page = page(&world, "100", TOKEN);
    world.give_token("100", 7, TOKEN, hour(&world));
    assert_eq!(register(&world, &page), Some(200));
    let desk = world.phone("100");
    page.dial("101");
    connect(&world, &page, &phone);
    world.run_for(secs(1));
    converse(&world, &page, &phone);
    page.hang_up();
    part(&world, &page, &phone);
    assert!(desk.is_registered() && wrong(&world) == 0);
    // What was told lives on when the process does not.
    world.kill();
    world.run_for(secs(1));
    world.restart();
    world.run_for(secs(1));
    assert_eq!(register(&world, &page), Some(200));
    world.assert_settled();
}

#[test]
fn tokens_that_lapsed_were_forged_or_withdrawn_or_are_anothers_let_nobody_in() {
    let world = World::new(Setup::new(7).browsers().workers(2));
    let calls = world.phone("101");
    for number in ["100", "102", "103", "104"] {
        world.extension(number);
    }
    let soon = world.wall() + 5_000;
    world.give_token("100", 7, TOKEN, soon);
    world.give_token("102", 8, "withdrawn", hour(&world));
    world.give_token("103", 9, "another's", hour(&world));
    world.forget_tokens("102", 8);
    world.run_for(secs(6));
    let refused = [("100", TOKEN), ("102", "withdrawn"), ("104", "another's"), ("103", "forged")];
    for (already, (number, password)) in refused.into_iter().enumerate() {
        let page = page(&world, number, password);
        assert_eq!(register(&world, &page), Some(403), "{number} by {password}");
        assert!(world.registrations(number).is_empty());
        assert_eq!(wrong(&world), already as u64 + 1, "counted once");
    }
    // Nobody beside them noticed.
    let desk = world.phone("100");
    desk.set_conduct(Conduct::Answer(secs(1)));
    calls.dial("100");
    connect(&world, &calls, &desk);
    converse(&world, &calls, &desk);
    calls.hang_up();
    part(&world, &calls, &desk);
    world.assert_settled();
}
