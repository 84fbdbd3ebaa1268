//! One trunk at its home.

use super::enrol::Enrol;
use crate::locals::{Local, Locals};
use model::{CallId, LegNo, Trunk, TrunkRegistration, TrunkState, TrunkTransport};
use sip_stack::auth::Credentials;
use sip_stack::endpoint::{Flow, Transport};
use sip_stack::locate::{Failure, Goal, Search, Servers, Target};
use sip_stack::message::NameAddr;
use sip_stack::qualify::Qualify;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// What is known of a trunk, and what goes over it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) trunk: Trunk,
    /// The host that names the trunk in URIs.
    pub(super) host: Option<Goal>,
    /// What is looked for: the outbound proxy, else the host.
    pub(super) goal: Option<Goal>,
    /// A search under way.
    pub(super) search: Option<Search>,
    /// What the last search that succeeded has found.
    pub(super) servers: Option<Servers>,
    /// Why the last search failed.
    pub(super) failure: Option<Failure>,
    pub(super) enrol: Option<Enrol>,
    pub(super) probes: BTreeMap<Target, Qualify>,
    /// What every cell was told of the addresses it calls from.
    pub(super) sources: Vec<IpAddr>,
    /// Calls over it, and how many times each: a call may come by a trunk and leave by it again.
    pub(super) calls: BTreeMap<CallId, u32>,
    /// When the last calls were let out, for the limit per second.
    pub(super) lately: VecDeque<Instant>,
    pub(super) refused: u64,
    /// Who waits for the first search: cell, call and leg, and whether it is an emergency.
    pub(super) waiting: Vec<(u16, CallId, LegNo, bool)>,
    pub(super) credentials: Option<Arc<Credentials>>,
    /// What everybody was told last, and when that began.
    pub(super) told: (TrunkState, Option<TrunkRegistration>, String),
    pub(super) since: Option<Instant>,
}

impl Line {
    pub(super) fn new(trunk: Trunk) -> Self {
        let wanted = trunk.transport.map(transport);
        let goal =
            |text: &String| text.parse::<Goal>().ok().map(|goal| Goal { wanted: goal.wanted.or(wanted), ..goal });
        let host = trunk.target.as_ref().and_then(goal);
        let credentials = trunk.account.as_ref().map(|account| {
            let user = account.auth_username.as_ref().unwrap_or(&account.username);
            Arc::new(Credentials::new(user, &account.password))
        });
        Self {
            goal: trunk.outbound_proxy.as_ref().and_then(goal).or_else(|| host.clone()),
            host,
            search: None,
            servers: None,
            failure: None,
            enrol: None,
            probes: BTreeMap::new(),
            sources: Vec::new(),
            calls: BTreeMap::new(),
            lately: VecDeque::new(),
            refused: 0,
            waiting: Vec::new(),
            credentials,
            told: (TrunkState::Unknown, None, String::new()),
            since: None,
            trunk,
        }
    }

    /// Whether calls may go out by it at all.
    pub(super) fn is_callable(&self) -> bool {
        self.trunk.enabled && self.host.is_some()
    }

    /// By which flow a server is reached; `None`: nothing of ours listens for it.
    pub(super) fn flow_to(&self, locals: &Locals, target: &Target) -> Option<Flow> {
        let Some(listener) = self.trunk.listener else { return locals.flow_to(target.transport, target.address) };
        let chosen = |local: &&Local| {
            let ip = listener.ip();
            local.address.port() == listener.port() && (ip.is_unspecified() || ip == local.address.ip())
        };
        let all = locals.all.iter().filter(chosen).copied().collect();
        Locals { all, advertised: locals.advertised }.flow_to(target.transport, target.address)
    }

    /// The host in our address there: the account's, else the trunk's.
    pub(super) fn domain(&self) -> Option<String> {
        let account = self.trunk.account.as_ref()?;
        account.domain.clone().or_else(|| self.host.as_ref().map(Goal::host_port))
    }

    /// The outbound proxy as a Route.
    pub(super) fn proxy_route(&self) -> Option<NameAddr> {
        self.trunk.outbound_proxy.as_ref()?;
        let goal = self.goal.as_ref()?;
        let transport = match goal.wanted {
            Some(Transport::Tcp) => ";transport=tcp",
            Some(Transport::Tls) => ";transport=tls",
            Some(Transport::Udp | Transport::Ws | Transport::Wss) | None => "",
        };
        let uri = format!("sip:{}{transport};lr", goal.host_port());
        sip_stack::message::Uri::from_slice(uri.as_bytes()).ok().map(NameAddr::new)
    }
}

fn transport(transport: TrunkTransport) -> Transport {
    match transport {
        TrunkTransport::Udp => Transport::Udp,
        TrunkTransport::Tcp => Transport::Tcp,
        TrunkTransport::Tls => Transport::Tls,
    }
}
