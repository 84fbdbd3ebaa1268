//! Suites, key derivation, and the transforms.

use super::{Fault, RTCP_CLEAR};
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

/// A crypto suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// AES in counter mode with a tag of 80 bits: RFC 4568 §6.2.
    AesCm128HmacSha1_80,
    /// The same with a tag of 32 bits on RTP.
    AesCm128HmacSha1_32,
    /// AES-GCM: RFC 7714.
    AeadAes128Gcm,
    /// The same with a key of 256 bits.
    AeadAes256Gcm,
}

impl Suite {
    /// Every suite, in the order in which they are offered: what every phone has comes first.
    pub const ALL: [Self; 4] =
        [Self::AesCm128HmacSha1_80, Self::AeadAes256Gcm, Self::AeadAes128Gcm, Self::AesCm128HmacSha1_32];

    /// Its name in `a=crypto`.
    pub const fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Octets of the master key, and of the master salt.
    pub const fn lengths(self) -> (usize, usize) {
        match self {
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => (16, 14),
            Suite::AeadAes128Gcm => (16, 12),
            Suite::AeadAes256Gcm => (32, 12),
        }
    }

    const fn is_aead(self) -> bool {
        matches!(self, Suite::AeadAes128Gcm | Suite::AeadAes256Gcm)
    }
}

/// A master key with its salt. Its `Debug` does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    octets: [u8; Self::MAX],
}

impl MasterKey {
    /// The most octets of a key and its salt.
    pub const MAX: usize = 44;

    /// Key and salt, one after the other; `None` if they are not of the suite's length.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Option<Self> {
        let (key, salt) = suite.lengths();
        let mut octets = [0; Self::MAX];
        octets.get_mut(..key_and_salt.len())?.copy_from_slice(key_and_salt);
        (key_and_salt.len() == key + salt).then_some(Self { suite, octets })
    }

    /// For which suite it is.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt, one after the other.
    pub fn octets(&self) -> &[u8] {
        let (key, salt) = self.suite.lengths();
        &self.octets[..key + salt]
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        self.octets().split_at(self.suite.lengths().0)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKey").field("suite", &self.suite).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Rtp,
    Rtcp,
}

/// What is derived for one of the two protocols.
#[derive(Debug)]
pub(super) struct SessionKeys {
    cipher: Cipher,
    salt: [u8; 14],
}

#[derive(Debug)]
// Two of each port that is encrypted, in a box there.
#[expect(clippy::large_enum_variant)]
enum Cipher {
    Counter { key: EncryptingKey, auth: hmac::Key, tag: usize },
    Gcm(LessSafeKey),
}

const GCM_TAG: usize = 16;

impl SessionKeys {
    pub(super) fn rtp(master: &MasterKey) -> Option<Self> {
        Self::derive(master, Direction::Rtp)
    }

    pub(super) fn rtcp(master: &MasterKey) -> Option<Self> {
        Self::derive(master, Direction::Rtcp)
    }

    fn derive(master: &MasterKey, direction: Direction) -> Option<Self> {
        let [encryption, authentication, salting] = direction.labels();
        let (key_len, salt_len) = master.suite.lengths();
        let mut key = [0; 32];
        derive(master, encryption, &mut key[..key_len])?;
        let mut salt = [0; 14];
        derive(master, salting, &mut salt[..salt_len])?;
        let cipher = if master.suite.is_aead() {
            let algorithm = if key_len == 16 { &aead::AES_128_GCM } else { &aead::AES_256_GCM };
            Cipher::Gcm(LessSafeKey::new(UnboundKey::new(algorithm, &key[..key_len]).ok()?))
        } else {
            let mut auth = [0; 20];
            derive(master, authentication, &mut auth)?;
            // A short tag is for RTP alone (RFC 4568 §6.2.2).
            let short = master.suite == Suite::AesCm128HmacSha1_32 && direction == Direction::Rtp;
            Cipher::Counter {
                key: counter_key(&key[..key_len])?,
                auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth),
                tag: if short { 4 } else { 10 },
            }
        };
        Some(Self { cipher, salt })
    }

    pub(super) fn seal_rtp(
        &self,
        buffer: &mut [u8],
        header: usize,
        len: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        match &self.cipher {
            Cipher::Counter { key, auth, tag } => {
                let end = len + tag;
                let packet = buffer.get_mut(..end)?;
                run(key, self.counter(ssrc, index), &mut packet[header..len])?;
                let mac = authenticate(auth, &packet[..len], &((index >> 16) as u32).to_be_bytes());
                packet[len..].copy_from_slice(&mac.as_ref()[..*tag]);
                Some(end)
            }
            Cipher::Gcm(key) => {
                let packet = buffer.get_mut(..len + GCM_TAG)?;
                let (clear, rest) = packet.split_at_mut(header);
                let (payload, tag) = rest.split_at_mut(len - header);
                let made = key.seal_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(&*clear), payload).ok()?;
                tag.copy_from_slice(made.as_ref());
                Some(len + GCM_TAG)
            }
        }
    }

    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        identifier: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Fault> {
        match &self.cipher {
            Cipher::Counter { key, auth, tag } => {
                let (protected, rest) = split_end(packet, identifier + tag, header)?;
                let mac = authenticate(auth, protected, &((index >> 16) as u32).to_be_bytes());
                verify_slices_are_equal(&mac.as_ref()[..*tag], &rest[identifier..]).map_err(|_| Fault::Forged)?;
                run(key, self.counter(ssrc, index), &mut protected[header..]).ok_or(Fault::Malformed)?;
                Ok(protected.len())
            }
            Cipher::Gcm(key) => {
                // RFC 7714 §8: the identifier comes last.
                let (sealed, _) = split_end(packet, identifier, header + GCM_TAG)?;
                let (clear, payload) = sealed.split_at_mut(header);
                let opened = key.open_in_place(self.nonce(ssrc, index), Aad::from(&*clear), payload);
                opened.map(|plain| header + plain.len()).map_err(|_| Fault::Forged)
            }
        }
    }

    pub(super) fn seal_rtcp(&self, buffer: &mut [u8], len: usize, ssrc: u32, index: u32) -> Option<usize> {
        let count = u64::from(index & !super::ENCRYPTED);
        let trailer = index.to_be_bytes();
        match &self.cipher {
            Cipher::Counter { key, auth, tag } => {
                let packet = buffer.get_mut(..len + 4 + tag)?;
                run(key, self.counter(ssrc, count), packet.get_mut(RTCP_CLEAR..len)?)?;
                packet[len..len + 4].copy_from_slice(&trailer);
                let mac = authenticate(auth, &packet[..len + 4], &[]);
                packet[len + 4..].copy_from_slice(&mac.as_ref()[..*tag]);
                Some(len + 4 + tag)
            }
            Cipher::Gcm(key) => {
                let packet = buffer.get_mut(..len + GCM_TAG + 4)?;
                let known = rtcp_known(packet, trailer)?;
                let (body, tail) = packet[RTCP_CLEAR..].split_at_mut(len - RTCP_CLEAR);
                let made = key.seal_in_place_separate_tag(self.nonce_rtcp(ssrc, count), Aad::from(known), body).ok()?;
                tail[..GCM_TAG].copy_from_slice(made.as_ref());
                tail[GCM_TAG..].copy_from_slice(&trailer);
                Some(len + GCM_TAG + 4)
            }
        }
    }

    /// The index word of an SRTCP packet, with its bit for encryption.
    pub(super) fn rtcp_index(&self, packet: &[u8], identifier: usize) -> Option<u32> {
        let after = identifier
            + match &self.cipher {
                Cipher::Counter { tag, .. } => *tag,
                Cipher::Gcm(_) => 0,
            };
        super::word(packet, packet.len().checked_sub(after + 4).filter(|at| *at >= RTCP_CLEAR)?)
    }

    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        identifier: usize,
        ssrc: u32,
        index: u32,
    ) -> Result<usize, Fault> {
        let count = u64::from(index & !super::ENCRYPTED);
        let encrypted = index & super::ENCRYPTED != 0;
        match &self.cipher {
            Cipher::Counter { key, auth, tag } => {
                let (protected, rest) = split_end(packet, identifier + tag, RTCP_CLEAR + 4)?;
                let mac = authenticate(auth, protected, &[]);
                verify_slices_are_equal(&mac.as_ref()[..*tag], &rest[identifier..]).map_err(|_| Fault::Forged)?;
                let end = protected.len() - 4;
                if encrypted {
                    run(key, self.counter(ssrc, count), &mut protected[RTCP_CLEAR..end]).ok_or(Fault::Malformed)?;
                }
                Ok(end)
            }
            // What is only authenticated is nothing anybody sends (RFC 7714 §17).
            Cipher::Gcm(_) if !encrypted => Err(Fault::Forged),
            Cipher::Gcm(key) => {
                let known = rtcp_known(packet, index.to_be_bytes()).ok_or(Fault::Malformed)?;
                let (sealed, _) = split_end(packet, identifier + 4, RTCP_CLEAR + GCM_TAG)?;
                let body = &mut sealed[RTCP_CLEAR..];
                let opened = key.open_in_place(self.nonce_rtcp(ssrc, count), Aad::from(known), body);
                opened.map(|plain| RTCP_CLEAR + plain.len()).map_err(|_| Fault::Forged)
            }
        }
    }

    /// RFC 3711 §4.1.1.
    fn counter(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        mix(&mut iv[4..8], &ssrc.to_be_bytes());
        mix(&mut iv[8..14], &index.to_be_bytes()[2..]);
        iv
    }

    /// RFC 7714 §8.1.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut iv = [0; 12];
        iv.copy_from_slice(&self.salt[..12]);
        mix(&mut iv[2..6], &ssrc.to_be_bytes());
        mix(&mut iv[6..12], &index.to_be_bytes()[2..]);
        Nonce::assume_unique_for_key(iv)
    }

    /// RFC 7714 §9.1: the same place, of whose six octets the index takes the last four.
    fn nonce_rtcp(&self, ssrc: u32, index: u64) -> Nonce {
        self.nonce(ssrc, index)
    }
}

fn mix(to: &mut [u8], from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(a, b)| *a ^= b);
}

/// What is known besides of an SRTCP packet by RFC 7714 §9.2: its first eight octets and its index.
fn rtcp_known(packet: &[u8], trailer: [u8; 4]) -> Option<[u8; 12]> {
    let mut known = [0; 12];
    known[..8].copy_from_slice(packet.get(..8)?);
    known[8..].copy_from_slice(&trailer);
    Some(known)
}

/// Splits `end` octets off, if at least `least` remain.
fn split_end(packet: &mut [u8], end: usize, least: usize) -> Result<(&mut [u8], &mut [u8]), Fault> {
    let at = packet.len().checked_sub(end).filter(|at| *at >= least).ok_or(Fault::Malformed)?;
    Ok(packet.split_at_mut(at))
}

fn authenticate(key: &hmac::Key, octets: &[u8], rollover: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(octets);
    context.update(rollover);
    context.sign()
}

fn counter_key(key: &[u8]) -> Option<EncryptingKey> {
    let algorithm = if key.len() == 16 { &cipher::AES_128 } else { &cipher::AES_256 };
    EncryptingKey::ctr(UnboundCipherKey::new(algorithm, key).ok()?).ok()
}

fn run(key: &EncryptingKey, iv: [u8; 16], octets: &mut [u8]) -> Option<()> {
    key.less_safe_encrypt(octets, EncryptionContext::Iv128(FixedLength::from(iv))).ok().map(|_| ())
}

/// RFC 3711 §4.3.1, with a key derivation rate of 0; a salt of 96 bits stands before 16 zeros (RFC 7714 §11).
fn derive(master: &MasterKey, label: u8, to: &mut [u8]) -> Option<()> {
    let (key, salt) = master.parts();
    let mut iv = [0; 16];
    iv[..salt.len()].copy_from_slice(salt);
    iv[7] ^= label;
    run(&counter_key(key)?, iv, to)
}

#[cfg(test)]
impl SessionKeys {
    pub(super) fn gcm_for_tests(key: &[u8], salt: &[u8]) -> Self {
        let mut session_salt = [0; 14];
        session_salt[..12].copy_from_slice(salt);
        let key = UnboundKey::new(&aead::AES_128_GCM, key).unwrap();
        Self { cipher: Cipher::Gcm(LessSafeKey::new(key)), salt: session_salt }
    }
}
