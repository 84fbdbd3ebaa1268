//! Phones that come back by another stream while they are in a call: what we have to say in it goes there, also before they have spoken.
//!
//! A page that a call rings at may lose its stream too. With it went the INVITE, so the leg waits, for as long as the registration keeps its
//! place, and is called anew where the page comes back.

use crate::cell::{Cell, Timer};
use crate::conversation::{Conversation, LegEnd, Way};
use crate::io::{Body, Contact};
use crate::sound::is_by_websocket;
use call::Input;
use model::{CallId, LegNo, Outcome};
use sip_stack::message::Uri;
use std::time::Instant;
use tracing::info;

impl Cell {
    /// As home of an extension: a phone of it has registered by this way. The calls that the extension is in are told.
    pub(crate) fn tell_calls_of(&mut self, number: &str, contact: &Contact, now: Instant) {
        let calls: Vec<CallId> = self.occupied.get(number).into_iter().flatten().copied().collect();
        for call in calls {
            let body = Body::PhoneCame { call, number: number.to_owned(), contact: Box::new(contact.clone()) };
            self.send_to_call(call, body, now);
        }
    }

    /// A phone of an extension in this call has registered: if it is one that spoke by another stream, it is followed.
    pub(crate) fn follow_phone(&mut self, id: CallId, number: &str, contact: &Contact, now: Instant) {
        self.ring_again(id, number, contact, now);
        let mut asked = Vec::new();
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        for (leg, end) in &mut conversation.legs {
            let Some(session) = end.session.filter(|_| conversation.call.number_of(*leg) == Some(number)) else {
                continue;
            };
            let streamed = self.sip.flow(session).filter(|flow| flow.transport.is_reliable() && *flow != contact.flow);
            let Some((_, target)) = streamed.zip(self.sip.remote_target(session)) else { continue };
            let same = match (&end.instance, &contact.instance) {
                (Some(one), Some(other)) => one == other,
                _ => is_same_address(&target, &contact.uri),
            };
            if same {
                info!(call = %id, leg, "a phone came back by another stream");
                self.sip.follow(session, contact.flow);
                end.flow = contact.flow;
                asked.extend(end.unasked.then_some(*leg));
            }
        }
        for leg in asked {
            self.ask_phone(id, leg, now);
        }
    }

    /// A phone that is called cannot be reached: its stream is gone. True if it is a page that keeps its place, for which the leg waits.
    pub(crate) fn await_page(&mut self, id: CallId, leg: LegNo, now: Instant) -> bool {
        let grace = self.config.policy.grace;
        let Some(conversation) = self.conversations.get_mut(&id).filter(|_| !grace.is_zero()) else { return false };
        let spoken = conversation.call.has_spoken(leg);
        let Some(end) = conversation.legs.get_mut(&leg) else { return false };
        if spoken || end.target.is_none() || !is_by_websocket(end.flow) {
            return false;
        }
        end.session = None;
        end.missed = true;
        self.close_port(id, leg, now);
        self.timers.set(Timer::Missed(id, leg), now + grace);
        info!(call = %id, leg, "a call that rang waits for a page that lost its connection");
        true
    }

    /// The page that a leg waited for has not come back.
    pub(crate) fn page_stayed_away(&mut self, id: CallId, leg: LegNo) {
        let end = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg));
        if end.is_some_and(|end| std::mem::take(&mut end.missed)) {
            let outcome = Outcome::Unreachable;
            self.facts.push_back((id, Input::Failed { leg, outcome, cause: outcome.cause() }));
        }
    }

    /// A phone has registered that this call rang at by another stream, or whoever took the place of a page that is missed: it rings there now.
    fn ring_again(&mut self, id: CallId, number: &str, contact: &Contact, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Some((leg, target)) = rings_no_more(conversation, number, contact) else { return };
        let Some(end) = conversation.legs.get_mut(&leg) else { return };
        end.missed = false;
        let before = end.session.take();
        if let Some(way) = conversation.contacts.get_mut(target) {
            *way = Way::Contact(contact.clone());
        }
        self.timers.cancel(&Timer::Missed(id, leg));
        if let Some(session) = before {
            // The stream may be dead without anybody knowing yet.
            self.sessions.remove(session);
            self.sip.hangup(session, None, now);
        }
        self.close_port(id, leg, now);
        info!(call = %id, leg, "a page came back while it was called");
        self.dial_now(id, leg, target, now);
    }
}

/// The leg that is called, or missed, elsewhere than where this phone is now, with its target: that of the same phone, or else one whose page is
/// missed. A page that was loaded anew is another phone to SIP, and the same to its user.
fn rings_no_more(conversation: &Conversation, number: &str, contact: &Contact) -> Option<(LegNo, usize)> {
    let called = |(leg, end): (&LegNo, &LegEnd)| {
        let target = end.target.filter(|_| is_by_websocket(end.flow))?;
        let Some(Way::Contact(known)) = conversation.contacts.get(target) else { return None };
        let theirs = conversation.call.number_of(*leg) == Some(number) && !conversation.call.has_spoken(*leg);
        let rings = end.missed || (end.session.is_some() && end.flow != contact.flow);
        (theirs && rings).then(|| (*leg, target, end.missed, is_same_phone(known, contact)))
    };
    let legs = || conversation.legs.iter().filter_map(called);
    let same = legs().find(|(.., same)| *same);
    // Who rings already need not ring twice.
    let here = conversation.legs.values().any(|end| end.session.is_some() && end.flow == contact.flow);
    let missed = || legs().find(|(_, _, missed, _)| *missed && !here && is_by_websocket(contact.flow));
    same.or_else(missed).map(|(leg, target, ..)| (leg, target))
}

fn is_same_phone(one: &Contact, other: &Contact) -> bool {
    match (&one.instance, &other.instance) {
        (Some(one), Some(other)) => one == other,
        _ => is_same_address(&one.uri, &other.uri),
    }
}

/// Whether two URIs name the same user at the same place, whatever their parameters say.
fn is_same_address(one: &[u8], other: &[u8]) -> bool {
    let (Ok(one), Ok(other)) = (Uri::from_slice(one), Uri::from_slice(other)) else { return false };
    one.user() == other.user()
        && one.host_bytes().eq_ignore_ascii_case(other.host_bytes())
        && one.port() == other.port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_user_host_and_port() {
        assert!(is_same_address(b"sip:100@Page.invalid;transport=ws", b"sip:100@page.invalid;ob"));
        for other in ["sip:101@page.invalid", "sip:100@other.invalid", "sip:100@page.invalid:5070", "<"] {
            assert!(!is_same_address(b"sip:100@page.invalid", other.as_bytes()), "{other}");
        }
    }
}
