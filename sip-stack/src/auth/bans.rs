//! Whom nobody listens to for a while: banned sources, why, and for how long.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Why a source is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BanReason {
    /// Very many wrong credentials.
    Failures,
    /// Wrong credentials for many users.
    ManyUsers,
    /// It calls itself by the name of a scanner.
    Scanner,
    /// By hand.
    Operator,
}

impl BanReason {
    /// Its stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::ManyUsers => "many_users",
            Self::Scanner => "scanner",
            Self::Operator => "operator",
        }
    }

    /// The reason of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Failures, Self::ManyUsers, Self::Scanner, Self::Operator].into_iter().find(|r| r.name() == name)
    }
}

/// How long bans last.
#[derive(Clone, Copy, Debug)]
pub struct BanConfig {
    /// The first: 5 min. Each further one within `memory` of the last is twice as long …
    pub first: Duration,
    /// … up to a day.
    pub longest: Duration,
    /// How long a source is remembered after its ban: a day.
    pub memory: Duration,
    /// How many sources are remembered: 10 000. Beyond it the one whose ban ends first is forgotten.
    pub sources: usize,
}

impl Default for BanConfig {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { first: Duration::from_secs(300), longest: day, memory: day, sources: 10_000 }
    }
}

/// A source and its punishment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// An IPv4 address, or the first address of the /64 that an IPv6 customer gets.
    pub source: IpAddr,
    /// Why.
    pub reason: BanReason,
    /// Since when.
    pub since: Instant,
    /// Until when.
    pub until: Instant,
    /// How often it has been banned, this time included.
    pub times: u32,
    /// Messages that were dropped unread meanwhile.
    pub dropped: u64,
}

/// All bans.
#[derive(Debug, Default)]
pub struct Bans {
    config: BanConfig,
    sources: BTreeMap<u128, Ban>,
}

impl Bans {
    /// Nobody is banned.
    pub fn new(config: BanConfig) -> Self {
        Self { config, sources: BTreeMap::new() }
    }

    /// Whether nothing from this source is to be listened to; counts what is dropped.
    pub fn drops(&mut self, source: IpAddr, now: Instant) -> bool {
        if self.sources.is_empty() {
            return false;
        }
        match self.sources.get_mut(&source_key(source)) {
            Some(ban) if now < ban.until => {
                ban.dropped += 1;
                true
            }
            _ => false,
        }
    }

    /// Bans a source, longer each time. None if it is banned already: its ban goes on.
    pub fn ban(&mut self, source: IpAddr, reason: BanReason, now: Instant) -> Option<Ban> {
        let known = self.sources.get(&source_key(source));
        if known.is_some_and(|ban| now < ban.until) {
            return None;
        }
        let times = known.filter(|ban| now < ban.until + self.config.memory).map_or(0, |ban| ban.times) + 1;
        let length =
            self.config.first.saturating_mul(2u32.saturating_pow((times - 1).min(20))).min(self.config.longest);
        let ban = Ban { source: source_of(source), reason, since: now, until: now + length, times, dropped: 0 };
        self.put(ban, now);
        Some(ban)
    }

    /// Takes a ban as it is: another cell's, or one of an earlier run.
    pub fn put(&mut self, ban: Ban, now: Instant) {
        let key = source_key(ban.source);
        if self.sources.len() >= self.config.sources && !self.sources.contains_key(&key) {
            let memory = self.config.memory;
            self.sources.retain(|_, ban| now < ban.until + memory);
            if self.sources.len() >= self.config.sources
                && let Some(first) = self.sources.iter().min_by_key(|(_, ban)| ban.until).map(|(key, _)| *key)
            {
                self.sources.remove(&first);
            }
        }
        self.sources.insert(key, ban);
    }

    /// Lifts a ban and forgets that it was. False if there was none.
    pub fn remove(&mut self, source: IpAddr, now: Instant) -> bool {
        self.sources.remove(&source_key(source)).is_some_and(|ban| now < ban.until)
    }

    /// The bans that hold now.
    pub fn list(&self, now: Instant) -> impl Iterator<Item = &Ban> {
        self.sources.values().filter(move |ban| now < ban.until)
    }
}

/// What stands for a source in tables: an IPv4 address, or the /64 that an IPv6 customer gets.
pub fn source_key(source: IpAddr) -> u128 {
    match source {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => ip.to_bits(),
        IpAddr::V6(ip) => ip.to_bits() >> 64 << 64,
    }
}

/// The address that stands for a source in lists.
pub fn source_of(source: IpAddr) -> IpAddr {
    std::net::Ipv6Addr::from_bits(source_key(source)).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn bans_grow_end_and_are_forgotten() {
        let mut bans = Bans::new(BanConfig::default());
        let (bad, good) = (IpAddr::from([203, 0, 113, 9]), IpAddr::from([203, 0, 113, 10]));
        let mut now = stdx::testing::start();
        for (times, length) in [(1, 300), (2, 600), (3, 1200), (4, 2400)] {
            let ban = bans.ban(bad, BanReason::Scanner, now).unwrap();
            assert_eq!((ban.times, ban.until - now), (times, secs(length)));
            assert!(bans.drops(bad, now) && !bans.drops(good, now));
            assert_eq!(bans.ban(bad, BanReason::Failures, now), None, "banned already");
            assert_eq!(bans.list(now).map(|ban| ban.dropped).collect::<Vec<_>>(), [1]);
            now += secs(length);
            assert!(!bans.drops(bad, now) && bans.list(now).next().is_none());
        }
        now += secs(24 * 3600);
        assert_eq!(bans.ban(bad, BanReason::Scanner, now).unwrap().times, 1);
        assert!(bans.remove(bad, now) && !bans.remove(bad, now) && !bans.drops(bad, now));
    }

    #[test]
    fn a_v6_customer_is_one_source_and_the_table_is_bounded() {
        let mut bans = Bans::new(BanConfig { sources: 100, ..BanConfig::default() });
        let now = stdx::testing::start();
        let ban = bans.ban("2001:db8::1".parse().unwrap(), BanReason::ManyUsers, now).unwrap();
        assert_eq!(ban.source, "2001:db8::".parse::<IpAddr>().unwrap());
        assert!(bans.drops("2001:db8::ffff".parse().unwrap(), now));
        assert!(!bans.drops("2001:db8:0:1::1".parse().unwrap(), now));
        for i in 0..1000u32 {
            bans.ban(IpAddr::from((0x0a00_0000 + i).to_be_bytes()), BanReason::Failures, now + secs(1));
        }
        assert_eq!(bans.list(now + secs(1)).count(), 100);
    }
}
