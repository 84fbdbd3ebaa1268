//! A request against what we can do: RFC 3261 §8.2.1–§8.2.3, in its order.

use super::{Message, Method, Name, Scheme, Status};

/// What this user agent supports. All lists are compared without case but for methods.
#[derive(Debug, Clone)]
pub struct Abilities {
    /// Methods we answer ourselves.
    pub methods: Vec<Method>,
    /// Option tags we understand in Require.
    pub extensions: Vec<&'static str>,
    /// Methods that may be meant for somebody behind us: outside dialogs their Require is not checked here.
    pub passed_on: Vec<Method>,
    /// Media types we read in the body of an INVITE, UPDATE or PRACK, and answer INVITEs with.
    pub bodies: Vec<&'static str>,
    /// Whether `tel:` Request-URIs are answered; sip and sips always are.
    pub tel: bool,
}

impl Default for Abilities {
    /// A telephone switch: calls, registrations and keep-alives, SDP bodies, no extensions.
    fn default() -> Self {
        use Method::{Ack, Bye, Cancel, Info, Invite, Options, Register};
        Self {
            methods: vec![Invite, Ack, Bye, Cancel, Options, Register, Info, Method::Message],
            extensions: Vec::new(),
            passed_on: Vec::new(),
            bodies: vec!["application/sdp"],
            tel: true,
        }
    }
}

/// The response to a request we cannot serve, with the header that says what we could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// 405, 406, 415, 416, 420 or 501.
    pub status: Status,
    /// Allow with a 405, Accept with a 415, Unsupported with a 420.
    pub header: Option<(Name, Vec<u8>)>,
}

impl Abilities {
    /// Checks a request that [`validate`](super::validate) let pass.
    ///
    /// 501 for a method nobody here knows, 405 for a known one that we do not serve; 416 for the scheme (RFC 4475 §3.3.2–3); 420 for
    /// Require (§3.3.5; not in ACK and CANCEL, RFC 3261 §8.2.2.3); 415 for the body (§3.3.6); 406 where the answer of an INVITE could not
    /// be SDP (§3.3.15). An ACK is never answered: drop it on any refusal.
    pub fn check(&self, request: &Message) -> Result<(), Refused> {
        let refuse = |status, header| Err(Refused { status, header });
        let Some(method) = request.method() else { return refuse(Status::BAD_REQUEST, None) };
        if !self.methods.contains(&method) {
            let status = match method {
                Method::Other(_) => Status::NOT_IMPLEMENTED,
                _ => Status::METHOD_NOT_ALLOWED,
            };
            return refuse(status, Some((Name::Allow, self.allow().into_bytes())));
        }
        match request.uri().map(|uri| uri.scheme()) {
            Ok(Scheme::Sip | Scheme::Sips) => {}
            Ok(Scheme::Tel) if self.tel => {}
            Ok(Scheme::Tel | Scheme::Other) => return refuse(Status::UNSUPPORTED_URI_SCHEME, None),
            Err(_) => return refuse(Status::BAD_REQUEST, None),
        }
        let foreign = request.to().is_ok_and(|to| to.tag().is_none()) && self.passed_on.contains(&method);
        if !matches!(method, Method::Ack | Method::Cancel) && !foreign {
            self.understands(request)?;
        }
        let offers = matches!(method, Method::Invite | Method::Update | Method::Prack);
        if offers && !self.reads_body(request) {
            return refuse(Status::UNSUPPORTED_MEDIA_TYPE, Some((Name::Accept, self.accept().into_bytes())));
        }
        if method == Method::Invite && !self.may_answer(request) {
            return refuse(Status::NOT_ACCEPTABLE, None);
        }
        Ok(())
    }

    /// 420 for what a request requires and we do not have.
    pub fn understands(&self, request: &Message) -> Result<(), Refused> {
        let known = |tag: &[u8]| self.extensions.iter().any(|known| tag.eq_ignore_ascii_case(known.as_bytes()));
        let unsupported: Vec<_> = request.values(Name::Require).filter(|tag| !tag.is_empty() && !known(tag)).collect();
        if unsupported.is_empty() {
            return Ok(());
        }
        let header = Some((Name::Unsupported, unsupported.join(&b", "[..])));
        Err(Refused { status: Status::BAD_EXTENSION, header })
    }

    /// The value of Allow.
    pub fn allow(&self) -> String {
        self.methods.iter().map(Method::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The value of Accept.
    pub fn accept(&self) -> String {
        self.bodies.join(", ")
    }

    fn reads_body(&self, request: &Message) -> bool {
        // A body that may be ignored without harm says so (RFC 3261 §20.11).
        let optional = request.header(Name::ContentDisposition).is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            memchr::memmem::find(&value, b"handling=optional").is_some()
        });
        if request.body().is_empty() || optional {
            return true;
        }
        let plain = |value: &[u8]| value.is_empty() || value.eq_ignore_ascii_case(b"identity");
        let known = |found: &[u8]| self.bodies.iter().any(|known| found.eq_ignore_ascii_case(known.as_bytes()));
        // An INVITE's body without a type can only be SDP.
        request.values(Name::ContentEncoding).all(plain) && request.content_type().is_none_or(known)
    }

    /// Whether Accept lets us answer with a body we can make. Without Accept it does (RFC 3261 §20.1); so does an empty one, because the
    /// phones that send it mean nothing by it.
    fn may_answer(&self, request: &Message) -> bool {
        let mut ranges = request
            .values(Name::Accept)
            .map(|range| super::scan::trim(range.split(|&b| b == b';').next().unwrap_or_default()))
            .filter(|range| !range.is_empty())
            .peekable();
        let ours = |range: &[u8]| {
            self.bodies.iter().any(|body| {
                let group = body.split('/').next().unwrap_or_default().len();
                range == b"*/*"
                    || range.eq_ignore_ascii_case(body.as_bytes())
                    || range
                        .strip_suffix(b"/*")
                        .is_some_and(|start| start.eq_ignore_ascii_case(&body.as_bytes()[..group]))
            })
        };
        ranges.peek().is_none() || ranges.any(ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(start: &str, lines: &str) -> Option<(u16, Option<Name>)> {
        let text = format!("{start} SIP/2.0\r\n{lines}\r\nbody");
        let message = Message::parse_datagram(text.into()).unwrap();
        let refused = Abilities::default().check(&message).err()?;
        Some((refused.status.code(), refused.header.map(|(name, _)| name)))
    }

    #[test]
    fn methods_schemes_and_extensions() {
        assert_eq!(refused("PUBLISH sip:a@b", ""), Some((405, Some(Name::Allow))));
        assert_eq!(refused("DANCE sip:a@b", ""), Some((501, Some(Name::Allow))));
        assert_eq!(refused("OPTIONS http://a", ""), Some((416, None)));
        assert_eq!(refused("OPTIONS tel:+1", ""), None);
        assert_eq!(refused("BYE sip:a@b", "Require: 100rel\r\nRequire: x\r\n"), Some((420, Some(Name::Unsupported))));
        assert_eq!(refused("CANCEL sip:a@b", "Require: 100rel\r\n"), None);
    }

    #[test]
    fn bodies_and_answers_of_an_invite() {
        let invite = |lines| refused("INVITE sip:a@b", lines);
        assert_eq!(invite("Content-Type: Application/SDP;charset=x\r\n"), None);
        assert_eq!(invite("c: text/plain\r\n"), Some((415, Some(Name::Accept))));
        assert_eq!(invite("c: text/plain\r\nContent-Disposition: render; Handling=Optional\r\n"), None);
        assert_eq!(invite("c: application/sdp\r\ne: gzip\r\n"), Some((415, Some(Name::Accept))));
        assert_eq!(invite("Accept: text/plain, application/*;q=0.5\r\n"), None);
        assert_eq!(invite("Accept: */*\r\n"), None);
        assert_eq!(invite("Accept:\r\n"), None);
        assert_eq!(invite("Accept: text/plain\r\n"), Some((406, None)));
        assert_eq!(refused("MESSAGE sip:a@b", "c: text/plain\r\n"), None);
    }
}
