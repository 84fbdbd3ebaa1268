//! The far end of a trunk as a registrar: who may register and call there, and what it grants.

use super::Ua;
use super::message::Facts;
use md5::{Digest, Md5};
use rsip::headers::UntypedHeader;
use rsip::{Header, Request};
use std::time::{Duration, Instant};

/// The realm of every carrier.
const REALM: &str = "carrier.test";

/// What a carrier knows of its customer.
pub(crate) struct Carrier {
    user: String,
    password: String,
    /// What it grants at most, seconds.
    pub(crate) grants: u32,
    /// Shorter wishes get 423.
    pub(crate) least: u32,
    /// Instead of anything else it answers REGISTER so.
    pub(crate) refuses: Option<u16>,
    /// Where its customer wants its calls, and until when.
    bound: Option<(String, Instant)>,
    /// REGISTERs that were let in.
    pub(crate) registers: u64,
    nonce: String,
}

impl Ua {
    /// From now on it is a registrar with one customer, who has to prove himself for REGISTER and INVITE.
    pub(crate) fn become_carrier(&mut self, user: &str, password: &str) {
        let nonce = self.entropy.token(16);
        let (user, password) = (user.to_owned(), password.to_owned());
        let known = Carrier { user, password, grants: 3600, least: 0, refuses: None, bound: None, registers: 0, nonce };
        self.carrier = Some(known);
    }

    /// Where its customer is registered now.
    pub(crate) fn customer_at(&self, now: Instant) -> Option<String> {
        let (contact, until) = self.carrier.as_ref()?.bound.as_ref()?;
        (*until > now).then(|| contact.clone())
    }

    /// Challenges whoever does not prove himself; true: the request is answered.
    pub(super) fn challenges(&mut self, request: &Request, facts: &Facts, now: Instant) -> bool {
        let Some(carrier) = &self.carrier else { return false };
        if carrier.proves(request, &facts.method) {
            return false;
        }
        let value = format!("Digest realm=\"{REALM}\", nonce=\"{}\", algorithm=MD5, qop=\"auth\"", carrier.nonce);
        let header = Header::WwwAuthenticate(rsip::headers::WwwAuthenticate::new(value));
        self.respond(request, facts, 401, None, vec![header], &[], now);
        true
    }

    pub(super) fn on_register(&mut self, request: &Request, facts: &Facts, now: Instant) {
        let Some(carrier) = &mut self.carrier else {
            return self.respond(request, facts, 501, None, Vec::new(), &[], now);
        };
        if let Some(status) = carrier.refuses {
            return self.respond(request, facts, status, None, Vec::new(), &[], now);
        }
        let asked = request.headers.iter().find_map(|header| match header {
            Header::Expires(expires) => expires.value().trim().parse::<u32>().ok(),
            _ => None,
        });
        let asked = asked.unwrap_or(3600);
        if asked > 0 && asked < carrier.least {
            let least = Header::MinExpires(rsip::headers::MinExpires::new(carrier.least.to_string()));
            return self.respond(request, facts, 423, None, vec![least], &[], now);
        }
        carrier.registers += 1;
        let Some(contact) = facts.contact.clone() else {
            return self.complain("a REGISTER without a contact".into());
        };
        let granted = asked.min(carrier.grants);
        carrier.bound = (granted > 0).then(|| (contact.clone(), now + Duration::from_secs(granted.into())));
        let headers = match granted {
            0 => Vec::new(),
            _ => vec![Header::Contact(rsip::headers::Contact::new(format!("<{contact}>;expires={granted}")))],
        };
        self.respond(request, facts, 200, None, headers, &[], now);
    }
}

impl Carrier {
    /// Whether the request carries the right answer to our challenge (RFC 7616 §3.4).
    fn proves(&self, request: &Request, method: &str) -> bool {
        let line = request.headers.iter().find_map(|header| match header {
            Header::Authorization(value) => Some(value.value().to_owned()),
            _ => None,
        });
        let Some(line) = line else { return false };
        let param = |name: &str| {
            line.trim_start_matches("Digest ").split(',').find_map(|param| {
                let (key, value) = param.split_once('=')?;
                (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
            })
        };
        let hash = |text: String| -> String { Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect() };
        let of = |name: &str| param(name).unwrap_or_default();
        let secret = hash(format!("{}:{REALM}:{}", self.user, self.password));
        let asked = hash(format!("{method}:{}", of("uri")));
        let expected = hash(format!("{secret}:{}:{}:{}:auth:{asked}", self.nonce, of("nc"), of("cnonce")));
        of("username") == self.user && of("nonce") == self.nonce && of("response") == expected
    }
}
