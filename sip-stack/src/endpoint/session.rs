//! A session: an INVITE and the dialog that it makes, from either side.

use std::time::Duration;

use bytes::Bytes;

use super::Headers;
use super::early::Early;
use super::event::TxId;
use super::flow::Flow;
use super::offer::Waiting;
use super::refresh::Refresh;
use super::reliable::Reliable;
use crate::auth::Login;
use crate::dialog::Dialog;

/// One session. What is in it lives as long as the call: see the test of its size.
#[derive(Debug)]
pub(super) struct Session {
    /// Of our own INVITE without the peer's half until that is answered; meanwhile the early dialogs have each their own.
    pub(super) dialog: Dialog,
    /// The way the peer's messages come, and ours go unless a proxy is to be passed.
    pub(super) flow: Flow,
    /// Its key in the table of dialogs.
    pub(super) key: u128,
    pub(super) state: State,
    /// How we prove who we are to a peer that asks.
    pub(super) login: Option<Box<Login>>,
    /// How it is kept alive (RFC 4028).
    pub(super) refresh: Option<Box<Refresh>>,
    /// An offer that met another one and waits for its time (RFC 3261 §14.1).
    pub(super) waiting: Option<Box<Waiting>>,
    /// We began it: the Call-ID is ours.
    pub(super) caller: bool,
    /// Its requests stay on its flow, however long they are.
    pub(super) by_flow: bool,
    /// The peer has sent a REFER in it.
    pub(super) referred: bool,
    /// What the responses to its INVITE and its BYE carry for its owner.
    pub(super) carried: Option<Box<Headers>>,
    /// The peer takes UPDATE.
    pub(super) updates: bool,
    /// Which of its deadlines are set, a bit each.
    pub(super) armed: u8,
}

#[derive(Debug)]
pub(super) enum State {
    /// The peer's INVITE has no final response yet.
    Incoming {
        tx: TxId,
        /// Once we have given a provisional response reliably.
        early: Option<Box<Reliable>>,
    },
    /// Our INVITE has no final response yet.
    Calling {
        tx: TxId,
        cancel: Option<Cancel>,
        /// The dialogs of its provisional responses, one for each To tag.
        early: Vec<Early>,
    },
    /// There is a dialog.
    Open { offer: Offer },
    /// Our BYE is under way; nobody but the peer cares any more.
    Closing,
}

/// Our owner hung up before the answer.
#[derive(Debug)]
pub(super) struct Cancel {
    pub(super) reason: Option<Vec<u8>>,
    /// CANCEL is sent; before a provisional response came it may not be (RFC 3261 §9.1).
    pub(super) sent: bool,
}

/// Which INVITE or UPDATE is under way inside a dialog: one at a time (§14).
#[derive(Debug)]
pub(super) enum Offer {
    None,
    /// The peer's waits for our answer.
    Theirs {
        tx: TxId,
    },
    /// Our 2xx waits for its ACK.
    Unacked {
        seq: u32,
        response: Bytes,
        resend_in: Duration,
        hangup: Option<Hangup>,
    },
    /// Ours waits for the peer's answer.
    Ours {
        tx: TxId,
        /// What our owner asked for; none if we only keep the session alive.
        asked: Option<Box<Waiting>>,
    },
    /// The peer's 2xx has an offer, which our ACK is to answer.
    Answering {
        tx: TxId,
        tag: Vec<u8>,
        seq: u32,
    },
}

/// The same in an early dialog, where only PRACK and UPDATE carry offers.
#[derive(Debug, Default)]
pub(super) enum Exchange {
    #[default]
    None,
    Theirs(TxId),
    Ours {
        tx: TxId,
        asked: Option<Box<Waiting>>,
    },
}

impl Exchange {
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl From<Exchange> for Offer {
    /// What was begun in an early dialog goes on in the dialog.
    fn from(exchange: Exchange) -> Self {
        match exchange {
            Exchange::None => Self::None,
            Exchange::Theirs(tx) => Self::Theirs { tx },
            Exchange::Ours { tx, asked } => Self::Ours { tx, asked },
        }
    }
}

/// Our owner hung up before the ACK came: BYE has to wait for it (§15).
#[derive(Debug)]
pub(super) struct Hangup {
    pub(super) reason: Option<Vec<u8>>,
}

impl Session {
    pub(super) fn new(dialog: Dialog, flow: Flow, key: u128, state: State) -> Self {
        Self {
            dialog,
            flow,
            key,
            state,
            login: None,
            refresh: None,
            waiting: None,
            caller: false,
            by_flow: false,
            referred: false,
            carried: None,
            updates: false,
            armed: 0,
        }
    }

    /// True once our owner wants to hear no more of it.
    pub(super) fn is_silent(&self) -> bool {
        match &self.state {
            State::Calling { cancel, .. } => cancel.is_some(),
            State::Open { offer: Offer::Unacked { hangup, .. } } => hangup.is_some(),
            State::Closing => true,
            State::Incoming { .. } | State::Open { .. } => false,
        }
    }

    /// The dialog with this tag of the peer, or the one that is to come.
    pub(super) fn dialog_to(&mut self, tag: &[u8]) -> &mut Dialog {
        if let State::Calling { early, .. } = &mut self.state
            && let Some(early) = early.iter_mut().find(|early| *early.dialog.remote_tag == *tag)
        {
            return &mut early.dialog;
        }
        &mut self.dialog
    }

    /// Whether this is the peer's tag in the dialog, or in one of those that may become it.
    pub(super) fn has_remote_tag(&self, tag: &[u8]) -> bool {
        match &self.state {
            State::Calling { early, .. } => early.iter().any(|early| *early.dialog.remote_tag == *tag),
            State::Incoming { .. } | State::Open { .. } | State::Closing => *self.dialog.remote_tag == *tag,
        }
    }

    /// The dialog in which we may say something: of several early ones the latest.
    pub(super) fn speaking_dialog(&mut self) -> Option<&mut Dialog> {
        match &mut self.state {
            State::Calling { early, .. } => early.last_mut().map(|early| &mut early.dialog),
            State::Incoming { .. } | State::Open { .. } | State::Closing => Some(&mut self.dialog),
        }
    }

    /// The exchange of offers in an early dialog; none if there is no place for one.
    pub(super) fn exchange_mut(&mut self, tag: Option<&[u8]>) -> Option<&mut Exchange> {
        match &mut self.state {
            State::Incoming { early, .. } => early.as_deref_mut().map(|early| &mut early.exchange),
            State::Calling { early, .. } => {
                let found = match tag {
                    Some(tag) => early.iter_mut().find(|early| *early.dialog.remote_tag == *tag),
                    None => early.last_mut(),
                };
                found.map(|early| &mut early.exchange)
            }
            State::Open { .. } | State::Closing => None,
        }
    }
}
