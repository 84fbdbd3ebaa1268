//! Offers that come late, and offers that meet.

use super::*;

#[test]
fn a_call_without_an_offer_is_answered_with_one() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming();
    b.act(|sip, now| sip.accept(session, Bytes::from_static(b"offer"), now));
    let ok = b.one();
    assert_eq!(ok.body(), b"offer");
    let tag = String::from_utf8(crate::dialog::tag_of(&ok)).unwrap();
    b.receive(from_caller(&invite, &tag, "ACK", 1, "", "answer"));
    let Event::Confirmed { message, .. } = b.event() else { panic!() };
    assert_eq!(message.body(), b"answer");
    // The same in a re-INVITE.
    b.receive(in_dialog(&invite, &tag, "INVITE", 2));
    let Event::Reoffered { request, .. } = b.event() else { panic!() };
    assert!(request.body().is_empty());
    b.act(|sip, now| sip.answer_reinvite(session, Ok(Bytes::from_static(b"offer 2")), now));
    b.receive(from_caller(&invite, &tag, "ACK", 2, "", "answer 2"));
    let Event::Confirmed { message, .. } = b.event() else { panic!() };
    assert_eq!(message.body(), b"answer 2");
}

#[test]
fn the_ack_of_a_late_offer_waits_for_our_answer() {
    let mut b = Bench::new();
    let (session, invite) = b.outgoing_with(|invite| invite.body = Bytes::new());
    b.receive(response(&invite, 180, "x", b""));
    b.receive(response(&invite, 200, "x", b"offer"));
    assert!(matches!(b.events()[1], Event::Accepted { .. }));
    b.receive(response(&invite, 200, "x", b"offer"));
    assert!(b.sent().is_empty(), "the 2xx again is no reason to hurry");
    b.receive(from_callee(&invite, "x", "INVITE", 1, "", "offer"));
    assert_eq!(b.sent(), ["491"]);
    b.act(|sip, now| sip.acknowledge(session, Bytes::from_static(b"answer"), now));
    let ack = b.one();
    assert_eq!((ack.method(), ack.body()), (Some(Method::Ack), &b"answer"[..]));
    b.receive(response(&invite, 200, "x", b"offer"));
    assert_eq!(b.one(), ack);
    b.act(|sip, now| sip.acknowledge(session, Bytes::from_static(b"answer"), now));
    assert!(b.sent().is_empty());
    // A re-INVITE without a description.
    assert!(b.act(|sip, now| sip.reinvite(session, Bytes::new(), now)));
    let reinvite = b.one();
    b.receive(response(&reinvite, 200, "x", b"offer 2"));
    let Event::Reanswered { message: Some(message), .. } = b.event() else { panic!() };
    assert_eq!((message.body(), b.sent().len()), (&b"offer 2"[..], 0));
    b.act(|sip, now| sip.acknowledge(session, Bytes::from_static(b"answer 2"), now));
    assert_eq!(b.one().body(), b"answer 2");
    b.pass(secs(100));
    assert!(b.events().is_empty());
}

#[test]
fn a_2xx_without_the_offer_is_acknowledged_at_once() {
    let mut b = Bench::new();
    let (_, invite) = b.outgoing_with(|invite| invite.body = Bytes::new());
    b.receive(response(&invite, 200, "x", b""));
    assert!(matches!(b.event(), Event::Accepted { .. }));
    assert!(b.one().body().is_empty());
}

#[test]
fn the_offer_of_reliable_ringing_is_answered_in_prack() {
    let mut b = Bench::new();
    let (session, invite) = b.outgoing_with(|invite| invite.body = Bytes::new());
    b.receive(reply(&invite, 183, "x", &[(Name::Require, "100rel"), (Name::RSeq, "1")], b"offer"));
    assert!(b.sent().is_empty());
    assert!(matches!(b.event(), Event::Provisional { .. }));
    b.act(|sip, now| sip.acknowledge(session, Bytes::from_static(b"answer"), now));
    let prack = b.one();
    assert_eq!((prack.method(), prack.body()), (Some(Method::Prack), &b"answer"[..]));
    b.receive(response(&prack, 200, "x", b""));
    // What the 2xx repeats is no new offer.
    b.receive(response(&invite, 200, "x", b"offer"));
    assert_eq!(b.sent(), ["ACK"]);
}

#[test]
fn an_offer_that_nobody_answers_ends_the_call_and_so_does_a_hangup() {
    let mut b = Bench::new();
    let (_, invite) = b.outgoing_with(|invite| invite.body = Bytes::new());
    b.receive(response(&invite, 200, "x", b"offer"));
    b.events();
    b.pass(secs(32));
    assert!(matches!(b.event(), Event::Ended { how: Ended::Gone, .. }));
    assert_eq!(b.sent(), ["ACK", "BYE"]);
    let (session, invite) = b.outgoing_with(|invite| invite.body = Bytes::new());
    b.receive(response(&invite, 200, "x", b"offer"));
    b.events();
    b.sent.clear();
    b.act(|sip, now| sip.hangup(session, None, now));
    assert_eq!(b.sent(), ["ACK", "BYE"]);
    b.pass(secs(80));
    assert!(b.events().is_empty());
    b.assert_clean();
}

#[test]
fn an_offer_that_met_another_is_made_again_after_a_pause() {
    // Whose Call-ID it is waits 2.1 to 4 s, the other up to 2 s.
    for caller in [true, false] {
        let mut b = Bench::new();
        let session = if caller {
            let (session, invite) = b.outgoing();
            b.receive(response(&invite, 200, "x", b"answer"));
            session
        } else {
            b.answered().0
        };
        b.events();
        b.sent.clear();
        assert!(b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"offer"), now)));
        let first = b.one();
        b.receive(response(&first, 491, "", b""));
        assert_eq!(b.sent(), ["ACK"]);
        assert!(!b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"other"), now)));
        if caller {
            b.pass(ms(2099));
            assert!(b.sent().is_empty());
            b.pass(ms(1901));
        } else {
            b.pass(ms(2000));
        }
        let second = b.sent.remove(0);
        b.sent.clear();
        assert_eq!((second.body(), second.cseq().unwrap().0), (&b"offer"[..], first.cseq().unwrap().0 + 1));
        assert!(b.events().is_empty(), "our owner hears of the end only");
        b.receive(response(&second, 200, "", b"answer"));
        assert!(matches!(b.event(), Event::Reanswered { status: Status(200), .. }));
        assert_eq!(b.sip.stats().glares, 1);
    }
}

#[test]
fn a_peer_that_always_offers_at_once_is_told_of() {
    let mut b = Bench::new();
    let (session, _, _) = b.answered();
    b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"offer"), now));
    for _ in 0..9 {
        assert!(b.events().is_empty());
        let offer = b.sent.remove(0);
        b.receive(response(&offer, 491, "", b""));
        b.sent.clear();
        b.pass(secs(2));
    }
    assert!(matches!(b.event(), Event::Reanswered { status: Status(491), .. }));
    assert!(b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"offer"), now)));
}

#[test]
fn during_the_pause_the_peer_may_offer() {
    let mut b = Bench::new();
    let (session, invite, tag) = b.answered();
    b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"offer"), now));
    let first = b.one();
    b.receive(response(&first, 491, "", b""));
    b.receive(in_dialog(&invite, &tag, "INVITE", 3));
    assert!(matches!(b.event(), Event::Reoffered { .. }));
    b.pass(secs(3));
    assert_eq!(b.sent(), ["ACK", "100"]);
    b.act(|sip, now| sip.answer_reinvite(session, Ok(Bytes::from_static(b"answer")), now));
    b.receive(in_dialog(&invite, &tag, "ACK", 3));
    b.pass(ms(1200));
    assert_eq!(b.sent()[..2], ["200", "INVITE"]);
}
