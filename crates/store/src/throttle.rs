//! How often one may guess a password.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Failures are counted over this time.
pub(crate) const WINDOW: Duration = Duration::from_secs(600);
/// Failures of one user from one address.
pub(crate) const PER_USER: usize = 5;
/// Failures from one address, whatever users it names.
const PER_ADDRESS: usize = 30;
/// How many users and addresses are watched at once; one more, and the one that failed longest ago is let go.
const MAX_WATCHED: usize = 10_000;
/// Longer account names do not exist.
const MAX_USERNAME: usize = 64;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Watched {
    User(String, IpAddr),
    Address(IpAddr),
}

/// Counts failed logins of the last ten minutes, in bounded memory.
#[derive(Default)]
pub(crate) struct Throttle(BTreeMap<Watched, VecDeque<Instant>>);

impl Throttle {
    /// Counts an attempt as failed beforehand, so that many at once cannot slip through; or says how long to wait.
    pub(crate) fn attempt(&mut self, username: &str, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        let keys = watched(username, peer);
        for (key, limit) in keys.iter().zip([PER_USER, PER_ADDRESS]) {
            let Some(failures) = self.0.get_mut(key) else { continue };
            while failures.front().is_some_and(|at| *at + WINDOW <= now) {
                failures.pop_front();
            }
            if failures.len() >= limit {
                return Err(failures.front().map_or(WINDOW, |at| *at + WINDOW - now));
            }
        }
        for key in keys {
            if !self.0.contains_key(&key) && self.0.len() >= MAX_WATCHED {
                self.make_room(now);
            }
            self.0.entry(key).or_default().push_back(now);
        }
        Ok(())
    }

    /// The attempt just counted was no failure, and the user's earlier ones are forgiven.
    pub(crate) fn succeeded(&mut self, username: &str, peer: IpAddr) {
        let [user, address] = watched(username, peer);
        self.0.remove(&user);
        if let Some(failures) = self.0.get_mut(&address) {
            failures.pop_back();
            if failures.is_empty() {
                self.0.remove(&address);
            }
        }
    }

    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, failures| failures.back().is_some_and(|at| *at + WINDOW > now));
        if self.0.len() >= MAX_WATCHED {
            let oldest = self.0.iter().min_by_key(|(_, failures)| failures.back()).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.0.remove(&oldest);
            }
        }
    }
}

fn watched(username: &str, peer: IpAddr) -> [Watched; 2] {
    let peer = match peer.to_canonical() {
        // Who has one IPv6 address has 2⁶⁴ of them.
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    };
    [Watched::User(username.chars().take(MAX_USERNAME).collect(), peer), Watched::Address(peer)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn five_failures_in_ten_minutes_close_the_door_for_that_user_from_that_address() {
        let t0 = stdx::testing::start();
        let mut throttle = Throttle::default();
        for n in 0..5 {
            assert_eq!(throttle.attempt("ana", ip("10.0.0.1"), t0 + secs(n)), Ok(()));
        }
        assert_eq!(throttle.attempt("ana", ip("10.0.0.1"), t0 + secs(10)), Err(secs(590)));
        assert_eq!(throttle.attempt("ana", ip("::ffff:10.0.0.1"), t0 + secs(10)), Err(secs(590)));
        assert_eq!(throttle.attempt("ana", ip("10.0.0.2"), t0 + secs(10)), Ok(()));
        assert_eq!(throttle.attempt("bob", ip("10.0.0.1"), t0 + secs(10)), Ok(()));
        assert_eq!(throttle.attempt("ana", ip("10.0.0.1"), t0 + secs(600)), Ok(()));
        assert_eq!(throttle.attempt("ana", ip("10.0.0.1"), t0 + secs(600)), Err(secs(1)));
    }

    #[test]
    fn a_success_forgives_the_user_but_not_the_address() {
        let t0 = stdx::testing::start();
        let mut throttle = Throttle::default();
        for _ in 0..20 {
            throttle.attempt("ana", ip("2001:db8::1"), t0).unwrap();
            throttle.succeeded("ana", ip("2001:db8::1"));
        }
        assert!(throttle.0.is_empty(), "successes leave nothing behind");
        for n in 0..30 {
            assert_eq!(throttle.attempt(&format!("guess{n}"), ip(&format!("2001:db8::{n}")), t0), Ok(()));
        }
        assert_eq!(throttle.attempt("ana", ip("2001:db8::1"), t0), Err(WINDOW));
        assert_eq!(throttle.attempt("ana", ip("2001:db8:0:1::1"), t0), Ok(()), "another network");
    }

    #[test]
    fn memory_is_bounded_whatever_is_tried() {
        let t0 = stdx::testing::start();
        let mut throttle = Throttle::default();
        for n in 0..5_500u32 {
            let peer = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
            throttle.attempt(&"x".repeat(100_000), peer, t0 + Duration::from_millis(u64::from(n))).unwrap();
        }
        assert!(throttle.0.len() <= MAX_WATCHED);
        let longest = throttle.0.keys().map(|key| match key {
            Watched::User(name, _) => name.len(),
            Watched::Address(_) => 0,
        });
        assert_eq!(longest.max(), Some(MAX_USERNAME));
    }
}
