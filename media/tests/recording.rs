//! What a recording holds: both voices, where they belong.

mod common;

use common::{CALLEE, CALLER, MS, Network, Pair, SECOND, rtp, sdp};
use media::engine::{Channel, EndReason, Sound};
use media::testing::{bursts, hears};
use media::tones::Tone;
use std::time::Duration;

#[test]
fn left_is_the_caller_right_the_callee_without_a_gap() {
    let mut pair = Pair::plain();
    let recording = pair.record();
    pair.run(10 * SECOND);
    pair.engine.stop_recording(recording, pair.now);
    pair.drain();
    assert_eq!(pair.ended, Some((80_000, 0, EndReason::Stopped)));
    let [left, right] = pair.channels();
    assert_eq!((left.len(), right.len()), (80_000, 80_000));
    for (channel, own, other) in [(&left, 1070.0, 2050.0), (&right, 2050.0, 1070.0)] {
        let heard = hears(channel, own).unwrap();
        assert!(heard.longest_gap.is_zero() && heard.share > 0.99, "{heard:?}");
        assert!(heard.from < 25 * MS && heard.until > 9_980 * MS, "{heard:?}");
        assert_eq!(hears(channel, other), None);
    }
}

#[test]
fn pages_come_soon_enough_that_a_kill_costs_less_than_a_second() {
    let mut pair = Pair::plain();
    pair.record();
    for second in 1..10u64 {
        pair.run(SECOND);
        let written = pair.recorded.len() as u64 / 2;
        assert!(written + 8_000 > second * 8_000 && written.is_multiple_of(4_000), "{written} after {second} s");
    }
}

/// Both phones pulse together; however rough the network, the pulses stay together in the recording.
#[test]
fn channels_stay_aligned_over_minutes_of_jitter_loss_reordering_and_duplicates() {
    let mut pair = Pair::plain();
    pair.network = Network { delay: 40 * MS, jitter: 60 * MS, loss: 0.02, duplication: 0.05 };
    let recording = pair.record();
    for round in 0..60 {
        pair.phones.iter_mut().for_each(|p| p.speaking = true);
        pair.run(SECOND);
        // Silence suppression: the timestamps go on.
        pair.phones.iter_mut().for_each(|p| p.speaking = false);
        let quiet = 3_000 + round * 20;
        pair.run(Duration::from_millis(quiet));
        for phone in &mut pair.phones {
            phone.timestamp = phone.timestamp.wrapping_add(quiet as u32 * 8);
            phone.sent += quiet * 8;
        }
    }
    pair.engine.stop_recording(recording, pair.now);
    pair.drain();
    let [left, right] = pair.channels();
    let starts = |pcm: &[i16], hz: f32| -> Vec<Duration> {
        let bursts = bursts(pcm, hz);
        let mut starts: Vec<Duration> = bursts.first().map(|b| b.start).into_iter().collect();
        starts.extend(bursts.windows(2).filter(|w| w[1].start - w[0].end > SECOND).map(|w| w[1].start));
        starts
    };
    let (left, right) = (starts(&left, 1070.0), starts(&right, 2050.0));
    assert_eq!((left.len(), right.len()), (60, 60));
    // A first packet that was lost makes a pulse begin one packet later, in either channel.
    let apart: Vec<i128> =
        left.iter().zip(&right).map(|(l, r)| r.as_millis() as i128 - l.as_millis() as i128 - 7).collect();
    assert!(apart.iter().all(|ms| ms.abs() <= 20 || (ms.abs() - 20).abs() <= 12), "{apart:?}");
    assert!(apart.iter().filter(|ms| ms.abs() <= 12).count() > 50, "{apart:?}");
}

#[test]
fn timestamp_jumps_a_new_source_and_sequence_wraps_leave_no_gap() {
    let mut pair = Pair::plain();
    let recording = pair.record();
    pair.run(2 * SECOND);
    pair.phones[CALLER].timestamp = pair.phones[CALLER].timestamp.wrapping_add(0x5000_0000);
    pair.run(2 * SECOND);
    pair.phones[CALLER].timestamp = pair.phones[CALLER].timestamp.wrapping_sub(9_000);
    pair.run(2 * SECOND);
    pair.phones[CALLER].ssrc = 77;
    pair.phones[CALLER].sequence = 5;
    pair.phones[CALLER].timestamp = 12;
    pair.run(2 * SECOND);
    pair.engine.stop_recording(recording, pair.now);
    pair.drain();
    let [left, right] = pair.channels();
    let left = hears(&left, 1070.0).unwrap();
    assert!(left.longest_gap <= 40 * MS && left.until > 7_950 * MS && left.share > 0.98, "{left:?}");
    assert!(hears(&right, 2050.0).unwrap().longest_gap.is_zero());
}

#[test]
fn lost_packets_are_silence_of_their_own_length() {
    let mut pair = Pair::plain();
    let recording = pair.record();
    pair.run(SECOND);
    pair.network.loss = 1.0;
    pair.run(300 * MS);
    pair.network.loss = 0.0;
    pair.run(SECOND);
    pair.engine.stop_recording(recording, pair.now);
    pair.drain();
    let heard = hears(&pair.channels()[0], 1070.0).unwrap();
    assert!(heard.longest_gap.as_millis().abs_diff(300) < 8 && heard.until > 2_280 * MS, "{heard:?}");
}

#[test]
fn what_the_switch_plays_is_on_the_far_ends_channel() {
    let mut pair = Pair::plain();
    let [a, b] = pair.ports();
    let recording = pair.record();
    pair.run(SECOND);
    pair.engine.play(a, Sound::Tone(Tone::Dial), true, pair.now);
    pair.run(SECOND);
    pair.engine.stop(a);
    pair.run(SECOND);
    pair.engine.play(b, Sound::Tone(Tone::Dial), true, pair.now);
    pair.run(SECOND);
    pair.engine.stop_recording(recording, pair.now);
    pair.drain();
    let [left, right] = pair.channels();
    let tone = hears(&right, 450.0).unwrap();
    assert!(tone.from.as_millis().abs_diff(1_010) < 25 && tone.until.as_millis().abs_diff(2_010) < 25, "{tone:?}");
    assert!(tone.longest_gap.is_zero());
    // While the caller heard the tone, it did not hear the callee.
    assert!(hears(&right, 2050.0).unwrap().longest_gap.as_millis().abs_diff(1_000) < 45);
    let tone = hears(&left, 450.0).unwrap();
    assert!(tone.from.as_millis().abs_diff(3_010) < 25 && tone.until > 3_980 * MS, "{tone:?}");
}

#[test]
fn a_recording_ends_with_its_second_port_and_takes_the_silence_along() {
    let mut pair = Pair::plain();
    let [a, b] = pair.ports();
    pair.record();
    pair.run(SECOND);
    pair.engine.close(a, pair.now);
    pair.run(SECOND);
    assert_eq!(pair.ended, None);
    pair.engine.close(b, pair.now);
    pair.drain();
    assert_eq!(pair.ended, Some((16_000, 0, EndReason::Stopped)));
    assert_eq!(pair.recorded.len(), 32_000);
    assert!(hears(&pair.channels()[0], 1070.0).unwrap().until < 1_025 * MS);
}

#[test]
fn another_codec_cannot_be_recorded_and_says_so() {
    let mut pair = Pair::talking("18 8", "18 8");
    pair.record();
    pair.run(SECOND);
    let from = pair.phones[CALLEE].address;
    let phone = &mut pair.phones[CALLEE];
    let g729 = rtp(18, phone.sequence, phone.timestamp, phone.ssrc, &[0; 20]);
    phone.sequence = phone.sequence.wrapping_add(1);
    pair.arrive(from, CALLEE, Channel::Rtp, &g729);
    assert_eq!(pair.ended, Some((8_000, 0, EndReason::UnsupportedCodec)));
    assert_eq!(pair.recorded.len(), 16_000);
    // The call goes on.
    pair.run(SECOND);
    assert!(hears(&pair.phones[CALLER].heard, 2050.0).unwrap().until > 1_900 * MS);
}

#[test]
fn a_disk_that_writes_nothing_costs_bounded_memory_and_is_told() {
    let mut pair = Pair::plain();
    let recording = pair.record();
    pair.disk = false;
    pair.run(30 * SECOND);
    pair.disk = true;
    pair.engine.stop_recording(recording, pair.now);
    pair.drain();
    // Sixteen pages were handed out.
    assert_eq!(pair.ended, Some((240_000, 240_000 - 64_000, EndReason::Stopped)));
}

#[test]
fn a_second_recording_of_a_port_ends_the_first() {
    let mut pair = Pair::plain();
    let first = pair.record();
    pair.run(SECOND);
    let second = pair.record();
    assert_ne!(first, second);
    pair.drain();
    assert_eq!(pair.ended, Some((8_000, 0, EndReason::Stopped)));
    pair.engine.stop_recording(first, pair.now);
}

#[test]
fn an_hour_is_an_hour() {
    let mut pair = Pair::plain();
    pair.phones[CALLEE].speaking = false;
    let recording = pair.record();
    pair.run(SECOND);
    // The middle without phones: only time.
    pair.phones[CALLER].speaking = false;
    for _ in 0..3_598 * 5 {
        pair.now += 200 * MS;
        pair.engine.handle_timeout(pair.now);
        pair.drain();
    }
    let phone = &mut pair.phones[CALLER];
    phone.timestamp = phone.timestamp.wrapping_add(3_598 * 8_000);
    phone.speaking = true;
    pair.run(SECOND);
    pair.engine.stop_recording(recording, pair.now);
    pair.drain();
    assert_eq!(pair.ended, Some((3_600 * 8_000, 0, EndReason::Stopped)));
    assert_eq!(pair.recorded.len(), 3_600 * 8_000 * 2);
    let end = &pair.channels()[0][3_598 * 8_000..];
    let voice = hears(end, 1070.0).unwrap();
    assert!(voice.from.as_millis().abs_diff(1_000) < 25, "{voice:?}");
}

#[test]
fn a_call_that_is_put_on_hold_and_moves_stays_on_its_clock() {
    let mut pair = Pair::plain();
    let [a, _] = pair.ports();
    let recording = pair.record();
    pair.run(SECOND);
    pair.phones[CALLER].speaking = false;
    let address = pair.phones[CALLER].address;
    pair.engine.reanswer(a, &sdp(address, "8\na=inactive"), pair.now).unwrap();
    pair.run(2 * SECOND);
    pair.engine.reanswer(a, &sdp(address, "8"), pair.now).unwrap();
    pair.phones[CALLER].ssrc = 5;
    pair.phones[CALLER].speaking = true;
    pair.run(SECOND);
    pair.engine.stop_recording(recording, pair.now);
    pair.drain();
    let [left, right] = pair.channels();
    assert!(hears(&left, 1070.0).unwrap().longest_gap.as_millis().abs_diff(2_000) < 25);
    assert!(hears(&right, 2050.0).unwrap().longest_gap.is_zero());
}

#[test]
fn a_paused_recording_holds_silence_of_the_same_length() {
    let mut pair = Pair::plain();
    let recording = pair.record();
    pair.run(SECOND);
    pair.engine.pause_recording(recording, true, pair.now);
    pair.run(2 * SECOND);
    pair.engine.pause_recording(recording, false, pair.now);
    pair.run(SECOND);
    pair.engine.stop_recording(recording, pair.now);
    pair.drain();
    assert_eq!(pair.ended, Some((32_000, 0, EndReason::Stopped)));
    for (channel, hz) in pair.channels().iter().zip([1070.0, 2050.0]) {
        let heard = hears(channel, hz).unwrap();
        assert!(heard.longest_gap.as_millis().abs_diff(2_000) < 40 && heard.until > 3_950 * MS, "{heard:?}");
    }
}

#[test]
fn a_mixed_recording_has_both_voices_in_one_channel() {
    let mut pair = Pair::plain();
    let [a, b] = pair.ports();
    let recording = pair.engine.record(a, b, true, pair.now);
    pair.run(3 * SECOND);
    pair.engine.stop_recording(recording, pair.now);
    pair.drain();
    assert_eq!((pair.ended, pair.recorded.len()), (Some((24_000, 0, EndReason::Stopped)), 24_000));
    for hz in [1070.0, 2050.0] {
        let heard = hears(&pair.recorded, hz).unwrap();
        assert!(heard.longest_gap.is_zero() && heard.share > 0.99, "{heard:?}");
    }
}
