//! Stories, ladders, torture messages and interop with real clients.
//!
//! A story is a function of a [`World`]. [`everywhere`] tells it on a clean network, where its ladder must be the golden
//! one, and again on many seeds over lines that lose every tenth packet; nothing may be left of it in the end.

use expect_test::ExpectFile;
use model::{CallRecord, Outcome};
use sim::{End, Phone, Setup, Sound, World, millis, secs};

/// On which seeds a story is told over rough lines: 0 to 19, or as many as `STORY_SEEDS` says, for a night's soak; from `STORY_FIRST` on.
pub fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("STORY_FIRST").unwrap_or(0);
    first..first + number("STORY_SEEDS").unwrap_or(20)
}

/// Tells a story on a clean network and compares its ladder with the golden one.
pub fn once(setup: Setup, ladder: &ExpectFile, story: impl Fn(&World)) {
    let world = World::new(setup);
    story(&world);
    world.assert_settled();
    ladder.assert_eq(&world.ladder());
}

/// Tells a story on a clean network with its golden ladder, and on all [`seeds`] over rough lines.
///
/// `Setup::new` says with what its worlds begin; `setup` changes that.
pub fn everywhere(setup: impl Fn(Setup) -> Setup, ladder: &ExpectFile, story: impl Fn(&World)) {
    once(setup(Setup::new(7)), ladder, &story);
    roughly(setup, story);
}

/// Tells a story on all [`seeds`] over rough lines.
pub fn roughly(setup: impl Fn(Setup) -> Setup, story: impl Fn(&World)) {
    for seed in seeds() {
        let world = World::new(setup(Setup::new(seed)).rough());
        story(&world);
        world.assert_settled();
    }
}

/// Lets them come to an answer: both are in conversation and the called phone's answer is acknowledged.
pub fn connect(world: &World, caller: &Phone, called: &Phone) {
    let there = || caller.is_talking() && called.is_talking() && called.is_confirmed();
    assert!(world.run_until(secs(60), there), "{caller:?} {:?}, {called:?} {:?}", caller.state(), called.state());
}

/// Lets them speak for three seconds: each must hear the other, and nobody his own voice.
pub fn converse(world: &World, caller: &Phone, called: &Phone) {
    world.run_for(secs(3));
    let seed = world.seed();
    assert!(caller.hears(called.voice()), "seed {seed}: {caller:?} does not hear {called:?}");
    assert!(called.hears(caller.voice()), "seed {seed}: {called:?} does not hear {caller:?}");
    assert!(!caller.has_heard(caller.voice()) && !called.has_heard(called.voice()), "seed {seed}: an echo");
}

/// Lets both calls come to their end.
pub fn part(world: &World, caller: &Phone, called: &Phone) {
    let apart = || caller.is_idle() && called.is_idle();
    assert!(world.run_until(secs(70), apart), "{caller:?} {:?}, {called:?} {:?}", caller.state(), called.state());
    world.run_for(millis(500));
}

/// Waits until the caller is refused, and gives the status.
pub fn refusal(world: &World, caller: &Phone) -> u16 {
    assert!(world.run_until(secs(90), || caller.end().is_some()), "nobody refused {caller:?}: {:?}", caller.state());
    world.run_for(millis(500));
    match caller.end() {
        Some(End::Refused(status)) => status,
        end => panic!("{caller:?} was not refused but {end:?}"),
    }
}

/// The caller heard this sound, unless the message that opens its ears was lost until there was too little left to hear.
pub fn heard_if_told(world: &World, caller: &Phone, sound: Sound) {
    let told = caller.packets_heard() > 110;
    assert!(told || !world.setup().is_clean(), "{caller:?} was sent no sound");
    if told {
        assert!(caller.has_heard(sound), "seed {}: {caller:?} did not hear {sound:?}", world.seed());
    }
}

/// The record of an answered call: who heard whom is in the right channels of its recording.
pub fn assert_recorded(world: &World, record: &CallRecord, caller: &Phone, called: &Phone) {
    let seed = world.seed();
    assert_eq!(record.outcome, Outcome::Answered, "seed {seed}: {record:#?}");
    let file = record.recording.as_ref().unwrap_or_else(|| panic!("seed {seed}: no recording"));
    assert!(file.complete, "seed {seed}: {file:?}");
    let recording = world.recording(record).unwrap_or_else(|| panic!("seed {seed}: no file {}", file.path));
    assert!(recording.closed, "seed {seed}: the recording was not ended");
    assert!(recording.left.has(caller.voice()), "seed {seed}: the caller is not in the left channel");
    assert!(recording.right.has(called.voice()), "seed {seed}: the called party is not in the right channel");
    assert!(!recording.left.has(called.voice()) && !recording.right.has(caller.voice()), "seed {seed}: channels mixed");
    let length = recording.length().as_millis() as u64;
    assert!(length.abs_diff(record.talk_ms()) < 300, "seed {seed}: {length} ms recorded of {} ms", record.talk_ms());
    assert!(length.abs_diff(file.length_ms) < 20, "seed {seed}: {length} ms recorded, {} ms told", file.length_ms);
}
