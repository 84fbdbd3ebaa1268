//! Our Opus and libopus, each with the other's packets: sound, loss, silence, and what is no Opus at all.

use crate::measure::{level, snr};
use crate::oracle::{ask, octets, packed, samples, seconds, unpacked};
use media::codec::{Codec, Decoder, Encoder, MAX_PAYLOAD, MAX_SAMPLES};
use media::testing::Speech;
use stdx::Entropy;

const RATE: usize = 16_000;

fn material(seed: u64, noise: i16) -> Vec<i16> {
    let mut pcm = Speech::new(seed, RATE as u32, noise).take_samples(seconds() * RATE);
    pcm.truncate(pcm.len() / 960 * 960);
    pcm
}

/// As the switch encodes.
pub(crate) fn encode(pcm: &[i16], ms: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(Codec::Opus);
    let mut to = [0; MAX_PAYLOAD];
    let packets = pcm.chunks_exact(RATE / 1_000 * ms).map(|frame| {
        let len = encoder.encode(frame, &mut to);
        assert!(len > 0);
        to[..len].to_vec()
    });
    packets.collect()
}

/// What the switch hears of packets; an empty one is lost and made up for, with the help of the one after it.
pub(crate) fn decode(packets: &[Vec<u8>], ms: usize) -> Vec<i16> {
    let mut decoder = Decoder::new(Codec::Opus);
    let mut to = [0; MAX_SAMPLES];
    let len = RATE / 1_000 * ms;
    let mut pcm = Vec::new();
    for (i, packet) in packets.iter().enumerate() {
        let made = if packet.is_empty() {
            let following = packets.get(i + 1).filter(|p| !p.is_empty());
            if following.is_none() && i + 1 == packets.len() {
                break;
            }
            assert!(decoder.make_up(following.map(|p| &p[..]), &mut to[..len]));
            len
        } else {
            decoder.decode(packet, &mut to)
        };
        pcm.extend_from_slice(&to[..made]);
    }
    pcm
}

/// As libopus encodes, by the switch's settings unless told otherwise.
fn encode_there(pcm: &[i16], ms: usize, bitrate: u32, fec: bool, dtx: bool) -> Vec<Vec<u8>> {
    let [ms, bitrate] = [ms as u32, bitrate].map(|n| n.to_string());
    let [fec, dtx] = [fec, dtx].map(|on| u8::from(on).to_string());
    unpacked(&ask(&["opus-encode", "16000", &ms, &bitrate, "5", &fec, "5", &dtx], &octets(pcm)))
}

pub(crate) fn decode_there(packets: &[Vec<u8>], ms: usize) -> Vec<i16> {
    samples(&ask(&["opus-decode", "16000", &ms.to_string(), "1"], &packed(packets)))
}

#[test]
fn what_libopus_encodes_is_heard_as_libopus_hears_it() {
    for (seed, noise) in [(1, 0), (2, 300), (3, 4_000)] {
        let pcm = material(seed, noise);
        for ms in [10, 20, 40, 60] {
            for (bitrate, fec, dtx) in
                [(9_000, false, true), (24_000, true, false), (48_000, true, true), (96_000, false, false)]
            {
                let packets = encode_there(&pcm, ms, bitrate, fec, dtx);
                let (ours, theirs) = (decode(&packets, ms), decode_there(&packets, ms));
                assert_eq!(ours.len(), theirs.len());
                let (near, shift) = snr(&theirs, &ours, 0);
                println!("libopus → both: noise {noise}, {ms} ms, {bitrate} bit/s: {near:.1} dB");
                // In the pauses of a sender that is silent each makes up noise of its own: as loud, but not the same.
                let louder = level(&ours) - level(&theirs);
                assert!(louder.abs() < 0.5, "noise {noise}, {ms} ms, {bitrate} bit/s: {louder:+.2} dB");
                assert!(dtx || (near > 40.0 && shift == 0), "noise {noise}, {ms} ms, {bitrate} bit/s: {near:.1} dB");
            }
        }
    }
}

#[test]
fn what_we_encode_is_heard_by_libopus_as_by_us_and_sounds_no_worse_than_its_own() {
    for (seed, noise) in [(1, 0), (2, 300), (3, 4_000)] {
        let pcm = material(seed, noise);
        for ms in [10, 20, 40, 60] {
            let packets = encode(&pcm, ms);
            let theirs = decode_there(&packets, ms);
            let (near, _) = snr(&theirs, &decode(&packets, ms), 0);
            let own = decode_there(&encode_there(&pcm, ms, 24_000, true, false), ms);
            let ((ours, _), (own, _)) = (snr(&pcm, &theirs, 400), snr(&pcm, &own, 400));
            println!(
                "we → both: noise {noise}, {ms} ms: {near:.1} dB apart; SNR ours {ours:.2} dB, libopus {own:.2} dB"
            );
            assert!(near > 40.0, "noise {noise}, {ms} ms: {near:.1} dB");
            assert!(ours > own - 1.0, "noise {noise}, {ms} ms: {ours:.2} dB, libopus {own:.2} dB");
        }
    }
}

#[test]
fn what_is_lost_is_made_up_as_well_as_libopus_does() {
    for percent in [1, 5, 10, 20] {
        for ms in [10, 20, 40, 60] {
            let pcm = material(7, 60);
            let mut entropy = Entropy::seeded(percent * 100 + ms as u64);
            let mut packets = encode_there(&pcm, ms, 24_000, true, false);
            let intact = decode_there(&packets, ms);
            packets.iter_mut().skip(1).for_each(|packet| {
                if entropy.below(100) < percent {
                    packet.clear();
                }
            });
            packets.pop_if(|last| last.is_empty());
            let (ours, theirs) = (decode(&packets, ms), decode_there(&packets, ms));
            assert_eq!(ours.len(), theirs.len());
            let ((ours, _), (theirs, _)) = (snr(&intact, &ours, 0), snr(&intact, &theirs, 0));
            println!("loss {percent} %, {ms} ms: ours {ours:.2} dB, libopus {theirs:.2} dB");
            assert!(ours > theirs - 1.0, "loss {percent} %, {ms} ms: ours {ours:.2} dB, libopus {theirs:.2} dB");
        }
    }
}

#[test]
fn what_is_no_opus_is_refused_where_libopus_refuses_it() {
    let mut entropy = Entropy::seeded(1);
    let good = encode(&material(1, 300)[..RATE * 4], 20);
    let packets: Vec<Vec<u8>> = (0..20_000)
        .map(|i| {
            let mut packet = match i % 3 {
                0 => {
                    let len = 1 + entropy.below(300) as usize;
                    (0..len).map(|_| entropy.u32() as u8).collect()
                }
                _ => good[i % good.len()].clone(),
            };
            match i % 5 {
                0 => packet[0] = entropy.u32() as u8,
                1 => packet.truncate(1 + entropy.below(packet.len() as u64) as usize),
                2 => {
                    let at = entropy.below(packet.len() as u64) as usize;
                    packet[at] ^= 1 << entropy.below(8);
                }
                _ => {}
            }
            packet
        })
        .collect();
    let verdicts = ask(&["opus-judge"], &packed(&packets));
    let mut decoder = Decoder::new(Codec::Opus);
    let mut to = [0; MAX_SAMPLES];
    let mut refused = 0;
    for (packet, verdict) in packets.iter().zip(verdicts) {
        let made = decoder.decode(packet, &mut to);
        refused += u32::from(made == 0);
        // 2.5 ms are 40 samples at 16 kHz.
        assert_eq!(made, usize::from(verdict) * 40, "{packet:02x?}");
    }
    assert!((500..15_000).contains(&refused), "{refused}");
}
