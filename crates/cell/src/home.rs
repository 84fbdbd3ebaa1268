//! The home of an extension: its registrations, and how many calls it is in. Letters from other cells end here.

use crate::cell::Cell;
use crate::hot;
use crate::io::{Body, Contact, Envelope, Output};
use model::{CallId, EventBody, Outcome, RegistrationChange};
use sip_stack::endpoint::{Flow, RequestId};
use sip_stack::message::{Message, Status};
use sip_stack::packages::ContactEvent;
use sip_stack::placement::aor_hash;
use sip_stack::registrar::{Binding, ChangeKind};
use std::time::Instant;
use tracing::{debug, info};

/// The cell that an extension or a trunk belongs to.
pub(crate) fn home(name: &str, cells: u16) -> u16 {
    (aor_hash(name.as_bytes()) % u64::from(cells.max(1))) as u16
}

impl Cell {
    pub(crate) fn home_of(&self, number: &str) -> u16 {
        home(number, self.config.cells)
    }

    pub(crate) fn on_envelope(&mut self, envelope: Envelope, now: Instant) {
        match envelope.body {
            Body::Datagram { flow, data } => self.handle_datagram(flow, data, now),
            Body::InviteIsAt { call_id, cell } => self.note_invite_at(call_id, cell, now),
            Body::Cancel { flow, data } => self.take_datagram(flow, data, now),
            Body::SendFailed { flow } => {
                self.sip.handle_input(sip_stack::endpoint::Input::SendFailed { flow }, now);
            }
            Body::StreamClosed { flow } => self.stream_closed(flow, now),
            Body::TokenShown { flow, extension } => {
                self.shown.insert(flow, extension);
            }
            Body::Locate { call, number } => {
                let from = envelope.from;
                let found = self.locate(call, &number, now);
                // A call waits only where nobody is awake or connected; others ring at once.
                if found != Err(Outcome::Unreachable) || !self.wake(from, call, &number, now) {
                    self.located_for(from, call, &number, found, now);
                }
            }
            Body::Banned(ban) => self.screen.bans.put(ban, now),
            Body::ToDesk(letter) => self.to_desk.push_back(letter),
            Body::FromDesk(letter) => self.on_desk(letter, now),
            Body::WatchPhone { extension, on } => self.watch_phone(&extension, on, now),
            Body::Vouched { remote, until, phone } => {
                self.screen.vouch(remote, until, now);
                if phone {
                    self.screen.note_phone(remote, until, now);
                }
            }
            Body::JoinCall(request) => self.on_join_call(envelope.from, &request, now),
            Body::CallJoined { call, result } => self.on_call_joined(call, result.map(|joined| *joined), now),
            Body::FindFarEnd(query) => self.on_find_far_end(&query, now),
            Body::FarEndFound { call, end } => self.on_far_end_found(call, end.map(|end| *end), now),
            Body::PutTogether { call, with, done } => self.on_put_together(call, with, done),
            Body::LinkEnded { call, from, cause } => self.on_link_ended(call, from, cause),
            Body::Message { number, message } => self.store_message(&number, *message, now),
            Body::MessageFate { ticket, status } => self.answer_sender(ticket, Status(status), now),
            Body::PhoneCame { call, number, contact } => self.follow_phone(call, &number, &contact, now),
            Body::Watch { call, number } => self.show_legs_of(call, &number, now),
            Body::LegState(view) => self.on_leg_state(*view, now),
            Body::FindPhones { ticket, number, phone } => {
                self.find_phones(envelope.from, ticket, &number, phone.as_ref(), now);
            }
            Body::Phones { ticket, found } => self.on_phones(ticket, &found, now),
            Body::TextOut { trunk, numbers, message } => self.relay_message(&trunk, numbers, *message, now),
            Body::Located { call, number, found } => self.on_located(call, &number, found, now),
            Body::MaySpend { call, whose, price } => {
                let room = self.may_spend(&whose, price, now);
                if envelope.from == self.config.cell {
                    self.on_room(call, room, now);
                } else {
                    self.send(envelope.from, Body::Room { call, room });
                }
            }
            Body::Room { call, room } => self.on_room(call, room, now),
            Body::Spend { leg, whose, price, at } => self.spend(&whose, leg, price, at, now),
            Body::Spent { leg, whose, at } => self.spent(&whose, leg, at, now),
            Body::StopSpending { leg } => self.stop_spending(leg),
            Body::Occupy { call, number } => {
                self.occupied.entry(number.clone()).or_default().insert(call);
                self.tell_phone_facts(&number, now);
                self.watch_call(call, &number, now);
            }
            Body::Reserve { call, leg, trunk, urgent } => {
                self.reserve((envelope.from, call, leg, urgent), &trunk, now);
            }
            Body::Reserved { call, leg, trunk, way } => self.on_reserved(call, leg, trunk, way, now),
            Body::Release { call, trunk } => self.release(call, &trunk),
            Body::OccupyTrunk { call, trunk, urgent } => self.count_in((envelope.from, call, urgent), &trunk, now),
            Body::TrunkRoom { call, room } => self.on_trunk_room(call, room, now),
            Body::Tried { trunk, dead, alive } => self.tried(&trunk, &dead, alive, now),
            Body::Signed { call, mark, call_id } => {
                let new = self.note_signature(mark, &call_id, now);
                self.send(envelope.from, Body::SignatureNew { call, new });
            }
            Body::SignatureNew { call, new } => self.on_signature(call, new, now),
            Body::TrunkSources { trunk, addresses } => self.directory.set_sources(&trunk, addresses),
            Body::Vacate { call, number } => {
                if let Some(calls) = self.occupied.get_mut(&number) {
                    calls.remove(&call);
                    if calls.is_empty() {
                        self.occupied.remove(&number);
                    }
                    self.tell_phone_facts(&number, now);
                }
            }
        }
    }

    /// Requests of ours that wait for an answer by this stream have failed, and phones that can be reached by nothing else are gone.
    pub(crate) fn stream_closed(&mut self, flow: Flow, now: Instant) {
        self.shown.remove(&flow);
        self.sip.handle_input(sip_stack::endpoint::Input::SendFailed { flow }, now);
        let gone = self.registrar.stream_closed(flow, now);
        self.bindings_gone(&gone, ContactEvent::Deactivated, now);
    }

    pub(crate) fn locate(&mut self, call: CallId, number: &str, now: Instant) -> Result<Vec<Contact>, Outcome> {
        let extension = self.directory.extension(number).ok_or(Outcome::Unallocated)?;
        let mut contacts: Vec<Contact> = self.registrar.contacts(number, now).into_iter().map(contact).collect();
        contacts.extend(self.registrar.spares(number, now).map(|binding| Contact { spare: true, ..contact(binding) }));
        if contacts.is_empty() {
            return Err(Outcome::Unreachable);
        }
        let most = if extension.call_waiting { extension.max_calls } else { 1 };
        let calls = self.occupied.entry(number.to_owned()).or_default();
        if !calls.contains(&call) && calls.len() >= usize::from(most) {
            return Err(Outcome::Busy);
        }
        calls.insert(call);
        self.tell_phone_facts(number, now);
        Ok(contacts)
    }

    /// REGISTER of a phone that proved who it is.
    pub(crate) fn register(&mut self, id: RequestId, number: &str, request: &Message, flow: Flow, now: Instant) {
        let own = self.directory.extension(number).map_or(0, |extension| extension.contacts);
        let limit = if own == 0 { self.config.policy.max_contacts } else { own.into() };
        let registration = self.registrar.register_within(number, request, flow, limit, now);
        let there = registration.changes.iter().any(|change| change.kind != ChangeKind::Removed);
        let new = registration.changes.iter().any(|change| change.kind == ChangeKind::Added);
        // All of them first: one document tells of the whole REGISTER.
        let gone = registration.changes.iter().filter(|change| change.kind == ChangeKind::Removed);
        self.note_gone(gone.map(|change| (&change.binding, ContactEvent::Unregistered)));
        for change in registration.changes {
            self.keep_binding(change.kind, &change.binding, now);
            if matches!(change.kind, ChangeKind::Added | ChangeKind::Altered) {
                self.tell_calls_of(number, &contact(&change.binding), now);
            }
        }
        if registration.status.0 == 200 {
            self.vouch_for_phone(flow.remote, now + self.config.policy.max_registration, now);
            self.stats.registered += 1;
        }
        self.sip.respond(id, registration.status, registration.headers, None, now);
        self.woken(number, now);
        self.tell_phone_facts(number, now);
        if there {
            self.deliver_after_registration(number, new, now);
        }
    }

    pub(crate) fn expire_registrations(&mut self, now: Instant) {
        let (lapsed, left): (Vec<_>, Vec<_>) =
            self.registrar.handle_timeout(now).into_iter().partition(|binding| binding.expires_at <= now);
        self.bindings_gone(&lapsed, ContactEvent::Expired, now);
        self.bindings_gone(&left, ContactEvent::Deactivated, now);
    }

    pub(crate) fn unregister(&mut self, number: &str, now: Instant) {
        let gone = self.registrar.remove_all(number);
        self.bindings_gone(&gone, ContactEvent::Deactivated, now);
    }

    fn bindings_gone(&mut self, gone: &[Binding], why: ContactEvent, now: Instant) {
        self.note_gone(gone.iter().map(|binding| (binding, why)));
        for binding in gone {
            self.keep_binding(ChangeKind::Removed, binding, now);
            self.tell_phone_facts(&binding.aor, now);
        }
    }

    fn keep_binding(&mut self, kind: ChangeKind, binding: &Binding, now: Instant) {
        let key = hot::registration(&binding.aor, &binding.name());
        let change = match kind {
            ChangeKind::Added | ChangeKind::Refreshed | ChangeKind::Altered => {
                let value = binding.snapshot(&self.config.wall);
                self.out.push_back(Output::Keep { key, value });
                if kind == ChangeKind::Altered { RegistrationChange::Changed } else { RegistrationChange::Added }
            }
            ChangeKind::Removed => {
                self.out.push_back(Output::Forget { key });
                if binding.expires_at <= now { RegistrationChange::Expired } else { RegistrationChange::Removed }
            }
        };
        if kind == ChangeKind::Refreshed {
            return;
        }
        info!(?change, "registration changed");
        debug!(extension = %binding.aor, contact = %binding.flow.remote, ?change, "registration changed");
        let (extension, remote) = (binding.aor.clone(), binding.flow.remote.to_string());
        let contact = String::from_utf8_lossy(&binding.contact).into_owned();
        self.tell(EventBody::RegistrationChanged { extension, change, contact, remote }, now);
        self.tell_registration(&binding.aor, now);
    }

    /// What the last process left behind.
    pub(crate) fn restore(&mut self, key: &[u8], value: &[u8], now: Instant) {
        let mine = |cell: u16| cell % self.config.cells.max(1) == self.config.cell;
        match hot::Key::parse(key) {
            Some(hot::Key::Registration { number }) => {
                let mine = self.home_of(&number) == self.config.cell;
                let grace = !self.config.policy.grace.is_zero();
                let alive = |binding: &Binding| binding.expires_at > now && (grace || !binding.ends_with_its_stream());
                match Binding::restore(value, &self.config.wall).filter(alive) {
                    Some(binding) => {
                        // Any worker's socket may be the one that its phone's messages come to.
                        self.screen.vouch(binding.flow.remote, now + self.config.policy.max_registration, now);
                        self.screen.note_phone(binding.flow.remote, binding.expires_at, now);
                        if mine {
                            self.registrar.restore(binding, now);
                        }
                    }
                    None if !mine => {}
                    None => self.out.push_back(Output::Forget { key: key.to_vec() }),
                }
            }
            Some(hot::Key::Subscription { number }) if self.home_of(&number) == self.config.cell => {
                self.restore_watcher(key, value, now);
            }
            Some(hot::Key::Summary { number }) if self.home_of(&number) == self.config.cell => {
                self.restore_summary(&number, value);
            }
            Some(hot::Key::Message { number }) if self.home_of(&number) == self.config.cell => {
                self.restore_message(&number, key, value, now);
            }
            Some(hot::Key::Token { number }) => self.restore_token(&number, key, value, now),
            Some(hot::Key::Alive) => self.died_at = self.died_at.max(hot::alive_time(value).unwrap_or(0)),
            Some(hot::Key::Spent { whose, day }) => self.restore_spent(key, &whose, &day, value, now),
            Some(hot::Key::Call(id)) => {
                let is_mine = mine(id.cell());
                let lives = crate::resuming::standing(key, value, self.config.cells).is_some();
                let capped = self.config.extension_cap.is_set() || self.config.total_cap.is_set();
                if capped
                    && !lives
                    && let Some(record) = hot::call_record(value)
                {
                    self.restore_charge(&record, record.ended_at.max(self.died_at), now);
                }
                if is_mine && !self.expect_call(value) {
                    self.bury(key, value);
                }
            }
            Some(hot::Key::Record(id)) if mine(id.cell()) => match hot::call_record(value) {
                Some(record) => self.out.push_back(Output::Record { record: Box::new(record) }),
                None => self.out.push_back(Output::Forget { key: key.to_vec() }),
            },
            Some(hot::Key::Voicemail(id)) if mine(id.cell()) => self.restore_voicemail(key, value),
            Some(hot::Key::Ban(source)) => self.restore_ban(source, value, now),
            Some(_) => {}
            None => tracing::warn!(key = %key.escape_ascii(), "unknown key in the hot store, left alone"),
        }
    }

    /// A call that was going on when the last process died: its record says so.
    pub(crate) fn bury(&mut self, key: &[u8], value: &[u8]) {
        if let Some(mut record) = hot::call_record(value) {
            record.ended_at = record.ended_at.max(self.died_at);
            let talked_ms = record.talk_ms();
            if let Some(charge) = &mut record.charge {
                charge.cost = charge.price.of(talked_ms);
            }
            let value = hot::call_value(&record);
            self.out.push_back(Output::Keep { key: hot::record(record.id), value });
            self.out.push_back(Output::Record { record: Box::new(record) });
        }
        self.out.push_back(Output::Forget { key: key.to_vec() });
    }
}

/// Where a phone can be reached, by its registration.
pub(crate) fn contact(binding: &Binding) -> Contact {
    Contact {
        spare: false,
        call_id: binding.instance.as_ref().map(|_| binding.call_id.clone()).unwrap_or_default(),
        route: binding.path.clone(),
        instance: binding.instance.clone(),
        uri: binding.contact.clone(),
        flow: binding.flow,
        user_agent: binding.user_agent.clone(),
        q: binding.q,
    }
}
