//! One request to one receiver, signed.
//!
//! `POST` with JSON and three headers: `Patchbay-Webhook` and `Patchbay-Delivery`, the numbers of both, and
//! `Patchbay-Signature: t=<Unix seconds>,v1=<hex of HMAC-SHA-256>` over `<t>.<body>` with the webhook's secret (RFC 2104). A receiver
//! refuses what is older than five minutes, so that nobody can repeat what he overheard.

use super::Settings;
use crate::fetch::{Names, is_public};
use crate::server::StartError;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, Url};
use rustls::{ClientConfig, RootCertStore};
use sha2::Sha256;
use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;
use store::Webhook;

/// Posts to receivers. Clones share its connections.
#[derive(Clone, Debug)]
pub(super) struct Poster {
    client: Client,
    allowed: fn(IpAddr) -> bool,
}

/// Why a receiver did not take something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) why: String,
    /// It never will.
    pub(super) for_good: bool,
}

impl Poster {
    /// Which asks only where that is allowed, and follows nobody elsewhere.
    pub(super) fn new(settings: Settings) -> Result<Self, StartError> {
        let allowed = if settings.private { is_reachable } else { is_public };
        Ok(Self { client: client(allowed, settings.patience)?, allowed })
    }

    /// Tells a receiver one thing, once.
    pub(super) async fn post(&self, hook: &Webhook, delivery: i64, body: String) -> Result<(), Refused> {
        let again = |why: String| Refused { why, for_good: false };
        let url = Url::parse(&hook.url).map_err(|e| again(e.to_string()))?;
        check(&url, self.allowed).map_err(again)?;
        let request = self
            .client
            .post(url)
            .header("Content-Type", "application/json")
            .header("Patchbay-Webhook", hook.id)
            .header("Patchbay-Delivery", delivery)
            .header("Patchbay-Signature", signature(&hook.secret, super::unix_ms() / 1000, &body))
            .body(body);
        // Its answer's body is nobody's business, and not read.
        let status = request.send().await.map_err(|e| again(told(&e)))?.status();
        match status.as_u16() {
            200..=299 => Ok(()),
            410 => Err(Refused { why: "HTTP 410: it wants no more".to_owned(), for_good: true }),
            300..=399 => Err(again(format!("HTTP {}: nobody is followed elsewhere", status.as_u16()))),
            other => Err(again(format!("HTTP {other}"))),
        }
    }
}

/// Who asks what integrators name: only where that is allowed, without a proxy, following nobody elsewhere.
pub(crate) fn client(allowed: fn(IpAddr) -> bool, patience: Duration) -> Result<Client, StartError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(patience)
        .user_agent(concat!("Patchbay/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Names { allowed })
        .build()?;
    Ok(client)
}

/// A host that is an address is judged here, for no name is looked up for it.
pub(crate) fn check(url: &Url, allowed: fn(IpAddr) -> bool) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    match address {
        Some(ip) if !allowed(ip) => Err("its address is not allowed".to_owned()),
        _ => Ok(()),
    }
}

/// Any address but those that lead nowhere or to what only a host itself may ask: clouds give secrets away at link-local ones.
pub(crate) fn is_reachable(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !ip.is_link_local() && !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local() && !ip.is_unspecified() && !ip.is_multicast(),
    }
}

fn signature(secret: &str, at: u64, body: &str) -> String {
    let mut said = format!("t={at},v1=");
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return said };
    mac.update(format!("{at}.").as_bytes());
    mac.update(body.as_bytes());
    said.extend(mac.finalize().into_bytes().into_iter().map(|byte| format!("{byte:02x}")));
    said
}

/// What went wrong, for people, down to the cause; without the address, in which there may be secrets.
fn told(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it does not answer in time".to_owned();
    }
    let mut text = String::new();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    if text.is_empty() { "it cannot be asked".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_every_other_program_makes_of_it() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'a secret of some length'
        let expected = "t=1700000000,v1=e09db3ce6e6e8f9b633a62851e5074a9e9148ac19b1c0e1a8f7c352380be630b";
        assert_eq!(signature("a secret of some length", 1_700_000_000, r#"{"a":1}"#), expected);
    }

    #[test]
    fn receivers_may_be_in_the_office_and_nowhere_that_gives_secrets_away() {
        for inside in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd00::1"] {
            assert!(is_reachable(inside.parse().unwrap()) && !is_public(inside.parse().unwrap()), "{inside}");
        }
        for nowhere in
            ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255"]
        {
            assert!(!is_reachable(nowhere.parse().unwrap()), "{nowhere}");
        }
    }
}
