//! One call from its first sign to its record.

mod consulting;
mod dialling;
mod ending;
mod image;
mod listening;
mod queueing;
mod recording;
mod serving;
mod summoning;
mod transfer;

use crate::effect::{Effect, Input, Party, PartyKind, Target};
use consulting::Consulting;
use dialling::{Dialling, Wait};
pub use image::Image;
use model::{
    CallId, CallRecord, Cause, Direction, EventBody, LegId, LegNo, LegOrigin, LegState, LiveCall, LiveLeg, Outcome,
    Side,
};
use queueing::Asked;
use recording::Taping;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use stdx::{UnixMillis, Wall};
pub use transfer::Replacing;

/// How calls behave; set by the operator.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Extensions hear a tone or a voice that says why a call failed, before the failure itself.
    pub announce: bool,
    /// At most this long.
    pub announce_limit: Duration,
    /// How long finding the called party may take.
    pub locate_limit: Duration,
    /// How long a trunk may take to take a party to another number.
    pub hand_over_limit: Duration,
    /// No stage of a call rings longer than this, whatever it says (RFC 3261 §16.8: more than three minutes).
    pub ring_limit: Duration,
    /// A call longer than this is ended.
    pub max_duration: Duration,
    /// Of several phones that send sound before they answer, the caller hears the last that began; else the first.
    pub latest_early_media: bool,
    /// A transferred party whose new party does not answer is put through to who transferred it.
    pub recall: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            announce: true,
            announce_limit: Duration::from_secs(8),
            locate_limit: Duration::from_secs(2),
            hand_over_limit: Duration::from_secs(240),
            ring_limit: Duration::from_secs(185),
            max_duration: Duration::from_secs(12 * 3600),
            latest_early_media: false,
            recall: true,
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
    /// Kept with its record.
    pub variables: BTreeMap<String, String>,
}

/// One conversation: the caller, everybody who is tried, the one who answers, and whoever takes the place of one of them.
#[derive(Debug)]
pub struct Call {
    setup: Setup,
    state: State,
    targets: Vec<Target>,
    legs: Vec<Leg>,
    /// The leg of who calls: 0, unless its own phones were called first and another of them answered.
    caller_leg: LegNo,
    /// Somebody asks a third party while the other hears music.
    consulting: Option<Consulting>,
    /// Legs that only listen.
    listeners: Vec<LegNo>,
    direction: Direction,
    trunk: Option<String>,
    started_at: UnixMillis,
    ringing_at: Option<UnixMillis>,
    answered_at: Option<UnixMillis>,
    /// When the longest allowed duration is reached.
    ends_at: Option<Instant>,
    recording: Taping,
    /// Numbers that were located for this call: none is tried twice on a phone's word.
    visited: BTreeSet<String>,
    /// The offer that was answered last, and by whom.
    taken: Option<(u64, LegNo)>,
    /// Who stays when the other hangs up.
    stays: Option<LegNo>,
    /// How often parties were transferred or replaced.
    moves: u8,
    deadline: Option<Instant>,
    out: VecDeque<Effect>,
}

#[derive(Debug)]
enum State {
    /// Nothing is known yet about the called party.
    Locating(Wait),
    /// Phones are being called.
    Dialling(Wait, Dialling),
    /// A party hears why there is no conversation.
    Announcing { to: LegNo, outcome: Outcome, cause: Cause },
    /// Two parties speak: `a` on the caller's side, `b` on the called side.
    Talking { a: LegNo, b: LegNo },
    /// The switch itself serves these: with a conference, a prompt …
    Served { legs: Vec<LegNo> },
    /// One waits in a queue, and these are asked to take it.
    Queued { leg: LegNo, asked: BTreeMap<LegNo, Asked> },
    /// Over; late facts are met with a hang-up where they need one.
    Ended,
}

/// A leg as the record will know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Leg {
    number: String,
    kind: PartyKind,
    origin: LegOrigin,
    side: Side,
    /// Its place among the targets; none if nobody called it.
    target: Option<usize>,
    answered_at: Option<UnixMillis>,
    ended_at: Option<UnixMillis>,
    held: bool,
    /// By the switch, and not by the phone itself.
    held_here: bool,
    outcome: Option<(Outcome, Cause)>,
}

impl Leg {
    fn new(party: &Party, origin: LegOrigin, side: Side) -> Self {
        Self {
            number: party.number.clone(),
            kind: party.kind.clone(),
            origin,
            side,
            target: None,
            answered_at: None,
            ended_at: None,
            held: false,
            held_here: false,
            outcome: None,
        }
    }
}

impl Call {
    /// A call reached us. The first effects follow from [`Call::poll_output`].
    pub fn start(setup: Setup, now: Instant) -> Self {
        let mut call = Self::new(setup, LegOrigin::Caller, Wait::of(LegId::CALLER), now);
        call.out.push_back(Effect::Locate { number: call.setup.dialled.clone(), by: LegId::CALLER });
        call
    }

    fn new(setup: Setup, origin: LegOrigin, wait: Wait, now: Instant) -> Self {
        let started_at = setup.wall.at(now);
        let (direction, trunk) = match &setup.caller.kind {
            PartyKind::Extension => (Direction::Unknown, None),
            PartyKind::Trunk(name) => (Direction::Inbound, Some(name.clone())),
        };
        let caller = Leg::new(&setup.caller, origin, Side::Caller);
        let mut call = Self {
            state: State::Locating(wait),
            targets: Vec::new(),
            legs: vec![caller],
            caller_leg: LegId::CALLER,
            consulting: None,
            listeners: Vec::new(),
            direction,
            trunk,
            started_at,
            ringing_at: None,
            answered_at: None,
            ends_at: None,
            recording: Taping::Never,
            visited: BTreeSet::from([setup.dialled.clone()]),
            taken: None,
            stays: None,
            moves: 0,
            deadline: Some(now + setup.policy.locate_limit),
            out: VecDeque::new(),
            setup,
        };
        call.out.push_back(Effect::Keep);
        call.tell_started();
        call
    }

    /// A fact. Facts about legs that are gone change nothing.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Located(stages) => self.on_located(stages, now),
            Input::Elsewhere(outcomes) => self.on_elsewhere(outcomes),
            Input::Nowhere(outcome) => self.on_nowhere(outcome, now),
            Input::Served => self.on_served(now),
            Input::Queued => self.on_queued(now),
            Input::Offered { offer, targets } => self.on_offered(offer, &targets),
            Input::Withdrawn { offer, cause } => self.on_withdrawn(offer, cause, now),
            Input::SentOn { number } => self.on_sent_on(number, now),
            Input::Dismissed { leg } => self.on_dismissed(leg, now),
            Input::HandingOver => self.on_handing_over(now),
            Input::HandedOver => self.on_handed_over(now),
            Input::PutTogether { leg, with } => self.on_put_together(leg, &with, now),
            Input::Ringing { leg, early_media } => self.on_ringing(leg, early_media, now),
            Input::Answered { leg } => self.on_answered(leg, now),
            Input::Redirected { leg, number, cause } => self.on_redirected(leg, number, cause, now),
            Input::Failed { leg, outcome, cause } => self.on_failed(leg, outcome, cause, now),
            Input::HungUp { leg, cause } => self.on_hung_up(leg, cause, now),
            Input::Unconfirmed { leg } => self.on_unconfirmed(leg, now),
            Input::Held { leg, held } => self.on_held(leg, held),
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
            State::Locating(_) => self.fail(Outcome::Congestion, Outcome::Congestion.cause(), now),
            State::Dialling(..) => self.give_up(now),
            State::Announcing { .. } => self.on_announced(now),
            State::Talking { .. } | State::Served { .. } | State::Queued { .. } => {
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

    /// What the client that placed it wanted kept.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.setup.variables
    }

    /// What was dialled.
    pub fn dialled(&self) -> &str {
        &self.setup.dialled
    }

    /// The trunk the call came from; `None` if an extension calls.
    pub fn from_trunk(&self) -> Option<&str> {
        self.trunk_of(LegId::CALLER)
    }

    /// The trunk a leg came or went by; `None` if it is an extension's.
    pub fn trunk_of(&self, leg: LegNo) -> Option<&str> {
        match &self.legs.get(usize::from(leg))?.kind {
            PartyKind::Trunk(name) => Some(name),
            PartyKind::Extension => None,
        }
    }

    /// A leg's number.
    pub fn number_of(&self, leg: LegNo) -> Option<&str> {
        self.legs.get(usize::from(leg)).map(|leg| &leg.number[..])
    }

    /// Who a leg is.
    pub fn party_of(&self, leg: LegNo) -> Option<Party> {
        if leg == self.caller_leg {
            return Some(self.setup.caller.clone());
        }
        let leg = self.legs.get(usize::from(leg))?;
        Some(Party { number: leg.number.clone(), name: String::new(), kind: leg.kind.clone() })
    }

    /// True if a leg has been in conversation.
    pub fn has_spoken(&self, leg: LegNo) -> bool {
        self.legs.get(usize::from(leg)).is_some_and(|leg| leg.answered_at.is_some())
    }

    /// How a leg came into the call.
    pub fn origin_of(&self, leg: LegNo) -> Option<LegOrigin> {
        self.legs.get(usize::from(leg)).map(|leg| leg.origin)
    }

    /// Whom a leg speaks with.
    pub fn partner_of(&self, leg: LegNo) -> Option<LegNo> {
        match self.state {
            State::Talking { a, b } if leg == a => Some(b),
            State::Talking { a, b } if leg == b => Some(a),
            _ => None,
        }
    }

    /// Who waits while others are called: whose name and number those are shown.
    pub fn waiting(&self) -> LegNo {
        match &self.state {
            State::Locating(wait) | State::Dialling(wait, _) => wait.leg,
            State::Announcing { to, .. } => *to,
            State::Talking { a, .. } => *a,
            State::Served { legs } => legs.first().copied().unwrap_or(self.caller_leg),
            State::Queued { leg, .. } => *leg,
            State::Ended => self.caller_leg,
        }
    }

    /// True once the record is written; the call can be forgotten.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// The call as those see it who watch.
    pub fn live(&self) -> LiveCall {
        LiveCall {
            id: self.setup.id,
            caller: self.setup.caller.number.clone(),
            callee: self.setup.dialled.clone(),
            direction: self.direction,
            started_at: self.started_at,
            answered_at: self.answered_at,
            recording: self.recording == Taping::Running,
            legs: (0..)
                .zip(&self.legs)
                .map(|(no, leg)| LiveLeg { no, number: leg.number.clone(), state: self.leg_state(no) })
                .collect(),
        }
    }

    fn leg_state(&self, no: LegNo) -> LegState {
        if self.listeners.contains(&no) {
            return LegState::Listening;
        }
        if self.consulting.is_some_and(|known| known.held == no) {
            return LegState::Held;
        }
        let held = self.legs.get(usize::from(no)).is_some_and(|leg| leg.held);
        match &self.state {
            State::Locating(wait) if wait.leg == no => LegState::Dialing,
            State::Dialling(wait, dialling) => dialling.state_of(no, wait),
            State::Locating(wait) if wait.is_by(no) => LegState::Talking,
            State::Announcing { to, .. } if no == *to => LegState::Announcement,
            State::Talking { a, b } if (no == *a || no == *b) && held => LegState::Held,
            State::Talking { a, b } if no == *a || no == *b => LegState::Talking,
            State::Served { legs } if legs.contains(&no) && held => LegState::Held,
            State::Served { legs } if legs.contains(&no) => LegState::Talking,
            State::Queued { leg, .. } if no == *leg => LegState::Queued,
            State::Queued { asked, .. } if asked.contains_key(&no) => asked[&no].state(),
            State::Locating(_)
            | State::Announcing { .. }
            | State::Talking { .. }
            | State::Served { .. }
            | State::Queued { .. }
            | State::Ended => LegState::Ending,
        }
    }

    /// The record that stands if the switch dies now; kept where it survives, so that even then there is one.
    pub fn snapshot(&self, now: Instant) -> CallRecord {
        let failure = (Outcome::SwitchFailure, Outcome::SwitchFailure.cause());
        self.record(failure, Side::System, "the switch stopped in this call", now)
    }

    fn on_hung_up(&mut self, leg: LegNo, cause: Option<Cause>, now: Instant) {
        let normal = cause.unwrap_or(Cause { sip: 200, q850: 16 });
        if self.listener_left(leg, normal, now)
            || self.consultation_left(leg, normal, now)
            || self.served_left(leg, (Outcome::Answered, normal), self.side_of(leg), now)
            || self.queued_left(leg, (Outcome::Answered, normal), cause, now)
        {
            return;
        }
        match &self.state {
            State::Talking { a, b } => {
                let other = match (leg == *a, leg == *b) {
                    (true, _) => *b,
                    (_, true) => *a,
                    _ => return,
                };
                if self.stays.take_if(|stays| *stays == other).is_some() {
                    return self.left_alone(other, leg, normal, now);
                }
                let side = self.side_of(leg);
                self.end_leg(leg, Outcome::Answered, normal, now);
                self.drop_leg(other, Outcome::Answered, normal, now);
                self.finish((Outcome::Answered, normal), side, "", now);
            }
            State::Announcing { to, outcome, cause } => {
                let verdict = (*outcome, *cause);
                if leg == *to {
                    self.end_leg(leg, verdict.0, verdict.1, now);
                    self.finish(verdict, self.side_of(leg), "", now);
                }
            }
            State::Locating(wait) | State::Dialling(wait, _) if leg == wait.leg && !wait.summons => {
                self.on_waiting_left(leg, normal, now);
            }
            State::Locating(wait) | State::Dialling(wait, _) if wait.is_by(leg) => {
                self.on_transferor_left(leg, normal, now);
            }
            // A called phone that says good-bye before it answered refuses the call.
            State::Dialling(..) => {
                self.on_failed(leg, Outcome::Rejected, cause.unwrap_or(Outcome::Rejected.cause()), now);
            }
            State::Locating(_) | State::Served { .. } | State::Queued { .. } | State::Ended => {}
        }
    }

    /// Who waited for somebody to answer has left.
    fn on_waiting_left(&mut self, leg: LegNo, normal: Cause, now: Instant) {
        let side = self.side_of(leg);
        let cancelled = Outcome::Cancelled.cause();
        let by = self.transferor();
        let verdict = if self.has_spoken(leg) { (Outcome::Answered, normal) } else { (Outcome::Cancelled, cancelled) };
        self.end_leg(leg, verdict.0, verdict.1, now);
        self.drop_pending(Outcome::Cancelled, cancelled, now);
        if let Some(by) = by {
            self.out.push_back(Effect::Progress { leg: by, how: crate::Progress::Failed(cancelled) });
            self.drop_leg(by, Outcome::Answered, normal, now);
        }
        self.finish(verdict, side, "", now);
    }

    fn on_unconfirmed(&mut self, leg: LegNo, now: Instant) {
        let State::Talking { a, b } = self.state else {
            // The transferred or the transferring party, a moment after its own answer.
            return self.on_hung_up(leg, Some(Cause { sip: 408, q850: 102 }), now);
        };
        let other = match (leg == a, leg == b) {
            (true, _) => b,
            (_, true) => a,
            _ => return,
        };
        let cause = Cause { sip: 408, q850: 102 };
        self.end_leg(leg, Outcome::SwitchFailure, cause, now);
        self.drop_leg(other, Outcome::Answered, cause, now);
        self.finish((Outcome::Answered, cause), Side::System, "the phone never confirmed the answer (no ACK)", now);
    }

    /// Two parties speak from now on; one whose partner still holds hears music.
    pub(super) fn join(&mut self, a: LegNo, b: LegNo) {
        self.release_holds([a, b]);
        self.out.push_back(Effect::Join { a, b });
        for (leg, to) in [(a, b), (b, a)] {
            if self.legs.get(usize::from(leg)).is_some_and(|leg| leg.held) {
                self.out.push_back(Effect::Music { to, on: true });
            }
        }
    }

    fn on_silent(&mut self, leg: LegNo, now: Instant) {
        if self.listeners.contains(&leg) {
            let cause = Outcome::MediaTimeout.cause();
            self.out.push_back(Effect::HangUp { leg, cause });
            self.listener_left(leg, cause, now);
        }
        if self.held_party_silent(leg, now) {
            return;
        }
        if self.served().contains(&leg) {
            let cause = Outcome::MediaTimeout.cause();
            self.out.push_back(Effect::HangUp { leg, cause });
            self.served_left(leg, (Outcome::MediaTimeout, cause), Side::System, now);
        }
        if matches!(self.state, State::Queued { leg: waits, .. } if waits == leg) {
            let cause = Outcome::MediaTimeout.cause();
            self.out.push_back(Effect::HangUp { leg, cause });
            self.queued_left(leg, (Outcome::MediaTimeout, cause), None, now);
        }
        if let State::Talking { a, b } = self.state
            && (leg == a || leg == b)
        {
            let note = match self.side_of(leg) {
                Side::Caller => "no sound from the caller",
                Side::Callee | Side::System => "no sound from the called party",
            };
            self.end_all(Outcome::MediaTimeout, Side::System, Outcome::MediaTimeout.cause(), note, now);
        }
    }

    fn on_announced(&mut self, now: Instant) {
        let State::Announcing { to, outcome, cause } = self.state else { return self.service_over(now) };
        let side = ending::side_of(outcome);
        if self.has_spoken(to) {
            // Who was transferred has had its conversation, whatever became of the next.
            self.drop_leg(to, Outcome::Answered, cause, now);
            self.finish(
                (Outcome::Answered, cause),
                Side::System,
                "the party it was transferred to did not answer",
                now,
            );
        } else {
            self.drop_leg(to, outcome, cause, now);
            self.finish((outcome, cause), side, "", now);
        }
    }

    fn side_of(&self, leg: LegNo) -> Side {
        self.legs.get(usize::from(leg)).map_or(Side::System, |leg| leg.side)
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
