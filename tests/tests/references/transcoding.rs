//! One codec into another, by the switch's codecs and by the reference libraries': as near to the original, and as loud.

use crate::measure::{level, snr};
use crate::opus;
use crate::oracle::{ask, octets, samples, seconds, unpacked};
use media::codec::resample::Resampler;
use media::codec::{Codec, Decoder, Encoder, MAX_PAYLOAD, MAX_SAMPLES};
use media::g711::Law;
use media::testing::Speech;

const MS: usize = 20;

const ALL: [Codec; 5] = [Codec::G711(Law::Mu), Codec::G711(Law::A), Codec::G722, Codec::Gsm, Codec::Opus];

/// By the library, and heard by the library.
fn encode_there(codec: Codec, pcm: &[i16]) -> Vec<Vec<u8>> {
    let packets = |octets: Vec<u8>, len: usize| octets.chunks(len).map(<[u8]>::to_vec).collect();
    match codec {
        Codec::G711(Law::Mu) => packets(ask(&["ulaw-encode"], &octets(pcm)), 160),
        Codec::G711(Law::A) => packets(ask(&["alaw-encode"], &octets(pcm)), 160),
        Codec::G722 => packets(ask(&["g722-encode"], &octets(pcm)), 160),
        Codec::Gsm => packets(ask(&["gsm-encode"], &octets(pcm)), 33),
        _ => unpacked(&ask(&["opus-encode", "16000", "20", "24000", "5", "1", "5", "0"], &octets(pcm))),
    }
}

fn decode_there(codec: Codec, packets: &[Vec<u8>]) -> Vec<i16> {
    let what = match codec {
        Codec::G711(Law::Mu) => "ulaw-decode",
        Codec::G711(Law::A) => "alaw-decode",
        Codec::G722 => "g722-decode",
        Codec::Gsm => "gsm-decode",
        _ => return opus::decode_there(packets, MS),
    };
    samples(&ask(&[what], &packets.concat()))
}

fn encode(codec: Codec, pcm: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec);
    let mut to = [0; MAX_PAYLOAD];
    let frames = pcm.chunks_exact(codec.rate() as usize / 1_000 * MS);
    let one = |frame| {
        let len = encoder.encode(frame, &mut to);
        to[..len].to_vec()
    };
    frames.map(one).collect()
}

fn decode(codec: Codec, packets: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = Decoder::new(codec);
    let mut to = [0; MAX_SAMPLES];
    let one = |packet: &Vec<u8>| {
        let len = decoder.decode(packet, &mut to);
        to[..len].to_vec()
    };
    packets.iter().flat_map(one).collect()
}

fn resampled(pcm: &[i16], from: Codec, to: Codec) -> Vec<i16> {
    let Some(mut resampler) = Resampler::new(from.rate(), to.rate()) else { return pcm.to_vec() };
    let mut out = vec![0; to.rate() as usize / 50];
    let frames = pcm.chunks_exact(from.rate() as usize / 50);
    let one = |frame| {
        let len = resampler.run(frame, &mut out);
        out[..len].to_vec()
    };
    frames.flat_map(one).collect()
}

#[test]
fn each_transcode_is_within_a_decibel_of_the_reference() {
    for from in ALL {
        let mut pcm = Speech::new(11, from.rate(), 40).take_samples(seconds() * from.rate() as usize);
        pcm.truncate(pcm.len() / 960 * 960);
        let came = encode_there(from, &pcm);
        for to in ALL.into_iter().filter(|to| *to != from) {
            let original = resampled(&pcm, from, to);
            let ours = decode_there(to, &encode(to, &resampled(&decode(from, &came), from, to)));
            let theirs = decode_there(to, &encode_there(to, &resampled(&decode_there(from, &came), from, to)));
            let (own, _) = snr(&original, &ours, 500);
            let (reference, _) = snr(&original, &theirs, 500);
            let louder = level(&ours) - level(&original);
            println!("{from:?} → {to:?}: ours {own:.2} dB, reference {reference:.2} dB, level {louder:+.2} dB");
            assert!(own > reference - 1.0, "{from:?} → {to:?}: {own:.2} dB, reference {reference:.2} dB");
            assert!(louder.abs() < 1.0, "{from:?} → {to:?}: {louder:+.2} dB");
        }
    }
}
