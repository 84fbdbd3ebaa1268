//! Requests that are out of the question, requests other than INVITE, and everything that is no request at all.

use super::*;

fn refusal(method: &str, more: &str, body: &str) -> (String, Message) {
    let mut b = Bench::new();
    let request = b.request(method, more, body);
    b.receive(request.clone());
    let first = b.sent.remove(0);
    // Stateless: the same again, and nothing remembered.
    b.receive(request);
    assert_eq!(b.sent.remove(0), first);
    assert!(b.events().is_empty());
    b.assert_clean();
    (first.status().unwrap().code().to_string(), first)
}

#[test]
fn what_we_cannot_serve_is_refused_without_memory() {
    let (status, message) = refusal("SUBSCRIBE", "", "");
    assert_eq!((&status[..], message.lists(Name::Allow, "REGISTER")), ("405", true));
    assert_eq!(refusal("NEWMETHOD", "", "").0, "501");
    let (status, message) = refusal("INVITE", "Require: 100rel, timer, precondition, x\r\n", "");
    assert_eq!((&status[..], message.header(Name::Unsupported)), ("420", Some(&b"precondition, x"[..])));
    let (status, message) = refusal("INVITE", "Content-Type: text/plain\r\n", "hello");
    assert_eq!((&status[..], message.header(Name::Accept)), ("415", Some(&b"application/sdp"[..])));
    assert_eq!(message.header(Name::AcceptEncoding), Some(&b"identity"[..]));
    let encoded = "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n";
    assert_eq!(refusal("INVITE", encoded, "x").0, "415");
    assert_eq!(refusal("INVITE", "Accept: text/plain\r\n", "").0, "406");
    assert_eq!(refusal("BYE", "", "").0, "481");
}

#[test]
fn schemes_hops_and_dialogs_that_we_do_not_know() {
    let mut b = Bench::new();
    let mut answer = |from: &str, to: &str| {
        let request = b.request("INVITE", "", "").replacen(from, to, 1);
        b.receive(request);
        b.sent().join(" ")
    };
    assert_eq!(answer("sip:200@192.0.2.1 ", "http://192.0.2.1 "), "416");
    assert_eq!(answer("Max-Forwards: 70", "Max-Forwards: 0"), "483");
    assert_eq!(answer("To: <sip:200@pbx>", "To: <sip:200@pbx>;tag=x"), "481");
    assert_eq!(answer("CSeq: 1 INVITE", "CSeq: 1 OPTIONS"), "400");
    assert_eq!(answer("Max-Forwards: 70", "Max-Forwards: 1"), "100");
    // Who asks how far we are away gets an answer.
    let options = b.request("OPTIONS", "", "").replace("Max-Forwards: 70", "Max-Forwards: 0");
    b.receive(options);
    assert!(b.sent().is_empty());
    assert!(matches!(b.events.last(), Some(Event::Request { .. })));
}

#[test]
fn replaces_and_join_stand_in_invites_only_and_name_one_dialog() {
    let mut b = Bench::new();
    let mut answer = |method: &str, more: &str| {
        let request = b.request(method, more, "");
        b.receive(request);
        b.events();
        b.sent().join(" ")
    };
    let id = "c;to-tag=1;from-tag=2";
    assert_eq!(answer("INVITE", &format!("Replaces: {id}\r\n")), "100");
    assert_eq!(answer("INVITE", &format!("Join: {id}\r\n")), "100");
    assert_eq!(answer("INVITE", &format!("Join: {id}\r\nReplaces: {id}\r\n")), "400");
    assert_eq!(answer("INVITE", &format!("Replaces: {id}\r\nReplaces: {id}\r\n")), "400");
    assert_eq!(answer("INVITE", "Replaces: c;to-tag=1\r\n"), "400");
    assert_eq!(answer("OPTIONS", &format!("Replaces: {id}\r\n")), "400");
}

#[test]
fn a_copy_by_another_way_is_482_until_the_first_is_over() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming();
    let copy = invite.replace("z9hG4bKp1", "z9hG4bKother");
    b.receive(copy.clone());
    assert_eq!(b.sent(), ["482"]);
    b.act(|sip, now| sip.reject(session, Status::UNAUTHORIZED, Vec::new(), now));
    b.sent();
    // Some clients answer a challenge without counting on.
    b.receive(copy);
    assert_eq!(b.sent(), ["100"]);
}

#[test]
fn malformed_messages_are_answered_where_that_is_possible() {
    let mut b = Bench::new();
    let options = b.request("OPTIONS", "", "");
    b.receive(options.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"));
    b.receive(options.replace("Content-Length: 0", "Content-Length: 900"));
    b.receive(options.replace("Call-ID: call1\r\n", ""));
    b.receive(options.replace("Content-Length", &"X: y\r\n".repeat(300)));
    b.receive(options.replace("Via: SIP/2.0/UDP", "Via: SIP/2.0"));
    assert_eq!(b.sent(), ["505", "400", "400", "513", "400"]);
    b.receive(options.replace("Via", "X-Via"));
    b.receive(options.replace("OPTIONS", "ACK").replace("From: <", "From: <<"));
    b.receive("SIP/2.0 200 OK\r\nVia: x\r\n\r\n");
    b.receive("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    b.receive(vec![0x80; 200]);
    assert!(b.sent().is_empty());
    let stats = *b.sip.stats();
    assert_eq!((stats.malformed_answered, stats.malformed_dropped, stats.garbage), (5, 3, 2));
    for _ in 0..1000 {
        b.receive(options.replace("Content-Length: 0", "Content-Length: 900"));
    }
    assert!(b.sip.stats().muted_warnings >= 990, "a flood of them is no flood of the log");
    b.assert_clean();
}

#[test]
fn strays_are_counted() {
    let mut b = Bench::new();
    let ack = b.request("ACK", "", "");
    b.receive(ack);
    let strange = b.request("OPTIONS", "", "");
    let strange = Message::parse_datagram(strange.into()).unwrap();
    b.receive(response(&strange, 200, "x", b""));
    assert_eq!((b.sip.stats().stray_acks, b.sip.stats().stray_responses), (1, 1));
    // The ACK of a stateless refusal is none.
    let invite = b.request("INVITE", "Require: x\r\n", "");
    b.receive(invite.clone());
    let tag = String::from_utf8(crate::dialog::tag_of(&b.sent[0])).unwrap();
    b.receive(invite.replace("INVITE", "ACK").replace("To: <sip:200@pbx>", &format!("To: <sip:200@pbx>;tag={tag}")));
    assert_eq!((b.sent(), b.sip.stats().stray_acks), (vec!["420".to_owned()], 1));
    b.assert_clean();
}

#[test]
fn keep_alives_are_swallowed_and_stun_is_answered() {
    let mut b = Bench::new();
    b.receive("\r\n\r\n");
    b.receive("\0");
    let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    let (flow, data) = (b.flow, Bytes::from(stun));
    b.sip.handle_input(Input::Datagram { flow, data }, b.now);
    let Some(Output::Transmit { data, .. }) = b.sip.poll_output() else { panic!() };
    assert_eq!(data[..8], [1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42]);
    assert!(b.sip.poll_output().is_none());
    assert_eq!(b.sip.stats().keep_alives, 3);
}

#[test]
fn a_request_is_answered_once_and_then_from_memory() {
    let mut b = Bench::new();
    let register = b.request("REGISTER", "", "");
    b.receive(register.clone());
    b.receive(register.clone());
    let Event::Request { id, session: None, .. } = b.event() else { panic!() };
    let headers = vec![("WWW-Authenticate".to_owned(), b"Digest x".to_vec())];
    b.act(|sip, now| sip.respond(id, Status::UNAUTHORIZED, headers, None, now));
    b.act(|sip, now| sip.respond(id, Status::OK, Vec::new(), None, now));
    b.receive(register);
    assert_eq!(b.sent[0].header(Name::WwwAuthenticate), Some(&b"Digest x"[..]));
    assert_eq!(b.sent(), ["401", "401"]);
    b.pass(secs(32));
    b.assert_clean();
}

#[test]
fn a_delayed_answer_leaves_later_and_a_discarded_request_gets_none() {
    let mut b = Bench::new();
    let register = b.request("REGISTER", "", "");
    b.receive(register.clone());
    let Event::Request { id, .. } = b.event() else { panic!() };
    b.act(|sip, now| sip.respond_after(id, Status::FORBIDDEN, Vec::new(), secs(2), now));
    b.receive(register);
    b.pass(ms(1999));
    assert!(b.sent().is_empty());
    b.pass(ms(1));
    assert_eq!(b.sent(), ["403"]);
    let register = b.request("REGISTER", "", "");
    b.receive(register.clone());
    let Event::Request { id, .. } = b.event() else { panic!() };
    b.act(|sip, _| sip.discard_request(id));
    b.receive(register);
    b.act(|sip, now| sip.respond(id, Status::OK, Vec::new(), None, now));
    assert!(b.sent().is_empty() && b.events().is_empty());
    b.pass(secs(40));
    b.assert_clean();
}

#[test]
fn a_request_that_the_owner_forgets_is_forgotten() {
    let mut b = Bench::new();
    let options = b.request("OPTIONS", "", "");
    b.receive(options);
    b.pass(secs(32));
    b.assert_clean();
}

#[test]
fn clients_of_rfc_2543_are_understood() {
    let mut b = Bench::new();
    let old = |text: String| text.replace(";rport;branch=z9hG4bKp1", "");
    let invite = old(b.request("INVITE", "", ""));
    b.receive(invite.clone());
    let Event::Incoming { session, .. } = b.event() else { panic!() };
    b.receive(invite.clone());
    b.act(|sip, now| sip.reject(session, Status::BUSY_HERE, Vec::new(), now));
    let tag = String::from_utf8(crate::dialog::tag_of(b.sent.last().unwrap())).unwrap();
    assert_eq!(b.sent(), ["100", "100", "486"]);
    b.receive(invite.replace("INVITE", "ACK").replace("To: <sip:200@pbx>", &format!("To: <sip:200@pbx>;tag={tag}")));
    b.pass(secs(6));
    assert!(b.sent().is_empty());
    assert_eq!(b.sip.stats().stray_acks, 0);
    b.assert_clean();
}

#[test]
fn our_own_requests_are_answered_or_not() {
    let mut b = Bench::new();
    let addr = |uri: &str| NameAddr::new(uri.parse::<Uri>().unwrap());
    let flow = b.flow;
    let outgoing = || {
        let uri = "sip:300@10.0.0.9".parse().unwrap();
        let mut outgoing = Outgoing::new(flow, Method::Options, uri, addr("sip:pbx"), addr("sip:300@pbx"));
        outgoing.headers.push(("Max-Forwards".to_owned(), b"9".to_vec()));
        outgoing.cseq = Some(5);
        outgoing
    };
    let id = b.act(|sip, now| sip.request(outgoing(), now)).unwrap();
    let options = b.sent.remove(0);
    assert_eq!((options.max_forwards().unwrap(), options.cseq().unwrap().0), (Some(9), 5));
    b.receive(response(&options, 100, "", b""));
    b.receive(response(&options, 200, "x", b""));
    let Event::Responded { id: answered, message: Some(_) } = b.event() else { panic!() };
    assert_eq!(answered, id);
    let id = b.act(|sip, now| sip.request(outgoing(), now)).unwrap();
    b.pass(secs(32));
    let Event::Responded { id: unanswered, message: None } = b.event() else { panic!() };
    assert_eq!(unanswered, id);
    b.act(|sip, now| sip.request(outgoing(), now)).unwrap();
    b.act(|sip, now| sip.handle_input(Input::SendFailed { flow }, now));
    assert!(matches!(b.event(), Event::Responded { message: None, .. }));
    b.assert_clean();
}

#[test]
fn a_page_that_uses_a_branch_again_does_not_get_what_another_was_answered() {
    let mut b = Bench::new();
    b.flow.transport = Transport::Ws;
    let first = b.request("INVITE", "", "").replace("SIP/2.0/UDP 10.0.0.9:5062", "SIP/2.0/WS page.invalid");
    b.receive(first.clone());
    let Event::Incoming { session, .. } = b.event() else { panic!("no session") };
    b.act(|sip, now| sip.reject(session, Status(486), Vec::new(), now));
    assert_eq!(b.sent(), ["100", "486"]);
    b.receive(first.clone());
    assert_eq!((b.sent(), b.events().len()), (vec!["486".to_owned()], 0), "the same again is a repetition");
    // Another call, and the next number of the same one.
    for other in [first.replace("Call-ID: call1", "Call-ID: else"), first.replace("CSeq: 1", "CSeq: 2")] {
        b.receive(other);
        assert!(matches!(b.event(), Event::Incoming { .. }));
        assert_eq!(b.sent(), ["100"]);
    }
}

#[test]
fn a_challenge_is_not_repeated_on_another_stream() {
    let mut b = Bench::new();
    b.flow.transport = Transport::Ws;
    let invite = b.request("INVITE", "", "").replace("SIP/2.0/UDP 10.0.0.9:5062", "SIP/2.0/WS page.invalid");
    b.receive(invite.clone());
    let Event::Incoming { session, .. } = b.event() else { panic!("no session") };
    b.act(|sip, now| sip.reject(session, Status::UNAUTHORIZED, Vec::new(), now));
    assert_eq!(b.sent(), ["100", "401"]);
    // On its own stream it is answered as before.
    b.receive(invite.clone());
    assert_eq!((b.sent(), b.events().len()), (vec!["401".to_owned()], 0));
    b.flow.remote.set_port(5099);
    b.receive(invite.clone());
    let Event::Incoming { session, .. } = b.event() else { panic!("no session") };
    assert_eq!(b.sent(), ["100"]);
    // What is no challenge goes to whoever asks again: it may have been lost with its stream.
    b.act(|sip, now| sip.reject(session, Status(486), Vec::new(), now));
    b.sent();
    b.flow.remote.set_port(5100);
    b.receive(invite);
    assert_eq!((b.sent(), b.events().len()), (vec!["486".to_owned()], 0));
}
