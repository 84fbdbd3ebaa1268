//! Kamailio is the carrier: the switch registers with it, calls go both ways, and it is missed when it is gone.

use crate::kamailio::{Kamailio, PASSWORD, USER};
use crate::patience::{pass, secs, wait_for};
use crate::phone::{Account, Phone};
use crate::server::{Server, Setup};
use crate::sound::assert_hears_only;
use crate::talking::phone;
use serde_json::{Value, json};
use std::time::Duration;

const TALK: Duration = secs(4);

fn server(carrier: &Kamailio) -> Server {
    let target = carrier.address();
    let trunk = format!(
        "[[trunk]]\nname = \"carrier\"\ntarget = \"{target}\"\nusername = \"{USER}\"\npassword = \"{PASSWORD}\"\n\
         register = true\nqualify_seconds = 5\n[[route]]\nnumber = \"2*\"\ntrunk = \"carrier\"\n"
    );
    Server::start_with(Setup::default(), &trunk)
}

fn trunk(server: &Server) -> Value {
    let all = server.api().get("/trunks");
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all:#}");
    all[0].clone()
}

fn until(server: &Server, state: &str, registration: &str, limit: Duration) -> Value {
    let what = format!("the trunk being {state} and {registration}");
    let is = |trunk: &Value| trunk["state"] == state && trunk["registration"] == registration;
    wait_for(&what, limit, || Some(trunk(server)).filter(is))
}

fn subscriber(carrier: &Kamailio, answers: bool) -> Phone {
    let account = Account { number: "2001", server: Some((carrier.address(), "none")), answers, codec: "PCMA" };
    Phone::start(&account, 1)
}

#[test]
fn calls_go_both_ways_over_a_carrier_that_we_registered_with() {
    let carrier = Kamailio::start();
    let server = server(&carrier);
    let up = until(&server, "up", "registered", secs(10));
    assert!(up["round_trip_ms"].as_f64().is_some_and(|ms| ms < 200.0) || up["round_trip_ms"].is_null(), "{up:#}");

    let mut ours = phone(&server, "1001", 0, true);
    let mut theirs = subscriber(&carrier, true);
    ours.dial(&server.uri("2001"));
    theirs.expect("CALL_ESTABLISHED", secs(5));
    ours.expect("CALL_ESTABLISHED", secs(5));
    assert_eq!(trunk(&server)["calls"], json!(1));
    pass(TALK);
    theirs.hang_up();
    ours.expect("CALL_CLOSED", secs(5));
    let out = server.api().newest_of(1);
    assert_eq!(
        (&out["outcome"], &out["direction"], &out["trunk"]),
        (&json!("answered"), &json!("outbound"), &json!("carrier"))
    );

    theirs.dial(&format!("sip:1001@{}", carrier.address()));
    ours.expect("CALL_ESTABLISHED", secs(5));
    theirs.expect("CALL_ESTABLISHED", secs(5));
    pass(TALK);
    ours.hang_up();
    theirs.expect("CALL_CLOSED", secs(5));
    let inbound = server.api().newest_of(2);
    let told = (&inbound["outcome"], &inbound["direction"], &inbound["caller"], &inbound["callee"]);
    assert_eq!(told, (&json!("answered"), &json!("inbound"), &json!("2001"), &json!("1001")), "{inbound:#}");

    let (ours_hz, theirs_hz) = (ours.hz, theirs.hz);
    let (ours, theirs) = (ours.quit(), theirs.quit());
    for heard in &ours {
        assert_hears_only("our phone", &heard.channels[0], theirs_hz, ours_hz, TALK - secs(1));
    }
    for heard in &theirs {
        assert_hears_only("their phone", &heard.channels[0], ours_hz, theirs_hz, TALK - secs(1));
    }
    assert_eq!((ours.len(), theirs.len()), (2, 2));
    server.finish();
}

#[test]
fn a_carrier_that_dies_is_missed_and_found_again() {
    let mut carrier = Kamailio::start();
    let server = server(&carrier);
    until(&server, "up", "registered", secs(10));
    carrier.stop();
    let down = wait_for("the trunk being down", secs(30), || Some(trunk(&server)).filter(|t| t["state"] == "down"));
    assert_eq!(down["dead_hops"], down["hops"], "{down:#}");

    // A call to it fails at once instead of waiting for nobody.
    let mut ours = phone(&server, "1001", 0, false);
    ours.dial(&server.uri("2001"));
    ours.expect("CALL_CLOSED", secs(3));
    server.api().newest_of(1);

    // The new one knows nobody, until we have registered again.
    carrier.run();
    until(&server, "up", "registered", secs(30));
    let mut theirs = subscriber(&carrier, false);
    let limit = std::time::Instant::now() + secs(20);
    loop {
        theirs.dial(&format!("sip:1001@{}", carrier.address()));
        pass(secs(1));
        if ours.has_seen("CALL_INCOMING") {
            break;
        }
        assert!(std::time::Instant::now() < limit, "the carrier never learned where we are");
        theirs.hang_up();
    }
    theirs.hang_up();
    server.finish();
}

#[test]
fn a_wrong_password_is_told_and_no_call_goes_out() {
    let carrier = Kamailio::start();
    let target = carrier.address();
    let trunk = format!(
        "[[trunk]]\nname = \"carrier\"\ntarget = \"{target}\"\nusername = \"{USER}\"\npassword = \"something else\"\n\
         register = true\n"
    );
    let server = Server::start_with(Setup::default(), &trunk);
    let refused = until(&server, "down", "refused", secs(10));
    assert!(refused["note"].as_str().is_some_and(|note| note.contains("401")), "{refused:#}");
    server.finish();
}
