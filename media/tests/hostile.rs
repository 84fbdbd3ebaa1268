//! What hostile pages and strangers send to the socket of browser legs: refused, bounded, and the call beside it is heard as before.

#![allow(clippy::unwrap_used)]

mod common;

use common::pages::{G711, SWITCH, World, assert_both_hear, at, call, forget};
use common::{SECOND, text};
use media::engine::{Answer, Packet};
use media::testing::Page;
use std::net::SocketAddr;
use stdx::Entropy;

fn shared(world: &World) -> SocketAddr {
    SocketAddr::new(SWITCH.parse().unwrap(), world.engine.shared_port().unwrap())
}

/// They hear each other now, whatever came before.
fn assert_unharmed(world: &mut World) {
    forget(world);
    world.run(2 * SECOND);
    assert_both_hear(world);
}

#[test]
fn a_million_bad_packets_cost_what_they_cost_and_change_nothing() {
    const PACKETS: u32 = 1_000_000;
    let mut world = World::new(11);
    let (leg, _) = call(&mut world);
    world.run(2 * SECOND);
    let (page, port, now) = (world.legs[leg].addresses[0], world.legs[leg].port, world.now);
    let (strangers, ports) = (world.engine.strangers(), world.engine.open_ports());
    let forged = world.engine.quality(port, now).forged;
    // As from the page itself: sequence numbers that begin anew each round, payload types of its codecs, and RTCP.
    let mut datagram = [0; 72];
    Entropy::seeded(3).fill(&mut datagram);
    let mut packet = Box::new(Packet::new());
    for n in 0..PACKETS {
        datagram[0] = 0x80;
        datagram[1] = if n % 10 == 0 { 200 } else { 8 };
        datagram[2..4].copy_from_slice(&(n as u16).to_be_bytes());
        datagram[8..12].copy_from_slice(&(n / 65_536).to_be_bytes());
        let from = if n % 2 == 0 { page } else { SocketAddr::from(([203, 0, 113, n as u8], 1_024)) };
        packet.copy_from(&datagram);
        assert!(world.engine.handle_shared(from, &mut packet, now).is_none(), "packet {n} went somewhere");
        assert!(world.engine.poll_output().is_none(), "packet {n} is worth a word");
    }
    assert_eq!(world.engine.strangers().unknown - strangers.unknown, u64::from(PACKETS) / 2);
    let bad = world.engine.quality(port, now).forged - forged;
    assert!(bad > u64::from(PACKETS) * 4 / 10, "{bad} were found out");
    assert_eq!(world.engine.open_ports(), ports);
    assert_unharmed(&mut world);
}

#[test]
fn who_races_with_the_page_for_its_handshake_or_breaks_it_into_pieces_does_not_win() {
    let mut world = World::new(12);
    let (leg, _) = call(&mut world);
    let page = world.legs[leg].addresses[0];
    // The first steps, and what the page says first.
    let mut hello = None;
    for _ in 0..2_000 {
        world.run(common::MS);
        let said = world.wire.values().find(|(from, _, data)| *from == page && data.first() == Some(&22));
        hello = said.map(|(_, _, data)| data.clone());
        if hello.is_some() {
            break;
        }
    }
    let (hello, to) = (hello.expect("the page begins its handshake"), shared(&world));
    let mut entropy = Entropy::seeded(4);
    for n in 0..2_000u64 {
        // From a stranger, whole; and as from the page: cut short, flipped, and as fragments that overlap or claim more than there is.
        world.deliver(SocketAddr::from(([203, 0, 113, n as u8], 4_000)), to, &hello);
        let mut piece = hello.clone();
        match n % 3 {
            0 => piece.truncate(1 + entropy.below(hello.len() as u64 - 1) as usize),
            1 => piece[13 + entropy.below(12) as usize] ^= 1 << entropy.below(8),
            _ => piece[19..25].copy_from_slice(&[0, 0, n as u8, 0, 2, 0]),
        }
        world.deliver(page, to, &piece);
    }
    // Nobody is answered more than was asked for: what is sent is for the page alone, and is no flood.
    world.flush();
    assert!(
        world
            .wire
            .values()
            .all(|(_, to, _)| to.ip() != at("203.0.113.1:1").ip() && to.ip().to_string() != "203.0.113.5")
    );
    world.run(8 * SECOND);
    assert!(world.legs[leg].page.connected, "{:?}", world.events);
    assert_unharmed(&mut world);
}

#[test]
fn floods_of_checks_and_handshakes_from_everywhere_leave_nothing_behind() {
    let mut world = World::new(13);
    call(&mut world);
    world.run(2 * SECOND);
    let (to, ports) = (shared(&world), world.engine.open_ports());
    let before = world.engine.strangers().unknown;
    for n in 0..50_000u32 {
        let from = SocketAddr::from(([203, (n >> 16) as u8, (n >> 8) as u8, n as u8], 1_024 + n as u16 % 60_000));
        // A check for nobody, and the beginning of a handshake.
        let check =
            [0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6, 0, 4, 97, 58, 98, 99];
        let hello = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0];
        world.deliver(from, to, if n % 2 == 0 { &check } else { &hello });
    }
    world.flush();
    assert!(
        world
            .wire
            .values()
            .all(|(_, to, _)| to.ip().to_string().starts_with("192.0.2") || to.ip().to_string().starts_with("198.51"))
    );
    assert_eq!((world.engine.strangers().unknown - before, world.engine.open_ports()), (50_000, ports));
    assert_unharmed(&mut world);
}

#[test]
fn descriptions_of_hostile_pages_are_refused_or_harmless() {
    let mut world = World::new(14);
    call(&mut world);
    world.run(2 * SECOND);
    let local = SWITCH.parse().unwrap();
    let good = text(&Page::new(at("198.51.100.9:1"), G711, world.now).offer("sendrecv", false));
    let many = |line: &str, count: usize| format!("{good}{}", format!("{line}\r\n").repeat(count));
    let mut all = vec![
        many("a=fingerprint:sha-256 00", 2_000),
        many("a=candidate:1 1 udp 1 198.51.100.9 9 typ host", 500),
        many("m=audio 9 UDP/TLS/RTP/SAVPF 0", 100),
        good.replace("a=ice-ufrag:", &format!("a=ice-ufrag:{}", "x".repeat(4_000))),
        good.replace("a=ice-pwd:", "a=ice-pwd:\u{0}\u{7f}"),
        good.replace("a=mid:", &format!("a=mid:{}", "m".repeat(4_000))),
        good.replace("m=audio 9", "m=audio 99999999999"),
        good.replace("a=rtcp-mux", "a=rtcp-mux\r\na=group:BUNDLE a a a a a a a a"),
    ];
    let mut entropy = Entropy::seeded(5);
    for _ in 0..1_000 {
        let mut octets = good.clone().into_bytes();
        for _ in 0..=entropy.below(8) {
            let place = entropy.below(octets.len() as u64) as usize;
            octets[place] = entropy.below(256) as u8;
        }
        all.push(String::from_utf8_lossy(&octets).into_owned());
    }
    let ports = world.engine.open_ports();
    for offer in &all {
        let port = world.engine.open_browser(local, world.now).unwrap();
        if world.engine.set_remote_offer(port, offer.as_bytes(), world.now).is_ok() {
            let answer = world.engine.make_answer(port, Answer::Early, world.now).unwrap_or_default();
            assert!(answer.len() < 20_000, "an answer of {} octets", answer.len());
        }
        world.engine.close(port, world.now);
    }
    assert_eq!(world.engine.open_ports(), ports);
    assert_unharmed(&mut world);
}
