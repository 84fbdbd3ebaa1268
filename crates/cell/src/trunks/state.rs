//! Whether a trunk can be called, and who is told.

use super::LineNo;
use super::line::Line;
use crate::cell::Cell;
use model::{EventBody, TrunkRegistration, TrunkState, TrunkStatus};
use sip_stack::locate::{Failure, Target};
use sip_stack::qualify::{Health, Qualify};
use sip_stack::registration::Standing;
use std::time::{Duration, Instant};
use tracing::info;

impl Line {
    /// Whether it can be called, what came of registering, and why.
    pub(super) fn state(&self) -> (TrunkState, Option<TrunkRegistration>, String) {
        let wanted = self.trunk.register_seconds.is_some() && self.trunk.account.is_some();
        let registration = match &self.enrol {
            Some(enrol) => Some(enrol.shown()),
            None => wanted.then_some(TrunkRegistration::Registering),
        };
        let is = |state, note: &str| (state, registration, note.to_owned());
        if !self.trunk.enabled {
            return (TrunkState::Off, None, "switched off".to_owned());
        }
        if self.host.is_none() {
            return is(TrunkState::Off, "it only calls us");
        }
        match (self.failure, &self.servers) {
            (None, None) => return is(TrunkState::Unknown, ""),
            (Some(Failure::NoName), None) => return is(TrunkState::Down, "its name does not exist"),
            (Some(Failure::Unavailable), None) => return is(TrunkState::Down, "nobody answers for its name"),
            (_, Some(_)) => {}
        }
        if !self.probes.is_empty() && self.probes.values().all(|probe| probe.health() == Health::Down) {
            return is(TrunkState::Down, "no server of it answers");
        }
        match self.enrol.as_ref().map(|enrol| (enrol.standing(), enrol)) {
            Some((Standing::Refused | Standing::Unreachable | Standing::Left, enrol)) => {
                return is(TrunkState::Down, &enrol.note);
            }
            Some((Standing::Registering, _)) => return is(TrunkState::Unknown, ""),
            Some((Standing::Registered, _)) => return is(TrunkState::Up, ""),
            None if wanted => return is(TrunkState::Unknown, ""),
            None => {}
        }
        let unknown = !self.probes.is_empty() && self.probes.values().all(|probe| probe.health() == Health::Unknown);
        is(if unknown { TrunkState::Unknown } else { TrunkState::Up }, "")
    }
}

impl Cell {
    /// Tells everybody if the trunk's state or registration is another than the last one told.
    pub(super) fn tell_trunk(&mut self, no: LineNo, now: Instant) {
        let Some(line) = self.trunks.lines.get_mut(no) else { return };
        let state = line.state();
        if state == line.told && line.since.is_some() {
            return;
        }
        let changed = (line.told.0, line.told.1) != (state.0, state.1);
        if changed || line.since.is_none() {
            line.since = Some(now);
        }
        line.told = state;
        if changed {
            let (state, registration, note) = line.told.clone();
            let trunk = line.trunk.name.clone();
            info!(trunk, state = state.name(), "trunk changed");
            self.tell(EventBody::TrunkChanged { trunk, state, registration, note }, now);
        }
    }

    /// The trunks whose home is here.
    pub(crate) fn trunk_statuses(&self, now: Instant) -> Vec<TrunkStatus> {
        self.trunks.lines.iter().map(|line| self.trunk_status(line, now)).collect()
    }

    fn trunk_status(&self, line: &Line, now: Instant) -> TrunkStatus {
        let (state, registration, note) = line.state();
        let targets: Vec<Target> = line.servers.iter().flat_map(|servers| servers.all_targets()).take(16).collect();
        let shown = |target: &Target| format!("{} {}", target.transport.as_str().to_ascii_lowercase(), target.address);
        let out = |target: &&Target| line.is_down(target) || self.trunks.dead.is_dead(target, now);
        let dead_hops = targets.iter().filter(out).map(shown).collect();
        let round_trip = line.probes.values().filter_map(Qualify::round_trip).min();
        TrunkStatus {
            name: line.trunk.name.clone(),
            state,
            registration,
            note,
            hops: targets.iter().map(shown).collect(),
            dead_hops,
            round_trip_us: round_trip.map(|trip: Duration| trip.as_micros() as u64),
            calls: line.in_use(),
            max_calls: line.trunk.max_calls,
            refused: line.refused,
            since: self.config.wall.at(line.since.unwrap_or(now)),
        }
    }
}
