//! What the SIP endpoint reports, told to the calls in their own words.

use crate::addressee::Addressee;
use crate::authorize::{Admission, number_of};
use crate::cell::Cell;
use crate::conversation::{Asking, Conversation, LegEnd, Talents};
use crate::identity::Caller;
use crate::outward::{EMERGENCY_PORTS, EMERGENCY_ROOM};
use crate::sound::is_by_websocket;
use call::{Call, Input, Party, PartyKind, Setup};
use media::engine::{NoPorts, PortId};
use model::{CallId, Cause, LegId, LegNo, Outcome};
use sip_stack::endpoint::{Ended, Event, Flow, Output, ReasonHeader, RequestId, SessionId};
use sip_stack::message::{Message, Method, Name, Status};
use std::collections::BTreeMap;
use std::time::Instant;
use tracing::info;

/// The longest number that can be dialled; longer is 484 in spirit, unallocated in the record.
pub(crate) const MAX_NUMBER: usize = 64;

impl Cell {
    pub(crate) fn on_signalling(&mut self, output: Output, now: Instant) {
        match output {
            Output::Transmit { flow, data } => {
                self.tap(true, flow, &data, now);
                self.out.push_back(crate::io::Output::Transmit { flow, data });
            }
            Output::Trace(trace) => self.keep_trace(trace, now),
            Output::Event(event) => self.on_event(event, now),
        }
    }

    fn on_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Incoming { session, request, flow } => self.on_incoming(session, &request, flow, now),
            Event::Provisional { session, status, message } => self.on_provisional(session, status, &message, now),
            Event::Accepted { session, message } => self.on_accepted(session, &message, now),
            Event::Rejected { session, status, message } => self.on_rejected(session, status, message.as_ref(), now),
            Event::Reoffered { session, request } => self.on_reoffered(session, &request, now),
            Event::Ended { session, how, reason, request } => {
                self.on_ended(session, how, reason, request.as_ref(), now);
            }
            Event::Request { id, request, flow, session } => self.on_request(id, &request, flow, session, now),
            Event::Confirmed { session, message } => self.on_confirmed(session, &message, now),
            Event::Subscription { id, turn } => self.on_subscription(id, turn, now),
            Event::Responded { id, message } => {
                if !self.refer_answered(id, message.as_ref(), now) && !self.trunk_responded(id, message.as_ref(), now) {
                    self.on_text_answered(id, message.as_ref(), now);
                }
            }
            Event::Reanswered { session, status, message } => {
                self.on_reanswered(session, status, message.as_ref(), now);
            }
        }
    }

    /// An INVITE that belongs to no dialog yet. Whoever may call leaves a record, also where there is no room for the call.
    fn on_incoming(&mut self, session: SessionId, request: &Message, flow: Flow, now: Instant) {
        if request.header(Name::Replaces).or_else(|| request.header(Name::Join)).is_some() {
            self.tell_where(request);
        }
        let full = self.draining || self.conversations.len() >= self.config.policy.max_calls;
        match self.admit(request, flow, now) {
            Admission::Granted(caller) if request.header_named("Replaces").is_some() => {
                self.on_replacing(session, &caller, request, flow, now);
            }
            Admission::Granted(caller) if request.header(Name::Join).is_some() => {
                self.on_joining(session, &caller, request, flow, now);
            }
            Admission::Granted(mut caller) => {
                self.identify(&mut caller, request);
                self.begin(session, caller, request, flow, full.then_some(Outcome::Congestion), now);
            }
            Admission::Challenged { status, headers } => self.sip.reject(session, status, headers, now),
            Admission::TooOften => self.sip.reject(session, Status(503), retry_after(), now),
            Admission::Denied { claimed } => self.begin(session, claimed, request, flow, Some(Outcome::Forbidden), now),
            Admission::Ignored => self.sip.discard(session),
        }
    }

    fn begin(
        &mut self,
        session: SessionId,
        caller: Party,
        request: &Message,
        flow: Flow,
        refuse: Option<Outcome>,
        now: Instant,
    ) {
        let id = CallId::new(self.config.cell, &mut self.entropy);
        let intercom = caller.kind == PartyKind::Extension
            && self.directory.extension(&caller.number).is_some_and(|extension| extension.intercom);
        let trunk = match &caller.kind {
            PartyKind::Trunk(name) => Some(name.clone()),
            PartyKind::Extension => None,
        };
        let mut policy = self.call_policy();
        // A certificate may have to be fetched first.
        policy.locate_limit += self.checking_takes(trunk.as_deref());
        let (dialled, phone) = match self.addressee(request) {
            Some(Addressee { number, phone }) => (Some(self.meant_by(trunk.as_deref(), number, request)), phone),
            None => (None, None),
        };
        let emergency = match caller.kind {
            PartyKind::Extension => dialled.as_ref().is_some_and(|number| self.directory.router().is_emergency(number)),
            PartyKind::Trunk(_) => self.screen.is_urgent(flow, request.as_bytes()),
        };
        let emergency =
            emergency && !self.draining && self.conversations.len() < self.config.policy.max_calls + EMERGENCY_ROOM;
        // An emergency call finds room where others do not.
        let refuse = refuse.filter(|outcome| !(emergency && *outcome == Outcome::Congestion));
        let mut refuse = refuse.or_else(|| dialled.is_none().then_some(Outcome::Unallocated));
        let round =
            refuse.is_none() && dialled.as_ref().is_some_and(|dialled| self.comes_round(&caller, dialled, request));
        refuse = refuse.or_else(|| round.then_some(Outcome::Unreachable));
        info!(call = %id, "call started");
        let home = (caller.kind == PartyKind::Extension && refuse.is_none()).then(|| caller.number.clone());
        let party = caller.clone();
        let dialled = dialled.unwrap_or_default();
        let setup = Setup { id, caller, dialled, wall: self.config.wall, policy, variables: BTreeMap::new() };
        let mut conversation = Conversation::new(Call::start(setup, now));
        let mut leg = leg_end(request, flow);
        leg.session = Some(session);
        leg.asking = Some(Asking { late: request.body().is_empty(), ..Asking::default() });
        if refuse.is_none() {
            match self.receive_offer(request, flow, &party, now) {
                Ok(port) => {
                    leg.port = Some(port);
                    self.ports.insert(port, (id, LegId::CALLER));
                }
                Err((outcome, warning)) => {
                    refuse = Some(outcome);
                    conversation.warning = Some(warning);
                }
            }
        }
        if refuse == Some(Outcome::Forbidden) {
            conversation.reject_after = self.auth.delay(flow.remote.ip());
        }
        let hops = request.max_forwards().ok().flatten().unwrap_or(70);
        conversation.phone = phone;
        conversation.max_forwards = hops.saturating_sub(1);
        conversation.caller = Caller::of(request, &self.config.identity);
        conversation.caller.wants_answer = intercom && crate::answering::asks_to_answer(request);
        conversation.refuse = refuse;
        conversation.refuse_with = round.then_some(Status::LOOP_DETECTED);
        let trunk = trunk.filter(|_| refuse.is_none());
        conversation.sessions.push(session);
        conversation.legs.insert(LegId::CALLER, leg);
        conversation.occupied.extend(home.clone());
        self.sessions.insert(session, (id, LegId::CALLER));
        self.traced.insert(session, id);
        self.conversations.insert(id, conversation);
        // Its home may be this cell, and ask for the caller's leg at once.
        if let Some(number) = home {
            self.send_home(&number, crate::io::Body::Occupy { call: id, number: number.clone() }, now);
        }
        self.live(now);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.awaited += 1;
        }
        if let Some(trunk) = trunk {
            self.check_caller(id, &trunk, request, now);
            self.occupy_trunk(id, &trunk, emergency, now);
        }
        self.go_on(id, now);
    }

    /// Opens a port. The last ones are for emergency calls.
    pub(crate) fn open_port(&mut self, flow: Flow, urgent: bool, now: Instant) -> Result<PortId, NoPorts> {
        if self.may_take_port(urgent) { self.media.open(flow.local.ip(), now) } else { Err(NoPorts) }
    }

    /// Whether a number may be taken from the stock.
    pub(crate) fn may_take_port(&self, urgent: bool) -> bool {
        let kept = if urgent || !self.directory.router().has_emergency() { 0 } else { EMERGENCY_PORTS };
        self.media.free_ports() > kept
    }

    /// How calls behave, as the operator has it.
    pub(crate) fn call_policy(&self) -> call::Policy {
        let usual = call::Policy::default();
        call::Policy {
            announce: self.config.policy.announce,
            max_duration: self.config.policy.max_duration,
            latest_early_media: self.config.policy.latest_early_media,
            recall: self.config.policy.recall,
            // The home of an extension may have to wake a phone first, or to wait for a page.
            locate_limit: usual.locate_limit + self.config.policy.push_wait.max(self.config.policy.grace),
            ..usual
        }
    }

    /// Opens a port for a caller's offer, if it makes one, or says what the caller is refused with.
    pub(crate) fn receive_offer(
        &mut self,
        request: &Message,
        flow: Flow,
        party: &Party,
        now: Instant,
    ) -> Result<PortId, (Outcome, String)> {
        let host = flow.local.ip().to_string();
        let urgent = self.screen.is_urgent(flow, request.as_bytes());
        let page = match request.body() {
            [] => is_by_websocket(flow),
            offer => media::browser::is_offer(offer),
        };
        let Ok(port) = self.open_leg(party, page, (flow, urgent), now) else {
            return Err((Outcome::Congestion, format!("399 {host} \"no media port is free\"")));
        };
        self.media.hint_source(port, flow.remote.ip());
        self.prepare_port(port, party, now);
        let mut talents = Talents::default();
        talents.note(request);
        self.media.takes_keys_by_signalling(port, talents.info, now);
        if request.body().is_empty() {
            return Ok(port);
        }
        match self.media.set_remote_offer(port, request.body(), now) {
            Ok(()) => Ok(port),
            Err(refusal) => {
                self.media.close(port, now);
                Err((Outcome::Incompatible, refusal.warning(&host)))
            }
        }
    }

    fn on_provisional(&mut self, session: SessionId, status: Status, message: &Message, now: Instant) {
        let Some((id, leg)) = self.sessions.get(session).copied() else { return };
        self.hop_answered(id, leg, session, now);
        let early_media = !message.body().is_empty() && self.receive_answer(id, leg, message.body(), now);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.views.note_tag(leg, message);
        }
        self.note_talents(id, leg, message, now);
        self.note_passed(id, message);
        if status.0 == 180 || early_media {
            self.facts.push_back((id, Input::Ringing { leg, early_media }));
        }
    }

    fn on_accepted(&mut self, session: SessionId, message: &Message, now: Instant) {
        let Some((id, leg)) = self.sessions.get(session).copied() else {
            // The call is over; this phone must not stay off-hook for it.
            return self.sip.hangup(session, None, now);
        };
        self.hop_answered(id, leg, session, now);
        let agreed = if message.body().is_empty() {
            self.conversations.get(&id).and_then(|c| c.legs.get(&leg)).is_some_and(|end| end.agreed)
        } else {
            self.receive_answer(id, leg, message.body(), now)
        };
        self.note_user_agent(id, leg, message, now);
        self.note_passed(id, message);
        if agreed {
            self.progress_answered(id, leg, now);
            self.facts.push_back((id, Input::Answered { leg }));
        } else {
            info!(call = %id, leg, "the called phone's session description is unusable");
            self.hang_up_leg(id, leg, Outcome::Incompatible.cause(), now);
            self.facts.push_back((
                id,
                Input::Failed { leg, outcome: Outcome::Incompatible, cause: Outcome::Incompatible.cause() },
            ));
        }
    }

    fn receive_answer(&mut self, id: CallId, leg: LegNo, sdp: &[u8], now: Instant) -> bool {
        let Some(end) = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg)) else { return false };
        let Some(port) = end.port else { return false };
        match self.media.set_remote_answer(port, sdp, now) {
            Ok(()) => end.agreed = true,
            // What was agreed before stands: a second description of an early dialog may be ignored (RFC 3261 §13.2.1).
            Err(refusal) => tracing::debug!(call = %id, leg, %refusal, "session description refused"),
        }
        end.agreed
    }

    fn on_rejected(&mut self, session: SessionId, status: Status, message: Option<&Message>, now: Instant) {
        let Some((id, leg)) = self.sessions.get(session).copied() else { return };
        if message.is_none() || status.0 == 503 {
            self.hops_failed(id, leg, now);
        }
        self.sessions.remove(session);
        if self.offer_more(id, leg, status, now) {
            return;
        }
        if message.is_none() && status.0 == 503 && self.await_page(id, leg, now) {
            return;
        }
        let (outcome, cause) = match message {
            Some(message) => refusal(status, message),
            // The network has no way to the phone (RFC 3261 §8.1.3.1). A 503 of ours would mean that the switch has no room.
            None if status.0 == 503 => (Outcome::Unreachable, Outcome::Unreachable.cause()),
            // Nobody answered at all.
            None => (Outcome::Unreachable, Cause { sip: status.0, q850: 20 }),
        };
        let (outcome, cause) =
            self.outcome_by_ear(id, leg).map_or((outcome, cause), |outcome| (outcome, outcome.cause()));
        if let Some(conversation) = self.conversations.get_mut(&id) {
            if let Some(end) = conversation.legs.get_mut(&leg) {
                end.session = None;
            }
            let redirected =
                message.filter(|_| (300..303).contains(&status.0)).and_then(|message| self.redirection(message));
            self.facts.push_back(match redirected {
                Some(number) => (id, Input::Redirected { leg, number, cause }),
                None => (id, Input::Failed { leg, outcome, cause }),
            });
        }
    }

    fn on_reoffered(&mut self, session: SessionId, request: &Message, now: Instant) {
        let found = self.sessions.get(session).copied();
        let port = found.and_then(|(id, leg)| self.conversations.get(&id)?.port(leg));
        let answer = match port {
            Some(port) if !request.body().is_empty() => {
                self.media.reanswer(port, request.body(), now).map_err(|_| Status(488))
            }
            // What we can speak, and with whom; the answer comes with the ACK.
            Some(port) => {
                let partner = found.and_then(|(id, leg)| {
                    let conversation = self.conversations.get(&id)?;
                    conversation.port(conversation.call.partner_of(leg)?)
                });
                Ok(self.media.make_offer(port, partner, now))
            }
            None => Err(Status(488)),
        };
        if answer.is_ok() && !request.body().is_empty() {
            self.agreed_anew(session, now);
        }
        self.sip.answer_reinvite(session, answer, now);
    }

    /// What a party's last description says holds from now on, and survives before the party hears of it. It may have put the call on
    /// hold by it, or taken it back.
    pub(crate) fn agreed_anew(&mut self, session: SessionId, now: Instant) {
        let Some((id, leg)) = self.sessions.get(session).copied() else { return };
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if let Some(port) = conversation.port(leg) {
            conversation.call.handle_input(Input::Held { leg, held: self.media.is_held(port) }, now);
            self.carry_out(id, now);
            self.keep(id, now);
        }
    }

    /// An ACK or PRACK; where we offered, it brings the answer.
    fn on_confirmed(&mut self, session: SessionId, message: &Message, now: Instant) {
        let Some((id, leg)) = self.sessions.get(session).copied() else { return };
        if !message.body().is_empty() {
            let _ = self.receive_answer(id, leg, message.body(), now);
            self.agreed_anew(session, now);
        }
        self.serve_confirmed(id, leg, now);
    }

    /// The number that a redirection names, if the operator lets phones send calls on.
    fn redirection(&self, message: &Message) -> Option<String> {
        if self.config.policy.redirect == crate::config::Redirect::Off {
            return None;
        }
        let mut contacts: Vec<_> = message.contacts().flatten().collect();
        contacts.sort_by_key(|contact| std::cmp::Reverse(contact.q().unwrap_or(1000)));
        let mut numbers = contacts.iter().map(|contact| number_of(&contact.uri));
        numbers.find(|number| !number.is_empty() && number.len() <= MAX_NUMBER)
    }

    /// What of a message of one party is for the other.
    fn note_passed(&mut self, id: CallId, message: &Message) {
        if self.config.identity.pass_headers.is_empty() {
            return;
        }
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.passed_back = crate::identity::passed(message, &self.config.identity.pass_headers);
        }
    }

    fn on_ended(
        &mut self,
        session: SessionId,
        how: Ended,
        reason: Option<ReasonHeader>,
        request: Option<&Message>,
        now: Instant,
    ) {
        let Some((id, leg)) = self.sessions.remove(session) else { return };
        if let Some(request) = request {
            self.note_passed(id, request);
        }
        if let Some(end) = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg)) {
            end.session = None;
        }
        let fact = match how {
            Ended::RemoteBye | Ended::Cancelled | Ended::Gone | Ended::Expired => {
                let given = |reason: ReasonHeader| match (reason.sip, reason.q850) {
                    (Some(sip), q850) => Cause { sip, q850: q850.unwrap_or(Cause::of_status(sip).q850) },
                    (None, Some(q850)) => Cause { sip: 200, q850 },
                    (None, None) => Cause { sip: 200, q850: 16 },
                };
                let hung_up = || Input::HungUp { leg, cause: reason.map(given) };
                self.was_handed_over(id, leg, now).unwrap_or_else(hung_up)
            }
            Ended::NoAck => Input::Unconfirmed { leg },
        };
        self.facts.push_back((id, fact));
    }

    fn on_request(&mut self, id: RequestId, request: &Message, flow: Flow, session: Option<SessionId>, now: Instant) {
        if session.is_none() {
            if self.pass_on(id, request, flow, now) {
                return;
            }
            if let Err((status, headers)) = self.sip.understands(request) {
                return self.sip.respond(id, status, headers, None, now);
            }
        }
        match request.method() {
            Some(Method::Options) => self.sip.answer_options(id, now),
            Some(Method::Refer) => self.on_refer(id, request, session, now),
            Some(Method::Info) => self.on_info(id, request, session, now),
            Some(Method::Notify) if let Some(session) = session => self.on_notify(id, request, session, now),
            Some(Method::Register) if session.is_none() => self.on_register(id, request, flow, now),
            Some(Method::Subscribe) if session.is_none() => self.on_subscribe(id, request, flow, now),
            Some(Method::Message) if session.is_none() => self.on_message(id, request, flow, now),
            Some(Method::Publish) if session.is_none() => self.on_publish(id, request, flow, now),
            _ => self.sip.respond(id, Status(405), Vec::new(), None, now),
        }
    }

    fn on_register(&mut self, id: RequestId, request: &Message, flow: Flow, now: Instant) {
        match self.authenticate(request, flow, now) {
            Admission::Granted(party) => {
                let aor = request.to().map(|to| number_of(&to.uri)).unwrap_or_default();
                if aor == party.number {
                    self.register(id, &party.number, request, flow, now);
                } else {
                    self.sip.respond(id, Status(403), Vec::new(), None, now);
                }
            }
            Admission::Challenged { status, headers } => self.sip.respond(id, status, headers, None, now),
            Admission::Denied { .. } => {
                // Who keeps failing waits longer for each answer.
                let delay = self.auth.delay(flow.remote.ip());
                self.sip.respond_after(id, Status(403), Vec::new(), delay, now);
            }
            Admission::TooOften => self.sip.respond(id, Status(503), retry_after(), None, now),
            Admission::Ignored => self.sip.discard_request(id),
        }
    }

    fn note_user_agent(&mut self, id: CallId, leg: LegNo, message: &Message, now: Instant) {
        self.note_talents(id, leg, message, now);
        let Some(end) = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg)) else { return };
        if let Some(agent) = message.header(Name::UserAgent).or_else(|| message.header(Name::Server)) {
            end.user_agent = text(agent);
        }
    }

    fn keep_trace(&mut self, trace: sip_stack::endpoint::Trace, now: Instant) {
        let (Some(id), at) = (self.traced.get(&trace.session), self.config.wall.at(now)) else { return };
        let limit = self.config.policy.max_trace;
        if let Some(conversation) = self.conversations.get_mut(id) {
            conversation.ladder.push(at, trace, limit);
        } else if let Some((ladder, _)) = self.lingering.get_mut(id) {
            ladder.push(at, trace, limit);
        }
    }
}

/// For one who asks too often: a pause.
pub(crate) fn retry_after() -> Vec<(String, Vec<u8>)> {
    vec![("Retry-After".to_owned(), b"10".to_vec())]
}

/// The number a request wants to reach; `None` if it names none that could exist.
pub(crate) fn dialled(request: &Message) -> Option<String> {
    let uri = sip_stack::message::Uri::from_slice(request.request_uri()).ok()?;
    let number = number_of(&uri);
    (!number.is_empty() && number.len() <= MAX_NUMBER).then_some(number)
}

pub(crate) fn leg_end(request: &Message, flow: Flow) -> LegEnd {
    let mut end = LegEnd::new(flow);
    end.user_agent = request.header(Name::UserAgent).map(text).unwrap_or_default();
    end.sip_call_id = request.call_id().map(text).unwrap_or_default();
    end.talents.note(request);
    let contact = request.contacts().flatten().next();
    end.instance = contact.and_then(|contact| contact.params.unquoted("+sip.instance").map(|id| text(&id)));
    end
}

/// What a refusal of a called phone means; a Reason header tells more than the status (RFC 3326, RFC 6432).
fn refusal(status: Status, message: &Message) -> (Outcome, Cause) {
    let mut cause = Cause::of_status(status.0);
    // 503 would tell the caller that this switch is full (RFC 3261 §16.7, step 6).
    if status.0 == 503 {
        cause.sip = 500;
    }
    let reason = ReasonHeader::of(message).unwrap_or_default();
    if let Some(q850) = reason.q850 {
        cause.q850 = q850;
    }
    let outcome = match status.0 {
        // Of a redirection that is not followed.
        300..=399 => Outcome::Unreachable,
        code => Outcome::of_refusal(code, reason.q850),
    };
    (outcome, cause)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(256).collect()
}

/// A Reason header for both languages (RFC 3326).
pub(crate) fn reason_value(cause: Cause) -> Vec<u8> {
    format!("Q.850;cause={}", cause.q850).into_bytes()
}
