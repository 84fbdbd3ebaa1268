//! SIP messages as they are on the wire: found, not copied.
//!
//! A [`Message`] keeps the bytes it came in, with an index of its header lines; typed views ([`Via`], [`NameAddr`], [`Uri`] …) are read on
//! demand and share those bytes. Nothing is ever converted to text: bytes that are not UTF-8 (a display name in GBK) stay as they are.
//!
//! Reading has three stages, each with its own answer to trouble:
//! [`Message::parse_datagram`] or [`StreamFramer`] find the message ([`ParseError`]: 400, 505, 513 or silence); [`validate`] checks what
//! every request needs before anyone acts on it (400, 501); [`Abilities::check`] compares it with what we can do (405, 406, 415, 416, 420).
//!
//! ```
//! use patchbay_sip_stack::message::{Message, Method, validate};
//! let message = Message::parse_datagram(bytes::Bytes::from_static(
//!     b"OPTIONS sip:100@pbx.example SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK7\r\nf: <sip:ana@pbx.example>;tag=a\r\n\
//!       t: <sip:100@pbx.example>\r\ni: 1@192.0.2.7\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n",
//! )).unwrap();
//! assert_eq!(message.method(), Some(Method::Options));
//! assert_eq!(message.from().unwrap().uri.user(), Some(&b"ana"[..]));
//! assert_eq!(validate(&message), Ok(()));
//! ```

mod build;
mod credentials;
mod dialog_id;
mod error;
mod limits;
mod method;
mod name;
mod name_addr;
mod params;
mod parse;
mod policy;
mod return_way;
mod scan;
mod status;
mod stream;
mod uri;
mod uri_compare;
mod validate;
mod via;
mod views;

pub use build::{MessageBuilder, ResponseBuilder};
pub use credentials::Credentials;
pub use dialog_id::{DialogId, RAck, Refresher, SessionExpires};
pub use error::{HeaderError, ParseError, ParseErrorKind};
pub use limits::Limits;
pub use method::Method;
pub use name::Name;
pub use name_addr::NameAddr;
pub use params::Params;
pub use policy::{Abilities, Refused};
pub use return_way::reopen_at;
pub use status::Status;
pub use stream::{Frame, StreamFramer};
pub use uri::{Host, Scheme, Uri, UriError};
pub use validate::{may_forward, validate, validate_forked, validate_response};
pub use via::{MAGIC_COOKIE, Transport, Via};

use bytes::Bytes;
use parse::{Index, Slot, Start};

/// One SIP message, kept as received. Cheap to clone but for its index (about 400 bytes).
#[derive(Debug, Clone)]
pub struct Message {
    /// Start line to end of body; what stood before or behind is cut off.
    bytes: Bytes,
    index: Index,
    body_at: usize,
}

impl Message {
    /// Reads one datagram within the usual [`Limits`].
    ///
    /// Line ends before the start line are skipped. Without Content-Length the body reaches to the end; a longer datagram is trimmed, a
    /// shorter one is an error (RFC 3261 §18.3).
    pub fn parse_datagram(bytes: Bytes) -> Result<Self, ParseError> {
        Self::parse_datagram_within(bytes, &Limits::default())
    }

    /// The same within limits of your own.
    pub fn parse_datagram_within(bytes: Bytes, limits: &Limits) -> Result<Self, ParseError> {
        parse::datagram(bytes, limits)
    }

    /// Whether this is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.index.start, Start::Request { .. })
    }

    /// The method of a request; that of a response is in [`cseq`](Self::cseq).
    pub fn method(&self) -> Option<Method> {
        match &self.index.start {
            Start::Request { method, .. } => {
                let token = method.of(&self.bytes);
                Some(Method::known(token).unwrap_or_else(|| Method::Other(self.share(token))))
            }
            Start::Response { .. } => None,
        }
    }

    /// The Request-URI as written; empty for a response.
    pub fn request_uri(&self) -> &[u8] {
        match &self.index.start {
            Start::Request { uri, .. } => uri.of(&self.bytes),
            Start::Response { .. } => b"",
        }
    }

    /// The status of a response, 100 to 699.
    pub fn status(&self) -> Option<Status> {
        match self.index.start {
            Start::Response { status, .. } => Some(status),
            Start::Request { .. } => None,
        }
    }

    /// The reason phrase of a response as written; empty for a request.
    pub fn reason(&self) -> &[u8] {
        match &self.index.start {
            Start::Response { reason, .. } => reason.of(&self.bytes),
            Start::Request { .. } => b"",
        }
    }

    /// The value of the first line of this name: trimmed, folds undone. For [`Name::Other`] the first line with an unknown name.
    pub fn header(&self, name: Name) -> Option<&[u8]> {
        self.headers(name).next()
    }

    /// The values of all lines of this name, in their order, each as one whole.
    pub fn headers(&self, name: Name) -> impl Iterator<Item = &[u8]> + Clone {
        self.index.slots.iter().filter(move |slot| slot.name == name).map(|slot| self.value_of(slot))
    }

    /// The value of the first line whose name is spelled like this, in any case: for names that [`Name`] does not know.
    pub fn header_named(&self, name: &str) -> Option<&[u8]> {
        self.lines().find(|(_, spelled, _)| spelled.eq_ignore_ascii_case(name.as_bytes())).map(|(_, _, value)| value)
    }

    /// All lines in their order: name, its spelling, value.
    pub fn lines(&self) -> impl Iterator<Item = (Name, &[u8], &[u8])> {
        self.index.slots.iter().map(|slot| (slot.name, slot.spelling(&self.bytes), self.value_of(slot)))
    }

    /// Every single value of this name over all lines. The lines of list headers are split at commas outside quotes and angle brackets;
    /// others are given whole. Empty values of a list are left in, so that a reader of Via or Contact meets them.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        let separator = if name.is_list() { b',' } else { b'\n' };
        self.headers(name).flat_map(move |line| match separator {
            b',' => OneOrMany::Many(scan::Split::new(line, b',')),
            _ => OneOrMany::One(Some(line)),
        })
    }

    /// Whether a comma-separated list of tokens (Supported, Require, Allow) has this one, in any case.
    pub fn lists(&self, name: Name, token: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.body_at..).unwrap_or_default()
    }

    /// The body, sharing the message's bytes.
    pub fn body_bytes(&self) -> Bytes {
        self.share(self.body())
    }

    /// The whole message as received, from its start line to the end of its body.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Lines among the headers that are none (no colon, no name): ignored, as RFC 3261 §8.2.2 asks, and counted.
    pub fn unreadable_lines(&self) -> u16 {
        self.index.unreadable
    }

    fn value_of(&self, slot: &Slot) -> &[u8] {
        slot.value(&self.bytes, &self.index.unfolded)
    }

    /// A part of this message, as bytes that share its memory.
    pub fn share(&self, part: &[u8]) -> Bytes {
        let owner = |bytes: &Bytes| {
            let range = bytes.as_ptr_range();
            range.start <= part.as_ptr() && part.as_ptr_range().end <= range.end
        };
        if part.is_empty() {
            Bytes::new()
        } else if owner(&self.bytes) {
            self.bytes.slice_ref(part)
        } else if owner(&self.index.unfolded) {
            self.index.unfolded.slice_ref(part)
        } else {
            Bytes::copy_from_slice(part)
        }
    }
}

/// Byte for byte.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Message {}

enum OneOrMany<'a> {
    One(Option<&'a [u8]>),
    Many(scan::Split<'a>),
}

impl<'a> Iterator for OneOrMany<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Self::One(value) => value.take(),
            Self::Many(split) => split.next(),
        }
    }
}
