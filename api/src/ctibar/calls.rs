//! One call in which the agent's extension has a part, as its toolbar sees it.

use super::acd::Acd;
use super::names;
use model::{CallId, Direction, LegNo, LegState, LiveCall};
use serde_json::{Value, json};
use stdx::UnixMillis;

/// What is known of a call from its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) caller: String,
    pub(crate) callee: String,
    pub(crate) direction: Direction,
}

/// A call of the agent's extension.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) id: CallId,
    pub(crate) known: Known,
    /// The extension placed it.
    pub(crate) outgoing: bool,
    /// Legs of the extension that ring.
    pub(crate) ringing: Vec<LegNo>,
    /// The leg at which the agent speaks.
    pub(crate) mine: Option<LegNo>,
    /// The leg of the other party, once it has answered.
    pub(crate) far: Option<LegNo>,
    /// The page has been told of it.
    pub(crate) rung: bool,
    pub(crate) held: bool,
    /// The agent asks a third party.
    pub(crate) consulting: bool,
    /// The agent has sent the other party elsewhere.
    pub(crate) transferred: bool,
    pub(crate) answered_at: Option<UnixMillis>,
    pub(crate) acd: Option<Acd>,
    /// Phrases that were understood.
    pub(crate) phrases: u64,
}

impl Own {
    pub(crate) fn new(id: CallId, known: Known, extension: &str) -> Self {
        let outgoing = known.caller == extension;
        Self {
            id,
            known,
            outgoing,
            ringing: Vec::new(),
            mine: None,
            far: None,
            rung: false,
            held: false,
            consulting: false,
            transferred: false,
            answered_at: None,
            acd: None,
            phrases: 0,
        }
    }

    /// A call that is under way; `None` if the extension has no part in it.
    pub(crate) fn of_live(live: &LiveCall, extension: &str) -> Option<Self> {
        let known = Known { caller: live.caller.clone(), callee: live.callee.clone(), direction: live.direction };
        let mut own = Self::new(live.id, known, extension);
        for leg in live.legs.iter().filter(|leg| leg.number == extension) {
            match leg.state {
                // Its own phone is called first, or it waits for the other to answer.
                LegState::Dialing | LegState::Ringing if own.outgoing && leg.no == 0 && live.legs.len() > 1 => {
                    own.mine = Some(leg.no);
                }
                LegState::Dialing | LegState::Ringing => own.ringing.push(leg.no),
                LegState::Talking | LegState::Held | LegState::Queued | LegState::Announcement => {
                    own.mine = Some(leg.no);
                    own.held = leg.state == LegState::Held;
                }
                LegState::Listening | LegState::Ending => {}
            }
        }
        if own.mine.is_some() && live.answered_at.is_some() {
            own.answered_at = live.answered_at;
            let other = |leg: &&model::LiveLeg| Some(leg.no) != own.mine && leg.state == LegState::Talking;
            own.far = live.legs.iter().find(other).map(|leg| leg.no).or(Some(0));
        }
        own.rung = true;
        (own.mine.is_some() || !own.ringing.is_empty()).then_some(own)
    }

    pub(crate) fn direction(&self) -> &'static str {
        let direction = match self.known.direction {
            Direction::Unknown if self.outgoing => Direction::Outbound,
            // A colleague's call that went out comes in from that colleague.
            Direction::Unknown | Direction::Outbound if !self.outgoing => Direction::Internal,
            other => other,
        };
        names::direction(direction)
    }

    /// The number that pops up: the other party's.
    fn pop_screen_no(&self) -> &str {
        if self.outgoing { &self.known.callee } else { &self.known.caller }
    }

    pub(crate) fn callee(&self) -> &str {
        &self.known.callee
    }

    /// The data of onRing.
    pub(crate) fn ring(&self, asr: bool) -> Value {
        let Known { caller, callee, .. } = &self.known;
        let mut data = json!({
            "callId": self.id, "popScreenNo": self.pop_screen_no(), "direction": self.direction(), "enableAsr": asr,
            "caller": caller, "callee": callee, "acdId": "", "acdName": "",
        });
        if let Some(acd) = &self.acd {
            data["acdId"] = acd.id.into();
            data["acdName"] = acd.name.clone().into();
        }
        data
    }

    /// The data of onAnswer.
    pub(crate) fn answer(&self) -> Value {
        let Known { caller, callee, .. } = &self.known;
        json!({
            "callId": self.id, "direction": self.direction(), "popScreenNo": self.pop_screen_no(), "caller": caller,
            "callee": callee,
        })
    }

    /// The data of onHangup.
    pub(crate) fn hangup(&self, reason: &str, at: UnixMillis) -> Value {
        let seconds = self.answered_at.map_or(0, |since| at.saturating_sub(since) / 1000);
        json!({
            "callId": self.id, "direction": self.direction(), "reason": reason,
            "answered": self.answered_at.is_some(), "billSec": seconds,
        })
    }
}
