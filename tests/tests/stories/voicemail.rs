//! Mailboxes: callers leave messages, their owners hear them.

use model::{EventBody, Forwards, Mailbox, Outcome, Overflow, Queue, Route, RouteTarget};
use patchbay_tests::{refusal, roughly};
use sim::{Conduct, Phone, Setup, Sound, World, secs};

/// What is spoken to callers; no voice has this pitch.
const SPEECH: Sound = Sound::Voice(1850);
/// Before a message is begun.
const BEEP: Sound = Sound::Voice(1400);

fn mailbox() -> Mailbox {
    Mailbox { name: "101".into(), extensions: vec!["101".into()], pin: "4711".into(), ..Mailbox::default() }
}

fn to_mailbox(world: &World) {
    world.extension("101");
    world.put_mailbox(mailbox());
    let to = || Some(Overflow::Mailbox("101".to_owned()));
    world.change_extension("101", |extension| {
        extension.forward = Forwards { busy: to(), no_answer: to(), offline: to(), ..Forwards::default() };
    });
}

/// The caller hears greeting and beep, speaks so long, and hangs up.
fn leave(world: &World, caller: &Phone, number: &str, seconds: u64) {
    let seed = world.seed();
    caller.dial(number);
    assert!(world.run_until(secs(60), || caller.has_heard(BEEP)), "seed {seed}: {:?}", caller.state());
    world.run_for(secs(seconds));
    caller.hang_up();
    assert!(world.run_until(secs(70), || caller.is_idle()), "seed {seed}");
    world.run_for(secs(1));
}

#[test]
fn a_caller_leaves_a_message_and_its_owner_hears_it() {
    let story = |world: &World| {
        let seed = world.seed();
        to_mailbox(world);
        let caller = world.phone("100");
        leave(world, &caller, "101", 6);
        let messages = world.voicemails();
        assert_eq!(messages.len(), 1, "seed {seed}");
        assert_eq!((&messages[0].from[..], messages[0].heard), ("100", false), "seed {seed}");
        if world.setup().is_clean() {
            assert!(caller.has_heard(SPEECH), "seed {seed}");
            assert!((5_000..8_000).contains(&messages[0].length_ms), "seed {seed}: {messages:?}");
        }
        let left =
            |event: &model::Event| matches!(&event.body, EventBody::VoicemailLeft { mailbox, .. } if mailbox == "101");
        assert!(world.events().iter().any(left), "seed {seed}");
        assert_eq!(world.record().outcome, Outcome::Answered, "seed {seed}");

        let owner = world.phone("101");
        owner.dial("*98");
        assert!(world.run_until(secs(60), || owner.hears(caller.voice())), "seed {seed}: {:?}", owner.state());
        assert!(world.run_until(secs(60), || world.voicemails()[0].heard), "seed {seed}");
        // Nothing more: the switch says so, and good-bye.
        assert!(world.run_until(secs(90), || owner.is_idle()), "seed {seed}: {:?}", owner.state());
    };
    for workers in 1..=3 {
        let world = World::new(Setup::new(7).workers(workers).unrecorded());
        story(&world);
        world.assert_settled();
    }
    roughly(|setup| setup.workers(2).unrecorded(), story);
}

#[test]
fn keys_repeat_skip_and_remove_and_the_lamp_follows() {
    let world = World::new(Setup::new(7).workers(3).unrecorded());
    to_mailbox(&world);
    let (one, two) = (world.phone("100"), world.phone("102"));
    leave(&world, &one, "101", 6);
    leave(&world, &two, "101", 6);
    let owner = world.phone("101");
    owner.subscribe("101", "message-summary", 3600);
    let lamp = |text: &str| owner.notices("101", "message-summary").last().is_some_and(|(_, body)| body.contains(text));
    assert!(world.run_until(secs(5), || lamp("2/0")), "{:?}", owner.notices("101", "message-summary"));
    owner.dial("*98");
    assert!(world.run_until(secs(40), || owner.hears(one.voice())));
    owner.press("1");
    assert!(world.run_until(secs(5), || !owner.hears(one.voice())));
    assert!(world.run_until(secs(20), || owner.hears(one.voice())), "once more");
    owner.press("9");
    assert!(world.run_until(secs(20), || owner.hears(two.voice())), "the next");
    assert!(lamp("1/1"), "{:?}", owner.notices("101", "message-summary"));
    owner.press("7");
    assert!(world.run_until(secs(20), || owner.is_idle()));
    world.run_for(secs(1));
    let left: Vec<_> = world.voicemails().into_iter().map(|m| (m.from, m.heard)).collect();
    assert_eq!(left, [("100".to_owned(), true)]);
    assert!(lamp("0/1"), "{:?}", owner.notices("101", "message-summary"));
    world.assert_settled();
}

#[test]
fn a_key_silence_or_the_limit_ends_a_message_and_a_short_one_is_none() {
    let world = World::new(Setup::new(7).workers(2).unrecorded());
    to_mailbox(&world);
    world.put_mailbox(Mailbox { max_seconds: 10, ..mailbox() });
    let caller = world.phone("100");
    let reaches_beep = || {
        caller.dial("101");
        assert!(world.run_until(secs(20), || caller.has_heard(BEEP)), "{:?}", caller.state());
    };
    reaches_beep();
    world.run_for(secs(4));
    caller.press("#");
    assert!(world.run_until(secs(30), || caller.is_idle()), "{:?}", caller.state());
    assert_eq!(world.voicemails().len(), 1);
    reaches_beep();
    world.run_for(secs(3));
    caller.fall_silent();
    assert!(world.run_until(secs(30), || caller.is_idle()), "silence: {:?}", caller.state());
    let messages = world.voicemails();
    assert_eq!(messages.len(), 2);
    assert!(messages[1].length_ms < 5_000, "{messages:?}");
    world.assert_settled();

    let world = World::new(Setup::new(7).workers(2).unrecorded());
    to_mailbox(&world);
    world.put_mailbox(Mailbox { max_seconds: 10, max_messages: 1, ..mailbox() });
    let caller = world.phone("100");
    leave(&world, &caller, "101", 1);
    assert_eq!(world.voicemails(), [], "one second is no message");
    caller.dial("101");
    assert!(world.run_until(secs(20), || caller.has_heard(BEEP)));
    assert!(world.run_until(secs(30), || caller.is_idle()), "it is too long: {:?}", caller.state());
    let messages = world.voicemails();
    assert!(messages.len() == 1 && messages[0].length_ms <= 10_500, "{messages:?}");
    caller.dial("101");
    assert_eq!(refusal(&world, &caller), 486, "there is no more room");
    world.assert_settled();
}

#[test]
fn others_need_the_pin() {
    let world = World::new(Setup::new(7).workers(2).unrecorded());
    to_mailbox(&world);
    let (caller, other) = (world.phone("100"), world.phone("102"));
    leave(&world, &caller, "101", 5);
    let enter = |pin: &str| {
        other.dial("*98101");
        assert!(world.run_until(secs(20), || other.has_heard(SPEECH)), "{:?}", other.state());
        other.press(pin);
    };
    enter("4711#");
    assert!(world.run_until(secs(40), || other.hears(caller.voice())));
    other.hang_up();
    assert!(world.run_until(secs(10), || other.is_idle()));
    enter("1234#1235#1236#");
    assert!(world.run_until(secs(40), || other.is_idle()), "{:?}", other.state());
    assert!(!other.has_heard(caller.voice()));
    world.put_mailbox(Mailbox { pin: String::new(), ..mailbox() });
    other.dial("*98101");
    assert_eq!(refusal(&world, &other), 403);
    other.dial("*98");
    assert_eq!(refusal(&world, &other), 404, "it has none");
    world.assert_settled();
}

#[test]
fn a_message_survives_when_its_caller_has_hung_up() {
    let world = World::new(Setup::new(7).workers(2).unrecorded());
    to_mailbox(&world);
    let caller = world.phone("100");
    caller.dial("101");
    assert!(world.run_until(secs(20), || caller.has_heard(BEEP)));
    world.run_for(secs(5));
    caller.hang_up();
    // As soon as its BYE is answered.
    assert!(world.run_until(secs(5), || caller.bye_status() == Some(200)), "{:?}", caller.bye_status());
    world.kill();
    world.restart();
    world.run_for(secs(2));
    assert_eq!(world.voicemails().len(), 1);
    let owner = world.phone("101");
    owner.dial("*98");
    assert!(world.run_until(secs(40), || owner.hears(caller.voice())), "{:?}", owner.state());
    owner.hang_up();
    assert!(world.run_until(secs(10), || owner.is_idle()));
    world.assert_settled();
}

#[test]
fn queues_and_routes_lead_to_mailboxes() {
    let setup = Setup::new(7).workers(3).unrecorded().trunk("pstn", "0*").tuned(|config| {
        let to = RouteTarget::Mailbox("101".to_owned());
        config.routes.push(Route { from_trunk: Some("pstn".to_owned()), ..Route::new("4008", to) });
    });
    let world = World::new(setup);
    to_mailbox(&world);
    let overflow = Overflow::Mailbox("101".to_owned());
    world.put_queue(Queue { number: "700".into(), max_wait_seconds: 3, overflow, ..Queue::new("sales") });
    let (caller, pstn) = (world.phone("100"), world.trunk("pstn"));
    pstn.set_conduct(Conduct::Ring);
    leave(&world, &caller, "700", 6);
    leave(&world, &pstn, "4008", 6);
    assert_eq!(world.voicemails().len(), 2);
    world.assert_settled();
}
