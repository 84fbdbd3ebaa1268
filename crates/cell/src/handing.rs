//! Transfers that a trunk does itself: a party beyond it is sent to another number outside by REFER (RFC 3515, RFC 5589 §6.1), and both
//! legs are free. Where the trunk will not, or says nothing in time, the number is called from here as ever. How two parties beyond the
//! same trunk are put together there is in [`crate::far_end`].

use crate::cell::{Cell, Timer};
use crate::far_end::Together;
use crate::io::Body;
use crate::signalling::text;
use call::{Input, Progress, Stage};
use model::{CallId, LegNo, Transfers};
use sip_stack::endpoint::{RequestId, SessionId};
use sip_stack::message::{Message, Method, Name, Status};
use std::time::{Duration, Instant};
use tracing::info;

/// After its 202 the trunk says within this time how it goes (RFC 3515 §2.4.4: at once).
const FIRST_NOTICE: Duration = Duration::from_secs(8);
/// The number may ring so long.
const RINGING: Duration = Duration::from_secs(180);

/// A party that its trunk is asked to take to another number.
#[derive(Debug)]
pub(crate) struct Handing {
    pub(crate) leg: LegNo,
    /// The answer to the REFER has come.
    pub(crate) taken: bool,
    /// No NOTIFY will come (RFC 4488): the trunk's BYE says that it is done.
    pub(crate) silent: bool,
    pub(crate) what: Handed,
}

/// What a trunk is asked for, and what is done here if nothing comes of it.
#[derive(Debug)]
pub(crate) enum Handed {
    /// The party goes to a number, where these would be called.
    ToNumber(Vec<Stage>),
    /// It goes to another party.
    ToParty(Together),
}

impl Cell {
    /// These can be called from here; but if the waiting party's own trunk leads there and does transfers itself, it is asked first.
    pub(crate) fn located_outside(&mut self, id: CallId, stages: Vec<Stage>, now: Instant) {
        match self.refer_to_trunk(id, &stages, now) {
            Some((leg, request)) => {
                info!(call = %id, leg, "a trunk is asked to transfer its party");
                self.handing.insert(request, id);
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    conversation.handing =
                        Some(Handing { leg, taken: false, silent: false, what: Handed::ToNumber(stages) });
                }
                self.facts.push_back((id, Input::HandingOver));
            }
            None => self.facts.push_back((id, Input::Located(stages))),
        }
    }

    fn refer_to_trunk(&mut self, id: CallId, stages: &[Stage], now: Instant) -> Option<(LegNo, RequestId)> {
        let conversation = self.conversations.get(&id)?;
        let by = conversation.call.transferor()?;
        let leg = conversation.call.waiting();
        let trunk = conversation.call.trunk_of(leg)?;
        let target = &stages.first()?.targets.first()?.party;
        let same = matches!(&target.kind, call::PartyKind::Trunk(name) if name == trunk);
        if !same || self.directory.trunk(trunk)?.transfers != Transfers::Refer {
            return None;
        }
        let end = conversation.legs.get(&leg)?;
        let host = match conversation.trunks.get(&leg) {
            Some(held) => held.way.host.clone(),
            None => end.flow.remote.to_string(),
        };
        let by = conversation.call.number_of(by).unwrap_or_default();
        let referred_by = crate::effects::address(by, end.flow.local)?;
        let refer_to = crate::effects::uri_at(&target.number, &host)?;
        let headers = vec![
            ("Refer-To".to_owned(), sip_stack::message::NameAddr::new(refer_to).to_bytes().to_vec()),
            ("Referred-By".to_owned(), referred_by.to_bytes().to_vec()),
        ];
        let request = self.sip.request_in(end.session?, Method::Refer, headers, None, now)?;
        Some((leg, request))
    }

    /// The answer to a request of ours; true if it was such a REFER.
    pub(crate) fn refer_answered(&mut self, request: RequestId, message: Option<&Message>, now: Instant) -> bool {
        let Some(id) = self.handing.remove(&request) else { return false };
        let Some(handing) = self.conversations.get_mut(&id).and_then(|c| c.handing.as_mut()) else { return true };
        let taken = message.filter(|m| m.status().is_some_and(|status| (200..300).contains(&status.0)));
        let Some(message) = taken else {
            self.hand_over_failed(id, now);
            return true;
        };
        handing.taken = true;
        let unsaid = message.header(Name::ReferSub).is_some_and(|v| v.trim_ascii().eq_ignore_ascii_case(b"false"));
        handing.silent = unsaid;
        // A NOTIFY may have been faster than the answer.
        let wait = if unsaid { RINGING } else { FIRST_NOTICE };
        if self.timers.get(&Timer::HandOver(id)).is_none() {
            self.timers.set(Timer::HandOver(id), now + wait);
        }
        true
    }

    /// NOTIFY in a call: how a trunk gets on with a party that it was asked to take (RFC 3515 §2.4.5). What phones tell of subscriptions
    /// that nobody made changes nothing; about a REFER that is over there is nothing to be told.
    pub(crate) fn on_notify(&mut self, request_id: RequestId, request: &Message, session: SessionId, now: Instant) {
        let about = request.header(Name::Event).map(text).unwrap_or_default();
        let found = self.sessions.get(session).copied().filter(|_| about.split(';').next() == Some("refer"));
        let Some((id, leg)) = found else {
            let known = about.split(';').next() != Some("refer");
            let status = if known { Status::OK } else { Status(481) };
            return self.sip.respond(request_id, status, Vec::new(), None, now);
        };
        let handing = self.conversations.get(&id).and_then(|c| c.handing.as_ref()).filter(|h| h.leg == leg);
        if handing.is_none() {
            return self.sip.respond(request_id, Status(481), Vec::new(), None, now);
        }
        self.sip.respond(request_id, Status::OK, Vec::new(), None, now);
        let ended = request.header(Name::SubscriptionState).is_some_and(|value| {
            value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii().eq_ignore_ascii_case(b"terminated")
        });
        match status_in(request.body()) {
            Some(200..=299) => {
                let done = self.hand_over_done(id, now);
                self.facts.extend(done.map(|fact| (id, fact)));
            }
            Some(100..=199) if !ended => {
                self.timers.set(Timer::HandOver(id), now + RINGING);
                let by = self.conversations.get(&id).and_then(|c| c.call.transferor());
                if let Some(by) = by.filter(|_| status_in(request.body()) == Some(180)) {
                    self.notify_progress(id, by, Progress::Ringing, now);
                }
            }
            // Refused, or the end without a word of how it went.
            _ => self.hand_over_failed(id, now),
        }
    }

    fn hand_over_done(&mut self, id: CallId, now: Instant) -> Option<Input> {
        let Handing { leg, what, .. } = self.end_handing(id)?;
        info!(call = %id, leg, "the trunk has transferred its party");
        match what {
            Handed::ToNumber(_) => Some(Input::HandedOver),
            Handed::ToParty(together) => {
                let (into, with) = together.found?;
                self.send_to_call(into, Body::PutTogether { call: into, with: id, done: true }, now);
                Some(Input::PutTogether { leg, with })
            }
        }
    }

    /// The trunk will not, or says nothing: it is done from here.
    pub(crate) fn hand_over_failed(&mut self, id: CallId, now: Instant) {
        let Some(handing) = self.end_handing(id) else { return };
        info!(call = %id, leg = handing.leg, "the trunk did not transfer its party; it is done here");
        self.not_put_together(id, Some(&handing), now);
        match handing.what {
            Handed::ToNumber(stages) => self.facts.push_back((id, Input::Located(stages))),
            Handed::ToParty(Together { by, dialog, owner, .. }) => self.bridge_into(id, by, &dialog, owner, now),
        }
    }

    fn end_handing(&mut self, id: CallId) -> Option<Handing> {
        self.timers.cancel(&Timer::HandOver(id));
        self.conversations.get_mut(&id)?.handing.take()
    }

    /// A leg was hung up by its trunk. That is how a transfer ends of which no more was to be told, and how the other of two parties goes
    /// that are put together (RFC 3891 §3). Also where the answer to the REFER is not here yet: it may have been lost, and the call is
    /// over in either case; but not the call of the other party.
    pub(crate) fn was_handed_over(&mut self, id: CallId, leg: LegNo, now: Instant) -> Option<Input> {
        let handing = self.conversations.get(&id).and_then(|c| c.handing.as_ref()).filter(|handing| handing.leg == leg);
        let unanswered = |handing: &Handing| !handing.taken && matches!(handing.what, Handed::ToNumber(_));
        if handing.is_some_and(|handing| handing.silent || unanswered(handing)) {
            return self.hand_over_done(id, now);
        }
        self.went_as_promised(id, leg)
    }
}

/// The status in a `message/sipfrag` (RFC 3420): `SIP/2.0 180 Ringing`.
fn status_in(body: &[u8]) -> Option<u16> {
    let line = body.trim_ascii_start().split(|b| matches!(b, b'\r' | b'\n')).next()?;
    let mut words = line.split(|b| *b == b' ').filter(|word| !word.is_empty());
    words.next().filter(|version| version.eq_ignore_ascii_case(b"SIP/2.0"))?;
    std::str::from_utf8(words.next()?).ok()?.parse().ok().filter(|status| (100..700).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_tells_a_status_or_nothing() {
        assert_eq!(status_in(b"SIP/2.0 180 Ringing\r\n"), Some(180));
        assert_eq!(status_in(b"\r\nsip/2.0  486 Busy Here\r\nReason: x\r\n"), Some(486));
        for bad in ["", "SIP/2.0", "SIP/2.0 9999 x", "SIP/2.0 x", "HTTP/1.1 200 OK", "SIP/2.0 099 x"] {
            assert_eq!(status_in(bad.as_bytes()), None, "{bad}");
        }
    }
}
