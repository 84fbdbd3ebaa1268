//! Two phones hear each other, and nobody else.

mod common;

use common::{CALLEE, CALLER, MS, Network, Pair, SECOND, rtp, sdp, text};
use media::clip::Clip;
use media::engine::{Answer, Channel, Event, Sound};
use media::g711::Law;
use media::rtcp::{self, Item};
use media::testing::hears;
use media::tones::Tone;
use std::net::SocketAddr;
use std::time::Duration;

fn assert_clean(pcm: &[i16], hz: f32, seconds: f32) {
    let heard = hears(pcm, hz).unwrap_or_else(|| panic!("{hz} Hz is not there"));
    assert!(heard.longest_gap.is_zero() && (heard.until - heard.from).as_secs_f32() > seconds, "{heard:?}");
}

#[test]
fn both_hear_each_other_and_not_themselves() {
    let mut pair = Pair::plain();
    pair.run(5 * SECOND);
    assert_clean(&pair.phones[CALLER].heard, 2050.0, 4.9);
    assert_clean(&pair.phones[CALLEE].heard, 1070.0, 4.9);
    assert_eq!(hears(&pair.phones[CALLER].heard, 1070.0), None);
    let [a, b] = pair.ports();
    let told = pair.events.iter().filter(|e| !matches!(e, Event::Quality { .. })).copied();
    assert_eq!(told.collect::<Vec<_>>(), [Event::Started { port: a }, Event::Started { port: b }]);
    let quality = pair.engine.quality(a, pair.now);
    assert_eq!((quality.codec.as_str(), quality.lost, quality.received), ("PCMA", 0, 250));
    assert!(quality.mos.unwrap() > 4.3, "{quality:?}");
}

#[test]
fn the_two_laws_are_turned_into_each_other_in_place() {
    let mut pair = Pair::talking("8 101\na=rtpmap:101 telephone-event/8000", "0");
    pair.phones[CALLEE].law = Law::Mu;
    pair.phones[CALLEE].pt = 0;
    pair.run(2 * SECOND);
    assert!(pair.phones[CALLEE].headers.iter().all(|h| h.payload_type == 0));
    assert!(pair.phones[CALLER].headers.iter().all(|h| h.payload_type == 8));
    assert_clean(&pair.phones[CALLER].heard, 2050.0, 1.9);
    assert_clean(&pair.phones[CALLEE].heard, 1070.0, 1.9);
}

#[test]
fn a_codec_both_share_passes_untouched_under_the_other_sides_number() {
    let mut pair = Pair::talking(
        "96 8\na=rtpmap:96 opus/48000/2\na=fmtp:96 useinbandfec=1",
        "111\na=rtpmap:111 OPUS/48000/2\na=fmtp:111 stereo=0",
    );
    let [a, b] = pair.ports();
    for i in 0..10u16 {
        let from = pair.phones[CALLER].address;
        pair.arrive(from, CALLER, Channel::Rtp, &rtp(96, i, u32::from(i) * 960, 5, b"opus packet"));
        // The offer said 96, so that is what the callee may send us.
        let from = pair.phones[CALLEE].address;
        pair.arrive(from, CALLEE, Channel::Rtp, &rtp(96, i, u32::from(i) * 960, 6, b"back"));
    }
    pair.phones.iter_mut().for_each(|p| p.speaking = false);
    pair.run(10 * MS);
    let callee = &pair.phones[CALLEE];
    assert!(callee.headers.iter().all(|h| h.payload_type == 111) && callee.payloads.len() == 10);
    assert!(callee.payloads.iter().all(|p| p == b"opus packet"));
    assert!(pair.phones[CALLER].headers.iter().all(|h| h.payload_type == 96));
    let answer = text(&pair.engine.make_answer(a, Answer::Joined(b), pair.now).unwrap());
    assert!(answer.contains(" RTP/AVP 96\r\n") && answer.contains("a=fmtp:96 stereo=0\r\n"), "{answer}");
    assert_eq!(pair.engine.quality(a, pair.now).codec, "opus");
}

#[test]
fn a_rough_network_is_passed_on_and_counted() {
    let mut pair = Pair::plain();
    pair.network = Network { delay: 20 * MS, jitter: 30 * MS, loss: 0.05, duplication: 0.1 };
    pair.run(60 * SECOND);
    let quality = pair.engine.quality(pair.phones[CALLER].port, pair.now);
    assert!((3.0..7.5).contains(&quality.loss_percent()), "{quality:?}");
    assert!(quality.duplicates > 200 && quality.late > 100, "{quality:?}");
    assert!((4.0..20.0).contains(&quality.jitter_ms), "{quality:?}");
    assert!((3.0..4.2).contains(&quality.mos.unwrap()), "{quality:?}");
    let heard = hears(&pair.phones[CALLEE].heard, 1070.0).unwrap();
    assert!(heard.share > 0.85 && heard.until > 59 * SECOND, "{heard:?}");
    assert!(pair.phones[CALLEE].headers.iter().all(|h| h.ssrc == pair.phones[CALLEE].headers[0].ssrc));
}

#[test]
fn a_stranger_is_not_heard_and_moves_nothing() {
    let mut pair = Pair::plain();
    pair.run(SECOND);
    let stranger: SocketAddr = "203.0.113.66:9".parse().unwrap();
    for i in 0..500u16 {
        pair.run(10 * MS);
        // It even knows the SSRC.
        pair.arrive(stranger, CALLER, Channel::Rtp, &rtp(8, i, u32::from(i) * 160, 100, &[0x2a; 160]));
        pair.arrive(stranger, CALLER, Channel::Rtcp, &[0x80, 201, 0, 1, 0, 0, 0, 1]);
    }
    assert_clean(&pair.phones[CALLEE].heard, 1070.0, 5.9);
    assert_clean(&pair.phones[CALLER].heard, 2050.0, 5.9);
    assert!(!pair.phones[CALLEE].payloads.iter().any(|p| p.contains(&0x2a)));
    assert_eq!(pair.engine.quality(pair.phones[CALLER].port, pair.now).discarded, 1_000);
}

#[test]
fn a_phone_behind_nat_is_found_by_its_sound() {
    let mut pair = Pair::plain();
    let [a, _] = pair.ports();
    let private = sdp("10.0.0.5:5000".parse().unwrap(), "8");
    pair.engine.hint_source(a, pair.phones[CALLER].address.ip());
    pair.engine.set_remote_offer(a, &private, pair.now).unwrap();
    pair.engine.make_answer(a, Answer::Early, pair.now).unwrap();
    pair.run(2 * SECOND);
    assert_clean(&pair.phones[CALLER].heard, 2050.0, 1.8);
    assert_clean(&pair.phones[CALLEE].heard, 1070.0, 1.8);
}

#[test]
fn a_call_that_moves_to_another_address_goes_on_there() {
    let mut pair = Pair::plain();
    pair.run(SECOND);
    let moved: SocketAddr = "198.51.100.77:7000".parse().unwrap();
    let [a, _] = pair.ports();
    let answer = pair.engine.reanswer(a, &sdp(moved, "8"), pair.now).unwrap();
    assert!(text(&answer).contains("m=audio 40000 RTP/AVP 8\r\n"), "{}", text(&answer));
    pair.phones[CALLER].address = moved;
    pair.phones[CALLER].ssrc = 4_711;
    pair.run(2 * SECOND);
    assert_clean(&pair.phones[CALLER].heard, 2050.0, 2.8);
    let heard = hears(&pair.phones[CALLEE].heard, 1070.0).unwrap();
    assert!(heard.longest_gap <= 62 * MS && heard.until > Duration::from_millis(2_900), "{heard:?}");
}

#[test]
fn who_holds_hears_nothing_and_is_heard_again_after() {
    for hold in ["8\na=sendonly", "8\na=inactive", "8\nc=IN IP4 0.0.0.0"] {
        let mut pair = Pair::plain();
        pair.run(SECOND);
        let [a, b] = pair.ports();
        let address = pair.phones[CALLER].address;
        let answer = text(&pair.engine.reanswer(a, &sdp(address, hold), pair.now).unwrap());
        assert!(pair.engine.is_held(a) && !pair.engine.is_held(b));
        assert_eq!(answer.contains("a=recvonly"), hold.contains("sendonly"), "{answer}");
        assert_eq!(answer.contains("a=inactive"), hold.contains("inactive"), "{answer}");
        pair.run(10 * MS);
        let before = pair.phones[CALLER].headers.len();
        pair.run(SECOND);
        assert_eq!(pair.phones[CALLER].headers.len(), before, "{hold}");
        pair.engine.reanswer(a, &sdp(address, "8"), pair.now).unwrap();
        pair.run(SECOND);
        assert!(!pair.engine.is_held(a) && pair.phones[CALLER].headers.len() > before + 45);
    }
}

#[test]
fn digits_travel_under_the_other_sides_number_and_are_told_once() {
    let mut pair = Pair::talking(
        "8 101\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15",
        "8 96\na=rtpmap:96 telephone-event/8000\na=fmtp:96 0-15",
    );
    pair.run(SECOND);
    let phone = &mut pair.phones[CALLER];
    let (at, ssrc, from) = (phone.timestamp, phone.ssrc, phone.address);
    phone.speaking = false;
    for i in 1..=8u16 {
        let end = if i > 5 { 0x80 } else { 0 };
        let ticks = (i.min(5) * 160).to_be_bytes();
        let sequence = pair.phones[CALLER].sequence;
        pair.phones[CALLER].sequence = sequence.wrapping_add(1);
        let event = [7, end | 10, ticks[0], ticks[1]];
        pair.arrive(from, CALLER, Channel::Rtp, &rtp(101, sequence, at, ssrc, &event));
        pair.run(20 * MS);
    }
    pair.phones[CALLER].timestamp = at.wrapping_add(1_280);
    pair.phones[CALLER].speaking = true;
    pair.run(SECOND);
    let port = pair.phones[CALLER].port;
    let digits: Vec<_> = pair.events.iter().filter(|e| matches!(e, Event::Dtmf { .. })).collect();
    assert_eq!(digits, [&Event::Dtmf { port, digit: '7', duration: 100 * MS, in_band: false }]);
    let events: Vec<_> = pair.phones[CALLEE].headers.iter().filter(|h| h.payload_type == 96).collect();
    assert_eq!(events.len(), 8);
    assert!(events.iter().all(|h| h.timestamp == events[0].timestamp));
    assert!(pair.phones[CALLEE].headers.windows(2).all(|w| w[1].sequence == w[0].sequence.wrapping_add(1)));
}

#[test]
fn ringback_then_the_callee_is_one_stream_for_the_caller() {
    let mut pair = Pair::opened();
    let [a, b] = pair.ports();
    pair.phones[CALLEE].speaking = false;
    pair.engine
        .set_remote_offer(a, &sdp(pair.phones[CALLER].address, "0 8 101\na=rtpmap:101 telephone-event/8000"), pair.now)
        .unwrap();
    assert!(!pair.engine.play(a, Sound::Tone(Tone::Ringback), true, pair.now), "nothing agreed yet");
    let offer = text(&pair.engine.make_offer(b, Some(a), pair.now));
    assert!(offer.contains("RTP/AVP 0 8 101\r\n"), "{offer}");
    let early = pair.engine.make_answer(a, Answer::Early, pair.now).unwrap();
    assert!(pair.engine.play(a, Sound::Tone(Tone::Ringback), true, pair.now));
    pair.run(2_500 * MS);
    pair.engine.set_remote_answer(b, &sdp(pair.phones[CALLEE].address, "8"), pair.now).unwrap();
    pair.engine.stop(a);
    pair.engine.bridge(a, b, pair.now);
    assert_eq!(pair.engine.make_answer(a, Answer::Joined(b), pair.now), Some(early));
    pair.phones[CALLEE].speaking = true;
    pair.run(2 * SECOND);
    let caller = &pair.phones[CALLER];
    let ring = hears(&caller.heard, 450.0).unwrap();
    assert!(ring.from < 25 * MS && (995..1_010).contains(&ring.until.as_millis()), "{ring:?}");
    let voice = hears(&caller.heard, 2050.0).unwrap();
    assert!((2_450..2_560).contains(&voice.from.as_millis()) && voice.longest_gap.is_zero(), "{voice:?}");
    assert!(
        caller.headers.windows(2).all(|w| w[1].sequence == w[0].sequence.wrapping_add(1) && w[1].ssrc == w[0].ssrc)
    );
    assert_eq!(caller.headers.iter().filter(|h| h.marker).count(), 2);
}

#[test]
fn a_prompt_ends_with_played_and_a_tone_goes_on() {
    let mut pair = Pair::plain();
    let [a, b] = pair.ports();
    let prompt: Vec<i16> = media::testing::tone(1910.0, 8_050);
    pair.engine.play(a, Sound::from(Clip::from(prompt)), false, pair.now);
    pair.engine.play(b, Sound::Tone(Tone::Busy), true, pair.now);
    pair.run(1_100 * MS);
    let played = Event::Played { port: a, tag: 0, played: 1_020 * MS, digit: None };
    assert!(pair.events.contains(&played));
    assert!(!pair.events.iter().any(|event| matches!(event, Event::Played { port, .. } if *port == b)));
    pair.run(2 * SECOND);
    let prompt = hears(&pair.phones[CALLER].heard, 1910.0).unwrap();
    assert!(prompt.share > 0.99 && (1_000..1_020).contains(&(prompt.until - prompt.from).as_millis()), "{prompt:?}");
    // The prompt has the floor; then the callee is heard again.
    let voice = hears(&pair.phones[CALLER].heard, 2050.0).unwrap();
    assert!(voice.from >= 990 * MS && voice.longest_gap.is_zero(), "{voice:?}");
    assert_eq!(hears(&pair.phones[CALLEE].heard, 1070.0), None);
    assert!(hears(&pair.phones[CALLEE].heard, 450.0).unwrap().until > 2_700 * MS);
}

#[test]
fn a_stalled_tick_is_made_up_for_without_a_flood() {
    let mut pair = Pair::plain();
    let [a, _] = pair.ports();
    pair.phones.iter_mut().for_each(|p| p.speaking = false);
    pair.engine.play(a, Sound::from(Clip::from(media::testing::tone(1910.0, 80_000))), false, pair.now);
    pair.run(SECOND);
    let before = pair.phones[CALLER].headers.len();
    pair.now += 3 * SECOND;
    pair.run(10 * MS);
    assert!(pair.phones[CALLER].headers.len() - before <= 6);
    let headers = &pair.phones[CALLER].headers;
    let (first, last) = (headers[0], headers[headers.len() - 1]);
    let played = Duration::from_micros(u64::from(last.timestamp.wrapping_sub(first.timestamp)) * 125);
    assert!(played > 3_900 * MS && played < 4_050 * MS, "{played:?}");
}

#[test]
fn reports_are_sent_and_the_round_trip_is_found() {
    let mut pair = Pair::plain();
    pair.network.delay = 30 * MS;
    pair.run(12 * SECOND);
    assert!((1..8).contains(&pair.phones[CALLER].reports.len()), "{}", pair.phones[CALLER].reports.len());
    let mut items = Vec::new();
    let report = pair.phones[CALLER].reports.last().unwrap().clone();
    assert!(rtcp::read(&report, |item| items.push(item)));
    let Some(Item::Sender { ssrc, sender }) = items.first().copied() else { panic!("{items:?}") };
    assert_eq!(ssrc, pair.phones[CALLER].headers[0].ssrc);
    assert!(sender.packets > 50 && sender.octets == sender.packets * 160);
    let Some(Item::Block(block)) = items.get(1).copied() else { panic!("{items:?}") };
    assert_eq!((block.ssrc, block.lost, block.fraction_lost), (100, 0, 0));

    // The phone answers at once, having lost a tenth.
    let answer = rtcp::Report {
        ssrc: 100,
        sender: None,
        block: Some(rtcp::Block {
            ssrc,
            fraction_lost: 26,
            lost: (sender.packets / 10) as i32,
            highest: 0,
            jitter: 80,
            last_sr: (sender.ntp >> 16) as u32,
            delay: 0,
        }),
        voip: None,
        cname: "phone",
        bye: false,
    };
    let mut datagram = Vec::new();
    answer.write(&mut datagram);
    // It was written when the report left us; travel took 30 ms each way.
    pair.phones[CALLER].reports.clear();
    while pair.phones[CALLER].reports.is_empty() {
        pair.run(MS);
    }
    let mut fresh = 0;
    rtcp::read(&pair.phones[CALLER].reports[0], |item| {
        if let Item::Sender { sender, .. } = item {
            fresh = (sender.ntp >> 16) as u32;
        }
    });
    let mut datagram = Vec::new();
    rtcp::Report { block: answer.block.map(|b| rtcp::Block { last_sr: fresh, ..b }), ..answer }.write(&mut datagram);
    pair.send(CALLER, Channel::Rtcp, datagram);
    pair.run(40 * MS);
    let quality = pair.engine.quality(pair.phones[CALLER].port, pair.now);
    assert!((58.0..64.0).contains(&quality.rtt_ms.unwrap()), "{quality:?}");
    let view = quality.remote.unwrap();
    assert!(view.loss_percent > 3.0 && view.mos < quality.mos.unwrap() && (view.jitter_ms - 10.0).abs() < 0.1);
}

#[test]
fn silence_is_told_and_a_held_phone_may_be_silent() {
    let mut pair = Pair::plain();
    let [a, b] = pair.ports();
    pair.run(SECOND);
    pair.phones[CALLER].speaking = false;
    pair.run(60 * SECOND + 100 * MS);
    let told = pair.events.iter().find_map(|e| match e {
        Event::Silent { port, silence } => Some((*port, *silence)),
        _ => None,
    });
    let (port, silence) = told.unwrap();
    assert!(port == a && silence >= 60 * SECOND && silence < 61 * SECOND);
    pair.run(60 * SECOND);
    assert_eq!(pair.events.iter().filter(|e| matches!(e, Event::Silent { .. })).count(), 2);
    // RTCP alone is a sign of life.
    let mut pair = Pair::plain();
    pair.run(SECOND);
    pair.phones[CALLER].speaking = false;
    for _ in 0..20 {
        pair.send(CALLER, Channel::Rtcp, vec![0x80, 201, 0, 1, 0, 0, 0, 100]);
        pair.run(5 * SECOND);
    }
    assert!(!pair.events.iter().any(|e| matches!(e, Event::Silent { .. })));
    let address = pair.phones[CALLEE].address;
    pair.engine.reanswer(b, &sdp(address, "8\na=sendonly"), pair.now).unwrap();
    pair.phones[CALLEE].speaking = false;
    pair.run(30 * SECOND);
    pair.events.clear();
    pair.run(200 * SECOND);
    assert!(pair.events.iter().all(|e| !matches!(e, Event::Silent { port, .. } if *port == b)), "{:?}", pair.events);
}

#[test]
fn a_closed_port_says_bye_gives_its_number_back_and_is_no_more() {
    let mut pair = Pair::plain();
    pair.run(SECOND);
    let [a, b] = pair.ports();
    assert!(pair.engine.open("192.0.2.1".parse().unwrap(), pair.now).is_err());
    let quality = pair.engine.close(a, pair.now).unwrap();
    assert!(quality.received > 40 && quality.sent > 40);
    assert_eq!(pair.engine.close(a, pair.now), None);
    pair.run(50 * MS);
    assert_eq!(pair.released, [40_000]);
    let mut bye = false;
    rtcp::read(pair.phones[CALLER].reports.last().unwrap(), |item| bye |= matches!(item, Item::Bye { .. }));
    assert!(bye);
    assert_eq!((pair.engine.port_by_number(40_000), pair.engine.port_by_number(40_002)), (None, Some(b)));
    pair.engine.stock([40_000]);
    assert!(pair.engine.open("192.0.2.1".parse().unwrap(), pair.now).is_ok());
    pair.engine.close(b, pair.now);
    assert_eq!(pair.engine.open_ports(), 1);
}

#[test]
fn odd_packets_are_counted_and_harm_nothing() {
    let mut pair = Pair::plain();
    pair.run(SECOND);
    let from = pair.phones[CALLER].address;
    let mut extended = rtp(8, 0, 0, 1, &[1; 164]);
    extended[0] = 0x90;
    let cases: [&[u8]; 8] = [
        &[],
        &[0x80],
        &[0x80; 11],
        &rtp(77, 1, 1, 1, &[0; 160]),
        &[0x80; 2_048],
        &[0; 20], // STUN
        b"\r\n\r\n",
        &extended,
    ];
    let before = pair.engine.quality(pair.phones[CALLER].port, pair.now);
    for case in cases {
        pair.arrive(from, CALLER, Channel::Rtp, case);
        pair.arrive(from, CALLER, Channel::Rtcp, case);
    }
    let after = pair.engine.quality(pair.phones[CALLER].port, pair.now);
    assert_eq!(after.discarded - before.discarded, 16);
    assert_eq!(after.received, before.received);
    // Twelve octets and no payload are valid RTP.
    let phone = &mut pair.phones[CALLER];
    let empty = rtp(8, phone.sequence, phone.timestamp, phone.ssrc, &[]);
    phone.sequence = phone.sequence.wrapping_add(1);
    pair.arrive(from, CALLER, Channel::Rtp, &empty);
    // 2 kB of payload too.
    let phone = &mut pair.phones[CALLER];
    let large = rtp(8, phone.sequence, phone.timestamp, phone.ssrc, &[0xd5; 2_000]);
    phone.sequence = phone.sequence.wrapping_add(1);
    phone.timestamp = phone.timestamp.wrapping_add(2_000);
    pair.arrive(from, CALLER, Channel::Rtp, &large);
    pair.run(SECOND);
    assert_eq!(pair.engine.quality(pair.phones[CALLER].port, pair.now).received, after.received + 52);
    assert!(pair.phones[CALLEE].payloads.iter().any(Vec::is_empty));
    assert!(pair.phones[CALLEE].payloads.iter().any(|p| p.len() == 2_000));
}

#[test]
fn extensions_contributors_and_padding_end_at_the_switch() {
    let mut pair = Pair::plain();
    pair.phones.iter_mut().for_each(|p| p.speaking = false);
    let mut packet = vec![0xb1, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 100];
    packet.extend([9; 4]);
    packet.extend([0xbe, 0xde, 0, 1, 5, 5, 5, 5]);
    packet.extend(b"sound");
    packet.extend([0, 0, 3]);
    let from = pair.phones[CALLER].address;
    pair.arrive(from, CALLER, Channel::Rtp, &packet);
    pair.run(5 * MS);
    assert_eq!(pair.phones[CALLEE].payloads, [b"sound"]);
    assert_eq!(pair.phones[CALLEE].headers[0].payload_at, 12);
}

#[test]
fn one_port_for_both_when_the_peer_wants_it_so() {
    let mut pair = Pair::opened();
    let [a, b] = pair.ports();
    let offer = sdp(pair.phones[CALLER].address, "8\na=rtcp-mux");
    pair.engine.set_remote_offer(a, &offer, pair.now).unwrap();
    pair.engine.make_offer(b, Some(a), pair.now);
    pair.engine.set_remote_answer(b, &sdp(pair.phones[CALLEE].address, "8"), pair.now).unwrap();
    pair.engine.bridge(a, b, pair.now);
    let answer = text(&pair.engine.make_answer(a, Answer::Joined(b), pair.now).unwrap());
    assert!(answer.contains("a=rtcp-mux\r\n"), "{answer}");
    pair.run(SECOND);
    let received = pair.engine.quality(a, pair.now).received;
    let from = pair.phones[CALLER].address;
    pair.arrive(from, CALLER, Channel::Rtp, &[0x80, 201, 0, 1, 0, 0, 0, 100]);
    let quality = pair.engine.quality(a, pair.now);
    assert_eq!((quality.received, quality.discarded), (received, 0));
}
