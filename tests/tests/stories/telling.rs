//! What agents' phones tell the switch by dialling it.

use model::{Outcome, Route, RouteTarget};
use patchbay_tests::{connect, converse, part, roughly};
use sim::{Conduct, End, Phone, Setup, Sound, World, cell, secs};

/// The two notes of the confirmation tone; no phone has these pitches.
const NOTES: [Sound; 2] = [Sound::Voice(950), Sound::Voice(1350)];
const PAGE: &str = "101";
const MUSIC: Sound = Sound::Voice(1400);

fn setup(setup: Setup) -> Setup {
    let with_music = |config: &mut cell::Config| {
        config.sounds.music = std::sync::Arc::from([std::sync::Arc::new(sim::tone(1400, secs(1)))]);
        // Whatever the routes say.
        config.routes.push(Route::new("*", RouteTarget::Conference("all".to_owned())));
    };
    setup.tuned(with_music).browsers().unrecorded()
}

/// What is dialled is confirmed, and the switch hangs up.
fn tell(world: &World, phone: &Phone, what: &str) {
    phone.dial(what);
    let seed = world.seed();
    assert!(world.run_until(secs(70), || phone.end().is_some()), "seed {seed}: {phone:?} {what}: {:?}", phone.state());
    assert_eq!(phone.end(), Some(End::LeftByThem), "seed {seed}: {what}");
    let spells = NOTES.map(|note| phone.heard(note).spells);
    if world.setup().is_clean() {
        assert!(spells.iter().all(|spells| spells.len() == 2), "{phone:?} {what}: {spells:?}");
    }
    // Over rough lines the last flight of a page's handshake may be lost, and come again when the tone is over (RFC 6347 §4.2.4).
    let shakes_hands = !world.setup().is_clean() && phone.number() == PAGE;
    let heard = spells.iter().any(|spells| !spells.is_empty());
    assert!(heard || shakes_hands, "seed {seed}: {phone:?} {what} heard nothing");
    assert!(!phone.has_heard(MUSIC), "seed {seed}: that is for those who wait");
}

/// It is parked with music until it hangs up.
fn stay(world: &World, phone: &Phone, what: &str) {
    phone.dial(what);
    let seed = world.seed();
    assert!(world.run_until(secs(40), || phone.is_talking()), "seed {seed}: {phone:?} {what}: {:?}", phone.state());
    assert!(world.run_until(secs(40), || phone.hears(MUSIC)), "seed {seed}: {phone:?} {what}: no music");
    world.run_for(secs(30));
    assert!(world.run_until(secs(20), || phone.hears(MUSIC)), "seed {seed}: {phone:?} {what}: the music ends");
    assert!(phone.is_talking(), "seed {seed}: {phone:?} {what}");
    phone.hang_up();
    assert!(world.run_until(secs(70), || phone.is_idle()), "seed {seed}");
}

fn story(world: &World) {
    let (phone, page, wide) = (world.phone("100"), world.page(PAGE), world.phone("102"));
    wide.speak_only("G722");
    let agent = |name: &str, extension: &str| model::Agent {
        name: name.to_owned(),
        extension: extension.to_owned(),
        ..model::Agent::default()
    };
    for (name, extension) in [("ana", "100"), ("ben", "101"), ("eva", "102")] {
        world.put_agent(agent(name, extension));
    }
    for one in [&phone, &page, &wide] {
        let name = [("100", "ana"), ("101", "ben"), ("102", "eva")]
            .into_iter()
            .find(|n| n.0 == one.number())
            .expect("one of them")
            .1;
        tell(world, one, "agent_login");
        let at_work = || world.agent_status(name).state == model::AgentState::Ready;
        assert!(world.run_until(secs(40), at_work), "seed {}: {name}", world.seed());
        stay(world, one, "fifo+1");
        stay(world, one, "fifo%2B1");
        stay(world, one, "fifosales");
        tell(world, one, "agent_logoff");
        assert_eq!(world.agent_status(name).state, model::AgentState::LoggedOut, "seed {}: {name}", world.seed());
    }
    world.run_for(secs(1));
    let records = world.records();
    assert_eq!(records.len(), 15, "seed {}", world.seed());
    assert!(records.iter().all(|record| record.outcome == Outcome::Answered && record.legs.len() == 1));
}

#[test]
fn what_an_agents_phone_dials_to_the_switch_is_confirmed_by_a_tone_and_off_hook_stays_with_music() {
    let world = World::new(setup(Setup::new(7).workers(2)));
    story(&world);
    world.assert_settled();
    roughly(setup, story);
}

#[test]
fn nobody_is_sent_there_by_another_party() {
    let world = World::new(setup(Setup::new(7)));
    let (ana, ben) = (world.phone("100"), world.phone("101"));
    ben.set_conduct(Conduct::Answer(secs(1)));
    ana.dial("101");
    connect(&world, &ana, &ben);
    converse(&world, &ana, &ben);
    ana.transfer("agent_login");
    world.run_for(secs(3));
    assert!(ana.progress().last().is_some_and(|told| told.contains("404")), "{:?}", ana.progress());
    converse(&world, &ana, &ben);
    ana.hang_up();
    part(&world, &ana, &ben);
    assert!(!ben.has_heard(NOTES[0]) && !ben.has_heard(NOTES[1]));
    world.assert_settled();
}

#[test]
fn whoever_is_no_agent_hears_that_it_cannot_be_done() {
    let world = World::new(setup(Setup::new(7)).workers(2));
    let phone = world.phone("100");
    for what in ["agent_login", "agent_logoff"] {
        phone.dial(what);
        assert!(world.run_until(secs(20), || phone.end().is_some()), "{what}");
        assert!(NOTES.iter().all(|note| !phone.has_heard(*note)) && phone.has_heard(Sound::Congestion), "{what}");
    }
    world.assert_settled();
}
