//! What subscribers are told: the facts of an extension as the documents of its packages.

use super::{Package, Watcher, legs};
use crate::cell::Cell;
use crate::io::LegView;
use bytes::Bytes;
use model::LegState;
use sip_stack::endpoint::{Notice, Standing, SubscriptionId};
use sip_stack::packages::{Activity, Contact, ContactEvent, DialogInfo, Presence, RegInfo, Summary};
use sip_stack::registrar::Binding;
use std::time::Instant;

/// Calls that have just ended, of which a document tells at most.
pub(super) const MAX_OVER: usize = 8;
/// Contacts that have just gone, of which a document tells at most.
const MAX_GONE: usize = 32;

impl Cell {
    /// Tells everybody who watches an extension by one of these packages how things stand.
    pub(crate) fn tell_watchers(&mut self, number: &str, packages: &[Package], now: Instant) {
        for id in self.watchers.of(number, packages) {
            self.tell_watcher(id, false, now);
        }
    }

    /// An extension's contacts changed.
    pub(crate) fn tell_registration(&mut self, number: &str, now: Instant) {
        if self.watchers.watches(number) {
            self.tell_watchers(number, &[Package::Presence, Package::Reg], now);
        }
    }

    /// Contacts are gone: each is told of once more (RFC 3680 §5.3), with the next document.
    pub(crate) fn note_gone<'a>(&mut self, gone: impl Iterator<Item = (&'a Binding, ContactEvent)>) {
        for (binding, event) in gone {
            for id in self.watchers.of(&binding.aor, &[Package::Reg]) {
                if let Some(watcher) = self.watchers.by_id.get_mut(id).filter(|w| w.gone.len() < MAX_GONE) {
                    let contact = Contact { event, expires: 0, ..listed(binding) };
                    watcher.gone.retain(|earlier| earlier.id != contact.id);
                    watcher.gone.push(contact);
                }
            }
        }
    }

    /// Tells one subscriber; `whole` also if it knows all of it. While a NOTIFY waits it is told afterwards.
    pub(super) fn tell_watcher(&mut self, id: SubscriptionId, whole: bool, now: Instant) {
        if self.sip.is_notifying(id) {
            if let Some(watcher) = self.watchers.by_id.get_mut(id) {
                watcher.behind = true;
            }
            return;
        }
        let Some(body) = self.document(id, now) else { return };
        let Some(watcher) = self.watchers.by_id.get_mut(id) else { return };
        // Only documents without a version can be the same twice.
        let told = Some(sip_stack::placement::aor_hash(&body.1)).filter(|_| watcher.kept.package == Package::Presence);
        if !whole && told.is_some() && watcher.told == told {
            return;
        }
        watcher.told = told;
        watcher.behind = false;
        watcher.over.clear();
        watcher.gone.clear();
        watcher.kept.version = watcher.kept.version.wrapping_add(1);
        self.sip.notify(id, Notice { standing: Standing::Active, body: Some(body) }, now);
        self.keep_watcher(id);
    }

    /// The last notice of a subscription.
    pub(super) fn dismiss(&mut self, id: SubscriptionId, reason: &'static str, now: Instant) {
        let body = self.document(id, now);
        let standing = Standing::Terminated { reason, retry_after: None };
        self.sip.notify(id, Notice { standing, body }, now);
        self.forget_watcher(id);
    }

    fn document(&self, id: SubscriptionId, now: Instant) -> Option<(&'static str, Bytes)> {
        let watcher = self.watchers.by_id.get(id)?;
        let (number, entity) = (&watcher.kept.number, &watcher.kept.entity);
        Some(match watcher.kept.package {
            Package::Dialog => (DialogInfo::TYPE, self.dialogs(watcher).into()),
            Package::Presence => (Presence::TYPE, self.presence(number, now).to_xml(entity, number).into()),
            Package::MessageSummary => {
                let summary = self.watchers.summaries.get(number).copied().unwrap_or_default();
                (Summary::TYPE, summary.to_text(entity).into())
            }
            Package::Reg => (RegInfo::TYPE, self.reginfo(watcher, now).into()),
        })
    }

    fn dialogs(&self, watcher: &Watcher) -> String {
        let entity = &watcher.kept.entity;
        let host = entity.split_once('@').map_or("", |(_, host)| host);
        let legs =
            self.watchers.watched.get(&watcher.kept.number).into_iter().flat_map(|watched| watched.legs.values());
        let dialogs: Vec<_> = legs.chain(&watcher.over).map(|view| legs::dialog(view, entity, host)).collect();
        DialogInfo { entity, version: watcher.kept.version, dialogs: &dialogs }.to_xml()
    }

    /// Registrations, calls and what the phone itself published, as one.
    fn presence(&self, number: &str, now: Instant) -> Presence {
        let talks = |view: &LegView| match view.state {
            LegState::Dialing
            | LegState::Ringing
            | LegState::Queued
            | LegState::Talking
            | LegState::Held
            | LegState::Listening
            | LegState::Announcement => true,
            LegState::Ending => false,
        };
        let watched = self.watchers.watched.get(number);
        let on_the_phone = watched.is_some_and(|watched| watched.legs.values().any(talks));
        let published = self.watchers.publications.of(number);
        if on_the_phone {
            return Presence { open: true, activity: Some(Activity::OnThePhone), note: String::new() };
        }
        match published {
            Some(published) => published.clone(),
            None => Presence { open: self.is_registered(number, now), ..Presence::default() },
        }
    }

    fn reginfo(&self, watcher: &Watcher, now: Instant) -> String {
        let mut contacts: Vec<Contact> = self
            .registrar
            .contacts(&watcher.kept.number, now)
            .into_iter()
            .map(|binding| Contact {
                expires: binding.expires_at.saturating_duration_since(now).as_secs(),
                ..listed(binding)
            })
            .collect();
        // One that has come back meanwhile is not gone.
        let gone = |old: &&Contact| contacts.iter().all(|contact| contact.id != old.id);
        let gone: Vec<Contact> = watcher.gone.iter().filter(gone).cloned().collect();
        contacts.extend(gone);
        RegInfo { aor: &watcher.kept.entity, version: watcher.kept.version, contacts: &contacts }.to_xml()
    }
}

/// A contact as documents name it.
fn listed(binding: &Binding) -> Contact {
    Contact {
        id: format!("{:016x}", sip_stack::placement::aor_hash(&binding.contact)),
        uri: String::from_utf8_lossy(&binding.contact).into_owned(),
        event: ContactEvent::Registered,
        expires: 0,
    }
}

/// The end of a subscription that nobody here knows.
pub(super) fn last_word(reason: &'static str) -> Notice {
    Notice { standing: Standing::Terminated { reason, retry_after: None }, body: None }
}
