//! One call from its first sign to its record.

use crate::effect::{Effect, Input, Party, PartyKind, Target};
use model::{
    CallId, CallRecord, Cause, Direction, EventBody, LegId, LegNo, LegRecord, LegState, LiveCall, LiveLeg, Outcome,
    Side,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use stdx::{UnixMillis, Wall, never};

/// How calls behave; set by the operator.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Extensions hear a tone or a voice that says why a call failed, before the failure itself.
    pub announce: bool,
    /// At most this long.
    pub announce_limit: Duration,
    /// How long finding the called party may take.
    pub locate_limit: Duration,
    /// A call longer than this is ended.
    pub max_duration: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            announce: true,
            announce_limit: Duration::from_secs(8),
            locate_limit: Duration::from_secs(2),
            max_duration: Duration::from_secs(12 * 3600),
        }
    }
}

/// With what a call begins.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its id.
    pub id: CallId,
    /// Who calls.
    pub caller: Party,
    /// What was dialled.
    pub dialled: String,
    /// For the times in the record.
    pub wall: Wall,
    /// How it behaves.
    pub policy: Policy,
}

/// One conversation: the caller, everybody who is tried, and the one who answers.
#[derive(Debug)]
pub struct Call {
    setup: Setup,
    state: State,
    targets: Vec<Target>,
    legs: Vec<Leg>,
    direction: Direction,
    trunk: Option<String>,
    started_at: UnixMillis,
    ringing_at: Option<UnixMillis>,
    answered_at: Option<UnixMillis>,
    recording: bool,
    deadline: Option<Instant>,
    out: VecDeque<Effect>,
}

#[derive(Debug)]
enum State {
    /// Nothing is known yet about the called party.
    Locating,
    /// Phones are being called; `failure` is the best reason heard so far.
    Dialling { pending: BTreeMap<LegNo, Pending>, early: Option<LegNo>, failure: Option<(Outcome, Cause)> },
    /// The caller hears why there is no conversation.
    Announcing { outcome: Outcome, cause: Cause },
    /// Two parties speak.
    Talking { with: LegNo },
    /// Over; late facts are met with a hang-up where they need one.
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pending {
    Quiet,
    Ringing,
}

/// A leg as the record will know it.
#[derive(Debug)]
struct Leg {
    number: String,
    outcome: Option<(Outcome, Cause)>,
}

impl Call {
    /// A call reached us. The first effects follow from [`Call::poll_output`].
    pub fn start(setup: Setup, now: Instant) -> Self {
        let started_at = setup.wall.at(now);
        let (direction, trunk) = match &setup.caller.kind {
            PartyKind::Extension => (Direction::Unknown, None),
            PartyKind::Trunk(name) => (Direction::Inbound, Some(name.clone())),
        };
        let caller = Leg { number: setup.caller.number.clone(), outcome: None };
        let mut call = Self {
            state: State::Locating,
            targets: Vec::new(),
            legs: vec![caller],
            direction,
            trunk,
            started_at,
            ringing_at: None,
            answered_at: None,
            recording: false,
            deadline: Some(now + setup.policy.locate_limit),
            out: VecDeque::new(),
            setup,
        };
        call.out.push_back(Effect::Keep);
        call.tell_started();
        call.out.push_back(Effect::Locate(call.setup.dialled.clone()));
        call
    }

    /// A fact. Facts about legs that are gone change nothing.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Located(targets) => self.on_located(targets, now),
            Input::Nowhere(outcome) => self.on_nowhere(outcome, now),
            Input::Ringing { leg, early_media } => self.on_ringing(leg, early_media, now),
            Input::Answered { leg } => self.on_answered(leg, now),
            Input::Failed { leg, outcome, cause } => self.on_failed(leg, outcome, cause, now),
            Input::HungUp { leg, cause } => self.on_hung_up(leg, cause, now),
            Input::Unconfirmed { leg } => self.on_unconfirmed(leg, now),
            Input::Silent { leg } => self.on_silent(leg, now),
            Input::Announced => self.on_announced(now),
            Input::Incompatible => {
                let cause = Outcome::Incompatible.cause();
                self.end_all(Outcome::Incompatible, Side::System, cause, "the parties share no codec", now);
            }
            Input::HangUp => self.end_all(Outcome::Cancelled, Side::System, Cause { sip: 480, q850: 31 }, "", now),
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|at| at > now) {
            return;
        }
        self.deadline = None;
        match &self.state {
            State::Locating => self.fail(Outcome::Congestion, Outcome::Congestion.cause(), now),
            State::Dialling { .. } => self.give_up(now),
            State::Announcing { .. } => self.on_announced(now),
            State::Talking { .. } => {
                let cause = Cause { sip: 480, q850: 31 };
                self.end_all(Outcome::Answered, Side::System, cause, "longest allowed duration reached", now);
            }
            State::Ended => {}
        }
    }

    /// The next wish.
    pub fn poll_output(&mut self) -> Option<Effect> {
        self.out.pop_front()
    }

    /// When [`Call::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// The call's id.
    pub fn id(&self) -> CallId {
        self.setup.id
    }

    /// Who calls.
    pub fn caller(&self) -> &Party {
        &self.setup.caller
    }

    /// The trunk the call came from; `None` if an extension calls.
    pub fn from_trunk(&self) -> Option<&str> {
        match &self.setup.caller.kind {
            PartyKind::Trunk(name) => Some(name),
            PartyKind::Extension => None,
        }
    }

    /// True once the record is written; the call can be forgotten.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// The call as those see it who watch.
    pub fn live(&self) -> LiveCall {
        let state_of = |no: LegNo| match &self.state {
            State::Locating => LegState::Dialing,
            State::Dialling { pending, .. } if no == LegId::CALLER => {
                if pending.values().any(|p| *p == Pending::Ringing) { LegState::Ringing } else { LegState::Dialing }
            }
            State::Dialling { pending, .. } => match pending.get(&no) {
                Some(Pending::Quiet) => LegState::Dialing,
                Some(Pending::Ringing) => LegState::Ringing,
                None => LegState::Ending,
            },
            State::Announcing { .. } if no == LegId::CALLER => LegState::Announcement,
            State::Talking { with } if no == LegId::CALLER || no == *with => LegState::Talking,
            State::Announcing { .. } | State::Talking { .. } | State::Ended => LegState::Ending,
        };
        LiveCall {
            id: self.setup.id,
            caller: self.setup.caller.number.clone(),
            callee: self.setup.dialled.clone(),
            direction: self.direction,
            started_at: self.started_at,
            answered_at: self.answered_at,
            recording: self.recording,
            legs: (0..)
                .zip(&self.legs)
                .map(|(no, leg)| LiveLeg { no, number: leg.number.clone(), state: state_of(no) })
                .collect(),
        }
    }

    /// The record that stands if the switch dies now; kept where it survives, so that even then there is one.
    pub fn snapshot(&self, now: Instant) -> CallRecord {
        let failure = (Outcome::SwitchFailure, Outcome::SwitchFailure.cause());
        self.record(failure, Side::System, "the switch stopped in this call", now)
    }

    fn on_located(&mut self, targets: Vec<Target>, now: Instant) {
        if !matches!(self.state, State::Locating) {
            return;
        }
        let Some(first) = targets.first() else { return self.on_nowhere(Outcome::Unreachable, now) };
        self.learn_direction(&first.party.kind);
        let ring = targets.iter().map(|t| t.ring).max().unwrap_or_default();
        self.deadline = Some(now + ring);
        let mut pending = BTreeMap::new();
        for (index, target) in targets.iter().enumerate() {
            let leg = self.legs.len() as LegNo;
            self.legs.push(Leg { number: target.party.number.clone(), outcome: None });
            pending.insert(leg, Pending::Quiet);
            self.out.push_back(Effect::Dial { leg, target: index });
            self.tell(EventBody::LegDialing { call: self.setup.id, leg, number: target.party.number.clone() });
        }
        self.targets = targets;
        self.state = State::Dialling { pending, early: None, failure: None };
    }

    fn on_nowhere(&mut self, outcome: Outcome, now: Instant) {
        if matches!(self.state, State::Locating) {
            self.fail(outcome, outcome.cause(), now);
        }
    }

    fn on_ringing(&mut self, leg: LegNo, early_media: bool, now: Instant) {
        let State::Dialling { pending, early, .. } = &mut self.state else { return };
        let Some(state) = pending.get_mut(&leg) else { return };
        let news = *state == Pending::Quiet;
        *state = Pending::Ringing;
        if early_media && early.is_none() {
            *early = Some(leg);
            self.out.push_back(Effect::Ring { early_media: Some(leg) });
        } else if self.ringing_at.is_none() && early.is_none() {
            self.out.push_back(Effect::Ring { early_media: None });
        }
        if self.ringing_at.is_none() {
            self.ringing_at = Some(self.setup.wall.at(now));
            self.out.push_back(Effect::Keep);
        }
        if news {
            self.tell(EventBody::LegRinging { call: self.setup.id, leg, early_media });
        }
    }

    fn on_answered(&mut self, leg: LegNo, now: Instant) {
        let mut others = match &mut self.state {
            State::Dialling { pending, .. } if pending.contains_key(&leg) => std::mem::take(pending),
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
        if self.targets.get(usize::from(leg) - 1).is_some_and(|target| target.record) {
            self.recording = true;
            self.out.push_back(Effect::Record { with: leg });
        }
        self.tell(EventBody::CallAnswered { call: self.setup.id, leg });
    }

    fn on_failed(&mut self, leg: LegNo, outcome: Outcome, cause: Cause, now: Instant) {
        let State::Dialling { pending, early, failure } = &mut self.state else { return };
        if pending.remove(&leg).is_none() {
            return;
        }
        if *early == Some(leg) {
            *early = None;
        }
        if failure.is_none_or(|(known, _)| weight(outcome) > weight(known)) {
            *failure = Some((outcome, cause));
        }
        // A global refusal speaks for all phones of the called party (RFC 3261 §16.7, step 5).
        let everywhere = (600..700).contains(&cause.sip);
        let verdict = if everywhere { Some((outcome, cause)) } else { *failure };
        let last = everywhere || pending.is_empty();
        self.end_leg(leg, outcome, cause);
        if let (true, Some((outcome, cause))) = (last, verdict) {
            self.drop_pending(Outcome::Cancelled, cause);
            self.fail(outcome, cause, now);
        }
    }

    fn on_hung_up(&mut self, leg: LegNo, cause: Option<Cause>, now: Instant) {
        let normal = cause.unwrap_or(Cause { sip: 200, q850: 16 });
        match &self.state {
            State::Talking { with } => {
                let with = *with;
                if leg != LegId::CALLER && leg != with {
                    return;
                }
                let (side, other) =
                    if leg == LegId::CALLER { (Side::Caller, with) } else { (Side::Callee, LegId::CALLER) };
                self.end_leg(leg, Outcome::Answered, normal);
                self.drop_leg(other, Outcome::Answered, normal);
                self.finish((Outcome::Answered, normal), side, "", now);
            }
            State::Announcing { outcome, cause } => {
                let verdict = (*outcome, *cause);
                if leg == LegId::CALLER {
                    self.end_leg(leg, verdict.0, verdict.1);
                    self.finish(verdict, Side::Caller, "", now);
                }
            }
            State::Locating | State::Dialling { .. } if leg == LegId::CALLER => {
                self.end_leg(leg, Outcome::Cancelled, Outcome::Cancelled.cause());
                self.drop_pending(Outcome::Cancelled, Outcome::Cancelled.cause());
                self.finish((Outcome::Cancelled, Outcome::Cancelled.cause()), Side::Caller, "", now);
            }
            // A called phone that says good-bye before it answered refuses the call.
            State::Dialling { .. } => {
                self.on_failed(leg, Outcome::Rejected, cause.unwrap_or(Outcome::Rejected.cause()), now);
            }
            State::Locating | State::Ended => {}
        }
    }

    fn on_unconfirmed(&mut self, leg: LegNo, now: Instant) {
        if let State::Talking { with } = self.state {
            let gone = Outcome::SwitchFailure;
            let cause = Cause { sip: 408, q850: 102 };
            let other = if leg == LegId::CALLER { with } else { LegId::CALLER };
            self.end_leg(leg, gone, cause);
            self.drop_leg(other, Outcome::Answered, cause);
            self.finish((Outcome::Answered, cause), Side::System, "the phone never confirmed the answer (no ACK)", now);
        }
    }

    fn on_silent(&mut self, leg: LegNo, now: Instant) {
        if let State::Talking { with } = self.state
            && (leg == LegId::CALLER || leg == with)
        {
            let note = if leg == LegId::CALLER { "no sound from the caller" } else { "no sound from the called party" };
            self.end_all(Outcome::MediaTimeout, Side::System, Outcome::MediaTimeout.cause(), note, now);
        }
    }

    fn on_announced(&mut self, now: Instant) {
        if let State::Announcing { outcome, cause } = self.state {
            self.end_leg(LegId::CALLER, outcome, cause);
            self.out.push_back(Effect::Reject(cause));
            self.finish((outcome, cause), side_of(outcome), "", now);
        }
    }

    /// Nobody answered in time.
    fn give_up(&mut self, now: Instant) {
        let rang = self.ringing_at.is_some();
        let outcome = if rang { Outcome::NoAnswer } else { Outcome::Unreachable };
        let said = match &self.state {
            State::Dialling { failure, .. } => failure.filter(|(known, _)| weight(*known) > weight(outcome)),
            State::Locating | State::Announcing { .. } | State::Talking { .. } | State::Ended => None,
        };
        self.drop_pending(outcome, outcome.cause());
        let (outcome, cause) = said.unwrap_or((outcome, outcome.cause()));
        self.fail(outcome, cause, now);
    }

    /// There will be no conversation: say why, or refuse at once.
    fn fail(&mut self, outcome: Outcome, cause: Cause, now: Instant) {
        let policy = self.setup.policy;
        self.state = State::Announcing { outcome, cause };
        if policy.announce && self.setup.caller.kind == PartyKind::Extension {
            self.deadline = Some(now + policy.announce_limit);
            self.out.push_back(Effect::Announce(outcome));
        } else {
            self.on_announced(now);
        }
    }

    /// Ends everybody who is still there.
    fn end_all(&mut self, outcome: Outcome, side: Side, cause: Cause, note: &str, now: Instant) {
        match &self.state {
            State::Talking { with } => {
                let (with, answered) = (*with, if outcome == Outcome::Cancelled { Outcome::Answered } else { outcome });
                self.drop_leg(LegId::CALLER, answered, cause);
                self.drop_leg(with, answered, cause);
                self.finish((answered, cause), side, note, now);
            }
            State::Locating | State::Dialling { .. } | State::Announcing { .. } => {
                self.drop_pending(outcome, cause);
                self.end_leg(LegId::CALLER, outcome, cause);
                self.out.push_back(Effect::Reject(cause));
                self.finish((outcome, cause), side, note, now);
            }
            State::Ended => {}
        }
    }

    fn drop_pending(&mut self, outcome: Outcome, cause: Cause) {
        if let State::Dialling { pending, .. } = &mut self.state {
            for leg in std::mem::take(pending).into_keys() {
                self.drop_leg(leg, outcome, cause);
            }
        }
    }

    fn drop_leg(&mut self, leg: LegNo, outcome: Outcome, cause: Cause) {
        self.out.push_back(Effect::HangUp { leg, cause });
        self.end_leg(leg, outcome, cause);
    }

    fn end_leg(&mut self, leg: LegNo, outcome: Outcome, cause: Cause) {
        let Some(known) = self.legs.get_mut(usize::from(leg)) else { return };
        if known.outcome.is_none() {
            known.outcome = Some((outcome, cause));
            self.tell(EventBody::LegEnded { call: self.setup.id, leg, outcome, cause });
        }
    }

    fn finish(&mut self, verdict: (Outcome, Cause), side: Side, note: &str, now: Instant) {
        if never!(matches!(self.state, State::Ended), "call {} ended twice", self.setup.id) {
            return;
        }
        self.state = State::Ended;
        self.deadline = None;
        let record = self.record(verdict, side, note, now);
        self.out.push_back(Effect::Finished(Box::new(record)));
    }

    fn record(&self, (outcome, cause): (Outcome, Cause), ended_by: Side, note: &str, now: Instant) -> CallRecord {
        let legs = (0..).zip(&self.legs).map(|(no, leg)| {
            let (outcome, cause) = leg.outcome.unwrap_or((outcome, cause));
            LegRecord {
                no,
                number: leg.number.clone(),
                remote: String::new(),
                user_agent: String::new(),
                sip_call_id: String::new(),
                outcome,
                cause,
                codec: String::new(),
                quality: None,
            }
        });
        CallRecord {
            id: self.setup.id,
            caller: self.setup.caller.number.clone(),
            caller_name: self.setup.caller.name.clone(),
            callee: self.setup.dialled.clone(),
            direction: self.direction,
            trunk: self.trunk.clone(),
            started_at: self.started_at,
            ringing_at: self.ringing_at,
            answered_at: self.answered_at,
            ended_at: self.setup.wall.at(now),
            outcome,
            ended_by,
            cause,
            note: note.to_owned(),
            legs: legs.collect(),
            recording: None,
        }
    }

    fn learn_direction(&mut self, callee: &PartyKind) {
        match (&self.setup.caller.kind, callee) {
            (PartyKind::Extension, PartyKind::Extension) => self.direction = Direction::Internal,
            (PartyKind::Extension, PartyKind::Trunk(name)) => {
                self.direction = Direction::Outbound;
                self.trunk = Some(name.clone());
            }
            (PartyKind::Trunk(_), _) => self.direction = Direction::Inbound,
        }
    }

    fn tell_started(&mut self) {
        self.tell(EventBody::CallStarted {
            call: self.setup.id,
            caller: self.setup.caller.number.clone(),
            callee: self.setup.dialled.clone(),
            direction: self.direction,
        });
    }

    fn tell(&mut self, event: EventBody) {
        self.out.push_back(Effect::Tell(event));
    }
}

/// Of several phones' refusals the caller hears the one that says most (RFC 3261 §16.7, step 6).
fn weight(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Answered => 0,
        Outcome::Cancelled | Outcome::SwitchFailure | Outcome::MediaTimeout => 1,
        Outcome::Congestion => 2,
        Outcome::Unreachable => 3,
        Outcome::Forbidden | Outcome::Incompatible => 4,
        Outcome::Unallocated => 5,
        Outcome::NoAnswer => 6,
        Outcome::Busy => 7,
        Outcome::Rejected => 8,
    }
}

/// Who brought a failed call to its end.
fn side_of(outcome: Outcome) -> Side {
    match outcome {
        Outcome::Busy | Outcome::NoAnswer | Outcome::Rejected => Side::Callee,
        Outcome::Cancelled => Side::Caller,
        Outcome::Answered
        | Outcome::Unreachable
        | Outcome::Unallocated
        | Outcome::Forbidden
        | Outcome::Incompatible
        | Outcome::Congestion
        | Outcome::MediaTimeout
        | Outcome::SwitchFailure => Side::System,
    }
}

#[cfg(test)]
mod tests;
