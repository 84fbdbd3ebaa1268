//! Certificates and TLS: what this host shows, what it asks for, and how both change while streams go on.

pub mod acme;
mod certificates;
mod clients;
mod proof;

pub use certificates::{Certificates, self_signed};
pub use clients::Clients;
pub use proof::Proofs;

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::{Acceptor, WebPkiClientVerifier};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{info, warn};

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What is asked of who connects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nothing.
    #[default]
    None,
    /// A certificate of this authority, if it has one.
    Request(PathBuf),
    /// A certificate of this authority.
    Require(PathBuf),
}

/// What is set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Chain and key of each certificate; the first is shown to who asks for no name that we know.
    pub certificates: Vec<(PathBuf, PathBuf)>,
    /// One that an authority gives, as soon as it has.
    pub obtained: Option<(PathBuf, PathBuf)>,
    /// What is shown when there is no other.
    pub fallback: Option<(PathBuf, PathBuf)>,
    /// Of SIP streams only: browsers would ask their users.
    pub clients: ClientCertificates,
}

/// Our side of every TLS handshake; what is loaded anew counts for the next one.
#[derive(Debug)]
pub struct Tls {
    settings: Settings,
    sip: RwLock<Arc<ServerConfig>>,
    web: RwLock<Arc<ServerConfig>>,
    proofs: Proofs,
    /// For an authority that asks.
    proving: Arc<ServerConfig>,
}

impl Tls {
    /// Loads everything. The error says what to do.
    pub fn load(settings: Settings) -> Result<Arc<Self>, String> {
        let (sip, web) = configs(&settings)?;
        let proofs = Proofs::default();
        let proving = proofs.config();
        Ok(Arc::new(Self { settings, sip: RwLock::new(sip), web: RwLock::new(web), proofs, proving }))
    }

    /// A handshake with a SIP peer.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.sip.read().unwrap_or_else(PoisonError::into_inner));
        self.shake(config, stream).await
    }

    /// A handshake with a browser.
    pub async fn accept_web(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.web.read().unwrap_or_else(PoisonError::into_inner));
        self.shake(config, stream).await
    }

    /// What authorities are shown that ask by TLS.
    pub fn proofs(&self) -> Proofs {
        self.proofs.clone()
    }

    /// A handshake. One in which an authority asks whether a name is ours is answered here, and is an error to everybody else.
    async fn shake(&self, config: Arc<ServerConfig>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        if !proof::is_question(&start.client_hello()) {
            return start.into_stream(config).await;
        }
        start.into_stream(Arc::clone(&self.proving)).await?.shutdown().await?;
        Err(io::Error::other("an ACME authority has asked"))
    }

    /// Loads everything again. What is wrong leaves things as they are.
    pub fn reload(&self) -> Result<(), String> {
        let (sip, web) = configs(&self.settings)?;
        *self.sip.write().unwrap_or_else(PoisonError::into_inner) = sip;
        *self.web.write().unwrap_or_else(PoisonError::into_inner) = web;
        Ok(())
    }

    /// Loads again when a file changes, or when told to by `asked`; for as long as the program runs.
    pub async fn watch(self: Arc<Self>, mut asked: tokio::sync::mpsc::Receiver<()>) {
        let mut seen = self.stamps();
        loop {
            let told = tokio::select! {
                _ = tokio::time::sleep(LOOK) => false,
                asked = asked.recv() => match asked {
                    Some(()) => true,
                    None => std::future::pending().await,
                },
            };
            let now = self.stamps();
            if !told && now == seen {
                continue;
            }
            seen = now;
            match self.reload() {
                Ok(()) => info!("certificates loaded anew"),
                Err(e) => warn!("the certificates stay as they are: {e}"),
            }
        }
    }

    fn stamps(&self) -> Vec<Option<SystemTime>> {
        let stamp = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
        let files = self.settings.certificates.iter().chain(&self.settings.obtained);
        let certificates = files.flat_map(|(chain, key)| [stamp(chain), stamp(key)]);
        let clients = match &self.settings.clients {
            ClientCertificates::None => None,
            ClientCertificates::Request(ca) | ClientCertificates::Require(ca) => Some(stamp(ca)),
        };
        certificates.chain(clients).collect()
    }
}

fn configs(settings: &Settings) -> Result<(Arc<ServerConfig>, Arc<ServerConfig>), String> {
    let there = |(chain, key): &&(PathBuf, PathBuf)| chain.exists() && key.exists();
    let mut files = settings.certificates.clone();
    files.extend(settings.obtained.iter().filter(there).cloned());
    if files.is_empty() {
        files.extend(settings.fallback.clone());
    }
    let certificates = Arc::new(Certificates::load(&files)?);
    let builder = ServerConfig::builder();
    let builder = match &settings.clients {
        ClientCertificates::None => builder.with_no_client_auth(),
        ClientCertificates::Request(ca) => {
            let verifier = WebPkiClientVerifier::builder(roots(ca)?).allow_unauthenticated().build();
            builder.with_client_cert_verifier(verifier.map_err(|e| format!("{}: {e}", ca.display()))?)
        }
        ClientCertificates::Require(ca) => {
            let verifier = WebPkiClientVerifier::builder(roots(ca)?).build();
            builder.with_client_cert_verifier(verifier.map_err(|e| format!("{}: {e}", ca.display()))?)
        }
    };
    let sip = builder.with_cert_resolver(Arc::clone(&certificates) as _);
    let mut web = ServerConfig::builder().with_no_client_auth().with_cert_resolver(certificates);
    web.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(sip), Arc::new(web)))
}

/// The authorities of a file.
fn roots(path: &Path) -> Result<Arc<RootCertStore>, String> {
    let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))? {
        roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
    }
    if roots.is_empty() { Err(wrong(&"there is no certificate in it")) } else { Ok(Arc::new(roots)) }
}

/// The one crypto provider, before any TLS. May be called more than once.
pub fn install_provider() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}
