//! What the operator may set: one TOML file, with overrides from the environment.
//!
//! Every key has a default, so that no file is needed. `deploy/patchbay.toml` documents each one; a test keeps the two together.

mod capture;
mod load;
mod recording;
mod routing;
mod security;
mod signalling;
mod sound;
mod stir;
mod trunk;
mod validate;
mod words;

pub use capture::{Hep, Trace};
pub use recording::{Beep, Recording, RecordingFormat, RecordingStore};
pub use security::{DigestFor, RateLimits, Security, digest_for};
pub use signalling::{Acme, AcmeChallenge, Certificate, ClientCertificates, ContactsFull, Sip, Tls, Watch};
pub use sound::{Asr, Media, Music, WebRtc};
pub use stir::Stir;
pub use trunk::Trunk;

pub use load::{ConfigError, ENV_PREFIX, Problem, load, parse};
pub use routing::{Blocked, Dialling, Numbers, RightsRules, Route, Rule, Way};

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything lives that must survive: database, hot state, keys, recordings.
    pub data_dir: PathBuf,
    /// Worker threads; 0: one per processor.
    pub workers: u16,
    /// Signalling.
    pub sip: Sip,
    /// What is asked of who connects by TLS.
    pub tls: Tls,
    /// What this host proves itself with by TLS.
    #[serde(rename = "certificate")]
    pub certificates: Vec<Certificate>,
    /// A certificate that an authority gives.
    pub acme: Acme,
    /// Sound.
    pub media: Media,
    /// What calls do.
    pub call: Call,
    /// Sound that is kept.
    pub recording: Recording,
    /// Where recordings go after the call.
    pub recording_store: RecordingStore,
    /// How durable things are.
    pub store: StoreSettings,
    /// The API.
    pub http: Http,
    /// What the operator reads.
    pub log: Log,
    /// What is refused beyond it.
    pub limits: Limits,
    /// How numbers are read.
    pub numbers: Numbers,
    /// How far extensions may call.
    pub rights: RightsRules,
    /// With whom nobody speaks.
    pub blocked: Blocked,
    /// Who is kept out.
    pub security: Security,
    /// Callers' numbers under signature.
    pub stir: Stir,
    /// SIP messages that are kept.
    pub trace: Trace,
    /// SIP messages that are shown to a capture server.
    pub hep: Hep,
    /// Waking phones that sleep.
    pub push: Push,
    /// Telling programs what happens.
    pub webhooks: Webhooks,
    /// What pages are told of the way to us.
    pub webrtc: WebRtc,
    /// Recognition of speech.
    pub asr: Asr,
    /// Connections to the PSTN or other switches.
    #[serde(rename = "trunk")]
    pub trunks: Vec<Trunk>,
    /// Where numbers lead that are no extensions.
    #[serde(rename = "route")]
    pub routes: Vec<Route>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            workers: 0,
            sip: Sip::default(),
            tls: Tls::default(),
            certificates: Vec::new(),
            acme: Acme::default(),
            media: Media::default(),
            call: Call::default(),
            recording: Recording::default(),
            recording_store: RecordingStore::default(),
            store: StoreSettings::default(),
            http: Http::default(),
            log: Log::default(),
            limits: Limits::default(),
            numbers: Numbers::default(),
            rights: RightsRules::default(),
            blocked: Blocked::default(),
            security: Security::default(),
            stir: Stir::default(),
            trace: Trace::default(),
            hep: Hep::default(),
            push: Push::default(),
            webhooks: Webhooks::default(),
            webrtc: WebRtc::default(),
            asr: Asr::default(),
            trunks: Vec::new(),
            routes: Vec::new(),
        }
    }
}

impl Config {
    /// How many worker threads to start.
    pub fn worker_count(&self) -> u16 {
        match self.workers {
            // One processor is left to what is not a worker: the API, the database, the recordings.
            0 => std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).clamp(1, 256) as u16),
            n => n,
        }
    }

    /// Where SIP is received by TCP.
    pub fn sip_tcp(&self) -> &[SocketAddr] {
        self.sip.tcp.as_deref().unwrap_or(&self.sip.listen)
    }

    /// Where SIP is received by TLS: at the port after that of the others, unless something else is said.
    pub fn sip_tls(&self) -> Vec<SocketAddr> {
        let next =
            |at: &SocketAddr| SocketAddr::new(at.ip(), if at.port() == 0 { 0 } else { at.port().saturating_add(1) });
        self.sip.tls.clone().unwrap_or_else(|| self.sip.listen.iter().map(next).collect())
    }

    /// Where the API is served by HTTPS: at 9443 beside 9999, and elsewhere only if it is said.
    pub fn https(&self) -> Vec<SocketAddr> {
        let beside = (self.http.listen.port() == 9999).then(|| SocketAddr::new(self.http.listen.ip(), 9443));
        self.http.tls.clone().unwrap_or_else(|| beside.into_iter().collect())
    }

    /// Where recordings are written.
    pub fn recordings_dir(&self) -> PathBuf {
        self.recording.dir.clone().unwrap_or_else(|| self.data_dir.join("recordings"))
    }

    /// Where prompts are.
    pub fn prompts_dir(&self) -> PathBuf {
        self.media.prompts.clone().unwrap_or_else(|| self.data_dir.join("prompts"))
    }

    /// The trunks in the switch's words.
    pub fn model_trunks(&self) -> Vec<model::Trunk> {
        self.trunks.iter().map(Trunk::to_model).collect()
    }

    /// Everything that says where numbers lead, in the switch's words, or what is wrong with it.
    pub fn routing(&self) -> Result<route::Settings, String> {
        let Blocked { callers, called } = self.blocked.clone();
        Ok(route::Settings {
            numbers: self.numbers.to_model()?,
            rights: self.rights.to_model(),
            black_list: model::BlackList { callers, called },
            trunks: self.model_trunks(),
            routes: self.model_routes(),
        })
    }

    /// What is right, but will surprise.
    pub fn warnings(&self) -> Vec<String> {
        validate::warnings(self)
    }

    /// The routes in the switch's words.
    pub fn model_routes(&self) -> Vec<model::Route> {
        self.routes.iter().filter_map(Route::to_model).collect()
    }
}

/// An inclusive range of port numbers, written `20000-39999`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// The language of spoken reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Mandarin.
    #[default]
    Zh,
    /// English.
    En,
}

/// `[call]`: what calls do.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Call {
    /// Tell the caller by voice or tone why a call failed, before it ends.
    pub announce: bool,
    /// The language of spoken reasons.
    pub language: Language,
    /// In which order the phones of one extension are called.
    pub forking: Forking,
    /// Where phones that are called may send calls on to.
    pub redirect: Redirect,
    /// Which of several phones that send sound before they answer is heard.
    pub early_media: EarlyMedia,
    /// Extensions may take a call that rings at another.
    pub pick_up: bool,
    /// A transferred party whose new party does not answer goes back to who transferred it.
    pub recall: bool,
    /// Record every call.
    pub record: bool,
    /// At shutdown: how long running calls may go on.
    #[serde(rename = "drain_seconds", deserialize_with = "words::seconds_or_none")]
    pub drain: Duration,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            announce: true,
            language: Language::Zh,
            forking: Forking::All,
            redirect: Redirect::Routes,
            early_media: EarlyMedia::First,
            pick_up: true,
            recall: true,
            record: false,
            drain: Duration::from_secs(30),
        }
    }
}

/// In which order the phones of one extension are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forking {
    /// All at once.
    #[default]
    All,
    /// By the preference (`q`) with which they registered.
    Q,
}

/// Where phones that are called may send calls on to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Redirect {
    /// Nowhere.
    Off,
    /// To extensions.
    Extensions,
    /// Wherever the phone may call itself.
    #[default]
    Routes,
}

/// Which of several phones that send sound before they answer is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EarlyMedia {
    /// The first that began.
    #[default]
    First,
    /// The last that began.
    Latest,
}

/// `[store]`: how durable things are.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// Force registrations and calls to the disk at once instead of each 100 ms: nothing is lost even when the power fails.
    pub sync_every_write: bool,
    /// Of how many calls the SIP messages are kept, 0 for none.
    pub traces: u32,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { sync_every_write: false, traces: 20_000 }
    }
}

/// `[http]`: the API.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port.
    #[serde(deserialize_with = "words::address")]
    pub listen: SocketAddr,
    /// The same over TLS; by default port 9443 of that address, if its port is 9999.
    #[serde(deserialize_with = "words::optional_addresses")]
    pub tls: Option<Vec<SocketAddr>>,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 9999)), tls: None }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For eyes.
    #[default]
    Text,
    /// For programs: one JSON object per line.
    Json,
}

/// `[log]`: what the operator reads.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or per module: `info,patchbay_cell=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// `[push]`: waking phones that sleep (RFC 8599).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Push {
    /// The gateway that is told of a phone to be woken, `http://…`; without it no phone is.
    pub url: Option<String>,
    /// The push services that the gateway reaches, as phones name them.
    pub providers: Vec<String>,
    /// How long a call waits for the phone.
    #[serde(rename = "wait_seconds", deserialize_with = "words::seconds")]
    pub wait: Duration,
}

impl Default for Push {
    fn default() -> Self {
        Self { url: None, providers: Vec::new(), wait: Duration::from_secs(15) }
    }
}

/// `[webhooks]`: how programs are told what happens. Who is told is set by the API.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// Receivers may be at private addresses and on this host.
    pub private: bool,
    /// A receiver answers within this.
    #[serde(rename = "timeout_seconds", deserialize_with = "words::seconds")]
    pub timeout: Duration,
    /// What a receiver has not taken for so many hours is given up.
    pub give_up_hours: u16,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { private: true, timeout: Duration::from_secs(5), give_up_hours: 24 }
    }
}

/// `[limits]`: what is refused beyond it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Calls at one time, over all workers.
    pub calls: u32,
    /// SIP streams (TCP, TLS, WebSocket) at one time.
    pub streams: u32,
    /// Of them, of one address.
    pub streams_per_source: u32,
    /// Of them, that have not said anything yet.
    pub silent_streams: u32,
    /// What each extension may spend in a day.
    #[serde(deserialize_with = "routing::optional_money")]
    pub extension_cost_per_day: Option<u64>,
    /// How many minutes each extension may speak by trunks in a day.
    pub extension_minutes_per_day: Option<u32>,
    /// What all calls together may spend in a day.
    #[serde(deserialize_with = "routing::optional_money")]
    pub cost_per_day: Option<u64>,
    /// How many minutes all calls by trunks together may last in a day.
    pub minutes_per_day: Option<u32>,
    /// Contacts that one extension may register.
    pub contacts: u16,
    /// What happens when an extension registers one more.
    pub contacts_full: ContactsFull,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 4_000,
            streams: 20_000,
            streams_per_source: 1_000,
            silent_streams: 1_000,
            contacts: 10,
            contacts_full: ContactsFull::Refuse,
            extension_cost_per_day: None,
            extension_minutes_per_day: None,
            cost_per_day: None,
            minutes_per_day: None,
        }
    }
}
