//! Keys that the switch presses.

mod common;

use common::{CALLEE, CALLER, MS, Pair, SECOND};
use media::engine::{Event, MAX_KEYS};
use media::testing::hears;

const EVENTS: &str = "8 101\na=rtpmap:101 telephone-event/8000";

#[test]
fn keys_reach_the_peer_as_events_and_the_voice_goes_on_in_the_same_stream() {
    let mut pair = Pair::talking(EVENTS, "8 96\na=rtpmap:96 telephone-event/8000");
    pair.run(SECOND);
    let b = pair.ports()[CALLEE];
    for key in ['4', '#'] {
        assert!(pair.engine.digit(b, key, 100 * MS, pair.now));
    }
    assert!(!pair.engine.digit(b, 'x', 100 * MS, pair.now));
    pair.run(2 * SECOND);
    let callee = &pair.phones[CALLEE];
    let events: Vec<_> = callee.headers.iter().zip(&callee.payloads).filter(|(h, _)| h.payload_type == 96).collect();
    assert_eq!(events.len(), 14);
    for (press, key) in events.chunks(7).zip([4, 11]) {
        assert!(press.iter().all(|(h, p)| h.timestamp == press[0].0.timestamp && p[0] == key));
        assert!(press[0].0.marker && press[1..].iter().all(|(h, _)| !h.marker));
        assert_eq!(press.iter().filter(|(_, p)| p[1] & 0x80 != 0 && p[2..] == [3, 32]).count(), 3);
    }
    // One stream: every number once, and the clock runs on.
    for pair in callee.headers.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(step <= 11 * 160, "{pair:?}");
    }
    let heard = hears(&callee.heard, 1070.0).unwrap();
    assert!(heard.until > 2_900 * MS && heard.longest_gap < 420 * MS, "{heard:?}");
}

#[test]
fn a_peer_without_events_hears_the_tones() {
    let mut pair = Pair::talking(EVENTS, "8");
    pair.run(SECOND);
    let b = pair.ports()[CALLEE];
    assert!(pair.engine.digit(b, '7', 300 * MS, pair.now) && !pair.engine.digit(b, '!', 300 * MS, pair.now));
    pair.run(SECOND);
    let heard = &pair.phones[CALLEE].heard;
    for hz in [852.0, 1209.0] {
        let tone = hears(heard, hz).unwrap();
        assert!((tone.until - tone.from).abs_diff(300 * MS) < 25 * MS, "{hz}: {tone:?}");
    }
    assert!(hears(heard, 1070.0).unwrap().until > 1_900 * MS);
}

#[test]
fn a_key_of_one_phone_is_told_once_with_its_duration_and_no_more_keys_wait_than_fit() {
    let mut pair = Pair::talking(EVENTS, EVENTS);
    let [a, b] = pair.ports();
    pair.engine.digit(b, '9', 240 * MS, pair.now);
    pair.run(SECOND);
    // What we sent to the callee comes back from it, as if it had pressed the key.
    let echo: Vec<_> = pair.phones[CALLEE]
        .headers
        .iter()
        .zip(&pair.phones[CALLEE].payloads)
        .filter(|(h, _)| h.payload_type == 101)
        .map(|(h, p)| common::rtp(101, h.sequence, h.timestamp, 100, p))
        .collect();
    pair.phones[CALLER].speaking = false;
    pair.run(100 * MS);
    pair.events.clear();
    let from = pair.phones[CALLER].address;
    for (i, mut packet) in echo.into_iter().enumerate() {
        let sequence = pair.phones[CALLER].sequence.wrapping_add(i as u16);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        pair.arrive(from, CALLER, media::engine::Channel::Rtp, &packet);
    }
    assert_eq!(pair.events, [Event::Dtmf { port: a, digit: '9', duration: 240 * MS }]);
    let pressed = (0..200).filter(|_| pair.engine.digit(b, '1', 40 * MS, pair.now)).count();
    assert_eq!(pressed, MAX_KEYS);
}
