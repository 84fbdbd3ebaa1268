//! Letting calls out by a trunk, within its limits.

use super::LineNo;
use super::line::Line;
use crate::cell::Cell;
use crate::io::Body;
use bytes::Bytes;
use model::{CallId, LegNo, Outcome, TrunkState};
use sip_stack::auth::Credentials;
use sip_stack::endpoint::{Flow, Invite, Outgoing};
use sip_stack::locate::Target;
use sip_stack::message::NameAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Calls that wait for the first search of one trunk; more are refused.
const MAX_WAITING: usize = 1000;

/// How a call goes out by a trunk.
#[derive(Clone, Debug)]
pub struct TrunkWay {
    /// To which of its servers, the best first; never empty.
    pub flows: Vec<Flow>,
    /// The host of the Request-URI and of To.
    pub host: String,
    /// The host of From, where it is not to be our own address.
    pub from_host: Option<String>,
    /// Proxies to be passed, as Route values.
    pub route: Vec<String>,
    /// Who we are, if it asks.
    pub credentials: Option<Arc<Credentials>>,
    /// The user of our Contact, by which the trunk knows us.
    pub contact_user: Option<String>,
}

impl TrunkWay {
    /// Makes a request other than INVITE go this way.
    pub(crate) fn apply_to_request(&self, request: &mut Outgoing) {
        request.alternatives = self.flows.iter().skip(1).copied().collect();
        request.credentials.clone_from(&self.credentials);
        let route = |text: &String| NameAddr::parse(&Bytes::copy_from_slice(text.as_bytes()));
        request.route = self.route.iter().filter_map(route).collect();
    }

    /// Makes an INVITE go this way.
    pub(crate) fn apply(&self, invite: &mut Invite) {
        invite.alternatives = self.flows.iter().skip(1).copied().collect();
        invite.credentials.clone_from(&self.credentials);
        let route = |text: &String| NameAddr::parse(&Bytes::copy_from_slice(text.as_bytes()));
        invite.route = self.route.iter().filter_map(route).collect();
        if let Some(user) = &self.contact_user {
            invite.contact_user.clone_from(user);
        }
    }
}

impl Cell {
    /// A call wants out by a trunk whose home is here.
    pub(crate) fn reserve(&mut self, (from, call, leg, urgent): (u16, CallId, LegNo, bool), trunk: &str, now: Instant) {
        let Some(no) = self.trunks.by_name(trunk) else {
            return self.reserved_for((from, call, leg), trunk, Err(Outcome::Unreachable), now);
        };
        let Some(line) = self.trunks.lines.get_mut(no) else { return };
        if line.is_callable() && line.servers.is_none() && line.failure.is_none() && line.waiting.len() < MAX_WAITING {
            return line.waiting.push((from, call, leg, urgent));
        }
        let way = self.take_way(no, call, urgent, now);
        self.reserved_for((from, call, leg), trunk, way, now);
    }

    fn reserved_for(
        &mut self,
        (to, call, leg): (u16, CallId, LegNo),
        trunk: &str,
        way: Result<Box<TrunkWay>, Outcome>,
        now: Instant,
    ) {
        if to == self.config.cell {
            self.on_reserved(call, leg, trunk.to_owned(), way, now);
        } else {
            self.send(to, Body::Reserved { call, leg, trunk: trunk.to_owned(), way });
        }
    }

    /// Those that waited for the trunk to be found.
    pub(super) fn answer_waiting(&mut self, no: LineNo, now: Instant) {
        let Some(line) = self.trunks.lines.get_mut(no) else { return };
        let (waiting, trunk) = (std::mem::take(&mut line.waiting), line.trunk.name.clone());
        for (from, call, leg, urgent) in waiting {
            let way = self.take_way(no, call, urgent, now);
            self.reserved_for((from, call, leg), &trunk, way, now);
        }
    }

    fn take_way(&mut self, no: LineNo, call: CallId, urgent: bool, now: Instant) -> Result<Box<TrunkWay>, Outcome> {
        let Some(line) = self.trunks.lines.get_mut(no) else { return Err(Outcome::Unreachable) };
        if !line.is_callable() || (!urgent && line.state().0 == TrunkState::Down) {
            return Err(Outcome::Unreachable);
        }
        let in_time = line.may_begin(now);
        if !urgent && (line.is_full() || !in_time) {
            line.refused += 1;
            return Err(Outcome::Congestion);
        }
        let way = self.way(no, now).ok_or(Outcome::Unreachable)?;
        if let Some(line) = self.trunks.lines.get_mut(no) {
            line.lately.push_back(now);
            *line.calls.entry(call).or_default() += 1;
        }
        Ok(Box::new(way))
    }

    /// The way of a text by a trunk whose home is here: it counts as no call.
    pub(crate) fn way_of_text(&mut self, trunk: &str, now: Instant) -> Option<TrunkWay> {
        let no = self.trunks.by_name(trunk)?;
        self.trunks.lines.get(no).filter(|line| line.is_callable() && line.state().0 != TrunkState::Down)?;
        self.way(no, now)
    }

    fn way(&mut self, no: LineNo, now: Instant) -> Option<TrunkWay> {
        let flows: Vec<Flow> = self.hops(no, now).into_iter().map(|(_, flow)| flow).collect();
        let line = self.trunks.lines.get(no).filter(|_| !flows.is_empty())?;
        let host = line.host.as_ref().map(|goal| goal.host_port()).unwrap_or_default();
        let text = |addr: &NameAddr| String::from_utf8_lossy(&addr.to_bytes()).into_owned();
        let service = line.enrol.iter().flat_map(|enrol| &enrol.service_route);
        let route: Vec<String> = line.proxy_route().iter().chain(service).map(text).collect();
        Some(TrunkWay {
            flows,
            host,
            from_host: line.domain(),
            route,
            credentials: line.credentials.clone(),
            contact_user: line.trunk.account.as_ref().map(|account| account.username.clone()),
        })
    }

    /// A call came in by a trunk whose home is here.
    pub(crate) fn count_in(&mut self, (from, call, urgent): (u16, CallId, bool), trunk: &str, now: Instant) {
        let Some(line) = self.trunks.by_name(trunk).and_then(|no| self.trunks.lines.get_mut(no)) else { return };
        let (limited, room) = (line.trunk.max_calls > 0, urgent || !line.is_full());
        if room {
            *line.calls.entry(call).or_default() += 1;
        } else {
            line.refused += 1;
        }
        if limited && from == self.config.cell {
            self.on_trunk_room(call, room, now);
        } else if limited {
            self.send(from, Body::TrunkRoom { call, room });
        }
    }

    /// A call no longer goes over a trunk whose home is here.
    pub(crate) fn release(&mut self, call: CallId, trunk: &str) {
        let Some(line) = self.trunks.by_name(trunk).and_then(|no| self.trunks.lines.get_mut(no)) else { return };
        if let Some(times) = line.calls.get_mut(&call) {
            *times -= 1;
            if *times == 0 {
                line.calls.remove(&call);
            }
        }
    }

    /// What a call learned of the servers it tried.
    pub(crate) fn tried(&mut self, trunk: &str, dead: &[Flow], alive: Option<Flow>, now: Instant) {
        let Some(no) = self.trunks.by_name(trunk) else { return };
        let target = |flow: &Flow| Target { transport: flow.transport, address: flow.remote };
        for flow in dead {
            self.hop_failed(no, &target(flow), None, now);
        }
        if let Some(flow) = alive {
            self.hop_works(no, &target(&flow), now);
        }
    }
}

impl Line {
    pub(super) fn in_use(&self) -> u32 {
        self.calls.values().sum()
    }

    fn is_full(&self) -> bool {
        self.trunk.max_calls > 0 && self.in_use() >= self.trunk.max_calls
    }

    /// The limit per second, over the last second.
    fn may_begin(&mut self, now: Instant) -> bool {
        let limit = self.trunk.calls_per_second as usize;
        let old = |at: &Instant| now.saturating_duration_since(*at) >= Duration::from_secs(1);
        while self.lately.front().is_some_and(old) || (limit == 0 && !self.lately.is_empty()) {
            self.lately.pop_front();
        }
        limit == 0 || self.lately.len() < limit
    }
}
