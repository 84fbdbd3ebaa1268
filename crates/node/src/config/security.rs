//! `[security]`: who is kept out, and for how long. And `[[sip.digest_for]]`.

use super::words;
use model::Net;
use serde::Deserialize;
use sip_stack::auth::{Algorithm, Pattern, Rate};
use std::time::Duration;

/// `[[sip.digest_for]]`: what is offered to phones of a User-Agent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestFor {
    /// The User-Agent, with `*` for anything.
    pub user_agent: String,
    /// What challenges offer such a phone, in this order.
    #[serde(deserialize_with = "words::algorithms")]
    pub digest: Vec<Algorithm>,
}

/// `[security]`: who is kept out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// Networks that are never banned or limited.
    pub never_ban: Vec<Net>,
    /// The first ban of a source; each further one is twice as long.
    #[serde(rename = "ban_seconds", deserialize_with = "words::seconds")]
    pub ban: Duration,
    /// The longest ban.
    #[serde(rename = "ban_max_seconds", deserialize_with = "words::seconds")]
    pub ban_max: Duration,
    /// A source with wrong passwords for so many users within ten minutes is banned.
    pub ban_users: u32,
    /// A source with so many wrong passwords within ten minutes is banned.
    pub ban_failures: u32,
    /// User-Agents that are dropped and whose sources are banned at once, with `*` for anything.
    pub scanners: Vec<String>,
    /// Messages per second from one source that nobody has vouched for.
    pub source: RateLimits,
    /// Messages per second of one user who has proved who it is.
    pub user: RateLimits,
}

/// Messages per second; ten times as many at once for sources. 0: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimits {
    /// REGISTER.
    pub register: u32,
    /// INVITE.
    pub invite: u32,
    /// SUBSCRIBE and PUBLISH.
    pub subscribe: u32,
    /// MESSAGE.
    pub message: u32,
    /// Everything else.
    pub other: u32,
}

impl RateLimits {
    fn of(rates: cell::Rates) -> Self {
        Self {
            register: rates.register.per_second,
            invite: rates.invite.per_second,
            subscribe: rates.subscribe.per_second,
            message: rates.message.per_second,
            other: rates.other.per_second,
        }
    }

    fn rates(self) -> cell::Rates {
        let rate = |per_second: u32| Rate::new(per_second, per_second.saturating_mul(10));
        cell::Rates {
            register: rate(self.register),
            invite: rate(self.invite),
            subscribe: rate(self.subscribe),
            message: rate(self.message),
            other: rate(self.other),
        }
    }
}

impl Default for Security {
    fn default() -> Self {
        let cell::Security { never_ban, scanners, source_rates, user_rates, guard, bans } = cell::Security::default();
        Self {
            never_ban,
            ban: bans.first,
            ban_max: bans.longest,
            ban_users: guard.users as u32,
            ban_failures: guard.failures,
            scanners: scanners.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
            source: RateLimits::of(source_rates),
            user: RateLimits::of(user_rates),
        }
    }
}

impl Security {
    /// In the cell's words.
    pub fn to_cell(&self) -> cell::Security {
        let defaults = cell::Security::default();
        cell::Security {
            never_ban: self.never_ban.clone(),
            scanners: self.scanners.iter().map(|text| Pattern::new(text)).collect(),
            source_rates: self.source.rates(),
            user_rates: self.user.rates(),
            guard: sip_stack::auth::GuardConfig {
                users: self.ban_users as usize,
                failures: self.ban_failures,
                ..defaults.guard
            },
            bans: sip_stack::auth::BanConfig { first: self.ban, longest: self.ban_max, ..defaults.bans },
        }
    }
}

/// The operator's words before what is known of phones.
pub fn digest_for(list: &[DigestFor]) -> Vec<(Pattern, Vec<Algorithm>)> {
    let own = list.iter().map(|entry| (Pattern::new(&entry.user_agent), entry.digest.clone()));
    own.chain(sip_stack::auth::Config::default().algorithms_for).collect()
}
