//! The engine alone, without sockets: what its own work costs.

use media::browser::{Certificate, Settings};
use media::codec::{Codec, Encoder};
use media::engine::{Answer, Channel, Config, Engine, Output, Packet, PortId};
use media::g711::Law;
use media::testing::{Page, Talents};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stdx::{Entropy, Wall};

const FRAMES: usize = 500;
const FRAME: Duration = Duration::from_millis(20);

struct Call {
    page: Page,
    at: SocketAddr,
    plain: PortId,
    phone: SocketAddr,
    /// What the page says, sealed: made before the clock runs.
    said: Vec<Vec<u8>>,
}

/// Prints what calls cost by the engine alone.
pub(crate) fn run() {
    let Some(certificate) = Certificate::generate().map(Arc::new) else { return println!("no randomness") };
    for (name, calls, talents, codec) in
        [("PCMU relayed", 200, crate::PCMU, Codec::G711(Law::Mu)), ("Opus to PCMU", 100, crate::OPUS, Codec::Opus)]
    {
        match measure(&certificate, calls, talents, codec) {
            Some((handshake, call)) => {
                println!("{name}, {calls} calls: {handshake:.0} µs a handshake, {call:.3} % of a core a call");
            }
            None => println!("{name}: the calls did not come about"),
        }
    }
}

/// Microseconds of a handshake, and per cent of a core that a call takes.
fn measure(certificate: &Arc<Certificate>, count: usize, talents: Talents, codec: Codec) -> Option<(f64, f64)> {
    let mut now = stdx::testing::start();
    let mut config = Config::new(Wall::new(now, 0));
    config.browsers = Some(Settings { certificate: Arc::clone(certificate), candidates: Vec::new(), tcp: false });
    let mut engine = Engine::new(config, Entropy::seeded(1));
    engine.stock((0..count as u16 + 8).map(|i| 20_000 + i * 2));
    let mut calls = (0..count).map(|n| begin(&mut engine, n, talents, now)).collect::<Option<Vec<_>>>()?;
    let handshakes = shake_hands(&mut engine, &mut calls, &mut now);
    if !calls.iter().all(|call| call.page.connected) {
        return None;
    }
    let payload = voice(codec);
    let (pt, ticks) = if codec == Codec::Opus { (111, 960) } else { (0, 160) };
    for call in &mut calls {
        for frame in 0..FRAMES as u64 {
            let at = now + FRAME * frame as u32;
            call.page.speak(pt, frame * ticks, &payload, None, at);
            call.said.extend(std::mem::take(&mut call.page.sent).into_iter().map(|sent| sent.data));
        }
        call.said.retain(|data| data.first().is_some_and(|first| (128..=191).contains(first)));
    }
    let spent = speak(&mut engine, &calls, now);
    let handshake = handshakes.as_secs_f64() * 1e6 / count as f64;
    Some((handshake, spent.as_secs_f64() * 100.0 / (FRAME.as_secs_f64() * FRAMES as f64) / count as f64))
}

fn begin(engine: &mut Engine, n: usize, talents: Talents, now: Instant) -> Option<Call> {
    let local = "192.0.2.1".parse().ok()?;
    let (web, plain) = (engine.open_browser(local, now).ok()?, engine.open(local, now).ok()?);
    let at = SocketAddr::from(([198, 51, 100, 1], 30_000 + n as u16));
    let phone = SocketAddr::from(([198, 51, 100, 2], 30_000 + n as u16));
    let mut page = Page::new(at, talents, now);
    engine.set_remote_offer(web, &page.offer("sendrecv", false), now).ok()?;
    engine.make_offer(plain, Some(web), now);
    let answer = format!("v=0\r\nc=IN IP4 {}\r\nm=audio {} RTP/AVP 0\r\n", phone.ip(), phone.port());
    engine.set_remote_answer(plain, answer.as_bytes(), now).ok()?;
    let answer = engine.make_answer(web, Answer::Joined(plain), now)?;
    page.take_answer(&answer, now).ok()?;
    engine.bridge(web, plain, now);
    Some(Call { page, at, plain, phone, said: Vec::new() })
}

/// Lets all come to their keys; the engine's part of the time.
fn shake_hands(engine: &mut Engine, calls: &mut [Call], now: &mut Instant) -> Duration {
    let mut spent = Duration::ZERO;
    let mut buffer = Box::new(Packet::new());
    for _ in 0..400 {
        *now += Duration::from_millis(5);
        for call in &mut *calls {
            call.page.handle_timeout(*now);
            for sent in std::mem::take(&mut call.page.sent) {
                buffer.copy_from(&sent.data);
                let begun = Instant::now();
                let forward = engine.handle_shared(sent.from, &mut buffer, *now);
                spent += begun.elapsed();
                if forward.is_some_and(|forward| forward.to == call.at) {
                    call.page.handle_datagram(sent.to, call.at, buffer.as_slice(), *now);
                }
            }
        }
        let begun = Instant::now();
        engine.handle_timeout(*now);
        spent += begun.elapsed();
        let shared = engine.shared_port().unwrap_or(0);
        while let Some(output) = engine.poll_output() {
            let Output::Transmit { port, to, data, .. } = output else { continue };
            if let (true, Some(call)) = (port == shared, calls.iter_mut().find(|call| call.at == to)) {
                call.page.handle_datagram(SocketAddr::from(([192, 0, 2, 1], port)), to, &data, *now);
            }
        }
    }
    spent
}

/// Both sides of all calls speak; the engine's part of the time.
fn speak(engine: &mut Engine, calls: &[Call], mut now: Instant) -> Duration {
    let mut spent = Duration::ZERO;
    let mut buffer = Box::new(Packet::new());
    let octets = voice(Codec::G711(Law::Mu));
    for frame in 0..FRAMES {
        now += FRAME;
        let begun = Instant::now();
        engine.handle_timeout(now);
        while engine.poll_output().is_some() {}
        spent += begun.elapsed();
        for call in calls {
            let mut datagram = [0x80; 172];
            datagram[1] = 0;
            datagram[2..4].copy_from_slice(&(frame as u16).to_be_bytes());
            datagram[4..8].copy_from_slice(&(frame as u32 * 160).to_be_bytes());
            datagram[12..].copy_from_slice(&octets);
            buffer.copy_from(&datagram);
            let begun = Instant::now();
            engine.handle_packet(call.plain, Channel::Rtp, call.phone, &mut buffer, now);
            spent += begun.elapsed();
            if let Some(sealed) = call.said.get(frame) {
                buffer.copy_from(sealed);
                let begun = Instant::now();
                engine.handle_shared(call.at, &mut buffer, now);
                spent += begun.elapsed();
            }
        }
    }
    spent
}

/// 20 ms of a tone.
pub(crate) fn voice(codec: Codec) -> Vec<u8> {
    let samples = codec.rate() as usize / 50;
    let pcm: Vec<i16> = (0..samples).map(|i| ((i as f32 * 0.3).sin() * 8_000.0) as i16).collect();
    let mut octets = [0; media::codec::MAX_PAYLOAD];
    let len = Encoder::new(codec).encode(&pcm, &mut octets);
    octets[..len].to_vec()
}
