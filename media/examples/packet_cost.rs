//! What a relayed packet costs: `cargo run --release -p patchbay-media --example packet_cost`.
//!
//! Budget: 300 ns without a recording.

// A measurement is for a person, and needs a clock.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use media::engine::{Answer, Channel, Config, Engine, Output, Packet, PortId};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::{Entropy, Wall};

const CALLS: usize = 300;
const FRAMES: u32 = 2_000;

fn main() {
    for (name, answer, record) in
        [("relay", "8", false), ("relay, other law", "0", false), ("relay and record", "8", true)]
    {
        println!("{name}: {:.0} ns per packet", cost(answer, record));
    }
}

/// Nanoseconds per packet over calls in both directions.
fn cost(answer: &str, record: bool) -> f64 {
    let mut now = stdx::testing::start();
    let mut engine = Engine::new(Config::new(Wall::new(now, 0)), Entropy::seeded(1));
    engine.stock((0..CALLS as u16 * 2).map(|i| 20_000 + i * 2));
    let mut ports = Vec::new();
    for call in 0..CALLS {
        let Some(pair) = talk(&mut engine, call, answer, now) else { return f64::NAN };
        if record {
            engine.record(pair[0].0, pair[1].0, false, now);
        }
        ports.extend(pair);
    }
    let mut buffer = Box::new(Packet::new());
    let (mut packets, mut spent) = (0u32, Duration::ZERO);
    for frame in 0..FRAMES {
        now += Duration::from_millis(20);
        engine.handle_timeout(now);
        while let Some(output) = engine.poll_output() {
            if let Output::Page { recording, page } = output {
                engine.give_back(recording, page);
            }
        }
        let begun = Instant::now();
        for (port, from, pt) in &ports {
            let mut datagram = [0xd5; 172];
            datagram[..2].copy_from_slice(&[0x80, *pt]);
            datagram[2..4].copy_from_slice(&(frame as u16).to_be_bytes());
            datagram[4..8].copy_from_slice(&(frame * 160).to_be_bytes());
            buffer.copy_from(&datagram);
            packets += u32::from(engine.handle_packet(*port, Channel::Rtp, *from, &mut buffer, now).is_some());
        }
        spent += begun.elapsed();
    }
    spent.as_nanos() as f64 / f64::from(packets)
}

/// A call between a PCMA caller and a callee that answers with `pt`: each port, its peer's address and payload type.
fn talk(engine: &mut Engine, call: usize, pt: &str, now: Instant) -> Option<[(PortId, SocketAddr, u8); 2]> {
    let local = "192.0.2.1".parse().ok()?;
    let (a, b) = (engine.open(local, now).ok()?, engine.open(local, now).ok()?);
    let address = |side: u16| SocketAddr::new([198, 51, 100, side as u8].into(), 10_000 + call as u16 * 2);
    let sdp = |side, pt: &str| {
        let to = address(side);
        format!("v=0\r\nc=IN IP4 {}\r\nm=audio {} RTP/AVP {pt}\r\n", to.ip(), to.port())
    };
    engine.set_remote_offer(a, sdp(1, "8").as_bytes(), now).ok()?;
    engine.make_offer(b, Some(a), now);
    engine.set_remote_answer(b, sdp(2, pt).as_bytes(), now).ok()?;
    engine.bridge(a, b, now);
    engine.make_answer(a, Answer::Joined(b), now)?;
    Some([(a, address(1), 8), (b, address(2), pt.parse().ok()?)])
}
