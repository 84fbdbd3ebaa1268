//! Request methods (RFC 3261 §7.1): case-sensitive tokens.

use bytes::Bytes;
use std::fmt;

/// A request method. Names are case-sensitive and never unescaped: `RE%47IST%45R` is no REGISTER (RFC 4475 §3.1.1.5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each says its own name")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Subscribe,
    Notify,
    Message,
    Refer,
    Info,
    Update,
    Prack,
    Publish,
    /// A method we have no name for, as it was written.
    Other(Bytes),
}

impl Method {
    /// The known method of this exact spelling.
    pub fn known(token: &[u8]) -> Option<Self> {
        Some(match token {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"OPTIONS" => Self::Options,
            b"REGISTER" => Self::Register,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"MESSAGE" => Self::Message,
            b"REFER" => Self::Refer,
            b"INFO" => Self::Info,
            b"UPDATE" => Self::Update,
            b"PRACK" => Self::Prack,
            b"PUBLISH" => Self::Publish,
            _ => return None,
        })
    }

    /// The method of this spelling; unknown ones are copied.
    pub fn from_token(token: &[u8]) -> Self {
        Self::known(token).unwrap_or_else(|| Self::Other(Bytes::copy_from_slice(token)))
    }

    /// The token as it goes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Invite => b"INVITE",
            Self::Ack => b"ACK",
            Self::Bye => b"BYE",
            Self::Cancel => b"CANCEL",
            Self::Options => b"OPTIONS",
            Self::Register => b"REGISTER",
            Self::Subscribe => b"SUBSCRIBE",
            Self::Notify => b"NOTIFY",
            Self::Message => b"MESSAGE",
            Self::Refer => b"REFER",
            Self::Info => b"INFO",
            Self::Update => b"UPDATE",
            Self::Prack => b"PRACK",
            Self::Publish => b"PUBLISH",
            Self::Other(token) => token,
        }
    }

    /// Whether this request begins or refreshes a dialog, so that its Contact is a remote target.
    pub fn carries_target(&self) -> bool {
        matches!(self, Self::Invite | Self::Subscribe | Self::Notify | Self::Refer | Self::Update)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}
