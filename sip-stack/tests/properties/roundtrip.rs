//! What is built is read back as it was meant.

use crate::config;
use patchbay_sip_stack::message::{
    Message, MessageBuilder, Method, Name, NameAddr, ResponseBuilder, Status, Uri, validate,
};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<String>().prop_map(String::into_bytes),
        // GBK: pairs whose second byte may be a backslash.
        prop::collection::vec((0x81..=0xfeu8, prop_oneof![Just(b'\\'), 0x40..=0x7eu8, 0x80..=0xfeu8]), 1..8)
            .prop_map(|pairs| pairs.into_iter().flat_map(|(a, b)| [a, b]).collect()),
    ]
    .prop_filter("no escape exists for these", |text| !text.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)))
}

fn user() -> impl Strategy<Value = String> {
    "[^\u{0}]{1,12}"
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn requests(
        to_user in user(), from_user in user(), display in text(), tag in "[a-z0-9]{1,20}", seq: u32, call_id in "[!-~]{1,40}",
        subject in "[ -~]{0,40}", body in prop::collection::vec(any::<u8>(), 0..200), port: Option<u16>, method in "[A-Z]{3,9}",
    ) {
        let method = Method::from_token(method.as_bytes());
        let uri = Uri::sip(Some(&to_user), "2001:db8::7", port).unwrap();
        let from = NameAddr::new(Uri::sip(Some(&from_user), "pbx.example", None).unwrap()).with_display(&display).with_tag(&tag);
        let mut builder = MessageBuilder::request(&method, &uri);
        builder
            .header(Name::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
            .addr(Name::From, &from)
            .addr(Name::To, &NameAddr::new(uri))
            .header(Name::CallId, &call_id)
            .cseq(seq, &method)
            .number(Name::MaxForwards, 70)
            .header(Name::Subject, &subject);
        let bytes = builder.finish_with_body("application/octet-stream", &body);
        let message = Message::parse_datagram(bytes.clone()).unwrap();
        prop_assert_eq!(validate(&message), Ok(()));
        prop_assert_eq!(message.as_bytes(), &bytes);
        prop_assert_eq!(message.method(), Some(method.clone()));
        let read = message.uri().unwrap();
        prop_assert_eq!(read.user_text().unwrap(), to_user.as_bytes());
        prop_assert_eq!((read.host().ip(), read.port()), (Some("2001:db8::7".parse().unwrap()), port));
        let read = message.from().unwrap();
        prop_assert_eq!(read.display_text().unwrap_or_default(), &display[..]);
        prop_assert_eq!(read.uri.user_text().unwrap(), from_user.as_bytes());
        prop_assert_eq!(read.tag(), Some(tag.as_bytes()));
        prop_assert_eq!(message.cseq(), Ok((seq, method)));
        prop_assert_eq!(message.call_id(), Ok(call_id.as_bytes()));
        prop_assert_eq!(message.header(Name::Subject), Some(subject.trim().as_bytes()));
        prop_assert_eq!(message.body(), &body[..]);

        let response = ResponseBuilder::new(&message, Status(486)).to_tag("ours").finish_with_body("text/plain", &body);
        let response = Message::parse_datagram(response).unwrap();
        prop_assert_eq!(response.status(), Some(Status::BUSY_HERE));
        prop_assert_eq!(response.from().unwrap(), message.from().unwrap());
        let to = response.to().unwrap();
        prop_assert_eq!(to.tag(), Some(&b"ours"[..]));
        prop_assert_eq!(response.cseq(), message.cseq());
        prop_assert_eq!(response.body(), message.body());
    }

    #[test]
    fn uri_parameters(name in "[a-z]{1,8}", value in "[ -~]{0,12}", headers: bool) {
        let uri: Uri = if headers { "sip:a@b;lr?x=y" } else { "sip:a@b" }.parse().unwrap();
        let with = uri.with_param(&name, Some(&value));
        prop_assert_eq!(with.param(&name), Some(value.into_bytes()));
        prop_assert_eq!(with.has_headers(), headers);
        prop_assert_eq!(with.user(), uri.user());
        let without = with.without_param(&name);
        prop_assert_eq!(without.param(&name), None);
        prop_assert!(name == "lr" || without.equivalent(&uri));
    }
}
