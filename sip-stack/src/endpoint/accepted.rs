//! 2xx to our INVITEs: each is acknowledged (RFC 3261 §13.2.2.4), that of the first fork makes the dialog, the others are hung up.

use std::time::Instant;

use bytes::Bytes;
use tracing::debug;

use super::event::{SessionId, TxId};
use super::session::{Offer, State};
use super::table::{Fork, Kind, Purpose, SessionTimer};
use super::uas::SDP;
use super::{Endpoint, Event, Flow};
use crate::dialog::{Dialog, tag_of};
use crate::message::{Message, Method, Name, Status};

/// How many dialogs one INVITE of ours may make; 2xx beyond are not acknowledged.
const MAX_FORKS: usize = 8;

impl Endpoint {
    /// A 2xx: acknowledged whatever became of the session (RFC 3261 §13.2.2.4).
    pub(super) fn invite_accepted(&mut self, tx: TxId, session: Option<SessionId>, response: &Message, now: Instant) {
        let tag = tag_of(response);
        let Some(Kind::InviteClient { forks, .. }) = self.txs.get(tx).map(|tx| &tx.kind) else { return };
        if let Some(fork) = forks.iter().find(|fork| fork.tag == tag) {
            let (flow, ack) = (fork.flow, fork.ack.clone());
            if let Some(ack) = ack {
                self.transmit(flow, ack, session, true);
            }
            return;
        }
        let first = forks.is_empty();
        if forks.len() >= MAX_FORKS {
            self.stats.stray_responses += 1;
            return;
        }
        let seq = self.seq_of(tx);
        let alive = session.filter(|_| first).and_then(|id| Some((id, self.sessions.get_mut(id)?)));
        let Some((id, session)) = alive else { return self.refuse_fork(tx, session, tag, response, now) };
        match &mut session.state {
            State::Calling { cancel, .. } => {
                let cancelled = cancel.take().map(|cancel| cancel.reason);
                let (answers, offer) = self.settle(id, &tag, response);
                self.end_exchanges(id, now);
                self.keep_others(id, tx);
                self.disarm_session(id, SessionTimer::Patience);
                self.disarm_session(id, SessionTimer::Answer);
                let described = self.body_of(tx);
                if let Some(session) = self.sessions.get_mut(id) {
                    session.state = State::Open { offer };
                }
                self.acknowledge_or_wait(id, tx, &tag, seq, answers && cancelled.is_none(), now);
                match cancelled {
                    Some(reason) => self.say_bye(id, reason, now),
                    None => {
                        self.timer_answered(id, response, described.as_ref(), now);
                        self.event(Event::Accepted { session: id, message: response.clone() });
                        self.offer_settled(id, now);
                    }
                }
            }
            State::Open { .. } => self.reinvite_accepted(id, tx, &tag, response, now),
            State::Closing => self.acknowledge_or_wait(id, tx, &tag, seq, false, now),
            State::Incoming { .. } => {}
        }
    }

    /// A 2xx to a re-INVITE of ours.
    fn reinvite_accepted(&mut self, id: SessionId, tx: TxId, tag: &[u8], response: &Message, now: Instant) {
        let answers = self.asks_for_offer(tx) && !response.body().is_empty();
        let described = self.body_of(tx);
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.dialog.refresh(response);
        if response.header(Name::Allow).is_some() {
            session.updates = response.lists(Name::Allow, "UPDATE");
        }
        let State::Open { offer } = &mut session.state else { return };
        let ours = matches!(offer, Offer::Ours { tx: ours, .. } if *ours == tx);
        let mut silent = !ours;
        if ours && let Offer::Ours { asked, .. } = std::mem::replace(offer, Offer::None) {
            silent = asked.is_none();
        }
        let seq = self.seq_of(tx);
        self.acknowledge_or_wait(id, tx, tag, seq, answers && !silent, now);
        self.timer_answered(id, response, described.as_ref(), now);
        if !silent {
            let status = response.status().unwrap_or(Status::OK);
            self.event(Event::Reanswered { session: id, status, message: Some(response.clone()) });
        }
        self.offer_settled(id, now);
    }

    /// The number of an INVITE of ours, whatever its response says.
    pub(super) fn seq_of(&self, tx: TxId) -> u32 {
        const CSEQ: &[u8] = b"\r\nCSeq: ";
        let Some(Kind::InviteClient { invite, .. }) = self.txs.get(tx).map(|tx| &tx.kind) else { return 0 };
        let Some(at) = memchr::memmem::find(invite, CSEQ) else { return 0 };
        let digits = invite[at + CSEQ.len()..].iter().take_while(|b| b.is_ascii_digit());
        digits.fold(0, |seq: u32, digit| seq.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')))
    }

    /// What an INVITE of ours described.
    fn body_of(&self, tx: TxId) -> Option<Bytes> {
        let Some(Kind::InviteClient { invite, .. }) = self.txs.get(tx).map(|tx| &tx.kind) else { return None };
        let end = memchr::memmem::find(invite, b"\r\n\r\n")?;
        Some(invite.slice(end + 4..)).filter(|body| !body.is_empty())
    }

    /// Sends the ACK for a 2xx of a session, or waits for our owner's answer to the offer in it.
    fn acknowledge_or_wait(&mut self, id: SessionId, tx: TxId, tag: &[u8], seq: u32, answers: bool, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let fork = Fork { tag: tag.to_vec(), ack: None, flow: session.dialog.next_hop(session.flow) };
        if answers {
            session.state = State::Open { offer: Offer::Answering { tx, tag: tag.to_vec(), seq } };
        }
        self.keep_ack(tx, fork);
        if answers {
            self.arm_session(id, SessionTimer::Patience, now + self.config.t1 * 64);
        } else {
            self.send_ack(id, tx, tag, seq, None);
        }
    }

    /// Sends the ACK for a 2xx and keeps it for repetitions.
    pub(super) fn send_ack(&mut self, id: SessionId, tx: TxId, tag: &[u8], seq: u32, answer: Option<&Bytes>) {
        let branch = self.branch();
        let Some(session) = self.sessions.get(id) else { return };
        let flow = session.dialog.next_hop(session.flow);
        let Some(ack) = self.write_ack(&session.dialog, &branch, &flow, tx, seq, answer) else { return };
        if let Some(Kind::InviteClient { forks, .. }) = self.txs.get_mut(tx).map(|tx| &mut tx.kind)
            && let Some(fork) = forks.iter_mut().find(|fork| fork.tag == tag)
        {
            fork.ack = Some(ack.clone());
        }
        self.transmit(flow, ack, Some(id), false);
    }

    /// A 2xx from a second fork, or one that came when the session was gone: acknowledged and hung up.
    fn refuse_fork(&mut self, tx: TxId, session: Option<SessionId>, tag: Vec<u8>, response: &Message, now: Instant) {
        let Some(Kind::InviteClient { invite, inside, .. }) = self.txs.get(tx).map(|tx| &tx.kind) else { return };
        let over = *inside;
        let Ok(invite) = Message::parse_datagram(invite.clone()) else { return };
        let Some(known) = self.txs.get(tx).map(|tx| tx.flow) else { return };
        // The answer to a re-INVITE after our BYE ends nothing anew.
        let mut dialog = self.other_fork(tx, &tag).unwrap_or_else(|| Dialog::of_our_invite(&invite));
        if over {
            dialog.refresh(response);
        } else {
            debug!(flow = ?known, "2xx of a second fork is hung up");
            self.stats.second_forks += 1;
            dialog.establish(response);
        }
        let flow = dialog.next_hop(known);
        let (ack_branch, bye_branch) = (self.branch(), self.branch());
        let seq = self.seq_of(tx);
        if let Some(ack) = self.write_ack(&dialog, &ack_branch, &flow, tx, seq, None) {
            self.keep_ack(tx, Fork { tag, ack: Some(ack.clone()), flow });
            self.transmit(flow, ack, session, false);
        }
        if over {
            return;
        }
        let seq = dialog.next_seq();
        if let Some(mut bye) = dialog.request(&Method::Bye, seq, &bye_branch, &flow) {
            bye.header(Name::UserAgent, &self.config.server);
            let key = self.hasher.client(bye_branch.as_bytes(), &Method::Bye);
            self.send_request(bye.finish(), flow, key, Purpose::Errand, session, None, now);
        }
    }

    fn write_ack(
        &self,
        dialog: &Dialog,
        branch: &str,
        flow: &Flow,
        tx: TxId,
        seq: u32,
        answer: Option<&Bytes>,
    ) -> Option<Bytes> {
        let mut ack = dialog.request(&Method::Ack, seq, branch, flow)?;
        ack.header(Name::UserAgent, &self.config.server);
        // The ACK carries the credentials of its INVITE, for it cannot be challenged (RFC 3261 §22.1).
        if let Some(Kind::InviteClient { invite, again: Some(_), .. }) = self.txs.get(tx).map(|tx| &tx.kind)
            && let Ok(invite) = Message::parse_datagram(invite.clone())
        {
            ack.copy(&invite, Name::Authorization).copy(&invite, Name::ProxyAuthorization);
        }
        Some(match answer {
            Some(answer) => ack.finish_with_body(SDP, answer),
            None => ack.finish(),
        })
    }

    fn keep_ack(&mut self, tx: TxId, fork: Fork) {
        if let Some(Kind::InviteClient { forks, .. }) = self.txs.get_mut(tx).map(|tx| &mut tx.kind) {
            forks.push(fork);
        }
    }
}
