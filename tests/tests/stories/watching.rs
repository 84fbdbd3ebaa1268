//! Lamps, presence, message lamps and registrations: who watches is told, and nobody else.

use expect_test::expect_file;
use model::LegOrigin;
use patchbay_tests::{connect, converse, everywhere, once, part, roughly, seeds};
use sim::{Conduct, End, Phone, Setup, Stream, World, millis, secs};

/// A phone that watches another by its lamp, which is off.
fn watcher(world: &World, number: &str, watched: &str) -> Phone {
    let phone = world.phone(number);
    phone.subscribe(watched, "dialog", 600);
    let told = world.run_until(secs(60), || phone.lamp(watched) == Some("off"));
    assert!(told, "seed {}: {:?}", world.seed(), phone.subscribe_status(watched, "dialog"));
    phone
}

fn shows(world: &World, phone: &Phone, number: &str, lamp: &'static str) {
    let shown = world.run_until(secs(60), || phone.lamp(number) == Some(lamp));
    assert!(shown, "seed {}: the lamp is {:?} instead of {lamp}", world.seed(), phone.lamp(number));
}

#[test]
fn a_lamp_flashes_burns_and_goes_out() {
    everywhere(
        |setup| setup.workers(2),
        &expect_file!["../../ladders/lamp.txt"],
        |world| {
            let (caller, called) = (world.phone("100"), world.phone("101"));
            let console = watcher(world, "110", "101");
            caller.dial("101");
            shows(world, &console, "101", "ringing");
            let (_, ringing) = console.notices("101", "dialog").pop().unwrap();
            for part in
                ["direction=\"recipient\"", "sip:100@", "display=\"Phone 100\"", "local-tag=\"", "remote-tag=\"pb"]
            {
                assert!(ringing.contains(part), "{part} in {ringing}");
            }
            assert!(ringing.contains(&format!("call-id=\"{}\"", called.call_id())), "{ringing}");
            called.answer();
            connect(world, &caller, &called);
            shows(world, &console, "101", "on");
            caller.hang_up();
            part(world, &caller, &called);
            shows(world, &console, "101", "off");
            let (_, over) = console.notices("101", "dialog").pop().unwrap();
            assert!(over.contains("terminated"), "{over}");
        },
    );
}

#[test]
fn the_caller_s_lamp_burns_too_and_a_late_watcher_sees_the_call() {
    roughly(
        |setup| setup.workers(3),
        |world| {
            let (caller, called) = (world.phone("100"), world.phone("101"));
            called.set_conduct(Conduct::Answer(secs(1)));
            caller.dial("101");
            connect(world, &caller, &called);
            let console = world.phone("110");
            for number in ["100", "101"] {
                console.subscribe(number, "dialog", 600);
                shows(world, &console, number, "on");
            }
            let (_, body) = console.notices("100", "dialog").pop().unwrap();
            assert!(body.contains("direction=\"initiator\"") && body.contains("sip:101@"), "{body}");
            called.hang_up();
            part(world, &caller, &called);
            for number in ["100", "101"] {
                shows(world, &console, number, "off");
            }
        },
    );
}

#[test]
fn the_lamp_of_a_watched_caller_burns_wherever_its_home_is() {
    for seed in 0..8 {
        let world = World::new(Setup::new(seed).workers(1 + (seed % 3) as u16));
        let (caller, called) = (world.phone("100"), world.phone("101"));
        let console = watcher(&world, "110", "100");
        caller.dial("101");
        assert!(world.run_until(secs(19), || called.is_ringing()));
        world.run_for(secs(1));
        assert_ne!(console.lamp("100"), Some("off"), "seed {seed}");
        called.answer();
        connect(&world, &caller, &called);
        shows(&world, &console, "100", "on");
        called.hang_up();
        part(&world, &caller, &called);
        shows(&world, &console, "100", "off");
        world.assert_settled();
    }
}

#[test]
fn a_call_that_is_cancelled_or_refused_puts_the_lamp_out() {
    let world = World::seeded(7);
    let (caller, called) = (world.phone("100"), world.phone("101"));
    let console = watcher(&world, "110", "101");
    caller.dial("101");
    shows(&world, &console, "101", "ringing");
    caller.hang_up();
    shows(&world, &console, "101", "off");
    let (_, body) = console.notices("101", "dialog").pop().unwrap();
    assert!(body.contains("event=\"cancelled\""), "{body}");
    part(&world, &caller, &called);
    called.set_conduct(Conduct::Refuse(603));
    caller.dial("101");
    world.run_for(secs(10));
    assert_eq!(console.lamp("101"), Some("off"));
    world.assert_settled();
}

#[test]
fn subscriptions_are_renewed_taken_back_and_lapse() {
    once(Setup::new(7), &expect_file!["../../ladders/subscription.txt"], |world| {
        world.extension("101");
        let console = watcher(world, "110", "101");
        world.run_for(secs(500));
        assert!(console.notices("101", "dialog").len() > 1, "it was renewed");
        console.resubscribe("101", "dialog", 0);
        world.run_for(secs(1));
        let (state, _) = console.notices("101", "dialog").pop().unwrap();
        assert_eq!(state, "terminated;reason=timeout");
        assert_eq!(world.counts().subscriptions, 0);
        // A phone that is gone is forgotten when its time is over.
        console.subscribe("101", "dialog", 60);
        world.run_for(secs(1));
        assert_eq!(world.counts().subscriptions, 1);
        console.vanish();
        world.run_for(secs(200));
        assert_eq!(world.counts().subscriptions, 0);
    });
}

#[test]
fn who_may_watch_whom() {
    let world = World::new(Setup::new(7).tuned(|config| config.policy.watch = false));
    let phone = world.phone("100");
    world.extension("101");
    for (number, event, status) in [
        ("101", "dialog", 403),
        ("100", "dialog", 200),
        ("100", "reg", 200),
        ("101", "reg", 403),
        ("101", "message-summary", 403),
        ("100", "message-summary", 200),
        ("100", "x-unheard-of", 489),
        ("999", "presence", 403),
    ] {
        phone.subscribe(number, event, 600);
        world.run_for(secs(1));
        assert_eq!(phone.subscribe_status(number, event), Some(status), "{event} of {number}");
    }
    let world = World::seeded(7);
    let phone = world.phone("100");
    phone.subscribe("999", "dialog", 600);
    world.run_for(secs(1));
    assert_eq!(phone.subscribe_status("999", "dialog"), Some(404));
    let liar = world.unregistered("102");
    liar.set_password("wrong");
    liar.subscribe("100", "dialog", 600);
    world.run_for(secs(5));
    assert_eq!(liar.subscribe_status("100", "dialog"), Some(403));
}

#[test]
fn lamps_survive_a_kill() {
    for seed in 0..6 {
        let workers = 1 + (seed % 3) as u16;
        let world = World::new(Setup::new(seed).workers(workers));
        let (caller, called) = (world.phone("100"), world.phone("101"));
        let console = watcher(&world, "110", "101");
        called.set_conduct(Conduct::Answer(secs(1)));
        caller.dial("101");
        shows(&world, &console, "101", "on");
        world.kill();
        world.run_for(secs(1));
        world.restart();
        // The call goes on, and the lamp burns on; it goes out with the call, though nobody subscribed anew.
        world.run_for(secs(3));
        assert_eq!((console.lamp("101"), world.counts().subscriptions), (Some("on"), 1), "seed {seed}");
        caller.hang_up();
        part(&world, &caller, &called);
        shows(&world, &console, "101", "off");
        caller.dial("101");
        shows(&world, &console, "101", "on");
        // Its refresh finds the subscription where it was.
        world.run_for(secs(450));
        assert_eq!(world.counts().subscriptions, 1, "seed {seed}");
        assert_eq!(console.lamp("101"), Some("on"));
        caller.hang_up();
        part(&world, &caller, &called);
        world.assert_settled();
    }
}

#[test]
fn presence_is_made_of_registration_calls_and_what_the_phone_says() {
    let world = World::new(Setup::new(7).workers(2));
    let (friend, called) = (world.phone("110"), world.unregistered("101"));
    friend.subscribe("101", "presence", 600);
    let says = |what: &str| {
        let said = world
            .run_until(secs(5), || friend.notices("101", "presence").last().is_some_and(|(_, b)| b.contains(what)));
        assert!(said, "{what} in {:?}", friend.notices("101", "presence").last());
    };
    says("<basic>closed</basic>");
    called.register();
    says("<basic>open</basic>");
    called.publish("open", Some("at lunch"));
    says("<note>at lunch</note>");
    called.set_conduct(Conduct::AnswerAtOnce);
    friend.dial("101");
    says("<rpid:on-the-phone/>");
    friend.hang_up();
    says("<note>at lunch</note>");
    called.publish("open", None);
    says("<note>Online</note>");
    assert_eq!(called.publish_status(), Some(200));
    called.unregister();
    says("<basic>closed</basic>");
    // A publication that nobody renews lapses.
    called.publish("open", Some("back soon"));
    says("back soon");
    world.run_for(secs(601));
    says("<basic>closed</basic>");
    world.assert_settled();
}

#[test]
fn a_publication_does_not_survive_a_kill_and_the_phone_is_told() {
    let world = World::seeded(7);
    let phone = world.phone("100");
    phone.publish("open", Some("here"));
    world.run_for(secs(1));
    assert_eq!(phone.publish_status(), Some(200));
    world.kill();
    world.restart();
    phone.publish("open", Some("here"));
    world.run_for(secs(2));
    assert_eq!(phone.publish_status(), Some(412));
    phone.publish("open", Some("here"));
    world.run_for(secs(2));
    assert_eq!(phone.publish_status(), Some(200));
    world.assert_settled();
}

#[test]
fn the_message_lamp_burns_while_new_messages_wait_also_after_a_kill() {
    let world = World::new(Setup::new(7).workers(2));
    let phone = world.phone("100");
    phone.subscribe("100", "message-summary", 3600);
    let last = || phone.notices("100", "message-summary").pop().map(|(_, body)| body).unwrap_or_default();
    world.run_for(secs(1));
    assert!(last().starts_with("Messages-Waiting: no"), "{}", last());
    world.set_messages("100", 2, 1).unwrap();
    world.run_for(secs(1));
    assert!(last().contains("Voice-Message: 2/1 (0/0)"), "{}", last());
    world.kill();
    world.restart();
    world.run_for(secs(3));
    assert!(last().contains("Voice-Message: 2/1 (0/0)"), "{}", last());
    world.set_messages("100", 0, 0).unwrap();
    world.run_for(secs(1));
    assert!(last().starts_with("Messages-Waiting: no"), "{}", last());
    assert!(world.set_messages("999", 1, 0).is_err());
}

#[test]
fn a_phone_hears_of_the_other_contacts_of_its_extension() {
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.unregistered("100"));
    phone.subscribe("100", "reg", 3600);
    let contacts = || {
        let body = phone.notices("100", "reg").pop().map(|(_, body)| body).unwrap_or_default();
        body.matches("event=\"registered\"").count()
    };
    assert!(world.run_until(secs(2), || contacts() == 1));
    other.register();
    assert!(world.run_until(secs(2), || contacts() == 2));
    other.unregister();
    assert!(world.run_until(secs(2), || contacts() == 1));
}

#[test]
fn a_contact_that_goes_is_told_of_once_more_and_why() {
    for workers in 1..4 {
        // A page that may come back is not gone.
        let at_once = |config: &mut sim::cell::Config| config.policy.grace = secs(0);
        let world = World::new(Setup::new(workers.into()).workers(workers).tuned(at_once));
        let phone = world.phone("100");
        phone.subscribe("100", "reg", 3600);
        let last = || phone.notices("100", "reg").pop().map(|(_, body)| body).unwrap_or_default();
        let told = |contacts: [usize; 2], event: &str| {
            let gone = format!("state=\"terminated\" event=\"{event}\">");
            let fits =
                |body: &str| [body.matches("event=\"registered\"").count(), body.matches(&gone).count()] == contacts;
            assert!(world.run_until(secs(5), || fits(&last())), "{contacts:?} {event} in {}", last());
        };
        told([1, 0], "");
        let leaving = world.unregistered("100");
        leaving.register();
        told([2, 0], "");
        leaving.unregister();
        told([1, 1], "unregistered");
        assert!(last().contains(&format!("{}", leaving.address())), "it is named: {}", last());
        // It came back, and the next is not told of what went before.
        leaving.register();
        told([2, 0], "unregistered");
        let page = world.phone_by(Stream::Ws, "100");
        told([3, 0], "");
        page.stay_away();
        page.break_stream();
        told([2, 1], "deactivated");
        leaving.set_expires(60);
        leaving.forget_to_renew();
        leaving.register();
        world.run_for(secs(57));
        told([2, 0], "");
        told([1, 1], "expired");
        phone.resubscribe("100", "reg", 3600);
        told([1, 0], "expired");
        world.assert_settled();
    }
}

#[test]
fn who_watches_a_removed_extension_is_told_that_it_is_gone() {
    let world = World::seeded(7);
    world.extension("101");
    let console = watcher(&world, "110", "101");
    world.remove_extension("101");
    world.run_for(millis(500));
    let (state, _) = console.notices("101", "dialog").pop().unwrap();
    assert_eq!(state, "terminated;reason=noresource");
    assert_eq!(world.counts().subscriptions, 0);
}

/// A colleague presses the lamp key of a number that rings.
fn presses(world: &World, phone: &Phone, number: &str) {
    shows(world, phone, number, "ringing");
    assert!(phone.pick_up(number));
}

#[test]
fn a_lamp_key_takes_the_call_that_rings() {
    everywhere(
        |setup| setup.workers(3),
        &expect_file!["../../ladders/lamp_pick_up.txt"],
        |world| {
            let (caller, called) = (world.phone("100"), world.phone("101"));
            let console = watcher(world, "110", "101");
            world.restart_ladder();
            caller.dial("101");
            assert!(world.run_until(secs(19), || called.is_ringing()));
            // The 180 may be lost, and the lamp then shows no dialog of the phone's that could be named.
            if !world.run_until(secs(8), || console.lamp("101") == Some("ringing")) {
                assert!(!world.setup().is_clean());
                caller.hang_up();
                return part(world, &caller, &called);
            }
            presses(world, &console, "101");
            connect(world, &caller, &console);
            converse(world, &caller, &console);
            assert!(world.run_until(secs(40), || called.is_idle()), "seed {}", world.seed());
            assert_eq!(called.end(), Some(End::NotTaken(487)), "seed {}", world.seed());
            let reason = called.reason().unwrap_or_default();
            assert!(reason.starts_with("SIP;cause=200"), "seed {}: {reason}", world.seed());
            shows(world, &console, "101", "off");
            console.hang_up();
            part(world, &caller, &console);
            let record = world.record();
            assert_eq!(record.legs[2].origin, LegOrigin::PickedUp { of: 1 });
        },
    );
}

#[test]
fn a_lamp_key_takes_the_call_that_rings_at_several_phones() {
    roughly(
        |setup| setup.workers(3),
        |world| {
            let (caller, desk) = (world.phone("100"), world.phone("101"));
            let mobile = world.phone("101");
            let console = watcher(world, "110", "101");
            caller.dial("101");
            assert!(world.run_until(secs(19), || desk.is_ringing() && mobile.is_ringing()));
            if world.run_until(secs(8), || console.lamp("101") == Some("ringing")) {
                presses(world, &console, "101");
                connect(world, &caller, &console);
                converse(world, &caller, &console);
                for phone in [&desk, &mobile] {
                    assert!(world.run_until(secs(40), || phone.is_idle()), "seed {}", world.seed());
                    assert_eq!(phone.end(), Some(End::NotTaken(487)), "seed {}", world.seed());
                }
                shows(world, &console, "101", "off");
                caller.hang_up();
                part(world, &caller, &console);
            } else {
                caller.hang_up();
                part(world, &caller, &desk);
            }
        },
    );
}

#[test]
fn a_pick_up_that_is_cancelled_at_once_meets_no_481() {
    for seed in seeds() {
        let world = World::new(Setup::new(seed).workers(4));
        let (caller, called) = (world.phone("100"), world.phone("101"));
        let console = watcher(&world, "110", "101");
        caller.dial("101");
        presses(&world, &console, "101");
        console.hang_up();
        assert!(world.run_until(secs(40), || console.is_idle() && caller.is_idle()), "seed {seed}");
        part(&world, &caller, &called);
        let ladder = world.ladder();
        assert!(!ladder.contains("481"), "seed {seed}: {ladder}");
        world.assert_settled();
    }
}

#[test]
fn each_extension_says_who_may_watch_it() {
    use model::WatchedBy;
    let world = World::new(Setup::new(7).workers(2));
    let (assistant, colleague) = (world.phone("100"), world.phone("101"));
    world.extension("102");
    let may = |phone: &Phone, event: &str, status| {
        phone.subscribe("102", event, 600);
        world.run_for(secs(1));
        assert_eq!(phone.subscribe_status("102", event), Some(status), "{phone:?} {event}");
    };
    may(&assistant, "dialog", 200);
    may(&colleague, "presence", 200);
    // Whoever loses the right is told so at once.
    world.change_extension("102", |extension| extension.watched_by = WatchedBy::Only(vec!["100".to_owned()]));
    world.run_for(secs(1));
    let (state, _) = colleague.notices("102", "presence").pop().unwrap();
    assert_eq!(state, "terminated;reason=rejected");
    assert_eq!(world.counts().subscriptions, 1);
    may(&assistant, "presence", 200);
    may(&colleague, "dialog", 403);
    world.change_extension("102", |extension| extension.watched_by = WatchedBy::Nobody);
    may(&assistant, "dialog", 403);
    assert_eq!(world.counts().subscriptions, 0);
    world.change_extension("102", |extension| extension.watched_by = WatchedBy::All);
    may(&colleague, "dialog", 200);
    world.assert_settled();
}
