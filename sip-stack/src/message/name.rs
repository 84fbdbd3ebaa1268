//! Names of header fields, their compact forms (RFC 3261 §7.3.3) and which of them are lists.

use std::fmt;

macro_rules! names {
    ($($variant:ident $text:literal $compact:literal $list:literal,)*) => {
        /// The name of a header field. Spelling and compact forms are folded together: `v`, `VIA` and `Via` are [`Name::Via`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "each says its own name")]
        pub enum Name {
            $($variant,)*
            /// A name we have no word for; [`Message::header_named`](super::Message::header_named) finds it by spelling.
            Other,
        }

        const NAMES: &[(Name, &[u8], u8, bool)] = &[$((Name::$variant, $text.as_bytes(), $compact, $list),)*];
    };
}

// Variant, spelling, compact form (a space: none), whether its lines are comma-separated lists.
names! {
    Accept "Accept" b' ' true,
    AcceptContact "Accept-Contact" b'a' true,
    AcceptEncoding "Accept-Encoding" b' ' true,
    AcceptLanguage "Accept-Language" b' ' true,
    AlertInfo "Alert-Info" b' ' true,
    Allow "Allow" b' ' true,
    AllowEvents "Allow-Events" b'u' true,
    AnswerMode "Answer-Mode" b' ' false,
    AuthenticationInfo "Authentication-Info" b' ' false,
    Authorization "Authorization" b' ' false,
    CallId "Call-ID" b'i' false,
    CallInfo "Call-Info" b' ' true,
    Contact "Contact" b'm' true,
    ContentDisposition "Content-Disposition" b' ' false,
    ContentEncoding "Content-Encoding" b'e' true,
    ContentLanguage "Content-Language" b' ' true,
    ContentLength "Content-Length" b'l' false,
    ContentType "Content-Type" b'c' false,
    CSeq "CSeq" b' ' false,
    Date "Date" b' ' false,
    Diversion "Diversion" b' ' true,
    ErrorInfo "Error-Info" b' ' true,
    Event "Event" b'o' false,
    Expires "Expires" b' ' false,
    FlowTimer "Flow-Timer" b' ' false,
    From "From" b'f' false,
    HistoryInfo "History-Info" b' ' true,
    Identity "Identity" b'y' false,
    InReplyTo "In-Reply-To" b' ' true,
    InfoPackage "Info-Package" b' ' false,
    Join "Join" b' ' false,
    MaxForwards "Max-Forwards" b' ' false,
    MimeVersion "MIME-Version" b' ' false,
    MinExpires "Min-Expires" b' ' false,
    MinSe "Min-SE" b' ' false,
    Organization "Organization" b' ' false,
    PAssertedIdentity "P-Asserted-Identity" b' ' true,
    PAssociatedUri "P-Associated-URI" b' ' true,
    PCalledPartyId "P-Called-Party-ID" b' ' false,
    PEarlyMedia "P-Early-Media" b' ' true,
    PPreferredIdentity "P-Preferred-Identity" b' ' true,
    Path "Path" b' ' true,
    Priority "Priority" b' ' false,
    Privacy "Privacy" b' ' false,
    ProxyAuthenticate "Proxy-Authenticate" b' ' false,
    ProxyAuthorization "Proxy-Authorization" b' ' false,
    ProxyRequire "Proxy-Require" b' ' true,
    RAck "RAck" b' ' false,
    RSeq "RSeq" b' ' false,
    Reason "Reason" b' ' true,
    RecordRoute "Record-Route" b' ' true,
    RecvInfo "Recv-Info" b' ' true,
    ReferSub "Refer-Sub" b' ' false,
    ReferTo "Refer-To" b'r' false,
    ReferredBy "Referred-By" b'b' false,
    RejectContact "Reject-Contact" b'j' true,
    RemotePartyId "Remote-Party-ID" b' ' true,
    Replaces "Replaces" b' ' false,
    ReplyTo "Reply-To" b' ' false,
    RequestDisposition "Request-Disposition" b'd' true,
    Require "Require" b' ' true,
    RetryAfter "Retry-After" b' ' false,
    Route "Route" b' ' true,
    Server "Server" b' ' false,
    ServiceRoute "Service-Route" b' ' true,
    SessionExpires "Session-Expires" b'x' false,
    SipEtag "SIP-ETag" b' ' false,
    SipIfMatch "SIP-If-Match" b' ' false,
    Subject "Subject" b's' false,
    SubscriptionState "Subscription-State" b' ' false,
    Supported "Supported" b'k' true,
    TargetDialog "Target-Dialog" b' ' false,
    Timestamp "Timestamp" b' ' false,
    To "To" b't' false,
    Unsupported "Unsupported" b' ' true,
    UserAgent "User-Agent" b' ' false,
    Via "Via" b'v' true,
    Warning "Warning" b' ' true,
    WwwAuthenticate "WWW-Authenticate" b' ' false,
}

/// Slots of the lookup table: a power of two well above the number of names, so that runs of collisions stay short.
const SLOTS: usize = 256;

/// Marks a free slot in [`TABLE`] and a letter without meaning in [`COMPACT`].
const FREE: u8 = u8::MAX;

const fn slot_of(name: &[u8]) -> usize {
    // First, middle and last letter and the length tell all known names apart well enough; `| 0x20` folds case.
    let (first, middle, last) = (name[0] | 0x20, name[name.len() / 2] | 0x20, name[name.len() - 1] | 0x20);
    (first as usize * 7 + middle as usize * 31 + last as usize * 13 + name.len() * 5) % SLOTS
}

/// Open addressing over [`slot_of`]; entries are indices into [`NAMES`].
static TABLE: [u8; SLOTS] = {
    let mut table = [FREE; SLOTS];
    let mut at = 0;
    while at < NAMES.len() {
        let mut slot = slot_of(NAMES[at].1);
        while table[slot] != FREE {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = at as u8;
        at += 1;
    }
    table
};

/// Compact form letter to index into [`NAMES`].
static COMPACT: [u8; 26] = {
    let mut table = [FREE; 26];
    let mut at = 0;
    while at < NAMES.len() {
        if NAMES[at].2 != b' ' {
            table[(NAMES[at].2 - b'a') as usize] = at as u8;
        }
        at += 1;
    }
    table
};

impl Name {
    /// The name of this spelling, in any case, long or compact.
    pub fn from_bytes(name: &[u8]) -> Self {
        if let [letter] = name {
            return match (letter | 0x20).checked_sub(b'a').and_then(|at| COMPACT.get(usize::from(at))) {
                Some(&at) if at != FREE && letter.is_ascii_alphabetic() => NAMES[usize::from(at)].0,
                _ => Self::Other,
            };
        }
        if name.is_empty() {
            return Self::Other;
        }
        let mut slot = slot_of(name);
        while TABLE[slot] != FREE {
            let (known, text, ..) = NAMES[usize::from(TABLE[slot])];
            if name.eq_ignore_ascii_case(text) {
                return known;
            }
            slot = (slot + 1) % SLOTS;
        }
        Self::Other
    }

    /// The usual spelling; empty for [`Name::Other`].
    pub fn as_str(self) -> &'static str {
        match NAMES.get(self as usize) {
            // The table is made of string literals.
            Some((_, text, ..)) => std::str::from_utf8(text).unwrap_or_default(),
            None => "",
        }
    }

    /// Whether one line may carry several values with commas between them (RFC 3261 §7.3.1).
    ///
    /// Not so the challenges and credentials, whose commas separate parameters, nor what may hold a comma of its own
    /// (Subject, Date, User-Agent).
    pub fn is_list(self) -> bool {
        NAMES.get(self as usize).is_some_and(|name| name.3)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_by_its_letter() {
        for &(name, text, compact, _) in NAMES {
            assert_eq!(NAMES[name as usize].0, name, "the enum and the table are in one order");
            assert_eq!(Name::from_bytes(text), name);
            assert_eq!(Name::from_bytes(&text.to_ascii_uppercase()), name);
            assert_eq!(Name::from_bytes(name.as_str().as_bytes()), name);
            if compact != b' ' {
                assert_eq!(Name::from_bytes(&[compact]), name);
                assert_eq!(Name::from_bytes(&[compact.to_ascii_uppercase()]), name);
            }
        }
    }

    #[test]
    fn unknown_names_are_other() {
        for name in ["X-Serial", "", "q", "Q", "-", "[", "C%6Fntact", "Vi", "Viaa", "\u{e9}"] {
            assert_eq!(Name::from_bytes(name.as_bytes()), Name::Other, "{name}");
        }
    }
}
