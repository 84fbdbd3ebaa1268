//! How calls sound, told while they last and kept in their records.

use model::{EventBody, SoundAlarm};
use patchbay_tests::{connect, converse, part};
use sim::{Conduct, Link, Setup, World, secs};

/// Alarms of sound, with the number of the leg: 0 is the caller.
fn alarms(world: &World) -> Vec<(u16, SoundAlarm, bool)> {
    let alarm = |event: &model::Event| match &event.body {
        EventBody::SoundAlarm { leg, alarm, on, .. } => Some((*leg, *alarm, *on)),
        _ => None,
    };
    world.events().iter().filter_map(alarm).collect()
}

fn scores(world: &World) -> Vec<(u16, f32)> {
    let score = |event: &model::Event| match &event.body {
        EventBody::QualityChanged { leg, quality, .. } => Some((*leg, quality.mos)),
        _ => None,
    };
    world.events().iter().filter_map(score).collect()
}

#[test]
fn a_party_that_is_not_heard_is_told_of_as_long_as_that_lasts() {
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.phone("101"));
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    connect(&world, &phone, &other);
    converse(&world, &phone, &other);
    other.fall_silent();
    world.run_for(secs(15));
    assert_eq!(alarms(&world), [(1, SoundAlarm::OneWay, true)]);
    phone.fall_silent();
    world.run_for(secs(15));
    assert_eq!(alarms(&world)[1..], [(0, SoundAlarm::NoSound, true)]);
    phone.hang_up();
    part(&world, &phone, &other);
}

#[test]
fn hold_is_no_alarm() {
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.phone("101"));
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    connect(&world, &phone, &other);
    converse(&world, &phone, &other);
    other.hold();
    world.run_for(secs(40));
    other.unhold();
    world.run_for(secs(20));
    converse(&world, &phone, &other);
    phone.hang_up();
    part(&world, &phone, &other);
    assert_eq!(alarms(&world), []);
    world.assert_settled();
}

#[test]
fn quality_that_changes_is_told_and_a_record_says_how_it_was_over_time() {
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.phone("101"));
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    connect(&world, &phone, &other);
    world.run_for(secs(30));
    assert_eq!(scores(&world), [], "nothing to tell of");
    other.set_link(Link::rough());
    world.run_for(secs(30));
    let bad = scores(&world);
    assert!(!bad.is_empty() && bad.len() < 30, "{bad:?}");
    assert!(bad.iter().all(|(leg, _)| *leg == 1) && bad[0].1 < 4.0, "{bad:?}");
    other.set_link(Link::clean());
    world.run_for(secs(30));
    assert!(scores(&world).last().is_some_and(|(_, mos)| *mos > 4.2), "{:?}", scores(&world));
    phone.hang_up();
    part(&world, &phone, &other);
    let record = &world.records()[0];
    let quality = record.legs[1].quality.as_ref().expect("it was heard");
    assert!((8..64).contains(&quality.over_time.len()), "{quality:?}");
    let worst = quality.over_time.iter().map(|m| m.mos).fold(5.0, f32::min);
    let (first, last) = (quality.over_time[0], quality.over_time[quality.over_time.len() - 1]);
    assert!(worst < 3.9 && first.mos > 4.2 && last.mos > 4.2, "{:?}", quality.over_time);
    assert!(quality.over_time.is_sorted_by_key(|m| m.at_ms));
    assert!(quality.level_dbov.is_some_and(|level| (-30.0..-5.0).contains(&level)), "{quality:?}");
    assert!(quality.remote_mos.is_some(), "the phone reports");
}

#[test]
fn who_speaks_is_told_where_the_configuration_wants_it() {
    let speaking = |world: &World| {
        let told = |event: &model::Event| match &event.body {
            EventBody::VoiceActivity { leg, speaking, .. } => Some((*leg, *speaking)),
            _ => None,
        };
        world.events().iter().filter_map(told).collect::<Vec<_>>()
    };
    for wanted in [false, true] {
        let setup = Setup::new(7);
        let world = World::new(if wanted { setup.tuned(|config| config.policy.tell_speech = true) } else { setup });
        let (phone, other) = (world.phone("100"), world.phone("101"));
        other.set_conduct(Conduct::AnswerAtOnce);
        phone.dial("101");
        connect(&world, &phone, &other);
        converse(&world, &phone, &other);
        let mut told = speaking(&world);
        told.sort_unstable();
        assert_eq!(told, if wanted { vec![(0, true), (1, true)] } else { vec![] });
        phone.hang_up();
        part(&world, &phone, &other);
    }
}
