//! What happens inside a dialog besides its end.

use super::*;

#[test]
fn a_reinvite_is_answered_and_acknowledged() {
    let mut b = Bench::new();
    let (session, invite, tag) = b.answered();
    let reinvite = in_dialog(&invite, &tag, "INVITE", 2).replace("sip:100@10.0.0.9:5062", "sip:100@10.0.0.77");
    b.receive(reinvite.clone());
    assert!(matches!(b.event(), Event::Reoffered { .. }));
    b.act(|sip, now| sip.answer_reinvite(session, Ok(Bytes::from_static(b"answer")), now));
    assert_eq!(b.sent[1].to().unwrap().tag(), Some(tag.as_bytes()));
    b.receive(reinvite);
    b.pass(ms(600));
    assert_eq!(b.sent(), ["100", "200", "200"]);
    b.receive(in_dialog(&invite, &tag, "ACK", 2));
    assert!(matches!(b.event(), Event::Confirmed { .. }));
    b.act(|sip, now| sip.hangup(session, None, now));
    assert_eq!(b.sent[0].request_uri(), b"sip:100@10.0.0.77", "the re-INVITE moved the target");
}

#[test]
fn a_refused_or_cancelled_reinvite_leaves_the_call() {
    let mut b = Bench::new();
    let (session, invite, tag) = b.answered();
    let reinvite = in_dialog(&invite, &tag, "INVITE", 2);
    b.receive(reinvite.clone());
    b.events();
    b.act(|sip, now| sip.answer_reinvite(session, Err(Status::NOT_ACCEPTABLE_HERE), now));
    b.receive(reinvite.replacen("INVITE", "ACK", 1).replace("2 INVITE", "2 ACK"));
    assert_eq!(b.sent(), ["100", "488"]);
    let reinvite = in_dialog(&invite, &tag, "INVITE", 3);
    b.receive(reinvite.clone());
    b.events();
    b.receive(reinvite.replacen("INVITE", "CANCEL", 1).replace("3 INVITE", "3 CANCEL"));
    assert_eq!(b.sent(), ["100", "200", "487"]);
    b.act(|sip, now| sip.answer_reinvite(session, Ok(Bytes::new()), now));
    assert!(b.sent().is_empty() && b.events().is_empty() && b.sip.flow(session).is_some());
    assert!(b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"offer"), now)));
}

#[test]
fn a_reinvite_that_is_never_acknowledged_ends_the_call() {
    let mut b = Bench::new();
    let (session, invite, tag) = b.answered();
    b.receive(in_dialog(&invite, &tag, "INVITE", 2));
    b.events();
    b.act(|sip, now| sip.answer_reinvite(session, Ok(Bytes::from_static(b"answer")), now));
    b.pass(secs(33));
    assert!(matches!(b.event(), Event::Ended { how: Ended::NoAck, .. }));
    assert!(b.sent().contains(&"BYE".to_owned()));
}

#[test]
fn offers_from_both_sides_at_once_are_refused() {
    let mut b = Bench::new();
    let (session, invite, tag) = b.answered();
    assert!(b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"offer"), now)));
    assert!(!b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"offer"), now)));
    let ours = b.sent.remove(0);
    b.receive(in_dialog(&invite, &tag, "INVITE", 2));
    assert_eq!(b.sent(), ["491"]);
    b.receive(response(&ours, 491, "", b""));
    assert_eq!(b.sent(), ["ACK"]);
    assert!(b.events().is_empty());
    b.receive(in_dialog(&invite, &tag, "INVITE", 3));
    b.receive(in_dialog(&invite, &tag, "INVITE", 4));
    assert_eq!(b.sent.last().unwrap().header(Name::RetryAfter).map(<[u8]>::is_empty), Some(false));
    assert_eq!(b.sent(), ["100", "500"]);
}

#[test]
fn our_reinvite_is_answered_and_acknowledged() {
    let mut b = Bench::new();
    let (session, _, _) = b.answered();
    b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"offer"), now));
    let invite = b.sent.remove(0);
    assert_eq!((invite.body(), invite.cseq().unwrap().0), (&b"offer"[..], 1));
    b.receive(response(&invite, 200, "", b"answer"));
    let Event::Reanswered { status: Status::OK, message: Some(message), .. } = b.event() else { panic!() };
    assert_eq!(message.body(), b"answer");
    assert_eq!(b.sent(), ["ACK"]);
    b.receive(response(&invite, 200, "", b"answer"));
    assert_eq!(b.sent(), ["ACK"]);
    assert!(b.events().is_empty());
}

#[test]
fn the_answer_to_a_reinvite_after_our_bye_is_acknowledged_and_no_more() {
    let mut b = Bench::new();
    let (session, _, _) = b.answered();
    b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"offer"), now));
    b.act(|sip, now| sip.hangup(session, None, now));
    let (invite, bye) = (b.sent.remove(0), b.sent.remove(0));
    b.receive(response(&bye, 200, "", b""));
    b.receive(response(&invite, 200, "", b"answer"));
    assert_eq!(b.sent(), ["ACK"]);
    b.pass(secs(40));
    b.assert_clean();
}

#[test]
fn a_peer_that_knows_nothing_of_the_dialog_ends_it() {
    let mut b = Bench::new();
    let (session, _, _) = b.answered();
    b.act(|sip, now| sip.reinvite(session, Bytes::from_static(b"offer"), now));
    let invite = b.sent.remove(0);
    b.receive(response(&invite, 481, "", b""));
    let events = b.events();
    assert!(matches!(events[0], Event::Reanswered { status: Status(481), .. }));
    assert!(matches!(events[1], Event::Ended { how: Ended::Gone, .. }));
    assert_eq!(b.sent(), ["ACK", "BYE"]);
    b.pass(secs(40));
    b.assert_clean();
}

#[test]
fn other_requests_reach_the_owner_with_their_session() {
    let mut b = Bench::new();
    let (session, invite, tag) = b.answered();
    b.receive(in_dialog(&invite, &tag, "OPTIONS", 2));
    let Event::Request { id, session: found, .. } = b.event() else { panic!() };
    assert_eq!(found, Some(session));
    b.act(|sip, now| sip.answer_options(id, now));
    assert_eq!(b.sent[0].header(Name::Accept), Some(&b"application/sdp"[..]));
    assert_eq!(b.sent(), ["200"]);
}

#[test]
fn numbers_that_do_not_grow_are_500_and_strange_tags_481() {
    let mut b = Bench::new();
    let (session, invite, tag) = b.answered();
    b.receive(in_dialog(&invite, &tag, "OPTIONS", 7));
    b.events();
    b.receive(in_dialog(&invite, &tag, "BYE", 3));
    assert_eq!(b.sent(), ["500"]);
    b.receive(in_dialog(&invite, "strange", "BYE", 8));
    b.receive(in_dialog(&invite, &tag, "BYE", 8).replace("tag=peer1", "tag=other"));
    b.receive(in_dialog(&invite, &tag, "BYE", 8).replace("call1", "call7"));
    b.receive(in_dialog(&invite, "strange", "INVITE", 8));
    assert_eq!(b.sent(), ["481", "481", "481", "481"]);
    assert!(b.sip.flow(session).is_some());
}

#[test]
fn every_message_of_a_session_is_traced_and_marked_if_repeated() {
    let mut b = Bench::new();
    let (session, invite, tag) = b.answered();
    b.receive(invite.clone());
    b.receive(in_dialog(&invite, &tag, "BYE", 2));
    b.receive(in_dialog(&invite, &tag, "BYE", 2));
    let lines: Vec<_> = b
        .traces
        .iter()
        .map(|t| {
            assert_eq!(t.session, session);
            let start = String::from_utf8_lossy(&t.data[..11.min(t.data.len())]).into_owned();
            let word = start.strip_prefix("SIP/2.0 ").unwrap_or(&start).split(' ').next().unwrap().to_owned();
            format!("{}{word}{}", if t.sent { ">" } else { "<" }, if t.repeated { "*" } else { "" })
        })
        .collect();
    assert_eq!(lines, ["<INVITE", ">100", ">200", "<ACK", "<INVITE*", "<BYE", ">200", "<BYE*", ">200*"]);
}

#[test]
fn an_answered_session_goes_on_in_another_process() {
    let mut b = Bench::new();
    let request = b.request("INVITE", "Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n", "");
    b.receive(request.clone());
    let Event::Incoming { session, .. } = b.event() else { panic!() };
    assert_eq!(b.sip.snapshot(session), None);
    b.act(|sip, now| sip.accept(session, Bytes::from_static(b"sdp"), now));
    let tag = String::from_utf8(crate::dialog::tag_of(b.sent.last().unwrap())).unwrap();
    b.receive(in_dialog(&request, &tag, "ACK", 1));
    let saved = b.sip.snapshot(session).unwrap();
    b.act(|sip, now| sip.hangup(session, None, now));
    let expected = b.sent.pop().unwrap();

    let mut after = Bench::with(Config { cell: CellTag(0), ..Config::default() });
    let session = after.sip.restore(&saved).unwrap();
    assert_eq!((after.sip.restore(&saved), after.sip.flow(session)), (None, Some(b.flow)));
    after.receive(in_dialog(&request, &tag, "OPTIONS", 1));
    assert_eq!(after.sent(), ["500"], "it knows how far the peer has counted");
    after.act(|sip, now| sip.hangup(session, None, now));
    let bye = after.sent.remove(0);
    let own = |name: &Name| !matches!(name, Name::Via | Name::CSeq);
    let same = |m: &Message| m.lines().filter(|(name, ..)| own(name)).map(|(_, _, v)| v.to_vec()).collect::<Vec<_>>();
    assert_eq!((bye.request_uri(), same(&bye)), (expected.request_uri(), same(&expected)));
    // The former process may have said more in the dialog than it kept.
    assert_eq!(bye.cseq().unwrap().0, expected.cseq().unwrap().0 + 1_000);
    after.receive(response(&bye, 200, "", b""));
    after.pass(secs(33));
    after.assert_clean();
    for cut in 0..saved.len() {
        let _ = after.sip.restore(&saved[..cut]);
    }
}

#[test]
fn a_call_of_a_former_process_is_ended_whether_it_rings_or_is_answered_meanwhile() {
    for answered in [false, true] {
        let mut b = Bench::new();
        let (session, invite) = b.outgoing();
        b.receive(response(&invite, 180, "", b""));
        let saved = b.sip.snapshot_calling(session).unwrap();
        assert_eq!(b.sip.snapshot(session), None);
        let mut after = Bench::with(Config { cell: CellTag(0), ..Config::default() });
        assert!(after.sip.cancel_former(&saved, None, after.now));
        assert!(!after.sip.cancel_former(&saved, None, after.now), "it is here already");
        after.act(|_, _| {});
        let cancel = after.sent.remove(0);
        assert_eq!((cancel.method(), cancel.request_uri()), (Some(Method::Cancel), invite.request_uri()));
        assert_eq!(cancel.via().unwrap().branch(), invite.via().unwrap().branch());
        after.receive(response(&invite, if answered { 200 } else { 487 }, "t", b""));
        let said: Vec<_> = after.sent.drain(..).map(|message| message.method().unwrap()).collect();
        assert_eq!(said, if answered { vec![Method::Ack, Method::Bye] } else { vec![Method::Ack] });
        after.pass(secs(70));
        after.assert_clean();
        for cut in 0..saved.len() {
            let _ = after.sip.cancel_former(&saved[..cut], None, after.now);
        }
    }
}

#[test]
fn every_message_of_a_session_names_its_cell() {
    use crate::placement::{Hint, owner_hint};
    let cell = CellTag(0x2a);
    let mut b = Bench::with(Config { cell, ..Config::default() });
    let hint = |data: &[u8]| owner_hint(data);
    // The peer calls: what has no tag yet goes by Call-ID, all else names us.
    let (session, invite) = b.incoming();
    let first = hint(invite.as_bytes());
    assert!(matches!(first, Hint::CallId(_)));
    assert_eq!(hint(invite.replace("INVITE", "CANCEL").as_bytes()), first);
    b.act(|sip, now| sip.accept(session, Bytes::new(), now));
    let tag = String::from_utf8(crate::dialog::tag_of(b.sent.last().unwrap())).unwrap();
    for method in ["ACK", "BYE", "INVITE", "OPTIONS"] {
        assert_eq!(hint(in_dialog(&invite, &tag, method, 2).as_bytes()), Hint::Cell(cell), "{method}");
    }
    // A refusal without memory has a tag of ours as well, so its ACK comes back here.
    let invite = b.request("INVITE", "Require: x\r\n", "");
    b.receive(invite.clone());
    let tag = String::from_utf8(crate::dialog::tag_of(b.sent.last().unwrap())).unwrap();
    assert_eq!(hint(in_dialog(&invite, &tag, "ACK", 1).as_bytes()), Hint::Cell(cell));
    b.sent();
    // We call: responses name us by the branch, the peer's requests by our tag.
    let (_, invite) = b.outgoing();
    for status in [100, 180, 200, 486] {
        assert_eq!(hint(&response(&invite, status, "x", b"")), Hint::Cell(cell), "{status}");
    }
    let ours = String::from_utf8(invite.from().unwrap().tag().unwrap().to_vec()).unwrap();
    assert_eq!(hint(in_dialog(&b.request("INVITE", "", ""), &ours, "BYE", 1).as_bytes()), Hint::Cell(cell));
}

#[test]
fn a_held_session_is_small() {
    let mut b = Bench::new();
    b.answered();
    b.pass(secs(40));
    assert_eq!(b.sip.counts(), Counts { sessions: 1, index_entries: 1, ..Counts::default() });
    assert!(size_of::<Session>() <= 400, "{}", size_of::<Session>());
    // What hangs on it are the strings of the dialog, none of them a whole message.
    assert!(size_of::<Tx>() <= 400, "{}", size_of::<Tx>());
}
