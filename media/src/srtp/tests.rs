use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn master(suite: Suite) -> MasterKey {
    let (key, salt) = suite.lengths();
    let octets: Vec<u8> = (0..key + salt).map(|i| (i * 7 + 3) as u8).collect();
    MasterKey::new(suite, &octets).unwrap()
}

fn packet(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..160).map(|i| (i ^ sequence as u8 as usize) as u8));
    packet
}

fn sealed(sender: &mut Sender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + OVERHEAD, 0);
    let len = sender.seal_rtp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(len);
    buffer
}

fn opened(receiver: &mut Receiver, packet: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut buffer = packet.to_vec();
    let len = receiver.open_rtp(&mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

/// RFC 3711 B.3: the session keys of a master key, seen through what they do. The cipher key, salt and authentication
/// key of the appendix turn a packet into the octets that libsrtp's reference vector has.
#[test]
fn the_reference_packet_of_counter_mode() {
    // From libsrtp's srtp_validate(), whose master key is that of RFC 3711 B.3.
    let key = hex("e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6");
    let master = MasterKey::new(Suite::AesCm128HmacSha1_80, &key).unwrap();
    let plain = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let cipher = hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    let mut sender = Sender::new(&master).unwrap();
    assert_eq!(sealed(&mut sender, &plain), cipher);
    assert_eq!(opened(&mut Receiver::new(&master, 0).unwrap(), &cipher), Ok(plain));
}

#[test]
fn the_reference_packet_of_rtcp_in_counter_mode() {
    let key = hex("e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6");
    let master = MasterKey::new(Suite::AesCm128HmacSha1_80, &key).unwrap();
    let plain = hex("81c8000b cafebabe abababababababababababababababab");
    let cipher = hex("81c8000b cafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798");
    let mut sender = Sender::new(&master).unwrap();
    // The vector is that of libsrtp's second packet: its first index is 1.
    sender.rtcp_index = 1;
    let mut buffer = plain.clone();
    buffer.resize(plain.len() + OVERHEAD, 0);
    let len = sender.seal_rtcp(&mut buffer, plain.len()).unwrap();
    assert_eq!(buffer[..len], cipher);
    let mut receiver = Receiver::new(&master, 0).unwrap();
    assert_eq!(receiver.open_rtcp(&mut buffer[..len]), Ok(plain.len()));
    assert_eq!(buffer[..plain.len()], plain);
}

/// RFC 7714 §16.1.1: the session key and salt are given, so they are set, not derived.
#[test]
fn the_packets_of_the_gcm_rfc() {
    let plain = hex(
        "8040f17b 8041f8d3 5501a0b2 47616c6c 696120657374206f6d6e697320646976 69736120696e207061727465732074726573",
    );
    let cipher = hex("8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a
         51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce");
    let keys = SessionKeys::gcm_for_tests(&hex("000102030405060708090a0b0c0d0e0f"), &hex("517569642070726f2071756f"));
    let mut buffer = plain.clone();
    buffer.resize(plain.len() + OVERHEAD, 0);
    let len = keys.seal_rtp(&mut buffer, 12, plain.len(), 0x5501_a0b2, 0xf17b).unwrap();
    assert_eq!(buffer[..len], cipher);
    assert_eq!(keys.open_rtp(&mut buffer[..len], 12, 0, 0x5501_a0b2, 0xf17b), Ok(plain.len()));
    assert_eq!(buffer[..plain.len()], plain);
}

#[test]
fn who_comes_late_finds_out_how_often_the_numbers_began_anew() {
    for suite in Suite::ALL {
        let mut sender = Sender::new(&master(suite)).unwrap();
        let mut number = 60_000u32;
        let mut next = |sender: &mut Sender| {
            number += 1;
            sealed(sender, &packet(number as u16, 77))
        };
        (0..200_000).for_each(|_| drop(next(&mut sender)));
        let mut receiver = Receiver::new(&master(suite), 0).unwrap();
        assert_eq!(opened(&mut receiver, &next(&mut sender)), Err(Fault::Forged));
        receiver.comes_late();
        let heard: Vec<bool> = (0..10).map(|_| opened(&mut receiver, &next(&mut sender)).is_ok()).collect();
        // 260 000 numbers have begun anew three times.
        assert_eq!(heard, [false, false, false, true, true, true, true, true, true, true], "{suite:?}");
    }
}

#[test]
fn every_suite_carries_packets_over_the_rollover_with_loss_and_reordering() {
    for suite in Suite::ALL {
        let mut sender = Sender::new(&master(suite)).unwrap();
        let mut receiver = Receiver::new(&master(suite), 0).unwrap();
        let mut held = None;
        for i in 0..70_000u32 {
            let plain = packet((i + 65_000) as u16, 77);
            let packet = sealed(&mut sender, &plain);
            match i % 50 {
                3 => continue,
                7 => {
                    held = Some((packet, plain));
                    continue;
                }
                _ => {}
            }
            if i % 499 == 0 || i < 2_000 {
                assert_eq!(opened(&mut receiver, &packet), Ok(plain), "{suite:?} {i}");
                assert_eq!(opened(&mut receiver, &packet), Err(Fault::Replayed), "{suite:?} {i}");
            } else {
                receiver.open_rtp(&mut packet.clone()).unwrap();
            }
            if i % 50 == 12
                && let Some((packet, plain)) = held.take()
            {
                assert_eq!(opened(&mut receiver, &packet), Ok(plain), "{suite:?} {i}, late");
            }
        }
    }
}

#[test]
fn forged_packets_are_refused_and_change_nothing() {
    for suite in Suite::ALL {
        let mut sender = Sender::new(&master(suite)).unwrap();
        let mut receiver = Receiver::new(&master(suite), 0).unwrap();
        let first = sealed(&mut sender, &packet(1, 5));
        receiver.open_rtp(&mut first.clone()).unwrap();
        for i in 2..100u16 {
            let good = sealed(&mut sender, &packet(i, 5));
            for at in [1, 3, 8, 20, good.len() - 1] {
                let mut bad = good.clone();
                bad[at] ^= 0x40;
                assert!(receiver.open_rtp(&mut bad).is_err(), "{suite:?} {at}");
            }
            // Plain packets, and such of other keys.
            assert_eq!(receiver.open_rtp(&mut packet(i, 5)), Err(Fault::Forged));
            assert!(receiver.open_rtp(&mut good[..20].to_vec()).is_err());
            assert_eq!(opened(&mut receiver, &good), Ok(packet(i, 5)), "{suite:?} {i}");
        }
        for len in 0..40 {
            assert!(
                receiver.open_rtp(&mut vec![0x80; len]).is_err() && receiver.open_rtcp(&mut vec![0x80; len]).is_err()
            );
        }
        // Another source of the same peer, as after a transfer behind it; five of them, of which four are remembered.
        for ssrc in 6..11 {
            let mut sender = Sender::new(&master(suite)).unwrap();
            assert!(opened(&mut receiver, &sealed(&mut sender, &packet(9, ssrc))).is_ok());
        }
    }
}

#[test]
fn rtcp_is_carried_once_and_not_forged() {
    for suite in Suite::ALL {
        let mut sender = Sender::new(&master(suite)).unwrap();
        let mut receiver = Receiver::new(&master(suite), 0).unwrap();
        for i in 0..300u32 {
            let mut plain = vec![0x80, 201, 0, 2];
            plain.extend(9u32.to_be_bytes());
            plain.extend(i.to_be_bytes());
            let mut buffer = plain.clone();
            buffer.resize(plain.len() + 40, 0);
            let len = sender.seal_rtcp(&mut buffer, plain.len()).unwrap();
            let packet = buffer[..len].to_vec();
            let mut bad = packet.clone();
            bad[len - 2] ^= 1;
            assert!(receiver.open_rtcp(&mut bad).is_err());
            let mut good = packet.clone();
            assert_eq!(receiver.open_rtcp(&mut good), Ok(plain.len()), "{suite:?} {i}");
            assert_eq!(good[..plain.len()], plain);
            assert_eq!(receiver.open_rtcp(&mut packet.clone()), Err(Fault::Replayed));
        }
    }
}
