//! Offer and answer: RFC 3264, in the engine's mouth.

#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use common::{CALLER, Pair, sdp, text};
use media::engine::{Answer, SdpRefusal};
use std::net::SocketAddr;

const DIGITS: &str = "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15";

fn phone() -> SocketAddr {
    "198.51.100.10:5000".parse().unwrap()
}

fn offered(audio: &str) -> Pair {
    let mut pair = Pair::opened();
    let a = pair.ports()[CALLER];
    pair.engine.set_remote_offer(a, &sdp(phone(), audio), pair.now).unwrap();
    pair
}

fn m_line(sdp: &[u8]) -> String {
    text(sdp).lines().find(|l| l.starts_with("m=audio")).unwrap().to_owned()
}

#[test]
fn our_own_offer_has_what_every_phone_has() {
    let mut pair = Pair::opened();
    let a = pair.ports()[0];
    let offer = text(&pair.engine.make_offer(a, None, pair.now));
    let mut lines = offer.split("\r\n");
    assert_eq!(lines.next(), Some("v=0"));
    let origin = lines.next().unwrap();
    assert!(origin.starts_with("o=- ") && origin.ends_with(" 1 IN IP4 192.0.2.1"), "{origin}");
    let rest: Vec<&str> = lines.collect();
    assert_eq!(
        rest,
        [
            "s=-",
            "c=IN IP4 192.0.2.1",
            "t=0 0",
            "m=audio 40000 RTP/AVP 0 8 101",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16",
            "a=ptime:20",
            "a=rtcp-xr:voip-metrics",
            "a=sendrecv",
            ""
        ]
    );
    // Said again it is the same; its version would move on with its content.
    assert_eq!(text(&pair.engine.make_offer(a, None, pair.now)), offer);
}

#[test]
fn an_offer_is_passed_on_in_its_order_with_its_numbers_the_other_law_and_keys() {
    let cases = [
        ("8 18 101\na=rtpmap:101 telephone-event/8000", "RTP/AVP 8 18 0 101"),
        ("111 0\na=rtpmap:111 opus/48000/2", "RTP/AVP 111 0 8 101"),
        ("18", "RTP/AVP 18"),
        // A dynamic number nobody explains, and redundancy, are not passed on; keys are added where the switch can stand between.
        ("98 97 8 0\na=rtpmap:97 red/8000", "RTP/AVP 8 0 101"),
    ];
    for (offer, expected) in cases {
        let mut pair = offered(offer);
        let [a, b] = pair.ports();
        let line = m_line(&pair.engine.make_offer(b, Some(a), pair.now));
        assert!(line.ends_with(expected), "{offer} → {line}");
    }
}

#[test]
fn an_early_answer_is_what_can_be_played_and_is_repeated() {
    let mut pair = offered(&format!("8 18 0 101\n{DIGITS}"));
    let [a, b] = pair.ports();
    let early = pair.engine.make_answer(a, Answer::Early, pair.now).unwrap();
    assert_eq!(m_line(&early), "m=audio 40000 RTP/AVP 8 0 101");
    assert_eq!(pair.engine.make_answer(a, Answer::Joined(b), pair.now), Some(early));
    // Who prefers another codec gets no early sound.
    let mut pair = offered("18 8");
    assert_eq!(pair.engine.make_answer(a, Answer::Early, pair.now), None);
}

#[test]
fn a_joined_answer_is_what_the_other_side_chose() {
    let cases = [
        ("8 18 0 101\na=rtpmap:101 telephone-event/8000", "18 96\na=rtpmap:96 telephone-event/8000", Some("18 101")),
        ("8 18 0", "0 8", Some("0 8")),
        // One law against the other: we convert.
        ("8", "0", Some("8")),
        ("111 8\na=rtpmap:111 opus/48000/2", "0", Some("8")),
    ];
    for (offer, answer, expected) in cases {
        let mut pair = offered(offer);
        let [a, b] = pair.ports();
        pair.engine.make_offer(b, Some(a), pair.now);
        assert_eq!(pair.engine.make_answer(a, Answer::Joined(b), pair.now), None, "nothing agreed yet");
        pair.engine.set_remote_answer(b, &sdp(phone(), answer), pair.now).unwrap();
        let given = pair.engine.make_answer(a, Answer::Joined(b), pair.now).map(|s| m_line(&s));
        assert_eq!(given, expected.map(|e| format!("m=audio 40000 RTP/AVP {e}")), "{offer} / {answer}");
    }
}

#[test]
fn other_media_are_refused_in_their_places() {
    let offer = "v=0\r\no=- 1 1 IN IP4 198.51.100.10\r\ns=-\r\nt=0 0\r\n\
        m=video 6000 RTP/AVP 99 34\r\nc=IN IP4 198.51.100.10\r\na=rtpmap:99 H264/90000\r\n\
        m=audio 6010 RTP/SAVP 8\r\nc=IN IP4 198.51.100.10\r\n\
        m=audio 5000 RTP/AVPF 8\r\nc=IN IP4 198.51.100.10\r\n\
        m=image 7000 udptl t38\r\nc=IN IP4 198.51.100.10\r\n";
    let mut pair = Pair::opened();
    let a = pair.ports()[0];
    pair.engine.set_remote_offer(a, offer.as_bytes(), pair.now).unwrap();
    let answer = text(&pair.engine.make_answer(a, Answer::Early, pair.now).unwrap());
    let lines: Vec<&str> = answer.lines().filter(|l| l.starts_with("m=")).collect();
    assert_eq!(
        lines,
        ["m=video 0 RTP/AVP 99", "m=audio 0 RTP/SAVP 8", "m=audio 40000 RTP/AVPF 8", "m=image 0 udptl t38"]
    );
}

#[test]
fn directions_are_mirrored() {
    for (theirs, ours) in
        [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")]
    {
        let mut pair = offered(&format!("8\na={theirs}"));
        let a = pair.ports()[0];
        let answer = text(&pair.engine.make_answer(a, Answer::Early, pair.now).unwrap());
        assert!(answer.contains(&format!("a={ours}\r\n")), "{theirs}: {answer}");
    }
}

#[test]
fn what_cannot_be_accepted_is_refused_with_a_warning() {
    let head = "v=0\r\no=- 1 1 IN IP4 198.51.100.10\r\ns=-\r\nc=IN IP4 198.51.100.10\r\nt=0 0\r\n";
    let with = |rest: &str| format!("{head}{rest}");
    let cases = [
        (String::new(), 399),
        ("hello".to_owned(), 399),
        ("v=1\r\n".to_owned(), 399),
        (head.to_owned(), 304),
        (with("m=video 5000 RTP/AVP 34\r\n"), 304),
        (with("m=audio 0 RTP/AVP 8\r\n"), 304),
        (with("m=audio 5000 RTP/SAVP 8\r\n"), 302),
        (with("m=audio 5000 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n"), 302),
        (with("m=audio 5000 RTP/AVP 99\r\n"), 305),
        (with("m=audio 5000 RTP/AVP 101 13\r\na=rtpmap:101 telephone-event/8000\r\n"), 305),
        (with("m=audio 5000 RTP/AVP 8\r\nc=IN IP6 2001:db8::1\r\n"), 301),
        (with("m=audio 5000 RTP/AVP 8\r\nc=IN IP4 224.2.1.1/127\r\n"), 330),
        (with("m=audio 70000 RTP/AVP 8\r\n"), 399),
        (with("m=audio 5000 RTP/AVP\r\n"), 399),
        (with("m=audio 5000 RTP/AVP 8\r\nc=IN IP4 1.2.3\r\n"), 399),
        (with("m=audio 5000 RTP/AVP 8\r\nnonsense\r\n"), 399),
        (with("m=audio 5000 RTP/AVP 97\r\na=rtpmap:97 opus\r\n"), 399),
        ("v=0\r\nm=audio 5000 RTP/AVP 8\r\n".to_owned(), 399),
        (with(&"m=audio 5000 RTP/AVP 8\r\n".repeat(17)), 399),
        (with(&"a=x\r\n".repeat(300)), 399),
        (with(&"a=x\r\n".repeat(6_000)), 399),
        (with(&format!("m=audio 5000 RTP/AVP{}\r\n", " 8".repeat(65))), 399),
    ];
    let mut pair = Pair::opened();
    let [a, b] = pair.ports();
    pair.engine.make_offer(b, None, pair.now);
    for (offer, code) in cases {
        let refusal = pair.engine.set_remote_offer(a, offer.as_bytes(), pair.now).unwrap_err();
        assert_eq!(refusal.code, code, "{offer}");
        let warning = refusal.warning("switch.example");
        assert!(warning.starts_with(&format!("{code} switch.example \"")) && warning.ends_with('"'), "{warning}");
        assert!(warning.bytes().all(|b| (b' '..0x7f).contains(&b)));
        assert!(pair.engine.set_remote_answer(b, offer.as_bytes(), pair.now).is_err(), "{offer}");
        assert!(pair.engine.reanswer(a, offer.as_bytes(), pair.now).is_err(), "{offer}");
    }
    assert!(pair.engine.set_remote_answer(a, &sdp(phone(), "8"), pair.now).is_err(), "an answer without an offer");
    assert!(pair.engine.set_remote_answer(b, &sdp(phone(), "18"), pair.now).is_err(), "not offered");
}

#[test]
fn what_phones_get_wrong_is_forgiven() {
    let cases = [
        "v=0\no=x\t1 1 IN IP4 198.51.100.10\nc=IN IP4 198.51.100.10\nm=audio 5000 RTP/AVP 8\n",
        "v=0\r\nc=in ip4 198.51.100.10\r\nm=AUDIO 5000 rtp/avp 8 8 0 \r\na=ptime:twenty\r\na=silenceSupp:off - - - -\r\n",
        "\r\nv=0\r\ns=\r\nm=audio 5000/2 RTP/AVP 8\r\nb=AS:64\r\nc=IN IP4 198.51.100.10\r\n\0",
        "v=0\r\nc=IN IP4 phone.example.com\r\nm=audio 5000 RTP/AVP 8 99\r\na=fmtp\r\na=fmtp:x y\r\na=rtpmap:120 x/8000\r\n",
        "v=0\r\ns=\u{fffd}\r\nz=0 0\r\nc=IN IP4 198.51.100.10\r\na=sendrecv\r\nm=audio 5000 RTP/AVP 8\r\na=rtcp:0\r\n",
    ];
    for offer in cases {
        let mut pair = Pair::opened();
        let a = pair.ports()[0];
        pair.engine.set_remote_offer(a, offer.as_bytes(), pair.now).unwrap_or_else(|e| panic!("{e}: {offer}"));
        let answer = pair.engine.make_answer(a, Answer::Early, pair.now).unwrap();
        assert!(m_line(&answer).starts_with("m=audio 40000 RTP/AVP 8") || m_line(&answer).contains("rtp/avp 8"));
    }
    // A name in GBK.
    let mut offer = b"v=0\r\ns=\xb2\xe2\xca\xd4\r\n".to_vec();
    offer.extend(&sdp(phone(), "8")[5..]);
    let mut pair = Pair::opened();
    assert_eq!(pair.engine.set_remote_offer(pair.phones[0].port, &offer, pair.now), Ok(()));
}

#[test]
fn who_refuses_a_short_offer_gets_a_wider_one_and_only_of_what_can_be_turned_into_the_others() {
    for (offer, allowed, expected) in [
        ("8 101\na=rtpmap:101 telephone-event/8000", &[][..], Some("RTP/AVP 8 0 9 96 101")),
        ("9 0", &[], Some("RTP/AVP 9 0 8 96 101")),
        ("111 9 8\na=rtpmap:111 opus/48000/2", &[], None),
        ("18", &[], None),
        ("8", &["PCMA"], None),
        ("8", &["PCMA", "opus"], None),
    ] {
        let mut pair = offered(offer);
        let [a, b] = pair.ports();
        let allowed: Vec<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        pair.engine.allow(b, &allowed);
        pair.engine.make_offer(b, Some(a), pair.now);
        assert_eq!(pair.engine.could_offer_more(b), expected.is_some(), "{offer}");
        let Some(expected) = expected else { continue };
        pair.engine.offer_more(b);
        let wider = pair.engine.make_offer(b, Some(a), pair.now);
        assert!(m_line(&wider).ends_with(expected) && text(&wider).contains("a=rtpmap:96 opus/48000/2"), "{wider:?}");
        assert!(!pair.engine.could_offer_more(b), "there is no third one");
    }
}

#[test]
fn a_dynamic_number_without_a_mapping_in_an_answer_means_what_we_offered() {
    let mut pair = offered("111\na=rtpmap:111 opus/48000/2");
    let [a, b] = pair.ports();
    pair.engine.make_offer(b, Some(a), pair.now);
    pair.engine.set_remote_answer(b, &sdp(phone(), "111"), pair.now).unwrap();
    let answer = pair.engine.make_answer(a, Answer::Joined(b), pair.now).unwrap();
    assert!(text(&answer).contains("a=rtpmap:111 opus/48000/2"));
}

#[test]
fn a_reinvite_stays_within_what_was_agreed() {
    let mut pair =
        Pair::talking("8 18 101\na=rtpmap:101 telephone-event/8000", "8 101\na=rtpmap:101 telephone-event/8000");
    let [a, b] = pair.ports();
    let again = |pair: &mut Pair, port, audio: &str| pair.engine.reanswer(port, &sdp(phone(), audio), pair.now);
    let first = again(&mut pair, a, "8 101\na=rtpmap:101 telephone-event/8000").unwrap();
    let same = again(&mut pair, a, "8 101\na=rtpmap:101 telephone-event/8000").unwrap();
    assert_eq!(first, same, "a refresh changes nothing, not even the version");
    let hold = again(&mut pair, a, "18 8 97\na=rtpmap:97 telephone-event/8000\na=sendonly").unwrap();
    assert_eq!(m_line(&hold), "m=audio 40000 RTP/AVP 8 97");
    let version = |sdp: &[u8]| text(sdp).lines().nth(1).unwrap().split(' ').nth(2).unwrap().parse::<u64>().unwrap();
    assert_eq!(version(&hold), version(&first) + 1);
    // The other law is the same family; another codec is not.
    assert_eq!(m_line(&again(&mut pair, b, "0").unwrap()), "m=audio 40002 RTP/AVP 0");
    assert_eq!(again(&mut pair, b, "18"), Err(SdpRefusal { code: 305, text: "Incompatible media format" }));
}

#[test]
fn ipv6_is_spoken() {
    let mut pair = Pair::opened();
    pair.engine.stock([40_004]);
    let port = pair.engine.open("2001:db8::1".parse().unwrap(), pair.now).unwrap();
    let there: SocketAddr = "[2001:db8::7]:5000".parse().unwrap();
    pair.engine.set_remote_offer(port, &sdp(there, "8"), pair.now).unwrap();
    let answer = text(&pair.engine.make_answer(port, Answer::Early, pair.now).unwrap());
    assert!(answer.contains("c=IN IP6 2001:db8::1\r\n") && answer.contains("m=audio 40004 RTP/AVP 8\r\n"), "{answer}");
    assert_eq!(pair.engine.set_remote_offer(port, &sdp(phone(), "8"), pair.now).unwrap_err().code, 301);
}

#[test]
fn a_late_offer_is_answered_later() {
    let mut pair = Pair::opened();
    let [a, b] = pair.ports();
    // An INVITE without a description: our 200 offers, its ACK answers.
    let offer = pair.engine.make_offer(a, None, pair.now);
    assert_eq!(m_line(&offer), "m=audio 40000 RTP/AVP 0 8 101");
    pair.engine.set_remote_answer(a, &sdp(phone(), &format!("8 101\n{DIGITS}")), pair.now).unwrap();
    // The other side is offered what has been agreed with this one.
    assert_eq!(m_line(&pair.engine.make_offer(b, Some(a), pair.now)), "m=audio 40002 RTP/AVP 8 0 101");
}

#[test]
fn an_offer_within_a_session_repeats_it_under_the_next_version() {
    let video = "m=video 6000 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n";
    let mut pair = Pair::opened();
    let a = pair.ports()[0];
    let offer = [sdp(phone(), &format!("8 101\n{DIGITS}")), video.as_bytes().to_vec()].concat();
    pair.engine.set_remote_offer(a, &offer, pair.now).unwrap();
    let answer = text(&pair.engine.make_answer(a, Answer::Early, pair.now).unwrap());
    for version in 2..5 {
        let again = text(&pair.engine.make_offer(a, None, pair.now));
        let expected = answer.replace(" 1 IN IP4", &format!(" {version} IN IP4"));
        assert_eq!(again.replace("a=ptime:20\r\n", ""), expected.replace("a=ptime:20\r\n", ""));
        pair.engine.set_remote_answer(a, &offer, pair.now).unwrap();
    }
    // A refused offer leaves what was.
    let b = pair.ports()[1];
    pair.engine.set_remote_offer(b, &sdp(phone(), "18"), pair.now).unwrap();
    assert_eq!(m_line(&pair.engine.make_offer(a, Some(b), pair.now)), "m=audio 40000 RTP/AVP 18");
    pair.engine.withdraw_offer(a, pair.now);
    assert_eq!(m_line(&pair.engine.make_offer(a, None, pair.now)), "m=audio 40000 RTP/AVP 8 101");
}
