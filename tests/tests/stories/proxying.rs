//! Requests outside calls that are for a phone: passed on between extensions, and to nobody else.

use expect_test::expect_file;
use patchbay_tests::{everywhere, roughly};
use sim::{Setup, Stream, World, millis, secs};

/// What somebody's last request came to.
fn fate(world: &World, phone: &sim::Phone) -> Option<u16> {
    world.run_until(secs(40), || phone.asked().last().is_none_or(|(_, status)| status.is_some()));
    phone.asked().last().and_then(|(_, status)| *status)
}

#[test]
fn a_phone_asks_another_whether_it_is_there() {
    everywhere(
        |setup| setup.workers(2),
        &expect_file!["../../ladders/passed_on.txt"],
        |world| {
            let (phone, other) = (world.phone("100"), world.phone("101"));
            phone.request("OPTIONS", "101", &[], "");
            assert_eq!(fate(world, &phone), Some(200));
            let [asked] = &other.asked_by()[..] else { panic!("{:?}", other.asked_by()) };
            assert!(asked.starts_with(&format!("OPTIONS sip:101@{}", other.address())), "{asked}");
            assert_eq!(asked.matches("Via: ").count(), 2, "{asked}");
            for (part, there) in [("Max-Forwards: 69", true), ("Authorization", false), ("Record-Route", false)] {
                assert_eq!(asked.contains(part), there, "{part} in {asked}");
            }
        },
    );
}

#[test]
fn all_kinds_of_requests_reach_all_phones_of_an_extension_and_the_best_answer_comes_back() {
    roughly(
        |setup| setup.workers(3),
        |world| {
            let (phone, desk, page) = (world.phone("100"), world.phone("101"), world.phone_by(Stream::Ws, "101"));
            desk.answer_others_with(486);
            for (method, header) in [
                ("INFO", ("Info-Package", "x-lights")),
                ("NOTIFY", ("Event", "x-weather")),
                ("REFER", ("Refer-To", "<sip:102@192.0.2.1>")),
                ("PUBLISH", ("Event", "x-mood")),
            ] {
                world.extension("102");
                let status = if method == "REFER" { 202 } else { 200 };
                phone.request(method, "101", &[header], "");
                assert_eq!(fate(world, &phone), Some(status), "seed {}: {method}", world.seed());
                world.run_for(secs(20));
                for phone in [&desk, &page] {
                    let last = phone.asked_by().pop().unwrap_or_default();
                    assert!(last.starts_with(method), "seed {}: {phone:?} got {last}", world.seed());
                }
            }
            page.answer_others_with(404);
            phone.request("INFO", "101", &[], "");
            let status = fate(world, &phone);
            assert!(matches!(status, Some(404 | 486)), "{status:?}");
        },
    );
}

/// A package that the switch knows nothing of: both ends speak with each other, through it.
#[test]
fn a_subscription_between_phones_runs_through_the_switch() {
    everywhere(
        |setup| setup.workers(2),
        &expect_file!["../../ladders/passed_on_subscription.txt"],
        |world| {
            let (phone, other) = (world.phone_behind_nat("100"), world.phone("101"));
            phone.subscribe("101", "x-weather", 90);
            let told = |what: &str| {
                let last = || phone.notices("101", "x-weather").pop();
                let came = world.run_until(secs(60), || {
                    last().is_some_and(|(state, body)| state.starts_with(what) || body == what)
                });
                assert!(came, "seed {}: {what} in {:?}, {:?}", world.seed(), last(), other.told());
            };
            told("active");
            assert!(world.run_until(secs(40), || phone.subscribe_status("101", "x-weather") == Some(200)));
            other.tell_subscribers("rain");
            told("rain");
            world.run_for(secs(70));
            assert!(phone.notices("101", "x-weather").len() > 2, "it was renewed");
            phone.resubscribe("101", "x-weather", 0);
            told("terminated");
            assert_eq!(world.counts().subscriptions, 0, "the switch remembers nothing of it");
        },
    );
}

#[test]
fn a_page_and_a_phone_by_tcp_subscribe_to_each_other() {
    let world = World::new(Setup::new(7).workers(3));
    let (page, phone) = (world.phone_by(Stream::Ws, "100"), world.phone_by(Stream::Tcp, "101"));
    for (watcher, watched) in [(&page, &phone), (&phone, &page)] {
        let number = watched.number();
        watcher.subscribe(&number, "x-weather", 600);
        world.run_for(secs(1));
        watched.tell_subscribers("rain");
        world.run_for(secs(1));
        let notices = watcher.notices(&number, "x-weather");
        assert_eq!(notices.last().map(|(_, body)| body.as_str()), Some("rain"));
    }
    // The page is closed: the flow that its routes name is gone (RFC 5626 §5.3.1).
    page.stay_away();
    page.break_stream();
    world.run_for(secs(1));
    phone.tell_subscribers("snow");
    world.run_for(secs(1));
    assert_eq!(phone.told().last(), Some(&430));
    world.assert_settled();
}

#[test]
fn the_switch_answers_what_is_for_itself_and_passes_nothing_beyond_its_extensions() {
    let world = World::new(Setup::new(7).workers(2));
    let (phone, other) = (world.phone("100"), world.phone("101"));
    world.extension("102");
    for (method, uri, headers, expected) in [
        ("OPTIONS", "sip:192.0.2.1", &[][..], 200),
        ("OPTIONS", "sip:100@192.0.2.1", &[], 200),
        ("OPTIONS", "sip:ping@192.0.2.1", &[], 200),
        ("OPTIONS", "sip:101@192.0.2.1", &[("Max-Forwards", "0")], 400),
        ("INFO", "sip:102@192.0.2.1", &[], 480),
        ("INFO", "sip:999@192.0.2.1", &[], 404),
        ("INFO", "sip:101@elsewhere.example", &[], 404),
        ("INFO", "sip:101@203.0.113.9", &[], 404),
        ("INFO", "sip:101@192.0.2.1", &[("Proxy-Require", "magic")], 420),
        ("INFO", "sip:101@192.0.2.1", &[("Route", "<sip:203.0.113.9;lr>")], 200),
        ("NOTIFY", "sip:100@192.0.2.1", &[("Event", "x")], 405),
        ("INFO", "sip:100@192.0.2.1", &[], 481),
        ("REFER", "sip:101@192.0.2.1", &[("Refer-To", "<sip:0900123@192.0.2.1>")], 403),
        ("REFER", "sip:101@192.0.2.1", &[], 403),
        ("PUBLISH", "sip:100@192.0.2.1", &[("Event", "x-mood")], 489),
    ] {
        phone.request_uri(method, uri, headers, "");
        assert_eq!(fate(&world, &phone), Some(expected), "{method} {uri} {headers:?}");
    }
    let methods: Vec<String> = other.asked_by().iter().map(|text| text.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(methods, ["INFO"], "a route that somebody names leads nowhere but here");
    assert!(!other.asked_by()[0].contains("Route:"));
    // Whoever proves nothing reaches nobody, and learns nothing.
    let liar = world.unregistered("103");
    liar.set_password("wrong");
    for number in ["101", "999"] {
        liar.request("INFO", number, &[], "");
        assert_eq!(fate(&world, &liar), Some(403), "{number}");
        world.run_for(secs(5));
    }
    let stranger = world.unregistered("104");
    for number in ["101", "999"] {
        stranger.request("OPTIONS", number, &[], "");
        assert_eq!(fate(&world, &stranger), Some(200), "{number}: the switch says it");
    }
    assert_eq!(other.asked_by().len(), 1);
    world.assert_settled();
}

#[test]
fn where_the_operator_wants_none_of_it_nothing_is_passed_on() {
    let world = World::new(Setup::new(7).tuned(|config| config.policy.proxy.clear()));
    let (phone, other) = (world.phone("100"), world.phone("101"));
    for (method, expected) in [("OPTIONS", 200), ("INFO", 481), ("NOTIFY", 405), ("REFER", 403)] {
        phone.request(method, "101", &[], "");
        assert_eq!(fate(&world, &phone), Some(expected), "{method}");
    }
    phone.subscribe("101", "x-weather", 60);
    world.run_for(secs(1));
    assert_eq!(phone.subscribe_status("101", "x-weather"), Some(489));
    assert!(other.asked_by().is_empty());
    world.assert_settled();
}

#[test]
fn a_phone_that_says_nothing_delays_the_answer_of_another_and_costs_nobody_anything() {
    let world = World::seeded(7);
    let (phone, desk, kitchen) = (world.phone("100"), world.phone("101"), world.phone("101"));
    desk.ignore_others();
    kitchen.answer_others_with(480);
    phone.request("INFO", "101", &[], "");
    world.run_for(secs(20));
    assert_eq!(phone.asked().last().unwrap().1, None, "the desk may still say yes");
    world.run_for(secs(6));
    assert_eq!(phone.asked().last().unwrap().1, Some(480));
    kitchen.ignore_others();
    phone.request("INFO", "101", &[], "");
    world.run_for(secs(40));
    assert_eq!(phone.asked().last().unwrap().1, Some(408), "its own finding: nobody answered");
    world.run_for(millis(500));
    world.assert_settled();
}
