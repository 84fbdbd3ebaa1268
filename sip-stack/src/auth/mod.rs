//! Who is asking: digest access authentication (RFC 3261 §22, RFC 7616, RFC 8760) and what failures cost.
//!
//! Nothing is remembered of a challenge: a nonce says itself who made it, when and for which address. What is remembered is
//! which nonce and count carried a right digest, so that a replay is refused, and who fails often.

mod bans;
mod client;
mod digest;
mod guard;
mod limits;
mod nonce;
mod pattern;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use stdx::Entropy;

pub use bans::{Ban, BanConfig, BanReason, Bans, source_key, source_of};
pub use client::Credentials;
pub(crate) use client::Login;
pub use digest::{Algorithm, Ha1};
pub(crate) use digest::{hex, same};
pub use guard::{Failed, Guard, GuardConfig};
pub use limits::{Buckets, Rate};
pub use pattern::{Pattern, md5_only, scanners};

use crate::endpoint::{CellTag, Headers};
use crate::message::{self, Message, Name, Status, Uri};
use crate::placement::aor_hash;
use digest::Qop;
use nonce::{Mint, Replay, Use};

/// How an authenticator behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// What challenges offer, a header each, in this order, the strongest first as RFC 8760 §2.2 wants it. Right answers are
    /// accepted in any algorithm, whatever was offered.
    pub algorithms: Vec<Algorithm>,
    /// What is offered instead to phones of these User-Agents, the first that fits: widespread ones give up at the sight of
    /// anything but MD5. Nothing else of a request is looked at, so a challenge tells nobody which users there are.
    pub algorithms_for: Vec<(Pattern, Vec<Algorithm>)>,
    /// How long a nonce is good: 300 s. Later it is stale and its user gets a new one.
    pub nonce_lifetime: Duration,
    /// How many used nonces are remembered: 100 000, some 5 MB. See [`Authenticator::check`] for what happens beyond.
    pub used_nonces: usize,
    /// What failures cost.
    pub guard: GuardConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            algorithms: vec![Algorithm::Sha256, Algorithm::Sha512_256, Algorithm::Md5],
            algorithms_for: md5_only().into_iter().map(|agent| (agent, vec![Algorithm::Md5])).collect(),
            nonce_lifetime: Duration::from_secs(300),
            used_nonces: 100_000,
            guard: GuardConfig::default(),
        }
    }
}

/// Challenges and checks.
pub struct Authenticator {
    config: Config,
    mint: Mint,
    replay: Replay,
    guard: Guard,
    /// What the last failure of a source costs, until it is asked for.
    owed: Option<(IpAddr, Duration)>,
    /// A source that deserves a ban, until it is asked for.
    suspect: Option<(IpAddr, BanReason)>,
}

/// What is to be done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It comes from this user.
    Ok {
        /// The user name of the credentials, as the lookup was asked for it.
        user: String,
    },
    /// Answer with this status and these headers.
    Challenge {
        /// 401.
        status: Status,
        /// WWW-Authenticate, one for each algorithm.
        headers: Headers,
        /// The credentials were perhaps right, but for an old, strange or used nonce.
        stale: bool,
    },
    /// The credentials are wrong, or there is no such user (both look alike and cost the same): answer 403, after
    /// [`Authenticator::delay`].
    Wrong {
        /// The name that was claimed.
        user: String,
    },
    /// This user failed too often at this source: give no answer at all.
    Ignore,
}

/// One digest of a request, with all that is needed to check it.
struct Claim {
    user: String,
    nonce: Vec<u8>,
    uri: Vec<u8>,
    response: Vec<u8>,
    algorithm: Algorithm,
    qop: Option<Count>,
}

/// What a digest with `qop=auth` has besides, as written.
struct Count {
    qop: Vec<u8>,
    nc: Vec<u8>,
    count: u32,
    cnonce: Vec<u8>,
}

impl Authenticator {
    /// With the usual [`Config`].
    pub fn new(cell: CellTag, entropy: Entropy, now: Instant) -> Self {
        Self::with_config(Config::default(), cell, entropy, now)
    }

    /// With a configuration of your own.
    pub fn with_config(config: Config, cell: CellTag, entropy: Entropy, now: Instant) -> Self {
        let (replay, guard) = (Replay::new(config.used_nonces), Guard::new(config.guard));
        Self { mint: Mint::new(cell, entropy, now), replay, guard, owed: None, suspect: None, config }
    }

    /// Judges a request by its Authorization. `lookup` gives the secrets of a user, any of which counts, or none if there is no such user.
    ///
    /// No credentials for this realm, or for a nonce which is not ours, is too old or was used: a challenge (stale in all but
    /// the first case; the digest is not even looked at then, so that strangers cannot try passwords on invented nonces). With
    /// `qop=auth` a nonce may be used with many counts, each once, in any order within 64. Without qop (RFC 2069) a nonce is
    /// good once. When more nonces are in use than are remembered, the oldest become stale.
    pub fn check(
        &mut self,
        request: &Message,
        realm: &str,
        lookup: &dyn Fn(&str) -> Vec<Ha1>,
        source: IpAddr,
        now: Instant,
    ) -> Verdict {
        let claims = request.authorization().flatten().filter(|c| c.is_digest());
        let claim = claims.filter_map(|credentials| Claim::read(&credentials, realm)).next();
        let who = claim.as_ref().map_or_else(|| claimed_user(request), |claim| aor_hash(claim.user.as_bytes()));
        if self.guard.ignores(source, who, now) {
            return Verdict::Ignore;
        }
        let agent = request.header(Name::UserAgent);
        let Some(claim) = claim else {
            return self.challenge(realm, agent, source, false, now);
        };
        let known = self.mint.recognise(&claim.nonce, source, now);
        let Some((nonce, _)) = known.filter(|(_, age)| *age <= self.config.nonce_lifetime) else {
            return self.challenge(realm, agent, source, true, now);
        };
        let secrets = lookup(&claim.user);
        let method = request.method().map(|method| method.as_bytes().to_vec()).unwrap_or_default();
        let or_nobodys = if secrets.is_empty() { &[Ha1::NOBODY][..] } else { &secrets };
        let right = or_nobodys.iter().any(|secret| claim.is_answered_by(secret, &method));
        if !right || secrets.is_empty() || !same_target(&claim.uri, request.request_uri()) {
            let failed = self.guard.failed(source, who, now);
            self.suspect = failed.suspect.map(|reason| (source, reason)).or(self.suspect);
            return match failed.answer_after {
                Some(delay) => {
                    self.owed = Some((source, delay));
                    Verdict::Wrong { user: claim.user }
                }
                None => Verdict::Ignore,
            };
        }
        self.replay.expire(&self.mint, self.config.nonce_lifetime, now);
        let count = claim.qop.as_ref().map_or(u32::MAX, |qop| qop.count);
        match self.replay.use_once(nonce, count) {
            Use::First => Verdict::Ok { user: claim.user },
            Use::Again => self.challenge(realm, agent, source, true, now),
        }
    }

    /// A source that deserves a ban since the last time this was asked.
    pub fn suspect(&mut self) -> Option<(IpAddr, BanReason)> {
        self.suspect.take()
    }

    /// How long the 403 for the last [`Verdict::Wrong`] of this source has to wait
    /// ([`respond_after`](crate::endpoint::Endpoint::respond_after), [`reject_after`](crate::endpoint::Endpoint::reject_after)):
    /// nothing at first, up to 8 s for one who keeps failing.
    pub fn delay(&mut self, source: IpAddr) -> Duration {
        self.owed.take_if(|(owing, _)| *owing == source).map_or(Duration::ZERO, |(_, delay)| delay)
    }

    fn challenge(&mut self, realm: &str, agent: Option<&[u8]>, source: IpAddr, stale: bool, now: Instant) -> Verdict {
        let nonce = self.mint.nonce(source, now);
        let realm = realm.replace(['"', '\\'], "");
        let stale_param = if stale { ", stale=true" } else { "" };
        let header = |algorithm: &Algorithm| {
            let algorithm = algorithm.token();
            let value = format!(
                "Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale_param}"
            );
            ("WWW-Authenticate".to_owned(), value.into_bytes())
        };
        let special =
            agent.and_then(|agent| self.config.algorithms_for.iter().find(|(pattern, _)| pattern.fits(agent)));
        let algorithms = special.map_or(&self.config.algorithms, |(_, algorithms)| algorithms);
        let headers = algorithms.iter().map(header).collect();
        Verdict::Challenge { status: Status::UNAUTHORIZED, headers, stale }
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("failing_sources", &self.guard.len()).finish_non_exhaustive()
    }
}

impl Claim {
    /// Reads credentials for our realm; none if they are for another or lack a part.
    fn read(credentials: &message::Credentials, realm: &str) -> Option<Self> {
        let get = |name| credentials.get(name).map(|value| value.into_owned());
        if get("realm")? != realm.as_bytes() {
            return None;
        }
        let qop = match get("qop") {
            Some(qop) if qop.eq_ignore_ascii_case(b"auth") => {
                let nc = get("nc")?;
                let count = std::str::from_utf8(&nc).ok().filter(|nc| nc.len() == 8)?;
                let count = u32::from_str_radix(count, 16).ok()?;
                Some(Count { qop, nc, count, cnonce: get("cnonce")? })
            }
            Some(_) => return None,
            None => None,
        };
        Some(Self {
            user: String::from_utf8(get("username")?).ok()?,
            nonce: get("nonce")?,
            uri: get("uri")?,
            response: get("response")?.to_ascii_lowercase(),
            algorithm: Algorithm::from_token(get("algorithm").as_deref())?,
            qop,
        })
    }

    fn is_answered_by(&self, secret: &Ha1, method: &[u8]) -> bool {
        let qop = self.qop.as_ref().map(|Count { qop, nc, cnonce, .. }| Qop { nc, cnonce, qop });
        let expected = digest::response(self.algorithm, secret, method, &self.uri, &self.nonce, qop);
        digest::same(expected.as_bytes(), &self.response)
    }
}

/// Who a request without credentials says it is from, as [`Guard`] knows users.
fn claimed_user(request: &Message) -> u64 {
    let from = request.from().ok();
    aor_hash(&from.and_then(|from| from.uri.dialled().map(|user| user.to_vec())).unwrap_or_default())
}

/// Whether a digest's URI means the Request-URI. Proxies and NAT helpers rewrite hosts, ports and parameters, so only whom it
/// names counts: with a user on both sides it has to be the same.
fn same_target(claimed: &[u8], actual: &[u8]) -> bool {
    if claimed == actual {
        return true;
    }
    let (Ok(claimed), Ok(actual)) = (Uri::from_slice(claimed), Uri::from_slice(actual)) else { return false };
    match (claimed.dialled(), actual.dialled()) {
        (Some(claimed), Some(actual)) => claimed == actual,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
