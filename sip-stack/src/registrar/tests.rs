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
        assert!(desk.registrar.stream_closed(other, desk.now).is_empty());
        assert_eq!(desk.registrar.stream_closed(flow, desk.now).len(), 2 - left);
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

#[test]
fn the_flows_of_one_phone_stand_side_by_side_and_one_is_called() {
    let mut desk = Desk::new();
    desk.transport = Transport::Tcp;
    let flow = |n: u32| {
        format!(
            "Supported: outbound, path\r\nContact: <sip:100@10.0.0.1;ob>;reg-id={n};+sip.instance=\"<urn:uuid:1>\"\r\n"
        )
    };
    let first = desk.register_as("a", 1, &flow(1));
    assert!(first.headers.contains(&("Require".to_owned(), b"outbound".to_vec())), "{:?}", first.headers);
    desk.now += secs(1);
    assert_eq!(desk.register_as("b", 1, &flow(2)).changes[0].kind, ChangeKind::Added);
    assert_eq!((desk.registrar.len(), desk.bound().len()), (2, 1), "the same phone rings once");
    assert_eq!(desk.registrar.contacts("100", desk.now)[0].reg_id, Some(2), "by the flow that was renewed last");
    assert_eq!(desk.register_as("a", 2, &flow(1)).changes[0].kind, ChangeKind::Refreshed);
    assert_eq!(desk.registrar.len(), 2);
    // Both came by one stream here; when it closes nothing is left.
    let closed = desk.registrar.contacts("100", desk.now)[0].flow;
    assert_eq!(desk.registrar.stream_closed(closed, desk.now).len(), 2);
    assert!(desk.registrar.is_empty());
}

#[test]
fn a_first_hop_that_cannot_keep_the_flow_is_439() {
    let mut desk = Desk::new();
    let contact = "Supported: outbound\r\nContact: <sip:100@10.0.0.1>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\r\n";
    let lacks = desk.register(&format!("Path: <sip:edge.test;lr>\r\n{contact}"));
    assert_eq!(lacks.status, Status(439));
    let has = desk.register(&format!("Path: <sip:inner.test;lr>, <sip:edge.test;lr;ob>\r\n{contact}"));
    assert_eq!(has.status, Status::OK);
    assert_eq!(desk.register(&contact.replace("reg-id=1", "reg-id=0")).status, Status::BAD_REQUEST);
    // Without the option tag the parameters mean nothing.
    let plain = desk.register(&contact.replace("Supported: outbound\r\n", "Path: <sip:edge.test;lr>\r\n"));
    assert_eq!(plain.status, Status::OK);
}

#[test]
fn the_path_is_kept_and_told() {
    let mut desk = Desk::new();
    let path = "Path: <sip:inner.test;lr>, <sip:edge.test;lr>\r\nSupported: path\r\nContact: <sip:100@10.0.0.1>\r\n";
    let registered = desk.register(path);
    let told: Vec<_> = registered.headers.iter().filter(|(name, _)| name == "Path").map(|(_, v)| v.clone()).collect();
    assert_eq!(told, [b"<sip:inner.test;lr>".to_vec(), b"<sip:edge.test;lr>".to_vec()]);
    assert_eq!(desk.registrar.contacts("100", desk.now)[0].path, told);
    let moved = desk.register("Contact: <sip:100@10.0.0.1>\r\n");
    assert_eq!(moved.changes[0].kind, ChangeKind::Altered, "it is reached directly now");
}

#[test]
fn a_phone_that_asks_for_it_gets_an_address_of_its_own() {
    let mut desk = Desk::new();
    let contact = "Contact: <sip:100@10.0.0.1>;+sip.instance=\"<urn:uuid:1>\"\r\n";
    let plain = String::from_utf8(desk.register(contact).headers[0].1.clone()).unwrap();
    assert!(!plain.contains("gruu"), "{plain}");
    let asked = desk.register(&format!("Supported: gruu\r\n{contact}"));
    let value = String::from_utf8(asked.headers[0].1.clone()).unwrap();
    assert!(value.ends_with(";pub-gruu=\"sip:100@x;gr=urn:uuid:1\""), "{value}");
}

#[test]
fn a_phone_that_a_push_can_wake_falls_asleep_with_its_stream() {
    let mut desk = Desk::new();
    desk.transport = Transport::Tls;
    let contact = "Contact: <sip:100@10.0.0.1;pn-provider=fcm;pn-prid=abc>\r\n";
    desk.registrar.config.push_providers = vec!["fcm".into()];
    let registered = desk.register(contact);
    assert!(registered.headers.iter().any(|(name, value)| name == "Feature-Caps" && value == b"*;+sip.pns=\"fcm\""));
    let flow = desk.registrar.contacts("100", desk.now)[0].flow;
    assert!(desk.registrar.stream_closed(flow, desk.now).is_empty());
    assert!(desk.bound().is_empty());
    assert_eq!(desk.registrar.sleeping("100", desk.now)[0].push().unwrap().prid, "abc");
    let awake = desk.register(contact);
    assert_eq!((awake.changes[0].kind, desk.bound().len()), (ChangeKind::Altered, 1));
    assert!(desk.registrar.sleeping("100", desk.now).is_empty());
    assert_eq!(desk.register(&contact.replace("fcm", "apns")).status, Status(555));
}

#[test]
fn a_page_keeps_its_place_for_a_while_after_its_stream() {
    let mut desk = Desk::new();
    desk.transport = Transport::Wss;
    desk.registrar.config.grace = secs(30);
    let contact = "Contact: <sip:100@a.invalid;transport=ws>;+sip.instance=\"<urn:uuid:1>\"\r\n";
    desk.register(contact);
    let flow = desk.registrar.contacts("100", desk.now)[0].flow;
    assert_eq!(desk.registrar.missed_until("100", desk.now), None);
    assert!(desk.registrar.stream_closed(flow, desk.now).is_empty());
    assert!(desk.bound().is_empty(), "nothing leads to it now");
    assert_eq!(desk.registrar.missed_until("100", desk.now), Some(desk.now + secs(30)));
    assert_eq!(desk.registrar.poll_timeout(), Some(desk.now + secs(30)));
    desk.now += secs(29);
    assert!(desk.registrar.handle_timeout(desk.now).is_empty());
    // It comes back, with the same address or, after a reload, with another.
    let back = desk.register(contact);
    assert_eq!((back.changes[0].kind, desk.bound().len()), (ChangeKind::Altered, 1));
    assert_eq!(desk.registrar.missed_until("100", desk.now), None);
    desk.registrar.stream_closed(flow, desk.now);
    desk.register_as("two", 1, &contact.replace("a.invalid", "b.invalid"));
    assert_eq!((desk.bound().len(), desk.registrar.len()), (1, 1));
    // Who does not come back is gone, before its time.
    desk.registrar.stream_closed(flow, desk.now);
    desk.now += secs(30);
    assert_eq!(desk.registrar.handle_timeout(desk.now).len(), 1);
    assert!(desk.registrar.is_empty() && desk.registrar.streams.is_empty());
}

#[test]
fn pages_that_are_gone_make_room_for_new_ones() {
    let mut desk = Desk::new();
    desk.transport = Transport::Ws;
    desk.registrar.config.grace = secs(30);
    for n in 0..10 {
        assert_eq!(desk.register(&format!("Contact: <sip:a@h{n}.invalid>\r\n")).status, Status::OK);
    }
    assert_eq!(desk.register("Contact: <sip:a@h10.invalid>\r\n").status, Status::FORBIDDEN);
    let flow = desk.registrar.contacts("100", desk.now)[0].flow;
    desk.registrar.stream_closed(flow, desk.now);
    let reloaded = desk.register("Contact: <sip:a@h10.invalid>\r\n");
    assert_eq!(reloaded.changes.iter().map(|c| c.kind).collect::<Vec<_>>(), [ChangeKind::Added, ChangeKind::Removed]);
    assert_eq!((desk.bound().len(), desk.registrar.len()), (1, 10));
}

#[test]
fn what_an_earlier_process_left_of_pages_waits_for_them_too() {
    let mut desk = Desk::new();
    desk.transport = Transport::Ws;
    desk.register("Contact: <sip:a@h.invalid>\r\n");
    let binding = desk.registrar.contacts("100", desk.now)[0].clone();
    let mut next = Registrar::new(Config { grace: secs(30), ..Config::default() });
    assert!(next.restore(binding.clone(), desk.now));
    assert!(next.contacts("100", desk.now).is_empty() && next.missed_until("100", desk.now).is_some());
    assert!(!Registrar::new(Config::default()).restore(binding, desk.now), "without grace it is gone");
}
