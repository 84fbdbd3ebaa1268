//! Session timers from both sides.

use super::*;

const ASKS: &str = "Supported: timer\r\nAllow: INVITE, UPDATE\r\nSession-Expires: 600\r\n";

fn expires(message: &Message) -> String {
    String::from_utf8_lossy(message.header(Name::SessionExpires).unwrap_or_default()).into_owned()
}

/// A call of the peer with these headers that we answered and he acknowledged.
fn answered_with(b: &mut Bench, more: &str) -> (SessionId, String, String, Message) {
    let (session, invite) = b.incoming_with(more, "");
    b.act(|sip, now| sip.accept(session, Bytes::from_static(b"sdp"), now));
    let ok = b.one();
    let tag = String::from_utf8(crate::dialog::tag_of(&ok)).unwrap();
    b.receive(in_dialog(&invite, &tag, "ACK", 1));
    b.events();
    (session, invite, tag, ok)
}

/// A call of ours that the peer answered with these headers.
fn accepted_with(b: &mut Bench, headers: &[(Name, &str)]) -> (SessionId, Message) {
    let (session, invite) = b.outgoing();
    b.receive(reply(&invite, 200, "x", headers, b"answer"));
    b.events();
    b.sent.clear();
    (session, invite)
}

#[test]
fn a_caller_that_stops_refreshing_is_hung_up() {
    let mut b = Bench::new();
    let (_, invite, tag, ok) = answered_with(&mut b, ASKS);
    assert_eq!((expires(&ok), ok.lists(Name::Require, "timer")), ("600;refresher=uac".to_owned(), true));
    b.pass(secs(300));
    b.receive(from_caller(&invite, &tag, "UPDATE", 2, "", ""));
    let ok = b.one();
    assert_eq!((ok.status(), expires(&ok)), (Some(Status::OK), "600;refresher=uac".to_owned()));
    b.pass(secs(567));
    assert!(b.sent().is_empty() && b.events().is_empty());
    b.pass(secs(1));
    let bye = b.one();
    assert_eq!(bye.method(), Some(Method::Bye));
    assert!(matches!(b.event(), Event::Ended { how: Ended::Expired, .. }));
    b.receive(response(&bye, 200, "", b""));
    b.pass(secs(40));
    b.assert_clean();
}

#[test]
fn a_caller_refreshes_by_reinvite_too() {
    let mut b = Bench::new();
    let (session, invite, tag, _) = answered_with(&mut b, ASKS);
    b.pass(secs(300));
    b.receive(from_caller(&invite, &tag, "INVITE", 2, "", "offer"));
    b.act(|sip, now| sip.answer_reinvite(session, Ok(Bytes::from_static(b"sdp")), now));
    assert_eq!(expires(&b.sent[1]), "600;refresher=uac");
    b.receive(in_dialog(&invite, &tag, "ACK", 2));
    b.pass(secs(560));
    assert!(!b.events().iter().any(|event| matches!(event, Event::Ended { .. })));
}

#[test]
fn we_refresh_by_update_where_the_peer_takes_it() {
    let mut b = Bench::new();
    let (session, _, _, ok) = answered_with(&mut b, &ASKS.replace("600", "600;refresher=uas"));
    assert_eq!(expires(&ok), "600;refresher=uas");
    for _ in 0..3 {
        b.pass(secs(300));
        let update = b.one();
        assert_eq!((update.method(), update.body()), (Some(Method::Update), &b""[..]));
        assert_eq!(expires(&update), "600;refresher=uac");
        b.receive(reply(&update, 200, "", &[(Name::SessionExpires, "600;refresher=uac")], b""));
    }
    assert!(b.events().is_empty());
    assert_eq!(b.sip.counts().timers, 1 + 1, "one of the session, one of the last transaction");
    // It does not answer any more.
    b.pass(secs(300 + 32));
    assert!(matches!(b.event(), Event::Ended { how: Ended::Gone, .. }));
    assert!(b.sip.flow(session).is_some(), "its BYE is under way");
    b.pass(secs(70));
    b.assert_clean();
}

#[test]
fn we_refresh_by_reinvite_where_the_peer_does_not_take_update() {
    let mut b = Bench::new();
    let timer = (Name::SessionExpires, "1800;refresher=uac");
    let (session, first) = accepted_with(&mut b, &[timer, (Name::Allow, "INVITE, ACK, BYE")]);
    assert_eq!((expires(&first), first.lists(Name::Supported, "timer")), ("1800".to_owned(), true));
    b.pass(secs(900));
    let reinvite = b.one();
    assert_eq!((reinvite.body(), expires(&reinvite)), (&b"offer"[..], "1800;refresher=uac".to_owned()));
    // Our owner's own offer follows it.
    assert!(b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"hold"), now)));
    assert!(b.sent().is_empty());
    b.receive(reply(&reinvite, 200, "x", &[timer], b"answer"));
    assert!(b.events().is_empty(), "our owner did not ask for this");
    let hold = b.sent.remove(1);
    assert_eq!((hold.body(), b.sent()), (&b"hold"[..], vec!["ACK".to_owned()]));
    b.receive(reply(&hold, 200, "x", &[timer], b"answer"));
    assert!(matches!(b.event(), Event::Reanswered { status: Status(200), .. }));
    b.sent.clear();
    b.pass(secs(900));
    assert_eq!(b.one().body(), b"hold", "what we described last");
}

#[test]
fn the_callee_refreshes_or_is_hung_up_and_without_a_timer_nothing_happens() {
    let mut b = Bench::new();
    let (_, invite) = accepted_with(&mut b, &[(Name::SessionExpires, "180;refresher=uas")]);
    b.pass(secs(100));
    b.receive(from_callee(&invite, "x", "UPDATE", 1, "Supported: timer\r\nSession-Expires: 180;refresher=uac\r\n", ""));
    assert_eq!(expires(&b.one()), "180;refresher=uac");
    b.pass(secs(147));
    assert!(b.events().is_empty());
    b.pass(secs(1));
    assert!(matches!(b.event(), Event::Ended { how: Ended::Expired, .. }));
    let mut b = Bench::new();
    accepted_with(&mut b, &[]);
    b.pass(secs(40));
    assert_eq!(b.sip.counts().timers, 0);
    let mut b = Bench::with(Config { session_expires: None, ..Config::default() });
    let (_, _, _, ok) = answered_with(&mut b, ASKS);
    assert_eq!(expires(&ok), "");
}

#[test]
fn intervals_are_agreed_upon() {
    let mut b = Bench::new();
    let mut agreed = |more: &str| expires(&answered_with(&mut b, more).3);
    assert_eq!(agreed("Supported: timer\r\n"), "1800;refresher=uac");
    assert_eq!(agreed("Supported: timer\r\nSession-Expires: 7200\r\n"), "1800;refresher=uac");
    assert_eq!(agreed("Supported: timer\r\nMin-SE: 3600\r\nSession-Expires: 7200\r\n"), "3600;refresher=uac");
    // A proxy wants one, the caller knows nothing of it.
    assert_eq!(agreed("Session-Expires: 1000\r\n"), "1000;refresher=uas");
    assert_eq!(agreed(""), "");
    let brief = b.request("INVITE", "Supported: timer\r\nSession-Expires: 60\r\n", "");
    b.receive(brief);
    let refused = b.one();
    assert_eq!((refused.status(), refused.min_se()), (Some(Status(422)), Some(90)));
}

#[test]
fn a_peer_that_wants_longer_intervals_gets_them() {
    let mut b = Bench::new();
    let (_, invite) = b.outgoing();
    b.receive(reply(&invite, 422, "x", &[(Name::MinSe, "3600")], b""));
    let second = b.sent.remove(1);
    assert_eq!((expires(&second), second.min_se()), ("3600".to_owned(), Some(3600)));
    assert_eq!((second.cseq().unwrap().0, second.call_id()), (invite.cseq().unwrap().0 + 1, invite.call_id()));
    b.receive(reply(&second, 422, "x", &[(Name::MinSe, "7200")], b""));
    let third = b.sent.remove(2);
    b.receive(reply(&third, 422, "x", &[(Name::MinSe, "9000")], b""));
    assert!(matches!(b.event(), Event::Rejected { status: Status(422), .. }), "one that never has enough");
}

#[test]
fn a_refresh_that_fails_is_made_again_until_it_is_too_late() {
    let mut b = Bench::new();
    let timer = (Name::SessionExpires, "300;refresher=uac");
    accepted_with(&mut b, &[timer, (Name::Allow, "UPDATE")]);
    b.pass(secs(150));
    let mut failed = 0;
    while b.events.is_empty() {
        while let Some(update) = b.sent.pop() {
            assert_eq!(update.method(), Some(Method::Update));
            b.receive(reply(&update, 500, "x", &[], b""));
            failed += 1;
        }
        b.pass(secs(1));
    }
    assert!(failed >= 20, "{failed}");
    assert!(matches!(b.event(), Event::Ended { how: Ended::Expired, .. }));
}

#[test]
fn a_session_of_a_former_process_is_kept_alive_again() {
    let mut b = Bench::new();
    let (session, invite) =
        accepted_with(&mut b, &[(Name::SessionExpires, "600;refresher=uac"), (Name::Allow, "UPDATE")]);
    let saved = b.sip.snapshot(session).unwrap();
    let mut after = Bench::new();
    let session = after.sip.restore(&saved).unwrap();
    after.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"offer"), now));
    let reinvite = after.one();
    assert_eq!(expires(&reinvite), "600;refresher=uac");
    after.receive(reply(&reinvite, 200, "x", &[(Name::SessionExpires, "600;refresher=uac")], b"answer"));
    after.events();
    after.sent.clear();
    after.pass(secs(300));
    assert_eq!(after.one().method(), Some(Method::Update));
    assert!(after.sip.find(invite.call_id().unwrap(), b"x", invite.from().unwrap().tag().unwrap()).is_some());
}
