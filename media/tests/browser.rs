//! Legs to browsers, with str0m's full agent on the other side, in virtual time.

#![allow(clippy::unwrap_used)]

mod common;

use common::pages::{G711, Leg, SWITCH, World, assert_both_hear, at, call, forget, hears};
use common::{MS, SECOND, text};
use media::engine::{Answer, Event, Output};
use media::testing::{Page, level_of};
use std::net::SocketAddr;
use stdx::Entropy;

#[test]
fn a_page_calls_a_phone_and_both_hear_hold_and_press_keys() {
    let mut world = World::new(1);
    let (leg, phone) = call(&mut world);
    world.run(3 * SECOND);
    assert!(world.legs[leg].page.connected && world.engine.is_secure(world.legs[leg].port));
    assert_both_hear(&world);
    // Its codec is the phone's: nothing is transcoded.
    assert_eq!(world.engine.quality(world.legs[leg].port, world.now).codec, "PCMA");

    world.legs[leg].key = Some(5);
    world.phones[phone].digit = Some(7);
    world.run(SECOND);
    assert!(world.phones[phone].digits.contains(&5), "{:?}", world.phones[phone].digits);
    assert_eq!(world.legs[leg].page.digits, "7");
    let told: Vec<char> = world
        .events
        .iter()
        .filter_map(|e| if let Event::Dtmf { digit, .. } = e { Some(*digit) } else { None })
        .collect();
    assert!(told.contains(&'5') && told.contains(&'7') && told.len() == 2, "{told:?}");

    let answer = world.reoffer(leg, "sendonly", false);
    assert!(answer.contains("a=recvonly") && world.engine.is_held(world.legs[leg].port), "{answer}");
    world.run(SECOND / 10);
    forget(&mut world);
    world.run(SECOND);
    assert!(world.legs[leg].heard.is_empty(), "who holds is sent nothing");
    world.reoffer(leg, "sendrecv", false);
    world.run(SECOND);
    assert_both_hear(&world);

    let (port, now) = (world.legs[leg].port, world.now);
    let quality = world.engine.close(port, now).unwrap();
    assert!(quality.received > 200 && quality.lost == 0 && quality.forged == 0, "{quality:?}");
    assert!(!world.engine.poll_output().is_some_and(|o| matches!(o, Output::Released(_))));
    // Its name and its address are forgotten.
    world.run(SECOND);
    assert!(world.engine.strangers().unknown > 10);
}

#[test]
fn a_page_that_comes_by_tcp_is_answered_by_tcp() {
    let mut world = World::new(1);
    world.tcp = true;
    let (leg, _) = call(&mut world);
    world.run(3 * SECOND);
    assert!(world.legs[leg].page.connected);
    assert_both_hear(&world);
    let answer = world.reoffer(leg, "sendrecv", true);
    let candidates: Vec<&str> = answer.lines().filter(|line| line.starts_with("a=candidate:")).collect();
    let number = world.engine.local_port(world.legs[leg].port);
    let known = |way: &str, ip: &str, more: &str| {
        let fits =
            |line: &str| line.contains(&format!(" {way} ")) && line.ends_with(&format!(" {ip} {number} typ {more}"));
        candidates.iter().any(|line| fits(line))
    };
    for ip in [SWITCH, "203.0.113.5"] {
        assert!(known("udp", ip, "host") && known("tcp", ip, "host tcptype passive"), "{candidates:#?}");
    }
    assert_eq!(candidates.len(), 4);
    world.run(SECOND);
    assert_both_hear(&world);
}

#[test]
fn a_page_is_called_and_two_pages_share_a_socket() {
    let mut world = World::new(2);
    let caller = world.calling_page(G711, 1_000.0);
    let called = world.called_page(world.legs[caller].port, G711, 1_300.0);
    let (a, b) = (world.legs[caller].port, world.legs[called].port);
    assert_eq!(world.engine.local_port(a), world.engine.local_port(b));
    world.answer_page(caller, b);
    world.run(2 * SECOND);
    assert!(world.legs.iter().all(|leg| leg.page.connected));
    // They agreed on Opus first; what they say here is G.711, which both may send too.
    assert!(hears(&world.legs[caller].heard, 1_300.0) && hears(&world.legs[called].heard, 1_000.0));
}

#[test]
fn loss_jitter_and_reordering_do_not_keep_them_from_each_other() {
    for seed in 0..4 {
        let mut world = World::new(seed);
        (world.loss, world.jitter) = (10, 30 * MS);
        call(&mut world);
        world.run(25 * SECOND);
        let (leg, phone) = (&world.legs[0], &world.phones[0]);
        assert!(leg.page.connected, "seed {seed}");
        let level = |heard: &[i16], hz: f32| level_of(&heard[heard.len() - 1_600..], f64::from(hz), 8_000).0;
        assert!(leg.heard.len() > 40_000 && level(&leg.heard, phone.hz) > 1_000.0, "seed {seed}");
        assert!(phone.heard.len() > 40_000 && level(&phone.heard, leg.hz) > 1_000.0, "seed {seed}");
    }
}

#[test]
fn a_page_that_moves_goes_on_and_after_an_ice_restart_too() {
    let mut world = World::new(3);
    let (leg, _) = call(&mut world);
    world.run(2 * SECOND);
    let before = world.reoffer(leg, "sendonly", false);
    // Another network: the old address is dead, and the page offers anew.
    let there = at("198.51.101.10:51000");
    world.legs[leg].addresses = vec![there];
    world.legs[leg].page.stand_at(there);
    let after = world.reoffer(leg, "sendrecv", true);
    let name = |sdp: &str| sdp.lines().find(|l| l.starts_with("a=ice-ufrag")).unwrap().to_owned();
    assert_ne!(name(&before), name(&after));
    world.run(8 * SECOND);
    forget(&mut world);
    world.run(2 * SECOND);
    assert_both_hear(&world);
}

#[test]
fn who_goes_without_a_word_is_sent_nothing_after_half_a_minute() {
    let mut world = World::new(4);
    let (leg, _) = call(&mut world);
    world.run(2 * SECOND);
    let there = std::mem::take(&mut world.legs[leg].addresses)[0];
    world.legs[leg].page = Page::new(at("198.51.100.99:1"), G711, world.now);
    world.run(31 * SECOND);
    world.wire.clear();
    world.run(SECOND);
    assert!(world.wire.values().all(|(_, to, _)| *to != there));
    world.run(35 * SECOND);
    let port = world.legs[leg].port;
    assert!(world.events.iter().any(|e| matches!(e, Event::Silent { port: p, .. } if *p == port)));
}

#[test]
fn another_certificate_than_described_is_refused_and_the_neighbour_unharmed() {
    let mut world = World::new(5);
    call(&mut world);
    let port = world.engine.open_browser(SWITCH.parse().unwrap(), world.now).unwrap();
    let address = at("198.51.100.77:50000");
    let mut page = Page::new(address, G711, world.now);
    let other = text(&Page::new(at("198.51.100.78:1"), G711, world.now).offer("sendrecv", false));
    let print = |sdp: &str| sdp.lines().find(|l| l.starts_with("a=fingerprint")).unwrap().to_owned();
    let offer = text(&page.offer("sendrecv", false));
    let forged = offer.replace(&print(&offer), &print(&other));
    assert_ne!(offer, forged);
    world.engine.set_remote_offer(port, forged.as_bytes(), world.now).unwrap();
    let answer = world.engine.make_answer(port, Answer::Joined(world.phones[0].port), world.now).unwrap();
    page.take_answer(&answer, world.now).unwrap();
    world.legs.push(Leg { port, addresses: vec![address], page, hz: 1_900.0, sent: 0, key: None, heard: Vec::new() });
    world.run(3 * SECOND);
    assert!(world.events.contains(&Event::Insecure { port }) && !world.engine.is_secure(port));
    assert_eq!(world.engine.strangers().refused, 1);
    assert!(world.legs[1].heard.is_empty());
    assert_both_hear(&world);
}

#[test]
fn strangers_get_no_answer_leave_nothing_behind_and_harm_nobody() {
    let mut world = World::new(6);
    let (leg, _) = call(&mut world);
    world.run(2 * SECOND);
    let shared = SocketAddr::new(SWITCH.parse().unwrap(), world.engine.shared_port().unwrap());
    let page = world.legs[leg].addresses[0];
    let before = world.engine.strangers();
    // Checks of somebody who read the name in a description and does not know the password; and rubbish from his own
    // address and from that of the page.
    let mut check = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let answer = world.reoffer(leg, "sendonly", false);
    world.reoffer(leg, "sendrecv", false);
    let name = answer.lines().find_map(|l| l.strip_prefix("a=ice-ufrag:").map(str::to_owned));
    let name = format!("{}:xy", name.unwrap());
    assert_eq!(name.len(), 11);
    check.extend([0, 6, 0, 11]);
    check.extend(name.as_bytes());
    check.extend([0, 0, 8, 0, 20]);
    check.extend([9; 20]);
    let length = check.len() as u8 - 20;
    check[3] = length;
    let mut entropy = Entropy::seeded(9);
    for i in 0..2_000u64 {
        let stranger = SocketAddr::from(([203, 0, 113, i as u8], 1_024 + i as u16));
        let mut noise = vec![0; entropy.below(1_400) as usize + 1];
        entropy.fill(&mut noise);
        for (first, from) in [(22, stranger), (0, stranger), (128, stranger), (22, page), (128, page)] {
            noise[0] = first;
            world.deliver(from, shared, &noise);
        }
        world.deliver(stranger, shared, &check);
        let answers = world.wire.values().filter(|(_, to, _)| to.ip() == stranger.ip()).count();
        assert_eq!(answers, 0);
    }
    let strangers = world.engine.strangers();
    assert_eq!(strangers.forged - before.forged, 2_000);
    assert!(strangers.unknown - before.unknown >= 6_000 && strangers.refused == 0, "{strangers:?}");
    forget(&mut world);
    world.run(2 * SECOND);
    assert_both_hear(&world);
    let quality = world.engine.quality(world.legs[leg].port, world.now);
    assert!(quality.forged > 0, "{quality:?}");
}

#[test]
fn descriptions_that_no_browser_makes_are_refused_and_change_nothing() {
    let mut world = World::new(7);
    let offer = text(&Page::new(at("198.51.100.9:1"), G711, world.now).offer("sendrecv", false));
    let without =
        |word: &str| offer.lines().filter(|l| !l.contains(word)).map(|l| format!("{l}\r\n")).collect::<String>();
    let bad = [
        without("ice-ufrag"),
        without("ice-pwd"),
        without("fingerprint"),
        without("rtcp-mux"),
        offer.replace("a=setup:actpass", "a=setup:holdconn"),
        offer.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
    ];
    for sdp in bad {
        let port = world.engine.open_browser(SWITCH.parse().unwrap(), world.now).unwrap();
        assert_ne!(sdp, offer);
        assert!(world.engine.set_remote_offer(port, sdp.as_bytes(), world.now).is_err(), "{sdp}");
        assert!(world.engine.make_answer(port, Answer::Early, world.now).is_none());
        world.engine.close(port, world.now);
    }
    // Video is refused in its place, under its name.
    let video = format!("{offer}m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\n");
    let port = world.engine.open_browser(SWITCH.parse().unwrap(), world.now).unwrap();
    world.engine.set_remote_offer(port, video.as_bytes(), world.now).unwrap();
    let phone = world.phone(port);
    let answer = text(&world.engine.make_answer(port, Answer::Joined(world.phones[phone].port), world.now).unwrap());
    assert!(answer.contains("m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\n"), "{answer}");
    for line in ["a=ice-lite", "a=setup:passive", "a=rtcp-mux", "a=group:BUNDLE ", " 203.0.113.5 40000 typ host"] {
        assert!(answer.contains(line), "{line} in {answer}");
    }
}
