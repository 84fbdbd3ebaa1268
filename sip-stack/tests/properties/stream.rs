//! The same frames come out however the stream is cut.

use crate::config;
use patchbay_sip_stack::message::{Frame, Limits, ParseErrorKind, StreamFramer};
use proptest::prelude::*;

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>, limits: Limits) -> Vec<Result<Frame, ParseErrorKind>> {
    let mut framer = StreamFramer::new(limits);
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        frames.extend(std::iter::from_fn(|| framer.pop()).map(|frame| frame.map_err(|error| error.kind())));
        assert!(framer.buffered() <= limits.max_message + piece.len());
    }
    frames
}

fn part() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        6 => (body, -2..3i32, "[\r\n]{0,3}").prop_map(|(body, off, end)| {
            let len = (body.len() as i32 + off.min(0)).max(0);
            let head = format!("OPTIONS sip:a@b SIP/2.0\r\nSubject: x\r\n  y\r\nl: {len}\r\n\r\n");
            [head.as_bytes(), &body[..len as usize], end.as_bytes()].concat()
        }),
        1 => Just(b"SIP/2.0 200 OK\nContent-Length: 2\n\nhi".to_vec()),
        1 => Just(b"INVITE  sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n".to_vec()),
        1 => Just(b"\r\n\r\n".to_vec()),
        1 => "[\r\n\u{0}]{1,6}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..60),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn cuts_do_not_matter(parts in prop::collection::vec(part(), 1..6), cuts in prop::collection::vec(1..50usize, 1..20)) {
        let bytes = parts.concat();
        let limits = Limits { max_message: 150, ..Limits::default() };
        let whole = read(std::iter::once(&bytes[..]), limits);
        let single = read(bytes.chunks(1), limits);
        prop_assert_eq!(&whole, &single);
        let mut rest = &bytes[..];
        let pieces = cuts.iter().cycle().map_while(|&len| {
            let (piece, tail) = rest.split_at(len.min(rest.len()));
            rest = tail;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(&whole, &read(pieces, limits));
    }

    #[test]
    fn messages_arrive_whole(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..6), cut in 1..200usize) {
        let bytes: Vec<u8> = bodies
            .iter()
            .flat_map(|body| [format!("OPTIONS sip:a@b SIP/2.0\r\nl: {}\r\n\r\n", body.len()).as_bytes(), body].concat())
            .collect();
        let frames = read(bytes.chunks(cut), Limits::default());
        let read: Vec<_> = frames
            .into_iter()
            .map(|frame| match frame {
                Ok(Frame::Message(message)) => message.body().to_vec(),
                other => panic!("{other:?}"),
            })
            .collect();
        prop_assert_eq!(read, bodies);
    }
}
