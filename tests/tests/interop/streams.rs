//! Phones that come by TCP and TLS, and by IPv6.

use crate::failing::{callee, caller};
use crate::patience::{pass, secs};
use crate::phone::{Account, Phone, Way};
use crate::server::{Server, Setup};
use crate::sipp::Sipp;
use crate::sound::assert_hears_only;
use crate::websocket::{header, proof};
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

/// A phone on `::1` that the case plays itself: SIPp's digest does not know IPv6.
struct Six {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Six {
    fn new(server: &Server) -> Self {
        let socket = UdpSocket::bind("[::1]:0").expect("this host has IPv6");
        socket.set_read_timeout(Some(secs(5))).expect("a limit above zero");
        Self { socket, server: SocketAddr::from((Ipv6Addr::LOCALHOST, server.sip().port())) }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    fn say(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.server).expect("loopback takes it");
    }

    fn hear(&self) -> String {
        let mut buffer = [0; 4_096];
        let (length, from) = self.socket.recv_from(&mut buffer).expect("a message");
        assert_eq!(from, self.server, "from the address that was spoken to");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn request(&self, method: &str, number: &str, cseq: u32, more: &str) -> String {
        let (us, server) = (self.address(), self.server);
        self.say(&format!(
            "{method} sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{method}{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{number}@{server}>;tag=six\r\nTo: <sip:{number}@{server}>\r\nCall-ID: {method}-six\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:{number}@{us}>;expires=600\r\n{more}Content-Length: 0\r\n\r\n"
        ));
        self.hear()
    }

    /// Answers a request with what it copies of it.
    fn answer(&self, request: &str, status: &str, more: &str, body: &str) {
        let copied = ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", header(request, name)));
        let (copied, to, length) = (copied.concat(), header(request, "To"), body.len());
        let to = if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag=six") };
        self.say(&format!("SIP/2.0 {status}\r\n{copied}To: {to}\r\n{more}Content-Length: {length}\r\n\r\n{body}"));
    }
}

#[test]
fn a_phone_by_ipv4_calls_one_by_ipv6() {
    let server = Server::start(Setup { ipv6: true, ..Setup::default() });
    let six = Six::new(&server);
    let capabilities = six.request("OPTIONS", "1002", 1, "");
    assert!(capabilities.starts_with("SIP/2.0 200") && capabilities.contains("received=::1"), "{capabilities}");
    let challenge = six.request("REGISTER", "1002", 1, "");
    let proof = proof(&challenge, "1002", server.password("1002"), &format!("sip:{}", six.server));
    let registered = six.request("REGISTER", "1002", 2, &proof);
    assert!(registered.starts_with("SIP/2.0 200") && registered.contains("@[::1]:"), "{registered}");

    let calling = caller(&server, "caller").talk(secs(1)).start();
    let invite = six.hear();
    let ours = six.server;
    assert!(header(&invite, "Via").starts_with(&format!("SIP/2.0/UDP {ours};")), "{invite}");
    assert!(header(&invite, "Contact").contains(&format!("@{ours}")), "{invite}");
    assert!(invite.contains("c=IN IP6 ::1\r\n"), "{invite}");
    let sound = UdpSocket::bind("[::1]:0").expect("a free port");
    sound.set_read_timeout(Some(secs(5))).expect("a limit above zero");
    let port = sound.local_addr().expect("it is bound").port();
    let description = format!(
        "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    );
    let contact = format!("Contact: <sip:1002@{}>\r\n", six.address());
    six.answer(&invite, "180 Ringing", &contact, "");
    six.answer(&invite, "200 OK", &format!("{contact}Content-Type: application/sdp\r\n"), &description);
    assert!(six.hear().starts_with("ACK "), "the switch acknowledges");
    let bye = six.hear();
    assert!(bye.starts_with("BYE "), "{bye}");
    six.answer(&bye, "200 OK", "", "");
    calling.finish();
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    server.finish();
}
