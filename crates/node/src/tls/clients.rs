//! TLS streams that we open: whom we expect at the other end.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Addresses whose names are remembered. When there are more, all are learned anew.
const KNOWN: usize = 4096;

/// What we know of those we connect to. Clones know the same.
#[derive(Clone, Debug)]
pub struct Clients(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    known: Mutex<BTreeMap<SocketAddr, (String, bool)>>,
    /// Made when first needed: reading the system's authorities takes a while.
    verifying: OnceLock<Arc<ClientConfig>>,
    trusting: OnceLock<Arc<ClientConfig>>,
    authorities: RootCertStore,
}

impl Default for Clients {
    fn default() -> Self {
        Self::new()
    }
}

impl Clients {
    /// Nobody is known yet.
    pub fn new() -> Self {
        Self::trusting(RootCertStore::empty())
    }

    /// These authorities count besides those of the system.
    pub fn trusting(authorities: RootCertStore) -> Self {
        let inner =
            Inner { known: Mutex::default(), verifying: OnceLock::new(), trusting: OnceLock::new(), authorities };
        Self(Arc::new(inner))
    }

    /// The host at this address has this name; its certificate has to prove it, or need not.
    pub fn know(&self, remote: SocketAddr, name: &str, verify: bool) {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN && !known.contains_key(&remote) {
            known.clear();
        }
        known.insert(remote, (name.to_owned(), verify));
    }

    /// A handshake with the host at this address. One that nobody told us the name of is a phone: its certificate proves nothing to us,
    /// and the stream is as good as one that the phone opened.
    pub async fn connect(&self, remote: SocketAddr, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner).get(&remote).cloned();
        let (name, verify) = known.unwrap_or_else(|| (remote.ip().to_string(), false));
        let name = ServerName::try_from(name).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let config = if verify { self.verifying() } else { self.anybody() };
        TlsConnector::from(config).connect(name, stream).await
    }

    fn verifying(&self) -> Arc<ClientConfig> {
        let make = || {
            let mut roots = self.0.authorities.clone();
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
            Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
        };
        Arc::clone(self.0.verifying.get_or_init(make))
    }

    fn anybody(&self) -> Arc<ClientConfig> {
        let make = || {
            let verifier = Arc::new(Anybody(aws_lc_rs::default_provider().signature_verification_algorithms));
            let builder = ClientConfig::builder().dangerous().with_custom_certificate_verifier(verifier);
            Arc::new(builder.with_no_client_auth())
        };
        Arc::clone(self.0.trusting.get_or_init(make))
    }
}

/// Believes every certificate, but wants its key to be there.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
