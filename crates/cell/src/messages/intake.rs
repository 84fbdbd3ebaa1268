//! How a message comes in: from a phone, a trunk, a gateway or an API, and to whom it goes from here.

use super::{Attempt, LIFETIME, MAX_BODY, PATIENCE, Sender, Stored};
use crate::authorize::number_of;
use crate::cell::Cell;
use crate::io::Body;
use call::PartyKind;
use model::{MessageState, NewMessage, Refusal, Reply, TextMessage};
use route::{Decision, Source};
use sip_stack::endpoint::{Flow, RequestId};
use sip_stack::message::{Message, Name, NameAddr, Status, Uri, may_forward};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Headers that belong to the text and travel with it.
const COMPANIONS: [Name; 4] = [Name::Subject, Name::ContentDisposition, Name::ContentEncoding, Name::ContentLanguage];

/// "Somebody is typing" (RFC 3994) is worth nothing later.
const TYPING: &[u8] = b"application/im-iscomposing+xml";

/// Where a message goes from here.
enum Course {
    /// To the home of this extension.
    Home(String),
    /// Out by this trunk.
    Trunk { name: String, numbers: (String, String) },
    /// Nowhere, and why.
    Nowhere(Status),
}

/// Who sends.
struct Author {
    number: String,
    /// The trunk or gateway that brings it.
    via: Option<String>,
    trunk: Option<(String, IpAddr)>,
}

impl Cell {
    /// A MESSAGE outside calls.
    pub(crate) fn on_message(&mut self, id: RequestId, request: &Message, flow: Flow, now: Instant) {
        let Some(author) = self.author(id, request, flow, now) else { return };
        let number = self.addressee(request).map(|to| to.number).unwrap_or_default();
        if request.body().len() > MAX_BODY {
            return self.sip.respond(id, Status::REQUEST_ENTITY_TOO_LARGE, Vec::new(), None, now);
        }
        if let Err((status, _)) = may_forward(request) {
            return self.sip.respond(id, status, Vec::new(), None, now);
        }
        let lifetime = match request.expires() {
            _ if request.content_type().is_some_and(|found| found.eq_ignore_ascii_case(TYPING)) => PATIENCE,
            Ok(Some(seconds)) => Duration::from_secs(seconds.into()).min(LIFETIME),
            Ok(None) | Err(_) => LIFETIME,
        };
        let content_type = request.header(Name::ContentType).map_or("text/plain".into(), String::from_utf8_lossy);
        let headers = COMPANIONS
            .iter()
            .filter_map(|name| request.header(*name).map(|value| (name.as_str().to_owned(), value.to_vec())));
        let headers = headers.collect();
        let new = NewMessage {
            from: author.number.clone(),
            to: number.clone(),
            via: author.via.clone(),
            content_type: content_type.into_owned(),
            body: request.body().to_vec(),
            expires_seconds: None,
        };
        let mut stored = self.new_message(new, lifetime, headers, now);
        let course = self.course(&number, &author, now);
        // What a gateway brings for nobody in particular is for whoever listens to the switch.
        if author.trunk.is_none() && author.via.is_some() && (author.via.as_ref() == Some(&number) || number.is_empty())
        {
            stored.message.state = MessageState::Delivered;
            self.sip.respond(id, Status::OK, Vec::new(), None, now);
            let arrived = TextMessage { state: MessageState::Waiting, ..stored.message.clone() };
            self.tell_message(&arrived, now);
            return self.messages.remember(stored.message);
        }
        if let Course::Nowhere(status) = course {
            return self.sip.respond(id, status, Vec::new(), None, now);
        }
        let ticket = self.expect_answer(id, now);
        stored.sender = Some(Sender { cell: self.config.cell, ticket });
        self.forward_message(course, stored, now);
    }

    /// A message of an API.
    pub(crate) fn send_message(&mut self, new: NewMessage, now: Instant) -> Result<Reply, Refusal> {
        let course = match &new.via {
            Some(via) => match self.directory.extension(via) {
                Some(extension) => Course::Home(extension.number.clone()),
                None => Course::Nowhere(Status::NOT_FOUND),
            },
            None => {
                let author = Author { number: new.from.clone(), via: None, trunk: None };
                self.course(&new.to, &author, now)
            }
        };
        if let Course::Nowhere(_) = course {
            return Err(Refusal::NoSuchExtension);
        }
        let lifetime = new.expires_seconds.map_or(LIFETIME, |s| Duration::from_secs(s.into()).min(LIFETIME));
        let stored = self.new_message(new, lifetime, Vec::new(), now);
        let id = stored.message.id.clone();
        self.forward_message(course, stored, now);
        Ok(Reply::Message { id })
    }

    fn forward_message(&mut self, course: Course, stored: Stored, now: Instant) {
        match course {
            Course::Home(number) => {
                self.send_home(&number.clone(), Body::Message { number, message: Box::new(stored) }, now);
            }
            Course::Trunk { name, numbers } => {
                let letter = Body::TextOut { trunk: name.clone(), numbers, message: Box::new(stored) };
                self.send_home(&name, letter, now);
            }
            Course::Nowhere(_) => {}
        }
    }

    /// Who sends a MESSAGE, if that is proven. Otherwise the request is answered.
    fn author(&mut self, id: RequestId, request: &Message, flow: Flow, now: Instant) -> Option<Author> {
        let admission = self.admit(request, flow, now);
        let party = self.granted(id, admission, flow, now)?;
        let claimed = request.from().map(|from| number_of(&from.uri)).unwrap_or_default();
        match party.kind {
            PartyKind::Trunk(name) => {
                let trunk = Some((name.clone(), flow.remote.ip()));
                Some(Author { number: claimed, via: Some(name), trunk })
            }
            PartyKind::Extension if self.config.policy.gateways.contains(&party.number) => {
                Some(Author { number: claimed, via: Some(party.number), trunk: None })
            }
            PartyKind::Extension if claimed == party.number => Some(Author { number: claimed, via: None, trunk: None }),
            PartyKind::Extension => {
                self.sip.respond(id, Status::FORBIDDEN, Vec::new(), None, now);
                None
            }
        }
    }

    /// The way that a call of the same author to the same number would take, its rights included.
    fn course(&mut self, to: &str, author: &Author, now: Instant) -> Course {
        let at = self.config.wall.at(now);
        let decision = match &author.trunk {
            Some((name, address)) => {
                let from = Source::Trunk { name, address: Some(*address), caller: &author.number };
                self.directory.find(to, from, at, &mut self.entropy)
            }
            None => {
                let number = author.via.as_ref().unwrap_or(&author.number);
                let known = self.directory.extension(number);
                let (rights, outside) = known.map(|e| (e.rights, e.outside_number.clone())).unwrap_or_default();
                let from = Source::Extension { number, outside: &outside, rights, on_behalf: None };
                self.directory.find(to, from, at, &mut self.entropy)
            }
        };
        match decision {
            Decision::Extension { number, .. } => Course::Home(number),
            // The best trunk alone: a text that two networks took would arrive twice.
            Decision::Trunks { hops, .. } => match hops.into_iter().next() {
                Some(hop) => Course::Trunk { name: hop.trunk, numbers: (hop.number, hop.caller) },
                None => Course::Nowhere(Status::TEMPORARILY_UNAVAILABLE),
            },
            // Nobody reads there.
            Decision::Conference { .. }
            | Decision::Queue { .. }
            | Decision::RingGroup { .. }
            | Decision::Mailbox { .. }
            | Decision::Prompt { .. }
            | Decision::Program { .. }
            | Decision::DialString(_) => Course::Nowhere(Status(404)),
            Decision::Refused { outcome, .. } => Course::Nowhere(Status(outcome.cause().sip)),
        }
    }

    fn new_message(
        &mut self,
        new: NewMessage,
        lifetime: Duration,
        headers: Vec<(String, Vec<u8>)>,
        now: Instant,
    ) -> Stored {
        let at = self.config.wall.at(now);
        let message = TextMessage {
            id: self.entropy.token(20),
            from: new.from,
            to: new.to,
            via: new.via,
            content_type: new.content_type,
            body: new.body,
            at,
            expires_at: at + lifetime.as_millis() as u64,
            state: MessageState::Waiting,
            status: 0,
        };
        Stored { message, order: String::new(), call_id: self.entropy.token(26), headers, sender: None }
    }

    /// A sender waits for the fate of its message, a few seconds.
    fn expect_answer(&mut self, id: RequestId, now: Instant) -> u64 {
        let messages = &mut self.messages;
        messages.tickets += 1;
        messages.senders.insert(messages.tickets, id);
        messages.timers.set(super::Due::Sender(messages.tickets), now + PATIENCE);
        messages.tickets
    }

    /// The fate of a message, told to whoever waits for it.
    pub(super) fn tell_sender(&mut self, sender: Option<Sender>, status: Status, now: Instant) {
        let Some(Sender { cell, ticket }) = sender else { return };
        if cell == self.config.cell {
            self.answer_sender(ticket, status, now);
        } else {
            self.send(cell, Body::MessageFate { ticket, status: status.code() });
        }
    }

    pub(crate) fn answer_sender(&mut self, ticket: u64, status: Status, now: Instant) {
        self.messages.timers.cancel(&super::Due::Sender(ticket));
        let Some(id) = self.messages.senders.remove(&ticket) else { return };
        let retry = (status == Status::SERVICE_UNAVAILABLE).then(|| ("Retry-After".to_owned(), b"60".to_vec()));
        self.sip.respond(id, status, retry.into_iter().collect(), None, now);
    }

    /// As home of a trunk: sends a message out by it. It is not stored: the sender hears what the trunk says.
    pub(crate) fn relay_message(
        &mut self,
        trunk: &str,
        (number, caller): (String, String),
        mut stored: Stored,
        now: Instant,
    ) {
        stored.message.via = Some(trunk.to_owned());
        self.tell_message(&stored.message, now);
        let (message, sender) = (Box::new(stored.message.clone()), stored.sender);
        (stored.message.to, stored.message.from) = (number, caller);
        match self.relay(trunk, &stored, now) {
            Some(id) => {
                self.messages.attempts.insert(id, Attempt::Relay { message, sender });
            }
            None => self.relayed(*message, sender, Status::TEMPORARILY_UNAVAILABLE, now),
        }
    }

    fn relay(&mut self, trunk: &str, stored: &Stored, now: Instant) -> Option<RequestId> {
        let way = self.way_of_text(trunk, now)?;
        let uri = format!("sip:{}@{}", stored.message.to, way.host);
        let mut outgoing = super::deliver::text_request(*way.flows.first()?, uri.as_bytes(), stored)?;
        way.apply_to_request(&mut outgoing);
        // A registrar wants its own domain in From.
        if let Some(uri) = way.from_host.and_then(|host| Uri::sip(Some(&stored.message.from), &host, None).ok()) {
            outgoing.from = NameAddr::new(uri);
        }
        self.sip.request(outgoing, now).ok()
    }
}
