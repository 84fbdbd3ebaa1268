//! A browser's side of RFC 7118, played by the case itself.

use crate::failing::caller;
use crate::patience::{secs, wait_for};
use crate::server::{Server, Setup};
use md5::{Digest as _, Md5};
use serde_json::json;
use std::net::TcpStream;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket};

const HOST: &str = "df7jal23ls0d.invalid";

/// A page that speaks SIP.
struct Page {
    socket: WebSocket<TcpStream>,
    server: String,
}

impl Page {
    fn open(server: &Server) -> Self {
        Self::open_with(server, "").expect("the server takes WebSockets")
    }

    /// The same with a query; what HTTP says if it refuses.
    fn open_with(server: &Server, query: &str) -> Result<Self, String> {
        let at = server.http();
        let stream = TcpStream::connect(at).expect("the server listens");
        stream.set_read_timeout(Some(secs(5))).expect("a limit above zero");
        let mut request = format!("ws://{at}/sip{query}").into_client_request().expect("a request");
        let headers = request.headers_mut();
        headers.insert("Sec-WebSocket-Protocol", "sip".parse().expect("a header"));
        headers.insert("Origin", format!("http://{at}").parse().expect("a header"));
        let (socket, _) = tungstenite::client(request, stream).map_err(|error| error.to_string())?;
        Ok(Self { socket, server: server.sip().to_string() })
    }

    fn send(&mut self, text: String) {
        self.socket.send(Message::text(text)).expect("the server reads");
    }

    /// The next message.
    fn hear(&mut self) -> String {
        loop {
            match self.socket.read().expect("the server speaks") {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn request(&mut self, method: &str, number: &str, cseq: u32, more: &str) -> String {
        let server = &self.server;
        self.send(format!(
            "{method} sip:{server} SIP/2.0\r\nVia: SIP/2.0/WS {HOST};branch=z9hG4bK{method}{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:{number}@{server}>;tag=page\r\nTo: <sip:{number}@{server}>\r\nCall-ID: {method}-page\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:{number}@{HOST};transport=ws>;expires=600\r\n{more}Content-Length: 0\r\n\r\n"
        ));
        self.hear()
    }

    fn register(&mut self, number: &str, password: &str) {
        let challenge = self.request("REGISTER", number, 1, "");
        assert!(challenge.starts_with("SIP/2.0 401"), "{challenge}");
        let proof = proof(&challenge, number, password, &format!("sip:{}", self.server));
        let answer = self.request("REGISTER", number, 2, &proof);
        assert!(answer.starts_with("SIP/2.0 200") && answer.contains(HOST), "{answer}");
    }
}

/// The header that answers a challenge to a REGISTER.
pub(crate) fn proof(challenge: &str, number: &str, password: &str, uri: &str) -> String {
    let asked = header(challenge, "WWW-Authenticate");
    let (realm, nonce) = (value(asked, "realm"), value(asked, "nonce"));
    let (ha1, ha2) = (md5(&format!("{number}:{realm}:{password}")), md5(&format!("REGISTER:{uri}")));
    let response = md5(&format!("{ha1}:{nonce}:00000001:abc:auth:{ha2}"));
    format!(
        "Authorization: Digest username=\"{number}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", qop=auth, \
         nc=00000001, cnonce=\"abc\", algorithm=MD5, response=\"{response}\"\r\n"
    )
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let of = |line: &'a str| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v);
    message.lines().find_map(of).unwrap_or_else(|| panic!("no {name} in {message}"))
}

fn value<'a>(header: &'a str, name: &str) -> &'a str {
    let (_, rest) = header.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name} in {header}"));
    rest.split('"').next().unwrap_or_default()
}

#[test]
fn a_page_registers_answers_options_is_called_and_is_gone_with_its_stream() {
    let server = Server::start(Setup { grace_seconds: 1, ..Setup::default() });
    let mut page = Page::open(&server);
    let capabilities = page.request("OPTIONS", "1002", 1, "");
    assert!(capabilities.starts_with("SIP/2.0 200") && capabilities.contains("Allow: "), "{capabilities}");
    page.register("1002", server.password("1002"));
    let list = server.api().get("/registrations");
    assert_eq!(list[0]["transport"], "ws", "{list}");

    // It is called by the stream it came by, under the name that leads nowhere else, and is busy.
    let calling = caller(&server, "caller_refused").status(486).start();
    let invite = page.hear();
    assert!(invite.starts_with(&format!("INVITE sip:1002@{HOST};transport=ws SIP/2.0")), "{invite}");
    assert!(header(&invite, "Via").starts_with("SIP/2.0/WS 127.0.0.1:"), "{invite}");
    assert!(header(&invite, "Contact").contains(";transport=ws"), "{invite}");
    let copied =
        ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", header(&invite, name))).concat();
    let to = header(&invite, "To");
    page.send(format!("SIP/2.0 486 Busy Here\r\n{copied}To: {to};tag=page\r\nContent-Length: 0\r\n\r\n"));
    assert!(page.hear().starts_with("ACK "), "the switch acknowledges");
    calling.finish();
    assert_eq!(server.api().newest_of(1)["outcome"], "busy");

    drop(page);
    wait_for("the end of its registration", secs(5), || (server.api().registrations() == 0).then_some(()));
    server.finish();
}

#[test]
fn a_page_with_a_token_needs_no_password_and_speaks_for_nobody_else() {
    let server = Server::start(Setup::default());
    let agent = json!({ "username": "ana", "password": "only for the API", "role": "agent", "extension": "1002" });
    let token = server.api().token_of_new(&agent);
    let mut page = Page::open_with(&server, &format!("?token={token}")).expect("the token counts");
    let answer = page.request("REGISTER", "1002", 1, "");
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let answer = page.request("REGISTER", "1003", 2, "");
    assert!(answer.starts_with("SIP/2.0 401"), "{answer}");
    for token in [&token[..token.len() - 2], "x", ""] {
        let refused = Page::open_with(&server, &format!("?token={token}")).err();
        assert!(refused.as_ref().is_some_and(|error| error.contains("401")), "{token}: {refused:?}");
    }
    // Another connection has shown nothing.
    let mut other = Page::open(&server);
    assert!(other.request("REGISTER", "1002", 1, "").starts_with("SIP/2.0 401"));
    // It may show the token as the password of its extension too: then the page needs to know no more of WebSockets than any.
    Page::open(&server).register("1002", &token);
    server.finish();
}
