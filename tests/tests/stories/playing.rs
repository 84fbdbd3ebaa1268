//! What parties hear from the switch: music while they are held, prompts by command.

use model::{CallId, Command, EventBody, Item, LegNo, Playback, PlaybackEnd, Refusal, Reply, Spoken};
use patchbay_tests::{assert_recorded, connect, converse, part, roughly};
use sim::{Conduct, Phone, Setup, Sound, World, cell, millis, secs};
use std::sync::Arc;

/// No voice has these pitches.
const MUSIC: Sound = Sound::Voice(1400);
const PROMPT: Sound = Sound::Voice(900);
const OTHER: Sound = Sound::Voice(1800);

fn with_music(config: &mut cell::Config) {
    // Shorter than a hold, so that its seam is heard if there is one.
    config.sounds.music = Arc::from([Arc::new(sim::tone(1400, secs(1)))]);
}

fn setup(setup: Setup) -> Setup {
    setup.tuned(with_music).prompt("welcome", 900, secs(2)).prompt("zh/bye", 1800, secs(1))
}

fn talking(world: &World) -> (Phone, Phone) {
    let (ana, ben) = (world.phone("100"), world.phone("101"));
    ben.set_conduct(Conduct::Answer(secs(1)));
    ana.dial("101");
    connect(world, &ana, &ben);
    converse(world, &ana, &ben);
    (ana, ben)
}

fn answered_hold(world: &World, phone: &Phone) {
    assert!(world.run_until(secs(40), || phone.reinvite_status() == Some(200)), "seed {}", world.seed());
}

#[test]
fn a_held_party_hears_music_until_it_is_taken_back() {
    let story = |world: &World| {
        let seed = world.seed();
        let (ana, ben) = talking(world);
        for (holder, held) in [(&ana, &ben), (&ben, &ana)] {
            holder.hold();
            answered_hold(world, holder);
            world.run_for(secs(5));
            assert!(held.hears(MUSIC), "seed {seed}: {held:?} hears no music");
            assert!(!held.hears(holder.voice()) && !holder.hears(MUSIC) && !holder.hears(held.voice()), "seed {seed}");
            if world.setup().is_clean() {
                let spells = held.heard(MUSIC).spells;
                assert_eq!(spells.len(), 1, "a seam: {spells:?}");
                assert!(held.heard(MUSIC).total() > secs(4));
            }
            holder.unhold();
            answered_hold(world, holder);
            world.run_for(secs(2));
            assert!(!held.hears(MUSIC), "seed {seed}: the music goes on");
            converse(world, &ana, &ben);
        }
        ana.hang_up();
        part(world, &ana, &ben);
        assert_recorded(world, &world.record(), &ana, &ben);
    };
    let world = World::new(setup(Setup::new(7)));
    story(&world);
    world.assert_settled();
    roughly(setup, story);
}

#[test]
fn music_lasts_until_the_new_party_rings_and_codecs_may_differ() {
    let world = World::new(setup(Setup::new(7)));
    let (ana, ben, eva) = (world.phone("100"), world.phone("101"), world.phone("102"));
    ana.speak_only("G722");
    ben.speak_only("PCMA");
    ben.set_conduct(Conduct::Answer(secs(1)));
    ana.dial("101");
    connect(&world, &ana, &ben);
    converse(&world, &ana, &ben);
    ben.hold();
    answered_hold(&world, &ben);
    world.run_for(secs(3));
    assert!(ana.hears(MUSIC));
    ben.transfer("102");
    assert!(world.run_until(secs(19), || eva.is_ringing()));
    world.run_for(secs(4));
    assert!(!ana.hears(MUSIC) && ana.has_heard(Sound::Ringback));
    eva.answer();
    assert!(world.run_until(secs(60), || eva.is_confirmed() && ben.end().is_some()));
    world.run_for(secs(3));
    assert!(ana.hears(eva.voice()) && eva.hears(ana.voice()));
    ana.hang_up();
    part(&world, &ana, &eva);
    world.assert_settled();
}

fn play(call: CallId, leg: Option<LegNo>, items: &[&str], times: u32) -> Command {
    let items = items.iter().map(|name| Item::Prompt((*name).to_owned())).collect();
    let play = Playback { items, times, volume_db: 0.0, barge_in: true };
    Command::Play { call, leg, play: Box::new(play) }
}

/// How each playback ended, in order.
fn ends(world: &World) -> Vec<(LegNo, PlaybackEnd)> {
    let end = |body: &EventBody| match body {
        EventBody::PlaybackEnded { leg, how, .. } => Some((*leg, *how)),
        _ => None,
    };
    world.events().iter().filter_map(|event| end(&event.body)).collect()
}

#[test]
fn prompts_are_played_to_one_party_or_both_and_the_conversation_goes_on_after_them() {
    let story = |world: &World| {
        let seed = world.seed();
        let (ana, ben) = talking(world);
        let call = world.live_calls()[0].id;
        assert_eq!(world.command(call, play(call, Some(1), &["welcome"], 1)), Ok(Reply::Done));
        world.run_for(millis(1_500));
        assert!(ben.hears(PROMPT) && !ana.hears(PROMPT) && ana.hears(ben.voice()), "seed {seed}");
        world.run_for(millis(2_000));
        assert!(ben.hears(ana.voice()) && !ben.hears(PROMPT), "seed {seed}");
        assert_eq!(world.command(call, play(call, None, &["welcome", "zh/bye"], 1)), Ok(Reply::Done));
        world.run_for(millis(4_500));
        for phone in [&ana, &ben] {
            assert!(phone.has_heard(PROMPT) && phone.has_heard(OTHER), "seed {seed}");
        }
        assert_eq!(ends(world)[1..].len(), 2);
        assert!(ends(world).iter().all(|(_, how)| *how == PlaybackEnd::Finished), "seed {seed}");
        converse(world, &ana, &ben);
        ana.hang_up();
        part(world, &ana, &ben);
        assert_recorded(world, &world.record(), &ana, &ben);
    };
    let world = World::new(setup(Setup::new(7)));
    story(&world);
    world.assert_settled();
    roughly(setup, story);
}

#[test]
fn a_key_or_a_command_ends_a_prompt_and_the_music_comes_back() {
    let world = World::new(setup(Setup::new(7)).workers(2));
    let (ana, ben) = talking(&world);
    let call = world.live_calls()[0].id;
    assert_eq!(world.command(call, play(call, None, &["welcome"], 0)), Ok(Reply::Done));
    world.run_for(secs(5));
    assert!(ana.hears(PROMPT) && ben.hears(PROMPT));
    ben.press("5");
    world.run_for(secs(2));
    assert!(ana.hears(PROMPT) && ben.hears(ana.voice()) && !ben.hears(PROMPT));
    assert_eq!(ends(&world), [(1, PlaybackEnd::Key)]);
    assert_eq!(world.command(call, Command::StopPlay { call, leg: None }), Ok(Reply::Done));
    world.run_for(secs(2));
    assert_eq!(ends(&world)[1..], [(0, PlaybackEnd::Stopped)]);
    assert_eq!(world.command(call, Command::StopPlay { call, leg: None }), Err(Refusal::WrongState));
    converse(&world, &ana, &ben);
    // A held party hears a prompt, and then music again.
    ana.hold();
    answered_hold(&world, &ana);
    world.run_for(secs(2));
    assert_eq!(world.command(call, play(call, Some(1), &["welcome"], 1)), Ok(Reply::Done));
    world.run_for(millis(1_500));
    assert!(ben.hears(PROMPT) && !ben.hears(MUSIC));
    world.run_for(secs(2));
    assert!(ben.hears(MUSIC) && !ben.hears(PROMPT));
    // One that is under way when the call ends, ends with it.
    assert_eq!(world.command(call, play(call, Some(1), &["welcome"], 0)), Ok(Reply::Done));
    world.run_for(secs(1));
    ben.hang_up();
    part(&world, &ana, &ben);
    assert_eq!(ends(&world)[2..], [(1, PlaybackEnd::Finished), (1, PlaybackEnd::Stopped)]);
    world.assert_settled();
}

#[test]
fn what_cannot_be_played_is_refused_and_changes_nothing() {
    let world = World::new(setup(Setup::new(7)));
    let (ana, ben) = (world.phone("100"), world.phone("101"));
    ana.dial("101");
    assert!(world.run_until(secs(5), || ben.is_ringing()));
    world.run_for(secs(1));
    let call = world.live_calls()[0].id;
    assert_eq!(world.command(call, play(call, None, &["welcome"], 1)), Err(Refusal::WrongState));
    assert_eq!(world.command(call, play(call, Some(0), &["welcome"], 1)), Err(Refusal::WrongState));
    ben.answer();
    connect(&world, &ana, &ben);
    assert_eq!(world.command(call, play(call, Some(9), &["welcome"], 1)), Err(Refusal::NoSuchLeg));
    assert_eq!(world.command(call, play(call, None, &["welcome", "nothing"], 1)), Err(Refusal::NoSuchPrompt));
    assert_eq!(world.command(call, play(call, None, &[], 1)), Err(Refusal::WrongState));
    assert_eq!(world.command(call, play(call, None, &["welcome"; 65], 1)), Err(Refusal::WrongState));
    converse(&world, &ana, &ben);
    assert!(!ana.has_heard(PROMPT) && ends(&world).is_empty());
    ana.hang_up();
    part(&world, &ana, &ben);
    assert_eq!(world.command(call, play(call, None, &["welcome"], 1)), Err(Refusal::NoSuchCall));
    world.assert_settled();
}

#[test]
fn texts_and_numbers_are_said_in_a_call() {
    let clips = [("liang", 1_350), ("yuan", 1_450)];
    let clip = |setup: Setup, (name, hertz)| setup.prompt(&format!("zh/spoken/{name}"), hertz, millis(300));
    let world = World::new(clips.into_iter().fold(Setup::new(7), clip));
    let (ana, ben) = talking(&world);
    let call = world.live_calls()[0].id;
    let say = |items: Vec<Item>| {
        let play = Playback { items, times: 1, volume_db: 0.0, barge_in: false };
        world.command(call, Command::Play { call, leg: Some(1), play: Box::new(play) })
    };
    let text = |text: &str| Item::Text { text: text.to_owned(), voice: String::new(), speed: 100 };
    assert_eq!(say(vec![text("ten signs.")]), Ok(Reply::Done));
    world.run_for(secs(3));
    let heard = ben.heard(Sound::Voice(1_850)).total();
    assert!(heard.abs_diff(secs(1)) < millis(60), "{heard:?}");
    let spoken = |what| Item::Spoken { what, language: "zh".to_owned() };
    assert_eq!(say(vec![spoken(Spoken::Number(10)), text("x")]), Err(Refusal::NoSuchPrompt), "no clip says 十");
    assert_eq!(say(vec![text("")]), Err(Refusal::NoSuchPrompt));
    assert_eq!(say(vec![spoken(Spoken::Yuan(200))]), Ok(Reply::Done));
    world.run_for(secs(2));
    let spells = [1_350, 1_450].map(|hertz| ben.heard(Sound::Voice(hertz)).spells);
    assert!(spells.iter().all(|spells| spells.len() == 1) && spells[0][0].1 <= spells[1][0].0 + 160, "{spells:?}");
    assert!(!ana.has_heard(Sound::Voice(1_850)) && ana.hears(ben.voice()));
    converse(&world, &ana, &ben);
    ana.hang_up();
    part(&world, &ana, &ben);
    world.assert_settled();
}
