//! Bytes that are no message, or nearly one, get an answer and never a panic.

use crate::config;
use crate::reader::take;
use proptest::prelude::*;

const USUAL: &str = "INVITE sip:7001;x=1@[2001:db8::1]:5070;lr?a=b SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.20:5066;rport;branch=z9hG4bKa, SIP/2.0/TCP h\r\n\
    f: \"A \\\" B\" <sip:7002@pbx.example>;tag=1\r\nTo: <tel:+1-2>\r\n ;tag=2\r\nm: Desk <sip:7002@h;ob>;q=0.5,*\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
    Date: Fri, 01 Jan 2010 16:00:00 GMT\r\nAuthorization: Digest username=\"a\", nonce=\"b\"\r\nContent-Length: 4\r\n\r\nbody";

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        take(&bytes);
    }

    #[test]
    fn random_headers(value in r#"[ \t\r\n"<>;,=:@\\%\[\]()a-c0-2\u{e9}*/?&.-]{0,60}"#, at in 0..9usize) {
        let name = ["Via", "From", "To", "Contact", "CSeq", "Content-Length", "Authorization", "Date", "Route"][at];
        take(format!("INVITE sip:a@b SIP/2.0\r\nCSeq: 1 INVITE\r\nCall-ID: 1\r\n{name}: {value}\r\n\r\n").as_bytes());
        take(format!("INVITE sip:{value} SIP/2.0\r\n\r\n").as_bytes());
    }

    #[test]
    fn mutated_message(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..12)) {
        let mut bytes = USUAL.as_bytes().to_vec();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        take(&bytes);
    }
}
