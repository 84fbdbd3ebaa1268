//! Keys pressed in a call: by RTP and by INFO, between phones that take them in different ways.

use crate::failing::{callee, caller};
use crate::linphone::Linphone;
use crate::patience::{millis, pass, secs, wait_for};
use crate::phone::{Phone, Way};
use crate::server::{Server, Setup};
use crate::talking::phone;

/// Waits until these keys have been pressed for the phone, and no others.
fn expect_keys(phone: &mut Phone, keys: &str) {
    for key in keys.chars() {
        let pressed = phone.expect("CALL_DTMF_START", secs(10));
        assert_eq!(pressed["param"], key.to_string(), "{pressed}");
    }
    pass(millis(500));
    assert!(!phone.has_seen("CALL_DTMF_START"), "each key once");
}

#[test]
fn keys_by_info_reach_a_phone_that_takes_them_by_rtp() {
    let server = Server::start(Setup::default());
    let mut called = phone(&server, "1002", 1, true);
    let calling = caller(&server, "caller_presses").talk(secs(2)).start();
    called.expect("CALL_ESTABLISHED", secs(10));
    expect_keys(&mut called, "5#");
    calling.finish();
    called.expect("CALL_CLOSED", secs(10));
    server.finish();
}

#[test]
fn keys_by_rtp_reach_a_phone_that_takes_only_info() {
    let server = Server::start(Setup::default());
    // The scenario itself insists on the key.
    let called = callee(&server, "1002", "callee_takes_info").start();
    let mut calling = phone(&server, "1001", 0, false);
    calling.dial(&server.uri("1002"));
    calling.expect("CALL_ESTABLISHED", secs(10));
    pass(secs(1));
    calling.command("sndcode", "7");
    wait_for("the key", secs(10), || called.received("INFO").pop());
    pass(millis(500));
    calling.hang_up();
    let heard = called.finish();
    assert_eq!(heard.received("INFO", "INFO"), 1, "the key, once");
    server.finish();
}

fn between_linphone_and_baresip(settings: &str) {
    let server = Server::start(Setup::default());
    let mut one = Linphone::start_with(&server, Way::Udp, "1001", 0, settings);
    let mut other = phone(&server, "1002", 1, true);
    one.say("call 1002");
    other.expect("CALL_ESTABLISHED", secs(10));
    one.expect("connected", secs(10));
    pass(secs(1));
    for key in ["4", "*"] {
        one.say(key);
        pass(millis(700));
    }
    expect_keys(&mut other, "4*");
    for key in ["7", "#"] {
        other.command("sndcode", key);
        one.expect(&format!("Receiving tone {key}"), secs(10));
    }
    pass(millis(500));
    assert!(["7", "#"].map(|key| one.times_said(&format!("Receiving tone {key}"))) == [1, 1], "each key once");
    one.say("terminate");
    other.expect("CALL_CLOSED", secs(5));
    server.finish();
}

#[test]
fn keys_by_rtp_pass_both_ways_between_linphone_and_baresip() {
    between_linphone_and_baresip("[sip]\nuse_info=0\nuse_rfc2833=1\n");
}

#[test]
fn keys_that_linphone_sends_by_info_reach_baresip_by_rtp() {
    between_linphone_and_baresip("[sip]\nuse_info=1\nuse_rfc2833=0\n");
}
