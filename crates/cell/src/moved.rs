//! Phones that come back by another stream while they are in a call: what we have to say in it goes there, also before they have spoken.

use crate::cell::Cell;
use crate::io::{Body, Contact};
use model::CallId;
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
    pub(crate) fn follow_phone(&mut self, id: CallId, number: &str, contact: &Contact) {
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
            }
        }
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
