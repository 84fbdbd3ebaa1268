//! Kamailio is the carrier: the switch registers with it, calls go both ways, and it is missed when it is gone.

use crate::ear::expect_each_other;
use crate::kamailio::{ADDRESS, Kamailio, PASSWORD, USER};
use crate::patience::{pass, secs, wait_for};
use crate::phone::{Account, Extras, Phone, Way};
use crate::ports;
use crate::server::{Server, Setup};
use crate::sound::assert_hears_only;
use crate::talking::phone;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const TALK: Duration = secs(4);

fn server(carrier: &Kamailio) -> Server {
    let target = carrier.address();
    Server::start_with(Setup::default(), &customer(target, Way::Udp))
}

/// The lines of a customer of the carrier at this address.
fn customer(target: SocketAddr, way: Way) -> String {
    let transport = way.name();
    format!(
        "[[trunk]]\nname = \"carrier\"\ntarget = \"{target}\"\ntransport = \"{transport}\"\ntls_verify = false\n\
         username = \"{USER}\"\npassword = \"{PASSWORD}\"\nregister = true\nqualify_seconds = 5\n\
         [[route]]\nnumber = \"2*\"\ntrunk = \"carrier\"\n"
    )
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

/// Calls out and in, with sound.
fn call_both_ways(server: &Server, carrier: &Kamailio) {
    let up = until(server, "up", "registered", secs(10));
    assert!(
        up["round_trip_ms"].as_f64().is_some_and(|ms| ms > 0.0 && ms < 5_000.0) || up["round_trip_ms"].is_null(),
        "{up:#}"
    );

    let mut ours = phone(server, "1001", 0, true);
    let mut theirs = subscriber(carrier, true);
    ours.dial(&server.uri("2001"));
    theirs.expect("CALL_ESTABLISHED", secs(5));
    ours.expect("CALL_ESTABLISHED", secs(5));
    assert_eq!(trunk(server)["calls"], json!(1));
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
}

#[test]
fn calls_go_both_ways_over_a_carrier_that_we_registered_with() {
    let carrier = Kamailio::start();
    let server = server(&carrier);
    call_both_ways(&server, &carrier);
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

/// The switch begins first: the carrier shows a certificate that the switch made.
fn over_streams(way: Way) {
    let at = SocketAddr::from((ADDRESS, ports::block(2)));
    let server = Server::start_with(Setup::default(), &customer(way.at(at), way));
    let carrier = Kamailio::start_at(ADDRESS, at.port(), Some(&server.data().join("tls")));
    until(&server, "up", "registered", secs(100));
    let hops = trunk(&server)["hops"].to_string();
    assert!(hops.contains(way.name()) && hops.contains(&carrier.address_by(way).to_string()), "{hops}");
    call_both_ways(&server, &carrier);
    server.finish();
}

#[test]
fn calls_go_both_ways_over_a_carrier_by_tcp() {
    over_streams(Way::Tcp);
}

#[test]
fn calls_go_both_ways_over_a_carrier_by_tls() {
    over_streams(Way::Tls);
}

#[test]
fn when_one_server_of_the_carrier_dies_calls_go_by_the_other() {
    let port = ports::block(2);
    let others = [ADDRESS, Ipv4Addr::new(127, 0, 0, 3)];
    let mut carriers = others.map(|ip| Some(Kamailio::start_at(ip, port, None)));
    let trunk_lines = format!(
        "[[trunk]]\nname = \"carrier\"\ntarget = \"carrier.test:{port}\"\ntransport = \"udp\"\nusername = \"{USER}\"\n\
         password = \"{PASSWORD}\"\nqualify_seconds = 5\n[[route]]\nnumber = \"2*\"\ntrunk = \"carrier\"\n"
    );
    let setup = Setup { hosts: "127.0.0.2 carrier.test\n127.0.0.3 carrier.test\n", ..Setup::default() };
    let server = Server::start_with(setup, &trunk_lines);
    let up = wait_for("the trunk being up", secs(20), || Some(trunk(&server)).filter(|t| t["state"] == "up"));
    assert_eq!((up["hops"].as_array().map(Vec::len), &up["dead_hops"]), (Some(2), &json!([])), "{up:#}");

    // At each of the carrier's servers there is a phone with this number.
    let mut phones = [0, 1].map(|n| subscriber(carriers[n].as_ref().expect("it runs"), true));
    let mut ours = phone(&server, "1001", 0, false);
    let mut call = |server: &Server| {
        ours.dial(&server.uri("2001"));
        ours.expect("CALL_ESTABLISHED", secs(20));
        let taken = phones.iter_mut().position(|phone| phone.has_seen("CALL_ESTABLISHED")).expect("one of them");
        expect_each_other("over the carrier", &ours, &phones[taken]);
        ours.hang_up();
        phones[taken].expect("CALL_CLOSED", secs(5));
        taken
    };
    let first = call(&server);
    // At once, before anybody has missed it; and after it has been missed.
    carriers[first].as_mut().expect("it runs").kill();
    let second = call(&server);
    assert_ne!(first, second, "by the other server");
    let dead = others[first].to_string();
    let missed = wait_for("the dead server being missed", secs(30), || {
        Some(trunk(&server)).filter(|trunk| trunk["dead_hops"].to_string().contains(&dead))
    });
    assert_eq!(missed["state"], "up", "{missed:#}");
    assert_eq!(call(&server), second);
    server.finish();
}

#[test]
fn a_carrier_by_ipv6_and_a_phone_by_ipv4_hear_each_other() {
    let account = Account { number: "2001", server: None, answers: true, codec: "PCMA" };
    let mut theirs = Phone::start_with(Way::Udp, &account, &Extras { ipv6: true, ..Extras::default() }, 1);
    let target = theirs.uri().replace("sip:2001@", "");
    let lines = format!(
        "[[trunk]]\nname = \"six\"\naddresses = [\"::1\"]\ntarget = \"{target}\"\ntransport = \"udp\"\n\
         [[route]]\nnumber = \"2*\"\ntrunk = \"six\"\n"
    );
    let server = Server::start_with(Setup { ipv6: true, ..Setup::default() }, &lines);
    let mut ours = phone(&server, "1001", 0, true);
    ours.dial(&server.uri("2001"));
    theirs.expect("CALL_ESTABLISHED", secs(10));
    ours.expect("CALL_ESTABLISHED", secs(10));
    expect_each_other("out", &ours, &theirs);
    ours.hang_up();
    theirs.expect("CALL_CLOSED", secs(5));
    assert_eq!(server.api().newest_of(1)["trunk"], "six");
    theirs.dial(&format!("sip:1001@[::1]:{}", server.sip().port()));
    ours.expect("CALL_ESTABLISHED", secs(10));
    theirs.expect("CALL_ESTABLISHED", secs(10));
    expect_each_other("in", &ours, &theirs);
    theirs.hang_up();
    ours.expect("CALL_CLOSED", secs(5));
    let record = server.api().newest_of(2);
    assert_eq!((&record["trunk"], &record["direction"]), (&json!("six"), &json!("inbound")), "{record:#}");
    server.finish();
}
