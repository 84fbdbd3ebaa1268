//! Nonces that we recognise without remembering them, and the memory of those that were used.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use stdx::Entropy;

use super::digest::hex;
use crate::endpoint::CellTag;

/// When and with which chance a nonce was made: what it is known by, in order of age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NonceId {
    /// Milliseconds since the birth of the [`Mint`].
    made: u64,
    random: u64,
}

/// Makes nonces: time, cell and chance in the clear, sealed by HMAC-SHA-256 under a key that nobody else has.
///
/// The seal covers the address to which the nonce was given: nobody can fail in the name of another's address.
/// A restart makes a new key: older nonces are then strange, and their users get `stale=true` if they know their password.
pub(crate) struct Mint {
    key: Hmac<Sha256>,
    cell: CellTag,
    born: Instant,
    entropy: Entropy,
}

impl Mint {
    pub(crate) fn new(cell: CellTag, mut entropy: Entropy, now: Instant) -> Self {
        let mut key = [0; 64];
        entropy.fill(&mut key);
        let key = Hmac::new(&key.into());
        Self { key, cell, born: now, entropy }
    }

    /// A new nonce of 68 hexadecimal digits.
    pub(crate) fn nonce(&mut self, source: IpAddr, now: Instant) -> String {
        let id = NonceId { made: self.age(now), random: self.entropy.u64() };
        self.write(id, source)
    }

    /// The nonce's identity and age, if we made it for this source.
    pub(crate) fn recognise(&self, nonce: &[u8], source: IpAddr, now: Instant) -> Option<(NonceId, Duration)> {
        let text = std::str::from_utf8(nonce.get(..36)?).ok()?;
        let part = |from, to| u64::from_str_radix(text.get(from..to)?, 16).ok();
        let id = NonceId { made: part(0, 16)?, random: part(16, 32)? };
        if !super::digest::same(self.write(id, source).as_bytes(), nonce) {
            return None;
        }
        Some((id, Duration::from_millis(self.age(now).saturating_sub(id.made))))
    }

    fn age(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.born).as_millis() as u64
    }

    fn write(&self, id: NonceId, source: IpAddr) -> String {
        let mut clear = [0; 18];
        clear[..8].copy_from_slice(&id.made.to_be_bytes());
        clear[8..16].copy_from_slice(&id.random.to_be_bytes());
        clear[16..].copy_from_slice(&self.cell.0.to_be_bytes());
        let mut mac = self.key.clone();
        mac.update(&clear);
        match source {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        let seal = mac.finalize().into_bytes();
        hex(&clear) + &hex(&seal[..16])
    }
}

/// Which counts of a nonce were used: the highest, and which of the 64 below it.
#[derive(Clone, Copy, Debug)]
struct Window {
    highest: u32,
    /// Bit `n`: `highest - n` was used.
    used: u64,
}

/// What [`Replay::use_once`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Not used before, and now it is.
    First,
    /// Used before, or too far back to know.
    Again,
}

/// The nonces that carried a right digest. A replay of such a request would carry the same nonce and count.
///
/// Only who knows a password gets in here, once per nonce. When the table is full the oldest nonce goes, and with it
/// every nonce of its age or older that we have not seen used: their next use counts as a repetition (stale), which costs
/// a phone one more round trip.
pub(crate) struct Replay {
    windows: BTreeMap<NonceId, Window>,
    limit: usize,
    forgotten: Option<NonceId>,
}

impl Replay {
    pub(crate) fn new(limit: usize) -> Self {
        Self { windows: BTreeMap::new(), limit: limit.max(1), forgotten: None }
    }

    /// Marks a count as used. Counts may come out of order by up to 64.
    pub(crate) fn use_once(&mut self, id: NonceId, count: u32) -> Use {
        if let Some(window) = self.windows.get_mut(&id) {
            return window.use_once(count);
        }
        if self.forgotten.is_some_and(|forgotten| id <= forgotten) {
            return Use::Again;
        }
        if self.windows.len() >= self.limit
            && let Some((oldest, _)) = self.windows.pop_first()
        {
            self.forgotten = Some(oldest);
            if id < oldest {
                return Use::Again;
            }
        }
        self.windows.insert(id, Window { highest: count, used: 1 });
        Use::First
    }

    /// Forgets nonces that are too old to be accepted anyway.
    pub(crate) fn expire(&mut self, mint: &Mint, lifetime: Duration, now: Instant) {
        let oldest = mint.age(now).saturating_sub(lifetime.as_millis() as u64);
        while let Some(entry) = self.windows.first_entry()
            && entry.key().made < oldest
        {
            entry.remove();
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.windows.len()
    }
}

impl Window {
    fn use_once(&mut self, count: u32) -> Use {
        if count > self.highest {
            self.used = self.used.checked_shl(count - self.highest).unwrap_or(0) | 1;
            self.highest = count;
            return Use::First;
        }
        let Some(bit) = 1u64.checked_shl(self.highest - count) else { return Use::Again };
        if self.used & bit != 0 {
            return Use::Again;
        }
        self.used |= bit;
        Use::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn mint(seed: u64) -> (Mint, Instant) {
        let now = stdx::testing::start();
        (Mint::new(CellTag(3), Entropy::seeded(seed), now), now)
    }

    #[test]
    fn own_nonces_are_recognised_and_no_others() {
        let (mut mint, t0) = mint(1);
        let nonce = mint.nonce(HERE, t0 + Duration::from_secs(10));
        let (_, age) = mint.recognise(nonce.as_bytes(), HERE, t0 + Duration::from_secs(12)).unwrap();
        assert_eq!(age, Duration::from_secs(2));
        for i in 0..nonce.len() {
            let mut forged = nonce.clone().into_bytes();
            forged[i] = if forged[i] == b'0' { b'1' } else { b'0' };
            assert!(mint.recognise(&forged, HERE, t0).is_none(), "digit {i}");
        }
        assert!(mint.recognise(b"", HERE, t0).is_none());
        assert!(mint.recognise("é".repeat(34).as_bytes(), HERE, t0).is_none());
        assert!(mint.recognise(nonce.as_bytes(), THERE, t0).is_none());
        let (mut other, _) = super::tests::mint(2);
        assert!(mint.recognise(other.nonce(HERE, t0).as_bytes(), HERE, t0).is_none());
    }

    #[test]
    fn a_count_is_used_once_in_any_order() {
        let mut replay = Replay::new(10);
        let id = NonceId { made: 5, random: 1 };
        for (count, expect) in [
            (1, Use::First),
            (1, Use::Again),
            (3, Use::First),
            (2, Use::First),
            (2, Use::Again),
            (3, Use::Again),
            (200, Use::First),
            (137, Use::First),
            (136, Use::Again),
            (u32::MAX, Use::First),
            (200, Use::Again),
        ] {
            assert_eq!(replay.use_once(id, count), expect, "count {count}");
        }
    }

    #[test]
    fn a_full_table_forgets_the_oldest_and_refuses_what_it_forgot() {
        let mut replay = Replay::new(2);
        let id = |made| NonceId { made, random: 0 };
        assert_eq!(replay.use_once(id(1), 1), Use::First);
        assert_eq!(replay.use_once(id(3), 1), Use::First);
        assert_eq!(replay.use_once(id(4), 1), Use::First);
        assert_eq!(replay.use_once(id(1), 2), Use::Again, "forgotten, so perhaps a replay");
        assert_eq!(replay.use_once(id(3), 2), Use::First);
        assert_eq!(replay.use_once(id(2), 1), Use::Again, "younger than what was forgotten, older than all we keep");
        assert!(replay.len() <= 2);
    }

    #[test]
    fn nonces_that_are_too_old_leave_the_table() {
        let (mut mint, t0) = mint(1);
        let mut replay = Replay::new(10);
        let nonce = mint.nonce(HERE, t0);
        let (id, _) = mint.recognise(nonce.as_bytes(), HERE, t0).unwrap();
        replay.use_once(id, 1);
        replay.expire(&mint, Duration::from_secs(300), t0 + Duration::from_secs(300));
        assert_eq!(replay.len(), 1);
        replay.expire(&mint, Duration::from_secs(300), t0 + Duration::from_secs(301));
        assert_eq!(replay.len(), 0);
    }
}
