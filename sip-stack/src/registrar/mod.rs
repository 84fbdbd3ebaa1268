//! Registrations (RFC 3261 §10.3): which contacts an extension has, and what a REGISTER changes.
//!
//! The caller has already found out that the request comes from the extension itself. A REGISTER is carried out wholly or
//! not at all.

mod binding;
mod outbound;
mod wish;

pub use binding::Binding;
pub use outbound::Push;

use crate::endpoint::Flow;
use crate::message::{Message, Name, Status};
use crate::seal::Seal;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use stdx::Timers;
use wish::{Asked, Wish};

/// Limits of registrations.
#[derive(Clone, Debug)]
pub struct Config {
    /// Shorter wishes get 423 with Min-Expires.
    pub min_expires: Duration,
    /// Longer wishes are granted this much.
    pub max_expires: Duration,
    /// Granted where the phone names no time.
    pub default_expires: Duration,
    /// Contacts of one extension, unless [`Registrar::register_within`] says otherwise; one more is refused with 403.
    pub max_contacts: usize,
    /// A contact that finds no room takes the place of the one that was renewed longest ago, rather than being refused.
    pub replace_oldest: bool,
    /// A contact that only its stream leads to keeps its place so long after that is gone, for a page that reconnects. Zero: it goes with it.
    pub grace: Duration,
    /// Push services that sleeping phones can be woken by; others are refused with 555. Empty: push parameters are kept, and no phone
    /// is told that they help.
    pub push_providers: Vec<String>,
    /// Service-Route values for our 200s (RFC 3608).
    pub service_route: Vec<String>,
    /// Seals temporary addresses of phones (RFC 5627 §3.2). None: there are none.
    pub temporary: Option<Seal>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3600),
            default_expires: Duration::from_secs(3600),
            max_contacts: 10,
            replace_oldest: false,
            grace: Duration::ZERO,
            push_providers: Vec::new(),
            service_route: Vec::new(),
            temporary: None,
        }
    }
}

/// What a REGISTER led to.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The response's status.
    pub status: Status,
    /// Its headers: the contacts that are bound now, or Min-Expires.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What changed; empty unless the status is 200.
    pub changes: Vec<Change>,
}

/// One binding that changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// How.
    pub kind: ChangeKind,
    /// Which, as it is now or was last.
    pub binding: Binding,
}

/// How a binding changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It was renewed, and nothing else changed.
    Refreshed,
    /// It was renewed from another address, or says something else of the phone.
    Altered,
    /// It is gone.
    Removed,
}

/// The bindings of the extensions whose home is here.
#[derive(Debug)]
pub struct Registrar {
    config: Config,
    bindings: BTreeMap<String, Vec<Binding>>,
    lapses: Timers<String>,
    /// Which extensions registered over a stream: those whose bindings end with it.
    streams: BTreeMap<Flow, BTreeSet<String>>,
}

impl Registrar {
    /// Without any binding.
    pub fn new(config: Config) -> Self {
        Self { config, bindings: BTreeMap::new(), lapses: Timers::default(), streams: BTreeMap::new() }
    }

    /// Carries out a REGISTER for an extension.
    pub fn register(&mut self, aor: &str, request: &Message, flow: Flow, now: Instant) -> Registration {
        self.register_within(aor, request, flow, self.config.max_contacts, now)
    }

    /// The same for one that may have so many contacts.
    pub fn register_within(
        &mut self,
        aor: &str,
        request: &Message,
        flow: Flow,
        limit: usize,
        now: Instant,
    ) -> Registration {
        let (Ok(call_id), Ok((cseq, _))) = (request.call_id(), request.cseq()) else {
            return refused(Status::BAD_REQUEST);
        };
        // Two bindings of one registration must come in order (RFC 3261 §10.3 steps 6 and 7).
        let known = self.bindings.get(aor).map(Vec::as_slice).unwrap_or_default();
        let late = |binding: &Binding| binding.call_id == call_id && binding.cseq >= cseq;
        let changes = if request.is_wildcard() {
            if request.expires() != Ok(Some(0)) {
                return refused(Status::BAD_REQUEST);
            }
            if known.iter().any(late) {
                return refused(Status::SERVER_INTERNAL_ERROR);
            }
            known.iter().map(|binding| Change { kind: ChangeKind::Removed, binding: binding.clone() }).collect()
        } else {
            let wishes = match self.wishes(request, limit) {
                Ok(wishes) => wishes,
                Err(refusal) => return refusal,
            };
            let asked = Asked { aor, call_id, cseq, request, flow };
            let mut changes: Vec<Change> = Vec::new();
            for wish in wishes {
                let old = known.iter().find(|binding| wish.means(binding));
                if old.is_some_and(late) {
                    return refused(Status::SERVER_INTERNAL_ERROR);
                }
                changes.extend(wish.change(old, &asked, now));
            }
            let count = |kind| changes.iter().filter(|change| change.kind == kind).count();
            let after = known.len() + count(ChangeKind::Added) - count(ChangeKind::Removed).min(known.len());
            if after > limit && count(ChangeKind::Added) > 0 {
                let Some(oldest) = self.oldest(known, &changes, after - limit) else {
                    return refused(Status::FORBIDDEN);
                };
                changes.extend(oldest);
            }
            changes
        };
        for change in &changes {
            self.apply(change);
        }
        self.set_timer(aor);
        Registration { status: Status::OK, headers: self.headers(aor, request, now), changes }
    }

    /// The valid contacts of an extension, best first.
    pub fn contacts(&self, aor: &str, now: Instant) -> Vec<&Binding> {
        let mut contacts: Vec<&Binding> = self.valid(aor, now).filter(|binding| binding.is_reachable(now)).collect();
        let all = contacts.clone();
        contacts.retain(|binding| !is_spare(binding, &all));
        contacts.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        contacts
    }

    /// The flows of phones that [`contacts`](Self::contacts) reaches by another one, newest first: to be tried when that fails (RFC 5626 §5.3).
    pub fn spares(&self, aor: &str, now: Instant) -> impl Iterator<Item = &Binding> {
        let all: Vec<&Binding> = self.valid(aor, now).filter(|binding| binding.is_reachable(now)).collect();
        let mut spares: Vec<&Binding> = all.iter().filter(|binding| is_spare(binding, &all)).copied().collect();
        spares.sort_by_key(|binding| std::cmp::Reverse((binding.expires_at, binding.reg_id)));
        spares.into_iter()
    }

    /// The contacts of an extension that a push would wake.
    pub fn sleeping(&self, aor: &str, now: Instant) -> Vec<&Binding> {
        self.valid(aor, now).filter(|binding| binding.is_asleep(now)).collect()
    }

    /// Until when somebody may come back to an extension by a new stream; `None` if nobody is missed.
    pub fn missed_until(&self, aor: &str, now: Instant) -> Option<Instant> {
        self.valid(aor, now).filter(|binding| binding.kept_until.is_some()).map(Binding::ends_at).max()
    }

    /// Every contact of an extension that has not lapsed, whether it can be called now or not.
    pub fn valid(&self, aor: &str, now: Instant) -> impl Iterator<Item = &Binding> {
        self.bindings.get(aor).into_iter().flatten().filter(move |binding| binding.ends_at() > now)
    }

    /// Every binding.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values().flatten()
    }

    /// How many bindings there are; looks at every extension, so ask it for metrics only.
    pub fn len(&self) -> usize {
        self.bindings.values().map(Vec::len).sum()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// A stream is gone. Bindings that lead nowhere else, for a browser cannot be connected to, keep their place for [`Config::grace`];
    /// without it they go too, and are returned. A phone that can be woken by a push falls asleep.
    pub fn stream_closed(&mut self, flow: Flow, now: Instant) -> Vec<Binding> {
        let mut gone = Vec::new();
        for aor in self.streams.remove(&flow).unwrap_or_default() {
            if let Some(bindings) = self.bindings.get_mut(&aor) {
                for binding in bindings.iter_mut().filter(|binding| binding.flow == flow) {
                    binding.asleep = binding.push().is_some();
                }
                let ends = |b: &Binding| b.flow == flow && !b.asleep && b.ends_with_its_stream();
                if self.config.grace.is_zero() {
                    gone.extend(bindings.extract_if(.., |binding| ends(binding)));
                }
                for binding in bindings.iter_mut().filter(|binding| ends(binding)) {
                    binding.kept_until = Some(now + self.config.grace);
                }
            }
            self.set_timer(&aor);
        }
        gone
    }

    /// A binding of an earlier process; false if it went with that. The streams of that process are gone.
    pub fn restore(&mut self, mut binding: Binding, now: Instant) -> bool {
        if binding.ends_with_its_stream() && !binding.asleep {
            binding.kept_until = Some(now + self.config.grace);
        }
        if binding.ends_at() <= now {
            return false;
        }
        let aor = binding.aor.clone();
        self.note_stream(&binding);
        self.bindings.entry(aor.clone()).or_default().push(binding);
        self.set_timer(&aor);
        true
    }

    /// Forgets everything about an extension.
    pub fn remove_all(&mut self, aor: &str) -> Vec<Binding> {
        self.lapses.cancel(&aor.to_owned());
        let gone = self.bindings.remove(aor).unwrap_or_default();
        for binding in &gone {
            self.forget_stream(binding);
        }
        gone
    }

    /// The bindings that lapsed.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Binding> {
        let mut lapsed = Vec::new();
        while let Some(aor) = self.lapses.pop_due(now) {
            if let Some(bindings) = self.bindings.get_mut(&aor) {
                lapsed.extend(bindings.extract_if(.., |binding| binding.ends_at() <= now));
            }
            self.set_timer(&aor);
        }
        for binding in &lapsed {
            self.forget_stream(binding);
        }
        lapsed
    }

    /// When [`Registrar::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.lapses.next()
    }

    /// Those that make room, if there are as many: whose stream is gone, and where that is the policy the oldest of the others.
    fn oldest(&self, known: &[Binding], changes: &[Change], count: usize) -> Option<Vec<Change>> {
        let touched = |binding: &&Binding| changes.iter().any(|change| change.binding.name() == binding.name());
        let mut others: Vec<&Binding> = known.iter().filter(|binding| !touched(binding)).collect();
        others.sort_by_key(|binding| (binding.kept_until.is_none(), binding.expires_at));
        others.retain(|binding| self.config.replace_oldest || binding.kept_until.is_some());
        let gone = |binding: &&Binding| Change { kind: ChangeKind::Removed, binding: (*binding).clone() };
        (others.len() >= count).then(|| others[..count].iter().map(gone).collect())
    }

    fn wishes(&self, request: &Message, limit: usize) -> Result<Vec<Wish>, Registration> {
        let default = match request.expires() {
            Ok(Some(seconds)) => Duration::from_secs(seconds.into()),
            // A malformed Expires counts as the default (RFC 3261 §20.19).
            Ok(None) | Err(_) => self.config.default_expires,
        };
        let mut wishes = Vec::new();
        for contact in request.contacts() {
            let contact = contact.map_err(|_| refused(Status::BAD_REQUEST))?;
            let wish = Wish::read(request, &contact, default, &self.config)?;
            if !wish.expires.is_zero() && wish.expires < self.config.min_expires {
                let seconds = self.config.min_expires.as_secs().to_string().into_bytes();
                let headers = vec![("Min-Expires".to_owned(), seconds)];
                return Err(Registration { status: Status::INTERVAL_TOO_BRIEF, headers, changes: Vec::new() });
            }
            wishes.push(Wish { expires: wish.expires.min(self.config.max_expires), ..wish });
            // More wishes than there may be contacts cannot end well.
            if wishes.len() > limit * 2 {
                return Err(refused(Status::FORBIDDEN));
            }
        }
        Ok(wishes)
    }

    fn apply(&mut self, change: &Change) {
        let bindings = self.bindings.entry(change.binding.aor.clone()).or_default();
        let old = bindings.iter().position(|known| known.name() == change.binding.name());
        if let Some(old) = old.and_then(|at| bindings.get(at)).cloned() {
            self.forget_stream(&old);
        }
        if change.kind != ChangeKind::Removed {
            self.note_stream(&change.binding);
        }
        let bindings = self.bindings.entry(change.binding.aor.clone()).or_default();
        match (change.kind, old) {
            (ChangeKind::Removed, Some(at)) => {
                bindings.remove(at);
            }
            (ChangeKind::Removed, None) => {}
            (ChangeKind::Added | ChangeKind::Refreshed | ChangeKind::Altered, Some(at)) => {
                bindings[at] = change.binding.clone();
            }
            (ChangeKind::Added | ChangeKind::Refreshed | ChangeKind::Altered, None) => {
                bindings.push(change.binding.clone());
            }
        }
    }

    fn note_stream(&mut self, binding: &Binding) {
        if binding.hangs_on_its_stream() {
            self.streams.entry(binding.flow).or_default().insert(binding.aor.clone());
        }
    }

    fn forget_stream(&mut self, binding: &Binding) {
        let others = |known: &Binding| known.flow == binding.flow && known.name() != binding.name();
        if !binding.hangs_on_its_stream() || self.bindings.get(&binding.aor).is_some_and(|all| all.iter().any(others)) {
            return;
        }
        if let Some(aors) = self.streams.get_mut(&binding.flow) {
            aors.remove(&binding.aor);
            if aors.is_empty() {
                self.streams.remove(&binding.flow);
            }
        }
    }

    fn set_timer(&mut self, aor: &str) {
        match self.bindings.get(aor).and_then(|bindings| bindings.iter().map(Binding::ends_at).min()) {
            Some(at) => self.lapses.set(aor.to_owned(), at),
            None => {
                self.bindings.remove(aor);
                self.lapses.cancel(&aor.to_owned());
            }
        }
    }

    /// The headers of a 200: all contacts, and what the phone must know of the way to it.
    fn headers(&self, aor: &str, request: &Message, now: Instant) -> Vec<(String, Vec<u8>)> {
        let gruu = request.lists(Name::Supported, "gruu").then(|| request.to().ok().map(|to| to.uri)).flatten();
        let mut all: Vec<&Binding> = self.valid(aor, now).collect();
        all.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        let line = |binding: &&Binding| {
            let mut value = contact_line(binding, now);
            if let (Some(aor), Some(instance)) = (&gruu, &binding.instance) {
                let public = outbound::public_gruu(aor, instance);
                value.extend(public.into_iter().flat_map(|uri| outbound::parameter("pub-gruu", &uri)));
                let temporary = self.config.temporary.as_ref().and_then(|seal| {
                    let phone = seal.phone(instance, &binding.call_id);
                    outbound::temporary_gruu(aor, &seal.temporary(&binding.aor, phone, binding.cseq)?)
                });
                value.extend(temporary.into_iter().flat_map(|uri| outbound::parameter("temp-gruu", &uri)));
            }
            ("Contact".to_owned(), value)
        };
        let mut headers: Vec<_> = all.iter().map(line).collect();
        headers.extend(request.values(Name::Path).map(|value| ("Path".to_owned(), value.to_vec())));
        headers.extend(self.config.service_route.iter().map(|v| ("Service-Route".to_owned(), v.clone().into_bytes())));
        let call_id = request.call_id().unwrap_or_default();
        let flow = all.iter().find(|binding| binding.reg_id.is_some() && binding.call_id == call_id);
        if let Some(binding) = flow {
            headers.push(("Require".to_owned(), b"outbound".to_vec()));
            // How often it should say that it is there (RFC 5626 §4.4): the proxy in between, if there is one, knows its own.
            if binding.path.is_empty() {
                let seconds = outbound::flow_timer(binding.flow.transport).as_secs().to_string();
                headers.push(("Flow-Timer".to_owned(), seconds.into_bytes()));
            }
        }
        let woken =
            |binding: &&Binding| Some(binding.push()?.provider).filter(|p| self.config.push_providers.contains(p));
        if let Some(provider) = all.iter().find_map(woken) {
            headers.push(("Feature-Caps".to_owned(), format!("*;+sip.pns=\"{provider}\"").into_bytes()));
        }
        headers
    }
}

/// Of the flows of one phone only one is used: the one that was renewed last (RFC 5626 §6).
fn is_spare(binding: &Binding, all: &[&Binding]) -> bool {
    let newer = |other: &Binding| {
        other.instance == binding.instance
            && other.reg_id.is_some()
            && (other.expires_at, other.reg_id) > (binding.expires_at, binding.reg_id)
    };
    binding.reg_id.is_some() && all.iter().any(|other| newer(other))
}

fn contact_line(binding: &Binding, now: Instant) -> Vec<u8> {
    let mut value = vec![b'<'];
    value.extend(&binding.contact);
    // Rounded up, so that a phone granted 60 s is told 60.
    let left = binding.expires_at.saturating_duration_since(now).as_millis().div_ceil(1000);
    value.extend(format!(">;expires={left}").into_bytes());
    if binding.q < 1000 {
        value.extend(format!(";q=0.{:03}", binding.q).into_bytes());
    }
    if let (Some(instance), Some(reg_id)) = (&binding.instance, binding.reg_id) {
        value.extend(format!(";+sip.instance=\"{instance}\";reg-id={reg_id}").into_bytes());
    }
    value
}

fn refused(status: Status) -> Registration {
    Registration { status, headers: Vec::new(), changes: Vec::new() }
}

#[cfg(test)]
mod tests;
