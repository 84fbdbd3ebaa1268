//! Killed with many calls, the switch goes on with all of them.

use crate::failing::callee;
use crate::patience::{millis, secs, wait_for};
use crate::server::{Server, Setup};
use crate::sipp::Sipp;
use serde_json::{Value, json};
use std::time::Instant;

const TALKING: usize = 50;
const WAITING: usize = 20;

fn waiting(server: &Server) -> Vec<Value> {
    server.api().get("/queues/sales")["now"]["callers"].as_array().cloned().unwrap_or_default()
}

fn is_answered(call: &Value) -> bool {
    call["answered_at"].is_u64()
}

#[test]
#[expect(clippy::print_stderr, reason = "how long it took is a figure for people")]
fn killed_with_fifty_calls_and_twenty_in_a_queue_it_goes_on_with_all() {
    let mut server = Server::start(Setup { ports: 600, ..Setup::default() });
    let api = server.api();
    for number in ["1001", "1002", "1003"] {
        api.set_extension(number, &json!({ "max_calls": 100, "record": false }));
    }
    api.put("/queues/sales", &json!({ "number": "700" }));
    api.put("/agents/ana", &json!({ "extension": "1001", "queues": [{ "queue": "sales" }] }));
    api.post("/agents/ana/login", &json!({ "duty": "busy", "reason": "tea" }));
    let called = callee(&server, "1002", "callee_survives").calls(TALKING as u32).echo().start();
    let caller = |number: &str, to: &str, calls: usize| {
        let sipp = Sipp::new("caller_survives", server.sip()).user(number, server.password(number)).number(to);
        sipp.calls(calls as u32).talk(secs(4)).start()
    };
    let callers = [caller("1001", "1002", TALKING), caller("1003", "700", WAITING)];
    let all = || {
        let calls = server.api().calls();
        (calls.len() == TALKING + WAITING && calls.iter().all(is_answered)).then_some(())
    };
    wait_for("all calls", secs(15), all);
    wait_for("all in the queue", secs(5), || (waiting(&server).len() == WAITING).then_some(()));
    crate::patience::pass(millis(500));
    let places = waiting(&server);

    server.kill();
    let killed = Instant::now();
    server.restart();
    let asked = || callers.iter().map(|sipp| sipp.received("INVITE ").len()).sum::<usize>();
    wait_for("a re-INVITE to every caller", secs(10), || (asked() >= TALKING + WAITING).then_some(()));
    eprintln!("every caller was asked {:?} after the kill", killed.elapsed());
    assert_eq!(waiting(&server), places, "who waits, in which order, since when");
    assert_eq!(server.api().get("/agents/ana")["now"]["state"], "busy");

    for sipp in callers.into_iter().chain([called]) {
        sipp.finish();
    }
    server.api().wait_for_silence();
    let records = wait_for("all records", secs(5), || {
        let records = server.api().records();
        (records.len() == TALKING + WAITING).then_some(records)
    });
    let worst = records.iter().filter_map(|record| record["outage_ms"].as_u64()).max();
    eprintln!("calls were dead for up to {worst:?} ms, the second included in which the last sign of life may lie");
    for record in &records {
        assert!(record["outcome"] == "answered" && record["outage_ms"].is_u64(), "{record:#}");
        // What is told of the sound is of the time after the kill: packets came from both and went to both.
        let legs = record["legs"].as_array().expect("legs");
        let figure = |leg: &Value, name: &str| leg["quality"][name].as_u64().unwrap_or_default();
        assert!(legs.iter().all(|leg| figure(leg, "received") > 50 && figure(leg, "sent") > 50), "{record:#}");
    }
    server.finish();
}
