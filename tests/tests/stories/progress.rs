//! Calls whose progress is listened to: tones, announcements, faxes, people and machines.

use media::testing::{Speech, tone};
use media::tones::{Country, Tone};
use model::{CallProgress, EventBody, Originate, Outcome, ProgressSignal};
use patchbay_tests::{connect, part, refusal, roughly};
use sim::{Conduct, Phone, Setup, World, millis, secs};

fn listening(setup: Setup, how: CallProgress) -> Setup {
    let setup = setup.trunk("pstn", "0*");
    match how {
        CallProgress::Off => setup,
        CallProgress::Events => setup.tuned(|config| config.trunks[0].call_progress = CallProgress::Events),
        CallProgress::Causes => setup.tuned(|config| config.trunks[0].call_progress = CallProgress::Causes),
    }
}

/// What was told of the called party, each with how sure it is.
fn told(world: &World) -> Vec<(ProgressSignal, u8)> {
    let of = |event: model::Event| match event.body {
        EventBody::ProgressHeard { heard, .. } => Some((heard.signal, heard.confidence)),
        _ => None,
    };
    world.events().into_iter().filter_map(of).collect()
}

fn signals(world: &World) -> Vec<ProgressSignal> {
    told(world).into_iter().map(|(signal, _)| signal).collect()
}

fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 8]
}

/// Somebody speaks without a pause.
fn speech(ms: usize, seed: u64) -> Vec<i16> {
    let mut voiced: Vec<i16> = Vec::new();
    let mut speech = Speech::new(seed, 8_000, 0);
    while voiced.len() < ms * 8 {
        let frame = speech.take_samples(160);
        if frame.iter().any(|s| s.unsigned_abs() > 600) {
            voiced.extend(frame);
        }
    }
    voiced.truncate(ms * 8);
    voiced
}

/// Somebody outside, who is called by a trunk that believes its ears.
fn outside(world: &World) -> (Phone, Phone) {
    (world.phone("100"), world.trunk("pstn"))
}

#[test]
fn tones_before_the_answer_become_causes_where_the_trunk_has_none() {
    roughly(
        |setup| listening(setup, CallProgress::Causes),
        |world| {
            let (phone, far) = outside(world);
            for (tone, outcome, signal) in [
                (Tone::Busy, Outcome::Busy, ProgressSignal::Busy),
                (Tone::Unobtainable, Outcome::Unallocated, ProgressSignal::Unobtainable),
                (Tone::Congestion, Outcome::Congestion, ProgressSignal::Congestion),
            ] {
                far.greet_with(&[silence(500), tone.samples(Country::Cn).repeat(30)].concat());
                far.set_conduct(Conduct::EarlyMedia(None));
                phone.dial("0571123");
                refusal(world, &phone);
                world.run_for(secs(2));
                let record = world.records().pop().unwrap();
                // The only message that opens the switch's ears may be lost; then it rings until nobody answers.
                let heard = record.legs.last().unwrap().heard.last().map(|heard| heard.signal);
                let (outcome, heard_then) = heard.map_or((Outcome::NoAnswer, None), |_| (outcome, Some(signal)));
                assert_eq!((record.outcome, heard), (outcome, heard_then), "seed {}", world.seed());
                assert!(far.is_idle(), "the attempt there is cancelled");
            }
        },
    );
}

#[test]
fn each_tone_is_its_cause_on_a_clean_line() {
    for (tone, outcome) in [
        (Tone::Busy, Outcome::Busy),
        (Tone::Unobtainable, Outcome::Unallocated),
        (Tone::Congestion, Outcome::Congestion),
    ] {
        let world = World::new(listening(Setup::new(7), CallProgress::Causes));
        let (phone, far) = outside(&world);
        far.greet_with(&[silence(500), tone.samples(Country::Cn).repeat(30)].concat());
        far.set_conduct(Conduct::EarlyMedia(None));
        phone.dial("0571123");
        refusal(&world, &phone);
        world.run_for(secs(2));
        let record = world.record();
        assert_eq!((record.outcome, record.cause), (outcome, outcome.cause()));
        let heard = record.legs.last().unwrap().heard[0];
        assert!(heard.confidence >= 80 && heard.at_ms < 5_000, "{heard:?}");
        world.assert_settled();
    }
}

#[test]
fn a_trunk_that_is_only_listened_to_goes_on_and_ringback_ends_nothing() {
    let world = World::new(listening(Setup::new(7), CallProgress::Events));
    let (phone, far) = outside(&world);
    let [ringback, busy] = [Tone::Ringback, Tone::Busy].map(|tone| tone.samples(Country::Cn));
    far.greet_with(&[silence(500), ringback.repeat(2), busy.repeat(10)].concat());
    far.set_conduct(Conduct::EarlyMedia(None));
    phone.dial("0571123");
    world.run_for(secs(18));
    assert_eq!(signals(&world), [ProgressSignal::Ringback, ProgressSignal::Busy]);
    assert!(phone.end().is_none(), "the caller hears it and decides");
    far.refuse(480);
    refusal(&world, &phone);
    assert_eq!(world.record().outcome, Outcome::NoAnswer);
    world.assert_settled();
}

#[test]
fn an_announcement_says_more_than_the_cause_that_follows() {
    for (how, outcome) in [(CallProgress::Events, Outcome::Busy), (CallProgress::Causes, Outcome::Unreachable)] {
        let world = World::new(listening(Setup::new(7), how));
        let (phone, far) = outside(&world);
        far.greet_with(&[silence(500), speech(4_000, 5)].concat());
        far.set_conduct(Conduct::EarlyMedia(None));
        phone.dial("0571123");
        world.run_for(secs(6));
        far.refuse(486);
        refusal(&world, &phone);
        assert_eq!((signals(&world), world.record().outcome), (vec![ProgressSignal::Announcement], outcome));
        world.assert_settled();
    }
}

#[test]
fn a_person_a_machine_and_a_fax_are_told_apart_after_the_answer() {
    let greeting = [silence(700), speech(1_600, 1), silence(300), speech(1_800, 2), silence(2_000)].concat();
    let person = [silence(700), speech(600, 3), silence(3_000)].concat();
    let fax = [silence(700), tone(2_100.0, 8_000 * 3), silence(1_000)].concat();
    for codec in ["PCMA", "G722"] {
        for (said, signal) in [
            (&greeting, ProgressSignal::Machine),
            (&person, ProgressSignal::Human),
            (&fax, ProgressSignal::FaxAnswering),
        ] {
            let world = World::new(Setup::new(7).trunk("pstn", "0*"));
            let (phone, far) = outside(&world);
            if codec == "G722" {
                phone.speak_only(codec);
                far.speak_only(codec);
                world.change_extension("100", |e| e.codecs = vec![codec.to_owned()]);
            }
            far.greet_with(said);
            phone.set_conduct(Conduct::AnswerAtOnce);
            far.set_conduct(Conduct::Answer(secs(1)));
            let wish = Originate {
                extension: "100".to_owned(),
                to: "0571123".to_owned(),
                call_progress: true,
                ..Originate::default()
            };
            world.originate(wish).unwrap();
            connect(&world, &phone, &far);
            world.run_for(secs(8));
            assert_eq!(signals(&world), [signal], "{codec}");
            assert!(told(&world)[0].1 >= 70);
            phone.hang_up();
            part(&world, &phone, &far);
            let heard: Vec<_> = world.record().legs.iter().flat_map(|leg| leg.heard.clone()).collect();
            assert_eq!((heard.len(), heard[0].signal), (1, signal));
            world.assert_settled();
        }
    }
}

#[test]
fn nobody_listens_unless_told_to() {
    let world = World::new(Setup::new(7).trunk("pstn", "0*"));
    let (phone, far) = outside(&world);
    far.greet_with(&Tone::Busy.samples(Country::Cn).repeat(20));
    far.set_conduct(Conduct::EarlyMedia(None));
    phone.dial("0571123");
    world.run_for(secs(10));
    assert_eq!(told(&world), []);
    far.refuse(486);
    refusal(&world, &phone);
    world.run_for(millis(500));
    assert!(world.record().legs.iter().all(|leg| leg.heard.is_empty()));
    world.assert_settled();
}
