//! Phones with different codecs, and more than two of them: the right ears, the right level, no gaps.

#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use common::circle::Circle;
use common::{MS, SECOND, rtp, sdp};
use media::clip::Clip;
use media::codec::Codec;
use media::engine::{Answer, Channel, EndReason, Packet, Sound};
use media::g711::Law;
use media::rtcp;
use media::testing::{hears, level_of};
use std::net::SocketAddr;
use std::time::Duration;
use stdx::Entropy;

const A: Codec = Codec::G711(Law::A);
const MU: Codec = Codec::G711(Law::Mu);
const VOICES: [f64; 5] = [1_070.0, 2_050.0, 2_450.0, 2_850.0, 560.0];

fn level(circle: &Circle, listener: usize, hz: f64) -> (f64, f64) {
    let rate = circle.members[listener].codec.rate();
    // A hundred whole periods of every voice fit into each second.
    level_of(circle.last(listener, SECOND), hz, rate)
}

/// How far a level lies from another, in dB.
fn apart(level: f64, other: f64) -> f64 {
    (20.0 * (level / other).log10()).abs()
}

fn assert_heard(circle: &Circle, listener: usize, speaker: usize) {
    let hz = circle.members[speaker].hz;
    let (loudness, _) = level(circle, listener, hz);
    let off = apart(loudness, circle.members[speaker].amplitude);
    assert!(off < 1.0, "{listener} hears {speaker} at {loudness:.0}, {off:.2} dB off");
    let heard = hears(&circle.members[listener].ear(), hz as f32).unwrap();
    assert!(heard.longest_gap <= 40 * MS && heard.share > 0.97, "{listener} hears {speaker}: {heard:?}");
}

fn assert_not_heard(circle: &Circle, listener: usize, speaker: usize) {
    let (loudness, _) = level(circle, listener, circle.members[speaker].hz);
    assert!(loudness < 60.0, "{listener} hears {speaker} at {loudness:.0}");
}

#[test]
fn every_codec_talks_to_every_other_at_the_right_level_without_a_gap() {
    for (i, first) in Codec::ALL.into_iter().enumerate() {
        for second in Codec::ALL.into_iter().skip(i + 1) {
            // A lone tone near 2 kHz is what Opus for telephones keeps worst; these it keeps.
            let mut circle = Circle::of(&[(first, VOICES[0]), (second, VOICES[4])]);
            let [a, b] = circle.ports()[..] else { panic!() };
            circle.engine.bridge(a, b, circle.now);
            circle.run(2 * SECOND);
            for (listener, speaker) in [(0, 1), (1, 0)] {
                let hz = circle.members[speaker].hz;
                let (loudness, snr) = level(&circle, listener, hz);
                let opus = first == Codec::Opus || second == Codec::Opus;
                let least = if opus { 8.0 } else { 20.0 };
                let what = format!("{first:?} and {second:?}, {listener}: {loudness:.0} {snr:.1} dB");
                assert!(apart(loudness, 6_000.0) < 1.0 && snr > least, "{what}");
                let heard = hears(&circle.members[listener].ear(), hz as f32).unwrap();
                assert!(heard.longest_gap.is_zero() && heard.until > 1_900 * MS, "{what} {heard:?}");
                assert_not_heard(&circle, listener, listener);
            }
        }
    }
}

#[test]
fn opus_says_again_what_it_said_to_a_peer_that_reports_loss() {
    let mut circle = Circle::of(&[(Codec::Opus, VOICES[0]), (A, VOICES[4])]);
    let [a, b] = circle.ports()[..] else { panic!() };
    circle.engine.bridge(a, b, circle.now);
    circle.run(SECOND);
    // In how many of a hundred moments of broken speech: what is steady is not said again.
    let says_again = |circle: &mut Circle| {
        let mut copies = 0;
        for moment in 0..100 {
            circle.members[1].amplitude = if moment / 10 % 2 == 0 { 6_000.0 } else { 20.0 };
            circle.run(20 * MS);
            let payload = &circle.members[0].last_payload;
            // RFC 6716 §4.2.3: the second bit that SILK writes tells of the copy.
            copies += u32::from(payload[0] >> 3 < 12 && payload[1] & 0x40 != 0);
        }
        copies
    };
    assert_eq!(says_again(&mut circle), 0);
    let (ssrc, from) = (circle.members[0].headers[0].ssrc, circle.members[0].address);
    let report = |fraction_lost| {
        let block = Some(rtcp::Block { ssrc, fraction_lost, ..rtcp::Block::default() });
        let mut datagram = Vec::new();
        rtcp::Report { ssrc: 5, sender: None, block, voip: None, cname: "phone", bye: false }.write(&mut datagram);
        let mut packet = Packet::new();
        packet.copy_from(&datagram);
        packet
    };
    let from = SocketAddr::new(from.ip(), from.port() + 1);
    circle.engine.handle_packet(a, Channel::Rtcp, from, &mut report(30), circle.now);
    let copies = says_again(&mut circle);
    assert!(copies > 20, "{copies}");
    for _ in 0..10 {
        circle.engine.handle_packet(a, Channel::Rtcp, from, &mut report(0), circle.now);
    }
    assert_eq!(says_again(&mut circle), 0);
}

#[test]
fn three_hear_each_other_but_not_themselves() {
    let mut circle = Circle::of(&[(A, VOICES[0]), (Codec::G722, VOICES[1]), (MU, VOICES[2])]);
    circle.join_all();
    circle.run(3 * SECOND);
    for listener in 0..3 {
        for speaker in 0..3 {
            if listener == speaker {
                assert_not_heard(&circle, listener, speaker);
            } else {
                assert_heard(&circle, listener, speaker);
            }
        }
    }
}

#[test]
fn a_circle_of_five_shares_one_sum_and_who_leaves_is_gone() {
    let phones: Vec<(Codec, f64)> = [A, MU, Codec::G722, A, Codec::L16(48_000)].into_iter().zip(VOICES).collect();
    let mut circle = Circle::of(&phones);
    circle.members.iter_mut().for_each(|m| m.amplitude = 3_000.0);
    circle.join_all();
    circle.run(3 * SECOND);
    for listener in 0..5 {
        (0..5).filter(|s| *s != listener).for_each(|speaker| assert_heard(&circle, listener, speaker));
        assert_not_heard(&circle, listener, listener);
    }
    let gone = circle.ports()[1];
    circle.engine.close(gone, circle.now);
    circle.run(2 * SECOND);
    for listener in [0, 2, 3, 4] {
        assert_not_heard(&circle, listener, 1);
        [0, 2, 3, 4].into_iter().filter(|s| *s != listener).for_each(|s| assert_heard(&circle, listener, s));
    }
}

#[test]
fn a_supervisor_listens_then_whispers_then_barges_in() {
    let mut circle = Circle::of(&[(A, VOICES[0]), (A, VOICES[1]), (A, VOICES[2])]);
    let [customer, agent, supervisor] = circle.ports()[..] else { panic!() };
    circle.engine.bridge(customer, agent, circle.now);
    circle.settle();
    circle.engine.hear(supervisor, &[customer, agent], circle.now);
    circle.run(2 * SECOND);
    assert_heard(&circle, 2, 0);
    assert_heard(&circle, 2, 1);
    assert_not_heard(&circle, 0, 2);
    assert_not_heard(&circle, 1, 2);
    circle.engine.hear(agent, &[customer, supervisor], circle.now);
    circle.run(2 * SECOND);
    assert_heard(&circle, 1, 0);
    assert_not_heard(&circle, 0, 2);
    assert!(apart(level(&circle, 1, VOICES[2]).0, 6_000.0) < 1.0);
    circle.engine.hear(customer, &[agent, supervisor], circle.now);
    circle.run(2 * SECOND);
    assert!(apart(level(&circle, 0, VOICES[2]).0, 6_000.0) < 1.0);
    assert_heard(&circle, 0, 1);
    // The two are bridged again: the supervisor is heard no longer, and goes on listening.
    circle.engine.bridge(customer, agent, circle.now);
    circle.engine.hear(supervisor, &[customer, agent], circle.now);
    circle.run(2 * SECOND);
    assert_not_heard(&circle, 0, 2);
    assert_not_heard(&circle, 1, 2);
    assert_heard(&circle, 0, 1);
    assert_heard(&circle, 2, 1);
    // Through all of it, one stream without a hole in its numbers.
    for member in &circle.members {
        assert!(member.headers.windows(2).all(|p| p[1].sequence == p[0].sequence.wrapping_add(1)));
    }
}

#[test]
fn levels_and_mute_hold_for_who_hears() {
    let mut circle = Circle::of(&[(A, VOICES[0]), (A, VOICES[1])]);
    let [a, b] = circle.ports()[..] else { panic!() };
    circle.engine.bridge(a, b, circle.now);
    circle.settle();
    circle.engine.set_levels(a, -6.0, 0.0, circle.now);
    circle.run(2 * SECOND);
    assert!(apart(level(&circle, 1, VOICES[0]).0, 3_007.0) < 0.3);
    assert_heard(&circle, 0, 1);
    circle.engine.set_levels(a, 0.0, 6.0, circle.now);
    circle.run(2 * SECOND);
    assert!(apart(level(&circle, 0, VOICES[1]).0, 11_970.0) < 0.3);
    circle.engine.set_levels(a, 0.0, 0.0, circle.now);
    circle.engine.mute(a, true, circle.now);
    circle.run(2 * SECOND);
    assert_not_heard(&circle, 1, 0);
    assert_heard(&circle, 0, 1);
    let packets = circle.members[1].headers.len();
    circle.engine.mute(a, false, circle.now);
    circle.run(2 * SECOND);
    assert_eq!(circle.members[1].headers.len(), packets + 100, "the stream flows on through the silence");
    assert!(apart(level(&circle, 1, VOICES[0]).0, 6_000.0) < 1.0);
}

#[test]
fn loud_voices_saturate_instead_of_wrapping_round() {
    let mut circle = Circle::of(&[(Codec::L16(8_000), 500.0), (A, 500.0), (A, 500.0), (A, 500.0)]);
    circle.members.iter_mut().for_each(|m| m.amplitude = 30_000.0);
    circle.join_all();
    circle.run(2 * SECOND);
    let heard = circle.last(0, SECOND);
    assert!(heard.contains(&i16::MAX) && heard.contains(&i16::MIN));
    let jumps = heard.windows(2).filter(|p| (i32::from(p[1]) - i32::from(p[0])).abs() > 50_000).count();
    assert_eq!(jumps, 0);
}

#[test]
fn loss_and_jitter_leave_no_gap_that_can_be_heard() {
    for codec in [A, MU, Codec::G722, Codec::Opus, Codec::L16(16_000), Codec::Gsm] {
        for (own, other) in [(VOICES[0], VOICES[1]), (VOICES[1], VOICES[0])] {
            let mut circle = Circle::of(&[(codec, own), (Codec::L16(8_000), other)]);
            let [a, b] = circle.ports()[..] else { panic!() };
            circle.members[0].loss = 0.05;
            circle.members[0].jitter = 30 * MS;
            circle.engine.bridge(a, b, circle.now);
            circle.run(20 * SECOND);
            let heard = hears(&circle.members[1].ear(), own as f32).unwrap();
            assert!(heard.longest_gap <= 40 * MS && heard.share > 0.93, "{codec:?}, {own} Hz: {heard:?}");
        }
    }
}

#[test]
fn sound_passes_the_mixer_within_forty_milliseconds() {
    let mut circle = Circle::of(&[(A, VOICES[0]), (Codec::L16(8_000), VOICES[1]), (MU, VOICES[2])]);
    circle.join_all();
    circle.settle();
    circle.members[0].hz = VOICES[3];
    let began = circle.now;
    circle.run(SECOND);
    let member = &circle.members[1];
    // Where in the stream what was sent at that moment lies.
    let at = member.arrivals.iter().position(|at| *at >= began).unwrap() * 160;
    let heard = hears(&member.heard[at..], VOICES[3] as f32).unwrap();
    assert!(heard.from < 40 * MS, "{heard:?}");
}

#[test]
fn on_a_clean_line_a_packet_waits_for_the_next_frame_only() {
    // Opus looks 6.5 ms ahead (RFC 6716 §2.1.3 and §4.2.9).
    for (from, to, own) in [(A, Codec::G722, 0), (Codec::G722, MU, 0), (A, Codec::Opus, 7), (Codec::Opus, A, 7)] {
        let phases = (0..20).step_by(3);
        let delays = phases.map(|phase| {
            let mut circle = Circle::of(&[(from, VOICES[0]), (to, VOICES[4])]);
            circle.members[0].phase = phase;
            let ports = circle.ports();
            circle.engine.bridge(ports[0], ports[1], circle.now);
            circle.run(2 * SECOND);
            let began = circle.now;
            circle.members[0].hz = 620.0;
            circle.run(SECOND);
            let member = &circle.members[1];
            let place = member.arrivals.iter().position(|at| *at >= began).unwrap();
            let ticks = member.headers[place].timestamp.wrapping_sub(member.headers[0].timestamp);
            let at = ticks as usize * 8_000 / member.codec.clock() as usize;
            let heard = hears(&member.ear()[at..], 620.0).unwrap();
            // A millisecond of the network each way is not the switch's.
            (member.arrivals[place] - began + heard.from).saturating_sub(phase as u32 * MS + 2 * MS)
        });
        let delays: Vec<Duration> = delays.collect();
        // A frame at most, half of one in the mean, and what filters take.
        let (longest, mean) = (*delays.iter().max().unwrap(), delays.iter().sum::<Duration>() / delays.len() as u32);
        assert!(longest <= (25 + own) * MS && mean <= (15 + own) * MS, "{from:?} to {to:?}: {delays:?}");
    }
}

#[test]
fn whatever_one_of_a_circle_sends_the_others_hear_each_other_and_it_is_heard_again() {
    let mut circle = Circle::of(&[(A, VOICES[0]), (Codec::G722, VOICES[1]), (MU, VOICES[4])]);
    circle.join_all();
    circle.settle();
    let mut octets = Entropy::seeded(5);
    for wrong in 0..6u32 {
        for _ in 0..40 {
            let mut garbage = vec![0; 12 + octets.below(1_400) as usize];
            octets.fill(&mut garbage);
            let member = &circle.members[0];
            let (sequence, timestamp, ssrc) = (member.sequence, member.timestamp, member.address.port().into());
            let datagram = match wrong {
                // Sequence and time jump, and jump back; nothing but a header; all that fits into a datagram.
                0 => rtp(8, sequence.wrapping_add(30_000), timestamp.wrapping_add(1 << 31), ssrc, &[0xd5; 160]),
                1 => rtp(8, sequence, timestamp, ssrc, &[]),
                2 => rtp(8, sequence.wrapping_sub(1), timestamp, ssrc, &[0xd5; 65_495]),
                // Another stream from the same place, a codec that was not agreed, and no RTP at all.
                3 => rtp(8, sequence, timestamp, 77, &[0xd5; 160]),
                4 => rtp(18, sequence, timestamp, ssrc, &[0xd5; 20]),
                _ => garbage.clone(),
            };
            circle.arrive(0, Channel::Rtp, &datagram);
            garbage[..2].copy_from_slice(&[0x81, 200 + (wrong % 8) as u8]);
            circle.arrive(0, Channel::Rtcp, &garbage);
            circle.run(20 * MS);
        }
        circle.run(2 * SECOND);
        for (listener, speaker) in [(1, 2), (2, 1)] {
            let hz = circle.members[speaker].hz as f32;
            let heard = hears(&circle.members[listener].ear(), hz).unwrap();
            assert!(
                heard.longest_gap <= 40 * MS && heard.share > 0.97,
                "{wrong}: {listener} hears {speaker}: {heard:?}"
            );
        }
        assert!(level(&circle, 1, VOICES[0]).0 > 5_000.0 && level(&circle, 2, VOICES[0]).0 > 5_000.0, "{wrong}");
    }
}

/// How long what the first member says from now on takes to the ear of the second.
fn delay(circle: &mut Circle) -> Duration {
    circle.members[0].hz = VOICES[3];
    let began = circle.now;
    circle.run(SECOND);
    let member = &circle.members[1];
    let place = member.arrivals.iter().position(|at| *at >= began).unwrap();
    // Where that lies in what was heard, its timestamp tells.
    let at = member.headers[place].timestamp.wrapping_sub(member.headers[0].timestamp) as usize;
    let heard = hears(&member.heard[at..], VOICES[3] as f32).unwrap();
    circle.members[0].hz = VOICES[0];
    heard.from
}

#[test]
fn one_second_after_a_stall_of_the_network_delay_is_back_to_normal() {
    for stall in [500 * MS, 2 * SECOND] {
        let mut circle = Circle::of(&[(A, VOICES[0]), (Codec::L16(8_000), VOICES[1]), (MU, VOICES[2])]);
        circle.join_all();
        circle.settle();
        // All packets of that time at one moment, and then as if nothing had been.
        circle.hold_back(0, stall);
        circle.run(stall + SECOND);
        let after = delay(&mut circle);
        assert!(after <= 60 * MS, "{stall:?}: {after:?}");
        circle.settle();
        assert!(apart(level(&circle, 1, VOICES[0]).0, 6_000.0) < 1.0);
    }
}

#[test]
fn one_second_after_the_machine_stood_still_delay_is_back_to_normal() {
    let mut circle = Circle::of(&[(A, VOICES[0]), (Codec::L16(8_000), VOICES[1]), (MU, VOICES[2])]);
    circle.join_all();
    circle.settle();
    let sent = circle.members[1].headers.len();
    // For two seconds nothing is read and no timer fires; then everything that came meanwhile is read at once.
    circle.freeze(2 * SECOND);
    circle.run(MS);
    let burst = circle.members[1].headers.len() - sent;
    assert!(burst <= 5, "{burst} packets at once: what was missed is left out");
    circle.run(SECOND - MS);
    let after = delay(&mut circle);
    assert!(after <= 60 * MS, "{after:?}");
    circle.settle();
    (0..3).for_each(|listener| {
        (0..3).filter(|s| *s != listener).for_each(|s| assert!(level(&circle, listener, VOICES[s]).0 > 5_000.0));
    });
}

/// So many members, each with a pitch of its own that no other one's detector hears.
fn choir(members: usize, codec: impl Fn(usize) -> Codec) -> Circle {
    let phones: Vec<(Codec, f64)> = (0..members).map(|i| (codec(i), 300.0 + 50.0 * (i % 60) as f64)).collect();
    Circle::of(&phones)
}

#[test]
fn of_many_voices_the_eight_loudest_are_heard() {
    let mut circle = choir(12, |i| [A, MU][i % 2]);
    for (i, member) in circle.members.iter_mut().enumerate() {
        member.amplitude = if i < 4 { 700.0 } else { 2_000.0 };
    }
    circle.join_all();
    circle.run(3 * SECOND);
    for listener in 0..12 {
        (0..4).for_each(|quiet| {
            let (heard, _) = level(&circle, listener, circle.members[quiet].hz);
            assert!(heard < 100.0, "{listener} hears {quiet} at {heard:.0}");
        });
        (4..12).filter(|s| *s != listener).for_each(|loud| {
            let (heard, _) = level(&circle, listener, circle.members[loud].hz);
            assert!(apart(heard, 2_000.0) < 1.0, "{listener} hears {loud} at {heard:.0}");
        });
        let (own, _) = level(&circle, listener, circle.members[listener].hz);
        assert!(own < 100.0, "{listener} hears itself at {own:.0}");
    }
    // Who speaks up takes the place of another at once; who falls silent makes room.
    circle.members[0].amplitude = 6_000.0;
    circle.run(2 * SECOND);
    assert!(apart(level(&circle, 5, circle.members[0].hz).0, 6_000.0) < 1.0);
    assert!(level(&circle, 0, circle.members[0].hz).0 < 100.0, "it does not hear itself");
    (4..12).for_each(|i| circle.members[i].amplitude = 0.0);
    circle.run(4 * SECOND);
    (0..3).for_each(|i| assert!(level(&circle, 9, circle.members[i].hz).0 > 600.0, "{i} is heard now"));
}

#[test]
fn those_who_listen_only_share_one_mix_in_every_codec_and_who_speaks_up_is_heard() {
    let codecs = [A, MU, Codec::G722, Codec::L16(8_000), Codec::Gsm];
    let mut circle = choir(15, |i| codecs[i % 5]);
    circle.members.iter_mut().skip(2).for_each(|member| member.amplitude = 0.0);
    circle.members[7].packet_ms = 40;
    let (port, sdp) = (circle.members[7].port, circle.members[7].describe());
    circle.engine.reanswer(port, &sdp, circle.now).unwrap();
    circle.join_all();
    circle.run(3 * SECOND);
    for listener in 0..15 {
        (0..2).filter(|s| *s != listener).for_each(|s| assert_heard(&circle, listener, s));
        (0..2).filter(|s| *s == listener).for_each(|s| assert_not_heard(&circle, listener, s));
    }
    // A listener that is not heard hears others louder for itself alone.
    circle.engine.set_levels(circle.members[10].port, 0.0, 6.0, circle.now);
    // Two who were silent begin to speak, one of them in wide band.
    circle.members[7].amplitude = 5_000.0;
    circle.members[3].amplitude = 5_000.0;
    circle.run(3 * SECOND);
    for listener in (0..15).filter(|listener| *listener != 10) {
        for speaker in [0, 1, 3, 7] {
            let (heard, _) = level(&circle, listener, circle.members[speaker].hz);
            let expected = circle.members[speaker].amplitude;
            // Four tones at once are much for GSM.
            let least = if circle.members[listener].codec == Codec::Gsm { 3.0 } else { 1.0 };
            match speaker == listener {
                true => assert!(heard < 100.0, "{listener} hears itself at {heard:.0}"),
                false => assert!(apart(heard, expected) < least, "{listener} hears {speaker} at {heard:.0}"),
            }
        }
    }
    let (louder, _) = level(&circle, 10, circle.members[3].hz);
    assert!(apart(louder, 9_976.0) < 1.0, "{louder:.0}");
    for member in &circle.members {
        assert!(member.headers.windows(2).all(|p| p[1].sequence == p[0].sequence.wrapping_add(1)));
    }
}

#[test]
fn two_of_a_circle_consult_in_private_and_one_hears_music() {
    let mut circle = choir(5, |i| [A, MU, Codec::G722, A, MU][i]);
    circle.members.iter_mut().for_each(|m| m.amplitude = 3_000.0);
    let ports = circle.ports();
    circle.join_all();
    circle.run(2 * SECOND);
    // The first two speak with each other; the others go on, and one of these hears music.
    circle.engine.bridge(ports[0], ports[1], circle.now);
    (2..5).for_each(|i| circle.engine.hear(ports[i], &ports[2..], circle.now));
    let music = Clip::from(media::testing::tone(1_070.0, 8_000));
    assert!(circle.engine.play(ports[4], Sound::from(music), true, circle.now));
    circle.run(3 * SECOND);
    let hears = |circle: &Circle, listener: usize, speaker: usize| {
        level(circle, listener, circle.members[speaker].hz).0 > 2_000.0
    };
    for listener in 0..4 {
        for speaker in 0..5 {
            let private = [listener, speaker].map(|i| i < 2);
            let expected = listener != speaker && private[0] == private[1];
            assert_eq!(hears(&circle, listener, speaker), expected, "{listener} and {speaker}");
        }
    }
    assert!((0..5).all(|speaker| !hears(&circle, 4, speaker)) && level(&circle, 4, 1_070.0).0 > 4_000.0);
    circle.engine.stop(ports[4]);
    circle.join_all();
    circle.run(3 * SECOND);
    for listener in 0..5 {
        (0..5).for_each(|speaker| assert_eq!(hears(&circle, listener, speaker), listener != speaker));
    }
}

#[test]
fn two_hundred_hear_the_one_who_speaks() {
    let mut circle = choir(200, |i| [A, MU][i % 2]);
    circle.members.iter_mut().skip(1).for_each(|member| member.amplitude = 0.0);
    circle.join_all();
    circle.run(2 * SECOND);
    for listener in 1..200 {
        let (heard, _) = level(&circle, listener, circle.members[0].hz);
        assert!(apart(heard, 6_000.0) < 1.0, "{listener}: {heard:.0}");
    }
    // Half of them leave.
    for port in &circle.ports()[100..] {
        circle.engine.close(*port, circle.now);
    }
    circle.run(2 * SECOND);
    assert_heard_last(&circle, 50);
    let quiet = circle.members[150].headers.len();
    assert!(quiet < 130, "{quiet} packets");
}

fn assert_heard_last(circle: &Circle, listener: usize) {
    assert!(apart(level(circle, listener, circle.members[0].hz).0, 6_000.0) < 1.0);
}

#[test]
fn packet_times_from_ten_to_sixty_milliseconds_meet() {
    for (ours, theirs) in [(10, 60), (30, 20), (40, 10), (60, 40)] {
        let mut circle = Circle::of(&[(A, VOICES[0]), (Codec::G722, VOICES[1])]);
        circle.members[0].packet_ms = ours;
        circle.members[1].packet_ms = theirs;
        for i in 0..2 {
            let (port, sdp) = (circle.members[i].port, circle.members[i].describe());
            circle.engine.reanswer(port, &sdp, circle.now).unwrap();
        }
        let [a, b] = circle.ports()[..] else { panic!() };
        circle.engine.bridge(a, b, circle.now);
        circle.run(3 * SECOND);
        for (listener, speaker) in [(0, 1), (1, 0)] {
            let (loudness, _) = level(&circle, listener, circle.members[speaker].hz);
            assert!(apart(loudness, 6_000.0) < 1.0, "{ours} and {theirs}, {listener}: {loudness:.0}");
            let member = &circle.members[listener];
            let step = member.codec.clock() / 1_000 * member.packet_ms as u32;
            let steady = member.headers[3..].windows(2).all(|p| p[1].timestamp.wrapping_sub(p[0].timestamp) == step);
            assert!(steady, "{ours} and {theirs}, {listener}: {:?}", &member.headers[..8]);
            let heard = hears(&member.ear(), circle.members[speaker].hz as f32).unwrap();
            assert!(heard.longest_gap <= 20 * MS, "{ours} and {theirs}: {heard:?}");
        }
    }
}

#[test]
fn a_recording_goes_on_through_every_codec() {
    let mut circle = Circle::of(&[(Codec::G722, VOICES[0]), (Codec::Opus, VOICES[1])]);
    let [a, b] = circle.ports()[..] else { panic!() };
    circle.engine.bridge(a, b, circle.now);
    let recording = circle.engine.record(a, b, false, circle.now);
    circle.run(3 * SECOND);
    // Another description: the caller turns to A-law, while both are recorded.
    circle.members[0].turn_to(A);
    let sdp = circle.members[0].describe();
    circle.engine.reanswer(a, &sdp, circle.now).unwrap();
    circle.run(3 * SECOND);
    circle.engine.stop_recording(recording, circle.now);
    circle.run(10 * MS);
    assert_eq!(circle.ended, Some(EndReason::Stopped));
    for (side, hz) in [(0, VOICES[0]), (1, VOICES[1])] {
        let channel: Vec<i16> = circle.recorded.iter().skip(side).step_by(2).copied().collect();
        let heard = hears(&channel, hz as f32).unwrap();
        assert!(heard.longest_gap <= 60 * MS && heard.from < 80 * MS && heard.until > 5_900 * MS, "{side}: {heard:?}");
        assert!(apart(level_of(&channel[8_000..16_000], hz, 8_000).0, 6_000.0) < 1.0, "{side}");
        assert_eq!(hears(&channel, VOICES[1 - side] as f32), None);
    }
}

#[test]
fn a_codec_may_change_in_mid_call_without_a_gap() {
    let mut circle = Circle::of(&[(A, VOICES[0]), (A, VOICES[4])]);
    let [a, b] = circle.ports()[..] else { panic!() };
    circle.engine.bridge(a, b, circle.now);
    circle.run(2 * SECOND);
    for codec in [Codec::G722, A, Codec::L16(16_000), Codec::Opus, A] {
        circle.members[0].turn_to(codec);
        let sdp = circle.members[0].describe();
        circle.engine.reanswer(a, &sdp, circle.now).unwrap();
        circle.run(2 * SECOND);
        let (loudness, _) = level(&circle, 0, VOICES[4]);
        // Opus for telephones keeps a lone tone less well than speech.
        let off = if codec == Codec::Opus { 2.5 } else { 1.0 };
        assert!(apart(loudness, 6_000.0) < off, "{codec:?}: {loudness}");
    }
    let heard = hears(&circle.members[1].ear(), VOICES[0] as f32).unwrap();
    assert!(heard.longest_gap <= 60 * MS && heard.until > 11_900 * MS, "{heard:?}");
    assert!(circle.members[1].headers.windows(2).all(|p| p[1].sequence == p[0].sequence.wrapping_add(1)));
}

#[test]
fn digits_pass_the_mixer_once_and_music_is_for_one_alone() {
    let mut circle = Circle::of(&[(Codec::G722, VOICES[0]), (A, VOICES[1])]);
    let [a, b] = circle.ports()[..] else { panic!() };
    circle.engine.bridge(a, b, circle.now);
    circle.settle();
    circle.engine.digit(a, '5', 100 * MS, circle.now);
    circle.run(SECOND);
    let ends = |digits: &[Vec<u8>]| digits.iter().filter(|d| d[1] & 0x80 != 0).count();
    assert_eq!((circle.members[0].digits.len(), ends(&circle.members[0].digits)), (7, 3));
    assert!(circle.members[1].digits.is_empty());
    // Music in wide band for the caller; the other goes on hearing the caller.
    let music: Vec<i16> = (0..8_000).map(|i| ((f64::from(i) * 0.3).sin() * 5_000.0) as i16).collect();
    assert!(circle.engine.play(a, Sound::from(Clip::from(music)), true, circle.now));
    circle.run(2 * SECOND);
    assert_not_heard(&circle, 0, 1);
    assert!(apart(level_of(circle.last(0, SECOND), 0.3 * 8_000.0 / std::f64::consts::TAU, 16_000).0, 5_000.0) < 1.0);
    assert!(apart(level(&circle, 1, VOICES[0]).0, 6_000.0) < 1.0);
    circle.engine.stop(a);
    circle.run(2 * SECOND);
    assert!(apart(level(&circle, 0, VOICES[1]).0, 6_000.0) < 1.0);
}

#[test]
fn shared_codecs_are_preferred_and_lists_are_kept() {
    let mut circle = Circle::of(&[(A, VOICES[0]), (A, VOICES[1])]);
    let [a, b] = circle.ports()[..] else { panic!() };
    let m_line = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        text.lines().find(|l| l.starts_with("m=audio")).unwrap().split_once("AVP ").unwrap().1.to_owned()
    };
    let there = circle.members[0].address;
    let wide = "9 8 101\na=rtpmap:101 telephone-event/8000";
    circle.engine.set_remote_offer(a, &sdp(there, wide), circle.now).unwrap();
    assert_eq!(m_line(&circle.engine.make_offer(b, Some(a), circle.now)), "9 8 0 101");
    // The list is what is offered: shared or not, in its order.
    let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    circle.engine.allow(b, &list(&["PCMU", "G722", "opus"]));
    assert_eq!(m_line(&circle.engine.make_offer(b, Some(a), circle.now)), "0 9 96 101");
    circle.engine.set_remote_answer(b, &sdp(there, "9"), circle.now).unwrap();
    let answer = circle.engine.make_answer(a, Answer::Joined(b), circle.now).unwrap();
    assert_eq!(m_line(&answer), "9", "what both share");
    // Nothing is shared: the switch stands between.
    circle.engine.set_remote_offer(a, &sdp(there, wide), circle.now).unwrap();
    circle.engine.allow(a, &list(&["PCMA"]));
    circle.engine.make_offer(b, Some(a), circle.now);
    circle.engine.set_remote_answer(b, &sdp(there, "96\na=rtpmap:96 opus/48000/2"), circle.now).unwrap();
    let answer = circle.engine.make_answer(a, Answer::Joined(b), circle.now).unwrap();
    assert_eq!(m_line(&answer), "8 101");
    // An offer of our own is the list.
    circle.engine.allow(b, &list(&["G722", "L16/16000"]));
    let fresh = circle.engine.open("192.0.2.1".parse().unwrap(), circle.now).unwrap();
    circle.engine.allow(fresh, &list(&["G722", "L16/16000", "G729"]));
    assert_eq!(m_line(&circle.engine.make_offer(fresh, None, circle.now)), "9 96 101");
}

#[test]
fn thirty_members_come_and_half_of_them_go() {
    let phones: Vec<(Codec, f64)> = (0..30).map(|i| (if i % 2 == 0 { A } else { MU }, 560.0)).collect();
    let mut circle = Circle::of(&phones);
    circle.members.iter_mut().for_each(|m| m.speaking = false);
    circle.members[0].speaking = true;
    circle.join_all();
    circle.run(Duration::from_secs(1));
    for port in circle.ports().into_iter().skip(1).step_by(2) {
        circle.engine.close(port, circle.now);
    }
    circle.run(Duration::from_secs(2));
    for listener in (2..30).step_by(2) {
        assert!(apart(level(&circle, listener, 560.0).0, 6_000.0) < 1.0, "{listener}");
    }
    circle.ports().into_iter().for_each(|port| drop(circle.engine.close(port, circle.now)));
    assert_eq!(circle.engine.open_ports(), 0);
}

#[test]
fn after_hold_the_clock_of_the_stream_has_moved_on() {
    let mut circle = Circle::of(&[(Codec::G722, VOICES[0]), (A, VOICES[1])]);
    let [a, b] = circle.ports()[..] else { panic!() };
    circle.engine.bridge(a, b, circle.now);
    circle.settle();
    let describe = |circle: &Circle| circle.members[1].describe();
    let hold = [describe(&circle), b"a=sendonly\r\n".to_vec()].concat();
    circle.engine.reanswer(b, &hold, circle.now).unwrap();
    let packets = circle.members[1].headers.len();
    circle.run(2 * SECOND);
    assert!(circle.members[1].headers.len() <= packets + 1);
    let back = describe(&circle);
    circle.engine.reanswer(b, &back, circle.now).unwrap();
    circle.run(2 * SECOND);
    let headers = &circle.members[1].headers;
    let jump = headers.windows(2).map(|p| p[1].timestamp.wrapping_sub(p[0].timestamp)).max().unwrap();
    assert!((15_500..16_500).contains(&jump), "{jump}");
    assert!(apart(level(&circle, 1, VOICES[0]).0, 6_000.0) < 1.0);
}
