//! `[[trunk]]`: a connection to the PSTN or another switch.

use super::{Dialling, words};
use model::{
    CallProgress, InbandDtmf, InboundAccount, Source, Srtp, StirPolicy, Transfers, TrunkAccount, TrunkTransport,
};
use serde::Deserialize;
use sip_stack::locate::Goal;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// One trunk as the file has it.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trunk {
    /// Its name in routes, records and logs.
    pub name: String,
    /// False: neither calls nor is called, and is not registered with.
    pub enabled: bool,
    /// Calls from these addresses are this trunk's, without a password.
    #[serde(deserialize_with = "words::sources")]
    pub addresses: Vec<Source>,
    /// Where calls to it are sent: host or address, with or without a port.
    pub target: Option<String>,
    /// How it is reached; without: as DNS says, else UDP.
    pub transport: Option<TrunkTransport>,
    /// Whether its certificate must be valid and name it.
    pub tls_verify: bool,
    /// Everything for it goes there first.
    pub outbound_proxy: Option<String>,
    /// From which of our listeners it is spoken to.
    #[serde(deserialize_with = "words::optional_address")]
    pub listener: Option<SocketAddr>,
    /// Our user there.
    pub username: Option<String>,
    /// Our user for the digest, where it differs.
    pub auth_username: Option<String>,
    /// Our password there.
    pub password: Option<String>,
    /// The host of our address there, where it is not the target.
    pub domain: Option<String>,
    /// Register there.
    pub register: bool,
    /// For how long at a time.
    pub register_seconds: u32,
    /// The user it proves itself with when it calls us from elsewhere.
    pub inbound_username: Option<String>,
    /// Its password for that.
    pub inbound_password: Option<String>,
    /// OPTIONS at this distance; 0: never.
    pub qualify_seconds: u32,
    /// Calls at one time; 0: no limit.
    pub max_calls: u32,
    /// New calls to it per second; 0: no limit.
    pub calls_per_second: u32,
    /// Record calls that come or go by it.
    pub record: bool,
    /// How its parties are transferred to outside numbers: "bridge" or "refer".
    pub transfers: Transfers,
    /// Whether its sound is encrypted.
    pub srtp: Srtp,
    /// Whether keys are listened for in its sound.
    pub inband_dtmf: InbandDtmf,
    /// Whether its tones and announcements are listened to.
    pub call_progress: CallProgress,
    /// A leg to it is given up after so long without sound.
    #[serde(rename = "media_timeout_seconds", deserialize_with = "words::optional_seconds")]
    pub media_timeout: Option<Duration>,
    /// What its signatures of callers' numbers are worth.
    pub stir: StirPolicy,
    /// Callers' numbers are signed for it.
    pub stir_sign: bool,
    /// How calls go over it.
    pub dialling: Dialling,
}

impl Default for Trunk {
    fn default() -> Self {
        Self {
            name: String::new(),
            enabled: true,
            addresses: Vec::new(),
            target: None,
            transport: None,
            tls_verify: true,
            outbound_proxy: None,
            listener: None,
            username: None,
            auth_username: None,
            password: None,
            domain: None,
            register: false,
            register_seconds: 600,
            inbound_username: None,
            inbound_password: None,
            qualify_seconds: 0,
            max_calls: 0,
            calls_per_second: 0,
            transfers: Transfers::default(),
            srtp: Srtp::Off,
            inband_dtmf: InbandDtmf::default(),
            call_progress: CallProgress::default(),
            media_timeout: None,
            record: false,
            stir: StirPolicy::Off,
            stir_sign: false,
            dialling: Dialling::default(),
        }
    }
}

// Passwords stay out of logs and of the messages of failed tests.
impl fmt::Debug for Trunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trunk").field("name", &self.name).field("target", &self.target).finish_non_exhaustive()
    }
}

impl Trunk {
    /// In the switch's words.
    pub fn to_model(&self) -> model::Trunk {
        let account = self.username.as_ref().map(|username| TrunkAccount {
            username: username.clone(),
            auth_username: self.auth_username.clone(),
            password: self.password.clone().unwrap_or_default(),
            domain: self.domain.clone(),
        });
        let inbound_account = match (&self.inbound_username, &self.inbound_password) {
            (Some(username), Some(password)) => {
                Some(InboundAccount { username: username.clone(), password: password.clone() })
            }
            _ => None,
        };
        model::Trunk {
            enabled: self.enabled,
            addresses: self.addresses.clone(),
            target: self.target.clone(),
            transport: self.transport,
            tls_verify: self.tls_verify,
            outbound_proxy: self.outbound_proxy.clone(),
            listener: self.listener,
            account,
            register_seconds: self.register.then_some(self.register_seconds),
            inbound_account,
            qualify_seconds: self.qualify_seconds,
            max_calls: self.max_calls,
            calls_per_second: self.calls_per_second,
            transfers: self.transfers,
            stir: self.stir,
            stir_sign: self.stir_sign,
            dialling: self.dialling.to_model(),
            srtp: self.srtp,
            inband_dtmf: self.inband_dtmf,
            call_progress: self.call_progress,
            media_timeout: self.media_timeout,
            record: self.record,
            ..model::Trunk::new(&self.name)
        }
    }
}

/// What is wrong with the trunks, each with its key.
pub(super) fn findings(trunks: &[Trunk], listen: &[SocketAddr], say: &mut impl FnMut(&str, String)) {
    for (i, trunk) in trunks.iter().enumerate() {
        let key = |name: &str| format!("trunk.{i}.{name}");
        if trunk.name.trim().is_empty() {
            say(&key("name"), "is empty; give the trunk a name, routes refer to it".to_owned());
        }
        if trunks[..i].iter().any(|t| t.name == trunk.name) {
            say(&key("name"), format!("\"{}\" is another trunk's name already", trunk.name));
        }
        if trunk.addresses.is_empty() && trunk.target.is_none() && trunk.inbound_username.is_none() {
            let text = "has neither addresses (to be called from) nor a target (to call)";
            say(&format!("trunk.{i}"), text.to_owned());
        }
        for address in &trunk.addresses {
            if trunks[..i].iter().any(|t| t.addresses.contains(address)) {
                say(&key("addresses"), format!("{address} belongs to another trunk already"));
            }
        }
        for (name, host) in [("target", &trunk.target), ("outbound_proxy", &trunk.outbound_proxy)] {
            if host.as_ref().is_some_and(|text| !is_host(text)) {
                let text = "must be a host or an address that calls can be sent to, like \"sip.example.com\" or \"192.0.2.10:5060\"";
                say(&key(name), text.to_owned());
            }
        }
        if let Some(listener) = trunk.listener
            && !listen.contains(&listener)
        {
            say(&key("listener"), format!("{listener} is none of our addresses; write it as in [sip] listen"));
        }
        account(trunk, &key, say);
    }
}

fn account(trunk: &Trunk, key: &impl Fn(&str) -> String, say: &mut impl FnMut(&str, String)) {
    if trunk.register && (trunk.username.is_none() || trunk.target.is_none()) {
        say(&key("register"), "needs a username (whom to register) and a target (where)".to_owned());
    }
    if trunk.username.is_some() != trunk.password.is_some() {
        say(&key("username"), "a username and a password go together; write both or none".to_owned());
    }
    if !(60..=86_400).contains(&trunk.register_seconds) {
        say(&key("register_seconds"), "must be 60 to 86400".to_owned());
    }
    if trunk.inbound_username.is_some() != trunk.inbound_password.is_some() {
        say(&key("inbound_username"), "an inbound_username and an inbound_password go together".to_owned());
    }
    if trunk.qualify_seconds != 0 && !(5..=3600).contains(&trunk.qualify_seconds) {
        say(&key("qualify_seconds"), "must be 5 to 3600, or 0 for never".to_owned());
    }
}

/// Something that can be looked for, and no wildcard.
fn is_host(text: &str) -> bool {
    let Ok(goal) = text.parse::<Goal>() else { return false };
    goal.port != Some(0) && !text.ends_with(":0") && goal.ip().is_none_or(|ip| !ip.is_unspecified())
}
