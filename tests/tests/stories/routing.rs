//! Which way calls take: routes, numbers, rights, hours, black list, emergency calls.

use expect_test::expect_file;
use model::{
    CallerChoice, CallerHeader, Direction, NumberFormat, Outcome, Overflow, Program, Rights, Route, RouteTarget, Ways,
    WeightedTrunk,
};
use patchbay_tests::{connect, converse, everywhere, heard_if_told, part, refusal};
use sim::{Conduct, Phone, Setup, Sound, World, millis, secs};

fn ways(weighted: bool, trunks: &[(&str, u32)]) -> RouteTarget {
    let trunks = trunks.iter().map(|(trunk, weight)| WeightedTrunk { trunk: (*trunk).to_owned(), weight: *weight });
    RouteTarget::Trunks(Ways { trunks: trunks.collect(), weighted, ..Ways::default() })
}

/// Trunks a and b, and all numbers with 0 by a first.
fn two_trunks(setup: Setup) -> Setup {
    setup.trunk("a", "x").trunk("b", "y").tuned(|config| {
        config.routes = vec![Route { record: true, ..Route::new("0*", ways(false, &[("a", 1), ("b", 1)])) }];
    })
}

fn parties(world: &World) -> (Phone, Phone, Phone) {
    (world.phone("100"), world.trunk("a"), world.trunk("b"))
}

#[test]
fn a_call_goes_on_to_the_next_trunk_where_the_first_has_no_room() {
    everywhere(two_trunks, &expect_file!["../../ladders/trunk_failover.txt"], |world| {
        let (phone, a, b) = parties(world);
        a.set_conduct(Conduct::Refuse(503));
        b.set_conduct(Conduct::Answer(secs(1)));
        phone.dial("01062345678");
        connect(world, &phone, &b);
        converse(world, &phone, &b);
        phone.hang_up();
        part(world, &phone, &b);
        let record = world.record();
        assert_eq!((record.outcome, record.direction), (Outcome::Answered, Direction::Outbound));
        assert_eq!(record.trunk.as_deref(), Some("b"));
        let legs: Vec<_> = record.legs.iter().map(|leg| leg.outcome).collect();
        assert_eq!(legs, [Outcome::Answered, Outcome::Congestion, Outcome::Answered]);
        assert!(a.calls_received() > 0);
    });
}

#[test]
fn a_word_of_the_called_party_is_the_last() {
    for (status, outcome) in
        [(486, Outcome::Busy), (404, Outcome::Unallocated), (480, Outcome::NoAnswer), (603, Outcome::Rejected)]
    {
        let world = World::new(two_trunks(Setup::new(7)));
        let (phone, a, b) = parties(&world);
        a.set_conduct(Conduct::Refuse(status));
        phone.dial("01062345678");
        refusal(&world, &phone);
        assert_eq!((world.record().outcome, b.calls_received()), (outcome, 0), "{status}");
        world.assert_settled();
    }
}

#[test]
fn a_dead_trunk_is_gone_round() {
    let world = World::new(two_trunks(Setup::new(7)));
    let (phone, a, b) = parties(&world);
    a.vanish();
    b.set_conduct(Conduct::Answer(secs(1)));
    phone.dial("01062345678");
    connect(&world, &phone, &b);
    phone.hang_up();
    part(&world, &phone, &b);
    world.assert_settled();
    assert_eq!(world.record().trunk.as_deref(), Some("b"));
}

#[test]
fn weights_share_the_calls() {
    let setup = two_trunks(Setup::new(11)).unannounced().tuned(|config| {
        config.routes = vec![Route::new("0*", ways(true, &[("a", 3), ("b", 1)]))];
    });
    let world = World::new(setup);
    let (phone, a, b) = parties(&world);
    a.set_conduct(Conduct::Busy);
    b.set_conduct(Conduct::Busy);
    for _ in 0..80 {
        phone.dial("01062345678");
        refusal(&world, &phone);
    }
    assert_eq!(a.calls_received() + b.calls_received(), 80);
    assert!((45..=75).contains(&a.calls_received()), "a had {} of 80", a.calls_received());
    world.assert_settled();
}

#[test]
fn each_trunk_gets_numbers_and_callers_as_it_wants_them() {
    let setup = two_trunks(Setup::new(7)).tuned(|config| {
        config.numbers.area_code = "0571".to_owned();
        config.routes = vec![
            Route { strip: 1, ..Route::new("9*", ways(false, &[("a", 1), ("b", 1)])) },
            Route::new("0*", RouteTarget::trunk("a")),
        ];
        let a = &mut config.trunks[0].dialling;
        a.format = NumberFormat::National;
        a.mobile_prefix = "0".to_owned();
        a.strip_area = true;
        a.codecs = vec!["PCMU".to_owned()];
        let b = &mut config.trunks[1].dialling;
        b.format = NumberFormat::E164;
        b.prefix = "99".to_owned();
        b.caller_numbers = vec!["057188880000".to_owned(), "057188880001".to_owned()];
        b.caller = CallerChoice::RoundRobin;
        b.caller_format = NumberFormat::PlusE164;
        b.caller_headers = vec![CallerHeader::From, CallerHeader::PAssertedIdentity, CallerHeader::RemotePartyId];
    });
    let world = World::new(setup);
    let (phone, a, b) = parties(&world);
    world.change_extension("100", |extension| extension.outside_number = "057188886666".to_owned());
    a.set_conduct(Conduct::Refuse(503));
    b.set_conduct(Conduct::Busy);
    for caller in ["+8657188880000", "+8657188880001", "+8657188880000"] {
        phone.dial("913900138000");
        refusal(&world, &phone);
        assert!(a.invite().starts_with("INVITE sip:013900138000@"), "{}", a.invite());
        assert!(a.invited_with("From").unwrap().contains("<sip:057188886666@"), "{}", a.invite());
        assert!(a.invited_with("P-Asserted-Identity").is_none());
        assert!(a.invite().contains("RTP/AVP 0 101\r\n"), "only the codec it wants: {}", a.invite());
        assert!(b.invite().starts_with("INVITE sip:998613900138000@"), "{}", b.invite());
        assert!(b.invite().contains("RTP/AVP 8 0 101\r\n"), "{}", b.invite());
        let named = format!("<sip:{caller}@192.0.2.1:5060>");
        assert!(b.invited_with("From").unwrap().contains(&named));
        assert!(b.invited_with("P-Asserted-Identity").unwrap().ends_with(&named), "{}", b.invite());
        let rpid = b.invited_with("Remote-Party-ID").unwrap();
        assert!(rpid.contains(&named) && rpid.ends_with(";party=calling;screen=yes;privacy=off"), "{rpid}");
    }
    phone.dial("057188881234");
    refusal(&world, &phone);
    assert!(a.invite().starts_with("INVITE sip:88881234@"), "{}", a.invite());
    assert_eq!(world.records().last().unwrap().callee, "057188881234", "the record has what was dialled");
    world.assert_settled();
}

#[test]
fn a_trunk_that_may_be_offered_nothing_of_the_callers_codecs_is_passed_over() {
    let setup = two_trunks(Setup::new(7)).tuned(|config| config.trunks[0].dialling.codecs = vec!["G729".to_owned()]);
    let world = World::new(setup);
    let (phone, a, b) = parties(&world);
    b.set_conduct(Conduct::Answer(secs(1)));
    phone.dial("01062345678");
    connect(&world, &phone, &b);
    phone.hang_up();
    part(&world, &phone, &b);
    world.assert_settled();
    assert_eq!(a.calls_received(), 0);
    assert_eq!(world.record().legs[1].outcome, Outcome::Incompatible);
}

#[test]
fn an_extension_calls_as_far_as_its_rights_go() {
    let world = World::new(two_trunks(Setup::new(7)).tuned(|config| config.numbers.area_code = "571".to_owned()));
    let (phone, a, _) = parties(&world);
    let other = world.phone("101");
    other.set_conduct(Conduct::Busy);
    a.set_conduct(Conduct::Busy);
    let table = [(Rights::Internal, 0), (Rights::Local, 1), (Rights::National, 2), (Rights::International, 3)];
    for (rights, reached) in table {
        world.change_extension("100", |extension| extension.rights = Some(rights));
        for (n, number) in ["057188886666", "01062345678", "0044201234567"].into_iter().enumerate() {
            phone.dial(number);
            let status = refusal(&world, &phone);
            assert_eq!(status, if n < reached { 486 } else { 403 }, "{rights:?} {number}");
            let record = world.records().last().unwrap().clone();
            if n >= reached {
                heard_if_told(&world, &phone, Sound::Congestion);
                assert_eq!(record.outcome, Outcome::Forbidden);
                assert!(record.note.starts_with("the extension may not make"), "{}", record.note);
            }
        }
        phone.dial("101");
        assert_eq!(refusal(&world, &phone), 486, "colleagues are always reached");
    }
    assert_eq!(a.calls_received(), 6);
    world.assert_settled();
}

#[test]
fn the_black_list_holds_in_both_directions() {
    let setup = two_trunks(Setup::new(7)).tuned(|config| {
        config.black_list.called = vec!["010*".to_owned()];
        config.black_list.callers = vec!["666".to_owned()];
        config.trunks[0].dialling.inbound_caller_rewrite =
            vec![model::Rewrite { begins: "a".to_owned(), length: None, strip: 1, prepend: "666".to_owned() }];
    });
    let world = World::new(setup);
    let (phone, a, b) = parties(&world);
    phone.dial("01062345678");
    assert_eq!(refusal(&world, &phone), 403);
    assert_eq!(world.record().note, "the number is on the black list");
    assert_eq!(a.calls_received() + b.calls_received(), 0);
    // Trunks call under their own names; that of a is rewritten.
    phone.set_conduct(Conduct::Busy);
    a.dial("100");
    assert_eq!(refusal(&world, &a), 403);
    let record = world.records().last().unwrap().clone();
    assert_eq!((record.caller.as_str(), record.note.as_str()), ("666", "the caller is on the black list"));
    assert_eq!(phone.calls_received(), 0);
    b.dial("100");
    assert_eq!(refusal(&world, &b), 486);
    world.assert_settled();
}

#[test]
fn routes_and_blocked_numbers_are_set_while_the_switch_runs() {
    let world = World::new(two_trunks(Setup::new(7)).workers(2));
    let (phone, a, b) = parties(&world);
    a.set_conduct(Conduct::Answer(secs(1)));
    b.set_conduct(Conduct::Answer(secs(1)));
    let call = |other: &Phone| {
        phone.dial("01062345678");
        connect(&world, &phone, other);
        converse(&world, &phone, other);
        phone.hang_up();
        part(&world, &phone, other);
    };
    call(&a);
    let routes = vec![Route::new("0*", ways(false, &[("b", 1)]))];
    let routing = model::Routing { routes, ..model::Routing::default() };
    world.set_routing(&routing);
    world.run_for(secs(1));
    call(&b);
    // Nonsense leaves everything as it was.
    let nonsense = Route { hours: vec!["whenever".to_owned()], ..Route::new("0*", ways(false, &[("a", 1)])) };
    world.set_routing(&model::Routing { routes: vec![nonsense], ..model::Routing::default() });
    world.run_for(secs(1));
    call(&b);
    let black_list = model::BlackList { callers: Vec::new(), called: vec!["010*".to_owned()] };
    world.set_routing(&model::Routing { black_list, ..routing });
    world.run_for(secs(1));
    phone.dial("01062345678");
    refusal(&world, &phone);
    world.set_routing(&model::Routing::default());
    world.run_for(secs(1));
    call(&a);
    world.assert_settled();
}

#[test]
fn a_program_says_where_calls_lead() {
    const URL: &str = "http://crm.example/route";
    let setup = two_trunks(Setup::new(7)).workers(2).tuned(|config| {
        let otherwise = Overflow::Extension("100".to_owned());
        let program = Program { url: URL.to_owned(), wait_ms: Program::WAIT_MS, otherwise };
        let route = Route::new("4008*", RouteTarget::Program(program));
        config.routes.push(Route { from_trunk: Some("a".to_owned()), ..route });
    });
    let world = World::new(setup);
    let (phone, a, _) = parties(&world);
    let other = world.phone("101");
    world.run_for(secs(1));
    [&phone, &other].iter().for_each(|phone| phone.set_conduct(Conduct::Answer(secs(1))));
    let call = |called: &Phone| {
        a.dial("4008001");
        connect(&world, &a, called);
        converse(&world, &a, called);
        a.hang_up();
        part(&world, &a, called);
    };
    let says = |answer: &str| world.web(|web| web.put_program(URL, millis(200), answer));
    says(r#"{"extension":"101"}"#);
    call(&other);
    let asked = world.web(|web| web.questions().to_vec());
    assert!(asked.len() == 1 && asked[0].contains(r#""to":"4008001","trunk":"a"}"#), "{asked:?}");
    // Nothing that can be done, round and round, or silence: where the route says otherwise.
    says("{}");
    call(&phone);
    says(r#"{"number":"4008002"}"#);
    call(&phone);
    assert_eq!(world.web(|web| web.questions().len()), 6);
    world.web(|web| web.put_program(URL, millis(900), r#"{"extension":"101"}"#));
    call(&phone);
    says(r#"{"reject":"busy"}"#);
    a.dial("4008001");
    assert_eq!(refusal(&world, &a), 486);
    // Who gives up meanwhile is gone.
    a.dial("4008001");
    world.run_for(millis(100));
    a.hang_up();
    world.run_for(secs(2));
    assert_eq!(world.records().last().expect("a record").outcome, Outcome::Cancelled);
    world.assert_settled();
}

#[test]
fn a_route_counts_in_its_hours() {
    // The world begins on a Saturday at eight in Shanghai.
    let setup = two_trunks(Setup::new(7)).tuned(|config| {
        config.routes[0].hours = vec!["Sat 09:00-10:00".to_owned()];
    });
    let world = World::new(setup);
    let (phone, a, _) = parties(&world);
    a.set_conduct(Conduct::Busy);
    let status = || {
        phone.dial("01062345678");
        refusal(&world, &phone)
    };
    assert_eq!(status(), 403);
    assert_eq!(world.record().note, "outside the hours of the route");
    world.run_for(secs(3600));
    assert_eq!(status(), 486);
    world.run_for(secs(3600));
    assert_eq!(status(), 403);
    world.assert_settled();
}

#[test]
fn a_number_that_a_trunk_dials_leads_where_the_route_of_that_trunk_says() {
    let setup = two_trunks(Setup::new(7)).tuned(|config| {
        config.numbers.area_code = "0571".to_owned();
        let route = |trunk: &str, to: &str| Route {
            from_trunk: Some(trunk.to_owned()),
            ..Route::new("057188886666", RouteTarget::Extension(to.to_owned()))
        };
        config.routes.extend([route("a", "100"), route("b", "101")]);
    });
    let world = World::new(setup);
    let (phone, a, b) = parties(&world);
    let other = world.phone("101");
    phone.set_conduct(Conduct::Busy);
    other.set_conduct(Conduct::Busy);
    for did in ["057188886666", "+8657188886666", "88886666"] {
        a.dial(did);
        assert_eq!(refusal(&world, &a), 486, "{did}");
    }
    assert_eq!((phone.calls_received(), other.calls_received()), (3, 0));
    b.dial("057188886666");
    assert_eq!(refusal(&world, &b), 486);
    assert_eq!((phone.calls_received(), other.calls_received()), (3, 1));
    a.dial("01062345678");
    assert_eq!(refusal(&world, &a), 404, "no way from trunk to trunk");
    world.assert_settled();
}

#[test]
fn an_emergency_call_gets_out_whatever_stands_in_its_way() {
    let setup = two_trunks(Setup::new(7)).max_calls_per_worker(1).tuned(|config| {
        config.numbers.emergency = vec!["110".to_owned()];
        config.rights.default = Rights::Internal;
        config.black_list.called = vec!["*".to_owned()];
        config.total_cap.minutes = Some(0);
        config.extension_cap.cost = Some(0);
        config.trunks[0].dialling.hours = vec!["Mon 00:00-00:01".to_owned()];
    });
    let world = World::new(setup);
    let (phone, a, b) = parties(&world);
    let (other, third) = (world.phone("101"), world.phone("102"));
    other.set_conduct(Conduct::AnswerAtOnce);
    third.dial("101");
    connect(&world, &third, &other);
    phone.dial("101");
    assert_eq!(refusal(&world, &phone), 503, "the worker is full");
    phone.dial("01062345678");
    assert_eq!(refusal(&world, &phone), 503);
    a.set_conduct(Conduct::Refuse(403));
    b.set_conduct(Conduct::Answer(secs(1)));
    phone.dial("110");
    connect(&world, &phone, &b);
    converse(&world, &phone, &b);
    assert_eq!(a.calls_received(), 1);
    phone.hang_up();
    part(&world, &phone, &b);
    third.hang_up();
    part(&world, &third, &other);
    world.assert_settled();
    let record = world.records().into_iter().find(|record| record.callee == "110").unwrap();
    assert_eq!((record.outcome, record.trunk.as_deref()), (Outcome::Answered, Some("b")));
}
