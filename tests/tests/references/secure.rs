//! SRTP and SRTCP against libsrtp2, in both directions.

use crate::oracle::{ask, packed, unpacked};
use media::srtp::{Fault, MasterKey, OVERHEAD, Receiver, Sender, Suite};

fn key(suite: Suite, seed: u8) -> (MasterKey, String) {
    let (key, salt) = suite.lengths();
    let octets: Vec<u8> = (0..key + salt).map(|i| (i as u8).wrapping_mul(37) ^ seed).collect();
    (MasterKey::new(suite, &octets).unwrap(), octets.iter().map(|o| format!("{o:02x}")).collect())
}

/// 70 000 packets: their sequence numbers begin anew twice. Lengths, markers, contributing sources and extensions vary.
fn stream() -> Vec<Vec<u8>> {
    (0..70_000u32)
        .map(|i| {
            let sequence = (i + 65_000) as u16;
            let (sources, extended) = (i % 3, i % 7 == 0);
            let mut packet = vec![0x80 | u8::from(extended) << 4 | sources as u8, 8 | u8::from(i % 50 == 0) << 7];
            packet.extend(sequence.to_be_bytes());
            packet.extend(i.wrapping_mul(160).to_be_bytes());
            packet.extend(0xdead_beef_u32.to_be_bytes());
            (0..sources).for_each(|s| packet.extend(s.to_be_bytes()));
            if extended {
                packet.extend([0xbe, 0xde, 0, 1, 0x10, i as u8, 0, 0]);
            }
            packet.extend((0..i % 321).map(|j| (i ^ j) as u8));
            packet
        })
        .collect()
}

fn reports() -> Vec<Vec<u8>> {
    (0..500u32)
        .map(|i| {
            let mut packet = vec![0x80, 201, 0, 1 + (i % 4) as u8 * 2];
            packet.extend(0xdead_beef_u32.to_be_bytes());
            packet.extend((0..i % 4 * 8).map(|j| (i + j) as u8));
            packet
        })
        .collect()
}

fn seal(packets: &[Vec<u8>], mut one: impl FnMut(&mut [u8], usize) -> Option<usize>) -> Vec<Vec<u8>> {
    let sealed = packets.iter().map(|packet| {
        let mut buffer = packet.clone();
        buffer.resize(packet.len() + OVERHEAD, 0);
        let len = one(&mut buffer, packet.len()).unwrap();
        buffer.truncate(len);
        buffer
    });
    sealed.collect()
}

fn open(packets: &[Vec<u8>], mut one: impl FnMut(&mut [u8]) -> Result<usize, Fault>) -> Vec<Vec<u8>> {
    let opened = packets.iter().map(|packet| {
        let mut buffer = packet.clone();
        let len = one(&mut buffer).unwrap_or(0);
        buffer.truncate(len);
        buffer
    });
    opened.collect()
}

#[test]
fn every_suite_is_the_same_as_libsrtp_over_two_rollovers() {
    let packets = stream();
    for suite in Suite::ALL {
        let (master, hex) = key(suite, 1);
        let mut sender = Sender::new(&master).unwrap();
        let ours = seal(&packets, |buffer, len| sender.seal_rtp(buffer, len));
        let theirs = unpacked(&ask(&["srtp", "protect", "rtp", suite.name(), &hex], &packed(&packets)));
        let other = ours.iter().zip(&theirs).position(|(a, b)| a != b);
        assert!(ours == theirs, "{suite:?}: packet {other:?} differs");
        let back = unpacked(&ask(&["srtp", "unprotect", "rtp", suite.name(), &hex], &packed(&ours)));
        assert!(back == packets, "{suite:?}: libsrtp opens something else");
        let mut receiver = Receiver::new(&master, 0).unwrap();
        assert!(open(&theirs, |buffer| receiver.open_rtp(buffer)) == packets, "{suite:?}: we open something else");
    }
}

#[test]
fn reports_are_the_same_as_libsrtps_but_for_the_index_of_the_first() {
    let packets = reports();
    for suite in Suite::ALL {
        let (master, hex) = key(suite, 2);
        // libsrtp counts from 1, we from 0 (RFC 3711 §3.4 leaves it open): our second packet is its first.
        let theirs = unpacked(&ask(&["srtp", "protect", "rtcp", suite.name(), &hex], &packed(&packets)));
        let mut sender = Sender::new(&master).unwrap();
        let with_one_before: Vec<Vec<u8>> = packets[..1].iter().chain(&packets).cloned().collect();
        let ours = seal(&with_one_before, |buffer, len| sender.seal_rtcp(buffer, len));
        assert!(ours[1..] == theirs, "{suite:?}");
        let back = unpacked(&ask(&["srtp", "unprotect", "rtcp", suite.name(), &hex], &packed(&ours)));
        assert!(back == with_one_before, "{suite:?}: libsrtp opens something else");
        let mut receiver = Receiver::new(&master, 0).unwrap();
        assert!(open(&theirs, |buffer| receiver.open_rtcp(buffer)) == packets, "{suite:?}");
    }
}

/// What was lost, doubled, delayed, forged on the way.
fn mistreated(sealed: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for (i, packet) in sealed.iter().enumerate() {
        match i % 23 {
            3 => {}
            5 => out.extend([packet.clone(), packet.clone()]),
            7 => {
                let mut forged = packet.clone();
                *forged.last_mut().unwrap() ^= 1;
                out.extend([forged, packet.clone()]);
            }
            11 if i > 60 => out.extend([packet.clone(), sealed[i - 60].clone()]),
            13 => out.push(packet[..packet.len().min(11 + i % 9)].to_vec()),
            // It changes places with the next.
            17 => out.extend(sealed.get(i + 1).cloned()),
            18 => out.push(sealed[i - 1].clone()),
            _ => out.push(packet.clone()),
        }
    }
    out
}

#[test]
fn loss_replay_delay_and_forgery_are_judged_as_libsrtp_judges_them() {
    let packets = &stream()[..3_000];
    for suite in Suite::ALL {
        let (master, hex) = key(suite, 3);
        let mut sender = Sender::new(&master).unwrap();
        let came = mistreated(&seal(packets, |buffer, len| sender.seal_rtp(buffer, len)));
        let theirs = unpacked(&ask(&["srtp", "unprotect", "rtp", suite.name(), &hex], &packed(&came)));
        let mut receiver = Receiver::new(&master, 0).unwrap();
        let ours = open(&came, |buffer| receiver.open_rtp(buffer));
        let other = ours.iter().zip(&theirs).position(|(a, b)| a != b);
        assert!(ours == theirs, "{suite:?}: packet {other:?} is judged otherwise");
        assert!(ours.iter().filter(|p| p.is_empty()).count() > 300);
    }
}

#[test]
fn another_key_opens_nothing_of_the_old_one() {
    let packets = &stream()[..50];
    for suite in Suite::ALL {
        let ((old, _), (_, hex)) = (key(suite, 4), key(suite, 5));
        let mut sender = Sender::new(&old).unwrap();
        let sealed = seal(packets, |buffer, len| sender.seal_rtp(buffer, len));
        let theirs = unpacked(&ask(&["srtp", "unprotect", "rtp", suite.name(), &hex], &packed(&sealed)));
        let mut receiver = Receiver::new(&key(suite, 5).0, 0).unwrap();
        let ours = open(&sealed, |buffer| receiver.open_rtp(buffer));
        assert!(ours == theirs && ours.iter().all(Vec::is_empty), "{suite:?}");
    }
}
