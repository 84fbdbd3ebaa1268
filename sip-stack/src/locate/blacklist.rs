//! Targets that did not serve lately, and for how long they are left out.

use super::servers::Target;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The first time a target fails, it is left out for so long; each further time in a row twice as long.
const FIRST: Duration = Duration::from_secs(30);

/// No target is left out for longer.
const LONGEST: Duration = Duration::from_secs(600);

/// A failure that is so old does not make the next one worse.
const FORGIVEN: Duration = Duration::from_secs(3600);

/// Targets remembered at one time. When there are more, those whose time is over first are forgotten.
const ROOM: usize = 1024;

/// Dead targets (RFC 3263 §4.3): after no answer, a failed transport or 503. A target comes back when its time is over, or earlier
/// when it is seen to work.
#[derive(Debug, Default)]
pub struct Blacklist {
    dead: BTreeMap<Target, Dead>,
}

#[derive(Debug)]
struct Dead {
    until: Instant,
    times: u32,
}

impl Blacklist {
    /// The target did not serve. `retry_after` is what it said of that itself. True if it was not left out before.
    pub fn failed(&mut self, target: &Target, retry_after: Option<Duration>, now: Instant) -> bool {
        self.make_room(now);
        let known = self.dead.get(target).filter(|dead| now.saturating_duration_since(dead.until) < FORGIVEN);
        let (was_out, times) = known.map_or((false, 0), |dead| (dead.until > now, dead.times));
        // What fails again while it is out (all were, so it was tried) is no news.
        let times = if was_out { times } else { times + 1 };
        let grown = FIRST * 2u32.saturating_pow(times.saturating_sub(1).min(8));
        let out = retry_after.map_or(grown, |asked| asked.max(Duration::from_secs(1))).min(LONGEST);
        self.dead.insert(target.clone(), Dead { until: now + out, times });
        !was_out
    }

    /// The target serves. True if it was left out.
    pub fn works(&mut self, target: &Target, now: Instant) -> bool {
        self.dead.remove(target).is_some_and(|dead| dead.until > now)
    }

    /// Whether it is left out now.
    pub fn is_dead(&self, target: &Target, now: Instant) -> bool {
        self.dead.get(target).is_some_and(|dead| dead.until > now)
    }

    /// Those that are not left out; all, if that leaves none: then a try is better than none.
    pub fn living(&self, targets: Vec<Target>, now: Instant) -> Vec<Target> {
        let (dead, living): (Vec<_>, Vec<_>) = targets.into_iter().partition(|target| self.is_dead(target, now));
        if living.is_empty() { dead } else { living }
    }

    fn make_room(&mut self, now: Instant) {
        if self.dead.len() < ROOM {
            return;
        }
        self.dead.retain(|_, dead| dead.until > now);
        while self.dead.len() >= ROOM {
            let Some(first) = self.dead.iter().min_by_key(|(_, dead)| dead.until).map(|(target, _)| target.clone())
            else {
                return;
            };
            self.dead.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Transport;

    fn target(port: u16) -> Target {
        Target { transport: Transport::Udp, address: ([192, 0, 2, 1], port).into() }
    }

    #[test]
    fn a_target_is_out_for_longer_each_time_and_comes_back_when_it_works() {
        let mut now = stdx::testing::start();
        let mut list = Blacklist::default();
        let (one, two) = (target(1), target(2));
        for seconds in [30, 60, 120, 240, 480, 600, 600] {
            assert!(list.failed(&one, None, now));
            assert_eq!(list.living(vec![one.clone(), two.clone()], now), std::slice::from_ref(&two));
            now += Duration::from_secs(seconds) - Duration::from_millis(1);
            assert!(list.is_dead(&one, now), "{seconds}");
            now += Duration::from_millis(1);
            assert!(!list.is_dead(&one, now), "{seconds}");
        }
        list.failed(&one, None, now);
        assert!(list.works(&one, now) && !list.works(&one, now) && !list.is_dead(&one, now));
        list.failed(&one, None, now);
        assert!(!list.is_dead(&one, now + FIRST), "all is forgiven to what worked");
    }

    #[test]
    fn retry_after_is_obeyed_and_where_all_are_dead_all_are_tried() {
        let now = stdx::testing::start();
        let mut list = Blacklist::default();
        let (one, two) = (target(1), target(2));
        list.failed(&one, Some(Duration::from_secs(5)), now);
        assert!(list.is_dead(&one, now + Duration::from_secs(4)) && !list.is_dead(&one, now + Duration::from_secs(5)));
        list.failed(&two, Some(Duration::from_secs(86_400)), now);
        assert!(!list.is_dead(&two, now + LONGEST), "nobody is out for a day");
        assert_eq!(list.living(vec![one.clone(), two.clone()], now), [one.clone(), two]);
        assert!(!list.failed(&one, None, now), "it is out already");
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let now = stdx::testing::start();
        let mut list = Blacklist::default();
        for port in 0..5000 {
            list.failed(&target(port), None, now + Duration::from_millis(port.into()));
        }
        assert!(list.dead.len() <= ROOM);
        assert!(list.is_dead(&target(4999), now + Duration::from_secs(5)));
    }
}
