//! SRTP between desk phones and the switch: keys agreed in descriptions, packets sealed, strangers kept out.

#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use common::{CALLEE, CALLER, MS, Network, Pair, sdp, text};
use media::engine::{Answer, Channel, Srtp};
use media::g711::Law;
use media::rtp::Header;
use media::srtp::sdes::Crypto;
use media::srtp::{MasterKey, OVERHEAD, Receiver, Sender, Suite};
use media::testing::hears;

/// A phone's end of the keys.
struct Keys {
    line: Crypto,
    sender: Sender,
    receiver: Option<Receiver>,
}

impl Keys {
    fn new(suite: Suite, seed: u8) -> Self {
        let (key, salt) = suite.lengths();
        let octets: Vec<u8> = (0..key + salt).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect();
        let key = MasterKey::new(suite, &octets).unwrap();
        let line = Crypto { tag: 7, key: key.clone(), identifier: 0 };
        Self { line, sender: Sender::new(&key).unwrap(), receiver: None }
    }

    fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + OVERHEAD, 0);
        let len = self.sender.seal_rtp(&mut buffer, packet.len()).unwrap();
        buffer.truncate(len);
        buffer
    }

    fn open(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = packet.to_vec();
        let len = self.receiver.as_mut()?.open_rtp(&mut buffer).ok()?;
        buffer.truncate(len);
        Some(buffer)
    }

    /// Takes the switch's key out of its description.
    fn take(&mut self, description: &[u8]) {
        let lines = lines(description);
        let theirs = lines.iter().find(|line| line.key.suite() == self.line.key.suite()).unwrap();
        self.receiver = Receiver::new(&theirs.key, 0);
    }
}

fn lines(description: &[u8]) -> Vec<Crypto> {
    text(description).lines().filter_map(|line| Crypto::parse(line.strip_prefix("a=crypto:")?)).collect()
}

fn keyed(pair: &Pair, phone: usize, transport: &str, keys: &Keys) -> Vec<u8> {
    let plain = text(&sdp(pair.phones[phone].address, "8 101\na=rtpmap:101 telephone-event/8000"));
    format!("{}a=crypto:{}\r\n", plain.replace("RTP/AVP", transport), keys.line).into_bytes()
}

/// A caller with SRTP, a callee without, bridged.
fn half_secure(suite: Suite) -> (Pair, Keys) {
    let mut pair = Pair::opened();
    let [a, b] = pair.ports();
    pair.engine.secure(a, Srtp::Offered);
    let mut keys = Keys::new(suite, 1);
    let offer = keyed(&pair, CALLER, "RTP/SAVP", &keys);
    pair.engine.set_remote_offer(a, &offer, pair.now).unwrap();
    let onward = pair.engine.make_offer(b, Some(a), pair.now);
    assert!(!text(&onward).contains("crypto") && text(&onward).contains("RTP/AVP 8"));
    pair.engine.set_remote_answer(b, &sdp(pair.phones[CALLEE].address, "8"), pair.now).unwrap();
    pair.engine.bridge(a, b, pair.now);
    let answer = pair.engine.make_answer(a, Answer::Joined(b), pair.now).unwrap();
    assert!(text(&answer).contains("RTP/SAVP 8\r\n"), "{}", text(&answer));
    assert_eq!(lines(&answer).len(), 1);
    assert_eq!(lines(&answer)[0].tag, 7, "the answer names the line it takes");
    keys.take(&answer);
    pair.phones.iter_mut().for_each(|p| p.speaking = false);
    (pair, keys)
}

/// Both speak for a time; what the caller sends and gets is sealed. Returns what it heard.
fn talk(pair: &mut Pair, keys: &mut Keys, frames: usize) -> Vec<i16> {
    let mut heard = Vec::new();
    for _ in 0..frames {
        let packet = keys.seal(&pair.phones[CALLER].packet());
        pair.send(CALLER, Channel::Rtp, packet);
        let packet = pair.phones[CALLEE].packet();
        pair.send(CALLEE, Channel::Rtp, packet);
        pair.run(20 * MS);
        for (header, payload) in
            std::iter::zip(pair.phones[CALLER].headers.drain(..), pair.phones[CALLER].payloads.drain(..))
        {
            let sealed = common::rtp(header.payload_type, header.sequence, header.timestamp, header.ssrc, &payload);
            let sealed = if header.marker { [&[sealed[0], sealed[1] | 0x80], &sealed[2..]].concat() } else { sealed };
            let plain = keys.open(&sealed).expect("sealed with the key of the description");
            let header = Header::parse(&plain).unwrap();
            assert_eq!(header.payload_len, 160);
            heard.extend(plain[12..].iter().map(|octet| Law::A.decode(*octet)));
        }
    }
    heard
}

#[test]
fn a_secure_phone_and_a_plain_one_hear_each_other_with_every_suite() {
    for suite in Suite::ALL {
        let (mut pair, mut keys) = half_secure(suite);
        assert!(pair.engine.is_secure(pair.ports()[CALLER]) && !pair.engine.is_secure(pair.ports()[CALLEE]));
        let recording = pair.record();
        let heard = talk(&mut pair, &mut keys, 100);
        let there = hears(&heard, 2050.0).unwrap();
        assert!(there.longest_gap.is_zero() && heard.len() > 15_500, "{suite:?}: {there:?}");
        let there = hears(&pair.phones[CALLEE].heard, 1070.0).unwrap();
        assert!(there.longest_gap.is_zero() && there.until > 1_900 * MS, "{suite:?}: {there:?}");
        pair.engine.stop_recording(recording, pair.now);
        pair.drain();
        assert!(hears(&pair.channels()[0], 1070.0).is_some() && hears(&pair.channels()[1], 2050.0).is_some());
    }
}

#[test]
fn forged_replayed_and_plain_packets_are_dropped_and_counted_while_the_sound_goes_on() {
    let (mut pair, mut keys) = half_secure(Suite::AesCm128HmacSha1_80);
    talk(&mut pair, &mut keys, 50);
    let a = pair.ports()[CALLER];
    let from = pair.phones[CALLER].address;
    let heard_before = pair.phones[CALLEE].headers.len();
    let packet = keys.seal(&pair.phones[CALLER].packet());
    let mut forged = packet.clone();
    forged[30] ^= 1;
    let plain = pair.phones[CALLER].packet();
    for bad in [&forged, &plain, &packet[..25].to_vec()] {
        pair.arrive(from, CALLER, Channel::Rtp, bad);
    }
    pair.arrive(from, CALLER, Channel::Rtp, &packet);
    pair.arrive(from, CALLER, Channel::Rtp, &packet);
    // RTCP without a tag ends nothing and tells nothing.
    pair.arrive(from, CALLER, Channel::Rtcp, &[0x80, 201, 0, 1, 0, 0, 0, 100]);
    pair.run(10 * MS);
    let quality = pair.engine.quality(a, pair.now);
    assert_eq!((quality.forged, quality.duplicates, quality.discarded), (3, 1, 1), "{quality:?}");
    assert_eq!(pair.phones[CALLEE].headers.len(), heard_before + 1);
    let heard = talk(&mut pair, &mut keys, 100);
    assert!(hears(&heard, 2050.0).unwrap().longest_gap.is_zero());
}

#[test]
fn a_new_key_in_a_reinvite_takes_over_without_a_gap() {
    let (mut pair, mut keys) = half_secure(Suite::AeadAes128Gcm);
    talk(&mut pair, &mut keys, 50);
    let a = pair.ports()[CALLER];
    let mut fresh = Keys::new(Suite::AeadAes128Gcm, 99);
    let offer = keyed(&pair, CALLER, "RTP/SAVP", &fresh);
    let answer = pair.engine.reanswer(a, &offer, pair.now).unwrap();
    // The old key is heard until the answer has reached the phone.
    let before = pair.phones[CALLEE].headers.len();
    talk(&mut pair, &mut keys, 10);
    fresh.take(&answer);
    fresh.receiver = keys.receiver.take();
    let heard = talk(&mut pair, &mut fresh, 50);
    assert!(hears(&heard, 2050.0).unwrap().longest_gap.is_zero());
    assert_eq!(pair.phones[CALLEE].headers.len() - before, 60);
    // Hold and retrieve with the same key.
    let hold = [fresh_hold(&pair, &fresh), b"a=sendonly\r\n".to_vec()].concat();
    pair.engine.reanswer(a, &hold, pair.now).unwrap();
    let back = fresh_hold(&pair, &fresh);
    pair.engine.reanswer(a, &back, pair.now).unwrap();
    let heard = talk(&mut pair, &mut fresh, 50);
    assert!(hears(&heard, 2050.0).is_some());
}

fn fresh_hold(pair: &Pair, keys: &Keys) -> Vec<u8> {
    keyed(pair, CALLER, "RTP/SAVP", keys)
}

#[test]
fn policies_decide_what_is_offered_and_what_is_refused() {
    let phone = |transport: &str, crypto: bool| {
        let plain = text(&sdp("198.51.100.10:5000".parse().unwrap(), "8")).replace("RTP/AVP", transport);
        let line = Keys::new(Suite::AesCm128HmacSha1_80, 3).line;
        if crypto { format!("{plain}a=crypto:{line}\r\n") } else { plain }.into_bytes()
    };
    let cases = [
        (Srtp::Off, "RTP/AVP", false, Some(false)),
        (Srtp::Off, "RTP/AVP", true, Some(false)),
        (Srtp::Off, "RTP/SAVP", true, None),
        (Srtp::Offered, "RTP/AVP", false, Some(false)),
        (Srtp::Offered, "RTP/AVP", true, Some(true)),
        (Srtp::Offered, "RTP/SAVP", true, Some(true)),
        (Srtp::Offered, "RTP/SAVP", false, None),
        (Srtp::Required, "RTP/AVP", false, None),
        (Srtp::Required, "RTP/AVP", true, Some(true)),
        (Srtp::Required, "RTP/SAVPF", true, Some(true)),
    ];
    for (policy, transport, crypto, secure) in cases {
        let mut pair = Pair::opened();
        let [a, b] = pair.ports();
        pair.engine.secure(a, policy);
        let read = pair.engine.set_remote_offer(a, &phone(transport, crypto), pair.now);
        assert_eq!(read.is_ok(), secure.is_some(), "{policy:?} {transport} {crypto}");
        if let Some(secure) = secure {
            let answer = pair.engine.make_answer(a, Answer::Early, pair.now).unwrap();
            assert_eq!(lines(&answer).len(), usize::from(secure), "{policy:?} {transport} {crypto}");
            assert!(text(&answer).contains(transport) && pair.engine.is_secure(a) == secure);
        }
        // The same from the other side.
        pair.engine.secure(b, policy);
        let offer = text(&pair.engine.make_offer(b, None, pair.now));
        assert_eq!(lines(offer.as_bytes()).len(), if policy == Srtp::Off { 0 } else { 4 });
        assert_eq!(offer.contains("RTP/SAVP"), policy == Srtp::Required);
        let plain = pair.engine.set_remote_answer(b, &phone("RTP/AVP", false), pair.now);
        assert_eq!(plain.is_ok(), policy != Srtp::Required, "{policy:?}");
        if policy != Srtp::Off {
            assert!(pair.engine.set_remote_answer(b, &phone("RTP/SAVP", true), pair.now).is_ok());
            assert!(pair.engine.is_secure(b));
        }
    }
    // Two sections, as phones with "optional" SRTP offer: the one with keys is taken.
    let both = [phone("RTP/AVP", false), b"m=audio 5002 RTP/SAVP 8\r\na=crypto:".to_vec()].concat();
    let both = format!("{}{}\r\n", text(&both), Keys::new(Suite::AesCm128HmacSha1_80, 3).line);
    let mut pair = Pair::opened();
    let a = pair.ports()[CALLER];
    pair.engine.secure(a, Srtp::Offered);
    pair.engine.set_remote_offer(a, both.as_bytes(), pair.now).unwrap();
    let answer = text(&pair.engine.make_answer(a, Answer::Early, pair.now).unwrap());
    assert!(answer.contains("m=audio 0 RTP/AVP 8\r\n") && answer.contains("m=audio 40000 RTP/SAVP 8\r\n"), "{answer}");
}

#[test]
fn keys_differ_from_port_to_port_and_reports_are_sealed() {
    let (mut pair, mut keys) = half_secure(Suite::AesCm128HmacSha1_32);
    pair.network = Network::PERFECT;
    talk(&mut pair, &mut keys, 600);
    let reports = std::mem::take(&mut pair.phones[CALLER].reports);
    assert!(!reports.is_empty());
    let receiver = keys.receiver.as_mut().unwrap();
    for mut report in reports {
        assert!(receiver.open_rtcp(&mut report).is_ok());
    }
    let (mut one, b) = (Pair::opened(), Pair::opened().ports()[1]);
    let a = one.ports()[0];
    one.engine.secure(a, Srtp::Offered);
    one.engine.secure(b, Srtp::Offered);
    let (first, second) = (one.engine.make_offer(a, None, one.now), one.engine.make_offer(b, None, one.now));
    assert!(std::iter::zip(lines(&first), lines(&second)).all(|(a, b)| a.key != b.key));
}
