//! Reading SIP messages as text, and writing replies to them.

use std::fmt::Write;

/// A SIP message, borrowed from the datagram it came in.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    start: &'a str,
    head: &'a str,
    /// What follows the empty line.
    pub body: &'a str,
}

impl<'a> Message<'a> {
    /// Reads a datagram; nothing if it is no SIP message (a keep-alive, noise).
    #[must_use]
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(datagram).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let (start, head) = head.split_once("\r\n")?;
        start.contains("SIP/2.0").then_some(Self { start, head, body })
    }

    /// The method, if this is a request.
    #[must_use]
    pub fn method(&self) -> Option<&'a str> {
        if self.start.starts_with("SIP/2.0") {
            return None;
        }
        self.start.split(' ').next()
    }

    /// The status code, if this is a response.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The first header of that name (or of its compact form).
    #[must_use]
    pub fn header(&self, name: &'a str) -> Option<&'a str> {
        self.headers(name).next()
    }

    /// All header lines of that name, in order.
    pub fn headers(&self, name: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.head.split("\r\n").filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            let found = found.trim_end();
            (found.eq_ignore_ascii_case(name) || is_compact(found, name)).then_some(value.trim())
        })
    }

    /// Number and method of the CSeq header.
    #[must_use]
    pub fn cseq(&self) -> Option<(u32, &'a str)> {
        let (number, method) = self.header("CSeq")?.split_once(' ')?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// The tag of a From or To header.
    #[must_use]
    pub fn tag(&self, name: &'a str) -> Option<&'a str> {
        let value = self.header(name)?;
        let parameters = value.split_once('>').map_or(value, |(_, after)| after);
        parameters.split(';').find_map(|p| p.trim().strip_prefix("tag="))
    }

    /// The address in the Contact header.
    #[must_use]
    pub fn contact(&self) -> Option<&'a str> {
        let value = self.header("Contact")?;
        match value.split_once('<') {
            Some((_, rest)) => rest.split('>').next(),
            None => value.split(';').next(),
        }
    }

    /// The Route headers of requests in the dialog that a response to our INVITE made: Record-Route, backwards.
    #[must_use]
    pub fn route_set(&self) -> String {
        let hops: Vec<&str> = self.headers("Record-Route").flat_map(split_list).collect();
        hops.iter().rev().fold(String::new(), |mut routes, hop| {
            let _ = write!(routes, "Route: {hop}\r\n");
            routes
        })
    }
}

/// What a reply adds to the headers it copies.
#[derive(Default)]
pub struct Reply<'a> {
    /// Status code and reason.
    pub status: &'a str,
    /// Tag for the To header, where it has none.
    pub tag: &'a str,
    /// Further header lines, each ended by CR LF.
    pub headers: &'a str,
    /// Body.
    pub body: &'a str,
}

/// Writes a response to a request (RFC 3261 §8.2.6).
#[must_use]
pub fn reply(request: &Message<'_>, reply: &Reply<'_>) -> String {
    let mut out = format!("SIP/2.0 {}\r\n", reply.status);
    for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
        for value in request.headers(name) {
            let tag = if name == "To" && request.tag("To").is_none() && !reply.tag.is_empty() {
                format!(";tag={}", reply.tag)
            } else {
                String::new()
            };
            let _ = write!(out, "{name}: {value}{tag}\r\n");
        }
    }
    let _ = write!(out, "{}Content-Length: {}\r\n\r\n{}", reply.headers, reply.body.len(), reply.body);
    out
}

/// Splits a header value at the commas outside quotes and angle brackets.
fn split_list(value: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut bracketed) = (Vec::new(), 0, false, false);
    for (i, c) in value.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            ',' if !quoted && !bracketed => {
                parts.push(value[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(value[start..].trim());
    parts
}

fn is_compact(found: &str, name: &str) -> bool {
    let long = match found {
        "v" | "V" => "Via",
        "f" | "F" => "From",
        "t" | "T" => "To",
        "i" | "I" => "Call-ID",
        "m" | "M" => "Contact",
        _ => return false,
    };
    long.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"SIP/2.0 200 OK\r\n\
        v: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bKa\r\n\
        Record-Route: <sip:10.0.0.1;lr;x=\"a,b\">, <sip:10.0.0.2;lr>\r\n\
        Record-Route: <sip:10.0.0.3;lr>\r\n\
        From: \"A <tag=no>\" <sip:a@b;tag=uri>;tag=one\r\n\
        to : <sip:b@b>;x=y;tag=two\r\n\
        i: 7@x\r\nCSeq: 12  INVITE\r\nm: <sip:uas@127.0.0.3:5090;ob>;expires=3\r\n\r\nv=0\r\n";

    #[test]
    fn a_response_is_read_with_compact_names_lists_and_tags() {
        let m = Message::parse(OK).unwrap();
        assert_eq!((m.code(), m.method()), (Some(200), None));
        assert_eq!(m.header("Call-ID"), Some("7@x"));
        assert_eq!(m.tag("To"), Some("two"));
        assert_eq!(m.cseq(), Some((12, "INVITE")));
        assert_eq!(m.contact(), Some("sip:uas@127.0.0.3:5090;ob"));
        assert_eq!(m.body, "v=0\r\n");
        assert_eq!(
            m.route_set(),
            "Route: <sip:10.0.0.3;lr>\r\nRoute: <sip:10.0.0.2;lr>\r\nRoute: <sip:10.0.0.1;lr;x=\"a,b\">\r\n"
        );
    }

    #[test]
    fn a_reply_copies_the_vias_and_adds_its_tag_once() {
        let bye = b"BYE sip:x SIP/2.0\r\nVia: one\r\nVia: two\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\n\
            Call-ID: c\r\nCSeq: 2 BYE\r\nMax-Forwards: 70\r\n\r\n";
        let text = reply(
            &Message::parse(bye).unwrap(),
            &Reply { status: "200 OK", tag: "t", headers: "X: y\r\n", body: "hi" },
        );
        assert_eq!(
            text,
            "SIP/2.0 200 OK\r\nVia: one\r\nVia: two\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>;tag=t\r\nCall-ID: c\r\n\
             CSeq: 2 BYE\r\nX: y\r\nContent-Length: 2\r\n\r\nhi"
        );
    }

    #[test]
    fn what_is_no_message_is_nothing() {
        for noise in [&b"\r\n\r\n"[..], b"", b"\xff\xfe", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"] {
            assert!(Message::parse(noise).is_none());
        }
    }
}
