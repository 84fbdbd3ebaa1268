//! Who is kept out, and who is not although he shares an address with them.

use model::{BanReason, EventBody, SeenFilter};
use patchbay_tests::{connect, converse, part, refusal};
use sim::{Conduct, Hash, Setup, World, millis, secs};

fn options(world: &World, stranger: &sim::Stranger, agent: &str, n: usize) -> String {
    format!(
        "OPTIONS sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKg{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:x@y>;tag=1\r\nTo: <sip:100@192.0.2.1>\r\nCall-ID: guard{n}-{}\r\nCSeq: 1 OPTIONS\r\nUser-Agent: {agent}\r\n\
         Content-Length: 0\r\n\r\n",
        stranger.address(),
        world.seed(),
    )
}

#[test]
fn a_scanner_gets_no_answer_is_banned_everywhere_and_after_a_restart_until_it_is_let_in() {
    let world = World::new(Setup::new(7).workers(3));
    let stranger = world.stranger();
    let source = stranger.address().ip();
    let told = |world: &World| world.ladder().lines().filter(|line| line.contains("→ stranger")).count();
    stranger.send_sip(options(&world, &stranger, "Phone", 1));
    world.run_for(secs(1));
    assert_eq!(told(&world), 1);
    stranger.send_sip(options(&world, &stranger, "friendly-scanner", 2));
    world.run_for(secs(1));
    let bans = world.bans();
    assert_eq!((bans.len(), bans[0].source, bans[0].reason), (1, source, BanReason::Scanner));
    let banned = |event: &model::Event| matches!(event.body, EventBody::SourceBanned { source: s, .. } if s == source);
    assert_eq!(world.events().iter().filter(|event| banned(event)).count(), 1);
    for n in 3..10 {
        stranger.send_sip(options(&world, &stranger, "Phone", n));
    }
    world.run_for(secs(1));
    assert_eq!(told(&world), 1, "nobody listens");
    world.kill();
    world.restart();
    stranger.send_sip(options(&world, &stranger, "Phone", 10));
    world.run_for(secs(1));
    assert_eq!((told(&world), world.bans().len()), (1, 1), "the ban survives");
    world.unban(source);
    stranger.send_sip(options(&world, &stranger, "Phone", 11));
    world.run_for(secs(1));
    assert_eq!((told(&world), world.bans().len()), (2, 0));
    world.ban(source);
    assert_eq!(world.bans()[0].reason, BanReason::Operator);
    world.run_for(secs(300));
    assert_eq!(world.bans(), [], "it ends by itself");
    world.assert_nothing_left();
}

#[test]
fn one_phone_with_a_wrong_password_does_not_slow_its_office_and_a_banned_office_keeps_its_phones() {
    let world = World::seeded(7);
    let nat = world.nat();
    let (ana, bob) = (world.phone_in(&nat, "100"), world.phone_in(&nat, "101"));
    let lost = world.unregistered("102");
    // It shares their address: the same NAT box.
    let wrong = world.phone_in(&nat, "103");
    wrong.set_password("wrong");
    for _ in 0..60 {
        wrong.register();
        world.run_for(secs(2));
    }
    assert_eq!(world.bans(), [], "one user is no reason to ban a source");
    let late = world.phone_in(&nat, "104");
    assert!(late.is_registered());
    bob.set_conduct(Conduct::AnswerAtOnce);
    ana.dial("101");
    connect(&world, &ana, &bob);
    converse(&world, &ana, &bob);
    // Somebody there guesses users: the source is banned, its registered phones talk on and call.
    let source = world.registrations("100")[0].remote.parse::<std::net::SocketAddr>().unwrap().ip();
    world.ban(source);
    converse(&world, &ana, &bob);
    ana.hang_up();
    part(&world, &ana, &bob);
    ana.dial("101");
    connect(&world, &ana, &bob);
    ana.hang_up();
    part(&world, &ana, &bob);
    lost.register();
    world.run_for(secs(2));
    assert!(lost.is_registered(), "others are not concerned");
    world.assert_settled();
}

#[test]
fn a_guesser_of_users_is_banned() {
    let world = World::seeded(7);
    let honest = world.phone("100");
    // Each guess is for another extension.
    let nat = world.nat();
    for n in 0..13 {
        let phone = world.unregistered_in(&nat, &format!("3{n:02}"));
        phone.set_password("wrong");
        phone.forget_to_renew();
        phone.register();
        world.run_for(secs(2));
    }
    let bans = world.bans();
    assert_eq!((bans.len(), bans[0].reason), (1, BanReason::ManyUsers), "{bans:?}");
    honest.ping();
    world.run_for(secs(1));
    assert_eq!(honest.ping_status(), Some(200));
}

#[test]
fn phones_register_and_call_whatever_hash_they_know_when_sha_is_offered_first() {
    for hash in [Hash::Md5, Hash::Sha256] {
        let world = World::new(Setup::new(7).digest(&[Hash::Sha256, Hash::Md5]));
        let (phone, other) = (world.unregistered("100"), world.phone("101"));
        phone.set_hash(hash);
        phone.register();
        world.run_for(secs(1));
        assert!(phone.is_registered());
        other.set_conduct(Conduct::AnswerAtOnce);
        phone.dial("101");
        connect(&world, &phone, &other);
        phone.hang_up();
        part(&world, &phone, &other);
        world.assert_settled();
    }
}

#[test]
fn an_extension_comes_only_from_its_networks() {
    let world = World::seeded(7);
    let phone = world.unregistered("100");
    world.change_extension("100", |extension| extension.allow = vec!["10.0.0.0/8".parse().unwrap()]);
    phone.register();
    world.run_for(secs(2));
    assert_eq!(phone.register_status(), Some(403));
    phone.dial("101");
    assert_eq!(refusal(&world, &phone), 403);
    let ip = phone.address().ip();
    world.change_extension("100", |extension| extension.allow.push(model::Net::host(ip)));
    phone.register();
    world.run_for(secs(2));
    assert!(phone.is_registered());
}

#[test]
fn a_flood_from_one_side_disturbs_no_call_on_the_other() {
    let world = World::new(Setup::new(7).workers(2));
    let (phone, other) = (world.phone("100"), world.phone("101"));
    let stranger = world.stranger();
    other.set_conduct(Conduct::AnswerAtOnce);
    let mut n = 0;
    for _ in 0..5 {
        for _ in 0..2000 {
            n += 1;
            stranger.send_sip(options(&world, &stranger, "Phone", n));
        }
        phone.dial("101");
        connect(&world, &phone, &other);
        world.run_for(millis(200));
        phone.hang_up();
        part(&world, &phone, &other);
    }
    let limited: u64 = world.stats().iter().map(|stats| stats.screen.limited).sum();
    assert!(limited > 8_000, "{limited}");
    world.assert_nothing_left();
}

#[test]
fn messages_are_kept_for_who_asks_by_number_or_address_and_shown_to_who_watches() {
    let world = World::new(Setup::new(7).workers(2));
    let (phone, other) = (world.phone("100"), world.phone("101"));
    let of = |number: &str| SeenFilter { number: Some(number.to_owned()), ..SeenFilter::default() };
    let titles = |filter: &SeenFilter| {
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        world.seen(filter).iter().map(|seen| (seen.sent, first(&seen.text))).collect::<Vec<_>>()
    };
    let registered = titles(&of("100"));
    let register = (false, "REGISTER sip:192.0.2.1 SIP/2.0".to_owned());
    assert_eq!(registered.iter().filter(|title| **title == register).count(), 2, "{registered:?}");
    assert_eq!(registered.last(), Some(&(true, "SIP/2.0 200 OK".to_owned())));
    assert_eq!(world.passed(), [], "nobody watches");
    world.watch_messages(true);
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    connect(&world, &phone, &other);
    phone.hang_up();
    part(&world, &phone, &other);
    world.watch_messages(false);
    let watched = world.passed().len();
    assert!(watched > 10);
    let address = SeenFilter { address: Some(other.address().ip()), ..SeenFilter::default() };
    let seen = world.seen(&address);
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.remote == other.address()));
    let call = SeenFilter { call_id: Some(phone.call_id()), ..SeenFilter::default() };
    assert!(titles(&call).iter().any(|(sent, title)| !sent && title.starts_with("BYE ")));
    phone.ping();
    world.run_for(secs(1));
    assert_eq!(world.passed().len(), watched, "nobody watches any more");
    world.assert_settled();
}
