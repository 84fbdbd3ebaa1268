//! Phones that come by TCP and TLS, and by IPv6.

use crate::failing::{callee, caller};
use crate::patience::{millis, pass, secs};
use crate::phone::{Account, Phone, Way};
use crate::server::{Server, Setup};
use crate::sipp::Sipp;
use crate::sound::assert_hears_only;
use serde_json::json;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};

#[test]
fn a_call_by_tcp_with_one_stream_and_with_one_for_each_call() {
    let server = Server::start(Setup::default());
    let port = server.phone_port("1002");
    let password = server.password("1002");
    // The stream it registers by is closed at once: the switch has to find it where it says it listens.
    Sipp::new("register", server.sip()).transport("t1").port(port).number("1002").user("1002", password).run();
    for (count, transport) in ["t1", "tn", "u1"].into_iter().enumerate() {
        let phone = Sipp::new("callee", server.sip()).transport("t1").port(port).number("1002").start();
        caller(&server, "caller").transport(transport).run();
        phone.finish();
        assert_eq!(server.api().newest_of(count + 1)["outcome"], "answered", "{transport}");
    }
    // And one that came by UDP is called by one that came by TCP.
    let phone = callee(&server, "1003", "callee").start();
    caller(&server, "caller").number("1003").transport("t1").run();
    phone.finish();
    server.finish();
}

/// A phone that came by this way.
fn phone(server: &Server, way: Way, number: &str, speaker: usize, answers: bool) -> Phone {
    let account = Account { number, server: Some((server.sip(), server.password(number))), answers, codec: "PCMA" };
    Phone::start_by(way, &account, speaker)
}

fn hear_each_other(one: Way, other: Way) {
    let server = Server::start(Setup::default());
    let mut caller = phone(&server, one, "1001", 0, false);
    let mut callee = phone(&server, other, "1002", 1, true);
    let list = server.api().get("/registrations");
    let ways: Vec<_> = [0, 1].map(|n| list[n]["transport"].as_str().unwrap_or_default().to_owned()).into();
    assert_eq!(ways, [one.name(), other.name()], "{list}");
    let at = one.at(server.sip());
    caller.dial(&format!("sip:1002@{at};transport={}", one.name()));
    callee.expect("CALL_ESTABLISHED", secs(5));
    caller.expect("CALL_ESTABLISHED", secs(5));
    pass(secs(4));
    callee.hang_up();
    caller.expect("CALL_CLOSED", secs(3));
    let record = server.api().newest_of(1);
    assert_eq!((&record["outcome"], &record["ended_by"]), (&json!("answered"), &json!("callee")), "{record:#}");
    let (caller_hz, callee_hz) = (caller.hz, callee.hz);
    assert_hears_only("the caller", &caller.quit()[0].channels[0], callee_hz, caller_hz, secs(3));
    assert_hears_only("the callee", &callee.quit()[0].channels[0], caller_hz, callee_hz, secs(3));
    server.finish();
}

#[test]
fn phones_hear_each_other_by_tcp() {
    hear_each_other(Way::Tcp, Way::Tcp);
}

#[test]
fn phones_hear_each_other_by_tls() {
    hear_each_other(Way::Tls, Way::Tls);
}

#[test]
fn a_phone_by_tls_and_one_by_udp_hear_each_other() {
    hear_each_other(Way::Tls, Way::Udp);
}

#[test]
fn a_phone_by_ipv6_calls_one_by_ipv4() {
    let server = Server::start(Setup { ipv6: true, ..Setup::default() });
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, server.sip().port()));
    let socket = UdpSocket::bind("[::1]:0").expect("this host has IPv6");
    socket.set_read_timeout(Some(millis(500))).expect("a limit above zero");
    let us = socket.local_addr().expect("it is bound");
    let options = format!(
        "OPTIONS sip:{v6} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK6;rport\r\nMax-Forwards: 70\r\nFrom: <sip:x@{us}>;tag=1\r\n\
         To: <sip:{v6}>\r\nCall-ID: six\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(options.as_bytes(), v6).expect("loopback takes it");
    let mut buffer = [0; 4_096];
    let (length, from) = socket.recv_from(&mut buffer).expect("an answer");
    let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(answer.starts_with("SIP/2.0 200") && answer.contains("received=::1") && from == v6, "{answer}");

    let phone = callee(&server, "1002", "callee").start();
    Sipp::new("caller", v6).number("1002").user("1001", server.password("1001")).talk(secs(1)).run();
    phone.finish();
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    server.finish();
}
