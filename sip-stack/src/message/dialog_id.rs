//! Headers that speak of dialogs: Replaces (RFC 3891), Join (RFC 3911), Target-Dialog (RFC 4538), Refer-To (RFC 3515),
//! RSeq and RAck (RFC 3262), Session-Expires and Min-SE (RFC 4028).

use super::params::Params;
use super::scan::{number, trim, unescape_uri};
use super::{HeaderError, Message, Method, Name, NameAddr};
use bytes::Bytes;

/// A dialog as a third party names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogId {
    /// Its Call-ID.
    pub call_id: Bytes,
    /// The tag of who is asked: `to-tag`, in a Target-Dialog `remote-tag`. Empty for a peer of RFC 2543, written as `0`.
    pub to_tag: Bytes,
    /// The tag of the other side: `from-tag`, in a Target-Dialog `local-tag`.
    pub from_tag: Bytes,
    /// Only if it is not answered yet (`early-only` of Replaces).
    pub early_only: bool,
}

/// Who keeps a session alive, as seen from the transaction that carries the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answers it.
    Uas,
}

/// Session-Expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionExpires {
    /// Seconds.
    pub interval: u32,
    /// None if that is the answerer's to say.
    pub refresher: Option<Refresher>,
}

/// RAck: which provisional response a PRACK acknowledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RAck {
    /// Its RSeq.
    pub rseq: u32,
    /// The number of its CSeq.
    pub seq: u32,
    /// The method of its CSeq.
    pub method: Method,
}

impl DialogId {
    fn parse(value: &Bytes, to: &str, from: &str) -> Option<Self> {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let call_id = trim(&value[..end]);
        let params = Params::parse(&value.slice_ref(&value[end..]))?;
        let tag = |name: &str| {
            let mut found = params.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name.as_bytes()));
            let (_, tag) = found.next()?;
            let tag = tag.filter(|_| found.next().is_none())?;
            Some(if tag == b"0" { Bytes::new() } else { Bytes::copy_from_slice(tag) })
        };
        if call_id.is_empty() || call_id.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        Some(Self {
            call_id: value.slice_ref(call_id),
            to_tag: tag(to)?,
            from_tag: tag(from)?,
            early_only: params.has("early-only"),
        })
    }

    /// The value of a Replaces or Join header.
    pub fn to_value(&self) -> Vec<u8> {
        let tag = |tag: &Bytes| if tag.is_empty() { Bytes::from_static(b"0") } else { tag.clone() };
        let (to, from) = (tag(&self.to_tag), tag(&self.from_tag));
        let mut out = [&self.call_id[..], b";to-tag=", &to, b";from-tag=", &from].concat();
        if self.early_only {
            out.extend_from_slice(b";early-only");
        }
        out
    }
}

impl Message {
    fn dialog_id(&self, name: Name, to: &str, from: &str) -> Result<Option<DialogId>, HeaderError> {
        let Some(value) = self.single(name)? else { return Ok(None) };
        DialogId::parse(&self.share(value), to, from).map(Some).ok_or(HeaderError::Malformed(name))
    }

    /// The dialog that this INVITE is to replace.
    pub fn replaces(&self) -> Result<Option<DialogId>, HeaderError> {
        self.dialog_id(Name::Replaces, "to-tag", "from-tag")
    }

    /// The dialog that this INVITE is to join.
    pub fn join(&self) -> Result<Option<DialogId>, HeaderError> {
        self.dialog_id(Name::Join, "to-tag", "from-tag")
    }

    /// The dialog that allows this request.
    pub fn target_dialog(&self) -> Result<Option<DialogId>, HeaderError> {
        self.dialog_id(Name::TargetDialog, "remote-tag", "local-tag")
    }

    /// Whom a REFER wants to be called: the address with its parameters (`method`) and headers.
    pub fn refer_to(&self) -> Result<NameAddr, HeaderError> {
        self.addr(Name::ReferTo)
    }

    /// The dialog that the call which a REFER asks for is to replace.
    pub fn refer_replaces(&self) -> Result<Option<DialogId>, HeaderError> {
        let to = self.refer_to()?;
        let mut found = to.uri.headers().filter(|(name, _)| unescape_uri(name).eq_ignore_ascii_case(b"Replaces"));
        let Some((_, value)) = found.next() else { return Ok(None) };
        let value = Bytes::from(unescape_uri(value).into_owned());
        let id = DialogId::parse(&value, "to-tag", "from-tag").filter(|_| found.next().is_none());
        id.map(Some).ok_or(HeaderError::Malformed(Name::ReferTo))
    }

    /// Who asked for this call by REFER; none if nobody did (RFC 3892).
    pub fn referred_by(&self) -> Result<Option<NameAddr>, HeaderError> {
        let Some(value) = self.single(Name::ReferredBy)? else { return Ok(None) };
        NameAddr::parse(&self.share(value)).map(Some).ok_or(HeaderError::Malformed(Name::ReferredBy))
    }

    /// RSeq of a reliable provisional response.
    pub fn rseq(&self) -> Result<Option<u32>, HeaderError> {
        self.optional_number(Name::RSeq)
    }

    /// RAck of a PRACK.
    pub fn rack(&self) -> Result<RAck, HeaderError> {
        let malformed = HeaderError::Malformed(Name::RAck);
        let mut words = self.required(Name::RAck)?.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let rseq = words.next().and_then(number).ok_or(malformed)?;
        let seq = words.next().and_then(number).ok_or(malformed)?;
        let method = words.next().filter(|_| words.next().is_none()).ok_or(malformed)?;
        Ok(RAck { rseq, seq, method: Method::from_token(method) })
    }

    /// Session-Expires. A malformed one counts as absent.
    pub fn session_expires(&self) -> Option<SessionExpires> {
        let value = self.single(Name::SessionExpires).ok()??;
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let params = Params::parse(&self.share(&value[end..]))?;
        let refresher = params.get("refresher").and_then(|role| match role {
            role if role.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
            role if role.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
            _ => None,
        });
        Some(SessionExpires { interval: number(trim(&value[..end]))?, refresher })
    }

    /// Min-SE in seconds, without its parameters. A malformed one counts as absent.
    pub fn min_se(&self) -> Option<u32> {
        let value = self.single(Name::MinSe).ok()??;
        number(trim(value.split(|b| *b == b';').next().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(lines: &str) -> Message {
        Message::parse_datagram(format!("INVITE sip:a@b SIP/2.0\r\n{lines}\r\n").into()).unwrap()
    }

    #[test]
    fn dialogs_are_named_by_three_words() {
        let id =
            message("Replaces: 98732@sip.example;from-tag=r33;to-tag=f44;early-only\r\n").replaces().unwrap().unwrap();
        assert_eq!(
            (&id.call_id[..], &id.to_tag[..], &id.from_tag[..]),
            (&b"98732@sip.example"[..], &b"f44"[..], &b"r33"[..])
        );
        assert!(id.early_only);
        assert_eq!(id.to_value(), b"98732@sip.example;to-tag=f44;from-tag=r33;early-only");
        let old = message("Join: c ; to-tag=0;from-tag=x\r\n").join().unwrap().unwrap();
        assert!(old.to_tag.is_empty() && old.to_value() == b"c;to-tag=0;from-tag=x");
        let target = message("Target-Dialog: c;local-tag=l;remote-tag=r\r\n").target_dialog().unwrap().unwrap();
        assert_eq!((&target.to_tag[..], &target.from_tag[..]), (&b"r"[..], &b"l"[..]));
        for bad in
            ["c;to-tag=1", ";to-tag=1;from-tag=2", "c;to-tag=1;from-tag=2;to-tag=3", "a b;to-tag=1;from-tag=2", "c"]
        {
            assert!(message(&format!("Replaces: {bad}\r\n")).replaces().is_err(), "{bad}");
        }
        assert!(message("Replaces: c;to-tag=1;from-tag=2\r\nReplaces: c;to-tag=1;from-tag=2\r\n").replaces().is_err());
        assert_eq!(message("").replaces(), Ok(None));
    }

    #[test]
    fn a_refer_names_its_target_and_what_that_replaces() {
        let refer = message(
            "Refer-To: <sip:d@e?Replaces=090459243588173445%3Bto-tag%3D7m4%3Bfrom-tag%3D31431&x=y>\r\nb: <sip:r@h>\r\n",
        );
        let id = refer.refer_replaces().unwrap().unwrap();
        assert_eq!(
            (&id.call_id[..], &id.to_tag[..], &id.from_tag[..]),
            (&b"090459243588173445"[..], &b"7m4"[..], &b"31431"[..])
        );
        assert_eq!(refer.referred_by().unwrap().unwrap().uri.to_string(), "sip:r@h");
        assert_eq!(message("Refer-To: sip:d@e\r\n").refer_replaces(), Ok(None));
        assert!(message("Refer-To: <sip:d@e?Replaces=x>\r\n").refer_replaces().is_err());
        assert_eq!(message("").referred_by(), Ok(None));
    }

    #[test]
    fn numbers_of_reliable_responses_and_of_session_timers() {
        let prack = message("RAck: 776656  1 INVITE\r\nRSeq: 988789\r\n");
        assert_eq!(prack.rack(), Ok(RAck { rseq: 776_656, seq: 1, method: Method::Invite }));
        assert_eq!(prack.rseq(), Ok(Some(988_789)));
        for bad in ["1 INVITE", "1 1", "1 1 INVITE x", "x 1 INVITE", ""] {
            assert!(message(&format!("RAck: {bad}\r\n")).rack().is_err(), "{bad}");
        }
        let of = |value: &str| message(&format!("x: {value}\r\nMin-SE: 120;x=y\r\n")).session_expires();
        assert_eq!(of("4000"), Some(SessionExpires { interval: 4000, refresher: None }));
        assert_eq!(of("90 ;Refresher=UAS"), Some(SessionExpires { interval: 90, refresher: Some(Refresher::Uas) }));
        assert_eq!((of("x"), of(""), of("-1")), (None, None, None));
        assert_eq!(message("Min-SE: 120;x=y\r\n").min_se(), Some(120));
    }
}
