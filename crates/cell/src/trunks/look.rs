//! Finding a trunk's servers, and finding them again when what was found is old.

use super::{Due, LineNo};
use crate::cell::Cell;
use crate::io::{Body, Output};
use sip_stack::endpoint::{Flow, Transport};
use sip_stack::locate::{Failure, Record, Search, Target};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tracing::{debug, warn};

/// What was found is asked for again after its time to live, but not more often than this …
const OFTEN: Duration = Duration::from_secs(30);

/// … and not more rarely than this.
const RARELY: Duration = Duration::from_secs(3600);

/// After a search that failed.
const AGAIN: Duration = Duration::from_secs(30);

/// Servers of one trunk that are looked at.
const MAX_HOPS: usize = 16;

impl Cell {
    pub(super) fn look(&mut self, no: LineNo, now: Instant) {
        let transports = self.transports();
        let Some(line) = self.trunks.lines.get_mut(no) else { return };
        if line.search.is_some() || !line.trunk.enabled {
            return self.tell_trunk(no, now);
        }
        let Some(goal) = line.goal.clone() else { return self.tell_trunk(no, now) };
        line.search = Some(Search::new(goal, &transports));
        self.go_on_looking(no, now);
    }

    /// Those that something of ours listens for, the best first.
    fn transports(&self) -> Vec<Transport> {
        let ours = |transport: &Transport| self.config.locals.all.iter().any(|local| local.transport == *transport);
        [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().filter(ours).collect()
    }

    /// The shell has an answer.
    pub(crate) fn resolved(&mut self, ticket: u64, answers: Result<Vec<Record>, Failure>, now: Instant) {
        let Some((no, question)) = self.trunks.questions.remove(&ticket) else { return };
        if let Some(search) = self.trunks.lines.get_mut(no).and_then(|line| line.search.as_mut()) {
            search.handle_answer(&question, answers);
            self.go_on_looking(no, now);
        }
    }

    fn go_on_looking(&mut self, no: LineNo, now: Instant) {
        while let Some(question) = self.search(no).and_then(Search::poll_question) {
            if !self.ask_names(no, question.clone())
                && let Some(search) = self.search(no)
            {
                search.handle_answer(&question, Err(Failure::Unavailable));
            }
        }
        let Some(outcome) = self.search(no).and_then(|search| search.outcome().cloned()) else { return };
        let Some(line) = self.trunks.lines.get_mut(no) else { return };
        line.search = None;
        let again = match outcome {
            Ok(servers) => {
                let again = servers.ttl.map(|ttl| ttl.clamp(OFTEN, RARELY));
                line.servers = Some(servers);
                line.failure = None;
                again
            }
            Err(failure) => {
                if line.failure != Some(failure) {
                    warn!(trunk = line.trunk.name, ?failure, "the trunk's servers cannot be found");
                }
                line.failure = Some(failure);
                // What was known may still be right while nobody answers.
                if failure == Failure::NoName {
                    line.servers = None;
                }
                Some(AGAIN)
            }
        };
        if let Some(again) = again {
            self.trunks.timers.set(Due::Look(no), now + again);
        }
        self.found(no, now);
    }

    fn search(&mut self, no: LineNo) -> Option<&mut Search> {
        self.trunks.lines.get_mut(no)?.search.as_mut()
    }

    fn found(&mut self, no: LineNo, now: Instant) {
        let Some(line) = self.trunks.lines.get(no) else { return };
        let mut targets: Vec<Target> = line.servers.iter().flat_map(|servers| servers.all_targets()).collect();
        targets.truncate(MAX_HOPS);
        debug!(trunk = line.trunk.name, hops = targets.len(), "the trunk's servers were looked for");
        if let Some(goal) = &line.goal {
            for target in targets.iter().filter(|target| target.transport == Transport::Tls) {
                let (remote, name, verify) = (target.address, goal.host.clone(), line.trunk.tls_verify);
                self.out.push_back(Output::TlsPeer { remote, name, verify });
            }
        }
        let mut sources: Vec<IpAddr> = targets.iter().map(|target| target.address.ip()).collect();
        sources.sort_unstable();
        sources.dedup();
        self.tell_sources(no, sources, now);
        self.probe_these(no, targets, now);
        self.enrol(no, now);
        self.answer_waiting(no, now);
        self.tell_trunk(no, now);
    }

    /// From which addresses the trunk calls, as far as its name tells: every cell must know.
    fn tell_sources(&mut self, no: LineNo, sources: Vec<IpAddr>, now: Instant) {
        let Some(line) = self.trunks.lines.get_mut(no) else { return };
        if line.sources != sources {
            line.sources.clone_from(&sources);
            let body = Body::TrunkSources { trunk: line.trunk.name.clone(), addresses: sources };
            self.tell_all(&body, now);
        }
    }

    /// The hops for one call or request now, the best first; those that do not serve are left out unless there are no others.
    pub(super) fn hops(&mut self, no: LineNo, now: Instant) -> Vec<(Target, Flow)> {
        let Some(line) = self.trunks.lines.get(no) else { return Vec::new() };
        let Some(servers) = &line.servers else { return Vec::new() };
        let mut targets = servers.targets(&mut self.entropy);
        targets.truncate(MAX_HOPS);
        let living: Vec<Target> = targets.iter().filter(|target| !line.is_down(target)).cloned().collect();
        let targets = self.trunks.dead.living(if living.is_empty() { targets } else { living }, now);
        let flow = |target: Target| line.flow_to(&self.config.locals, &target).map(|flow| (target, flow));
        targets.into_iter().filter_map(flow).collect()
    }
}
