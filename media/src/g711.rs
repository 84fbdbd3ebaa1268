//! G.711: A-law and µ-law, and from one to the other without a decoder.

/// Which of the two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// PCMU, payload type 0.
    Mu,
    /// PCMA, payload type 8.
    A,
}

impl Law {
    /// The octet that is silence.
    pub const fn silence(self) -> u8 {
        match self {
            Law::Mu => 0xff,
            Law::A => 0xd5,
        }
    }

    /// One sample of 16-bit linear PCM.
    #[inline]
    pub fn decode(self, octet: u8) -> i16 {
        match self {
            Law::Mu => MU_DECODE[usize::from(octet)],
            Law::A => A_DECODE[usize::from(octet)],
        }
    }

    /// One octet.
    #[inline]
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Law::Mu => mu_encode(sample),
            Law::A => a_encode(sample),
        }
    }

    /// The other law.
    pub const fn other(self) -> Self {
        match self {
            Law::Mu => Law::A,
            Law::A => Law::Mu,
        }
    }

    /// Rewrites a payload of this law into the other, in place.
    pub fn convert(self, payload: &mut [u8]) {
        let table = match self {
            Law::Mu => &MU_TO_A,
            Law::A => &A_TO_MU,
        };
        for octet in payload {
            *octet = table[usize::from(*octet)];
        }
    }
}

static MU_DECODE: [i16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = mu_decode(i as u8);
        i += 1;
    }
    table
};

static A_DECODE: [i16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = a_decode(i as u8);
        i += 1;
    }
    table
};

static MU_TO_A: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = a_encode(mu_decode(i as u8));
        i += 1;
    }
    // Both µ zeros are A's smallest positive step, so that silence stays silence.
    table[0x7f] = Law::A.silence();
    table[0xff] = Law::A.silence();
    table
};

static A_TO_MU: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = mu_encode(a_decode(i as u8));
        i += 1;
    }
    table[0xd5] = Law::Mu.silence();
    table[0x55] = Law::Mu.silence();
    table
};

const MU_BIAS: i32 = 0x84;
const MU_CLIP: i32 = 32_635;

const fn mu_decode(octet: u8) -> i16 {
    let octet = !octet;
    let magnitude = ((((octet & 0x0f) as i32) << 3) + MU_BIAS) << ((octet & 0x70) >> 4);
    let sample = magnitude - MU_BIAS;
    (if octet & 0x80 != 0 { -sample } else { sample }) as i16
}

const fn mu_encode(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0x80u8, -(sample as i32)) } else { (0, sample as i32) };
    let magnitude = (if magnitude > MU_CLIP { MU_CLIP } else { magnitude }) + MU_BIAS;
    // The bias puts the top bit at 7 or above.
    let exponent = 31 - (magnitude as u32).leading_zeros() - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | ((exponent as u8) << 4) | mantissa as u8)
}

const fn a_decode(octet: u8) -> i16 {
    let octet = octet ^ 0x55;
    let mantissa = ((octet & 0x0f) as i32) << 4;
    let exponent = (octet & 0x70) >> 4;
    let magnitude = if exponent == 0 { mantissa + 8 } else { (mantissa + 0x108) << (exponent - 1) };
    (if octet & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

const fn a_encode(sample: i16) -> u8 {
    // Negative values are one's complement, so that the decision levels are symmetric.
    let (sign, magnitude) = if sample < 0 { (0u8, !sample as i32) } else { (0x80, sample as i32) };
    let magnitude = magnitude >> 4;
    let code = if magnitude < 16 {
        magnitude as u8
    } else {
        let exponent = 31 - (magnitude as u32).leading_zeros() - 3;
        ((exponent as u8) << 4) | ((magnitude >> (exponent - 1)) & 0x0f) as u8
    };
    (sign | code) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_survives_decode_and_encode() {
        for octet in 0..=255u8 {
            assert_eq!(Law::A.encode(Law::A.decode(octet)), octet, "A {octet:#x}");
            // µ-law has two zeros; 0x7f is the negative one.
            let expected = if octet == 0x7f { 0xff } else { octet };
            assert_eq!(Law::Mu.encode(Law::Mu.decode(octet)), expected, "µ {octet:#x}");
        }
    }

    #[test]
    fn the_known_points_of_both_laws() {
        // G.711 tables 1a and 2a, scaled to 16 bits.
        for (law, octet, sample) in [
            (Law::Mu, 0x80, 32_124),
            (Law::Mu, 0x00, -32_124),
            (Law::Mu, 0xff, 0),
            (Law::A, 0xaa, 32_256),
            (Law::A, 0x2a, -32_256),
            (Law::A, 0xd5, 8),
            (Law::A, 0x55, -8),
        ] {
            assert_eq!(law.decode(octet), sample, "{law:?} {octet:#x}");
        }
    }

    #[test]
    fn quantisation_error_stays_within_the_step_and_conversion_within_two() {
        for sample in (-32_000..32_000i16).step_by(7) {
            for law in [Law::A, Law::Mu] {
                let step = (i32::from(sample).abs() / 16).max(16);
                let decoded = i32::from(law.decode(law.encode(sample)));
                assert!((decoded - i32::from(sample)).abs() <= step, "{law:?} {sample} → {decoded}");
                let mut octets = [law.encode(sample)];
                law.convert(&mut octets);
                let converted = i32::from(law.other().decode(octets[0]));
                assert!((converted - i32::from(sample)).abs() <= 2 * step, "{law:?} {sample} ⇒ {converted}");
            }
        }
    }

    #[test]
    fn silence_converts_to_silence() {
        let mut payload = [0xff, 0x7f];
        Law::Mu.convert(&mut payload);
        assert_eq!(payload, [0xd5, 0xd5]);
        let mut payload = [0xd5, 0x55];
        Law::A.convert(&mut payload);
        assert_eq!(payload, [0xff, 0xff]);
    }
}
