//! Requests that are sent again: with credentials, by another hop, over TCP.

use std::sync::Arc;

use super::*;
use crate::auth::Credentials;

fn challenge(request: &Message, status: u16, more: &str) -> Bytes {
    let name = if status == 401 { Name::WwwAuthenticate } else { Name::ProxyAuthenticate };
    let value = format!("Digest realm=\"carrier\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"{more}");
    ResponseBuilder::new(request, Status(status)).to_tag("x").header(name, value.as_bytes()).finish()
}

fn dialling(b: &mut Bench, change: impl FnOnce(&mut Invite)) -> (SessionId, Message) {
    let mut invite = invite_to(b.flow);
    invite.credentials = Some(Arc::new(Credentials::new("patchbay", "secret")));
    change(&mut invite);
    let session = b.act(|sip, now| sip.invite(invite, now)).unwrap();
    (session, b.sent.remove(0))
}

#[track_caller]
fn count_of(message: &Message, name: Name) -> String {
    let line = message.credentials(name).next().unwrap().unwrap();
    String::from_utf8(line.get("nc").unwrap().into_owned()).unwrap()
}

#[test]
fn a_challenged_call_goes_on_with_credentials_in_all_its_requests() {
    let mut b = Bench::new();
    let (session, first) = dialling(&mut b, |_| {});
    b.receive(challenge(&first, 407, ""));
    let second = b.sent.remove(1);
    assert_eq!(b.sent(), ["ACK"]);
    assert_eq!(second.cseq().unwrap().0, first.cseq().unwrap().0 + 1);
    assert_eq!((second.call_id(), second.body()), (first.call_id(), first.body()));
    assert_eq!(second.from().unwrap().tag(), first.from().unwrap().tag());
    assert_ne!(second.via().unwrap().branch(), first.via().unwrap().branch());
    assert_eq!(count_of(&second, Name::ProxyAuthorization), "00000001");
    assert!(b.events().is_empty(), "our owner hears of the end only");
    // The old challenge again: its ACK was lost.
    b.receive(challenge(&first, 407, ""));
    assert_eq!(b.sent(), ["ACK"]);
    b.receive(response(&second, 200, "x", b"answer"));
    assert!(matches!(b.event(), Event::Accepted { session: found, .. } if found == session));
    let ack = b.sent.remove(0);
    assert_eq!(ack.header(Name::ProxyAuthorization), second.header(Name::ProxyAuthorization));
    // Whoever challenged once is answered before he asks, and after it if he wants a new nonce.
    b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"offer"), now));
    let reinvite = b.sent.remove(0);
    assert_eq!(count_of(&reinvite, Name::ProxyAuthorization), "00000002");
    b.receive(challenge(&reinvite, 407, ", stale=true"));
    let reinvite = b.sent.remove(1);
    assert_eq!(b.sent(), ["ACK"]);
    b.receive(response(&reinvite, 200, "x", b"answer"));
    assert!(matches!(b.event(), Event::Reanswered { status: Status(200), .. }));
    b.act(|sip, now| sip.hangup(session, None, now));
    let bye = b.sent.remove(1);
    assert_eq!(count_of(&bye, Name::ProxyAuthorization), "00000002");
    b.receive(challenge(&bye, 407, ""));
    let bye = b.sent.remove(1);
    assert_eq!(b.sent(), ["ACK"]);
    b.receive(response(&bye, 200, "x", b""));
    b.pass(secs(33));
    assert_eq!(b.sip.stats().challenges_answered, 3);
    b.assert_clean();
}

#[test]
fn a_peer_that_called_us_may_ask_too() {
    let mut b = Bench::new();
    let (session, _, _) = b.answered();
    b.act(|sip, _| sip.set_credentials(session, Arc::new(Credentials::new("patchbay", "secret"))));
    b.act(|sip, now| sip.hangup(session, None, now));
    let bye = b.one();
    b.receive(challenge(&bye, 401, ""));
    let bye = b.one();
    assert_eq!(count_of(&bye, Name::Authorization), "00000001");
    b.receive(response(&bye, 200, "", b""));
    b.pass(secs(33));
    b.assert_clean();
}

#[test]
fn wrong_credentials_are_given_once() {
    let mut b = Bench::new();
    let (_, first) = dialling(&mut b, |_| {});
    b.receive(challenge(&first, 401, ""));
    let second = b.sent.remove(1);
    b.receive(challenge(&second, 401, ""));
    assert!(matches!(b.event(), Event::Rejected { status: Status(401), message: Some(_), .. }));
    assert_eq!(b.sent(), ["ACK", "ACK"]);
    // Somebody who never has enough.
    let (_, mut invite) = dialling(&mut b, |_| {});
    for _ in 0..2 {
        b.receive(challenge(&invite, 401, ", stale=true"));
        invite = b.sent.remove(1);
        b.sent.clear();
    }
    b.receive(challenge(&invite, 401, ", stale=true"));
    assert!(matches!(b.event(), Event::Rejected { status: Status(401), .. }));
    // Without credentials nothing is tried, and after a hang-up neither.
    let (_, invite) = {
        b.sent.clear();
        b.outgoing()
    };
    b.receive(challenge(&invite, 401, ""));
    assert!(matches!(b.event(), Event::Rejected { status: Status(401), .. }));
    b.sent.clear();
    let (session, invite) = dialling(&mut b, |_| {});
    b.act(|sip, now| sip.hangup(session, None, now));
    b.receive(challenge(&invite, 401, ""));
    assert_eq!(b.sent(), ["ACK"]);
    b.pass(secs(33));
    assert!(b.events().is_empty());
    b.assert_clean();
}

#[test]
fn a_request_outside_dialogs_is_answered_for_too() {
    let mut b = Bench::new();
    let addr = |uri: &str| NameAddr::new(uri.parse::<Uri>().unwrap());
    let (flow, uri) = (b.flow, "sip:carrier".parse().unwrap());
    let mut register = Outgoing::new(flow, Method::Register, uri, addr("sip:a@carrier"), addr("sip:a@carrier"));
    register.credentials = Some(Arc::new(Credentials::new("a", "pw")));
    register.contact_user = Some("a".to_owned());
    register.cseq = Some(7);
    let id = b.act(|sip, now| sip.request(register, now)).unwrap();
    let first = b.sent.remove(0);
    b.receive(challenge(&first, 401, ""));
    let second = b.sent.remove(0);
    assert_eq!((second.cseq().unwrap().0, second.header(Name::Contact)), (8, first.header(Name::Contact)));
    assert_eq!(count_of(&second, Name::Authorization), "00000001");
    b.receive(response(&second, 200, "x", b""));
    assert!(matches!(b.event(), Event::Responded { id: found, message: Some(_) } if found == id));
    b.pass(secs(33));
    b.assert_clean();
}

#[test]
fn a_dead_hop_is_followed_by_the_next() {
    let mut b = Bench::new();
    b.flows = Some(Vec::new());
    let hop = |n: u8| Flow::udp("192.0.2.1:5060".parse().unwrap(), ([203, 0, 113, n], 5060).into());
    let (session, first) = dialling(&mut b, |invite| {
        invite.credentials = None;
        invite.alternatives = vec![hop(20), Flow { local: "192.0.2.2:5070".parse().unwrap(), ..hop(30) }];
    });
    b.pass(secs(8));
    let second = b.sent.pop().unwrap();
    assert_eq!(b.flows.as_ref().unwrap().last(), Some(&hop(20)));
    assert_eq!((second.cseq(), second.call_id(), second.body()), (first.cseq(), first.call_id(), first.body()));
    assert_ne!(second.via().unwrap().branch(), first.via().unwrap().branch());
    b.flow = hop(20);
    b.receive(response(&second, 503, "x", b""));
    let third = b.sent.pop().unwrap();
    assert_eq!(third.contact().unwrap().uri.to_string(), "sip:100@192.0.2.2:5070");
    assert_eq!(b.sip.flow(session).unwrap().remote, "203.0.113.30:5060".parse().unwrap());
    assert!(b.events().is_empty());
    b.receive(response(&third, 503, "x", b""));
    assert!(matches!(b.event(), Event::Rejected { status: Status(503), message: Some(_), .. }));
    assert_eq!(b.sip.stats().failovers, 2);
    b.pass(secs(33));
    b.assert_clean();
    // A failure of the transport is known at once; a request goes on as well.
    let addr = |uri: &str| NameAddr::new(uri.parse::<Uri>().unwrap());
    let mut options = Outgoing::new(hop(10), Method::Options, "sip:x".parse().unwrap(), addr("sip:a"), addr("sip:b"));
    options.alternatives = vec![hop(20)];
    b.sent.clear();
    let id = b.act(|sip, now| sip.request(options, now)).unwrap();
    b.act(|sip, now| sip.handle_input(Input::SendFailed { flow: hop(10) }, now));
    let again = b.sent.pop().unwrap();
    assert_eq!(b.flows.as_ref().unwrap().last(), Some(&hop(20)));
    b.receive(response(&again, 200, "x", b""));
    assert!(matches!(b.event(), Event::Responded { id: found, message: Some(_) } if found == id));
    b.pass(secs(33));
    b.assert_clean();
}

#[test]
fn a_long_request_goes_over_tcp_and_over_udp_if_that_fails() {
    let mut b = Bench::with(Config { tcp: vec!["192.0.2.1:5060".parse().unwrap()], ..Config::default() });
    b.flows = Some(Vec::new());
    let long = |invite: &mut Invite| invite.body = vec![b'x'; 1300].into();
    let tcp = Flow { transport: Transport::Tcp, ..b.flow };
    let (_, first) = dialling(&mut b, long);
    assert_eq!(
        (b.flows.as_ref().unwrap().last(), first.via().unwrap().transport()),
        (Some(&tcp), Some(Transport::Tcp))
    );
    b.act(|sip, now| sip.handle_input(Input::SendFailed { flow: tcp }, now));
    let second = b.sent.remove(0);
    assert_eq!(
        (b.flows.as_ref().unwrap().last(), second.via().unwrap().transport()),
        (Some(&b.flow), Some(Transport::Udp))
    );
    assert_eq!(second.body(), first.body());
    b.receive(response(&second, 486, "x", b""));
    assert!(matches!(b.event(), Event::Rejected { status: Status(486), .. }));
    // That it takes no TCP is remembered; short requests never go there.
    b.sent.clear();
    dialling(&mut b, long);
    assert_eq!(b.flows.as_ref().unwrap().last(), Some(&b.flow));
}

#[test]
fn a_long_request_stays_on_the_flow_that_alone_leads_to_its_peer() {
    let mut b = Bench::with(Config { tcp: vec!["192.0.2.1:5060".parse().unwrap()], ..Config::default() });
    b.flows = Some(Vec::new());
    dialling(&mut b, |invite| {
        invite.body = vec![b'x'; 1300].into();
        invite.by_flow = true;
    });
    assert_eq!(b.flows.as_ref().unwrap().last(), Some(&b.flow));
}

#[test]
fn requests_inside_a_dialog_are_sent_and_answered() {
    let mut b = Bench::new();
    let (session, _, _) = b.answered();
    let body = Some(("application/dtmf-relay".to_owned(), Bytes::from_static(b"Signal=5")));
    let id = b.act(|sip, now| sip.request_in(session, Method::Info, Headers::new(), body, now)).unwrap();
    let info = b.sent.remove(0);
    assert_eq!((info.method(), info.body()), (Some(Method::Info), &b"Signal=5"[..]));
    assert_eq!(info.to().unwrap().tag(), Some(&b"peer1"[..]));
    b.receive(response(&info, 200, "", b""));
    assert!(matches!(b.event(), Event::Responded { id: found, message: Some(_) } if found == id));
    b.act(|sip, now| sip.hangup(session, None, now));
    assert_eq!(b.act(|sip, now| sip.request_in(session, Method::Info, Headers::new(), None, now)), None);
}
