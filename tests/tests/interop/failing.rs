//! Calls that reach nobody, and calls that are over before they begin; each leaves its record.

use crate::patience::{millis, secs};
use crate::ports;
use crate::server::{Server, Setup};
use crate::sipp::{Running, Sipp, Trace};
use serde_json::{Value, json};
use std::time::Instant;

/// A called phone: registered, and listening with `scenario` once it is started.
pub(crate) fn callee(server: &Server, number: &str, scenario: &'static str) -> Sipp {
    let port = server.phone_port(number);
    register(server, number, port);
    Sipp::new(scenario, server.sip()).port(port).number(number)
}

fn register(server: &Server, number: &str, port: u16) {
    Sipp::new("register", server.sip()).port(port).number(number).user(number, server.password(number)).run();
}

/// Extension 1001 calls 1002.
pub(crate) fn caller(server: &Server, scenario: &'static str) -> Sipp {
    Sipp::new(scenario, server.sip()).number("1002").user("1001", server.password("1001"))
}

fn both(caller: Sipp, callee: Running) -> (Trace, Trace) {
    let caller = caller.run();
    (caller, callee.finish())
}

fn assert_record(record: &Value, outcome: &str, ended_by: &str, sip: u16, q850: u8) {
    let told = (&record["outcome"], &record["ended_by"], &record["cause"]["sip"], &record["cause"]["q850"]);
    assert_eq!(told, (&json!(outcome), &json!(ended_by), &json!(sip), &json!(q850)), "{record:#}");
    assert_eq!((&record["caller"], &record["answered_at"]), (&json!("1001"), &Value::Null), "{record:#}");
}

#[test]
fn a_call_without_sound_is_still_a_call_and_either_side_ends_it() {
    let server = Server::start(Setup::default());
    let (heard, _) = both(caller(&server, "caller"), callee(&server, "1002", "callee").start());
    assert_eq!(heard.received("SIP/2.0 200", "INVITE"), 1, "the answer, once");
    let record = server.api().newest_of(1);
    assert_eq!(
        (record["outcome"].as_str(), record["ended_by"].as_str()),
        (Some("answered"), Some("caller")),
        "{record:#}"
    );
    assert_eq!((&record["cause"]["sip"], &record["cause"]["q850"]), (&json!(200), &json!(16)), "{record:#}");
    for time in ["started_at", "ringing_at", "answered_at", "ended_at"] {
        assert!(record[time].is_u64(), "{time} of {record:#}");
    }

    both(caller(&server, "caller_left_alone"), callee(&server, "1002", "callee_hangs_up").start());
    let record = server.api().newest_of(2);
    assert_eq!(
        (record["outcome"].as_str(), record["ended_by"].as_str()),
        (Some("answered"), Some("callee")),
        "{record:#}"
    );
    server.api().wait_for_silence();
    server.finish();
}

#[test]
fn the_caller_gives_up() {
    let server = Server::start(Setup::default());
    both(caller(&server, "caller_cancels"), callee(&server, "1002", "callee_rings").start());
    let record = server.api().newest_of(1);
    assert_record(&record, "cancelled", "caller", 487, 16);
    assert!(record["ringing_at"].is_u64(), "it rang: {record:#}");
    server.finish();
}

#[test]
fn the_caller_gives_up_while_the_answer_is_on_its_way() {
    let server = Server::start(Setup::default());
    // The callee's 200 meets our CANCEL: it must be confirmed and ended, and the caller hears 487.
    both(caller(&server, "caller_cancels"), callee(&server, "1002", "callee_answers_anyway").start());
    assert_record(&server.api().newest_of(1), "cancelled", "caller", 487, 16);
    // The caller's CANCEL meets our 200: the call stands until his BYE.
    both(caller(&server, "caller_cancels_late"), callee(&server, "1002", "callee").start());
    let record = server.api().newest_of(2);
    assert_eq!(
        (record["outcome"].as_str(), record["ended_by"].as_str()),
        (Some("answered"), Some("caller")),
        "{record:#}"
    );
    server.api().wait_for_silence();
    server.finish();
}

#[test]
fn the_called_phone_is_busy_or_refuses() {
    let server = Server::start(Setup::default());
    for (count, status, outcome, q850) in [(1, 486, "busy", 17), (2, 603, "rejected", 21)] {
        let refusing = callee(&server, "1002", "callee_refuses").status(status).start();
        both(caller(&server, "caller_refused").status(status), refusing);
        assert_record(&server.api().newest_of(count), outcome, "callee", status, q850);
    }
    server.finish();
}

#[test]
fn nobody_answers_in_time() {
    let server = Server::start(Setup::default());
    server.api().set_extension("1002", &json!({ "ring_seconds": 5 }));
    both(caller(&server, "caller_refused").status(480), callee(&server, "1002", "callee_rings").start());
    let record = server.api().newest_of(1);
    assert_record(&record, "no_answer", "callee", 480, 19);
    let rang = record["ended_at"].as_u64().zip(record["started_at"].as_u64()).map(|(end, start)| end - start);
    assert!(rang.is_some_and(|ms| (4_500..7_000).contains(&ms)), "it rings for five seconds: {record:#}");
    server.finish();
}

#[test]
fn nobody_is_there() {
    let server = Server::start(Setup::default());
    caller(&server, "caller_refused").number("4711").status(404).run();
    assert_record(&server.api().newest_of(1), "unallocated", "system", 404, 1);
    // An extension without a phone.
    caller(&server, "caller_refused").status(480).run();
    assert_record(&server.api().newest_of(2), "unreachable", "system", 480, 20);
    // A phone that has left.
    Sipp::new("register_cycle", server.sip()).number("1002").user("1002", server.password("1002")).run();
    caller(&server, "caller_refused").status(480).run();
    assert_record(&server.api().newest_of(3), "unreachable", "system", 480, 20);
    // Somebody who is not who he says he is.
    Sipp::new("caller_refused", server.sip()).number("1002").user("1001", "not-the-password").status(403).run();
    assert_record(&server.api().newest_of(4), "forbidden", "system", 403, 21);
    server.finish();
}

#[test]
fn phones_that_are_gone_without_leaving_keep_nobody_waiting() {
    let server = Server::start(Setup::default());
    // The kernel tells that a port is closed (ICMP), and tells it to whichever worker it likes.
    for _ in 0..6 {
        register(&server, "1002", ports::one());
    }
    assert_eq!(server.api().registrations(), 6);
    let began = Instant::now();
    caller(&server, "caller_refused").status(480).run();
    assert!(began.elapsed() < secs(3), "waited {:?} for closed ports", began.elapsed());
    assert_record(&server.api().newest_of(1), "unreachable", "system", 480, 20);
    server.finish();
}

#[test]
fn the_caller_is_told_why_by_tone() {
    let server = Server::start(Setup { announce: true, ..Setup::default() });
    let began = Instant::now();
    let heard = caller(&server, "caller_refused").number("4711").status(404).run();
    assert_eq!(heard.received("SIP/2.0 183", "INVITE"), 1, "early media for the announcement");
    assert!(began.elapsed() > millis(1_000), "the announcement takes its time");
    assert_record(&server.api().newest_of(1), "unallocated", "system", 404, 1);
    server.finish();
}
