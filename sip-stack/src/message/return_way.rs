//! Where a message goes when the stream that it was meant for is gone (RFC 3261 §18.2.2, §18.1.1).

use super::{Message, Transport};
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};

/// The address at which the peer said that it listens, if that is the address it was known by: the port of our request's target, or of
/// the Via of the request that our response answers. Any other address might be a third party's, who has nothing to do with this.
pub fn reopen_at(message: &Bytes, transport: Transport, known: IpAddr) -> Option<SocketAddr> {
    let message = Message::parse_datagram(message.clone()).ok()?;
    let (ip, port) = if message.is_request() {
        let route = message.values(super::Name::Route).next();
        let uri = match route.map(|route| super::NameAddr::parse(&Bytes::copy_from_slice(route))) {
            None => super::Uri::from_slice(message.request_uri()).ok()?,
            Some(route) => route?.uri,
        };
        (uri.host().ip()?, uri.port())
    } else {
        let via = message.via().ok()?;
        let received = via.params.get("received").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        (received.or_else(|| via.host().ip())?, via.port())
    };
    (ip == known).then(|| SocketAddr::new(ip, port.unwrap_or(transport.default_port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(message: String, known: &str) -> Option<String> {
        reopen_at(&Bytes::from(message), Transport::Tcp, known.parse().unwrap()).map(|address| address.to_string())
    }

    fn response(via: &str) -> String {
        format!("SIP/2.0 200 OK\r\nVia: SIP/2.0/{via};branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n")
    }

    fn request(uri: &str, more: &str) -> String {
        format!(
            "BYE {uri} SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK1\r\n{more}From: <sip:a@b>;tag=1\r\n\
             To: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        )
    }

    #[test]
    fn a_response_goes_to_the_address_its_request_came_from_at_the_port_of_its_via() {
        let from = |via| to(response(via), "198.51.100.7");
        assert_eq!(from("TCP 192.0.2.7:5070;received=198.51.100.7;rport=40000").unwrap(), "198.51.100.7:5070");
        assert_eq!(from("TCP phone.example;received=198.51.100.7").unwrap(), "198.51.100.7:5060");
        assert_eq!(from("TCP 192.0.2.7:5070"), None);
        assert_eq!(from("WS abc.invalid"), None);
        assert_eq!(to(response("TCP [2001:db8::7]"), "2001:db8::7").unwrap(), "[2001:db8::7]:5060");
    }

    #[test]
    fn a_request_goes_to_its_target_if_that_is_the_peer_itself() {
        let from = |uri, more| to(request(uri, more), "198.51.100.7");
        assert_eq!(from("sip:100@198.51.100.7:5070;transport=tcp", "").unwrap(), "198.51.100.7:5070");
        assert_eq!(from("sip:100@198.51.100.7", "").unwrap(), "198.51.100.7:5060");
        assert_eq!(from("sip:100@203.0.113.9", ""), None);
        assert_eq!(from("sip:100@10.0.0.9", "Route: <sip:198.51.100.7:5080;lr>\r\n").unwrap(), "198.51.100.7:5080");
        assert_eq!(from("sip:100@198.51.100.7", "Route: <sip:203.0.113.9;lr>\r\n"), None);
        assert_eq!(to("\r\n".to_owned(), "198.51.100.7"), None);
    }
}
