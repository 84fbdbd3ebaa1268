//! A certificate from an ACME authority (RFC 8555) by HTTP-01 or TLS-ALPN-01: asked for when there is none, and again when a third of its time is left.

use super::Proofs;
use super::certificates::{lapses_at, write_secret};
use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::get;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, OrderStatus,
    RetryPolicy,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tracing::{info, warn};

/// A certificate that lapses within this is renewed.
const RENEW: Duration = Duration::from_secs(30 * 24 * 3600);

/// How often that is looked at, and how long a failure rests.
const LOOK: Duration = Duration::from_secs(3600);

/// How the authority is shown that a name is ours.
#[derive(Clone, Debug)]
pub enum Challenge {
    /// At this address by HTTP; it asks at port 80.
    Http(SocketAddr),
    /// Where TLS is served anyway; it asks at port 443.
    Tls(Proofs),
}

/// What is set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The authority's directory.
    pub directory: String,
    /// The certificate's names; the first names its files.
    pub domains: Vec<String>,
    /// `mailto:` of the operator, or nothing.
    pub contact: Option<String>,
    /// How the authority's questions are answered.
    pub challenge: Challenge,
    /// Its own certificate's authority, where that is none of the system's.
    pub authority: Option<PathBuf>,
    /// Where the account and the certificate are kept.
    pub dir: PathBuf,
}

impl Settings {
    /// The files of chain and key.
    pub fn files(&self) -> (PathBuf, PathBuf) {
        let name = self.domains.first().map_or("none", String::as_str).replace(['*', '/'], "_");
        (self.dir.join(format!("{name}.pem")), self.dir.join(format!("{name}.key")))
    }
}

type Trouble = Box<dyn Error + Send + Sync>;

/// Answers to the authority's questions, by token.
type Answers = Arc<Mutex<BTreeMap<String, String>>>;

/// Keeps the certificate fresh; `fresh` is told after each new one.
pub async fn keep(settings: Settings, fresh: mpsc::Sender<()>) {
    loop {
        if is_due(&settings.files().0) {
            match order(&settings).await {
                Ok(()) => {
                    info!(domains = settings.domains.join(" "), "new certificate by ACME");
                    let _ = fresh.send(()).await;
                }
                Err(e) => warn!("no certificate by ACME, next try in an hour: {e}"),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn is_due(chain: &Path) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs() as i64);
    lapses_at(chain).is_none_or(|at| at - now < RENEW.as_secs() as i64)
}

/// One certificate, written to its files.
pub async fn order(settings: &Settings) -> Result<(), Trouble> {
    std::fs::create_dir_all(&settings.dir)?;
    let answers = Answers::default();
    let serving = match settings.challenge {
        Challenge::Http(listen) => {
            let listener = tokio::net::TcpListener::bind(listen).await;
            let listener = listener.map_err(|e| format!("binding [acme] listen {listen}: {e}"))?;
            Some(tokio::spawn(serve(listener, Arc::clone(&answers))))
        }
        Challenge::Tls(_) => None,
    };
    let result = tokio::time::timeout(Duration::from_secs(300), run_order(settings, &answers)).await;
    if let Some(serving) = serving {
        serving.abort();
    }
    if let Challenge::Tls(proofs) = &settings.challenge {
        proofs.clear();
    }
    result.map_err(|_| "the authority took more than five minutes")?
}

async fn run_order(settings: &Settings, answers: &Answers) -> Result<(), Trouble> {
    let account = account(settings).await?;
    let names: Vec<Identifier> = settings.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            status => return Err(format!("the authority does not trust a name: {status:?}").into()),
        }
        let kind = match settings.challenge {
            Challenge::Http(_) => ChallengeType::Http01,
            Challenge::Tls(_) => ChallengeType::TlsAlpn01,
        };
        let mut challenge = authorization.challenge(kind).ok_or("the authority offers no such challenge")?;
        let answer = challenge.key_authorization();
        match &settings.challenge {
            Challenge::Http(_) => {
                let (token, answer) = (challenge.token.clone(), answer.as_str().to_owned());
                answers.lock().unwrap_or_else(PoisonError::into_inner).insert(token, answer);
            }
            Challenge::Tls(proofs) => {
                let name = challenge.identifier().to_string();
                let digest = answer.digest().as_ref().try_into().map_err(|_| "a digest of another size")?;
                proofs.show(&name, &digest)?;
            }
        }
        challenge.set_ready().await?;
    }
    let status = order.poll_ready(&RetryPolicy::default()).await?;
    if status != OrderStatus::Ready {
        let where_to = match settings.challenge {
            Challenge::Http(_) => "[acme] listen reachable at port 80",
            Challenge::Tls(_) => "TLS or HTTPS of ours reachable at port 443",
        };
        return Err(format!("the order is {status:?}: is {where_to} of every domain?").into());
    }
    let key = rcgen::KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::new(settings.domains.clone())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    order.finalize_csr(params.serialize_request(&key)?.der()).await?;
    let chain = order.poll_certificate(&RetryPolicy::default()).await?;
    let files = settings.files();
    // Each whole or not at all; whoever looks in between finds a pair that does not fit, says so, and looks again.
    let draft = files.1.with_extension("key.new");
    write_secret(&draft, &key.serialize_pem())?;
    std::fs::rename(&draft, &files.1)?;
    let draft = files.0.with_extension("pem.new");
    std::fs::write(&draft, chain)?;
    std::fs::rename(&draft, &files.0)?;
    Ok(())
}

async fn account(settings: &Settings) -> Result<Account, Trouble> {
    let builder = || match &settings.authority {
        Some(file) => Account::builder_with_root(file),
        None => Account::builder(),
    };
    let file = settings.dir.join("account.json");
    if let Ok(text) = std::fs::read_to_string(&file) {
        let credentials: AccountCredentials = serde_json::from_str(&text)?;
        return Ok(builder()?.from_credentials(credentials).await?);
    }
    let contact: Vec<&str> = settings.contact.as_deref().into_iter().collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder()?.create(&new, settings.directory.clone(), None).await?;
    write_secret(&file, &serde_json::to_string(&credentials)?)?;
    Ok(account)
}

async fn serve(listener: tokio::net::TcpListener, answers: Answers) {
    let answer = |State(answers): State<Answers>, UrlPath(token): UrlPath<String>| async move {
        let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&token).cloned().ok_or(StatusCode::NOT_FOUND)
    };
    let app = Router::new().route("/.well-known/acme-challenge/{token}", get(answer)).with_state(answers);
    drop(axum::serve(listener, app).await);
}
