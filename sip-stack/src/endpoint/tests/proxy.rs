//! Requests that are passed on, and the dialogs that run over us.

use super::*;
use crate::message::Name;

fn flow(remote: &str) -> Flow {
    Flow::udp("192.0.2.1:5060".parse().unwrap(), remote.parse().unwrap())
}

fn hop(remote: &str) -> Hop {
    Hop { flow: flow(remote), request_uri: format!("sip:200@{remote}").parse().unwrap(), route: Vec::new() }
}

fn bench() -> Bench {
    let mut bench = Bench::with(Config {
        methods: vec![Method::Options, Method::Subscribe, Method::Notify, Method::Info],
        passed_on: vec![Method::Options, Method::Subscribe, Method::Info],
        realm: "pbx".to_owned(),
        ..Config::default()
    });
    bench.flows = Some(Vec::new());
    bench
}

/// A request of the peer, passed on to these; what they got.
fn passed(bench: &mut Bench, text: String, hops: &[Hop]) -> Vec<Message> {
    bench.receive(text);
    let Event::Request { id, request, .. } = bench.event() else { panic!("no request") };
    assert_eq!(bench.sip.may_pass(&request), Ok(()));
    bench.act(|sip, now| sip.forward(id, hops, now));
    std::mem::take(&mut bench.sent)
}

fn answer(bench: &mut Bench, request: &Message, from: &str, status: u16, more: &[(Name, &str)]) {
    let data = reply(request, status, "callee", more, b"");
    bench.sip.handle_input(Input::Datagram { flow: flow(from), data }, bench.now);
    bench.drain();
}

const A: &str = "198.51.100.1:5060";
const B: &str = "198.51.100.2:5060";

#[test]
fn what_a_proxy_adds_and_takes_away() {
    let mut bench = bench();
    let more = "Require: eventlist\r\nRoute: <sip:192.0.2.1;lr>\r\nP-Asserted-Identity: <sip:boss@pbx>\r\nX-Odd: kept\r\nMax-Forwards: 17\r\n\
                Authorization: Digest username=\"100\", realm=\"pbx\", nonce=\"n\", uri=\"sip:x\", response=\"r\"\r\n\
                Proxy-Authorization: Digest username=\"100\", realm=\"else\", nonce=\"n\", uri=\"sip:x\", response=\"r\"\r\nEvent: x\r\n";
    let text = bench.request("SUBSCRIBE", more, "body").replace("Max-Forwards: 70\r\n", "");
    let sent = passed(&mut bench, text, &[hop(A)]);
    let text = String::from_utf8(sent[0].as_bytes().to_vec()).unwrap();
    assert!(
        text.starts_with(
            "SUBSCRIBE sip:200@198.51.100.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKpb0000"
        ),
        "{text}"
    );
    assert!(
        text.contains("\r\nVia: SIP/2.0/UDP 10.0.0.9:5062;branch=z9hG4bKp1;received=203.0.113.9;rport=5062\r\n"),
        "{text}"
    );
    for kept in
        ["Max-Forwards: 16\r\n", "Require: eventlist", "realm=\"else\"", "X-Odd: kept", "Content-Length: 4\r\n\r\nbody"]
    {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    for gone in ["realm=\"pbx\"", "P-Asserted", "\r\nRoute:"] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
    assert_eq!(sent[0].values(Name::RecordRoute).count(), 2);
    answer(&mut bench, &sent[0], A, 200, &[(Name::Expires, "60")]);
    let back = bench.one();
    assert_eq!((back.status(), back.vias().count()), (Some(Status::OK), 1));
    assert_eq!(back.via().unwrap().branch(), Some(&b"z9hG4bKp1"[..]));
    assert_eq!(crate::dialog::tag_of(&back), b"callee");
    bench.pass(secs(40));
    bench.assert_clean();
}

#[test]
fn the_best_answer_goes_back() {
    for (answers, expected) in [
        (&[404, 486][..], 404),
        (&[480, 603], 603),
        (&[503, 501], 501),
        (&[503], 500),
        (&[302, 404], 302),
        (&[404, 420], 420),
        (&[500, 488], 488),
        (&[486, 200], 200),
        (&[200, 486], 200),
    ] {
        let mut bench = bench();
        let text = bench.request("INFO", "", "");
        let hops: Vec<_> =
            answers.iter().enumerate().map(|(n, _)| hop(&format!("198.51.100.{}:5060", n + 1))).collect();
        let sent = passed(&mut bench, text, &hops);
        for (n, status) in answers.iter().enumerate() {
            answer(&mut bench, &sent[n], &format!("198.51.100.{}:5060", n + 1), *status, &[]);
        }
        assert_eq!(bench.one().status(), Some(Status(expected)), "{answers:?}");
        bench.pass(secs(40));
        bench.assert_clean();
    }
}

#[test]
fn challenges_of_all_are_put_together() {
    let mut bench = bench();
    let text = bench.request("INFO", "", "");
    let sent = passed(&mut bench, text, &[hop(A), hop(B)]);
    answer(&mut bench, &sent[0], A, 407, &[(Name::ProxyAuthenticate, "Digest realm=\"a\"")]);
    answer(&mut bench, &sent[1], B, 401, &[(Name::WwwAuthenticate, "Digest realm=\"b\"")]);
    let back = bench.one();
    let challenges = back.headers(Name::WwwAuthenticate).count() + back.headers(Name::ProxyAuthenticate).count();
    assert_eq!((back.status(), challenges), (Some(Status::PROXY_AUTHENTICATION_REQUIRED), 2));
}

#[test]
fn one_that_says_nothing_keeps_the_other_s_answer_back_only_for_a_while() {
    let mut bench = bench();
    let text = bench.request("INFO", "", "");
    let sent = passed(&mut bench, text, &[hop(A), hop(B)]);
    answer(&mut bench, &sent[0], A, 486, &[]);
    bench.pass(secs(23));
    assert!(!bench.sent().contains(&"486".to_owned()));
    bench.pass(secs(2));
    assert!(bench.sent().contains(&"486".to_owned()));
    answer(&mut bench, &sent[1], B, 200, &[]);
    assert_eq!(bench.sent(), Vec::<String>::new(), "too late");
    bench.pass(secs(40));
    bench.assert_clean();
}

#[test]
fn where_nobody_answers_nothing_is_said_and_where_nobody_is_that_is_said() {
    let mut bench = bench();
    let text = bench.request("INFO", "", "");
    passed(&mut bench, text, &[hop(A)]);
    bench.pass(secs(80));
    assert!(bench.sent().iter().all(|what| what == "INFO"), "RFC 4320");
    bench.assert_clean();
    let text = bench.request("INFO", "", "");
    passed(&mut bench, text, &[hop(A)]);
    bench.act(|sip, now| sip.handle_input(Input::SendFailed { flow: flow(A) }, now));
    assert_eq!(bench.sent(), ["480"]);
    let text = bench.request("INFO", "", "");
    let none = passed(&mut bench, text, &[]);
    assert_eq!(none[0].status(), Some(Status(480)));
    bench.pass(secs(80));
    bench.assert_clean();
}

#[test]
fn a_request_that_comes_back_as_it_was_is_a_loop_and_changed_it_is_none() {
    let mut bench = bench();
    let text = bench.request("INFO", "", "");
    let sent = passed(&mut bench, text, &[hop(A)]);
    let via = String::from_utf8(sent[0].values(Name::Via).next().unwrap().to_vec()).unwrap();
    let back = |uri: &str| {
        let text = String::from_utf8(sent[0].as_bytes().to_vec()).unwrap();
        let line = format!("INFO {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKx\r\n");
        Message::parse_datagram(text.replacen("INFO sip:200@198.51.100.1:5060 SIP/2.0\r\n", &line, 1).into()).unwrap()
    };
    assert!(via.contains("z9hG4bKpb0000"), "{via}");
    let refused = bench.sip.may_pass(&back("sip:200@192.0.2.1")).unwrap_err();
    assert_eq!(refused.0, Status::LOOP_DETECTED);
    assert_eq!(bench.sip.may_pass(&back("sip:201@192.0.2.1")), Ok(()), "a spiral");
    let other = Bench::with(Config { seal: Some(crate::seal::Seal::new(&[1; 32])), ..Config::default() });
    assert_eq!(other.sip.may_pass(&back("sip:200@192.0.2.1")), Ok(()), "another's mark");
}

#[test]
fn what_proxies_must_refuse() {
    let mut bench = bench();
    let ask = |bench: &mut Bench, more: &str| {
        let text =
            bench.request("OPTIONS", more, "").replacen("Max-Forwards: 70\r\n", "", usize::from(more.contains("Max")));
        bench.receive(text);
        let Event::Request { request, .. } = bench.event() else { panic!("no request") };
        bench.sip.may_pass(&request).map_err(|(status, headers)| (status.code(), headers))
    };
    assert_eq!(ask(&mut bench, "Max-Forwards: 0\r\n"), Err((483, Vec::new())));
    assert_eq!(ask(&mut bench, "Max-Forwards: 1\r\n"), Ok(()));
    let headers = vec![("Unsupported".to_owned(), b"foo, bar".to_vec())];
    assert_eq!(ask(&mut bench, "Proxy-Require: foo\r\nProxy-Require: bar\r\n"), Err((420, headers)));
    // What is required of whoever serves it in the end is no concern of a proxy; if that is us, it is.
    let text = bench.request("OPTIONS", "Require: baz\r\n", "");
    bench.receive(text);
    let Event::Request { request, .. } = bench.event() else { panic!("no request") };
    assert_eq!(bench.sip.may_pass(&request), Ok(()));
    assert_eq!(bench.sip.understands(&request).unwrap_err().0, Status::BAD_EXTENSION);
    let text = bench.request("NOTIFY", "Require: baz\r\n", "");
    bench.receive(text);
    assert!(bench.sent().contains(&"420".to_owned()), "NOTIFY is not passed on here");
}

/// A SUBSCRIBE of the peer to A, answered; the routes in its record, top first.
fn subscribed(bench: &mut Bench) -> (Message, Vec<String>) {
    let text = bench.request("SUBSCRIBE", "Event: x\r\n", "");
    let sent = passed(bench, text, &[hop(A)]);
    answer(bench, &sent[0], A, 200, &[]);
    bench.sent();
    let routes = sent[0].values(Name::RecordRoute).map(|route| String::from_utf8_lossy(route).into_owned()).collect();
    (sent[0].clone(), routes)
}

fn inside(subscribe: &Message, method: &str, routes: &[&str], call_id: &str) -> String {
    let routes: String = routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
    let from = String::from_utf8_lossy(subscribe.header(Name::From).unwrap()).into_owned();
    format!(
        "{method} sip:100@10.0.0.9:5062 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK{method}{call_id}{}\r\n{routes}\
         From: <sip:200@pbx>;tag=callee\r\nTo: {from}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\nContact: <sip:200@198.51.100.1>\r\n\
         Content-Length: 0\r\n\r\n",
        routes.len()
    )
}

#[test]
fn a_dialog_of_others_runs_over_recorded_routes_in_both_directions() {
    let mut bench = bench();
    let (subscribe, routes) = subscribed(&mut bench);
    let own: Vec<&str> = routes.iter().map(String::as_str).collect();
    // The notifier's routes stand as they were recorded, the subscriber's the other way round.
    let notify = inside(&subscribe, "NOTIFY", &own, "call1");
    bench.flows = Some(Vec::new());
    let send = |bench: &mut Bench, from: &str, text: String| {
        bench.sip.handle_input(Input::Datagram { flow: flow(from), data: text.into() }, bench.now);
        bench.drain();
        assert!(bench.events().is_empty(), "its owner hears nothing of it");
        (std::mem::take(&mut bench.sent), bench.flows.replace(Vec::new()).unwrap())
    };
    let (sent, flows) = send(&mut bench, A, notify);
    assert_eq!((sent.len(), flows[0].remote), (1, flow("203.0.113.9:5062").remote));
    assert_eq!((sent[0].method(), sent[0].request_uri()), (Some(Method::Notify), &b"sip:100@10.0.0.9:5062"[..]));
    assert_eq!((sent[0].headers(Name::Route).count(), sent[0].values(Name::RecordRoute).count()), (0, 2));
    let ok = reply(&sent[0], 200, "", &[], b"");
    let (sent, flows) = send(&mut bench, "203.0.113.9:5062", String::from_utf8(ok.to_vec()).unwrap());
    assert_eq!((sent[0].status(), flows[0].remote), (Some(Status::OK), flow(A).remote));
    // From a NAT box that has given the subscriber another port meanwhile; with a proxy behind us.
    let renew = inside(&subscribe, "SUBSCRIBE", &[own[1], own[0], "<sip:edge.test;lr>"], "call1");
    let (sent, flows) = send(&mut bench, "203.0.113.9:999", renew);
    assert_eq!(flows[0].remote, flow(A).remote);
    assert_eq!(sent[0].header(Name::Route), Some(&b"<sip:edge.test;lr>"[..]));
    // A strict router.
    let uri = own[0].trim_matches(['<', '>']).replace(";lr", "");
    let strict =
        inside(&subscribe, "INFO", &["<sip:200@198.51.100.1>"], "call1").replacen("sip:100@10.0.0.9:5062", &uri, 1);
    let (sent, flows) = send(&mut bench, "203.0.113.9:5062", strict);
    assert_eq!((flows[0].remote, sent[0].request_uri()), (flow(A).remote, &b"sip:200@198.51.100.1"[..]));
    // Who knows the routes of one dialog reaches nobody in another, and calls nobody.
    let other = inside(&subscribe, "MESSAGE", &own, "call2").replace("MESSAGE", "NOTIFY");
    assert_eq!(send(&mut bench, A, other).0[0].status(), Some(Status(481)));
    let call = inside(&subscribe, "INVITE", &own, "call1");
    assert_eq!(send(&mut bench, A, call).0[0].status(), Some(Status::FORBIDDEN));
    let tired = inside(&subscribe, "INFO", &own, "call1").replace("Contact", "Max-Forwards: 0\r\nContact");
    assert_eq!(send(&mut bench, A, tired).0[0].status(), Some(Status::TOO_MANY_HOPS));
    bench.pass(secs(80));
    bench.assert_clean();
}

#[test]
fn a_route_whose_flow_is_gone_has_failed() {
    let mut bench = bench();
    let (subscribe, routes) = subscribed(&mut bench);
    bench.receive(inside(&subscribe, "INFO", &[&routes[1], &routes[0]], "call1"));
    assert_eq!(bench.sent(), ["INFO"]);
    bench.act(|sip, now| sip.handle_input(Input::SendFailed { flow: flow(A) }, now));
    assert_eq!(bench.sent(), ["430"]);
}

#[test]
fn there_is_a_limit() {
    let mut bench = Bench::with(Config { max_transactions: 3, methods: vec![Method::Info], ..Config::default() });
    bench.flows = Some(Vec::new());
    let text = bench.request("INFO", "", "");
    let sent = passed(&mut bench, text, &[hop(A), hop(B), hop("198.51.100.3:5060")]);
    assert_eq!((sent.len(), sent[0].status()), (1, Some(Status::SERVICE_UNAVAILABLE)));
    assert!(sent[0].header(Name::RetryAfter).is_some());
    bench.pass(secs(80));
    bench.assert_clean();
}
