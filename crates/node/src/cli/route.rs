//! `patchbay route test`: what would become of a call, and why.

use super::client::with_store;
use super::{Trouble, say};
use crate::config::Config;
use clap::{Args, Subcommand};
use model::{Extension, Outcome};
use route::{Decision, Draw, Hop, Router, Source};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};
use stdx::UnixMillis;

#[derive(Debug, Subcommand)]
pub(super) enum Route {
    /// Say where a number leads by this configuration, which way, and why; nobody is called
    Test(Test),
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// The number as it is dialled
    number: String,
    /// An extension dials it [default: one without settings of its own]
    #[arg(long, conflicts_with = "trunk")]
    from: Option<String>,
    /// This trunk dials it
    #[arg(long)]
    trunk: Option<String>,
    /// The trunk calls from this address
    #[arg(long, requires = "trunk")]
    address: Option<IpAddr>,
    /// The caller's number as the trunk tells it
    #[arg(long, requires = "trunk", default_value = "")]
    caller: String,
    /// When: "2026-11-21 14:05" by the clocks of [numbers] timezone [default: now]
    #[arg(long)]
    at: Option<String>,
}

/// No chance and no turns: of weighted trunks the first is shown first.
struct Calm;

impl Draw for Calm {
    fn below(&mut self, _: u64) -> u64 {
        0
    }

    fn turn(&mut self, _: &str) -> u64 {
        0
    }
}

pub(super) fn route(config: &Config, action: Route) -> Result<(), Trouble> {
    let Route::Test(test) = action;
    // Without a database nothing is known of extensions, and routes can be tried all the same.
    let extensions = if config.data_dir.join("patchbay.db").exists() {
        with_store(config, async |store| store.extensions().await.map_err(|e| Trouble(e.to_string())))?
    } else {
        say("(there is no data yet, so no extension is known)");
        Vec::new()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as UnixMillis);
    say(&tell(config, &test, &extensions, now)?);
    Ok(())
}

fn tell(config: &Config, test: &Test, extensions: &[Extension], now: UnixMillis) -> Result<String, Trouble> {
    let settings = config.routing().map_err(Trouble)?;
    let router = Router::new(&settings).map_err(Trouble)?;
    let at = test.at.as_deref().map_or(Ok(now), |text| router.calendar().moment(text)).map_err(Trouble)?;
    let known = |number: &str| extensions.iter().find(|e| e.number == number && e.enabled);
    let shown;
    let from = match (&test.trunk, &test.from) {
        (Some(name), _) => {
            if !settings.trunks.iter().any(|trunk| trunk.name == *name) {
                return Err(Trouble(format!("there is no trunk \"{name}\" in this configuration")));
            }
            shown = router.shown_caller(name, &test.caller);
            Source::Trunk { name, address: test.address, caller: &shown }
        }
        (None, Some(number)) => {
            let missing = || Trouble(format!("there is no extension {number} that may call"));
            let extension = known(number).ok_or_else(missing)?;
            Source::Extension { number, outside: &extension.outside_number, rights: extension.rights, on_behalf: None }
        }
        (None, None) => Source::Extension { number: "", outside: "", rights: None, on_behalf: None },
    };
    let mut text = format!("{} at {}\n", test.number, router.calendar().date_time(at));
    if let Source::Trunk { caller, .. } = from
        && caller != test.caller
    {
        let _ = writeln!(text, "  the caller {} is shown as {caller}", test.caller);
    }
    let is_extension = |number: &str| known(number).is_some();
    let decision = router.decide(&test.number, from, at, &is_extension, &mut Calm, &mut |step| {
        let _ = writeln!(text, "  {}", step());
    });
    text.push_str(&verdict(&decision));
    Ok(text)
}

fn verdict(decision: &Decision) -> String {
    match decision {
        Decision::Extension { number, record } => {
            format!("→ extension {number}{}", if *record { ", recorded" } else { "" })
        }
        Decision::Conference { name } => format!("→ conference {name}"),
        Decision::Queue { name } => format!("→ queue {name}"),
        Decision::Mailbox { name } => format!("→ mailbox {name}"),
        Decision::RingGroup { name, record } => {
            format!("→ ring group {name}{}", if *record { ", recorded" } else { "" })
        }
        Decision::Prompt { name, times: 0 } => format!("→ prompt {name}, again and again"),
        Decision::Prompt { name, times } => format!("→ prompt {name}, {times} times"),
        Decision::Program { program, .. } => match program.otherwise.whom() {
            "" => format!("→ where the program at {} says, else nowhere", program.url),
            whom => format!("→ where the program at {} says, else to {whom}", program.url),
        },
        Decision::DialString(said) => format!("→ the switch itself: {}", said.meaning()),
        Decision::Refused { outcome, note } => {
            let cause = outcome.cause();
            let note = if note.is_empty() { String::new() } else { format!(": {note}") };
            format!("→ refused, {} (SIP {}, Q.850 {}){note}", outcome.name(), cause.sip, cause.q850)
        }
        Decision::Trunks { hops, go_on, ring, record, emergency } => {
            let mut text = String::new();
            for (at, hop) in (1..).zip(hops) {
                let _ = writeln!(text, "→ {at}. {}", way(hop));
            }
            let after = match go_on {
                None => "whatever the outcome".to_owned(),
                Some(outcomes) => {
                    outcomes.iter().map(|outcome: &Outcome| outcome.name()).collect::<Vec<_>>().join(", ")
                }
            };
            let _ = write!(text, "  rings {} s at each", ring.as_secs());
            if hops.len() > 1 {
                let _ = write!(text, "; goes on after: {after}");
            }
            for (is, what) in [(*record, "; recorded"), (*emergency, "; ahead of all limits")] {
                text.push_str(if is { what } else { "" });
            }
            text
        }
    }
}

fn way(hop: &Hop) -> String {
    let caller = if hop.caller.is_empty() { "the extension's own number" } else { &hop.caller };
    let mut text = format!("trunk {}: dials {}, shows {caller}", hop.trunk, hop.number);
    if hop.price.per_minute > 0 {
        let (price, step) = (hop.price.per_minute as f64 / 1e6, hop.price.step_ms() / 1000);
        let _ = write!(text, ", {price} a minute in steps of {step} s");
    }
    if !hop.codecs.is_empty() {
        let _ = write!(text, ", codecs {}", hop.codecs.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Rights;

    const CONFIG: &str = r#"
[numbers]
area_code = "0571"
[rights]
default = "local"
[[trunk]]
name = "gateway"
addresses = ["192.0.2.10"]
target = "192.0.2.10:5060"
[trunk.dialling]
format = "national"
mobile_prefix = "0"
caller_numbers = ["057188880000"]
price_per_minute = 0.12
codecs = ["PCMA"]
[[trunk]]
name = "carrier"
target = "192.0.2.11:5060"
[[route]]
number = "9*"
strip = 1
trunks = ["gateway", "carrier"]
[[route]]
number = "057188880000"
from_trunk = "gateway"
extension = "1001"
"#;

    fn told(number: &str, from: Option<&str>, trunk: Option<&str>) -> String {
        let config = crate::config::parse(CONFIG, []).unwrap_or_else(|p| panic!("{p:?}"));
        let new =
            store::NewExtension { number: "1001".to_owned(), rights: Some(Rights::National), ..Default::default() };
        let test = Test {
            number: number.to_owned(),
            from: from.map(str::to_owned),
            trunk: trunk.map(str::to_owned),
            address: None,
            caller: "13900138000".to_owned(),
            at: Some("2026-11-20 10:00".to_owned()),
        };
        tell(&config, &test, &[new.in_realm("test")], 0).unwrap_or_else(|trouble| trouble.0)
    }

    #[test]
    fn the_way_of_a_call_is_told_step_by_step() {
        assert_eq!(
            told("913900138000", Some("1001"), None),
            "913900138000 at 2026-11-20 10:00:00\n  route 9* fits\n  the number outside is 13900138000\n  Mobile: takes \
             the right national, the extension has national\n  by trunk gateway: 013900138000 for 057188880000\n  by \
             trunk carrier: 13900138000 for 1001\n→ 1. trunk gateway: dials 013900138000, shows 057188880000, 0.12 a \
             minute in steps of 60 s, codecs PCMA\n→ 2. trunk carrier: dials 13900138000, shows 1001\n  rings 60 s at \
             each; goes on after: unreachable, forbidden, incompatible, congestion, switch_failure"
        );
        let refused = told("913900138000", None, None);
        assert!(
            refused.ends_with("→ refused, forbidden (SIP 403, Q.850 21): the extension may not make national calls"),
            "{refused}"
        );
        assert!(told("+8657188880000", None, Some("gateway")).ends_with("→ extension 1001"));
        assert!(told("119", None, None).ends_with("; ahead of all limits"));
        assert!(told("1", Some("1009"), None).contains("no extension 1009"));
        assert!(told("1", None, Some("nobody")).contains("no trunk \"nobody\""));
    }
}
