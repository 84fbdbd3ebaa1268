//! PUBLISH: what phones say of their own presence (RFC 3903). It is soft state: after a restart a phone is told so by 412 and
//! publishes anew.

use super::{Package, allowed_events};
use crate::cell::Cell;
use sip_stack::endpoint::{Flow, RequestId, package_of};
use sip_stack::message::{Message, Name, Status};
use sip_stack::packages::Presence;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use stdx::Timers;

/// Publications of one extension; one more gets 503.
const MAX_PUBLICATIONS: usize = 10;
/// The longest document, bytes; a longer one gets 413.
const MAX_BODY: usize = 16 << 10;
/// Shorter wishes get 423, longer ones are granted this much.
const MIN_EXPIRES: Duration = Duration::from_secs(60);
const MAX_EXPIRES: Duration = Duration::from_secs(3600);

/// What has been published.
#[derive(Debug, Default)]
pub(crate) struct Publications {
    all: BTreeMap<String, Vec<Publication>>,
    lapses: Timers<String>,
}

#[derive(Debug)]
struct Publication {
    /// Names it; a new one with each change.
    etag: String,
    presence: Presence,
    expires_at: Instant,
}

impl Publications {
    /// The latest word of an extension.
    pub(super) fn of(&self, number: &str) -> Option<&Presence> {
        self.all.get(number)?.last().map(|publication| &publication.presence)
    }

    pub(super) fn forget(&mut self, number: &str) {
        self.all.remove(number);
        self.lapses.cancel(&number.to_owned());
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.lapses.next()
    }

    /// An extension of which something has lapsed.
    fn pop_lapsed(&mut self, now: Instant) -> Option<String> {
        let number = self.lapses.pop_due(now)?;
        if let Some(known) = self.all.get_mut(&number) {
            known.retain(|publication| publication.expires_at > now);
        }
        self.set_timer(&number);
        Some(number)
    }

    fn set_timer(&mut self, number: &str) {
        match self.all.get(number).and_then(|known| known.iter().map(|p| p.expires_at).min()) {
            Some(at) => self.lapses.set(number.to_owned(), at),
            None => self.forget(number),
        }
    }

    /// Carries out what a PUBLISH asks (RFC 3903 §6, from step 4). `etag` names what comes of it.
    fn publish(&mut self, number: &str, wish: Wish, etag: String, now: Instant) -> Result<(), Status> {
        let known = self.all.entry(number.to_owned()).or_default();
        let old = match &wish.if_match {
            Some(wanted) => match known.iter().position(|publication| publication.etag == *wanted) {
                Some(at) => Some(known.remove(at)),
                None => {
                    self.set_timer(number);
                    return Err(Status::CONDITIONAL_REQUEST_FAILED);
                }
            },
            None => None,
        };
        let presence = wish.presence.or(old.map(|old| old.presence));
        let result = match presence {
            _ if wish.expires.is_zero() => Ok(()),
            Some(_) if known.len() >= MAX_PUBLICATIONS => Err(Status::SERVICE_UNAVAILABLE),
            Some(presence) => {
                known.push(Publication { etag, presence, expires_at: now + wish.expires });
                Ok(())
            }
            None => Err(Status::BAD_REQUEST),
        };
        self.set_timer(number);
        result
    }
}

/// What a PUBLISH asks for.
struct Wish {
    if_match: Option<String>,
    expires: Duration,
    presence: Option<Presence>,
}

impl Cell {
    /// A PUBLISH of an extension about itself.
    pub(crate) fn on_publish(&mut self, id: RequestId, request: &Message, flow: Flow, now: Instant) {
        if Package::of(package_of(request)) != Some(Package::Presence) {
            return self.sip.respond(id, Status(489), allowed_events(), None, now);
        }
        let Some(party) = self.proven(id, request, flow, now) else { return };
        let number = crate::signalling::dialled(request).unwrap_or_default();
        if number != party.number || self.home_of(&number) != self.config.cell {
            return self.sip.respond(id, Status::FORBIDDEN, Vec::new(), None, now);
        }
        let wish = match wish(request) {
            Ok(wish) => wish,
            Err((status, headers)) => return self.sip.respond(id, status, headers, None, now),
        };
        let (expires, etag) = (wish.expires.as_secs(), self.entropy.token(16));
        match self.watchers.publications.publish(&number, wish, etag.clone(), now) {
            Ok(()) => {
                let headers = [("SIP-ETag", etag), ("Expires", expires.to_string())];
                let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec();
                self.sip.respond(id, Status::OK, headers, None, now);
                self.tell_watchers(&number, &[Package::Presence], now);
            }
            Err(status) => self.sip.respond(id, status, Vec::new(), None, now),
        }
    }

    pub(crate) fn expire_publications(&mut self, now: Instant) {
        while let Some(number) = self.watchers.publications.pop_lapsed(now) {
            self.tell_watchers(&number, &[Package::Presence], now);
        }
    }
}

type Refused = (Status, Vec<(String, Vec<u8>)>);

fn wish(request: &Message) -> Result<Wish, Refused> {
    let expires = match request.expires() {
        Ok(Some(seconds)) => Duration::from_secs(seconds.into()).min(MAX_EXPIRES),
        Ok(None) | Err(_) => MAX_EXPIRES,
    };
    if !expires.is_zero() && expires < MIN_EXPIRES {
        let least = MIN_EXPIRES.as_secs().to_string().into_bytes();
        return Err((Status::INTERVAL_TOO_BRIEF, vec![("Min-Expires".to_owned(), least)]));
    }
    let if_match = request.header(Name::SipIfMatch).map(|etag| String::from_utf8_lossy(etag).into_owned());
    if request.body().is_empty() {
        return Ok(Wish { if_match, expires, presence: None });
    }
    if request.body().len() > MAX_BODY {
        return Err((Status::REQUEST_ENTITY_TOO_LARGE, Vec::new()));
    }
    if !request.content_type().is_some_and(|found| found.eq_ignore_ascii_case(Presence::TYPE.as_bytes())) {
        let accept = ("Accept".to_owned(), Presence::TYPE.as_bytes().to_vec());
        return Err((Status::UNSUPPORTED_MEDIA_TYPE, vec![accept]));
    }
    let presence = Presence::from_xml(request.body()).ok_or((Status::BAD_REQUEST, Vec::new()))?;
    Ok(Wish { if_match, expires, presence: Some(presence) })
}
