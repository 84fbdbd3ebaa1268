//! From a name to servers (RFC 3263 §4): which questions to ask next, and what their answers amount to.

use super::goal::Goal;
use super::record::{Failure, Question, Record};
use super::servers::{Server, Servers};
use crate::message::Transport;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// SRV records that are looked at; more of one name are left out.
const MAX_SERVERS: usize = 32;

/// Addresses of one host that are looked at.
const MAX_ADDRESSES: usize = 8;

/// What came of a search.
pub type Outcome = Result<Servers, Failure>;

/// The search for the servers of one [`Goal`]. Ask what [`Search::poll_question`] says until `None`, give each answer to
/// [`Search::handle_answer`], and look at [`Search::outcome`].
#[derive(Debug)]
pub struct Search {
    goal: Goal,
    /// Which transports we can send by, the best first.
    transports: Vec<Transport>,
    state: State,
    to_ask: Vec<Question>,
    ttl: Option<Duration>,
}

/// A service name and what is known of its hosts.
type Service = (Transport, String, Option<Result<Vec<Server>, Failure>>);

#[derive(Debug)]
enum State {
    /// Which transports the domain offers.
    Naptr,
    /// Which hosts serve by each of them: the service names in order of preference, with what is known of each.
    Srv {
        services: Vec<Service>,
    },
    /// Where those hosts are.
    Addresses {
        servers: Vec<Server>,
        known: BTreeMap<String, Option<Result<Vec<IpAddr>, Failure>>>,
    },
    Done(Outcome),
}

impl Search {
    /// Begins. `transports` are those that we can send by, the best first.
    pub fn new(goal: Goal, transports: &[Transport]) -> Self {
        let transports = transports.iter().copied().filter(|t| goal.allows(*t)).collect();
        let mut search = Self { goal, transports, state: State::Naptr, to_ask: Vec::new(), ttl: None };
        search.begin();
        search
    }

    /// The next question to ask; several may be open at one time.
    pub fn poll_question(&mut self) -> Option<Question> {
        self.to_ask.pop()
    }

    /// An answer to a question that was asked. Answers to others are left alone.
    pub fn handle_answer(&mut self, question: &Question, answer: Result<Vec<Record>, Failure>) {
        match (&mut self.state, question) {
            (State::Naptr, Question::Naptr(_)) => self.on_naptr(&answer.unwrap_or_default()),
            (State::Srv { .. }, Question::Srv(name)) => self.on_srv(name, &answer),
            (State::Addresses { .. }, Question::Addresses(host)) => self.on_addresses(host, answer),
            // Of a step that is over.
            (State::Naptr | State::Srv { .. } | State::Addresses { .. } | State::Done(_), _) => {}
        }
    }

    /// What came of it; `None` while answers are awaited.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Done(outcome) => Some(outcome),
            State::Naptr | State::Srv { .. } | State::Addresses { .. } => None,
        }
    }

    fn begin(&mut self) {
        let Some(first) = self.transports.first().copied() else {
            self.state = State::Done(Err(Failure::NoName));
            return;
        };
        let goal = &self.goal;
        if let Some(ip) = goal.ip() {
            let transport = goal.transport().unwrap_or_else(|| self.usual(first));
            let server = Server::direct(transport, &goal.host, goal.port_of(transport), vec![ip]);
            self.state = State::Done(Ok(Servers { all: vec![server], ttl: None }));
        } else if goal.port.is_some() {
            let transport = goal.transport().unwrap_or_else(|| self.usual(first));
            self.ask_for_host(transport);
        } else if let Some(transport) = goal.transport() {
            self.ask_for_services(vec![(transport, goal.service(transport))]);
        } else {
            self.to_ask.push(Question::Naptr(goal.host.clone()));
        }
    }

    /// Where nothing says otherwise: UDP, or TLS for `sips` (§4.1), as far as we have them.
    fn usual(&self, first: Transport) -> Transport {
        let usual = if self.goal.secure { Transport::Tls } else { Transport::Udp };
        if self.transports.contains(&usual) { usual } else { first }
    }

    fn on_naptr(&mut self, records: &[Record]) {
        let usable = |record: &Record| match record {
            Record::Naptr { ttl, order, preference, flags, service, replacement, .. } => {
                let transport = transport_of(service).filter(|t| self.transports.contains(t))?;
                let fits = flags.eq_ignore_ascii_case("s") && !replacement.is_empty();
                fits.then(|| (*order, *preference, transport, replacement.clone(), *ttl))
            }
            Record::Srv { .. } | Record::Address { .. } => None,
        };
        let mut found: Vec<_> = records.iter().filter_map(usable).collect();
        found.sort_by_key(|(order, preference, ..)| (*order, *preference));
        // Of the first order that has any use for us, and no further (RFC 3403 §4.1).
        let order = found.first().map(|(order, ..)| *order);
        found.retain(|(of, ..)| Some(*of) == order);
        found.truncate(MAX_SERVERS);
        if let Some(ttl) = found.iter().map(|(.., ttl)| *ttl).min() {
            self.hold(ttl);
        }
        let services: Vec<_> = if found.is_empty() {
            self.transports.iter().map(|t| (*t, self.goal.service(*t))).collect()
        } else {
            found.into_iter().map(|(_, _, transport, name, _)| (transport, name)).collect()
        };
        self.ask_for_services(services);
    }

    fn ask_for_services(&mut self, services: Vec<(Transport, String)>) {
        self.to_ask.extend(services.iter().rev().map(|(_, name)| Question::Srv(name.clone())));
        self.state = State::Srv { services: services.into_iter().map(|(t, name)| (t, name, None)).collect() };
    }

    fn on_srv(&mut self, name: &str, answer: &Result<Vec<Record>, Failure>) {
        let State::Srv { services } = &mut self.state else { return };
        let mut ttl = None::<Duration>;
        for (group, (transport, of, known)) in services.iter_mut().enumerate() {
            if of != name || known.is_some() {
                continue;
            }
            *known = Some(answer.as_ref().map_err(|failure| *failure).map(|records| {
                let server = |record: &Record| match record {
                    Record::Srv { ttl: holds, priority, weight, port, target } => {
                        ttl = Some(ttl.map_or(*holds, |ttl| ttl.min(*holds)));
                        let (priority, weight) = (*priority, *weight);
                        let host = target.trim_end_matches('.').to_owned();
                        let addresses = Vec::new();
                        Some(Server { group, priority, weight, transport: *transport, host, port: *port, addresses })
                    }
                    Record::Naptr { .. } | Record::Address { .. } => None,
                };
                records.iter().filter_map(server).take(MAX_SERVERS).collect()
            }));
        }
        let open = services.iter().any(|(.., known)| known.is_none());
        if let Some(ttl) = ttl {
            self.hold(ttl);
        }
        if !open {
            self.services_known();
        }
    }

    fn services_known(&mut self) {
        let State::Srv { services } = &mut self.state else { return };
        let (mut servers, mut failed, mut refused) = (Vec::new(), false, false);
        for known in services.iter_mut().filter_map(|(.., known)| known.take()) {
            match known {
                Ok(found) => servers.extend(found),
                Err(Failure::NoName) => {}
                Err(Failure::Unavailable) => failed = true,
            }
        }
        // A target of "." says that the service is decidedly not there (RFC 2782).
        servers.retain(|server: &Server| {
            refused |= server.host.is_empty();
            !server.host.is_empty()
        });
        servers.truncate(MAX_SERVERS);
        if !servers.is_empty() {
            return self.ask_for_addresses(servers);
        }
        if failed || refused {
            let failure = if failed { Failure::Unavailable } else { Failure::NoName };
            self.state = State::Done(Err(failure));
            return;
        }
        if let Some(first) = self.transports.first().copied() {
            let transport = self.goal.transport().unwrap_or_else(|| self.usual(first));
            self.ask_for_host(transport);
        }
    }

    /// The host itself, for want of services (§4.2).
    fn ask_for_host(&mut self, transport: Transport) {
        let server = Server::direct(transport, &self.goal.host, self.goal.port_of(transport), Vec::new());
        self.ask_for_addresses(vec![server]);
    }

    fn ask_for_addresses(&mut self, mut servers: Vec<Server>) {
        let mut known = BTreeMap::new();
        for server in &mut servers {
            // An SRV target must not be an address, but some are.
            match server.host.parse::<IpAddr>() {
                Ok(ip) => server.addresses = vec![ip],
                Err(_) => drop(known.insert(server.host.clone(), None)),
            }
        }
        self.to_ask.extend(known.keys().rev().cloned().map(Question::Addresses));
        self.state = State::Addresses { servers, known };
        self.addresses_known();
    }

    fn on_addresses(&mut self, host: &str, answer: Result<Vec<Record>, Failure>) {
        let State::Addresses { known, .. } = &mut self.state else { return };
        let Some(slot @ None) = known.get_mut(host) else { return };
        let mut ttl = None::<Duration>;
        let address = |record: &Record| match record {
            Record::Address { ttl: holds, ip } => {
                ttl = Some(ttl.map_or(*holds, |ttl| ttl.min(*holds)));
                Some(*ip)
            }
            Record::Naptr { .. } | Record::Srv { .. } => None,
        };
        *slot = Some(answer.map(|records| records.iter().filter_map(address).take(MAX_ADDRESSES).collect()));
        if let Some(ttl) = ttl {
            self.hold(ttl);
        }
        self.addresses_known();
    }

    fn addresses_known(&mut self) {
        let State::Addresses { servers, known } = &mut self.state else { return };
        if known.values().any(Option::is_none) {
            return;
        }
        let failed = known.values().any(|found| *found == Some(Err(Failure::Unavailable)));
        for server in servers.iter_mut() {
            if let Some(Some(Ok(found))) = known.get(&server.host) {
                server.addresses.clone_from(found);
            }
        }
        let mut all = std::mem::take(servers);
        all.retain(|server| !server.addresses.is_empty());
        let outcome = match all.is_empty() {
            true if failed => Err(Failure::Unavailable),
            true => Err(Failure::NoName),
            false => Ok(Servers { all, ttl: self.ttl }),
        };
        self.state = State::Done(outcome);
    }

    fn hold(&mut self, ttl: Duration) {
        self.ttl = Some(self.ttl.map_or(ttl, |known| known.min(ttl)));
    }
}

/// RFC 3263 §4.1, RFC 7118 §6; WebSocket servers are not connected out to.
fn transport_of(service: &str) -> Option<Transport> {
    let is = |name: &str| service.eq_ignore_ascii_case(name);
    if is("SIP+D2U") {
        Some(Transport::Udp)
    } else if is("SIP+D2T") {
        Some(Transport::Tcp)
    } else if is("SIPS+D2T") {
        Some(Transport::Tls)
    } else {
        None
    }
}
