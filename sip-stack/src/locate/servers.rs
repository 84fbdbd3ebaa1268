//! The servers that a search has found, and in which order they are tried.

use crate::message::Transport;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use stdx::Entropy;

/// Where something may be sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// How.
    pub transport: Transport,
    /// Where to.
    pub address: SocketAddr,
}

/// All servers of a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    pub(super) all: Vec<Server>,
    /// How long this may be remembered; `None`: for ever, nobody was asked.
    pub ttl: Option<Duration>,
}

/// One host that serves, by one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Which of the domain's transports: the lowest first.
    pub(super) group: usize,
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) transport: Transport,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) addresses: Vec<IpAddr>,
}

impl Server {
    pub(super) fn direct(transport: Transport, host: &str, port: u16, addresses: Vec<IpAddr>) -> Self {
        Self { group: 0, priority: 0, weight: 0, transport, host: host.to_owned(), port, addresses }
    }
}

impl Servers {
    /// The targets in the order in which one caller shall try them: by transport, then by priority, then by chance as the weights
    /// say (RFC 2782). So that many callers spread as the operator of the domain wishes, ask for each of them anew.
    pub fn targets(&self, entropy: &mut Entropy) -> Vec<Target> {
        let mut left: Vec<&Server> = self.all.iter().collect();
        left.sort_by_key(|server| (server.group, server.priority));
        let mut targets = Vec::new();
        while let Some(first) = left.first() {
            let rank = (first.group, first.priority);
            let end = left.iter().position(|s| (s.group, s.priority) != rank).unwrap_or(left.len());
            let chosen = left.remove(pick(&left[..end], entropy));
            for ip in &chosen.addresses {
                let target = Target { transport: chosen.transport, address: SocketAddr::new(*ip, chosen.port) };
                if !targets.contains(&target) {
                    targets.push(target);
                }
            }
        }
        targets
    }

    /// Every target, in no meaningful order.
    pub fn all_targets(&self) -> impl Iterator<Item = Target> {
        self.all.iter().flat_map(|server| {
            let target =
                |ip: &IpAddr| Target { transport: server.transport, address: SocketAddr::new(*ip, server.port) };
            server.addresses.iter().map(target).collect::<Vec<_>>()
        })
    }
}

/// One server of equal priority. Those of weight 0 have a very small chance beside others (RFC 2782).
fn pick(servers: &[&Server], entropy: &mut Entropy) -> usize {
    if servers.len() < 2 {
        return 0;
    }
    let share = |server: &Server| u64::from(server.weight) * 100 + 1;
    let total: u64 = servers.iter().map(|server| share(server)).sum();
    let mut at = entropy.below(total);
    for (index, server) in servers.iter().enumerate() {
        match at.checked_sub(share(server)) {
            Some(rest) => at = rest,
            None => return index,
        }
    }
    0
}
