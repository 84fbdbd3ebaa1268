//! Calls that come in: how a phone takes an INVITE and what follows it in the dialog.

use super::line::{Beginning, End, LineId, LineState};
use super::message::{self, Facts};
use crate::sdp::Remote;

use super::{Conduct, GIVE_UP, T1, T2, Timer, Ua};
use rsip::{Header, Request};
use std::time::{Duration, Instant};

impl Ua {
    pub(super) fn on_invite(&mut self, request: &Request, facts: &Facts, key: &str, now: Instant) {
        self.invites_received += 1;
        self.last_invite = request.to_string();
        let engaged = self.lines.iter().filter(|line| !line.is_over()).count() >= self.max_lines;
        if let Some(number) = &self.forward {
            let contact = Header::Contact(format!("<sip:{number}@{}>", self.domain).into());
            return self.respond(request, facts, 302, None, vec![contact], &[], now);
        }
        match self.conduct {
            Conduct::Mute => return self.ignore(key),
            Conduct::Busy => return self.respond(request, facts, 486, None, Vec::new(), &[], now),
            Conduct::Refuse(status) => return self.respond(request, facts, status, None, Vec::new(), &[], now),
            _ if engaged => return self.respond(request, facts, 486, None, Vec::new(), &[], now),
            Conduct::Ring
            | Conduct::Answer(_)
            | Conduct::AnswerAtOnce
            | Conduct::EarlyMedia(_)
            | Conduct::TryingOnly => {}
        }
        let offer = Remote::parse(&request.body, &self.codecs).filter(|_| !self.browser);
        if offer.is_some_and(|remote| remote.codec.is_none()) {
            return self.respond(request, facts, 488, None, Vec::new(), &[], now);
        }
        let replaces = message::other(&request.headers, "Replaces").map(str::to_owned);
        let in_place_of = replaces.as_deref().and_then(|value| self.named_by(value));
        if replaces.is_some() && in_place_of.is_none() {
            return self.respond(request, facts, 481, None, Vec::new(), &[], now);
        }
        let local_tag = self.entropy.token(8);
        let Some(contact) = facts.contact.clone() else {
            return self.complain("INVITE without Contact".into());
        };
        let begin = Beginning {
            state: LineState::Incoming,
            call_id: facts.call_id.clone(),
            remote_tag: facts.from_tag.clone(),
            local: format!("{};tag={local_tag}", facts.to),
            local_tag,
            remote: facts.from.clone(),
            target: contact,
            remote_cseq: facts.cseq,
        };
        let id = self.open_line(begin, now);
        self.lines[id].pending = Some((request.clone(), facts.clone()));
        self.bind_server(key, id);
        self.take_remote_offer(id, &request.body);
        if in_place_of.is_some() {
            self.neighbour = message::address_in(&self.lines[id].target);
            self.lines[id].in_place_of = in_place_of;
            return self.timers.set(Timer::PickUp(id), now + Duration::from_millis(10));
        }
        let asked = ["answer-after=0", "info=alert-autoanswer", "Answer-Mode: Auto"];
        if self.auto_answers && asked.iter().any(|word| self.last_invite.contains(word)) {
            return self.timers.set(Timer::PickUp(id), now + Duration::from_millis(10));
        }
        match self.conduct {
            Conduct::TryingOnly => self.respond(request, facts, 100, None, Vec::new(), &[], now),
            Conduct::AnswerAtOnce => self.timers.set(Timer::PickUp(id), now + Duration::from_millis(10)),
            _ => self.timers.set(Timer::Ring(id), now + Duration::from_millis(10)),
        }
    }

    /// It rings, or already sends sound.
    pub(super) fn ring(&mut self, id: LineId, now: Instant) {
        let Some((request, facts)) = self.lines[id].pending.clone() else { return };
        let tag = self.lines[id].local_tag.clone();
        let contact = self.spoken_of();
        match self.conduct {
            Conduct::EarlyMedia(answer) => {
                let body = self.answer(id, now);
                self.respond(&request, &facts, 183, Some(&tag), contact, &body, now);
                self.start_sound(id, now);
                if let Some(after) = answer {
                    self.timers.set(Timer::PickUp(id), now + after);
                }
            }
            conduct => {
                self.respond(&request, &facts, 180, Some(&tag), contact, &[], now);
                if let Conduct::Answer(after) = conduct {
                    self.timers.set(Timer::PickUp(id), now + after);
                }
            }
        }
    }

    /// What its responses to an INVITE say of it.
    fn spoken_of(&self) -> Vec<Header> {
        let mut headers = vec![Header::Contact(self.call_contact().into())];
        if self.obeys {
            headers.push(Header::Other("Allow-Events".into(), "talk, hold".into()));
        }
        headers.extend(self.other_headers.iter().map(|(name, value)| Header::Other(name.clone(), value.clone())));
        headers
    }

    /// Its owner answers.
    pub(crate) fn pick_up(&mut self, id: LineId, now: Instant) {
        self.timers.cancel(&Timer::Ring(id));
        let Some((request, facts)) = self.lines[id].pending.take() else { return };
        self.lines[id].state = LineState::Talking;
        self.answer_invite(id, &request, &facts, now);
        self.start_sound(id, now);
        if let Some(old) = self.lines[id].in_place_of.take().filter(|old| !self.lines[*old].is_over()) {
            self.bye(old, now);
        }
    }

    /// 200 with a description, repeated until its ACK (RFC 3261 §13.3.1.4).
    fn answer_invite(&mut self, id: LineId, request: &Request, facts: &Facts, now: Instant) {
        let body = self.answer(id, now);
        let tag = self.lines[id].local_tag.clone();
        let contact = self.spoken_of();
        let before = self.out.len();
        self.respond(request, facts, 200, Some(&tag), contact, &body, now);
        let sent = self.out.get(before).map(|packet| (packet.to, packet.data.clone()));
        let line = &mut self.lines[id];
        line.ok = sent;
        line.ok_interval = T1;
        line.ok_since = Some(now);
        line.ok_cseq = Some(facts.cseq);
        self.timers.set(Timer::RepeatOk(id), now + T1);
    }

    pub(super) fn repeat_ok(&mut self, id: LineId, now: Instant) {
        let line = &mut self.lines[id];
        let Some((to, data)) = line.ok.clone() else { return };
        if line.ok_since.is_some_and(|since| now >= since + GIVE_UP) {
            line.ok = None;
            if !line.is_over() {
                self.bye(id, now);
                self.lines[id].state = LineState::Over(End::NoAck);
            }
            return;
        }
        line.ok_interval = (line.ok_interval * 2).min(T2);
        let at = now + line.ok_interval;
        self.timers.set(Timer::RepeatOk(id), at);
        self.send(to, data);
    }

    pub(super) fn on_reinvite(&mut self, request: &Request, facts: &Facts, now: Instant) {
        let Some(id) = self.line_of(facts).filter(|id| self.lines[*id].state == LineState::Talking) else {
            return self.respond(request, facts, 481, None, Vec::new(), &[], now);
        };
        if facts.cseq <= self.lines[id].remote_cseq {
            self.complain(format!("re-INVITE with CSeq {} after {}", facts.cseq, self.lines[id].remote_cseq));
        }
        self.lines[id].remote_cseq = facts.cseq;
        self.lines[id].media.forget_answer();
        if self.reinviting(id) {
            return self.respond(request, facts, 491, None, Vec::new(), &[], now);
        }
        if let Some(status) = self.refuses_reinvites {
            return self.respond(request, facts, status, None, Vec::new(), &[], now);
        }
        if request.body.is_empty() {
            // An INVITE without an offer asks for ours.
            let offer = self.offer(id, now);
            let tag = self.lines[id].local_tag.clone();
            return self.respond(request, facts, 200, Some(&tag), vec![], &offer, now);
        }
        self.take_remote(id, &request.body, now);
        self.answer_invite(id, request, facts, now);
    }

    /// The caller gave up.
    pub(super) fn cancelled(&mut self, id: LineId, now: Instant) {
        if self.lines[id].state == LineState::Incoming {
            self.refuse(id, 487, now);
        }
    }

    pub(super) fn on_bye(&mut self, request: &Request, facts: &Facts, now: Instant) {
        let Some(id) = self.line_of(facts) else {
            return self.respond(request, facts, 481, None, Vec::new(), &[], now);
        };
        if facts.cseq <= self.lines[id].remote_cseq {
            self.complain(format!("BYE with CSeq {} after {}", facts.cseq, self.lines[id].remote_cseq));
        }
        self.lines[id].remote_cseq = facts.cseq;
        let tag = self.lines[id].local_tag.clone();
        self.respond(request, facts, 200, Some(&tag), Vec::new(), &[], now);
        self.lines[id].reason = message::other(&request.headers, "Reason").map(str::to_owned);
        self.lines[id].said.push(request.to_string());
        match self.lines[id].state {
            LineState::Incoming => self.refuse(id, 487, now),
            LineState::Over(_) => {}
            LineState::Dialing | LineState::Ringing | LineState::EarlyMedia | LineState::Talking => {
                self.over(id, End::LeftByThem);
            }
        }
    }
}
