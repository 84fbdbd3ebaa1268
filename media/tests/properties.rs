//! Whatever arrives, nothing breaks, and what is printed is read back.

mod common;

use common::Pair;
use media::engine::{Answer, Channel};
use media::rtcp;
use media::rtp::Header;
use media::sdp::{Address, Attribute, Direction, Format, Media, Origin, Session};
use proptest::prelude::*;
use std::net::IpAddr;

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9-]{0,11}"
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|ip| Address::Ip(IpAddr::from(ip))),
        any::<[u16; 8]>().prop_map(|ip| Address::Ip(IpAddr::from(ip))),
        "[a-z]{1,8}\\.[a-z]{2,5}".prop_map(Address::Host),
    ]
}

fn direction() -> impl Strategy<Value = Option<Direction>> {
    prop::option::of(prop_oneof![
        Just(Direction::SendRecv),
        Just(Direction::SendOnly),
        Just(Direction::RecvOnly),
        Just(Direction::Inactive)
    ])
}

fn formats() -> impl Strategy<Value = Vec<Format>> {
    let format = (96..128u8, token(), 1..200_000u32, 1..9u8, prop::option::of("[a-z0-9=;,]{1,20}"));
    prop::collection::vec(format, 1..8).prop_map(|all| {
        let mut formats: Vec<Format> = Vec::new();
        for (pt, encoding, clock, channels, fmtp) in all {
            if formats.iter().all(|f| f.pt != pt) {
                formats.push(Format { pt, encoding, clock, channels, fmtp });
            }
        }
        formats
    })
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    let attribute = ("x-[a-z]{1,8}", prop::option::of("[ -~]{0,20}"));
    prop::collection::vec(
        attribute.prop_map(|(name, value)| Attribute { name, value: value.map(|v| v.trim().to_owned()) }),
        0..5,
    )
}

prop_compose! {
    fn media()(
        kind in token(),
        port in any::<u16>(),
        formats in formats(),
        connection in prop::option::of(address()),
        direction in direction(),
        rtcp in prop::option::of((any::<u16>(), prop::option::of(address()))),
        rtcp_mux in any::<bool>(),
        ptime in prop::option::of(1..1000u16),
        maxptime in prop::option::of(1..1000u16),
        attributes in attributes(),
    ) -> Media {
        Media {
            kind, port, proto: "RTP/AVP".to_owned(), formats, tokens: Vec::new(), connection, direction, rtcp, rtcp_mux,
            ptime, maxptime, attributes,
        }
    }
}

prop_compose! {
    fn session()(
        origin in prop::option::of((token(), "[0-9]{1,25}", "[0-9]{1,25}", address())),
        name in "[!-~]{1,20}",
        connection in prop::option::of(address()),
        direction in direction(),
        attributes in attributes(),
        media in prop::collection::vec(media(), 0..4),
    ) -> Session {
        let origin = origin.map(|(username, session_id, version, address)| {
            Origin { username, session_id, version, address }
        });
        Session { origin, name, connection, direction, attributes, media }
    }
}

/// Lines that are nearly right: the parser's deep parts are reached.
fn nearly_sdp() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("m=audio 5000 RTP/AVP 0 8 101".to_owned()),
        Just("c=IN IP4 192.0.2.7".to_owned()),
        "m=(audio|video) [0-9]{1,6}(/[0-9])? (RTP/AVP|RTP/SAVP)( [0-9]{1,3}){0,4}",
        "c=IN IP[46] [0-9a-f.:/]{1,20}",
        "a=rtpmap:[0-9]{1,3} [A-Za-z]{1,8}/[0-9]{1,7}(/[0-9])?",
        "a=(fmtp|rtcp|ptime|maxptime|crypto):[ -~]{0,20}",
        "a=(sendonly|recvonly|inactive|sendrecv|rtcp-mux)",
        "[a-z]=[ -~]{0,30}",
        ".{0,20}",
    ];
    prop::collection::vec(line, 0..20).prop_map(|lines| format!("v=0\r\n{}\r\n", lines.join("\r\n")))
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(session in session()) {
        prop_assert_eq!(Session::parse(session.to_string().as_bytes()), Ok(session));
    }

    #[test]
    fn what_is_read_is_printed_as_something_that_reads_the_same(text in nearly_sdp()) {
        if let Ok(session) = Session::parse(text.as_bytes()) {
            let again = Session::parse(session.to_string().as_bytes());
            // An empty name is printed as "-".
            let name = if session.name.is_empty() { "-".to_owned() } else { session.name.clone() };
            prop_assert_eq!(again, Ok(Session { name, ..session }));
        }
    }

    #[test]
    fn a_port_survives_every_description(first in nearly_sdp(), second in nearly_sdp(), third in any::<Vec<u8>>()) {
        let mut pair = Pair::opened();
        let [a, b] = pair.ports();
        let now = pair.now;
        for sdp in [first.as_bytes(), second.as_bytes(), &third] {
            if pair.engine.set_remote_offer(a, sdp, now).is_ok() {
                let offer = pair.engine.make_offer(b, Some(a), now);
                prop_assert!(Session::parse(&offer).is_ok());
                // Our own offer is an answer everyone could give.
                prop_assert_eq!(pair.engine.set_remote_answer(b, &offer, now), Ok(()));
                pair.engine.bridge(a, b, now);
                let answer = pair.engine.make_answer(a, Answer::Joined(b), now);
                let answer = Session::parse(&answer.expect("what was offered on was agreed"));
                let offered = Session::parse(sdp);
                prop_assert_eq!(answer.map(|s| s.media.len()), offered.map(|s| s.media.len()));
            }
            if let Ok(answer) = pair.engine.reanswer(a, sdp, now) {
                prop_assert!(Session::parse(&answer).is_ok());
            }
            let _ = pair.engine.set_remote_answer(b, sdp, now);
        }
    }

    #[test]
    fn packets_of_any_octets_do_no_harm(packets in prop::collection::vec((any::<Vec<u8>>(), any::<bool>(), 0..2usize), 1..50)) {
        let mut pair = Pair::plain();
        pair.record();
        for (mut octets, valid, phone) in packets {
            if valid && octets.len() >= 2 {
                // So that it passes the first checks.
                octets[0] = 0x80 | (octets[0] & 0x3f);
                octets[1] = if octets[1] & 1 == 0 { 8 } else { 101 };
            }
            if let Some(header) = Header::parse(&octets) {
                prop_assert!(header.payload_at + header.payload_len <= octets.len());
            }
            let mut items = 0;
            rtcp::read(&octets, |_| items += 1);
            prop_assert!(items * 4 <= octets.len());
            let from = pair.phones[phone].address;
            pair.arrive(from, phone, Channel::Rtp, &octets);
            pair.arrive(from, phone, Channel::Rtcp, &octets);
        }
        pair.run(std::time::Duration::from_millis(100));
        for port in pair.ports() {
            let quality = pair.engine.quality(port, pair.now);
            prop_assert!(quality.mos.is_none_or(|mos| (1.0..=4.5).contains(&mos)));
        }
    }
}
