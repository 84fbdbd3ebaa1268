//! Early dialogs of our INVITEs: one for each fork that rings (RFC 3261 §12.1.2), with reliable provisional responses in them
//! (RFC 3262 §4).

use std::time::Instant;

use bytes::Bytes;
use tracing::debug;

use super::event::{SessionId, TxId};
use super::session::{Exchange, Offer, State};
use super::table::{Kind, Purpose, SessionTimer};
use super::uas::SDP;
use super::{Endpoint, Event};
use crate::dialog::{Dialog, tag_of};
use crate::message::{Message, Method, Name, Status};

/// How many early dialogs one INVITE of ours may make. The ringing of more is told, but nothing can be said in them.
const MAX_EARLY: usize = 8;

/// One fork that rings.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) dialog: Dialog,
    /// RSeq of the last reliable response that we took.
    rseq: Option<u32>,
    /// What its reliable responses said of the media.
    pub(super) described: Described,
    pub(super) exchange: Exchange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Described {
    No,
    /// An offer, which our PRACK is to answer.
    Offer {
        rseq: u32,
        seq: u32,
    },
    /// There was an offer and an answer.
    Agreed,
}

/// What becomes of a provisional response.
enum Reliable {
    /// It is none of those.
    No,
    /// It came before, or one before it is missing (RFC 3262 §4): it does not count.
    Ignored,
    /// It is to be acknowledged now.
    Prack { rseq: u32, seq: u32 },
    /// It has an offer: our owner answers it first.
    Offer,
}

impl Endpoint {
    /// A 101–199 to an INVITE of ours that is not given up.
    pub(super) fn provisional_received(&mut self, id: SessionId, status: Status, response: &Message, now: Instant) {
        let tag = tag_of(response);
        match self.note_early(id, &tag, response) {
            Reliable::Ignored => return,
            Reliable::Prack { rseq, seq } => self.send_prack(id, &tag, rseq, seq, None, now),
            Reliable::No | Reliable::Offer => {}
        }
        self.event(Event::Provisional { session: id, status, message: response.clone() });
    }

    fn note_early(&mut self, id: SessionId, tag: &[u8], response: &Message) -> Reliable {
        let Some(State::Calling { tx, .. }) = self.sessions.get(id).map(|session| &session.state) else {
            return Reliable::No;
        };
        let (late, seq) = (self.asks_for_offer(*tx), self.seq_of(*tx));
        let Some(session) = self.sessions.get_mut(id) else { return Reliable::No };
        if response.header(Name::Allow).is_some() {
            session.updates = response.lists(Name::Allow, "UPDATE");
        }
        let State::Calling { early, .. } = &mut session.state else { return Reliable::No };
        if tag.is_empty() {
            return Reliable::No;
        }
        let at = match early.iter().position(|early| *early.dialog.remote_tag == *tag) {
            Some(at) => at,
            None if early.len() >= MAX_EARLY => {
                debug!("too many forks ring: one is not followed");
                return Reliable::No;
            }
            None => {
                let dialog = session.dialog.clone();
                early.push(Early { dialog, rseq: None, described: Described::No, exchange: Exchange::None });
                early.len() - 1
            }
        };
        let early = &mut early[at];
        let rseq = response.rseq().ok().flatten().filter(|_| response.lists(Name::Require, "100rel"));
        if let (Some(rseq), Some(last)) = (rseq, early.rseq)
            && rseq != last.wrapping_add(1)
        {
            return Reliable::Ignored;
        }
        early.dialog.establish(response);
        let Some(rseq) = rseq else { return Reliable::No };
        early.rseq = Some(rseq);
        if response.body().is_empty() {
            return Reliable::Prack { rseq, seq };
        }
        if late && early.described == Described::No {
            early.described = Described::Offer { rseq, seq };
            return Reliable::Offer;
        }
        if !matches!(early.described, Described::Offer { .. }) {
            early.described = Described::Agreed;
        }
        Reliable::Prack { rseq, seq }
    }

    /// Whether our INVITE asks the peer for an offer.
    fn is_late(&self, id: SessionId) -> bool {
        let Some(State::Calling { tx, .. }) = self.sessions.get(id).map(|session| &session.state) else { return false };
        self.asks_for_offer(*tx)
    }

    /// Whether an INVITE of ours has no body.
    pub(super) fn asks_for_offer(&self, tx: TxId) -> bool {
        let Some(Kind::InviteClient { invite, .. }) = self.txs.get(tx).map(|tx| &tx.kind) else { return false };
        // The body is last, and what we write says its length before it.
        invite.ends_with(b"\r\n\r\n") && invite.ends_with(b"Content-Length: 0\r\n\r\n")
    }

    /// Acknowledges a reliable provisional response (RFC 3262 §4).
    fn send_prack(&mut self, id: SessionId, tag: &[u8], rseq: u32, seq: u32, answer: Option<&Bytes>, now: Instant) {
        let headers = [("RAck".to_owned(), format!("{rseq} {seq} INVITE").into_bytes())];
        let Some(draft) = self.draft(id, Some(tag), &Method::Prack, &headers) else { return };
        let body = answer.map(|answer| (SDP, &answer[..]));
        self.send_draft(id, draft, body, Purpose::Errand, now);
    }

    /// Answers the offer of a reliable provisional response in its PRACK; false if there is none.
    pub(super) fn answer_in_prack(&mut self, id: SessionId, answer: &Bytes, now: Instant) -> bool {
        let Some(State::Calling { early, cancel: None, .. }) = self.sessions.get_mut(id).map(|s| &mut s.state) else {
            return false;
        };
        let Some(early) = early.iter_mut().rev().find(|early| matches!(early.described, Described::Offer { .. }))
        else {
            return false;
        };
        let Described::Offer { rseq, seq } = early.described else { return false };
        early.described = Described::Agreed;
        let tag = early.dialog.remote_tag.to_vec();
        self.send_prack(id, &tag, rseq, seq, Some(answer).filter(|answer| !answer.is_empty()), now);
        true
    }

    /// The 2xx of a fork: its early dialog, if it rang, becomes the dialog, and what was under way in it goes on. True if the 2xx has
    /// an offer that waits for an answer.
    pub(super) fn settle(&mut self, id: SessionId, tag: &[u8], response: &Message) -> (bool, Offer) {
        let late = self.is_late(id);
        let Some(session) = self.sessions.get_mut(id) else { return (false, Offer::None) };
        if response.header(Name::Allow).is_some() {
            session.updates = response.lists(Name::Allow, "UPDATE");
        }
        let (mut agreed, mut offer) = (false, Offer::None);
        if let State::Calling { early, .. } = &mut session.state
            && let Some(at) = early.iter().position(|early| *early.dialog.remote_tag == *tag)
        {
            let early = early.swap_remove(at);
            agreed = early.described == Described::Agreed;
            offer = early.exchange.into();
            session.dialog = early.dialog;
        }
        session.dialog.establish(response);
        (late && !agreed && !response.body().is_empty(), offer)
    }

    /// The other forks may answer as well: what was said in their dialogs counts when they are hung up.
    pub(super) fn keep_others(&mut self, id: SessionId, tx: TxId) {
        let Some(State::Calling { early, .. }) = self.sessions.get_mut(id).map(|session| &mut session.state) else {
            return;
        };
        let rest: Vec<_> = early.drain(..).map(|early| early.dialog).collect();
        if let Some(Kind::InviteClient { others, .. }) = self.txs.get_mut(tx).map(|tx| &mut tx.kind) {
            *others = rest;
        }
    }

    /// The early dialog of a fork that answers after another one.
    pub(super) fn other_fork(&mut self, tx: TxId, tag: &[u8]) -> Option<Dialog> {
        let Some(Kind::InviteClient { others, .. }) = self.txs.get_mut(tx).map(|tx| &mut tx.kind) else { return None };
        let at = others.iter().position(|dialog| *dialog.remote_tag == *tag)?;
        Some(others.swap_remove(at))
    }

    /// Timer C (RFC 3261 §16.6, §16.8): nobody answered although somebody said that he would.
    pub(super) fn lose_patience(&mut self, id: SessionId, now: Instant) {
        self.stats.timeouts += 1;
        self.cancel_call(id, Some(b"SIP;cause=408".to_vec()), now);
        self.event(Event::Rejected { session: id, status: Status::REQUEST_TIMEOUT, message: None });
    }

    /// Begins or renews timer C.
    pub(super) fn wait_for_answer(&mut self, id: SessionId, now: Instant) {
        self.arm_session(id, SessionTimer::Answer, now + self.config.timer_c);
    }
}
