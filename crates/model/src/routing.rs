//! What an operator sets about numbers and the ways they take: numbering plan, trunk dialling, routes, rights, spending.

use crate::{Outcome, Overflow, StarCodes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Whose numbering plan is spoken here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Country {
    /// China: mobile numbers `1[3-9]…` without an area code, fixed ones with it, service numbers.
    #[default]
    Cn,
    /// Any other: prefixes and an area code, nothing more is known.
    Other,
}

/// How numbers of this place are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Whose numbering plan.
    pub country: Country,
    /// Its country code (E.164), for example `86`; empty: every number with a plus is another country's.
    pub country_code: String,
    /// What is dialled before the area code of another place of the country.
    pub national_prefix: String,
    /// What is dialled before the code of another country.
    pub international_prefix: String,
    /// Our own area code, with or without the national prefix; empty: none.
    pub area_code: String,
    /// Beginnings of mobile numbers of our own area.
    pub local_mobiles: Vec<String>,
    /// Numbers that everybody may always call, by the first free trunk.
    pub emergency: Vec<String>,
    /// The trunks that take emergency calls, in this order; empty: all that can be called.
    pub emergency_trunks: Vec<String>,
    /// Whose clocks hours and days are meant by: an IANA name, for example `Asia/Shanghai`.
    pub timezone: String,
    /// Days on which hours of weekdays do not count: `2026-10-01`, `2026-10-01..2026-10-07`, `05-01` (each year).
    pub holidays: Vec<String>,
    /// Days of a weekend on which people work, in the same form.
    pub workdays: Vec<String>,
    /// What phones dial to tell the switch something of their extension.
    pub star_codes: StarCodes,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            country: Country::Cn,
            country_code: "86".to_owned(),
            national_prefix: "0".to_owned(),
            international_prefix: "00".to_owned(),
            area_code: String::new(),
            local_mobiles: Vec::new(),
            emergency: Vec::new(),
            emergency_trunks: Vec::new(),
            timezone: "Asia/Shanghai".to_owned(),
            holidays: Vec::new(),
            workdays: Vec::new(),
            star_codes: StarCodes::default(),
        }
    }
}

/// How a number is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberFormat {
    /// As it was dialled.
    #[default]
    AsDialled,
    /// As one dials within the country: `13900138000`, `057188886666`, `0044…`.
    National,
    /// Country code and number, without a plus: `8613900138000`.
    E164,
    /// `+8613900138000`.
    PlusE164,
    /// `008613900138000`.
    International,
}

impl NumberFormat {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::AsDialled, Self::National, Self::E164, Self::PlusE164, Self::International];
}

/// One rule for the digits of a number: whoever begins so, and is so long, loses and gains these digits.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rewrite {
    /// The number begins with this; empty: any.
    pub begins: String,
    /// It has at least and at most so many characters.
    pub length: Option<(u8, u8)>,
    /// So many characters are taken away in front.
    pub strip: u8,
    /// And this comes in their place.
    pub prepend: String,
}

/// Whose number a trunk is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerChoice {
    /// The extension's own outside number; where it has none, the first of the trunk's, and last its own number.
    #[default]
    Extension,
    /// The caller's number as it is: a forwarded caller keeps its own.
    PassThrough,
    /// Always the first of the trunk's numbers.
    Fixed,
    /// The trunk's numbers in turn.
    RoundRobin,
}

/// A header that carries the caller's number to a trunk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerHeader {
    /// RFC 3261 §20.20. Without it, From names our account at the trunk.
    From,
    /// RFC 3325 §9.1.
    PAssertedIdentity,
    /// RFC 3325 §9.2.
    PPreferredIdentity,
    /// draft-ietf-sip-privacy-04, which carriers still ask for.
    RemotePartyId,
    /// RFC 5806: the number on whose behalf we call.
    Diversion,
}

/// What a call costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Price {
    /// Millionths of the currency per minute.
    pub per_minute: u64,
    /// Charged in steps of so many seconds, each from its beginning; 0 means 60.
    pub step_seconds: u16,
}

impl Price {
    /// The length of a step, milliseconds.
    pub fn step_ms(self) -> u64 {
        match self.step_seconds {
            0 => 60_000,
            seconds => u64::from(seconds) * 1000,
        }
    }

    /// What a conversation of this length costs, in millionths.
    pub fn of(self, talked_ms: u64) -> u64 {
        let steps = talked_ms.div_ceil(self.step_ms());
        // Rounded up once, not per step: ten steps of six seconds are one minute.
        let cost =
            u128::from(steps).saturating_mul(u128::from(self.step_ms()) * u128::from(self.per_minute)).div_ceil(60_000);
        u64::try_from(cost).unwrap_or(u64::MAX)
    }
}

/// What a call cost, in its record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Charge {
    /// By this price.
    pub price: Price,
    /// So much, in millionths of the currency.
    pub cost: u64,
}

/// How calls go over a trunk: digits, the caller's number, times, price, codecs.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dialling {
    /// How called numbers are written.
    pub format: NumberFormat,
    /// Before every called number.
    pub prefix: String,
    /// Before mobile numbers that are not of our own area.
    pub mobile_prefix: String,
    /// Before fixed numbers that are not of our own area.
    pub fixed_prefix: String,
    /// Numbers of our own area go without its code.
    pub strip_area: bool,
    /// Last of all, the first rule that fits.
    pub rewrite: Vec<Rewrite>,
    /// Whose number is shown.
    pub caller: CallerChoice,
    /// The numbers that are ours on this trunk.
    pub caller_numbers: Vec<String>,
    /// How the caller's number is written.
    pub caller_format: NumberFormat,
    /// What carries it; empty means From alone.
    pub caller_headers: Vec<CallerHeader>,
    /// Numbers that the trunk dials: the first rule that fits.
    pub inbound_rewrite: Vec<Rewrite>,
    /// Callers' numbers that the trunk tells: the first rule that fits.
    pub inbound_caller_rewrite: Vec<Rewrite>,
    /// How callers' numbers are shown to extensions, after that rule.
    pub inbound_caller_format: NumberFormat,
    /// When it may be called: `Mon-Fri 09:00-18:00`; empty: always.
    pub hours: Vec<String>,
    /// What calls by it cost, unless the route says otherwise.
    pub price: Price,
    /// Codecs it may be offered, in this order, by their SDP names; empty: all.
    pub codecs: Vec<String>,
}

/// What happens to a dialled number that is no extension, or that a trunk dials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Digits that must match: exact, or a prefix if it ends with `*`; the longest match wins.
    pub number: String,
    /// For calls from this trunk; `None`: for calls from extensions.
    pub from_trunk: Option<String>,
    /// Only for calls from these addresses of the trunk; empty: from all.
    pub from_addresses: Vec<IpAddr>,
    /// Where to.
    pub to: RouteTarget,
    /// Record calls that go this way.
    pub record: bool,
    /// So many characters of the dialled number are taken away in front (an outside line's 9).
    pub strip: u8,
    /// And this comes in their place.
    pub prefix: String,
    /// When it counts: `Mon-Fri 09:00-18:00`; empty: always.
    pub hours: Vec<String>,
    /// How long the far end may ring, seconds.
    pub ring_seconds: u16,
    /// What calls this way cost; `None`: what the trunk says.
    pub price: Option<Price>,
}

impl Route {
    /// A route for calls from extensions.
    pub fn new(number: &str, to: RouteTarget) -> Self {
        Self {
            number: number.to_owned(),
            from_trunk: None,
            from_addresses: Vec::new(),
            to,
            record: false,
            strip: 0,
            prefix: String::new(),
            hours: Vec::new(),
            ring_seconds: 60,
            price: None,
        }
    }
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteTarget {
    /// To an extension.
    Extension(String),
    /// Out by one of these trunks.
    Trunks(Ways),
    /// To a queue.
    Queue(String),
    /// To a ring group.
    RingGroup(String),
    /// To a mailbox, to leave a message.
    Mailbox(String),
    /// To a flow; not to be had yet, so nobody is reached.
    Flow(String),
    /// To a conference.
    Conference(String),
    /// To a prompt, which the caller hears.
    Prompt {
        /// Its name.
        name: String,
        /// How often; 0: until the caller hangs up.
        times: u32,
    },
    /// Where a program says, which is asked for each call.
    Program(Program),
}

/// A program that says where calls lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Where it is asked: `http:` or `https:`.
    pub url: String,
    /// How long it may take, milliseconds.
    pub wait_ms: u16,
    /// Where the call leads if it says nothing that can be done, or not in time.
    pub otherwise: Overflow,
}

impl Program {
    /// How long one may take of which nothing was said.
    pub const WAIT_MS: u16 = 800;
    /// The longest that one may be given: callers hear nothing meanwhile.
    pub const LONGEST_MS: u16 = 5_000;

    /// What is wrong with it.
    ///
    /// # Errors
    ///
    /// In words for whoever sets it.
    pub fn check(&self) -> Result<(), String> {
        let host = self.url.strip_prefix("https://").or_else(|| self.url.strip_prefix("http://"));
        if self.url.len() > 512 || host.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Err(format!(
                "\"{}\" is no address of a program: write http://host/path or https://host/path",
                self.url
            ));
        }
        if !(50..=Self::LONGEST_MS).contains(&self.wait_ms) {
            return Err(format!("a program is given 50 to {} milliseconds, not {}", Self::LONGEST_MS, self.wait_ms));
        }
        self.otherwise.check()
    }
}

impl RouteTarget {
    /// Out by one trunk.
    pub fn trunk(name: &str) -> Self {
        Self::Trunks(Ways { trunks: vec![WeightedTrunk { trunk: name.to_owned(), weight: 1 }], ..Ways::default() })
    }
}

/// Trunks that a call may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    /// Which, and how much of the calls each shall have.
    pub trunks: Vec<WeightedTrunk>,
    /// By chance according to weight, instead of in this order.
    pub weighted: bool,
    /// After which outcomes the next is tried.
    pub go_on: BTreeSet<Outcome>,
}

impl Ways {
    /// Where another trunk may do what this one could not: everything but a word of the called party itself.
    pub const GO_ON: [Outcome; 5] =
        [Outcome::Congestion, Outcome::Unreachable, Outcome::Forbidden, Outcome::Incompatible, Outcome::SwitchFailure];
}

impl Default for Ways {
    fn default() -> Self {
        Self { trunks: Vec::new(), weighted: false, go_on: Self::GO_ON.into() }
    }
}

/// A trunk among others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedTrunk {
    /// Its name.
    pub trunk: String,
    /// Its share of the calls, in proportion to the others'.
    pub weight: u32,
}

/// How far an extension may call. Each includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rights {
    /// Other extensions only.
    Internal,
    /// Numbers of our own area and service numbers.
    Local,
    /// All numbers of our country.
    National,
    /// All numbers.
    International,
}

impl Rights {
    /// All of them, the narrowest first.
    pub const ALL: [Self; 4] = [Self::Internal, Self::Local, Self::National, Self::International];

    /// The stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Local => "local",
            Self::National => "national",
            Self::International => "international",
        }
    }

    /// By its stable name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rights| rights.name() == name)
    }
}

/// Which rights which numbers take. Patterns are numbers, or beginnings that end with `*`; the longest that fits decides, and
/// where none does, the numbering plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsRules {
    /// What an extension may do that has no setting of its own.
    pub default: Rights,
    /// Numbers that count as local.
    pub local: Vec<String>,
    /// Numbers that count as national.
    pub national: Vec<String>,
    /// Numbers that count as international.
    pub international: Vec<String>,
}

impl Default for RightsRules {
    fn default() -> Self {
        Self { default: Rights::National, local: Vec::new(), national: Vec::new(), international: Vec::new() }
    }
}

/// Numbers with which nobody speaks: whole, or beginnings that end with `*`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BlackList {
    /// Calls from these are refused.
    pub callers: Vec<String>,
    /// Calls to these are refused.
    pub called: Vec<String>,
}

/// Routes and blocked numbers that are set while the switch runs, beside those of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Routing {
    /// Routes. Where one of the configuration fits as closely, these go first.
    pub routes: Vec<Route>,
    /// With whom nobody speaks, additionally.
    pub black_list: BlackList,
}

/// What may be spent in a day; `None`: no cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SpendingCap {
    /// Millionths of the currency.
    pub cost: Option<u64>,
    /// Minutes of conversation.
    pub minutes: Option<u32>,
}

impl SpendingCap {
    /// Is there any?
    pub fn is_set(self) -> bool {
        self.cost.is_some() || self.minutes.is_some()
    }
}

/// What was spent in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Millionths of the currency.
    pub cost: u64,
    /// Conversation, milliseconds.
    pub talked_ms: u64,
}

/// What an extension, or the whole switch, has spent today, and may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    /// The extension; `None`: all calls together.
    pub extension: Option<String>,
    /// The day, `2026-11-21`.
    pub day: String,
    /// What was spent, running calls included.
    pub spent: Spent,
    /// What may be.
    pub cap: SpendingCap,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_counts_begun_steps() {
        let price = Price { per_minute: 120_000, step_seconds: 0 };
        assert_eq!([0, 1, 60_000, 60_001].map(|ms| price.of(ms)), [0, 120_000, 120_000, 240_000]);
        let price = Price { per_minute: 100_000, step_seconds: 6 };
        assert_eq!([1, 6_000, 60_000, 60_001].map(|ms| price.of(ms)), [10_000, 10_000, 100_000, 110_000]);
        let odd = Price { per_minute: 1, step_seconds: 1 };
        assert_eq!([1, 60_000, 61_000].map(|ms| odd.of(ms)), [1, 1, 2]);
        assert_eq!(Price { per_minute: u64::MAX, step_seconds: 1 }.of(1_000), u64::MAX.div_ceil(60));
    }
}
