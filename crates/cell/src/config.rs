//! With what a worker is set up.

use model::{BlackList, Numbers, Outcome, RightsRules, Route, SpendingCap, Trunk};
use sip_stack::message::Method;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stdx::Wall;

/// Everything a worker is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which shard this is, `0..cells`.
    pub cell: u16,
    /// How many shards there are.
    pub cells: u16,
    /// The wall clock of records.
    pub wall: Wall,
    /// The digest realm; fixed at first run, because HA1 contains it.
    pub realm: String,
    /// Our name in Server and User-Agent.
    pub server: String,
    /// Digest algorithms that challenges offer, a header each, in this order. Answers are accepted in any of them.
    pub digest: Vec<sip_stack::auth::Algorithm>,
    /// What is offered instead to phones of these User-Agents, the first that fits.
    pub digest_for: Vec<(sip_stack::auth::Pattern, Vec<sip_stack::auth::Algorithm>)>,
    /// Who is kept out.
    pub security: crate::screen::Security,
    /// Connections to the PSTN and other switches.
    pub trunks: Vec<Trunk>,
    /// Our own addresses.
    pub locals: crate::Locals,
    /// Where numbers that are no extensions lead.
    pub routes: Vec<Route>,
    /// How numbers are read, emergency numbers, clocks.
    pub numbers: Numbers,
    /// Which rights which numbers take.
    pub rights: RightsRules,
    /// With whom nobody speaks.
    pub black_list: BlackList,
    /// What each extension may spend in a day.
    pub extension_cap: SpendingCap,
    /// What all calls together may spend in a day.
    pub total_cap: SpendingCap,
    /// What is told of callers, and believed.
    pub identity: Identity,
    /// Seals what is handed out and known again: routes, temporary addresses. All workers and all processes of a switch share it; `None`:
    /// one that ends with this worker.
    pub seal: Option<sip_stack::seal::Seal>,
    /// With what callers' numbers are checked and signed.
    pub stir: crate::attest::Stir,
    /// How calls behave.
    pub policy: Policy,
    /// What callers hear.
    pub sounds: Sounds,
    /// The queues that there are at the start.
    pub queues: Vec<model::Queue>,
    /// The ring groups that there are at the start.
    pub ring_groups: Vec<model::RingGroup>,
    /// The mailboxes that there are at the start.
    pub mailboxes: Vec<model::Mailbox>,
    /// The agents that there are at the start.
    pub agents: Vec<model::Agent>,
    /// What legs to browsers share; `None`: pages speak plain RTP, or nothing.
    pub browsers: Option<media::browser::Settings>,
}

impl Config {
    /// The settings of a lone worker.
    pub fn new(realm: &str, wall: Wall) -> Self {
        let auth = sip_stack::auth::Config::default();
        Self {
            cell: 0,
            cells: 1,
            wall,
            realm: realm.to_owned(),
            server: "Patchbay".to_owned(),
            digest: auth.algorithms,
            digest_for: auth.algorithms_for,
            security: crate::screen::Security::default(),
            trunks: Vec::new(),
            locals: crate::Locals::default(),
            routes: Vec::new(),
            numbers: Numbers::default(),
            rights: RightsRules::default(),
            black_list: BlackList::default(),
            extension_cap: SpendingCap::default(),
            total_cap: SpendingCap::default(),
            identity: Identity::default(),
            seal: None,
            stir: crate::attest::Stir::default(),
            policy: Policy::default(),
            sounds: Sounds::default(),
            queues: Vec::new(),
            ring_groups: Vec::new(),
            mailboxes: Vec::new(),
            agents: Vec::new(),
            browsers: None,
        }
    }
}

/// How calls behave.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Extensions hear why a call failed before it is refused.
    pub announce: bool,
    /// In which order the phones of an extension are called.
    pub forking: Forking,
    /// Where called phones may send calls on to (3xx).
    pub redirect: Redirect,
    /// Extensions may take a call that rings at another extension, by INVITE with Replaces.
    pub pick_up: bool,
    /// Of several phones that send sound before they answer, the caller hears the last that began; else the first.
    pub latest_early_media: bool,
    /// A transferred party whose new party does not answer is put through to who transferred it.
    pub recall: bool,
    /// Recordings have one channel with both voices, not one for each.
    pub record_mixed: bool,
    /// Who hears a short tone when a recording begins.
    pub record_beep: Beep,
    /// How often they hear it again; `None`: never.
    pub record_beep_every: Option<Duration>,
    /// A recording goes on in another file before one has more octets than this.
    pub record_file_octets: u64,
    /// The names of recordings below their folder, without suffix: see [`crate::recording_name`].
    pub record_name: String,
    /// Calls are recorded whatever extension or route says.
    pub record_all: bool,
    /// Whether the sound of phones is encrypted (SRTP); what a trunk speaks is its own affair.
    pub srtp: model::Srtp,
    /// Tell when parties begin and cease to speak.
    pub tell_speech: bool,
    /// A leg from which neither RTP nor RTCP came for this long is given up.
    pub media_timeout: Duration,
    /// The longest call.
    pub max_duration: Duration,
    /// Calls at one time in this worker; one more is refused with 503 and Retry-After.
    pub max_calls: usize,
    /// After what time a call's sessions have to be refreshed (RFC 4028); none: they have no such timer.
    pub session_expires: Option<Duration>,
    /// Callers that support it acknowledge ringing (RFC 3262); those that require it always do.
    pub reliable_ringing: bool,
    /// SIP sessions at one time in this worker.
    pub max_sessions: usize,
    /// The shortest registration that is granted.
    pub min_registration: Duration,
    /// The longest registration that is granted.
    pub max_registration: Duration,
    /// Contacts that one extension may have, unless its own settings say otherwise; one more is refused with 403.
    pub max_contacts: usize,
    /// One more takes the place of the one that was renewed longest ago instead.
    pub replace_oldest: bool,
    /// A page whose WebSocket is gone keeps its registration so long, and calls to it wait; zero: it is gone at once.
    pub grace: Duration,
    /// Push services that can wake sleeping phones (RFC 8599).
    pub push_providers: Vec<String>,
    /// How long a call waits for a phone that is being woken.
    pub push_wait: Duration,
    /// Service-Route values that registering phones are told (RFC 3608).
    pub service_route: Vec<String>,
    /// Extensions may watch each other: lamps and presence. Otherwise each only itself.
    pub watch: bool,
    /// Requests outside calls that are passed on between extensions, where the switch does not serve them itself; others are refused.
    pub proxy: Vec<Method>,
    /// Extensions with which gateways are registered: their MESSAGEs may name any sender.
    pub gateways: BTreeSet<String>,
    /// Messages per call kept for the ladder; later ones are counted only.
    pub max_trace: usize,
    /// Bytes of the latest messages kept in this worker, whatever they are about.
    pub kept_messages: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            announce: true,
            forking: Forking::All,
            redirect: Redirect::Routes,
            pick_up: true,
            latest_early_media: false,
            recall: true,
            record_mixed: false,
            record_beep: Beep::Nobody,
            record_beep_every: None,
            record_file_octets: 4_000_000_000,
            record_name: "{yyyy}/{MM}/{dd}/{call}".to_owned(),
            record_all: false,
            srtp: model::Srtp::Off,
            tell_speech: false,
            media_timeout: Duration::from_secs(60),
            max_duration: Duration::from_secs(12 * 3600),
            max_calls: 20_000,
            session_expires: Some(Duration::from_secs(1800)),
            reliable_ringing: false,
            max_sessions: 50_000,
            min_registration: Duration::from_secs(60),
            max_registration: Duration::from_secs(3600),
            max_contacts: 10,
            replace_oldest: false,
            grace: Duration::from_secs(30),
            push_providers: Vec::new(),
            push_wait: Duration::ZERO,
            service_route: Vec::new(),
            watch: true,
            proxy: vec![
                Method::Options,
                Method::Subscribe,
                Method::Publish,
                Method::Notify,
                Method::Info,
                Method::Refer,
            ],
            gateways: BTreeSet::new(),
            max_trace: 64,
            kept_messages: 4 << 20,
        }
    }
}

/// Who hears that there is a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beep {
    /// Nobody.
    #[default]
    Nobody,
    /// Both parties.
    Both,
    /// Who calls.
    Caller,
    /// Who was called.
    Callee,
}

/// In which order the phones of an extension are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forking {
    /// All at once.
    #[default]
    All,
    /// The most preferred first (RFC 3261 §16.6); those of equal preference at once.
    ByPreference,
}

/// Where called phones may send calls on to (3xx, RFC 3261 §8.1.3.4). Whatever address they name, only its number counts,
/// and it is called as if they had dialled it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirect {
    /// Nowhere: a redirection is a refusal.
    Off,
    /// To our own extensions.
    Extensions,
    /// To our own extensions and by the routes that the phone may use itself.
    #[default]
    Routes,
}

/// What is told of callers, and believed.
#[derive(Clone, Debug)]
pub struct Identity {
    /// P-Asserted-Identity or Remote-Party-ID of a trunk names the caller.
    pub trust_trunks: bool,
    /// Trunks are told P-Asserted-Identity, also of callers who want to stay private (with `Privacy: id`, RFC 3325 §7).
    pub tell_trunks: bool,
    /// Phones are told P-Asserted-Identity, unless the caller wants to stay private.
    pub tell_phones: bool,
    /// Diversion of a call that was sent on before it reached us is told on; its numbers only, never its hosts.
    pub pass_diversion: bool,
    /// Names of headers that pass from a caller's INVITE to the called phones, `X-*` for all that begin so. Headers that SIP
    /// itself gives a meaning never pass.
    pub pass_headers: Vec<String>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            trust_trunks: true,
            tell_trunks: false,
            tell_phones: false,
            pass_diversion: true,
            pass_headers: Vec::new(),
        }
    }
}

/// What callers hear from the switch itself.
#[derive(Clone, Debug, Default)]
pub struct Sounds {
    /// Ringback, busy and congestion as in this country.
    pub country: media::tones::Country,
    /// Spoken reasons. Where there is none, a tone tells.
    pub prompts: BTreeMap<Outcome, crate::Clips>,
    /// What a party hears while it is held, round and round; empty: nothing.
    pub music: crate::Clips,
}
