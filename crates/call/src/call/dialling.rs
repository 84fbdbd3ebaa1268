//! Who is tried, in which order, and what the party who waits hears meanwhile.

use super::ending::weight;
use super::queueing::Asked;
use super::recording::Taping;
use super::{Call, Leg, State};
use crate::effect::{Effect, PartyKind, Progress, Stage, Target};
use model::{Cause, Direction, EventBody, LegId, LegNo, LegOrigin, LegState, Outcome, RecordingChoice, Side};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

/// Targets that one call may try in all, over all stages; more are left out.
const MAX_TARGETS: usize = 64;

/// Numbers that one call may be sent on to by phones that are called (3xx); then the redirection counts as a refusal.
const MAX_REDIRECTIONS: usize = 10;

/// Who waits while others are called, and who wanted it so.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    /// The caller, or who is transferred.
    pub(super) leg: LegNo,
    /// Of a transfer: who asked for it.
    pub(super) transfer: Option<Transfer>,
    /// Nobody waits yet: the caller's own phones are being called.
    pub(super) summons: bool,
    /// For which outcomes the owner knows somewhere else.
    pub(super) elsewhere: BTreeSet<Outcome>,
}

/// Who asked for a transfer.
#[derive(Clone, Debug)]
pub(super) struct Transfer {
    pub(super) by: LegNo,
    /// It has not left yet.
    pub(super) there: bool,
    /// This is already the way back to it.
    pub(super) recall: bool,
}

impl Wait {
    pub(super) fn of(leg: LegNo) -> Self {
        Self { leg, transfer: None, summons: false, elsewhere: BTreeSet::new() }
    }

    /// On whose behalf somebody is looked for.
    fn asker(&self) -> LegNo {
        self.transfer.as_ref().map_or(self.leg, |transfer| transfer.by)
    }

    pub(super) fn is_by(&self, leg: LegNo) -> bool {
        self.transfer.as_ref().is_some_and(|transfer| transfer.there && transfer.by == leg)
    }
}

/// The search for somebody who answers.
#[derive(Debug, Default)]
pub(super) struct Dialling {
    /// Legs that may still answer.
    pub(super) pending: BTreeMap<LegNo, Pending>,
    /// What who waits hears.
    heard: Heard,
    /// The best reason heard so far in this stage.
    failure: Option<(Outcome, Cause)>,
    /// The stage under way.
    stage: Option<Stage>,
    /// Stages that may follow, each with the place of its first target.
    next: VecDeque<(usize, Stage)>,
    /// Phones of this stage sent the call on to these; the first is being located.
    redirected: VecDeque<(LegNo, String)>,
    /// How many legs began to send sound before their answer.
    early: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pending {
    Quiet,
    Ringing,
    /// It sends sound; the how manieth that began to.
    Early(u32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Heard {
    #[default]
    Nothing,
    Ringback,
    Early(LegNo),
}

impl Dialling {
    /// What is to be heard now: the first phone that sends sound, or the latest.
    fn audible(&self, latest: bool) -> Heard {
        let early = self.pending.iter().filter_map(|(leg, state)| match state {
            Pending::Early(turn) => Some((*turn, *leg)),
            Pending::Quiet | Pending::Ringing => None,
        });
        match if latest { early.max() } else { early.min() } {
            Some((_, leg)) => Heard::Early(leg),
            None if self.is_ringing() => Heard::Ringback,
            // A tone that began goes on while the next is tried; the sound of a phone that is gone has ended.
            None if matches!(self.heard, Heard::Early(_)) => Heard::Nothing,
            None => self.heard,
        }
    }

    fn is_ringing(&self) -> bool {
        self.pending.values().any(|state| *state != Pending::Quiet)
    }

    pub(super) fn state_of(&self, no: LegNo, wait: &Wait) -> LegState {
        match self.pending.get(&no) {
            _ if no == wait.leg && !wait.summons && self.is_ringing() => LegState::Ringing,
            _ if no == wait.leg && !wait.summons => LegState::Dialing,
            _ if wait.is_by(no) => LegState::Talking,
            Some(Pending::Quiet) => LegState::Dialing,
            Some(Pending::Ringing | Pending::Early(_)) => LegState::Ringing,
            None => LegState::Ending,
        }
    }
}

impl Call {
    pub(super) fn on_located(&mut self, mut stages: Vec<Stage>, now: Instant) {
        let first = self.targets.len();
        self.targets.extend(stages.iter().flat_map(|stage| stage.targets.iter().cloned()));
        stages.retain(|stage| !stage.targets.is_empty());
        let mut place = first;
        let placed: Vec<(usize, Stage)> = stages
            .into_iter()
            .map(|stage| {
                let at = place;
                place += stage.targets.len();
                (at, stage)
            })
            .collect();
        match &mut self.state {
            State::Locating(_) if placed.is_empty() => self.on_nowhere(Outcome::Unreachable, now),
            State::Locating(wait) => {
                let dialling = Dialling { next: placed.into(), ..Dialling::default() };
                self.state = State::Dialling(wait.clone(), dialling);
                self.next_stage(now);
            }
            State::Dialling(_, dialling) if !dialling.redirected.is_empty() => self.on_redirection_located(placed, now),
            State::Dialling(..)
            | State::Announcing { .. }
            | State::Talking { .. }
            | State::Served { .. }
            | State::Queued { .. }
            | State::Ended => {}
        }
    }

    pub(super) fn on_elsewhere(&mut self, outcomes: BTreeSet<Outcome>) {
        // Where a called phone sends its call on, that ends.
        if let State::Locating(wait) = &mut self.state {
            wait.elsewhere = outcomes;
        }
    }

    /// Nobody of those who were located will answer: somewhere else, if the owner knows that.
    fn look_elsewhere(&mut self, outcome: Outcome, now: Instant) -> bool {
        let State::Dialling(wait, _) = &mut self.state else { return false };
        if !std::mem::take(&mut wait.elsewhere).contains(&outcome) {
            return false;
        }
        let wait = wait.clone();
        self.out.push_back(Effect::Elsewhere { by: wait.asker(), outcome });
        self.state = State::Locating(wait);
        self.deadline = Some(now + self.setup.policy.locate_limit);
        true
    }

    pub(super) fn on_nowhere(&mut self, outcome: Outcome, now: Instant) {
        match &mut self.state {
            State::Locating(_) => self.fail(outcome, outcome.cause(), now),
            State::Dialling(_, dialling) => {
                if let Some((leg, _)) = dialling.redirected.pop_front() {
                    self.locate_next_redirection();
                    self.leg_failed(leg, outcome, outcome.cause(), now);
                }
            }
            State::Announcing { .. }
            | State::Talking { .. }
            | State::Served { .. }
            | State::Queued { .. }
            | State::Ended => {}
        }
    }

    /// Calls the targets of the next stage.
    fn next_stage(&mut self, now: Instant) {
        let limit = self.setup.policy.ring_limit;
        let State::Dialling(_, dialling) = &mut self.state else { return };
        let Some((first, stage)) = dialling.next.pop_front() else { return };
        dialling.failure = None;
        self.deadline = Some(now + stage.ring.min(limit));
        let targets = stage.targets.clone();
        dialling.stage = Some(stage);
        if let Some(target) = targets.first() {
            self.learn_direction(&target.party.kind);
        }
        if !self.dial(first, &targets, None) {
            self.fail(Outcome::Congestion, Outcome::Congestion.cause(), now);
        }
    }

    /// Calls targets, the first of which has this place; false if that would be too many.
    fn dial(&mut self, first: usize, targets: &[Target], diverted: Option<LegNo>) -> bool {
        let State::Dialling(wait, _) = &self.state else { return false };
        let summons = wait.summons;
        let side = if summons {
            Side::Caller
        } else if self.side_of(wait.leg) == Side::Caller {
            Side::Callee
        } else {
            Side::Caller
        };
        let origin = match (diverted, &wait.transfer) {
            _ if summons => LegOrigin::Summoned,
            (Some(from), _) => LegOrigin::Diverted { from },
            (None, Some(transfer)) => LegOrigin::Transferred { by: transfer.by },
            (None, None) => self.consulting.map_or(LegOrigin::Dialled, |known| LegOrigin::Transferred { by: known.by }),
        };
        let mut any = false;
        for (place, target) in (first..MAX_TARGETS).zip(targets) {
            any = true;
            let leg = Leg { target: Some(place), ..Leg::new(&target.party, origin, side) };
            let no = match self.legs.first_mut().filter(|first| summons && first.target.is_none()) {
                // The first of the caller's own phones is the caller, as long as no other answers.
                Some(first) => {
                    *first = leg;
                    LegId::CALLER
                }
                None => {
                    self.legs.push(leg);
                    self.legs.len() as LegNo - 1
                }
            };
            self.tell(EventBody::LegDialing { call: self.setup.id, leg: no, number: target.party.number.clone() });
            if let State::Dialling(_, dialling) = &mut self.state {
                dialling.pending.insert(no, Pending::Quiet);
            }
            self.out.push_back(Effect::Dial { leg: no, target: place });
        }
        any
    }

    pub(super) fn on_ringing(&mut self, leg: LegNo, early_media: bool, now: Instant) {
        if let State::Queued { asked, .. } = &mut self.state {
            if let Some(Asked { ringing: ringing @ false, .. }) = asked.get_mut(&leg) {
                *ringing = true;
                self.tell(EventBody::LegRinging { call: self.setup.id, leg, early_media });
            }
            return;
        }
        let State::Dialling(wait, dialling) = &mut self.state else { return };
        let Some(state) = dialling.pending.get_mut(&leg) else { return };
        let news = *state == Pending::Quiet;
        match state {
            Pending::Quiet | Pending::Ringing if early_media => {
                dialling.early += 1;
                *state = Pending::Early(dialling.early);
            }
            Pending::Quiet => *state = Pending::Ringing,
            Pending::Ringing | Pending::Early(_) => {}
        }
        let asked = wait.transfer.as_ref().filter(|transfer| transfer.there && news).map(|transfer| transfer.by);
        let summons = wait.summons;
        self.update_heard();
        if self.ringing_at.is_none() && !summons {
            self.ringing_at = Some(self.setup.wall.at(now));
            self.out.push_back(Effect::Keep);
        }
        if news {
            self.tell(EventBody::LegRinging { call: self.setup.id, leg, early_media });
            self.consulted_rings(leg);
        }
        if let Some(by) = asked {
            self.out.push_back(Effect::Progress { leg: by, how: Progress::Ringing });
        }
    }

    /// Says what who waits hears, if that is no longer what it was.
    fn update_heard(&mut self) {
        let latest = self.setup.policy.latest_early_media;
        let State::Dialling(wait, dialling) = &mut self.state else { return };
        if wait.summons {
            return;
        }
        let (to, heard) = (wait.leg, dialling.audible(latest));
        if heard == std::mem::replace(&mut dialling.heard, heard) {
            return;
        }
        match heard {
            Heard::Early(leg) => self.out.push_back(Effect::Ring { to, early_media: Some(leg) }),
            Heard::Ringback => self.out.push_back(Effect::Ring { to, early_media: None }),
            Heard::Nothing => {}
        }
    }

    /// Somebody else waits now and has heard nothing yet.
    pub(super) fn repeat_heard(&mut self) {
        if let State::Dialling(_, dialling) = &mut self.state {
            dialling.heard = Heard::Nothing;
        }
        self.update_heard();
    }

    pub(super) fn on_answered(&mut self, leg: LegNo, now: Instant) {
        if self.offer_answered(leg, now) {
            return;
        }
        let (wait, mut others) = match &mut self.state {
            State::Dialling(wait, dialling) if dialling.pending.contains_key(&leg) => {
                (wait.clone(), std::mem::take(&mut dialling.pending))
            }
            // The caller left, or another phone was faster, while this answer was on its way.
            _ => return self.out.push_back(Effect::HangUp { leg, cause: Outcome::Cancelled.cause() }),
        };
        others.remove(&leg);
        for other in others.into_keys() {
            self.drop_leg(other, Outcome::Cancelled, Cause { sip: 200, q850: 26 }, now);
        }
        if wait.summons {
            return self.caller_answered(leg, now);
        }
        self.talk(wait.leg, leg, now);
        match wait.transfer {
            None if self.consulting.is_some() => self.consulted(leg),
            None => self.tell(EventBody::CallAnswered { call: self.setup.id, leg }),
            Some(transfer) => self.transferred(&transfer, leg, now),
        }
    }

    /// Who waited and the one who answered hear each other from now on.
    pub(super) fn talk(&mut self, waited: LegNo, leg: LegNo, now: Instant) {
        let (a, b) = if self.side_of(waited) == Side::Caller { (waited, leg) } else { (leg, waited) };
        self.state = State::Talking { a, b };
        let at = self.setup.wall.at(now);
        self.answered_at.get_or_insert(at);
        for no in [a, b] {
            if let Some(leg) = self.legs.get_mut(usize::from(no)) {
                leg.answered_at.get_or_insert(at);
            }
        }
        self.deadline = Some(*self.ends_at.get_or_insert(now + self.setup.policy.max_duration));
        self.join(a, b);
        // Once both are answered, and before either hears of it.
        self.out.push_back(Effect::Keep);
        let target = self.legs.get(usize::from(leg)).and_then(|leg| self.targets.get(leg.target?));
        if let Some(Target { party, record }) = target.cloned() {
            self.learn_direction(&party.kind);
            if record && self.recording == Taping::Never && self.consulting.is_none() {
                self.begin_recording([a, b], RecordingChoice::default());
            }
        }
    }

    /// A called phone says where else to look: that number is tried in its place, beside the phones that still ring.
    pub(super) fn on_redirected(&mut self, leg: LegNo, number: String, cause: Cause, now: Instant) {
        if self.offer_refused(leg, (Outcome::Rejected, cause), now) {
            // Who waits in a queue is for this agent, and not for whomever its phone sends calls to.
            return;
        }
        let State::Dialling(_, dialling) = &mut self.state else { return };
        if dialling.pending.remove(&leg).is_none() {
            return;
        }
        // Where the caller's own phone sends calls on to is nowhere the caller could speak from.
        let too_far =
            self.is_summoning() || self.visited.len() > MAX_REDIRECTIONS || !self.visited.insert(number.clone());
        let outcome = Outcome::Unreachable;
        self.end_leg(leg, if too_far { outcome } else { Outcome::Cancelled }, cause, now);
        if too_far {
            return self.leg_failed(leg, outcome, Cause { sip: 480, q850: 25 }, now);
        }
        self.tell(EventBody::LegDiverted { call: self.setup.id, leg, number: number.clone() });
        let State::Dialling(_, dialling) = &mut self.state else { return };
        dialling.redirected.push_back((leg, number));
        if dialling.redirected.len() == 1 {
            self.locate_next_redirection();
        }
        self.update_heard();
    }

    fn locate_next_redirection(&mut self) {
        let State::Dialling(_, dialling) = &self.state else { return };
        if let Some((by, number)) = dialling.redirected.front().cloned() {
            self.out.push_back(Effect::Locate { number, by });
        }
    }

    fn on_redirection_located(&mut self, stages: Vec<(usize, Stage)>, now: Instant) {
        let State::Dialling(_, dialling) = &mut self.state else { return };
        let Some((from, _)) = dialling.redirected.pop_front() else { return };
        let mut stages = stages.into_iter();
        let first = stages.next();
        // What the new number says of later stages comes before the stages of the old one.
        for (place, stage) in stages.rev() {
            dialling.next.push_front((place, stage));
        }
        let dialled = first.is_some_and(|(place, stage)| {
            let until = now + stage.ring.min(self.setup.policy.ring_limit);
            self.deadline = Some(self.deadline.map_or(until, |at| at.max(until)));
            self.dial(place, &stage.targets, Some(from))
        });
        self.locate_next_redirection();
        if !dialled {
            self.leg_failed(from, Outcome::Unreachable, Outcome::Unreachable.cause(), now);
        }
    }

    pub(super) fn on_failed(&mut self, leg: LegNo, outcome: Outcome, cause: Cause, now: Instant) {
        if self.offer_refused(leg, (outcome, cause), now) {
            return;
        }
        let State::Dialling(_, dialling) = &mut self.state else { return };
        if dialling.pending.remove(&leg).is_some() {
            self.leg_failed(leg, outcome, cause, now);
        }
    }

    /// A leg of this stage, no longer pending, will not answer.
    fn leg_failed(&mut self, leg: LegNo, outcome: Outcome, cause: Cause, now: Instant) {
        let State::Dialling(_, dialling) = &mut self.state else { return };
        if dialling.failure.is_none_or(|(known, _)| weight(outcome) > weight(known)) {
            dialling.failure = Some((outcome, cause));
        }
        // A global refusal speaks for all phones of the called party (RFC 3261 §16.7, step 5); others ring on.
        let others = dialling.pending.keys().any(|other| {
            let number = |leg: &LegNo| self.legs.get(usize::from(*leg)).map(|leg| &leg.number);
            number(other) != number(&leg)
        });
        let everywhere = (600..700).contains(&cause.sip) && !others;
        let verdict = if everywhere { Some((outcome, cause)) } else { dialling.failure };
        let last = everywhere || (dialling.pending.is_empty() && dialling.redirected.is_empty());
        self.end_leg(leg, outcome, cause, now);
        if let (true, Some((outcome, cause))) = (last, verdict) {
            self.drop_pending(Outcome::Cancelled, cause, now);
            self.stage_failed((outcome, cause), everywhere, now);
        } else {
            self.update_heard();
        }
    }

    /// Nobody of this stage answered in time.
    pub(super) fn give_up(&mut self, now: Instant) {
        let State::Dialling(_, dialling) = &self.state else { return };
        let rang = dialling.is_ringing() || (dialling.next.is_empty() && dialling.heard != Heard::Nothing);
        let outcome = if rang { Outcome::NoAnswer } else { Outcome::Unreachable };
        let said = dialling.failure.filter(|(known, _)| weight(*known) > weight(outcome));
        self.drop_pending(outcome, outcome.cause(), now);
        self.stage_failed(said.unwrap_or((outcome, outcome.cause())), false, now);
    }

    /// Nobody of this stage will answer: the next, or the end.
    fn stage_failed(&mut self, (outcome, cause): (Outcome, Cause), everywhere: bool, now: Instant) {
        let State::Dialling(_, dialling) = &mut self.state else { return };
        dialling.redirected.clear();
        let allowed = dialling.stage.as_ref().is_some_and(|stage| stage.go_on.after(outcome, everywhere));
        if allowed && !dialling.next.is_empty() {
            self.next_stage(now);
            self.update_heard();
        } else if !self.look_elsewhere(outcome, now) {
            self.fail(outcome, cause, now);
        }
    }

    /// Legs that may still answer.
    pub(super) fn pending(&self) -> Vec<LegNo> {
        match &self.state {
            State::Dialling(_, dialling) => dialling.pending.keys().copied().collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn drop_pending(&mut self, outcome: Outcome, cause: Cause, now: Instant) {
        if let State::Dialling(_, dialling) = &mut self.state {
            for leg in std::mem::take(&mut dialling.pending).into_keys() {
                self.drop_leg(leg, outcome, cause, now);
            }
        }
    }

    /// Whoever is transferred later, the call came from where it came from and went where it was answered first.
    fn learn_direction(&mut self, callee: &PartyKind) {
        let first = matches!(&self.state, State::Dialling(Wait { transfer: None, summons: false, .. }, _))
            && self.consulting.is_none();
        let answered = matches!(self.state, State::Talking { a, .. } if a == self.caller_leg) && self.moves == 0;
        if !first && !answered {
            return;
        }
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
}
