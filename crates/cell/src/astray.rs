//! CANCELs of INVITEs that name another dialog.
//!
//! An INVITE with Replaces or Join belongs to the cell of the dialog that it names. Its CANCEL carries no such header (RFC 3261 §9.1)
//! and reaches the cell that its Call-ID falls to, which therefore is told where the INVITE went.

use crate::cell::Cell;
use crate::io::Body;
use bytes::Bytes;
use sip_stack::endpoint::Flow;
use sip_stack::message::Message;
use sip_stack::placement::call_id_hash;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long that is of interest: 64·T1, when the INVITE has its answer and nobody repeats anything.
const KEPT: Duration = Duration::from_secs(32);
/// INVITEs that are remembered at one time; of more, the oldest is forgotten, and its CANCEL meets 481.
const MAX_KEPT: usize = 1024;

/// Where INVITEs went whose Call-ID falls to this cell.
#[derive(Debug, Default)]
pub(crate) struct Astray(VecDeque<(u64, u16, Instant)>);

impl Astray {
    fn note(&mut self, call_id: u64, cell: u16, now: Instant) {
        while self.0.front().is_some_and(|(.., until)| *until <= now) || self.0.len() >= MAX_KEPT {
            self.0.pop_front();
        }
        self.0.push_back((call_id, cell, now + KEPT));
    }

    fn find(&self, call_id: u64, now: Instant) -> Option<u16> {
        let fits = |known: &&(u64, u16, Instant)| known.0 == call_id && known.2 > now;
        self.0.iter().rev().find(fits).map(|(_, cell, _)| *cell)
    }
}

impl Cell {
    /// This INVITE came here for the dialog it names: the cell of its Call-ID is told.
    pub(crate) fn tell_where(&mut self, request: &Message) {
        let call_id = call_id_hash(request.call_id().unwrap_or_default());
        let home = (call_id % u64::from(self.config.cells.max(1))) as u16;
        if home != self.config.cell {
            self.send(home, Body::InviteIsAt { call_id, cell: self.config.cell });
        }
    }

    pub(crate) fn note_invite_at(&mut self, call_id: u64, cell: u16, now: Instant) {
        self.astray.note(call_id, cell, now);
    }

    /// Sends a CANCEL after its INVITE, if that went elsewhere; true: it is on its way.
    pub(crate) fn send_after_invite(&mut self, flow: Flow, data: &Bytes, now: Instant) -> bool {
        if self.astray.0.is_empty() || !data.starts_with(b"CANCEL ") {
            return false;
        }
        let call_id = match sip_stack::placement::owner_hint(data) {
            sip_stack::placement::Hint::CallId(hash) => hash,
            sip_stack::placement::Hint::Cell(_) | sip_stack::placement::Hint::Aor(_) => return false,
        };
        let Some(cell) = self.astray.find(call_id, now) else { return false };
        self.send(cell, Body::Cancel { flow, data: data.clone() });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invites_are_remembered_for_a_while_and_not_too_many() {
        let (mut astray, now) = (Astray::default(), stdx::testing::start());
        astray.note(7, 1, now);
        astray.note(7, 2, now);
        assert_eq!((astray.find(7, now), astray.find(8, now)), (Some(2), None));
        assert_eq!(astray.find(7, now + KEPT), None);
        (0..5_000).for_each(|n| astray.note(n, 3, now));
        assert_eq!((astray.0.len(), astray.find(7, now), astray.find(4_999, now)), (MAX_KEPT, None, Some(3)));
        astray.note(9, 3, now + KEPT);
        assert_eq!(astray.0.len(), 1);
    }
}
