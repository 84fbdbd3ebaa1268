//! Two endpoints talk; a test plays their owners, the network, and at times the peer's part by hand.

mod again;
mod calls;
mod dialogs;
mod early;
mod limits;
mod network;
mod offers;
mod proxy;
mod refresh;
mod rules;
mod subscriptions;

use std::time::{Duration, Instant};

use bytes::Bytes;
use stdx::Entropy;

use super::*;
use crate::message::{Message, NameAddr, Status, Uri};

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// One endpoint with a hand-made peer at `203.0.113.9:5062`.
pub(super) struct Bench {
    pub(super) sip: Endpoint,
    pub(super) now: Instant,
    pub(super) flow: Flow,
    pub(super) events: Vec<Event>,
    pub(super) sent: Vec<Message>,
    pub(super) traces: Vec<Trace>,
    /// Where what was sent went, if anywhere but to the peer is right.
    pub(super) flows: Option<Vec<Flow>>,
    next: u32,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(super) fn with(config: Config) -> Self {
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "203.0.113.9:5062".parse().unwrap());
        let sip = Endpoint::new(config, Entropy::seeded(1));
        let now = stdx::testing::start();
        Self { sip, now, flow, events: Vec::new(), sent: Vec::new(), traces: Vec::new(), flows: None, next: 0 }
    }

    fn drain(&mut self) {
        while let Some(output) = self.sip.poll_output() {
            match output {
                Output::Transmit { flow, data } => {
                    match &mut self.flows {
                        Some(flows) => flows.push(flow),
                        None => assert_eq!(flow, self.flow),
                    }
                    self.sent.push(Message::parse_datagram(data).unwrap());
                }
                Output::Event(event) => self.events.push(event),
                Output::Trace(trace) => self.traces.push(trace),
            }
        }
    }

    pub(super) fn act<T>(&mut self, act: impl FnOnce(&mut Endpoint, Instant) -> T) -> T {
        let result = act(&mut self.sip, self.now);
        self.drain();
        result
    }

    pub(super) fn receive(&mut self, data: impl Into<Vec<u8>>) {
        let data = Bytes::from(data.into());
        self.sip.handle_input(Input::Datagram { flow: self.flow, data }, self.now);
        self.drain();
    }

    /// Lets time pass, firing each deadline at its moment.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.sip.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.sip.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Statuses (or methods) of what was sent since the last question.
    pub(super) fn sent(&mut self) -> Vec<String> {
        self.sent
            .drain(..)
            .map(|m| m.status().map_or_else(|| m.method().unwrap().to_string(), |s| s.code().to_string()))
            .collect()
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn event(&mut self) -> Event {
        assert_eq!(self.events.len(), 1, "{:?}", self.events);
        self.events.remove(0)
    }

    /// A request of the peer outside any dialog, with a branch of its own.
    pub(super) fn request(&mut self, method: &str, more: &str, body: &str) -> String {
        self.next += 1;
        let n = self.next;
        format!(
            "{method} sip:200@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5062;rport;branch=z9hG4bKp{n}\r\nMax-Forwards: 70\r\n\
             From: <sip:100@pbx>;tag=peer{n}\r\nTo: <sip:200@pbx>\r\nCall-ID: call{n}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:100@10.0.0.9:5062>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// An INVITE of the peer that has become a session.
    pub(super) fn incoming(&mut self) -> (SessionId, String) {
        self.incoming_with("", "")
    }

    /// The same with more headers and a body.
    pub(super) fn incoming_with(&mut self, more: &str, body: &str) -> (SessionId, String) {
        let invite = self.request("INVITE", more, body);
        self.receive(invite.clone());
        let Event::Incoming { session, .. } = self.event() else { panic!("no session") };
        assert_eq!(self.sent(), ["100"]);
        (session, invite)
    }

    /// A session that the peer called and we answered, with our tag.
    pub(super) fn answered(&mut self) -> (SessionId, String, String) {
        let (session, invite) = self.incoming();
        self.act(|sip, now| sip.accept(session, Bytes::from_static(b"sdp"), now));
        let tag = String::from_utf8(crate::dialog::tag_of(self.sent.last().unwrap())).unwrap();
        assert_eq!(self.sent(), ["200"]);
        self.receive(in_dialog(&invite, &tag, "ACK", 1));
        assert!(matches!(self.event(), Event::Confirmed { .. }));
        (session, invite, tag)
    }

    /// A call of ours to the peer, with the INVITE that it got.
    pub(super) fn outgoing(&mut self) -> (SessionId, Message) {
        self.outgoing_with(|_| {})
    }

    /// The same with an INVITE of the test's liking.
    pub(super) fn outgoing_with(&mut self, change: impl FnOnce(&mut Invite)) -> (SessionId, Message) {
        let mut invite = invite_to(self.flow);
        change(&mut invite);
        let session = self.act(|sip, now| sip.invite(invite, now)).unwrap();
        let invite = self.sent.remove(0);
        assert_eq!(invite.method(), Some(Method::Invite));
        (session, invite)
    }

    /// The one message that was sent since the last question.
    #[track_caller]
    pub(super) fn one(&mut self) -> Message {
        assert_eq!(self.sent.len(), 1, "{:?}", self.sent);
        self.sent.remove(0)
    }

    /// Nothing is left of anything.
    #[track_caller]
    pub(super) fn assert_clean(&mut self) {
        assert_eq!(self.sip.counts(), Counts::default());
        assert_eq!(self.sip.poll_timeout(), None);
    }
}

pub(super) fn invite_to(flow: Flow) -> Invite {
    let addr = |uri: &str| NameAddr::new(uri.parse::<Uri>().unwrap());
    let mut invite =
        Invite::new(flow, "sip:300@10.0.0.9:5062".parse().unwrap(), addr("sip:100@pbx"), addr("sip:300@pbx"));
    invite.contact_user = "100".to_owned();
    invite.body = Bytes::from_static(b"offer");
    invite
}

/// A request of the peer inside the dialog that its INVITE made.
pub(super) fn in_dialog(invite: &str, tag: &str, method: &str, seq: u32) -> String {
    let branch = if method == "ACK" { "a".to_owned() } else { format!("{method}{seq}") };
    invite
        .replacen("INVITE", method, 1)
        .replacen("branch=z9hG4bK", &format!("branch=z9hG4bK{branch}"), 1)
        .replace("To: <sip:200@pbx>", &format!("To: <sip:200@pbx>;tag={tag}"))
        .replace("CSeq: 1 INVITE", &format!("CSeq: {seq} {method}"))
}

/// A response of the peer to a request of ours.
pub(super) fn response(request: &Message, status: u16, tag: &str, body: &'static [u8]) -> Bytes {
    let builder = ResponseBuilder::new(request, Status(status)).to_tag(tag);
    let builder = builder.header(Name::Contact, b"<sip:300@10.0.0.9:5062>");
    if body.is_empty() { builder.finish() } else { builder.finish_with_body("application/sdp", body) }
}

/// The same with more headers.
pub(super) fn reply(request: &Message, status: u16, tag: &str, headers: &[(Name, &str)], body: &'static [u8]) -> Bytes {
    let builder = ResponseBuilder::new(request, Status(status)).to_tag(tag);
    let builder = builder.header(Name::Contact, b"<sip:300@10.0.0.9:5062>");
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, value.as_bytes()));
    if body.is_empty() { builder.finish() } else { builder.finish_with_body("application/sdp", body) }
}

/// A request of the peer inside the dialog that our INVITE made with this tag of his.
pub(super) fn from_callee(invite: &Message, tag: &str, method: &str, seq: u32, more: &str, body: &str) -> String {
    let (from, to) = (invite.from().unwrap(), invite.to().unwrap());
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5062;rport;branch=z9hG4bK{method}{tag}{seq}\r\n\
         From: {to};tag={tag}\r\nTo: {from}\r\nCall-ID: {}\r\nCSeq: {seq} {method}\r\n\
         Contact: <sip:300@10.0.0.9:5062>\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
        String::from_utf8_lossy(invite.call_id().unwrap()),
        body.len()
    )
}

/// A request of the peer inside the dialog that its own INVITE made, with headers and a body.
pub(super) fn from_caller(invite: &str, tag: &str, method: &str, seq: u32, more: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let end = invite.find("Content-Length").unwrap();
    let length = format!("{more}{kind}Content-Length: {}\r\n\r\n{body}", body.len());
    format!("{}{length}", &in_dialog(&invite[..end], tag, method, seq))
}

use crate::message::{Name, ResponseBuilder};
