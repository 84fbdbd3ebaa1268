//! Who is listened to, and in which order: decided at a glance, before a message is read.
//!
//! A source that is banned is not listened to. A source that nobody has vouched for may say so much a second and no more;
//! whatever is beyond that is dropped without an answer, for UDP lets anybody write anybody's address. Who has proved who
//! it is (a registered flow, a caller that authenticated), a trunk and the networks that the operator names pass by.

use model::{Net, Source};
use sip_stack::auth::{Ban, BanConfig, BanReason, Bans, Buckets, Pattern, Rate};
use sip_stack::endpoint::Flow;
use sip_stack::placement::{Kind, called_hint, credentials_hint, emergency_hint, kind_hint, user_agent_hint};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Flows that are vouched for at one time. Beyond it new ones are treated as strangers until old ones lapse.
const VOUCHED: usize = 200_000;

/// Strangers whose rate is remembered, per worker.
const STRANGERS: usize = 20_000;

/// How long a flow is trusted after somebody proved by it who it is.
pub(crate) const PROVEN_FOR: Duration = Duration::from_secs(3600);

/// How much somebody may say, by what it is. 0 a second is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// REGISTER.
    pub register: Rate,
    /// INVITE.
    pub invite: Rate,
    /// SUBSCRIBE and PUBLISH.
    pub subscribe: Rate,
    /// MESSAGE.
    pub message: Rate,
    /// Everything else, garbage too.
    pub other: Rate,
}

impl Rates {
    /// A source that nobody has vouched for, per worker. An office whose phones all start at once is one source: each
    /// registration that succeeds gives its tokens back.
    pub const SOURCE: Self = Self {
        register: Rate::new(50, 500),
        invite: Rate::new(20, 200),
        subscribe: Rate::new(50, 500),
        message: Rate::new(20, 200),
        other: Rate::new(50, 500),
    };

    /// A user who has proved who it is. More are answered 503 with Retry-After.
    pub const USER: Self = Self {
        register: Rate::new(5, 50),
        invite: Rate::new(10, 100),
        subscribe: Rate::new(20, 200),
        message: Rate::new(10, 100),
        other: Rate::new(20, 200),
    };

    /// That of one kind.
    pub fn of(&self, kind: Kind) -> Rate {
        match kind {
            Kind::Register => self.register,
            Kind::Invite => self.invite,
            Kind::Subscribe => self.subscribe,
            Kind::Message => self.message,
            Kind::Other => self.other,
            // Of calls that exist: their answers must not be lost. Cheap to turn away when they are forged.
            Kind::Established | Kind::KeepAlive => Rate::new(2000, 4000),
        }
    }
}

/// Who is kept out.
#[derive(Clone, Debug)]
pub struct Security {
    /// Never banned, never limited: monitoring, own offices. Trunks need not be named.
    pub never_ban: Vec<Net>,
    /// User-Agents whose requests are dropped and whose sources are banned at once.
    pub scanners: Vec<Pattern>,
    /// What strangers may say.
    pub source_rates: Rates,
    /// What users may say.
    pub user_rates: Rates,
    /// What wrong credentials cost.
    pub guard: sip_stack::auth::GuardConfig,
    /// How long bans last.
    pub bans: BanConfig,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            never_ban: Vec::new(),
            scanners: sip_stack::auth::scanners(),
            source_rates: Rates::SOURCE,
            user_rates: Rates::USER,
            guard: sip_stack::auth::GuardConfig::default(),
            bans: BanConfig::default(),
        }
    }
}

/// What is done with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Read it, in the turn of its class.
    Pass(Class),
    /// Nobody listens.
    Drop,
    /// Nobody listens, and its sender is to be banned: it calls itself a scanner.
    Scanner,
}

/// The order in which what waits is read: what exists goes before what is new, who is known before strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Messages of calls and transactions that exist, and keep-alives.
    Established,
    /// Requests other than new calls of those who are known: registrations that are renewed above all.
    Known,
    /// New calls of those who are known, trunks among them.
    Call,
    /// Strangers.
    Stranger,
}

impl Class {
    /// All, in their order.
    pub const ALL: [Self; 4] = [Self::Established, Self::Known, Self::Call, Self::Stranger];
}

/// What was turned away at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScreenStats {
    /// From banned sources.
    pub banned: u64,
    /// From strangers, more than their rate.
    pub limited: u64,
    /// From scanners by their own name.
    pub scanners: u64,
}

/// The look at everything that arrives from outside.
#[derive(Debug)]
pub(crate) struct Screen {
    config: Security,
    trunks: Vec<Source>,
    /// Emergency numbers that lead somewhere.
    emergency: BTreeSet<String>,
    /// Where phones have registered from, until when.
    phones: BTreeMap<SocketAddr, Instant>,
    pub(crate) bans: Bans,
    buckets: Buckets<(Kind, bool, u128)>,
    users: Buckets<(Kind, u64)>,
    vouched: BTreeMap<SocketAddr, Instant>,
    pub(crate) stats: ScreenStats,
}

impl Screen {
    pub(crate) fn new(config: Security, trunks: Vec<Source>, emergency: BTreeSet<String>) -> Self {
        Self {
            bans: Bans::new(config.bans),
            buckets: Buckets::new(STRANGERS),
            users: Buckets::new(STRANGERS),
            vouched: BTreeMap::new(),
            phones: BTreeMap::new(),
            stats: ScreenStats::default(),
            config,
            trunks,
            emergency,
        }
    }

    /// Looks at a datagram.
    pub(crate) fn look(&mut self, flow: Flow, data: &[u8], now: Instant) -> Look {
        let kind = kind_hint(data);
        let source = flow.remote.ip();
        if self.is_vouched(flow.remote, now) || self.is_exempt_at(flow.remote) {
            return Look::Pass(match kind {
                Kind::Established | Kind::KeepAlive => Class::Established,
                // An emergency call does not stand in line with other calls.
                Kind::Invite if self.is_urgent(flow, data) => Class::Known,
                Kind::Invite => Class::Call,
                Kind::Register | Kind::Subscribe | Kind::Message | Kind::Other => Class::Known,
            });
        }
        if self.bans.drops(source, now) {
            self.stats.banned += 1;
            return Look::Drop;
        }
        // Answers to challenges have a bucket of their own. When an office begins anew, each phone asks twice; were both taken from one
        // bucket, its tokens would go to first questions, and hardly a phone would come to its second.
        let answers = !matches!(kind, Kind::Established | Kind::KeepAlive | Kind::Other) && credentials_hint(data);
        if !self.buckets.take((kind, answers, key(source)), self.config.source_rates.of(kind), now) {
            self.stats.limited += 1;
            return Look::Drop;
        }
        match kind {
            Kind::Established | Kind::KeepAlive => Look::Pass(Class::Established),
            _ if self.is_scanner(data) => {
                self.stats.scanners += 1;
                Look::Scanner
            }
            _ => Look::Pass(Class::Stranger),
        }
    }

    /// Somebody has proved by this flow who it is.
    pub(crate) fn vouch(&mut self, remote: SocketAddr, until: Instant, now: Instant) {
        if self.vouched.len() >= VOUCHED && !self.vouched.contains_key(&remote) {
            self.vouched.retain(|_, until| *until > now);
            if self.vouched.len() >= VOUCHED {
                return;
            }
        }
        let known = self.vouched.entry(remote).or_insert(until);
        *known = until.max(*known);
        for answers in [false, true] {
            self.buckets.forgive((Kind::Register, answers, key(remote.ip())), 1, self.config.source_rates.register);
        }
    }

    /// Until when a flow is vouched for.
    pub(crate) fn vouched_until(&self, remote: SocketAddr) -> Option<Instant> {
        self.vouched.get(&remote).copied()
    }

    /// An INVITE to an emergency number, or of a trunk that says that it is an emergency.
    pub(crate) fn is_urgent(&self, flow: Flow, data: &[u8]) -> bool {
        if !data.starts_with(b"INVITE ") {
            return false;
        }
        if self.trunks.iter().any(|trunk| trunk.fits(flow.remote).is_some()) {
            return emergency_hint(data);
        }
        let called = || std::str::from_utf8(called_hint(data)?).ok();
        !self.emergency.is_empty() && called().is_some_and(|number| self.emergency.contains(number))
    }

    /// Whether somebody has proved by this flow who it is.
    pub(crate) fn is_vouched(&self, remote: SocketAddr, now: Instant) -> bool {
        self.vouched.get(&remote).is_some_and(|until| now < *until)
    }

    /// A token of a user who has proved who it is.
    pub(crate) fn user_may(&mut self, user: &str, kind: Kind, now: Instant) -> bool {
        let user = sip_stack::placement::aor_hash(user.as_bytes());
        self.users.take((kind, user), self.config.user_rates.of(kind), now)
    }

    /// A phone has registered from here, at an address that a trunk calls from too; elsewhere it need not be remembered. One beyond
    /// [`VOUCHED`] is not: it is taken for the trunk until others lapse, unless it names its extension.
    pub(crate) fn note_phone(&mut self, remote: SocketAddr, until: Instant, now: Instant) {
        if !self.trunks.iter().any(|trunk| trunk.net.contains(remote.ip())) {
            return;
        }
        if self.phones.len() >= VOUCHED {
            self.phones.retain(|_, until| *until > now);
        }
        if self.phones.len() < VOUCHED {
            self.phones.insert(remote, until);
        }
    }

    /// Whether a phone has registered from here.
    pub(crate) fn is_phone(&self, remote: SocketAddr) -> bool {
        self.phones.contains_key(&remote)
    }

    fn is_exempt_at(&self, remote: SocketAddr) -> bool {
        self.trunks.iter().any(|trunk| trunk.fits(remote).is_some())
            || self.config.never_ban.iter().any(|net| net.contains(remote.ip()))
    }

    /// Trunks, and whom the operator named.
    pub(crate) fn is_exempt(&self, source: IpAddr) -> bool {
        self.trunks.iter().any(|trunk| trunk.net.contains(source))
            || self.config.never_ban.iter().any(|net| net.contains(source))
    }

    fn is_scanner(&self, data: &[u8]) -> bool {
        let Some(agent) = user_agent_hint(data) else { return false };
        self.config.scanners.iter().any(|pattern| pattern.fits(agent))
    }

    /// Bans a source; none if it never is, or is already.
    pub(crate) fn ban(&mut self, source: IpAddr, reason: BanReason, now: Instant) -> Option<Ban> {
        if self.is_exempt(source) && reason != BanReason::Operator {
            return None;
        }
        self.bans.ban(source, reason, now)
    }
}

/// What stands for a source: an IPv4 address, or the /64 that an IPv6 customer gets.
fn key(source: IpAddr) -> u128 {
    sip_stack::auth::source_key(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(remote: &str) -> Flow {
        Flow::udp("192.0.2.1:5060".parse().unwrap(), remote.parse().unwrap())
    }

    fn request(method: &str, agent: &str) -> Vec<u8> {
        format!("{method} sip:100@pbx SIP/2.0\r\nTo: <sip:100@pbx>\r\nUser-Agent: {agent}\r\n\r\n").into_bytes()
    }

    fn screen() -> Screen {
        let never_ban = vec!["10.0.0.0/8".parse().unwrap()];
        let emergency = BTreeSet::from(["110".to_owned()]);
        let trunk: IpAddr = "198.51.100.1".parse().unwrap();
        Screen::new(Security { never_ban, ..Security::default() }, vec![trunk.into()], emergency)
    }

    fn passes(screen: &mut Screen, remote: &str, method: &str, now: Instant) -> usize {
        let data = request(method, "x");
        (0..1000).filter(|_| matches!(screen.look(flow(remote), &data, now), Look::Pass(_))).count()
    }

    #[test]
    fn strangers_have_a_rate_for_each_kind_and_the_known_none() {
        let (mut screen, now) = (screen(), stdx::testing::start());
        assert_eq!(passes(&mut screen, "203.0.113.1:5060", "INVITE", now), 200);
        assert_eq!(passes(&mut screen, "203.0.113.1:9", "INVITE", now), 0, "another port of the same");
        assert_eq!(passes(&mut screen, "203.0.113.1:5060", "REGISTER", now), 500);
        assert_eq!(passes(&mut screen, "203.0.113.2:5060", "INVITE", now), 200, "another source");
        assert_eq!(passes(&mut screen, "198.51.100.1:5060", "INVITE", now), 1000, "a trunk");
        assert_eq!(passes(&mut screen, "10.9.9.9:5060", "INVITE", now), 1000, "a network of ours");
        assert_eq!(screen.stats.limited, 800 + 1000 + 500 + 800);
        screen.vouch("203.0.113.1:5060".parse().unwrap(), now + PROVEN_FOR, now);
        assert_eq!(passes(&mut screen, "203.0.113.1:5060", "INVITE", now), 1000, "it has registered");
        assert_eq!(passes(&mut screen, "203.0.113.1:9", "REGISTER", now), 1, "a success gives its tokens back");
        assert!(passes(&mut screen, "203.0.113.1:5060", "INVITE", now + PROVEN_FOR) < 1000, "it has lapsed");
    }

    #[test]
    fn a_scanner_is_known_by_its_name_and_banned_but_for_those_who_never_are() {
        let (mut screen, now) = (screen(), stdx::testing::start());
        let scan = request("OPTIONS", "friendly-scanner");
        assert_eq!(screen.look(flow("203.0.113.1:5060"), &scan, now), Look::Scanner);
        assert_eq!(screen.look(flow("10.1.1.1:5060"), &scan, now), Look::Pass(Class::Known));
        assert!(screen.ban("203.0.113.1".parse().unwrap(), BanReason::Scanner, now).is_some());
        assert!(screen.ban("10.1.1.1".parse().unwrap(), BanReason::Scanner, now).is_none());
        assert!(screen.ban("198.51.100.1".parse().unwrap(), BanReason::Failures, now).is_none());
        assert_eq!(passes(&mut screen, "203.0.113.1:1", "OPTIONS", now), 0);
        assert_eq!(screen.stats.banned, 1000);
    }

    #[test]
    fn what_exists_goes_before_what_is_new_and_the_known_before_strangers() {
        let (mut screen, now) = (screen(), stdx::testing::start());
        let trunk = flow("198.51.100.1:5060");
        let stranger = flow("203.0.113.1:5060");
        let mut class = |flow, method| match screen.look(flow, &request(method, "x"), now) {
            Look::Pass(class) => class,
            look => panic!("{look:?}"),
        };
        assert_eq!(class(trunk, "BYE"), Class::Established);
        assert_eq!(class(trunk, "INVITE"), Class::Call);
        assert_eq!(class(trunk, "OPTIONS"), Class::Known);
        assert_eq!(class(stranger, "BYE"), Class::Established);
        assert_eq!(class(stranger, "REGISTER"), Class::Stranger);
        assert!(Class::ALL.is_sorted());
        screen.vouch("203.0.113.9:5060".parse().unwrap(), now + PROVEN_FOR, now);
        let emergency = request("INVITE", "x").escape_ascii().to_string().replace("100@", "110@");
        let mut look =
            |remote: &str, data: &str| screen.look(flow(remote), data.replace("\\r\\n", "\r\n").as_bytes(), now);
        assert_eq!(look("203.0.113.9:5060", &emergency), Look::Pass(Class::Known), "ahead of other calls");
        assert_eq!(look("203.0.113.8:5060", &emergency), Look::Pass(Class::Stranger), "anybody can dial it");
        assert_eq!(look("198.51.100.1:5060", &emergency), Look::Pass(Class::Call), "no number of a trunk's");
        let said = emergency.replace("User-Agent", "Resource-Priority: esnet.0\r\nUser-Agent");
        assert_eq!(look("198.51.100.1:5060", &said), Look::Pass(Class::Known), "a trunk says so");
    }
}
