//! Answered sessions as bytes, so that a call outlives its process.

use super::session::{Offer, Session, State};
use super::{Endpoint, Flow, SessionId, Transport};
use crate::dialog::Dialog;

/// Says which form the bytes have.
const VERSION: &[u8] = b"1";

impl Endpoint {
    /// What has to be kept of an answered session to go on with it in another process: its dialog and its flow, some 500 bytes.
    /// None before the answer and after the end. Take it again after re-INVITEs in either direction: they count in it.
    pub fn snapshot(&self, id: SessionId) -> Option<Vec<u8>> {
        let session = self.sessions.get(id).filter(|session| matches!(session.state, State::Open { .. }))?;
        let Flow { transport, local, remote } = session.flow;
        let flow = format!("{transport} {local} {remote}");
        let mut lines = vec![VERSION, flow.as_bytes()];
        let dialog = session.dialog.save();
        lines.extend(dialog.iter().map(|line| &line[..]));
        Some(lines.join(&b'\n'))
    }

    /// Goes on with a session of a former process, as if nothing were under way in it: `reinvite` to find out whether the peer is
    /// still there. None if the bytes are no snapshot, or a session of the same dialog is here already.
    pub fn restore(&mut self, snapshot: &[u8]) -> Option<SessionId> {
        let mut lines = snapshot.split(|b| *b == b'\n');
        if lines.next()? != VERSION {
            return None;
        }
        let flow = flow(std::str::from_utf8(lines.next()?).ok()?)?;
        let dialog = Dialog::load(lines)?;
        let key = self.hasher.dialog(&dialog.call_id, &dialog.local_tag);
        if self.dialogs.contains_key(&key) {
            return None;
        }
        let state = State::Open { offer: Offer::None };
        let id = self.sessions.insert(Session { dialog, flow, key, state, login: None });
        self.dialogs.insert(key, id);
        Some(id)
    }
}

fn flow(text: &str) -> Option<Flow> {
    let mut words = text.split(' ');
    let transport = Transport::from_token(words.next()?.as_bytes())?;
    Some(Flow { transport, local: words.next()?.parse().ok()?, remote: words.next()?.parse().ok()? })
}
