//! 20 ms of sound: each codec both ways, resampling, concealment, and a circle of many.
#![allow(missing_docs)] // what the macros make has none

use criterion::{Criterion, criterion_group, criterion_main};
use media::codec::conceal::Concealer;
use media::codec::resample::Resampler;
use media::codec::{Codec, Decoder, Encoder, MAX_PAYLOAD, MAX_SAMPLES};
use media::engine::{Answer, Channel, Config, Engine, Output, Packet, PortId};
use std::net::SocketAddr;
use std::time::Duration;
use stdx::{Entropy, Wall};

fn tone(rate: u32, samples: usize) -> Vec<i16> {
    let step = 440.0 / f64::from(rate) * std::f64::consts::TAU;
    (0..samples).map(|i| ((i as f64 * step).sin() * 8_000.0) as i16).collect()
}

fn codecs(criterion: &mut Criterion) {
    for codec in Codec::ALL {
        let samples = codec.rate() as usize / 1_000 * usize::from(codec.packet_time(20));
        let pcm = tone(codec.rate(), samples);
        let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
        let (mut octets, mut back) = ([0; MAX_PAYLOAD], [0; MAX_SAMPLES]);
        criterion.bench_function(&format!("encode {codec:?}"), |b| b.iter(|| encoder.encode(&pcm, &mut octets)));
        let len = encoder.encode(&pcm, &mut octets);
        criterion
            .bench_function(&format!("decode {codec:?}"), |b| b.iter(|| decoder.decode(&octets[..len], &mut back)));
    }
}

fn tools(criterion: &mut Criterion) {
    for (from, to) in [(8_000, 16_000), (16_000, 8_000), (8_000, 48_000), (48_000, 8_000)] {
        let mut resampler = Resampler::new(from, to).expect("a ratio");
        let (pcm, mut out) = (tone(from, from as usize / 50), vec![0; to as usize / 50]);
        criterion.bench_function(&format!("resample {from} to {to}"), |b| b.iter(|| resampler.run(&pcm, &mut out)));
    }
    let mut concealer = Concealer::new(8_000);
    let mut pcm = tone(8_000, 160);
    criterion.bench_function("conceal a packet", |b| {
        b.iter(|| {
            concealer.real(&mut pcm);
            let mut made = [0; 160];
            concealer.fill(&mut made);
            made
        });
    });
}

/// So many members of a circle, all or one of them speaking, 20 ms.
fn circles(criterion: &mut Criterion) {
    for (members, speaking) in [(2, 2), (3, 3), (10, 10), (100, 100), (100, 1)] {
        let mut now = stdx::testing::start();
        let mut engine = Engine::new(Config::new(Wall::new(now, 0)), Entropy::seeded(1));
        engine.stock((0..members).map(|i| 20_000 + i * 2));
        let address = |i: u16| SocketAddr::from(([198, 51, 100, i as u8], 5_004));
        let ports: Vec<PortId> = (0..members)
            .map(|i| {
                let port = engine.open("192.0.2.1".parse().expect("an address"), now).expect("a port");
                let host = address(i).ip();
                let sdp = format!("v=0\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 5004 RTP/AVP 8\r\n");
                engine.set_remote_offer(port, sdp.as_bytes(), now).expect("an offer");
                engine.make_answer(port, Answer::Early, now).expect("G.711");
                port
            })
            .collect();
        // Two would be relayed.
        engine.set_levels(ports[0], -1.0, -1.0, now);
        ports.iter().for_each(|port| engine.hear(*port, &ports, now));
        let mut packet = Box::new(Packet::new());
        let mut sequence = 0u16;
        let name = format!("20 ms of a circle of {members}, {speaking} of them speak");
        criterion.bench_function(&name, |b| {
            b.iter(|| {
                now += Duration::from_millis(20);
                sequence = sequence.wrapping_add(1);
                let mut octets = vec![0x80, 8];
                octets.extend(sequence.to_be_bytes());
                octets.extend((u32::from(sequence) * 160).to_be_bytes());
                octets.extend(7u32.to_be_bytes());
                octets.resize(172, 0x35);
                for (i, port) in (0..members).zip(&ports) {
                    // Silence, as exactly as A-law has it.
                    octets[12..].fill(if i < speaking { 0x35 } else { 0xd5 });
                    packet.copy_from(&octets);
                    engine.handle_packet(*port, Channel::Rtp, address(i), &mut packet, now);
                }
                engine.handle_timeout(now);
                let mut sent = 0;
                while let Some(output) = engine.poll_output() {
                    sent += usize::from(matches!(output, Output::Transmit { .. }));
                }
                sent
            });
        });
    }
}

criterion_group!(benches, codecs, tools, circles);
criterion_main!(benches);
