//! Early dialogs: reliable provisional responses from both sides, forks that ring, and how long ringing is borne.

use super::*;

const REQUIRES: &str = "Require: 100rel\r\n";

fn rseq(message: &Message) -> u32 {
    message.rseq().unwrap().unwrap()
}

fn rack(message: &Message) -> String {
    format!("RAck: {} 1 INVITE\r\n", rseq(message))
}

fn tag_of(message: &Message) -> String {
    String::from_utf8(crate::dialog::tag_of(message)).unwrap()
}

#[test]
fn ringing_is_reliable_if_the_caller_requires_it() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming_with(REQUIRES, "");
    b.act(|sip, now| sip.provisional(session, Status::RINGING, None, now));
    let ringing = b.sent[0].clone();
    assert!(ringing.lists(Name::Require, "100rel") && rseq(&ringing) < 1 << 31);
    b.pass(ms(3600));
    assert_eq!(b.sent(), ["180", "180", "180", "180"], "at 0, 0.5, 1.5 and 3.5 s");
    // The next one waits for the PRACK.
    b.act(|sip, now| sip.provisional(session, Status::SESSION_PROGRESS, Some(Bytes::from_static(b"sdp")), now));
    assert!(b.sent().is_empty());
    let tag = tag_of(&ringing);
    let prack = from_caller(&invite, &tag, "PRACK", 2, &rack(&ringing), "");
    b.receive(prack.clone());
    let progress = b.sent[1].clone();
    assert_eq!((rseq(&progress), b.sent()), (rseq(&ringing) + 1, vec!["200".to_owned(), "183".to_owned()]));
    // The PRACK again, for its 200 was lost; then one that acknowledges nothing.
    b.receive(prack);
    b.receive(from_caller(&invite, &tag, "PRACK", 3, &rack(&ringing), ""));
    b.receive(from_caller(&invite, &tag, "PRACK", 4, "", ""));
    assert_eq!(b.sent(), ["200", "481", "481"]);
    // The answer waits as well.
    b.act(|sip, now| sip.accept(session, Bytes::from_static(b"sdp"), now));
    assert!(b.sent().is_empty());
    b.receive(from_caller(&invite, &tag, "PRACK", 5, &rack(&progress), ""));
    assert_eq!(b.sent(), ["200", "200"]);
    b.receive(in_dialog(&invite, &tag, "ACK", 1));
    assert!(matches!(b.event(), Event::Confirmed { .. }));
    b.receive(in_dialog(&invite, &tag, "BYE", 6));
    b.events();
    b.pass(secs(40));
    assert_eq!(b.sent(), ["200"]);
    b.assert_clean();
}

#[test]
fn who_only_supports_it_gets_it_if_we_want_it() {
    let mut b = Bench::new();
    let (session, _) = b.incoming_with("Supported: 100rel\r\n", "");
    b.act(|sip, now| sip.provisional(session, Status::RINGING, None, now));
    assert_eq!(b.one().header(Name::RSeq), None);
    let mut b = Bench::with(Config { reliable_provisionals: true, ..Config::default() });
    let (session, _) = b.incoming_with("Supported: 100rel\r\n", "");
    b.act(|sip, now| sip.provisional(session, Status::RINGING, None, now));
    assert!(b.one().header(Name::RSeq).is_some());
    let (session, _) = b.incoming();
    b.act(|sip, now| sip.provisional(session, Status::RINGING, None, now));
    assert_eq!(b.one().header(Name::RSeq), None);
}

#[test]
fn ringing_that_nobody_acknowledges_ends_the_call() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming_with(REQUIRES, "");
    b.act(|sip, now| sip.provisional(session, Status::RINGING, None, now));
    b.act(|sip, now| sip.accept(session, Bytes::from_static(b"sdp"), now));
    b.pass(ms(32_000));
    assert!(matches!(b.event(), Event::Ended { how: Ended::NoAck, .. }));
    assert_eq!(b.sent().last().map(String::as_str), Some("504"));
    b.receive(invite.replace("INVITE", "ACK"));
    b.pass(secs(10));
    b.assert_clean();
    // A caller that gives up needs no PRACK.
    let (session, invite) = b.incoming_with(REQUIRES, "");
    b.act(|sip, now| sip.provisional(session, Status::RINGING, None, now));
    b.receive(invite.replace("INVITE", "CANCEL").replace("Require", "X-Require"));
    assert_eq!(b.sent(), ["180", "200", "487"]);
    b.receive(invite.replace("INVITE", "ACK"));
    b.pass(secs(10));
    b.assert_clean();
}

#[test]
fn our_offer_in_ringing_is_answered_by_prack() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming_with(REQUIRES, "");
    b.act(|sip, now| sip.provisional(session, Status::SESSION_PROGRESS, Some(Bytes::from_static(b"offer")), now));
    let progress = b.one();
    let tag = tag_of(&progress);
    b.receive(from_caller(&invite, &tag, "PRACK", 2, &rack(&progress), "answer"));
    let Event::Confirmed { message, .. } = b.event() else { panic!() };
    assert_eq!((message.method(), message.body()), (Some(Method::Prack), &b"answer"[..]));
    assert_eq!(b.sent(), ["200"]);
}

#[test]
fn a_prack_may_offer_anew_and_so_may_update() {
    let mut b = Bench::new();
    let (session, invite) =
        b.incoming_with(&format!("{REQUIRES}Allow: UPDATE\r\nContent-Type: application/sdp\r\n"), "offer");
    assert!(!b.act(|sip, now| sip.update(session, Bytes::from_static(b"x"), now)), "his offer is not answered");
    b.receive(from_caller(&invite, "pb", "UPDATE", 2, "", "x"));
    assert_eq!(b.sent(), ["481"]);
    b.act(|sip, now| sip.provisional(session, Status::SESSION_PROGRESS, Some(Bytes::from_static(b"answer")), now));
    let progress = b.one();
    let tag = tag_of(&progress);
    b.receive(from_caller(&invite, &tag, "UPDATE", 2, "", "x"));
    assert!(b.sent[0].header(Name::RetryAfter).is_some());
    assert_eq!(b.sent(), ["500"]);
    b.receive(from_caller(&invite, &tag, "PRACK", 3, &rack(&progress), "offer 2"));
    let Event::Reoffered { request, .. } = b.event() else { panic!() };
    assert_eq!(request.method(), Some(Method::Prack));
    // The call is answered while that offer is not.
    b.act(|sip, now| sip.accept(session, Bytes::from_static(b"answer"), now));
    assert!(b.sent().is_empty());
    b.act(|sip, now| sip.answer_reinvite(session, Ok(Bytes::from_static(b"answer 2")), now));
    assert_eq!((b.sent[0].body(), b.sent[0].cseq().unwrap().1), (&b"answer 2"[..], Method::Prack));
    assert_eq!((b.sent[1].body(), b.sent[1].cseq().unwrap().1), (&b"answer"[..], Method::Invite));
    assert_eq!(b.sent(), ["200", "200"]);
    b.receive(in_dialog(&invite, &tag, "ACK", 1));
    b.events();
    b.receive(from_caller(&invite, &tag, "UPDATE", 4, "", "offer 3"));
    assert!(matches!(b.event(), Event::Reoffered { .. }));
    b.act(|sip, now| sip.answer_reinvite(session, Err(Status::NOT_ACCEPTABLE_HERE), now));
    b.receive(from_caller(&invite, &tag, "UPDATE", 5, "", ""));
    assert_eq!(b.sent(), ["488", "200"]);
    assert!(b.events().is_empty());
    assert!(b.act(|sip, now| sip.update(session, Bytes::from_static(b"offer 4"), now)));
    let update = b.one();
    b.receive(reply(&update, 200, "", &[], b"answer 4"));
    assert!(matches!(b.event(), Event::Reanswered { status: Status(200), message: Some(_), .. }));
}

#[test]
fn reliable_ringing_is_acknowledged_once_and_in_order() {
    let mut b = Bench::new();
    let (session, invite) = b.outgoing();
    assert!(invite.lists(Name::Supported, "100rel"));
    let ring = |rseq: &str, status, body| {
        reply(&invite, status, "x", &[(Name::Require, "100rel"), (Name::RSeq, rseq), (Name::Allow, "UPDATE")], body)
    };
    b.receive(ring("7", 180, b""));
    let prack = b.one();
    assert_eq!((prack.method(), prack.to().unwrap().tag()), (Some(Method::Prack), Some(&b"x"[..])));
    let seq = invite.cseq().unwrap().0;
    assert_eq!(prack.header(Name::RAck), Some(format!("7 {seq} INVITE").as_bytes()));
    assert_eq!(prack.cseq().unwrap().0, seq + 1);
    assert!(matches!(b.event(), Event::Provisional { status: Status(180), .. }));
    // Again, and one that overtook another: neither counts.
    b.receive(ring("7", 180, b""));
    b.receive(ring("9", 183, b"answer"));
    assert!(b.sent().is_empty() && b.events().is_empty());
    b.receive(response(&prack, 200, "x", b""));
    b.receive(ring("8", 183, b"answer"));
    b.receive(ring("9", 183, b"answer"));
    assert_eq!((b.sent(), b.events().len()), (vec!["PRACK".to_owned(), "PRACK".to_owned()], 2));
    // The media are agreed: either side may offer anew.
    b.receive(from_callee(&invite, "x", "UPDATE", 1, "", "offer"));
    assert!(matches!(b.event(), Event::Reoffered { .. }));
    assert!(!b.act(|sip, now| sip.update(session, Bytes::from_static(b"offer"), now)));
    b.act(|sip, now| sip.answer_reinvite(session, Ok(Bytes::from_static(b"answer")), now));
    assert_eq!(b.sent(), ["200"]);
    assert!(b.act(|sip, now| sip.update(session, Bytes::from_static(b"offer"), now)));
    let update = b.one();
    b.receive(from_callee(&invite, "x", "UPDATE", 2, "", "offer"));
    assert_eq!(b.sent(), ["491"]);
    b.receive(response(&invite, 200, "x", b""));
    assert!(matches!(b.event(), Event::Accepted { .. }));
    b.receive(response(&update, 200, "x", b"answer"));
    assert!(matches!(b.event(), Event::Reanswered { status: Status(200), .. }));
    assert_eq!(b.sent(), ["ACK"]);
    b.act(|sip, now| sip.hangup(session, None, now));
    assert_eq!(b.one().cseq().unwrap().0, seq + 5, "three PRACKs and an UPDATE came between");
}

#[test]
fn every_fork_rings_in_a_dialog_of_its_own() {
    let mut b = Bench::new();
    let (session, invite) = b.outgoing();
    let ring = |tag: &str, rseq: &str| reply(&invite, 180, tag, &[(Name::Require, "100rel"), (Name::RSeq, rseq)], b"");
    for (tag, rseq) in [("one", "5"), ("two", "1"), ("one", "6")] {
        b.receive(ring(tag, rseq));
        assert_eq!(b.one().to().unwrap().tag(), Some(tag.as_bytes()));
    }
    assert_eq!(b.events().len(), 3);
    // Each asks in its own dialog; the numbers of one do not count in the other.
    for (tag, seq) in [("one", 9), ("two", 3)] {
        b.receive(from_callee(&invite, tag, "OPTIONS", seq, "", ""));
    }
    b.receive(from_callee(&invite, "three", "OPTIONS", 1, "", ""));
    assert_eq!(b.events().iter().filter(|e| matches!(e, Event::Request { session: Some(_), .. })).count(), 2 + 1);
    let call_id = invite.call_id().unwrap().to_vec();
    let ours = invite.from().unwrap().tag().unwrap().to_vec();
    assert_eq!(b.sip.find(&call_id, b"two", &ours), Some(session));
    b.receive(response(&invite, 200, "two", b"answer"));
    assert_eq!(b.one().to().unwrap().tag(), Some(&b"two"[..]));
    assert_eq!(b.sip.find(&call_id, b"one", &ours), None);
    assert_eq!((b.sip.find(&call_id, &ours, b"two"), b.sip.is_confirmed(session)), (Some(session), true));
    // The other fork answers too.
    b.receive(response(&invite, 200, "one", b"answer"));
    assert!(b.sent.iter().all(|m| m.to().unwrap().tag() == Some(b"one")));
    assert_eq!(b.sent[1].cseq().unwrap().0, invite.cseq().unwrap().0 + 3, "after its two PRACKs");
    assert_eq!(b.sent(), ["ACK", "BYE"]);
    // A flood of forks is not followed further.
    let (_, invite) = b.outgoing();
    b.events();
    for n in 0..20 {
        b.receive(reply(&invite, 180, &format!("f{n}"), &[(Name::Require, "100rel"), (Name::RSeq, "1")], b""));
    }
    assert_eq!((b.sent().len(), b.events().len()), (8, 20));
}

#[test]
fn ringing_is_not_borne_for_ever() {
    let mut b = Bench::new();
    let (session, invite) = b.outgoing();
    b.receive(response(&invite, 180, "x", b""));
    b.pass(secs(170));
    b.receive(response(&invite, 180, "x", b""));
    b.pass(secs(170));
    assert!(b.sent().is_empty());
    assert_eq!(b.events().len(), 2);
    b.pass(secs(11));
    assert!(
        matches!(b.event(), Event::Rejected { session: found, status: Status(408), message: None } if found == session)
    );
    assert_eq!(b.sent()[0], "CANCEL");
    b.receive(response(&invite, 487, "x", b""));
    b.pass(secs(40));
    assert!(b.events().is_empty());
    b.assert_clean();
}
