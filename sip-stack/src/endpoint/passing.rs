//! What the owner of a session gives it on its way: headers for its next messages, and another flow.

use super::session::State;
use super::{Endpoint, Flow, Headers, SessionId};

impl Endpoint {
    /// The responses to the session's INVITE from now on (101–299), and its BYE, carry these headers too, until others are given.
    pub fn carry(&mut self, id: SessionId, headers: Headers) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.carried = (!headers.is_empty()).then(|| Box::new(headers));
        }
    }

    /// The peer of an answered session has come back by another flow: requests go there from now on. A peer that speaks by yet another one is
    /// followed without being asked.
    pub fn follow(&mut self, id: SessionId, flow: Flow) {
        if let Some(session) = self.sessions.get_mut(id).filter(|session| matches!(session.state, State::Open { .. })) {
            session.flow = flow;
        }
    }

    /// The URI that requests in a session are addressed to; none if it is gone, or not answered.
    pub fn remote_target(&self, id: SessionId) -> Option<Vec<u8>> {
        let session = self.sessions.get(id).filter(|session| matches!(session.state, State::Open { .. }))?;
        Some(session.dialog.target.to_vec())
    }

    pub(super) fn carried(&self, id: SessionId) -> Headers {
        self.sessions.get(id).and_then(|session| session.carried.as_deref().cloned()).unwrap_or_default()
    }
}
