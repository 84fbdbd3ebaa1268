//! What the operator says about numbers and the ways of calls: `[numbers]`, `[rights]`, `[blocked]`, `[[route]]`, and how calls
//! go over a trunk, `[trunk.dialling]`.

use super::words;
use model::{CallerChoice, CallerHeader, Country, NumberFormat, Outcome, Price, Rewrite, Rights, Ways, WeightedTrunk};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

/// `[numbers]`: how numbers of this place are read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Numbers {
    /// Whose numbering plan.
    pub country: Country,
    /// Its country code.
    pub country_code: String,
    /// Dialled before the area code of another place.
    pub national_prefix: String,
    /// Dialled before the code of another country.
    pub international_prefix: String,
    /// Our own area code.
    pub area_code: String,
    /// Beginnings of mobile numbers of our own area.
    pub local_mobiles: Vec<String>,
    /// A file with more of them, one in a line.
    pub local_mobiles_file: Option<PathBuf>,
    /// Numbers that everybody may always call.
    pub emergency: Vec<String>,
    /// The trunks that take them.
    pub emergency_trunks: Vec<String>,
    /// Whose clocks hours and days are meant by.
    pub timezone: String,
    /// Days on which hours of weekdays do not count.
    pub holidays: Vec<String>,
    /// Days of a weekend on which people work.
    pub workdays: Vec<String>,
    /// What phones dial to change their extension's settings.
    pub star_codes: model::StarCodes,
}

impl Default for Numbers {
    fn default() -> Self {
        let usual = model::Numbers::default();
        Self {
            country: usual.country,
            country_code: usual.country_code,
            national_prefix: usual.national_prefix,
            international_prefix: usual.international_prefix,
            area_code: usual.area_code,
            local_mobiles: usual.local_mobiles,
            local_mobiles_file: None,
            emergency: ["110", "119", "120", "122"].map(str::to_owned).into(),
            emergency_trunks: Vec::new(),
            timezone: usual.timezone,
            holidays: Vec::new(),
            workdays: Vec::new(),
            star_codes: usual.star_codes,
        }
    }
}

impl Numbers {
    /// In the switch's words, or what is wrong with the file of mobile numbers.
    pub fn to_model(&self) -> Result<model::Numbers, String> {
        let mut local_mobiles = self.local_mobiles.clone();
        if let Some(path) = &self.local_mobiles_file {
            let text = std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
            for (at, line) in text.lines().enumerate() {
                let line = line.split('#').next().unwrap_or_default().trim();
                if !line.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(format!("{}:{}: \"{line}\" is no beginning of a number", path.display(), at + 1));
                }
                local_mobiles.extend((!line.is_empty()).then(|| line.to_owned()));
            }
        }
        Ok(model::Numbers {
            country: self.country,
            country_code: self.country_code.clone(),
            national_prefix: self.national_prefix.clone(),
            international_prefix: self.international_prefix.clone(),
            area_code: self.area_code.clone(),
            local_mobiles,
            emergency: self.emergency.clone(),
            emergency_trunks: self.emergency_trunks.clone(),
            timezone: self.timezone.clone(),
            holidays: self.holidays.clone(),
            workdays: self.workdays.clone(),
            star_codes: self.star_codes.clone(),
        })
    }
}

/// `[rights]`: how far extensions may call.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RightsRules {
    /// An extension without a setting of its own.
    pub default: Rights,
    /// Numbers that count as local, whatever the numbering plan says.
    pub local: Vec<String>,
    /// Numbers that count as national.
    pub national: Vec<String>,
    /// Numbers that count as international.
    pub international: Vec<String>,
}

impl Default for RightsRules {
    fn default() -> Self {
        let model::RightsRules { default, local, national, international } = model::RightsRules::default();
        Self { default, local, national, international }
    }
}

impl RightsRules {
    pub(super) fn to_model(&self) -> model::RightsRules {
        let Self { default, local, national, international } = self.clone();
        model::RightsRules { default, local, national, international }
    }
}

/// `[blocked]`: with whom nobody speaks.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blocked {
    /// Calls from these are refused.
    pub callers: Vec<String>,
    /// Calls to these are refused.
    pub called: Vec<String>,
}

/// `[trunk.dialling]`: how calls go over the trunk above it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
    /// The last rules for called numbers.
    pub rewrite: Vec<Rule>,
    /// Whose number is shown.
    pub caller: CallerChoice,
    /// The numbers that are ours on this trunk.
    pub caller_numbers: Vec<String>,
    /// How the caller's number is written.
    pub caller_format: NumberFormat,
    /// What carries it.
    pub caller_headers: Vec<CallerHeader>,
    /// Rules for numbers that the trunk dials.
    pub inbound_rewrite: Vec<Rule>,
    /// Rules for callers' numbers that the trunk tells.
    pub inbound_caller_rewrite: Vec<Rule>,
    /// How callers' numbers are shown to extensions.
    pub inbound_caller_format: NumberFormat,
    /// When the trunk may be called.
    pub hours: Vec<String>,
    /// What a minute costs, in the currency.
    #[serde(deserialize_with = "money")]
    pub price_per_minute: u64,
    /// Charged in steps of so many seconds.
    pub price_step_seconds: Option<u16>,
    /// The codecs it may be offered.
    pub codecs: Vec<String>,
}

impl Dialling {
    pub(super) fn to_model(&self) -> model::Dialling {
        let rules = |rules: &[Rule]| rules.iter().map(Rule::to_model).collect();
        model::Dialling {
            format: self.format,
            prefix: self.prefix.clone(),
            mobile_prefix: self.mobile_prefix.clone(),
            fixed_prefix: self.fixed_prefix.clone(),
            strip_area: self.strip_area,
            rewrite: rules(&self.rewrite),
            caller: self.caller,
            caller_numbers: self.caller_numbers.clone(),
            caller_format: self.caller_format,
            caller_headers: self.caller_headers.clone(),
            inbound_rewrite: rules(&self.inbound_rewrite),
            inbound_caller_rewrite: rules(&self.inbound_caller_rewrite),
            inbound_caller_format: self.inbound_caller_format,
            hours: self.hours.clone(),
            price: Price { per_minute: self.price_per_minute, step_seconds: self.price_step_seconds.unwrap_or(0) },
            codecs: self.codecs.clone(),
        }
    }
}

/// One rule for the digits of a number: `{ begins = "0571", length = "11-12", strip = 4, prepend = "" }`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// For numbers that begin so.
    pub begins: String,
    /// And have so many digits.
    #[serde(deserialize_with = "length")]
    pub length: Option<(u8, u8)>,
    /// So many are taken away in front.
    pub strip: u8,
    /// And these come in their place.
    pub prepend: String,
}

impl Rule {
    fn to_model(&self) -> Rewrite {
        let Self { begins, length, strip, prepend } = self.clone();
        Rewrite { begins, length, strip, prepend }
    }
}

/// A trunk of a route: its name, or `{ trunk = "a", weight = 3 }`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Way {
    /// Its name.
    Name(String),
    /// With its share of the calls.
    Weighted {
        /// Its name.
        trunk: String,
        /// In proportion to the others'.
        weight: u32,
    },
}

impl Way {
    /// The trunk's name.
    pub fn trunk(&self) -> &str {
        match self {
            Self::Name(name) | Self::Weighted { trunk: name, .. } => name,
        }
    }
}

/// `[[route]]`: where a number leads.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The number, or the beginning of numbers if it ends with `*`.
    #[serde(deserialize_with = "words::number")]
    pub number: String,
    /// For calls from this trunk; without: for calls from extensions.
    pub from_trunk: Option<String>,
    /// Only for calls from these addresses of it.
    #[serde(default, deserialize_with = "words::ips")]
    pub from_addresses: Vec<IpAddr>,
    /// To this trunk …
    pub trunk: Option<String>,
    /// … or to the first of these that can do it …
    #[serde(default)]
    pub trunks: Vec<Way>,
    /// … or to this extension …
    #[serde(default, deserialize_with = "words::optional_number")]
    pub extension: Option<String>,
    /// … or to this queue …
    pub queue: Option<String>,
    /// … or to this ring group …
    pub ring_group: Option<String>,
    /// … or to this mailbox …
    pub mailbox: Option<String>,
    /// … or to this flow …
    pub flow: Option<String>,
    /// … or to this conference …
    pub conference: Option<String>,
    /// … or to this prompt …
    pub prompt: Option<String>,
    /// … or where the program at this address says.
    pub program: Option<String>,
    /// How long the program may take, milliseconds.
    #[serde(default = "usual_wait")]
    pub program_ms: u16,
    /// Where the call leads if it says nothing.
    #[serde(default)]
    pub otherwise: model::Overflow,
    /// How often the prompt is played; 0: until the caller hangs up.
    #[serde(default = "once")]
    pub times: u32,
    /// After which outcomes the next trunk is tried; without: where another trunk may do better.
    pub go_on: Option<BTreeSet<Outcome>>,
    /// Record calls that go this way.
    #[serde(default)]
    pub record: bool,
    /// So many digits of the dialled number are taken away in front.
    #[serde(default)]
    pub strip: u8,
    /// And these come in their place.
    #[serde(default)]
    pub prefix: String,
    /// When it counts.
    #[serde(default)]
    pub hours: Vec<String>,
    /// How long the far end may ring.
    #[serde(default = "usual_ring")]
    pub ring_seconds: u16,
    /// What a minute costs; without: what the trunk says.
    #[serde(default, deserialize_with = "optional_money")]
    pub price_per_minute: Option<u64>,
    /// Charged in steps of so many seconds.
    pub price_step_seconds: Option<u16>,
}

fn once() -> u32 {
    1
}

fn usual_wait() -> u16 {
    model::Program::WAIT_MS
}

fn usual_ring() -> u16 {
    60
}

impl Route {
    /// Where it leads, as often as it says so.
    pub(super) fn targets(&self) -> Vec<model::RouteTarget> {
        use model::RouteTarget as To;
        let named = [
            self.trunk.as_deref().map(To::trunk),
            (!self.trunks.is_empty()).then(|| self.ways()),
            self.extension.clone().map(To::Extension),
            self.queue.clone().map(To::Queue),
            self.ring_group.clone().map(To::RingGroup),
            self.mailbox.clone().map(To::Mailbox),
            self.flow.clone().map(To::Flow),
            self.conference.clone().map(To::Conference),
            self.prompt.clone().map(|name| To::Prompt { name, times: self.times }),
            self.program.clone().map(|url| To::Program(self.program(url))),
        ];
        let go_on = |mut to: To| {
            if let (To::Trunks(ways), Some(go_on)) = (&mut to, &self.go_on) {
                ways.go_on.clone_from(go_on);
            }
            to
        };
        named.into_iter().flatten().map(go_on).collect()
    }

    fn program(&self, url: String) -> model::Program {
        model::Program { url, wait_ms: self.program_ms, otherwise: self.otherwise.clone() }
    }

    fn ways(&self) -> model::RouteTarget {
        let weighted = self.trunks.iter().any(|way| matches!(way, Way::Weighted { .. }));
        let trunks = self.trunks.iter().map(|way| match way {
            Way::Name(trunk) => WeightedTrunk { trunk: trunk.clone(), weight: 1 },
            Way::Weighted { trunk, weight } => WeightedTrunk { trunk: trunk.clone(), weight: *weight },
        });
        model::RouteTarget::Trunks(Ways { trunks: trunks.collect(), weighted, ..Ways::default() })
    }

    /// Every trunk it leads to.
    pub(super) fn trunk_names(&self) -> impl Iterator<Item = &str> {
        self.trunk.as_deref().into_iter().chain(self.trunks.iter().map(Way::trunk))
    }

    pub(super) fn to_model(&self) -> Option<model::Route> {
        // The check of the file refuses routes that lead nowhere or to two places.
        let to = self.targets().into_iter().next()?;
        let step_seconds = self.price_step_seconds.unwrap_or(0);
        Some(model::Route {
            from_trunk: self.from_trunk.clone(),
            from_addresses: self.from_addresses.clone(),
            record: self.record,
            strip: self.strip,
            prefix: self.prefix.clone(),
            hours: self.hours.clone(),
            ring_seconds: self.ring_seconds,
            price: self.price_per_minute.map(|per_minute| Price { per_minute, step_seconds }),
            ..model::Route::new(&self.number, to)
        })
    }
}

/// An amount of the currency, in millionths.
pub(super) fn money<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Amount {
        Whole(u32),
        Broken(f64),
    }
    match Amount::deserialize(from).map_err(|_| D::Error::custom("expected an amount like 0.12, without quotes"))? {
        Amount::Whole(whole) => Ok(u64::from(whole) * 1_000_000),
        Amount::Broken(broken) if (0.0..=1e9).contains(&broken) => Ok((broken * 1e6).round() as u64),
        Amount::Broken(broken) => Err(D::Error::custom(format!("{broken} is no amount; write one like 0.12"))),
    }
}

pub(super) fn optional_money<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    money(from).map(Some)
}

/// `11`, `11-12`.
fn length<'de, D: Deserializer<'de>>(from: D) -> Result<Option<(u8, u8)>, D::Error> {
    let text = String::deserialize(from)?;
    let (least, most) = text.split_once('-').unwrap_or((&text, &text));
    match (least.trim().parse(), most.trim().parse()) {
        (Ok(least), Ok(most)) if least <= most => Ok(Some((least, most))),
        _ => Err(D::Error::custom(format!("\"{text}\" is no length; write it like \"11\" or \"11-12\""))),
    }
}
