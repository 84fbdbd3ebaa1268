//! A dialog: what both sides of a call agree on to talk about it (RFC 3261 §12).

use std::net::SocketAddr;

use bytes::Bytes;

use crate::endpoint::{Flow, reachable};
use crate::message::{Message, MessageBuilder, Method, Name, NameAddr, Transport, Uri};

/// One side's knowledge of a dialog, a few hundred bytes: it lives as long as the call.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: Box<[u8]>,
    pub(crate) local_tag: Box<[u8]>,
    /// Empty before the peer has answered, or if it is of RFC 2543.
    pub(crate) remote_tag: Box<[u8]>,
    /// From of our requests.
    local: Box<[u8]>,
    /// To of our requests.
    remote: Box<[u8]>,
    /// Where the peer wants to be reached: Request-URI of our requests.
    pub(crate) target: Box<[u8]>,
    /// Route values of our requests, in order.
    routes: Box<[Box<[u8]>]>,
    /// Of our last request.
    local_seq: u32,
    /// Of the peer's last request.
    remote_seq: Option<u32>,
    /// Our Contact value.
    pub(crate) contact: Box<[u8]>,
}

/// How the number of a request in a dialog compares with the last (§12.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Next,
    Late,
}

impl Dialog {
    /// Of a called side: as soon as the INVITE is there, for our tag is ours to choose (§12.1.1).
    pub(crate) fn of_invite(invite: &Message, local_tag: &str, contact: Vec<u8>) -> Self {
        let to = invite.header(Name::To).unwrap_or_default();
        let mut local = to.to_vec();
        local.extend_from_slice(b";tag=");
        local.extend_from_slice(local_tag.as_bytes());
        let from = invite.from().ok();
        let target = invite.contact().ok().or_else(|| from.clone()).map(|addr| addr.uri);
        Self {
            call_id: invite.call_id().unwrap_or_default().into(),
            local_tag: local_tag.as_bytes().into(),
            remote_tag: from.as_ref().and_then(NameAddr::tag).unwrap_or_default().into(),
            local: local.into(),
            remote: invite.header(Name::From).unwrap_or_default().into(),
            target: target.map(|uri| uri.as_bytes()[..].into()).unwrap_or_default(),
            routes: invite.values(Name::RecordRoute).map(Into::into).collect(),
            local_seq: 0,
            remote_seq: invite.cseq().ok().map(|(seq, _)| seq),
            contact: contact.into(),
        }
    }

    /// Of a calling side: from our INVITE; [`establish`](Self::establish) completes it, once for each fork.
    pub(crate) fn of_our_invite(invite: &Message) -> Self {
        let from = invite.from().ok();
        Self {
            call_id: invite.call_id().unwrap_or_default().into(),
            local_tag: from.as_ref().and_then(NameAddr::tag).unwrap_or_default().into(),
            remote_tag: Box::default(),
            local: invite.header(Name::From).unwrap_or_default().into(),
            remote: invite.header(Name::To).unwrap_or_default().into(),
            target: invite.request_uri().into(),
            routes: invite.values(Name::Route).map(Into::into).collect(),
            local_seq: invite.cseq().map_or(0, |(seq, _)| seq),
            remote_seq: None,
            contact: invite.header(Name::Contact).unwrap_or_default().into(),
        }
    }

    /// What a response to our INVITE adds (§12.1.2): the peer's tag, its address, the way there.
    pub(crate) fn establish(&mut self, response: &Message) {
        self.remote = response.header(Name::To).unwrap_or_default().into();
        self.remote_tag = tag_of(response).into();
        let mut routes: Vec<Box<[u8]>> = response.values(Name::RecordRoute).map(Into::into).collect();
        routes.reverse();
        self.routes = routes.into();
        self.refresh(response);
    }

    /// A new remote target, if the message names one (§12.2).
    pub(crate) fn refresh(&mut self, message: &Message) {
        if let Ok(contact) = message.contact() {
            self.target = contact.uri.as_bytes()[..].into();
        }
    }

    /// Notes the number of a request of the peer.
    pub(crate) fn receive(&mut self, seq: u32) -> Order {
        if self.remote_seq.is_some_and(|last| seq <= last) {
            return Order::Late;
        }
        self.remote_seq = Some(seq);
        Order::Next
    }

    /// The number for our next request. An ACK takes that of its INVITE instead.
    pub(crate) fn next_seq(&mut self) -> u32 {
        if self.local_seq == 0 {
            // Our side never sent a request here; the first number is ours to choose (§12.2.1.1).
            self.local_seq = 1;
        } else {
            self.local_seq = self.local_seq.wrapping_add(1) & 0x7fff_ffff;
        }
        self.local_seq
    }

    /// Leaves out some numbers that others may have used.
    pub(crate) fn skip(&mut self, numbers: u32) {
        self.local_seq = self.local_seq.wrapping_add(numbers) & 0x7fff_ffff;
    }

    /// Begins a request inside the dialog: everything up to CSeq. Strict routers of RFC 2543 are obeyed (§12.2.1.1).
    pub(crate) fn request(&self, method: &Method, seq: u32, branch: &str, flow: &Flow) -> Option<MessageBuilder> {
        let target = Uri::from_slice(&self.target).ok()?;
        let first = self.routes.first().and_then(|route| NameAddr::parse(&Bytes::copy_from_slice(route)));
        let strict = first.filter(|route| !route.uri.params().has("lr"));
        let mut out = match &strict {
            Some(route) => MessageBuilder::request(method, &route.uri.without_headers()),
            None => MessageBuilder::request(method, &target.without_headers()),
        };
        out.header(Name::Via, via(flow, branch)).header(Name::MaxForwards, "70");
        for route in self.routes.iter().skip(usize::from(strict.is_some())) {
            out.header(Name::Route, route);
        }
        if strict.is_some() {
            out.header(Name::Route, [b"<", &self.target[..], b">"].concat());
        }
        out.header(Name::From, &self.local).header(Name::To, &self.remote).header(Name::CallId, &self.call_id);
        out.cseq(seq, method);
        Some(out)
    }

    /// The dialog as lines without line ends in them: header values have none.
    pub(crate) fn save(&self) -> Vec<Vec<u8>> {
        let seq = |seq: Option<u32>| seq.map_or_else(Vec::new, |seq| seq.to_string().into_bytes());
        let parts =
            [&self.call_id, &self.local_tag, &self.remote_tag, &self.local, &self.remote, &self.target, &self.contact];
        let mut lines: Vec<Vec<u8>> = parts.into_iter().chain(&self.routes).map(|part| part.to_vec()).collect();
        lines.splice(parts.len()..parts.len(), [seq(Some(self.local_seq)), seq(self.remote_seq)]);
        lines
    }

    /// The dialog from its lines.
    pub(crate) fn load<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut parts: [&[u8]; 9] = [b""; 9];
        for part in &mut parts {
            *part = lines.next()?;
        }
        let [call_id, local_tag, remote_tag, local, remote, target, contact, local_seq, remote_seq] = parts;
        let seq = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u32>().ok();
        Some(Self {
            call_id: call_id.into(),
            local_tag: local_tag.into(),
            remote_tag: remote_tag.into(),
            local: local.into(),
            remote: remote.into(),
            target: target.into(),
            routes: lines.map(Into::into).collect(),
            local_seq: seq(local_seq)?,
            remote_seq: seq(remote_seq),
            contact: contact.into(),
        })
    }

    /// Where requests go: to the first proxy of the route if its address is one that we can expect to reach, otherwise the way
    /// that messages of this dialog came. A Contact is never followed: behind NAT it leads nowhere, and a proxy that left itself
    /// out of the route still passes requests on.
    pub(crate) fn next_hop(&self, flow: Flow) -> Flow {
        let proxy = self.routes.first().and_then(|route| NameAddr::parse(&Bytes::copy_from_slice(route)));
        let address = proxy.and_then(|route| {
            let udp = route.uri.param("transport").is_none_or(|transport| transport.eq_ignore_ascii_case(b"udp"));
            let ip = route.uri.host().ip().filter(|ip| udp && reachable(*ip, flow.remote.ip()))?;
            Some(SocketAddr::new(ip, route.uri.port().unwrap_or(Transport::Udp.default_port())))
        });
        match address {
            Some(remote) if flow.transport == Transport::Udp => Flow { remote, ..flow },
            _ => flow,
        }
    }
}

/// Our Via value. `rport` asks the next hop to answer to where we really are (RFC 3581).
pub(crate) fn via(flow: &Flow, branch: &str) -> String {
    format!("SIP/2.0/{} {};branch={branch};rport", flow.transport.as_str(), flow.local)
}

/// The To tag of a response.
pub(crate) fn tag_of(message: &Message) -> Vec<u8> {
    message.to().ok().and_then(|to| to.tag().map(<[u8]>::to_vec)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::parse_datagram(text.replace('\n', "\r\n").into_bytes().into()).unwrap()
    }

    fn invite(more: &str) -> Message {
        message(&format!(
            "INVITE sip:200@pbx SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1\n{more}From: <sip:100@pbx>;tag=a\n\
             To: <sip:200@pbx>\nCall-ID: c\nCSeq: 7 INVITE\nContact: <sip:100@10.0.0.9:5062>\n\n"
        ))
    }

    fn flow() -> Flow {
        Flow::udp("192.0.2.1:5060".parse().unwrap(), "203.0.113.5:4000".parse().unwrap())
    }

    fn bye(dialog: &mut Dialog) -> String {
        let seq = dialog.next_seq();
        let out = dialog.request(&Method::Bye, seq, "z9hG4bKb", &flow()).unwrap().finish();
        String::from_utf8(out.to_vec()).unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn loose_routes_are_listed_and_the_target_is_the_contact() {
        let mut dialog = Dialog::of_invite(&invite("Record-Route: <sip:p1;lr>, <sip:p2;lr>\n"), "t", Vec::new());
        assert_eq!(
            bye(&mut dialog),
            "BYE sip:100@10.0.0.9:5062 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb;rport\nMax-Forwards: 70\n\
             Route: <sip:p1;lr>\nRoute: <sip:p2;lr>\nFrom: <sip:200@pbx>;tag=t\nTo: <sip:100@pbx>;tag=a\nCall-ID: c\n\
             CSeq: 1 BYE\nContent-Length: 0\n\n"
        );
    }

    #[test]
    fn a_strict_router_becomes_the_request_uri_and_the_target_the_last_route() {
        let mut dialog =
            Dialog::of_invite(&invite("Record-Route: <sip:p1>\nRecord-Route: <sip:p2;lr>\n"), "t", Vec::new());
        let bye = bye(&mut dialog);
        assert!(bye.starts_with("BYE sip:p1 SIP/2.0\n"), "{bye}");
        assert!(bye.contains("Route: <sip:p2;lr>\nRoute: <sip:100@10.0.0.9:5062>\nFrom"), "{bye}");
    }

    #[test]
    fn the_calling_side_reverses_the_record_and_counts_on() {
        let mut dialog = Dialog::of_our_invite(&invite(""));
        let ok = message(
            "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\nRecord-Route: <sip:p1;lr>, <sip:p2;lr>\n\
             From: <sip:100@pbx>;tag=a\nTo: <sip:200@pbx>;tag=b\nCall-ID: c\nCSeq: 7 INVITE\nContact: <sip:200@10.0.0.7>\n\n",
        );
        dialog.establish(&ok);
        let bye = bye(&mut dialog);
        assert!(bye.starts_with("BYE sip:200@10.0.0.7 SIP/2.0\n"), "{bye}");
        assert!(bye.contains("Route: <sip:p2;lr>\nRoute: <sip:p1;lr>\n"), "{bye}");
        assert!(bye.contains("From: <sip:100@pbx>;tag=a\nTo: <sip:200@pbx>;tag=b\nCall-ID: c\nCSeq: 8 BYE\n"), "{bye}");
    }

    #[test]
    fn numbers_of_the_peer_only_grow() {
        let mut dialog = Dialog::of_invite(&invite(""), "t", Vec::new());
        assert_eq!(
            [7, 6, 8, 8, 20].map(|seq| dialog.receive(seq)),
            [Order::Late, Order::Late, Order::Next, Order::Late, Order::Next]
        );
    }

    #[test]
    fn requests_follow_a_proxy_that_can_be_reached_and_otherwise_the_way_they_came() {
        let hop = |route: &str| Dialog::of_invite(&invite(route), "t", Vec::new()).next_hop(flow()).remote.to_string();
        assert_eq!(hop(""), "203.0.113.5:4000");
        assert_eq!(hop("Record-Route: <sip:198.51.100.2:5070;lr>\n"), "198.51.100.2:5070");
        assert_eq!(hop("Record-Route: <sip:198.51.100.2;lr>\n"), "198.51.100.2:5060");
        assert_eq!(hop("Record-Route: <sip:10.0.0.2;lr>\n"), "203.0.113.5:4000");
        assert_eq!(hop("Record-Route: <sip:198.51.100.2;lr;transport=tcp>\n"), "203.0.113.5:4000");
        assert_eq!(hop("Record-Route: <sip:proxy.example;lr>\n"), "203.0.113.5:4000");
    }
}
