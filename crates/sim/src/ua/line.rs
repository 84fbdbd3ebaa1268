//! One call of a phone: its dialog (RFC 3261 §12) and what its owner does with it.

use super::client::Purpose;
use super::media::Media;
use super::message::{self, Draft, Facts};
use super::{T1, Timer, Ua};
use crate::ear::Ear;
use rsip::{Header, Method, Request, Response};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The place of a line in its phone.
pub(crate) type LineId = usize;

/// Where a call of a phone stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineState {
    /// INVITE sent.
    Dialing,
    /// The far end rings (180).
    Ringing,
    /// The far end sends sound before it answers (18x with a description).
    EarlyMedia,
    /// Somebody calls us.
    Incoming,
    /// Answered.
    Talking,
    /// Over.
    Over(End),
}

/// How a call of a phone ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Our INVITE was refused with this status; 408 also if no answer came at all, 487 if we cancelled it.
    Refused(u16),
    /// We refused a call with this status, or the caller gave up (487).
    NotTaken(u16),
    /// We said good-bye.
    LeftByUs,
    /// The far end said good-bye.
    LeftByThem,
    /// Our answer was never acknowledged.
    NoAck,
}

/// One call.
pub(crate) struct Line {
    pub(crate) state: LineState,
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) remote_tag: Option<String>,
    /// Header values of both ends, tags included.
    local: String,
    remote: String,
    pub(super) target: String,
    pub(super) local_cseq: u32,
    pub(super) remote_cseq: u32,
    pub(super) invite_branch: String,
    pub(super) invite_cseq: u32,
    /// The unanswered INVITE of a call that came in.
    pub(super) pending: Option<(Request, Facts)>,
    /// Our 200, to be repeated until its ACK.
    pub(super) ok: Option<(SocketAddr, Vec<u8>)>,
    pub(super) ok_interval: Duration,
    pub(super) ok_since: Option<Instant>,
    pub(super) ok_cseq: Option<u32>,
    pub(crate) confirmed: bool,
    ack: Option<(SocketAddr, Vec<u8>)>,
    /// The description of the other side as it came first: later ones in the same answer must not differ.
    answered_with: Vec<u8>,
    cancel_wanted: bool,
    /// The responses to our INVITE and the BYE that came, as text.
    pub(crate) said: Vec<String>,
    /// Every status seen on our INVITE, in order.
    pub(crate) statuses: Vec<u16>,
    pub(crate) reinvite_status: Option<u16>,
    /// The final status of its REFER, and what the switch told of the transfer since.
    pub(crate) refer_status: Option<u16>,
    /// The line whose REFER it follows, and the one whose place it takes.
    pub(super) referred_by: Option<LineId>,
    pub(super) in_place_of: Option<LineId>,
    pub(crate) progress: Vec<String>,
    /// Keys that came by INFO.
    pub(crate) keys_by_info: String,
    /// We called without an offer.
    late: bool,
    pub(crate) bye_status: Option<u16>,
    /// Reliable provisional responses that were acknowledged.
    pub(crate) pracked: Vec<String>,
    /// The Reason header (RFC 3326) of what ended the call.
    pub(crate) reason: Option<String>,
    pub(crate) media: Media,
    pub(crate) ear: Ear,
}

impl Line {
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, LineState::Over(_))
    }
}

/// What is known of a call when it begins.
pub(super) struct Beginning {
    pub(super) state: LineState,
    pub(super) call_id: String,
    pub(super) remote_tag: Option<String>,
    pub(super) local: String,
    pub(super) local_tag: String,
    pub(super) remote: String,
    pub(super) target: String,
    pub(super) remote_cseq: u32,
}

impl Ua {
    pub(super) fn open_line(&mut self, begin: Beginning, now: Instant) -> LineId {
        let id = self.lines.len();
        let media = Media::new(super::RTP_BASE + 2 * id as u16, self.event, &mut self.entropy);
        self.lines.push(Line {
            state: begin.state,
            call_id: begin.call_id,
            local_tag: begin.local_tag,
            remote_tag: begin.remote_tag,
            local: begin.local,
            remote: begin.remote,
            target: begin.target,
            local_cseq: 0,
            remote_cseq: begin.remote_cseq,
            invite_branch: String::new(),
            invite_cseq: 0,
            pending: None,
            ok: None,
            ok_interval: T1,
            ok_since: None,
            ok_cseq: None,
            confirmed: false,
            ack: None,
            answered_with: Vec::new(),
            cancel_wanted: false,
            said: Vec::new(),
            statuses: Vec::new(),
            reinvite_status: None,
            refer_status: None,
            referred_by: None,
            in_place_of: None,
            progress: Vec::new(),
            keys_by_info: String::new(),
            late: false,
            bye_status: None,
            pracked: Vec::new(),
            reason: None,
            media,
            ear: Ear::new(now),
        });
        id
    }

    /// Calls a URI; `offer` takes the place of its own description.
    pub(crate) fn dial(&mut self, uri: &str, offer: Option<Vec<u8>>, now: Instant) -> LineId {
        let local_tag = self.entropy.token(8);
        let begin = Beginning {
            state: LineState::Dialing,
            call_id: self.entropy.token(20),
            remote_tag: None,
            local: format!("<sip:{}@{}>;tag={local_tag}", self.number, self.domain),
            local_tag,
            remote: format!("<{uri}>"),
            target: uri.to_owned(),
            remote_cseq: 0,
        };
        let id = self.open_line(begin, now);
        let own = self.offer(id, now);
        self.lines[id].late = offer.as_ref().is_some_and(Vec::is_empty);
        let mut request = self.in_dialog(id, Method::Invite, offer.unwrap_or(own));
        let headers = self.invite_headers.iter().cloned();
        let replaces = self.names_dialog.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        for (name, value) in headers.chain(replaces) {
            request.headers.push(rsip::Header::Other(name, value));
        }
        self.lines[id].invite_cseq = self.lines[id].local_cseq;
        let to = self.next_hop(uri);
        self.start_client(request, to, Purpose::Invite(id), now);
        id
    }

    /// A request of this call with the next CSeq.
    fn in_dialog(&mut self, id: LineId, method: Method, body: Vec<u8>) -> Request {
        let branch = self.branch();
        let (contact, via) = (self.call_contact(), self.addr);
        let line = &mut self.lines[id];
        line.local_cseq += 1;
        if method == Method::Invite {
            line.invite_branch.clone_from(&branch);
        }
        Draft {
            method,
            uri: &line.target,
            via,
            branch: &branch,
            from: &line.local,
            to: &line.remote,
            call_id: &line.call_id,
            cseq: line.local_cseq,
            contact: (method == Method::Invite).then_some(contact),
            extra: Vec::new(),
            body,
        }
        .request()
    }

    /// A request of this call that is neither an offer nor its end.
    pub(super) fn ask_in(
        &mut self,
        id: LineId,
        method: Method,
        extra: Vec<rsip::Header>,
        body: Vec<u8>,
        purpose: Purpose,
        now: Instant,
    ) {
        let target = self.lines[id].target.clone();
        let branch = self.branch();
        let (contact, via) = (self.call_contact(), self.addr);
        let line = &mut self.lines[id];
        line.local_cseq += 1;
        let request = Draft {
            method,
            uri: &line.target,
            via,
            branch: &branch,
            from: &line.local,
            to: &line.remote,
            call_id: &line.call_id,
            cseq: line.local_cseq,
            contact: Some(contact),
            extra,
            body,
        }
        .request();
        let to = self.next_hop(&target);
        self.start_client(request, to, purpose, now);
    }

    /// Acknowledges a reliable provisional response, once (RFC 3262 §4).
    fn acknowledge_ringing(&mut self, id: LineId, response: &Response, facts: &Facts, now: Instant) {
        let Some(rseq) = message::other(&response.headers, "RSeq").map(str::to_owned) else { return };
        if self.lines[id].pracked.contains(&rseq) {
            return;
        }
        let mut prack = self.in_dialog(id, Method::PRack, Vec::new());
        let rack = format!("{rseq} {} INVITE", facts.cseq);
        prack.headers.push(Header::Other("RAck".into(), rack));
        self.lines[id].pracked.push(rseq);
        let to = self.next_hop(&self.lines[id].target.clone());
        self.start_client(prack, to, Purpose::Prack(id), now);
    }

    pub(super) fn on_invite_provisional(
        &mut self,
        id: LineId,
        status: u16,
        response: &Response,
        facts: &Facts,
        now: Instant,
    ) {
        self.lines[id].statuses.push(status);
        self.lines[id].said.push(response.to_string());
        if status > 100 {
            if facts.to_tag.is_none() {
                self.complain(format!("{status} without To tag"));
            }
            let line = &mut self.lines[id];
            line.remote_tag.clone_from(&facts.to_tag);
            line.remote.clone_from(&facts.to);
            if let Some(contact) = &facts.contact {
                line.target.clone_from(contact);
            }
            if matches!(line.state, LineState::Dialing | LineState::Ringing) {
                line.state = if response.body.is_empty() { LineState::Ringing } else { LineState::EarlyMedia };
            }
            self.take_answer(id, &response.body, now);
            self.acknowledge_ringing(id, response, facts, now);
        }
        if self.lines[id].cancel_wanted {
            self.lines[id].cancel_wanted = !self.cancel_invite(id, now);
        }
    }

    pub(super) fn on_invite_final(
        &mut self,
        id: LineId,
        status: u16,
        response: Option<(&Response, &Facts)>,
        now: Instant,
    ) {
        self.lines[id].statuses.push(status);
        self.lines[id].said.extend(response.map(|(response, _)| response.to_string()));
        if let Some(referrer) = self.lines[id].referred_by.take() {
            self.tell_status(referrer, status, true, now);
        }
        let success = response.filter(|_| (200..300).contains(&status));
        let Some((response, facts)) = success else {
            self.lines[id].reason = response.and_then(|(r, _)| message::other(&r.headers, "Reason")).map(str::to_owned);
            return self.over(id, End::Refused(status));
        };
        let (leaving, line) = (self.lines[id].media.hung_up, &mut self.lines[id]);
        line.remote_tag.clone_from(&facts.to_tag);
        line.remote.clone_from(&facts.to);
        match &facts.contact {
            Some(contact) => line.target.clone_from(contact),
            None => self.complain("200 to an INVITE without Contact".into()),
        }
        if self.lines[id].late {
            // The 200 brings the offer, our ACK the answer.
            self.take_remote(id, &response.body, now);
            let answer = self.answer(id, now);
            self.acknowledge_with(id, facts.cseq, answer);
            self.lines[id].media.forget_answer();
            self.lines[id].late = false;
            self.lines[id].state = LineState::Talking;
            self.lines[id].confirmed = true;
            return;
        }
        self.acknowledge(id, facts.cseq);
        if self.lines[id].is_over() || leaving {
            // It crossed our CANCEL (RFC 3261 §9.1): the call exists, and nobody wants it.
            self.lines[id].state = LineState::Talking;
            return self.bye(id, now);
        }
        self.lines[id].state = LineState::Talking;
        self.lines[id].confirmed = true;
        if response.body.is_empty() {
            self.complain("200 to an offer without an answer".into());
        }
        self.take_answer(id, &response.body, now);
    }

    /// ACK for a 2xx: a request of its own within the dialog (RFC 3261 §13.2.2.4).
    fn acknowledge(&mut self, id: LineId, cseq: u32) {
        self.acknowledge_with(id, cseq, Vec::new());
    }

    fn acknowledge_with(&mut self, id: LineId, cseq: u32, body: Vec<u8>) {
        let branch = self.branch();
        let line = &self.lines[id];
        let target = line.target.clone();
        let ack = Draft {
            method: Method::Ack,
            uri: &line.target,
            via: self.addr,
            branch: &branch,
            from: &line.local,
            to: &line.remote,
            call_id: &line.call_id,
            cseq,
            contact: None,
            extra: Vec::new(),
            body,
        }
        .request();
        let (to, data) = (self.next_hop(&target), ack.to_string().into_bytes());
        self.lines[id].ack = Some((to, data.clone()));
        self.send(to, data);
    }

    /// A 2xx came again.
    pub(super) fn acknowledge_again(&mut self, facts: &Facts) {
        let line = self
            .lines
            .iter()
            .find(|line| line.call_id == facts.call_id && Some(&line.local_tag) == facts.from_tag.as_ref());
        if let Some((to, data)) = line.and_then(|line| line.ack.clone()) {
            self.send(to, data);
        }
    }

    fn take_answer(&mut self, id: LineId, body: &[u8], now: Instant) {
        if body.is_empty() {
            return;
        }
        let first = std::mem::take(&mut self.lines[id].answered_with);
        if !first.is_empty() && first != body {
            self.complain(format!(
                "the answer changed within one INVITE (RFC 3261 §13.2.1):\n{}\n{}",
                String::from_utf8_lossy(&first),
                String::from_utf8_lossy(body)
            ));
        }
        self.lines[id].answered_with = body.to_vec();
        self.take_remote(id, body, now);
    }

    // What its owner does.

    /// Ends the call, whatever state it is in.
    pub(crate) fn hang_up(&mut self, id: LineId, now: Instant) {
        match self.lines[id].state {
            LineState::Dialing | LineState::Ringing | LineState::EarlyMedia => {
                self.lines[id].media.hung_up = true;
                self.lines[id].cancel_wanted = !self.cancel_invite(id, now);
            }
            LineState::Incoming => self.refuse(id, 603, now),
            LineState::Talking => self.bye(id, now),
            LineState::Over(_) => {}
        }
    }

    /// BYE in whatever dialog there is: for an early one the RFC allows it to the caller (§15).
    pub(crate) fn bye(&mut self, id: LineId, now: Instant) {
        let target = self.lines[id].target.clone();
        let mut request = self.in_dialog(id, Method::Bye, Vec::new());
        for (name, value) in &self.other_headers {
            request.headers.push(rsip::Header::Other(name.clone(), value.clone()));
        }
        let to = self.next_hop(&target);
        self.start_client(request, to, Purpose::Bye(id), now);
        if self.lines[id].state == LineState::Talking {
            self.over(id, End::LeftByUs);
        } else {
            self.lines[id].media.hung_up = true;
        }
    }

    /// Offers the call again with another direction: `sendonly` holds, `sendrecv` retrieves.
    pub(crate) fn reinvite(&mut self, id: LineId, direction: &str, now: Instant) {
        self.lines[id].media.set_direction(direction);
        self.reoffer(id, now);
    }

    /// The re-INVITE itself, also when it is tried again.
    pub(super) fn reoffer(&mut self, id: LineId, now: Instant) {
        if self.lines[id].state != LineState::Talking {
            return;
        }
        self.lines[id].answered_with.clear();
        self.lines[id].reinvite_status = None;
        let offer = self.offer(id, now);
        let target = self.lines[id].target.clone();
        let request = self.in_dialog(id, Method::Invite, offer);
        self.lines[id].invite_cseq = self.lines[id].local_cseq;
        let to = self.next_hop(&target);
        self.start_client(request, to, Purpose::Reinvite(id), now);
    }

    /// A re-INVITE without a description: the other side is to offer (RFC 3261 §14.2).
    pub(crate) fn reinvite_late(&mut self, id: LineId, now: Instant) {
        self.lines[id].answered_with.clear();
        self.lines[id].reinvite_status = None;
        self.lines[id].late = true;
        let target = self.lines[id].target.clone();
        let request = self.in_dialog(id, Method::Invite, Vec::new());
        self.lines[id].invite_cseq = self.lines[id].local_cseq;
        let to = self.next_hop(&target);
        self.start_client(request, to, Purpose::Reinvite(id), now);
    }

    pub(super) fn on_reinvite_final(
        &mut self,
        id: LineId,
        status: u16,
        response: Option<(&Response, &Facts)>,
        now: Instant,
    ) {
        self.lines[id].reinvite_status = Some(status);
        if let Some((response, facts)) = response.filter(|_| (200..300).contains(&status)) {
            if std::mem::take(&mut self.lines[id].late) {
                self.lines[id].media.forget_answer();
                self.take_remote(id, &response.body, now);
                let answer = self.answer(id, now);
                self.acknowledge_with(id, facts.cseq, answer);
                return self.lines[id].media.forget_answer();
            }
            self.acknowledge(id, facts.cseq);
            if !self.lines[id].is_over() {
                self.take_answer(id, &response.body, now);
            }
        } else if self.lines[id].is_over() {
            // Nobody is left to offer anything to.
        } else if matches!(status, 491 | 500) {
            // Another INVITE is still under way: try again (RFC 3261 §14.1 and §14.2).
            let patience = response.is_some_and(|(response, _)| {
                response.headers.iter().any(|header| matches!(header, rsip::Header::RetryAfter(_)))
            });
            if status == 500 && !patience {
                self.complain("500 to a re-INVITE without Retry-After".into());
            }
            self.timers.set(Timer::Reinvite(id), now + Duration::from_secs(3));
        } else if matches!(status, 408 | 481) {
            // RFC 3261 §12.2.1.2: the dialog is gone.
            self.bye(id, now);
        }
    }

    /// Refuses a call that came in.
    pub(crate) fn refuse(&mut self, id: LineId, status: u16, now: Instant) {
        let Some((request, facts)) = self.lines[id].pending.take() else { return };
        let tag = self.lines[id].local_tag.clone();
        self.respond(&request, &facts, status, Some(&tag), Vec::new(), &[], now);
        self.over(id, End::NotTaken(status));
    }

    /// Its lines are gone, and nobody hears of it.
    pub(crate) fn forget_calls(&mut self) {
        for id in 0..self.lines.len() {
            if !self.lines[id].is_over() {
                self.over(id, End::LeftByThem);
            }
        }
    }

    pub(super) fn over(&mut self, id: LineId, how: End) {
        self.lines[id].state = LineState::Over(how);
        // Our 200 is repeated even after a BYE that crossed it, until somebody acknowledges; a refusal has none.
        for timer in [Timer::Ring(id), Timer::PickUp(id), Timer::Speak(id)] {
            self.timers.cancel(&timer);
        }
        if how == End::LeftByThem {
            self.lines[id].ok = None;
        }
    }
}
