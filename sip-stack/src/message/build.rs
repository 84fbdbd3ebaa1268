//! Writing messages, each into one buffer.

use super::scan::is_token;
use super::{Message, Method, Name, NameAddr, Status, Uri};
use bytes::{BufMut, Bytes, BytesMut};
use std::net::{IpAddr, SocketAddr};

/// Writes a message line by line, in the order of the calls.
///
/// Nothing written here can break out of its line: line ends and NULs in values become spaces, and a header whose name is no token is left out.
#[derive(Debug)]
pub struct MessageBuilder {
    out: BytesMut,
}

impl MessageBuilder {
    /// Begins a request.
    pub fn request(method: &Method, uri: &Uri) -> Self {
        let mut out = BytesMut::with_capacity(1024);
        out.put_slice(method.as_bytes());
        out.put_u8(b' ');
        out.put_slice(uri.as_bytes());
        out.put_slice(b" SIP/2.0\r\n");
        Self { out }
    }

    /// Begins a response with a phrase of its own.
    pub fn response(status: Status, phrase: &str) -> Self {
        let mut builder = Self { out: BytesMut::with_capacity(1024) };
        builder.out.put_slice(b"SIP/2.0 ");
        builder.out.put_slice(decimal(u32::from(status.code()), &mut [0; 10]));
        builder.out.put_u8(b' ');
        builder.put_text(phrase.as_bytes());
        builder.end_line();
        builder
    }

    /// A header we know.
    pub fn header(&mut self, name: Name, value: impl AsRef<[u8]>) -> &mut Self {
        self.named(name.as_str().as_bytes(), value)
    }

    /// A header of any name.
    pub fn named(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        if is_token(name.as_ref()) {
            self.out.put_slice(name.as_ref());
            self.out.put_slice(b": ");
            self.put_text(value.as_ref());
            self.end_line();
        }
        self
    }

    /// A header with a number.
    pub fn number(&mut self, name: Name, value: u32) -> &mut Self {
        self.header(name, decimal(value, &mut [0; 10]))
    }

    /// A header with an address.
    pub fn addr(&mut self, name: Name, value: &NameAddr) -> &mut Self {
        self.out.put_slice(name.as_str().as_bytes());
        self.out.put_slice(b": ");
        let start = self.out.len();
        value.write_to(&mut self.out);
        self.flatten(start);
        self.end_line();
        self
    }

    /// `CSeq: 7 INVITE`
    pub fn cseq(&mut self, seq: u32, method: &Method) -> &mut Self {
        self.out.put_slice(b"CSeq: ");
        self.out.put_slice(decimal(seq, &mut [0; 10]));
        self.out.put_u8(b' ');
        self.out.put_slice(method.as_bytes());
        self.end_line();
        self
    }

    /// All lines of one name, as another message has them, folds undone.
    pub fn copy(&mut self, from: &Message, name: Name) -> &mut Self {
        for value in from.headers(name) {
            self.header(name, value);
        }
        self
    }

    /// The Vias of a request as they go on with it, or back with its response: the first tells where the request really came from, and
    /// perhaps a word of overload control.
    pub(crate) fn vias(&mut self, request: &Message, source: SocketAddr, overload: Option<&str>) -> &mut Self {
        for (at, line) in request.headers(Name::Via).enumerate() {
            match at {
                0 => self.header(Name::Via, with_source(line, source, overload)),
                _ => self.header(Name::Via, line),
            };
        }
        self
    }

    /// Ends the headers without a body.
    pub fn finish(self) -> Bytes {
        self.finish_with_body("", b"")
    }

    /// Ends the message with a body; an empty content type writes no Content-Type. Content-Length is always written.
    pub fn finish_with_body(mut self, content_type: &str, body: &[u8]) -> Bytes {
        if !content_type.is_empty() {
            self.header(Name::ContentType, content_type);
        }
        self.header(Name::ContentLength, decimal(u32::try_from(body.len()).unwrap_or(u32::MAX), &mut [0; 10]));
        self.end_line();
        self.out.put_slice(body);
        self.out.freeze()
    }

    fn put_text(&mut self, text: &[u8]) {
        let start = self.out.len();
        self.out.put_slice(text);
        self.flatten(start);
    }

    /// Puts a space for whatever could end the line, from `start` on.
    fn flatten(&mut self, start: usize) {
        let mut rest = &mut self.out[start..];
        while let Some(at) = memchr::memchr3(b'\r', b'\n', 0, rest) {
            rest[at] = b' ';
            rest = &mut rest[at + 1..];
        }
    }

    fn end_line(&mut self) {
        self.out.put_slice(b"\r\n");
    }
}

/// Writes a response to a request: RFC 3261 §8.2.6.2, §18.2.1, RFC 3581.
///
/// Via (all), From, To, Call-ID and CSeq are copied as they stand, Record-Route where a dialog may come of it, Timestamp into a 100.
#[derive(Debug)]
pub struct ResponseBuilder<'a> {
    request: &'a Message,
    status: Status,
    phrase: Option<&'a str>,
    source: Option<SocketAddr>,
    to_tag: Option<&'a str>,
    overload: Option<&'a str>,
    headers: Vec<(&'a str, &'a [u8])>,
}

impl<'a> ResponseBuilder<'a> {
    /// A response to this request.
    pub fn new(request: &'a Message, status: Status) -> Self {
        Self { request, status, phrase: None, source: None, to_tag: None, overload: None, headers: Vec::new() }
    }

    /// Another phrase than the usual one.
    #[must_use]
    pub fn phrase(mut self, phrase: &'a str) -> Self {
        self.phrase = Some(phrase);
        self
    }

    /// Where the request came from: written into the topmost Via as `received`, and as `rport` if the request asked for it.
    #[must_use]
    pub fn source(mut self, source: SocketAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// Our tag for To; kept out if To has one already, or in a 100 (RFC 3261 §8.2.6.2).
    #[must_use]
    pub fn to_tag(mut self, tag: &'a str) -> Self {
        self.to_tag = Some(tag);
        self
    }

    /// What a sender that supports overload control is told in the topmost Via (RFC 7339 §4), beside [`source`](Self::source).
    #[must_use]
    pub fn overload(mut self, word: Option<&'a str>) -> Self {
        self.overload = word;
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: Name, value: &'a [u8]) -> Self {
        self.headers.push((name.as_str(), value));
        self
    }

    /// One more header of any name.
    #[must_use]
    pub fn named(mut self, name: &'a str, value: &'a [u8]) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The response without a body.
    pub fn finish(self) -> Bytes {
        self.finish_with_body("", b"")
    }

    /// The response with a body.
    pub fn finish_with_body(self, content_type: &str, body: &[u8]) -> Bytes {
        let mut out = MessageBuilder::response(self.status, self.phrase.unwrap_or(self.status.phrase()));
        self.write_vias(&mut out);
        if self.makes_dialog() {
            out.copy(self.request, Name::RecordRoute);
        }
        out.copy(self.request, Name::From);
        self.write_to(&mut out);
        out.copy(self.request, Name::CallId);
        out.copy(self.request, Name::CSeq);
        if self.status == Status::TRYING {
            out.copy(self.request, Name::Timestamp);
        }
        for (name, value) in &self.headers {
            out.named(name, value);
        }
        out.finish_with_body(content_type, body)
    }

    /// RFC 3261 §12.1.1: 101–299 to a request that makes a dialog.
    fn makes_dialog(&self) -> bool {
        let status = (101..300).contains(&self.status.code());
        status && self.request.method().is_some_and(|method| method.carries_target())
    }

    fn write_vias(&self, out: &mut MessageBuilder) {
        match self.source {
            Some(source) => out.vias(self.request, source, self.overload),
            None => out.copy(self.request, Name::Via),
        };
    }

    fn write_to(&self, out: &mut MessageBuilder) {
        let tag = self.to_tag.filter(|_| self.status != Status::TRYING);
        let tagged = || self.request.to().is_ok_and(|to| to.tag().is_some());
        match (tag, self.request.header(Name::To)) {
            // Only the first: a request with several is being refused.
            (Some(tag), Some(to)) if !tagged() => {
                let tag = [b";tag=", tag.as_bytes()];
                out.header(Name::To, [to, &tag.concat()].concat());
            }
            (_, Some(to)) => {
                out.header(Name::To, to);
            }
            (_, None) => {}
        }
    }
}

/// A Via line whose first value says where its request really came from.
fn with_source(line: &[u8], source: SocketAddr, overload: Option<&str>) -> Vec<u8> {
    let first_len = super::scan::find_outside(line, b',');
    let (first, rest) = line.split_at(first_len);
    let mut out = Vec::with_capacity(line.len() + 48);
    let (mut asks_rport, mut knows_overload) = (false, false);
    for (at, part) in super::scan::Split::new(first, b';').enumerate() {
        let name = super::scan::trim(part.split(|&b| b == b'=').next().unwrap_or_default());
        asks_rport |= at > 0 && name.eq_ignore_ascii_case(b"rport");
        if at > 0 && (name.eq_ignore_ascii_case(b"rport") || name.eq_ignore_ascii_case(b"received")) {
            continue;
        }
        if let Some(word) = overload.filter(|_| at > 0 && is_overload(name)) {
            if !knows_overload {
                out.push(b';');
                out.extend_from_slice(word.as_bytes());
            }
            knows_overload = true;
            continue;
        }
        if at > 0 {
            out.push(b';');
        }
        out.extend_from_slice(part);
    }
    let ip = match source.ip() {
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4),
        ip @ IpAddr::V4(_) => ip,
    };
    out.extend(format!(";received={ip}").as_bytes());
    if asks_rport {
        out.extend(format!(";rport={}", source.port()).as_bytes());
    }
    out.extend_from_slice(rest);
    out
}

/// A parameter of overload control (RFC 7339 §4); `oc` comes first.
fn is_overload(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"oc") || name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"oc-"))
}

/// A number in decimal, without the allocation of a `String`.
fn decimal(mut n: u32, buf: &mut [u8; 10]) -> &[u8] {
    let mut at = buf.len();
    loop {
        at -= 1;
        buf[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            return &buf[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(via: &str) -> Message {
        let text = format!(
            "INVITE sip:2@h SIP/2.0\r\n{via}Record-Route: <sip:p1;lr>,<sip:p2;lr>\r\nFrom: <sip:1@h>;tag=a\r\nTo: \"Two\"\r\n  <sip:2@h>\r\n\
             Call-ID: c\r\nCSeq: 7 INVITE\r\nTimestamp: 54\r\nl: 0\r\n\r\n"
        );
        Message::parse_datagram(text.into()).unwrap()
    }

    #[test]
    fn a_response_goes_back_the_way_its_request_came() {
        let request = request(
            "Via: SIP/2.0/UDP 10.0.0.1:5062;rport;branch=z9hG4bKa, SIP/2.0/TCP b;branch=x\r\nv: SIP/2.0/TCP c\r\n",
        );
        let source = "192.0.2.9:40000".parse().unwrap();
        let bytes = ResponseBuilder::new(&request, Status::RINGING)
            .source(source)
            .to_tag("t1")
            .header(Name::Contact, b"<sip:2@h2>")
            .finish();
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            "SIP/2.0 180 Ringing\r\n\
             Via: SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKa;received=192.0.2.9;rport=40000, SIP/2.0/TCP b;branch=x\r\n\
             Via: SIP/2.0/TCP c\r\n\
             Record-Route: <sip:p1;lr>,<sip:p2;lr>\r\nFrom: <sip:1@h>;tag=a\r\nTo: \"Two\" <sip:2@h>;tag=t1\r\nCall-ID: c\r\n\
             CSeq: 7 INVITE\r\nContact: <sip:2@h2>\r\nContent-Length: 0\r\n\r\n"
        );
        let response = Message::parse_datagram(bytes).unwrap();
        assert_eq!(response.via().unwrap().rport(), Some(Some(40000)));
        assert_eq!(response.to().unwrap().tag(), Some(&b"t1"[..]));
    }

    #[test]
    fn trying_has_no_tag_and_keeps_the_timestamp() {
        let request = request("Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa\r\n");
        let bytes = ResponseBuilder::new(&request, Status::TRYING).to_tag("t1").finish();
        let response = Message::parse_datagram(bytes).unwrap();
        assert_eq!(response.to().unwrap().tag(), None);
        assert_eq!(response.header(Name::Timestamp), Some(&b"54"[..]));
        assert_eq!(response.header(Name::RecordRoute), None);
    }

    #[test]
    fn nothing_breaks_out_of_its_line() {
        let mut builder = MessageBuilder::request(&Method::Options, &"sip:a@b".parse().unwrap());
        builder.header(Name::Subject, b"x\r\nEvil: 1\0").named("Bad Name", b"x").named("X-Good", b"\xd5\xc5");
        let from = NameAddr::parse(&Bytes::from_static(b"\"a\rb\" <sip:a@b>;x=\"\0\"")).unwrap();
        builder.addr(Name::From, &from);
        let message = Message::parse_datagram(builder.finish_with_body("text/plain", b"hi\r\n")).unwrap();
        assert_eq!(message.lines().count(), 5);
        assert_eq!(message.header(Name::From), Some(&b"\"a b\" <sip:a@b>;x=\" \""[..]));
        assert_eq!(message.header(Name::Subject), Some(&b"x  Evil: 1"[..]));
        assert_eq!(message.header_named("x-good"), Some(&b"\xd5\xc5"[..]));
        assert_eq!(message.body(), b"hi\r\n");
    }
}
