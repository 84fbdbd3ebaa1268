//! A call on paper: what of it outlives its process.
//!
//! Two that speak with each other go on, and one that waits in a queue. Who else is in the call (phones that ring, listeners) is not: their
//! legs have ended. In every other state there is no image, and the record of [`Call::snapshot`] stands.

use super::recording::Taping;
use super::{Call, Leg, Policy, Setup, State};
use crate::effect::{Effect, Party};
use model::{CallId, Cause, Direction, LegNo, Outcome, RecordingChoice};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;
use stdx::{UnixMillis, Wall};

/// What has to be kept of a call to go on with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    id: CallId,
    caller: Party,
    dialled: String,
    variables: BTreeMap<String, String>,
    /// Two that speak, or one that waits in a queue.
    there: (LegNo, Option<LegNo>),
    legs: Vec<Leg>,
    caller_leg: LegNo,
    direction: Direction,
    trunk: Option<String>,
    started_at: UnixMillis,
    ringing_at: Option<UnixMillis>,
    answered_at: Option<UnixMillis>,
    ends_at: Option<UnixMillis>,
    recording: Taping,
    moves: u8,
}

impl Image {
    /// The legs that go on.
    pub fn there(&self) -> impl Iterator<Item = LegNo> + use<> {
        [Some(self.there.0), self.there.1].into_iter().flatten()
    }

    /// True if it waits in a queue.
    pub fn is_queued(&self) -> bool {
        self.there.1.is_none()
    }

    /// Who a leg is.
    pub fn party_of(&self, leg: LegNo) -> Option<Party> {
        if leg == self.caller_leg {
            return Some(self.caller.clone());
        }
        let leg = self.legs.get(usize::from(leg))?;
        Some(Party { number: leg.number.clone(), name: String::new(), kind: leg.kind.clone() })
    }
}

impl Call {
    /// What is to survive; `None` in states that do not.
    pub fn image(&self) -> Option<Image> {
        let there = match &self.state {
            // Who hears music while it is consulted about is of neither two.
            State::Talking { .. } if self.consulting.is_some() => return None,
            State::Talking { a, b } => (*a, Some(*b)),
            State::Queued { leg, .. } => (*leg, None),
            State::Locating(_)
            | State::Dialling(..)
            | State::Announcing { .. }
            | State::Served { .. }
            | State::Ended => return None,
        };
        Some(Image {
            id: self.setup.id,
            caller: self.setup.caller.clone(),
            dialled: self.setup.dialled.clone(),
            variables: self.setup.variables.clone(),
            there,
            legs: self.legs.clone(),
            caller_leg: self.caller_leg,
            direction: self.direction,
            trunk: self.trunk.clone(),
            started_at: self.started_at,
            ringing_at: self.ringing_at,
            answered_at: self.answered_at,
            ends_at: self.ends_at.map(|at| self.setup.wall.at(at)),
            recording: self.recording,
            moves: self.moves,
        })
    }

    /// Goes on with a call of a former process. Nothing follows before [`Call::resume`].
    pub fn restore(image: Image, wall: Wall, policy: Policy, now: Instant) -> Self {
        let Image { id, caller, dialled, variables, legs, .. } = image;
        let ends_at = image.ends_at.map_or(now + policy.max_duration, |at| wall.instant(at)).max(now);
        let mut call = Self {
            setup: Setup { id, caller, dialled, wall, policy, variables },
            state: match image.there {
                (a, Some(b)) => State::Talking { a, b },
                (leg, None) => State::Queued { leg, asked: BTreeMap::new() },
            },
            targets: Vec::new(),
            legs,
            caller_leg: image.caller_leg,
            consulting: None,
            listeners: Vec::new(),
            direction: image.direction,
            trunk: image.trunk,
            started_at: image.started_at,
            ringing_at: image.ringing_at,
            answered_at: image.answered_at,
            ends_at: Some(ends_at),
            recording: image.recording,
            visited: BTreeSet::new(),
            taken: None,
            stays: None,
            moves: image.moves,
            deadline: Some(ends_at),
            out: VecDeque::new(),
        };
        let (one, other) = image.there;
        for (no, leg) in (0..).zip(&mut call.legs) {
            // Targets are counted anew.
            leg.target = None;
            if no != one && Some(no) != other && leg.outcome.is_none() {
                leg.outcome = Some((Outcome::Cancelled, Cause { sip: 487, q850: 31 }));
                leg.ended_at = Some(wall.at(now));
            }
        }
        call
    }

    /// Its legs are there again: they hear each other, or music; a recording that ran goes on as it was chosen.
    pub fn resume(&mut self, choice: RecordingChoice) {
        match self.state {
            State::Talking { a, b } => {
                self.join(a, b);
                match self.recording {
                    Taping::Running => self.begin_recording([a, b], choice),
                    // Nobody knows how long it is to be silent: who paused it may begin another.
                    Taping::Paused => self.recording = Taping::Over,
                    Taping::Never | Taping::Over => {}
                }
            }
            State::Queued { leg, .. } => self.out.push_back(Effect::Wait { leg }),
            State::Locating(_)
            | State::Dialling(..)
            | State::Announcing { .. }
            | State::Served { .. }
            | State::Ended => {}
        }
        self.out.push_back(Effect::Keep);
    }
}
