//! Phones that speak differently: codecs that the switch turns into each other, and SRTP.

use crate::ear::expect_each_other;
use crate::linphone::Linphone;
use crate::patience::{millis, pass, secs};
use crate::phone::{Account, Extras, Phone, Way};
use crate::server::{Server, Setup};
use crate::talking::phone;
use serde_json::{Value, json};

/// 1001 speaks this codec, is reached so and has these settings; 1002 speaks PCMA in the clear. Either calls the other.
fn between(way: Way, codec: &str, extras: &Extras<'_>, settings: &Value) {
    let server = Server::start(Setup::default());
    server.api().set_extension("1001", settings);
    let account =
        Account { number: "1001", server: Some((server.sip(), server.password("1001"))), answers: true, codec };
    let mut one = Phone::start_with(way, &account, extras, 0);
    let mut other = phone(&server, "1002", 1, true);
    for turn in 1..=2 {
        if turn == 1 {
            one.dial(&format!("sip:1002@{};transport={}", way.at(server.sip()), way.name()));
        } else {
            other.dial(&server.uri("1001"));
        }
        one.expect("CALL_ESTABLISHED", secs(10));
        other.expect("CALL_ESTABLISHED", secs(10));
        expect_each_other(codec, &one, &other);
        one.hang_up();
        other.expect("CALL_CLOSED", secs(5));
        let record = server.api().newest_of(turn);
        let mut codecs = [&record["legs"][0]["codec"], &record["legs"][1]["codec"]];
        if turn == 2 {
            codecs.reverse();
        }
        assert_eq!(codecs, [&json!(codec), &json!("PCMA")], "{record:#}");
        assert_eq!(record["recording"]["complete"], true, "{record:#}");
    }
    server.finish();
}

#[test]
fn g722_and_g711_hear_each_other() {
    between(Way::Udp, "G722", &Extras::default(), &json!({ "codecs": ["G722"] }));
}

#[test]
fn opus_and_g711_hear_each_other() {
    between(Way::Udp, "opus", &Extras::default(), &json!({ "codecs": ["opus"] }));
}

#[test]
fn srtp_over_tls_and_a_phone_in_the_clear_hear_each_other() {
    let extras = Extras { account: ";mediaenc=srtp-mand", ..Extras::default() };
    between(Way::Tls, "PCMA", &extras, &json!({ "srtp": "required" }));
}

#[test]
fn linphone_by_srtp_over_tls_and_a_phone_in_the_clear_hear_each_other() {
    let server = Server::start(Setup::default());
    server.api().set_extension("1001", &json!({ "srtp": "required" }));
    let settings = "[sip]\nmedia_encryption=srtp\nmedia_encryption_mandatory=1\n";
    let mut one = Linphone::start_with(&server, Way::Tls, "1001", 0, settings);
    let mut other = phone(&server, "1002", 1, true);
    one.say("call 1002");
    other.expect("CALL_ESTABLISHED", secs(10));
    one.expect("connected", secs(10));
    pass(millis(500));
    one.talk();
    expect_each_other("linphone by SRTP", &one, &other);
    assert!(one.log().contains("RTP/SAVP"), "it asked for nothing else");
    one.say("terminate");
    other.expect("CALL_CLOSED", secs(5));
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    server.finish();
}
