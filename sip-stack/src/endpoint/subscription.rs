//! Subscriptions that peers hold with us (RFC 6665 §4.2): their dialogs, their time, one NOTIFY at a time.
//!
//! Our owner decides who may subscribe and what is told; the endpoint answers refreshes, keeps the time, and ends what the peer no
//! longer wants. While a NOTIFY waits for its answer, the newest notice waits behind it and replaces an older one: a slow phone is
//! told the state, not the history.

use std::time::{Duration, Instant};

use bytes::Bytes;
use stdx::Wall;
use tracing::debug;

use super::event::TxId;
use super::receive::Received;
use super::table::{Deadline, Kind, Purpose};
use super::{Endpoint, Event, Flow, Headers, RequestId, SessionId};
use crate::dialog::{Dialog, Order};
use crate::message::{Message, Method, Name, Status};
use crate::transaction::Class;

/// Says which form the bytes of a snapshot have.
const VERSION: &[u8] = b"1";

/// How long a REFER's progress is reported at most.
const REFER: Duration = Duration::from_secs(180);

slotmap::new_key_type! {
    /// A subscription that a peer holds with us. Never used again after its end.
    pub struct SubscriptionId;
}

/// What happened to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The peer renewed it, and 200 is sent: tell it the whole state (RFC 6665 §4.2.1.2).
    Renewed,
    /// The last NOTIFY was answered, and no other waits.
    Notified,
    /// The peer took it back, and 200 is sent: [`Endpoint::notify`] a last time with [`Standing::Terminated`].
    Unsubscribed,
    /// Its time is over: [`Endpoint::notify`] a last time with [`Standing::Terminated`].
    Lapsed,
    /// It is gone: the peer did not answer a NOTIFY, or wants none.
    Ended,
}

/// How a subscription stands, as Subscription-State says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits for somebody's consent.
    Pending,
    /// It is granted.
    Active,
    /// This is the last notice.
    Terminated {
        /// `timeout`, `deactivated`, `rejected`, `noresource`, `probation`, `giveup` … (RFC 6665 §4.1.3).
        reason: &'static str,
        /// When the peer may try again.
        retry_after: Option<Duration>,
    },
}

/// What a NOTIFY says.
#[derive(Clone, Debug)]
pub struct Notice {
    /// How the subscription stands.
    pub standing: Standing,
    /// Content type and body.
    pub body: Option<(&'static str, Bytes)>,
}

/// One subscription, a few hundred bytes.
#[derive(Debug)]
pub(super) struct Subscription {
    dialog: Dialog,
    flow: Flow,
    key: u128,
    /// The session in whose dialog it was made by REFER: while that lives, both count their requests together.
    session: Option<SessionId>,
    /// The value of Event in its NOTIFYs: package and id.
    event: Box<[u8]>,
    expires_at: Instant,
    /// The peer knows that it ends, or will by the last notice.
    ending: bool,
    /// The NOTIFY that waits for its answer.
    outstanding: Option<TxId>,
    /// What is told next.
    next: Option<Notice>,
}

impl Endpoint {
    /// Grants a SUBSCRIBE: 200 with Expires, and a dialog. The owner says [`notify`](Self::notify) next, at once. None if nothing comes of it; the
    /// answer is then given (423 with Min-Expires, 503).
    ///
    /// A SUBSCRIBE with Expires 0 only asks once: the notice that follows is its last, whatever its standing says (RFC 6665 §4.4.3).
    pub fn accept_subscription(&mut self, id: RequestId, now: Instant) -> Option<SubscriptionId> {
        let request = self.open_request(id)?;
        let granted = match self.grant(&request) {
            Ok(granted) => granted,
            Err(least) => {
                self.respond(id, Status::INTERVAL_TOO_BRIEF, least, None, now);
                return None;
            }
        };
        let event = request.header(Name::Event).unwrap_or_default();
        let subscription = self.add_subscription(id, &request, event, granted, now)?;
        let headers = self.grant_headers(subscription, granted);
        self.respond(id, Status::OK, headers, None, now);
        Some(subscription)
    }

    /// Accepts a REFER with 202, and with it the subscription that it implies (RFC 3515 §2.4.4): the first NOTIFY, `100 Trying`, is sent. None if
    /// the peer wants no notices (`Refer-Sub: false`, RFC 4488), or the answer is 503.
    pub fn accept_refer(&mut self, id: RequestId, now: Instant) -> Option<SubscriptionId> {
        let request = self.open_request(id)?;
        if request.header(Name::ReferSub).is_some_and(|value| value.to_ascii_lowercase().starts_with(b"false")) {
            self.respond(id, Status::ACCEPTED, vec![("Refer-Sub".to_owned(), b"false".to_vec())], None, now);
            return None;
        }
        // The first in a dialog needs no number, and not every phone looks for one; later ones are told apart by theirs (RFC 3515 §2.4.6).
        let session = self.txs.get(id.0).and_then(|tx| tx.session).and_then(|id| self.sessions.get_mut(id));
        let later = session.is_some_and(|session| std::mem::replace(&mut session.referred, true));
        let event = match request.cseq() {
            Ok((seq, _)) if later => format!("refer;id={seq}"),
            _ => "refer".to_owned(),
        };
        let subscription = self.add_subscription(id, &request, event.as_bytes(), REFER, now)?;
        let contact = self.subscriptions.get(subscription).map(|known| known.dialog.contact.to_vec());
        let headers = vec![("Contact".to_owned(), contact.unwrap_or_default())];
        self.respond(id, Status::ACCEPTED, headers, None, now);
        self.notify_refer(subscription, Status::TRYING, now);
        Some(subscription)
    }

    /// Tells a referrer how the call that it asked for goes: a status line as `message/sipfrag`. A final status is the last notice.
    pub fn notify_refer(&mut self, id: SubscriptionId, status: Status, now: Instant) {
        let over = Standing::Terminated { reason: "noresource", retry_after: None };
        let standing = if status.is_final() { over } else { Standing::Active };
        let body = format!("SIP/2.0 {} {}\r\n", status.code(), status.phrase());
        self.notify(id, Notice { standing, body: Some(("message/sipfrag;version=2.0", body.into())) }, now);
    }

    /// Tells a subscriber, now or as soon as the last NOTIFY is answered; a notice that still waits is replaced. After a notice that says
    /// `Terminated` no event names the subscription any more.
    pub fn notify(&mut self, id: SubscriptionId, notice: Notice, now: Instant) {
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        let last = matches!(notice.standing, Standing::Terminated { .. });
        subscription.ending |= last;
        // The last word of a REFER does not wait: the call in whose dialog it is told may end with it.
        if subscription.outstanding.is_some() && !(last && subscription.session.is_some()) {
            // What ends it is not replaced by what does not.
            let last =
                subscription.next.as_ref().is_some_and(|next| matches!(next.standing, Standing::Terminated { .. }));
            if !last {
                subscription.next = Some(notice);
            }
            return;
        }
        self.send_notify(id, &notice, now);
    }

    /// True while a NOTIFY waits for its answer.
    pub fn is_notifying(&self, id: SubscriptionId) -> bool {
        self.subscriptions.get(id).is_some_and(|subscription| subscription.outstanding.is_some())
    }

    /// Our tag in a subscription's dialog: its name among all. None if it is gone.
    pub fn subscription_tag(&self, id: SubscriptionId) -> Option<String> {
        self.subscriptions.get(id).map(|known| String::from_utf8_lossy(&known.dialog.local_tag).into_owned())
    }

    /// What has to be kept of a subscription to go on with it in another process, some 500 bytes. Take it again after each notice: it
    /// counts them. None for one inside a call, and for one that is over.
    pub fn snapshot_subscription(&self, id: SubscriptionId, wall: &Wall) -> Option<Vec<u8>> {
        let known = self.subscriptions.get(id).filter(|known| !known.ending && known.session.is_none())?;
        let Flow { transport, local, remote } = known.flow;
        let flow = format!("{transport} {local} {remote}");
        let expires_at = wall.at(known.expires_at).to_string();
        let mut lines = vec![VERSION, flow.as_bytes(), expires_at.as_bytes(), &known.event];
        let dialog = known.dialog.save();
        lines.extend(dialog.iter().map(|line| &line[..]));
        Some(lines.join(&b'\n'))
    }

    /// Goes on with a subscription of a former process. None if the bytes are no snapshot, its time is over, or it is here already.
    pub fn restore_subscription(&mut self, snapshot: &[u8], wall: &Wall, now: Instant) -> Option<SubscriptionId> {
        let mut lines = snapshot.split(|b| *b == b'\n');
        if lines.next()? != VERSION {
            return None;
        }
        let flow = super::snapshot::flow(std::str::from_utf8(lines.next()?).ok()?)?;
        let expires_at = wall.instant(std::str::from_utf8(lines.next()?).ok()?.parse().ok()?);
        let event = lines.next()?.into();
        let dialog = Dialog::load(lines)?;
        let key = self.hasher.dialog(&dialog.call_id, &dialog.local_tag);
        if expires_at <= now || self.subscribed.contains_key(&key) {
            return None;
        }
        let known = Subscription {
            dialog,
            flow,
            key,
            session: None,
            event,
            expires_at,
            ending: false,
            outstanding: None,
            next: None,
        };
        let id = self.subscriptions.insert(known);
        self.subscribed.insert(key, id);
        self.timers.set(Deadline::Subscription(id), expires_at);
        Some(id)
    }

    /// How long a SUBSCRIBE is granted; zero for one that only asks, or takes back. The error is the header of a 423.
    fn grant(&self, request: &Message) -> Result<Duration, Headers> {
        let (least, most) = self.config.subscription_expires;
        match request.expires() {
            Ok(Some(0)) => Ok(Duration::ZERO),
            Ok(Some(seconds)) if Duration::from_secs(seconds.into()) < least => {
                Err(vec![("Min-Expires".to_owned(), least.as_secs().to_string().into_bytes())])
            }
            Ok(Some(seconds)) => Ok(Duration::from_secs(seconds.into()).min(most)),
            // The default of the packages that we know; a malformed Expires counts as none (RFC 3261 §20.19).
            Ok(None) | Err(_) => Ok(most),
        }
    }

    fn grant_headers(&self, id: SubscriptionId, granted: Duration) -> Headers {
        let contact = self.subscriptions.get(id).map(|known| known.dialog.contact.to_vec()).unwrap_or_default();
        vec![("Expires".to_owned(), granted.as_secs().to_string().into_bytes()), ("Contact".to_owned(), contact)]
    }

    fn add_subscription(
        &mut self,
        id: RequestId,
        request: &Message,
        event: &[u8],
        granted: Duration,
        now: Instant,
    ) -> Option<SubscriptionId> {
        let tx = self.txs.get(id.0)?;
        let Kind::Server { open: Some(open), .. } = &tx.kind else { return None };
        let (tag, flow, session) = (open.tag.clone(), tx.flow, tx.session);
        if self.subscriptions.len() >= self.config.max_subscriptions {
            self.stats.overloaded += 1;
            let seconds = (30 + self.entropy.below(31)).to_string().into_bytes();
            self.respond(id, Status::SERVICE_UNAVAILABLE, vec![("Retry-After".to_owned(), seconds)], None, now);
            return None;
        }
        let user = request.uri().ok().and_then(|uri| uri.user().map(<[u8]>::to_vec)).unwrap_or_default();
        let contact = super::uac::contact(&String::from_utf8_lossy(&user), &flow).into_bytes();
        // Inside a call it shares the call's dialog, and outlives it by its own copy (RFC 5057 §4).
        let shared = session.and_then(|session| Some((session, self.sessions.get(session)?)));
        let (dialog, session) = match shared {
            Some((id, session)) => (session.dialog.clone(), Some(id)),
            None => (Dialog::of_invite(request, &tag, contact), None),
        };
        let key = match session {
            Some(_) => self.hasher.hash(&[b"refer", &dialog.call_id, &dialog.local_tag, event]),
            None => self.hasher.dialog(&dialog.call_id, &dialog.local_tag),
        };
        let event = event.into();
        let expires_at = now + granted;
        let ending = granted.is_zero();
        let known =
            Subscription { dialog, flow, key, session, event, expires_at, ending, outstanding: None, next: None };
        let id = self.subscriptions.insert(known);
        self.subscribed.insert(key, id);
        self.set_lapse(id, now);
        Some(id)
    }

    /// Its end, or, when the end is near, how long its owner may take to say the last word.
    fn set_lapse(&mut self, id: SubscriptionId, now: Instant) {
        let patience = now + self.config.t1 * 64;
        let Some(known) = self.subscriptions.get(id) else { return };
        let at = if known.ending { patience } else { known.expires_at };
        self.timers.set(Deadline::Subscription(id), at);
    }

    fn send_notify(&mut self, id: SubscriptionId, notice: &Notice, now: Instant) {
        let branch = self.branch();
        let Some(known) = self.subscriptions.get_mut(id) else { return };
        let left = known.expires_at.saturating_duration_since(now).as_millis().div_ceil(1000);
        let state = match &notice.standing {
            // A fetch is over with its first notice.
            Standing::Pending | Standing::Active if known.ending => "terminated;reason=timeout".to_owned(),
            Standing::Pending => format!("pending;expires={left}"),
            Standing::Active => format!("active;expires={left}"),
            Standing::Terminated { reason, retry_after } => {
                let retry = retry_after.map(|after| format!(";retry-after={}", after.as_secs()));
                format!("terminated;reason={reason}{}", retry.unwrap_or_default())
            }
        };
        let shared = known.session.and_then(|session| self.sessions.get_mut(session));
        let seq = match shared {
            Some(session) => {
                let seq = session.dialog.next_seq();
                // When the call is over its last requests have taken numbers that the copy has not seen.
                known.dialog = session.dialog.clone();
                known.dialog.skip(8);
                known.flow = session.flow;
                seq
            }
            None => known.dialog.next_seq(),
        };
        let flow = known.dialog.next_hop(known.flow);
        let Some(mut out) = known.dialog.request(&Method::Notify, seq, &branch, &flow) else {
            // Its Contact is no address: there is nobody to tell.
            return self.end_subscription(id);
        };
        out.header(Name::Contact, &known.dialog.contact).header(Name::Event, &known.event);
        out.header(Name::SubscriptionState, &state).header(Name::UserAgent, &self.config.server);
        let data = match &notice.body {
            Some((content_type, body)) => out.finish_with_body(content_type, body),
            None => out.finish(),
        };
        let session = known.session;
        let key = self.hasher.client(branch.as_bytes(), &Method::Notify);
        let tx = self.send_request(data, flow, key, Purpose::Notify(id), session, None, now);
        if let Some(known) = self.subscriptions.get_mut(id) {
            known.outstanding = Some(tx);
        }
    }

    /// A NOTIFY has its final answer, or none.
    pub(super) fn notify_answered(&mut self, id: SubscriptionId, status: Option<Status>, now: Instant) {
        let Some(known) = self.subscriptions.get_mut(id) else { return };
        known.outstanding = None;
        let told = status.is_some_and(|status| !ends_subscription(status));
        let next = known.next.take();
        match (told, next) {
            (true, Some(next)) => self.send_notify(id, &next, now),
            (true, None) if !known.ending => self.event(Event::Subscription { id, turn: Turn::Notified }),
            (true, None) => drop(self.remove_subscription(id)),
            (false, _) => {
                debug!(?status, "subscription ended by its subscriber");
                self.end_subscription(id);
            }
        }
    }

    fn end_subscription(&mut self, id: SubscriptionId) {
        if let Some(known) = self.remove_subscription(id)
            && !known.ending
        {
            self.event(Event::Subscription { id, turn: Turn::Ended });
        }
    }

    fn remove_subscription(&mut self, id: SubscriptionId) -> Option<Subscription> {
        let known = self.subscriptions.remove(id)?;
        self.subscribed.remove(&known.key);
        self.timers.cancel(&Deadline::Subscription(id));
        Some(known)
    }

    /// The subscription's time is over, or its owner forgot to say the last word.
    pub(super) fn subscription_lapsed(&mut self, id: SubscriptionId, now: Instant) {
        let Some(known) = self.subscriptions.get_mut(id) else { return };
        if known.ending {
            if known.outstanding.is_none() {
                self.remove_subscription(id);
            } else {
                self.set_lapse(id, now);
            }
            return;
        }
        known.ending = true;
        self.set_lapse(id, now);
        self.event(Event::Subscription { id, turn: Turn::Lapsed });
    }

    /// The subscription whose dialog a SUBSCRIBE names.
    pub(super) fn subscription_of(&self, received: &Received) -> Option<SubscriptionId> {
        let call_id = received.request.call_id().ok()?;
        let id = *self.subscribed.get(&self.hasher.dialog(call_id, received.to_tag.as_deref()?))?;
        let known = self.subscriptions.get(id)?;
        let from = received.request.from().ok()?;
        (*known.dialog.remote_tag == *from.tag().unwrap_or_default()).then_some(id)
    }

    /// A SUBSCRIBE inside its dialog: renewed, or taken back (RFC 6665 §4.2.1.2, §4.2.1.4).
    pub(super) fn receive_resubscribe(&mut self, id: SubscriptionId, received: Received, now: Instant) {
        let Some(known) = self.subscriptions.get_mut(id) else { return };
        let same = package_of(&received.request) == package(&known.event);
        if known.ending || !same {
            return self.refuse(&received, Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &[]);
        }
        if known.dialog.receive(received.seq) == Order::Late {
            return self.refuse(&received, Status::SERVER_INTERNAL_ERROR, &[]);
        }
        let granted = match self.grant(&received.request) {
            Ok(granted) => granted,
            Err(least) => return self.refuse(&received, Status::INTERVAL_TOO_BRIEF, &least),
        };
        if self.is_full() {
            return self.refuse_overloaded(&received, now);
        }
        let Some(known) = self.subscriptions.get_mut(id) else { return };
        known.dialog.refresh(&received.request);
        // The NAT may have given its sender another port meanwhile.
        known.flow = received.flow;
        known.expires_at = now + granted;
        known.ending = granted.is_zero();
        self.set_lapse(id, now);
        let headers = self.grant_headers(id, granted);
        let Received { request, flow, key, .. } = received;
        let tx = self.add_server(&request, flow, key, None, None, now);
        if let Some(data) = self.response_of(tx, Status::OK, &headers, None) {
            self.respond_with(tx, Class::Success, data, now);
        }
        let turn = if granted.is_zero() { Turn::Unsubscribed } else { Turn::Renewed };
        self.event(Event::Subscription { id, turn });
    }
}

/// The package in an Event value, without its parameters.
fn package(event: &[u8]) -> &[u8] {
    event.split(|b| *b == b';').next().unwrap_or_default().trim_ascii()
}

/// The package that a request names.
pub fn package_of(request: &Message) -> &[u8] {
    package(request.header(Name::Event).unwrap_or_default())
}

/// Which answers to a NOTIFY say that nobody wants it (RFC 6665 §4.2.2, RFC 5057 §5.1). Others are troubles that pass.
fn ends_subscription(status: Status) -> bool {
    matches!(status.code(), 401 | 403 | 404 | 405 | 407 | 408 | 410 | 416 | 481 | 484 | 485 | 489 | 501 | 604)
}
