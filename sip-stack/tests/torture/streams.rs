//! The clauses that read differently on a stream: where Content-Length tells messages apart.

use crate::{clauses, rfc4475};
use patchbay_sip_stack::message::{Frame, Limits, Method, ParseErrorKind, StreamFramer};

/// Methods of the messages, pings, and errors that come out of a stream, and whether it is closed.
fn read(bytes: &[u8]) -> (Vec<Result<Option<Method>, ParseErrorKind>>, bool) {
    let mut framer = StreamFramer::new(Limits::default());
    framer.push(bytes);
    let frames = std::iter::from_fn(|| framer.pop())
        .map(|frame| match frame {
            Ok(Frame::Message(message)) => Ok(message.method()),
            Ok(Frame::Ping) => Ok(None),
            Err(error) => Err(error.kind()),
        })
        .collect();
    (frames, framer.is_closed())
}

fn own(file: &str) -> Vec<u8> {
    std::fs::read(clauses::dir().join(format!("{file}.sip"))).unwrap()
}

#[test]
fn two_messages_come_out_of_one_piece() {
    let (register, invite) = (Ok(Some(Method::Register)), Ok(Some(Method::Invite)));
    assert_eq!(read(&own("3.1.1.8-two-in-one-datagram")).0, [register.clone(), invite.clone()]);
    if let Some(dir) = rfc4475::vectors() {
        // Its second body is longer than it says, and what follows a body is no message.
        let bytes = std::fs::read(dir.join("dblreq.dat")).unwrap();
        assert_eq!(read(&bytes), (vec![register, invite, Err(ParseErrorKind::NotSip)], true));
    }
}

#[test]
fn a_length_beyond_what_came_waits_for_more() {
    let mut bytes = own("3.1.2.2-length-too-large");
    assert_eq!(read(&bytes), (vec![], false));
    bytes.resize(bytes.len() + 8000, b' ');
    assert_eq!(read(&bytes).0[0], Ok(Some(Method::Invite)));
}

#[test]
fn a_length_that_cannot_be_known_ends_the_stream() {
    for (file, kind) in [
        ("3.1.2.3-length-negative", ParseErrorKind::ContentLength),
        ("3.1.2.3-length-no-number", ParseErrorKind::ContentLength),
        ("3.3.9-two-lengths", ParseErrorKind::ContentLength),
        ("3.4.1-rfc2543-invite", ParseErrorKind::NoContentLength),
    ] {
        assert_eq!(read(&own(file)), (vec![Err(kind)], true), "{file}");
    }
}

#[test]
fn a_bad_start_line_costs_only_its_message() {
    let mut bytes = own("3.1.2.9-two-blanks-after-method");
    bytes.extend(own("3.1.2.16-version-9"));
    bytes.extend(own("3.1.1.6-no-blank-before-bracket"));
    let (frames, closed) = read(&bytes);
    let [first, second, third] =
        [Err(ParseErrorKind::RequestLine), Err(ParseErrorKind::Version), Ok(Some(Method::Options))];
    assert_eq!((frames, closed), (vec![first, second, third], false));
}

#[test]
fn limits_end_the_stream() {
    let limits = Limits { max_message: 2000, ..Limits::default() };
    let long = |text: &str| {
        let mut framer = StreamFramer::new(limits);
        framer.push(text.as_bytes());
        framer.pop().unwrap().unwrap_err().kind()
    };
    assert_eq!(long(&"x".repeat(2001)), ParseErrorKind::TooLarge);
    let head = "OPTIONS sip:a@b SIP/2.0\r\nContent-Length: ";
    assert_eq!(long(&format!("{head}1990\r\n\r\n")), ParseErrorKind::TooLarge);
    assert_eq!(long(&format!("{head}4294967295\r\n\r\n")), ParseErrorKind::TooLarge);
    assert_eq!(long(&format!("{head}0\r\nX: {}\r\n\r\n", "y".repeat(2000))), ParseErrorKind::TooLarge);
    assert_eq!(long("GET / HTTP/1.1\r\n\r\n"), ParseErrorKind::NotSip);
}
