//! A recorded call of one law against the other with digits, tones and hold, driven by packets from anywhere.
//!
//! Input: records of one octet of what to do, one of length, and so many octets of packet.

#![no_main]

use libfuzzer_sys::fuzz_target;
use media::engine::{Answer, Channel, Config, Engine, Output, Packet, PortId, Sound};
use media::rtp::Header;
use media::tones::Tone;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::{Entropy, Wall};

fuzz_target!(|data: &[u8]| {
    let mut now = stdx::testing::start();
    let mut engine = Engine::new(Config::new(Wall::new(now, 0)), Entropy::seeded(1));
    // A stranger shares the callee's host.
    let phones =
        [(7, 5_000), (8, 5_002), (8, 5_066)].map(|(host, port)| SocketAddr::from(([198, 51, 100, host], port)));
    let ports = call(&mut engine, &phones, now);
    let recording = engine.record(ports[0], ports[1], now);
    let mut packet = Box::new(Packet::new());
    let mut written = 0;
    let mut rest = data;
    while let [what, len, tail @ ..] = rest {
        let (octets, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = tail;
        now += Duration::from_millis(u64::from(what >> 4) * 10);
        engine.handle_timeout(now);
        let (port, from) = (ports[usize::from(what & 1)], phones[usize::from(what >> 1 & 1) + usize::from(what & 1)]);
        match what >> 2 & 3 {
            0 => {
                engine.play(port, Sound::Tone(Tone::Busy), *len & 1 == 1, now);
            }
            1 => engine.stop(port),
            _ => {}
        }
        packet.copy_from(octets);
        if let Some(forward) = engine.handle_packet(port, Channel::Rtp, from, &mut packet, now) {
            assert_ne!(Some(port), engine.port_by_number(forward.port));
            let header = Header::parse(packet.as_slice()).expect("what is sent on is RTP");
            assert_eq!(header.payload_at, 12);
        }
        written = drain(&mut engine, written);
    }
    engine.stop_recording(recording, now);
    drain(&mut engine, written);
    for port in ports {
        let quality = engine.close(port, now).expect("open until now");
        assert!(quality.mos.is_none_or(|mos| (1.0..=4.5).contains(&mos)));
    }
});

fn drain(engine: &mut Engine, mut written: u64) -> u64 {
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Page { recording, page } => {
                assert!(page.at() >= written, "pages in order");
                written = page.at() + page.frames() as u64;
                engine.give_back(recording, page);
            }
            Output::RecordingEnded { samples, missing, .. } => assert!(samples == written || missing > 0),
            Output::Transmit { data, .. } => assert!(data.len() <= 256),
            Output::Event(_) | Output::Released(_) => {}
        }
    }
    written
}

fn call(engine: &mut Engine, phones: &[SocketAddr; 3], now: Instant) -> [PortId; 2] {
    engine.stock([40_000, 40_002]);
    let local = "192.0.2.1".parse().expect("an address");
    let (Ok(a), Ok(b)) = (engine.open(local, now), engine.open(local, now)) else { panic!("two ports are in stock") };
    let sdp = |phone: SocketAddr, law: u8| {
        format!(
            "v=0\r\nc=IN IP4 {}\r\nm=audio {} RTP/AVP {law} 101\r\na=rtpmap:101 telephone-event/8000\r\n",
            phone.ip(),
            phone.port()
        )
    };
    engine.set_remote_offer(a, sdp(phones[0], 8).as_bytes(), now).expect("a good offer");
    engine.make_offer(b, Some(a), now);
    engine.set_remote_answer(b, sdp(phones[1], 0).as_bytes(), now).expect("a good answer");
    engine.bridge(a, b, now);
    engine.make_answer(a, Answer::Joined(b), now).expect("agreed");
    [a, b]
}
