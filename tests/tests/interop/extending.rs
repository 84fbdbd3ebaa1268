//! What SIP has learnt since RFC 3261, as SIPp insists on it: reliable ringing, session timers, late offers, calls that are sent on.

use crate::ear::expect_hearing;
use crate::failing::{callee, caller};
use crate::patience::{millis, secs};
use crate::server::{Server, Setup};
use crate::talking::phone;
use serde_json::json;

#[test]
fn a_caller_that_requires_it_has_its_ringing_acknowledged() {
    let server = Server::start(Setup::default());
    let called = callee(&server, "1002", "callee").start();
    // The scenario itself insists on RSeq and on an answer to its PRACK.
    caller(&server, "caller_requires_100rel").run();
    called.finish();
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    server.finish();
}

#[test]
fn a_caller_that_describes_itself_late_is_heard_and_hears() {
    let server = Server::start(Setup::default());
    let mut called = phone(&server, "1002", 1, true);
    let calling = caller(&server, "caller_offers_late").talk(secs(6)).echo().start();
    called.expect("CALL_ESTABLISHED", secs(10));
    // What it hears comes back.
    expect_hearing("its own echo", &[(&called, &[&called])]);
    calling.finish();
    called.expect("CALL_CLOSED", secs(10));
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    server.finish();
}

#[test]
fn both_parties_are_asked_in_time_whether_they_are_still_there() {
    let server = Server::start(Setup::default());
    let called = callee(&server, "1002", "callee_is_refreshed").patience(secs(110)).start();
    // Half of 90 s: the caller by UPDATE, the called phone, which does not know that, by INVITE.
    caller(&server, "caller_is_refreshed").talk(secs(3)).patience(secs(110)).run();
    called.finish();
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    server.finish();
}

#[test]
fn a_phone_that_is_elsewhere_sends_its_calls_there() {
    let server = Server::start(Setup::default());
    let mut there = phone(&server, "1003", 2, true);
    let mut calling = phone(&server, "1001", 0, false);
    let moved = callee(&server, "1002", "callee_moved").key("elsewhere", "1003").start();
    calling.dial(&server.uri("1002"));
    calling.expect("CALL_ESTABLISHED", secs(10));
    moved.finish();
    crate::ear::expect_each_other("elsewhere", &calling, &there);
    crate::patience::pass(millis(500));
    calling.hang_up();
    there.expect("CALL_CLOSED", secs(5));
    let record = server.api().newest_of(1);
    let leg = &record["legs"][2];
    assert_eq!((&leg["origin"], &leg["number"], &leg["origin_leg"]), (&json!("diverted"), &json!("1003"), &json!(1)));
    server.finish();
}
