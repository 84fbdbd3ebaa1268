//! Who watches an extension, at its home: lamps, presence, message lamps, registrations (RFC 6665 and its packages).
//!
//! A SUBSCRIBE reaches the home of the extension that is watched. What the calls of that extension do is told by their cells
//! ([`legs`]) while somebody watches, and not otherwise.

pub(crate) mod legs;
mod publish;
mod tell;

use crate::cell::Cell;
use crate::hot;
use crate::io::{Body, LegView, Output};
use model::{CallId, LegNo};
use publish::Publications;
use serde::{Deserialize, Serialize};
use sip_stack::endpoint::{Flow, RequestId, SubscriptionId, Turn, package_of};
use sip_stack::message::{Message, Name, Status, Uri};
use sip_stack::packages::{Contact, Summary};
use slotmap::SecondaryMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use tracing::debug;

/// Subscriptions to one extension; one more gets 503.
const MAX_PER_WATCHED: usize = 500;
/// Subscriptions of one extension to extensions whose home is here; one more gets 503.
const MAX_PER_WATCHER: usize = 500;
/// How many subscribers are told in one go after a restart, and when the next are.
const GREETED_AT_ONCE: usize = 20;
const GREETING_PAUSE: Duration = Duration::from_millis(50);
/// After a restart phones are given this long to come back before the first is told.
const GREETING_DELAY: Duration = Duration::from_secs(1);

/// The event packages that are served.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) enum Package {
    /// RFC 4235.
    Dialog,
    /// RFC 3856.
    Presence,
    /// RFC 3842.
    MessageSummary,
    /// RFC 3680.
    Reg,
}

impl Package {
    /// All of them, for Allow-Events (RFC 6665 §8.2.2).
    pub(crate) const ALLOWED: &'static str = "dialog, presence, message-summary, reg, refer";

    fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"dialog" => Some(Self::Dialog),
            b"presence" => Some(Self::Presence),
            b"message-summary" => Some(Self::MessageSummary),
            b"reg" => Some(Self::Reg),
            _ => None,
        }
    }

    /// Nobody else's business.
    fn is_private(self) -> bool {
        matches!(self, Self::MessageSummary | Self::Reg)
    }
}

/// Everybody who watches extensions whose home is here.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    by_id: SecondaryMap<SubscriptionId, Watcher>,
    watched: BTreeMap<String, Watched>,
    /// How many subscriptions each watcher has here.
    watching: BTreeMap<String, usize>,
    /// Subscriptions of the last process that are still to be told that it goes on.
    greeting: VecDeque<SubscriptionId>,
    pub(crate) publications: Publications,
    summaries: BTreeMap<String, Summary>,
}

/// One subscription.
#[derive(Debug)]
struct Watcher {
    kept: Kept,
    /// Something happened while a NOTIFY waited for its answer.
    behind: bool,
    /// Calls that have ended since the last notice.
    over: Vec<LegView>,
    /// Contacts that have gone since the last notice.
    gone: Vec<Contact>,
    /// What was told last, in short.
    told: Option<u64>,
}

/// An extension that somebody watches.
#[derive(Debug, Default)]
struct Watched {
    watchers: BTreeSet<SubscriptionId>,
    legs: BTreeMap<(CallId, LegNo), LegView>,
}

/// What survives of a subscription.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The extension that is watched.
    number: String,
    /// The extension that watches.
    by: String,
    package: Package,
    /// The URI that was subscribed to.
    entity: String,
    /// Of the next document.
    version: u32,
    /// `Endpoint::snapshot_subscription`
    dialog: Vec<u8>,
}

impl Watchers {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    fn add(&mut self, id: SubscriptionId, kept: Kept) -> bool {
        let (number, by) = (kept.number.clone(), kept.by.clone());
        self.by_id.insert(id, Watcher { kept, behind: false, over: Vec::new(), gone: Vec::new(), told: None });
        *self.watching.entry(by).or_default() += 1;
        let watched = self.watched.entry(number).or_default();
        watched.watchers.insert(id);
        watched.watchers.len() == 1
    }

    fn remove(&mut self, id: SubscriptionId) -> Option<Watcher> {
        let watcher = self.by_id.remove(id)?;
        if let Some(count) = self.watching.get_mut(&watcher.kept.by) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.watching.remove(&watcher.kept.by);
            }
        }
        if let Some(watched) = self.watched.get_mut(&watcher.kept.number) {
            watched.watchers.remove(&id);
            if watched.watchers.is_empty() {
                self.watched.remove(&watcher.kept.number);
            }
        }
        Some(watcher)
    }

    fn of(&self, number: &str, packages: &[Package]) -> Vec<SubscriptionId> {
        let fits = |id: &&SubscriptionId| self.by_id.get(**id).is_some_and(|w| packages.contains(&w.kept.package));
        self.watched
            .get(number)
            .map(|watched| watched.watchers.iter().filter(fits).copied().collect())
            .unwrap_or_default()
    }

    fn is_full(&self, number: &str, by: &str) -> bool {
        self.watched.get(number).is_some_and(|watched| watched.watchers.len() >= MAX_PER_WATCHED)
            || self.watching.get(by).is_some_and(|count| *count >= MAX_PER_WATCHER)
    }

    /// Is anybody told of this extension's calls?
    pub(crate) fn watches(&self, number: &str) -> bool {
        self.watched.contains_key(number)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.publications.poll_timeout()
    }
}

impl Cell {
    /// A SUBSCRIBE outside any dialog.
    pub(crate) fn on_subscribe(&mut self, id: RequestId, request: &Message, flow: Flow, now: Instant) {
        let Some(package) = Package::of(package_of(request)) else {
            let status = if request.header(Name::Event).is_some() { Status(489) } else { Status::BAD_REQUEST };
            return self.sip.respond(id, status, allowed_events(), None, now);
        };
        let Some(watcher) = self.proven(id, request, flow, now) else { return };
        // Some phones subscribe to their own affairs at the switch as such.
        let number = crate::signalling::dialled(request).unwrap_or_else(|| watcher.number.clone());
        let own = number == watcher.number;
        let refusal = if !own && (package.is_private() || !self.may_watch(&watcher.number, &number)) {
            Some(Status::FORBIDDEN)
        } else if self.directory.extension(&number).is_none() || self.home_of(&number) != self.config.cell {
            Some(Status::NOT_FOUND)
        } else if self.watchers.is_full(&number, &watcher.number) {
            Some(Status::SERVICE_UNAVAILABLE)
        } else {
            None
        };
        if let Some(status) = refusal {
            debug!(%status, ?package, "subscription refused");
            let retry = (status == Status::SERVICE_UNAVAILABLE).then(|| ("Retry-After".to_owned(), b"60".to_vec()));
            return self.sip.respond(id, status, retry.into_iter().collect(), None, now);
        }
        let entity = Uri::from_slice(request.request_uri()).map(|uri| entity(&uri, &number)).unwrap_or_default();
        let Some(subscription) = self.sip.accept_subscription(id, now) else { return };
        let by = watcher.number;
        let kept = Kept { number: number.clone(), by, package, entity, version: 0, dialog: Vec::new() };
        if self.watchers.add(subscription, kept) {
            self.watch_calls(&number, now);
        }
        self.tell_watcher(subscription, true, now);
        if request.expires() == Ok(Some(0)) {
            self.forget_watcher(subscription);
        }
    }

    /// Whether an extension may watch another. Of one that does not exist nobody learns more than of others.
    fn may_watch(&self, watcher: &str, number: &str) -> bool {
        let usual = self.config.policy.watch;
        self.directory.extension(number).map_or(usual, |extension| extension.watched_by.allows(watcher, usual))
    }

    /// The settings of an extension have changed: who may not watch it any more is told so.
    pub(crate) fn look_at_watchers(&mut self, number: &str, now: Instant) {
        for id in self.watchers.of(number, &[Package::Dialog, Package::Presence]) {
            let by = self.watchers.by_id.get(id).map(|watcher| watcher.kept.by.clone()).unwrap_or_default();
            if by != number && !self.may_watch(&by, number) {
                self.dismiss(id, "rejected", now);
            }
        }
    }

    /// The endpoint reports about a subscription.
    pub(crate) fn on_subscription(&mut self, id: SubscriptionId, turn: Turn, now: Instant) {
        if self.watchers.by_id.get(id).is_none() {
            // A REFER's, whose owner let it lapse.
            if matches!(turn, Turn::Lapsed | Turn::Unsubscribed) {
                self.sip.notify(id, tell::last_word("timeout"), now);
            }
            return;
        }
        match turn {
            Turn::Renewed => self.tell_watcher(id, true, now),
            Turn::Notified => {
                if self.watchers.by_id.get(id).is_some_and(|watcher| watcher.behind) {
                    self.tell_watcher(id, true, now);
                }
            }
            Turn::Unsubscribed | Turn::Lapsed => self.dismiss(id, "timeout", now),
            Turn::Ended => self.forget_watcher(id),
        }
    }

    /// An extension is gone: whoever watches it is told, and it watches nobody any more.
    pub(crate) fn unwatch(&mut self, number: &str, now: Instant) {
        if !self.watchers.watching.contains_key(number) && !self.watchers.watches(number) {
            return;
        }
        let concerned = |watcher: &Watcher| watcher.kept.number == number || watcher.kept.by == number;
        let gone: Vec<_> =
            self.watchers.by_id.iter().filter(|(_, watcher)| concerned(watcher)).map(|(id, _)| id).collect();
        for id in gone {
            self.dismiss(id, "noresource", now);
        }
        self.watchers.publications.forget(number);
    }

    fn forget_watcher(&mut self, id: SubscriptionId) {
        let Some(watcher) = self.watchers.remove(id) else { return };
        if let Some(key) = watcher.kept.key() {
            self.out.push_back(Output::Forget { key });
        }
    }

    fn keep_watcher(&mut self, id: SubscriptionId) {
        let Some(dialog) = self.sip.snapshot_subscription(id, &self.config.wall) else { return };
        let Some(watcher) = self.watchers.by_id.get_mut(id) else { return };
        watcher.kept.dialog = dialog;
        let value = postcard::to_allocvec(&watcher.kept).unwrap_or_default();
        if let Some(key) = watcher.kept.key() {
            self.out.push_back(Output::Keep { key, value });
        }
    }

    /// A subscription of the last process whose watched extension has its home here.
    pub(crate) fn restore_watcher(&mut self, key: &[u8], value: &[u8], now: Instant) {
        let restored = postcard::from_bytes::<Kept>(value).ok().and_then(|kept| {
            let id = self.sip.restore_subscription(&kept.dialog, &self.config.wall, now)?;
            Some((id, kept))
        });
        let Some((id, kept)) = restored else { return self.out.push_back(Output::Forget { key: key.to_vec() }) };
        self.watchers.add(id, kept);
        if self.watchers.greeting.is_empty() {
            self.timers.set(crate::cell::Timer::Greeting, now + GREETING_DELAY);
        }
        self.watchers.greeting.push_back(id);
    }

    /// Tells some subscribers of the last process how things stand now.
    pub(crate) fn greet_watchers(&mut self, now: Instant) {
        for _ in 0..GREETED_AT_ONCE {
            let Some(id) = self.watchers.greeting.pop_front() else { return };
            self.tell_watcher(id, true, now);
        }
        self.timers.set(crate::cell::Timer::Greeting, now + GREETING_PAUSE);
    }

    /// Asks the calls that an extension is in for their legs.
    fn watch_calls(&mut self, number: &str, now: Instant) {
        let calls: Vec<CallId> = self.occupied.get(number).into_iter().flatten().copied().collect();
        for call in calls {
            self.watch_call(call, number, now);
        }
    }

    /// Asks a call for the legs of an extension, if anybody watches it.
    pub(crate) fn watch_call(&mut self, call: CallId, number: &str, now: Instant) {
        if !self.watchers.watches(number) {
            return;
        }
        if call.cell() == self.config.cell {
            self.show_legs_of(call, number, now);
        } else if call.cell() < self.config.cells {
            self.send(call.cell(), Body::Watch { call, number: number.to_owned() });
        }
    }

    /// A call tells what a leg of a watched extension does.
    pub(crate) fn on_leg_state(&mut self, view: LegView, now: Instant) {
        let Some(watched) = self.watchers.watched.get_mut(&view.number) else { return };
        let (number, key) = (view.number.clone(), (view.call, view.leg));
        if view.over.is_some() {
            if watched.legs.remove(&key).is_none() {
                return;
            }
            for id in self.watchers.of(&number, &[Package::Dialog]) {
                if let Some(watcher) = self.watchers.by_id.get_mut(id).filter(|w| w.over.len() < tell::MAX_OVER) {
                    watcher.over.push(view.clone());
                }
            }
        } else {
            watched.legs.insert(key, view);
        }
        self.tell_watchers(&number, &[Package::Dialog, Package::Presence], now);
    }

    /// How many voice messages wait for an extension: it is kept, and its lamp told.
    pub(crate) fn set_messages(&mut self, number: &str, summary: Summary, now: Instant) {
        let key = hot::summary(number);
        if summary == Summary::default() {
            self.watchers.summaries.remove(number);
            self.out.push_back(Output::Forget { key });
        } else {
            self.watchers.summaries.insert(number.to_owned(), summary);
            let value = format!("{} {}", summary.new, summary.old).into_bytes();
            self.out.push_back(Output::Keep { key, value });
        }
        self.tell_watchers(number, &[Package::MessageSummary], now);
    }

    pub(crate) fn restore_summary(&mut self, number: &str, value: &[u8]) {
        let counts = std::str::from_utf8(value).ok().and_then(|text| text.split_once(' '));
        let counts = counts.and_then(|(new, old)| Some((new.parse().ok()?, old.parse().ok()?)));
        if let Some((new, old)) = counts {
            self.watchers.summaries.insert(number.to_owned(), Summary { new, old });
        }
    }
}

impl Kept {
    fn key(&self) -> Option<Vec<u8>> {
        // The dialog's second name stands in its snapshot; without one it was never kept.
        let tag = self.dialog.split(|b| *b == b'\n').nth(5)?;
        Some(hot::subscription(&self.number, tag))
    }
}

/// The URI that documents are about: as it was subscribed to, without what only led the request here.
fn entity(uri: &Uri, number: &str) -> String {
    let host = String::from_utf8_lossy(uri.host_bytes());
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("sip:{number}@{host}{port}")
}

/// Whether the switch itself serves the package that a SUBSCRIBE or PUBLISH names.
pub(crate) fn is_served(request: &Message) -> bool {
    Package::of(package_of(request)).is_some()
}

/// Which packages are served (RFC 6665 §8.2.2).
pub(crate) fn allowed_events() -> Vec<(String, Vec<u8>)> {
    vec![("Allow-Events".to_owned(), Package::ALLOWED.as_bytes().to_vec())]
}
