//! The packet path allocates nothing: counted.

// A counting allocator cannot be had without implementing an unsafe trait.
#![allow(unsafe_code)]

mod common;

use common::circle::Circle;
use common::{CALLEE, CALLER, MS, Pair, SECOND, sdp};
use media::codec::Codec;
use media::engine::{Answer, Channel, Event, Output, Packet, Srtp};
use media::g711::Law;
use media::srtp::sdes::Crypto;
use media::srtp::{MasterKey, OVERHEAD, Sender, Suite};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|a| a.set(a.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|a| a.set(a.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Sends both voices through the engine for so many frames of 20 ms and counts allocations.
fn relay(pair: &mut Pair, packets: &mut Vec<[Vec<u8>; 2]>) -> usize {
    let mut buffer = Box::new(Packet::new());
    let before = ALLOCATIONS.with(Cell::get);
    let mut forwarded = 0;
    for both in packets.iter() {
        pair.now += 20 * MS;
        pair.engine.handle_timeout(pair.now);
        for (i, packet) in both.iter().enumerate() {
            buffer.copy_from(packet);
            let (port, from) = (pair.phones[i].port, pair.phones[i].address);
            forwarded +=
                usize::from(pair.engine.handle_packet(port, Channel::Rtp, from, &mut buffer, pair.now).is_some());
        }
        while let Some(output) = pair.engine.poll_output() {
            match output {
                Output::Page { recording, page } => pair.engine.give_back(recording, page),
                Output::Transmit { .. } | Output::Event(Event::Started { .. } | Event::Quality { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let count = ALLOCATIONS.with(Cell::get) - before;
    assert_eq!(forwarded, packets.len() * 2);
    packets.clear();
    count
}

fn voices(pair: &mut Pair, frames: usize) -> Vec<[Vec<u8>; 2]> {
    (0..frames).map(|_| [CALLER, CALLEE].map(|i| pair.phones[i].packet())).collect()
}

#[test]
fn a_relayed_packet_allocates_nothing_recorded_or_not() {
    let mut pair = Pair::plain();
    pair.run(SECOND);
    pair.phones.iter_mut().for_each(|p| p.speaking = false);
    let mut warm_up = voices(&mut pair, 500);
    relay(&mut pair, &mut warm_up);
    let mut packets = voices(&mut pair, 3_000);
    assert_eq!(relay(&mut pair, &mut packets), 0, "plain relay");

    pair.record();
    let mut warm_up = voices(&mut pair, 500);
    relay(&mut pair, &mut warm_up);
    let mut packets = voices(&mut pair, 3_000);
    assert_eq!(relay(&mut pair, &mut packets), 0, "relay with a recording");
}

/// Sends what every phone says through the engine for so many frames of 20 ms and counts allocations.
fn mix(circle: &mut Circle, frames: usize) -> usize {
    let mut buffer = Box::new(Packet::new());
    let packets: Vec<Vec<Vec<u8>>> =
        (0..frames).map(|_| circle.members.iter_mut().map(|m| m.packet()).collect()).collect();
    let before = ALLOCATIONS.with(Cell::get);
    let mut sent = 0;
    for all in &packets {
        circle.now += 20 * MS;
        circle.engine.handle_timeout(circle.now);
        for (member, packet) in circle.members.iter().zip(all) {
            buffer.copy_from(packet);
            circle.engine.handle_packet(member.port, Channel::Rtp, member.address, &mut buffer, circle.now);
        }
        while let Some(output) = circle.engine.poll_output() {
            match output {
                Output::Page { recording, page } => circle.engine.give_back(recording, page),
                Output::Transmit { channel, .. } => sent += usize::from(channel == Channel::Rtp),
                Output::Event(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let count = ALLOCATIONS.with(Cell::get) - before;
    // The clock's grid may lie so that a frame more or less falls into the time.
    assert!(sent.abs_diff(frames * circle.members.len()) <= circle.members.len(), "{sent}");
    count
}

#[test]
fn mixing_allocates_nothing_recorded_or_not() {
    let (a, mu) = (Codec::G711(Law::A), Codec::G711(Law::Mu));
    let circles: [&[(Codec, f64)]; 3] = [
        &[(a, 1070.0), (Codec::G722, 2050.0)],
        &[(Codec::Gsm, 1070.0), (a, 560.0)],
        &[(a, 1070.0), (mu, 2050.0), (Codec::G722, 2450.0), (a, 560.0), (mu, 2850.0)],
    ];
    for phones in circles {
        let mut circle = Circle::of(phones);
        circle.join_all();
        let ports = circle.ports();
        circle.run(SECOND);
        mix(&mut circle, 100);
        assert_eq!(mix(&mut circle, 300), 0, "{phones:?}");
        circle.engine.record(ports[0], ports[1], false, circle.now);
        mix(&mut circle, 100);
        assert_eq!(mix(&mut circle, 300), 0, "{phones:?}, recorded");
    }
}

/// A circle of twelve, of which two or all speak, the first of them and another one by SRTP.
#[test]
fn a_large_circle_allocates_nothing_by_srtp_too() {
    let (a, mu) = (Codec::G711(Law::A), Codec::G711(Law::Mu));
    let phones: Vec<(Codec, f64)> = (0..12).map(|i| ([a, mu, Codec::G722][i % 3], 300.0 + 50.0 * i as f64)).collect();
    for speaking in [2, 12] {
        let mut circle = Circle::of(&phones);
        let suite = Suite::ALL[0];
        let (key, salt) = suite.lengths();
        let key = MasterKey::new(suite, &vec![5; key + salt]).unwrap();
        for sealed in [0, 5] {
            circle.members[sealed].seal_with(&key);
            let line = Crypto { tag: 1, key: key.clone(), identifier: 0 };
            let (port, mut offer) = (circle.members[sealed].port, circle.members[sealed].describe());
            offer.extend(format!("a=crypto:{line}\r\n").into_bytes());
            circle.engine.secure(port, Srtp::Required);
            circle.engine.set_remote_offer(port, &offer, circle.now).unwrap();
            circle.engine.make_answer(port, Answer::Own, circle.now).unwrap();
        }
        circle.members.iter_mut().skip(speaking).for_each(|member| member.amplitude = 0.0);
        circle.join_all();
        mix(&mut circle, 150);
        let count = mix(&mut circle, 300);
        assert_eq!(count, 0, "{speaking} speak");
        let forged: u64 = circle.ports().iter().map(|port| circle.engine.quality(*port, circle.now).forged).sum();
        assert_eq!(forged, 0, "{speaking} speak");
    }
}

/// The library of Opus allocates a little by itself; what is bounded is that nothing grows.
#[test]
fn opus_allocates_no_more_than_its_library_does() {
    let mut circle = Circle::of(&[(Codec::Opus, 1070.0), (Codec::G711(Law::A), 2050.0)]);
    circle.join_all();
    circle.run(SECOND);
    mix(&mut circle, 100);
    assert!(mix(&mut circle, 500) <= 500 * 4);
}

#[test]
fn a_packet_between_srtp_and_plain_rtp_allocates_nothing() {
    for suite in Suite::ALL {
        let mut pair = Pair::opened();
        let [a, b] = pair.ports();
        pair.engine.secure(a, Srtp::Required);
        let (key, salt) = suite.lengths();
        let key = MasterKey::new(suite, &vec![5; key + salt]).unwrap();
        let line = Crypto { tag: 1, key: key.clone(), identifier: 0 };
        let offer = [sdp(pair.phones[CALLER].address, "8"), format!("a=crypto:{line}\r\n").into_bytes()].concat();
        pair.engine.set_remote_offer(a, &offer, pair.now).unwrap();
        pair.engine.make_offer(b, Some(a), pair.now);
        pair.engine.set_remote_answer(b, &sdp(pair.phones[CALLEE].address, "8"), pair.now).unwrap();
        pair.engine.bridge(a, b, pair.now);
        pair.engine.make_answer(a, Answer::Joined(b), pair.now).unwrap();
        let mut sender = Sender::new(&key).unwrap();
        let mut both = |pair: &mut Pair, frames: usize| {
            let mut packets = voices(pair, frames);
            for [first, _] in &mut packets {
                let len = first.len();
                first.resize(len + OVERHEAD, 0);
                let sealed = sender.seal_rtp(first, len).unwrap();
                first.truncate(sealed);
            }
            relay(pair, &mut packets)
        };
        both(&mut pair, 500);
        assert_eq!(both(&mut pair, 2_000), 0, "{suite:?}");
    }
}

#[test]
fn the_counter_counts() {
    let before = ALLOCATIONS.with(Cell::get);
    drop(std::hint::black_box(vec![1u8; 100]));
    assert_eq!(ALLOCATIONS.with(Cell::get), before + 1);
}

#[test]
fn a_prepared_clip_costs_its_listeners_no_allocation() {
    let codecs = [Codec::G711(Law::A), Codec::G711(Law::Mu), Codec::G722, Codec::Opus];
    let mut circle = Circle::of(&codecs.map(|codec| (codec, 1_000.0)));
    let clip = media::clip::Clip::from(media::testing::tone(1070.0, 8_000));
    codecs.into_iter().for_each(|codec| clip.prepare(codec));
    let play = media::engine::Play::forever(std::sync::Arc::from([std::sync::Arc::new(clip)]));
    for port in circle.ports() {
        assert!(circle.engine.play_list(port, &play, circle.now));
    }
    let (mut count, mut sent) = (0, 0);
    for frame in 0..1_000 {
        circle.now += 20 * MS;
        let before = ALLOCATIONS.with(Cell::get);
        circle.engine.handle_timeout(circle.now);
        while let Some(output) = circle.engine.poll_output() {
            sent += usize::from(matches!(output, Output::Transmit { .. }));
        }
        if frame > 5 {
            count += ALLOCATIONS.with(Cell::get) - before;
        }
    }
    assert!(sent > 4 * 990, "{sent}");
    assert_eq!(count, 0);
}
