//! Calls that come in by a trunk: what they mean by the number, and whether the trunk may have one more.

use crate::authorize::number_of;
use crate::cell::Cell;
use crate::io::Body;
use model::{CallId, Outcome};
use sip_stack::message::Message;
use std::time::Instant;

impl Cell {
    /// The number that a trunk wants to reach. One that calls the user we registered with names the number itself in To only.
    pub(crate) fn meant_by(&self, trunk: Option<&str>, dialled: String, request: &Message) -> String {
        let account = trunk.and_then(|name| self.directory.trunk(name)?.account.as_ref());
        if account.is_none_or(|account| account.username != dialled) {
            return dialled;
        }
        let to = request.to().map(|to| number_of(&to.uri)).unwrap_or_default();
        if to.is_empty() || to.len() > 64 { dialled } else { to }
    }

    /// Counts a call that came in by a trunk at the trunk's home; it may have to wait for the answer.
    pub(crate) fn occupy_trunk(&mut self, id: CallId, trunk: &str, urgent: bool, now: Instant) {
        let limited = self.directory.trunk(trunk).is_some_and(|trunk| trunk.max_calls > 0);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.came_by = Some(trunk.to_owned());
            conversation.awaited += u8::from(limited);
        }
        self.send_home(trunk, Body::OccupyTrunk { call: id, trunk: trunk.to_owned(), urgent }, now);
    }

    /// The home of the trunk that a call came in by has room for it, or has not.
    pub(crate) fn on_trunk_room(&mut self, id: CallId, room: bool, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if !room {
            conversation.came_by = None;
            conversation.refuse = Some(Outcome::Congestion);
            conversation.refuse_with = None;
        }
        self.go_on(id, now);
    }

    /// One of the answers that a call waits for has come. After the last it goes on.
    pub(crate) fn go_on(&mut self, id: CallId, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.awaited = conversation.awaited.saturating_sub(1);
        if conversation.awaited == 0 {
            self.carry_out(id, now);
        }
    }
}
