//! What a REGISTER does, by RFC 3261 §10.3.

use super::*;
use crate::endpoint::Transport;
use bytes::Bytes;

struct Desk {
    registrar: Registrar,
    now: Instant,
    cseq: u32,
    transport: Transport,
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

impl Desk {
    fn new() -> Self {
        Self {
            registrar: Registrar::new(Config::default()),
            now: stdx::testing::start(),
            cseq: 0,
            transport: Transport::Udp,
        }
    }

    fn register(&mut self, lines: &str) -> Registration {
        self.cseq += 1;
        self.register_as("one", self.cseq, lines)
    }

    fn register_as(&mut self, call_id: &str, cseq: u32, lines: &str) -> Registration {
        let text = format!(
            "REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:100@x>;tag=1\r\nTo: <sip:100@x>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\nUser-Agent: Phone\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        let request = Message::parse_datagram(Bytes::from(text)).unwrap();
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:40000".parse().unwrap());
        self.registrar.register("100", &request, Flow { transport: self.transport, ..flow }, self.now)
    }

    fn bound(&self) -> Vec<String> {
        self.registrar.contacts("100", self.now).iter().map(|b| String::from_utf8(b.contact.clone()).unwrap()).collect()
    }
}

#[test]
fn contacts_come_are_renewed_and_go() {
    let mut desk = Desk::new();
    let first = desk.register("Contact: <sip:100@10.0.0.1>;expires=120\r\n");
    assert_eq!((first.status, first.changes[0].kind), (Status::OK, ChangeKind::Added));
    assert_eq!(first.headers, [("Contact".to_owned(), b"<sip:100@10.0.0.1>;expires=120".to_vec())]);
    desk.now += secs(100);
    let again = desk.register("Contact: <sip:100@10.0.0.1>\r\nExpires: 300\r\n");
    assert_eq!(again.changes[0].kind, ChangeKind::Refreshed);
    let two = desk.register("Contact: <sip:100@10.0.0.2>;q=0.5, <sip:100@10.0.0.3>;q=0.9\r\nExpires: 90\r\n");
    assert_eq!(two.headers.len(), 3);
    assert_eq!(desk.bound(), ["sip:100@10.0.0.1", "sip:100@10.0.0.3", "sip:100@10.0.0.2"]);
    let query = desk.register("");
    assert_eq!((query.status, query.headers.len(), query.changes.len()), (Status::OK, 3, 0));
    let gone = desk.register("Contact: <sip:100@10.0.0.2>;expires=0\r\n");
    assert_eq!(gone.changes[0].kind, ChangeKind::Removed);
    assert_eq!(desk.bound().len(), 2);
    assert_eq!(desk.register("Contact: *\r\nExpires: 0\r\n").changes.len(), 2);
    assert!(desk.bound().is_empty() && desk.registrar.is_empty());
}

#[test]
fn bindings_lapse_in_time() {
    let mut desk = Desk::new();
    desk.register("Contact: <sip:a@h>;expires=60, <sip:b@h>;expires=120\r\n");
    assert_eq!(desk.registrar.poll_timeout(), Some(desk.now + secs(60)));
    desk.now += secs(60);
    assert_eq!(desk.bound(), ["sip:b@h"]);
    assert_eq!(desk.registrar.handle_timeout(desk.now).len(), 1);
    desk.now += secs(60);
    assert_eq!(desk.registrar.handle_timeout(desk.now).len(), 1);
    assert_eq!((desk.registrar.len(), desk.registrar.poll_timeout()), (0, None));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut desk = Desk::new();
    desk.register("Contact: <sip:a@h>\r\n");
    let brief = desk.register("Contact: <sip:b@h>;expires=5\r\n");
    assert_eq!((brief.status, &brief.headers[0].1[..]), (Status::INTERVAL_TOO_BRIEF, &b"60"[..]));
    assert_eq!(desk.register("Contact: *\r\nExpires: 10\r\n").status, Status::BAD_REQUEST);
    assert_eq!(desk.register("Contact: *\r\n").status, Status::BAD_REQUEST);
    assert_eq!(desk.register("Contact: <tel:123>\r\n").status, Status::BAD_REQUEST);
    assert_eq!(desk.register("Contact: <sip:b@h>, <sip:c@h\r\n").status, Status::BAD_REQUEST);
    assert_eq!(desk.bound(), ["sip:a@h"]);
}

#[test]
fn an_older_request_of_the_same_registration_loses() {
    let mut desk = Desk::new();
    desk.register_as("one", 5, "Contact: <sip:a@h>\r\n");
    assert_eq!(desk.register_as("one", 4, "Contact: <sip:a@h>;expires=0\r\n").status, Status::SERVER_INTERNAL_ERROR);
    assert_eq!(desk.register_as("one", 5, "Contact: *\r\nExpires: 0\r\n").status, Status::SERVER_INTERNAL_ERROR);
    assert_eq!(desk.register_as("two", 1, "Contact: <sip:a@h>;expires=0\r\n").status, Status::OK);
}

#[test]
fn the_number_of_contacts_has_a_limit() {
    let mut desk = Desk::new();
    for n in 0..10 {
        assert_eq!(desk.register(&format!("Contact: <sip:a@h{n}>\r\n")).status, Status::OK);
    }
    assert_eq!(desk.register("Contact: <sip:a@h10>\r\n").status, Status::FORBIDDEN);
    assert_eq!(desk.register("Contact: <sip:a@h3>\r\n").status, Status::OK, "a renewal is no new contact");
    assert_eq!(desk.register("Contact: <sip:a@h4>;expires=0\r\n").status, Status::OK);
    assert_eq!(desk.register("Contact: <sip:a@h10>\r\n").status, Status::OK);
    let crowd: String = (20..60).map(|n| format!("Contact: <sip:a@h{n}>\r\n")).collect();
    assert_eq!(desk.register(&crowd).status, Status::FORBIDDEN);
}

#[test]
fn a_phone_that_comes_back_with_another_address_replaces_itself() {
    let mut desk = Desk::new();
    let instance = "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\"";
    desk.register(&format!("Contact: <sip:100@10.0.0.1:5060>;{instance}\r\n"));
    let back = desk.register_as("two", 1, &format!("Contact: <sip:100@10.0.0.1:6060>;{instance}\r\n"));
    assert_eq!(back.changes.iter().map(|c| c.kind).collect::<Vec<_>>(), [ChangeKind::Removed, ChangeKind::Added]);
    assert_eq!(desk.bound(), ["sip:100@10.0.0.1:6060"]);
}

#[test]
fn a_browser_is_gone_with_its_stream_and_a_phone_is_not() {
    for (transport, left) in [(Transport::Ws, 0), (Transport::Wss, 0), (Transport::Tcp, 2), (Transport::Tls, 2)] {
        let mut desk = Desk::new();
        desk.transport = transport;
        desk.register("Contact: <sip:100@a.invalid;transport=ws>\r\nContact: <sip:100@b.invalid;transport=ws>\r\n");
        let flow = desk.registrar.contacts("100", desk.now)[0].flow;
        let other = Flow { remote: "198.51.100.7:40001".parse().unwrap(), ..flow };
        assert!(desk.registrar.stream_closed(other).is_empty());
        assert_eq!(desk.registrar.stream_closed(flow).len(), 2 - left);
        assert_eq!((desk.bound().len(), desk.registrar.streams.len()), (left, 0));
        assert_eq!(desk.registrar.is_empty(), left == 0);
    }
}

#[test]
fn streams_are_known_only_as_long_as_something_is_bound_to_them() {
    let mut desk = Desk::new();
    desk.transport = Transport::Wss;
    let one = "Contact: <sip:100@a.invalid;transport=ws>";
    let register = |desk: &mut Desk, lines: &str| assert_eq!(desk.register(lines).status, Status::OK);
    register(&mut desk, &format!("{one}\r\n"));
    register(&mut desk, &format!("{one}\r\nContact: <sip:100@b.invalid;transport=ws>\r\n"));
    assert_eq!(desk.registrar.streams.len(), 1);
    register(&mut desk, &format!("{one};expires=0\r\n"));
    assert_eq!(desk.registrar.streams.len(), 1);
    register(&mut desk, "Contact: *\r\nExpires: 0\r\n");
    assert!(desk.registrar.streams.is_empty());
    register(&mut desk, &format!("{one}\r\n"));
    desk.registrar.handle_timeout(desk.now + secs(3601));
    assert!(desk.registrar.streams.is_empty());
    register(&mut desk, &format!("{one}\r\n"));
    desk.registrar.remove_all("100");
    assert!(desk.registrar.streams.is_empty());
}
