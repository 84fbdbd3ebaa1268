//! A session: an INVITE and the dialog that it makes, from either side.

use std::time::Duration;

use bytes::Bytes;

use super::event::TxId;
use super::flow::Flow;
use crate::auth::Login;
use crate::dialog::Dialog;

/// One session. What is in it lives as long as the call: see the test of its size.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) dialog: Dialog,
    /// The way the peer's messages come, and ours go unless a proxy is to be passed.
    pub(super) flow: Flow,
    /// Its key in the table of dialogs.
    pub(super) key: u128,
    pub(super) state: State,
    /// How we prove who we are to a peer that asks.
    pub(super) login: Option<Box<Login>>,
}

#[derive(Debug)]
pub(super) enum State {
    /// The peer's INVITE has no final response yet.
    Incoming { tx: TxId },
    /// Our INVITE has no final response yet.
    Calling { tx: TxId, cancel: Option<Cancel> },
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

/// Which INVITE is under way inside a dialog: one at a time (§14).
#[derive(Debug)]
pub(super) enum Offer {
    None,
    /// The peer's re-INVITE waits for our answer.
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
    /// Our re-INVITE waits for the peer's answer.
    Ours {
        tx: TxId,
    },
}

/// Our owner hung up before the ACK came: BYE has to wait for it (§15).
#[derive(Debug)]
pub(super) struct Hangup {
    pub(super) reason: Option<Vec<u8>>,
}

impl Session {
    /// True once our owner wants to hear no more of it.
    pub(super) fn is_silent(&self) -> bool {
        match &self.state {
            State::Calling { cancel, .. } => cancel.is_some(),
            State::Open { offer: Offer::Unacked { hangup, .. } } => hangup.is_some(),
            State::Closing => true,
            State::Incoming { .. } | State::Open { .. } => false,
        }
    }
}
