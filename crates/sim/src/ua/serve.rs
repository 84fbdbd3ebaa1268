//! What a phone is asked by others, and what it tells those who subscribe to it: everything that a switch only passes on.

use super::Ua;
use super::client::Purpose;
use super::events::value;
use super::message::{self, Facts};
use rsip::headers::UntypedHeader;
use rsip::{Header, Method, Request};
use std::time::Instant;

/// What goes on between a phone and others.
#[derive(Default)]
pub(crate) struct Serving {
    /// Requests outside dialogs that reached it, as text.
    pub(crate) asked_by: Vec<String>,
    /// What it says to them; 200 unless told otherwise.
    pub(crate) answer: Option<u16>,
    /// Method and final status of each request of its own; no status while it is under way.
    pub(crate) asked: Vec<(String, Option<u16>)>,
    subscribers: Vec<Subscriber>,
    /// The final status of each NOTIFY to a subscriber.
    pub(crate) told: Vec<u16>,
    /// It has no time for anybody: it says nothing at all.
    pub(crate) deaf: bool,
}

/// Somebody who has subscribed to this phone.
struct Subscriber {
    call_id: String,
    /// Our From and their To in what we send.
    local: String,
    remote: String,
    target: String,
    routes: Vec<String>,
    event: String,
    cseq: u32,
}

impl Ua {
    /// Asks another something outside any call.
    pub(crate) fn ask(&mut self, method: Method, uri: &str, extra: Vec<Header>, body: &str, now: Instant) {
        let Some(proxy) = self.proxy else { return };
        self.serving.asked.push((method.to_string(), None));
        let purpose = Purpose::Asked(self.serving.asked.len() - 1);
        let (branch, call_id) = (self.branch(), self.entropy.token(20));
        let from = format!("<sip:{}@{}>;tag={}", self.number, self.domain, self.entropy.token(8));
        let request = message::Draft {
            method,
            uri,
            via: self.addr,
            branch: &branch,
            from: &from,
            to: &format!("<{uri}>"),
            call_id: &call_id,
            cseq: 1,
            contact: Some(self.contact()),
            extra,
            body: body.as_bytes().to_vec(),
        }
        .request();
        self.start_client(request, proxy, purpose, now);
    }

    /// A request that belongs to no dialog.
    pub(super) fn on_asked(&mut self, request: &Request, facts: &Facts, now: Instant) {
        if self.serving.deaf {
            return;
        }
        self.serving.asked_by.push(request.to_string());
        let status = self.serving.answer.unwrap_or(if facts.method == "REFER" { 202 } else { 200 });
        let contact = Header::Contact(rsip::headers::Contact::new(self.contact()));
        self.respond(request, facts, status, None, vec![contact], &[], now);
    }

    /// Somebody subscribes, renews, or goes.
    pub(super) fn on_subscribe(&mut self, request: &Request, facts: &Facts, now: Instant) {
        if self.serving.deaf {
            return;
        }
        let known = self.serving.subscribers.iter().position(|known| {
            known.call_id == facts.call_id && message::tag_in(&known.local).as_ref() == facts.to_tag.as_ref()
        });
        let index = match (known, &facts.to_tag) {
            (Some(index), _) => index,
            (None, Some(_)) => return self.respond(request, facts, 481, None, Vec::new(), &[], now),
            (None, None) => {
                self.serving.asked_by.push(request.to_string());
                if let Some(status) = self.serving.answer {
                    return self.respond(request, facts, status, None, Vec::new(), &[], now);
                }
                let local = format!("{};tag={}", facts.to, self.entropy.token(8));
                self.serving.subscribers.push(Subscriber {
                    call_id: facts.call_id.clone(),
                    local,
                    remote: facts.from.clone(),
                    target: facts.contact.clone().unwrap_or_default(),
                    routes: record(&request.headers),
                    event: value(&request.headers, "Event").unwrap_or_default(),
                    cseq: 0,
                });
                self.serving.subscribers.len() - 1
            }
        };
        let tag = message::tag_in(&self.serving.subscribers[index].local).unwrap_or_default();
        let expires = value(&request.headers, "Expires").unwrap_or_else(|| "3600".to_owned());
        let contact = Header::Contact(rsip::headers::Contact::new(self.contact()));
        let extra = vec![Header::Other("Expires".to_owned(), expires.clone()), contact];
        self.respond(request, facts, 200, Some(&tag), extra, &[], now);
        let state =
            if expires == "0" { "terminated;reason=timeout".to_owned() } else { format!("active;expires={expires}") };
        self.tell(index, &state, "", now);
    }

    /// Tells everybody who has subscribed.
    pub(crate) fn tell_subscribers(&mut self, body: &str, now: Instant) {
        for index in 0..self.serving.subscribers.len() {
            self.tell(index, "active;expires=60", body, now);
        }
    }

    fn tell(&mut self, index: usize, state: &str, body: &str, now: Instant) {
        let Some(proxy) = self.proxy else { return };
        let (via, contact, branch) = (self.addr, self.contact(), self.branch());
        let known = &mut self.serving.subscribers[index];
        known.cseq += 1;
        let mut extra: Vec<Header> = known.routes.iter().map(|route| route_header(route)).collect();
        extra.push(Header::Other("Event".to_owned(), known.event.clone()));
        extra.push(Header::Other("Subscription-State".to_owned(), state.to_owned()));
        if !body.is_empty() {
            extra.push(Header::ContentType("text/plain".into()));
        }
        let request = message::Draft {
            method: Method::Notify,
            uri: &known.target,
            via,
            branch: &branch,
            from: &known.local,
            to: &known.remote,
            call_id: &known.call_id,
            cseq: known.cseq,
            contact: Some(contact),
            extra,
            body: body.as_bytes().to_vec(),
        }
        .request();
        self.start_client(request, proxy, Purpose::Tell, now);
    }
}

/// The values of Record-Route, in their order.
pub(super) fn record(headers: &rsip::Headers) -> Vec<String> {
    let lines = headers.iter().filter_map(|header| match header {
        Header::RecordRoute(route) => Some(route.value().to_owned()),
        _ => None,
    });
    lines.flat_map(|line| line.split(',').map(|value| value.trim().to_owned()).collect::<Vec<_>>()).collect()
}

pub(super) fn route_header(route: &str) -> Header {
    Header::Route(rsip::headers::Route::new(route))
}
