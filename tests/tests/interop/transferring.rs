//! Calls that are sent on: by number and into another call, who hears whom afterwards, and what the record tells.

use crate::ear::{expect_each_other, expect_hearing};
use crate::linphone::Linphone;
use crate::patience::{millis, pass, secs};
use crate::phone::{Phone, Way};
use crate::server::{Server, Setup};
use crate::talking::{connect, phone};
use serde_json::{Value, json};

/// How each leg came into the call.
fn origins(record: &Value) -> Vec<&str> {
    let legs = record["legs"].as_array().expect("legs");
    legs.iter().map(|leg| leg["origin"].as_str().expect("an origin")).collect()
}

/// 1001 speaks with 1002, which answers by itself; 1003 is there.
fn three(server: &Server, third_answers: bool) -> (Phone, Phone, Phone) {
    let mut ana = phone(server, "1001", 0, false);
    let mut ben = phone(server, "1002", 1, true);
    let eva = phone(server, "1003", 2, third_answers);
    connect(server, &mut ana, &mut ben, "1002");
    expect_each_other("the first call", &ana, &ben);
    (ana, ben, eva)
}

/// 1001 is a linphone and speaks with 1002.
fn linphone_speaks(server: &Server, way: Way) -> (Linphone, Phone) {
    let mut ana = Linphone::start(server, way, "1001", 0);
    let mut ben = phone(server, "1002", 1, true);
    ana.say("call 1002");
    ben.expect("CALL_ESTABLISHED", secs(10));
    ana.expect("connected", secs(10));
    pass(millis(500));
    ana.talk();
    expect_each_other("the first call", &ana, &ben);
    (ana, ben)
}

#[test]
fn the_caller_sends_the_called_party_on() {
    let server = Server::start(Setup::default());
    let (mut ana, mut ben, mut eva) = three(&server, true);
    ana.command("transfer", &server.uri("1003"));
    eva.expect("CALL_ESTABLISHED", secs(10));
    ana.expect("CALL_CLOSED", secs(10));
    expect_hearing("after the transfer", &[(&ana, &[]), (&ben, &[&eva]), (&eva, &[&ben])]);
    eva.hang_up();
    ben.expect("CALL_CLOSED", secs(5));
    let record = server.api().newest_of(1);
    assert_eq!(origins(&record), ["caller", "dialled", "transferred"], "{record:#}");
    assert_eq!((&record["legs"][2]["number"], &record["legs"][2]["origin_leg"]), (&json!("1003"), &json!(0)));
    assert_eq!((&record["outcome"], &record["callee"]), (&json!("answered"), &json!("1002")), "{record:#}");
    assert_eq!(record["recording"]["complete"], true, "{record:#}");
    server.api().wait_for_silence();
    server.finish();
}

#[test]
fn the_called_party_sends_the_caller_on() {
    let server = Server::start(Setup::default());
    let (mut ana, mut ben, mut eva) = three(&server, false);
    ben.command("transfer", &server.uri("1003"));
    eva.expect("CALL_INCOMING", secs(10));
    pass(secs(1));
    eva.command("accept", "");
    eva.expect("CALL_ESTABLISHED", secs(10));
    ben.expect("CALL_CLOSED", secs(10));
    expect_hearing("after the transfer", &[(&ben, &[]), (&ana, &[&eva]), (&eva, &[&ana])]);
    ana.hang_up();
    eva.expect("CALL_CLOSED", secs(5));
    let record = server.api().newest_of(1);
    assert_eq!(origins(&record), ["caller", "dialled", "transferred"], "{record:#}");
    assert_eq!(record["legs"][2]["origin_leg"], 1, "{record:#}");
    server.api().wait_for_silence();
    server.finish();
}

#[test]
fn who_sends_a_call_to_somebody_that_refuses_has_it_back() {
    let server = Server::start(Setup::default());
    let (mut ana, mut ben) = linphone_speaks(&server, Way::Udp);
    let mut eva = phone(&server, "1003", 2, false);
    ana.say(&format!("transfer {}", server.uri("1003")));
    eva.expect("CALL_INCOMING", secs(10));
    eva.hang_up();
    pass(secs(1));
    // Linphone has paused it before; baresip would hang up now.
    ana.say("resume");
    expect_hearing("after the refusal", &[(&ana, &[&ben]), (&ben, &[&ana]), (&eva, &[])]);
    ana.say("terminate");
    ben.expect("CALL_CLOSED", secs(5));
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    server.finish();
}

#[test]
fn linphone_sends_a_call_on() {
    let server = Server::start(Setup::default());
    let (mut ana, mut ben) = linphone_speaks(&server, Way::Udp);
    let mut eva = phone(&server, "1003", 2, true);
    ana.say(&format!("transfer {}", server.uri("1003")));
    eva.expect("CALL_ESTABLISHED", secs(10));
    expect_hearing("after the transfer", &[(&ana, &[]), (&ben, &[&eva]), (&eva, &[&ben])]);
    ben.hang_up();
    eva.expect("CALL_CLOSED", secs(5));
    let record = server.api().newest_of(1);
    assert_eq!(origins(&record), ["caller", "dialled", "transferred"], "{record:#}");
    server.api().wait_for_silence();
    server.finish();
}

#[test]
fn linphone_asks_a_colleague_first_and_joins_the_two() {
    let server = Server::start(Setup::default());
    let (mut ana, mut ben) = linphone_speaks(&server, Way::Tcp);
    let mut eva = phone(&server, "1003", 2, true);
    ana.say("pause");
    ana.expect("is now paused", secs(10));
    ana.say("call 1003");
    eva.expect("CALL_ESTABLISHED", secs(10));
    pass(secs(1));
    ana.talk();
    expect_each_other("the question", &ana, &eva);
    ana.say("transfer 1 --to-call 2");
    expect_hearing("after the transfer", &[(&ana, &[]), (&ben, &[&eva]), (&eva, &[&ben])]);
    eva.hang_up();
    ben.expect("CALL_CLOSED", secs(5));
    server.api().newest_of(2);
    let records = server.api().records();
    let into = records.iter().find(|record| record["callee"] == "1003").expect("the second call's record");
    let from = records.iter().find(|record| record["callee"] == "1002").expect("the first call's record");
    assert_eq!(origins(into), ["caller", "dialled", "from_call"], "{into:#}");
    assert_eq!((&into["legs"][2]["number"], &into["legs"][2]["origin_call"]), (&json!("1002"), &from["id"]));
    server.api().wait_for_silence();
    server.finish();
}
