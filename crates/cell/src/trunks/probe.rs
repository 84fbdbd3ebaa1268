//! Asking a trunk's servers whether they are there, and what follows for them.

use super::enrol::Sent;
use super::line::Line;
use super::{Due, LineNo};
use crate::cell::Cell;
use sip_stack::endpoint::Outgoing;
use sip_stack::locate::Target;
use sip_stack::message::{Message, Method, NameAddr, Status, Uri};
use sip_stack::qualify::{Health, Qualify};
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Servers of one trunk that are asked.
const MAX_PROBED: usize = 8;

/// An answer that fails sooner than any timer of the transaction failed on the way.
const AT_ONCE: Duration = Duration::from_secs(10);

impl Line {
    pub(super) fn is_down(&self, target: &Target) -> bool {
        self.probes.get(target).is_some_and(|probe| probe.health() == Health::Down)
    }
}

impl Cell {
    /// These servers shall be asked from now on, and no others.
    pub(super) fn probe_these(&mut self, no: LineNo, mut targets: Vec<Target>, now: Instant) {
        let Some(line) = self.trunks.lines.get_mut(no) else { return };
        let every = Duration::from_secs(line.trunk.qualify_seconds.into());
        if every.is_zero() {
            return;
        }
        targets.truncate(MAX_PROBED);
        let gone: Vec<Target> = line.probes.keys().filter(|target| !targets.contains(target)).cloned().collect();
        for target in gone {
            line.probes.remove(&target);
            self.trunks.timers.cancel(&Due::Probe(no, target));
        }
        for target in targets {
            if let Entry::Vacant(free) = line.probes.entry(target) {
                let probe = Qualify::new(every, &mut self.entropy, now);
                self.trunks.timers.set(Due::Probe(no, free.key().clone()), probe.poll_timeout());
                free.insert(probe);
            }
        }
    }

    pub(super) fn probe_due(&mut self, no: LineNo, target: &Target, now: Instant) {
        let Some(line) = self.trunks.lines.get_mut(no) else { return };
        let Some(probe) = line.probes.get_mut(target) else { return };
        let before = probe.health();
        if probe.handle_timeout(&mut self.entropy, now) {
            let request = options(line, &self.config.locals, target);
            if let Some(id) = request.and_then(|request| self.sip.request(request, now).ok()) {
                let sent = Sent::Options { target: target.clone(), at: now };
                self.trunks.requests.insert(id, (no, sent));
            }
        }
        self.after_probe(no, target, before, now);
    }

    /// What came of an OPTIONS that was sent at `at`.
    pub(super) fn probed(&mut self, no: LineNo, target: &Target, message: Option<&Message>, at: Instant, now: Instant) {
        let Some(probe) = self.trunks.lines.get_mut(no).and_then(|line| line.probes.get_mut(target)) else { return };
        let before = probe.health();
        match message.and_then(Message::status) {
            // Whatever else it says, it is there.
            Some(status) if status != Status::SERVICE_UNAVAILABLE => probe.answered(at, now),
            Some(_) => probe.refused(),
            None if now.saturating_duration_since(at) < AT_ONCE => probe.refused(),
            // The machine lost patience long ago.
            None => {}
        }
        self.after_probe(no, target, before, now);
    }

    fn after_probe(&mut self, no: LineNo, target: &Target, before: Health, now: Instant) {
        let Some(line) = self.trunks.lines.get(no) else { return };
        let Some(probe) = line.probes.get(target) else { return };
        self.trunks.timers.set(Due::Probe(no, target.clone()), probe.poll_timeout());
        match (before, probe.health()) {
            (Health::Up | Health::Unknown, Health::Down) => {
                warn!(trunk = line.trunk.name, "a server of the trunk does not answer");
                self.trunks.dead.failed(target, None, now);
            }
            (Health::Down, Health::Up) => {
                info!(trunk = line.trunk.name, "a server of the trunk answers again");
                self.hop_works(no, target, now);
                self.hurry(no, now);
            }
            (Health::Unknown, Health::Up) => self.hop_works(no, target, now),
            (Health::Unknown | Health::Up | Health::Down, _) => {}
        }
        if before != self.health(no, target) {
            self.tell_trunk(no, now);
        }
    }

    fn health(&self, no: LineNo, target: &Target) -> Health {
        let probe = self.trunks.lines.get(no).and_then(|line| line.probes.get(target));
        probe.map_or(Health::Unknown, Qualify::health)
    }

    pub(super) fn hop_failed(&mut self, no: LineNo, target: &Target, retry_after: Option<Duration>, now: Instant) {
        if self.trunks.dead.failed(target, retry_after, now)
            && let Some(line) = self.trunks.lines.get(no)
        {
            warn!(trunk = line.trunk.name, "a server of the trunk does not serve, and is left out for a while");
        }
    }

    pub(super) fn hop_works(&mut self, no: LineNo, target: &Target, now: Instant) {
        if self.trunks.dead.works(target, now)
            && let Some(line) = self.trunks.lines.get(no)
        {
            info!(trunk = line.trunk.name, "a server of the trunk serves again");
        }
    }
}

fn options(line: &Line, locals: &crate::Locals, target: &Target) -> Option<Outgoing> {
    let flow = line.flow_to(locals, target)?;
    let host = line.host.as_ref()?.host_port();
    let uri = Uri::from_slice(format!("sip:{host}").as_bytes()).ok()?;
    let from = match (&line.trunk.account, line.domain()) {
        (Some(account), Some(domain)) => format!("sip:{}@{domain}", account.username),
        _ => format!("sip:patchbay@{}", flow.local),
    };
    let from = NameAddr::new(Uri::from_slice(from.as_bytes()).ok()?);
    let mut request = Outgoing::new(flow, Method::Options, uri.clone(), from, NameAddr::new(uri));
    request.headers = vec![("Accept".to_owned(), b"application/sdp".to_vec())];
    request.route = line.proxy_route().into_iter().collect();
    Some(request)
}
