//! What the operator may set: one TOML file, with overrides from the environment.
//!
//! Every key has a default, so that no file is needed. `deploy/patchbay.toml` documents each one; a test keeps the two together.

mod load;
mod validate;
mod words;

pub use load::{ConfigError, ENV_PREFIX, Problem, load, parse};

use serde::Deserialize;
use sip_stack::auth::Algorithm;
use std::net::{IpAddr, SocketAddr};
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
    /// Sound.
    pub media: Media,
    /// What calls do.
    pub call: Call,
    /// Sound that is kept.
    pub recording: Recording,
    /// How durable things are.
    pub store: StoreSettings,
    /// The API.
    pub http: Http,
    /// What the operator reads.
    pub log: Log,
    /// What is refused beyond it.
    pub limits: Limits,
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
            media: Media::default(),
            call: Call::default(),
            recording: Recording::default(),
            store: StoreSettings::default(),
            http: Http::default(),
            log: Log::default(),
            limits: Limits::default(),
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

    /// Where recordings are written.
    pub fn recordings_dir(&self) -> PathBuf {
        self.recording.dir.clone().unwrap_or_else(|| self.data_dir.join("recordings"))
    }

    /// The trunks in the switch's words.
    pub fn model_trunks(&self) -> Vec<model::Trunk> {
        let trunk = |t: &Trunk| model::Trunk {
            addresses: t.addresses.clone(),
            target: t.target.map(|target| target.to_string()),
            ..model::Trunk::new(&t.name)
        };
        self.trunks.iter().map(trunk).collect()
    }

    /// The routes in the switch's words.
    pub fn model_routes(&self) -> Vec<model::Route> {
        self.routes.iter().filter_map(Route::to_model).collect()
    }
}

/// `[sip]`: signalling.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sip {
    /// Addresses that UDP signalling is received on.
    #[serde(deserialize_with = "words::addresses")]
    pub listen: Vec<SocketAddr>,
    /// The address that peers outside private networks are told in Via, Contact and SDP, where the host itself has only a private one.
    #[serde(deserialize_with = "words::optional_ip")]
    pub advertised: Option<IpAddr>,
    /// Digest algorithms that challenges offer, in this order.
    #[serde(deserialize_with = "words::algorithms")]
    pub digest: Vec<Algorithm>,
}

impl Default for Sip {
    fn default() -> Self {
        Self { listen: vec![SocketAddr::from(([0, 0, 0, 0], 5060))], advertised: None, digest: vec![Algorithm::Md5] }
    }
}

/// `[media]`: sound.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Media {
    /// Ports for RTP and RTCP; each leg takes two.
    pub ports: PortRange,
    /// A call without any sound for so long is given up.
    #[serde(rename = "timeout_seconds", deserialize_with = "words::seconds")]
    pub timeout: Duration,
}

impl Default for Media {
    fn default() -> Self {
        Self { ports: PortRange { first: 20_000, last: 39_999 }, timeout: Duration::from_secs(60) }
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

/// Whose telephone network the tones sound like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Country {
    /// China: 450 Hz.
    #[default]
    Cn,
    /// North America.
    Us,
    /// Europe: 425 Hz.
    Eu,
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
    /// Whose tones.
    pub country: Country,
    /// The language of spoken reasons.
    pub language: Language,
    /// In which order the phones of one extension are called.
    pub forking: Forking,
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
            country: Country::Cn,
            language: Language::Zh,
            forking: Forking::All,
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

/// `[recording]`: sound that is kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recording {
    /// Where; by default `recordings` below `data_dir`.
    pub dir: Option<PathBuf>,
    /// Recording stops while the disk has less room than this.
    pub min_free_mb: u64,
}

impl Default for Recording {
    fn default() -> Self {
        Self { dir: None, min_free_mb: 200 }
    }
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
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 9999)) }
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

/// `[limits]`: what is refused beyond it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Calls at one time, over all workers.
    pub calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls: 4_000 }
    }
}

/// `[[trunk]]`: a connection to the PSTN or another switch.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    /// Its name in routes, records and logs.
    pub name: String,
    /// Calls from these addresses are this trunk's, without a password.
    #[serde(default, deserialize_with = "words::ips")]
    pub addresses: Vec<IpAddr>,
    /// Where calls to it are sent.
    #[serde(default, deserialize_with = "words::optional_address")]
    pub target: Option<SocketAddr>,
}

/// `[[route]]`: where a number leads.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The number, or the beginning of numbers if it ends with `*`.
    #[serde(deserialize_with = "words::number")]
    pub number: String,
    /// For calls from this trunk; without: for calls from extensions.
    pub from_trunk: Option<String>,
    /// To this trunk …
    pub trunk: Option<String>,
    /// … or to this extension.
    #[serde(default, deserialize_with = "words::optional_number")]
    pub extension: Option<String>,
    /// Record calls that go this way.
    #[serde(default)]
    pub record: bool,
}

impl Route {
    fn to_model(&self) -> Option<model::Route> {
        let to = match (&self.trunk, &self.extension) {
            (Some(trunk), None) => model::RouteTarget::Trunk(trunk.clone()),
            (None, Some(extension)) => model::RouteTarget::Extension(extension.clone()),
            // The check of the file refuses these.
            (Some(_), Some(_)) | (None, None) => return None,
        };
        Some(model::Route { number: self.number.clone(), from_trunk: self.from_trunk.clone(), to, record: self.record })
    }
}
