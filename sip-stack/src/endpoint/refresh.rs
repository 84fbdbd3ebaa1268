//! Session timers (RFC 4028): who keeps a session alive, and what happens when nobody does.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::debug;

use super::event::{SessionId, TxId};
use super::receive::Received;
use super::session::{Offer, State};
use super::table::{Kind, Purpose, SessionTimer};
use super::{Ended, Endpoint, Event, Headers};
use crate::message::{Message, Name, Refresher, Status};

/// The option tag.
const TIMER: &str = "timer";
/// RFC 4028 §4: no interval is shorter, whatever the peer says.
const LEAST: u32 = 90;
/// How soon a refresh that could not be made is tried again.
const SOON: Duration = Duration::from_secs(5);

/// How a session is kept alive.
#[derive(Debug)]
pub(super) struct Refresh {
    /// In seconds.
    pub(super) interval: u32,
    /// It is our turn.
    pub(super) ours: bool,
    /// What we described last, for a peer that has to be refreshed by re-INVITE.
    described: Option<Bytes>,
}

/// What our answer says of the session timer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    interval: u32,
    ours: bool,
    /// The peer knows what a session timer is.
    understood: bool,
}

impl Agreed {
    pub(super) fn headers(&self) -> Headers {
        let role = if self.ours { "uas" } else { "uac" };
        let mut headers =
            vec![("Session-Expires".to_owned(), format!("{};refresher={role}", self.interval).into_bytes())];
        if self.understood {
            headers.push(("Require".to_owned(), TIMER.as_bytes().to_vec()));
        }
        headers
    }
}

impl Refresh {
    pub(super) fn restored(interval: u32, ours: bool) -> Self {
        Self { interval, ours, described: None }
    }

    /// How long before its end a session that was not refreshed is hung up (§10).
    fn margin(&self) -> u32 {
        (self.interval / 3).min(32)
    }
}

impl Endpoint {
    /// What our first INVITE says: how long, and not who.
    pub(super) fn timer_offer(&self) -> Option<String> {
        let interval = self.config.session_expires.filter(|_| self.timer)?;
        Some(u64::from(LEAST).max(interval.as_secs()).to_string())
    }

    /// What a re-INVITE or UPDATE of ours says: it stays as it is (§7.4).
    pub(super) fn timer_headers(&self, id: SessionId) -> Headers {
        let Some(refresh) = self.sessions.get(id).and_then(|session| session.refresh.as_ref()) else {
            return Headers::new();
        };
        let role = if refresh.ours { "uac" } else { "uas" };
        vec![("Session-Expires".to_owned(), format!("{};refresher={role}", refresh.interval).into_bytes())]
    }

    /// Refuses an interval that is too short, if its sender can ask for another (§8, §9). True if it did.
    pub(super) fn refuse_brief(&mut self, received: &Received) -> bool {
        let Some(asked) = received.request.session_expires().filter(|_| self.timer) else { return false };
        let least = self.least_interval();
        if asked.interval >= least || !received.request.lists(Name::Supported, TIMER) {
            return false;
        }
        let headers = [("Min-SE".to_owned(), least.to_string().into_bytes())];
        self.refuse(received, Status::SESSION_INTERVAL_TOO_SMALL, &headers);
        true
    }

    fn least_interval(&self) -> u32 {
        u32::try_from(self.config.min_session_expires.as_secs()).unwrap_or(u32::MAX).max(LEAST)
    }

    /// What our 2xx to this request says of the timer (§9); none if there is to be none.
    pub(super) fn timer_for(&self, tx: TxId, id: SessionId) -> Option<Agreed> {
        let ours = self.config.session_expires.filter(|_| self.timer)?;
        let request = match &self.txs.get(tx)?.kind {
            Kind::InviteServer { open: Some(open), .. } | Kind::Server { open: Some(open), .. } => &open.request,
            _ => return None,
        };
        let understood = request.lists(Name::Supported, TIMER);
        let asked = request.session_expires();
        if !understood && asked.is_none() {
            return None;
        }
        let least = request.min_se().unwrap_or(0).max(self.least_interval());
        let wanted = u32::try_from(ours.as_secs()).unwrap_or(u32::MAX).max(least);
        let interval = asked.map_or(wanted, |asked| asked.interval.min(wanted).max(LEAST));
        let kept = self.sessions.get(id).and_then(|session| session.refresh.as_ref()).is_some_and(|known| known.ours);
        let ours = match asked.and_then(|asked| asked.refresher) {
            _ if !understood => true,
            Some(role) => role == Refresher::Uas,
            None => kept,
        };
        Some(Agreed { interval, ours, understood })
    }

    /// Our 2xx is given: the session lives for another interval. `described` is what it said of the media.
    pub(super) fn keep_alive(
        &mut self,
        id: SessionId,
        agreed: Option<Agreed>,
        described: Option<&Bytes>,
        now: Instant,
    ) {
        match agreed {
            Some(Agreed { interval, ours, .. }) => self.set_refresh(id, interval, ours, described, now),
            None => self.stop_refresh(id),
        }
    }

    /// The 2xx to a request of ours says how it goes on (§7.2).
    pub(super) fn timer_answered(
        &mut self,
        id: SessionId,
        response: &Message,
        described: Option<&Bytes>,
        now: Instant,
    ) {
        match response.session_expires().filter(|_| self.timer) {
            Some(answer) => {
                let ours = answer.refresher != Some(Refresher::Uas);
                self.set_refresh(id, answer.interval.max(LEAST), ours, described, now);
            }
            None => self.stop_refresh(id),
        }
    }

    fn set_refresh(&mut self, id: SessionId, interval: u32, ours: bool, described: Option<&Bytes>, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if matches!(session.state, State::Closing) {
            return;
        }
        let before = session.refresh.take().and_then(|refresh| refresh.described);
        let needed = ours && !session.updates;
        // A copy: the body may be part of a whole message, and is kept as long as the call.
        let described = described.filter(|body| needed && !body.is_empty()).map(|body| Bytes::copy_from_slice(body));
        let described = described.or(before.filter(|_| needed));
        let refresh = Refresh { interval, ours, described };
        let (half, margin) = (interval / 2, refresh.margin());
        session.refresh = Some(Box::new(refresh));
        let early = matches!(session.state, State::Incoming { .. } | State::Calling { .. });
        self.disarm_session(id, SessionTimer::Refresh);
        self.disarm_session(id, SessionTimer::Expire);
        if early {
            return;
        }
        let (timer, after) = match ours {
            true => (SessionTimer::Refresh, half),
            false => (SessionTimer::Expire, interval - margin),
        };
        self.arm_session(id, timer, now + Duration::from_secs(after.into()));
    }

    fn stop_refresh(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.refresh = None;
        }
        self.disarm_session(id, SessionTimer::Refresh);
        self.disarm_session(id, SessionTimer::Expire);
    }

    /// Notes what we described in an ACK.
    pub(super) fn note_described(&mut self, id: SessionId, body: &Bytes) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let needed = !session.updates && !body.is_empty();
        if let Some(refresh) = session.refresh.as_mut().filter(|refresh| needed && refresh.ours) {
            refresh.described = Some(body.clone());
        }
    }

    /// What we described last, if that is kept.
    pub(super) fn described(&self, id: SessionId) -> Option<Bytes> {
        self.sessions.get(id)?.refresh.as_ref()?.described.clone()
    }

    /// It is time to keep a session alive (§7.4).
    pub(super) fn refresh_session(&mut self, id: SessionId, now: Instant) {
        let full = self.is_full();
        let Some(session) = self.sessions.get(id) else { return };
        let Some(refresh) = &session.refresh else { return };
        let State::Open { offer } = &session.state else { return };
        let until = Duration::from_secs((refresh.interval - refresh.interval / 2 - refresh.margin()).into());
        let (free, described) = (matches!(offer, Offer::None), refresh.described.is_some());
        if session.armed & SessionTimer::Expire.bit() == 0 {
            self.arm_session(id, SessionTimer::Expire, now + until);
        }
        let Some(session) = self.sessions.get(id) else { return };
        let sent = if full {
            false
        } else if session.updates {
            self.send_update_with(id, None, Purpose::Refresh(id), now).is_some()
        } else {
            free && described && self.send_reinvite(id, None, now)
        };
        if !sent {
            self.arm_session(id, SessionTimer::Refresh, now + SOON);
        }
    }

    /// A refresh has its final response.
    pub(super) fn refresh_ended(&mut self, id: SessionId, status: Status, response: Option<&Message>, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.is_silent() || !matches!(session.state, State::Open { .. }) {
            return;
        }
        match (status, response) {
            (status, Some(response)) if status.is_success() => {
                session.dialog.refresh(response);
                self.timer_answered(id, response, None, now);
            }
            (Status::REQUEST_TIMEOUT | Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, _) | (_, None) => {
                self.lose_dialog(id, now);
            }
            // It said that it takes UPDATE and does not: it lives, at least.
            (Status::METHOD_NOT_ALLOWED | Status::NOT_IMPLEMENTED, _) => {
                let refresh = session.refresh.as_ref().map(|refresh| (refresh.interval, refresh.ours));
                if let Some((interval, ours)) = refresh {
                    self.set_refresh(id, interval, ours, None, now);
                }
            }
            (Status::REQUEST_PENDING, _) => {
                let pause = self.glare_pause(id);
                self.arm_session(id, SessionTimer::Refresh, now + pause);
            }
            _ => self.arm_session(id, SessionTimer::Refresh, now + SOON),
        }
    }

    /// Nobody kept the session alive (§10).
    pub(super) fn expire_session(&mut self, id: SessionId, now: Instant) {
        debug!("a session was not refreshed in time");
        self.stats.expired += 1;
        let silent = self.sessions.get(id).is_none_or(super::session::Session::is_silent);
        self.say_bye(id, Some(b"SIP;cause=408;text=\"Session Timer Expired\"".to_vec()), now);
        if !silent {
            self.event(Event::Ended { session: id, how: Ended::Expired, reason: None, request: None });
        }
    }
}
