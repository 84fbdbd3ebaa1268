//! What reading and writing one message costs: `cargo bench -p patchbay-sip-stack`. Best of several passes, in nanoseconds.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark has a clock and a terminal"
)]

use bytes::Bytes;
use patchbay_sip_stack::message::{Abilities, Message, ResponseBuilder, Status, validate};
use std::hint::black_box;
use std::time::Instant;

const BODY: &str = "v=0\r\no=- 3889412 3889412 IN IP4 198.51.100.20\r\ns=call\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\n\
    m=audio 30000 RTP/AVP 9 8 0 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

fn invite() -> Bytes {
    let head = "INVITE sip:7001@pbx.example.com;transport=udp SIP/2.0\r\n\
        Via: SIP/2.0/UDP 198.51.100.20:5066;branch=z9hG4bK-524287-1---9c2f4d3c1b2a7e6f;rport\r\nMax-Forwards: 70\r\n\
        Contact: <sip:7002@198.51.100.20:5066;transport=udp>\r\nTo: \"Front Desk\" <sip:7001@pbx.example.com>\r\n\
        From: \"Desk Two\" <sip:7002@pbx.example.com>;tag=7c2f3d1a\r\nCall-ID: 98723NzE2YjRkOTBmZWQ0YjI1OGQwMGQ2@198.51.100.20\r\n\
        CSeq: 2 INVITE\r\nAllow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE\r\n\
        Content-Type: application/sdp\r\nSupported: replaces, norefersub, extended-refer, timer, outbound, path\r\n\
        User-Agent: Example Softphone 5.8.3 release 2107546\r\nAllow-Events: presence, kpml, talk, as-feature-event\r\n\
        Session-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\nP-Preferred-Identity: <sip:7002@pbx.example.com>\r\n\
        X-Serial: 00085D-4F2A11\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{BODY}", BODY.len()).into()
}

fn measure(what: &str, mut work: impl FnMut()) {
    // `cargo test --all-targets` comes by too, and only wants to see it run.
    let rounds = if std::env::args().any(|arg| arg == "--bench") { 100_000 } else { 1 };
    let best = (0..20)
        .map(|_| {
            let start = Instant::now();
            (0..rounds).for_each(|_| work());
            start.elapsed() / rounds
        })
        .min();
    println!("{what:44} {:6} ns", best.unwrap_or_default().as_nanos());
}

fn main() {
    let bytes = invite();
    println!("INVITE of {} bytes", bytes.len());
    measure("find and index", || drop(black_box(Message::parse_datagram(black_box(bytes.clone())))));
    measure("find, index, type what a transaction needs", || {
        let message = Message::parse_datagram(black_box(bytes.clone())).unwrap();
        black_box((message.via().unwrap(), message.from().unwrap(), message.to().unwrap(), message.cseq().unwrap()));
        black_box(message.call_id().unwrap());
    });
    let message = Message::parse_datagram(bytes).unwrap();
    let abilities = Abilities::default();
    measure("validate and compare with abilities", || {
        let _ = black_box((validate(&message), abilities.check(&message)));
    });
    let source = "198.51.100.20:5066".parse().unwrap();
    measure("write 180", || {
        black_box(ResponseBuilder::new(&message, Status::RINGING).source(source).to_tag("a1b2c3").finish());
    });
}
