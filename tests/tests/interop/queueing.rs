//! A queue with real phones: the caller hears music, the first agent lets it ring, the second one takes it, and it outlives a kill who
//! is at work.

use crate::ear::expect_each_other;
use crate::patience::{secs, wait_for};
use crate::server::{Server, Setup};
use crate::talking::phone;
use serde_json::{Value, json};

fn state(server: &Server, agent: &str) -> Value {
    server.api().get(&format!("/agents/{agent}"))["now"]["state"].clone()
}

#[test]
fn the_second_of_two_baresip_agents_takes_a_caller_and_agents_outlive_a_kill() {
    let mut server = Server::start(Setup::default());
    let mut caller = phone(&server, "1001", 0, false);
    let mut ana = phone(&server, "1002", 1, false);
    let mut ben = phone(&server, "1003", 2, false);
    let api = server.api();
    api.put("/queues/sales", &json!({ "number": "700", "ring_seconds": 3, "rest_seconds": 60, "strategy": "linear" }));
    for (name, extension) in [("ana", "1002"), ("ben", "1003")] {
        api.put(&format!("/agents/{name}"), &json!({ "extension": extension, "queues": [{ "queue": "sales" }] }));
        api.post(&format!("/agents/{name}/login"), &json!({}));
    }
    caller.dial(&server.uri("700"));
    caller.expect("CALL_ESTABLISHED", secs(5));
    ana.expect("CALL_INCOMING", secs(5));
    ana.expect("CALL_CLOSED", secs(8));
    ben.expect("CALL_INCOMING", secs(5));
    ben.command("accept", "");
    ben.expect("CALL_ESTABLISHED", secs(5));
    expect_each_other("in the queue's call", &caller, &ben);
    assert_eq!((state(&server, "ana"), state(&server, "ben")), (json!("unavailable"), json!("talking")));
    caller.hang_up();
    ben.expect("CALL_CLOSED", secs(5));
    let record = server.api().newest_of(1);
    let visit = &record["queue"];
    assert_eq!((&visit["queue"], &visit["agent"], &visit["attempts"]), (&json!("sales"), &json!("ben"), &json!(2)));
    wait_for("the agent is ready again", secs(5), || (state(&server, "ben") == "ready").then_some(()));
    let api = server.api();
    api.post("/agents/ana/duty", &json!({ "duty": "busy", "reason": "tea" }));
    // What happened is kept a moment later.
    crate::patience::pass(secs(1));
    server.kill();
    server.restart();
    wait_for("the agent is ready after the restart", secs(5), || (state(&server, "ben") == "ready").then_some(()));
    assert_eq!(state(&server, "ana"), "busy");
    let now = server.api().get("/queues/sales");
    assert_eq!((&now["now"]["answered"], &now["now"]["missed"]), (&json!(1), &json!(1)), "{now:#}");
    server.finish();
}
