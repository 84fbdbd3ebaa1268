//! Reads all there is to read, in the tests and in the fuzz target.

use bytes::Bytes;
use patchbay_sip_stack::message::{
    Abilities, Message, Name, ResponseBuilder, Status, may_forward, validate, validate_response,
};

/// Reads everything a message can be asked for, and answers it.
fn read_all(message: &Message) {
    let _ = (message.method(), message.uri(), message.status(), message.reason(), message.via(), message.from());
    let _ = (message.to(), message.call_id(), message.cseq(), message.max_forwards(), message.expires());
    let _ = (message.min_expires(), message.retry_after(), message.content_length(), message.content_type());
    let _ = (message.contact(), message.is_wildcard(), message.date(), validate(message), validate_response(message));
    let _ = (may_forward(message), Abilities::default().check(message));
    for (name, spelling, value) in message.lines() {
        assert!(!spelling.is_empty() && !value.contains(&b'\n'));
        let _ = message.values(name).count();
    }
    for via in message.vias().flatten() {
        let _ = (via.host(), via.received(), via.rport(), via.transaction_branch(), via.ttl(), via.maddr());
    }
    let addrs = [Name::Contact, Name::Route, Name::RecordRoute].into_iter().flat_map(|name| message.addrs(name));
    for addr in addrs.chain([message.from(), message.to()]).flatten() {
        let again = patchbay_sip_stack::message::NameAddr::parse(&addr.to_bytes()).unwrap();
        assert_eq!(again.uri, addr.uri);
        assert_eq!(again.tag(), addr.tag());
        assert!(addr.uri.equivalent(&again.uri));
        let _ = (addr.display_text(), addr.q(), addr.expires(), addr.uri.dialled(), addr.uri.without_headers());
    }
    for credentials in message.authorization().flatten() {
        let _ = credentials.get("nonce");
    }
    if message.is_request() {
        let source = "[2001:db8::9]:40000".parse().unwrap();
        let reply = ResponseBuilder::new(message, Status::RINGING).source(source).to_tag("t").finish();
        assert_eq!(Message::parse_datagram(reply).unwrap().status(), Some(Status::RINGING));
    }
}

/// Takes bytes as a datagram.
pub(crate) fn take(bytes: &[u8]) {
    match Message::parse_datagram(Bytes::copy_from_slice(bytes)) {
        Ok(message) => read_all(&message),
        Err(error) => {
            if let Some(partial) = error.partial() {
                read_all(partial);
            }
            if let Some(reply) = error.reply() {
                assert_eq!(Message::parse_datagram(reply).unwrap().status(), error.status());
            }
        }
    }
}
