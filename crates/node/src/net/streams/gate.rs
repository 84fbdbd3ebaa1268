//! How many streams there may be: in all, of one source, and of those that have not said anything sensible yet.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateLimits {
    /// Streams at one time.
    pub total: usize,
    /// Of them, of one address (IPv6: of one /64, for that is what one host has).
    pub per_source: usize,
    /// Of them, without a single message yet: shaking hands, or silent. A flood of those leaves the others alone.
    pub unproven: usize,
}

/// Why a stream is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There are too many.
    Total,
    /// Its source has too many.
    Source,
    /// Too many have not said anything yet.
    Unproven,
}

/// Counts streams; clones share the count.
#[derive(Clone, Debug)]
pub struct Gate {
    limits: GateLimits,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    unproven: usize,
    sources: BTreeMap<IpAddr, usize>,
}

/// A stream that was let in; dropped, it is out again.
#[derive(Debug)]
pub struct Pass {
    gate: Gate,
    source: IpAddr,
    proven: bool,
}

impl Gate {
    /// With nobody in.
    pub fn new(limits: GateLimits) -> Self {
        Self { limits, counts: Arc::default() }
    }

    /// Lets a stream in, if there is room.
    pub fn enter(&self, source: IpAddr) -> Result<Pass, Refused> {
        let source = network(source);
        let mut counts = self.counts();
        let of_source = counts.sources.get(&source).copied().unwrap_or(0);
        if counts.total >= self.limits.total {
            return Err(Refused::Total);
        }
        if of_source >= self.limits.per_source {
            return Err(Refused::Source);
        }
        if counts.unproven >= self.limits.unproven {
            return Err(Refused::Unproven);
        }
        counts.total += 1;
        counts.unproven += 1;
        counts.sources.insert(source, of_source + 1);
        drop(counts);
        Ok(Pass { gate: self.clone(), source, proven: false })
    }

    /// How many are in, and how many of them have not said anything yet.
    pub fn inside(&self) -> (usize, usize) {
        let counts = self.counts();
        (counts.total, counts.unproven)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// It has said something sensible.
    pub fn prove(&mut self) {
        if !self.proven {
            self.proven = true;
            self.gate.counts().unproven -= 1;
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.gate.counts();
        counts.total -= 1;
        counts.unproven -= usize::from(!self.proven);
        if let Some(of_source) = counts.sources.get_mut(&self.source) {
            *of_source -= 1;
            if *of_source == 0 {
                counts.sources.remove(&self.source);
            }
        }
    }
}

/// What counts as one source.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(GateLimits { total: 5, per_source: 2, unproven: 3 })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_bound_is_kept_and_room_comes_back() {
        let gate = gate();
        let mut first = gate.enter(ip("192.0.2.1")).unwrap();
        let second = gate.enter(ip("192.0.2.1")).unwrap();
        assert_eq!(gate.enter(ip("192.0.2.1")).unwrap_err(), Refused::Source);
        let third = gate.enter(ip("192.0.2.2")).unwrap();
        assert_eq!(gate.enter(ip("192.0.2.3")).unwrap_err(), Refused::Unproven);
        first.prove();
        first.prove();
        let fourth = gate.enter(ip("192.0.2.3")).unwrap();
        assert_eq!(gate.inside(), (4, 3));
        drop(second);
        let mut fifth = gate.enter(ip("192.0.2.1")).unwrap();
        fifth.prove();
        let sixth = gate.enter(ip("192.0.2.4")).unwrap();
        assert_eq!(gate.enter(ip("192.0.2.5")).unwrap_err(), Refused::Total);
        drop((first, third, fourth, fifth, sixth));
        assert_eq!(gate.inside(), (0, 0));
        assert!(gate.counts().sources.is_empty());
    }

    #[test]
    fn a_host_with_a_whole_network_of_ipv6_is_one_source() {
        let gate = gate();
        let _held = [gate.enter(ip("2001:db8::1")).unwrap(), gate.enter(ip("2001:db8::2")).unwrap()];
        assert_eq!(gate.enter(ip("2001:db8::ffff:1")).unwrap_err(), Refused::Source);
        assert!(gate.enter(ip("2001:db8:0:1::1")).is_ok());
    }
}
