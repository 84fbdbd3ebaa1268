//! Messages that are lost, so that others come more than once.

use crate::failing::{callee, caller};
use crate::server::{Server, Setup};

#[test]
fn an_invite_that_is_repeated_is_answered_again_and_makes_one_call() {
    let server = Server::start(Setup::default());
    let phone = callee(&server, "1002", "callee").start();
    // The scenario itself insists on three answers to three INVITEs.
    caller(&server, "caller_repeats").literal().run();
    let called = phone.finish();
    assert_eq!(called.received("INVITE", "INVITE"), 1, "the called phone hears of one call");
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    server.finish();
}

#[test]
fn our_own_invite_and_ack_are_repeated() {
    let server = Server::start(Setup::default());
    // The scenario itself insists on two INVITEs, and on an ACK for each of two 200s.
    let phone = callee(&server, "1002", "callee_slow").literal().start();
    caller(&server, "caller").run();
    phone.finish();
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    server.finish();
}

#[test]
fn an_answer_that_is_never_confirmed_is_repeated_and_then_taken_back() {
    let server = Server::start(Setup::default());
    let phone = callee(&server, "1002", "callee").start();
    let heard = caller(&server, "caller_never_confirms").run();
    phone.finish();
    // 0.5, 1, 2, 4, 4 … seconds apart for 32 seconds (RFC 3261 §13.3.1.4).
    let answers = heard.received("SIP/2.0 200", "INVITE");
    assert!((10..=12).contains(&answers), "{answers} answers");
    let record = server.api().newest_of(1);
    assert_eq!(record["ended_by"], "system", "{record:#}");
    assert!(record["note"].as_str().is_some_and(|note| note.contains("ACK")), "{record:#}");
    server.api().wait_for_silence();
    server.finish();
}
