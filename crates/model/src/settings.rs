//! What an operator sets: extensions, users.

use crate::{Forwards, InbandDtmf, MediaKind, Net, Rights, Srtp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Digest secrets of an extension: H(user:realm:password) per algorithm (RFC 7616 §3.4.2). As good as the password within its realm.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1 {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-256.
    pub sha256: [u8; 32],
    /// SHA-512/256.
    pub sha512_256: [u8; 32],
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(secret)")
    }
}

/// A number with SIP credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// The number, which is also the SIP user: 1 to 32 of `0-9 a-z A-Z . _ + * # -`.
    pub number: String,
    /// Shown to whom it calls; may be empty.
    pub name: String,
    /// Digest secrets.
    pub ha1: Ha1,
    /// A disabled extension can neither register nor call nor be called.
    pub enabled: bool,
    /// Record its calls.
    pub record: bool,
    /// How long it rings before the caller is told that nobody answers, seconds.
    pub ring_seconds: u16,
    /// How many calls it may have at once; one more finds it busy.
    pub max_calls: u16,
    /// How far it may call; `None`: as the configuration says for all.
    pub rights: Option<Rights>,
    /// Its number beyond the trunks, which called parties see; empty: the trunk's.
    pub outside_number: String,
    /// It may register and call only from these networks; empty: from everywhere.
    pub allow: Vec<Net>,
    /// How many contacts (phones, pages) it may have registered; 0: as the configuration says for all.
    pub contacts: u16,
    /// Who may watch it: lamps and presence.
    pub watched_by: WatchedBy,
    /// It may listen to the calls of others (INVITE with Join, RFC 3911).
    pub monitor: bool,
    /// Its calls may ask the phones of others to answer by themselves.
    pub intercom: bool,
    /// By which headers its own phones are asked to answer by themselves.
    pub auto_answer: AutoAnswer,
    /// Whether its sound is encrypted; `None`: as the configuration says for all phones.
    pub srtp: Option<Srtp>,
    /// The codecs it may speak, by their names in session descriptions, best first; empty: all.
    pub codecs: Vec<String>,
    /// Whether keys are listened for in its sound.
    pub inband_dtmf: InbandDtmf,
    /// By what kind of media it speaks.
    pub media: MediaKind,
    /// Where calls to it go instead.
    #[serde(default)]
    pub forward: Forwards,
    /// It takes no calls: they find it busy.
    #[serde(default)]
    pub do_not_disturb: bool,
    /// A second call rings while it is in one, as far as `max_calls` goes; otherwise it finds it busy.
    pub call_waiting: bool,
}

/// By which headers of an INVITE a phone is asked to answer by itself. No two vendors agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoAnswer {
    /// `Call-Info: <…>;answer-after=0` and `Alert-Info: <…>;info=alert-autoanswer;delay=0`: what most phones know.
    #[default]
    Usual,
    /// `Call-Info` alone.
    CallInfo,
    /// `Alert-Info` alone.
    AlertInfo,
    /// `Alert-Info: info=alert-autoanswer`, the old form without an address, which is no valid header.
    PlainAlertInfo,
    /// `Answer-Mode: Auto` (RFC 5373).
    AnswerMode,
}

impl AutoAnswer {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Usual, Self::CallInfo, Self::AlertInfo, Self::PlainAlertInfo, Self::AnswerMode];

    /// The stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::CallInfo => "call_info",
            Self::AlertInfo => "alert_info",
            Self::PlainAlertInfo => "plain_alert_info",
            Self::AnswerMode => "answer_mode",
        }
    }

    /// By its stable name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }
}

/// Who may watch an extension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchedBy {
    /// Whom the configuration lets watch all.
    #[default]
    Usual,
    /// All other extensions.
    All,
    /// Nobody but itself.
    Nobody,
    /// These extensions.
    Only(Vec<String>),
}

impl WatchedBy {
    /// Whether this extension may watch; `usual` is what the configuration says.
    pub fn allows(&self, watcher: &str, usual: bool) -> bool {
        match self {
            Self::Usual => usual,
            Self::All => true,
            Self::Nobody => false,
            Self::Only(numbers) => numbers.iter().any(|number| number == watcher),
        }
    }
}

/// `default`, `all`, `none`, or numbers with spaces between them.
impl fmt::Display for WatchedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => f.write_str("default"),
            Self::All => f.write_str("all"),
            Self::Nobody => f.write_str("none"),
            Self::Only(numbers) => f.write_str(&numbers.join(" ")),
        }
    }
}

impl FromStr for WatchedBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._+*#-".contains(&b);
        match text.trim() {
            "default" => Ok(Self::Usual),
            "all" => Ok(Self::All),
            "none" => Ok(Self::Nobody),
            numbers => {
                let numbers: Vec<String> =
                    numbers.split([' ', ',']).filter(|n| !n.is_empty()).map(str::to_owned).collect();
                let right = !numbers.is_empty() && numbers.iter().all(|n| n.len() <= 32 && n.bytes().all(fits));
                right.then_some(Self::Only(numbers)).ok_or_else(|| {
                    format!(
                        "\"{text}\" names nobody; write \"default\", \"all\", \"none\", or numbers like \"101 102\""
                    )
                })
            }
        }
    }
}

impl Extension {
    /// Whether it may register and call from this address.
    pub fn allows(&self, source: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|net| net.contains(source))
    }
}

/// What a person may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Sees all calls and recordings, changes no settings.
    Supervisor,
    /// Sees what belongs to its own extension.
    Agent,
    /// A program: calls and records, no users.
    Integrator,
}

/// A person or program that logs in to an API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Number for those who want one (contract A: `ID`).
    pub id: i64,
    /// Account name.
    pub username: String,
    /// Display name.
    pub nickname: String,
    /// What it may do.
    pub role: Role,
    /// Its extension, if it has one.
    pub extension: Option<String>,
    /// A disabled user cannot log in, and its tokens no longer count.
    pub enabled: bool,
}
