//! Messages that lie about their length, or have too much of everything: each costs only itself.

use crate::endpoint::received;
use bytes::Bytes;
use patchbay_sip_stack::message::{Frame, Limits, Message, ParseErrorKind, Status, StreamFramer};

fn options(more: &str, body: &str) -> String {
    format!(
        "OPTIONS sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9:5062;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: i\r\nCSeq: 1 OPTIONS\r\n{more}\r\n{body}"
    )
}

/// The statuses and how many requests are taken in, of one datagram.
fn datagram(text: String) -> (Vec<u16>, usize) {
    let (statuses, events, _) = received(text.into());
    (statuses.into_iter().map(Status::code).collect(), events.len())
}

/// What a stream makes of bytes: the bodies of messages, or what is wrong and the status of the answer; and whether it is closed.
#[expect(clippy::type_complexity, reason = "read once, where it is compared")]
fn stream(text: &str) -> (Vec<Result<Bytes, (ParseErrorKind, Option<u16>)>>, bool) {
    let mut framer = StreamFramer::new(Limits::default());
    let mut frames = Vec::new();
    for piece in text.as_bytes().chunks(1400) {
        framer.push(piece);
        frames.extend(std::iter::from_fn(|| framer.pop()));
        assert!(framer.buffered() <= Limits::default().max_message + 1400);
    }
    let said = frames.into_iter().filter_map(|frame| match frame {
        Ok(Frame::Message(message)) => Some(Ok(Bytes::copy_from_slice(message.body()))),
        Ok(Frame::Ping) => None,
        Err(error) => Some(Err((error.kind(), error.status().map(Status::code)))),
    });
    (said.collect(), framer.is_closed())
}

#[test]
fn a_datagram_that_lies_about_its_length_is_refused_or_cut() {
    for (length, expected) in [
        ("l: 3\r\n", (vec![400], 0)),
        ("Content-Length: 65536\r\n", (vec![400], 0)),
        ("Content-Length: 4294967296\r\n", (vec![400], 0)),
        ("Content-Length: 99999999999999999999999\r\n", (vec![400], 0)),
        ("Content-Length: -1\r\n", (vec![400], 0)),
        ("Content-Length: +2\r\n", (vec![400], 0)),
        ("Content-Length: \r\n", (vec![400], 0)),
        ("Content-Length: 2\r\nl: 1\r\n", (vec![400], 0)),
        ("Content-Length: 2\r\nl: 2\r\n", (vec![], 1)),
        ("Content-Length: 1\r\n", (vec![], 1)),
        ("Content-Length: 0\r\n", (vec![], 1)),
        ("", (vec![], 1)),
    ] {
        assert_eq!(datagram(options(length, "hi")), expected, "{length}");
    }
}

#[test]
fn a_stream_that_lies_about_a_length_swallows_only_its_own_and_ends() {
    let good = options("Content-Length: 0\r\n", "");
    let bad = |kind| (vec![Err((kind, Some(400)))], true);
    for (length, kind) in [
        ("Content-Length: -1\r\n", ParseErrorKind::ContentLength),
        ("Content-Length: 1\r\nl: 2\r\n", ParseErrorKind::ContentLength),
        ("Content-Length: 4294967296\r\n", ParseErrorKind::ContentLength),
        ("", ParseErrorKind::NoContentLength),
    ] {
        // Where the next message begins nobody knows: none is guessed.
        assert_eq!(stream(&(options(length, "hi") + &good)), bad(kind), "{length}");
    }
    // Too short: the rest of its body is no message.
    let (said, closed) = stream(&(options("Content-Length: 1\r\n", "hi there\r\n\r\n") + &good));
    assert_eq!((&said[0], said.len(), closed), (&Ok(Bytes::from_static(b"h")), 2, true), "{said:?}");
    assert!(matches!(said[1], Err((ParseErrorKind::NotSip, None))), "{said:?}");
    // Too long: what follows is its body, as it says itself.
    let (said, closed) = stream(&(options(&format!("Content-Length: {}\r\n", 2 + good.len()), "hi") + &good + &good));
    assert_eq!((said.len(), closed), (2, false), "{said:?}");
    assert!(said[0].as_ref().unwrap().ends_with(good.as_bytes()) && said[1] == Ok(Bytes::new()));
}

#[test]
fn a_thousand_headers_are_too_many() {
    for line in
        ["X: y\r\n", "Route: <sip:h;lr>\r\n", "Contact: <sip:h>\r\n", "Authorization: Digest a=b\r\n", "k: x\r\n"]
    {
        let text = options(&(line.repeat(1000) + "Content-Length: 0\r\n"), "");
        assert_eq!(datagram(text.clone()), (vec![513], 0), "{line}");
        assert_eq!(stream(&text), (vec![Err((ParseErrorKind::TooLarge, Some(513)))], true), "{line}");
    }
    // As many values in as many lines as there may be.
    let values = format!("Contact: {}<sip:h>\r\n", "<sip:h>,".repeat(900)).repeat(7);
    let (statuses, events) = datagram(options(&values, ""));
    assert_eq!(statuses.len() + events, 1, "{statuses:?}");
}

#[test]
fn nested_comments_and_brackets_cost_no_more_than_their_bytes() {
    let deep = 4000;
    let (open, close) = ("(".repeat(deep), ")".repeat(deep));
    let escaped = "(\\(\\".repeat(deep / 2);
    for comment in [open.clone() + &close, open, close, escaped] {
        for name in ["User-Agent: x ", "Server: ", "Retry-After: 5 ", "Subject: ", "Date: ", "Warning: 399 x "] {
            let text = options(&format!("{name}{comment}\r\n"), "");
            assert_eq!(datagram(text.clone()), (vec![], 1), "{name}");
            let message = Message::parse_datagram(text.into()).unwrap();
            if name.starts_with("Retry-After") {
                assert_eq!(message.retry_after(), Ok(Some(5)));
            }
        }
    }
    for nest in ["<", "\"", "\\\"", "[", "(", ";", "\"<"] {
        let nest = nest.repeat(3000);
        for name in ["From", "To", "Via", "Contact", "Route"] {
            let good = options("", "");
            let text = match name {
                "From" | "To" => good.replace(&format!("{name}: <"), &format!("{name}: {nest}<")),
                _ => options(&format!("{name}: {nest}\r\n"), ""),
            };
            let (statuses, events) = datagram(text);
            assert_eq!(statuses.len() + events, 1, "{name}: {statuses:?} for {}", &nest[..4]);
        }
    }
}

#[test]
fn uris_and_headers_of_64_kilobytes_are_too_long() {
    // What a datagram can hold beside the rest of it, and what a stream may carry.
    let long = "u".repeat(64_000);
    let good = options("Subject: s\r\nContent-Length: 0\r\n", "");
    for (what, with) in [
        ("OPTIONS sip:c@d", format!("OPTIONS sip:{long}@d")),
        ("OPTIONS sip:c@d", format!("OPTIONS sip:c@d;x={long}")),
        ("<sip:a@b>", format!("<sip:{long}@b>")),
        ("<sip:c@d>\r\n", format!("<sip:c@{long}>\r\n")),
        ("z9hG4bK1", format!("z9hG4bK{long}")),
        ("Call-ID: i", format!("Call-ID: {long}")),
        ("Subject: s", format!("Subject: {long}")),
        ("Subject: s", format!("Subject: s\r\n {long}")),
        ("Subject: s", format!("{long}: s")),
    ] {
        let text = good.replacen(what, &with, 1);
        let (statuses, events) = datagram(text.clone());
        assert!(events == 0 && matches!(statuses[..], [] | [513]), "{what}: {statuses:?}, {events}");
        let (said, closed) = stream(&text);
        assert!(matches!(said[..], [Err((ParseErrorKind::TooLarge, _))]) && closed, "{what}: {said:?}");
    }
    assert_eq!(datagram(good.replace("Subject: s", &format!("Subject: {long}"))), (vec![513], 0));
    // One that never ends is not waited for.
    let (said, closed) = stream(&format!("OPTIONS sip:{}", "u".repeat(70_000)));
    assert_eq!((said, closed), (vec![Err((ParseErrorKind::TooLarge, None))], true));
}
