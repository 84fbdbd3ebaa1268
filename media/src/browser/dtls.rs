//! The DTLS-SRTP handshake of one leg: RFC 5763, RFC 5764. str0m's; here it meets fingerprints and our keys.

use super::link::Fingerprint;
use crate::srtp::{MasterKey, Suite};
use aws_lc_rs::digest;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::crypto::CryptoProvider;
use str0m::crypto::dtls::{DtlsCert, DtlsInstance, DtlsOutput, DtlsVersion, KeyingMaterial, SrtpProfile};

/// The largest datagram of a handshake, which fits every path of the Internet.
const MTU: usize = 1_200;
/// Room for one, and for the certificate of the other side.
const ROOM: usize = 4_096;
/// Datagrams that one step of a handshake may send.
const MAX_STEP: usize = 64;
/// How often in [`PAUSE`] a handshake begins anew after something came that could not be from the browser. After that nothing is listened to
/// until the time is over: the browser repeats what it says.
const MAX_BEGINNINGS: u8 = 16;
const PAUSE: Duration = Duration::from_secs(1);
/// A handshake that says nothing about its time is asked again so late.
const NEVER: Duration = Duration::from_secs(3_600);

/// With what the switch proves itself to browsers: a key of its own, signed by nobody, named by descriptions.
pub struct Certificate {
    provider: CryptoProvider,
    inner: DtlsCert,
    fingerprint: String,
}

impl Certificate {
    /// A new one; `None` if the system has no randomness for it. Made by the shell, once in a process.
    pub fn generate() -> Option<Self> {
        let provider = str0m::crypto::from_feature_flags();
        let inner = provider.dtls_provider.generate_certificate()?;
        let hash = digest::digest(&digest::SHA256, &inner.certificate);
        let octets: Vec<String> = hash.as_ref().iter().map(|octet| format!("{octet:02X}")).collect();
        let fingerprint = format!("sha-256 {}", octets.join(":"));
        Some(Self { provider, inner, fingerprint })
    }

    fn instance(&self, role: Role, now: Instant) -> Option<Box<dyn DtlsInstance>> {
        let provider = self.provider.dtls_provider;
        let mut instance = provider.new_dtls(&self.inner, now, DtlsVersion::Auto, Some(MTU)).ok()?;
        instance.set_active(role == Role::Active);
        Some(instance)
    }

    /// The value of `a=fingerprint` (RFC 8122 §5).
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// Who begins the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// We do: `a=setup:active`.
    Active,
    /// The browser does: `a=setup:passive`.
    Passive,
}

/// What a step brought.
#[derive(Debug)]
pub(crate) enum News {
    /// The keys of the peer, and ours; they come once, and only for the certificate described.
    Keys { theirs: MasterKey, ours: MasterKey },
    /// It failed: it cannot go on, or the certificate is another.
    Failed,
}

/// The handshake.
#[derive(Debug)]
pub(crate) struct Handshake {
    certificate: Arc<Certificate>,
    beginnings: u8,
    /// Since when they are counted.
    counted_from: Instant,
    /// The instance is of no use any more, and it is too early for another.
    deaf: bool,
    instance: Box<dyn DtlsInstance>,
    role: Role,
    expected: Vec<Fingerprint>,
    state: State,
    timeout: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// Nothing has been sent yet: we begin when there is somebody to send to.
    Waiting,
    Running {
        proved: bool,
        keys: Option<(MasterKey, MasterKey)>,
    },
    Done,
    Failed,
}

impl Handshake {
    /// A handshake with whoever has a certificate of these fingerprints; `None` if it cannot be made.
    pub(crate) fn new(
        certificate: &Arc<Certificate>,
        role: Role,
        expected: Vec<Fingerprint>,
        now: Instant,
    ) -> Option<Self> {
        let instance = certificate.instance(role, now)?;
        let certificate = Arc::clone(certificate);
        Some(Self {
            certificate,
            beginnings: 1,
            counted_from: now,
            deaf: false,
            instance,
            role,
            expected,
            state: State::Waiting,
            timeout: None,
        })
    }

    /// Begins anew if nothing was proved yet: whoever sends with the browser's address must not end its handshake by a
    /// datagram of rubbish.
    fn begin_anew(&mut self, now: Instant) -> bool {
        if !matches!(self.state, State::Running { proved: false, keys: None }) {
            return false;
        }
        if now >= self.counted_from + PAUSE {
            (self.counted_from, self.beginnings) = (now, 0);
        }
        self.deaf = self.beginnings >= MAX_BEGINNINGS;
        if self.deaf {
            self.timeout = Some(self.counted_from + PAUSE);
            return true;
        }
        let Some(instance) = self.certificate.instance(self.role, now) else { return false };
        self.beginnings += 1;
        self.instance = instance;
        true
    }

    /// True if it is with the one that has these fingerprints.
    pub(crate) fn is_with(&self, expected: &[Fingerprint]) -> bool {
        self.expected == expected
    }

    /// There is somebody to send to.
    pub(crate) fn begin(&mut self, out: &mut Vec<Vec<u8>>, now: Instant) -> Option<News> {
        if self.role != Role::Active || !matches!(self.state, State::Waiting) {
            return None;
        }
        self.run();
        self.step(None, out, now)
    }

    /// A datagram came.
    pub(crate) fn receive(&mut self, datagram: &[u8], out: &mut Vec<Vec<u8>>, now: Instant) -> Option<News> {
        self.run();
        self.step(Some(datagram), out, now)
    }

    /// Time passed.
    pub(crate) fn handle_timeout(&mut self, out: &mut Vec<Vec<u8>>, now: Instant) -> Option<News> {
        if self.timeout.is_none_or(|at| at > now) {
            return None;
        }
        self.step(None, out, now)
    }

    /// When [`Handshake::handle_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    fn run(&mut self) {
        if matches!(self.state, State::Waiting) {
            self.state = State::Running { proved: false, keys: None };
        }
    }

    fn step(&mut self, datagram: Option<&[u8]>, out: &mut Vec<Vec<u8>>, now: Instant) -> Option<News> {
        if matches!(self.state, State::Failed) || (self.deaf && now < self.counted_from + PAUSE) {
            return None;
        }
        if self.deaf && !self.begin_anew(now) {
            return self.fail();
        }
        let taken: Result<(), _> = self.instance.handle_timeout(now).and_then(|()| match datagram {
            Some(datagram) => self.instance.handle_packet(datagram),
            None => Ok(()),
        });
        if let Err(error) = &taken {
            tracing::debug!(%error, "handshake with a browser");
        }
        let fine = (taken.is_ok() || self.begin_anew(now)) && (self.deaf || self.drain(out, now));
        match &mut self.state {
            State::Running { proved: true, keys } if fine => {
                let (theirs, ours) = keys.take()?;
                self.state = State::Done;
                Some(News::Keys { theirs, ours })
            }
            // Once there are keys, nothing depends on the handshake any more.
            State::Done => {
                self.timeout = self.timeout.filter(|_| fine);
                None
            }
            State::Running { .. } if fine => None,
            State::Waiting | State::Running { .. } | State::Failed => self.fail(),
        }
    }

    fn fail(&mut self) -> Option<News> {
        self.state = State::Failed;
        self.timeout = None;
        Some(News::Failed)
    }

    /// Takes what the handshake has to say; false if it cannot go on.
    fn drain(&mut self, out: &mut Vec<Vec<u8>>, now: Instant) -> bool {
        let mut room = [0; ROOM];
        for _ in 0..MAX_STEP {
            match self.instance.poll_output(&mut room) {
                DtlsOutput::Packet(packet) => out.push(packet.to_vec()),
                DtlsOutput::Timeout(at) => {
                    self.timeout = Some(at).filter(|at| *at < now + NEVER);
                    return true;
                }
                DtlsOutput::PeerCert(der) => {
                    let matches = self.expected.iter().any(|fingerprint| fingerprint.is_of(der));
                    match &mut self.state {
                        State::Running { proved, .. } if matches => *proved = true,
                        _ => return false,
                    }
                }
                DtlsOutput::KeyingMaterial(material, profile) => {
                    let made = split(&material, profile, self.role);
                    match &mut self.state {
                        State::Running { keys, .. } if made.is_some() => *keys = made,
                        _ => return false,
                    }
                }
                DtlsOutput::BufferTooSmall { .. } => return false,
                // A page that goes away says so; its BYE, or its silence, ends the call.
                _ => {}
            }
        }
        true
    }
}

/// The keys of the peer, and ours: RFC 5764 §4.2.
fn split(material: &KeyingMaterial, profile: SrtpProfile, role: Role) -> Option<(MasterKey, MasterKey)> {
    let suite = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128HmacSha1_80,
        SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
        _ => return None,
    };
    let (key, salt) = suite.lengths();
    if material.len() < 2 * (key + salt) {
        return None;
    }
    let (keys, salts) = material.split_at(2 * key);
    let master = |side: usize| {
        let joined = [&keys[side * key..][..key], &salts[side * salt..][..salt]].concat();
        MasterKey::new(suite, &joined)
    };
    let (client, server) = (master(0)?, master(1)?);
    Some(match role {
        Role::Active => (server, client),
        Role::Passive => (client, server),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(expected_of_server: &str) -> (Handshake, Handshake, Instant) {
        let now = stdx::testing::start();
        let (a, b) = (Arc::new(Certificate::generate().unwrap()), Arc::new(Certificate::generate().unwrap()));
        let named = |text: &str| vec![Fingerprint::parse(text).unwrap()];
        let expected = if expected_of_server.is_empty() { b.fingerprint() } else { expected_of_server };
        let active = Handshake::new(&a, Role::Active, named(expected), now).unwrap();
        let passive = Handshake::new(&b, Role::Passive, named(a.fingerprint()), now).unwrap();
        (active, passive, now)
    }

    /// Lets them speak until nobody has anything to say; every `lose`th datagram is lost.
    fn speak(active: &mut Handshake, passive: &mut Handshake, mut now: Instant, lose: usize) -> [Option<News>; 2] {
        let (mut to_passive, mut to_active) = (Vec::new(), Vec::new());
        let mut news = [active.begin(&mut to_passive, now), None];
        let mut sent = 0;
        for _ in 0..200 {
            now += Duration::from_millis(50);
            for datagram in std::mem::take(&mut to_passive) {
                sent += 1;
                if lose == 0 || sent % lose != 0 {
                    news[1] = passive.receive(&datagram, &mut to_active, now).or(news[1].take());
                }
            }
            for datagram in std::mem::take(&mut to_active) {
                sent += 1;
                if lose == 0 || sent % lose != 0 {
                    news[0] = active.receive(&datagram, &mut to_passive, now).or(news[0].take());
                }
            }
            news[0] = active.handle_timeout(&mut to_passive, now).or(news[0].take());
            news[1] = passive.handle_timeout(&mut to_active, now).or(news[1].take());
        }
        news
    }

    #[test]
    fn both_roles_come_to_the_same_keys_also_over_a_bad_line() {
        for lose in [0, 3] {
            let (mut active, mut passive, now) = pair("");
            let [Some(News::Keys { theirs, ours }), Some(News::Keys { theirs: theirs2, ours: ours2 })] =
                speak(&mut active, &mut passive, now, lose)
            else {
                panic!("no keys: {active:?} {passive:?}");
            };
            assert!(theirs == ours2 && ours == theirs2 && ours != theirs);
        }
    }

    #[test]
    fn another_certificate_than_described_gives_no_keys() {
        let other = Certificate::generate().unwrap();
        let (mut active, mut passive, now) = pair(other.fingerprint());
        let [active_news, _] = speak(&mut active, &mut passive, now, 0);
        assert!(matches!(active_news, Some(News::Failed)), "{active_news:?}");
    }

    #[test]
    fn garbage_neither_ends_a_handshake_nor_makes_keys() {
        let (mut active, mut passive, now) = pair("");
        let mut out = Vec::new();
        let mut entropy = stdx::Entropy::seeded(5);
        for len in 0..300 {
            let mut datagram = vec![22; len];
            entropy.fill(&mut datagram[len.min(1)..]);
            let news = passive.receive(&datagram, &mut out, now);
            assert!(news.is_none(), "{len} {news:?}");
        }
        let news = speak(&mut active, &mut passive, now, 0);
        assert!(news.iter().all(|n| matches!(n, Some(News::Keys { .. }))), "{news:?}");
    }

    #[test]
    fn what_breaks_handshakes_all_the_time_is_not_listened_to_for_a_while() {
        let (mut active, mut passive, now) = pair("");
        let mut out = Vec::new();
        let mut hello = Vec::new();
        active.begin(&mut hello, now);
        for n in 0..500u64 {
            let mut broken = hello[0].clone();
            // A fragment that claims more than there is.
            broken[19..25].copy_from_slice(&[0, 0, n as u8, 0, 2, 0]);
            assert!(passive.receive(&broken, &mut out, now).is_none(), "{n}");
            assert!(passive.beginnings <= MAX_BEGINNINGS);
        }
        for datagram in hello {
            passive.receive(&datagram, &mut out, now);
        }
        let (mut to_active, mut to_passive, mut news) = (out, Vec::new(), Vec::new());
        let mut now = now;
        for _ in 0..400 {
            now += Duration::from_millis(50);
            for datagram in std::mem::take(&mut to_active) {
                news.extend(active.receive(&datagram, &mut to_passive, now));
            }
            for datagram in std::mem::take(&mut to_passive) {
                news.extend(passive.receive(&datagram, &mut to_active, now));
            }
            news.extend(active.handle_timeout(&mut to_passive, now));
            news.extend(passive.handle_timeout(&mut to_active, now));
        }
        assert!(news.len() == 2 && news.iter().all(|n| matches!(n, News::Keys { .. })), "{news:?}");
    }
}
