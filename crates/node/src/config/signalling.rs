//! What signalling is set to: addresses, TLS, certificates.

use super::{DigestFor, words};
use serde::Deserialize;
use sip_stack::auth::Algorithm;
use sip_stack::message::Method;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// `[sip]`: signalling.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sip {
    /// Addresses that UDP signalling is received on.
    #[serde(deserialize_with = "words::addresses")]
    pub listen: Vec<SocketAddr>,
    /// Addresses for TCP; by default the same as for UDP.
    #[serde(deserialize_with = "words::optional_addresses")]
    pub tcp: Option<Vec<SocketAddr>>,
    /// Addresses for TLS; by default the same as for UDP, with the next port.
    #[serde(deserialize_with = "words::optional_addresses")]
    pub tls: Option<Vec<SocketAddr>>,
    /// Addresses for WebSocket of its own, besides path `/sip` of `[http]`.
    #[serde(deserialize_with = "words::addresses")]
    pub ws: Vec<SocketAddr>,
    /// Addresses for WebSocket over TLS of its own, besides path `/sip` of `[http]`.
    #[serde(deserialize_with = "words::addresses")]
    pub wss: Vec<SocketAddr>,
    /// Web pages that may open WebSockets, besides those that come from this host.
    #[serde(deserialize_with = "words::strings")]
    pub origins: Vec<String>,
    /// A stream on which nothing came for so long is closed.
    #[serde(rename = "idle_seconds", deserialize_with = "words::seconds")]
    pub idle: Duration,
    /// A page whose WebSocket is gone keeps its registration so long; zero: it goes too.
    #[serde(rename = "grace_seconds", deserialize_with = "words::seconds_or_none")]
    pub grace: Duration,
    /// After what time a call's sessions have to be refreshed (RFC 4028); zero: never.
    #[serde(rename = "session_seconds", deserialize_with = "words::seconds_or_none")]
    pub session_expires: Duration,
    /// Callers that support it acknowledge ringing (RFC 3262).
    pub reliable_ringing: bool,
    /// The address that peers outside private networks are told in Via, Contact and SDP, where the host itself has only a private one.
    #[serde(deserialize_with = "words::optional_ip")]
    pub advertised: Option<IpAddr>,
    /// Service-Route values that registering phones are told.
    pub service_route: Vec<String>,
    /// Digest algorithms that challenges offer, in this order.
    #[serde(deserialize_with = "words::algorithms")]
    pub digest: Vec<Algorithm>,
    /// What is offered instead to phones of some User-Agents, before what is known of such phones.
    pub digest_for: Vec<DigestFor>,
    /// Headers of a caller's INVITE that pass to the called phones, `X-*` for all that begin so.
    #[serde(deserialize_with = "words::header_names")]
    pub pass_headers: Vec<String>,
    /// Diversion of a call that was sent on before it came here is told on.
    pub pass_diversion: bool,
    /// What a trunk asserts of its caller counts.
    pub trust_trunk_identity: bool,
    /// Trunks are told P-Asserted-Identity.
    pub identity_to_trunks: bool,
    /// Phones are told P-Asserted-Identity.
    pub identity_to_phones: bool,
    /// Whom extensions may watch (lamps, presence).
    pub watch: Watch,
    /// Requests outside calls that are passed on between extensions.
    #[serde(deserialize_with = "words::proxied")]
    pub proxy: Vec<Method>,
    /// Extensions with which SMS gateways are registered: their MESSAGEs may name any sender.
    #[serde(deserialize_with = "words::strings")]
    pub message_gateways: Vec<String>,
}

impl Default for Sip {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([0, 0, 0, 0], 5060))],
            tcp: None,
            tls: None,
            ws: Vec::new(),
            wss: Vec::new(),
            origins: Vec::new(),
            idle: Duration::from_secs(3900),
            grace: cell::Policy::default().grace,
            session_expires: Duration::from_secs(1800),
            reliable_ringing: false,
            advertised: None,
            digest: sip_stack::auth::Config::default().algorithms,
            digest_for: Vec::new(),
            pass_headers: Vec::new(),
            pass_diversion: true,
            trust_trunk_identity: true,
            identity_to_trunks: false,
            identity_to_phones: false,
            service_route: Vec::new(),
            watch: Watch::All,
            proxy: cell::Policy::default().proxy,
            message_gateways: Vec::new(),
        }
    }
}

/// Whether who connects by TLS is asked for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// No.
    #[default]
    None,
    /// Yes, and it may have none.
    Request,
    /// Yes, and without one it is turned away.
    Require,
}

/// `[tls]`: what is asked of who connects to SIP by TLS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Whether it is asked for a certificate.
    pub client_certificates: ClientCertificates,
    /// The authority that its certificate must come from, a PEM file.
    pub client_authority: Option<PathBuf>,
}

/// `[[certificate]]`: what this host proves itself with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The certificate and those that lead to its authority, a PEM file.
    pub chain: PathBuf,
    /// Its private key, a PEM file.
    pub key: PathBuf,
}

/// `[acme]`: a certificate that an authority gives.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Acme {
    /// The authority.
    pub directory: String,
    /// Names of this host; none: no certificate is asked for.
    #[serde(deserialize_with = "words::strings")]
    pub domains: Vec<String>,
    /// Whom the authority writes to.
    pub contact: Option<String>,
    /// The authority's terms are accepted.
    pub accept_terms: bool,
    /// How the authority asks whether a name is ours.
    pub challenge: AcmeChallenge,
    /// Where the authority's question by HTTP is answered. It asks at port 80 of each name.
    #[serde(deserialize_with = "words::address")]
    pub listen: SocketAddr,
    /// What the authority's own certificate is checked with, if none of the system's authorities is behind it.
    pub authority: Option<PathBuf>,
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            domains: Vec::new(),
            contact: None,
            accept_terms: false,
            challenge: AcmeChallenge::Http,
            listen: SocketAddr::from(([0, 0, 0, 0], 80)),
            authority: None,
        }
    }
}

/// What happens when an extension that has all its contacts registers one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContactsFull {
    /// The new one is refused.
    Refuse,
    /// The one that was renewed longest ago makes room.
    Replace,
}

/// How an authority asks whether a name is ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AcmeChallenge {
    /// By HTTP at port 80 (HTTP-01, RFC 8555 §8.3).
    #[default]
    Http,
    /// By TLS at port 443 (TLS-ALPN-01, RFC 8737).
    Tls,
}

/// Whom extensions may watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Watch {
    /// Each other.
    #[default]
    All,
    /// Nobody but themselves.
    None,
}
