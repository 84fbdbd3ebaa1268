//! As much SIP as a call from a trunk to a trunk needs (RFC 3261), by UDP over loopback.

use std::net::SocketAddr;

/// One message, as text.
#[derive(Clone)]
pub(crate) struct Text(pub(crate) String);

impl Text {
    /// The value of the first header of this name.
    pub(crate) fn header(&self, name: &str) -> &str {
        let line = self
            .0
            .lines()
            .take_while(|line| !line.is_empty())
            .find(|line| line.split_once(':').is_some_and(|(key, _)| key.trim().eq_ignore_ascii_case(name)));
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
    }

    pub(crate) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    pub(crate) fn is_request(&self, method: &str) -> bool {
        self.0.strip_prefix(method).is_some_and(|rest| rest.starts_with(' '))
    }

    /// The status of a response, and to which method.
    pub(crate) fn status(&self) -> Option<(u16, &str)> {
        let status = self.0.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()?;
        Some((status, self.header("CSeq").split(' ').next_back()?))
    }

    /// The answer to a request.
    pub(crate) fn answer(&self, status: &str, own: SocketAddr, sdp: &str) -> String {
        let vias: String = self
            .0
            .lines()
            .take_while(|line| !line.is_empty())
            .filter(|line| {
                let name = line.split(':').next().unwrap_or_default();
                ["Via", "Record-Route"].iter().any(|known| name.eq_ignore_ascii_case(known))
            })
            .map(|line| format!("{line}\r\n"))
            .collect();
        let to = self.header("To");
        let tag = if to.contains(";tag=") { "" } else { ";tag=phone" };
        format!(
            "SIP/2.0 {status}\r\n{vias}From: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:{own}>\r\n{}",
            self.header("From"),
            self.header("Call-ID"),
            self.header("CSeq"),
            with_body(sdp)
        )
    }
}

/// One call of ours.
pub(crate) struct Outgoing {
    pub(crate) call_id: String,
    pub(crate) own: SocketAddr,
    pub(crate) target: SocketAddr,
    /// With the tag of the other side, once it is known.
    pub(crate) to: String,
    /// Where requests in the call go.
    pub(crate) contact: String,
}

impl Outgoing {
    pub(crate) fn new(call_id: String, own: SocketAddr, target: SocketAddr) -> Self {
        let uri = format!("sip:9000@{target}");
        Self { call_id, own, target, to: format!("<{uri}>"), contact: uri }
    }

    pub(crate) fn request(&self, method: &str, cseq: u32, sdp: &str) -> String {
        let Self { call_id, own, to, contact, target } = self;
        format!(
            "{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method}{call_id}\r\nMax-Forwards: 70\r\n\
             From: <sip:page@{own}>;tag={call_id}\r\nTo: {to}\r\nCall-ID: {call_id}@{target}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:page@{own}>\r\n{}",
            with_body(sdp)
        )
    }

    /// It was answered.
    pub(crate) fn follow(&mut self, answer: &Text) {
        answer.header("To").clone_into(&mut self.to);
        let contact = answer.header("Contact");
        if let Some((uri, _)) = contact.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
            uri.clone_into(&mut self.contact);
        }
    }
}

fn with_body(sdp: &str) -> String {
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!("{kind}Content-Length: {}\r\n\r\n{sdp}", sdp.len())
}
