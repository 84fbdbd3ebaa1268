//! Keys that the switch presses.

mod common;

use common::{CALLEE, CALLER, MS, Pair, SECOND};
use media::engine::{Event, InbandDtmf, MAX_KEYS};
use media::testing::{hears, tone};

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
    assert_eq!(pair.events, [Event::Dtmf { port: a, digit: '9', duration: 240 * MS, in_band: false }]);
    let pressed = (0..200).filter(|_| pair.engine.digit(b, '1', 40 * MS, pair.now)).count();
    assert_eq!(pressed, MAX_KEYS);
}

/// A key's tones, and silence.
fn tones(row: f32, column: f32, ms: usize) -> Vec<i16> {
    let both = tone(row, ms * 8).into_iter().zip(tone(column, ms * 8)).map(|(a, b)| a / 2 + b / 2);
    both.chain(std::iter::repeat_n(0, 800)).collect()
}

fn told(pair: &Pair) -> Vec<(char, u128, bool)> {
    let key = |event: &Event| match event {
        Event::Dtmf { digit, duration, in_band, .. } => Some((*digit, duration.as_millis(), *in_band)),
        _ => None,
    };
    pair.events.iter().filter_map(key).collect()
}

/// How many packets of how many presses of a key came as events.
fn presses(phone: &common::Phone, pt: u8) -> usize {
    let events = phone.headers.iter().filter(|h| h.payload_type == pt).map(|h| h.timestamp);
    events.collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn a_key_in_the_sound_is_told_once_passed_on_as_an_event_and_not_heard() {
    let mut pair = Pair::talking("8", EVENTS);
    pair.run(SECOND);
    pair.phones[CALLER].script.extend(tones(852.0, 1209.0, 200));
    pair.run(2 * SECOND);
    let heard = told(&pair);
    assert!(heard.len() == 1 && heard[0].0 == '7' && heard[0].1.abs_diff(200) < 26 && heard[0].2, "{heard:?}");
    assert_eq!(presses(&pair.phones[CALLEE], 101), 1);
    for hz in [852.0, 1209.0] {
        let leak: std::time::Duration =
            media::testing::bursts(&pair.phones[CALLEE].heard, hz).iter().map(|b| b.end - b.start).sum();
        assert!(leak < 30 * MS, "{hz}: {leak:?} of the tone passed");
    }
    assert!(hears(&pair.phones[CALLEE].heard, 1070.0).unwrap().until > 2_900 * MS);
}

#[test]
fn a_key_in_the_sound_is_heard_as_it_is_by_who_has_no_other_way() {
    let mut pair = Pair::talking("8", "8");
    pair.run(SECOND);
    pair.phones[CALLER].script.extend(tones(852.0, 1209.0, 200));
    pair.run(2 * SECOND);
    assert_eq!(told(&pair).len(), 1);
    for hz in [852.0, 1209.0] {
        let tone = hears(&pair.phones[CALLEE].heard, hz).unwrap();
        assert!((tone.until - tone.from).abs_diff(200 * MS) < 25 * MS, "{hz}: {tone:?}");
    }
    // Unless its owner presses keys by signalling.
    let [_, b] = pair.ports();
    pair.engine.takes_keys_by_signalling(b, true, pair.now);
    pair.phones[CALLEE].heard.clear();
    pair.phones[CALLER].script.extend(tones(697.0, 1336.0, 200));
    pair.run(500 * MS);
    assert_eq!(told(&pair).len(), 2);
    assert_eq!(hears(&pair.phones[CALLEE].heard, 697.0), None);
    let a = pair.ports()[CALLER];
    assert!(!pair.engine.is_new_key(a, '2', 200 * MS, pair.now), "INFO tells of the same press");
    assert!(pair.engine.is_new_key(a, '2', 200 * MS, pair.now), "and of another");
}

#[test]
fn keys_are_listened_for_where_there_are_no_events_unless_told_otherwise() {
    for (when, offer, expected) in [
        (InbandDtmf::Auto, EVENTS, 0),
        (InbandDtmf::Auto, "8", 1),
        (InbandDtmf::Always, EVENTS, 1),
        (InbandDtmf::Never, "8", 0),
    ] {
        let mut pair = Pair::talking(offer, EVENTS);
        let a = pair.ports()[CALLER];
        pair.engine.listen_for_keys(a, when, pair.now);
        pair.run(SECOND);
        pair.phones[CALLER].script.extend(tones(941.0, 1477.0, 100));
        pair.run(SECOND);
        assert_eq!(told(&pair).len(), expected, "{when:?} {offer}");
    }
}

#[test]
fn a_tone_that_is_cut_off_ends_and_one_of_ours_that_comes_back_is_no_key() {
    let mut pair = Pair::talking("8", EVENTS);
    pair.run(SECOND);
    pair.phones[CALLER].script.extend(&tones(852.0, 1209.0, 400)[..3_200]);
    pair.run(200 * MS);
    pair.phones[CALLER].speaking = false;
    pair.run(SECOND);
    let heard = told(&pair);
    assert!(heard.len() == 1 && heard[0].1.abs_diff(200) < 40, "{heard:?}");
    pair.phones[CALLER].script.clear();
    pair.phones[CALLER].speaking = true;
    let a = pair.ports()[CALLER];
    assert!(pair.engine.digit(a, '7', 200 * MS, pair.now));
    pair.run(150 * MS);
    pair.phones[CALLER].script.extend(tones(852.0, 1209.0, 200));
    pair.run(2 * SECOND);
    assert_eq!(told(&pair).len(), 1, "an echo");
    pair.phones[CALLER].script.extend(tones(852.0, 1209.0, 200));
    pair.run(SECOND);
    assert_eq!(told(&pair).len(), 2);
}
