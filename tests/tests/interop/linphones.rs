//! Linphones with each other, over every transport.

use crate::linphone::Linphone;
use crate::patience::{millis, pass, secs};
use crate::phone::Way;
use crate::server::{Server, Setup};
use crate::sound::Sound;
use media::testing::hears;

/// One voice is heard and the other is not. Its own jitter buffer may leave a packet out while it finds its length.
fn assert_hears(place: &str, sound: &Sound, voice: f32, other: f32) {
    let pcm = &sound.channels[0];
    assert_eq!(hears(pcm, other), None, "{place}: the wrong voice ({other} Hz)");
    let heard = hears(pcm, voice).unwrap_or_else(|| panic!("{place}: nothing of {voice} Hz in {} samples", pcm.len()));
    assert!(heard.until - heard.from >= secs(3) && heard.longest_gap <= millis(200), "{place}: {voice} Hz {heard:?}");
}

fn call(way: Way) {
    let server = Server::start(Setup::default());
    let mut caller = Linphone::start(&server, way, "1001", 0);
    let mut callee = Linphone::start(&server, way, "1002", 1);
    let list = server.api().get("/registrations");
    assert_eq!((list[0]["transport"].as_str(), list[1]["transport"].as_str()), (Some(way.name()), Some(way.name())));
    caller.say(&format!("call sip:1002@{}", way.at(server.sip())));
    callee.expect("Receiving new incoming call", secs(10));
    callee.say("answer");
    caller.expect("connected", secs(10));
    pass(millis(300));
    caller.talk();
    callee.talk();
    pass(secs(5));
    caller.say("terminate");
    server.api().wait_for_silence();
    let record = server.api().newest_of(1);
    assert_eq!(
        (record["outcome"].as_str(), record["ended_by"].as_str()),
        (Some("answered"), Some("caller")),
        "{record:#}"
    );
    let (caller_hz, callee_hz) = (caller.hz, callee.hz);
    assert_hears("the caller", &caller.quit(), callee_hz, caller_hz);
    assert_hears("the callee", &callee.quit(), caller_hz, callee_hz);
    server.finish();
}

#[test]
fn two_linphones_hear_each_other_by_udp() {
    call(Way::Udp);
}

#[test]
fn two_linphones_hear_each_other_by_tcp() {
    call(Way::Tcp);
}

#[test]
fn two_linphones_hear_each_other_by_tls() {
    call(Way::Tls);
}

#[test]
fn linphone_proves_itself_with_sha_256() {
    let server = Server::start(Setup::default());
    let phone = Linphone::start(&server, Way::Udp, "1001", 0);
    let log = phone.log();
    let proofs: Vec<&str> = log.lines().filter(|line| line.starts_with("Authorization:")).collect();
    assert!(!proofs.is_empty() && proofs.iter().all(|proof| proof.contains("SHA-256")), "{proofs:?}");
    server.finish();
}
