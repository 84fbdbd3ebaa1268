use super::*;

/// Of what libgsm encodes and decodes.
const ENCODED: u64 = 0xc5e7_d65b_e4df_af06;
const DECODED: u64 = 0xa316_6f86_38d0_dc84;

/// FNV-1a.
fn hash(octets: impl IntoIterator<Item = u8>) -> u64 {
    octets.into_iter().fold(0xcbf2_9ce4_8422_2325, |h, o| (h ^ u64::from(o)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn a_frame_is_written_as_it_was_read() {
    let mut seed = 9u32;
    for _ in 0..200 {
        let mut octets = [0; OCTETS];
        octets.iter_mut().for_each(|octet| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *octet = (seed >> 24) as u8;
        });
        octets[0] = octets[0] & 0x0f | 0xd0;
        let mut again = [0; OCTETS];
        Parameters::read(&octets).unwrap().write(&mut again);
        assert_eq!(octets, again);
        // Whatever the parameters, it decodes.
        let mut pcm = [0; FRAME];
        assert_eq!(Decoder::default().decode(&octets, &mut pcm), FRAME);
        octets[0] &= 0x7f;
        assert_eq!(Decoder::default().decode(&octets, &mut pcm), 0);
    }
}

#[test]
fn extremes_do_not_overflow() {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    let (mut octets, mut pcm) = ([0; OCTETS], [0; FRAME]);
    for (period, low, high) in [(1, -32_768, -32_768), (7, -32_768, 32_767), (80, 32_767, -32_768), (1, 32_767, 32_767)]
    {
        for at in 0..50usize {
            let loud: Vec<i16> =
                (0..FRAME).map(|i| if ((at * FRAME + i) / period).is_multiple_of(2) { low } else { high }).collect();
            assert_eq!(encoder.encode(&loud, &mut octets), OCTETS);
            assert_eq!(decoder.decode(&octets, &mut pcm), FRAME);
        }
    }
}

/// A second of whole numbers: a falling tone, bursts of noise, silence.
fn material() -> Vec<i16> {
    let mut seed = 77u32;
    let sample = |i: i32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (seed >> 20) as i32 - 2_048;
        let saw = (i * (90 - i / 400)) % 16_000 - 8_000;
        match i / 800 % 5 {
            0 | 1 => saw + noise / 8,
            2 => noise * 3,
            3 => saw * 2 / 3 + noise,
            _ => noise / 200,
        }
    };
    (0..16_000).map(sample).map(|s| s as i16).collect()
}

#[test]
fn it_agrees_with_libgsm_bit_by_bit() {
    let pcm = material();
    let mut octets = vec![0; pcm.len() / FRAME * OCTETS];
    assert_eq!(Encoder::default().encode(&pcm, &mut octets), octets.len());
    let mut back = vec![0; pcm.len()];
    assert_eq!(Decoder::default().decode(&octets, &mut back), back.len());
    // What libgsm 1.0.22 makes of the same.
    assert_eq!(hash(octets), ENCODED);
    assert_eq!(hash(back.iter().flat_map(|s| s.to_le_bytes())), DECODED);
}
