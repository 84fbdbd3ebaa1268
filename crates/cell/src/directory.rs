//! Who is known here: extensions, trunks, routes. Every cell has a copy.

use crate::config::Config;
use model::{Extension, Outcome, Route, RouteTarget, Trunk};
use sip_stack::endpoint::Flow;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Where a dialled number leads.
pub(crate) enum Destination<'a> {
    Extension { extension: &'a Extension, record: bool },
    Trunk { trunk: &'a str, record: bool },
    Nowhere(Outcome),
}

#[derive(Debug)]
pub(crate) struct Directory {
    extensions: BTreeMap<String, Extension>,
    trunks: Vec<Trunk>,
    trunk_flows: BTreeMap<String, Flow>,
    routes: Vec<Route>,
}

impl Directory {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            extensions: BTreeMap::new(),
            trunks: config.trunks.clone(),
            trunk_flows: config.trunk_flows.clone(),
            routes: config.routes.clone(),
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

    /// Where a number leads for somebody who calls from an extension (`None`) or from the trunk of that name. An extension
    /// goes before a route, so no route can take a colleague's number away.
    pub(crate) fn find(&self, number: &str, from_trunk: Option<&str>) -> Destination<'_> {
        if let Some(extension) = self.extension(number) {
            return Destination::Extension { extension, record: extension.record };
        }
        let Some(route) = self.route(number, from_trunk) else { return Destination::Nowhere(Outcome::Unallocated) };
        match &route.to {
            RouteTarget::Extension(to) => match self.extension(to) {
                Some(extension) => Destination::Extension { extension, record: route.record || extension.record },
                None => Destination::Nowhere(Outcome::Unallocated),
            },
            RouteTarget::Trunk(to) if self.trunk_flows.contains_key(to) => {
                Destination::Trunk { trunk: to, record: route.record }
            }
            RouteTarget::Trunk(_) => Destination::Nowhere(Outcome::Unreachable),
        }
    }

    fn route(&self, number: &str, from_trunk: Option<&str>) -> Option<&Route> {
        let matches = |route: &&Route| {
            route.from_trunk.as_deref() == from_trunk
                && match route.number.strip_suffix('*') {
                    Some(prefix) => number.starts_with(prefix),
                    None => route.number == number,
                }
        };
        // An exact route is longer than every prefix of it, because its pattern has no `*` to count.
        self.routes.iter().filter(matches).max_by_key(|route| (!route.number.ends_with('*'), route.number.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Wall;

    fn route(number: &str, from: Option<&str>, to: &str) -> Route {
        let to = RouteTarget::Trunk(to.into());
        Route { number: number.into(), from_trunk: from.map(Into::into), to, record: false }
    }

    #[test]
    fn the_longest_route_wins_and_a_trunk_needs_a_route_of_its_own() {
        let mut config = Config::new("test", Wall::new(stdx::testing::start(), 0));
        config.routes =
            vec![route("0*", None, "a"), route("00*", None, "b"), route("0012", None, "c"), route("9", Some("a"), "b")];
        let address = "192.0.2.1:5060".parse().unwrap();
        for name in ["a", "b", "c"] {
            config.trunk_flows.insert(name.into(), Flow::udp(address, address));
        }
        let directory = Directory::new(&config);
        let trunk = |number, from| match directory.find(number, from) {
            Destination::Trunk { trunk, .. } => trunk.to_owned(),
            Destination::Extension { .. } => "extension".to_owned(),
            Destination::Nowhere(outcome) => outcome.name().to_owned(),
        };
        assert_eq!(trunk("0571", None), "a");
        assert_eq!(trunk("0044", None), "b");
        assert_eq!(trunk("0012", None), "c");
        assert_eq!(trunk("9", Some("a")), "b");
        assert_eq!(trunk("9", None), "unallocated");
        assert_eq!(trunk("0571", Some("a")), "unallocated", "no open relay from trunk to trunk");
    }
}
