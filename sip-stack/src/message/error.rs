//! What can be wrong with a message, and what may be answered.

use super::{Message, Method, Name, ResponseBuilder, Status};
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseErrorKind {
    /// Nothing but line ends or NULs: a keep-alive (RFC 5626 §4.4.1), nothing wrong, nothing to parse.
    KeepAlive,
    /// The first line belongs to no SIP message at all. Dropped.
    NotSip,
    /// A request line with missing, extra or bracketed parts (RFC 4475 §3.1.2.7–10). 400.
    RequestLine,
    /// A status line that no one can use, a code beyond 699 among them (RFC 4475 §3.1.2.19). Dropped.
    StatusLine,
    /// Another version than SIP/2.0 (RFC 4475 §3.1.2.16). 505.
    Version,
    /// The headers do not end with an empty line. 400.
    NoEnd,
    /// Content-Length is no number, or several disagree (RFC 4475 §3.1.2.3, §3.3.9). 400.
    ContentLength,
    /// The body is shorter than Content-Length says (RFC 4475 §3.1.2.2). 400.
    ShortBody,
    /// A message on a stream has no Content-Length (RFC 3261 §20.14). 400.
    NoContentLength,
    /// The message, one of its lines or the number of lines is beyond [`Limits`](super::Limits). 513.
    TooLarge,
    /// More Via lines than `Limits::max_via`. 483.
    TooManyVias,
}

impl ParseErrorKind {
    /// The status this is answered with, if the message was a request that can be answered.
    pub fn status(self) -> Option<Status> {
        match self {
            Self::KeepAlive | Self::NotSip | Self::StatusLine => None,
            Self::RequestLine | Self::NoEnd | Self::ContentLength | Self::ShortBody | Self::NoContentLength => {
                Some(Status::BAD_REQUEST)
            }
            Self::Version => Some(Status::VERSION_NOT_SUPPORTED),
            Self::TooLarge => Some(Status::MESSAGE_TOO_LARGE),
            Self::TooManyVias => Some(Status::TOO_MANY_HOPS),
        }
    }

    /// The reason phrase that tells the sender what to mend.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::KeepAlive => "Keep-Alive",
            Self::NotSip => "Not SIP",
            Self::RequestLine => "Malformed Request-Line",
            Self::StatusLine => "Malformed Status-Line",
            Self::Version => "Version Not Supported",
            Self::NoEnd => "Headers Without End",
            Self::ContentLength => "Bad Content-Length",
            Self::ShortBody => "Body Shorter Than Content-Length",
            Self::NoContentLength => "Missing Content-Length",
            Self::TooLarge => "Message Too Large",
            Self::TooManyVias => "Too Many Hops",
        }
    }

    /// Whether a stream cannot be read on after this: where the next message begins is unknown.
    pub fn is_fatal(self) -> bool {
        matches!(
            self,
            Self::NotSip | Self::NoEnd | Self::ContentLength | Self::NoContentLength | Self::TooLarge | Self::ShortBody
        )
    }
}

/// Why bytes are no message, with as much of the message as could be read.
#[derive(Debug, Clone)]
pub struct ParseError {
    kind: ParseErrorKind,
    partial: Option<Box<Message>>,
}

impl ParseError {
    pub(super) fn new(kind: ParseErrorKind, partial: Option<Message>) -> Self {
        Self { kind, partial: partial.map(Box::new) }
    }

    /// What is wrong.
    pub fn kind(&self) -> ParseErrorKind {
        self.kind
    }

    /// The readable part: start line as far as possible, header index, never a body.
    pub fn partial(&self) -> Option<&Message> {
        self.partial.as_deref()
    }

    /// The status to answer with, if this is a request that can be answered: it has a readable topmost Via, is no ACK, and has
    /// what a transaction is told by (From, To, Call-ID, CSeq present).
    pub fn status(&self) -> Option<Status> {
        let status = self.kind.status()?;
        let request = self.partial.as_deref().filter(|partial| partial.is_request())?;
        let told = [Name::From, Name::To, Name::CallId, Name::CSeq].iter().all(|&name| request.header(name).is_some());
        (told && request.method() != Some(Method::Ack) && request.via().is_ok()).then_some(status)
    }

    /// The whole response, ready to send to where the request came from; stateless, without a To-tag of ours.
    ///
    /// The endpoint may build a better one (server name, received) from [`partial`](Self::partial) and [`status`](Self::status).
    pub fn reply(&self) -> Option<Bytes> {
        let status = self.status()?;
        let request = self.partial()?;
        Some(ResponseBuilder::new(request, status).phrase(self.kind.phrase()).to_tag("unparsed").finish())
    }

    /// The same, with the address that the request came from in its Via (RFC 3261 §18.2.1).
    pub fn reply_to(&self, source: SocketAddr) -> Option<Bytes> {
        let status = self.status()?;
        let builder = ResponseBuilder::new(self.partial()?, status).phrase(self.kind.phrase());
        Some(builder.source(source).to_tag("unparsed").finish())
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.phrase())
    }
}

impl std::error::Error for ParseError {}

/// Why a header could not be read as what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// There is none.
    Missing(Name),
    /// There is one, and it does not follow its grammar or is out of range.
    Malformed(Name),
    /// There are several where one is allowed.
    Repeated(Name),
}

impl HeaderError {
    /// The header in question.
    pub fn name(self) -> Name {
        match self {
            Self::Missing(name) | Self::Malformed(name) | Self::Repeated(name) => name,
        }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "missing {name}"),
            Self::Malformed(name) => write!(f, "malformed {name}"),
            Self::Repeated(name) => write!(f, "more than one {name}"),
        }
    }
}

impl std::error::Error for HeaderError {}
