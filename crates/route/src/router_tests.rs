use super::*;
use model::{CallerChoice, WeightedTrunk};
use proptest::prelude::*;

/// Chance from a seed, turns from a count.
struct Dice(stdx::Entropy, u64);

impl Draw for Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }
    fn turn(&mut self, _: &str) -> u64 {
        self.1
    }
}

fn dice() -> Dice {
    Dice(stdx::Entropy::seeded(7), 0)
}

fn trunk(name: &str) -> Trunk {
    let mut trunk = Trunk::new(name);
    trunk.target = Some("192.0.2.10:5060".to_owned());
    trunk
}

fn from_trunk(name: &str, number: &str, to: RouteTarget) -> Route {
    Route { from_trunk: Some(name.to_owned()), ..Route::new(number, to) }
}

fn ways(weighted: bool, trunks: &[(&str, u32)]) -> RouteTarget {
    let trunks = trunks.iter().map(|(trunk, weight)| WeightedTrunk { trunk: (*trunk).to_owned(), weight: *weight });
    RouteTarget::Trunks(Ways { trunks: trunks.collect(), weighted, ..Ways::default() })
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

/// Trunks a and b; all outside numbers by a and then b; foreign ones by b.
fn settings() -> Settings {
    Settings {
        numbers: Numbers { area_code: "0571".to_owned(), emergency: texts(&["110", "119"]), ..Numbers::default() },
        trunks: vec![trunk("a"), trunk("b")],
        routes: vec![
            Route::new("0*", ways(false, &[("a", 1), ("b", 1)])),
            Route::new("1*", ways(false, &[("a", 1), ("b", 1)])),
            Route::new("00*", RouteTarget::trunk("b")),
            Route { strip: 1, ..Route::new("9*", RouteTarget::trunk("a")) },
            from_trunk("a", "057188886666", RouteTarget::Extension("1001".to_owned())),
            from_trunk("a", "*", RouteTarget::Queue("sales".to_owned())),
        ],
        ..Settings::default()
    }
}

const ANA: Source<'_> = Source::Extension { number: "1001", outside: "", rights: None, on_behalf: None };

fn with_rights(rights: Rights) -> Source<'static> {
    Source::Extension { number: "1001", outside: "", rights: Some(rights), on_behalf: None }
}

fn told(settings: &Settings, dialled: &str, from: Source<'_>, at: &str) -> (Decision, String) {
    let router = Router::new(settings).unwrap();
    let at = router.calendar().moment(at).unwrap();
    let mut steps = Vec::new();
    let is_extension = |number: &str| number.len() == 4 && number.starts_with("10");
    let decision = router.decide(dialled, from, at, &is_extension, &mut dice(), &mut |step| steps.push(step()));
    (decision, steps.join("\n"))
}

fn decided(settings: &Settings, dialled: &str, from: Source<'_>) -> Decision {
    told(settings, dialled, from, "2026-11-20 10:00").0
}

/// The trunks and numbers of a decision, or the outcome.
fn path(settings: &Settings, dialled: &str, from: Source<'_>) -> String {
    match decided(settings, dialled, from) {
        Decision::Extension { number, .. } => format!("extension {number}"),
        Decision::Trunks { hops, .. } => {
            hops.iter().map(|hop| format!("{}:{}", hop.trunk, hop.number)).collect::<Vec<_>>().join(" ")
        }
        Decision::Conference { name } => format!("conference {name}"),
        Decision::Queue { name } => format!("queue {name}"),
        Decision::Mailbox { name } => format!("mailbox {name}"),
        Decision::RingGroup { name, record } => format!("ring group {name} {record}"),
        Decision::Prompt { name, times } => format!("prompt {name} {times}"),
        Decision::DialString(said) => said.meaning(),
        Decision::Program { program, .. } => program.url,
        Decision::Refused { outcome, .. } => outcome.name().to_owned(),
    }
}

#[test]
fn numbers_lead_to_conferences_and_prompts() {
    let mut settings = settings();
    settings.routes.push(Route::new("7100", RouteTarget::Conference("board".to_owned())));
    settings.routes.push(Route::new("70*", RouteTarget::Prompt { name: "welcome".to_owned(), times: 3 }));
    settings.routes.push(Route { record: true, ..Route::new("8000", RouteTarget::RingGroup("door".to_owned())) });
    settings.routes.push(Route::new("8001", RouteTarget::Mailbox("sales".to_owned())));
    let caller = with_rights(Rights::Internal);
    assert_eq!(path(&settings, "8001", caller), "mailbox sales");
    assert_eq!(path(&settings, "*98", caller), "the messages of its mailbox are heard");
    assert_eq!(path(&settings, "8000", caller), "ring group door true");
    assert_eq!(path(&settings, "7100", caller), "conference board");
    assert_eq!(path(&settings, "7012", caller), "prompt welcome 3");
}

#[test]
fn only_extensions_tell_the_switch_something_and_no_route_takes_that_from_them() {
    let mut settings = settings();
    settings.routes.push(Route::new("*", RouteTarget::Conference("all".to_owned())));
    let trunk = Source::Trunk { name: "a", address: None, caller: "13900138000" };
    assert_eq!(path(&settings, "agent_login", with_rights(Rights::Internal)), "the agent logs in");
    assert_eq!(path(&settings, "fifo+7", with_rights(Rights::Internal)), "the agent works off-hook for project 7");
    assert_eq!(path(&settings, "agent_login", trunk), "queue sales", "to a carrier it is a number like others");
}

#[test]
fn the_longest_route_leads_and_an_outside_line_loses_its_digit() {
    let settings = settings();
    let all = with_rights(Rights::International);
    for (dialled, expected) in [
        ("1002", "extension 1002"),
        ("01062345678", "a:01062345678 b:01062345678"),
        ("0044201234567", "b:0044201234567"),
        ("913900138000", "a:13900138000"),
        ("+8613900138000", "a:+8613900138000 b:+8613900138000"),
        ("777", "unallocated"),
        ("", "unallocated"),
    ] {
        assert_eq!(path(&settings, dialled, all), expected, "{dialled}");
    }
}

#[test]
fn rights_are_needed_by_the_class_of_the_number_outside() {
    let mut settings = settings();
    settings.routes.push(Route::new("8*", RouteTarget::trunk("a")));
    let may = |settings: &Settings, rights, dialled| path(settings, dialled, with_rights(rights)) != "forbidden";
    for (dialled, needed) in [
        ("88886666", Rights::Local),
        ("10086", Rights::Local),
        ("057188886666", Rights::Local),
        ("01062345678", Rights::National),
        ("13900138000", Rights::National),
        ("913900138000", Rights::National),
        ("0044201234567", Rights::International),
        ("90044201234567", Rights::International),
        ("+442012345678", Rights::International),
    ] {
        for rights in Rights::ALL {
            assert_eq!(may(&settings, rights, dialled), rights >= needed, "{dialled} {rights:?}");
        }
    }
    assert!(may(&settings, Rights::Internal, "1002"));
    // Nobody said anything about this extension: national numbers, no others.
    assert_ne!(path(&settings, "01062345678", ANA), "forbidden");
    assert_eq!(path(&settings, "0044201234567", ANA), "forbidden");
    settings.rights.default = Rights::Internal;
    assert_eq!(path(&settings, "10086", ANA), "forbidden");
    settings.rights.international = texts(&["0755*"]);
    settings.rights.local = texts(&["07558888*", "139*"]);
    assert!(!may(&settings, Rights::National, "075512345678"));
    assert!(may(&settings, Rights::Local, "075588881234"), "the longer pattern decides");
    assert!(may(&settings, Rights::Local, "+8613900138000"), "in whatever form it is dialled");
}

#[test]
fn emergency_calls_go_ahead_of_everything() {
    let mut settings = settings();
    settings.black_list.called = texts(&["*"]);
    settings.rights.default = Rights::Internal;
    settings.trunks[0].dialling.hours = texts(&["Mon 00:00-00:01"]);
    settings.trunks[0].dialling.price = Price { per_minute: 5, step_seconds: 60 };
    let Decision::Trunks { hops, go_on, emergency, .. } = decided(&settings, "110", ANA) else { panic!("refused") };
    assert_eq!(hops.iter().map(|hop| hop.trunk.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((go_on, emergency, hops[0].price), (None, true, Price::default()));
    settings.numbers.emergency_trunks = texts(&["b"]);
    assert_eq!(path(&settings, "119", ANA), "b:119");
    assert_eq!(path(&settings, "120", ANA), "forbidden", "not in the list");
    settings.trunks.clear();
    settings.numbers.emergency_trunks.clear();
    assert_eq!(path(&settings, "110", ANA), "forbidden", "without a trunk it is a number like any other");
}

#[test]
fn the_black_list_holds_in_every_form_of_a_number() {
    let mut settings = settings();
    settings.black_list.called = texts(&["13900138000", "00*", "0106*"]);
    settings.black_list.callers = texts(&["13800138000", "+44*"]);
    for dialled in ["13900138000", "913900138000", "+8613900138000", "013900138000", "01062345678", "0044201234567"] {
        let (decision, _) = told(&settings, dialled, with_rights(Rights::International), "2026-11-20 10:00");
        let Decision::Refused { outcome, note } = decision else { panic!("{dialled} got out") };
        assert_eq!((outcome, note.as_str()), (Outcome::Forbidden, "the number is on the black list"));
    }
    assert_eq!(path(&settings, "01022345678", ANA), "a:01022345678 b:01022345678");
    for caller in ["13800138000", "+8613800138000", "013800138000", "+442012345678", "00442012345678"] {
        let from = Source::Trunk { name: "a", address: None, caller };
        assert_eq!(path(&settings, "1001", from), "forbidden", "{caller}");
    }
    let from = Source::Trunk { name: "a", address: None, caller: "13800138001" };
    assert_eq!(path(&settings, "1001", from), "extension 1001");
}

#[test]
fn hours_of_routes_and_trunks_count() {
    let mut settings = settings();
    settings.routes[0].hours = texts(&["Mon-Fri 09:00-18:00"]);
    settings.routes.push(Route { hours: texts(&["daily 20:00-23:00"]), ..Route::new("0*", RouteTarget::trunk("b")) });
    settings.trunks[1].dialling.hours = texts(&["daily 08:00-22:00"]);
    let trunks = |at: &str| match told(&settings, "01062345678", ANA, at).0 {
        Decision::Trunks { hops, .. } => hops.iter().map(|hop| hop.trunk.clone()).collect::<Vec<_>>().join(" "),
        Decision::Refused { outcome, note } => format!("{}: {note}", outcome.name()),
        other => panic!("{other:?}"),
    };
    assert_eq!(trunks("2026-11-20 10:00"), "a b");
    assert_eq!(trunks("2026-11-20 21:00"), "b");
    assert_eq!(trunks("2026-11-20 19:00"), "forbidden: outside the hours of the route");
    assert_eq!(trunks("2026-11-20 22:30"), "forbidden: outside the hours of the trunk");
    let (_, steps) = told(&settings, "01062345678", ANA, "2026-11-20 19:00");
    assert!(steps.contains("route 0* does not count at 2026-11-20 19:00:00 (Mon-Fri 09:00-18:00)"), "{steps}");
}

#[test]
fn a_trunk_reaches_extensions_and_its_own_routes_only() {
    let mut settings = settings();
    settings.trunks[0].dialling.inbound_rewrite =
        vec![model::Rewrite { begins: "8888".to_owned(), length: Some((8, 8)), strip: 0, prepend: "0571".to_owned() }];
    let from = |name| Source::Trunk { name, address: None, caller: "" };
    assert_eq!(path(&settings, "1001", from("b")), "extension 1001");
    assert_eq!(path(&settings, "01062345678", from("b")), "unallocated", "no way from trunk to trunk");
    for did in ["057188886666", "+8657188886666", "88886666", "8657188886666"] {
        let expected = if did == "8657188886666" { "queue sales" } else { "extension 1001" };
        assert_eq!(path(&settings, did, from("a")), expected, "{did}");
    }
    let (decision, steps) = told(&settings, "057188880000", from("a"), "2026-11-20 10:00");
    assert_eq!(decision, Decision::Queue { name: "sales".to_owned() });
    assert!(steps.contains("route * fits") && steps.contains("sales"), "{steps}");
    // Where a route says so, a trunk's call goes out again, and keeps its caller where the trunk wants that.
    settings.routes.push(from_trunk("b", "7*", RouteTarget::trunk("a")));
    settings.trunks[0].dialling.caller = CallerChoice::PassThrough;
    let forwarded = Source::Trunk { name: "b", address: None, caller: "13900138000" };
    let Decision::Trunks { hops, .. } = decided(&settings, "777", forwarded) else { panic!("refused") };
    assert_eq!((hops[0].trunk.as_str(), hops[0].caller.as_str()), ("a", "13900138000"));
}

#[test]
fn the_address_a_trunk_calls_from_tells_routes_apart() {
    let mut settings = settings();
    let there: IpAddr = "192.0.2.11".parse().unwrap();
    let mut route = from_trunk("a", "057188886666", RouteTarget::Extension("1002".to_owned()));
    route.from_addresses = vec![there];
    settings.routes.push(route);
    let from = |address: &str| Source::Trunk { name: "a", address: address.parse().ok(), caller: "" };
    assert_eq!(path(&settings, "057188886666", from("192.0.2.11")), "extension 1002");
    assert_eq!(path(&settings, "057188886666", from("192.0.2.10")), "extension 1001");
}

#[test]
fn the_steps_are_told() {
    let mut settings = settings();
    settings.trunks[0].dialling.mobile_prefix = "0".to_owned();
    let (_, steps) = told(&settings, "913900138000", ANA, "2026-11-20 10:00");
    assert_eq!(
        steps,
        "route 9* fits\nthe number outside is 13900138000\nMobile: takes the right national, the extension has \
         national\nby trunk a: 013900138000 for 1001"
    );
}

proptest! {
    #[test]
    fn weights_are_shares(seed in any::<u64>(), weights in proptest::collection::vec(0u32..5, 2..5)) {
        let names = ["a", "b", "c", "d"];
        let pairs: Vec<_> = names.iter().copied().zip(weights.iter().copied()).collect();
        let RouteTarget::Trunks(ways) = ways(true, &pairs) else { unreachable!() };
        let mut dice = Dice(stdx::Entropy::seeded(seed), 0);
        let mut firsts = BTreeMap::<&str, u32>::new();
        for _ in 0..2000 {
            let order = order(&ways, &mut dice);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(&sorted[..], &names[..pairs.len()], "each trunk once");
            *firsts.entry(order[0]).or_default() += 1;
        }
        let total: u32 = weights.iter().sum();
        for (name, weight) in &pairs {
            let expected = if total > 0 { 2000.0 * f64::from(*weight) / f64::from(total) } else { continue };
            let found = f64::from(firsts.get(name).copied().unwrap_or(0));
            prop_assert!((found - expected).abs() < 200.0, "{}: {} of {}", name, found, expected);
        }
    }

    #[test]
    fn any_number_from_anybody_is_decided(dialled in "[+0-9a-z*#é]{0,70}", caller in ".{0,20}") {
        let settings = settings();
        for from in [ANA, with_rights(Rights::Internal), Source::Trunk { name: "a", address: None, caller: &caller }] {
            let decision = decided(&settings, &dialled, from);
            let goes_out = matches!(decision, Decision::Trunks { .. });
            if from == with_rights(Rights::Internal) && !settings.numbers.emergency.contains(&dialled) {
                prop_assert!(!goes_out);
            }
            if matches!(from, Source::Trunk { .. }) {
                prop_assert!(!goes_out, "no relay from trunk to trunk");
            }
        }
    }
}
