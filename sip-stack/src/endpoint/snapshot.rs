//! Answered sessions as bytes, so that a call outlives its process; and calls of ours that ring, so that another process can end them.

use super::refresh::Refresh;
use super::session::{Offer, Session, State};
use super::table::{Kind, Tx};
use super::{Endpoint, Flow, SessionId, Transport, TxId};
use crate::dialog::Dialog;
use crate::message::{Message, Method, Via};
use crate::transaction::InviteClient;
use bytes::Bytes;
use smallvec::SmallVec;
use std::time::Instant;

/// Says which form the bytes have.
const VERSION: &[u8] = b"1";

/// The former process may have sent so many requests since the snapshot. Numbers only have to rise: a gap is no error (RFC 3261 §12.2.2).
const UNSEEN: u32 = 1_000;

impl Endpoint {
    /// What has to be kept of an answered session to go on with it in another process: its dialog, its flow, how it is kept alive; some
    /// 500 bytes.
    /// None before the answer and after the end. Take it again after re-INVITEs in either direction: they count in it.
    pub fn snapshot(&self, id: SessionId) -> Option<Vec<u8>> {
        let session = self.sessions.get(id).filter(|session| matches!(session.state, State::Open { .. }))?;
        let Flow { transport, local, remote } = session.flow;
        let (interval, ours) = session.refresh.as_ref().map_or((0, false), |known| (known.interval, known.ours));
        let [caller, updates, ours, by_flow] = [session.caller, session.updates, ours, session.by_flow].map(u8::from);
        let flow = format!("{transport} {local} {remote} {caller} {updates} {ours} {interval} {by_flow}");
        let mut lines = vec![VERSION, flow.as_bytes()];
        let dialog = session.dialog.save();
        lines.extend(dialog.iter().map(|line| &line[..]));
        Some(lines.join(&b'\n'))
    }

    /// Goes on with a session of a former process, as if nothing were under way in it: `reinvite` to find out whether the peer is
    /// still there; with its answer the session timer runs again. None if the bytes are no snapshot, or a session of the same dialog is here already.
    pub fn restore(&mut self, snapshot: &[u8]) -> Option<SessionId> {
        let mut lines = snapshot.split(|b| *b == b'\n');
        if lines.next()? != VERSION {
            return None;
        }
        let first = std::str::from_utf8(lines.next()?).ok()?;
        let flow = flow(first)?;
        let mut dialog = Dialog::load(lines)?;
        dialog.skip(UNSEEN);
        let key = self.hasher.dialog(&dialog.call_id, &dialog.local_tag);
        if self.dialogs.contains_key(&key) {
            return None;
        }
        let state = State::Open { offer: Offer::None };
        let mut session = Session::new(dialog, flow, key, state);
        // Bytes of an older process end after the flow.
        let mut flags = first.split(' ').skip(3);
        let mut flag = || flags.next() == Some("1");
        (session.caller, session.updates) = (flag(), flag());
        let ours = flag();
        let interval = flags.next().and_then(|interval| interval.parse().ok()).filter(|interval| *interval > 0);
        session.by_flow = flags.next() == Some("1");
        session.refresh = interval.map(|interval| Box::new(Refresh::restored(interval, ours)));
        let id = self.sessions.insert(session);
        self.dialogs.insert(key, id);
        Some(id)
    }

    /// What another process needs to end our INVITE, which nobody has answered: the INVITE itself, some 1000 bytes. None in every other
    /// state.
    pub fn snapshot_calling(&self, id: SessionId) -> Option<Vec<u8>> {
        let State::Calling { tx, cancel: None, .. } = &self.sessions.get(id)?.state else { return None };
        let tx = self.txs.get(*tx)?;
        let Kind::InviteClient { invite, .. } = &tx.kind else { return None };
        let Flow { transport, local, remote } = tx.flow;
        Some([format!("{transport} {local} {remote}\n").as_bytes(), invite].concat())
    }

    /// Ends a call that a former process had begun and nobody had answered: CANCEL, or BYE if its answer crosses that (RFC 3261 §15). By now
    /// its INVITE has arrived, or never will. No event follows. False if the bytes are no snapshot of such a call, or it is here already.
    pub fn cancel_former(&mut self, snapshot: &[u8], reason: Option<Vec<u8>>, now: Instant) -> bool {
        self.restore_calling(snapshot).map(|id| self.hangup(id, reason, now)).is_some()
    }

    fn restore_calling(&mut self, snapshot: &[u8]) -> Option<SessionId> {
        let (first, invite) = snapshot.split_at_checked(snapshot.iter().position(|b| *b == b'\n')?)?;
        let flow = flow(std::str::from_utf8(first).ok()?)?;
        let invite = Bytes::copy_from_slice(&invite[1..]);
        let message = Message::parse_datagram(invite.clone()).ok().filter(|m| m.method() == Some(Method::Invite))?;
        let key = self.hasher.client(message.via().ok().as_ref().and_then(Via::branch)?, &Method::Invite);
        let dialog = Dialog::of_our_invite(&message);
        let place = self.hasher.dialog(&dialog.call_id, &dialog.local_tag);
        if self.dialogs.contains_key(&place) || self.by_key.contains_key(&key) {
            return None;
        }
        let state = State::Calling { tx: TxId::default(), cancel: None, early: Vec::new() };
        let mut session = Session::new(dialog, flow, place, state);
        session.caller = true;
        let id = self.sessions.insert(session);
        self.dialogs.insert(place, id);
        let machine = InviteClient::proceeding();
        let (forks, others) = (SmallVec::new(), Vec::new());
        let kind = Kind::InviteClient { machine, invite, inside: false, forks, others, again: None };
        let tx = self.add_tx(Tx { kind, flow, key, session: Some(id), armed: 0 });
        if let Some(session) = self.sessions.get_mut(id) {
            session.state = State::Calling { tx, cancel: None, early: Vec::new() };
        }
        Some(id)
    }
}

pub(super) fn flow(text: &str) -> Option<Flow> {
    let mut words = text.split(' ');
    let transport = Transport::from_token(words.next()?.as_bytes())?;
    Some(Flow { transport, local: words.next()?.parse().ok()?, remote: words.next()?.parse().ok()? })
}
