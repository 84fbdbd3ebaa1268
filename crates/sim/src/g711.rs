//! G.711 as the phones speak it: written from ITU-T G.711 for this side alone, so that the switch's tables have an independent judge.

/// The two laws.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Law {
    /// µ-law, payload type 0.
    Mu,
    /// A-law, payload type 8.
    A,
}

impl Law {
    /// The law of a static payload type (RFC 3551 §6).
    pub(crate) fn of_payload_type(pt: u8) -> Option<Self> {
        match pt {
            0 => Some(Self::Mu),
            8 => Some(Self::A),
            _ => None,
        }
    }

    pub(crate) fn payload_type(self) -> u8 {
        match self {
            Self::Mu => 0,
            Self::A => 8,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mu => "PCMU",
            Self::A => "PCMA",
        }
    }

    pub(crate) fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => encode_mu(sample),
            Self::A => encode_a(sample),
        }
    }

    pub(crate) fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Mu => decode_mu(byte),
            Self::A => decode_a(byte),
        }
    }
}

fn encode_mu(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample).abs() >> 2).min(8158) + 33;
    let segment = (31 - (magnitude as u32).leading_zeros()) - 5;
    let step = (magnitude >> (segment + 1)) & 0x0f;
    !(sign | (segment as u8) << 4 | step as u8)
}

fn decode_mu(byte: u8) -> i16 {
    let byte = !byte;
    let (segment, step) = (u32::from(byte >> 4 & 7), i32::from(byte & 0x0f));
    let magnitude = ((2 * step + 33) << segment) - 33;
    let value = (magnitude << 2) as i16;
    if byte & 0x80 != 0 { -value } else { value }
}

fn encode_a(sample: i16) -> u8 {
    // ITU-T G.711 counts magnitudes in 12 bits; negative ones are one less, so that both signs have 128 steps.
    let (sign, magnitude) =
        if sample >= 0 { (0x80, i32::from(sample) >> 4) } else { (0, (-i32::from(sample) - 1) >> 4) };
    let code = if magnitude < 16 {
        magnitude
    } else {
        let segment = 31 - (magnitude as u32).leading_zeros() as i32 - 3;
        (segment << 4) | ((magnitude >> (segment - 1)) & 0x0f)
    };
    (code as u8 | sign) ^ 0x55
}

fn decode_a(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (segment, step) = (i32::from(byte >> 4 & 7), i32::from(byte & 0x0f));
    let magnitude = if segment == 0 { 2 * step + 1 } else { (2 * step + 33) << (segment - 1) };
    let value = (magnitude << 3) as i16;
    if byte & 0x80 != 0 { value } else { -value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_the_recommendation() {
        assert_eq!((encode_mu(0), encode_mu(32_767), encode_mu(-32_768)), (0xff, 0x80, 0x00));
        assert_eq!((encode_a(0), encode_a(32_767), encode_a(-32_768)), (0xd5, 0xaa, 0x2a));
        assert_eq!((decode_mu(0x80), decode_mu(0xff)), (32_124, 0));
        assert_eq!((decode_a(0xaa), decode_a(0xd5)), (32_256, 8));
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for byte in 0..=255u8 {
            assert_eq!(encode_a(decode_a(byte)), byte);
            // µ-law has two zeros.
            assert!(encode_mu(decode_mu(byte)) == byte || byte == 0x7f);
        }
    }
}
