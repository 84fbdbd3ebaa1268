//! Descriptions: two, cut at a zero octet, offered, passed on, answered, offered again. What we print, we read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use media::engine::{Answer, Config, Engine, Output};
use media::sdp::Session;
use stdx::{Entropy, Wall};

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |b| *b == 0);
    let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if let Ok(session) = Session::parse(first) {
        let again = Session::parse(session.to_string().as_bytes()).expect("what we print, we read");
        assert_eq!(again.media, session.media);
        assert_eq!(again.origin, session.origin);
    }

    let now = stdx::testing::start();
    let mut engine = Engine::new(Config::new(Wall::new(now, 0)), Entropy::seeded(1));
    engine.stock([40_000, 40_002]);
    let local = "192.0.2.1".parse().expect("an address");
    let (Ok(a), Ok(b)) = (engine.open(local, now), engine.open(local, now)) else { panic!("two ports are in stock") };
    if engine.set_remote_offer(a, first, now).is_ok() {
        let early = engine.make_answer(a, Answer::Early, now);
        let offer = engine.make_offer(b, Some(a), now);
        engine.set_remote_answer(b, &offer, now).expect("our own offer answers itself");
        engine.bridge(a, b, now);
        let answer = engine.make_answer(a, Answer::Joined(b), now).expect("what was offered on was agreed");
        assert!(early.is_none_or(|early| early == answer), "an answer is repeated");
        let (answer, offer) =
            (Session::parse(&answer).expect("our answer"), Session::parse(first).expect("read before"));
        assert_eq!(answer.media.len(), offer.media.len());
    }
    let _ = engine.set_remote_answer(b, second, now);
    if let Ok(answer) = engine.reanswer(a, second, now) {
        Session::parse(&answer).expect("our answer");
    }
    engine.close(a, now);
    engine.close(b, now);
    while let Some(output) = engine.poll_output() {
        assert!(!matches!(output, Output::Page { .. }));
    }
    assert_eq!(engine.open_ports(), 0);
});
