//! Proving to an ACME authority by TLS that a name is ours (TLS-ALPN-01, RFC 8737): whoever connects for `acme-tls/1` is shown a
//! certificate that says what the authority asked for, and nothing is spoken over that stream.

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The protocol by whose name an authority asks (RFC 8737 §6.2).
pub(super) const PROTOCOL: &[u8] = b"acme-tls/1";

/// What is shown for which name, while an authority may ask. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Proofs(Arc<Mutex<BTreeMap<String, Arc<CertifiedKey>>>>);

impl Proofs {
    /// From now on this digest of a key authorization is shown for a name (RFC 8737 §3).
    pub fn show(&self, name: &str, digest: &[u8; 32]) -> Result<(), rcgen::Error> {
        let key = rcgen::KeyPair::generate()?;
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(digest)];
        let certificate = params.self_signed(&key)?.der().clone();
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let secret = any_supported_type(&secret).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let shown = Arc::new(CertifiedKey::new(vec![certificate], secret));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_ascii_lowercase(), shown);
        Ok(())
    }

    /// Nothing is shown any more.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Our side of an authority's handshakes.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Arc::new(config)
    }
}

impl ResolvesServerCert for Proofs {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }
}

/// An authority asks for nothing but this protocol (RFC 8737 §3).
pub(super) fn is_question(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut protocols| protocols.next() == Some(PROTOCOL) && protocols.next().is_none())
}
