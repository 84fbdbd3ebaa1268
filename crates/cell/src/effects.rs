//! How the wishes of a call are carried out.

use crate::cell::{Cell, Timer};
use crate::config::{Forking, Redirect};
use crate::conversation::{CallerId, Conversation, LegEnd, Link, Way};
use crate::hot;
use crate::io::{Body, Contact, Output};
use crate::outward::OutLeg;
use crate::signalling::reason_value;
use crate::sound::is_by_websocket;
use crate::trunks::TrunkWay;
use call::{Effect, GoOn, Input, Party, PartyKind, Stage, Target};
use media::engine::{Answer, PortId, Sound};
use media::tones::Tone;
use model::{CallId, CallRecord, Cause, ConsultStep, EventBody, LegId, LegNo, LegOrigin, Outcome};
use route::Decision;
use sip_stack::endpoint::{Flow, Headers, Invite};
use sip_stack::message::{NameAddr, Status, Uri};
use std::time::{Duration, Instant};
use stdx::never;
use tracing::{info, warn};

/// How long a tone tells why a call failed.
const REASON_TONE: Duration = Duration::from_secs(3);

impl Cell {
    /// Does what a call wishes, until it wishes nothing more.
    pub(crate) fn carry_out(&mut self, id: CallId, now: Instant) {
        while let Some(effect) = self.conversations.get_mut(&id).and_then(|c| c.call.poll_output()) {
            match effect {
                Effect::Locate { number, by } => self.find(id, &number, by, now),
                Effect::Alone { leg } => self.ask_alone(id, leg, now),
                Effect::Elsewhere { by, outcome } => self.turned_away(id, by, outcome, "", now),
                Effect::Summon { number } => self.summon(id, number, now),
                Effect::Dial { leg, target } => self.dial(id, leg, target, now),
                Effect::Ring { to, early_media } => self.ring(id, to, early_media, now),
                Effect::Announce { to, outcome } => self.announce(id, to, outcome, now),
                Effect::Join { a, b } => self.join(id, a, b, now),
                Effect::Part { a, b } => self.part(id, a, b, now),
                Effect::Serve { leg } => self.serve(id, leg, now),
                Effect::Wait { leg } => self.wait_in_queue(id, leg, now),
                Effect::OfferFailed { offer, outcome } => self.offer_failed(id, offer, outcome),
                Effect::OfferTaken { offer, leg } => self.offer_taken(id, offer, leg, now),
                Effect::Music { to, on } => self.hold_music(id, to, on, now),
                Effect::Progress { leg, how } => self.notify_progress(id, leg, how, now),
                Effect::Record { left, right, choice } => self.record(id, [left, right], choice, now),
                Effect::Recording(wish) => self.change_recording(id, wish, now),
                Effect::HangUp { leg, cause } => self.hang_up_leg(id, leg, cause, now),
                Effect::Tell(event) => {
                    let begins = matches!(event, EventBody::CallStarted { .. });
                    if let Some(conversation) = self.conversations.get_mut(&id) {
                        conversation.views.note_event(&event);
                    }
                    match event {
                        EventBody::CallAnswered { call, leg }
                        | EventBody::TransferDone { call, leg, .. }
                        | EventBody::Consultation { call, leg: Some(leg), step: ConsultStep::Answered, .. } => {
                            self.charge_from(LegId { call, no: leg }, now);
                        }
                        EventBody::CallerAnswered { call, .. } => self.call_back_taken(call),
                        EventBody::LegRinging { call, leg, .. } => self.agent_rings(call, leg, now),
                        EventBody::LegEnded { call, leg, .. } => {
                            self.charge_until(LegId { call, no: leg }, now);
                            self.vacate_after(call, leg, now);
                            self.served_no_longer(call, leg, now);
                            self.left_queue(call, leg, now);
                            self.close_programs(call, Some(leg), now);
                        }
                        _ => {}
                    }
                    self.tell(event, now);
                    if begins {
                        self.tell_verification(id, now);
                    }
                }
                Effect::Keep => self.keep(id, now),
                Effect::Finished(record) => self.finish(id, record, now),
            }
        }
        match self.conversations.get(&id).and_then(|c| c.call.poll_timeout()) {
            Some(at) => self.timers.set(Timer::Call(id), at),
            None => self.timers.cancel(&Timer::Call(id)),
        }
        self.seat_listeners(id, now);
        self.seat_supervisors(id, now);
        self.seat_programs(id, now);
        self.show_legs(id, now);
    }

    fn find(&mut self, id: CallId, number: &str, by: LegNo, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.detours.remove(&by);
        if let Some(outcome) = conversation.refuse {
            return self.facts.push_back((id, Input::Nowhere(outcome)));
        }
        if self.find_overflow(id, now) {
            return;
        }
        if self.conversations.get(&id).is_some_and(|conversation| conversation.service.is_some()) {
            // It was placed for that.
            return self.facts.push_back((id, Input::Served));
        }
        match self.decide(id, number, by, now) {
            Some(decision) => self.follow(id, by, decision, now),
            None => self.facts.push_back((id, Input::Nowhere(Outcome::SwitchFailure))),
        }
    }

    /// A call goes where its number leads.
    pub(crate) fn follow(&mut self, id: CallId, by: LegNo, decision: Decision, now: Instant) {
        match decision {
            Decision::Extension { number, record } => self.locate_extension(id, by, &number, record, now),
            Decision::Trunks { .. } if !self.may_go_out(id, by) => {
                self.facts.push_back((id, Input::Nowhere(Outcome::Forbidden)));
            }
            Decision::Trunks { .. } => self.go_out(id, by, decision, now),
            Decision::Conference { name } => self.reach_conference(id, name),
            Decision::Queue { name } => self.reach_queue(id, &name, now),
            Decision::Mailbox { name } => self.reach_mailbox(id, &name),
            Decision::RingGroup { name, record } => self.reach_ring_group(id, by, &name, record, now),
            Decision::Program { number, program } => self.ask_program(id, by, &number, program, now),
            Decision::Prompt { name, times } => self.fetch_service(id, name, times),
            Decision::DialString(said) => self.reach_switch(id, by, said),
            Decision::Refused { outcome, note } if note.is_empty() => {
                self.facts.push_back((id, Input::Nowhere(outcome)));
            }
            Decision::Refused { outcome, note } => self.serve_not(id, outcome, &note),
        }
    }

    /// The home of an extension has answered.
    pub(crate) fn on_located(&mut self, id: CallId, number: &str, found: Result<Vec<Contact>, Outcome>, now: Instant) {
        if self.offer_located(id, number, &found, now) || self.member_located(id, number, &found, now) {
            return;
        }
        let Some(conversation) = self.conversations.get_mut(&id) else {
            // The caller gave up while a phone was woken, or before the answer came.
            if found.is_ok() {
                self.send_home(number, Body::Vacate { call: id, number: number.to_owned() }, now);
            }
            return;
        };
        let known = conversation.destination.clone().filter(|destination| destination == number);
        let Some(number) = known else {
            // Of a search that has been given up for another one.
            if found.is_ok() && !conversation.occupied.iter().any(|occupied| occupied == number) {
                self.send_home(number, Body::Vacate { call: id, number: number.to_owned() }, now);
            }
            return;
        };
        match found {
            Ok(contacts) if conversation.call.is_over() => {
                drop(contacts);
                self.send_home(&number.clone(), Body::Vacate { call: id, number }, now);
            }
            Ok(contacts) => {
                let contacts = conversation.only_the_phone_meant(&number, contacts, &self.seal);
                if contacts.is_empty() {
                    conversation.occupied.push(number);
                    return self.facts.push_back((id, Input::Nowhere(Outcome::Unreachable)));
                }
                let party = Party { number: number.clone(), name: String::new(), kind: PartyKind::Extension };
                let target = Target { party, record: conversation.record };
                conversation.occupied.push(number);
                let stages = stages(&contacts, &target, conversation.ring, self.config.policy.forking);
                conversation.contacts.extend(contacts.into_iter().map(Way::Contact));
                let elsewhere = self.elsewhere_for(id);
                if !elsewhere.is_empty() {
                    self.facts.push_back((id, Input::Elsewhere(elsewhere)));
                }
                self.facts.push_back((id, Input::Located(stages)));
            }
            Err(outcome) if conversation.call.is_summoning() => self.facts.push_back((id, Input::Nowhere(outcome))),
            Err(outcome) => {
                let by = conversation.located_by;
                self.turned_away(id, by, outcome, "", now);
            }
        }
    }

    fn dial(&mut self, id: CallId, leg: LegNo, target: usize, now: Instant) {
        match self.conversations.get(&id).and_then(|c| c.contacts.get(target)) {
            Some(Way::Trunk { trunk, .. }) => {
                let trunk = trunk.clone();
                self.ask_trunk(id, leg, target, &trunk, now);
            }
            Some(Way::Contact(_)) | None => self.dial_now(id, leg, target, now),
        }
    }

    /// Calls a target to which the way is known.
    pub(crate) fn dial_now(&mut self, id: CallId, leg: LegNo, target: usize, now: Instant) {
        if let Err(outcome) = self.try_dial(id, leg, target, now) {
            self.facts.push_back((id, Input::Failed { leg, outcome, cause: outcome.cause() }));
        }
    }

    fn try_dial(&mut self, id: CallId, leg: LegNo, target: usize, now: Instant) -> Result<(), Outcome> {
        let Route { request_uri, flow, caller, user_agent, out, trunk, route: proxies } =
            self.route_of(id, leg, target)?;
        let (from, headers) = self.headers_for(id, leg, &caller, out.as_ref(), flow).ok_or(Outcome::SwitchFailure)?;
        let signature = self.signature_for(id, target, &caller, &headers, now);
        let from = match trunk.as_ref().and_then(|way| way.from_host.as_ref()) {
            Some(host) => at_home_of(from, host, flow.local),
            None => from,
        };
        let party = self.party_dialled(id, leg, out.as_ref());
        let call = &self.conversations.get(&id).ok_or(Outcome::SwitchFailure)?.call;
        let mark = trunk.as_ref().map(|_| self.call_mark(call.caller(), call.dialled()));
        let spare_left = self.conversations.get(&id).is_some_and(|conversation| conversation.has_spare(target));
        let urgent = out.as_ref().is_some_and(|out| out.terms.emergency);
        // Whoever has a page's way of signalling is taken for a page.
        let page = trunk.is_none() && is_by_websocket(flow);
        let port = self.open_leg(&party, page, (flow, urgent), now).map_err(|_| {
            warn!("no media port is free: raise [media] ports, or take fewer calls");
            Outcome::Congestion
        })?;
        self.media.hint_source(port, flow.remote.ip());
        self.prepare_port(port, &party, now);
        self.follow_progress(id, port, &party, now);
        let conversation = self.conversations.get_mut(&id).ok_or(Outcome::SwitchFailure)?;
        if let Some(out) = &out {
            self.media.allow(port, &out.terms.codecs);
        }
        if conversation.offered_more.contains(&leg) {
            self.media.offer_more(port);
        }
        let waiting = conversation.call.waiting();
        let body = self.media.make_offer(port, conversation.port(waiting), now);
        if body.is_empty() {
            // The trunk may be offered nothing of what the caller speaks.
            self.media.close(port, now);
            return Err(Outcome::Incompatible);
        }
        conversation.out.extend(out.map(|out| (leg, out)));
        let to = NameAddr::new(request_uri.without_headers());
        let mut invite = Invite::new(flow, request_uri, from, to);
        invite.contact_user = if conversation.caller.private { String::new() } else { caller.number };
        invite.headers = headers;
        invite.headers.extend(signature);
        invite.headers.push(("Max-Forwards".to_owned(), conversation.max_forwards.to_string().into_bytes()));
        invite.route = proxies;
        invite.by_flow = trunk.is_none();
        invite.mark = mark;
        invite.hurried = spare_left;
        invite.urgent = urgent;
        if let Some(way) = trunk {
            way.apply(&mut invite);
        }
        invite.body = body;
        let mut end = LegEnd::new(flow);
        end.port = Some(port);
        end.target = Some(target);
        end.user_agent = user_agent;
        if let Some(Way::Contact(contact)) = conversation.contacts.get(target) {
            end.instance.clone_from(&contact.instance);
        }
        self.ports.insert(port, (id, leg));
        conversation.legs.insert(leg, end);
        let session = self.sip.invite(invite, now).map_err(|_| Outcome::Congestion)?;
        self.sessions.insert(session, (id, leg));
        self.traced.insert(session, id);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.sessions.push(session);
            if let Some(end) = conversation.legs.get_mut(&leg) {
                end.sip_call_id = self.sip.call_id(session).unwrap_or_default();
                end.session = Some(session);
            }
        }
        Ok(())
    }

    /// From, and the headers that travel with the call, for the INVITE to a leg.
    fn headers_for(
        &self,
        id: CallId,
        leg: LegNo,
        caller: &CallerId,
        out: Option<&OutLeg>,
        flow: Flow,
    ) -> Option<(NameAddr, Headers)> {
        let conversation = self.conversations.get(&id)?;
        let (from, mut headers) = self.identity_headers(conversation, caller, out, flow)?;
        headers.extend(self.travelling_headers(conversation, leg, flow));
        headers.extend(self.answering_headers(conversation, leg, flow));
        Some((from, headers))
    }

    /// May this leg's search end beyond a trunk? What an extension forwards goes by its own rights.
    fn may_go_out(&self, id: CallId, by: LegNo) -> bool {
        let calls = self.conversations.get(&id).is_some_and(|c| c.call.caller_leg() == by);
        calls || self.forwarder(id, by).is_some() || self.may_divert(id, by)
    }

    /// Asks a phone to answer by itself, if whoever placed the call wants that and may.
    fn answering_headers(&self, conversation: &Conversation, leg: LegNo, flow: Flow) -> Headers {
        let call = &conversation.call;
        let wanted = if call.is_summoning() {
            conversation.originated.as_ref().is_some_and(|wish| wish.auto_answer)
        } else {
            conversation.caller.wants_answer && call.origin_of(leg) == Some(LegOrigin::Dialled)
        };
        let number = call.number_of(leg).filter(|_| wanted && call.trunk_of(leg).is_none());
        match number.and_then(|number| self.directory.extension(number)) {
            Some(extension) => crate::answering::auto_answer(extension.auto_answer, &flow.local.to_string()),
            None => Headers::new(),
        }
    }

    /// May a number beyond a trunk be called on this leg's wish? A phone that is called sends calls on only if the operator
    /// lets it; a party in conversation transfers by its own rights.
    fn may_divert(&self, id: CallId, by: LegNo) -> bool {
        let transfers = self.conversations.get(&id).is_some_and(|c| c.call.has_spoken(by));
        transfers || self.config.policy.redirect == Redirect::Routes
    }

    /// Where an INVITE to a target goes, and whom it names.
    fn route_of(&self, id: CallId, leg: LegNo, target: usize) -> Result<Route, Outcome> {
        let conversation = self.conversations.get(&id).ok_or(Outcome::SwitchFailure)?;
        match conversation.contacts.get(target).ok_or(Outcome::SwitchFailure)? {
            Way::Contact(contact) => {
                let request_uri = Uri::from_slice(&contact.uri).map_err(|_| Outcome::Unreachable)?;
                let caller = shown(conversation);
                let (flow, user_agent) = (contact.flow, contact.user_agent.clone());
                let parse = |value: &Vec<u8>| NameAddr::parse(&bytes::Bytes::copy_from_slice(value));
                let route = contact.route.iter().filter_map(parse).collect();
                Ok(Route { request_uri, flow, caller, user_agent, route, out: None, trunk: None })
            }
            Way::Trunk { trunk, number, caller, terms } => {
                let way = &conversation.trunks.get(&leg).ok_or(Outcome::SwitchFailure)?.way;
                let flow = *way.flows.first().ok_or(Outcome::Unreachable)?;
                let request_uri = uri_at(number, &way.host).ok_or(Outcome::Unallocated)?;
                let out = OutLeg { trunk: trunk.clone(), terms: terms.clone(), answered_at: None, ended_at: None };
                let (caller, user_agent, route) = (caller.clone(), String::new(), Vec::new());
                Ok(Route { request_uri, flow, caller, user_agent, route, out: Some(out), trunk: Some(way.clone()) })
            }
        }
    }

    fn ring(&mut self, id: CallId, to: LegNo, early_media: Option<LegNo>, now: Instant) {
        self.hush(id, to, now);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Some(port) = conversation.port(to) else { return };
        let early = early_media.and_then(|leg| conversation.port(leg));
        let Some(end) = conversation.legs.get_mut(&to) else { return };
        let Some(asking) = &mut end.asking else {
            // Who was transferred is in conversation already: only what it hears changes.
            match early {
                Some(other) => self.media.bridge(port, other, now),
                None => {
                    self.media.unbridge(port, now);
                    self.media.play(port, Sound::Tone(Tone::Ringback), true, now);
                }
            }
            return;
        };
        let (status, body) = match early {
            Some(other) => {
                self.media.bridge(port, other, now);
                (Status(183), self.media.make_answer(port, Answer::Joined(other), now))
            }
            None => {
                self.media.unbridge(port, now);
                let body = self.media.make_answer(port, Answer::Early, now);
                if body.is_some() {
                    self.media.play(port, Sound::Tone(Tone::Ringback), true, now);
                }
                (Status(180), body)
            }
        };
        asking.early_answer |= body.is_some();
        if let Some(session) = end.session {
            self.sip.carry(session, conversation.passed_back.clone());
            self.sip.provisional(session, status, body, now);
        }
    }

    /// Lets a party hear why nobody will answer: a voice where there is one for it, else a tone.
    fn announce(&mut self, id: CallId, to: LegNo, outcome: Outcome, now: Instant) {
        if !self.try_announce(id, to, outcome, now) {
            self.facts.push_back((id, Input::Announced));
        }
    }

    fn try_announce(&mut self, id: CallId, to: LegNo, outcome: Outcome, now: Instant) -> bool {
        self.hush(id, to, now);
        let Some(conversation) = self.conversations.get_mut(&id).filter(|c| c.refuse.is_none()) else { return false };
        let Some(end) = conversation.legs.get_mut(&to) else { return false };
        let Some(port) = end.port else { return false };
        self.media.unbridge(port, now);
        let body = match end.asking {
            Some(_) => match self.media.make_answer(port, Answer::Early, now) {
                Some(body) => Some(body),
                None => return false,
            },
            None => None,
        };
        let prompt = self.config.sounds.prompts.get(&outcome);
        let (sound, repeat) = match (outcome, prompt) {
            // Everybody knows the busy tone; a voice would only hold the caller up.
            (Outcome::Busy | Outcome::Rejected, _) => (Sound::Tone(Tone::Busy), true),
            (_, Some(clips)) => (Sound::Clips(clips.clone()), false),
            (_, None) => (Sound::Tone(Tone::Congestion), true),
        };
        if !self.media.play(port, sound, repeat, now) {
            return false;
        }
        if repeat {
            self.timers.set(Timer::Announced(id), now + REASON_TONE);
        }
        if let (Some(asking), Some(session)) = (&mut end.asking, end.session)
            && !std::mem::replace(&mut asking.early_answer, true)
        {
            self.sip.provisional(session, Status(183), body, now);
        }
        true
    }

    /// Two parties hear each other; whoever of them waits for an answer gets it.
    fn join(&mut self, id: CallId, a: LegNo, b: LegNo, now: Instant) {
        [a, b].into_iter().for_each(|leg| self.hush(id, leg, now));
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.joined_at = Some(now);
        let (Some(one), Some(other)) = (conversation.port(a), conversation.port(b)) else { return };
        self.media.bridge(one, other, now);
        // Who picks up a call of somebody that was told nothing yet, speaks what the switch can play.
        for (leg, port, with) in [(b, other, one), (a, one, other)] {
            if !self.answer_leg(id, leg, port, with, leg == b, now) {
                info!(call = %id, "the parties share no codec");
                return self.facts.push_back((id, Input::Incompatible));
            }
        }
        self.follow_with_recording(id, [a, b], now);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.passed_back.clear();
        }
    }

    /// Gives a leg its answer, if it waits for one; false if it cannot be given.
    fn answer_leg(&mut self, id: CallId, leg: LegNo, port: PortId, with: PortId, alone: bool, now: Instant) -> bool {
        let passed = self.conversations.get(&id).map(|c| c.passed_back.clone()).unwrap_or_default();
        let end = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg));
        let Some(end) = end.filter(|end| end.asking.is_some()) else { return true };
        let late = end.asking.is_some_and(|asking| asking.late);
        let body = match late {
            // Who called without an offer gets ours, and answers it with its ACK (RFC 3261 §13.2.1).
            true => Some(self.media.make_offer(port, Some(with), now)),
            false => self.media.make_answer(port, Answer::Joined(with), now),
        };
        let body = body.or_else(|| if alone { self.media.make_answer(port, Answer::Early, now) } else { None });
        let Some(body) = body else { return false };
        end.asking = None;
        if let Some(session) = end.session {
            self.sip.carry(session, passed);
            self.sip.accept(session, body, now);
            info!(call = %id, leg, "call answered");
        }
        true
    }

    /// Two parties no longer hear each other.
    fn part(&mut self, id: CallId, a: LegNo, b: LegNo, now: Instant) {
        let Some(conversation) = self.conversations.get(&id) else { return };
        for port in [conversation.port(a), conversation.port(b)].into_iter().flatten() {
            self.media.unbridge(port, now);
        }
    }

    fn reject(&mut self, id: CallId, leg: LegNo, cause: Cause, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let (delay, told) = (conversation.reject_after, conversation.refuse_with);
        let mut headers = vec![("Reason".to_owned(), reason_value(cause))];
        if let Some(warning) = &conversation.warning {
            headers.push(("Warning".to_owned(), warning.clone().into_bytes()));
        }
        if cause.sip == 503 {
            headers.push(("Retry-After".to_owned(), b"5".to_vec()));
        }
        let Some(session) = conversation.legs.get_mut(&leg).and_then(|end| end.session.take()) else { return };
        self.sessions.remove(session);
        // Who is let go unanswered because the call goes on elsewhere.
        let status = if cause.sip < 300 { 487 } else { cause.sip.clamp(400, 699) };
        self.sip.reject_after(session, told.unwrap_or(Status(status)), headers, delay, now);
    }

    /// Ends a leg's signalling. Its port stays until the call is over if it may be in a recording.
    pub(crate) fn hang_up_leg(&mut self, id: CallId, leg: LegNo, cause: Cause, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let passed = conversation.passed_back.clone();
        let recorded = conversation.recording.as_ref().is_some_and(|r| r.running && r.of.contains(&leg));
        self.release_leg(id, leg, now);
        let Some(end) = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg)) else { return };
        if end.asking.is_some() {
            return self.reject(id, leg, cause, now);
        }
        if let Some(session) = end.session.take() {
            self.sessions.remove(session);
            // What the party that left said with its BYE; a cell that passes nothing holds nothing.
            self.sip.carry(session, passed);
            self.sip.hangup(session, Some(reason_of(cause)), now);
        }
        if std::mem::take(&mut end.missed) {
            self.timers.cancel(&Timer::Missed(id, leg));
        }
        let link = end.link.take();
        if !recorded {
            self.close_port(id, leg, now);
        }
        if let Some(Link { call }) = link {
            self.send_to_call(call, Body::LinkEnded { call, from: id, cause }, now);
        }
    }

    pub(crate) fn close_port(&mut self, id: CallId, leg: LegNo, now: Instant) {
        self.end_playback(id, leg, model::PlaybackEnd::Stopped, now);
        let Some(end) = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg)) else { return };
        let Some(port) = end.port.take() else { return };
        self.ports.remove(port);
        if let Some(heard) = self.media.close(port, now) {
            end.codec.clone_from(&heard.codec);
            end.quality = crate::sound::quality(&heard);
        }
    }

    pub(crate) fn keep(&mut self, id: CallId, now: Instant) {
        let Some(conversation) = self.conversations.get(&id) else { return };
        let mut record = conversation.call.snapshot(now);
        conversation.complete(&mut record);
        let value = match self.life_of(conversation) {
            Some(life) => hot::living_value(&record, &life),
            None => hot::call_value(&record),
        };
        self.out.push_back(Output::Keep { key: hot::call(id), value });
    }

    fn finish(&mut self, id: CallId, mut record: Box<CallRecord>, now: Instant) {
        if let Some(recording) = self.conversations.get(&id).and_then(|c| c.recording.as_ref())
            && recording.running
        {
            self.media.stop_recording(recording.id, now);
            self.hear_media(now);
        }
        let legs: Vec<LegNo> =
            self.conversations.get(&id).map(|c| c.legs.keys().copied().collect()).unwrap_or_default();
        for leg in legs {
            self.close_port(id, leg, now);
        }
        self.close_programs(id, None, now);
        let out: Vec<LegNo> = self.conversations.get(&id).map(|c| c.out.keys().copied().collect()).unwrap_or_default();
        for no in out {
            self.charge_until(LegId { call: id, no }, now);
        }
        self.leave_trunks_of(id, now);
        let Some(conversation) = self.conversations.remove(&id) else { return };
        self.timers.cancel(&Timer::Call(id));
        self.timers.cancel(&Timer::Announced(id));
        self.timers.cancel(&Timer::HandOver(id));
        self.timers.cancel(&Timer::Check(id));
        self.timers.cancel(&Timer::Beep(id));
        self.not_put_together(id, conversation.handing.as_ref(), now);
        self.dismiss_supervisors(conversation.supervisors.clone());
        conversation.complete(&mut record);
        if let Some(calling) = &conversation.calling_back {
            self.call_back_over(calling, record.outcome);
        }
        info!(call = %id, outcome = record.outcome.name(), talked_ms = record.talk_ms(), "call ended");
        *self.stats.calls.entry(record.outcome).or_default() += 1;
        self.end_views(&conversation, &record, now);
        for number in &conversation.occupied {
            self.send_home(number, Body::Vacate { call: id, number: number.clone() }, now);
        }
        let left: Vec<_> = conversation.legs.values().filter_map(|end| end.session).collect();
        if never!(!left.is_empty(), "call {id} ended with {} open sessions", left.len()) {
            for session in left {
                self.sessions.remove(session);
                self.sip.hangup(session, None, now);
            }
        }
        self.out.push_back(Output::Keep { key: hot::record(id), value: hot::call_value(&record) });
        self.out.push_back(Output::Forget { key: hot::call(id) });
        self.out.push_back(Output::Record { record: record.clone() });
        self.tell(EventBody::CallEnded { record }, now);
        self.linger(id, conversation.ladder, conversation.sessions, now);
    }
}

/// Where an INVITE goes, and whom it names.
struct Route {
    request_uri: Uri,
    flow: Flow,
    caller: CallerId,
    user_agent: String,
    /// What it costs and how it is dialled, if it goes to a trunk.
    out: Option<OutLeg>,
    /// Proxies to be passed.
    route: Vec<NameAddr>,
    /// How it goes out by a trunk.
    trunk: Option<Box<TrunkWay>>,
}

/// The order in which the phones of an extension are called; `contacts` has the most preferred first.
fn stages(contacts: &[Contact], target: &Target, ring: Duration, forking: Forking) -> Vec<Stage> {
    let alike = |a: &Contact, b: &Contact| forking == Forking::All || a.q == b.q;
    // The other flows of a phone are for when the one that is used has failed (RFC 5626 §5.3).
    let spares = contacts.iter().position(|contact| contact.spare).unwrap_or(contacts.len());
    let (first, spares) = contacts.split_at(spares);
    let dead = GoOn::On([Outcome::Unreachable].into_iter().collect());
    let go_on = if spares.is_empty() { GoOn::Always } else { dead };
    let stage = |group: &[Contact], go_on| Stage { targets: vec![target.clone(); group.len()], ring, go_on };
    let mut stages: Vec<Stage> = first.chunk_by(alike).map(|group| stage(group, GoOn::Always)).collect();
    if let Some(last) = stages.last_mut() {
        last.go_on = go_on;
    }
    stages.extend((!spares.is_empty()).then(|| stage(spares, GoOn::Always)));
    stages
}

/// `<sip:number@our-address>` for a From header.
pub(crate) fn address(number: &str, local: std::net::SocketAddr) -> Option<NameAddr> {
    let user = if number.is_empty() { "anonymous" } else { number };
    Uri::sip(Some(user), &host(local), Some(local.port())).ok().map(NameAddr::new)
}

/// The same caller at a host by which a trunk knows us; one who hides stays where he is.
fn at_home_of(mut from: NameAddr, there: &str, local: std::net::SocketAddr) -> NameAddr {
    if from.uri.host().ip() != Some(local.ip()) {
        return from;
    }
    let user = from.uri.user_text().map(|user| String::from_utf8_lossy(&user).into_owned()).unwrap_or_default();
    if let Some(uri) = uri_at(&user, there) {
        from.uri = uri;
    }
    from
}

/// A URI at `host` or `host:port`.
pub(crate) fn uri_at(user: &str, host: &str) -> Option<Uri> {
    let (host, port) = match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => (name, Some(port.parse().ok()?)),
        _ => (host, None),
    };
    Uri::sip(Some(user), host, port).ok()
}

/// Who calls, as those are shown it who are called: who waits for them.
fn shown(conversation: &Conversation) -> CallerId {
    let call = &conversation.call;
    let number = match (call.is_summoning(), call.waiting()) {
        // The caller's own phone shows whom it is going to call.
        (true, _) => return CallerId { number: call.dialled().to_owned(), name: String::new() },
        (false, leg) if leg == call.caller_leg() => {
            let shown = conversation.originated.as_ref().and_then(|wish| wish.shown.clone());
            let caller = call.caller();
            return CallerId { number: shown.unwrap_or_else(|| caller.number.clone()), name: caller.name.clone() };
        }
        (false, leg) => call.number_of(leg),
    };
    CallerId { number: number.unwrap_or_default().to_owned(), name: String::new() }
}

pub(crate) fn host(address: std::net::SocketAddr) -> String {
    match address.ip() {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// SIP status where the phone shall know that another answered (RFC 3326 §2), Q.850 otherwise.
fn reason_of(cause: Cause) -> Vec<u8> {
    if cause.q850 == 26 { b"SIP;cause=200;text=\"Call completed elsewhere\"".to_vec() } else { reason_value(cause) }
}
