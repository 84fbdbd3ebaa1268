//! Requests outside calls that are for a phone and not for the switch: passed on between our own extensions (RFC 3261 §16).
//!
//! Who sends has proved who it is, and who receives is an extension, at the places where its phones have registered: a host that a
//! request names is never sent to. The home of the receiver tells where its phones are; requests that follow in a dialog find their
//! way without us ([`sip_stack::endpoint`]).

use crate::addressee::{Addressee, Phone};
use crate::authorize::number_of;
use crate::cell::Cell;
use crate::io::{Body, Contact};
use crate::watch::is_served;
use route::{Decision, Source};
use sip_stack::endpoint::{Flow, Hop, RequestId};
use sip_stack::message::{Message, Method, Name, Status, Uri};
use std::collections::BTreeMap;
use std::time::Instant;
use tracing::debug;

/// Requests that wait for word from the home of their receiver; one more gets 503.
const MAX_ASKING: usize = 10_000;

/// Requests that wait to hear where their receiver's phones are, by the tickets of the questions.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    requests: BTreeMap<u64, RequestId>,
    tickets: u64,
}

impl Cell {
    /// Passes a request outside calls on, if it is for a phone. False: it is for the switch itself.
    pub(crate) fn pass_on(&mut self, id: RequestId, request: &Message, flow: Flow, now: Instant) -> bool {
        let Some(method) = request.method().filter(|method| self.config.policy.proxy.contains(method)) else {
            return false;
        };
        // A trunk has to do with the switch alone.
        if self.trunk_of(request, flow, None).is_some() {
            return false;
        }
        let Some(to) = self.addressee(request).filter(|to| self.is_for_phone(&method, request, to, flow, now)) else {
            return false;
        };
        if let Err((status, headers)) = self.sip.may_pass(request) {
            // Who only asks how far it gets has got here (RFC 3261 §11).
            if method == Method::Options && status == Status::TOO_MANY_HOPS {
                return false;
            }
            self.sip.respond(id, status, headers, None, now);
            return true;
        }
        if !self.is_our_host(request) {
            debug!("a request for a foreign host was refused");
            self.sip.respond(id, Status::NOT_FOUND, Vec::new(), None, now);
            return true;
        }
        let Some(sender) = self.proven(id, request, flow, now) else { return true };
        if method == Method::Refer && !self.may_send_to(&sender.number, request, now) {
            self.sip.respond(id, Status::FORBIDDEN, Vec::new(), None, now);
        } else if self.directory.extension(&to.number).is_none() && method == Method::Options {
            self.sip.answer_options(id, now);
        } else if self.directory.extension(&to.number).is_none() {
            self.sip.respond(id, Status::NOT_FOUND, Vec::new(), None, now);
        } else {
            self.ask_for_phones(id, to, now);
        }
        true
    }

    /// Whether a request is for a phone behind us rather than for the switch.
    fn is_for_phone(&self, method: &Method, request: &Message, to: &Addressee, flow: Flow, now: Instant) -> bool {
        let claimed = request.from().map(|from| number_of(&from.uri)).unwrap_or_default();
        // What an extension asks about itself is asked of the switch.
        if to.number == claimed && to.phone.is_none() {
            return false;
        }
        match method {
            // A stranger learns of no phone whether it exists: the switch answers, whomever he asks for.
            Method::Options => {
                let proves = request.header(Name::Authorization).or(request.header(Name::ProxyAuthorization)).is_some();
                let known = proves || self.screen.is_vouched(flow.remote, now);
                known && (proves || to.phone.is_some() || self.directory.extension(&to.number).is_some())
            }
            // The packages that the switch serves it serves for all phones of an extension together.
            Method::Subscribe | Method::Publish => {
                request.header(Name::Event).is_some()
                    && (!is_served(request) || matches!(to.phone, Some(Phone::Marked(_))))
            }
            _ => true,
        }
    }

    /// Whether the Request-URI names us: by an address, by our realm, or by the name that the sender knows us by itself.
    fn is_our_host(&self, request: &Message) -> bool {
        let Ok(uri) = Uri::from_slice(request.request_uri()) else { return false };
        let own = request.from().is_ok_and(|from| from.uri.host_bytes().eq_ignore_ascii_case(uri.host_bytes()));
        own || uri.host_bytes().eq_ignore_ascii_case(self.config.realm.as_bytes())
            || uri.host_bytes().is_empty()
            || uri.host().ip().is_some_and(|ip| self.config.locals.is_ours(ip))
    }

    /// Whether somebody may send a colleague's phone where it names in Refer-To: only where it may call itself, for the colleague pays.
    fn may_send_to(&mut self, sender: &str, request: &Message, now: Instant) -> bool {
        let Ok(number) = request.addr(Name::ReferTo).map(|target| number_of(&target.uri)) else { return false };
        let known = self.directory.extension(sender);
        let (rights, outside) = known.map(|e| (e.rights, e.outside_number.clone())).unwrap_or_default();
        let from = Source::Extension { number: sender, outside: &outside, rights, on_behalf: None };
        let at = self.config.wall.at(now);
        !matches!(self.directory.find(&number, from, at, &mut self.entropy), Decision::Refused { .. })
    }

    fn ask_for_phones(&mut self, id: RequestId, to: Addressee, now: Instant) {
        if self.asking.requests.len() >= MAX_ASKING {
            return self.sip.respond(id, Status::SERVICE_UNAVAILABLE, crate::signalling::retry_after(), None, now);
        }
        self.asking.tickets += 1;
        let ticket = self.asking.tickets;
        self.asking.requests.insert(ticket, id);
        let Addressee { number, phone } = to;
        self.send_home(&number.clone(), Body::FindPhones { ticket, number, phone }, now);
    }

    /// As home of an extension: where its phones are, or the one that is meant.
    pub(crate) fn find_phones(&mut self, from: u16, ticket: u64, number: &str, phone: Option<&Phone>, now: Instant) {
        let contacts = self.registrar.contacts(number, now).into_iter().map(crate::home::contact);
        let meant = |contact: &Contact| phone.is_none_or(|phone| phone.is(contact, &self.seal));
        let found: Vec<Contact> = contacts.filter(meant).collect();
        if from == self.config.cell {
            self.on_phones(ticket, &found, now);
        } else {
            self.send(from, Body::Phones { ticket, found });
        }
    }

    /// The home of the receiver has answered.
    pub(crate) fn on_phones(&mut self, ticket: u64, found: &[Contact], now: Instant) {
        let Some(id) = self.asking.requests.remove(&ticket) else { return };
        let hop = |contact: &Contact| {
            let request_uri = Uri::from_slice(&contact.uri).ok()?;
            Some(Hop { flow: contact.flow, request_uri, route: contact.route.clone() })
        };
        let hops: Vec<Hop> = found.iter().filter_map(hop).collect();
        self.sip.forward(id, &hops, now);
    }
}
