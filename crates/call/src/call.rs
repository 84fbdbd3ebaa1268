//! One call from its first sign to its record.

mod dialling;
mod ending;

use crate::effect::{Effect, Input, Party, PartyKind, Target};
use dialling::Dialling;
use ending::weight;
use model::{
    CallId, CallRecord, Cause, Direction, EventBody, LegId, LegNo, LegState, LiveCall, LiveLeg, Outcome, Side,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use stdx::{UnixMillis, Wall};

/// How calls behave; set by the operator.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Extensions hear a tone or a voice that says why a call failed, before the failure itself.
    pub announce: bool,
    /// At most this long.
    pub announce_limit: Duration,
    /// How long finding the called party may take.
    pub locate_limit: Duration,
    /// No stage of a call rings longer than this, whatever it says (RFC 3261 §16.8: more than three minutes).
    pub ring_limit: Duration,
    /// A call longer than this is ended.
    pub max_duration: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            announce: true,
            announce_limit: Duration::from_secs(8),
            locate_limit: Duration::from_secs(2),
            ring_limit: Duration::from_secs(185),
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
    /// Phones are being called.
    Dialling(Dialling),
    /// The caller hears why there is no conversation.
    Announcing { outcome: Outcome, cause: Cause },
    /// Two parties speak.
    Talking { with: LegNo },
    /// Over; late facts are met with a hang-up where they need one.
    Ended,
}

/// A leg as the record will know it.
#[derive(Debug)]
struct Leg {
    number: String,
    /// Its place among the targets; none if nobody called it.
    target: Option<usize>,
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
        let caller = Leg { number: setup.caller.number.clone(), target: None, outcome: None };
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
        call.out.push_back(Effect::Locate { number: call.setup.dialled.clone(), by: LegId::CALLER });
        call
    }

    /// A fact. Facts about legs that are gone change nothing.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Located(stages) => self.on_located(stages, now),
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
            Input::CapReached => {
                let cause = Cause { sip: 480, q850: 31 };
                self.end_all(Outcome::Cancelled, Side::System, cause, "the daily spending cap is reached", now);
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
            State::Dialling(_) => self.give_up(now),
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

    /// The number of a leg.
    pub fn number_of(&self, leg: LegNo) -> Option<&str> {
        self.legs.get(usize::from(leg)).map(|leg| leg.number.as_str())
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
            State::Dialling(dialling) => Self::dialling_state(dialling, no),
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
            State::Locating | State::Dialling(_) if leg == LegId::CALLER => {
                self.end_leg(leg, Outcome::Cancelled, Outcome::Cancelled.cause());
                self.drop_pending(Outcome::Cancelled, Outcome::Cancelled.cause());
                self.finish((Outcome::Cancelled, Outcome::Cancelled.cause()), Side::Caller, "", now);
            }
            // A called phone that says good-bye before it answered refuses the call.
            State::Dialling(_) => {
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
            self.finish((outcome, cause), ending::side_of(outcome), "", now);
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

#[cfg(test)]
mod tests;
