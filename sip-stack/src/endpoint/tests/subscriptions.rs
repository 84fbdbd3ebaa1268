//! Subscriptions that the peer holds with us: granted, renewed, taken back, lapsed, given up, kept.

use super::*;
use crate::endpoint::{Notice, Standing, SubscriptionId, Turn};

fn bench() -> Bench {
    let methods = vec![Method::Options, Method::Subscribe, Method::Refer];
    Bench::with(Config { methods, ..Config::default() })
}

fn notice(standing: Standing, body: &'static str) -> Notice {
    Notice { standing, body: Some(("text/plain", Bytes::from_static(body.as_bytes()))) }
}

const OVER: Standing = Standing::Terminated { reason: "timeout", retry_after: None };

/// A SUBSCRIBE that is granted, with its bytes and our tag; the first notice is not sent yet.
fn subscribed(bench: &mut Bench, more: &str) -> (SubscriptionId, String, String) {
    let subscribe = bench.request("SUBSCRIBE", &format!("Event: dialog;id=7\r\n{more}"), "");
    bench.receive(subscribe.clone());
    let Event::Request { id, .. } = bench.event() else { panic!("no request") };
    let subscription = bench.act(|sip, now| sip.accept_subscription(id, now)).unwrap();
    let tag = String::from_utf8(crate::dialog::tag_of(bench.sent.last().unwrap())).unwrap();
    (subscription, subscribe, tag)
}

fn again(subscribe: &str, tag: &str, seq: u32, expires: u32) -> String {
    subscribe
        .replace("Expires: 100\r\n", "")
        .replacen("branch=z9hG4bK", &format!("branch=z9hG4bKs{seq}"), 1)
        .replace("To: <sip:200@pbx>", &format!("To: <sip:200@pbx>;tag={tag}"))
        .replace("CSeq: 1 SUBSCRIBE", &format!("CSeq: {seq} SUBSCRIBE\r\nExpires: {expires}"))
}

/// The last NOTIFY that was sent: its Subscription-State and body.
fn last_notify(bench: &Bench) -> (String, String) {
    let notify = bench.sent.iter().rev().find(|m| m.method() == Some(Method::Notify)).expect("no NOTIFY");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(notify.header(Name::Event), Some(&b"dialog;id=7"[..]));
    (text(notify.header(Name::SubscriptionState).unwrap()), text(notify.body()))
}

fn answer(bench: &mut Bench, status: u16) {
    let notify = bench.sent.iter().rev().find(|m| m.method() == Some(Method::Notify)).expect("no NOTIFY").clone();
    bench.receive(ResponseBuilder::new(&notify, Status(status)).finish());
}

fn turn(bench: &mut Bench) -> Turn {
    let Event::Subscription { turn, .. } = bench.event() else { panic!("no turn") };
    turn
}

#[test]
fn a_subscription_is_granted_renewed_and_taken_back() {
    let mut bench = bench();
    let (id, subscribe, tag) = subscribed(&mut bench, "Expires: 100\r\n");
    let granted = bench.sent.last().unwrap();
    assert_eq!((granted.status(), granted.expires()), (Some(Status::OK), Ok(Some(100))));
    assert_eq!(granted.header(Name::Contact), Some(&b"<sip:200@192.0.2.1:5060>"[..]));
    bench.act(|sip, now| sip.notify(id, notice(Standing::Active, "one"), now));
    assert_eq!(last_notify(&bench), ("active;expires=100".into(), "one".into()));
    let notify = bench.sent.last().unwrap();
    assert_eq!(notify.request_uri(), b"sip:100@10.0.0.9:5062");
    answer(&mut bench, 200);
    assert_eq!(turn(&mut bench), Turn::Notified);
    bench.pass(secs(60));
    bench.receive(again(&subscribe, &tag, 2, 100));
    assert_eq!(bench.sent.last().unwrap().status(), Some(Status::OK));
    assert_eq!(turn(&mut bench), Turn::Renewed);
    bench.act(|sip, now| sip.notify(id, notice(Standing::Active, "two"), now));
    assert_eq!(last_notify(&bench), ("active;expires=100".into(), "two".into()));
    answer(&mut bench, 200);
    assert_eq!(turn(&mut bench), Turn::Notified);
    bench.receive(again(&subscribe, &tag, 3, 0));
    assert_eq!(turn(&mut bench), Turn::Unsubscribed);
    bench.act(|sip, now| sip.notify(id, notice(OVER, "end"), now));
    assert_eq!(last_notify(&bench), ("terminated;reason=timeout".into(), "end".into()));
    answer(&mut bench, 200);
    bench.receive(again(&subscribe, &tag, 4, 100));
    assert_eq!(bench.sent.last().unwrap().status(), Some(Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST));
    bench.pass(secs(40));
    bench.assert_clean();
}

#[test]
fn while_a_notify_waits_the_newest_state_waits_behind_it() {
    let mut bench = bench();
    let (id, ..) = subscribed(&mut bench, "");
    for body in ["one", "two", "three"] {
        bench.act(|sip, now| sip.notify(id, notice(Standing::Active, body), now));
    }
    assert_eq!(last_notify(&bench).1, "one");
    answer(&mut bench, 200);
    assert_eq!((last_notify(&bench).1.as_str(), bench.events.len()), ("three", 0));
    // What ends it is not replaced, and nothing is told of its end.
    bench.act(|sip, now| sip.notify(id, notice(OVER, "end"), now));
    bench.act(|sip, now| sip.notify(id, notice(Standing::Active, "late"), now));
    answer(&mut bench, 500);
    assert_eq!(last_notify(&bench), ("terminated;reason=timeout".into(), "end".into()));
    answer(&mut bench, 200);
    bench.pass(secs(40));
    assert!(bench.events().is_empty());
    bench.assert_clean();
}

#[test]
fn a_fetch_has_one_notice() {
    let mut bench = bench();
    let (id, ..) = subscribed(&mut bench, "Expires: 0\r\n");
    bench.act(|sip, now| sip.notify(id, notice(Standing::Active, "state"), now));
    assert_eq!(last_notify(&bench), ("terminated;reason=timeout".into(), "state".into()));
    answer(&mut bench, 200);
    assert!(bench.events().is_empty());
    bench.pass(secs(40));
    bench.assert_clean();
}

#[test]
fn a_subscription_that_is_not_renewed_lapses_and_is_told_so() {
    let mut bench = bench();
    let (id, ..) = subscribed(&mut bench, "Expires: 60\r\n");
    bench.act(|sip, now| sip.notify(id, notice(Standing::Active, "state"), now));
    answer(&mut bench, 200);
    bench.events();
    bench.pass(secs(61));
    assert_eq!(turn(&mut bench), Turn::Lapsed);
    bench.act(|sip, now| sip.notify(id, notice(OVER, ""), now));
    assert_eq!(last_notify(&bench).0, "terminated;reason=timeout");
    bench.pass(secs(80));
    assert!(bench.events().is_empty());
    bench.assert_clean();
    // Its owner says nothing: forgotten all the same.
    let (..) = subscribed(&mut bench, "Expires: 60\r\n");
    bench.pass(secs(150));
    assert_eq!(turn(&mut bench), Turn::Lapsed);
    bench.assert_clean();
}

#[test]
fn who_does_not_want_notices_gets_no_more() {
    for status in [481, 405, 489] {
        let mut bench = bench();
        let (id, ..) = subscribed(&mut bench, "");
        bench.act(|sip, now| sip.notify(id, notice(Standing::Active, "state"), now));
        answer(&mut bench, status);
        assert_eq!(turn(&mut bench), Turn::Ended);
        bench.pass(secs(40));
        bench.assert_clean();
    }
    // Nobody answers at all.
    let mut silent = bench();
    let (id, ..) = subscribed(&mut silent, "");
    silent.act(|sip, now| sip.notify(id, notice(Standing::Active, "state"), now));
    silent.pass(secs(70));
    assert_eq!(turn(&mut silent), Turn::Ended);
    silent.assert_clean();
    // A trouble that passes.
    let mut busy = bench();
    let (id, ..) = subscribed(&mut busy, "");
    busy.act(|sip, now| sip.notify(id, notice(Standing::Active, "state"), now));
    answer(&mut busy, 503);
    assert_eq!(turn(&mut busy), Turn::Notified);
}

#[test]
fn too_short_a_time_is_423_and_too_many_are_503() {
    let methods = vec![Method::Subscribe];
    let mut bench = Bench::with(Config { methods, max_subscriptions: 1, ..Config::default() });
    for (more, status, header) in [
        ("Expires: 5\r\n", 423, Name::MinExpires),
        ("Expires: 99999\r\n", 200, Name::Expires),
        ("", 503, Name::RetryAfter),
    ] {
        let subscribe = bench.request("SUBSCRIBE", &format!("Event: dialog\r\n{more}"), "");
        bench.receive(subscribe);
        let Event::Request { id, .. } = bench.event() else { panic!("no request") };
        bench.act(|sip, now| sip.accept_subscription(id, now));
        let answer = bench.sent.last().unwrap();
        assert_eq!(answer.status(), Some(Status(status)));
        assert!(answer.header(header).is_some());
        if status == 200 {
            assert_eq!(answer.expires(), Ok(Some(3600)));
        }
    }
}

#[test]
fn a_subscription_outlives_its_process() {
    let mut bench = bench();
    let wall = stdx::Wall::new(bench.now, 1_000_000);
    let (id, subscribe, tag) = subscribed(&mut bench, "Expires: 100\r\nRecord-Route: <sip:203.0.113.9:5062;lr>\r\n");
    bench.act(|sip, now| sip.notify(id, notice(Standing::Active, "one"), now));
    answer(&mut bench, 200);
    let kept = bench.sip.snapshot_subscription(id, &wall).unwrap();
    let mut heir = self::bench();
    heir.now += secs(20);
    let now = heir.now;
    let id = heir.sip.restore_subscription(&kept, &wall, now).unwrap();
    assert_eq!(heir.sip.restore_subscription(&kept, &wall, now), None, "once");
    heir.act(|sip, now| sip.notify(id, notice(Standing::Active, "again"), now));
    assert_eq!(last_notify(&heir), ("active;expires=80".into(), "again".into()));
    assert_eq!(heir.sent.last().unwrap().cseq().unwrap().0, 2);
    answer(&mut heir, 200);
    assert_eq!(turn(&mut heir), Turn::Notified);
    heir.receive(again(&subscribe, &tag, 2, 100));
    assert_eq!(turn(&mut heir), Turn::Renewed);
    for bad in [&b""[..], b"1", b"2\nx", b"1\nUDP a b\n1\ndialog"] {
        assert_eq!(heir.sip.restore_subscription(bad, &wall, now), None);
    }
    assert_eq!(heir.sip.restore_subscription(&kept, &wall, now + secs(200)), None, "its time is over");
}

#[test]
fn a_referrer_hears_how_the_call_goes_also_after_it_hung_up() {
    let mut bench = bench();
    let (session, invite, tag) = bench.answered();
    let refer =
        in_dialog(&invite, &tag, "REFER", 2).replace("Content-Length", "Refer-To: <sip:300@pbx>\r\nContent-Length");
    bench.receive(refer);
    let Event::Request { id, session: within, .. } = bench.event() else { panic!("no request") };
    assert_eq!(within, Some(session));
    let subscription = bench.act(|sip, now| sip.accept_refer(id, now)).unwrap();
    let text = |bench: &Bench| {
        let notify = bench.sent.last().unwrap();
        assert_eq!(notify.header(Name::Event), Some(&b"refer"[..]));
        (String::from_utf8_lossy(notify.body()).into_owned(), notify.cseq().unwrap().0)
    };
    assert_eq!(text(&bench), ("SIP/2.0 100 Trying\r\n".to_owned(), 1));
    answer(&mut bench, 200);
    bench.events();
    bench.receive(in_dialog(&invite, &tag, "BYE", 3));
    assert!(matches!(bench.event(), Event::Ended { .. }));
    bench.act(|sip, now| sip.notify_refer(subscription, Status(200), now));
    let (body, seq) = text(&bench);
    assert_eq!(body, "SIP/2.0 200 OK\r\n");
    assert!(seq > 1, "numbers only grow");
    assert_eq!(bench.sent.last().unwrap().header(Name::SubscriptionState), Some(&b"terminated;reason=noresource"[..]));
    answer(&mut bench, 200);
    bench.pass(secs(40));
    bench.assert_clean();
}
