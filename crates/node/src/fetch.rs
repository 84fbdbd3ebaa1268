//! Fetching what strangers name: certificates of those who signed callers' numbers (RFC 8226 §7).
//!
//! The address comes with a call, so whoever can call us could make us ask anybody. Therefore: HTTPS to the usual ports and
//! nothing else, no redirections, no proxy of the environment, no addresses of this host or of private networks (checked when
//! the connection is made, not before, so that a name that changes its mind gains nothing), little and soon.

use crate::worker::Inbox;
use bytes::BytesMut;
use cell::Fetched;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::debug;

/// An answer comes within this, or there is none.
const PATIENCE: Duration = Duration::from_secs(8);

/// Fetches under way at one time, of all workers; more wait within their patience.
const UNDER_WAY: usize = 64;

/// A chain of certificates is smaller.
const LARGEST: usize = 64 << 10;

/// How long an answer is good whose server says nothing of it.
const USUAL: Duration = Duration::from_secs(3600);

/// Where certificates are published (ATIS-1000074 §5.3.1).
const PORTS: [u16; 2] = [443, 8443];

/// What is allowed.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Servers of our own networks may be asked too, at any port.
    pub private: bool,
    /// Authorities of servers besides those of the system.
    pub authorities: Vec<rustls::pki_types::CertificateDer<'static>>,
}

/// Fetches for the workers.
#[derive(Clone)]
pub struct Fetcher {
    handle: Handle,
    inboxes: Arc<[Inbox]>,
    room: Arc<Semaphore>,
    private: bool,
    /// `None`: nothing is to be fetched, so no client was made.
    client: Option<Client>,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}

type Trouble = Box<dyn Error + Send + Sync>;

impl Fetcher {
    /// Over the runtime of the caller. Without settings every fetch fails.
    pub fn new(handle: Handle, inboxes: Arc<[Inbox]>, settings: Option<Settings>) -> Result<Self, Trouble> {
        let private = settings.as_ref().is_some_and(|settings| settings.private);
        let client = settings.map(client).transpose()?;
        Ok(Self { handle, inboxes, room: Arc::new(Semaphore::new(UNDER_WAY)), private, client })
    }

    /// Fetches; the answer goes to the worker's inbox. How many are under way is limited by [`cell::MAX_FETCHES`] per worker.
    pub fn fetch(&self, worker: u16, ticket: u64, url: String) {
        let this = self.clone();
        self.handle.spawn(async move {
            let result = timeout(PATIENCE, this.answer(&url)).await.unwrap_or_else(|_| Err("it takes too long".into()));
            let result = result.inspect_err(|e| debug!(url, "a certificate cannot be fetched: {e}")).ok();
            if let Some(inbox) = this.inboxes.get(usize::from(worker)) {
                inbox.put_fetched(ticket, result);
            }
        });
    }

    async fn answer(&self, url: &str) -> Result<Fetched, Trouble> {
        let client = self.client.as_ref().ok_or("nothing is fetched here")?;
        let url = allowed(url, self.private)?;
        let _room = self.room.acquire().await?;
        let mut response = client.get(url).send().await?.error_for_status()?;
        if !response.status().is_success() {
            return Err(format!("the server says {}", response.status()).into());
        }
        let said = response.headers().get("cache-control").and_then(|value| value.to_str().ok());
        let keep = said.map_or(USUAL, keep);
        let mut body = BytesMut::new();
        while let Some(part) = response.chunk().await? {
            if body.len() + part.len() > LARGEST {
                return Err("it is too large".into());
            }
            body.extend_from_slice(&part);
        }
        Ok(Fetched { body: body.freeze(), keep })
    }
}

fn client(settings: Settings) -> Result<Client, Trouble> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(settings.authorities);
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(PATIENCE / 2)
        .pool_max_idle_per_host(0)
        .dns_resolver(Names { allowed: if settings.private { |_| true } else { is_public } })
        .build()?;
    Ok(client)
}

/// A URL that may be asked. A host that is an address is judged here, for no name is looked up for it.
fn allowed(url: &str, private: bool) -> Result<Url, Trouble> {
    let url = Url::parse(url)?;
    if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
        return Err("only https without a user is fetched".into());
    }
    if !private && !PORTS.contains(&url.port_or_known_default().unwrap_or(0)) {
        return Err("certificates are at port 443 or 8443".into());
    }
    let host = url.host_str().ok_or("there is no host in it")?;
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    if address.is_some_and(|ip| !private && !is_public(ip)) {
        return Err("it is at a private address".into());
    }
    Ok(url)
}

/// The system's names, without those that lead where nobody is to be asked.
pub(crate) struct Names {
    /// May this address be asked?
    pub(crate) allowed: fn(IpAddr) -> bool,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.allowed;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let open: Vec<SocketAddr> = found.filter(|at| allowed(at.ip())).collect();
            if open.is_empty() {
                return Err("it has no public address".into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

/// False for this host, private and shared networks, link-local, multicast, documentation and other addresses that lead to no
/// server of the Internet (RFC 6890).
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => is_public_v4(ip),
            None => is_public_v6(ip),
        },
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (198, 18..=19, _)
            | (192, 0, 0 | 2)
            | (198, 51, 100)
            | (203, 0, 113)
            | (192, 88, 99)
    )
}

/// Global unicast is 2000::/3; within it, Teredo and 6to4 carry addresses of the other family, and documentation is nowhere.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let tunnel = first == 0x2002 || (first == 0x2001 && second < 0x0200);
    first & 0xe000 == 0x2000 && !tunnel && (first, second) != (0x2001, 0x0db8) && first != 0x3fff
}

/// How long an answer may be kept (RFC 9111 §5.2.2).
fn keep(cache_control: &str) -> Duration {
    let mut directives = cache_control.split(',').map(str::trim);
    let mut age = None;
    let forbidden = directives.any(|directive| {
        let lower = directive.to_ascii_lowercase();
        age = age.or_else(|| lower.strip_prefix("max-age=").and_then(|seconds| seconds.parse().ok()));
        lower == "no-store" || lower == "no-cache"
    });
    if forbidden { Duration::ZERO } else { age.map_or(USUAL, Duration::from_secs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsAcceptor;

    #[test]
    fn nothing_inside_is_asked() {
        for inside in [
            "http://cert.example/a",
            "ftp://cert.example/a",
            "file:///etc/passwd",
            "https://user@cert.example/a",
            "https://cert.example:22/a",
            "https://127.0.0.1/a",
            "https://2130706433/a",
            "https://0x7f.1/a",
            "https://10.1.2.3/a",
            "https://169.254.169.254/latest/meta-data",
            "https://172.20.0.1/",
            "https://192.168.1.1/",
            "https://100.100.0.1/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[2002:7f00:1::]/",
            "https://[64:ff9b::7f00:1]/",
            "nonsense",
        ] {
            assert!(allowed(inside, false).is_err(), "{inside}");
        }
        for outside in [
            "https://cert.example/a.pem",
            "https://cert.example:8443/a",
            "https://8.8.8.8/a",
            "https://[2606:4700::1]/",
        ] {
            assert!(allowed(outside, false).is_ok(), "{outside}");
        }
        assert!(allowed("https://127.0.0.1:9/a", true).is_ok());
    }

    #[test]
    fn a_server_says_how_long() {
        assert_eq!(keep("public, max-age=60"), Duration::from_secs(60));
        assert_eq!(keep("no-store"), Duration::ZERO);
        assert_eq!(keep("max-age=never"), USUAL);
    }

    /// A server that gives every client this answer; its address and authority.
    async fn server(answer: Vec<u8>) -> (SocketAddr, rustls::pki_types::CertificateDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let der = certificate.der().clone();
        let secret = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![der.clone()], secret.into()).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = TlsAcceptor::from(Arc::clone(&config)).accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 2048]).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        });
        (at, der)
    }

    fn fetcher(private: bool, authorities: Vec<rustls::pki_types::CertificateDer<'static>>) -> Fetcher {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let inboxes: Arc<[Inbox]> = vec![Inbox::new().unwrap()].into();
        Fetcher::new(Handle::current(), inboxes, Some(Settings { private, authorities })).unwrap()
    }

    #[tokio::test]
    async fn a_page_is_fetched_only_from_who_proves_its_name_and_never_from_inside_unless_allowed() {
        let page = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=120\r\nContent-Length: 2\r\n\r\nhi".to_vec();
        let (at, authority) = server(page).await;
        let url = format!("https://localhost:{}/x.pem", at.port());
        let got = fetcher(true, vec![authority.clone()]).answer(&url).await.unwrap();
        assert_eq!(got, Fetched { body: bytes::Bytes::from_static(b"hi"), keep: Duration::from_secs(120) });
        assert!(fetcher(true, Vec::new()).answer(&url).await.is_err(), "nobody vouches for it");
        let inside = fetcher(false, vec![authority]);
        assert!(inside.answer(&url).await.is_err());
        // The port would be right, the name leads inside.
        let error = inside.answer("https://localhost/x.pem").await.unwrap_err();
        assert!(format!("{error:?}").contains("no public address"), "{error:?}");
    }

    #[tokio::test]
    async fn redirections_and_large_answers_are_none() {
        let large = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; LARGEST + 1]].concat();
        let elsewhere = b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n".to_vec();
        for answer in
            [large, elsewhere, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(), b"junk".to_vec()]
        {
            let (at, authority) = server(answer).await;
            let url = format!("https://localhost:{}/", at.port());
            assert!(fetcher(true, vec![authority]).answer(&url).await.is_err());
        }
    }

    #[tokio::test]
    async fn the_answer_goes_to_the_worker_that_asked() {
        let this = fetcher(true, Vec::new());
        this.fetch(0, 7, "https://127.0.0.1:1/".to_owned());
        for _ in 0..500 {
            if let Some(got) = this.inboxes[0].take_fetched() {
                assert_eq!(got, (7, None));
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no answer");
    }
}
