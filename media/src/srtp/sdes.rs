//! `a=crypto`: RFC 4568 §9.

use super::{MasterKey, Suite};
use std::fmt::{Display, Formatter};

/// The most octets of a master key identifier.
const MAX_IDENTIFIER: usize = 128;

/// One line: a suite and a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// Which line of an offer it is, and which one an answer accepts.
    pub tag: u32,
    /// The key of who says it.
    pub key: MasterKey,
    /// Octets of the identifier before each tag of who says it; 0 for none.
    pub identifier: usize,
}

impl Crypto {
    /// Reads the attribute's value. `None` for suites, keys and parameters that are not for us: the next line may be.
    pub fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let tag = fields.next()?.parse().ok().filter(|tag| *tag <= 999_999_999)?;
        let name = fields.next()?;
        let suite = Suite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))?;
        let parameters = fields.next()?;
        // Several keys at once would have to be told apart by their identifiers.
        let (method, rest) = parameters.split_once(':').filter(|_| !parameters.contains(';'))?;
        if !method.eq_ignore_ascii_case("inline") {
            return None;
        }
        let mut parts = rest.split('|');
        let key = MasterKey::new(suite, &from_base64(parts.next()?)?)?;
        let mut identifier = 0;
        for part in parts {
            // The other thing that may stand here is a lifetime, longer than any call.
            if let Some((_, len)) = part.split_once(':') {
                identifier = len.parse().ok().filter(|len| (1..=MAX_IDENTIFIER).contains(len))?;
            }
        }
        // A window-size hint is a hint; everything else changes what is on the wire.
        fields.all(|field| field.to_ascii_uppercase().starts_with("WSH=")).then_some(Self { tag, key, identifier })
    }
}

impl Display for Crypto {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} inline:{}", self.tag, self.key.suite().name(), to_base64(self.key.octets()))
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn to_base64(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, octet| word << 8 | u32::from(*octet)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = ALPHABET[(word >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// Padding may be missing, as some phones leave it out; at most [`MasterKey::MAX`] octets.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let (mut octets, mut word, mut bits) = (Vec::new(), 0u32, 0);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|a| *a == letter)?;
        word = word << 6 | value as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            octets.push((word >> bits) as u8);
        }
        if octets.len() > MasterKey::MAX {
            return None;
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_rfc_and_of_real_phones_are_read() {
        // RFC 4568 §5, and what Snom, Yealink and Linphone send.
        for (line, identifier) in [
            ("1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:4", 4),
            ("2 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20|1:32 WSH=64", 32),
            ("1 aes_cm_128_hmac_sha1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR", 0),
            ("3 AEAD_AES_128_GCM INLINE:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw|2^31", 0),
            ("4 AEAD_AES_256_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKis=", 0),
        ] {
            let crypto = Crypto::parse(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(crypto.identifier, identifier);
            let again = Crypto::parse(&crypto.to_string()).unwrap();
            assert_eq!((again.tag, again.key), (crypto.tag, crypto.key));
        }
    }

    #[test]
    fn what_is_not_for_us_is_passed_over() {
        for line in [
            "",
            "1",
            "x AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR",
            "1 F8_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR",
            "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkp",
            "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVB!",
            "1 AES_CM_128_HMAC_SHA1_80 mikey:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR",
            "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR UNENCRYPTED_SRTP",
            "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR KDR=1",
            "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|1:999",
        ] {
            assert_eq!(Crypto::parse(line), None, "{line}");
        }
        let key = MasterKey::new(Suite::AeadAes128Gcm, &[7; 28]).unwrap();
        assert!(!format!("{key:?}").contains('7'));
    }
}
