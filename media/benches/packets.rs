//! A packet through a port: plain, rewritten, opened and sealed.
#![allow(missing_docs)] // what the macros make has none

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use media::engine::{Answer, Channel, Config, Engine, Packet, PortId};
use media::rtp::Header;
use media::srtp::{MasterKey, OVERHEAD, Receiver, Sender, Suite};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::{Entropy, Wall};

fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(7u32.to_be_bytes());
    packet.resize(172, 0xd5);
    packet
}

/// Two ports that agreed on these payload types, bridged; and where the first one's phone is.
fn pair(first: &str, second: &str) -> (Engine, PortId, SocketAddr, Instant) {
    let now = stdx::testing::start();
    let mut engine = Engine::new(Config::new(Wall::new(now, 0)), Entropy::seeded(1));
    engine.stock([40_000, 40_002]);
    let local = "192.0.2.1".parse().expect("an address");
    let ports = [(); 2].map(|()| engine.open(local, now).expect("two ports"));
    let describe = |host: &str, formats: &str| {
        format!("v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 5004 RTP/AVP {formats}\r\n")
    };
    engine.set_remote_offer(ports[0], describe("192.0.2.7", first).as_bytes(), now).expect("an offer");
    engine.make_offer(ports[1], Some(ports[0]), now);
    engine.set_remote_answer(ports[1], describe("192.0.2.8", second).as_bytes(), now).expect("an answer");
    engine.bridge(ports[0], ports[1], now);
    engine.make_answer(ports[0], Answer::Joined(ports[1]), now).expect("a common codec");
    (engine, ports[0], "192.0.2.7:5004".parse().expect("an address"), now)
}

fn relay(criterion: &mut Criterion) {
    for (name, second) in [("relay a packet in place", "8"), ("relay a packet into the other law", "0")] {
        let (mut engine, port, from, mut now) = pair("8", second);
        let mut packet = Box::new(Packet::new());
        let mut sequence = 0u16;
        criterion.bench_function(name, |b| {
            b.iter(|| {
                sequence = sequence.wrapping_add(1);
                now += Duration::from_millis(20);
                packet.copy_from(&rtp(sequence));
                black_box(engine.handle_packet(port, Channel::Rtp, from, &mut packet, now))
            });
        });
    }
    let octets = rtp(1);
    criterion.bench_function("read a header", |b| b.iter(|| Header::parse(black_box(&octets))));
}

fn secure(criterion: &mut Criterion) {
    for suite in Suite::ALL {
        let (key, salt) = suite.lengths();
        let key = MasterKey::new(suite, &vec![7; key + salt]).expect("a key");
        let mut sender = Sender::new(&key).expect("a sender");
        let mut sequence = 0u16;
        let mut seal = |sender: &mut Sender| {
            sequence = sequence.wrapping_add(1);
            let mut buffer = rtp(sequence);
            buffer.resize(172 + OVERHEAD, 0);
            let len = sender.seal_rtp(&mut buffer, 172).expect("room");
            buffer.truncate(len);
            buffer
        };
        criterion.bench_function(&format!("seal with {}", suite.name()), |b| b.iter(|| seal(&mut sender)));
        let mut receiver = Receiver::new(&key, 0).expect("a receiver");
        criterion.bench_function(&format!("open with {}", suite.name()), |b| {
            b.iter_batched(
                || seal(&mut sender),
                |mut packet| receiver.open_rtp(&mut packet),
                BatchSize::NumIterations(1),
            );
        });
    }
}

criterion_group!(benches, relay, secure);
criterion_main!(benches);
