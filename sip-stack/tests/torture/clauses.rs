//! Our own messages for each clause of RFC 4475.

use crate::verdict::{Row, Verdict, check, check_complete};
use patchbay_sip_stack::message::{Abilities, Host, Message, Method, Name, Status, Transport, may_forward};
use std::path::{Path, PathBuf};

pub(crate) fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture/rfc4475")
}

#[test]
fn our_own_messages_for_each_clause() {
    check_complete(&dir(), "sip", ROWS);
    check("RFC 4475, our own messages", &dir(), "sip", ROWS);
}

use Verdict::{Accepted, Dropped, Malformed, Refused};

const ROWS: &[Row] = &[
    Row::new("3.1.1.1", "3.1.1.1-blanks-and-folds", Accepted).with(blanks_and_folds),
    Row::new("3.1.1.2", "3.1.1.2-wide-range", Refused(501)).with(wide_range),
    Row::new("3.1.1.3", "3.1.1.3-escapes", Accepted).with(escapes),
    Row::new("3.1.1.4", "3.1.1.4-escaped-nulls", Accepted).with(escaped_nulls),
    Row::new("3.1.1.5", "3.1.1.5-percent-is-no-escape", Refused(501)).with(no_escape),
    Row::new("3.1.1.6", "3.1.1.6-no-blank-before-bracket", Accepted)
        .with(|message| assert_eq!(message.from().unwrap().display(), Some(&b"Desk"[..]))),
    Row::new("3.1.1.7", "3.1.1.7-long-values", Accepted).with(long_values),
    Row::new("3.1.1.8", "3.1.1.8-two-in-one-datagram", Accepted)
        .with(|message| assert_eq!((message.method(), message.body()), (Some(Method::Register), &b""[..]))),
    Row::new("3.1.1.9", "3.1.1.9-semicolon-in-user", Accepted).with(semicolon_in_user),
    Row::new("3.1.1.10", "3.1.1.10-transports", Accepted).with(transports),
    Row::new("3.1.1.11", "3.1.1.11-binary-multipart", Accepted).with(binary_multipart),
    Row::new("3.1.1.12", "3.1.1.12-odd-reason", Accepted)
        .with(|message| assert_eq!(message.reason(), b"= 2**3 * 5**2 ; \"\xba\xc3\" < or \xd0\xb4\xd0\xb0 >")),
    Row::new("3.1.1.13", "3.1.1.13-empty-reason", Accepted).with(|message| assert_eq!(message.reason(), b"")),
    Row::new("3.1.1.13", "3.1.1.13-no-reason", Accepted)
        .with(|message| assert_eq!((message.status(), message.reason()), (Some(Status::SESSION_PROGRESS), &b""[..]))),
    Row::new("3.1.2.1", "3.1.2.1-separators-in-via", Malformed(400, "Malformed Via")),
    Row::new("3.1.2.1", "3.1.2.1-separators-in-contact", Malformed(400, "Malformed Contact")),
    Row::new("3.1.2.2", "3.1.2.2-length-too-large", Malformed(400, "Body Shorter Than Content-Length")),
    Row::new("3.1.2.3", "3.1.2.3-length-negative", Malformed(400, "Bad Content-Length")),
    Row::new("3.1.2.3", "3.1.2.3-length-no-number", Malformed(400, "Bad Content-Length")),
    Row::new("3.1.2.4", "3.1.2.4-cseq-too-large", Malformed(400, "Malformed CSeq")),
    // Only CSeq is worth a refusal; the others count as absent.
    Row::new("3.1.2.4", "3.1.2.4-max-forwards-too-large", Accepted)
        .with(|message| assert!(message.max_forwards().is_err() && may_forward(message).is_ok())),
    Row::new("3.1.2.4", "3.1.2.4-expires-too-large", Accepted).with(|message| {
        assert!(message.expires().is_err());
        assert_eq!(message.contact().unwrap().expires(), None);
    }),
    Row::new("3.1.2.5", "3.1.2.5-response-cseq-too-large", Dropped),
    Row::new("3.1.2.6", "3.1.2.6-open-quote-to", Malformed(400, "Malformed To")),
    Row::new("3.1.2.6", "3.1.2.6-open-quote-from", Malformed(400, "Malformed From")),
    Row::new("3.1.2.7", "3.1.2.7-bracketed-request-uri", Malformed(400, "Malformed Request-Line")),
    Row::new("3.1.2.8", "3.1.2.8-blank-in-request-uri", Malformed(400, "Malformed Request-Line")),
    Row::new("3.1.2.9", "3.1.2.9-two-blanks-after-method", Malformed(400, "Malformed Request-Line")),
    Row::new("3.1.2.9", "3.1.2.9-two-blanks-before-version", Malformed(400, "Malformed Request-Line")),
    Row::new("3.1.2.10", "3.1.2.10-blank-after-version", Malformed(400, "Malformed Request-Line")),
    Row::new("3.1.2.11", "3.1.2.11-headers-in-request-uri", Malformed(400, "Headers In Request-URI")),
    Row::new("3.1.2.12", "3.1.2.12-date-not-gmt", Accepted).with(|message| assert!(message.date().is_err())),
    Row::new("3.1.2.13", "3.1.2.13-bare-contact-with-headers", Malformed(400, "Malformed Contact")),
    Row::new("3.1.2.14", "3.1.2.14-blanks-in-brackets", Malformed(400, "Malformed To")),
    Row::new("3.1.2.15", "3.1.2.15-comma-in-bare-name", Malformed(400, "Malformed From")),
    Row::new("3.1.2.16", "3.1.2.16-version-9", Malformed(505, "Version Not Supported")),
    Row::new("3.1.2.17", "3.1.2.17-cseq-other-method", Malformed(400, "CSeq Method Mismatch")),
    Row::new("3.1.2.18", "3.1.2.18-unknown-method-cseq-other", Malformed(501, "Not Implemented")),
    Row::new("3.1.2.19", "3.1.2.19-status-too-large", Dropped),
    Row::new("3.1.2.19", "3.1.2.19-status-overflow", Dropped),
    Row::new("3.2.1", "3.2.1-cookie-alone", Malformed(400, "Branch Without Identifier")),
    Row::new("3.3.1", "3.3.1-no-call-id", Malformed(400, "Missing Call-ID")),
    Row::new("3.3.1", "3.3.1-no-from", Malformed(400, "Missing From")),
    Row::new("3.3.1", "3.3.1-no-to", Malformed(400, "Missing To")),
    Row::new("3.3.1", "3.3.1-no-cseq", Malformed(400, "Missing CSeq")),
    Row::new("3.3.1", "3.3.1-no-via", Malformed(400, "Missing Via")),
    Row::new("3.3.2", "3.3.2-unknown-scheme", Refused(416)),
    Row::new("3.3.3", "3.3.3-known-other-scheme", Refused(416)),
    Row::new("3.3.4", "3.3.4-to-no-address-of-record", Malformed(400, "To Is No Address Of Record")),
    Row::new("3.3.5", "3.3.5-unknown-require", Refused(420)).with(|message| {
        let refused = Abilities::default().check(message).unwrap_err();
        assert_eq!(refused.header, Some((Name::Unsupported, b"time-travel, TELEPATHY".to_vec())));
        let able = Abilities { extensions: vec!["Telepathy", "time-travel"], ..Abilities::default() };
        assert_eq!(able.check(message), Ok(()));
    }),
    Row::new("3.3.6", "3.3.6-unknown-body", Refused(415)),
    Row::new("3.3.7", "3.3.7-unknown-authorization", Accepted)
        .with(|message| assert!(!message.authorization().next().unwrap().unwrap().is_digest())),
    Row::new("3.3.8", "3.3.8-two-call-ids", Malformed(400, "More Than One Call-ID")),
    Row::new("3.3.8", "3.3.8-two-cseqs", Malformed(400, "More Than One CSeq")),
    Row::new("3.3.8", "3.3.8-two-froms", Malformed(400, "More Than One From")),
    Row::new("3.3.8", "3.3.8-two-tos", Malformed(400, "More Than One To")),
    Row::new("3.3.8", "3.3.8-two-max-forwards", Malformed(400, "More Than One Max-Forwards")),
    Row::new("3.3.9", "3.3.9-two-lengths", Malformed(400, "Bad Content-Length")),
    Row::new("3.3.9", "3.3.9-two-equal-lengths", Accepted).with(|message| assert_eq!(message.body().len(), 20)),
    Row::new("3.3.10", "3.3.10-response-with-two-vias", Dropped),
    Row::new("3.3.11", "3.3.11-no-forwards-left", Accepted)
        .with(|message| assert_eq!(may_forward(message).unwrap_err().0, Status::TOO_MANY_HOPS)),
    Row::new("3.3.12", "3.3.12-parameter-of-contact", Accepted).with(|message| {
        let contact = message.contact().unwrap();
        assert_eq!((contact.expires(), contact.uri.params().has("weird")), (Some(600), false));
    }),
    Row::new("3.3.13", "3.3.13-parameter-of-uri", Accepted).with(|message| {
        let contact = message.contact().unwrap();
        assert_eq!((contact.expires(), contact.uri.params().has("weird")), (None, true));
    }),
    Row::new("3.3.14", "3.3.14-headers-in-contact", Accepted).with(|message| {
        let uri = message.contact().unwrap().uri;
        assert_eq!(uri.headers().count(), 2);
        assert_eq!(&uri.without_headers().as_bytes()[..], b"sip:7002@198.51.100.20");
    }),
    Row::new("3.3.15", "3.3.15-answer-in-no-sdp", Refused(406)),
    Row::new("3.4.1", "3.4.1-rfc2543-invite", Accepted).with(|message| {
        assert_eq!((message.from().unwrap().tag(), message.via().unwrap().branch()), (None, None));
        assert!(message.body().starts_with(b"v=0\r\n"));
    }),
];

fn blanks_and_folds(message: &Message) {
    assert_eq!(message.to().unwrap().tag(), Some(&b"aa-77"[..]));
    let from = message.from().unwrap();
    assert_eq!(from.display_text().unwrap(), &br#"Desk \ "Two""#[..]);
    assert_eq!(from.tag(), Some(&b"ff-1"[..]));
    assert_eq!(message.max_forwards(), Ok(Some(17)));
    assert_eq!(message.cseq(), Ok((42, Method::Invite)));
    assert_eq!(message.header(Name::Subject), Some(&b""[..]));
    let vias: Vec<_> = message.vias().map(Result::unwrap).collect();
    assert_eq!(vias.len(), 3);
    assert_eq!((vias[0].host(), vias[0].port()), (Host::Ip("198.51.100.20".parse().unwrap()), Some(5066)));
    assert_eq!((vias[0].branch(), vias[0].transaction_branch()), (Some(&b"pre-3261"[..]), None));
    assert_eq!((vias[1].transport(), vias[1].port()), (Some(Transport::Tcp), Some(5070)));
    assert_eq!(vias[2].transaction_branch(), Some(&b"z9hG4bKgw2"[..]));
    assert_eq!(message.header_named("colour-of-phone"), Some(&b"grey and a bit of blue"[..]));
    assert_eq!(message.header_named("Separators-Only"), Some(&b",;,;;,"[..]));
    let route = message.addrs(Name::Route).next().unwrap().unwrap();
    assert_eq!((route.uri.param("lr"), route.uri.param("key")), (Some(vec![]), Some(b"v".to_vec())));
    let contact = message.contact().unwrap();
    assert_eq!((contact.display(), contact.q()), (Some(&b"Desk, two"[..]), Some(250)));
    assert_eq!(message.content_length().unwrap() as usize, message.body().len());
}

fn wide_range(message: &Message) {
    assert_eq!(message.method().unwrap().as_bytes(), b"IN.V-I!T%E*_+`'~9");
    let uri = message.uri().unwrap();
    assert_eq!(uri.user(), Some(&b"a-_.!~*'()&=+$,;?/b"[..]));
    assert_eq!(uri.password(), Some(&b"p&=+$,w"[..]));
    assert_eq!(message.to().unwrap().display_text().unwrap(), &b"BS:\x08 SOH:\x01 DEL:\x7f"[..]);
    let from = message.from().unwrap();
    assert_eq!(from.display(), Some(&b"one.! two%* +`'~_"[..]));
    assert_eq!(from.params.unquoted("x-!%*_+`'~.").unwrap(), &b"\xd5\xc5\xc8\xfd"[..], "GBK stays GBK");
    assert_eq!(from.tag(), Some(&b"-.!%*_+`'~t"[..]));
    assert_eq!(message.header_named("X-.!%*_+`'~"), Some(&b"\xcc\xec\xcf\xc2"[..]));
}

fn escapes(message: &Message) {
    assert_eq!(message.uri().unwrap().user_text().unwrap(), &b"sip:7001@other.example"[..]);
    assert_eq!(message.to().unwrap().uri.user_text().unwrap(), &b"7001"[..]);
    assert!(message.to().unwrap().uri.equivalent(&"sip:7001@pbx.example".parse().unwrap()));
    assert_eq!(message.from().unwrap().uri.user_text().unwrap(), &b"front desk"[..]);
    let contact = message.contact().unwrap().uri;
    assert_eq!((contact.param("transport"), contact.param("x")), (Some(b"tcp".to_vec()), Some(b"%41".to_vec())));
}

fn escaped_nulls(message: &Message) {
    assert_eq!(message.to().unwrap().uri.user_text().unwrap(), &b"a\0b"[..]);
    assert_eq!(message.contacts().filter(Result::is_ok).count(), 2);
}

fn no_escape(message: &Message) {
    assert_eq!(message.method().unwrap().as_bytes(), b"REGI%53TER");
    assert_eq!(message.to().unwrap().display_text().unwrap(), &b"%41%4"[..]);
    assert_eq!(message.contacts().count(), 1);
}

fn long_values(message: &Message) {
    assert_eq!(message.vias().filter(Result::is_ok).count(), 31);
    assert_eq!(message.to().unwrap().display().unwrap().len(), 245);
    assert_eq!(message.from().unwrap().tag().unwrap().len(), 241);
}

fn semicolon_in_user(message: &Message) {
    assert_eq!(message.uri().unwrap().user_text().unwrap(), &b"7001;ext=b@c;x"[..]);
    let accepted: Vec<_> = message.values(Name::Accept).collect();
    assert_eq!(accepted, [&b"application/sdp"[..], b"text/plain", b"message/sipfrag"]);
}

fn transports(message: &Message) {
    let transports: Vec<_> = message.vias().map(|via| via.unwrap().transport()).collect();
    assert_eq!(transports, [Some(Transport::Udp), None, Some(Transport::Tls), None, Some(Transport::Wss)]);
}

fn binary_multipart(message: &Message) {
    assert_eq!(message.content_type(), Some(&b"multipart/mixed"[..]));
    assert!(message.body().contains(&0) && message.body().ends_with(b"--edge-of-part--\r\n"));
}
