//! The native API's own shapes. Times are Unix milliseconds, lengths of time milliseconds, unless their name says so.

mod audit;
mod calls;
mod messages;
mod names;
mod queues;
mod records;
mod reports;
mod routing;
mod spending;
mod trunks;
mod voicemail;
mod webhooks;

pub(crate) use audit::AuditOut;
pub(crate) use calls::{BanOut, CallOut, RegistrationOut};
pub(crate) use messages::{MessageIn, MessageOut, MessageSent, VoiceMessagesIn};
pub(crate) use names::{directions, outcomes};
pub(crate) use queues::{
    AgentOut, AgentSettings, LogInAgent, Overflow, QueueOut, QueueSettings, RingGroupSettings, SetAgent,
};
pub(crate) use records::{RecordOut, RecordPage};
pub(crate) use reports::{AgentInterval, QueueInterval};
pub(crate) use routing::{BlockedIn, BlockedOut, BlockedSide, RouteIn, RouteOut};
pub(crate) use spending::{SpendingOut, SpentOut};
pub(crate) use trunks::TrunkOut;
pub(crate) use voicemail::{MailboxOut, MailboxSettings, VoicemailChange, VoicemailOut};
pub(crate) use webhooks::{DeadOut, ResendIn, ResentOut, WebhookChange, WebhookIn, WebhookOut};

use model::{AutoAnswer, Extension, Forwards, InbandDtmf, MediaKind, Rights, Role, Srtp, User};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// An extension. Its password can be set and never read.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExtensionOut {
    /// The number, which is also the SIP user.
    #[schema(example = "1001")]
    number: String,
    /// Shown to whom it calls; may be empty.
    name: String,
    /// A disabled extension can neither register nor call nor be called.
    enabled: bool,
    /// Are its calls recorded?
    record: bool,
    /// How long it rings before the caller is told that nobody answers, seconds.
    ring_seconds: u16,
    /// How many calls it may have at once; one more finds it busy.
    max_calls: u16,
    #[schema(schema_with = names::rights)]
    rights: RightsSetting,
    /// Its number beyond the trunks, which called parties see; empty: the trunk's.
    outside_number: String,
    /// It may register and call only from these networks, such as `192.0.2.0/24`; empty: from everywhere.
    allow: Vec<String>,
    /// It may listen to the calls of others.
    monitor: bool,
    /// Its calls may ask other phones to answer by themselves.
    intercom: bool,
    #[schema(schema_with = names::auto_answers)]
    auto_answer: AutoAnswer,
    #[schema(schema_with = names::srtp)]
    srtp: SrtpSetting,
    /// The codecs it may speak, by their names in session descriptions, best first; empty: all.
    codecs: Vec<String>,
    #[schema(schema_with = names::inband_dtmf)]
    inband_dtmf: InbandDtmf,
    #[schema(schema_with = names::media_kinds)]
    media: MediaKind,
    /// How many contacts (phones, pages) it may have registered; 0: as the configuration says for all.
    contacts: u16,
    /// Who may watch it by lamps and presence: `default` (as the configuration says), `all`, `none`, or numbers with spaces between.
    watched_by: String,
    /// Where calls to it go instead.
    #[schema(value_type = ForwardSettings)]
    forward: Forwards,
    /// It takes no calls: they find it busy, and go where `forward.busy` sends them.
    do_not_disturb: bool,
    /// A second call rings while it is in one; otherwise it finds it busy.
    call_waiting: bool,
}

/// Where calls to an extension go instead, by the reason; `null`: nowhere. Calls that a queue offers to its agent are not forwarded.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes what travels")]
pub(crate) struct ForwardSettings {
    /// All of them.
    always: Option<Overflow>,
    /// Those that find it busy, refused or not to be disturbed.
    busy: Option<Overflow>,
    /// Those that ring in vain.
    no_answer: Option<Overflow>,
    /// Those that find no phone registered, or none that can be reached.
    offline: Option<Overflow>,
    /// Where `no_answer` is set, a call rings so long, 5 to 600 seconds; 0: as `ring_seconds`.
    #[schema(required = false)]
    no_answer_seconds: u16,
}

impl From<Extension> for ExtensionOut {
    fn from(extension: Extension) -> Self {
        let Extension {
            number, name, ha1: _, enabled, record, ring_seconds, max_calls, rights, outside_number, ..
        } = extension;
        let Extension {
            allow,
            monitor,
            intercom,
            auto_answer,
            srtp,
            codecs,
            contacts,
            watched_by,
            inband_dtmf,
            media,
            forward,
            do_not_disturb,
            call_waiting,
            ..
        } = extension;
        let (rights, srtp) = (RightsSetting(rights), SrtpSetting(srtp));
        let allow = allow.iter().map(ToString::to_string).collect();
        Self {
            number,
            name,
            enabled,
            record,
            ring_seconds,
            max_calls,
            rights,
            outside_number,
            allow,
            monitor,
            intercom,
            auto_answer,
            srtp,
            codecs,
            inband_dtmf,
            media,
            contacts,
            watched_by: watched_by.to_string(),
            forward,
            do_not_disturb,
            call_waiting,
        }
    }
}

/// An extension to be added. What is left out gets its usual value.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExtensionIn {
    /// 1 to 32 of `0-9 a-z A-Z . _ + * # -`.
    #[schema(example = "1001", max_length = 32)]
    pub(crate) number: String,
    /// The SIP password, 8 to 128 characters.
    #[schema(min_length = 8, max_length = 128)]
    pub(crate) password: String,
    #[serde(flatten)]
    pub(crate) settings: ExtensionSettings,
}

/// What an extension becomes. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExtensionChange {
    /// A new SIP password, 8 to 128 characters.
    #[schema(min_length = 8, max_length = 128)]
    pub(crate) password: Option<String>,
    #[serde(flatten)]
    pub(crate) settings: ExtensionSettings,
}

/// Settings of an extension, each optional.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct ExtensionSettings {
    /// Display name, at most 64 characters.
    pub(crate) name: Option<String>,
    /// Usually true.
    pub(crate) enabled: Option<bool>,
    /// Usually false.
    pub(crate) record: Option<bool>,
    /// 5 to 600, usually 30.
    #[schema(minimum = 5, maximum = 600)]
    pub(crate) ring_seconds: Option<u16>,
    /// 1 to 1000, usually 2.
    #[schema(minimum = 1, maximum = 1000)]
    pub(crate) max_calls: Option<u16>,
    /// Usually `default`.
    #[schema(schema_with = names::rights)]
    pub(crate) rights: Option<RightsSetting>,
    /// A number; empty for none.
    #[schema(max_length = 32)]
    pub(crate) outside_number: Option<String>,
    /// Networks that it may register and call from, at most 32, such as `192.0.2.0/24`; empty: from everywhere.
    #[schema(max_items = 32)]
    pub(crate) allow: Option<Vec<String>>,
    /// May it listen to the calls of others? Usually false.
    pub(crate) monitor: Option<bool>,
    /// May its calls ask other phones to answer by themselves? Usually false.
    pub(crate) intercom: Option<bool>,
    #[schema(schema_with = names::auto_answers)]
    pub(crate) auto_answer: Option<AutoAnswer>,
    /// Usually `default`.
    #[schema(schema_with = names::srtp)]
    pub(crate) srtp: Option<SrtpSetting>,
    /// Codecs that it may speak, at most 16, such as `PCMA`, best first; empty: all.
    #[schema(max_items = 16)]
    pub(crate) codecs: Option<Vec<String>>,
    /// Usually `auto`.
    #[schema(schema_with = names::inband_dtmf)]
    pub(crate) inband_dtmf: Option<InbandDtmf>,
    /// Usually `auto`.
    #[schema(schema_with = names::media_kinds)]
    pub(crate) media: Option<MediaKind>,
    /// 0 to 100; usually 0, which is as the configuration says for all.
    #[schema(maximum = 100)]
    pub(crate) contacts: Option<u16>,
    /// `default`, `all`, `none`, or at most 100 numbers with spaces between.
    pub(crate) watched_by: Option<String>,
    /// Where calls to it go instead: all of it anew.
    #[schema(value_type = Option<ForwardSettings>)]
    pub(crate) forward: Option<Forwards>,
    /// It takes no calls. Usually false.
    pub(crate) do_not_disturb: Option<bool>,
    /// A second call rings while it is in one. Usually true.
    pub(crate) call_waiting: Option<bool>,
}

impl ExtensionSettings {
    /// Nothing but what an extension's own user may set.
    pub(crate) fn is_own(&self) -> bool {
        let Self { name, enabled, record, ring_seconds, max_calls, rights, outside_number, allow, monitor, .. } = self;
        let Self { intercom, auto_answer, srtp, codecs, inband_dtmf, media, contacts, watched_by, .. } = self;
        let texts = [name, outside_number, watched_by].into_iter().all(Option::is_none);
        let switches = [enabled, record, monitor, intercom].into_iter().all(Option::is_none);
        let numbers = [ring_seconds, max_calls, contacts].into_iter().all(Option::is_none);
        let lists = [allow, codecs].into_iter().all(Option::is_none);
        let words = rights.is_none() && auto_answer.is_none() && srtp.is_none();
        texts && switches && numbers && lists && words && inband_dtmf.is_none() && media.is_none()
    }
}

/// Whether an extension's sound is encrypted, or that the configuration says so for all: `default`.
#[derive(Clone, Copy)]
pub(crate) struct SrtpSetting(pub(crate) Option<Srtp>);

impl Serialize for SrtpSetting {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.map_or("default", Srtp::name))
    }
}

impl<'de> Deserialize<'de> for SrtpSetting {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        match (name.as_str(), Srtp::of_name(&name)) {
            ("default", _) => Ok(Self(None)),
            (_, Some(srtp)) => Ok(Self(Some(srtp))),
            (_, None) => Err(D::Error::unknown_variant(&name, &["default", "off", "offered", "required"])),
        }
    }
}

/// How far an extension may call, or that the configuration says so for all: `default`.
#[derive(Clone, Copy)]
pub(crate) struct RightsSetting(pub(crate) Option<Rights>);

impl Serialize for RightsSetting {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.map_or("default", Rights::name))
    }
}

impl<'de> Deserialize<'de> for RightsSetting {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        match (name.as_str(), Rights::of_name(&name)) {
            ("default", _) => Ok(Self(None)),
            (_, Some(rights)) => Ok(Self(Some(rights))),
            (_, None) => {
                Err(D::Error::unknown_variant(&name, &["default", "internal", "local", "national", "international"]))
            }
        }
    }
}

/// Many extensions at once: all are taken or none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportIn {
    /// At most 10 000. Those that exist get the new name and password and keep their settings.
    #[schema(max_items = 10_000)]
    pub(crate) extensions: Vec<ImportItem>,
}

/// An extension as an import brings it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportItem {
    /// 1 to 32 of `0-9 a-z A-Z . _ + * # -`.
    pub(crate) number: String,
    /// Display name.
    #[serde(default)]
    pub(crate) name: String,
    /// The SIP password, 8 to 128 characters.
    #[schema(min_length = 8, max_length = 128)]
    pub(crate) password: String,
    /// How far it may call; left out: as it was.
    #[schema(schema_with = names::rights)]
    pub(crate) rights: Option<RightsSetting>,
    /// Its number beyond the trunks; left out: as it was.
    #[schema(max_length = 32)]
    pub(crate) outside_number: Option<String>,
}

/// What an import did.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImportOut {
    /// How many were new.
    pub(crate) added: usize,
    /// How many existed.
    pub(crate) changed: usize,
}

/// A person or program that may log in.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserOut {
    /// Its number, never used twice.
    id: i64,
    /// Account name.
    username: String,
    /// Display name.
    nickname: String,
    /// What it may do.
    #[schema(schema_with = names::roles)]
    role: Role,
    /// Its extension, `null` if none.
    extension: Option<String>,
    /// Can it log in, and do its tokens count?
    enabled: bool,
}

impl From<User> for UserOut {
    fn from(user: User) -> Self {
        let User { id, username, nickname, role, extension, enabled } = user;
        Self { id, username, nickname, role, extension, enabled }
    }
}

/// A user to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserIn {
    /// Account name, 1 to 64 characters.
    #[schema(max_length = 64)]
    pub(crate) username: String,
    /// Password in clear, 8 to 128 characters.
    #[schema(min_length = 8, max_length = 128)]
    pub(crate) password: String,
    /// Display name, at most 64 characters.
    #[serde(default)]
    pub(crate) nickname: String,
    /// What it may do.
    #[schema(schema_with = names::roles)]
    pub(crate) role: Role,
    /// Its extension, which must exist.
    pub(crate) extension: Option<String>,
    /// Usually true.
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
}

/// What a user becomes, whole; only the password stays if it is left out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    /// Account name, 1 to 64 characters.
    #[schema(max_length = 64)]
    pub(crate) username: String,
    /// A new password in clear, 8 to 128 characters. Tokens from before no longer count.
    #[schema(min_length = 8, max_length = 128)]
    pub(crate) password: Option<String>,
    /// Display name, at most 64 characters.
    pub(crate) nickname: String,
    /// What it may do.
    #[schema(schema_with = names::roles)]
    pub(crate) role: Role,
    /// Its extension, which must exist; `null` for none.
    pub(crate) extension: Option<String>,
    /// Can it log in?
    pub(crate) enabled: bool,
}

/// Account name and password, both in clear: use HTTPS.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginIn {
    /// Account name.
    #[schema(example = "admin")]
    pub(crate) username: String,
    /// Password in clear.
    pub(crate) password: String,
}

/// A login.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionOut {
    /// JWT, to be sent as `Authorization: Bearer …` or `x-token: …`.
    pub(crate) token: String,
    /// When the token lapses, Unix seconds.
    pub(crate) expires_at: u64,
    /// Who logged in.
    pub(crate) user: UserOut,
}

/// What a softphone in a page needs.
#[derive(Serialize, ToSchema)]
pub(crate) struct PhoneOut {
    /// The user's extension: the SIP user.
    #[schema(example = "1001")]
    pub(crate) extension: String,
    /// Shown to whom it calls.
    pub(crate) name: String,
    /// The digest realm.
    pub(crate) realm: String,
    /// Where SIP is spoken by WebSocket, at the address of this API.
    #[schema(example = "/sip")]
    pub(crate) websocket: &'static str,
    #[schema(schema_with = names::media_kinds)]
    pub(crate) media: MediaKind,
    /// `iceServers` of `RTCPeerConnection`. Their credentials lapse: ask again before each call.
    pub(crate) ice_servers: Vec<crate::ice::IceServer>,
}

fn yes() -> bool {
    true
}
