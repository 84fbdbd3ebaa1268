//! SIP messages of the phones, built and read with `rsip`, which shares no code with the switch.

use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::{HasHeaders, HeadersExt};
use rsip::{Header, Headers, Method, Request, Response, SipMessage};
use std::net::SocketAddr;

/// What a request is made of.
pub(crate) struct Draft<'a> {
    pub(crate) method: Method,
    pub(crate) uri: &'a str,
    /// Our address, for Via.
    pub(crate) via: SocketAddr,
    pub(crate) branch: &'a str,
    /// Whole header values, tags included.
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) cseq: u32,
    pub(crate) contact: Option<String>,
    pub(crate) extra: Vec<Header>,
    /// A session description.
    pub(crate) body: Vec<u8>,
}

impl Draft<'_> {
    /// The request; panics if the URI is none, which is the test's mistake.
    pub(crate) fn request(self) -> Request {
        let mut headers = Headers::default();
        let via = format!("SIP/2.0/UDP {};rport;branch={}", self.via, self.branch);
        headers.push(Header::Via(rsip::headers::Via::new(via)));
        headers.push(Header::MaxForwards(rsip::headers::MaxForwards::new("70")));
        headers.push(Header::From(rsip::headers::From::new(self.from)));
        headers.push(Header::To(rsip::headers::To::new(self.to)));
        headers.push(Header::CallId(rsip::headers::CallId::new(self.call_id)));
        headers.push(Header::CSeq(rsip::headers::CSeq::new(format!("{} {}", self.cseq, self.method))));
        if let Some(contact) = self.contact {
            headers.push(Header::Contact(rsip::headers::Contact::new(contact)));
        }
        headers.push(Header::UserAgent(rsip::headers::UserAgent::new("SimPhone/1.0")));
        headers.extend(self.extra);
        seal(&mut headers, &self.body);
        Request {
            method: self.method,
            uri: rsip::Uri::try_from(self.uri).unwrap_or_else(|e| panic!("a phone was told to call {}: {e}", self.uri)),
            version: rsip::Version::V2,
            headers,
            body: self.body,
        }
    }
}

fn seal(headers: &mut Headers, body: &[u8]) {
    let described = headers.iter().any(|header| matches!(header, Header::ContentType(_)));
    if !body.is_empty() && !described {
        headers.push(Header::ContentType(rsip::headers::ContentType::new("application/sdp")));
    }
    headers.push(Header::ContentLength(rsip::headers::ContentLength::new(body.len().to_string())));
}

/// A response to `request` with our tag; Via carries where the request came from (RFC 3581).
pub(crate) fn response(
    request: &Request,
    from: SocketAddr,
    status: u16,
    tag: Option<&str>,
    extra: Vec<Header>,
    body: &[u8],
) -> Response {
    let mut headers = Headers::default();
    let mut first = true;
    for header in request.headers.iter() {
        match header {
            Header::Via(via) if first => {
                first = false;
                let value =
                    via.value().replacen(";rport", &format!(";rport={};received={}", from.port(), from.ip()), 1);
                headers.push(Header::Via(rsip::headers::Via::new(value)));
            }
            Header::To(to) => {
                let value = match tag {
                    Some(tag) if tag_in(to.value()).is_none() => format!("{};tag={tag}", to.value()),
                    _ => to.value().to_owned(),
                };
                headers.push(Header::To(rsip::headers::To::new(value)));
            }
            Header::Via(_) | Header::From(_) | Header::CallId(_) | Header::CSeq(_) | Header::RecordRoute(_) => {
                headers.push(header.clone());
            }
            _ => {}
        }
    }
    headers.extend(extra);
    seal(&mut headers, body);
    Response { status_code: status.into(), version: rsip::Version::V2, headers, body: body.to_vec() }
}

/// The facts a phone goes by, read from either kind of message.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) branch: String,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    pub(crate) method: String,
    pub(crate) from: String,
    pub(crate) from_tag: Option<String>,
    pub(crate) to: String,
    pub(crate) to_tag: Option<String>,
    /// The first Contact's URI.
    pub(crate) contact: Option<String>,
}

/// Reads a message, or says what a phone has to complain about.
pub(crate) fn read(data: &[u8]) -> Result<(SipMessage, Facts), String> {
    let message = SipMessage::try_from(data).map_err(|e| format!("not readable: {e}"))?;
    let cannot = |what: &'static str| move |e: rsip::Error| format!("no usable {what}: {e}");
    let via = message.via_header().map_err(cannot("Via"))?.typed().map_err(cannot("Via"))?;
    let cseq = message.cseq_header().map_err(cannot("CSeq"))?.typed().map_err(cannot("CSeq"))?;
    // The typed forms are asked for, so that a malformed one is a complaint and not a guess.
    let from = message.from_header().map_err(cannot("From"))?;
    from.typed().map_err(cannot("From"))?;
    let to = message.to_header().map_err(cannot("To"))?;
    to.typed().map_err(cannot("To"))?;
    let contact = match message.contact_headers().first() {
        Some(contact) if contact.value() != "*" => {
            // The parameters behind the address may hold addresses themselves, which `rsip` cannot read.
            let address = contact.value().split_inclusive('>').next().unwrap_or_default();
            let contact = rsip::headers::Contact::new(address);
            Some(contact.typed().map_err(cannot("Contact"))?.uri.to_string())
        }
        _ => None,
    };
    let facts = Facts {
        branch: via.branch().map(|b| b.value().to_owned()).ok_or("no branch in Via")?,
        call_id: message.call_id_header().map_err(cannot("Call-ID"))?.value().to_owned(),
        cseq: cseq.seq,
        method: cseq.method.to_string(),
        from: from.value().to_owned(),
        from_tag: tag_in(from.value()),
        to: to.value().to_owned(),
        to_tag: tag_in(to.value()),
        contact,
    };
    check_length(&message)?;
    if facts.from_tag.is_none() {
        return Err("no tag in From".into());
    }
    Ok((message, facts))
}

fn check_length(message: &SipMessage) -> Result<(), String> {
    let told = message.headers().iter().find_map(|header| match header {
        Header::ContentLength(length) => Some(length.value().trim().parse::<usize>()),
        _ => None,
    });
    match told {
        Some(Ok(length)) if length == message.body().len() => Ok(()),
        None if message.body().is_empty() => Ok(()),
        told => Err(format!("Content-Length {told:?} for a body of {}", message.body().len())),
    }
}

/// The tag parameter of a From or To value.
pub(crate) fn tag_in(value: &str) -> Option<String> {
    // Parameters of the header follow the closing angle bracket; without one, everything after `;` is the header's.
    let params = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
    params.split(';').find_map(|param| param.trim().strip_prefix("tag=")).map(str::to_owned)
}

/// The value of a header that `rsip` has no name for.
pub(crate) fn other<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find_map(|header| match header {
        Header::Other(n, value) if n.eq_ignore_ascii_case(name) => Some(value.as_str()),
        _ => None,
    })
}

/// Where a URI points: its host must be an address.
pub(crate) fn address_in(uri: &str) -> Option<SocketAddr> {
    let uri = rsip::Uri::try_from(uri).ok()?;
    uri.host_with_port.try_into().ok()
}
