//! What is wrong with the sound that comes, and how well it came over time: looked at when a report is due, so that no
//! packet pays for it.

use super::Engine;
use super::port::Port;
use super::quality::Moment;
use super::types::{Alarm, Event, Output, PortId};
use crate::codec::Codec;
use std::time::{Duration, Instant};

/// Nothing came for so long though it should: 4 s. Where silence is not sent, five times as long.
const MISSING: Duration = Duration::from_secs(4);
/// What came held no speech for so long.
const SILENT_MS: u32 = 30_000;
/// The most moments kept of a port; then two become one.
const MOMENTS: usize = 64;

/// What was seen when a report was last due.
#[derive(Debug)]
pub(super) struct Watch {
    received: u64,
    lost: u64,
    /// When packets were last seen to have come.
    came: Instant,
    missing: bool,
    silent: bool,
    /// How it was over time, each moment standing for so many reports.
    pub(super) moments: Vec<Moment>,
    stride: u32,
    pending: u32,
}

impl Watch {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            received: 0,
            lost: 0,
            came: now,
            missing: false,
            silent: false,
            moments: Vec::with_capacity(MOMENTS),
            stride: 1,
            pending: 0,
        }
    }

    /// The count begins anew: something else has been agreed.
    pub(super) fn begin(&mut self, now: Instant) {
        self.came = now;
    }

    fn note(&mut self, moment: Moment) {
        match self.moments.last_mut().filter(|_| self.pending > 0) {
            Some(last) => last.worsen(&moment),
            None => self.moments.push(moment),
        }
        self.pending = (self.pending + 1) % self.stride;
        if self.moments.len() >= MOMENTS && self.pending == 0 {
            for i in 0..MOMENTS / 2 {
                let mut both = self.moments[2 * i];
                both.worsen(&self.moments[2 * i + 1]);
                self.moments[i] = both;
            }
            self.moments.truncate(MOMENTS / 2);
            self.stride *= 2;
        }
    }
}

impl Engine {
    /// Looks at a port whose report is due.
    pub(super) fn watch(&mut self, id: PortId, now: Instant) {
        let opened = self.clock.micros(now);
        let Some(port) = self.ports.get_mut(id) else { return };
        let mut tell = |event| self.output.push_back(Output::Event(event));
        let (received, lost) = (port.inbound.received, port.inbound.lost());
        let (came, gone) = (received - port.watch.received, lost.saturating_sub(port.watch.lost));
        if came > 0 {
            port.watch.came = now;
        }
        (port.watch.received, port.watch.lost) = (received, lost);
        let missing =
            port.should_be_heard() && now.saturating_duration_since(port.watch.came) >= port.longest_silence();
        if std::mem::replace(&mut port.watch.missing, missing) != missing {
            tell(Event::Alarm { port: id, alarm: Alarm::Missing, on: missing });
        }
        let silent = came > 0 && port.activity.quiet_ms >= SILENT_MS;
        // Nothing that was looked at says nothing.
        if std::mem::take(&mut port.activity.fed) && std::mem::replace(&mut port.watch.silent, silent) != silent {
            tell(Event::Alarm { port: id, alarm: Alarm::Silent, on: silent });
        }
        if came > 0 {
            let moment = port.moment(Duration::from_micros(opened.saturating_sub(port.opened)), came, gone);
            port.watch.note(moment);
            tell(Event::Quality { port: id, moment });
        }
    }
}

impl Port {
    /// The peer has agreed to be heard, and does not hold.
    fn should_be_heard(&self) -> bool {
        !self.terms.send.is_empty() && !self.is_held()
    }

    fn longest_silence(&self) -> Duration {
        let suppresses = self.terms.receive.iter().any(|f| f.is_comfort_noise() || Codec::of(f) == Some(Codec::Opus));
        if suppresses { MISSING * 5 } else { MISSING }
    }
}
