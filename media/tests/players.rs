//! Clips played to ports: one for many, in every codec, until a key, a command or their end stops them.

#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use common::circle::Circle;
use common::{CALLEE, CALLER, MS, Pair, SECOND, rtp};
use media::clip::{Clip, PREPARED};
use media::codec::Codec;
use media::engine::{Channel, Event, Play};
use media::g711::Law;
use media::testing::{hears, level_of, tone};
use std::sync::Arc;

const CODECS: [Codec; 6] =
    [Codec::G711(Law::A), Codec::G711(Law::Mu), Codec::G722, Codec::Opus, Codec::L16(16_000), Codec::L16(8_000)];

fn list(clips: impl IntoIterator<Item = Vec<i16>>) -> Arc<[Arc<Clip>]> {
    clips.into_iter().map(|pcm| Arc::new(Clip::from(pcm))).collect()
}

/// A second of whole periods of a tone at 8 kHz.
fn loop_of(hz: f64) -> Vec<i16> {
    (0..8_000).map(|i| ((f64::from(i) * hz / 8_000.0 * std::f64::consts::TAU).sin() * 6_000.0) as i16).collect()
}

#[test]
fn one_clip_is_heard_by_all_in_their_codecs_at_its_level_and_round_and_round() {
    [true, false].into_iter().for_each(heard_by_all);
}

fn heard_by_all(prepared: bool) {
    let members: Vec<(Codec, f64)> = CODECS.iter().chain(&CODECS).map(|codec| (*codec, 1_000.0)).collect();
    let mut circle = Circle::of(&members);
    circle.members.iter_mut().for_each(|member| member.speaking = false);
    let clips = list([loop_of(440.0), loop_of(440.0)]);
    if prepared {
        clips.iter().for_each(|clip| PREPARED.into_iter().for_each(|codec| clip.prepare(codec)));
    }
    for (n, port) in circle.ports().into_iter().enumerate() {
        // The others begin later.
        if n < CODECS.len() {
            assert!(circle.engine.play_list(port, &Play::forever(clips.clone()), circle.now));
        }
    }
    circle.run(SECOND);
    for port in circle.ports().into_iter().skip(CODECS.len()) {
        assert!(circle.engine.play_list(port, &Play::forever(clips.clone()), circle.now));
    }
    // Over the seams of the list and of its rounds.
    circle.run(6 * SECOND);
    for (n, member) in circle.members.iter().enumerate() {
        let heard = circle.last(n, 4 * SECOND);
        let (level, snr) = level_of(heard, 440.0, member.codec.rate());
        let db = 20.0 * (level / 6_000.0).log10();
        assert!(db.abs() < 1.0 && snr > 12.0, "{n} {:?} {prepared}: {db:.2} dB, {snr:.1} dB", member.codec);
        assert!(member.headers.windows(2).all(|w| w[1].sequence == w[0].sequence.wrapping_add(1)), "{n}");
        assert_eq!(member.headers.iter().filter(|h| h.marker).count(), 1, "{n}");
    }
}

#[test]
fn packets_of_another_length_are_heard_too() {
    for ms in [10, 40, 60] {
        let mut circle = Circle::of(&[(Codec::G711(Law::A), 1_000.0), (Codec::G711(Law::A), 1_000.0)]);
        circle.members.iter_mut().for_each(|member| member.speaking = false);
        circle.members[0].packet_ms = ms;
        let offer = circle.members[0].describe();
        let [a, _] = circle.ports()[..] else { panic!() };
        circle.engine.reanswer(a, &offer, circle.now).unwrap();
        circle.engine.play_list(a, &Play::forever(list([loop_of(440.0)])), circle.now);
        circle.run(3 * SECOND);
        let (level, snr) = level_of(circle.last(0, SECOND), 440.0, 8_000);
        assert!((level - 6_000.0).abs() < 200.0 && snr > 30.0, "{ms} ms: {level:.0} {snr:.1}");
    }
}

#[test]
fn a_key_ends_what_may_be_interrupted_and_nothing_else() {
    let mut pair = Pair::plain();
    let [a, b] = pair.ports();
    let clips = list([tone(1910.0, 80_000)]);
    let interruptible = Play { barge_in: true, tag: 7, ..Play::once(clips.clone()) };
    assert!(pair.engine.play_list(a, &interruptible, pair.now));
    assert!(pair.engine.play_list(b, &Play { tag: 8, ..Play::once(clips) }, pair.now));
    pair.run(SECOND);
    for phone in [CALLER, CALLEE] {
        let (port, from) = (pair.phones[phone].port, pair.phones[phone].address);
        for _ in 0..3 {
            let (sequence, timestamp, ssrc) =
                (pair.phones[phone].sequence, pair.phones[phone].timestamp, pair.phones[phone].ssrc);
            let mut packet = Box::new(media::engine::Packet::new());
            packet.copy_from(&rtp(101, sequence, timestamp, ssrc, &[5, 0x8a, 3, 32]));
            pair.phones[phone].sequence = sequence.wrapping_add(1);
            pair.engine.handle_packet(port, Channel::Rtp, from, &mut packet, pair.now);
        }
    }
    pair.run(2 * SECOND);
    let played: Vec<&Event> = pair.events.iter().filter(|e| matches!(e, Event::Played { .. })).collect();
    let [Event::Played { port, tag: 7, played, digit: Some('5') }] = played[..] else { panic!("{played:?}") };
    assert!(*port == a && played.as_millis().abs_diff(1_000) <= 40, "{played:?}");
    // The other voice is back for the one, the prompt goes on for the other.
    assert!(hears(&pair.phones[CALLER].heard, 2050.0).unwrap().until > 2_900 * MS);
    assert!(hears(&pair.phones[CALLEE].heard, 1910.0).unwrap().until > 2_900 * MS);
}

#[test]
fn it_is_paused_moved_and_stopped() {
    let mut pair = Pair::plain();
    let [a, _] = pair.ports();
    pair.phones.iter_mut().for_each(|p| p.speaking = false);
    let clips = list([tone(1910.0, 16_000), tone(560.0, 16_000)]);
    assert!(!pair.engine.pause(a, true) && !pair.engine.seek(a, SECOND) && pair.engine.stop(a).is_none());
    pair.engine.play_list(a, &Play::once(clips), pair.now);
    pair.run(SECOND);
    assert!(pair.engine.pause(a, true));
    pair.run(SECOND);
    assert!(pair.engine.pause(a, false) && pair.engine.seek(a, 3 * SECOND));
    pair.run(500 * MS);
    let played = pair.engine.stop(a).unwrap();
    assert!(played.as_millis().abs_diff(1_500) <= 20, "{played:?}");
    pair.run(SECOND);
    let heard = &pair.phones[CALLER].heard;
    let (first, second) = (hears(heard, 1910.0).unwrap(), hears(heard, 560.0).unwrap());
    assert!(first.until.as_millis().abs_diff(1_000) < 30, "{first:?}");
    assert!(
        second.from.as_millis().abs_diff(2_000) < 40 && second.until.as_millis().abs_diff(2_500) < 40,
        "{second:?}"
    );
    assert!(!pair.events.iter().any(|e| matches!(e, Event::Played { .. })));
}
