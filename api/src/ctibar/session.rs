//! One agent at a toolbar: what it does, in which calls it is, and what its page is told of that (section 4.4 and 4.6).
//!
//! It hears events of the switch and what became of commands, and says events of the contract. It knows no sockets and no clock.

use super::CtibarSettings;
use super::acd::Acd;
use super::calls::{Known, Own};
use super::names::{State, hangup};
use model::{AgentState, CallId, Command, ConsultStep, Duty, EventBody, LegNo, LiveCall, OfferFailure, Outcome, User};
use serde_json::{Value, json};
use stdx::UnixMillis;

/// Calls that one extension is followed in; of more the page hears nothing.
const MAX_CALLS: usize = 16;

/// What follows from something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Out {
    /// The page is told.
    Event(&'static str, Value),
    /// The switch is to do something that nobody waits for.
    Command(Command),
    /// What this leg says is to be understood.
    Recognise(CallId, LegNo),
}

/// Whose toolbar it is.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) user: User,
    /// The agent's name at the desk.
    pub(crate) agent: String,
}

impl Account {
    pub(crate) fn extension(&self) -> &str {
        self.user.extension.as_deref().unwrap_or_default()
    }
}

/// An agent at a toolbar.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) account: Account,
    settings: CtibarSettings,
    /// What the desk says.
    desk: AgentState,
    /// What the page was told.
    state: State,
    reason: &'static str,
    /// The page has asked for its next state.
    asked: bool,
    /// A call is over, and the page was not told yet what the agent does now.
    owes: bool,
    calls: Vec<Own>,
    /// For which queue the extension rings next.
    offered: Option<(CallId, Acd)>,
    /// As the page was told at its login.
    login: Value,
}

impl Session {
    pub(crate) fn new(account: Account, settings: CtibarSettings) -> Self {
        Self {
            account,
            settings,
            desk: AgentState::LoggedOut,
            state: State::Logout,
            reason: "",
            asked: false,
            owes: false,
            calls: Vec::new(),
            offered: None,
            login: json!({}),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.state != State::Logout
    }

    pub(crate) fn is_in_call(&self) -> bool {
        !self.calls.is_empty()
    }

    /// The call that rings at the extension.
    pub(crate) fn ringing(&self) -> Option<(&Own, LegNo)> {
        self.calls.iter().find_map(|own| Some((own, *own.ringing.first().filter(|_| own.mine.is_none())?)))
    }

    /// The call that the agent speaks in, or else the one that rings.
    pub(crate) fn current(&self) -> Option<&Own> {
        self.calls.iter().find(|own| own.mine.is_some()).or_else(|| self.calls.first())
    }

    /// The data of onLogin and of the reply to `login`.
    pub(crate) fn login_data(&self) -> Value {
        let mut data = self.login.clone();
        data["state"] = self.state.name().into();
        data
    }

    /// The agent was at work already when this began.
    pub(crate) fn found(&mut self, state: AgentState, login: Value) {
        self.state = State::of(&state);
        self.desk = state;
        self.login = login;
    }

    /// The desk took the agent in.
    pub(crate) fn logged_in(&mut self, login: Value, out: &mut Vec<Out>) {
        self.login = login;
        if self.state == State::Logout {
            (self.state, self.reason) = (State::Busy, "client");
            self.desk = AgentState::Busy(String::new());
        }
        out.push(Out::Event("onLogin", self.login_data()));
    }

    /// The desk let the agent go home.
    pub(crate) fn logged_out(&mut self, reason: &'static str, out: &mut Vec<Out>) {
        self.owes = false;
        self.desk = AgentState::LoggedOut;
        if std::mem::replace(&mut self.state, State::Logout) != State::Logout {
            out.push(Out::Event("onLogout", json!({ "reason": reason })));
        }
    }

    /// The page is about to ask for a state: what the desk says next is its wish.
    pub(crate) fn asks_for_state(&mut self) {
        self.asked = true;
    }

    /// The page has asked for a state, and the desk took that; it says so itself, unless it was so already.
    pub(crate) fn asked_for(&mut self, state: State, out: &mut Vec<Out>) {
        if self.state == state && self.desk != AgentState::WrapUp {
            self.asked = false;
            out.push(Out::Event(state.event(), json!({ "state": state.name(), "reason": "client" })));
        }
    }

    /// The desk would not.
    pub(crate) fn asked_in_vain(&mut self) {
        self.asked = false;
    }

    /// What a page hears that comes back: what it had been told, and where its calls are.
    pub(crate) fn repeat(&self, out: &mut Vec<Out>) {
        if !self.is_signed_in() {
            return;
        }
        let mut tell = |name, mut data: Value| {
            data["restored"] = true.into();
            out.push(Out::Event(name, data));
        };
        tell("onLogin", self.login_data());
        tell(self.state.event(), json!({ "state": self.state.name(), "reason": self.reason }));
        for own in &self.calls {
            if own.mine.is_none() {
                tell("onRing", own.ring(self.settings.recognition));
                continue;
            }
            tell("onAnswer", own.answer());
            if own.outgoing && own.far.is_some() {
                tell("onCalleeAnswer", json!({ "callId": own.id, "callee": own.callee() }));
            }
        }
    }

    /// The calls that there are now: some events may have been missed.
    pub(crate) fn adopt(&mut self, live: &[LiveCall], at: UnixMillis, out: &mut Vec<Out>) {
        let extension = self.account.extension().to_owned();
        let there: Vec<Own> = live.iter().filter_map(|call| Own::of_live(call, &extension)).take(MAX_CALLS).collect();
        let gone: Vec<CallId> =
            self.calls.iter().map(|own| own.id).filter(|id| there.iter().all(|own| own.id != *id)).collect();
        for id in gone {
            self.over(id, Outcome::Answered, at, out);
        }
        for own in there {
            match self.calls.iter_mut().find(|known| known.id == own.id) {
                Some(known) => *known = Own { acd: known.acd.take(), phrases: known.phrases, ..own },
                None => self.calls.push(own),
            }
        }
    }

    /// Something happened that may be about this agent.
    pub(crate) fn on_event(&mut self, at: UnixMillis, body: &EventBody, known: Option<&Known>, out: &mut Vec<Out>) {
        match body {
            EventBody::AgentChanged { agent, extension, state, .. } if *agent == self.account.agent => {
                self.on_desk(extension, state, out);
            }
            EventBody::OfferMissed { agent, why: Some(OfferFailure::NoAnswer), .. } if *agent == self.account.agent => {
                let duty = Duty::Busy("noanswer".to_owned());
                out.push(Out::Command(Command::SetAgent { agent: agent.clone(), duty }));
            }
            EventBody::AgentOffered { queue, call, extension, .. } if extension == self.account.extension() => {
                self.offered = Some((*call, self.acd_of(queue)));
            }
            EventBody::LegDialing { call, leg, number } => self.on_dialing(at, (*call, *leg), number, known, out),
            EventBody::LegRinging { call, leg, .. } => {
                let asr = self.settings.recognition;
                if let Some(own) = self.own(*call).filter(|own| own.ringing.contains(leg)) {
                    ring(own, asr, out);
                }
            }
            EventBody::CallerAnswered { call, leg } => self.own_phone_answered((*call, *leg), at, out),
            EventBody::CallAnswered { call, leg } | EventBody::TransferDone { call, leg, .. } => {
                self.on_answered((*call, *leg), at, out);
                if let EventBody::TransferDone { by, .. } = body
                    && let Some(own) = self.own(*call).filter(|own| own.mine == Some(*by))
                {
                    own.transferred = true;
                }
            }
            EventBody::HandedOver { call, by, .. } => {
                if let Some(own) = self.own(*call).filter(|own| own.mine == Some(*by)) {
                    own.transferred = true;
                }
            }
            EventBody::Consultation { call, by, leg, number, step } => {
                self.on_consultation(*call, (*by, *leg), number, *step, at, out);
            }
            EventBody::LegHeld { call, leg, held } => {
                if let Some(own) = self.own(*call).filter(|own| own.mine == Some(*leg)) {
                    own.held = *held;
                    let name = if *held { "onHold" } else { "onUnhold" };
                    out.push(Out::Event(name, json!({ "callId": call })));
                }
            }
            EventBody::LegReplaced { call, leg, by, number } => {
                let own_number = number == self.account.extension();
                if let Some(own) = self.own(*call).filter(|own| own.mine == Some(*leg) && own_number) {
                    own.mine = Some(*by);
                }
            }
            EventBody::LegEnded { call, leg, outcome, .. } => self.on_leg_ended((*call, *leg), *outcome, at, out),
            EventBody::CallEnded { record } => self.over(record.id, record.outcome, at, out),
            EventBody::AsrResult { call, leg, text, complete } => {
                self.on_speech((*call, *leg), text, *complete, at, out);
            }
            _ => {}
        }
    }

    /// A queue as the page knows it from its login.
    fn acd_of(&self, queue: &str) -> Acd {
        let known = self.login["queues"].as_array().into_iter().flatten().find(|known| known["acdName"] == *queue);
        match known.and_then(|known| known["acdId"].as_u64()) {
            Some(id) => Acd { id, name: queue.to_owned() },
            None => Acd::of(queue, ""),
        }
    }

    fn own(&mut self, call: CallId) -> Option<&mut Own> {
        self.calls.iter_mut().find(|own| own.id == call)
    }

    /// The extension is called, or another by it.
    fn on_dialing(
        &mut self,
        at: UnixMillis,
        (call, leg): (CallId, LegNo),
        number: &str,
        known: Option<&Known>,
        out: &mut Vec<Out>,
    ) {
        let extension = self.account.extension().to_owned();
        let is_own = number == extension;
        if self.own(call).is_none() {
            let by_own = known.is_some_and(|known| known.caller == extension);
            let (Some(known), true) = (known, self.calls.len() < MAX_CALLS && (is_own || by_own)) else { return };
            let mut own = Own::new(call, known.clone(), &extension);
            own.acd = self.offered.take_if(|(offered, _)| *offered == call).map(|(_, acd)| acd);
            self.calls.push(own);
        }
        let Some(own) = self.own(call) else { return };
        if is_own && !(own.outgoing && own.mine.is_some()) {
            own.ringing.push(leg);
        } else if own.outgoing && own.mine.is_none() && own.ringing.is_empty() {
            // It was dialled at the phone itself, which is off the hook.
            self.own_phone_answered((call, 0), at, out);
        }
    }

    fn own_phone_answered(&mut self, (call, leg): (CallId, LegNo), at: UnixMillis, out: &mut Vec<Out>) {
        let asr = self.settings.recognition;
        let Some(own) = self.own(call) else { return };
        ring(own, asr, out);
        own.ringing.clear();
        if own.mine.replace(leg).is_none() {
            if !own.outgoing {
                own.answered_at = Some(at);
            }
            out.push(Out::Event("onAnswer", own.answer()));
        }
    }

    fn on_answered(&mut self, (call, leg): (CallId, LegNo), at: UnixMillis, out: &mut Vec<Out>) {
        let asr = self.settings.recognition;
        let Some(own) = self.own(call) else { return };
        if own.ringing.contains(&leg) {
            own.far = Some(0);
            self.own_phone_answered((call, leg), at, out);
        } else if own.outgoing && own.mine.is_some() && own.far.is_none() {
            own.far = Some(leg);
            own.answered_at = Some(at);
            out.push(Out::Event("onCalleeAnswer", json!({ "callId": call, "callee": own.callee() })));
        } else {
            return;
        }
        let Some(own) = self.own(call).filter(|_| asr) else { return };
        out.extend([own.mine, own.far].into_iter().flatten().map(|leg| Out::Recognise(call, leg)));
    }

    fn on_consultation(
        &mut self,
        call: CallId,
        (by, leg): (LegNo, Option<LegNo>),
        number: &str,
        step: ConsultStep,
        at: UnixMillis,
        out: &mut Vec<Out>,
    ) {
        let Some(own) = self.own(call) else { return };
        if own.mine != Some(by) {
            // The one who is asked.
            if let (ConsultStep::Answered, Some(leg)) = (step, leg.filter(|leg| own.ringing.contains(leg))) {
                self.own_phone_answered((call, leg), at, out);
            }
            return;
        }
        let mut tell = |state: &str| {
            let data = json!({ "callId": call, "consultCallId": call, "to": number, "state": state });
            out.push(Out::Event("onConsult", data));
        };
        match step {
            ConsultStep::Calling => own.consulting = true,
            ConsultStep::Ringing => tell("ringing"),
            ConsultStep::Answered => tell("answered"),
            ConsultStep::Failed => {
                own.consulting = false;
                tell("failed");
            }
            ConsultStep::Cancelled => {
                own.consulting = false;
                out.push(Out::Event("onUnhold", json!({ "callId": call })));
            }
            ConsultStep::Completed => own.transferred = true,
            ConsultStep::Abandoned => own.consulting = false,
        }
    }

    fn on_leg_ended(&mut self, (call, leg): (CallId, LegNo), outcome: Outcome, at: UnixMillis, out: &mut Vec<Out>) {
        let Some(own) = self.own(call) else { return };
        own.ringing.retain(|ringing| *ringing != leg);
        let gone = own.mine.map_or(own.ringing.is_empty() && own.rung, |mine| mine == leg);
        if gone {
            self.over(call, outcome, at, out);
        } else if own.mine.is_none() && own.ringing.is_empty() {
            // It never rang.
            self.calls.retain(|own| own.id != call);
        }
    }

    fn over(&mut self, call: CallId, outcome: Outcome, at: UnixMillis, out: &mut Vec<Out>) {
        let Some(place) = self.calls.iter().position(|own| own.id == call) else { return };
        let own = self.calls.remove(place);
        if own.rung {
            let reason = if own.transferred { "transferred" } else { hangup(outcome) };
            out.push(Out::Event("onHangup", own.hangup(reason, at)));
        }
        if self.calls.is_empty() && self.is_signed_in() {
            self.owes = true;
            // The desk has more to say of one that it still sees in the call.
            if matches!(self.desk, AgentState::Busy(_) | AgentState::Rest(_) | AgentState::Ready | AgentState::WrapUp) {
                self.tell_state("callend", out);
            }
        }
    }

    /// Some time has passed after a call: whatever the desk sees, the page learns what the agent does now.
    pub(crate) fn settle(&mut self, out: &mut Vec<Out>) {
        if self.owes && self.calls.is_empty() {
            self.tell_state("callend", out);
        }
    }

    pub(crate) fn owes_state(&self) -> bool {
        self.owes
    }

    fn on_desk(&mut self, extension: &str, state: &AgentState, out: &mut Vec<Out>) {
        let after_work = self.desk == AgentState::WrapUp;
        self.desk = state.clone();
        if *state == AgentState::LoggedOut || (!extension.is_empty() && extension != self.account.extension()) {
            let reason = if std::mem::take(&mut self.asked) { "client" } else { "admin" };
            return self.logged_out(reason, out);
        }
        let others = matches!(state, AgentState::Unavailable | AgentState::Offered | AgentState::Talking);
        if self.is_signed_in() && self.calls.is_empty() && !others && (self.owes || State::of(state) != self.state) {
            let by_itself = if after_work { "acw" } else { "admin" };
            let reason = if std::mem::take(&mut self.asked) { "client" } else { by_itself };
            self.tell_state(if self.owes { "callend" } else { reason }, out);
        } else if State::of(state) == self.state && !others {
            self.asked = false;
        }
    }

    /// Tells what the desk says last.
    fn tell_state(&mut self, why: &'static str, out: &mut Vec<Out>) {
        self.owes = false;
        self.state = State::of(&self.desk);
        self.reason = match &self.desk {
            AgentState::WrapUp => "acw",
            AgentState::Busy(reason) if reason == "noanswer" => "noanswer",
            _ => why,
        };
        out.push(Out::Event(self.state.event(), json!({ "state": self.state.name(), "reason": self.reason })));
    }

    fn on_speech(
        &mut self,
        (call, leg): (CallId, LegNo),
        text: &str,
        complete: bool,
        at: UnixMillis,
        out: &mut Vec<Out>,
    ) {
        let asr = self.settings.recognition;
        let Some(own) = self.own(call).filter(|_| asr) else { return };
        let speaker = if own.mine == Some(leg) { "agent" } else { "customer" };
        let so_far = own.answered_at.map_or(0, |since| at.saturating_sub(since));
        let data = json!({
            "callId": call, "speaker": speaker, "text": text, "final": complete, "seq": own.phrases,
            "beginMs": so_far, "endMs": so_far,
        });
        own.phrases += u64::from(complete);
        out.push(Out::Event("onAsrResult", data));
    }
}

/// The page is told of the call, once.
fn ring(own: &mut Own, asr: bool, out: &mut Vec<Out>) {
    if !std::mem::replace(&mut own.rung, true) {
        out.push(Out::Event("onRing", own.ring(asr)));
    }
}
