//! G.729 by libbcg729: as the library itself has it, and heard across the engine. `make codec-compare`.
#![allow(clippy::unwrap_used)] // a test

#[path = "../../../tests/tests/references/oracle.rs"]
mod oracle;

use media::codec::{Codec, Decoder, Encoder, MAX_PAYLOAD, MAX_SAMPLES, g729};
use media::engine::{Answer, Channel, Config, Engine, Output, Packet};
use media::g711::Law;
use media::rtp::Header;
use media::testing::Speech;
use patchbay_node::g729::Bcg729;
use std::path::Path;
use std::time::Duration;
use stdx::{Entropy, Wall};

fn installed() {
    if !g729::is_there() {
        g729::install(Box::new(Bcg729::load(Path::new("libbcg729.so.0")).expect("libbcg729 is installed")));
    }
    assert!(g729::is_there());
}

fn encoded(pcm: &[i16], ms: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(Codec::G729);
    let mut to = [0; MAX_PAYLOAD];
    let one = |frame| {
        let len = encoder.encode(frame, &mut to);
        to[..len].to_vec()
    };
    pcm.chunks_exact(ms * 8).map(one).collect()
}

#[test]
fn both_ways_are_the_librarys_own_whatever_the_packet_time() {
    installed();
    let mut pcm = Speech::new(5, 8_000, 200).take_samples(oracle::seconds() * 8_000);
    pcm.truncate(pcm.len() / 480 * 480);
    let theirs = oracle::ask(&["g729-encode"], &oracle::octets(&pcm));
    let heard = oracle::samples(&oracle::ask(&["g729-decode"], &theirs));
    for ms in [10, 20, 30, 60] {
        let packets = encoded(&pcm, ms);
        assert!(packets.concat() == theirs, "{ms} ms");
        let mut decoder = Decoder::new(Codec::G729);
        let mut to = [0; MAX_SAMPLES];
        let mut ours = Vec::new();
        for packet in &packets {
            let len = decoder.decode(packet, &mut to);
            ours.extend_from_slice(&to[..len]);
        }
        assert!(ours == heard, "{ms} ms");
    }
}

#[test]
fn losses_are_made_up_noise_is_made_and_nonsense_is_refused() {
    installed();
    let packets = encoded(&Speech::new(6, 8_000, 20).take_samples(80_000), 20);
    let mut decoder = Decoder::new(Codec::G729);
    let mut to = [0; MAX_SAMPLES];
    let (mut kept, mut made_up) = (0.0, 0.0);
    for (i, packet) in packets.iter().enumerate() {
        let power = |pcm: &[i16]| pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
        if i % 10 == 7 {
            assert!(decoder.make_up(None, &mut to[..160]));
            made_up += power(&to[..160]) * 9.0;
        } else {
            assert_eq!(decoder.decode(packet, &mut to), 160);
            kept += power(&to[..160]);
        }
    }
    assert!(made_up > kept / 10.0 && made_up < kept * 2.0, "{made_up:.0} of {kept:.0}");
    // 10 ms of speech, then comfort noise (RFC 3551 §4.5.6).
    let mixed = [&packets[0][..10], &[0x12, 0x34]].concat();
    assert_eq!(decoder.decode(&mixed, &mut to), 160);
    for len in [1, 3, 9, 11, 13] {
        assert_eq!(decoder.decode(&vec![0x55; len], &mut to), 0, "{len}");
    }
}

#[test]
fn a_phone_with_nothing_but_g729_is_heard_by_one_with_nothing_but_g711() {
    installed();
    let mut now = std::time::Instant::now();
    let mut engine = Engine::new(Config::new(Wall::new(now, 0)), Entropy::seeded(1));
    engine.stock([40_000, 40_002]);
    let local = "192.0.2.1".parse().unwrap();
    let (a, b) = (engine.open(local, now).unwrap(), engine.open(local, now).unwrap());
    let describe = |host: &str, pt: u8| {
        format!("v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 5004 RTP/AVP {pt}\r\n")
    };
    engine.set_remote_offer(a, describe("192.0.2.7", 18).as_bytes(), now).unwrap();
    let offer = String::from_utf8(engine.make_offer(b, Some(a), now).to_vec()).unwrap();
    assert!(offer.contains("RTP/AVP 18 0 8"), "{offer}");
    engine.set_remote_answer(b, describe("192.0.2.8", 8).as_bytes(), now).unwrap();
    engine.bridge(a, b, now);
    engine.make_answer(a, Answer::Joined(b), now).expect("G.729 becomes G.711");

    let pcm = Speech::new(8, 8_000, 30).take_samples(80_000);
    let mut heard = Vec::new();
    let mut packet = Box::new(Packet::new());
    for (i, payload) in encoded(&pcm, 20).iter().enumerate() {
        let header = Header {
            marker: false,
            payload_type: 18,
            sequence: i as u16,
            timestamp: i as u32 * 160,
            ssrc: 7,
            payload_at: 12,
            payload_len: payload.len(),
        };
        let mut head = [0; 12];
        header.write(&mut head);
        packet.copy_from(&[&head[..], payload].concat());
        assert!(engine.handle_packet(a, Channel::Rtp, "192.0.2.7:5004".parse().unwrap(), &mut packet, now).is_none());
        now += Duration::from_millis(20);
        engine.handle_timeout(now);
        while let Some(output) = engine.poll_output() {
            if let Output::Transmit { channel: Channel::Rtp, data, .. } = output {
                heard.extend(data[12..].iter().map(|octet| Law::A.decode(*octet)));
            }
        }
    }
    let power = |pcm: &[i16]| pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    assert!(heard.len() > 79_000, "{}", heard.len());
    let decibels = 10.0 * (power(&heard) / power(&pcm[..heard.len()])).log10();
    assert!(decibels.abs() < 1.5, "{decibels:+.1} dB");
    // Frame by frame it is loud where the original is, a few ms later.
    let loud = |pcm: &[i16]| pcm.chunks(800).map(power).collect::<Vec<_>>();
    let (said, came) = (loud(&pcm), loud(&heard));
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let (x, y) = (mean(&said), mean(&came));
    let product: f64 = said.iter().zip(&came).map(|(a, b)| (a - x) * (b - y)).sum();
    let spread = |of: &[f64], m: f64| of.iter().map(|v| (v - m).powi(2)).sum::<f64>().sqrt();
    let likeness = product / (spread(&said[..came.len()], x) * spread(&came, y));
    assert!(likeness > 0.8, "{likeness:.2}");
}
