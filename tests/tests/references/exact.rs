//! Codecs of which the standard says every bit.

use crate::oracle::{ask, octets, samples, seconds};
use media::codec::{Codec, Decoder, Encoder, g722, gsm};
use media::g711::Law;
use media::testing::Speech;
use stdx::Entropy;

/// Speech in quiet, in noise, in a din; full scale; pure noise.
fn material(rate: u32) -> Vec<i16> {
    let part = seconds() * rate as usize / 4;
    let mut pcm = Vec::new();
    for (seed, noise) in [(1, 0), (2, 60), (3, 800), (4, 6_000)] {
        pcm.extend(Speech::new(seed, rate, noise).take_samples(part));
    }
    pcm.extend((0..rate).map(|i| if i / 11 % 2 == 0 { 32_767 } else { -32_768 }));
    let whole = pcm.len() / 960 * 960;
    pcm.truncate(whole);
    pcm
}

#[test]
fn g711_is_the_same_for_every_value() {
    let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    let every: Vec<u8> = (0..=255).collect();
    for (law, name) in [(Law::A, "alaw"), (Law::Mu, "ulaw")] {
        let encoded = ask(&[&format!("{name}-encode")], &octets(&all));
        let ours: Vec<u8> = all.iter().map(|s| law.encode(*s)).collect();
        let other = ours.iter().zip(&encoded).zip(&all).filter(|((a, b), _)| a != b).map(|(_, s)| *s);
        let other: Vec<i16> = other.collect();
        assert!(other.is_empty(), "{name}: {} values differ: {:?} …", other.len(), &other[..other.len().min(20)]);
        let decoded = samples(&ask(&[&format!("{name}-decode")], &every));
        assert_eq!(decoded, every.iter().map(|o| law.decode(*o)).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn g722_is_the_same_as_spandsp_in_every_bit() {
    let pcm = material(16_000);
    let theirs = ask(&["g722-encode"], &octets(&pcm));
    let mut ours = vec![0; pcm.len() / 2];
    g722::Encoder::default().encode(&pcm, &mut ours);
    assert!(ours == theirs, "octet {:?} differs", ours.iter().zip(&theirs).position(|(a, b)| a != b));
    g722_decodes_alike(&ours);
}

/// What a lost packet takes with it, the next ones do not have; what a faulty phone sends may be anything.
#[test]
fn g722_is_decoded_like_spandsp_after_losses_and_from_any_octets() {
    let pcm = material(16_000);
    let mut encoded = vec![0; pcm.len() / 2];
    g722::Encoder::default().encode(&pcm, &mut encoded);
    for percent in [1, 5, 20] {
        let mut dice = Entropy::seeded(percent);
        let kept = encoded.chunks(160).filter(|_| u64::from(dice.u32() % 100) >= percent);
        g722_decodes_alike(&kept.flatten().copied().collect::<Vec<_>>());
    }
    let mut dice = Entropy::seeded(722);
    g722_decodes_alike(&(0..encoded.len()).map(|_| dice.u32() as u8).collect::<Vec<_>>());
}

fn g722_decodes_alike(encoded: &[u8]) {
    let theirs = samples(&ask(&["g722-decode"], encoded));
    let mut ours = vec![0; encoded.len() * 2];
    g722::Decoder::default().decode(encoded, &mut ours);
    let other: Vec<(usize, i16, i16)> =
        (0..ours.len()).filter(|i| ours[*i] != theirs[*i]).map(|i| (i, ours[i], theirs[i])).collect();
    // Where the sound reaches full scale spandsp's filter overflows: the Recommendation limits there (§4.4.2), and so do we.
    let overflown =
        |(_, ours, theirs): &(usize, i16, i16)| ours.unsigned_abs() >= 32_767 && (*ours < 0) != (*theirs < 0);
    assert!(other.iter().all(overflown), "{} samples differ: {:?} …", other.len(), &other[..other.len().min(20)]);
}

#[test]
fn gsm_is_the_same_as_libgsm_in_every_bit() {
    let pcm = material(8_000);
    let theirs = ask(&["gsm-encode"], &octets(&pcm));
    let mut ours = vec![0; pcm.len() / gsm::FRAME * gsm::FRAME_OCTETS];
    assert_eq!(Encoder::new(Codec::Gsm).encode(&pcm, &mut ours), ours.len());
    assert!(ours == theirs, "octet {:?} differs", ours.iter().zip(&theirs).position(|(a, b)| a != b));
    let theirs = samples(&ask(&["gsm-decode"], &ours));
    let mut back = vec![0; pcm.len()];
    assert_eq!(Decoder::new(Codec::Gsm).decode(&ours, &mut back), back.len());
    assert!(back == theirs, "sample {:?} differs", back.iter().zip(&theirs).position(|(a, b)| a != b));
}
