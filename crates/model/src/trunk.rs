//! What an operator sets about a trunk, and what is known of it now.

use crate::{CallProgress, Dialling, InbandDtmf, Source, Srtp, StirPolicy};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use stdx::UnixMillis;

/// A connection to the PSTN or another switch: known by its addresses, registered with, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trunk {
    /// Its name in routes, records and logs.
    pub name: String,
    /// A trunk that is switched off neither calls nor is called, and is not registered with.
    pub enabled: bool,
    /// Calls from these addresses and networks are this trunk's, without a password; where those of several fit, the closest one's. A phone
    /// at such an address is told by its registration, or by its extension's number in From at an address of ours.
    pub addresses: Vec<Source>,
    /// Where calls to it are sent: a host or address, with or without a port, found by RFC 3263; `None`: it only calls us.
    pub target: Option<String>,
    /// How it is reached; `None`: as DNS says, UDP where it says nothing.
    pub transport: Option<TrunkTransport>,
    /// Whether the certificate of a TLS trunk must be valid and name it.
    pub tls_verify: bool,
    /// Everything for the trunk goes there first, in the form of `target`.
    pub outbound_proxy: Option<String>,
    /// From which of our listeners it is spoken to; `None`: the first that fits.
    pub listener: Option<SocketAddr>,
    /// With what we prove who we are when it asks.
    pub account: Option<TrunkAccount>,
    /// Register there, for so many seconds at a time.
    pub register_seconds: Option<u32>,
    /// What it proves itself with when it calls us from an address that is not in `addresses`.
    pub inbound_account: Option<InboundAccount>,
    /// OPTIONS at this distance, seconds; 0: never.
    pub qualify_seconds: u32,
    /// Calls at one time, both directions together; 0: no limit.
    pub max_calls: u32,
    /// New calls to it per second; 0: no limit.
    pub calls_per_second: u32,
    /// What its signatures of callers' numbers are worth.
    pub stir: StirPolicy,
    /// Callers' numbers are signed for it, if the switch has a key.
    pub stir_sign: bool,
    /// How calls go over it: numbers, callers, hours, price, codecs.
    pub dialling: Dialling,
    /// Calls that come or go by it are recorded.
    pub record: bool,
    /// How its parties are transferred to outside numbers, and to each other.
    pub transfers: Transfers,
    /// Whether its sound is encrypted.
    pub srtp: Srtp,
    /// Whether keys are listened for in its sound.
    pub inband_dtmf: InbandDtmf,
    /// Whether its tones and announcements are listened to in calls to it.
    pub call_progress: CallProgress,
    /// A leg to it from which nothing was heard for this long is given up; `None`: as the configuration says for all.
    pub media_timeout: Option<Duration>,
}

/// How a party beyond a trunk is transferred to a number outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transfers {
    /// The new party is called from here, and both legs stay.
    #[default]
    Bridge,
    /// The trunk is asked to do it (REFER, RFC 3515) and frees both legs; if it will not, as `Bridge`.
    Refer,
}

impl Trunk {
    /// A trunk of which only the name is known.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            enabled: true,
            addresses: Vec::new(),
            target: None,
            transport: None,
            tls_verify: true,
            outbound_proxy: None,
            listener: None,
            account: None,
            register_seconds: None,
            inbound_account: None,
            qualify_seconds: 0,
            max_calls: 0,
            calls_per_second: 0,
            stir: StirPolicy::Off,
            stir_sign: false,
            dialling: Dialling::default(),
            record: false,
            transfers: Transfers::default(),
            srtp: Srtp::Off,
            inband_dtmf: InbandDtmf::default(),
            call_progress: CallProgress::default(),
            media_timeout: None,
        }
    }
}

/// Who we are at a carrier.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkAccount {
    /// The user of our address there, and of our Contact.
    pub username: String,
    /// The user for the digest, where it differs.
    pub auth_username: Option<String>,
    /// Our password there.
    pub password: String,
    /// The host of our address there; `None`: the target's.
    pub domain: Option<String>,
}

impl fmt::Debug for TrunkAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrunkAccount({}, secret)", self.username)
    }
}

/// Who a trunk is to us.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundAccount {
    /// The user for the digest; must be no extension's number.
    pub username: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for InboundAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InboundAccount({}, secret)", self.username)
    }
}

/// How a trunk is reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrunkTransport {
    /// Datagrams.
    Udp,
    /// A stream in the clear.
    Tcp,
    /// A stream under TLS.
    Tls,
}

/// What is known of a trunk now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkStatus {
    /// Its name.
    pub name: String,
    /// Whether it can be called.
    pub state: TrunkState,
    /// What came of registering there; `None` where that is not wanted.
    pub registration: Option<TrunkRegistration>,
    /// Why it is down, or why the registration failed; empty where all is well.
    pub note: String,
    /// The addresses that calls go to, best first, with their transports: `udp 192.0.2.1:5060`.
    pub hops: Vec<String>,
    /// Those among them that are left out for now because they did not answer.
    pub dead_hops: Vec<String>,
    /// The round trip of OPTIONS, smoothed, in microseconds.
    pub round_trip_us: Option<u64>,
    /// Calls over it now, both directions.
    pub calls: u32,
    /// The limit of `calls`; 0: none.
    pub max_calls: u32,
    /// Calls turned away by a limit since the start.
    pub refused: u64,
    /// Since when the state is what it is.
    pub since: UnixMillis,
}

/// Whether a trunk can be called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkState {
    /// Switched off, or it only calls us.
    Off,
    /// Not found out yet.
    Unknown,
    /// It answers, or nothing speaks against it.
    Up,
    /// It cannot be found, does not answer, or does not let us register.
    Down,
}

impl TrunkState {
    /// The state's stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What came of registering with a trunk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkRegistration {
    /// Being tried for the first time.
    Registering,
    /// It knows where we are.
    Registered,
    /// It could not be reached or has no time; tried again.
    Unreachable,
    /// It refuses us; tried again, but rarely.
    Refused,
}

impl TrunkRegistration {
    /// The state's stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registering => "registering",
            Self::Registered => "registered",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
        }
    }
}
