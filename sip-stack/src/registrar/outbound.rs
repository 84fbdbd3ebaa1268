//! Client-initiated connections (RFC 5626), addresses of single phones (RFC 5627), push (RFC 8599): what a Contact says of them.

use crate::message::{Message, Name, NameAddr, Status, Transport, Uri};
use std::time::Duration;

/// How a sleeping phone is woken (RFC 8599 §4.1), as its Contact says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// `pn-provider`: whose service, such as `apns` or `fcm`.
    pub provider: String,
    /// `pn-prid`: the phone there.
    pub prid: String,
    /// `pn-param`: what the provider wants besides; empty if nothing.
    pub param: String,
}

impl Push {
    /// The push parameters of a contact URI, if it can be woken.
    pub fn of(contact: &[u8]) -> Option<Self> {
        // Most contacts have none, and reading a URI costs more than looking for the name.
        if !contact.windows(11).any(|name| name.eq_ignore_ascii_case(b"pn-provider")) {
            return None;
        }
        let uri = Uri::from_slice(contact).ok()?;
        let text = |name: &str| uri.param(name).map(|value| String::from_utf8_lossy(&value).into_owned());
        let (provider, prid) = (text("pn-provider")?, text("pn-prid")?);
        (!provider.is_empty() && !prid.is_empty()).then(|| Self {
            provider,
            prid,
            param: text("pn-param").unwrap_or_default(),
        })
    }
}

/// The flow among several of one phone (RFC 5626 §4.2), if this registration is for one; or what it is refused with (§6).
pub(super) fn reg_id(request: &Message, contact: &NameAddr, instance: Option<&str>) -> Result<Option<u32>, Status> {
    let Some(value) = contact.params.get("reg-id") else { return Ok(None) };
    if instance.is_none() || !request.lists(Name::Supported, "outbound") {
        return Ok(None);
    }
    let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<u32>().ok());
    let number = number.filter(|n| (1..=i32::MAX as u32).contains(n)).ok_or(Status::BAD_REQUEST)?;
    // The first hop is the proxy that was passed first: its Path stands last.
    let first_hop = request.addrs(Name::Path).last();
    let direct = request.vias().count() <= 1;
    let ours = match first_hop {
        Some(Ok(path)) => path.uri.param("ob").is_some(),
        Some(Err(_)) => false,
        None => direct,
    };
    if ours { Ok(Some(number)) } else { Err(Status::FIRST_HOP_LACKS_OUTBOUND) }
}

/// The address by which exactly this phone is reached, for as long as it exists (RFC 5627 §4.1).
pub(super) fn public_gruu(aor: &Uri, instance: &str) -> Option<Vec<u8>> {
    let urn = instance.trim_start_matches('<').trim_end_matches('>');
    let user = String::from_utf8_lossy(aor.user()?).into_owned();
    let host = String::from_utf8_lossy(aor.host_bytes()).into_owned();
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$%".contains(&b);
    (!urn.is_empty() && urn.bytes().all(fits)).then(|| format!("sip:{user}@{host};gr={urn}").into_bytes())
}

/// An address by which this phone is reached, too, and which tells nobody whose it is (RFC 5627 §3.2). `user` is the sealed part.
pub(super) fn temporary_gruu(aor: &Uri, user: &str) -> Option<Vec<u8>> {
    let host = String::from_utf8_lossy(aor.host_bytes());
    (!host.is_empty()).then(|| format!("sip:{user}@{host};gr").into_bytes())
}

/// A parameter of Contact with an address in it.
pub(super) fn parameter(name: &str, uri: &[u8]) -> Vec<u8> {
    [format!(";{name}=\"").as_bytes(), uri, b"\""].concat()
}

/// After what time without a word a flow is taken for dead by whoever stands between (RFC 5626 §4.4.1): a NAT forgets datagrams soon.
pub(super) fn flow_timer(transport: Transport) -> Duration {
    match transport {
        Transport::Udp => Duration::from_secs(30),
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => Duration::from_secs(120),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_parameters_are_read_from_the_contact() {
        let push = |text: &str| Push::of(text.as_bytes());
        let full = push("sip:100@h;pn-provider=apns;pn-param=TEAM.app;pn-prid=abc%3A1;ob");
        assert_eq!(full, Some(Push { provider: "apns".into(), prid: "abc:1".into(), param: "TEAM.app".into() }));
        assert_eq!(push("sip:100@h"), None);
        assert_eq!(push("sip:100@h;pn-provider=apns"), None);
        assert_eq!(push("sip:100@h;pn-provider;pn-prid=x"), None);
        assert_eq!(push("pn-provider"), None);
    }

    #[test]
    fn a_public_gruu_is_the_address_with_the_instance() {
        let aor = Uri::from_slice(b"sip:100@x.test").unwrap();
        let gruu = public_gruu(&aor, "<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>");
        assert_eq!(gruu.as_deref(), Some(&b"sip:100@x.test;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"[..]));
        assert_eq!(public_gruu(&aor, "<a b>"), None);
    }
}
