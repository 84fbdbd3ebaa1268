//! What descriptions of a browser leg say beside formats: RFC 8839 (ICE), RFC 8842 (DTLS), RFC 9143 (BUNDLE).

use super::dtls::Role;
use super::ice::Credentials;
use super::{Settings, dtls::Certificate};
use crate::engine::SdpRefusal;
use crate::sdp::{Attribute, Media, Session};
use aws_lc_rs::digest;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use stdx::Entropy;

/// The most fingerprints of one section.
const MAX_FINGERPRINTS: usize = 4;
/// The longest name of a section, and of a user name fragment or password (RFC 8839 §5.4).
const MAX_NAME: usize = 256;

/// A certificate's hash.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    algorithm: &'static digest::Algorithm,
    octets: Vec<u8>,
}

impl Fingerprint {
    /// Reads `sha-256 AB:CD…`; `None` for hashes too weak to count (RFC 8122 §5).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, hex) = text.trim().split_once(' ')?;
        let algorithm = match name.to_ascii_lowercase().as_str() {
            "sha-256" => &digest::SHA256,
            "sha-384" => &digest::SHA384,
            "sha-512" => &digest::SHA512,
            _ => return None,
        };
        let octets: Option<Vec<u8>> = hex
            .trim()
            .split(':')
            .take(algorithm.output_len() + 1)
            .map(|pair| u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2 && !pair.starts_with('+')))
            .collect();
        octets.filter(|octets| octets.len() == algorithm.output_len()).map(|octets| Self { algorithm, octets })
    }

    /// True if a certificate in DER has it.
    pub(super) fn is_of(&self, der: &[u8]) -> bool {
        digest::digest(self.algorithm, der).as_ref() == self.octets
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fingerprint({:02x?}…)", &self.octets[..4])
    }
}

/// Who may begin the handshake, as a description says (RFC 8842 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetUp {
    ActPass,
    Active,
    Passive,
}

/// What a browser's description says of the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    ufrag: String,
    password: String,
    pub(crate) fingerprints: Vec<Fingerprint>,
    set_up: SetUp,
    /// The section's name; empty if it has none.
    mid: String,
    bundles: bool,
}

impl Peer {
    /// Reads a section; why it cannot be used otherwise.
    pub(crate) fn read(session: &Session, media: &Media) -> Result<Self, SdpRefusal> {
        let value = |name: &str| {
            let in_list = |list: &'_ [Attribute]| {
                list.iter().find(|a| a.name.eq_ignore_ascii_case(name)).and_then(|a| a.value.clone())
            };
            in_list(&media.attributes).or_else(|| in_list(&session.attributes)).filter(|v| v.len() <= MAX_NAME)
        };
        let (Some(ufrag), Some(password)) = (value("ice-ufrag"), value("ice-pwd")) else {
            return Err(SdpRefusal::new(399, "No ICE credentials"));
        };
        if !media.rtcp_mux {
            return Err(SdpRefusal::new(399, "RTCP needs a=rtcp-mux"));
        }
        let named = |list: &[Attribute]| -> Vec<Fingerprint> {
            let values = list.iter().filter(|a| a.name.eq_ignore_ascii_case("fingerprint"));
            values.filter_map(|a| Fingerprint::parse(a.value.as_deref()?)).take(MAX_FINGERPRINTS).collect()
        };
        let mut fingerprints = named(&media.attributes);
        if fingerprints.is_empty() {
            fingerprints = named(&session.attributes);
        }
        if fingerprints.is_empty() {
            return Err(SdpRefusal::new(399, "No usable a=fingerprint"));
        }
        let set_up = match value("setup").as_deref() {
            None | Some("active") => SetUp::Active,
            Some("actpass") => SetUp::ActPass,
            Some("passive") => SetUp::Passive,
            Some(_) => return Err(SdpRefusal::new(399, "Unknown a=setup")),
        };
        let bundles = session.attributes.iter().any(|a| {
            a.name.eq_ignore_ascii_case("group") && a.value.as_deref().is_some_and(|v| v.starts_with("BUNDLE"))
        });
        Ok(Self { ufrag, password, fingerprints, set_up, mid: mid_of(media), bundles })
    }
}

/// The name of a section.
pub(crate) fn mid_of(media: &Media) -> String {
    let named = media.attributes.iter().find(|a| a.name.eq_ignore_ascii_case("mid")).and_then(|a| a.value.clone());
    named.filter(|mid| mid.len() <= MAX_NAME && !mid.contains(char::is_whitespace)).unwrap_or_default()
}

/// Our side of the way to a browser.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) certificate: Arc<Certificate>,
    candidates: Vec<SocketAddr>,
    /// By TCP too.
    tcp: bool,
    own: Credentials,
    /// For the next restart; descriptions are read where there is no randomness.
    spare: Credentials,
    cname: String,
    ssrc: u32,
    /// Agreed by the first answer, and kept (RFC 8842 §5.5).
    role: Option<Role>,
    pub(crate) peer: Option<Peer>,
}

impl Link {
    pub(crate) fn new(
        settings: &Settings,
        (local, number): (IpAddr, u16),
        (cname, ssrc): (String, u32),
        entropy: &mut Entropy,
    ) -> Self {
        let mut candidates = vec![SocketAddr::new(local, number)];
        for ip in &settings.candidates {
            let candidate = SocketAddr::new(*ip, number);
            if !candidates.contains(&candidate) {
                candidates.push(candidate);
            }
        }
        Self {
            certificate: Arc::clone(&settings.certificate),
            candidates,
            tcp: settings.tcp,
            own: Credentials::new(entropy),
            spare: Credentials::new(entropy),
            cname,
            ssrc,
            role: None,
            peer: None,
        }
    }

    /// Sees to it that a restart finds credentials.
    pub(crate) fn ready(&mut self, entropy: &mut Entropy) {
        if self.spare.ufrag == self.own.ufrag {
            self.spare = Credentials::new(entropy);
        }
    }

    /// Our credentials.
    pub(crate) fn own(&self) -> &Credentials {
        &self.own
    }

    /// Who begins the handshake.
    pub(crate) fn role(&self) -> Option<Role> {
        self.role
    }

    /// The peer's new description holds. Other credentials in an `offer` restart ICE: ours change too (RFC 8839 §4.4.3).
    pub(crate) fn adopt(&mut self, peer: Peer, offer: bool) {
        if let Some(before) = &self.peer {
            if offer && (before.ufrag != peer.ufrag || before.password != peer.password) {
                self.own = self.spare.clone();
            }
            if before.fingerprints != peer.fingerprints {
                self.role = None;
            }
        }
        self.role = match (peer.set_up, self.role) {
            (SetUp::ActPass, Some(role)) => Some(role),
            // Who has a public address waits: the browser sends first anyway, to pass its NAT.
            (SetUp::ActPass | SetUp::Active, _) => Some(Role::Passive),
            (SetUp::Passive, _) => Some(Role::Active),
        };
        self.peer = Some(peer);
    }

    /// The session attributes of our description.
    pub(crate) fn session_lines(&self, offer: bool) -> String {
        let bundle = self.peer.as_ref().is_none_or(|peer| peer.bundles || offer);
        let group =
            if bundle && !self.mid().is_empty() { format!("a=group:BUNDLE {}\r\n", self.mid()) } else { String::new() };
        format!("a=ice-lite\r\na=msid-semantic:WMS *\r\n{group}")
    }

    fn mid(&self) -> &str {
        self.peer.as_ref().map_or("0", |peer| &peer.mid)
    }

    /// The attributes of our section.
    pub(crate) fn attributes(&self, offer: bool) -> Vec<Attribute> {
        let set_up = match self.role {
            _ if offer => "actpass",
            Some(Role::Active) => "active",
            Some(Role::Passive) | None => "passive",
        };
        let mut all = Vec::with_capacity(12);
        let mut add = |name: &str, value: Option<String>| all.push(Attribute { name: name.to_owned(), value });
        if !self.mid().is_empty() {
            add("mid", Some(self.mid().to_owned()));
        }
        add("ice-ufrag", Some(self.own.ufrag.clone()));
        add("ice-pwd", Some(self.own.password.clone()));
        add("fingerprint", Some(self.certificate.fingerprint().to_owned()));
        add("setup", Some(set_up.to_owned()));
        // Pages look for the stream that a track belongs to.
        add("msid", Some("patchbay sound".to_owned()));
        add("ssrc", Some(format!("{} cname:{}", self.ssrc, self.cname)));
        for (at, candidate) in self.candidates.iter().enumerate() {
            // RFC 8445 §5.1.2: host candidates, the one of the signalling first.
            let priority = (126_u32 << 24) | ((65_535 - at as u32) << 8) | 255;
            let (ip, port) = (candidate.ip(), candidate.port());
            add("candidate", Some(format!("{} 1 udp {priority} {ip} {port} typ host", at + 1)));
        }
        for (at, candidate) in self.candidates.iter().enumerate().filter(|_| self.tcp) {
            // RFC 6544 §4.2: passive ones, behind all of UDP.
            let preference = (4_u32 << 13) | (8191 - at as u32);
            let priority = (126_u32 << 24) | (preference << 8) | 255;
            let (number, ip, port) = (self.candidates.len() + at + 1, candidate.ip(), candidate.port());
            add("candidate", Some(format!("{number} 1 tcp {priority} {ip} {port} typ host tcptype passive")));
        }
        add("end-of-candidates", None);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_and_weak_or_broken_ones_are_not() {
        let good = format!("SHA-256 {}", ["aB"; 32].join(":"));
        assert_eq!(Fingerprint::parse(&good).unwrap().octets, [0xab; 32]);
        for bad in [
            format!("sha-1 {}", ["AB"; 20].join(":")),
            format!("sha-256 {}", ["AB"; 31].join(":")),
            format!("sha-256 {}", ["AB"; 33].join(":")),
            format!("sha-256 {}", ["+B"; 32].join(":")),
            "sha-256".to_owned(),
        ] {
            assert!(Fingerprint::parse(&bad).is_none(), "{bad}");
        }
    }
}
