//! REGISTER: at first, again before it lapses, and away.

use super::client::Purpose;
use super::{Timer, Ua, message};
use rsip::headers::UntypedHeader;
use rsip::{Header, Response};
use std::time::{Duration, Instant};
use stdx::Entropy;

/// What a phone knows of its registration.
pub(crate) struct Registration {
    call_id: String,
    from_tag: String,
    pub(super) cseq: u32,
    /// What is asked for, seconds; 0 takes the registration back.
    pub(crate) expires: u32,
    /// The preference it asks for, if it does.
    pub(crate) q: Option<String>,
    /// Parameters of its Contact.
    pub(crate) params: String,
    /// Its own contact, and everything, in the registrar's last answer.
    pub(crate) contact: String,
    pub(crate) answer: String,
    /// Parameters of its contact URI.
    pub(crate) uri_params: String,
    /// The final status of the last REGISTER.
    pub(crate) status: Option<u16>,
    pub(crate) registered: bool,
    /// All contacts that the registrar named.
    pub(crate) contacts: usize,
    pub(crate) options_status: Option<u16>,
    /// Renew by itself?
    pub(crate) renew: bool,
}

impl Registration {
    pub(super) fn new(entropy: &mut Entropy) -> Self {
        Self {
            call_id: entropy.token(20),
            from_tag: entropy.token(8),
            cseq: 0,
            expires: 3600,
            q: None,
            params: String::new(),
            contact: String::new(),
            answer: String::new(),
            uri_params: String::new(),
            status: None,
            registered: false,
            contacts: 0,
            options_status: None,
            renew: true,
        }
    }
}

impl Registration {
    /// Another Call-ID, as after a restart.
    pub(crate) fn renew_name(&mut self, entropy: &mut Entropy) {
        (self.call_id, self.cseq) = (entropy.token(20), 0);
    }
}

impl Ua {
    pub(crate) fn register(&mut self, now: Instant) {
        self.send_register(self.registration.expires, now);
    }

    pub(crate) fn unregister(&mut self, now: Instant) {
        self.timers.cancel(&Timer::Register);
        self.send_register(0, now);
    }

    fn send_register(&mut self, expires: u32, now: Instant) {
        let Some(proxy) = self.proxy else { return };
        self.registration.cseq += 1;
        self.registration.status = None;
        let branch = self.branch();
        let to = format!("<sip:{}@{}>", self.number, self.domain);
        let mut extra = vec![Header::Expires(rsip::headers::Expires::new(expires.to_string()))];
        if !self.registration.params.is_empty() {
            extra.push(Header::Supported(rsip::headers::Supported::new("path, outbound, gruu")));
        }
        let request = message::Draft {
            method: rsip::Method::Register,
            uri: &format!("sip:{}", self.domain),
            via: self.addr,
            branch: &branch,
            from: &format!("{to};tag={}", self.registration.from_tag),
            to: &to,
            call_id: &self.registration.call_id,
            cseq: self.registration.cseq,
            contact: Some(match &self.registration.q {
                Some(q) => format!("{};q={q}{}", self.contact_uri(), self.registration.params),
                None => self.contact_uri() + &self.registration.params,
            }),
            extra,
            body: Vec::new(),
        }
        .request();
        self.start_client(request, proxy, Purpose::Register, now);
    }

    fn contact_uri(&self) -> String {
        self.contact().replace('>', &format!("{}>", self.registration.uri_params))
    }

    pub(super) fn on_registered(&mut self, status: u16, response: Option<&Response>, now: Instant) {
        self.registration.status = Some(status);
        if status != 200 {
            // 423 names the shortest time that will do (RFC 3261 §10.2.8).
            let least = response.and_then(|response| {
                response.headers.iter().find_map(|header| match header {
                    Header::MinExpires(min) => min.value().trim().parse::<u32>().ok(),
                    _ => None,
                })
            });
            self.registration.registered = false;
            match (status, least) {
                (423, Some(least)) => {
                    self.registration.expires = least;
                    self.register(now);
                }
                // Nobody there: try again, as a phone does.
                (408 | 500..=599, _) if self.registration.renew => {
                    self.timers.set(Timer::Register, now + Duration::from_secs(10));
                }
                _ => {}
            }
            return;
        }
        let contacts: Vec<String> = response.map(contacts).unwrap_or_default();
        self.registration.contacts = contacts.len();
        let ours = self.host();
        self.registration.contact =
            contacts.iter().find(|contact| contact.contains(&ours)).cloned().unwrap_or_default();
        self.registration.answer = response.map(ToString::to_string).unwrap_or_default();
        let granted = contacts.iter().find(|contact| contact.contains(&ours)).and_then(|contact| {
            contact
                .split(';')
                .find_map(|param| param.trim().strip_prefix("expires="))
                .and_then(|e| e.parse::<u64>().ok())
        });
        self.registration.registered = granted.is_some();
        if let Some(seconds) = granted.filter(|_| self.registration.renew) {
            // Early enough that a lost packet or ten do not matter.
            self.timers.set(Timer::Register, now + Duration::from_secs((seconds * 2 / 3).max(1)));
        }
    }
}

/// The contacts of a 200: several headers or several values.
fn contacts(response: &Response) -> Vec<String> {
    response
        .headers
        .iter()
        .filter_map(|header| match header {
            Header::Contact(contact) => Some(contact.value().to_owned()),
            _ => None,
        })
        .flat_map(|value| value.split(", <").map(str::to_owned).collect::<Vec<_>>())
        .collect()
}
