//! What is told of how it sounds: extended reports, quality over time, alarms, who speaks.

#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use common::{CALLEE, CALLER, MS, Pair, SECOND, sdp, text};
use media::engine::{Alarm, Answer, Channel, Config, Engine, Event};
use media::rtcp::{self, Item, Voip};
use media::testing::Speech;
use stdx::{Entropy, Wall};

const XR: &str = "8\na=rtcp-xr:rcvr-rtt=all voip-metrics";

fn voip_of(reports: &[Vec<u8>]) -> Option<Voip> {
    let mut found = None;
    for report in reports {
        assert!(rtcp::read(report, |item| {
            if let Item::Voip(voip) = item {
                found = Some(voip);
            }
        }));
    }
    found
}

#[test]
fn extended_reports_tell_a_phone_that_asks_for_them_how_it_sounds() {
    let mut pair = Pair::talking(XR, "8");
    pair.network.loss = 0.05;
    pair.run(30 * SECOND);
    let voip = voip_of(&pair.phones[CALLER].reports).expect("an extended report");
    assert_eq!(voip.ssrc, pair.phones[CALLER].ssrc);
    assert!((6..20).contains(&voip.lost), "{voip:?}");
    // −9 dBm0 of a steady tone.
    assert!((-13..=-5).contains(&voip.signal_dbm0), "{voip:?}");
    assert!((60..92).contains(&voip.r_factor) && (30..44).contains(&voip.mos_cq), "{voip:?}");
    assert!(voip.mos_lq >= voip.mos_cq && voip.gap_ms > 200, "{voip:?}");
    assert_eq!(voip_of(&pair.phones[CALLEE].reports), None, "it did not ask for it");
    // Who asks is answered, and every first offer asks.
    let port = pair.phones[CALLER].port;
    let answer = pair.engine.make_answer(port, Answer::Early, pair.now).unwrap();
    assert!(text(&answer).contains("a=rtcp-xr:voip-metrics\r\n"));
    let port = pair.phones[CALLEE].port;
    let again = pair.engine.make_offer(port, None, pair.now);
    assert!(!text(&again).contains("rtcp-xr"), "it has not answered that it understands it");
}

#[test]
fn what_a_phone_reports_of_our_sound_is_believed() {
    let mut pair = Pair::talking(XR, "8");
    pair.run(10 * SECOND);
    let ssrc = pair.phones[CALLER].headers[0].ssrc;
    let block = rtcp::Block { ssrc, ..rtcp::Block::default() };
    let voip = Voip { mos_cq: 23, ..voip_of(&pair.phones[CALLER].reports).unwrap() };
    for (about, expected) in [(ssrc + 1, false), (ssrc, true)] {
        let mut datagram = Vec::new();
        let voip = Some((Voip { ssrc: about, ..voip }, 16));
        rtcp::Report { ssrc: 100, sender: None, block: Some(block), voip, cname: "phone", bye: false }
            .write(&mut datagram);
        pair.send(CALLER, Channel::Rtcp, datagram);
        pair.run(10 * MS);
        let quality = pair.engine.quality(pair.phones[CALLER].port, pair.now);
        assert_eq!((quality.remote.unwrap().mos - 2.3).abs() < 0.01, expected, "{quality:?}");
    }
}

#[test]
fn quality_is_told_over_time_and_kept_within_bounds() {
    let mut pair = Pair::plain();
    let [a, _] = pair.ports();
    pair.run(60 * SECOND);
    pair.network.loss = 0.2;
    pair.run(60 * SECOND);
    pair.network.loss = 0.0;
    pair.run(60 * SECOND);
    let told: Vec<f32> = pair
        .events
        .iter()
        .filter_map(|e| match e {
            Event::Quality { port, moment } if *port == a => Some(moment.mos),
            _ => None,
        })
        .collect();
    assert!((25..90).contains(&told.len()), "{}", told.len());
    let quality = pair.engine.quality(a, pair.now);
    assert!(quality.level_dbov.is_some_and(|level| (-17.0..-12.0).contains(&level)), "{quality:?}");
    assert_eq!(quality.moments.len(), told.len());
    let between = |from: u64, to: u64| {
        let within = quality.moments.iter().filter(|m| (from..to).contains(&m.at.as_secs()));
        within.map(|m| m.mos).collect::<Vec<_>>()
    };
    assert!(between(0, 60).iter().all(|mos| *mos > 4.2), "{:?}", between(0, 60));
    // Between two reports there may be as few as a hundred packets, of which fewer than a fifth are lost at times.
    assert!(between(70, 118).iter().all(|mos| *mos < 3.6), "{:?}", between(70, 118));
    assert!(between(130, 180).iter().all(|mos| *mos > 4.2), "{:?}", between(130, 180));
    // An hour more: two moments become one, and the worst stays.
    pair.run(1_200 * SECOND);
    let quality = pair.engine.quality(a, pair.now);
    assert!((32..=64).contains(&quality.moments.len()), "{}", quality.moments.len());
    assert!(quality.moments.iter().any(|m| m.mos < 3.0) && quality.moments[0].mos > 4.0);
}

fn alarms(pair: &Pair, of: usize) -> Vec<(Alarm, bool)> {
    let port = pair.phones[of].port;
    let alarm = |e: &Event| match e {
        Event::Alarm { port: at, alarm, on } if *at == port => Some((*alarm, *on)),
        _ => None,
    };
    pair.events.iter().filter_map(alarm).collect()
}

#[test]
fn a_phone_that_is_not_heard_raises_an_alarm_and_hold_raises_none() {
    let mut pair = Pair::plain();
    pair.phones[CALLEE].speaking = false;
    pair.run(15 * SECOND);
    assert_eq!(alarms(&pair, CALLEE), [(Alarm::Missing, true)], "never heard");
    pair.phones[CALLEE].speaking = true;
    pair.run(10 * SECOND);
    assert_eq!(alarms(&pair, CALLEE), [(Alarm::Missing, true), (Alarm::Missing, false)]);
    let (port, address) = (pair.phones[CALLEE].port, pair.phones[CALLEE].address);
    pair.engine.reanswer(port, &sdp(address, "8\na=sendonly"), pair.now).unwrap();
    pair.phones[CALLEE].speaking = false;
    pair.run(30 * SECOND);
    pair.engine.reanswer(port, &sdp(address, "8"), pair.now).unwrap();
    pair.phones[CALLEE].speaking = true;
    pair.run(20 * SECOND);
    assert_eq!(alarms(&pair, CALLEE).len(), 2, "{:?}", alarms(&pair, CALLEE));
    assert_eq!(alarms(&pair, CALLER), []);
}

#[test]
fn packets_without_a_voice_raise_an_alarm() {
    let mut pair = Pair::plain();
    pair.run(5 * SECOND);
    pair.phones[CALLER].speaking = false;
    let mut speech = Speech::new(4, 8_000, 30);
    for i in 0..4_000usize {
        // A minute of silence, then somebody speaks.
        let pcm = if i < 3_000 { vec![8; 160] } else { speech.take_samples(160) };
        let phone = &mut pair.phones[CALLER];
        let mut packet = phone.packet();
        packet.truncate(12);
        packet.extend(pcm.iter().map(|s| phone.law.encode(*s)));
        pair.send(CALLER, Channel::Rtp, packet);
        pair.run(20 * MS);
    }
    assert_eq!(alarms(&pair, CALLER), [(Alarm::Silent, true), (Alarm::Silent, false)]);
    assert_eq!(alarms(&pair, CALLEE), []);
}

#[test]
fn who_speaks_is_told_if_that_is_wished() {
    for wished in [false, true] {
        let mut pair = Pair::opened();
        let mut config = Config::new(Wall::new(pair.now, 0));
        config.tell_speech = wished;
        pair.engine = Engine::new(config, Entropy::seeded(9));
        pair.engine.stock([40_000, 40_002]);
        for phone in &mut pair.phones {
            phone.port = pair.engine.open("192.0.2.1".parse().unwrap(), pair.now).unwrap();
        }
        let [a, b] = pair.ports();
        pair.engine.set_remote_offer(a, &sdp(pair.phones[CALLER].address, "8"), pair.now).unwrap();
        pair.engine.make_offer(b, Some(a), pair.now);
        pair.engine.set_remote_answer(b, &sdp(pair.phones[CALLEE].address, "8"), pair.now).unwrap();
        pair.engine.bridge(a, b, pair.now);
        pair.engine.make_answer(a, Answer::Joined(b), pair.now).unwrap();
        pair.phones[CALLEE].speaking = false;
        pair.run(2 * SECOND);
        pair.phones[CALLER].speaking = false;
        for _ in 0..100 {
            let phone = &mut pair.phones[CALLER];
            let mut packet = phone.packet();
            packet[12..].fill(0xd5);
            pair.send(CALLER, Channel::Rtp, packet);
            pair.run(20 * MS);
        }
        let told: Vec<bool> = pair
            .events
            .iter()
            .filter_map(|e| match e {
                Event::Speaking { port, speaking, level_dbov } => {
                    assert!(*port == a && (-17..-12).contains(level_dbov), "{level_dbov}");
                    Some(*speaking)
                }
                _ => None,
            })
            .collect();
        assert_eq!(told, if wished { vec![true, false] } else { vec![] });
    }
}
