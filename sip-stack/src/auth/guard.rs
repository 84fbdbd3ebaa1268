//! Who failed too often: his answers come slowly, then not at all.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// When a source is slowed and when it is ignored.
#[derive(Clone, Copy, Debug)]
pub struct GuardConfig {
    /// Failures are forgotten after this time: 60 s.
    pub window: Duration,
    /// From this failure on within the window, answers are delayed: 5. The delay is 1 s, doubling up to 8 s.
    pub slow_after: u32,
    /// From this failure on within the window, the source is ignored: 20.
    pub ignore_after: u32,
    /// How long it is ignored the first time: 5 min. Each further time within `memory` doubles it, up to an hour.
    pub ignore_for: Duration,
    /// How long an ignored source is remembered after its punishment: 1 h.
    pub memory: Duration,
    /// How many sources are watched: 10 000. When more fail, the one longest quiet is forgotten.
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
            sources: 10_000,
        }
    }
}

/// Failures by source: an IPv4 address, or the /64 that an IPv6 customer gets.
#[derive(Debug)]
pub struct Guard {
    config: GuardConfig,
    sources: BTreeMap<u128, Source>,
    /// The same by the time of the last failure, to forget the longest quiet.
    quiet: std::collections::BTreeSet<(Instant, u128)>,
}

#[derive(Debug)]
struct Source {
    failures: u32,
    first: Instant,
    last: Instant,
    ignored_until: Option<Instant>,
    punishments: u32,
}

impl Guard {
    /// A guard that has seen nothing.
    pub fn new(config: GuardConfig) -> Self {
        Self { config, sources: BTreeMap::new(), quiet: std::collections::BTreeSet::new() }
    }

    /// True if nothing from this source is to be answered now.
    pub fn ignores(&self, source: IpAddr, now: Instant) -> bool {
        self.sources.get(&key(source)).is_some_and(|s| s.ignored_until.is_some_and(|until| now < until))
    }

    /// Notes a failure and says how long its answer has to wait; None: it gets none.
    pub fn failed(&mut self, source: IpAddr, now: Instant) -> Option<Duration> {
        let key = key(source);
        self.make_room(key, now);
        let config = self.config;
        let source = self.sources.entry(key).or_insert(Source {
            failures: 0,
            first: now,
            last: now,
            ignored_until: None,
            punishments: 0,
        });
        self.quiet.remove(&(source.last, key));
        self.quiet.insert((now, key));
        if source.ignored_until.is_some_and(|until| now >= until + config.memory) {
            source.punishments = 0;
            source.ignored_until = None;
        }
        if now.saturating_duration_since(source.first) > config.window {
            source.failures = 0;
            source.first = now;
        }
        source.last = now;
        source.failures += 1;
        if source.failures >= config.ignore_after {
            let punishment = config.ignore_for * 2u32.saturating_pow(source.punishments.min(16));
            source.ignored_until = Some(now + punishment.min(Duration::from_secs(3600).max(config.ignore_for)));
            source.punishments += 1;
            source.failures = 0;
            source.first = now;
            return None;
        }
        match source.failures.checked_sub(config.slow_after) {
            Some(over) => Some(Duration::from_secs(1 << over.min(3))),
            None => Some(Duration::ZERO),
        }
    }

    /// How many sources are watched.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// True if nobody failed lately.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Forgets sources that have been quiet for long, and the longest quiet if the table is full.
    fn make_room(&mut self, key: u128, now: Instant) {
        while let Some(&(last, oldest)) = self.quiet.first() {
            let done = match self.sources.get(&oldest).and_then(|s| s.ignored_until) {
                Some(until) => now >= until + self.config.memory,
                None => now.saturating_duration_since(last) > self.config.window,
            };
            let full = self.sources.len() >= self.config.sources && !self.sources.contains_key(&key);
            if !done && !full {
                return;
            }
            self.quiet.remove(&(last, oldest));
            self.sources.remove(&oldest);
        }
    }
}

fn key(source: IpAddr) -> u128 {
    match source {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => ip.to_bits(),
        IpAddr::V6(ip) => ip.to_bits() >> 64 << 64,
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
        let delays: Vec<_> = (0..20).map(|_| guard.failed(bad, now)).collect();
        assert_eq!(delays[..4], [Some(secs(0)); 4]);
        assert_eq!(delays[4..9], [1, 2, 4, 8, 8].map(|s| Some(secs(s))));
        assert_eq!(delays[18..], [Some(secs(8)), None]);
        assert!(guard.ignores(bad, now + secs(299)) && !guard.ignores(good, now));
        now += secs(300);
        assert!(!guard.ignores(bad, now));
        assert_eq!(guard.failed(bad, now), Some(secs(0)));
        for _ in 0..19 {
            guard.failed(bad, now);
        }
        assert!(guard.ignores(bad, now + secs(599)) && !guard.ignores(bad, now + secs(600)));
    }

    #[test]
    fn a_phone_with_a_wrong_password_that_tries_twice_a_minute_is_neither_slowed_nor_ignored() {
        let mut guard = Guard::new(GuardConfig::default());
        let t0 = stdx::testing::start();
        assert!((0..1000).all(|i| guard.failed(ip("10.0.0.1"), t0 + secs(30 * i)) == Some(secs(0))));
    }

    #[test]
    fn a_v6_customer_is_one_source_and_the_table_is_bounded() {
        let mut guard = Guard::new(GuardConfig { sources: 100, ..GuardConfig::default() });
        let now = stdx::testing::start();
        for i in 0..20 {
            guard.failed(ip(&format!("2001:db8::{i:x}")), now);
        }
        assert!(guard.ignores(ip("2001:db8::ffff"), now) && !guard.ignores(ip("2001:db8:0:1::1"), now));
        for i in 0..1000u32 {
            guard.failed(IpAddr::from((0x0a00_0000 + i).to_be_bytes()), now + secs(1));
        }
        assert_eq!(guard.len(), 100);
        guard.failed(ip("192.0.2.1"), now + secs(5000));
        assert_eq!(guard.len(), 1);
    }
}
