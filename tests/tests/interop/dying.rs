//! The switch is killed, told to stop, or has no room left, while people talk.

use crate::ear::expect_each_other;
use crate::failing::{callee, caller};
use crate::patience::{millis, pass, secs, wait_for};
use crate::server::{Server, Setup};
use crate::sound::{Sound, assert_hears_only};
use crate::talking::{connect, two_phones};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// All files below a folder.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("its entry").path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn killed_in_a_call_it_goes_on_with_it_and_keeps_recording_and_registrations() {
    let mut server = Server::start(Setup::default());
    let (mut one, mut other) = two_phones(&server);
    let registered = (one.registrations(), other.registrations());
    connect(&server, &mut one, &mut other, "1002");
    let began = Instant::now();
    pass(millis(5_500));
    let call = server.api().calls()[0]["id"].as_str().expect("an id").to_owned();
    let talked = began.elapsed();
    server.kill();

    let files = files_below(&server.recordings());
    assert_eq!(files.len(), 1, "one recording: {files:?}");
    let recording = Sound::read(&files[0]);
    let kept = talked - secs(2);
    assert!(recording.length() >= kept, "{:?} recorded of {talked:?}", recording.length());
    assert_hears_only("the left channel", &recording.channels[0], one.hz, other.hz, kept - millis(300));
    assert_hears_only("the right channel", &recording.channels[1], other.hz, one.hz, kept - millis(300));

    server.restart();
    expect_each_other("after the restart", &one, &other);
    let calls = server.api().calls();
    assert_eq!((calls.len(), &calls[0]["id"]), (1, &json!(call)), "{calls:?}");
    assert!(!one.has_seen("CALL_CLOSED") && !other.has_seen("CALL_CLOSED"), "nobody noticed");
    other.hang_up();
    one.expect("CALL_CLOSED", secs(3));
    let record = server.api().newest_of(1);
    assert_eq!((&record["id"], &record["outcome"]), (&json!(call), &json!("answered")), "{record:#}");
    assert!(record["ended_by"] == "callee" && record["outage_ms"].is_u64(), "{record:#}");
    assert!(millis(record["talk_ms"].as_u64().expect("a length")) > talked, "{talked:?} and more: {record:#}");
    assert_eq!(record["recording"]["complete"], false, "{record:#}");
    assert!(server.api().recording(&record).length() >= kept, "the record leads to the recording");
    let more = &record["more_recordings"];
    assert_eq!((more.as_array().map(Vec::len), &more[0]["complete"]), (Some(1), &json!(true)), "{record:#}");

    // Nobody has registered anew.
    assert_eq!(server.api().registrations(), 2, "the registrations are there");
    connect(&server, &mut one, &mut other, "1002");
    pass(secs(1));
    one.hang_up();
    other.expect("CALL_CLOSED", secs(3));
    assert_eq!(server.api().newest_of(2)["outcome"], "answered");
    assert_eq!((one.registrations(), other.registrations()), registered, "without a new REGISTER");

    // A second start tells no call twice.
    server.kill();
    server.restart();
    server.api().newest_of(2);
    server.finish();
}

#[test]
fn killed_while_it_rings_it_has_a_record() {
    let mut server = Server::start(Setup::default());
    let called = callee(&server, "1002", "callee_rings").start();
    let calling = caller(&server, "caller_left_alone").start();
    wait_for("ringing", secs(5), || (server.api().calls().first()?["legs"][1]["state"] == "ringing").then_some(()));
    server.kill();
    drop((called, calling));
    server.restart();
    let record = server.api().newest_of(1);
    assert_eq!((&record["outcome"], &record["answered_at"]), (&json!("switch_failure"), &Value::Null), "{record:#}");
    assert!(record["ringing_at"].is_u64() && record["recording"].is_null(), "{record:#}");
    server.api().wait_for_silence();
    server.finish();
}

#[test]
fn told_to_stop_it_takes_no_calls_waits_and_says_good_bye() {
    let mut server = Server::start(Setup { drain_seconds: 4, ..Setup::default() });
    let (mut one, mut other) = two_phones(&server);
    connect(&server, &mut one, &mut other, "1002");
    pass(secs(1));
    server.terminate();
    let told = Instant::now();
    pass(millis(500));
    caller(&server, "caller_turned_away").run();
    pass(secs(3).saturating_sub(told.elapsed()));
    assert!(!one.has_seen("CALL_CLOSED") && !other.has_seen("CALL_CLOSED"), "the call may go on for four seconds");
    one.expect("CALL_CLOSED", secs(4));
    other.expect("CALL_CLOSED", secs(4));
    assert!(server.end().success(), "it ends well");
    assert!(told.elapsed() >= millis(3_900), "it waited");
    server.restart();
    // Who was turned away called later.
    let turned_away = server.api().newest_of(2);
    assert_eq!(
        (&turned_away["outcome"], &turned_away["cause"]["sip"]),
        (&json!("congestion"), &json!(503)),
        "{turned_away:#}"
    );
    let record = server.api().oldest();
    assert_eq!((&record["outcome"], &record["ended_by"]), (&json!("answered"), &json!("system")), "{record:#}");
    assert_eq!(record["recording"]["complete"], true, "{record:#}");
    // They take leave of the server, so it has to be there.
    let (one_hz, other_hz) = (one.hz, other.hz);
    let (one, other) = (one.quit(), other.quit());
    assert_hears_only("the caller's phone", &one[0].channels[0], other_hz, one_hz, secs(4));
    assert_hears_only("the called phone", &other[0].channels[0], one_hz, other_hz, secs(4));
    server.finish();
}

#[test]
fn told_to_stop_without_calls_it_stops_at_once() {
    let mut server = Server::start(Setup { drain_seconds: 20, ..Setup::default() });
    server.terminate();
    let told = Instant::now();
    assert!(server.end().success());
    assert!(told.elapsed() < secs(3), "nobody talks: {:?}", told.elapsed());
    server.assert_no_errors();
}

#[test]
fn told_twice_it_does_not_wait() {
    let mut server = Server::start(Setup { drain_seconds: 20, ..Setup::default() });
    let called = callee(&server, "1002", "callee").start();
    let calling = caller(&server, "caller_left_alone").start();
    wait_for("a call", secs(5), || server.api().calls().first()?["answered_at"].is_u64().then_some(()));
    server.terminate();
    pass(millis(500));
    server.terminate();
    let told = Instant::now();
    assert!(server.end().success());
    assert!(told.elapsed() < secs(4), "it waited {:?}", told.elapsed());
    called.finish();
    calling.finish();
    server.assert_no_errors();
}

#[test]
fn a_full_disk_stops_the_recording_and_not_the_call() {
    // Room for three seconds of stereo sound.
    let server = Server::start(Setup { disk_kb: Some(100), ..Setup::default() });
    let (mut one, mut other) = two_phones(&server);
    connect(&server, &mut one, &mut other, "1002");
    pass(secs(6));
    one.hang_up();
    other.expect("CALL_CLOSED", secs(3));
    let (one_hz, other_hz) = (one.hz, other.hz);
    let (heard, said) = (one.quit(), other.quit());
    assert_hears_only("the caller's phone", &heard[0].channels[0], other_hz, one_hz, secs(5));
    assert_hears_only("the called phone", &said[0].channels[0], one_hz, other_hz, secs(5));
    let record = server.api().newest_of(1);
    assert_eq!(record["outcome"], "answered", "{record:#}");
    assert_eq!(record["recording"]["complete"], false, "{record:#}");
    assert!(record["recording"]["note"].as_str().is_some_and(|note| !note.is_empty()), "it says why: {record:#}");
    let kept = server.api().recording(&record);
    assert!(kept.length() > secs(1) && kept.length() < secs(4), "what was written plays: {:?}", kept.length());
    wait_for("a warning for the operator", secs(1), || (server.logged("WARN") > 0).then_some(()));
    server.finish();
}
