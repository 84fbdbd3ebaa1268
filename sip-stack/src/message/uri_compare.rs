//! When two URIs mean the same: RFC 3261 §19.1.4, RFC 3966 §4.

use super::params::Params;
use super::scan::{escaped_byte, unescape_uri};
use super::uri::{Host, Scheme, Uri, is_separator};

/// Parameters that never match their absence. The rules name the first four; the examples (§19.1.4) add `transport`.
const NEVER_IGNORED: [&[u8]; 5] = [b"user", b"ttl", b"method", b"maddr", b"transport"];

/// Parameters beyond which two URIs are the same only byte for byte: comparing takes the product of both counts.
const MAX_COMPARED: usize = 32;

impl Uri {
    /// Whether both name the same resource by the rules of RFC 3261 §19.1.4 (tel: RFC 3966 §4; others: byte for byte, scheme folded).
    ///
    /// No equivalence in the mathematical sense: a parameter unknown to one side is ignored, so it is not transitive.
    pub fn equivalent(&self, other: &Self) -> bool {
        // Also where a parameter stands twice, which no rule knows.
        if self == other {
            return true;
        }
        let crowded = |uri: &Self| uri.params().iter().nth(MAX_COMPARED).is_some();
        if self.scheme() != other.scheme() || crowded(self) || crowded(other) {
            return false;
        }
        match self.scheme() {
            Scheme::Sip | Scheme::Sips => same_sip(self, other),
            Scheme::Tel => same_tel(self, other),
            Scheme::Other => {
                self.scheme_name().eq_ignore_ascii_case(other.scheme_name())
                    && self.as_bytes()[self.scheme_name().len()..] == other.as_bytes()[other.scheme_name().len()..]
            }
        }
    }
}

fn same_sip(a: &Uri, b: &Uri) -> bool {
    let part = |x: Option<&[u8]>, y: Option<&[u8]>| x.map(normal) == y.map(normal);
    part(a.user(), b.user())
        && part(a.password(), b.password())
        && same_host(a.host(), b.host())
        && a.port() == b.port()
        && params_agree(&a.params(), &b.params())
        && params_agree(&b.params(), &a.params())
        && same_headers(a, b)
}

fn same_host(a: Host<'_>, b: Host<'_>) -> bool {
    match (a, b) {
        (Host::Ip(a), Host::Ip(b)) => a == b,
        (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
        (Host::Ip(_), Host::Name(_)) | (Host::Name(_), Host::Ip(_)) => false,
    }
}

/// Every parameter of `a` is in `b` with the same value, or may be ignored where `b` has none.
fn params_agree(a: &Params, b: &Params) -> bool {
    a.iter().all(|(name, value)| {
        let name = unescape_uri(name);
        let same_name = |found: &[u8]| unescape_uri(found).eq_ignore_ascii_case(&name);
        match b.iter().find(|(found, _)| same_name(found)) {
            Some((_, other)) => {
                normal(value.unwrap_or_default()).eq_ignore_ascii_case(&normal(other.unwrap_or_default()))
            }
            None => !NEVER_IGNORED.iter().any(|never| name.eq_ignore_ascii_case(never)),
        }
    })
}

/// Headers are never ignored, and their order does not matter.
fn same_headers(a: &Uri, b: &Uri) -> bool {
    let sorted = |uri: &Uri| {
        let mut headers: Vec<_> =
            uri.headers().map(|(name, value)| (unescape_uri(name).to_ascii_lowercase(), normal(value))).collect();
        headers.sort();
        headers
    };
    !a.has_headers() && !b.has_headers() || sorted(a) == sorted(b)
}

fn same_tel(a: &Uri, b: &Uri) -> bool {
    let digits = |uri: &Uri| -> Vec<u8> {
        let number = uri.number().unwrap_or_default();
        number.iter().filter(|&&b| !is_separator(b)).map(u8::to_ascii_lowercase).collect()
    };
    let all_in = |a: &Params, b: &Params| {
        a.iter().all(|(name, value)| {
            b.iter().any(|(found, other)| {
                found.eq_ignore_ascii_case(name)
                    && value.unwrap_or_default().eq_ignore_ascii_case(other.unwrap_or_default())
            })
        })
    };
    digits(a) == digits(b) && all_in(&a.params(), &b.params()) && all_in(&b.params(), &a.params())
}

/// Characters outside the reserved set equal their escapes; reserved ones do not, so those escapes stay (in capitals).
fn normal(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        match escaped_byte(&bytes[at..]) {
            Some(byte) if b";/?:@&=+$,%".contains(&byte) => {
                out.extend(bytes[at..at + 3].to_ascii_uppercase());
                at += 3;
            }
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(b);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let (a, b): (Uri, Uri) = (a.parse().unwrap(), b.parse().unwrap());
        let there = a.equivalent(&b);
        assert_eq!(there, b.equivalent(&a), "symmetric");
        there
    }

    #[test]
    fn the_equal_pairs_of_rfc_3261_19_1_4() {
        assert!(same("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"));
        assert!(same("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"));
        assert!(same("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"));
        assert!(same("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"));
        assert!(same(
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"
        ));
        assert!(same(
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x"
        ));
        assert!(same("sip:a@b;x=1;x=2", "sip:a@b;x=1;x=2"), "itself");
        assert!(same("sip:a@[2001:db8::1]", "sip:a@[2001:0DB8:0:0::1]"), "one address, two spellings");
    }

    #[test]
    fn the_different_pairs_of_rfc_3261_19_1_4() {
        assert!(!same("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"));
        assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
        assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"));
        assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"));
        assert!(!same("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"));
        assert!(!same("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"));
        assert!(!same("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"));
        assert!(!same("sip:a@b", "sips:a@b"));
        assert!(!same("sip:a%3Bb@c", "sip:a;b@c"), "a reserved character is not its escape");
    }

    #[test]
    fn crowds_of_parameters_are_not_compared() {
        let crowd = |extra: &str| format!("sip:a@b{};{extra}", ";p".repeat(MAX_COMPARED));
        assert!(same(&crowd("x"), &crowd("x")));
        assert!(!same(&crowd("x"), &crowd("y")));
        assert!(same(&format!("sip:a@b{}", ";p".repeat(MAX_COMPARED)), "sip:a@b"));
    }

    #[test]
    fn tel_numbers_ignore_their_separators() {
        assert!(same("tel:+1-201-555-0123", "TEL:+12015550123"));
        assert!(same("tel:7042;phone-context=example.com;x", "tel:7042;x;Phone-Context=EXAMPLE.com"));
        assert!(!same("tel:7042;phone-context=example.com", "tel:7042"));
        assert!(!same("tel:+12015550123", "tel:12015550123"));
        assert!(same("isbn:2983792873", "ISBN:2983792873"));
        assert!(!same("isbn:a", "isbn:A"));
    }
}
