//! Who is known here: extensions, trunks, and where numbers lead. Every cell has a copy.

use crate::config::Config;
use crate::outward::OutLeg;
use model::{CallerHeader, Extension, Trunk};
use route::{Decision, Draw, Router, Source};
use sip_stack::endpoint::Flow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use stdx::{Entropy, UnixMillis};

#[derive(Debug)]
pub(crate) struct Directory {
    extensions: BTreeMap<String, Extension>,
    trunks: Vec<Trunk>,
    trunk_flows: BTreeMap<String, Flow>,
    router: Router,
    /// How many calls went by each trunk, for numbers that take turns.
    turns: BTreeMap<String, u64>,
}

impl Directory {
    pub(crate) fn new(config: &Config) -> Self {
        let settings = route::Settings {
            numbers: config.numbers.clone(),
            rights: config.rights.clone(),
            black_list: config.black_list.clone(),
            trunks: config.trunks.clone(),
            routes: config.routes.clone(),
        };
        let router = Router::new(&settings).unwrap_or_else(|problem| {
            // The shell checks settings before it starts a worker with them.
            tracing::error!(problem, "settings of numbers and routes make no sense; no call leaves by a route");
            Router::nowhere()
        });
        Self {
            extensions: BTreeMap::new(),
            trunks: config.trunks.clone(),
            trunk_flows: config.trunk_flows.clone(),
            router,
            turns: BTreeMap::new(),
        }
    }

    pub(crate) fn put(&mut self, extension: Extension) {
        self.extensions.insert(extension.number.clone(), extension);
    }

    pub(crate) fn remove(&mut self, number: &str) {
        self.extensions.remove(number);
    }

    pub(crate) fn len(&self) -> usize {
        self.extensions.len()
    }

    /// An extension that may be used.
    pub(crate) fn extension(&self, number: &str) -> Option<&Extension> {
        self.extensions.get(number).filter(|extension| extension.enabled)
    }

    /// The trunk that calls from this address.
    pub(crate) fn trunk_at(&self, address: IpAddr) -> Option<&Trunk> {
        self.trunks.iter().find(|trunk| trunk.addresses.contains(&address))
    }

    /// Where calls to a trunk are sent, if it can be called.
    pub(crate) fn trunk_flow(&self, name: &str) -> Option<Flow> {
        self.trunk_flows.get(name).copied()
    }

    /// Our name at a trunk that wants the caller's number elsewhere than in From (RFC 3325 §8).
    pub(crate) fn account(&self, out: &OutLeg) -> Option<&str> {
        if out.terms.headers.contains(&CallerHeader::From) {
            return None;
        }
        let trunk = self.trunks.iter().find(|trunk| trunk.name == out.trunk)?;
        trunk.account.as_ref().map(|account| account.username.as_str())
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    /// Where a number leads for somebody who calls from an extension or from a trunk. An extension goes before a route, so no
    /// route can take a colleague's number away; an emergency number goes before both.
    pub(crate) fn find(&mut self, number: &str, from: Source<'_>, at: UnixMillis, entropy: &mut Entropy) -> Decision {
        let mut chance = Chance { entropy, turns: &mut self.turns };
        let extensions = &self.extensions;
        let is_extension = |number: &str| extensions.get(number).is_some_and(|extension| extension.enabled);
        self.router.decide(number, from, at, &is_extension, &mut chance, &mut |_| ())
    }
}

struct Chance<'a> {
    entropy: &'a mut Entropy,
    turns: &'a mut BTreeMap<String, u64>,
}

impl Draw for Chance<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        self.entropy.below(bound)
    }

    fn turn(&mut self, trunk: &str) -> u64 {
        match self.turns.get_mut(trunk) {
            Some(turn) => {
                *turn += 1;
                *turn
            }
            None => {
                self.turns.insert(trunk.to_owned(), 0);
                0
            }
        }
    }
}
