//! Who is known here: extensions, trunks, and where numbers lead. Every cell has a copy.

use crate::config::Config;
use crate::outward::OutLeg;
use model::{CallerHeader, Extension, Mailbox, Queue, RingGroup, Routing, Trunk};
use route::{Decision, Draw, Router, Source};
use sip_stack::auth::Ha1;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use stdx::{Entropy, UnixMillis};

#[derive(Debug)]
pub(crate) struct Directory {
    extensions: BTreeMap<String, Extension>,
    trunks: Vec<Trunk>,
    /// Where trunks call from, as their homes found out by their names.
    sources: BTreeMap<String, Vec<IpAddr>>,
    /// Trunks that prove themselves by a password: trunk and secrets by user.
    accounts: BTreeMap<String, (String, Ha1)>,
    router: Router,
    queues: BTreeMap<String, Arc<Queue>>,
    /// The numbers of queues that have one, and their names.
    queue_numbers: BTreeMap<String, String>,
    ring_groups: BTreeMap<String, Arc<RingGroup>>,
    /// The numbers of ring groups that have one, and their names.
    ring_group_numbers: BTreeMap<String, String>,
    mailboxes: BTreeMap<String, Arc<Mailbox>>,
    /// The mailboxes of extensions: of each the first by name, unless one has its own.
    mailboxes_of: BTreeMap<String, String>,
    /// What the router was made from, without what is set while the switch runs.
    configured: route::Settings,
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
        let mut directory = Self {
            queues: BTreeMap::new(),
            queue_numbers: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            mailboxes_of: BTreeMap::new(),
            ring_groups: BTreeMap::new(),
            ring_group_numbers: BTreeMap::new(),
            extensions: BTreeMap::new(),
            trunks: config.trunks.clone(),
            sources: BTreeMap::new(),
            accounts: config
                .trunks
                .iter()
                .filter(|trunk| trunk.enabled)
                .filter_map(|t| inbound_account(t, &config.realm))
                .collect(),
            router,
            configured: settings,
            turns: BTreeMap::new(),
        };
        config.queues.iter().for_each(|queue| directory.put_queue(queue.clone()));
        directory.mailboxes = config.mailboxes.iter().map(|m| (m.name.clone(), Arc::new(m.clone()))).collect();
        directory.own_mailboxes();
        config.ring_groups.iter().for_each(|group| directory.put_ring_group(group.clone()));
        directory
    }

    pub(crate) fn put_queue(&mut self, queue: Queue) {
        self.queues.insert(queue.name.clone(), Arc::new(queue));
        self.number_queues();
    }

    pub(crate) fn remove_queue(&mut self, name: &str) {
        self.queues.remove(name);
        self.number_queues();
    }

    fn number_queues(&mut self) {
        let numbered = self.queues.values().filter(|queue| !queue.number.is_empty());
        self.queue_numbers = numbered.map(|queue| (queue.number.clone(), queue.name.clone())).collect();
    }

    /// A queue.
    pub(crate) fn queue(&self, name: &str) -> Option<Arc<Queue>> {
        self.queues.get(name).cloned()
    }

    pub(crate) fn put_ring_group(&mut self, group: RingGroup) {
        self.ring_groups.insert(group.name.clone(), Arc::new(group));
        self.number_ring_groups();
    }

    pub(crate) fn remove_ring_group(&mut self, name: &str) {
        self.ring_groups.remove(name);
        self.number_ring_groups();
    }

    fn number_ring_groups(&mut self) {
        let numbered = self.ring_groups.values().filter(|group| !group.number.is_empty());
        self.ring_group_numbers = numbered.map(|group| (group.number.clone(), group.name.clone())).collect();
    }

    pub(crate) fn put_mailbox(&mut self, mailbox: Mailbox) {
        self.mailboxes.insert(mailbox.name.clone(), Arc::new(mailbox));
        self.own_mailboxes();
    }

    pub(crate) fn remove_mailbox(&mut self, name: &str) {
        self.mailboxes.remove(name);
        self.own_mailboxes();
    }

    fn own_mailboxes(&mut self) {
        self.mailboxes_of.clear();
        for (name, mailbox) in &self.mailboxes {
            for owner in &mailbox.extensions {
                if owner == name {
                    self.mailboxes_of.insert(owner.clone(), name.clone());
                } else {
                    self.mailboxes_of.entry(owner.clone()).or_insert_with(|| name.clone());
                }
            }
        }
    }

    /// A mailbox.
    pub(crate) fn mailbox(&self, name: &str) -> Option<Arc<Mailbox>> {
        self.mailboxes.get(name).cloned()
    }

    /// The mailbox of an extension.
    pub(crate) fn mailbox_of(&self, extension: &str) -> Option<Arc<Mailbox>> {
        self.mailbox(self.mailboxes_of.get(extension)?)
    }

    /// A ring group.
    pub(crate) fn ring_group(&self, name: &str) -> Option<Arc<RingGroup>> {
        self.ring_groups.get(name).cloned()
    }

    /// These routes and blocked numbers count beside those of the configuration; what is wrong with them otherwise.
    pub(crate) fn set_routing(&mut self, Routing { mut routes, black_list }: Routing) -> Result<(), String> {
        let mut settings = self.configured.clone();
        // Of two routes that fit alike the first counts.
        routes.append(&mut settings.routes);
        settings.routes = routes;
        settings.black_list.callers.extend(black_list.callers);
        settings.black_list.called.extend(black_list.called);
        self.router = Router::new(&settings)?;
        Ok(())
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

    /// The trunk that calls from this address: the one whose network fits most closely. Where several do alike, `user`, whom it calls, tells them apart: each knows us by the user
    /// that we registered with.
    pub(crate) fn trunk_at(&self, address: SocketAddr, user: Option<&str>) -> Option<&Trunk> {
        let closeness = |trunk: &Trunk| {
            let found = self.sources.get(&trunk.name).is_some_and(|sources| sources.contains(&address.ip()));
            let found = found.then(|| model::Source::from(address.ip()).fits(address)).flatten();
            trunk.addresses.iter().filter_map(|source| source.fits(address)).chain(found).max()
        };
        let ours =
            |trunk: &Trunk| trunk.account.as_ref().is_some_and(|account| Some(account.username.as_str()) == user);
        let mut best = None;
        for trunk in self.trunks.iter().filter(|trunk| trunk.enabled) {
            let Some(close) = closeness(trunk) else { continue };
            let rank = (close, ours(trunk));
            if best.as_ref().is_none_or(|(known, _)| rank > *known) {
                best = Some((rank, trunk));
            }
        }
        best.map(|(_, trunk)| trunk)
    }

    /// From where a trunk calls, as its home says.
    pub(crate) fn set_sources(&mut self, trunk: &str, addresses: Vec<IpAddr>) {
        self.sources.insert(trunk.to_owned(), addresses);
    }

    /// The trunk that proves itself as this user, with its secrets.
    pub(crate) fn inbound_account(&self, user: &str) -> Option<(&str, &Ha1)> {
        self.accounts.get(user).map(|(trunk, ha1)| (trunk.as_str(), ha1))
    }

    /// A trunk that may be used.
    pub(crate) fn trunk(&self, name: &str) -> Option<&Trunk> {
        self.trunks.iter().find(|trunk| trunk.name == name && trunk.enabled)
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
    /// route can take a colleague's number away, and a queue's or a ring group's own number likewise; an emergency number goes before all.
    pub(crate) fn find(&mut self, number: &str, from: Source<'_>, at: UnixMillis, entropy: &mut Entropy) -> Decision {
        let of_extension = matches!(from, Source::Extension { .. });
        let free = of_extension && self.extension(number).is_none() && !self.router.is_emergency(number);
        if let Some(name) = self.queue_numbers.get(number).filter(|_| free) {
            return Decision::Queue { name: name.clone() };
        }
        if let Some(name) = self.ring_group_numbers.get(number).filter(|_| free) {
            return Decision::RingGroup { name: name.clone(), record: false };
        }
        let mut chance = Chance { entropy, turns: &mut self.turns };
        let extensions = &self.extensions;
        let is_extension = |number: &str| extensions.get(number).is_some_and(|extension| extension.enabled);
        self.router.decide(number, from, at, &is_extension, &mut chance, &mut |_| ())
    }
}

/// The inbound account of a trunk, ready for the digest.
fn inbound_account(trunk: &Trunk, realm: &str) -> Option<(String, (String, Ha1))> {
    let account = trunk.inbound_account.as_ref()?;
    let ha1 = Ha1::new(&account.username, realm, &account.password);
    Some((account.username.clone(), (trunk.name.clone(), ha1)))
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
