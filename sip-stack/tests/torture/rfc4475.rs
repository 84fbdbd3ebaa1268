//! The 49 messages of RFC 4475 themselves, where they are at hand.

use crate::verdict::{Row, Verdict, check, check_complete};
use patchbay_sip_stack::message::{Abilities, Host, Message, Method, Name, Status, Transport, may_forward};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The folder of the vectors: `PATCHBAY_VECTORS`, or beside the workspace.
pub(crate) fn vectors() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let dir = match std::env::var_os("PATCHBAY_VECTORS") {
        Some(dir) => root.join(dir),
        None => root.join("../shared/vectors"),
    };
    Some(dir.join("rfc4475")).filter(|dir| dir.is_dir())
}

#[test]
fn all_49_messages_get_the_verdict_of_the_rfc() {
    let Some(dir) = vectors() else {
        // Past the test harness, which keeps what passing tests print to itself.
        let told = b"\nThe messages of RFC 4475 are not here (PATCHBAY_VECTORS): only our own are tested.\n";
        std::io::stdout().write_all(told).unwrap();
        return;
    };
    assert_eq!(ROWS.len(), 49);
    check_complete(&dir, "dat", ROWS);
    check("RFC 4475, its own messages", &dir, "dat", ROWS);
}

use Verdict::{Accepted, Dropped, Malformed, Refused};

/// Where the RFC leaves a choice, ours is the strict one but for Date (§3.1.2.12), which it says not to reject for.
const ROWS: &[Row] = &[
    Row::new("3.1.1.1", "wsinv", Accepted).with(wsinv),
    // Valid; no user agent knows such a method.
    Row::new("3.1.1.2", "intmeth", Refused(501)).with(intmeth),
    Row::new("3.1.1.3", "esc01", Accepted).with(esc01),
    Row::new("3.1.1.4", "escnull", Accepted).with(escnull),
    // Valid; no REGISTER, for methods are never unescaped.
    Row::new("3.1.1.5", "esc02", Refused(501)).with(esc02),
    Row::new("3.1.1.6", "lwsdisp", Accepted).with(lwsdisp),
    Row::new("3.1.1.7", "longreq", Accepted).with(longreq),
    Row::new("3.1.1.8", "dblreq", Accepted).with(dblreq),
    Row::new("3.1.1.9", "semiuri", Accepted).with(semiuri),
    Row::new("3.1.1.10", "transports", Accepted).with(transports),
    Row::new("3.1.1.11", "mpart01", Accepted).with(mpart01),
    Row::new("3.1.1.12", "unreason", Accepted).with(unreason),
    Row::new("3.1.1.13", "noreason", Accepted).with(noreason),
    Row::new("3.1.2.1", "badinv01", Malformed(400, "Malformed Via")),
    Row::new("3.1.2.2", "clerr", Malformed(400, "Body Shorter Than Content-Length")),
    Row::new("3.1.2.3", "ncl", Malformed(400, "Bad Content-Length")),
    Row::new("3.1.2.4", "scalar02", Malformed(400, "Malformed CSeq")).with(scalar02),
    Row::new("3.1.2.5", "scalarlg", Dropped).with(scalarlg),
    Row::new("3.1.2.6", "quotbal", Malformed(400, "Malformed To")),
    Row::new("3.1.2.7", "ltgtruri", Malformed(400, "Malformed Request-Line")),
    Row::new("3.1.2.8", "lwsruri", Malformed(400, "Malformed Request-Line")),
    Row::new("3.1.2.9", "lwsstart", Malformed(400, "Malformed Request-Line")),
    Row::new("3.1.2.10", "trws", Malformed(400, "Malformed Request-Line")),
    Row::new("3.1.2.11", "escruri", Malformed(400, "Headers In Request-URI")),
    Row::new("3.1.2.12", "baddate", Accepted).with(|message| assert!(message.date().is_err())),
    Row::new("3.1.2.13", "regbadct", Malformed(400, "Malformed Contact")),
    Row::new("3.1.2.14", "badaspec", Malformed(400, "Malformed To")),
    Row::new("3.1.2.15", "baddn", Malformed(400, "Malformed From")),
    Row::new("3.1.2.16", "badvers", Malformed(505, "Version Not Supported")),
    Row::new("3.1.2.17", "mismatch01", Malformed(400, "CSeq Method Mismatch")),
    Row::new("3.1.2.18", "mismatch02", Malformed(501, "Not Implemented")),
    Row::new("3.1.2.19", "bigcode", Dropped),
    Row::new("3.2.1", "badbranch", Malformed(400, "Branch Without Identifier")),
    Row::new("3.3.1", "insuf", Malformed(400, "Missing From")),
    Row::new("3.3.2", "unkscm", Refused(416)),
    Row::new("3.3.3", "novelsc", Refused(416)),
    Row::new("3.3.4", "unksm2", Malformed(400, "To Is No Address Of Record")),
    Row::new("3.3.5", "bext01", Refused(420)).with(bext01),
    Row::new("3.3.6", "invut", Refused(415)).with(invut),
    // Whether it is challenged is the authenticator's affair; its credentials are readable and none of ours.
    Row::new("3.3.7", "regaut01", Accepted).with(regaut01),
    Row::new("3.3.8", "multi01", Malformed(400, "More Than One CSeq")),
    Row::new("3.3.9", "mcl01", Malformed(400, "Bad Content-Length")),
    Row::new("3.3.10", "bcast", Dropped),
    // The end of its way answers it; who would forward it may not.
    Row::new("3.3.11", "zeromf", Accepted)
        .with(|message| assert_eq!(may_forward(message).unwrap_err().0, Status::TOO_MANY_HOPS)),
    Row::new("3.3.12", "cparam01", Accepted).with(cparam01),
    Row::new("3.3.13", "cparam02", Accepted).with(cparam02),
    Row::new("3.3.14", "regescrt", Accepted).with(regescrt),
    Row::new("3.3.15", "sdp01", Refused(406)),
    Row::new("3.4.1", "inv2543", Accepted).with(inv2543),
];

fn wsinv(message: &Message) {
    assert_eq!(message.uri().unwrap().param("unknownparam"), Some(vec![]));
    assert_eq!(message.to().unwrap().tag(), Some(&b"1918181833n"[..]));
    let from = message.from().unwrap();
    assert_eq!(from.display_text().unwrap(), &br#"J Rosenberg \""#[..]);
    assert_eq!(from.tag(), Some(&b"98asjd8"[..]));
    assert_eq!(message.max_forwards(), Ok(Some(68)));
    assert_eq!(message.call_id(), Ok(&b"wsinv.ndaksdj@192.0.2.1"[..]));
    assert_eq!(message.cseq(), Ok((9, Method::Invite)));
    assert_eq!(message.header(Name::Subject), Some(&b""[..]));
    assert_eq!(message.header_named("newfangledheader"), Some(&b"newfangled value continued newfangled value"[..]));
    assert_eq!(message.header_named("UnknownHeaderWithUnusualValue"), Some(&b";;,,;;,;"[..]));
    let route = message.addrs(Name::Route).next().unwrap().unwrap();
    assert_eq!(route.uri.param("unknownwith"), Some(b"value".to_vec()));
    let vias: Vec<_> = message.vias().map(Result::unwrap).collect();
    let told: Vec<_> =
        vias.iter().map(|via| (via.transport().unwrap(), via.host().to_string(), via.branch().unwrap())).collect();
    assert_eq!(
        told,
        [
            (Transport::Udp, "192.0.2.2".to_owned(), &b"390skdjuw"[..]),
            (Transport::Tcp, "spindle.example.com".to_owned(), &b"z9hG4bK9ikj8"[..]),
            (Transport::Udp, "192.168.255.111".to_owned(), &b"z9hG4bK30239"[..]),
        ]
    );
    assert_eq!(vias[0].transaction_branch(), None);
    let contact = message.contact().unwrap();
    assert_eq!(contact.display_text().unwrap(), &br#"Quoted string """#[..]);
    assert_eq!(contact.params.get("newparam"), Some(&b"newvalue"[..]));
    assert!(contact.params.has("secondparam"));
    assert_eq!(contact.q(), Some(330));
    assert_eq!(message.content_length(), Some(150));
    assert_eq!(message.body().len(), 150);
}

fn intmeth(message: &Message) {
    let method = &b"!interesting-Method0123456789_*+`.%indeed'~"[..];
    assert_eq!(message.method().unwrap().as_bytes(), method);
    assert_eq!(message.cseq().unwrap(), (139_122_385, Method::from_token(method)));
    let uri = message.uri().unwrap();
    assert_eq!(uri.user(), Some(&b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"[..]));
    assert_eq!(uri.password(), Some(&b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"[..]));
    assert_eq!(uri.host(), Host::Name(b"example.com"));
    assert_eq!(message.to().unwrap().display_text().unwrap(), &b"BEL:\x07 NUL:\x00 DEL:\x7f"[..]);
    let from = message.from().unwrap();
    assert_eq!(from.display(), Some(&b"token1~` token2'+_ token3*%!.-"[..]));
    assert_eq!(
        from.params.unquoted("fromParam''~+*_!.-%").unwrap(),
        "\u{440}\u{430}\u{431}\u{43e}\u{442}\u{430}\u{44e}\u{449}\u{438}\u{439}".as_bytes()
    );
    assert_eq!(from.tag(), Some(&b"_token~1'+`*%!-."[..]));
    assert_eq!(message.call_id(), Ok(&br#"intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{"#[..]));
    assert_eq!(message.max_forwards(), Ok(Some(255)));
    assert_eq!(
        message.header_named("extensionHeader-!.%*+_`'~"),
        Some(&b"\xef\xbb\xbf\xe5\xa4\xa7\xe5\x81\x9c\xe9\x9b\xbb"[..])
    );
}

fn esc01(message: &Message) {
    let uri = message.uri().unwrap();
    assert_eq!(uri.user_text().unwrap(), &b"sips:user@example.com"[..]);
    assert_eq!(uri.host(), Host::Name(b"example.net"));
    assert_eq!(message.to().unwrap().uri.user_text().unwrap(), &b"user"[..]);
    assert_eq!(message.from().unwrap().uri.user_text().unwrap(), &b"I have spaces"[..]);
    let contact = message.contact().unwrap().uri;
    assert_eq!(contact.user_text().unwrap(), &b"caller"[..]);
    assert_eq!(contact.param("lr"), Some(vec![]));
    assert_eq!(contact.param("name"), Some(b"value%41".to_vec()), "unescaped once, not twice");
}

fn escnull(message: &Message) {
    assert_eq!(message.to().unwrap().uri.user_text().unwrap(), &b"null-\0-null"[..]);
    let users: Vec<_> =
        message.contacts().map(|contact| contact.unwrap().uri.user_text().unwrap().into_owned()).collect();
    assert_eq!(users, [b"\0".to_vec(), b"\0\0".to_vec()]);
    let [a, b] = [0, 1].map(|at| message.contacts().nth(at).unwrap().unwrap().uri);
    assert!(!a.equivalent(&b));
}

fn esc02(message: &Message) {
    assert_eq!(message.method().unwrap().as_bytes(), b"RE%47IST%45R");
    assert_eq!(message.to().unwrap().display_text().unwrap(), &b"%Z%45"[..]);
    assert_eq!(message.contacts().count(), 2, "C%6Fntact is no Contact");
    assert_eq!(message.via().unwrap().branch(), Some(&b"z9hG4bK209%fzsnel234"[..]));
}

fn lwsdisp(message: &Message) {
    assert_eq!(message.from().unwrap().display(), Some(&b"caller"[..]));
}

fn longreq(message: &Message) {
    let vias: Vec<_> = message.vias().map(Result::unwrap).collect();
    assert_eq!(vias.len(), 34);
    assert!((0..33).all(|at| vias[at].host_bytes() == format!("sip{}.example.com", 33 - at).as_bytes()));
    assert_eq!(vias[33].received(), Some("192.0.2.5".parse().unwrap()));
    assert!(vias[33].branch().unwrap().starts_with(b"verylonglong"));
    assert!(message.to().unwrap().display().unwrap().ends_with(b"extreme proportion"));
    assert_eq!(message.to().unwrap().uri.port(), Some(6000));
    assert!(message.from().unwrap().tag().unwrap().starts_with(b"12982982"));
    assert_eq!(message.body().len(), 150);
}

fn dblreq(message: &Message) {
    assert_eq!(message.method(), Some(Method::Register));
    assert!(
        message.body().is_empty() && message.as_bytes().ends_with(b"Content-Length: 0\r\n\r\n"),
        "the rest is cut off"
    );
}

fn semiuri(message: &Message) {
    let uri = message.uri().unwrap();
    assert_eq!(uri.user_text().unwrap(), &b"user;par=u@example.net"[..]);
    assert!(uri.params().is_empty());
    let accepted: Vec<_> = message.values(Name::Accept).collect();
    assert_eq!(accepted.len(), 6);
    assert_eq!(accepted[2], b"multipart/mixed");
}

fn transports(message: &Message) {
    let names: Vec<_> = message.vias().map(|via| via.unwrap().transport_name().to_vec()).collect();
    assert_eq!(names, [&b"UDP"[..], b"SCTP", b"TLS", b"UNKNOWN", b"TCP"]);
}

fn mpart01(message: &Message) {
    assert_eq!(message.content_type(), Some(&b"multipart/mixed"[..]));
    assert_eq!(message.body().len(), 553);
    assert!(message.body().contains(&0) && message.body().ends_with(b"--7a9cbec02ceef655--\r\n"));
    assert_eq!(message.date(), Ok(Some(1_129_351_496)));
}

fn unreason(message: &Message) {
    assert_eq!(message.status(), Some(Status::OK));
    assert!(message.reason().starts_with("= 2**3 * 5**2 \u{43d}\u{43e}".as_bytes()));
}

fn noreason(message: &Message) {
    assert_eq!((message.status(), message.reason()), (Some(Status::TRYING), &b""[..]));
}

fn scalar02(message: &Message) {
    assert!(message.cseq().is_err() && message.max_forwards().is_err() && message.expires().is_err());
    assert_eq!(message.contact().unwrap().expires(), None);
}

fn scalarlg(message: &Message) {
    assert!(message.cseq().is_err() && message.retry_after().is_err());
}

fn bext01(message: &Message) {
    let refused = Abilities::default().check(message).unwrap_err();
    let tags = b"nothingSupportsThis, nothingSupportsThisEither".to_vec();
    assert_eq!(refused.header, Some((Name::Unsupported, tags)));
}

fn invut(message: &Message) {
    let refused = Abilities::default().check(message).unwrap_err();
    assert_eq!(refused.header, Some((Name::Accept, b"application/sdp".to_vec())));
}

fn regaut01(message: &Message) {
    let credentials = message.authorization().next().unwrap().unwrap();
    assert!(!credentials.is_digest());
    assert_eq!(credentials.scheme(), b"NoOneKnowsThisScheme");
}

fn cparam01(message: &Message) {
    let contact = message.contact().unwrap();
    assert!(contact.params.has("unknownparam") && contact.uri.params().is_empty());
}

fn cparam02(message: &Message) {
    let contact = message.contact().unwrap();
    assert!(contact.params.is_empty() && contact.uri.params().has("unknownparam"));
}

fn regescrt(message: &Message) {
    let uri = message.contact().unwrap().uri;
    assert_eq!(uri.headers().collect::<Vec<_>>(), [(&b"Route"[..], &b"%3Csip:sip.example.com%3E"[..])]);
    assert_eq!(&uri.without_headers().as_bytes()[..], b"sip:user@example.com");
}

fn inv2543(message: &Message) {
    assert_eq!(message.from().unwrap().tag(), None);
    assert_eq!(message.via().unwrap().branch(), None);
    assert_eq!(message.max_forwards(), Ok(None));
    assert!(message.body().ends_with(b"RTP/AVP 0\r\n"));
}
