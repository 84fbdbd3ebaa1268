//! Who is tried, in which order, and what the caller hears meanwhile.

use super::{Call, Leg, State, weight};
use crate::effect::{Effect, PartyKind, Stage, Target};
use model::{Cause, Direction, EventBody, LegId, LegNo, Outcome};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// Targets that one call may try in all, over all stages; more are left out.
pub(super) const MAX_TARGETS: usize = 64;

/// The search for somebody who answers.
#[derive(Debug, Default)]
pub(super) struct Dialling {
    /// Legs that may still answer.
    pub(super) pending: BTreeMap<LegNo, Pending>,
    /// What the caller hears.
    pub(super) heard: Heard,
    /// The best reason heard so far in this stage.
    pub(super) failure: Option<(Outcome, Cause)>,
    /// The stage under way.
    pub(super) stage: Option<Stage>,
    /// Stages that may follow, each with the place of its first target.
    pub(super) next: VecDeque<(usize, Stage)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pending {
    Quiet,
    Ringing { early_media: bool },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Heard {
    #[default]
    Nothing,
    Ringback,
    Early(LegNo),
}

impl Dialling {
    /// What the caller should hear now: early media once chosen stays while it lasts.
    fn audible(&self) -> Heard {
        if let Heard::Early(leg) = self.heard
            && matches!(self.pending.get(&leg), Some(Pending::Ringing { early_media: true }))
        {
            return self.heard;
        }
        let early = self.pending.iter().find(|(_, p)| matches!(p, Pending::Ringing { early_media: true }));
        match early {
            Some((leg, _)) => Heard::Early(*leg),
            None if self.pending.values().any(|p| matches!(p, Pending::Ringing { .. })) => Heard::Ringback,
            // A tone that began goes on while the next is tried; the sound of a phone that is gone has ended.
            None if matches!(self.heard, Heard::Early(_)) => Heard::Nothing,
            None => self.heard,
        }
    }

    pub(super) fn is_ringing(&self) -> bool {
        self.pending.values().any(|p| matches!(p, Pending::Ringing { .. }))
    }
}

impl Call {
    pub(super) fn on_located(&mut self, mut stages: Vec<Stage>, now: Instant) {
        if !matches!(self.state, State::Locating) {
            return;
        }
        stages.retain(|stage| !stage.targets.is_empty());
        if stages.is_empty() {
            return self.on_nowhere(Outcome::Unreachable, now);
        }
        let mut dialling = Dialling::default();
        for stage in stages {
            let first = self.targets.len();
            self.targets.extend(stage.targets.iter().cloned());
            dialling.next.push_back((first, stage));
        }
        self.state = State::Dialling(dialling);
        self.next_stage(now);
    }

    pub(super) fn on_nowhere(&mut self, outcome: Outcome, now: Instant) {
        if matches!(self.state, State::Locating) {
            self.fail(outcome, outcome.cause(), now);
        }
    }

    /// Calls the targets of the next stage.
    fn next_stage(&mut self, now: Instant) {
        let State::Dialling(dialling) = &mut self.state else { return };
        let Some((first, stage)) = dialling.next.pop_front() else { return };
        self.deadline = Some(now + stage.ring.min(self.setup.policy.ring_limit));
        dialling.failure = None;
        if let Some(kind) = stage.targets.first().map(|target| target.party.kind.clone()) {
            self.learn_direction(&kind);
        }
        let places = first..(first + stage.targets.len()).min(MAX_TARGETS);
        let targets: Vec<(usize, Target)> = places.zip(stage.targets.iter().cloned()).collect();
        if let State::Dialling(dialling) = &mut self.state {
            dialling.stage = Some(stage);
        }
        if targets.is_empty() {
            return self.fail(Outcome::Congestion, Outcome::Congestion.cause(), now);
        }
        for (target, Target { party, .. }) in targets {
            let leg = self.legs.len() as LegNo;
            self.tell(EventBody::LegDialing { call: self.setup.id, leg, number: party.number.clone() });
            self.legs.push(Leg { number: party.number, target: Some(target), outcome: None });
            if let State::Dialling(dialling) = &mut self.state {
                dialling.pending.insert(leg, Pending::Quiet);
            }
            self.out.push_back(Effect::Dial { leg, target });
        }
    }

    pub(super) fn on_ringing(&mut self, leg: LegNo, early_media: bool, now: Instant) {
        let State::Dialling(dialling) = &mut self.state else { return };
        let Some(state) = dialling.pending.get_mut(&leg) else { return };
        let (news, already) = match *state {
            Pending::Quiet => (true, false),
            Pending::Ringing { early_media } => (false, early_media),
        };
        *state = Pending::Ringing { early_media: early_media || already };
        self.update_heard();
        if self.ringing_at.is_none() {
            self.ringing_at = Some(self.setup.wall.at(now));
            self.out.push_back(Effect::Keep);
        }
        if news {
            self.tell(EventBody::LegRinging { call: self.setup.id, leg, early_media });
        }
    }

    /// Says what the caller hears, if that is no longer what it was.
    fn update_heard(&mut self) {
        let State::Dialling(dialling) = &mut self.state else { return };
        let heard = dialling.audible();
        if heard == std::mem::replace(&mut dialling.heard, heard) {
            return;
        }
        match heard {
            Heard::Early(leg) => self.out.push_back(Effect::Ring { early_media: Some(leg) }),
            Heard::Ringback => self.out.push_back(Effect::Ring { early_media: None }),
            Heard::Nothing => {}
        }
    }

    pub(super) fn on_answered(&mut self, leg: LegNo, now: Instant) {
        let mut others = match &mut self.state {
            State::Dialling(dialling) if dialling.pending.contains_key(&leg) => std::mem::take(&mut dialling.pending),
            // The caller left, or another phone was faster, while this answer was on its way.
            _ => return self.out.push_back(Effect::HangUp { leg, cause: Outcome::Cancelled.cause() }),
        };
        others.remove(&leg);
        for other in others.into_keys() {
            self.drop_leg(other, Outcome::Cancelled, Cause { sip: 200, q850: 26 });
        }
        self.state = State::Talking { with: leg };
        self.answered_at = Some(self.setup.wall.at(now));
        self.deadline = Some(now + self.setup.policy.max_duration);
        self.out.push_back(Effect::Keep);
        self.out.push_back(Effect::Answer { with: leg });
        let target = self.legs.get(usize::from(leg)).and_then(|leg| self.targets.get(leg.target?));
        if let Some(target) = target {
            let (kind, record) = (target.party.kind.clone(), target.record);
            self.learn_direction(&kind);
            if record {
                self.recording = true;
                self.out.push_back(Effect::Record { with: leg });
            }
        }
        self.tell(EventBody::CallAnswered { call: self.setup.id, leg });
    }

    pub(super) fn on_failed(&mut self, leg: LegNo, outcome: Outcome, cause: Cause, now: Instant) {
        let State::Dialling(dialling) = &mut self.state else { return };
        if dialling.pending.remove(&leg).is_none() {
            return;
        }
        if dialling.failure.is_none_or(|(known, _)| weight(outcome) > weight(known)) {
            dialling.failure = Some((outcome, cause));
        }
        // A global refusal speaks for all phones of the called party (RFC 3261 §16.7, step 5).
        let everywhere = (600..700).contains(&cause.sip);
        let verdict = if everywhere { Some((outcome, cause)) } else { dialling.failure };
        let last = everywhere || dialling.pending.is_empty();
        self.end_leg(leg, outcome, cause);
        if let (true, Some((outcome, cause))) = (last, verdict) {
            self.drop_pending(Outcome::Cancelled, cause);
            self.stage_failed((outcome, cause), everywhere, now);
        } else {
            self.update_heard();
        }
    }

    /// Nobody of this stage answered in time.
    pub(super) fn give_up(&mut self, now: Instant) {
        let State::Dialling(dialling) = &self.state else { return };
        let outcome = if dialling.is_ringing() || (dialling.next.is_empty() && self.ringing_at.is_some()) {
            Outcome::NoAnswer
        } else {
            Outcome::Unreachable
        };
        let said = dialling.failure.filter(|(known, _)| weight(*known) > weight(outcome));
        self.drop_pending(outcome, outcome.cause());
        self.stage_failed(said.unwrap_or((outcome, outcome.cause())), false, now);
    }

    /// Nobody of this stage will answer: the next, or the end.
    fn stage_failed(&mut self, (outcome, cause): (Outcome, Cause), everywhere: bool, now: Instant) {
        let State::Dialling(dialling) = &self.state else { return };
        let allowed = dialling.stage.as_ref().is_some_and(|stage| stage.go_on.after(outcome, everywhere));
        if allowed && !dialling.next.is_empty() {
            self.next_stage(now);
            self.update_heard();
        } else {
            self.fail(outcome, cause, now);
        }
    }

    pub(super) fn drop_pending(&mut self, outcome: Outcome, cause: Cause) {
        if let State::Dialling(dialling) = &mut self.state {
            for leg in std::mem::take(&mut dialling.pending).into_keys() {
                self.drop_leg(leg, outcome, cause);
            }
        }
    }

    fn learn_direction(&mut self, callee: &PartyKind) {
        match (&self.setup.caller.kind, callee) {
            (PartyKind::Extension, PartyKind::Extension) => {
                self.direction = Direction::Internal;
                self.trunk = None;
            }
            (PartyKind::Extension, PartyKind::Trunk(name)) => {
                self.direction = Direction::Outbound;
                self.trunk = Some(name.clone());
            }
            (PartyKind::Trunk(_), _) => self.direction = Direction::Inbound,
        }
    }

    pub(super) fn dialling_state(dialling: &Dialling, no: LegNo) -> model::LegState {
        use model::LegState;
        match dialling.pending.get(&no) {
            _ if no == LegId::CALLER && dialling.is_ringing() => LegState::Ringing,
            _ if no == LegId::CALLER => LegState::Dialing,
            Some(Pending::Quiet) => LegState::Dialing,
            Some(Pending::Ringing { .. }) => LegState::Ringing,
            None => LegState::Ending,
        }
    }
}
