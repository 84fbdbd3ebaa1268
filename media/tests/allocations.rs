//! The packet path allocates nothing: counted.

// A counting allocator cannot be had without implementing an unsafe trait.
#![allow(unsafe_code)]

mod common;

use common::{CALLEE, CALLER, MS, Pair, SECOND};
use media::engine::{Channel, Event, Output, Packet};
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
                Output::Transmit { .. } | Output::Event(Event::Started { .. }) => {}
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

#[test]
fn the_counter_counts() {
    let before = ALLOCATIONS.with(Cell::get);
    drop(std::hint::black_box(vec![1u8; 100]));
    assert_eq!(ALLOCATIONS.with(Cell::get), before + 1);
}
