//! What a phone does with calls beyond placing and ending them: transfers, taking another phone's place, keys by INFO.

use super::client::Purpose;
use super::line::{LineId, LineState};
use super::message::Facts;
use super::{Referred, Timer, Ua, message};
use rsip::headers::UntypedHeader;
use rsip::{Header, Method, Request};
use std::time::{Duration, Instant};

/// The names of a dialog, as a third party hears of them.
#[derive(Clone, Debug)]
pub(crate) struct DialogNames {
    pub(crate) call_id: String,
    pub(crate) phone_tag: String,
    pub(crate) switch_tag: String,
}

impl DialogNames {
    /// A Replaces value for whoever is at the switch's end.
    pub(crate) fn replaces(&self) -> String {
        format!("{};to-tag={};from-tag={}", self.call_id, self.switch_tag, self.phone_tag)
    }
}

impl Ua {
    /// The dialog of a line.
    pub(crate) fn names(&self, id: LineId) -> DialogNames {
        let line = &self.lines[id];
        DialogNames {
            call_id: line.call_id.clone(),
            phone_tag: line.local_tag.clone(),
            switch_tag: line.remote_tag.clone().unwrap_or_default(),
        }
    }

    /// REFER: the other party shall call this number.
    pub(crate) fn refer(&mut self, id: LineId, number: &str, now: Instant) {
        let to = format!("<sip:{number}@{}>", self.domain);
        self.send_refer(id, to, now);
    }

    /// REFER: the other party of `id` shall take our place in the call of `into`.
    pub(crate) fn refer_into(&mut self, id: LineId, into: LineId, now: Instant) {
        let replaces = self.names(into).replaces().replace(';', "%3B").replace('=', "%3D");
        let to = format!("<sip:anybody@{}?Replaces={replaces}>", self.domain);
        self.send_refer(id, to, now);
    }

    fn send_refer(&mut self, id: LineId, to: String, now: Instant) {
        let extra = vec![Header::Other("Refer-To".into(), to)];
        self.lines[id].refer_status = None;
        self.ask_in(id, Method::Refer, extra, Vec::new(), Purpose::Refer(id), now);
    }

    /// A key by INFO, `application/dtmf-relay`.
    pub(crate) fn send_key(&mut self, id: LineId, key: char, now: Instant) {
        let kind = rsip::headers::ContentType::new("application/dtmf-relay");
        let body = format!("Signal={key}\r\nDuration=160\r\n").into_bytes();
        self.ask_in(id, Method::Info, vec![Header::ContentType(kind)], body, Purpose::Info(id), now);
    }

    /// INVITE that names a dialog: to take somebody's place in it (Replaces), or to hear it (Join).
    pub(crate) fn dial_naming(&mut self, header: &'static str, dialog: String, now: Instant) {
        let uri = format!("sip:anybody@{}", self.domain);
        self.names_dialog = Some((header, dialog));
        self.dial(&uri, None, now);
        self.names_dialog = None;
    }

    /// NOTIFY in a call: how a transfer goes.
    pub(super) fn on_notify(&mut self, request: &Request, facts: &Facts, now: Instant) {
        let Some(id) = self.line_of(facts) else {
            return self.respond(request, facts, 481, None, Vec::new(), &[], now);
        };
        let event = request.headers.iter().find_map(|header| match header {
            Header::Event(event) => Some(event.to_string()),
            _ => None,
        });
        if event.is_none() && message::other(&request.headers, "Event").is_none() {
            self.complain("NOTIFY without Event".into());
        }
        let event = event.or_else(|| message::other(&request.headers, "Event").map(str::to_owned)).unwrap_or_default();
        if facts.cseq <= self.lines[id].remote_cseq {
            // A later request overtook it on the way (RFC 3261 §12.2.2).
            return self.respond(request, facts, 500, None, Vec::new(), &[], now);
        }
        self.lines[id].remote_cseq = facts.cseq;
        let tag = self.lines[id].local_tag.clone();
        self.respond(request, facts, 200, Some(&tag), Vec::new(), &[], now);
        match event.trim_start_matches("Event:").trim() {
            "talk" if self.lines[id].state == LineState::Incoming => self.pick_up(id, now),
            "talk" => self.reinvite(id, "sendrecv", now),
            "hold" => self.reinvite(id, "sendonly", now),
            _ => {
                let first = String::from_utf8_lossy(&request.body).lines().next().unwrap_or_default().to_owned();
                self.lines[id].progress.push(first);
            }
        }
    }

    /// REFER in a call: it is to take itself elsewhere.
    pub(super) fn on_refer(&mut self, request: &Request, facts: &Facts, now: Instant) {
        let line = self.line_of(facts);
        let (Some(id), Some(how)) = (line, self.takes_refer) else {
            let status = if line.is_some() { 501 } else { 481 };
            return self.respond(request, facts, status, None, Vec::new(), &[], now);
        };
        self.lines[id].remote_cseq = self.lines[id].remote_cseq.max(facts.cseq);
        let tag = self.lines[id].local_tag.clone();
        let to = message::other(&request.headers, "Refer-To").unwrap_or_default().to_owned();
        self.referred_to.push(to);
        let (status, extra, first) = match how {
            Referred::Told(_) => (202, Vec::new(), Some(0)),
            Referred::Forgotten => (202, Vec::new(), None),
            Referred::Silently => (202, vec![Header::Other("Refer-Sub".into(), "false".into())], Some(2)),
            Referred::Refused(status) => (status, Vec::new(), None),
        };
        self.respond(request, facts, status, Some(&tag), extra, &[], now);
        let to = self.referred_to.last().and_then(|to| replacing(to)).filter(|_| how == Referred::Told(200));
        if let Some((uri, replaces)) = to {
            return self.follow(id, &uri, replaces, now);
        }
        if let Some(first) = first {
            self.timers.set(Timer::Refer(id, first), now + Duration::from_millis(20 + 1000 * first as u64));
        }
    }

    /// Tells how it gets on: it tries, it rings, and the end.
    pub(super) fn tell_referrer(&mut self, id: LineId, told: usize, now: Instant) {
        let last = match self.takes_refer {
            Some(Referred::Told(last)) => last,
            Some(Referred::Silently) if !self.lines[id].is_over() => return self.bye(id, now),
            Some(Referred::Silently) => return,
            Some(Referred::Forgotten | Referred::Refused(_)) | None => return,
        };
        if self.lines[id].is_over() {
            return;
        }
        let status = [100, 180].get(told).copied().unwrap_or(last);
        self.tell_status(id, status, told >= 2, now);
        if told < 2 {
            self.timers.set(Timer::Refer(id, told + 1), now + Duration::from_secs(2));
        }
    }

    /// Takes somebody's place at another far end, past the switch.
    fn follow(&mut self, referrer: LineId, uri: &str, replaces: String, now: Instant) {
        self.tell_status(referrer, 100, false, now);
        self.neighbour = message::address_in(uri);
        self.names_dialog = Some(("Replaces", replaces));
        let line = self.dial(uri, None, now);
        self.names_dialog = None;
        self.lines[line].referred_by = Some(referrer);
    }

    /// The line that a Replaces header names: to-tag is ours (RFC 3891 §3).
    pub(super) fn named_by(&self, replaces: &str) -> Option<LineId> {
        let mut parts = replaces.split(';').map(str::trim);
        let (call_id, parts) = (parts.next()?, parts.collect::<Vec<_>>());
        let of = |name: &str| parts.iter().find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let (ours, theirs) = (of("to-tag")?, of("from-tag")?);
        self.lines.iter().position(|line| {
            line.state == LineState::Talking
                && (line.call_id == call_id && line.local_tag == ours)
                && line.remote_tag.as_deref() == Some(theirs)
        })
    }

    /// One NOTIFY about a REFER.
    pub(crate) fn tell_status(&mut self, id: LineId, status: u16, last: bool, now: Instant) {
        if self.lines[id].is_over() {
            return;
        }
        let state = if last { "terminated;reason=noresource" } else { "active;expires=60" };
        let header = |name: &str, value: &str| Header::Other(name.into(), value.into());
        let kind = rsip::headers::ContentType::new("message/sipfrag;version=2.0");
        let extra = vec![header("Event", "refer"), header("Subscription-State", state), Header::ContentType(kind)];
        let body = format!("SIP/2.0 {status} Told\r\n").into_bytes();
        self.ask_in(id, Method::Notify, extra, body, Purpose::Notify, now);
    }

    /// INFO in a call: a key.
    pub(super) fn on_info(&mut self, request: &Request, facts: &Facts, now: Instant) {
        let Some(id) = self.line_of(facts) else {
            return self.respond(request, facts, 481, None, Vec::new(), &[], now);
        };
        if facts.cseq <= self.lines[id].remote_cseq {
            return self.respond(request, facts, 500, None, Vec::new(), &[], now);
        }
        self.lines[id].remote_cseq = facts.cseq;
        let tag = self.lines[id].local_tag.clone();
        self.respond(request, facts, 200, Some(&tag), Vec::new(), &[], now);
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if let Some(key) = body.lines().find_map(|line| line.strip_prefix("Signal=")?.trim().chars().next()) {
            self.lines[id].keys_by_info.push(key);
        }
    }
}

/// The address of a Refer-To that asks to take somebody's place, and the dialog.
fn replacing(refer_to: &str) -> Option<(String, String)> {
    let (uri, value) = refer_to.trim_start_matches('<').trim_end_matches('>').split_once("?Replaces=")?;
    let mut parts = value.split('%');
    let mut replaces = parts.next()?.to_owned();
    for part in parts {
        replaces.push(u8::from_str_radix(part.get(..2)?, 16).ok()?.into());
        replaces.push_str(&part[2..]);
    }
    Some((uri.to_owned(), replaces))
}
