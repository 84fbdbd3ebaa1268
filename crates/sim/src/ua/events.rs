//! What a phone does beside calling: it subscribes, publishes, and sends and reads messages.

use super::client::Purpose;
use super::message::{self, Facts};
use super::{Timer, Ua};
use rsip::{Header, Headers, Method, Request, Response};
use std::time::{Duration, Instant};

/// Everything of a phone that is no call.
#[derive(Default)]
pub(crate) struct Events {
    pub(crate) subscriptions: Vec<Subscription>,
    /// Who sent what, in the order in which it came.
    pub(crate) messages: Vec<(String, String)>,
    /// The final status of each message that was sent; none while it is under way.
    pub(crate) sent: Vec<Option<u16>>,
    /// What it says to a MESSAGE; 200 unless told otherwise.
    pub(crate) answer: Option<u16>,
    pub(crate) published: Option<u16>,
    etag: Option<String>,
    /// Its last PUBLISH took the publication back.
    silent: bool,
}

/// One subscription of a phone.
pub(crate) struct Subscription {
    pub(crate) number: String,
    pub(crate) event: String,
    call_id: String,
    from_tag: String,
    to: String,
    target: String,
    pub(super) cseq: u32,
    expires: u32,
    notify_cseq: Option<u32>,
    /// Its requests go by these, the first hop first.
    routes: Vec<String>,
    /// The final status of the last SUBSCRIBE.
    pub(crate) status: Option<u16>,
    /// Subscription-State and body of each NOTIFY.
    pub(crate) notices: Vec<(String, String)>,
    pub(crate) over: bool,
}

impl Ua {
    /// Subscribes to an event of a number.
    pub(crate) fn subscribe(&mut self, number: &str, event: &str, expires: u32, now: Instant) {
        let uri = format!("sip:{number}@{}", self.domain);
        self.events.subscriptions.push(Subscription {
            number: number.to_owned(),
            event: event.to_owned(),
            call_id: self.entropy.token(20),
            from_tag: self.entropy.token(8),
            to: format!("<{uri}>"),
            target: uri,
            cseq: 0,
            expires,
            notify_cseq: None,
            routes: Vec::new(),
            status: None,
            notices: Vec::new(),
            over: false,
        });
        self.send_subscribe(self.events.subscriptions.len() - 1, now);
    }

    /// Renews a subscription, or with 0 takes it back.
    pub(crate) fn resubscribe(&mut self, index: usize, expires: u32, now: Instant) {
        self.events.subscriptions[index].expires = expires;
        self.send_subscribe(index, now);
    }

    pub(super) fn send_subscribe(&mut self, index: usize, now: Instant) {
        let Some(proxy) = self.proxy else { return };
        let branch = self.branch();
        let (via, contact) = (self.addr, self.contact());
        let from = format!("<sip:{}@{}>", self.number, self.domain);
        let known = &mut self.events.subscriptions[index];
        known.cseq += 1;
        let header = |name: &str, value: String| Header::Other(name.to_owned(), value);
        let mut extra: Vec<Header> = known.routes.iter().map(|route| super::serve::route_header(route)).collect();
        extra.extend([header("Event", known.event.clone()), header("Expires", known.expires.to_string())]);
        let request = message::Draft {
            method: Method::Subscribe,
            uri: &known.target,
            via,
            branch: &branch,
            from: &format!("{from};tag={}", known.from_tag),
            to: &known.to,
            call_id: &known.call_id,
            cseq: known.cseq,
            contact: Some(contact),
            extra,
            body: Vec::new(),
        }
        .request();
        self.timers.cancel(&Timer::Resubscribe(index));
        self.start_client(request, proxy, Purpose::Subscribe(index), now);
    }

    pub(super) fn on_subscribed(
        &mut self,
        index: usize,
        status: u16,
        response: Option<(&Response, &Facts)>,
        now: Instant,
    ) {
        let known = &mut self.events.subscriptions[index];
        known.status = Some(status);
        let Some((response, facts)) = response.filter(|_| (200..300).contains(&status)) else {
            // The switch knows nothing of it any more: begin anew (RFC 6665 §4.1.2.3).
            let anew = status == 481 && !known.over;
            known.over |= status != 481;
            if anew {
                let (number, event, expires) = (known.number.clone(), known.event.clone(), known.expires);
                known.over = true;
                self.subscribe(&number, &event, expires, now);
            }
            return;
        };
        known.to.clone_from(&facts.to);
        known.routes = super::serve::record(&response.headers);
        known.routes.reverse();
        match &facts.contact {
            Some(contact) => known.target.clone_from(contact),
            None => self.complaints.push("200 to SUBSCRIBE without Contact".to_owned()),
        }
        let granted = value(&response.headers, "Expires").and_then(|text| text.parse::<u64>().ok());
        match granted {
            Some(0) => {}
            Some(seconds) if !known.over => {
                self.timers.set(Timer::Resubscribe(index), now + Duration::from_secs(seconds * 2 / 3));
            }
            Some(_) => {}
            None => self.complaints.push("200 to SUBSCRIBE without Expires".to_owned()),
        }
    }

    /// Is this in the dialog of a subscription of ours?
    pub(super) fn watches(&self, facts: &Facts) -> bool {
        let ours =
            |known: &Subscription| known.call_id == facts.call_id && Some(&known.from_tag) == facts.to_tag.as_ref();
        self.events.subscriptions.iter().any(ours)
    }

    pub(super) fn on_notice(&mut self, request: &Request, facts: &Facts, now: Instant) {
        let found = self.events.subscriptions.iter_mut().find(|known| {
            known.call_id == facts.call_id && Some(&known.from_tag) == facts.to_tag.as_ref() && !known.over
        });
        let Some(known) = found else {
            return self.respond(request, facts, 481, None, Vec::new(), &[], now);
        };
        if value(&request.headers, "Event").as_ref() != Some(&known.event) {
            self.complaints.push(format!("NOTIFY of another event: {request}"));
            return;
        }
        if known.notify_cseq.is_some_and(|last| last >= facts.cseq) {
            self.complaints.push(format!("CSeq of NOTIFY does not grow: {}", facts.cseq));
        }
        known.notify_cseq = Some(facts.cseq);
        let state = value(&request.headers, "Subscription-State").unwrap_or_default();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if let (Some(version), Some(last)) = (version(&body), known.notices.last().and_then(|(_, body)| version(body)))
            && version <= last
        {
            self.complaints.push(format!("version {version} after {last}"));
        }
        // One that comes before the 200 makes the dialog as well (RFC 6665 §4.4.1).
        known.to.clone_from(&facts.from);
        known.routes = super::serve::record(&request.headers);
        if let Some(contact) = &facts.contact {
            known.target.clone_from(contact);
        }
        known.over = state.starts_with("terminated");
        known.notices.push((state, body));
        self.respond(request, facts, 200, None, Vec::new(), &[], now);
    }

    /// Publishes its presence; no note takes the publication back.
    pub(crate) fn publish(&mut self, basic: &str, note: Option<&str>, now: Instant) {
        let body = note.map(|note| {
            format!(
                "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:{}@x\"><tuple id=\"t\">\
                 <status><basic>{basic}</basic></status><note>{note}</note></tuple></presence>",
                self.number
            )
        });
        let mut extra = vec![
            Header::Other("Event".to_owned(), "presence".to_owned()),
            Header::Other("Expires".to_owned(), if note.is_some() { "600" } else { "0" }.to_owned()),
        ];
        if let Some(etag) = &self.events.etag {
            extra.push(Header::Other("SIP-If-Match".to_owned(), etag.clone()));
        }
        if body.is_some() {
            extra.push(Header::ContentType("application/pidf+xml".into()));
        }
        self.events.published = None;
        self.events.silent = note.is_none();
        let number = self.number.clone();
        self.send_apart(Method::Publish, &number, extra, body.unwrap_or_default().into_bytes(), Purpose::Publish, now);
    }

    pub(super) fn on_published(&mut self, status: u16, response: Option<&Response>) {
        self.events.published = Some(status);
        let etag = response.and_then(|response| value(&response.headers, "SIP-ETag"));
        if status == 200 && etag.is_none() {
            self.complaints.push("200 to PUBLISH without SIP-ETag".to_owned());
        }
        self.events.etag = etag.filter(|_| !self.events.silent);
    }

    /// Sends a text.
    pub(crate) fn send_text(&mut self, number: &str, text: &str, expires: Option<u32>, now: Instant) {
        let mut extra = vec![Header::ContentType("text/plain".into())];
        if let Some(seconds) = expires {
            extra.push(Header::Other("Expires".to_owned(), seconds.to_string()));
        }
        self.events.sent.push(None);
        let purpose = Purpose::Message(self.events.sent.len() - 1);
        self.send_apart(Method::Message, number, extra, text.as_bytes().to_vec(), purpose, now);
    }

    pub(super) fn on_message(&mut self, request: &Request, facts: &Facts, now: Instant) {
        let status = self.events.answer.unwrap_or(200);
        if status < 300 {
            let from = facts.from.split("sip:").nth(1).and_then(|rest| rest.split('@').next()).unwrap_or_default();
            let text = String::from_utf8_lossy(&request.body).into_owned();
            self.events.messages.push((from.to_owned(), text));
        }
        self.respond(request, facts, status, None, Vec::new(), &[], now);
    }

    /// A request that belongs to nothing else.
    fn send_apart(
        &mut self,
        method: Method,
        number: &str,
        extra: Vec<Header>,
        body: Vec<u8>,
        purpose: Purpose,
        now: Instant,
    ) {
        let Some(proxy) = self.proxy else { return };
        let (branch, call_id) = (self.branch(), self.entropy.token(20));
        let from = format!("<sip:{}@{}>;tag={}", self.number, self.domain, self.entropy.token(8));
        let uri = format!("sip:{number}@{}", self.domain);
        let request = message::Draft {
            method,
            uri: &uri,
            via: self.addr,
            branch: &branch,
            from: &from,
            to: &format!("<{uri}>"),
            call_id: &call_id,
            cseq: 1,
            contact: None,
            extra,
            body,
        }
        .request();
        self.start_client(request, proxy, purpose, now);
    }
}

/// The value of a header, whether `rsip` knows it or not.
pub(super) fn value(headers: &Headers, name: &str) -> Option<String> {
    headers.iter().find_map(|header| {
        let line = header.to_string();
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// The version of a document that has one.
fn version(body: &str) -> Option<u32> {
    let root = body.split_once("<dialog-info").or_else(|| body.split_once("<reginfo"))?.1;
    root.split_once("version=\"")?.1.split_once('"')?.0.parse().ok()
}
