//! Texts: delivered, stored, in order, once, and told to those who listen.

use expect_test::expect_file;
use model::{EventBody, MessageState};
use patchbay_tests::{everywhere, roughly, seeds};
use sim::{Phone, Setup, World, millis, secs};

fn texts(phone: &Phone) -> Vec<String> {
    phone.texts().into_iter().map(|(_, text)| text).collect()
}

/// How messages ended, as the world was told.
fn told(world: &World) -> Vec<(MessageState, String)> {
    let of = |event: model::Event| match event.body {
        EventBody::MessageReceived { message }
        | EventBody::MessageDelivered { message }
        | EventBody::MessageFailed { message } => Some((message.state, message.text())),
        _ => None,
    };
    world.events().into_iter().filter_map(of).collect()
}

#[test]
fn a_text_reaches_the_other_phone_once_and_the_sender_hears_so() {
    everywhere(
        |setup| setup.workers(2),
        &expect_file!["../../ladders/text.txt"],
        |world| {
            let (phone, other) = (world.phone("100"), world.phone("101"));
            phone.text("101", "grüß dich, 你好");
            let got = world.run_until(secs(60), || phone.text_statuses()[0].is_some() && !texts(&other).is_empty());
            assert!(got, "seed {}: {:?}", world.seed(), phone.text_statuses());
            assert_eq!(other.texts(), [("100".to_owned(), "grüß dich, 你好".to_owned())], "seed {}", world.seed());
            let status = phone.text_statuses()[0];
            // Over rough lines the phone's answer may come later than the sender's patience lasts.
            assert!(status == Some(200) || status == Some(202) && !world.setup().is_clean(), "{status:?}");
            world.run_for(secs(40));
            assert_eq!(texts(&other).len(), 1, "seed {}", world.seed());
            assert_eq!(world.counts().messages, 0, "seed {}", world.seed());
        },
    );
}

#[test]
fn texts_wait_for_the_phone_and_come_in_order_also_after_a_kill() {
    for seed in seeds() {
        let workers = 1 + (seed % 3) as u16;
        let setup = Setup::new(seed).workers(workers);
        let world = World::new(if seed % 2 == 0 { setup } else { setup.rough() });
        let (phone, other) = (world.phone("100"), world.unregistered("101"));
        for n in 0..5 {
            phone.text("101", &format!("text {n}"));
            assert!(world.run_until(secs(60), || phone.text_statuses()[n].is_some()), "seed {seed}");
            assert_eq!(phone.text_statuses()[n], Some(202), "seed {seed}");
        }
        assert_eq!(world.counts().messages, 5, "seed {seed}");
        world.kill();
        world.run_for(secs(1));
        world.restart();
        world.run_for(secs(5));
        assert_eq!(world.counts().messages, 5, "seed {seed}: they survive");
        other.register();
        assert!(world.run_until(secs(120), || texts(&other).len() >= 5), "seed {seed}: {:?}", texts(&other));
        let wanted: Vec<String> = (0..5).map(|n| format!("text {n}")).collect();
        assert_eq!(texts(&other), wanted, "seed {seed}");
        world.run_for(secs(60));
        assert_eq!((texts(&other).len(), world.counts().messages), (5, 0), "seed {seed}");
        world.assert_settled();
    }
}

#[test]
fn a_phone_that_is_registered_and_gone_gets_its_text_when_it_is_back() {
    roughly(
        |setup| setup,
        |world| {
            let (phone, other) = (world.phone("100"), world.phone("101"));
            other.set_cut_off(true);
            phone.text("101", "are you there?");
            assert!(world.run_until(secs(40), || phone.text_statuses()[0].is_some()));
            assert_eq!(phone.text_statuses()[0], Some(202));
            world.run_for(secs(60));
            other.set_cut_off(false);
            other.register();
            assert!(world.run_until(secs(100), || !texts(&other).is_empty()), "seed {}", world.seed());
            world.run_for(secs(60));
            assert_eq!(texts(&other), ["are you there?"], "seed {}", world.seed());
        },
    );
}

#[test]
fn every_phone_of_an_extension_gets_it_and_one_is_enough() {
    let world = World::seeded(7);
    let (phone, desk, mobile) = (world.phone("100"), world.phone("101"), world.phone("101"));
    desk.answer_texts_with(415);
    phone.text("101", "one");
    world.run_for(secs(2));
    assert_eq!((texts(&desk).len(), texts(&mobile).len()), (0, 1));
    assert_eq!(phone.text_statuses(), [Some(200)]);
    // What no phone will ever take is not stored.
    mobile.answer_texts_with(603);
    phone.text("101", "two");
    world.run_for(secs(2));
    assert_eq!(phone.text_statuses()[1], Some(603));
    assert_eq!(world.counts().messages, 0);
    // A trouble that passes.
    for phone in [&desk, &mobile] {
        phone.answer_texts_with(480);
    }
    phone.text("101", "three");
    world.run_for(secs(2));
    assert_eq!(phone.text_statuses()[2], Some(202));
    mobile.answer_texts_with(200);
    world.run_for(secs(40));
    assert_eq!(texts(&mobile), ["one", "three"]);
    use MessageState::{Delivered, Failed, Waiting};
    let states: Vec<MessageState> = told(&world).into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, [Waiting, Delivered, Waiting, Failed, Waiting, Delivered]);
    let listed: Vec<_> = world.messages("101").into_iter().map(|m| (m.text(), m.state)).collect();
    assert_eq!(listed, [("one".into(), Delivered), ("two".into(), Failed), ("three".into(), Delivered)]);
    world.assert_settled();
}

#[test]
fn a_text_that_waited_too_long_is_not_delivered() {
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.unregistered("101"));
    phone.text_for("101", "lunch in ten minutes", 600);
    phone.text("101", "whenever");
    world.run_for(secs(601));
    other.register();
    world.run_for(secs(2));
    assert_eq!(texts(&other), ["whenever"]);
    assert!(told(&world).contains(&(MessageState::Expired, "lunch in ten minutes".to_owned())));
    world.assert_settled();
}

#[test]
fn limits_of_texts() {
    let world = World::seeded(7);
    let phone = world.phone("100");
    world.extension("101");
    phone.text("101", &"x".repeat(9000));
    phone.text("999", "nobody");
    world.run_for(secs(1));
    assert_eq!(phone.text_statuses(), [Some(413), Some(404)]);
    for _ in 0..101 {
        phone.text("101", "more");
        world.run_for(millis(50));
    }
    world.run_for(secs(1));
    let statuses = phone.text_statuses();
    assert_eq!(statuses.iter().filter(|status| **status == Some(202)).count(), 100);
    assert_eq!(statuses.last(), Some(&Some(480)));
    // Who is no extension sends nothing.
    let liar = world.unregistered("102");
    liar.set_password("wrong");
    liar.text("101", "hello");
    world.run_for(secs(8));
    assert_eq!(liar.text_statuses(), [Some(403)]);
    assert_eq!(world.counts().messages, 100);
    // They go with their receiver.
    world.remove_extension("101");
    world.run_for(secs(1));
    assert_eq!(world.counts().messages, 0);
}

#[test]
fn texts_go_out_by_a_trunk_and_come_in_by_it() {
    let world = World::new(Setup::new(7).workers(2).trunk("gsm", "1*"));
    world.setup();
    let (phone, gateway) = (world.phone("200"), world.trunk("gsm"));
    phone.text("13800138000", "your code is 1234");
    assert!(world.run_until(secs(5), || phone.text_statuses()[0].is_some()));
    assert_eq!(phone.text_statuses(), [Some(200)]);
    assert_eq!(gateway.texts(), [("200".to_owned(), "your code is 1234".to_owned())]);
    gateway.text("200", "thank you");
    assert!(world.run_until(secs(5), || !texts(&phone).is_empty()));
    assert_eq!(texts(&phone), ["thank you"]);
    gateway.answer_texts_with(503);
    phone.text("13800138000", "again");
    world.run_for(secs(2));
    assert_eq!(phone.text_statuses()[1], Some(500));
    gateway.text("13900139000", "no relay");
    world.run_for(secs(2));
    assert_eq!(gateway.text_statuses()[1], Some(404));
    world.assert_settled();
}

#[test]
fn a_gateway_that_is_registered_as_an_extension_speaks_for_others() {
    let world = World::new(Setup::new(7).workers(2).tuned(|config| {
        config.policy.gateways.insert("2005".to_owned());
    }));
    let gateway = world.phone("2005");
    // An SMS for nobody in particular is told to whoever listens to the switch: here with the gateway as sender.
    gateway.text("2005", "54756214");
    world.run_for(secs(1));
    assert_eq!(gateway.text_statuses(), [Some(200)]);
    let event = world.events().into_iter().find_map(|event| match event.body {
        EventBody::MessageReceived { message } => Some(message),
        _ => None,
    });
    let message = event.expect("it is told");
    assert_eq!((message.via.as_deref(), message.text().as_str()), (Some("2005"), "54756214"));
    // The answer goes out by the same gateway, to the number beyond it.
    world.send_message("system", "13800138000", Some("2005"), "your balance is 5").unwrap();
    assert!(world.run_until(secs(5), || !texts(&gateway).is_empty()));
    assert_eq!(gateway.texts(), [("system".to_owned(), "your balance is 5".to_owned())]);
    assert!(world.send_message("system", "999", None, "x").is_err());
    world.assert_settled();
}

#[test]
fn a_program_sends_texts_too() {
    let world = World::new(Setup::new(7).workers(3));
    let phone = world.phone("100");
    world.send_message("system", "100", None, "fire drill at ten").unwrap();
    assert!(world.run_until(secs(5), || !texts(&phone).is_empty()));
    assert_eq!(phone.texts(), [("system".to_owned(), "fire drill at ten".to_owned())]);
    world.assert_settled();
}
