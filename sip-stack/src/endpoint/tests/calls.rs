//! Setting calls up and tearing them down, from both sides, and every race between the two.

use super::*;

fn how(event: &Event) -> Ended {
    match event {
        Event::Ended { how, .. } => *how,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_is_answered_and_ended_by_the_peer() {
    let mut b = Bench::new();
    let (session, invite, tag) = b.answered();
    b.receive(in_dialog(&invite, &tag, "BYE", 2).replace("Content-Length", "Reason: Q.850;cause=16\r\nContent-Length"));
    assert_eq!(b.sent(), ["200"]);
    let Event::Ended { session: ended, how, reason, .. } = b.event() else { panic!() };
    assert_eq!((ended, how, reason), (session, Ended::RemoteBye, Some(ReasonHeader { sip: None, q850: Some(16) })));
    assert_eq!(b.sip.counts().sessions, 0);
    // The BYE again, for its 200 was lost.
    b.receive(in_dialog(&invite, &tag, "BYE", 2));
    assert_eq!(b.sent(), ["200"]);
    assert!(b.events().is_empty());
    b.pass(secs(33));
    b.assert_clean();
}

#[test]
fn responses_go_to_the_source_and_say_so() {
    let mut b = Bench::new();
    let invite = b.request("INVITE", "", "");
    b.receive(invite);
    let via = b.sent[0].via().unwrap();
    assert_eq!((via.received(), via.rport()), (Some(b.flow.remote.ip()), Some(Some(5062))));
}

#[test]
fn ringing_and_the_answer_carry_one_tag_contact_and_abilities() {
    let mut b = Bench::new();
    let (session, _) = b.incoming();
    b.act(|sip, now| sip.provisional(session, Status::RINGING, None, now));
    b.act(|sip, now| sip.provisional(session, Status::SESSION_PROGRESS, Some(Bytes::from_static(b"early")), now));
    b.act(|sip, now| sip.accept(session, Bytes::from_static(b"sdp"), now));
    let tags: Vec<_> = b.sent.iter().map(crate::dialog::tag_of).collect();
    assert!(!tags[0].is_empty() && tags.iter().all(|tag| *tag == tags[0]));
    assert!(b.sent.iter().all(|m| m.contact().unwrap().uri.to_string() == "sip:200@192.0.2.1:5060"));
    assert_eq!(b.sent[1].body(), b"early");
    assert_eq!(b.sent[2].header(Name::Allow), Some(&b"INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, OPTIONS, REGISTER"[..]));
    assert_eq!(b.sent[2].content_type(), Some(&b"application/sdp"[..]));
    assert_eq!(b.sent(), ["180", "183", "200"]);
}

#[test]
fn ringing_is_repeated_each_minute() {
    let mut b = Bench::new();
    let (session, _) = b.incoming();
    b.act(|sip, now| sip.provisional(session, Status::RINGING, None, now));
    b.pass(secs(150));
    assert_eq!(b.sent(), ["180", "180", "180"]);
    b.act(|sip, now| sip.reject(session, Status::BUSY_HERE, Vec::new(), now));
    b.pass(secs(200));
    assert!(b.sent().iter().all(|sent| sent == "486"));
    assert_eq!(b.sip.stats().unacknowledged, 1);
    b.assert_clean();
}

#[test]
fn a_repeated_invite_is_answered_from_memory() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming();
    b.receive(invite.clone());
    assert_eq!(b.sent(), ["100"]);
    b.act(|sip, now| sip.provisional(session, Status::RINGING, None, now));
    b.receive(invite.clone());
    assert_eq!(b.sent(), ["180", "180"]);
    b.act(|sip, now| sip.reject(session, Status::BUSY_HERE, Vec::new(), now));
    b.receive(invite.clone());
    assert_eq!(b.sent(), ["486", "486"]);
    b.receive(invite.replace("INVITE", "ACK"));
    b.receive(invite);
    assert!(b.sent().is_empty() && b.events().is_empty());
    assert_eq!(b.sip.stats().repeated_requests, 4);
    b.pass(secs(6));
    b.assert_clean();
}

#[test]
fn a_2xx_is_repeated_until_acknowledged_and_then_the_call_is_hung_up() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming();
    b.act(|sip, now| sip.accept(session, Bytes::from_static(b"sdp"), now));
    b.pass(ms(3600));
    assert_eq!(b.sent(), ["200", "200", "200", "200"], "at 0, 0.5, 1.5 and 3.5 s");
    // The INVITE again is not answered by its transaction (RFC 6026).
    b.receive(invite);
    assert!(b.sent().is_empty());
    b.pass(secs(30));
    let sent = b.sent();
    assert_eq!(sent.iter().filter(|s| *s == "200").count(), 7, "each 4 s");
    assert_eq!(sent.iter().filter(|s| *s == "BYE").count(), 3, "at 32 s and after 0.5 and 1.5 s more");
    assert_eq!(how(&b.event()), Ended::NoAck);
    b.pass(secs(33));
    b.assert_clean();
}

#[test]
fn bye_waits_for_the_ack_of_our_2xx() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming();
    b.act(|sip, now| sip.accept(session, Bytes::from_static(b"sdp"), now));
    let tag = String::from_utf8(crate::dialog::tag_of(&b.sent[0])).unwrap();
    b.act(|sip, now| sip.hangup(session, Some(b"Q.850;cause=16".to_vec()), now));
    assert_eq!(b.sent(), ["200"]);
    b.receive(in_dialog(&invite, &tag, "ACK", 1));
    let bye = b.sent.remove(0);
    assert_eq!((bye.method(), bye.header(Name::Reason)), (Some(Method::Bye), Some(&b"Q.850;cause=16"[..])));
    assert_eq!(bye.to().unwrap().tag(), Some(&b"peer1"[..]));
    b.receive(response(&bye, 200, "", b""));
    b.pass(secs(33));
    assert!(b.events().is_empty());
    b.assert_clean();
}

#[test]
fn a_cancelled_call_gets_487_and_a_late_cancel_changes_nothing() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming();
    b.act(|sip, now| sip.provisional(session, Status::RINGING, None, now));
    let reason = "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\nContent-Length";
    let cancel = invite.replace("INVITE", "CANCEL").replace("Content-Length", reason);
    b.receive(cancel.clone());
    assert_eq!(b.sent.iter().skip(1).map(crate::dialog::tag_of).collect::<std::collections::BTreeSet<_>>().len(), 1);
    assert_eq!(b.sent(), ["180", "200", "487"]);
    let Event::Ended { how: Ended::Cancelled, reason, .. } = b.event() else { panic!() };
    assert_eq!(reason, Some(ReasonHeader { sip: Some(200), q850: None }));
    // Too late for an answer, and the CANCEL comes again.
    b.act(|sip, now| sip.accept(session, Bytes::new(), now));
    b.receive(cancel);
    assert_eq!(b.sent(), ["200"]);
    b.receive(invite.replace("INVITE", "ACK"));
    b.pass(secs(6));
    assert!(b.events().is_empty());
    b.assert_clean();
}

#[test]
fn a_cancel_that_crosses_our_2xx_does_not_end_the_call() {
    let mut b = Bench::new();
    let (session, invite, _) = b.answered();
    b.receive(invite.replace("INVITE", "CANCEL"));
    assert_eq!(b.sent(), ["200"]);
    assert!(b.events().is_empty() && b.sip.flow(session).is_some());
}

#[test]
fn a_cancel_without_its_invite_is_481() {
    let mut b = Bench::new();
    let cancel = b.request("CANCEL", "", "");
    b.receive(cancel);
    assert_eq!(b.sent(), ["481"]);
    b.assert_clean();
}

#[test]
fn the_caller_may_give_up_by_bye_in_the_early_dialog() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming();
    b.act(|sip, now| sip.provisional(session, Status::RINGING, None, now));
    let tag = String::from_utf8(crate::dialog::tag_of(&b.sent[0])).unwrap();
    b.receive(in_dialog(&invite, &tag, "BYE", 2));
    assert_eq!(b.sent(), ["180", "200", "487"]);
    assert_eq!(how(&b.event()), Ended::Cancelled);
    b.pass(secs(40));
    b.assert_clean();
}

#[test]
fn bye_instead_of_ack_ends_the_repetition_of_our_2xx() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming();
    b.act(|sip, now| sip.accept(session, Bytes::from_static(b"sdp"), now));
    let tag = String::from_utf8(crate::dialog::tag_of(&b.sent[0])).unwrap();
    b.receive(in_dialog(&invite, &tag, "BYE", 2));
    assert_eq!(b.sent(), ["200", "200"]);
    assert_eq!(how(&b.event()), Ended::RemoteBye);
    b.pass(secs(40));
    assert!(b.sent().is_empty());
    b.assert_clean();
}

#[test]
fn our_call_is_answered_and_hung_up() {
    let mut b = Bench::new();
    let (session, invite) = b.outgoing();
    b.receive(response(&invite, 100, "", b""));
    b.receive(response(&invite, 180, "x", b""));
    assert!(matches!(b.event(), Event::Provisional { status: Status(180), .. }));
    b.receive(response(&invite, 200, "x", b"answer"));
    let Event::Accepted { message, .. } = b.event() else { panic!() };
    assert_eq!(message.body(), b"answer");
    let ack = b.sent.remove(0);
    assert_eq!((ack.method(), ack.request_uri()), (Some(Method::Ack), &b"sip:300@10.0.0.9:5062"[..]));
    assert_eq!(ack.cseq().unwrap().0, invite.cseq().unwrap().0);
    assert_ne!(ack.via().unwrap().branch(), invite.via().unwrap().branch());
    // Its 200 again: the ACK was lost.
    b.receive(response(&invite, 200, "x", b"answer"));
    assert_eq!(b.sent.remove(0), ack);
    assert!(b.events().is_empty());
    b.act(|sip, now| sip.hangup(session, None, now));
    let bye = b.sent.remove(0);
    assert_eq!(bye.cseq().unwrap().0, invite.cseq().unwrap().0 + 1);
    b.receive(response(&bye, 200, "", b""));
    b.pass(secs(33));
    assert!(b.events().is_empty());
    b.assert_clean();
}

#[test]
fn our_call_is_refused() {
    let mut b = Bench::new();
    let (session, invite) = b.outgoing();
    b.receive(response(&invite, 486, "x", b""));
    let Event::Rejected { session: ended, status, message } = b.event() else { panic!() };
    assert_eq!((ended, status, message.is_some()), (session, Status(486), true));
    let ack = b.sent.remove(0);
    assert_eq!(ack.method(), Some(Method::Ack));
    assert_eq!(ack.via().unwrap().branch(), invite.via().unwrap().branch());
    assert_eq!(ack.to().unwrap().tag(), Some(&b"x"[..]));
    b.receive(response(&invite, 486, "x", b""));
    assert_eq!(b.sent(), ["ACK"]);
    b.pass(secs(33));
    b.assert_clean();
}

#[test]
fn nobody_answers_our_call_or_the_network_refuses_it() {
    let mut b = Bench::new();
    b.outgoing();
    b.pass(secs(33));
    assert_eq!(b.sent().len(), 6, "at 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s");
    assert!(matches!(b.event(), Event::Rejected { status: Status(408), message: None, .. }));
    b.assert_clean();
    b.outgoing();
    let flow = b.flow;
    b.act(|sip, now| sip.handle_input(Input::SendFailed { flow }, now));
    assert!(matches!(b.event(), Event::Rejected { status: Status(503), message: None, .. }));
    b.assert_clean();
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut b = Bench::new();
    let (session, invite) = b.outgoing();
    b.act(|sip, now| sip.hangup(session, Some(b"SIP;cause=200".to_vec()), now));
    assert!(b.sent().is_empty());
    b.receive(response(&invite, 180, "x", b""));
    let cancel = b.sent.remove(0);
    assert_eq!((cancel.method(), cancel.header(Name::Reason)), (Some(Method::Cancel), Some(&b"SIP;cause=200"[..])));
    assert_eq!(cancel.via().unwrap().branch(), invite.via().unwrap().branch());
    assert_eq!((cancel.to().unwrap().tag(), cancel.cseq().unwrap().0), (None, invite.cseq().unwrap().0));
    b.receive(response(&cancel, 200, "x", b""));
    b.receive(response(&invite, 487, "x", b""));
    assert_eq!(b.sent(), ["ACK"]);
    b.pass(secs(33));
    assert!(b.events().is_empty());
    b.assert_clean();
}

#[test]
fn a_2xx_that_crosses_our_cancel_is_acknowledged_and_hung_up() {
    let mut b = Bench::new();
    let (session, invite) = b.outgoing();
    b.receive(response(&invite, 180, "x", b""));
    b.events();
    b.act(|sip, now| sip.hangup(session, None, now));
    b.receive(response(&invite, 200, "x", b"answer"));
    assert_eq!(b.sent[2].method(), Some(Method::Bye));
    let bye = b.sent[2].clone();
    assert_eq!(b.sent(), ["CANCEL", "ACK", "BYE"]);
    b.receive(response(&invite, 200, "x", b"answer"));
    assert_eq!(b.sent(), ["ACK"]);
    b.receive(response(&bye, 200, "", b""));
    b.pass(secs(33));
    assert!(b.events().is_empty());
    b.assert_clean();
}

#[test]
fn a_cancel_that_nobody_heeds_ends_all_the_same() {
    let mut b = Bench::new();
    let (session, invite) = b.outgoing();
    b.receive(response(&invite, 180, "x", b""));
    b.events();
    b.act(|sip, now| sip.hangup(session, None, now));
    b.pass(secs(33));
    b.assert_clean();
    b.receive(response(&invite, 200, "x", b"answer"));
    assert_eq!(b.sip.stats().stray_responses, 1);
}

#[test]
fn the_2xx_of_a_second_fork_is_acknowledged_and_hung_up() {
    let mut b = Bench::new();
    let (session, invite) = b.outgoing();
    b.receive(response(&invite, 200, "one", b"answer"));
    assert!(matches!(b.event(), Event::Accepted { .. }));
    assert_eq!(b.sent(), ["ACK"]);
    b.receive(response(&invite, 200, "two", b"answer"));
    assert!(b.sent.iter().all(|m| m.to().unwrap().tag() == Some(b"two")));
    let bye = b.sent[1].clone();
    assert_eq!(b.sent(), ["ACK", "BYE"]);
    b.receive(response(&bye, 200, "", b""));
    b.receive(response(&invite, 200, "two", b"answer"));
    assert_eq!(b.sent(), ["ACK"]);
    assert!(b.events().is_empty() && b.sip.flow(session).is_some());
    assert_eq!(b.sip.stats().second_forks, 1);
    // A flood of forks is not followed.
    for n in 0..20 {
        b.receive(response(&invite, 200, &format!("fork{n}"), b"answer"));
    }
    assert_eq!(b.sip.stats().second_forks, 7);
}

#[test]
fn both_hang_up_at_once() {
    let mut b = Bench::new();
    let (session, invite, tag) = b.answered();
    b.act(|sip, now| sip.hangup(session, None, now));
    let bye = b.sent.remove(0);
    b.receive(in_dialog(&invite, &tag, "BYE", 2));
    assert_eq!(b.sent(), ["200"]);
    b.receive(response(&bye, 481, "", b""));
    b.pass(secs(33));
    assert!(b.events().is_empty());
    b.assert_clean();
}

#[test]
fn a_bye_that_overtakes_the_2xx_ends_the_call() {
    let mut b = Bench::new();
    let (_, invite) = b.outgoing();
    b.receive(response(&invite, 180, "x", b""));
    b.events();
    let (from, to) = (invite.from().unwrap(), invite.to().unwrap());
    let bye = format!(
        "BYE sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKbye\r\nFrom: {to};tag=x\r\nTo: {from}\r\n\
         Call-ID: {}\r\nCSeq: 9 BYE\r\n\r\n",
        String::from_utf8_lossy(invite.call_id().unwrap())
    );
    b.receive(bye);
    assert_eq!(b.sent(), ["200", "CANCEL"]);
    assert_eq!(how(&b.event()), Ended::RemoteBye);
    b.receive(response(&invite, 200, "x", b"answer"));
    assert_eq!(b.sent(), ["ACK", "BYE"]);
    b.pass(secs(70));
    assert!(b.events().is_empty());
    b.assert_clean();
}

#[test]
fn an_incoming_call_that_we_hang_up_gets_480_and_one_that_we_ignore_nothing() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming();
    b.act(|sip, now| sip.hangup(session, Some(b"Q.850;cause=41".to_vec()), now));
    assert_eq!(b.sent[0].header(Name::Reason), Some(&b"Q.850;cause=41"[..]));
    assert_eq!(b.sent(), ["480"]);
    b.receive(invite.replace("INVITE", "ACK"));
    let (session, invite) = b.incoming();
    b.act(|sip, _| sip.discard(session));
    b.receive(invite.clone());
    b.receive(invite.replace("INVITE", "CANCEL"));
    b.pass(secs(33));
    assert!(b.sent().is_empty() && b.events().is_empty());
    b.assert_clean();
    // Also if we make up our mind late.
    let (session, _) = b.incoming();
    b.pass(secs(40));
    b.act(|sip, _| sip.discard(session));
    b.assert_clean();
}

#[test]
fn a_delayed_refusal_leaves_later_and_a_cancel_overtakes_it() {
    let mut b = Bench::new();
    let (session, invite) = b.incoming();
    b.act(|sip, now| sip.reject_after(session, Status::FORBIDDEN, Vec::new(), secs(4), now));
    assert_eq!(b.sip.counts().sessions, 0);
    b.pass(ms(3999));
    assert!(b.sent().is_empty());
    b.pass(ms(1));
    assert_eq!(b.sent(), ["403"]);
    b.receive(invite.replace("INVITE", "ACK"));
    let (session, invite) = b.incoming();
    b.act(|sip, now| sip.reject_after(session, Status::FORBIDDEN, Vec::new(), secs(4), now));
    b.receive(invite.replace("INVITE", "CANCEL"));
    assert_eq!(b.sent(), ["200", "487"]);
    b.receive(invite.replace("INVITE", "ACK"));
    b.pass(secs(33));
    assert!(b.sent().is_empty() && b.events().is_empty());
    b.assert_clean();
}
