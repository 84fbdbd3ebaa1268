//! Everything that listens for streams, put together from the configuration.

use crate::config::{AcmeChallenge, ClientCertificates, Config};
use crate::net::streams::{Bound, GateLimits, Settings, Streams, WebSockets, bind, upgrade};
use crate::net::{Listening, Resolved, locals, udp};
use crate::tls::{self, Clients, Tls, acme};
use crate::worker::Inbox;
use axum::Router;
use axum::routing::any;
use cell::Locals;
use sip_stack::endpoint::Transport;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Listeners that are bound and do not take anything yet.
#[derive(Debug)]
pub struct Listeners {
    tcp: Vec<Bound>,
    tls: Vec<Bound>,
    ws: Vec<Bound>,
    wss: Vec<Bound>,
    http: Vec<Bound>,
    https: Vec<Bound>,
}

/// Where things are served, for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// SIP by UDP.
    pub udp: Vec<SocketAddr>,
    /// SIP by TCP.
    pub tcp: Vec<SocketAddr>,
    /// SIP by TLS.
    pub tls: Vec<SocketAddr>,
    /// The API, and SIP by WebSocket at `/sip`.
    pub http: Vec<SocketAddr>,
    /// The same over TLS.
    pub https: Vec<SocketAddr>,
}

impl Listeners {
    /// Binds everything.
    pub fn bind(config: &Config) -> Result<Self, crate::net::BindError> {
        Ok(Self {
            tcp: bind(config.sip_tcp(), "[sip] tcp")?,
            tls: bind(&config.sip_tls(), "[sip] tls")?,
            ws: bind(&config.sip.ws, "[sip] ws")?,
            wss: bind(&config.sip.wss, "[sip] wss")?,
            http: bind(&[config.http.listen], "[http] listen")?,
            https: bind(&config.https(), "[http] tls")?,
        })
    }

    /// Where things will be served.
    pub fn served(&self, udp: &Resolved) -> Served {
        let of = |all: &[Bound]| all.iter().map(|bound| bound.address).collect();
        Served {
            udp: udp.0.clone(),
            tcp: of(&self.tcp),
            tls: of(&self.tls),
            http: of(&self.http),
            https: of(&self.https),
        }
    }

    /// Our own addresses.
    pub fn locals(&self, config: &Config, addresses: &Resolved) -> Locals {
        let of = |all: &[Bound]| all.iter().map(|bound| bound.address).collect::<Vec<_>>();
        let (tcp, tls) = (of(&self.tcp), of(&self.tls));
        let listening: &Listening<'_> = &[udp(addresses), (Transport::Tcp, &tcp), (Transport::Tls, &tls)];
        locals(listening, config.sip.advertised)
    }

    /// True if anything is served over TLS.
    fn secured(&self) -> bool {
        ![&self.tls, &self.wss, &self.https].into_iter().all(Vec::is_empty)
    }
}

/// What serves at the edge.
#[derive(Debug)]
pub struct Edge {
    /// All SIP streams.
    pub streams: Streams,
    tls: Option<Arc<Tls>>,
    asked: mpsc::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Edge {
    /// Loads certificates (or makes one); nothing is served yet.
    pub fn new(config: &Config, listeners: &Listeners, locals: Locals, inboxes: Arc<[Inbox]>) -> Result<Self, String> {
        tls::install_provider();
        let gate = GateLimits {
            total: config.limits.streams as usize,
            per_source: config.limits.streams_per_source as usize,
            unproven: config.limits.silent_streams as usize,
        };
        let names = names(&locals, config);
        let settings = Settings { gate, idle: config.sip.idle, locals };
        let (asked, ask) = mpsc::channel(1);
        let mut tasks = Vec::new();
        let mut tls = None;
        if listeners.secured() {
            let loaded = Tls::load(tls_settings(config, &names)?)?;
            tasks.push(tokio::spawn(Arc::clone(&loaded).watch(ask)));
            if let Some(settings) = acme_settings(config, loaded.proofs()) {
                tasks.push(tokio::spawn(acme::keep(settings, asked.clone())));
            }
            tls = Some(loaded);
        }
        Ok(Self { streams: Streams::new(settings, inboxes, Clients::new()), tls, asked, tasks })
    }

    /// Begins to serve; `app` is what HTTP shows.
    /// The tokens of `store` let pages speak SIP.
    pub fn serve(&mut self, config: &Config, listeners: Listeners, app: &Router, store: &store::Store) {
        for bound in listeners.tcp {
            self.streams.serve(bound, None);
        }
        for bound in listeners.tls {
            self.streams.serve(bound, self.tls.clone());
        }
        let origins = config.sip.origins.clone().into();
        let sockets = WebSockets { streams: self.streams.clone(), origins, tokens: Some(store.clone()) };
        let sip = || any(upgrade).with_state(sockets.clone());
        let app = app.clone().route("/sip", sip());
        let alone = Router::new().fallback_service(sip());
        let gate = self.streams.web_gate();
        let plain = listeners.http.into_iter().map(|bound| (bound, None, &app));
        let secured = listeners.https.into_iter().map(|bound| (bound, self.tls.clone(), &app));
        let ws = listeners.ws.into_iter().map(|bound| (bound, None, &alone));
        let wss = listeners.wss.into_iter().map(|bound| (bound, self.tls.clone(), &alone));
        for (bound, tls, app) in plain.chain(secured).chain(ws).chain(wss) {
            self.tasks.push(crate::web::serve(bound, tls, gate.clone(), app.clone()));
        }
    }

    /// Loads the certificates anew.
    pub fn reload(&self) {
        // One wish that waits is as good as two.
        let _ = self.asked.try_send(());
    }

    /// Closes all streams, then what listens.
    pub async fn close(&self) {
        self.streams.close().await;
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What a certificate of our own names: this host by everything it may be called.
fn names(locals: &Locals, config: &Config) -> Vec<String> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names = vec![host, "localhost".to_owned()];
    let addresses = locals.all.iter().map(|local| local.address.ip()).chain(config.sip.advertised);
    names.extend(addresses.map(|ip| ip.to_string()));
    names.sort();
    names.dedup();
    names
}

fn tls_settings(config: &Config, names: &[String]) -> Result<tls::Settings, String> {
    let obtained = acme_settings(config, tls::Proofs::default()).map(|acme| acme.files());
    let own = || tls::self_signed(&config.data_dir.join("tls"), names);
    let fallback = if config.certificates.is_empty() { Some(own()?) } else { None };
    Ok(tls::Settings { certificates: files(config), obtained, fallback, clients: clients(config) })
}

fn files(config: &Config) -> Vec<(PathBuf, PathBuf)> {
    config.certificates.iter().map(|c| (c.chain.clone(), c.key.clone())).collect()
}

fn clients(config: &Config) -> tls::ClientCertificates {
    match (config.tls.client_certificates, config.tls.client_authority.clone()) {
        (ClientCertificates::None, _) | (_, None) => tls::ClientCertificates::None,
        (ClientCertificates::Request, Some(authority)) => tls::ClientCertificates::Request(authority),
        (ClientCertificates::Require, Some(authority)) => tls::ClientCertificates::Require(authority),
    }
}

fn acme_settings(config: &Config, proofs: tls::Proofs) -> Option<acme::Settings> {
    let set = &config.acme;
    let challenge = match set.challenge {
        AcmeChallenge::Http => acme::Challenge::Http(set.listen),
        AcmeChallenge::Tls => acme::Challenge::Tls(proofs),
    };
    (!set.domains.is_empty()).then(|| acme::Settings {
        directory: set.directory.clone(),
        domains: set.domains.clone(),
        contact: set.contact.clone(),
        challenge,
        authority: set.authority.clone(),
        dir: config.data_dir.join("tls"),
    })
}

/// What is wrong with the files that the configuration names, without starting anything.
pub fn check_files(config: &Config) -> Result<(), String> {
    tls::install_provider();
    let settings =
        tls::Settings { certificates: files(config), obtained: None, fallback: None, clients: clients(config) };
    Tls::load(settings).map(drop)
}
