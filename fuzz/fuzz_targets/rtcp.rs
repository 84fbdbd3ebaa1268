//! RTCP: read, and heard by a port. What is read has come from somewhere, and what we write we read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use media::engine::{Answer, Channel, Config, Engine, Output, Packet};
use media::rtcp::{self, Item, Report};
use std::net::SocketAddr;
use std::time::Duration;
use stdx::{Entropy, Wall};

fuzz_target!(|data: &[u8]| {
    let mut items = Vec::new();
    let whole = rtcp::read(data, |item| items.push(item));
    assert!(whole || items.is_empty());
    // The smallest item, a source that leaves, is four octets.
    assert!(items.len() * 4 <= data.len());
    for item in &items {
        if let Item::Block(block) = item {
            let mut octets = Vec::new();
            Report { ssrc: 1, sender: None, block: Some(*block), cname: "x", bye: false }.write(&mut octets);
            let mut again = None;
            assert!(rtcp::read(&octets, |item| again = Some(item)));
            assert_eq!(again.as_ref(), Some(item));
        }
    }

    let mut now = stdx::testing::start();
    let mut engine = Engine::new(Config::new(Wall::new(now, 1_000)), Entropy::seeded(1));
    engine.stock([40_000]);
    let Ok(port) = engine.open("192.0.2.1".parse().expect("an address"), now) else { panic!("a port is in stock") };
    let offer = b"v=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 5000 RTP/AVP 8\r\na=rtcp-mux\r\n";
    engine.set_remote_offer(port, offer, now).expect("a good offer");
    engine.make_answer(port, Answer::Early, now).expect("playable");
    let phone = SocketAddr::from(([198, 51, 100, 7], 5_000));
    let mut packet = Box::new(Packet::new());
    for channel in [Channel::Rtcp, Channel::Rtp] {
        packet.copy_from(data);
        assert_eq!(engine.handle_packet(port, channel, phone, &mut packet, now), None);
        now += Duration::from_secs(10);
        engine.handle_timeout(now);
        while let Some(output) = engine.poll_output() {
            if let Output::Transmit { data, .. } = output {
                assert!(rtcp::read(&data, |_| {}), "what we send, we read");
            }
        }
    }
    let quality = engine.quality(port, now);
    assert!(quality.rtt_ms.is_none_or(|rtt| (0.0..30_001.0).contains(&rtt)));
    assert!(quality.remote.is_none_or(|view| (1.0..=4.5).contains(&view.mos)));
});
