//! Who failed too often: his answers come slowly, then not at all; a source that tries many users is to be banned.
//!
//! Failures are counted for each user at each source. So one misconfigured phone slows itself and not the office behind the
//! same address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::bans::{BanReason, source_key as key};

/// When somebody is slowed and when he is ignored.
#[derive(Clone, Copy, Debug)]
pub struct GuardConfig {
    /// Failures are forgotten after this time: 60 s.
    pub window: Duration,
    /// From this failure of a user at a source on within the window, answers are delayed: 5. The delay is 1 s, doubling up to 8 s.
    pub slow_after: u32,
    /// From this failure on within the window, this user at this source is ignored: 20.
    pub ignore_after: u32,
    /// How long it is ignored the first time: 5 min. Each further time within `memory` doubles it, up to an hour.
    pub ignore_for: Duration,
    /// How long an ignored one is remembered after its punishment: 1 h.
    pub memory: Duration,
    /// A source is suspect when so many users fail there within `source_window`: 12.
    pub users: usize,
    /// A source is suspect when so much fails there within `source_window`: 300.
    pub failures: u32,
    /// What a source is judged by: 10 min.
    pub source_window: Duration,
    /// How many users at sources are watched, and how many sources: 10 000. When more fail, the one longest quiet is forgotten.
    pub sources: usize,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            slow_after: 5,
            ignore_after: 20,
            ignore_for: Duration::from_secs(300),
            memory: Duration::from_secs(3600),
            users: 12,
            failures: 300,
            source_window: Duration::from_secs(600),
            sources: 10_000,
        }
    }
}

/// What a failure leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// How long the answer has to wait; none: there is none.
    pub answer_after: Option<Duration>,
    /// The source deserves a ban.
    pub suspect: Option<BanReason>,
}

/// Failures by user and source: an IPv4 address, or the /64 that an IPv6 customer gets.
#[derive(Debug)]
pub struct Guard {
    config: GuardConfig,
    pairs: BTreeMap<PairKey, Pair>,
    /// The same by the time of the last failure, to forget the longest quiet.
    quiet: BTreeSet<(Instant, PairKey)>,
    sources: BTreeMap<u128, Source>,
    quiet_sources: BTreeSet<(Instant, u128)>,
}

type PairKey = (u128, u64);

#[derive(Debug)]
struct Pair {
    failures: u32,
    first: Instant,
    last: Instant,
    ignored_until: Option<Instant>,
    punishments: u32,
}

#[derive(Debug)]
struct Source {
    failures: u32,
    first: Instant,
    users: BTreeSet<u64>,
}

impl Guard {
    /// A guard that has seen nothing.
    pub fn new(config: GuardConfig) -> Self {
        let (pairs, sources) = (BTreeMap::new(), BTreeMap::new());
        Self { config, pairs, quiet: BTreeSet::new(), sources, quiet_sources: BTreeSet::new() }
    }

    /// True if nothing of this user from this source is to be answered now.
    pub fn ignores(&self, source: IpAddr, user: u64, now: Instant) -> bool {
        let pair = self.pairs.get(&(key(source), user));
        pair.is_some_and(|s| s.ignored_until.is_some_and(|until| now < until))
    }

    /// Notes a failure.
    pub fn failed(&mut self, source: IpAddr, user: u64, now: Instant) -> Failed {
        Failed {
            answer_after: self.pair_failed((key(source), user), now),
            suspect: self.source_failed(source, user, now),
        }
    }

    fn pair_failed(&mut self, key: PairKey, now: Instant) -> Option<Duration> {
        self.make_room(key, now);
        let config = self.config;
        let pair = self.pairs.entry(key).or_insert(Pair {
            failures: 0,
            first: now,
            last: now,
            ignored_until: None,
            punishments: 0,
        });
        self.quiet.remove(&(pair.last, key));
        self.quiet.insert((now, key));
        if pair.ignored_until.is_some_and(|until| now >= until + config.memory) {
            pair.punishments = 0;
            pair.ignored_until = None;
        }
        if now.saturating_duration_since(pair.first) > config.window {
            pair.failures = 0;
            pair.first = now;
        }
        pair.last = now;
        pair.failures += 1;
        if pair.failures >= config.ignore_after {
            let punishment = config.ignore_for * 2u32.saturating_pow(pair.punishments.min(16));
            pair.ignored_until = Some(now + punishment.min(Duration::from_secs(3600).max(config.ignore_for)));
            pair.punishments += 1;
            pair.failures = 0;
            pair.first = now;
            return None;
        }
        match pair.failures.checked_sub(config.slow_after) {
            Some(over) => Some(Duration::from_secs(1 << over.min(3))),
            None => Some(Duration::ZERO),
        }
    }

    fn source_failed(&mut self, source: IpAddr, user: u64, now: Instant) -> Option<BanReason> {
        let key = key(source);
        let config = self.config;
        // By their first failure, which is when their window ends.
        while let Some(&(first, oldest)) = self.quiet_sources.first() {
            let full = self.sources.len() >= config.sources && !self.sources.contains_key(&key);
            if now.saturating_duration_since(first) <= config.source_window && !full {
                break;
            }
            self.quiet_sources.remove(&(first, oldest));
            self.sources.remove(&oldest);
        }
        let source = self.sources.entry(key).or_insert_with(|| {
            self.quiet_sources.insert((now, key));
            Source { failures: 0, first: now, users: BTreeSet::new() }
        });
        source.failures += 1;
        if source.users.len() < config.users {
            source.users.insert(user);
        }
        let reason = if source.users.len() >= config.users {
            BanReason::ManyUsers
        } else if source.failures >= config.failures {
            BanReason::Failures
        } else {
            return None;
        };
        let first = source.first;
        self.sources.remove(&key);
        self.quiet_sources.remove(&(first, key));
        Some(reason)
    }

    /// How many users at sources are watched.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// True if nobody failed lately.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Forgets who has been quiet for long, and the longest quiet if the table is full.
    fn make_room(&mut self, key: PairKey, now: Instant) {
        while let Some(&(last, oldest)) = self.quiet.first() {
            let done = match self.pairs.get(&oldest).and_then(|s| s.ignored_until) {
                Some(until) => now >= until + self.config.memory,
                None => now.saturating_duration_since(last) > self.config.window,
            };
            let full = self.pairs.len() >= self.config.sources && !self.pairs.contains_key(&key);
            if !done && !full {
                return;
            }
            self.quiet.remove(&(last, oldest));
            self.pairs.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn ip(s: &str) -> IpAddr {
        s.parse().unwrap()
    }

    #[test]
    fn failures_are_slowed_then_ignored_then_forgiven_and_punished_harder() {
        let mut guard = Guard::new(GuardConfig::default());
        let (bad, good) = (ip("203.0.113.9"), ip("203.0.113.10"));
        let mut now = stdx::testing::start();
        let delays: Vec<_> = (0..20).map(|_| guard.failed(bad, 1, now).answer_after).collect();
        assert_eq!(delays[..4], [Some(secs(0)); 4]);
        assert_eq!(delays[4..9], [1, 2, 4, 8, 8].map(|s| Some(secs(s))));
        assert_eq!(delays[18..], [Some(secs(8)), None]);
        assert!(guard.ignores(bad, 1, now + secs(299)) && !guard.ignores(good, 1, now));
        assert!(!guard.ignores(bad, 2, now), "a colleague behind the same address");
        assert_eq!(guard.failed(bad, 2, now).answer_after, Some(secs(0)));
        now += secs(300);
        assert!(!guard.ignores(bad, 1, now));
        assert_eq!(guard.failed(bad, 1, now).answer_after, Some(secs(0)));
        for _ in 0..19 {
            guard.failed(bad, 1, now);
        }
        assert!(guard.ignores(bad, 1, now + secs(599)) && !guard.ignores(bad, 1, now + secs(600)));
    }

    #[test]
    fn a_phone_with_a_wrong_password_that_tries_twice_a_minute_is_neither_slowed_nor_ignored() {
        let mut guard = Guard::new(GuardConfig::default());
        let t0 = stdx::testing::start();
        let fine = Failed { answer_after: Some(secs(0)), suspect: None };
        assert!((0..1000).all(|i| guard.failed(ip("10.0.0.1"), 1, t0 + secs(30 * i)) == fine));
    }

    #[test]
    fn a_source_is_suspect_by_many_users_or_very_many_failures() {
        let mut guard = Guard::new(GuardConfig::default());
        let now = stdx::testing::start();
        let tried = (0..100).position(|user| guard.failed(ip("10.0.0.1"), user, now).suspect.is_some());
        assert_eq!(tried, Some(11));
        let failed = (0..1000).position(|_| guard.failed(ip("10.0.0.2"), 1, now).suspect == Some(BanReason::Failures));
        assert_eq!(failed, Some(299));
        // A user every five minutes is an office with bad luck.
        assert!((0..100).all(|n| guard.failed(ip("10.0.0.3"), n, now + secs(300 * n)).suspect.is_none()));
    }

    #[test]
    fn a_v6_customer_is_one_source_and_the_tables_are_bounded() {
        let mut guard = Guard::new(GuardConfig { sources: 100, ..GuardConfig::default() });
        let now = stdx::testing::start();
        for i in 0..20 {
            guard.failed(ip(&format!("2001:db8::{i:x}")), 1, now);
        }
        assert!(guard.ignores(ip("2001:db8::ffff"), 1, now) && !guard.ignores(ip("2001:db8:0:1::1"), 1, now));
        for i in 0..1000u32 {
            guard.failed(IpAddr::from((0x0a00_0000 + i).to_be_bytes()), 1, now + secs(1));
        }
        assert_eq!((guard.len(), guard.sources.len()), (100, 100));
        guard.failed(ip("192.0.2.1"), 1, now + secs(5000));
        assert_eq!((guard.len(), guard.sources.len()), (1, 1));
    }
}
