//! Our own messages for each clause of RFC 5118.

use crate::verdict::{Row, Verdict, check, check_complete};
use patchbay_sip_stack::message::{Host, Message};
use std::net::IpAddr;
use std::path::Path;

#[test]
fn our_own_messages_for_each_clause_of_rfc_5118() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture/rfc5118");
    check_complete(&dir, "sip", ROWS);
    check("RFC 5118, our own messages", &dir, "sip", ROWS);
}

use Verdict::{Accepted, Malformed};

const ROWS: &[Row] = &[
    Row::new("4.1", "4.1-valid-reference", Accepted).with(|message| {
        assert_eq!(uri_host(message), (Some(ip("2001:db8::1")), None));
        let contact = message.contact().unwrap().uri;
        assert_eq!((contact.host().ip(), contact.port()), (Some(ip("2001:db8::77")), Some(5066)));
    }),
    Row::new("4.2", "4.2-no-brackets", Malformed(400, "Malformed Request-URI")),
    Row::new("4.2", "4.2-no-brackets-in-via", Malformed(400, "Malformed Via")),
    // Not what was meant, but valid: the port is part of the address.
    Row::new("4.3", "4.3-port-inside-brackets", Accepted)
        .with(|message| assert_eq!(uri_host(message), (Some(ip("2001:db8::1:5070")), None))),
    Row::new("4.4", "4.4-port-outside-brackets", Accepted)
        .with(|message| assert_eq!(uri_host(message), (Some(ip("2001:db8::1")), Some(5070)))),
    Row::new("4.5", "4.5-received-in-brackets", Accepted).with(received),
    Row::new("4.5", "4.5-received-bare", Accepted).with(received),
    Row::new("4.6", "4.6-sdp", Accepted).with(|message| assert!(message.body().starts_with(b"v=0\r\n"))),
    Row::new("4.7", "4.7-mixed-vias", Accepted).with(|message| {
        let hosts: Vec<_> =
            message.vias().map(|via| via.unwrap()).map(|via| (via.host().ip(), via.received())).collect();
        assert_eq!(
            hosts,
            [
                (Some(ip("2001:db8::77")), None),
                (Some(ip("192.0.2.1")), Some(ip("2001:db8::88"))),
                (Some(ip("2001:db8::99")), Some(ip("192.0.2.9"))),
            ]
        );
    }),
    Row::new("4.8", "4.8-mixed-sdp", Accepted),
    Row::new("4.9", "4.9-mapped", Accepted).with(|message| {
        assert_eq!(uri_host(message).0, Some(ip("::ffff:192.0.2.1")));
        assert_eq!(message.via().unwrap().host(), Host::Ip(ip("::ffff:192.0.2.77")));
    }),
    // The third colon comes from the ABNF of RFC 3261 and is tolerated.
    Row::new("4.10", "4.10-three-colons", Accepted)
        .with(|message| assert_eq!(uri_host(message).0, Some(ip("2001:db8::192.0.2.1")))),
    Row::new("4.10", "4.10-two-colons", Accepted)
        .with(|message| assert_eq!(uri_host(message).0, Some(ip("2001:db8::192.0.2.1")))),
    Row::new("4.10", "4.10-four-colons", Malformed(400, "Malformed Request-URI")),
];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn uri_host(message: &Message) -> (Option<IpAddr>, Option<u16>) {
    let uri = message.uri().unwrap();
    (uri.host().ip(), uri.port())
}

fn received(message: &Message) {
    assert_eq!(message.via().unwrap().received(), Some(ip("2001:db8::88")));
}
